// SPDX-License-Identifier: BSD-3-Clause
// Anonymous memory for DMA: hugepages of 1 GiB or 2 MiB, or ordinary pages, of a NUMA node; resident when it is
// returned, nothing left behind.
#pragma once
#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <iterator>
#include <string>
#include <utility>

#include <pollux/core/file.hpp>
#include <pollux/core/mapping.hpp>
#include <pollux/core/memory_calls.hpp>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

namespace pollux::dma {

inline constexpr std::size_t kPage4K = 4096;
inline constexpr std::size_t kPage2M = std::size_t{2} << 20;
inline constexpr std::size_t kPage1G = std::size_t{1} << 30;

constexpr std::size_t round_up(std::size_t bytes, std::size_t unit) noexcept {
  return (bytes + unit - 1) / unit * unit;
}

/// "2 MiB", "1 GiB".
inline std::string page_name(std::size_t page_bytes) {
  return page_bytes >= kPage1G   ? text::cat(page_bytes >> 30, " GiB")
         : page_bytes >= kPage2M ? text::cat(page_bytes >> 20, " MiB")
                                 : text::cat(page_bytes >> 10, " KiB");
}

struct MemoryRequest {
  std::size_t bytes = 0;
  std::size_t page_bytes = kPage4K;  ///< kPage4K, or a hugepage size of this machine
  std::size_t granule = kPage4K;     ///< the memory is aligned to it and a multiple of it; a power of two
  int numa_node = -1;                ///< only of this node; -1: of any
};

namespace detail {
/// Memory not yet touched will come from `node` alone; -1: nothing to do. Returns what mbind does.
inline int bind_to_node(std::byte* memory, std::size_t bytes, int node) noexcept {
  if (node < 0) return 0;
  constexpr unsigned kBits = 8 * sizeof(unsigned long);
  unsigned long mask[16] = {};
  if (static_cast<unsigned>(node) >= kBits * std::size(mask)) return errno = EINVAL, -1;
  mask[static_cast<unsigned>(node) / kBits] = 1ul << (static_cast<unsigned>(node) % kBits);
  return sys::mbind(memory, bytes, sys::kMpolBind, mask, kBits * std::size(mask), 0);
}
inline std::string no_such_node(int node) { return text::cat("the machine has no node ", node, " with memory: lscpu"); }
/// Makes every page present; returns what madvise does. On hugepages a shortage is ENOMEM: the kernel calls it EFAULT
/// (touching the page were SIGBUS), because a mapping reserves pages of any node, and is then bound to one.
inline int populate(std::byte* memory, std::size_t bytes, bool huge) noexcept {
  const int result = sys::madvise(memory, bytes, MADV_POPULATE_WRITE);
  if (result != 0 && errno == EFAULT && huge) errno = ENOMEM;
  return result;
}
}  // namespace detail

/// Fresh zeroed memory, every page present.
/// MAP_SHARED: a fork() neither copies nor moves pages a device works on; the kernel frees them with the last
/// process, however it ends. Pages are populated here, because a shortage met later is SIGBUS, not an errno.
/// Errors: ENOMEM when too few hugepages are free (on the node) or RLIMIT/memory is short; EINVAL when the machine has
/// no such page size or node. Cost: 2 system calls, up to 5 with a large granule and a node.
/// `file`: from its start, instead of memory without a name; it has those pages, and the granule is no larger.
inline Result<Mapping> try_map_pages(const MemoryRequest& wanted, int file = -1) {
  const bool huge = wanted.page_bytes != kPage4K;
  const std::string what = huge ? page_name(wanted.page_bytes) + " hugepages" : "memory";
  const std::size_t unit = wanted.granule > wanted.page_bytes ? wanted.granule : wanted.page_bytes;
  const std::size_t surplus = unit - wanted.page_bytes;  // the kernel aligns to a page: room to begin at a whole unit
  const int log2 = __builtin_ctzll(wanted.page_bytes);
  const int anonymous = MAP_ANONYMOUS | (huge ? MAP_HUGETLB | log2 << 26 : 0);
  auto memory = Mapping::try_map(round_up(wanted.bytes, unit) + surplus, PROT_READ | PROT_WRITE,
                                 MAP_SHARED | (file < 0 ? anonymous : 0), file, 0, what.c_str());
  if (!memory) return memory;
  if (surplus != 0) {
    const auto at = reinterpret_cast<std::uintptr_t>(memory.value().data());
    memory.value().narrow_to(round_up(at, unit) - at, round_up(wanted.bytes, unit));
  }
  const auto failed = [&](const char* operation, std::string remedy) {
    return Failure{.code = errno,
                   .operation = operation,
                   .object = what,
                   .where = text::cat(memory.value().size() >> 10, " KiB"),
                   .remedy = std::move(remedy)};
  };
  if (detail::bind_to_node(memory.value().data(), memory.value().size(), wanted.numa_node) != 0) {
    return failed("bind to a NUMA node", detail::no_such_node(wanted.numa_node));
  }
  if (detail::populate(memory.value().data(), memory.value().size(), huge) == 0) return memory;
  return failed("populate", errno == EINVAL ? "Linux 5.14 or newer is needed (MADV_POPULATE_WRITE)" : "");
}

/// The directory of the kernel's pool of hugepages of one size, or of a node's share in it.
inline std::string hugepage_pool(std::size_t page_bytes, int node = -1, const std::string& sysfs = "/sys") {
  const std::string of = node < 0 ? std::string("/kernel/mm") : text::cat("/devices/system/node/node", node);
  return text::cat(sysfs, of, "/hugepages/hugepages-", page_bytes >> 10, "kB/");
}
/// A count of that pool, or of a node's share; 0 when there is none.
inline std::size_t hugepage_count(const char* which, std::size_t page_bytes, int node = -1,
                                  const std::string& sysfs = "/sys") {
  auto text = file::try_read(hugepage_pool(page_bytes, node, sysfs) + which);
  return text ? static_cast<std::size_t>(std::strtoull(text.value().c_str(), nullptr, 10)) : 0;
}
/// Free and not promised to another process; -1: on all nodes. Promises are of no node.
inline std::size_t free_pages(std::size_t page_bytes, int node = -1, const std::string& sysfs = "/sys") {
  const std::size_t free = hugepage_count("free_hugepages", page_bytes, -1, sysfs),
                    reserved = hugepage_count("resv_hugepages", page_bytes, -1, sysfs),
                    to_be_had = free > reserved ? free - reserved : 0;
  if (node < 0) return to_be_had;
  const std::size_t of_node = hugepage_count("free_hugepages", page_bytes, node, sysfs);
  return of_node < to_be_had ? of_node : to_be_had;
}
inline std::size_t free_2m_pages(const std::string& sysfs = "/sys") { return free_pages(kPage2M, -1, sysfs); }

}  // namespace pollux::dma

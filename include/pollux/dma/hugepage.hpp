// SPDX-License-Identifier: BSD-3-Clause
// Anonymous memory for DMA: 2 MiB hugepages or ordinary pages; resident when it is returned, nothing left behind.
#pragma once
#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include <pollux/core/file.hpp>
#include <pollux/core/mapping.hpp>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

namespace pollux::dma {

inline constexpr std::size_t kPage4K = 4096;
inline constexpr std::size_t kPage2M = std::size_t{2} << 20;

constexpr std::size_t round_up(std::size_t bytes, std::size_t unit) noexcept {
  return (bytes + unit - 1) / unit * unit;
}

/// Fresh zeroed memory on pages of `page_bytes` (kPage4K or kPage2M), every page present; aligned to `granule` and a
/// multiple of it.
/// MAP_SHARED: a fork() neither copies nor moves pages a device works on; the kernel frees them with the last
/// process, however it ends. Pages are populated here, because a shortage met later is SIGBUS, not an errno.
/// Pre: `granule` is a power of two. Errors: ENOMEM when too few hugepages are free or RLIMIT/memory is short.
/// Cost: 2 system calls, 4 when the granule is larger than a page.
inline Result<Mapping> try_map_pages(std::size_t bytes, std::size_t page_bytes, std::size_t granule = kPage4K) {
  const bool huge = page_bytes == kPage2M;
  const std::size_t unit = granule > page_bytes ? granule : page_bytes;
  const std::size_t surplus = unit - page_bytes;  // the kernel aligns to a page: room to begin at a whole unit
  const int flags = MAP_SHARED | MAP_ANONYMOUS | (huge ? MAP_HUGETLB | (21 << 26) : 0);
  auto memory = Mapping::try_map(round_up(bytes, unit) + surplus, PROT_READ | PROT_WRITE, flags, -1, 0,
                                 huge ? "2 MiB hugepages" : "memory");
  if (!memory) return memory;
  if (surplus != 0) {
    const auto at = reinterpret_cast<std::uintptr_t>(memory.value().data());
    memory.value().narrow_to(round_up(at, unit) - at, round_up(bytes, unit));
  }
  if (sys::madvise(memory.value().data(), memory.value().size(), MADV_POPULATE_WRITE) == 0) return memory;
  return Failure{.code = errno,
                 .operation = "populate",
                 .object = huge ? "2 MiB hugepages" : "memory",
                 .where = text::cat(memory.value().size() >> 10, " KiB"),
                 .remedy = errno == EINVAL ? "Linux 5.14 or newer is needed (MADV_POPULATE_WRITE)" : ""};
}

/// A count of the kernel's pool of 2 MiB hugepages, of the whole machine; 0 when it has none.
inline std::size_t hugepage_count(const char* which, const std::string& sysfs = "/sys") {
  auto text = file::try_read(sysfs + "/kernel/mm/hugepages/hugepages-2048kB/" + which);
  return text ? static_cast<std::size_t>(std::strtoull(text.value().c_str(), nullptr, 10)) : 0;
}
/// Free and not promised to another process.
inline std::size_t free_2m_pages(const std::string& sysfs = "/sys") {
  const std::size_t free = hugepage_count("free_hugepages", sysfs), reserved = hugepage_count("resv_hugepages", sysfs);
  return free > reserved ? free - reserved : 0;
}
/// In use or free.
inline std::size_t total_2m_pages() { return hugepage_count("nr_hugepages"); }

}  // namespace pollux::dma

// SPDX-License-Identifier: BSD-3-Clause
// Hugepages that follow each other in physical memory, for domains without an IOMMU.
#pragma once
#include <utility>
#include <vector>

#include <pollux/core/sort.hpp>
#include <pollux/dma/hugepage.hpp>
#include <pollux/dma/physical.hpp>

namespace pollux::dma {

namespace detail {

struct PlacedPage {
  PhysAddr at;
  std::size_t index;  ///< in the file [pages]
};

/// The first n of `pages` (sorted by address) that follow each other; nothing: pages.end().
inline std::vector<PlacedPage>::const_iterator find_run(const std::vector<PlacedPage>& pages, std::size_t n,
                                                        std::size_t page_bytes) {
  std::size_t length = 0;
  for (auto page = pages.begin(); page != pages.end(); ++page) {
    length = length > 0 && page->at.value() == (page - 1)->at.value() + page_bytes ? length + 1 : 1;
    if (length == n) return page - static_cast<std::ptrdiff_t>(n - 1);
  }
  return pages.end();
}

}  // namespace detail

/// Fresh zeroed memory on hugepages that are consecutive in physical memory. Pre: request.page_bytes is that of a
/// hugepage, the granule no larger.
/// How: a memfd on more and more hugepages until some of them follow each other; those are mapped in order, the others
/// go back. The file has no name and goes with its last mapping.
/// Errors: ENOMEM (too few hugepages, or too scattered), and what Pagemap says. Cost: some ten system calls, more when
/// memory is scattered.
inline Result<Mapping> try_map_consecutive(const MemoryRequest& request, const Pagemap& pagemap) {
  const std::size_t page_bytes = request.page_bytes;
  const std::size_t wanted = round_up(request.bytes, page_bytes) / page_bytes;
  const auto failed = [&](const char* operation, const std::string& where) {
    return Failure{.code = errno, .operation = operation, .object = "hugepages", .where = where, .remedy = {}};
  };
  const auto log2 = static_cast<unsigned>(__builtin_ctzll(page_bytes));
  const UniqueFd file(sys::memfd_create("pollux", MFD_HUGETLB | log2 << 26));
  if (!file) return failed("make a file on", "memfd_create");

  std::vector<detail::PlacedPage> pages;
  auto run = pages.cend();
  for (std::size_t have = wanted;;) {
    if (sys::ftruncate(file.get(), static_cast<off_t>(have * page_bytes)) != 0) return failed("size", "ftruncate");
    auto all = Mapping::try_map(have * page_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0, "hugepages");
    if (!all) return all;
    if (detail::bind_to_node(all.value().data(), all.value().size(), request.numa_node) != 0) {
      Failure failure = failed("bind to a NUMA node", "mbind");
      failure.remedy = detail::no_such_node(request.numa_node);
      return failure;
    }
    if (detail::populate(all.value().data(), all.value().size(), true) != 0) {
      return failed("populate", text::cat(all.value().size() >> 10, " KiB"));
    }
    pages.clear();
    for (std::size_t i = 0; i < have; ++i) {
      auto at = pagemap.try_locate(all.value().data() + i * page_bytes, 1);
      if (!at) return at.failure();
      pages.push_back({at.value().front(), i});
    }
    sort(pages, [](const auto& a, const auto& b) { return a.at < b.at; });
    run = detail::find_run(pages, wanted, page_bytes);
    if (run != pages.cend()) break;
    const std::size_t free = free_pages(page_bytes, request.numa_node), more = have < free ? have : free;
    if (more == 0) {
      errno = ENOMEM;
      return failed("find", text::cat("no ", wanted, " of ", have, " follow each other in physical memory"));
    }
    have += more;
  }

  auto window = Mapping::try_map((wanted + 1) * page_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0,
                                 "an address range for hugepages");
  if (!window) return window;
  const auto at = reinterpret_cast<std::uintptr_t>(window.value().data());
  window.value().narrow_to(round_up(at, page_bytes) - at, wanted * page_bytes);
  std::vector<bool> used(pages.size());
  for (std::size_t i = 0; i < wanted; ++i) {
    const std::size_t index = run[static_cast<std::ptrdiff_t>(i)].index;
    used[index] = true;
    if (sys::mmap(window.value().data() + i * page_bytes, page_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
                  file.get(), static_cast<off_t>(index * page_bytes)) == MAP_FAILED) {
      return failed("order", "mmap");
    }
  }
  for (std::size_t i = 0; i < used.size(); ++i) {
    if (!used[i]) {
      (void)sys::fallocate(file.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(i * page_bytes),
                           static_cast<off_t>(page_bytes));
    }
  }
  // Mapped page by page: every one is there, and this proves it, as a shortage met later is SIGBUS.
  if (detail::populate(window.value().data(), window.value().size(), true) != 0) {
    return failed("populate", "the pages in order");
  }
  return window;
}

}  // namespace pollux::dma

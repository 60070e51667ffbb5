// SPDX-License-Identifier: BSD-3-Clause
// DmaRegion: memory that devices of one domain can reach, consecutive on the bus, with one owner.
#pragma once
#include <cstddef>
#include <span>
#include <string>
#include <utility>

#include <pollux/dma/contiguous.hpp>
#include <pollux/dma/domain.hpp>
#include <pollux/dma/hugepage.hpp>

namespace pollux {

enum class PagePreference : std::uint8_t {
  kHuge1G,    ///< 1 GiB hugepages, else as kHuge
  kHuge,      ///< 2 MiB hugepages, else ordinary pages where the domain translates (then `note()` says so)
  kOrdinary,  ///< 4 KiB pages where the domain translates; else 2 MiB hugepages
};

/// What memory a program wants; a PagePreference alone will do.
struct DmaMemory {
  constexpr DmaMemory(PagePreference preferred = PagePreference::kHuge, int node = -1) noexcept
      : pages(preferred), numa_node(node) {}
  PagePreference pages;
  int numa_node;  ///< only memory of this node; -1: of any
};

class DmaRegion {
 public:
  /// Errors: raises ENOMEM (no memory, no hugepages, RLIMIT_MEMLOCK) with what to do.
  static DmaRegion allocate(DmaDomain& domain, std::size_t bytes, const DmaMemory& memory = {}) {
    return std::move(try_allocate(domain, bytes, memory)).value();
  }
  static Result<DmaRegion> try_allocate(DmaDomain& domain, std::size_t bytes, const DmaMemory& memory);
  /// Memory that the caller owns: it stays his, and must outlive the region. Pre: whole granules of the domain, every
  /// page resident; where the domain does not translate, consecutive in physical memory.
  /// Errors: as DmaDomain::try_map.
  static Result<DmaRegion> try_adopt(DmaDomain& domain, std::span<std::byte> memory) {
    auto bus = domain.try_map(memory.data(), memory.size());
    if (!bus) return bus.failure();
    return DmaRegion({}, memory, domain, bus.value(), dma::kPage4K, {});
  }

  DmaRegion(DmaRegion&& other) noexcept
      : owned_(std::move(other.owned_)),
        memory_(other.memory_),
        domain_(std::exchange(other.domain_, nullptr)),
        bus_(other.bus_),
        page_bytes_(other.page_bytes_),
        note_(std::move(other.note_)) {}
  DmaRegion& operator=(DmaRegion&&) = delete;
  ~DmaRegion() {
    if (domain_ != nullptr) domain_->unmap(bus_, memory_.size());  // before owned_ goes
  }

  [[nodiscard]] std::byte* data() const noexcept { return memory_.data(); }
  [[nodiscard]] std::size_t size() const noexcept { return memory_.size(); }  ///< [bytes], whole pages and granules
  [[nodiscard]] BusAddr bus() const noexcept { return bus_; }
  [[nodiscard]] DmaDomain& domain() const noexcept { return *domain_; }
  [[nodiscard]] std::size_t page_bytes() const noexcept { return page_bytes_; }
  /// What the user should know: empty, or why the memory is not on the pages that were asked for.
  [[nodiscard]] const std::string& note() const noexcept { return note_; }

 private:
  DmaRegion(Mapping owned, std::span<std::byte> memory, DmaDomain& domain, BusAddr bus, std::size_t page_bytes,
            std::string note)
      : owned_(std::move(owned)),
        memory_(memory),
        domain_(&domain),
        bus_(bus),
        page_bytes_(page_bytes),
        note_(std::move(note)) {}

  static Result<Mapping> try_pages(DmaDomain& domain, const dma::MemoryRequest& wanted);
  static std::string shortage(std::size_t bytes, std::size_t page_bytes, int node);
  static std::string more_hugepages(std::size_t bytes, std::size_t page_bytes, int node);

  Mapping owned_;
  std::span<std::byte> memory_;
  DmaDomain* domain_;
  BusAddr bus_;
  std::size_t page_bytes_;
  std::string note_;
};

inline std::string DmaRegion::shortage(std::size_t bytes, std::size_t page_bytes, int node) {
  return text::cat("no hugepages for ", bytes >> 10, " KiB (", dma::free_pages(page_bytes, node), " of ",
                   dma::page_name(page_bytes), " free", node < 0 ? "" : text::cat(" on NUMA node ", node), ")");
}
inline std::string DmaRegion::more_hugepages(std::size_t bytes, std::size_t page_bytes, int node) {
  const std::size_t pages =
      dma::hugepage_count("nr_hugepages", page_bytes, node) + dma::round_up(bytes, page_bytes) / page_bytes;
  return text::cat("reserve more: echo ", pages, " > ", dma::hugepage_pool(page_bytes, node), "nr_hugepages");
}

inline Result<Mapping> DmaRegion::try_pages(DmaDomain& domain, const dma::MemoryRequest& wanted) {
  if (domain.provides_pages()) return domain.try_provide_pages(wanted);
  if (domain.pagemap() == nullptr) return dma::try_map_pages(wanted);
  return dma::try_map_consecutive(wanted, *domain.pagemap());
}

inline Result<DmaRegion> DmaRegion::try_allocate(DmaDomain& domain, std::size_t bytes, const DmaMemory& memory) {
  const bool scattered_will_do = domain.translates();
  dma::MemoryRequest wanted{
      .bytes = bytes, .page_bytes = dma::kPage2M, .granule = domain.granule(), .numa_node = memory.numa_node};
  if (memory.pages == PagePreference::kHuge1G) wanted.page_bytes = dma::kPage1G;
  if (memory.pages == PagePreference::kOrdinary && scattered_will_do) wanted.page_bytes = dma::kPage4K;
  std::string note;
  auto pages = try_pages(domain, wanted);
  if (!pages && wanted.page_bytes == dma::kPage1G) {
    note = shortage(bytes, wanted.page_bytes, memory.numa_node);
    wanted.page_bytes = dma::kPage2M;
    pages = try_pages(domain, wanted);
    if (pages) {
      note += text::cat("; using 2 MiB hugepages; reserve 1 GiB ones at boot: hugepagesz=1G hugepages=",
                        memory.numa_node < 0 ? "" : text::cat(memory.numa_node, ":"), "N");
    }
  }
  if (!pages && wanted.page_bytes == dma::kPage2M) {
    note = shortage(bytes, wanted.page_bytes, memory.numa_node);
    const std::string remedy = more_hugepages(bytes, wanted.page_bytes, memory.numa_node);
    if (!scattered_will_do) {
      Failure failure = pages.failure();
      // Where the pages are there but scattered or hidden, that is what the user must know.
      if (failure.code == ENOMEM && failure.where.find("follow each other") == failure.where.npos) {
        failure.where = note + ", and without an IOMMU ordinary pages are not consecutive on the bus";
      }
      if (failure.remedy.empty()) failure.remedy = remedy;
      return failure;
    }
    note += "; using ordinary pages under the IOMMU; " + remedy;
    wanted.page_bytes = dma::kPage4K;
    pages = try_pages(domain, wanted);
  }
  if (!pages) return pages.failure();
  const std::span<std::byte> all(pages.value().data(), pages.value().size());
  auto bus = domain.try_map(all.data(), all.size());
  if (!bus) return bus.failure();
  return DmaRegion(std::move(pages).value(), all, domain, bus.value(), wanted.page_bytes, std::move(note));
}

}  // namespace pollux

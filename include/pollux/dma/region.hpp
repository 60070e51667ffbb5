// SPDX-License-Identifier: BSD-3-Clause
// DmaRegion: memory that devices of one domain can reach, consecutive on the bus, with one owner.
#pragma once
#include <cstddef>
#include <string>
#include <utility>

#include <pollux/dma/domain.hpp>
#include <pollux/dma/hugepage.hpp>

namespace pollux {

enum class PagePreference : std::uint8_t {
  kHuge,      ///< 2 MiB hugepages, else ordinary pages where the domain translates (then `note()` says so)
  kOrdinary,  ///< 4 KiB pages; only where the domain translates
};

class DmaRegion {
 public:
  /// Errors: raises ENOMEM (no memory, no hugepages, RLIMIT_MEMLOCK) with what to do.
  static DmaRegion allocate(DmaDomain& domain, std::size_t bytes, PagePreference pages = PagePreference::kHuge) {
    return std::move(try_allocate(domain, bytes, pages)).value();
  }
  static Result<DmaRegion> try_allocate(DmaDomain& domain, std::size_t bytes, PagePreference pages);

  DmaRegion(DmaRegion&& other) noexcept
      : memory_(std::move(other.memory_)),
        domain_(std::exchange(other.domain_, nullptr)),
        bus_(other.bus_),
        page_bytes_(other.page_bytes_),
        note_(std::move(other.note_)) {}
  DmaRegion& operator=(DmaRegion&&) = delete;
  ~DmaRegion() {
    if (domain_ != nullptr) domain_->unmap(bus_, memory_.size());  // before memory_ goes
  }

  [[nodiscard]] std::byte* data() const noexcept { return memory_.data(); }
  [[nodiscard]] std::size_t size() const noexcept { return memory_.size(); }  ///< [bytes], whole pages and granules
  [[nodiscard]] BusAddr bus() const noexcept { return bus_; }
  [[nodiscard]] DmaDomain& domain() const noexcept { return *domain_; }
  [[nodiscard]] std::size_t page_bytes() const noexcept { return page_bytes_; }
  /// What the user should know: empty, or why the memory is not on the pages that were asked for.
  [[nodiscard]] const std::string& note() const noexcept { return note_; }

 private:
  DmaRegion(Mapping memory, DmaDomain& domain, BusAddr bus, std::size_t page_bytes, std::string note)
      : memory_(std::move(memory)), domain_(&domain), bus_(bus), page_bytes_(page_bytes), note_(std::move(note)) {}

  static std::string more_hugepages(std::size_t bytes) {
    const std::size_t pages = dma::total_2m_pages() + dma::round_up(bytes, dma::kPage2M) / dma::kPage2M;
    return text::cat("reserve more: echo ", pages, " > /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages");
  }

  Mapping memory_;
  DmaDomain* domain_;
  BusAddr bus_;
  std::size_t page_bytes_;
  std::string note_;
};

inline Result<DmaRegion> DmaRegion::try_allocate(DmaDomain& domain, std::size_t bytes, PagePreference pages) {
  std::size_t page_bytes = pages == PagePreference::kHuge ? dma::kPage2M : dma::kPage4K;
  if (pages == PagePreference::kOrdinary && !domain.translates()) {
    return Failure{.code = EINVAL,
                   .operation = "allocate DMA memory in",
                   .object = std::string(domain.name()),
                   .where = "ordinary pages are not consecutive on the bus without an IOMMU",
                   .remedy = "ask for hugepages"};
  }
  std::string note;
  auto memory = dma::try_map_pages(bytes, page_bytes, domain.granule());
  if (!memory && page_bytes == dma::kPage2M) {
    const std::size_t free = dma::free_2m_pages();
    note = text::cat("no hugepages for ", bytes >> 10, " KiB (", free, " of 2 MiB free)");
    if (!domain.translates()) {
      Failure failure = memory.failure();
      failure.where = note + ", and without an IOMMU ordinary pages are not consecutive on the bus";
      failure.remedy = more_hugepages(bytes);
      return failure;
    }
    note += "; using ordinary pages under the IOMMU; " + more_hugepages(bytes);
    page_bytes = dma::kPage4K;
    memory = dma::try_map_pages(bytes, page_bytes, domain.granule());
  }
  if (!memory) return memory.failure();
  auto bus = domain.try_map(memory.value().data(), memory.value().size());
  if (!bus) return bus.failure();
  return DmaRegion(std::move(memory).value(), domain, bus.value(), page_bytes, std::move(note));
}

}  // namespace pollux

// SPDX-License-Identifier: BSD-3-Clause
// BufferPool: the owner of packet buffers: their DMA memory, their layout, their free list.
#pragma once
#include <string>
#include <utility>
#include <vector>

#include <pollux/dma/buffers.hpp>
#include <pollux/dma/region.hpp>

namespace pollux {

namespace dma {

/// Memory for `count` buffers and the distance between them.
struct BufferLayout {
  DmaRegion region;
  std::uint32_t stride;  ///< [bytes]
  std::string note;
  std::vector<std::uint32_t> free;

  /// On hugepages the stride is an odd number of cache lines: equal offsets of successive buffers fall into different
  /// cache sets. On ordinary pages no buffer crosses a page: [quirk qemu] its e1000e and igb drop a frame whose
  /// buffer is not contiguous in guest memory, although the IOMMU makes it so on the bus.
  static constexpr std::uint32_t stride_on(std::size_t page_bytes, std::uint32_t buffer_bytes) noexcept {
    if (page_bytes >= kPage2M || buffer_bytes > page_bytes) return (buffer_bytes / 64 | 1) * 64;
    std::uint32_t stride = 64;
    while (stride < buffer_bytes) stride *= 2;
    return stride;
  }

  static BufferLayout make(DmaDomain& domain, std::uint32_t count, std::uint32_t buffer_bytes,
                           const DmaMemory& memory) {
    POLLUX_ASSERT(count > 0 && buffer_bytes > 0 && buffer_bytes % 64 == 0, "no such pool");
    std::string note;
    std::vector<std::uint32_t> free(count);
    const std::uint32_t paged = stride_on(kPage4K, buffer_bytes);
    if (memory.pages != PagePreference::kOrdinary || !domain.translates()) {
      const std::uint32_t stride = stride_on(kPage2M, buffer_bytes);
      DmaRegion region = DmaRegion::allocate(domain, std::size_t{count} * stride, memory);
      note = region.note();
      if (region.page_bytes() >= kPage2M) return {std::move(region), stride, std::move(note), std::move(free)};
      if (std::size_t{count} * paged <= region.size()) {
        return {std::move(region), paged, std::move(note), std::move(free)};
      }
    }  // else: ordinary pages, and with the stride they need the region must be larger
    return {
        DmaRegion::allocate(domain, std::size_t{count} * paged, DmaMemory(PagePreference::kOrdinary, memory.numa_node)),
        paged, std::move(note), std::move(free)};
  }
};

}  // namespace dma

/// Fixed at construction, no allocation afterwards. Must outlive every packet and port that uses it.
/// Errors: raises as DmaRegion::allocate.
class BufferPool : private dma::BufferLayout, public BufferStore {
 public:
  static constexpr std::uint32_t kDefaultBufferBytes = 2048;  ///< a whole standard frame, tagged or not

  /// Pre: count > 0; buffer_bytes > 0 and a multiple of 64.
  explicit BufferPool(DmaDomain& domain, std::uint32_t count, std::uint32_t buffer_bytes = kDefaultBufferBytes,
                      const DmaMemory& memory = {})
      : dma::BufferLayout(make(domain, count, buffer_bytes, memory)),
        BufferStore(region.data(), region.bus(), dma::BufferLayout::stride, buffer_bytes, count, free.data()) {}
  ~BufferPool() { POLLUX_ASSERT(free_count() == count(), "a pool outlives the packets it gave out"); }

  using BufferStore::stride;
  [[nodiscard]] DmaDomain& domain() const noexcept { return region.domain(); }
  [[nodiscard]] std::size_t page_bytes() const noexcept { return region.page_bytes(); }
  /// What the user should know: empty, or why the memory is not on hugepages.
  [[nodiscard]] const std::string& note() const noexcept { return dma::BufferLayout::note; }
};

}  // namespace pollux

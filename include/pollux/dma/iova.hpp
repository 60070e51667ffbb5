// SPDX-License-Identifier: BSD-3-Clause
// IovaAllocator: hands out I/O virtual addresses inside the ranges an IOMMU allows.
#pragma once
#include <cstdint>
#include <optional>
#include <vector>

#include <pollux/core/address.hpp>
#include <pollux/core/assert.hpp>
#include <pollux/core/sort.hpp>

namespace pollux {

/// An inclusive range, as VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE tells it.
struct IovaRange {
  std::uint64_t first = 0;
  std::uint64_t last = 0;
};

/// First fit over the free ranges, lowest address first. A request never crosses a hole (e.g. the MSI window).
/// Setup only; not thread-safe.
class IovaAllocator {
 public:
  /// Addresses below 64 KiB are never handed out: a descriptor address of 0 means "no buffer" to several devices.
  explicit IovaAllocator(std::vector<IovaRange> allowed) : free_(std::move(allowed)) {
    sort(free_, [](IovaRange a, IovaRange b) { return a.first < b.first; });
    while (!free_.empty() && free_.front().last < kFirst) free_.erase(free_.begin());
    if (!free_.empty() && free_.front().first < kFirst) free_.front().first = kFirst;
  }

  /// Pre: bytes > 0, alignment a power of two.
  [[nodiscard]] std::optional<Iova> allocate(std::uint64_t bytes, std::uint64_t alignment) {
    POLLUX_ASSERT(bytes > 0 && (alignment & (alignment - 1)) == 0, "size or alignment makes no sense");
    for (auto r = free_.begin(); r != free_.end(); ++r) {
      const std::uint64_t at = (r->first + alignment - 1) & ~(alignment - 1);
      if (at < r->first || at > r->last || r->last - at < bytes - 1) continue;
      const IovaRange before{r->first, at - 1}, after{at + bytes, r->last};
      const bool keep_before = at > r->first, keep_after = r->last - at > bytes - 1;
      r = free_.erase(r);
      if (keep_after) r = free_.insert(r, after);
      if (keep_before) free_.insert(r, before);
      return Iova(at);
    }
    return std::nullopt;
  }

  /// Returns what `allocate` gave.
  void free(Iova at, std::uint64_t bytes) {
    const IovaRange back{at.value(), at.value() + bytes - 1};
    auto next = free_.begin();
    while (next != free_.end() && next->first < back.first) ++next;
    next = free_.insert(next, back);
    if (next + 1 != free_.end() && next->last + 1 == (next + 1)->first) {
      next->last = (next + 1)->last;
      next = free_.erase(next + 1) - 1;
    }
    if (next != free_.begin() && (next - 1)->last + 1 == next->first) {
      (next - 1)->last = next->last;
      free_.erase(next);
    }
  }

  /// From here on hands out only what `allowed` holds as well. Addresses given out before stay.
  void restrict_to(const std::vector<IovaRange>& allowed) {
    std::vector<IovaRange> out;
    for (const IovaRange f : free_) {
      for (const IovaRange a : allowed) {
        const IovaRange both{f.first > a.first ? f.first : a.first, f.last < a.last ? f.last : a.last};
        if (both.first <= both.last) out.push_back(both);
      }
    }
    sort(out, [](IovaRange a, IovaRange b) { return a.first < b.first; });
    free_ = std::move(out);
  }
  [[nodiscard]] const std::vector<IovaRange>& free_ranges() const noexcept { return free_; }

 private:
  static constexpr std::uint64_t kFirst = 0x10000;
  std::vector<IovaRange> free_;
};

}  // namespace pollux

// SPDX-License-Identifier: BSD-3-Clause
// DescRing<D>: a descriptor ring over DMA memory, addressed by free-running indices.
#pragma once
#include <bit>
#include <cstddef>
#include <cstdint>
#include <new>
#include <type_traits>

#include <pollux/core/address.hpp>
#include <pollux/core/assert.hpp>

namespace pollux {

/// A view of `capacity` descriptors of type D. Indices run freely over 32 bits: slot i lies at i mod capacity, the
/// number between two indices is their difference, full and empty need no spare slot and no wrap test.
template <class D>
class DescRing {
  static_assert(std::is_trivially_copyable_v<D>, "a device writes these");

 public:
  /// A ring of one descriptor that is never the device's: what reads it finds nothing done.
  DescRing() = default;
  /// Pre: memory holds capacity * sizeof(D) bytes, aligned to 128; capacity a power of two.
  DescRing(std::byte* memory, BusAddr bus, std::uint32_t capacity) noexcept
      : entries_(reinterpret_cast<D*>(memory)), mask_(capacity - 1), bus_(bus) {
    POLLUX_ASSERT(std::has_single_bit(capacity), "a ring's capacity is a power of two");
    POLLUX_ASSERT(bus.value() % 128 == 0, "a ring is aligned to 128 bytes");
    clear();
  }
  /// Zeroes every descriptor: stale completion flags are phantom packets.
  void clear() noexcept {
    for (std::uint32_t i = 0; i <= mask_; ++i) new (&entries_[i]) D{};
  }

  [[nodiscard]] D& operator[](std::uint32_t index) const noexcept { return entries_[index & mask_]; }
  [[nodiscard]] std::uint32_t slot(std::uint32_t index) const noexcept { return index & mask_; }
  [[nodiscard]] std::uint32_t capacity() const noexcept { return mask_ + 1; }            ///< [descriptors]
  [[nodiscard]] std::uint32_t bytes() const noexcept { return capacity() * sizeof(D); }  ///< [bytes]
  [[nodiscard]] BusAddr bus() const noexcept { return bus_; }

 private:
  static inline D none_{};  ///< never written
  D* entries_ = &none_;
  std::uint32_t mask_ = 0;
  BusAddr bus_;
};

}  // namespace pollux

// SPDX-License-Identifier: BSD-3-Clause
// Integers with a fixed byte order: how a value lies in a descriptor or a frame, whatever the host.
#pragma once
#include <bit>
#include <concepts>
#include <cstdint>

namespace pollux {

/// A value stored in byte order `Order`. Converts to and from the host's order on every access, so that a
/// descriptor or header struct can be read and written like one of plain integers. No padding, no alignment
/// beyond T's own; trivially copyable, so it may lie in memory that a device writes.
template <std::unsigned_integral T, std::endian Order>
class Ordered {
 public:
  Ordered() = default;
  constexpr Ordered(T host) noexcept : stored_(swap(host)) {}
  constexpr operator T() const noexcept { return swap(stored_); }

 private:
  static constexpr T swap(T v) noexcept {
    if constexpr (Order == std::endian::native || sizeof(T) == 1) {
      return v;
    } else if constexpr (sizeof(T) == 2) {
      return __builtin_bswap16(v);
    } else if constexpr (sizeof(T) == 4) {
      return __builtin_bswap32(v);
    } else {
      return __builtin_bswap64(v);
    }
  }
  T stored_;
};

using Le16 = Ordered<std::uint16_t, std::endian::little>;
using Le32 = Ordered<std::uint32_t, std::endian::little>;
using Le64 = Ordered<std::uint64_t, std::endian::little>;
using Be16 = Ordered<std::uint16_t, std::endian::big>;
using Be32 = Ordered<std::uint32_t, std::endian::big>;
using Be64 = Ordered<std::uint64_t, std::endian::big>;

}  // namespace pollux

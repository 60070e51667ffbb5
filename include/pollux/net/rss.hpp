// SPDX-License-Identifier: BSD-3-Clause
// Receive side scaling: what all NICs that have it share.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>

#include <pollux/core/endian.hpp>

namespace pollux {

using RssKey = std::array<std::uint8_t, 40>;

/// The key that every vendor's documentation computes its examples with.
inline constexpr RssKey kDefaultRssKey = {0x6D, 0x5A, 0x56, 0xDA, 0x25, 0x5B, 0x0E, 0xC2, 0x41, 0x67,
                                          0x25, 0x3D, 0x43, 0xA3, 0x8F, 0xB0, 0xD0, 0xCA, 0x2B, 0xCB,
                                          0xAE, 0x7B, 0x30, 0xB4, 0x77, 0xCB, 0x2D, 0xA3, 0x80, 0x30,
                                          0xF2, 0x0C, 0x6A, 0x42, 0xB7, 0x3B, 0xBE, 0xAC, 0x01, 0xFA};

/// Bytes 4i to 4i + 3, as a register with the first in its low bits takes them. Pre: i < 10.
inline std::uint32_t rss_key_word(const RssKey& key, std::size_t i) noexcept {
  Le32 out;
  __builtin_memcpy(&out, key.data() + 4 * i, sizeof out);
  return out;
}

}  // namespace pollux

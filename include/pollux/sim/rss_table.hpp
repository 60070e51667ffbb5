// SPDX-License-Identifier: BSD-3-Clause
// RssTable: Toeplitz hashes by table, for models that hash every frame.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include <pollux/sim/offload.hpp>

namespace pollux::sim {

/// RSS hashes by table: one row per byte of input.
class RssTable {
 public:
  static constexpr std::size_t kKeyBytes = 40, kInputBytes = 36;

  void set_key(const std::array<std::uint8_t, kKeyBytes>& key) noexcept {
    for (std::size_t at = 0; at < kInputBytes; ++at) {
      const std::span<const std::uint8_t> rest(&key[at], kKeyBytes - at);
      auto& row = rows_[at];
      row[0] = 0;
      for (unsigned v = 1; v < 256; ++v) {  // the hash is linear: one bit more each time
        const std::byte lowest[1]{static_cast<std::byte>(v & (~v + 1))};
        const unsigned rest_of_v = v & (v - 1);
        row[v] = rest_of_v == 0 ? toeplitz(rest, lowest) : row[rest_of_v] ^ row[v & (~v + 1)];
      }
    }
  }
  /// Hash of `a` followed by `b`. Pre: at most kInputBytes together.
  [[nodiscard]] std::uint32_t hash(ConstBytes a, ConstBytes b) const noexcept {
    std::uint32_t h = 0;
    std::size_t at = 0;
    for (const std::byte v : a) h ^= rows_[at++][std::to_integer<std::size_t>(v)];
    for (const std::byte v : b) h ^= rows_[at++][std::to_integer<std::size_t>(v)];
    return h;
  }

 private:
  std::array<std::array<std::uint32_t, 256>, kInputBytes> rows_{};
};

}  // namespace pollux::sim

// SPDX-License-Identifier: BSD-3-Clause
// Packet: a view of one buffer. 16 bytes, trivially copyable; ownership lies with the burst that holds it.
#pragma once
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>

#include <pollux/core/order.hpp>

namespace pollux {

struct Packet {
  /// The frame continues in the next packet of the burst (a frame of several buffers).
  static constexpr std::uint16_t kMore = 1 << 0;

  std::byte* data = nullptr;
  std::uint32_t id = 0;      ///< buffer number in its pool
  std::uint16_t length = 0;  ///< [bytes] in this buffer, from the destination MAC on, without FCS
  std::uint16_t flags = 0;

  /// Makes a packet of two words: stores of its members one by one cost as much as all else that is done for a received
  /// frame. `word1`: as below.
  static void make(Packet* at, std::byte* data, std::uint64_t word1) noexcept {
    dma::store_two(at, reinterpret_cast<std::uintptr_t>(data), word1);
  }
  /// Number, length and flags as one word: id in bits 31:0, length in 47:32, flags in 63:48.
  [[nodiscard]] std::uint64_t word1() const noexcept { return std::bit_cast<Words>(*this).word1; }

  [[nodiscard]] std::span<std::byte> bytes() const noexcept { return {data, length}; }
  [[nodiscard]] bool more() const noexcept { return (flags & kMore) != 0; }

 private:
  struct Words {
    std::uint64_t word0;
    std::uint64_t word1;
  };
};
static_assert(sizeof(Packet) == 16 && std::is_trivially_copyable_v<Packet>);
static_assert(offsetof(Packet, id) == 8 && offsetof(Packet, length) == 12 && offsetof(Packet, flags) == 14);

}  // namespace pollux

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

  /// A packet without flags. By three stores: the compiler would gather the members in a register, which costs as much
  /// as all else that is done for a received frame.
  static void make(Packet* at, std::byte* data, std::uint32_t id, std::uint32_t length) noexcept {
    at->id = id;
    dma::store_apart(at->id);
    const std::uint32_t length_flags = std::endian::native == std::endian::little ? length : length << 16;
    __builtin_memcpy(reinterpret_cast<std::byte*>(at) + 12, &length_flags, sizeof length_flags);  // one store
    dma::store_apart(at->flags);
    at->data = data;
  }
  /// Length in bits 15:0, flags above, in one load.
  [[nodiscard]] std::uint32_t flags_length() const noexcept { return length | std::uint32_t{flags} << 16; }

  [[nodiscard]] std::span<std::byte> bytes() const noexcept { return {data, length}; }
  [[nodiscard]] bool more() const noexcept { return (flags & kMore) != 0; }
};
static_assert(sizeof(Packet) == 16 && std::is_trivially_copyable_v<Packet>);
static_assert(offsetof(Packet, id) == 8 && offsetof(Packet, length) == 12 && offsetof(Packet, flags) == 14);

}  // namespace pollux

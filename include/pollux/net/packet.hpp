// SPDX-License-Identifier: BSD-3-Clause
// Packet: a view of one buffer. 16 bytes, trivially copyable; ownership lies with the burst that holds it.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>

namespace pollux {

struct Packet {
  /// The frame continues in the next packet of the burst (a frame of several buffers).
  static constexpr std::uint16_t kMore = 1 << 0;

  std::byte* data = nullptr;
  std::uint32_t id = 0;      ///< buffer number in its pool
  std::uint16_t length = 0;  ///< [bytes] in this buffer, from the destination MAC on, without FCS
  std::uint16_t flags = 0;

  [[nodiscard]] std::span<std::byte> bytes() const noexcept { return {data, length}; }
  [[nodiscard]] bool more() const noexcept { return (flags & kMore) != 0; }
};
static_assert(sizeof(Packet) == 16 && std::is_trivially_copyable_v<Packet>);

}  // namespace pollux

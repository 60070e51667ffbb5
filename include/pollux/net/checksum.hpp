// SPDX-License-Identifier: BSD-3-Clause
// The Internet checksum of IPv4, TCP, UDP and ICMP. [RFC 1071]
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

namespace pollux {

/// One's-complement sum of 16-bit big-endian words, not yet folded or complemented; an odd last byte counts as the
/// high half of a word. Sums of parts of even length add up.
inline std::uint64_t checksum_add(std::span<const std::byte> bytes, std::uint64_t sum = 0) noexcept {
  std::size_t i = 0;
  for (; i + 1 < bytes.size(); i += 2) {
    sum += std::to_integer<std::uint32_t>(bytes[i]) << 8 | std::to_integer<std::uint32_t>(bytes[i + 1]);
  }
  if (i < bytes.size()) sum += std::to_integer<std::uint32_t>(bytes[i]) << 8;
  return sum;
}
/// The value for the checksum field.
constexpr std::uint16_t checksum_finish(std::uint64_t sum) noexcept {
  while (sum >> 16 != 0) sum = (sum & 0xFFFF) + (sum >> 16);
  return static_cast<std::uint16_t>(~sum);
}
/// Checksum of one piece, e.g. an IPv4 header with its checksum field zero.
inline std::uint16_t internet_checksum(std::span<const std::byte> bytes) noexcept {
  return checksum_finish(checksum_add(bytes));
}

}  // namespace pollux

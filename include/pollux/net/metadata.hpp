// SPDX-License-Identifier: BSD-3-Clause
// Receive metadata: what a NIC has found out about a frame, in the names that all drivers share.
#pragma once
#include <concepts>
#include <cstdint>
#include <optional>
#include <type_traits>

namespace pollux {

enum class ChecksumVerdict : std::uint8_t {
  kUnchecked,  ///< the NIC did not look, or cannot be believed
  kGood,
  kWrong,  ///< the frame is delivered all the same
};

constexpr ChecksumVerdict checksum_verdict(bool checked, bool wrong) noexcept {
  return !checked ? ChecksumVerdict::kUnchecked : wrong ? ChecksumVerdict::kWrong : ChecksumVerdict::kGood;
}

/// Headers that a NIC recognised, each one bit. The bits are those of the 82599's packet type. [82599 7.1.6.2]
struct HeaderSet {
  static constexpr std::uint16_t kIpv4 = 1 << 0;
  static constexpr std::uint16_t kIpv4Options = 1 << 1;
  static constexpr std::uint16_t kIpv6 = 1 << 2;
  static constexpr std::uint16_t kIpv6Extensions = 1 << 3;
  static constexpr std::uint16_t kTcp = 1 << 4;
  static constexpr std::uint16_t kUdp = 1 << 5;
  static constexpr std::uint16_t kSctp = 1 << 6;
  static constexpr std::uint16_t kNfs = 1 << 7;
  static constexpr std::uint16_t kEsp = 1 << 8;
  static constexpr std::uint16_t kAh = 1 << 9;

  std::uint16_t bits = 0;
  /// Whether all of these were found.
  [[nodiscard]] constexpr bool has(std::uint16_t headers) const noexcept { return (bits & headers) == headers; }
  friend constexpr bool operator==(HeaderSet, HeaderSet) = default;
};

/// Of one packet, 16 bytes: the descriptor's own words, taken apart when somebody asks. What a NIC cannot tell, or was
/// not set up to tell (the driver's Config), is absent. Of a frame in several buffers only the last packet tells.
template <class M>
concept ReceiveMetadata = std::is_trivially_copyable_v<M> && sizeof(M) == 16 && requires(const M& m) {
  { m.vlan() } noexcept -> std::same_as<std::optional<std::uint16_t>>;      // tag control information, taken out
  { m.rss_hash() } noexcept -> std::same_as<std::optional<std::uint32_t>>;  // Toeplitz
  { m.headers() } noexcept -> std::same_as<HeaderSet>;
  { m.ipv4_checksum() } noexcept -> std::same_as<ChecksumVerdict>;
  { m.l4_checksum() } noexcept -> std::same_as<ChecksumVerdict>;  // TCP, UDP
  { m.timestamped() } noexcept -> std::same_as<bool>;             // the NIC holds the time of its arrival
};

}  // namespace pollux

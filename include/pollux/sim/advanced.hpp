// SPDX-License-Identifier: BSD-3-Clause
// Advanced descriptors as models read and write them: 16 bytes, field by field. One layout, from the 82575 to the
// 82599.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>

#include <pollux/core/endian.hpp>
#include <pollux/sim/offload.hpp>

namespace pollux::sim::advanced {

inline constexpr std::uint32_t kDescriptorBytes = 16;
inline constexpr std::uint32_t kDescriptorsAhead = 32;  ///< fetched at a time where memory is far away

constexpr std::uint32_t bit(unsigned n) noexcept { return 1u << n; }
/// Bits high..low of a word.
constexpr std::uint32_t bits_of(std::uint32_t word, unsigned high, unsigned low) noexcept {
  return static_cast<std::uint32_t>((std::uint64_t{word} >> low) & ((std::uint64_t{1} << (high - low + 1)) - 1));
}

/// The two quadwords of a descriptor in memory.
struct RawDescriptor {
  std::uint64_t qw0 = 0, qw1 = 0;
  static RawDescriptor load(const std::byte* from) noexcept {
    Le64 q[2];
    std::memcpy(q, from, sizeof q);
    return {q[0], q[1]};
  }
  [[nodiscard]] std::uint32_t dw2() const noexcept { return static_cast<std::uint32_t>(qw1); }
  [[nodiscard]] std::uint32_t dw3() const noexcept { return static_cast<std::uint32_t>(qw1 >> 32); }
};

/// Where a ring lies, and which of its descriptors are the device's: those between head and tail.
struct Ring {
  std::uint64_t base = 0;
  std::uint32_t count = 0, head = 0, tail = 0;
  std::uint32_t seen = 0;  ///< the tail register when last looked at

  [[nodiscard]] std::uint32_t available() const noexcept { return tail >= head ? tail - head : tail + count - head; }
  [[nodiscard]] std::uint32_t next(std::uint32_t i) const noexcept { return i + 1 == count ? 0 : i + 1; }
  [[nodiscard]] std::uint64_t at(std::uint32_t i) const noexcept { return base + std::uint64_t{i} * kDescriptorBytes; }
};

// ---- Receive --------------------------------------------------------------------------------------------------------

/// Status of a written-back receive descriptor; its errors differ from chip to chip.
inline constexpr std::uint32_t kRxDd = bit(0), kRxEop = bit(1), kRxVp = bit(3), kRxUdpCs = bit(4), kRxL4Cs = bit(5),
                               kRxIpCs = bit(6), kRxPif = bit(7);

/// What the device found out about a received frame: the fields of its last descriptor.
struct RxReport {
  std::uint32_t rss_type = 0;     ///< bits 3:0
  std::uint32_t packet_type = 0;  ///< bits 15:4, in place
  std::uint32_t hash = 0;         ///< or fragment checksum and IP identification
  std::uint32_t status = 0;       ///< bits 19:0 without DD and EOP
  std::uint32_t errors = 0;       ///< bits 31:20, in place
  std::uint16_t vlan = 0;
};

/// PKTTYPE of a frame, as bits 15:4 of the descriptor's first word.
[[nodiscard]] inline std::uint32_t packet_type(const ParsedFrame& p) noexcept {
  std::uint32_t t = 0;
  if (p.ipv4) t |= bit(4) | (p.ip_extra ? bit(5) : 0);
  if (p.ipv6) t |= bit(6) | (p.ip_extra ? bit(7) : 0);
  if (t == 0 || p.fragment) return t;
  if (p.l4 != 0 && p.protocol == kIpTcp) t |= bit(8);
  if (p.l4 != 0 && p.protocol == kIpUdp) t |= bit(9);
  if (p.l4 != 0 && p.protocol == kIpSctp) t |= bit(10);
  if (p.protocol == 50) t |= bit(12);
  if (p.protocol == 51) t |= bit(13);
  return t;
}
/// That of a frame whose EtherType matched filter i.
[[nodiscard]] constexpr std::uint32_t packet_type_of_filter(std::uint32_t i) noexcept { return bit(15) | i << 4; }

/// What RSS hashes of a frame: addresses, and ports where it says so. type 0: nothing.
struct RssKind {
  std::uint32_t type = 0;
  bool ports = false;
};
/// By the fields of MRQC that are on, bits 24:16.
[[nodiscard]] inline RssKind rss_kind(std::uint32_t mrqc, const ParsedFrame& p) noexcept {
  if (!p.ipv4 && !p.ipv6) return {};
  struct Kind {
    unsigned field, type;
  };
  const bool extended = p.ipv6 && p.ip_extra;
  const auto pick = [&](Kind v4, Kind v6, Kind v6ex) { return p.ipv4 ? v4 : extended ? v6ex : v6; };
  Kind kind{0, 0};
  if (p.l4 != 0 && p.protocol == kIpTcp) kind = pick({16, 1}, {21, 3}, {18, 6});
  if (p.l4 != 0 && p.protocol == kIpUdp) kind = pick({22, 7}, {23, 8}, {24, 9});
  const bool ports = kind.type != 0 && (mrqc & bit(kind.field)) != 0;
  if (!ports) kind = pick({17, 2}, {20, 5}, {19, 4});
  return (mrqc & bit(kind.field)) != 0 ? RssKind{kind.type, ports} : RssKind{};
}

}  // namespace pollux::sim::advanced

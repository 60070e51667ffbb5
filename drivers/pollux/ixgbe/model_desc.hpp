// SPDX-License-Identifier: BSD-3-Clause
// Descriptors as the 82599 model reads and writes them: 16 bytes, field by field.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>

#include <pollux/core/endian.hpp>
#include <pollux/ixgbe/model_regs.hpp>
#include <pollux/sim/offload.hpp>

namespace pollux::ixgbe::model {

inline constexpr std::uint32_t kDescriptorBytes = 16, kMaxDescriptors = 8192, kRingGranule = 128;
inline constexpr std::uint32_t kDescriptorsAhead = 32;  ///< fetched at a time where memory is far away

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

// ---- Transmit -----------------------------------------------------------------------------------------------------

inline constexpr std::uint32_t kTypeContext = 2, kTypeData = 3;
inline constexpr std::uint32_t kDcmdEop = bit(24), kDcmdIfcs = bit(25), kDcmdIc = bit(26), kDcmdRs = bit(27),
                               kDcmdDext = bit(29), kDcmdVle = bit(30), kDcmdTse = bit(31);
inline constexpr std::uint32_t kStaDd = bit(0), kPoptsIxsm = bit(8), kPoptsTxsm = bit(9), kPoptsIpsec = bit(10);
inline constexpr std::uint32_t kL4Udp = 0, kL4Tcp = 1, kL4Sctp = 2;
inline constexpr std::size_t kMaxTxFrame = 15'872, kMaxTso = 256 * 1024;  // 15.5 KB;

/// A context descriptor.
struct TxContext {
  bool valid = false, ipv4 = false;
  std::uint32_t mac_len = 0, ip_len = 0, l4_len = 0, mss = 0, l4_type = 0;
  std::uint16_t vlan = 0;

  static TxContext of(const RawDescriptor& d) noexcept {
    const auto dw0 = static_cast<std::uint32_t>(d.qw0);
    return {.valid = true,
            .ipv4 = (d.dw2() & bit(10)) != 0,
            .mac_len = bits_of(dw0, 15, 9),
            .ip_len = bits_of(dw0, 8, 0),
            .l4_len = bits_of(d.dw3(), 15, 8),
            .mss = bits_of(d.dw3(), 31, 16),
            .l4_type = bits_of(d.dw2(), 12, 11),
            .vlan = static_cast<std::uint16_t>(dw0 >> 16)};
  }
};

// ---- Receive ------------------------------------------------------------------------------------------------------

inline constexpr std::uint32_t kRxDd = bit(0), kRxEop = bit(1), kRxVp = bit(3), kRxUdpCs = bit(4), kRxL4Cs = bit(5),
                               kRxIpCs = bit(6), kRxPif = bit(7);
inline constexpr std::uint32_t kRxLe = bit(25), kRxOse = bit(28), kRxRxe = bit(29), kRxTcpe = bit(30), kRxIpe = bit(31);

/// What the device found out about a received frame: the fields of its last descriptor.
struct RxReport {
  std::uint32_t rss_type = 0;     ///< bits 3:0
  std::uint32_t packet_type = 0;  ///< bits 16:4, in place
  std::uint32_t hash = 0;         ///< or fragment checksum and IP identification
  std::uint32_t status = 0;       ///< bits 19:0 without DD and EOP
  std::uint32_t errors = 0;       ///< bits 31:20, in place
  std::uint16_t vlan = 0;
};

/// PKTTYPE of a frame, as bits 15:4 of the descriptor's first word.
[[nodiscard]] inline std::uint32_t packet_type(const sim::ParsedFrame& p) noexcept {
  std::uint32_t t = 0;
  if (p.ipv4) t |= bit(4) | (p.ip_extra ? bit(5) : 0);
  if (p.ipv6) t |= bit(6) | (p.ip_extra ? bit(7) : 0);
  if (t == 0 || p.fragment) return t;
  if (p.l4 != 0 && p.protocol == sim::kIpTcp) t |= bit(8);
  if (p.l4 != 0 && p.protocol == sim::kIpUdp) t |= bit(9);
  if (p.l4 != 0 && p.protocol == sim::kIpSctp) t |= bit(10);
  if (p.protocol == 50) t |= bit(12);
  if (p.protocol == 51) t |= bit(13);
  return t;
}

}  // namespace pollux::ixgbe::model

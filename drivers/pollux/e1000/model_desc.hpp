// SPDX-License-Identifier: BSD-3-Clause
// What the model of the 82574 is made of, besides its registers: descriptor words that the driver does not know, and
// PHY registers. Written from the register notes on its own, as model_regs.hpp, where the section texts are explained.
#pragma once
#include <cstdint>

#include <pollux/e1000/model_regs.hpp>
#include <pollux/sim/mii_phy.hpp>

namespace pollux::e1000::model {

// ---- Descriptors ----------------------------------------------------------------------------------------------------

/// Status and errors of a written-back receive descriptor, in the order of the extended one. [82574 RX extended]
struct RxWriteBack {
  static constexpr std::uint32_t kDd = bit(0), kEop = bit(1), kIxsm = bit(2), kVp = bit(3), kUdpcs = bit(4),
                                 kTcpcs = bit(5), kIpcs = bit(6), kPif = bit(7), kIpidv = bit(9), kTcpe = bit(29),
                                 kIpe = bit(30);
  using Type = Field<RxWriteBack, 19, 16>;          ///< what the frame is
  static constexpr std::uint64_t kHdrsp = bit(15);  ///< packet split, of the header status: the header lies apart
};
enum class PacketType : std::uint32_t { kL2 = 0, kIpv4 = 1, kIpv4L4 = 2, kIpv6 = 5, kIpv6L4 = 6 };
enum class RssType : std::uint32_t { kNone = 0, kTcpIpv4 = 1, kIpv4 = 2, kTcpIpv6 = 3, kIpv6Ex = 4, kIpv6 = 5 };

/// Command dword of any transmit descriptor. [82574 TX]
struct TxCmd {
  using Word = reg::Value<TxCmd>;
  static constexpr Field<TxCmd, 15, 0> legacy_length{};
  static constexpr Field<TxCmd, 23, 16> cso{};    ///< legacy: where the checksum goes
  static constexpr Field<TxCmd, 19, 0> length{};  ///< extended: data length; context: PAYLEN
  static constexpr Field<TxCmd, 23, 20> dtyp{};   ///< extended: 0 context, 1 data
  static constexpr Field<TxCmd, 24, 24, bool> eop{};
  static constexpr Field<TxCmd, 24, 24, bool> tcp{};  ///< context: TCP, else UDP
  static constexpr Field<TxCmd, 25, 25, bool> ifcs{};
  static constexpr Field<TxCmd, 25, 25, bool> ipv4{};  ///< context
  static constexpr Field<TxCmd, 26, 26, bool> ic{};    ///< legacy
  static constexpr Field<TxCmd, 26, 26, bool> tse{};   ///< extended
  static constexpr Field<TxCmd, 27, 27, bool> rs{};
  static constexpr Field<TxCmd, 29, 29, bool> dext{};
  static constexpr Field<TxCmd, 30, 30, bool> vle{};
  static constexpr Field<TxCmd, 31, 31, bool> ide{};
  static constexpr std::uint32_t kReserved = bit(28);  ///< RPS, which this chip does not have
  static constexpr std::uint32_t kContextReserved = bit(28) | bit(30);
};
/// Status dword of a transmit data descriptor.
struct TxSta {
  using Word = reg::Value<TxSta>;
  static constexpr Field<TxSta, 0, 0, bool> dd{};
  static constexpr Field<TxSta, 8, 8, bool> ixsm{};  ///< extended: insert the IPv4 header checksum
  static constexpr Field<TxSta, 9, 9, bool> txsm{};  ///< extended: insert the TCP or UDP checksum
  static constexpr Field<TxSta, 15, 8> css{};        ///< legacy: where the checksum starts
  static constexpr Field<TxSta, 31, 16> vlan{};
  static constexpr std::uint32_t kLegacyReserved = bits(7, 0);                            ///< status is given as zero
  static constexpr std::uint32_t kDataReserved = bits(3, 0) | bits(7, 5) | bits(15, 10);  ///< bit 4: time stamp
  static constexpr std::uint32_t kContextReserved = bits(7, 0);
};
/// The other three dwords of a context descriptor.
struct TxIp {
  using Word = reg::Value<TxIp>;
  static constexpr Field<TxIp, 7, 0> start{};
  static constexpr Field<TxIp, 15, 8> offset{};
  static constexpr Field<TxIp, 31, 16> end{};  ///< last byte; 0: to the end of the packet
};
struct TxTu {
  using Word = reg::Value<TxTu>;
  static constexpr Field<TxTu, 7, 0> start{};
  static constexpr Field<TxTu, 15, 8> offset{};
  static constexpr Field<TxTu, 31, 16> end{};
};
struct TxSegments {
  using Word = reg::Value<TxSegments>;
  static constexpr Field<TxSegments, 15, 8> header{};  ///< [bytes]
  static constexpr Field<TxSegments, 31, 16> mss{};    ///< [bytes]
};

// ---- PHY [IEEE 802.3 clause 22, M88E1000 family] --------------------------------------------------------------------

namespace phy {
inline constexpr std::uint32_t kAddress = 1;
inline constexpr sim::MiiPhy::Spec kRegisters[] = {
    {0, 0x7D40, 0x1140},   // BMCR; RESET and AN_RESTART clear themselves
    {1, 0, 0x7949},        // BMSR
    {2, 0, 0x0141},        // id
    {3, 0, 0x0CB1},        // id
    {4, 0xFFFF, 0x0DE1},   // ANAR
    {5, 0, 0},             // ANLPAR: 0x47E0 when negotiated
    {6, 0, 0},             // ANER
    {7, 0xFFFF, 0x2001},   // next page
    {8, 0, 0},             // partner's next page
    {9, 0xFFFF, 0x0F00},   // 1000BASE-T control
    {10, 0, 0},            // 1000BASE-T status: 0x3C00 when negotiated
    {15, 0, 0x3000},       // extended status
    {16, 0xFFFF, 0x3360},  // M88 PSCR
    {17, 0, 0x0008},       // M88 PSSR: 0xAC08 with a link
    {18, 0xFFFF, 0},       // M88 interrupt enable
    {19, 0, 0},            // M88 interrupt status
    {20, 0xFFFF, 0x0070},  // M88 EPSCR
    {21, 0, 0},            // receive errors
    {22, 0xFFFF, 0},       // page select
    // Stored only. NOTE(missing): their meaning and reset values; written to set the PHY up and for loopback.
    // [linux e1000e]
    {29, 0xFFFF, 0},
    {30, 0xFFFF, 0},
    {21, 0xFFFF, 0, 2},
    {16, 0xFFFF, 0, 769},
    {20, 0xFFFF, 0, 769},
    {16, 0xFFFF, 0, 776},
};
inline constexpr sim::MiiPhy::Chip kChip{.registers = kRegisters,
                                         .page_register = 22,
                                         .page_mask = 0xFFFF,
                                         .status = 17,
                                         .status_up = 0xAC08,
                                         .status_down = 0x0008};
}  // namespace phy

}  // namespace pollux::e1000::model

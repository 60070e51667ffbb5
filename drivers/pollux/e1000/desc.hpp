// SPDX-License-Identifier: BSD-3-Clause
// Descriptors of the 82574: extended receive, legacy transmit. Plain structs; their words have fields like registers.
#pragma once
#include <cstdint>

#include <pollux/core/address.hpp>
#include <pollux/core/endian.hpp>
#include <pollux/reg/field.hpp>

namespace pollux::e1000 {

/// First word of a written-back extended receive descriptor.
struct RxInfo {
  using Word = reg::Value<RxInfo>;
  static constexpr reg::Field<RxInfo, 3, 0> rss_type{};  ///< what was hashed; 0: nothing
  static constexpr reg::Field<RxInfo, 12, 8> queue{};    ///< where RSS sent it
  POLLUX_FIELDS(rss_type, queue);
};

/// Status and error word of a written-back extended receive descriptor.
struct RxStatus {
  using Word = reg::Value<RxStatus>;
  static constexpr reg::Field<RxStatus, 0, 0, bool> dd{};      ///< the device is done with the descriptor
  static constexpr reg::Field<RxStatus, 1, 1, bool> eop{};     ///< last buffer of its frame
  static constexpr reg::Field<RxStatus, 2, 2, bool> ixsm{};    ///< checksum bits mean nothing
  static constexpr reg::Field<RxStatus, 3, 3, bool> vp{};      ///< a VLAN tag was stripped
  static constexpr reg::Field<RxStatus, 5, 5, bool> tcpcs{};   ///< TCP/UDP checksum was checked
  static constexpr reg::Field<RxStatus, 6, 6, bool> ipcs{};    ///< IPv4 header checksum was checked
  static constexpr reg::Field<RxStatus, 24, 24, bool> ce{};    ///< bad FCS
  static constexpr reg::Field<RxStatus, 25, 25, bool> se{};    ///< symbol error
  static constexpr reg::Field<RxStatus, 26, 26, bool> seq{};   ///< sequence error
  static constexpr reg::Field<RxStatus, 28, 28, bool> cxe{};   ///< carrier extension error
  static constexpr reg::Field<RxStatus, 29, 29, bool> tcpe{};  ///< TCP/UDP checksum is wrong
  static constexpr reg::Field<RxStatus, 30, 30, bool> ipe{};   ///< IPv4 header checksum is wrong
  static constexpr reg::Field<RxStatus, 31, 31, bool> rxe{};   ///< receive data error
  POLLUX_FIELDS(dd, eop, ixsm, vp, tcpcs, ipcs, ce, se, seq, cxe, tcpe, ipe, rxe);
  /// The frame itself is damaged. (A wrong TCP, UDP or IP checksum is the application's business.)
  static constexpr std::uint32_t kBadFrame = ce.kMask | se.kMask | seq.kMask | cxe.kMask | rxe.kMask;
};

/// Length and VLAN word of a written-back extended receive descriptor.
struct RxLength {
  using Word = reg::Value<RxLength>;
  static constexpr reg::Field<RxLength, 15, 0, std::uint16_t> length{};  ///< [bytes] in this buffer
  static constexpr reg::Field<RxLength, 31, 16, std::uint16_t> vlan{};   ///< tag control information, when RxStatus::vp
  POLLUX_FIELDS(length, vlan);
};

/// Extended receive descriptor. As the driver gives it: buffer address, then zero (DD lies there). As the device
/// returns it: RxInfo and RSS hash, then status and length.
struct RxDescriptor {
  Le64 address;        ///< written back: RxInfo in bits 31:0, RSS hash in 63:32
  Le64 status_length;  ///< given: 0; written back: RxStatus in bits 31:0, RxLength in 63:32

  static RxDescriptor given(BusAddr buffer) noexcept { return {.address = buffer.value(), .status_length = 0}; }

  static constexpr RxInfo::Word info(std::uint64_t first) noexcept { return {static_cast<std::uint32_t>(first)}; }
  static constexpr std::uint32_t hash(std::uint64_t first) noexcept { return static_cast<std::uint32_t>(first >> 32); }
  static constexpr RxStatus::Word status(std::uint64_t second) noexcept { return {static_cast<std::uint32_t>(second)}; }
  static constexpr RxLength::Word length(std::uint64_t second) noexcept {
    return {static_cast<std::uint32_t>(second >> 32)};
  }
};
static_assert(sizeof(RxDescriptor) == 16);

/// Command word of a legacy transmit descriptor.
struct TxCommand {
  using Word = reg::Assign<TxCommand>;
  static constexpr reg::Field<TxCommand, 15, 0, std::uint16_t> length{};  ///< [bytes]
  static constexpr reg::Field<TxCommand, 23, 16> cso{};                   ///< checksum offset
  static constexpr reg::Field<TxCommand, 24, 24, bool> eop{};             ///< last buffer of its frame
  static constexpr reg::Field<TxCommand, 25, 25, bool> ifcs{};            ///< append the FCS
  static constexpr reg::Field<TxCommand, 26, 26, bool> ic{};              ///< insert a checksum
  static constexpr reg::Field<TxCommand, 27, 27, bool> rs{};              ///< report status: write DD when sent
  static constexpr reg::Field<TxCommand, 29, 29, bool> dext{};            ///< 0: this is a legacy descriptor
  static constexpr reg::Field<TxCommand, 30, 30, bool> vle{};             ///< insert a VLAN tag
  static constexpr reg::Field<TxCommand, 31, 31, bool> ide{};  ///< delay the interrupt (aborts QEMU: never set)
  POLLUX_FIELDS(length, cso, eop, ifcs, ic, rs, dext, vle, ide);
};

/// Status word of a legacy transmit descriptor.
struct TxStatus {
  using Word = reg::Value<TxStatus>;
  static constexpr reg::Field<TxStatus, 0, 0, bool> dd{};  ///< sent, with all before it
  static constexpr reg::Field<TxStatus, 1, 1, bool> ec{};  ///< excessive collisions
  static constexpr reg::Field<TxStatus, 2, 2, bool> lc{};  ///< late collision
  static constexpr reg::Field<TxStatus, 15, 8> css{};      ///< checksum start
  static constexpr reg::Field<TxStatus, 31, 16> vlan{};    ///< tag to insert
  POLLUX_FIELDS(dd, ec, lc, css, vlan);
};

/// Legacy transmit descriptor.
struct TxDescriptor {
  Le64 address;
  Le32 command;  ///< TxCommand
  Le32 status;   ///< given: 0; written back: TxStatus

  /// Command of a frame in one buffer, without its length.
  static constexpr TxCommand::Word kWhole = TxCommand::ifcs(true) | TxCommand::eop(true);
  static TxDescriptor given(BusAddr buffer, TxCommand::Word command) noexcept {
    return {.address = buffer.value(), .command = command.bits, .status = 0};
  }
};
static_assert(sizeof(TxDescriptor) == 16);

}  // namespace pollux::e1000

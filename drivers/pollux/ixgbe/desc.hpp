// SPDX-License-Identifier: BSD-3-Clause
// Descriptors of 82599 and X540: advanced receive, advanced transmit data. Plain structs; their words have fields like
// registers.
#pragma once
#include <cstdint>

#include <pollux/core/address.hpp>
#include <pollux/core/endian.hpp>
#include <pollux/reg/field.hpp>

namespace pollux::ixgbe {

/// First word of a written-back receive descriptor.
struct RxInfo {
  using Word = reg::Value<RxInfo>;
  static constexpr reg::Field<RxInfo, 3, 0> rss_type{};  ///< what was hashed; 0: nothing, 15: flow director report
  static constexpr reg::Field<RxInfo, 13, 4, std::uint16_t> headers{};  ///< found, where etqf is not set
  static constexpr reg::Field<RxInfo, 14, 14, bool> linksec{};
  static constexpr reg::Field<RxInfo, 15, 15, bool> etqf{};  ///< no IP: bits 6:4 are the EtherType filter that matched
  static constexpr reg::Field<RxInfo, 16, 16, bool> tunnel{};  ///< X550 only
  static constexpr reg::Field<RxInfo, 20, 17> rsc_count{};     ///< frames coalesced; 0 when RSC is off
  static constexpr reg::Field<RxInfo, 30, 21> header_len{};    ///< [bytes] split off
  static constexpr reg::Field<RxInfo, 31, 31, bool> sph{};     ///< the header was split off
  POLLUX_FIELDS(rss_type, headers, linksec, etqf, tunnel, rsc_count, header_len, sph);
};

/// Status and error word of a written-back receive descriptor. All but DD mean something only where EOP is set.
struct RxStatus {
  using Word = reg::Value<RxStatus>;
  static constexpr reg::Field<RxStatus, 0, 0, bool> dd{};      ///< the device is done with the descriptor
  static constexpr reg::Field<RxStatus, 1, 1, bool> eop{};     ///< last buffer of its frame
  static constexpr reg::Field<RxStatus, 2, 2, bool> flm{};     ///< a flow director filter matched
  static constexpr reg::Field<RxStatus, 3, 3, bool> vp{};      ///< the frame has a VLAN tag
  static constexpr reg::Field<RxStatus, 5, 5, bool> l4cs{};    ///< TCP/UDP checksum was checked
  static constexpr reg::Field<RxStatus, 6, 6, bool> ipcs{};    ///< IPv4 header checksum was checked
  static constexpr reg::Field<RxStatus, 7, 7, bool> pif{};     ///< passed an inexact filter
  static constexpr reg::Field<RxStatus, 16, 16, bool> ts{};    ///< a time stamp was taken
  static constexpr reg::Field<RxStatus, 18, 18, bool> lb{};    ///< looped back
  static constexpr reg::Field<RxStatus, 22, 20> fdirerr{};     ///< flow director: length, drop, collision
  static constexpr reg::Field<RxStatus, 23, 23, bool> hbo{};   ///< header longer than its buffer
  static constexpr reg::Field<RxStatus, 24, 24, bool> ce{};    ///< bad FCS
  static constexpr reg::Field<RxStatus, 25, 25, bool> le{};    ///< length error
  static constexpr reg::Field<RxStatus, 27, 27, bool> pe{};    ///< packet error
  static constexpr reg::Field<RxStatus, 28, 28, bool> ose{};   ///< oversize
  static constexpr reg::Field<RxStatus, 29, 29, bool> rxe{};   ///< any error of the MAC
  static constexpr reg::Field<RxStatus, 30, 30, bool> tcpe{};  ///< TCP/UDP checksum is wrong
  static constexpr reg::Field<RxStatus, 31, 31, bool> ipe{};   ///< IPv4 header checksum is wrong
  POLLUX_FIELDS(dd, eop, flm, vp, l4cs, ipcs, pif, ts, lb, fdirerr, hbo, ce, le, pe, ose, rxe, tcpe, ipe);
  /// The frame itself is damaged. (A wrong TCP, UDP or IP checksum is the application's business.)
  static constexpr std::uint32_t kBadFrame = ce.kMask | le.kMask | pe.kMask | ose.kMask | rxe.kMask;
};

/// Length and VLAN word of a written-back receive descriptor.
struct RxLength {
  using Word = reg::Value<RxLength>;
  static constexpr reg::Field<RxLength, 15, 0, std::uint16_t> length{};  ///< [bytes] in this buffer
  static constexpr reg::Field<RxLength, 31, 16, std::uint16_t> vlan{};   ///< tag control information, when stripped
  POLLUX_FIELDS(length, vlan);
};

/// Advanced receive descriptor, one buffer. As the driver gives it: buffer address, then zero (DD lies in the header
/// address, which is not used). As the device returns it: RxInfo and RSS hash, then status and length.
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

/// Command word of an advanced transmit data descriptor.
struct TxCommand {
  using Word = reg::Assign<TxCommand>;
  static constexpr reg::Field<TxCommand, 15, 0, std::uint16_t> dtalen{};  ///< [bytes] in this buffer
  static constexpr reg::Field<TxCommand, 18, 18, bool> linksec{};
  static constexpr reg::Field<TxCommand, 19, 19, bool> tstamp{};  ///< take a time stamp
  static constexpr reg::Field<TxCommand, 23, 20> dtyp{};          ///< 3: data, 2: context
  static constexpr reg::Field<TxCommand, 24, 24, bool> eop{};     ///< last buffer of its frame
  static constexpr reg::Field<TxCommand, 25, 25, bool> ifcs{};    ///< append the FCS
  static constexpr reg::Field<TxCommand, 27, 27, bool> rs{};      ///< report status: write DD when sent
  static constexpr reg::Field<TxCommand, 29, 29, bool> dext{};    ///< 1: this is an advanced descriptor
  static constexpr reg::Field<TxCommand, 30, 30, bool> vle{};     ///< insert a VLAN tag
  static constexpr reg::Field<TxCommand, 31, 31, bool> tse{};     ///< cut into TCP segments
  POLLUX_FIELDS(dtalen, linksec, tstamp, dtyp, eop, ifcs, rs, dext, vle, tse);
};

/// Status word of an advanced transmit data descriptor.
struct TxStatus {
  using Word = reg::Value<TxStatus>;
  static constexpr reg::Field<TxStatus, 0, 0, bool> dd{};    ///< sent, with all before it
  static constexpr reg::Field<TxStatus, 6, 4> idx{};         ///< context, when one is used
  static constexpr reg::Field<TxStatus, 7, 7, bool> cc{};    ///< check context
  static constexpr reg::Field<TxStatus, 8, 8, bool> ixsm{};  ///< insert the IPv4 header checksum
  static constexpr reg::Field<TxStatus, 9, 9, bool> txsm{};  ///< insert the TCP/UDP checksum
  static constexpr reg::Field<TxStatus, 31, 14> paylen{};    ///< [bytes] of the whole frame without FCS; first buffer's
  POLLUX_FIELDS(dd, idx, cc, ixsm, txsm, paylen);
};

/// Advanced transmit data descriptor.
struct TxDescriptor {
  Le64 address;
  Le32 command;  ///< TxCommand
  Le32 status;   ///< given: TxStatus::paylen; written back: DD, the rest may be anything

  /// Command of a frame in one buffer, without its length.
  static constexpr TxCommand::Word kWhole =
      TxCommand::dtyp(3) | TxCommand::dext(true) | TxCommand::ifcs(true) | TxCommand::eop(true);
  /// Command and status seen as one word: where the length of a frame stands besides DTALEN (PAYLEN). For vectors of
  /// such words too. Pre: n < 65536.
  template <class Word>
  static constexpr Word more_lengths(Word n) noexcept {
    return n << (32 + TxStatus::paylen.kLo);
  }

  static TxDescriptor given(BusAddr buffer, TxCommand::Word command, reg::Assign<TxStatus> status) noexcept {
    return {.address = buffer.value(), .command = command.bits, .status = status.bits};
  }
};
static_assert(sizeof(TxDescriptor) == 16);

}  // namespace pollux::ixgbe

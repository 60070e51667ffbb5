// SPDX-License-Identifier: BSD-3-Clause
// Transmit queue of 82599 and X540: how their advanced data descriptors are written; the ring's logic is
// net/tx_ring.hpp.
#pragma once
#include <cstdint>

#include <pollux/core/order.hpp>
#include <pollux/ixgbe/desc.hpp>
#include <pollux/ixgbe/regs.hpp>
#include <pollux/net/tx_ring.hpp>
#include <pollux/reg/bar.hpp>

namespace pollux::ixgbe {

/// TXDCTL.WTHRESH is 0: the device writes DD back for each RS. PAYLEN stands in a frame's first descriptor.
struct TxFormat {
  using Descriptor = TxDescriptor;
  static constexpr std::uint32_t kMinFrame = 17;    ///< the device pads from here to 60 [linux ixgbe]
  static constexpr std::uint32_t kMaxBuffers = 40;  ///< per frame [dpdk ixgbe]
  static Descriptor given(const TxPart& part) noexcept {
    return TxDescriptor::given(part.buffer,
                               TxCommand::dtalen.from(part.length) | TxCommand::dtyp(3) | TxCommand::dext(true) |
                                   TxCommand::ifcs(true) | TxCommand::eop.from(part.end_of_frame) |
                                   TxCommand::rs.from(part.report),
                               TxStatus::paylen.from(part.frame));
  }
  static constexpr std::uint64_t kWhole = TxDescriptor::kWhole.bits;
  template <class Word>
  static Word more_lengths(Word n) noexcept {
    return TxDescriptor::more_lengths(n);
  }
  static constexpr std::uint64_t kReport = TxCommand::rs.kMask;
  static bool sent(const Descriptor& descriptor) noexcept {
    return TxStatus::Word{dma::load_once(descriptor.status)}[TxStatus::dd];
  }
};

template <reg::RegisterIo Io>
using TxQueue = TxRing<TxFormat, reg::Doorbell<Tdt, Io>>;

}  // namespace pollux::ixgbe

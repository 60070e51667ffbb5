// SPDX-License-Identifier: BSD-3-Clause
// Transmit queue of the 82574: how its legacy descriptors are written; the ring's logic is net/tx_ring.hpp.
#pragma once
#include <cstdint>

#include <pollux/core/order.hpp>
#include <pollux/e1000/desc.hpp>
#include <pollux/e1000/regs.hpp>
#include <pollux/net/tx_ring.hpp>
#include <pollux/reg/bar.hpp>

namespace pollux::e1000 {

struct TxFormat {
  using Descriptor = TxDescriptor;
  static constexpr std::uint32_t kMinFrame = 17;    ///< the device pads from here to 60 (TCTL.PSP) [linux e1000e]
  static constexpr std::uint32_t kMaxBuffers = 32;  ///< of one frame: 16 KiB in buffers of 512 bytes
  static Descriptor given(const TxPart& part) noexcept {
    return TxDescriptor::given(part.buffer, TxCommand::length.from(part.length) | TxCommand::ifcs(true) |
                                                TxCommand::eop.from(part.end_of_frame) |
                                                TxCommand::rs.from(part.report));
  }
  static constexpr std::uint64_t kWhole = TxDescriptor::kWhole.bits;
  template <class Word>
  static Word more_lengths(Word n) noexcept {
    return n ^ n;  // there is no other
  }
  static constexpr std::uint64_t kReport = TxCommand::rs.kMask;
  static bool sent(const Descriptor& descriptor) noexcept {
    return TxStatus::Word{dma::load_once(descriptor.status)}[TxStatus::dd];
  }
};

template <reg::RegisterIo Io>
using TxQueue = TxRing<TxFormat, reg::Doorbell<Tdt, Io>>;

}  // namespace pollux::e1000

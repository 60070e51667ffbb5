// SPDX-License-Identifier: BSD-3-Clause
// Receive queue of 82599 and X540: what their advanced descriptors say; the ring's logic is net/rx_ring.hpp.
#pragma once
#include <cstdint>

#include <pollux/core/order.hpp>
#include <pollux/ixgbe/desc.hpp>
#include <pollux/ixgbe/regs.hpp>
#include <pollux/net/rx_ring.hpp>
#include <pollux/reg/bar.hpp>

namespace pollux::ixgbe {

/// Status and length lie in one 64-bit word, so DD, length and errors are one load. The device's verdict stands in the
/// last descriptor of a frame; there the RSC count, in the other word, must be zero: coalescing is off.
struct RxFormat {
  using Descriptor = RxDescriptor;
  static constexpr std::uint64_t kMask0 = RxInfo::rsc_count.kMask;
  static constexpr std::uint64_t kPlain1 = RxStatus::dd.kMask | RxStatus::eop.kMask;
  static constexpr std::uint64_t kMask1 = kPlain1 | RxStatus::kBadFrame;

  static Descriptor given(BusAddr buffer) noexcept { return RxDescriptor::given(buffer); }
  static std::uint64_t word0(const Descriptor& descriptor) noexcept { return dma::load_once(descriptor.address); }
  static std::uint64_t word1(const Descriptor& descriptor) noexcept { return dma::load_once(descriptor.status_length); }
  static bool done(std::uint64_t word1) noexcept { return RxDescriptor::status(word1)[RxStatus::dd]; }
  static RxCompletion look(const Descriptor& descriptor) noexcept {
    const std::uint64_t word = dma::load_once(descriptor.status_length);
    const RxStatus::Word status = RxDescriptor::status(word);
    if (!status[RxStatus::dd]) return {};
    dma::acquire();  // DD was seen: the other word may be read now
    const bool last = status[RxStatus::eop];
    const RxInfo::Word info = RxDescriptor::info(dma::load_once(descriptor.address));
    return {.done = true,
            .end_of_frame = last,
            .bad = last && ((status.bits & RxStatus::kBadFrame) != 0 || info[RxInfo::rsc_count] != 0),
            .length = RxDescriptor::length(word)[RxLength::length]};
  }
};

template <reg::RegisterIo Io>
using RxQueue = RxRing<RxFormat, reg::Doorbell<Rdt, Io>>;

}  // namespace pollux::ixgbe

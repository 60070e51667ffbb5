// SPDX-License-Identifier: BSD-3-Clause
// Receive queue of the 82574: what its extended descriptors say; the ring's logic is net/rx_ring.hpp.
#pragma once
#include <cstdint>

#include <pollux/core/order.hpp>
#include <pollux/e1000/desc.hpp>
#include <pollux/e1000/regs.hpp>
#include <pollux/net/rx_ring.hpp>
#include <pollux/reg/bar.hpp>

namespace pollux::e1000 {

/// Status and length lie in one 64-bit word, so DD, length and errors are one load.
struct RxFormat {
  using Descriptor = RxDescriptor;
  static Descriptor given(BusAddr buffer) noexcept { return RxDescriptor::given(buffer); }
  static RxCompletion look(const Descriptor& descriptor) noexcept {
    const std::uint64_t word = dma::load_once(descriptor.status_length);
    const RxStatus::Word status{static_cast<std::uint32_t>(word)};
    const RxLength::Word length{static_cast<std::uint32_t>(word >> 32)};
    return {.done = status[RxStatus::dd],
            .end_of_frame = status[RxStatus::eop],
            .bad = (status.bits & RxStatus::kBadFrame) != 0,
            .length = length[RxLength::length]};
  }
};

template <reg::RegisterIo Io>
using RxQueue = RxRing<RxFormat, reg::Doorbell<Rdt, Io>>;

}  // namespace pollux::e1000

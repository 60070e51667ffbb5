// SPDX-License-Identifier: BSD-3-Clause
// Receive queue of 82599 and X540: what their advanced descriptors say; the ring's logic is net/rx_ring.hpp.
#pragma once
#include <cstdint>

#include <pollux/core/order.hpp>
#include <pollux/ixgbe/desc.hpp>
#include <pollux/ixgbe/regs.hpp>
#include <pollux/net/metadata.hpp>
#include <pollux/net/rx_ring.hpp>
#include <pollux/reg/bar.hpp>

namespace pollux::ixgbe {

/// What the device says of a received packet: the words of its descriptor. Threads, cost: those of any struct.
struct RxMetadata {
  std::uint64_t word0;
  std::uint64_t word1;

  /// The tag that was taken out of the frame (Config::strip_vlan); without that, 0 where the frame has one.
  [[nodiscard]] std::optional<std::uint16_t> vlan() const noexcept {
    if (!status()[RxStatus::vp]) return {};
    return RxDescriptor::length(word1)[RxLength::vlan];
  }
  /// Config::rss_hash, or more than one queue. [82599 7.1.2.8.1]
  [[nodiscard]] std::optional<std::uint32_t> rss_hash() const noexcept {
    const std::uint32_t type = info()[RxInfo::rss_type];
    if (type == 0 || type == kFlowDirector) return {};
    return RxDescriptor::hash(word0);
  }
  [[nodiscard]] HeaderSet headers() const noexcept {
    if (info()[RxInfo::etqf]) return {};
    return {info()[RxInfo::headers]};
  }
  [[nodiscard]] ChecksumVerdict ipv4_checksum() const noexcept {
    return checksum_verdict(status()[RxStatus::ipcs], status()[RxStatus::ipe]);
  }
  /// NOTE(incorrect): the 82599 calls UDP datagrams that carry no checksum wrong; of a UDP frame with TCPE nothing is
  /// known. [linux ixgbe]
  [[nodiscard]] ChecksumVerdict l4_checksum() const noexcept {
    const bool wrong = status()[RxStatus::tcpe];
    return checksum_verdict(status()[RxStatus::l4cs] && !(wrong && headers().has(HeaderSet::kUdp)), wrong);
  }
  /// Of PTP frames, when that is set up. [82599 7.9]
  [[nodiscard]] bool timestamped() const noexcept { return status()[RxStatus::ts]; }

  [[nodiscard]] RxInfo::Word info() const noexcept { return RxDescriptor::info(word0); }
  [[nodiscard]] RxStatus::Word status() const noexcept { return RxDescriptor::status(word1); }

 private:
  static constexpr std::uint32_t kFlowDirector = 15;  ///< the word is a filter's report
};
static_assert(ReceiveMetadata<RxMetadata>);

/// Status and length lie in one 64-bit word, so DD, length and errors are one load. The device's verdict stands in the
/// last descriptor of a frame; there the RSC count, in the other word, must be zero: coalescing is off.
struct RxFormat {
  using Descriptor = RxDescriptor;
  using Metadata = RxMetadata;
  static constexpr std::uint64_t kMask0 = RxInfo::rsc_count.kMask;
  static constexpr std::uint64_t kPlain1 = RxStatus::dd.kMask | RxStatus::eop.kMask;
  static constexpr std::uint64_t kMask1 = kPlain1 | RxStatus::kBadFrame;

  static Descriptor given(BusAddr buffer) noexcept { return RxDescriptor::given(buffer); }
  static std::uint64_t word0(const Descriptor& descriptor) noexcept { return dma::load_once(descriptor.address); }
  static std::uint64_t settled0(const Descriptor& descriptor) noexcept { return dma::load_settled(descriptor.address); }
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

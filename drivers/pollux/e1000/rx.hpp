// SPDX-License-Identifier: BSD-3-Clause
// Receive queue of the 82574: what its extended descriptors say; the ring's logic is net/rx_ring.hpp.
#pragma once
#include <cstdint>

#include <pollux/core/order.hpp>
#include <pollux/e1000/desc.hpp>
#include <pollux/e1000/regs.hpp>
#include <pollux/net/metadata.hpp>
#include <pollux/net/rx_ring.hpp>
#include <pollux/reg/bar.hpp>

namespace pollux::e1000 {

/// What the device says of a received packet: the words of its descriptor. Threads, cost: those of any struct.
struct RxMetadata {
  std::uint64_t word0;
  std::uint64_t word1;

  /// The tag that was taken out of the frame (Config::strip_vlan).
  [[nodiscard]] std::optional<std::uint16_t> vlan() const noexcept {
    if (!status()[RxStatus::vp]) return {};
    return RxDescriptor::length(word1)[RxLength::vlan];
  }
  /// Config::rss_hash. [linux e1000e]
  [[nodiscard]] std::optional<std::uint32_t> rss_hash() const noexcept {
    if (RxDescriptor::info(word0)[RxInfo::rss_type] == 0) return {};
    return RxDescriptor::hash(word0);
  }
  /// This chip tells of none.
  [[nodiscard]] HeaderSet headers() const noexcept { return {}; }
  [[nodiscard]] ChecksumVerdict ipv4_checksum() const noexcept {
    return checksum_verdict(believed(status()[RxStatus::ipcs]), status()[RxStatus::ipe]);
  }
  [[nodiscard]] ChecksumVerdict l4_checksum() const noexcept {
    return checksum_verdict(believed(status()[RxStatus::tcpcs]), status()[RxStatus::tcpe]);
  }
  [[nodiscard]] bool timestamped() const noexcept { return false; }

  [[nodiscard]] RxStatus::Word status() const noexcept { return RxDescriptor::status(word1); }

 private:
  [[nodiscard]] bool believed(bool checked) const noexcept { return checked && !status()[RxStatus::ixsm]; }
};
static_assert(ReceiveMetadata<RxMetadata>);

/// Status and length lie in one 64-bit word, so DD, length and errors are one load.
struct RxFormat {
  using Descriptor = RxDescriptor;
  using Metadata = RxMetadata;
  static constexpr std::uint64_t kMask0 = 0;
  static constexpr std::uint64_t kPlain1 = RxStatus::dd.kMask | RxStatus::eop.kMask;
  static constexpr std::uint64_t kMask1 = kPlain1 | RxStatus::kBadFrame;

  static Descriptor given(BusAddr buffer) noexcept { return RxDescriptor::given(buffer); }
  static std::uint64_t word0(const Descriptor& descriptor) noexcept { return dma::load_once(descriptor.address); }
  static std::uint64_t settled0(const Descriptor& descriptor) noexcept { return dma::load_settled(descriptor.address); }
  static std::uint64_t word1(const Descriptor& descriptor) noexcept { return dma::load_once(descriptor.status_length); }
  static bool done(std::uint64_t word1) noexcept { return (word1 & RxStatus::dd.kMask) != 0; }
  static RxCompletion look(const Descriptor& descriptor) noexcept {
    const std::uint64_t word = dma::load_once(descriptor.status_length);
    const RxStatus::Word status = RxDescriptor::status(word);
    return {.done = status[RxStatus::dd],
            .end_of_frame = status[RxStatus::eop],
            .bad = (status.bits & RxStatus::kBadFrame) != 0,
            .length = RxDescriptor::length(word)[RxLength::length]};
  }
};

template <reg::RegisterIo Io>
using RxQueue = RxRing<RxFormat, reg::Doorbell<Rdt, Io>>;

}  // namespace pollux::e1000

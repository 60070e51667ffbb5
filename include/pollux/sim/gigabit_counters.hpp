// SPDX-License-Identifier: BSD-3-Clause
// GigabitCounters: statistics of Intel's gigabit controllers, for their models. [8254x 13.7]
#pragma once
#include <cstddef>
#include <cstdint>
#include <iterator>

#include <pollux/core/endian.hpp>
#include <pollux/net/headers.hpp>
#include <pollux/net/mac.hpp>
#include <pollux/sim/gigabit_regs.hpp>
#include <pollux/sim/nic.hpp>
#include <pollux/sim/offload.hpp>

namespace pollux::sim {

/// A model with the registers of gigabit::kStatistics. Threads, faults: see NicModel.
class GigabitCounters : public NicModel {
 protected:
  using ConstBytes = sim::ConstBytes;
  using NicModel::NicModel;

  static constexpr std::size_t kFcs = 4;

  [[nodiscard]] std::uint32_t peek(std::uint32_t at) noexcept { return registers().peek(at); }
  void poke(std::uint32_t at, std::uint32_t v) noexcept { registers().poke(at, v); }
  [[nodiscard]] bool is(std::uint32_t at, std::uint32_t bits) noexcept { return (peek(at) & bits) != 0; }

  void count(std::uint32_t at) noexcept {
    if (const std::uint32_t v = peek(at); v != ~0u) poke(at, v + 1);  // sticks at all ones
  }
  void count_pair(std::uint32_t low, std::uint64_t n) noexcept {
    const std::uint64_t old = peek(low) | std::uint64_t{peek(low + 4)} << 32;
    const std::uint64_t sum = old + n < old ? ~std::uint64_t{0} : old + n;
    poke(low, static_cast<std::uint32_t>(sum));
    poke(low + 4, static_cast<std::uint32_t>(sum >> 32));
  }
  void count_received(ConstBytes frame) noexcept {
    namespace stat = gigabit::stat;
    count(stat::kGprc);
    count_pair(stat::kGorc, frame.size() + kFcs);
    count_size(stat::kPrc64, frame.size() + kFcs);
    count_group(frame, stat::kMprc, stat::kBprc);
  }
  void count_sent(ConstBytes frame) noexcept {
    namespace stat = gigabit::stat;
    for (const std::uint32_t at : {stat::kGptc, stat::kTpt}) count(at);
    for (const std::uint32_t at : {stat::kGotc, stat::kTot}) count_pair(at, frame.size() + kFcs);
    count_size(stat::kPtc64, frame.size() + kFcs);
    count_group(frame, stat::kMptc, stat::kBptc);
  }
  /// The high half of a pair was read.
  void clear_pair(std::uint32_t offset) noexcept {
    for (const std::uint32_t low : gigabit::stat::kPairs) {
      if (offset == low + 4) poke(low, 0);
    }
  }

 private:
  void count_group(ConstBytes frame, std::uint32_t multicast, std::uint32_t broadcast) noexcept {
    const auto destination = load_header<MacAddress>(frame.data());
    if (destination.is_multicast()) count(destination == MacAddress::broadcast() ? broadcast : multicast);
  }
  /// Buckets for sizes up to 64, 127, 255, 511, 1023 and beyond, FCS included.
  void count_size(std::uint32_t first, std::size_t bytes) noexcept {
    constexpr std::size_t kUpTo[] = {64, 127, 255, 511, 1023};
    std::uint32_t bucket = 0;
    while (bucket < std::size(kUpTo) && bytes > kUpTo[bucket]) ++bucket;
    count(first + 4 * bucket);
  }
};

}  // namespace pollux::sim

// SPDX-License-Identifier: BSD-3-Clause
// The 82574 model's statistics counters [8254x 13.7].
#pragma once
#include <cstddef>
#include <cstdint>
#include <iterator>

#include <pollux/core/endian.hpp>
#include <pollux/e1000/model_device.hpp>
#include <pollux/net/mac.hpp>

namespace pollux::e1000 {

inline void Model82574::count(std::uint32_t at) noexcept {
  if (const std::uint32_t v = peek(at); v != ~0u) poke(at, v + 1);  // sticks at all ones
}
inline void Model82574::count_pair(std::uint32_t low, std::uint64_t n) noexcept {
  const std::uint64_t old = peek(low) | std::uint64_t{peek(low + 4)} << 32;
  const std::uint64_t sum = old + n < old ? ~std::uint64_t{0} : old + n;
  poke(low, static_cast<std::uint32_t>(sum));
  poke(low + 4, static_cast<std::uint32_t>(sum >> 32));
}
inline void Model82574::count_received(ConstBytes frame) noexcept {
  namespace stat = model::stat;
  const auto destination = load_header<MacAddress>(frame.data());
  count(stat::kGprc);
  count_pair(stat::kGorc, frame.size() + kFcs);
  count_size(stat::kPrc64, frame.size() + kFcs);
  if (destination.is_multicast()) count(destination == MacAddress::broadcast() ? stat::kBprc : stat::kMprc);
}
inline void Model82574::count_sent(ConstBytes frame) noexcept {
  namespace stat = model::stat;
  const auto destination = load_header<MacAddress>(frame.data());
  for (const std::uint32_t at : {stat::kGptc, stat::kTpt}) count(at);
  for (const std::uint32_t at : {stat::kGotc, stat::kTot}) count_pair(at, frame.size() + kFcs);
  count_size(stat::kPtc64, frame.size() + kFcs);
  if (destination.is_multicast()) count(destination == MacAddress::broadcast() ? stat::kBptc : stat::kMptc);
}

/// Buckets for sizes up to 64, 127, 255, 511, 1023 and beyond, FCS included.
inline void Model82574::count_size(std::uint32_t first, std::size_t bytes) noexcept {
  constexpr std::size_t kUpTo[] = {64, 127, 255, 511, 1023};
  std::uint32_t bucket = 0;
  while (bucket < std::size(kUpTo) && bytes > kUpTo[bucket]) ++bucket;
  count(first + 4 * bucket);
}

}  // namespace pollux::e1000

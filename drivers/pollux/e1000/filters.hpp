// SPDX-License-Identifier: BSD-3-Clause
// Receive filters of the 82574: own address, multicast, promiscuous.
#pragma once
#include <pollux/e1000/chips.hpp>
#include <pollux/e1000/regs.hpp>
#include <pollux/net/mac.hpp>
#include <pollux/reg/bar.hpp>

namespace pollux::e1000 {

/// The address the NVM load left in entry 0; zero when there is none. [8254x 13.5.2] Cost: 2 MMIO reads.
template <reg::RegisterIo Io>
MacAddress read_mac(reg::Bar<Io> bar) noexcept {
  const std::uint32_t low = bar.template read<Ral>(reg::Index{0})[Ral::address];
  const std::uint32_t high = bar.template read<Rah>(reg::Index{0})[Rah::address];
  return MacAddress::from_words(low, high);
}

/// Receives frames for `mac` alone: entry 0 holds it, every other entry, multicast bit and VLAN bit is off.
/// A live entry is switched off (RAH first) before it changes. Cost: some 270 MMIO writes. [8254x 14.4]
template <class Chip, reg::RegisterIo Io>
void set_exact_filter(reg::Bar<Io> bar, const MacAddress& mac) noexcept {
  for (std::uint32_t i = 0; i < Chip::kReceiveAddresses; ++i) bar.write(reg::Index{i}, Rah::av(false));
  bar.write(reg::Index{0}, Ral::address.from(mac.low_word()));
  bar.write(reg::Index{0}, Rah::address.from(mac.high_word()) | Rah::av(true));
  for (std::uint32_t i = 0; i < Mta::kCount; ++i) bar.write(reg::Index{i}, Mta::bits(0));
  for (std::uint32_t i = 0; i < Vfta::kCount; ++i) bar.write(reg::Index{i}, Vfta::bits(0));
}

/// Receives every frame, or only those the filters accept. Cost: 1 MMIO read, 1 write.
template <reg::RegisterIo Io>
void set_promiscuous(reg::Bar<Io> bar, bool on) noexcept {
  bar.modify(Rctl::upe.from(on) | Rctl::mpe.from(on));
}

}  // namespace pollux::e1000

// SPDX-License-Identifier: BSD-3-Clause
// Receive filters of 82599 and X540: own and further unicast addresses, multicast, promiscuous; RSS over the queues.
#pragma once
#include <cstdint>
#include <span>

#include <pollux/ixgbe/chips.hpp>
#include <pollux/ixgbe/regs.hpp>
#include <pollux/net/mac.hpp>
#include <pollux/net/rss.hpp>
#include <pollux/reg/bar.hpp>

namespace pollux::ixgbe {

/// How frames are spread over several receive queues: a Toeplitz hash of addresses and ports, its low 7 bits mapped
/// evenly to the queues. Frames that are not hashed go to queue 0. [82599 7.1.2.8]
struct RssConfig {
  RssKey key = kDefaultRssKey;
  bool ipv4 = true;      ///< addresses
  bool tcp_ipv4 = true;  ///< addresses and ports
  bool udp_ipv4 =
      false;  ///< addresses and ports; then fragments of a datagram may go to another queue than the whole ones
  bool ipv6 = true;
  bool tcp_ipv6 = true;
  bool udp_ipv6 = false;
};

/// The address the NVM load left in entry 0; zero when there is none. [82599 4.6.7] Cost: 2 MMIO reads.
template <reg::RegisterIo Io>
MacAddress read_mac(reg::Bar<Io> bar) noexcept {
  const std::uint32_t low = bar.template read<Ral>(reg::Index{0})[Ral::address];
  const std::uint32_t high = bar.template read<Rah>(reg::Index{0})[Rah::address];
  return MacAddress::from_words(low, high);
}

/// Receives frames for `mac` through entry i. A live entry is switched off (RAH first) before it changes.
/// Cost: 5 MMIO writes.
template <reg::RegisterIo Io>
void set_receive_address(reg::Bar<Io> bar, std::uint32_t i, const MacAddress& mac) noexcept {
  bar.write(reg::Index{i}, Rah::av(false));
  bar.write(reg::Index{i}, Ral::address.from(mac.low_word()));
  bar.write(reg::Index{2 * i}, Mpsar::bits(1));  // pool 0, the only one
  bar.write(reg::Index{2 * i + 1}, Mpsar::bits(0));
  bar.write(reg::Index{i}, Rah::address.from(mac.high_word()) | Rah::av(true));
}
template <reg::RegisterIo Io>
void clear_receive_address(reg::Bar<Io> bar, std::uint32_t i) noexcept {
  bar.write(reg::Index{i}, Rah::av(false));
  bar.write(reg::Index{i}, Ral::address(0));
  bar.write(reg::Index{2 * i}, Mpsar::bits(0));
  bar.write(reg::Index{2 * i + 1}, Mpsar::bits(0));
}

/// Receives frames for `mac` alone: entry 0 holds it, every other way in is closed. The tables hold anything after a
/// reset. Cost: some 1100 MMIO writes. [82599 4.6.7]
template <class Chip, reg::RegisterIo Io>
void set_exact_filter(reg::Bar<Io> bar, const MacAddress& mac) noexcept {
  set_receive_address(bar, 0, mac);
  for (std::uint32_t i = 1; i < Chip::kReceiveAddresses; ++i) clear_receive_address(bar, i);
  for (std::uint32_t i = 0; i < Mta::kCount; ++i) bar.write(reg::Index{i}, Mta::bits(0));
  for (std::uint32_t i = 0; i < Pfuta::kCount; ++i) bar.write(reg::Index{i}, Pfuta::bits(0));
  for (std::uint32_t i = 0; i < Vfta::kCount; ++i) bar.write(reg::Index{i}, Vfta::bits(0));
  for (std::uint32_t i = 0; i < Vlvf::kCount; ++i) bar.write(reg::Index{i}, Vlvf::bits(0));
  for (std::uint32_t i = 0; i < Vlvfb::kCount; ++i) bar.write(reg::Index{i}, Vlvfb::bits(0));
  for (std::uint32_t i = 0; i < Ftqf::kCount; ++i) bar.write(reg::Index{i}, Ftqf::enable(false));
  for (std::uint32_t i = 0; i < Etqf::kCount; ++i) bar.write(reg::Index{i}, Etqf::enable(false));
  bar.write(Synqf::enable(false));
  bar.write(Mcstctrl::mfe(false));
  bar.write(Vlnctrl::vet(0x8100) | Vlnctrl::vfe(false));
}

/// Receives frames for these addresses besides the own one; any set before are forgotten. Returns false, and changes
/// nothing, when they are more than the chip has room for. Cost: some 500 MMIO writes.
template <class Chip, reg::RegisterIo Io>
[[nodiscard]] bool set_unicast(reg::Bar<Io> bar, std::span<const MacAddress> addresses) noexcept {
  if (addresses.size() >= Chip::kReceiveAddresses) return false;
  std::uint32_t i = 1;
  for (const MacAddress& mac : addresses) set_receive_address(bar, i++, mac);
  for (; i < Chip::kReceiveAddresses; ++i) clear_receive_address(bar, i);
  return true;
}

/// Receives frames for these groups, and for those whose address falls on the same of 4096 hash bits; any set before
/// are forgotten. Cost: 129 MMIO writes.
template <reg::RegisterIo Io>
void set_multicast(reg::Bar<Io> bar, std::span<const MacAddress> groups) noexcept {
  std::uint32_t table[Mta::kCount] = {};
  for (const MacAddress& group : groups) {
    const std::uint32_t vector = Mta::vector(group.bytes[4], group.bytes[5]);
    table[Mta::word_of(vector)] |= Mta::bit_of(vector);
  }
  for (std::uint32_t i = 0; i < Mta::kCount; ++i) bar.write(reg::Index{i}, Mta::bits.from(table[i]));
  bar.write(Mcstctrl::mo(0) | Mcstctrl::mfe.from(!groups.empty()));
}

/// Receives every frame, every multicast frame, or only those the filters accept; broadcast always.
/// Cost: 1 MMIO write.
template <reg::RegisterIo Io>
void set_promiscuous(reg::Bar<Io> bar, bool on, bool all_multicast = false) noexcept {
  bar.write(Fctrl::bam(true) | Fctrl::upe.from(on) | Fctrl::mpe.from(on || all_multicast));
}

/// Spreads received frames over queues 0 to `queues` - 1; `hash_always`: they are hashed for one queue, too. Pre: 1 <=
/// queues <= Chip::kMaxRxQueues; RXCTRL.RXEN is 0. Cost: 44 MMIO accesses. [82599 7.1.2.8]
template <reg::RegisterIo Io>
void set_up_rss(reg::Bar<Io> bar, const RssConfig& rss, std::uint32_t queues, bool hash_always) noexcept {
  const auto& key = rss.key;
  for (std::uint32_t i = 0; i < Rssrk::kCount; ++i) {
    const std::size_t k = std::size_t{i} * 4;
    bar.write(reg::Index{i}, Rssrk::byte0.from(key[k]) | Rssrk::byte1.from(key[k + 1]) | Rssrk::byte2.from(key[k + 2]) |
                                 Rssrk::byte3.from(key[k + 3]));
  }
  auto next = [queues, queue = queues - 1]() mutable { return queue = queue + 1 == queues ? 0 : queue + 1; };
  for (std::uint32_t i = 0; i < Reta::kCount; ++i) {
    const std::uint32_t a = next(), b = next(), c = next(), d = next();
    bar.write(reg::Index{i}, Reta::entry0.from(a) | Reta::entry1.from(b) | Reta::entry2.from(c) | Reta::entry3.from(d));
  }
  bar.modify(Rxcsum::pcsd(true));
  bar.write(Mrqc::mrqe.from(queues > 1 || hash_always ? 1 : 0) | Mrqc::ipv4.from(rss.ipv4) |
            Mrqc::tcp_ipv4.from(rss.tcp_ipv4) | Mrqc::udp_ipv4.from(rss.udp_ipv4) | Mrqc::ipv6.from(rss.ipv6) |
            Mrqc::tcp_ipv6.from(rss.tcp_ipv6) | Mrqc::udp_ipv6.from(rss.udp_ipv6));
}

}  // namespace pollux::ixgbe

// SPDX-License-Identifier: BSD-3-Clause
// PollModePort: the contract of everything that sends and receives packets, from a NIC to a kernel socket.
#pragma once
#include <concepts>
#include <cstdint>
#include <span>
#include <string>

#include <pollux/net/burst.hpp>
#include <pollux/net/link.hpp>
#include <pollux/net/mac.hpp>
#include <pollux/net/metadata.hpp>
#include <pollux/net/stats.hpp>

namespace pollux {

/// When a transmit burst tells the device.
enum class DoorbellPolicy : std::uint8_t {
  kEachBurst,  ///< every tx_burst that took a packet ends with one doorbell
  kDeferred,   ///< only commit() rings: several bursts share one MMIO write
};

/// A started port moves packets between its device and bursts of its pool. All data-path verbs are noexcept, never
/// block, and on a NIC make no system call.
///
/// rx_burst(b): appends up to b.room() received packets in order of arrival and returns how many. One call is one
///   look at the device; 0 means nothing was there. Refills what it took, as far as the pool allows.
/// tx_burst(b): takes packets from the front as far as the device has room and returns how many; these now belong
///   to the port until they are sent. What was not taken stays in the burst. Any count works, 1 as well.
/// commit(): rings the doorbell for packets of deferred bursts; nothing where the port has none.
/// reclaim(): returns buffers of sent packets to the pool and tells how many; tx_burst does so too when it needs room.
///
/// Costs on a NIC, per rx_burst and per tx_burst: no MMIO read, at most one MMIO write, whatever the burst's size.
/// link(), stats() and mac() are for other times: they may read registers or make system calls.
/// Threads: one for rx and tx of a port and its pool.
template <class P>
concept PollModePort = requires(P& port, const P& fixed, PacketBurst& burst) {
  { port.rx_burst(burst) } noexcept -> std::same_as<std::uint32_t>;
  { port.tx_burst(burst) } noexcept -> std::same_as<std::uint32_t>;
  { port.commit() } noexcept;
  { port.reclaim() } noexcept -> std::same_as<std::uint32_t>;
  { port.link() } -> std::same_as<LinkState>;
  { port.stats() } -> std::same_as<PortStats>;
  { fixed.mac() } -> std::same_as<MacAddress>;
  { fixed.name() } -> std::convertible_to<std::string>;
  { fixed.pool() } -> std::same_as<BufferStore&>;
};

/// A port, or a queue of one, that gives metadata to those who ask: rx_burst(burst, meta) is rx_burst(burst), and
/// meta[i] is what the NIC says of the i-th packet that this call appended; at most meta.size() packets are received.
/// Who does not ask pays nothing: the other rx_burst is compiled without it.
template <class P>
concept MetadataPort = requires(P& port, PacketBurst& burst, std::span<typename P::RxMetadata> meta) {
  requires ReceiveMetadata<typename P::RxMetadata>;
  { port.rx_burst(burst, meta) } noexcept -> std::same_as<std::uint32_t>;
};

}  // namespace pollux

// SPDX-License-Identifier: BSD-3-Clause
// DpdkPciPort: a NIC that DPDK has found on the PCI bus, under DPDK's own driver, as a port of pollux-bench.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include <pollux/dma/buffers.hpp>
#include <pollux/net/burst.hpp>
#include <pollux/net/link.hpp>
#include <pollux/net/mac.hpp>

namespace bench {

/// "dpdk:DDDD:BB:DD.F": a device bound to a driver that DPDK takes (vfio-pci, uio_pci_generic, igb_uio). One queue each
/// way. One in a process, for as long as that runs: DPDK can be started once. Its mempool hands out the numbers of a
/// BufferStore (no second pool, no copy): a burst's packets are the data of mbufs. Beside the driver's own burst
/// function, rx_burst and tx_burst write a Packet or the lengths of an mbuf for each frame. Threads: one for all but
/// construction.
class DpdkPciPort {
 public:
  static constexpr std::string_view kPrefix = "dpdk:";
  static bool is_meant(std::string_view spec) noexcept { return spec.substr(0, kPrefix.size()) == kPrefix; }
  /// The port that the spec means, started at the first call. Errors: raises what DPDK refuses; a second device.
  static DpdkPciPort& get(const std::string& spec);

  DpdkPciPort(const std::string& address);
  DpdkPciPort(const DpdkPciPort&) = delete;
  DpdkPciPort& operator=(const DpdkPciPort&) = delete;
  ~DpdkPciPort();

  std::uint32_t rx_burst(pollux::PacketBurst& burst) noexcept;
  std::uint32_t tx_burst(pollux::PacketBurst& burst) noexcept;
  /// Of less room than this nothing is received: the driver's vector path works by fours.
  [[nodiscard]] std::uint32_t smallest_receive() const noexcept { return smallest_receive_; }
  [[nodiscard]] pollux::LinkState link() const;
  [[nodiscard]] pollux::MacAddress mac() const;
  [[nodiscard]] std::string name() const;
  [[nodiscard]] std::string notes() const;
  [[nodiscard]] pollux::BufferStore& pool() const noexcept;

 private:
  struct Memory;
  void start();

  std::string address_;
  std::unique_ptr<Memory> memory_;
  std::uint16_t id_ = 0;
  std::uint32_t smallest_receive_ = 1;
  bool open_ = false;
};

}  // namespace bench

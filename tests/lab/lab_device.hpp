// SPDX-License-Identifier: BSD-3-Clause
// What the lab's tests share: the NICs of the guest, and frames to send through them.
#pragma once
#include <gtest/gtest.h>
#include <stdlib.h>

#include <string>
#include <vector>

#include <pollux/backend/vfio.hpp>
#include <pollux/e1000/port.hpp>
#include <pollux/kernel/packet_socket.hpp>

namespace lab {

using Port82574 = pollux::e1000::Port<pollux::e1000::I82574, pollux::VfioDevice>;

/// NIC n of the guest, by its address. Fails the test program outside the lab.
inline pollux::Bdf nic(unsigned n) {
  const char* bdf = ::getenv(("POLLUX_NIC" + std::to_string(n)).c_str());
  if (bdf == nullptr) {
    ADD_FAILURE() << "POLLUX_NIC" << n << " is not set: run this in the lab";
    ::exit(2);
  }
  return pollux::Bdf::parse(bdf);
}

/// The kernel driver of the uio backend: uio_pci_generic, or what POLLUX_LAB_DRIVER names.
inline std::string uio_driver() {
  const char* asked = ::getenv("POLLUX_LAB_DRIVER");
  return asked != nullptr ? asked : "uio_pci_generic";
}

/// The kernel's interface of NIC n, up.
inline std::string interface_up(unsigned n) {
  const auto info = pollux::PciSysfs{}.info(nic(n));
  if (info.interfaces.empty()) {
    ADD_FAILURE() << "NIC " << n << " has no kernel interface";
    ::exit(2);
  }
  const std::string& name = info.interfaces.front();
  const std::string quiet = "sysctl -qw net.ipv6.conf." + name + ".disable_ipv6=1";
  const std::string up = "ip link set " + name + " up";
  EXPECT_EQ(::system(quiet.c_str()), 0);
  EXPECT_EQ(::system(up.c_str()), 0);
  return name;
}

/// Asks the host to pull or plug NIC n's cable.
inline void set_cable(unsigned n, bool up) {
  const std::string command = "labctl link " + std::to_string(n) + (up ? " up" : " down");
  ASSERT_EQ(::system(command.c_str()), 0);
}

/// One device with its memory and port.
struct Opened {
  explicit Opened(unsigned n, const pollux::e1000::Config& config = {.promiscuous = true}, std::uint32_t buffers = 2048)
      : device(domain, nic(n)), pool(domain, buffers), port(device, pool, config) {}
  pollux::VfioContainer domain;
  pollux::VfioDevice device;
  pollux::BufferPool pool;
  Port82574 port;
};

inline constexpr std::uint16_t kTestType = 0x88B5;  ///< IEEE 802 local experimental

/// Frame number n: addresses, test EtherType, the number, then bytes that depend on it.
inline void write_frame(pollux::Packet& packet, std::uint32_t n, const pollux::MacAddress& to,
                        const pollux::MacAddress& from) {
  pollux::store_header(packet.data, pollux::EthernetHeader{.destination = to, .source = from, .type = kTestType});
  for (std::size_t i = 14; i < packet.length; ++i) packet.data[i] = static_cast<std::byte>(n * 31 + i * 7 + i / 251);
  pollux::store_header(packet.data + 14, pollux::Be32{n});
}

/// The number of a frame that `write_frame` made, every byte checked; nothing for frames of others.
inline std::optional<std::uint32_t> read_frame(const pollux::Packet& packet) {
  const auto header = pollux::load_header<pollux::EthernetHeader>(packet.data);
  if (packet.length < 60 || header.type != kTestType) return std::nullopt;
  const std::uint32_t n = pollux::load_header<pollux::Be32>(packet.data + 14);
  for (std::size_t i = 18; i < packet.length; ++i) {
    EXPECT_EQ(packet.data[i], static_cast<std::byte>(n * 31 + i * 7 + i / 251)) << "frame " << n << " byte " << i;
    if (packet.data[i] != static_cast<std::byte>(n * 31 + i * 7 + i / 251)) break;
  }
  return n;
}

/// Sends the frames of a burst, however often it takes.
template <class P>
void send_all(P& port, pollux::PacketBurst& burst) {
  const pollux::SteadyClock clock;
  const auto end = clock.now() + pollux::Nanos{5'000'000'000};
  while (!burst.empty() && clock.now() < end) {
    if (port.tx_burst(burst) == 0) port.reclaim();
  }
  ASSERT_TRUE(burst.empty()) << "the transmit ring does not drain";
}

/// Receives test frames until `wanted` are there or nothing has come for a second; returns their numbers and lengths.
template <class P>
std::vector<std::pair<std::uint32_t, std::uint16_t>> receive(P& port, std::size_t wanted) {
  std::vector<std::pair<std::uint32_t, std::uint16_t>> out;
  const pollux::SteadyClock clock;
  auto end = clock.now() + pollux::Nanos{1'000'000'000};
  while (out.size() < wanted && clock.now() < end) {
    pollux::Burst<32> burst(port.pool());
    if (port.rx_burst(burst) == 0) continue;
    for (const pollux::Packet& packet : burst) {
      if (const auto n = read_frame(packet)) out.emplace_back(*n, packet.length);
    }
    end = clock.now() + pollux::Nanos{1'000'000'000};
  }
  return out;
}

/// The test EtherType's frames that arrive within a quarter second of quiet.
template <class P>
std::size_t count_arrivals(P& port) {
  std::size_t n = 0;
  const pollux::SteadyClock clock;
  for (auto end = clock.now() + pollux::Nanos{250'000'000}; clock.now() < end;) {
    pollux::Burst<32> burst(port.pool());
    port.rx_burst(burst);
    for (const pollux::Packet& packet : burst) {
      if (!read_frame(packet)) continue;
      ++n;
      end = clock.now() + pollux::Nanos{250'000'000};
    }
  }
  return n;
}

}  // namespace lab

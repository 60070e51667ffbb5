// SPDX-License-Identifier: BSD-3-Clause
// Receives packets from an 82574 through VFIO and counts them: 01_receive BDF [PACKETS]
#include <fmt/core.h>
#include <pollux/backend/vfio.hpp>
#include <pollux/e1000/port.hpp>

#include <charconv>
#include <string_view>

int main(int argc, char** argv) try {
  std::uint64_t wanted = ~0ull;
  const std::string_view count = argc > 2 ? argv[2] : "1";
  const bool is_number = argc <= 2 || std::from_chars(count.begin(), count.end(), wanted).ptr == count.end();
  if (argc < 2 || argc > 3 || !is_number) return fmt::print(stderr, "usage: {} BDF [PACKETS]\n", argv[0]), 2;

  pollux::VfioContainer domain;                                    // one IOMMU address space
  pollux::VfioDevice device(domain, pollux::Bdf::parse(argv[1]));  // the NIC, bound to vfio-pci
  pollux::BufferPool pool(domain, 2048);                           // packet buffers it can reach
  pollux::e1000::Port<pollux::e1000::I82574, pollux::VfioDevice> port(device, pool, {.promiscuous = true});
  port.start();
  fmt::print("{} {} is up; {}\n", port.name(), port.mac().to_string(), pool.note());
  std::fflush(stdout);

  std::uint64_t packets = 0, bytes = 0;
  while (packets < wanted) {
    pollux::Burst<32> burst(pool);  // gives its packets back when it ends
    packets += port.rx_burst(burst);
    for (const pollux::Packet& packet : burst) bytes += packet.length;
  }
  fmt::print("{} packets, {} bytes\n", packets, bytes);
} catch (const std::exception& error) {
  fmt::print(stderr, "01_receive: {}\n", error.what());
  return 1;
}

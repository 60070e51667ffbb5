// SPDX-License-Identifier: BSD-3-Clause
// Counts received packets and bytes, prints rates once a second: 05_receive_counter [--dev SPEC] [--count PACKETS]
#include <csignal>

#include <CLI/CLI.hpp>
#include <fmt/core.h>
#include <pollux/open_port.hpp>

#include "hello.hpp"

using namespace pollux::literals;

namespace {
volatile std::sig_atomic_t stopped = 0;

struct Count {
  std::uint64_t packets = 0, bytes = 0;
};

void print_statistics(const pollux::PortStats& s) {
  fmt::print("device: {} packets, {} bytes, {} missed, {} bad\n", s.rx_packets, s.rx_bytes, s.rx_missed, s.rx_errors);
  fmt::print("driver: {} rejected, {} times without a free buffer\n", s.rx_rejected, s.rx_no_buffer);
}
}  // namespace

int main(int argc, char** argv) try {
  CLI::App app{"Counts what a port receives."};
  std::string dev = "sim:ixgbe";
  std::uint64_t count = ~0ull;
  app.add_option("--dev", dev, "port: sim:ixgbe, sim:82574, pci:BDF, packet:INTERFACE")->capture_default_str();
  app.add_option("--count", count, "packets; without it until Ctrl-C")->check(CLI::PositiveNumber);
  CLI11_PARSE(app, argc, argv);
  std::signal(SIGINT, [](int) { stopped = 1; });

  pollux::AnyPort port = pollux::open_port(dev, {.promiscuous = true});
  fmt::print("{} {} is up; {}\n", port.name(), port.mac().to_string(), port.notes());
  const bool talk = hears_only_itself(dev);

  const pollux::SteadyClock clock;
  pollux::Nanos then = clock.now();
  Count total, before;
  while (total.packets < count && stopped == 0) {
    if (talk) say_hello(port, 32);
    pollux::Burst<32> burst(port.pool(),
                            static_cast<std::uint32_t>(std::min<std::uint64_t>(32, count - total.packets)));
    total.packets += port.rx_burst(burst);
    for (const pollux::Packet& packet : burst) total.bytes += packet.length;

    if (const pollux::Nanos now = clock.now(); now - then >= 1_s) {
      const double seconds = static_cast<double>((now - then).count) * 1e-9;
      fmt::print("{:12.0f} packets/s {:14.0f} bytes/s\n", static_cast<double>(total.packets - before.packets) / seconds,
                 static_cast<double>(total.bytes - before.bytes) / seconds);
      std::fflush(stdout);
      then = now;
      before = total;
    }
  }
  fmt::print("{} packets, {} bytes\n", total.packets, total.bytes);
  print_statistics(port.stats());
} catch (const std::exception& error) {
  fmt::print(stderr, "05_receive_counter: {}\n", error.what());
  return 1;
}

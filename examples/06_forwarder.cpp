// SPDX-License-Identifier: BSD-3-Clause
// Forwards between two ports, or sends back what one receives: 06_forwarder [--dev SPEC [--dev SPEC]] [--count PACKETS]
#include <csignal>

#include <CLI/CLI.hpp>
#include <fmt/core.h>
#include <pollux/open_port.hpp>

#include "hello.hpp"

namespace {
volatile std::sig_atomic_t stopped = 0;

struct Count {
  std::uint64_t forwarded = 0, dropped = 0;
};

/// No byte of a packet is copied: the buffer that one port filled is the buffer that the other sends.
void forward(pollux::AnyPort& from, pollux::AnyPort& to, Count& count) noexcept {
  pollux::Burst<32> burst(from.pool());
  if (from.rx_burst(burst) == 0) return;
  for (const pollux::Packet& packet : burst) pollux::swap_addresses(packet.data);
  count.forwarded += to.tx_burst(burst);
  count.dropped += burst.size();  // what `to` has no room for goes back to the pool when the burst ends
}
}  // namespace

int main(int argc, char** argv) try {
  CLI::App app{"Forwards frames with their MAC addresses exchanged; with one port it reflects."};
  std::vector<std::string> devs;
  std::uint64_t count = ~0ull;
  app.add_option("--dev", devs, "one or two ports: pci:BDF, packet:INTERFACE; or one of sim:ixgbe (default), sim:82574")
      ->expected(1, 2);
  app.add_option("--count", count, "end after so many packets; without it at Ctrl-C")->check(CLI::PositiveNumber);
  CLI11_PARSE(app, argc, argv);
  if (devs.empty()) devs = {"sim:ixgbe"};
  std::signal(SIGINT, [](int) { stopped = 1; });

  std::vector<pollux::AnyPort> ports = pollux::open_ports(devs, {.promiscuous = true});  // on one pool
  pollux::AnyPort &left = ports.front(), &right = ports.back();
  for (const pollux::AnyPort& port : ports) fmt::print("{} {} is up\n", port.name(), port.mac().to_string());
  if (hears_only_itself(devs.front())) say_hello(left, 8);  // these go round and round

  Count total;
  while (total.forwarded < count && stopped == 0) {
    forward(left, right, total);
    if (&left != &right) forward(right, left, total);
  }
  fmt::print("{} packets forwarded, {} dropped\n", total.forwarded, total.dropped);
} catch (const std::exception& error) {
  fmt::print(stderr, "06_forwarder: {}\n", error.what());
  return 1;
}

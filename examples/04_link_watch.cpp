// SPDX-License-Identifier: BSD-3-Clause
// Prints every change of a port's link: 04_link_watch [--dev SPEC] [--count LOOKS]
#include <csignal>

#include <CLI/CLI.hpp>
#include <fmt/core.h>
#include <pollux/open_port.hpp>
#include <pollux/sim/wire.hpp>

using namespace pollux::literals;

namespace {
volatile std::sig_atomic_t stopped = 0;

std::string to_text(const pollux::LinkState& link) {
  if (!link.up) return "down";
  return fmt::format("up, {} Mbit/s, {} duplex", link.speed_mbps, link.full_duplex ? "full" : "half");
}
}  // namespace

int main(int argc, char** argv) try {
  CLI::App app{"Looks at a port's link ten times a second and prints its changes."};
  std::string dev = "sim:ixgbe";
  std::uint64_t count = ~0ull;
  app.add_option("--dev", dev, "port: sim:ixgbe, sim:82574, pci:BDF, packet:INTERFACE")->capture_default_str();
  app.add_option("--count", count, "looks; without it until Ctrl-C")->check(CLI::PositiveNumber);
  CLI11_PARSE(app, argc, argv);
  std::signal(SIGINT, [](int) { stopped = 1; });

  pollux::sim::Cable cable;  // a simulated port is plugged into it; to others it means nothing
  pollux::AnyPort port = pollux::open_port(dev, {.link_deadline = 0_s, .sim_wire = &cable.a()});
  const pollux::SteadyClock clock;
  const pollux::Nanos start = clock.now();
  pollux::LinkState last;
  for (std::uint64_t look = 0; look < count && stopped == 0; ++look) {
    cable.set_link(look % 8 < 4);  // nobody else can pull a simulated cable
    pollux::Burst<32> unread(port.pool());
    port.rx_burst(unread);  // lets a simulated device notice; on any other, keeps the ring from filling up
    const pollux::LinkState now = port.link();
    if (look == 0 || now != last) {
      const double seconds = static_cast<double>((clock.now() - start).count) * 1e-9;
      fmt::print("{:8.3f} s  {}: link {}\n", seconds, port.name(), to_text(now));
      std::fflush(stdout);
    }
    last = now;
    clock.pause(100_ms);
  }
} catch (const std::exception& error) {
  fmt::print(stderr, "04_link_watch: {}\n", error.what());
  return 1;
}

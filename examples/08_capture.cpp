// SPDX-License-Identifier: BSD-3-Clause
// Writes received frames to a file for Wireshark: 08_capture [--dev SPEC] [--write FILE] [--count FRAMES]
#include <csignal>

#include <CLI/CLI.hpp>
#include <fmt/core.h>
#include <pollux/net/pcapng.hpp>
#include <pollux/open_port.hpp>

#include "hello.hpp"

namespace {
volatile std::sig_atomic_t stopped = 0;
}

int main(int argc, char** argv) try {
  CLI::App app{"Writes what a port receives to a pcapng file."};
  std::string dev = "sim:ixgbe", path = "capture.pcapng";
  std::uint64_t count = ~0ull;
  app.add_option("--dev", dev, "port: sim:ixgbe, sim:82574, pci:BDF, packet:INTERFACE")->capture_default_str();
  app.add_option("--write", path, "the file; replaced when it exists")->capture_default_str();
  app.add_option("--count", count, "frames; without it until Ctrl-C")->check(CLI::PositiveNumber);
  CLI11_PARSE(app, argc, argv);
  std::signal(SIGINT, [](int) { stopped = 1; });

  pollux::AnyPort port = pollux::open_port(dev, {.promiscuous = true});
  pollux::PcapngWriter file(path, port.name());
  const bool talk = hears_only_itself(dev);
  while (file.frames() < count && stopped == 0) {
    if (talk) say_hello(port, 1);
    pollux::Burst<32> burst(port.pool(),
                            static_cast<std::uint32_t>(std::min<std::uint64_t>(32, count - file.frames())));
    if (port.rx_burst(burst) == 0) continue;
    const pollux::Nanos now = pollux::PcapngWriter::wall_clock();  // one look at the device, one point in time
    for (const pollux::Packet& packet : burst) file.write(packet.bytes(), now, pollux::PcapDirection::kIn);
  }
  file.close();
  fmt::print("{} frames from {} in {}\n", file.frames(), port.name(), path);
} catch (const std::exception& error) {
  fmt::print(stderr, "08_capture: {}\n", error.what());
  return 1;
}

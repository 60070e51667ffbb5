// SPDX-License-Identifier: BSD-3-Clause
// Brings a NIC up and prints its registers, field by field, as the driver declares them: 03_dump_registers [--dev SPEC]
#include <CLI/CLI.hpp>
#include <fmt/core.h>
#include <pollux/reg/dump.hpp>
#include <pollux/visit_port.hpp>

namespace {

// One overload per kind of port: each driver has its own table, and the compiler picks it.
template <class Chip, class Backend>
std::string registers_of(const pollux::e1000::Port<Chip, Backend>& port) {
  return pollux::reg::dump(port.bar(), pollux::e1000::Registers{});
}
template <class Chip, class Backend>
std::string registers_of(const pollux::ixgbe::Port<Chip, Backend>& port) {
  return pollux::reg::dump(port.bar(), pollux::ixgbe::Registers{});
}
template <class Model>
std::string registers_of(pollux::SimPort<Model>& simulated) {
  return registers_of(simulated.port());
}
template <pollux::PollModePort Other>
std::string registers_of(const Other& kernel_port) {
  pollux::raise({.code = ENOTSUP,
                 .operation = "dump registers of",
                 .object = kernel_port.name(),
                 .where = "the kernel's driver has them",
                 .remedy = "name a device: sim:ixgbe, sim:82574 or pci:BDF"});
}

}  // namespace

int main(int argc, char** argv) try {
  CLI::App app{"Brings a NIC up and prints its registers. Those that a read would change are named, not read."};
  std::string dev = "sim:ixgbe";
  app.add_option("--dev", dev, "sim:ixgbe, sim:82574 or pci:BDF")->capture_default_str();
  CLI11_PARSE(app, argc, argv);

  // No deadline for the link: a port whose cable does not work is the one whose registers one wants to see.
  pollux::visit_port(dev, {.link_deadline = {}}, [](auto& port, const std::string&) {
    fmt::print("{} {}\n{}", port.name(), port.mac().to_string(), registers_of(port));
  });
} catch (const std::exception& error) {
  fmt::print(stderr, "03_dump_registers: {}\n", error.what());
  return 1;
}

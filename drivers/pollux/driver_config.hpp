// SPDX-License-Identifier: BSD-3-Clause
// What those who open a port by its name do for every driver: its configuration, whether it knows a device, its start.
#pragma once
#include <memory>
#include <utility>

#include <pollux/core/error.hpp>
#include <pollux/dma/pool.hpp>
#include <pollux/open_options.hpp>
#include <pollux/pci/sysfs.hpp>

namespace pollux::detail {

/// Configuration of a driver that has the common fields.
template <class Config>
Config driver_config(const OpenOptions& options) {
  Config config;
  config.rx_descriptors = options.rx_descriptors;
  config.tx_descriptors = options.tx_descriptors;
  config.promiscuous = options.promiscuous;
  config.link_deadline = options.link_deadline;
  return config;
}

/// Whether the device is in a driver's table.
template <class Table>
bool knows(const Table& table, PciId id) noexcept {
  for (const auto& entry : table) {
    if (PciId{entry.vendor, entry.device} == id) return true;
  }
  return false;
}

template <class P, class Config, class Device>
std::unique_ptr<P> make_started(Device& device, BufferPool& pool, const OpenOptions& options) {
  auto port = std::make_unique<P>(device, pool, driver_config<Config>(options));
  port->start();
  return port;
}

template <class Device>
[[noreturn]] void refuse_unknown(const Device& device, std::string remedy) {
  raise({.code = ENODEV,
         .operation = "drive",
         .object = device.name(),
         .where = text::cat("no driver here knows PCI id ", device.id().to_string()),
         .remedy = std::move(remedy)});
}

}  // namespace pollux::detail

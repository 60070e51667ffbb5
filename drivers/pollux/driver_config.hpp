// SPDX-License-Identifier: BSD-3-Clause
// What those who open a port by its name do for every driver: its configuration, whether it knows a device.
#pragma once
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

}  // namespace pollux::detail

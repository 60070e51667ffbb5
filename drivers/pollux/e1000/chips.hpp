// SPDX-License-Identifier: BSD-3-Clause
// The controllers this driver knows: what differs between them, as compile-time traits, and their PCI ids.
#pragma once
#include <cstdint>

namespace pollux::e1000 {

/// PCIe single-port controllers with the e1000e register set: extended receive descriptors, legacy transmit
/// descriptors, two queues each way (this driver uses one).
struct I82574 {
  static constexpr const char* kName = "82574L";
  static constexpr unsigned kRegisterBar = 0;
  static constexpr std::uint32_t kReceiveAddresses = 16;  ///< RAL/RAH pairs
  static constexpr std::uint32_t kMinRing = 32;           ///< [descriptors]
  static constexpr std::uint32_t kMaxRing = 4096;         ///< [descriptors]
};

struct DeviceEntry {
  std::uint16_t vendor;
  std::uint16_t device;
  const char* name;
};

/// Every PCI id of the chip. [linux e1000e]
inline constexpr DeviceEntry kI82574Devices[] = {
    {0x8086, 0x10D3, "82574L"},
    {0x8086, 0x10F6, "82574LA"},
    {0x8086, 0x150C, "82583V"},
};

}  // namespace pollux::e1000

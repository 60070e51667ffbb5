// SPDX-License-Identifier: BSD-3-Clause
// ConfigMemory: a model's PCI configuration space: 4096 bytes, each bit writable or not, capabilities where real ones
// lie.
#pragma once
#include <array>
#include <cstdint>
#include <cstring>
#include <string>

#include <pollux/pci/config.hpp>

namespace pollux::sim {

/// Little-endian, any width. Reads past the end are all ones. Satisfies pollux::ConfigSpace through a reference.
class ConfigMemory {
 public:
  explicit ConfigMemory(PciId id, std::uint8_t revision = 0) {
    set16(0x00, id.vendor);
    set16(0x02, id.device);
    bytes_[0x08] = revision;
    bytes_[0x0B] = 0x02;  // network controller, Ethernet
    set16(pci_config::kStatus, pci_config::kStatusCapabilities);
    bytes_[0x3D] = 1;                       // INTA
    allow16(pci_config::kCommand, 0x0547);  // I/O, memory, master, parity, SERR, INTx disable
    allow8(0x3C, 0xFF);
    allow8(0x0C, 0xFF);
  }

  /// A memory BAR of `bytes` (a power of two); a 64-bit one takes two slots.
  void add_memory_bar(unsigned slot, std::uint32_t bytes, bool is_64_bit) noexcept {
    const std::uint32_t at = 0x10 + 4 * slot;
    set32(at, is_64_bit ? 4 : 0);
    allow32(at, ~(bytes - 1) & ~0xFu);
    if (is_64_bit) allow32(at + 4, ~0u);
  }
  /// A capability at `at`, linked in front of those added before. `body` follows its two-byte head.
  template <std::size_t N>
  void add_capability(std::uint8_t id, std::uint8_t at, const std::array<std::uint8_t, N>& body) noexcept {
    bytes_[at] = id;
    bytes_[at + 1] = bytes_[pci_config::kCapabilityPointer];
    bytes_[pci_config::kCapabilityPointer] = at;
    std::memcpy(&bytes_[at + 2], body.data(), N);
  }

  void set16(std::uint32_t at, std::uint16_t v) noexcept { store(at, 2, v); }
  void set32(std::uint32_t at, std::uint32_t v) noexcept { store(at, 4, v); }
  void allow8(std::uint32_t at, std::uint8_t mask) noexcept { writable_[at] = mask; }
  void allow16(std::uint32_t at, std::uint16_t mask) noexcept {
    allow8(at, static_cast<std::uint8_t>(mask));
    allow8(at + 1, static_cast<std::uint8_t>(mask >> 8));
  }
  void allow32(std::uint32_t at, std::uint32_t mask) noexcept {
    allow16(at, static_cast<std::uint16_t>(mask));
    allow16(at + 2, static_cast<std::uint16_t>(mask >> 16));
  }

  [[nodiscard]] std::uint32_t read(std::uint32_t at, unsigned width) const noexcept {
    std::uint32_t v = 0;
    for (unsigned i = 0; i < width; ++i) v |= std::uint32_t{at + i < bytes_.size() ? bytes_[at + i] : 0xFFu} << (8 * i);
    return v;
  }
  void write(std::uint32_t at, unsigned width, std::uint32_t v) noexcept {
    for (unsigned i = 0; i < width && at + i < bytes_.size(); ++i) {
      const auto byte = static_cast<std::uint8_t>(v >> (8 * i));
      const std::uint8_t mask = writable_[at + i];
      bytes_[at + i] = static_cast<std::uint8_t>((bytes_[at + i] & ~mask) | (byte & mask));
    }
  }
  [[nodiscard]] bool bus_master() const noexcept {
    return (bytes_[pci_config::kCommand] & pci_config::kCommandBusMaster) != 0;
  }
  [[nodiscard]] bool memory_enabled() const noexcept {
    return (bytes_[pci_config::kCommand] & pci_config::kCommandMemory) != 0;
  }

 private:
  void store(std::uint32_t at, unsigned width, std::uint32_t v) noexcept {
    for (unsigned i = 0; i < width; ++i) bytes_[at + i] = static_cast<std::uint8_t>(v >> (8 * i));
  }
  std::array<std::uint8_t, 4096> bytes_{};
  std::array<std::uint8_t, 4096> writable_{};
};

}  // namespace pollux::sim

// SPDX-License-Identifier: BSD-3-Clause
// Configuration space: typed access to its header, a bounded walk of its capability lists.
#pragma once
#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <pollux/core/unique_fd.hpp>
#include <pollux/pci/sysfs.hpp>

namespace pollux {

/// A device's configuration space, however it is reached. Reads past its end return all ones, as the bus would.
template <class C>
concept ConfigSpace = requires(const C& config, std::uint32_t offset, std::uint16_t v16, std::uint32_t v32) {
  { config.read8(offset) } -> std::same_as<std::uint8_t>;
  { config.read16(offset) } -> std::same_as<std::uint16_t>;
  { config.read32(offset) } -> std::same_as<std::uint32_t>;
  config.write16(offset, v16);
  config.write32(offset, v32);
  config.write8(offset, std::uint8_t{});
  { config.name() } -> std::convertible_to<std::string>;
};

namespace pci_config {
inline constexpr std::uint32_t kCommand = 0x04, kStatus = 0x06, kCapabilityPointer = 0x34,
                               kInterruptPin = 0x3D;              // [PCI 3.0 6.1]
inline constexpr std::uint32_t kBar0 = 0x10, kBarPorts = 1 << 0;  // BAR i is 4i further [PCI 3.0 6.2.5.1]
inline constexpr std::uint16_t kCommandMemory = 1 << 1, kCommandBusMaster = 1 << 2, kCommandIntxDisable = 1 << 10;
inline constexpr std::uint16_t kStatusCapabilities = 1 << 4;
}  // namespace pci_config

/// Configuration space behind one file descriptor at an offset: sysfs `config`, or a VFIO region.
class FdConfigSpace {
 public:
  /// Pre: `fd` stays open. `base`: where in the file configuration space starts.
  FdConfigSpace(int fd, std::uint64_t base, std::string name) : fd_(fd), base_(base), name_(std::move(name)) {}

  [[nodiscard]] std::uint8_t read8(std::uint32_t o) const { return read<std::uint8_t>(o); }
  [[nodiscard]] std::uint16_t read16(std::uint32_t o) const { return read<std::uint16_t>(o); }
  [[nodiscard]] std::uint32_t read32(std::uint32_t o) const { return read<std::uint32_t>(o); }
  /// Errors: raises the errno of pwrite (EPERM under kernel lockdown).
  void write8(std::uint32_t o, std::uint8_t v) const { write(o, v); }
  void write16(std::uint32_t o, std::uint16_t v) const { write(o, v); }
  void write32(std::uint32_t o, std::uint32_t v) const { write(o, v); }
  /// Returns whether it was written.
  [[nodiscard]] bool try_write16(std::uint32_t o, std::uint16_t v) const noexcept {
    return sys::pwrite(fd_, &v, sizeof v, static_cast<off_t>(base_ + o)) == sizeof v;
  }
  /// Clears bits of COMMAND as far as the device still answers: part of every way out. Cost: 2 system calls.
  void try_clear_command(std::uint16_t bits) const noexcept {
    const auto at = static_cast<off_t>(base_ + pci_config::kCommand);
    std::uint16_t command = 0;
    if (sys::pread(fd_, &command, sizeof command, at) != sizeof command || command == 0xFFFF) return;
    command = static_cast<std::uint16_t>(command & ~bits);
    (void)sys::pwrite(fd_, &command, sizeof command, at);
  }
  [[nodiscard]] const std::string& name() const noexcept { return name_; }

 private:
  template <class T>
  T read(std::uint32_t offset) const {
    T v{};
    if (sys::pread(fd_, &v, sizeof v, static_cast<off_t>(base_ + offset)) != sizeof v) return static_cast<T>(~T{0});
    return v;
  }
  template <class T>
  void write(std::uint32_t offset, T v) const {
    if (sys::pwrite(fd_, &v, sizeof v, static_cast<off_t>(base_ + offset)) == sizeof v) return;
    raise({.code = errno,
           .operation = "write configuration space of",
           .object = name_,
           .where = text::cat("offset ", text::hex(offset, 2)),
           .remedy = {}});
  }
  int fd_;
  std::uint64_t base_;
  std::string name_;
};
static_assert(ConfigSpace<FdConfigSpace>);

struct PciCapability {
  std::uint16_t id = 0;
  std::uint16_t offset = 0;
  friend constexpr bool operator==(PciCapability, PciCapability) = default;
};

/// The standard capability list. Errors: EIO when the list loops or leaves the 256-byte space, as a broken or
/// surprise-removed device's does.
template <ConfigSpace C>
Result<std::vector<PciCapability>> try_list_capabilities(const C& config) {
  std::vector<PciCapability> out;
  const auto broken = [&](std::uint32_t at, const char* why) {
    return Failure{.code = EIO,
                   .operation = "walk capabilities of",
                   .object = config.name(),
                   .where = text::cat("at ", text::hex(at, 2), ": ", why),
                   .remedy = "the device is gone or broken; without root the kernel shows 64 bytes only"};
  };
  const std::uint16_t status = config.read16(pci_config::kStatus);
  if (status == 0xFFFF) return broken(pci_config::kStatus, "all ones");
  if ((status & pci_config::kStatusCapabilities) == 0) return out;
  constexpr std::size_t kMost = (256 - 64) / 4;  // each takes at least a dword behind the header
  std::uint32_t at = config.read8(pci_config::kCapabilityPointer) & 0xFCu;
  while (at != 0) {
    if (at < 0x40) return broken(at, "points into the header");
    if (out.size() == kMost) return broken(at, "the list loops");
    const std::uint16_t head = config.read16(at);
    if (head == 0xFFFF) return broken(at, "all ones");
    out.push_back({static_cast<std::uint16_t>(head & 0xFF), static_cast<std::uint16_t>(at)});
    at = (head >> 8) & 0xFCu;
  }
  return out;
}

/// The extended list from 0x100 on; empty on a device without one. Errors: as above.
template <ConfigSpace C>
Result<std::vector<PciCapability>> try_list_extended_capabilities(const C& config) {
  std::vector<PciCapability> out;
  constexpr std::size_t kMost = (4096 - 256) / 8;
  std::uint32_t at = 0x100;
  while (at != 0) {
    const std::uint32_t head = config.read32(at);
    if (out.empty() && (head == 0 || head == ~0u)) return out;
    if (at < 0x100 || head == ~0u || out.size() == kMost) {
      return Failure{.code = EIO,
                     .operation = "walk extended capabilities of",
                     .object = config.name(),
                     .where = text::cat("at ", text::hex(at, 3)),
                     .remedy = "the device is gone or broken"};
    }
    out.push_back({static_cast<std::uint16_t>(head & 0xFFFF), static_cast<std::uint16_t>(at)});
    at = (head >> 20) & 0xFFCu;
  }
  return out;
}

/// Sets or clears bits of COMMAND (read-modify-write).
template <ConfigSpace C>
void set_command(const C& config, std::uint16_t bits, bool on) {
  const std::uint16_t old = config.read16(pci_config::kCommand);
  if (old == 0xFFFF) {  // written back, it would turn bus mastering on
    raise({.code = EIO,
           .operation = "read COMMAND of",
           .object = config.name(),
           .where = "all ones",
           .remedy = "the device is gone or broken"});
  }
  config.write16(pci_config::kCommand, static_cast<std::uint16_t>(on ? old | bits : old & ~bits));
}

}  // namespace pollux

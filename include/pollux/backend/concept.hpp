// SPDX-License-Identifier: BSD-3-Clause
// DeviceBackend: what a driver needs of one opened device, whichever way it was opened. InterruptCapable: the rest.
#pragma once
#include <concepts>
#include <memory>
#include <string>
#include <vector>

#include <pollux/core/clock.hpp>
#include <pollux/dma/domain.hpp>
#include <pollux/irq/interrupt.hpp>
#include <pollux/pci/config.hpp>
#include <pollux/reg/bar.hpp>

namespace pollux {

/// One PCI function, opened. Owns its mappings, descriptors and binding to a DmaDomain; closing it (destruction)
/// turns bus mastering off first and undoes the rest in reverse order.
template <class B>
concept DeviceBackend = requires(B& backend, unsigned bar_number) {
  requires reg::RegisterIo<typename B::Io>;
  requires reg::RegisterIo<typename B::DoorbellIo>;
  requires Clock<typename B::Clock>;
  /// Maps a BAR, once; later calls return the same window. Errors: raises when it is absent or cannot be mapped.
  { backend.bar(bar_number) } -> std::same_as<reg::Bar<typename B::Io>>;
  /// The same BAR for the data path's doorbells. On hardware both are Mmio; a model in shared memory answers setup
  /// accesses by function calls, but sees doorbells as the plain stores that hardware would see.
  { backend.doorbells(bar_number) } -> std::same_as<reg::Bar<typename B::DoorbellIo>>;
  { backend.clock() } -> std::same_as<typename B::Clock>;
  /// The space in which the device's DMA addresses live.
  { backend.domain() } -> std::same_as<DmaDomain&>;
  /// COMMAND.BME: whether the device may start DMA. Off after opening. Allowing it may raise; forbidding it may not,
  /// because it belongs to every way out.
  backend.enable_bus_master();
  { backend.disable_bus_master() } noexcept;
  { backend.config() } -> ConfigSpace;
  { backend.id() } -> std::same_as<PciId>;
  /// How to call the device in messages: its address or path.
  { backend.name() } -> std::convertible_to<std::string>;
};

/// A backend that can also deliver the device's interrupts.
template <class B>
concept InterruptCapable = DeviceBackend<B> && requires(B& backend, IrqKind kind, unsigned n) {
  { backend.irq_counts() } -> std::same_as<IrqCounts>;
  /// Turns on n interrupts of one kind; see PciDevice::open_interrupts.
  { backend.open_interrupts(kind, n) } -> std::same_as<std::vector<std::unique_ptr<Interrupt>>>;
};

/// Whether COMMAND lets a driver's device answer. With memory decoding off nobody answers its registers, and under VFIO
/// touching them is SIGBUS. A configuration space that cannot be read says nothing. `device`: how to call it.
/// Errors: EIO with what turns it on. Cost: 1 access to configuration space.
/// Where a device can be gone in a way that its backend knows of, that is the error.
template <DeviceBackend B>
[[nodiscard]] Result<Done> try_check_memory_decoding(B& backend, const std::string& device) {
  if constexpr (requires {
                  { backend.try_check_presence() } -> std::same_as<Result<Done>>;
                }) {
    if (auto there = backend.try_check_presence(); !there) return there;
  }
  const std::uint16_t command = backend.config().read16(pci_config::kCommand);
  if (command == 0xFFFF || (command & pci_config::kCommandMemory) != 0) return Done{};
  return Failure{
      .code = EIO,
      .operation = "use the registers of",
      .object = device,
      .where = "its memory decoding is off (COMMAND bit 1)",
      .remedy = text::cat("open it again, which turns that on, or, unless vfio-pci has it, as root: setpci -s ",
                          std::string(backend.name()), " COMMAND=2:2")};
}
/// Whether COMMAND lets a started device reach memory. Otherwise as try_check_memory_decoding.
template <DeviceBackend B>
[[nodiscard]] Result<Done> try_check_bus_master(B& backend, const std::string& device) {
  const std::uint16_t command = backend.config().read16(pci_config::kCommand);
  if (command == 0xFFFF || (command & pci_config::kCommandBusMaster) != 0) return Done{};
  return Failure{.code = EIO,
                 .operation = "move frames through",
                 .object = device,
                 .where = "its bus mastering is off (COMMAND bit 2): it reaches no memory",
                 .remedy = "somebody else turned it off, as closing a node of UIO does; stop() and start() turn it on"};
}

}  // namespace pollux

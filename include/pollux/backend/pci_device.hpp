// SPDX-License-Identifier: BSD-3-Clause
// PciDevice: one opened PCI function of this machine, whichever kernel interface it was opened through.
#pragma once
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <pollux/backend/concept.hpp>

namespace pollux {

/// What every backend for real devices is: a DeviceBackend and InterruptCapable, chosen at run time. Only setup goes
/// through virtual calls; registers and doorbells are plain mapped memory (reg::Mmio) in all of them, so one
/// Port<Chip, PciDevice> serves all backends at the same speed.
/// Memory decoding is on and bus mastering off after opening; both are off after closing where the kernel did not have
/// them on. Threads: one at a time.
class PciDevice {
 public:
  using Io = reg::Mmio;
  using DoorbellIo = reg::Mmio;
  using Clock = SteadyClock;

  PciDevice(const PciDevice&) = delete;
  PciDevice& operator=(const PciDevice&) = delete;
  virtual ~PciDevice() = default;

  /// Maps a BAR, once. Errors: raises when it is absent, of I/O ports, or cannot be mapped.
  [[nodiscard]] virtual reg::Bar<Io> bar(unsigned number) = 0;
  [[nodiscard]] reg::Bar<DoorbellIo> doorbells(unsigned number) { return bar(number); }
  [[nodiscard]] Clock clock() const noexcept { return {}; }
  [[nodiscard]] virtual DmaDomain& domain() noexcept = 0;
  [[nodiscard]] virtual FdConfigSpace config() const = 0;
  void enable_bus_master() { set_command(config(), pci_config::kCommandBusMaster, true); }
  void disable_bus_master() noexcept { config().try_clear_command(pci_config::kCommandBusMaster); }
  [[nodiscard]] PciId id() const noexcept { return id_; }
  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  /// "VFIO group", "UIO (uio_pci_generic)": how the device was opened, for people.
  [[nodiscard]] virtual std::string backend_name() const = 0;

  /// Resets the function by the kernel's best method; configuration space is kept. Errors: ENOTSUP, or the kernel's.
  [[nodiscard]] virtual Result<Done> try_reset() = 0;

  /// How many interrupts of each kind can be had here. Cost: up to 3 system calls.
  [[nodiscard]] virtual IrqCounts irq_counts() const = 0;
  /// Turns on n interrupts of one kind, vector i of the device being element i. They are off again when the last of
  /// them is destroyed. Pre: none are on. Errors: raises ENOTSUP (kind or number not available here, and what is).
  [[nodiscard]] virtual std::vector<std::unique_ptr<Interrupt>> open_interrupts(IrqKind kind, unsigned n) = 0;
  /// Comes when the kernel wants the device back (it is being unplugged or unbound) and waits for it to be closed.
  /// Nothing where the kernel interface has no such notice. Errors: raises the kernel's.
  [[nodiscard]] virtual std::unique_ptr<Interrupt> open_removal_notice() { return nullptr; }

 protected:
  PciDevice(PciId id, std::string name) : id_(id), name_(std::move(name)) {}
  [[nodiscard]] Failure failure(const char* operation, std::string where, std::string remedy = {}) const {
    return {
        .code = errno, .operation = operation, .object = name_, .where = std::move(where), .remedy = std::move(remedy)};
  }
  [[nodiscard]] Failure no_such_interrupts(IrqKind kind, unsigned n, const IrqCounts& counts) const {
    return pollux::no_such_interrupts(name_, backend_name(), kind, n, counts);
  }
  void set_id(PciId id) noexcept { id_ = id; }

 private:
  PciId id_;
  std::string name_;
};
static_assert(DeviceBackend<PciDevice> && InterruptCapable<PciDevice>);

}  // namespace pollux

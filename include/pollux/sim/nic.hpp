// SPDX-License-Identifier: BSD-3-Clause
// NicModel: what every NIC model is made of: registers with hooks, configuration space, DMA, a wire, time, interrupts.
#pragma once
#include <atomic>
#include <functional>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include <pollux/core/clock.hpp>
#include <pollux/core/order.hpp>
#include <pollux/net/mac.hpp>
#include <pollux/pci/sysfs.hpp>
#include <pollux/sim/config_space.hpp>
#include <pollux/sim/interrupts.hpp>
#include <pollux/sim/iommu.hpp>
#include <pollux/sim/registers.hpp>
#include <pollux/sim/wire.hpp>

namespace pollux::sim {

/// A device in software. It has no thread and no clock: it moves when a driver touches a register (inline mode) and
/// when somebody calls `step`. The same model serves three ways of running:
///   inline: every access of the driver calls `read` or `write`; transmission happens within the doorbell.
///   stepped: another thread calls `step` in a loop; setup accesses take the same lock.
///   shared memory: doorbells are plain stores into `doorbell_memory`, seen at the next `step`.
/// Threads: any for read, write, step (one lock); the wire end belongs to whoever steps.
class NicModel {
 public:
  struct Identity {
    const char* name;
    PciId id;
    std::uint8_t revision = 0;
  };

  NicModel(const Identity& identity, std::size_t bar_bytes, std::span<const RegSpec> specs, Iommu& iommu, WireEnd& wire,
           FaultLog& faults)
      : identity_(identity),
        iommu_(&iommu),
        wire_(&wire),
        registers_(identity.name, bar_bytes, specs, faults),
        config_(identity.id, identity.revision),
        dma_(iommu) {}
  NicModel(const NicModel&) = delete;
  NicModel& operator=(const NicModel&) = delete;
  virtual ~NicModel() = default;

  /// A driver's access to BAR 0.
  [[nodiscard]] std::uint32_t read(std::uint64_t offset, unsigned width = 4) noexcept {
    const std::scoped_lock lock(mutex_);
    if (removed_ || !config_.memory_enabled()) return ~0u;
    if (!registers_.may_read(offset, width)) return 0;
    const auto at = static_cast<std::uint32_t>(offset);
    prepare_read(at);
    return after_read(at, registers_.read(at));
  }
  void write(std::uint64_t offset, std::uint32_t value, unsigned width = 4) noexcept {
    const std::scoped_lock lock(mutex_);
    if (removed_ || !config_.memory_enabled()) return;
    std::uint32_t old = 0;
    if (registers_.write(offset, width, value, old)) after_write(static_cast<std::uint32_t>(offset), old, value);
  }
  [[nodiscard]] std::uint32_t read_config(std::uint32_t offset, unsigned width) noexcept {
    const std::scoped_lock lock(mutex_);
    return removed_ ? ~0u : config_.read(offset, width);
  }
  void write_config(std::uint32_t offset, unsigned width, std::uint32_t value) noexcept {
    const std::scoped_lock lock(mutex_);
    if (removed_) return;
    config_.write(offset, width, value);
    after_config_write(offset, width);
  }
  /// Lets the device work: doorbells seen, frames sent and received, timers. Returns whether anything moved.
  bool step() noexcept {
    const std::scoped_lock lock(mutex_);
    if (removed_) return false;
    wire_->tick(now());
    return work();
  }
  /// The device is pulled out: reads give all ones, writes and DMA end.
  void remove() noexcept {
    const std::scoped_lock lock(mutex_);
    removed_ = true;
  }
  /// Function-level reset: everything as after power-on, configuration space too.
  void function_level_reset() noexcept {
    const std::scoped_lock lock(mutex_);
    reset_device();
    config_.write(pci_config::kCommand, 2, 0);
  }

  [[nodiscard]] std::byte* doorbell_memory() noexcept { return registers_.memory(); }
  [[nodiscard]] std::size_t bar_bytes() const noexcept { return registers_.bytes(); }
  [[nodiscard]] Iommu& iommu() noexcept { return *iommu_; }
  [[nodiscard]] const Identity& identity() const noexcept { return identity_; }
  [[nodiscard]] FaultLog& faults() noexcept { return registers_.faults(); }
  [[nodiscard]] InterruptLines& interrupts() noexcept { return interrupts_; }
  /// The model's time; without one it stands still at zero.
  void set_time(std::function<Nanos()> time) { time_ = std::move(time); }

 protected:
  // What a model adds, called with the lock held. Offsets are of registers that exist and that may be accessed so.
  virtual void prepare_read(std::uint32_t /*offset*/) noexcept {}
  [[nodiscard]] virtual std::uint32_t after_read(std::uint32_t /*offset*/, std::uint32_t value) noexcept {
    return value;
  }
  virtual void after_write(std::uint32_t offset, std::uint32_t old, std::uint32_t value) noexcept = 0;
  virtual void after_config_write(std::uint32_t /*offset*/, unsigned /*width*/) noexcept {}
  virtual bool work() noexcept = 0;
  virtual void reset_device() noexcept = 0;

  [[nodiscard]] Nanos now() const noexcept { return time_ ? time_() : Nanos{}; }
  [[nodiscard]] RegisterFile& registers() noexcept { return registers_; }
  [[nodiscard]] ConfigMemory& config() noexcept { return config_; }
  [[nodiscard]] WireEnd& wire() noexcept { return *wire_; }

  /// Memory for a DMA access of the device; a fault and nullptr when it may not or cannot reach it.
  [[nodiscard]] std::byte* reach(std::uint64_t address, std::size_t n, const char* what) noexcept {
    std::byte* memory = config_.bus_master() ? dma_.at(address, n) : nullptr;
    if (memory == nullptr) {
      registers_.faults().report({.kind = FaultKind::kDma,
                                  .device = registers_.device(),
                                  .where = what,
                                  .rule = config_.bus_master() ? text::cat("no mapping holds these ", n, " bytes")
                                                               : std::string("bus mastering is off"),
                                  .section = {},
                                  .value = address});
    }
    return memory;
  }
  /// A descriptor's completion word: everything written before it is visible to whoever sees it.
  static void publish(std::byte* to, std::uint64_t value) noexcept {
    __atomic_store_n(reinterpret_cast<std::uint64_t*>(to), value, __ATOMIC_RELEASE);
  }

 private:
  Identity identity_;
  Iommu* iommu_;
  WireEnd* wire_;
  RegisterFile registers_;
  ConfigMemory config_;
  DmaEngine dma_;
  InterruptLines interrupts_;
  std::function<Nanos()> time_;
  std::mutex mutex_;
  bool removed_ = false;
};

}  // namespace pollux::sim

// SPDX-License-Identifier: BSD-3-Clause
// NicModel: what every NIC model is made of: registers with hooks, configuration space, DMA, a wire, time, interrupts.
#pragma once
#include <array>
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

  // DMA. Whoever can go on later asks first whether the bytes are under way (`awaits`): in the memory of another
  // process they may be. Whoever does not, and finds them so, is told that they are not there.
  /// Whether the device must wait for [address, +n); asks for [address, +ahead) as well. Never for memory that is
  /// mapped here.
  [[nodiscard]] bool awaits(std::uint64_t address, std::size_t n, std::size_t ahead = 0) noexcept {
    return iommu_->remote() != nullptr && config_.bus_master() && dma_.coming(address, n, ahead > n ? ahead : n);
  }
  /// Memory for the device to read, until the next call; a fault and nullptr when it may not or cannot reach it.
  [[nodiscard]] const std::byte* fetch(std::uint64_t address, std::size_t n, const char* what) noexcept {
    const std::byte* memory = config_.bus_master() ? dma_.read(address, n) : nullptr;
    if (memory == nullptr) refuse_dma(address, n, what, "");
    return memory;
  }
  /// What was fetched there is used and will be fetched anew; all that was fetched is old.
  void release_fetched(std::uint64_t address, std::size_t n) noexcept {
    if (iommu_->remote() != nullptr) dma_.release(address, n);
  }
  void forget_fetched() noexcept { dma_.forget(); }
  /// Writes to memory; `room`: so much must be mapped, if more than is written. False, with a fault: it may not or
  /// cannot reach it.
  bool store(std::uint64_t address, std::span<const std::byte> bytes, const char* what, std::size_t room = 0) noexcept {
    const bool enough = room <= bytes.size() || dma_.reaches(address, room, DmaAccess::kWrite);
    if (config_.bus_master() && enough && dma_.write(address, bytes)) return true;
    refuse_dma(address, room > bytes.size() ? room : bytes.size(), what, " for writing");
    return false;
  }
  /// A descriptor's completion word: everything written before it is visible to whoever sees it.
  bool publish(std::uint64_t address, std::uint64_t value, const char* what) noexcept {
    return publish_words(address, std::array{value}, what);
  }
  /// Two of them, the second last. Pre: address is aligned to 16, as descriptors are.
  bool publish(std::uint64_t address, std::uint64_t first, std::uint64_t second, const char* what) noexcept {
    return publish_words(address, std::array{first, second}, what);
  }
  /// The same of 32 bits, for a driver that reads 32.
  bool publish32(std::uint64_t address, std::uint32_t value, const char* what) noexcept {
    return publish_words(address, std::array{value}, what);
  }

 private:
  template <class Word, std::size_t kCount>
  bool publish_words(std::uint64_t address, const std::array<Word, kCount>& words, const char* what) noexcept {
    std::byte* to = config_.bus_master() ? dma_.at(address, sizeof words, DmaAccess::kWrite) : nullptr;
    if (to == nullptr) return store(address, std::as_bytes(std::span(words)), what);
    for (const Word word : words) {
      __atomic_store_n(reinterpret_cast<Word*>(to), word, __ATOMIC_RELEASE);
      to += sizeof word;
    }
    return true;
  }
  void refuse_dma(std::uint64_t address, std::size_t n, const char* what, const char* how) noexcept {
    registers_.faults().report({.kind = FaultKind::kDma,
                                .device = registers_.device(),
                                .where = what,
                                .rule = config_.bus_master() ? text::cat("no mapping holds these ", n, " bytes", how)
                                                             : std::string("bus mastering is off"),
                                .section = {},
                                .value = address});
  }

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

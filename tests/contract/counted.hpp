// SPDX-License-Identifier: BSD-3-Clause
// What the contract's rigs share that count register accesses: the counter, and a backend behind it.
#pragma once
#include <cstdint>
#include <string>

#include <pollux/core/clock.hpp>
#include <pollux/dma/domain.hpp>
#include <pollux/irq/interrupt.hpp>
#include <pollux/pci/sysfs.hpp>
#include <pollux/reg/bar.hpp>

#include "contract.hpp"

namespace contract {

/// Counts what passes through it.
template <reg::RegisterIo Inner>
class CountedIo {
 public:
  CountedIo(Inner inner, Accesses& count) noexcept : inner_(inner), count_(&count) {}
  [[nodiscard]] std::uint32_t read32(std::uint32_t offset) const noexcept {
    ++count_->reads;
    return inner_.read32(offset);
  }
  void write32(std::uint32_t offset, std::uint32_t value) const noexcept {
    ++count_->writes;
    inner_.write32(offset, value);
  }

 private:
  Inner inner_;
  Accesses* count_;
};

/// A backend on the real clock with its register accesses counted. What it cannot do, only those miss who call it.
template <class Inner>
class CountedDevice {
 public:
  using Io = CountedIo<typename Inner::Io>;
  using DoorbellIo = Io;
  using Clock = SteadyClock;

  explicit CountedDevice(Inner& inner) : inner_(&inner) {}
  [[nodiscard]] reg::Bar<Io> bar(unsigned i) { return reg::Bar<Io>(Io(inner_->bar(i).io(), count_)); }
  [[nodiscard]] reg::Bar<Io> doorbells(unsigned i) { return bar(i); }
  [[nodiscard]] Clock clock() const noexcept { return {}; }
  [[nodiscard]] DmaDomain& domain() noexcept { return inner_->domain(); }
  void enable_bus_master() { inner_->enable_bus_master(); }
  void disable_bus_master() noexcept { inner_->disable_bus_master(); }
  [[nodiscard]] auto config() const { return inner_->config(); }
  [[nodiscard]] PciId id() const noexcept { return inner_->id(); }
  [[nodiscard]] const std::string& name() const noexcept { return inner_->name(); }
  [[nodiscard]] IrqCounts irq_counts() const { return inner_->irq_counts(); }
  [[nodiscard]] auto open_interrupts(IrqKind kind, unsigned n) { return inner_->open_interrupts(kind, n); }
  [[nodiscard]] const Accesses& count() const noexcept { return count_; }

 private:
  Inner* inner_;
  Accesses count_;
};

}  // namespace contract

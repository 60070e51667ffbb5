// SPDX-License-Identifier: BSD-3-Clause
// Fault: what a driver did wrong to a device model; FaultLog: where models report it.
#pragma once
#include <array>
#include <cstdint>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include <pollux/core/error.hpp>

namespace pollux::sim {

enum class FaultKind : std::uint8_t {
  kUnknownOffset,  ///< no register lies there
  kAccessMode,     ///< a read of a write-only register, a write of a read-only one
  kReservedBit,    ///< a reserved bit was set
  kWidth,          ///< an access that is not one aligned 32-bit word
  kRing,           ///< a ring misaligned, of impossible length, or a tail outside it
  kSequence,       ///< right access, wrong time: a tail before ENABLE, a base under a running queue
  kDma,            ///< an address that is not mapped, or not for that direction
  kDescriptor,     ///< a descriptor that asks for what the device cannot do
  kCount
};

/// One mistake, as a reader of the datasheet would put it.
struct Fault {
  FaultKind kind{};
  std::string device;
  std::string where;    ///< register or descriptor, with its index
  std::string rule;     ///< what it should have been
  std::string section;  ///< where that is written; may be empty
  std::uint64_t value = 0;

  [[nodiscard]] std::string text() const {
    return text::cat(device, ": ", where, ": ", rule, " (value ", text::hex(value), ")",
                     section.empty() ? "" : text::cat(" [", section, "]"));
  }
};

/// Counts faults and keeps the first ones. A register access is noexcept on every backend, as it is on hardware, so a
/// fault cannot throw where it happens; tests call `raise_if_any` after each operation, programs print `counts`.
/// Threads: any.
class FaultLog {
 public:
  static constexpr std::size_t kKept = 64;

  void report(Fault fault) noexcept {
    const std::scoped_lock lock(mutex_);
    ++counts_[static_cast<std::size_t>(fault.kind)];
    if (kept_.size() < kKept) kept_.push_back(std::move(fault));
  }
  [[nodiscard]] std::uint64_t count() const noexcept {
    const std::scoped_lock lock(mutex_);
    std::uint64_t sum = 0;
    for (const std::uint64_t n : counts_) sum += n;
    return sum;
  }
  [[nodiscard]] std::uint64_t count(FaultKind kind) const noexcept {
    const std::scoped_lock lock(mutex_);
    return counts_[static_cast<std::size_t>(kind)];
  }
  /// The first kKept faults, oldest first.
  [[nodiscard]] std::vector<Fault> faults() const {
    const std::scoped_lock lock(mutex_);
    return kept_;
  }
  /// Raises the first fault, if there is one, and forgets all. Errors: EPROTO with the fault's text.
  void raise_if_any() {
    std::unique_lock lock(mutex_);
    if (kept_.empty()) return;
    Fault first = std::move(kept_.front());
    forget();
    lock.unlock();
    raise({.code = EPROTO,
           .operation = "accept what the driver did to",
           .object = first.device,
           .where = text::cat(first.where, ": ", first.rule, " (value ", text::hex(first.value), ")"),
           .remedy = first.section.empty() ? std::string{} : "see " + first.section});
  }
  void clear() noexcept {
    const std::scoped_lock lock(mutex_);
    forget();
  }

 private:
  void forget() noexcept {
    counts_ = {};
    kept_.clear();
  }
  mutable std::mutex mutex_;
  std::array<std::uint64_t, static_cast<std::size_t>(FaultKind::kCount)> counts_{};
  std::vector<Fault> kept_;
};

}  // namespace pollux::sim

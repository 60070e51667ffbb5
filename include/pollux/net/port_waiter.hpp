// SPDX-License-Identifier: BSD-3-Clause
// PortWaiter: waiting for the frames of a port that was chosen at run time.
#pragma once
#include <optional>
#include <string_view>

#include <pollux/core/clock.hpp>
#include <pollux/core/error.hpp>

namespace pollux {

/// Waitable of a port whose type is not known (AnyPort::open_waiter): every wait policy takes it, as it takes an
/// RxWaiter, at one indirect call more.
///   const auto waiter = port.open_waiter();
///   SpinThenBlock wait;
///   while (running && !waiter->failure()) {
///     if (!wait.wait(*waiter, 100_ms)) continue;   // time is over
///     Burst<32> burst(port.pool());
///     port.rx_burst(burst);
///   }
/// The port interrupts from construction on; destruction ends that. Threads: that of the port.
class PortWaiter {
 public:
  PortWaiter() = default;
  PortWaiter(const PortWaiter&) = delete;
  PortWaiter& operator=(const PortWaiter&) = delete;
  virtual ~PortWaiter() = default;

  // Waitable.
  [[nodiscard]] virtual bool ready() noexcept = 0;
  virtual void arm() = 0;
  virtual void disarm() = 0;
  virtual void block(Nanos timeout) = 0;

  /// Why there will be no more interrupts; empty while all is well.
  [[nodiscard]] virtual const std::optional<Failure>& failure() const noexcept = 0;
  /// For an epoll set of one's own (CallerEpoll). -1: only `block` can wait.
  [[nodiscard]] virtual int fd() const noexcept = 0;
  /// "MSI-X": what it waits for.
  [[nodiscard]] virtual std::string_view by() const noexcept = 0;
};

}  // namespace pollux

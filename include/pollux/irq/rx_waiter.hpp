// SPDX-License-Identifier: BSD-3-Clause
// RxWaiter: a port or queue and its interrupt as something a wait policy can wait for.
#pragma once
#include <concepts>
#include <optional>
#include <utility>

#include <pollux/irq/interrupt.hpp>
#include <pollux/irq/policy.hpp>

namespace pollux {

/// A port or queue whose received frames can interrupt: one of both drivers after use_interrupts().
template <class Q>
concept RxInterruptible = requires(Q& queue, const Q& fixed) {
  /// Whether rx_burst has something to do. No MMIO, no system call.
  { fixed.rx_ready() } noexcept -> std::same_as<bool>;
  /// From here on a frame interrupts, also one that has come unseen.
  { queue.arm_rx() } noexcept;
  { queue.disarm_rx() } noexcept;
};

/// Waitable of a started port or queue and the interrupt that its frames come by (VectorLayout::rx).
///   RxWaiter waiter(port, *interrupts[port.vectors().rx()]);
///   SpinThenBlock wait;
///   while (running && !waiter.failure()) {
///     if (!wait.wait(waiter, 100_ms)) continue;   // time is over
///     Burst<32> burst(pool);
///     port.rx_burst(burst);
///   }
/// An interrupt without cause makes the policy look and sleep again. On a line shared with the link such a one may be
/// the link's: ask take_causes() after each wait. An Interrupt that fails (the device is gone) makes it ready for good
/// and leaves its failure: nothing sleeps or spins any more, and the loop sees it.
/// Pre: port and interrupt outlive it. Threads: that of the queue; the interrupt is used by nothing else.
template <RxInterruptible Q>
class RxWaiter {
 public:
  RxWaiter(Q& queue, Interrupt& interrupt) noexcept : queue_(&queue), interrupt_(&interrupt) {}

  /// Cost: no MMIO, no system call.
  [[nodiscard]] bool ready() const noexcept { return queue_->rx_ready() || failure_.has_value(); }
  /// What came before is forgotten first: what comes from the unmasking on is kept for `block`.
  /// Cost: 1 system call, that of Interrupt::try_rearm (0 to 2), and that of arm_rx.
  void arm() {
    if (!check(interrupt_->try_take())) return;
    queue_->arm_rx();
    (void)check(interrupt_->try_rearm());
  }
  void disarm() noexcept { queue_->disarm_rx(); }
  /// Cost: 1 system call, and 1 more when an interrupt has come.
  void block(Nanos timeout) {
    if (!failure_ && interrupt_->wait(timeout)) (void)check(interrupt_->try_take());
  }

  /// Why there will be no more interrupts; empty while all is well.
  [[nodiscard]] const std::optional<Failure>& failure() const noexcept { return failure_; }
  /// For an epoll set of one's own (CallerEpoll).
  [[nodiscard]] int fd() const noexcept { return interrupt_->fd(); }

 private:
  template <class T>
  bool check(Result<T>&& result) {
    if (!result.ok() && !failure_) failure_ = result.failure();
    return result.ok();
  }
  Q* queue_;
  Interrupt* interrupt_;
  std::optional<Failure> failure_;
};

}  // namespace pollux

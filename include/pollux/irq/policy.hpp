// SPDX-License-Identifier: BSD-3-Clause
// Wait policies: how a thread waits for frames (or anything else that can be looked at and interrupts): spinning,
// blocking, or a mixture. And the race between arming an interrupt and what arrives meanwhile, solved once.
#pragma once
#include <algorithm>
#include <concepts>
#include <cstdint>
#include <limits>

#include <pollux/core/clock.hpp>

namespace pollux {

/// What can be waited for. RxWaiter makes one of a port and its interrupt.
template <class S>
concept Waitable = requires(S& source, Nanos timeout) {
  /// Whether there is something. A look costs no MMIO and no system call.
  { source.ready() } noexcept -> std::same_as<bool>;
  /// From here on, what arrives interrupts. What arrived before may not: look again after arming.
  source.arm();
  /// No more interrupts. One that is already under way may still come.
  source.disarm();
  /// Sleeps until an interrupt has come or the time is over. Pre: armed. An interrupt may come without cause.
  source.block(timeout);
};

/// Waits for a Waitable at most `timeout` (below 0: for ever); returns whether it is ready. Looks before it looks at
/// the clock: what is ready already is found by one look, at no other cost, and a timeout of 0 is a look. Leaves the
/// source disarmed. A signal handler does not end it: a program that is to notice one waits in portions.
template <class P, class S>
concept WaitPolicy = Waitable<S> && requires(P& policy, S& source, Nanos timeout) {
  { policy.wait(source, timeout) } -> std::same_as<bool>;
};

/// Arms, then looks again: whatever arrived between the last look and arming is found here, whatever arrives later
/// interrupts. True: ready, and disarmed again. False: armed, sleeping is safe.
template <Waitable S>
[[nodiscard]] bool arm_unless_ready(S& source) {
  source.arm();
  if (!source.ready()) return false;
  source.disarm();
  return true;
}

namespace detail {

/// The end of a time that begins at `begin`; a `span` below 0 has none.
constexpr Nanos end_of(Nanos begin, Nanos span) noexcept {
  constexpr Nanos kNever{std::numeric_limits<std::int64_t>::max()};
  return span < Nanos{0} || span > kNever - begin ? kNever : begin + span;
}

/// Looks until ready or `until`; with or without a pause instruction between looks.
template <bool kRelax, Waitable S, Clock C>
bool spin_until(S& source, C& clock, Nanos until) noexcept {
  constexpr int kLooksPerClock = 32;  // reading the clock costs more than a look
  while (clock.now() < until) {
    for (int i = 0; i < kLooksPerClock; ++i) {
      if (source.ready()) return true;
      if constexpr (kRelax) cpu_relax();
    }
  }
  return source.ready();
}

/// Sleeps until ready or `until`. Interrupts without cause (a storm, other causes on one line) make it look and sleep
/// again; a lost one costs at most `longest` before it looks by itself. It looks before it arms again, because arming
/// may be a round trip to the device.
template <Waitable S, Clock C>
bool block_until(S& source, C& clock, Nanos until, Nanos longest) {
  for (;;) {
    if (arm_unless_ready(source)) return true;
    const Nanos left = until - clock.now();
    if (left <= Nanos{0}) {
      source.disarm();
      return source.ready();
    }
    source.block(std::min(left, longest));
    if (source.ready()) {
      source.disarm();
      return true;
    }
  }
}

}  // namespace detail

/// Looks without pause. Cost: a whole CPU; wakes within one look. For one hardware thread per core, isolated.
template <Clock C = SteadyClock>
class Spin {
 public:
  explicit Spin(C clock = {}) noexcept : clock_(clock) {}
  template <Waitable S>
  bool wait(S& source, Nanos timeout) noexcept {
    return source.ready() || detail::spin_until<false>(source, clock_, detail::end_of(clock_.now(), timeout));
  }

 private:
  [[no_unique_address]] C clock_;
};

/// Looks with the CPU's pause instruction between looks: leaves the core's other hardware thread its share.
/// Cost: a whole CPU; wakes within a look and a pause (40 to 140 cycles).
template <Clock C = SteadyClock>
class SpinPause {
 public:
  explicit SpinPause(C clock = {}) noexcept : clock_(clock) {}
  template <Waitable S>
  bool wait(S& source, Nanos timeout) noexcept {
    return source.ready() || detail::spin_until<true>(source, clock_, detail::end_of(clock_.now(), timeout));
  }

 private:
  [[no_unique_address]] C clock_;
};

struct BlockConfig {
  Nanos spin{20'000};          ///< how long to look before sleeping
  Nanos longest{100'000'000};  ///< a sleep ends by itself after this: what a lost interrupt costs at most
};

/// Looks for a while, then sleeps until the interrupt. Cost of a sleep: 2 MMIO writes, and where the interrupt is
/// shared (INTx, MSI) 1 read; 3 to 5 system calls.
template <Clock C = SteadyClock>
class SpinThenBlock {
 public:
  explicit SpinThenBlock(BlockConfig config = {}, C clock = {}) noexcept : config_(config), clock_(clock) {}
  template <Waitable S>
  bool wait(S& source, Nanos timeout) {
    if (source.ready()) return true;
    const Nanos begin = clock_.now(), until = detail::end_of(begin, timeout);
    if (detail::spin_until<true>(source, clock_, std::min(until, begin + config_.spin))) return true;
    return clock_.now() < until && detail::block_until(source, clock_, until, config_.longest);
  }

 private:
  BlockConfig config_;
  [[no_unique_address]] C clock_;
};

/// Looks or sleeps by how soon the next arrival is expected: the moving average of the times between arrivals as the
/// waits saw them. Arrivals closer together than a sleep is worth (`BlockConfig::spin`) are spun for, the others are
/// slept for at once. A wait that times out tells that the arrival is at least so far away, however short the timeouts.
template <Clock C = SteadyClock>
class AdaptiveWait {
 public:
  explicit AdaptiveWait(BlockConfig config = {}, C clock = {}) noexcept : config_(config), clock_(clock) {}
  template <Waitable S>
  bool wait(S& source, Nanos timeout) {
    if (source.ready()) return arrived(Nanos{0}), true;
    const Nanos begin = clock_.now(), until = detail::end_of(begin, timeout);
    // Spins for no longer than a sleep is worth, so a change of rate costs one such time at most.
    bool ready = spins() && detail::spin_until<true>(source, clock_, std::min(until, begin + config_.spin));
    if (!ready && clock_.now() < until) ready = detail::block_until(source, clock_, until, config_.longest);
    const Nanos waited = clock_.now() - begin;
    if (ready) {
      arrived(waited);
    } else {
      so_far_ = detail::end_of(so_far_, waited);
    }
    return ready;
  }
  /// Whether the next wait starts by spinning.
  [[nodiscard]] bool spins() const noexcept { return std::max(expected_, so_far_) <= config_.spin; }
  /// The average [ns], in which no wait counts for more than twice `BlockConfig::spin`: so the way back from rare
  /// arrivals to frequent ones is as short as the way there.
  [[nodiscard]] Nanos expected() const noexcept { return expected_; }

 private:
  static constexpr std::int64_t kWeight = 8;  ///< a change of rate is believed after some six arrivals
  void arrived(Nanos waited) noexcept {
    const Nanos whole = std::min(detail::end_of(so_far_, waited), config_.spin + config_.spin);
    expected_.count += (whole.count - expected_.count) / kWeight;
    so_far_ = Nanos{0};
  }
  BlockConfig config_;
  [[no_unique_address]] C clock_;
  Nanos expected_{0};
  Nanos so_far_{0};  ///< waited in vain since the last arrival
};

/// Never spins and never sleeps: for programs that sleep in an epoll of their own, with the interrupt's descriptor in
/// it.
///   while (running) {
///     while (port.rx_burst(burst)) work();
///     if (wait.may_sleep(source)) { epoll_wait(...); wait.woken(source); }
///   }
class CallerEpoll {
 public:
  /// True: nothing is there and the interrupt is armed. False: there is work.
  template <Waitable S>
  [[nodiscard]] bool may_sleep(S& source) {
    armed_ = !arm_unless_ready(source);
    return armed_;
  }
  /// After epoll returned, for whatever reason: takes the interrupt if it has come, and disarms.
  template <Waitable S>
  void woken(S& source) {
    if (!armed_) return;
    armed_ = false;
    source.block(Nanos{0});
    source.disarm();
  }

 private:
  bool armed_ = false;
};

}  // namespace pollux

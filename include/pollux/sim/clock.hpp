// SPDX-License-Identifier: BSD-3-Clause
// VirtualClock: time that passes only when somebody waits, so that a bring-up with 100 ms of pauses tests in
// microseconds.
#pragma once
#include <functional>
#include <utility>
#include <vector>

#include <pollux/core/clock.hpp>

namespace pollux::sim {

/// Starts at zero. Whoever waits on it moves it, and everything that lives by it. Threads: one.
class VirtualClock {
 public:
  VirtualClock() = default;
  VirtualClock(const VirtualClock&) = delete;
  VirtualClock& operator=(const VirtualClock&) = delete;

  [[nodiscard]] Nanos now() const noexcept { return now_; }
  void advance(Nanos span) noexcept {
    now_ = now_ + span;
    for (const auto& listener : listeners_) listener();
  }
  /// Calls `listener` whenever time has passed (a model's step). For the clock's life.
  void on_advance(std::function<void()> listener) { listeners_.push_back(std::move(listener)); }

  /// What a backend hands to a driver: a small value that satisfies pollux::Clock.
  class Handle {
   public:
    explicit Handle(VirtualClock& clock) noexcept : clock_(&clock) {}
    [[nodiscard]] Nanos now() const noexcept { return clock_->now(); }
    void pause(Nanos span) const noexcept { clock_->advance(span); }

   private:
    VirtualClock* clock_;
  };

 private:
  Nanos now_;
  std::vector<std::function<void()>> listeners_;
};
static_assert(Clock<VirtualClock::Handle>);

}  // namespace pollux::sim

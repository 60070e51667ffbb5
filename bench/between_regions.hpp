// SPDX-License-Identifier: BSD-3-Clause
// What happens between the timed regions: the device moves on this core, and the caches are cooled or not; or it moves
// on another core, which then owns every line it has touched.
#pragma once
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <thread>
#include <vector>

#include <pollux/core/clock.hpp>

#include "threads.hpp"

namespace bench {

/// Walks through memory that fills the second-level cache twice: what was in it is then in the third.
class CacheWalk {
 public:
  /// 0: twice the second-level cache, as the system tells it; 2 MiB when it does not.
  explicit CacheWalk(std::size_t bytes) : memory_(bytes != 0 ? bytes : twice_second_level(), std::byte{1}) {}
  void operator()() const noexcept {
    constexpr std::size_t kLine = 64;
    for (std::size_t at = 0; at < memory_.size(); at += kLine) {
      std::byte seen = memory_[at];
      asm volatile("" : "+r"(seen));  // read, and not left out
    }
  }
  [[nodiscard]] std::size_t bytes() const noexcept { return memory_.size(); }

 private:
  static std::size_t twice_second_level() noexcept {
    const long bytes = ::sysconf(_SC_LEVEL2_CACHE_SIZE);
    return bytes > 0 ? 2 * static_cast<std::size_t>(bytes) : std::size_t{2} << 20;
  }
  std::vector<std::byte> memory_;
};

/// A thread on another core that works when it is its turn, while the caller waits. By turns and not at once: the model
/// checks everything and is slower than any driver, so what runs beside it would be measured as waiting for it.
template <class Work>
class OtherCore {
 public:
  OtherCore(int cpu, Work work)
      : thread_([this, cpu, work]() mutable {
          try {
            pin_this_thread(cpu);
          } catch (...) { error_ = std::current_exception(); }
          serve(work);
        }) {}
  OtherCore(const OtherCore&) = delete;
  OtherCore& operator=(const OtherCore&) = delete;
  ~OtherCore() {
    order(kEnd);
    thread_.join();
  }
  /// Returns when the other core has worked. Errors: raises when it could not be had.
  void operator()() {
    give(kWork);
    if (error_) std::rethrow_exception(error_);
  }
  /// The time that a cache line takes there and back: the least over some short stretches [ticks].
  double round_trip() noexcept {
    constexpr unsigned kTrips = 100, kStretches = 50;
    std::uint64_t least = ~std::uint64_t{0};
    for (unsigned stretch = 0; stretch < kStretches; ++stretch) {
      const std::uint64_t begin = pollux::Tsc::fenced();
      for (unsigned i = 0; i < kTrips; ++i) give(kEcho);
      least = std::min(least, pollux::Tsc::fenced() - begin);
    }
    return static_cast<double>(least) / kTrips;
  }

 private:
  enum Turn : unsigned { kCaller, kWork, kEcho, kEnd };
  /// Where both threads have one CPU, waiting for each other would take a slice of time each.
  static void let_others_run(unsigned spins) noexcept {
    if (spins % 4096 == 4095) ::sched_yield();
  }
  void order(Turn turn) noexcept { turn_.store(turn, std::memory_order_release); }
  void give(Turn turn) noexcept {
    order(turn);
    for (unsigned spins = 0; turn_.load(std::memory_order_acquire) != kCaller; ++spins) let_others_run(spins);
  }
  void serve(Work& work) {
    for (unsigned spins = 0;; ++spins) {
      const Turn turn = turn_.load(std::memory_order_acquire);
      if (turn == kEnd) return;
      if (turn == kCaller) {
        let_others_run(spins);
        continue;
      }
      if (turn == kWork) work();
      order(kCaller);
    }
  }
  alignas(64) std::atomic<Turn> turn_{kCaller};
  alignas(64) std::exception_ptr error_;
  std::thread thread_;
};

}  // namespace bench

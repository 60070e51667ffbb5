// SPDX-License-Identifier: BSD-3-Clause
// Stopwatch: the ticks of one region, or, asked to count, its instructions: one by one, exactly, without a counter of
// the hardware, so also in virtual machines that have none.
#pragma once
#include <signal.h>
#include <ucontext.h>

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <vector>

#include <pollux/core/clock.hpp>
#include <pollux/core/error.hpp>

namespace bench {

/// While one lives, SIGTRAP is its own: the CPU's trap flag stops the thread after every instruction, and the handler
/// counts. x86-64 only. A string instruction with a REP prefix counts once for each of its iterations. One at a time.
class InstructionCounter {
 public:
#if defined(__x86_64__)
  static constexpr bool kAvailable = true;
  InstructionCounter() {
    struct sigaction action{};
    action.sa_handler = [](int) { count_ = count_ + 1; };
    sigemptyset(&action.sa_mask);
    if (::sigaction(SIGTRAP, &action, &before_) != 0) {
      pollux::raise({.code = errno, .operation = "take", .object = "SIGTRAP", .where = {}, .remedy = {}});
    }
  }
  ~InstructionCounter() { ::sigaction(SIGTRAP, &before_, nullptr); }
  [[gnu::always_inline]] static void on() noexcept {
    __builtin_ia32_writeeflags_u64(__builtin_ia32_readeflags_u64() | kTrapFlag);
    asm volatile("" ::: "memory");
  }
  [[gnu::always_inline]] static void off() noexcept {
    asm volatile("" ::: "memory");
    __builtin_ia32_writeeflags_u64(__builtin_ia32_readeflags_u64() & ~kTrapFlag);
  }
  /// Instructions between the last on() and off(), and those of the two that turn it on and off.
  static std::uint64_t take() noexcept {
    const std::uint64_t n = count_;
    count_ = 0;
    return n;
  }

 private:
  static constexpr std::uint64_t kTrapFlag = 0x100;
  struct sigaction before_{};
#else
  static constexpr bool kAvailable = false;
  InstructionCounter() = default;
  static void on() noexcept {}
  static void off() noexcept {}
  static std::uint64_t take() noexcept { return 0; }

 private:
#endif
  InstructionCounter(const InstructionCounter&) = delete;
  InstructionCounter& operator=(const InstructionCounter&) = delete;
  static inline volatile std::uint64_t count_ = 0;  ///< written by the handler on the thread that reads it
};

/// The same machine code is timed and counted: which of them it is, is decided at run time, outside the region.
class Stopwatch {
 public:
  Stopwatch() : empty_(empty_region()) {}

  [[gnu::always_inline]] void begin() noexcept {
    if (counting_) {
      InstructionCounter::on();
    } else {
      begin_ = pollux::Tsc::fenced();
    }
  }
  [[gnu::always_inline]] void end() noexcept {
    if (counting_) {
      InstructionCounter::off();
    } else {
      end_ = pollux::Tsc::fenced();
    }
  }
  /// Of the last region [ticks], less what an empty one takes on average. One region is as exact as the counter's step,
  /// and may come out below zero; the mean of many is exact.
  [[nodiscard]] double ticks() const noexcept { return static_cast<double>(end_ - begin_) - empty_; }

  /// Runs `region`, which has one begin and end of this stopwatch, and returns the instructions between them.
  /// Pre: InstructionCounter::kAvailable.
  template <class Region>
  std::uint64_t count(Region region) {
    const InstructionCounter counter;
    counting_ = true;
    begin(), end();
    const std::uint64_t own = InstructionCounter::take();
    region();
    counting_ = false;
    const std::uint64_t all = InstructionCounter::take();
    return all > own ? all - own : 0;
  }

 private:
  /// What an empty region takes [ticks]: the mean without the dearest twentieth. Not the least: where the counter moves
  /// in steps of 26, as in some virtual machines, that is too little by some ticks, and a region of one packet too dear
  /// by as many.
  static double empty_region() {
    std::vector<std::uint64_t> taken(2000);
    for (std::uint64_t& ticks : taken) {
      const std::uint64_t begin = pollux::Tsc::fenced();
      ticks = pollux::Tsc::fenced() - begin;
    }
    std::sort(taken.begin(), taken.end());
    taken.resize(taken.size() - taken.size() / 20);
    return static_cast<double>(std::accumulate(taken.begin(), taken.end(), std::uint64_t{0})) /
           static_cast<double>(taken.size());
  }

  double empty_;
  std::uint64_t begin_ = 0, end_ = 0;
  volatile bool counting_ = false;  ///< read each time: then an empty region costs the same instructions as others do
};

}  // namespace bench

// SPDX-License-Identifier: BSD-3-Clause
// Time for setup code (Nanos, the Clock seam, SteadyClock) and the cycle counter for measurements (Tsc).
#pragma once
#include <errno.h>
#include <time.h>

#include <compare>
#include <concepts>
#include <cstdint>

namespace pollux {

/// A length of time or a point on a clock's own axis [ns].
struct Nanos {
  std::int64_t count = 0;
  friend constexpr auto operator<=>(Nanos, Nanos) = default;
  constexpr Nanos operator+(Nanos o) const noexcept { return {count + o.count}; }
  constexpr Nanos operator-(Nanos o) const noexcept { return {count - o.count}; }
};

inline namespace literals {
consteval Nanos operator""_ns(unsigned long long n) { return {static_cast<std::int64_t>(n)}; }
consteval Nanos operator""_us(unsigned long long n) { return {static_cast<std::int64_t>(n) * 1'000}; }
consteval Nanos operator""_ms(unsigned long long n) { return {static_cast<std::int64_t>(n) * 1'000'000}; }
consteval Nanos operator""_s(unsigned long long n) { return {static_cast<std::int64_t>(n) * 1'000'000'000}; }
}  // namespace literals

/// The seam through which bring-up code waits: the real clock, or a model's virtual one. Never used on the data path.
template <class C>
concept Clock = requires(C& clock, Nanos span) {
  { clock.now() } noexcept -> std::same_as<Nanos>;
  { clock.pause(span) } noexcept;
};

/// CLOCK_MONOTONIC. `pause` may sleep longer than asked, never shorter.
struct SteadyClock {
  Nanos now() const noexcept {
    timespec t{};
    clock_gettime(CLOCK_MONOTONIC, &t);
    return {static_cast<std::int64_t>(t.tv_sec) * 1'000'000'000 + t.tv_nsec};
  }
  void pause(Nanos span) const noexcept {
    if (span.count <= 0) return;
    const Nanos until = now() + span;
    const timespec t{.tv_sec = static_cast<time_t>(until.count / 1'000'000'000),
                     .tv_nsec = static_cast<long>(until.count % 1'000'000'000)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, nullptr) != 0) {}
  }
};
static_assert(Clock<SteadyClock>);

/// The CPU's constant-rate cycle counter. Threads: any; on one machine all cores' counters agree on current x86.
struct Tsc {
  /// Cost: 10 to 30 ns, no system call. Not a fence: see `fenced`.
  static std::uint64_t now() noexcept {
#if defined(__x86_64__) || defined(__i386__)
    return __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
    std::uint64_t v;
    asm volatile("mrs %0, cntvct_el0" : "=r"(v));
    return v;
#else
#error "no cycle counter known for this architecture"
#endif
  }
  /// As `now`, ordered against the instructions around it (LFENCE; RDTSC; LFENCE), for timing a short call.
  static std::uint64_t fenced() noexcept {
#if defined(__x86_64__) || defined(__i386__)
    asm volatile("lfence" ::: "memory");
    const std::uint64_t v = __builtin_ia32_rdtsc();
    asm volatile("lfence" ::: "memory");
    return v;
#else
    asm volatile("isb" ::: "memory");
    return now();
#endif
  }
  /// Ticks per second, measured against CLOCK_MONOTONIC over `span` (blocks that long; error below 1e-4 for 50 ms).
  static double measure_hz(Nanos span = 50_ms) noexcept {
    const SteadyClock clock;
    const Nanos t0 = clock.now();
    const std::uint64_t c0 = now();
    clock.pause(span);
    const Nanos t1 = clock.now();
    const std::uint64_t c1 = now();
    return static_cast<double>(c1 - c0) * 1e9 / static_cast<double>((t1 - t0).count);
  }
};

/// Tells the CPU that the caller spins. No system call.
inline void cpu_relax() noexcept {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield" ::: "memory");
#endif
}

}  // namespace pollux

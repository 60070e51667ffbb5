// SPDX-License-Identifier: BSD-3-Clause
// The measured thread: pinned, guarded by seccomp when its system calls are to be proven absent, or traced to be
// counted.
#pragma once
#include <pthread.h>
#include <sched.h>

#include <atomic>
#include <cstdint>
#include <string>
#include <thread>

#include <pollux/rt/syscall_guard.hpp>

#include "syscall_counter.hpp"

namespace bench {

/// Pins the calling thread; cpu < 0 leaves it alone. Errors: raises the kernel's.
inline void pin_this_thread(int cpu) {
  if (cpu < 0) return;
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(static_cast<unsigned>(cpu), &set);
  if (const int code = ::pthread_setaffinity_np(::pthread_self(), sizeof set, &set); code != 0) {
    pollux::raise({.code = code,
                   .operation = "pin a thread to",
                   .object = "CPU " + std::to_string(cpu),
                   .where = {},
                   .remedy = "choose one that lscpu -e shows as online"});
  }
}
inline void use_fifo_scheduling(int priority) {
  if (priority <= 0) return;
  const sched_param parameter{.sched_priority = priority};
  if (const int code = ::pthread_setschedparam(::pthread_self(), SCHED_FIFO, &parameter); code != 0) {
    pollux::raise({.code = code,
                   .operation = "use SCHED_FIFO priority",
                   .object = std::to_string(priority),
                   .where = {},
                   .remedy = "run as root or raise RLIMIT_RTPRIO"});
  }
}

enum class Watch : std::uint8_t { kNothing, kProveNone, kCount };

struct ThreadOptions {
  int cpu = -1;
  int fifo_priority = 0;
};

/// Runs `loop` (noexcept, allocating nothing) on a thread of its own and returns how many system calls it made:
/// counted by a tracer with Watch::kCount, else 0. With Watch::kProveNone the kernel kills the thread at its first
/// system call. Errors: raises when that happened, or the watch cannot be set up.
template <class Loop>
std::uint64_t run_measured(const ThreadOptions& options, Watch watch, SyscallCounter* counter, Loop loop) {
  std::atomic<bool> finished{false};
  std::exception_ptr error;
  std::uint64_t calls = 0;
  std::thread thread([&] {
    try {
      pin_this_thread(options.cpu);
      use_fifo_scheduling(options.fifo_priority);
      if (watch == Watch::kCount) counter->attach();
      if (watch == Watch::kProveNone) {
        if (auto guard = pollux::forbid_system_calls(); !guard) pollux::raise(guard.failure());
      }
    } catch (...) {
      error = std::current_exception();
      finished = true;
      return;
    }
    if (watch == Watch::kCount) SyscallCounter::mark_begin();
    loop();
    if (watch == Watch::kCount) SyscallCounter::mark_end();
    finished = true;
    if (watch == Watch::kProveNone) pollux::end_guarded_thread();
  });
  thread.join();
  if (error) std::rethrow_exception(error);
  if (!finished) {
    pollux::raise({.code = 0,
                   .operation = "prove",
                   .object = "that the measured loop makes no system call",
                   .where = "the kernel killed the thread at one (seccomp)",
                   .remedy = {}});
  }
  if (watch == Watch::kCount) calls = counter->result();
  return calls;
}

}  // namespace bench

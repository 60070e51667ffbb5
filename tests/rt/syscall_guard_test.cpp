// SPDX-License-Identifier: BSD-3-Clause
// The two watches over a packet loop's system calls: the guard that kills at the first one, the counter that counts
// all.
#include <gtest/gtest.h>

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>

#include <pollux/rt/syscall_guard.hpp>

#include "syscall_counter.hpp"
#include "threads.hpp"

namespace {

using bench::SyscallCounter;
using pollux::Error;

void call_kernel(unsigned times) {
  for (unsigned i = 0; i < times; ++i) (void)::syscall(SYS_getppid);
}

/// Work without a system call that the compiler cannot leave out.
std::uint64_t compute(unsigned rounds = 1'000'000) {
  volatile std::uint64_t x = 1;
  for (unsigned i = 0; i < rounds; ++i) x = x * 6364136223846793005ULL + i;
  return x;
}

bool run_child(void (*action)()) {
  const pid_t child = ::fork();
  if (child == 0) {
    action();
    ::_exit(1);
  }
  int status = 0;
  return ::waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

// ---- the guard ------------------------------------------------------------------------------------------------------

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

struct SyscallGuard : testing::Test {
  static inline std::string unavailable;
  static void SetUpTestSuite() {
    if (kSanitized) {
      unavailable = "sanitizers make system calls of their own";
    } else if (!run_child([] {
                 if (pollux::forbid_system_calls()) pollux::end_guarded_thread();
               })) {
      unavailable = "seccomp filters are forbidden here";
    }
    if (!unavailable.empty()) std::printf("skipping the guard's tests: %s\n", unavailable.c_str());
  }
  void SetUp() override {
    if (!unavailable.empty()) GTEST_SKIP() << unavailable;
  }
};

enum class End : std::uint8_t { kNotStarted, kGuarded, kFinished };

/// Runs `loop` guarded on a thread of its own; tells how far it came.
template <class Loop>
End run_guarded(Loop loop) {
  std::atomic<End> end{End::kNotStarted};
  std::thread thread([&] {
    if (!pollux::forbid_system_calls()) return;
    end = End::kGuarded;
    loop();
    end = End::kFinished;
    pollux::end_guarded_thread();
  });
  thread.join();
  return end;
}

TEST_F(SyscallGuard, AThreadThatOnlyComputesEndsNormally) {
  std::uint64_t result = 0;
  EXPECT_EQ(run_guarded([&] { result = compute(); }), End::kFinished);
  EXPECT_EQ(result, compute());
}

TEST_F(SyscallGuard, AThreadThatMakesASystemCallIsKilledAndTheProcessLivesOn) {
  EXPECT_EQ(run_guarded([] { (void)::syscall(SYS_getpid); }), End::kGuarded);
  EXPECT_GT(::getpid(), 0);
  EXPECT_EQ(run_guarded([] {}), End::kFinished) << "the next thread is not concerned";
}

TEST_F(SyscallGuard, EveryKindOfCallKills) {
  EXPECT_EQ(run_guarded([] { (void)::syscall(SYS_write, 1, "", 0); }), End::kGuarded);
  EXPECT_EQ(run_guarded([] { (void)::syscall(SYS_sched_yield); }), End::kGuarded);
  EXPECT_EQ(run_guarded([] { (void)::syscall(SYS_futex, nullptr, 1, 1, nullptr, nullptr, 0); }), End::kGuarded);
  EXPECT_EQ(run_guarded([] { (void)::syscall(SYS_exit_group, 3); }), End::kGuarded) << "not even to end the process";
  EXPECT_EQ(run_guarded([] { (void)::syscall(0x7FFF); }), End::kGuarded) << "nor one that does not exist";
}

TEST_F(SyscallGuard, OnlyTheCallingThreadIsGuarded) {
  std::atomic<bool> guarded{false}, done{false};
  std::atomic<bool> finished{false};
  std::thread thread([&] {
    if (!pollux::forbid_system_calls()) return;
    guarded = true;
    while (!done) {}
    finished = true;
    pollux::end_guarded_thread();
  });
  while (!guarded) {}
  call_kernel(100);
  std::thread(call_kernel, 100).join();
  done = true;
  thread.join();
  EXPECT_TRUE(finished);
}

TEST_F(SyscallGuard, TheMeasuredThreadIsProvenToMakeNone) {
  EXPECT_EQ(bench::run_measured({}, bench::Watch::kProveNone, nullptr, []() noexcept { (void)compute(1000); }), 0u);
}

TEST_F(SyscallGuard, AMeasuredThreadThatMakesOneIsReported) {
  try {
    bench::run_measured({}, bench::Watch::kProveNone, nullptr, []() noexcept { call_kernel(1); });
    ADD_FAILURE() << "nothing was raised";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("seccomp"), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find("no system call"), std::string::npos) << error.what();
  }
}

// ---- the counter ----------------------------------------------------------------------------------------------------

struct SyscallCounting : testing::Test {
  static inline std::string unavailable;
  static void SetUpTestSuite() {
    try {
      SyscallCounter counter;
      std::thread([&] {
        try {
          counter.attach();
          SyscallCounter::mark_begin();
          SyscallCounter::mark_end();
        } catch (const Error& error) { unavailable = error.what(); }
      }).join();
      if (unavailable.empty()) (void)counter.result();
    } catch (const Error& error) { unavailable = error.what(); }
    if (!unavailable.empty()) std::printf("skipping the counter's tests: %s\n", unavailable.c_str());
  }
  void SetUp() override {
    if (!unavailable.empty()) GTEST_SKIP() << unavailable;
  }
};

/// The number of system calls that `counter` sees `work` make on a thread of its own.
template <class Work>
std::uint64_t counted(SyscallCounter& counter, Work work) {
  std::thread([&] {
    counter.attach();
    SyscallCounter::mark_begin();
    work();
    SyscallCounter::mark_end();
  }).join();
  return counter.result();
}

TEST_F(SyscallCounting, TheCountIsExact) {
  for (const unsigned n : {0u, 1u, 2u, 1000u}) {
    SyscallCounter counter;
    EXPECT_EQ(counted(counter, [n] { call_kernel(n); }), n);
  }
}

TEST_F(SyscallCounting, OneCounterCountsSeveralTimes) {
  SyscallCounter counter;
  EXPECT_EQ(counted(counter, [] { call_kernel(7); }), 7u);
  EXPECT_EQ(counted(counter, [] {}), 0u) << "the first count is not carried over";
  EXPECT_EQ(counted(counter, [] { call_kernel(3); }), 3u);
}

TEST_F(SyscallCounting, OneThreadMayBeCountedSeveralTimes) {
  SyscallCounter counter;
  std::thread([&] {
    for (const unsigned n : {5u, 0u, 2u}) {
      counter.attach();
      SyscallCounter::mark_begin();
      call_kernel(n);
      SyscallCounter::mark_end();
      call_kernel(4);  // after the mark: nobody's
      EXPECT_EQ(counter.result(), n);
    }
  }).join();
}

TEST_F(SyscallCounting, CallsBeforeTheFirstMarkDoNotCount) {
  SyscallCounter counter;
  std::thread([&] {
    counter.attach();
    call_kernel(10);
    SyscallCounter::mark_begin();
    call_kernel(1);
    SyscallCounter::mark_end();
  }).join();
  EXPECT_EQ(counter.result(), 1u);
}

TEST_F(SyscallCounting, AskingForTheOwnProcessIdCountsAndIsNoMark) {
  SyscallCounter counter;
  EXPECT_EQ(counted(counter,
                    [] {
                      for (int i = 0; i < 3; ++i) (void)::syscall(SYS_getpid, 0);
                    }),
            3u);
}

TEST_F(SyscallCounting, CallsThatFailOrDoNotExistCountToo) {
  SyscallCounter counter;
  EXPECT_EQ(counted(counter,
                    [] {
                      (void)::syscall(SYS_close, -1);
                      (void)::syscall(0x7FFF);
                    }),
            2u);
}

TEST_F(SyscallCounting, OnlyTheTracedThreadCounts) {
  SyscallCounter counter;
  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> others{0};
  std::thread noise([&] {
    while (!stop) {
      call_kernel(1);
      ++others;
    }
  });
  while (others == 0) {}
  const std::uint64_t n = counted(counter, [&] {
    for (int i = 0; i < 50; ++i) {
      call_kernel(1);
      for (const std::uint64_t seen = others; others == seen;) {}  // the other thread calls in between
    }
  });
  stop = true;
  noise.join();
  EXPECT_EQ(n, 50u);
  EXPECT_GE(others, 50u);
}

TEST_F(SyscallCounting, ASignalDuringTheCountReachesItsHandler) {
  static volatile sig_atomic_t handled = 0;
  handled = 0;
  struct sigaction action{};
  action.sa_handler = [](int) { handled = handled + 1; };
  struct sigaction old{};
  ASSERT_EQ(::sigaction(SIGUSR1, &action, &old), 0);
  SyscallCounter counter;
  const std::uint64_t n =
      counted(counter, [] { (void)::syscall(SYS_tgkill, ::syscall(SYS_getpid), ::syscall(SYS_gettid), SIGUSR1); });
  EXPECT_EQ(handled, 1);
  EXPECT_EQ(n, 4u) << "tgkill, its two arguments, and the kernel's sigreturn";
  ASSERT_EQ(::sigaction(SIGUSR1, &old, nullptr), 0);
}

TEST_F(SyscallCounting, AThreadThatEndsWithoutItsMarkIsAnErrorWithAReason) {
  SyscallCounter counter;
  std::thread([&] {
    counter.attach();
    SyscallCounter::mark_begin();
  }).join();
  errno = 0;
  try {
    const std::uint64_t n = counter.result();
    ADD_FAILURE() << "a count of " << n;
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("thread"), std::string::npos)
        << "the thread ended before its mark, and the message does not say so: " << error.what();
  }
}

TEST_F(SyscallCounting, AMeasuredThreadIsCounted) {
  SyscallCounter counter;
  EXPECT_EQ(bench::run_measured({}, bench::Watch::kCount, &counter, []() noexcept { call_kernel(12); }), 12u);
  EXPECT_EQ(bench::run_measured({}, bench::Watch::kNothing, nullptr, []() noexcept { call_kernel(12); }), 0u);
}

TEST_F(SyscallCounting, TwoCountersEndInAnyOrder) {
  // The second tracer inherits the first one's pipe. In a child, because a mistake here is a hang.
  EXPECT_TRUE(run_child([] {
    ::alarm(10);
    auto first = std::make_unique<SyscallCounter>();
    auto second = std::make_unique<SyscallCounter>();
    first.reset();
    second.reset();
    ::_exit(0);
  })) << "the first tracer waits for the end of an input that the second one holds open";
}

}  // namespace

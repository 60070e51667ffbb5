// SPDX-License-Identifier: BSD-3-Clause
// SyscallCounter: counts another thread's system calls exactly, by tracing it from a child process (ptrace).
#pragma once
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>

#include <pollux/core/unique_fd.hpp>

// <sys/ptrace.h> and <linux/ptrace.h> do not go together in every C library; the one struct needed, from the latter.
namespace bench::abi {
struct SyscallInfo {  // struct ptrace_syscall_info, entry variant
  std::uint8_t op;
  std::uint8_t pad[3];
  std::uint32_t arch;
  std::uint64_t instruction_pointer, stack_pointer;
  std::uint64_t number, arguments[6];
};
}  // namespace bench::abi

namespace bench {

/// The thread announces itself with `attach`, then every system call between its `mark_begin` and `mark_end` counts;
/// the marks do not. Slows the thread down greatly: for counting, never for timing.
class SyscallCounter {
 public:
  /// Forks the tracer now, while the process holds nothing that a child should not. Errors: raises fork's or pipe's.
  SyscallCounter() {
    int to[2], from[2];
    if (::pipe2(to, O_CLOEXEC) != 0) fail("pipe2");
    command_out_.reset(to[1]);
    pollux::UniqueFd command_in(to[0]);
    if (::pipe2(from, O_CLOEXEC) != 0) fail("pipe2");
    answer_in_.reset(from[0]);
    pollux::UniqueFd answer_out(from[1]);
    tracer_ = ::fork();
    if (tracer_ < 0) fail("fork");
    if (tracer_ == 0) {
      command_out_.reset();
      answer_in_.reset();
      // Nothing else of the parent's: another counter's pipe held open here would keep its tracer from ending.
      const int most = static_cast<int>(::sysconf(_SC_OPEN_MAX));
      for (int fd = 3; fd < most && fd < 65536; ++fd) {
        if (fd != command_in.get() && fd != answer_out.get()) ::close(fd);
      }
      trace_on_command(command_in.get(), answer_out.get());
      ::_exit(0);
    }
  }
  SyscallCounter(const SyscallCounter&) = delete;
  SyscallCounter& operator=(const SyscallCounter&) = delete;
  ~SyscallCounter() {
    command_out_.reset();  // the tracer ends at the end of its input
    ::waitpid(tracer_, nullptr, 0);
  }

  /// Called by the thread to be counted. Errors: raises when it may not be traced.
  void attach() {
    ::prctl(PR_SET_PTRACER, tracer_, 0, 0, 0);  // needed under Yama, harmless elsewhere
    const auto self = static_cast<pid_t>(::syscall(SYS_gettid));
    std::int64_t answer = -1;
    if (::write(command_out_.get(), &self, sizeof self) != sizeof self || !receive(answer) || answer != 0) {
      errno = answer > 0 ? static_cast<int>(answer) : EIO;
      fail("ptrace");
    }
  }
  static void mark_begin() noexcept { ::syscall(SYS_getpid, kBegin); }
  static void mark_end() noexcept { ::syscall(SYS_getpid, kEnd); }
  /// The count, once the thread has passed its end mark.
  std::uint64_t result() {
    std::int64_t answer = -1;
    if (!receive(answer)) fail("ptrace");
    if (answer < 0) {
      errno = 0;
      fail("the thread ended before its end mark");
    }
    return static_cast<std::uint64_t>(answer);
  }

 private:
  static constexpr std::uint64_t kBegin = 0x504F'4C4C'5558'0001, kEnd = 0x504F'4C4C'5558'0002;

  [[noreturn]] static void fail(const char* where) {
    pollux::raise({.code = errno, .operation = "count", .object = "system calls", .where = where, .remedy = {}});
  }
  bool receive(std::int64_t& answer) { return ::read(answer_in_.get(), &answer, sizeof answer) == sizeof answer; }

  static void trace_on_command(int in, int out) {
    pid_t thread = 0;
    while (::read(in, &thread, sizeof thread) == sizeof thread) {
      const bool seized = ::ptrace(PTRACE_SEIZE, thread, 0L, PTRACE_O_TRACESYSGOOD) == 0 &&
                          ::ptrace(PTRACE_INTERRUPT, thread, 0L, 0L) == 0;
      std::int64_t answer = seized ? 0 : errno;
      if (::write(out, &answer, sizeof answer) != sizeof answer || !seized) continue;
      answer = follow(thread);
      if (::write(out, &answer, sizeof answer) != sizeof answer) return;
    }
  }
  /// Steps the thread from system call to system call until its end mark; -1 when it dies before.
  static std::int64_t follow(pid_t thread) {
    bool counting = false;
    for (std::int64_t count = 0;;) {
      int status = 0;
      if (::waitpid(thread, &status, __WALL) != thread || !WIFSTOPPED(status)) return -1;
      const bool at_syscall = WSTOPSIG(status) == (SIGTRAP | 0x80);
      const bool event = status >> 16 != 0;
      if (at_syscall) {
        abi::SyscallInfo info{};
        constexpr std::uint8_t kEntry = 1;
        ::ptrace(static_cast<decltype(PTRACE_SEIZE)>(0x420E /* PTRACE_GET_SYSCALL_INFO */), thread, sizeof info, &info);
        if (info.op == kEntry) {
          const bool mark = info.number == SYS_getpid;
          if (mark && info.arguments[0] == kEnd) {
            ::ptrace(PTRACE_DETACH, thread, 0L, 0L);
            return count;
          }
          if (counting) ++count;
          counting = counting || (mark && info.arguments[0] == kBegin);
        }
      }
      const long signal = at_syscall || event ? 0 : WSTOPSIG(status);
      ::ptrace(PTRACE_SYSCALL, thread, 0L, signal);
    }
  }

  pollux::UniqueFd command_out_;
  pollux::UniqueFd answer_in_;
  pid_t tracer_ = -1;
};

}  // namespace bench

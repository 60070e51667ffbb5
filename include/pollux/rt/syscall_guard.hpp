// SPDX-License-Identifier: BSD-3-Clause
// A thread that the kernel kills at its first system call: proof, not claim, that a packet loop makes none.
#pragma once
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <cstddef>

#include <pollux/core/error.hpp>
#include <pollux/core/syscall.hpp>

namespace pollux {

/// From here on the calling thread (no other) is killed by the kernel at any system call but exit(2) of the thread.
/// There is no way back; leave with `end_guarded_thread`. Whoever joins the thread tells a kill from an end by a flag
/// that the thread sets last. The thread must not be the program's first. Not for use under sanitizers.
/// Errors: the errno of prctl or seccomp, e.g. in a sandbox that forbids filters.
inline Result<Done> forbid_system_calls() {
#if defined(__x86_64__)
  constexpr std::uint32_t kArch = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
  constexpr std::uint32_t kArch = AUDIT_ARCH_AARCH64;
#endif
  sock_filter program[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, arch)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kArch, 0, 2),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_THREAD),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog filter{.len = sizeof program / sizeof program[0], .filter = program};
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
      ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter) == 0) {
    return Done{};
  }
  return Failure{
      .code = errno, .operation = "forbid system calls to", .object = "this thread", .where = "seccomp", .remedy = {}};
}

/// Ends a guarded thread by the one call it may make. Destructors of the thread's stack do not run.
[[noreturn]] inline void end_guarded_thread() noexcept {
  for (;;) ::syscall(SYS_exit, 0);
}

}  // namespace pollux

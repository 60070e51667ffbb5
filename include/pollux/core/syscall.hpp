// SPDX-License-Identifier: BSD-3-Clause
// The seam to the kernel: every system call of the library goes through here, so that a test can make any one fail.
// Define POLLUX_SYSCALL(name) before the first include to name the replacement of ::name.
#pragma once
#include <fcntl.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>

#ifndef POLLUX_SYSCALL
#define POLLUX_SYSCALL(name) ::name
#endif

namespace pollux::sys {

inline int open(const char* path, int flags) noexcept { return POLLUX_SYSCALL(open)(path, flags | O_CLOEXEC); }
inline int close(int fd) noexcept { return POLLUX_SYSCALL(close)(fd); }
inline ssize_t read(int fd, void* to, std::size_t n) noexcept { return POLLUX_SYSCALL(read)(fd, to, n); }
inline ssize_t write(int fd, const void* from, std::size_t n) noexcept { return POLLUX_SYSCALL(write)(fd, from, n); }
inline ssize_t pread(int fd, void* to, std::size_t n, off_t at) noexcept {
  return POLLUX_SYSCALL(pread)(fd, to, n, at);
}
inline ssize_t pwrite(int fd, const void* from, std::size_t n, off_t at) noexcept {
  return POLLUX_SYSCALL(pwrite)(fd, from, n, at);
}
/// `argument` is a pointer, or an integer passed by value as some VFIO calls want it.
template <class Argument>
int ioctl(int fd, unsigned long request, Argument argument) noexcept {
  return POLLUX_SYSCALL(ioctl)(fd, request, argument);
}
inline void* mmap(void* hint, std::size_t n, int prot, int flags, int fd, off_t at) noexcept {
  return POLLUX_SYSCALL(mmap)(hint, n, prot, flags, fd, at);
}
inline int munmap(void* at, std::size_t n) noexcept { return POLLUX_SYSCALL(munmap)(at, n); }
inline int madvise(void* at, std::size_t n, int advice) noexcept { return POLLUX_SYSCALL(madvise)(at, n, advice); }

/// O_NONBLOCK and the like, of an open file; -1: it is none.
inline int status_flags(int fd) noexcept { return POLLUX_SYSCALL(fcntl)(fd, F_GETFL, 0); }
inline int flock(int fd, int operation) noexcept { return POLLUX_SYSCALL(flock)(fd, operation); }

}  // namespace pollux::sys

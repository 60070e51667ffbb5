// SPDX-License-Identifier: BSD-3-Clause
// The system calls of waiting, through the same seam as all others.
#pragma once
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>

#include <cstdint>

#include <pollux/core/syscall.hpp>

namespace pollux::sys {

/// ppoll(2) with a timeout in nanoseconds; below 0: without one. EINTR counts as nothing ready.
inline int poll_for(pollfd* fds, nfds_t n, std::int64_t timeout_ns) noexcept {
  const timespec timeout{.tv_sec = timeout_ns / 1'000'000'000, .tv_nsec = timeout_ns % 1'000'000'000};
  return POLLUX_SYSCALL(ppoll)(fds, n, timeout_ns < 0 ? nullptr : &timeout, nullptr);
}
/// Non-blocking, closed on exec.
inline int eventfd(unsigned first) noexcept { return POLLUX_SYSCALL(eventfd)(first, EFD_NONBLOCK | EFD_CLOEXEC); }
inline int epoll_create() noexcept { return POLLUX_SYSCALL(epoll_create1)(EPOLL_CLOEXEC); }
inline int epoll_ctl(int epoll, int operation, int fd, epoll_event* event) noexcept {
  return POLLUX_SYSCALL(epoll_ctl)(epoll, operation, fd, event);
}
inline int epoll_wait(int epoll, epoll_event* events, int n, int timeout_ms) noexcept {
  return POLLUX_SYSCALL(epoll_wait)(epoll, events, n, timeout_ms);
}

}  // namespace pollux::sys

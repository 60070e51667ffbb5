// SPDX-License-Identifier: BSD-3-Clause
// The socket part of the seam to the kernel (see syscall.hpp).
#pragma once
#include <sys/socket.h>

#include <pollux/core/syscall.hpp>

namespace pollux::sys {

inline int socket(int domain, int type, int protocol) noexcept {
  return POLLUX_SYSCALL(socket)(domain, type | SOCK_CLOEXEC, protocol);
}
inline int bind(int fd, const sockaddr* to, socklen_t n) noexcept { return POLLUX_SYSCALL(bind)(fd, to, n); }
inline int connect(int fd, const sockaddr* to, socklen_t n) noexcept { return POLLUX_SYSCALL(connect)(fd, to, n); }
inline int listen(int fd, int backlog) noexcept { return POLLUX_SYSCALL(listen)(fd, backlog); }
/// Of whom nothing need be known. Non-blocking, closed on exec.
inline int accept(int fd) noexcept {
  return POLLUX_SYSCALL(accept4)(fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
}
inline int setsockopt(int fd, int level, int option, const void* value, socklen_t n) noexcept {
  return POLLUX_SYSCALL(setsockopt)(fd, level, option, value, n);
}
inline int getsockopt(int fd, int level, int option, void* value, socklen_t* n) noexcept {
  return POLLUX_SYSCALL(getsockopt)(fd, level, option, value, n);
}
inline ssize_t send(int fd, const void* from, std::size_t n, int flags) noexcept {
  return POLLUX_SYSCALL(send)(fd, from, n, flags);
}
inline ssize_t recv(int fd, void* to, std::size_t n, int flags) noexcept {
  return POLLUX_SYSCALL(recv)(fd, to, n, flags);
}
inline ssize_t recvmsg(int fd, msghdr* message, int flags) noexcept {
  return POLLUX_SYSCALL(recvmsg)(fd, message, flags);
}
inline ssize_t sendmsg(int fd, const msghdr* message, int flags) noexcept {
  return POLLUX_SYSCALL(sendmsg)(fd, message, flags);
}
/// Several messages in one call; returns how many, or -1 when not even the first went.
inline int sendmmsg(int fd, mmsghdr* messages, unsigned n, int flags) noexcept {
  return POLLUX_SYSCALL(sendmmsg)(fd, messages, n, flags);
}
inline int recvmmsg(int fd, mmsghdr* messages, unsigned n, int flags) noexcept {
  return POLLUX_SYSCALL(recvmmsg)(fd, messages, n, flags, nullptr);
}

}  // namespace pollux::sys

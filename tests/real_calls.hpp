// SPDX-License-Identifier: BSD-3-Clause
// All system calls of the library's seam, real. A test's own namespace starts with `using namespace real_calls;` and
// declares those that it replaces: they are found first.
#pragma once
#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace real_calls {
using ::accept4, ::bind, ::connect, ::getsockopt, ::listen, ::setsockopt, ::socket;  // core/socket.hpp
using ::fallocate, ::fcntl, ::fstat, ::ftruncate, ::memfd_create, ::mlock, ::munlock,
    ::syscall;                                                                // core/memory_calls.hpp
using ::mmap, ::munmap, ::madvise;                                            // core/syscall.hpp
using ::open, ::close, ::read, ::write, ::pread, ::pwrite, ::ioctl, ::flock;  // core/syscall.hpp
using ::ppoll, ::eventfd, ::epoll_create1, ::epoll_ctl, ::epoll_wait;         // core/poll.hpp
using ::recv, ::recvmmsg, ::recvmsg, ::send, ::sendmmsg, ::sendmsg;           // core/socket.hpp
}  // namespace real_calls

// SPDX-License-Identifier: BSD-3-Clause
// System calls about memory that only DMA needs, through the same seam as all others.
#pragma once
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstddef>

#include <pollux/core/syscall.hpp>

namespace pollux::sys {

inline int memfd_create(const char* name, unsigned flags) noexcept {
  return POLLUX_SYSCALL(memfd_create)(name, flags | MFD_CLOEXEC);
}
inline int fstat(int fd, struct stat* to) noexcept { return POLLUX_SYSCALL(fstat)(fd, to); }
/// The seals of a file that can have some; -1: it cannot.
inline int seals(int fd) noexcept { return POLLUX_SYSCALL(fcntl)(fd, F_GET_SEALS, 0); }
inline int add_seals(int fd, int seals) noexcept { return POLLUX_SYSCALL(fcntl)(fd, F_ADD_SEALS, seals); }
inline int ftruncate(int fd, off_t bytes) noexcept { return POLLUX_SYSCALL(ftruncate)(fd, bytes); }
inline int fallocate(int fd, int mode, off_t at, off_t bytes) noexcept {
  return POLLUX_SYSCALL(fallocate)(fd, mode, at, bytes);
}
inline int mlock(const void* at, std::size_t bytes) noexcept { return POLLUX_SYSCALL(mlock)(at, bytes); }
inline int munlock(const void* at, std::size_t bytes) noexcept { return POLLUX_SYSCALL(munlock)(at, bytes); }

inline constexpr int kMpolBind = 2;  ///< MPOL_BIND of <numaif.h>, which only libnuma's package has
inline int mbind(void* at, std::size_t bytes, int mode, const unsigned long* nodes, unsigned long bits,
                 unsigned flags) noexcept {
  return static_cast<int>(POLLUX_SYSCALL(syscall)(SYS_mbind, at, bytes, mode, nodes, bits, flags));
}

}  // namespace pollux::sys

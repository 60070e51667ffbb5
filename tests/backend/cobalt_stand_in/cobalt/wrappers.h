/* SPDX-License-Identifier: BSD-3-Clause */
/* Stands in for libcobalt's headers in cobalt_rtdm_test: the names that CobaltRtdm calls, with the types libcobalt
 * gives them [abi 6]. Not libcobalt's, and not installed. */
#pragma once
#include <stddef.h>
#include <sys/select.h>
#include <sys/types.h>

#define __RT(call) __cobalt_##call

extern "C" {
int __cobalt_open(const char* path, int flags, ...);
int __cobalt_close(int fd);
ssize_t __cobalt_read(int fd, void* to, size_t bytes);
ssize_t __cobalt_write(int fd, const void* from, size_t bytes);
int __cobalt_ioctl(int fd, unsigned int request, ...);
void* __cobalt_mmap(void* at, size_t bytes, int protection, int flags, int fd, off_t offset);
int __cobalt_select(int n, fd_set* readable, fd_set* writable, fd_set* exceptional, struct timeval* timeout);
}

// SPDX-License-Identifier: BSD-3-Clause
// Every system call of opening an 82574 fails in turn, on a real kernel: each gives one error, and nothing is left
// open.
#include <dirent.h>

#include <cerrno>
#include <cstdarg>
#include <utility>

#include "../real_calls.hpp"

namespace seam {

using namespace real_calls;

inline int calls = 0;    // so far
inline int fail_at = 0;  // this one fails; 0: none
inline int with_errno = 0;

inline bool fails() {
  if (++calls != fail_at) return false;
  errno = with_errno;
  return true;
}
inline int open(const char* path, int flags) { return fails() ? -1 : ::open(path, flags); }
inline int close(int fd) { return ::close(fd); }  // what must always work: giving back
inline ssize_t read(int fd, void* to, std::size_t n) { return fails() ? -1 : ::read(fd, to, n); }
inline ssize_t write(int fd, const void* from, std::size_t n) { return fails() ? -1 : ::write(fd, from, n); }
inline ssize_t pread(int fd, void* to, std::size_t n, off_t at) { return fails() ? -1 : ::pread(fd, to, n, at); }
inline ssize_t pwrite(int fd, const void* from, std::size_t n, off_t at) {
  return fails() ? -1 : ::pwrite(fd, from, n, at);
}
template <class A>
int ioctl(int fd, unsigned long request, A argument) {
  return fails() ? -1 : ::ioctl(fd, request, argument);
}
inline void* mmap(void* hint, std::size_t n, int prot, int flags, int fd, off_t at) {
  return fails() ? MAP_FAILED : ::mmap(hint, n, prot, flags, fd, at);
}
inline int munmap(void* at, std::size_t n) { return ::munmap(at, n); }
inline int madvise(void* at, std::size_t n, int advice) { return fails() ? -1 : ::madvise(at, n, advice); }
inline int eventfd(unsigned first, int flags) { return fails() ? -1 : ::eventfd(first, flags); }
inline int flock(int fd, int operation) { return fails() ? -1 : ::flock(fd, operation); }
inline int mlock(const void* at, std::size_t n) { return fails() ? -1 : ::mlock(at, n); }

}  // namespace seam

#define POLLUX_SYSCALL(name) ::seam::name

#include "lab_device.hpp"

#include <fstream>
#include <set>

using namespace pollux;

namespace {

std::size_t open_files() { return PciSysfs::names_in("/proc/self/fd").size(); }
std::size_t vfio_mappings() {
  std::ifstream maps("/proc/self/maps");
  std::size_t n = 0;
  for (std::string line; std::getline(maps, line);)
    n += line.find("vfio") != line.npos || line.find("huge") != line.npos;
  return n;
}

TEST(Opening, survives_the_failure_of_any_system_call) {
  bind_driver(PciSysfs{}, lab::nic(0), "vfio-pci");
  const auto open_and_close = [] {
    lab::Opened nic(0);
    nic.port.start();
  };
  seam::calls = 0;
  open_and_close();
  const int total = seam::calls;
  ASSERT_GT(total, 30) << "the seam sees the library's calls";
  const std::size_t files = open_files(), mappings = vfio_mappings(), pages = dma::free_2m_pages();
  std::set<std::string> messages;
  int errors = 0;
  for (int n = 1; n <= total; ++n) {
    SCOPED_TRACE("system call " + std::to_string(n) + " of " + std::to_string(total));
    seam::calls = 0;
    seam::fail_at = n;
    seam::with_errno = n % 2 == 0 ? EIO : ENOMEM;
    try {
      open_and_close();  // some calls have a second way: a file that may be absent, hugepages
    } catch (const Error& error) {
      ++errors;
      messages.insert(error.what());
      EXPECT_FALSE(error.failure().operation.empty());
      EXPECT_FALSE(error.failure().object.empty());
    }
    seam::fail_at = 0;
    EXPECT_EQ(open_files(), files);
    EXPECT_EQ(vfio_mappings(), mappings);
    EXPECT_EQ(dma::free_2m_pages(), pages);
  }
  EXPECT_GT(errors, total / 3);
  for (const std::string& message : messages) std::printf("  %s\n", message.c_str());
  open_and_close();
}

}  // namespace

// SPDX-License-Identifier: BSD-3-Clause
// CobaltRtdm, and the UDD backend with it, as a program built with libcobalt sees them: compiled with __COBALT__
// against a stand-in for its headers, run against functions that write down what they were called with.
#define __COBALT__ 1

#include <gtest/gtest.h>

#include <cstdarg>
#include <cstdint>
#include <optional>
#include <string>

#include <pollux/backend/open.hpp>
#include <pollux/backend/udd.hpp>

#include "../fake_sys.hpp"

namespace {

struct Calls {
  std::string last;
  int flags = 0, fd = -1, result = 0;
  unsigned request = 0;
  void* argument = nullptr;
  std::size_t bytes = 0;
  std::optional<std::int64_t> timeout_us;
};
Calls g_calls;

}  // namespace

extern "C" {
int __cobalt_open(const char* path, int flags, ...) {
  g_calls.last = path, g_calls.flags = flags;
  return g_calls.result;
}
int __cobalt_close(int fd) { return g_calls.last = "close", g_calls.fd = fd, 0; }
ssize_t __cobalt_read(int fd, void*, size_t bytes) {
  return g_calls.last = "read", g_calls.fd = fd, static_cast<ssize_t>(g_calls.bytes = bytes);
}
ssize_t __cobalt_write(int fd, const void*, size_t bytes) {
  return g_calls.last = "write", g_calls.fd = fd, static_cast<ssize_t>(g_calls.bytes = bytes);
}
int __cobalt_ioctl(int fd, unsigned int request, ...) {
  std::va_list list;
  va_start(list, request);
  g_calls.argument = va_arg(list, void*);
  va_end(list);
  return g_calls.last = "ioctl", g_calls.fd = fd, g_calls.request = request, g_calls.result;
}
void* __cobalt_mmap(void* at, size_t bytes, int protection, int flags, int fd, off_t offset) {
  EXPECT_EQ(at, nullptr);
  EXPECT_EQ(offset, 0);
  EXPECT_EQ(protection, PROT_READ | PROT_WRITE);
  EXPECT_EQ(flags, MAP_SHARED) << "MAP_FIXED and MAP_ANONYMOUS go to Linux";
  g_calls.fd = fd;
  return ::mmap(nullptr, bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}
int __cobalt_select(int n, fd_set* readable, fd_set* writable, fd_set* exceptional, struct timeval* timeout) {
  EXPECT_TRUE(FD_ISSET(n - 1, readable));
  EXPECT_EQ(writable, nullptr);
  EXPECT_EQ(exceptional, nullptr);
  g_calls.fd = n - 1;
  g_calls.timeout_us = std::nullopt;
  if (timeout != nullptr) g_calls.timeout_us = timeout->tv_sec * std::int64_t{1'000'000} + timeout->tv_usec;
  return g_calls.result;
}
}

namespace {

using namespace pollux;

TEST(CobaltRtdm, CallsLibcobaltByTheNamesThatNeedNoWrapping) {
  const CobaltRtdm rtdm;
  g_calls = {};
  g_calls.result = 7;
  EXPECT_EQ(rtdm.open("/dev/rtdm/foocard", O_RDWR), 7);
  EXPECT_EQ(g_calls.last, "/dev/rtdm/foocard");
  EXPECT_EQ(g_calls.flags, O_RDWR);
  std::uint32_t value = 0;
  EXPECT_EQ(rtdm.read(7, &value, 4), 4);
  EXPECT_EQ(g_calls.last, "read");
  EXPECT_EQ(rtdm.write(7, &value, 4), 4);
  EXPECT_EQ(g_calls.last, "write");
  EXPECT_EQ(rtdm.ioctl(7, udd::kIrqSignal, &value), 7);
  EXPECT_EQ(g_calls.request, 0x40080902u);
  EXPECT_EQ(g_calls.argument, &value);
  void* const at = rtdm.mmap(4096, 8);
  ASSERT_NE(at, MAP_FAILED);
  EXPECT_EQ(g_calls.fd, 8);
  EXPECT_EQ(rtdm.munmap(at, 4096), 0);
  EXPECT_EQ(rtdm.close(7), 0);
  EXPECT_EQ(g_calls.last, "close");
}

TEST(CobaltRtdm, SelectsForNoShorterThanAsked) {
  const CobaltRtdm rtdm;
  g_calls = {};
  g_calls.result = 1;
  EXPECT_EQ(rtdm.select(9, Nanos{0}), 1);
  EXPECT_EQ(g_calls.fd, 9);
  EXPECT_EQ(g_calls.timeout_us, 0);
  (void)rtdm.select(9, Nanos{1});
  EXPECT_EQ(g_calls.timeout_us, 1);
  (void)rtdm.select(9, Nanos{2'500'000'001});
  EXPECT_EQ(g_calls.timeout_us, 2'500'001);
  (void)rtdm.select(9, Nanos{-1});
  EXPECT_EQ(g_calls.timeout_us, std::nullopt) << "for ever";
  g_calls.fd = -1;
  for (const int bad : {-1, FD_SETSIZE}) {
    errno = 0;
    EXPECT_EQ(rtdm.select(bad, Nanos{0}), -1);
    EXPECT_EQ(errno, EINVAL);
  }
  EXPECT_EQ(g_calls.fd, -1) << "does not fit into an fd_set";
}

TEST(CobaltRtdm, IsNotAvailableWithoutACore) { EXPECT_EQ(CobaltRtdm{}.available(), xenomai_version().has_value()); }

TEST(CobaltRtdm, BothKindsOfDeviceCompileWithIt) {
  static_assert(std::derived_from<UddDevice<CobaltRtdm>, PciDevice>);
  static_assert(std::derived_from<UddIrqDevice<CobaltRtdm>, PciDevice>);
  if (CobaltRtdm{}.available()) GTEST_SKIP() << "a Cobalt core runs here";
  HostDomain domain;
  const fake_sys::FakeSys sys;
  sys.add("0000:03:00.0", "0x8086", "0x10d3", "0x020000");
  sys.bind("0000:03:00.0", "pollux_udd_pci");
  EXPECT_EQ(fake_sys::error_of([&] { (void)open_device("udd:03:00.0", sys.sysfs()); }).code().value(), ENOSYS);
  EXPECT_THROW(UddDevice<CobaltRtdm>(CobaltRtdm{}, domain, Bdf::parse("ffff:ff:1f.7")), Error);
}

}  // namespace

// SPDX-License-Identifier: BSD-3-Clause
// Rtdm: the calls to a real-time driver of Xenomai 3 (Cobalt), as a seam. CobaltRtdm: the real ones, where the program
// is built with libcobalt.
#pragma once
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/types.h>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include <pollux/core/clock.hpp>
#include <pollux/core/file.hpp>

#if defined(__COBALT__)
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/time.h>
#include <unistd.h>

#include <cobalt/wrappers.h>
#endif

namespace pollux {

/// A way to RTDM's calls; a value, copied freely. All return -1 and set errno, as their POSIX namesakes do.
/// open, close, mmap and munmap run in Linux (secondary mode); read, write, ioctl and select want a Cobalt thread.
template <class R>
concept Rtdm = std::copyable<R> && requires(R& rtdm, const char* path, int fd, void* to, const void* from,
                                            std::size_t bytes, unsigned request, Nanos timeout) {
  /// Whether a Cobalt core runs here. Asked before anything else.
  { rtdm.available() } noexcept -> std::same_as<bool>;
  { rtdm.open(path, int{}) } noexcept -> std::same_as<int>;
  { rtdm.close(fd) } noexcept -> std::same_as<int>;
  { rtdm.read(fd, to, bytes) } noexcept -> std::same_as<ssize_t>;
  { rtdm.write(fd, from, bytes) } noexcept -> std::same_as<ssize_t>;
  { rtdm.ioctl(fd, request, to) } noexcept -> std::same_as<int>;
  /// Shared, for reading and writing, from offset 0, at an address of the kernel's choice. MAP_FAILED on failure.
  { rtdm.mmap(bytes, fd) } noexcept -> std::same_as<void*>;
  { rtdm.munmap(to, bytes) } noexcept -> std::same_as<int>;
  /// Waits until `fd` is readable, at most `timeout` (below 0: for ever). 1: it is; 0: it is not.
  { rtdm.select(fd, timeout) } noexcept -> std::same_as<int>;
};

/// The version of the Cobalt core that runs here; nothing where none does. To be asked before libcobalt is initialised:
/// that ends a program without a core. Programs for both kinds of kernel are linked with xeno-config --no-auto-init,
/// or keep what needs libcobalt in a shared object of their own. [abi 6]
inline std::optional<std::string> xenomai_version(const std::string& path = "/proc/xenomai/version") {
  auto text = file::try_read(path);
  if (!text) return std::nullopt;
  return std::string(text::trim(text.value()));
}

#if defined(__COBALT__)

/// libcobalt by the names that hold with and without its --wrap list: __RT(call). [abi 6]
/// NOTE(missing): where RTDM does not know a path or descriptor, and for select also where the thread is none of
/// Cobalt's, libcobalt goes to Linux without saying so. Who uses this must not take a readable descriptor for an event.
struct CobaltRtdm {
  bool available() const noexcept { return file::exists("/proc/xenomai/version"); }
  int open(const char* path, int flags) const noexcept { return __RT(open(path, flags)); }
  int close(int fd) const noexcept { return __RT(close(fd)); }
  ssize_t read(int fd, void* to, std::size_t bytes) const noexcept { return __RT(read(fd, to, bytes)); }
  ssize_t write(int fd, const void* from, std::size_t bytes) const noexcept { return __RT(write(fd, from, bytes)); }
  int ioctl(int fd, unsigned request, void* argument) const noexcept { return __RT(ioctl(fd, request, argument)); }
  void* mmap(std::size_t bytes, int fd) const noexcept {
    return __RT(mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
  }
  int munmap(void* at, std::size_t bytes) const noexcept { return ::munmap(at, bytes); }  // Cobalt has none of its own
  int select(int fd, Nanos timeout) const noexcept {
    if (fd < 0 || fd >= FD_SETSIZE) return errno = EINVAL, -1;
    fd_set readable;
    FD_ZERO(&readable);
    FD_SET(fd, &readable);
    // Rounded up, so that a wait is never shorter than asked.
    const std::int64_t us = timeout.count / 1'000 + (timeout.count % 1'000 > 0 ? 1 : 0);
    timeval left{.tv_sec = static_cast<time_t>(us / 1'000'000), .tv_usec = static_cast<suseconds_t>(us % 1'000'000)};
    return __RT(select(fd + 1, &readable, nullptr, nullptr, timeout < Nanos{0} ? nullptr : &left));
  }
};
static_assert(Rtdm<CobaltRtdm>);

#endif

/// An RTDM descriptor with one owner.
template <Rtdm R>
class RtdmFd {
 public:
  RtdmFd() = default;
  RtdmFd(R rtdm, int fd) noexcept : rtdm_(std::move(rtdm)), fd_(fd) {}
  RtdmFd(RtdmFd&& other) noexcept : rtdm_(std::move(other.rtdm_)), fd_(std::exchange(other.fd_, -1)) {}
  RtdmFd& operator=(RtdmFd&& other) noexcept {
    std::swap(rtdm_, other.rtdm_);
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~RtdmFd() {
    if (fd_ >= 0) rtdm_->close(fd_);
  }
  [[nodiscard]] int get() const noexcept { return fd_; }

  /// Cost: 1 system call, in secondary mode.
  static Result<RtdmFd> try_open(R rtdm, const std::string& path) {
    if (const int fd = rtdm.open(path.c_str(), O_RDWR); fd >= 0) return RtdmFd(std::move(rtdm), fd);
    return Failure{.code = errno, .operation = "open", .object = path, .where = {}, .remedy = {}};
  }

 private:
  std::optional<R> rtdm_;
  int fd_ = -1;
};

/// Memory that an RTDM driver maps, with one owner.
template <Rtdm R>
class RtdmMapping {
 public:
  RtdmMapping() = default;
  RtdmMapping(RtdmMapping&& other) noexcept
      : rtdm_(std::move(other.rtdm_)),
        address_(std::exchange(other.address_, nullptr)),
        bytes_(std::exchange(other.bytes_, 0)) {}
  RtdmMapping& operator=(RtdmMapping&& other) noexcept {
    std::swap(rtdm_, other.rtdm_);
    std::swap(address_, other.address_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~RtdmMapping() {
    if (address_ != nullptr) rtdm_->munmap(address_, bytes_);
  }
  /// `what` names the memory in the error. Cost: 1 system call, in secondary mode.
  static Result<RtdmMapping> try_map(R rtdm, std::size_t bytes, int fd, const std::string& what) {
    void* const at = rtdm.mmap(bytes, fd);
    if (at != MAP_FAILED) return RtdmMapping(std::move(rtdm), at, bytes);
    return Failure{.code = errno, .operation = "map", .object = what, .where = {}, .remedy = {}};
  }
  [[nodiscard]] std::byte* data() const noexcept { return static_cast<std::byte*>(address_); }
  [[nodiscard]] std::size_t size() const noexcept { return bytes_; }  ///< [bytes]
  explicit operator bool() const noexcept { return address_ != nullptr; }

 private:
  RtdmMapping(R rtdm, void* at, std::size_t bytes) noexcept : rtdm_(std::move(rtdm)), address_(at), bytes_(bytes) {}
  std::optional<R> rtdm_;
  void* address_ = nullptr;
  std::size_t bytes_ = 0;
};

}  // namespace pollux

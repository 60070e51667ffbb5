// SPDX-License-Identifier: BSD-3-Clause
// A file descriptor with one owner.
#pragma once
#include <string>
#include <utility>

#include <pollux/core/error.hpp>
#include <pollux/core/syscall.hpp>

namespace pollux {

class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) noexcept : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    if (this != &other) reset(std::exchange(other.fd_, -1));
    return *this;
  }
  ~UniqueFd() { reset(); }

  [[nodiscard]] int get() const noexcept { return fd_; }
  explicit operator bool() const noexcept { return fd_ >= 0; }
  void reset(int fd = -1) noexcept {
    if (fd_ >= 0) sys::close(fd_);
    fd_ = fd;
  }

 private:
  int fd_ = -1;
};

/// Opens `path` with O_CLOEXEC. Cost: one system call.
inline Result<UniqueFd> try_open(const std::string& path, int flags) {
  if (const int fd = sys::open(path.c_str(), flags); fd >= 0) return UniqueFd(fd);
  return Failure{.code = errno, .operation = "open", .object = path, .where = {}, .remedy = {}};
}

}  // namespace pollux

// SPDX-License-Identifier: BSD-3-Clause
// A piece of the process's address space with one owner.
#pragma once
#include <cstddef>
#include <utility>

#include <pollux/core/error.hpp>
#include <pollux/core/syscall.hpp>

namespace pollux {

class Mapping {
 public:
  Mapping() = default;
  Mapping(Mapping&& other) noexcept
      : address_(std::exchange(other.address_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
  Mapping& operator=(Mapping&& other) noexcept {
    if (this != &other) {
      release();
      address_ = std::exchange(other.address_, nullptr);
      bytes_ = std::exchange(other.bytes_, 0);
    }
    return *this;
  }
  ~Mapping() { release(); }

  /// mmap(2) at an address of the kernel's choice. `what` names the memory in the error. Cost: one system call.
  static Result<Mapping> try_map(std::size_t bytes, int prot, int flags, int fd, off_t offset, const char* what) {
    void* at = sys::mmap(nullptr, bytes, prot, flags, fd, offset);
    if (at == MAP_FAILED) {
      return Failure{.code = errno, .operation = "map", .object = what, .where = {}, .remedy = {}};
    }
    return Mapping(at, bytes);
  }

  /// Gives all but [offset, offset + bytes) back to the kernel. Pre: whole pages within the mapping, bytes > 0.
  /// Cost: up to two system calls.
  void narrow_to(std::size_t offset, std::size_t bytes) noexcept {
    std::byte* const begin = data() + offset;
    std::byte* const end = data() + bytes_;
    if (offset > 0) sys::munmap(data(), offset);
    if (begin + bytes < end) sys::munmap(begin + bytes, static_cast<std::size_t>(end - begin) - bytes);
    address_ = begin;
    bytes_ = bytes;
  }

  [[nodiscard]] std::byte* data() const noexcept { return static_cast<std::byte*>(address_); }
  [[nodiscard]] std::size_t size() const noexcept { return bytes_; }  ///< [bytes]
  explicit operator bool() const noexcept { return address_ != nullptr; }

 private:
  Mapping(void* address, std::size_t bytes) noexcept : address_(address), bytes_(bytes) {}
  void release() noexcept {
    if (address_ != nullptr) sys::munmap(address_, bytes_);
  }
  void* address_ = nullptr;
  std::size_t bytes_ = 0;
};

}  // namespace pollux

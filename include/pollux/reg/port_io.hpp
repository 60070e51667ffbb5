// SPDX-License-Identifier: BSD-3-Clause
// Registers behind x86 I/O ports, for Bar<Io>: FilePortIo through sysfs resourceN (or a VFIO region), PortIo through
// IN and OUT after ioperm(2).
#pragma once
#include <cstdint>
#include <string>
#include <utility>

#if defined(__x86_64__) || defined(__i386__)
#include <sys/io.h>
#endif

#include <pollux/core/unique_fd.hpp>
#include <pollux/reg/bar.hpp>

namespace pollux {

namespace reg {

/// Ports behind a file. Cost: 1 system call an access. Threads: any.
class FilePortIo {
 public:
  /// Pre: `fd` stays open. `base`: where in the file port 0 of the BAR is.
  explicit FilePortIo(int fd, std::uint64_t base = 0) noexcept : fd_(fd), base_(base) {}
  [[nodiscard]] std::uint8_t read8(std::uint32_t offset) const noexcept { return read<std::uint8_t>(offset); }
  [[nodiscard]] std::uint16_t read16(std::uint32_t offset) const noexcept { return read<std::uint16_t>(offset); }
  /// All ones where there is no port, as the bus would.
  [[nodiscard]] std::uint32_t read32(std::uint32_t offset) const noexcept { return read<std::uint32_t>(offset); }
  void write8(std::uint32_t offset, std::uint8_t value) const noexcept { write(offset, value); }
  void write16(std::uint32_t offset, std::uint16_t value) const noexcept { write(offset, value); }
  void write32(std::uint32_t offset, std::uint32_t value) const noexcept { write(offset, value); }

 private:
  template <class T>
  T read(std::uint32_t offset) const noexcept {
    T value{};
    const auto at = static_cast<off_t>(base_ + offset);
    return sys::pread(fd_, &value, sizeof value, at) == sizeof value ? value : static_cast<T>(~T{0});
  }
  template <class T>
  void write(std::uint32_t offset, T value) const noexcept {
    (void)sys::pwrite(fd_, &value, sizeof value, static_cast<off_t>(base_ + offset));
  }
  int fd_;
  std::uint64_t base_;
};
static_assert(RegisterIo<FilePortIo>);

#if defined(__x86_64__) || defined(__i386__)
/// Ports by IN and OUT. Cost: about 1 us an access (the CPU waits for the device). Threads: those that a PortRights was
/// made on, or that were started by it afterwards.
class PortIo {
 public:
  explicit PortIo(std::uint16_t first) noexcept : first_(first) {}
  [[nodiscard]] std::uint8_t read8(std::uint32_t offset) const noexcept { return ::inb(port(offset)); }
  [[nodiscard]] std::uint16_t read16(std::uint32_t offset) const noexcept { return ::inw(port(offset)); }
  [[nodiscard]] std::uint32_t read32(std::uint32_t offset) const noexcept { return ::inl(port(offset)); }
  void write8(std::uint32_t offset, std::uint8_t value) const noexcept { ::outb(value, port(offset)); }
  void write16(std::uint32_t offset, std::uint16_t value) const noexcept { ::outw(value, port(offset)); }
  void write32(std::uint32_t offset, std::uint32_t value) const noexcept { ::outl(value, port(offset)); }

 private:
  [[nodiscard]] std::uint16_t port(std::uint32_t offset) const noexcept {
    return static_cast<std::uint16_t>(first_ + offset);
  }
  std::uint16_t first_;
};
static_assert(RegisterIo<PortIo>);
#endif

}  // namespace reg

#if defined(__x86_64__) || defined(__i386__)
/// The calling thread's right to a range of I/O ports, taken back at the end.
class PortRights {
 public:
  /// Errors: raises EPERM (CAP_SYS_RAWIO, kernel lockdown), EINVAL (ports above 65535).
  PortRights(std::uint16_t first, std::uint16_t count) : first_(first), count_(count) {
    if (::ioperm(first, count, 1) == 0) return;
    raise({.code = errno,
           .operation = "use I/O ports",
           .object = text::cat(text::hex(first), "+", count),
           .where = "ioperm",
           .remedy = errno == EPERM ? "run with CAP_SYS_RAWIO; a locked-down kernel (Secure Boot) allows it to nobody, "
                                      "there use the ports through sysfs resourceN (FilePortIo)"
                                    : ""});
  }
  PortRights(const PortRights&) = delete;
  PortRights& operator=(const PortRights&) = delete;
  ~PortRights() { (void)::ioperm(first_, count_, 0); }

 private:
  std::uint16_t first_, count_;
};
#endif

}  // namespace pollux

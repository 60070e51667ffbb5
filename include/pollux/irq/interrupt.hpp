// SPDX-License-Identifier: BSD-3-Clause
// Interrupt: one interrupt of a device as a program waits for it, whichever kernel interface carries it.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include <pollux/core/clock.hpp>
#include <pollux/core/error.hpp>
#include <pollux/core/poll.hpp>
#include <pollux/core/unique_fd.hpp>

namespace pollux {

enum class IrqKind : std::uint8_t { kIntx, kMsi, kMsix };
constexpr std::string_view to_string(IrqKind kind) noexcept {
  switch (kind) {
    case IrqKind::kIntx:
      return "INTx";
    case IrqKind::kMsi:
      return "MSI";
    case IrqKind::kMsix:
      return "MSI-X";
  }
  return "?";
}

/// How many interrupts of each kind a backend can deliver from its device. Only one kind can be on at a time.
struct IrqCounts {
  unsigned intx = 0;  ///< 0 or 1
  unsigned msi = 0;   ///< 0, 1, 2, 4 .. 32
  unsigned msix = 0;  ///< 0 .. 2048
  [[nodiscard]] constexpr unsigned of(IrqKind kind) const noexcept {
    return kind == IrqKind::kIntx ? intx : kind == IrqKind::kMsi ? msi : msix;
  }
};

/// What a backend says of a device that cannot deliver n interrupts of that kind.
inline Failure no_such_interrupts(const std::string& device, const std::string& backend, IrqKind kind, unsigned n,
                                  const IrqCounts& counts) {
  return {.code = ENOTSUP,
          .operation = "turn on interrupts of",
          .object = device,
          .where = text::cat(n, " x ", to_string(kind), " through ", backend),
          .remedy = text::cat("there are INTx: ", counts.intx, ", MSI: ", counts.msi, ", MSI-X: ", counts.msix)};
}

/// One interrupt: an eventfd of VFIO, a UIO device, a UDD device. It is turned off when this is destroyed, which must
/// happen before its device is. Threads: one at a time.
///
/// The cycle: wait until `fd` is readable (poll, epoll, or `wait`), `try_take` what has come, serve the device,
/// `try_rearm`. MSI and MSI-X need no rearming; INTx and UIO stay masked until then.
class Interrupt {
 public:
  Interrupt() = default;
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;
  virtual ~Interrupt() = default;

  /// Readable while an interrupt has come that was not taken. To be polled, not read. -1: only `wait` can (UDD).
  [[nodiscard]] virtual int fd() const noexcept = 0;
  /// How many have come since the last call; several may count as one. 0: none. Never blocks.
  /// Cost: 1 system call. Errors: EIO when the device is gone.
  [[nodiscard]] virtual Result<std::uint64_t> try_take() = 0;
  /// Lets the next one come. Pre: the device no longer asserts the last one's cause, or it comes again at once.
  /// Cost: 0 to 2 system calls. Errors: EIO when the device is gone.
  [[nodiscard]] virtual Result<Done> try_rearm() = 0;

  /// Sleeps until an interrupt has come, at most `timeout` (below 0: for ever). Returns whether one has.
  /// Resolution: the kernel's high-resolution timers, plus its timer slack (50 us for SCHED_OTHER, prctl(2)
  /// PR_SET_TIMERSLACK; none for SCHED_FIFO). Returns early, false, when a signal handler ran. Cost: 1 system call.
  [[nodiscard]] virtual bool wait(Nanos timeout) const noexcept {
    pollfd one{.fd = fd(), .events = POLLIN, .revents = 0};
    return sys::poll_for(&one, 1, timeout.count) > 0;
  }
};

/// An eventfd that somebody else signals: MSI and MSI-X vectors, notices of VFIO, models. Needs no rearming.
class EventInterrupt : public Interrupt {
 public:
  /// Errors: raises EMFILE and the like.
  EventInterrupt() : fd_(sys::eventfd(0)) {
    if (!fd_) raise({.code = errno, .operation = "make an eventfd", .object = {}, .where = {}, .remedy = {}});
  }
  [[nodiscard]] int fd() const noexcept override { return fd_.get(); }
  [[nodiscard]] Result<std::uint64_t> try_take() override {
    std::uint64_t count = 0;
    if (sys::read(fd_.get(), &count, sizeof count) == sizeof count) return count;
    if (errno == EAGAIN || errno == EINTR) return std::uint64_t{0};
    return Failure{.code = errno, .operation = "read", .object = "eventfd", .where = {}, .remedy = {}};
  }
  [[nodiscard]] Result<Done> try_rearm() override { return Done{}; }

 private:
  UniqueFd fd_;
};

}  // namespace pollux

// SPDX-License-Identifier: BSD-3-Clause
// InterruptLines: where a model's interrupts go: eventfds by vector, as VFIO would signal them, and counters for tests.
#pragma once
#include <array>
#include <atomic>
#include <cstdint>

#include <pollux/core/syscall.hpp>

namespace pollux::sim {

/// Up to 64 message vectors and one INTx line. Threads: any. Whoever takes an eventfd away lets the model's lock pass
/// before closing it (SimBackend): a message may be under way.
class InterruptLines {
 public:
  static constexpr unsigned kVectors = 64;

  /// The eventfd that vector v signals; -1: none. The caller keeps it open as long as it is set.
  void set_eventfd(unsigned v, int fd) noexcept { fds_[v].store(fd, std::memory_order_release); }
  /// An MSI or MSI-X message was sent.
  void message(unsigned v) noexcept {
    sent_[v].fetch_add(1, std::memory_order_relaxed);
    const int fd = fds_[v].load(std::memory_order_acquire);
    const std::uint64_t one = 1;
    if (fd >= 0) (void)!sys::write(fd, &one, sizeof one);
  }
  /// The INTx line's level; a rising edge signals vector 0. Or, with set_masks_itself, as the kernel hands it to a VFIO
  /// user: the level signals once and is masked until `unmask`.
  void set_line(bool asserted) noexcept {
    const bool rises = line_.exchange(asserted) != asserted && asserted;
    if (!masks_itself_.load()) {
      if (rises) message(0);
    } else if (asserted) {
      signal_and_mask();
    }
  }
  void set_masks_itself(bool on) noexcept {
    masks_itself_.store(on);
    masked_.store(false);
    if (on && line_.load()) signal_and_mask();
  }
  void unmask() noexcept {
    masked_.store(false);
    if (line_.load()) signal_and_mask();  // still asserted: it comes again
  }
  [[nodiscard]] bool line() const noexcept { return line_.load(); }
  [[nodiscard]] std::uint64_t sent(unsigned v) const noexcept { return sent_[v].load(std::memory_order_relaxed); }

 private:
  struct Closed : std::atomic<int> {
    Closed() noexcept : std::atomic<int>(-1) {}
  };
  void signal_and_mask() noexcept {
    if (!masked_.exchange(true)) message(0);
  }
  std::array<Closed, kVectors> fds_{};
  std::array<std::atomic<std::uint64_t>, kVectors> sent_{};
  std::atomic<bool> line_{false}, masks_itself_{false}, masked_{false};
};

}  // namespace pollux::sim

// SPDX-License-Identifier: BSD-3-Clause
// InterruptLines: where a model's interrupts go: eventfds by vector, as VFIO would signal them, and counters for tests.
#pragma once
#include <array>
#include <atomic>
#include <cstdint>

#include <pollux/core/poll.hpp>
#include <pollux/core/syscall.hpp>

namespace pollux::sim {

/// Up to 64 message vectors and one INTx line. Threads: any. Whoever takes an eventfd away lets the model's lock pass
/// before closing it (SimBackend): a message may be under way.
class InterruptLines {
 public:
  static constexpr unsigned kVectors = 64;

  /// The eventfd that vector v signals; -1: none. The caller keeps it open as long as it is set.
  /// may_block: it is another's, and writing to it would wait when it is full: then nothing is written.
  void set_eventfd(unsigned v, int fd, bool may_block = false) noexcept {
    const std::uint64_t bit = std::uint64_t{1} << v;
    may_block ? may_block_.fetch_or(bit) : may_block_.fetch_and(~bit);
    fds_[v].store(fd, std::memory_order_release);
  }
  /// An MSI or MSI-X message was sent.
  void message(unsigned v) noexcept {
    sent_[v].fetch_add(1, std::memory_order_relaxed);
    const std::uint64_t bit = std::uint64_t{1} << v;
    if ((held_.load() & bit) != 0) {
      waiting_.fetch_or(bit);
      if ((held_.load() & bit) != 0 || (waiting_.fetch_and(~bit) & bit) == 0) return;  // let go meanwhile: not by us
    }
    signal(v);
  }
  /// Messages of these vectors wait from here on, each once; those of the others that waited are sent.
  void hold(std::uint64_t vectors) noexcept {
    held_.store(vectors);
    const std::uint64_t free = waiting_.fetch_and(vectors) & ~vectors;
    for (unsigned v = 0; v < kVectors; ++v) {
      if ((free >> v & 1) != 0) signal(v);
    }
  }
  /// Vectors with a message that waits.
  [[nodiscard]] std::uint64_t waiting() const noexcept { return waiting_.load(); }
  /// Those are forgotten.
  void forget() noexcept { waiting_.store(0); }
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
  void mask() noexcept { masked_.store(true); }
  void unmask() noexcept {
    masked_.store(false);
    if (line_.load()) signal_and_mask();  // still asserted: it comes again
  }
  [[nodiscard]] bool line() const noexcept { return line_.load(); }
  [[nodiscard]] std::uint64_t sent(unsigned v) const noexcept { return sent_[v].load(std::memory_order_relaxed); }

 private:
  void signal(unsigned v) noexcept {
    const int fd = fds_[v].load(std::memory_order_acquire);
    if (fd < 0) return;
    if ((may_block_.load(std::memory_order_relaxed) >> v & 1) != 0) {
      pollfd one{.fd = fd, .events = POLLOUT, .revents = 0};
      if (sys::poll_for(&one, 1, 0) <= 0) return;  // full: whoever reads it finds enough
    }
    const std::uint64_t count = 1;
    (void)!sys::write(fd, &count, sizeof count);
  }
  struct Closed : std::atomic<int> {
    Closed() noexcept : std::atomic<int>(-1) {}
  };
  void signal_and_mask() noexcept {
    if (!masked_.exchange(true)) message(0);
  }
  std::array<Closed, kVectors> fds_{};
  std::array<std::atomic<std::uint64_t>, kVectors> sent_{};
  std::atomic<std::uint64_t> held_{0}, waiting_{0}, may_block_{0};
  std::atomic<bool> line_{false}, masks_itself_{false}, masked_{false};
};

}  // namespace pollux::sim

// SPDX-License-Identifier: BSD-3-Clause
// Interrupts of 82599 and X540: received frames by queue and link changes, by INTx, MSI or MSI-X; masks, causes,
// throttling.
#pragma once
#include <atomic>
#include <cstdint>
#include <optional>

#include <pollux/core/clock.hpp>
#include <pollux/core/order.hpp>
#include <pollux/irq/vectors.hpp>
#include <pollux/ixgbe/regs.hpp>
#include <pollux/reg/bar.hpp>

namespace pollux::ixgbe {

/// The longest least time between two interrupts that EITR holds.
inline constexpr Nanos kLongestInterruptGap{decltype(Eitr::interval)::kMax * std::int64_t{2048}};

/// Causes that were read from EICR, which cleared them, and that nobody has asked for yet. Threads: any.
using LatchedCauses = std::atomic<std::uint32_t>;

/// Masks and unmasks the received frames of one queue. Threads: that of the queue; gates of a port share nothing that
/// is written, except causes where all share one interrupt.
///
/// A cause that comes while it is masked is kept and interrupts when it is unmasked. So nothing is lost between the
/// look at a ring and arming. What was seen by polling is kept as well, and interrupts once for nothing: under MSI-X
/// that costs a wake-up; where all share one interrupt, arming reads EICR first, which it needs anyway to let the line
/// go. Why a read, when a write of ones clears it too: a write is posted. It could reach the device after a frame that
/// came after the look, and clear the cause of that; the read is back before the look.
template <reg::RegisterIo Io>
class RxGate {
 public:
  RxGate(reg::Bar<Io> bar, std::uint32_t queue, LatchedCauses& latched) noexcept
      : bar_(bar), latched_(&latched), queue_(queue) {}
  enum class Kind : std::uint8_t { kNone, kShared, kVector };
  void set_kind(Kind kind) noexcept { kind_ = kind; }

  /// Cost: MSI-X 1 MMIO write; INTx, MSI 1 read and 1 write.
  void arm() noexcept {
    POLLUX_ASSERT(kind_ != Kind::kNone, "use_interrupts comes first");
    if (kind_ == Kind::kVector) return bar_.write(reg::Index{0}, EimsEx::vectors.from(bit()));
    latched_->fetch_or(bar_.template read<Eicr>().bits, std::memory_order_relaxed);
    dma::acquire();  // frames whose cause it found are visible now
    bar_.write(Eims::rtxq.from(bit()));
  }
  /// Cost: 1 MMIO write.
  void disarm() noexcept {
    if (kind_ == Kind::kVector) return bar_.write(reg::Index{0}, EimcEx::vectors.from(bit()));
    bar_.write(Eimc::causes.from(bit()));
  }

 private:
  [[nodiscard]] std::uint32_t bit() const noexcept { return 1u << queue_; }
  reg::Bar<Io> bar_;
  LatchedCauses* latched_;
  std::uint32_t queue_;  ///< its number, which is also its vector, and without MSI-X its bit in EICR
  Kind kind_ = Kind::kNone;
};

/// What belongs to the whole port. MSI-X: vector i is receive queue i, which masks and acknowledges itself so that
/// rearming is one write; the vector behind them has all other causes. INTx and MSI: queue i is bit i of EICR.
/// Threads: that of the port.
template <reg::RegisterIo Io>
class Interrupts {
 public:
  explicit Interrupts(reg::Bar<Io> bar) noexcept : bar_(bar) {}
  using Kind = typename RxGate<Io>::Kind;

  /// From the next set_up() on. Nothing: polling.
  void choose(std::optional<VectorLayout> layout, Nanos gap) noexcept {
    layout_ = layout;
    gap_ = gap;
  }
  [[nodiscard]] const std::optional<VectorLayout>& layout() const noexcept { return layout_; }
  [[nodiscard]] Kind kind() const noexcept {
    return !layout_ ? Kind::kNone : layout_->shared() ? Kind::kShared : Kind::kVector;
  }
  [[nodiscard]] LatchedCauses& latched() noexcept { return latched_; }

  /// Programs what was chosen; all that can be armed is masked afterwards. Pre: after the reset of a bring-up, or at
  /// any time later. Cost: 4 MMIO accesses when polling, else some 10 and 2 a queue. [linux ixgbe]
  void set_up() noexcept {
    mask_all();
    if (!layout_) return;
    const std::uint32_t queues = layout_->rx_queues;
    const std::uint32_t vectors = (1u << queues) - 1;
    const auto interval = static_cast<std::uint32_t>((gap_.count + 2047) / 2048);
    bar_.write(Eiam::rtxq(0) | Eiam::lsc(false));
    for (std::uint32_t i = 0; i < queues; ++i) bar_.write(reg::Index{i}, Eitr::interval.from(interval));
    for (std::uint32_t i = 0; 2 * i < queues; ++i) {  // transmit entries stay invalid
      bar_.write(reg::Index{i}, Ivar::vector0.from(2 * i) | Ivar::valid0(true) | Ivar::vector2.from(2 * i + 1) |
                                    Ivar::valid2.from(2 * i + 1 < queues));
    }
    if (layout_->shared()) {
      bar_.write(Gpie::msix_mode(false));
      bar_.write(Eiac::rtxq(0));
      return;
    }
    bar_.write(Gpie::msix_mode(true) | Gpie::ocd(true) | Gpie::eiame(true) | Gpie::pba_support(true));
    bar_.write(reg::Index{0}, EiamEx::vectors.from(vectors));
    bar_.write(reg::Index{1}, EiamEx::vectors(0));
    bar_.write(reg::Index{layout_->other()}, Eitr::interval(0));
    bar_.write(IvarMisc::vector1.from(layout_->other()) | IvarMisc::valid1(true));
    bar_.write(Eiac::rtxq.from(vectors));
    // EIMS gates the other causes; whether their vector needs its bit as well is not said, so it has it, for good.
    bar_.write(reg::Index{0}, EimsEx::vectors.from(1u << layout_->other()));
  }

  /// Cost: 1 MMIO write each.
  void arm_link() noexcept {
    POLLUX_ASSERT(layout_, "use_interrupts comes first");
    bar_.write(Eims::lsc(true));
  }
  void disarm_link() noexcept { bar_.write(Eimc::causes(Eimc::kLsc)); }

  /// What has come since the last call; the line goes. MSI-X: EICR's read would take causes from the queues' vectors,
  /// EICS shows them without. [linux ixgbe] Cost: 1 MMIO read, under MSI-X at most 1 write as well.
  InterruptCauses take_causes() noexcept {
    if (layout_ && !layout_->shared()) {
      const auto seen = bar_.template read<Eics>();
      const bool link = seen[Eics::lsc], miss = seen[Eics::rx_miss];
      if (link || miss) bar_.clear_w1c(Eicr::lsc.from(link) | Eicr::rx_miss.from(miss));
      return {.rx = false, .link = link, .other = miss};
    }
    latched_.fetch_or(bar_.template read<Eicr>().bits, std::memory_order_relaxed);
    dma::acquire();
    const reg::Value<Eicr> seen{latched_.exchange(0, std::memory_order_relaxed)};
    return {.rx = seen[Eicr::rtxq] != 0, .link = seen[Eicr::lsc], .other = seen[Eicr::rx_miss]};
  }

 private:
  void mask_all() noexcept {
    bar_.write(Eimc::causes(0x7FFF'FFFF));
    for (std::uint32_t i = 0; i < EimcEx::kCount; ++i) bar_.write(reg::Index{i}, EimcEx::vectors(0xFFFF'FFFF));
    (void)bar_.template read<Eicr>();
    latched_.store(0, std::memory_order_relaxed);
  }

  reg::Bar<Io> bar_;
  std::optional<VectorLayout> layout_;
  Nanos gap_{};
  LatchedCauses latched_{0};
};

}  // namespace pollux::ixgbe

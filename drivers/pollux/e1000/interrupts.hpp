// SPDX-License-Identifier: BSD-3-Clause
// Interrupts of the 82574: received frames and link changes, by INTx, MSI or MSI-X; masks, causes, throttling.
#pragma once
#include <cstdint>
#include <optional>
#include <utility>

#include <pollux/core/clock.hpp>
#include <pollux/core/order.hpp>
#include <pollux/e1000/regs.hpp>
#include <pollux/irq/vectors.hpp>
#include <pollux/reg/bar.hpp>

namespace pollux::e1000 {

/// The longest least time between two interrupts that ITR and EITR hold.
inline constexpr Nanos kLongestInterruptGap{0xFFFF * 256};

/// The chip's MSI-X has five causes (receive queues 0 and 1, transmit queues 0 and 1, other) and five vectors. This
/// driver has one receive queue and lets nothing wait for transmission, so it uses two: vector 0 for receive queue 0,
/// which masks and acknowledges itself so that rearming is one write, and vector 1 for all other causes, which is read
/// like a shared line, at times when that does not matter. With one for both, each link change would cost the packet
/// path a read of ICR, and each wake-up too. INTx and MSI: RXT0 and LSC in ICR.
/// Delay timers (RDTR, RADV, TIDV, IDE) stay off: [quirk qemu] one that is under way when MSI-X is turned on ends the
/// machine; EITR does their work.
///
/// A cause that comes while it is masked is kept in ICR and interrupts when it is unmasked. So nothing is lost between
/// the look at a ring and arming. What was seen by polling is in ICR as well, and interrupts once for nothing: under
/// MSI-X that costs a wake-up; where all share one interrupt, arming reads ICR first, which it needs anyway to let the
/// line go. Why a read, when a write of ones clears it too: a write is posted. It could reach the device after a frame
/// that came after the look, and clear the cause of that; the read is back before the look.
/// Threads: that of the port.
template <reg::RegisterIo Io>
class Interrupts {
 public:
  explicit Interrupts(reg::Bar<Io> bar) noexcept : bar_(bar) {}

  /// From the next set_up() on. Nothing: polling.
  void choose(std::optional<VectorLayout> layout, Nanos gap) noexcept {
    layout_ = layout;
    gap_ = gap;
  }
  [[nodiscard]] const std::optional<VectorLayout>& layout() const noexcept { return layout_; }

  /// Programs what was chosen; everything is masked afterwards. Pre: after the reset of a bring-up, or at any time
  /// later. Cost: 2 MMIO accesses when polling, else some 8. [82574, linux e1000e]
  void set_up() noexcept {
    if (!layout_) return mask_all();
    mask_all();
    const auto interval = static_cast<std::uint32_t>((gap_.count + 255) / 256);
    if (layout_->shared()) {
      bar_.modify(CtrlExt::iame(false) | CtrlExt::eiame(false));
      bar_.write(Itr::interval.from(interval));
      return;
    }
    bar_.write(reg::Index{layout_->rx()}, Eitr::interval.from(interval));
    bar_.write(reg::Index{layout_->other()}, Eitr::interval(0));
    bar_.write(Eiac::rxq0(true));
    bar_.write(Iam::rxq0(true));
    bar_.write(Ivar::rxq0.from(Ivar::kValid | layout_->rx()) | Ivar::other.from(Ivar::kValid | layout_->other()));
    bar_.modify(CtrlExt::iame(false) | CtrlExt::eiame(true) | CtrlExt::pba_clr(true));
  }

  /// Cost: MSI-X 1 MMIO write; INTx, MSI 1 read and 1 write.
  void arm_rx() noexcept {
    POLLUX_ASSERT(layout_, "use_interrupts comes first");
    if (!layout_->shared()) return bar_.write(Ims::rxq0(true));
    latch();
    bar_.write(Ims::rxt0(true));
  }
  /// Cost: 1 MMIO write.
  void disarm_rx() noexcept {
    bar_.write(layout_ && !layout_->shared() ? Imc::causes(Imc::kRxq0) : Imc::causes(Imc::kRxt0));
  }
  void arm_link() noexcept {
    POLLUX_ASSERT(layout_, "use_interrupts comes first");
    bar_.write(layout_->shared() ? Ims::lsc(true) : Ims::lsc(true) | Ims::other(true));
  }
  void disarm_link() noexcept { bar_.write(Imc::causes(Imc::kLsc | Imc::kOther)); }

  /// What has come since the last call; the line goes. Cost: 1 MMIO read, under MSI-X at most 1 write as well.
  InterruptCauses take_causes() noexcept {
    latch();
    const reg::Value<Icr> seen{std::exchange(seen_, 0)};
    const bool msix = layout_ && !layout_->shared();
    // Reading has taken the queue's cause away from vector 0: it is given back. [linux e1000e]
    if (msix && seen[Icr::rxq0]) bar_.write(Ics::rxq0(true));
    return {.rx = !msix && seen[Icr::rxt0], .link = seen[Icr::lsc], .other = seen[Icr::rxo]};
  }

 private:
  void mask_all() noexcept {
    bar_.write(Imc::causes(0xFFFF'FFFF));
    (void)bar_.template read<Icr>();
    seen_ = 0;
  }
  /// Reads ICR, which clears it, and remembers. Frames whose cause it found are visible afterwards.
  void latch() noexcept {
    seen_ |= bar_.template read<Icr>().bits;
    dma::acquire();
  }

  reg::Bar<Io> bar_;
  std::optional<VectorLayout> layout_;
  Nanos gap_{};
  std::uint32_t seen_ = 0;  ///< causes that were read and not asked for yet
};

}  // namespace pollux::e1000

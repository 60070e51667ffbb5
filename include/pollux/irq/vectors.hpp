// SPDX-License-Identifier: BSD-3-Clause
// VectorLayout: which interrupt of a NIC's port belongs to what. InterruptCauses: what an interrupt came for.
#pragma once
#include <string>

#include <pollux/irq/interrupt.hpp>

namespace pollux {

/// The same for every driver. MSI-X: receive queue i is vector i, all other causes (the link) are the last one. INTx
/// and MSI: one interrupt for everything. So `open_interrupts(layout.kind, layout.count())` gives a vector of
/// Interrupts whose indices are `rx(i)` and `other()`. Nothing interrupts for sent frames: tx_burst and reclaim look
/// after those.
struct VectorLayout {
  IrqKind kind = IrqKind::kMsix;
  unsigned rx_queues = 1;

  /// All causes share one interrupt: ask take_causes() what it came for.
  [[nodiscard]] constexpr bool shared() const noexcept { return kind != IrqKind::kMsix; }
  [[nodiscard]] constexpr unsigned count() const noexcept { return shared() ? 1 : rx_queues + 1; }
  [[nodiscard]] constexpr unsigned rx(unsigned queue = 0) const noexcept { return shared() ? 0 : queue; }
  [[nodiscard]] constexpr unsigned other() const noexcept { return shared() ? 0 : rx_queues; }
};

/// What has happened since the last time it was asked. None: the interrupt came without cause, which is harmless.
struct InterruptCauses {
  bool rx = false;     ///< frames were received; on MSI-X this is not told, as the queues' vectors tell it
  bool link = false;   ///< the link has changed: look at link() now, not before
  bool other = false;  ///< something that nobody armed
  [[nodiscard]] constexpr bool none() const noexcept { return !rx && !link && !other; }
  friend constexpr bool operator==(InterruptCauses, InterruptCauses) = default;
};

/// Errors: raises EINVAL for a least time between two interrupts that `port`'s registers cannot hold.
inline void check_interrupt_gap(Nanos gap, Nanos longest, const std::string& port) {
  if (gap >= Nanos{0} && gap <= longest) return;
  raise({.code = EINVAL,
         .operation = "set up interrupts of",
         .object = port,
         .where = text::cat(gap.count, " ns between two"),
         .remedy = text::cat("0 to ", longest.count, " ns are possible")});
}

}  // namespace pollux

// SPDX-License-Identifier: BSD-3-Clause
// What stands behind AnyPort::open_waiter: the best interrupts that a driver's port and its backend have, or a model's.
#pragma once
#include <algorithm>
#include <memory>
#include <string_view>
#include <vector>

#include <pollux/irq/rx_waiter.hpp>
#include <pollux/irq/vectors.hpp>
#include <pollux/net/port_waiter.hpp>

namespace pollux::detail {

static_assert(Waitable<PortWaiter>);

/// The frames of a driver's port with one receive queue, by the first of MSI-X, MSI and INTx that its backend has.
template <class P>
class InterruptWaiter final : public PortWaiter {
 public:
  /// Errors: raises ENOTSUP where there are none, and what open_interrupts raises.
  explicit InterruptWaiter(P& port)
      : port_(&port),
        layout_(best(port)),
        interrupts_(port.backend().open_interrupts(layout_.kind, layout_.count())),
        waiter_(port, *interrupts_[layout_.rx()]) {
    port.use_interrupts(layout_.kind);
  }
  ~InterruptWaiter() override { port_->use_polling(); }  // before the interrupts go

  [[nodiscard]] bool ready() noexcept override { return waiter_.ready(); }
  void arm() override { waiter_.arm(); }
  void disarm() override { waiter_.disarm(); }
  void block(Nanos timeout) override { waiter_.block(timeout); }
  [[nodiscard]] const std::optional<Failure>& failure() const noexcept override { return waiter_.failure(); }
  [[nodiscard]] int fd() const noexcept override { return waiter_.fd(); }
  [[nodiscard]] std::string_view by() const noexcept override { return to_string(layout_.kind); }
  [[nodiscard]] const Interrupt& interrupt() const noexcept { return *interrupts_[layout_.rx()]; }

 private:
  static VectorLayout best(P& port) {
    const IrqCounts there = port.backend().irq_counts();
    for (const IrqKind kind : {IrqKind::kMsix, IrqKind::kMsi, IrqKind::kIntx}) {
      const VectorLayout layout{.kind = kind, .rx_queues = 1};
      if (there.of(kind) >= layout.count()) return layout;
    }
    raise({.code = ENOTSUP,
           .operation = "wait for frames of",
           .object = port.name(),
           .where = "it was opened in a way that has no interrupts",
           .remedy = "bind it to vfio-pci or uio_pci_generic (pollux-devbind), or poll it"});
  }

  P* port_;
  VectorLayout layout_;
  std::vector<std::unique_ptr<Interrupt>> interrupts_;
  RxWaiter<P> waiter_;
};

/// The same of a simulated port, whose model works whenever somebody looks: while blocked it does so every
/// millisecond. Its fd tells of nothing while nobody looks.
template <class Sim>
class SteppingWaiter final : public PortWaiter {
 public:
  explicit SteppingWaiter(Sim& sim) : sim_(&sim), inner_(sim.port()) {}

  [[nodiscard]] bool ready() noexcept override {
    (void)sim_->step();
    return inner_.ready();
  }
  void arm() override { inner_.arm(); }
  void disarm() override { inner_.disarm(); }
  void block(Nanos timeout) override {
    const SteadyClock clock;
    const Nanos end = end_of(clock.now(), timeout);
    for (;;) {
      (void)sim_->step();
      const Nanos left = end - clock.now();
      if (inner_.interrupt().wait(std::clamp(left, Nanos{0}, Nanos{1'000'000}))) return inner_.block(Nanos{0});
      if (left <= Nanos{0}) return;
    }
  }
  [[nodiscard]] const std::optional<Failure>& failure() const noexcept override { return inner_.failure(); }
  [[nodiscard]] int fd() const noexcept override { return inner_.fd(); }
  [[nodiscard]] std::string_view by() const noexcept override { return inner_.by(); }

 private:
  Sim* sim_;
  InterruptWaiter<typename Sim::Port> inner_;
};

}  // namespace pollux::detail

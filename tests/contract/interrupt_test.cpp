// SPDX-License-Identifier: BSD-3-Clause
// The contract of PollModePort for programs that wait: received through RxWaiter and a policy, by each kind of
// interrupt, on the models of both NICs.
#include "../irq/rig.hpp"

#include "contract.hpp"
#include "waiting.hpp"

namespace contract {
namespace {

/// A microsecond at each look; nobody else's time.
class TickingClock {
 public:
  [[nodiscard]] Nanos now() const noexcept { return {now_ += 1'000}; }
  void pause(Nanos span) const noexcept { now_ += span.count; }

 private:
  mutable std::int64_t now_ = 0;
};
static_assert(Clock<TickingClock>);

template <class Kind, IrqKind Irq, template <class> class Policy, sim::Doorbells Mode = sim::Doorbells::kInline>
class WaitingRig {
 public:
  static constexpr std::uint32_t kMinRing = Kind::kMinRing;
  static constexpr std::uint32_t kStride = 1;
  using Nic = irq_rig::Nic<Kind, Mode>;
  using Port = WaitingPort<typename Nic::Port, Policy<TickingClock>, irq_rig::Accesses>;
  static_assert(PollModePort<Port>);

  class End {
   public:
    End(WaitingRig& rig, sim::WireEnd& wire, const MacAddress& mac, const char* name, std::uint32_t buffers,
        const typename Kind::Config& config)
        : nic_(rig.clock_, rig.iommu_, wire, rig.faults_, mac, name, buffers, config),
          port_(nic_.port, (nic_.open(Irq), nic_.rx()), Policy<TickingClock>(BlockConfig{.spin = 1_us, .longest = 1_s}),
                4_us, nic_.backend.count()) {}
    [[nodiscard]] Port& port() noexcept { return port_; }
    [[nodiscard]] BufferPool& pool() noexcept { return nic_.pool; }
    /// Without those that waiting costs.
    [[nodiscard]] Accesses accesses() const noexcept {
      const irq_rig::Accesses own = nic_.backend.count() - port_.waiting();
      return {own.reads, own.writes};
    }
    [[nodiscard]] Nic& nic() noexcept { return nic_; }

   private:
    Nic nic_;
    Port port_;
  };

 private:
  sim::VirtualClock clock_;
  sim::Iommu iommu_;
  sim::FaultLog faults_;
  sim::Cable cable_;

 public:
  End left, right;

  explicit WaitingRig(const RigOptions& o)
      : left(*this, cable_.a(), irq_rig::kLeft, "left", o.left_buffers, config(o)),
        right(*this, cable_.b(), irq_rig::kRight, "right", o.right_buffers, config(o)) {
    Moments::get() = {};
    Moments::get().sleep = [](pollfd* fds, nfds_t n, const timespec*) {
      constexpr timespec kNow{};
      return ::ppoll(fds, n, &kNow, nullptr);  // nobody else is there who could make anything arrive
    };
    left.nic().port.start();
    right.nic().port.start();
  }
  ~WaitingRig() { Moments::get() = {}; }
  void step() noexcept {
    for (int i = 0; i < 64; ++i) {
      const bool a = left.nic().model.step(), b = right.nic().model.step();
      if (!a && !b) return;
    }
  }
  void work() noexcept { step(); }
  template <class Done>
  void await(Done done) {
    for (int i = 0; i < 4; ++i) {
      step();
      if (done()) return;
    }
  }
  void hold_sending(bool hold) { set_link(!hold); }
  void set_link(bool up) {
    cable_.set_link(up);
    step();
    for (int i = 0; i < 500; ++i) {
      if (left.port().link().up == up && right.port().link().up == up) return;
      clock_.advance(10_ms);
    }
    ADD_FAILURE() << "the link does not go " << (up ? "up" : "down");
  }
  void restart(End& end) {
    end.nic().port.stop();
    end.nic().port.start();
  }
  void stop_all() noexcept {
    left.nic().port.stop();
    right.nic().port.stop();
  }
  [[nodiscard]] std::string problems() {
    return faults_.count() == 0 ? std::string() : faults_.faults().front().text();
  }

 private:
  static typename Kind::Config config(const RigOptions& o) {
    typename Kind::Config c;
    c.rx_descriptors = o.rx_descriptors;
    c.tx_descriptors = o.tx_descriptors;
    c.doorbell = o.doorbell;
    return c;
  }
};

using irq_rig::E82574, irq_rig::E82599;
using Rigs = ::testing::Types<
    WaitingRig<E82574, IrqKind::kIntx, SpinThenBlock>, WaitingRig<E82574, IrqKind::kMsi, SpinThenBlock>,
    WaitingRig<E82574, IrqKind::kMsix, AdaptiveWait, sim::Doorbells::kShared>,
    WaitingRig<E82599, IrqKind::kIntx, SpinThenBlock>, WaitingRig<E82599, IrqKind::kMsi, SpinThenBlock>,
    WaitingRig<E82599, IrqKind::kMsix, AdaptiveWait, sim::Doorbells::kShared>>;
struct Names {
  template <class Rig>
  static std::string GetName(int i) {
    constexpr const char* kNames[] = {"I82574Intx", "I82574Msi", "I82574Msix", "I82599Intx", "I82599Msi", "I82599Msix"};
    return kNames[i];
  }
};
INSTANTIATE_TYPED_TEST_SUITE_P(Waiting, PortContract, Rigs, Names);

}  // namespace
}  // namespace contract

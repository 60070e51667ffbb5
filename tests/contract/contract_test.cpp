// SPDX-License-Identifier: BSD-3-Clause
// The contract of PollModePort on the models of 82574, 82599 and X540, with doorbells that call the model and with
// doorbells in memory.
#include <pollux/sim/backend.hpp>

#include "contract.hpp"
#include "models.hpp"

namespace contract {
namespace {

/// The model's backend with both kinds of register access counted, and with the identity that the chip asks for.
template <class Kind, sim::Doorbells Mode>
class CountedBackend {
 public:
  using Inner = sim::SimBackend<typename Kind::Model, Mode>;
  using Io = CountedIo<typename Inner::Io>;
  using DoorbellIo = CountedIo<typename Inner::DoorbellIo>;
  using Clock = typename Inner::Clock;

  CountedBackend(typename Kind::Model& model, sim::VirtualClock& clock, const char* name)
      : inner_(model, sim::VirtualClock::Handle(clock), name) {}
  [[nodiscard]] reg::Bar<Io> bar(unsigned i) { return reg::Bar<Io>(Io(inner_.bar(i).io(), count_)); }
  [[nodiscard]] reg::Bar<DoorbellIo> doorbells(unsigned i) {
    return reg::Bar<DoorbellIo>(DoorbellIo(inner_.doorbells(i).io(), count_));
  }
  [[nodiscard]] Clock clock() const noexcept { return inner_.clock(); }
  [[nodiscard]] DmaDomain& domain() noexcept { return inner_.domain(); }
  void enable_bus_master() { inner_.enable_bus_master(); }
  void disable_bus_master() noexcept { inner_.disable_bus_master(); }
  [[nodiscard]] auto config() const { return inner_.config(); }
  [[nodiscard]] PciId id() const noexcept { return Kind::id(inner_.id()); }
  [[nodiscard]] const std::string& name() const noexcept { return inner_.name(); }
  [[nodiscard]] const Accesses& count() const noexcept { return count_; }

 private:
  Inner inner_;
  Accesses count_;
};

template <class Kind, sim::Doorbells Mode>
class SimRig {
 public:
  static constexpr std::uint32_t kMinRing = Kind::kMinRing;
  static constexpr std::uint32_t kStride = 1;
  using Backend = CountedBackend<Kind, Mode>;
  using Port = typename Kind::template Port<Backend>;
  static_assert(DeviceBackend<Backend> && PollModePort<Port>);

  class End {
   public:
    End(SimRig& rig, typename Kind::Model& model, const char* name, std::uint32_t buffers,
        const typename Kind::Config& config)
        : backend_(model, rig.clock_, name),
          pool_(rig.iommu_, buffers, BufferPool::kDefaultBufferBytes, PagePreference::kOrdinary),
          port_(backend_, pool_, config) {}
    [[nodiscard]] Port& port() noexcept { return port_; }
    [[nodiscard]] BufferPool& pool() noexcept { return pool_; }
    [[nodiscard]] Accesses accesses() const noexcept { return backend_.count(); }

   private:
    Backend backend_;
    BufferPool pool_;
    Port port_;
  };

 private:
  sim::VirtualClock clock_;
  sim::Iommu iommu_;
  sim::FaultLog faults_;
  sim::Cable cable_;
  typename Kind::Model left_model_{iommu_, cable_.a(), faults_, Kind::card(kLeft)};
  typename Kind::Model right_model_{iommu_, cable_.b(), faults_, Kind::card(kRight)};
  bool joined_ = join();
  std::string problems_;

 public:
  End left, right;

  explicit SimRig(const RigOptions& o)
      : left(*this, left_model_, "left", o.left_buffers, config(o)),
        right(*this, right_model_, "right", o.right_buffers, config(o)) {
    left.port().start();
    right.port().start();
  }
  void step() noexcept {
    for (int i = 0; i < 64; ++i) {
      const bool a = left_model_.step(), b = right_model_.step();
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
    step();  // both see it at one time, so that neither sends while the other does not listen
    for (int i = 0; i < 500; ++i) {
      if (left.port().link().up == up && right.port().link().up == up) return;
      clock_.advance(10_ms);
    }
    ADD_FAILURE() << "the link does not go " << (up ? "up" : "down");
  }
  void restart(End& end) {
    end.port().stop();
    end.port().start();
    sort_faults();
  }
  void stop_all() noexcept {
    left.port().stop();
    right.port().stop();
  }
  [[nodiscard]] std::string problems() {
    sort_faults();
    return problems_;
  }

 private:
  void sort_faults() {
    const std::vector<sim::Fault> faults = faults_.faults();
    if (faults.size() < faults_.count()) problems_ += text::cat(faults_.count(), " faults; the first of them:\n");
    for (const sim::Fault& f : faults) problems_ += Kind::excused(f) ? "" : f.text() + "\n";
    faults_.clear();
  }
  bool join() {
    for (typename Kind::Model* model : {&left_model_, &right_model_}) {
      model->set_time([this] { return clock_.now(); });
      clock_.on_advance([model] { (void)model->step(); });
    }
    return true;
  }
  static typename Kind::Config config(const RigOptions& o) {
    typename Kind::Config c;
    c.rx_descriptors = o.rx_descriptors;
    c.tx_descriptors = o.tx_descriptors;
    c.doorbell = o.doorbell;
    return c;
  }
};

using Rigs = ::testing::Types<SimRig<E82574, sim::Doorbells::kInline>, SimRig<E82574, sim::Doorbells::kShared>,
                              SimRig<Cx4, sim::Doorbells::kInline>, SimRig<Cx4, sim::Doorbells::kShared>,
                              SimRig<Sfp, sim::Doorbells::kInline>, SimRig<Sfp, sim::Doorbells::kShared>,
                              SimRig<X540, sim::Doorbells::kInline>, SimRig<X540, sim::Doorbells::kShared>>;
struct Names {
  template <class Rig>
  static std::string GetName(int i) {
    constexpr const char* kNames[] = {"I82574Inline",    "I82574Shared",    "I82599Cx4Inline", "I82599Cx4Shared",
                                      "I82599SfpInline", "I82599SfpShared", "IX540Inline",     "IX540Shared"};
    return kNames[i];
  }
};
INSTANTIATE_TYPED_TEST_SUITE_P(Sim, PortContract, Rigs, Names);

}  // namespace
}  // namespace contract

// SPDX-License-Identifier: BSD-3-Clause
// The contract of PollModePort over vfio-user: the drivers here, their devices behind sockets, served by another
// thread; with memory that the servers map, and with memory that they ask for by message.
#include <atomic>
#include <chrono>
#include <mutex>
#include <thread>

#include <pollux/backend/vfio_user.hpp>
#include <pollux/sim/vfio_user_server.hpp>

#include "../contract/contract.hpp"
#include "../contract/models.hpp"
#include "raw_client.hpp"

namespace contract {
namespace {

using Device = CountedDevice<VfioUserDevice>;

template <class Kind, sim::ClientFiles Files>
class VfioUserRig {
 public:
  static constexpr std::uint32_t kMinRing = Kind::kMinRing;
  static constexpr std::uint32_t kStride = 5;
  using Port = typename Kind::template Port<Device>;

  /// A device and its server.
  struct Served {
    Served(const std::string& path, sim::WireEnd& wire, const MacAddress& mac)
        : model(iommu, wire, faults, Kind::quick_card(mac)), device(model), server(device, path, {.files = Files}) {
      model.set_time([] { return SteadyClock{}.now(); });
    }
    sim::Iommu iommu;
    sim::FaultLog faults;
    typename Kind::Model model;
    sim::ServedModel<typename Kind::Model> device;
    sim::VfioUserServer server;
  };
  class End {
   public:
    End(const std::string& path, std::uint32_t buffers, const typename Kind::Config& config)
        : device_(domain_, path), counted_(device_), pool_(domain_, buffers), port_(counted_, pool_, config) {}
    [[nodiscard]] Port& port() noexcept { return port_; }
    [[nodiscard]] BufferPool& pool() noexcept { return pool_; }
    [[nodiscard]] Accesses accesses() const noexcept { return counted_.count(); }
    bool serve() noexcept { return device_.serve(); }

   private:
    VfioUserDomain domain_;
    VfioUserDevice device_;
    Device counted_;
    BufferPool pool_;
    Port port_;
  };

 private:
  vu::Directory directory_;
  sim::Cable cable_;
  Served left_served_{directory_ / "left", cable_.a(), kLeft};
  Served right_served_{directory_ / "right", cable_.b(), kRight};
  std::mutex mutex_;  ///< of everything on the servers' side
  std::vector<End*> ends_;
  /// Serves while the drivers wait for answers.
  class Thread {
   public:
    explicit Thread(VfioUserRig& rig)
        : thread_([this, &rig] {
            while (!ended_) {
              bool moved;
              {
                const std::scoped_lock lock(rig.mutex_);
                moved = rig.turn();
              }
              pollfd fds[] = {{.fd = rig.left_served_.server.fd(), .events = POLLIN, .revents = 0},
                              {.fd = rig.right_served_.server.fd(), .events = POLLIN, .revents = 0}};
              (void)sys::poll_for(fds, 2, moved ? 0 : 200'000);
            }
          }) {}
    ~Thread() {
      ended_ = true;
      thread_.join();
    }

   private:
    std::atomic<bool> ended_{false};
    std::thread thread_;
  };
  Thread thread_{*this};

 public:
  End left, right;

  explicit VfioUserRig(const RigOptions& o)
      : left(directory_ / "left", o.left_buffers, config(o)), right(directory_ / "right", o.right_buffers, config(o)) {
    {
      const std::scoped_lock lock(mutex_);
      ends_ = {&left, &right};
    }
    left.port().start();
    right.port().start();
  }
  ~VfioUserRig() {
    const std::scoped_lock lock(mutex_);
    ends_.clear();
  }
  void step() noexcept {
    const std::scoped_lock lock(mutex_);
    while (turn()) {}
  }
  void work() noexcept { step(); }
  template <class Done>
  void await(Done done) {
    for (const Nanos end = SteadyClock{}.now() + 10_s; SteadyClock{}.now() < end;) {
      step();
      if (done()) return;
    }
  }
  void hold_sending(bool hold) { set_link(!hold); }
  void set_link(bool up) {
    {
      const std::scoped_lock lock(mutex_);
      cable_.set_link(up);
    }
    for (const Nanos end = SteadyClock{}.now() + 10_s; SteadyClock{}.now() < end;) {
      step();
      if (left.port().link().up == up && right.port().link().up == up) return;
    }
    ADD_FAILURE() << "the link does not go " << (up ? "up" : "down");
  }
  void restart(End& end) {
    end.port().stop();
    end.port().start();
  }
  void stop_all() noexcept {
    left.port().stop();
    right.port().stop();
  }
  [[nodiscard]] std::string problems() {
    std::string out;
    for (Served* served : {&left_served_, &right_served_}) {
      for (const sim::Fault& f : served->faults.faults()) out += f.text() + "\n";
      if (!served->server.connected()) out += "dropped: " + served->server.complaint() + "\n";
      const auto& memory = served->server.memory();
      if ((Files == sim::ClientFiles::kNone ? memory.mapped : memory.by_message) != 0)
        out += "memory is not the servers'\n";
    }
    return out;
  }

 private:
  /// Pre: mutex_ is held.
  bool turn() noexcept {
    bool moved = left_served_.server.step();
    moved = right_served_.server.step() || moved;
    for (End* end : ends_) moved = end->serve() || moved;
    return moved;
  }
  static typename Kind::Config config(const RigOptions& o) {
    typename Kind::Config c;
    c.rx_descriptors = o.rx_descriptors;
    c.tx_descriptors = o.tx_descriptors;
    c.doorbell = o.doorbell;
    return c;
  }
};

using Rigs = ::testing::Types<VfioUserRig<E82574, sim::ClientFiles::kSealed>,
                              VfioUserRig<E82574, sim::ClientFiles::kNone>, VfioUserRig<Cx4, sim::ClientFiles::kSealed>,
                              VfioUserRig<Cx4, sim::ClientFiles::kNone>, VfioUserRig<Sfp, sim::ClientFiles::kSealed>>;
struct Names {
  template <class Rig>
  static std::string GetName(int i) {
    constexpr const char* kNames[] = {"I82574Mapped", "I82574ByMessage", "I82599Cx4Mapped", "I82599Cx4ByMessage",
                                      "I82599SfpMapped"};
    return kNames[i];
  }
};
INSTANTIATE_TYPED_TEST_SUITE_P(VfioUser, PortContract, Rigs, Names);

}  // namespace
}  // namespace contract

// SPDX-License-Identifier: BSD-3-Clause
// The contract of PollModePort on two NICs of the lab's guest, NIC 0 - NIC 1, of the kind that a Chip tells, through
// the backend that POLLUX_BACKEND names (vfio, vfio-cdev, vfio-noiommu, uio, sysfs; without: vfio; uio: the driver that
// POLLUX_LAB_DRIVER names): polling, and waiting for interrupts of each kind that the backend can deliver.
#pragma once
#include "../contract/contract.hpp"
#include "../contract/counted.hpp"
#include "../contract/waiting.hpp"

#include <stdlib.h>

#include <pollux/backend/open.hpp>

#include "lab_device.hpp"

namespace contract {
namespace {

std::string backend() {
  const char* name = ::getenv("POLLUX_BACKEND");
  return name == nullptr ? "vfio" : name;
}

/// Gives both NICs to the driver that the backend wants, and gives them back.
class Binding : public ::testing::Environment {
 public:
  void SetUp() override {
    const std::string driver = backend().starts_with("vfio") ? "vfio-pci" : backend() == "uio" ? lab::uio_driver() : "";
    if (backend() == "vfio-noiommu") {
      ASSERT_EQ(::system("modprobe vfio; echo Y > /sys/module/vfio/parameters/enable_unsafe_noiommu_mode"), 0);
    }
    const std::string load = "modprobe " + driver;
    ASSERT_TRUE(driver.empty() || ::system(load.c_str()) == 0) << load;
    for (const unsigned n : {0u, 1u}) {
      former_.push_back(PciSysfs{}.info(lab::nic(n)).driver);
      if (driver.empty()) {
        ASSERT_TRUE(try_restore_driver(PciSysfs{}, lab::nic(n), std::nullopt));
      } else {
        bind_driver(PciSysfs{}, lab::nic(n), driver);
      }
    }
  }
  void TearDown() override {
    for (const unsigned n : {0u, 1u}) EXPECT_TRUE(try_restore_driver(PciSysfs{}, lab::nic(n), former_[n]));
    EXPECT_NE(::system("dmesg | grep -E 'DMAR:.*(fault|DMA (Read|Write))'"), 0) << "DMA went astray";
  }

 private:
  std::vector<std::optional<std::string>> former_;
};
const auto* const kBinding = ::testing::AddGlobalTestEnvironment(new Binding);

using Device = CountedDevice<PciDevice>;
static_assert(InterruptCapable<Device>);

/// The application that polls. C: a driver and the registers that the rig itself needs:
///   Port<Backend>, Config, kMinRing
///   bool idle(bar)           everything given to the device is sent
///   std::uint32_t head(bar)  of the receive queue
///   void hold(bar, bool)     sends nothing, or goes on
template <class C>
struct Polled {
  using Chip = C;
  using Driver = typename C::template Port<Device>;
  using Port = Driver;
  static_assert(PollModePort<Port>);
  Polled(Device& device, BufferPool& pool, const typename C::Config& config) : port(device, pool, config) {}
  [[nodiscard]] Port& seen() noexcept { return port; }
  [[nodiscard]] Accesses waiting() const noexcept { return {}; }
  Driver port;
};

/// The application that sleeps until an interrupt of one kind.
template <class C, IrqKind kKind>
struct Awaited {
  using Chip = C;
  using Driver = typename C::template Port<Device>;
  using Port = WaitingPort<Driver, SpinThenBlock<>, Accesses, false>;
  Awaited(Device& device, BufferPool& pool, const typename C::Config& config)
      : port(device, pool, config),
        interrupts((port.use_interrupts(kKind), device.open_interrupts(kKind, port.vectors().count()))),
        waiting_port(port, *interrupts[port.vectors().rx()], SpinThenBlock<>(BlockConfig{.spin = 20_us}), 300_us,
                     device.count()) {}
  [[nodiscard]] Port& seen() noexcept { return waiting_port; }
  [[nodiscard]] Accesses waiting() const noexcept { return waiting_port.waiting(); }
  Driver port;
  std::vector<std::unique_ptr<Interrupt>> interrupts;
  Port waiting_port;
};

template <class Application>
class LabRig {
  using Chip = typename Application::Chip;
  using Config = typename Chip::Config;

 public:
  static constexpr std::uint32_t kMinRing = Chip::kMinRing;
  static constexpr std::uint32_t kStride = 5;

  class End {
   public:
    End(PciDevice& device, DmaDomain& domain, std::uint32_t buffers, const Config& config)
        : device_(device), raw_(device.bar(0)), pool_(domain, buffers), application_(device_, pool_, config) {}
    [[nodiscard]] auto& port() noexcept { return application_.seen(); }
    [[nodiscard]] auto& driver() noexcept { return application_.port; }
    [[nodiscard]] BufferPool& pool() noexcept { return pool_; }
    /// Without those that waiting costs.
    [[nodiscard]] Accesses accesses() const noexcept { return device_.count() - application_.waiting(); }
    /// Past the counter.
    [[nodiscard]] reg::Bar<reg::Mmio> bar() { return raw_; }

   private:
    Device device_;
    reg::Bar<reg::Mmio> raw_;
    BufferPool pool_;
    Application application_;
  };

 private:
  OpenedDevices opened_ = open_devices({spec(0), spec(1)});

 public:
  End left, right;

  explicit LabRig(const RigOptions& o)
      : left(*opened_.devices[0], *opened_.domain, o.left_buffers, config(o)),
        right(*opened_.devices[1], *opened_.domain, o.right_buffers, config(o)) {
    left.driver().start();
    right.driver().start();
  }
  void work() noexcept {}
  /// Everything given to the devices is sent, and for a while nothing has arrived.
  void step() {
    constexpr int kQuiet = 6;
    for (int quiet = 0, i = 0; quiet < kQuiet && i < 1000; ++i) {
      const auto before = received();
      clock_.pause(5_ms);
      quiet = sent_all(left) && sent_all(right) && received() == before ? quiet + 1 : 0;
    }
  }
  template <class Done>
  void await(Done done) {
    for (const Nanos end = clock_.now() + 10_s; !done() && clock_.now() < end;) clock_.pause(200_us);
  }
  void hold_sending(bool hold) {
    held_ = hold;
    Chip::hold(left.bar(), hold);
  }
  void set_link(bool up) {
    for (const unsigned n : {0u, 1u}) lab::set_cable(n, up);
    for (const Nanos end = clock_.now() + 10_s; clock_.now() < end; clock_.pause(5_ms)) {
      if (left.port().link().up == up && right.port().link().up == up) return;
    }
    ADD_FAILURE() << "the link does not go " << (up ? "up" : "down");
  }
  void restart(End& end) {
    end.driver().stop();
    end.driver().start();
  }
  void stop_all() noexcept {
    left.driver().stop();
    right.driver().stop();
  }
  [[nodiscard]] static std::string problems() { return {}; }

 private:
  static std::string spec(unsigned n) { return backend() + ":" + lab::nic(n).to_string(); }
  bool sent_all(End& end) { return (held_ && &end == &left) || Chip::idle(end.bar()); }
  std::pair<std::uint32_t, std::uint32_t> received() { return {Chip::head(left.bar()), Chip::head(right.bar())}; }
  static Config config(const RigOptions& o) {
    return {.rx_descriptors = o.rx_descriptors, .tx_descriptors = o.tx_descriptors, .doorbell = o.doorbell};
  }
  SteadyClock clock_;
  bool held_ = false;
};

struct Names {
  template <class Rig>
  static std::string GetName(int i) {
    constexpr const char* kNames[] = {"polling", "intx", "msi", "msix"};
    return kNames[i];
  }
};
template <class C>
using Rigs = ::testing::Types<LabRig<Polled<C>>, LabRig<Awaited<C, IrqKind::kIntx>>, LabRig<Awaited<C, IrqKind::kMsi>>,
                              LabRig<Awaited<C, IrqKind::kMsix>>>;

}  // namespace
}  // namespace contract

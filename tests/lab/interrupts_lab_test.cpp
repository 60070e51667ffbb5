// SPDX-License-Identifier: BSD-3-Clause
// Interrupts of an emulated 82574 as the kernel hands them out: NIC 0, ours, is wired to the kernel's NIC 1.
#include "lab_device.hpp"

#include <atomic>
#include <thread>

#include <pollux/backend/open.hpp>
#include <pollux/irq/rx_waiter.hpp>

using namespace pollux;
using namespace pollux::literals;

namespace {

constexpr unsigned kOurs = 0, kKernels = 1;

/// Gives NIC 0 to vfio-pci (or the driver that POLLUX_LAB_DRIVER names) for the program's run.
class Binding : public ::testing::Environment {
 public:
  void SetUp() override {
    const char* asked = ::getenv("POLLUX_LAB_DRIVER");
    former_ = bind_driver(PciSysfs{}, lab::nic(kOurs), asked != nullptr ? asked : "vfio-pci");
  }
  void TearDown() override { ASSERT_TRUE(try_restore_driver(PciSysfs{}, lab::nic(kOurs), former_)); }

 private:
  std::optional<std::string> former_;
};
const auto* const kBinding = ::testing::AddGlobalTestEnvironment(new Binding);

class Interrupts : public ::testing::TestWithParam<IrqKind> {
 protected:
  using Port = e1000::Port<e1000::I82574, PciDevice>;

  /// False: the backend has none of this kind.
  bool open(Nanos gap = {}) {
    port.use_interrupts(GetParam(), gap);
    if (opened.device->irq_counts().of(GetParam()) < port.vectors().count()) return false;
    interrupts = opened.device->open_interrupts(GetParam(), port.vectors().count());
    port.start();
    return true;
  }
  void send(std::uint32_t n = 1) {
    Burst<32> burst(peer_pool);
    ASSERT_EQ(burst.allocate(n, kMinFrame), n);
    for (const Packet& p : burst) {
      std::memset(p.data, 0, p.length);
      store_header(p.data, EthernetHeader{.destination = port.mac(), .source = peer.mac(), .type = lab::kTestType});
    }
    ASSERT_EQ(peer.tx_burst(burst), n);
  }
  std::uint32_t receive() {
    Burst<32> burst(pool);
    return port.rx_burst(burst);
  }

  OpenedDevice opened = open_device(lab::nic(kOurs).to_string());
  BufferPool pool{*opened.domain, 2048};
  Port port{*opened.device, pool, {}};
  std::vector<std::unique_ptr<Interrupt>> interrupts;
  HostDomain host;
  BufferPool peer_pool{host, 256u, BufferPool::kDefaultBufferBytes, PagePreference::kOrdinary};
  PacketSocket peer{lab::interface_up(kKernels), peer_pool};
};

TEST_P(Interrupts, EveryFrameWakesTheSleeper) {
  if (!open()) GTEST_SKIP() << opened.device->backend_name();
  RxWaiter waiter(port, *interrupts[port.vectors().rx()]);
  SpinThenBlock<> policy({.spin = 0_us, .longest = 20_s});
  std::atomic<int> seen{0};
  constexpr int kFrames = 200;
  std::thread sender([&] {
    for (int sent = 0; sent < kFrames; ++sent) {
      while (seen.load() < sent) std::this_thread::yield();
      if (sent % 2 == 0) SteadyClock().pause(Nanos{sent * 5'000});  // asleep, or on its way
      send();
    }
  });
  while (seen.load() < kFrames) {
    const bool ready = policy.wait(waiter, 20_s);
    EXPECT_FALSE(waiter.failure()) << waiter.failure()->text();
    EXPECT_TRUE(ready) << "slept through frame " << seen.load();
    if (!ready) seen = kFrames;  // ends the sender
    seen.fetch_add(static_cast<int>(receive()));
  }
  sender.join();
}

TEST_P(Interrupts, TimeoutsHoldThoughInterruptsComeWithoutCause) {
  if (!open(200_us)) GTEST_SKIP() << opened.device->backend_name();
  RxWaiter waiter(port, *interrupts[port.vectors().rx()]);
  SpinThenBlock<> policy({.spin = 0_us});
  for (int i = 0; i < 20; ++i) {
    const Nanos begin = SteadyClock().now();
    EXPECT_FALSE(policy.wait(waiter, 3_ms));
    EXPECT_GE(SteadyClock().now() - begin, 3_ms);
    send(i % 3 == 0 ? 8 : 0);
    for (int wanted = i % 3 == 0 ? 8 : 0; wanted > 0 && policy.wait(waiter, 10_s);)
      wanted -= static_cast<int>(receive());
  }
}

TEST_P(Interrupts, PullingAndPluggingTheCableInterrupts) {
  if (!open()) GTEST_SKIP() << opened.device->backend_name();
  Interrupt& other = *interrupts[port.vectors().other()];
  for (int round = 0; round < 4; ++round) {
    const bool up = round % 2 == 1;
    (void)other.try_take();
    (void)port.take_causes();
    port.arm_link();
    ASSERT_TRUE(other.try_rearm().ok());
    lab::set_cable(kOurs, up);
    bool changed = false;
    while (!changed && other.wait(20_s)) {
      ASSERT_TRUE(other.try_take().ok());
      changed = port.take_causes().link;
      ASSERT_TRUE(other.try_rearm().ok());
    }
    EXPECT_TRUE(changed) << "round " << round;
    EXPECT_EQ(port.link().up, up) << "round " << round;
  }
}

TEST_P(Interrupts, SurviveStopAndStart) {
  if (!open()) GTEST_SKIP() << opened.device->backend_name();
  RxWaiter waiter(port, *interrupts[port.vectors().rx()]);
  SpinThenBlock<> policy({.spin = 0_us, .longest = 20_s});
  for (int life = 0; life < 3; ++life) {
    waiter.arm();
    port.stop();
    port.start();
    send(3);
    for (int wanted = 3; wanted > 0;) {
      ASSERT_TRUE(policy.wait(waiter, 20_s)) << "life " << life;
      ASSERT_FALSE(waiter.failure()) << waiter.failure()->text();
      wanted -= static_cast<int>(receive());
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Kinds, Interrupts, ::testing::Values(IrqKind::kIntx, IrqKind::kMsi, IrqKind::kMsix), [](const auto& one) {
      return std::string(one.param == IrqKind::kIntx ? "Intx" : one.param == IrqKind::kMsi ? "Msi" : "Msix");
    });

}  // namespace

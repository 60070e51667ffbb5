// SPDX-License-Identifier: BSD-3-Clause
// Waiting for frames and link changes on the models of both NICs, by INTx, MSI and MSI-X. A frame arrives at every
// single moment of a wait, one after the other: none is slept through.
#include <gtest/gtest.h>

#include "rig.hpp"

#include <cerrno>
#include <string>
#include <thread>
#include <type_traits>

#include <pollux/sim_port.hpp>

namespace {

using namespace irq_rig;

constexpr IrqKind kKinds[] = {IrqKind::kIntx, IrqKind::kMsi, IrqKind::kMsix};

/// A broadcast frame.
std::vector<std::byte> frame(std::byte fill = std::byte{0x5A}) {
  std::vector<std::byte> out(60, fill);
  std::fill_n(out.begin(), 6, std::byte{0xFF});
  out[12] = std::byte{0x88};
  out[13] = std::byte{0xB5};
  return out;
}

/// One started NIC at the end of a cable whose other end belongs to the test. What sleeps makes time pass.
template <class Kind>
class Rig {
 public:
  explicit Rig(IrqKind kind, Nanos gap = {}, const typename Kind::Config& config = {})
      : nic(clock, iommu, cable.b(), faults, kRight, "nic", 1024, config) {
    nic.open(kind, gap);
    nic.port.start();
    Moments::get() = {};
    Moments::get().sleep = [this](pollfd* fds, nfds_t n, const timespec* timeout) { return sleep(fds, n, timeout); };
  }
  ~Rig() {
    Moments::get() = {};
    EXPECT_EQ(faults.count(), 0u) << (faults.count() > 0 ? faults.faults().front().text() : "");
  }
  void deliver() {
    const auto bytes = frame();
    ASSERT_TRUE(cable.a().transmit(bytes));
    for (int i = 0; i < 8; ++i) (void)nic.model.step();
    delivered = clock.now();
  }
  /// Pulls or plugs, and lets the device negotiate.
  void set_link(bool up) {
    cable.set_link(up);
    clock.advance(10_ms);
    clock.advance(5_s);
  }
  std::uint32_t receive() {
    Burst<32> burst(nic.pool);
    return nic.port.rx_burst(burst);
  }
  int sleep(pollfd* fds, nfds_t n, const timespec* timeout) {
    const std::int64_t most = timeout == nullptr ? 1'000'000'000 : timeout->tv_sec * 1'000'000'000 + timeout->tv_nsec;
    constexpr timespec kNow{};
    for (std::int64_t slept = 0;;) {
      const int ready = ::ppoll(fds, n, &kNow, nullptr);
      if (ready != 0 || slept >= most) return ready;
      const std::int64_t portion = std::min(most - slept, std::max<std::int64_t>(most / 64, 10'000));
      clock.advance(Nanos{portion});
      slept += portion;
    }
  }
  [[nodiscard]] bool signalled(Interrupt& one) {
    auto taken = one.try_take();
    EXPECT_TRUE(taken.ok());
    return taken.value() > 0;
  }

  sim::VirtualClock clock;
  sim::Iommu iommu;
  sim::FaultLog faults;
  sim::Cable cable;
  Nic<Kind> nic;
  Nanos delivered{-1};
};

/// The policy's clock: a microsecond a look, and a moment.
class MomentClock {
 public:
  explicit MomentClock(sim::VirtualClock& clock) noexcept : clock_(&clock) {}
  [[nodiscard]] Nanos now() const noexcept {
    Moments::get().pass();
    clock_->advance(1_us);
    return clock_->now();
  }
  void pause(Nanos span) const noexcept { clock_->advance(span); }

 private:
  sim::VirtualClock* clock_;
};

/// A Waitable with a moment before and after each call.
template <class Waiter>
class Probe {
 public:
  explicit Probe(Waiter& waiter) noexcept : waiter_(waiter) {}
  [[nodiscard]] bool ready() noexcept {
    Moments::get().pass();
    const bool is = waiter_.ready();
    Moments::get().pass();
    return is;
  }
  void arm() {
    Moments::get().pass();
    waiter_.arm();
    Moments::get().pass();
  }
  void disarm() {
    Moments::get().pass();
    waiter_.disarm();
    Moments::get().pass();
  }
  void block(Nanos timeout) {
    Moments::get().pass();
    waiter_.block(timeout);
    Moments::get().pass();
  }
  [[nodiscard]] int fd() const noexcept { return waiter_.fd(); }

 private:
  Waiter& waiter_;
};

/// A program that sleeps by itself, with CallerEpoll.
class OwnLoop {
 public:
  OwnLoop(BlockConfig, MomentClock clock) : clock_(clock) {}
  template <class S>
  bool wait(S& source, Nanos timeout) {
    const Nanos until = clock_.now() + timeout;
    while (clock_.now() < until) {
      if (!policy_.may_sleep(source)) return true;
      pollfd one{.fd = source.fd(), .events = POLLIN, .revents = 0};
      (void)sys::poll_for(&one, 1, (until - clock_.now()).count);
      policy_.woken(source);
    }
    return source.ready();
  }

 private:
  CallerEpoll policy_;
  MomentClock clock_;
};

template <class Kind>
class Races : public ::testing::Test {};
using Nics = ::testing::Types<E82574, E82599>;
struct NameOf {
  template <class Kind>
  static std::string GetName(int) {
    return std::is_same_v<Kind, E82574> ? "E82574" : "E82599";
  }
};
TYPED_TEST_SUITE(Races, Nics, NameOf);

/// Waits once for each moment there is in a wait, and lets a frame arrive just then. `stale`: a frame was received by
/// polling before, whose cause is still set. Returns how many moments there were.
template <class Kind, class Policy>
int at_every_moment(IrqKind kind, Nanos gap, BlockConfig config, bool stale) {
  Rig<Kind> rig(kind, gap);
  RxWaiter waiter(rig.nic.port, rig.nic.rx());
  Probe probe(waiter);
  Policy policy(config, MomentClock(rig.clock));
  for (int moment = 0;; ++moment) {
    if (stale) {
      rig.deliver();
      EXPECT_EQ(rig.receive(), 1u);
    }
    rig.delivered = Nanos{-1};
    int left = moment;
    Moments::get().at = [&] {
      if (left-- == 0) rig.deliver();
    };
    const bool ready = policy.wait(probe, 2_ms);
    Moments::get().at = {};
    const Nanos now = rig.clock.now();
    EXPECT_FALSE(waiter.failure());
    if (rig.delivered < Nanos{0}) {  // there are no more moments
      EXPECT_FALSE(ready);
      return moment;
    }
    EXPECT_TRUE(rig.nic.port.rx_ready());
    EXPECT_LT((now - rig.delivered).count, gap.count + 120'000)
        << "slept through a frame: " << to_string(kind) << ", moment " << moment;
    EXPECT_EQ(rig.receive(), 1u);
    if (::testing::Test::HasFailure()) return moment;
  }
}
template <class Kind, class Policy>
void at_every_moment_of_every_kind() {
  for (const IrqKind kind : kKinds) {
    for (const Nanos gap : {0_us, 50_us}) {
      for (const bool stale : {false, true}) {
        SCOPED_TRACE(std::string(to_string(kind)) + (stale ? ", stale" : "") + (gap > 0_us ? ", throttled" : ""));
        const int moments = (at_every_moment<Kind, Policy>(kind, gap, {.spin = 0_us, .longest = 100_ms}, stale));
        EXPECT_GT(moments, 20);
        if (::testing::Test::HasFailure()) return;
      }
    }
  }
}
TYPED_TEST(Races, SpinThenBlockSleepsThroughNoFrame) {
  at_every_moment_of_every_kind<TypeParam, SpinThenBlock<MomentClock>>();
}
TYPED_TEST(Races, AdaptiveWaitSleepsThroughNoFrame) {
  at_every_moment_of_every_kind<TypeParam, AdaptiveWait<MomentClock>>();
}
TYPED_TEST(Races, ALoopOfOnesOwnSleepsThroughNoFrame) { at_every_moment_of_every_kind<TypeParam, OwnLoop>(); }

/// The test finds what it is for: without the look after arming, some moment is slept through.
template <class Waiter>
class LooksBeforeArmingOnly : public Probe<Waiter> {
 public:
  explicit LooksBeforeArmingOnly(Waiter& waiter) noexcept : Probe<Waiter>(waiter) {}
  bool ready() noexcept { return !armed_ && Probe<Waiter>::ready(); }
  void arm() {
    Moments::get().pass();
    Probe<Waiter>::arm();
    armed_ = true;
  }
  void disarm() { Probe<Waiter>::disarm(), armed_ = false; }
  void block(Nanos timeout) { Probe<Waiter>::block(timeout), armed_ = false; }

 private:
  bool armed_ = false;
};
TYPED_TEST(Races, WithoutLookingAgainAFrameIsSleptThrough) {
  Rig<TypeParam> rig(IrqKind::kIntx);
  RxWaiter waiter(rig.nic.port, rig.nic.rx());
  LooksBeforeArmingOnly probe(waiter);
  SpinThenBlock<MomentClock> policy({.spin = 0_us}, MomentClock(rig.clock));
  bool slept = false;
  for (int moment = 0; !slept; ++moment) {
    rig.delivered = Nanos{-1};
    int left = moment;
    Moments::get().at = [&] {
      if (left-- == 0) rig.deliver();
    };
    (void)policy.wait(probe, 2_ms);
    Moments::get().at = {};
    if (rig.delivered < Nanos{0}) break;
    slept = rig.clock.now() - rig.delivered > 1_ms;
    (void)rig.receive();
  }
  EXPECT_TRUE(slept);
}

TYPED_TEST(Races, TimeoutsAreKeptToTheMicrosecond) {
  for (const IrqKind kind : kKinds) {
    Rig<TypeParam> rig(kind);
    RxWaiter waiter(rig.nic.port, rig.nic.rx());
    SpinThenBlock<MomentClock> policy({.spin = 0_us}, MomentClock(rig.clock));
    for (const Nanos timeout : {1_us, 7_us, 30_us, 1_ms, 200_ms}) {
      const Nanos begin = rig.clock.now();
      EXPECT_FALSE(policy.wait(waiter, timeout));
      const std::int64_t took = (rig.clock.now() - begin).count;
      EXPECT_GE(took, timeout.count);
      EXPECT_LT(took, timeout.count + timeout.count / 32 + 20'000) << timeout.count;
    }
  }
}

TYPED_TEST(Races, AStormOfInterruptsWithoutCauseEndsNoWait) {
  for (const IrqKind kind : kKinds) {
    Rig<TypeParam> rig(kind);
    RxWaiter waiter(rig.nic.port, rig.nic.rx());
    SpinThenBlock<MomentClock> policy({.spin = 0_us}, MomentClock(rig.clock));
    Moments::get().at = [&] { rig.nic.model.interrupts().message(0); };
    const Nanos begin = rig.clock.now();
    EXPECT_FALSE(policy.wait(waiter, 500_us));
    EXPECT_GE(rig.clock.now() - begin, 500_us);
    EXPECT_LT(rig.clock.now() - begin, 510_us);
    EXPECT_GT(Moments::get().sleeps, 50u);
    int left = 40;
    Moments::get().at = [&] {
      rig.nic.model.interrupts().message(0);
      if (left-- == 0) rig.deliver();
    };
    EXPECT_TRUE(policy.wait(waiter, 10_ms));
    EXPECT_LT(rig.clock.now() - rig.delivered, 10_us);
    Moments::get().at = {};
    EXPECT_EQ(rig.receive(), 1u);
  }
}

TYPED_TEST(Races, ALostSignalCostsTheLongestSleepAtMost) {
  for (const IrqKind kind : kKinds) {
    Rig<TypeParam> rig(kind);
    RxWaiter waiter(rig.nic.port, rig.nic.rx());
    SpinThenBlock<MomentClock> policy({.spin = 0_us, .longest = 3_ms}, MomentClock(rig.clock));
    bool lose = true;
    Moments::get().sleep = [&](pollfd* fds, nfds_t n, const timespec* timeout) {
      if (std::exchange(lose, false)) {
        rig.deliver();
        std::uint64_t gone = 0;
        EXPECT_EQ(::read(fds->fd, &gone, sizeof gone), ssize_t{sizeof gone}) << "there was no signal";
      }
      return rig.sleep(fds, n, timeout);
    };
    EXPECT_TRUE(policy.wait(waiter, 1_s));
    EXPECT_GE(rig.clock.now() - rig.delivered, 2_ms);
    EXPECT_LT(rig.clock.now() - rig.delivered, 4_ms);
    EXPECT_EQ(rig.receive(), 1u);
  }
}

TYPED_TEST(Races, EveryKindCostsWhatIsSaid) {
  for (const IrqKind kind : kKinds) {
    Rig<TypeParam> rig(kind);
    auto& port = rig.nic.port;
    const auto cost = [&](auto&& call) {
      const Accesses before = rig.nic.backend.count();
      call();
      return rig.nic.backend.count() - before;
    };
    const bool msix = kind == IrqKind::kMsix;
    EXPECT_EQ(cost([&] {
                for (int i = 0; i < 1000; ++i) EXPECT_FALSE(port.rx_ready());
              }),
              (Accesses{0, 0}));
    rig.deliver();
    EXPECT_EQ(cost([&] { EXPECT_TRUE(port.rx_ready()); }), (Accesses{0, 0}));
    EXPECT_EQ(rig.receive(), 1u);
    EXPECT_EQ(cost([&] { port.arm_rx(); }), (Accesses{msix ? 0u : 1u, 1}));
    EXPECT_EQ(cost([&] { port.disarm_rx(); }), (Accesses{0, 1}));
    EXPECT_EQ(cost([&] { port.arm_link(); }), (Accesses{0, 1}));
    EXPECT_EQ(cost([&] { port.disarm_link(); }), (Accesses{0, 1}));
    const Accesses causes = cost([&] { (void)port.take_causes(); });
    EXPECT_EQ(causes.reads, 1u);
    EXPECT_LE(causes.writes, msix ? 1u : 0u);
  }
}

TYPED_TEST(Races, NothingInterruptsUnlessArmed) {
  for (const IrqKind kind : kKinds) {
    Rig<TypeParam> rig(kind);
    const auto quiet = [&] {
      for (int i = 0; i < 3; ++i) rig.deliver();
      EXPECT_EQ(rig.receive(), 3u);
      rig.set_link(false);
      rig.set_link(true);
      for (const auto& one : rig.nic.interrupts) EXPECT_FALSE(rig.signalled(*one)) << to_string(kind);
    };
    quiet();
    rig.nic.port.arm_rx();
    rig.nic.port.arm_link();
    rig.nic.port.disarm_rx();
    rig.nic.port.disarm_link();
    for (const auto& one : rig.nic.interrupts) (void)rig.signalled(*one);  // what was there when it was armed
    quiet();
    rig.nic.port.arm_rx();
    rig.nic.port.use_polling();
    for (const auto& one : rig.nic.interrupts) (void)rig.signalled(*one);
    quiet();
  }
}

TYPED_TEST(Races, InterruptsSurviveStopAndStartAndAreOffBetween) {
  for (const IrqKind kind : kKinds) {
    Rig<TypeParam> rig(kind, 10_us);
    auto& port = rig.nic.port;
    for (int life = 0; life < 3; ++life) {
      RxWaiter waiter(port, rig.nic.rx());
      SpinThenBlock<MomentClock> policy({.spin = 0_us}, MomentClock(rig.clock));
      waiter.arm();
      rig.deliver();
      EXPECT_TRUE(rig.signalled(rig.nic.rx())) << "life " << life;
      EXPECT_TRUE(policy.wait(waiter, 1_ms));
      EXPECT_EQ(rig.receive(), 1u);
      waiter.arm();
      port.arm_link();
      port.stop();
      for (const auto& one : rig.nic.interrupts) {
        (void)rig.signalled(*one);
        EXPECT_TRUE(one->try_rearm().ok());
      }
      rig.set_link(life % 2 == 0);
      rig.set_link(true);
      for (const auto& one : rig.nic.interrupts) EXPECT_FALSE(rig.signalled(*one)) << to_string(kind);
      port.start();
    }
  }
}

TYPED_TEST(Races, OneKindAfterTheOtherOnOneDevice) {
  Rig<TypeParam> rig(IrqKind::kMsix);
  for (int round = 0; round < 2; ++round) {
    for (const IrqKind kind : kKinds) {
      rig.nic.interrupts.clear();
      rig.nic.open(kind);
      RxWaiter waiter(rig.nic.port, rig.nic.rx());
      SpinThenBlock<MomentClock> policy({.spin = 0_us}, MomentClock(rig.clock));
      Moments::get().sleep = [&](pollfd* fds, nfds_t n, const timespec* timeout) {
        if (rig.delivered < Nanos{0}) rig.deliver();
        return rig.sleep(fds, n, timeout);
      };
      rig.delivered = Nanos{-1};
      ASSERT_TRUE(policy.wait(waiter, 10_ms)) << to_string(kind);
      EXPECT_LT(rig.clock.now() - rig.delivered, 1_ms) << to_string(kind);
      EXPECT_EQ(rig.receive(), 1u);
    }
  }
}

TYPED_TEST(Races, PullingAndPluggingTheCableInterrupts) {
  for (const IrqKind kind : kKinds) {
    SCOPED_TRACE(to_string(kind));
    Rig<TypeParam> rig(kind);
    auto& port = rig.nic.port;
    (void)port.take_causes();
    (void)rig.signalled(rig.nic.other());
    port.arm_link();
    for (int round = 0; round < 5; ++round) {
      const bool up = round % 2 == 1;
      EXPECT_TRUE(port.take_causes().none());
      EXPECT_FALSE(rig.signalled(rig.nic.other()));
      rig.set_link(up);
      ASSERT_TRUE(rig.signalled(rig.nic.other())) << "round " << round;
      EXPECT_TRUE(port.take_causes().link);
      EXPECT_EQ(port.link().up, up);
      EXPECT_TRUE(rig.nic.other().try_rearm().ok());
    }
  }
}

/// Link and frames on one line: neither takes the other's news.
TYPED_TEST(Races, WaitingForFramesForgetsNoLinkChange) {
  for (const IrqKind kind : kKinds) {
    Rig<TypeParam> rig(kind);
    auto& port = rig.nic.port;
    RxWaiter waiter(port, rig.nic.rx());
    SpinThenBlock<MomentClock> policy({.spin = 0_us}, MomentClock(rig.clock));
    (void)port.take_causes();
    port.arm_link();
    rig.set_link(false);
    EXPECT_FALSE(policy.wait(waiter, 3_ms));  // however often it reads the causes
    EXPECT_TRUE(port.take_causes().link) << to_string(kind);
    EXPECT_FALSE(port.link().up);
    rig.set_link(true);
    waiter.arm();
    rig.deliver();
    (void)port.take_causes();  // and asking for the link's takes no frame's
    EXPECT_TRUE(rig.signalled(rig.nic.rx())) << to_string(kind);
    EXPECT_EQ(rig.receive(), 1u);
  }
}

/// A cause that is read for the link's sake while its vector is throttled still interrupts.
TYPED_TEST(Races, AskingForCausesWhileAVectorIsThrottledLosesNoFrame) {
  Rig<TypeParam> rig(IrqKind::kMsix, 500_us);
  auto& port = rig.nic.port;
  RxWaiter waiter(port, rig.nic.rx());
  for (int i = 0; i < 3; ++i) {
    waiter.arm();
    rig.deliver();
    (void)port.take_causes();
    rig.clock.advance(600_us);
    EXPECT_TRUE(rig.signalled(rig.nic.rx())) << i;
    waiter.arm();
    rig.deliver();  // within the gap
    (void)port.take_causes();
    rig.clock.advance(600_us);
    EXPECT_TRUE(rig.signalled(rig.nic.rx())) << i;
    EXPECT_EQ(rig.receive(), 2u);
  }
}

TYPED_TEST(Races, FramesAreThrottledAsAsked) {
  Rig<TypeParam> rig(IrqKind::kMsix, 200_us);
  RxWaiter waiter(rig.nic.port, rig.nic.rx());
  int interrupts = 0;
  for (int i = 0; i < 100; ++i) {  // a frame each 10 us for a millisecond
    waiter.disarm();
    if (rig.signalled(rig.nic.rx())) ++interrupts;
    rig.nic.port.arm_rx();
    rig.deliver();
    (void)rig.receive();
    rig.clock.advance(10_us);
  }
  EXPECT_GE(interrupts, 4);
  EXPECT_LE(interrupts, 7);
}

TYPED_TEST(Races, WrongGapsAreRefused) {
  Rig<TypeParam> rig(IrqKind::kMsi);
  EXPECT_THROW(rig.nic.port.use_interrupts(IrqKind::kMsi, Nanos{-1}), Error);
  try {
    rig.nic.port.use_interrupts(IrqKind::kMsi, 1_s);
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("1000000000 ns"), std::string::npos) << error.what();
  }
  for (const Nanos gap : {1_ns, 255_ns, 1_us, 1_ms}) rig.nic.port.use_interrupts(IrqKind::kMsi, gap);
}

/// A ring without descriptors receives nothing and interrupts for nothing: who has buffers again must not sleep.
TYPED_TEST(Races, AStarvedRingIsReadyAsSoonAsThereAreBuffers) {
  typename TypeParam::Config config;
  config.rx_descriptors = TypeParam::kMinRing;
  Rig<TypeParam> rig(IrqKind::kMsix, 0_us, config);
  auto& port = rig.nic.port;
  {
    Burst<1024> held(rig.nic.pool);
    (void)held.allocate(rig.nic.pool.free_count(), 60);
    Burst<128> frames(rig.nic.pool);
    for (int i = 0; i < 200; ++i) {
      rig.deliver();
      (void)port.rx_burst(frames);
    }
    EXPECT_EQ(rig.nic.pool.free_count(), 0u);
    EXPECT_FALSE(port.rx_ready()) << "there is nothing to be done";
  }
  EXPECT_TRUE(port.rx_ready());
  for (int i = 0; i < 1000 && port.rx_ready(); ++i) (void)rig.receive();  // what waited in the device
  EXPECT_FALSE(port.rx_ready());
  rig.deliver();
  EXPECT_TRUE(port.rx_ready());
}

/// The device is gone: its interrupt fails.
class GoneInterrupt final : public EventInterrupt {
 public:
  int takes = 0, rearms = 0, fail_take = -1, fail_rearm = -1;
  Result<std::uint64_t> try_take() override {
    if (takes++ == fail_take) return gone("take");
    return EventInterrupt::try_take();
  }
  Result<Done> try_rearm() override {
    if (rearms++ == fail_rearm) return gone("rearm");
    return Done{};
  }

 private:
  static Failure gone(const char* what) {
    return {.code = EIO, .operation = what, .object = "nic", .where = {}, .remedy = {}};
  }
};
TYPED_TEST(Races, AnInterruptThatFailsEndsEveryWaitAndSaysWhy) {
  for (int take = 0; take < 3; ++take) {
    for (const bool rearm : {false, true}) {
      Rig<TypeParam> rig(IrqKind::kMsi);
      GoneInterrupt gone;
      (rearm ? gone.fail_rearm : gone.fail_take) = take;
      RxWaiter waiter(rig.nic.port, gone);
      SpinThenBlock<MomentClock> policy({.spin = 0_us, .longest = 1_ms}, MomentClock(rig.clock));
      EXPECT_TRUE(policy.wait(waiter, 100_ms));
      EXPECT_LT(rig.clock.now().count, 60'000'000'000);
      ASSERT_TRUE(waiter.failure());
      EXPECT_EQ(waiter.failure()->code, EIO);
      EXPECT_EQ(waiter.failure()->operation, rearm ? "rearm" : "take");
      const std::uint64_t sleeps = Moments::get().sleeps;
      EXPECT_TRUE(policy.wait(waiter, 1_s)) << "and again";
      EXPECT_EQ(Moments::get().sleeps, sleeps);
      EXPECT_EQ(rig.receive(), 0u);
    }
  }
}

TYPED_TEST(Races, ABackendRefusesWhatItDoesNotHave) {
  Rig<TypeParam> rig(IrqKind::kMsix);
  auto& backend = rig.nic.backend;
  const IrqCounts counts = backend.irq_counts();
  EXPECT_EQ(counts.intx, 1u);
  EXPECT_EQ(counts.msi, 1u);
  EXPECT_EQ(counts.msix, (std::is_same_v<TypeParam, E82574> ? 5u : 64u));
  rig.nic.interrupts.clear();
  EXPECT_THROW((void)backend.open_interrupts(IrqKind::kIntx, 2), Error);
  EXPECT_THROW((void)backend.open_interrupts(IrqKind::kMsi, 0), Error);
  EXPECT_THROW((void)backend.open_interrupts(IrqKind::kMsix, counts.msix + 1), Error);
  EXPECT_EQ(backend.open_interrupts(IrqKind::kMsix, counts.msix).size(), counts.msix);
}

// ---- Queues -------------------------------------------------------------------------------------------------------

/// IPv4 and UDP, by which RSS spreads.
std::vector<std::byte> datagram(std::uint8_t n) {
  std::vector<std::byte> out = frame(std::byte{0});
  constexpr std::uint8_t kIp[] = {0x45, 0, 0, 46, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2};
  out[12] = std::byte{0x08};
  out[13] = std::byte{0x00};
  for (std::size_t i = 0; i < sizeof kIp; ++i) out[14 + i] = std::byte{kIp[i]};
  out[14 + 15] = std::byte{n};
  return out;
}

TEST(IxgbeQueues, EachInterruptsByItsOwnVector) {
  constexpr std::uint32_t kQueues = 16;
  sim::VirtualClock clock;
  sim::Iommu iommu;
  sim::FaultLog faults;
  sim::Cable cable;
  ixgbe::Model82599 model(iommu, cable.b(), faults, E82599::card(kRight));
  model.set_time([&] { return clock.now(); });
  clock.on_advance([&] { (void)model.step(); });
  WatchedBackend<ixgbe::Model82599> backend(model, sim::VirtualClock::Handle(clock), "nic");
  std::vector<std::unique_ptr<BufferPool>> pools;
  std::vector<BufferPool*> pointers;
  for (std::uint32_t i = 0; i < kQueues; ++i) {
    pools.push_back(
        std::make_unique<BufferPool>(iommu, 256u, BufferPool::kDefaultBufferBytes, PagePreference::kOrdinary));
    pointers.push_back(pools.back().get());
  }
  ixgbe::Port<ixgbe::I82599, WatchedBackend<ixgbe::Model82599>> port(
      backend, pointers, {.rx_queues = kQueues, .rx_descriptors = 64, .tx_descriptors = 64});
  port.use_interrupts(IrqKind::kMsix);
  ASSERT_EQ(port.vectors().count(), kQueues + 1);
  const auto interrupts = backend.open_interrupts(IrqKind::kMsix, port.vectors().count());
  port.start();
  for (std::uint32_t i = 0; i < kQueues; ++i) port.queue(i).arm_rx();
  port.arm_link();
  for (const auto& one : interrupts) (void)one->try_take();
  (void)port.take_causes();

  std::vector<int> hits(kQueues);
  for (unsigned n = 0; n < 200; ++n) {
    ASSERT_TRUE(cable.a().transmit(datagram(static_cast<std::uint8_t>(n))));
    for (int i = 0; i < 4; ++i) (void)model.step();
    int signalled = 0;
    for (std::uint32_t q = 0; q < kQueues; ++q) {
      const bool came = interrupts[port.vectors().rx(q)]->try_take().value() > 0;
      EXPECT_EQ(came, port.queue(q).rx_ready()) << q;
      if (!came) continue;
      ++signalled;
      ++hits[q];
      Burst<8> burst(*pools[q]);
      EXPECT_EQ(port.queue(q).rx_burst(burst), 1u);
      port.queue(q).arm_rx();
    }
    ASSERT_EQ(signalled, 1) << n;
    EXPECT_EQ(interrupts[port.vectors().other()]->try_take().value(), 0u);
  }
  EXPECT_GT(std::count_if(hits.begin(), hits.end(), [](int n) { return n > 0; }), 10);
  cable.set_link(false);
  clock.advance(10_ms);
  EXPECT_EQ(interrupts[port.vectors().other()]->try_take().value(), 1u);
  EXPECT_TRUE(port.take_causes().link);
  for (std::uint32_t q = 0; q < kQueues; ++q) EXPECT_EQ(interrupts[q]->try_take().value(), 0u);
  EXPECT_EQ(faults.count(), 0u);
}

static_assert(VectorLayout{IrqKind::kMsix, 16}.count() == 17 && VectorLayout{IrqKind::kMsix, 16}.other() == 16);
static_assert(VectorLayout{IrqKind::kMsi, 16}.count() == 1 && VectorLayout{IrqKind::kIntx, 16}.rx(7) == 0);

// ---- Threads ------------------------------------------------------------------------------------------------------

/// The model on another thread, real time, doorbells in memory: what a program has.
template <class Sim>
class Threads : public ::testing::Test {};
using Sims = ::testing::Types<Sim82574, Sim82599>;
TYPED_TEST_SUITE(Threads, Sims);

TYPED_TEST(Threads, EveryFrameWakesTheSleeper) {
  for (const IrqKind kind : kKinds) {
    sim::Cable cable;
    SimPort<TypeParam> sim(1024, {}, &cable.b());
    auto& port = sim.port();
    port.use_interrupts(kind);
    const auto interrupts = sim.backend().open_interrupts(kind, port.vectors().count());
    std::atomic<std::uint32_t> seen{0};
    std::atomic<bool> end{false};
    constexpr std::uint32_t kFrames = 300;
    std::thread device([&] {
      const auto bytes = frame();
      for (std::uint32_t sent = 0; !end.load();) {
        if (sent == seen.load() && sent < kFrames) {
          for (std::uint32_t i = 0; i < sent % 7 * 100; ++i) cpu_relax();  // at one moment or another
          sent += cable.a().transmit(bytes) ? 1u : 0u;
        }
        (void)sim.step();
        std::this_thread::yield();
      }
    });
    RxWaiter waiter(port, *interrupts[port.vectors().rx()]);
    SpinThenBlock<> policy({.spin = 1_us, .longest = 60_s});
    while (seen.load() < kFrames) {
      const bool ready = policy.wait(waiter, 60_s);
      EXPECT_TRUE(ready) << "slept through frame " << seen.load() << ", " << to_string(kind);
      if (!ready) break;
      Burst<32> burst(sim.pool());
      seen.fetch_add(port.rx_burst(burst));
    }
    end = true;
    device.join();
    EXPECT_EQ(sim.faults().count(), 0u);
  }
}

}  // namespace

// SPDX-License-Identifier: BSD-3-Clause
// Wait policies against a scripted source and a clock that moves when they use it: no time passes here.
#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <type_traits>

#include <pollux/irq/policy.hpp>

namespace {

using namespace pollux;

/// Time moves by 100 ns whenever somebody looks at it, and by what a sleep takes.
struct World {
  std::int64_t now = 0;
  std::uint64_t clock_reads = 0;
};
class ScriptedClock {
 public:
  explicit ScriptedClock(World& world) noexcept : world_(&world) {}
  [[nodiscard]] Nanos now() const noexcept {
    ++world_->clock_reads;
    return {world_->now += 100};
  }
  void pause(Nanos span) const noexcept { world_->now += span.count; }

 private:
  World* world_;
};
static_assert(Clock<ScriptedClock>);

constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();

/// Something arrives at one moment; if the source is armed then, it interrupts. A look takes 10 ns.
class ScriptedSource {
 public:
  explicit ScriptedSource(World& world) noexcept : world_(world) {}
  std::int64_t arrives = kNever;  ///< when
  std::int64_t storm = kNever;    ///< while armed, an interrupt without cause every so often [ns]
  bool loses_signals = false;

  [[nodiscard]] bool ready() noexcept {
    ++looks;
    world_.now += 10;
    return world_.now >= arrives;
  }
  void arm() noexcept {
    ++arms;
    armed = true;
  }
  void disarm() noexcept {
    ++disarms;
    armed = false;
  }
  void block(Nanos timeout) noexcept {
    EXPECT_TRUE(armed);
    EXPECT_GE(timeout, Nanos{0});
    ++blocks;
    longest_block = std::max(longest_block, timeout.count);
    std::int64_t until = timeout > Nanos{kNever - world_.now} ? kNever : world_.now + timeout.count;
    if (!loses_signals) until = std::min(until, arrives);
    if (storm != kNever) until = std::min(until, world_.now + storm);
    ASSERT_NE(until, kNever) << "sleeps for ever";
    world_.now = std::max(until, world_.now);
  }
  bool armed = false;
  int looks = 0, arms = 0, disarms = 0, blocks = 0;
  std::int64_t longest_block = 0;

 private:
  World& world_;
};
static_assert(Waitable<ScriptedSource>);

constexpr BlockConfig kConfig{.spin = 20_us, .longest = 10_ms};
template <class P>
P make(World& world) {
  if constexpr (std::is_constructible_v<P, BlockConfig, ScriptedClock>) {
    return P(kConfig, ScriptedClock(world));
  } else {
    return P(ScriptedClock(world));
  }
}

template <class P>
class Policy : public ::testing::Test {
 protected:
  static constexpr bool kSleeps = std::is_constructible_v<P, BlockConfig, ScriptedClock>;
  World world;
  ScriptedSource source{world};
  P policy = make<P>(world);
  static_assert(WaitPolicy<P, ScriptedSource>);
};
using Policies = ::testing::Types<Spin<ScriptedClock>, SpinPause<ScriptedClock>, SpinThenBlock<ScriptedClock>,
                                  AdaptiveWait<ScriptedClock>>;
struct NameOf {
  template <class P>
  static std::string GetName(int i) {
    constexpr const char* kNames[] = {"Spin", "SpinPause", "SpinThenBlock", "AdaptiveWait"};
    return kNames[i];
  }
};
TYPED_TEST_SUITE(Policy, Policies, NameOf);

TYPED_TEST(Policy, WhatIsReadyIsFoundByOneLookAndNothingElse) {
  this->source.arrives = 0;
  for (const Nanos timeout : {Nanos{0}, 1_s, Nanos{-1}}) EXPECT_TRUE(this->policy.wait(this->source, timeout));
  EXPECT_EQ(this->source.looks, 3);
  EXPECT_EQ(this->source.arms + this->source.disarms + this->source.blocks, 0);
  EXPECT_EQ(this->world.clock_reads, 0u);
}

TYPED_TEST(Policy, ATimeoutOfZeroIsALook) {
  EXPECT_FALSE(this->policy.wait(this->source, Nanos{0}));
  EXPECT_LE(this->source.looks, 3);
  EXPECT_EQ(this->source.blocks, 0);
  EXPECT_FALSE(this->source.armed);
}

TYPED_TEST(Policy, ComesBackWhenSomethingArrives) {
  for (const std::int64_t after : {1'000, 19'000, 21'000, 500'000, 9'999'999, 10'000'001, 500'000'000}) {
    if (!TestFixture::kSleeps && after > 1'000'000) continue;  // that many looks take their time
    const std::int64_t at = this->source.arrives = this->world.now + after;
    ASSERT_TRUE(this->policy.wait(this->source, 1_s)) << after;
    EXPECT_GE(this->world.now, at);
    EXPECT_LE(this->world.now, at + 1'000) << after;
    EXPECT_FALSE(this->source.armed);
    this->source.arrives = kNever;
  }
}

TYPED_TEST(Policy, ComesBackWhenTheTimeIsOver) {
  for (const Nanos timeout : {1_us, 5_us, 20_us, 25_us, 100_us, 1_ms}) {  // microseconds too
    const std::int64_t begin = this->world.now;
    ASSERT_FALSE(this->policy.wait(this->source, timeout));
    EXPECT_GE(this->world.now, begin + timeout.count);
    EXPECT_LE(this->world.now, begin + timeout.count + 2'000) << timeout.count;
    EXPECT_FALSE(this->source.armed);
  }
}

TYPED_TEST(Policy, ATimeBelowZeroOrBeyondTheClockHasNoEnd) {
  for (const Nanos timeout : {Nanos{-1}, Nanos{kNever}, Nanos{kNever - 50}}) {
    this->source.arrives = this->world.now + (TestFixture::kSleeps ? 3'600'000'000'000 : 1'000'000);
    ASSERT_TRUE(this->policy.wait(this->source, timeout));
    this->source.arrives = kNever;
  }
}

TYPED_TEST(Policy, SleepsArmedAndOnlyAsLongAsALostInterruptMayCost) {
  this->source.loses_signals = true;
  this->source.arrives = 35'000'000;
  EXPECT_TRUE(this->policy.wait(this->source, 1_s));
  if (!TestFixture::kSleeps) return;
  EXPECT_LE(this->source.longest_block, kConfig.longest.count);
  EXPECT_LE(this->world.now, 35'000'000 + kConfig.longest.count + 2'000);
  EXPECT_GE(this->source.blocks, 3);
}

TYPED_TEST(Policy, AStormOfInterruptsWithoutCauseNeitherEndsTheWaitNorMakesItLonger) {
  this->source.storm = 300;  // as soon as it is armed
  EXPECT_FALSE(this->policy.wait(this->source, 1_ms));
  EXPECT_GE(this->world.now, 1'000'000);
  EXPECT_LE(this->world.now, 1'003'000);
  EXPECT_FALSE(this->source.armed);
  this->source.arrives = this->world.now + 700'000;
  EXPECT_TRUE(this->policy.wait(this->source, 1_ms));
  EXPECT_LE(this->world.now, this->source.arrives + 1'000);
}

TYPED_TEST(Policy, ASleepArmsOnceAndDisarmsOnce) {
  if (!TestFixture::kSleeps) return;
  this->source.arrives = 5'000'000;
  EXPECT_TRUE(this->policy.wait(this->source, 1_s));
  EXPECT_EQ(this->source.arms, 1);
  EXPECT_EQ(this->source.disarms, 1);
  EXPECT_EQ(this->source.blocks, 1);
}

TEST(SpinThenBlock, SpinsFirst) {
  World world;
  ScriptedSource source(world);
  auto policy = make<SpinThenBlock<ScriptedClock>>(world);
  source.arrives = 15'000;
  EXPECT_TRUE(policy.wait(source, 1_s));
  EXPECT_EQ(source.arms, 0);
}

class Adaptive : public ::testing::Test {
 protected:
  /// One arrival after a time; how often the source was armed for it.
  int arrival(std::int64_t after, Nanos timeout = 10_s) {
    source.arrives = world.now + after;
    const int before = source.arms;
    while (!policy.wait(source, timeout)) {}
    return source.arms - before;
  }
  World world;
  ScriptedSource source{world};
  AdaptiveWait<ScriptedClock> policy = make<AdaptiveWait<ScriptedClock>>(world);
};

TEST_F(Adaptive, SpinsForFrequentArrivalsAndSleepsForRareOnes) {
  for (int i = 0; i < 50; ++i) EXPECT_EQ(arrival(5'000), 0) << i;
  EXPECT_TRUE(policy.spins());
  EXPECT_LT(policy.expected(), 8_us);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(arrival(1'000'000), 1) << i;
  EXPECT_FALSE(policy.spins());
  const int looks = source.looks;
  EXPECT_EQ(arrival(1'000'000), 1);
  EXPECT_LE(source.looks - looks, 5) << "no more spinning in vain";
}

TEST_F(Adaptive, TheWayBackIsAsShortHoweverLongTheWaitsWere) {
  for (int i = 0; i < 30; ++i) (void)arrival(2'000'000'000);
  EXPECT_FALSE(policy.spins());
  int back = 0;
  while (!policy.spins()) {
    (void)arrival(1'000);
    ASSERT_LT(++back, 10);
  }
}

TEST_F(Adaptive, ShortTimeoutsDoNotLookLikeArrivals) {
  for (int i = 0; i < 20; ++i) (void)arrival(2'000'000'000);
  for (int i = 0; i < 10; ++i) {
    EXPECT_GT(arrival(1'000'000, 5_us), 10) << "a wait of 5 us that ends in vain says nothing of 5 us";
    EXPECT_FALSE(policy.spins());
  }
}

TEST_F(Adaptive, StopsSpinningWhileNothingComesAtAll) {
  for (int i = 0; i < 20; ++i) (void)arrival(2'000);
  ASSERT_TRUE(policy.spins());
  source.arrives = kNever;
  for (int i = 0; i < 10; ++i) EXPECT_FALSE(policy.wait(source, 10_us));
  EXPECT_FALSE(policy.spins());
}

TEST(CallerEpoll, SleepsOnlyWhenNothingIsThereAndTheSourceIsArmed) {
  World world;
  ScriptedSource source(world);
  CallerEpoll policy;
  ASSERT_TRUE(policy.may_sleep(source));
  EXPECT_TRUE(source.armed);
  policy.woken(source);
  EXPECT_FALSE(source.armed);
  EXPECT_EQ(source.blocks, 1) << "what has come is taken";
  EXPECT_EQ(source.longest_block, 0);
  policy.woken(source);
  EXPECT_EQ(source.blocks, 1) << "once";
  source.arrives = 0;
  EXPECT_FALSE(policy.may_sleep(source));
  EXPECT_FALSE(source.armed);
}

/// Something arrives just while it is being armed, and so does not interrupt.
TEST(ArmUnlessReady, FindsWhatArrivedMeanwhile) {
  World world;
  ScriptedSource source(world);
  EXPECT_FALSE(arm_unless_ready(source));
  EXPECT_TRUE(source.armed);
  source.arrives = world.now + 5;
  EXPECT_TRUE(arm_unless_ready(source));
  EXPECT_FALSE(source.armed);
}

}  // namespace

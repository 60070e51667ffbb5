// SPDX-License-Identifier: BSD-3-Clause
// What the inline benchmarks rest on besides time: instructions counted exactly, figures made of repetitions, a
// disturbed machine noticed, frames checked.
#include "inline_cases.hpp"
#include "machine_watch.hpp"
#include "between_regions.hpp"
#include "repetitions.hpp"
#include "stopwatch.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <set>
#include <span>
#include <string>
#include <thread>
#include <vector>

namespace {

using namespace bench;

// ---- Instructions -------------------------------------------------------------------------------------------------

#if defined(__x86_64__)
/// `n` times 10 instructions and the loop's two.
void known_loop(std::uint64_t n) { asm volatile("1:\n.rept 10\nnop\n.endr\ndec %0\njnz 1b" : "+r"(n)); }

TEST(Instructions, ALoopMoreIsTwelveInstructionsMore) {
  Stopwatch watch;
  const auto count = [&](std::uint64_t n) {
    return watch.count([&] {
      watch.begin();
      known_loop(n);
      watch.end();
    });
  };
  const std::uint64_t one = count(1);
  EXPECT_GE(one, 12u);
  EXPECT_LE(one, 16u);  // moving n to a register and back
  EXPECT_EQ(count(2), one + 12);
  EXPECT_EQ(count(100), one + 99 * 12);
  EXPECT_EQ(count(100), count(100));
}
TEST(Instructions, NothingIsNothing) {
  Stopwatch watch;
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(watch.count([&] {
      watch.begin();
      watch.end();
    }),
              0u);
  }
}
TEST(Instructions, OnlyWhatLiesInTheRegion) {
  Stopwatch watch;
  volatile int before = 0;
  const auto n = watch.count([&] {
    for (int i = 0; i < 1000; ++i) before = before + 1;
    watch.begin();
    known_loop(3);
    watch.end();
    for (int i = 0; i < 1000; ++i) before = before + 1;
  });
  EXPECT_LE(n, 3u * 12 + 4);
}
TEST(Instructions, AStopwatchThatHasCountedStillTimes) {
  Stopwatch watch;
  (void)watch.count([&] {
    watch.begin();
    watch.end();
  });
  watch.begin();
  known_loop(100'000);
  watch.end();
  EXPECT_GT(watch.ticks(), 0);
}
#endif

// ---- Figures ------------------------------------------------------------------------------------------------------

TEST(Statistics, Median) {
  EXPECT_EQ(median_of({}), 0);
  EXPECT_EQ(median_of({7}), 7);
  EXPECT_EQ(median_of({9, 1, 5}), 5);
  EXPECT_EQ(median_of({9, 1, 5, 7}), 6);
}
TEST(Statistics, SpreadIsTheMedianDistanceFromTheMedian) {
  EXPECT_EQ(spread_of({}), 0);
  EXPECT_EQ(spread_of({10}), 0);
  EXPECT_DOUBLE_EQ(spread_of({9, 10, 11}), 0.1);
  EXPECT_DOUBLE_EQ(spread_of({10, 10, 10, 1000}), 0);  // one that is far off changes nothing
}
TEST(Statistics, MiddleMeanLeavesOutTheTwentiethAtEachEnd) {
  std::vector<double> values(100, 2.0);
  for (std::size_t i = 0; i < 5; ++i) values[i] = -1000, values[99 - i] = 1e9;
  EXPECT_DOUBLE_EQ(middle_mean(values), 2);
  EXPECT_DOUBLE_EQ(middle_mean({1, 2, 3}), 2);
  EXPECT_EQ(middle_mean({}), 0);
}

constexpr Plan kPlan{.regions = 20, .least = 3, .most = 6, .spread = 0.01};

TEST(Repetitions, EndWhenTheyAgree) {
  Repetitions reps(kPlan);
  reps.add({10, 10}, 0.5, true);
  reps.add({10, 10}, 0.5, true);
  EXPECT_FALSE(reps.enough());
  reps.add({10, 10}, 0.5, true);
  EXPECT_TRUE(reps.enough());
  const Figures f = reps.figures(0.4);
  EXPECT_DOUBLE_EQ(f.ticks, 10);
  EXPECT_DOUBLE_EQ(f.cycles, 20);
  EXPECT_DOUBLE_EQ(f.regions.p50, 4);
  EXPECT_EQ(f.regions.count, 6u);
  EXPECT_EQ(f.repetitions, 3u);
  EXPECT_EQ(f.disturbed, 0u);
}
TEST(Repetitions, GoOnWhileTheyDifferButNotForEver) {
  Repetitions reps(kPlan);
  for (const double ticks : {10.0, 12.0, 14.0, 16.0, 18.0}) {
    reps.add({ticks}, 1, true);
    EXPECT_FALSE(reps.enough());
  }
  reps.add({20}, 1, true);
  EXPECT_TRUE(reps.enough());
  EXPECT_GT(reps.figures(1).spread, 0.01);
}
TEST(Repetitions, DisturbedOnesDoNotCount) {
  Repetitions reps(kPlan);
  for (const bool quiet : {true, false, true, false}) reps.add({quiet ? 10.0 : 50.0}, 1, quiet);
  EXPECT_FALSE(reps.enough());
  reps.add({10}, 1, true);
  EXPECT_TRUE(reps.enough());
  const Figures f = reps.figures(1);
  EXPECT_EQ(f.ticks, 10);
  EXPECT_EQ(f.regions.max, 10);
  EXPECT_EQ(f.repetitions, 5u);
  EXPECT_EQ(f.disturbed, 2u);
}
TEST(Repetitions, DisturbedOnesCountWhenThereAreNoOthersAndSaySo) {
  Repetitions reps(kPlan);
  for (unsigned i = 0; i < kPlan.most; ++i) {
    EXPECT_FALSE(reps.enough());
    reps.add({50}, 1, false);
  }
  EXPECT_TRUE(reps.enough());
  EXPECT_EQ(reps.figures(1).ticks, 50);
  EXPECT_EQ(reps.figures(1).disturbed, kPlan.most);
}

// ---- The machine --------------------------------------------------------------------------------------------------

TEST(Machine, StolenTimeOfOneCpu) {
  const std::string text =
      "cpu  1 2 3 4 5 6 7 888 9 10\n"
      "cpu0 11 12 13 14 15 16 17 300 0 0\n"
      "cpu10 11 12 13 14 15 16 17 500 0 0\n"
      "intr 1 2 3\n";
  const auto hz = static_cast<double>(::sysconf(_SC_CLK_TCK));
  EXPECT_DOUBLE_EQ(stolen_seconds(text, 0), 300 / hz);
  EXPECT_DOUBLE_EQ(stolen_seconds(text, 10), 500 / hz);
  EXPECT_EQ(stolen_seconds(text, 1), 0);
  EXPECT_EQ(stolen_seconds("cpu 1\ncpu0 1 2\n", 0), 0);  // kernels without the column
  EXPECT_EQ(stolen_seconds("", 0), 0);
}
TEST(Machine, ASlowerClockOrANarrowerCoreIsADisturbance) {
  const CoreProbe best{.chain = 0.7, .parallel = 0.8};
  EXPECT_TRUE(MachineWatch::is_quiet(best, best));
  EXPECT_TRUE(MachineWatch::is_quiet({0.72, 0.85}, best));
  EXPECT_FALSE(MachineWatch::is_quiet({0.8, 0.8}, best));
  EXPECT_FALSE(MachineWatch::is_quiet({0.7, 1.4}, best));
}
TEST(Machine, TheWalkIsAsLongAsAskedFor) {
  EXPECT_EQ(CacheWalk(4096).bytes(), 4096u);
  EXPECT_GT(CacheWalk(0).bytes(), 100'000u);
  CacheWalk(4096)();
}
TEST(OtherCore, WorksWhenItIsTold) {
  const auto here = std::this_thread::get_id();
  int worked = 0;
  std::set<std::thread::id> where;
  {
    OtherCore other(-1, [&] { ++worked, where.insert(std::this_thread::get_id()); });
    for (int i = 1; i <= 100; ++i) {
      other();
      ASSERT_EQ(worked, i);
    }
    EXPECT_GT(other.round_trip(), 0);
    EXPECT_EQ(worked, 100);
  }
  EXPECT_EQ(where.size(), 1u);
  EXPECT_FALSE(where.contains(here));
}
TEST(OtherCore, ACpuThatIsNotThereIsAnError) {
  OtherCore other(1000, [] {});
  EXPECT_THROW(other(), std::exception);
}

// ---- Frames -------------------------------------------------------------------------------------------------------

/// A wire that gives back what was sent, with one fault if asked.
struct FakeRig {
  struct Packet {
    std::vector<std::byte> bytes;
  };
  struct Burst : std::vector<Packet> {
    Burst(int, std::span<Packet> slots) : most(slots.size()) {}
    std::size_t most;
  };
  struct Queue {
    FakeRig* rig;
    std::uint32_t receive(Burst& burst) const noexcept {
      std::uint32_t n = 0;
      for (; !rig->arrived.empty() && burst.size() < burst.most; ++n) {
        burst.push_back(std::move(rig->arrived.back()));
        rig->arrived.pop_back();
      }
      return n;
    }
    void send(Burst& burst) const noexcept {
      for (Packet& p : burst) rig->sent.push_back(std::move(p));
      burst.clear();
    }
  };
  Queue queue() noexcept { return {this}; }
  int pool() { return 0; }
  std::uint32_t allocate(Burst& burst, std::uint32_t n, std::uint16_t bytes) {
    burst.assign(n, Packet{std::vector<std::byte>(bytes)});
    return n;
  }
  static std::byte* data(Packet& p) { return p.bytes.data(); }
  static std::uint32_t length(const Packet& p) { return static_cast<std::uint32_t>(p.bytes.size()); }
  void settle() {
    arrived.insert(arrived.end(), sent.begin(), sent.end());
    sent.clear();
  }
  void check_faults() {}
  std::vector<Packet> sent, arrived;
};
static_assert(Rig<FakeRig>);

FakeRig with_frames(std::uint32_t n) {
  FakeRig rig;
  put_frames(rig, n);
  return rig;
}
TEST(Frames, AllCasesMoveThemOnAndKeepThem) {
  FakeRig rig = with_frames(kBacklog);
  Stopwatch watch;
  check_frames(rig, kBacklog);
  for (const Case which : {Case::kForward, Case::kReceive, Case::kSend}) {
    for (const std::uint32_t size : {1u, 32u, 256u}) {
      run_region(which, rig, watch, size);
      EXPECT_TRUE(rig.arrived.empty());
      rig.settle();
      check_frames(rig, kBacklog);
    }
  }
}
TEST(Frames, OneAndNone) {
  Stopwatch watch;
  FakeRig one = with_frames(1), none = with_frames(0);
  run_region(Case::kOneArrives, one, watch, 32), one.settle();
  check_frames(one, 1);
  run_region(Case::kEmptyPoll, none, watch, 32);
  check_frames(none, 0);
  EXPECT_THROW(run_region(Case::kOneArrives, none, watch, 32), std::runtime_error);
  EXPECT_THROW(run_region(Case::kEmptyPoll, one, watch, 32), std::runtime_error);
  EXPECT_THROW(run_region(Case::kForward, one, watch, 32), std::runtime_error);
}
TEST(Frames, WhatIsWrongIsFound) {
  const auto fails = [](auto spoil) {
    FakeRig rig = with_frames(kBacklog);
    spoil(rig.arrived);
    try {
      check_frames(rig, kBacklog);
    } catch (const std::runtime_error&) { return true; }
    return false;
  };
  EXPECT_FALSE(fails([](auto&) {}));
  EXPECT_TRUE(fails([](auto& frames) { frames.pop_back(); }));
  EXPECT_TRUE(fails([](auto& frames) { frames[3] = frames[4]; }));
  EXPECT_TRUE(fails([](auto& frames) { frames.push_back(frames[4]); }));
  EXPECT_TRUE(fails([](auto& frames) { frames[9].bytes.resize(61); }));
  EXPECT_TRUE(fails([](auto& frames) { frames[9].bytes[5] = std::byte{9}; }));
  EXPECT_TRUE(fails([](auto& frames) { frames[9].bytes[kNumberAt + 1] = std::byte{1}; }));  // number 265 or so
  EXPECT_FALSE(fails([](auto& frames) { pollux::swap_addresses(frames[9].bytes.data()); }));
}

}  // namespace

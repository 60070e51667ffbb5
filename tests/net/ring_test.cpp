// SPDX-License-Identifier: BSD-3-Clause
// Tests of RxRing and TxRing with the descriptors of every driver, against a small device that reads them and writes
// them back. What only one format has is in the driver's own queue_test.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <random>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "ring_rig.hpp"

namespace {

using namespace ring_rig;

/// Where the program was compiled for more than this CPU has, there is nothing to run.
[[maybe_unused]] const bool skipped = [] {
#if defined(__AVX512F__)
  const bool can = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
                   __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq");
#elif defined(__AVX2__)
  const bool can = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2");
#else
  const bool can = true;
#endif
  if (!can) {
    std::puts("skipped: this CPU does not have what the program was compiled for");
    std::exit(0);
  }
  return false;
}();

using Kinds = ::testing::Types<E82574, E82599>;
struct NameOf {
  template <class Kind>
  static std::string GetName(int) {
    return std::is_same_v<Kind, E82574> ? "E82574" : "E82599";
  }
};
template <class Kind>
class Receive : public ::testing::Test {};
template <class Kind>
class Transmit : public ::testing::Test {};
template <class Kind>
class Queues : public ::testing::Test {};
TYPED_TEST_SUITE(Receive, Kinds, NameOf);
TYPED_TEST_SUITE(Transmit, Kinds, NameOf);
TYPED_TEST_SUITE(Queues, Kinds, NameOf);

// ---- Receive ------------------------------------------------------------------------------------------------------

TYPED_TEST(Receive, GivesTheDeviceAllButOneDescriptorAtTheStart) {
  Rig<TypeParam> rig(32, 32, 100);
  EXPECT_EQ(rig.rx.refill(), 31u);
  EXPECT_EQ(rig.cost(), Cost(0, 0));
  EXPECT_EQ(rig.rx_device.owned(), 0u);  // not visible before the doorbell
  rig.rx.publish();
  EXPECT_EQ(rig.cost(), Cost(0, 1));
  EXPECT_EQ(rig.window.at[TypeParam::kRdt], 31u);
  EXPECT_EQ(rig.rx_device.owned(), 31u);
  EXPECT_EQ(rig.pool.free_count(), 69u);
  EXPECT_EQ(rig.rx.refill(), 0u);
  rig.rx.publish();
  EXPECT_EQ(rig.cost(), Cost(0, 0));
}

TYPED_TEST(Receive, DeliversLengthDataAndOrder) {
  Rig<TypeParam> rig(32, 32, 100);
  start(rig);
  const std::uint16_t lengths[] = {1, 60, 1514, 1518, 2048};
  for (std::uint32_t i = 0; i < 5; ++i) ASSERT_TRUE(rig.rx_device.complete(lengths[i], kDd | kEop, 100 + i));
  Burst<32> burst(rig.pool);
  ASSERT_EQ(rig.rx.rx_burst(burst), 5u);
  for (std::uint32_t i = 0; i < 5; ++i) {
    EXPECT_EQ(burst[i].length, lengths[i]);
    EXPECT_EQ(burst[i].flags, 0u);
    EXPECT_EQ(burst[i].data, rig.pool.data(burst[i].id));
    EXPECT_EQ(stamp_of(burst[i]), 100u + i);
  }
  EXPECT_EQ(rig.rx.rx_burst(burst), 0u);
}

TYPED_TEST(Receive, TakesAnyBurstSizeThroughTheWrapOfTheRing) {
  for (std::uint32_t size = 1; size <= 40; ++size) {
    Rig<TypeParam> rig(32, 32, 120);
    start(rig);
    std::uint64_t put = 0, got = 0;
    while (got < 3 * 32 + 5) {
      for (std::uint32_t i = 0; i < size; ++i) {
        if (!rig.rx_device.complete(64, kDd | kEop, put)) break;
        ++put;
      }
      Burst<40> burst(rig.pool, size);
      ASSERT_EQ(rig.rx.rx_burst(burst), put - got) << size;
      for (const Packet& p : burst) ASSERT_EQ(stamp_of(p), got++);
    }
  }
}

TYPED_TEST(Receive, IsReadyExactlyWhenABurstWouldGetOn) {
  Rig<TypeParam> rig(32, 32, 31 + 40);
  EXPECT_TRUE(rig.rx.rx_ready()) << "the device has no descriptor yet";
  start(rig);
  const auto burst_of = [&](std::uint32_t expected) {
    Burst<64> burst(rig.pool);
    (void)rig.cost();
    EXPECT_EQ(rig.rx.rx_ready(), expected != 0);
    EXPECT_EQ(rig.cost(), Cost(0, 0)) << "a look at memory";
    EXPECT_EQ(rig.rx.rx_burst(burst), expected);
  };
  burst_of(0);
  for (int round = 0; round < 40; ++round) {
    ASSERT_TRUE(rig.rx_device.complete(60, kDd | kEop));
    burst_of(1);
    burst_of(0);
    ASSERT_TRUE(rig.rx_device.complete(60, kDd));  // a frame of three buffers
    burst_of(0);
    ASSERT_TRUE(rig.rx_device.complete(60, kDd));
    burst_of(0);
    ASSERT_TRUE(rig.rx_device.complete(60, kDd | kEop));
    burst_of(3);
    burst_of(0);
  }
  for (int i = 0; i < 31; ++i) {  // a frame without an end is given up when it has all descriptors
    EXPECT_FALSE(rig.rx.rx_ready()) << i;
    ASSERT_TRUE(rig.rx_device.complete(60, kDd));
  }
  EXPECT_TRUE(rig.rx.rx_ready());
  Burst<64> burst(rig.pool);
  EXPECT_EQ(rig.rx.rx_burst(burst), 0u);
  EXPECT_EQ(rig.rx.rejected(), 1u);
  EXPECT_FALSE(rig.rx.rx_ready());
}

TYPED_TEST(Receive, IsReadyWhenTheDeviceIsStarvedAndThePoolIsNot) {
  Rig<TypeParam> rig(32, 32, 31);
  start(rig);
  ASSERT_EQ(rig.rx_device.complete_many(31), 31u);
  {
    Burst<31> held(rig.pool);
    EXPECT_EQ(rig.rx.rx_burst(held), 31u);
    EXPECT_FALSE(rig.rx.rx_ready()) << "nothing can be done without buffers";
  }
  EXPECT_TRUE(rig.rx.rx_ready()) << "who sleeps now is never woken";
  Burst<8> burst(rig.pool);
  EXPECT_EQ(rig.rx.rx_burst(burst), 0u);
  EXPECT_FALSE(rig.rx.rx_ready());
  EXPECT_EQ(rig.rx_device.owned(), 31u);
}

TYPED_TEST(Receive, StopsWhenTheBurstIsFullAndGoesOnWithTheNext) {
  Rig<TypeParam> rig(32, 32, 100);
  start(rig);
  ASSERT_EQ(rig.rx_device.complete_many(10), 10u);
  Burst<4> a(rig.pool), b(rig.pool), c(rig.pool);
  EXPECT_EQ(rig.rx.rx_burst(a), 4u);
  EXPECT_EQ(rig.rx.rx_burst(a), 0u);  // no room
  EXPECT_EQ(rig.rx.rx_burst(b), 4u);
  EXPECT_EQ(rig.rx.rx_burst(c), 2u);
  EXPECT_EQ(rig.rx.rx_burst(c), 0u);  // an idle look refills what is left over
  EXPECT_EQ(rig.pool.free_count(), 100u - 31 - 10);
}

TYPED_TEST(Receive, NeverReadsARegisterAndRingsAtMostOnceForEveryBurstSize) {
  Rig<TypeParam> rig(512, 512, 1200);
  start(rig);
  for (std::uint32_t size = 1; size <= 256; ++size) {
    const std::uint32_t arrived = rig.rx_device.complete_many(size);
    ASSERT_EQ(arrived, size);
    Burst<256> burst(rig.pool, size);
    ASSERT_EQ(rig.rx.rx_burst(burst), size);
    const auto [reads, writes] = rig.cost();
    ASSERT_EQ(reads, 0u) << size;
    ASSERT_LE(writes, 1u) << size;
    ASSERT_EQ(rig.rx.rx_burst(burst), 0u);
    ASSERT_LE(rig.cost().second, 1u) << size;
    ASSERT_EQ(rig.rx_device.owned(), 511u) << size;
  }
}

TYPED_TEST(Receive, GathersRefilledDescriptorsBeforeItRings) {
  Rig<TypeParam> rig(512, 512, 1200);
  start(rig);
  Burst<256> burst(rig.pool);
  for (std::uint32_t i = 1; i <= 31; ++i) {
    ASSERT_TRUE(rig.rx_device.complete(60));
    ASSERT_EQ(rig.rx.rx_burst(burst), 1u);
    ASSERT_EQ(rig.cost(), Cost(0, 0)) << i;
  }
  ASSERT_TRUE(rig.rx_device.complete(60));
  ASSERT_EQ(rig.rx.rx_burst(burst), 1u);
  EXPECT_EQ(rig.cost(), Cost(0, 1));
  EXPECT_EQ(rig.window.at[TypeParam::kRdt], (511u + 32) % 512);
  ASSERT_TRUE(rig.rx_device.complete(60));
  ASSERT_EQ(rig.rx.rx_burst(burst), 1u);
  EXPECT_EQ(rig.cost(), Cost(0, 0));
  EXPECT_EQ(rig.rx.rx_burst(burst), 0u);  // an idle look publishes what is left over
  EXPECT_EQ(rig.cost(), Cost(0, 1));
  EXPECT_EQ(rig.window.at[TypeParam::kRdt], (511u + 33) % 512);
  EXPECT_EQ(rig.rx.rx_burst(burst), 0u);
  EXPECT_EQ(rig.cost(), Cost(0, 0));
}

TYPED_TEST(Receive, RefillsAndRingsOnceForTwoBursts) {
  Rig<TypeParam> rig(512, 512, 1200);
  start(rig);
  (void)rig.cost();
  Burst<32> burst(rig.pool);
  for (std::uint32_t round = 1; round <= 40; ++round) {
    ASSERT_EQ(rig.rx_device.complete_many(32), 32u);
    ASSERT_EQ(rig.rx.rx_burst(burst), 32u);
    ASSERT_EQ(rig.cost(), Cost(0, round % 2 == 0 ? 1 : 0)) << round;
    burst.clear();
    if (round % 2 == 0) { ASSERT_EQ(rig.window.at[TypeParam::kRdt], (511u + 32 * round) % 512); }
  }
}

TYPED_TEST(Receive, OnASmallRingNeverHoldsBackSoMuchThatTheDeviceStarves) {
  Rig<TypeParam> rig(32, 32, 100);
  start(rig);
  for (int i = 0; i < 200; ++i) {
    ASSERT_TRUE(rig.rx_device.complete(60));
    Burst<8> burst(rig.pool);
    ASSERT_EQ(rig.rx.rx_burst(burst), 1u);
    ASSERT_GE(rig.rx_device.owned(), 31u - 8);
  }
}

TYPED_TEST(Receive, StarvesWithAnEmptyPoolAndRecovers) {
  Rig<TypeParam> rig(32, 32, 40);
  start(rig);
  Burst<64> held(rig.pool);
  EXPECT_EQ(rig.rx.starved(), 0u);
  for (int i = 0; i < 3; ++i) {
    rig.rx_device.complete_many(31);
    (void)rig.rx.rx_burst(held);
  }
  EXPECT_EQ(held.size(), 40u);
  EXPECT_EQ(rig.pool.free_count(), 0u);
  EXPECT_EQ(rig.rx_device.owned(), 0u);
  EXPECT_FALSE(rig.rx_device.complete(60));
  EXPECT_GT(rig.rx.starved(), 0u);
  EXPECT_EQ(rig.rx.rx_burst(held), 0u);
  Burst<1> one(rig.pool);
  EXPECT_EQ(rig.rx.rx_burst(one), 0u);  // what stands in the ring was received before
  held.drop_front(40);
  EXPECT_EQ(rig.rx.rx_burst(held), 0u);
  EXPECT_EQ(rig.rx_device.owned(), 31u);
  ASSERT_EQ(rig.rx_device.complete_many(31), 31u);
  EXPECT_EQ(rig.rx.rx_burst(held), 31u);
}

TYPED_TEST(Receive, RefusesDamagedFramesAndImpossibleLengths) {
  Rig<TypeParam> rig(32, 32, 100);
  start(rig);
  struct Bad {
    std::uint16_t length;
    std::uint32_t status;
  };
  std::vector<Bad> bad = {{0, kDd | kEop}, {2049, kDd | kEop}, {0xFFFF, kDd | kEop}};
  for (const std::uint32_t damage : TypeParam::kDamaged) bad.push_back({60, kDd | kEop | damage});
  std::uint64_t rejected = 0;
  Burst<8> burst(rig.pool);
  for (const Bad& b : bad) {
    ASSERT_TRUE(rig.rx_device.complete(60, kDd | kEop, 1));
    ASSERT_TRUE(rig.rx_device.complete(b.length, b.status, 2));
    ASSERT_TRUE(rig.rx_device.complete(60, kDd | kEop, 3));
    ASSERT_EQ(rig.rx.rx_burst(burst), 2u);  // its neighbours arrive
    EXPECT_EQ(stamp_of(burst[0]), 1u);
    EXPECT_EQ(stamp_of(burst[1]), 3u);
    EXPECT_EQ(rig.rx.rejected(), ++rejected);
    burst.clear();
    ASSERT_EQ(rig.rx.rx_burst(burst), 0u);
    EXPECT_EQ(rig.pool.free_count(), 100u - 31);  // the refused buffer came back
  }
}

TYPED_TEST(Receive, LeavesChecksumVerdictsToTheApplication) {
  Rig<TypeParam> rig(32, 32, 100);
  start(rig);
  ASSERT_TRUE(rig.rx_device.complete(60, kDd | kEop | TypeParam::kChecksums));
  Burst<8> burst(rig.pool);
  EXPECT_EQ(rig.rx.rx_burst(burst), 1u);
  EXPECT_EQ(rig.rx.rejected(), 0u);
}

/// Plain frames in runs, frames of several buffers, refused ones; bursts and arrays of every size, over many wraps.
TYPED_TEST(Receive, TellsOfEachPacketWhatTheDeviceWrote) {
  Rig<TypeParam> rig(64, 32, 400);
  start(rig);
  struct Expected {
    std::uint64_t stamp, word0, word1;
  };
  std::deque<Expected> expected;
  auto random = [engine = std::mt19937(5)]() mutable { return static_cast<std::uint32_t>(engine()); };
  std::uint32_t stamp = 0, told = 0;
  const auto complete = [&](std::uint16_t length, std::uint32_t status) {
    const std::uint32_t info = (++stamp & 0x1FFF) << 4 | (random() & 0xF);  // no bit of the RSC count
    EXPECT_TRUE(rig.rx_device.complete(length, status, stamp, info));
    const bool last = (status & kEop) != 0;  // else it says nothing
    return Expected{stamp, last ? std::uint64_t{0xABAD'CAFE} << 32 | info : 0,
                    last ? std::uint64_t{length} << 32 | status : 0};
  };
  for (int round = 0; round < 4000; ++round) {
    while (rig.rx_device.owned() > 3 && random() % 16 != 0) {
      const std::uint32_t status = kDd | kEop | (random() & TypeParam::kChecksums);
      if (const auto kind = random() % 32; kind == 0) {
        (void)complete(60, status | kCe);
      } else {
        if (kind == 1) expected.push_back(complete(2048, kDd));
        expected.push_back(complete(60, status));
      }
    }
    std::array<typename std::decay_t<decltype(rig.rx)>::Metadata, 40> meta;
    const std::uint32_t size = 1 + random() % 40, asked = random() % 41;
    Burst<40> burst(rig.pool, size);
    const std::uint32_t n = rig.rx.rx_burst(burst, std::span(meta).first(asked));
    ASSERT_EQ(n, burst.size());
    ASSERT_LE(n, std::min(size, asked));
    for (std::uint32_t i = 0; i < n; ++i, expected.pop_front()) {
      ASSERT_FALSE(expected.empty());
      ASSERT_EQ(stamp_of(burst[i]), expected.front().stamp);
      ASSERT_EQ(meta[i].word0, expected.front().word0);
      ASSERT_EQ(meta[i].word1, expected.front().word1);
      EXPECT_EQ(burst[i].more(), expected.front().word1 == 0);
    }
    told += n;
  }
  EXPECT_GT(told, 20'000u);
  EXPECT_GT(rig.rx.rejected(), 100u);
}

TYPED_TEST(Receive, MarksEveryBufferOfAFrameButTheLast) {
  Rig<TypeParam> rig(32, 32, 100);
  start(rig);
  ASSERT_TRUE(rig.rx_device.complete(2048, kDd));
  ASSERT_TRUE(rig.rx_device.complete(2048, kDd));
  ASSERT_TRUE(rig.rx_device.complete(100, kDd | kEop));
  ASSERT_TRUE(rig.rx_device.complete(60, kDd | kEop));
  Burst<8> burst(rig.pool);
  ASSERT_EQ(rig.rx.rx_burst(burst), 4u);
  EXPECT_TRUE(burst[0].more() && burst[1].more());
  EXPECT_FALSE(burst[2].more() || burst[3].more());
}

TYPED_TEST(Receive, NeverJoinsTheBeginningOfARefusedFrameToTheNextOne) {
  Rig<TypeParam> rig(32, 32, 100);
  start(rig);
  ASSERT_TRUE(rig.rx_device.complete(2048, kDd, 1));
  ASSERT_TRUE(rig.rx_device.complete(100, kDd | kEop | kCe, 2));  // errors are told in the last descriptor
  ASSERT_TRUE(rig.rx_device.complete(60, kDd | kEop, 3));
  Burst<8> burst(rig.pool);
  (void)rig.rx.rx_burst(burst);
  for (std::uint32_t i = 0; i + 1 < burst.size(); ++i) {
    EXPECT_FALSE(burst[i].more() && stamp_of(burst[i + 1]) == 3) << "buffers of two frames look like one frame";
  }
  ASSERT_FALSE(burst.empty());
  EXPECT_EQ(stamp_of(burst[burst.size() - 1]), 3u);
}

TYPED_TEST(Receive, WaitsForTheEndOfAFrameAndGivesItInPieces) {
  Rig<TypeParam> rig(32, 32, 100);
  start(rig);
  for (std::uint64_t i = 0; i < 5; ++i) ASSERT_TRUE(rig.rx_device.complete(2048, kDd, i));
  Burst<2> burst(rig.pool);
  EXPECT_EQ(rig.rx.rx_burst(burst), 0u);
  ASSERT_TRUE(rig.rx_device.complete(1, kDd | kEop, 5));
  for (std::uint64_t i = 0; i < 6; i += 2) {
    ASSERT_EQ(rig.rx.rx_burst(burst), 2u);
    EXPECT_EQ(stamp_of(burst[0]), i);
    EXPECT_TRUE(burst[0].more());
    EXPECT_EQ(stamp_of(burst[1]), i + 1);
    EXPECT_EQ(burst[1].more(), i < 4);
    burst.clear();
  }
  EXPECT_EQ(rig.rx.rejected(), 0u);
}

TYPED_TEST(Receive, RefusesAFrameOfSeveralBuffersAsOne) {
  Rig<TypeParam> rig(32, 32, 100);
  start(rig);
  for (const std::uint16_t middle : {std::uint16_t{0}, std::uint16_t{2049}}) {
    ASSERT_TRUE(rig.rx_device.complete(2048, kDd, 1));
    ASSERT_TRUE(rig.rx_device.complete(middle, kDd, 2));
    ASSERT_TRUE(rig.rx_device.complete(100, kDd | kEop, 3));
    ASSERT_TRUE(rig.rx_device.complete(60, kDd | kEop, 4));
    Burst<8> burst(rig.pool);
    ASSERT_EQ(rig.rx.rx_burst(burst), 1u);
    EXPECT_EQ(stamp_of(burst[0]), 4u);
  }
  EXPECT_EQ(rig.rx.rejected(), 2u);
  EXPECT_EQ(rig.pool.free_count(), 100u - 31);
}

TYPED_TEST(Receive, GivesUpAFrameThatFillsTheRingWithoutAnEnd) {
  Rig<TypeParam> rig(32, 32, 100);
  start(rig);
  Burst<8> burst(rig.pool);
  for (int i = 0; i < 31; ++i) ASSERT_TRUE(rig.rx_device.complete(2048, kDd, 1));
  EXPECT_EQ(rig.rx.rx_burst(burst), 0u);
  EXPECT_EQ(rig.rx.rejected(), 1u);
  ASSERT_EQ(rig.rx_device.owned(), 31u);  // the device can go on
  ASSERT_TRUE(rig.rx_device.complete(2048, kDd, 2));
  ASSERT_TRUE(rig.rx_device.complete(60, kDd | kEop, 3));  // its end
  ASSERT_TRUE(rig.rx_device.complete(60, kDd | kEop, 4));
  ASSERT_EQ(rig.rx.rx_burst(burst), 1u);
  EXPECT_EQ(stamp_of(burst[0]), 4u);
  EXPECT_EQ(rig.rx.rejected(), 1u);
}

TYPED_TEST(Receive, ReleasesEveryBufferAndStartsAgainFromZero) {
  Rig<TypeParam> rig(32, 32, 100);
  start(rig);
  rig.rx_device.complete_many(20);
  {
    Burst<8> burst(rig.pool);
    ASSERT_EQ(rig.rx.rx_burst(burst), 8u);
    rig.rx.release_all();
    EXPECT_EQ(rig.pool.free_count(), 92u);
  }
  EXPECT_EQ(rig.pool.free_count(), 100u);
  rig.window.at[TypeParam::kRdt] = 0;  // the reset did that
  rig.rx_device = RxDevice<TypeParam>(rig.window, rig.pool, rig.memory.data(), 32);
  Burst<32> burst(rig.pool);
  EXPECT_EQ(rig.rx.rx_burst(burst), 0u);  // no stale DD is a phantom packet
  EXPECT_EQ(rig.rx_device.owned(), 31u);
  ASSERT_EQ(rig.rx_device.complete_many(31), 31u);
  EXPECT_EQ(rig.rx.rx_burst(burst), 31u);
}

TYPED_TEST(Receive, RingsAgainAfterARelease) {
  Rig<TypeParam> rig(32, 32, 100);
  for (int i = 0; i < 3; ++i) {
    ASSERT_EQ(rig.rx.refill(), 31u);
    rig.rx.publish();
    EXPECT_EQ(rig.cost(), Cost(0, 1));
    rig.rx.release_all();
  }
}

// ---- Transmit -----------------------------------------------------------------------------------------------------

TYPED_TEST(Transmit, HandsOverAddressLengthAndOrder) {
  Rig<TypeParam> rig(32, 32, 100);
  Burst<8> burst(rig.pool);
  fill(burst, 3, 50);
  burst[1].length = 1514;
  EXPECT_EQ(rig.tx.tx_burst(burst, true), 3u);
  EXPECT_TRUE(burst.empty());
  EXPECT_EQ(rig.cost(), Cost(0, 1));
  EXPECT_EQ(rig.tx_device.send(10), 3u);
  EXPECT_EQ(rig.tx_device.sent[0].stamp, 50u);
  EXPECT_EQ(rig.tx_device.sent[1].length, 1514u);
  EXPECT_EQ(rig.tx_device.sent[2].stamp, 52u);
  EXPECT_TRUE(rig.tx_device.sent[0].eop);
}

TYPED_TEST(Transmit, NeverReadsARegisterAndRingsAtMostOnceForEveryBurstSize) {
  Rig<TypeParam> rig(512, 512, 1200);
  std::uint32_t posted = 0;
  for (std::uint32_t size = 1; size <= 256; ++size) {
    Burst<256> burst(rig.pool);
    fill(burst, size);
    ASSERT_EQ(rig.tx.tx_burst(burst, true), size);
    ASSERT_EQ(rig.cost(), Cost(0, 1)) << size;
    posted += size;
    ASSERT_EQ(rig.window.at[TypeParam::kTdt], posted % 512);
    ASSERT_EQ(rig.tx.tx_burst(burst, true), 0u);  // nothing to send: nothing to tell
    ASSERT_EQ(rig.cost(), Cost(0, 0));
    ASSERT_EQ(rig.tx_device.send(1000), size);
  }
}

TYPED_TEST(Transmit, AsksForAReportAtTheEndOfABurstAndEvery32nd) {
  Rig<TypeParam> rig(512, 512, 1200);
  using Slots = std::vector<std::uint32_t>;
  const std::pair<std::uint32_t, Slots> cases[] = {{1, {0}},       {31, {30}},     {32, {31}},
                                                   {33, {31, 32}}, {64, {31, 63}}, {100, {31, 63, 95, 99}}};
  for (const auto& [size, expected] : cases) {
    Burst<128> burst(rig.pool);
    fill(burst, size);
    ASSERT_EQ(rig.tx.tx_burst(burst, true), size);
    EXPECT_EQ(rig.tx_device.reports(), expected);
    (void)rig.tx_device.send(1000);
  }
}

TYPED_TEST(Transmit, TakesWhatFitsAndLeavesTheRestToTheCaller) {
  Rig<TypeParam> rig(32, 32, 100);
  {
    Burst<64> burst(rig.pool);
    fill(burst, 50);
    EXPECT_EQ(rig.tx.tx_burst(burst, true), 31u);
    EXPECT_EQ(rig.tx.free(), 0u);
    EXPECT_EQ(burst.size(), 19u);
    EXPECT_EQ(stamp_of(burst[0]), 31u);
    EXPECT_EQ(rig.tx.tx_burst(burst, true), 0u);
    EXPECT_EQ(burst.size(), 19u);
    EXPECT_EQ(rig.pool.free_count(), 50u);
  }
  EXPECT_EQ(rig.pool.free_count(), 69u);  // the rest came back with the burst
  EXPECT_EQ(rig.tx_device.send(100), 31u);
  EXPECT_EQ(rig.tx.reap(100), 31u);
  EXPECT_EQ(rig.pool.free_count(), 100u);
}

TYPED_TEST(Transmit, SendsEveryPacketOfABurstLargerThanTheRingInTheEnd) {
  Rig<TypeParam> rig(32, 32, 200);
  Burst<150> burst(rig.pool);
  fill(burst, 150);
  for (int i = 0; i < 20 && !burst.empty(); ++i) {
    (void)rig.tx.tx_burst(burst, true);
    (void)rig.tx_device.send(17);
  }
  (void)rig.tx_device.send(100);
  ASSERT_EQ(rig.tx_device.sent.size(), 150u);
  for (std::uint64_t i = 0; i < 150; ++i) EXPECT_EQ(rig.tx_device.sent[i].stamp, i);
}

TYPED_TEST(Transmit, TakesFramesOfSeveralBuffersWholeOrNotAtAll) {
  Rig<TypeParam> rig(32, 32, 100);
  Burst<64> burst(rig.pool);
  fill(burst, 36);
  for (std::uint32_t i = 0; i < 36; ++i) burst[i].flags = i % 3 == 2 ? 0 : Packet::kMore;
  EXPECT_EQ(rig.tx.tx_burst(burst, true), 30u);  // 31 fit; the eleventh frame would be cut
  EXPECT_EQ(burst.size(), 6u);
  for (const std::uint32_t slot : rig.tx_device.reports()) EXPECT_EQ(slot % 3, 2u);  // never within a frame
  ASSERT_FALSE(rig.tx_device.reports().empty());
  EXPECT_EQ(rig.tx_device.reports().back(), 29u);
  (void)rig.tx_device.send(100);
  for (std::uint32_t i = 0; i < 30; ++i) EXPECT_EQ(rig.tx_device.sent[i].eop, i % 3 == 2) << i;
  EXPECT_EQ(rig.tx.tx_burst(burst, true), 6u);
}

TYPED_TEST(Transmit, LeavesAFrameWhoseEndIsMissing) {
  Rig<TypeParam> rig(32, 32, 100);
  Burst<8> burst(rig.pool);
  fill(burst, 3);
  burst[1].flags = burst[2].flags = Packet::kMore;
  EXPECT_EQ(rig.tx.tx_burst(burst, true), 1u);
  EXPECT_EQ(burst.size(), 2u);
  EXPECT_EQ(rig.tx.tx_burst(burst, true), 0u);
  fill(burst, 1);
  EXPECT_EQ(rig.tx.tx_burst(burst, true), 3u);
}

TYPED_TEST(Transmit, ReapsOnlyGroupsThatAreSentWhole) {
  Rig<TypeParam> rig(512, 512, 1200);
  Burst<128> burst(rig.pool);
  fill(burst, 100);
  ASSERT_EQ(rig.tx.tx_burst(burst, true), 100u);
  EXPECT_EQ(rig.tx.reap(1000), 0u);
  (void)rig.tx_device.send(31);
  EXPECT_EQ(rig.tx.reap(1000), 0u);
  (void)rig.tx_device.send(1);
  EXPECT_EQ(rig.tx.reap(1000), 32u);
  EXPECT_EQ(rig.tx.in_use(), 68u);
  (void)rig.tx_device.send(67);
  EXPECT_EQ(rig.tx.reap(1000), 64u);
  (void)rig.tx_device.send(1);
  EXPECT_EQ(rig.tx.reap(1000), 4u);
  EXPECT_EQ(rig.tx.in_use(), 0u);
  EXPECT_EQ(rig.tx.reap(1000), 0u);
  EXPECT_EQ(rig.pool.free_count(), 1200u);
  EXPECT_EQ(rig.cost(), Cost(0, 1));
}

TYPED_TEST(Transmit, ReapsNoMoreThanAskedForRoundedUpToAGroup) {
  Rig<TypeParam> rig(512, 512, 1200);
  for (int i = 0; i < 100; ++i) {
    Burst<1> one(rig.pool);
    fill(one, 1);
    ASSERT_EQ(rig.tx.tx_burst(one, true), 1u);
  }
  Burst<128> burst(rig.pool);
  fill(burst, 64);
  ASSERT_EQ(rig.tx.tx_burst(burst, true), 64u);
  (void)rig.tx_device.send(1000);
  EXPECT_EQ(rig.tx.reap(0), 0u);
  EXPECT_EQ(rig.tx.reap(10), 32u);  // small bursts are gathered to groups
  EXPECT_EQ(rig.tx.reap(91), 32u + 32 + 36);
  EXPECT_EQ(rig.tx.reap(1), 32u);
}

TYPED_TEST(Transmit, BoundsTheReapingOfOneBurst) {
  Rig<TypeParam> rig(1024, 1024, 2100);
  for (int i = 0; i < 900; ++i) {
    Burst<1> one(rig.pool);
    fill(one, 1);
    ASSERT_EQ(rig.tx.tx_burst(one, true), 1u);
  }
  (void)rig.tx_device.send(1000);
  std::uint32_t all = 0;
  for (int i = 0; i < 2; ++i) {  // nothing was sent when it last looked: it looks again within 8 packets
    Burst<8> burst(rig.pool);
    fill(burst, 8);
    const std::uint32_t before = rig.tx.in_use();
    ASSERT_EQ(rig.tx.tx_burst(burst, true), 8u);
    const std::uint32_t reaped = before + 8 - rig.tx.in_use();
    EXPECT_LE(reaped, 8u + 64 + 31);
    all += reaped;
  }
  EXPECT_GE(all, 8u);
}

TYPED_TEST(Transmit, ReapsBuffersInOrderThroughTheWrapOfTheRing) {
  for (std::uint32_t size = 1; size <= 31; ++size) {
    Rig<TypeParam> rig(32, 32, 64);
    std::uint64_t stamp = 0;
    while (stamp < 3 * 32 + 5) {
      Burst<32> burst(rig.pool);
      fill(burst, size, stamp);
      ASSERT_EQ(rig.tx.tx_burst(burst, true), size) << size;
      ASSERT_EQ(rig.window.at[TypeParam::kTdt], (stamp + size) % 32);
      stamp += size;
      ASSERT_EQ(rig.tx_device.send(100), size);
      ASSERT_EQ(rig.tx.reap(100), size);
      ASSERT_EQ(rig.pool.free_count(), 64u);
    }
    for (std::uint64_t i = 0; i < stamp; ++i) ASSERT_EQ(rig.tx_device.sent[i].stamp, i);
  }
}

TYPED_TEST(Transmit, TellsTheDeviceOnlyWhenItIsToldToWhenDeferred) {
  Rig<TypeParam> rig(32, 32, 100);
  for (std::uint32_t i = 0; i < 3; ++i) {
    Burst<4> burst(rig.pool);
    fill(burst, 4);
    EXPECT_EQ(rig.tx.tx_burst(burst, false), 4u);
    EXPECT_EQ(rig.cost(), Cost(0, 0));
  }
  EXPECT_EQ(rig.tx_device.owned(), 0u);
  rig.tx.publish();
  EXPECT_EQ(rig.cost(), Cost(0, 1));
  EXPECT_EQ(rig.window.at[TypeParam::kTdt], 12u);
  EXPECT_EQ(rig.tx_device.owned(), 12u);
  rig.tx.publish();
  EXPECT_EQ(rig.cost(), Cost(0, 0));
}

TYPED_TEST(Transmit, ReleasesSentAndUnsentAndStartsAgainFromZero) {
  Rig<TypeParam> rig(32, 32, 100);
  Burst<64> burst(rig.pool);
  fill(burst, 25);
  ASSERT_EQ(rig.tx.tx_burst(burst, true), 25u);
  (void)rig.tx_device.send(25);
  ASSERT_EQ(rig.tx.reap(100), 25u);
  fill(burst, 20);  // across the wrap
  ASSERT_EQ(rig.tx.tx_burst(burst, true), 20u);
  (void)rig.tx_device.send(7);
  rig.tx.release_all();
  EXPECT_EQ(rig.pool.free_count(), 100u);
  EXPECT_EQ(rig.tx.in_use(), 0u);
  rig.window.at[TypeParam::kTdt] = 0;  // the reset did that
  rig.tx_device = TxDevice<TypeParam>(rig.window, rig.pool, rig.memory.data() + 16 * 32, 32);
  EXPECT_EQ(rig.tx.reap(100), 0u);
  fill(burst, 31, 500);
  EXPECT_EQ(rig.tx.tx_burst(burst, true), 31u);
  EXPECT_EQ(rig.tx_device.send(100), 31u);
  EXPECT_EQ(rig.tx_device.sent.front().stamp, 500u);
  EXPECT_EQ(rig.tx.reap(100), 31u);
}

TYPED_TEST(Transmit, RingsAgainAfterARelease) {
  Rig<TypeParam> rig(32, 32, 100);
  for (int i = 0; i < 3; ++i) {
    Burst<8> burst(rig.pool);
    fill(burst, 5);
    ASSERT_EQ(rig.tx.tx_burst(burst, true), 5u);
    EXPECT_EQ(rig.cost(), Cost(0, 1));
    rig.tx.release_all();
  }
}

// ---- Both --------------------------------------------------------------------------------------------------------

TYPED_TEST(Queues, WithoutARingMoveNothingAtNoCost) {
  Rig<TypeParam> rig(32, 32, 100);
  typename TypeParam::template RxQueue<CountingIo> rx({}, rig.shadow.data(), rig.pool, {rig.bar, reg::Index{1}});
  typename TypeParam::template TxQueue<CountingIo> tx({}, rig.shadow.data(), rig.pool, {rig.bar, reg::Index{1}});
  Burst<8> burst(rig.pool);
  EXPECT_EQ(rx.rx_burst(burst), 0u);
  ASSERT_EQ(burst.allocate(8, 60), 8u);
  EXPECT_EQ(tx.tx_burst(burst, true), 0u);
  EXPECT_EQ(burst.size(), 8u);
  EXPECT_EQ(tx.reap(100), 0u);
  EXPECT_EQ(rx.starved(), 0u);
  EXPECT_EQ(rig.cost(), Cost(0, 0));
}

/// A long random walk.
template <class Kind>
class RandomWalk {
 public:
  void run(std::uint32_t steps) {
    start(rig_);
    in_rx_ring_ = 63;
    for (step_ = 0; step_ < steps; ++step_) {
      one_step();
      const std::uint32_t in_bursts = a_.size() + b_.size() + c_.size() + d_.size();
      // The receive ring's share is what this test expects of it, not what is left over.
      ASSERT_EQ(rig_.pool.free_count() + in_rx_ring_ + rig_.tx.in_use() + in_bursts, kBuffers) << "step " << step_;
      if (::testing::Test::HasFailure()) FAIL() << "step " << step_;
    }
    finish();
  }

 private:
  static constexpr std::uint32_t kBuffers = 190;

  std::uint32_t below(std::uint32_t n) { return static_cast<std::uint32_t>(random_() % n); }
  PacketBurst& any_burst() {
    const std::array<PacketBurst*, 4> all{&a_, &b_, &c_, &d_};
    return *all[below(4)];
  }

  void one_step() {
    switch (below(11)) {
      case 0:
      case 1:
        return arrive(below(48));
      case 2:
      case 3:
      case 4:
        return receive(any_burst());
      case 5:
      case 6:
        return transmit(any_burst(), below(3) != 0);
      case 7:
        return publish();
      case 8:
        return (void)rig_.tx_device.send(below(48)), check_sent();
      case 9:
        return drop_or_make(any_burst());
      default:
        return reap();
    }
  }

  /// Frames from the wire: some of several buffers, some longer than the ring, some damaged.
  void arrive(std::uint32_t n) {
    for (std::uint32_t i = 0; i < n; ++i) {
      const std::uint32_t dice = below(20);
      const std::uint16_t length = dice == 0 ? 0 : dice == 1 ? 2049 : static_cast<std::uint16_t>(17 + below(2032));
      const bool eop = dice != 2 && below(400) > 0 && !(long_frame_ > 0 && long_frame_-- > 0);
      const std::uint32_t status = kDd | (eop ? kEop : 0) | (dice == 3 && eop ? kCe : 0);
      if (!rig_.rx_device.complete(length, status, stamp_)) break;
      if (below(2000) == 0) long_frame_ = 80;  // longer than the ring
      completed_.push_back(
          {{.stamp = stamp_, .length = length, .eop = eop}, length - 1u < 2048 && !(dice == 3 && eop)});
      ++stamp_;
      ++arrived_;
    }
  }

  void receive(PacketBurst& burst) {
    const std::uint32_t before = burst.size(), room = burst.room(), free = rig_.pool.free_count();
    const std::uint64_t rejected = rig_.rx.rejected(), starved = rig_.rx.starved();
    (void)rig_.cost();
    const std::uint32_t n = rig_.rx.rx_burst(burst);
    const auto [reads, writes] = rig_.cost();
    ASSERT_EQ(reads, 0u);
    ASSERT_LE(writes, 1u);
    const Harvest expected = expected_harvest(room);
    ASSERT_EQ(n, expected.given.size());
    ASSERT_EQ(burst.size(), before + n);
    ASSERT_EQ(rig_.rx.rejected() - rejected, expected.frames_refused);
    in_rx_ring_ -= n + expected.buffers_refused;
    if (63 - in_rx_ring_ >= (n == 0 ? 1u : 16u)) {  // refilled when a quarter is free, or when there is nothing to do
      in_rx_ring_ += std::min(63 - in_rx_ring_, free + expected.buffers_refused);
      ASSERT_EQ(rig_.rx.starved() - starved, in_rx_ring_ < 63 ? 1u : 0u);
    } else {
      ASSERT_EQ(writes, 0u);
      ASSERT_EQ(rig_.rx.starved(), starved);
    }
    for (std::uint32_t i = 0; i < n; ++i) {
      const Packet& p = burst[before + i];
      ASSERT_EQ(stamp_of(p), expected.given[i].stamp);
      ASSERT_EQ(p.length, expected.given[i].length);
      ASSERT_EQ(p.more(), !expected.given[i].eop);
    }
  }

  /// What a harvest must give: whole frames are judged, in the order of arrival, then given as far as there is room.
  struct Harvest {
    std::vector<Part> given;
    std::uint32_t frames_refused = 0, buffers_refused = 0;
  };
  Harvest expected_harvest(std::uint32_t room) {
    Harvest out;
    while (!completed_.empty() && out.given.size() < room) {
      if (judged_ == 0) {
        const auto end = std::find_if(completed_.begin(), completed_.end(), [](const auto& c) { return c.first.eop; });
        const bool whole = end != completed_.end();
        const auto length = static_cast<std::uint32_t>(end - completed_.begin()) + (whole ? 1 : 0);
        if (!whole && length < 63) break;  // a frame torn is one that has filled the whole ring
        bool bad = torn_ || !whole;
        for (std::uint32_t i = 0; i < length; ++i) bad = bad || !completed_[i].second;
        if (bad) {
          out.frames_refused += torn_ ? 0 : 1;
          torn_ = !whole;
          torn_frames_ += torn_ ? 1 : 0;
          out.buffers_refused += length;
          completed_.erase(completed_.begin(), completed_.begin() + length);
          continue;
        }
        judged_ = length;
      }
      out.given.push_back(completed_.front().first);
      completed_.pop_front();
      --judged_;
    }
    return out;
  }

  void transmit(PacketBurst& burst, bool now) {
    const std::uint32_t size = burst.size();
    std::vector<Part> content;
    for (const Packet& p : burst) content.push_back({stamp_of(p), p.length, !p.more()});
    (void)rig_.cost();
    const std::uint32_t n = rig_.tx.tx_burst(burst, now);
    const auto [reads, writes] = rig_.cost();
    ASSERT_EQ(reads, 0u);
    ASSERT_LE(writes, now ? 1u : 0u);
    ASSERT_EQ(burst.size(), size - n);
    ASSERT_TRUE(n == 0 || content[n - 1].eop);
    posted_ += n;
    short_takes_ += n < size;
    expected_tx_.insert(expected_tx_.end(), content.begin(), content.begin() + n);
    ASSERT_TRUE(!now || rig_.window.at[Kind::kTdt] == posted_ % 64);
  }
  void publish() {
    rig_.tx.publish();
    ASSERT_EQ(rig_.window.at[Kind::kTdt], posted_ % 64);
  }
  void check_sent() {
    for (; !rig_.tx_device.sent.empty(); rig_.tx_device.sent.pop_front(), expected_tx_.pop_front()) {
      ASSERT_FALSE(expected_tx_.empty());
      ASSERT_EQ(rig_.tx_device.sent.front().stamp, expected_tx_.front().stamp);
      ASSERT_EQ(rig_.tx_device.sent.front().length, expected_tx_.front().length);
      ASSERT_EQ(rig_.tx_device.sent.front().eop, expected_tx_.front().eop);
    }
  }
  void drop_or_make(PacketBurst& burst) {
    if (below(3) != 0) return burst.drop_front(below(burst.size() + 1));
    const std::uint32_t from = burst.size();
    const std::uint32_t n = burst.allocate(below(40), static_cast<std::uint16_t>(17 + below(2032)));
    for (std::uint32_t i = 0; i < n; ++i) {
      dma_write(burst[from + i].data, ~stamp_++);
      if (below(10) == 0) burst[from + i].flags = Packet::kMore;
    }
  }
  void reap() {
    const std::uint32_t before = rig_.tx.in_use(), free = rig_.pool.free_count();
    const std::uint32_t n = rig_.tx.reap(below(80));
    ASSERT_EQ(rig_.tx.in_use(), before - n);
    ASSERT_EQ(rig_.pool.free_count(), free + n);
  }

  /// The walk went everywhere, and in the end every buffer is in the pool exactly once.
  void finish() {
    EXPECT_GT(arrived_, 100u * 64);
    EXPECT_GT(posted_, 100u * 64);
    EXPECT_GT(short_takes_, 100u);
    EXPECT_GT(rig_.rx.starved(), 100u);
    EXPECT_GT(rig_.rx.rejected(), 100u);
    EXPECT_GT(torn_frames_, 10u);
    for (PacketBurst* b : {static_cast<PacketBurst*>(&a_), static_cast<PacketBurst*>(&b_),
                           static_cast<PacketBurst*>(&c_), static_cast<PacketBurst*>(&d_)}) {
      b->clear();
    }
    rig_.rx.release_all();
    rig_.tx.release_all();
    std::vector<std::uint32_t> ids(kBuffers);
    ASSERT_EQ(rig_.pool.take(ids), kBuffers);
    std::vector<std::uint32_t> sorted = ids;
    std::sort(sorted.begin(), sorted.end());
    for (std::uint32_t i = 0; i < kBuffers; ++i) ASSERT_EQ(sorted[i], i);
    rig_.pool.give(ids);
  }

  Rig<Kind> rig_{64, 64, kBuffers};
  Burst<1> a_{rig_.pool};
  Burst<7> b_{rig_.pool};
  Burst<32> c_{rig_.pool};
  Burst<64> d_{rig_.pool};
  std::mt19937 random_{82'599};
  std::uint32_t step_ = 0;
  std::uint32_t in_rx_ring_ = 0;

  std::uint64_t stamp_ = 0, arrived_ = 0, posted_ = 0, short_takes_ = 0;
  std::deque<std::pair<Part, bool>> completed_;  ///< descriptors not harvested yet; the bool: nothing is wrong
  std::uint32_t long_frame_ = 0, judged_ = 0, torn_frames_ = 0;
  bool torn_ = false;
  std::deque<Part> expected_tx_;
};

TYPED_TEST(Queues, KeepEveryBufferAndEveryOrderOverARandomWalkOfAMillionSteps) {
  RandomWalk<TypeParam>().run(1'000'000);
}

}  // namespace

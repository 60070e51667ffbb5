// SPDX-License-Identifier: BSD-3-Clause
// Tests of what only the e1000 queues have, besides net/ring_test; of filters and statistics.
#include <gtest/gtest.h>

#include <utility>
#include <vector>

#include <pollux/e1000/chips.hpp>
#include <pollux/e1000/filters.hpp>
#include <pollux/e1000/stats.hpp>

#include "../net/ring_rig.hpp"

namespace {

using namespace ring_rig;
using namespace pollux::e1000;

// ---- Queues -------------------------------------------------------------------------------------------------------

TEST(Receive, RefusesAFrameWhateverBufferOfItIsDamaged) {
  Rig<E82574> rig(32, 32, 100);
  start(rig);
  for (std::uint32_t at = 0; at < 3; ++at) {
    for (std::uint32_t i = 0; i < 3; ++i) {
      ASSERT_TRUE(rig.rx_device.complete(100, kDd | (i == 2 ? kEop : 0) | (i == at ? kCe : 0), 1));
    }
    ASSERT_TRUE(rig.rx_device.complete(60, kDd | kEop, 2));
    Burst<8> burst(rig.pool);
    ASSERT_EQ(rig.rx.rx_burst(burst), 1u);
    EXPECT_EQ(stamp_of(burst[0]), 2u);
  }
  EXPECT_EQ(rig.rx.rejected(), 3u);
}

TEST(Transmit, WritesLegacyDescriptors) {
  Rig<E82574> rig(32, 32, 100);
  Burst<8> burst(rig.pool);
  fill(burst, 3);
  burst[0].length = 2048;
  burst[0].flags = Packet::kMore;
  ASSERT_EQ(rig.tx.tx_burst(burst, true), 3u);
  const std::uint32_t commands[] = {2048 | kTxIfcs, 60 | kTxIfcs | kTxEop, 60 | kTxIfcs | kTxEop | kTxRs};
  for (std::uint32_t i = 0; i < 3; ++i) {
    const std::byte* descriptor = rig.memory.data() + 16 * (32 + i);
    EXPECT_EQ(dma_read<std::uint32_t>(descriptor + 8), commands[i]) << i;
    EXPECT_EQ(dma_read<std::uint32_t>(descriptor + 12), 0u) << i;
  }
  (void)rig.tx_device.send(3);
}

// ---- Filters ------------------------------------------------------------------------------------------------------

TEST(Filters, ReadTheAddressOfEntryZero) {
  Window window;
  const reg::Bar<CountingIo> bar{CountingIo{&window}};
  window.at[0x5400] = 0x1200'5452;
  window.at[0x5404] = 0x8000'5634;
  EXPECT_EQ(read_mac(bar), (MacAddress{{0x52, 0x54, 0x00, 0x12, 0x34, 0x56}}));
  EXPECT_EQ(std::pair(window.reads, window.writes), Cost(2, 0));
}

TEST(Filters, GiveBackTheAddressThatWasSet) {
  Window window;
  const reg::Bar<CountingIo> bar{CountingIo{&window}};
  const MacAddress mac{{0xFE, 0x80, 0x7F, 0xFF, 0x01, 0xC3}};
  set_exact_filter<I82574>(bar, mac);
  EXPECT_EQ(read_mac(bar), mac);
}

TEST(Filters, SetForOneAddressLeaveNoOtherWayIn) {
  Window window;
  const reg::Bar<CountingIo> bar{CountingIo{&window}};
  for (std::uint32_t at = 0x5000; at < 0x6000; at += 4) window.at[at] = 0xFFFF'FFFF;  // the firmware left anything
  window.log_writes = true;
  set_exact_filter<I82574>(bar, {{0x52, 0x54, 0x00, 0x12, 0x34, 0x56}});
  EXPECT_EQ(window.at[0x5400], 0x1200'5452u);
  EXPECT_EQ(window.at[0x5404], 0x8000'5634u);  // AV, compared with the destination
  for (std::uint32_t i = 1; i < 16; ++i) EXPECT_EQ(window.at[0x5404 + 8 * i] >> 31, 0u) << i;
  for (std::uint32_t i = 0; i < 128; ++i) {
    EXPECT_EQ(window.at[0x5200 + 4 * i], 0u);
    EXPECT_EQ(window.at[0x5600 + 4 * i], 0u);
  }
  for (const std::uint32_t neighbour : {0x51FCu, 0x5480u, 0x55FCu, 0x5800u}) {
    EXPECT_EQ(window.at[neighbour], 0xFFFF'FFFFu) << std::hex << neighbour;
  }
  EXPECT_EQ(std::pair(window.reads, window.writes), Cost(0, 16 + 2 + 128 + 128));
}

TEST(Filters, SwitchALiveEntryOffBeforeTheyChangeIt) {
  Window window;
  const reg::Bar<CountingIo> bar{CountingIo{&window}};
  window.log_writes = true;
  set_exact_filter<I82574>(bar, {{0x52, 0x54, 0x00, 0x12, 0x34, 0x56}});
  std::vector<std::pair<std::uint32_t, std::uint32_t>> entry0;
  for (const auto& w : window.writes_in_order) {
    if (w.first == 0x5400 || w.first == 0x5404) entry0.push_back(w);
  }
  ASSERT_EQ(entry0.size(), 3u);
  EXPECT_EQ(entry0[0], (std::pair<std::uint32_t, std::uint32_t>{0x5404, 0}));
  EXPECT_EQ(entry0[1].first, 0x5400u);
  EXPECT_EQ(entry0[2], (std::pair<std::uint32_t, std::uint32_t>{0x5404, 0x8000'5634}));
}

TEST(Filters, PromiscuousModeTouchesItsTwoBitsAlone) {
  Window window;
  const reg::Bar<CountingIo> bar{CountingIo{&window}};
  window.at[0x100] = 0x0400'8002;
  set_promiscuous(bar, true);
  EXPECT_EQ(window.at[0x100], 0x0400'801Au);
  set_promiscuous(bar, false);
  EXPECT_EQ(window.at[0x100], 0x0400'8002u);
  EXPECT_EQ(std::pair(window.reads, window.writes), Cost(2, 2));
}

// ---- Statistics ---------------------------------------------------------------------------------------------------

bool is_counter(std::uint32_t offset) { return offset >= 0x4000 && offset < 0x4100; }

class Statistics : public ::testing::Test {
 protected:
  Window window{.clears_on_read = is_counter};
  reg::Bar<CountingIo> bar{CountingIo{&window}};
  PortStats sum;
};

TEST_F(Statistics, CountBytesWithoutTheFcs) {
  window.at = {{0x4074, 10}, {0x4088, 10 * 64}, {0x4080, 3}, {0x4090, 3 * 1518}};
  gather_stats(bar, sum);
  EXPECT_EQ(sum.rx_packets, 10u);
  EXPECT_EQ(sum.rx_bytes, 10u * 60);
  EXPECT_EQ(sum.tx_packets, 3u);
  EXPECT_EQ(sum.tx_bytes, 3u * 1514);
  EXPECT_EQ(window.writes, 0u);
}

TEST_F(Statistics, GrowBeyond32BitsOverCountersThatClearWhenRead) {
  for (int i = 0; i < 3; ++i) {
    window.at = {{0x4074, 0xF000'0000}, {0x4088, 0x1000'0000}, {0x408C, 0x40},       {0x4080, 0xE000'0000},
                 {0x4090, 0xFFFF'FFFF}, {0x4094, 0x50},        {0x4010, 0x9000'0000}};
    gather_stats(bar, sum);
    gather_stats(bar, sum);  // nothing new has happened
  }
  EXPECT_EQ(sum.rx_packets, 3 * 0xF000'0000ull);
  EXPECT_EQ(sum.rx_bytes, 3 * (0x40'1000'0000ull - 4 * 0xF000'0000ull));
  EXPECT_EQ(sum.tx_packets, 3 * 0xE000'0000ull);
  EXPECT_EQ(sum.tx_bytes, 3 * (0x50'FFFF'FFFFull - 4 * 0xE000'0000ull));
  EXPECT_EQ(sum.rx_missed, 3 * 0x9000'0000ull);
}

TEST_F(Statistics, AddUpEveryKindOfError) {
  window.at = {{0x4000, 1}, {0x4040, 10}, {0x400C, 100}, {0x4004, 1'000}, {0x403C, 10'000}, {0x4018, 3}, {0x4020, 40}};
  gather_stats(bar, sum);
  EXPECT_EQ(sum.rx_errors, 11'111u);
  EXPECT_EQ(sum.tx_errors, 43u);
  EXPECT_EQ(sum.rx_packets + sum.rx_bytes + sum.rx_missed + sum.tx_packets + sum.tx_bytes, 0u);
}

TEST_F(Statistics, CostNoMoreReadsThanTheyNeed) {
  gather_stats(bar, sum);
  EXPECT_EQ(window.reads, 15u);  // 2 packet counters, 2 pairs, 1 missed, 5 + 2 errors, and STATUS
}

TEST_F(Statistics, AreForgottenWhenCleared) {
  for (std::uint32_t at = 0x4000; at < 0x4100; at += 4) window.at[at] = 77;
  clear_stats(bar);
  gather_stats(bar, sum);
  EXPECT_EQ(sum.rx_packets + sum.rx_bytes + sum.rx_missed + sum.rx_errors, 0u);
  EXPECT_EQ(sum.tx_packets + sum.tx_bytes + sum.tx_errors, 0u);
  EXPECT_EQ(window.at[0x40A0], 0u);
}

}  // namespace

// SPDX-License-Identifier: BSD-3-Clause
// Tests of what only the ixgbe queues have, besides net/ring_test; of filters and statistics.
#include <gtest/gtest.h>

#include <utility>
#include <vector>

#include <pollux/ixgbe/chips.hpp>
#include <pollux/ixgbe/filters.hpp>
#include <pollux/ixgbe/stats.hpp>

#include "../net/ring_rig.hpp"

namespace {

using namespace ring_rig;
using namespace pollux::ixgbe;

// ---- Queues -------------------------------------------------------------------------------------------------------

TEST(Receive, RefusesCoalescedFrames) {
  Rig<E82599> rig(32, 32, 100);
  start(rig);
  for (std::uint32_t bit = 17; bit <= 20; ++bit) {
    ASSERT_TRUE(rig.rx_device.complete(60, kDd | kEop, 1, 1u << bit));
    ASSERT_TRUE(rig.rx_device.complete(60, kDd | kEop, 2));
    Burst<8> burst(rig.pool);
    ASSERT_EQ(rig.rx.rx_burst(burst), 1u);
    EXPECT_EQ(stamp_of(burst[0]), 2u);
  }
  EXPECT_EQ(rig.rx.rejected(), 4u);
}

TEST(Transmit, TellsTheLengthOfTheWholeFrameOnce) {
  Rig<E82599> rig(32, 32, 100);
  Burst<8> burst(rig.pool);
  fill(burst, 5);
  for (std::uint32_t i = 0; i < 3; ++i) burst[i].length = 2048;
  burst[0].flags = burst[1].flags = burst[2].flags = Packet::kMore;
  ASSERT_EQ(rig.tx.tx_burst(burst, true), 5u);
  const std::uint32_t paylen[] = {3 * 2048 + 60, 0, 0, 0, 60};
  for (std::uint32_t i = 0; i < 5; ++i) {
    const std::byte* descriptor = rig.memory.data() + 16 * (32 + i);
    EXPECT_EQ(dma_read<std::uint32_t>(descriptor + 12), paylen[i] << 14) << i;
    const std::uint32_t dtalen = i < 3 ? 2048u : 60u, last = i >= 3 ? kTxEop : 0, report = i == 4 ? kTxRs : 0;
    EXPECT_EQ(dma_read<std::uint32_t>(descriptor + 8),
              dtalen | E82599::kTxData | kTxIfcs | E82599::kTxDext | last | report)
        << i;
  }
  (void)rig.tx_device.send(5);
}

// ---- Filters ------------------------------------------------------------------------------------------------------

const MacAddress kMac{{0x52, 0x54, 0x00, 0x12, 0x34, 0x56}};

class Filters : public ::testing::Test {
 protected:
  Window window;
  reg::Bar<CountingIo> bar{CountingIo{&window}};
};

TEST_F(Filters, ReadTheAddressOfEntryZero) {
  window.at[0x5400] = 0x1200'5452;
  window.at[0x5404] = 0x8000'5634;
  EXPECT_EQ(read_mac(bar), kMac);
  EXPECT_EQ(std::pair(window.reads, window.writes), Cost(2, 0));
}

TEST_F(Filters, SetForOneAddressLeaveNoOtherWayIn) {
  for (std::uint32_t at = 0x5080; at < 0x10000; at += 4) window.at[at] = 0xFFFF'FFFF;  // the firmware left anything
  window.log_writes = true;
  set_exact_filter<I82599>(bar, kMac);
  EXPECT_EQ(window.at[0x5400], 0x1200'5452u);
  EXPECT_EQ(window.at[0x5404], 0x8000'5634u);
  for (std::uint32_t i = 1; i < 128; ++i) {
    EXPECT_EQ(window.at[i < 16 ? 0x5404 + 8 * i : 0xA204 + 8 * i] >> 31, 0u) << i;
  }
  EXPECT_EQ(window.at[0xA600], 1u);
  for (std::uint32_t i = 1; i < 256; ++i) EXPECT_EQ(window.at[0xA600 + 4 * i], 0u);
  for (std::uint32_t i = 0; i < 128; ++i) {
    for (const std::uint32_t table : {0x5200u, 0xA000u, 0xF200u, 0xF400u, 0xE600u}) {
      EXPECT_EQ(window.at[table + 4 * i], 0u) << std::hex << table + 4 * i;
    }
  }
  for (std::uint32_t i = 0; i < 64; ++i) EXPECT_EQ(window.at[0xF100 + 4 * i], 0u);
  EXPECT_EQ(window.at[0x5090] & 4, 0u);        // MCSTCTRL.MFE
  EXPECT_EQ(window.at[0x5088], 0x0000'8100u);  // VLNCTRL: no filter
  EXPECT_EQ(window.reads, 0u);
}

TEST_F(Filters, SwitchALiveEntryOffBeforeTheyChangeIt) {
  window.log_writes = true;
  set_receive_address(bar, 20, kMac);
  using Write = std::pair<std::uint32_t, std::uint32_t>;
  const std::vector<Write> expected = {
      {0xA2A4, 0}, {0xA2A0, 0x1200'5452}, {0xA6A0, 1}, {0xA6A4, 0}, {0xA2A4, 0x8000'5634}};
  EXPECT_EQ(window.writes_in_order, expected);
}

TEST_F(Filters, TakeFurtherAddressesAsLongAsTheyFit) {
  std::vector<MacAddress> addresses(127, kMac);
  EXPECT_TRUE(set_unicast<I82599>(bar, addresses));
  for (std::uint32_t i = 1; i < 128; ++i) EXPECT_EQ(window.at[i < 16 ? 0x5404 + 8 * i : 0xA204 + 8 * i] >> 31, 1u);
  EXPECT_EQ(window.at[0x5404], 0u);  // the own one is left alone
  addresses.push_back(kMac);
  const std::uint64_t before = window.writes;
  EXPECT_FALSE(set_unicast<I82599>(bar, addresses));
  EXPECT_EQ(window.writes, before);
}

TEST_F(Filters, HashMulticastByTheUpperTwelveBits) {
  const MacAddress groups[] = {{{0x01, 0x00, 0x5E, 0x00, 0x00, 0xFB}}, {{0x33, 0x33, 0, 0, 0x10, 0x00}}};
  set_multicast(bar, groups);
  EXPECT_EQ(window.at[0x5200 + 4 * (0xFB0 >> 5)], 1u << (0xFB0 & 31));
  EXPECT_EQ(window.at[0x5200], 2u);
  EXPECT_EQ(window.at[0x5090], 4u);
  set_multicast(bar, std::span<const MacAddress>{});
  for (std::uint32_t i = 0; i < 128; ++i) EXPECT_EQ(window.at[0x5200 + 4 * i], 0u);
  EXPECT_EQ(window.at[0x5090], 0u);
}

TEST_F(Filters, PromiscuousModeKeepsBroadcast) {
  set_promiscuous(bar, true);
  EXPECT_EQ(window.at[0x5080], 0x700u);
  set_promiscuous(bar, false, true);
  EXPECT_EQ(window.at[0x5080], 0x500u);
  set_promiscuous(bar, false);
  EXPECT_EQ(window.at[0x5080], 0x400u);
  EXPECT_EQ(std::pair(window.reads, window.writes), Cost(0, 3));
}

TEST_F(Filters, SpreadTheHashEvenlyOverTheQueues) {
  for (std::uint32_t queues = 1; queues <= 16; ++queues) {
    set_up_rss(bar, {}, queues, false);
    for (std::uint32_t i = 0; i < 128; ++i) {
      ASSERT_EQ(window.at[0x5C00 + i / 4 * 4] >> (8 * (i % 4)) & 0xFF, i % queues) << queues << ' ' << i;
    }
    EXPECT_EQ(window.at[0x5818], queues > 1 ? 0x0033'0001u : 0x0033'0000u);  // TCP and IP, versions 4 and 6
  }
  EXPECT_EQ(window.at[0x5C80], 0xDA56'5A6Du);  // the key's first byte lowest
  EXPECT_EQ(window.at[0x5C80 + 36], 0xFA01'ACBEu);
  EXPECT_EQ(window.at[0x5000] & 1u << 13, 1u << 13);
}

// ---- Statistics ---------------------------------------------------------------------------------------------------

bool is_counter(std::uint32_t offset) {
  return (offset >= 0x4000 && offset < 0x4100) || (offset >= 0x3FA0 && offset < 0x3FC0) || offset == 0x1030 ||
         offset == 0x1034 || offset == 0x1038 || offset == 0x1430;
}

class Statistics : public ::testing::Test {
 protected:
  Window window{.clears_on_read = is_counter};
  reg::Bar<CountingIo> bar{CountingIo{&window}};
  PortStats sum;
};

TEST_F(Statistics, CountBytesWithoutTheFcs) {
  window.at = {{0x1030, 10}, {0x1034, 10 * 60}, {0x4080, 3}, {0x4090, 3 * 1518}, {0x4074, 99}};
  gather_stats(bar, sum);
  EXPECT_EQ(sum.rx_packets, 10u);
  EXPECT_EQ(sum.rx_bytes, 10u * 60);  // the queue's counter has no FCS
  EXPECT_EQ(sum.tx_packets, 3u);
  EXPECT_EQ(sum.tx_bytes, 3u * 1514);
  EXPECT_EQ(window.writes, 0u);
}

TEST_F(Statistics, GrowBeyondTheirCounters) {
  for (int i = 0; i < 3; ++i) {
    window.at = {{0x1030, 0xF000'0000}, {0x1034, 0x1000'0000}, {0x1038, 0xE},        {0x4080, 0x1000'0000},
                 {0x4090, 0xFFFF'FFFF}, {0x4094, 0xF},         {0x3FA0, 0x9000'0000}};
    gather_stats(bar, sum);
    gather_stats(bar, sum);  // nothing new has happened
  }
  EXPECT_EQ(sum.rx_packets, 3 * 0xF000'0000ull);
  EXPECT_EQ(sum.rx_bytes, 3 * 0xE'1000'0000ull);
  EXPECT_EQ(sum.tx_bytes, 3 * (0xF'FFFF'FFFFull - 4 * 0x1000'0000ull));
  EXPECT_EQ(sum.rx_missed, 3 * 0x9000'0000ull);
}

TEST_F(Statistics, AddUpEveryKindOfErrorAndLoss) {
  window.at = {{0x4000, 1},      {0x4040, 10},      {0x40A4, 100}, {0x40A8, 1'000},
               {0x40AC, 10'000}, {0x40B0, 100'000}, {0x3FA0, 3},   {0x1430, 40}};
  gather_stats(bar, sum);
  EXPECT_EQ(sum.rx_errors, 111'111u);
  EXPECT_EQ(sum.rx_missed, 43u);
  EXPECT_EQ(sum.rx_packets + sum.rx_bytes + sum.tx_packets + sum.tx_bytes + sum.tx_errors, 0u);
  EXPECT_EQ(window.reads, 15u);
}

TEST_F(Statistics, AreForgottenWhenCleared) {
  for (std::uint32_t at = 0x1000; at < 0x4100; at += 4) window.at[at] = 77;
  clear_stats(bar);
  gather_stats(bar, sum);
  EXPECT_EQ(sum.rx_packets + sum.rx_bytes + sum.rx_missed + sum.rx_errors, 0u);
  EXPECT_EQ(sum.tx_packets + sum.tx_bytes + sum.tx_errors, 0u);
}

}  // namespace

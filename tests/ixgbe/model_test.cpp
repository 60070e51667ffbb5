// SPDX-License-Identifier: BSD-3-Clause
// The 82599 model against raw register pokes and descriptors built by hand: nothing here knows the driver. Offsets and
// bits are written out as the register notes give them, so that they check the model's own table too.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <pollux/ixgbe/model.hpp>
#include <pollux/sim/backend.hpp>
#include <pollux/sim/clock.hpp>

#include "../model_rig.hpp"

#if __has_include(<pollux/ixgbe/port.hpp>)
#include <pollux/ixgbe/port.hpp>
#include <pollux/net/burst.hpp>
#define HAS_DRIVER 1
#endif

namespace {

using namespace pollux;
using ixgbe::Model82599, ixgbe::Personality, ixgbe::Quirk, ixgbe::Quirks;
using sim::FaultKind;
using namespace model_rig;

constexpr u32 kRing = 64;  // descriptors
constexpr std::size_t kRxRings = 0, kTxRings = 0x40000, kHeads = 0x80000, kRxBuffers = 0x100000, kTxBuffers = 0x600000;
constexpr u32 rx(u32 q) { return q < 64 ? 0x1000 + 0x40 * q : 0xD000 + 0x40 * (q - 64); }
constexpr u32 tx(u32 q) { return 0x6000 + 0x40 * q; }
constexpr std::size_t rx_desc(u32 q, u32 i) { return kRxRings + q * 0x800 + 16 * i; }
constexpr std::size_t tx_desc(u32 q, u32 i) { return kTxRings + q * 0x800 + 16 * i; }

class ModelTest : public ModelRig<Model82599> {
 protected:
  ModelTest() { make({}); }
  ~ModelTest() override = default;
  void make(Personality card, Quirks quirks = {}) {
    model.reset();
    faults.clear();
    wire.in.clear(), wire.out.clear();
    model = std::make_unique<Model82599>(iommu, wire, faults, std::move(card), quirks);
    model->set_time([this] { return clock.now(); });
    model->write_config(4, 2, 0x6);  // memory, bus master
  }
  // Receive unit, receive queue, transmit unit, transmit queue: in that order.
  void init_unit(u32 fctrl = 0x400) {
    w(0x888, 0x7FFFFFFF);
    (void)r(0x800);
    set(0x18, 1u << 16);
    w(0x3C00, 512 << 10);
    set(0x2F00, 2);
    w(0x2F00, (r(0x2F00) & ~0x3E0000u) | 0x06000002);
    w(0x3028, 0x80);
    w(0x5008, 0xE0);
    w(0x5080, fctrl);
    w(0x5000, 1 << 13);
    set(0x4240, 0x403);
    w(0xCC00, 160 << 10);
    w(0x4950, 0x96);
    w(0x8100, 0xFFF);
    set(0x4900, 0x40);
    w(0x8120, 0);
    clear(0x4900, 0x40);
    set(0x4A80, 1);
  }
  void post_rx(u32 q, u32 i, std::size_t buffer_bytes) {
    memory.set_q(rx_desc(q, i), rx_buffer(q, i, buffer_bytes));
    memory.set_q(rx_desc(q, i) + 8, 0);
  }
  [[nodiscard]] u64 rx_buffer(u32 q, u32 i, std::size_t buffer_bytes) const {
    return memory.bus(kRxBuffers + q % 32 * 0x20000 + i * buffer_bytes);
  }
  void configure_rx(u32 q, u32 srrctl = 2 | 1 << 25) {
    w(rx(q) + 0x00, static_cast<u32>(memory.bus(rx_desc(q, 0))));
    w(rx(q) + 0x04, static_cast<u32>(memory.bus(rx_desc(q, 0)) >> 32));
    w(rx(q) + 0x08, kRing * 16);
    w(rx(q) + 0x10, 0), w(rx(q) + 0x18, 0);
    w(rx(q) + 0x14, srrctl);
    clear(rx(q) + 0x0C, 1 << 12);
    w(rx(q) + 0x2C, 0);
  }
  void enable_rx(u32 q, u32 bits = 0) {
    w(rx(q) + 0x28, 1u << 25 | bits);
    EXPECT_NE(r(rx(q) + 0x28) & 1u << 25, 0u);
  }
  void start_rx(u32 q, u32 srrctl = 2 | 1 << 25, u32 posted = kRing - 1, u32 bits = 0) {
    configure_rx(q, srrctl);
    for (u32 i = 0; i < kRing; ++i) post_rx(q, i, 1024 * (srrctl & 31));
    enable_rx(q, bits);
    w(rx(q) + 0x18, posted);
  }
  void enable_unit() {
    set(0x8D00, 2);
    w(0x3000, 1);
    clear(0x8D00, 2);
  }
  void configure_tx(u32 q) {
    w(tx(q) + 0x28, 0);
    w(tx(q) + 0x00, static_cast<u32>(memory.bus(tx_desc(q, 0))));
    w(tx(q) + 0x04, static_cast<u32>(memory.bus(tx_desc(q, 0)) >> 32));
    w(tx(q) + 0x08, kRing * 16);
    w(tx(q) + 0x10, 0), w(tx(q) + 0x18, 0);
    clear(tx(q) + 0x0C, 1 << 11);
    memset(memory.at(tx_desc(q, 0)), 0, kRing * 16);
    tail[q] = 0;
  }
  void start_tx(u32 q, u32 thresholds = 32 | 1 << 8) {
    configure_tx(q);
    w(tx(q) + 0x28, thresholds | 1u << 25);
    EXPECT_NE(r(tx(q) + 0x28) & 1u << 25, 0u);
  }
  void bring_up(u32 queues = 1, u32 fctrl = 0x400) {
    init_unit(fctrl);
    for (u32 q = 0; q < queues; ++q) start_tx(q), start_rx(q);
    enable_unit();
  }

  // Transmit.
  void queue_raw(u32 q, u64 qw0, u64 qw1) {
    memory.set_q(tx_desc(q, tail[q]), qw0);
    memory.set_q(tx_desc(q, tail[q]) + 8, qw1);
    tail[q] = (tail[q] + 1) % kRing;
  }
  u64 tx_bytes(const Octets& f, std::size_t slot = 0) {
    std::memcpy(memory.at(kTxBuffers + slot * 0x10000), f.data(), f.size());
    return memory.bus(kTxBuffers + slot * 0x10000);
  }
  static u64 data(std::size_t length, u32 dcmd, u64 paylen, u32 popts = 0, u32 idx = 0) {
    return tx_data(length, dcmd, paylen, popts, idx);
  }
  using Context = TxContext;
  void queue_context(u32 q, const Context& c) { queue_raw(q, c.first(), c.second()); }
  void doorbell(u32 q) { w(tx(q) + 0x18, tail[q]); }
  void send(const Octets& f, u32 q = 0) {
    queue_raw(q, tx_bytes(f, tail[q] % 16), data(f.size(), kPlain, f.size()));
    doorbell(q);
  }
  bool tx_done(u32 q, u32 i) { return (memory.q(tx_desc(q, i) + 8) >> 32 & 1) != 0; }

  // Receive.
  struct Got {
    u32 dw0, dw1, status, length, vlan;
    Octets bytes;
  };
  bool rx_done(u32 q, u32 i) { return (memory.q(rx_desc(q, i) + 8) & 1) != 0; }
  Got got(u32 q, u32 i, std::size_t buffer_bytes = 2048) {
    const u64 q0 = memory.q(rx_desc(q, i)), q1 = memory.q(rx_desc(q, i) + 8);
    Got g{static_cast<u32>(q0),       static_cast<u32>(q0 >> 32),
          static_cast<u32>(q1),       static_cast<u32>(q1 >> 32 & 0xFFFF),
          static_cast<u32>(q1 >> 48), {}};
    const std::byte* from = memory.at(rx_buffer(q, i, buffer_bytes) - memory.bus(0));
    g.bytes.assign(from, from + g.length);
    return g;
  }
  u64 pair(u32 low) {
    const u64 l = r(low);
    return u64{r(low + 4)} << 32 | l;
  }

  u32 tail[128] = {};
};

// ---- The test's own arithmetic, and the RSS vectors ---------------------------------------------------------------

TEST(TestArithmetic, KnownVectors) {
  Octets digits;
  for (char c = '1'; c <= '9'; ++c) digits.push_back(static_cast<std::byte>(c));
  EXPECT_EQ(crc_reflected(digits, 0, 9, 0xEDB88320), 0xCBF43926u);
  EXPECT_EQ(crc_reflected(digits, 0, 9, 0x82F63B78), 0xE3069283u);
  EXPECT_EQ(sim::ethernet_fcs(digits), 0xCBF43926u);
}

TEST_F(ModelTest, EveryRegisterOfTheTableIsReadableAndTheTableDoesNotOverlap) {
  const auto specs = ixgbe::model::specs_for({});
  std::vector<int> hits(0x20000 / 4);
  for (const auto& s : specs) {
    for (u32 i = 0; i < s.count; ++i) ++hits.at((s.offset + i * s.stride) / 4);
  }
  for (std::size_t i = 0; i < hits.size(); ++i) EXPECT_LE(hits[i], 1) << std::hex << i * 4;
  for (u32 at = 0; at < 0x20000; at += 4) {
    const bool write_only = at == 0x888 || at == 0xAB0 || at == 0xAB4;
    if (hits[at / 4] != 0 && !write_only) (void)r(at);
  }
}

TEST_F(ModelTest, AnswerSheetForTheProbe) {
  EXPECT_EQ(r(0x0), 0u);
  EXPECT_EQ(r(0x8), 1u << 19 | 1u << 7);
  EXPECT_EQ(r(0x10010), 0x2700u);
  EXPECT_EQ(r(0x10148), 0x8000u);
  EXPECT_EQ(r(0x10150), 0u);
  EXPECT_EQ(r(0x2F00), 0x108808u);
  EXPECT_EQ(r(0x8804), 3u);
  EXPECT_EQ(r(0x8D04), 3u);
  EXPECT_EQ(r(0x42A0), 0x2100u);
  EXPECT_EQ(r(0x42A8), 0u);
  EXPECT_EQ(r(0x42A4), 0x7447FF80u);
  EXPECT_EQ(r(0x42B0), 0x10000u);
  EXPECT_EQ(r(0x3C00), 0x80000u);
  EXPECT_EQ(r(0x3C04), 0u);
  EXPECT_EQ(r(0xCC00), 0x28000u);
  EXPECT_EQ(r(0x4950), 0x96u);
  EXPECT_EQ(r(0x4240), 0x08012C0Bu);
  EXPECT_EQ(r(0x5088), 0x8100u);
  EXPECT_EQ(r(0x4A80), 0x81000004u);
  EXPECT_EQ(r(0x5400), 0x82000002u);
  EXPECT_EQ(r(0x5404), 0x80009959u);
  EXPECT_EQ(r(rx(0) + 0x0C), 0xB200u);
  EXPECT_EQ(r(rx(100) + 0x14), 0x402u);
  EXPECT_EQ(r(tx(127) + 0x0C), 0x2A00u);
  w(0x8D00, 0);  // DPDK's probe for IPsec
  EXPECT_EQ(r(0x8D00), 1u);
  w(0x8800, 0);
  EXPECT_EQ(r(0x8800), 1u);
  w(0xEE00, 1);
  EXPECT_EQ(r(0xEE00), 9u);
}

TEST_F(ModelTest, ConfigurationSpace) {
  const auto c = [this](u32 at, unsigned n) { return model->read_config(at, n); };
  EXPECT_EQ(c(0, 4), 0x10F98086u);
  EXPECT_EQ(c(8, 4), 0x02000001u);
  EXPECT_EQ(c(0x34, 1), 0x40u);
  EXPECT_EQ(c(0x40, 2), 0x5001u);
  EXPECT_EQ(c(0x50, 2), 0x7005u);
  EXPECT_EQ(c(0x70, 2), 0xA011u);
  EXPECT_EQ(c(0x72, 2), 0x003Fu);
  EXPECT_EQ(c(0x74, 4), 4u);
  EXPECT_EQ(c(0x78, 4), 0x2004u);
  EXPECT_EQ(c(0xA0, 2), 0x0010u);
  EXPECT_EQ(c(0xA4, 4) >> 28, 1u);  // FLR
  EXPECT_EQ(c(0xAA, 2), 0u);
  EXPECT_EQ(c(0xB2, 2), 0x82u);
  model->write_config(0xC8, 2, 5);
  EXPECT_EQ(c(0xC8, 2), 5u);
  model->write_config(0x10, 4, ~0u);
  EXPECT_EQ(c(0x10, 4), 0xFFFE0004u);
  model->write_config(0x20, 4, ~0u);
  EXPECT_EQ(c(0x20, 4), 0xFFFFC004u);
  const sim::ModelConfig<Model82599> config(*model, "model");
  EXPECT_EQ(try_list_capabilities(config).value().size(), 4u);
  EXPECT_EQ(try_list_extended_capabilities(config).value(),
            (std::vector<PciCapability>{{1, 0x100}, {3, 0x140}, {0xE, 0x150}}));
}

TEST_F(ModelTest, Aliases) {
  w(0x2100 + 4 * 3, 0x02000003);
  EXPECT_EQ(r(rx(3) + 0x14), 0x02000003u);
  w(rx(5) + 0x14, 0x02000007);
  EXPECT_EQ(r(0x2100 + 4 * 5), 0x02000007u);
  w(0x2200 + 4 * 2, 0x20);
  EXPECT_EQ(r(rx(2) + 0x0C), 0x20u);
  w(0x5408, 0x11223344), w(0x540C, 0x80005566);
  EXPECT_EQ(r(0xA208), 0x11223344u);
  EXPECT_EQ(r(0xA20C), 0x80005566u);
  w(0xEC80, 0x10001);
  EXPECT_EQ(r(0x5818), 0x10001u);
  w(0xEB80 + 8, 77);
  EXPECT_EQ(r(0x5C80 + 8), 77u);
  w(0x5C00 + 12, 0x01020304);
  EXPECT_EQ(r(0xEB00 + 12), 0x01020304u);
  w(0x4, 0x4);
  EXPECT_EQ(r(0x0), 4u);
}

// ---- NVM, semaphores, MDIO, I2C -----------------------------------------------------------------------------------

TEST_F(ModelTest, EepromChecksumThroughEerd) {
  const auto word = [this](u32 i) {
    w(0x10014, i << 2 | 1);
    const u32 v = r(0x10014);
    EXPECT_EQ(v & 2, 2u);
    return static_cast<u16>(v >> 16);
  };
  const auto check = [&] {
    u32 s = 0;
    for (u32 i = 0; i < 0x3F; ++i) s += word(i);
    for (u32 p = 3; p < 0xF; ++p) {
      const u32 at = word(p);
      if (at == 0 || at == 0xFFFF) continue;
      for (u32 i = 1, n = word(at); i <= n; ++i) s += word(at + i);
    }
    return static_cast<u16>(s + word(0x3F));
  };
  EXPECT_EQ(check(), 0xBABA);
  EXPECT_NE(word(4), 0);  // a module behind a pointer is part of it
  w(0x10018, u32{0x1234} << 16 | 0x30 << 2 | 1);
  EXPECT_EQ(r(0x10018) & 2, 2u);
  EXPECT_EQ(word(0x30), 0x1234);
  make({.media = Personality::Media::kSfp});
  EXPECT_EQ(check(), 0xBABA);
  EXPECT_EQ(word(word(word(0x0F) + 4) + 7), 6);  // firmware patch version, DPDK wants more than 5
  const u32 list = word(0x2B);
  EXPECT_EQ(word(list + 1), 3);
  EXPECT_EQ(word(word(list + 2) + 3), 0xFFFF);
}

TEST_F(ModelTest, EepromBySpi) {
  const auto level = [this](u32 bits, bool on) {
    const u32 eec = r(0x10010);
    w(0x10010, on ? eec | bits : eec & ~bits);
  };
  const auto out = [&](u32 value, int bits) {
    while (bits-- > 0) level(4, (value >> bits & 1) != 0), level(1, true), level(1, false);
  };
  const auto in = [&](int bits) {
    u32 v = 0;
    while (bits-- > 0) {
      level(1, true);
      v = v << 1 | (r(0x10010) >> 3 & 1);
      level(1, false);
    }
    return v;
  };
  EXPECT_EQ(r(0x10010) & 0x80, 0u);
  level(0x40, true);
  EXPECT_EQ(r(0x10010) & 0x80, 0x80u);
  level(2, false);
  out(0x05, 8);
  EXPECT_EQ(in(8), 0u);  // ready
  level(2, true), level(2, false);
  out(0x03, 8), out(0x80 * 2, 16);
  const u32 first = in(16), second = in(16);
  EXPECT_EQ((first & 0xFF) << 8 | first >> 8, 3u);
  EXPECT_EQ((second & 0xFF) << 8 | second >> 8, 0x1234u);
  level(2, true), level(2, false);
  out(0x06, 8), level(2, true), level(2, false);
  out(0x02, 8), out(0x30 * 2, 16), out(0xCDAB, 16);
  level(2, true), level(0x40, false);
  w(0x10014, 0x30 << 2 | 1);
  EXPECT_EQ(r(0x10014) >> 16, 0xABCDu);
}

TEST_F(ModelTest, Semaphores) {
  EXPECT_EQ(r(0x10140), 0u);  // taken by reading
  EXPECT_EQ(r(0x10140), 1u);  // somebody else's now
  w(0x10140, 3);
  EXPECT_EQ(r(0x10140) & 2, 2u);
  w(0x10160, r(0x10160) | 1);
  w(0x10140, 0);
  EXPECT_EQ(r(0x10140), 0u);
  w(0x10140, 3);
  EXPECT_EQ(r(0x10160), 1u);
  w(0x10160, 0);
  w(0x10140, 0);
  w(0x10160, 1);
  expect_fault(FaultKind::kSequence, "GSSR");
}

TEST_F(ModelTest, MdioFindsNoPhy) {
  w(0x425C, 8 | 1 << 16 | 1u << 30);
  EXPECT_EQ(r(0x425C) & 1u << 30, 0u);
  w(0x425C, 8 | 1 << 16 | 3u << 26 | 1u << 30);
  EXPECT_EQ(r(0x425C) & 1u << 30, 0u);
  EXPECT_EQ(r(0x4260) >> 16, 0u);
  w(0x15F00, 3);
  EXPECT_EQ(r(0x15F00) & 1, 0u);
}

class I2cTest : public ModelTest {
 protected:
  bool lines(bool scl, bool sda) {
    w(0x28, (scl ? 2u : 0) | (sda ? 8u : 0));
    return (r(0x28) & 4) != 0;
  }
  void start() { lines(true, true), lines(true, false), lines(false, false); }
  void stop() { lines(false, false), lines(true, false), lines(true, true); }
  bool write_byte(u32 v) {
    for (int i = 7; i >= 0; --i) {
      const bool b = (v >> i & 1) != 0;
      lines(false, b), lines(true, b), lines(false, b);
    }
    lines(false, true);
    const bool nack = lines(true, true);
    lines(false, true);
    return !nack;
  }
  u32 read_byte(bool acknowledge) {
    u32 v = 0;
    for (int i = 0; i < 8; ++i) {
      v = v << 1 | (lines(true, true) ? 1u : 0u);
      lines(false, true);
    }
    lines(false, !acknowledge), lines(true, !acknowledge), lines(false, !acknowledge), lines(false, true);
    return v;
  }
  u32 read_at(u32 offset) {
    start();
    EXPECT_TRUE(write_byte(0xA0) && write_byte(offset));
    lines(true, true);
    start();
    EXPECT_TRUE(write_byte(0xA1));
    const u32 v = read_byte(false);
    stop();
    return v;
  }
};

TEST_F(I2cTest, SfpRom) {
  make({.media = Personality::Media::kSfp});
  EXPECT_EQ(model->read_config(2, 2), 0x10FBu);
  EXPECT_EQ(r(0x28), 0xFu);
  EXPECT_EQ(read_at(0), 3u);
  EXPECT_EQ(read_at(3), 0u);
  EXPECT_EQ(read_at(8), 4u);
  EXPECT_EQ(read_at(38), 0x1Bu);
  start();
  EXPECT_TRUE(write_byte(0xA0) && write_byte(37));
  start();
  EXPECT_TRUE(write_byte(0xA1));
  EXPECT_EQ(read_byte(true), 0u);
  EXPECT_EQ(read_byte(true), 0x1Bu);
  EXPECT_EQ(read_byte(false), 0x21u);
  stop();
  start();
  EXPECT_FALSE(write_byte(0x50));  // nobody there
  stop();
  EXPECT_EQ(r(0x20) & 4, 4u);
  EXPECT_EQ(r(0x42A0) >> 13 & 7, 3u);
  EXPECT_EQ(r(0x42A4), 0x7447FF80u);
}
TEST_F(I2cTest, NoModuleNoAcknowledgeNoLink) {
  make({.media = Personality::Media::kSfp, .sfp_module = false});
  start();
  EXPECT_FALSE(write_byte(0xA0));
  stop();
  EXPECT_EQ(r(0x42A4), 0u);
}
TEST_F(I2cTest, Optics) {
  make({.media = Personality::Media::kSfp, .sfp_cable = 0});
  EXPECT_EQ(read_at(3), 0x10u);
  EXPECT_EQ(read_at(8), 0u);
}

// ---- Resets, link, time -------------------------------------------------------------------------------------------

TEST_F(ModelTest, ResetBitsFollowTime) {
  make({.reset_time = 500_us, .nvm_load_time = 2_ms, .link_time = 20_ms});
  w(0, 4);
  EXPECT_EQ(r(0), 4u);
  EXPECT_EQ(r(8) & 1u << 19, 0u);
  w(0, 1u << 26 | 1u << 3 | 4);
  EXPECT_EQ(r(0), 1u << 26 | 1u << 3);
  EXPECT_EQ(r(0x10010) & 0x200, 0u);
  clock.advance(500_us);
  EXPECT_EQ(r(0), 0u);  // GIO_DIS too
  EXPECT_EQ(r(8) & 1u << 19, 1u << 19);
  EXPECT_EQ(r(0x10010) & 0x200, 0u);
  clock.advance(2_ms);
  EXPECT_EQ(r(0x10010) & 0x200, 0x200u);
  EXPECT_EQ(r(0x42A4) & 1u << 30, 0u);
  clock.advance(20_ms);
  EXPECT_EQ(r(0x42A4) & 1u << 30, 1u << 30);
  EXPECT_EQ(r(0x48), 22500u);
}

TEST_F(ModelTest, ResetClearsFiltersQueuesAndCountersButNotConfigurationOrSemaphores) {
  bring_up();
  arrive(ethernet(kBroadcast, 0x88B5, 60));
  EXPECT_TRUE(rx_done(0, 0));
  w(0x10140, 3), w(0x10160, 2), w(0xA000, 5), w(0x5408, 1), w(0x42A0, 0x2180);
  w(0, 1u << 26);
  EXPECT_EQ(r(0x10160), 2u);
  EXPECT_EQ(r(0xA000), 0u);
  EXPECT_EQ(r(0x5408), 0u);
  EXPECT_EQ(r(0x4074), 0u);
  EXPECT_EQ(r(rx(0) + 0x28), 0u);
  EXPECT_EQ(r(0x5400), 0x82000002u);
  EXPECT_EQ(r(0x42A0), 0x2180u);
  EXPECT_EQ(model->read_config(4, 2), 6u);
  w(0, 1u << 3);
  EXPECT_EQ(r(0x42A0), 0x2100u);
  arrive(ethernet(kBroadcast, 0x88B5, 60));
  EXPECT_FALSE(rx_done(0, 1));
}

TEST_F(ModelTest, FunctionLevelResetByConfigurationSpace) {
  bring_up();
  model->write_config(0xC8, 2, 5);
  w(0x10140, 3);
  model->write_config(0xA8, 2, 0x8000);
  EXPECT_EQ(model->read_config(4, 2), 0u);
  EXPECT_EQ(model->read_config(0xC8, 2), 0u);
  EXPECT_EQ(model->read_config(0xA8, 2) & 0x8000, 0u);
  EXPECT_EQ(r(0), ~0u);  // memory decoding is off
  model->write_config(4, 2, 6);
  EXPECT_EQ(r(0x10140), 0u);
  EXPECT_EQ(r(rx(0) + 0x28), 0u);
}

TEST_F(ModelTest, LinkFollowsTheWireAndRaisesLsc) {
  make({.link_time = 10_ms});
  EXPECT_EQ(r(0x42A4) & 1u << 30, 0u);
  clock.advance(10_ms);
  EXPECT_EQ(r(0x42A4), 0x7447FF80u);
  EXPECT_EQ(r(0x800) & 1u << 20, 1u << 20);
  wire.up = false;
  model->step();
  EXPECT_EQ(r(0x800) & 1u << 20, 1u << 20);
  EXPECT_EQ(r(0x42A4), 0u);
  wire.up = true;
  EXPECT_EQ(r(0x42A4) & 1u << 30, 0u);
  clock.advance(10_ms);
  EXPECT_EQ(r(0x42A4), 0x7447FF80u);
  w(0x42A0, 0x2100 | 1 << 12);  // train again
  EXPECT_EQ(r(0x42A0), 0x2100u);
  EXPECT_EQ(r(0x42A4) & 1u << 30, 0u);
  clock.advance(10_ms);
  EXPECT_EQ(r(0x42A4) & 1u << 30, 1u << 30);
  w(0x42A0, 0x6100);  // LMS of another medium
  EXPECT_EQ(r(0x42A4) & 1u << 30, 0u);
  w(0x42A0, 0x6101);  // forced
  clock.advance(10_ms);
  EXPECT_EQ(r(0x42A4) & 1u << 30, 1u << 30);
}

TEST_F(ModelTest, EnableFollowsTime) {
  make({.queue_time = 100_us});
  init_unit();
  configure_rx(0);
  w(rx(0) + 0x28, 1u << 25 | 1u << 26);
  EXPECT_EQ(r(rx(0) + 0x28), 0u);
  clock.advance(100_us);
  EXPECT_EQ(r(rx(0) + 0x28), 1u << 25);
  w(rx(0) + 0x28, 0);
  EXPECT_EQ(r(rx(0) + 0x28), 1u << 25);
  clock.advance(100_us);
  EXPECT_EQ(r(rx(0) + 0x28), 0u);
  configure_tx(3);
  w(tx(3) + 0x28, 1u << 25);
  w(tx(3) + 0x18, 4);  // not visible yet
  expect_fault(FaultKind::kSequence, "TDT[3]");
  clock.advance(100_us);
  EXPECT_EQ(r(tx(3) + 0x28), 1u << 25);
  EXPECT_EQ(r(tx(3) + 0x18), 0u);
  w(tx(3) + 0x28, 0), w(tx(3) + 0x28, 1u << 25);
  expect_fault(FaultKind::kSequence, "TXDCTL[3]");
  EXPECT_EQ(r(tx(3) + 0x28), 1u << 25);
  clock.advance(100_us);
  EXPECT_EQ(r(tx(3) + 0x28), 0u);
}

// ---- Bring-up, and each thing a driver can do wrong ---------------------------------------------------------------

TEST_F(ModelTest, BringUpInTheSheetsOrderIsAcceptedAndMovesFrames) {
  bring_up();
  EXPECT_EQ(faults.count(), 0u);
  const Octets f = ethernet(kBroadcast, 0x88B5, 100);
  send(f);
  ASSERT_EQ(wire.out.size(), 1u);
  EXPECT_EQ(wire.out[0], f);
  EXPECT_TRUE(tx_done(0, 0));
  EXPECT_EQ(r(tx(0) + 0x10), 1u);
  arrive(f);
  ASSERT_TRUE(rx_done(0, 0));
  const Got g = got(0, 0);
  EXPECT_EQ(g.bytes, f);
  EXPECT_EQ(g.status, 3u);
  EXPECT_EQ(g.dw0, 0u);
  EXPECT_EQ(r(rx(0) + 0x10), 1u);
}

TEST_F(ModelTest, FaultsOfAccess) {
  (void)r(0x10);
  expect_fault(FaultKind::kUnknownOffset, "0x00010");
  w(0x1FFFC, 1);
  expect_fault(FaultKind::kUnknownOffset, "0x1fffc");
  (void)model->read(0x1'0000'0000);
  expect_fault(FaultKind::kUnknownOffset, "0xffffffff");
  (void)model->read(0x8, 2);
  expect_fault(FaultKind::kWidth, "STATUS");
  model->write(0x5081, 1, 4);
  expect_fault(FaultKind::kWidth, "FCTRL");
  model->write64(0x5080, 1);
  expect_fault(FaultKind::kWidth, "FCTRL");
  model->write64(0xEE28, u64{0x8} << 32 | 0x1234);  // the one 64-bit write there is
  EXPECT_EQ(r(0xEE28), 0x1234u);
  EXPECT_EQ(r(0xEE2C), 8u);
  w(0x8, 1);
  expect_fault(FaultKind::kAccessMode, "STATUS");
  w(0x4074, 1);
  expect_fault(FaultKind::kAccessMode, "GPRC");
  (void)r(0x888);
  expect_fault(FaultKind::kAccessMode, "EIMC");
  w(0x5080, 1 << 12);
  expect_fault(FaultKind::kReservedBit, "FCTRL");
  w(0x880, 1u << 31);
  expect_fault(FaultKind::kReservedBit, "EIMS");
  w(0x540C, 0x80040000);
  expect_fault(FaultKind::kReservedBit, "RAH(alias)[1]");
}

TEST_F(ModelTest, AFaultedReadHasNoSideEffect) {
  w(0x808, 1u << 20);  // EICS: LSC
  (void)model->read(0x800, 2);
  expect_fault(FaultKind::kWidth, "EICR");
  EXPECT_EQ(r(0x800) & 1u << 20, 1u << 20);  // it was not the read that clears
  (void)model->read(0x10140, 1);
  expect_fault(FaultKind::kWidth, "SWSM");
  EXPECT_EQ(r(0x10140) & 1, 0u);  // nor the one that takes the semaphore
  EXPECT_EQ(r(0x10140) & 1, 1u);
}

TEST_F(ModelTest, FaultsOfRings) {
  init_unit();
  w(rx(0), 0x1040);
  expect_fault(FaultKind::kRing, "RDBAL[0]");
  EXPECT_EQ(r(rx(0)), 0x1000u);
  w(tx(2), 0x1010);
  expect_fault(FaultKind::kRing, "TDBAL[2]");
  w(rx(70) + 8, 1000);
  expect_fault(FaultKind::kRing, "RDLEN(64+)[6]");
  configure_rx(1);
  w(rx(1) + 8, 0);
  w(rx(1) + 0x28, 1u << 25);
  expect_fault(FaultKind::kRing, "RDLEN[1]");
  configure_tx(1);
  w(tx(1) + 8, 8193 * 16 / 128 * 128 + 128);
  w(tx(1) + 0x28, 1u << 25);
  expect_fault(FaultKind::kRing, "TDLEN[1]");
  start_tx(0);
  w(tx(0) + 0x18, kRing);
  expect_fault(FaultKind::kRing, "TDT[0]");
  start_rx(0);
  w(rx(0) + 0x18, 0xFFFF);
  expect_fault(FaultKind::kRing, "RDT[0]");
  EXPECT_EQ(r(rx(0) + 0x18), 0xFFFFu);
  EXPECT_EQ(r(tx(0) + 0x10), 0u);
  start_tx(4, 36 | 8u << 16);
  expect_fault(FaultKind::kRing, "TXDCTL[4]");
  configure_tx(5);
  w(tx(5) + 0x38, static_cast<u32>(memory.bus(kHeads)) | 4 | 1);
  w(tx(5) + 0x28, 1u << 25);
  expect_fault(FaultKind::kRing, "TDWBAL[5]");
  configure_rx(3, 0 | 1 << 25);
  w(rx(3) + 0x28, 1u << 25);
  expect_fault(FaultKind::kRing, "SRRCTL[3]");
  configure_rx(6, 2 | 2 << 25);
  w(rx(6) + 0x28, 1u << 25);
  expect_fault(FaultKind::kRing, "SRRCTL[6]");
}

TEST_F(ModelTest, FaultsOfSequence) {
  init_unit();
  configure_rx(0);
  w(rx(0) + 0x18, 5);
  expect_fault(FaultKind::kSequence, "RDT[0]");
  EXPECT_EQ(r(rx(0) + 0x18), 0u);
  configure_tx(0);
  w(tx(0) + 0x18, 5);
  expect_fault(FaultKind::kSequence, "TDT[0]");
  clear(0x4A80, 1);
  w(tx(0) + 0x28, 1u << 25);
  expect_fault(FaultKind::kSequence, "TXDCTL[0]");
  EXPECT_EQ(r(tx(0) + 0x28), 0u);
  set(0x4A80, 1);
  w(0x8120, 0);
  expect_fault(FaultKind::kSequence, "MTQC");
  configure_tx(64);
  w(tx(64) + 0x28, 1u << 25);
  expect_fault(FaultKind::kSequence, "TXDCTL[64]");
  configure_rx(1);
  set(rx(1) + 0x0C, 1 << 12);
  w(rx(1) + 0x28, 1u << 25);
  expect_fault(FaultKind::kSequence, "DCA_RXCTRL[1]");
  configure_tx(2);
  w(tx(2) + 0x10, 3);
  w(tx(2) + 0x28, 1u << 25);
  expect_fault(FaultKind::kSequence, "TDH[2]");
  model->write_config(4, 2, 2);
  start_rx(5);
  expect_fault(FaultKind::kSequence, "RDT[5]");  // bus mastering is off
}

TEST_F(ModelTest, FaultsOfTheReceiveUnit) {
  init_unit();
  start_rx(0);
  wire.in.push_back(ethernet(kBroadcast, 0x88B5, 60));
  w(0x3000, 1);
  expect_fault(FaultKind::kSequence, "RXCTRL");
  w(0x3000, 0);
  wire.in.clear();
  clear(0x2F00, 2);
  enable_unit();
  expect_fault(FaultKind::kSequence, "RDRXCTL");
  w(0x3000, 0);
  set(0x2F00, 2);
  w(0x5008, 0);
  enable_unit();
  expect_fault(FaultKind::kSequence, "RFCTL");
  w(0x3000, 0);
  w(0x5008, 0xE0);
  w(0x2F00, (r(0x2F00) & ~0x02000000u) | 0x100000);
  enable_unit();
  expect_fault(FaultKind::kSequence, "RDRXCTL");
  w(0x5818, 1);
  expect_fault(FaultKind::kSequence, "MRQC");
  w(0x3C00, 448 << 10);
  expect_fault(FaultKind::kSequence, "RXPBSIZE[0]");
  w(0xEE00, 1);
  expect_fault(FaultKind::kSequence, "FDIRCTRL");
  set(0x8D00, 2);
  w(0x5818, 0);
  clear(0x8D00, 2);
}

TEST_F(ModelTest, FaultsOfARunningQueue) {
  bring_up();
  w(rx(0), 0x1000);
  expect_fault(FaultKind::kSequence, "RDBAL[0]");
  w(rx(0) + 8, 0x800);
  expect_fault(FaultKind::kSequence, "RDLEN[0]");
  w(rx(0) + 0x14, 4 | 1 << 25);
  expect_fault(FaultKind::kSequence, "SRRCTL[0]");
  w(0x2100, 4 | 1 << 25);
  expect_fault(FaultKind::kSequence, "SRRCTL[0]");
  w(tx(0) + 4, 7);
  expect_fault(FaultKind::kSequence, "TDBAH[0]");
  w(tx(0) + 0x10, 9);
  expect_fault(FaultKind::kSequence, "TDH[0]");
  w(tx(0) + 0x38, 1);
  expect_fault(FaultKind::kSequence, "TDWBAL[0]");
  set(rx(0) + 0x14, 1 << 28);  // DROP_EN may change
  w(rx(0) + 0x28, 1u << 30 | 1u << 25);
  arrive(ethernet(kBroadcast, 0x88B5, 60));
  EXPECT_TRUE(rx_done(0, 0));
}

TEST_F(ModelTest, FaultsOfDma) {
  bring_up();
  queue_raw(0, 0x1000, data(60, kPlain, 60));
  doorbell(0);
  expect_fault(FaultKind::kDma, "TX buffer");
  EXPECT_TRUE(tx_done(0, 0));
  EXPECT_TRUE(wire.out.empty());
  memory.set_q(rx_desc(0, 0), 0x1000);
  arrive(ethernet(kBroadcast, 0x88B5, 60));
  expect_fault(FaultKind::kDma, "RX buffer");
  start_tx(1);
  w(tx(1) + 0x28, 0);
  w(tx(1), 0), w(tx(1) + 4, 0xFFFFFFFF);
  w(tx(1) + 0x28, 1u << 25);
  w(tx(1) + 0x18, 1);
  expect_fault(FaultKind::kDma, "TX descriptor");
  w(tx(1) + 0x18, 2);  // the queue stands still
  start_rx(1);
  w(rx(1) + 0x28, 0);
  w(rx(1) + 4, 0xFFFFFFFF);
  w(rx(1) + 0x18, 0), w(rx(1) + 0x28, 1u << 25), w(rx(1) + 0x18, 8);
  w(0xEC30, 1 | 1 << 1);
  arrive(ipv4({.tcp_flags = 2}));
  expect_fault(FaultKind::kDma, "RX descriptor");
  configure_tx(2);
  w(tx(2) + 0x38, 0x1000 | 1);
  w(tx(2) + 0x28, 1u << 25);
  send(ethernet(kPeer, 0x88B5, 60), 2);
  expect_fault(FaultKind::kDma, "TX head write-back");
}

class TxFaults : public ModelTest {
 protected:
  void lost(u64 qw0, u64 qw1) {
    queue_raw(0, qw0, qw1);
    doorbell(0);
    expect_fault(FaultKind::kDescriptor,
                 "TX descriptor " + std::to_string((tail[0] + kRing - 1) % kRing) + " of queue 0");
    EXPECT_TRUE(wire.out.empty());
    wire.out.clear();
    EXPECT_TRUE(tx_done(0, (tail[0] + kRing - 1) % kRing)) << "what cannot be sent completes";
  }
  void SetUp() override { bring_up(); }
  Octets frame = ipv4({});
};
TEST_F(TxFaults, Descriptors) {
  const u64 at = tx_bytes(frame);
  const std::size_t n = frame.size();
  lost(at, data(0, kPlain, 60));                                           // DTALEN
  lost(at, data(n, kPlain | kVle, n));                                     // no context yet
  lost(at, data(n, kPlain, n, 0, 2));                                      // IDX
  lost(at, data(n, kPlain, n, 4));                                         // IPsec
  lost(at, data(n, kDextData | kEop | kRs, n + 4));                        // no IFCS, and no FCS in memory
  lost(at, data(n, (kPlain & ~0x00F00000u) | 1u << 20, n));                // DTYP
  lost(at, data(n, (kPlain & ~0x20F00000u) | 0x04000000 | 200 << 16, 0));  // legacy checksum offset
  lost(at, data(0, (kPlain & ~0x20F00000u), 0));                           // legacy length
  lost(at, data(10, (kPlain & ~0x20F00000u), 0));                          // no Ethernet header
}
TEST_F(TxFaults, PayloadLength) {
  queue_raw(0, tx_bytes(frame), data(frame.size(), kPlain, frame.size() + 1));
  doorbell(0);
  expect_fault(FaultKind::kDescriptor, "TX descriptor 0 of queue 0");
  EXPECT_EQ(wire.out.size(), 1u);
  queue_raw(0, tx_bytes(frame), data(15, kPlain, 15));
  doorbell(0);
  expect_fault(FaultKind::kDescriptor, "TX descriptor 1 of queue 0");
  EXPECT_EQ(wire.out.size(), 2u);
  queue_raw(0, tx_bytes(frame), data(60, kPlain, 60) | u64{1} << 32);
  doorbell(0);
  expect_fault(FaultKind::kDescriptor, "TX descriptor 2 of queue 0");  // DD set before
}
TEST_F(TxFaults, Contexts) {
  queue_context(0, {.idx = 2});
  doorbell(0);
  expect_fault(FaultKind::kDescriptor, "TX descriptor 0 of queue 0");
  queue_raw(0, tx_bytes(frame), data(20, kPlain & ~kEop, frame.size()));
  queue_context(0, {});
  doorbell(0);
  expect_fault(FaultKind::kDescriptor, "TX descriptor 2 of queue 0");  // within a packet
}
TEST_F(TxFaults, Geometry) {
  const u64 at = tx_bytes(frame);
  const std::size_t n = frame.size();
  const auto with = [&](const Context& c, u64 qw1) {
    queue_context(0, c);
    lost(at, qw1);
  };
  with({.l4t = 3}, data(n, kPlain, n, 2));
  with({.ip = 400}, data(n, kPlain, n, 2));
  with({.ip = 400}, data(n, kPlain, n, 1));
  const u32 tso = kPlain | kTse;
  const Context good{.l4 = 20, .mss = 10, .ipv4 = true};
  const auto but = [&](auto change) {
    Context c = good;
    change(c);
    return c;
  };
  with(good, data(n, tso, n, 3));       // PAYLEN with headers
  with(good, data(n, tso, n - 54, 1));  // no TXSM
  with(good, data(n, tso, n - 54, 2));  // no IXSM
  with(but([](Context& c) { c.mss = 0; }), data(n, tso, n - 54, 3));
  with(but([](Context& c) { c.mss = 60000; }), data(n, tso, n - 54, 3));
  with(but([](Context& c) { c.l4t = 2; }), data(n, tso, n - 54, 3));
  with(but([](Context& c) { c.l4 = 8; }), data(n, tso, n - 42, 3));  // shorter than TCP
  with(but([](Context& c) { c.l4 = 200; }), data(n, tso, n - 54, 3));
}
TEST_F(TxFaults, TooLong) {
  const Octets big(60000, std::byte{1});
  const u64 at = tx_bytes(big);
  lost(at, data(60000, kPlain, 60000));
  for (int i = 0; i < 5; ++i) queue_raw(0, at, data(60000, kPlain & ~(kEop | kRs), 0));
  doorbell(0);
  expect_fault(FaultKind::kDescriptor, "TX descriptor 5 of queue 0");
}
TEST_F(TxFaults, WriteThresholdWantsRsOnEveryPacket) {
  start_tx(1, 8u << 16);
  queue_raw(1, tx_bytes(frame), data(frame.size(), kPlain & ~kRs, frame.size()));
  doorbell(1);
  expect_fault(FaultKind::kDescriptor, "TX descriptor 0 of queue 1");
}

TEST_F(ModelTest, FaultOfAReceiveDescriptor) {
  bring_up();
  memory.set_q(rx_desc(0, 0) + 8, 1);
  arrive(ethernet(kBroadcast, 0x88B5, 60));
  expect_fault(FaultKind::kDescriptor, "RX descriptor 0 of queue 0");
}

TEST_F(ModelTest, TakesReceiveDescriptorsWithAnOldReportInThem) {
  make({}, {Quirk::kRxWriteBackLeft});
  bring_up();
  memory.set_q(rx_desc(0, 0) + 8, 3);
  arrive(ethernet(kBroadcast, 0x88B5, 60));
  EXPECT_EQ(memory.q(rx_desc(0, 0) + 8) >> 32 & 0xFFFF, 60u);
}

TEST_F(ModelTest, ReceivesWithTheDefaultsOfAResetWhereThatIsAllowed) {
  for (const bool allowed : {false, true}) {
    make({}, allowed ? Quirks{Quirk::kReceiveAsReset} : Quirks{});
    start_rx(0);
    enable_unit();
    EXPECT_EQ(faults.count(), allowed ? 0u : 3u);  // CRC strip, RSC's defaults, RSC left on
    faults.clear();
  }
  // What a driver has begun to set up is checked as ever.
  w(0x3000, 0);
  w(0x5008, 0xE0);
  set(0x2F00, 2);
  enable_unit();
  expect_fault(FaultKind::kSequence, "RDRXCTL");
}

static_assert((Quirks{Quirk::kHeadWrite} | Quirks{Quirk::kRahVind}).has(Quirk::kHeadWrite));
static_assert((Quirks{Quirk::kHeadWrite} | Quirks{Quirk::kRahVind}).has(Quirk::kRahVind));
static_assert(!(Quirks{Quirk::kHeadWrite} | Quirks{}).has(Quirk::kRahVind));

TEST_F(ModelTest, QuirksAllowWhatRealDriversDo) {
  make({}, {Quirk::kFctrlReserved, Quirk::kEimsBit31, Quirk::kHeadWrite, Quirk::kRahVind, Quirk::kStatusWrite,
            Quirk::kNonsenseRing, Quirk::kUnlistedOffsets, Quirk::kLargePthresh, Quirk::kDcaBit12, Quirk::kRscDefaults,
            Quirk::kSemaphoreForced, Quirk::kPaylenShort, Quirk::kFilterWhileRunning, Quirk::kEecDoWritten,
            Quirk::kRxWriteBackLeft, Quirk::kEitrLowBits, Quirk::kFcrthBelowZero});
  w(0x5080, 0x3400);
  EXPECT_EQ(r(0x5080), 0x400u);
  w(0x880, 1u << 31 | 1u << 20);
  EXPECT_EQ(r(0x880), 1u << 20);
  w(0x888, ~0u);
  w(0x540C, 0x800CFFFF);
  EXPECT_EQ(r(0x540C), 0x8001FFFFu & ~0x10000u);
  const u32 status = r(8);
  w(8, 0x7FFFF30F);
  EXPECT_EQ(r(8), status);
  w(0x10, 5);
  EXPECT_EQ(r(0x10), 0u);
  w(0x10160, 1);
  const u32 eec = r(0x10010);
  w(0x10010, eec | 1u << 3);
  EXPECT_EQ(r(0x10010), eec);
  w(0x3264, 0xFFFFA000);  // RXPBSIZE(1) is 0
  EXPECT_EQ(r(0x3264), 0x8007A000u);
  w(0x828, 1950);
  EXPECT_EQ(r(0x828), 1944u);
  // ethtool's pattern test: nonsense in everything, then a tail while enabled.
  for (const u32 p : {0x5A5A5A5Au, 0xA5A5A5A5u, 0u, 0xFFFFFFFFu}) {
    w(tx(1), p);
    EXPECT_EQ(r(tx(1)), p & 0xFFFFFF80);
    w(rx(1) + 8, p & 0xFFFFF);
    EXPECT_EQ(r(rx(1) + 8), p & 0xFFF80);
  }
  w(rx(1) + 0x14, 0x02000002);
  w(rx(1) + 0x28, 1u << 25);
  w(rx(1) + 0x18, 0xFFFF);
  EXPECT_EQ(r(rx(1) + 0x18), 0xFFFFu);
  w(rx(1) + 0x28, 0), w(rx(1) + 0x18, 0);
  init_unit();
  start_rx(0, 2 | 1 << 25, 0);
  w(0x5008, 0);
  enable_unit();
  w(0x5818, 1);
  w(rx(0) + 0x10, 5);
  EXPECT_EQ(r(rx(0) + 0x10), 0u);
  start_tx(0, 60 | 4 << 8);
  queue_raw(0, tx_bytes(Octets(15)), data(15, kPlain, 15));
  doorbell(0);
  EXPECT_EQ(wire.out.size(), 1u);
}

TEST_F(ModelTest, EthtoolPatternsOfStrictRegisters) {
  for (const auto& [at, mask] : {std::pair{0x3220u, 0x8007FFF0u},
                                 {0x3260u, 0x8007FFF0u},
                                 {0x3008u, ~0u},
                                 {0x3200u, ~0u},
                                 {0x5200u, ~0u},
                                 {0x5200u + 508, ~0u},
                                 {rx(3) + 4, ~0u},
                                 {rx(3), 0xFFFFFF80u}}) {
    for (const u32 p : {0x5A5A5A5Au, 0xA5A5A5A5u, 0u, 0xFFFFFFFFu}) {
      w(at, p & mask);
      EXPECT_EQ(r(at), p & mask) << std::hex << at;
    }
  }
  w(0x5088, 0);
  EXPECT_EQ(r(0x5088), 0u);
}

// ---- Transmit -----------------------------------------------------------------------------------------------------

class TxTest : public ModelTest {
 protected:
  void SetUp() override { bring_up(); }
  Octets sent(std::size_t i = 0) { return i < wire.out.size() ? wire.out[i] : Octets{}; }
};

TEST_F(TxTest, PadsShortFramesWhenToldTo) {
  queue_raw(0, tx_bytes(ethernet(kPeer, 0x88B5, 20)), data(20, kPlain, 20));
  doorbell(0);
  ASSERT_EQ(sent().size(), 60u);
  for (std::size_t i = 20; i < 60; ++i) EXPECT_EQ(sent()[i], std::byte{0});
  clear(0x4240, 1 << 10);
  queue_raw(0, tx_bytes(ethernet(kPeer, 0x88B5, 20)), data(20, kPlain, 20));
  doorbell(0);
  EXPECT_EQ(sent(1).size(), 20u);
}

TEST_F(TxTest, SeveralBuffersMakeAFrame) {
  const Octets f = ipv4({.data = 900});
  const u64 at = tx_bytes(f);
  queue_raw(0, at, data(100, kDextData | kIfcs, f.size()));
  queue_raw(0, at + 100, data(1, kDextData | kIfcs, 0));
  doorbell(0);
  EXPECT_TRUE(wire.out.empty());
  EXPECT_EQ(r(tx(0) + 0x10), 2u);
  queue_raw(0, at + 101, data(f.size() - 101, kPlain, 0));
  doorbell(0);
  EXPECT_EQ(sent(), f);
  EXPECT_FALSE(tx_done(0, 0) || tx_done(0, 1));
  EXPECT_TRUE(tx_done(0, 2));
}

TEST_F(TxTest, WithoutIfcsTheFcsComesFromMemory) {
  Octets f = ethernet(kPeer, 0x88B5, 64);
  const u32 fcs = crc_reflected(f, 0, 60, 0xEDB88320);
  for (std::size_t i = 0; i < 4; ++i) f[60 + i] = static_cast<std::byte>(fcs >> (8 * i));
  queue_raw(0, tx_bytes(f), data(64, kDextData | kEop | kRs, 64));
  doorbell(0);
  EXPECT_EQ(sent().size(), 60u);
}

TEST_F(TxTest, Ipv4AndTcpChecksums) {
  const Octets right = ipv4({.data = 77});
  Octets f = right;
  put(f, 24, 0, 2);
  put(f, 50, sum(f, 26, 34, 6 + 20 + 77), 2);
  queue_context(0, {});
  queue_raw(0, tx_bytes(f), data(f.size(), kPlain, f.size(), 3));
  doorbell(0);
  EXPECT_EQ(sent(), right);
}

TEST_F(TxTest, UdpChecksumZeroIsSentAsOnes) {
  Octets right = ipv4({.protocol = 17, .data = 20});
  const u16 sumfield = be16(right, 40);
  put(right, 60, (u32{be16(right, 60)} + sumfield) % 0xFFFF, 2);  // makes the checksum come out as 0
  Octets f = right;
  put(f, 40, sum(f, 26, 34, 17 + 28), 2);
  queue_context(0, {.l4t = 0});
  queue_raw(0, tx_bytes(f), data(f.size(), kPlain, f.size(), 2));
  doorbell(0);
  EXPECT_EQ(be16(sent(), 40), 0xFFFF);
  EXPECT_EQ(sum(sent(), 34, sent().size(), sum(sent(), 26, 34, 17 + 28)), 0xFFFFu);
}

TEST_F(TxTest, SctpCrc) {
  Octets f = ipv4({.protocol = 132, .data = 40});
  put(f, 42, 0, 4);
  queue_context(0, {.l4t = 2});
  queue_raw(0, tx_bytes(f), data(f.size(), kPlain, f.size(), 2));
  doorbell(0);
  const u32 crc = crc_reflected(f, 34, f.size(), 0x82F63B78);
  EXPECT_EQ(be32(sent(), 42), __builtin_bswap32(crc));
}

TEST_F(TxTest, ContextsPersistAndThereAreTwo) {
  queue_context(0, {.l4t = 3, .vlan = 0x6123, .idx = 1});
  queue_context(0, {.l4t = 3, .vlan = 0x0456, .idx = 0});
  const Octets f = ethernet(kPeer, 0x88B5, 60);
  for (const u32 idx : {1u, 0u, 1u}) queue_raw(0, tx_bytes(f), data(60, kPlain | kVle, 60, 0, idx));
  doorbell(0);
  ASSERT_EQ(wire.out.size(), 3u);
  EXPECT_EQ(sent(0), tagged(f, 0x6123));
  EXPECT_EQ(sent(1), tagged(f, 0x0456));
  EXPECT_EQ(sent(2), tagged(f, 0x6123));
  EXPECT_FALSE(tx_done(0, 0));  // a context without RS is not written back
  EXPECT_TRUE(tx_done(0, 4));
}

TEST_F(TxTest, LegacyDescriptors) {
  const Octets right = ipv4({.data = 50});
  Octets f = right;
  put(f, 50, sum(f, 26, 34, 6 + 70), 2);
  const u64 cmd = kEop | kIfcs | kRs | 1u << 26 | kVle | 50u << 16 | static_cast<u32>(f.size());
  queue_raw(0, tx_bytes(f), cmd | u64{34} << 40 | u64{0x0111} << 48);
  doorbell(0);
  EXPECT_EQ(sent(), tagged(right, 0x0111));
  EXPECT_TRUE(tx_done(0, 0));
  EXPECT_EQ(memory.q(tx_desc(0, 0) + 8), cmd | u64{34} << 40 | u64{0x0111} << 48 | u64{1} << 32);
}

void check_segment(const Octets& whole, const Octets& s, std::size_t n, std::size_t mss, bool v6) {
  const std::size_t l3 = 14, l4 = v6 ? 54 : 34, header = l4 + 20, at = n * mss;
  const std::size_t part = std::min(mss, whole.size() - header - at);
  const bool last = at + part == whole.size() - header;
  ASSERT_EQ(s.size(), header + part);
  EXPECT_TRUE(
      std::equal(s.begin() + static_cast<long>(header), s.end(), whole.begin() + static_cast<long>(header + at)));
  EXPECT_EQ(be32(s, l4 + 4), be32(whole, l4 + 4) + at);
  EXPECT_EQ(std::to_integer<u32>(s[l4 + 13]), last ? 0x19u : 0x10u);
  const auto l4_bytes = static_cast<u32>(s.size() - l4);
  if (v6) {
    EXPECT_EQ(be16(s, l3 + 4), l4_bytes);
    EXPECT_EQ(sum(s, l4, s.size(), sum(s, 22, 54, 6 + l4_bytes)), 0xFFFFu);
  } else {
    EXPECT_EQ(be16(s, l3 + 2), s.size() - 14);
    EXPECT_EQ(be16(s, l3 + 4), be16(whole, l3 + 4) + n);
    EXPECT_EQ(sum(s, l3, l4), 0xFFFFu);
    EXPECT_EQ(sum(s, l4, s.size(), sum(s, 26, 34, 6 + l4_bytes)), 0xFFFFu);
  }
}

TEST_F(TxTest, TcpSegmentationOverIpv4) {
  Octets f = ipv4({.data = 3000, .tcp_flags = 0x19});
  put(f, 16, 0, 2), put(f, 24, 0, 2);
  put(f, 50, sum(f, 26, 34, 6), 2);
  queue_context(0, {.l4 = 20, .mss = 700, .ipv4 = true});
  const u64 at = tx_bytes(f);
  queue_raw(0, at, data(54, kDextData | kIfcs | kTse, 3000, 3));
  queue_raw(0, at + 54, data(3000, kPlain | kTse, 0));
  doorbell(0);
  ASSERT_EQ(wire.out.size(), 5u);
  for (std::size_t n = 0; n < 5; ++n) check_segment(f, sent(n), n, 700, false);
  EXPECT_EQ(r(0x4080), 5u);
}
TEST_F(TxTest, TcpSegmentationOverIpv6WithTag) {
  Octets f = ipv6_tcp();
  f.resize(74 + 1000, std::byte{0x77});
  put(f, 18, 0, 2), put(f, 67, 0x19, 1);
  put(f, 70, sum(f, 22, 54, 6), 2);
  queue_context(0, {.ip = 40, .l4 = 20, .mss = 400, .vlan = 9});
  queue_raw(0, tx_bytes(f), data(f.size(), kPlain | kTse | kVle, 1000, 2));
  doorbell(0);
  ASSERT_EQ(wire.out.size(), 3u);
  for (std::size_t n = 0; n < 3; ++n) {
    Octets s = sent(n);
    EXPECT_EQ(be32(s, 12), 0x81000009u);
    s.erase(s.begin() + 12, s.begin() + 16);
    check_segment(f, s, n, 400, true);
  }
}
TEST_F(TxTest, UdpSegmentation) {
  Octets f = ipv4({.protocol = 17, .data = 250});
  put(f, 24, 0, 2);
  put(f, 40, sum(f, 26, 34, 17), 2);
  queue_context(0, {.l4 = 8, .mss = 100, .l4t = 0, .ipv4 = true});
  queue_raw(0, tx_bytes(f), data(f.size(), kPlain | kTse, 250, 3));
  doorbell(0);
  ASSERT_EQ(wire.out.size(), 3u);
  for (std::size_t n = 0; n < 3; ++n) {
    const Octets s = sent(n);
    const u32 length = n < 2 ? 108 : 58;
    EXPECT_EQ(be16(s, 38), length);
    EXPECT_EQ(be16(s, 16), length + 20);
    EXPECT_EQ(sum(s, 14, 34), 0xFFFFu);
    const std::size_t end = 34 + length;
    EXPECT_EQ(sum(s, 34, end, sum(s, 26, 34, 17 + length)), 0xFFFFu);
  }
}

TEST_F(TxTest, HeadWriteBack) {
  configure_tx(3);
  w(tx(3) + 0x38, static_cast<u32>(memory.bus(kHeads)) | 1);
  w(tx(3) + 0x3C, static_cast<u32>(memory.bus(kHeads) >> 32));
  w(tx(3) + 0x28, 1u << 25);
  const Octets f = ethernet(kPeer, 0x88B5, 60);
  for (int i = 0; i < 4; ++i) queue_raw(3, tx_bytes(f), data(60, i == 2 ? kPlain : kPlain & ~kRs, 60));
  doorbell(3);
  EXPECT_EQ(wire.out.size(), 4u);
  EXPECT_EQ(memory.q(kHeads), 3u);
  for (u32 i = 0; i < 4; ++i) EXPECT_FALSE(tx_done(3, i));
  EXPECT_EQ(r(tx(3) + 0x10), 4u);
}

TEST_F(TxTest, WaitsForTheWireTheLinkAndPermission) {
  const Octets f = ethernet(kPeer, 0x88B5, 60);
  wire.capacity = 1;
  for (int i = 0; i < 4; ++i) queue_raw(0, tx_bytes(f), data(60, kPlain, 60));
  doorbell(0);
  EXPECT_EQ(r(tx(0) + 0x10), 2u);  // one on the wire, one in the device
  wire.capacity = 99;
  model->step();
  EXPECT_EQ(wire.out.size(), 4u);
  wire.up = false;
  send(f);
  EXPECT_FALSE(tx_done(0, 4));
  wire.up = true;
  model->step();
  EXPECT_TRUE(tx_done(0, 4));
  w(0, 4);  // GIO_DIS
  send(f);
  EXPECT_FALSE(tx_done(0, 5));
  w(0, 0);
  model->write_config(4, 2, 2);
  model->step();
  EXPECT_FALSE(tx_done(0, 5));
  model->write_config(4, 2, 6);
  model->step();
  EXPECT_TRUE(tx_done(0, 5));
}

TEST_F(TxTest, WrapsAndNeverPassesTheTail) {
  const Octets f = ethernet(kPeer, 0x88B5, 60);
  for (u32 i = 0; i < 300; ++i) {
    queue_raw(0, tx_bytes(f), data(60, kPlain, 60));
    if (i % 3 == 2) doorbell(0);
    EXPECT_EQ(wire.out.size(), i / 3 * 3 + (i % 3 == 2 ? 3 : 0));
  }
  w(tx(0) + 0x18, tail[0]);  // the same again: nothing
  EXPECT_EQ(wire.out.size(), 300u);
}

TEST_F(TxTest, AllSixtyFourQueues) {
  for (u32 q = 1; q < 64; ++q) start_tx(q, 0);
  for (u32 q = 0; q < 64; ++q) send(ethernet(kPeer, static_cast<u16>(0x9000 + q), 60), q);
  ASSERT_EQ(wire.out.size(), 64u);
  for (u32 q = 0; q < 64; ++q) EXPECT_EQ(be16(sent(q), 12), 0x9000 + q);
}

TEST_F(TxTest, Loopback) {
  set(0x4240, 1 << 15);
  w(0x42A0, r(0x42A0) | 1);
  wire.up = false;
  const Octets f = ethernet(kBroadcast, 0x88B5, 1024);
  for (u32 i = 0; i < 150; ++i) {
    send(f);
    ASSERT_TRUE(rx_done(0, i % kRing)) << i;
    EXPECT_EQ(got(0, i % kRing).bytes, f);
    post_rx(0, i % kRing, 2048);
    w(rx(0) + 0x18, (i + kRing) % kRing);
  }
  EXPECT_TRUE(wire.out.empty());
}

// ---- Receive ------------------------------------------------------------------------------------------------------

class RxTest : public ModelTest {
 protected:
  void SetUp() override { bring_up(); }
  /// Receives on queue 0 (or q) and returns what came; `next` counts descriptors of queue 0.
  bool takes(const Octets& f) {
    const u32 before = r(rx(0) + 0x10);
    arrive(f);
    return r(rx(0) + 0x10) != before;
  }
  Got take(const Octets& f) {
    const u32 i = r(rx(0) + 0x10);
    arrive(f);
    EXPECT_TRUE(rx_done(0, i));
    return got(0, i);
  }
  u32 queue_of(const Octets& f, u32 queues) {
    std::vector<u32> heads;
    for (u32 q = 0; q < queues; ++q) heads.push_back(r(rx(q) + 0x10));
    arrive(f);
    for (u32 q = 0; q < queues; ++q) {
      if (r(rx(q) + 0x10) != heads[q]) return q;
    }
    return 999;
  }
};

TEST_F(RxTest, AddressFilters) {
  EXPECT_TRUE(takes(ethernet(kOwn, 0x88B5, 60)));
  EXPECT_FALSE(takes(ethernet(kPeer, 0x88B5, 60)));
  EXPECT_TRUE(takes(ethernet(kBroadcast, 0x88B5, 60)));
  w(0xA200 + 8 * 127, 0xCCBBAA02), w(0xA204 + 8 * 127, 0x800001DD);
  EXPECT_TRUE(takes(ethernet(kPeer, 0x88B5, 60)));
  w(0xA204 + 8 * 127, 0x01DD);
  EXPECT_FALSE(takes(ethernet(kPeer, 0x88B5, 60)));
  w(0x5080, 0x600);                                                   // UPE
  EXPECT_EQ(take(ethernet(kPeer, 0x88B5, 60)).status & 0x80, 0x80u);  // PIF
  w(0x5080, 0);
  EXPECT_FALSE(takes(ethernet(kBroadcast, 0x88B5, 60)));
  const u64 group = 0x01005E123456;
  EXPECT_FALSE(takes(ethernet(group, 0x88B5, 60)));
  w(0x5080, 0x100);  // MPE
  EXPECT_TRUE(takes(ethernet(group, 0x88B5, 60)));
  w(0x5080, 0);
  // 12 bits of bytes 5:4 = 5634h by MO.
  const u32 hashes[] = {0x563, 0xAC6, 0x58D, 0x634};
  for (u32 mo = 0; mo < 4; ++mo) {
    w(0x5200 + 4 * (hashes[mo] >> 5), 1u << (hashes[mo] & 31));
    w(0x5090, mo);
    EXPECT_FALSE(takes(ethernet(group, 0x88B5, 60)));
    w(0x5090, 4 | mo);
    EXPECT_TRUE(takes(ethernet(group, 0x88B5, 60))) << mo;
    w(0x5200 + 4 * (hashes[mo] >> 5), 0);
    EXPECT_FALSE(takes(ethernet(group, 0x88B5, 60)));
  }
  w(0x5090, 0);
  w(0xF400 + 4 * (0x01D >> 5), 1u << (0x01D & 31));  // PFUTA, bytes 5:4 = 01DDh, MO 0
  EXPECT_TRUE(takes(ethernet(kPeer, 0x88B5, 60)));
}

TEST_F(RxTest, VlanFilterAndStripping) {
  const Octets plain = ipv4({}), f = tagged(plain, 0xA123);
  Got g = take(f);
  EXPECT_EQ(g.status & 8, 8u);
  EXPECT_EQ(g.bytes, f);
  w(rx(0) + 0x28, 1u << 25 | 1u << 30);
  g = take(f);
  EXPECT_EQ(g.bytes, plain);
  EXPECT_EQ(g.vlan, 0xA123u);
  EXPECT_EQ(g.status & 0x68, 0x68u);
  EXPECT_EQ(take(plain).vlan, 0u);
  w(0x5088, 0x40008100);
  EXPECT_FALSE(takes(f));
  EXPECT_TRUE(takes(plain));
  w(0xA000 + 4 * (0x123 >> 5), 1u << (0x123 & 31));
  EXPECT_TRUE(takes(f));
  w(0x5088, 0x60008100);
  EXPECT_TRUE(takes(f));
  EXPECT_FALSE(takes(tagged(plain, 0xB123)));  // CFI
}

TEST_F(RxTest, SizesAndErrors) {
  EXPECT_FALSE(takes(ethernet(kBroadcast, 0x88B5, 59)));
  EXPECT_EQ(r(0x40A4), 1u);
  EXPECT_FALSE(takes(Octets(11)));
  EXPECT_EQ(r(0x40A4), 0u);
  EXPECT_TRUE(takes(ethernet(kBroadcast, 0x88B5, 1514)));
  EXPECT_FALSE(takes(ethernet(kBroadcast, 0x88B5, 1515)));
  EXPECT_EQ(r(0x40AC), 1u);
  EXPECT_TRUE(takes(tagged(ethernet(kBroadcast, 0x88B5, 1514), 1)));
  w(0x5080, 0x402);  // SBP
  EXPECT_EQ(take(ethernet(kBroadcast, 0x88B5, 1515)).status >> 20, (1u << 29 | 1u << 28) >> 20);
  EXPECT_EQ(take(ethernet(kBroadcast, 0x88B5, 20)).status >> 20, (1u << 29) >> 20);
  EXPECT_EQ(take(ethernet(kBroadcast, 100, 60)).status >> 20, (1u << 29 | 1u << 25) >> 20);
  EXPECT_EQ(r(0x4040), 1u);
}

TEST_F(RxTest, FcsIsDeliveredWhenNotStripped) {
  w(0x3000, 0);
  clear(0x4240, 2), clear(0x2F00, 2);
  enable_unit();
  const Octets f = ethernet(kBroadcast, 0x88B5, 60);
  const Got g = take(f);
  ASSERT_EQ(g.length, 64u);
  EXPECT_EQ(__builtin_bswap32(be32(g.bytes, 60)), crc_reflected(f, 0, 60, 0xEDB88320));
}

TEST_F(RxTest, JumboOverSeveralBuffers) {
  set(0x4240, 4);
  w(0x4268, 9018u << 16);
  const Octets f = ipv4({.data = 8900});
  arrive(f);
  Octets all;
  for (u32 i = 0; i < 5; ++i) {
    ASSERT_TRUE(rx_done(0, i));
    const Got g = got(0, i);
    EXPECT_EQ(g.status & 2, i == 4 ? 2u : 0u);
    if (i < 4) {
      EXPECT_EQ(g.length, 2048u);
      EXPECT_EQ(g.status, 1 | (i + 1) << 4);  // DD, NEXTP
      EXPECT_EQ(g.dw0 | g.dw1 | g.vlan, 0u);
    } else {
      EXPECT_EQ(g.status, 0x63u);
    }
    all.insert(all.end(), g.bytes.begin(), g.bytes.end());
  }
  EXPECT_EQ(all, f);
  EXPECT_FALSE(rx_done(0, 5));
  start_rx(1, 1 | 1 << 25);  // a ring too short for the frame
  w(rx(1) + 0x28, 0);
  w(rx(1) + 8, 128);
  w(rx(1) + 0x10, 0), w(rx(1) + 0x18, 0), w(rx(1) + 0x28, 1u << 25), w(rx(1) + 0x18, 7);
  w(0xE600, 1u << 31 | 0x3E000000), w(0xE800, 1 << 21 | 0x80000);
  arrive(f);
  expect_fault(FaultKind::kDescriptor, "RX descriptor 0 of queue 1");
}

TEST_F(RxTest, LegacyDescriptors) {
  start_rx(1, 2);
  w(0xE600, 1u << 31 | 0x3E000000), w(0xE800, 1 << 21 | 0x80000);
  Octets f = ipv4({});
  f[60] ^= std::byte{1};
  arrive(tagged(f, 7));
  const u64 q1 = memory.q(rx_desc(1, 0) + 8);
  EXPECT_EQ(q1 & 0xFFFF, f.size() + 4);
  EXPECT_EQ(q1 >> 32 & 0xFF, 0x6Bu);  // DD, EOP, VP, L4CS, IPCS
  EXPECT_EQ(q1 >> 40 & 0xFF, 0x40u);  // TCPE
  EXPECT_EQ(memory.q(rx_desc(1, 0)), rx_buffer(1, 0, 2048));
}

TEST_F(RxTest, ChecksumVerdictsAndPacketTypes) {
  Got g = take(ipv4({}));
  EXPECT_EQ(g.status, 0x63u);
  EXPECT_EQ(g.dw0, 1u << 4 | 1u << 8);
  Octets bad = ipv4({});
  bad[24] ^= std::byte{1};
  EXPECT_EQ(take(bad).status, 0x63u | 1u << 31);
  bad = ipv4({});
  bad[70] ^= std::byte{1};
  EXPECT_EQ(take(bad).status, 0x63u | 1u << 30);
  EXPECT_EQ(r(0x4120), 1u);
  g = take(ipv4({.protocol = 17}));
  EXPECT_EQ(g.status, 0x73u);
  EXPECT_EQ(g.dw0, 1u << 4 | 1u << 9);
  Octets unsummed = ipv4({.protocol = 17});
  put(unsummed, 40, 0, 2);
  EXPECT_EQ(take(unsummed).status, 0x43u);
  g = take(ipv4({.protocol = 132}));
  EXPECT_EQ(g.dw0, 1u << 4 | 1u << 10);
  g = take(ipv4({.fragment = 0x2000}));
  EXPECT_EQ(g.status, 0x43u);
  EXPECT_EQ(g.dw0, 1u << 4);
  g = take(ipv6_tcp());
  EXPECT_EQ(g.status, 0x23u);
  EXPECT_EQ(g.dw0, 1u << 6 | 1u << 8);
  g = take(ethernet(kOwn, 0x0806, 60));
  EXPECT_EQ(g.status, 3u);
  EXPECT_EQ(g.dw0, 0u);
  w(0x5000, 0);
  EXPECT_EQ(take(ipv4({.id = 0x4321})).dw1, 0x4321u);  // PCSD = 0: IP identification
}

TEST_F(RxTest, RssVectors) {
  constexpr u8 kKey[40] = {0x6D, 0x5A, 0x56, 0xDA, 0x25, 0x5B, 0x0E, 0xC2, 0x41, 0x67, 0x25, 0x3D, 0x43, 0xA3,
                           0x8F, 0xB0, 0xD0, 0xCA, 0x2B, 0xCB, 0xAE, 0x7B, 0x30, 0xB4, 0x77, 0xCB, 0x2D, 0xA3,
                           0x80, 0x30, 0xF2, 0x0C, 0x6A, 0x42, 0xB7, 0x3B, 0xBE, 0xAC, 0x01, 0xFA};
  for (u32 i = 0; i < 10; ++i) {
    w(0x5C80 + 4 * i,
      kKey[4 * i] | u32{kKey[4 * i + 1]} << 8 | u32{kKey[4 * i + 2]} << 16 | u32{kKey[4 * i + 3]} << 24);
  }
  for (u32 q = 1; q < 16; ++q) start_rx(q);
  for (u32 i = 0; i < 128; i += 4)
    w(0x5C00 + i, (i & 15) | ((i + 1) & 15) << 8 | ((i + 2) & 15) << 16 | ((i + 3) & 15) << 24);
  const auto mrqc = [this](u32 v) { set(0x8D00, 2), w(0x5818, v), clear(0x8D00, 2); };
  struct Vector {
    u32 source, destination;
    u16 sport, dport;
    u32 ip, tcp;
  };
  const Vector vectors[] = {{0x420995BB, 0xA18E6450, 2794, 1766, 0x323E8FC2, 0x51CCC178},
                            {0xC75C6F02, 0x41458C53, 14230, 4739, 0xD718262A, 0xC626B0EA},
                            {0x1813C65F, 0x0C16CFB8, 12898, 38024, 0xD2D0A5DE, 0x5C2B394A}};
  u32 used[16] = {};
  const auto check = [&](const Octets& f, u32 hash, u32 type) {
    const u32 q = queue_of(f, 16);
    ASSERT_EQ(q, type == 0 ? 0 : hash & 15);
    const Got g = got(q, used[q]++);
    EXPECT_EQ(g.dw1, hash);
    EXPECT_EQ(g.dw0 & 15, type);
  };
  for (const Vector& v : vectors) {
    const Ip tcp{.source = v.source, .destination = v.destination, .sport = v.sport, .dport = v.dport};
    Ip udp = tcp, fragment = tcp;
    udp.protocol = 17;
    fragment.fragment = 0x2000;
    mrqc(1 | 1 << 16 | 1 << 17 | 1 << 22);
    check(ipv4(tcp), v.tcp, 1);
    check(ipv4(udp), v.tcp, 7);
    check(ipv4(fragment), v.ip, 2);
    mrqc(1 | 1 << 17);
    check(ipv4(tcp), v.ip, 2);
    mrqc(1 | 1 << 21);
    check(ipv4(tcp), 0, 0);
    mrqc(0);
    check(ipv4(tcp), 0, 0);
  }
  mrqc(1 | 1 << 20 | 1 << 21);
  check(ipv6_tcp(), 0x40207D3D, 3);
  mrqc(1 | 1 << 20);
  check(ipv6_tcp(), 0x2CC18CD5, 5);
}

TEST_F(RxTest, QueueByTypeSynAndFiveTuple) {
  for (u32 q = 1; q < 8; ++q) start_rx(q);
  start_rx(100);
  const auto at = [this](const Octets& f) { return queue_of(f, 101); };
  w(0x5128 + 4 * 3, 1u << 31 | 0x88F7);
  w(0xEC00 + 4 * 3, 1u << 31 | 100 << 16);
  EXPECT_EQ(at(ethernet(kOwn, 0x88F7, 60)), 100u);
  EXPECT_EQ(got(100, 0).dw0, 1u << 15 | 3u << 4);
  EXPECT_EQ(at(ethernet(kOwn, 0x88F8, 60)), 0u);
  const Ip flow{.source = 0x0A000001, .destination = 0x0A000002, .sport = 80, .dport = 4660};
  const auto filter = [this](u32 i, u32 ftqf, u32 queue) {
    w(0xE000 + 4 * i, 0x0100000A);  // network order: 10.0.0.1
    w(0xE200 + 4 * i, 0x0200000A);
    w(0xE400 + 4 * i, 0x5000 | 0x3412u << 16);
    w(0xE800 + 4 * i, queue << 21 | 0x80000);
    w(0xE600 + 4 * i, 1u << 31 | 1u << 30 | ftqf);
  };
  EXPECT_EQ(at(ipv4(flow)), 0u);
  filter(5, 1 << 2, 2);
  EXPECT_EQ(at(ipv4(flow)), 2u);
  Ip other = flow;
  other.sport = 81;
  EXPECT_EQ(at(ipv4(other)), 0u);
  filter(127, 7 << 2 | 1u << 27, 3);  // higher priority, source port not compared
  EXPECT_EQ(at(ipv4(flow)), 3u);
  EXPECT_EQ(at(ipv4(other)), 3u);
  other.protocol = 17;
  EXPECT_EQ(at(ipv4(other)), 0u);
  filter(126, 1 | 7 << 2 | 1u << 27, 4);
  EXPECT_EQ(at(ipv4(other)), 4u);
  Ip syn = flow;
  syn.tcp_flags = 2;
  w(0xEC30, 1 | 6 << 1);
  EXPECT_EQ(at(ipv4(syn)), 3u);
  w(0xEC30, 1u << 31 | 1 | 6 << 1);
  EXPECT_EQ(at(ipv4(syn)), 6u);
  EXPECT_EQ(at(ipv4(flow)), 3u);
}

TEST_F(RxTest, FifoHoldsFramesOfAQueueWithoutDescriptorsAndAllBehind) {
  start_rx(1, 2 | 1 << 25, 0);
  w(0x5128, 1u << 31 | 0x9001), w(0xEC00, 1u << 31 | 1 << 16);
  arrive(ethernet(kOwn, 0x9001, 60));
  arrive(ethernet(kOwn, 0x9000, 100));
  EXPECT_FALSE(rx_done(1, 0) || rx_done(0, 0));  // queue 0 waits behind queue 1
  EXPECT_EQ(model->fifo_bytes(), 160u);
  w(rx(1) + 0x18, 1);  // lets them in at once
  EXPECT_TRUE(rx_done(1, 0) && rx_done(0, 0));
  EXPECT_EQ(model->fifo_bytes(), 0u);
  EXPECT_EQ(r(0x3FA0), 0u);
  set(0x8D00, 2);
  w(0x3C00, 4 << 10);
  clear(0x8D00, 2);
  for (int i = 0; i < 5; ++i) arrive(ethernet(kOwn, 0x9001, 1000));
  EXPECT_EQ(r(0x3FA0), 1u);  // four fit in 4 KB
  EXPECT_EQ(r(0x800) & 1u << 17, 1u << 17);
  EXPECT_EQ(r(0x1430), 0u);
  w(rx(1) + 0x14, 2 | 1 << 25 | 1u << 28);  // DROP_EN
  model->step();
  EXPECT_EQ(model->fifo_bytes(), 0u);
  EXPECT_EQ(r(0x1430), 4u);
  EXPECT_FALSE(rx_done(1, 1));
}

TEST_F(RxTest, HaltedPathKeepsFramesStoppedUnitLosesThem) {
  set(0x8D00, 2);
  arrive(ethernet(kOwn, 0x9001, 60));
  EXPECT_FALSE(rx_done(0, 0));
  clear(0x8D00, 2);
  EXPECT_TRUE(rx_done(0, 0));
  w(0x3000, 0);
  arrive(ethernet(kOwn, 0x9001, 60));
  enable_unit();
  model->step();
  EXPECT_FALSE(rx_done(0, 1));
  w(rx(0) + 0x28, 0);
  arrive(ethernet(kOwn, 0x9001, 60));
  EXPECT_FALSE(rx_done(0, 1));
  EXPECT_EQ(model->fifo_bytes(), 0u);
}

TEST_F(RxTest, WrapsAndStopsAtTheTail) {
  for (u32 i = 0; i < 200; ++i) {
    arrive(ethernet(kOwn, static_cast<u16>(0x9000 + i), 60));
    const Got g = got(0, i % kRing);
    ASSERT_EQ(be16(g.bytes, 12), 0x9000 + i);
    post_rx(0, i % kRing, 2048);
    w(rx(0) + 0x18, i % kRing);
  }
  for (u32 i = 0; i < 100; ++i) arrive(ethernet(kOwn, 0x9000, 60));
  EXPECT_EQ(r(rx(0) + 0x10), r(rx(0) + 0x18));
  EXPECT_EQ(model->fifo_bytes(), 37u * 60);
}

// ---- Flow control -------------------------------------------------------------------------------------------------

TEST_F(RxTest, PauseFramesStopTheTransmitter) {
  Octets pause = ethernet(0x0180C2000001, 0x8808, 60, 0);
  put(pause, 14, 1, 2), put(pause, 16, 1000, 2);
  arrive(pause);
  EXPECT_EQ(r(0x41A8), 0u);  // RFCE is off
  EXPECT_FALSE(rx_done(0, 0));
  w(0x4294, 8);
  arrive(pause);
  EXPECT_EQ(r(0x41A8), 1u);
  EXPECT_EQ(r(0xCE00), 1u);
  send(ethernet(kPeer, 0x88B5, 60));
  EXPECT_TRUE(wire.out.empty());
  clock.advance(51_us);
  model->step();
  EXPECT_TRUE(wire.out.empty());
  clock.advance(1_us);
  model->step();
  EXPECT_EQ(wire.out.size(), 1u);
  EXPECT_EQ(r(0xCE00), 0u);
  arrive(pause);
  put(pause, 16, 0, 2);
  arrive(pause);  // XON
  EXPECT_EQ(r(0x41A4), 1u);
  send(ethernet(kPeer, 0x88B5, 60));
  EXPECT_EQ(wire.out.size(), 2u);
  w(0x4294, 9);  // PMCF
  w(0x5080, 0x500);
  arrive(pause);
  EXPECT_TRUE(rx_done(0, 0));
}

TEST_F(RxTest, XoffAndXonByThresholds) {
  w(0x3D00, 8);
  w(0x3200, 0x1234);
  w(0x32A0, 100);
  w(0x3260, 1u << 31 | 2048);
  w(0x3220, 1u << 31 | 1024);
  w(rx(0) + 0x28, 0);
  start_rx(0, 2 | 1 << 25, 0);
  for (int i = 0; i < 2; ++i) arrive(ethernet(kOwn, 0x9000, 1000));
  EXPECT_TRUE(wire.out.empty());
  arrive(ethernet(kOwn, 0x9000, 1000));
  ASSERT_EQ(wire.out.size(), 1u);
  EXPECT_EQ(be32(wire.out[0], 12), 0x88080001u);
  EXPECT_EQ(be16(wire.out[0], 16), 0x1234);
  EXPECT_EQ(be32(wire.out[0], 0), 0x0180C200u);
  model->step();
  EXPECT_EQ(wire.out.size(), 1u);
  clock.advance(6_us);
  model->step();
  EXPECT_EQ(wire.out.size(), 2u);  // refreshed
  w(rx(0) + 0x18, 2);
  model->step();
  ASSERT_EQ(wire.out.size(), 3u);
  EXPECT_EQ(be16(wire.out[2], 16), 0);
  EXPECT_EQ(r(0x3F68), 2u);
  EXPECT_EQ(r(0x3F60), 1u);
}

// ---- Statistics ---------------------------------------------------------------------------------------------------

TEST_F(RxTest, CountersClearOnRead) {
  w(0x2300, 3);  // RQSMR: queue 0 -> 3
  w(0x8600, 5);  // TQSM: queue 0 -> 5
  for (const std::size_t n : {60u, 123u, 124u, 251u, 252u, 507u, 508u, 1019u, 1020u, 1514u}) {
    arrive(ethernet(kBroadcast, 0x88B5, n));
    send(ethernet(0x01005E000001, 0x88B5, n));
  }
  const u32 classes[] = {1, 1, 2, 2, 2, 2};
  for (u32 i = 0; i < 6; ++i) {
    EXPECT_EQ(r(0x405C + 4 * i), classes[i]) << i;
    EXPECT_EQ(r(0x40D8 + 4 * i), classes[i]) << i;
    EXPECT_EQ(r(0x405C + 4 * i), 0u);
  }
  EXPECT_EQ(r(0x4074), 10u);
  EXPECT_EQ(r(0x4078), 10u);
  EXPECT_EQ(r(0x407C), 0u);
  EXPECT_EQ(r(0x4080), 10u);
  EXPECT_EQ(r(0x40F0), 10u);
  EXPECT_EQ(r(0x40D0), 10u);
  EXPECT_EQ(r(0x1030 + 0x40 * 3), 10u);
  EXPECT_EQ(r(0x6030 + 0x40 * 5), 10u);
  EXPECT_EQ(r(0x6030 + 0x40 * 5), 0u);
  constexpr u64 kSum = 60 + 123 + 124 + 251 + 252 + 507 + 508 + 1019 + 1020 + 1514;
  EXPECT_EQ(pair(0x4088), kSum);
  EXPECT_EQ(pair(0x4088), 0u);
  EXPECT_EQ(pair(0x40C0), kSum + 40);
  EXPECT_EQ(pair(0x4090), kSum + 40);
  EXPECT_EQ(pair(0x1034 + 0x40 * 3), kSum);
  EXPECT_EQ(pair(0x8700 + 8 * 5), kSum + 40);
}
TEST_F(RxTest, PairsAreThirtySixBitsAndLoseNothingBetweenTheReads) {
  // Push the low word to its end by the memory the register file lends to doorbells.
  const auto poke = [this](u32 at, u32 v) { std::memcpy(model->doorbell_memory() + at, &v, 4); };
  poke(0x4088, 0xFFFFFFF0), poke(0x408C, 3);
  EXPECT_EQ(r(0x4088), 0xFFFFFFF0u);
  arrive(ethernet(kOwn, 0x9000, 60));  // between the halves
  EXPECT_EQ(r(0x408C), 3u);
  EXPECT_EQ(pair(0x4088), 60u);
  poke(0x4088, 0xFFFFFFF0), poke(0x408C, 0xF);
  arrive(ethernet(kOwn, 0x9000, 60));
  EXPECT_EQ(pair(0x4088), 44u);  // wraps at 2^36
  EXPECT_EQ(r(0x8680), 0u);
  send(ethernet(kPeer, 0x9000, 60));
  EXPECT_EQ(r(0x8680), 1u);
  EXPECT_EQ(r(0x6030), 0u);
}

// ---- Interrupts ---------------------------------------------------------------------------------------------------

class IrqTest : public ModelTest {
 protected:
  void msix(u32 gpie = 1 << 4 | 1 << 5 | 1u << 30 | 1u << 31) {
    bring_up(2);
    model->enable_msix(64);
    w(0x898, gpie);
    w(0xAD0, ~0u), w(0xAD4, ~0u);
    w(0x900, 0x80 | 0x81 << 8 | 0xA8u << 16 | 0x81u << 24);  // rx0 -> 0, tx0 -> 1, rx1 -> 40, tx1 -> 1
    w(0xA00, 0x83 << 8);
    w(0x810, 0xFFFF | 1u << 30);
  }
  u64 sent(u32 v) { return model->interrupts().sent(v); }
  void receive() { arrive(ethernet(kOwn, 0x9000, 60)); }
};

TEST_F(IrqTest, MsixQueueVectorsMaskThemselvesAndRearm) {
  msix();
  receive();
  EXPECT_EQ(sent(0), 0u);  // masked
  EXPECT_EQ(r(0x808), 1u);
  w(0xAA0, 3), w(0xAA4, 1u << 8);
  EXPECT_EQ(sent(0), 1u);   // still pending: fires on unmask
  EXPECT_EQ(r(0xAA0), 2u);  // auto-mask
  EXPECT_EQ(r(0x808), 0u);  // auto-clear
  receive(), receive();
  EXPECT_EQ(sent(0), 1u);
  w(0xAA0, 1);
  EXPECT_EQ(sent(0), 2u);
  w(0xAA0, 1);
  EXPECT_EQ(sent(0), 2u);
  send(ethernet(kPeer, 0x9000, 60));
  EXPECT_EQ(sent(1), 1u);
  w(0x5128, 1u << 31 | 0x9002), w(0xEC00, 1u << 31 | 1 << 16);
  arrive(ethernet(kOwn, 0x9002, 60));
  EXPECT_EQ(sent(40), 1u);
  w(0xA90, 2);  // EICS_EX, masked since it fired
  EXPECT_EQ(sent(1), 1u);
  w(0xAA0, 2);
  EXPECT_EQ(sent(1), 2u);
  w(0xA94, 1u << 8), w(0xAA4, 1u << 8);
  EXPECT_EQ(sent(40), 2u);
}

TEST_F(IrqTest, OtherCausesAreGatedByEimsAlone) {
  msix();
  (void)r(0x800);
  wire.up = false;
  model->step();
  EXPECT_EQ(sent(3), 0u);
  w(0x880, 1u << 20);
  EXPECT_EQ(sent(3), 1u);
  EXPECT_EQ(r(0x808), 1u << 20);  // not in EIAC: stays
  w(0x800, 1u << 20);
  wire.up = true;
  model->step();
  EXPECT_EQ(sent(3), 2u);
  w(0x888, 1u << 20);
  w(0x808, 1u << 20);
  EXPECT_EQ(sent(3), 2u);
}

TEST_F(IrqTest, ThrottledByEitr) {
  msix();
  w(0x820, 25 << 3);  // 51.2 us
  w(0xAD0, 0);
  w(0xAA0, 1);
  receive();
  EXPECT_EQ(sent(0), 1u);
  receive();
  EXPECT_EQ(sent(0), 1u);
  clock.advance(51_us);
  model->step();
  EXPECT_EQ(sent(0), 1u);
  clock.advance(1_us);
  model->step();
  EXPECT_EQ(sent(0), 2u);
  receive();
  w(0x820, 25 << 3 | 1u << 31);  // the counter goes on
  EXPECT_EQ(sent(0), 2u);
  w(0x820, 25 << 3);  // the counter is written as well
  EXPECT_EQ(sent(0), 3u);
  EXPECT_EQ(r(0x820), 25u << 3);
  receive();
  w(0x898, r(0x898) | 1 << 6);  // EIMEN
  w(0x808, 1);
  EXPECT_EQ(sent(0), 4u);
  w(0x12300 + 4 * 16, 5 << 3);  // vector 40
  EXPECT_EQ(r(0x12340), 5u << 3);
}

TEST_F(IrqTest, MsixTableHoldsMaskedMessages) {
  msix();
  model->write_bar4(12, 1);
  w(0xAA0, 1);
  receive();
  EXPECT_EQ(sent(0), 0u);
  EXPECT_EQ(model->read_bar4(0x2000), 1u);
  model->write_bar4(12, 0);
  EXPECT_EQ(sent(0), 1u);
  EXPECT_EQ(model->read_bar4(0x2000), 0u);
  model->write_config(0x72, 2, 0xC000);  // all masked
  w(0xAA0, 1);
  receive();
  EXPECT_EQ(sent(0), 1u);
  model->write_config(0x72, 2, 0x8000);
  EXPECT_EQ(sent(0), 2u);
  model->write_bar4(0x10, 0xFEE00000);
  EXPECT_EQ(model->read_bar4(0x10), 0xFEE00000u);
  model->function_level_reset();
  EXPECT_EQ(model->read_bar4(12), 1u);
}

TEST_F(IrqTest, WithoutMsixModeAllCausesGoToEntryZero) {
  bring_up();
  model->enable_msix(2);
  w(0x880, 1u << 20);
  (void)r(0x800);
  wire.up = false;
  model->step();
  EXPECT_EQ(sent(0), 1u);
}

TEST_F(IrqTest, IntxIsALevelAndReadingEicrMasks) {
  bring_up();
  (void)r(0x800);
  w(0x900, 0x82);
  w(0x890, 0xFFFF);
  w(0x880, 0xFFFF);
  receive();
  EXPECT_TRUE(model->interrupts().line());
  EXPECT_EQ(r(0x800), 4u);
  EXPECT_FALSE(model->interrupts().line());
  EXPECT_EQ(r(0x880), 0xFFFBu);  // EIAM
  receive();
  EXPECT_FALSE(model->interrupts().line());
  w(0x880, 4);
  EXPECT_TRUE(model->interrupts().line());
  w(0x800, 4);  // write one to clear
  EXPECT_FALSE(model->interrupts().line());
  w(0x890, 0);
  for (u32 i = 0; i < 10; ++i) {  // ethtool's interrupt test
    w(0x888, 0x7FFFFFFF);
    w(0x808, 1u << i);
    EXPECT_FALSE(model->interrupts().line());
    (void)r(0x800);
    w(0x880, 1u << i);
    w(0x808, 1u << i);
    EXPECT_TRUE(model->interrupts().line());
    EXPECT_EQ(r(0x800), 1u << i);
  }
  receive();
  w(0x880, 4);
  EXPECT_TRUE(model->interrupts().line());
  model->write_config(4, 2, 0x406);
  EXPECT_FALSE(model->interrupts().line());
}

TEST_F(IrqTest, Msi) {
  bring_up();
  (void)r(0x800);
  model->write_config(0x52, 2, 1);
  w(0x900, 0x80 | 0x81 << 8);
  w(0x890, 0xFFFF), w(0x880, 3);
  receive();
  EXPECT_EQ(sent(0), 1u);
  send(ethernet(kPeer, 0x9000, 60));
  EXPECT_EQ(sent(0), 2u);
  EXPECT_EQ(r(0x800), 3u);
  receive();
  EXPECT_EQ(sent(0), 2u);
  w(0x880, 1);
  EXPECT_EQ(sent(0), 3u);
  model->write_config(4, 2, 2);  // no bus master, no messages
}

// ---- Doorbells by plain stores, trouble in mid-traffic ------------------------------------------------------------

TEST_F(ModelTest, DoorbellsByPlainStores) {
  bring_up();
  const auto store = [this](u32 at, u32 v) {
    __atomic_store_n(reinterpret_cast<u32*>(model->doorbell_memory() + at), v, __ATOMIC_RELEASE);
  };
  const Octets f = ethernet(kBroadcast, 0x88B5, 60);
  queue_raw(0, tx_bytes(f), data(60, kPlain, 60));
  store(tx(0) + 0x18, 1);
  EXPECT_TRUE(wire.out.empty());
  EXPECT_TRUE(model->step());
  EXPECT_EQ(wire.out.size(), 1u);
  EXPECT_FALSE(model->step());
  for (u32 i = 0; i < 64; ++i) arrive(f);
  EXPECT_EQ(r(rx(0) + 0x10), 63u);
  EXPECT_EQ(model->fifo_bytes(), 60u);
  store(rx(0) + 0x18, 0);
  EXPECT_TRUE(model->step());
  EXPECT_EQ(model->fifo_bytes(), 0u);
  store(tx(0) + 0x18, 5000);
  model->step();
  expect_fault(FaultKind::kRing, "TDT[0]");
  model->step();
  configure_rx(7);
  store(rx(7) + 0x18, 3);
  w(rx(7) + 0x28, 1u << 25);
  expect_fault(FaultKind::kSequence, "RDT[7]");
}

TEST_F(ModelTest, ResetInMidTraffic) {
  bring_up();
  wire.capacity = 1;
  const Octets f = ethernet(kBroadcast, 0x88B5, 60);
  for (int i = 0; i < 10; ++i) queue_raw(0, tx_bytes(f), data(60, i == 9 ? kPlain & ~kEop : kPlain, 60));
  doorbell(0);
  w(rx(0) + 0x28, 0);
  start_rx(0, 2 | 1 << 25, 0);
  for (int i = 0; i < 10; ++i) arrive(f);
  EXPECT_NE(model->fifo_bytes(), 0u);
  w(0, 1u << 26 | 1u << 3);
  EXPECT_EQ(model->fifo_bytes(), 0u);
  wire.capacity = 99;
  wire.out.clear();
  model->step();
  EXPECT_TRUE(wire.out.empty());
  bring_up();
  send(f);
  EXPECT_EQ(wire.out.size(), 1u);
  arrive(f);
  EXPECT_TRUE(rx_done(0, 0));
}

TEST_F(ModelTest, SurpriseRemoval) {
  bring_up();
  model->remove();
  EXPECT_EQ(r(0x8), ~0u);
  EXPECT_EQ(model->read_bar4(0), ~0u);
  EXPECT_EQ(model->read_config(0, 4), ~0u);
  send(ethernet(kPeer, 0x9000, 60));
  wire.in.push_back(ethernet(kOwn, 0x9000, 60));
  EXPECT_FALSE(model->step());
  EXPECT_TRUE(wire.out.empty());
  EXPECT_FALSE(rx_done(0, 0));
}

TEST_F(ModelTest, TimestampRegistersAreStorage) {
  w(0x8C0C, 0x12345678), w(0x8C10, 9), w(0x8C14, 1u << 24 | 5);
  EXPECT_EQ(r(0x8C0C), 0x12345678u);
  EXPECT_EQ(r(0x8C14), 1u << 24 | 5u);
  w(0x5188, 0x1A);
  EXPECT_EQ(r(0x5188), 0x1Au);
  EXPECT_EQ(r(0x51E8), 0u);
}

/// Random registers, descriptors and frames: faults, but never a crash or a hang. (Sanitizers see the rest.)
TEST_F(ModelTest, GarbageDoesNoHarm) {
  std::mt19937 engine(7);
  const auto random = [&engine] { return static_cast<u32>(engine()); };
  bring_up(4);
  const auto specs = ixgbe::model::specs_for({});
  for (int round = 0; round < 4000; ++round) {
    const auto& s = specs[random() % specs.size()];
    const u32 at = s.offset + random() % s.count * s.stride;
    const u32 v = random() >> random() % 32;
    if (random() % 4 == 0) {
      (void)r(random() % 8 == 0 ? random() : at);
    } else if ((at != 0 && at != 4) || random() % 8 == 0) {
      w(at, v);
    }
    for (u32 q = 0; q < 4; ++q) {
      const u32 i = random() % kRing;
      memory.set_q(tx_desc(q, i), memory.bus(kTxBuffers + random() % 0x100000));
      memory.set_q(tx_desc(q, i) + 8, u64{random()} << 32 | random());
      memory.set_q(rx_desc(q, i), random() % 4 == 0 ? random() : memory.bus(kRxBuffers));
      memory.set_q(rx_desc(q, i) + 8, random() % 2);
      w(tx(q) + 0x18, random() % (kRing + 4)), w(rx(q) + 0x18, random() % (kRing + 4));
    }
    Octets f = random() % 2 == 0 ? ipv4({.data = random() % 200}) : tagged(ipv6_tcp(), static_cast<u16>(random()));
    for (int i = 0; i < 3; ++i) f[random() % f.size()] = static_cast<std::byte>(random());
    f.resize(random() % (f.size() + 20) + 1);
    arrive(std::move(f));
    wire.out.clear();
    clock.advance(Nanos{static_cast<std::int64_t>(random() % 5000)});
    if (round % 500 == 499) w(0, 1u << 26), bring_up(4);
  }
  EXPECT_GT(faults.count(), 0u);
  faults.clear();
}

#ifdef HAS_DRIVER
// ---- The driver itself, on two models joined by a cable -----------------------------------------------------------

struct Pair {
  static Personality card(Personality::Media media) {
    return {.media = media, .reset_time = 100_us, .nvm_load_time = 2_ms, .queue_time = 50_us, .link_time = 20_ms};
  }
  using Backend = sim::SimBackend<Model82599>;
  explicit Pair(Personality::Media media)
      : a(iommu, cable.a(), faults, card(media)), b(iommu, cable.b(), faults, card(media)) {
    for (Model82599* m : {&a, &b}) m->set_time([this] { return clock.now(); });
    clock.on_advance([this] { a.step(), b.step(); });
  }
  sim::Iommu iommu;
  sim::Cable cable;
  sim::FaultLog faults;
  sim::VirtualClock clock;
  Model82599 a, b;
  Backend at_a{a, sim::VirtualClock::Handle(clock), "a"}, at_b{b, sim::VirtualClock::Handle(clock), "b"};
};
class Driver : public ::testing::TestWithParam<Personality::Media> {};

TEST_P(Driver, MovesFramesWithoutAFault) {
  Pair pair(GetParam());
  BufferPool pool_a(pair.iommu, 2048, 2048, PagePreference::kOrdinary);
  BufferPool pool_b(pair.iommu, 2048, 2048, PagePreference::kOrdinary);
  using Port = ixgbe::Port<ixgbe::I82599, Pair::Backend>;
  Port a(pair.at_a, pool_a), b(pair.at_b, pool_b, {.promiscuous = true});
  for (int life = 0; life < 2; ++life) {
    a.start(), b.start();
    u32 received = 0;
    for (u32 i = 0; i < 200; ++i) {
      Burst<32> out(pool_a);
      out.allocate(32, static_cast<u16>(60 + 7 * i));
      for (Packet& p : out) std::memset(p.data, static_cast<int>(i) + 6, p.length);
      EXPECT_EQ(a.tx_burst(out), 32u);
      pair.b.step();
      Burst<64> in(pool_b);
      received += b.rx_burst(in);
      for (Packet& p : in) {
        EXPECT_EQ(p.length, 60 + 7 * i);
        EXPECT_EQ(std::to_integer<u32>(p.data[p.length - 1]), i + 6);
      }
    }
    EXPECT_EQ(received, 200u * 32);
    EXPECT_EQ(a.stats().tx_packets, static_cast<u64>(life + 1) * 200 * 32);
    a.stop(), b.stop();
  }
  for (const sim::Fault& f : pair.faults.faults()) ADD_FAILURE() << f.text();
}
#if defined(POLLUX_THREAD_SANITIZER)
/// Doorbells in shared memory, models on another thread: what is not ordered, ThreadSanitizer sees.
TEST(Threads, DriverAndModelsAgreeOnEveryHandOff) {
  using Backend = sim::SimBackend<Model82599, sim::Doorbells::kShared, SteadyClock>;
  sim::Iommu iommu;
  sim::Cable cable;
  sim::FaultLog faults;
  Model82599 model_a(iommu, cable.a(), faults), model_b(iommu, cable.b(), faults);
  std::atomic<bool> stop{false};
  std::thread device([&] {
    while (!stop) model_a.step(), model_b.step();
  });
  {
    Backend at_a(model_a, SteadyClock{}, "a"), at_b(model_b, SteadyClock{}, "b");
    BufferPool pool_a(iommu, 2048), pool_b(iommu, 2048);
    ixgbe::Port<ixgbe::I82599, Backend> a(at_a, pool_a), b(at_b, pool_b, {.promiscuous = true});
    a.start(), b.start();
    for (u32 sent = 0, received = 0; received < 20'000;) {
      Burst<32> out(pool_a), in(pool_b);
      if (sent < 20'000 && sent - received < 400) out.allocate(32, 60);
      for (Packet& p : out) std::memset(p.data, 0x66, p.length);
      sent += a.tx_burst(out);
      received += b.rx_burst(in);
      for (Packet& p : in) ASSERT_EQ(p.data[59], std::byte{0x66});
    }
  }
  stop = true;
  device.join();
  EXPECT_EQ(faults.count(), 0u);
}
#endif
INSTANTIATE_TEST_SUITE_P(Media, Driver, ::testing::Values(Personality::Media::kCx4, Personality::Media::kSfp));
#endif

}  // namespace

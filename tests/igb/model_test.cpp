// SPDX-License-Identifier: BSD-3-Clause
// The 82576 model against raw register pokes and descriptors built by hand. Offsets and bits are written out as the
// register notes give them, so that they check the model's own table too.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <pollux/igb/model.hpp>
#include <pollux/sim/clock.hpp>
#include <pollux/sim/served_device.hpp>

#include "../model_rig.hpp"

namespace {

using namespace pollux;
using namespace model_rig;
using igb::Model82576, igb::Model82576Config, igb::Quirk;
using sim::FaultKind;

constexpr u32 kRing = 64;  // descriptors
constexpr std::size_t kRxRings = 0, kTxRings = 0x40000, kHead = 0x80000, kRxBuffers = 0x100000, kTxBuffers = 0x600000;
constexpr u32 rx(u32 q) { return 0xC000 + 0x40 * q; }
constexpr u32 tx(u32 q) { return 0xE000 + 0x40 * q; }
constexpr std::size_t rx_desc(u32 q, u32 i) { return kRxRings + q * 0x800 + 16 * i; }
constexpr std::size_t tx_desc(u32 q, u32 i) { return kTxRings + q * 0x800 + 16 * i; }
constexpr u32 kEnable = 1u << 25, kDropEn = 1u << 31, kOneBuffer = 1u << 25;
constexpr u32 kCtrl = 0, kStatus = 8, kEecd = 0x10, kEerd = 0x14, kCtrlExt = 0x18, kMdic = 0x20, kVet = 0x38,
              kIcr = 0xC0, kIcs = 0xC8, kIms = 0xD0, kImc = 0xD8, kIam = 0xE0, kRctl = 0x100, kTctl = 0x400,
              kGpie = 0x1514, kEics = 0x1520, kEims = 0x1524, kEimc = 0x1528, kEiac = 0x152C, kEiam = 0x1530,
              kEicr = 0x1580, kEitr = 0x1680, kIvar = 0x1700, kIvarMisc = 0x1740, kRxCsum = 0x5000, kRlpml = 0x5004,
              kMta = 0x5200, kRal = 0x5400, kVfta = 0x5600, kMrqc = 0x5818, kSwsm = 0x5B50, kSync = 0x5B5C,
              kReta = 0x5C00, kRssrk = 0x5C80, kEtqf = 0x5CB0, kUta = 0xA000;
constexpr u32 kRxEn = 1 << 1, kUpe = 1 << 3, kMpe = 1 << 4, kLpe = 1 << 5, kBam = 1 << 15, kVfe = 1 << 18,
              kSecrc = 1 << 26;
constexpr u32 kSlu = 1 << 6, kRst = 1 << 26, kTfce = 1 << 28, kRfce = 1 << 27, kVme = 1 << 30, kLu = 1 << 1;
constexpr u32 kMsixMode = 0xC000'0011;  // PBA, EIAME, MSIX_MODE, NSICR

class Card : public ModelRig<Model82576> {
 protected:
  explicit Card(Quirk quirks = Quirk::kNone) {
    Model82576Config config{.mac = {{0x02, 0x00, 0x00, 0x82, 0x59, 0x99}}};
    config.quirks = quirks;
    model = std::make_unique<Model82576>(iommu, wire, faults, config);
    model->set_time([this] { return clock.now(); });
    clock.on_advance([this] { (void)model->step(); });
    model->write_config(4, 2, 6);  // memory, bus master
  }
  void link_up() {
    set(kCtrl, kSlu);
    clock.advance(600_ms);
    ASSERT_NE(r(kStatus) & kLu, 0u);
    (void)r(kIcr);
  }

  // Receive. The order of a driver: everything off, ring, SRRCTL, ENABLE, then the tail.
  u64 rx_buffer(u32 q, u32 i) const { return memory.bus(kRxBuffers + q * 0x40000 + i * 0x1000); }
  void post_rx(u32 q, u32 i) {
    memory.set_q(rx_desc(q, i), rx_buffer(q, i));
    memory.set_q(rx_desc(q, i) + 8, 0);
  }
  void configure_rx(u32 q, u32 srrctl = 2 | kOneBuffer) {
    w(rx(q) + 0x28, 0);
    w(rx(q) + 0x00, static_cast<u32>(memory.bus(rx_desc(q, 0))));
    w(rx(q) + 0x04, static_cast<u32>(memory.bus(rx_desc(q, 0)) >> 32));
    w(rx(q) + 0x08, kRing * 16);
    w(rx(q) + 0x10, 0), w(rx(q) + 0x18, 0);
    w(rx(q) + 0x0C, srrctl);
  }
  void start_rx(u32 q, u32 srrctl = 2 | kOneBuffer, u32 posted = kRing - 1) {
    configure_rx(q, srrctl);
    for (u32 i = 0; i < kRing; ++i) post_rx(q, i);
    w(rx(q) + 0x28, kEnable | 8 | 8 << 8 | 1 << 16);
    w(rx(q) + 0x18, posted);
  }
  void configure_tx(u32 q) {
    w(tx(q) + 0x28, 0);
    w(tx(q) + 0x08, kRing * 16);
    w(tx(q) + 0x00, static_cast<u32>(memory.bus(tx_desc(q, 0))));
    w(tx(q) + 0x04, static_cast<u32>(memory.bus(tx_desc(q, 0)) >> 32));
    w(tx(q) + 0x10, 0), w(tx(q) + 0x18, 0);
  }
  void start_tx(u32 q) {
    configure_tx(q);
    w(tx(q) + 0x28, kEnable | 8 | 1 << 8 | 1 << 16);
  }
  void bring_up(u32 queues = 1, u32 rctl = 0) {
    w(kRctl, 0), w(rx(0) + 0x28, 0), w(tx(0) + 0x28, 0);
    link_up();
    w(kTctl, 0x0003'F0FA);
    for (u32 q = 0; q < queues; ++q) start_tx(q), start_rx(q);
    w(kRctl, kRxEn | kBam | kSecrc | rctl);
  }

  // Transmit.
  void queue_raw(u32 q, u64 qw0, u64 qw1) {
    memory.set_q(tx_desc(q, tail[q]), qw0);
    memory.set_q(tx_desc(q, tail[q]) + 8, qw1);
    tail[q] = (tail[q] + 1) % kRing;
  }
  void queue_context(u32 q, const TxContext& c) { queue_raw(q, c.first(), c.second()); }
  u64 tx_bytes(const Octets& f, std::size_t slot = 0) {
    std::memcpy(memory.at(kTxBuffers + slot * 0x10000), f.data(), f.size());
    return memory.bus(kTxBuffers + slot * 0x10000);
  }
  void doorbell(u32 q) { w(tx(q) + 0x18, tail[q]); }
  void send(const Octets& f, u32 q = 0) {
    queue_raw(q, tx_bytes(f, tail[q] % 16), tx_data(f.size(), kPlain, f.size()));
    doorbell(q);
  }
  bool tx_done(u32 q, u32 i) { return (memory.q(tx_desc(q, i) + 8) >> 32 & 1) != 0; }

  bool takes(const Octets& f) {
    (void)r(0x4074);
    arrive(f);
    return r(0x4074) != 0;
  }
  bool rx_done(u32 q, u32 i) { return (memory.q(rx_desc(q, i) + 8) & 1) != 0; }
  struct Got {
    u32 dw0, dw1, status, length, vlan;
    Octets bytes;
  };
  Got got(u32 q, u32 i) {
    const u64 q0 = memory.q(rx_desc(q, i)), q1 = memory.q(rx_desc(q, i) + 8);
    Got g{static_cast<u32>(q0),       static_cast<u32>(q0 >> 32),
          static_cast<u32>(q1),       static_cast<u32>(q1 >> 32 & 0xFFFF),
          static_cast<u32>(q1 >> 48), {}};
    const std::byte* from = memory.at(rx_buffer(q, i) - memory.bus(0));
    g.bytes.assign(from, from + g.length);
    return g;
  }
  /// Who owns the PHY.
  void take_phy() {
    while ((r(kSwsm) & 1) != 0) w(kSwsm, 0);
    w(kSwsm, 3);
    w(kSync, r(kSync) | 2);
    w(kSwsm, 0);
  }
  u32 mdic(u32 command) {
    w(kMdic, command | 1 << 21);
    clock.advance(100_us);
    return r(kMdic);
  }
  u16 phy(u32 reg) { return static_cast<u16>(mdic(2u << 26 | reg << 16)); }
  u16 nvm(u32 word) {
    w(kEerd, word << 2 | 1);
    return static_cast<u16>(r(kEerd) >> 16);
  }
  void msix(bool on = true) { model->write_config(0x72, 2, on ? 0x8000 : 0); }
  u64 sent(u32 v) { return model->interrupts().sent(v); }

  std::array<u32, 16> tail{};
};

class Dpdk : public Card {
 protected:
  Dpdk() : Card(igb::kDpdkQuirks) {}
};
class Linux : public Card {
 protected:
  Linux() : Card(igb::kLinuxQuirks) {}
};

// ---- What is there --------------------------------------------------------------------------------------------------

/// Registers as the notes give them: reset value, and bits that software may set.
struct Golden {
  const char* name;
  u32 offset, count, stride, reset, writable;
};
constexpr Golden kGolden[] = {
    {"EECD", 0x0010, 1, 4, 0x2700, 0x0000007F},
    {"VET", 0x0038, 1, 4, 0x81008100, 0xFFFFFFFF},
    {"FCTTV", 0x0170, 1, 4, 0, 0xFFFF},
    {"TIPG", 0x0410, 1, 4, 0x00601008, 0x3FFFFFFF},
    {"LEDCTL", 0x0E00, 1, 4, 0x07068302, 0xCFCFCFCF},
    {"FCRTL", 0x2160, 1, 4, 0, 0x8000FFF0},
    {"FCRTH", 0x2168, 1, 4, 0, 0x0000FFF0},
    {"DTXCTL", 0x3590, 1, 4, 0x44, 0x7C},
    {"RXCSUM", 0x5000, 1, 4, 0x300, 0x3BFF},
    {"RLPML", 0x5004, 1, 4, 0x2600, 0x3FFF},
    {"MTA", 0x5200, 128, 4, 0, 0xFFFFFFFF},
    {"RAL(16+)", 0x54E0, 8, 8, 0, 0xFFFFFFFF},
    {"RAH(16+)", 0x54E4, 8, 8, 0, 0x83FFFFFF},
    {"VFTA", 0x5600, 128, 4, 0, 0xFFFFFFFF},
    {"MRQC", 0x5818, 1, 4, 0, 0x01FF003F},
    {"GCR", 0x5B00, 1, 4, 0x06850200, 0x0001F000},
    {"RETA", 0x5C00, 32, 4, 0, 0x0F0F0F0F},
    {"RSSRK", 0x5C80, 10, 4, 0, 0xFFFFFFFF},
    {"UTA", 0xA000, 128, 4, 0, 0xFFFFFFFF},
    {"RDBAH", 0xC004, 16, 0x40, 0, 0xFFFFFFFF},
    {"TDBAH", 0xE004, 16, 0x40, 0, 0xFFFFFFFF},
};
TEST_F(Card, RegistersAsTheNotesGiveThem) {
  w(rx(0) + 0x28, 0), w(tx(0) + 0x28, 0);  // on after a reset, and their rings must not change then
  for (const Golden& g : kGolden) {
    for (u32 i = 0; i < g.count; ++i) {
      const u32 at = g.offset + i * g.stride;
      const std::string name = g.count == 1 ? g.name : std::string(g.name) + "[" + std::to_string(i) + "]";
      EXPECT_EQ(r(at), g.reset) << name;
      w(at, g.writable);
      EXPECT_EQ(faults.count(), 0u) << name;
      EXPECT_EQ(r(at) & g.writable, g.writable & ~(at == kEecd ? 0x1u << 31 : 0u)) << name;
      w(at, 0);
      EXPECT_EQ(r(at) & g.writable, 0u) << name;
      const u32 reserved = ~(g.writable | g.reset);
      if (reserved == 0 || g.offset == kEecd) continue;
      w(at, reserved & (~reserved + 1));
      expect_fault(FaultKind::kReservedBit, name);
    }
  }
}
TEST_F(Card, ResetValues) {
  EXPECT_EQ(r(kCtrl), 0x00100209u);
  EXPECT_EQ(r(kStatus) & ~3u, 0x80080480u);
  EXPECT_EQ(r(kTctl), 0xA40400F8u);
  EXPECT_EQ(r(0x2828), 0x02010000u) << "queue 0 is on after a reset";
  EXPECT_EQ(r(0x3828), 0x02000000u);
  EXPECT_EQ(r(rx(1) + 0x28), 0x00010000u);
  EXPECT_EQ(r(0x28), 0x00C28001u);
  EXPECT_EQ(r(0x1010) & 1u << 18, 1u << 18);
}
TEST_F(Card, QueuesZeroToThreeHaveASecondAddress) {
  for (u32 q = 0; q < 4; ++q) {
    w(rx(q) + 0x28, 0), w(tx(q) + 0x28, 0);
    w(0x2800 + 0x100 * q, 0x12345'000 + q * 0x80);
    EXPECT_EQ(r(rx(q)), 0x12345'000 + q * 0x80);
    w(tx(q) + 0x08, 0x400 + 0x80 * q);
    EXPECT_EQ(r(0x3808 + 0x100 * q), 0x400 + 0x80 * q);
    w(0x280C + 0x100 * q, 3 | kOneBuffer);
    EXPECT_EQ(r(rx(q) + 0x0C), 3 | kOneBuffer);
  }
  (void)r(0x2C00);
  expect_fault(FaultKind::kUnknownOffset, "0x02c00");
}
TEST_F(Card, FaultsOfRegisterAccess) {
  (void)r(0x2818 + 0x400);
  expect_fault(FaultKind::kUnknownOffset, "0x02c18");
  (void)model->read(kCtrl, 2);
  expect_fault(FaultKind::kWidth, "CTRL");
  w(kStatus, 0);
  expect_fault(FaultKind::kAccessMode, "STATUS");
  (void)r(kIcs);
  expect_fault(FaultKind::kAccessMode, "ICS");
  w(kRctl, 1u << 10);  // DTYP of the 82574
  expect_fault(FaultKind::kReservedBit, "RCTL");
  w(kRctl, 2u << 6);
  expect_fault(FaultKind::kReservedBit, "RCTL");
  w(kIms, 1 << 1);  // TXQE, which it has not got
  expect_fault(FaultKind::kReservedBit, "IMS");
  (void)r(0xB66C);
  expect_fault(FaultKind::kUnknownOffset, "0x0b66c");
}

struct ConfigView {
  Model82576* model;
  u8 read8(u32 o) const { return static_cast<u8>(model->read_config(o, 1)); }
  u16 read16(u32 o) const { return static_cast<u16>(model->read_config(o, 2)); }
  u32 read32(u32 o) const { return model->read_config(o, 4); }
  void write8(u32 o, u8 v) const { model->write_config(o, 1, v); }
  void write16(u32 o, u16 v) const { model->write_config(o, 2, v); }
  void write32(u32 o, u32 v) const { model->write_config(o, 4, v); }
  std::string name() const { return "82576"; }
};
TEST_F(Card, ConfigurationSpace) {
  const ConfigView c{model.get()};
  EXPECT_EQ(c.read32(0), 0x10C98086u);
  EXPECT_EQ(c.read32(8), 0x02000001u);
  auto list = try_list_capabilities(c);
  ASSERT_TRUE(list);
  EXPECT_EQ(list.value(), (std::vector<PciCapability>{{1, 0x40}, {5, 0x50}, {0x11, 0x70}, {0x10, 0xA0}}));
  EXPECT_EQ(c.read16(0x72) & 0x7FF, 24) << "25 vectors";
  sim::ServedModel<Model82576> served(*model);
  EXPECT_EQ(served.bar_bytes(0), 128u * 1024);
  EXPECT_EQ(served.bar_bytes(3), 16u * 1024);
  EXPECT_EQ(served.vectors(IrqKind::kMsix), 25u);
  EXPECT_EQ(served.vectors(IrqKind::kMsi), 1u);
}
TEST_F(Card, FunctionLevelReset) {
  bring_up();
  w(kVet, 0x1234);
  model->write_config(0xA8, 2, 1u << 15);
  EXPECT_EQ(model->read_config(4, 2), 0u);
  model->write_config(4, 2, 6);
  EXPECT_EQ(r(kVet), 0x81008100u);
  EXPECT_EQ(r(kRctl), 0u);
  EXPECT_EQ(r(kStatus) & kLu, 0u);
}
TEST_F(Card, ResetTakesTimeAndKeepsSemaphores) {
  take_phy();
  w(kVet, 0x1234);
  set(kCtrl, kRst);
  EXPECT_NE(r(kCtrl) & kRst, 0u);
  w(kVet, 0x4321);
  expect_fault(FaultKind::kSequence, "VET");
  EXPECT_EQ(r(kEecd) & 1u << 9, 0u);
  clock.advance(2_us);
  EXPECT_EQ(r(kCtrl) & kRst, 0u);
  EXPECT_EQ(r(kVet), 0x81008100u);
  clock.advance(200_us);
  EXPECT_NE(r(kEecd) & 1u << 9, 0u);
  EXPECT_EQ(r(kSync), 2u);
  EXPECT_EQ(r(kRal), 0x82000002u);
  EXPECT_EQ(r(kRal + 4), 0x80009959u);
}
TEST_F(Card, MasterDisableShowsInStatusAndStopsDma) {
  bring_up();
  set(kCtrl, 1 << 2);
  EXPECT_EQ(r(kStatus) & 1u << 19, 0u);
  send(ethernet(kPeer, 0x88B5, 60));
  EXPECT_TRUE(wire.out.empty());
  clear(kCtrl, 1 << 2);
  (void)model->step();
  EXPECT_EQ(wire.out.size(), 1u);
}
TEST_F(Card, NvmHasARightChecksum) {
  u32 total = 0;
  for (u32 i = 0; i <= 0x3F; ++i) total += nvm(i);
  EXPECT_EQ(total & 0xFFFF, 0xBABAu);
  EXPECT_EQ(nvm(0), 0x0002);
  EXPECT_EQ(nvm(2), 0x9959);
  EXPECT_EQ(nvm(0x0D), 0x10C9);
  w(0x102C, u32{0x1234} << 16 | 0x30 << 2 | 1);
  EXPECT_NE(r(0x102C) & 2, 0u);
  EXPECT_EQ(nvm(0x30), 0x1234);
  (void)nvm(1024);
  expect_fault(FaultKind::kAccessMode, "EERD");
}
TEST_F(Card, Semaphores) {
  EXPECT_EQ(r(kSwsm), 0u);  // taken by reading
  EXPECT_EQ(r(kSwsm), 1u);
  w(kSync, 1);
  expect_fault(FaultKind::kSequence, "SW_FW_SYNC");
  w(kSwsm, 3);
  EXPECT_EQ(r(kSwsm), 3u);
  w(kSync, 1);
  EXPECT_EQ(r(kSync), 1u);
  model->hold_by_firmware(2);
  EXPECT_EQ(r(kSync), 0x00020001u);
  w(kSync, 3 | 2u << 16);
  expect_fault(FaultKind::kSequence, "SW_FW_SYNC");
  model->hold_by_firmware(0);
  w(kSync, 0);
  w(kSwsm, 0);
  w(kMdic, 2u << 26 | 2 << 16 | 1 << 21);
  expect_fault(FaultKind::kSequence, "MDIC");
}
TEST_F(Card, Phy) {
  take_phy();
  EXPECT_EQ(phy(2), 0x02A8);
  EXPECT_EQ(phy(3) & 0xFFF0, 0x0390);
  w(kMdic, 2u << 26 | 2 << 16 | 2 << 21);  // nobody there
  clock.advance(100_us);
  EXPECT_NE(r(kMdic) & 1u << 30, 0u);
  w(kMdic, 2u << 26 | 2 << 16 | 1 << 21);
  EXPECT_EQ(r(kMdic) & 1u << 28, 0u) << "it takes time";
  w(kMdic, 2u << 26 | 2 << 16 | 1 << 21);
  expect_fault(FaultKind::kSequence, "MDIC");
  clock.advance(600_ms);
  (void)phy(1);
  EXPECT_EQ(phy(1) & 0x24, 0x24);
  EXPECT_EQ(phy(17), 0xC000);
  // Register 11B1h: its page is the whole number, its address the low five bits.
  (void)mdic(1u << 26 | 31 << 16 | 0x11B1);
  EXPECT_EQ(phy(17), 0x0800);
  EXPECT_NE(mdic(2u << 26 | 18 << 16) & 1u << 30, 0u) << "no such register on that page";
  (void)mdic(1u << 26 | 31 << 16 | 17);
  EXPECT_EQ(phy(17), 0xC000);
  (void)mdic(1u << 26 | 0 << 16 | 0x0800);  // power down
  EXPECT_EQ(phy(17), 0x0000);
}
TEST_F(Card, LinkFollowsCableAndSlu) {
  clock.advance(600_ms);
  EXPECT_EQ(r(kStatus) & kLu, 0u);
  set(kCtrl, kSlu);
  EXPECT_NE(r(kStatus) & kLu, 0u);
  EXPECT_NE(r(kIcr) & 4, 0u);
  wire.up = false;
  EXPECT_EQ(r(kStatus) & kLu, 0u);
  wire.up = true;
  EXPECT_EQ(r(kStatus) & kLu, 0u) << "negotiation takes its time";
  clock.advance(500_ms);
  EXPECT_NE(r(kStatus) & kLu, 0u);
  set(kCtrl, 1u << 31);
  EXPECT_EQ(r(kStatus) & kLu, 0u);
  clear(kCtrl, 1u << 31);
  clock.advance(500_ms);
  EXPECT_NE(r(kStatus) & kLu, 0u);
}
TEST_F(Card, ClockCountsByTiminca) {
  w(0xB608, 1u << 24 | 16u << 19);
  w(0xB600, 0), w(0xB604, 0);
  clock.advance(1_ms);
  const u64 low = r(0xB600);
  EXPECT_EQ((u64{r(0xB604)} << 32 | low) >> 19, 1'000'000u);
  w(0xB608, 0);
  clock.advance(1_ms);
  EXPECT_EQ(u64{r(0xB600)}, low) << "stands still";
}

// ---- Receive --------------------------------------------------------------------------------------------------------

TEST_F(Card, ReceivesIntoOneBuffer) {
  bring_up(16);
  const Octets f = ipv4({});
  arrive(f);
  const Got g = got(0, 0);
  EXPECT_EQ(g.bytes, f);
  EXPECT_EQ(g.status, 0x263u) << "DD, EOP, L4CS, IPCS; IPIDV without PCSD";
  EXPECT_EQ(g.dw0, 0x110u) << "IPv4, TCP";
  EXPECT_EQ(g.dw1 & 0xFFFF, 0x1111u) << "identification";
  EXPECT_EQ(r(rx(0) + 0x10), 1u);
  EXPECT_EQ(r(0x4104), 1u);
}
TEST_F(Card, ChecksumVerdicts) {
  bring_up();
  w(kRxCsum, 0x2B00);
  auto status = [&, i = 0u](Octets f) mutable {
    arrive(std::move(f));
    return got(0, i++).status;
  };
  const auto bad = [](Octets f, std::size_t at) {
    f.at(at) ^= std::byte{1};
    return f;
  };
  EXPECT_EQ(status(ipv4({})), 0x63u);
  EXPECT_EQ(status(ipv4({.protocol = 17})), 0x73u);
  EXPECT_EQ(status(bad(ipv4({}), 60)), 0x2000'0063u);
  EXPECT_EQ(status(bad(ipv4({}), 22)), 0x4000'0063u);
  EXPECT_EQ(status(ipv6_tcp()), 0x23u);
  EXPECT_EQ(status(ethernet(kOwn, 0x88B5, 60)), 0x03u);
  Octets sctp = ipv4({.protocol = 132});
  put(sctp, 42, 0, 4);
  const u32 crc = crc_reflected(sctp, 34, sctp.size(), 0x82F63B78);
  for (unsigned i = 0; i < 4; ++i) sctp[42 + i] = static_cast<std::byte>(crc >> (8 * i));
  EXPECT_EQ(status(sctp), 0x63u);
  EXPECT_EQ(status(bad(sctp, 50)), 0x2000'0063u);
  w(kRxCsum, 0x2000);
  EXPECT_EQ(status(ipv4({})), 0x03u) << "nothing was asked for";
}
TEST_F(Card, FcsIsDeliveredUnlessStripped) {
  bring_up();
  clear(kRctl, kSecrc);
  const Octets f = ethernet(kOwn, 0x88B5, 60);
  arrive(f);
  const Got g = got(0, 0);
  ASSERT_EQ(g.length, 64u);
  EXPECT_EQ(crc_reflected(f, 0, 60, 0xEDB88320),
            u32{std::to_integer<u32>(g.bytes[60])} | std::to_integer<u32>(g.bytes[61]) << 8 |
                std::to_integer<u32>(g.bytes[62]) << 16 | std::to_integer<u32>(g.bytes[63]) << 24);
}
TEST_F(Card, SizeLimits) {
  bring_up();
  const auto sized = [](std::size_t n) { return ethernet(kOwn, 0x88B5, n); };
  EXPECT_FALSE(takes(sized(59)));
  EXPECT_TRUE(takes(sized(60)));
  EXPECT_TRUE(takes(sized(1514)));
  EXPECT_FALSE(takes(sized(1515)));
  EXPECT_TRUE(takes(tagged(sized(1514), 5)));
  set(kRctl, kLpe);
  w(kRlpml, 3000);
  EXPECT_TRUE(takes(sized(2996)));
  EXPECT_FALSE(takes(sized(2997)));
  EXPECT_EQ(r(0x40A4), 1u);
  EXPECT_EQ(r(0x40AC), 2u);
}
TEST_F(Card, JumboOverSeveralBuffers) {
  bring_up(1, kLpe);
  const Octets f = ethernet(kOwn, 0x88B5, 5000);
  arrive(f);
  Octets all;
  for (u32 i = 0; i < 3; ++i) {
    const Got g = got(0, i);
    EXPECT_EQ(g.status & 3, i == 2 ? 3u : 1u);
    all.insert(all.end(), g.bytes.begin(), g.bytes.end());
  }
  EXPECT_EQ(all, f);
}
TEST_F(Card, BufferSizeByRctl) {
  w(kRctl, 0), w(rx(0) + 0x28, 0);
  link_up();
  w(kRctl, kBam | kSecrc | 2 << 16);  // 512
  start_rx(0, kOneBuffer);
  set(kRctl, kRxEn);
  arrive(ethernet(kOwn, 0x88B5, 1000));
  EXPECT_EQ(got(0, 0).length, 512u);
  EXPECT_EQ(got(0, 1).length, 488u);
}
TEST_F(Card, VlanStripAndFilter) {
  bring_up();
  const Octets f = tagged(ethernet(kOwn, 0x88B5, 100), 0xA064);
  arrive(f);
  EXPECT_EQ(got(0, 0).bytes, f);
  EXPECT_EQ(got(0, 0).vlan, 0u);
  set(kCtrl, kVme);
  arrive(f);
  EXPECT_EQ(got(0, 1).bytes, ethernet(kOwn, 0x88B5, 100));
  EXPECT_EQ(got(0, 1).vlan, 0xA064u);
  EXPECT_EQ(got(0, 1).status & 8, 8u);
  set(kRctl, kVfe);
  EXPECT_FALSE(takes(f));
  w(kVfta + 4 * 3, 1u << 4);  // 64h
  EXPECT_TRUE(takes(f));
  EXPECT_TRUE(takes(ethernet(kOwn, 0x88B5, 60)));
}
TEST_F(Card, AddressFilters) {
  bring_up();
  constexpr u64 kOther = 0x02AABBCCDD02, kGroup = 0x01005E123456;
  EXPECT_TRUE(takes(ethernet(kOwn, 0x88B5, 60)));
  EXPECT_TRUE(takes(ethernet(kBroadcast, 0x88B5, 60)));
  EXPECT_FALSE(takes(ethernet(kOther, 0x88B5, 60)));
  w(0x54E0 + 8 * 7, 0xCCBBAA02), w(0x54E4 + 8 * 7, 0x800002DD);  // the 24th
  EXPECT_TRUE(takes(ethernet(kOther, 0x88B5, 60)));
  w(0x54E4 + 8 * 7, 0);
  EXPECT_FALSE(takes(ethernet(kOther, 0x88B5, 60)));
  const u32 hash = 0x02DD >> 4;
  w(kUta + 4 * (hash >> 5), 1u << (hash & 31));
  EXPECT_TRUE(takes(ethernet(kOther, 0x88B5, 60)));
  w(kUta + 4 * (hash >> 5), 0);
  set(kRctl, kUpe);
  EXPECT_TRUE(takes(ethernet(kOther, 0x88B5, 60)));
  EXPECT_FALSE(takes(ethernet(kGroup, 0x88B5, 60)));
  w(kMta + 4 * 0x2B, 1 << 3);  // 563h, of 34 56
  EXPECT_TRUE(takes(ethernet(kGroup, 0x88B5, 60)));
  w(kMta + 4 * 0x2B, 0);
  set(kRctl, kMpe);
  EXPECT_TRUE(takes(ethernet(kGroup, 0x88B5, 60)));
  clear(kRctl, kBam);
  EXPECT_FALSE(takes(ethernet(kBroadcast, 0x88B5, 60)));
}
TEST_F(Card, InexactFiltersAreTold) {
  bring_up(1, kUpe);
  arrive(ethernet(0x02AABBCCDD02, 0x88B5, 60));
  arrive(ethernet(kOwn, 0x88B5, 60));
  EXPECT_EQ(got(0, 0).status, 0x83u);
  EXPECT_EQ(got(0, 1).status, 0x03u);
}
TEST_F(Card, RssHashTypeAndQueue) {
  bring_up(16);
  constexpr u8 kKey[40] = {0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3,
                           0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3,
                           0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa};
  for (u32 i = 0; i < 10; ++i) {
    w(kRssrk + 4 * i,
      u32{kKey[4 * i]} | u32{kKey[4 * i + 1]} << 8 | u32{kKey[4 * i + 2]} << 16 | u32{kKey[4 * i + 3]} << 24);
  }
  for (u32 i = 0; i < 128; ++i) set(kReta + i / 4 * 4, (i * 7 + 3) % 16 << (8 * (i % 4)));
  w(kRxCsum, 0x2300);
  w(kMrqc, 2 | 0x3F << 16);
  std::array<u32, 16> next{};
  const auto check = [&](const Octets& f, u32 hash, u32 type) {
    const u32 q = type == 0 ? 0 : (hash % 128 * 7 + 3) % 16;
    arrive(f);
    ASSERT_TRUE(rx_done(q, next[q])) << std::hex << hash;
    const Got g = got(q, next[q]++);
    EXPECT_EQ(g.dw0 & 15, type);
    EXPECT_EQ(g.dw1, hash);
  };
  const Ip flow{.source = 0x420995BB, .destination = 0xA18E6450};  // the vectors everybody has
  check(ipv4(flow), 0x51ccc178, 1);
  Ip udp = flow;
  udp.protocol = 17;
  check(ipv4(udp), 0x323e8fc2, 2);
  w(kMrqc, 2 | 0x1FF << 16);
  check(ipv4(udp), 0x51ccc178, 7);
  w(kMrqc, 0);
  check(ipv4(flow), 0, 0);
}
TEST_F(Card, EtherTypeFilter) {
  bring_up(8);
  w(kEtqf + 4 * 3, 0x88F7 | 1 << 26 | 5 << 16 | 1u << 31);
  arrive(ethernet(kOwn, 0x88F7, 60));
  EXPECT_EQ(got(5, 0).dw0, 0x8030u);
  w(kMrqc, 6 << 3);  // the default queue
  arrive(ethernet(kOwn, 0x88B5, 60));
  EXPECT_TRUE(rx_done(6, 0));
}
TEST_F(Card, FullQueueDropsOrBlocks) {
  bring_up();
  w(rx(1) + 0x28, 0);
  start_rx(1, 2 | kOneBuffer | kDropEn, 1);
  w(kEtqf, 0x88F7 | 1 << 26 | 1 << 16 | 1u << 31);  // these go to queue 1
  for (int i = 0; i < 4; ++i) arrive(ethernet(kOwn, 0x88F7, 60));
  EXPECT_EQ(r(rx(1) + 0x30), 3u);
  EXPECT_EQ(r(rx(1) + 0x30), 0u) << "cleared by its read";
  arrive(ethernet(kOwn, 0x88F7, 60));
  EXPECT_EQ(r(0x2930), 1u) << "by its other address too";
  EXPECT_EQ(r(rx(1) + 0x30), 0u);
  // Without DROP_EN it holds up the others.
  w(rx(1) + 0x28, 0);
  start_rx(1, 2 | kOneBuffer, 0);
  arrive(ethernet(kOwn, 0x88F7, 60));
  arrive(ethernet(kOwn, 0x88B5, 60));
  EXPECT_FALSE(rx_done(0, 0));
  w(rx(1) + 0x18, 5);
  EXPECT_TRUE(rx_done(1, 0));
  EXPECT_TRUE(rx_done(0, 0));
}
TEST_F(Card, PacketBufferOverflows) {
  bring_up(1, kLpe);
  w(rx(0) + 0x28, 0);
  start_rx(0, 2 | kOneBuffer, 0);
  for (int i = 0; i < 8; ++i) arrive(ethernet(kOwn, 0x88B5, 9000));
  EXPECT_EQ(r(0x4010), 1u) << "64 KB hold seven";
  EXPECT_NE(r(kIcr) & 1 << 6, 0u);
}
TEST_F(Card, PauseIsSentAndObeyed) {
  bring_up(1, kLpe);
  w(0x2168, 0x2000), w(0x2160, 0x8000'1000), w(0x170, 0xFFFF);
  set(kCtrl, kTfce | kRfce);
  w(rx(0) + 0x28, 0);
  start_rx(0, 2 | kOneBuffer, 0);
  arrive(ethernet(kOwn, 0x88B5, 9000));
  ASSERT_EQ(wire.out.size(), 1u);
  EXPECT_EQ(be32(wire.out[0], 12), 0x88080001u);
  EXPECT_EQ(be16(wire.out[0], 16), 0xFFFF);
  w(rx(0) + 0x18, kRing - 1);
  ASSERT_EQ(wire.out.size(), 2u);
  EXPECT_EQ(be16(wire.out[1], 16), 0);
  Octets pause = ethernet(0x0180C2000001, 0x8808, 60, 0);
  put(pause, 14, 1, 2), put(pause, 16, 0x100, 2);
  arrive(pause);
  EXPECT_NE(r(kStatus) & 1 << 4, 0u);
  send(ethernet(kPeer, 0x88B5, 60));
  EXPECT_EQ(wire.out.size(), 2u);
  clock.advance(200_us);
  EXPECT_EQ(wire.out.size(), 3u);
}
TEST_F(Card, RingsWrap) {
  bring_up();
  for (u32 i = 0; i < 3 * kRing; ++i) {
    arrive(ethernet(kOwn, 0x88B5, 60, static_cast<u8>(i)));
    ASSERT_EQ(got(0, i % kRing).bytes.at(20), static_cast<std::byte>(i)) << i;
    post_rx(0, i % kRing);
    w(rx(0) + 0x18, i % kRing);
    send(ethernet(kPeer, 0x88B5, 60, static_cast<u8>(i)));
    ASSERT_TRUE(tx_done(0, i % kRing));
  }
  EXPECT_EQ(wire.out.size(), 3 * kRing);
}
TEST_F(Card, DescriptorThreshold) {
  bring_up();
  w(rx(0) + 0x28, 0);
  start_rx(0, 2 | kOneBuffer | 2 << 20);  // 32
  for (int i = 0; i < 30; ++i) arrive(ethernet(kOwn, 0x88B5, 60));
  EXPECT_EQ(r(kIcr) & 1 << 4, 0u);
  arrive(ethernet(kOwn, 0x88B5, 60));
  EXPECT_NE(r(kIcr) & 1 << 4, 0u);
}

// ---- Transmit -------------------------------------------------------------------------------------------------------

TEST_F(Card, TransmitsFromEveryQueue) {
  bring_up(16);
  for (u32 q = 0; q < 16; ++q) {
    send(ethernet(kPeer, 0x88B5, 60 + q), q);
    EXPECT_TRUE(tx_done(q, 0));
    EXPECT_EQ(r(tx(q) + 0x10), 1u);
  }
  ASSERT_EQ(wire.out.size(), 16u);
  for (u32 q = 0; q < 16; ++q) EXPECT_EQ(wire.out[q], ethernet(kPeer, 0x88B5, 60 + q));
}
TEST_F(Card, SeveralBuffersPaddingAndTag) {
  bring_up();
  const Octets f = ethernet(kPeer, 0x88B5, 1000);
  const u64 at = tx_bytes(f);
  queue_raw(0, at, tx_data(300, kDextData | kIfcs, 1000));
  queue_raw(0, at + 300, tx_data(700, kPlain, 0));
  doorbell(0);
  EXPECT_EQ(wire.out.at(0), f);
  EXPECT_FALSE(tx_done(0, 0));
  send(ethernet(kPeer, 0x88B5, 20));
  EXPECT_EQ(wire.out.at(1).size(), 60u);
  queue_context(0, {.vlan = 0x7064});
  queue_raw(0, at, tx_data(1000, kPlain | kVle, 1000));
  doorbell(0);
  EXPECT_EQ(wire.out.at(2), tagged(f, 0x7064));
}
TEST_F(Card, HeadWriteBack) {
  bring_up();
  w(tx(0) + 0x28, 0);
  configure_tx(0);
  w(tx(0) + 0x38, static_cast<u32>(memory.bus(kHead)) | 1);
  w(tx(0) + 0x3C, static_cast<u32>(memory.bus(kHead) >> 32));
  w(tx(0) + 0x28, kEnable);
  send(ethernet(kPeer, 0x88B5, 60));
  EXPECT_EQ(memory.q(kHead) & 0xFFFF'FFFF, 1u);
  send(ethernet(kPeer, 0x88B5, 60));
  EXPECT_EQ(memory.q(kHead) & 0xFFFF'FFFF, 2u);
  EXPECT_FALSE(tx_done(0, 0));
}
TEST_F(Card, ChecksumOffload) {
  bring_up();
  for (const u8 protocol : {u8{6}, u8{17}}) {
    const Octets right = ipv4({.protocol = protocol});
    Octets f = right;
    const std::size_t field = protocol == 6 ? 50 : 40;
    put(f, 24, 0, 2);
    put(f, field, sum(f, 26, 34, protocol + static_cast<u32>(f.size() - 34)), 2);
    queue_context(0, {.l4 = 20, .l4t = protocol == 6 ? 1u : 0u, .idx = 1, .ipv4 = true});
    queue_raw(0, tx_bytes(f), tx_data(f.size(), kPlain, f.size(), 3, 1));
    doorbell(0);
    EXPECT_EQ(wire.out.back(), right);
  }
}
TEST_F(Card, TcpSegmentation) {
  bring_up();
  Octets f = ipv4({.data = 3000});
  put(f, 16, 0, 2), put(f, 24, 0, 2);
  put(f, 50, sum(f, 26, 34, 6), 2);
  queue_context(0, {.l4 = 20, .mss = 1460, .ipv4 = true});
  queue_raw(0, tx_bytes(f), tx_data(f.size(), kPlain | kTse, 3000, 3));
  doorbell(0);
  ASSERT_EQ(wire.out.size(), 3u);
  std::size_t at = 54;
  for (const Octets& s : wire.out) {
    EXPECT_EQ(sum(s, 14, 34), 0xFFFFu);
    EXPECT_EQ(sum(s, 34, s.size(), sum(s, 26, 34, 6 + static_cast<u32>(s.size() - 34))), 0xFFFFu);
    EXPECT_TRUE(std::equal(s.begin() + 54, s.end(), f.begin() + static_cast<std::ptrdiff_t>(at)));
    at += s.size() - 54;
  }
  EXPECT_EQ(at, f.size());
  EXPECT_EQ(r(0x40F8), 1u);
}
TEST_F(Card, WireMayBeFull) {
  bring_up();
  wire.capacity = 1;
  send(ethernet(kPeer, 0x88B5, 60)), send(ethernet(kPeer, 0x88B5, 61)), send(ethernet(kPeer, 0x88B5, 62));
  EXPECT_EQ(wire.out.size(), 1u);
  wire.capacity = 8;
  (void)model->step();
  ASSERT_EQ(wire.out.size(), 3u);
  EXPECT_EQ(wire.out[2].size(), 62u);
}
TEST_F(Card, Loopback) {
  bring_up();
  wire.up = false;
  (void)r(kStatus);
  for (const u32 lbm : {1u, 3u}) {
    clear(kRctl, 3 << 6);
    set(kRctl, lbm << 6);
    send(ethernet(kOwn, 0x88B5, 100, static_cast<u8>(lbm)));
  }
  EXPECT_EQ(got(0, 0).bytes, ethernet(kOwn, 0x88B5, 100, 1));
  EXPECT_EQ(got(0, 1).bytes, ethernet(kOwn, 0x88B5, 100, 3));
  EXPECT_TRUE(wire.out.empty());
}
TEST_F(Card, StatisticsAreExact) {
  bring_up();
  const std::size_t sizes[] = {60, 61, 123, 124, 251, 252, 508, 1020, 1514};
  u32 bytes = 0;
  for (const std::size_t n : sizes) {
    send(ethernet(kPeer, 0x88B5, n)), arrive(ethernet(kOwn, 0x88B5, n));
    bytes += static_cast<u32>(n) + 4;
  }
  const u32 classes[] = {1, 2, 2, 1, 1, 2};
  for (u32 i = 0; i < 6; ++i) {
    EXPECT_EQ(r(0x405C + 4 * i), classes[i]) << i;
    EXPECT_EQ(r(0x40D8 + 4 * i), classes[i]) << i;
  }
  for (const u32 at : {0x4074u, 0x4080u, 0x40D0u, 0x40D4u, 0x4104u, 0x4118u}) EXPECT_EQ(r(at), std::size(sizes)) << at;
  for (const u32 at : {0x4088u, 0x4090u, 0x40C0u, 0x40C8u, 0x4128u, 0x4130u}) {
    EXPECT_EQ(r(at), bytes) << at;
    EXPECT_EQ(r(at + 4), 0u);
    EXPECT_EQ(r(at), 0u) << "the high half's read clears both";
  }
}

// ---- Interrupts -----------------------------------------------------------------------------------------------------

TEST_F(Card, MsixVectorForEachQueue) {
  bring_up(16);
  msix();
  w(kGpie, kMsixMode);
  w(kIvarMisc, 0x80 << 8);
  for (u32 q = 0; q < 8; ++q) {  // RX queue n: vector 1 + n, TX queue n: 9 + n; queue 15: vectors 23 and 24
    w(kIvar + 4 * q, (0x81 + q) | (0x89 + q) << 8 | (q == 7 ? 0x97u << 16 | 0x98u << 24 : 0));
  }
  w(kEiac, 0x1FFFFFE), w(kEiam, 0x1FFFFFE);
  w(kEims, 0x1FFFFFF);
  w(kIms, 4);
  arrive(ethernet(kOwn, 0x88B5, 60));
  EXPECT_EQ(sent(1), 1u);
  arrive(ethernet(kOwn, 0x88B5, 60));
  EXPECT_EQ(sent(1), 1u) << "masked by its message";
  w(kEims, 2);
  EXPECT_EQ(sent(1), 2u) << "it had waited";
  send(ethernet(kPeer, 0x88B5, 60), 5);
  EXPECT_EQ(sent(9 + 5), 1u);
  send(ethernet(kPeer, 0x88B5, 60), 15);
  EXPECT_EQ(sent(24), 1u);
  EXPECT_EQ(sent(0), 0u);
  wire.up = false;
  (void)model->step();
  EXPECT_EQ(sent(0), 1u);
  EXPECT_EQ(r(kEicr), 1u) << "vector 0 is not cleared by itself";
  EXPECT_EQ(r(kIcr) & 4, 4u);
  w(kEics, 1 << 3);
  EXPECT_EQ(sent(3), 1u);
  w(kEimc, 1 << 4), w(kEics, 1 << 4);
  EXPECT_EQ(sent(4), 0u);
  w(kEims, 1 << 4);
  EXPECT_EQ(sent(4), 1u);
}
TEST_F(Card, InterruptInterval) {
  bring_up();
  msix();
  w(kGpie, kMsixMode);
  w(kIvar, 0x81);
  w(kEitr + 4, 100 << 2);  // us
  w(kEims, 2);
  arrive(ethernet(kOwn, 0x88B5, 60));
  EXPECT_EQ(sent(1), 1u);
  arrive(ethernet(kOwn, 0x88B5, 60));
  clock.advance(99_us);
  EXPECT_EQ(sent(1), 1u);
  clock.advance(1_us);
  EXPECT_EQ(sent(1), 2u);
  w(kEitr + 4, 100 << 2 | 1u << 31);
  arrive(ethernet(kOwn, 0x88B5, 60));
  EXPECT_EQ(sent(1), 2u) << "the counter runs on";
  w(kEitr + 4, 100 << 2);
  EXPECT_EQ(sent(1), 3u) << "the counter was written with 0";
}
TEST_F(Card, VectorsThatAreNotThere) {
  for (u32 i = 0; i < 8; ++i) {
    w(kIvar + 4 * i, 0x98989898);
    EXPECT_EQ(r(kIvar + 4 * i), 0x98989898u);
  }
  w(kIvar, 1 << 5);
  expect_fault(FaultKind::kReservedBit, "IVAR[0]");
  w(kIvar + 4, 0x99 << 8);
  expect_fault(FaultKind::kReservedBit, "IVAR[1]");
  w(kIvarMisc, 0x9F);
  expect_fault(FaultKind::kReservedBit, "IVAR_MISC");
}
TEST_F(Card, AutoClearNeedsMsixMode) {
  w(kEiac, 1);
  expect_fault(FaultKind::kSequence, "EIAC");
  EXPECT_EQ(r(kEiac), 0u);
}
TEST_F(Card, MsiAndIntxTellOfEverything) {
  bring_up();
  w(kIms, 1 << 7 | 4);
  arrive(ethernet(kOwn, 0x88B5, 60));
  EXPECT_TRUE(model->interrupts().line());
  EXPECT_EQ(r(kIcr) & ~(1u << 31), 1u << 7);
  EXPECT_FALSE(model->interrupts().line());
  model->write_config(0x52, 2, 1);  // MSI
  const u64 before = sent(0);
  arrive(ethernet(kOwn, 0x88B5, 60));
  EXPECT_EQ(sent(0), before + 1);
  EXPECT_FALSE(model->interrupts().line());
  send(ethernet(kPeer, 0x88B5, 60));
  EXPECT_EQ(r(kIcr), 1u << 31 | 1 << 7 | 1) << "TXDW too, though not unmasked";
  model->write_config(0x52, 2, 0);
  model->write_config(4, 2, 0x406);  // INTx off
  arrive(ethernet(kOwn, 0x88B5, 60));
  EXPECT_FALSE(model->interrupts().line());
}
TEST_F(Card, IcrIsClearedByItsReadOnlyWhenThatIsMeant) {
  w(kIms, 4);
  w(kIcs, 1);
  EXPECT_EQ(r(kIcr), 1u);
  EXPECT_EQ(r(kIcr), 1u) << "nothing was asserted, and something is unmasked";
  w(kIcs, 4);
  EXPECT_EQ(r(kIcr), 1u << 31 | 5);
  EXPECT_EQ(r(kIcr), 0u);
  w(kImc, 4), w(kIcs, 1);
  EXPECT_EQ(r(kIcr), 1u);
  EXPECT_EQ(r(kIcr), 0u) << "nothing is unmasked";
  w(kIms, 4), w(kGpie, 1), w(kIcs, 1);
  EXPECT_EQ(r(kIcr), 1u);
  EXPECT_EQ(r(kIcr), 0u) << "GPIE.NSICR";
  w(kIcs, 5), w(kIcr, 4);
  EXPECT_EQ(r(kIcr), 1u) << "written as one";
}
TEST_F(Card, ReadOfIcrMasksByIam) {
  set(kCtrlExt, 1 << 27);
  w(kIam, 4), w(kIms, 4 | 1), w(kIcs, 4);
  (void)r(kIcr);
  EXPECT_EQ(r(kIms), 1u);
}

// ---- Faults ---------------------------------------------------------------------------------------------------------

TEST_F(Card, FaultsOfRings) {
  bring_up();
  w(rx(0) + 0x28, 0);
  w(rx(0), 0x1040);
  expect_fault(FaultKind::kRing, "RDBAL[0]");
  w(rx(0) + 8, 0x1010);
  expect_fault(FaultKind::kRing, "RDLEN[0]");
  w(rx(0) + 8, 0), w(rx(0) + 0x18, 0);
  w(rx(0) + 0x28, kEnable);
  expect_fault(FaultKind::kRing, "RDLEN[0]");
  w(rx(0) + 0x18, 1);
  expect_fault(FaultKind::kRing, "RDT[0]");
  w(rx(0) + 0x28, 0);
  configure_rx(0, 2);  // legacy
  w(rx(0) + 0x28, kEnable);
  expect_fault(FaultKind::kRing, "SRRCTL[0]");
  w(rx(0) + 0x28, 0);
  start_rx(0);
  w(rx(0) + 0x18, kRing);
  expect_fault(FaultKind::kRing, "RDT[0]");
  w(tx(0) + 0x18, kRing);
  expect_fault(FaultKind::kRing, "TDT[0]");
}
TEST_F(Card, FaultsOfSequence) {
  bring_up();
  w(rx(2) + 0x18, 5);
  expect_fault(FaultKind::kSequence, "RDT[2]");
  EXPECT_EQ(r(rx(2) + 0x18), 0u) << "lost";
  w(tx(2) + 0x18, 5);
  expect_fault(FaultKind::kSequence, "TDT[2]");
  const u32 base = r(rx(0));
  w(rx(0), base + 0x800);
  expect_fault(FaultKind::kSequence, "RDBAL[0]");
  EXPECT_EQ(r(rx(0)), base);
  w(rx(0) + 0x0C, 4 | kOneBuffer);
  expect_fault(FaultKind::kSequence, "SRRCTL[0]");
  set(rx(0) + 0x0C, kDropEn);  // this may
  EXPECT_EQ(r(rx(0) + 0x0C), 2 | kOneBuffer | kDropEn);
  w(tx(0) + 0x08, kRing * 8);
  expect_fault(FaultKind::kSequence, "TDLEN[0]");
  w(rx(0) + 0x28, 0);
  configure_rx(0);
  w(rx(0) + 0x10, 3);
  w(rx(0) + 0x28, kEnable);
  expect_fault(FaultKind::kSequence, "RDH[0]");
}
TEST_F(Card, FaultsOfDma) {
  bring_up();
  queue_raw(0, 0xDEAD'0000'0000, tx_data(60, kPlain, 60));
  doorbell(0);
  expect_fault(FaultKind::kDma, "TX buffer");
  memory.set_q(rx_desc(0, 0), 0xDEAD'0000'0000);
  arrive(ethernet(kOwn, 0x88B5, 60));
  expect_fault(FaultKind::kDma, "RX buffer");
  arrive(ethernet(kOwn, 0x88B5, 60));  // the ring is dead
  w(tx(0) + 0x28, 0);
  configure_tx(0);
  w(tx(0) + 0x04, 0xDEAD);
  w(tx(0) + 0x28, kEnable);
  w(tx(0) + 0x18, 1);
  expect_fault(FaultKind::kDma, "TX descriptor");
}
TEST_F(Card, TailWithoutBusMastering) {
  bring_up();
  model->write_config(4, 2, 2);
  w(rx(0) + 0x18, 5);
  expect_fault(FaultKind::kSequence, "RDT[0]");
  model->write_config(4, 2, 6);
}
TEST_F(Card, FaultsOfDescriptors) {
  bring_up();
  memory.set_q(rx_desc(0, 0) + 8, 1);
  arrive(ethernet(kOwn, 0x88B5, 60));
  expect_fault(FaultKind::kDescriptor, "RX queue 0, descriptor 0");
  const Octets f = ethernet(kPeer, 0x88B5, 60);
  u32 i = 0;
  const auto wrong = [&](u64 second) {
    queue_raw(0, tx_bytes(f), second);
    doorbell(0);
    expect_fault(FaultKind::kDescriptor, "TX queue 0, descriptor " + std::to_string(i));
    EXPECT_TRUE(tx_done(0, i++)) << "it completes";
  };
  wrong(tx_data(60, kEop | kIfcs | kRs, 60));                     // legacy
  wrong(tx_data(60, 0x20400000 | kEop | kIfcs | kRs, 60));        // DTYP
  wrong(tx_data(60, kPlain, 61));                                 // PAYLEN
  wrong(tx_data(0, kPlain, 0));                                   // DTALEN
  wrong(tx_data(16, kPlain, 16));                                 // too short even for padding
  wrong(tx_data(60, kPlain, 60, 2));                              // TXSM without a context
  wrong(tx_data(60, kPlain, 60, 0, 2));                           // a third context
  wrong(tx_data(60, kDextData | kEop | kRs, 60));                 // no FCS
  wrong(tx_data(60, kPlain, 60) | 1ull << 32);                    // DD
  queue_raw(0, tx_bytes(f), tx_data(30, kDextData | kIfcs, 60));  // opens a packet
  doorbell(0);
  ++i;
  wrong(TxContext{}.second() | kRs);  // within it
  EXPECT_EQ(wire.out.size(), 3u) << "a wrong PAYLEN, a short frame, DD: these go all the same";
}
TEST_F(Card, HostileRingsDoNotHang) {
  bring_up(16);
  u64 seed = 1;
  const auto random = [&seed] { return seed = seed * 6364136223846793005u + 1442695040888963407u; };
  for (u32 round = 0; round < 200; ++round) {
    const u32 q = static_cast<u32>(random() >> 40) % 16;
    for (u32 i = 0; i < kRing; ++i) {
      memory.set_q(tx_desc(q, i), random() % 4 == 0 ? random() : tx_bytes(Octets(64)));
      memory.set_q(tx_desc(q, i) + 8, random());
      memory.set_q(rx_desc(q, i), random());
    }
    w(tx(q) + 0x18, static_cast<u32>(random() >> 32) & 0x7F);
    arrive(ethernet(kOwn, 0x88B5, 60 + (random() >> 32) % 1000));
    w(rx(q) + 0x18, static_cast<u32>(random() >> 32) & 0x7F);
    if (round % 8 == 0) w(tx(q) + 0x28, 0), start_tx(q), start_rx(q);
  }
  EXPECT_GT(faults.count(), 0u);
  faults.clear();
}

TEST_F(Card, QueueZeroIsOnAfterAReset) {
  w(rx(0) + 8, 1024);
  expect_fault(FaultKind::kSequence, "RDLEN[0]");
  w(tx(0), 0x1000);
  expect_fault(FaultKind::kSequence, "TDBAL[0]");
  w(rx(0) + 0x18, 1);
  expect_fault(FaultKind::kRing, "RDT[0]");
}

// ---- What DPDK's net_e1000_igb does ---------------------------------------------------------------------------------

TEST_F(Dpdk, QueueZeroIsSetUpWhileItIsOn) {
  link_up();
  w(kTctl, 0x0003'F0FA);
  for (const u32 block : {rx(0), tx(0)}) {
    const std::size_t ring = block == rx(0) ? rx_desc(0, 0) : tx_desc(0, 0);
    w(block + 8, kRing * 16);
    w(block, static_cast<u32>(memory.bus(ring))), w(block + 4, static_cast<u32>(memory.bus(ring) >> 32));
  }
  w(rx(0) + 0x0C, 2 | kOneBuffer);
  set(rx(0) + 0x28, kEnable), set(tx(0) + 0x28, kEnable);
  w(kRctl, kRxEn | kBam | kSecrc);
  for (u32 i = 0; i < kRing; ++i) post_rx(0, i);
  w(rx(0) + 0x18, kRing - 1);
  arrive(ethernet(kOwn, 0x88B5, 60));
  EXPECT_TRUE(rx_done(0, 0));
  send(ethernet(kPeer, 0x88B5, 60));
  EXPECT_EQ(wire.out.size(), 1u);
  w(rx(0) + 8, kRing * 8);
  expect_fault(FaultKind::kSequence, "RDLEN[0]");
}
TEST_F(Dpdk, LowBitsAreIgnored) {
  w(0x2160, 0x8000'EE48), w(0x2168, 0xF424), w(kEitr, 0xFFFF);
  EXPECT_EQ(r(0x2160), 0x8000'EE40u);
  EXPECT_EQ(r(0x2168), 0xF420u);
  EXPECT_EQ(r(kEitr), 0x7FFCu);
}

// ---- What Linux's igb does ------------------------------------------------------------------------------------------

TEST_F(Linux, RegisterTest) {  // as igb_reg_test does it: what is written, what is read again
  const u32 status = r(kStatus);
  w(kStatus, 0x7FFFF3FF);
  EXPECT_EQ(r(kStatus), status);
  const auto pattern = [this](u32 at, u32 mask, u32 write) {
    for (const u32 p : {0x5A5A5A5Au, 0xA5A5A5A5u, 0u, ~0u}) {
      w(at, p & write);
      EXPECT_EQ(r(at) & mask, p & write & mask) << std::hex << at;
    }
  };
  pattern(0x2C, 0xFFFF, ~0u), pattern(0x30, 0xFFFF, ~0u);
  for (u32 q = 0; q < 16; ++q) {
    const u32 block = q < 4 ? 0x2800 + 0x100 * q : rx(q);
    pattern(block, 0xFFFFFF80, ~0u), pattern(block + 4, ~0u, ~0u), pattern(block + 8, 0xFFFF0, 0xFFFFF);
  }
  for (u32 q = 0; q < 16; ++q) w(q < 4 ? 0x2828 + 0x100 * q : rx(q) + 0x28, kEnable);
  for (u32 q = 0; q < 16; ++q) pattern(q < 4 ? 0x2818 + 0x100 * q : rx(q) + 0x18, 0xFFFF, 0xFFFF);
  for (u32 q = 0; q < 16; ++q) w(q < 4 ? 0x2828 + 0x100 * q : rx(q) + 0x28, 0);
  for (u32 q = 0; q < 16; ++q) {
    const u32 block = q < 4 ? 0x3800 + 0x100 * q : tx(q);
    pattern(block, 0xFFFFFF80, ~0u), pattern(block + 4, ~0u, ~0u), pattern(block + 8, 0xFFFF0, 0xFFFFF);
  }
  for (const u32 v : {0u, 0x003FFFFBu & 0x04CFB0FE, 0x04CFB0FEu}) {
    w(kRctl, v);
    EXPECT_EQ(r(kRctl), v);
  }
  w(kTctl, 0);
  EXPECT_EQ(r(kTctl), 0u);
  for (u32 i = 0; i < 16; ++i) pattern(kRal + 8 * i, ~0u, ~0u), pattern(kRal + 4 + 8 * i, 0x83FFFFFF, ~0u);
  for (u32 i = 0; i < 8; ++i) pattern(0x54E0 + 8 * i, ~0u, ~0u), pattern(0x54E4 + 8 * i, 0x83FFFFFF, ~0u);
}
TEST_F(Linux, InterruptTest) {  // as igb_intr_test does it, with MSI-X on and GPIE as after a reset
  msix();
  w(kImc, ~0u);
  w(kIvarMisc, 0x80 << 8);
  w(kEims, 1);
  for (u32 i = 0; i < 31; ++i) {
    const u32 cause = 1u << i;
    if ((cause & 0x77D4FBFD) == 0) continue;
    w(kIcr, ~0u);
    const u64 before = sent(0);
    w(kIms, cause);
    w(kIcs, cause);
    EXPECT_EQ(sent(0), before + 1) << i;
    EXPECT_NE(r(kIcr) & cause, 0u) << i;
  }
}
TEST_F(Linux, CompletionsStayInDescriptorsGivenAgain) {
  bring_up();
  memory.set_q(rx_desc(0, 0) + 8, 0x63);
  arrive(ethernet(kOwn, 0x88B5, 60));
  EXPECT_TRUE(rx_done(0, 0));
  EXPECT_EQ(r(0xB66C), 0u);
}
TEST_F(Linux, RingsThatAreUsedAreStillWatched) {
  bring_up();
  w(rx(0), 0x1000);
  expect_fault(FaultKind::kSequence, "RDBAL[0]");
  w(rx(0) + 0x18, kRing);
  expect_fault(FaultKind::kRing, "RDT[0]");
  w(rx(3) + 0x18, 1);
  expect_fault(FaultKind::kSequence, "RDT[3]");
}

}  // namespace

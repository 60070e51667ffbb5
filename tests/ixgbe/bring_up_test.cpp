// SPDX-License-Identifier: BSD-3-Clause
// Bring-up, start and stop of an ixgbe port on a permissive scripted window: plain memory with the few bits that
// answer. What is checked is the order of the key accesses, as the notes on the 82599 has it, and what is left
// behind.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <pollux/ixgbe/ixgbe.hpp>

namespace {

using namespace pollux;
using namespace pollux::ixgbe;

// ---- The script ---------------------------------------------------------------------------------------------------

enum class What { kRead, kWrite, kPause, kBusMasterOn, kBusMasterOff, kUnmap };
struct Event {
  What what;
  std::uint32_t offset = 0;
  std::uint32_t value = 0;
  std::int64_t at = 0;  ///< [ns]
};

struct Script {
  std::vector<std::uint32_t> memory = std::vector<std::uint32_t>(0x20000 / 4);
  std::vector<Event> log;
  std::int64_t now = 0;
  bool gone = false;
  bool master_sticks = false;
  bool regsmp = false;  ///< X540: a read of SW_FW_SYNC takes its semaphore
  bool queues_start = true;
  bool nvm_loads = true;
  std::uint32_t links = 0x7447'FF80;
  int resets = 0;
  std::vector<std::pair<std::uint32_t, int>> settling;  ///< queue control registers whose ENABLE shows after n reads

  Script() { reset(); }
  std::uint32_t& at(std::uint32_t offset) { return memory[offset / 4]; }
  void note(What what, std::uint32_t offset = 0, std::uint32_t value = 0) { log.push_back({what, offset, value, now}); }
  void reset() {
    const std::uint32_t kept[] = {at(0x10140), at(0x10160), at(0x20), at(0x42A0), at(0x42A8)};
    std::fill(memory.begin(), memory.end(), 0);
    at(0x10140) = kept[0], at(0x10160) = kept[1], at(0x20) = kept[2], at(0x42A0) = kept[3], at(0x42A8) = kept[4];
    at(0x5400) = 0x1200'5452, at(0x5404) = 0x8000'5634;
    at(0x4A80) = 0x8100'0004, at(0x4900) = 0x00C0'0000, at(0x4240) = 0x0801'2C0B, at(0x2F00) = 0x0010'8808;
    at(0x8D00) = 1, at(0x10010) = nvm_loads ? 0x2700 : 0x2500, at(0x10018) = 0;
    for (std::uint32_t q = 0; q < 128; ++q) { at(rxq(q) + 0x0C) = 0xB200, at(0x600C + 0x40 * q) = 0x2A00; }
    settling.clear();
  }
  static std::uint32_t rxq(std::uint32_t q) { return q < 64 ? 0x1000 + 0x40 * q : 0xD000 + 0x40 * (q - 64); }
  static bool is_rxdctl(std::uint32_t offset) {
    return ((offset >= 0x1000 && offset < 0x2000) || (offset >= 0xD000 && offset < 0xE000)) && offset % 0x40 == 0x28;
  }
  static bool is_txdctl(std::uint32_t offset) { return offset >= 0x6000 && offset < 0x8000 && offset % 0x40 == 0x28; }

  std::uint32_t read(std::uint32_t offset) {
    const std::uint32_t value = gone ? ~0u : answer(offset);
    note(What::kRead, offset, value);
    return value;
  }
  std::uint32_t answer(std::uint32_t offset) {
    switch (offset) {
      case 0x00008:
        return at(0x0) & 4 && !master_sticks ? 0x80 : 0x8'0080;
      case 0x042A4:
        return links;
      case 0x08D04:
        return at(0x8D00) & 2 ? 1 : 0;  // ready only while the path is halted
      case 0x10140:
        return std::exchange(at(0x10140), at(0x10140) | 1);
      case 0x10160:
        return regsmp ? std::exchange(at(0x10160), at(0x10160) | 1u << 31) : at(0x10160);
      default:
        break;
    }
    for (auto it = settling.begin(); it != settling.end(); ++it) {
      if (it->first != offset) continue;
      if (it->second-- > 0) return at(offset) ^ 1u << 25;  // not yet
      settling.erase(it);
      break;
    }
    return at(offset);
  }
  void write(std::uint32_t offset, std::uint32_t value) {
    note(What::kWrite, offset, value);
    if (offset == 0 && (value & (1u << 26 | 1u << 3)) != 0) {
      ++resets;
      return reset();
    }
    if (is_rxdctl(offset) || is_txdctl(offset)) return control(offset, value);
    if (offset == 0x42A0) value &= ~(1u << 12);
    at(offset) = value;
  }
  void control(std::uint32_t offset, std::uint32_t value) {
    const bool refused = !queues_start || (is_txdctl(offset) && (at(0x4A80) & 1) == 0);  // needs DMATXCTL.TE
    if (refused) value &= ~(1u << 25);
    if (((at(offset) ^ value) >> 25 & 1) != 0) settling.emplace_back(offset, 3);
    at(offset) = value;
  }
};

struct ScriptIo {
  Script* script;
  [[nodiscard]] std::uint32_t read32(std::uint32_t offset) const noexcept { return script->read(offset); }
  void write32(std::uint32_t offset, std::uint32_t value) const noexcept { script->write(offset, value); }
};
struct ScriptClock {
  Script* script;
  Nanos now() const noexcept { return {script->now}; }
  void pause(Nanos span) const noexcept {
    script->note(What::kPause, 0, static_cast<std::uint32_t>(span.count / 1000));
    script->now += span.count;
  }
};
class ScriptDomain final : public DmaDomain {
 public:
  explicit ScriptDomain(Script& script) : script_(&script) {}
  [[nodiscard]] Result<BusAddr> try_map(std::byte*, std::size_t bytes) override {
    return bus(Iova(std::exchange(next_, next_ + bytes)));
  }
  void unmap(BusAddr, std::size_t) noexcept override { script_->note(What::kUnmap); }
  [[nodiscard]] bool translates() const noexcept override { return true; }
  [[nodiscard]] std::size_t granule() const noexcept override { return 4096; }
  [[nodiscard]] std::string_view name() const noexcept override { return "test"; }

 private:
  Script* script_;
  std::uint64_t next_ = 0x12'3450'0000;
};
class ScriptBackend {
 public:
  using Io = ScriptIo;
  using DoorbellIo = ScriptIo;
  using Clock = ScriptClock;
  ScriptBackend(Script& script, std::uint16_t device) : script_(&script), domain_(script), device_(device) {}

  reg::Bar<Io> bar(unsigned) { return reg::Bar<Io>(ScriptIo{script_}); }
  reg::Bar<Io> doorbells(unsigned n) { return bar(n); }
  Clock clock() { return {script_}; }
  DmaDomain& domain() { return domain_; }
  void enable_bus_master() { script_->note(What::kBusMasterOn); }
  void disable_bus_master() noexcept { script_->note(What::kBusMasterOff); }
  FdConfigSpace config() { return {-1, 0, "none"}; }
  PciId id() const { return {.vendor = 0x8086, .device = device_}; }
  std::string name() const { return "0000:03:00.0"; }

 private:
  Script* script_;
  ScriptDomain domain_;
  std::uint16_t device_;
};
using Port82599 = Port<I82599, ScriptBackend>;
using PortX540 = Port<IX540, ScriptBackend>;
static_assert(DeviceBackend<ScriptBackend>);
static_assert(PollModePort<Port82599> && PollModePort<PortX540>);

constexpr std::uint32_t kEnable = 1u << 25;
constexpr std::uint16_t kCx4 = 0x10F9, kSfp = 0x10FB, kX540 = 0x1528;

class BringUpTest : public ::testing::Test {
 protected:
  static constexpr std::size_t kNever = ~std::size_t{0};
  using Match = std::function<bool(const Event&)>;

  std::size_t find(const Match& match, std::size_t from = 0) const {
    for (std::size_t i = from; i < script.log.size(); ++i) {
      if (match(script.log[i])) return i;
    }
    return kNever;
  }
  static Match wrote(std::uint32_t offset, std::uint32_t mask = 0, std::uint32_t bits = 0) {
    return [=](const Event& e) { return e.what == What::kWrite && e.offset == offset && (e.value & mask) == bits; };
  }
  static Match saw(std::uint32_t offset, std::uint32_t mask, std::uint32_t bits) {
    return [=](const Event& e) { return e.what == What::kRead && e.offset == offset && (e.value & mask) == bits; };
  }
  static Match did(What what) {
    return [=](const Event& e) { return e.what == what; };
  }
  /// Each of these happens, and after the one before it. Returns when the last did.
  std::size_t in_order(const std::vector<std::pair<const char*, Match>>& steps, std::size_t from = 0) const {
    for (const auto& [name, match] : steps) {
      from = find(match, from);
      EXPECT_NE(from, kNever) << name << " is missing or too early";
      if (from == kNever) return kNever;
      ++from;
    }
    return from - 1;
  }
  std::size_t count(const Match& match) const {
    return static_cast<std::size_t>(std::count_if(script.log.begin(), script.log.end(), match));
  }
  static const Config& quick() {
    static const Config config{.rx_descriptors = 64, .tx_descriptors = 64, .link_deadline = 100_ms};
    return config;
  }

  Script script;
  ScriptBackend backend{script, kCx4};
  BufferPool pool{backend.domain(), 256, 2048, PagePreference::kOrdinary};
};

TEST_F(BringUpTest, ResetsInTheOrderOfTheSheet) {
  const Port82599 port(backend, pool, quick());
  in_order({{"bus master off", did(What::kBusMasterOff)},
            {"EIMC", wrote(0x888, ~0u, 0x7FFF'FFFF)},
            {"EIMC_EX(0)", wrote(0xAB0, ~0u, ~0u)},
            {"EICR", saw(0x800, 0, 0)},
            {"RXEN off", wrote(0x3000, 1, 0)},
            {"GIO_DIS", wrote(0x0, 4, 4)},
            {"master off seen", saw(0x8, 1u << 19, 0)},
            {"RST and LNK_RST", wrote(0x0, 1u << 26 | 1u << 3, 1u << 26 | 1u << 3)},
            {"reset done", saw(0x0, 1u << 26 | 1u << 3, 0)},
            {"EIMC again", wrote(0x888, ~0u, 0x7FFF'FFFF)},
            {"EEC.ARD", saw(0x10010, 1u << 9, 1u << 9)},
            {"DMAIDONE", saw(0x2F00, 8, 8)},
            {"CTRL_EXT", wrote(0x18, 1u << 16 | 1u << 28, 1u << 16 | 1u << 28)},
            {"MTA", wrote(0x5200)},
            {"RDRXCTL", wrote(0x2F00)},
            {"ARBDIS", wrote(0x4900, 1u << 6, 1u << 6)},
            {"MTQC", wrote(0x8120, ~0u, 0)},
            {"RTTDQSEL", wrote(0x4904, ~0u, 127)},
            {"ARBDIS off", wrote(0x4900, 1u << 6, 0)}});
  EXPECT_EQ(script.resets, 1);
  EXPECT_EQ(count(wrote(0x8120)), 1u);
  const std::size_t reset = find(wrote(0x0, 1u << 26, 1u << 26));
  EXPECT_EQ(script.log[reset + 1].what, What::kPause);  // no access while the reset is under way
  EXPECT_GE(script.log[reset + 1].value, 1000u);
  EXPECT_GE(script.log[find(saw(0x10010, 0, 0))].at - script.log[reset].at, 10'000'000);
  EXPECT_EQ(port.mac(), (MacAddress{{0x52, 0x54, 0x00, 0x12, 0x34, 0x56}}));
}

TEST_F(BringUpTest, LeavesTheValuesOfTheSheet) {
  const Port82599 port(backend, pool, quick());
  EXPECT_EQ(script.at(0x3C00), 512u << 10);
  EXPECT_EQ(script.at(0xCC00), 160u << 10);
  for (std::uint32_t i = 1; i < 8; ++i) EXPECT_EQ(script.at(0x3C00 + 4 * i) | script.at(0xCC00 + 4 * i), 0u);
  EXPECT_EQ(script.at(0x4950), 0x96u);
  EXPECT_EQ(script.at(0x8100), 0xFFFu);
  EXPECT_EQ(script.at(0x3260), 512u * 1024 - 0x6000);
  EXPECT_EQ(script.at(0x4240), 0x0801'2C0Fu);         // JUMBOEN added
  EXPECT_EQ(script.at(0x4268), 1522u << 16);          // MAXFRS
  EXPECT_EQ(script.at(0x2F00) & 2, 2u);               // the FCS is stripped here and in HLREG0
  EXPECT_EQ(script.at(0x2F00) & 0x1Fu << 17, 0u);     // RSCFRSTSIZE
  EXPECT_EQ(script.at(0x2F00) & 3u << 25, 3u << 25);  // RSCACKC, FCOE_WRFIX
  EXPECT_EQ(script.at(0x5008), 0xE0u);                // no RSC, no NFS
  EXPECT_EQ(script.at(0x3028), 0x80u);                // RSCACKDIS
  EXPECT_EQ(script.at(0x4900), 0x00C0'0000u);         // the arbiter runs
  EXPECT_EQ(script.at(0xA600), 1u);                   // MPSAR(0)
  EXPECT_EQ(script.at(0x10160), 0u);                  // nothing is kept
  EXPECT_EQ(script.at(0x10140), 0u);
  EXPECT_EQ(count(wrote(0x42A0)), 0u);  // CX4: AUTOC is left alone
}

TEST_F(BringUpTest, StartsQueuesAndReceiverInTheOrderOfTheSheet) {
  Port82599 port(backend, pool, quick());
  script.log.clear();
  port.start();
  in_order({{"bus master on", did(What::kBusMasterOn)},
            {"TE", wrote(0x4A80, 1, 1)},
            {"TDBAL", wrote(0x6000)},
            {"TDLEN", wrote(0x6008, ~0u, 1024)},
            {"DCA_TXCTRL", wrote(0x600C, 1u << 11, 0)},
            {"TXDCTL", wrote(0x6028, ~0u, kEnable | 8u << 8 | 36)},
            {"TX enabled", saw(0x6028, kEnable, kEnable)},
            {"RDBAL", wrote(0x1000)},
            {"RDLEN", wrote(0x1008, ~0u, 1024)},
            {"SRRCTL", wrote(0x1014, ~0u, 2u | 4u << 8 | 1u << 25 | 1u << 28)},
            {"DCA_RXCTRL", wrote(0x100C, 1u << 12, 0)},
            {"RSCCTL", wrote(0x102C, ~0u, 0)},
            {"RXDCTL", wrote(0x1028, kEnable, kEnable)},
            {"RX enabled", saw(0x1028, kEnable, kEnable)},
            {"RDT", wrote(0x1018, ~0u, 63)},
            {"RX_DIS", wrote(0x8D00, 2, 2)},
            {"path empty", saw(0x8D04, 1, 1)},
            {"RXEN", wrote(0x3000, 1, 1)},
            {"RX_DIS off", wrote(0x8D00, 2, 0)},
            {"LINKS", saw(0x42A4, 1u << 30, 1u << 30)}});
  const auto any_tail = [](const Event& e) {
    return e.what == What::kWrite && (e.offset == 0x1018 || e.offset == 0x6018) && e.value != 0;
  };
  EXPECT_GT(find(any_tail), find(saw(0x1028, kEnable, kEnable)));
  EXPECT_EQ(count(wrote(0x3000, 1, 1)), 1u);
  EXPECT_EQ(script.at(0x8D00), 1u);
  EXPECT_EQ(script.at(0x5080), 0x400u);
  EXPECT_EQ(script.at(0x5818) & 0xF, 0u);  // one queue: no RSS
  EXPECT_EQ(pool.free_count(), 256u - 63);
  EXPECT_EQ(port.link(), (LinkState{.up = true, .full_duplex = true, .speed_mbps = 10'000}));
}

TEST_F(BringUpTest, StopsQueuesBeforeMemoryIsReleased) {
  {
    Port82599 port(backend, pool, quick());
    port.start();
    script.log.clear();
    port.stop();
    EXPECT_EQ(pool.free_count(), 256u);
    const std::size_t rx_off = in_order({{"RXEN off", wrote(0x3000, 1, 0)},
                                         {"RXDCTL off", wrote(0x1028, kEnable, 0)},
                                         {"not yet", saw(0x1028, kEnable, kEnable)},
                                         {"RX stopped", saw(0x1028, kEnable, 0)}});
    const std::size_t tx_off = in_order({{"TXDCTL off", wrote(0x6028, kEnable, 0)},
                                         {"not yet", saw(0x6028, kEnable, kEnable)},
                                         {"TX stopped", saw(0x6028, kEnable, 0)}});
    const std::size_t dma_off =
        in_order({{"GIO_DIS", wrote(0x0, 4, 4)}, {"master off", saw(0x8, 1u << 19, 0)}}, std::max(rx_off, tx_off));
    EXPECT_GE(script.log[dma_off].at - script.log[std::max(rx_off, tx_off)].at, 100'000);  // settle time
    in_order({{"reset", wrote(0x0, 1u << 26, 1u << 26)}, {"bus master off", did(What::kBusMasterOff)}}, dma_off);
    script.log.clear();
  }
  const std::size_t unmapped = find(did(What::kUnmap));
  ASSERT_NE(unmapped, kNever);
  EXPECT_EQ(find([](const Event& e) { return e.what == What::kWrite || e.what == What::kRead; }, unmapped), kNever);
}

TEST_F(BringUpTest, ResetsTwiceWhenTheMasterStaysOn) {
  script.master_sticks = true;
  const Port82599 port(backend, pool, quick());
  EXPECT_EQ(script.resets, 2);
  const std::size_t lpbk = find(wrote(0x4240, 1u << 15, 1u << 15));
  const std::size_t end = in_order({{"LPBK", wrote(0x4240, 1u << 15, 1u << 15)},
                                    {"RXEN off", wrote(0x3000, 1, 0)},
                                    {"BUFFERS_CLEAR", wrote(0x11050, 1u << 30, 1u << 30)},
                                    {"LPBK off", wrote(0x4240, 1u << 15, 0)},
                                    {"BUFFERS_CLEAR off", wrote(0x11050, 1u << 30, 0)},
                                    {"reset", wrote(0x0, 1u << 26, 1u << 26)},
                                    {"reset again", wrote(0x0, 1u << 26, 1u << 26)}});
  ASSERT_NE(end, kNever);
  EXPECT_GE(script.log[find(wrote(0x4240, 1u << 15, 0), lpbk)].at - script.log[lpbk].at, 20'000);
  const std::size_t first = find(wrote(0x0, 1u << 26, 1u << 26));
  EXPECT_GE(script.log[end].at - script.log[first].at, 1'000);
}

TEST_F(BringUpTest, StartsAndStopsAnyNumberOfTimes) {
  Port82599 port(backend, pool, quick());
  const MacAddress group{{0x01, 0x00, 0x5E, 0x00, 0x00, 0xFB}};
  port.set_addresses({}, {&group, 1});
  for (int i = 1; i <= 3; ++i) {
    port.start();
    port.start();
    EXPECT_EQ(script.at(0x1018), 63u);
    EXPECT_EQ(script.at(0x5090), 4u);  // filters outlive the reset
    Burst<8> burst(pool);
    ASSERT_EQ(burst.allocate(3, 60), 3u);
    EXPECT_EQ(port.tx_burst(burst), 3u);
    EXPECT_EQ(script.at(0x6018), 3u);
    port.stop();
    port.stop();
    EXPECT_EQ(pool.free_count(), 256u);
    EXPECT_EQ(script.resets, 2 * i);  // one by each stop, one by the constructor or the next start
  }
}

std::string error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& e) { return e.what(); }
  return {};
}

TEST_F(BringUpTest, AFailedStartLeavesAStoppedPort) {
  Port82599 port(backend, pool, quick());
  script.queues_start = false;
  EXPECT_NE(error_of([&] { port.start(); }).find("TXDCTL"), std::string::npos);
  EXPECT_EQ(pool.free_count(), 256u);
  script.queues_start = true;
  script.links = 0;
  const std::string text = error_of([&] { port.start(); });
  for (const char* part : {"82599 CX4 0000:03:00.0", "AUTOC 0x", "AUTOC2 0x", "LINKS 0x00000000", "ESDP 0x"}) {
    EXPECT_NE(text.find(part), std::string::npos) << text;
  }
  EXPECT_EQ(pool.free_count(), 256u);
  EXPECT_EQ(script.log.back().what, What::kBusMasterOff);
  script.links = 0x7447'FF80;
  port.start();
  EXPECT_EQ(pool.free_count(), 256u - 63);
}

TEST_F(BringUpTest, AFailedBringUpOfARestartLeavesAStoppedPort) {
  Port82599 port(backend, pool, quick());
  port.start();
  port.stop();
  script.nvm_loads = false;
  EXPECT_NE(error_of([&] { port.start(); }).find("EEC"), std::string::npos);
  EXPECT_EQ(script.log.back().what, What::kBusMasterOff);
  EXPECT_EQ(script.at(0x18) & 1u << 28, 0u);  // CTRL_EXT.DRV_LOAD: no driver is here
  EXPECT_EQ(pool.free_count(), 256u);
  script.nvm_loads = true;
  port.start();
  EXPECT_EQ(pool.free_count(), 256u - 63);
}

TEST_F(BringUpTest, AStoppedPortEndsWithoutTouchingTheDevice) {
  {
    Port82599 port(backend, pool, quick());
    port.start();
    port.stop();
    script.log.clear();
  }
  EXPECT_EQ(count(did(What::kRead)) + count(did(What::kWrite)), 0u);
  EXPECT_EQ(count(did(What::kUnmap)), 1u);  // its rings
}

TEST_F(BringUpTest, ADeviceThatIsGoneIsNotWaitedFor) {
  std::int64_t before = 0;
  {
    Port82599 port(backend, pool, quick());
    port.start();
    script.gone = true;
    before = script.now;
    EXPECT_FALSE(port.link().up);
  }
  EXPECT_EQ(script.now, before);
  EXPECT_EQ(pool.free_count(), 256u);
  EXPECT_NE(error_of([&] { const Port82599 port(backend, pool, quick()); }).find("all ones"), std::string::npos);
}

TEST_F(BringUpTest, SetsUpAnSfpCageUnderTheSemaphore) {
  ScriptBackend sfp(script, kSfp);
  BufferPool its_pool(sfp.domain(), 128, 2048, PagePreference::kOrdinary);
  script.at(0x20) = 0x8;         // the laser is off
  script.at(0x42A8) = 7u << 28;  // the link is disabled
  script.at(0x42A0) = 4u << 13;
  const Port82599 port(sfp, its_pool, quick());
  in_order({{"owned", wrote(0x10160, 8, 8)},
            {"laser on", wrote(0x20, 0x808, 0x800)},
            {"SFI", wrote(0x42A8, ~0u, 2u << 16)},
            {"10G serial", wrote(0x42A0, 7u << 13 | 1u << 12, 3u << 13)},
            {"restart", wrote(0x42A0, 7u << 13 | 1u << 12, 3u << 13 | 1u << 12)},
            {"given back", wrote(0x10160, 8, 0)}},
           find(saw(0x2F00, 8, 8)));
  EXPECT_EQ(script.at(0x10140), 0u);
}

TEST_F(BringUpTest, TakesBackSemaphoresThatADeadDriverLeft) {
  script.at(0x10140) = 3;
  script.at(0x10160) = 0x1F;
  const Port82599 port(backend, pool, quick());
  EXPECT_EQ(script.at(0x10140), 0u);
  EXPECT_EQ(script.at(0x10160), 0x14u);  // PHY1 and FLASH are not ours
}

TEST_F(BringUpTest, AnX540ResetsWithoutItsLinkAndOwnsThePhyMeanwhile) {
  script.regsmp = true;
  ScriptBackend x540(script, kX540);
  BufferPool its_pool(x540.domain(), 128, 2048, PagePreference::kOrdinary);
  PortX540 port(x540, its_pool, quick());
  const std::size_t reset = find(wrote(0x0, 1u << 26, 1u << 26));
  ASSERT_NE(reset, kNever);
  EXPECT_EQ(script.log[reset].value & 8, 0u);
  EXPECT_GE(script.log[find(saw(0x10010, 0, 0))].at - script.log[reset].at, 100'000'000);
  const std::size_t owned = find(wrote(0x10160, 2, 2), find(wrote(0x0, 4, 4)));
  EXPECT_LT(owned, reset);
  EXPECT_NE(find(wrote(0x10160, 2, 0), reset), kNever);
  EXPECT_EQ(script.at(0x3C00), 384u << 10);
  EXPECT_EQ(script.at(0x10160) & 0x7FFF'FFFF, 0u);
  port.start();
  EXPECT_EQ(script.at(0x1028), kEnable | 1u << 15 | 2048);  // RLPML
}

TEST_F(BringUpTest, GivesEachQueueItsRingsItsPoolAndItsTail) {
  std::vector<std::unique_ptr<BufferPool>> owners;
  std::vector<BufferPool*> pools;
  for (int i = 0; i < 4; ++i) {
    owners.push_back(std::make_unique<BufferPool>(backend.domain(), 128, 2048, PagePreference::kOrdinary));
    pools.push_back(owners.back().get());
  }
  Config config = quick();
  config.rx_queues = 2;
  config.tx_queues = 4;
  {
    Port82599 port(backend, pools, config);
    port.start();
    ASSERT_EQ(port.queue_count(), 4u);
    EXPECT_EQ(script.at(0x5818) & 0xF, 1u);
    EXPECT_EQ(script.at(0x5C00), 0x0100'0100u);
    EXPECT_EQ(script.at(0x1058), 63u);
    EXPECT_EQ(script.at(0x1098), 0u);
    EXPECT_EQ(script.at(0x1040) - script.at(0x1000), 1024u);
    EXPECT_EQ(script.at(0x6000) - script.at(0x1000), 2048u);
    EXPECT_EQ(script.at(0x60C0) - script.at(0x6000), 3072u);
    for (std::uint32_t i = 0; i < 4; ++i) {
      EXPECT_EQ(&port.queue(i).pool(), pools[i]);
      EXPECT_EQ(pools[i]->free_count(), i < 2 ? 65u : 128u);
      Burst<8> burst(*pools[i]);
      EXPECT_EQ(port.queue(i).rx_burst(burst), 0u);
      ASSERT_EQ(burst.allocate(i + 1, 60), i + 1);
      EXPECT_EQ(port.queue(i).tx_burst(burst), i + 1);
      EXPECT_EQ(script.at(0x6018 + 0x40 * i), i + 1);
    }
  }
  for (const BufferPool* p : pools) EXPECT_EQ(p->free_count(), 128u);
}

TEST_F(BringUpTest, RefusesWhatCannotWorkBeforeItTouchesTheDevice) {
  ScriptDomain other(script);
  BufferPool foreign(other, 128, 2048, PagePreference::kOrdinary);
  BufferPool second(backend.domain(), 128, 2048, PagePreference::kOrdinary);
  BufferPool few(backend.domain(), 32, 2048, PagePreference::kOrdinary);
  BufferPool narrow(backend.domain(), 128, 1024, PagePreference::kOrdinary);
  const auto refused = [&](std::vector<BufferPool*> pools, const std::function<void(Config&)>& change) {
    Config config = quick();
    change(config);
    return !error_of([&] { const Port82599 port(backend, pools, config); }).empty();
  };
  const auto as_is = [](Config&) {};
  const auto two = [](Config& c) { c.rx_queues = c.tx_queues = 2; };
  EXPECT_TRUE(refused({&pool}, [](Config& c) { c.rx_descriptors = 32; }));
  EXPECT_TRUE(refused({&pool}, [](Config& c) { c.tx_descriptors = 100; }));
  EXPECT_TRUE(refused({&pool}, [](Config& c) { c.tx_descriptors = 16384; }));
  EXPECT_TRUE(refused({&pool}, [](Config& c) { c.rx_queues = 17; }));
  EXPECT_TRUE(refused({&pool}, [](Config& c) { c.tx_queues = 65; }));
  EXPECT_TRUE(refused({&pool}, [](Config& c) { c.rx_queues = 0; }));
  EXPECT_TRUE(refused({&pool}, two));
  EXPECT_TRUE(refused({&pool, &pool}, two));
  EXPECT_TRUE(refused({}, as_is));
  EXPECT_TRUE(refused({&foreign}, as_is));
  EXPECT_TRUE(refused({&few}, as_is));
  EXPECT_TRUE(refused({&narrow}, as_is));
  ScriptBackend stranger(script, 0x10D3);
  EXPECT_NE(error_of([&] { const Port82599 port(stranger, second, quick()); }), "");
  EXPECT_TRUE(script.log.empty() || count(did(What::kWrite)) == 0u);
  EXPECT_FALSE(refused({&pool, &second}, two));
}

}  // namespace

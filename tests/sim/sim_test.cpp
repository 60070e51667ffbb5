// SPDX-License-Identifier: BSD-3-Clause
// Tests of what all models are made of: register files and their hooks, the IOMMU, the fault log, wires and what spoils
// them.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include <pollux/core/poll.hpp>
#include <pollux/core/unique_fd.hpp>
#include <pollux/dma/region.hpp>
#include <pollux/sim/clock.hpp>
#include <pollux/sim/fault.hpp>
#include <pollux/sim/iommu.hpp>
#include <pollux/sim/nic.hpp>
#include <pollux/sim/wire.hpp>

namespace {

using namespace pollux;
using sim::FaultKind;

using Frame = std::vector<std::byte>;
Frame frame(std::size_t size, unsigned seed = 0) {
  Frame out(size);
  for (std::size_t i = 0; i < size; ++i) out[i] = static_cast<std::byte>(i * 31 + seed);
  return out;
}
/// Everything that has arrived, taken off the wire.
std::vector<Frame> drain(sim::WireEnd& end) {
  std::vector<Frame> out;
  for (auto f = end.front(); !f.empty(); f = end.front()) {
    out.emplace_back(f.begin(), f.end());
    end.consume();
  }
  return out;
}

// ---- A device of four registers -----------------------------------------------------------------------------------

constexpr std::uint32_t kState = 0x00, kCause = 0x04, kCommand = 0x08, kTail = 0x10;
constexpr sim::RegSpec kSpecs[] = {{"STATE", sim::Mode::kRO, kState, 1, 4, 0xFF, 0x42, "1.1"},
                                   {"CAUSE", sim::Mode::kRC, kCause, 1, 4, 0xFF, 0x0F, "1.2"},
                                   {"COMMAND", sim::Mode::kWO, kCommand, 1, 4, 0xFF, 0, "1.3"},
                                   {"TAIL", sim::Mode::kRW, kTail, 2, 8, 0xFFFF, 0, "1.4"}};

class Gadget final : public sim::NicModel {
 public:
  Gadget(sim::Iommu& iommu, sim::WireEnd& wire, sim::FaultLog& faults)
      : NicModel({.name = "gadget", .id = {.vendor = 0x1234, .device = 0x5678}}, 0x100, kSpecs, iommu, wire, faults) {
    write_config(pci_config::kCommand, 2, pci_config::kCommandMemory);
  }
  using Calls = std::vector<std::pair<char, std::uint32_t>>;  ///< which hook, which offset
  Calls calls;
  int resets = 0;
  Nanos seen{};
  using NicModel::fetch;

 private:
  void prepare_read(std::uint32_t at) noexcept override { calls.emplace_back('p', at); }
  [[nodiscard]] std::uint32_t after_read(std::uint32_t at, std::uint32_t value) noexcept override {
    calls.emplace_back('r', at);
    return value;
  }
  void after_write(std::uint32_t at, std::uint32_t, std::uint32_t) noexcept override { calls.emplace_back('w', at); }
  bool work() noexcept override { return seen = now(), true; }
  void reset_device() noexcept override {
    ++resets;
    registers().reset();
  }
};

class Model : public ::testing::Test {
 protected:
  void expect_fault(FaultKind kind, const std::string& where) {
    ASSERT_EQ(faults.count(), 1u) << where;
    EXPECT_EQ(faults.count(kind), 1u) << faults.faults()[0].text();
    EXPECT_EQ(faults.faults()[0].where, where);
    faults.clear();
  }
  sim::Iommu iommu;
  sim::FaultLog faults;
  sim::Loopback wire;
  Gadget gadget{iommu, wire, faults};
};

TEST_F(Model, CallsItsHooksAroundEveryRightAccess) {
  EXPECT_EQ(gadget.read(kState), 0x42u);
  gadget.write(kTail + 8, 7);
  EXPECT_EQ(gadget.read(kTail + 8), 7u);
  gadget.write(kCommand, 1);
  const Gadget::Calls expected = {{'p', kState},    {'r', kState},    {'w', kTail + 8},
                                  {'p', kTail + 8}, {'r', kTail + 8}, {'w', kCommand}};
  EXPECT_EQ(gadget.calls, expected);
  EXPECT_EQ(faults.count(), 0u);
}

TEST_F(Model, LetsAFaultedReadHaveNoSideEffect) {
  EXPECT_EQ(gadget.read(kCause, 2), 0u);
  expect_fault(FaultKind::kWidth, "CAUSE");
  EXPECT_EQ(gadget.read(kCause + 1), 0u);
  expect_fault(FaultKind::kWidth, "CAUSE");
  EXPECT_EQ(gadget.read(kCommand), 0u);
  expect_fault(FaultKind::kAccessMode, "COMMAND");
  EXPECT_EQ(gadget.read(0x0C), 0u);
  expect_fault(FaultKind::kUnknownOffset, "0x0000c");
  EXPECT_EQ(gadget.read(0x100), 0u);
  expect_fault(FaultKind::kUnknownOffset, "0xffffffff");
  EXPECT_EQ(gadget.read(0x1'0000'0004), 0u);
  expect_fault(FaultKind::kUnknownOffset, "0xffffffff");
  EXPECT_TRUE(gadget.calls.empty());
  EXPECT_EQ(gadget.read(kCause), 0x0Fu);  // what only a right read clears
  EXPECT_EQ(gadget.read(kCause), 0u);
}

TEST_F(Model, LetsAFaultedWriteHaveNoSideEffect) {
  gadget.write(kTail, 5);
  gadget.calls.clear();
  gadget.write(kTail, 9, 2);
  expect_fault(FaultKind::kWidth, "TAIL[0]");
  gadget.write(kState, 1);
  expect_fault(FaultKind::kAccessMode, "STATE");
  gadget.write(kCause, 1);
  expect_fault(FaultKind::kAccessMode, "CAUSE");
  gadget.write(0x20, 1);
  expect_fault(FaultKind::kUnknownOffset, "0x00020");
  EXPECT_TRUE(gadget.calls.empty());
  EXPECT_EQ(gadget.read(kTail), 5u);
  EXPECT_EQ(gadget.read(kState), 0x42u);
}

TEST_F(Model, ThatIsPulledOutOrNotDecodingAnswersWithAllOnes) {
  gadget.write_config(pci_config::kCommand, 2, 0);
  EXPECT_EQ(gadget.read(kState), ~0u);
  gadget.write(kTail, 3);
  EXPECT_EQ(gadget.read_config(0, 2), 0x1234u);
  gadget.write_config(pci_config::kCommand, 2, pci_config::kCommandMemory);
  EXPECT_EQ(gadget.read(kTail), 0u);
  gadget.remove();
  gadget.calls.clear();
  EXPECT_EQ(gadget.read(kState), ~0u);
  EXPECT_EQ(gadget.read_config(0, 4), ~0u);
  gadget.write(kTail, 3);
  gadget.write_config(pci_config::kCommand, 2, 0);
  EXPECT_FALSE(gadget.step());
  EXPECT_TRUE(gadget.calls.empty());
  EXPECT_EQ(faults.count(), 0u);
}

TEST_F(Model, ForgetsEverythingInAFunctionLevelReset) {
  gadget.write(kTail, 3);
  gadget.function_level_reset();
  EXPECT_EQ(gadget.resets, 1);
  EXPECT_EQ(gadget.read(kTail), ~0u);  // memory decoding is off as well
  gadget.write_config(pci_config::kCommand, 2, pci_config::kCommandMemory);
  EXPECT_EQ(gadget.read(kTail), 0u);
}

TEST_F(Model, LivesByTheClockItIsGiven) {
  EXPECT_TRUE(gadget.step());
  EXPECT_EQ(gadget.seen, 0_ns);
  sim::VirtualClock clock;
  gadget.set_time([&] { return clock.now(); });
  clock.on_advance([&] { (void)gadget.step(); });
  clock.advance(5_us);
  clock.advance(2_us);
  EXPECT_EQ(gadget.seen, 7_us);
}

TEST_F(Model, ReachesMemoryOnlyAsBusMaster) {
  const DmaRegion memory = DmaRegion::allocate(iommu, 4096, PagePreference::kOrdinary);
  EXPECT_EQ(gadget.fetch(memory.bus().value(), 16, "descriptor"), nullptr);
  expect_fault(FaultKind::kDma, "descriptor");
  gadget.write_config(pci_config::kCommand, 2, pci_config::kCommandMemory | pci_config::kCommandBusMaster);
  EXPECT_EQ(gadget.fetch(memory.bus().value() + 4080, 16, "descriptor"), memory.data() + 4080);
  EXPECT_EQ(faults.count(), 0u);
  EXPECT_EQ(gadget.fetch(memory.bus().value() + 4081, 16, "descriptor"), nullptr);
  expect_fault(FaultKind::kDma, "descriptor");
}

// ---- FaultLog -----------------------------------------------------------------------------------------------------

sim::Fault some_fault(std::uint64_t value, const char* section = "7.1") {
  return {.kind = FaultKind::kRing,
          .device = "gadget",
          .where = "TAIL[1]",
          .rule = "outside the ring",
          .section = section,
          .value = value};
}

TEST(FaultLog, CountsAllAndKeepsTheFirst) {
  sim::FaultLog log;
  for (std::uint64_t i = 0; i < 100; ++i) log.report(some_fault(i));
  log.report({.kind = FaultKind::kDma, .device = "gadget", .where = "buffer", .rule = "not mapped", .section = ""});
  EXPECT_EQ(log.count(), 101u);
  EXPECT_EQ(log.count(FaultKind::kRing), 100u);
  EXPECT_EQ(log.count(FaultKind::kDma), 1u);
  const auto kept = log.faults();
  ASSERT_EQ(kept.size(), sim::FaultLog::kKept);
  for (std::uint64_t i = 0; i < kept.size(); ++i) EXPECT_EQ(kept[i].value, i);
  log.clear();
  EXPECT_EQ(log.count(), 0u);
  EXPECT_TRUE(log.faults().empty());
}

TEST(FaultLog, TellsAFaultAsAReaderOfTheSheetWould) {
  EXPECT_EQ(some_fault(513).text(), "gadget: TAIL[1]: outside the ring (value 0x201) [7.1]");
  EXPECT_EQ(some_fault(1, "").text(), "gadget: TAIL[1]: outside the ring (value 0x1)");
}

TEST(FaultLog, RaisesTheFirstOnceAndForgetsAll) {
  sim::FaultLog log;
  EXPECT_NO_THROW(log.raise_if_any());
  log.report(some_fault(513));
  log.report(some_fault(514));
  try {
    log.raise_if_any();
    FAIL() << "no error";
  } catch (const Error& e) {
    EXPECT_EQ(e.code().value(), EPROTO);
    EXPECT_STREQ(e.what(),
                 "cannot accept what the driver did to gadget: TAIL[1]: outside the ring (value 0x201): "
                 "Protocol error; see 7.1");
  }
  EXPECT_NO_THROW(log.raise_if_any());
  EXPECT_EQ(log.count(), 0u);
}

// ---- Iommu --------------------------------------------------------------------------------------------------------

TEST(SimIommu, FindsNothingAcrossTheBorderOfTwoMappings) {
  sim::Iommu iommu;
  std::vector<std::byte> a(4096), b(4096);
  const std::uint64_t at_a = iommu.try_map(a.data(), 4096).value().value();
  const std::uint64_t at_b = iommu.try_map(b.data(), 4096).value().value();
  ASSERT_EQ(at_b, at_a + 4096);  // neighbours on the bus, not in memory
  EXPECT_EQ(iommu.find(at_a + 4095, 1).at(at_a + 4095, 1), a.data() + 4095);
  EXPECT_EQ(iommu.find(at_a + 4095, 2).memory, nullptr);
  EXPECT_EQ(iommu.find(at_b, 4096).at(at_b, 4096), b.data());
  EXPECT_EQ(iommu.find(at_a - 1, 1).memory, nullptr);
  EXPECT_EQ(iommu.find(at_b + 4096, 1).memory, nullptr);
  EXPECT_EQ(iommu.find(~0ull, 16).memory, nullptr);
  EXPECT_EQ(iommu.mappings(), 2u);
}

TEST(SimIommu, IsFullWhenItsAddressesAre) {
  sim::Iommu iommu;
  std::byte memory{};
  const std::size_t all = 0xFFFF'FFFF'F000 - 0x1'0000'0000;
  const auto most = iommu.try_map(&memory, all);
  ASSERT_TRUE(most);
  const auto more = iommu.try_map(&memory, 8192);
  ASSERT_FALSE(more);
  EXPECT_EQ(more.failure().code, ENOSPC);
  EXPECT_NE(more.failure().text().find("simulated IOMMU"), std::string::npos);
  BusAddr at = Result(most).value();
  iommu.unmap(at, all);
  EXPECT_TRUE(iommu.try_map(&memory, 8192));
}

TEST(SimIommu, IsAskedAgainByAnEngineAfterEveryChange) {
  sim::Iommu iommu;
  sim::DmaEngine engine(iommu);
  std::vector<std::byte> a(4096), b(4096), c(4096);
  BusAddr at_a = iommu.try_map(a.data(), 4096).value(), at_b = iommu.try_map(b.data(), 4096).value(),
          at_c = iommu.try_map(c.data(), 4096).value();
  for (int i = 0; i < 3; ++i) {  // more mappings than it remembers
    EXPECT_EQ(engine.at(at_a.value() + 8, 8), a.data() + 8);
    EXPECT_EQ(engine.at(at_b.value() + 8, 8), b.data() + 8);
    EXPECT_EQ(engine.at(at_c.value() + 8, 8), c.data() + 8);
  }
  iommu.unmap(at_c, 4096);
  EXPECT_EQ(engine.at(at_c.value() + 8, 8), nullptr);
  EXPECT_EQ(engine.at(at_a.value() + 8, 8), a.data() + 8);
}

TEST(SimIommu, ADeviceMayCopyMemoryOntoItself) {
  sim::Iommu iommu;
  std::vector<std::byte> a(4096);
  for (std::size_t i = 0; i < a.size(); ++i) a[i] = static_cast<std::byte>(i * 7);
  const std::vector<std::byte> before = a;
  sim::DmaEngine engine(iommu);
  const std::uint64_t at = iommu.try_map(a.data(), a.size()).value().value();
  ASSERT_TRUE(engine.write(at + 3, {engine.read(at, 4000), 4000}));
  EXPECT_TRUE(std::equal(before.begin(), before.begin() + 4000, a.begin() + 3));
  ASSERT_TRUE(engine.write(at, {engine.read(at + 3, 4000), 4000}));
  EXPECT_TRUE(std::equal(before.begin(), before.begin() + 4000, a.begin()));
}

TEST(SimIommu, TakesMappingsAtAddressesOfTheirOwnersChoice) {
  sim::Iommu iommu;
  std::vector<std::byte> a(8192);
  using Mapped = sim::Iommu::Mapped;
  EXPECT_TRUE(iommu.insert({.bus = 0x3000, .bytes = 0x2000, .memory = a.data()}));
  EXPECT_FALSE(iommu.insert({.bus = 0x4000, .bytes = 0x1000, .memory = a.data()}));
  EXPECT_FALSE(iommu.insert({.bus = 0x2000, .bytes = 0x1001, .memory = a.data()}));
  EXPECT_FALSE(iommu.insert({.bus = 0, .bytes = 0x10000, .memory = a.data()}));
  EXPECT_TRUE(iommu.insert({.bus = 0x2000, .bytes = 0x1000, .memory = a.data(), .access = sim::DmaAccess::kRead}));
  EXPECT_TRUE(iommu.insert({.bus = ~std::uint64_t{0} - 0xFFF, .bytes = 0x1000, .memory = a.data()}));
  EXPECT_FALSE(iommu.erase_within(0x2000, 0x3FFF)) << "lies across";
  EXPECT_FALSE(iommu.erase_within(0x4000, 0x8000));
  EXPECT_EQ(iommu.mappings(), 3u);
  sim::DmaEngine engine(iommu);
  EXPECT_EQ(engine.at(0x2FF8, 16, sim::DmaAccess::kRead), nullptr) << "in no one mapping";
  EXPECT_NE(engine.read(0x2FF8, 16), nullptr);
  EXPECT_EQ(engine.read(0x1FF8, 16), nullptr);
  EXPECT_FALSE(engine.write(0x2FF8, std::as_bytes(std::span("0123456789abcde"))));
  EXPECT_EQ(a[0xFF8], std::byte{0}) << "all or nothing";
  EXPECT_EQ(engine.read(~std::uint64_t{0} - 3, 8), nullptr);
  const auto gone = iommu.erase_within(0, 0x4FFF);
  ASSERT_TRUE(gone);
  EXPECT_EQ(gone->size(), 2u);
  EXPECT_EQ(engine.at(0x3000, 8), nullptr);
  EXPECT_EQ(iommu.erase_within(0, ~std::uint64_t{0}).value_or(std::vector<Mapped>{}).size(), 1u);
}

// ---- InterruptLines -----------------------------------------------------------------------------------------------

TEST(InterruptLines, HoldsMessagesBackAndSendsEachOnce) {
  const UniqueFd one(sys::eventfd(0)), two(sys::eventfd(0));
  const auto take = [](const UniqueFd& fd) {
    std::uint64_t n = 0;
    return sys::read(fd.get(), &n, sizeof n) == sizeof n ? n : 0;
  };
  sim::InterruptLines lines;
  lines.set_eventfd(0, one.get());
  lines.set_eventfd(63, two.get());
  lines.hold(std::uint64_t{1} << 63);
  lines.message(0), lines.message(63), lines.message(63);
  EXPECT_EQ(take(one), 1u);
  EXPECT_EQ(take(two), 0u);
  EXPECT_EQ(lines.waiting(), std::uint64_t{1} << 63);
  lines.hold(1);
  EXPECT_EQ(take(two), 1u);
  lines.message(0);
  lines.forget();
  lines.hold(0);
  EXPECT_EQ(take(one), 0u);
  lines.message(0);
  EXPECT_EQ(take(one), 1u);
  lines.set_eventfd(0, -1), lines.set_eventfd(63, -1);
}

// ---- Cable and Loopback -------------------------------------------------------------------------------------------

TEST(Cable, CarriesFramesInOrderBothWays) {
  sim::Cable cable;
  const std::vector<Frame> there{frame(60, 1), frame(1514, 2), frame(61, 3)}, back{frame(64, 4)};
  for (const Frame& f : there) EXPECT_TRUE(cable.a().transmit(f));
  for (const Frame& f : back) EXPECT_TRUE(cable.b().transmit(f));
  EXPECT_EQ(drain(cable.b()), there);
  EXPECT_EQ(drain(cable.a()), back);
  EXPECT_TRUE(drain(cable.a()).empty());
}

TEST(Cable, LosesWhatIsSentWhileItIsPulled) {
  sim::Cable cable;
  EXPECT_TRUE(cable.a().transmit(frame(60, 1)));
  cable.set_link(false);
  EXPECT_FALSE(cable.a().link());
  EXPECT_FALSE(cable.b().link());
  EXPECT_TRUE(cable.a().transmit(frame(60, 2)));
  cable.set_link(true);
  EXPECT_TRUE(cable.a().link());
  EXPECT_TRUE(cable.a().transmit(frame(60, 3)));
  EXPECT_EQ(drain(cable.b()), (std::vector<Frame>{frame(60, 1), frame(60, 3)}));
}

TEST(Cable, TakesNoMoreThanItHoldsAndGoesOnThroughTheWrap) {
  sim::Cable cable;
  std::uint32_t sent = 0, got = 0;
  const auto size_of = [](std::uint32_t n) { return 60 + n * 37 % 1455; };
  for (int round = 0; round < 10; ++round) {
    const std::uint32_t before = sent;
    while (cable.a().transmit(frame(size_of(sent), sent))) ++sent;
    EXPECT_GT(sent, before);
    for (std::uint32_t i = 0; i < 500; ++i, ++got) {
      const auto f = cable.b().front();
      ASSERT_EQ(Frame(f.begin(), f.end()), frame(size_of(got), got));
      cable.b().consume();
    }
  }
  for (const Frame& f : drain(cable.b())) {
    ASSERT_EQ(f, frame(size_of(got), got));
    ++got;
  }
  EXPECT_EQ(got, sent);
  EXPECT_GT(sent, 3000u);
}

TEST(Loopback, GivesBackWhatIsSent) {
  sim::Loopback plug;
  EXPECT_TRUE(plug.link());
  EXPECT_TRUE(plug.front().empty());
  EXPECT_TRUE(plug.transmit(frame(60, 1)));
  EXPECT_TRUE(plug.transmit(frame(99, 2)));
  plug.tick(1_s);  // it has no time
  EXPECT_EQ(drain(plug), (std::vector<Frame>{frame(60, 1), frame(99, 2)}));
}

// ---- FaultInjector ------------------------------------------------------------------------------------------------

/// What arrived of numbered frames.
struct Spoiled {
  std::vector<std::size_t> numbers;  ///< of those that are as they were sent, in order of arrival
  std::size_t damaged = 0;
};
Frame numbered(std::size_t n) {
  Frame out = frame(60 + n % 100, static_cast<unsigned>(n));
  std::memcpy(out.data(), &n, sizeof n);
  return out;
}
Spoiled arrivals(sim::WireEnd& from) {
  Spoiled out;
  for (const Frame& f : drain(from)) {
    std::size_t n = 0;
    std::memcpy(&n, f.data(), sizeof n);
    if (f == numbered(n)) {
      out.numbers.push_back(n);
    } else {
      ++out.damaged;
    }
  }
  return out;
}
constexpr std::size_t kFrames = 2000;
Spoiled spoil(const sim::WireFaults& faults, sim::FaultInjector::Counts& counts, std::uint64_t seed = 1) {
  sim::Cable cable;
  sim::FaultInjector injector(cable.a(), faults, seed);
  for (std::size_t i = 0; i < kFrames; ++i) EXPECT_TRUE(injector.transmit(numbered(i)));
  counts = injector.counts();
  return arrivals(cable.b());
}

TEST(FaultInjector, WithoutFaultsIsAWire) {
  sim::Cable cable;
  sim::FaultInjector injector(cable.a(), {});
  EXPECT_TRUE(injector.link());
  EXPECT_TRUE(injector.transmit(frame(60, 1)));
  EXPECT_TRUE(cable.b().transmit(frame(60, 2)));
  EXPECT_EQ(drain(cable.b()), (std::vector<Frame>{frame(60, 1)}));
  EXPECT_EQ(drain(injector), (std::vector<Frame>{frame(60, 2)}));
  cable.set_link(false);
  EXPECT_FALSE(injector.link());
  EXPECT_TRUE(injector.transmit(frame(60, 3)));  // lost, as on a pulled cable
  cable.set_link(true);
  EXPECT_TRUE(drain(cable.b()).empty());
}

TEST(FaultInjector, DropsAsManyAsItCounts) {
  sim::FaultInjector::Counts counts{};
  const Spoiled got = spoil({.drop = 0.25}, counts);
  EXPECT_NEAR(static_cast<double>(counts.dropped), kFrames / 4.0, 100);
  EXPECT_EQ(got.numbers.size(), kFrames - counts.dropped);
  EXPECT_TRUE(std::is_sorted(got.numbers.begin(), got.numbers.end()));
  EXPECT_EQ(got.damaged, 0u);
}

TEST(FaultInjector, SendsDuplicatesOneAfterTheOther) {
  sim::FaultInjector::Counts counts{};
  const Spoiled got = spoil({.duplicate = 0.25}, counts);
  EXPECT_NEAR(static_cast<double>(counts.duplicated), kFrames / 4.0, 100);
  EXPECT_EQ(got.numbers.size(), kFrames + counts.duplicated);
  EXPECT_TRUE(std::is_sorted(got.numbers.begin(), got.numbers.end()));
  std::size_t twice = 0;
  for (std::size_t i = 1; i < got.numbers.size(); ++i) {
    if (got.numbers[i] == got.numbers[i - 1]) ++twice;
  }
  EXPECT_EQ(twice, counts.duplicated);
}

TEST(FaultInjector, FlipsExactlyOneBit) {
  sim::Cable cable;
  sim::FaultInjector injector(cable.a(), {.corrupt = 1});
  for (unsigned i = 0; i < 500; ++i) ASSERT_TRUE(injector.transmit(frame(64, i)));
  EXPECT_EQ(injector.counts().corrupted, 500u);
  const std::vector<Frame> got = drain(cable.b());
  ASSERT_EQ(got.size(), 500u);
  for (unsigned i = 0; i < 500; ++i) {
    int flipped = 0;
    for (std::size_t k = 0; k < 64; ++k) {
      flipped += __builtin_popcount(std::to_integer<unsigned>(got[i][k] ^ frame(64, i)[k]));
    }
    EXPECT_EQ(flipped, 1);
  }
}

TEST(FaultInjector, LetsAFrameBeOvertakenByTheNext) {
  sim::FaultInjector::Counts counts{};
  const Spoiled got = spoil({.reorder = 0.1}, counts);
  EXPECT_GT(counts.reordered, kFrames / 20);
  std::size_t overtaken = 0;
  for (std::size_t i = 1; i < got.numbers.size(); ++i) {
    if (got.numbers[i] > got.numbers[i - 1]) continue;
    EXPECT_EQ(got.numbers[i] + 1, got.numbers[i - 1]);
    ++overtaken;
  }
  const bool last_is_held = got.numbers.size() < kFrames;
  EXPECT_EQ(overtaken + (last_is_held ? 1 : 0), counts.reordered);
  EXPECT_GE(got.numbers.size(), kFrames - 1);
}

TEST(FaultInjector, DoesTheSameForTheSameSeedOnly) {
  const sim::WireFaults all{.drop = 0.1, .duplicate = 0.1, .corrupt = 0.1, .reorder = 0.1};
  sim::FaultInjector::Counts a{}, b{}, c{};
  const Spoiled first = spoil(all, a, 7), again = spoil(all, b, 7), other = spoil(all, c, 8);
  EXPECT_EQ(first.numbers, again.numbers);
  EXPECT_EQ(first.damaged, again.damaged);
  EXPECT_EQ(a.corrupted, b.corrupted);
  EXPECT_NE(first.numbers, other.numbers);
  EXPECT_GT(first.damaged, 0u);
}

TEST(FaultInjector, DelaysEveryFrameByTheSameTime) {
  sim::Cable cable;
  sim::FaultInjector injector(cable.a(), {.delay = 100_us});
  EXPECT_TRUE(injector.transmit(frame(60, 1)));
  injector.tick(40_us);
  EXPECT_TRUE(injector.transmit(frame(60, 2)));
  injector.tick(99_us);
  EXPECT_TRUE(drain(cable.b()).empty());
  injector.tick(100_us);
  EXPECT_EQ(drain(cable.b()), (std::vector<Frame>{frame(60, 1)}));
  injector.tick(139_us);
  EXPECT_TRUE(drain(cable.b()).empty());
  injector.tick(140_us);
  EXPECT_EQ(drain(cable.b()), (std::vector<Frame>{frame(60, 2)}));
}

TEST(FaultInjector, TakesNoMoreThanItsRate) {
  sim::Cable cable;
  sim::FaultInjector injector(cable.a(), {.bytes_per_second = 1'000'000});  // 1000 bytes a millisecond
  std::size_t taken = 0;
  for (std::int64_t us = 0; us < 100'000; us += 50) {
    injector.tick({us * 1000});
    if (injector.transmit(frame(1000))) ++taken;
  }
  EXPECT_EQ(taken, 100u);
  EXPECT_EQ(drain(cable.b()).size(), 100u);
}

TEST(FaultInjector, FlapsItsLinkByTheClock) {
  sim::Cable cable;
  sim::FaultInjector injector(cable.a(), {.flap_every = 10_ms, .flap_for = 3_ms});
  for (std::int64_t ms = 0; ms < 40; ++ms) {
    injector.tick({ms * 1'000'000});
    EXPECT_EQ(injector.link(), ms % 10 < 7) << ms;
    EXPECT_TRUE(injector.transmit(frame(60)));
  }
  EXPECT_EQ(drain(cable.b()).size(), 28u);
}

TEST(FaultInjector, KeepsWhatTheWireDoesNotTakeYet) {
  sim::Cable cable;
  std::size_t filler = 0;
  while (cable.a().transmit(frame(1500))) ++filler;
  sim::FaultInjector injector(cable.a(), {});
  EXPECT_TRUE(injector.transmit(frame(1500, 1)));
  EXPECT_EQ(drain(cable.b()).size(), filler);
  injector.tick(1_us);
  EXPECT_EQ(drain(cable.b()), (std::vector<Frame>{frame(1500, 1)}));
}

}  // namespace

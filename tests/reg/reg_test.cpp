// SPDX-License-Identifier: BSD-3-Clause
// Tests of reg: fields, verbs and their MMIO cost, arrays in runs, pairs, doorbell, waiting, dumps; on registers of its
// own, not a driver's.
#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <pollux/reg/bar.hpp>
#include <pollux/reg/dump.hpp>
#include <pollux/reg/wait.hpp>

// ---- The device of this test --------------------------------------------------------------------------------------

namespace toy {

using namespace pollux::reg;

enum class Mode : std::uint8_t { kOff = 0, kSlow = 1, kFast = 5 };

struct Ctl : Register<Ctl, Access::kReadWrite, Run{.offset = 0x0000}> {
  static constexpr const char* kName = "CTL";
  static constexpr std::uint32_t kReset = 0x0000'0102;
  static constexpr Field<Ctl, 0, 0, bool> on{};
  static constexpr Field<Ctl, 7, 4, Mode> mode{};
  static constexpr Field<Ctl, 15, 8> count{};
  static constexpr Field<Ctl, 31, 31, bool> top{};
  POLLUX_FIELDS(on, mode, count, top);
};
struct Whole : Register<Whole, Access::kReadWrite, Run{.offset = 0x0004}> {
  static constexpr const char* kName = "WHOLE";
  static constexpr Field<Whole, 31, 0> bits{};
  POLLUX_FIELDS(bits);
};
struct Sta : Register<Sta, Access::kReadOnly, Run{.offset = 0x0008}> {
  static constexpr const char* kName = "STA";
  static constexpr Field<Sta, 3, 3, bool> ready{};
  static constexpr Field<Sta, 9, 8> speed{};
  POLLUX_FIELDS(ready, speed);
};
struct Cmd : Register<Cmd, Access::kWriteOnly, Run{.offset = 0x000C}> {
  static constexpr const char* kName = "CMD";
  static constexpr Field<Cmd, 31, 0> code{};
  POLLUX_FIELDS(code);
};
struct Event : Register<Event, Access::kWriteOneToClear, Run{.offset = 0x0010}> {
  static constexpr const char* kName = "EVENT";
  static constexpr Field<Event, 0, 0, bool> a{};
  static constexpr Field<Event, 1, 1, bool> b{};
  POLLUX_FIELDS(a, b);
};
struct Cause : Register<Cause, Access::kReadClearWriteOneToClear, Run{.offset = 0x0014}> {
  static constexpr const char* kName = "CAUSE";
  static constexpr Field<Cause, 2, 2, bool> link{};
  POLLUX_FIELDS(link);
};
struct Go : Register<Go, Access::kReadWriteSelfClear, Run{.offset = 0x0018}> {
  static constexpr const char* kName = "GO";
  static constexpr Field<Go, 0, 0, bool> start{};
  static constexpr Field<Go, 1, 1, bool> keep{};
  POLLUX_FIELDS(start, keep);
};
struct OctetsLow : Register<OctetsLow, Access::kReadClear, Run{.offset = 0x0020}> {
  static constexpr const char* kName = "OCTETS_LOW";
  static constexpr Field<OctetsLow, 31, 0> count{};
  POLLUX_FIELDS(count);
};
struct OctetsHigh : Register<OctetsHigh, Access::kReadClear, Run{.offset = 0x0024}> {
  static constexpr const char* kName = "OCTETS_HIGH";
  static constexpr Field<OctetsHigh, 3, 0> count{};
  POLLUX_FIELDS(count);
};
/// Two runs, the second below the first, as 82599 queues lie.
struct Tail : Register<Tail, Access::kReadWrite, Run{.offset = 0x6018, .count = 64, .stride = 0x40},
                       Run{.offset = 0x1018, .count = 64, .stride = 0x40}> {
  static constexpr const char* kName = "TAIL";
  static constexpr Field<Tail, 15, 0> tail{};
  POLLUX_FIELDS(tail);
};
struct Three : Register<Three, Access::kReadWrite, Run{.offset = 0x100, .count = 1}, Run{.offset = 0x200, .count = 2},
                        Run{.offset = 0x300, .count = 3, .stride = 8}> {
  static constexpr const char* kName = "THREE";
  static constexpr Field<Three, 7, 0> low{};
  POLLUX_FIELDS(low);
};
struct BaseLow : Register<BaseLow, Access::kReadWrite, Run{.offset = 0x400, .count = 2, .stride = 0x40}> {
  static constexpr const char* kName = "BASE_LOW";
  static constexpr Field<BaseLow, 31, 4> base{};
  POLLUX_FIELDS(base);
};
struct BaseHigh : Register<BaseHigh, Access::kReadWrite, Run{.offset = 0x404, .count = 2, .stride = 0x40}> {
  static constexpr const char* kName = "BASE_HIGH";
  static constexpr Field<BaseHigh, 31, 0> base{};
  POLLUX_FIELDS(base);
};
static_assert(AnyRegister<Ctl> && AnyRegister<Tail>);

}  // namespace toy

namespace {

using namespace pollux;
using namespace pollux::reg;
using namespace toy;

/// Registers that count their accesses and keep them in order.
struct Window {
  struct Access {
    char kind;
    std::uint32_t offset;
    std::uint32_t value;
    friend bool operator==(const Access&, const Access&) = default;
  };
  std::map<std::uint32_t, std::uint32_t> at;
  std::vector<Access> log;
  std::function<void(std::uint32_t)> before_read = [](std::uint32_t) {};

  [[nodiscard]] std::pair<int, int> reads_writes() const {
    int reads = 0, writes = 0;
    for (const Access& a : log) ++(a.kind == 'r' ? reads : writes);
    return {reads, writes};
  }
};
struct CountingIo {
  Window* window;
  [[nodiscard]] std::uint32_t read32(std::uint32_t offset) const noexcept {
    window->before_read(offset);
    const std::uint32_t value = window->at[offset];
    window->log.push_back({'r', offset, value});
    return value;
  }
  void write32(std::uint32_t offset, std::uint32_t value) const noexcept {
    window->at[offset] = value;
    window->log.push_back({'w', offset, value});
  }
};
static_assert(RegisterIo<CountingIo>);

class Registers : public ::testing::Test {
 protected:
  Window window;
  Bar<CountingIo> bar{CountingIo{&window}};
  using Cost = std::pair<int, int>;  ///< MMIO reads, writes
};

// ---- Fields -------------------------------------------------------------------------------------------------------

TEST(Fields, AreExtractedTyped) {
  constexpr Value<Ctl> v{0x8000'2A51};
  static_assert(v[Ctl::on] && v[Ctl::top] && v[Ctl::mode] == Mode::kFast && v[Ctl::count] == 0x2A);
  static_assert(std::is_same_v<decltype(v[Ctl::on]), bool> && std::is_same_v<decltype(v[Ctl::mode]), Mode>);
  EXPECT_EQ(Value<Whole>{0xFFFF'FFFF}[Whole::bits], 0xFFFF'FFFFu);
  EXPECT_FALSE(Value<Ctl>{0x7FFF'FFFE}[Ctl::on]);
  EXPECT_FALSE(Value<Ctl>{0x7FFF'FFFE}[Ctl::top]);
}

TEST(Fields, AreAssignedAtTheirPlace) {
  constexpr auto a = Ctl::mode(Mode::kFast) | Ctl::count(0xFF) | Ctl::top(true);
  static_assert(a.bits == 0x8000'FF50 && a.mask == 0x8000'FFF0);
  EXPECT_EQ(Whole::bits(0xFFFF'FFFF).bits, 0xFFFF'FFFFu);
  EXPECT_EQ(Whole::bits(0).mask, 0xFFFF'FFFFu);
  for (std::uint32_t n = 0; n < 256; ++n) {
    EXPECT_EQ(Ctl::count.from(n).bits, n << 8);
    EXPECT_EQ(Ctl::count.from(n).mask, 0xFF00u);
  }
}

TEST(Fields, ApplyToASnapshotWithoutTouchingTheOthers) {
  constexpr Value<Ctl> before{0xFFFF'FFFF};
  static_assert((Ctl::count(1) | Ctl::on(false)).applied_to(before).bits == 0xFFFF'01FE);
  for (unsigned bit = 0; bit < 32; ++bit) {
    const Value<Ctl> v{1u << bit};
    const std::uint32_t expected = (v.bits & ~Ctl::mode.kMask) | 0x50;
    EXPECT_EQ(Ctl::mode(Mode::kFast).applied_to(v).bits, expected);
  }
}

TEST(Fields, ExistAsData) {
  constexpr auto& table = Ctl::kFields;
  static_assert(std::size(table.entry) == 4);
  static_assert(table.entry[0].name == "on" && table.entry[0].hi == 0 && table.entry[0].lo == 0);
  static_assert(table.entry[1].name == "mode" && table.entry[1].hi == 7 && table.entry[1].lo == 4);
  static_assert(table.entry[2].name == "count" && table.entry[2].hi == 15 && table.entry[2].lo == 8);
  static_assert(table.entry[3].name == "top" && table.entry[3].hi == 31 && table.entry[3].lo == 31);
  EXPECT_EQ(table.mask, 0x8000'FFF1u);
  EXPECT_EQ(Whole::kFields.mask, 0xFFFF'FFFFu);
  EXPECT_EQ(table.end() - table.begin(), 4);
}

TEST(RegistersOfAList, AreVisitedInOrder) {
  std::string names;
  for_each_register(RegisterList<Sta, Ctl, Tail>{},
                    [&]<class R>(std::type_identity<R>) { names += std::string(R::kName) + " "; });
  EXPECT_EQ(names, "STA CTL TAIL ");
}

// ---- Arrays -------------------------------------------------------------------------------------------------------

TEST(Arrays, OfTwoRunsChangeRunAtTheBorder) {
  static_assert(Tail::kCount == 128 && RegisterArray<Tail> && !RegisterArray<Ctl>);
  static_assert(Tail::offset(Index{0}) == 0x6018 && Tail::offset(Index{63}) == 0x6018 + 63 * 0x40);
  static_assert(Tail::offset(Index{64}) == 0x1018 && Tail::offset(Index{127}) == 0x1018 + 63 * 0x40);
  EXPECT_EQ(Tail::offset(Index{65}), 0x1058u);
}

TEST(Arrays, OfThreeRunsOfDifferentLengthHaveEveryElementAtItsPlace) {
  const std::uint32_t expected[] = {0x100, 0x200, 0x204, 0x300, 0x308, 0x310};
  static_assert(Three::kCount == std::size(expected));
  for (std::uint32_t i = 0; i < Three::kCount; ++i) EXPECT_EQ(Three::offset(Index{i}), expected[i]) << i;
}

#ifndef NDEBUG
TEST(ArraysDeathTest, RefuseAnElementThatIsNotThere) {
  std::uint32_t n = 128;
  EXPECT_DEATH((void)Tail::offset(Index{n}), "no such element");
  n = 6;
  EXPECT_DEATH((void)Three::offset(Index{n}), "no such element");
}

TEST(FieldsDeathTest, RefuseARunTimeValueThatDoesNotFit) {
  std::uint32_t n = 256;
  EXPECT_DEATH((void)Ctl::count.from(n), "value does not fit the field");
}
#endif

// ---- Verbs and what they cost -------------------------------------------------------------------------------------

TEST_F(Registers, ReadIsOneRead) {
  window.at[0x8] = 0x208;
  const auto v = bar.read<Sta>();
  EXPECT_TRUE(v[Sta::ready]);
  EXPECT_EQ(v[Sta::speed], 2u);
  EXPECT_EQ(window.reads_writes(), Cost(1, 0));
}

TEST_F(Registers, WriteIsOneWriteWithEveryOtherBitZero) {
  window.at[0x0] = 0xFFFF'FFFF;
  bar.write(Ctl::count(3) | Ctl::on(true));
  EXPECT_EQ(window.at[0x0], 0x0000'0301u);
  bar.write(Cmd::code(0xDEAD'BEEF));
  EXPECT_EQ(window.at[0xC], 0xDEAD'BEEFu);
  EXPECT_EQ(window.reads_writes(), Cost(0, 2));
}

TEST_F(Registers, WriteOfASnapshotIsOneWriteOfAllItsBits) {
  bar.write(Value<Ctl>{0x1234'5678});
  bar.write(Index{64}, Value<Tail>{0xABCD});
  EXPECT_EQ(window.at[0x0], 0x1234'5678u);
  EXPECT_EQ(window.at[0x1018], 0xABCDu);
  EXPECT_EQ(window.reads_writes(), Cost(0, 2));
}

TEST_F(Registers, ModifyIsOneReadAndOneWriteAndKeepsEveryOtherBit) {
  window.at[0x0] = 0x7FFF'FF0F;
  bar.modify(Ctl::mode(Mode::kSlow) | Ctl::on(false));
  EXPECT_EQ(window.at[0x0], 0x7FFF'FF1Eu);
  EXPECT_EQ(window.reads_writes(), Cost(1, 1));
  window.at[0x18] = 0x2;
  bar.modify(Go::start(true));
  EXPECT_EQ(window.at[0x18], 0x3u);
  EXPECT_EQ(window.reads_writes(), Cost(2, 2));
}

TEST_F(Registers, OfAnArrayAreReachedByIndex) {
  bar.write(Index{63}, Tail::tail(7));
  bar.write(Index{64}, Tail::tail(9));
  bar.modify(Index{64}, Tail::tail(8));
  EXPECT_EQ(bar.read<Tail>(Index{63})[Tail::tail], 7u);
  const std::vector<Window::Access> expected{
      {'w', 0x6FD8, 7}, {'w', 0x1018, 9}, {'r', 0x1018, 9}, {'w', 0x1018, 8}, {'r', 0x6FD8, 7}};
  EXPECT_EQ(window.log, expected);
}

TEST_F(Registers, ClearW1cWritesOnesForTheBitsNamedAlone) {
  window.at[0x10] = 0x3;
  bar.clear_w1c(Event::b(true));
  bar.clear_w1c(Cause::link(true));
  EXPECT_EQ(window.log, (std::vector<Window::Access>{{'w', 0x10, 0x2}, {'w', 0x14, 0x4}}));
}

TEST_F(Registers, ReadPairReadsLowThenHigh) {
  window.at[0x20] = 0xFFFF'FFFE;
  window.at[0x24] = 0x5;
  EXPECT_EQ((bar.read_pair<OctetsLow, OctetsHigh>()), 0x5'FFFF'FFFEull);
  EXPECT_EQ(window.log, (std::vector<Window::Access>{{'r', 0x20, 0xFFFF'FFFE}, {'r', 0x24, 0x5}}));
}

TEST_F(Registers, WritePairIsTwoWrites) {
  bar.write_pair<BaseLow, BaseHigh>(Index{1}, 0x0000'0012'3456'7890);
  EXPECT_EQ(window.log, (std::vector<Window::Access>{{'w', 0x440, 0x3456'7890}, {'w', 0x444, 0x12}}));
}

TEST_F(Registers, DoorbellRingsWithOneWriteAndNoRead) {
  const Doorbell<Tail, CountingIo> last(bar, Index{127});
  const Doorbell<Tail, CountingIo> border(bar, Index{64});
  EXPECT_EQ(window.reads_writes(), Cost(0, 0));
  last.ring(511);
  border.ring(0);
  EXPECT_EQ(window.log, (std::vector<Window::Access>{{'w', 0x1FD8, 511}, {'w', 0x1018, 0}}));
}

TEST(MmioWindow, HoldsRegistersLittleEndian) {
  alignas(4) std::array<std::byte, 64> memory{};
  const Bar<Mmio> bar{Mmio(memory.data(), memory.size())};
  bar.write(Whole::bits(0x1122'3344));
  const std::array<unsigned char, 4> expected{0x44, 0x33, 0x22, 0x11};
  EXPECT_EQ(std::memcmp(memory.data() + 4, expected.data(), 4), 0);
  EXPECT_EQ(memory[3], std::byte{0});
  EXPECT_EQ(memory[8], std::byte{0});
  memory[8] = std::byte{0x08};
  EXPECT_TRUE(bar.read<Sta>()[Sta::ready]);
  EXPECT_EQ(bar.io().size(), 64u);
}

#ifndef NDEBUG
TEST(MmioWindowDeathTest, RefusesAnOffsetOutsideTheBar) {
  alignas(4) std::array<std::byte, 8> memory{};
  const Mmio io(memory.data(), memory.size());
  io.write32(4, 1);
  EXPECT_DEATH((void)io.read32(8), "outside the BAR");
  EXPECT_DEATH((void)io.read32(2), "outside the BAR");
}
#endif

// ---- Waiting ------------------------------------------------------------------------------------------------------

/// A clock that moves when it is told to, and whenever somebody waits.
struct ManualClock {
  Nanos time{};
  Nanos late{};  ///< how much later than asked every pause ends
  std::uint32_t pauses = 0;
  [[nodiscard]] Nanos now() const noexcept { return time; }
  void pause(Nanos span) noexcept { time = time + span + late, ++pauses; }
};
static_assert(Clock<ManualClock>);

class Waiting : public Registers {
 protected:
  Device<CountingIo, ManualClock> device{.bar = bar, .clock = {.time = 7_s}, .name = "test 0000:03:00.0"};
  [[nodiscard]] Nanos waited() const { return device.clock.time - 7_s; }
  void ready_at_look(int n) {
    window.before_read = [this, n](std::uint32_t) {
      if (window.reads_writes().first == n - 1) window.at[0x8] = 0x8;
    };
  }
};
constexpr auto is_ready = [](Value<Sta> v) { return v[Sta::ready]; };

TEST_F(Waiting, EndsAtTheFirstLookWhenTheConditionHolds) {
  ready_at_look(1);
  wait_until<Sta>(device, {.limit = 100_us}, "start", is_ready);
  EXPECT_EQ(waited(), 0_ns);
  EXPECT_EQ(window.reads_writes(), Cost(1, 0));
}

TEST_F(Waiting, LooksOncePerStep) {
  ready_at_look(4);
  wait_until<Sta>(device, {.limit = 100_us, .step = 10_us}, "start", is_ready);
  EXPECT_EQ(waited(), 30_us);
  EXPECT_EQ(window.reads_writes(), Cost(4, 0));
}

TEST_F(Waiting, GivesUpAtTheDeadlineAfterALastLook) {
  EXPECT_THROW(wait_until<Sta>(device, {.limit = 100_us, .step = 10_us}, "start", is_ready), Error);
  EXPECT_EQ(waited(), 100_us);
  EXPECT_EQ(window.reads_writes(), Cost(11, 0));  // at 0, 10, .. 90 us and once more at the end
}

TEST_F(Waiting, EndsAtTheDeadlineWhenItsLastStepWouldPassIt) {
  EXPECT_THROW(wait_until<Sta>(device, {.limit = 25_us, .step = 10_us}, "start", is_ready), Error);
  EXPECT_EQ(waited(), 25_us);
  EXPECT_EQ(window.reads_writes(), Cost(4, 0));  // at 0, 10, 20 and 25 us
  EXPECT_THROW(wait_until<Sta>(device, {.limit = 25_us, .step = 1_s}, "start", is_ready), Error);
  EXPECT_EQ(waited(), 50_us);
}

TEST_F(Waiting, WithoutALimitLooksExactlyOnce) {
  EXPECT_THROW(wait_until<Sta>(device, {.limit = 0_ns}, "start", is_ready), Error);
  EXPECT_EQ(window.reads_writes(), Cost(1, 0));
  window.at[0x8] = 0x8;
  EXPECT_NO_THROW(wait_until<Sta>(device, {.limit = 0_ns}, "start", is_ready));
  EXPECT_EQ(waited(), 0_ns);
}

TEST_F(Waiting, BelievesTheLastLookWhenTheCallerWasDescheduled) {
  device.clock.late = 1_s;
  ready_at_look(2);
  EXPECT_NO_THROW(wait_until<Sta>(device, {.limit = 100_us, .step = 10_us}, "start", is_ready));
  EXPECT_GT(waited(), 1_s);
}

TEST_F(Waiting, SaysWhatStoodStillOnWhichDevice) {
  window.at[0x8] = 0x204;
  try {
    wait_until<Sta>(device, {.limit = 20_ms, .step = 1_ms}, "start the receiver of", is_ready);
    FAIL() << "no error";
  } catch (const Error& e) {
    EXPECT_EQ(e.code().value(), ETIMEDOUT);
    EXPECT_STREQ(e.what(),
                 "cannot start the receiver of test 0000:03:00.0: STA still reads 0x00000204 after 20000 us: "
                 "Connection timed out");
  }
}

TEST_F(Waiting, SaysWhatAllOnesMean) {
  window.at[0x8] = 0xFFFF'FFFF;
  try {
    wait_until<Sta>(device, {.limit = 10_us}, "start", [](auto) { return false; });
    FAIL() << "no error";
  } catch (const Error& e) {
    EXPECT_EQ(e.failure().remedy, "all ones: the device is gone or its memory decoding is off");
    EXPECT_NE(std::string(e.what()).find("STA still reads 0xffffffff"), std::string::npos);
  }
}

TEST_F(Waiting, IsNotForADeviceThatIsGone) {
  window.at[0x8] = 0x8;
  EXPECT_FALSE(is_gone<Sta>(device));
  EXPECT_NO_THROW(check_presence<Sta>(device));
  EXPECT_EQ(window.reads_writes(), Cost(2, 0));
  window.at[0x8] = 0xFFFF'FFFF;
  EXPECT_TRUE(is_gone<Sta>(device));
  try {
    check_presence<Sta>(device);
    FAIL() << "no error";
  } catch (const Error& e) {
    EXPECT_EQ(e.code().value(), ENODEV);
    EXPECT_STREQ(e.what(),
                 "cannot bring up test 0000:03:00.0: STA reads all ones: No such device; "
                 "the device is gone or its memory decoding is off");
  }
}

TEST_F(Waiting, IsNotForADeviceWhoseRegistersAllReadZeroThoughOneNeverDoes) {
  EXPECT_FALSE(is_gone<Sta>(device)) << "zero alone may be a state";
  EXPECT_EQ(window.reads_writes(), Cost(1, 0));
  const auto gone = [&] { return is_gone<Sta, Ctl, Whole>(device); };
  EXPECT_TRUE(gone());
  EXPECT_EQ(window.reads_writes(), Cost(4, 0));
  window.at[0x0] = 0x1;
  EXPECT_FALSE(gone());
  window.at = {{0x8, 0x8}};
  window.log.clear();
  EXPECT_FALSE(gone());
  EXPECT_EQ(window.reads_writes(), Cost(1, 0)) << "one that answers is looked at once";
  window.at.clear();
  device.address = "0000:03:00.0";
  try {
    check_presence<Sta, Ctl>(device);
    FAIL() << "no error";
  } catch (const Error& e) {
    EXPECT_EQ(e.code().value(), ENODEV);
    EXPECT_STREQ(e.what(),
                 "cannot bring up test 0000:03:00.0: STA and CTL read 0: No such device; the device is gone (lspci -s "
                 "0000:03:00.0), or its memory decoding is off: open it again, which turns that on, or as root: setpci "
                 "-s 0000:03:00.0 COMMAND=2:2");
  }
}

TEST_F(Waiting, WorksOnAnElementOfAnArray) {
  window.at[0x1018] = 5;
  wait_until<Tail>(device, Index{64}, {.limit = 10_us}, "wait", [](auto v) { return v[Tail::tail] == 5; });
  EXPECT_EQ(window.log, (std::vector<Window::Access>{{'r', 0x1018, 5}}));
  EXPECT_THROW(wait_until<Tail>(device, Index{63}, {.limit = 10_us}, "wait", [](auto v) { return v[Tail::tail] == 5; }),
               Error);
}

TEST(TryWaitUntil, TellsWhetherItCameTrue) {
  ManualClock clock;
  int looks = 0;
  EXPECT_TRUE(try_wait_until(clock, {.limit = 10_us, .step = 1_us}, [&] { return ++looks == 3; }));
  EXPECT_EQ(looks, 3);
  EXPECT_FALSE(try_wait_until(clock, {.limit = 10_us, .step = 1_us}, [&] { return ++looks, false; }));
  EXPECT_EQ(looks, 3 + 11);
}

// ---- Dump ---------------------------------------------------------------------------------------------------------

TEST(Dump, ShowsEveryFieldOfARegister) {
  EXPECT_EQ(to_text(Value<Ctl>{0x8000'2A51}), "CTL        0x80002a51 on=0x1 mode=0x5 count=0x2a top=0x1");
  EXPECT_EQ(to_text(Value<Whole>{0xFFFF'FFFF}), "WHOLE      0xffffffff bits=0xffffffff");
}

TEST_F(Registers, AreDumpedWithoutTouchingThoseThatAReadWouldChange) {
  window.at = {{0x0, 0x101}, {0x8, 0x8}, {0x10, 0x2}, {0x18, 0x2}};
  EXPECT_EQ(dump(bar, RegisterList<Ctl, Sta, Cmd, Event, Cause, Go, OctetsLow>{}),
            "CTL        0x00000101 on=0x1 mode=0x0 count=0x1 top=0x0\n"
            "STA        0x00000008 ready=0x1 speed=0x0\n"
            "CMD        (not read: write only)\n"
            "EVENT      0x00000002 a=0x0 b=0x1\n"
            "CAUSE      (not read: a read clears it)\n"
            "GO         0x00000002 start=0x0 keep=0x1\n"
            "OCTETS_LOW (not read: a read clears it)\n");
  EXPECT_EQ(window.reads_writes(), Cost(4, 0));
  for (const auto& access : window.log) EXPECT_TRUE(access.offset != 0x14 && access.offset != 0x20);
}

TEST_F(Registers, OfAnArrayAreDumpedWhenTheyAreNotZero) {
  window.at = {{0x200, 0x11}, {0x310, 0x22}};
  EXPECT_EQ(dump(bar, RegisterList<Three>{}),
            "[1] THREE      0x00000011 low=0x11\n"
            "[5] THREE      0x00000022 low=0x22\n");
  EXPECT_EQ(window.reads_writes(), Cost(6, 0));
}

}  // namespace

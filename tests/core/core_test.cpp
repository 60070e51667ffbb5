// SPDX-License-Identifier: BSD-3-Clause
// Tests of core: byte order, text, errors, file descriptors, files, mappings, time, the one-load hand-off.
#include <cerrno>

#include "../real_calls.hpp"

// The library's seam to the kernel: real calls, but the next read or write can be interrupted or cut short.
namespace seam {
using namespace real_calls;
inline int interrupted_reads = 0;
inline bool short_write = false;
inline ssize_t read(int fd, void* to, std::size_t n) noexcept {
  if (interrupted_reads > 0) return --interrupted_reads, errno = EINTR, -1;
  return ::read(fd, to, n);
}
inline ssize_t write(int fd, const void* from, std::size_t n) noexcept {
  return ::write(fd, from, short_write ? 1 : n);
}
}  // namespace seam
#define POLLUX_SYSCALL(name) ::seam::name

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

#include <pollux/core/address.hpp>
#include <pollux/core/clock.hpp>
#include <pollux/core/endian.hpp>
#include <pollux/core/error.hpp>
#include <pollux/core/file.hpp>
#include <pollux/core/mapping.hpp>
#include <pollux/core/order.hpp>
#include <pollux/core/sort.hpp>
#include <pollux/core/text.hpp>
#include <pollux/core/unique_fd.hpp>

namespace {

using namespace pollux;

// ---- endian -------------------------------------------------------------------------------------------------------

template <class T>
constexpr auto image(const T& value) {
  return std::bit_cast<std::array<std::uint8_t, sizeof(T)>>(value);
}
template <std::size_t N>
using Bytes = std::array<std::uint8_t, N>;

TEST(Endian, LittleEndianValuesLieLowByteFirst) {
  EXPECT_EQ(image(Le16{0x1122}), (Bytes<2>{0x22, 0x11}));
  EXPECT_EQ(image(Le32{0x11223344}), (Bytes<4>{0x44, 0x33, 0x22, 0x11}));
  EXPECT_EQ(image(Le64{0x1122334455667788}), (Bytes<8>{0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11}));
}

TEST(Endian, BigEndianValuesLieHighByteFirst) {
  EXPECT_EQ(image(Be16{0x1122}), (Bytes<2>{0x11, 0x22}));
  EXPECT_EQ(image(Be32{0x11223344}), (Bytes<4>{0x11, 0x22, 0x33, 0x44}));
  EXPECT_EQ(image(Be64{0x1122334455667788}), (Bytes<8>{0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88}));
}

template <class>
struct PlainOf;
template <class T, std::endian Order>
struct PlainOf<Ordered<T, Order>> {
  using type = T;
};
template <class T>
class EveryOrdered : public ::testing::Test {};
using AllOrdered = ::testing::Types<Le16, Le32, Le64, Be16, Be32, Be64>;
TYPED_TEST_SUITE(EveryOrdered, AllOrdered);

TYPED_TEST(EveryOrdered, GivesBackWhatWasPutIn) {
  using Plain = typename PlainOf<TypeParam>::type;
  for (unsigned bit = 0; bit < sizeof(Plain) * 8; ++bit) {
    const auto value = static_cast<Plain>(Plain{1} << bit);
    TypeParam stored = 0;
    stored = value;
    EXPECT_EQ(static_cast<Plain>(stored), value);
    EXPECT_EQ(image(stored), image(TypeParam{value}));
  }
}

TYPED_TEST(EveryOrdered, LiesInMemoryAsItsPlainInteger) {
  EXPECT_TRUE(std::is_trivially_copyable_v<TypeParam>);
  EXPECT_TRUE(std::is_standard_layout_v<TypeParam>);
  EXPECT_TRUE(std::is_trivially_default_constructible_v<TypeParam>);
  EXPECT_EQ(alignof(TypeParam), sizeof(TypeParam));
}

TEST(Endian, AStructOfOrderedValuesHasNoPaddingOfItsOwn) {
  struct Descriptor {
    Le64 address;
    Le32 command;
    Le16 length;
    Be16 tag;
  };
  static_assert(sizeof(Descriptor) == 16);
  EXPECT_EQ(offsetof(Descriptor, command), 8u);
  EXPECT_EQ(offsetof(Descriptor, tag), 14u);
  const Descriptor d{.address = 1, .command = 2, .length = 3, .tag = 4};
  EXPECT_EQ(image(d), (Bytes<16>{1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 4}));
}

// ---- text ---------------------------------------------------------------------------------------------------------

TEST(Text, HexPadsToTheDigitsAskedForAndNeverCuts) {
  EXPECT_EQ(text::hex(0), "0x0");
  EXPECT_EQ(text::hex(0xABC), "0xabc");
  EXPECT_EQ(text::hex(0xABC, 8), "0x00000abc");
  EXPECT_EQ(text::hex(0x12345, 2), "0x12345");
  EXPECT_EQ(text::hex(~0ull, 4), "0xffffffffffffffff");
}

TEST(Text, CatJoinsStringsAndIntegers) {
  EXPECT_EQ(text::cat(""), "");
  EXPECT_EQ(text::cat("a", 1, std::string("b"), std::string_view("c"), -2, ~0ull), "a1bc-218446744073709551615");
}

TEST(Text, CatTakesCharactersAndTheEndsOfTheIntegers) {
  EXPECT_EQ(text::cat('x', std::numeric_limits<std::int64_t>::min(), ' ', std::int8_t{-1}, ' ', std::uint16_t{65535}),
            "x-9223372036854775808 -1 65535");
}

TEST(Text, NumbersAreNothingButDigitsThatFit) {
  EXPECT_EQ(text::try_number("0", 10), 0u);
  EXPECT_EQ(text::try_number("4294967295", 10), 0xFFFF'FFFFu);
  EXPECT_EQ(text::try_number("00fFFffFFf", 16), 0xFFFF'FFFFu);
  EXPECT_EQ(text::try_number("1fFFffFFff", 16), std::nullopt);
  EXPECT_EQ(text::try_number("00fFFffFF", 16), 0x0FFF'FFFFu);
  for (const char* none : {"", " 1", "1 ", "-1", "+1", "0x1", "1g", "G", "@", "`"}) {
    EXPECT_EQ(text::try_number(none, 16), std::nullopt) << none;
  }
  EXPECT_EQ(text::try_number("a", 10), std::nullopt);
  EXPECT_EQ(text::try_number("4294967296", 10), std::nullopt);
}

TEST(Sort, OrdersAnyNumberOfThings) {
  std::mt19937 random(1);
  for (std::size_t n : {0u, 1u, 2u, 3u, 10u, 57u, 1000u, 20'000u, 100'000u}) {
    std::vector<std::uint32_t> items(n);
    for (auto& item : items) item = static_cast<std::uint32_t>(random() % (n + 1));
    std::vector<std::uint32_t> expected = items;
    std::sort(expected.begin(), expected.end());
    sort(items, [](std::uint32_t a, std::uint32_t b) { return a < b; });
    EXPECT_EQ(items, expected) << n;
  }
  std::vector<std::string> names = {"0000:02:00.0", "b", "", "a"};
  sort(names, [](const auto& a, const auto& b) { return a > b; });
  EXPECT_EQ(names, (std::vector<std::string>{"b", "a", "0000:02:00.0", ""}));
}

TEST(Text, TrimTakesWhiteSpaceAndNulOffBothEndsOnly) {
  EXPECT_EQ(text::trim(" \t\r\nvfio-pci \n"), "vfio-pci");
  EXPECT_EQ(text::trim(std::string_view("0x8086\n\0\0", 9)), "0x8086");
  EXPECT_EQ(text::trim("a b"), "a b");
  EXPECT_EQ(text::trim("x"), "x");
  EXPECT_EQ(text::trim(std::string_view("\n \0", 3)), "");
  EXPECT_EQ(text::trim(""), "");
}

// ---- error --------------------------------------------------------------------------------------------------------

TEST(Failure, TextHasItsFivePartsInOrder) {
  const Failure all{.code = ENOENT, .operation = "open", .object = "/x", .where = "IOMMU group", .remedy = "load vfio"};
  EXPECT_EQ(all.text(), "cannot open /x: IOMMU group: No such file or directory; load vfio");
}

TEST(Failure, TextLeavesOutWhatIsEmpty) {
  EXPECT_EQ((Failure{.code = 0, .operation = "reset", .object = "", .where = "", .remedy = ""}.text()), "cannot reset");
  EXPECT_EQ((Failure{.code = 0, .operation = "reset", .object = "x", .where = "CTRL", .remedy = ""}.text()),
            "cannot reset x: CTRL");
  EXPECT_EQ((Failure{.code = EIO, .operation = "reset", .object = "x", .where = "", .remedy = ""}.text()),
            "cannot reset x: Input/output error");
  EXPECT_EQ((Failure{.code = 0, .operation = "reset", .object = "x", .where = "", .remedy = "wait"}.text()),
            "cannot reset x; wait");
}

TEST(Error, CarriesTextErrnoAndParts) {
  const Failure failure{.code = EBUSY, .operation = "bind", .object = "0000:03:00.0", .where = "", .remedy = "unbind"};
  const Error error(failure);
  EXPECT_STREQ(error.what(), failure.text().c_str());
  EXPECT_EQ(error.code(), std::error_code(EBUSY, std::system_category()));
  EXPECT_EQ(error.failure().object, "0000:03:00.0");
  EXPECT_EQ(error.failure().remedy, "unbind");
}

TEST(Error, RaiseThrowsItAsASystemError) {
  try {
    raise({.code = EPERM, .operation = "map", .object = "memory", .where = {}, .remedy = {}});
    FAIL() << "raise returned";
  } catch (const std::system_error& e) {
    EXPECT_EQ(e.code().value(), EPERM);
    EXPECT_STREQ(e.what(), "cannot map memory: Operation not permitted");
  }
}

TEST(Result, HoldsAValue) {
  Result<int> good = 7;
  EXPECT_TRUE(good.ok());
  EXPECT_TRUE(good);
  EXPECT_EQ(good.value(), 7);
  good.value() = 8;
  EXPECT_EQ(good.value(), 8);
}

TEST(Result, HandsOverAValueThatOnlyMoves) {
  Result<std::unique_ptr<int>> good = std::make_unique<int>(3);
  const std::unique_ptr<int> out = std::move(good).value();
  EXPECT_EQ(*out, 3);
}

TEST(Result, CopiesAndMovesEitherOfTheTwoAndEndsItOnce) {
  struct Counted {
    explicit Counted(int& n) : alive(&n) { ++*alive; }
    Counted(const Counted& other) : alive(other.alive) { ++*alive; }
    Counted& operator=(const Counted&) = delete;
    ~Counted() { --*alive; }
    int* alive;
  };
  int alive = 0;
  {
    const Failure why{.code = EIO, .operation = "read", .object = std::string(100, 'x'), .where = {}, .remedy = {}};
    Result<Counted> good = Counted(alive), bad = why;
    EXPECT_EQ(alive, 1);
    Result<Counted> same = good;
    EXPECT_EQ(alive, 2);
    Result<Counted> failed = bad;
    EXPECT_EQ(failed.failure().object, why.object);
    same = std::move(failed);
    EXPECT_EQ(alive, 1);
    ASSERT_FALSE(same);
    EXPECT_EQ(same.failure().object, why.object);
    same = std::move(good);
    EXPECT_TRUE(same);
    Result<Counted>& itself = same;
    same = std::move(itself);
    EXPECT_TRUE(same);
    EXPECT_EQ(alive, 2) << "the value that was moved from, too";
  }
  EXPECT_EQ(alive, 0);
  static_assert(!std::copy_constructible<Result<std::unique_ptr<int>>>);
}

TEST(Result, HoldsAFailureAndRaisesItWhenTheValueIsAskedFor) {
  Result<int> bad = Failure{.code = ENODEV, .operation = "open", .object = "x", .where = {}, .remedy = {}};
  EXPECT_FALSE(bad.ok());
  EXPECT_FALSE(bad);
  EXPECT_EQ(bad.failure().code, ENODEV);
  EXPECT_THROW((void)bad.value(), Error);
  EXPECT_THROW((void)std::move(bad).value(), Error);
}

// ---- UniqueFd -----------------------------------------------------------------------------------------------------

bool is_open(int fd) { return ::fcntl(fd, F_GETFD) != -1; }
UniqueFd fresh_fd() { return std::move(try_open("/dev/null", O_RDONLY)).value(); }

TEST(UniqueFd, ClosesWhenItEnds) {
  int fd = -1;
  {
    const UniqueFd owner = fresh_fd();
    fd = owner.get();
    ASSERT_TRUE(owner);
    EXPECT_TRUE(is_open(fd));
  }
  EXPECT_FALSE(is_open(fd));
}

TEST(UniqueFd, HoldsNothingByDefault) {
  const UniqueFd none;
  EXPECT_FALSE(none);
  EXPECT_EQ(none.get(), -1);
}

TEST(UniqueFd, OwnsDescriptorZeroToo) {
  const int kept = ::dup(0);
  ::close(0);
  const int zero = ::open("/dev/null", O_RDONLY);
  ASSERT_EQ(zero, 0);
  {
    const UniqueFd owner(zero);
    EXPECT_TRUE(owner);
  }
  EXPECT_FALSE(is_open(0));
  if (kept >= 0) {
    ::dup2(kept, 0);
    ::close(kept);
  }
}

TEST(UniqueFd, MovesItsDescriptorAndClosesItOnce) {
  UniqueFd first = fresh_fd();
  const int fd = first.get();
  {
    const UniqueFd second = std::move(first);
    EXPECT_EQ(second.get(), fd);
    EXPECT_FALSE(first);  // NOLINT(bugprone-use-after-move): the moved-from state is what is tested
  }
  EXPECT_FALSE(is_open(fd));
  const int reused = ::dup(2);  // the kernel gives the lowest free number: a second close would hit this one
  ASSERT_EQ(reused, fd);
  first.reset();
  EXPECT_TRUE(is_open(reused));
  ::close(reused);
}

TEST(UniqueFd, ClosesWhatItHeldWhenAnotherIsMovedIn) {
  UniqueFd a = fresh_fd();
  UniqueFd b = fresh_fd();
  const int in_a = a.get(), in_b = b.get();
  a = std::move(b);
  EXPECT_FALSE(is_open(in_a));
  EXPECT_TRUE(is_open(in_b));
  EXPECT_EQ(a.get(), in_b);
}

TEST(UniqueFd, SurvivesBeingMovedIntoItself) {
  UniqueFd a = fresh_fd();
  UniqueFd& same = a;
  const int fd = a.get();
  a = std::move(same);
  EXPECT_EQ(a.get(), fd);
  EXPECT_TRUE(is_open(fd));
}

TEST(UniqueFd, OfTryOpenIsClosedOnExec) {
  const UniqueFd fd = fresh_fd();
  EXPECT_NE(::fcntl(fd.get(), F_GETFD) & FD_CLOEXEC, 0);
}

// ---- files --------------------------------------------------------------------------------------------------------

class Files : public ::testing::Test {
 protected:
  Files() {
    std::string pattern = (std::filesystem::temp_directory_path() / "pollux-core-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("no temporary directory");
    dir_ = pattern;
  }
  ~Files() override { std::filesystem::remove_all(dir_); }

  [[nodiscard]] std::string path(const char* name) const { return dir_ + "/" + name; }
  std::string put(const char* name, const std::string& content) const {
    std::ofstream(path(name), std::ios::binary) << content;
    return path(name);
  }

 private:
  std::string dir_;
};

TEST_F(Files, AreReadWhole) {
  const std::string small = put("small", "0x8086\n");
  EXPECT_EQ(file::try_read(small).value(), "0x8086\n");
  EXPECT_EQ(file::try_read(put("empty", "")).value(), "");
}

TEST_F(Files, OfMoreThanOnePageAreReadToTheirEnd) {
  for (const std::size_t size : {4095u, 4096u, 4097u, 20'000u}) {
    std::string content(size, '\0');
    for (std::size_t i = 0; i < size; ++i) content[i] = static_cast<char>('a' + i * 7 % 26);
    EXPECT_EQ(file::try_read(put("large", content)).value(), content) << size;
  }
}

TEST_F(Files, AreReadThroughInterruptions) {
  const std::string name = put("x", "content");
  seam::interrupted_reads = 3;
  EXPECT_EQ(file::try_read(name).value(), "content");
  EXPECT_EQ(seam::interrupted_reads, 0);
}

TEST_F(Files, ThatAreMissingGiveTheErrnoAndThePath) {
  const auto got = file::try_read(path("missing"));
  ASSERT_FALSE(got);
  EXPECT_EQ(got.failure().code, ENOENT);
  EXPECT_EQ(got.failure().text(), "cannot open " + path("missing") + ": No such file or directory");
}

TEST_F(Files, ThatCannotBeReadGiveTheErrno) {
  const auto got = file::try_read(std::filesystem::path(path("x")).parent_path().string());  // a directory
  ASSERT_FALSE(got);
  EXPECT_EQ(got.failure().code, EISDIR);
  EXPECT_EQ(got.failure().operation, "read");
}

TEST_F(Files, TakeAValueInOneWrite) {
  const std::string name = put("attribute", "");
  EXPECT_TRUE(file::try_write(name, "vfio-pci"));
  EXPECT_EQ(file::try_read(name).value(), "vfio-pci");
}

TEST_F(Files, ThatAreMissingAreNotCreatedByAWrite) {
  const auto got = file::try_write(path("missing"), "1");
  ASSERT_FALSE(got);
  EXPECT_EQ(got.failure().code, ENOENT);
  EXPECT_FALSE(file::exists(path("missing")));
}

TEST_F(Files, ThatRefuseAWriteGiveErrnoValueAndPath) {
  const auto got = file::try_write("/dev/full", "0000:03:00.0\n");
  ASSERT_FALSE(got);
  EXPECT_EQ(got.failure().code, ENOSPC);
  EXPECT_EQ(got.failure().text(), "cannot write '0000:03:00.0' to /dev/full: No space left on device");
}

TEST_F(Files, ThatTakeAPartOfTheValueOnlyFailWithEio) {
  const std::string name = put("attribute", "");
  seam::short_write = true;
  const auto got = file::try_write(name, "12");
  seam::short_write = false;
  ASSERT_FALSE(got);
  EXPECT_EQ(got.failure().code, EIO);
}

TEST_F(Files, LinkNameIsTheLastComponentOfTheTarget) {
  ASSERT_EQ(::symlink("../../../bus/pci/drivers/e1000e", path("driver").c_str()), 0);
  ASSERT_EQ(::symlink("plain", path("short").c_str()), 0);
  EXPECT_EQ(file::link_name(path("driver")), "e1000e");
  EXPECT_EQ(file::link_name(path("short")), "plain");
  EXPECT_EQ(file::link_name(path("missing")), std::nullopt);
  EXPECT_EQ(file::link_name(put("no link", "x")), std::nullopt);
}

// ---- Mapping ------------------------------------------------------------------------------------------------------

constexpr std::size_t kPage = 4096;

bool is_mapped(const void* at) {
  unsigned char resident = 0;
  return ::mincore(reinterpret_cast<void*>(reinterpret_cast<std::uintptr_t>(at) & ~(kPage - 1)), 1, &resident) == 0;
}
Mapping fresh_mapping() {
  return std::move(Mapping::try_map(3 * kPage, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0, "memory"))
      .value();
}

TEST(Mapping, IsMemoryUntilItEnds) {
  std::byte* at = nullptr;
  {
    const Mapping m = fresh_mapping();
    at = m.data();
    ASSERT_TRUE(m);
    EXPECT_EQ(m.size(), 3 * kPage);
    at[3 * kPage - 1] = std::byte{7};
    EXPECT_TRUE(is_mapped(at) && is_mapped(at + 2 * kPage));
  }
  EXPECT_FALSE(is_mapped(at) || is_mapped(at + kPage) || is_mapped(at + 2 * kPage));
}

TEST(Mapping, MovesItsMemory) {
  Mapping a = fresh_mapping();
  std::byte* const at = a.data();
  {
    const Mapping b = std::move(a);
    EXPECT_EQ(b.data(), at);
    EXPECT_FALSE(a);  // NOLINT(bugprone-use-after-move): the moved-from state is what is tested
    EXPECT_EQ(a.size(), 0u);
    EXPECT_TRUE(is_mapped(at));
  }
  EXPECT_FALSE(is_mapped(at));
}

TEST(Mapping, GivesUpWhatItHeldWhenAnotherIsMovedIn) {
  Mapping a = fresh_mapping(), b = fresh_mapping();
  std::byte *const in_a = a.data(), *const in_b = b.data();
  a = std::move(b);
  EXPECT_FALSE(is_mapped(in_a));
  EXPECT_TRUE(is_mapped(in_b));
  Mapping& same = a;
  a = std::move(same);
  EXPECT_TRUE(is_mapped(in_b));
  EXPECT_EQ(a.size(), 3 * kPage);
}

TEST(Mapping, ThatFailsSaysWhyAndOfWhat) {
  const auto got = Mapping::try_map(kPage, PROT_READ, MAP_SHARED, -1, 0, "BAR 0");
  ASSERT_FALSE(got);
  EXPECT_EQ(got.failure().text(), "cannot map BAR 0: Bad file descriptor");
}

// ---- addresses ----------------------------------------------------------------------------------------------------

TEST(Address, KindsDoNotConvertIntoEachOther) {
  EXPECT_FALSE((std::is_convertible_v<std::uint64_t, Iova>));
  EXPECT_FALSE((std::is_convertible_v<Iova, PhysAddr> || std::is_constructible_v<PhysAddr, Iova>));
  EXPECT_FALSE((std::is_constructible_v<Iova, BusAddr> || std::is_constructible_v<BusAddr, PhysAddr>));
  EXPECT_FALSE((std::is_constructible_v<BusAddr, std::uint64_t> || std::is_constructible_v<BusAddr, void*>));
  EXPECT_LT(Iova(1), Iova(2));
}

// ---- time ---------------------------------------------------------------------------------------------------------

TEST(Time, LiteralsAreNanoseconds) {
  static_assert(5_ns == Nanos{5} && 2_us == Nanos{2'000} && 3_ms == Nanos{3'000'000} && 1_s == Nanos{1'000'000'000});
  static_assert(1_ms + 1_us == Nanos{1'001'000} && 1_us - 1_ms < Nanos{0} && 999_us < 1_ms);
  EXPECT_EQ(10_s, Nanos{10'000'000'000});  // more than 32 bits
}

TEST(Time, SteadyClockNeverPausesShorterThanAsked) {
  const SteadyClock clock;
  for (const Nanos span : {0_ns, 1_ns, 10_us, 1_ms}) {
    const Nanos before = clock.now();
    clock.pause(span);
    EXPECT_GE(clock.now() - before, span);
  }
}

TEST(Time, PausesAcrossAFullSecondOfTheClock) {
  // now + span has a nanosecond part of its own: a pause that forgot the carry would fail with EINVAL and never end.
  const SteadyClock clock;
  const Nanos before = clock.now();
  for (int i = 0; i < 10; ++i) clock.pause(Nanos{999'999});
  EXPECT_GE(clock.now() - before, Nanos{9'999'990});
}

TEST(Time, CycleCounterDoesNotRunBackwards) {
  std::uint64_t last = Tsc::now();
  for (int i = 0; i < 10'000; ++i) {
    const std::uint64_t next = i % 2 == 0 ? Tsc::fenced() : Tsc::now();
    ASSERT_GE(next, last);
    last = next;
  }
  EXPECT_GT(Tsc::fenced(), 0u);
}

TEST(Time, CycleCounterHasASaneRate) {
  const double hz = Tsc::measure_hz(5_ms);
  EXPECT_GT(hz, 1e6);
  EXPECT_LT(hz, 2e10);
}

// ---- load_once ----------------------------------------------------------------------------------------------------

TEST(LoadOnce, GivesTheValueOfEachWidth) {
  const Le16 w16 = 0x1122;
  const Le32 w32 = 0x11223344;
  const Le64 w64 = 0x1122334455667788;
  EXPECT_EQ(dma::load_once(w16), 0x1122u);
  EXPECT_EQ(dma::load_once(w32), 0x11223344u);
  EXPECT_EQ(dma::load_once(w64), 0x1122334455667788u);
}

// Not inlined, so that the compiler does not know whether the two pointers meet.
template <class T>
[[gnu::noinline]] std::uint64_t load_between_stores(T* stored, const T* loaded) {
  *stored = T{1};
  const std::uint64_t seen = dma::load_once(*loaded);
  *stored = T{2};
  return seen;
}

TEST(LoadOnce, KeepsItsPlaceAmongTheStoresOfTheSameThread) {
  Le16 w16 = 0;
  Le32 w32 = 0;
  Le64 w64 = 0;
  EXPECT_EQ(load_between_stores(&w16, &w16), 1u);
  EXPECT_EQ(load_between_stores(&w32, &w32), 1u);
  EXPECT_EQ(load_between_stores(&w64, &w64), 1u);
}

template <class T>
[[gnu::noinline]] void load_and_forget(const T* from) {
  (void)dma::load_once(*from);
}

TEST(LoadOnceDeathTest, LoadsEvenWhenNobodyUsesTheValue) {  // that is what makes it a load of its own in a loop
  const Mapping m = std::move(Mapping::try_map(kPage, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0, "a trap")).value();
  EXPECT_DEATH(load_and_forget(reinterpret_cast<const Le32*>(m.data())), "");
  EXPECT_DEATH(load_and_forget(reinterpret_cast<const Le64*>(m.data())), "");
}

TEST(LoadOnce, LooksAgainAtEveryCall) {
  alignas(8) std::uint64_t flag = 0;
  std::thread device([&] { std::atomic_ref(flag).store(1, std::memory_order_release); });
  for (std::uint64_t looks = 0; dma::load_once(flag) == 0 && looks < 10'000'000'000; ++looks) {}
  EXPECT_EQ(dma::load_once(flag), 1u);  // a load hoisted out of the loop has never seen the store
  dma::acquire();
  device.join();
}

}  // namespace

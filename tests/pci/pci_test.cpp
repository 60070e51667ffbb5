// SPDX-License-Identifier: BSD-3-Clause
// PCI without hardware: addresses, sysfs as a tree of files, configuration space images good and broken, binding.
#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <pollux/pci/config.hpp>
#include <pollux/pci/scan.hpp>

#include "../fake_sys.hpp"

namespace {

namespace fs = std::filesystem;
using pollux::Bdf;
using pollux::Error;
using pollux::FdConfigSpace;
using pollux::PciCapability;
using pollux::PciFunctionInfo;
using pollux::PciId;
using pollux::PciSysfs;
using namespace fake_sys;

// ---- Bdf ------------------------------------------------------------------------------------------------------------

TEST(Bdf, IsReadWithAndWithoutItsDomain) {
  const Bdf expected{.domain = 0, .bus = 0x03, .device = 0, .function = 1};
  EXPECT_EQ(Bdf::try_parse("0000:03:00.1"), expected);
  EXPECT_EQ(Bdf::try_parse("03:00.1"), expected);
  const Bdf high{.domain = 0xABCD, .bus = 0xEF, .device = 31, .function = 7};
  EXPECT_EQ(Bdf::try_parse("abcd:ef:1f.7"), high);
  EXPECT_EQ(Bdf::try_parse("ABCD:EF:1F.7"), high);
}

TEST(Bdf, EveryMalformedTextIsRefused) {
  const std::vector<std::string> malformed = {
      // short and long
      "", "0", "3:00.0", "03:0.0", "03:00.", "03:00", "0000:03:00.", "0000:03:00", "000:03:00.0", "00000:03:00.0",
      "0000:03:00.00", "0000:03:000.0", "0000:003:00.0", "03:00.0a", "10000:03:00.0", "0000:03:00.0 extra",
      // separators
      "03.00.0", "03:00:0", "03-00.0", "0000.03:00.0", "0000:03.00.0", "0000:03:00:0", "0000-03-00-0", "0000:03:00,0",
      "00000030000", "000003000000", "0300000", ":::::::", ".......",
      // out of range
      "03:20.0", "03:ff.0", "03:00.8", "03:00.9", "03:00.f", "0000:03:20.0", "0000:03:00.8",
      // not hexadecimal
      "0g:00.0", "03:0g.0", "03:00.g", "xxxx:03:00.0", "0x03:03:00.0", "0x:00.0", "-1:00.0", "+1:00.0", "03:-1.0",
      "03:+1.0", "-001:03:00.0", "eth0", "0000:0x:00.0",
      // spaces and line ends
      " 03:00.0", "03:00.0 ", "3 :00.0", " 3:00.0", "03: 0.0", "03:00. ", "03:00.0\n", "03:00.\n", " 000:03:00.0",
      "0000: 3:00.0", "       ", "            "};
  for (const std::string& text : malformed) EXPECT_FALSE(Bdf::try_parse(text)) << "'" << text << "'";
  EXPECT_FALSE(Bdf::try_parse(std::string_view("03:00.\0", 7)));
  EXPECT_FALSE(Bdf::try_parse(std::string_view("0000:03:00\0000", 12)));
}

TEST(Bdf, ItsTextReadBackIsTheSameAddress) {
  for (const unsigned domain : {0u, 1u, 0x8000u, 0xFFFFu}) {
    for (unsigned bus = 0; bus < 256; ++bus) {
      for (unsigned devfn = 0; devfn < 256; ++devfn) {
        const Bdf bdf{.domain = static_cast<std::uint16_t>(domain),
                      .bus = static_cast<std::uint8_t>(bus),
                      .device = static_cast<std::uint8_t>(devfn >> 3),
                      .function = static_cast<std::uint8_t>(devfn & 7)};
        const std::string text = bdf.to_string();
        ASSERT_EQ(text.size(), 12u) << text;
        ASSERT_EQ(Bdf::try_parse(text), bdf) << text;
        if (domain == 0) { ASSERT_EQ(Bdf::try_parse(text.substr(5)), bdf) << text; }
      }
    }
  }
  EXPECT_EQ((Bdf{.domain = 0xABC, .bus = 0xD, .device = 0x1E, .function = 5}).to_string(), "0abc:0d:1e.5");
}

TEST(Bdf, AddressesSortByDomainThenBusThenDeviceThenFunction) {
  const Bdf lowest{}, function{.function = 7}, device{.device = 1}, bus{.bus = 1}, domain{.domain = 1};
  EXPECT_LT(lowest, function);
  EXPECT_LT(function, device);
  EXPECT_LT(device, bus);
  EXPECT_LT(bus, domain);
}

TEST(Bdf, AWrongTextIsReportedWithWhatIsExpected) {
  const Error error = error_of([] { (void)Bdf::parse("3:00.0"); });
  EXPECT_EQ(error.code().value(), EINVAL);
  EXPECT_TRUE(contains(error.what(), "'3:00.0'"));
  EXPECT_TRUE(contains(error.what(), "DDDD:BB:DD.F"));
  EXPECT_TRUE(contains(error.what(), "or BB:DD.F"));
  EXPECT_TRUE(contains(error.what(), "lspci -D"));
  EXPECT_EQ(Bdf::parse("03:00.0"), (Bdf{.bus = 3}));
}

// ---- PciSysfs -------------------------------------------------------------------------------------------------------

TEST(PciSysfs, TellsEverythingOfABoundNetworkFunction) {
  const FakeSys sys;
  sys.add("0000:03:00.1", "0x8086", "0x10d3", "0x020000");
  sys.bind("0000:03:00.1", "e1000e");
  sys.put_in_group("0000:03:00.1", 17);
  write_file(sys.device("0000:03:00.1") / "numa_node", "1\n");
  fs::create_directories(sys.device("0000:03:00.1") / "net/enp3s0f1");
  fs::create_directories(sys.device("0000:03:00.1") / "net/dmz");

  const PciFunctionInfo info = sys.sysfs().info(Bdf::parse("03:00.1"));
  EXPECT_EQ(info.bdf, Bdf::parse("03:00.1"));
  EXPECT_EQ(info.id, (PciId{.vendor = 0x8086, .device = 0x10D3}));
  EXPECT_EQ(info.class_code, 0x020000u);
  EXPECT_TRUE(info.is_ethernet());
  EXPECT_EQ(info.driver, "e1000e");
  EXPECT_EQ(info.iommu_group, 17u);
  EXPECT_EQ(info.numa_node, 1);
  EXPECT_EQ(info.interfaces, (std::vector<std::string>{"dmz", "enp3s0f1"}));
}

TEST(PciSysfs, TellsWhatAnUnboundFunctionLacks) {
  const FakeSys sys;
  sys.add("0000:00:02.0", "0x1b36", "0x000c", "0x060400");
  write_file(sys.device("0000:00:02.0") / "numa_node", "-1\n");
  const PciFunctionInfo info = sys.sysfs().info(Bdf::parse("00:02.0"));
  EXPECT_EQ(info.id.to_string(), "1b36:000c");
  EXPECT_FALSE(info.is_ethernet());
  EXPECT_FALSE(info.driver);
  EXPECT_FALSE(info.iommu_group);
  EXPECT_EQ(info.numa_node, -1);
  EXPECT_TRUE(info.interfaces.empty());
}

TEST(PciSysfs, AMissingNumaNodeMeansUnknown) {
  const FakeSys sys;
  sys.add("0000:00:02.0", "0x8086", "0x10d3", "0x020000");
  EXPECT_EQ(sys.sysfs().info(Bdf::parse("00:02.0")).numa_node, -1);
}

TEST(PciSysfs, OnlyEthernetControllersAreEthernet) {
  const FakeSys sys;
  sys.add("0000:00:01.0", "0x8086", "0x1000", "0x028000");  // other network controller
  sys.add("0000:00:02.0", "0x8086", "0x1000", "0x0200ff");  // any programming interface
  EXPECT_FALSE(sys.sysfs().info(Bdf::parse("00:01.0")).is_ethernet());
  EXPECT_TRUE(sys.sysfs().info(Bdf::parse("00:02.0")).is_ethernet());
}

TEST(PciSysfs, AnAbsentDeviceIsReportedWithHowToFindTheOthers) {
  const FakeSys sys;
  sys.add("0000:00:02.0", "0x8086", "0x10d3", "0x020000");
  const Error error = error_of([&] { (void)sys.sysfs().info(Bdf::parse("0000:7f:00.0")); });
  EXPECT_EQ(error.code().value(), ENODEV);
  EXPECT_TRUE(contains(error.what(), "0000:7f:00.0"));
  EXPECT_TRUE(contains(error.what(), "lspci"));
}

TEST(PciSysfs, ADeviceWhoseIdCannotBeReadIsAnErrorAndNotTheIdZero) {
  const FakeSys sys;
  sys.add("0000:00:02.0", "0x8086", "0x10d3", "0x020000");
  fs::remove(sys.device("0000:00:02.0") / "device");  // as when the device is unplugged between two reads
  EXPECT_THROW((void)sys.sysfs().info(Bdf::parse("00:02.0")), Error);
}

TEST(PciSysfs, ListsFunctionsInOrderOfAddressAndNothingElse) {
  const FakeSys sys;
  for (const char* bdf : {"0001:00:00.0", "0000:0a:00.0", "0000:00:1f.6", "0000:00:1f.3", "0000:00:02.0"}) {
    sys.add(bdf, "0x8086", "0x0001", "0x020000");
  }
  write_file(sys.path() / "bus/pci/devices/README", "no function\n");
  const std::vector<Bdf> expected = {Bdf::parse("00:02.0"), Bdf::parse("00:1f.3"), Bdf::parse("00:1f.6"),
                                     Bdf::parse("0a:00.0"), Bdf::parse("0001:00:00.0")};
  EXPECT_EQ(sys.sysfs().list(), expected);
}

TEST(PciSysfs, AMachineWithoutPciHasAnEmptyList) {
  const TempDir empty;
  EXPECT_TRUE(PciSysfs(empty.path().string()).list().empty());
}

TEST(PciSysfs, NamesTheMembersOfAGroupInOrder) {
  const FakeSys sys;
  for (const char* bdf : {"0000:03:00.1", "0000:03:00.0", "0000:02:00.0", "0000:04:00.0"}) {
    sys.add(bdf, "0x8086", "0x10c9", "0x020000");
  }
  for (const char* bdf : {"0000:03:00.1", "0000:03:00.0", "0000:02:00.0"}) sys.put_in_group(bdf, 5);
  sys.put_in_group("0000:04:00.0", 6);
  sys.bind("0000:03:00.1", "igb");

  const auto members = sys.sysfs().group_members(5);
  ASSERT_EQ(members.size(), 3u);
  EXPECT_EQ(members[0].bdf, Bdf::parse("02:00.0"));
  EXPECT_EQ(members[1].bdf, Bdf::parse("03:00.0"));
  EXPECT_EQ(members[2].bdf, Bdf::parse("03:00.1"));
  EXPECT_FALSE(members[1].driver);
  EXPECT_EQ(members[2].driver, "igb");
  EXPECT_TRUE(sys.sysfs().group_members(99).empty());
}

TEST(PciSysfs, AGroupLinkWithoutANumberIsNoGroup) {
  const FakeSys sys;
  sys.add("0000:00:02.0", "0x8086", "0x10d3", "0x020000");
  fs::create_directory_symlink("../../../kernel/iommu_groups/7x", sys.device("0000:00:02.0") / "iommu_group");
  EXPECT_FALSE(sys.sysfs().info(Bdf::parse("00:02.0")).iommu_group);
}

// ---- configuration space --------------------------------------------------------------------------------------------

/// A configuration space in memory that notes the highest byte read and how often it was asked.
struct MemoryConfig {
  std::vector<std::uint8_t> bytes;
  mutable std::uint32_t highest = 0;
  mutable unsigned reads = 0;
  mutable std::vector<std::pair<std::uint32_t, std::uint32_t>> writes = {};

  explicit MemoryConfig(std::size_t size) : bytes(size, 0) {}
  template <class T>
  T get(std::uint32_t offset) const {
    ++reads;
    highest = std::max(highest, offset + std::uint32_t{sizeof(T)} - 1);
    T v = static_cast<T>(~T{0});
    if (offset + sizeof(T) <= bytes.size()) std::memcpy(&v, bytes.data() + offset, sizeof v);
    return v;
  }
  template <class T>
  void put(std::uint32_t offset, T v) {
    ASSERT_LE(offset + sizeof v, bytes.size());
    std::memcpy(bytes.data() + offset, &v, sizeof v);
  }
  [[nodiscard]] std::uint8_t read8(std::uint32_t o) const { return get<std::uint8_t>(o); }
  [[nodiscard]] std::uint16_t read16(std::uint32_t o) const { return get<std::uint16_t>(o); }
  [[nodiscard]] std::uint32_t read32(std::uint32_t o) const { return get<std::uint32_t>(o); }
  void write8(std::uint32_t o, std::uint8_t v) const { writes.emplace_back(o, v); }
  void write16(std::uint32_t o, std::uint16_t v) const { writes.emplace_back(o, v); }
  void write32(std::uint32_t o, std::uint32_t v) const { writes.emplace_back(o, v); }
  [[nodiscard]] std::string name() const { return "0000:00:00.0"; }
};
static_assert(pollux::ConfigSpace<MemoryConfig>);

/// A space whose standard list starts at `first`.
MemoryConfig with_list(std::uint8_t first, std::size_t size = 256) {
  MemoryConfig config(size);
  config.put<std::uint16_t>(0x06, 0x0010);
  config.put<std::uint8_t>(0x34, first);
  return config;
}
void put_capability(MemoryConfig& config, std::uint8_t at, std::uint8_t id, std::uint8_t next) {
  config.put<std::uint8_t>(at, id);
  config.put<std::uint8_t>(at + 1u, next);
}
void put_extended(MemoryConfig& config, std::uint32_t at, std::uint16_t id, std::uint32_t next) {
  config.put<std::uint32_t>(at, next << 20 | 1u << 16 | id);
}

class ConfigFile {
 public:
  explicit ConfigFile(std::size_t size) : path_(dir_.path() / "config") {
    std::string content(size, '\0');
    for (std::size_t i = 0; i < size; ++i) content[i] = static_cast<char>(i ^ i >> 8);
    write_file(path_, content);
    fd_.reset(::open(path_.c_str(), O_RDWR | O_CLOEXEC));
  }
  [[nodiscard]] int fd() const { return fd_.get(); }
  [[nodiscard]] const fs::path& path() const { return path_; }
  [[nodiscard]] FdConfigSpace config(std::uint64_t base = 0) const { return {fd_.get(), base, "0000:03:00.0"}; }

 private:
  TempDir dir_;
  fs::path path_;
  pollux::UniqueFd fd_;
};

TEST(FdConfigSpace, ReadsLittleEndianValuesAtTheirOffsets) {
  const ConfigFile file(256);
  const auto config = file.config();
  EXPECT_EQ(config.read8(0x34), 0x34);
  EXPECT_EQ(config.read16(0x04), 0x0504);
  EXPECT_EQ(config.read32(0xFC), 0xFFFEFDFCu);
  EXPECT_EQ(config.name(), "0000:03:00.0");
}

TEST(FdConfigSpace, ReachesTheExtendedSpaceOfALargeFile) {
  const ConfigFile file(4096);
  EXPECT_EQ(file.config().read32(0x100), 0x02030001u);
  EXPECT_EQ(file.config().read32(0xFFC), 0xF0F1F2F3u);
  EXPECT_EQ(file.config().read32(0x1000), 0xFFFFFFFFu);
}

TEST(FdConfigSpace, StartsAtItsBaseInTheFile) {
  const ConfigFile file(4096);
  EXPECT_EQ(file.config(0x200).read8(0x34), 0x36);
  file.config(0x200).write16(0x04, 0xBEEF);
  EXPECT_EQ(file.config().read16(0x204), 0xBEEF);
}

TEST(FdConfigSpace, ReadsPastTheEndAndAcrossItGiveAllOnes) {
  const ConfigFile file(256);
  const auto config = file.config();
  EXPECT_EQ(config.read8(256), 0xFF);
  EXPECT_EQ(config.read16(255), 0xFFFF) << "a short read must not give half a value";
  EXPECT_EQ(config.read32(253), 0xFFFFFFFFu);
  EXPECT_EQ(config.read32(0x100), 0xFFFFFFFFu);
  const FdConfigSpace closed(-1, 0, "x");
  EXPECT_EQ(closed.read8(0), 0xFF);
  EXPECT_EQ(closed.read32(0), 0xFFFFFFFFu);
}

TEST(FdConfigSpace, WritesReachTheFileAndOnlyTheirOwnBytes) {
  const ConfigFile file(256);
  const std::string before = read_file(file.path());
  file.config().write16(0x04, 0x1234);
  file.config().write32(0x10, 0xAABBCCDD);
  std::string expected = before;
  expected.replace(0x04, 2, "\x34\x12");
  expected.replace(0x10, 4, "\xDD\xCC\xBB\xAA");
  EXPECT_EQ(read_file(file.path()), expected);
}

TEST(FdConfigSpace, AWriteThatFailsRaisesTheReasonTheDeviceAndTheOffset) {
  const ConfigFile file(256);
  const pollux::UniqueFd read_only(::open(file.path().c_str(), O_RDONLY | O_CLOEXEC));
  const FdConfigSpace config(read_only.get(), 0, "0000:03:00.0");
  for (const Error& error : {error_of([&] { config.write16(0x04, 1); }), error_of([&] { config.write32(0x04, 1); })}) {
    EXPECT_EQ(error.code().value(), EBADF);
    EXPECT_TRUE(contains(error.what(), "0000:03:00.0"));
    EXPECT_TRUE(contains(error.what(), "0x04"));
  }
  EXPECT_EQ(config.read16(0x04), 0x0504);
}

// ---- capability lists -----------------------------------------------------------------------------------------------

TEST(Capabilities, AGoodListIsGivenInItsOwnOrder) {
  MemoryConfig config = with_list(0xC8);
  put_capability(config, 0xC8, 0x01, 0xD0);  // the 82574's list: power management, MSI, PCIe, MSI-X
  put_capability(config, 0xD0, 0x05, 0xE0);
  put_capability(config, 0xE0, 0x10, 0xA0);
  put_capability(config, 0xA0, 0x11, 0x00);
  const std::vector<PciCapability> expected = {{0x01, 0xC8}, {0x05, 0xD0}, {0x10, 0xE0}, {0x11, 0xA0}};
  EXPECT_EQ(pollux::try_list_capabilities(config).value(), expected);
}

TEST(Capabilities, TheLowTwoBitsOfAPointerAreIgnored) {
  MemoryConfig config = with_list(0x43);
  put_capability(config, 0x40, 0x05, 0x52);
  put_capability(config, 0x50, 0x11, 0x03);  // 3 is 0: the end
  const std::vector<PciCapability> expected = {{0x05, 0x40}, {0x11, 0x50}};
  EXPECT_EQ(pollux::try_list_capabilities(config).value(), expected);
}

TEST(Capabilities, ADeviceWithoutAListHasAnEmptyOne) {
  MemoryConfig unset(256);
  unset.put<std::uint8_t>(0x34, 0x40);  // garbage behind a clear status bit
  EXPECT_TRUE(pollux::try_list_capabilities(unset).value().empty());
  EXPECT_TRUE(pollux::try_list_capabilities(with_list(0)).value().empty());
}

TEST(Capabilities, AListAsLongAsTheSpaceAllowsIsRead) {
  MemoryConfig config = with_list(0x40);
  for (unsigned at = 0x40; at < 0x100; at += 4) {
    put_capability(config, static_cast<std::uint8_t>(at), 0x09, static_cast<std::uint8_t>(at + 4));
  }
  EXPECT_EQ(pollux::try_list_capabilities(config).value().size(), 48u);
}

TEST(Capabilities, ALoopEndsWithAnError) {
  MemoryConfig to_itself = with_list(0x40);
  put_capability(to_itself, 0x40, 0x05, 0x40);
  MemoryConfig of_two = with_list(0x40);
  put_capability(of_two, 0x40, 0x05, 0x60);
  put_capability(of_two, 0x60, 0x11, 0x40);
  for (const MemoryConfig& config : {to_itself, of_two}) {
    const auto list = pollux::try_list_capabilities(config);
    ASSERT_FALSE(list);
    EXPECT_EQ(list.failure().code, EIO);
    EXPECT_TRUE(contains(list.failure().text(), "loops"));
    EXPECT_TRUE(contains(list.failure().text(), "0000:00:00.0"));
  }
}

TEST(Capabilities, APointerIntoTheHeaderEndsWithAnErrorThatSaysWhere) {
  const auto first = pollux::try_list_capabilities(with_list(0x10));
  ASSERT_FALSE(first);
  EXPECT_TRUE(contains(first.failure().text(), "at 0x10: points into the header"));
  MemoryConfig later = with_list(0x40);
  put_capability(later, 0x40, 0x05, 0x3C);
  const auto second = pollux::try_list_capabilities(later);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.failure().code, EIO);
  EXPECT_TRUE(contains(second.failure().text(), "0x3c"));
}

TEST(Capabilities, ADeviceThatAnswersAllOnesIsGone) {
  MemoryConfig config(256);
  std::fill(config.bytes.begin(), config.bytes.end(), std::uint8_t{0xFF});
  const auto list = pollux::try_list_capabilities(config);
  ASSERT_FALSE(list);
  EXPECT_EQ(list.failure().code, EIO);
  EXPECT_TRUE(contains(list.failure().text(), "all ones"));
  EXPECT_EQ(config.reads, 1u) << "a device that is gone need not be asked twice";
}

TEST(Capabilities, ASpaceCutOffAfterTheHeaderIsReportedAsNeedingRoot) {
  // Without CAP_SYS_ADMIN sysfs shows 64 bytes [abi 1.1]: the device is neither gone nor broken.
  MemoryConfig config = with_list(0x40);
  config.bytes.resize(64);
  const auto list = pollux::try_list_capabilities(config);
  ASSERT_FALSE(list);
  EXPECT_EQ(list.failure().code, EIO);
  EXPECT_TRUE(contains(list.failure().text(), "root"));
}

TEST(Capabilities, TheExtendedListIsGivenInItsOwnOrder) {
  MemoryConfig config(4096);
  put_extended(config, 0x100, 0x0001, 0x140);  // AER, serial number, one at the very end
  put_extended(config, 0x140, 0x0003, 0xFFC);
  put_extended(config, 0xFFC, 0x000B, 0);
  const std::vector<PciCapability> expected = {{0x0001, 0x100}, {0x0003, 0x140}, {0x000B, 0xFFC}};
  EXPECT_EQ(pollux::try_list_extended_capabilities(config).value(), expected);
}

TEST(Capabilities, ADeviceWithoutExtendedSpaceHasAnEmptyExtendedList) {
  EXPECT_TRUE(pollux::try_list_extended_capabilities(MemoryConfig(256)).value().empty());
  EXPECT_TRUE(pollux::try_list_extended_capabilities(MemoryConfig(4096)).value().empty());
  MemoryConfig ones(4096);
  std::fill(ones.bytes.begin(), ones.bytes.end(), std::uint8_t{0xFF});
  EXPECT_TRUE(pollux::try_list_extended_capabilities(ones).value().empty());
}

TEST(Capabilities, ABrokenExtendedListEndsWithAnError) {
  MemoryConfig loop(4096);
  put_extended(loop, 0x100, 0x0001, 0x200);
  put_extended(loop, 0x200, 0x0003, 0x100);
  MemoryConfig low(4096);
  put_extended(low, 0x100, 0x0001, 0x0FC);
  MemoryConfig cut(4096);  // the second capability lies behind the end of what can be read
  put_extended(cut, 0x100, 0x0001, 0x200);
  cut.bytes.resize(0x200);
  for (const MemoryConfig& config : {loop, low, cut}) {
    const auto list = pollux::try_list_extended_capabilities(config);
    ASSERT_FALSE(list);
    EXPECT_EQ(list.failure().code, EIO);
    EXPECT_TRUE(contains(list.failure().text(), "0000:00:00.0"));
  }
}

TEST(Capabilities, AnExtendedListOfAllTheRoomThereIsIsRead) {
  MemoryConfig config(4096);
  for (std::uint32_t at = 0x100; at < 0x1000; at += 8) {
    put_extended(config, at, 0x000B, at + 8 < 0x1000 ? at + 8 : 0);
  }
  EXPECT_EQ(pollux::try_list_extended_capabilities(config).value().size(), 480u);
}

/// xorshift64*: the same images in every run.
class Random {
 public:
  std::uint64_t next() noexcept {
    state_ ^= state_ >> 12;
    state_ ^= state_ << 25;
    state_ ^= state_ >> 27;
    return state_ * 0x2545'F491'4F6C'DD1DULL;
  }

 private:
  std::uint64_t state_ = 0x9E37'79B9'7F4A'7C15ULL;
};

TEST(Capabilities, TwoHundredThousandRandomSpacesNeverHangNorLeadOutside) {
  Random random;
  MemoryConfig config(4096);
  unsigned good = 0, broken = 0, good_extended = 0, broken_extended = 0;
  for (unsigned image = 0; image < 200'000; ++image) {
    const bool small = (image & 1) != 0;
    config.bytes.resize(small ? 256 : 4096);
    for (std::size_t i = 0; i < config.bytes.size(); i += 8) {
      const std::uint64_t word = random.next();
      std::memcpy(config.bytes.data() + i, &word, sizeof word);
    }
    if (image % 4 < 2) config.bytes[0x06] |= 0x10;
    if (image % 8 == 2 && !small) {  // mostly ends: lists that come out well
      for (std::uint32_t at = 0x100; at < 4096; at += 4) {
        if (config.bytes[at] < 0xC0) put_extended(config, at, 1, 0);
      }
    }
    config.reads = config.highest = 0;
    const auto list = pollux::try_list_capabilities(config);
    ASSERT_LE(config.reads, 2u + 48u);
    ASSERT_LT(config.highest, 256u);
    if (list) {
      ++good;
      auto copy = pollux::try_list_capabilities(config);
      for (const PciCapability& c : copy.value()) ASSERT_TRUE(c.offset >= 0x40 && c.offset <= 0xFC) << c.offset;
    } else {
      ++broken;
      ASSERT_EQ(list.failure().code, EIO);
    }
    config.reads = config.highest = 0;
    auto extended = pollux::try_list_extended_capabilities(config);
    ASSERT_LE(config.reads, 481u);
    ASSERT_LT(config.highest, 4096u);
    if (extended) {
      ++good_extended;
      for (const PciCapability& c : extended.value()) ASSERT_TRUE(c.offset >= 0x100 && c.offset <= 0xFFC) << c.offset;
    } else {
      ++broken_extended;
      ASSERT_EQ(extended.failure().code, EIO);
    }
  }
  // The images exercise both outcomes of both walks.
  EXPECT_GT(good, 1000u);
  EXPECT_GT(broken, 1000u);
  EXPECT_GT(good_extended, 1000u);
  EXPECT_GT(broken_extended, 1000u);
}

TEST(SetCommand, ChangesItsBitsAndKeepsTheOthers) {
  MemoryConfig config(256);
  config.put<std::uint16_t>(0x04, 0x0503);
  pollux::set_command(config, pollux::pci_config::kCommandBusMaster, true);
  pollux::set_command(config, pollux::pci_config::kCommandMemory, false);
  pollux::set_command(config, pollux::pci_config::kCommandBusMaster | pollux::pci_config::kCommandMemory, true);
  const std::vector<std::pair<std::uint32_t, std::uint32_t>> expected = {
      {0x04, 0x0507}, {0x04, 0x0501}, {0x04, 0x0507}};
  EXPECT_EQ(config.writes, expected);
}

TEST(SetCommand, ADeviceThatAnswersAllOnesIsNotGivenAllOnesBack) {
  // COMMAND reads all ones when the device is gone or the read failed. Writing that back would turn bus mastering on.
  MemoryConfig config(256);
  std::fill(config.bytes.begin(), config.bytes.end(), std::uint8_t{0xFF});
  EXPECT_THROW(pollux::set_command(config, pollux::pci_config::kCommandMemory, true), Error);
  EXPECT_TRUE(config.writes.empty());
}

// ---- binding --------------------------------------------------------------------------------------------------------

struct Binding : testing::Test {
  FakeSys sys;
  const std::string bdf = "0000:03:00.0";
  std::string base;

  void SetUp() override {
    sys.add(bdf, "0x8086", "0x10d3", "0x020000");
    base = sys.path().string();
  }
  std::optional<std::string> bind(const std::string& driver) {
    return pollux::bind_driver(sys.sysfs(), Bdf::parse(bdf), driver);
  }
  /// Everything a write could have changed.
  std::string state() {
    std::string out = read_file(sys.device(bdf) / "driver_override") + read_file(sys.probe());
    for (const char* driver : {"e1000e", "vfio-pci"}) {
      out += read_file(sys.driver(driver) / "unbind") + read_file(sys.driver(driver) / "bind");
    }
    return out;
  }
};

TEST_F(Binding, TheCommandsAreThoseAUserWouldType) {
  const auto unbound = sys.sysfs().info(Bdf::parse(bdf));
  EXPECT_EQ(pollux::bind_commands(PciSysfs{}, unbound, "vfio-pci"),
            "modprobe vfio-pci; "
            "echo vfio-pci > /sys/bus/pci/devices/0000:03:00.0/driver_override; "
            "echo 0000:03:00.0 > /sys/bus/pci/drivers_probe");
  sys.bind(bdf, "e1000e");
  EXPECT_EQ(pollux::bind_commands(sys.sysfs(), sys.sysfs().info(Bdf::parse(bdf)), "uio_pci_generic"),
            "modprobe uio_pci_generic; echo uio_pci_generic > " + base + "/bus/pci/devices/" + bdf +
                "/driver_override; echo " + bdf + " > " + base + "/bus/pci/devices/" + bdf + "/driver/unbind; echo " +
                bdf + " > " + base + "/bus/pci/drivers_probe");
}

TEST_F(Binding, ADriverThatIsNotLoadedIsReportedWithTheCommandsAndNothingIsWritten) {
  sys.bind(bdf, "e1000e");
  const std::string before = state();
  const Error error = error_of([&] { bind("vfio-pci"); });
  EXPECT_EQ(error.code().value(), ENOENT);
  EXPECT_TRUE(contains(error.what(), bdf));
  EXPECT_TRUE(contains(error.what(), "vfio-pci"));
  EXPECT_TRUE(contains(error.what(), "not loaded"));
  EXPECT_TRUE(contains(error.what(), "modprobe vfio-pci; echo vfio-pci > "));
  EXPECT_TRUE(contains(error.what(), "/driver/unbind"));
  EXPECT_EQ(state(), before);
}

TEST_F(Binding, ADeviceThatHasTheDriverAlreadyIsLeftAlone) {
  sys.bind(bdf, "vfio-pci");
  const std::string before = state();
  EXPECT_EQ(bind("vfio-pci"), "vfio-pci");
  EXPECT_EQ(state(), before);
}

TEST_F(Binding, AnAbsentDeviceIsReportedAsThat) {
  sys.add_driver("vfio-pci");
  const Error error = error_of([&] { (void)pollux::bind_driver(sys.sysfs(), Bdf::parse("0000:04:00.0"), "vfio-pci"); });
  EXPECT_EQ(error.code().value(), ENODEV);
  EXPECT_TRUE(contains(error.what(), "0000:04:00.0"));
}

TEST_F(Binding, WhenTheOverrideCannotBeWrittenTheStepIsNamedAndTheOldDriverStays) {
  sys.bind(bdf, "e1000e");
  sys.add_driver("vfio-pci");
  fs::remove(sys.device(bdf) / "driver_override");
  const Error error = error_of([&] { bind("vfio-pci"); });
  EXPECT_EQ(error.code().value(), ENOENT);
  EXPECT_TRUE(contains(error.what(), "/driver_override"));
  EXPECT_TRUE(contains(error.what(), bdf));
  EXPECT_TRUE(contains(error.what(), "as root: modprobe vfio-pci"));
  EXPECT_EQ(read_file(sys.driver("e1000e") / "unbind"), "--------------------\n");
}

TEST_F(Binding, WhenTheOldDriverCannotBeUnboundTheStepIsNamedAndTheOverrideCleared) {
  sys.bind(bdf, "e1000e");
  sys.add_driver("vfio-pci");
  fs::remove(sys.driver("e1000e") / "unbind");
  const Error error = error_of([&] { bind("vfio-pci"); });
  EXPECT_TRUE(contains(error.failure().where, "/driver/unbind"));
  EXPECT_EQ(read_file(sys.device(bdf) / "driver_override").front(), '\n') << "the override must not survive";
}

TEST_F(Binding, WhenTheProbeCannotBeWrittenTheStepIsNamedAndTheOverrideCleared) {
  sys.add_driver("vfio-pci");
  fs::remove(sys.probe());
  const Error error = error_of([&] { bind("vfio-pci"); });
  EXPECT_EQ(error.code().value(), ENOENT);
  EXPECT_TRUE(contains(error.failure().where, "drivers_probe"));
  EXPECT_EQ(read_file(sys.device(bdf) / "driver_override").front(), '\n');
}

TEST_F(Binding, AWriteThatTheKernelRefusesIsReportedWithItsText) {
  sys.add_driver("vfio-pci");
  fs::remove(sys.probe());
  fs::create_symlink("/dev/full", sys.probe());  // opens, and fails every write with ENOSPC
  const Error error = error_of([&] { bind("vfio-pci"); });
  EXPECT_EQ(error.code().value(), ENOSPC);
  EXPECT_TRUE(contains(error.failure().where, "write '" + bdf + "' to"));
  EXPECT_TRUE(contains(error.failure().where, "drivers_probe"));
}

TEST_F(Binding, ADriverThatRefusesTheDeviceIsReportedAndTheStepsAreUndone) {
  sys.bind(bdf, "e1000e");  // no kernel here: the probe succeeds, yet the driver link does not change
  sys.add_driver("vfio-pci");
  const Error error = error_of([&] { bind("vfio-pci"); });
  EXPECT_EQ(error.code().value(), ENODEV);
  EXPECT_TRUE(contains(error.what(), "refused"));
  EXPECT_TRUE(contains(error.what(), "kernel log"));
  EXPECT_TRUE(contains(error.what(), "vfio-pci"));
  EXPECT_EQ(read_file(sys.device(bdf) / "driver_override").front(), '\n');
  EXPECT_EQ(read_file(sys.driver("e1000e") / "unbind").substr(0, bdf.size()), bdf);
  EXPECT_EQ(read_file(sys.probe()).substr(0, bdf.size()), bdf);
}

TEST_F(Binding, RestoringNoDriverClearsTheOverrideAndUnbinds) {
  ASSERT_TRUE(pollux::try_restore_driver(sys.sysfs(), Bdf::parse(bdf), std::nullopt));
  EXPECT_EQ(read_file(sys.device(bdf) / "driver_override").front(), '\n');
  EXPECT_EQ(read_file(sys.probe()), "--------------------\n") << "a probe would bind the kernel's choice";
  sys.bind(bdf, "vfio-pci");
  ASSERT_TRUE(pollux::try_restore_driver(sys.sysfs(), Bdf::parse(bdf), std::nullopt));
  EXPECT_EQ(read_file(sys.driver("vfio-pci") / "unbind").substr(0, bdf.size()), bdf);
  EXPECT_EQ(read_file(sys.probe()), "--------------------\n");
}

TEST_F(Binding, RestoringADriverThatDoesNotComeBackIsAFailure) {
  // The kernel accepts a probe even when no driver takes the device [abi 1.3]: only the link tells.
  sys.bind(bdf, "vfio-pci");
  const auto restored = pollux::try_restore_driver(sys.sysfs(), Bdf::parse(bdf), "e1000e");
  EXPECT_EQ(read_file(sys.device(bdf) / "driver_override").front(), '\n');
  EXPECT_EQ(read_file(sys.driver("vfio-pci") / "unbind").substr(0, bdf.size()), bdf);
  EXPECT_EQ(read_file(sys.probe()).substr(0, bdf.size()), bdf);
  EXPECT_FALSE(restored) << "the device still has vfio-pci, yet that was called a success";
}

TEST_F(Binding, RestoringFailsWithTheStepThatFailed) {
  fs::remove(sys.device(bdf) / "driver_override");
  for (const std::optional<std::string>& former : {std::optional<std::string>{}, std::optional<std::string>{"igb"}}) {
    const auto restored = pollux::try_restore_driver(sys.sysfs(), Bdf::parse(bdf), former);
    ASSERT_FALSE(restored);
    EXPECT_EQ(restored.failure().code, ENOENT);
    EXPECT_TRUE(contains(restored.failure().text(), "driver_override"));
  }
}

// ---- names ----------------------------------------------------------------------------------------------------------

TEST(PciNames, NamesAnIntelControllerFromTheDataBaseElseByItsNumbers) {
  const pollux::PciNames names;
  const std::string name = names.device({.vendor = 0x8086, .device = 0x10D3});
  const bool installed = fs::exists("/usr/share/misc/pci.ids") || fs::exists("/usr/share/hwdata/pci.ids");
  if (installed) {
    EXPECT_TRUE(contains(name, "82574"));
    EXPECT_TRUE(contains(name, "Intel"));
    EXPECT_TRUE(contains(names.device_class(0x020000), "Ethernet"));
  } else {
    EXPECT_TRUE(contains(name, "10d3"));
  }
}

TEST(PciNames, AnUnknownDeviceKeepsItsNumbers) {
  const pollux::PciNames names;
  const std::string name = names.device({.vendor = 0xFFF1, .device = 0xBEE5});
  EXPECT_TRUE(contains(name, "fff1"));
  EXPECT_TRUE(contains(name, "bee5"));
}

}  // namespace

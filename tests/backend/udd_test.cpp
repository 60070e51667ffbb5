// SPDX-License-Identifier: BSD-3-Clause
// UDD, Xenomai's way to a device, on a Cobalt core and a /sys that are made here. No Xenomai kernel has run this.
#include "../irq/rig.hpp"

#include <csignal>
#include <cstring>
#include <limits>

#include <pollux/backend/open.hpp>
#include <pollux/backend/udd.hpp>

#include "../fake_sys.hpp"
#include "fake_cobalt.hpp"

namespace {

using namespace pollux;
using namespace fake_sys;
using fake_cobalt::FakeRtdm;
using fake_cobalt::Irq;
using fake_cobalt::Mappers;
using fake_cobalt::Region;

constexpr const char* kBdf = "0000:03:00.0";
constexpr const char* kName = "pollux-0000:03:00.0";

static_assert(std::derived_from<UddDevice<FakeRtdm>, PciDevice> &&
              std::derived_from<UddIrqDevice<FakeRtdm>, PciDevice>);

/// An 82574 bound to pollux_udd_pci: BAR 0 of 128 KiB, BAR 2 of I/O ports, BAR 3 of 256 bytes within a page, BAR 5.
struct Udd : testing::Test {
  Udd() : rtdm(kernel) {
    sys.add(kBdf, "0x8086", "0x10d3", "0x020000");
    sys.bind(kBdf, "pollux_udd_pci");
    std::string image(256, '\0');
    image[4] = 0x04, image[5] = 0x05;  // COMMAND: bus mastering on, memory off
    image[0x3D] = 1;
    write_file(sys.device(kBdf) / "config", image);
    write_file(sys.device(kBdf) / "resource",
               "0x00000000febc0000 0x00000000febdffff 0x0000000000040200\n"
               "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
               "0x000000000000c020 0x000000000000c03f 0x0000000000040101\n"
               "0x00000000febf0100 0x00000000febf01ff 0x0000000000040200\n"
               "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
               "0x00000000fec00000 0x00000000fec00fff 0x0000000000040200\n");
    write_file(sys.device(kBdf) / "resource5", std::string(4096, '\0'));
    register_device(kName, "9,0");
    device().regions[0] = Region(0x20000);
    device().regions[3] = Region(4096);
  }
  void register_device(const std::string& name, const std::string& profile) {
    write_file(sys.path() / "class/rtdm" / name / "profile", profile + "\n");
    kernel.devices[name];
  }
  [[nodiscard]] fake_cobalt::Device& device(const char* name = kName) { return kernel.devices.at(name); }
  [[nodiscard]] UddDevice<FakeRtdm> open(UddConfig config = {}) {
    return UddDevice<FakeRtdm>(rtdm, domain, bdf, std::move(config), sys.sysfs());
  }
  [[nodiscard]] Error opening_fails(UddConfig config = {}) {
    return error_of([&] { auto device = open(std::move(config)); });
  }
  [[nodiscard]] std::uint16_t command() const {
    const std::string image = read_file(sys.device(kBdf) / "config");
    return static_cast<std::uint16_t>(static_cast<unsigned char>(image[4]) | static_cast<unsigned char>(image[5]) << 8);
  }
  void expect_nothing_open() const {
    EXPECT_EQ(kernel.open_fds(), 0u);
    EXPECT_EQ(kernel.mappings(), 0u);
  }
  FakeSys sys;
  fake_cobalt::Kernel kernel;
  FakeRtdm rtdm;
  HostDomain domain;
  const Bdf bdf = Bdf::parse(kBdf);
};

// ---- opening --------------------------------------------------------------------------------------------------------

TEST_F(Udd, OpensWithMemoryOnAndBusMasteringOff) {
  {
    auto udd = open();
    EXPECT_EQ(command(), 0x0502);
    EXPECT_EQ(udd.name(), kBdf);
    EXPECT_EQ(udd.id(), (PciId{0x8086, 0x10D3}));
    EXPECT_EQ(udd.backend_name(), "UDD (pollux-0000:03:00.0)");
    EXPECT_EQ(&udd.domain(), &domain);
    EXPECT_EQ(kernel.open_fds(), 1u);
    udd.enable_bus_master();
  }
  EXPECT_EQ(command(), 0x0502) << "bus mastering off again when closed";
  expect_nothing_open();
}

TEST_F(Udd, WithoutACobaltCoreThatIsSaidAndNothingTouched) {
  kernel.available = false;
  const Error error = opening_fails();
  EXPECT_EQ(error.code().value(), ENOSYS);
  EXPECT_TRUE(contains(error.what(), "/proc/xenomai/version"));
  EXPECT_EQ(kernel.calls(), 0u);
  EXPECT_EQ(command(), 0x0504);
}

TEST_F(Udd, WithoutADriverTheCommandsAreGiven) {
  fs::remove(sys.device(kBdf) / "driver");
  const Error error = opening_fails();
  EXPECT_EQ(error.code().value(), ENODEV);
  EXPECT_TRUE(contains(error.what(), "modprobe pollux_udd_pci"));
  EXPECT_EQ(command(), 0x0504);
}

TEST_F(Udd, ADeviceThatIsNotThereOrOfAnotherClassIsToldFromThoseThatAre) {
  register_device("rtser0", "2,16550");
  const Error absent = opening_fails({.name = "foocard"});
  EXPECT_EQ(absent.code().value(), ENODEV);
  EXPECT_TRUE(contains(absent.what(), "foocard"));
  EXPECT_TRUE(contains(absent.what(), "UDD devices here: pollux-0000:03:00.0;"));
  const Error other = opening_fails({.name = "rtser0"});
  EXPECT_EQ(other.code().value(), EINVAL);
  EXPECT_TRUE(contains(other.what(), "of class 2"));
  EXPECT_EQ(kernel.calls(), 0u);
}

TEST_F(Udd, AnExclusiveDeviceIsRefusedWhileAnotherHasIt) {
  device().exclusive = true;
  const int other = kernel.open("/dev/rtdm/" + std::string(kName), O_RDWR);
  const Error error = opening_fails();
  EXPECT_EQ(error.code().value(), EBUSY);
  EXPECT_TRUE(contains(error.what(), "fuser -v /dev/rtdm/pollux-0000:03:00.0"));
  kernel.close(other);
  expect_nothing_open();
  EXPECT_NO_THROW((void)open());
}

TEST_F(Udd, MissingRightsAreExplained) {
  kernel.fail(0, EACCES);
  EXPECT_TRUE(contains(opening_fails().what(), "xenomai.allowed_group"));
}

TEST_F(Udd, AnIommuBeforeTheDeviceIsRefusedBeforeTheNodeIsOpened) {
  sys.put_in_group(kBdf, 9);
  write_file(sys.device(kBdf) / "iommu_group/type", "DMA\n");
  EXPECT_EQ(opening_fails().code().value(), EPERM);
  EXPECT_EQ(kernel.calls(), 0u);
}

TEST_F(Udd, EveryFailureOnTheWayLeavesNothingOpen) {
  for (unsigned n = 0;; ++n) {
    ASSERT_LT(n, 32u);
    kernel.fail(n, ENOMEM);
    bool failed = false;
    try {
      auto udd = open();
      (void)udd.bar(0);
      auto interrupts = udd.open_interrupts(IrqKind::kIntx, 1);
    } catch (const Error& error) {
      failed = true;
      EXPECT_EQ(error.code().value(), ENOMEM) << "call " << n << ": " << error.what();
    }
    expect_nothing_open();
    EXPECT_EQ(command() & 4, 0) << "call " << n;
    if (!failed && n > 6) break;  // every call was failed once
  }
  kernel.fail(std::numeric_limits<int>::max(), 0);
}

TEST_F(Udd, OpenedAndClosedAgainAndAgain) {
  for (int i = 0; i < 100; ++i) {
    auto udd = open();
    (void)udd.bar(0);
    auto interrupts = udd.open_interrupts(IrqKind::kIntx, 1);
  }
  expect_nothing_open();
  EXPECT_FALSE(device().enabled) << "masked when the last one was closed";
}

// ---- discovery ------------------------------------------------------------------------------------------------------

TEST_F(Udd, ListsUddDevicesByTheirProfile) {
  register_device("foocard", "9,3");
  register_device("pollux-0000:03:00.0,mapper0", "10,0");
  for (const char* broken : {"", "9", "9,", "nine,1", "9,0x", "99999999999,0"}) register_device("broken", broken);
  const auto found = udd::list(sys.sysfs());
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].name, "foocard");
  EXPECT_EQ(found[0].subclass, 3u);
  EXPECT_EQ(found[1].name, kName);
  for (const char* broken : {"", "9", "9,", "nine,1", "9,0x", "99999999999,0"}) {
    write_file(sys.path() / "class/rtdm/broken/profile", broken);
    EXPECT_EQ(udd::profile(sys.sysfs(), "broken"), std::nullopt) << broken;
  }
}

TEST_F(Udd, TheDefaultNameFitsRtdm) {
  constexpr std::size_t kMost = 31;  // RTDM_MAX_DEVNAME_LEN
  EXPECT_LE(udd::default_name(bdf).size() + std::strlen(",mapper@4"), kMost);
}

// ---- memory ---------------------------------------------------------------------------------------------------------

TEST_F(Udd, MapsBarsOnceByEitherSpelling) {
  for (const Mappers spelling : {Mappers::kPlain, Mappers::kAt}) {
    device().mappers = spelling;
    device().regions[0].write32(0x1FFFC, 0x12345678);
    auto udd = open();
    const auto bar = udd.bar(0);
    EXPECT_EQ(bar.io().size(), 0x20000u);
    EXPECT_EQ(bar.io().read32(0x1FFFC), 0x12345678u);
    (void)udd.bar(0);
    EXPECT_EQ(kernel.mappings(), 1u);
    EXPECT_EQ(kernel.open_fds(), 1u) << "the mapper is closed when it has mapped";
  }
  expect_nothing_open();
}

TEST_F(Udd, TheSpellingThatWorkedIsTriedFirst) {
  device().mappers = Mappers::kAt;
  auto udd = open();
  kernel.opened.clear();
  (void)udd.bar(0), (void)udd.bar(3);
  const std::string node = "/dev/rtdm/" + std::string(kName);
  EXPECT_EQ(kernel.opened, (std::vector{node + ",mapper0", node + ",mapper@0", node + ",mapper@3"}));
}

TEST_F(Udd, ABarWithinAPageStartsWhereItDoes) {
  device().regions[3].write32(0x100, 0xCAFE);
  auto udd = open();
  EXPECT_EQ(udd.bar(3).io().size(), 0x100u);
  EXPECT_EQ(udd.bar(3).io().read32(0), 0xCAFEu);
}

TEST_F(Udd, AbsentBarsAndPortsAreToldBeforeAnythingIsOpened) {
  auto udd = open();
  const auto calls = kernel.calls();
  EXPECT_TRUE(contains(error_of([&] { (void)udd.bar(1); }).what(), "BAR 1 is absent"));
  EXPECT_TRUE(contains(error_of([&] { (void)udd.bar(2); }).what(), "BAR 2 is of I/O ports"));
  EXPECT_EQ(kernel.calls(), calls);
}

TEST_F(Udd, TheSixthBarIsMappedBySysfs) {
  auto udd = open();
  EXPECT_EQ(udd.bar(5).io().size(), 4096u) << "UDD has five regions";
  EXPECT_EQ(kernel.mappings(), 0u);
}

TEST_F(Udd, ARegionThatTheDriverDidNotRegisterIsNamed) {
  device().regions[3] = Region();
  for (const bool nodes : {false, true}) {  // no node, or one that refuses with EIO
    device().mapper_nodes_always = nodes;
    auto udd = open();
    EXPECT_TRUE(contains(error_of([&] { (void)udd.bar(3); }).what(), "registered no region 3"));
  }
}

TEST_F(Udd, ARegionShorterThanTheBarIsAnotherBars) {
  device().regions[0] = Region(0x10000);
  device().regions[1] = Region(0x20000);
  {
    auto udd = open();
    const Error error = error_of([&] { (void)udd.bar(0); });
    EXPECT_TRUE(contains(error.what(), "region 0 of pollux-0000:03:00.0 is shorter than 131072 bytes"));
    EXPECT_TRUE(contains(error.what(), "UddConfig::region"));
  }
  device().regions[1].write32(0, 7);
  auto udd =
      open({.name = {}, .region = {1, UddConfig::kSysfs, UddConfig::kSysfs, 3, UddConfig::kSysfs, UddConfig::kSysfs}});
  EXPECT_EQ(udd.bar(0).io().read32(0), 7u);
}

TEST_F(Udd, ResetsThroughSysfs) {
  auto udd = open();
  EXPECT_EQ(udd.try_reset().failure().code, ENOTSUP);
  write_file(sys.device(kBdf) / "reset", "-");
  EXPECT_TRUE(udd.try_reset());
  EXPECT_EQ(read_file(sys.device(kBdf) / "reset"), "1");
}

// ---- the interrupt --------------------------------------------------------------------------------------------------

TEST_F(Udd, CountsOneInterruptOfTheKindThatTheDriverTook) {
  auto udd = open();
  EXPECT_EQ(udd.irq_counts().intx, 1u);
  EXPECT_EQ(udd.irq_counts().msi + udd.irq_counts().msix, 0u);
  EXPECT_TRUE(contains(error_of([&] { (void)udd.open_interrupts(IrqKind::kMsix, 1); }).what(), "INTx: 1"));
  EXPECT_THROW((void)udd.open_interrupts(IrqKind::kIntx, 2), Error);
  write_file(sys.device(kBdf) / "msi_irqs/33", "msi\n");
  EXPECT_EQ(udd.irq_counts().msi, 1u);
  EXPECT_EQ(udd.irq_counts().intx, 0u);
  EXPECT_EQ(udd.open_interrupts(IrqKind::kMsi, 1).size(), 1u);
  write_file(sys.device(kBdf) / "msi_irqs/33", "msix\n");
  EXPECT_EQ(udd.irq_counts().msix, 1u);
  device().irq = Irq::kNone;
  EXPECT_EQ(udd.irq_counts().msix, 0u);
  EXPECT_EQ(error_of([&] { (void)udd.open_interrupts(IrqKind::kIntx, 1); }).code().value(), ENOTSUP);
}

/// The interrupt of an opened device.
struct UddIrq : Udd {
  void open_irq() {
    udd.emplace(rtdm, domain, bdf, UddConfig{}, sys.sysfs());
    interrupts = udd->open_interrupts(IrqKind::kIntx, 1);
  }
  [[nodiscard]] Interrupt& irq() { return *interrupts.front(); }
  [[nodiscard]] std::uint64_t take() { return std::move(irq().try_take()).value(); }
  std::optional<UddDevice<FakeRtdm>> udd;
  std::vector<std::unique_ptr<Interrupt>> interrupts;
};

TEST_F(UddIrq, TheCycle) {
  open_irq();
  EXPECT_EQ(irq().fd(), -1) << "Linux cannot poll it";
  EXPECT_TRUE(device().enabled);
  EXPECT_FALSE(irq().wait(Nanos{0}));
  EXPECT_EQ(take(), 0u);
  for (int i = 0; i < 3; ++i) {
    kernel.script.emplace_back(kernel.now + 5'000, [&] { device().interrupt(); });
    const auto begin = kernel.now;
    EXPECT_TRUE(irq().wait(1_ms));
    EXPECT_EQ(kernel.now - begin, 5'000);
    EXPECT_FALSE(device().enabled) << "masked until rearmed";
    EXPECT_EQ(take(), 1u);
    EXPECT_EQ(take(), 0u);
    EXPECT_FALSE(irq().wait(Nanos{0}));
    EXPECT_TRUE(irq().try_rearm());
    EXPECT_TRUE(device().enabled);
  }
  EXPECT_EQ(kernel.blocked_reads, 0u);
  interrupts.clear();
  EXPECT_FALSE(device().enabled) << "off when given up";
  EXPECT_EQ(kernel.open_fds(), 1u) << "the device stays open";
}

TEST_F(UddIrq, WaitsNoLongerThanAskedAndForEverWhenAsked) {
  open_irq();
  EXPECT_FALSE(irq().wait(2_ms));
  EXPECT_EQ(kernel.now, 2'000'000);
  kernel.script.emplace_back(kernel.now + 3'600'000'000'000, [&] { device().interrupt(); });
  EXPECT_TRUE(irq().wait(Nanos{-1}));
}

TEST_F(UddIrq, ASignalHandlerEndsAWait) {
  open_irq();
  kernel.script.emplace_back(kernel.now + 5'000, [&] { kernel.signal(); });
  EXPECT_FALSE(irq().wait(1_ms));
  EXPECT_EQ(take(), 0u);
}

TEST_F(UddIrq, WhatCameBeforeItWasOpenedCountsAsTaken) {
  device().interrupt();  // count 1, event set
  open_irq();
  EXPECT_TRUE(device().enabled);
  EXPECT_EQ(take(), 0u);
  device().interrupt();
  EXPECT_EQ(take(), 1u);
}

TEST_F(UddIrq, TheFirstTotalIsOfAllThatEverCame) {
  device().total = 41;  // others have read them: no event is set
  open_irq();
  EXPECT_EQ(take(), 0u);
  device().interrupt();
  EXPECT_EQ(take(), 1u) << "not 42";
  EXPECT_TRUE(irq().try_rearm());
  device().interrupt();
  EXPECT_EQ(take(), 1u);
}

TEST_F(UddIrq, MergedOnesAreCounted) {
  device().irq = Irq::kCustom;
  device().control_of_its_own = true;  // MSI: not masked
  open_irq();
  device().interrupt();
  EXPECT_EQ(take(), 1u);
  EXPECT_TRUE(irq().try_rearm());
  for (int i = 0; i < 5; ++i) device().interrupt();
  EXPECT_EQ(take(), 5u);
}

TEST_F(UddIrq, TheCountWrapsAround) {
  device().irq = Irq::kCustom;
  device().control_of_its_own = true;
  device().total = std::numeric_limits<std::uint32_t>::max() - 2;
  open_irq();
  device().interrupt();
  EXPECT_EQ(take(), 1u);
  EXPECT_TRUE(irq().try_rearm());
  for (int i = 0; i < 4; ++i) device().interrupt();  // ff, 0, 1, 2
  EXPECT_EQ(device().total, 2u);
  EXPECT_EQ(take(), 4u);
}

TEST_F(UddIrq, AStillAssertedLineComesAgainWhenRearmed) {
  bool asserted = true;
  device().line = [&] { return asserted; };
  open_irq();
  EXPECT_EQ(take(), 1u);
  EXPECT_EQ(take(), 0u);
  EXPECT_TRUE(irq().try_rearm());
  EXPECT_TRUE(irq().wait(Nanos{0}));
  asserted = false;
  EXPECT_EQ(take(), 1u);
  EXPECT_TRUE(irq().try_rearm());
  EXPECT_FALSE(irq().wait(1_ms));
}

TEST_F(UddIrq, ADriverThatHasItsInterruptToItselfNeedsNoControl) {
  device().irq = Irq::kCustom;  // IRQEN and IRQDIS: EIO
  open_irq();
  const auto calls = kernel.calls();
  EXPECT_TRUE(irq().try_rearm());
  EXPECT_EQ(kernel.calls(), calls);
  device().interrupt();
  EXPECT_TRUE(irq().wait(1_ms));
  EXPECT_EQ(take(), 1u);
  interrupts.clear();
  EXPECT_EQ(device().disables, 0u);
}

TEST_F(UddIrq, ADeviceWithoutInterruptIsThat) {
  udd.emplace(rtdm, domain, bdf, UddConfig{}, sys.sysfs());
  device().irq = Irq::kNone;
  const int fd = kernel.open("/dev/rtdm/" + std::string(kName), O_RDWR);
  auto one = UddInterrupt<FakeRtdm>::try_open(rtdm, fd, kName);
  ASSERT_FALSE(one);
  EXPECT_EQ(one.failure().code, EIO);
  EXPECT_TRUE(contains(one.failure().text(), "registered no interrupt"));
  kernel.close(fd);
}

TEST_F(UddIrq, ALinuxThreadIsToldThatItCannot) {
  open_irq();
  kernel.cobalt_thread = false;  // select returns at once then
  EXPECT_TRUE(irq().wait(1_s));
  const auto taken = irq().try_take();
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.failure().code, EPERM);
  EXPECT_TRUE(contains(taken.failure().text(), "Cobalt threads only"));
  EXPECT_EQ(irq().try_rearm().failure().code, EPERM);
  interrupts.clear();
  EXPECT_TRUE(contains(error_of([&] { (void)udd->open_interrupts(IrqKind::kIntx, 1); }).what(), "Cobalt threads only"));
}

TEST_F(UddIrq, ARemovedDeviceEndsAWaitWithAFailure) {
  open_irq();
  kernel.script.emplace_back(kernel.now + 5'000, [&] { device().removed = true; });
  EXPECT_TRUE(irq().wait(Nanos{-1}));
  const auto taken = irq().try_take();
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.failure().code, EIDRM);
  EXPECT_TRUE(contains(taken.failure().text(), "let go of the device"));
  EXPECT_TRUE(contains(taken.failure().text(), kName));
}

TEST_F(UddIrq, AnInterruptedRearmIsRepeated) {
  open_irq();
  kernel.fail(0, EINTR);
  EXPECT_TRUE(irq().try_rearm());
  EXPECT_TRUE(device().enabled);
  kernel.fail(0, EIO);
  EXPECT_EQ(irq().try_rearm().failure().code, EIO);
}

TEST_F(UddIrq, AnInterruptedReadIsNone) {
  open_irq();
  device().interrupt();
  kernel.fail(2, EINTR);  // select, IRQDIS, read
  EXPECT_EQ(take(), 0u);
  EXPECT_EQ(take(), 1u);
}

TEST_F(UddIrq, AKernelWhoseReadLeavesTheEventSetIsNoticedBeforeItBlocks) {
  device().read_resets_event = false;
  open_irq();
  device().interrupt();
  EXPECT_TRUE(irq().wait(1_ms));
  for (int i = 0; i < 2; ++i) {
    const auto taken = irq().try_take();
    ASSERT_FALSE(taken);
    EXPECT_EQ(taken.failure().code, ENOTSUP);
    EXPECT_TRUE(contains(taken.failure().text(), "rtdm_event_clear"));
    EXPECT_TRUE(irq().wait(Nanos{-1}));
  }
  EXPECT_EQ(kernel.blocked_reads, 0u);
}

TEST_F(UddIrq, SuchAKernelIsNoticedAtOnceWhenSomethingCameBefore) {
  device().read_resets_event = false;
  device().interrupt();
  EXPECT_EQ(error_of([&] { open_irq(); }).code().value(), ENOTSUP);
}

TEST_F(UddIrq, SignalsACobaltThreadWhenAsked) {
  open_irq();
  auto& one = dynamic_cast<UddInterrupt<FakeRtdm>&>(irq());
  for (const auto& [thread, signal] : {std::pair{1, SIGRTMIN}, {4242, SIGUSR1}, {4242, SIGRTMAX + 1}}) {
    const auto done = one.try_notify(thread, signal);
    ASSERT_FALSE(done);
    EXPECT_EQ(done.failure().code, EINVAL);
    EXPECT_TRUE(contains(done.failure().text(), "SIGRTMIN"));
  }
  EXPECT_TRUE(one.try_notify(4242, SIGRTMIN + 3));
  device().interrupt();
  EXPECT_EQ(device().signals, (std::vector{std::pair{SIGRTMIN + 3, 1u}}));
  EXPECT_TRUE(one.try_notify(0, 0));
  EXPECT_EQ(device().notify_thread, -1);
  EXPECT_TRUE(one.try_notify(4242, SIGRTMIN));
  interrupts.clear();
  EXPECT_EQ(device().notify_thread, -1) << "ends with the interrupt";
}

TEST_F(UddIrq, OneSystemCallToFindNothingTwoToTake) {
  open_irq();
  device().interrupt();
  EXPECT_EQ(take(), 1u);  // finds out about the kernel
  EXPECT_TRUE(irq().try_rearm());
  auto calls = kernel.calls();
  EXPECT_EQ(take(), 0u);
  EXPECT_EQ(kernel.calls() - calls, 1u);
  device().interrupt();
  calls = kernel.calls();
  EXPECT_EQ(take(), 1u);
  EXPECT_EQ(kernel.calls() - calls, 2u);
}

// ---- the fake kernel is as strict as it says ------------------------------------------------------------------------

TEST_F(Udd, TheFakeKernelRefusesWhatTheRealOneDoes) {
  const std::string node = "/dev/rtdm/" + std::string(kName);
  const int fd = kernel.open(node, O_RDWR), mapper = kernel.open(node + ",mapper0", O_RDWR);
  std::uint64_t wide = 0;
  std::uint32_t value = 1;
  const auto code = [](long got) { return got < 0 ? errno : 0; };
  EXPECT_EQ(code(kernel.read(fd, &wide, 8)), EINVAL);
  EXPECT_EQ(code(kernel.read(fd, &wide, 2)), EINVAL);
  EXPECT_EQ(code(kernel.write(fd, &wide, 8)), EINVAL);
  EXPECT_EQ(code(kernel.ioctl(fd, 0x903, nullptr)), EINVAL);
  EXPECT_EQ(code(kernel.ioctl(mapper, 0x900, nullptr)), EBADF);
  EXPECT_EQ(kernel.mmap(0x20001, mapper), MAP_FAILED);
  EXPECT_EQ(errno, EINVAL);
  EXPECT_EQ(kernel.write(fd, &value, 4), 4);
  EXPECT_TRUE(device().enabled);
  value = 0;
  EXPECT_EQ(kernel.write(fd, &value, 4), 4);
  EXPECT_FALSE(device().enabled);
  kernel.script.emplace_back(kernel.now + 10, [&] { device().removed = true; });
  EXPECT_EQ(code(kernel.read(fd, &value, 4)), EIDRM) << "it blocked until then";
  EXPECT_EQ(kernel.blocked_reads, 1u);
  device().irq = Irq::kNone;
  EXPECT_EQ(code(kernel.read(fd, &value, 4)), EIO);
  EXPECT_EQ(code(kernel.write(fd, &value, 4)), EIO);
  EXPECT_EQ(code(kernel.select(fd, Nanos{0})), EIO);
  kernel.close(fd), kernel.close(mapper);
  expect_nothing_open();
}

// ---- the composition ------------------------------------------------------------------------------------------------

TEST_F(Udd, AnotherBackendsMemoryWithUddsInterrupt) {
  fs::remove(sys.device(kBdf) / "driver");
  write_file(sys.device(kBdf) / "resource0", std::string(0x20000, '\0'));
  register_device("foocard", "9,7");
  {
    UddIrqDevice<FakeRtdm> both(rtdm, std::make_unique<SysfsDevice>(domain, bdf, sys.sysfs()), "foocard", sys.sysfs());
    PciDevice& pci = both;
    EXPECT_EQ(pci.backend_name(), "sysfs, interrupt by UDD (foocard)");
    EXPECT_EQ(pci.name(), kBdf);
    EXPECT_EQ(pci.id(), (PciId{0x8086, 0x10D3}));
    EXPECT_EQ(&pci.domain(), &domain);
    EXPECT_EQ(pci.bar(0).io().size(), 0x20000u);
    EXPECT_EQ(pci.irq_counts().intx, 1u);
    EXPECT_EQ(pci.try_reset().failure().code, ENOTSUP);
    EXPECT_EQ(pci.open_removal_notice(), nullptr);
    pci.enable_bus_master();
    EXPECT_EQ(command() & 4, 4);
    auto interrupts = pci.open_interrupts(IrqKind::kIntx, 1);
    device("foocard").interrupt();
    EXPECT_TRUE(interrupts[0]->wait(1_ms));
    EXPECT_EQ(std::move(interrupts[0]->try_take()).value(), 1u);
    EXPECT_THROW((void)pci.open_interrupts(IrqKind::kMsix, 1), Error);
  }
  EXPECT_EQ(command() & 4, 0);
  expect_nothing_open();
}

TEST_F(Udd, TheCompositionClosesTheOtherBackendWhenUddFails) {
  fs::remove(sys.device(kBdf) / "driver");
  const auto compose = [&](const char* name) {
    UddIrqDevice<FakeRtdm> both(rtdm, std::make_unique<SysfsDevice>(domain, bdf, sys.sysfs()), name, sys.sysfs());
  };
  EXPECT_EQ(error_of([&] { compose("nothing"); }).code().value(), ENODEV);
  kernel.fail(0, EBUSY);
  EXPECT_EQ(error_of([&] { compose(kName); }).code().value(), EBUSY);
  EXPECT_NO_THROW(compose(kName)) << "the lock on the function is gone";
  expect_nothing_open();
}

// ---- a driver -------------------------------------------------------------------------------------------------------

template <class Kind>
struct UddDriver : Udd {
  using Nic = irq_rig::Nic<Kind>;
  UddDriver() : nic(clock, iommu, cable.a(), faults, irq_rig::kLeft, "left", 2048) {}
  ~UddDriver() override { EXPECT_EQ(faults.count(), 0u); }
  sim::VirtualClock clock;
  sim::Iommu iommu;
  sim::FaultLog faults;
  sim::Cable cable;
  Nic nic;
};
using Kinds = testing::Types<irq_rig::E82574, irq_rig::E82599>;
TYPED_TEST_SUITE(UddDriver, Kinds);

/// The model's INTx line is the fake kernel's; the model's time passes while a Cobalt thread sleeps.
TYPED_TEST(UddDriver, ReceivesByUddsInterrupt) {
  auto& fake = this->kernel;
  auto& here = this->nic;
  this->device().line = [&] { return here.model.interrupts().line(); };
  fake.on_time = [this](Nanos passed) { this->clock.advance(passed); };

  UddDevice<FakeRtdm> udd(this->rtdm, this->domain, this->bdf, UddConfig{}, this->sys.sysfs());
  here.port.use_interrupts(IrqKind::kIntx);
  auto interrupts = udd.open_interrupts(IrqKind::kIntx, 1);
  here.port.start();
  this->clock.advance(1_s);  // the link comes up
  RxWaiter waiter(here.port, *interrupts[here.port.vectors().rx()]);
  SpinThenBlock wait(BlockConfig{.spin = Nanos{0}, .longest = 1_s}, sim::VirtualClock::Handle(this->clock));

  for (std::uint8_t i = 0; i < 50; ++i) {
    fake.script.emplace_back(fake.now + 250'000, [&, i] {
      std::array<std::byte, 64> frame{};
      std::copy(irq_rig::kLeft.bytes.begin(), irq_rig::kLeft.bytes.end(),
                reinterpret_cast<std::uint8_t*>(frame.data()));
      frame[10] = std::byte{i};
      EXPECT_TRUE(this->cable.b().transmit(frame));
    });
    bool received = false;
    for (int attempt = 0; attempt < 10 && !received; ++attempt) {
      if (!wait.wait(waiter, 100_ms)) continue;
      Burst<4> burst(here.pool);
      if (here.port.rx_burst(burst) == 0) continue;
      received = true;
      EXPECT_EQ(std::to_integer<unsigned>(burst[0].data[10]), i);
    }
    ASSERT_TRUE(received) << int{i};
    ASSERT_FALSE(waiter.failure()) << waiter.failure()->text();
  }
  EXPECT_GE(this->device().total, 50u);
  EXPECT_EQ(fake.blocked_reads, 0u);

  // A device that goes ends the waiting.
  this->device().removed = true;
  EXPECT_TRUE(wait.wait(waiter, 100_ms));
  ASSERT_TRUE(waiter.failure());
  EXPECT_EQ(waiter.failure()->code, EIDRM);
}

TEST_F(Udd, AProgramWithoutLibcobaltSaysSo) {
  EXPECT_EQ(choose_backend(sys.sysfs(), bdf).kind, BackendKind::kUdd);
  for (const char* spec : {"0000:03:00.0", "udd:0000:03:00.0"}) {
    const Error error = error_of([&] { (void)open_device(spec, sys.sysfs()); });
    EXPECT_EQ(error.code().value(), ENOTSUP);
    EXPECT_TRUE(contains(error.what(), "this program was built without libcobalt"));
  }
  EXPECT_EQ(command(), 0x0504) << "nothing was touched";
}

TEST(Xenomai, TheVersionIsWhatTheCoreSaysAndNothingWithoutOne) {
  const TempDir proc;
  EXPECT_EQ(xenomai_version((proc.path() / "version").string()), std::nullopt);
  write_file(proc.path() / "version", "3.2.4\n");
  EXPECT_EQ(xenomai_version((proc.path() / "version").string()), "3.2.4");
}

}  // namespace

// SPDX-License-Identifier: BSD-3-Clause
// The backends without VFIO (sysfs, UIO) and the choice between backends, on a /sys and a /dev made of files. What only
// a kernel can show (mapped BARs, interrupts) is shown in the lab.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>

#include <pollux/backend/open.hpp>

#include "../fake_sys.hpp"

namespace {

using namespace pollux;
using namespace fake_sys;

constexpr const char* kBdf = "0000:03:00.0";
constexpr std::uint16_t kMemory = 2, kMaster = 4, kIntxOff = 1 << 10;

/// An 82574 without driver, and /dev.
struct NoVfio : testing::Test {
  NoVfio() {
    sys.add(kBdf, "0x8086", "0x10d3", "0x020000");
    std::string image(256, '\0');
    image[4] = 0x04, image[5] = 0x05;  // COMMAND: bus mastering on, memory off
    image[0x3D] = 1;                   // INTA
    write_file(sys.device(kBdf) / "config", image);
    write_file(sys.device(kBdf) / "resource0", std::string(0x20000, '\0'));
  }
  [[nodiscard]] std::uint16_t command() const {
    const std::string image = read_file(sys.device(kBdf) / "config");
    return static_cast<std::uint16_t>(static_cast<unsigned char>(image[4]) | static_cast<unsigned char>(image[5]) << 8);
  }
  void set_command(std::uint16_t v) const {
    std::fstream file(sys.device(kBdf) / "config", std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(4);
    file.write(reinterpret_cast<const char*>(&v), sizeof v);
  }
  void bind_uio(const std::string& driver = "uio_pci_generic") const {
    sys.bind(kBdf, driver);
    write_file(sys.device(kBdf) / "uio/uio7/name", driver + "\n");
    fs::create_directories(dev.path());
    ::mkfifo((dev.path() / "uio7").c_str(), 0600);  // opened for reading and writing it blocks nobody
  }
  [[nodiscard]] std::string dev_path() const { return dev.path().string(); }
  FakeSys sys;
  TempDir dev;
  HostDomain domain;
  const Bdf bdf = Bdf::parse(kBdf);
};

// ---- sysfs ----------------------------------------------------------------------------------------------------------

TEST_F(NoVfio, SysfsOpensWithMemoryOnAndBusMasteringOff) {
  {
    SysfsDevice device(domain, bdf, sys.sysfs());
    EXPECT_EQ(command(), 0x0502);
    EXPECT_EQ(device.id(), (PciId{0x8086, 0x10D3}));
    EXPECT_EQ(device.name(), kBdf);
    EXPECT_EQ(device.backend_name(), "sysfs");
    EXPECT_EQ(&device.domain(), &domain);
    device.enable_bus_master();
    EXPECT_EQ(command() & kMaster, kMaster);
  }
  EXPECT_EQ(command() & kMaster, 0) << "off again when closed";
}

TEST_F(NoVfio, SysfsMapsBarsOnceAndSharesThem) {
  SysfsDevice device(domain, bdf, sys.sysfs());
  const auto bar = device.bar(0);
  EXPECT_EQ(bar.io().size(), 0x20000u);
  bar.io().write32(0x1FFFC, 0x12345678);
  EXPECT_EQ(device.bar(0).io().read32(0x1FFFC), 0x12345678u);
  const std::string file = read_file(sys.device(kBdf) / "resource0");
  EXPECT_EQ(file.substr(0x1FFFC), "\x78\x56\x34\x12") << "the mapping is shared";
}

TEST_F(NoVfio, SysfsAnAbsentBarIsSaid) {
  SysfsDevice device(domain, bdf, sys.sysfs());
  const Error error = error_of([&] { (void)device.bar(3); });
  EXPECT_TRUE(contains(error.what(), "BAR 3 is absent"));
}

TEST_F(NoVfio, SysfsABarOfPortsIsSaid) {
  std::string image = read_file(sys.device(kBdf) / "config");
  image[0x18] = 1;  // BAR 2
  write_file(sys.device(kBdf) / "config", image);
  write_file(sys.device(kBdf) / "resource2", "");  // mmap of nothing fails like that of ports on Linux 7
  SysfsDevice device(domain, bdf, sys.sysfs());
  const Error error = error_of([&] { (void)device.bar(2); });
  EXPECT_EQ(error.code().value(), EINVAL);
  EXPECT_TRUE(contains(error.what(), "I/O ports"));
}

TEST_F(NoVfio, SysfsRefusesADeviceThatAnotherProcessUses) {
  SysfsDevice device(domain, bdf, sys.sysfs());
  const Error error = error_of([&] { SysfsDevice second(domain, bdf, sys.sysfs()); });
  EXPECT_EQ(error.code().value(), EBUSY);
  EXPECT_TRUE(contains(error.what(), "fuser"));
  EXPECT_EQ(command(), 0x0502) << "the refused one left everything alone";
}

TEST_F(NoVfio, SysfsRefusesADeviceOfAKernelDriver) {
  sys.bind(kBdf, "e1000e");
  const Error error = error_of([&] { SysfsDevice device(domain, bdf, sys.sysfs()); });
  EXPECT_EQ(error.code().value(), EBUSY);
  EXPECT_TRUE(contains(error.what(), "bound to driver e1000e"));
  EXPECT_TRUE(contains(error.what(), "unbind"));
}

TEST_F(NoVfio, SysfsADeviceOfAKernelDriverIsNotTouched) {
  sys.bind(kBdf, "e1000e");
  EXPECT_THROW(SysfsDevice(domain, bdf, sys.sysfs()), Error);
  EXPECT_EQ(command(), 0x0504) << "its driver needs bus mastering";
}

TEST_F(NoVfio, SysfsRefusesADeviceBehindATranslatingIommu) {
  sys.put_in_group(kBdf, 9);
  for (const char* type : {"DMA", "DMA-FQ", "blocked"}) {
    write_file(sys.device(kBdf) / "iommu_group/type", std::string(type) + "\n");
    const Error error = error_of([&] { SysfsDevice device(domain, bdf, sys.sysfs()); });
    EXPECT_EQ(error.code().value(), EPERM);
    EXPECT_TRUE(contains(error.what(), type));
    EXPECT_TRUE(contains(error.what(), "iommu=pt"));
  }
  write_file(sys.device(kBdf) / "iommu_group/type", "identity\n");
  EXPECT_NO_THROW(SysfsDevice(domain, bdf, sys.sysfs()));
}

TEST_F(NoVfio, SysfsHasNoInterruptsAndSaysSo) {
  SysfsDevice device(domain, bdf, sys.sysfs());
  const Error error = error_of([&] { (void)device.open_interrupts(IrqKind::kMsix, 2); });
  EXPECT_EQ(error.code().value(), ENOTSUP);
  EXPECT_TRUE(contains(error.what(), "2 x MSI-X through sysfs"));
  EXPECT_EQ(device.open_removal_notice(), nullptr);
}

TEST_F(NoVfio, SysfsResetsWhereTheKernelCan) {
  SysfsDevice device(domain, bdf, sys.sysfs());
  const auto without = device.try_reset();
  ASSERT_FALSE(without);
  EXPECT_EQ(without.failure().code, ENOTSUP);
  write_file(sys.device(kBdf) / "reset", "-");
  EXPECT_TRUE(device.try_reset());
  EXPECT_EQ(read_file(sys.device(kBdf) / "reset"), "1");
}

TEST_F(NoVfio, AConfigurationSpaceOfOnesIsADeviceThatIsGone) {
  write_file(sys.device(kBdf) / "config", std::string(256, '\xFF'));
  EXPECT_TRUE(contains(error_of([&] { SysfsDevice device(domain, bdf, sys.sysfs()); }).what(), "gone"));
}

// ---- UIO ------------------------------------------------------------------------------------------------------------

TEST_F(NoVfio, UioOpensItsNodeAndReadsItsMaps) {
  bind_uio("igb_uio");
  const fs::path maps = sys.device(kBdf) / "uio/uio7/maps";
  for (const auto& [file, text] : {std::pair{"name", "BAR0\n"},
                                   {"addr", "0x00000000febc0000\n"},
                                   {"size", "0x0000000000020000\n"},
                                   {"offset", "0x10\n"}}) {
    write_file(maps / "map0" / file, text);
  }
  const fs::path ports = sys.device(kBdf) / "uio/uio7/portio";
  write_file(ports / "port1/name", "BAR2\n");
  write_file(ports / "port1/start", "0xc020\n");
  write_file(ports / "port1/size", "0x20\n");
  UioDevice device(domain, bdf, sys.sysfs(), dev_path());
  EXPECT_EQ(device.backend_name(), "UIO (igb_uio)");
  ASSERT_EQ(device.maps().size(), 1u);
  EXPECT_EQ(device.maps()[0].name, "BAR0");
  EXPECT_EQ(device.maps()[0].address, 0xFEBC0000u);
  EXPECT_EQ(device.maps()[0].bytes, 0x20000u);
  EXPECT_EQ(device.maps()[0].offset, 0x10u);
  ASSERT_EQ(device.ports().size(), 1u);
  EXPECT_EQ(device.ports()[0].index, 1u);
  EXPECT_EQ(device.ports()[0].address, 0xC020u);
  EXPECT_EQ(device.bar(0).io().size(), 0x20000u) << "BARs come from sysfs";
}

TEST_F(NoVfio, UioFindsTheOldKernelsName) {
  sys.bind(kBdf, "uio_pci_generic");
  write_file(sys.device(kBdf) / "uio:uio7/name", "uio_pci_generic\n");
  ::mkfifo((dev.path() / "uio7").c_str(), 0600);
  EXPECT_NO_THROW(UioDevice(domain, bdf, sys.sysfs(), dev_path()));
}

TEST_F(NoVfio, UioRefusesOtherDrivers) {
  const Error unbound = error_of([&] { UioDevice device(domain, bdf, sys.sysfs(), dev_path()); });
  EXPECT_TRUE(contains(unbound.what(), "bound to no driver"));
  EXPECT_TRUE(contains(unbound.what(), "uio_pci_generic"));
  sys.bind(kBdf, "vfio-pci");
  EXPECT_TRUE(contains(error_of([&] { UioDevice device(domain, bdf, sys.sysfs(), dev_path()); }).what(), "vfio-pci"));
}

TEST_F(NoVfio, UioAMissingNodeIsNamed) {
  sys.bind(kBdf, "uio_pci_generic");
  write_file(sys.device(kBdf) / "uio/uio7/name", "uio_pci_generic\n");
  EXPECT_TRUE(contains(error_of([&] { UioDevice device(domain, bdf, sys.sysfs(), dev_path()); }).what(), "uio7"));
}

TEST_F(NoVfio, UioGenericUnmasksThroughCommand) {
  bind_uio();
  UioDevice device(domain, bdf, sys.sysfs(), dev_path());
  EXPECT_EQ(device.irq_counts().intx, 1u);
  EXPECT_EQ(device.irq_counts().msix, 0u);
  set_command(0x0502);
  {
    auto interrupts = device.open_interrupts(IrqKind::kIntx, 1);
    ASSERT_EQ(interrupts.size(), 1u);
    EXPECT_EQ(command() & kIntxOff, 0) << "unmasked";
    EXPECT_FALSE(interrupts[0]->wait(Nanos{0}));

    // The kernel's part: an interrupt masks the line and raises the count.
    set_command(static_cast<std::uint16_t>(command() | kIntxOff));
    const UniqueFd kernel(::open((dev.path() / "uio7").c_str(), O_RDWR | O_NONBLOCK));
    std::uint32_t count = 41;
    ASSERT_EQ(::write(kernel.get(), &count, sizeof count), 4);
    EXPECT_TRUE(interrupts[0]->wait(Nanos{1'000'000'000}));
    EXPECT_EQ(std::move(interrupts[0]->try_take()).value(), 1u);
    EXPECT_EQ(std::move(interrupts[0]->try_take()).value(), 0u);
    EXPECT_TRUE(interrupts[0]->try_rearm());
    EXPECT_EQ(command() & kIntxOff, 0);
    count = 44;  // three more, two of them merged
    ASSERT_EQ(::write(kernel.get(), &count, sizeof count), 4);
    EXPECT_EQ(std::move(interrupts[0]->try_take()).value(), 3u);
  }
  EXPECT_EQ(command() & kIntxOff, kIntxOff) << "masked when the interrupt is given up";
  EXPECT_EQ(command() & kMemory, kMemory);
}

TEST_F(NoVfio, UioWithoutMessagesHasTheLineThatTheDeviceHas) {
  bind_uio("igb_uio");
  UioDevice device(domain, bdf, sys.sysfs(), dev_path());
  EXPECT_EQ(device.irq_counts().intx, 1u);
  write_file(sys.device(kBdf) / "msi_irqs/24", "msix\n");
  EXPECT_EQ(device.irq_counts().msix, 1u);
  EXPECT_EQ(device.irq_counts().intx, 0u);
  write_file(sys.device(kBdf) / "msi_irqs/24", "msi\n");
  EXPECT_EQ(device.irq_counts().msi, 1u);
  fs::remove_all(sys.device(kBdf) / "msi_irqs");
  device.config().write8(pci_config::kInterruptPin, 0);
  EXPECT_EQ(device.irq_counts().intx, 0u);
}

TEST_F(NoVfio, UioGenericHasOneIntxAndNothingElse) {
  bind_uio();
  UioDevice device(domain, bdf, sys.sysfs(), dev_path());
  EXPECT_TRUE(contains(error_of([&] { (void)device.open_interrupts(IrqKind::kMsix, 1); }).what(), "INTx: 1"));
  EXPECT_THROW((void)device.open_interrupts(IrqKind::kIntx, 2), Error);
}

// ---- the choice -----------------------------------------------------------------------------------------------------

TEST_F(NoVfio, TheBestWayIsChosenByHowTheDeviceIsBound) {
  EXPECT_EQ(choose_backend(sys.sysfs(), bdf, dev_path()).kind, BackendKind::kSysfs);
  bind_uio();
  EXPECT_EQ(choose_backend(sys.sysfs(), bdf, dev_path()).kind, BackendKind::kUio);
  fs::remove_all(sys.device(kBdf) / "uio");
  fs::remove(sys.device(kBdf) / "driver");
  sys.bind(kBdf, "vfio-pci");
  sys.put_in_group(kBdf, 9);
  write_file(dev.path() / "vfio/9", "");
  EXPECT_EQ(choose_backend(sys.sysfs(), bdf, dev_path()).kind, BackendKind::kVfio);
  write_file(sys.device(kBdf) / "vfio-dev/vfio3/dev", "511:0\n");
  write_file(dev.path() / "iommu", "");
  EXPECT_EQ(choose_backend(sys.sysfs(), bdf, dev_path()).kind, BackendKind::kVfio) << "by group, while there is one";
  fs::remove(dev.path() / "vfio/9");
  EXPECT_EQ(choose_backend(sys.sysfs(), bdf, dev_path()).kind, BackendKind::kVfioCdev);
  write_file(sys.device(kBdf) / "iommu_group/name", "vfio-noiommu\n");
  EXPECT_EQ(choose_backend(sys.sysfs(), bdf, dev_path()).kind, BackendKind::kVfioNoIommu);
}

TEST_F(NoVfio, ADeviceOfTheKernelIsNotTakenAwayButTheCommandsAreGiven) {
  sys.bind(kBdf, "e1000e");
  EXPECT_TRUE(contains(error_of([&] { (void)choose_backend(sys.sysfs(), bdf); }).what(), "modprobe uio_pci_generic"));
  sys.put_in_group(kBdf, 9);
  EXPECT_TRUE(contains(error_of([&] { (void)choose_backend(sys.sysfs(), bdf); }).what(), "modprobe vfio-pci"));
}

TEST(DeviceSpec, NamesABackendOrNone) {
  EXPECT_EQ(DeviceSpec::parse("0000:03:00.0").kind, std::nullopt);
  EXPECT_EQ(DeviceSpec::parse("03:00.0").bdf, Bdf::parse("0000:03:00.0"));
  for (const auto& entry : DeviceSpec::kKinds) {
    const DeviceSpec spec = DeviceSpec::parse(std::string(entry.prefix) + ":0000:03:00.0");
    EXPECT_EQ(spec.kind, entry.kind);
    EXPECT_EQ(spec.bdf, Bdf::parse("0000:03:00.0"));
  }
  for (const char* bad : {"", "uio", "uio:", "uio03:00.0", "vfio-:03:00.0", "xyz:0000:03:00.0"}) {
    EXPECT_THROW((void)DeviceSpec::parse(bad), Error) << bad;
  }
}

TEST(OpenDevices, AWrongAddressIsThatAndNothingElse) {
  EXPECT_TRUE(contains(error_of([] { (void)open_device("ffff:ff:1f.7"); }).what(), "ffff:ff:1f.7"));
}

}  // namespace

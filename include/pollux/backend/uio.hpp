// SPDX-License-Identifier: BSD-3-Clause
// UioDevice: a PCI function bound to uio_pci_generic or igb_uio: sysfs, and an interrupt through /dev/uioN.
#pragma once
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <pollux/backend/sysfs.hpp>

namespace pollux {

/// One map or port region that a UIO driver describes in /sys/class/uio/uioN.
struct UioMap {
  std::string name;
  std::uint64_t address = 0;
  std::uint64_t bytes = 0;
  std::uint64_t offset = 0;  ///< where the data starts in the mapping [bytes]
  unsigned index = 0;        ///< X of mapX or portX
};

namespace detail {

/// The interrupt of a UIO device. The kernel counts interrupts from when the driver was bound; what counts here is
/// what came since the last look.
class UioInterrupt final : public Interrupt {
 public:
  /// Pre: `uio` is non-blocking; both stay open. By write: the driver takes 1 for "unmask" (igb_uio). Else by clearing
  /// COMMAND.INTxDisable, which uio_pci_generic sets when an interrupt comes.
  UioInterrupt(int uio, FdConfigSpace config, bool by_write)
      : uio_(uio), config_(std::move(config)), by_write_(by_write) {}
  ~UioInterrupt() override {
    if (by_write_) {
      const std::uint32_t mask = 0;
      (void)sys::write(uio_, &mask, sizeof mask);
    } else {
      const std::uint16_t command = config_.read16(pci_config::kCommand);
      if (command == 0xFFFF) return;
      try_write_command(static_cast<std::uint16_t>(command | pci_config::kCommandIntxDisable));
    }
  }
  [[nodiscard]] int fd() const noexcept override { return uio_; }
  [[nodiscard]] Result<std::uint64_t> try_take() override {
    std::uint32_t total = 0;
    if (sys::read(uio_, &total, sizeof total) == sizeof total) {
      const std::uint32_t come = seen_any_ ? total - last_ : 1;  // wraps with it
      last_ = total, seen_any_ = true;
      return std::uint64_t{come};
    }
    if (errno == EAGAIN || errno == EINTR) return std::uint64_t{0};
    return Failure{.code = errno,
                   .operation = "read interrupts of",
                   .object = config_.name(),
                   .where = errno == EIO ? "the device was unbound, or has no interrupt line" : "",
                   .remedy = {}};
  }
  [[nodiscard]] Result<Done> try_rearm() override {
    if (by_write_) {
      const std::uint32_t unmask = 1;
      if (sys::write(uio_, &unmask, sizeof unmask) == sizeof unmask) return Done{};
      return gone("write to /dev/uio");
    }
    const std::uint16_t command = config_.read16(pci_config::kCommand);
    if (command == 0xFFFF) return errno = EIO, gone("COMMAND reads all ones");
    if (try_write_command(static_cast<std::uint16_t>(command & ~pci_config::kCommandIntxDisable))) return Done{};
    return gone("COMMAND");
  }

 private:
  bool try_write_command(std::uint16_t command) noexcept { return config_.try_write16(pci_config::kCommand, command); }
  [[nodiscard]] Failure gone(const char* where) const {
    return {
        .code = errno, .operation = "unmask the interrupt of", .object = config_.name(), .where = where, .remedy = {}};
  }
  int uio_;
  FdConfigSpace config_;
  bool by_write_;
  bool seen_any_ = false;
  std::uint32_t last_ = 0;
};

}  // namespace detail

/// Mind that uio_pci_generic forbids bus mastering whenever any process closes /dev/uioN, even while we have it open.
/// igb_uio does so when the last one closes it.
class UioDevice final : public detail::SysfsFunction {
 public:
  /// `domain`: a PhysicalDomain. Errors: raises, naming the cause and what mends it: no such device, another driver, an
  /// IOMMU before it, no rights, in use by another process.
  UioDevice(DmaDomain& domain, Bdf bdf, const PciSysfs& sysfs = PciSysfs{}, const std::string& dev = "/dev");

  [[nodiscard]] std::string backend_name() const override { return text::cat("UIO (", *info().driver, ")"); }
  /// One, whatever kind the UIO driver took: uio_pci_generic INTx; igb_uio MSI-X, MSI or INTx, as its intr_mode says
  /// (without: MSI-X, of which drivers here use two and more).
  [[nodiscard]] IrqCounts irq_counts() const override;
  [[nodiscard]] std::vector<std::unique_ptr<Interrupt>> open_interrupts(IrqKind kind, unsigned n) override;
  /// What the UIO driver tells of the device. uio_pci_generic leaves BARs out; `bar` takes all from sysfs.
  [[nodiscard]] const std::vector<UioMap>& maps() const noexcept { return maps_; }
  [[nodiscard]] const std::vector<UioMap>& ports() const noexcept { return ports_; }

 private:
  struct Node {
    std::string name;       ///< uioN
    std::string directory;  ///< what sysfs tells of it
  };
  UioDevice(DmaDomain& domain, const PciFunctionInfo& function, const PciSysfs& sysfs, const std::string& dev,
            const Node& node);
  [[nodiscard]] static Node node_of(const PciSysfs& sysfs, Bdf bdf);
  [[nodiscard]] static std::vector<UioMap> regions(const std::string& directory, const char* prefix,
                                                   const char* address);
  [[nodiscard]] bool generic() const { return info().driver == "uio_pci_generic"; }

  std::vector<UioMap> maps_, ports_;
  UniqueFd uio_;
};

inline UioDevice::UioDevice(DmaDomain& domain, Bdf bdf, const PciSysfs& sysfs, const std::string& dev)
    : UioDevice(domain, sysfs.info(bdf), sysfs, dev, node_of(sysfs, bdf)) {}

inline UioDevice::UioDevice(DmaDomain& domain, const PciFunctionInfo& function, const PciSysfs& sysfs,
                            const std::string& dev, const Node& node)
    : SysfsFunction(domain, function, sysfs),
      maps_(regions(node.directory + "/maps", "map", "addr")),
      ports_(regions(node.directory + "/portio", "port", "start")) {
  auto fd = try_open(text::cat(dev, "/", node.name), O_RDWR | O_NONBLOCK);
  if (!fd) {
    Failure why = fd.failure();
    if (why.code == EACCES || why.code == EPERM) why.remedy = text::cat("run as root, or chown USER ", why.object);
    raise(std::move(why));
  }
  uio_ = std::move(fd).value();
  disable_bus_master();  // igb_uio allows it when it is opened first
}

inline UioDevice::Node UioDevice::node_of(const PciSysfs& sysfs, Bdf bdf) {
  // The class device lies in D/uio/uioN; old kernels call it D/uio:uioN.
  const std::string path = sysfs.device_path(bdf);
  for (const std::string& name : PciSysfs::names_in(path + "/uio")) return {name, text::cat(path, "/uio/", name)};
  for (const std::string& name : PciSysfs::names_in(path)) {
    if (name.starts_with("uio:uio")) return {name.substr(4), text::cat(path, "/", name)};
  }
  raise(wrong_driver(sysfs, sysfs.info(bdf), "uio_pci_generic", "open by UIO"));
}

inline std::vector<UioMap> UioDevice::regions(const std::string& directory, const char* prefix, const char* address) {
  std::vector<UioMap> out;
  for (const std::string& name : PciSysfs::names_in(directory)) {
    if (!name.starts_with(prefix)) continue;
    const auto number = [&](const char* file) -> std::uint64_t {
      auto text = file::try_read(text::cat(directory, "/", name, "/", file));
      return text ? std::strtoull(text.value().c_str(), nullptr, 0) : 0;
    };
    auto label = file::try_read(text::cat(directory, "/", name, "/name"));
    out.push_back({.name = std::string(text::trim(label ? label.value() : std::string{})),
                   .address = number(address),
                   .bytes = number("size"),
                   .offset = number("offset"),
                   .index = static_cast<unsigned>(std::strtoul(name.c_str() + std::strlen(prefix), nullptr, 10))});
  }
  return out;
}

inline IrqCounts UioDevice::irq_counts() const {
  for (const std::string& irq : PciSysfs::names_in(path() + "/msi_irqs")) {
    auto kind = file::try_read(path() + "/msi_irqs/" + irq);
    if (kind && text::trim(kind.value()) == "msix") return {.intx = 0, .msi = 0, .msix = 1};
    return {.intx = 0, .msi = 1, .msix = 0};
  }
  const std::uint8_t pin = config().read8(pci_config::kInterruptPin);
  return {.intx = pin >= 1 && pin <= 4 ? 1u : 0u, .msi = 0, .msix = 0};
}

inline std::vector<std::unique_ptr<Interrupt>> UioDevice::open_interrupts(IrqKind kind, unsigned n) {
  const IrqCounts counts = irq_counts();
  if (n != 1 || counts.of(kind) != 1) raise(no_such_interrupts(kind, n, counts));
  auto one = std::make_unique<detail::UioInterrupt>(uio_.get(), config(), !generic());
  (void)one->try_take();  // what came before counts as taken
  auto armed = one->try_rearm();
  if (!armed) raise(armed.failure());
  std::vector<std::unique_ptr<Interrupt>> out;
  out.push_back(std::move(one));
  return out;
}

}  // namespace pollux

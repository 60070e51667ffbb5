// SPDX-License-Identifier: BSD-3-Clause
// SysfsDevice: a PCI function through the files of sysfs alone: no kernel module, no IOMMU, no interrupts.
#pragma once
#include <sys/file.h>

#include <array>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <pollux/backend/pci_device.hpp>
#include <pollux/core/mapping.hpp>
#include <pollux/pci/bind.hpp>

namespace pollux {

namespace detail {

/// What the backends without VFIO share: BARs from resourceN, configuration space from `config`, reset from `reset`.
class SysfsFunction : public PciDevice {
 public:
  ~SysfsFunction() override {
    if (config_) disable_bus_master();
  }
  [[nodiscard]] reg::Bar<Io> bar(unsigned number) override;
  [[nodiscard]] FdConfigSpace config() const override { return {config_.get(), 0, name()}; }
  [[nodiscard]] DmaDomain& domain() noexcept override { return *domain_; }
  [[nodiscard]] Result<Done> try_reset() override;

 protected:
  /// Pre: nobody else's. Errors: raises when there is no such function, an IOMMU would refuse its DMA, the rights are
  /// missing, or another process has it.
  SysfsFunction(DmaDomain& domain, const PciFunctionInfo& info, const PciSysfs& sysfs);

  [[nodiscard]] const PciFunctionInfo& info() const noexcept { return info_; }
  [[nodiscard]] const std::string& path() const noexcept { return path_; }
  [[nodiscard]] Mapping& mapping(unsigned bar) {
    POLLUX_ASSERT(bar < bars_.size(), "PCI functions have BAR 0 to 5");
    return bars_[bar];
  }

 private:
  DmaDomain* domain_;
  PciFunctionInfo info_;
  std::string path_;
  UniqueFd config_;
  std::array<Mapping, 6> bars_;
};

inline SysfsFunction::SysfsFunction(DmaDomain& domain, const PciFunctionInfo& info, const PciSysfs& sysfs)
    : PciDevice(info.id, info.bdf.to_string()), domain_(&domain), info_(info), path_(sysfs.device_path(info.bdf)) {
  if (info_.iommu_group) {
    auto type = file::try_read(path_ + "/iommu_group/type");
    const std::string kind(text::trim(type ? type.value() : std::string("unknown")));
    if (kind != "identity") {
      raise({.code = EPERM,
             .operation = "open without VFIO",
             .object = name(),
             .where = text::cat("an IOMMU stands before the device and stops DMA to physical addresses (group type ",
                                kind, ")"),
             .remedy = "use VFIO, which is made for it; or boot with iommu=pt"});
    }
  }
  auto fd = try_open(path_ + "/config", O_RDWR);
  if (!fd) {
    Failure why = fd.failure();
    if (why.code == EACCES || why.code == EPERM) {
      why.remedy = "run as root; or use VFIO, whose devices can be handed to an ordinary user (pollux-devbind --uid)";
    }
    raise(std::move(why));
  }
  config_ = std::move(fd).value();
  // The kernel does not keep two processes apart here, so we do; the lock goes with the process, however it ends.
  if (sys::flock(config_.get(), LOCK_EX | LOCK_NB) != 0) {
    const int code = errno == EWOULDBLOCK ? EBUSY : errno;
    config_.reset();
    raise({.code = code,
           .operation = "open",
           .object = name(),
           .where = "another process uses the device",
           .remedy = text::cat("find it: fuser -v ", path_, "/config")});
  }
  disable_bus_master();
  set_command(config(), pci_config::kCommandMemory, true);
}

inline reg::Bar<reg::Mmio> SysfsFunction::bar(unsigned number) {
  Mapping& window = mapping(number);
  if (!window) {
    const std::string resource = text::cat(path_, "/resource", number);
    auto fd = try_open(resource, O_RDWR);
    if (!fd) {
      Failure why = fd.failure();
      if (why.code == ENOENT) why.where = text::cat("BAR ", number, " is absent");
      raise(std::move(why));
    }
    struct stat status{};
    if (::fstat(fd.value().get(), &status) != 0) raise(failure("size", resource));
    auto mapped = Mapping::try_map(static_cast<std::size_t>(status.st_size), PROT_READ | PROT_WRITE, MAP_SHARED,
                                   fd.value().get(), 0, resource.c_str());
    if (!mapped) {
      Failure why = mapped.failure();
      if (why.code == EPERM) why.remedy = "the kernel is locked down (Secure Boot): use VFIO";
      if (why.code == EINVAL) why.remedy = "a kernel driver holds the BAR (CONFIG_IO_STRICT_DEVMEM): unbind it";
      // Such a file can be read and written; mmap fails with ENODEV, on Linux 7 with EINVAL.
      if ((config().read32(pci_config::kBar0 + 4 * number) & pci_config::kBarPorts) != 0)
        why.remedy = "the BAR is of I/O ports: use reg::FilePortIo or reg::PortIo (reg/port_io.hpp)";
      raise(std::move(why));
    }
    window = std::move(mapped).value();
  }
  return reg::Bar<Io>(reg::Mmio(window.data(), window.size()));
}

inline Result<Done> SysfsFunction::try_reset() {
  auto done = file::try_write(path_ + "/reset", "1");
  if (done) return done;
  Failure why = done.failure();
  if (why.code == ENOENT) why = {.code = ENOTSUP, .operation = {}, .object = {}, .where = {}, .remedy = {}};
  why.operation = "reset";
  why.object = name();
  if (why.code == ENOTSUP) why.where = "the kernel knows no reset method for this function";
  return why;
}

}  // namespace detail

/// A function that no kernel driver has. Interrupts: none.
class SysfsDevice final : public detail::SysfsFunction {
 public:
  /// `domain`: a PhysicalDomain. Errors: raises, naming the cause and what mends it: no such device, a kernel driver
  /// has it, an IOMMU stands before it, no rights, in use by another process.
  SysfsDevice(DmaDomain& domain, Bdf bdf, const PciSysfs& sysfs = PciSysfs{})
      : SysfsFunction(domain, free_function(sysfs, bdf), sysfs) {}
  [[nodiscard]] std::string backend_name() const override { return "sysfs"; }
  [[nodiscard]] IrqCounts irq_counts() const override { return {}; }
  [[nodiscard]] std::vector<std::unique_ptr<Interrupt>> open_interrupts(IrqKind kind, unsigned n) override {
    raise(no_such_interrupts(kind, n, irq_counts()));
  }

 private:
  static PciFunctionInfo free_function(const PciSysfs& sysfs, Bdf bdf) {
    PciFunctionInfo info = sysfs.info(bdf);
    if (!info.driver) return info;
    raise({.code = EBUSY,
           .operation = "open by sysfs",
           .object = bdf.to_string(),
           .where = text::cat("bound to driver ", *info.driver),
           .remedy = text::cat("as root: echo ", bdf.to_string(), " > ", sysfs.device_path(bdf), "/driver/unbind")});
  }
};

}  // namespace pollux

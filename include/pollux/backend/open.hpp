// SPDX-License-Identifier: BSD-3-Clause
// open_device: a PCI device by its address through the best way there is, or through the one that is named.
#pragma once
#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <pollux/backend/sysfs.hpp>
#include <pollux/backend/udd.hpp>
#include <pollux/backend/uio.hpp>
#include <pollux/backend/vfio.hpp>
#include <pollux/backend/vfio_cdev.hpp>
#include <pollux/dma/physical.hpp>

namespace pollux {

enum class BackendKind : std::uint8_t { kVfio, kVfioCdev, kVfioNoIommu, kUio, kUdd, kSysfs };

/// "0000:03:00.0", or with the way to it: "uio:0000:03:00.0".
struct DeviceSpec {
  struct Entry {
    BackendKind kind;
    std::string_view prefix;
  };
  static constexpr std::array kKinds{
      Entry{BackendKind::kVfio, "vfio"},
      Entry{BackendKind::kVfioCdev, "vfio-cdev"},
      Entry{BackendKind::kVfioNoIommu, "vfio-noiommu"},
      Entry{BackendKind::kUio, "uio"},
      Entry{BackendKind::kUdd, "udd"},
      Entry{BackendKind::kSysfs, "sysfs"},
  };
  std::optional<BackendKind> kind;  ///< nothing: the best there is
  Bdf bdf;

  /// Errors: raises EINVAL with what a spec looks like.
  static DeviceSpec parse(std::string_view text) {
    for (const Entry& entry : kKinds) {
      if (text.starts_with(entry.prefix) && text.substr(entry.prefix.size()).starts_with(':')) {
        return {.kind = entry.kind, .bdf = Bdf::parse(text.substr(entry.prefix.size() + 1))};
      }
    }
    return {.kind = std::nullopt, .bdf = Bdf::parse(text)};
  }
};

/// A way to a device and why it is the one.
struct BackendChoice {
  BackendKind kind{};
  std::string why;
};

/// The best way to a device as it is bound now: nothing is bound or unbound. In this order: VFIO with an IOMMU, VFIO
/// without, UDD where its driver has the device, UIO, sysfs. Errors: raises EBUSY when the kernel's driver has the
/// device, with the commands that hand it over.
inline BackendChoice choose_backend(const PciSysfs& sysfs, Bdf bdf, const std::string& dev = "/dev") {
  const PciFunctionInfo info = sysfs.info(bdf);
  if (info.driver == "vfio-pci") {
    if (VfioNoIommuDevice::is_group_of(sysfs, bdf)) {
      return {BackendKind::kVfioNoIommu, "bound to vfio-pci, and the machine has no IOMMU"};
    }
    const bool by_group = info.iommu_group && file::exists(text::cat(dev, "/vfio/", *info.iommu_group));
    if (!by_group && VfioCdevDevice::node_name(sysfs, bdf) && file::exists(dev + "/iommu")) {
      return {BackendKind::kVfioCdev, "bound to vfio-pci, on a kernel without VFIO groups"};
    }
    return {BackendKind::kVfio, "bound to vfio-pci, behind an IOMMU"};
  }
  if (info.driver == udd::kDriver) return {BackendKind::kUdd, text::cat("bound to ", udd::kDriver)};
  if (!PciSysfs::names_in(sysfs.device_path(bdf) + "/uio").empty()) {
    return {BackendKind::kUio, text::cat("bound to ", info.driver.value_or("a UIO driver"))};
  }
  if (!info.driver && !info.iommu_group) {
    return {BackendKind::kSysfs, "bound to no driver, and no IOMMU stands before it"};
  }
  std::string where = info.driver ? text::cat("bound to driver ", *info.driver) : std::string("bound to no driver");
  where += info.iommu_group
               ? ", and an IOMMU stands before it"
               : ", and no IOMMU stands before it (to use VFIO: enable VT-d or AMD-Vi in the firmware and boot "
                 "with intel_iommu=on)";
  raise({.code = info.driver ? EBUSY : ENODEV,
         .operation = "open",
         .object = bdf.to_string(),
         .where = std::move(where),
         .remedy =
             text::cat("as root: ", bind_commands(sysfs, info, info.iommu_group ? "vfio-pci" : "uio_pci_generic"))});
}

/// Devices and the one DMA domain they all stand in. Members in order of acquisition.
struct OpenedDevices {
  std::unique_ptr<DmaDomain> domain;
  std::vector<std::unique_ptr<PciDevice>> devices;
  std::vector<std::string> reasons;  ///< "VFIO group, because bound to vfio-pci, ...", one a device
};

/// Opens devices for one domain, so that their memory can be shared. The first decides on the kind of domain.
/// Errors: raises what the backend raises; EINVAL when the devices cannot share a domain. Nothing stays open then.
inline OpenedDevices open_devices(const std::vector<std::string>& specs, const PciSysfs& sysfs = PciSysfs{}) {
  OpenedDevices out;
  VfioContainer* container = nullptr;
  IommufdDomain* ioas = nullptr;
  PhysicalDomain* physical = nullptr;
  const auto only = [&]<class Domain>(Domain*& domain, Bdf bdf) -> Domain& {
    if (domain == nullptr && out.domain) {
      raise({.code = EINVAL,
             .operation = "open",
             .object = bdf.to_string(),
             .where = text::cat("it cannot share the domain of the devices before it (", out.domain->name(), ")"),
             .remedy = "bind all devices to the same driver (pollux-devbind), or open them by themselves"});
    }
    if (domain == nullptr) {
      auto made = std::make_unique<Domain>();
      domain = made.get();
      out.domain = std::move(made);
    }
    return *domain;
  };
  for (const std::string& text : specs) {
    const auto [named, bdf] = DeviceSpec::parse(text);
    (void)sysfs.info(bdf);  // a wrong address is reported as that, before a missing VFIO is
    const BackendChoice choice = named ? BackendChoice{*named, "it was asked for"} : choose_backend(sysfs, bdf);
    std::unique_ptr<PciDevice> device;
    switch (choice.kind) {
      case BackendKind::kVfio:
        device = std::make_unique<VfioDevice>(only(container, bdf), bdf, sysfs);
        break;
      case BackendKind::kVfioCdev:
        device = std::make_unique<VfioCdevDevice>(only(ioas, bdf), bdf, sysfs);
        break;
      case BackendKind::kVfioNoIommu:
        device = std::make_unique<VfioNoIommuDevice>(only(physical, bdf), bdf, sysfs);
        break;
      case BackendKind::kUio:
        device = std::make_unique<UioDevice>(only(physical, bdf), bdf, sysfs);
        break;
      case BackendKind::kUdd:
#if defined(__COBALT__)  // in all parts of a program or in none
        device = std::make_unique<UddDevice<CobaltRtdm>>(CobaltRtdm{}, only(physical, bdf), bdf, UddConfig{}, sysfs);
        break;
#else
        raise({.code = ENOTSUP,
               .operation = "open by UDD",
               .object = bdf.to_string(),
               .where = "this program was built without libcobalt",
               .remedy = "build it with what xeno-config --skin=cobalt --cflags and --ldflags say"});
#endif
      case BackendKind::kSysfs:
        device = std::make_unique<SysfsDevice>(only(physical, bdf), bdf, sysfs);
        break;
    }
    out.reasons.push_back(text::cat(device->backend_name(), ", because ", choice.why));
    out.devices.push_back(std::move(device));
  }
  return out;
}

/// One device with a domain of its own.
struct OpenedDevice {
  std::unique_ptr<DmaDomain> domain;
  std::unique_ptr<PciDevice> device;
  std::string reason;
};
inline OpenedDevice open_device(const std::string& spec, const PciSysfs& sysfs = PciSysfs{}) {
  OpenedDevices one = open_devices({spec}, sysfs);
  return {std::move(one.domain), std::move(one.devices.front()), std::move(one.reasons.front())};
}

}  // namespace pollux

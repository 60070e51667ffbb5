// SPDX-License-Identifier: BSD-3-Clause
// VFIO by group and container: VfioContainer (a DmaDomain, type 1 IOMMU) with VfioDevice; VfioNoIommuDevice where the
// machine has no IOMMU and the kernel was told to do without.
#pragma once
#include <optional>

#include <pollux/backend/vfio_device.hpp>
#include <pollux/dma/iova.hpp>

namespace pollux {

/// One IOMMU address space. Devices of any number of groups may join; all see the same memory.
/// Must outlive its devices, regions and pools. Threads: one at a time.
class VfioContainer final : public DmaDomain {
 public:
  /// Errors: raises when the kernel offers no VFIO or no type 1 IOMMU. Cost: four system calls.
  explicit VfioContainer(std::string dev = "/dev/vfio");

  [[nodiscard]] Result<BusAddr> try_map(std::byte* memory, std::size_t bytes) override;
  void unmap(BusAddr at, std::size_t bytes) noexcept override;
  [[nodiscard]] bool translates() const noexcept override { return true; }
  [[nodiscard]] std::size_t granule() const noexcept override { return granule_; }
  [[nodiscard]] std::string_view name() const noexcept override { return "VFIO container"; }

 private:
  friend class VfioDevice;
  struct Group {
    std::uint32_t id;
    UniqueFd fd;
  };
  /// The group's descriptor; joins the group to the container at first use.
  int join(std::uint32_t id, const PciSysfs& sysfs);
  UniqueFd open_group(std::uint32_t id) const;
  void set_iommu(const std::string& group_path);
  void read_iommu_info();

  std::string dev_;
  UniqueFd fd_;
  int iommu_type_ = 0;
  std::size_t granule_ = 4096;
  std::vector<Group> groups_;
  std::optional<IovaAllocator> iova_;  ///< set with the IOMMU, when the first group has joined
};

/// One function bound to vfio-pci, behind an IOMMU.
class VfioDevice final : public VfioPciDevice {
 public:
  /// Opens the function. Errors: raises, naming the cause and what mends it: no such device, no IOMMU, another driver,
  /// group not viable (which members), no permission, in use.
  VfioDevice(VfioContainer& container, Bdf bdf, const PciSysfs& sysfs = PciSysfs{});
  [[nodiscard]] DmaDomain& domain() noexcept override { return *container_; }
  [[nodiscard]] std::string backend_name() const override { return "VFIO group"; }

 private:
  VfioContainer* container_;
};

/// One function bound to vfio-pci on a machine without IOMMU, where enable_unsafe_noiommu_mode is on. Interrupts,
/// regions and reset as under VFIO; DMA by physical address, from which nothing protects the machine: the kernel is
/// tainted.
class VfioNoIommuDevice final : public VfioPciDevice {
 public:
  /// `domain`: a PhysicalDomain. Errors: raises as VfioDevice; and when the mode is off, or CAP_SYS_RAWIO is missing.
  VfioNoIommuDevice(DmaDomain& domain, Bdf bdf, const PciSysfs& sysfs = PciSysfs{},
                    const std::string& dev = "/dev/vfio");
  [[nodiscard]] DmaDomain& domain() noexcept override { return *domain_; }
  [[nodiscard]] std::string backend_name() const override { return "VFIO no-IOMMU"; }
  /// Whether the function stands in one of the kernel's make-believe groups.
  [[nodiscard]] static bool is_group_of(const PciSysfs& sysfs, Bdf bdf) {
    auto name = file::try_read(sysfs.device_path(bdf) + "/iommu_group/name");
    return name && text::trim(name.value()) == "vfio-noiommu";
  }

 private:
  DmaDomain* domain_;
  UniqueFd container_, group_;
};

// ---- VfioContainer ------------------------------------------------------------------------------------------------

inline VfioContainer::VfioContainer(std::string dev) : dev_(std::move(dev)) {
  const std::string path = dev_ + "/vfio";
  auto fd = try_open(path, O_RDWR);
  if (!fd) {
    Failure failure = fd.failure();
    if (failure.code == EACCES) failure.remedy = text::cat("chmod 0666 ", path, " (it grants nothing by itself)");
    if (failure.code == ENOENT || failure.code == ENODEV)
      failure.remedy = "load the kernel's driver: modprobe vfio-pci";
    raise(std::move(failure));
  }
  fd_ = std::move(fd).value();
  if (sys::ioctl(fd_.get(), VFIO_GET_API_VERSION, nullptr) != VFIO_API_VERSION) {
    raise({.code = ENOTSUP, .operation = "use", .object = path, .where = "unknown VFIO API version", .remedy = {}});
  }
  for (const int type : {VFIO_TYPE1v2_IOMMU, VFIO_TYPE1_IOMMU}) {
    if (iommu_type_ == 0 && sys::ioctl(fd_.get(), VFIO_CHECK_EXTENSION, static_cast<unsigned long>(type)) == 1) {
      iommu_type_ = type;
    }
  }
  if (iommu_type_ == 0) {
    raise({.code = ENOTSUP,
           .operation = "use",
           .object = path,
           .where = "no type 1 IOMMU",
           .remedy = "modprobe vfio_iommu_type1"});
  }
}

inline UniqueFd VfioContainer::open_group(std::uint32_t id) const {
  const std::string path = text::cat(dev_, "/", id);
  auto fd = try_open(path, O_RDWR);
  if (fd) return std::move(fd).value();
  Failure failure = fd.failure();
  switch (failure.code) {
    case EACCES:
    case EPERM:
      failure.remedy = text::cat("run as root, or hand the group to your user: chown USER ", path);
      break;
    case EBUSY:
      failure.remedy = text::cat("another process uses the group; find it: fuser -v ", path,
                                 file::exists(dev_ + "/devices") ? text::cat(" ", dev_, "/devices/*") : std::string());
      break;
    case ENOENT:
      failure.remedy = text::cat(
          "the node is missing although a device of the group is bound to vfio-pci: is udev "
          "running, or the node not passed into this container?");
      break;
    default:
      break;
  }
  raise(std::move(failure));
}

inline int VfioContainer::join(std::uint32_t id, const PciSysfs& sysfs) {
  for (const Group& g : groups_) {
    if (g.id == id) return g.fd.get();
  }
  const std::string path = text::cat(dev_, "/", id);
  UniqueFd group = open_group(id);
  vfio_group_status status{.argsz = sizeof status, .flags = 0};
  if (sys::ioctl(group.get(), VFIO_GROUP_GET_STATUS, &status) != 0) {
    raise({.code = errno, .operation = "query", .object = path, .where = "VFIO_GROUP_GET_STATUS", .remedy = {}});
  }
  if ((status.flags & VFIO_GROUP_FLAGS_VIABLE) == 0) {
    std::string others, commands;
    for (const PciFunctionInfo& member : sysfs.group_members(id)) {
      // Unbound members, bridges and placeholders do not matter to the kernel.
      const std::string driver = member.driver.value_or("");
      if (driver.empty() || driver.starts_with("vfio") || driver == "pcieport" || driver == "pci-stub") continue;
      others += text::cat(others.empty() ? "" : ", ", member.bdf.to_string(), " (", driver, ")");
      commands += text::cat(commands.empty() ? "as root: " : "; ", bind_commands(sysfs, member, "vfio-pci"));
    }
    raise({.code = EPERM,
           .operation = "use IOMMU group",
           .object = std::to_string(id),
           .where = text::cat("not viable: other members are bound to kernel drivers: ", others),
           .remedy = commands.empty() ? "bind every device of the group to vfio-pci" : commands});
  }
  int container = fd_.get();
  if (sys::ioctl(group.get(), VFIO_GROUP_SET_CONTAINER, &container) != 0) {
    raise({.code = errno,
           .operation = "join container with",
           .object = path,
           .where = "VFIO_GROUP_SET_CONTAINER",
           .remedy = {}});
  }
  if (!iova_) {
    set_iommu(path);
  } else {
    read_iommu_info();  // this group's IOMMU may allow less
  }
  groups_.push_back({id, std::move(group)});
  return groups_.back().fd.get();
}

inline void VfioContainer::set_iommu(const std::string& group_path) {
  if (sys::ioctl(fd_.get(), VFIO_SET_IOMMU, static_cast<unsigned long>(iommu_type_)) != 0) {
    raise({.code = errno,
           .operation = "set type 1 IOMMU for",
           .object = group_path,
           .where = "VFIO_SET_IOMMU",
           .remedy = errno == EPERM ? "the platform lacks interrupt remapping; accept the risk with: echo 1 > "
                                      "/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts"
                                    : ""});
  }
  read_iommu_info();
}

inline void VfioContainer::read_iommu_info() {
  const auto reply = detail::vfio_info(fd_.get(), VFIO_IOMMU_GET_INFO, vfio_iommu_type1_info{});
  if (reply.empty()) {
    raise({.code = errno,
           .operation = "query",
           .object = "VFIO container",
           .where = "VFIO_IOMMU_GET_INFO",
           .remedy = {}});
  }
  const auto info = detail::read_reply<vfio_iommu_type1_info>(reply, 0);
  if ((info.flags & VFIO_IOMMU_INFO_PGSIZES) != 0 && info.iova_pgsizes != 0) {
    granule_ = std::size_t{1} << __builtin_ctzll(info.iova_pgsizes);
  }
  std::vector<IovaRange> ranges;
  const std::uint32_t first = (info.flags & VFIO_IOMMU_INFO_CAPS) != 0 ? info.cap_offset : 0;
  detail::for_each_vfio_capability(reply, first, [&](std::uint16_t id, std::size_t at) {
    if (id != VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE) return;
    at += sizeof(vfio_info_cap_header);
    const auto count = detail::read_reply<std::uint32_t>(reply, at);
    at += 2 * sizeof(std::uint32_t);  // nr_iovas, reserved
    for (std::uint32_t i = 0; i < count && at + sizeof(vfio_iova_range) <= reply.size(); ++i) {
      const auto range = detail::read_reply<vfio_iova_range>(reply, at);
      ranges.push_back({range.start, range.end});
      at += sizeof range;
    }
  });
  // Kernels before 5.4 do not tell: stay below the x86 MSI window and within the narrowest (39-bit) VT-d.
  if (ranges.empty()) ranges.push_back({0, 0xFEDF'FFFF});
  if (iova_) {
    iova_->restrict_to(ranges);
  } else {
    iova_.emplace(std::move(ranges));
  }
}

inline Result<BusAddr> VfioContainer::try_map(std::byte* memory, std::size_t bytes) {
  if (!iova_) {
    return Failure{.code = EINVAL,
                   .operation = "map DMA memory in",
                   .object = std::string(name()),
                   .where = "no device has joined the container",
                   .remedy = "open a device before its memory"};
  }
  constexpr std::size_t kLarge = std::size_t{2} << 20;  // aligned like this, the IOMMU may use large pages
  const auto iova = iova_->allocate(bytes, bytes >= kLarge ? kLarge : granule_);
  if (!iova) {
    return Failure{.code = ENOSPC,
                   .operation = "map DMA memory in",
                   .object = std::string(name()),
                   .where = text::cat("no free I/O address range of ", bytes, " bytes"),
                   .remedy = {}};
  }
  vfio_iommu_type1_dma_map map{};
  map.argsz = sizeof map;
  map.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE;
  map.vaddr = reinterpret_cast<std::uintptr_t>(memory);
  map.iova = iova->value();
  map.size = bytes;
  if (sys::ioctl(fd_.get(), VFIO_IOMMU_MAP_DMA, &map) == 0) return bus(*iova);
  const int code = errno;
  iova_->free(*iova, bytes);
  return Failure{.code = code,
                 .operation = "map DMA memory in",
                 .object = std::string(name()),
                 .where = text::cat("VFIO_IOMMU_MAP_DMA of ", bytes >> 10, " KiB"),
                 .remedy = code == ENOMEM ? text::cat("the locked-memory limit is too small (ulimit -l); raise it by ",
                                                      (bytes >> 10) + 64,
                                                      " KiB in /etc/security/limits.conf, or run with CAP_IPC_LOCK")
                                          : std::string{}};
}

inline void VfioContainer::unmap(BusAddr at, std::size_t bytes) noexcept {
  vfio_iommu_type1_dma_unmap unmap{};
  unmap.argsz = sizeof unmap;
  unmap.iova = at.value();
  unmap.size = bytes;
  if (sys::ioctl(fd_.get(), VFIO_IOMMU_UNMAP_DMA, &unmap) == 0) iova_->free(Iova(at.value()), bytes);
}

// ---- VfioDevice ---------------------------------------------------------------------------------------------------

inline VfioDevice::VfioDevice(VfioContainer& container, Bdf bdf, const PciSysfs& sysfs)
    : VfioPciDevice({}, bdf.to_string()), container_(&container) {
  const PciFunctionInfo info = sysfs.info(bdf);
  set_id(info.id);
  if (!info.iommu_group) {
    raise({.code = ENODEV,
           .operation = "open by VFIO",
           .object = name(),
           .where = "no IOMMU stands before this device",
           .remedy = "enable VT-d or AMD-Vi in the firmware and boot with intel_iommu=on"});
  }
  if (info.driver != "vfio-pci") raise(wrong_driver(sysfs, info, "vfio-pci", "open by VFIO"));
  const int group = container.join(*info.iommu_group, sysfs);
  UniqueFd device(sys::ioctl(group, VFIO_GROUP_GET_DEVICE_FD, name().c_str()));
  if (!device) raise(failure("open by VFIO", "VFIO_GROUP_GET_DEVICE_FD"));
  adopt(std::move(device));
}

// ---- VfioNoIommuDevice --------------------------------------------------------------------------------------------

inline VfioNoIommuDevice::VfioNoIommuDevice(DmaDomain& domain, Bdf bdf, const PciSysfs& sysfs, const std::string& dev)
    : VfioPciDevice({}, bdf.to_string()), domain_(&domain) {
  const char* const kOpen = "open by VFIO without IOMMU";
  const PciFunctionInfo info = sysfs.info(bdf);
  set_id(info.id);
  const auto needs_rawio = [&](Failure why) {
    if (why.code == EPERM) why.remedy = "run as root: it needs CAP_SYS_RAWIO, whoever owns the node";
    raise(std::move(why));
  };
  if (info.driver != "vfio-pci" || !info.iommu_group || !is_group_of(sysfs, bdf)) {
    if (info.driver == "vfio-pci" && info.iommu_group) {
      raise({.code = ENOTSUP,
             .operation = kOpen,
             .object = name(),
             .where = "an IOMMU stands before the device",
             .remedy = text::cat("use VFIO by group: vfio:", name())});
    }
    raise(wrong_driver(
        sysfs, info, "vfio-pci", kOpen,
        text::cat("modprobe vfio; echo Y > ", sysfs.root(), "/module/vfio/parameters/enable_unsafe_noiommu_mode; ")));
  }
  auto container = try_open(dev + "/vfio", O_RDWR);
  if (!container) raise(container.failure());
  container_ = std::move(container).value();
  const std::string path = text::cat(dev, "/noiommu-", *info.iommu_group);
  auto group = try_open(path, O_RDWR);
  if (!group) {
    Failure why = group.failure();
    if (why.code == EBUSY) why.remedy = text::cat("another process uses the device; find it: fuser -v ", path);
    needs_rawio(std::move(why));
  }
  group_ = std::move(group).value();
  int fd = container_.get();
  if (sys::ioctl(group_.get(), VFIO_GROUP_SET_CONTAINER, &fd) != 0) raise(failure(kOpen, "VFIO_GROUP_SET_CONTAINER"));
  if (sys::ioctl(container_.get(), VFIO_SET_IOMMU, static_cast<unsigned long>(VFIO_NOIOMMU_IOMMU)) != 0) {
    needs_rawio(failure(kOpen, "VFIO_SET_IOMMU"));
  }
  UniqueFd device(sys::ioctl(group_.get(), VFIO_GROUP_GET_DEVICE_FD, name().c_str()));
  if (!device) raise(failure(kOpen, "VFIO_GROUP_GET_DEVICE_FD"));
  adopt(std::move(device));
}

}  // namespace pollux

// SPDX-License-Identifier: BSD-3-Clause
// VFIO by character device and iommufd: IommufdDomain (an IOAS as DmaDomain), VfioCdevDevice. Linux 6.6 or newer, where
// the kernel was built with it (Debian's was not).
#pragma once
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <pollux/backend/iommufd_abi.hpp>
#include <pollux/backend/vfio_device.hpp>
#include <pollux/dma/iova.hpp>

namespace pollux {

/// One I/O address space of an iommufd. Must outlive its devices, regions and pools. Threads: one at a time.
class IommufdDomain final : public DmaDomain {
 public:
  /// Errors: raises when the kernel has no iommufd, or the rights are missing. Cost: two system calls.
  explicit IommufdDomain(const std::string& dev = "/dev/iommu");

  [[nodiscard]] Result<BusAddr> try_map(std::byte* memory, std::size_t bytes) override;
  void unmap(BusAddr at, std::size_t bytes) noexcept override;
  [[nodiscard]] bool translates() const noexcept override { return true; }
  [[nodiscard]] std::size_t granule() const noexcept override { return granule_; }
  [[nodiscard]] std::string_view name() const noexcept override { return "IOAS"; }

 private:
  friend class VfioCdevDevice;
  /// After a device was attached: what its IOMMU and reserved regions leave.
  void read_ranges();

  UniqueFd fd_;
  std::uint32_t ioas_ = 0;
  std::size_t granule_ = 4096;
  std::optional<IovaAllocator> iova_;
};

/// One function bound to vfio-pci, through /dev/vfio/devices/vfioN.
class VfioCdevDevice final : public VfioPciDevice {
 public:
  /// Errors: raises, naming the cause and what mends it: no such device, another driver, a kernel without these device
  /// files, no permission, in use (also by group), IOMMU refuses.
  VfioCdevDevice(IommufdDomain& domain, Bdf bdf, const PciSysfs& sysfs = PciSysfs{},
                 const std::string& dev = "/dev/vfio/devices");
  [[nodiscard]] DmaDomain& domain() noexcept override { return *domain_; }
  [[nodiscard]] std::string backend_name() const override { return "VFIO cdev"; }
  /// The name of a function's node under /dev/vfio/devices; nothing: not bound to vfio-pci, or an older kernel.
  [[nodiscard]] static std::optional<std::string> node_name(const PciSysfs& sysfs, Bdf bdf);

 private:
  IommufdDomain* domain_;
};

inline IommufdDomain::IommufdDomain(const std::string& dev) {
  auto fd = try_open(dev, O_RDWR);
  if (!fd) {
    Failure failure = fd.failure();
    if (failure.code == EACCES) failure.remedy = text::cat("run as root, or hand it to your user: chown USER ", dev);
    if (failure.code == ENOENT || failure.code == ENODEV) {
      failure.remedy = "modprobe iommufd; a kernel without CONFIG_IOMMUFD has none: use VFIO by group";
    }
    raise(std::move(failure));
  }
  fd_ = std::move(fd).value();
  iommufd::IoasAlloc alloc{.size = sizeof alloc, .flags = 0, .out_ioas_id = 0};
  if (sys::ioctl(fd_.get(), iommufd::kIoasAlloc, &alloc) != 0) {
    raise({.code = errno, .operation = "make an I/O address space of", .object = dev, .where = {}, .remedy = {}});
  }
  ioas_ = alloc.out_ioas_id;
}

inline void IommufdDomain::read_ranges() {
  std::vector<iommufd::IovaRange> ranges(16);
  iommufd::IoasIovaRanges ask{};
  for (int attempt = 0;; ++attempt) {
    ask.size = sizeof ask;
    ask.ioas_id = ioas_;
    ask.num_iovas = static_cast<std::uint32_t>(ranges.size());
    ask.allowed_iovas = reinterpret_cast<std::uintptr_t>(ranges.data());
    if (sys::ioctl(fd_.get(), iommufd::kIoasIovaRanges, &ask) == 0) break;
    if (errno != EMSGSIZE || attempt == 3 || ask.num_iovas > 65536) {
      raise({.code = errno, .operation = "query", .object = "IOAS", .where = "IOMMU_IOAS_IOVA_RANGES", .remedy = {}});
    }
    ranges.resize(ask.num_iovas);
  }
  ranges.resize(ask.num_iovas);
  if (ask.out_iova_alignment > granule_) granule_ = ask.out_iova_alignment;
  std::vector<pollux::IovaRange> allowed;
  for (const auto& r : ranges) allowed.push_back({r.start, r.last});
  if (iova_) {
    iova_->restrict_to(allowed);
  } else {
    iova_.emplace(std::move(allowed));
  }
}

inline Result<BusAddr> IommufdDomain::try_map(std::byte* memory, std::size_t bytes) {
  const auto failed = [&](int code, std::string where, std::string remedy) {
    return Failure{.code = code,
                   .operation = "map DMA memory in",
                   .object = std::string(name()),
                   .where = std::move(where),
                   .remedy = std::move(remedy)};
  };
  if (!iova_) return failed(EINVAL, "no device is attached", "open a device before its memory");
  constexpr std::size_t kLarge = std::size_t{2} << 20;  // aligned like this, the IOMMU may use large pages
  const auto iova = iova_->allocate(bytes, bytes >= kLarge ? kLarge : granule_);
  if (!iova) return failed(ENOSPC, text::cat("no free I/O address range of ", bytes, " bytes"), "");
  iommufd::IoasMap map{};
  map.size = sizeof map;
  map.flags = iommufd::kMapFixedIova | iommufd::kMapReadable | iommufd::kMapWriteable;
  map.ioas_id = ioas_;
  map.user_va = reinterpret_cast<std::uintptr_t>(memory);
  map.length = bytes;
  map.iova = iova->value();
  if (sys::ioctl(fd_.get(), iommufd::kIoasMap, &map) == 0) return bus(*iova);
  const int code = errno;
  iova_->free(*iova, bytes);
  return failed(code, text::cat("IOMMU_IOAS_MAP of ", bytes >> 10, " KiB"),
                code == ENOMEM
                    ? text::cat("the locked-memory limit of this user is too small (ulimit -l); raise it by ",
                                (bytes >> 10) + 64, " KiB in /etc/security/limits.conf, or run with CAP_IPC_LOCK")
                    : std::string{});
}

inline void IommufdDomain::unmap(BusAddr at, std::size_t bytes) noexcept {
  iommufd::IoasUnmap unmap{};
  unmap.size = sizeof unmap;
  unmap.ioas_id = ioas_;
  unmap.iova = at.value();
  unmap.length = bytes;
  if (sys::ioctl(fd_.get(), iommufd::kIoasUnmap, &unmap) == 0) iova_->free(Iova(at.value()), bytes);
}

inline std::optional<std::string> VfioCdevDevice::node_name(const PciSysfs& sysfs, Bdf bdf) {
  const std::string directory = sysfs.device_path(bdf) + "/vfio-dev";
  for (const std::string& name : PciSysfs::names_in(directory)) {
    if (file::exists(text::cat(directory, "/", name, "/dev"))) return name;  // the directory alone proves nothing
  }
  return std::nullopt;
}

inline VfioCdevDevice::VfioCdevDevice(IommufdDomain& domain, Bdf bdf, const PciSysfs& sysfs, const std::string& dev)
    : VfioPciDevice({}, bdf.to_string()), domain_(&domain) {
  const PciFunctionInfo info = sysfs.info(bdf);
  set_id(info.id);
  if (info.driver != "vfio-pci") raise(wrong_driver(sysfs, info, "vfio-pci", "open by VFIO cdev"));
  const auto node = node_name(sysfs, bdf);
  if (!node) {
    raise({.code = ENOTSUP,
           .operation = "open by VFIO cdev",
           .object = name(),
           .where = "this kernel gives it no node in /dev/vfio/devices",
           .remedy = "use VFIO by group; cdev needs Linux 6.6 with CONFIG_VFIO_DEVICE_CDEV"});
  }
  const std::string path = text::cat(dev, "/", *node);
  auto fd = try_open(path, O_RDWR);
  if (!fd) {
    Failure why = fd.failure();
    if (why.code == EACCES || why.code == EPERM) why.remedy = text::cat("run as root, or chown USER ", path);
    if (why.code == EBUSY) why.remedy = text::cat("its group or another process has it; find it: fuser -v ", path);
    raise(std::move(why));
  }
  iommufd::VfioBind bind{};
  bind.argsz = sizeof bind;
  bind.iommufd = domain.fd_.get();
  if (sys::ioctl(fd.value().get(), iommufd::kVfioBind, &bind) != 0) {
    if (errno == EBUSY || errno == EINVAL) {  // by its group; by this node, whose second opening is told like this
      raise({.code = EBUSY,
             .operation = "open by VFIO cdev",
             .object = name(),
             .where = text::cat(path, " or the device's group is in use"),
             .remedy = text::cat("find who: fuser -v ", path, info.iommu_group ? " /dev/vfio/" : "",
                                 info.iommu_group ? std::to_string(*info.iommu_group) : std::string())});
    }
    const char* remedy = errno == EPERM ? "the platform lacks interrupt remapping; accept the risk with: echo 1 > "
                                          "/sys/module/iommufd/parameters/allow_unsafe_interrupts"
                                        : "";
    raise(failure("open by VFIO cdev", "VFIO_DEVICE_BIND_IOMMUFD", remedy));
  }
  iommufd::VfioAttach attach{};
  attach.argsz = sizeof attach;
  attach.pt_id = domain.ioas_;
  if (sys::ioctl(fd.value().get(), iommufd::kVfioAttach, &attach) != 0) {
    raise(failure("open by VFIO cdev", "VFIO_DEVICE_ATTACH_IOMMUFD_PT",
                  errno == EADDRINUSE ? "memory is mapped where this device must not reach: open it before the others' "
                                        "memory"
                                      : ""));
  }
  domain.read_ranges();
  adopt(std::move(fd).value());
}

}  // namespace pollux

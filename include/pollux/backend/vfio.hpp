// SPDX-License-Identifier: BSD-3-Clause
// VFIO by group and container with the type 1 IOMMU: VfioContainer (a DmaDomain), VfioDevice (a DeviceBackend).
#pragma once
#include <linux/vfio.h>

#include <array>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <pollux/backend/concept.hpp>
#include <pollux/core/mapping.hpp>
#include <pollux/dma/iova.hpp>
#include <pollux/pci/bind.hpp>

namespace pollux {

namespace detail {

/// A T out of an ioctl's reply, as far as the reply is long enough; zero otherwise.
template <class T>
T read_reply(const std::vector<std::byte>& reply, std::size_t at) noexcept {
  T out{};
  if (at <= reply.size() && sizeof out <= reply.size() - at) std::memcpy(&out, reply.data() + at, sizeof out);
  return out;
}

/// Calls visit(id, offset) for each capability of a VFIO info reply. The chain is the kernel's, yet bounded.
template <class Visit>
void for_each_vfio_capability(const std::vector<std::byte>& reply, std::uint32_t first, Visit visit) {
  constexpr unsigned kMost = 64;
  std::uint32_t at = first;
  for (unsigned i = 0; at != 0 && i < kMost; ++i) {
    const auto head = read_reply<vfio_info_cap_header>(reply, at);
    visit(head.id, std::size_t{at});
    if (head.next <= at) return;  // a chain that does not lead on
    at = head.next;
  }
}

/// An info ioctl whose reply may be longer than the caller knew: asks again with the room the kernel wants.
/// Returns the reply; empty with errno set on failure. Info: a struct that starts with argsz.
template <class Info>
std::vector<std::byte> vfio_info(int fd, unsigned long request, Info info) {
  std::vector<std::byte> reply(sizeof info);
  constexpr std::size_t kMost = 64 << 10;  // no reply is anywhere near as long
  for (int attempt = 0; attempt < 4; ++attempt) {
    info.argsz = static_cast<std::uint32_t>(reply.size());
    std::memcpy(reply.data(), &info, sizeof info);
    if (sys::ioctl(fd, request, reply.data()) != 0) return {};
    const auto needed = read_reply<Info>(reply, 0).argsz;
    if (needed <= reply.size()) return reply;
    if (needed > kMost) break;
    reply.assign(needed, std::byte{0});
  }
  errno = EPROTO;
  return {};
}

}  // namespace detail

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

/// One function bound to vfio-pci.
class VfioDevice {
 public:
  using Io = reg::Mmio;
  using DoorbellIo = reg::Mmio;
  using Clock = SteadyClock;

  /// Opens the function and turns memory decoding on, bus mastering off.
  /// Errors: raises, naming the cause and what mends it: no such device, no IOMMU, another driver, group not viable
  /// (which members), no permission, in use.
  VfioDevice(VfioContainer& container, Bdf bdf, const PciSysfs& sysfs = PciSysfs{});
  VfioDevice(const VfioDevice&) = delete;
  VfioDevice& operator=(const VfioDevice&) = delete;
  ~VfioDevice();

  [[nodiscard]] reg::Bar<Io> bar(unsigned number);
  [[nodiscard]] reg::Bar<DoorbellIo> doorbells(unsigned number) { return bar(number); }
  [[nodiscard]] Clock clock() const noexcept { return {}; }
  [[nodiscard]] DmaDomain& domain() noexcept { return *container_; }
  void enable_bus_master() { set_command(config(), pci_config::kCommandBusMaster, true); }
  void disable_bus_master() noexcept;
  [[nodiscard]] FdConfigSpace config() const { return {fd_.get(), config_offset_, name_}; }
  [[nodiscard]] PciId id() const noexcept { return id_; }
  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  /// Whether the kernel knows a way to reset this function. [quirk qemu] 82574: it does, but nothing is reset.
  [[nodiscard]] bool can_reset() const noexcept { return can_reset_; }
  /// Resets the function by the kernel's best method; configuration space is kept. Errors: ENOTSUP, or the kernel's.
  [[nodiscard]] Result<Done> try_reset();

 private:
  struct Region {
    std::uint64_t size = 0;
    std::uint64_t offset = 0;
    bool mappable = false;
    std::vector<std::pair<std::uint64_t, std::uint64_t>> areas;  ///< {offset, size} that may be mapped
  };
  [[nodiscard]] Region region(std::uint32_t index) const;
  [[nodiscard]] Failure failure(const char* operation, std::string where, std::string remedy = {}) const {
    return {
        .code = errno, .operation = operation, .object = name_, .where = std::move(where), .remedy = std::move(remedy)};
  }

  VfioContainer* container_;
  std::string name_;
  PciId id_;
  UniqueFd fd_;
  std::uint64_t config_offset_ = 0;
  bool can_reset_ = false;
  std::array<Mapping, 6> bars_;  ///< after fd_: unmapped before the descriptor is closed
};
static_assert(DeviceBackend<VfioDevice>);

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
      failure.remedy = text::cat("another process uses the group; find it: fuser -v ", path);
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
    : container_(&container), name_(bdf.to_string()) {
  const PciFunctionInfo info = sysfs.info(bdf);
  id_ = info.id;
  if (!info.iommu_group) {
    raise({.code = ENODEV,
           .operation = "open by VFIO",
           .object = name_,
           .where = "no IOMMU stands before this device",
           .remedy = "enable VT-d or AMD-Vi in the firmware and boot with intel_iommu=on"});
  }
  if (info.driver != "vfio-pci") {
    raise({.code = EBUSY,
           .operation = "open by VFIO",
           .object = name_,
           .where = info.driver ? text::cat("bound to driver ", *info.driver) : "bound to no driver",
           .remedy = text::cat("as root: ", bind_commands(sysfs, info, "vfio-pci"))});
  }
  const int group = container.join(*info.iommu_group, sysfs);
  fd_.reset(sys::ioctl(group, VFIO_GROUP_GET_DEVICE_FD, name_.c_str()));
  if (!fd_) raise(failure("open by VFIO", "VFIO_GROUP_GET_DEVICE_FD"));
  vfio_device_info device{};
  device.argsz = sizeof device;
  if (sys::ioctl(fd_.get(), VFIO_DEVICE_GET_INFO, &device) != 0) { raise(failure("query", "VFIO_DEVICE_GET_INFO")); }
  can_reset_ = (device.flags & VFIO_DEVICE_FLAGS_RESET) != 0;
  config_offset_ = region(VFIO_PCI_CONFIG_REGION_INDEX).offset;
  disable_bus_master();
  set_command(config(), pci_config::kCommandMemory, true);
}

// The kernel forbids it on close too; this also holds while BAR mappings or other descriptors keep the device open.
inline VfioDevice::~VfioDevice() {
  if (fd_) disable_bus_master();
}

inline void VfioDevice::disable_bus_master() noexcept {
  const auto at = static_cast<off_t>(config_offset_ + pci_config::kCommand);
  std::uint16_t command = 0;
  if (sys::pread(fd_.get(), &command, sizeof command, at) != sizeof command || command == 0xFFFF) return;
  command = static_cast<std::uint16_t>(command & ~pci_config::kCommandBusMaster);
  (void)sys::pwrite(fd_.get(), &command, sizeof command, at);
}

inline VfioDevice::Region VfioDevice::region(std::uint32_t index) const {
  vfio_region_info asked{};
  asked.index = index;
  const auto reply = detail::vfio_info(fd_.get(), VFIO_DEVICE_GET_REGION_INFO, asked);
  if (reply.empty()) raise(failure("query", text::cat("VFIO_DEVICE_GET_REGION_INFO ", index)));
  const auto info = detail::read_reply<vfio_region_info>(reply, 0);
  Region out{.size = info.size,
             .offset = info.offset,
             .mappable = (info.flags & VFIO_REGION_INFO_FLAG_MMAP) != 0,
             .areas = {}};
  const std::uint32_t first = (info.flags & VFIO_REGION_INFO_FLAG_CAPS) != 0 ? info.cap_offset : 0;
  detail::for_each_vfio_capability(reply, first, [&](std::uint16_t id, std::size_t at) {
    if (id != VFIO_REGION_INFO_CAP_SPARSE_MMAP) return;
    at += sizeof(vfio_info_cap_header);
    const auto count = detail::read_reply<std::uint32_t>(reply, at);
    at += 2 * sizeof(std::uint32_t);  // nr_areas, reserved
    for (std::uint32_t i = 0; i < count && at + sizeof(vfio_region_sparse_mmap_area) <= reply.size(); ++i) {
      const auto area = detail::read_reply<vfio_region_sparse_mmap_area>(reply, at);
      if (area.size != 0) out.areas.emplace_back(area.offset, area.size);
      at += sizeof area;
    }
  });
  if (out.mappable && out.areas.empty()) out.areas.emplace_back(0, out.size);
  return out;
}

inline reg::Bar<reg::Mmio> VfioDevice::bar(unsigned number) {
  POLLUX_ASSERT(number < bars_.size(), "PCI functions have BAR 0 to 5");
  Mapping& mapping = bars_[number];
  if (!mapping) {
    const Region r = region(number);
    if (r.size == 0 || !r.mappable) {
      errno = ENODEV;
      raise(failure("map",
                    text::cat("BAR ", number,
                              r.size == 0 ? " is absent" : " cannot be mapped (I/O ports, or smaller than a page)")));
    }
    // One address range for the whole BAR; the parts the kernel allows are mapped into it.
    auto window = Mapping::try_map(r.size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0, "a BAR's address range");
    if (!window) raise(window.failure());
    for (const auto& [offset, size] : r.areas) {
      if (offset > r.size || size > r.size - offset ||
          sys::mmap(window.value().data() + offset, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd_.get(),
                    static_cast<off_t>(r.offset + offset)) == MAP_FAILED) {
        raise(failure("map", text::cat("BAR ", number, " at ", text::hex(offset))));
      }
    }
    mapping = std::move(window).value();
  }
  return reg::Bar<Io>(reg::Mmio(mapping.data(), mapping.size()));
}

inline Result<Done> VfioDevice::try_reset() {
  if (!can_reset_) {
    errno = ENOTSUP;
    return failure("reset", "the kernel knows no reset method for this function");
  }
  for (int attempt = 0; attempt < 10; ++attempt) {  // EAGAIN: another function's reset holds the lock
    if (sys::ioctl(fd_.get(), VFIO_DEVICE_RESET, nullptr) == 0) return Done{};
    if (errno != EAGAIN) break;
    clock().pause(10_ms);
  }
  return failure("reset", "VFIO_DEVICE_RESET");
}

}  // namespace pollux

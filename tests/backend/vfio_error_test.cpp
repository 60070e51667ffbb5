// SPDX-License-Identifier: BSD-3-Clause
// VFIO without a kernel that has it: a fake one behind the system call seam, well-behaved, failing and hostile.
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "../real_calls.hpp"

namespace fake {

using namespace real_calls;
int open(const char* path, int flags) noexcept;
int close(int fd) noexcept;
ssize_t read(int fd, void* to, std::size_t n) noexcept;
ssize_t write(int fd, const void* from, std::size_t n) noexcept;
ssize_t pread(int fd, void* to, std::size_t n, off_t at) noexcept;
ssize_t pwrite(int fd, const void* from, std::size_t n, off_t at) noexcept;
int ioctl_word(int fd, unsigned long request, std::uint64_t argument) noexcept;
void* mmap(void* hint, std::size_t n, int prot, int flags, int fd, off_t at) noexcept;
int munmap(void* at, std::size_t n) noexcept;
int madvise(void* at, std::size_t n, int advice) noexcept;

template <class Argument>
int ioctl(int fd, unsigned long request, Argument argument) noexcept {
  if constexpr (std::is_pointer_v<Argument>) {
    return ioctl_word(fd, request, reinterpret_cast<std::uintptr_t>(argument));
  } else if constexpr (std::is_same_v<Argument, std::nullptr_t>) {
    return ioctl_word(fd, request, 0);
  } else {
    return ioctl_word(fd, request, argument);
  }
}

}  // namespace fake

#define POLLUX_SYSCALL(name) ::fake::name

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <pollux/backend/vfio.hpp>
#include <pollux/dma/region.hpp>

namespace {

namespace fs = std::filesystem;
using pollux::Bdf;
using pollux::BusAddr;
using pollux::DmaRegion;
using pollux::Error;
using pollux::PagePreference;
using pollux::PciSysfs;
using pollux::VfioContainer;
using pollux::VfioDevice;

constexpr const char* kDev = "/fake/dev/vfio";
constexpr std::size_t kPage = 4096;
constexpr std::uint16_t kMemory = 2, kBusMaster = 4;

/// A VFIO reply under construction: a struct, then capabilities, each naming the next.
class Reply {
 public:
  template <class Info>
  explicit Reply(const Info& info) : bytes_(sizeof info) {
    std::memcpy(bytes_.data(), &info, sizeof info);
  }
  /// Appends a capability with body `words`; returns where it starts.
  std::uint32_t capability(std::uint16_t id, const std::vector<std::uint64_t>& words) {
    const auto at = static_cast<std::uint32_t>(bytes_.size());
    bytes_.resize(at + sizeof(vfio_info_cap_header) + words.size() * 8);
    const vfio_info_cap_header head{.id = id, .version = 1, .next = 0};
    std::memcpy(bytes_.data() + at, &head, sizeof head);
    if (!words.empty()) std::memcpy(bytes_.data() + at + sizeof head, words.data(), words.size() * 8);
    if (last_ != 0) set_next(last_, at);
    last_ = at;
    return at;
  }
  void set_next(std::uint32_t at, std::uint32_t next) {
    std::memcpy(bytes_.data() + at + offsetof(vfio_info_cap_header, next), &next, sizeof next);
  }
  /// The kernel's way of answering [abi 4.2]: when the caller's room is too small, only how much is needed.
  template <class Info>
  void deliver(std::uint64_t argument, std::uint32_t flag_caps) {
    auto* out = reinterpret_cast<std::byte*>(argument);
    std::uint32_t room = 0;
    std::memcpy(&room, out, sizeof room);
    Info info;
    std::memcpy(&info, bytes_.data(), sizeof info);
    const auto size = static_cast<std::uint32_t>(bytes_.size());
    info.argsz = room;
    if (size > sizeof(Info)) {
      info.flags |= flag_caps;
      info.cap_offset = size <= room ? std::uint32_t{sizeof(Info)} : 0;
      if (size > room) info.argsz = size;
    }
    std::memcpy(bytes_.data(), &info, sizeof info);
    std::memcpy(out, bytes_.data(), std::min<std::size_t>(size <= room ? size : sizeof(Info), room));
  }

 private:
  std::vector<std::byte> bytes_;
  std::uint32_t last_ = 0;
};

using Area = std::pair<std::uint64_t, std::uint64_t>;

struct FakeRegion {
  std::uint64_t size = 0;
  std::uint32_t flags = 0;  ///< 1 read, 2 write, 4 mmap
  std::vector<Area> areas = {};
};

/// The part of the kernel that the backend talks to. One at a time; the functions of the seam reach it.
class Kernel {
 public:
  static inline Kernel* current = nullptr;

  // ---- what a test may change before it acts
  std::map<std::string, int> open_errno;  ///< by path below kDev
  int api_version = 0;
  std::set<std::uint64_t> extensions = {VFIO_TYPE1_IOMMU, VFIO_TYPE1v2_IOMMU};
  std::uint32_t group_flags = VFIO_GROUP_FLAGS_VIABLE;
  std::map<unsigned long, int> ioctl_errno;                                        ///< by request on any descriptor
  std::vector<Area> ranges = {{0xFEF0'0000, 0xFFFF'FFFF'FFFF}, {0, 0xFEDF'FFFF}};  ///< inclusive, out of order
  std::uint64_t page_sizes = 0x4020'1000;
  std::map<std::uint32_t, FakeRegion> regions = {{0, {0x20000, 7}}, {2, {0x20, 3}}, {7, {0x1000, 3}}};
  bool can_reset = true;
  std::function<bool(std::uint64_t)> answer_iommu_info;   ///< true: answered; else the kernel's own answer
  std::function<bool(std::uint64_t)> answer_region_info;  ///< called for BARs only
  std::function<void()> on_second_group;
  std::vector<int> reset_answers;      ///< errno by attempt; then success
  unsigned fail_at = 0;                ///< the number of the one call to fail
  bool closing = false;                ///< the test has used the device and lets it go
  bool master_allowed = false;         ///< the test has asked for bus mastering
  bool clears_master_on_open = false;  ///< as vfio-pci does [abi 4.3]; without it the backend itself must
  bool gone = false;                   ///< the device fell off the bus: reads give all ones, writes do nothing

  // ---- what a test may look at
  unsigned calls = 0;
  std::vector<std::string> log;  ///< the calls, and notes of the fake in parentheses
  std::string failed;            ///< what the failed call was
  bool failed_in_closing = false;
  std::vector<std::string> violations;  ///< what a kernel would never see from a correct program
  std::vector<std::uint8_t> config = std::vector<std::uint8_t>(0x1000, 0);
  std::map<std::uint64_t, std::uint64_t> dma;  ///< iova to size
  std::map<int, std::string> open_files;
  std::map<std::uintptr_t, std::size_t> mappings;
  std::map<std::uintptr_t, std::size_t> bar_mappings;

  Kernel() {
    current = this;
    set_command(0x0507);  // as firmware and the old driver may have left it
    bar_memory_ = ::memfd_create("bar", MFD_CLOEXEC);
    if (::ftruncate(bar_memory_, 1 << 20) != 0) violations.emplace_back("no memory for the BAR");
  }
  Kernel(const Kernel&) = delete;
  Kernel& operator=(const Kernel&) = delete;
  ~Kernel() {
    for (const auto& [at, n] : mappings) ::munmap(reinterpret_cast<void*>(at), n);
    ::close(bar_memory_);
    current = nullptr;
  }

  [[nodiscard]] std::uint16_t command() const { return static_cast<std::uint16_t>(config[4] | config[5] << 8); }
  void set_command(unsigned v) {
    config[4] = static_cast<std::uint8_t>(v);
    config[5] = static_cast<std::uint8_t>(v >> 8);
  }
  /// The BAR as the device sees it.
  void poke_bar(std::uint64_t at, std::uint32_t v) const {
    EXPECT_EQ(::pwrite(bar_memory_, &v, sizeof v, static_cast<off_t>(at)), ssize_t{sizeof v});
  }
  [[nodiscard]] std::uint32_t peek_bar(std::uint64_t at) const {
    std::uint32_t v = 0;
    EXPECT_EQ(::pread(bar_memory_, &v, sizeof v, static_cast<off_t>(at)), ssize_t{sizeof v});
    return v;
  }
  [[nodiscard]] std::size_t position(const std::string& what) const {
    const auto at = std::find(log.begin(), log.end(), what);
    EXPECT_NE(at, log.end()) << "never happened: " << what;
    return static_cast<std::size_t>(at - log.begin());
  }
  [[nodiscard]] auto count(const std::string& what) const { return std::count(log.begin(), log.end(), what); }
  void expect_nothing_left(const std::string& when) const {
    for (const auto& [fd, what] : open_files) ADD_FAILURE() << when << ": still open: " << what;
    EXPECT_TRUE(mappings.empty() || failed.find("munmap") == 0) << when << ": still mapped";
    EXPECT_TRUE(dma.empty() || failed == "ioctl UNMAP_DMA") << when << ": devices still reach memory";
    for (const std::string& v : violations) ADD_FAILURE() << when << ": " << v;
  }

  // ---- the system calls
  bool injected(const std::string& what, int code) {
    log.push_back(what);
    if (++calls != fail_at) return false;
    failed = what;
    failed_in_closing = closing;
    errno = code;
    return true;
  }
  int open(const std::string& path, int flags) {
    if (injected("open " + path, EMFILE)) return -1;
    if ((flags & O_CLOEXEC) == 0) violations.push_back("open without O_CLOEXEC: " + path);
    const std::string dev = std::string(kDev) + "/";
    if (path.find(dev) != 0) {
      const int fd = ::open(path.c_str(), flags);
      if (fd >= 0) open_files[fd] = path;
      return fd;
    }
    const std::string name = path.substr(dev.size());
    if (const auto code = open_errno.find(name); code != open_errno.end()) return error(code->second);
    return give_fd(name == "vfio" ? "container" : "group " + name);
  }
  int close(int fd) {
    const std::string what = open_files.contains(fd) ? open_files[fd] : "";
    const bool fails = injected("close " + what, EIO);
    if (open_files.erase(fd) == 0) violations.push_back("close of descriptor " + std::to_string(fd));
    if (what == "device") {
      log.emplace_back(master_allowed && (command() & kBusMaster) != 0 ? "(bus master is on)" : "(bus master is off)");
      if (!bar_mappings.empty()) violations.emplace_back("device closed while a BAR is mapped");
    }
    if (what == "container") container_gone();
    joined_.erase(fd);
    if (fd < kFirstFd) ::close(fd);
    return fails ? -1 : 0;
  }
  ssize_t read(int fd, void* to, std::size_t n) {
    if (injected("read " + open_files[fd], EIO)) return -1;
    return ::read(fd, to, n);
  }
  ssize_t pread(int fd, void* to, std::size_t n, off_t at) {
    if (injected("pread " + open_files[fd], EIO)) return -1;
    std::uint8_t* from = config_at(fd, n, at);
    if (from == nullptr) return -1;
    std::memcpy(to, from, n);
    if (gone) std::memset(to, 0xFF, n);
    return static_cast<ssize_t>(n);
  }
  ssize_t pwrite(int fd, const void* from, std::size_t n, off_t at) {
    if (injected("pwrite " + open_files[fd], EIO)) return -1;
    std::uint8_t* to = config_at(fd, n, at);
    if (to == nullptr) return -1;
    if (at - (off_t{7} << 40) != 4 || n != 2) {
      violations.emplace_back("write to configuration space beside COMMAND");
      return static_cast<ssize_t>(n);
    }
    std::uint16_t v = 0;
    std::memcpy(&v, from, sizeof v);
    if ((v & kBusMaster) != 0 && !master_allowed) violations.emplace_back("bus mastering turned on unasked");
    if (!gone) set_command(v & 0x0547u);  // the writable bits
    return static_cast<ssize_t>(n);
  }
  void* mmap(void* hint, std::size_t n, int prot, int flags, int fd, off_t at) {
    const bool of_device = fd >= kFirstFd;
    if (injected(of_device ? "mmap device" : "mmap anonymous", ENOMEM)) return MAP_FAILED;
    if (!of_device) {
      void* out = ::mmap(hint, n, prot, flags, fd, at);
      if (out != MAP_FAILED) mappings[reinterpret_cast<std::uintptr_t>(out)] = n;
      return out;
    }
    const auto index = static_cast<std::uint32_t>(at >> 40);
    const auto offset = static_cast<std::uint64_t>(at) & ((std::uint64_t{1} << 40) - 1);
    const FakeRegion region = regions.contains(index) ? regions[index] : FakeRegion{};
    bool allowed = region.areas.empty();
    for (const auto& [start, size] : region.areas) allowed = allowed || (offset >= start && offset + n <= start + size);
    if ((flags & MAP_SHARED) == 0 || (region.flags & 4) == 0 || !allowed || offset % kPage != 0 || n == 0 ||
        offset + n > region.size) {
      errno = EINVAL;
      return MAP_FAILED;
    }
    if ((flags & MAP_FIXED) != 0) {
      const auto where = reinterpret_cast<std::uintptr_t>(hint);
      bool inside = false;
      for (const auto& [start, size] : mappings) inside = inside || (where >= start && where + n <= start + size);
      if (!inside) {
        violations.emplace_back("MAP_FIXED outside of memory that was reserved for it");
        errno = EINVAL;
        return MAP_FAILED;
      }
    }
    void* out = ::mmap(hint, n, prot, flags, bar_memory_, static_cast<off_t>(offset));
    if (out == MAP_FAILED) return out;
    bar_mappings[reinterpret_cast<std::uintptr_t>(out)] = n;
    if ((flags & MAP_FIXED) == 0) mappings[reinterpret_cast<std::uintptr_t>(out)] = n;
    return out;
  }
  int munmap(void* at, std::size_t n) {
    const auto start = reinterpret_cast<std::uintptr_t>(at);
    const bool bar = std::any_of(bar_mappings.begin(), bar_mappings.end(),
                                 [&](const auto& m) { return m.first >= start && m.first < start + n; });
    if (injected(bar ? "munmap BAR" : "munmap", ENOMEM)) {
      bar_mappings.clear();  // its consequence is no further failure
      return -1;
    }
    const auto known = mappings.find(start);
    if (known == mappings.end() || known->second != n) violations.emplace_back("munmap of something else");
    mappings.erase(start);
    std::erase_if(bar_mappings, [&](const auto& m) { return m.first >= start && m.first < start + n; });
    return ::munmap(at, n);
  }
  int madvise(void* at, std::size_t n, int advice) {
    if (injected("madvise", ENOMEM)) return -1;
    return ::madvise(at, n, advice);
  }
  int ioctl(int fd, unsigned long request, std::uint64_t argument) {
    const std::string file = open_files[fd];
    if (file == "container") return container_ioctl(request, argument);
    if (file.find("group ") == 0) return group_ioctl(fd, file.substr(6), request, argument);
    if (file == "device") return device_ioctl(request, argument);
    violations.push_back("ioctl on '" + file + "'");
    return error(EBADF);
  }

 private:
  static constexpr int kFirstFd = 100'000;

  static int error(int code) {
    errno = code;
    return -1;
  }
  int give_fd(const std::string& what) {
    open_files[next_fd_] = what;
    return next_fd_++;
  }
  template <class T>
  static T& at(std::uint64_t argument) {
    return *reinterpret_cast<T*>(argument);
  }
  std::optional<int> refused(const char* name, unsigned long request, int code = EINVAL) {
    if (injected(std::string("ioctl ") + name, code)) return -1;
    if (const auto known = ioctl_errno.find(request); known != ioctl_errno.end()) return error(known->second);
    return std::nullopt;
  }
  std::uint8_t* config_at(int fd, std::size_t n, off_t at) {
    const off_t offset = at - (off_t{7} << 40);
    if (open_files[fd] != "device") {
      errno = EBADF;
    } else if (offset < 0) {
      violations.emplace_back("access to a BAR instead of configuration space");
      errno = EINVAL;
    } else if (static_cast<std::size_t>(offset) + n > config.size()) {
      errno = EFAULT;
    } else {
      return config.data() + offset;
    }
    return nullptr;
  }
  void container_gone() {
    if (!dma.empty() && failed != "ioctl UNMAP_DMA") violations.emplace_back("container closed with memory mapped");
    if (open_files_named("group") + open_files_named("device") > 0) {
      violations.emplace_back("container closed before its groups and devices");
    }
    dma.clear();
    iommu_set_ = false;
  }
  [[nodiscard]] std::ptrdiff_t open_files_named(const std::string& prefix) const {
    return std::count_if(open_files.begin(), open_files.end(),
                         [&](const auto& f) { return f.second.find(prefix) == 0; });
  }

  int container_ioctl(unsigned long request, std::uint64_t argument) {
    switch (request) {
      case VFIO_GET_API_VERSION:
        return refused("GET_API_VERSION", request).value_or(api_version);
      case VFIO_CHECK_EXTENSION:
        if (injected("ioctl CHECK_EXTENSION " + std::to_string(argument), EINVAL)) return -1;
        return extensions.contains(argument) ? 1 : 0;
      case VFIO_SET_IOMMU:
        if (const auto r = refused("SET_IOMMU", request, EPERM)) return *r;
        if (joined_.empty() || iommu_set_) return error(EINVAL);
        if (!extensions.contains(argument)) return error(ENODEV);
        iommu_set_ = true;
        return 0;
      case VFIO_IOMMU_GET_INFO:
        return iommu_info(argument);
      case VFIO_IOMMU_MAP_DMA:
        return map(argument);
      case VFIO_IOMMU_UNMAP_DMA: {
        if (const auto r = refused("UNMAP_DMA", request)) return *r;
        auto& in = at<vfio_iommu_type1_dma_unmap>(argument);
        if (in.argsz < sizeof in || in.flags != 0) return error(EINVAL);
        const auto found = dma.find(in.iova);
        if (found == dma.end() || found->second != in.size) {
          violations.emplace_back("unmap of what was not mapped like that");
          return error(EINVAL);
        }
        dma.erase(found);
        return 0;
      }
      default:
        return error(ENOTTY);
    }
  }
  int iommu_info(std::uint64_t argument) {
    if (const auto r = refused("IOMMU_GET_INFO", VFIO_IOMMU_GET_INFO)) return *r;
    if (!iommu_set_) return error(EINVAL);
    if (answer_iommu_info && answer_iommu_info(argument)) return 0;
    vfio_iommu_type1_info info{};
    info.flags = VFIO_IOMMU_INFO_PGSIZES;
    info.iova_pgsizes = page_sizes;
    Reply reply(info);
    reply.capability(VFIO_IOMMU_TYPE1_INFO_CAP_MIGRATION, {0, 0, 0});  // the order seen: 2, 3, 1
    reply.capability(VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL, {65535});
    std::vector<std::uint64_t> words = {ranges.size()};
    for (const auto& [first, last] : ranges) words.insert(words.end(), {first, last});
    if (!ranges.empty()) reply.capability(VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE, words);
    reply.deliver<vfio_iommu_type1_info>(argument, VFIO_IOMMU_INFO_CAPS);
    return 0;
  }
  int map(std::uint64_t argument) {
    if (const auto r = refused("MAP_DMA", VFIO_IOMMU_MAP_DMA, ENOMEM)) return *r;
    const auto& in = at<vfio_iommu_type1_dma_map>(argument);
    const std::uint64_t granule = page_sizes & ~(page_sizes - 1), last = in.iova + in.size - 1;
    if (in.argsz < sizeof in || (in.flags & 3) == 0 || in.size == 0) return error(EINVAL);
    if (((in.iova | in.size | in.vaddr) & (granule - 1)) != 0) return error(EINVAL);
    bool allowed = ranges.empty();
    for (const auto& r : ranges) allowed = allowed || (in.iova >= r.first && last <= r.second && last >= in.iova);
    if (!allowed) return error(EINVAL);
    for (const auto& [iova, size] : dma) {
      if (in.iova < iova + size && iova <= last) return error(EEXIST);
    }
    dma[in.iova] = in.size;
    return 0;
  }
  int group_ioctl(int fd, const std::string& id, unsigned long request, std::uint64_t argument) {
    switch (request) {
      case VFIO_GROUP_GET_STATUS: {
        if (const auto r = refused("GROUP_GET_STATUS", request)) return *r;
        auto& out = at<vfio_group_status>(argument);
        if (out.argsz < sizeof out) return error(EINVAL);
        out.flags = group_flags | (joined_.contains(fd) ? VFIO_GROUP_FLAGS_CONTAINER_SET : 0);
        return 0;
      }
      case VFIO_GROUP_SET_CONTAINER:
        if (const auto r = refused("GROUP_SET_CONTAINER", request)) return *r;
        if (open_files[at<int>(argument)] != "container") return error(EBADF);
        if (joined_.contains(fd)) return error(EINVAL);
        if ((group_flags & VFIO_GROUP_FLAGS_VIABLE) == 0) return error(EPERM);
        joined_.insert(fd);
        if (joined_.size() == 2 && on_second_group) on_second_group();
        return 0;
      case VFIO_GROUP_GET_DEVICE_FD:
        if (const auto r = refused("GROUP_GET_DEVICE_FD", request, EMFILE)) return *r;
        if (!joined_.contains(fd) || !iommu_set_) return error(EINVAL);
        if (std::string(reinterpret_cast<const char*>(argument)) != (id == "26" ? "0000:03:00.0" : "0000:04:00.0")) {
          return error(ENODEV);
        }
        if (clears_master_on_open) set_command(command() & ~unsigned{kBusMaster});
        return give_fd("device");
      default:
        return error(ENOTTY);
    }
  }
  int device_ioctl(unsigned long request, std::uint64_t argument) {
    switch (request) {
      case VFIO_DEVICE_GET_INFO: {
        if (const auto r = refused("DEVICE_GET_INFO", request)) return *r;
        auto& out = at<vfio_device_info>(argument);
        if (out.argsz < 16) return error(EINVAL);
        out.flags = VFIO_DEVICE_FLAGS_PCI | (can_reset ? VFIO_DEVICE_FLAGS_RESET : 0u);
        out.num_regions = 9;
        out.num_irqs = 5;
        return 0;
      }
      case VFIO_DEVICE_GET_REGION_INFO: {
        if (const auto r = refused("DEVICE_GET_REGION_INFO", request)) return *r;
        const auto& in = at<vfio_region_info>(argument);
        if (in.argsz < sizeof in || in.index > 7) return error(EINVAL);
        if (in.index < 6 && answer_region_info && answer_region_info(argument)) return 0;
        const FakeRegion region = regions.contains(in.index) ? regions[in.index] : FakeRegion{};
        vfio_region_info info{};
        info.index = in.index;
        info.flags = region.flags;
        info.size = region.size;
        info.offset = std::uint64_t{in.index} << 40;
        Reply reply(info);
        if (!region.areas.empty()) {
          reply.capability(VFIO_REGION_INFO_CAP_MSIX_MAPPABLE, {});
          std::vector<std::uint64_t> words = {region.areas.size()};
          for (const auto& [offset, size] : region.areas) words.insert(words.end(), {offset, size});
          reply.capability(VFIO_REGION_INFO_CAP_SPARSE_MMAP, words);
        }
        reply.deliver<vfio_region_info>(argument, VFIO_REGION_INFO_FLAG_CAPS);
        return 0;
      }
      case VFIO_DEVICE_RESET: {
        if (const auto r = refused("DEVICE_RESET", request)) return *r;
        if (!can_reset) return error(EINVAL);
        if (reset_answers.empty()) return 0;
        const int code = reset_answers.front();
        reset_answers.erase(reset_answers.begin());
        return code == 0 ? 0 : error(code);
      }
      default:
        return error(ENOTTY);
    }
  }

  int bar_memory_ = -1;
  int next_fd_ = kFirstFd;
  bool iommu_set_ = false;
  std::set<int> joined_;
};

}  // namespace

namespace fake {

int open(const char* path, int flags) noexcept { return Kernel::current->open(path, flags); }
int close(int fd) noexcept { return Kernel::current->close(fd); }
ssize_t read(int fd, void* to, std::size_t n) noexcept { return Kernel::current->read(fd, to, n); }
ssize_t write(int fd, const void* from, std::size_t n) noexcept { return ::write(fd, from, n); }
ssize_t pread(int fd, void* to, std::size_t n, off_t at) noexcept { return Kernel::current->pread(fd, to, n, at); }
ssize_t pwrite(int fd, const void* from, std::size_t n, off_t at) noexcept {
  return Kernel::current->pwrite(fd, from, n, at);
}
int ioctl_word(int fd, unsigned long request, std::uint64_t argument) noexcept {
  return Kernel::current->ioctl(fd, request, argument);
}
void* mmap(void* hint, std::size_t n, int prot, int flags, int fd, off_t at) noexcept {
  return Kernel::current->mmap(hint, n, prot, flags, fd, at);
}
int munmap(void* at, std::size_t n) noexcept { return Kernel::current->munmap(at, n); }
int madvise(void* at, std::size_t n, int advice) noexcept { return Kernel::current->madvise(at, n, advice); }

}  // namespace fake

namespace {

testing::AssertionResult contains(const std::string& text, const std::string& part) {
  if (text.find(part) != std::string::npos) return testing::AssertionSuccess();
  return testing::AssertionFailure() << "'" << part << "' is not in: " << text;
}

/// The error that `action` raises; a test failure and an empty one when it raises none.
template <class Action>
Error error_of(Action action) {
  try {
    action();
  } catch (const Error& error) { return error; } catch (const std::exception& other) {
    ADD_FAILURE() << "not a pollux::Error: " << other.what();
    return Error(pollux::Failure{});
  }
  ADD_FAILURE() << "nothing was raised";
  return Error(pollux::Failure{});
}

/// /sys with an 82574 (0000:03:00.0) alone in group 26 and another (0000:04:00.0) in group 27, both with vfio-pci.
class FakeSys {
 public:
  FakeSys() {
    std::string name = (fs::temp_directory_path() / "pollux-vfio-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp " + name);
    root_ = name;
    add("0000:03:00.0", "26", "vfio-pci");
    add("0000:04:00.0", "27", "vfio-pci");
  }
  FakeSys(const FakeSys&) = delete;
  FakeSys& operator=(const FakeSys&) = delete;
  ~FakeSys() {
    std::error_code ignored;
    fs::remove_all(root_, ignored);
  }
  [[nodiscard]] PciSysfs sysfs() const { return PciSysfs(root_.string()); }
  [[nodiscard]] fs::path device(const std::string& bdf) const { return root_ / "bus/pci/devices" / bdf; }

  void add(const std::string& bdf, const std::string& group, const std::string& driver) const {
    fs::create_directories(device(bdf));
    for (const auto& [file, text] :
         {std::pair{"vendor", "0x8086\n"}, {"device", "0x10d3\n"}, {"class", "0x020000\n"}, {"numa_node", "-1\n"}}) {
      std::ofstream(device(bdf) / file) << text;
    }
    const fs::path members = root_ / "kernel/iommu_groups" / group / "devices";
    fs::create_directories(members);
    fs::create_directory_symlink("../../../../bus/pci/devices/" + bdf, members / bdf);
    fs::create_directory_symlink("../../../../kernel/iommu_groups/" + group, device(bdf) / "iommu_group");
    if (!driver.empty()) bind(bdf, driver);
  }
  void bind(const std::string& bdf, const std::string& driver) const {
    fs::remove(device(bdf) / "driver");
    fs::create_directory_symlink("../../../../bus/pci/drivers/" + driver, device(bdf) / "driver");
  }

 private:
  fs::path root_;
};

struct Vfio : testing::Test {
  FakeSys sys;
  Kernel kernel;
  const Bdf bdf = Bdf::parse("0000:03:00.0");

  [[nodiscard]] Error opening() {
    return error_of([this] {
      VfioContainer container(kDev);
      const VfioDevice device(container, bdf, sys.sysfs());
    });
  }
  void TearDown() override { kernel.expect_nothing_left("at the end"); }
};

std::byte* const kMemoryBlock = reinterpret_cast<std::byte*>(std::uintptr_t{1} << 32);  // never touched

// ---- the good way ---------------------------------------------------------------------------------------------------

TEST_F(Vfio, ADeviceOpensWithMemoryDecodingOnAndBusMasteringOff) {
  VfioContainer container(kDev);
  ASSERT_EQ(kernel.command(), 0x0507);
  VfioDevice device(container, bdf, sys.sysfs());
  EXPECT_EQ(kernel.command() & kBusMaster, 0);
  EXPECT_EQ(kernel.command() & kMemory, kMemory);
  EXPECT_EQ(kernel.command(), 0x0503) << "the other bits stay as they were";
  EXPECT_EQ(device.id(), (pollux::PciId{.vendor = 0x8086, .device = 0x10D3}));
  EXPECT_EQ(device.name(), "0000:03:00.0");
  EXPECT_EQ(&device.domain(), &container);
  EXPECT_TRUE(device.can_reset());
}

TEST_F(Vfio, BusMasteringFollowsTheCallerAndIsOffBeforeTheDeviceIsClosed) {
  {
    VfioContainer container(kDev);
    VfioDevice device(container, bdf, sys.sysfs());
    kernel.master_allowed = true;
    device.enable_bus_master();
    EXPECT_EQ(kernel.command(), 0x0507);
    device.disable_bus_master();
    EXPECT_EQ(kernel.command(), 0x0503);
    device.enable_bus_master();
  }
  EXPECT_EQ(kernel.count("(bus master is off)"), 1);
  EXPECT_EQ(kernel.count("(bus master is on)"), 0);
}

TEST_F(Vfio, ABarIsMappedOnceAndReachesTheDevice) {
  VfioContainer container(kDev);
  VfioDevice device(container, bdf, sys.sysfs());
  const auto bar = device.bar(0);
  EXPECT_EQ(bar.io().size(), 0x20000u);
  kernel.poke_bar(0x1FFFC, 0xCAFE'F00D);
  EXPECT_EQ(bar.io().read32(0x1FFFC), 0xCAFE'F00Du);
  bar.io().write32(0x3818, 7);
  EXPECT_EQ(kernel.peek_bar(0x3818), 7u);

  const std::size_t calls = kernel.log.size();
  const auto again = device.bar(0);
  EXPECT_EQ(kernel.log.size(), calls) << "a second look costs no system call";
  again.io().write32(0x3818, 8);
  EXPECT_EQ(bar.io().read32(0x3818), 8u);
}

TEST_F(Vfio, SparseAreasAreMappedAtTheirOffsetsInOneWindow) {
  kernel.regions[0] = {.size = 0x8000, .flags = 7, .areas = {{0x6000, 0x2000}, {0x0000, 0x1000}, {0x3000, 0x1000}}};
  VfioContainer container(kDev);
  VfioDevice device(container, bdf, sys.sysfs());
  const auto bar = device.bar(0);
  EXPECT_EQ(bar.io().size(), 0x8000u);
  for (const std::uint32_t at : {0x0u, 0xFFCu, 0x3000u, 0x3FFCu, 0x6000u, 0x7FFCu}) {
    kernel.poke_bar(at, 0xA000'0000u + at);
    EXPECT_EQ(bar.io().read32(at), 0xA000'0000u + at);
  }
  EXPECT_EQ(kernel.bar_mappings.size(), 3u);
  EXPECT_EQ(kernel.mappings.size(), 1u) << "one window holds them all";
}

TEST_F(Vfio, EverythingIsClosedInReverseOrder) {
  {
    VfioContainer container(kDev);
    std::optional<DmaRegion> region;
    VfioDevice device(container, bdf, sys.sysfs());
    (void)device.bar(0);
    region.emplace(DmaRegion::allocate(container, 8192, PagePreference::kOrdinary));
    kernel.master_allowed = true;
    device.enable_bus_master();
    EXPECT_EQ(kernel.dma.size(), 1u);
  }
  EXPECT_LT(kernel.position("munmap BAR"), kernel.position("close device"));
  EXPECT_LT(kernel.position("close device"), kernel.position("ioctl UNMAP_DMA"));
  EXPECT_LT(kernel.position("ioctl UNMAP_DMA"), kernel.position("munmap"));
  EXPECT_LT(kernel.position("close device"), kernel.position("close group 26"));
  EXPECT_LT(kernel.position("close group 26"), kernel.position("close container"));
  EXPECT_EQ(kernel.count("(bus master is off)"), 1);
}

TEST_F(Vfio, MemoryIsMappedInsideTheAllowedRangesOnlyAndNeverAtZero) {
  kernel.ranges = {{0x8000'0000, 0x8000'2FFF}, {0x0, 0x1'1FFF}, {0x20'0000, 0x20'0FFF}};
  VfioContainer container(kDev);
  const VfioDevice device(container, bdf, sys.sysfs());
  std::vector<BusAddr> given;
  while (given.size() < 100) {
    auto at = container.try_map(kMemoryBlock, kPage);
    if (!at) {
      EXPECT_EQ(at.failure().code, ENOSPC);
      EXPECT_TRUE(contains(at.failure().text(), "4096 bytes"));
      break;
    }
    given.push_back(at.value());
  }
  std::set<std::uint64_t> addresses;
  for (const BusAddr at : given) addresses.insert(at.value());
  EXPECT_EQ(addresses, (std::set<std::uint64_t>{0x1'0000, 0x1'1000, 0x20'0000, 0x8000'0000, 0x8000'1000, 0x8000'2000}));
  EXPECT_EQ(given.size(), addresses.size()) << "an address was handed out twice";
  for (const BusAddr at : given) container.unmap(at, kPage);

  const BusAddr three = container.try_map(kMemoryBlock, 3 * kPage).value();
  EXPECT_EQ(three.value(), 0x8000'0000u) << "the one range where three pages fit";
  container.unmap(three, 3 * kPage);
}

TEST_F(Vfio, UnmappedMemoryMakesItsAddressesFreeAgain) {
  kernel.ranges = {{0x10'0000, 0x10'1FFF}};
  VfioContainer container(kDev);
  const VfioDevice device(container, bdf, sys.sysfs());
  for (int round = 0; round < 3; ++round) {
    const BusAddr first = container.try_map(kMemoryBlock, kPage).value();
    const BusAddr second = container.try_map(kMemoryBlock + kPage, kPage).value();
    EXPECT_FALSE(container.try_map(kMemoryBlock, kPage));
    container.unmap(first, kPage);
    container.unmap(second, kPage);
    EXPECT_TRUE(kernel.dma.empty());
    const BusAddr both = container.try_map(kMemoryBlock, 2 * kPage).value();
    EXPECT_EQ(both.value(), 0x10'0000u);
    container.unmap(both, 2 * kPage);
  }
}

TEST_F(Vfio, TheGranuleIsTheSmallestPageOfTheIommu) {
  kernel.page_sizes = 0x2001'0000;  // 64 KiB and 512 MiB, as on some ARM machines
  kernel.ranges = {{0x0, 0xFFFF'FFFF}};
  VfioContainer container(kDev);
  const VfioDevice device(container, bdf, sys.sysfs());
  EXPECT_EQ(container.granule(), 0x10000u);
  const BusAddr first = container.try_map(kMemoryBlock, 0x10000).value();
  const BusAddr second = container.try_map(kMemoryBlock, 0x10000).value();
  EXPECT_EQ(first.value() % 0x10000, 0u);
  EXPECT_EQ(second.value() % 0x10000, 0u);
  container.unmap(first, 0x10000);
  container.unmap(second, 0x10000);
}

TEST_F(Vfio, AnOldKernelThatTellsNoRangesIsUsedBelowTheMsiWindow) {
  kernel.ranges.clear();
  VfioContainer container(kDev);
  const VfioDevice device(container, bdf, sys.sysfs());
  const BusAddr at = container.try_map(kMemoryBlock, 0x1000'0000).value();
  EXPECT_LT(at.value() + 0x1000'0000, 0xFEE0'0000u);
  EXPECT_GT(at.value(), 0u);
  EXPECT_FALSE(container.try_map(kMemoryBlock, 0xFEE0'0000));
  container.unmap(at, 0x1000'0000);
}

TEST_F(Vfio, AnIommuWithoutType1Version2IsUsedAsType1) {
  kernel.extensions = {VFIO_TYPE1_IOMMU};
  VfioContainer container(kDev);
  EXPECT_NO_THROW(VfioDevice(container, bdf, sys.sysfs()));
}

TEST_F(Vfio, TwoDevicesOfTwoGroupsShareOneContainer) {
  VfioContainer container(kDev);
  const VfioDevice one(container, bdf, sys.sysfs());
  const VfioDevice two(container, Bdf::parse("0000:04:00.0"), sys.sysfs());
  EXPECT_EQ(kernel.count("ioctl SET_IOMMU"), 1);
  const BusAddr at = container.try_map(kMemoryBlock, kPage).value();
  EXPECT_EQ(kernel.dma.size(), 1u);
  container.unmap(at, kPage);
}

TEST_F(Vfio, ADeviceOpenedAgainUsesTheGroupThatHasJoined) {
  VfioContainer container(kDev);
  { const VfioDevice first(container, bdf, sys.sysfs()); }
  const VfioDevice again(container, bdf, sys.sysfs());
  EXPECT_EQ(kernel.count(std::string("open ") + kDev + "/26"), 1);
}

TEST_F(Vfio, ASecondGroupMayNarrowTheRangesThatMemoryIsMappedIn) {
  // The second device's reserved region begins at 64 KiB: mapping there fails with EINVAL from then on.
  kernel.ranges = {{0x0, 0xFFFF'FFFF}};
  kernel.on_second_group = [this] { kernel.ranges = {{0x100'0000, 0xFFFF'FFFF}}; };
  VfioContainer container(kDev);
  const VfioDevice one(container, bdf, sys.sysfs());
  const VfioDevice two(container, Bdf::parse("0000:04:00.0"), sys.sysfs());
  auto at = container.try_map(kMemoryBlock, kPage);
  ASSERT_TRUE(at) << at.failure().text();
  EXPECT_GE(at.value().value(), 0x100'0000u);
  container.unmap(at.value(), kPage);
}

// ---- each call failing once -----------------------------------------------------------------------------------------

void open_use_and_close(Kernel& kernel, const FakeSys& sys) {
  VfioContainer container(kDev);
  std::optional<DmaRegion> region;
  VfioDevice device(container, Bdf::parse("0000:03:00.0"), sys.sysfs());
  if (kernel.command() != 0x0503)
    kernel.violations.push_back("opened with COMMAND " + std::to_string(kernel.command()));
  (void)device.bar(0);
  region.emplace(DmaRegion::allocate(container, 8192, PagePreference::kOrdinary));
  kernel.master_allowed = true;
  device.enable_bus_master();
  if (kernel.command() != 0x0507)
    kernel.violations.push_back("in use with COMMAND " + std::to_string(kernel.command()));
  kernel.closing = true;
}

bool may_fail_quietly(const std::string& call) {
  // An older IOMMU type does as well; what sysfs tells beside the ids is not needed; closing cannot fail usefully.
  if (call == "ioctl CHECK_EXTENSION " + std::to_string(VFIO_TYPE1v2_IOMMU) || call.find("close ") == 0) return true;
  return call.ends_with("/class") || call.ends_with("/numa_node");
}

/// Access to COMMAND may fail quietly where the register is right all the same; open_use_and_close looks at it.
bool touches_command(const std::string& call) { return call == "pread device" || call == "pwrite device"; }

TEST(VfioFailures, EveryCallMayFailAndLeavesOneErrorAndNothingOpen) {
  const FakeSys sys;
  unsigned total = 0;
  {
    Kernel kernel;
    kernel.regions[0] = {.size = 0x8000, .flags = 7, .areas = {{0x0, 0x1000}, {0x3000, 0x1000}}};
    open_use_and_close(kernel, sys);
    kernel.expect_nothing_left("without a failure");
    total = kernel.calls;
  }
  ASSERT_GT(total, 40u);
  unsigned errors = 0;
  for (unsigned n = 1; n <= total; ++n) {
    Kernel kernel;
    kernel.regions[0] = {.size = 0x8000, .flags = 7, .areas = {{0x0, 0x1000}, {0x3000, 0x1000}}};
    kernel.fail_at = n;
    kernel.clears_master_on_open = true;
    bool raised = false;
    try {
      open_use_and_close(kernel, sys);
    } catch (const Error& error) {
      raised = true;
      ++errors;
      const pollux::Failure& failure = error.failure();
      EXPECT_FALSE(failure.operation.empty() || failure.object.empty()) << error.what();
      EXPECT_TRUE(failure.code != 0 || !failure.where.empty()) << error.what();
    }
    ASSERT_FALSE(kernel.failed.empty()) << n;
    const std::string when = "call " + std::to_string(n) + ", " + kernel.failed;
    if (!touches_command(kernel.failed)) {
      EXPECT_EQ(raised, !kernel.failed_in_closing && !may_fail_quietly(kernel.failed)) << when;
      EXPECT_EQ(kernel.count("(bus master is on)"), 0) << when;
    }
    kernel.expect_nothing_left(when);
  }
  EXPECT_GT(errors, 20u);
}

TEST_F(Vfio, ADeviceThatStopsAnsweringIsNotGivenAllOnesInItsCommandRegister) {
  kernel.gone = true;
  const Error error = opening();
  EXPECT_TRUE(contains(error.what(), "0000:03:00.0"));
  // TearDown reports a write that turns bus mastering on.
}

// ---- what the user reads --------------------------------------------------------------------------------------------

TEST_F(Vfio, WithoutTheKernelDriverTheMessageSaysHowToLoadIt) {
  kernel.open_errno["vfio"] = ENOENT;
  const Error error = opening();
  EXPECT_EQ(error.code().value(), ENOENT);
  EXPECT_TRUE(contains(error.what(), "/fake/dev/vfio/vfio"));
  EXPECT_TRUE(contains(error.what(), "modprobe vfio-pci"));
}

TEST_F(Vfio, WithoutPermissionOnTheContainerTheMessageSaysWhichModeItNeeds) {
  kernel.open_errno["vfio"] = EACCES;
  EXPECT_TRUE(contains(opening().what(), "chmod 0666 /fake/dev/vfio/vfio"));
}

TEST_F(Vfio, AnUnknownApiVersionIsReported) {
  kernel.api_version = 1;
  EXPECT_TRUE(contains(opening().what(), "API version"));
}

TEST_F(Vfio, WithoutAType1IommuTheMessageSaysWhichModuleHasIt) {
  kernel.extensions.clear();
  EXPECT_TRUE(contains(opening().what(), "modprobe vfio_iommu_type1"));
}

TEST_F(Vfio, WithoutPermissionOnTheGroupTheMessageSaysWhomToGiveIt) {
  kernel.open_errno["26"] = EACCES;
  const Error error = opening();
  EXPECT_EQ(error.code().value(), EACCES);
  EXPECT_TRUE(contains(error.what(), "chown USER /fake/dev/vfio/26"));
  EXPECT_TRUE(contains(error.what(), "root"));
}

TEST_F(Vfio, AGroupInUseIsReportedWithHowToFindItsUser) {
  kernel.open_errno["26"] = EBUSY;
  const Error error = opening();
  EXPECT_EQ(error.code().value(), EBUSY);
  EXPECT_TRUE(contains(error.what(), "fuser -v /fake/dev/vfio/26"));
}

TEST_F(Vfio, AMissingGroupNodeIsReportedByItsPath) {
  kernel.open_errno["26"] = ENOENT;
  const Error error = opening();
  EXPECT_EQ(error.code().value(), ENOENT);
  EXPECT_TRUE(contains(error.what(), "/fake/dev/vfio/26"));
}

TEST_F(Vfio, AGroupThatIsNotViableIsReportedWithTheOtherMemberAndItsDriver) {
  sys.add("0000:03:00.1", "26", "e1000e");
  sys.add("0000:03:00.2", "26", "");
  kernel.group_flags = 0;
  const Error error = opening();
  EXPECT_EQ(error.code().value(), EPERM);
  EXPECT_TRUE(contains(error.what(), "26"));
  EXPECT_TRUE(contains(error.what(), "not viable"));
  EXPECT_TRUE(contains(error.what(), "0000:03:00.1 (e1000e)"));
  EXPECT_FALSE(contains(error.what(), "0000:03:00.0")) << "the device itself is not in the way";
  EXPECT_FALSE(contains(error.what(), "0000:03:00.2")) << "a device without driver is not in the way [abi 4.2]";
}

TEST_F(Vfio, ABridgeOfTheGroupIsNotBlamed) {
  sys.add("0000:00:1c.0", "26", "pcieport");  // fine for the kernel [abi 4.2], and not to be bound to vfio-pci
  sys.add("0000:03:00.1", "26", "e1000e");
  kernel.group_flags = 0;
  const Error error = opening();
  EXPECT_TRUE(contains(error.what(), "0000:03:00.1 (e1000e)"));
  EXPECT_FALSE(contains(error.what(), "pcieport"));
}

TEST_F(Vfio, WithoutAnIommuTheMessageSaysWhatToEnable) {
  fs::remove(sys.device("0000:03:00.0") / "iommu_group");
  const Error error = opening();
  EXPECT_EQ(error.code().value(), ENODEV);
  EXPECT_TRUE(contains(error.what(), "no IOMMU"));
  EXPECT_TRUE(contains(error.what(), "intel_iommu=on"));
}

TEST_F(Vfio, ADeviceOfAnotherDriverIsReportedWithTheCommandsThatMoveIt) {
  sys.bind("0000:03:00.0", "e1000e");
  const Error error = opening();
  EXPECT_EQ(error.code().value(), EBUSY);
  EXPECT_TRUE(contains(error.what(), "bound to driver e1000e"));
  EXPECT_TRUE(contains(error.what(), "as root: modprobe vfio-pci; echo vfio-pci > "));
  EXPECT_TRUE(contains(error.what(), "echo 0000:03:00.0 > " + sys.device("0000:03:00.0").string() + "/driver/unbind"));
  EXPECT_TRUE(contains(error.what(), "drivers_probe"));
}

TEST_F(Vfio, ADeviceOfNoDriverIsReportedWithTheCommandsThatBindIt) {
  fs::remove(sys.device("0000:03:00.0") / "driver");
  const Error error = opening();
  EXPECT_TRUE(contains(error.what(), "bound to no driver"));
  EXPECT_TRUE(contains(error.what(), "as root: modprobe vfio-pci; echo vfio-pci > "));
  EXPECT_FALSE(contains(error.what(), "unbind"));
}

TEST_F(Vfio, AnAbsentDeviceIsReportedAsThat) {
  VfioContainer container(kDev);
  const Error error = error_of([&] { VfioDevice(container, Bdf::parse("0000:7f:00.0"), sys.sysfs()); });
  EXPECT_EQ(error.code().value(), ENODEV);
  EXPECT_TRUE(contains(error.what(), "0000:7f:00.0"));
}

TEST_F(Vfio, WithoutInterruptRemappingTheMessageNamesTheSwitch) {
  kernel.ioctl_errno[VFIO_SET_IOMMU] = EPERM;
  const Error error = opening();
  EXPECT_EQ(error.code().value(), EPERM);
  EXPECT_TRUE(contains(error.what(), "interrupt remapping"));
  EXPECT_TRUE(contains(error.what(), "allow_unsafe_interrupts"));
}

TEST_F(Vfio, TheLockedMemoryLimitIsNamedWhenItIsReached) {
  kernel.ioctl_errno[VFIO_IOMMU_MAP_DMA] = ENOMEM;
  VfioContainer container(kDev);
  const VfioDevice device(container, bdf, sys.sysfs());
  auto at = container.try_map(kMemoryBlock, 1 << 20);
  ASSERT_FALSE(at);
  EXPECT_EQ(at.failure().code, ENOMEM);
  EXPECT_TRUE(contains(at.failure().text(), "1024 KiB"));
  EXPECT_TRUE(contains(at.failure().text(), "ulimit -l"));
  EXPECT_TRUE(contains(at.failure().text(), "CAP_IPC_LOCK"));
  kernel.ioctl_errno.clear();
  const BusAddr good = container.try_map(kMemoryBlock, 1 << 20).value();
  EXPECT_EQ(good.value(), 0x1'0000u) << "a failed mapping keeps no addresses";
  container.unmap(good, 1 << 20);
}

TEST_F(Vfio, MemoryCannotBeMappedBeforeADeviceHasJoined) {
  VfioContainer container(kDev);
  auto at = container.try_map(kMemoryBlock, kPage);
  ASSERT_FALSE(at);
  EXPECT_TRUE(contains(at.failure().text(), "no device has joined"));
  EXPECT_TRUE(contains(at.failure().text(), "open a device"));
  EXPECT_THROW(DmaRegion::allocate(container, kPage, PagePreference::kOrdinary), Error);
}

TEST_F(Vfio, AnAbsentBarIsReportedByItsNumber) {
  VfioContainer container(kDev);
  VfioDevice device(container, bdf, sys.sysfs());
  const Error error = error_of([&] { (void)device.bar(1); });
  EXPECT_TRUE(contains(error.what(), "0000:03:00.0"));
  EXPECT_TRUE(contains(error.what(), "BAR 1 is absent"));
}

TEST_F(Vfio, ABarOfIoPortsIsReportedAsNotMappable) {
  VfioContainer container(kDev);
  VfioDevice device(container, bdf, sys.sysfs());
  const Error error = error_of([&] { (void)device.bar(2); });
  EXPECT_TRUE(contains(error.what(), "BAR 2 cannot be mapped"));
  EXPECT_TRUE(contains(error.what(), "I/O ports"));
}

// ---- reset ----------------------------------------------------------------------------------------------------------

TEST_F(Vfio, AResetIsRepeatedWhileAnotherOneHoldsTheLock) {
  VfioContainer container(kDev);
  VfioDevice device(container, bdf, sys.sysfs());
  kernel.reset_answers = {EAGAIN, EAGAIN};
  EXPECT_TRUE(device.try_reset());
  EXPECT_EQ(kernel.count("ioctl DEVICE_RESET"), 3);
  kernel.reset_answers = {EIO};
  const auto failed = device.try_reset();
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.failure().code, EIO);
  kernel.reset_answers = std::vector<int>(100, EAGAIN);
  const auto busy = device.try_reset();
  ASSERT_FALSE(busy) << "it does not try for ever";
  EXPECT_EQ(busy.failure().code, EAGAIN);
}

TEST_F(Vfio, ADeviceWithoutAResetSaysSo) {
  kernel.can_reset = false;
  VfioContainer container(kDev);
  VfioDevice device(container, bdf, sys.sysfs());
  EXPECT_FALSE(device.can_reset());
  const auto failed = device.try_reset();
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.failure().code, ENOTSUP);
  EXPECT_TRUE(contains(failed.failure().text(), "no reset method"));
  EXPECT_EQ(kernel.count("ioctl DEVICE_RESET"), 0);
}

// ---- hostile replies ------------------------------------------------------------------------------------------------

struct HostileRegion : Vfio {
  /// Answers for BAR 0 with `build(reply)` applied to a good sparse reply of 32 KiB.
  void answer(const std::function<void(Reply&)>& build) {
    kernel.regions[0] = {.size = 0x8000, .flags = 7};
    kernel.answer_region_info = [this, build](std::uint64_t argument) {
      vfio_region_info info{};
      info.flags = 7;
      info.size = 0x8000;
      Reply reply(info);
      build(reply);
      ++asked;
      reply.deliver<vfio_region_info>(argument, VFIO_REGION_INFO_FLAG_CAPS);
      return true;
    };
  }
  /// Opens BAR 0; true when it was mapped, false when that was refused with an Error.
  bool maps_bar() {
    VfioContainer container(kDev);
    VfioDevice device(container, bdf, sys.sysfs());
    try {
      (void)device.bar(0);
    } catch (const Error& error) {
      EXPECT_TRUE(contains(error.what(), "0000:03:00.0"));
      return false;
    }
    return true;
  }
  unsigned asked = 0;
};

TEST_F(HostileRegion, ACapabilityChainThatLoopsEnds) {
  answer([](Reply& reply) {
    const auto first = reply.capability(VFIO_REGION_INFO_CAP_SPARSE_MMAP, {1, 0x1000, 0x1000});
    const auto second = reply.capability(VFIO_REGION_INFO_CAP_MSIX_MAPPABLE, {});
    reply.set_next(second, first);
  });
  (void)maps_bar();  // either way will do
  EXPECT_LE(kernel.count("mmap device"), 64);
}

TEST_F(HostileRegion, AnOffsetBehindTheReplyIsNotFollowed) {
  answer([](Reply& reply) {
    const auto first = reply.capability(VFIO_REGION_INFO_CAP_SPARSE_MMAP, {1, 0x1000, 0x1000});
    reply.set_next(first, 0xFFFF'FFF8);
  });
  EXPECT_TRUE(maps_bar());
  EXPECT_EQ(kernel.count("mmap device"), 1);
}

TEST_F(HostileRegion, MoreAreasThanTheReplyHoldsAreNotBelieved) {
  answer([](Reply& reply) {
    (void)reply.capability(VFIO_REGION_INFO_CAP_SPARSE_MMAP, {0xFFFF'FFFF, 0x0, 0x1000, 0x3000, 0x1000});
  });
  EXPECT_TRUE(maps_bar());
  EXPECT_EQ(kernel.count("mmap device"), 2);
}

TEST_F(HostileRegion, AnAreaOutsideTheBarIsRefused) {
  for (const Area& area : {Area{0x8000, 0x1000}, Area{0x7000, 0x2000}, Area{0xFFFF'FFFF'FFFF'F000, 0x2000},
                           Area{0x1000, 0xFFFF'FFFF'FFFF'F000}, Area{0x10'0000, 0x1000}}) {
    answer([&area](Reply& reply) {
      (void)reply.capability(VFIO_REGION_INFO_CAP_SPARSE_MMAP, {1, area.first, area.second});
    });
    EXPECT_FALSE(maps_bar()) << std::hex << area.first << " " << area.second;
  }
  EXPECT_EQ(kernel.count("mmap device"), 0);
}

TEST_F(HostileRegion, ABarLargerThanTheAddressSpaceIsRefused) {
  kernel.answer_region_info = [](std::uint64_t argument) {
    auto& info = *reinterpret_cast<vfio_region_info*>(argument);
    info.flags = 7;
    info.size = std::uint64_t{1} << 62;
    info.offset = 0;
    return true;
  };
  VfioContainer container(kDev);
  VfioDevice device(container, bdf, sys.sysfs());
  EXPECT_EQ(error_of([&] { (void)device.bar(0); }).code().value(), ENOMEM);
}

TEST_F(HostileRegion, AReplyThatWantsAnAbsurdLengthIsRefusedAndNotAllocated) {
  std::uint32_t largest = 0;
  kernel.answer_region_info = [&](std::uint64_t argument) {
    auto& info = *reinterpret_cast<vfio_region_info*>(argument);
    largest = std::max(largest, info.argsz);
    info.flags = 7;
    info.size = 0x8000;
    info.argsz = 1u << 26;
    return true;
  };
  EXPECT_FALSE(maps_bar());
  EXPECT_LE(largest, 1u << 20) << "asked again with as much memory as the reply told";
}

TEST_F(HostileRegion, AReplyThatWantsEverMoreIsGivenUp) {
  kernel.answer_region_info = [&](std::uint64_t argument) {
    auto& info = *reinterpret_cast<vfio_region_info*>(argument);
    info.flags = 7;
    info.size = 0x8000;
    if (++asked < 1000) info.argsz += 8;  // and at last enough, so that the test ends
    return true;
  };
  EXPECT_FALSE(maps_bar());
  EXPECT_LE(asked, 16u);
}

struct HostileIommu : Vfio {
  void answer(const std::function<void(Reply&)>& build) {
    kernel.answer_iommu_info = [build](std::uint64_t argument) {
      vfio_iommu_type1_info info{};
      info.flags = VFIO_IOMMU_INFO_PGSIZES;
      info.iova_pgsizes = 0x1000;
      Reply reply(info);
      build(reply);
      reply.deliver<vfio_iommu_type1_info>(argument, VFIO_IOMMU_INFO_CAPS);
      return true;
    };
  }
};

TEST_F(HostileIommu, AChainThatLoopsDoesNotHandOutAnAddressTwice) {
  kernel.ranges = {{0x10'0000, 0x1F'FFFF}};
  answer([](Reply& reply) {
    const auto only = reply.capability(VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE, {1, 0x10'0000, 0x1F'FFFF});
    reply.set_next(only, only);
  });
  try {
    VfioContainer container(kDev);
    const VfioDevice device(container, bdf, sys.sysfs());
    const BusAddr all = container.try_map(kMemoryBlock, 0x10'0000).value();
    const auto more = container.try_map(kMemoryBlock, kPage);
    EXPECT_TRUE(!more && more.failure().code == ENOSPC) << "EEXIST: the same range was believed again and again";
    container.unmap(all, 0x10'0000);
  } catch (const Error& error) {
    EXPECT_TRUE(contains(error.what(), "IOMMU_GET_INFO"));  // refusing the reply is right as well
  }
}

TEST_F(HostileIommu, MoreRangesThanTheReplyHoldsAndRangesUpsideDownAreNotBelieved) {
  kernel.ranges = {{0x10'0000, 0x10'0FFF}};
  answer([](Reply& reply) {
    (void)reply.capability(VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE,
                           {0xFFFF'FFFF, 0x90'0000, 0x80'0000, 0x10'0000, 0x10'0FFF});
  });
  VfioContainer container(kDev);
  const VfioDevice device(container, bdf, sys.sysfs());
  const BusAddr at = container.try_map(kMemoryBlock, kPage).value();
  EXPECT_EQ(at.value(), 0x10'0000u);
  EXPECT_FALSE(container.try_map(kMemoryBlock, kPage));
  container.unmap(at, kPage);
}

TEST_F(HostileIommu, PageSizesOfZeroLeaveTheOrdinaryGranule) {
  kernel.page_sizes = 0;
  VfioContainer container(kDev);
  const VfioDevice device(container, bdf, sys.sysfs());
  EXPECT_EQ(container.granule(), 4096u);
}

TEST_F(HostileIommu, AnUnmapThatFailsKeepsItsAddressesOutOfUse) {
  VfioContainer container(kDev);
  const VfioDevice device(container, bdf, sys.sysfs());
  const BusAddr stuck = container.try_map(kMemoryBlock, kPage).value();
  kernel.ioctl_errno[VFIO_IOMMU_UNMAP_DMA] = EINVAL;
  container.unmap(stuck, kPage);  // noexcept; devices still reach that memory
  kernel.ioctl_errno.clear();
  const BusAddr other = container.try_map(kMemoryBlock, kPage).value();
  EXPECT_NE(other, stuck);
  container.unmap(other, kPage);
  kernel.dma.clear();
}

}  // namespace

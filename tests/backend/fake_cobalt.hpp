// SPDX-License-Identifier: BSD-3-Clause
// A Cobalt core with UDD devices, as strict as the real one [abi 6]: who may call what, which lengths are taken, what
// blocks, which errors come. Time is virtual and passes only while somebody waits.
#pragma once
#include <gtest/gtest.h>

#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <pollux/backend/rtdm.hpp>

namespace fake_cobalt {

using pollux::Nanos;

enum class Irq { kNone, kCustom, kLine };
enum class Mappers { kPlain, kAt };  ///< NAME,mapperN or NAME,mapper@N

/// One region of a UDD driver: real memory.
class Region {
 public:
  Region() = default;
  explicit Region(std::size_t bytes) : bytes_(bytes), fd_(::memfd_create("region", 0)) {
    if (::ftruncate(fd_, static_cast<off_t>(bytes)) != 0) ADD_FAILURE() << "ftruncate";
  }
  Region(Region&& other) noexcept : bytes_(std::exchange(other.bytes_, 0)), fd_(std::exchange(other.fd_, -1)) {}
  Region& operator=(Region&& other) noexcept {
    std::swap(bytes_, other.bytes_);
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Region() {
    if (fd_ >= 0) ::close(fd_);
  }
  [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }  ///< 0: UDD_MEM_NONE
  [[nodiscard]] int fd() const noexcept { return fd_; }
  void write32(off_t at, std::uint32_t v) const { EXPECT_EQ(::pwrite(fd_, &v, sizeof v, at), 4); }

 private:
  std::size_t bytes_ = 0;
  int fd_ = -1;
};

/// A registered udd_device. INTx, unless `line` says otherwise: its handler masks what it has counted.
struct Device {
  Irq irq = Irq::kLine;
  bool exclusive = false;
  Mappers mappers = Mappers::kPlain;
  bool mapper_nodes_always = false;  ///< nodes of unused regions too, as the first kernels have
  bool read_resets_event = true;     ///< false: udd_read_rt of older kernels
  bool control_of_its_own = false;   ///< the driver's ioctl takes IRQEN and IRQDIS, also for UDD_IRQ_CUSTOM
  std::array<Region, 5> regions{};
  std::function<bool()> line = [] { return false; };  ///< a level the device asserts

  std::uint32_t total = 0;
  bool event = false;    ///< of the rtdm_event that readers and selectors wait for
  bool enabled = true;   ///< as rtdm_irq_request leaves it
  bool pending = false;  ///< asserted while disabled
  bool removed = false;
  int notify_thread = -1, notify_signal = 0;
  unsigned enables = 0, disables = 0;

  void look() {
    if (enabled && (line() || pending)) count();
  }
  /// The device asserts its interrupt once.
  void interrupt() { enabled ? count() : void(pending = true); }

 private:
  void count() {
    pending = false;
    enabled = irq != Irq::kLine;
    ++total;
    event = true;
    if (notify_thread > 0) signals.emplace_back(notify_signal, total);
  }

 public:
  std::vector<std::pair<int, std::uint32_t>> signals;  ///< sent: signal, si_int
};

class Kernel {
 public:
  bool available = true;
  bool cobalt_thread = true;    ///< whether the caller is one
  std::set<int> threads{4242};  ///< Cobalt threads of this process
  std::map<std::string, Device> devices;
  std::string dev = "/dev/rtdm";
  /// What happens when, [ns] from now on as time passes.
  std::deque<std::pair<std::int64_t, std::function<void()>>> script;
  std::function<void(Nanos)> on_time = [](Nanos) {};
  std::int64_t now = 0;

  /// The n-th call from now on (0: the next) fails with this error and does nothing.
  void fail(unsigned n, int error) { fails_in_ = static_cast<int>(n), error_ = error; }
  [[nodiscard]] unsigned calls() const noexcept { return calls_; }
  [[nodiscard]] std::size_t open_fds() const noexcept { return fds_.size(); }
  [[nodiscard]] std::size_t mappings() const noexcept { return mappings_.size(); }
  std::vector<std::string> opened;  ///< every path tried

  int open(const std::string& path, int flags) {
    if (fails()) return -1;
    opened.push_back(path);
    EXPECT_EQ(flags & O_ACCMODE, O_RDWR);
    for (auto& [name, device] : devices) {
      const std::string node = dev + "/" + name;
      if (path == node) {
        if (device.removed) return error(ENODEV);
        if (device.exclusive && in_use(name)) return error(EBUSY);
        return add({name, -1, 0});
      }
      for (int n = 0; n < 5; ++n) {
        const Region& region = device.regions[static_cast<std::size_t>(n)];
        const char* const spelling = device.mappers == Mappers::kAt ? ",mapper@" : ",mapper";
        if (path != node + spelling + std::to_string(n)) continue;
        if (region.bytes() == 0) return error(device.mapper_nodes_always ? EIO : ENOENT);
        return add({name, n, 0});
      }
    }
    return error(ENOENT);  // RTDM does not know it, and neither does Linux
  }
  int close(int fd) {
    // It fails in no way that leaves the descriptor open.
    ++calls_;
    return fds_.erase(fd) == 1 ? 0 : error(EBADF);
  }

  ssize_t read(int fd, void* to, std::size_t bytes) {
    if (fails()) return -1;
    if (!cobalt_thread) return error(EPERM);
    File* const file = main_of(fd);
    if (file == nullptr) return error(EBADF);
    Device& device = devices.at(file->device);
    if (bytes != sizeof(std::uint32_t)) return error(EINVAL);
    if (device.irq == Irq::kNone) return error(EIO);
    if (device.removed) return error(EIDRM);
    device.look();
    if (device.read_resets_event) {
      if (device.total == file->count && !device.event && !block(device)) return -1;
      device.event = false;
    } else {
      while (device.total == file->count) {
        if (!device.event && !block(device)) return -1;
        device.event = false;  // reset by waiting for it, and by nothing else
      }
    }
    file->count = device.total;
    std::memcpy(to, &device.total, sizeof device.total);
    return sizeof device.total;
  }

  ssize_t write(int fd, const void* from, std::size_t bytes) {
    if (bytes != sizeof(std::uint32_t)) return fails() ? -1 : error(EINVAL);
    std::uint32_t value = 0;
    std::memcpy(&value, from, sizeof value);
    const int done = ioctl(fd, value != 0 ? 0x900u : 0x901u, nullptr);
    return done == 0 ? static_cast<ssize_t>(bytes) : -1;
  }

  int ioctl(int fd, unsigned request, void* argument) {
    if (fails()) return -1;
    if (!cobalt_thread) return error(EPERM);
    File* const file = main_of(fd);
    if (file == nullptr) return error(EBADF);
    Device& device = devices.at(file->device);
    switch (request) {
      case 0x900:
      case 0x901:
        if (device.irq != Irq::kLine && !(device.control_of_its_own && device.irq == Irq::kCustom)) return error(EIO);
        device.enabled = request == 0x900;
        ++(device.enabled ? device.enables : device.disables);
        device.look();
        return 0;
      case 0x40080902: {
        if (argument == nullptr) return error(EFAULT);
        struct {
          std::int32_t pid, sig;
        } notify;
        std::memcpy(&notify, argument, sizeof notify);
        if (notify.pid <= 0) return device.notify_thread = -1, 0;
        if (notify.sig < SIGRTMIN || notify.sig > SIGRTMAX) return error(EINVAL);
        if (!threads.contains(notify.pid)) return error(EINVAL);
        device.notify_thread = notify.pid, device.notify_signal = notify.sig;
        return 0;
      }
      default:
        return error(EINVAL);
    }
  }

  void* mmap(std::size_t bytes, int fd) {
    if (fails()) return MAP_FAILED;
    const auto at = fds_.find(fd);
    if (at == fds_.end()) return error(EBADF), MAP_FAILED;
    if (at->second.region < 0) return error(ENODEV), MAP_FAILED;
    const Region& region = devices.at(at->second.device).regions[static_cast<std::size_t>(at->second.region)];
    if (bytes == 0 || (bytes + 4095) / 4096 * 4096 > region.bytes()) return error(EINVAL), MAP_FAILED;
    void* const out = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, region.fd(), 0);
    if (out != MAP_FAILED) mappings_[out] = bytes;
    return out;
  }
  int munmap(void* at, std::size_t bytes) {
    ++calls_;
    EXPECT_TRUE(mappings_.contains(at) && mappings_[at] == bytes) << "not what was mapped";
    mappings_.erase(at);
    return ::munmap(at, bytes);
  }

  int select(int fd, Nanos timeout) {
    if (fails()) return -1;
    if (!fds_.contains(fd)) return error(EBADF);
    if (!cobalt_thread) return 1;  // libcobalt asks Linux then, for which an RTDM descriptor is always readable
    Device& device = devices.at(fds_.at(fd).device);
    if (device.irq == Irq::kNone) return error(EIO);
    const std::int64_t end = timeout < Nanos{0} ? std::numeric_limits<std::int64_t>::max() : now + timeout.count;
    for (;;) {
      if (device.removed) return error(EIDRM);
      device.look();
      if (device.event) return 1;
      if (const int stop = pass_until(end, timeout < Nanos{0})) return stop > 0 ? 0 : error(EINTR);
    }
  }

 private:
  struct File {
    std::string device;
    int region = -1;  ///< -1: the main device
    std::uint32_t count = 0;
  };
  int error(int code) {
    errno = code;
    return -1;
  }
  bool fails() {
    ++calls_;
    if (fails_in_ < 0 || fails_in_-- > 0) return false;
    error(error_);
    return true;
  }
  int add(File file) {
    const int fd = next_fd_++;
    fds_.emplace(fd, std::move(file));
    return fd;
  }
  File* main_of(int fd) {
    const auto at = fds_.find(fd);
    return at == fds_.end() || at->second.region >= 0 ? nullptr : &at->second;
  }
  [[nodiscard]] bool in_use(const std::string& name) const {
    for (const auto& [fd, file] : fds_) {
      if (file.device == name && file.region < 0) return true;
    }
    return false;
  }
  /// Lets the next scripted thing happen, or a step of time pass. 0: go on; 1: `end` is reached; -1: nothing will come.
  int pass_until(std::int64_t end, bool for_ever) {
    constexpr std::int64_t kStep = 1'000;
    if (now >= end) return 1;
    std::int64_t next = std::min(end, now + kStep);
    if (!script.empty()) {
      next = std::min(end, std::max(now, script.front().first));
    } else if (for_ever && ++idle_ > 1'000'000) {
      ADD_FAILURE() << "blocks for ever";
      return -1;
    }
    const std::int64_t passed = next - now;
    now = next;
    on_time(Nanos{passed});
    if (!script.empty() && script.front().first <= now) {
      const auto act = std::move(script.front().second);
      script.pop_front();
      act();
      if (interrupted_) return interrupted_ = false, -1;
    }
    return 0;
  }
  /// A read that has to wait.
  bool block(Device& device) {
    ++blocked_reads;
    for (idle_ = 0; !device.event;) {
      if (device.removed) return error(EIDRM), false;
      if (pass_until(std::numeric_limits<std::int64_t>::max(), true) != 0) return error(EINTR), false;
      device.look();
    }
    return true;
  }

 public:
  unsigned blocked_reads = 0;
  /// A signal arrives: to be called from the script.
  void signal() { interrupted_ = true; }

 private:
  std::map<int, File> fds_;
  std::map<void*, std::size_t> mappings_;
  int next_fd_ = 1000, fails_in_ = -1, error_ = 0;
  unsigned calls_ = 0;
  std::int64_t idle_ = 0;
  bool interrupted_ = false;
};

/// The Rtdm that reaches a Kernel.
class FakeRtdm {
 public:
  explicit FakeRtdm(Kernel& kernel) noexcept : kernel_(&kernel) {}
  bool available() const noexcept { return kernel_->available; }
  int open(const char* path, int flags) const noexcept { return kernel_->open(path, flags); }
  int close(int fd) const noexcept { return kernel_->close(fd); }
  ssize_t read(int fd, void* to, std::size_t n) const noexcept { return kernel_->read(fd, to, n); }
  ssize_t write(int fd, const void* from, std::size_t n) const noexcept { return kernel_->write(fd, from, n); }
  int ioctl(int fd, unsigned request, void* argument) const noexcept { return kernel_->ioctl(fd, request, argument); }
  void* mmap(std::size_t bytes, int fd) const noexcept { return kernel_->mmap(bytes, fd); }
  int munmap(void* at, std::size_t bytes) const noexcept { return kernel_->munmap(at, bytes); }
  int select(int fd, Nanos timeout) const noexcept { return kernel_->select(fd, timeout); }

 private:
  Kernel* kernel_;
};
static_assert(pollux::Rtdm<FakeRtdm>);

}  // namespace fake_cobalt

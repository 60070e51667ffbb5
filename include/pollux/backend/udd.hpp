// SPDX-License-Identifier: BSD-3-Clause
// UddDevice, UddIrqDevice: a PCI function through the User-space Device Drivers of Xenomai 3: an interrupt that a
// Cobalt thread waits for without leaving the real-time core.
#pragma once
#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <pollux/backend/rtdm.hpp>
#include <pollux/backend/sysfs.hpp>

namespace pollux {

namespace udd {
// [abi 6]
inline constexpr unsigned kClass = 9;    ///< RTDM_CLASS_UDD
inline constexpr unsigned kRegions = 5;  ///< UDD_NR_MAPS
inline constexpr unsigned kIrqEnable = 0x900, kIrqDisable = 0x901, kIrqSignal = 0x40080902;
/// Argument of kIrqSignal.
struct SignalNotify {
  std::int32_t thread = 0;  ///< kernel id of a Cobalt thread of this process; 0 or less: nobody
  std::int32_t signal = 0;  ///< SIGRTMIN .. SIGRTMAX
};
static_assert(sizeof(SignalNotify) == 8);

/// The kernel module of samples/xenomai/pollux_udd_pci, and what it calls a function's device.
inline constexpr const char* kDriver = "pollux_udd_pci";
inline std::string default_name(Bdf bdf) { return "pollux-" + bdf.to_string(); }

/// An entry of /sys/class/rtdm whose class is UDD.
struct Listed {
  std::string name;
  unsigned subclass = 0;
};

/// Class and subclass from /sys/class/rtdm/NAME/profile ("9,0"); nothing where there is none.
inline std::optional<std::pair<unsigned, unsigned>> profile(const PciSysfs& sysfs, const std::string& name) {
  auto text = file::try_read(text::cat(sysfs.root(), "/class/rtdm/", name, "/profile"));
  if (!text) return std::nullopt;
  const std::string_view line = text::trim(text.value());
  const char* const end = line.data() + line.size();
  unsigned major = 0, minor = 0;
  const auto first = std::from_chars(line.data(), end, major);
  if (first.ec != std::errc{} || first.ptr == end || *first.ptr != ',') return std::nullopt;
  const auto second = std::from_chars(first.ptr + 1, end, minor);
  if (second.ec != std::errc{} || second.ptr != end) return std::nullopt;
  return std::pair{major, minor};
}

/// All UDD devices, by name. Their mappers are of another class and not among them.
inline std::vector<Listed> list(const PciSysfs& sysfs = PciSysfs{}) {
  std::vector<Listed> out;
  for (const std::string& name : PciSysfs::names_in(sysfs.root() + "/class/rtdm")) {
    if (const auto found = profile(sysfs, name); found && found->first == kClass) out.push_back({name, found->second});
  }
  return out;
}

/// The spellings of a mapper's name: NAME,mapperN, as UDD registers it; NAME,mapper@N, as its documentation and the
/// first kernels have it. NOTE(contradiction): we try both. [abi 6]
inline constexpr std::array<std::string_view, 2> kMapperSpellings{",mapper", ",mapper@"};

}  // namespace udd

/// The interrupt of a UDD device. A Linux thread cannot wait for it: fd() is -1 and `wait` is Cobalt's select.
/// It needs rearming, of whatever kind it is: INTx stays masked until then.
/// Threads: one at a time, a Cobalt thread; one in secondary mode is brought back to primary by the calls.
template <Rtdm R>
class UddInterrupt final : public Interrupt {
 public:
  /// Pre: `fd` stays open. Turns it on; what came before counts as taken. `object`: its name in messages.
  /// Errors: EIO (the device has no interrupt), EPERM (no Cobalt thread), ENOTSUP (see try_take).
  static Result<std::unique_ptr<Interrupt>> try_open(R rtdm, int fd, std::string object) {
    std::unique_ptr<UddInterrupt> one(new UddInterrupt(std::move(rtdm), fd, std::move(object)));
    if (auto done = one->try_control(udd::kIrqDisable); !done) return done.failure();
    one->on_ = true;  // from here on it is off when destroyed
    if (auto before = one->try_take(); !before) return before.failure();
    if (auto armed = one->try_rearm(); !armed) return armed.failure();
    return std::unique_ptr<Interrupt>(std::move(one));
  }
  ~UddInterrupt() override {
    if (notifies_) (void)try_notify(0, 0);
    if (on_ && control_) (void)rtdm_.ioctl(fd_, udd::kIrqDisable, nullptr);
  }

  [[nodiscard]] int fd() const noexcept override { return -1; }

  /// Cost: 1 system call, a second when one has come, two more the first time one has.
  /// Errors: EIDRM (the driver let go of the device), EIO, EPERM; ENOTSUP where the kernel's UDD forgets to reset its
  /// event when it is read, and a later read could block for ever: interrupts cannot be taken there, for good.
  [[nodiscard]] Result<std::uint64_t> try_take() override {
    if (event_stays_) return cannot_wait();
    const int readable = rtdm_.select(fd_, Nanos{0});
    if (readable < 0 && errno != EINTR) return failed("look for interrupts of");
    if (readable <= 0) return std::uint64_t{0};
    // read(2) blocks when nothing is there, whatever flags `fd` has: only behind select. [abi 6]
    if (!event_known_ && control_) {
      // Nothing can come while it is off: what is readable after the read then is what the read should have reset.
      if (auto off = try_control(udd::kIrqDisable); !off) return off.failure();
    }
    std::uint32_t total = 0;
    const ssize_t got = rtdm_.read(fd_, &total, sizeof total);
    if (got < 0 && errno == EINTR) return std::uint64_t{0};
    if (got != sizeof total) return failed("read interrupts of");
    if (!event_known_ && control_) {
      event_stays_ = rtdm_.select(fd_, Nanos{0}) > 0;
      if (event_stays_) return cannot_wait();
      event_known_ = true;
    }
    // The first total is of all that ever came, to anybody: it tells that something has, not how much.
    const std::uint32_t come = known_ ? total - last_ : 1;  // wraps with it
    last_ = total, known_ = true;
    return std::uint64_t{come};
  }

  /// Cost: 1 system call. UDD's own unmasking goes through Linux and waits for it; drivers that do it themselves, as
  /// samples/xenomai/pollux_udd_pci does for MSI, do not.
  [[nodiscard]] Result<Done> try_rearm() override { return try_control(udd::kIrqEnable); }

  /// An error counts as an interrupt, as with poll(2): try_take tells it.
  [[nodiscard]] bool wait(Nanos timeout) const noexcept override {
    if (event_stays_) return true;
    const int readable = rtdm_.select(fd_, timeout);
    return readable > 0 || (readable < 0 && errno != EINTR);
  }

  /// From now on `thread` (the kernel's id of a Cobalt thread of this process) is also sent `signal` for each
  /// interrupt, with the total in si_int; one thread a device, and 0 for nobody. To be awaited (sigwaitinfo,
  /// sigtimedwait): there is no handler. Ends with this. Errors: EINVAL.
  Result<Done> try_notify(std::int32_t thread, std::int32_t signal) {
    udd::SignalNotify notify{.thread = thread, .signal = signal};
    if (rtdm_.ioctl(fd_, udd::kIrqSignal, &notify) == 0) {
      notifies_ = thread > 0;
      return Done{};
    }
    Failure why = failed("be signalled interrupts of");
    if (why.code == EINVAL) {
      why.where = text::cat("thread ", thread, ", signal ", signal);
      why.remedy = "the thread must be one of Cobalt's in this process, the signal one of SIGRTMIN to SIGRTMAX";
    }
    return why;
  }

 private:
  UddInterrupt(R rtdm, int fd, std::string object) : rtdm_(std::move(rtdm)), fd_(fd), object_(std::move(object)) {}

  /// On or off. A driver that has its interrupt to itself (UDD_IRQ_CUSTOM) and no ioctl refuses with EIO, and needs
  /// none; one without interrupt does so too, but select tells the two apart.
  Result<Done> try_control(unsigned request) {
    if (!control_) return Done{};
    for (int attempt = 0; attempt < 3; ++attempt) {  // EINTR: the request went out, but nobody waited for its end
      if (rtdm_.ioctl(fd_, request, nullptr) == 0) return Done{};
      if (errno != EINTR) break;
    }
    const char* const operation = request == udd::kIrqEnable ? "unmask the interrupt of" : "mask the interrupt of";
    Failure why = failed(operation);
    if (why.code != EIO || on_) return why;
    if (rtdm_.select(fd_, Nanos{0}) < 0 && errno == EIO) return why;
    control_ = false;
    return Done{};
  }

  [[nodiscard]] Failure failed(const char* operation) const {
    Failure why{.code = errno, .operation = operation, .object = object_, .where = {}, .remedy = {}};
    switch (why.code) {
      case EPERM:
      case ENOTTY:  // the call went on to Linux, which knows nothing of it
      case ENOSYS:
        why.where = "UDD's calls are for Cobalt threads only";
        why.remedy = "call from a thread that libcobalt made (pthread_create of a program linked with it)";
        break;
      case EIDRM:
        why.where = "its driver let go of the device";
        break;
      case EIO:
        why.where = "its driver registered no interrupt";
        break;
      default:
        break;
    }
    return why;
  }
  [[nodiscard]] Failure cannot_wait() const {
    return {.code = ENOTSUP,
            .operation = "wait for interrupts of",
            .object = object_,
            .where = "this kernel's UDD does not reset its event when it is read, so select would always return",
            .remedy = "use a Xenomai whose udd.c does (rtdm_event_clear in udd_read_rt), or poll the device"};
  }

  R rtdm_;
  int fd_;
  std::string object_;
  std::uint32_t last_ = 0;
  bool known_ = false;  ///< last_ is what this fd was told last
  bool on_ = false, control_ = true, notifies_ = false;
  bool event_known_ = false, event_stays_ = false;
};

namespace detail {

/// A UDD device's node, opened.
template <Rtdm R>
class UddNode {
 public:
  /// Errors: raises ENOSYS (no Cobalt core), ENODEV (no such device), EINVAL (of another class), EBUSY, EACCES.
  UddNode(R rtdm, const PciSysfs& sysfs, std::string name, const std::string& dev)
      : rtdm_(std::move(rtdm)), name_(std::move(name)), path_(text::cat(dev, "/", name_)) {
    check(rtdm_, sysfs, name_);
    auto fd = RtdmFd<R>::try_open(rtdm_, path_);
    if (!fd) {
      Failure why = fd.failure();
      if (why.code == EBUSY) {
        why.where = "another process has it, and its driver admits one at a time";
        why.remedy = text::cat("find it: fuser -v ", path_);
      } else if (why.code == EACCES || why.code == EPERM) {
        why.remedy = "run as root, or in the group of xenomai.allowed_group, with rights to the node";
      }
      raise(std::move(why));
    }
    fd_ = std::move(fd).value();
  }

  /// Before anything is opened. Errors: as the constructor's.
  static void check(R& rtdm, const PciSysfs& sysfs, const std::string& name) {
    if (!rtdm.available()) {
      raise({.code = ENOSYS,
             .operation = "open by UDD",
             .object = name,
             .where = "no Cobalt core runs here (/proc/xenomai/version is missing)",
             .remedy = "boot a kernel with Xenomai 3, or use VFIO, UIO or sysfs"});
    }
    const auto found = udd::profile(sysfs, name);
    if (found && found->first == udd::kClass) return;
    std::string there;
    for (const udd::Listed& one : udd::list(sysfs)) there += text::cat(there.empty() ? "" : ", ", one.name);
    raise({.code = found ? EINVAL : ENODEV,
           .operation = "open by UDD",
           .object = name,
           .where = found ? text::cat("an RTDM device of class ", found->first, ", not UDD (", udd::kClass, ")")
                          : std::string("there is no such RTDM device"),
           .remedy = text::cat("UDD devices here: ", there.empty() ? "none" : there,
                               "; a driver must register it (samples/xenomai/pollux_udd_pci)")});
  }

  /// Opens the mapper of a region by whichever spelling there is. Cost: 1 system call, 2 the first time.
  Result<RtdmFd<R>> try_open_mapper(unsigned region) {
    Failure why;
    for (std::size_t i = 0; i < udd::kMapperSpellings.size(); ++i) {
      const std::size_t spelling = (spelling_ + i) % udd::kMapperSpellings.size();
      auto fd = RtdmFd<R>::try_open(rtdm_, text::cat(path_, udd::kMapperSpellings[spelling], region));
      if (fd) {
        spelling_ = spelling;
        return fd;
      }
      if (i == 0) why = fd.failure();
      if (fd.failure().code == ENOENT || fd.failure().code == ENODEV) continue;
      why = fd.failure();
      break;
    }
    if (why.code == EIO || why.code == ENOENT || why.code == ENODEV) {
      why.where = text::cat("its driver registered no region ", region);
    }
    return why;
  }

  [[nodiscard]] IrqCounts irq_counts(const std::string& device_path) {
    if (rtdm_.select(fd_.get(), Nanos{0}) < 0 && errno == EIO) return {};
    for (const std::string& irq : PciSysfs::names_in(device_path + "/msi_irqs")) {
      auto kind = file::try_read(text::cat(device_path, "/msi_irqs/", irq));
      if (kind && text::trim(kind.value()) == "msix") return {.intx = 0, .msi = 0, .msix = 1};
      return {.intx = 0, .msi = 1, .msix = 0};
    }
    return {.intx = 1, .msi = 0, .msix = 0};
  }
  [[nodiscard]] std::vector<std::unique_ptr<Interrupt>> open_interrupt(const std::string& device) {
    auto one = UddInterrupt<R>::try_open(rtdm_, fd_.get(), text::cat(device, " (", path_, ")"));
    std::vector<std::unique_ptr<Interrupt>> out;
    out.push_back(std::move(one).value());
    return out;
  }
  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  [[nodiscard]] R& rtdm() noexcept { return rtdm_; }

 private:
  R rtdm_;
  std::string name_, path_;
  RtdmFd<R> fd_;
  std::size_t spelling_ = 0;  ///< the one that worked last
};

}  // namespace detail

/// Where a UDD driver has what UddDevice needs. The defaults are those of samples/xenomai/pollux_udd_pci.
struct UddConfig {
  static constexpr int kSysfs = -1;  ///< of UddConfig::region: mapped from sysfs instead
  std::string name;                  ///< of the RTDM device; empty: udd::default_name
  std::string dev = "/dev/rtdm";
  /// The driver's region that holds each BAR. UDD says neither what its regions are nor how long.
  std::array<int, 6> region{0, 1, 2, 3, 4, kSysfs};
};

/// A function bound to a UDD driver: BARs by its mappers, the interrupt by its node, the rest by sysfs.
/// Opening, closing, registers' first use and everything of sysfs run in Linux: a Cobalt thread that calls them leaves
/// the real-time core for that long. Mapped registers and the interrupt do not.
template <Rtdm R>
class UddDevice final : public detail::SysfsFunction {
 public:
  /// `domain`: a PhysicalDomain. Errors: raises, naming the cause and what mends it: no such device, no Cobalt core, no
  /// UDD driver, in use (EBUSY), an IOMMU before it, no rights. Nothing stays open then.
  UddDevice(R rtdm, DmaDomain& domain, Bdf bdf, UddConfig config = {}, const PciSysfs& sysfs = PciSysfs{})
      : SysfsFunction(domain, checked(rtdm, sysfs, bdf, config), sysfs),
        config_(std::move(config)),
        node_(std::move(rtdm), sysfs, name_of(config_, bdf), config_.dev) {}
  ~UddDevice() override { disable_bus_master(); }  // before the node is closed

  [[nodiscard]] std::string backend_name() const override { return text::cat("UDD (", node_.name(), ")"); }
  [[nodiscard]] reg::Bar<Io> bar(unsigned number) override;
  /// One, of the kind that the driver took; none where it took none. Cost: 1 call, and sysfs.
  [[nodiscard]] IrqCounts irq_counts() const override { return node_.irq_counts(path()); }
  /// Pre: called by a Cobalt thread. Errors: raises also what UddInterrupt::try_open says.
  [[nodiscard]] std::vector<std::unique_ptr<Interrupt>> open_interrupts(IrqKind kind, unsigned n) override {
    const IrqCounts counts = irq_counts();
    if (n != 1 || counts.of(kind) != 1) raise(no_such_interrupts(kind, n, counts));
    return node_.open_interrupt(name());
  }

 private:
  static std::string name_of(const UddConfig& config, Bdf bdf) {
    return config.name.empty() ? udd::default_name(bdf) : config.name;
  }
  static PciFunctionInfo checked(R& rtdm, const PciSysfs& sysfs, Bdf bdf, const UddConfig& config) {
    PciFunctionInfo info = sysfs.info(bdf);
    if (!info.driver) raise(wrong_driver(sysfs, info, udd::kDriver, "open by UDD"));
    detail::UddNode<R>::check(rtdm, sysfs, name_of(config, bdf));
    return info;
  }
  struct Range {
    std::uint64_t start = 0, bytes = 0;
    bool ports = false;
  };
  [[nodiscard]] Range range(unsigned number) const;

  struct Window {
    RtdmMapping<R> pages;
    std::size_t offset = 0, bytes = 0;
  };
  UddConfig config_;
  mutable detail::UddNode<R> node_;
  std::array<Window, 6> windows_;  ///< after node_: unmapped before it is closed
};

/// Line N of sysfs's `resource`: first and last address and flags of BAR N. [abi 1.1]
template <Rtdm R>
typename UddDevice<R>::Range UddDevice<R>::range(unsigned number) const {
  auto text = file::try_read(path() + "/resource");
  if (!text) raise(text.failure());
  const char* at = text.value().c_str();
  for (unsigned line = 0; line < number && *at != '\0'; ++line) {
    while (*at != '\0' && *at++ != '\n') {}
  }
  char* end = nullptr;
  const std::uint64_t first = std::strtoull(at, &end, 16), last = std::strtoull(end, &end, 16),
                      flags = std::strtoull(end, &end, 16);
  constexpr std::uint64_t kPorts = 0x100, kMemory = 0x200;  // IORESOURCE_IO, IORESOURCE_MEM
  if ((flags & (kPorts | kMemory)) == 0 || last < first) return {};
  return {.start = first, .bytes = last - first + 1, .ports = (flags & kPorts) != 0};
}

template <Rtdm R>
reg::Bar<reg::Mmio> UddDevice<R>::bar(unsigned number) {
  POLLUX_ASSERT(number < windows_.size(), "PCI functions have BAR 0 to 5");
  if (config_.region[number] == UddConfig::kSysfs) return SysfsFunction::bar(number);
  Window& window = windows_[number];
  if (!window.pages) {
    const Range found = range(number);
    if (found.bytes == 0 || found.ports) {
      errno = ENODEV;
      raise(failure("map", text::cat("BAR ", number, found.ports ? " is of I/O ports" : " is absent")));
    }
    auto mapper = node_.try_open_mapper(static_cast<unsigned>(config_.region[number]));
    if (!mapper) raise(mapper.failure());
    // A region is of whole pages; a BAR smaller than one lies somewhere in it.
    constexpr std::uint64_t kPage = 4096;
    const std::uint64_t offset = found.start % kPage, pages = (offset + found.bytes + kPage - 1) / kPage * kPage;
    auto mapped = RtdmMapping<R>::try_map(node_.rtdm(), pages, mapper.value().get(), text::cat("BAR ", number));
    if (!mapped) {
      Failure why = mapped.failure();
      why.object = text::cat("BAR ", number, " of ", name());
      if (why.code == EINVAL) {
        why.where =
            text::cat("region ", config_.region[number], " of ", node_.name(), " is shorter than ", pages, " bytes");
        why.remedy = "tell by UddConfig::region which region of this driver is which BAR";
      }
      raise(std::move(why));
    }
    window.pages = std::move(mapped).value();
    window.offset = offset, window.bytes = found.bytes;
  }
  return reg::Bar<Io>(reg::Mmio(window.pages.data() + window.offset, window.bytes));
}

/// Another backend's device with the interrupt from UDD: VFIO and the others have none that a Cobalt thread can wait
/// for, UDD has no memory for DMA, no configuration space and one interrupt. A driver bound elsewhere must leave the
/// function's interrupt to the UDD driver: interrupts of `inner` are not to be opened, and are not offered.
template <Rtdm R>
class UddIrqDevice final : public PciDevice {
 public:
  /// `udd_name`: the RTDM device that has this function's interrupt. `sysfs` and `dev` as in UddDevice.
  /// Errors: raises ENOSYS, ENODEV, EINVAL, EBUSY, EACCES; `inner` is closed then.
  UddIrqDevice(R rtdm, std::unique_ptr<PciDevice> inner, std::string udd_name, const PciSysfs& sysfs = PciSysfs{},
               const std::string& dev = "/dev/rtdm")
      : PciDevice(inner->id(), inner->name()),
        inner_(std::move(inner)),
        device_path_(text::cat(sysfs.root(), "/bus/pci/devices/", name())),
        node_(std::move(rtdm), sysfs, std::move(udd_name), dev) {}

  [[nodiscard]] reg::Bar<Io> bar(unsigned number) override { return inner_->bar(number); }
  [[nodiscard]] DmaDomain& domain() noexcept override { return inner_->domain(); }
  [[nodiscard]] FdConfigSpace config() const override { return inner_->config(); }
  [[nodiscard]] std::string backend_name() const override {
    return text::cat(inner_->backend_name(), ", interrupt by UDD (", node_.name(), ")");
  }
  [[nodiscard]] Result<Done> try_reset() override { return inner_->try_reset(); }
  [[nodiscard]] IrqCounts irq_counts() const override { return node_.irq_counts(device_path_); }
  [[nodiscard]] std::vector<std::unique_ptr<Interrupt>> open_interrupts(IrqKind kind, unsigned n) override {
    const IrqCounts counts = irq_counts();
    if (n != 1 || counts.of(kind) != 1) raise(no_such_interrupts(kind, n, counts));
    return node_.open_interrupt(name());
  }
  [[nodiscard]] std::unique_ptr<Interrupt> open_removal_notice() override { return inner_->open_removal_notice(); }

 private:
  std::unique_ptr<PciDevice> inner_;
  std::string device_path_;
  mutable detail::UddNode<R> node_;
};

}  // namespace pollux

// SPDX-License-Identifier: BSD-3-Clause
// VfioPciDevice: what one does with a VFIO device's file descriptor, however it was opened: regions, reset, interrupts.
#pragma once
#include <linux/vfio.h>

#include <array>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <pollux/backend/pci_device.hpp>
#include <pollux/core/mapping.hpp>
#include <pollux/irq/interrupt_set.hpp>
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

/// Interrupts of one VFIO index that are on together and go off together.
class VfioIrqSet {
 public:
  /// Pre: `device` stays open. Turns them on: element i of `fds` is signalled for vector i.
  /// Errors: ENOTSUP when the kernel has fewer vectors; what VFIO_DEVICE_SET_IRQS says.
  static Result<std::shared_ptr<VfioIrqSet>> try_open(int device, std::uint32_t index, const std::vector<int>& fds) {
    const Command on(index, VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER, fds);
    const int fewer = sys::ioctl(device, VFIO_DEVICE_SET_IRQS, on.bytes());
    if (fewer == 0) return std::shared_ptr<VfioIrqSet>(new VfioIrqSet(device, index));
    return Failure{
        .code = fewer < 0 ? errno : ENOSPC,
        .operation = "turn on interrupts of",
        .object = {},
        .where = fewer < 0 ? std::string("VFIO_DEVICE_SET_IRQS") : text::cat("the kernel has only ", fewer, " vectors"),
        .remedy = {}};
  }
  VfioIrqSet(const VfioIrqSet&) = delete;
  VfioIrqSet& operator=(const VfioIrqSet&) = delete;
  ~VfioIrqSet() { (void)act(VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER, 0); }

  [[nodiscard]] Result<Done> try_unmask() const {
    if (act(VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_UNMASK, 1) == 0) return Done{};
    return Failure{
        .code = errno, .operation = "unmask INTx", .object = {}, .where = "VFIO_DEVICE_SET_IRQS", .remedy = {}};
  }

 private:
  /// An action without data on the first `count` vectors. Returns what ioctl does.
  int act(std::uint32_t flags, std::uint32_t count) const noexcept {
    vfio_irq_set set{};
    set.argsz = sizeof set;
    set.flags = flags;
    set.index = index_;
    set.count = count;
    return sys::ioctl(device_, VFIO_DEVICE_SET_IRQS, &set);
  }

  /// A vfio_irq_set and the descriptors behind it.
  class Command {
   public:
    Command(std::uint32_t index, std::uint32_t flags, const std::vector<int>& fds)
        : bytes_(sizeof(vfio_irq_set) + fds.size() * sizeof(int)) {
      vfio_irq_set set{};
      set.argsz = static_cast<std::uint32_t>(bytes_.size());
      set.flags = flags;
      set.index = index;
      set.count = static_cast<std::uint32_t>(fds.size());
      std::memcpy(bytes_.data(), &set, sizeof set);
      std::memcpy(bytes_.data() + sizeof set, fds.data(), fds.size() * sizeof(int));
    }
    [[nodiscard]] const std::byte* bytes() const noexcept { return bytes_.data(); }

   private:
    std::vector<std::byte> bytes_;
  };

  VfioIrqSet(int device, std::uint32_t index) noexcept : device_(device), index_(index) {}
  int device_;
  std::uint32_t index_;
};

}  // namespace detail

class VfioPciDevice : public PciDevice {
 public:
  ~VfioPciDevice() override {
    // The kernel forbids it on close too; this also holds while BAR mappings or other descriptors keep the device open.
    // Opening may have failed before configuration space was found: at offset 0 of the file BAR 0 would be written.
    if (fd_ && config_offset_ != 0) disable_bus_master();
  }
  [[nodiscard]] reg::Bar<Io> bar(unsigned number) override;
  [[nodiscard]] FdConfigSpace config() const override { return {fd_.get(), config_offset_, name()}; }
  /// Whether the kernel knows a way to reset this function. [quirk qemu] 82574: it does, but nothing is reset.
  [[nodiscard]] bool can_reset() const noexcept { return can_reset_; }
  [[nodiscard]] Result<Done> try_reset() override;
  [[nodiscard]] IrqCounts irq_counts() const override;
  [[nodiscard]] std::vector<std::unique_ptr<Interrupt>> open_interrupts(IrqKind kind, unsigned n) override;
  [[nodiscard]] std::unique_ptr<Interrupt> open_removal_notice() override;

 protected:
  VfioPciDevice(PciId id, std::string name) : PciDevice(id, std::move(name)) {}
  /// Takes the opened device over: memory decoding on, bus mastering off.
  void adopt(UniqueFd fd);
  [[nodiscard]] int fd() const noexcept { return fd_.get(); }

 private:
  struct Region {
    std::uint64_t size = 0;
    std::uint64_t offset = 0;
    bool mappable = false;
    std::vector<std::pair<std::uint64_t, std::uint64_t>> areas;  ///< {offset, size} that may be mapped
  };
  [[nodiscard]] Region region(std::uint32_t index) const;
  [[nodiscard]] unsigned irq_count(std::uint32_t index) const;
  [[nodiscard]] std::vector<std::unique_ptr<Interrupt>> turn_on(std::uint32_t index, unsigned n);

  UniqueFd fd_;
  std::uint64_t config_offset_ = 0;  ///< 0: not known yet, as BAR 0 lies there
  bool can_reset_ = false;
  std::array<Mapping, 6> bars_;  ///< after fd_: unmapped before the descriptor is closed
};

inline void VfioPciDevice::adopt(UniqueFd device_fd) {
  fd_ = std::move(device_fd);
  vfio_device_info device{};
  device.argsz = sizeof device;
  if (sys::ioctl(fd_.get(), VFIO_DEVICE_GET_INFO, &device) != 0) raise(failure("query", "VFIO_DEVICE_GET_INFO"));
  can_reset_ = (device.flags & VFIO_DEVICE_FLAGS_RESET) != 0;
  config_offset_ = region(VFIO_PCI_CONFIG_REGION_INDEX).offset;
  disable_bus_master();
  set_command(config(), pci_config::kCommandMemory, true);
}

inline VfioPciDevice::Region VfioPciDevice::region(std::uint32_t index) const {
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

inline reg::Bar<reg::Mmio> VfioPciDevice::bar(unsigned number) {
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

inline Result<Done> VfioPciDevice::try_reset() {
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

inline unsigned VfioPciDevice::irq_count(std::uint32_t index) const {
  vfio_irq_info info{};
  info.argsz = sizeof info;
  info.index = index;
  return sys::ioctl(fd_.get(), VFIO_DEVICE_GET_IRQ_INFO, &info) == 0 ? info.count : 0;
}

inline IrqCounts VfioPciDevice::irq_counts() const {
  return {.intx = irq_count(VFIO_PCI_INTX_IRQ_INDEX),
          .msi = irq_count(VFIO_PCI_MSI_IRQ_INDEX),
          .msix = irq_count(VFIO_PCI_MSIX_IRQ_INDEX)};
}

inline std::vector<std::unique_ptr<Interrupt>> VfioPciDevice::turn_on(std::uint32_t index, unsigned n) {
  detail::SetVectors<detail::VfioIrqSet> vectors(n);
  auto set = detail::VfioIrqSet::try_open(fd_.get(), index, vectors.fds());
  if (!set) {
    Failure why = set.failure();
    why.object = name();
    if (why.code == EINVAL) why.remedy = "interrupts of one kind can be on at a time: destroy those that are on";
    raise(std::move(why));
  }
  return std::move(vectors).attached(set.value(), index == VFIO_PCI_INTX_IRQ_INDEX);
}

inline std::vector<std::unique_ptr<Interrupt>> VfioPciDevice::open_interrupts(IrqKind kind, unsigned n) {
  const IrqCounts counts = irq_counts();
  if (n == 0 || n > counts.of(kind)) raise(no_such_interrupts(kind, n, counts));
  switch (kind) {
    case IrqKind::kIntx:
      return turn_on(VFIO_PCI_INTX_IRQ_INDEX, n);
    case IrqKind::kMsi:
      return turn_on(VFIO_PCI_MSI_IRQ_INDEX, n);
    case IrqKind::kMsix:
      return turn_on(VFIO_PCI_MSIX_IRQ_INDEX, n);
  }
  return {};
}

inline std::unique_ptr<Interrupt> VfioPciDevice::open_removal_notice() {
  return std::move(turn_on(VFIO_PCI_REQ_IRQ_INDEX, 1).front());
}

}  // namespace pollux

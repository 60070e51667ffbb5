// SPDX-License-Identifier: BSD-3-Clause
// VfioUserDevice: a PCI function that another process serves by the vfio-user protocol; for ordinary users, without
// root.
#pragma once
#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include <pollux/backend/concept.hpp>
#include <pollux/backend/vfio_user_connection.hpp>
#include <pollux/core/memory_calls.hpp>
#include <pollux/dma/hugepage.hpp>
#include <pollux/dma/iova.hpp>
#include <pollux/irq/interrupt_set.hpp>

namespace pollux {

/// What the devices of any number of servers reach. Memory that is allocated for it (DmaRegion) is of a sealed memfd,
/// on hugepages where there are some: servers map it. Memory that is only adopted has no file: servers ask for it by
/// message, and somebody must call VfioUserDevice::serve. Threads: one at a time; servers' questions: any.
class VfioUserDomain final : public DmaDomain, private vfio_user::SharedMemory {
 public:
  /// Errors: what the servers say (ENOSPC: too many mappings).
  [[nodiscard]] Result<BusAddr> try_map(std::byte* memory, std::size_t bytes) override;
  /// Waits for the servers to let go of it.
  void unmap(BusAddr at, std::size_t bytes) noexcept override;
  [[nodiscard]] bool translates() const noexcept override { return true; }
  [[nodiscard]] std::size_t granule() const noexcept override { return vfio_user::kPageBytes; }
  [[nodiscard]] std::string_view name() const noexcept override { return "vfio-user"; }
  [[nodiscard]] bool provides_pages() const noexcept override { return true; }
  [[nodiscard]] Result<Mapping> try_provide_pages(const dma::MemoryRequest& wanted) override;

 private:
  friend class VfioUserDevice;
  struct Mapped {
    std::uint64_t at = 0;
    std::byte* memory = nullptr;
    std::size_t bytes = 0;
    UniqueFd file;
  };
  [[nodiscard]] std::byte* find(std::uint64_t address, std::size_t n) noexcept override;
  /// Tells a server of a mapping.
  static Result<Done> try_tell(vfio_user::Connection& server, const Mapped& m, int file);
  static void try_untell(vfio_user::Connection& server, std::uint64_t at, std::size_t bytes) noexcept;
  void forget(std::uint64_t at) noexcept;
  void attach(vfio_user::Connection& server);
  void detach(vfio_user::Connection& server) noexcept { std::erase(servers_, &server); }

  std::vector<vfio_user::Connection*> servers_;
  std::mutex mutex_;  ///< guards mappings_; nobody is called while it is held
  std::vector<Mapped> mappings_;
  Mapped provided_;  ///< made last, not mapped yet
  IovaAllocator iova_{{{0x1'0000'0000, 0x7F'FFFF'FFFF}}};
};

namespace detail {

/// A register by message; all ones when the server is gone or answers nonsense.
template <class T>
[[nodiscard]] T read_region(vfio_user::Connection& server, std::uint32_t region, std::uint64_t offset) {
  using namespace vfio_user;
  const RegionAccess access{.offset = offset, .region = region, .count = sizeof(T)};
  auto reply = server.try_call(Command::kRegionRead, {bytes_of(access)});
  if (!reply || reply.value().body.size() != sizeof access + sizeof(T)) return static_cast<T>(~T{0});
  return load<T>(std::span(reply.value().body).subspan(sizeof access));
}
template <class T>
[[nodiscard]] Result<Done> try_write_region(vfio_user::Connection& server, std::uint32_t region, std::uint64_t offset,
                                            T value) {
  using namespace vfio_user;
  const RegionAccess access{.offset = offset, .region = region, .count = sizeof(T)};
  auto reply = server.try_call(Command::kRegionWrite, {bytes_of(access), bytes_of(value)});
  if (!reply) return reply.failure();
  return Done{};
}

/// A BAR of a served device: areas that are mapped, the rest by message.
struct VfioUserBar {
  struct Area {
    std::uint64_t offset = 0, bytes = 0;
    Mapping pages;
  };
  vfio_user::Connection* server = nullptr;
  std::uint32_t region = 0;
  std::uint64_t bytes = 0;
  bool posted = true;  ///< writes need no answer, because nothing mapped could overtake them
  std::vector<Area> areas;

  [[nodiscard]] const Area* area_of(std::uint32_t offset) const noexcept {
    for (const Area& a : areas) {
      if (offset >= a.offset && offset - a.offset + 4 <= a.bytes) return &a;
    }
    return nullptr;
  }
};

}  // namespace detail

/// Registers of a served device. Cost: where the server offers the BAR to be mapped, a load or store; else a message:
/// a read is a round trip to the server (some 10 us), a write a system call. When the server is gone, reads give all
/// ones and writes nothing, as on a device that was pulled out.
class VfioUserIo {
 public:
  explicit VfioUserIo(const detail::VfioUserBar& bar) noexcept : bar_(&bar) {}
  [[nodiscard]] std::uint32_t read32(std::uint32_t offset) const noexcept {
    if (const auto* a = bar_->area_of(offset)) return window(*a).read32(static_cast<std::uint32_t>(offset - a->offset));
    return detail::read_region<std::uint32_t>(*bar_->server, bar_->region, offset);
  }
  void write32(std::uint32_t offset, std::uint32_t value) const noexcept {
    if (const auto* a = bar_->area_of(offset)) {
      return window(*a).write32(static_cast<std::uint32_t>(offset - a->offset), value);
    }
    write_by_message(offset, value);
  }

 private:
  static reg::Mmio window(const detail::VfioUserBar::Area& a) noexcept {
    return {a.pages.data(), static_cast<std::size_t>(a.bytes)};
  }
  void write_by_message(std::uint32_t offset, std::uint32_t value) const noexcept {
    using namespace vfio_user;
    if (!bar_->posted) {
      (void)detail::try_write_region(*bar_->server, bar_->region, offset, value);
      return;
    }
    const RegionAccess access{.offset = offset, .region = bar_->region, .count = sizeof value};
    (void)bar_->server->post(Command::kRegionWrite, {bytes_of(access), bytes_of(value)});
  }
  const detail::VfioUserBar* bar_;
};
static_assert(reg::RegisterIo<VfioUserIo>);

/// Configuration space by message. Satisfies ConfigSpace.
class VfioUserConfigSpace {
 public:
  VfioUserConfigSpace(vfio_user::Connection& server, std::string name) : server_(&server), name_(std::move(name)) {}
  [[nodiscard]] std::uint8_t read8(std::uint32_t o) const { return read<std::uint8_t>(o); }
  [[nodiscard]] std::uint16_t read16(std::uint32_t o) const { return read<std::uint16_t>(o); }
  [[nodiscard]] std::uint32_t read32(std::uint32_t o) const { return read<std::uint32_t>(o); }
  /// Errors: raises what the server says, or why it is gone.
  void write8(std::uint32_t o, std::uint8_t v) const { (void)try_write(o, v).value(); }
  void write16(std::uint32_t o, std::uint16_t v) const { (void)try_write(o, v).value(); }
  void write32(std::uint32_t o, std::uint32_t v) const { (void)try_write(o, v).value(); }
  template <class T>
  [[nodiscard]] Result<Done> try_write(std::uint32_t offset, T v) const {
    return detail::try_write_region(*server_, vfio_user::kConfigRegion, offset, v);
  }
  [[nodiscard]] const std::string& name() const noexcept { return name_; }

 private:
  template <class T>
  [[nodiscard]] T read(std::uint32_t offset) const {
    return detail::read_region<T>(*server_, vfio_user::kConfigRegion, offset);
  }
  vfio_user::Connection* server_;
  std::string name_;
};
static_assert(ConfigSpace<VfioUserConfigSpace>);

struct VfioUserConfig {
  Nanos deadline = 5_s;  ///< a server that does not answer for so long is given up
};

/// Opens as VfioDevice does: memory decoding on, bus mastering off; InterruptCapable. The server may end at any time:
/// then registers read all ones, nothing hangs, and try_check_presence (a port's try_check, start) says so.
/// Threads: as PciDevice; serve: any.
class VfioUserDevice {
 public:
  using Io = VfioUserIo;
  using DoorbellIo = VfioUserIo;
  using Clock = SteadyClock;

  /// `path`: the server's socket. The domain outlives the device; what was mapped in it before can be reached at once.
  /// Errors: raises what Connection raises; ENODEV (no PCI device); EPROTO (answers that make no sense).
  VfioUserDevice(VfioUserDomain& domain, std::string path, const VfioUserConfig& config = {});
  VfioUserDevice(const VfioUserDevice&) = delete;
  VfioUserDevice& operator=(const VfioUserDevice&) = delete;
  ~VfioUserDevice() {
    disable_bus_master();
    domain_->detach(server_);
  }

  /// Errors: raises ENODEV when it is absent.
  [[nodiscard]] reg::Bar<Io> bar(unsigned number);
  [[nodiscard]] reg::Bar<DoorbellIo> doorbells(unsigned number) { return bar(number); }
  [[nodiscard]] Clock clock() const noexcept { return {}; }
  [[nodiscard]] DmaDomain& domain() noexcept { return *domain_; }
  void enable_bus_master() {
    (void)try_check_presence().value();
    set_command(config(), pci_config::kCommandBusMaster, true);
  }
  void disable_bus_master() noexcept {
    if (server_.gone()) return;
    const std::uint16_t command = config().read16(pci_config::kCommand);
    if (command == 0xFFFF) return;
    (void)config().try_write(pci_config::kCommand,
                             static_cast<std::uint16_t>(command & ~unsigned{pci_config::kCommandBusMaster}));
  }
  [[nodiscard]] VfioUserConfigSpace config() const { return {server_, name_}; }
  [[nodiscard]] PciId id() const noexcept { return id_; }
  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  [[nodiscard]] std::string backend_name() const { return "vfio-user"; }
  /// Errors: the server's.
  [[nodiscard]] Result<Done> try_reset() {
    auto reply = server_.try_call(vfio_user::Command::kDeviceReset, {});
    if (!reply) return reply.failure();
    set_command(config(), pci_config::kCommandMemory, true);
    return Done{};
  }
  /// Whether the server is still there. Errors: why it is not.
  [[nodiscard]] Result<Done> try_check_presence() {
    (void)server_.serve();
    if (server_.gone()) return server_.failure();
    return Done{};
  }
  /// Answers what the server asks about memory that it has not mapped; every register access by message does so too.
  /// Needed, now and then, by whoever touches no register for long: our server asks nothing of memory that the domain
  /// has made, others may. Returns whether there was something. Never waits. Cost: 1 system call.
  bool serve() noexcept { return server_.serve(); }
  /// Readable when the server asks, or is gone.
  [[nodiscard]] int fd() const noexcept { return server_.fd(); }

  [[nodiscard]] IrqCounts irq_counts() const noexcept { return irqs_; }
  /// As PciDevice::open_interrupts.
  [[nodiscard]] std::vector<std::unique_ptr<Interrupt>> open_interrupts(IrqKind kind, unsigned n);

 private:
  using Bytes = std::vector<std::byte>;

  [[noreturn]] void refuse(int code, std::string where, std::string remedy = {}) const {
    raise({.code = code,
           .operation = "open the vfio-user device at",
           .object = name_,
           .where = std::move(where),
           .remedy = std::move(remedy)});
  }
  /// A reply that begins with a T.
  template <class T>
  [[nodiscard]] T ask(vfio_user::Command command, const T& question);
  void look_at_region(std::uint32_t index);
  void map_areas(detail::VfioUserBar& bar, const vfio_user::RegionInfo& info, std::span<const std::byte> reply,
                 int file);
  [[nodiscard]] unsigned irq_count(vfio_user::IrqIndex index);

  VfioUserDomain* domain_;
  std::string name_;
  mutable vfio_user::Connection server_;
  PciId id_;
  IrqCounts irqs_;
  std::array<detail::VfioUserBar, vfio_user::kBars> bars_;
};

// ---- Domain -------------------------------------------------------------------------------------------------------

inline Result<Mapping> VfioUserDomain::try_provide_pages(const dma::MemoryRequest& wanted) {
  const bool huge = wanted.page_bytes != dma::kPage4K;
  const auto failed = [](const char* operation) {
    return Failure{.code = errno, .operation = operation, .object = "a file of memory", .where = {}, .remedy = {}};
  };
  const auto log2 = static_cast<unsigned>(__builtin_ctzll(wanted.page_bytes));
  UniqueFd file(sys::memfd_create("pollux-dma", MFD_ALLOW_SEALING | (huge ? MFD_HUGETLB | log2 << 26 : 0)));
  if (!file) return failed("make");
  const std::size_t bytes = dma::round_up(wanted.bytes, wanted.page_bytes);
  if (sys::ftruncate(file.get(), static_cast<off_t>(bytes)) != 0) return failed("size");
  // So that a server can rely on it.
  if (sys::add_seals(file.get(), F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) return failed("seal");
  auto memory = dma::try_map_pages(wanted, file.get());
  if (memory) {
    provided_ = {.at = 0, .memory = memory.value().data(), .bytes = memory.value().size(), .file = std::move(file)};
  }
  return memory;
}

inline Result<BusAddr> VfioUserDomain::try_map(std::byte* memory, std::size_t bytes) {
  const auto iova = iova_.allocate(bytes, granule());
  if (!iova) {
    return Failure{
        .code = ENOSPC, .operation = "map DMA memory for", .object = "vfio-user", .where = "no range", .remedy = {}};
  }
  Mapped made{.at = iova->value(), .memory = memory, .bytes = bytes, .file = {}};
  if (provided_.memory == memory && provided_.bytes == bytes) made.file = std::move(provided_.file);
  provided_ = {};
  const int file = made.file.get();
  {
    const std::scoped_lock lock(mutex_);
    mappings_.push_back(std::move(made));
  }
  const Mapped view{.at = iova->value(), .memory = memory, .bytes = bytes, .file = {}};
  for (std::size_t i = 0; i < servers_.size(); ++i) {
    if (auto told = try_tell(*servers_[i], view, file); !told) {
      for (std::size_t k = 0; k < i; ++k) try_untell(*servers_[k], view.at, bytes);
      forget(view.at);
      iova_.free(*iova, bytes);
      return told.failure();
    }
  }
  return bus(*iova);
}
inline void VfioUserDomain::unmap(BusAddr at, std::size_t bytes) noexcept {
  for (vfio_user::Connection* server : servers_) try_untell(*server, at.value(), bytes);
  forget(at.value());
  iova_.free(Iova(at.value()), bytes);
}
inline void VfioUserDomain::forget(std::uint64_t at) noexcept {
  const std::scoped_lock lock(mutex_);
  std::erase_if(mappings_, [at](const Mapped& m) { return m.at == at; });
}
inline std::byte* VfioUserDomain::find(std::uint64_t address, std::size_t n) noexcept {
  const std::scoped_lock lock(mutex_);
  for (const Mapped& m : mappings_) {
    if (address >= m.at && address - m.at <= m.bytes && n <= m.bytes - (address - m.at)) {
      return m.memory + (address - m.at);
    }
  }
  return nullptr;
}

inline Result<Done> VfioUserDomain::try_tell(vfio_user::Connection& server, const Mapped& m, int file) {
  using namespace vfio_user;
  const DmaMap map{
      .argsz = sizeof map, .flags = DmaMap::kRead | DmaMap::kWrite, .offset = 0, .address = m.at, .size = m.bytes};
  const bool with_file = file >= 0 && server.server().max_fds > 0;
  auto reply =
      server.try_call(Command::kDmaMap, {bytes_of(map)}, with_file ? std::span(&file, 1) : std::span<const int>());
  if (reply) return Done{};
  Failure why = reply.failure();
  why.operation = "give DMA memory to the vfio-user server at";
  return why;
}
inline void VfioUserDomain::try_untell(vfio_user::Connection& server, std::uint64_t at, std::size_t bytes) noexcept {
  using namespace vfio_user;
  const DmaUnmap unmap{.argsz = sizeof unmap, .flags = 0, .address = at, .size = bytes};
  auto reply = server.try_call(Command::kDmaUnmap, {bytes_of(unmap)});
  // One that will not let go must not be left with memory that is given to others.
  if (!reply && !server.gone()) server.close("it did not unmap memory");
}
/// Errors: raises what the server says; it is not attached then.
inline void VfioUserDomain::attach(vfio_user::Connection& server) {
  for (const Mapped& m : mappings_) (void)try_tell(server, m, m.file.get()).value();
  servers_.push_back(&server);
}

// ---- Device -------------------------------------------------------------------------------------------------------

inline VfioUserDevice::VfioUserDevice(VfioUserDomain& domain, std::string path, const VfioUserConfig& config)
    : domain_(&domain), name_(path), server_(std::move(path), domain, config.deadline) {
  using namespace vfio_user;
  const auto info = ask(Command::kDeviceInfo, DeviceInfo{.argsz = sizeof(DeviceInfo)});
  if ((info.flags & DeviceInfo::kPci) == 0) refuse(ENODEV, "it is no PCI device");
  if (info.regions <= kConfigRegion) refuse(EPROTO, "it has no configuration space");
  for (std::uint32_t i = 0; i < kBars; ++i) look_at_region(i);
  const bool mapped = std::any_of(bars_.begin(), bars_.end(), [](const auto& bar) { return !bar.areas.empty(); });
  for (detail::VfioUserBar& bar : bars_) bar.posted = !mapped;
  irqs_ = {.intx = irq_count(IrqIndex::kIntx), .msi = irq_count(IrqIndex::kMsi), .msix = irq_count(IrqIndex::kMsix)};
  const std::uint32_t id = this->config().read32(0);
  (void)try_check_presence().value();
  if (id == ~0u) refuse(EPROTO, "its configuration space cannot be read");
  id_ = {.vendor = static_cast<std::uint16_t>(id), .device = static_cast<std::uint16_t>(id >> 16)};
  disable_bus_master();
  set_command(this->config(), pci_config::kCommandMemory, true);
  domain_->attach(server_);
}

template <class T>
T VfioUserDevice::ask(vfio_user::Command command, const T& question) {
  auto reply = server_.try_call(command, {vfio_user::bytes_of(question)});
  if (!reply) raise(reply.failure());
  if (reply.value().body.size() < sizeof(T)) refuse(EPROTO, "the server's answer is too short");
  return vfio_user::load<T>(reply.value().body);
}

inline void VfioUserDevice::look_at_region(std::uint32_t index) {
  using namespace vfio_user;
  detail::VfioUserBar& bar = bars_[index];
  bar.server = &server_;
  bar.region = index;
  constexpr std::uint32_t kMost = 64 << 10;  // no answer is anywhere near as long
  RegionInfo question{.argsz = sizeof question, .flags = 0, .index = index};
  for (int attempt = 0; attempt < 4; ++attempt) {
    auto reply = server_.try_call(Command::kRegionInfo, {bytes_of(question)});
    if (!reply) raise(reply.failure());
    const Bytes& body = reply.value().body;
    const auto info = load<RegionInfo>(body);
    if (body.size() < sizeof info || info.argsz > kMost) refuse(EPROTO, text::cat("what it says of region ", index));
    bar.bytes = info.size;
    if (info.argsz > question.argsz) {  // there is more to say
      question.argsz = info.argsz;
      continue;
    }
    if ((info.flags & RegionInfo::kMmap) != 0 && !reply.value().fds.empty()) {
      map_areas(bar, info, body, reply.value().fds.front().get());
    }
    return;
  }
  refuse(EPROTO, text::cat("what it says of region ", index, " gets longer with each question"));
}

/// What cannot be mapped, or not safely, goes by message.
inline void VfioUserDevice::map_areas(detail::VfioUserBar& bar, const vfio_user::RegionInfo& info,
                                      std::span<const std::byte> reply, int file) {
  using namespace vfio_user;
  std::vector<SparseArea> areas;
  bool sparse = false;
  std::uint32_t at = (info.flags & RegionInfo::kCapabilities) != 0 ? info.first_capability : 0;
  while (at != 0 && at < reply.size()) {
    const auto head = load<SparseAreas>(reply.subspan(at));
    if (head.id == SparseAreas::kId) {
      sparse = true;
      for (std::size_t i = 0, from = at + sizeof head; i < head.areas && from + sizeof(SparseArea) <= reply.size();
           ++i, from += sizeof(SparseArea)) {
        areas.push_back(load<SparseArea>(reply.subspan(from)));
      }
    }
    if (head.next <= at) break;  // a chain that does not lead on
    at = head.next;
  }
  if (!sparse) areas.push_back({.offset = 0, .size = info.size});
  struct stat about{};
  if (sys::fstat(file, &about) != 0) return;
  const auto length = static_cast<std::uint64_t>(about.st_size);
  for (const SparseArea& a : areas) {
    const std::uint64_t begin = info.offset + a.offset;
    const bool inside = a.size != 0 && a.offset <= info.size && a.size <= info.size - a.offset && begin >= a.offset;
    const bool there = S_ISREG(about.st_mode) && begin <= length && a.size <= length - begin;  // else: SIGBUS
    if (!inside || !there || (begin | a.size) % kPageBytes != 0) continue;
    auto pages = Mapping::try_map(a.size, PROT_READ | PROT_WRITE, MAP_SHARED, file, static_cast<off_t>(begin), "a BAR");
    if (pages) bar.areas.push_back({a.offset, a.size, std::move(pages).value()});
  }
}

inline reg::Bar<VfioUserIo> VfioUserDevice::bar(unsigned number) {
  POLLUX_ASSERT(number < bars_.size(), "PCI functions have BAR 0 to 5");
  if (bars_[number].bytes == 0) {
    raise({.code = ENODEV,
           .operation = "use",
           .object = name_,
           .where = text::cat("BAR ", number, " is absent"),
           .remedy = {}});
  }
  return reg::Bar<Io>(Io(bars_[number]));
}

// ---- Interrupts ---------------------------------------------------------------------------------------------------

namespace detail {

/// Interrupts of one kind that are on together. Off when the last of them is destroyed.
class VfioUserIrqSet {
 public:
  /// Pre: the server outlives it. Turns them on: element i of `fds` is signalled for vector i.
  /// Errors: what the server says.
  static Result<std::shared_ptr<VfioUserIrqSet>> try_open(vfio_user::Connection& server, vfio_user::IrqIndex index,
                                                          const std::vector<int>& fds) {
    using vfio_user::IrqSet;
    const std::shared_ptr<VfioUserIrqSet> set(new VfioUserIrqSet(server, index));  // turns off what was turned on
    const std::size_t most = std::clamp<std::size_t>(server.server().max_fds, 1, vfio_user::Channel::kMostFds);
    for (std::size_t at = 0; at < fds.size(); at += most) {
      const auto some = std::span(fds).subspan(at, std::min(most, fds.size() - at));
      auto done = set->try_act(IrqSet::kEventFd | IrqSet::kTrigger, static_cast<std::uint32_t>(at), some.size(), some);
      if (!done) return done.failure();
    }
    return set;
  }
  VfioUserIrqSet(const VfioUserIrqSet&) = delete;
  VfioUserIrqSet& operator=(const VfioUserIrqSet&) = delete;
  ~VfioUserIrqSet() { (void)try_act(vfio_user::IrqSet::kNone | vfio_user::IrqSet::kTrigger, 0, 0); }

  [[nodiscard]] Result<Done> try_unmask() const {
    return try_act(vfio_user::IrqSet::kNone | vfio_user::IrqSet::kUnmask, 0, 1);
  }

 private:
  [[nodiscard]] Result<Done> try_act(std::uint32_t flags, std::uint32_t start, std::size_t count,
                                     std::span<const int> fds = {}) const {
    const vfio_user::IrqSet set{.argsz = sizeof set,
                                .flags = flags,
                                .index = static_cast<std::uint32_t>(index_),
                                .start = start,
                                .count = static_cast<std::uint32_t>(count)};
    auto reply = server_->try_call(vfio_user::Command::kSetIrqs, {vfio_user::bytes_of(set)}, fds);
    if (reply) return Done{};
    return reply.failure();
  }
  VfioUserIrqSet(vfio_user::Connection& server, vfio_user::IrqIndex index) noexcept : server_(&server), index_(index) {}
  vfio_user::Connection* server_;
  vfio_user::IrqIndex index_;
};

}  // namespace detail

inline unsigned VfioUserDevice::irq_count(vfio_user::IrqIndex index) {
  using namespace vfio_user;
  const IrqInfo question{.argsz = sizeof question, .flags = 0, .index = static_cast<std::uint32_t>(index)};
  auto reply = server_.try_call(Command::kIrqInfo, {bytes_of(question)});
  if (!reply || reply.value().body.size() < sizeof(IrqInfo)) return 0;  // it has none of that kind
  constexpr std::uint32_t kMostVectors = 2048;                          // [PCI 3.0 6.8.2]
  return std::min(load<IrqInfo>(reply.value().body).count, kMostVectors);
}

inline std::vector<std::unique_ptr<Interrupt>> VfioUserDevice::open_interrupts(IrqKind kind, unsigned n) {
  if (n == 0 || n > irqs_.of(kind)) { raise(no_such_interrupts(name_, backend_name(), kind, n, irqs_)); }
  const auto index = kind == IrqKind::kIntx  ? vfio_user::IrqIndex::kIntx
                     : kind == IrqKind::kMsi ? vfio_user::IrqIndex::kMsi
                                             : vfio_user::IrqIndex::kMsix;
  detail::SetVectors<detail::VfioUserIrqSet> vectors(n);
  (void)try_check_presence().value();
  set_command(config(), pci_config::kCommandIntxDisable, kind != IrqKind::kIntx);
  auto set = detail::VfioUserIrqSet::try_open(server_, index, vectors.fds());
  if (!set) {
    Failure why = set.failure();
    why.operation = "turn on interrupts of the vfio-user device at";
    raise(std::move(why));
  }
  return std::move(vectors).attached(set.value(), kind == IrqKind::kIntx);
}

static_assert(DeviceBackend<VfioUserDevice> && InterruptCapable<VfioUserDevice>);

}  // namespace pollux

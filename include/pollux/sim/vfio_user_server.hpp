// SPDX-License-Identifier: BSD-3-Clause
// VfioUserServer: serves a device on a UNIX socket by the vfio-user protocol: to QEMU, or to any driver that speaks it.
#pragma once
#include <fcntl.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <pollux/backend/vfio_user_channel.hpp>
#include <pollux/backend/vfio_user_version.hpp>
#include <pollux/core/clock.hpp>
#include <pollux/core/file.hpp>
#include <pollux/core/poll.hpp>
#include <pollux/sim/client_memory.hpp>
#include <pollux/sim/served_device.hpp>
#include <pollux/sim/socket_file.hpp>

namespace pollux::sim {

struct VfioUserServerConfig {
  std::uint32_t max_fds = 16;                                   ///< with one message; QEMU takes up to 16
  std::uint32_t max_transfer = vfio_user::kDefaultMaxTransfer;  ///< of one access [bytes]
  ClientFiles files = ClientFiles::kSealed;                     ///< which a client's memory may be
  Nanos answer_deadline = 5_s;  ///< a client that does not answer a DMA message is dropped
};

/// One device, one client at a time; others wait in the socket's queue. When a client goes, its memory is unmapped, its
/// interrupts are off and the device is as after power-on; the next one finds it so.
///
/// It has no thread: `step` does what there is to do and never waits. `fd` is readable while a client wants something;
/// the device's own work (its wire, its timers) it does not show. Whatever a client sends, it reaches nothing but the
/// memory that it has given. What it could still do: hold up this thread by a descriptor whose file system does not
/// answer, or by filling an eventfd of its own at the right moment; so servers for clients that trust neither each
/// other nor you stand on a thread each.
///
/// No region can be mapped: registers act when they are touched, so every access must come here.
/// Threads: one, for the device too; it outlives the server.
class VfioUserServer {
 public:
  struct Counts {
    std::uint64_t clients = 0, messages = 0, refused = 0;  ///< refused: answered with an error
  };

  /// Errors: raises EADDRINUSE (a server lives at this path), EEXIST (something else does), EACCES, ENAMETOOLONG.
  VfioUserServer(ServedDevice& device, std::string path, const VfioUserServerConfig& config = {});
  VfioUserServer(const VfioUserServer&) = delete;
  VfioUserServer& operator=(const VfioUserServer&) = delete;
  /// Removes the socket.
  ~VfioUserServer() { drop_client({}); }

  [[nodiscard]] int fd() const noexcept { return epoll_.get(); }
  /// Takes in what clients sent and lets the device work. Returns whether anything moved.
  bool step();
  /// step() in two halves, for those who do something between: what the client has sent; what the device then does.
  /// take() returns whether it has taken all there was; move() whether the device did something.
  bool take();
  bool move();

  [[nodiscard]] bool connected() const noexcept { return bool{channel_}; }
  [[nodiscard]] const std::string& path() const noexcept { return listener_.path(); }
  [[nodiscard]] const Counts& counts() const noexcept { return counts_; }
  [[nodiscard]] const ClientMemory::Counts& memory() const noexcept { return memory_.counts(); }
  /// Why the last client was dropped; empty: it left, or there was none.
  [[nodiscard]] const std::string& complaint() const noexcept { return complaint_; }

 private:
  using Bytes = std::span<const std::byte>;
  static constexpr int kWaitingClients = 8;
  static constexpr unsigned kMessagesPerStep = 64;
  static constexpr std::size_t kMostUnsent = 4 << 20;  ///< beyond it nothing more is taken in [bytes]

  void watch(int fd, std::uint32_t events, bool known);
  void accept_client();
  void drop_client(std::string why);
  bool take_messages();
  void watch_client();

  void handle(vfio_user::Message& message);
  /// Returns an errno; 0: answered, or to be answered with the header alone.
  [[nodiscard]] int run(vfio_user::Message& message);
  [[nodiscard]] int negotiate(const vfio_user::Message& message);
  [[nodiscard]] int tell_device(Bytes body);
  [[nodiscard]] int tell_region(Bytes body);
  [[nodiscard]] int tell_irq(Bytes body);
  [[nodiscard]] int read_region(Bytes body);
  [[nodiscard]] int write_region(Bytes body);
  [[nodiscard]] int write_regions(Bytes body);
  [[nodiscard]] int map(vfio_user::Message& message);
  [[nodiscard]] int unmap(Bytes body);
  [[nodiscard]] int reset();
  [[nodiscard]] int set_irqs(vfio_user::Message& message);
  [[nodiscard]] int trigger(const vfio_user::IrqSet& set, Bytes flags, std::vector<UniqueFd>& fds);
  [[nodiscard]] int mask(const vfio_user::IrqSet& set, Bytes flags, std::vector<UniqueFd>& fds);
  void answer(std::initializer_list<Bytes> parts = {});

  [[nodiscard]] std::uint64_t region_bytes(std::uint32_t region) const noexcept;
  [[nodiscard]] bool lies_in(const vfio_user::RegionAccess& access) const noexcept;
  void write_checked(const vfio_user::RegionAccess& access, Bytes data) noexcept;
  [[nodiscard]] unsigned irq_count(std::uint32_t index) const noexcept;
  [[nodiscard]] static std::optional<IrqKind> kind_of(std::uint32_t index) noexcept;
  void turn_irqs_off() noexcept;
  void hold_interrupts() noexcept;
  void set_vector(unsigned v, UniqueFd fd) noexcept;
  void take_unmask_event() noexcept;
  [[nodiscard]] static bool is_eventfd(int fd);

  ServedDevice* device_;
  VfioUserServerConfig config_;
  UniqueFd epoll_;
  SocketFile listener_;
  vfio_user::Channel channel_;
  ClientMemory memory_;
  vfio_user::Message message_;
  vfio_user::Header answering_;
  bool answered_ = false, negotiated_ = false;
  std::uint32_t watched_ = 0;  ///< events of the client's socket that are waited for
  std::vector<std::byte> data_;

  std::optional<IrqKind> on_;  ///< interrupts of this kind
  std::array<UniqueFd, InterruptLines::kVectors> vectors_;
  UniqueFd unmask_, error_event_;
  std::uint64_t masked_ = 0;  ///< vectors, by the client

  Counts counts_;
  std::string complaint_;
};

// ---- The socket ---------------------------------------------------------------------------------------------------

inline VfioUserServer::VfioUserServer(ServedDevice& device, std::string path, const VfioUserServerConfig& config)
    : device_(&device),
      config_(config),
      epoll_(sys::epoll_create()),
      listener_(std::move(path), SOCK_STREAM, kWaitingClients),
      memory_(device.iommu(), device.interrupts()) {
  if (!epoll_) raise({.code = errno, .operation = "wait at", .object = listener_.path(), .where = {}, .remedy = {}});
  watch(listener_.fd(), EPOLLIN, false);
  device_->reset();
}

/// events: 0 stops watching a descriptor that is known.
inline void VfioUserServer::watch(int fd, std::uint32_t events, bool known) {
  epoll_event event{.events = events, .data = {.fd = fd}};
  const int operation = !known ? EPOLL_CTL_ADD : events == 0 ? EPOLL_CTL_DEL : EPOLL_CTL_MOD;
  (void)sys::epoll_ctl(epoll_.get(), operation, fd, &event);
}

inline void VfioUserServer::accept_client() {
  UniqueFd fd(sys::accept(listener_.fd()));
  if (!fd) return;
  watch(listener_.fd(), 0, true);  // the next one waits until this one is gone
  channel_ = vfio_user::Channel(std::move(fd),
                                sizeof(vfio_user::Header) + sizeof(vfio_user::RegionAccess) + config_.max_transfer);
  watched_ = EPOLLIN;
  watch(channel_.fd(), watched_, false);
  negotiated_ = false;
  ++counts_.clients;
  complaint_.clear();
  memory_.begin(channel_, vfio_user::kDefaultMaxTransfer);
}

inline void VfioUserServer::drop_client(std::string why) {
  if (!channel_) return;
  turn_irqs_off();
  error_event_.reset();
  memory_.end();
  channel_.close();
  device_->reset();
  device_->interrupts().forget();
  complaint_ = std::move(why);
  watch(listener_.fd(), EPOLLIN, false);
}

inline bool VfioUserServer::step() {
  const std::uint64_t before = counts_.messages;
  take();
  return move() || counts_.messages != before;
}
inline bool VfioUserServer::take() {
  if (!channel_) accept_client();
  if (!channel_) return true;
  take_unmask_event();
  return take_messages();
}
inline bool VfioUserServer::move() {
  const bool moved = device_->step();
  if (channel_) {
    hold_interrupts();
    if (!channel_.flush()) drop_client({});
  }
  if (channel_) {
    const auto since = memory_.waits_since();
    if (since && SteadyClock{}.now() - *since > config_.answer_deadline) {
      drop_client("it does not answer DMA messages; give it memory that can be mapped, a sealed memfd");
    }
  }
  if (channel_) watch_client();
  return moved;
}

inline bool VfioUserServer::take_messages() {
  using Event = vfio_user::Channel::Event;
  for (unsigned n = 0; n < kMessagesPerStep && channel_.waiting() < kMostUnsent; ++n) {
    switch (channel_.receive(message_)) {
      case Event::kNothing:
        return true;
      case Event::kClosed:
        drop_client({});
        return true;
      case Event::kBroken:
        drop_client("it sent what is no message of vfio-user, or one that is too long");
        return true;
      case Event::kMessage:
        ++counts_.messages;
        handle(message_);
        message_.fds.clear();
        if (!channel_) return true;
    }
  }
  return false;
}
inline void VfioUserServer::watch_client() {
  const std::uint32_t wanted = (channel_.waiting() < kMostUnsent ? std::uint32_t{EPOLLIN} : 0u) |
                               (channel_.waiting() != 0 ? std::uint32_t{EPOLLOUT} : 0u);
  if (wanted == watched_) return;
  watched_ = wanted;
  watch(channel_.fd(), wanted, true);
}

// ---- Messages -----------------------------------------------------------------------------------------------------

inline void VfioUserServer::handle(vfio_user::Message& message) {
  using vfio_user::Header;
  if (message.header.is_reply()) {
    if (!memory_.take_reply(message)) drop_client("it answered what nobody asked, or not as the protocol says");
    if (channel_) hold_interrupts();
    return;
  }
  answering_ = message.header;
  answered_ = false;
  const int error = message.fds_lost ? EMFILE : run(message);
  if (error != 0) {
    ++counts_.refused;
    answering_.flags |= Header::kError;
    answering_.error = static_cast<std::uint32_t>(error);
  }
  if (!answered_) answer();
}
/// The command's header as a reply, and what belongs to it; nothing when the client wants none.
inline void VfioUserServer::answer(std::initializer_list<Bytes> parts) {
  using vfio_user::Header;
  answered_ = true;
  if ((answering_.flags & Header::kNoReply) != 0) return;
  Header header{.id = answering_.id, .command = answering_.command, .flags = Header::kReply};
  if ((answering_.flags & Header::kError) != 0) {
    header.flags |= Header::kError;
    header.error = answering_.error;
  }
  (void)channel_.send(header, parts);  // a client that is gone is seen when it is read from
}

inline int VfioUserServer::run(vfio_user::Message& message) {
  using vfio_user::Command;
  answering_.flags &= ~vfio_user::Header::kError;
  const auto command = static_cast<Command>(message.header.command);
  if (command == Command::kVersion) return negotiated_ ? EINVAL : negotiate(message);
  if (!negotiated_) return EINVAL;
  switch (command) {
    case Command::kDmaMap:
      return map(message);
    case Command::kDmaUnmap:
      return unmap(message.body);
    case Command::kDeviceInfo:
      return tell_device(message.body);
    case Command::kRegionInfo:
      return tell_region(message.body);
    case Command::kIrqInfo:
      return tell_irq(message.body);
    case Command::kSetIrqs:
      return set_irqs(message);
    case Command::kRegionRead:
      return read_region(message.body);
    case Command::kRegionWrite:
      return write_region(message.body);
    case Command::kRegionWriteMulti:
      return write_regions(message.body);
    case Command::kDeviceReset:
      return reset();
    default:
      return ENOTSUP;
  }
}

inline int VfioUserServer::negotiate(const vfio_user::Message& message) {
  using namespace vfio_user;
  if (message.body.size() < sizeof(Version)) return EINVAL;
  const auto theirs = load<Version>(message.body);
  if (theirs.major != Version::kMajor) return ENOTSUP;
  const auto can = Capabilities::parse(Bytes(message.body).subspan(sizeof(Version)));
  if (!can) return EINVAL;
  memory_.begin(channel_, can->max_transfer);
  negotiated_ = true;
  const Version ours{.major = Version::kMajor, .minor = std::min(theirs.minor, Version::kMinor)};
  const std::string text =
      Capabilities{.max_fds = config_.max_fds, .max_transfer = config_.max_transfer, .write_multiple = true}.text();
  answer({bytes_of(ours), std::as_bytes(std::span(text.c_str(), text.size() + 1))});
  return 0;
}

inline int VfioUserServer::tell_device(Bytes body) {
  using vfio_user::DeviceInfo;
  if (body.size() < sizeof(DeviceInfo) || vfio_user::load<DeviceInfo>(body).argsz < sizeof(DeviceInfo)) return EINVAL;
  const DeviceInfo info{.argsz = sizeof info,
                        .flags = DeviceInfo::kReset | DeviceInfo::kPci,
                        .regions = vfio_user::kRegions,
                        .irqs = vfio_user::kIrqs};
  answer({vfio_user::bytes_of(info)});
  return 0;
}
inline int VfioUserServer::tell_region(Bytes body) {
  using vfio_user::RegionInfo;
  const auto asked = vfio_user::load<RegionInfo>(body);
  if (body.size() < sizeof asked || asked.argsz < sizeof asked || asked.index >= vfio_user::kRegions) return EINVAL;
  const std::uint64_t bytes = region_bytes(asked.index);
  const RegionInfo info{.argsz = sizeof info,
                        .flags = bytes == 0 ? 0 : RegionInfo::kRead | RegionInfo::kWrite,
                        .index = asked.index,
                        .first_capability = 0,
                        .size = bytes,
                        .offset = 0};
  answer({vfio_user::bytes_of(info)});
  return 0;
}
inline int VfioUserServer::tell_irq(Bytes body) {
  using vfio_user::IrqInfo;
  const auto asked = vfio_user::load<IrqInfo>(body);
  if (body.size() < sizeof asked || asked.argsz < sizeof asked || asked.index >= vfio_user::kIrqs) return EINVAL;
  const auto kind = kind_of(asked.index);
  const IrqInfo info{.argsz = sizeof info,
                     .flags = IrqInfo::kEventFd | (kind ? IrqInfo::kMaskable : 0u) |
                              (kind == IrqKind::kIntx ? IrqInfo::kMasksItself : 0u),
                     .index = asked.index,
                     .count = irq_count(asked.index)};
  answer({vfio_user::bytes_of(info)});
  return 0;
}

// ---- Regions ------------------------------------------------------------------------------------------------------

inline std::uint64_t VfioUserServer::region_bytes(std::uint32_t region) const noexcept {
  return region == vfio_user::kConfigRegion ? ServedDevice::kConfigBytes : device_->bar_bytes(region);
}
inline bool VfioUserServer::lies_in(const vfio_user::RegionAccess& access) const noexcept {
  const std::uint64_t bytes = region_bytes(access.region);
  return access.count != 0 && access.count <= config_.max_transfer && access.offset < bytes &&
         access.count <= bytes - access.offset;
}
inline int VfioUserServer::read_region(Bytes body) {
  const auto access = vfio_user::load<vfio_user::RegionAccess>(body);
  if (body.size() < sizeof access || !lies_in(access)) return EINVAL;
  data_.resize(access.count);
  if (access.region == vfio_user::kConfigRegion) {
    device_->read_config(static_cast<std::uint32_t>(access.offset), data_);
  } else {
    device_->read_bar(access.region, access.offset, data_);
  }
  answer({vfio_user::bytes_of(access), data_});
  return 0;
}
/// Answered before it is done: a write on the bus is posted too, and while a client waits for the answer it may be
/// unable to do what the device wants of it. A read that follows comes after it all the same.
inline int VfioUserServer::write_region(Bytes body) {
  const auto access = vfio_user::load<vfio_user::RegionAccess>(body);
  if (body.size() < sizeof access || !lies_in(access) || body.size() - sizeof access < access.count) return EINVAL;
  answer({vfio_user::bytes_of(access)});
  write_checked(access, body.subspan(sizeof access, access.count));
  return 0;
}
inline int VfioUserServer::write_regions(Bytes body) {
  using vfio_user::WriteMultiEntry;
  const auto n = vfio_user::load<std::uint64_t>(body);
  if (body.size() < sizeof n || n > (body.size() - sizeof n) / sizeof(WriteMultiEntry)) return EINVAL;
  const auto entry = [&](std::size_t i) {
    return vfio_user::load<WriteMultiEntry>(body.subspan(sizeof n + i * sizeof(WriteMultiEntry)));
  };
  for (std::size_t i = 0; i < n; ++i) {
    if (!lies_in(entry(i).access) || entry(i).access.count > sizeof WriteMultiEntry::data) return EINVAL;
  }
  answer({vfio_user::bytes_of(n)});
  for (std::size_t i = 0; i < n; ++i) {
    const WriteMultiEntry one = entry(i);
    write_checked(one.access, std::as_bytes(std::span(one.data)).first(one.access.count));
  }
  return 0;
}
inline void VfioUserServer::write_checked(const vfio_user::RegionAccess& access, Bytes data) noexcept {
  if (access.region == vfio_user::kConfigRegion) {
    device_->write_config(static_cast<std::uint32_t>(access.offset), data);
  } else {
    device_->write_bar(access.region, access.offset, data);
    hold_interrupts();  // the MSI-X table may have changed
  }
}

// ---- Memory, reset ------------------------------------------------------------------------------------------------

inline int VfioUserServer::map(vfio_user::Message& message) {
  if (message.body.size() < sizeof(vfio_user::DmaMap) || message.fds.size() > 1) return EINVAL;
  const UniqueFd file = message.fds.empty() ? UniqueFd() : std::move(message.fds.front());
  return memory_.map(vfio_user::load<vfio_user::DmaMap>(message.body), file, config_.files);
}
inline int VfioUserServer::unmap(Bytes body) {
  const auto wanted = vfio_user::load<vfio_user::DmaUnmap>(body);
  if (body.size() < sizeof wanted) return EINVAL;
  if (const int error = memory_.unmap(wanted); error != 0) return error;
  answer({vfio_user::bytes_of(wanted)});
  return 0;
}
/// As the kernel does: the client's eventfds and the kind that is on stay.
inline int VfioUserServer::reset() {
  device_->reset();
  device_->interrupts().forget();
  if (on_) device_->turn_on(*on_, device_->vectors(*on_));
  return 0;
}

// ---- Interrupts ---------------------------------------------------------------------------------------------------

inline std::optional<IrqKind> VfioUserServer::kind_of(std::uint32_t index) noexcept {
  switch (static_cast<vfio_user::IrqIndex>(index)) {
    case vfio_user::IrqIndex::kIntx:
      return IrqKind::kIntx;
    case vfio_user::IrqIndex::kMsi:
      return IrqKind::kMsi;
    case vfio_user::IrqIndex::kMsix:
      return IrqKind::kMsix;
    default:
      return std::nullopt;
  }
}
/// The notice of errors can be asked for, and never comes.
inline unsigned VfioUserServer::irq_count(std::uint32_t index) const noexcept {
  const auto kind = kind_of(index);
  return kind                                                                     ? device_->vectors(*kind)
         : static_cast<vfio_user::IrqIndex>(index) == vfio_user::IrqIndex::kError ? 1
                                                                                  : 0;
}

inline int VfioUserServer::set_irqs(vfio_user::Message& message) {
  using vfio_user::IrqSet;
  const auto set = vfio_user::load<IrqSet>(message.body);
  if (message.body.size() < sizeof set || set.argsz < sizeof set || set.index >= vfio_user::kIrqs) return EINVAL;
  if ((set.flags & ~(IrqSet::kDataMask | IrqSet::kActionMask)) != 0 ||
      std::popcount(set.flags & IrqSet::kDataMask) != 1 || std::popcount(set.flags & IrqSet::kActionMask) != 1) {
    return EINVAL;
  }
  const unsigned count = irq_count(set.index);
  if (set.start > count || set.count > count - set.start) return EINVAL;
  const Bytes flags = Bytes(message.body).subspan(sizeof set);
  const std::uint32_t data = set.flags & IrqSet::kDataMask;
  if (data == IrqSet::kBool && flags.size() < set.count) return EINVAL;
  const bool right_fds = message.fds.empty() || (data == IrqSet::kEventFd && message.fds.size() == set.count);
  if (!right_fds) return EINVAL;
  for (const UniqueFd& fd : message.fds) {
    if (!is_eventfd(fd.get())) return EINVAL;
  }
  if (!kind_of(set.index)) {
    if (data == IrqSet::kEventFd) error_event_ = message.fds.empty() ? UniqueFd() : std::move(message.fds.front());
    return 0;
  }
  return (set.flags & IrqSet::kTrigger) != 0 ? trigger(set, flags, message.fds) : mask(set, flags, message.fds);
}

/// Eventfds: from here on they are signalled; without them the vectors are on and silent. None with count 0: all off.
/// Otherwise: interrupts as if the device had sent them.
inline int VfioUserServer::trigger(const vfio_user::IrqSet& set, Bytes flags, std::vector<UniqueFd>& fds) {
  using vfio_user::IrqSet;
  const IrqKind kind = *kind_of(set.index);
  if ((set.flags & IrqSet::kNone) != 0 && set.count == 0) {
    if (on_ == kind) turn_irqs_off();
    return 0;
  }
  if ((set.flags & IrqSet::kEventFd) == 0) {
    if (on_ != kind) return EINVAL;
    for (unsigned i = 0; i < set.count; ++i) {
      if ((set.flags & IrqSet::kNone) != 0 || flags[i] != std::byte{0}) device_->interrupts().message(set.start + i);
    }
    return 0;
  }
  if (on_ && on_ != kind) return EINVAL;  // one kind at a time
  for (unsigned i = 0; i < set.count; ++i) set_vector(set.start + i, fds.empty() ? UniqueFd() : std::move(fds[i]));
  on_ = kind;
  device_->turn_on(kind, set.start + set.count);
  hold_interrupts();
  if (kind == IrqKind::kIntx) device_->interrupts().set_masks_itself(bool{vectors_[0]});
  return 0;
}

inline int VfioUserServer::mask(const vfio_user::IrqSet& set, Bytes flags, std::vector<UniqueFd>& fds) {
  using vfio_user::IrqSet;
  const bool on = (set.flags & IrqSet::kMask) != 0;
  const bool intx = kind_of(set.index) == IrqKind::kIntx;
  if ((set.flags & IrqSet::kEventFd) != 0) {
    if (on || !intx) return EINVAL;
    if (unmask_) watch(unmask_.get(), 0, true);
    unmask_ = fds.empty() ? UniqueFd() : std::move(fds.front());
    if (unmask_) watch(unmask_.get(), EPOLLIN, false);
    return 0;
  }
  for (unsigned i = 0; i < set.count; ++i) {
    if ((set.flags & IrqSet::kBool) != 0 && flags[i] == std::byte{0}) continue;
    if (intx) {
      on ? device_->interrupts().mask() : device_->interrupts().unmask();
    } else {
      const std::uint64_t bit = std::uint64_t{1} << (set.start + i);
      masked_ = on ? masked_ | bit : masked_ & ~bit;
    }
  }
  hold_interrupts();
  return 0;
}

inline void VfioUserServer::set_vector(unsigned v, UniqueFd fd) noexcept {
  const bool may_block = fd && (sys::status_flags(fd.get()) & O_NONBLOCK) == 0;
  device_->interrupts().set_eventfd(v, fd.get(), may_block);
  vectors_[v] = std::move(fd);
}
inline void VfioUserServer::turn_irqs_off() noexcept {
  if (on_) device_->turn_off(*on_);
  on_.reset();
  device_->interrupts().set_masks_itself(false);
  for (unsigned v = 0; v < vectors_.size(); ++v) set_vector(v, {});
  if (unmask_) watch(unmask_.get(), 0, true);
  unmask_.reset();
  masked_ = 0;
  device_->interrupts().forget();
  hold_interrupts();
}
/// An interrupt comes after what was written before it; and not while it is masked.
inline void VfioUserServer::hold_interrupts() noexcept {
  const std::uint64_t table = on_ == IrqKind::kMsix ? device_->masked_in_table() : 0;
  device_->interrupts().hold(memory_.unconfirmed() ? ~std::uint64_t{0} : masked_ | table);
}
inline void VfioUserServer::take_unmask_event() noexcept {
  if (!unmask_) return;
  pollfd one{.fd = unmask_.get(), .events = POLLIN, .revents = 0};
  std::uint64_t count = 0;
  if (sys::poll_for(&one, 1, 0) <= 0 || sys::read(unmask_.get(), &count, sizeof count) != sizeof count) return;
  device_->interrupts().unmask();
}
/// Nothing else is written to: what another file does then, only its owner knows.
inline bool VfioUserServer::is_eventfd(int fd) {
  return file::link_name(text::cat("/proc/self/fd/", fd)) == "anon_inode:[eventfd]";
}

}  // namespace pollux::sim

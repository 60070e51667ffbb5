// SPDX-License-Identifier: BSD-3-Clause
// XdpSocket: one receive queue of a kernel network interface as a PollModePort, through AF_XDP.
//
// Optional: it needs libxdp and libbpf (Debian: libxdp-dev libbpf-dev), so pollux.hpp does not name it. Link with -lxdp
// -lbpf, and define POLLUX_WITH_LIBXDP if open_port() shall know it; pkg-config pollux says both where they were there.
#pragma once
#include <linux/if_xdp.h>

#include <bit>
#include <charconv>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <pollux/dma/hugepage.hpp>
#include <pollux/kernel/interface.hpp>
#include <pollux/kernel/xdp_libraries.hpp>
#include <pollux/kernel/xdp_program.hpp>
#include <pollux/net/headers.hpp>
#include <pollux/net/port.hpp>

namespace pollux {

/// How frames come from the driver into the socket's memory.
enum class XdpTransfer : std::uint8_t {
  kBest,      ///< without copying where the driver can, else copied by the kernel
  kCopy,      ///< copied by the kernel; every driver can
  kZeroCopy,  ///< written there by the NIC; raises where the driver cannot
};

struct XdpConfig {
  std::uint32_t queue = 0;  ///< receive and transmit queue of the interface
  XdpMode mode = XdpMode::kBest;
  XdpTransfer transfer = XdpTransfer::kBest;
  bool need_wakeup = true;              ///< the driver sleeps when there is nothing to do, and is woken by system calls
  bool promiscuous = false;             ///< for as long as the port lives
  std::uint32_t rx_descriptors = 2048;  ///< received frames the socket holds, a power of two
  std::uint32_t tx_descriptors = 2048;  ///< sent frames the kernel may hold, a power of two
  Nanos link_deadline = 5_s;            ///< how long the constructor waits for a running interface; 0: it does not
};

/// Receives what arrives at one queue of the interface, before the kernel sees it: it gets none of that. Sends whole
/// frames past every queueing discipline. To have all frames in one queue: ethtool -L IF combined 1.
///
/// Rings and their memory are set up by libxdp; the program comes from XdpProgram, whose header says why. When the port
/// goes, its program goes.
/// Frames are copied between the rings' memory (UMEM) and buffers of the pool: the kernel puts a received frame 256
/// bytes into its chunk, and NIC drivers here take a packet to begin where its buffer does, so chunks of the pool could
/// not be forwarded; nor does every pool fit the kernel's rules (chunks of 2 or 4 KiB).
///
/// VLAN tags: frames arrive as the driver has them. A NIC that strips tags tells AF_XDP nothing of them: ethtool -K IF
/// rxvlan off. Order is kept.
/// Pre: the interface is up; CAP_NET_RAW, CAP_NET_ADMIN, CAP_BPF; pool buffers hold the largest frame and outlive the
/// port. Threads: one, that of the pool.
/// Cost: rx_burst: no system call (one when a zero-copy driver asks to be woken), one copy per frame. tx_burst: one
/// system call per 32 frames where the kernel copies, else one at most; one copy per frame.
/// Errors: opening raises, with what to do, when the interface is absent or down, rights are missing, another XDP
/// program holds the interface or another socket the queue. Sending: a frame that is shorter than its header, longer
/// than the interface takes, or meets an interface that is down or gone is taken and counted in tx_errors; with zero
/// copy, those already in the ring when the interface goes down are sent when it comes up.
class XdpSocket {
 public:
  XdpSocket(std::string interface, BufferStore& pool, const XdpConfig& config = {});
  XdpSocket(const XdpSocket&) = delete;
  XdpSocket& operator=(const XdpSocket&) = delete;

  std::uint32_t rx_burst(PacketBurst& burst) noexcept;
  std::uint32_t tx_burst(PacketBurst& burst) noexcept;
  void commit() noexcept { (void)kick(); }
  /// Sends what the kernel had no room for before. A sent packet is a copy; ours is back at once: 0. Cost: no system
  /// call when nothing waits.
  std::uint32_t reclaim() noexcept {
    (void)kick();
    return 0;
  }
  /// Notices a changed MTU as well. Cost: 3 system calls.
  [[nodiscard]] LinkState link() {
    mtu_ = interface_.mtu();
    return interface_.link();
  }
  /// rx_missed: frames the socket had no room for, or that did not fit a chunk. Cost: 1 system call.
  [[nodiscard]] PortStats stats();
  [[nodiscard]] MacAddress mac() const noexcept { return interface_.mac(); }
  [[nodiscard]] const std::string& name() const noexcept { return interface_.name(); }
  [[nodiscard]] BufferStore& pool() const noexcept { return *pool_; }
  /// The driver runs the program; else the kernel does, once it has made an skb of each frame.
  [[nodiscard]] bool native() const noexcept { return program_.native(); }
  /// The NIC itself reads and writes the rings' memory.
  [[nodiscard]] bool zero_copy() const noexcept { return zero_copy_; }

 private:
  struct Delete {
    void operator()(xsk_umem* umem) const noexcept { xsk_umem__delete(umem); }
    void operator()(xsk_socket* socket) const noexcept { xsk_socket__delete(socket); }
  };
  static constexpr Nanos kReleaseDeadline = 2_s;
  static constexpr std::uint32_t kBatch = 64;         ///< packets per look at the ring
  static constexpr std::uint32_t kKernelRoom = 256;   ///< before a received frame [bytes] [linux XDP_PACKET_HEADROOM]
  static constexpr std::uint32_t kSmallChunk = 2048;  ///< [bytes] [linux XDP_UMEM_MIN_CHUNK_SIZE]
  static constexpr std::uint32_t kLargeChunk = 4096;  ///< [bytes] no chunk is larger than a page
  static constexpr std::uint32_t kHeader = sizeof(EthernetHeader);

  [[nodiscard]] static std::string name_of(const std::string& interface, std::uint32_t queue) {
    return queue == 0 ? "xdp:" + interface : text::cat("xdp:", interface, "/", queue);
  }
  void make_memory(const XdpConfig& config);
  void make_rings(const XdpConfig& config);
  [[nodiscard]] int try_bind(const XdpConfig& config);
  void bind(const XdpConfig& config);
  [[nodiscard]] Failure failure(int code, const char* operation, std::string where, std::string remedy) const {
    return {.code = code,
            .operation = operation,
            .object = interface_.name(),
            .where = std::move(where),
            .remedy = std::move(remedy)};
  }
  [[nodiscard]] int fd() const noexcept { return xsk_socket__fd(socket_.get()); }
  [[nodiscard]] std::uint32_t receive(PacketBurst& burst, std::uint32_t wanted) noexcept;
  [[nodiscard]] bool sendable(const Packet& packet) const noexcept;
  [[nodiscard]] std::uint32_t post(PacketBurst& burst) noexcept;
  /// Frames posted that the kernel has not taken yet.
  [[nodiscard]] std::uint32_t waiting() noexcept { return tx_.size - xsk_prod_nb_free(&tx_, tx_.size); }
  void count_taken() noexcept;
  int kick() noexcept;
  void give_up_waiting() noexcept;
  void collect_sent() noexcept;

  // In order of acquisition.
  KernelInterface interface_;
  BufferStore* pool_;
  Mapping memory_;  ///< chunks: first those to receive into, then those to send from
  xsk_ring_prod fill_{}, tx_{};
  xsk_ring_cons completed_{}, rx_{};
  std::unique_ptr<xsk_umem, Delete> umem_;
  std::unique_ptr<xsk_socket, Delete> socket_;
  XdpProgram program_;

  std::uint32_t chunk_bytes_ = 0;
  std::uint32_t mtu_ = 0;
  bool zero_copy_ = false;
  bool wake_always_ = false;
  std::vector<std::uint64_t> free_;  ///< chunks to send from: the first free_count_ are free
  std::uint32_t free_count_ = 0;
  std::uint32_t counted_ = 0;  ///< free running, as the transmit ring's indices: frames up to here are in the counters
  PortStats stats_;
};
static_assert(PollModePort<XdpSocket>);

/// "eth0" or "eth0/3", as open_port takes it after "xdp:".
struct XdpQueue {
  std::string interface;
  std::uint32_t queue = 0;

  /// Errors: raises EINVAL when what follows the slash is no queue number.
  static XdpQueue parse(std::string_view text) {
    const auto slash = text.find('/');
    XdpQueue out{.interface = std::string(text.substr(0, slash))};
    if (slash == text.npos) return out;
    const std::string_view number = text.substr(slash + 1);
    const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), out.queue);
    if (error != std::errc{} || end != number.data() + number.size()) {
      raise({.code = EINVAL,
             .operation = "understand port",
             .object = text::cat("'xdp:", text, "'"),
             .where = {},
             .remedy = "expected xdp:INTERFACE or xdp:INTERFACE/QUEUE"});
    }
    return out;
  }
};

inline XdpSocket::XdpSocket(std::string interface, BufferStore& pool, const XdpConfig& config)
    : interface_(interface, name_of(interface, config.queue)), pool_(&pool) {
  interface_.require_running(0_ns);
  mtu_ = interface_.mtu();
  make_memory(config);
  bind(config);
  program_ = XdpProgram::attach(interface_, config.mode, config.queue, fd());
  if (zero_copy_ && !native()) {  // the NIC fills our memory, and the program looks elsewhere
    raise(failure(EOPNOTSUPP, "use", "zero copy without a program in the driver",
                  "take XdpTransfer::kCopy, or XdpMode::kNative to see what hinders the driver"));
  }
  if (config.promiscuous) interface_.become_promiscuous();
  interface_.require_running(config.link_deadline);  // a NIC may begin anew for a program
}

inline void XdpSocket::make_memory(const XdpConfig& config) {
  if (!std::has_single_bit(config.rx_descriptors) || !std::has_single_bit(config.tx_descriptors)) {
    raise(failure(EINVAL, "set up", "AF_XDP rings", "rx_descriptors and tx_descriptors are powers of two"));
  }
  const std::uint32_t longest = mtu_ + kHeader + sizeof(VlanTag) + kKernelRoom;
  if (longest > kLargeChunk) {
    raise(failure(EMSGSIZE, "use", text::cat("an MTU of ", mtu_, " bytes: a frame must fit a chunk of 4 KiB"),
                  text::cat("ip link set ", interface_.interface(), " mtu 1500")));
  }
  // The 82599 counts in KiB what a chunk holds, rounded down, and drops longer frames. [linux ixgbe_configure_srrctl]
  constexpr std::uint32_t kSmallHolds = (kSmallChunk - kKernelRoom) / 1024 * 1024;
  chunk_bytes_ = longest - kKernelRoom > kSmallHolds ? kLargeChunk : kSmallChunk;
  const std::uint32_t chunks = config.rx_descriptors + config.tx_descriptors;
  memory_ = dma::try_map_pages({.bytes = std::size_t{chunks} * chunk_bytes_}).value();
  free_.resize(config.tx_descriptors);
  for (std::uint32_t i = 0; i < config.tx_descriptors; ++i) free_[i] = std::uint64_t{chunks - 1 - i} * chunk_bytes_;
  free_count_ = config.tx_descriptors;
}

inline void XdpSocket::make_rings(const XdpConfig& config) {
  // The kernel shows a received frame before it shows that its chunk has left the fill ring, and a sent one before it
  // shows that its descriptor has left the transmit ring: rings of twice the chunks always have room.
  const xsk_umem_config umem{.fill_size = 2 * config.rx_descriptors,
                             .comp_size = 2 * config.tx_descriptors,
                             .frame_size = chunk_bytes_,
                             .frame_headroom = 0,
                             .flags = 0};
  xsk_umem* made = nullptr;
  if (const int error = xsk_umem__create(&made, memory_.data(), memory_.size(), &fill_, &completed_, &umem);
      error != 0) {
    std::string remedy;
    if (error == -ENOBUFS) remedy = text::cat("allow more locked memory: ulimit -l ", memory_.size() >> 9);
    if (error == -EAFNOSUPPORT) remedy = "the kernel needs CONFIG_XDP_SOCKETS";
    raise(failure(-error, "set up", text::cat("AF_XDP memory of ", memory_.size() >> 10, " KiB"), std::move(remedy)));
  }
  umem_.reset(made);
  std::uint32_t at = 0;
  xsk_ring_prod__reserve(&fill_, config.rx_descriptors, &at);
  for (std::uint32_t i = 0; i < config.rx_descriptors; ++i) {
    *xsk_ring_prod__fill_addr(&fill_, at + i) = std::uint64_t{i} * chunk_bytes_;
  }
  xsk_ring_prod__submit(&fill_, config.rx_descriptors);
}

/// Returns 0, or the errno.
inline int XdpSocket::try_bind(const XdpConfig& config) {
  fill_ = tx_ = {};  // libxdp counts on zeros, also when it is asked a second time
  completed_ = rx_ = {};
  make_rings(config);
  xsk_socket_config wanted{};
  wanted.rx_size = config.rx_descriptors;
  wanted.tx_size = 2 * config.tx_descriptors;
  wanted.libxdp_flags = XSK_LIBXDP_FLAGS__INHIBIT_PROG_LOAD;
  wanted.bind_flags = config.need_wakeup ? XDP_USE_NEED_WAKEUP : 0;
  // A program that the kernel runs sees frames that the driver has already let go of.
  const bool copy = config.transfer == XdpTransfer::kCopy || config.mode == XdpMode::kGeneric;
  if (copy) wanted.bind_flags |= XDP_COPY;
  if (config.transfer == XdpTransfer::kZeroCopy) wanted.bind_flags |= XDP_ZEROCOPY;
  xsk_socket* made = nullptr;
  const char* const interface = interface_.interface().c_str();
  const int error = xsk_socket__create(&made, interface, config.queue, umem_.get(), &rx_, &tx_, &wanted);
  if (error == 0) socket_.reset(made);
  return -error;
}

inline void XdpSocket::bind(const XdpConfig& config) {
  const SteadyClock clock;
  int error = try_bind(config);
  // The kernel gives up the queue of a closed socket a little later, on a thread of its own. [linux xp_put_pool]
  for (const Nanos end = clock.now() + kReleaseDeadline; error == EBUSY && clock.now() < end;) {
    umem_.reset();
    clock.pause(1_ms);
    error = try_bind(config);
  }
  if (error != 0) {
    std::string remedy;
    if (error == EBUSY) remedy = "another AF_XDP socket has this queue: end that program, or take another queue";
    if (error == EINVAL) {
      remedy = text::cat("the interface may have no such queue: ethtool -l ", interface_.interface());
    }
    if (error == EOPNOTSUPP) remedy = "the driver cannot do without copying: take XdpTransfer::kBest or kCopy";
    raise(failure(error, "bind to", text::cat("AF_XDP queue ", config.queue), std::move(remedy)));
  }
  xdp_options options{};
  socklen_t length = sizeof options;
  zero_copy_ = sys::getsockopt(fd(), SOL_XDP, XDP_OPTIONS, &options, &length) == 0 &&
               (options.flags & XDP_OPTIONS_ZEROCOPY) != 0;
  wake_always_ = !config.need_wakeup;
}

inline std::uint32_t XdpSocket::rx_burst(PacketBurst& burst) noexcept {
  POLLUX_ASSERT(&burst.pool() == pool_, "a burst of another pool");
  const std::uint32_t before = burst.size();
  for (std::uint32_t looks = burst.room(); looks > 0;) {
    const std::uint32_t wanted = looks < kBatch ? looks : kBatch;
    if (receive(burst, wanted) < wanted) break;
    looks -= wanted;
  }
  if (xsk_ring_prod__needs_wakeup(&fill_) != 0) [[unlikely]]
    sys::recv(fd(), nullptr, 0, MSG_DONTWAIT);
  return burst.size() - before;
}

/// Takes up to `wanted` frames out of the ring; returns how many, whether they were good or not.
inline std::uint32_t XdpSocket::receive(PacketBurst& burst, std::uint32_t wanted) noexcept {
  std::uint32_t at = 0, refill = 0, ids[kBatch];
  const std::uint32_t there = xsk_ring_cons__peek(&rx_, wanted, &at);
  if (there == 0) return 0;
  const std::uint32_t n = pool_->take({ids, there});
  if (n < there) {  // the others stay in the ring
    ++stats_.rx_no_buffer;
    xsk_ring_cons__cancel(&rx_, there - n);
  }
  xsk_ring_prod__reserve(&fill_, n, &refill);  // has room: make_memory
  std::uint32_t unused = 0;
  for (std::uint32_t i = 0; i < n; ++i) {
    const xdp_desc& frame = *xsk_ring_cons__rx_desc(&rx_, at + i);
    if (frame.len == 0 || frame.len > pool_->buffer_bytes()) {
      ++stats_.rx_rejected;
      ids[unused++] = ids[i];
    } else {
      std::byte* const data = pool_->data(ids[i]);
      std::memcpy(data, memory_.data() + frame.addr, frame.len);
      burst.append({.data = data, .id = ids[i], .length = static_cast<std::uint16_t>(frame.len), .flags = 0});
      ++stats_.rx_packets;
      stats_.rx_bytes += frame.len;
    }
    *xsk_ring_prod__fill_addr(&fill_, refill + i) = frame.addr & ~std::uint64_t{chunk_bytes_ - 1};
  }
  xsk_ring_prod__submit(&fill_, n);
  xsk_ring_cons__release(&rx_, n);
  pool_->give({ids, unused});
  return n;
}

/// AF_XDP itself checks no more than that a frame lies within its chunk.
inline bool XdpSocket::sendable(const Packet& packet) const noexcept {
  if (packet.length < kHeader) return false;
  if (packet.length <= mtu_ + kHeader) return true;
  constexpr std::size_t kTypeAt = 12;
  const bool tagged = load_header<Be16>(packet.data + kTypeAt) == static_cast<std::uint16_t>(EtherType::kVlan);
  return tagged && packet.length <= mtu_ + kHeader + sizeof(VlanTag);
}

/// Copies packets from the front of the burst into free chunks, as far as there are, and passes over those that nobody
/// would send; returns how many it has dealt with.
inline std::uint32_t XdpSocket::post(PacketBurst& burst) noexcept {
  std::uint32_t n = 0, posted = 0;
  for (std::uint32_t at = 0; n < burst.size(); ++n) {
    const Packet& packet = burst[n];
    if (!sendable(packet)) {
      ++stats_.tx_errors;
      continue;
    }
    if (free_count_ == 0 || xsk_ring_prod__reserve(&tx_, 1, &at) == 0) break;
    const std::uint64_t chunk = free_[--free_count_];
    std::memcpy(memory_.data() + chunk, packet.data, packet.length);
    *xsk_ring_prod__tx_desc(&tx_, at) = {.addr = chunk, .len = packet.length, .options = 0};
    ++posted;
  }
  xsk_ring_prod__submit(&tx_, posted);
  return n;
}

/// Puts frames that the kernel has taken into the counters. What give_up_waiting() has counted lies ahead of the
/// kernel.
inline void XdpSocket::count_taken() noexcept {
  const std::uint32_t end = tx_.cached_prod - waiting();
  for (; static_cast<std::int32_t>(end - counted_) > 0; ++counted_) {
    ++stats_.tx_packets;
    stats_.tx_bytes += xsk_ring_prod__tx_desc(&tx_, counted_)->len;
  }
}

/// Makes the kernel send what waits in the ring; returns the errno of the last attempt, 0 when all is well.
inline int XdpSocket::kick() noexcept {
  int error = 0;
  for (std::uint32_t before = waiting(), left = before; left > 0; before = left) {
    if (zero_copy_ && !wake_always_ && xsk_ring_prod__needs_wakeup(&tx_) == 0) break;
    error = sys::send(fd(), nullptr, 0, MSG_DONTWAIT) < 0 ? errno : 0;
    count_taken();
    left = waiting();
    if (zero_copy_ || left == before) break;  // else: the kernel takes 32 at a time
    if (error != EBUSY) continue;
    // The device dropped the last one that was taken. [linux __xsk_generic_xmit, NET_XMIT_DROP]
    --stats_.tx_packets;
    stats_.tx_bytes -= xsk_ring_prod__tx_desc(&tx_, counted_ - 1)->len;
    ++stats_.tx_errors;
  }
  return error;
}

/// The frames that wait will not be sent: their descriptors lead nowhere from now on, which the kernel passes over when
/// it next looks. Where it copies, it looks during our system calls only.
inline void XdpSocket::give_up_waiting() noexcept {
  for (; counted_ != tx_.cached_prod; ++counted_) {
    xdp_desc& frame = *xsk_ring_prod__tx_desc(&tx_, counted_);
    free_[free_count_++] = std::exchange(frame.addr, memory_.size());
    ++stats_.tx_errors;
  }
}

/// Takes back the chunks of sent frames. Descriptors that give_up_waiting() has let lead nowhere are completed as well
/// [empirical, Linux 6.18], or are not.
inline void XdpSocket::collect_sent() noexcept {
  std::uint32_t at = 0;
  const std::uint32_t n = xsk_ring_cons__peek(&completed_, static_cast<std::uint32_t>(free_.size()), &at);
  for (std::uint32_t i = 0; i < n; ++i) {
    const std::uint64_t chunk = *xsk_ring_cons__comp_addr(&completed_, at + i);
    if (chunk < memory_.size()) free_[free_count_++] = chunk;
  }
  xsk_ring_cons__release(&completed_, n);
}

inline std::uint32_t XdpSocket::tx_burst(PacketBurst& burst) noexcept {
  POLLUX_ASSERT(&burst.pool() == pool_, "a burst of another pool");
  const auto is_down = [](int error) { return error == ENETDOWN || error == ENXIO; };
  count_taken();
  collect_sent();
  std::uint32_t n = 0;
  if (waiting() > 0 && is_down(kick())) {  // still: nothing more into the ring
    n = burst.size();
    stats_.tx_errors += n;
  } else {
    n = post(burst);
    if (is_down(kick()) && !zero_copy_) give_up_waiting();
  }
  burst.drop_front(n);
  return n;
}

inline PortStats XdpSocket::stats() {
  count_taken();
  PortStats out = stats_;
  xdp_statistics kernel{};
  socklen_t length = sizeof kernel;
  if (sys::getsockopt(fd(), SOL_XDP, XDP_STATISTICS, &kernel, &length) == 0) {
    out.rx_missed = kernel.rx_dropped + kernel.rx_ring_full;  // an empty fill ring counts as dropped, too
  }
  return out;
}

}  // namespace pollux

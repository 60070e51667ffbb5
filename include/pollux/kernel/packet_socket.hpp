// SPDX-License-Identifier: BSD-3-Clause
// PacketSocket: a kernel network interface as a PollModePort, through a raw PF_PACKET socket. One system call a packet:
// the path that the others are measured against.
#pragma once
#include <linux/ethtool.h>
#include <linux/if_packet.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netinet/in.h>

#include <cstring>
#include <string>
#include <utility>

#include <pollux/core/clock.hpp>
#include <pollux/core/error.hpp>
#include <pollux/core/socket.hpp>
#include <pollux/core/unique_fd.hpp>
#include <pollux/net/headers.hpp>
#include <pollux/net/port.hpp>

#ifndef PACKET_IGNORE_OUTGOING
#define PACKET_IGNORE_OUTGOING 23
#endif

namespace pollux {

struct PacketSocketConfig {
  bool promiscuous = false;    ///< for as long as the port lives
  bool qdisc_bypass = false;   ///< PACKET_QDISC_BYPASS: send straight to the driver
  bool restore_vlan = true;    ///< put back the VLAN tag that the kernel takes out of received frames
  int buffer_bytes = 8 << 20;  ///< send and receive buffer of the socket [bytes]; the kernel may give less
  Nanos link_deadline = 5_s;   ///< how long the constructor waits for a running interface; 0: it does not
};

/// Receives everything that arrives at the interface (not what the machine itself sends there), sends whole frames.
/// With generic receive offload on, the kernel hands over TCP segments joined, and too long ones are rejected; to get
/// frames as they were on the wire: ethtool -K IF gro off.
/// Order: kept within a flow only. On the way out fq_codel takes turns between flows while the NIC is busy, and drops
/// frames that waited more than 5 ms without telling (qdisc_bypass avoids both, and so does tc qdisc replace dev IF
/// root pfifo); of one NAPI batch, frames that only packet sockets want (EtherCAT) come after those that the kernel has
/// a protocol for (IP), unless net.core.gro_normal_batch is 1. Pre: the interface is up; CAP_NET_RAW; pool buffers hold
/// the interface's largest frame and outlive the port. Threads: one, that of the pool. Cost: one system call per packet
/// sent or received, and one per empty look.
class PacketSocket {
 public:
  /// Errors: raises when the interface is absent or down, or the right to raw sockets is missing.
  PacketSocket(std::string interface, BufferStore& pool, const PacketSocketConfig& config = {});

  std::uint32_t rx_burst(PacketBurst& burst) noexcept;
  std::uint32_t tx_burst(PacketBurst& burst) noexcept;
  void commit() noexcept {}
  std::uint32_t reclaim() noexcept { return 0; }  ///< a sent packet is the kernel's copy; ours is back at once
  /// Cost: 2 system calls.
  [[nodiscard]] LinkState link();
  /// rx_missed: frames the socket had no room for. Cost: 1 system call.
  [[nodiscard]] PortStats stats();
  [[nodiscard]] MacAddress mac() const noexcept { return mac_; }
  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  [[nodiscard]] BufferStore& pool() const noexcept { return *pool_; }

 private:
  struct Received {
    ssize_t length;  ///< [bytes], or -1
    bool has_tag;
    VlanTag tag;
  };
  [[nodiscard]] Received receive(std::byte* to, std::size_t room) noexcept;
  void set_option(int level, int option, int value, const char* what);
  [[nodiscard]] Failure failure(const char* operation, const char* where, std::string remedy = {}) const {
    return {.code = errno, .operation = operation, .object = name_, .where = where, .remedy = std::move(remedy)};
  }
  [[nodiscard]] bool running() const;

  std::string interface_;
  std::string name_;
  BufferStore* pool_;
  UniqueFd socket_;
  MacAddress mac_;
  bool restore_vlan_;
  PortStats stats_;
};
static_assert(PollModePort<PacketSocket>);

inline void PacketSocket::set_option(int level, int option, int value, const char* what) {
  if (sys::setsockopt(socket_.get(), level, option, &value, sizeof value) != 0) raise(failure("set up", what));
}

inline PacketSocket::PacketSocket(std::string interface, BufferStore& pool, const PacketSocketConfig& config)
    : interface_(std::move(interface)),
      name_("packet:" + interface_),
      pool_(&pool),
      restore_vlan_(config.restore_vlan) {
  const unsigned index = interface_.size() < IFNAMSIZ ? ::if_nametoindex(interface_.c_str()) : 0;
  if (index == 0) {
    errno = ENODEV;
    raise(failure("open", "no such network interface", "list the interfaces there are: ip -brief link"));
  }
  // No protocol yet: nothing is received before the socket is bound to its interface.
  socket_.reset(sys::socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, 0));
  if (!socket_) {
    raise(failure("open", "socket(AF_PACKET, SOCK_RAW)",
                  errno == EPERM ? "raw sockets need CAP_NET_RAW: run as root, or setcap cap_net_raw+ep PROGRAM" : ""));
  }
  set_option(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1, "PACKET_IGNORE_OUTGOING");
  if (config.qdisc_bypass) set_option(SOL_PACKET, PACKET_QDISC_BYPASS, 1, "PACKET_QDISC_BYPASS");
  if (restore_vlan_) set_option(SOL_PACKET, PACKET_AUXDATA, 1, "PACKET_AUXDATA");
  for (const auto& [forced, plain] : {std::pair{SO_RCVBUFFORCE, SO_RCVBUF}, std::pair{SO_SNDBUFFORCE, SO_SNDBUF}}) {
    if (sys::setsockopt(socket_.get(), SOL_SOCKET, forced, &config.buffer_bytes, sizeof config.buffer_bytes) != 0) {
      set_option(SOL_SOCKET, plain, config.buffer_bytes, "socket buffer size");
    }
  }
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(0x0003);  // ETH_P_ALL; <linux/if_ether.h> fights <netinet/if_ether.h> in user programs
  address.sll_ifindex = static_cast<int>(index);
  if (sys::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    raise(failure("bind to", "ETH_P_ALL"));
  }
  if (config.promiscuous) {
    packet_mreq membership{};
    membership.mr_ifindex = static_cast<int>(index);
    membership.mr_type = PACKET_MR_PROMISC;
    if (sys::setsockopt(socket_.get(), SOL_PACKET, PACKET_ADD_MEMBERSHIP, &membership, sizeof membership) != 0) {
      raise(failure("set up", "PACKET_MR_PROMISC"));
    }
  }
  ifreq request{};
  std::memcpy(request.ifr_name, interface_.c_str(), interface_.size() + 1);
  if (sys::ioctl(socket_.get(), SIOCGIFHWADDR, &request) != 0) raise(failure("query", "SIOCGIFHWADDR"));
  std::memcpy(mac_.bytes.data(), request.ifr_hwaddr.sa_data, mac_.bytes.size());
  if (sys::ioctl(socket_.get(), SIOCGIFFLAGS, &request) != 0) raise(failure("query", "SIOCGIFFLAGS"));
  if ((request.ifr_flags & IFF_UP) == 0) {
    errno = ENETDOWN;
    raise(failure("use", "the interface is down", text::cat("ip link set ", interface_, " up")));
  }
  const SteadyClock clock;
  for (const Nanos end = clock.now() + config.link_deadline; config.link_deadline > 0_ns && !running();
       clock.pause(10_ms)) {
    if (clock.now() < end) continue;
    errno = ETIMEDOUT;
    raise(failure("use", "the interface has no carrier", "check the cable and the link partner"));
  }
}

inline bool PacketSocket::running() const {
  ifreq request{};
  std::memcpy(request.ifr_name, interface_.c_str(), interface_.size() + 1);
  return sys::ioctl(socket_.get(), SIOCGIFFLAGS, &request) == 0 && (request.ifr_flags & IFF_RUNNING) != 0;
}

inline PacketSocket::Received PacketSocket::receive(std::byte* to, std::size_t room) noexcept {
  if (!restore_vlan_) return {sys::recv(socket_.get(), to, room, MSG_TRUNC), false, {}};
  iovec part{.iov_base = to, .iov_len = room};
  alignas(cmsghdr) std::byte control[CMSG_SPACE(sizeof(tpacket_auxdata))];
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  Received out{sys::recvmsg(socket_.get(), &message, MSG_TRUNC), false, {}};
  if (out.length < 0) return out;
  const cmsghdr* head = CMSG_FIRSTHDR(&message);
  if (head == nullptr || head->cmsg_level != SOL_PACKET || head->cmsg_type != PACKET_AUXDATA) return out;
  tpacket_auxdata aux{};
  std::memcpy(&aux, CMSG_DATA(head), sizeof aux);
  out.has_tag = (aux.tp_status & TP_STATUS_VLAN_VALID) != 0;
  const bool has_tpid = (aux.tp_status & TP_STATUS_VLAN_TPID_VALID) != 0;
  out.tag = {.tpid = has_tpid ? aux.tp_vlan_tpid : std::uint16_t{0x8100}, .tci = aux.tp_vlan_tci};
  return out;
}

inline std::uint32_t PacketSocket::rx_burst(PacketBurst& burst) noexcept {
  POLLUX_ASSERT(&burst.pool() == pool_, "a burst of another pool");
  constexpr std::size_t kTag = sizeof(VlanTag), kAddresses = 12;
  std::uint32_t n = 0;
  while (burst.room() > 0) {
    std::uint32_t id = 0;
    if (pool_->take({&id, 1}) == 0) {
      ++stats_.rx_no_buffer;
      break;
    }
    std::byte* const data = pool_->data(id);
    const std::size_t room = pool_->buffer_bytes() - (restore_vlan_ ? kTag : 0);
    const Received got = receive(data, room);
    if (got.length <= 0 || static_cast<std::size_t>(got.length) > room) {
      pool_->give({&id, 1});
      if (got.length <= 0) break;  // EAGAIN: nothing there; ENETDOWN: link() tells
      ++stats_.rx_rejected;
      continue;
    }
    auto length = static_cast<std::uint16_t>(got.length);
    if (got.has_tag && length >= kAddresses) {
      std::memmove(data + kAddresses + kTag, data + kAddresses, length - kAddresses);
      store_header(data + kAddresses, got.tag);
      length = static_cast<std::uint16_t>(length + kTag);
    }
    burst.append({.data = data, .id = id, .length = length, .flags = 0});
    ++n;
    ++stats_.rx_packets;
    stats_.rx_bytes += length;
  }
  return n;
}

inline std::uint32_t PacketSocket::tx_burst(PacketBurst& burst) noexcept {
  POLLUX_ASSERT(&burst.pool() == pool_, "a burst of another pool");
  std::uint32_t n = 0;
  for (; n < burst.size(); ++n) {
    const Packet& packet = burst[n];
    const ssize_t sent = sys::send(socket_.get(), packet.data, packet.length, 0);
    if (sent == packet.length) {
      ++stats_.tx_packets;
      stats_.tx_bytes += packet.length;
      continue;
    }
    // These pass; everything else (EMSGSIZE, EINVAL, ENETDOWN, ENXIO) would fail again: the packet is lost, counted.
    if (errno == EAGAIN || errno == ENOBUFS || errno == EINTR) break;
    ++stats_.tx_errors;
  }
  burst.drop_front(n);
  return n;
}

inline LinkState PacketSocket::link() {
  if (!running()) return {};
  LinkState out{.up = true, .full_duplex = true, .speed_mbps = 0};
  ethtool_cmd command{};
  command.cmd = ETHTOOL_GSET;
  ifreq request{};
  std::memcpy(request.ifr_name, interface_.c_str(), interface_.size() + 1);
  request.ifr_data = reinterpret_cast<char*>(&command);
  if (sys::ioctl(socket_.get(), SIOCETHTOOL, &request) == 0) {
    const std::uint32_t mbps = ethtool_cmd_speed(&command);
    if (mbps != static_cast<std::uint32_t>(SPEED_UNKNOWN)) out.speed_mbps = mbps;
    out.full_duplex = command.duplex != DUPLEX_HALF;
  }
  return out;
}

inline PortStats PacketSocket::stats() {
  tpacket_stats kernel{};
  socklen_t length = sizeof kernel;
  if (sys::getsockopt(socket_.get(), SOL_PACKET, PACKET_STATISTICS, &kernel, &length) == 0) {
    stats_.rx_missed += kernel.tp_drops;  // the kernel clears it on every read
  }
  return stats_;
}

}  // namespace pollux

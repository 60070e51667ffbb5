// SPDX-License-Identifier: BSD-3-Clause
// PacketPort: what the ports over PF_PACKET have in common: the bound socket, VLAN tags, link, counters.
#pragma once
#include <linux/if_packet.h>

#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <utility>

#include <pollux/kernel/interface.hpp>
#include <pollux/net/headers.hpp>
#include <pollux/net/port.hpp>

#ifndef PACKET_IGNORE_OUTGOING
#define PACKET_IGNORE_OUTGOING 23
#endif

namespace pollux {

struct PacketConfig {
  bool promiscuous = false;    ///< for as long as the port lives
  bool qdisc_bypass = false;   ///< PACKET_QDISC_BYPASS: send straight to the driver
  bool restore_vlan = true;    ///< put back the VLAN tag that the kernel takes out of received frames
  int buffer_bytes = 8 << 20;  ///< send and receive buffer of the socket [bytes]; the kernel may give less
  Nanos link_deadline = 5_s;   ///< how long the constructor waits for a running interface; 0: it does not
};

/// Base of PacketSocket, PacketMmsg and PacketMmap, which differ in how frames cross the system-call border.
///
/// Receives everything that arrives at the interface (not what the machine itself sends there), sends whole frames.
/// With generic receive offload on, the kernel hands over TCP segments joined, and too long ones are rejected; to get
/// frames as they were on the wire: ethtool -K IF gro off.
/// Order: kept within a flow only. On the way out fq_codel takes turns between flows while the NIC is busy, and drops
/// frames that waited more than 5 ms without telling (qdisc_bypass avoids both, and so does tc qdisc replace dev IF
/// root pfifo); of one NAPI batch, frames that only packet sockets want (EtherCAT) come after those that the kernel has
/// a protocol for (IP), unless net.core.gro_normal_batch is 1.
/// Pre: the interface is up; CAP_NET_RAW; pool buffers hold the interface's largest frame and outlive the port.
/// Threads: one, that of the pool.
/// Errors: opening raises when the interface is absent or down, or the right to raw sockets is missing. A frame that
/// the kernel refuses, or that meets an interface that is down or gone, is taken and counted in tx_errors; one that the
/// kernel has no room for now stays in the burst.
class PacketPort {
 public:
  void commit() noexcept {}
  std::uint32_t reclaim() noexcept { return 0; }  ///< a sent packet is the kernel's copy; ours is back at once
  /// Cost: 2 system calls.
  [[nodiscard]] LinkState link() { return interface_.link(); }
  /// rx_missed: frames the socket or its ring had no room for. Cost: 1 system call.
  [[nodiscard]] PortStats stats();
  [[nodiscard]] MacAddress mac() const noexcept { return interface_.mac(); }
  [[nodiscard]] const std::string& name() const noexcept { return interface_.name(); }
  [[nodiscard]] BufferStore& pool() const noexcept { return *pool_; }

 protected:
  static constexpr std::size_t kTagBytes = sizeof(VlanTag);
  static constexpr std::size_t kAddressBytes = 12;  ///< a tag stands behind both addresses

  /// Everything up to, but not including, reception.
  PacketPort(const char* kind, std::string interface, BufferStore& pool, const PacketConfig& config);
  /// Receives from now on.
  void start(const PacketConfig& config);

  [[nodiscard]] int fd() const noexcept { return interface_.fd(); }
  /// What a received frame may occupy of a buffer [bytes]: a tag that comes back needs its place.
  [[nodiscard]] std::size_t room() const noexcept { return pool_->buffer_bytes() - (restore_vlan_ ? kTagBytes : 0); }

  /// The tag that `status` says the kernel has taken out.
  [[nodiscard]] static std::optional<VlanTag> taken_tag(std::uint32_t status, std::uint16_t tpid,
                                                        std::uint16_t tci) noexcept {
    if ((status & TP_STATUS_VLAN_VALID) == 0) return std::nullopt;
    const bool has_tpid = (status & TP_STATUS_VLAN_TPID_VALID) != 0;
    return VlanTag{.tpid = has_tpid ? tpid : static_cast<std::uint16_t>(EtherType::kVlan), .tci = tci};
  }
  /// The same from the control data of recvmsg.
  [[nodiscard]] static std::optional<VlanTag> taken_tag(msghdr& message) noexcept;
  /// Puts received bytes that lie in buffer `id` into the burst, with `tag` if there is one. Pre: length <= room().
  void deliver(PacketBurst& burst, std::uint32_t id, std::size_t length, std::optional<VlanTag> tag) noexcept;

  /// tx_burst of ports without a ring: `send(n)` offers the kernel packets from the n-th on by one system call and
  /// returns how many it took, or less than 1 and says why in errno. Fewer than were offered: the next call tells why.
  template <class Send>
  std::uint32_t send_all(PacketBurst& burst, Send send) noexcept {
    POLLUX_ASSERT(&burst.pool() == pool_, "a burst of another pool");
    std::uint32_t n = 0;
    for (bool asked_again = false; n < burst.size();) {
      const int sent = send(n);
      if (sent > 0) {
        for (int i = 0; i < sent; ++i, ++n) stats_.tx_bytes += burst[n].length;
        stats_.tx_packets += static_cast<std::uint32_t>(sent);
        continue;
      }
      if (passes(errno)) break;
      if (may_be_stale(errno) && !std::exchange(asked_again, true)) continue;
      ++n;
      ++stats_.tx_errors;
    }
    burst.drop_front(n);
    return n;
  }

  /// These pass, and the frame may be sent again; all others (EMSGSIZE, EINVAL, ENETDOWN, ENXIO) would meet it again.
  [[nodiscard]] static bool passes(int error) noexcept { return error == EAGAIN || error == ENOBUFS || error == EINTR; }
  /// A socket tells once that its interface was down, even when that is up again: ask a second time.
  [[nodiscard]] static bool may_be_stale(int error) noexcept { return error == ENETDOWN; }

  KernelInterface interface_;
  BufferStore* pool_;
  bool restore_vlan_;
  PortStats stats_;
};

inline PacketPort::PacketPort(const char* kind, std::string interface, BufferStore& pool, const PacketConfig& config)
    : interface_(interface, text::cat(kind, ":", interface)), pool_(&pool), restore_vlan_(config.restore_vlan) {
  interface_.set_option(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1, "PACKET_IGNORE_OUTGOING");
  if (config.qdisc_bypass) interface_.set_option(SOL_PACKET, PACKET_QDISC_BYPASS, 1, "PACKET_QDISC_BYPASS");
  if (restore_vlan_) interface_.set_option(SOL_PACKET, PACKET_AUXDATA, 1, "PACKET_AUXDATA");
  for (const auto& [forced, plain] : {std::pair{SO_RCVBUFFORCE, SO_RCVBUF}, std::pair{SO_SNDBUFFORCE, SO_SNDBUF}}) {
    if (sys::setsockopt(fd(), SOL_SOCKET, forced, &config.buffer_bytes, sizeof config.buffer_bytes) != 0) {
      interface_.set_option(SOL_SOCKET, plain, config.buffer_bytes, "socket buffer size");
    }
  }
}

inline void PacketPort::start(const PacketConfig& config) {
  interface_.bind_to_all_protocols();
  if (config.promiscuous) interface_.become_promiscuous();
  interface_.require_running(config.link_deadline);
}

inline std::optional<VlanTag> PacketPort::taken_tag(msghdr& message) noexcept {
  const cmsghdr* head = CMSG_FIRSTHDR(&message);
  if (head == nullptr || head->cmsg_level != SOL_PACKET || head->cmsg_type != PACKET_AUXDATA) return std::nullopt;
  tpacket_auxdata aux{};
  std::memcpy(&aux, CMSG_DATA(head), sizeof aux);
  return taken_tag(aux.tp_status, aux.tp_vlan_tpid, aux.tp_vlan_tci);
}

inline void PacketPort::deliver(PacketBurst& burst, std::uint32_t id, std::size_t length,
                                std::optional<VlanTag> tag) noexcept {
  std::byte* const data = pool_->data(id);
  if (restore_vlan_ && tag && length >= kAddressBytes) {
    std::memmove(data + kAddressBytes + kTagBytes, data + kAddressBytes, length - kAddressBytes);
    store_header(data + kAddressBytes, *tag);
    length += kTagBytes;
  }
  burst.append({.data = data, .id = id, .length = static_cast<std::uint16_t>(length), .flags = 0});
  ++stats_.rx_packets;
  stats_.rx_bytes += length;
}

inline PortStats PacketPort::stats() {
  tpacket_stats kernel{};  // with TPACKET_V3 the kernel has more to say, and says as much as fits
  socklen_t length = sizeof kernel;
  if (sys::getsockopt(fd(), SOL_PACKET, PACKET_STATISTICS, &kernel, &length) == 0) {
    stats_.rx_missed += kernel.tp_drops;  // the kernel clears it on every read
  }
  return stats_;
}

}  // namespace pollux

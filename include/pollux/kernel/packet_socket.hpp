// SPDX-License-Identifier: BSD-3-Clause
// PacketSocket: a kernel network interface as a PollModePort, through a raw PF_PACKET socket. One system call a packet:
// the path that the others are measured against.
#pragma once
#include <string>
#include <utility>

#include <pollux/kernel/packet_port.hpp>

namespace pollux {

using PacketSocketConfig = PacketConfig;

/// What it receives and sends, and its errors: see PacketPort.
/// Cost: one system call per packet sent or received, and one per empty look.
class PacketSocket : public PacketPort {
 public:
  /// Errors: raises when the interface is absent or down, or the right to raw sockets is missing.
  PacketSocket(std::string interface, BufferStore& pool, const PacketSocketConfig& config = {})
      : PacketPort("packet", std::move(interface), pool, config) {
    start(config);
  }

  std::uint32_t rx_burst(PacketBurst& burst) noexcept;
  std::uint32_t tx_burst(PacketBurst& burst) noexcept;

 private:
  struct Received {
    ssize_t length;  ///< [bytes], or -1
    std::optional<VlanTag> tag;
  };
  [[nodiscard]] Received receive(std::byte* to) noexcept;
};
static_assert(PollModePort<PacketSocket>);

inline PacketSocket::Received PacketSocket::receive(std::byte* to) noexcept {
  if (!restore_vlan_) return {sys::recv(fd(), to, room(), MSG_TRUNC), {}};
  iovec part{.iov_base = to, .iov_len = room()};
  alignas(cmsghdr) std::byte control[CMSG_SPACE(sizeof(tpacket_auxdata))];
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  const ssize_t length = sys::recvmsg(fd(), &message, MSG_TRUNC);
  if (length < 0) return {length, {}};
  return {length, taken_tag(message)};
}

inline std::uint32_t PacketSocket::rx_burst(PacketBurst& burst) noexcept {
  POLLUX_ASSERT(&burst.pool() == pool_, "a burst of another pool");
  const std::uint32_t before = burst.size();
  for (std::uint32_t looks = burst.room(); looks > 0; --looks) {
    std::uint32_t id = 0;
    if (pool_->take({&id, 1}) == 0) {
      ++stats_.rx_no_buffer;
      break;
    }
    const Received got = receive(pool_->data(id));
    if (got.length > 0 && static_cast<std::size_t>(got.length) <= room()) {
      deliver(burst, id, static_cast<std::size_t>(got.length), got.tag);
      continue;
    }
    pool_->give({&id, 1});
    if (got.length <= 0) break;  // EAGAIN: nothing there; ENETDOWN: link() tells
    ++stats_.rx_rejected;
  }
  return burst.size() - before;
}

inline std::uint32_t PacketSocket::tx_burst(PacketBurst& burst) noexcept {
  return send_all(burst, [&](std::uint32_t n) noexcept {
    const Packet& packet = burst[n];
    return sys::send(fd(), packet.data, packet.length, 0) == packet.length ? 1 : 0;
  });
}

}  // namespace pollux

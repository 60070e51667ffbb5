// SPDX-License-Identifier: BSD-3-Clause
// PacketMmsg: a kernel network interface as a PollModePort, through a raw PF_PACKET socket with sendmmsg and recvmmsg:
// a whole burst per system call, straight from and into the pool's buffers.
#pragma once
#include <array>
#include <memory>
#include <string>
#include <utility>

#include <pollux/kernel/packet_port.hpp>

namespace pollux {

using PacketMmsgConfig = PacketConfig;

/// What it receives and sends, and its errors: see PacketPort.
/// Cost: one system call per burst of up to 64 packets sent or received, and one per empty look; one more for each
/// frame that the kernel refuses and for a burst that it has no more room for. Nothing is allocated after opening; the
/// kernel copies each frame once, from or to its buffer.
class PacketMmsg : public PacketPort {
 public:
  static constexpr std::uint32_t kBatch = 64;  ///< packets per system call

  /// Errors: raises when the interface is absent or down, or the right to raw sockets is missing.
  PacketMmsg(std::string interface, BufferStore& pool, const PacketMmsgConfig& config = {})
      : PacketPort("packet-mmsg", std::move(interface), pool, config), messages_(std::make_unique<Messages>()) {
    start(config);
  }

  std::uint32_t rx_burst(PacketBurst& burst) noexcept;
  std::uint32_t tx_burst(PacketBurst& burst) noexcept;

 private:
  /// The arguments of both calls. What never changes is written once, here.
  struct Messages {
    Messages() {
      for (std::uint32_t i = 0; i < kBatch; ++i) {
        rx[i].msg_hdr.msg_iov = &rx_parts[i];
        tx[i].msg_hdr.msg_iov = &tx_parts[i];
        rx[i].msg_hdr.msg_iovlen = tx[i].msg_hdr.msg_iovlen = 1;
      }
    }
    struct Control {
      alignas(cmsghdr) std::byte bytes[CMSG_SPACE(sizeof(tpacket_auxdata))];
    };
    std::array<mmsghdr, kBatch> rx{}, tx{};
    std::array<iovec, kBatch> rx_parts{}, tx_parts{};
    std::array<Control, kBatch> control;
  };
  /// One system call. False: there is nothing more to be had now.
  bool receive(PacketBurst& burst, std::uint32_t wanted) noexcept;

  std::unique_ptr<Messages> messages_;  ///< at one place for good: they point to each other
};
static_assert(PollModePort<PacketMmsg>);

inline bool PacketMmsg::receive(PacketBurst& burst, std::uint32_t wanted) noexcept {
  std::uint32_t ids[kBatch];
  const std::uint32_t buffers = pool_->take({ids, wanted});
  if (buffers == 0) {
    ++stats_.rx_no_buffer;
    return false;
  }
  for (std::uint32_t i = 0; i < buffers; ++i) {
    messages_->rx_parts[i] = {.iov_base = pool_->data(ids[i]), .iov_len = room()};
    if (!restore_vlan_) continue;
    messages_->rx[i].msg_hdr.msg_control = messages_->control[i].bytes;
    messages_->rx[i].msg_hdr.msg_controllen = sizeof messages_->control[i].bytes;  // the kernel writes over it
  }
  const int got = sys::recvmmsg(fd(), messages_->rx.data(), buffers, MSG_TRUNC);
  const auto frames = got > 0 ? static_cast<std::uint32_t>(got) : 0;  // EAGAIN: nothing there; ENETDOWN: link() tells
  std::uint32_t unused = 0;
  for (std::uint32_t i = 0; i < frames; ++i) {
    mmsghdr& message = messages_->rx[i];
    if (message.msg_len > 0 && message.msg_len <= room()) {
      deliver(burst, ids[i], message.msg_len, restore_vlan_ ? taken_tag(message.msg_hdr) : std::nullopt);
    } else {
      ++stats_.rx_rejected;
      ids[unused++] = ids[i];
    }
  }
  pool_->give({ids, unused});
  pool_->give({ids + frames, buffers - frames});
  if (frames == buffers && buffers < wanted) ++stats_.rx_no_buffer;
  return frames == wanted;
}

inline std::uint32_t PacketMmsg::rx_burst(PacketBurst& burst) noexcept {
  POLLUX_ASSERT(&burst.pool() == pool_, "a burst of another pool");
  const std::uint32_t before = burst.size();
  for (std::uint32_t looks = burst.room(); looks > 0;) {
    const std::uint32_t wanted = looks < kBatch ? looks : kBatch;
    if (!receive(burst, wanted)) break;
    looks -= wanted;
  }
  return burst.size() - before;
}

inline std::uint32_t PacketMmsg::tx_burst(PacketBurst& burst) noexcept {
  return send_all(burst, [&](std::uint32_t n) noexcept {
    const std::uint32_t left = burst.size() - n;
    const std::uint32_t batch = left < kBatch ? left : kBatch;
    for (std::uint32_t i = 0; i < batch; ++i) {
      messages_->tx_parts[i] = {.iov_base = burst[n + i].data, .iov_len = burst[n + i].length};
    }
    return sys::sendmmsg(fd(), messages_->tx.data(), batch, 0);
  });
}

}  // namespace pollux

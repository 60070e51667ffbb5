// SPDX-License-Identifier: BSD-3-Clause
// PacketMmap: a kernel network interface as a PollModePort, through rings of PF_PACKET that the kernel and the program
// both see (PACKET_RX_RING, PACKET_TX_RING): receiving costs no system call, sending one per burst.
#pragma once
#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <string>
#include <utility>

#include <pollux/core/mapping.hpp>
#include <pollux/core/order.hpp>
#include <pollux/kernel/packet_port.hpp>

namespace pollux {

struct PacketMmapConfig {
  PacketConfig common = {};
  /// The receive ring: blocks that the kernel fills with frame after frame and hands over whole.
  std::uint32_t rx_block_bytes = 1 << 16;  ///< [bytes], whole pages; a frame must fit
  std::uint32_t rx_blocks = 64;            ///< at least 2, so that one fills while another is read
  Nanos block_timeout = 1_ms;  ///< a block with a frame in it is handed over after this, full or not; whole [ms], >= 1
  std::uint32_t tx_slots = 512;  ///< frames in the transmit ring, a power of two
};

/// What only this port can tell.
struct PacketMmapCounters {
  std::uint64_t losing = 0;        ///< blocks marked TP_STATUS_LOSING: frames were lost before (PortStats::rx_missed)
  std::uint64_t copied = 0;        ///< TP_STATUS_COPY, or cut to the ring's size: rejected
  std::uint64_t wrong_format = 0;  ///< TP_STATUS_WRONG_FORMAT: frames to send that the kernel refused (tx_errors)
};

/// What it receives and sends, and its errors: see PacketPort.
///
/// Both rings are TPACKET_V3 and belong to one socket. The kernel sends from V3 rings since Linux 4.11, one frame a
/// slot as in V2, so a second socket would buy nothing. Frames are copied out of the receive ring into buffers of the
/// pool, and into the transmit ring out of them: a port's packets live in its pool, a ring's frames only in their
/// block.
///
/// Latency: a block is handed over when it is full or `block_timeout` old, so a lone frame waits that long (1 ms at
/// best; up to a tick more before Linux 6.18). For frames as they come, take PacketMmsg or XdpSocket.
/// Cost: rx_burst: no system call, one copy per frame. tx_burst: one system call, one copy per frame; one more for each
/// frame that the kernel refuses.
/// The kernel sends from the slots' own pages and tells when a slot is free again; what stays on this machine (veth, a
/// capture) it copies first [linux 4.20, tpacket_snd].
class PacketMmap : public PacketPort {
 public:
  /// Errors: raises when the interface is absent or down, the right to raw sockets or memory for the rings is missing,
  /// or the kernel refuses the rings' sizes.
  PacketMmap(std::string interface, BufferStore& pool, const PacketMmapConfig& config = {})
      : PacketPort("packet-mmap", std::move(interface), pool, config.common) {
    make_rings(config);
    start(config.common);
  }

  std::uint32_t rx_burst(PacketBurst& burst) noexcept;
  std::uint32_t tx_burst(PacketBurst& burst) noexcept;
  [[nodiscard]] const PacketMmapCounters& ring_counters() const noexcept { return counters_; }

 private:
  /// The frame follows the header of a slot, both aligned to 16 [bytes]. [linux packet_mmap, TPACKET_ALIGN]
  static constexpr std::uint32_t kSlotHeader = (sizeof(tpacket3_hdr) + 15) / 16 * 16;
  static constexpr std::uint32_t kNotSent = TP_STATUS_SEND_REQUEST | TP_STATUS_WRONG_FORMAT;
  static constexpr std::uint32_t kBusy = kNotSent | TP_STATUS_SENDING;

  void make_rings(const PacketMmapConfig& config);

  [[nodiscard]] tpacket_block_desc& block() const noexcept {
    return *reinterpret_cast<tpacket_block_desc*>(rings_.data() + block_at_);
  }
  [[nodiscard]] tpacket3_hdr& slot(std::uint32_t index) const noexcept {
    return *reinterpret_cast<tpacket3_hdr*>(tx_ + std::size_t{index & (tx_slots_ - 1)} * slot_bytes_);
  }
  [[nodiscard]] bool begin_block() noexcept;
  void end_block() noexcept;
  [[nodiscard]] bool copy_out(const tpacket3_hdr& frame, PacketBurst& burst, std::uint32_t id) noexcept;
  [[nodiscard]] std::uint32_t fill(PacketBurst& burst, std::uint32_t from) noexcept;
  [[nodiscard]] std::uint32_t settle() noexcept;
  void retract() noexcept;

  Mapping rings_;  ///< the receive ring, then the transmit ring
  PacketMmapCounters counters_;

  std::size_t rx_bytes_ = 0;
  std::size_t rx_block_bytes_ = 0;
  std::size_t block_at_ = 0;          ///< offset of the block being read, or next to be
  const std::byte* frame_ = nullptr;  ///< next frame of that block
  std::uint32_t frames_left_ = 0;     ///< in that block; 0: it is the kernel's
  std::byte* tx_ = nullptr;
  std::size_t slot_bytes_ = 0;  ///< a power of two
  std::uint32_t tx_slots_ = 0;
  std::uint32_t tx_next_ = 0;  ///< free running: first slot the kernel has not taken
  std::uint32_t tx_end_ = 0;   ///< free running: behind the last slot filled
};
static_assert(PollModePort<PacketMmap>);

inline void PacketMmap::make_rings(const PacketMmapConfig& config) {
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  const auto refuse = [&](const char* what, const char* remedy) {
    errno = EINVAL;
    raise(interface_.failure("set up", what, remedy));
  };
  if (config.rx_block_bytes == 0 || config.rx_block_bytes % page != 0 || config.rx_blocks < 2) {
    refuse("receive ring", "rx_block_bytes is whole pages, rx_blocks at least 2");
  }
  if (!std::has_single_bit(config.tx_slots)) refuse("transmit ring", "tx_slots is a power of two");
  if (config.block_timeout < 1_ms) refuse("receive ring", "block_timeout is at least 1 ms");

  interface_.set_option(SOL_PACKET, PACKET_VERSION, int{TPACKET_V3}, "PACKET_VERSION TPACKET_V3");
  tpacket_req3 rx{};
  rx.tp_block_size = config.rx_block_bytes;
  rx.tp_block_nr = config.rx_blocks;
  rx.tp_frame_size = static_cast<unsigned>(page);  // V3 packs frames as they come; this only has to divide the block
  rx.tp_frame_nr = static_cast<unsigned>(config.rx_block_bytes / page * config.rx_blocks);
  rx.tp_retire_blk_tov = static_cast<unsigned>((config.block_timeout.count + 999'999) / 1'000'000);
  interface_.set_option(SOL_PACKET, PACKET_RX_RING, rx, "PACKET_RX_RING");

  // A slot holds any packet of the pool; a power of two that is whole pages lets slots follow each other without gaps.
  slot_bytes_ = std::bit_ceil(std::max(page, std::size_t{kSlotHeader} + pool_->buffer_bytes()));
  tx_slots_ = config.tx_slots;
  tpacket_req3 tx{};
  tx.tp_block_size = tx.tp_frame_size = static_cast<unsigned>(slot_bytes_);
  tx.tp_block_nr = tx.tp_frame_nr = tx_slots_;
  interface_.set_option(SOL_PACKET, PACKET_TX_RING, tx, "PACKET_TX_RING");

  rx_block_bytes_ = config.rx_block_bytes;
  rx_bytes_ = rx_block_bytes_ * config.rx_blocks;
  rings_ = Mapping::try_map(rx_bytes_ + slot_bytes_ * tx_slots_, PROT_READ | PROT_WRITE, MAP_SHARED, fd(), 0,
                            "the rings of PF_PACKET")
               .value();
  tx_ = rings_.data() + rx_bytes_;
}

/// The block in turn is ours, and has a frame for us. False: nothing has been handed over.
inline bool PacketMmap::begin_block() noexcept {
  for (;;) {
    const tpacket_hdr_v1& head = block().hdr.bh1;
    const std::uint32_t status = shared::load_acquire(head.block_status);
    if ((status & TP_STATUS_USER) == 0) return false;
    if ((status & TP_STATUS_LOSING) != 0) ++counters_.losing;
    frames_left_ = head.num_pkts;
    frame_ = rings_.data() + block_at_ + head.offset_to_first_pkt;
    if (frames_left_ > 0) return true;
    end_block();  // the timeout can hand over an empty one
  }
}

inline void PacketMmap::end_block() noexcept {
  shared::store_release(block().hdr.bh1.block_status, TP_STATUS_KERNEL);
  block_at_ += rx_block_bytes_;
  if (block_at_ == rx_bytes_) block_at_ = 0;
}

/// The frame lies in the burst; false: it is none for this pool, and its buffer is not used.
inline bool PacketMmap::copy_out(const tpacket3_hdr& frame, PacketBurst& burst, std::uint32_t id) noexcept {
  const bool cut = (frame.tp_status & TP_STATUS_COPY) != 0 || frame.tp_snaplen < frame.tp_len;
  if (cut) ++counters_.copied;
  if (cut || frame.tp_snaplen == 0 || frame.tp_snaplen > room()) {
    ++stats_.rx_rejected;
    return false;
  }
  std::memcpy(pool_->data(id), frame_ + frame.tp_mac, frame.tp_snaplen);
  deliver(burst, id, frame.tp_snaplen,
          taken_tag(frame.tp_status, frame.hv1.tp_vlan_tpid, static_cast<std::uint16_t>(frame.hv1.tp_vlan_tci)));
  return true;
}

inline std::uint32_t PacketMmap::rx_burst(PacketBurst& burst) noexcept {
  POLLUX_ASSERT(&burst.pool() == pool_, "a burst of another pool");
  const std::uint32_t before = burst.size();
  for (std::uint32_t looks = burst.room(); looks > 0; --looks) {
    if (frames_left_ == 0 && !begin_block()) break;
    std::uint32_t id = 0;
    if (pool_->take({&id, 1}) == 0) {  // the frame stays in its block
      ++stats_.rx_no_buffer;
      break;
    }
    const auto& frame = *reinterpret_cast<const tpacket3_hdr*>(frame_);
    if (!copy_out(frame, burst, id)) pool_->give({&id, 1});
    frame_ += frame.tp_next_offset;
    if (--frames_left_ == 0) end_block();
  }
  return burst.size() - before;
}

/// Copies packets, from the burst's `from` on, into free slots; returns how many.
inline std::uint32_t PacketMmap::fill(PacketBurst& burst, std::uint32_t from) noexcept {
  std::uint32_t n = 0;
  for (; from + n < burst.size() && n < tx_slots_; ++n) {
    tpacket3_hdr& head = slot(tx_end_);
    if ((shared::load_acquire(head.tp_status) & kBusy) != 0) break;
    const Packet& packet = burst[from + n];
    std::memcpy(reinterpret_cast<std::byte*>(&head) + kSlotHeader, packet.data, packet.length);
    head.tp_len = packet.length;
    shared::store_release(head.tp_status, TP_STATUS_SEND_REQUEST);
    ++tx_end_;
  }
  return n;
}

/// Counts what the kernel has taken of the slots filled; returns how many.
inline std::uint32_t PacketMmap::settle() noexcept {
  std::uint32_t n = 0;
  for (; tx_next_ != tx_end_; ++tx_next_, ++n) {
    const tpacket3_hdr& head = slot(tx_next_);
    if ((shared::load_acquire(head.tp_status) & kNotSent) != 0) break;
    ++stats_.tx_packets;
    stats_.tx_bytes += head.tp_len;
  }
  return n;
}

/// Empties the slots that the kernel has not taken. It looks at them in send() only, so they are ours between calls.
inline void PacketMmap::retract() noexcept {
  while (tx_end_ != tx_next_) shared::store_release(slot(--tx_end_).tp_status, TP_STATUS_AVAILABLE);
}

inline std::uint32_t PacketMmap::tx_burst(PacketBurst& burst) noexcept {
  POLLUX_ASSERT(&burst.pool() == pool_, "a burst of another pool");
  std::uint32_t n = 0;
  for (bool asked_again = false; n < burst.size();) {
    const std::uint32_t filled = fill(burst, n);
    if (filled == 0) break;
    const int error = sys::send(fd(), nullptr, 0, MSG_DONTWAIT) < 0 ? errno : 0;
    const std::uint32_t sent = settle();
    n += sent;
    if (sent == filled) continue;
    // The kernel stopped at a slot. What it did not take goes back to the burst, so nothing waits for a later kick.
    const bool refused = (shared::load_acquire(slot(tx_next_).tp_status) & TP_STATUS_WRONG_FORMAT) != 0;
    retract();
    if (refused) {
      ++counters_.wrong_format;
    } else if (error == 0 || passes(error)) {
      break;
    } else if (may_be_stale(error) && !std::exchange(asked_again, true)) {
      continue;
    }
    // Without an interface each of them would meet the same; of other errors only the first is known to.
    const std::uint32_t lost = !refused && (error == ENETDOWN || error == ENXIO) ? filled - sent : 1;
    n += lost;
    stats_.tx_errors += lost;
  }
  burst.drop_front(n);
  return n;
}

}  // namespace pollux

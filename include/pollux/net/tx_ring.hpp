// SPDX-License-Identifier: BSD-3-Clause
// TxRing: the transmit queue of a descriptor-ring NIC: post packets, publish them, reap the buffers of those sent.
#pragma once
#include <cstdint>

#include <pollux/core/order.hpp>
#include <pollux/dma/buffers.hpp>
#include <pollux/dma/ring.hpp>
#include <pollux/net/burst.hpp>

namespace pollux {

/// How one packet of a frame is to be sent.
struct TxPart {
  BusAddr buffer;
  std::uint16_t length = 0;  ///< [bytes] in this buffer
  std::uint32_t frame = 0;   ///< [bytes] of the whole frame, in its first part; 0 in later ones
  bool end_of_frame = true;  ///< EOP
  bool report = false;       ///< RS: the device writes DD when it has sent this and all before
};

/// Format: `Descriptor`, `given(const TxPart&)`, `sent(const Descriptor&)` reads DD once, and the device's limits
/// `kMinFrame` [bytes] and `kMaxBuffers` per frame. Bell: `ring(tail)`.
///
/// The descriptors [clean, tail) hold packets whose buffers are not reaped yet; at most capacity - 1 of them. RS is set
/// on the last descriptor of every tx_burst and on every 32nd between, so completions are looked at in groups, and no
/// packet stays in the ring for ever because transmission stopped. Threads: one. No call makes a system call,
/// allocates, blocks or reads a register.
template <class Format, class Bell>
class TxRing {
 public:
  using Descriptor = typename Format::Descriptor;

  /// Pre: `shadow` holds 2 * ring.capacity() entries; both live as long as this. The device's head and tail are 0.
  TxRing(DescRing<Descriptor> ring, std::uint32_t* shadow, BufferStore& pool, Bell bell) noexcept
      : ring_(ring), ids_(shadow), group_end_(shadow + ring.capacity()), pool_(&pool), bell_(bell) {}

  /// Writes descriptors for packets from the front of `burst`, whole frames only, as far as the ring has room; not yet
  /// visible to the device. Returns how many packets it took. Pre: packets of 1 byte to the pool's buffer size, frames
  /// within the device's limits and of fewer buffers than the ring has descriptors. Cost: no MMIO.
  std::uint32_t post(PacketBurst& burst) noexcept {
    std::uint32_t n = free() < burst.size() ? free() : burst.size();
    while (n > 0 && burst[n - 1].more()) --n;  // a frame of several buffers goes whole or not at all
    bool first = true;
    for (std::uint32_t i = 0; i < n; ++i, ++tail_) {
      const Packet& p = burst[i];
      POLLUX_ASSERT(p.length > 0 && p.length <= pool_->buffer_bytes(), "no such frame");
      const bool report = !p.more() && (i + 1 == n || i % kReportInterval == kReportInterval - 1);
      ring_[tail_] = Format::given({.buffer = pool_->bus(p.id),
                                    .length = p.length,
                                    .frame = first ? frame_bytes(burst, i) : 0,
                                    .end_of_frame = !p.more(),
                                    .report = report});
      ids_[ring_.slot(tail_)] = p.id;
      if (report) group_end_[ring_.slot(newest_group_++)] = tail_ + 1;
      first = !p.more();
    }
    burst.forget_front(n);
    return n;
  }

  /// Tells the device of posted descriptors. Cost: 1 MMIO write, none when there is nothing new.
  void publish() noexcept {
    if (published_ == tail_) return;
    bell_.ring(ring_.slot(tail_));
    published_ = tail_;
  }

  /// Returns buffers of sent packets to the pool, group by group, oldest first, until a group is not sent yet or
  /// at least `enough` are back; returns how many. Cost: no MMIO; one descriptor read per group.
  std::uint32_t reap(std::uint32_t enough) noexcept {
    std::uint32_t total = 0;
    for (; oldest_group_ != newest_group_ && total < enough; ++oldest_group_) {
      const std::uint32_t end = group_end_[ring_.slot(oldest_group_)];
      if (!Format::sent(ring_[end - 1])) break;
      total += give_back(end);
    }
    return total;
  }

  /// Reaps when a quarter of the ring is in use, posts, publishes if `now`. The reaping is bounded, so that no call is
  /// much dearer than its neighbours.
  std::uint32_t tx_burst(PacketBurst& burst, bool now) noexcept {
    POLLUX_ASSERT(&burst.pool() == pool_, "a burst of another pool");
    if (in_use() > ring_.capacity() / 4 || free() < burst.size()) reap(burst.size() + kReapAtOnce);
    const std::uint32_t n = post(burst);
    if (now) publish();
    return n;
  }

  /// Returns every buffer to the pool, sent or not. Pre: the device no longer works on the ring.
  void release_all() noexcept {
    give_back(tail_);
    clean_ = tail_ = published_ = 0;
    oldest_group_ = newest_group_ = 0;
    ring_.clear();
  }

  [[nodiscard]] const DescRing<Descriptor>& ring() const noexcept { return ring_; }
  [[nodiscard]] std::uint32_t in_use() const noexcept { return tail_ - clean_; }                 ///< [descriptors]
  [[nodiscard]] std::uint32_t free() const noexcept { return ring_.capacity() - 1 - in_use(); }  ///< [descriptors]

 private:
  static constexpr std::uint32_t kReportInterval = 32;  ///< [descriptors]
  static constexpr std::uint32_t kReapAtOnce = 64;      ///< bound on what one tx_burst reaps beyond its own size

  /// Length of the frame that begins at packet i [bytes]. Pre: its end is in the burst.
  std::uint32_t frame_bytes(PacketBurst& burst, std::uint32_t i) const noexcept {
    std::uint32_t bytes = burst[i].length;
    [[maybe_unused]] const std::uint32_t begin = i;
    while (burst[i].more()) bytes += burst[++i].length;
    POLLUX_ASSERT(bytes >= Format::kMinFrame && i - begin < Format::kMaxBuffers, "no such frame");
    POLLUX_ASSERT(i - begin + 1 < ring_.capacity(), "a frame of more buffers than the ring has room for");
    return bytes;
  }

  /// Gives [clean, end) to the pool, straight from the dense array of numbers.
  std::uint32_t give_back(std::uint32_t end) noexcept {
    const std::uint32_t n = end - clean_;
    const std::uint32_t first = ring_.slot(clean_);
    const std::uint32_t to_wrap = ring_.capacity() - first;
    const std::uint32_t head_part = n < to_wrap ? n : to_wrap;
    pool_->give({ids_ + first, head_part});
    pool_->give({ids_, n - head_part});
    clean_ = end;
    return n;
  }

  DescRing<Descriptor> ring_;
  std::uint32_t* ids_;        ///< buffer number of each slot
  std::uint32_t* group_end_;  ///< ring of indices: one past each descriptor with RS
  BufferStore* pool_;
  Bell bell_;
  std::uint32_t clean_ = 0;      ///< oldest packet not reaped
  std::uint32_t tail_ = 0;       ///< next descriptor to post
  std::uint32_t published_ = 0;  ///< tail_ as the device knows it
  std::uint32_t oldest_group_ = 0;
  std::uint32_t newest_group_ = 0;
};

}  // namespace pollux

// SPDX-License-Identifier: BSD-3-Clause
// Receive queue of the 82574: harvest what the device has filled, refill the ring, ring the doorbell.
#pragma once
#include <cstdint>

#include <pollux/core/order.hpp>
#include <pollux/dma/buffers.hpp>
#include <pollux/dma/ring.hpp>
#include <pollux/e1000/desc.hpp>
#include <pollux/e1000/regs.hpp>
#include <pollux/net/burst.hpp>
#include <pollux/reg/bar.hpp>

namespace pollux::e1000 {

/// The descriptors [head, tail) belong to the device; at most capacity - 1 of them, because RDT = RDH means "none".
/// Threads: one. No call makes a system call, allocates, blocks or reads a register.
template <reg::RegisterIo Io>
class RxQueue {
 public:
  /// Pre: `shadow` holds ring.capacity() entries; both live as long as the queue. The device's RDH and RDT are 0.
  RxQueue(DescRing<RxDescriptor> ring, std::uint32_t* shadow, BufferStore& pool,
          reg::Doorbell<Rdt, Io> doorbell) noexcept
      : ring_(ring), ids_(shadow), pool_(&pool), doorbell_(doorbell) {}

  /// Appends received packets to `out` until it is full or the device has no more; returns how many. Damaged frames
  /// and impossible lengths go back to the pool and are counted. A frame of several buffers comes as packets with
  /// Packet::kMore set on all but the last. Cost: no MMIO; one cache line of descriptors per 4 packets.
  std::uint32_t harvest(PacketBurst& out) noexcept {
    const std::uint32_t before = out.size();
    const std::uint32_t buffer_bytes = pool_->buffer_bytes();
    for (; head_ != tail_ && out.room() > 0; ++head_) {
      const std::uint64_t done = dma::load_once(ring_[head_].status_length);
      const RxStatus::Word status{static_cast<std::uint32_t>(done)};
      if (!status[RxStatus::dd]) break;
      const RxLength::Word word{static_cast<std::uint32_t>(done >> 32)};
      const std::uint16_t length = word[RxLength::length];
      const std::uint32_t id = ids_[ring_.slot(head_)];
      const bool bad = (status.bits & RxStatus::kBadFrame) != 0 || length == 0 || length > buffer_bytes;
      if (bad) [[unlikely]] {
        pool_->give({&id, 1});
        ++rejected_;
        continue;
      }
      out.append({.data = pool_->data(id),
                  .id = id,
                  .length = length,
                  .flags = status[RxStatus::eop] ? std::uint16_t{0} : Packet::kMore});
    }
    dma::acquire();  // DD was seen: what the device wrote before it, the frames, may be read now
    return out.size() - before;
  }

  /// Gives the device a buffer for every free descriptor, as far as the pool has them; not yet visible to it.
  /// Returns how many. Cost: no MMIO.
  std::uint32_t refill() noexcept {
    const std::uint32_t wanted = ring_.capacity() - 1 - (tail_ - head_);
    std::uint32_t done = 0;
    while (done < wanted) {
      std::uint32_t ids[kChunk];
      const std::uint32_t ask = wanted - done < kChunk ? wanted - done : kChunk;
      const std::uint32_t got = pool_->take({ids, ask});
      for (std::uint32_t i = 0; i < got; ++i, ++tail_) {
        ring_[tail_] = RxDescriptor::given(pool_->bus(ids[i]));
        ids_[ring_.slot(tail_)] = ids[i];
      }
      done += got;
      if (got < ask) {
        ++starved_;
        break;
      }
    }
    return done;
  }

  /// Tells the device of refilled descriptors: at once when `now`, else when a fair number has gathered.
  /// Cost: at most 1 MMIO write.
  void publish(bool now) noexcept {
    const std::uint32_t fresh = tail_ - published_;
    if (fresh == 0 || (!now && fresh < publish_batch())) return;
    doorbell_.ring(ring_.slot(tail_));
    published_ = tail_;
  }

  /// harvest, refill, publish: an idle look publishes what is left over, a busy one in batches.
  std::uint32_t rx_burst(PacketBurst& out) noexcept {
    POLLUX_ASSERT(&out.pool() == pool_, "a burst of another pool");
    const std::uint32_t n = harvest(out);
    if (tail_ - head_ != ring_.capacity() - 1) refill();
    publish(n == 0);
    return n;
  }

  /// Returns every buffer to the pool. Pre: the device no longer works on the ring.
  void release_all() noexcept {
    for (; head_ != tail_; ++head_) pool_->give({&ids_[ring_.slot(head_)], 1});
    head_ = tail_ = published_ = 0;
    ring_.clear();
  }

  [[nodiscard]] std::uint64_t rejected() const noexcept { return rejected_; }  ///< frames
  [[nodiscard]] std::uint64_t starved() const noexcept { return starved_; }    ///< times the pool was empty

 private:
  static constexpr std::uint32_t kChunk = 32;  ///< buffers per call of the pool

  [[nodiscard]] std::uint32_t publish_batch() const noexcept {
    return ring_.capacity() < 64 ? ring_.capacity() / 4 : 16;
  }

  DescRing<RxDescriptor> ring_;
  std::uint32_t* ids_;  ///< buffer number of each slot
  BufferStore* pool_;
  reg::Doorbell<Rdt, Io> doorbell_;
  std::uint32_t head_ = 0;       ///< next descriptor to harvest
  std::uint32_t tail_ = 0;       ///< next descriptor to refill
  std::uint32_t published_ = 0;  ///< tail_ as the device knows it
  std::uint64_t rejected_ = 0;
  std::uint64_t starved_ = 0;
};

}  // namespace pollux::e1000

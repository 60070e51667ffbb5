// SPDX-License-Identifier: BSD-3-Clause
// Receive queue of 82599 and X540: harvest what the device has filled, refill the ring, ring the doorbell.
#pragma once
#include <cstdint>

#include <pollux/core/order.hpp>
#include <pollux/dma/buffers.hpp>
#include <pollux/dma/ring.hpp>
#include <pollux/ixgbe/desc.hpp>
#include <pollux/ixgbe/regs.hpp>
#include <pollux/net/burst.hpp>
#include <pollux/reg/bar.hpp>

namespace pollux::ixgbe {

/// The descriptors [head, tail) belong to the device; at most capacity - 1 of them, because RDT = RDH means "none".
/// A queue over a default-made ring has room for none: it receives nothing, and is never released.
/// Threads: one. No call makes a system call, allocates, blocks or reads a register.
template <reg::RegisterIo Io>
class RxQueue {
 public:
  /// Pre: `shadow` holds ring.capacity() entries; both live as long as the queue. The device's RDH and RDT are 0.
  RxQueue(DescRing<RxDescriptor> ring, std::uint32_t* shadow, BufferStore& pool,
          reg::Doorbell<Rdt, Io> doorbell) noexcept
      : ring_(ring), ids_(shadow), pool_(&pool), doorbell_(doorbell) {}

  /// Appends received packets to `out` until it is full or the device has no more; returns how many. Damaged frames,
  /// impossible lengths and coalesced frames go back to the pool and are counted. A frame of several buffers comes as
  /// packets with Packet::kMore set on all but the last, only after its end has arrived and was found good.
  /// Cost: no MMIO; one cache line of descriptors per 4 packets.
  std::uint32_t harvest(PacketBurst& out) noexcept {
    const std::uint32_t before = out.size();
    while (head_ != tail_ && out.room() > 0) {
      const std::uint64_t done = dma::load_once(ring_[head_].status_length);
      const RxStatus::Word status = RxDescriptor::status(done);
      if (!status[RxStatus::dd]) break;
      dma::acquire();  // DD was seen: the rest of the descriptor and the frame may be read now
      const bool last = status[RxStatus::eop];
      const bool plain = last && !torn_ && !refusable(head_, done);
      if (!plain && judged_ == 0) [[unlikely]] {
        if (!judge_frame()) break;
        continue;
      }
      const std::uint32_t id = ids_[ring_.slot(head_)];
      out.append({.data = pool_->data(id),
                  .id = id,
                  .length = RxDescriptor::length(done)[RxLength::length],
                  .flags = last ? std::uint16_t{0} : Packet::kMore});
      judged_ -= judged_ != 0;
      ++head_;
    }
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
  /// Pre: RXDCTL.ENABLE reads 1; a tail written before is lost. Cost: at most 1 MMIO write.
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
    give_back(tail_);
    head_ = tail_ = published_ = judged_ = 0;
    torn_ = false;
    ring_.clear();
  }

  [[nodiscard]] std::uint64_t rejected() const noexcept { return rejected_; }  ///< frames
  [[nodiscard]] std::uint64_t starved() const noexcept { return starved_; }    ///< times the pool was empty

 private:
  static constexpr std::uint32_t kChunk = 32;  ///< buffers per call of the pool

  /// Whether the descriptor at `index`, written back as `done`, speaks against its frame. The last one of a frame
  /// holds the verdict of the device; every length must lie within the buffer.
  [[nodiscard]] bool refusable(std::uint32_t index, std::uint64_t done) const noexcept {
    const std::uint16_t length = RxDescriptor::length(done)[RxLength::length];
    if (length == 0 || length > pool_->buffer_bytes()) return true;
    const RxStatus::Word status = RxDescriptor::status(done);
    if (!status[RxStatus::eop]) return false;
    const RxInfo::Word info = RxDescriptor::info(dma::load_once(ring_[index].address));
    return (status.bits & RxStatus::kBadFrame) != 0 || info[RxInfo::rsc_count] != 0;
  }

  /// Looks at the whole frame that begins at head: a good one is passed (judged_ tells its length), a bad one goes
  /// back to the pool. Returns false while its end has not arrived. A frame that has used up every descriptor without
  /// an end is bad, and so is what follows up to that end.
  bool judge_frame() noexcept {
    bool bad = torn_;
    for (std::uint32_t at = head_; at != tail_; ++at) {
      const std::uint64_t done = dma::load_once(ring_[at].status_length);
      const RxStatus::Word status = RxDescriptor::status(done);
      if (!status[RxStatus::dd]) return false;
      dma::acquire();
      bad = refusable(at, done) || bad;
      if (!status[RxStatus::eop]) continue;
      if (!bad) return judged_ = at + 1 - head_, true;
      rejected_ += torn_ ? 0 : 1;  // a torn one was counted when it tore
      torn_ = false;
      return give_back(at + 1), true;
    }
    rejected_ += torn_ ? 0 : 1;
    torn_ = true;
    return give_back(tail_), true;
  }

  /// Gives the buffers of [head, end) to the pool.
  void give_back(std::uint32_t end) noexcept {
    for (; head_ != end; ++head_) pool_->give({&ids_[ring_.slot(head_)], 1});
  }

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
  std::uint32_t judged_ = 0;     ///< descriptors from head on that belong to a frame found good
  bool torn_ = false;            ///< the next descriptors, up to an EOP, end a frame that was refused
  std::uint64_t rejected_ = 0;
  std::uint64_t starved_ = 0;
};

}  // namespace pollux::ixgbe

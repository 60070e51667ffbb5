// SPDX-License-Identifier: BSD-3-Clause
// RxRing: the receive queue of a descriptor-ring NIC: harvest what the device has filled, refill the ring, publish.
#pragma once
#include <cstdint>

#include <pollux/core/order.hpp>
#include <pollux/dma/buffers.hpp>
#include <pollux/dma/ring.hpp>
#include <pollux/net/burst.hpp>

namespace pollux {

/// What a receive descriptor says once the device is done with it.
struct RxCompletion {
  bool done = false;          ///< DD; nothing else means anything without it
  bool end_of_frame = false;  ///< EOP
  bool bad = false;           ///< the device found the frame damaged, or the completion cannot be
  std::uint16_t length = 0;   ///< [bytes] in this buffer, without FCS
};

/// Format: `Descriptor` (trivially copyable), `given(BusAddr)` makes one for the device, `look(const Descriptor&)`
/// reads one, DD first and once. Bell: `ring(tail)` tells the device.
///
/// The descriptors [head, tail) belong to the device; at most capacity - 1 of them, because head = tail means "none".
/// A frame is judged whole before any part of it is delivered: one with a bad buffer, or with more buffers than any
/// frame can have, goes back to the pool and is counted. A ring over a default-made DescRing receives nothing. Threads:
/// one. No call makes a system call, allocates, blocks or reads a register.
template <class Format, class Bell>
class RxRing {
 public:
  using Descriptor = typename Format::Descriptor;
  static constexpr std::uint32_t kMostBuffers = 64;  ///< of one frame: 16 KiB in buffers of 256 bytes

  /// Pre: `shadow` holds ring.capacity() entries; both live as long as this. The device's head and tail are 0.
  RxRing(DescRing<Descriptor> ring, std::uint32_t* shadow, BufferStore& pool, Bell bell) noexcept
      : ring_(ring), ids_(shadow), pool_(&pool), bell_(bell) {}

  /// Appends received packets to `out` until it is full or the device has no more; returns how many. A frame of several
  /// buffers comes as packets with Packet::kMore on all but the last, in one burst or over several, but not before its
  /// end has arrived and was found good.
  /// Cost: no MMIO; one cache line of descriptors per 4 packets. The frames themselves are not touched.
  std::uint32_t harvest(PacketBurst& out) noexcept {
    const std::uint32_t before = out.size();
    while (head_ != tail_ && out.room() > 0) {
      const RxCompletion seen = Format::look(ring_[head_]);
      if (!seen.done) break;
      const bool plain = seen.end_of_frame && !torn_ && !refusable(seen);
      if (!plain && judged_ == 0) [[unlikely]] {
        if (!judge_frame()) break;
        continue;
      }
      std::uint16_t length = seen.length;
      bool more = false;
      if (judged_ != 0) [[unlikely]] {  // as judged, whatever the device has written since
        more = --judged_ != 0;
        if (length == 0 || length > pool_->buffer_bytes()) length = 1;
      }
      const std::uint32_t id = ids_[ring_.slot(head_++)];
      out.append(
          {.data = pool_->data(id), .id = id, .length = length, .flags = more ? Packet::kMore : std::uint16_t{0}});
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
        ring_[tail_] = Format::given(pool_->bus(ids[i]));
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
    bell_.ring(ring_.slot(tail_));
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

  /// Whether rx_burst would get on: a whole frame has arrived, or the device has no descriptor left although there are
  /// buffers for it. Who sleeps while this is false misses nothing. Cost: no MMIO; one descriptor, unless a frame of
  /// several buffers has begun.
  [[nodiscard]] bool rx_ready() const noexcept {
    if (head_ == published_) [[unlikely]]
      return tail_ != published_ || can_refill();
    const RxCompletion seen = Format::look(ring_[head_]);
    return seen.done && (seen.end_of_frame || judged_ != 0 || frame_is_whole());
  }

  /// Returns every buffer to the pool. Pre: the device no longer works on the ring.
  void release_all() noexcept {
    give_back(tail_);
    head_ = tail_ = published_ = judged_ = 0;
    torn_ = false;
    ring_.clear();
  }

  [[nodiscard]] const DescRing<Descriptor>& ring() const noexcept { return ring_; }
  [[nodiscard]] std::uint64_t rejected() const noexcept { return rejected_; }  ///< [frames]
  [[nodiscard]] std::uint64_t starved() const noexcept { return starved_; }    ///< times the pool was empty

 private:
  static constexpr std::uint32_t kChunk = 32;  ///< buffers per call of the pool

  [[nodiscard]] std::uint32_t publish_batch() const noexcept {
    return ring_.capacity() < 64 ? ring_.capacity() / 4 : 16;
  }

  [[nodiscard]] bool can_refill() const noexcept {
    return tail_ - head_ != ring_.capacity() - 1 && pool_->free_count() > 0;
  }
  [[nodiscard]] std::uint32_t most_buffers() const noexcept {
    return ring_.capacity() - 1 < kMostBuffers ? ring_.capacity() - 1 : kMostBuffers;
  }
  /// Whether judge_frame would come to a verdict on the frame at head.
  [[nodiscard]] bool frame_is_whole() const noexcept {
    for (std::uint32_t at = head_; at != tail_; ++at) {
      const RxCompletion seen = Format::look(ring_[at]);
      if (!seen.done) return false;
      if (seen.end_of_frame || at + 1 - head_ >= most_buffers()) return true;
    }
    return false;
  }

  /// Whether this descriptor speaks against its frame.
  [[nodiscard]] bool refusable(const RxCompletion& seen) const noexcept {
    return seen.bad || seen.length == 0 || seen.length > pool_->buffer_bytes();
  }

  /// Looks at the whole frame that begins at head: a good one is passed (judged_ tells its length), a bad one goes back
  /// to the pool. Returns false while its end has not arrived. A frame that has no end within its bound is torn: bad,
  /// and so is what follows up to that end.
  bool judge_frame() noexcept {
    const std::uint32_t bound = most_buffers();
    bool bad = torn_;
    for (std::uint32_t at = head_; at != tail_; ++at) {
      const RxCompletion seen = Format::look(ring_[at]);
      if (!seen.done) return false;
      bad = refusable(seen) || bad;
      if (!seen.end_of_frame && at + 1 - head_ < bound) continue;
      if (seen.end_of_frame && !bad) return judged_ = at + 1 - head_, true;
      rejected_ += torn_ ? 0 : 1;  // a torn one was counted when it tore
      torn_ = !seen.end_of_frame;
      return give_back(at + 1), true;
    }
    return false;
  }

  /// Gives the buffers of [head, end) to the pool.
  void give_back(std::uint32_t end) noexcept {
    for (; head_ != end; ++head_) pool_->give({&ids_[ring_.slot(head_)], 1});
  }

  DescRing<Descriptor> ring_;
  std::uint32_t* ids_;  ///< buffer number of each slot
  BufferStore* pool_;
  Bell bell_;
  std::uint32_t head_ = 0;       ///< next descriptor to harvest
  std::uint32_t tail_ = 0;       ///< next descriptor to refill
  std::uint32_t published_ = 0;  ///< tail_ as the device knows it
  std::uint32_t judged_ = 0;     ///< descriptors from head on that belong to a frame found good
  bool torn_ = false;            ///< the next descriptors, up to an EOP, end a frame that was refused
  std::uint64_t rejected_ = 0;
  std::uint64_t starved_ = 0;
};

}  // namespace pollux

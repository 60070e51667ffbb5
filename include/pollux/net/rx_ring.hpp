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
/// Frames are delivered whole or not at all: one whose last buffer is bad, or that has more buffers than any frame can
/// have, or than the caller's burst holds, goes back to the pool with all its buffers and is counted.
/// Threads: one. No call makes a system call, allocates, blocks or reads a register.
template <class Format, class Bell>
class RxRing {
 public:
  using Descriptor = typename Format::Descriptor;
  static constexpr std::uint32_t kMostBuffers = 32;  ///< of one frame: 16 KiB in the smallest buffers there are

  /// Pre: `shadow` holds ring.capacity() entries; both live as long as this. The device's head and tail are 0.
  RxRing(DescRing<Descriptor> ring, std::uint32_t* shadow, BufferStore& pool, Bell bell) noexcept
      : ring_(ring), ids_(shadow), pool_(&pool), bell_(bell) {}

  /// Appends received frames to `out` until it is full or the device has no more; returns how many packets. A frame of
  /// several buffers comes as packets with Packet::kMore on all but the last.
  /// Cost: no MMIO; one cache line of descriptors per 4 packets. The frames themselves are not touched.
  std::uint32_t harvest(PacketBurst& out) noexcept {
    const std::uint32_t before = out.size();
    std::uint32_t whole = before;       // packets of whole frames in `out`
    std::uint32_t frame_start = head_;  // first descriptor of the frame being put together
    while (head_ != tail_ && out.room() > 0) {
      const RxCompletion seen = Format::look(ring_[head_]);
      if (!seen.done) break;
      const std::uint32_t id = ids_[ring_.slot(head_++)];
      const bool impossible = seen.length == 0 || seen.length > pool_->buffer_bytes();
      if (seen.bad || impossible || refusing_) [[unlikely]] {
        refuse_frame(out, whole, id, seen.end_of_frame);
        frame_start = head_;
        continue;
      }
      out.append({.data = pool_->data(id),
                  .id = id,
                  .length = seen.length,
                  .flags = seen.end_of_frame ? std::uint16_t{0} : Packet::kMore});
      if (seen.end_of_frame) [[likely]] {
        whole = out.size();
        frame_start = head_;
      } else if (head_ - frame_start == kMostBuffers) {
        refuse_frame(out, whole, kNoBuffer, false);
        frame_start = head_;
      }
    }
    if (out.size() != whole) [[unlikely]]
      hold_back(out, whole, frame_start);
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

  /// Returns every buffer to the pool. Pre: the device no longer works on the ring.
  void release_all() noexcept {
    for (; head_ != tail_; ++head_) pool_->give({&ids_[ring_.slot(head_)], 1});
    head_ = tail_ = published_ = 0;
    refusing_ = false;
    ring_.clear();
  }

  [[nodiscard]] const DescRing<Descriptor>& ring() const noexcept { return ring_; }
  [[nodiscard]] std::uint64_t rejected() const noexcept { return rejected_; }  ///< [frames]
  [[nodiscard]] std::uint64_t starved() const noexcept { return starved_; }    ///< times the pool was empty

 private:
  static constexpr std::uint32_t kChunk = 32;  ///< buffers per call of the pool
  static constexpr std::uint32_t kNoBuffer = ~0u;

  [[nodiscard]] std::uint32_t publish_batch() const noexcept {
    return ring_.capacity() < 64 ? ring_.capacity() / 4 : 16;
  }

  /// Gives the buffers of the frame at the back of `out`, and `id`, to the pool. Until the frame's end has been seen,
  /// what follows belongs to it and is refused too.
  void refuse_frame(PacketBurst& out, std::uint32_t whole, std::uint32_t id, bool frame_ends) noexcept {
    if (!refusing_) ++rejected_;
    refusing_ = !frame_ends;
    for (; out.size() > whole; out.forget_back(1)) pool_->give({&out[out.size() - 1].id, 1});
    if (id != kNoBuffer) pool_->give({&id, 1});
  }

  /// A frame's beginning is there, its end is not, or found no room. It stays in the ring for the next look, which
  /// finds it unchanged; one that is alone in a full burst would never fit and is refused.
  void hold_back(PacketBurst& out, std::uint32_t whole, std::uint32_t frame_start) noexcept {
    if (out.room() == 0 && whole == 0) return refuse_frame(out, whole, kNoBuffer, false);
    out.forget_back(out.size() - whole);
    head_ = frame_start;
  }

  DescRing<Descriptor> ring_;
  std::uint32_t* ids_;  ///< buffer number of each slot
  BufferStore* pool_;
  Bell bell_;
  std::uint32_t head_ = 0;       ///< next descriptor to harvest
  std::uint32_t tail_ = 0;       ///< next descriptor to refill
  std::uint32_t published_ = 0;  ///< tail_ as the device knows it
  bool refusing_ = false;        ///< in the middle of a frame that is refused
  std::uint64_t rejected_ = 0;
  std::uint64_t starved_ = 0;
};

}  // namespace pollux

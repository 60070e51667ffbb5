// SPDX-License-Identifier: BSD-3-Clause
// RxRing: the receive queue of a descriptor-ring NIC: harvest what the device has filled, refill the ring, publish.
#pragma once
#include <cstdint>
#include <span>

#include <pollux/core/order.hpp>
#include <pollux/dma/buffers.hpp>
#include <pollux/dma/ring.hpp>
#include <pollux/net/burst.hpp>
#include <pollux/net/lanes.hpp>

namespace pollux {

/// What a receive descriptor says once the device is done with it.
struct RxCompletion {
  bool done = false;          ///< DD; nothing else means anything without it
  bool end_of_frame = false;  ///< EOP
  bool bad = false;           ///< the device found the frame damaged, or the completion cannot be
  std::uint16_t length = 0;   ///< [bytes] in this buffer, without FCS
};

/// Format: `Descriptor`, 16 bytes in two words: given to the device as {bus address, 0}; written back with the length
/// in bits 47:32 of word 1. `word0`, `word1` load one of them, once. A frame that is whole, good and in one buffer has
/// word 1 & kMask1 == kPlain1 and word 0 & kMask0 == 0. `look(const Descriptor&)` tells of any other, DD first and
/// once. Bell: `ring(tail)` tells the device. Lanes: how many descriptors are looked at in one go. `Metadata`: the two
/// words that the device wrote, as the last buffer of a frame has them; both 0: it says nothing.
///
/// The descriptors [head, tail) belong to the device; at most capacity - 1 of them, because head = tail means "none".
/// A frame is judged whole before any part of it is delivered: one with a bad buffer, or with more buffers than any
/// frame can have, goes back to the pool and is counted. A ring over a default-made DescRing receives nothing. Threads:
/// one. No call makes a system call, allocates, blocks or reads a register.
template <class Format, class Bell, class Lanes = TargetLanes>
class RxRing {
 public:
  using Descriptor = typename Format::Descriptor;
  using Metadata = typename Format::Metadata;
  static_assert(sizeof(Descriptor) == 16 && sizeof(Metadata) == 16);
  static constexpr std::uint32_t kMostBuffers = 64;  ///< of one frame: 16 KiB in buffers of 256 bytes

  /// Pre: `shadow` holds ring.capacity() entries; both live as long as this. The device's head and tail are 0.
  RxRing(DescRing<Descriptor> ring, std::uint32_t* shadow, BufferStore& pool, Bell bell) noexcept
      : ring_(ring),
        ids_(shadow),
        pool_(&pool),
        bell_(bell),
        batch_(ring.capacity() / 4 < kMostAtOnce ? ring.capacity() / 4 : kMostAtOnce),
        rearm_at_(batch_ - (ring.capacity() - 1)) {}

  /// Appends received packets to `out` until it is full or the device has no more; returns how many. A frame of several
  /// buffers comes as packets with Packet::kMore on all but the last, in one burst or over several, but not before its
  /// end has arrived and was found good.
  /// Cost: no MMIO; one cache line of descriptors per 4 packets. The frames themselves are not touched.
  [[gnu::always_inline]] std::uint32_t harvest(PacketBurst& out) noexcept {
    return harvest_up_to(out.room(), out, kNoMetadata);
  }
  /// As harvest, and what the device says of each packet it appended, in order: meta[0] of the first. At most
  /// meta.size() packets. Cost: one store of 16 bytes more per packet, less with lanes.
  [[gnu::always_inline]] std::uint32_t harvest(PacketBurst& out, std::span<Metadata> meta) noexcept {
    const std::size_t most = meta.size() < out.room() ? meta.size() : out.room();
    return harvest_up_to(static_cast<std::uint32_t>(most), out, meta.data());
  }

  /// Gives the device a buffer for every free descriptor, as far as the pool has them; not yet visible to it.
  /// Returns how many. Cost: no MMIO.
  std::uint32_t refill() noexcept {
    const std::uint32_t wanted = missing();
    const std::uint32_t n = wanted < pool_->free_count() ? wanted : pool_->free_count();
    for (std::uint32_t left = n; left != 0;) {
      const std::uint32_t to_wrap = ring_.capacity() - ring_.slot(tail_);
      const std::uint32_t part = left < to_wrap ? left : to_wrap;
      give_device(part);
      left -= part;
    }
    if (n < wanted) ++starved_;
    return n;
  }

  /// Tells the device of refilled descriptors. Cost: 1 MMIO write, none when there is nothing new.
  void publish() noexcept {
    if (published_ == tail_) return;
    bell_.ring(ring_.slot(tail_));
    published_ = tail_;
    rearm_at_ = tail_ - (ring_.capacity() - 1) + batch_;
  }

  /// Harvests; refills and publishes once a fair number of descriptors is free, or when there is nothing else to do.
  /// `meta`: none, or as harvest takes it.
  template <class... Meta>
  [[gnu::always_inline]] std::uint32_t rx_burst(PacketBurst& out, Meta... meta) noexcept {
    POLLUX_ASSERT(&out.pool() == pool_, "a burst of another pool");
    if (!Format::done(Format::word1(ring_[head_]))) {
      if (unpublished() != 0) rearm();
      return 0;
    }
    const std::uint32_t n = harvest(out, meta...);
    if (static_cast<std::int32_t>(head_ - rearm_at_) >= 0 || n == 0) [[unlikely]]
      rearm();
    return n;
  }

  /// Whether rx_burst would get on: a whole frame has arrived, or the device has no descriptor left although there are
  /// buffers for it. Who sleeps while this is false misses nothing. Cost: no MMIO; one descriptor, unless a frame of
  /// several buffers has begun.
  [[nodiscard]] bool rx_ready() const noexcept {
    if (head_ == published_) [[unlikely]]
      return tail_ != published_ || (missing() != 0 && pool_->free_count() > 0);
    const RxCompletion seen = Format::look(ring_[head_]);
    return seen.done && (seen.end_of_frame || judged_ != 0 || frame_is_whole());
  }

  /// Returns every buffer to the pool. Pre: the device no longer works on the ring.
  void release_all() noexcept {
    give_back(tail_);
    head_ = tail_ = published_ = judged_ = 0;
    rearm_at_ = batch_ - (ring_.capacity() - 1);
    torn_ = unusual_ = false;
    ring_.clear();
  }

  [[nodiscard]] const DescRing<Descriptor>& ring() const noexcept { return ring_; }
  [[nodiscard]] std::uint64_t rejected() const noexcept { return rejected_; }  ///< [frames]
  [[nodiscard]] std::uint64_t starved() const noexcept { return starved_; }    ///< times the pool was empty

 private:
  static constexpr std::uint64_t kLength = std::uint64_t{0xFFFF} << 32;                 ///< its bits in word 1
  static constexpr std::uint64_t kShortest = std::uint64_t{1} << 32 | Format::kPlain1;  ///< a plain frame of 1 byte
  /// Descriptors that make a run worth it.
  static constexpr std::uint32_t kRun = Lanes::kCount > 1 ? Lanes::kCount : 4;
  static constexpr std::uint32_t kMostAtOnce = 32;  ///< buffers that are refilled before the device is told

  /// Descriptors that have no buffer.
  [[nodiscard]] std::uint32_t missing() const noexcept { return ring_.capacity() - 1 - (tail_ - head_); }
  /// Descriptors that the device does not know to have one.
  [[nodiscard]] std::uint32_t unpublished() const noexcept { return ring_.capacity() - 1 - (published_ - head_); }

  [[gnu::noinline]] void rearm() noexcept {
    refill();
    publish();
  }

  /// Where metadata goes: Metadata*, or nowhere.
  struct NoMetadata {
    constexpr NoMetadata operator+(std::size_t) const noexcept { return {}; }
  };
  static constexpr NoMetadata kNoMetadata{};
  template <class To>
  static constexpr bool kIsWanted = !std::is_same_v<To, NoMetadata>;

  /// Many plain frames are taken by runs; of a few, each by itself: setting up a run is dearer than what it saves them.
  /// Pre: most <= out.room().
  template <class MetaTo>
  [[gnu::always_inline]] std::uint32_t harvest_up_to(std::uint32_t most, PacketBurst& out, MetaTo meta) noexcept {
    if (unusual_) [[unlikely]]
      return harvest_judging(most, out, meta);
    const std::uint32_t owned = tail_ - head_;
    if (owned < most) most = owned;
    Packet* const to = out.back(most);
    std::uint32_t n = most >= kRun && begins_run(head_) ? harvest_runs(to, most, meta) : 0;
    for (; n != most; ++n) {
      if (harvest_one(to + n, ring_.slot(head_ + n), meta + n)) [[likely]]
        continue;
      take(n, out);
      return unusual_ ? n + harvest_judging(most - n, out, meta + n) : n;
    }
    take(n, out);
    return n;
  }
  /// n packets were written behind those in `out`.
  void take(std::uint32_t n, PacketBurst& out) noexcept {
    dma::acquire();  // DD was seen: what the device wrote before it, the frames, may be read now
    out.extend(n);
    head_ += n;
  }

  /// Whether kRun descriptors from `index` on are done, and do not wrap.
  [[nodiscard]] bool begins_run(std::uint32_t index) const noexcept {
    const std::uint32_t last = ring_.slot(index) + kRun - 1;
    return last < ring_.capacity() && Format::done(Format::word1(ring_[last]));
  }
  /// Plain frames by runs, as far as runs go.
  template <class MetaTo>
  std::uint32_t harvest_runs(Packet* to, std::uint32_t most, MetaTo meta) noexcept {
    for (std::uint32_t n = 0;;) {
      const std::uint32_t slot = ring_.slot(head_ + n), to_wrap = ring_.capacity() - slot, left = most - n;
      const std::uint32_t run = harvest_run(to + n, slot, left < to_wrap ? left : to_wrap, meta + n);
      n += run;
      if (run != to_wrap || most - n < kRun || !begins_run(head_ + n)) return n;
    }
  }

  /// Length less 1 above, flags less those wanted below: exchanged, all of it is below the buffers' size, or the frame
  /// is not plain.
  static std::uint64_t judge_plain(std::uint64_t word1) noexcept {
    const std::uint64_t judged = (word1 & (kLength | Format::kMask1)) - kShortest;
    return judged << 32 | judged >> 32;
  }
  template <class MetaTo>
  [[gnu::always_inline]] bool harvest_one(Packet* to, std::uint32_t slot, MetaTo meta) noexcept {
    return harvest_plain(to, ring_[slot], ids_[slot], pool_->data(0), pool_->stride(), pool_->buffer_bytes(), meta);
  }
  template <class MetaTo>
  [[gnu::always_inline]] bool harvest_plain(Packet* to, const Descriptor& descriptor, std::uint64_t id, std::byte* base,
                                            std::uint64_t stride, std::uint64_t most_bytes, MetaTo meta) noexcept {
    const std::uint64_t word1 = Format::word1(descriptor), length = judge_plain(word1);
    if (length >= most_bytes) [[unlikely]] {
      unusual_ = Format::done(word1);
      return false;
    }
    if constexpr (Format::kMask0 != 0 || kIsWanted<MetaTo>) {
      dma::acquire();  // DD was seen: the other word may be read now
      const std::uint64_t word0 = Format::word0(descriptor);
      if ((word0 & Format::kMask0) != 0) [[unlikely]]
        return unusual_ = true, false;
      if constexpr (kIsWanted<MetaTo>) dma::store_two(meta, word0, word1);
    }
    Packet::make(to, base + id * stride, id | (length + 1) << 32);
    return true;
  }

  /// Plain frames of n descriptors, none of which wraps: whole groups of them. Returns how many there are before any
  /// other descriptor. State is in locals: packets may lie anywhere for all the compiler knows, so it would load
  /// members anew after each.
  template <class MetaTo>
  std::uint32_t harvest_run(Packet* to, std::uint32_t slot, std::size_t n, MetaTo meta) noexcept {
    const Descriptor* from = &ring_[slot];
    const std::uint32_t* ids = ids_ + slot;
    if constexpr (Lanes::kCount > 1) {
      return harvest_lanes(to, from, ids, n, meta);
    } else {
      std::byte* const base = pool_->data(0);
      const std::uint64_t stride = pool_->stride(), most_bytes = pool_->buffer_bytes();
      std::uint32_t done = 0;
      for (; done + kRun <= n; done += kRun, from += kRun, to += kRun, ids += kRun, meta = meta + kRun) {
        POLLUX_UNROLL
        for (std::uint32_t k = 0; k < kRun; ++k) {
          if (!harvest_plain(to + k, from[k], ids[k], base, stride, most_bytes, meta + k)) [[unlikely]]
            return done + k;
        }
      }
      return done;
    }
  }

  /// Whole groups of plain frames out of n descriptors.
  template <class MetaTo>
  std::uint32_t harvest_lanes(Packet* to, const Descriptor* from, const std::uint32_t* ids, std::size_t n,
                              MetaTo meta) const noexcept
    requires(Lanes::kCount > 1)
  {
    const BufferStore& pool = *pool_;
    // As judge_plain does it; word 0 has nothing that is wanted, and its limit is one.
    const auto mask = Lanes::pairs(Format::kMask0, kLength | Format::kMask1);
    const auto wanted = Lanes::pairs(0, kShortest), limits = Lanes::pairs(1, pool.buffer_bytes());
    const auto length_bits = Lanes::pairs(0, kLength), scale = Lanes::pairs(pool.stride(), 1);
    const auto base = Lanes::pairs(reinterpret_cast<std::uintptr_t>(pool.data(0)), 0);
    std::size_t done = 0;
    for (; done + Lanes::kCount <= n; done += Lanes::kCount) {
      const auto seen = Lanes::load_last_first(from + done);
      if (!Lanes::all_below(Lanes::exchange_halves((seen & mask) - wanted), limits)) break;
      // Word 0: the address of buffer `id`. Word 1: `id` and the length, where Packet has them.
      const auto place = Lanes::multiply(Lanes::spread(ids + done), scale) + base;
      Lanes::store(to + done, place | (seen & length_bits));
      if constexpr (kIsWanted<MetaTo>) Lanes::store(meta + done, seen);
    }
    return static_cast<std::uint32_t>(done);
  }

  /// As harvest, for frames that are not plain: in several buffers, or refused.
  template <class MetaTo>
  [[gnu::noinline, gnu::cold]] std::uint32_t harvest_judging(std::uint32_t most, PacketBurst& out,
                                                             MetaTo meta) noexcept {
    std::uint32_t done = 0;
    while (head_ != tail_ && done < most) {
      const Descriptor& descriptor = ring_[head_];
      const RxCompletion seen = Format::look(descriptor);
      if (!seen.done) break;
      const bool plain = seen.end_of_frame && !torn_ && !refusable(seen);
      if (!plain && judged_ == 0) {
        if (!judge_frame()) break;
        continue;
      }
      std::uint16_t length = seen.length;
      bool more = false;
      if (judged_ != 0) {  // as judged, whatever the device has written since
        more = --judged_ != 0;
        if (length == 0 || length > pool_->buffer_bytes()) length = 1;
      }
      if constexpr (kIsWanted<MetaTo>) {
        dma::acquire();  // as above
        dma::store_two(meta + done, more ? 0 : Format::word0(descriptor), more ? 0 : Format::word1(descriptor));
      }
      ++done;
      const std::uint32_t id = ids_[ring_.slot(head_++)];
      out.append(
          {.data = pool_->data(id), .id = id, .length = length, .flags = more ? Packet::kMore : std::uint16_t{0}});
    }
    dma::acquire();  // DD was seen: what the device wrote before it, the frames, may be read now
    unusual_ = judged_ != 0 || torn_;
    return done;
  }

  /// Gives n free buffers to the descriptors from tail on. Pre: there are as many, and none of the descriptors wraps.
  void give_device(std::uint32_t n) noexcept {
    BufferStore& pool = *pool_;
    const std::uint32_t* ids = pool.take_in_place(n);
    const std::uint32_t slot = ring_.slot(tail_);
    Descriptor* const to = &ring_[slot];
    std::uint32_t* const shadow = ids_ + slot;
    std::size_t i = 0;
    if constexpr (Lanes::kCount > 1) {
      const auto scale = Lanes::pairs(pool.stride(), 0), base = Lanes::pairs(pool.bus(0).value(), 0);
      for (; i + Lanes::kCount <= n; i += Lanes::kCount) {
        Lanes::store(to + i, Lanes::multiply(Lanes::spread(ids + i), scale) + base);
        __builtin_memcpy(shadow + i, ids + i, Lanes::kCount * sizeof(std::uint32_t));
      }
    }
    const BusAddr base = pool.bus(0);
    const std::uint64_t stride = pool.stride();
    POLLUX_UNROLL
    for (ids += i; i < n; ++i, ++ids) {
      one_by_one(ids);
      to[i] = Format::given(base + *ids * stride);
      shadow[i] = *ids;
    }
    tail_ += n;
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
  std::uint32_t batch_;          ///< descriptors that are free before they are refilled
  std::uint32_t rearm_at_;       ///< head_ when they are
  std::uint32_t head_ = 0;       ///< next descriptor to harvest
  std::uint32_t tail_ = 0;       ///< next descriptor to refill
  std::uint32_t published_ = 0;  ///< tail_ as the device knows it
  bool unusual_ = false;         ///< judged_ or torn_ says something, or the frame at head is none of the plain ones
  std::uint32_t judged_ = 0;     ///< descriptors from head on that belong to a frame found good
  bool torn_ = false;            ///< the next descriptors, up to an EOP, end a frame that was refused
  std::uint64_t rejected_ = 0;
  std::uint64_t starved_ = 0;
};

}  // namespace pollux

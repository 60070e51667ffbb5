// SPDX-License-Identifier: BSD-3-Clause
// RxRing: the receive queue of a descriptor-ring NIC: harvest what the device has filled, refill the ring, publish.
#pragma once
#include <cstdint>
#include <span>

#include <pollux/core/endian.hpp>
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
        plain_{.buffers = pool.data(0), .stride = pool.stride(), .limit = pool.buffer_bytes()},
        batch_(batch(ring, kBatch)),
        more_after_burst_(batch(ring, 2 * kBatch) - batch_),
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
    return harvest_up_to(most_of(out, meta), out, meta.data());
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

  /// Harvests; refills and publishes once a quarter of the ring is free, or 32 descriptors, after several packets 64,
  /// or when there is nothing else to do.
  [[gnu::always_inline]] std::uint32_t rx_burst(PacketBurst& out) noexcept {
    return rx_burst_to(out, out.room(), kNoMetadata);
  }
  [[gnu::always_inline]] std::uint32_t rx_burst(PacketBurst& out, std::span<Metadata> meta) noexcept {
    return rx_burst_to(out, most_of(out, meta), meta.data());
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
    torn_ = false;
    plain_.limit = pool_->buffer_bytes();
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
  /// One by one, as many at a time; where there are lanes, only what they leave over is done so.
  static constexpr std::uint32_t kGroup = Lanes::kCount > 1 ? 1 : 4;
  /// Descriptors of a large ring that are free before they are refilled; after a burst, twice as many.
  static constexpr std::uint32_t kBatch = 32;
  static std::uint32_t batch(const DescRing<Descriptor>& ring, std::uint32_t most) noexcept {
    return ring.capacity() / 4 < most ? ring.capacity() / 4 : most;
  }

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

  static std::uint32_t most_of(const PacketBurst& out, std::span<Metadata> meta) noexcept {
    return meta.size() < out.room() ? static_cast<std::uint32_t>(meta.size()) : out.room();
  }
  template <class MetaTo>
  [[gnu::always_inline]] std::uint32_t rx_burst_to(PacketBurst& out, std::uint32_t most, MetaTo meta) noexcept {
    POLLUX_ASSERT(&out.pool() == pool_, "a burst of another pool");
    const std::uint32_t head = head_;
    const std::uint64_t word1 = Format::word1(ring_[head]);
    if (!Format::done(word1)) {
      if (unpublished() != 0) rearm();
      return 0;
    }
    if (most > 1 && Format::done(Format::word1(ring_[head + 1]))) return harvest_and_rearm(most, out, meta);
    // One has come, or one is wanted: nothing is set up for more.
    if (most == 0 || head == tail_ || !plain_.take(out.end(), ring_[head], word1, ids_[ring_.slot(head)], meta))
        [[unlikely]]
      return harvest_unusual(most, out, meta);
    dma::acquire();  // DD was seen: what the device wrote before it, the frame, may be read now
    out.extend(1);
    head_ = head + 1;
    if (rearm_is_due(head + 1)) [[unlikely]]
      rearm();
    return 1;
  }
  template <class MetaTo>
  [[gnu::always_inline]] std::uint32_t harvest_and_rearm(std::uint32_t most, PacketBurst& out, MetaTo meta) noexcept {
    const std::uint32_t n = harvest_up_to(most, out, meta);
    if (rearm_is_due(head_ - more_after_burst_) || n == 0) [[unlikely]]
      rearm();
    return n;
  }
  template <class MetaTo>
  [[gnu::noinline, gnu::cold]] std::uint32_t harvest_unusual(std::uint32_t most, PacketBurst& out,
                                                             MetaTo meta) noexcept {
    const std::uint32_t n = harvest_judging(most, out, meta);
    if (rearm_is_due(head_) || n == 0) rearm();
    return n;
  }
  [[nodiscard]] bool rearm_is_due(std::uint32_t head) const noexcept {
    return static_cast<std::int32_t>(head - rearm_at_) >= 0;
  }

  /// Many plain frames are taken by runs; of a few, each by itself: setting up a run is dearer than what it saves them.
  /// Pre: most <= out.room().
  template <class MetaTo>
  [[gnu::always_inline]] std::uint32_t harvest_up_to(std::uint32_t most, PacketBurst& out, MetaTo meta) noexcept {
    if (plain_.limit == 0) [[unlikely]]
      return harvest_judging(most, out, meta);
    const std::uint32_t owned = tail_ - head_;
    if (owned < most) most = owned;
    Packet* const to = out.end();
    std::uint32_t n = most >= kRun && begins_run(head_) ? harvest_runs(to, most, meta) : 0;
    for (const Plain plain = plain_; n != most; ++n) {
      const Descriptor& from = ring_[head_ + n];
      if (plain.take(to + n, from, Format::word1(from), ids_[ring_.slot(head_ + n)], meta + n)) [[likely]]
        continue;
      leave_to_judging(from);
      take(n, out);
      return plain_.limit == 0 ? n + harvest_judging(most - n, out, meta + n) : n;
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

  /// How plain frames are told and delivered. Copied to where it is used: packets may lie anywhere for all the compiler
  /// knows, so it would load members anew after each.
  struct Plain {
    std::byte* buffers;
    std::uint64_t stride;  ///< [bytes]
    std::uint64_t limit;   ///< [bytes] of a buffer; 0 while no frame is to be taken for plain

    /// Length less 1 above, flags less those wanted below: exchanged, all of it is below the limit, or the frame is not
    /// plain.
    static std::uint64_t judge(std::uint64_t word1) noexcept {
      const std::uint64_t judged = (word1 & (kLength | Format::kMask1)) - kShortest;
      return judged << 32 | judged >> 32;
    }
    /// The frame of a descriptor with this word 1, in buffer `id`. False: it is not plain, or not there.
    template <class MetaTo>
    [[gnu::always_inline]] bool take(Packet* to, const Descriptor& descriptor, std::uint64_t word1, std::uint64_t id,
                                     MetaTo meta) const noexcept {
      const std::uint64_t length = judge(word1);
      if (length >= limit) [[unlikely]]
        return false;
      if constexpr (Format::kMask0 != 0 || kIsWanted<MetaTo>) {
        dma::acquire();  // DD was seen: the other word may be read now
        const std::uint64_t word0 = kIsWanted<MetaTo> ? Format::word0(descriptor) : Format::settled0(descriptor);
        if ((word0 & Format::kMask0) != 0) [[unlikely]]
          return false;
        if constexpr (kIsWanted<MetaTo>) dma::store_two(meta, word0, word1);
      }
      Packet::make(to, buffers + id * stride, static_cast<std::uint32_t>(id), static_cast<std::uint32_t>(length) + 1);
      return true;
    }
  };
  /// Of a frame that Plain has not taken.
  void leave_to_judging(const Descriptor& descriptor) noexcept {
    if (Format::done(Format::word1(descriptor))) plain_.limit = 0;
  }

  /// Plain frames of n descriptors, none of which wraps: whole groups of them. Returns how many there are before any
  /// other descriptor.
  template <class MetaTo>
  std::uint32_t harvest_run(Packet* to, std::uint32_t slot, std::size_t n, MetaTo meta) noexcept {
    const Descriptor* from = &ring_[slot];
    const std::uint32_t* ids = ids_ + slot;
    if constexpr (Lanes::kCount > 1) {
      return harvest_lanes(to, from, ids, n, meta);
    } else {
      const Plain plain = plain_;
      const Packet* const begin = to;
      const Descriptor* const last = from + n / kRun * kRun;
      for (; from != last; from += kRun, to += kRun, ids += kRun, meta = meta + kRun) {
#pragma GCC unroll 4
        for (std::uint32_t k = 0; k < kRun; ++k) {
          if (!plain.take(to + k, from[k], Format::word1(from[k]), ids[k], meta + k)) [[unlikely]]
            return static_cast<std::uint32_t>(to - begin) + k;
        }
      }
      return static_cast<std::uint32_t>(to - begin);
    }
  }

  /// Whole groups of plain frames out of n descriptors.
  template <class MetaTo>
  std::uint32_t harvest_lanes(Packet* to, const Descriptor* from, const std::uint32_t* ids, std::size_t n,
                              MetaTo meta) const noexcept
    requires(Lanes::kCount > 1)
  {
    // As Plain does it; word 0 has nothing that is wanted, and its limit is one.
    const auto mask = Lanes::pairs(Format::kMask0, kLength | Format::kMask1);
    const auto wanted = Lanes::pairs(0, kShortest), limits = Lanes::pairs(1, plain_.limit);
    const auto length_bits = Lanes::pairs(0, kLength), scale = Lanes::pairs(plain_.stride, 1);
    const auto base = Lanes::pairs(reinterpret_cast<std::uintptr_t>(plain_.buffers), 0);
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
    plain_.limit = judged_ != 0 || torn_ ? 0 : pool_->buffer_bytes();
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
    give_one_by_one(to + i, shadow + i, ids + i, n - i);
    tail_ += n;
  }

  void give_one_by_one(Descriptor* to, std::uint32_t* shadow, const std::uint32_t* ids, std::size_t n) const noexcept {
    const auto give = [stride = plain_.stride, base = pool_->bus(0)](Descriptor* at, std::uint64_t id) {
      const Le64 address = (base + id * stride).value();
      const dma::TwoWords words{__builtin_bit_cast(std::uint64_t, address), 0};
      __builtin_memcpy(static_cast<void*>(at), &words, sizeof words);  // one store
    };
    for (; n >= kGroup; n -= kGroup, to += kGroup, shadow += kGroup, ids += kGroup) {
      one_by_one(ids);
      __builtin_memcpy(shadow, ids, kGroup * sizeof *ids);
#pragma GCC unroll 4
      for (std::size_t k = 0; k < kGroup; ++k) give(to + k, ids[k]);
    }
    for (; n != 0; --n, ++to, ++shadow, ++ids) {
      one_by_one(ids);
      *shadow = *ids;
      give(to, *ids);
    }
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
  Plain plain_;                     ///< limit 0: judged_ or torn_ says something, or the frame at head is not plain
  std::uint32_t batch_;             ///< descriptors that are free before they are refilled
  std::uint32_t more_after_burst_;  ///< besides, where several were harvested
  std::uint32_t rearm_at_;          ///< head_ when batch_ are free
  std::uint32_t head_ = 0;          ///< next descriptor to harvest
  std::uint32_t tail_ = 0;          ///< next descriptor to refill
  std::uint32_t published_ = 0;     ///< tail_ as the device knows it
  std::uint32_t judged_ = 0;        ///< descriptors from head on that belong to a frame found good
  bool torn_ = false;               ///< the next descriptors, up to an EOP, end a frame that was refused
  std::uint64_t rejected_ = 0;
  std::uint64_t starved_ = 0;
};

}  // namespace pollux

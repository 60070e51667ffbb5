// SPDX-License-Identifier: BSD-3-Clause
// TxRing: the transmit queue of a descriptor-ring NIC: post packets, publish them, reap the buffers of those sent.
#pragma once
#include <cstdint>

#include <pollux/core/order.hpp>
#include <pollux/dma/buffers.hpp>
#include <pollux/dma/ring.hpp>
#include <pollux/net/burst.hpp>
#include <pollux/net/lanes.hpp>

namespace pollux {

/// How one packet of a frame is to be sent.
struct TxPart {
  BusAddr buffer;
  std::uint16_t length = 0;  ///< [bytes] in this buffer
  std::uint32_t frame = 0;   ///< [bytes] of the whole frame, in its first part; 0 in later ones
  bool end_of_frame = true;  ///< EOP
  bool report = false;       ///< RS: the device writes DD when it has sent this and all before
};

/// Format: `Descriptor`, 16 bytes, the bus address in word 0. `given(const TxPart&)` makes any; word 1 of a frame in
/// one buffer, without RS, is kWhole + length, which ends in bit 15, | more_lengths(length), on numbers and on vectors;
/// kReport is RS in it, bits of Descriptor::command. `sent(const Descriptor&)` reads DD once. The device's limits are
/// `kMinFrame` [bytes] and `kMaxBuffers` per frame. Bell: `ring(tail)`. Lanes: how many descriptors are written in one
/// go.
///
/// The descriptors [clean, tail) hold packets whose buffers are not reaped yet; at most capacity - 1 of them. RS is set
/// on the last descriptor of every tx_burst and at least on every 32nd between, so no packet stays in the ring for ever
/// because transmission stopped; completions are looked at in groups of at least 32 packets, or all there is. Threads:
/// one. No call makes a system call, allocates, blocks or reads a register.
template <class Format, class Bell, class Lanes = TargetLanes>
class TxRing {
 public:
  using Descriptor = typename Format::Descriptor;

  /// Pre: `shadow` holds 2 * ring.capacity() entries; both live as long as this. The device's head and tail are 0.
  TxRing(DescRing<Descriptor> ring, std::uint32_t* shadow, BufferStore& pool, Bell bell) noexcept
      : ring_(ring),
        ids_(shadow),
        group_end_(shadow + ring.capacity()),
        pool_(&pool),
        bell_(bell),
        buses_(pool.bus(0)),
        stride_(pool.stride()),
        half_(ring.capacity() / 2) {}

  /// Tells the device of posted descriptors. Cost: 1 MMIO write, none when there is nothing new.
  void publish() noexcept {
    if (published_ == tail_) return;
    bell_.ring(ring_.slot(tail_));
    published_ = tail_;
  }

  /// Returns buffers of sent packets to the pool, oldest first, until one is met that is not sent yet or at least
  /// `enough` are back; returns how many. Cost: no MMIO; one descriptor read for some 32 packets.
  [[gnu::noinline]] std::uint32_t reap(std::uint32_t enough) noexcept { return reap_groups(enough); }

  /// Takes packets from the front of `burst`, whole frames only, as far as the ring has room, and returns how many;
  /// tells the device if `now`. Reaps when half of the ring is in use, and bounded, so that no call is much dearer than
  /// its neighbours. Pre: packets of 1 byte to the pool's buffer size, frames within the device's limits and of fewer
  /// buffers than the ring has descriptors. Cost: at most 1 MMIO write.
  [[gnu::always_inline]] std::uint32_t tx_burst(PacketBurst& burst, bool now) noexcept {
    POLLUX_ASSERT(&burst.pool() == pool_, "a burst of another pool");
    bool is_full = false;
    if (static_cast<std::int32_t>(tail_ - attend_at_) >= 0) [[unlikely]]
      is_full = attend(burst.size());
    if (burst.size() == 1 && !is_full && post_one(*burst.begin(), now)) {
      burst.forget_all();
      return 1;
    }
    const std::uint32_t n = post(burst);
    if (now) publish();
    return n;
  }

  /// Returns every buffer to the pool, sent or not. Pre: the device no longer works on the ring.
  void release_all() noexcept {
    give_back(tail_);
    clean_ = tail_ = published_ = 0;
    grouped_ = oldest_group_ = newest_group_ = 0;
    attend_at_ = reap_at_ = 0;
    ring_.clear();
  }

  [[nodiscard]] const DescRing<Descriptor>& ring() const noexcept { return ring_; }
  [[nodiscard]] std::uint32_t in_use() const noexcept { return tail_ - clean_; }                 ///< [descriptors]
  [[nodiscard]] std::uint32_t free() const noexcept { return ring_.capacity() - 1 - in_use(); }  ///< [descriptors]

 private:
  static constexpr std::uint32_t kReportInterval = 32;  ///< [descriptors]
  /// One by one, as many at a time; where there are lanes, only what they leave over is done so.
  static constexpr std::uint32_t kGroup = Lanes::kCount > 1 ? 1 : 4;
  static constexpr std::uint32_t kRetry = 8;  ///< [descriptors] posted before it is looked again

  /// As reap. One stretch of buffers goes back, however many groups it is.
  [[gnu::always_inline]] std::uint32_t reap_groups(std::uint32_t enough) noexcept {
    std::uint32_t end = clean_, group = oldest_group_;
    for (const std::uint32_t newest = newest_group_; end - clean_ < enough; ++group) {
      const bool is_last = group == newest;  // what is no group yet; every post ends with RS
      const std::uint32_t next = is_last ? tail_ : group_end_[ring_.slot(group)];
      if (next == end || !Format::sent(ring_[next - 1])) break;
      end = next;
      if (is_last) {
        grouped_ = tail_;
        break;
      }
    }
    oldest_group_ = group;
    return end != clean_ ? give_back(end) : 0;
  }

  /// What is not done for each packet, before a burst of `size`: ends a group, reaps so much that what is in use does
  /// not grow beyond half of the ring. Where nothing has been sent, the device is asked again some packets later, not
  /// at each. Returns whether no descriptor is free.
  [[gnu::noinline]] bool attend(std::uint32_t size) noexcept {
    end_group();  // every post ends with RS
    const std::uint32_t n = in_use() > half_ ? reap_groups(2 * size) : 0;
    const std::uint32_t most = ring_.capacity() - 1, full = clean_ + most;
    reap_at_ = earliest(clean_ + half_ + 1, full);
    if (n == 0 && static_cast<std::int32_t>(reap_at_ - tail_) <= 0) reap_at_ = earliest(tail_ + kRetry, full);
    attend_at_ = earliest(reap_at_, grouped_ + kReportInterval);
    return full == tail_;
  }
  static std::uint32_t earliest(std::uint32_t a, std::uint32_t b) noexcept {
    return static_cast<std::int32_t>(a - b) < 0 ? a : b;
  }

  [[nodiscard]] bool is_possible(const Packet& p, std::uint32_t least) const noexcept {
    return p.length >= least && p.length <= pool_->buffer_bytes();
  }

  /// Writes the descriptors, not yet visible to the device. Returns how many packets it took.
  [[gnu::always_inline]] std::uint32_t post(PacketBurst& burst) noexcept {
    const std::uint32_t size = burst.size();
    std::uint32_t most = size;
    if (free() < size) [[unlikely]] {
      reap(size - free());
      if (free() < size) most = free();
    }
    const std::uint32_t slot = ring_.slot(tail_);
    std::uint32_t n = 0;
    if (most <= kReportInterval && slot + most <= ring_.capacity()) [[likely]] {
      n = post_run(burst.begin(), slot, most);
    } else {
      n = post_runs(burst.begin(), most);
    }
    if (n != most) [[unlikely]]
      n = post_parts(burst, n, most);
    burst.forget_front(n);
    return n;
  }

  /// As post and publish, of the one packet of a burst. Returns whether it was a whole frame. Pre: there is room.
  [[gnu::always_inline]] bool post_one(const Packet& p, bool now) noexcept {
    const std::uint64_t id = p.id, length = p.flags_length();
    if (length > 0xFFFF) [[unlikely]]  // a part of a frame
      return false;
    POLLUX_ASSERT(length >= Format::kMinFrame && length <= pool_->buffer_bytes(), "no such frame");
    const std::uint32_t tail = tail_ + 1, slot = ring_.slot(tail_);
    tail_ = tail;
    ids_[slot] = p.id;
    dma::store_two(&ring_[slot], (buses_ + id * stride_).value(),
                   (Format::kWhole + Format::kReport + length) | Format::more_lengths(length));
    if (now) {
      published_ = tail;
      bell_.ring(ring_.slot(tail));
    }
    return true;
  }

  /// Posts frames of one buffer each, the last with RS; stops before one of several. Returns how many.
  /// Pre: n <= kReportInterval; none of the descriptors wraps.
  [[gnu::always_inline]] std::uint32_t post_run(const Packet* from, std::uint32_t slot, std::uint32_t n) noexcept {
    const std::uint32_t whole = post_whole(from, slot, n);
    if (whole == 0) [[unlikely]]
      return 0;
    tail_ += whole;
    Descriptor& last = ring_[slot + whole - 1];
    last.command = last.command | static_cast<std::uint32_t>(Format::kReport);
    end_group();
    return whole;
  }
  [[gnu::noinline]] std::uint32_t post_runs(const Packet* from, std::uint32_t most) noexcept {
    for (std::uint32_t n = 0; n != most;) {
      const std::uint32_t slot = ring_.slot(tail_), to_wrap = ring_.capacity() - slot;
      const std::uint32_t left = most - n < to_wrap ? most - n : to_wrap;
      const std::uint32_t run = left < kReportInterval ? left : kReportInterval;
      const std::uint32_t posted = post_run(from + n, slot, run);
      n += posted;
      if (posted != run) return n;
    }
    return most;
  }
  /// Descriptors for frames of one buffer each, without RS; stops before one of several. Returns how many.
  /// Pre: none of the descriptors wraps.
  std::uint32_t post_whole(const Packet* from, std::uint32_t slot, std::size_t n) const noexcept {
    Descriptor* const to = &ring_[slot];
    std::uint32_t* const ids = ids_ + slot;
    std::size_t i = 0;
    if constexpr (Lanes::kCount > 1) {
      if (n >= Lanes::kCount) i = post_lanes(from, to, ids, n);
    }
    i += post_one_by_one(from + i, to + i, ids + i, n - i);
    for (std::size_t k = 0; k < i; ++k) POLLUX_ASSERT(is_possible(from[k], Format::kMinFrame), "no such frame");
    return static_cast<std::uint32_t>(i);
  }

  /// As post_whole, packet by packet.
  std::size_t post_one_by_one(const Packet* from, Descriptor* to, std::uint32_t* ids, std::size_t n) const noexcept {
    const auto post = [stride = stride_, base = buses_.value()](const Packet& p, Descriptor* at, std::uint32_t& id_at) {
      const std::uint64_t id = p.id, length = p.flags_length();
      if (length > 0xFFFF) [[unlikely]]  // a part of a frame
        return false;
      id_at = p.id;
      dma::store_two(at, base + id * stride, (Format::kWhole + length) | Format::more_lengths(length));
      return true;
    };
    std::size_t i = 0;
    for (; i + kGroup <= n; i += kGroup, from += kGroup, to += kGroup, ids += kGroup) {
      one_by_one(from);
#pragma GCC unroll 4
      for (std::size_t k = 0; k < kGroup; ++k) {
        if (!post(from[k], to + k, ids[k])) [[unlikely]]
          return i + k;
      }
    }
    for (; i < n; ++i, ++from, ++to, ++ids) {
      one_by_one(from);
      if (!post(*from, to, *ids)) [[unlikely]]
        return i;
    }
    return n;
  }

  /// As post_whole, whole groups of packets: all there are, or none if one of these packets has a flag.
  std::size_t post_lanes(const Packet* from, Descriptor* to, std::uint32_t* ids, std::size_t n) const noexcept
    requires(Lanes::kCount > 1)
  {
    constexpr std::uint64_t kFlags = std::uint64_t{0xFFFF} << 48;
    const auto scale = Lanes::pairs(stride_, 1), word1_bits = Lanes::pairs(0, ~std::uint64_t{0});
    const auto first = Lanes::pairs(buses_.value(), Format::kWhole);
    auto all = Lanes::pairs(0, 0);
    std::size_t i = 0;
    for (; i + Lanes::kCount <= n; i += Lanes::kCount) {
      const auto packets = Lanes::load(from + i);
      all |= packets;
      const auto values = Lanes::multiply(Lanes::split_word1(packets), scale);  // place, length
      Lanes::store(to + i, (values + first) | Format::more_lengths(values & word1_bits));
      Lanes::store_low_halves(ids + i, packets);
    }
    // Nobody has seen these descriptors yet: where there are flags, they are written again one by one.
    return Lanes::all_zero(all & Lanes::pairs(0, kFlags)) ? i : 0;
  }

  /// The packets [first, most) of the burst, some of them parts of frames, as far as they are whole frames; returns
  /// where that ends. Pre: `first` begins a frame.
  [[gnu::noinline, gnu::cold]] std::uint32_t post_parts(PacketBurst& burst, std::uint32_t first,
                                                        std::uint32_t most) noexcept {
    std::uint32_t n = most;
    while (n > first && burst[n - 1].more()) --n;  // a frame of several buffers goes whole or not at all
    bool begins = true;
    for (std::uint32_t i = first; i < n; ++i) {
      const Packet& p = burst[i];
      POLLUX_ASSERT(is_possible(p, 1), "no such frame");
      const bool report = !p.more() && (i + 1 == n || tail_ + 1 - grouped_ >= kReportInterval);
      ring_[tail_] = Format::given({.buffer = pool_->bus(p.id),
                                    .length = p.length,
                                    .frame = begins ? frame_bytes(burst, i) : 0,
                                    .end_of_frame = !p.more(),
                                    .report = report});
      ids_[ring_.slot(tail_++)] = p.id;
      if (report) end_group();
      begins = !p.more();
    }
    return n;
  }

  /// The descriptor before tail has RS: here a group ends, if it has become large enough.
  void end_group() noexcept {
    if (tail_ - grouped_ < kReportInterval) return;
    group_end_[ring_.slot(newest_group_++)] = grouped_ = tail_;
    attend_at_ = earliest(reap_at_, grouped_ + kReportInterval);
  }

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
    clean_ = end;
    pool_->give({ids_ + first, n < to_wrap ? n : to_wrap});
    if (n > to_wrap) [[unlikely]]
      pool_->give({ids_, n - to_wrap});
    return n;
  }

  DescRing<Descriptor> ring_;
  std::uint32_t* ids_;        ///< buffer number of each slot
  std::uint32_t* group_end_;  ///< ring of indices: one past the descriptor with RS that ends a group
  BufferStore* pool_;
  Bell bell_;
  BusAddr buses_;                ///< of the pool's buffer 0
  std::uint64_t stride_;         ///< of the pool's buffers [bytes]
  std::uint32_t tail_ = 0;       ///< next descriptor to post
  std::uint32_t attend_at_ = 0;  ///< tail_ when more is to be done than to post; before it, a descriptor is free
  std::uint32_t reap_at_ = 0;    ///< tail_ when it is looked what has been sent
  std::uint32_t published_ = 0;  ///< tail_ as the device knows it
  std::uint32_t clean_ = 0;      ///< oldest packet not reaped
  std::uint32_t half_;           ///< of the ring
  std::uint32_t grouped_ = 0;    ///< where the newest group ends: [grouped, tail) is one to be
  std::uint32_t oldest_group_ = 0;
  std::uint32_t newest_group_ = 0;
};

}  // namespace pollux

// SPDX-License-Identifier: BSD-3-Clause
// The contract of PollModePort as one body of tests for every port. A Rig gives two joined ports; instantiate with
// INSTANTIATE_TYPED_TEST_SUITE_P(Name, PortContract, ::testing::Types<Rig...>).
//
// A Rig:  explicit Rig(RigOptions);  End& left, right, each with
//           port()      a started PollModePort
//           pool()      its BufferPool, used by nothing else
//           accesses()  register accesses of the driver so far; where there are none, zeros
//         work()           lets the devices work for a moment, if they need to be told
//         step()           lets the devices work until nothing moves
//         await(done)      lets them work until done() or, where that takes time, for some seconds; done() looks
//         set_link(bool)   plugs or pulls the cable, and returns when both ports know
//         hold_sending(bool)  left's device sends nothing, whatever it is given; afterwards it goes on
//         restart(End&)    stop and start;  stop_all()
//         problems()       what the device minded, as text; empty: nothing
//         kMinRing         the smallest ring [descriptors]
//         kStride          of rounds that take long every one is played, or every fifth: 1 or 5
#pragma once
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <pollux/dma/pool.hpp>
#include <pollux/net/burst.hpp>
#include <pollux/net/port.hpp>

namespace contract {

using namespace pollux;

struct RigOptions {
  std::uint32_t rx_descriptors = 256;
  std::uint32_t tx_descriptors = 256;
  std::uint32_t left_buffers = 1024, right_buffers = 1024;
  DoorbellPolicy doorbell = DoorbellPolicy::kEachBurst;
};

/// Register accesses of a driver.
struct Accesses {
  std::uint64_t reads = 0, writes = 0;
  friend Accesses operator-(Accesses a, Accesses b) { return {a.reads - b.reads, a.writes - b.writes}; }
};

// ---- Frames: number n decides every byte after the addresses ------------------------------------------------------

constexpr std::uint64_t mix(std::uint64_t n) {
  n = (n + 1) * 0x9E37'79B9'7F4A'7C15u;
  n = (n ^ n >> 30) * 0xBF58'476D'1CE4'E5B9u;
  return n ^ n >> 29;
}
constexpr std::size_t kHeader = 14, kShortest = 60, kLongest = 1514;
constexpr std::uint16_t length_of(std::uint64_t n) {
  return static_cast<std::uint16_t>(kShortest + mix(n) % (kLongest - kShortest + 1));
}
/// Byte `at` after the header; the number itself stands in the first 8.
inline std::uint64_t word_of(std::uint64_t n, std::size_t at) { return at == 0 ? n : mix(n) + at * 0x0101'0101'0101u; }

inline void write_frame(std::byte* to, std::size_t length, const MacAddress& destination, const MacAddress& source,
                        std::uint64_t n) {
  std::memcpy(to, destination.bytes.data(), 6);
  std::memcpy(to + 6, source.bytes.data(), 6);
  to[12] = std::byte{0x88};  // IEEE 802: for experiments
  to[13] = std::byte{0xB5};
  for (std::size_t at = 0; kHeader + at < length; at += 8) {
    const std::uint64_t word = word_of(n, at);
    const std::size_t left = length - kHeader - at;
    std::memcpy(to + kHeader + at, &word, left < 8 ? left : 8);
  }
}
/// The number that the frame says it has.
inline std::uint64_t number_of(const std::byte* frame, std::size_t length) {
  std::uint64_t n = ~std::uint64_t{0};
  if (length >= kHeader + sizeof n) std::memcpy(&n, frame + kHeader, sizeof n);
  return n;
}
/// Whether it is frame n, byte by byte.
inline bool is_frame(const std::byte* frame, std::size_t length, const MacAddress& destination,
                     const MacAddress& source, std::uint64_t n) {
  if (length < kHeader + 8 || std::memcmp(frame, destination.bytes.data(), 6) != 0 ||
      std::memcmp(frame + 6, source.bytes.data(), 6) != 0 || frame[12] != std::byte{0x88} ||
      frame[13] != std::byte{0xB5}) {
    return false;
  }
  for (std::size_t at = 0; kHeader + at < length; at += 8) {
    const std::uint64_t word = word_of(n, at);
    const std::size_t left = length - kHeader - at;
    if (std::memcmp(frame + kHeader + at, &word, left < 8 ? left : 8) != 0) return false;
  }
  return true;
}

// ---- One direction of traffic -------------------------------------------------------------------------------------

template <class End>
class Stream {
 public:
  Stream(End& from, End& to, std::uint64_t first = 0) : from_(from), to_(to), first_(first), sent(first), next(first) {}

  /// Adds frames to `out` until it holds `n`; returns whether the pool had them.
  bool fill(PacketBurst& out, std::uint32_t n) {
    while (out.size() < n) {
      if (out.allocate(1, length_of(made_ + sent)) == 0) return false;
      Packet& p = out[out.size() - 1];
      write_frame(p.data, p.length, to_.port().mac(), from_.port().mac(), made_ + sent);
      ++made_;
    }
    return true;
  }
  /// Sends what the device takes of `out`.
  std::uint32_t send(PacketBurst& out) {
    const std::uint32_t before = out.size(), took = from_.port().tx_burst(out);
    EXPECT_EQ(out.size(), before - took) << "what was not taken stays in the burst";
    sent += took;
    made_ -= took;
    return took;
  }
  /// Forgets the frames that were made and not sent: their numbers come again.
  void drop(PacketBurst& out) {
    out.clear();
    made_ = 0;
  }
  /// One look of up to `most` packets; each must be whole and right. Lossless: the numbers have no gaps.
  std::uint32_t receive(std::uint32_t most, bool lossless = true) {
    Burst<64> in(to_.pool(), most);
    const std::uint32_t n = to_.port().rx_burst(in);
    EXPECT_EQ(n, in.size());
    for (const Packet& p : in) check(p, lossless);
    return n;
  }
  void check(const Packet& p, bool lossless = true) {
    const std::uint64_t n = number_of(p.data, p.length);
    const bool in_order = lossless ? n == next : n >= next && n < sent;
    const bool right = in_order && !p.more() && p.length == length_of(n) &&
                       is_frame(p.data, p.length, to_.port().mac(), from_.port().mac(), n);
    if (!right) ++wrong;
    if (!right && wrong < 4) ADD_FAILURE() << "frame " << n << " of " << p.length << " bytes, expected " << next;
    next = n + 1;
    ++received;
  }
  /// Takes in all that was sent, and finds that nothing else comes.
  template <class Rig>
  void collect(Rig& rig) {
    rig.await([&] {
      receive(64);
      return received == sent - first_;
    });
    EXPECT_EQ(received, sent - first_);
    EXPECT_EQ(receive(64), 0u);
  }
  /// Looks until nothing comes any more.
  template <class Rig>
  std::uint32_t drain(Rig& rig, bool lossless = true) {
    std::uint32_t total = 0;
    for (unsigned idle = 0; idle < 3;) {
      rig.step();
      const std::uint32_t n = receive(64, lossless);
      total += n;
      idle = n == 0 ? idle + 1 : 0;
    }
    return total;
  }

 private:
  End& from_;
  End& to_;
  std::uint64_t first_;
  std::uint64_t made_ = 0;  ///< in a burst, not sent

 public:
  std::uint64_t sent, next;
  std::uint64_t received = 0, wrong = 0;
};
template <class End>
Stream(End&, End&) -> Stream<End>;
template <class End>
Stream(End&, End&, std::uint64_t) -> Stream<End>;

// ---- The contract -------------------------------------------------------------------------------------------------

template <class Rig>
class PortContract : public ::testing::Test {
 protected:
  using End = std::remove_reference_t<decltype(std::declval<Rig&>().left)>;

  Rig& make(const RigOptions& options = {}) {
    rig_ = std::make_unique<Rig>(options);
    for (End* end : {&rig_->left, &rig_->right}) settle(*end);
    idle_left_ = rig_->left.pool().free_count();
    idle_right_ = rig_->right.pool().free_count();
    return *rig_;
  }
  /// After it the port has told its device of every free descriptor.
  static void settle(End& end) {
    Burst<1> none(end.pool());
    EXPECT_EQ(end.port().rx_burst(none), 0u);
  }
  /// With every frame delivered and every sent buffer reaped, no buffer is anywhere but in the pool or a receive ring.
  void expect_idle() {
    for (End* end : {&rig_->left, &rig_->right}) {
      (void)end->port().reclaim();
      settle(*end);
    }
    EXPECT_EQ(rig_->left.pool().free_count(), idle_left_);
    EXPECT_EQ(rig_->right.pool().free_count(), idle_right_);
  }
  /// Every frame sent now arrives: both ways, after whatever came before.
  void expect_traffic(std::uint64_t first) {
    Rig& rig = *rig_;
    Stream there(rig.left, rig.right, first), back(rig.right, rig.left, first);
    for (int round = 0; round < 8; ++round) {
      exchange(there, rig.left, 8);
      exchange(back, rig.right, 8);
    }
    EXPECT_EQ(there.received, 64u);
    EXPECT_EQ(back.received, 64u);
  }
  void exchange(Stream<End>& stream, End& from, std::uint32_t n) {
    Burst<64> out(from.pool(), n);
    ASSERT_TRUE(stream.fill(out, n));
    ASSERT_EQ(stream.send(out), n);
    stream.collect(*rig_);
  }
  void TearDown() override {
    if (rig_ == nullptr) return;
    rig_->stop_all();
    for (End* end : {&rig_->left, &rig_->right}) {
      EXPECT_EQ(end->pool().free_count(), end->pool().count()) << "buffers were lost";
      std::vector<std::uint32_t> ids(end->pool().count());
      const std::uint32_t n = end->pool().take(ids);
      std::vector<bool> seen(ids.size());
      for (std::uint32_t i = 0; i < n; ++i) {
        ASSERT_LT(ids[i], ids.size());
        EXPECT_FALSE(seen[ids[i]]) << "buffer " << ids[i] << " is in the pool twice";
        seen[ids[i]] = true;
      }
      end->pool().give({ids.data(), n});
    }
    EXPECT_EQ(rig_->problems(), "");
  }
  std::unique_ptr<Rig> rig_;
  std::uint32_t idle_left_ = 0, idle_right_ = 0;
};
TYPED_TEST_SUITE_P(PortContract);

TYPED_TEST_P(PortContract, EveryBurstSizeBothWays) {
  auto& rig = this->make();
  Stream there(rig.left, rig.right), back(rig.right, rig.left);
  for (std::uint32_t n = 1; n <= 64; ++n) {
    for (int way = 0; way < 2; ++way) {
      auto& from = way == 0 ? rig.left : rig.right;
      auto& stream = way == 0 ? there : back;
      Burst<64> out(from.pool(), n);
      ASSERT_TRUE(stream.fill(out, n));
      ASSERT_EQ(stream.send(out), n);
      EXPECT_TRUE(out.empty());
      std::uint32_t got = 0;
      rig.await([&] {  // in looks of every size, too
        while (const std::uint32_t seen = stream.receive(1 + (n * 7 + got) % 64)) got += seen;
        return got == n;
      });
      ASSERT_EQ(got, n);
    }
  }
  EXPECT_EQ(there.received, 64u * 65 / 2);
  EXPECT_EQ(back.received, 64u * 65 / 2);
  this->expect_idle();
}

TYPED_TEST_P(PortContract, EmptyRingIsEmptyHoweverOftenOneLooks) {
  auto& rig = this->make();
  const Accesses before = rig.right.accesses();
  for (int i = 0; i < 1000; ++i) {
    Burst<32> in(rig.right.pool());
    ASSERT_EQ(rig.right.port().rx_burst(in), 0u);
    ASSERT_TRUE(in.empty());
    ASSERT_EQ(rig.right.port().reclaim(), 0u);
    ASSERT_EQ(rig.right.port().tx_burst(in), 0u);
    rig.right.port().commit();
    if (i % 100 == 0) rig.step();
  }
  const Accesses used = rig.right.accesses() - before;
  EXPECT_EQ(used.reads, 0u);
  EXPECT_EQ(used.writes, 0u);
  this->expect_idle();
}

TYPED_TEST_P(PortContract, FullBurstReceivesNothingAndLosesNothing) {
  auto& rig = this->make();
  Stream there(rig.left, rig.right);
  Burst<64> out(rig.left.pool());
  ASSERT_TRUE(there.fill(out, 8));
  ASSERT_EQ(there.send(out), 8u);
  Burst<4> in(rig.right.pool());
  rig.await([&] {
    (void)rig.right.port().rx_burst(in);
    return in.room() == 0;
  });
  ASSERT_EQ(in.size(), 4u);
  EXPECT_EQ(rig.right.port().rx_burst(in), 0u);
  for (const Packet& p : in) there.check(p);
  there.collect(rig);
  in.clear();
  this->expect_idle();
}

TYPED_TEST_P(PortContract, FullTransmitRingTakesLessAndLosesNothing) {
  auto& rig = this->make({.tx_descriptors = TypeParam::kMinRing});
  Stream there(rig.left, rig.right);
  rig.hold_sending(true);
  Burst<64> out(rig.left.pool());
  for (bool full = false; !full;) {
    ASSERT_TRUE(there.fill(out, 24));
    full = there.send(out) < 24;
    ASSERT_LE(there.sent, TypeParam::kMinRing);
  }
  EXPECT_GT(there.sent, 0u);
  ASSERT_FALSE(out.empty());
  const std::uint64_t taken = there.sent;
  EXPECT_EQ(number_of(out[0].data, out[0].length), taken) << "the rest begins with the first frame not taken";
  for (int i = 0; i < 100; ++i) {
    ASSERT_EQ(there.send(out), 0u);
    ASSERT_EQ(rig.left.port().reclaim(), 0u);
  }
  EXPECT_EQ(rig.left.pool().free_count(), this->idle_left_ - taken - out.size()) << "a short take leaked";
  rig.hold_sending(false);
  for (int round = 0; round < 50; ++round) {
    there.collect(rig);
    ASSERT_TRUE(there.fill(out, 24));
    while (!out.empty() && there.send(out) != 0) {}
  }
  there.collect(rig);
  while (!out.empty()) {
    ASSERT_GT(there.send(out), 0u);
    there.collect(rig);
  }
  EXPECT_EQ(there.received, there.sent);
  EXPECT_GT(there.sent, 3u * TypeParam::kMinRing);
  this->expect_idle();
}

TYPED_TEST_P(PortContract, SmallestRingsWrapManyTimes) {
  auto& rig = this->make({.rx_descriptors = TypeParam::kMinRing, .tx_descriptors = TypeParam::kMinRing});
  Stream there(rig.left, rig.right), back(rig.right, rig.left);
  constexpr std::uint64_t kFrames = 5 * TypeParam::kMinRing + 7;
  for (std::uint32_t round = 0; there.sent < kFrames || back.sent < kFrames; ++round) {
    this->exchange(there, rig.left, 1 + round % 17);
    this->exchange(back, rig.right, 17 - round % 17);
    ASSERT_EQ(there.received, there.sent);
    ASSERT_EQ(back.received, back.sent);
  }
  this->expect_idle();
}

TYPED_TEST_P(PortContract, StarvedPoolRecoversAndLosesNothingAccepted) {
  constexpr std::uint32_t kRing = TypeParam::kMinRing;
  auto& rig = this->make({.rx_descriptors = kRing, .right_buffers = kRing});
  Stream there(rig.left, rig.right);
  for (std::uint32_t round = 0; round < 5; round += TypeParam::kStride / 2 + 1) {
    {
      Burst<2 * kRing> held(rig.right.pool());  // the application keeps everything it gets
      for (unsigned i = 0; i < 60; ++i) {
        Burst<64> out(rig.left.pool());
        ASSERT_TRUE(there.fill(out, 8));
        ASSERT_EQ(there.send(out), 8u);
        rig.step();
        (void)rig.right.port().rx_burst(held);
      }
      EXPECT_EQ(held.size(), kRing) << "every buffer of the pool carries a frame";
      EXPECT_EQ(rig.right.pool().free_count(), 0u);
      for (const Packet& p : held) there.check(p, false);
    }
    there.drain(rig, false);
    const PortStats stats = rig.right.port().stats();
    EXPECT_GT(stats.rx_no_buffer, 0u);
    EXPECT_EQ(stats.rx_packets, there.received) << "accepted by the device and not delivered";
    EXPECT_EQ(stats.rx_missed + there.received, there.sent) << "lost and not counted";
  }
  EXPECT_EQ(there.wrong, 0u);
  this->expect_idle();
  for (std::uint64_t i = 0, first = there.sent; i < 3 * kRing; ++i, ++first) {  // and all is as before
    Stream later(rig.left, rig.right, first);
    this->exchange(later, rig.left, 1);
    ASSERT_EQ(later.received, 1u);
  }
}

TYPED_TEST_P(PortContract, StopsAndStartsAHundredTimes) {
  auto& rig = this->make();
  for (std::uint64_t i = 0; i < 100; ++i) {
    rig.restart(i % 2 == 0 ? rig.left : rig.right);
    for (auto* end : {&rig.left, &rig.right}) this->settle(*end);
    Stream there(rig.left, rig.right, i), back(rig.right, rig.left, i);
    this->exchange(there, rig.left, 3);
    this->exchange(back, rig.right, 3);
    ASSERT_EQ(there.received + back.received, 6u) << "life " << i;
  }
  this->expect_idle();
}

TYPED_TEST_P(PortContract, StopWithoutTrafficGivesEveryBufferBack) {
  auto& rig = this->make();
  rig.stop_all();
  EXPECT_EQ(rig.left.pool().free_count(), rig.left.pool().count());
  rig.stop_all();  // again: nothing happens
  for (auto* end : {&rig.left, &rig.right}) rig.restart(*end);
  this->expect_traffic(0);
}

TYPED_TEST_P(PortContract, LinkGoesDownAndUpInMidBurst) {
  auto& rig = this->make();
  Stream there(rig.left, rig.right), back(rig.right, rig.left);
  for (std::uint32_t round = 0; round < 20; round += TypeParam::kStride) {
    Burst<64> a(rig.left.pool()), b(rig.right.pool());
    ASSERT_TRUE(there.fill(a, 1 + 3 * round));
    ASSERT_TRUE(back.fill(b, 60 - 2 * round));
    there.send(a);
    back.send(b);
    if (round % 2 == 0) rig.step();
    there.receive(1 + round, false);
    rig.set_link(false);
    ASSERT_TRUE(there.fill(a, 10));
    there.send(a);
    back.receive(64, false);
    rig.step();
    rig.set_link(true);
    there.drain(rig, false);
    back.drain(rig, false);
    there.drop(a);
    back.drop(b);
  }
  EXPECT_EQ(there.wrong + back.wrong, 0u);
  EXPECT_LE(there.received, there.sent);
  this->expect_idle();
  this->expect_traffic(there.sent + back.sent);
}

TYPED_TEST_P(PortContract, ResetInMidBurst) {
  auto& rig = this->make();
  std::uint64_t first = 0;
  for (std::uint32_t round = 0; round < 20; round += TypeParam::kStride) {
    Stream there(rig.left, rig.right, first), back(rig.right, rig.left, first);
    Burst<64> a(rig.left.pool()), b(rig.right.pool());
    ASSERT_TRUE(there.fill(a, 1 + 3 * round));
    ASSERT_TRUE(back.fill(b, 60 - 2 * round));
    there.send(a);
    back.send(b);
    if (round % 3 != 0) rig.step();
    there.receive(1 + round, false);
    rig.restart(round % 2 == 0 ? rig.left : rig.right);
    there.drain(rig, false);
    back.drain(rig, false);
    EXPECT_EQ(there.wrong + back.wrong, 0u);
    there.drop(a);
    back.drop(b);
    first += 1000;
    this->expect_idle();
    this->expect_traffic(first);
    first += 1000;
  }
}

TYPED_TEST_P(PortContract, FramesOfSeveralBuffersAreSentWhole) {
  auto& rig = this->make({.tx_descriptors = TypeParam::kMinRing});
  const MacAddress to = rig.right.port().mac(), from = rig.left.port().mac();
  std::vector<std::byte> whole(kLongest);
  std::uint64_t number = 0;
  for (std::uint32_t parts = 1; parts <= 24; ++parts) {
    for (const std::size_t length : {std::size_t{kShortest}, std::size_t{333}, kLongest}) {
      write_frame(whole.data(), length, to, from, number);
      Burst<64> out(rig.left.pool());
      for (std::uint32_t i = 0, at = 0; i < parts; ++i) {
        const std::size_t share = i + 1 == parts ? length - at : 1 + mix(number * 64 + i) % (2 * length / parts - 1);
        const std::size_t n = std::min(share, length - at - (parts - 1 - i));
        ASSERT_EQ(out.allocate(1, static_cast<std::uint16_t>(n)), 1u);
        std::memcpy(out[i].data, whole.data() + at, n);
        if (i + 1 < parts) out[i].flags = Packet::kMore;
        at += static_cast<std::uint32_t>(n);
      }
      ASSERT_EQ(rig.left.port().tx_burst(out), parts);
      Burst<4> in(rig.right.pool());
      rig.await([&] { return rig.right.port().rx_burst(in) != 0; });
      ASSERT_EQ(in.size(), 1u) << parts << " buffers, " << length << " bytes";
      EXPECT_EQ(in[0].length, length);
      EXPECT_TRUE(is_frame(in[0].data, in[0].length, to, from, number));
      ++number;
    }
  }
  // Without room for all of a frame none of it goes.
  rig.hold_sending(true);
  Burst<64> out(rig.left.pool());
  std::uint32_t taken = 0;
  for (std::uint32_t frame = 0; out.empty(); ++frame) {
    ASSERT_LT(frame, TypeParam::kMinRing);
    write_frame(whole.data(), 90, to, from, number + frame);
    for (std::uint32_t i = 0; i < 3; ++i) {
      ASSERT_EQ(out.allocate(1, 30), 1u);
      std::memcpy(out[i].data, whole.data() + 30 * i, 30);
      if (i < 2) out[i].flags = Packet::kMore;
    }
    const std::uint32_t n = rig.left.port().tx_burst(out);
    EXPECT_EQ(n % 3, 0u) << "a part of a frame";
    taken += n;
  }
  EXPECT_EQ(out.size(), 3u);
  rig.hold_sending(false);
  std::uint32_t got = 0;
  rig.await([&] {
    (void)rig.left.port().tx_burst(out);
    Burst<64> in(rig.right.pool());
    (void)rig.right.port().rx_burst(in);
    for (const Packet& p : in) {
      EXPECT_EQ(p.length, 90u);
      EXPECT_TRUE(is_frame(p.data, p.length, to, from, number + got)) << got;
      ++got;
    }
    return got == taken / 3 + 1;
  });
  EXPECT_EQ(got, taken / 3 + 1);
  EXPECT_TRUE(out.empty());
  this->expect_idle();
}

TYPED_TEST_P(PortContract, BurstsReadNoRegisterAndWriteAtMostOne) {
  auto& rig = this->make();
  Stream there(rig.left, rig.right);
  for (std::uint32_t n = 1; n <= 64; ++n) {
    Burst<64> out(rig.left.pool());
    ASSERT_TRUE(there.fill(out, n));
    Accesses before = rig.left.accesses();
    ASSERT_EQ(there.send(out), n);
    Accesses used = rig.left.accesses() - before;
    ASSERT_EQ(used.reads, 0u) << "tx_burst of " << n;
    ASSERT_LE(used.writes, 1u) << "tx_burst of " << n;
    rig.await([&] {
      before = rig.right.accesses();
      (void)there.receive(n);
      used = rig.right.accesses() - before;
      EXPECT_EQ(used.reads, 0u) << "rx_burst of " << n;
      EXPECT_LE(used.writes, 1u) << "rx_burst of " << n;
      return there.received == there.sent;
    });
    rig.step();  // the device has told of every frame sent
    before = rig.left.accesses();
    rig.left.port().commit();
    (void)rig.left.port().reclaim();
    used = rig.left.accesses() - before;
    EXPECT_EQ(used.reads + used.writes, 0u) << "commit and reclaim with nothing to tell";
    ASSERT_EQ(there.received, there.sent);
  }
  this->expect_idle();
}

TYPED_TEST_P(PortContract, DeferredBurstsWaitForOneCommit) {
  auto& rig = this->make({.doorbell = DoorbellPolicy::kDeferred});
  Stream there(rig.left, rig.right);
  for (std::uint32_t bursts = 1; bursts <= 20; ++bursts) {
    const Accesses before = rig.left.accesses();
    for (std::uint32_t i = 0; i < bursts; ++i) {
      Burst<64> out(rig.left.pool());
      ASSERT_TRUE(there.fill(out, 1 + i % 9));
      ASSERT_EQ(there.send(out), 1 + i % 9);
    }
    EXPECT_EQ((rig.left.accesses() - before).writes, 0u);
    rig.step();
    EXPECT_EQ(there.receive(64), 0u) << "sent before commit";
    rig.left.port().commit();
    const Accesses used = rig.left.accesses() - before;
    EXPECT_EQ(used.reads, 0u);
    EXPECT_LE(used.writes, 1u);
    there.collect(rig);
    ASSERT_EQ(there.received, there.sent);
  }
  this->expect_idle();
}

/// What an end's card and driver count as not received.
template <class End>
std::string losses(End& end) {
  const PortStats s = end.port().stats();
  return "; missed " + std::to_string(s.rx_missed) + ", in error " + std::to_string(s.rx_errors) + ", rejected " +
         std::to_string(s.rx_rejected);
}

TYPED_TEST_P(PortContract, ManyFramesByteByByte) {
  const char* asked = std::getenv("POLLUX_CONTRACT_FRAMES");
  const std::uint64_t frames = asked != nullptr ? std::strtoull(asked, nullptr, 10) : 200'000;
  constexpr std::uint64_t kWindow = 160;  // less than the receive ring has ready
  auto& rig = this->make();
  Stream there(rig.left, rig.right), back(rig.right, rig.left);
  Burst<64> a(rig.left.pool()), b(rig.right.pool());
  const auto turn = [&](auto& stream, PacketBurst& out, std::uint64_t i) {
    const std::uint32_t n = 1 + static_cast<std::uint32_t>(mix(i) % 64);
    if (out.empty() && stream.sent - stream.received + n <= kWindow) (void)stream.fill(out, n);
    if (!out.empty()) stream.send(out);
    if (mix(i + 1) % 4 != 0) rig.work();
    stream.receive(1 + static_cast<std::uint32_t>(mix(i + 2) % 64));
  };
  for (std::uint64_t i = 0; there.received + back.received < frames;) {
    const std::uint64_t before = there.received + back.received;
    for (int idle = 0; idle < 100 && before == there.received + back.received; ++idle, i += 3) {
      turn(there, a, 2 * i);
      turn(back, b, 2 * i + 1);
    }
    if (before == there.received + back.received) {
      rig.await([&] { return there.receive(64) + back.receive(64) != 0; });
    }
    ASSERT_NE(there.received + back.received, before) << "traffic stands still after " << before << " frames";
    ASSERT_EQ(there.wrong + back.wrong, 0u) << "after " << before << " frames" << losses(rig.left) << losses(rig.right);
  }
  for (int i = 0; i < 4; ++i) {
    there.send(a);
    back.send(b);
    there.collect(rig);
    back.collect(rig);
  }
  EXPECT_EQ(there.received, there.sent);
  EXPECT_EQ(back.received, back.sent);
  const PortStats stats = rig.right.port().stats();
  EXPECT_EQ(stats.rx_packets, there.sent);
  EXPECT_EQ(stats.tx_packets, back.sent);
  EXPECT_EQ(stats.rx_missed + stats.rx_errors + stats.rx_rejected + stats.tx_errors, 0u);
  this->expect_idle();
}

REGISTER_TYPED_TEST_SUITE_P(PortContract, EveryBurstSizeBothWays, EmptyRingIsEmptyHoweverOftenOneLooks,
                            FullBurstReceivesNothingAndLosesNothing, FullTransmitRingTakesLessAndLosesNothing,
                            SmallestRingsWrapManyTimes, StarvedPoolRecoversAndLosesNothingAccepted,
                            StopsAndStartsAHundredTimes, StopWithoutTrafficGivesEveryBufferBack,
                            LinkGoesDownAndUpInMidBurst, ResetInMidBurst, FramesOfSeveralBuffersAreSentWhole,
                            BurstsReadNoRegisterAndWriteAtMostOne, DeferredBurstsWaitForOneCommit,
                            ManyFramesByteByByte);

}  // namespace contract

// SPDX-License-Identifier: BSD-3-Clause
// The judge of every benchmark run: what Checker says of frames that arrive as sent, lost, repeated, damaged,
// overtaken.
#include "frames.hpp"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace {

using bench::Checker;
using bench::FrameStream;
using bench::GeneratedStream;
using bench::ReplayedStream;
using bench::Verdict;
using Bytes = std::vector<std::byte>;

constexpr pollux::MacAddress kHere{{0x02, 0, 0, 0, 0, 1}}, kThere{{0x02, 0, 0, 0, 0, 2}};

GeneratedStream generated(std::uint32_t tag = 1) {
  return {{60, 512, 1514}, kThere, kHere, pollux::EtherType::kExperimental, tag};
}

/// `n` different frames of two stations, as a capture would hold them.
ReplayedStream replayed(std::size_t n) {
  std::vector<Bytes> frames;
  for (std::size_t i = 0; i < n; ++i) {
    frames.emplace_back(60 + i);
    pollux::store_header(frames.back().data(),
                         pollux::EthernetHeader{.destination = kThere, .source = kHere, .type = std::uint16_t{0x88A4}});
    frames.back().back() = static_cast<std::byte>(i);
  }
  return ReplayedStream(std::move(frames));
}

/// Feeds frames by their numbers.
class Feed {
 public:
  explicit Feed(const FrameStream& stream) : stream_(stream), checker_(stream) {}
  Bytes frame(std::uint64_t n) const {
    Bytes out(stream_.length(n));
    stream_.write(n, out.data());
    return out;
  }
  bool give(Bytes bytes) {
    return checker_.check(
        {.data = bytes.data(), .id = 0, .length = static_cast<std::uint16_t>(bytes.size()), .flags = 0});
  }
  Feed& operator()(std::uint64_t first, std::uint64_t last) {
    for (std::uint64_t n = first; n <= last; ++n) give(frame(n));
    return *this;
  }
  Feed& operator()(std::uint64_t n) { return (*this)(n, n); }
  Verdict finish(std::uint64_t sent) const { return checker_.finish(sent); }
  std::uint64_t accounted() const { return checker_.accounted(); }

 private:
  const FrameStream& stream_;
  Checker checker_;
};

void expect(const Verdict& got, const Verdict& want) {
  EXPECT_EQ(got.good, want.good);
  EXPECT_EQ(got.lost, want.lost);
  EXPECT_EQ(got.repeated, want.repeated);
  EXPECT_EQ(got.damaged, want.damaged);
  EXPECT_EQ(got.late, want.late);
  EXPECT_EQ(got.foreign, want.foreign);
}

TEST(Generated, InOrder) {
  const auto stream = generated();
  expect(Feed(stream)(0, 999).finish(1000), {.good = 1000});
}

/// A run that was killed leaves frames on the wire; the next run meets them at its ports.
TEST(Generated, FramesOfAnotherRunAreForeign) {
  const auto stream = generated(), other = generated(2);
  Feed feed(stream), killed(other);
  for (std::uint64_t n = 5000; n < 5010; ++n) EXPECT_FALSE(feed.give(killed.frame(n)));
  feed(0, 9);
  EXPECT_FALSE(feed.give(killed.frame(10)));
  expect(feed(10, 19).finish(20), {.good = 20, .foreign = 11});
}

TEST(Generated, LossIsSeenAtOnceAndAtTheEnd) {
  const auto stream = generated();
  Feed feed(stream);
  feed(0, 9)(15, 19);
  EXPECT_EQ(feed.accounted(), 20u);
  expect(feed.finish(20), {.good = 15, .lost = 5});
  expect(feed.finish(23), {.good = 15, .lost = 8});
}

TEST(Generated, OrderMatters) {
  const auto stream = generated();
  expect(Feed(stream)(0, 3)(5)(4)(6).finish(7), {.good = 6, .lost = 1, .repeated = 1});
}

TEST(Generated, RepeatedAndDamagedAndForeign) {
  const auto stream = generated();
  Feed feed(stream);
  feed(0, 4)(4);
  Bytes bad = feed.frame(5);
  bad.back() ^= std::byte{1};
  EXPECT_TRUE(feed.give(bad));
  Bytes foreign = feed.frame(6);
  foreign[12] = std::byte{0x08};
  EXPECT_FALSE(feed.give(foreign));
  expect(feed.finish(6), {.good = 5, .repeated = 1, .damaged = 1, .foreign = 1});
}

TEST(Generated, ANumberFarAheadEndsAtOnce) {
  const auto stream = generated();
  constexpr std::uint64_t kFar = std::uint64_t{1} << 60;
  expect(Feed(stream)(0)(kFar).finish(kFar + 1), {.good = 2, .lost = kFar - 1});
}

TEST(Replayed, InOrderForManyRounds) {
  const auto stream = replayed(70);
  expect(Feed(stream)(0, 699).finish(700), {.good = 700});
}

TEST(Replayed, FramesMayBeOvertakenWithinABatch) {
  const auto stream = replayed(70);
  Feed feed(stream);
  feed(0, 3)(6)(4)(5)(7, 9);
  EXPECT_EQ(feed.accounted(), 10u);
  expect(feed.finish(10), {.good = 10, .late = 2});
}

TEST(Replayed, TheWholeReachAndNoMore) {
  const auto stream = replayed(600);
  expect(Feed(stream)(1, 255)(0).finish(256), {.good = 256, .late = 1});
  // One more, and frame 0 is given up. Were it to come after all, it could only be taken for the next round's.
  Feed feed(stream);
  feed(1, 255);
  EXPECT_EQ(feed.accounted(), 255u);
  feed(256);
  EXPECT_EQ(feed.accounted(), 257u);
  expect(feed.finish(257), {.good = 256, .lost = 1});
}

TEST(Replayed, GapsAreFilledOrLostEach) {
  const auto stream = replayed(600);
  Feed feed(stream);
  feed(0)(2)(4)(6);
  EXPECT_EQ(feed.accounted(), 4u);
  expect(feed.finish(7), {.good = 4, .lost = 3});
  feed(3)(260);  // 1 is given up, 3 filled a gap, 5 may still come
  EXPECT_EQ(feed.accounted(), 7u);
  expect(feed.finish(261), {.good = 6, .lost = 255, .late = 1});
  feed(5)(7, 259);
  expect(feed.finish(261), {.good = 260, .lost = 1, .late = 255});
}

TEST(Replayed, ALongSilenceIsCounted) {
  const auto stream = replayed(600);
  expect(Feed(stream)(0)(2)(599).finish(600), {.good = 3, .lost = 597});
}

TEST(Replayed, EqualFramesCountEach) {
  std::vector<Bytes> same(5, Bytes(64, std::byte{7}));
  const ReplayedStream stream(std::move(same));
  expect(Feed(stream)(0, 99).finish(100), {.good = 100});
}

TEST(Replayed, ExchangedAddressesAreOurs) {
  const auto stream = replayed(3);
  Feed feed(stream);
  Bytes back = feed.frame(0);
  pollux::swap_addresses(back.data());
  EXPECT_TRUE(feed.give(back));
  expect(feed.finish(1), {.good = 1});
}

TEST(Replayed, DamagedAndForeign) {
  const auto stream = replayed(3);
  Feed feed(stream);
  Bytes bad = feed.frame(0);
  bad[30] ^= std::byte{1};
  EXPECT_TRUE(feed.give(bad));
  Bytes foreign(60, std::byte{0x55});
  EXPECT_FALSE(feed.give(foreign));
  expect(feed.finish(1), {.damaged = 1, .foreign = 1});
}

}  // namespace

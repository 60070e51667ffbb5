// SPDX-License-Identifier: BSD-3-Clause
// The cases of the inline benchmarks, written once: what a driver does in a timed region. Pollux's ports and DPDK's run
// through the same loops.
#pragma once
#include <fmt/format.h>

#include <array>
#include <bitset>
#include <concepts>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <span>
#include <stdexcept>
#include <vector>

#include <pollux/net/headers.hpp>

#include "stopwatch.hpp"

namespace bench {

constexpr std::uint32_t kBacklog = 256;    ///< frames that wait when a timed region begins
constexpr std::uint16_t kFrameBytes = 60;  ///< without FCS
constexpr std::uint32_t kPolls = 64;       ///< in a region of empty_poll

/// A driver on the 82599 model. Frames go round between it and a loopback plug; the model moves only in `settle`.
/// Burst: packets in memory that outlives it, as many as fit, iterable; what is left in one when it ends is freed.
/// queue(): what the loops call.
template <class R>
concept Rig = requires(R& rig, typename R::Burst& burst, typename R::Packet& packet) {
  requires std::constructible_from<typename R::Burst, decltype(rig.pool()), std::span<typename R::Packet>>;
  { burst.size() } -> std::convertible_to<std::uint32_t>;
  { *burst.begin() } -> std::convertible_to<typename R::Packet&>;
  { rig.allocate(burst, std::uint32_t{}, std::uint16_t{}) } -> std::same_as<std::uint32_t>;
  // Adds what has arrived, as far as there is room; how many. Sends all that is in the burst.
  { rig.queue().receive(burst) } noexcept -> std::same_as<std::uint32_t>;
  { rig.queue().send(burst) } noexcept;
  { R::data(packet) } -> std::same_as<std::byte*>;
  { R::length(packet) } -> std::same_as<std::uint32_t>;
  { rig.settle() };
  { rig.check_faults() };  // raises what the driver did wrong in the model's eyes
};

enum class Case : std::uint8_t { kForward, kReceive, kSend, kOneArrives, kEmptyPoll };
constexpr const char* name_of(Case c) noexcept {
  constexpr const char* kNames[]{"forward", "receive", "send", "one_arrives", "empty_poll"};
  return kNames[static_cast<std::size_t>(c)];
}
/// How many frames go round.
constexpr std::uint32_t frames_of(Case c) noexcept {
  return c == Case::kOneArrives ? 1 : c == Case::kEmptyPoll ? 0 : kBacklog;
}
/// What a region's time is divided by.
constexpr std::uint32_t packets_of(Case c) noexcept {
  return c == Case::kOneArrives ? 1 : c == Case::kEmptyPoll ? kPolls : kBacklog;
}

inline void expect_frames(std::uint64_t got, std::uint64_t wanted) {
  if (got == wanted) return;
  throw std::runtime_error(fmt::format("{} frames went round, {} came back", wanted, got));
}

/// For a driver whose ring stays full although the device is idle. Ends the program: the caller cannot throw.
[[noreturn]] inline void give_up_sending() noexcept {
  fmt::print(stderr, "the driver takes no more frames although its device has sent all\n");
  std::abort();
}

// Each of these is compiled once for a driver, whatever the burst and setup, as an application has one place where it
// receives: compilers inline less what is called from many places.

/// Receive, exchange addresses, send, until the backlog is through.
template <Rig R>
[[gnu::noinline]] void forward_region(R& rig, Stopwatch& watch, std::uint32_t size) {
  std::array<typename R::Packet, kBacklog> packets;
  typename R::Burst burst(rig.pool(), std::span(packets).first(size));
  const auto queue = rig.queue();
  std::uint32_t got = 0;
  watch.begin();
  while (const std::uint32_t n = queue.receive(burst)) {
    for (auto& packet : burst) pollux::swap_addresses(R::data(packet));
    queue.send(burst);
    got += n;
  }
  watch.end();
  expect_frames(got, kBacklog);
}

/// One half of it; the other half, outside the timed region, keeps the frames going round. Each call has a burst of its
/// own: a driver may give less than it is asked for.
template <Rig R>
[[gnu::noinline]] void one_way_region(R& rig, Stopwatch& watch, std::uint32_t size, bool receives) {
  const std::size_t calls = 2 * (kBacklog / size) + 16;
  std::vector<typename R::Packet> packets(calls * size);
  std::vector<std::optional<typename R::Burst>> bursts(calls);
  for (std::size_t i = 0; i < calls; ++i) bursts[i].emplace(rig.pool(), std::span(packets).subspan(i * size, size));
  const auto queue = rig.queue();
  auto end = bursts.begin();
  if (receives) watch.begin();
  while (end != bursts.end() && queue.receive(**end) != 0) ++end;
  if (receives) watch.end();
  std::uint64_t got = 0;
  for (auto& burst : bursts) got += burst->size();
  expect_frames(got, kBacklog);
  if (!receives) watch.begin();
  for (auto burst = bursts.begin(); burst != end; ++burst) queue.send(**burst);
  if (!receives) watch.end();
}

/// One frame has come; the driver asks for `size`. The whole of receive, exchange, send.
template <Rig R>
[[gnu::noinline]] void one_arrives_region(R& rig, Stopwatch& watch, std::uint32_t size) {
  std::array<typename R::Packet, kBacklog> packets;
  typename R::Burst burst(rig.pool(), std::span(packets).first(size));
  const auto queue = rig.queue();
  watch.begin();
  const std::uint32_t got = queue.receive(burst);
  for (auto& packet : burst) pollux::swap_addresses(R::data(packet));
  queue.send(burst);
  watch.end();
  expect_frames(got, 1);
}

/// Nothing has come. Per call.
template <Rig R>
[[gnu::noinline]] void empty_poll_region(R& rig, Stopwatch& watch, std::uint32_t size) {
  std::array<typename R::Packet, kBacklog> packets;
  typename R::Burst burst(rig.pool(), std::span(packets).first(size));
  const auto queue = rig.queue();
  watch.begin();
  for (std::uint32_t i = 0; i < kPolls; ++i) queue.receive(burst);
  watch.end();
  expect_frames(burst.size(), 0);
}

/// One region of a case, with one begin and end of the watch. Pre: 0 < size <= kBacklog; the case's frames wait.
template <Rig R>
void run_region(Case which, R& rig, Stopwatch& watch, std::uint32_t size) {
  switch (which) {
    case Case::kForward:
      return forward_region(rig, watch, size);
    case Case::kReceive:
    case Case::kSend:
      return one_way_region(rig, watch, size, which == Case::kReceive);
    case Case::kOneArrives:
      return one_arrives_region(rig, watch, size);
    case Case::kEmptyPoll:
      return empty_poll_region(rig, watch, size);
  }
}

// ---- Frames -------------------------------------------------------------------------------------------------------

constexpr pollux::MacAddress kOneEnd{{2, 0, 0, 0, 0, 1}}, kOtherEnd{{2, 0, 0, 0, 0, 2}};
constexpr std::size_t kNumberAt = sizeof(pollux::EthernetHeader);  ///< where a frame has its number, 2 bytes

/// Lets `frames` numbered frames go round. Pre: at most kBacklog.
template <Rig R>
void put_frames(R& rig, std::uint32_t frames) {
  std::vector<typename R::Packet> packets(kBacklog);
  typename R::Burst burst(rig.pool(), packets);
  expect_frames(rig.allocate(burst, frames, kFrameBytes), frames);
  std::uint16_t number = 0;
  for (auto& packet : burst) {
    std::byte* const to = R::data(packet);
    std::memset(to, 0, kFrameBytes);
    pollux::store_header(to,
                         pollux::EthernetHeader{.destination = kOneEnd,
                                                .source = kOtherEnd,
                                                .type = static_cast<std::uint16_t>(pollux::EtherType::kExperimental)});
    std::memcpy(to + kNumberAt, &number, sizeof number);
    ++number;
  }
  if (frames != 0) rig.queue().send(burst);
  rig.settle();
}

/// Takes every frame round once, whole, and looks at it: its length, addresses, type, and that each number comes once.
/// Errors: throws with what is wrong.
template <Rig R>
void check_frames(R& rig, std::uint32_t frames) {
  std::bitset<kBacklog> seen;
  std::vector<typename R::Packet> packets(32);
  typename R::Burst burst(rig.pool(), packets);
  while (rig.queue().receive(burst) != 0) {
    for (auto& packet : burst) {
      const std::byte* const data = R::data(packet);
      const auto header = pollux::load_header<pollux::EthernetHeader>(data);
      const auto is = [&](const pollux::MacAddress& destination, const pollux::MacAddress& source) {
        return header.destination == destination && header.source == source;
      };
      std::uint16_t number = 0;
      std::memcpy(&number, data + kNumberAt, sizeof number);
      if (R::length(packet) != kFrameBytes || !(is(kOneEnd, kOtherEnd) || is(kOtherEnd, kOneEnd)) || number >= frames ||
          seen.test(number)) {
        throw std::runtime_error(
            fmt::format("frame {} of {} bytes came back damaged, or twice", number, R::length(packet)));
      }
      seen.set(number);
    }
    rig.queue().send(burst);
  }
  expect_frames(seen.count(), frames);
  rig.settle();
}

}  // namespace bench

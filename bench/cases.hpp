// SPDX-License-Identifier: BSD-3-Clause
// The measured loops. Each is noexcept, allocates nothing, makes no system call of its own, and ends in bounded time.
#pragma once
#include <cstdint>

#include <pollux/core/clock.hpp>
#include <pollux/net/headers.hpp>
#include <pollux/net/port.hpp>

#include "frames.hpp"
#include "peer.hpp"
#include "samples.hpp"

namespace bench {

/// What one pass of a loop is given.
struct Pass {
  const FrameStream* stream;
  std::uint64_t count;     ///< frames or cycles
  std::uint32_t burst;     ///< packets per call, 1..256
  std::uint64_t period;    ///< cyclic [TSC ticks]
  std::uint64_t patience;  ///< without any progress for this long, the rest is lost [TSC ticks]
};

/// What it gives back.
struct Outcome {
  explicit Outcome(std::size_t samples, bool with_moments = false)
      : send(samples, with_moments), receive(samples, with_moments) {}
  Samples send;     ///< a tx call [ticks per packet]; forward: the whole receive-swap-send
  Samples receive;  ///< an rx call that returned packets [ticks per packet]; ping-pong: the round trip
  Verdict verdict;
  std::uint64_t frames = 0;    ///< packets moved in the timed direction
  std::uint64_t elapsed = 0;   ///< first to last of them [ticks]
  std::uint64_t overruns = 0;  ///< cyclic: cycles that began late
};

inline constexpr std::uint32_t kMaxBurst = 256;

/// Time without progress, in TSC ticks.
class Patience {
 public:
  explicit Patience(std::uint64_t limit) noexcept : limit_(limit), since_(pollux::Tsc::now()) {}
  void progress() noexcept { since_ = pollux::Tsc::now(); }
  [[nodiscard]] bool over() const noexcept { return pollux::Tsc::now() - since_ > limit_; }

 private:
  std::uint64_t limit_;
  std::uint64_t since_;
};

/// Calls f and returns its duration [ticks], fenced on both sides.
template <class F>
std::uint64_t timed(F&& f) noexcept {
  const std::uint64_t begin = pollux::Tsc::fenced();
  f();
  return pollux::Tsc::fenced() - begin;
}

/// Fills `burst` with frames first, first + 1, ... of the stream; returns how many the pool had buffers for.
inline std::uint32_t fill(pollux::PacketBurst& burst, const FrameStream& stream, std::uint64_t first,
                          std::uint32_t n) noexcept {
  std::uint32_t done = 0;
  for (; done < n && burst.allocate(1, stream.length(first + done)) == 1; ++done) {
    stream.write(first + done, burst[burst.size() - 1].data);
  }
  return done;
}

/// Receives until every frame sent is accounted for, or patience ends.
template <class P>
void collect(P& port, Checker& checker, std::uint64_t sent, std::uint64_t patience) noexcept {
  for (Patience left(patience); checker.accounted() < sent && !left.over();) {
    let_device_work(port);
    pollux::Burst<32> in(port.pool());
    if (port.rx_burst(in) == 0) continue;
    for (const pollux::Packet& packet : in) checker.check(packet);
    left.progress();
  }
}

/// One frame every period, as a fieldbus master does: take in what the last cycle's frame has become, send the next.
template <class P>
void cyclic(P& port, const Pass& pass, Shared&, Outcome& out) noexcept {
  Checker checker(*pass.stream);
  std::uint64_t sent = 0;
  const std::uint64_t begin = pollux::Tsc::now();
  std::uint64_t next = begin;
  for (std::uint64_t cycle = 0; cycle < pass.count; ++cycle) {
    const std::uint64_t moment = pollux::Tsc::now() - begin;
    pollux::Burst<32> in(port.pool());
    const std::uint64_t rx = timed([&] { port.rx_burst(in); });
    if (!in.empty()) out.receive.record(rx / in.size(), moment);
    for (const pollux::Packet& packet : in) checker.check(packet);

    pollux::Burst<1> frame(port.pool());
    fill(frame, *pass.stream, sent, 1);
    std::uint32_t taken = 0;
    const std::uint64_t tx = timed([&] { taken = port.tx_burst(frame); });
    if (taken == 1) out.send.record(tx, moment);
    sent += taken;

    next += pass.period;
    if (pollux::Tsc::now() > next) {
      ++out.overruns;
      next = pollux::Tsc::now();
    }
    let_device_work(port);
    while (pollux::Tsc::now() < next) {
      let_device_work(port);
      pollux::cpu_relax();
    }
  }
  out.elapsed = pollux::Tsc::now() - begin;
  out.frames = sent;
  collect(port, checker, sent, pass.patience);
  out.verdict += checker.finish(pass.count);  // a frame that could not be sent is a lost one
}

/// One frame out, the same frame back, the next.
template <class P>
void ping_pong(P& port, const Pass& pass, Shared&, Outcome& out) noexcept {
  Checker checker(*pass.stream);
  const std::uint64_t begin = pollux::Tsc::now();
  std::uint64_t sent = 0;
  for (; sent < pass.count; ++sent) {
    pollux::Burst<1> frame(port.pool());
    fill(frame, *pass.stream, sent, 1);
    Patience left(pass.patience);
    const std::uint64_t start = pollux::Tsc::fenced();
    while (!frame.empty() && !left.over()) port.tx_burst(frame);
    let_device_work(port);
    while (checker.accounted() <= sent && !left.over()) {
      let_device_work(port);
      pollux::Burst<8> in(port.pool());
      port.rx_burst(in);
      for (const pollux::Packet& packet : in) checker.check(packet);
    }
    if (checker.accounted() <= sent) break;
    out.receive.record(pollux::Tsc::fenced() - start);
  }
  out.elapsed = pollux::Tsc::now() - begin;
  out.frames = sent;
  out.verdict += checker.finish(pass.count);
}

/// Bursts to a peer that swallows them.
template <class P>
void send(P& port, const Pass& pass, Shared& shared, Outcome& out) noexcept {
  const std::uint64_t begin = pollux::Tsc::now();
  std::uint64_t sent = 0;
  const auto under_way = [&] { return sent - shared.peer_received.load(std::memory_order_acquire); };
  for (Patience left(pass.patience); sent < pass.count && !left.over();) {
    let_device_work(port);
    if (under_way() + pass.burst > kWindow) continue;
    pollux::Burst<kMaxBurst> burst(port.pool());
    const std::uint64_t rest = pass.count - sent;
    fill(burst, *pass.stream, sent, rest < pass.burst ? static_cast<std::uint32_t>(rest) : pass.burst);
    while (!burst.empty() && !left.over()) {
      std::uint32_t taken = 0;
      const std::uint64_t ticks = timed([&] { taken = port.tx_burst(burst); });
      let_device_work(port);
      if (taken == 0) continue;
      out.send.record(ticks / taken);
      sent += taken;
      left.progress();
    }
  }
  out.elapsed = pollux::Tsc::now() - begin;
  out.frames = sent;
  for (Patience left(pass.patience); under_way() != 0 && !left.over();) let_device_work(port);
  out.verdict.lost += pass.count - sent + under_way();
}

/// Bursts from a peer that sends.
template <class P>
void receive(P& port, const Pass& pass, Shared& shared, Outcome& out) noexcept {
  Checker checker(*pass.stream);
  std::uint64_t begin = 0;
  for (Patience left(pass.patience); checker.accounted() < pass.count && !left.over();) {
    let_device_work(port);
    pollux::Burst<kMaxBurst> in(port.pool(), pass.burst);
    std::uint32_t n = 0;
    const std::uint64_t ticks = timed([&] { n = port.rx_burst(in); });
    if (n == 0) continue;
    if (begin == 0) begin = pollux::Tsc::now();
    out.receive.record(ticks / n);
    out.frames += n;
    for (const pollux::Packet& packet : in) checker.check(packet);
    shared.measured_received.store(checker.accounted(), std::memory_order_release);
    left.progress();
  }
  out.elapsed = begin == 0 ? 0 : pollux::Tsc::now() - begin;
  out.verdict += checker.finish(pass.count);
}

/// Receive, exchange addresses, send back, from and to a peer that checks what returns.
template <class P>
void forward(P& port, const Pass& pass, Shared& shared, Outcome& out) noexcept {
  std::uint64_t forwarded = 0, begin = 0;
  for (Patience left(pass.patience); forwarded < pass.count && !left.over();) {
    let_device_work(port);
    pollux::Burst<kMaxBurst> burst(port.pool(), pass.burst);
    const std::uint64_t rx = timed([&] { port.rx_burst(burst); });
    if (burst.empty()) continue;
    if (begin == 0) begin = pollux::Tsc::now();
    const std::uint32_t n = burst.size();
    std::uint32_t ours = 0;
    for (const pollux::Packet& packet : burst) {
      std::uint64_t number = 0;
      ours += pass.stream->identify(packet.bytes(), forwarded + ours, number);
    }
    const std::uint64_t tx = timed([&] {
      for (const pollux::Packet& packet : burst) pollux::swap_addresses(packet.data);
      port.tx_burst(burst);
    });
    if (burst.empty()) out.send.record((rx + tx) / n);  // all taken at once
    while (!burst.empty() && !left.over()) {
      let_device_work(port);
      port.tx_burst(burst);
    }
    let_device_work(port);
    forwarded += ours;
    out.frames += ours;
    shared.measured_received.store(forwarded, std::memory_order_release);
    left.progress();
  }
  out.elapsed = begin == 0 ? 0 : pollux::Tsc::now() - begin;
  Patience left(pass.patience);
  while (shared.peer_received.load(std::memory_order_acquire) < pass.count && !left.over()) { let_device_work(port); }
  out.verdict.lost += pass.count - shared.peer_received.load(std::memory_order_acquire);
}

}  // namespace bench

// SPDX-License-Identifier: BSD-3-Clause
// Peer: the station at the other end of the wire, on a thread of its own: reflects, sends or swallows frames.
#pragma once
#include <atomic>
#include <exception>
#include <string>
#include <thread>

#include <pollux/net/headers.hpp>
#include <pollux/open_port.hpp>

#include "frames.hpp"
#include "threads.hpp"

namespace bench {

enum class PeerRole : std::uint8_t {
  kReflect,  ///< sends every frame of the stream back, addresses exchanged
  kSwallow,  ///< checks frames and counts them
  kSend,     ///< sends the stream, within the window
};

/// What both sides of one run share. Each counter has one writer.
struct Shared {
  alignas(64) std::atomic<std::uint64_t> peer_sent{0};
  alignas(64) std::atomic<std::uint64_t> peer_received{0};
  alignas(64) std::atomic<std::uint64_t> measured_received{0};
  alignas(64) std::atomic<bool> stop{false};
};

/// Frames that may be under way between the two sides: bounded, so that a full queue anywhere is not a lost frame.
inline constexpr std::uint64_t kWindow = 256;
static_assert(kWindow <= Checker::kReach + 1, "a frame that was overtaken by all others under way still counts");

/// A model's turn, outside of anything measured; nothing for ports that move by themselves.
template <class P>
void let_device_work(P& port) noexcept {
  if constexpr (requires { port.step(); }) port.step();
}

/// Runs from construction to `stop`. The port is opened by the peer's own thread, because a pool belongs to one.
class Peer {
 public:
  /// Errors: raises what opening the port raises.
  Peer(std::string spec, PeerRole role, const FrameStream& stream, std::uint64_t count,
       const pollux::OpenOptions& options, int cpu)
      : thread_([=, this, &stream] { run(spec, role, stream, count, options, cpu); }) {
    state_.wait(State::kOpening);
    if (state_.load() == State::kFailed) {
      thread_.join();
      std::rethrow_exception(error_);
    }
  }
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;
  ~Peer() { stop(); }

  /// Ends the thread; afterwards `verdict` is final.
  void stop() {
    shared_.stop.store(true);
    if (thread_.joinable()) thread_.join();
  }
  [[nodiscard]] Shared& shared() noexcept { return shared_; }
  [[nodiscard]] const Verdict& verdict() const noexcept { return verdict_; }

 private:
  enum class State : std::uint8_t { kOpening, kRunning, kFailed };

  void run(const std::string& spec, PeerRole role, const FrameStream& stream, std::uint64_t count,
           const pollux::OpenOptions& options, int cpu) {
    try {
      pin_this_thread(cpu);
      pollux::visit_port(spec, options, [&](auto& port, const std::string&) {
        set_state(State::kRunning);
        switch (role) {
          case PeerRole::kReflect:
            reflect(port, stream);
            break;
          case PeerRole::kSwallow:
            swallow(port, stream);
            break;
          case PeerRole::kSend:
            send(port, stream, count);
            break;
        }
      });
    } catch (...) {
      error_ = std::current_exception();
      set_state(State::kFailed);
    }
  }
  void set_state(State state) {
    state_.store(state);
    state_.notify_all();
  }
  [[nodiscard]] bool stopped() const noexcept { return shared_.stop.load(std::memory_order_relaxed); }

  template <class P>
  void reflect(P& port, const FrameStream& stream) {
    std::uint64_t received = 0;
    while (!stopped()) {
      let_device_work(port);
      pollux::Burst<64> in(port.pool()), out(port.pool());
      port.rx_burst(in);
      for (pollux::Packet& packet : in) {
        std::uint64_t number = 0;
        if (!stream.identify(packet.bytes(), received, number)) continue;  // stays in `in`, which drops it
        ++received;
        pollux::swap_addresses(packet.data);
        out.append(packet);
        packet.id = kMoved;
      }
      drop_all_but_moved(in);
      while (!out.empty() && !stopped()) {
        if (port.tx_burst(out) == 0) port.reclaim();
        let_device_work(port);
      }
      port.reclaim();
      shared_.peer_received.store(received, std::memory_order_release);
    }
  }

  template <class P>
  void swallow(P& port, const FrameStream& stream) {
    Checker checker(stream);
    while (!stopped()) {
      let_device_work(port);
      pollux::Burst<64> in(port.pool());
      port.rx_burst(in);
      for (const pollux::Packet& packet : in) checker.check(packet);
      shared_.peer_received.store(checker.accounted(), std::memory_order_release);
    }
    verdict_ = checker.verdict();
  }

  template <class P>
  void send(P& port, const FrameStream& stream, std::uint64_t count) {
    Checker returned(stream);  // what a forwarder under test sends back
    for (std::uint64_t sent = 0; !stopped();) {
      let_device_work(port);
      pollux::Burst<64> back(port.pool());
      port.rx_burst(back);
      for (const pollux::Packet& packet : back) returned.check(packet);
      shared_.peer_received.store(returned.accounted(), std::memory_order_release);

      const std::uint64_t arrived = shared_.measured_received.load(std::memory_order_acquire);
      pollux::Burst<16> out(port.pool());
      while (sent + out.size() < count && sent + out.size() < arrived + kWindow && out.room() > 0) {
        const std::uint64_t n = sent + out.size();
        if (out.allocate(1, stream.length(n)) == 0) break;
        stream.write(n, out[out.size() - 1].data);
      }
      while (!out.empty() && !stopped()) {
        sent += port.tx_burst(out);
        let_device_work(port);
      }
      port.reclaim();
      shared_.peer_sent.store(sent, std::memory_order_release);
    }
    verdict_ = returned.verdict();
  }

  static constexpr std::uint32_t kMoved = ~0u;
  static void drop_all_but_moved(pollux::PacketBurst& burst) {
    while (!burst.empty()) {
      if (burst[0].id == kMoved) {
        burst.forget_front(1);
      } else {
        burst.drop_front(1);
      }
    }
  }

  Shared shared_;
  Verdict verdict_;
  std::atomic<State> state_{State::kOpening};
  std::exception_ptr error_;
  std::thread thread_;  ///< last: it uses all of the above
};

}  // namespace bench

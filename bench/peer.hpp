// SPDX-License-Identifier: BSD-3-Clause
// Peer: the station at the other end of the wire, on a thread of its own: reflects, sends or swallows frames.
#pragma once
#include <atomic>
#include <exception>
#include <string>
#include <thread>

#include <pollux/net/any_port.hpp>
#include <pollux/open_options.hpp>

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

/// Runs from construction to `stop`. The port is opened by the peer's own thread, because a pool belongs to one. It is
/// an AnyPort: nothing of the peer is measured, and a model behind it moves by itself.
class Peer {
 public:
  /// Errors: raises what opening the port raises.
  Peer(std::string spec, PeerRole role, const FrameStream& stream, std::uint64_t count,
       const pollux::OpenOptions& options, int cpu);
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;
  ~Peer() { stop(); }

  /// Ends the thread; afterwards `verdict` is final.
  void stop();
  [[nodiscard]] Shared& shared() noexcept { return shared_; }
  [[nodiscard]] const Verdict& verdict() const noexcept { return verdict_; }

 private:
  enum class State : std::uint8_t { kOpening, kRunning, kFailed };

  void run(const std::string& spec, PeerRole role, const FrameStream& stream, std::uint64_t count,
           const pollux::OpenOptions& options, int cpu);
  void set_state(State state);
  [[nodiscard]] bool stopped() const noexcept { return shared_.stop.load(std::memory_order_relaxed); }
  void reflect(pollux::AnyPort& port, const FrameStream& stream);
  void swallow(pollux::AnyPort& port, const FrameStream& stream);
  void send(pollux::AnyPort& port, const FrameStream& stream, std::uint64_t count);

  Shared shared_;
  Verdict verdict_;
  std::atomic<State> state_{State::kOpening};
  std::exception_ptr error_;
  std::thread thread_;  ///< last: it uses all of the above
};

}  // namespace bench

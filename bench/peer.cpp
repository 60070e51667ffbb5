// SPDX-License-Identifier: BSD-3-Clause
#include "peer.hpp"

#include <pollux/net/headers.hpp>
#include <pollux/open_port.hpp>

namespace bench {
namespace {

constexpr std::uint32_t kMoved = ~0u;  ///< id of a packet that another burst has now

void drop_all_but_moved(pollux::PacketBurst& burst) {
  while (!burst.empty()) {
    if (burst[0].id == kMoved) {
      burst.forget_front(1);
    } else {
      burst.drop_front(1);
    }
  }
}

}  // namespace

Peer::Peer(std::string spec, PeerRole role, const FrameStream& stream, std::uint64_t count,
           const pollux::OpenOptions& options, int cpu)
    : thread_([=, this, &stream] { run(spec, role, stream, count, options, cpu); }) {
  state_.wait(State::kOpening);
  if (state_.load() == State::kFailed) {
    thread_.join();
    std::rethrow_exception(error_);
  }
}

void Peer::stop() {
  shared_.stop.store(true);
  if (thread_.joinable()) thread_.join();
}

void Peer::set_state(State state) {
  state_.store(state);
  state_.notify_all();
}

void Peer::run(const std::string& spec, PeerRole role, const FrameStream& stream, std::uint64_t count,
               const pollux::OpenOptions& options, int cpu) {
  try {
    pin_this_thread(cpu);
    pollux::AnyPort port = pollux::open_port(spec, options);
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
  } catch (...) {
    error_ = std::current_exception();
    set_state(State::kFailed);
  }
}

void Peer::reflect(pollux::AnyPort& port, const FrameStream& stream) {
  std::uint64_t received = 0;
  while (!stopped()) {
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
    }
    port.reclaim();
    shared_.peer_received.store(received, std::memory_order_release);
  }
}

void Peer::swallow(pollux::AnyPort& port, const FrameStream& stream) {
  Checker checker(stream);
  while (!stopped()) {
    pollux::Burst<64> in(port.pool());
    port.rx_burst(in);
    for (const pollux::Packet& packet : in) checker.check(packet);
    shared_.peer_received.store(checker.accounted(), std::memory_order_release);
  }
  verdict_ = checker.verdict();
}

void Peer::send(pollux::AnyPort& port, const FrameStream& stream, std::uint64_t count) {
  Checker returned(stream);  // what a forwarder under test sends back
  for (std::uint64_t sent = 0; !stopped();) {
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
    while (!out.empty() && !stopped()) { sent += port.tx_burst(out); }
    port.reclaim();
    shared_.peer_sent.store(sent, std::memory_order_release);
  }
  verdict_ = returned.verdict();
}

}  // namespace bench

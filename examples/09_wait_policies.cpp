// SPDX-License-Identifier: BSD-3-Clause
// What waking up costs, by wait policy: from a frame's sending to the moment that the waiting thread has it.
//   09_wait_policies [--dev SPEC] [--peer SPEC] [--irq KIND] [--count FRAMES]
// A second thread sends: into the simulated wire, or through --peer, a port on the same wire as --dev. Give it two CPUs
// that nothing else uses: where threads share one, spinning is the slowest of all.
#include <algorithm>
#include <array>
#include <atomic>
#include <csignal>
#include <functional>
#include <thread>

#include <CLI/CLI.hpp>
#include <fmt/core.h>
#include <pollux/irq/rx_waiter.hpp>
#include <pollux/open_port.hpp>
#include <pollux/visit_port.hpp>

using namespace pollux::literals;

namespace {
volatile std::sig_atomic_t stopped = 0;

/// A broadcast frame that carries, behind its header, the time at which it was sent.
using Header = pollux::EthernetHeader;
using Frame = std::array<std::byte, pollux::kMinFrame>;
constexpr auto kOurs = static_cast<std::uint16_t>(pollux::EtherType::kExperimental);
constexpr std::size_t kStamp = sizeof(Header);
Frame stamped() {
  Frame out{};
  const pollux::MacAddress all{{255, 255, 255, 255, 255, 255}}, us{{2, 0, 0, 0, 0, 9}};
  pollux::store_header(out.data(), Header{.destination = all, .source = us, .type = kOurs});
  const pollux::Nanos sent = pollux::SteadyClock().now();
  std::memcpy(&out[kStamp], &sent, sizeof sent);
  return out;
}

/// Waits for frames and prints how late they were. Policy: wait(waiter, timeout).
template <class Port, class Policy>
void measure(const char* name, Port& port, pollux::Interrupt& interrupt, Policy policy, std::size_t wanted) {
  pollux::RxWaiter waiter(port, interrupt);
  const pollux::Nanos begin = pollux::SteadyClock().now();
  std::vector<std::int64_t> late;
  for (int vain = 0; late.size() < wanted && stopped == 0;) {
    const bool ready = policy.wait(waiter, 100_ms);
    const pollux::Nanos awake = pollux::SteadyClock().now();
    if (waiter.failure()) pollux::raise(*waiter.failure());
    if (!ready && ++vain == 50) throw std::runtime_error("no frame for five seconds: is the peer on the same wire?");
    pollux::Burst<32> burst(port.pool());
    port.rx_burst(burst);
    for (const pollux::Packet& packet : burst) {
      if (packet.length < sizeof(Frame) || pollux::load_header<Header>(packet.data).type != kOurs) continue;
      pollux::Nanos sent;
      std::memcpy(&sent, packet.data + kStamp, sizeof sent);
      if (sent > begin) late.push_back((awake - sent).count), vain = 0;
    }
  }
  if (stopped != 0) return;
  std::sort(late.begin(), late.end());
  const auto at = [&](std::size_t percent) { return double(late[(late.size() - 1) * percent / 100]) / 1e3; };
  fmt::print("{:14} {:10.1f} {:10.1f} {:10.1f}\n", name, at(50), at(99), at(100));
  std::fflush(stdout);
}

struct OwnLoop {  // around CallerEpoll; poll(2) stands for the epoll set of a program
  pollux::CallerEpoll policy;
  template <class Waiter>
  bool wait(Waiter& waiter, pollux::Nanos timeout) {
    if (!policy.may_sleep(waiter)) return true;
    pollfd one{.fd = waiter.fd(), .events = POLLIN, .revents = 0};
    (void)pollux::sys::poll_for(&one, 1, timeout.count);
    policy.woken(waiter);
    return waiter.ready();
  }
};

template <class Port>
void compare(Port& port, std::optional<pollux::IrqKind> kind, std::size_t count) {
  const pollux::IrqCounts there = port.backend().irq_counts();
  for (const auto better : {pollux::IrqKind::kMsix, pollux::IrqKind::kMsi, pollux::IrqKind::kIntx}) {
    if (!kind && there.of(better) >= pollux::VectorLayout{.kind = better, .rx_queues = 1}.count()) kind = better;
  }
  port.use_interrupts(kind.value_or(pollux::IrqKind::kIntx));
  const pollux::VectorLayout vectors = port.vectors();
  const auto interrupts = port.backend().open_interrupts(vectors.kind, vectors.count());
  auto& rx = *interrupts[vectors.rx()];
  fmt::print("{}, {}; from sent to awake [us]\n{:14} {:>10} {:>10} {:>10}\n", port.name(), to_string(vectors.kind),
             "policy", "p50", "p99", "max");
  measure("Spin", port, rx, pollux::Spin(), count);
  measure("SpinPause", port, rx, pollux::SpinPause(), count);
  measure("SpinThenBlock", port, rx, pollux::SpinThenBlock(), count);
  measure("AdaptiveWait", port, rx, pollux::AdaptiveWait(), count);
  measure("CallerEpoll", port, rx, OwnLoop(), count);
}

/// Calls send() every millisecond on a thread of its own, from construction to destruction.
class Sender {
 public:
  explicit Sender(std::function<void()> send)
      : thread_([this, send = std::move(send)] {
          for (; !end_; pollux::SteadyClock().pause(1_ms)) send();
        }) {}
  ~Sender() { end_ = true, thread_.join(); }

 private:
  std::atomic<bool> end_{false};
  std::thread thread_;
};
}  // namespace

int main(int argc, char** argv) try {
  CLI::App app{"Prints what waking up costs, by wait policy."};
  std::string dev = "sim:ixgbe", peer;
  std::optional<pollux::IrqKind> kind;
  std::size_t count = 1000;
  app.add_option("--dev", dev, "port that waits: sim:ixgbe, sim:82574, pci:BDF")->capture_default_str();
  app.add_option("--peer", peer, "port that sends to it, unless it is simulated: packet:INTERFACE, pci:BDF");
  const std::map<std::string, pollux::IrqKind> kinds{
      {"intx", pollux::IrqKind::kIntx}, {"msi", pollux::IrqKind::kMsi}, {"msix", pollux::IrqKind::kMsix}};
  app.add_option("--irq", kind, "the best there is, unless given")->transform(CLI::CheckedTransformer(kinds));
  app.add_option("--count", count, "frames for each policy")->check(CLI::PositiveNumber)->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  std::signal(SIGINT, [](int) { stopped = 1; });

  pollux::sim::Cable cable;
  pollux::visit_port(dev, {.sim_wire = &cable.b()}, [&](auto& port, const std::string&) {
    if constexpr (requires { port.step(); }) {
      const Sender sender([&] {
        (void)port.step();  // the device sees what the driver gave it
        (void)cable.a().transmit(stamped());
        (void)port.step();
      });
      compare(port.port(), kind, count);
    } else if constexpr (pollux::RxInterruptible<std::remove_reference_t<decltype(port)>>) {
      if (peer.empty()) throw std::runtime_error("a device needs somebody who sends to it: --peer");
      pollux::AnyPort from = pollux::open_port(peer);
      const Sender sender([&] {
        pollux::Burst<1> burst(from.pool());
        if (burst.allocate(1, pollux::kMinFrame) == 1) std::memcpy(burst[0].data, stamped().data(), pollux::kMinFrame);
        from.tx_burst(burst);
      });
      compare(port, kind, count);
    } else {
      throw std::runtime_error("this port has no interrupts; sim: and pci: ports have");
    }
  });
} catch (const std::exception& error) {
  fmt::print(stderr, "09_wait_policies: {}\n", error.what());
  return 1;
}

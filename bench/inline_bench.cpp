// SPDX-License-Identifier: BSD-3-Clause
// pollux-inline-bench: what the driver's own code costs per packet. The device is the 82599 model in shared memory, and
// moves only between the timed regions: no PCIe, no DMA; what is timed is the machine code that runs on hardware.
#include <pollux/net/lanes.hpp>
#include <pollux/sim_port.hpp>

#include "inline_main.hpp"

namespace {

/// A port of Pollux. `Sim`: which, and how it is configured at compile time.
template <class Sim>
class PolluxRig {
 public:
  using Packet = pollux::Packet;
  using PortQueue = typename pollux::SimPort<Sim>::Port::Queue;
  template <std::uint32_t N>
  using Burst = pollux::Burst<N>;
  class Queue {
   public:
    explicit Queue(PortQueue& queue) noexcept : queue_(&queue) {}
    std::uint32_t receive(pollux::PacketBurst& burst) const noexcept { return queue_->rx_burst(burst); }
    void send(pollux::PacketBurst& burst) const noexcept {
      do queue_->tx_burst(burst);
      while (!burst.empty());
    }

   private:
    PortQueue* queue_;
  };

  PolluxRig() = default;
  ~PolluxRig() { port_.faults().raise_if_any(); }
  pollux::BufferStore& pool() noexcept { return port_.pool(); }
  Queue queue() noexcept { return Queue(port_.port().queue(0)); }
  void settle() {
    while (port_.step()) {}
  }
  std::uint32_t allocate(pollux::PacketBurst& burst, std::uint32_t n, std::uint16_t bytes) {
    return burst.allocate(n, bytes);
  }
  static std::byte* data(const Packet& packet) noexcept { return packet.data; }
  static std::uint32_t length(const Packet& packet) noexcept { return packet.length; }
  [[nodiscard]] const std::string& note() const { return port_.note(); }

 private:
  pollux::sim::Loopback wire_;
  pollux::SimPort<Sim> port_{2048, {.rx_descriptors = 512, .tx_descriptors = 512, .promiscuous = true}, &wire_};
};

/// Which of the vector widths this program was compiled for.
constexpr const char* kKind = pollux::TargetLanes::kCount == 4   ? "avx512"
                              : pollux::TargetLanes::kCount == 2 ? "avx2"
                                                                 : "scalar";

int run(int argc, char** argv) {
  CLI::App app("What Pollux's ixgbe driver itself costs per packet, on the 82599 model");
  bench::InlineOptions options;
  options.add_to(app);
  CLI11_PARSE(app, argc, argv);
  options.settle();
  bench::place_threads(options);
  using Rig = PolluxRig<pollux::Sim82599>;
  bench::InlineProgram<Rig> program(std::string("sim:ixgbe:") + kKind, options, [] { return std::make_unique<Rig>(); });
  program.add_cases();
  bench::describe_method(options, bench::CacheWalk(options.cold_bytes).bytes());
  const std::string note = Rig().note();
  benchmark::AddCustomContext("memory", note.empty() ? "hugepages" : note);
  const int status = bench::run_registered(app.remaining());
  return status != 0 ? status : program.failed() ? 1 : 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "pollux-inline-bench: %s\n", error.what());
    return 1;
  }
}

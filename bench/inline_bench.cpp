// SPDX-License-Identifier: BSD-3-Clause
// pollux-inline-bench: what the driver's own code costs per packet. The device is the 82599 model in shared memory, and
// moves only between the timed regions: no PCIe, no DMA; what is timed is the machine code that runs on hardware.
#include <array>
#include <span>

#include <pollux/net/lanes.hpp>
#include <pollux/sim_port.hpp>

#include "inline_main.hpp"

namespace {

/// Packets, and what the NIC said of each.
template <class Metadata, std::uint32_t kMost>
class MetadataBurst {
 public:
  explicit MetadataBurst(pollux::BufferStore& pool) noexcept : packets(pool) {}
  [[nodiscard]] std::uint32_t size() const noexcept { return packets.size(); }
  pollux::Packet* begin() noexcept { return packets.begin(); }
  pollux::Packet* end() noexcept { return packets.end(); }
  std::span<Metadata> free_metadata() noexcept { return std::span(metadata_).subspan(packets.size()); }

  pollux::Burst<kMost> packets;

 private:
  std::array<Metadata, kMost> metadata_;
};

/// A port of Pollux. `kMetadata`: everything the NIC says of a frame is delivered with it.
template <class Sim, bool kMetadata>
class PolluxRig {
 public:
  using Packet = pollux::Packet;
  using PortQueue = typename pollux::SimPort<Sim>::Port::Queue;
  template <std::uint32_t N>
  using Burst = std::conditional_t<kMetadata, MetadataBurst<typename PortQueue::RxMetadata, N>, pollux::Burst<N>>;

  class Queue {
   public:
    explicit Queue(PortQueue& queue) noexcept : queue_(&queue) {}
    [[gnu::always_inline]] std::uint32_t receive(pollux::PacketBurst& burst) const noexcept {
      return queue_->rx_burst(burst);
    }
    template <class Metadata, std::uint32_t N>
    [[gnu::always_inline]] std::uint32_t receive(MetadataBurst<Metadata, N>& burst) const noexcept {
      const std::span<Metadata> metadata = burst.free_metadata();
      const std::uint32_t n = queue_->rx_burst(burst.packets, metadata);
      asm volatile("" ::"r"(metadata.data()) : "memory");  // nobody reads it here, but it is there
      return n;
    }
    [[gnu::always_inline]] void send(pollux::PacketBurst& burst) const noexcept {
      queue_->tx_burst(burst);
      if (!burst.empty()) [[unlikely]]
        send_rest(burst);
    }
    template <class Metadata, std::uint32_t N>
    [[gnu::always_inline]] void send(MetadataBurst<Metadata, N>& burst) const noexcept {
      send(burst.packets);
    }

   private:
    [[gnu::noinline]] void send_rest(pollux::PacketBurst& burst) const noexcept {
      for (int tries = 0; !burst.empty(); ++tries) {
        if (tries == 1000) bench::give_up_sending();
        queue_->tx_burst(burst);
      }
    }
    PortQueue* queue_;
  };

  PolluxRig() = default;
  pollux::BufferStore& pool() noexcept { return port_.pool(); }
  Queue queue() noexcept { return Queue(port_.port().queue(0)); }
  void settle() {
    while (port_.step()) {}
  }
  template <class B>
  std::uint32_t allocate(B& burst, std::uint32_t n, std::uint16_t bytes) {
    if constexpr (kMetadata) {
      return burst.packets.allocate(n, bytes);
    } else {
      return burst.allocate(n, bytes);
    }
  }
  static std::byte* data(const Packet& packet) noexcept { return packet.data; }
  static std::uint32_t length(const Packet& packet) noexcept { return packet.length; }
  [[nodiscard]] const std::string& note() const { return port_.note(); }
  /// Errors: raises what the driver did wrong in the model's eyes.
  void check_faults() { port_.faults().raise_if_any(); }

 private:
  pollux::sim::Loopback wire_;
  pollux::SimPort<Sim> port_{2048,
                             {.rx_descriptors = 512,
                              .tx_descriptors = 512,
                              .promiscuous = true,
                              .rss_hash = kMetadata,
                              .strip_vlan = kMetadata},
                             &wire_};
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
  const std::string port = std::string("sim:ixgbe:") + kKind;
  using Plain = PolluxRig<pollux::Sim82599, false>;
  using WithMetadata = PolluxRig<pollux::Sim82599, true>;
  bench::InlineProgram<Plain> plain(port, options, [] { return std::make_unique<Plain>(); });
  bench::InlineProgram<WithMetadata> metadata(port + ":metadata", options,
                                              [] { return std::make_unique<WithMetadata>(); });
  plain.add_cases();
  metadata.add_few_cases();
  bench::describe_method(options, bench::CacheWalk(options.cold_bytes).bytes());
  const std::string note = Plain().note();
  benchmark::AddCustomContext("memory", note.empty() ? "hugepages" : note);
  const int status = bench::run_registered(app.remaining());
  return status != 0 ? status : plain.failed() || metadata.failed() ? 1 : 0;
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

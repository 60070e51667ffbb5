// SPDX-License-Identifier: BSD-3-Clause
// PolluxRig: Pollux's ixgbe port as the inline cases see it.
#pragma once
#include <memory>
#include <span>
#include <type_traits>
#include <vector>

#include <pollux/net/lanes.hpp>
#include <pollux/sim_port.hpp>

#include "inline_main.hpp"

namespace bench {

/// Packets in memory of the caller's, which outlives this.
class SlotBurst : public pollux::PacketBurst {
 public:
  SlotBurst(pollux::BufferStore& pool, std::span<pollux::Packet> slots) noexcept
      : PacketBurst(pool, slots.data(), static_cast<std::uint32_t>(slots.size())) {}
  ~SlotBurst() { clear(); }
};
/// The same, with what the NIC said of each packet.
template <class Metadata>
class MetadataBurst : public SlotBurst {
 public:
  MetadataBurst(pollux::BufferStore& pool, std::span<pollux::Packet> slots)
      : SlotBurst(pool, slots), all_(slots.size()) {}
  std::span<Metadata> metadata() noexcept { return all_; }

 private:
  std::vector<Metadata> all_;
};

/// `kMetadata`: everything the NIC says of a frame is delivered with it.
template <class Sim, bool kMetadata>
class PolluxRig {
 public:
  using Packet = pollux::Packet;
  using PortQueue = typename pollux::SimPort<Sim>::Port::Queue;
  using Burst = std::conditional_t<kMetadata, MetadataBurst<typename PortQueue::RxMetadata>, SlotBurst>;

  class Queue {
   public:
    explicit Queue(PortQueue& queue) noexcept : queue_(&queue) {}
    [[gnu::always_inline]] std::uint32_t receive(Burst& burst) const noexcept {
      if constexpr (kMetadata) {
        return queue_->rx_burst(burst, burst.metadata().subspan(burst.size()));
      } else {
        return queue_->rx_burst(burst);
      }
    }
    [[gnu::always_inline]] void send(Burst& burst) const noexcept {
      queue_->tx_burst(burst);
      if (!burst.empty()) [[unlikely]]
        send_rest(burst);
    }

   private:
    [[gnu::noinline]] void send_rest(Burst& burst) const noexcept {
      for (int tries = 0; !burst.empty(); ++tries) {
        if (tries == 1000) give_up_sending();
        queue_->tx_burst(burst);
      }
    }
    PortQueue* queue_;
  };

  pollux::BufferStore& pool() noexcept { return port_.pool(); }
  Queue queue() noexcept { return Queue(port_.port().queue(0)); }
  void settle() {
    while (port_.step()) {}
  }
  std::uint32_t allocate(Burst& burst, std::uint32_t n, std::uint16_t bytes) { return burst.allocate(n, bytes); }
  static std::byte* data(const Packet& packet) noexcept { return packet.data; }
  static std::uint32_t length(const Packet& packet) noexcept { return packet.length; }
  [[nodiscard]] const std::string& note() const { return port_.note(); }
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

/// The program of one configuration. Each has a translation unit of its own, so that none changes what the compiler
/// makes of the other's loops.
template <bool kMetadata>
std::unique_ptr<InlineProgram> make_program(const InlineOptions& options) {
  using R = PolluxRig<pollux::Sim82599, kMetadata>;
  // Which of the vector widths it is compiled for.
  constexpr const char* kPort = pollux::TargetLanes::kCount == 4   ? "sim:ixgbe:avx512"
                                : pollux::TargetLanes::kCount == 2 ? "sim:ixgbe:avx2"
                                                                   : "sim:ixgbe:scalar";
  const std::string note = R().note();
  return std::make_unique<RigProgram<R>>(std::string(kPort) + (kMetadata ? ":metadata" : ""), options,
                                         note.empty() ? "hugepages" : note, [] { return std::make_unique<R>(); });
}
std::unique_ptr<InlineProgram> plain_program(const InlineOptions& options);
std::unique_ptr<InlineProgram> metadata_program(const InlineOptions& options);

}  // namespace bench

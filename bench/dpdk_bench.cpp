// SPDX-License-Identifier: BSD-3-Clause
// pollux-dpdk-bench: the cases of pollux-inline-bench with DPDK's net_ixgbe, on the same model.
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_version.h>

#include <array>
#include <span>

#include "dpdk_port.hpp"
#include "inline_main.hpp"

namespace {

/// The port as the cases see it. It stays started from case to case; its frames do not.
class DpdkRig {
 public:
  using Packet = rte_mbuf*;
  class Burst {
   public:
    Burst(rte_mempool*, std::span<rte_mbuf*> slots) noexcept
        : slots_(slots.data()), most_(static_cast<std::uint32_t>(slots.size())) {}
    Burst(const Burst&) = delete;
    Burst& operator=(const Burst&) = delete;
    ~Burst() { clear(); }
    [[nodiscard]] std::uint32_t size() const noexcept { return size_; }
    rte_mbuf** begin() const noexcept { return slots_; }
    rte_mbuf** end() const noexcept { return slots_ + size_; }
    [[nodiscard]] std::uint16_t room() const noexcept { return static_cast<std::uint16_t>(most_ - size_); }
    void set_size(std::uint32_t n) noexcept { size_ = n; }
    void clear() noexcept {
      rte_pktmbuf_free_bulk(slots_, size_);
      size_ = 0;
    }

   private:
    rte_mbuf** slots_;
    std::uint32_t most_, size_ = 0;
  };
  class Queue {
   public:
    explicit Queue(std::uint16_t port) noexcept : port_(port) {}
    [[gnu::always_inline]] std::uint32_t receive(Burst& burst) const noexcept {
      const std::uint32_t n = rte_eth_rx_burst(port_, 0, burst.end(), burst.room());
      burst.set_size(burst.size() + n);
      return n;
    }
    [[gnu::always_inline]] void send(Burst& burst) const noexcept {
      const auto n = static_cast<std::uint16_t>(burst.size());
      const std::uint16_t sent = rte_eth_tx_burst(port_, 0, burst.begin(), n);
      if (sent != n) [[unlikely]]
        send_rest(burst.begin() + sent, burst.end());
      burst.set_size(0);
    }

   private:
    [[gnu::noinline]] void send_rest(rte_mbuf** from, rte_mbuf** end) const noexcept {
      for (int tries = 0; from != end; ++tries) {
        if (tries == 1000) bench::give_up_sending();
        from += rte_eth_tx_burst(port_, 0, from, static_cast<std::uint16_t>(end - from));
      }
    }
    std::uint16_t port_;
  };

  explicit DpdkRig(bench::DpdkPort& port) noexcept : port_(&port) {}
  DpdkRig(const DpdkRig&) = delete;
  DpdkRig& operator=(const DpdkRig&) = delete;
  ~DpdkRig() {
    settle();
    std::array<rte_mbuf*, 32> slots{};
    Burst burst(pool(), slots);
    while (queue().receive(burst) != 0) burst.clear();
  }
  [[nodiscard]] rte_mempool* pool() const noexcept { return port_->pool(); }
  [[nodiscard]] Queue queue() const noexcept { return Queue(port_->id()); }
  void settle() noexcept { port_->settle(); }
  void check_faults() { port_->check_faults(); }
  std::uint32_t allocate(Burst& burst, std::uint32_t n, std::uint16_t bytes) {
    if (rte_pktmbuf_alloc_bulk(pool(), burst.begin(), n) != 0) return 0;
    burst.set_size(n);
    for (rte_mbuf* packet : burst) packet->data_len = bytes, packet->pkt_len = bytes;
    return n;
  }
  static std::byte* data(rte_mbuf* packet) noexcept { return rte_pktmbuf_mtod(packet, std::byte*); }
  static std::uint32_t length(const rte_mbuf* packet) noexcept { return packet->pkt_len; }

 private:
  bench::DpdkPort* port_;
};

int run(int argc, char** argv) {
  CLI::App app("What DPDK's net_ixgbe costs per packet, on Pollux's 82599 model");
  bench::InlineOptions options;
  options.add_to(app);
  std::string name = "vec";
  app.add_option("--path", name, "the driver's code path: vec (SSE, its default), bulk, full")
      ->check(CLI::IsMember({"vec", "bulk", "full"}));
  CLI11_PARSE(app, argc, argv);
  options.settle();
  bench::place_threads(options);
  const bench::DpdkPath path = name == "vec"    ? bench::DpdkPath::kVector
                               : name == "bulk" ? bench::DpdkPath::kBulk
                                                : bench::DpdkPath::kFull;
  bench::DpdkPort port({.path = path, .cpu = options.cpu});
  const std::uint32_t smallest_burst = path == bench::DpdkPath::kVector ? 4 : 1;
  bench::RigProgram<DpdkRig> program(
      "dpdk:net_ixgbe:" + name, options, port.memory(), [&port] { return std::make_unique<DpdkRig>(port); },
      smallest_burst);
  program.add_cases();
  bench::describe_method(options, bench::CacheWalk(options.cold_bytes).bytes());
  benchmark::AddCustomContext("memory", program.memory());
  benchmark::AddCustomContext("driver",
                              std::string(rte_version()) + ", net_ixgbe, unmodified; its log says: " + port.paths());
  if (smallest_burst > 1) {
    benchmark::AddCustomContext("left out",
                                "bursts of 1 and 2: a vector path that is asked for less than 4 gives none");
  }
  const int status = bench::run_registered(app.remaining());
  port.close();
  return status != 0 ? status : program.failed() ? 1 : 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "pollux-dpdk-bench: %s\n", error.what());
    return 1;
  }
}

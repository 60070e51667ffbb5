// SPDX-License-Identifier: BSD-3-Clause
// pollux-inline-bench: what the driver's own code costs per packet. The device is the 82599 model in shared memory, and
// moves only between the timed regions, on the same thread: no PCIe, no DMA, no second core; what is timed is the
// machine code that runs on hardware.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <numeric>
#include <vector>

#include <pollux/core/clock.hpp>
#include <pollux/net/headers.hpp>
#include <pollux/net/lanes.hpp>
#include <pollux/sim_port.hpp>

namespace {

using namespace pollux;
constexpr std::uint32_t kBacklog = 256;  ///< frames that wait when a timed region begins
constexpr std::uint16_t kFrameBytes = 60;

/// Ticks of the TSC in one cycle of the core, by a chain of additions of one cycle each: the least of 20 readings.
double ticks_per_core_cycle() {
  constexpr int kRounds = 2000, kAdditions = 10;
  double least = 1e9;
  for (int i = 0; i < 20; ++i) {
    const std::uint64_t begin = Tsc::fenced();
    std::uint64_t x = 0;
    for (int round = 0; round < kRounds; ++round) {
#if defined(__x86_64__)
      asm volatile(".rept 10\nadd $1, %0\n.endr" : "+r"(x));
#elif defined(__aarch64__)
      asm volatile(".rept 10\nadd %0, %0, #1\n.endr" : "+r"(x));
#endif
    }
    least = std::min(least, static_cast<double>(Tsc::fenced() - begin) / (kRounds * kAdditions));
  }
  return least;
}

/// The least that an empty region takes [ticks].
std::uint64_t empty_region() {
  std::uint64_t least = ~std::uint64_t{0};
  for (int i = 0; i < 1000; ++i) {
    const std::uint64_t begin = Tsc::fenced();
    least = std::min(least, Tsc::fenced() - begin);
  }
  return least;
}

/// A port, and frames that go round between it and a loopback plug.
class Rig {
 public:
  explicit Rig(std::uint32_t frames) : frames_(frames) {
    Burst<kBacklog> burst(queue().pool());
    burst.allocate(frames, kFrameBytes);
    for (const Packet& p : burst) {
      std::memset(p.data, 0, kFrameBytes);
      store_header(p.data, EthernetHeader{.destination = MacAddress{{2, 0, 0, 0, 0, 1}},
                                          .source = MacAddress{{2, 0, 0, 0, 0, 2}},
                                          .type = static_cast<std::uint16_t>(EtherType::kExperimental)});
    }
    while (!burst.empty()) {
      queue().tx_burst(burst);
      settle();
    }
  }
  SimPort<Sim82599>::Port::Queue& queue() noexcept { return port_.port().queue(0); }
  void settle() {
    while (port_.step()) {}
  }
  void expect(std::uint64_t got) {
    if (got == frames_) return;
    std::fprintf(stderr, "pollux-inline-bench: %u frames went round, %llu came back\n", frames_,
                 static_cast<unsigned long long>(got));
    std::abort();
  }
  ~Rig() { port_.faults().raise_if_any(); }

 private:
  std::uint32_t frames_;
  sim::Loopback wire_;
  SimPort<Sim82599> port_{2048, {.rx_descriptors = 512, .tx_descriptors = 512, .promiscuous = true}, &wire_};
};

/// Runs `region(rig)` once for each iteration of the benchmark; it returns the ticks it took.
template <class Region>
void measure(benchmark::State& state, std::uint32_t frames, std::uint32_t packets, Region region) {
  static const double ticks_per_second = Tsc::measure_hz();
  const double per_cycle = ticks_per_core_cycle();
  const std::uint64_t empty = empty_region();
  Rig rig(frames);
  std::vector<double> ticks;
  for (auto _ : state) {
    const double t = static_cast<double>(std::max<std::uint64_t>(region(rig), empty) - empty);
    state.SetIterationTime(t / ticks_per_second);
    ticks.push_back(t / packets);
    rig.settle();
  }
  // The middle nine tenths: what interrupts and neighbours did to the rest is not the driver's.
  std::sort(ticks.begin(), ticks.end());
  const auto cut = static_cast<std::ptrdiff_t>(ticks.size() / 20);
  const double middle = std::accumulate(ticks.begin() + cut, ticks.end() - cut, 0.0) /
                        static_cast<double>(ticks.size() - 2 * static_cast<std::size_t>(cut));
  state.counters["tsc_ticks_per_packet"] = middle;
  state.counters["core_cycles_per_packet"] = middle / per_cycle;
}

std::uint32_t arg(const benchmark::State& state) { return static_cast<std::uint32_t>(state.range(0)); }

/// Receive, exchange addresses, send, until the backlog is through.
void forward(benchmark::State& state) {
  const std::uint32_t size = arg(state);
  measure(state, kBacklog, kBacklog, [size](Rig& rig) {
    auto& queue = rig.queue();
    Burst<kBacklog> burst(queue.pool(), size);
    std::uint32_t got = 0;
    const std::uint64_t begin = Tsc::fenced();
    while (const std::uint32_t n = queue.rx_burst(burst)) {
      for (const Packet& p : burst) swap_addresses(p.data);
      queue.tx_burst(burst);
      got += n;
    }
    const std::uint64_t end = Tsc::fenced();
    rig.expect(got);
    return end - begin;
  });
}

/// One half of it; the other half, outside the timed region, keeps the frames going round.
template <bool kReceive>
void one_way(benchmark::State& state) {
  const std::uint32_t size = arg(state);
  measure(state, kBacklog, kBacklog, [size](Rig& rig) {
    auto& queue = rig.queue();
    std::vector<std::unique_ptr<Burst<kBacklog>>> bursts;
    for (std::uint32_t i = 0; i < kBacklog / size; ++i) {
      bursts.push_back(std::make_unique<Burst<kBacklog>>(queue.pool(), size));
    }
    const auto all = [&](auto verb) {
      const std::uint64_t begin = Tsc::fenced();
      for (auto& burst : bursts) verb(*burst);
      return Tsc::fenced() - begin;
    };
    const std::uint64_t rx = all([&](PacketBurst& burst) { queue.rx_burst(burst); });
    std::uint64_t got = 0;
    for (auto& burst : bursts) got += burst->size();
    rig.expect(got);
    const std::uint64_t tx = all([&](PacketBurst& burst) { queue.tx_burst(burst); });
    return kReceive ? rx : tx;
  });
}

/// One frame has come; the driver asks for 32.
void one_arrives(benchmark::State& state) {
  measure(state, 1, 1, [](Rig& rig) {
    auto& queue = rig.queue();
    Burst<32> burst(queue.pool());
    const std::uint64_t begin = Tsc::fenced();
    const std::uint32_t got = queue.rx_burst(burst);
    for (const Packet& p : burst) swap_addresses(p.data);
    queue.tx_burst(burst);
    const std::uint64_t end = Tsc::fenced();
    rig.expect(got);
    return end - begin;
  });
}

void empty_poll(benchmark::State& state) {
  constexpr std::uint32_t kPolls = 64;
  measure(state, 0, kPolls, [](Rig& rig) {
    Burst<32> burst(rig.queue().pool());
    const std::uint64_t begin = Tsc::fenced();
    for (std::uint32_t i = 0; i < kPolls; ++i) rig.queue().rx_burst(burst);
    const std::uint64_t end = Tsc::fenced();
    rig.expect(burst.size());
    return end - begin;
  });
}

BENCHMARK(forward)->UseManualTime()->ArgName("burst")->Arg(1)->Arg(4)->Arg(8)->Arg(16)->Arg(32)->Arg(64)->Arg(256);
BENCHMARK(one_way<true>)->Name("receive")->UseManualTime()->ArgName("burst")->Arg(1)->Arg(32);
BENCHMARK(one_way<false>)->Name("send")->UseManualTime()->ArgName("burst")->Arg(1)->Arg(32);
BENCHMARK(one_arrives)->UseManualTime();
BENCHMARK(empty_poll)->UseManualTime();

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::AddCustomContext("port",
                              "ixgbe on the 82599 model; rings of 512, 60-byte frames without FCS, a backlog of 256");
  benchmark::AddCustomContext("descriptors at a time", std::to_string(TargetLanes::kCount));
  benchmark::AddCustomContext(
      "method",
      "only the driver is timed, the model moves between the regions; fenced TSC less an empty region, mean of the "
      "middle nine tenths of the regions; core cycles by a chain of additions measured before each case");
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}

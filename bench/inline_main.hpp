// SPDX-License-Identifier: BSD-3-Clause
// The program around the cases: registers them with Google Benchmark for one port, measures each until its figure
// stands still, and says what disturbed it. Google Benchmark gives the names, the filter, the table and the JSON; how
// often a region runs is decided here, because it fixes the number before it has seen any.
#pragma once
#include <benchmark/benchmark.h>
#include <sched.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "between_regions.hpp"
#include "inline_cases.hpp"
#include "machine_watch.hpp"
#include "repetitions.hpp"

namespace bench {

struct InlineOptions {
  int cpu = -1, device_cpu = -1;
  std::size_t cold_bytes = 0;
  Plan plan;
  double spread_percent = 1;
  bool instructions = true;

  void add_to(CLI::App& app) {
    app.add_option("--cpu", cpu, "where the driver runs (default: the first that is allowed)");
    app.add_option("--device-cpu", device_cpu, "where the model runs in setup threaded (default: another core)");
    app.add_option("--cold-bytes", cold_bytes, "the walk of setup l3-cold (default: twice the second-level cache)");
    app.add_option("--regions", plan.regions, "timed regions in a repetition")->check(CLI::Range(20, 1'000'000));
    app.add_option("--most", plan.most, "repetitions at most")->check(CLI::Range(1, 10'000));
    app.add_option("--seconds", plan.seconds, "a case takes at most about so long")->check(CLI::PositiveNumber);
    app.add_option("--spread", spread_percent, "a case ends when its repetitions differ by less [%]")
        ->check(CLI::Range(0.0, 100.0));
    app.add_flag("--instructions,!--no-instructions", instructions, "count instructions too, by single steps (x86-64)");
    app.allow_extras();
    app.footer("All other options are Google Benchmark's: --benchmark_filter=REGEX, --benchmark_list_tests, ...");
  }
  void settle() {
    plan.spread = spread_percent / 100;
    plan.least = std::min(plan.least, plan.most);
  }
};

/// The CPUs this program may run on.
inline std::vector<int> allowed_cpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  std::vector<int> out;
  if (::sched_getaffinity(0, sizeof set, &set) != 0) return out;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(static_cast<unsigned>(cpu), &set)) out.push_back(cpu);
  }
  return out;
}
/// Which core of which package a CPU is a thread of, as text.
inline std::string core_of(int cpu) {
  const std::string base = fmt::format("/sys/devices/system/cpu/cpu{}/topology/", cpu);
  auto package = pollux::file::try_read(base + "physical_package_id"), core = pollux::file::try_read(base + "core_id");
  return package && core ? package.value() + core.value() : fmt::format("cpu {}", cpu);
}
/// One of `allowed` on another core than `cpu`; -1: there is none.
inline int cpu_on_another_core(const std::vector<int>& allowed, int cpu) {
  for (const int other : allowed) {
    if (core_of(other) != core_of(cpu)) return other;
  }
  return -1;
}

/// Registers and runs the cases of one port.
class InlineProgram {
 public:
  InlineProgram() = default;
  InlineProgram(const InlineProgram&) = delete;
  InlineProgram& operator=(const InlineProgram&) = delete;
  virtual ~InlineProgram() = default;

  /// The program's cases, by their names PORT/SETUP/CASE[/burst:N].
  void add_cases() {
    for (const std::uint32_t size : {1u, 2u, 4u, 8u, 16u, 32u, 64u, 128u, 256u}) add_three("inline", size);
    add("inline", Case::kOneArrives);
    add("inline", Case::kEmptyPoll);
    for (const char* setup : {"l3-cold", "threaded"}) {
      if (setup == std::string("threaded") && !has_other_core()) continue;
      for (const std::uint32_t size : {1u, 8u, 32u, 256u}) add_three(setup, size);
    }
  }
  /// For a variation of another port: only setup inline, a few bursts.
  void add_few_cases() {
    for (const std::uint32_t size : {1u, 32u}) add_three("inline", size);
    add("inline", Case::kOneArrives);
  }
  [[nodiscard]] bool failed() const noexcept { return failed_; }
  /// Remarks on its memory, for the method; empty: hugepages.
  [[nodiscard]] virtual std::string memory() const = 0;

 protected:
  /// One measurement. Errors: throws.
  virtual void run(benchmark::State& state, const std::string& setup, Case which, std::uint32_t size) = 0;
  [[nodiscard]] virtual const std::string& port() const noexcept = 0;
  [[nodiscard]] virtual bool has_other_core() const noexcept = 0;
  [[nodiscard]] virtual std::uint32_t smallest_burst() const noexcept = 0;

 private:
  void add_three(const std::string& setup, std::uint32_t size) {
    if (size < smallest_burst()) return;
    for (const Case which : {Case::kForward, Case::kReceive, Case::kSend}) {
      add(setup, which, size, fmt::format("/burst:{}", size));
    }
  }
  void add(const std::string& setup, Case which, std::uint32_t size = 32, const std::string& suffix = {}) {
    benchmark::RegisterBenchmark((port() + "/" + setup + "/" + name_of(which) + suffix).c_str(),
                                 [this, setup, which, size](benchmark::State& state) {
                                   for (auto _ : state) try_run(state, setup, which, size);
                                 })
        ->UseManualTime()
        ->Iterations(1);
  }
  void try_run(benchmark::State& state, const std::string& setup, Case which, std::uint32_t size) {
    try {
      run(state, setup, which, size);
    } catch (const std::exception& error) {
      failed_ = true;
      state.SkipWithError(error.what());
    }
  }
  bool failed_ = false;
};

/// For a kind of rig. `Make`: gives one (std::unique_ptr<R>), which lives for one case.
template <Rig R>
class RigProgram final : public InlineProgram {
 public:
  using Make = std::function<std::unique_ptr<R>()>;

  /// `smallest_burst`: what the driver serves at least.
  RigProgram(std::string port, const InlineOptions& options, std::string memory, Make make,
             std::uint32_t smallest_burst = 1)
      : port_(std::move(port)),
        options_(options),
        memory_(std::move(memory)),
        make_(std::move(make)),
        smallest_burst_(smallest_burst),
        watch_(options.cpu),
        walk_(options.cold_bytes) {}
  [[nodiscard]] std::string memory() const override { return memory_; }

 private:
  [[nodiscard]] const std::string& port() const noexcept override { return port_; }
  [[nodiscard]] bool has_other_core() const noexcept override { return options_.device_cpu >= 0; }
  [[nodiscard]] std::uint32_t smallest_burst() const noexcept override { return smallest_burst_; }

  void run(benchmark::State& state, const std::string& setup, Case which, std::uint32_t size) override {
    const auto rig = make_();
    put_frames(*rig, frames_of(which));
    check_frames(*rig, frames_of(which));
    const auto region = [&] { run_region(which, *rig, stopwatch_, size); };
    const auto settle = [&rig] { rig->settle(); };
    if (setup == "threaded") {
      OtherCore device(options_.device_cpu, settle);
      state.counters["line_round_trip_ns"] = device.round_trip() * 1e9 / ticks_per_second_;
      measure(state, region, [&device] { device(); }, options_.plan.regions, packets_of(which));
    } else if (setup == "l3-cold") {
      measure(
          state, region, [&] { settle(), walk_(); }, std::max(options_.plan.regions / 4, kFewestRegions),
          packets_of(which));
    } else {
      measure(state, region, settle, options_.plan.regions, packets_of(which));
      // A step costs microseconds in virtual machines: every second size of burst has to do.
      const bool counted = size == 1 || size == 4 || size == 8 || size == 32 || size == 256;
      if (options_.instructions && InstructionCounter::kAvailable && counted) {
        count(state, region, settle, packets_of(which));
      }
    }
    check_frames(*rig, frames_of(which));
    rig->check_faults();
  }

  void measure(benchmark::State& state, const std::function<void()>& region, const std::function<void()>& between,
               std::uint32_t regions, std::uint32_t packets) {
    constexpr int kWarmUp = 8;
    for (int i = 0; i < kWarmUp; ++i) region(), between();
    const double stolen = watch_.stolen();
    const std::uint64_t end =
        pollux::Tsc::now() + static_cast<std::uint64_t>(options_.plan.seconds * ticks_per_second_);
    const auto is_late = [end] { return pollux::Tsc::now() > end; };
    Repetitions repetitions(options_.plan);
    do {
      std::vector<double> ticks;
      ticks.reserve(regions);
      bool quiet = watch_.look();
      between();
      for (std::uint32_t i = 0; i < regions && (i < kFewestRegions || !is_late()); ++i) {
        region();
        ticks.push_back(stopwatch_.ticks() / packets);
        between();
      }
      quiet = watch_.look() && quiet;
      repetitions.add(std::move(ticks), watch_.chain(), quiet);
    } while (!repetitions.enough() && !is_late());
    report(state, repetitions.figures(1e9 / ticks_per_second_), watch_.stolen() - stolen);
  }

  /// Of enough regions that what is done now and then is in it as often as it happens: once round the rings.
  void count(benchmark::State& state, const std::function<void()>& region, const std::function<void()>& between,
             std::uint32_t packets) {
    const unsigned regions = packets == kBacklog ? 2 : 32;
    std::uint64_t all = 0;
    for (unsigned i = 0; i < regions; ++i) {
      all += stopwatch_.count(region);
      between();
    }
    state.counters["instructions_per_packet"] = static_cast<double>(all) / regions / packets;
  }

  void report(benchmark::State& state, const Figures& f, double stolen) const {
    state.SetIterationTime(f.ticks / ticks_per_second_);
    auto& out = state.counters;
    out["tsc_ticks_per_packet"] = f.ticks;
    out["core_cycles_per_packet"] = f.cycles;
    out["mpps"] = f.ticks > 0 ? ticks_per_second_ / f.ticks / 1e6 : 0;
    out["p50"] = f.regions.p50;
    out["p99"] = f.regions.p99;
    out["p99.9"] = f.regions.p999;
    out["max"] = f.regions.max;
    out["spread"] = f.spread;
    out["repetitions"] = f.repetitions;
    out["disturbed"] = f.disturbed;
    out["stolen_ms"] = stolen * 1e3;
  }

  static constexpr std::uint32_t kFewestRegions = 20;  ///< that make a repetition
  std::string port_;
  InlineOptions options_;
  std::string memory_;
  Make make_;
  std::uint32_t smallest_burst_;
  MachineWatch watch_;
  CacheWalk walk_;
  Stopwatch stopwatch_;
  double ticks_per_second_ = pollux::Tsc::measure_hz();
};

/// Chooses the CPUs and pins this thread. Errors: raises.
inline void place_threads(InlineOptions& options) {
  const std::vector<int> allowed = allowed_cpus();
  if (options.cpu < 0 && !allowed.empty()) options.cpu = allowed.front();
  if (options.device_cpu < 0) options.device_cpu = cpu_on_another_core(allowed, options.cpu);
  pin_this_thread(options.cpu);
}

inline void describe_method(const InlineOptions& options, std::size_t cold_bytes) {
  const auto say = [](const char* what, const std::string& text) { benchmark::AddCustomContext(what, text); };
  say("frames", fmt::format("{} bytes without FCS, a backlog of {}; rings of 512", kFrameBytes, kBacklog));
  say("inline", "only the driver is timed, the model moves between the regions, on the same core");
  say("l3-cold", fmt::format("as inline; before each region a walk through {} KiB", cold_bytes >> 10));
  say("threaded",
      options.device_cpu < 0
          ? "left out: there is no second core"
          : fmt::format("driver on CPU {}, model on CPU {}, by turns: every line that the driver touches is "
                        "the other core's; nobody prefetches frames; the model reads every sent frame",
                        options.cpu, options.device_cpu));
  say("times",
      fmt::format("fenced TSC less the mean of empty regions; mean of the middle nine tenths of the regions of a "
                  "repetition, median of {} to {} repetitions, until their spread (median distance from the "
                  "median) is {} %; repetitions with a disturbed core are left out; core cycles by a chain of "
                  "additions beside each repetition; p50 to max: of all regions, ns per packet",
                  options.plan.least, options.plan.most, options.spread_percent));
  say("instructions", !InstructionCounter::kAvailable ? "left out: the single steps are x86-64's"
                      : options.instructions ? "exact: single steps of the CPU (trap flag), the timed code itself"
                                             : "not asked for");
}

/// Runs what was registered. `arguments`: what is left for Google Benchmark. Returns the exit status.
inline int run_registered(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "bench");
  std::vector<char*> pointers;
  for (std::string& argument : arguments) pointers.push_back(argument.data());
  int count = static_cast<int>(pointers.size());
  pointers.push_back(nullptr);
  benchmark::Initialize(&count, pointers.data());
  if (benchmark::ReportUnrecognizedArguments(count, pointers.data())) return 2;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}

}  // namespace bench

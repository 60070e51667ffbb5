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

/// All cases of one port. `Make`: gives a rig (std::unique_ptr<R>), which lives for one case.
template <Rig R>
class InlineProgram {
 public:
  using Make = std::function<std::unique_ptr<R>()>;

  /// `smallest_burst`: what the driver serves at least.
  InlineProgram(std::string port, const InlineOptions& options, Make make, std::uint32_t smallest_burst = 1)
      : port_(std::move(port)),
        options_(options),
        make_(std::move(make)),
        smallest_burst_(smallest_burst),
        watch_(options.cpu),
        walk_(options.cold_bytes) {}

  /// The program's cases, by their names PORT/SETUP/CASE[/burst:N].
  void add_cases() {
    const auto sizes = []<std::uint32_t... kSizes>(std::integer_sequence<std::uint32_t, kSizes...>, auto add) {
      (add.template operator()<kSizes>(), ...);
    };
    using All = std::integer_sequence<std::uint32_t, 1, 2, 4, 8, 16, 32, 64, 128, 256>;
    using Some = std::integer_sequence<std::uint32_t, 1, 8, 32, 256>;
    sizes(All{}, [this]<std::uint32_t kSize>() { this->template add_three<kSize>("inline"); });
    add<OneArrives<R>>("inline", "");
    add<EmptyPoll<R>>("inline", "");
    sizes(Some{}, [this]<std::uint32_t kSize>() { this->template add_three<kSize>("l3-cold"); });
    if (options_.device_cpu < 0) return;
    sizes(Some{}, [this]<std::uint32_t kSize>() { this->template add_three<kSize>("threaded"); });
  }
  /// For a variation of another port: only setup inline, a few bursts.
  void add_few_cases() {
    add_three<1>("inline");
    add_three<32>("inline");
    add<OneArrives<R>>("inline", "");
  }
  [[nodiscard]] bool failed() const noexcept { return failed_; }

 private:
  template <std::uint32_t kSize>
  void add_three(const std::string& setup) {
    if (kSize < smallest_burst_) return;
    const std::string suffix = fmt::format("/burst:{}", kSize);
    add<Forward<R, kSize>>(setup, suffix);
    add<OneWay<R, kSize, true>>(setup, suffix);
    add<OneWay<R, kSize, false>>(setup, suffix);
  }
  template <class Case>
  void add(const std::string& setup, const std::string& suffix) {
    benchmark::RegisterBenchmark((port_ + "/" + setup + "/" + Case::kName + suffix).c_str(),
                                 [this, setup](benchmark::State& state) {
                                   for (auto _ : state) run<Case>(state, setup);
                                 })
        ->UseManualTime()
        ->Iterations(1);
  }

  template <class Case>
  void run(benchmark::State& state, const std::string& setup) {
    try {
      const auto rig = make_();
      put_frames(*rig, Case::kShape.frames);
      check_frames(*rig, Case::kShape.frames);
      if (setup == "threaded") {
        OtherCore device(options_.device_cpu, [&rig] { rig->settle(); });
        state.counters["line_round_trip_ns"] = device.round_trip() * 1e9 / ticks_per_second_;
        measure<Case>(state, *rig, device, options_.plan.regions);
      } else if (setup == "l3-cold") {
        const auto between = [&] { rig->settle(), walk_(); };
        measure<Case>(state, *rig, between, std::max(options_.plan.regions / 4, 20u));
      } else {
        measure<Case>(state, *rig, [&rig] { rig->settle(); }, options_.plan.regions);
        if (options_.instructions && InstructionCounter::kAvailable) count<Case>(state, *rig);
      }
      check_frames(*rig, Case::kShape.frames);
      rig->check_faults();
    } catch (const std::exception& error) {
      failed_ = true;
      state.SkipWithError(error.what());
    }
  }

  template <class Case, class Between>
  void measure(benchmark::State& state, R& rig, Between&& between, std::uint32_t regions) {
    constexpr int kWarmUp = 8;
    for (int i = 0; i < kWarmUp; ++i) Case::region(rig, stopwatch_), between();
    const double stolen = watch_.stolen();
    Repetitions repetitions(options_.plan);
    while (!repetitions.enough()) {
      std::vector<double> ticks;
      ticks.reserve(regions);
      bool quiet = watch_.look();
      between();
      for (std::uint32_t i = 0; i < regions; ++i) {
        Case::region(rig, stopwatch_);
        ticks.push_back(stopwatch_.ticks() / Case::kShape.packets);
        between();
      }
      quiet = watch_.look() && quiet;
      repetitions.add(std::move(ticks), watch_.chain(), quiet);
    }
    report(state, repetitions.figures(1e9 / ticks_per_second_), watch_.stolen() - stolen);
  }

  /// Of enough regions that what is done now and then (a ring's wrap, reclaiming) is in it as often as it happens.
  template <class Case>
  void count(benchmark::State& state, R& rig) {
    constexpr unsigned kRegions = Case::kShape.packets > 1 ? 4 : 64;
    std::uint64_t all = 0;
    for (unsigned i = 0; i < kRegions; ++i) {
      all += stopwatch_.count([&] { Case::region(rig, stopwatch_); });
      rig.settle();
    }
    state.counters["instructions_per_packet"] = static_cast<double>(all) / kRegions / Case::kShape.packets;
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

  std::string port_;
  InlineOptions options_;
  Make make_;
  std::uint32_t smallest_burst_;
  MachineWatch watch_;
  CacheWalk walk_;
  Stopwatch stopwatch_;
  double ticks_per_second_ = pollux::Tsc::measure_hz();
  bool failed_ = false;
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

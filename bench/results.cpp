// SPDX-License-Identifier: BSD-3-Clause
#include "results.hpp"

#include <fmt/format.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <pollux/core/file.hpp>

namespace bench {
namespace {

double median_of(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const std::size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

/// "840 ns", "12.3 us": three significant digits or so.
std::string duration(double ns) {
  if (ns < 1e3) return fmt::format("{:.0f} ns", ns);
  if (ns < 1e6) return fmt::format("{:.2f} us", ns / 1e3);
  return fmt::format("{:.2f} ms", ns / 1e6);
}

std::string first_line_after(const std::string& text, const std::string& label) {
  const auto at = text.find(label);
  if (at == text.npos) return {};
  const auto begin = text.find(':', at) + 1;
  return std::string(pollux::text::trim(std::string_view(text).substr(begin, text.find('\n', begin) - begin)));
}

}  // namespace

std::string Key::title() const {
  std::string out = case_name;
  if (!direction.empty() && direction != case_name) out += ", " + direction;
  out += frame_bytes == kCaptured ? ", captured frames"
         : frame_bytes == kMixed  ? ", 64 to 1518 bytes mixed"
                                  : fmt::format(", {} bytes", frame_bytes);
  if (burst != 1) out += fmt::format(", burst {}", burst);
  return out;
}

Summary Series::median() const {
  const auto of = [&](double Summary::* figure) {
    std::vector<double> values;
    for (const Summary& s : repetitions) values.push_back(s.*figure);
    return median_of(std::move(values));
  };
  Summary out{.count = 0,
              .min = of(&Summary::min),
              .average = of(&Summary::average),
              .p50 = of(&Summary::p50),
              .p99 = of(&Summary::p99),
              .p999 = of(&Summary::p999),
              .max = of(&Summary::max)};
  for (const Summary& s : repetitions) out.count += s.count;
  return out;
}

double Series::rate() const { return median_of(packets_per_second); }

void Results::add(const Key& key, const std::string& port, const Samples& samples, double packets_per_second) {
  auto it =
      std::find_if(series_.begin(), series_.end(), [&](const Series& s) { return s.key == key && s.port == port; });
  if (it == series_.end()) {
    series_.push_back(
        {.key = key, .port = port, .repetitions = {}, .packets_per_second = {}, .histogram = {}, .over_time = {}});
    it = series_.end() - 1;
  }
  const std::vector<double> sorted = samples.sorted_ns(ns_per_tick_);
  it->repetitions.push_back(Summary::of(sorted));
  if (packets_per_second > 0) it->packets_per_second.push_back(packets_per_second);
  for (const double ns : sorted) it->histogram.add(ns);
  if (auto buckets = samples.over_time(ns_per_tick_, stretches_); !buckets.empty()) {
    it->over_time.push_back(std::move(buckets));
  }
}

PortFacts& Results::facts(const std::string& port) {
  const auto it = std::find_if(facts_.begin(), facts_.end(), [&](const PortFacts& f) { return f.port == port; });
  if (it != facts_.end()) return *it;
  facts_.push_back({});
  facts_.back().port = port;
  return facts_.back();
}

bool Results::clean() const {
  return std::all_of(facts_.begin(), facts_.end(), [](const PortFacts& f) { return f.verdict.clean(); });
}

std::vector<Key> Results::keys() const {
  std::vector<Key> out;
  for (const Series& s : series_) {
    if (std::find(out.begin(), out.end(), s.key) == out.end()) out.push_back(s.key);
  }
  return out;
}

std::string Results::table() const {
  std::string out;
  for (const Key& key : keys()) {
    fmt::format_to(std::back_inserter(out), "\n{}\n  {:<24}{:>10}{:>10}{:>10}{:>10}{:>10}{:>10}{:>12}{:>11}{:>11}\n",
                   key.title(), "port", "min", "average", "p50", "p99", "p99.9", "max", "kpackets/s", "p50 ratio",
                   "p99 ratio");
    const Summary* first = nullptr;
    Summary base;
    for (const Series& s : series_) {
      if (!(s.key == key)) continue;
      const Summary m = s.median();
      if (first == nullptr) base = m, first = &base;
      const double rate = s.rate();
      const auto ratio = [](double a, double b) { return b > 0 ? fmt::format("{:.3g}x", a / b) : std::string("-"); };
      fmt::format_to(std::back_inserter(out), "  {:<24}{:>10}{:>10}{:>10}{:>10}{:>10}{:>10}{:>12}{:>11}{:>11}\n",
                     s.port, duration(m.min), duration(m.average), duration(m.p50), duration(m.p99), duration(m.p999),
                     duration(m.max), rate > 0 ? fmt::format("{:.1f}", rate / 1e3) : "-", ratio(m.p50, base.p50),
                     ratio(m.p99, base.p99));
    }
  }
  return out;
}

std::string Results::histograms() const {
  constexpr std::size_t kWidth = 60, kJoined = LogHistogram::kPerOctave / 4;  // four rows for each doubling of the time
  std::string out;
  for (const Series& s : series_) {
    if (s.key.case_name != "cyclic") continue;
    fmt::format_to(std::back_inserter(out), "\n{}, {}: samples by time, empty rows left out\n", s.key.title(), s.port);
    const auto bins = s.histogram.bins(kJoined);
    std::uint64_t most = 1;
    for (const LogHistogram::Bin& bin : bins) most = std::max(most, bin.count);
    for (const LogHistogram::Bin& bin : bins) {
      const std::string bar(std::max<std::size_t>(1, bin.count * kWidth / most), '#');
      fmt::format_to(std::back_inserter(out), "  from {:>9} {:>9}  {}\n", duration(bin.from), bin.count, bar);
    }
  }
  return out;
}

std::string Results::verdicts() const {
  std::string out = "\nframes and system calls\n";
  for (const PortFacts& f : facts_) {
    const Verdict& v = f.verdict;
    fmt::format_to(std::back_inserter(out), "  {:<24}{} good, {} lost, {} repeated or out of order, {} damaged", f.port,
                   v.good, v.lost, v.repeated, v.damaged);
    if (v.late != 0) fmt::format_to(std::back_inserter(out), ", {} overtaken by frames of other flows", v.late);
    if (v.foreign != 0) fmt::format_to(std::back_inserter(out), " ({} foreign frames ignored)", v.foreign);
    if (f.overruns != 0) fmt::format_to(std::back_inserter(out), "; {} cycles began late", f.overruns);
    if (f.syscalls_per_packet >= 0) {
      fmt::format_to(std::back_inserter(out), "; {:.3f} system calls per packet", f.syscalls_per_packet);
    }
    if (f.proven_without_syscalls) out += "; every measured loop ran under a seccomp filter that allows none";
    out += '\n';
    if (!f.notes.empty()) fmt::format_to(std::back_inserter(out), "  {:<24}note: {}\n", "", f.notes);
  }
  return out;
}

std::vector<std::pair<std::string, std::string>> describe_machine(double tsc_hz) {
  utsname os{};
  ::uname(&os);
  auto cpuinfo = pollux::file::try_read("/proc/cpuinfo");
  const std::string text = cpuinfo ? cpuinfo.value() : "";
  const bool hypervisor = text.find(" hypervisor") != text.npos;
  std::vector<std::pair<std::string, std::string>> out{
      {"cpu", first_line_after(text, "model name")},
      {"cpus", std::to_string(::sysconf(_SC_NPROCESSORS_ONLN))},
      {"kernel", fmt::format("{} {}", os.sysname, os.release)},
      {"tsc_mhz", fmt::format("{:.1f}", tsc_hz / 1e6)},
      {"virtual_machine", hypervisor ? "yes" : "no"},
  };
  if (auto vendor = pollux::file::try_read("/sys/class/dmi/id/sys_vendor")) {
    out.emplace_back("system", std::string(pollux::text::trim(vendor.value())));
  }
  return out;
}

}  // namespace bench

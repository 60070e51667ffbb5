// SPDX-License-Identifier: BSD-3-Clause
// MachineWatch: what else the machine did while something was measured: the core's clock, a busy neighbour on the same
// core, time that the hypervisor took.
#pragma once
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include <pollux/core/clock.hpp>
#include <pollux/core/file.hpp>
#include <pollux/core/text.hpp>

namespace bench {

/// Time that the hypervisor gave to others, of one CPU, in the text of /proc/stat [s]; 0 where it says nothing.
inline double stolen_seconds(std::string_view proc_stat, int cpu) {
  const std::string label = "\ncpu" + std::to_string(cpu) + " ";
  const std::size_t at = proc_stat.find(label);
  if (at == proc_stat.npos) return 0;
  std::string_view line = proc_stat.substr(at + label.size());
  line = line.substr(0, line.find('\n'));
  for (int column = 0; column < 7; ++column) {  // user nice system idle iowait irq softirq steal
    const std::size_t space = line.find(' ');
    if (space == line.npos) return 0;
    line.remove_prefix(space + 1);
  }
  return std::strtod(std::string(line.substr(0, line.find(' '))).c_str(), nullptr) /
         static_cast<double>(::sysconf(_SC_CLK_TCK));
}
inline double stolen_seconds(int cpu) {
  auto text = pollux::file::try_read("/proc/stat");
  return text ? stolen_seconds(text.value(), cpu) : 0;
}

/// Two loops whose cost on an undisturbed core is known. [ticks per addition]
struct CoreProbe {
  double chain = 0;     ///< each addition waits for the one before: one cycle each, so this is the core's clock
  double parallel = 0;  ///< four chains at once: dearer when another thread works on the same core

  /// The least of `readings`. Cost: some 5 us each.
  static CoreProbe take(int readings = 4) noexcept {
    constexpr int kRounds = 1000, kAdditions = 10;
    CoreProbe least{1e9, 1e9};
    for (int i = 0; i < readings; ++i) {
      std::uint64_t a = 0, b = 0, c = 0, d = 0;
      const std::uint64_t t0 = pollux::Tsc::fenced();
      for (int round = 0; round < kRounds; ++round) {
#if defined(__x86_64__)
        asm volatile(".rept 10\nadd $1, %0\n.endr" : "+r"(a));
#elif defined(__aarch64__)
        asm volatile(".rept 10\nadd %0, %0, #1\n.endr" : "+r"(a));
#endif
      }
      const std::uint64_t t1 = pollux::Tsc::fenced();
      for (int round = 0; round < kRounds; ++round) {
#if defined(__x86_64__)
        asm volatile(".rept 10\nadd $1, %0\nadd $1, %1\nadd $1, %2\nadd $1, %3\n.endr"
                     : "+r"(a), "+r"(b), "+r"(c), "+r"(d));
#elif defined(__aarch64__)
        asm volatile(".rept 10\nadd %0, %0, #1\nadd %1, %1, #1\nadd %2, %2, #1\nadd %3, %3, #1\n.endr"
                     : "+r"(a), "+r"(b), "+r"(c), "+r"(d));
#endif
      }
      const std::uint64_t t2 = pollux::Tsc::fenced();
      least.chain = std::min(least.chain, static_cast<double>(t1 - t0) / (kRounds * kAdditions));
      least.parallel = std::min(least.parallel, static_cast<double>(t2 - t1) / (kRounds * kAdditions));
    }
    return least;
  }
};

/// Remembers the best the core has been seen to do, and tells when it does worse.
class MachineWatch {
 public:
  explicit MachineWatch(int cpu) : cpu_(cpu) {
    for (int i = 0; i < 50; ++i) learn(CoreProbe::take());
  }
  /// Looks now. Returns whether the core is undisturbed; chain() is then its clock.
  bool look() noexcept {
    last_ = CoreProbe::take();
    learn(last_);
    return is_quiet(last_, best_);
  }
  /// Ticks of the TSC in one cycle of the core, when last looked.
  [[nodiscard]] double chain() const noexcept { return last_.chain; }
  [[nodiscard]] double stolen() const { return stolen_seconds(cpu_); }

  /// The clock within 5 % of the best, the core's width within 15 %.
  static bool is_quiet(const CoreProbe& now, const CoreProbe& best) noexcept {
    return now.chain <= best.chain * 1.05 && now.parallel <= best.parallel * 1.15;
  }

 private:
  void learn(const CoreProbe& p) noexcept {
    best_.chain = std::min(best_.chain, p.chain);
    best_.parallel = std::min(best_.parallel, p.parallel);
  }
  int cpu_;
  CoreProbe best_{1e9, 1e9}, last_{};
};

}  // namespace bench

// SPDX-License-Identifier: BSD-3-Clause
// Repetitions: how often a case is measured before its figure is believed, and which figure that is.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <vector>

#include "samples.hpp"

namespace bench {

/// Pre: none. 0 for none.
inline double median_of(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const std::size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}
/// The median distance from the median, as a part of the median.
inline double spread_of(const std::vector<double>& values) {
  const double middle = median_of(values);
  if (middle <= 0) return 0;
  std::vector<double> away;
  for (const double v : values) away.push_back(std::abs(v - middle));
  return median_of(std::move(away)) / middle;
}
/// Mean of the middle nine tenths: what interrupts and neighbours did to the rest is not the driver's, and a median
/// would be a multiple of the counter's step. Pre: sorted.
inline double middle_mean(const std::vector<double>& sorted) {
  if (sorted.empty()) return 0;
  const auto cut = static_cast<std::ptrdiff_t>(sorted.size() / 20);
  return std::accumulate(sorted.begin() + cut, sorted.end() - cut, 0.0) /
         static_cast<double>(static_cast<std::ptrdiff_t>(sorted.size()) - 2 * cut);
}

struct Plan {
  std::uint32_t regions = 200;    ///< of one repetition
  unsigned least = 5, most = 15;  ///< repetitions
  double spread = 0.01;           ///< of the repetitions, when it is small enough
  double seconds = 3;             ///< after which a case ends with what there is, on a machine that does other things
};

/// What a case comes to, per packet.
struct Figures {
  double ticks = 0, cycles = 0;
  Summary regions;    ///< each region's time by its packets [ns]
  double spread = 0;  ///< of the repetitions
  unsigned repetitions = 0, disturbed = 0;
};

/// The repetitions of one case. Those during which the core was disturbed count only when there are no others.
class Repetitions {
 public:
  explicit Repetitions(const Plan& plan) : plan_(plan) {}

  /// `ticks`: each region's, per packet; `chain`: ticks in one cycle of the core.
  void add(std::vector<double> ticks, double chain, bool quiet) {
    std::sort(ticks.begin(), ticks.end());
    const double mean = middle_mean(ticks);
    all_.push_back({mean, chain > 0 ? mean / chain : 0, quiet, std::move(ticks)});
  }
  [[nodiscard]] bool enough() const {
    if (all_.size() >= plan_.most) return true;
    const std::vector<double> quiet = values(&One::ticks, true);
    return quiet.size() >= plan_.least && spread_of(quiet) <= plan_.spread;
  }
  [[nodiscard]] Figures figures(double ns_per_tick) const {
    const auto disturbed = std::count_if(all_.begin(), all_.end(), [](const One& one) { return !one.quiet; });
    const bool only_quiet = static_cast<std::size_t>(disturbed) < all_.size();
    std::vector<double> ns;
    for (const One& one : all_) {
      if (only_quiet && !one.quiet) continue;
      for (const double ticks : one.regions) ns.push_back(ticks * ns_per_tick);
    }
    std::sort(ns.begin(), ns.end());
    const std::vector<double> ticks = values(&One::ticks, only_quiet);
    return {.ticks = median_of(ticks),
            .cycles = median_of(values(&One::cycles, only_quiet)),
            .regions = Summary::of(ns),
            .spread = spread_of(ticks),
            .repetitions = static_cast<unsigned>(all_.size()),
            .disturbed = static_cast<unsigned>(disturbed)};
  }

 private:
  struct One {
    double ticks, cycles;
    bool quiet;
    std::vector<double> regions;
  };
  [[nodiscard]] std::vector<double> values(double One::* which, bool only_quiet) const {
    std::vector<double> out;
    for (const One& one : all_) {
      if (one.quiet || !only_quiet) out.push_back(one.*which);
    }
    return out;
  }
  Plan plan_;
  std::vector<One> all_;
};

}  // namespace bench

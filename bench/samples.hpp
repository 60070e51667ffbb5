// SPDX-License-Identifier: BSD-3-Clause
// Samples: every measured time, kept; Summary: what the tables say of them; TimeBucket: how they were over the run.
#pragma once
#include <algorithm>
#include <cstdint>
#include <numeric>
#include <vector>

namespace bench {

/// The samples of one stretch of the run; none is left out.
struct TimeBucket {
  double begin = 0;  ///< since the first cycle [s]
  std::size_t count = 0;
  double min = 0, median = 0, max = 0;  ///< [ns]
};

/// Times in TSC ticks. All memory is taken beforehand, so recording never allocates; what exceeds it is not recorded.
class Samples {
 public:
  explicit Samples(std::size_t capacity, bool with_moments = false)
      : ticks_(capacity), moments_(with_moments ? capacity : 0) {}
  void record(std::uint64_t ticks) noexcept {
    if (used_ < ticks_.size()) ticks_[used_++] = ticks;
  }
  /// The same, with when it was [ticks since the loop began]. Pre: made with moments; every record is of this kind.
  void record(std::uint64_t ticks, std::uint64_t moment) noexcept {
    if (used_ < moments_.size()) moments_[used_] = moment;
    record(ticks);
  }
  [[nodiscard]] std::size_t size() const noexcept { return used_; }
  /// The times in nanoseconds, sorted.
  [[nodiscard]] std::vector<double> sorted_ns(double ns_per_tick) const {
    std::vector<double> out(used_);
    std::transform(ticks_.begin(), ticks_.begin() + static_cast<std::ptrdiff_t>(used_), out.begin(),
                   [&](std::uint64_t t) { return static_cast<double>(t) * ns_per_tick; });
    std::sort(out.begin(), out.end());
    return out;
  }
  /// The run cut into `n` stretches of equal length, those without a sample left out; nothing without moments.
  [[nodiscard]] std::vector<TimeBucket> over_time(double ns_per_tick, std::size_t n) const {
    std::vector<TimeBucket> out;
    if (moments_.empty() || used_ == 0 || n == 0) return out;
    const std::uint64_t width = moments_[used_ - 1] / n + 1;
    for (std::size_t i = 0; i < used_;) {
      const std::uint64_t bucket = moments_[i] / width;
      std::vector<double> ns;
      for (; i < used_ && moments_[i] / width == bucket; ++i)
        ns.push_back(static_cast<double>(ticks_[i]) * ns_per_tick);
      const auto middle = ns.begin() + static_cast<std::ptrdiff_t>(ns.size() / 2);
      std::nth_element(ns.begin(), middle, ns.end());
      const double median = *middle;
      const auto [min, max] = std::minmax_element(ns.begin(), ns.end());
      out.push_back({.begin = static_cast<double>(bucket * width) * ns_per_tick / 1e9,
                     .count = ns.size(),
                     .min = *min,
                     .median = median,
                     .max = *max});
    }
    return out;
  }

 private:
  std::vector<std::uint64_t> ticks_, moments_;
  std::size_t used_ = 0;
};

struct Summary {
  std::size_t count = 0;
  double min = 0, average = 0, p50 = 0, p99 = 0, p999 = 0, max = 0;  ///< [ns]

  /// Nearest-rank percentiles. Pre: sorted.
  static Summary of(const std::vector<double>& sorted) {
    if (sorted.empty()) return {};
    const auto rank = [&](double part) {
      const auto i = static_cast<std::size_t>(part * static_cast<double>(sorted.size()));
      return sorted[std::min(i, sorted.size() - 1)];
    };
    return {.count = sorted.size(),
            .min = sorted.front(),
            .average = std::accumulate(sorted.begin(), sorted.end(), 0.0) / static_cast<double>(sorted.size()),
            .p50 = rank(0.5),
            .p99 = rank(0.99),
            .p999 = rank(0.999),
            .max = sorted.back()};
  }
};

}  // namespace bench

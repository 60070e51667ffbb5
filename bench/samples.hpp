// SPDX-License-Identifier: BSD-3-Clause
// Samples: every measured time, kept; Summary: what the report says of them.
#pragma once
#include <algorithm>
#include <cstdint>
#include <numeric>
#include <vector>

namespace bench {

/// Times in TSC ticks. All memory is taken beforehand, so recording never allocates; what exceeds it is not recorded.
class Samples {
 public:
  explicit Samples(std::size_t capacity) : ticks_(capacity) {}
  void record(std::uint64_t ticks) noexcept {
    if (used_ < ticks_.size()) ticks_[used_++] = ticks;
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

 private:
  std::vector<std::uint64_t> ticks_;
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

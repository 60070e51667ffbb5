// SPDX-License-Identifier: BSD-3-Clause
// LogHistogram: counts in bins whose width grows with the time, so that 30 ns and 3 ms are told apart equally well.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

namespace bench {

/// Every power of two is cut into kPerOctave bins of equal width, as HdrHistogram does: none is wider than 1/32 of the
/// time it stands for (1 ns at 32 ns). What is below 1 ns shares one bin. Takes 16 KiB, however many times are added.
class LogHistogram {
 public:
  static constexpr std::size_t kPerOctave = 32, kOctaves = 64;
  struct Bin {
    double from = 0, to = 0;  ///< [ns], `to` not included
    std::uint64_t count = 0;
    friend bool operator==(const Bin&, const Bin&) = default;
  };
  /// One point of a percentile curve: `part` of all times are at most `ns`.
  struct Point {
    double part = 0, ns = 0;
  };

  void add(double ns) {
    ++counts_[index_of(ns)];
    ++count_;
    min_ = std::min(min_, ns);
    max_ = std::max(max_, ns);
  }
  [[nodiscard]] std::uint64_t count() const noexcept { return count_; }

  /// Those that are not empty, ascending; `joined` neighbours become one. Pre: joined divides kPerOctave.
  [[nodiscard]] std::vector<Bin> bins(std::size_t joined = 1) const {
    std::vector<Bin> out;
    for (std::size_t i = 0; i < counts_.size(); ++i) {
      if (counts_[i] == 0) continue;
      // Bin 0 stands alone; the first of those that are joined then begins at 1, 1 + joined, ...
      const std::size_t first = i == 0 ? 0 : (i - 1) / joined * joined + 1, next = i == 0 ? 1 : first + joined;
      if (out.empty() || out.back().from != edge(first)) out.push_back({edge(first), edge(next), 0});
      out.back().count += counts_[i];
    }
    return out;
  }

  /// The time that `part` of all are at most, between the edges of its bin by rank. Pre: count() > 0, 0 <= part <= 1.
  [[nodiscard]] double quantile(double part) const {
    const auto rank = std::min(static_cast<std::uint64_t>(part * static_cast<double>(count_)), count_ - 1);
    std::uint64_t before = 0;
    std::size_t i = 0;
    while (before + counts_[i] <= rank) before += counts_[i++];
    const double within = (static_cast<double>(rank - before) + 0.5) / static_cast<double>(counts_[i]);
    return rank + 1 == count_ ? max_ : std::clamp(edge(i) + (edge(i + 1) - edge(i)) * within, min_, max_);
  }

  /// Four points for each halving of what lies above, up to the one sample that is the maximum.
  [[nodiscard]] std::vector<Point> curve() const {
    std::vector<Point> out;
    if (count_ == 0) return out;
    const double last = 1 / static_cast<double>(count_);
    for (double above = 1; above > last * 1.01; above *= std::exp2(-0.25))
      out.push_back({1 - above, quantile(1 - above)});
    out.push_back({1 - last, max_});
    return out;
  }

 private:
  static std::size_t index_of(double ns) noexcept {
    if (!(ns >= 1)) return 0;
    int exponent = 0;
    const double mantissa = std::frexp(ns, &exponent);  // [0.5, 1)
    const auto octave = static_cast<std::size_t>(exponent - 1);
    if (octave >= kOctaves) return kOctaves * kPerOctave;
    return 1 + octave * kPerOctave + static_cast<std::size_t>((mantissa * 2 - 1) * kPerOctave);
  }
  /// Where bin `i` begins [ns].
  static double edge(std::size_t i) noexcept {
    if (i == 0) return 0;
    const std::size_t octave = (i - 1) / kPerOctave, sub = (i - 1) % kPerOctave;
    return std::ldexp(1 + static_cast<double>(sub) / kPerOctave, static_cast<int>(octave));
  }

  std::vector<std::uint64_t> counts_ = std::vector<std::uint64_t>(kOctaves * kPerOctave + 1);
  std::uint64_t count_ = 0;
  double min_ = std::numeric_limits<double>::infinity(), max_ = 0;
};

}  // namespace bench

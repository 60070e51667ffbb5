// SPDX-License-Identifier: BSD-3-Clause
#include "units.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

namespace bench::units {
namespace {

/// The largest unit that leaves at least 1 before the point; the first if none.
template <class Format>
std::string scaled(double value, std::initializer_list<std::pair<double, const char*>> scale, Format format) {
  auto chosen = *scale.begin();
  for (const auto& unit : scale) {
    if (value >= unit.first * 0.9995) chosen = unit;  // 999.6 ns is "1.00 µs"
  }
  return fmt::format("{} {}", format(value / chosen.first), chosen.second);
}

constexpr std::initializer_list<std::pair<double, const char*>> kTimes{{1, "ns"}, {1e3, "µs"}, {1e6, "ms"}, {1e9, "s"}};

}  // namespace

std::string significant(double value) {
  if (value == 0) return "0";
  const int digits = static_cast<int>(std::floor(std::log10(std::abs(value) * 1.0005))) + 1;  // before the point
  return fmt::format("{:.{}f}", value, std::clamp(3 - digits, 0, 6));
}

std::string duration(double ns) { return scaled(ns, kTimes, significant); }

std::string round_duration(double ns) {
  return scaled(ns, kTimes, [](double v) { return fmt::format("{:.3g}", v); });
}

std::string grouped(double value) {
  std::string out = fmt::format("{:.0f}", value);
  for (auto i = static_cast<std::ptrdiff_t>(out.size()) - 3; i > 0; i -= 3) {
    out.insert(static_cast<std::size_t>(i), ",");
  }
  return out;
}

std::string rate(double packets_per_second) {
  return scaled(packets_per_second, {{1, "packets/s"}, {1e3, "kpackets/s"}, {1e6, "Mpackets/s"}}, significant);
}

std::string Comparison::text() const {
  switch (sense) {
    case Sense::kNone:
      return "-";
    case Sense::kSame:
      return "the same";
    case Sense::kLess:
      return (factor < 999.5 ? significant(factor) : grouped(factor)) + "x less";
    case Sense::kMore:
      return (factor < 999.5 ? significant(factor) : grouped(factor)) + "x more";
  }
  return {};
}

Comparison compare(double value, double base) {
  if (!(value > 0) || !(base > 0)) return {};
  const double factor = std::max(value, base) / std::min(value, base);
  if (factor < 1.005) return {Comparison::Sense::kSame, 1};
  return {value < base ? Comparison::Sense::kLess : Comparison::Sense::kMore, factor};
}

}  // namespace bench::units

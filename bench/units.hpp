// SPDX-License-Identifier: BSD-3-Clause
// Figures as people read them: durations, counts, rates, and one value against another.
#pragma once
#include <string>

namespace bench::units {

/// "31.4 ns", "840 ns", "12.3 µs": three significant digits.
std::string duration(double ns);
/// Of a tick: "100 ns", "2 µs".
std::string round_duration(double ns);
/// Three significant digits, never with an exponent: "0.00123", "38.2", "1234".
std::string significant(double value);
/// "1,234,567".
std::string grouped(double value);
/// "1.23 Mpackets/s", "456 kpackets/s".
std::string rate(double packets_per_second);

/// `value` against `base`: "38.2x less", "1.50x more", "the same" (within 0.5 %).
struct Comparison {
  enum class Sense { kNone, kSame, kLess, kMore };  ///< kNone: one of them is 0 or missing
  Sense sense = Sense::kNone;
  double factor = 1;  ///< never below 1
  [[nodiscard]] std::string text() const;
};
Comparison compare(double value, double base);

}  // namespace bench::units

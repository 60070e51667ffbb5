// SPDX-License-Identifier: BSD-3-Clause
// Charts as inline SVG: axes with sensible ticks, lines, bands, bars, rows of histograms. Written by hand: Debian has
// no C++ library that draws charts as SVG elements that take their colours from the page (matplot++ wants gnuplot at
// run time, cairo and plplot draw fixed colours).
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace bench::svg {

/// Text for HTML and XML, also inside of attributes.
std::string escaped(std::string_view text);

struct Tick {
  double value = 0;
  std::string label;  ///< empty: a line without a label
};

/// From values to a part of the axis, with its ticks.
class Axis {
 public:
  /// Round steps from 0 to `high`, and one beyond if it is no multiple of one; labels show value / per_label.
  static Axis linear(double high, double per_label = 1);
  /// The same, but not beyond `high`.
  static Axis exact(double high);
  /// Times [ns], from one 1, 2 or 5 to another; ticks at 1, 10, 100 and, where few, 2 and 5. `high` <= `low` is mended.
  static Axis log_time(double low, double high);
  /// Percentiles, as x = 1 / (1 - p): 0 %, 50 %, 90 %, 99 %, 99.9 %...
  static Axis percentiles(double most);
  /// 1, 2, 4, ... up to `high`.
  static Axis powers_of_two(double high);
  /// 0 to `n`, a tick in the middle of each.
  static Axis groups(const std::vector<std::string>& names);

  /// 0 at the low end, 1 at the high end; what lies beyond is on the end.
  [[nodiscard]] double part(double value) const;
  [[nodiscard]] const std::vector<Tick>& ticks() const noexcept { return ticks_; }
  [[nodiscard]] bool has_lines() const noexcept { return has_lines_; }

 private:
  Axis(double low, double high, bool logarithmic) : low_(low), high_(high), logarithmic_(logarithmic) {}
  double low_, high_;
  bool logarithmic_, has_lines_ = true;  ///< lines across the chart at its ticks
  std::vector<Tick> ticks_;
};

struct Point {
  double x = 0, y = 0;
};
struct Range {
  double x = 0, low = 0, high = 0;
};
/// One bar of a histogram.
struct Step {
  double from = 0, to = 0, height = 0;
};

/// One drawing, 440 units wide. `series` chooses a colour and a dash pattern: classes s0, s1... of the page's style.
class Chart {
 public:
  static constexpr int kSeries = 6;  ///< styles; those beyond begin anew

  /// `title` and `description` are for those who do not see it, and for the mouse.
  Chart(std::string title, std::string description, Axis x, Axis y, std::string x_name, std::string y_name,
        double height = 250);

  void line(const std::vector<Point>& points, std::size_t series, bool with_dots = false);
  void band(const std::vector<Range>& ranges, std::size_t series);
  /// From 0 to `height`, between `from` and `to`; `label` stands above it.
  void bar(const Step& step, std::size_t series, const std::string& tooltip, const std::string& label);
  /// A dashed vertical line.
  void divide(double x);
  /// Row `row` of `rows` of a chart without y axis: steps over a common x axis, the highest as high as the row.
  void histogram(std::size_t row, std::size_t rows, const std::vector<Step>& steps, std::size_t series,
                 const std::string& label, const std::string& note);
  [[nodiscard]] std::string text() const;

 private:
  [[nodiscard]] double bottom() const;
  [[nodiscard]] double left() const;
  [[nodiscard]] double px(double x) const;
  [[nodiscard]] double py(double y) const;
  [[nodiscard]] std::string grid() const;

  double height_;
  std::string title_, description_, x_name_, y_name_, body_;
  Axis x_, y_;
};

}  // namespace bench::svg

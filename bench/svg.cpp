// SPDX-License-Identifier: BSD-3-Clause
#include "svg.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "units.hpp"

namespace bench::svg {
namespace {

constexpr double kWidth = 440;
constexpr double kLabels = 58, kNoLabels = 20, kRight = 20, kTop = 22, kBottom = 40;  // margins
constexpr double kPlotRight = kWidth - kRight;

std::string class_of(std::size_t series) { return fmt::format("s{}", series % Chart::kSeries); }

/// Coordinates need no more than a tenth of a unit.
std::string at(double x, double y) { return fmt::format("{:.1f} {:.1f}", x, y); }

double nice_step(double raw) {
  const double decade = std::pow(10, std::floor(std::log10(raw)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (raw <= factor * decade * 1.0001) return factor * decade;
  }
  return 10 * decade;
}

/// At most `most` characters (UTF-8); an ellipsis for what is missing.
std::string shortened(const std::string& text, std::size_t most) {
  std::size_t characters = 0, end = text.size();
  for (std::size_t i = 0; i < text.size(); ++i) {
    if ((static_cast<unsigned char>(text[i]) & 0xC0) == 0x80) continue;  // goes on with a character
    if (characters == most - 1) end = i;
    ++characters;
  }
  return characters <= most ? text : text.substr(0, end) + "…";
}

}  // namespace

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        // Control characters are not allowed in XML, not even escaped.
        out += static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t' ? '?' : c;
    }
  }
  return out;
}

Axis Axis::linear(double high, double per_label) {
  if (!(high > 0)) high = per_label;
  const double step = nice_step(high / per_label / 4) * per_label;
  Axis axis(0, std::ceil(high / step * 0.9999) * step, false);
  for (double v = 0; v <= axis.high_ * 1.0001; v += step)
    axis.ticks_.push_back({v, fmt::format("{:.4g}", v / per_label)});
  return axis;
}

Axis Axis::exact(double high) {
  Axis axis = linear(high);
  if (high > 0) axis.high_ = high;
  std::erase_if(axis.ticks_, [&](const Tick& t) { return t.value > axis.high_; });
  return axis;
}

Axis Axis::log_time(double low, double high) {
  low = std::max(low, 0.1);
  if (!(high > low)) high = low * 2;
  Axis axis(1 / nice_step(1 / low), nice_step(high), true);  // 1, 2, 5 are, turned over, 1, 0.5, 0.2
  low = axis.low_, high = axis.high_;
  const double decades = std::log10(high / low);
  for (double decade = std::pow(10, std::floor(std::log10(low))); decade <= high; decade *= 10) {
    for (const double factor : {1.0, 2.0, 5.0}) {
      const double v = factor * decade;
      if (v < low * 0.999 || v > high * 1.001) continue;
      const bool labelled = factor == 1.0 || decades < 2;
      if (labelled || decades < 4) axis.ticks_.push_back({v, labelled ? units::round_duration(v) : ""});
    }
  }
  return axis;
}

Axis Axis::percentiles(double most) {
  Axis axis(1, std::max(most, 10.0), true);
  axis.ticks_ = {{1, "0"}, {2, "50"}};
  int decimals = 0;
  for (double v = 10; v <= axis.high_ * 1.001; v *= 10, ++decimals) {
    axis.ticks_.push_back({v, fmt::format("{:.{}f}", 100 - 100 / v, std::max(decimals - 1, 0))});
  }
  return axis;
}

Axis Axis::powers_of_two(double high) {
  Axis axis(1, std::max(high, 2.0), true);
  for (double v = 1; v <= axis.high_; v *= 2) axis.ticks_.push_back({v, fmt::format("{:.0f}", v)});
  return axis;
}

Axis Axis::groups(const std::vector<std::string>& names) {
  Axis axis(0, static_cast<double>(std::max<std::size_t>(names.size(), 1)), false);
  axis.has_lines_ = false;
  for (std::size_t i = 0; i < names.size(); ++i) axis.ticks_.push_back({static_cast<double>(i) + 0.5, names[i]});
  return axis;
}

double Axis::part(double value) const {
  const double part =
      logarithmic_ ? std::log(std::max(value, low_) / low_) / std::log(high_ / low_) : (value - low_) / (high_ - low_);
  return std::clamp(part, 0.0, 1.0);
}

Chart::Chart(std::string title, std::string description, Axis x, Axis y, std::string x_name, std::string y_name,
             double height)
    : height_(height),
      title_(std::move(title)),
      description_(std::move(description)),
      x_name_(std::move(x_name)),
      y_name_(std::move(y_name)),
      x_(std::move(x)),
      y_(std::move(y)) {}

double Chart::bottom() const { return height_ - kBottom; }
double Chart::left() const { return y_.ticks().empty() ? kNoLabels : kLabels; }
double Chart::px(double x) const { return left() + x_.part(x) * (kPlotRight - left()); }
double Chart::py(double y) const { return bottom() - y_.part(y) * (bottom() - kTop); }

void Chart::line(const std::vector<Point>& points, std::size_t series, bool with_dots) {
  if (points.empty()) return;
  std::string path, dots;
  for (const Point& p : points) {
    path += (path.empty() ? "M" : "L") + at(px(p.x), py(p.y));
    if (with_dots) dots += fmt::format(R"(<circle cx="{:.1f}" cy="{:.1f}" r="3"/>)", px(p.x), py(p.y));
  }
  body_ += fmt::format(R"(<g class="line {}"><path d="{}"/>{}</g>)", class_of(series), path, dots);
}

void Chart::band(const std::vector<Range>& ranges, std::size_t series) {
  if (ranges.empty()) return;
  std::string there, back;
  for (const Range& r : ranges) {
    there += (there.empty() ? "M" : "L") + at(px(r.x), py(r.high));
    back = "L" + at(px(r.x), py(r.low)) + back;
  }
  body_ += fmt::format(R"(<path class="band {}" d="{}{}Z"/>)", class_of(series), there, back);
}

void Chart::bar(const Step& step, std::size_t series, const std::string& tooltip, const std::string& label) {
  const double x = px(step.from), y = std::min(py(step.height), bottom() - 1);
  body_ += fmt::format(
      R"(<rect class="bar {}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"><title>{}</title></rect>)",
      class_of(series), x, y, px(step.to) - x, bottom() - y, escaped(tooltip));
  if (label.empty()) return;
  body_ +=
      fmt::format(R"(<text class="x" x="{:.1f}" y="{:.1f}">{}</text>)", (x + px(step.to)) / 2, y - 4, escaped(label));
}

void Chart::divide(double x) {
  body_ += fmt::format(R"(<path class="divide" d="M{}V{:.1f}"/>)", at(px(x), kTop), bottom());
}

void Chart::histogram(std::size_t row, std::size_t rows, const std::vector<Step>& steps, std::size_t series,
                      const std::string& label, const std::string& note) {
  const double height = (bottom() - kTop) / static_cast<double>(rows);
  const double base = kTop + height * static_cast<double>(row + 1), room = height - 18;
  double most = 1;
  for (const Step& s : steps) most = std::max(most, s.height);
  std::string path;
  for (const Step& s : steps) {
    // What there is at all is seen: at least one unit high and wide.
    const double h = std::max(s.height / most * room, 1.0), x = px(s.from), w = std::max(px(s.to) - x, 1.0);
    path += fmt::format("M{}v{:.1f}h{:.1f}v{:.1f}z", at(x, base), -h, w, h);
  }
  body_ +=
      fmt::format(R"(<path class="bar {}" d="{}"/><path class="axis" d="M{} H{}"/>)"
                  R"(<text class="label" x="{}" y="{:.1f}">{}</text><text class="note" x="{}" y="{:.1f}">{}</text>)",
                  class_of(series), path, at(left(), base), kPlotRight, left() + 2, base - height + 13,
                  escaped(shortened(label, 28)), kPlotRight, base - height + 13, escaped(note));
}

std::string Chart::grid() const {
  std::string out;
  for (const Tick& t : x_.ticks()) {
    const double x = px(t.value);
    if (x_.has_lines()) out += fmt::format(R"(<path class="grid" d="M{}V{}"/>)", at(x, kTop), bottom());
    out += fmt::format(R"(<text class="x" x="{:.1f}" y="{}">{}</text>)", x, bottom() + 15, escaped(t.label));
  }
  for (const Tick& t : y_.ticks()) {
    const double y = py(t.value);
    out += fmt::format(R"(<path class="grid" d="M{}H{}"/>)", at(left(), y), kPlotRight);
    out += fmt::format(R"(<text class="y" x="{}" y="{:.1f}">{}</text>)", left() - 6, y + 4, escaped(t.label));
  }
  out += fmt::format(R"(<text class="name" x="{}" y="{}">{}</text>)", kPlotRight, height_ - 6, escaped(x_name_));
  out += fmt::format(R"(<text class="name-y" x="2" y="12">{}</text>)", escaped(y_name_));
  return out;
}

std::string Chart::text() const {
  const std::string title = escaped(title_);
  return fmt::format(
      R"(<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {} {}" role="img" aria-label="{}"><title>{}</title>)"
      R"(<desc>{}</desc>{}<path class="axis" d="M{} H{}"/>{}</svg>)",
      kWidth, height_, title, title, escaped(description_), grid(), at(left(), bottom()), kPlotRight, body_);
}

}  // namespace bench::svg

// SPDX-License-Identifier: BSD-3-Clause
// Sections of the report that are charts: distributions, throughput, cycles over time.
#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "report_view.hpp"

namespace bench {
namespace {

using html::escaped;

/// Of several ports under one key, in the order of the ports.
template <class T>
std::vector<const T*> by_port(const std::vector<T>& all, const View& view, const Key& key) {
  std::vector<const T*> out(view.ports().size());
  for (const T& one : all) {
    if (!(one.key == key)) continue;
    const auto at = std::find(view.ports().begin(), view.ports().end(), one.port);
    if (at != view.ports().end()) out[static_cast<std::size_t>(at - view.ports().begin())] = &one;
  }
  return out;
}

/// The least and the greatest of values that are above 0.
struct Extent {
  double low = std::numeric_limits<double>::infinity(), high = 0;
  void add(double v) {
    if (v > 0) low = std::min(low, v);
    high = std::max(high, v);
  }
  [[nodiscard]] svg::Axis log_time() const { return svg::Axis::log_time(high > 0 ? low : 1, high); }
};

/// "PORT: p50 31 ns, p99 40 ns." for those who do not see the chart.
std::string in_words(const View& view, const Key& key) {
  std::string out;
  for (const std::string& port : view.ports()) {
    const auto p50 = view.value(key, port, "p50"), p99 = view.value(key, port, "p99");
    if (p50 && p99) out += fmt::format("{}: p50 {}, p99 {}. ", port, units::duration(*p50), units::duration(*p99));
  }
  return out;
}

std::string histogram(const View& view, const Key& key, const std::vector<const Distribution*>& of) {
  Extent extent;
  std::size_t rows = 0;
  for (const Distribution* d : of) {
    if (d == nullptr || d->bins.empty()) continue;
    extent.add(std::max(d->bins.front().from, 1.0)), extent.add(d->bins.back().to);
    ++rows;
  }
  if (rows == 0) return {};
  svg::Chart chart("Histogram: " + key.title(), in_words(view, key), extent.log_time(), svg::Axis::groups({}),
                   "time per packet", "", 250 + 34 * static_cast<double>(std::max<std::size_t>(rows, 3) - 3));
  std::size_t row = 0;
  for (std::size_t i = 0; i < of.size(); ++i) {
    if (of[i] == nullptr || of[i]->bins.empty()) continue;
    std::vector<svg::Step> steps;
    std::uint64_t most = 0;
    for (const LogHistogram::Bin& bin : of[i]->bins) {
      steps.push_back({bin.from, bin.to, static_cast<double>(bin.count)});
      most = std::max(most, bin.count);
    }
    const double peak =
        100 * static_cast<double>(most) / static_cast<double>(std::max<std::uint64_t>(of[i]->samples, 1));
    chart.histogram(row++, rows, steps, i, of[i]->port,
                    fmt::format("{} samples, peak {} %", units::grouped(static_cast<double>(of[i]->samples)),
                                units::significant(peak)));
  }
  return html::figure("Histogram", chart);
}

std::string percentile_curves(const View& view, const Key& key, const std::vector<const Distribution*>& of) {
  Extent extent;
  double most = 1;
  for (const Distribution* d : of) {
    if (d == nullptr) continue;
    for (const auto& point : d->percentiles) extent.add(point.ns);
    if (!d->percentiles.empty()) most = std::max(most, 1 / std::max(1 - d->percentiles.back().part, 1e-12));
  }
  svg::Chart chart("Percentiles: " + key.title(), in_words(view, key), svg::Axis::percentiles(most), extent.log_time(),
                   "percentile [%]", "time per packet");
  for (std::size_t i = 0; i < of.size(); ++i) {
    if (of[i] == nullptr) continue;
    std::vector<svg::Point> points;
    for (const auto& point : of[i]->percentiles) points.push_back({1 / std::max(1 - point.part, 1e-12), point.ns});
    chart.line(points, i);
  }
  return html::figure("Percentiles", chart);
}

/// A key's two charts.
std::string distribution(const View& view, const Key& key) {
  const auto of = by_port(view.document().distributions, view, key);
  if (std::none_of(of.begin(), of.end(), [](const Distribution* d) { return d != nullptr; })) return {};
  return fmt::format("<div class=\"case\"><h4>{}</h4><div class=\"charts\">{}{}</div></div>\n", escaped(key.title()),
                     histogram(view, key, of), percentile_curves(view, key, of));
}

/// Frames of one size, or of mixed sizes, that were sent or received in bursts.
bool has_throughput(const View& view, const Key& key, const std::string& case_name) {
  return key.case_name == case_name &&
         std::any_of(view.ports().begin(), view.ports().end(),
                     [&](const std::string& port) { return view.value_or_0(key, port, "rate") > 0; });
}

std::string bytes_name(std::uint32_t frame_bytes) {
  return frame_bytes == Key::kMixed ? "mixed sizes" : fmt::format("{} bytes", frame_bytes);
}
std::string burst_name(std::uint32_t burst) { return fmt::format("burst {}", burst); }

/// Grouped bars: a group for each value of one member of the key, the other being fixed.
struct Panel {
  std::uint32_t Key::* group;
  std::string (*group_name)(std::uint32_t);
  std::string caption;
  std::vector<Key> keys;  ///< one for each group
};

std::string throughput_chart(const View& view, const Panel& panel, double most) {
  std::vector<std::string> names;
  for (const Key& key : panel.keys) names.push_back(panel.group_name(key.*panel.group));
  std::string words;
  const double unit = most >= 1e6 ? 1e6 : 1e3;
  svg::Chart chart(panel.caption, "Packets per second; the table of ratios has the figures.", svg::Axis::groups(names),
                   svg::Axis::linear(most, unit), "", most >= 1e6 ? "Mpackets/s" : "kpackets/s");
  const auto ports = static_cast<double>(view.ports().size());
  const bool labelled = panel.keys.size() * view.ports().size() <= 10;  // else they would run into each other
  for (std::size_t g = 0; g < panel.keys.size(); ++g) {
    for (std::size_t i = 0; i < view.ports().size(); ++i) {
      const double rate = view.value_or_0(panel.keys[g], view.ports()[i], "rate");
      if (rate <= 0) continue;
      const double width = 0.8 / ports, from = static_cast<double>(g) + 0.1 + static_cast<double>(i) * width;
      chart.bar({from, from + width * 0.92, rate}, i,
                fmt::format("{}, {}: {}", view.ports()[i], panel.keys[g].title(), units::rate(rate)),
                labelled ? units::significant(rate / unit) : "");
    }
  }
  return html::figure(panel.caption, chart);
}

/// One member of the key has a panel for each of its values, the other a group in it; the one with more values is that.
std::vector<Panel> panels(const std::vector<Key>& keys) {
  const auto values_of = [&](std::uint32_t Key::* member) {
    std::vector<std::uint32_t> out;
    for (const Key& key : keys) out.push_back(key.*member);
    std::sort(out.begin(), out.end());
    out.erase(std::unique(out.begin(), out.end()), out.end());
    return out;
  };
  const auto sizes = values_of(&Key::frame_bytes), bursts = values_of(&Key::burst);
  const bool by_size = sizes.size() >= bursts.size();
  const auto across = by_size ? &Key::burst : &Key::frame_bytes;
  std::vector<Panel> out;
  for (const std::uint32_t fixed : by_size ? bursts : sizes) {
    Panel panel{.group = by_size ? &Key::frame_bytes : &Key::burst,
                .group_name = by_size ? bytes_name : burst_name,
                .caption = keys.front().case_name + ", " + (by_size ? burst_name(fixed) : bytes_name(fixed)),
                .keys = {}};
    for (const Key& key : keys) {
      if (key.*across == fixed) panel.keys.push_back(key);
    }
    out.push_back(std::move(panel));
  }
  return out;
}

/// Of one repetition [s]: its buckets are of equal width.
double duration_of(const std::vector<TimeBucket>& buckets) {
  if (buckets.empty()) return 0;
  const double last = buckets.back().begin;
  return last + (buckets.size() > 1 ? last / static_cast<double>(buckets.size() - 1) : 1e-6);
}

/// The cycles of one port: a band from least to greatest, the median as a line; repetitions one after another.
std::string over_time_chart(const OverTime& one, std::size_t series, const Extent& extent, double end) {
  const std::string caption = fmt::format("{}: {}", one.port, one.key.direction);
  svg::Chart chart(caption, "Band: least to greatest of each stretch of time. Line: its median.", svg::Axis::exact(end),
                   extent.log_time(), "measured time [s]", "time per packet");
  double offset = 0;
  for (const auto& buckets : one.repetitions) {
    std::vector<svg::Range> band;
    std::vector<svg::Point> median;
    for (const TimeBucket& b : buckets) {
      band.push_back({offset + b.begin, b.min, b.max}), median.push_back({offset + b.begin, b.median});
    }
    if (offset > 0) chart.divide(offset);
    chart.band(band, series);
    chart.line(median, series);
    offset += duration_of(buckets);
  }
  return html::figure(caption, chart);
}

std::string over_time_note(const std::vector<OverTime>& all) {
  std::size_t buckets = 0, cycles = 0;
  for (const auto& repetition : all.front().repetitions) {
    buckets += repetition.size();
    for (const TimeBucket& b : repetition) cycles += b.count;
  }
  return fmt::format(
      "<p>One cycle after another would be more than the eye can take in: a port's time is cut into stretches of equal "
      "length ({} with {} cycles each on average in the first chart). The band reaches from the least to the greatest "
      "of a stretch, the line is its median; no cycle is left out. Dashed: the next repetition.</p>\n",
      buckets, cycles / std::max<std::size_t>(buckets, 1));
}

}  // namespace

std::string distribution_section(const View& view) {
  if (view.document().distributions.empty()) return {};
  std::string out = "<section id=\"distributions\"><h2>How the times are distributed</h2>\n";
  out +=
      "<p>All repetitions together. Time axes are logarithmic; histogram bins are at most 1/32 of a time wide, each "
      "port's highest bin is as high as its row, and a bin with any sample at all is seen. Percentile curves go up to "
      "the slowest call: what lies right of 99.9 is the slowest thousandth.</p>\n" +
      html::legend(view.ports());
  std::vector<std::string> cases;
  for (const Key& key : view.keys()) {
    if (std::find(cases.begin(), cases.end(), key.case_name) == cases.end()) cases.push_back(key.case_name);
  }
  for (const std::string& name : cases) {
    std::string body;
    for (const Key& key : view.keys()) {
      if (key.case_name == name) body += distribution(view, key);
    }
    if (body.empty()) continue;
    const bool open = name == "cyclic" || name == "ping-pong" || cases.size() == 1;
    out += fmt::format("<details{}><summary>{}</summary>{}</details>\n", open ? " open=\"open\"" : "", escaped(name),
                       body);
  }
  return out + "</section>\n";
}

std::string throughput_section(const View& view) {
  std::string body;
  for (const char* name : {"send", "receive", "forward"}) {
    std::vector<Key> keys;
    double most = 0;
    for (const Key& key : view.keys()) {
      if (!has_throughput(view, key, name)) continue;
      keys.push_back(key);
      for (const std::string& port : view.ports()) most = std::max(most, view.value_or_0(key, port, "rate"));
    }
    if (keys.empty()) continue;
    body += "<h3>" + std::string(name) + "</h3><div class=\"charts\">";
    for (const Panel& panel : panels(keys)) body += throughput_chart(view, panel, most);
    body += "</div>\n";
  }
  if (body.empty()) return {};
  return "<section id=\"throughput\"><h2>Throughput by frame size and burst</h2>\n<p>Higher is better. Frame sizes "
         "include 4 bytes FCS; a burst is the packets of one call. The peer's side of the wire takes its share of "
         "the time.</p>\n" +
         html::legend(view.ports()) + body + "</section>\n";
}

std::string over_time_section(const View& view) {
  const std::vector<OverTime>& all = view.document().over_time;
  if (all.empty()) return {};
  std::string out =
      "<section id=\"jitter\"><h2>Cycles over time</h2>\n" + over_time_note(all) + "<div class=\"charts\">";
  Extent extent;
  double longest = 0;
  for (const OverTime& one : all) {
    double duration = 0;
    for (const auto& buckets : one.repetitions) {
      duration += duration_of(buckets);
      for (const TimeBucket& b : buckets) extent.add(b.min), extent.add(b.max);
    }
    longest = std::max(longest, duration);
  }
  for (const Key& key : view.keys()) {
    const auto of = by_port(all, view, key);
    for (std::size_t i = 0; i < of.size(); ++i) {
      if (of[i] != nullptr) out += over_time_chart(*of[i], i, extent, longest);
    }
  }
  return out + "</div></section>\n";
}

}  // namespace bench

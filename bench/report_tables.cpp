// SPDX-License-Identifier: BSD-3-Clause
// Sections of the report that are tables: the headline, the ratios, frames and system calls.
#include <fmt/format.h>

#include <algorithm>

#include "report_view.hpp"

namespace bench {
namespace {

using html::element;
using html::escaped;

/// What a metric is called and how it is shown.
struct Column {
  const char* metric;
  const char* name;
  bool more_is_better;
  [[nodiscard]] std::string text(double value) const {
    return more_is_better ? units::rate(value) : units::duration(value);
  }
};
constexpr Column kRatioColumns[]{{"p50", "p50", false}, {"p99", "p99", false}, {"rate", "Rate", true}};
constexpr Column kAllColumns[]{{"min", "min", false}, {"average", "average", false}, {"p50", "p50", false},
                               {"p99", "p99", false}, {"p99.9", "p99.9", false},     {"max", "max", false},
                               {"rate", "rate", true}};

std::string ratio_of_times(double value, double base) {
  if (value == 0 && base > 0) return R"(<strong class="ratio better">none</strong>)";
  return html::ratio(value, base, false);
}

/// What each port takes, as bars, the longest full. Of two ports the ratio is written large, else it stands at each
/// bar.
template <class Format>
std::string tile(const std::string& what, const View& view, const std::vector<std::optional<double>>& values,
                 Format text) {
  if (!values[0] || std::none_of(values.begin() + 1, values.end(), [](const auto& v) { return v.has_value(); })) {
    return {};
  }
  double most = 1e-12;
  for (const auto& value : values) most = std::max(most, value.value_or(0));
  const bool one = values.size() == 2;
  std::string out = "<div class=\"tile\">" + element("h3", what);
  if (one) out += fmt::format(R"(<p class="big">{}</p>)", ratio_of_times(*values[1], *values[0]));
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!values[i]) continue;
    out += fmt::format(
        R"(<div class="row"><span class="name" title="{0}">{0}</span><span class="num">{1} {2}</span></div>)"
        R"(<div class="track"><span class="fill f{3}" style="width:{4:.1f}%"></span></div>)",
        escaped(view.ports()[i]), text(*values[i]), one || i == 0 ? "" : ratio_of_times(*values[i], *values[0]),
        i % svg::Chart::kSeries, 100 * *values[i] / most);
  }
  return out + "</div>\n";
}

std::string time_tile(const View& view, const Key& key, const Column& column) {
  std::vector<std::optional<double>> values;
  for (const std::string& port : view.ports()) values.push_back(view.value(key, port, column.metric));
  return tile(fmt::format("{} call, {}", key.direction == "send" ? "Send" : "Receive", column.name), view, values,
              [&](double v) { return column.text(v); });
}

std::string calls_tile(const View& view) {
  std::vector<std::optional<double>> values;
  for (const std::string& port : view.ports()) values.push_back(view.whole(port, "system_calls"));
  return tile("System calls per packet", view, values, units::significant);
}

/// Value and ratio of one port in one cell, with the baseline's value.
std::string ratio_cell(const View& view, const Key& key, const std::string& port, const Column& column) {
  const auto base = view.value(key, view.ports()[0], column.metric), value = view.value(key, port, column.metric);
  // The column's name once more, for screens too narrow for columns.
  const std::string begin = fmt::format(R"(<td class="num" data-name="{}">)", column.name);
  if (!value) return begin + "-</td>";
  if (!base) return begin + column.text(*value) + "</td>";
  return fmt::format(R"({}{}<br/><span class="pair"><span>{} →</span> <span>{}</span></span></td>)", begin,
                     html::ratio(*value, *base, column.more_is_better), column.text(*base), column.text(*value));
}

std::string ratio_rows(const View& view, const Key& key) {
  const std::size_t others = view.ports().size() - 1;
  std::string out;
  for (std::size_t i = 1; i <= others; ++i) {
    out += "<tr>";
    if (i == 1) { out += element("th", key.title(), fmt::format(R"(scope="rowgroup" rowspan="{}")", others)); }
    if (others > 1) out += element("td", view.ports()[i], R"(class="port")");
    for (const Column& column : kRatioColumns) out += ratio_cell(view, key, view.ports()[i], column);
    out += "</tr>\n";
  }
  return out;
}

std::string all_figures(const View& view) {
  std::string out = R"(<table class="figures"><thead><tr><th scope="col">Port</th>)";
  for (const Column& column : kAllColumns) out += element("th", column.name, R"(scope="col" class="num")");
  out += R"(<th scope="col" class="num">samples</th></tr></thead>)";
  for (const Key& key : view.keys()) {
    out += fmt::format(R"(<tbody><tr><th scope="rowgroup" colspan="{}">{}</th></tr>)", std::size(kAllColumns) + 2,
                       escaped(key.title()));
    for (const std::string& port : view.ports()) {
      if (!view.value(key, port, "p50")) continue;
      out += "<tr>" + element("th", port, R"(scope="row" class="port")");
      for (const Column& column : kAllColumns) {
        const auto value = view.value(key, port, column.metric);
        out += element("td", value ? column.text(*value) : "-", R"(class="num")");
      }
      out += element("td", units::grouped(view.value_or_0(key, port, "samples")), R"(class="num")") + "</tr>\n";
    }
    out += "</tbody>";
  }
  return out + "</table>";
}

constexpr Column kVerdicts[]{{"good", "good", true},
                             {"lost", "lost", false},
                             {"repeated", "repeated or out of order", false},
                             {"damaged", "damaged", false},
                             {"late", "overtaken", false},
                             {"foreign", "foreign, ignored", false},
                             {"overruns", "cycles begun late", false}};

std::string frames_row(const View& view, const std::string& port) {
  std::string out = "<tr>" + element("th", port, R"(scope="row" class="port")");
  const auto calls = view.whole(port, "system_calls");
  const bool proven = view.whole(port, "proven_without_system_calls").value_or(0) != 0;
  out += element("td", calls ? units::significant(*calls) : "not counted", R"(class="num")");
  out += element("td", proven ? "yes: every measured loop ran under a seccomp filter that allows none" : "no");
  for (const Column& column : kVerdicts) {
    const auto value = view.whole(port, column.metric);
    const std::string_view name = column.metric;
    const bool bad = value.value_or(0) > 0 && (name == "lost" || name == "repeated" || name == "damaged");
    out += element("td", value ? units::grouped(*value) : "-", bad ? R"(class="num bad")" : R"(class="num")");
  }
  return out + "</tr>\n";
}

}  // namespace

std::string headline_section(const View& view) {
  if (view.ports().size() < 2) return {};
  std::string tiles, frames;
  for (const Column& column : {kRatioColumns[0], kRatioColumns[1]}) {
    for (const Key& key : view.keys()) {
      if (key.case_name != "cyclic") continue;
      tiles += time_tile(view, key, column);
      frames = fmt::format("{}-byte frames", key.frame_bytes);
    }
  }
  if (tiles.empty()) return {};
  const bool two = view.ports().size() == 2;
  return fmt::format("<h2>Cyclic, {}: {} against {}</h2>\n<div class=\"tiles{}\">{}{}</div>\n", frames,
                     two ? escaped(view.ports()[1]) : "all", escaped(view.ports()[0]), two ? "" : " wide", tiles,
                     calls_tile(view));
}

std::string ratio_section(const View& view) {
  std::string out = "<section id=\"ratios\"><h2>What is gained, by case</h2>\n";
  if (view.ports().size() < 2) {
    out += "<p>One port was measured: there is nothing to compare it with.</p>\n";
  } else {
    out += fmt::format(
        "<p>Against the first port, <strong>{}</strong>. Times are of one call, per packet; p50: half of all calls "
        "take at most this, p99: 99 of 100. Less time and a higher rate are better "
        "(<strong class=\"ratio better\">blue</strong>), the contrary is <strong class=\"ratio "
        "worse\">orange</strong>.</p>\n",
        escaped(view.ports()[0]));
    std::string table = R"(<table class="ratios"><thead><tr><th scope="col">Case</th>)";
    if (view.ports().size() > 2) table += R"(<th scope="col">Port</th>)";
    for (const Column& column : kRatioColumns) table += element("th", column.name, R"(scope="col" class="num")");
    table += "</tr></thead>\n";
    for (const Key& key : view.keys()) table += "<tbody>" + ratio_rows(view, key) + "</tbody>";
    out += html::scrollable("Ratios by case", table + "</table>");
  }
  out += "<details><summary>All figures: min, average, p50, p99, p99.9, max, rate</summary>\n" +
         html::scrollable("All figures by case and port", all_figures(view)) + "</details></section>\n";
  return out;
}

std::string frames_section(const View& view) {
  std::string table =
      R"(<table class="figures"><thead><tr><th scope="col">Port</th><th scope="col" class="num">system calls per packet</th>)"
      R"(<th scope="col">proven without system calls</th>)";
  for (const Column& column : kVerdicts) {
    table += element("th",
                     fmt::format("{} {}", column.name, std::string_view(column.metric) == "overruns" ? "" : "[frames]"),
                     R"(scope="col" class="num")");
  }
  table += "</tr></thead><tbody>\n";
  for (const std::string& port : view.ports()) table += frames_row(view, port);
  table += "</tbody></table>";
  std::string out =
      "<section id=\"frames\"><h2>System calls and frames</h2>\n"
      "<p>Every frame is compared byte for byte with what was sent; one that is lost, repeated or damaged fails the "
      "run.</p>\n" +
      html::scrollable("System calls and frames by port", table) + "<ul class=\"notes\">\n";
  for (const PortLine& line : view.document().ports) {
    out += fmt::format("<li><strong>{}</strong>: {}{}{}</li>\n", escaped(line.port), escaped(line.device),
                       line.peer.empty() ? "" : "; peer " + escaped(line.peer),
                       line.notes.empty() ? "" : "; " + escaped(line.notes));
  }
  return out + "</ul></section>\n";
}

}  // namespace bench

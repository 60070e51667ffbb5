// SPDX-License-Identifier: BSD-3-Clause
// The section of the report on what drivers alone cost: figures of bench/run --peers.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <tuple>

#include "report_view.hpp"

namespace bench {
namespace {

using html::element;
using html::escaped;

struct Column {
  const char* metric;
  const char* name;
  bool more_is_better;
  const char* unit;  ///< nullptr: a duration in ns
};
constexpr Column kColumns[]{{"core_cycles_per_packet", "core cycles/packet", false, "cycles"},
                            {"tsc_ticks_per_packet", "TSC ticks/packet", false, "ticks"},
                            {"instructions_per_packet", "instructions/packet", false, ""},
                            {"mpps", "rate", true, "Mpackets/s"},
                            {"p50", "p50", false, nullptr},
                            {"p99", "p99", false, nullptr},
                            {"p99.9", "p99.9", false, nullptr},
                            {"max", "max", false, nullptr}};

std::string setup_in_words(const std::string& setup) {
  if (setup == "inline") return "inline: the driver alone on one thread; the device moves between the timed stretches";
  if (setup == "l3-cold") return "l3-cold: the same, with the caches before L3 emptied ahead of each timed stretch";
  if (setup == "threaded") return "threaded: the device runs on another core";
  return setup;
}

/// DPDK's vector path, else another of DPDK's, else the first port: what ratios are against. It goes first.
std::vector<std::string> baseline_first(std::vector<std::string> ports) {
  const auto is_dpdk = [](const std::string& port) { return port.rfind("dpdk:", 0) == 0; };
  auto at = std::find_if(ports.begin(), ports.end(), [&](const std::string& port) {
    return is_dpdk(port) && port.size() > 4 && port.compare(port.size() - 4, 4, ":vec") == 0;
  });
  if (at == ports.end()) at = std::find_if(ports.begin(), ports.end(), is_dpdk);
  if (at != ports.end()) std::rotate(ports.begin(), at, at + 1);
  return ports;
}

/// Unit as the file has it: percentiles of these may be in cycles.
std::string unit_of(const Document& document, const std::string& setup, const Column& column) {
  if (column.unit != nullptr) return column.unit;
  for (const Figure& f : document.figures) {
    if (f.setup == setup && f.metric == column.metric) return f.unit;
  }
  return "ns";
}

std::string value_text(double value, const std::string& unit) {
  return unit == "ns" ? units::duration(value) : units::significant(value) + (unit.empty() ? "" : " " + unit);
}

std::string headings(const std::string& first, const std::vector<std::string>& rest) {
  std::string out = "<thead><tr>" + element("th", first, R"(scope="col")");
  for (const std::string& name : rest) out += element("th", name, R"(scope="col" class="num")");
  return out + "</tr></thead>\n";
}

std::vector<Column> columns_of(const View& view) {
  std::vector<Column> out;
  for (const Column& column : kColumns) {
    const auto has = [&](const Key& key) {
      return std::any_of(view.ports().begin(), view.ports().end(),
                         [&](const std::string& port) { return view.value(key, port, column.metric).has_value(); });
    };
    if (std::any_of(view.keys().begin(), view.keys().end(), has)) out.push_back(column);
  }
  return out;
}

/// One figure, all ports side by side: a row for each case and burst.
std::string comparison(const View& view, const std::string& setup, const std::vector<std::string>& ports,
                       const Column& column) {
  const std::string unit = unit_of(view.document(), setup, column);
  std::string out = R"(<table class="figures">)" + headings(column.name, ports) + "<tbody>";
  for (const Key& key : view.keys()) {
    const auto base = view.value(key, ports[0], column.metric);
    out += "<tr>" + element("th", key.title(), R"(scope="row" class="port")");
    for (std::size_t i = 0; i < ports.size(); ++i) {
      const auto value = view.value(key, ports[i], column.metric);
      const std::string text = value ? escaped(value_text(*value, unit)) : "-";
      const std::string ratio =
          i > 0 && base && value ? "<br/>" + html::ratio(*value, *base, column.more_is_better) : "";
      out += fmt::format(R"(<td class="num">{}{}</td>)", text, ratio);
    }
    out += "</tr>\n";
  }
  return html::scrollable(fmt::format("Drivers alone, {}: {}", setup, column.name), out + "</tbody></table>");
}

/// Every figure of every port.
std::string all_figures(const View& view, const std::string& setup, const std::vector<std::string>& ports,
                        const std::vector<Column>& columns) {
  std::vector<std::string> names;
  for (const Column& column : columns) names.emplace_back(column.name);
  std::string out = R"(<table class="figures">)" + headings("Port", names);
  for (const Key& key : view.keys()) {
    out += fmt::format(R"(<tbody><tr><th scope="rowgroup" colspan="{}">{}</th></tr>)", columns.size() + 1,
                       escaped(key.title()));
    for (const std::string& port : ports) {
      std::string row;
      bool any = false;
      for (const Column& column : columns) {
        const auto value = view.value(key, port, column.metric);
        any = any || value;
        row +=
            element("td", value ? value_text(*value, unit_of(view.document(), setup, column)) : "-", R"(class="num")");
      }
      if (any) out += "<tr>" + element("th", port, R"(scope="row" class="port")") + row + "</tr>\n";
    }
    out += "</tbody>";
  }
  return html::scrollable("Drivers alone, all figures, " + setup, out + "</table>");
}

using Group = std::tuple<std::string, std::string, std::uint32_t>;  ///< keys that differ in nothing but the burst

std::string burst_chart(const View& view, const std::vector<std::string>& ports, std::vector<Key> keys,
                        const Column& column) {
  std::sort(keys.begin(), keys.end(), [](const Key& a, const Key& b) { return a.burst < b.burst; });
  double most = 0;
  for (const Key& key : keys) {
    for (const std::string& port : ports) most = std::max(most, view.value_or_0(key, port, column.metric));
  }
  if (most <= 0 || keys.front().burst == keys.back().burst) return {};
  Key title = keys.front();
  title.burst = 1;
  const std::string caption = title.title() + ": " + column.name;
  svg::Chart chart(caption, "Lines by port; the table has the figures.", svg::Axis::powers_of_two(keys.back().burst),
                   svg::Axis::linear(most), "burst [packets]", column.name);
  for (std::size_t i = 0; i < ports.size(); ++i) {
    std::vector<svg::Point> points;
    for (const Key& key : keys) {
      if (const auto v = view.value(key, ports[i], column.metric))
        points.push_back({static_cast<double>(key.burst), *v});
    }
    chart.line(points, i, true);
  }
  return html::figure(caption, chart);
}

std::string charts(const View& view, const std::vector<std::string>& ports, const Column& column) {
  std::map<Group, std::vector<Key>> groups;
  for (const Key& key : view.keys()) groups[{key.case_name, key.direction, key.frame_bytes}].push_back(key);
  std::string out;
  for (const auto& [group, keys] : groups) out += burst_chart(view, ports, keys, column);
  return out.empty() ? out : html::legend(ports) + "<div class=\"charts\">" + out + "</div>\n";
}

std::string setup_section(const Document& document, const std::string& setup) {
  const View view(document, setup);
  const auto ports = baseline_first(view.ports());
  const auto columns = columns_of(view);
  std::string out = element("h3", setup_in_words(setup)) + "\n";
  if (columns.empty()) return out + "<p>None of these figures is known to this report; the JSON has them.</p>\n";
  out += fmt::format("<p>By case and burst; ratios are against <strong>{}</strong>.</p>\n", escaped(ports[0]));
  return out + charts(view, ports, columns[0]) + comparison(view, setup, ports, columns[0]) +
         "<details><summary>All figures</summary>" + all_figures(view, setup, ports, columns) + "</details>\n";
}

}  // namespace

std::string inline_section(const Document& document) {
  std::vector<std::string> setups;
  for (const Figure& f : document.figures) {
    if (!f.setup.empty() && std::find(setups.begin(), setups.end(), f.setup) == setups.end()) setups.push_back(f.setup);
  }
  if (setups.empty()) return {};
  std::string out =
      "<section id=\"inline\"><h2>The drivers alone</h2>\n<p>What a driver's own code costs per packet, without a "
      "wire, beside other drivers where they were measured.</p>\n";
  for (const std::string& setup : setups) out += setup_section(document, setup);
  if (!document.inline_runs.empty()) {
    out += "<details><summary>How these were measured</summary><ul class=\"notes\">\n";
    for (const auto& [file, line] : document.inline_runs) out += element("li", file + ": " + line) + "\n";
    out += "</ul></details>\n";
  }
  return out + "</section>\n";
}

}  // namespace bench

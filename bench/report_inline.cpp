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
  if (setup == "inline") return "inline: the driver alone, one thread, descriptors and packets in the nearest cache";
  if (setup == "l3-cold") return "l3-cold: what the NIC would have written lies in the L3 cache, as after DMA";
  if (setup == "threaded") return "threaded: the NIC's part runs on a core of its own";
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

std::string value_cell(const View& view, const Key& key, const std::vector<std::string>& ports, std::size_t i,
                       const Column& column, const std::string& unit) {
  const auto value = view.value(key, ports[i], column.metric), base = view.value(key, ports[0], column.metric);
  if (!value) return R"(<td class="num even">-</td>)";
  const std::string text =
      unit == "ns" ? units::duration(*value) : units::significant(*value) + (unit.empty() ? "" : " " + unit);
  if (i == 0) return fmt::format(R"(<td class="num">{}<br/><span class="pair">baseline</span></td>)", escaped(text));
  return fmt::format(R"(<td class="num">{}<br/>{}</td>)", escaped(text),
                     base ? html::ratio(*value, *base, column.more_is_better) : "");
}

std::string table(const View& view, const std::string& setup, const std::vector<std::string>& ports) {
  std::vector<Column> columns;
  for (const Column& column : kColumns) {
    const auto& figures = view.document().figures;
    if (std::any_of(figures.begin(), figures.end(),
                    [&](const Figure& f) { return f.setup == setup && f.metric == column.metric; })) {
      columns.push_back(column);
    }
  }
  std::string out = R"(<table class="figures"><thead><tr><th scope="col">Port</th>)";
  for (const Column& column : columns) out += element("th", column.name, R"(scope="col" class="num")");
  out += "</tr></thead>\n";
  for (const Key& key : view.keys()) {
    out += fmt::format(R"(<tbody><tr><th scope="rowgroup" colspan="{}">{}</th></tr>)", columns.size() + 1,
                       escaped(key.title()));
    for (std::size_t i = 0; i < ports.size(); ++i) {
      if (std::none_of(columns.begin(), columns.end(),
                       [&](const Column& c) { return view.value(key, ports[i], c.metric).has_value(); })) {
        continue;
      }
      out += "<tr>" + element("th", ports[i], R"(scope="row" class="port")");
      for (const Column& column : columns) {
        out += value_cell(view, key, ports, i, column, unit_of(view.document(), setup, column));
      }
      out += "</tr>\n";
    }
    out += "</tbody>";
  }
  return html::scrollable("Drivers alone, " + setup, out + "</table>");
}

using Group = std::tuple<std::string, std::string, std::uint32_t>;  ///< keys that differ in nothing but the burst

std::string burst_chart(const View& view, const std::vector<std::string>& ports, std::vector<Key> keys,
                        const Column& column) {
  std::sort(keys.begin(), keys.end(), [](const Key& a, const Key& b) { return a.burst < b.burst; });
  double most = 0;
  for (const Key& key : keys) {
    for (const std::string& port : ports) most = std::max(most, view.value_or_0(key, port, column.metric));
  }
  if (most <= 0 || keys.size() < 2) return {};
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

std::string charts(const View& view, const std::vector<std::string>& ports) {
  std::map<Group, std::vector<Key>> groups;
  for (const Key& key : view.keys()) {
    if (key.burst != 0) groups[{key.case_name, key.direction, key.frame_bytes}].push_back(key);
  }
  std::string out;
  for (const auto& [group, keys] : groups) {
    for (const Column& column : {kColumns[0], kColumns[3]}) out += burst_chart(view, ports, keys, column);
  }
  return out.empty() ? out : html::legend(ports) + "<div class=\"charts\">" + out + "</div>\n";
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
  for (const std::string& setup : setups) {
    const View view(document, setup);
    const auto ports = baseline_first(view.ports());
    out +=
        fmt::format("<h3>{}</h3>\n<p>Ratios are against <strong>{}</strong>.</p>\n{}{}", escaped(setup_in_words(setup)),
                    escaped(ports[0]), charts(view, ports), table(view, setup, ports));
  }
  if (!document.inline_runs.empty()) {
    out += "<details><summary>How these were measured</summary><ul class=\"notes\">\n";
    for (const auto& [file, line] : document.inline_runs) out += element("li", file + ": " + line) + "\n";
    out += "</ul></details>\n";
  }
  return out + "</section>\n";
}

}  // namespace bench

// SPDX-License-Identifier: BSD-3-Clause
#include "report_view.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace bench {
namespace {

template <class T>
void add_once(std::vector<T>& to, const T& value) {
  if (std::find(to.begin(), to.end(), value) == to.end()) to.push_back(value);
}

const Key kWhole{.case_name = "all", .direction = "all", .frame_bytes = 0, .burst = 0};

}  // namespace

View::View(const Document& document, const std::string& setup) : document_(&document), setup_(setup) {
  if (setup.empty()) {
    for (const PortLine& line : document.ports) add_once(ports_, line.port);
  }
  for (const Figure& f : document.figures) {
    if (f.setup != setup) continue;
    add_once(ports_, f.port);
    if (!(f.key == kWhole)) add_once(keys_, f.key);
  }
}

std::optional<double> View::value(const Key& key, const std::string& port, std::string_view metric) const {
  for (const Figure& f : document_->figures) {
    if (f.metric == metric && f.setup == setup_ && f.port == port && f.key == key) return f.value;
  }
  return std::nullopt;
}

std::optional<double> View::whole(const std::string& port, std::string_view metric) const {
  return value(kWhole, port, metric);
}

namespace html {

std::string element(std::string_view name, std::string_view text, std::string_view attributes) {
  return fmt::format("<{}{}{}>{}</{}>", name, attributes.empty() ? "" : " ", attributes, escaped(text), name);
}

std::string legend(const std::vector<std::string>& ports) {
  std::string out = R"(<p class="legend">)";
  for (std::size_t i = 0; i < ports.size(); ++i) {
    out += fmt::format(
        R"(<span class="key"><svg class="swatch" viewBox="0 0 28 12" aria-hidden="true"><rect class="bar s{0}" y="2" )"
        R"(width="28" height="8" opacity=".45"/><path class="line s{0}" d="M0 6H28"/></svg>{1}</span>)",
        i % svg::Chart::kSeries, escaped(ports[i]));
  }
  return out + "</p>";
}

std::string figure(const std::string& caption, const svg::Chart& chart) {
  return fmt::format("<figure><figcaption>{}</figcaption>{}</figure>\n", escaped(caption), chart.text());
}

std::string ratio(double value, double base, bool more_is_better) {
  using Sense = units::Comparison::Sense;
  const units::Comparison c = units::compare(value, base);
  const bool better = c.sense == (more_is_better ? Sense::kMore : Sense::kLess);
  const bool even = c.sense == Sense::kSame || c.sense == Sense::kNone;
  return fmt::format(R"(<strong class="ratio {}">{}{}</strong>)",
                     even     ? "even"
                     : better ? "better"
                              : "worse",
                     c.sense == Sense::kLess   ? "▼ "
                     : c.sense == Sense::kMore ? "▲ "
                                               : "",
                     c.text());
}

std::string scrollable(const std::string& label, const std::string& table) {
  return fmt::format(R"(<div class="scroll" role="region" tabindex="0" aria-label="{}">{}</div>)"
                     "\n",
                     escaped(label), table);
}

}  // namespace html
}  // namespace bench

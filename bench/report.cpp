// SPDX-License-Identifier: BSD-3-Clause
#include "report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "report_style.hpp"
#include "report_view.hpp"

namespace bench {
namespace {

using html::element;
using html::escaped;

/// JSON that neither ends a <script> element nor is markup to an XML parser: <, > and & stand in strings only, where
/// \u escapes mean the same.
std::string json_for_script(const nlohmann::json& run) {
  std::string out;
  for (const char c : run.dump()) {
    if (c == '<' || c == '>' || c == '&') {
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    } else {
      out += c;
    }
  }
  return out;
}

std::string title(const View& view) {
  if (view.ports().empty()) return "pollux-bench";
  std::string out = "pollux-bench: ";
  for (std::size_t i = 1; i < view.ports().size(); ++i) out += (i == 1 ? "" : ", ") + view.ports()[i];
  return out + (view.ports().size() > 1 ? " against " : "") + view.ports()[0];
}

std::string definitions(const std::vector<std::pair<std::string, std::string>>& lines) {
  static const std::map<std::string_view, std::string_view> names{
      {"cpu", "CPU"}, {"cpus", "CPUs"}, {"tsc_mhz", "TSC [MHz]"}, {"virtual_machine", "virtual machine"}};
  std::string out = "<dl>";
  for (const auto& [what, value] : lines) {
    const auto name = names.find(what);
    out += element("dt", name == names.end() ? what : name->second) + element("dd", value);
  }
  return out + "</dl>\n";
}

std::string machine_value(const Document& document, const std::string& what) {
  for (const auto& [key, value] : document.machine) {
    if (key == what) return value;
  }
  return {};
}

/// Who measured models or in an emulator must not take that for hardware.
std::string caveat(const View& view) {
  std::string out;
  if (std::any_of(view.ports().begin(), view.ports().end(),
                  [](const std::string& port) { return port.rfind("sim:", 0) == 0; })) {
    out +=
        "<p class=\"sub\">sim: ports are a NIC in software: the driver's own calls are timed as on hardware, but no "
        "PCIe, no DMA and no silicon takes part. Rates of these include the model's work.</p>\n";
  }
  if (machine_value(view.document(), "cpu").find("TCG") != std::string::npos) {
    out +=
        "<p class=\"sub\">The machine was emulated instruction by instruction (QEMU TCG): ratios count, not times."
        "</p>\n";
  }
  return out;
}

std::string header(const View& view) {
  const Document& document = view.document();
  std::string about;
  for (const std::string& part :
       {document.run.started, machine_value(document, "cpu"), machine_value(document, "kernel")}) {
    if (!part.empty()) about += (about.empty() ? "" : " · ") + part;
  }
  return "<header>" + element("h1", title(view)) + element("p", about, R"(class="sub")") + caveat(view) + "</header>\n";
}

struct Section {
  const char* id;
  const char* name;
  std::string body;
};

std::string navigation(const std::vector<Section>& sections) {
  std::string out = "<nav aria-label=\"Contents\">";
  for (const Section& s : sections) {
    if (!s.body.empty()) out += fmt::format(R"(<a href="#{}">{}</a>)", s.id, s.name);
  }
  return out + "</nav>\n";
}

std::string machine_section(const Document& document) {
  std::string out = "<section id=\"machine\"><h2>Machine and method</h2>\n" + definitions(document.machine);
  if (!document.run.command.empty()) {
    out += "<h3>Command</h3>" + element("pre", document.run.command, R"(class="command" tabindex="0")");
  }
  out += "<h3>Method</h3><ul class=\"notes\">\n";
  for (const std::string& line : document.run.method) out += element("li", line) + "\n";
  out += "</ul>\n";
  if (!document.build.empty()) out += "<h3>Versions</h3>" + definitions(document.build);
  return out + "</section>\n";
}

std::string raw_section(const nlohmann::json& run) {
  return "<section id=\"raw\"><h2>All data</h2>\n<details><summary>This run as JSON</summary>"
         "<p><button id=\"copy\" type=\"button\" hidden=\"hidden\">Copy</button></p>" +
         element("pre", to_text(run), R"(id="json-text" tabindex="0")") +
         "</details>\n<script type=\"application/json\" id=\"data\">" + json_for_script(run) + "</script></section>\n";
}

std::string page(const std::string& title, const std::string& body) {
  return fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\" xmlns=\"http://www.w3.org/1999/xhtml\"><head><meta charset=\"utf-8\"/>\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n"
      // Nothing is loaded, and of scripts only the one below runs, whatever else should have got into the page.
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; "
      "script-src '{}'\"/>\n"
      "<title>{}</title>\n<style>{}</style></head>\n<body>{}<script>{}</script></body></html>\n",
      kScriptHash, escaped(title), kStyle, body, kScript);
}

}  // namespace

std::string html_report(const nlohmann::json& run, const std::string& source) {
  const Document document = parse(run, source);
  const View view(document, "");
  const std::vector<Section> sections{
      {"ratios", "What is gained", ratio_section(view)},
      {"distributions", "Distributions", distribution_section(view)},
      {"throughput", "Throughput", throughput_section(view)},
      {"jitter", "Cycles over time", over_time_section(view)},
      {"inline", "Drivers alone", inline_section(document)},
      {"frames", "System calls and frames", frames_section(view)},
      {"machine", "Machine and method", machine_section(document)},
      {"raw", "All data", raw_section(run)},
  };
  std::string body = header(view) + "<main>" + headline_section(view) + navigation(sections);
  for (const Section& s : sections) body += s.body;
  return page(title(view), body +
                               "</main>\n<footer>Made by pollux-bench of the JSON above; this page loads nothing."
                               "</footer>\n");
}

}  // namespace bench

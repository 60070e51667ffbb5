// SPDX-License-Identifier: BSD-3-Clause
#include "document.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cmath>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <limits>
#include <pollux/core/error.hpp>
#include <pollux/core/file.hpp>

namespace bench {
namespace {

using nlohmann::json;

/// To `digits` significant digits: what was measured has no more, and files stay small.
double rounded(double value, int digits = 6) {
  if (value == 0 || !std::isfinite(value)) return 0;
  const double unit = std::pow(10, digits - 1 - static_cast<int>(std::floor(std::log10(std::abs(value)))));
  return std::round(value * unit) / unit;
}

json key_json(const Key& key, const std::string& port) {
  return {{"case", key.case_name},
          {"port", port},
          {"direction", key.direction},
          {"frame_bytes", key.frame_bytes},
          {"burst", key.burst}};
}

json figure_json(const Key& key, const std::string& port, const char* metric, const char* unit, double value) {
  json out = key_json(key, port);
  out.update({{"metric", metric}, {"unit", unit}, {"value", value}});
  return out;
}

void add_series(const Series& s, json& results) {
  const Summary m = s.median();
  for (const auto& [metric, value] : {std::pair{"min", m.min}, std::pair{"average", m.average}, std::pair{"p50", m.p50},
                                      std::pair{"p99", m.p99}, std::pair{"p99.9", m.p999}, std::pair{"max", m.max}}) {
    results.push_back(figure_json(s.key, s.port, metric, "ns", value));
  }
  results.push_back(figure_json(s.key, s.port, "samples", "1", static_cast<double>(m.count)));
  if (s.rate() > 0) results.push_back(figure_json(s.key, s.port, "rate", "packets/s", s.rate()));
}

void add_facts(const PortFacts& f, json& results) {
  const Key whole{.case_name = "all", .direction = "all", .frame_bytes = 0, .burst = 0};
  for (const auto& [metric, value] :
       {std::pair{"good", f.verdict.good}, std::pair{"lost", f.verdict.lost}, std::pair{"repeated", f.verdict.repeated},
        std::pair{"damaged", f.verdict.damaged}, std::pair{"late", f.verdict.late},
        std::pair{"foreign", f.verdict.foreign}, std::pair{"overruns", f.overruns}}) {
    results.push_back(figure_json(whole, f.port, metric, "frames", static_cast<double>(value)));
  }
  if (f.syscalls_per_packet >= 0) {
    results.push_back(figure_json(whole, f.port, "system_calls", "1/packet", f.syscalls_per_packet));
  }
  results.push_back(
      figure_json(whole, f.port, "proven_without_system_calls", "bool", f.proven_without_syscalls ? 1 : 0));
}

json distribution_json(const Series& s) {
  json out = key_json(s.key, s.port), bins = json::array(), percentiles = json::array();
  for (const LogHistogram::Bin& bin : s.histogram.bins()) bins.push_back({bin.from, bin.to, bin.count});
  for (const auto& point : s.histogram.curve()) {
    percentiles.push_back({rounded(100 * point.part, 12), rounded(point.ns)});
  }
  out.update({{"unit", "ns"}, {"samples", s.histogram.count()}, {"bins", bins}, {"percentiles", percentiles}});
  return out;
}

json over_time_json(const Series& s) {
  json out = key_json(s.key, s.port), repetitions = json::array();
  for (const std::vector<TimeBucket>& buckets : s.over_time) {
    json rows = json::array();
    for (const TimeBucket& b : buckets) {
      rows.push_back({rounded(b.begin), b.count, rounded(b.min), rounded(b.median), rounded(b.max)});
    }
    repetitions.push_back(rows);
  }
  out.update(
      {{"unit", "ns"}, {"columns", {"begin_s", "cycles", "min", "median", "max"}}, {"repetitions", repetitions}});
  return out;
}

json build_json() {
#if defined(__clang__)
  const std::string compiler = "clang " __clang_version__;
#else
  const std::string compiler = "g++ " __VERSION__;
#endif
  return {{"pollux", POLLUX_VERSION},
          {"compiler", compiler},
          {"options", POLLUX_BENCH_OPTIONS},
          {"fmt", fmt::format("{}.{}.{}", FMT_VERSION / 10000, FMT_VERSION / 100 % 100, FMT_VERSION % 100)},
          {"nlohmann-json", fmt::format("{}.{}.{}", NLOHMANN_JSON_VERSION_MAJOR, NLOHMANN_JSON_VERSION_MINOR,
                                        NLOHMANN_JSON_VERSION_PATCH)}};
}

/// A value in a JSON file and where it stands there, for errors that say so.
class Place {
 public:
  Place(const json& value, std::string name, const std::string& path)
      : value_(&value), name_(std::move(name)), path_(&path) {}

  [[nodiscard]] bool has(const char* key) const { return value_->is_object() && value_->contains(key); }
  [[nodiscard]] Place operator[](const char* key) const {
    if (!value_->is_object()) expect("an object");
    if (!value_->contains(key)) pollux::raise(failure(name_, fmt::format("has no \"{}\"", key)));
    return {value_->at(key), name_.empty() ? key : name_ + "." + key, *path_};
  }
  [[nodiscard]] std::vector<Place> items() const {
    if (!value_->is_array()) expect("an array");
    std::vector<Place> out;
    for (std::size_t i = 0; i < value_->size(); ++i) {
      out.emplace_back((*value_)[i], fmt::format("{}[{}]", name_, i), *path_);
    }
    return out;
  }
  /// An array of `n` numbers.
  [[nodiscard]] std::vector<double> row(std::size_t n) const {
    if (!value_->is_array() || value_->size() != n) expect(fmt::format("a row of {} numbers", n).c_str());
    std::vector<double> out;
    for (const Place& item : items()) out.push_back(item.positive());
    return out;
  }
  [[nodiscard]] std::string text() const {
    if (!value_->is_string()) expect("a text");
    return value_->get<std::string>();
  }
  /// Text, or a number or truth value as text.
  [[nodiscard]] std::string as_text() const {
    if (value_->is_array() || value_->is_object()) expect("a text");
    return value_->is_string() ? value_->get<std::string>() : value_->dump();
  }
  /// All that is measured here is at least 0; what is counted fits 64 bits.
  [[nodiscard]] double positive() const {
    const double value = value_->is_number() ? value_->get<double>() : -1;
    if (!(value >= 0 && value <= 1e18)) expect("a number from 0 to 1e18");
    return value;
  }
  [[nodiscard]] std::uint32_t whole() const {
    constexpr double kMost = std::numeric_limits<std::uint32_t>::max();
    const double value = value_->is_number() ? value_->get<double>() : -1;
    if (!(value >= 0 && value <= kMost) || value != std::floor(value)) expect("a whole number from 0 to 4294967295");
    return static_cast<std::uint32_t>(value);
  }
  [[nodiscard]] std::vector<std::pair<std::string, std::string>> pairs() const {
    if (!value_->is_object()) expect("an object");
    std::vector<std::pair<std::string, std::string>> out;
    for (const auto& [key, value] : value_->items()) {
      if (key != "ports") out.emplace_back(key, Place(value, name_ + "." + key, *path_).as_text());
    }
    return out;
  }

 private:
  [[nodiscard]] pollux::Failure failure(const std::string& where, const std::string& what) const {
    return {.code = 0,
            .operation = "use",
            .object = *path_,
            .where = where.empty() ? what : where + " " + what,
            .remedy = "it must be a file that pollux-bench --json or bench/run wrote"};
  }
  [[noreturn]] void expect(const char* what) const {
    std::string is = value_->dump();
    if (is.size() > 40) is = is.substr(0, 37) + "...";
    pollux::raise(failure(name_.empty() ? "the whole" : name_, fmt::format("must be {}, is {}", what, is)));
  }

  const json* value_;
  std::string name_;
  const std::string* path_;
};

Key key_at(const Place& at) {
  return {.case_name = at["case"].text(),
          .direction = at["direction"].text(),
          .frame_bytes = at["frame_bytes"].whole(),
          .burst = at["burst"].whole()};
}

Figure figure_at(const Place& at) {
  return {.key = key_at(at),
          .port = at["port"].text(),
          .metric = at["metric"].text(),
          .unit = at["unit"].text(),
          .setup = at.has("setup") ? at["setup"].text() : "",
          .value = at["value"].positive()};
}

Distribution distribution_at(const Place& at) {
  Distribution out{.key = key_at(at),
                   .port = at["port"].text(),
                   .samples = static_cast<std::uint64_t>(at["samples"].positive()),
                   .bins = {},
                   .percentiles = {}};
  for (const Place& bin : at["bins"].items()) {
    const auto row = bin.row(3);
    out.bins.push_back({row[0], row[1], static_cast<std::uint64_t>(row[2])});
  }
  for (const Place& point : at["percentiles"].items()) {
    const auto row = point.row(2);
    out.percentiles.push_back({row[0] / 100, row[1]});
  }
  return out;
}

OverTime over_time_at(const Place& at) {
  OverTime out{.key = key_at(at), .port = at["port"].text(), .repetitions = {}};
  for (const Place& repetition : at["repetitions"].items()) {
    std::vector<TimeBucket>& buckets = out.repetitions.emplace_back();
    for (const Place& bucket : repetition.items()) {
      const auto row = bucket.row(5);
      buckets.push_back({row[0], static_cast<std::size_t>(row[1]), row[2], row[3], row[4]});
    }
  }
  return out;
}

/// The items of an array that may be missing (files of earlier versions have fewer).
template <class T, class F>
void read_all(const Place& root, const char* key, std::vector<T>& to, F one) {
  if (!root.has(key)) return;
  for (const Place& item : root[key].items()) to.push_back(one(item));
}

void read_inline_runs(const Place& root, Document& out) {
  if (!root.has("inline_runs")) return;
  for (const Place& run : root["inline_runs"].items()) {
    const std::string file = run["file"].text();
    if (run.has("machine")) {
      for (const auto& [what, value] : run["machine"].pairs()) out.inline_runs.emplace_back(file, what + ": " + value);
    }
    std::vector<std::string> lines;
    read_all(run, "method", lines, [](const Place& line) { return line.text(); });
    for (std::string& line : lines) out.inline_runs.emplace_back(file, std::move(line));
  }
}

/// A row of numbers, or an object in an array that holds nothing nested: one line instead of one for each value.
bool fits_one_line(const json& value, bool in_array) {
  const auto all = [&](auto is) { return std::all_of(value.begin(), value.end(), is); };
  return value.is_array() ? all([](const json& v) { return v.is_number(); })
                          : in_array && all([](const json& v) { return v.is_primitive(); });
}

void append_text(const json& value, bool in_array, std::size_t indent, std::string& out) {
  const bool object = value.is_object();
  if (value.empty() || !value.is_structured() || fits_one_line(value, in_array)) {
    out += value.dump();
    return;
  }
  out += object ? '{' : '[';
  const char* separator = "\n";
  for (const auto& [key, item] : value.items()) {
    out += separator + std::string(indent + 2, ' ');
    if (object) out += json(key).dump() + ": ";
    append_text(item, !object, indent + 2, out);
    separator = ",\n";
  }
  out += '\n' + std::string(indent, ' ') + (object ? '}' : ']');
}

}  // namespace

std::string shell_words(int argc, const char* const* argv) {
  constexpr const char* kPlain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_=+:,./@%";
  std::string out;
  for (int i = 0; i < argc; ++i) {
    std::string word = argv[i];
    if (word.empty() || word.find_first_not_of(kPlain) != word.npos) {
      for (std::size_t at = 0; (at = word.find('\'', at)) != word.npos; at += 4) word.replace(at, 1, "'\\''");
      word = "'" + word + "'";
    }
    out += (i == 0 ? "" : " ") + word;
  }
  return out;
}

std::string utc_now() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", ::gmtime_r(&now, &parts));
  return text;
}

json to_json(const Results& results, const RunFacts& run) {
  json machine, figures = json::array(), ports = json::array(), distributions = json::array(),
                over_time = json::array();
  for (const auto& [what, value] : describe_machine(1e9 / results.ns_per_tick())) machine[what] = value;
  for (const Series& s : results.series()) {
    add_series(s, figures);
    distributions.push_back(distribution_json(s));
    if (!s.over_time.empty()) over_time.push_back(over_time_json(s));
  }
  for (const PortFacts& f : results.all_facts()) {
    add_facts(f, figures);
    ports.push_back({{"port", f.port}, {"device", f.name}, {"peer", f.peer}, {"notes", f.notes}});
  }
  machine["ports"] = ports;
  const json out{{"machine", machine},     {"build", build_json()},         {"method", run.method},
                 {"command", run.command}, {"started", run.started},        {"results", figures},
                 {"over_time", over_time}, {"distributions", distributions}};
  // As it will be read back: names and arguments that are no UTF-8 are not left in it.
  return json::parse(out.dump(-1, ' ', false, json::error_handler_t::replace));
}

std::string to_text(const json& json) {
  std::string out;
  append_text(json, false, 0, out);
  return out + '\n';
}

json read_json(const std::string& path) {
  const std::string text = pollux::file::try_read(path).value();
  try {
    return json::parse(text);
  } catch (const json::parse_error& error) {
    pollux::raise({.code = 0,
                   .operation = "read",
                   .object = path,
                   .where = fmt::format("no JSON at byte {} of {}", error.byte, text.size()),
                   .remedy = "it must be a file that pollux-bench --json or bench/run wrote"});
  }
}

Document parse(const json& json, const std::string& path) {
  const Place root(json, "", path);
  Document out;
  out.machine = root["machine"].pairs();
  read_all(root["machine"], "ports", out.ports, [](const Place& at) {
    return PortLine{at["port"].text(), at["device"].text(), at["peer"].text(), at["notes"].text()};
  });
  if (root.has("build")) out.build = root["build"].pairs();
  if (root.has("command")) out.run.command = root["command"].text();
  if (root.has("started")) out.run.started = root["started"].text();
  for (const Place& line : root["method"].items()) out.run.method.push_back(line.text());
  for (const Place& item : root["results"].items()) out.figures.push_back(figure_at(item));
  read_all(root, "distributions", out.distributions, distribution_at);
  read_all(root, "over_time", out.over_time, over_time_at);
  read_inline_runs(root, out);
  return out;
}

void merge_inline(json& run, const json& addition, const std::string& path) {
  const Place root(addition, "", path);
  const Place results = addition.is_array() ? Place(addition, "results", path) : root["results"];
  for (const Place& item : results.items()) {
    (void)figure_at(item);
    (void)item["setup"].text();
  }
  json about{{"file", std::filesystem::path(path).filename().string()}};
  if (root.has("machine")) {
    (void)root["machine"].pairs();
    about["machine"] = addition.at("machine");
  }
  if (root.has("method")) {
    for (const Place& line : root["method"].items()) (void)line.text();
    about["method"] = addition.at("method");
  }
  const json& figures = addition.is_array() ? addition : addition.at("results");
  run["results"].insert(run["results"].end(), figures.begin(), figures.end());
  run["inline_runs"].push_back(about);
}

void expect_writable(const std::string& path) {
  namespace fs = std::filesystem;
  const fs::path folder = fs::path(path).has_parent_path() ? fs::path(path).parent_path() : fs::path(".");
  std::error_code ignored;
  const std::string remedy = "choose another file, or: mkdir -p " + folder.string();
  if (fs::is_directory(path, ignored)) {
    pollux::raise({.code = EISDIR, .operation = "write", .object = path, .where = {}, .remedy = "name a file in it"});
  }
  const std::string needed = fs::exists(path, ignored) ? path : folder.string();
  if (::access(needed.c_str(), W_OK) != 0) {
    pollux::raise({.code = errno, .operation = "write", .object = path, .where = {}, .remedy = remedy});
  }
  if (needed != path && !fs::is_directory(folder, ignored)) {
    pollux::raise({.code = ENOTDIR, .operation = "write", .object = path, .where = {}, .remedy = remedy});
  }
}

void write_file(const std::string& path, const std::string& text) {
  std::ofstream file(path);
  if (!file || !(file << text) || !file.flush()) {
    pollux::raise({.code = errno, .operation = "write", .object = path, .where = {}, .remedy = {}});
  }
}

}  // namespace bench

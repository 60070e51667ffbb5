// SPDX-License-Identifier: BSD-3-Clause
// What becomes of measured times: log bins, percentile curves, stretches of time, words for ratios, the run as JSON.
#include "document.hpp"
#include "svg.hpp"
#include "units.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "../messages.hpp"

namespace {

using bench::Key;
using bench::LogHistogram;
using bench::Results;
using bench::Samples;
using bench::Summary;
using messages::error_of;
using messages::expect_text;
using nlohmann::json;

LogHistogram histogram_of(const std::vector<double>& ns) {
  LogHistogram out;
  for (const double v : ns) out.add(v);
  return out;
}

std::uint64_t sum(const std::vector<LogHistogram::Bin>& bins) {
  std::uint64_t out = 0;
  for (const auto& bin : bins) out += bin.count;
  return out;
}

TEST(LogHistogram, EveryTimeIsInABinNoWiderThanAThirtySecondOfIt) {
  for (double ns = 1; ns < 1e12; ns *= 1.0137) {
    const auto bins = histogram_of({ns}).bins();
    ASSERT_EQ(bins.size(), 1u) << ns;
    EXPECT_EQ(bins[0].count, 1u);
    EXPECT_LE(bins[0].from, ns);
    EXPECT_GT(bins[0].to, ns);
    EXPECT_LE(bins[0].to - bins[0].from, bins[0].from / 32);
  }
}

TEST(LogHistogram, NeighbouringBinsTouch) {
  std::vector<double> every;
  for (double ns = 1; ns < 5000; ns *= 1.01) every.push_back(ns);
  const auto bins = histogram_of(every).bins();
  for (std::size_t i = 1; i < bins.size(); ++i) EXPECT_EQ(bins[i].from, bins[i - 1].to);
  EXPECT_EQ(sum(bins), every.size());
}

TEST(LogHistogram, CallsOfThirtyNanosecondsAreToldApart) {
  EXPECT_EQ(histogram_of({29, 30, 31, 32.5, 33.5}).bins().size(), 5u);
}

TEST(LogHistogram, WhatIsBelowOneOrBeyondAllIsCounted) {
  const auto bins = histogram_of({0, 0.3, -1, 1e30, std::numeric_limits<double>::quiet_NaN()}).bins();
  ASSERT_EQ(bins.size(), 2u);
  EXPECT_EQ(bins[0], (LogHistogram::Bin{0, 1, 4}));
  EXPECT_EQ(bins[1].count, 1u);
}

TEST(LogHistogram, JoinedBinsHoldTheSame) {
  std::vector<double> ns{0.5};
  for (int i = 1; i < 3000; ++i) ns.push_back(i * 1.7);
  const LogHistogram h = histogram_of(ns);
  for (const std::size_t joined : {1u, 2u, 8u, 32u}) {
    const auto bins = h.bins(joined);
    EXPECT_EQ(sum(bins), ns.size());
    for (const auto& bin : bins) {
      const auto in = [&](double v) { return v >= bin.from && v < bin.to; };
      EXPECT_EQ(bin.count, static_cast<std::uint64_t>(std::count_if(ns.begin(), ns.end(), in))) << bin.from;
    }
  }
  EXPECT_EQ(h.bins(32)[2].from, 2);
  EXPECT_EQ(h.bins(32)[2].to, 4);
}

TEST(LogHistogram, QuantilesAreThoseOfTheSamples) {
  std::vector<double> ns;
  for (int i = 0; i < 100'000; ++i) ns.push_back(30 + 1e5 * std::pow(i / 1e5, 6));
  const Summary exact = Summary::of(ns);
  const LogHistogram h = histogram_of(ns);
  EXPECT_NEAR(h.quantile(0.5), exact.p50, exact.p50 / 32);
  EXPECT_NEAR(h.quantile(0.99), exact.p99, exact.p99 / 32);
  EXPECT_NEAR(h.quantile(0.999), exact.p999, exact.p999 / 32);
  EXPECT_EQ(h.quantile(1), exact.max);
  EXPECT_GE(h.quantile(0), exact.min);
}

TEST(LogHistogram, CurveAscendsToTheMaximum) {
  std::vector<double> ns;
  for (int i = 1; i <= 1000; ++i) ns.push_back(i);
  const auto curve = histogram_of(ns).curve();
  EXPECT_EQ(curve.front().part, 0);
  EXPECT_NEAR(curve.back().part, 0.999, 1e-12);
  EXPECT_EQ(curve.back().ns, 1000);
  for (std::size_t i = 1; i < curve.size(); ++i) {
    EXPECT_GT(curve[i].part, curve[i - 1].part);
    EXPECT_GE(curve[i].ns, curve[i - 1].ns);
    EXPECT_NEAR(curve[i].ns, std::max(1.0, curve[i].part * 1000), 1 + curve[i].ns / 32);
  }
  EXPECT_GT(curve.size(), 30u);
}

TEST(LogHistogram, CurvesOfFewSamples) {
  EXPECT_TRUE(LogHistogram().curve().empty());
  const auto one = histogram_of({42}).curve();
  ASSERT_EQ(one.size(), 1u);
  EXPECT_EQ(one[0].ns, 42);
}

TEST(OverTime, NoSampleIsLeftOut) {
  Samples samples(100, true);
  for (std::uint64_t i = 0; i < 100; ++i) samples.record(i == 57 ? 9999 : 10 + i % 3, i * 1000);
  const auto buckets = samples.over_time(2.0, 10);  // 2 ns a tick
  ASSERT_EQ(buckets.size(), 10u);
  std::size_t all = 0;
  double most = 0, least = 1e9;
  for (const auto& b : buckets) {
    all += b.count, most = std::max(most, b.max), least = std::min(least, b.min);
    EXPECT_NEAR(b.median, 22, 2);
  }
  EXPECT_EQ(all, 100u);
  EXPECT_EQ(most, 2 * 9999);
  EXPECT_EQ(least, 20);
  EXPECT_EQ(buckets[0].begin, 0);
  EXPECT_NEAR(buckets[9].begin, 9 * 9901 * 2e-9, 1e-12);
}

TEST(OverTime, StretchesWithoutASampleAreNotThere) {
  Samples samples(10, true);
  samples.record(5, 0), samples.record(1, 1), samples.record(9, 2), samples.record(7, 100'000);
  const auto buckets = samples.over_time(1, 100);
  ASSERT_EQ(buckets.size(), 2u);
  EXPECT_EQ(buckets[0].median, 5);
  EXPECT_EQ(buckets[1].median, 7);
}

TEST(OverTime, SamplesWithoutMomentsHaveNone) {
  Samples samples(10);
  samples.record(5);
  EXPECT_TRUE(samples.over_time(1, 10).empty());
  EXPECT_TRUE(Samples(10, true).over_time(1, 10).empty());
}

TEST(OverTime, WhatExceedsTheCapacityIsNotRecorded) {
  Samples samples(2, true);
  for (std::uint64_t i = 0; i < 5; ++i) samples.record(i, i);
  EXPECT_EQ(samples.size(), 2u);
}

TEST(Units, RatiosSayWhatIsLess) {
  using bench::units::compare;
  EXPECT_EQ(compare(110, 4202).text(), "38.2x less");
  EXPECT_EQ(compare(4202, 110).text(), "38.2x more");
  EXPECT_EQ(compare(2, 3).text(), "1.50x less");
  EXPECT_EQ(compare(1, 1234).text(), "1,234x less");
  EXPECT_EQ(compare(100.4, 100).text(), "the same");
  EXPECT_EQ(compare(0, 100).text(), "-");
  EXPECT_EQ(compare(100, 0).text(), "-");
}

TEST(Units, ThreeDigits) {
  using namespace bench::units;
  EXPECT_EQ(duration(31.4159), "31.4 ns");
  EXPECT_EQ(duration(840), "840 ns");
  EXPECT_EQ(duration(999.7), "1.00 µs");
  EXPECT_EQ(duration(12'345), "12.3 µs");
  EXPECT_EQ(duration(8.25e6), "8.25 ms");
  EXPECT_EQ(duration(0), "0 ns");
  EXPECT_EQ(rate(955'400), "955 kpackets/s");
  EXPECT_EQ(rate(6.5e6), "6.50 Mpackets/s");
  EXPECT_EQ(significant(0.01234), "0.0123");
  EXPECT_EQ(grouped(1'234'567), "1,234,567");
  EXPECT_EQ(grouped(999), "999");
}

std::vector<std::string> labels(const bench::svg::Axis& axis) {
  std::vector<std::string> out;
  for (const auto& tick : axis.ticks()) {
    if (!tick.label.empty()) out.push_back(tick.label);
  }
  return out;
}
using Labels = std::vector<std::string>;

TEST(Axis, TicksAreRound) {
  using bench::svg::Axis;
  EXPECT_EQ(labels(Axis::linear(6.51e6, 1e6)), (Labels{"0", "2", "4", "6", "8"}));
  EXPECT_EQ(labels(Axis::linear(0)), (Labels{"0", "0.5", "1"}));
  EXPECT_EQ(labels(Axis::exact(2.5)), (Labels{"0", "1", "2"}));
  EXPECT_EQ(labels(Axis::log_time(27, 68'000)), (Labels{"100 ns", "1 µs", "10 µs", "100 µs"}));
  EXPECT_EQ(labels(Axis::log_time(30, 90)), (Labels{"20 ns", "50 ns", "100 ns"}));
  EXPECT_EQ(labels(Axis::percentiles(8000)), (Labels{"0", "50", "90", "99", "99.9"}));
  EXPECT_EQ(labels(Axis::powers_of_two(256)), (Labels{"1", "2", "4", "8", "16", "32", "64", "128", "256"}));
}

TEST(Axis, ValuesLieWhereTheyBelong) {
  using bench::svg::Axis;
  const Axis time = Axis::log_time(10, 1000);
  EXPECT_NEAR(time.part(100), 0.5, 1e-9);
  EXPECT_EQ(time.part(1), 0);
  EXPECT_EQ(time.part(1e9), 1);
  EXPECT_NEAR(Axis::linear(4).part(1), 0.25, 1e-9);
  EXPECT_NEAR(Axis::percentiles(1000).part(1 / (1 - 0.99)), 2.0 / 3, 1e-6);
  for (const double same : {0.0, 5.0}) {
    const double part = Axis::log_time(same, same).part(same);
    EXPECT_TRUE(part >= 0 && part <= 1) << part;
  }
}

TEST(Svg, TextIsEscaped) {
  EXPECT_EQ(bench::svg::escaped("<a href=\"x\">&'\x01"), "&lt;a href=&quot;x&quot;&gt;&amp;&#39;?");
}

/// Two ports, one of them with a name that is no name.
Results two_ports() {
  Results results(1.0, 4);
  const Key key{.case_name = "cyclic", .direction = "send", .frame_bytes = 1200, .burst = 1};
  for (int repetition = 0; repetition < 2; ++repetition) {
    for (const auto& [port, ns] : {std::pair{"packet:a", 4000u}, std::pair{"sim:\xFF", 40u}}) {
      Samples samples(100, true);
      for (std::uint64_t i = 0; i < 100; ++i) samples.record(ns + i, i * 1000);
      results.add(key, port, samples, 1e6);
      results.facts(port).verdict.good += 100;
      results.facts(port).notes = "a note";
    }
  }
  return results;
}

const bench::RunFacts kRun{.method = {"a", "b"}, .command = "pollux-bench", .started = "2025-01-01T00:00:00Z"};

TEST(Document, HoldsWhatWasMeasured) {
  const json run = bench::to_json(two_ports(), kRun);
  const bench::Document document = bench::parse(run, "here");
  EXPECT_EQ(document.run.method, kRun.method);
  EXPECT_EQ(document.run.command, "pollux-bench");
  ASSERT_EQ(document.ports.size(), 2u);
  EXPECT_EQ(document.ports[0].port, "packet:a");
  EXPECT_EQ(document.ports[1].port, "sim:\xEF\xBF\xBD") << "what is no UTF-8 is replaced";
  ASSERT_EQ(document.distributions.size(), 2u);
  EXPECT_EQ(document.distributions[0].samples, 200u);
  EXPECT_EQ(sum(document.distributions[0].bins), 200u);
  EXPECT_EQ(document.distributions[0].percentiles.back().ns, 4099);
  ASSERT_EQ(document.over_time.size(), 2u);
  ASSERT_EQ(document.over_time[0].repetitions.size(), 2u);
  EXPECT_EQ(document.over_time[0].repetitions[1].size(), 4u);
  EXPECT_EQ(document.over_time[1].repetitions[0][0].min, 40);
}

TEST(Document, ResultsHaveTheShapeThatOthersRead) {
  const json run = bench::to_json(two_ports(), kRun);
  for (const json& entry : run.at("results")) {
    std::vector<std::string> keys;
    for (const auto& [key, value] : entry.items()) keys.push_back(key);
    EXPECT_EQ(keys, (Labels{"burst", "case", "direction", "frame_bytes", "metric", "port", "unit", "value"}));
  }
  const json p50{{"case", "cyclic"}, {"port", "packet:a"}, {"direction", "send"}, {"frame_bytes", 1200},
                 {"burst", 1},       {"metric", "p50"},    {"unit", "ns"},        {"value", 4050.0}};
  EXPECT_NE(std::find(run.at("results").begin(), run.at("results").end(), p50), run.at("results").end());
}

TEST(Document, TextIsTheSameJsonWithRowsOnOneLine) {
  const json run = bench::to_json(two_ports(), kRun);
  const std::string text = bench::to_text(run);
  EXPECT_EQ(json::parse(text), run);
  EXPECT_NE(text.find("\n        [4032.0,4096.0,"), text.npos) << text.substr(0, 600);
  EXPECT_NE(text.find("\n    {\"burst\":1,"), text.npos);
}

TEST(Document, CommandsAreQuotedForTheShell) {
  const char* words[]{"pollux-bench", "--port", "packet:a b", "it's", ""};
  EXPECT_EQ(bench::shell_words(5, words), R"(pollux-bench --port 'packet:a b' 'it'\''s' '')");
}

json minimal() { return {{"machine", json::object()}, {"method", json::array()}, {"results", json::array()}}; }
json inline_figure() {
  return {{"case", "forward"}, {"port", "sim:ixgbe:avx2"},           {"direction", "forward"}, {"frame_bytes", 64},
          {"burst", 32},       {"metric", "core_cycles_per_packet"}, {"unit", "cycles"},       {"value", 21.5},
          {"setup", "inline"}};
}

TEST(Document, WhatIsNoRunIsNamed) {
  const auto error = [](const json& run) { return error_of([&] { (void)bench::parse(run, "FILE"); }); };
  expect_text(error(json::array()), {"cannot use FILE", "the whole must be an object, is []"});
  expect_text(error(json::object()), {"FILE", "has no \"machine\"", "pollux-bench --json"});
  json run = minimal();
  run["results"] = 3;
  expect_text(error(run), {"results must be an array, is 3"});
  run["results"] = json::array({inline_figure()});
  EXPECT_EQ(error(run), "no error");
  const std::vector<std::pair<const char*, json>> wrong{
      {"burst", -1}, {"burst", 1.5},    {"burst", "32"},         {"frame_bytes", 5e9}, {"value", "21"},   {"value", -1},
      {"port", 7},   {"case", nullptr}, {"unit", json::array()}, {"metric", true},     {"value", nullptr}};
  for (const auto& [key, value] : wrong) {
    json bad = run;
    bad["results"][0][key] = value;
    expect_text(error(bad), {"FILE", std::string("results[0].") + key + " must be"});
    bad["results"][0].erase(key);
    expect_text(error(bad), {"FILE", std::string("results[0] has no \"") + key});
  }
  run["distributions"] = json::array({inline_figure()});
  run["distributions"][0].update({{"samples", 1}, {"bins", {{1, 2}}}, {"percentiles", json::array()}});
  expect_text(error(run), {"distributions[0].bins[0] must be a row of 3 numbers, is [1,2]"});
}

TEST(Document, FiguresOfDriversAloneAreAddedAndChecked) {
  json run = minimal();
  bench::merge_inline(
      run, {{"machine", {{"cpu", "x"}}}, {"method", json::array({"how"})}, {"results", json::array({inline_figure()})}},
      "dir/f.json");
  bench::merge_inline(run, json::array({inline_figure()}), "g.json");
  const bench::Document document = bench::parse(run, "here");
  ASSERT_EQ(document.figures.size(), 2u);
  EXPECT_EQ(document.figures[0].setup, "inline");
  EXPECT_EQ(document.figures[0].value, 21.5);
  using Lines = std::vector<std::pair<std::string, std::string>>;
  EXPECT_EQ(document.inline_runs, (Lines{{"f.json", "cpu: x"}, {"f.json", "how"}}));

  json without = inline_figure();
  without.erase("setup");
  const json before = run;
  expect_text(error_of([&] { bench::merge_inline(run, {{"results", {without}}}, "F"); }),
              {"F", "results[0] has no \"setup\""});
  expect_text(error_of([&] { bench::merge_inline(run, {{"results", 1}}, "F"); }), {"results must be an array"});
  expect_text(error_of([&] { bench::merge_inline(run, json("text"), "F"); }), {"must be an object"});
  expect_text(error_of([&] { bench::merge_inline(run, {{"results", json::array()}, {"method", "how"}}, "F"); }),
              {"F", "method must be an array"});
  EXPECT_EQ(run, before) << "what was refused has left nothing";
}

}  // namespace

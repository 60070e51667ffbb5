// SPDX-License-Identifier: BSD-3-Clause
// Document: a run as JSON, and read back from it, checked. What the report shows stands in here and nowhere else.
#pragma once
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "log_histogram.hpp"
#include "results.hpp"
#include "samples.hpp"

namespace bench {

/// One figure. Those of pollux-bench itself have no setup; those of the drivers alone say how they were measured.
struct Figure {
  Key key;
  std::string port, metric, unit;
  std::string setup;  ///< "inline", "l3-cold", "threaded"; empty: pollux-bench's own
  double value = 0;
};

/// All repetitions' samples of one port under one key.
struct Distribution {
  Key key;
  std::string port;
  std::uint64_t samples = 0;
  std::vector<LogHistogram::Bin> bins;
  std::vector<LogHistogram::Point> percentiles;
};

/// One port's cycles over the time of the run.
struct OverTime {
  Key key;
  std::string port;
  std::vector<std::vector<TimeBucket>> repetitions;
};

struct PortLine {
  std::string port, device, peer, notes;
};

/// Facts of a run that are not figures.
struct RunFacts {
  std::vector<std::string> method;
  std::string command;  ///< as a shell would take it
  std::string started;  ///< UTC, ISO 8601
};

struct Document {
  RunFacts run;
  std::vector<std::pair<std::string, std::string>> machine, build;
  std::vector<PortLine> ports;  ///< the first is the baseline
  std::vector<Figure> figures;
  std::vector<Distribution> distributions;
  std::vector<OverTime> over_time;
  std::vector<std::pair<std::string, std::string>> inline_runs;  ///< {file, a line on machine or method}
};

/// The command line as a shell would take it.
std::string shell_words(int argc, const char* const* argv);
/// Now, in UTC, ISO 8601, to the second.
std::string utc_now();

/// The run as JSON.
nlohmann::json to_json(const Results& results, const RunFacts& run);
/// The JSON as text: objects by line, rows of numbers on one line.
std::string to_text(const nlohmann::json& json);

/// JSON from a file. Errors: raises when it cannot be read or is no JSON, and says where.
nlohmann::json read_json(const std::string& path);
/// What the JSON says. Errors: raises when it is not a run of pollux-bench; names file, place and what belongs there.
Document parse(const nlohmann::json& json, const std::string& path);
/// Adds the figures of the drivers alone, of `file`, to a run. Errors: raises as parse does.
void merge_inline(nlohmann::json& run, const nlohmann::json& addition, const std::string& path);

/// Errors: raises when a file could not be written there: for the time before a long run. Leaves no file.
void expect_writable(const std::string& path);
/// Errors: raises when the file cannot be written.
void write_file(const std::string& path, const std::string& text);

}  // namespace bench

// SPDX-License-Identifier: BSD-3-Clause
// The report: one HTML page that needs nothing else, made of a run's JSON alone.
#pragma once
#include <nlohmann/json.hpp>
#include <string>

namespace bench {

/// The page: well-formed as HTML and as XML; style, charts and the JSON itself are in it; it loads nothing and is
/// complete without its one script, which copies the JSON. `source` is the file's name, for errors.
/// Errors: raises as parse does.
std::string html_report(const nlohmann::json& run, const std::string& source);

}  // namespace bench

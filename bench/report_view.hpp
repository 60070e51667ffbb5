// SPDX-License-Identifier: BSD-3-Clause
// What the sections of the report share: the run by case and port, colours of ports, and pieces of HTML.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "document.hpp"
#include "svg.hpp"
#include "units.hpp"

namespace bench {

/// Figures of one setup, by case and port.
class View {
 public:
  /// `setup`: which figures; empty: pollux-bench's own.
  View(const Document& document, const std::string& setup);

  [[nodiscard]] const Document& document() const noexcept { return *document_; }
  [[nodiscard]] const std::vector<std::string>& ports() const noexcept { return ports_; }  ///< the baseline first
  [[nodiscard]] const std::vector<Key>& keys() const noexcept { return keys_; }            ///< without "all"
  [[nodiscard]] std::optional<double> value(const Key& key, const std::string& port, std::string_view metric) const;
  [[nodiscard]] double value_or_0(const Key& key, const std::string& port, std::string_view metric) const {
    return value(key, port, metric).value_or(0);
  }
  /// Facts of a port over all cases.
  [[nodiscard]] std::optional<double> whole(const std::string& port, std::string_view metric) const;

 private:
  const Document* document_;
  std::string setup_;
  std::vector<std::string> ports_;
  std::vector<Key> keys_;
};

namespace html {

using svg::escaped;

/// <name>escaped text</name>
std::string element(std::string_view name, std::string_view text, std::string_view attributes = {});
/// The ports with their colours.
std::string legend(const std::vector<std::string>& ports);
/// A chart with its caption.
std::string figure(const std::string& caption, const svg::Chart& chart);
/// "38.2x less" in the colour of better or worse. `more_is_better`: rates; else times, cycles.
std::string ratio(double value, double base, bool more_is_better);
/// A table that can be scrolled sideways, also by keyboard, where it is too wide.
std::string scrollable(const std::string& label, const std::string& table);

}  // namespace html

// The sections; empty when the run has nothing for one.
std::string headline_section(const View& view);
std::string ratio_section(const View& view);
std::string distribution_section(const View& view);
std::string throughput_section(const View& view);
std::string over_time_section(const View& view);
std::string frames_section(const View& view);
std::string inline_section(const Document& document);

}  // namespace bench

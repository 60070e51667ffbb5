// SPDX-License-Identifier: BSD-3-Clause
// Results: what was measured, by case and port, over repetitions; printed as tables and histograms.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "frames.hpp"
#include "log_histogram.hpp"
#include "samples.hpp"

namespace bench {

/// What one series of numbers is about.
struct Key {
  static constexpr std::uint32_t kCaptured = 0;  ///< frame_bytes of a replayed capture
  static constexpr std::uint32_t kMixed = 1;     ///< frame_bytes of frames of every size
  std::string case_name;                         ///< cyclic, ping-pong, send, receive, forward, replay
  std::string direction;                         ///< send, receive, round-trip, forward
  std::uint32_t frame_bytes = kCaptured;         ///< FCS included
  std::uint32_t burst = 1;
  friend bool operator==(const Key&, const Key&) = default;
  [[nodiscard]] std::string title() const;
};

/// One port's numbers under one key.
struct Series {
  Key key;
  std::string port;
  std::vector<Summary> repetitions;                ///< [ns per packet]
  std::vector<double> packets_per_second;          ///< where the case has a rate
  LogHistogram histogram;                          ///< of all repetitions
  std::vector<std::vector<TimeBucket>> over_time;  ///< by repetition, where the samples have moments
  [[nodiscard]] Summary median() const;            ///< of each figure over the repetitions
  [[nodiscard]] double rate() const;               ///< median over the repetitions [packets/s]; 0: has none
};

/// Facts about a port that are not times.
struct PortFacts {
  std::string port;
  std::string name;  ///< as the driver calls it
  std::string peer;
  std::string notes;
  Verdict verdict;
  double syscalls_per_packet = -1;  ///< send and receive together; -1: not counted
  bool proven_without_syscalls = false;
  std::uint64_t overruns = 0;
};

class Results {
 public:
  /// `stretches`: into how many a repetition is cut to show it over time.
  Results(double ns_per_tick, std::size_t stretches) : ns_per_tick_(ns_per_tick), stretches_(stretches) {}

  void add(const Key& key, const std::string& port, const Samples& samples, double packets_per_second = 0);
  PortFacts& facts(const std::string& port);
  /// Every frame of every port arrived once, in order and undamaged.
  [[nodiscard]] bool clean() const;

  [[nodiscard]] std::string table() const;
  [[nodiscard]] std::string histograms() const;
  [[nodiscard]] std::string verdicts() const;
  [[nodiscard]] double ns_per_tick() const noexcept { return ns_per_tick_; }
  [[nodiscard]] const std::vector<Series>& series() const noexcept { return series_; }
  [[nodiscard]] const std::vector<PortFacts>& all_facts() const noexcept { return facts_; }

 private:
  [[nodiscard]] std::vector<Key> keys() const;
  double ns_per_tick_;
  std::size_t stretches_;
  std::vector<Series> series_;
  std::vector<PortFacts> facts_;
};

/// The machine in a few words: {what, value}.
std::vector<std::pair<std::string, std::string>> describe_machine(double tsc_hz);

}  // namespace bench

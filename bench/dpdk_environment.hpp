// SPDX-License-Identifier: BSD-3-Clause
// What both of the bench's ports of DPDK need of DPDK itself: its start, and what it says meanwhile.
#pragma once
#include <cstdio>
#include <string>
#include <vector>

namespace bench {

/// What DPDK and its drivers say while this lives, kept instead of on stderr.
class DpdkLog {
 public:
  DpdkLog();
  DpdkLog(const DpdkLog&) = delete;
  DpdkLog& operator=(const DpdkLog&) = delete;
  ~DpdkLog();
  [[nodiscard]] std::string text() const;
  [[nodiscard]] bool says(const char* what) const { return text().find(what) != std::string::npos; }
  /// What net_ixgbe said about the code paths it took; ethdev knows nothing of them. Only at its log level `debug`.
  [[nodiscard]] std::string paths() const;

 private:
  char* text_ = nullptr;
  std::size_t bytes_ = 0;
  std::FILE* file_;
};

/// Starts DPDK with net_ixgbe and what that needs of plugins, not with all that are installed. `arguments`: those of a
/// command line, the program's name first. Returns whether it found one port; else errno has why. Once in a process.
bool start_dpdk(std::vector<std::string> arguments);

}  // namespace bench

// SPDX-License-Identifier: BSD-3-Clause
// PortStats: a port's counters since it was started, 64 bits wide and growing, whatever the hardware's do.
#pragma once
#include <cstdint>

namespace pollux {

/// Byte counts are of frames without FCS.
struct PortStats {
  std::uint64_t rx_packets = 0;  ///< good frames received by the device
  std::uint64_t rx_bytes = 0;
  std::uint64_t rx_missed = 0;     ///< good frames lost because no descriptor was free
  std::uint64_t rx_errors = 0;     ///< frames the device found bad
  std::uint64_t rx_rejected = 0;   ///< completions the driver refused: error bits, or a length beyond its buffer
  std::uint64_t rx_no_buffer = 0;  ///< times the receive ring could not be refilled because the pool was empty
  std::uint64_t tx_packets = 0;    ///< frames sent by the device
  std::uint64_t tx_bytes = 0;
  std::uint64_t tx_errors = 0;  ///< frames taken but not sent

  PortStats& operator+=(const PortStats& more) noexcept {
    rx_packets += more.rx_packets;
    rx_bytes += more.rx_bytes;
    rx_missed += more.rx_missed;
    rx_errors += more.rx_errors;
    rx_rejected += more.rx_rejected;
    rx_no_buffer += more.rx_no_buffer;
    tx_packets += more.tx_packets;
    tx_bytes += more.tx_bytes;
    tx_errors += more.tx_errors;
    return *this;
  }
};

}  // namespace pollux

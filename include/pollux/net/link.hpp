// SPDX-License-Identifier: BSD-3-Clause
// LinkState: what a port knows of its cable.
#pragma once
#include <cstdint>

namespace pollux {

struct LinkState {
  bool up = false;
  bool full_duplex = false;
  std::uint32_t speed_mbps = 0;  ///< [Mbit/s]; 0: unknown
  friend constexpr bool operator==(LinkState, LinkState) = default;
};

}  // namespace pollux

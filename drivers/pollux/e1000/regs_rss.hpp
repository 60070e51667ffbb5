// SPDX-License-Identifier: BSD-3-Clause
// Registers of the 82574: receive side scaling. Sources: as regs.hpp, which includes this.
#pragma once
#include <pollux/reg/register.hpp>

namespace pollux::e1000 {

using reg::Access, reg::Field, reg::Register, reg::Run;

/// MRQC - Multiple Receive Queues Command [82574]
struct Mrqc : Register<Mrqc, Access::kReadWrite, Run{.offset = 0x05818}> {
  static constexpr const char* kName = "MRQC";
  static constexpr Field<Mrqc, 1, 0> enable{};            ///< 1: hash frames, two queues
  static constexpr Field<Mrqc, 16, 16, bool> tcp_ipv4{};  ///< what is hashed
  static constexpr Field<Mrqc, 17, 17, bool> ipv4{};
  static constexpr Field<Mrqc, 18, 18, bool> tcp_ipv6_ex{};
  static constexpr Field<Mrqc, 19, 19, bool> ipv6_ex{};
  static constexpr Field<Mrqc, 20, 20, bool> ipv6{};
  static constexpr Field<Mrqc, 21, 21, bool> tcp_ipv6{};
  POLLUX_FIELDS(enable, tcp_ipv4, ipv4, tcp_ipv6_ex, ipv6_ex, ipv6, tcp_ipv6);
};

/// RETA[n] - Redirection Table: bit 7 of each byte is the queue of one of the hash values 4n to 4n + 3 [linux e1000e]
struct Reta : Register<Reta, Access::kReadWrite, Run{.offset = 0x05C00, .count = 32, .stride = 4}> {
  static constexpr const char* kName = "RETA";
  static constexpr Field<Reta, 31, 0> queues{};
  POLLUX_FIELDS(queues);
};

/// RSSRK[n] - RSS Random Key: bytes 4n to 4n + 3 of 40, the first in the low bits [linux e1000e]
struct Rssrk : Register<Rssrk, Access::kReadWrite, Run{.offset = 0x05C80, .count = 10, .stride = 4}> {
  static constexpr const char* kName = "RSSRK";
  static constexpr Field<Rssrk, 31, 0> bytes{};
  POLLUX_FIELDS(bytes);
};

}  // namespace pollux::e1000

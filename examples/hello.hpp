// SPDX-License-Identifier: BSD-3-Clause
// Something to hear for a simulated port: alone, it is plugged into itself and receives only what it sends.
#pragma once
#include <string_view>

#include <pollux/net/headers.hpp>
#include <pollux/net/port.hpp>

inline bool hears_only_itself(std::string_view spec) { return spec.starts_with("sim:"); }

/// Sends up to n of the smallest frames from the port to itself; those it has no room for are dropped.
template <pollux::PollModePort P>
void say_hello(P& port, std::uint32_t n) noexcept {
  const pollux::EthernetHeader header{.destination = port.mac(),
                                      .source = port.mac(),
                                      .type = static_cast<std::uint16_t>(pollux::EtherType::kExperimental)};
  pollux::Burst<32> burst(port.pool());
  burst.allocate(n, pollux::kMinFrame);
  for (const pollux::Packet& packet : burst) {
    __builtin_memset(packet.data, 0, packet.length);
    pollux::store_header(packet.data, header);
  }
  port.tx_burst(burst);
}

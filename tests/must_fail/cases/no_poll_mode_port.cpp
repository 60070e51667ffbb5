// SPDX-License-Identifier: BSD-3-Clause
// Something that is no port, where one is wanted.
// expect: PollModePort
// expect: constraints not satisfied
#include <pollux/net/any_port.hpp>

template <pollux::PollModePort P>
void forward(P& port, pollux::PacketBurst& burst) {
  port.rx_burst(burst);
  port.tx_burst(burst);
}
struct NoPort {
  std::uint32_t rx_burst(pollux::PacketBurst&) { return 0; }
};

#ifdef POLLUX_MUST_FAIL
inline void go(NoPort& port, pollux::PacketBurst& burst) { forward(port, burst); }
#else
inline void go(pollux::AnyPort& port, pollux::PacketBurst& burst) { forward(port, burst); }
#endif

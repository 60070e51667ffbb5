// SPDX-License-Identifier: BSD-3-Clause
// What may be asked for when a port is opened by its name: open_port.hpp, visit_port.hpp.
#pragma once
#include <cstdint>

#include <pollux/core/clock.hpp>

#if defined(POLLUX_SEPARATE_OPEN_PORT)
#define POLLUX_OPEN_PORT_INLINE
#else
#define POLLUX_OPEN_PORT_INLINE inline
#endif

namespace pollux {

namespace sim {
class WireEnd;
}

struct OpenOptions {
  std::uint32_t buffers = 2048;        ///< in the pool that all ports of one call share
  std::uint32_t rx_descriptors = 512;  ///< where the port has a ring
  std::uint32_t tx_descriptors = 512;
  bool promiscuous = false;
  bool restore_vlan = true;  ///< packet: ports: give VLAN tags back to received frames
  Nanos link_deadline = 5_s;
  sim::WireEnd* sim_wire = nullptr;  ///< of a sim: port; without one its frames come back to itself
};

}  // namespace pollux

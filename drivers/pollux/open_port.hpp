// SPDX-License-Identifier: BSD-3-Clause
// open_port(spec): a port by its name, with everything it stands on. For programs that choose at run time; those that
// know their NIC write the four lines themselves (examples/).
//
// It lies with the drivers, not in net/, because it stands on every driver and backend there is. A program of several
// source files compiles all of that once: with POLLUX_SEPARATE_OPEN_PORT defined for all of them this header only
// declares, and one of them includes <pollux/open_port_definitions.hpp>.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include <pollux/net/any_port.hpp>
#include <pollux/open_options.hpp>

namespace pollux {

/// Opens and starts several ports for one thread: they share one pool, so packets may go from any to any.
/// Errors: raises what the backend, driver or kernel port raises; nothing stays open then.
POLLUX_OPEN_PORT_INLINE std::vector<AnyPort> open_ports(const std::vector<std::string>& specs,
                                                        const OpenOptions& options = {});

/// One port with a pool of its own.
POLLUX_OPEN_PORT_INLINE AnyPort open_port(std::string_view spec, const OpenOptions& options = {});

}  // namespace pollux

#if !defined(POLLUX_SEPARATE_OPEN_PORT)
#include <pollux/open_port_definitions.hpp>
#endif

// SPDX-License-Identifier: BSD-3-Clause
// Ports on devices that other processes serve: what open_port does with vfio-user:/path. Compiled as open_port.hpp
// says.
#pragma once
#include <string>
#include <vector>

#include <pollux/net/any_port.hpp>
#include <pollux/open_options.hpp>

namespace pollux::detail {

/// Started ports on the servers at `paths`, with one pool. Errors: raises what VfioUserDevice and the drivers raise.
POLLUX_OPEN_PORT_INLINE std::vector<AnyPort> open_vfio_user_ports(const std::vector<std::string>& paths,
                                                                  const OpenOptions& options);

}  // namespace pollux::detail

#if !defined(POLLUX_SEPARATE_OPEN_PORT)
#include <pollux/vfio_user_port_definitions.hpp>
#endif

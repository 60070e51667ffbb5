// SPDX-License-Identifier: BSD-3-Clause
// open_port(), compiled once for the programs of this project that use it; the rest of Pollux is headers only.
#include <pollux/open_port.hpp>
#include <pollux/open_port_definitions.hpp>

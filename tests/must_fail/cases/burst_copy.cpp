// SPDX-License-Identifier: BSD-3-Clause
// A second owner for the packets of a burst.
// expect: deleted
// expect: Burst
#include <pollux/net/burst.hpp>

#ifdef POLLUX_MUST_FAIL
inline void go(pollux::Burst<32>& burst) { pollux::Burst<32> twice(burst); }
#else
inline void go(pollux::Burst<32>& burst) { pollux::Burst<32> another(burst.pool()); }
#endif

// SPDX-License-Identifier: BSD-3-Clause
// A physical address where an IOVA is wanted.
// expect: conver
// expect: PhysAddr
// expect: Iova
#include <pollux/core/address.hpp>

inline std::uint64_t map_at(pollux::Iova at) { return at.value(); }

#ifdef POLLUX_MUST_FAIL
inline std::uint64_t go(pollux::PhysAddr at) { return map_at(at); }
#else
inline std::uint64_t go(pollux::Iova at) { return map_at(at); }
#endif

// SPDX-License-Identifier: BSD-3-Clause
// A bus address out of an IOVA, past the domain that knows what it means.
// expect: no matching
// expect: BusAddr
#include <pollux/core/address.hpp>

#ifdef POLLUX_MUST_FAIL
inline pollux::BusAddr make(pollux::Iova at) { return pollux::BusAddr(at); }
#else
inline std::uint64_t make(pollux::Iova at) { return at.value(); }
#endif

// SPDX-License-Identifier: BSD-3-Clause
// A bus address out of a number.
// expect: private
// expect: BusAddr
#include <pollux/core/address.hpp>

#ifdef POLLUX_MUST_FAIL
inline pollux::BusAddr make() { return pollux::BusAddr(0x1000); }
#else
inline pollux::Iova make() { return pollux::Iova(0x1000); }
#endif

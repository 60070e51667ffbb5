// SPDX-License-Identifier: BSD-3-Clause
// The domain's own conversion, used by somebody else.
// expect: protected
// expect: bus
#include <pollux/dma/domain.hpp>

#ifdef POLLUX_MUST_FAIL
inline pollux::BusAddr make(pollux::Iova at) { return pollux::DmaDomain::bus(at); }
#else
inline pollux::BusAddr make(pollux::DmaDomain& domain, std::byte* page) { return domain.try_map(page, 4096).value(); }
#endif

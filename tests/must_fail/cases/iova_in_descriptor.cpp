// SPDX-License-Identifier: BSD-3-Clause
// An IOVA in a descriptor, without its domain.
// expect: conver
// expect: BusAddr
#include <pollux/e1000/desc.hpp>

using pollux::e1000::RxDescriptor;

#ifdef POLLUX_MUST_FAIL
inline RxDescriptor make(pollux::Iova buffer) { return RxDescriptor::given(buffer); }
#else
inline RxDescriptor make(pollux::BusAddr buffer) { return RxDescriptor::given(buffer); }
#endif

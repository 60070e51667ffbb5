// SPDX-License-Identifier: BSD-3-Clause
// A virtual address in a descriptor.
// expect: conver
// expect: BusAddr
#include <pollux/e1000/desc.hpp>

using pollux::e1000::RxDescriptor;

#ifdef POLLUX_MUST_FAIL
inline RxDescriptor make(std::byte* buffer) { return RxDescriptor::given(buffer); }
#else
inline RxDescriptor make(pollux::BusAddr buffer) { return RxDescriptor::given(buffer); }
#endif

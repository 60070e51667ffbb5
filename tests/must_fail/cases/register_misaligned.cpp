// SPDX-License-Identifier: BSD-3-Clause
// A register at an address no 32-bit access reaches.
// expect: 32-bit registers are naturally aligned
#include <pollux/reg/register.hpp>

namespace toy {
using namespace pollux::reg;

#ifdef POLLUX_MUST_FAIL
struct Ctl : Register<Ctl, Access::kReadWrite, Run{.offset = 2}> {
  static constexpr const char* kName = "CTL";
  static constexpr Field<Ctl, 3, 0> low{};
  POLLUX_FIELDS(low);
};
#else
struct Ctl : Register<Ctl, Access::kReadWrite, Run{.offset = 4}> {
  static constexpr const char* kName = "CTL";
  static constexpr Field<Ctl, 3, 0> low{};
  POLLUX_FIELDS(low);
};
#endif

}  // namespace toy

// SPDX-License-Identifier: BSD-3-Clause
// A bool field of more than one bit.
// expect: bool holds one bit only
#include <pollux/reg/register.hpp>

namespace toy {
using namespace pollux::reg;

#ifdef POLLUX_MUST_FAIL
struct Ctl : Register<Ctl, Access::kReadWrite, Run{.offset = 0}> {
  static constexpr const char* kName = "CTL";
  static constexpr Field<Ctl, 7, 0, bool> on{};
  POLLUX_FIELDS(on);
};
#else
struct Ctl : Register<Ctl, Access::kReadWrite, Run{.offset = 0}> {
  static constexpr const char* kName = "CTL";
  static constexpr Field<Ctl, 0, 0, bool> on{};
  POLLUX_FIELDS(on);
};
#endif

}  // namespace toy

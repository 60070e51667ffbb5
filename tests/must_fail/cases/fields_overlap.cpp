// SPDX-License-Identifier: BSD-3-Clause
// Two fields of a register on one bit.
// expect: fields_of_one_register_overlap
#include <pollux/reg/register.hpp>

namespace toy {
using namespace pollux::reg;

#ifdef POLLUX_MUST_FAIL
struct Ctl : Register<Ctl, Access::kReadWrite, Run{.offset = 0}> {
  static constexpr const char* kName = "CTL";
  static constexpr Field<Ctl, 4, 0> low{};
  static constexpr Field<Ctl, 7, 4> high{};
  POLLUX_FIELDS(low, high);
};
#else
struct Ctl : Register<Ctl, Access::kReadWrite, Run{.offset = 0}> {
  static constexpr const char* kName = "CTL";
  static constexpr Field<Ctl, 3, 0> low{};
  static constexpr Field<Ctl, 7, 4> high{};
  POLLUX_FIELDS(low, high);
};
#endif

}  // namespace toy

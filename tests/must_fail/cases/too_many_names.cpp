// SPDX-License-Identifier: BSD-3-Clause
// A table of fields with a name too many.
// expect: one_name_per_field_in_POLLUX_FIELDS
#include <pollux/reg/register.hpp>

namespace toy {
using namespace pollux::reg;

#ifdef POLLUX_MUST_FAIL
struct Ctl : Register<Ctl, Access::kReadWrite, Run{.offset = 0}> {
  static constexpr const char* kName = "CTL";
  static constexpr Field<Ctl, 3, 0> low{};
  static constexpr Field<Ctl, 7, 4> high{};
  static constexpr auto kFields = list_fields("low, high, more", low, high);
};
#else
struct Ctl : Register<Ctl, Access::kReadWrite, Run{.offset = 0}> {
  static constexpr const char* kName = "CTL";
  static constexpr Field<Ctl, 3, 0> low{};
  static constexpr Field<Ctl, 7, 4> high{};
  static constexpr auto kFields = list_fields("low, high", low, high);
};
#endif

}  // namespace toy

// SPDX-License-Identifier: BSD-3-Clause
// A field written low bit first.
// expect: datasheet order: high bit first, inclusive
#include <pollux/reg/register.hpp>

namespace toy {
using namespace pollux::reg;

#ifdef POLLUX_MUST_FAIL
struct Ctl : Register<Ctl, Access::kReadWrite, Run{.offset = 0}> {
  static constexpr const char* kName = "CTL";
  static constexpr Field<Ctl, 4, 7> mode{};
  POLLUX_FIELDS(mode);
};
#else
struct Ctl : Register<Ctl, Access::kReadWrite, Run{.offset = 0}> {
  static constexpr const char* kName = "CTL";
  static constexpr Field<Ctl, 7, 4> mode{};
  POLLUX_FIELDS(mode);
};
#endif

}  // namespace toy

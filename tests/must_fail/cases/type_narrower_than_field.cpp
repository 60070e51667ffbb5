// SPDX-License-Identifier: BSD-3-Clause
// A field whose value type cannot hold it.
// expect: value type narrower than the field
#include <pollux/reg/register.hpp>

namespace toy {
using namespace pollux::reg;

#ifdef POLLUX_MUST_FAIL
struct Ctl : Register<Ctl, Access::kReadWrite, Run{.offset = 0}> {
  static constexpr const char* kName = "CTL";
  static constexpr Field<Ctl, 15, 4, std::uint8_t> mode{};
  POLLUX_FIELDS(mode);
};
#else
struct Ctl : Register<Ctl, Access::kReadWrite, Run{.offset = 0}> {
  static constexpr const char* kName = "CTL";
  static constexpr Field<Ctl, 11, 4, std::uint8_t> mode{};
  POLLUX_FIELDS(mode);
};
#endif

}  // namespace toy

// SPDX-License-Identifier: BSD-3-Clause
// A constant wider than its field.
// expect: value_does_not_fit_the_field
#include <pollux/reg/bar.hpp>

namespace toy {
using namespace pollux::reg;
struct Ctl : Register<Ctl, Access::kReadWrite, Run{.offset = 0}> {
  static constexpr const char* kName = "CTL";
  static constexpr Field<Ctl, 0, 0, bool> on{};
  static constexpr Field<Ctl, 7, 4> mode{};
  POLLUX_FIELDS(on, mode);
};

inline void use(Bar<Mmio> bar) {
#ifdef POLLUX_MUST_FAIL
  bar.write(Ctl::mode(16));
#else
  bar.write(Ctl::mode(15));
#endif
}

}  // namespace toy

// SPDX-License-Identifier: BSD-3-Clause
// An index for a register that is no array.
// expect: RegisterArray
// expect: constraints not satisfied
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
  (void)bar.read<Ctl>(Index{1});
#else
  (void)bar.read<Ctl>();
#endif
}

}  // namespace toy

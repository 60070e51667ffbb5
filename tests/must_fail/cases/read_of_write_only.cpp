// SPDX-License-Identifier: BSD-3-Clause
// A read of a write-only register.
// expect: Readable
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
struct Other : Register<Other, Access::kWriteOnly, Run{.offset = 4}> {
  static constexpr const char* kName = "OTHER";
  static constexpr Field<Other, 0, 0, bool> on{};
  POLLUX_FIELDS(on);
};

inline void use(Bar<Mmio> bar) {
#ifdef POLLUX_MUST_FAIL
  (void)bar.read<Other>();
#else
  bar.write(Other::on(true));
#endif
}

}  // namespace toy

// SPDX-License-Identifier: BSD-3-Clause
// A doorbell that cannot be rung.
// expect: Writable
// expect: constraint
#include <pollux/reg/bar.hpp>

namespace toy {
using namespace pollux::reg;
struct Ctl : Register<Ctl, Access::kReadWrite, Run{.offset = 0}> {
  static constexpr const char* kName = "CTL";
  static constexpr Field<Ctl, 0, 0, bool> on{};
  static constexpr Field<Ctl, 7, 4> mode{};
  POLLUX_FIELDS(on, mode);
};
struct Other : Register<Other, Access::kReadOnly, Run{.offset = 4}> {
  static constexpr const char* kName = "OTHER";
  static constexpr Field<Other, 0, 0, bool> on{};
  POLLUX_FIELDS(on);
};

inline void use(Bar<Mmio> bar) {
#ifdef POLLUX_MUST_FAIL
  const Doorbell<Other, Mmio> bell(bar, Index{0});
  bell.ring(0);
#else
  const Doorbell<Ctl, Mmio> bell(bar, Index{0});
  bell.ring(0);
#endif
}

}  // namespace toy

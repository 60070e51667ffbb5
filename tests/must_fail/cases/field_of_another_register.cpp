// SPDX-License-Identifier: BSD-3-Clause
// A snapshot asked for a field that its register does not have.
// expect: operator[]
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
  (void)bar.read<Ctl>()[Other::on];
#else
  (void)bar.read<Other>()[Other::on];
#endif
}

}  // namespace toy

// SPDX-License-Identifier: BSD-3-Clause
// A negative constant in a field of unsigned integers.
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
  bar.write(Ctl::mode(static_cast<std::uint32_t>(-1)));
#else
  bar.write(Ctl::mode(1));
#endif
}

}  // namespace toy

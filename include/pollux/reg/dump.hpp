// SPDX-License-Identifier: BSD-3-Clause
// A device's registers as text, from the same declarations the driver uses.
#pragma once
#include <fmt/format.h>

#include <string>

#include <pollux/reg/bar.hpp>

namespace pollux::reg {

/// "CTRL 0x00140240 fd=0 slu=1 ...": one register's value and every declared field.
template <AnyRegister R>
std::string to_text(Value<R> value) {
  std::string out = fmt::format("{:<10} {:#010x}", R::kName, value.bits);
  for (const FieldInfo& f : R::kFields) {
    const std::uint64_t width_mask = (std::uint64_t{1} << (f.hi - f.lo + 1)) - 1;
    fmt::format_to(std::back_inserter(out), " {}={:#x}", f.name, (value.bits >> f.lo) & width_mask);
  }
  return out;
}

/// One line per register of the list, in its order. Registers that a read would change, and those that cannot be
/// read, are named but not read. Of an array, elements that are zero are left out. Cost: one MMIO read per register and
/// element.
template <RegisterIo Io, class... Rs>
std::string dump(const Bar<Io>& bar, RegisterList<Rs...> list) {
  std::string out;
  for_each_register(list, [&]<class R>(std::type_identity<R>) {
    constexpr bool kHarmless =
        R::kAccess == Access::kReadOnly || Modifiable<R> || R::kAccess == Access::kWriteOneToClear;
    if constexpr (!kHarmless) {
      fmt::format_to(std::back_inserter(out), "{:<10} (not read: {})\n", R::kName,
                     Readable<R> ? "a read clears it" : "write only");
    } else if constexpr (RegisterArray<R>) {
      for (std::uint32_t i = 0; i < R::kCount; ++i) {
        const Value<R> v = bar.template read<R>(Index{i});
        if (v.bits != 0) fmt::format_to(std::back_inserter(out), "[{}] {}\n", i, to_text(v));
      }
    } else {
      out += to_text(bar.template read<R>()) + '\n';
    }
  });
  return out;
}

}  // namespace pollux::reg

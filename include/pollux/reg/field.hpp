// SPDX-License-Identifier: BSD-3-Clause
// Fields, values and assignments: a register's bits, named once as the datasheet prints them (high bit first,
// inclusive). Width, overflow, overlap, owning register and value type are checked by the compiler.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>

#include <pollux/core/assert.hpp>

namespace pollux::reg {

template <class R, unsigned Hi, unsigned Lo, class T = std::uint32_t>
struct Field;

/// A snapshot of register R. `value[R::field]` extracts a field, typed.
template <class R>
struct Value {
  std::uint32_t bits = 0;

  template <unsigned Hi, unsigned Lo, class T>
  [[nodiscard]] constexpr T operator[](Field<R, Hi, Lo, T>) const noexcept {
    return static_cast<T>((bits >> Lo) & Field<R, Hi, Lo, T>::kMax);
  }
  friend constexpr bool operator==(Value, Value) = default;
};

/// One or more field assignments to register R: `R::a(1) | R::b(true)`.
template <class R>
struct Assign {
  std::uint32_t bits = 0;
  std::uint32_t mask = 0;

  [[nodiscard]] constexpr Assign operator|(Assign other) const noexcept {
    POLLUX_ASSERT((mask & other.mask) == 0, "the same field is assigned twice");
    return {bits | other.bits, mask | other.mask};
  }
  /// `value` with these fields replaced and all other bits kept.
  [[nodiscard]] constexpr Value<R> applied_to(Value<R> value) const noexcept { return {(value.bits & ~mask) | bits}; }
};

void value_does_not_fit_the_field();         // never defined: its name is the compiler's error message
void fields_of_one_register_overlap();       // likewise
void one_name_per_field_in_POLLUX_FIELDS();  // likewise

/// Bits Hi..Lo of register R, holding a T.
template <class R, unsigned Hi, unsigned Lo, class T>
struct Field {
  static_assert(Hi < 32 && Hi >= Lo, "datasheet order: high bit first, inclusive");
  static constexpr unsigned kHi = Hi;
  static constexpr unsigned kLo = Lo;
  static constexpr unsigned kWidth = Hi - Lo + 1;
  static_assert(!std::is_same_v<T, bool> || kWidth == 1, "bool holds one bit only");
  static_assert(sizeof(T) * 8 >= kWidth, "value type narrower than the field");
  static constexpr std::uint32_t kMax = kWidth == 32 ? ~0u : (1u << kWidth) - 1;
  static constexpr std::uint32_t kMask = kMax << Lo;

  /// A constant of the field's type or, for number fields, any integer: one that does not fit is a compile error.
  template <class Constant>
    requires std::is_same_v<Constant, T> || (std::is_integral_v<T> && !std::is_same_v<T, bool> &&
                                             std::is_integral_v<Constant> && !std::is_same_v<Constant, bool>)
  consteval Assign<R> operator()(Constant constant) const {
    if constexpr (std::is_signed_v<Constant>) {
      if (constant < 0) value_does_not_fit_the_field();
    }
    const auto v = static_cast<std::uint64_t>(constant);
    if (v > kMax) value_does_not_fit_the_field();
    return {static_cast<std::uint32_t>(v) << Lo, kMask};
  }
  /// A run-time value. Pre: it fits (asserted); excess bits are dropped.
  [[nodiscard]] constexpr Assign<R> from(T v) const noexcept {
    POLLUX_ASSERT(static_cast<std::uint32_t>(v) <= kMax, "value does not fit the field");
    return {(static_cast<std::uint32_t>(v) & kMax) << Lo, kMask};
  }
};

/// One field as data, for dumps, models and table tests.
struct FieldInfo {
  std::string_view name;
  unsigned hi = 0;
  unsigned lo = 0;
};

template <std::size_t N>
struct FieldTable {
  FieldInfo entry[N];
  std::uint32_t mask = 0;  ///< every bit that belongs to a field; the others are reserved

  [[nodiscard]] constexpr const FieldInfo* begin() const noexcept { return entry; }
  [[nodiscard]] constexpr const FieldInfo* end() const noexcept { return entry + N; }
};

/// Builds the table of a register's fields; overlapping fields do not compile.
template <class... F>
consteval FieldTable<sizeof...(F)> list_fields(std::string_view names, F...) {
  FieldTable<sizeof...(F)> table{{FieldInfo{{}, F::kHi, F::kLo}...}, 0};
  for (auto& entry : table.entry) {
    const auto comma = names.find(',');
    if (names.empty()) one_name_per_field_in_POLLUX_FIELDS();
    entry.name = names.substr(0, comma);
    names = comma == names.npos ? std::string_view{} : names.substr(names.find_first_not_of(' ', comma + 1));
  }
  if (!names.empty()) one_name_per_field_in_POLLUX_FIELDS();
  std::uint64_t sum = 0;
  ((sum += F::kMask, table.mask |= F::kMask), ...);
  if (sum != table.mask) fields_of_one_register_overlap();
  return table;
}

/// Last line of every register: names its fields once more, so that they exist as data.
#define POLLUX_FIELDS(...) static constexpr auto kFields = ::pollux::reg::list_fields(#__VA_ARGS__, __VA_ARGS__)

}  // namespace pollux::reg

// SPDX-License-Identifier: BSD-3-Clause
// A register, declared once: name, access mode, offset (or runs of an array), fields, reset value.
//
//   /// TXDCTL[n] - Transmit Descriptor Control [82599 8.2.3.9.10]
//   struct Txdctl : Register<Txdctl, Access::kReadWrite, Run{.offset = 0x6028, .count = 128, .stride = 0x40}> {
//     static constexpr const char* kName = "TXDCTL";
//     static constexpr Field<Txdctl,  6,  0> pthresh{};        ///< prefetch threshold [descriptors]
//     static constexpr Field<Txdctl, 25, 25, bool> enable{};
//     POLLUX_FIELDS(pthresh, enable);
//   };
#pragma once
#include <concepts>
#include <cstdint>

#include <pollux/reg/field.hpp>

namespace pollux::reg {

/// What a driver may do with a register, and what its own access does to it.
enum class Access : std::uint8_t {
  kReadOnly,
  kWriteOnly,
  kReadWrite,
  kReadClear,                 ///< a read returns the value and clears it
  kWriteOneToClear,           ///< a write of one clears that bit
  kReadClearWriteOneToClear,  ///< both (82574 ICR)
  kReadWriteSelfClear,        ///< read-write; the device clears bits when it has acted on them (CTRL.RST)
};

/// Registers at offset, offset + stride, ... An array may lie in several runs.
struct Run {
  std::uint32_t offset = 0;
  std::uint32_t count = 1;
  std::uint32_t stride = 4;
  friend constexpr bool operator==(Run, Run) = default;
};

/// Which element of a register array.
struct Index {
  std::uint32_t n = 0;
};

template <class Self, Access Mode, Run... Runs>
struct Register {
  static_assert(sizeof...(Runs) > 0, "a register lies somewhere");
  static_assert(((Runs.offset % 4 == 0 && Runs.stride % 4 == 0) && ...), "32-bit registers are naturally aligned");
  static constexpr Access kAccess = Mode;
  static constexpr Run kRuns[] = {Runs...};
  static constexpr std::uint32_t kCount = (Runs.count + ...);
  static constexpr std::uint32_t kReset = 0;  ///< after reset; a register that resets otherwise hides this one

  /// Byte offset in its BAR of element i. Pre: i.n < kCount. For a single run: one multiply-add.
  static constexpr std::uint32_t offset(Index i = {}) noexcept {
    POLLUX_ASSERT(i.n < kCount, "no such element in the register array");
    if constexpr (sizeof...(Runs) == 1) {
      return kRuns[0].offset + kRuns[0].stride * i.n;
    } else {
      const Run* run = kRuns;
      for (; i.n >= run->count; ++run) i.n -= run->count;
      return run->offset + run->stride * i.n;
    }
  }
};

template <class R>
concept AnyRegister = requires {
  { R::kAccess } -> std::convertible_to<Access>;
  { R::kName } -> std::convertible_to<const char*>;
  { R::kReset } -> std::convertible_to<std::uint32_t>;
  R::kFields;
  R::offset();
};
template <class R>
concept Readable = R::kAccess != Access::kWriteOnly;
template <class R>
concept Writable =
    R::kAccess == Access::kReadWrite || R::kAccess == Access::kWriteOnly || R::kAccess == Access::kReadWriteSelfClear;
/// Read-modify-write keeps what other fields hold, so the read must be free of side effects.
template <class R>
concept Modifiable = R::kAccess == Access::kReadWrite || R::kAccess == Access::kReadWriteSelfClear;
template <class R>
concept Clearable = R::kAccess == Access::kWriteOneToClear || R::kAccess == Access::kReadClearWriteOneToClear;
template <class R>
concept RegisterArray = R::kCount > 1;

/// The registers of one device, for dumps, models and table tests.
template <class... Rs>
struct RegisterList {};

/// Calls visit(std::type_identity<R>{}) for each register R of the list.
template <class... Rs, class Visit>
constexpr void for_each_register(RegisterList<Rs...>, Visit&& visit) {
  (visit(std::type_identity<Rs>{}), ...);
}

}  // namespace pollux::reg

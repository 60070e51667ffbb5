// SPDX-License-Identifier: BSD-3-Clause
// A constant that fits the 32 bits of a register, but not the 16 of its field.
// expect: value_does_not_fit_the_field
#include <pollux/e1000/desc.hpp>

using pollux::e1000::TxCommand;

#ifdef POLLUX_MUST_FAIL
constexpr TxCommand::Word kCommand = TxCommand::length(70'000);
#else
constexpr TxCommand::Word kCommand = TxCommand::length(7'000);
static_assert(kCommand.bits == 7'000);
#endif

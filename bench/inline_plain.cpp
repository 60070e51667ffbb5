// SPDX-License-Identifier: BSD-3-Clause
// Pollux's ixgbe port without receive metadata, for pollux-inline-bench.
#include "inline_rig.hpp"

std::unique_ptr<bench::InlineProgram> bench::plain_program(const InlineOptions& options) {
  return make_program<false>(options);
}

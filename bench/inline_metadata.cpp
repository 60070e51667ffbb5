// SPDX-License-Identifier: BSD-3-Clause
// Pollux's ixgbe port with receive metadata, for pollux-inline-bench.
#include "inline_rig.hpp"

std::unique_ptr<bench::InlineProgram> bench::metadata_program(const InlineOptions& options) {
  return make_program<true>(options);
}

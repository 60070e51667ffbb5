// SPDX-License-Identifier: BSD-3-Clause
// For tests of what a user reads: the text of an error, and what must stand in it.
#pragma once
#include <gtest/gtest.h>

#include <cstdio>
#include <string>
#include <vector>

#include <pollux/core/error.hpp>

namespace messages {

/// The text of the Error that `f` raises.
template <class F>
std::string error_of(F&& f) {
  try {
    f();
  } catch (const pollux::Error& error) { return error.what(); }
  return "no error";
}

/// Each of the parts is in the text, which is shown for a person to read.
inline void expect_text(const std::string& text, const std::vector<std::string>& parts) {
  for (const std::string& part : parts) EXPECT_NE(text.find(part), text.npos) << "'" << part << "' is not in: " << text;
  std::printf("  %s\n", text.c_str());
}

}  // namespace messages

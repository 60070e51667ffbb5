// SPDX-License-Identifier: BSD-3-Clause
// Text for error messages, built without fmt: <fmt/core.h> alone would cost every driver translation unit more
// compile time than the whole port header may take (README, header budget).
#pragma once
#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>

namespace pollux::text {

/// "0x" and at least `digits` lower-case hexadecimal digits.
inline std::string hex(std::uint64_t value, int digits = 1) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out;
  for (; value != 0 || static_cast<int>(out.size()) < digits; value >>= 4) out.insert(out.begin(), kDigits[value & 15]);
  return "0x" + out;
}

/// Concatenates strings, characters and integers (in decimal).
template <class... Parts>
std::string cat(const Parts&... parts) {
  std::string out;
  auto append = [&out]<class P>(const P& part) {
    if constexpr (std::same_as<P, char>) {
      out += part;
    } else if constexpr (std::integral<P>) {
      out += std::to_string(part);
    } else {
      out += std::string_view(part);
    }
  };
  (append(parts), ...);
  return out;
}

/// `s` without white space at either end.
constexpr std::string_view trim(std::string_view s) noexcept {
  constexpr std::string_view kSpace{" \t\r\n\0", 5};
  const auto first = s.find_first_not_of(kSpace);
  return first == s.npos ? std::string_view{} : s.substr(first, s.find_last_not_of(kSpace) - first + 1);
}

}  // namespace pollux::text

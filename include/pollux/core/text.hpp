// SPDX-License-Identifier: BSD-3-Clause
// Text for error messages, built without fmt: <fmt/core.h> alone would cost every driver translation unit more
// compile time than the whole port header may take (README, header budget).
#pragma once
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>

namespace pollux::text {

/// "0x" and at least `digits` lower-case hexadecimal digits.
inline std::string hex(std::uint64_t value, int digits = 1) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out;
  for (; value != 0 || static_cast<int>(out.size()) < digits; value >>= 4) out.insert(out.begin(), kDigits[value & 15]);
  return "0x" + out;
}

namespace detail {
/// One thing to concatenate. One type for all, so that one function joins any of them.
class Part {
 public:
  Part(std::string_view s) noexcept : text_(s) {}
  Part(const std::string& s) noexcept : text_(s) {}
  Part(const char* s) noexcept : text_(s) {}
  Part(char c) noexcept : kind_(Kind::kChar), number_(static_cast<unsigned char>(c)) {}
  template <std::integral N>
  Part(N n) noexcept
      : kind_(std::is_signed_v<N> ? Kind::kSigned : Kind::kUnsigned), number_(static_cast<std::uint64_t>(n)) {}

  void append_to(std::string& out) const {
    switch (kind_) {
      case Kind::kText:
        out += text_;
        break;
      case Kind::kChar:
        out += static_cast<char>(number_);
        break;
      case Kind::kSigned:
        out += std::to_string(static_cast<std::int64_t>(number_));
        break;
      case Kind::kUnsigned:
        out += std::to_string(number_);
        break;
    }
  }

 private:
  enum class Kind : std::uint8_t { kText, kChar, kSigned, kUnsigned };
  Kind kind_ = Kind::kText;
  std::string_view text_;
  std::uint64_t number_ = 0;
};
inline std::string join(const Part* parts, std::size_t n) {
  std::string out;
  for (std::size_t i = 0; i < n; ++i) parts[i].append_to(out);
  return out;
}
}  // namespace detail

/// Concatenates strings, characters and integers (in decimal).
template <class... Parts>
std::string cat(const Parts&... parts) {
  const detail::Part all[] = {parts...};
  return detail::join(all, sizeof...(parts));
}

/// `s`, nothing but digits of the base, as a number; absent when it is none or does not fit. Pre: base is 10 or 16.
constexpr std::optional<std::uint32_t> try_number(std::string_view s, unsigned base) noexcept {
  std::uint64_t out = 0;
  for (const char c : s) {
    const char letter = static_cast<char>(c | 0x20);
    const unsigned digit = c >= '0' && c <= '9'             ? static_cast<unsigned>(c - '0')
                           : letter >= 'a' && letter <= 'f' ? static_cast<unsigned>(letter - 'a' + 10)
                                                            : base;
    out = out * base + digit;
    if (digit >= base || out > ~std::uint32_t{0}) return std::nullopt;
  }
  if (s.empty()) return std::nullopt;
  return static_cast<std::uint32_t>(out);
}

/// `s` without white space at either end.
constexpr std::string_view trim(std::string_view s) noexcept {
  constexpr std::string_view kSpace{" \t\r\n\0", 5};
  const auto first = s.find_first_not_of(kSpace);
  return first == s.npos ? std::string_view{} : s.substr(first, s.find_last_not_of(kSpace) - first + 1);
}

}  // namespace pollux::text

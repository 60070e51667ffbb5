// SPDX-License-Identifier: BSD-3-Clause
// Bdf: where a PCI function sits: domain, bus, device, function.
#pragma once
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <pollux/core/error.hpp>

namespace pollux {

struct Bdf {
  std::uint16_t domain = 0;
  std::uint8_t bus = 0;
  std::uint8_t device = 0;    ///< 0..31
  std::uint8_t function = 0;  ///< 0..7

  friend constexpr auto operator<=>(Bdf, Bdf) = default;

  /// "0000:03:00.0" or, with domain 0 implied, "03:00.0"; hexadecimal, either case.
  static std::optional<Bdf> try_parse(std::string_view text) {
    std::uint32_t part[4] = {0, 0, 0, 0};  // domain, bus, device, function
    const bool with_domain = text.size() == 12;
    if (!with_domain && text.size() != 7) return std::nullopt;
    const auto take = [&](std::uint32_t& out, std::size_t digits, char end) {
      const std::optional<std::uint32_t> number = text::try_number(text.substr(0, digits), 16);
      if (!number) return false;
      out = *number;
      text.remove_prefix(digits);
      if (end == '\0') return text.empty();
      if (text.empty() || text.front() != end) return false;
      text.remove_prefix(1);
      return true;
    };
    if (with_domain && !take(part[0], 4, ':')) return std::nullopt;
    if (!take(part[1], 2, ':') || !take(part[2], 2, '.') || !take(part[3], 1, '\0')) return std::nullopt;
    if (part[2] > 31 || part[3] > 7) return std::nullopt;
    return Bdf{static_cast<std::uint16_t>(part[0]), static_cast<std::uint8_t>(part[1]),
               static_cast<std::uint8_t>(part[2]), static_cast<std::uint8_t>(part[3])};
  }
  /// As `try_parse`; raises EINVAL saying what a BDF looks like.
  static Bdf parse(std::string_view text) {
    if (const auto bdf = try_parse(text)) return *bdf;
    raise({.code = EINVAL,
           .operation = "parse PCI address",
           .object = text::cat("'", text, "'"),
           .where = {},
           .remedy = "expected DDDD:BB:DD.F or BB:DD.F in hexadecimal, as lspci -D prints it"});
  }

  [[nodiscard]] std::string to_string() const {
    constexpr std::string_view kDigits = "0123456789abcdef";
    std::string out = "0000:00:00.0";
    const auto put = [&](std::size_t at, int digits, unsigned v) {
      for (int i = digits; i-- > 0; v >>= 4) out[at + static_cast<std::size_t>(i)] = kDigits[v & 15];
    };
    put(0, 4, domain);
    put(5, 2, bus);
    put(8, 2, device);
    put(11, 1, function);
    return out;
  }
};

}  // namespace pollux

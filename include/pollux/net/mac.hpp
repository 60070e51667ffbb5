// SPDX-License-Identifier: BSD-3-Clause
// MacAddress: six bytes in the order they go over the wire.
#pragma once
#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace pollux {

struct MacAddress {
  std::array<std::uint8_t, 6> bytes{};
  friend constexpr auto operator<=>(const MacAddress&, const MacAddress&) = default;

  [[nodiscard]] constexpr bool is_multicast() const noexcept { return (bytes[0] & 1) != 0; }
  [[nodiscard]] constexpr bool is_zero() const noexcept { return *this == MacAddress{}; }
  [[nodiscard]] static constexpr MacAddress broadcast() noexcept { return {{0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF}}; }

  /// As receive-address registers and NVMs hold it: bytes 0 to 3 in `low`, 4 and 5 in bits 15:0 of `high`, the earlier
  /// one in the lower bits. The rest of `high` is ignored here and 0 there.
  [[nodiscard]] static constexpr MacAddress from_words(std::uint32_t low, std::uint32_t high) noexcept {
    const std::uint64_t both = low | std::uint64_t{high} << 32;
    MacAddress out;
    for (std::size_t i = 0; i < 6; ++i) out.bytes[i] = static_cast<std::uint8_t>(both >> (8 * i));
    return out;
  }
  [[nodiscard]] constexpr std::uint32_t low_word() const noexcept {
    return bytes[0] | std::uint32_t{bytes[1]} << 8 | std::uint32_t{bytes[2]} << 16 | std::uint32_t{bytes[3]} << 24;
  }
  [[nodiscard]] constexpr std::uint32_t high_word() const noexcept { return bytes[4] | std::uint32_t{bytes[5]} << 8; }

  [[nodiscard]] std::string to_string() const {
    constexpr std::string_view kDigits = "0123456789abcdef";
    std::string out;
    for (const std::uint8_t b : bytes) {
      if (!out.empty()) out += ':';
      out += kDigits[b >> 4];
      out += kDigits[b & 15];
    }
    return out;
  }
  /// "52:54:00:12:34:56".
  static std::optional<MacAddress> try_parse(std::string_view text) {
    MacAddress out;
    if (text.size() != 17) return std::nullopt;
    for (std::size_t i = 0; i < 6; ++i) {
      unsigned value = 0;
      for (std::size_t k = 0; k < 2; ++k) {
        const char c = text[3 * i + k];
        const unsigned digit = c >= '0' && c <= '9'   ? unsigned(c - '0')
                               : c >= 'a' && c <= 'f' ? unsigned(c - 'a') + 10
                               : c >= 'A' && c <= 'F' ? unsigned(c - 'A') + 10
                                                      : 16;
        if (digit > 15) return std::nullopt;
        value = value << 4 | digit;
      }
      if (i < 5 && text[3 * i + 2] != ':') return std::nullopt;
      out.bytes[i] = static_cast<std::uint8_t>(value);
    }
    return out;
  }
};

}  // namespace pollux

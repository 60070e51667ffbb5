// SPDX-License-Identifier: BSD-3-Clause
// What the two sides of a vfio-user socket agree on when they meet.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include <pollux/backend/vfio_user_abi.hpp>
#include <pollux/core/text.hpp>

namespace pollux::vfio_user {

/// What one side can do: the numbers in its "capabilities", or what holds without them.
struct Capabilities {
  std::uint32_t max_fds = kDefaultMaxFds;
  std::uint32_t max_transfer = kDefaultMaxTransfer;  ///< [bytes]
  std::uint32_t max_maps = 65535;
  bool write_multiple = false;

  /// Compact: QEMU 11 breaks off when a reply is longer than its own message, 214 bytes.
  [[nodiscard]] std::string text() const {
    return text::cat(R"({"capabilities":{"max_msg_fds":)", max_fds, R"(,"max_data_xfer_size":)", max_transfer,
                     R"(,"max_dma_maps":)", max_maps, R"(,"pgsizes":)", kPageBytes,
                     write_multiple ? R"(,"write_multiple":true}})" : "}}");
  }
  /// What stands after Version in a message; nothing does, too. Unknown names are passed over.
  /// Returns nothing when it is no JSON object with a zero byte, or a number in it makes no sense.
  [[nodiscard]] static std::optional<Capabilities> parse(std::span<const std::byte> bytes) {
    Capabilities out;
    if (bytes.empty()) return out;
    if (bytes.back() != std::byte{0}) return std::nullopt;
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size() - 1);
    const auto root = nlohmann::json::parse(text, nullptr, false);
    if (!root.is_object()) return std::nullopt;
    const auto all = root.find("capabilities");
    if (all == root.end()) return out;
    if (!all->is_object()) return std::nullopt;
    bool sound = true;
    const auto number = [&](const char* name, std::uint32_t least, std::uint32_t& to) {
      const auto at = all->find(name);
      if (at == all->end()) return;
      if (!at->is_number_unsigned() || at->template get<std::uint64_t>() < least) {
        sound = false;
        return;
      }
      const auto value = at->template get<std::uint64_t>();
      to = value < ~std::uint32_t{0} ? static_cast<std::uint32_t>(value) : ~std::uint32_t{0};
    };
    constexpr std::uint32_t kLeastTransfer = 16;  // a descriptor
    number("max_msg_fds", 0, out.max_fds);
    number("max_data_xfer_size", kLeastTransfer, out.max_transfer);
    number("max_dma_maps", 1, out.max_maps);
    const auto multi = all->find("write_multiple");
    out.write_multiple = multi != all->end() && multi->is_boolean() && multi->template get<bool>();
    if (!sound) return std::nullopt;
    return out;
  }
};

}  // namespace pollux::vfio_user

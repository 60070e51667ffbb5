// SPDX-License-Identifier: BSD-3-Clause
// What the contract's rigs on models share: the models with their drivers, by kind.
#pragma once
#include <cstdint>

#include <pollux/e1000/model.hpp>
#include <pollux/e1000/port.hpp>
#include <pollux/ixgbe/model.hpp>
#include <pollux/ixgbe/port.hpp>

#include "contract.hpp"
#include "counted.hpp"

namespace contract {

inline constexpr MacAddress kLeft{{0x02, 0, 0, 0, 0, 0x0A}}, kRight{{0x02, 0, 0, 0, 0, 0x0B}};

struct E82574 {
  using Model = e1000::Model82574;
  using Config = e1000::Config;
  template <class Backend>
  using Port = e1000::Port<e1000::I82574, Backend>;
  static constexpr std::uint32_t kMinRing = e1000::I82574::kMinRing;
  static e1000::Model82574Config card(const MacAddress& mac) { return {.mac = mac}; }
  /// One that takes no time, for rigs on the real clock.
  static e1000::Model82574Config quick_card(const MacAddress& mac) { return card(mac).instant(); }
  static PciId id(PciId real) noexcept { return real; }
  static bool excused(const sim::Fault&) { return false; }
};
template <ixgbe::Personality::Media Media>
struct E82599 {
  using Model = ixgbe::Model82599;
  using Config = ixgbe::Config;
  template <class Backend>
  using Port = ixgbe::Port<ixgbe::I82599, Backend>;
  static constexpr std::uint32_t kMinRing = ixgbe::I82599::kMinRing;
  static ixgbe::Personality card(const MacAddress& mac) {
    return {.media = Media,
            .mac = mac,
            .reset_time = 100_us,
            .nvm_load_time = 2_ms,
            .queue_time = 50_us,
            .link_time = 20_ms};
  }
  static ixgbe::Personality quick_card(const MacAddress& mac) { return {.media = Media, .mac = mac}; }
  static PciId id(PciId real) noexcept { return real; }
  static bool excused(const sim::Fault&) { return false; }
};

/// The X540's driver on the 82599's model, which minds what the chips do differently: another semaphore guards GSSR
/// (SW_FW_SYNC), and RXDCTL has RLPML.
struct X540 : E82599<ixgbe::Personality::Media::kCx4> {
  template <class Backend>
  using Port = ixgbe::Port<ixgbe::IX540, Backend>;
  static PciId id(PciId) noexcept { return {.vendor = 0x8086, .device = 0x1528}; }
  static bool excused(const sim::Fault& f) {
    return f.where == "GSSR" || (f.where.starts_with("RXDCTL[") && f.kind == sim::FaultKind::kReservedBit);
  }
};

using Cx4 = E82599<ixgbe::Personality::Media::kCx4>;
using Sfp = E82599<ixgbe::Personality::Media::kSfp>;

}  // namespace contract

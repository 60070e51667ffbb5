// SPDX-License-Identifier: BSD-3-Clause
// The controllers this driver knows: what differs between them, as compile-time traits, and their PCI ids.
#pragma once
#include <cstdint>
#include <span>

#include <pollux/core/clock.hpp>

namespace pollux::ixgbe {

/// What stands between the MAC and the cable; decides how the link is set up (link.hpp).
enum class Media : std::uint8_t {
  kFixed,      ///< wired as the NVM says: nothing to set up
  kCx4,        ///< 10GBASE-CX4: as kFixed, 10 Gbit/s without negotiation
  kSfi,        ///< SFP+ or QSFP cage, 10 Gbit/s serial
  kBackplane,  ///< KX, KX4, KR or XAUI on a board: the NVM says which, the MAC negotiates
  kCopper,     ///< twisted pair: a PHY negotiates and the MAC follows it
};

struct DeviceEntry {
  std::uint16_t vendor;
  std::uint16_t device;
  Media media;
  const char* name;
};

/// Every PCI id of the 82599's physical function. [linux ixgbe, dpdk ixgbe]
inline constexpr DeviceEntry kI82599Devices[] = {
    {0x8086, 0x10F7, Media::kBackplane, "82599 KX4"},
    {0x8086, 0x10F8, Media::kBackplane, "82599 combined backplane"},
    {0x8086, 0x10F9, Media::kCx4, "82599 CX4"},
    {0x8086, 0x10FB, Media::kSfi, "82599 SFP+"},
    {0x8086, 0x10FC, Media::kBackplane, "82599 XAUI"},
    {0x8086, 0x1507, Media::kSfi, "82599 SFP+ EM"},
    {0x8086, 0x1514, Media::kBackplane, "82599 KX4 mezzanine"},
    {0x8086, 0x1517, Media::kBackplane, "82599 KR"},
    {0x8086, 0x151C, Media::kCopper, "82599 T3"},
    {0x8086, 0x1529, Media::kSfi, "82599 SFP+ FCoE"},
    {0x8086, 0x152A, Media::kBackplane, "82599 backplane FCoE"},
    {0x8086, 0x154A, Media::kSfi, "82599 SFP+ quad port"},
    {0x8086, 0x154D, Media::kSfi, "82599 SFP+ SF2"},
    {0x8086, 0x154F, Media::kFixed, "82599 LS"},
    {0x8086, 0x1557, Media::kSfi, "82599EN SFP+"},
    {0x8086, 0x1558, Media::kSfi, "82599 QSFP+"},
};

/// Every PCI id of the X540's physical function. [linux ixgbe, dpdk ixgbe]
inline constexpr DeviceEntry kIX540Devices[] = {
    {0x8086, 0x1528, Media::kCopper, "X540-T2"},
    {0x8086, 0x1560, Media::kCopper, "X540-T1"},
};

/// What both have: one 10 Gbit/s port, 128 queues each way, advanced descriptors.
struct Common {
  static constexpr unsigned kRegisterBar = 0;
  static constexpr std::uint32_t kReceiveAddresses = 128;  ///< RAL/RAH pairs
  static constexpr std::uint32_t kMinRing = 64;            ///< [descriptors]
  static constexpr std::uint32_t kMaxRing = 8192;          ///< [descriptors]
  static constexpr std::uint32_t kMaxRxQueues = 16;        ///< that RSS spreads over
  static constexpr std::uint32_t kMaxTxQueues = 64;        ///< without DCB and virtualization
  static constexpr std::uint32_t kTxBufferKib = 160;       ///< [KiB] packet buffer
};

/// 82599ES, 82599EB, 82599EN.
struct I82599 : Common {
  static constexpr const char* kName = "82599";
  static constexpr std::span<const DeviceEntry> kDevices = kI82599Devices;
  static constexpr bool kLinkReset = true;            ///< CTRL.LNK_RST accompanies CTRL.RST
  static constexpr bool kRegisterSemaphore = false;   ///< SWSM.SWESMBI guards SW_FW_SYNC
  static constexpr bool kReceiveLimit = false;        ///< RXDCTL.RLPML is ignored [linux ixgbe]
  static constexpr Nanos kSettleAfterReset = 10_ms;   ///< [tinynf]
  static constexpr std::uint32_t kRxBufferKib = 512;  ///< [KiB] packet buffer
};

/// X540-AT2: the PHY is on the chip.
struct IX540 : Common {
  static constexpr const char* kName = "X540";
  static constexpr std::span<const DeviceEntry> kDevices = kIX540Devices;
  static constexpr bool kLinkReset = false;
  static constexpr bool kRegisterSemaphore = true;  ///< SW_FW_SYNC.REGSMP guards SW_FW_SYNC [linux ixgbe]
  static constexpr bool kReceiveLimit = true;
  static constexpr Nanos kSettleAfterReset = 100_ms;  ///< [linux ixgbe]
  static constexpr std::uint32_t kRxBufferKib = 384;  ///< [KiB] packet buffer [linux ixgbe]
};

}  // namespace pollux::ixgbe

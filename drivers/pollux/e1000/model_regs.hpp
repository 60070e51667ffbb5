// SPDX-License-Identifier: BSD-3-Clause
// What the model of the 82574 is made of: every register with access mode, existing bits and reset value; the fields
// that the driver does not know; interrupt causes. Descriptor words and PHY registers: model_desc.hpp.
//
// Written from the register notes on its own, not from the driver's regs.hpp: masks and resets here check the driver.
// Section texts: [8254x n] of the 8254x manual for what is inherited, [82574] for what that chip added.
#pragma once
#include <array>
#include <cstdint>

#include <pollux/e1000/regs.hpp>
#include <pollux/sim/gigabit_regs.hpp>

namespace pollux::e1000::model {

using sim::gigabit::bit, sim::gigabit::bits;

// ---- Registers the driver does not use, those whose fields the model needs ------------------------------------------

/// CTRL_EXT, what the NVM needs [8254x 13.4.6, 82574]
struct CtrlExtMore {
  static constexpr Field<CtrlExt, 13, 13, bool> ee_rst{};  ///< loads the NVM again; clears itself
};
struct Pbs : Register<Pbs, Access::kReadWrite, Run{.offset = 0x01008}> {};
struct Fla : Register<Fla, Access::kReadWrite, Run{.offset = 0x0001C}> {};
/// PSRCTL - sizes of the four buffers of a packet split descriptor [82574]
struct Psrctl : Register<Psrctl, Access::kReadWrite, Run{.offset = 0x02170}> {
  static constexpr Field<Psrctl, 6, 0> bsize0{};    ///< the header's [128 bytes]
  static constexpr Field<Psrctl, 13, 8> bsize1{};   ///< [KiB]
  static constexpr Field<Psrctl, 21, 16> bsize2{};  ///< [KiB]
  static constexpr Field<Psrctl, 29, 24> bsize3{};  ///< [KiB]
};
/// RFCTL, what packet split leaves whole [82574]
struct RfctlMore {
  static constexpr Field<Rfctl, 14, 14, bool> ipfrsp_dis{};  ///< fragments
};
struct Rsrpd : Register<Rsrpd, Access::kReadWrite, Run{.offset = 0x02C00}> {
  static constexpr Field<Rsrpd, 11, 0> size{};  ///< frames up to this size raise SRPD [bytes]; 0: none
};
/// TIDV, the bit that ends the delay [linux e1000e, which writes it before it stops]
struct TidvMore {
  static constexpr Field<Tidv, 31, 31, bool> fpd{};
};
struct Swsm : Register<Swsm, Access::kReadWrite, Run{.offset = 0x05B50}> {
  static constexpr Field<Swsm, 0, 0, bool> smbi{};  ///< a read gives the old value and sets it
};
struct Fwsm : Register<Fwsm, Access::kReadOnly, Run{.offset = 0x05B54}> {};
/// STATUS, the bits that never change here: LAN_INIT_DONE, speed 1000, and bit 31 as QEMU shows it.
inline constexpr std::uint32_t kStatusAlways = 0x8000'0280;

// ---- Statistics [8254x 13.7] ----------------------------------------------------------------------------------------

/// Offsets of the counters: those of every gigabit MAC, and those this chip added.
namespace stat {
using namespace sim::gigabit::stat;
inline constexpr std::uint32_t kIcrxptc = 0x4104, kIcrxatc = 0x4108, kIctxptc = 0x410C, kIctxatc = 0x4110,
                               kIctxqec = 0x4118, kIcrxoc = 0x4124;
}  // namespace stat

// ---- Interrupt causes: bits of ICR, ICS, IMS, IMC [8254x 13.4.17] ---------------------------------------------------

namespace cause {
inline constexpr std::uint32_t kTxdw = bit(0), kTxqe = bit(1), kLsc = bit(2), kRxdmt0 = bit(4), kRxo = bit(6),
                               kRxt0 = bit(7), kMdac = bit(9), kSrpd = bit(16), kRxq0 = bit(20), kTxq0 = bit(22),
                               kOther = bit(24), kAsserted = bit(31);
/// Those that have no queue: they raise OTHER as well. [82574]
inline constexpr std::uint32_t kOtherCauses = kLsc | kRxo | kMdac | kSrpd | bits(18, 17);
inline constexpr std::uint32_t kAll = bits(4, 0) | bits(7, 6) | bit(9) | bits(24, 11);
inline constexpr std::uint32_t kReserved = bit(5) | bit(8) | bit(10);
inline constexpr std::uint32_t kQueues = bits(24, 20);  ///< those with an entry in IVAR, in its order
}  // namespace cause

// ---- The register table ---------------------------------------------------------------------------------------------

using sim::Mode, sim::RegSpec;

// clang-format off
/// Every register but sim::gigabit::kStatistics. A bit outside `mask` must not be set by software.
inline constexpr RegSpec kModelRegisters[] = {
  // General
  {.name = "CTRL", .mode = Mode::kRW, .offset = 0x0000, .mask = bit(0) | bits(3, 2) | bits(9, 5) | bits(12, 11) | bits(28, 18) | bits(31, 30), .reset = 0x0014'0241, .section = "8254x 13.4.1"},
  {.name = "STATUS", .mode = Mode::kRO, .offset = 0x0008, .reset = 0x8008'0280, .section = "8254x 13.4.2"},
  {.name = "EECD", .mode = Mode::kRW, .offset = 0x0010, .mask = bits(6, 0) | bits(20, 19) | bit(22), .reset = 0x0000'0100, .section = "8254x 13.4.3"},
  {.name = "EERD", .mode = Mode::kRW, .offset = 0x0014, .mask = bit(0) | bits(15, 2), .section = "8254x 13.4.4"},
  {.name = "CTRL_EXT", .mode = Mode::kRW, .offset = 0x0018, .mask = bits(13, 0) | bit(15) | bits(20, 17) | bits(24, 22) | bits(29, 27) | bit(31), .section = "8254x 13.4.6"},
  {.name = "FLA", .mode = Mode::kRW, .offset = 0x001C, .section = "8254x 13.4.5"},
  {.name = "MDIC", .mode = Mode::kRW, .offset = 0x0020, .mask = bits(27, 0) | bit(29), .reset = bit(28), .section = "8254x 13.4.7"},
  {.name = "FCAL", .mode = Mode::kRW, .offset = 0x0028, .section = "8254x 13.4.8"},
  {.name = "FCAH", .mode = Mode::kRW, .offset = 0x002C, .mask = bits(15, 0), .section = "8254x 13.4.9"},
  {.name = "FCT", .mode = Mode::kRW, .offset = 0x0030, .mask = bits(15, 0), .section = "8254x 13.4.10"},
  {.name = "VET", .mode = Mode::kRW, .offset = 0x0038, .mask = bits(15, 0), .reset = 0x8100, .section = "8254x 13.4.11"},
  {.name = "FCTTV", .mode = Mode::kRW, .offset = 0x0170, .mask = bits(15, 0), .section = "8254x 13.4.14"},
  {.name = "TXCW", .mode = Mode::kRW, .offset = 0x0178, .section = "8254x 13.4.15"},
  {.name = "RXCW", .mode = Mode::kRO, .offset = 0x0180, .section = "8254x 13.4.16"},
  {.name = "LEDCTL", .mode = Mode::kRW, .offset = 0x0E00, .mask = 0xCFCF'CFEF, .reset = 0x0006'8302, .section = "8254x 13.4.12"},
  {.name = "EXTCNF_CTRL", .mode = Mode::kRW, .offset = 0x0F00, .mask = bit(5), .section = "82574"},
  {.name = "PBA", .mode = Mode::kRW, .offset = 0x1000, .mask = bits(15, 0), .reset = 0x0014'0014, .section = "8254x 13.4.12"},
  {.name = "PBS", .mode = Mode::kRW, .offset = 0x1008, .mask = bits(15, 0), .section = "82574"},
  {.name = "EEMNGCTL", .mode = Mode::kRO, .offset = 0x1010, .reset = 0x8000'0000, .section = "82574"},
  {.name = "EEWR", .mode = Mode::kRW, .offset = 0x102C, .mask = bit(0) | bits(31, 2), .reset = bit(1), .section = "82574"},
  {.name = "WUC", .mode = Mode::kRW, .offset = 0x5800, .mask = bits(3, 0), .section = "8254x 13.5"},
  {.name = "WUFC", .mode = Mode::kRW, .offset = 0x5808, .mask = bits(7, 0) | bits(19, 15), .section = "8254x 13.6.2"},
  {.name = "WUS", .mode = Mode::kW1C, .offset = 0x5810, .section = "8254x 13.6.3"},
  {.name = "MANC", .mode = Mode::kRW, .offset = 0x5820, .mask = bit(13) | bit(17) | bit(21), .reset = 0x1000'0000, .section = "8254x 13.6.6"},
  {.name = "MANC2H", .mode = Mode::kRW, .offset = 0x5860, .section = "82574"},
  {.name = "GCR", .mode = Mode::kRW, .offset = 0x5B00, .mask = bits(5, 0) | bit(22) | bit(27), .reset = 0x0680'0200, .section = "82574"},
  {.name = "FACTPS", .mode = Mode::kRO, .offset = 0x5B30, .section = "82574"},
  {.name = "SWSM", .mode = Mode::kRW, .offset = 0x5B50, .mask = bits(1, 0) | bit(3), .section = "82574"},
  {.name = "FWSM", .mode = Mode::kRO, .offset = 0x5B54, .section = "82574"},
  {.name = "GCR2", .mode = Mode::kRW, .offset = 0x5B64, .mask = bit(0), .section = "82574"},
  // Interrupt
  {.name = "ICR", .mode = Mode::kRCW1C, .offset = 0x00C0, .mask = cause::kAll | cause::kAsserted, .section = "8254x 13.4.17"},
  {.name = "ITR", .mode = Mode::kRW, .offset = 0x00C4, .mask = bits(15, 0), .section = "8254x 13.4.18"},
  {.name = "ICS", .mode = Mode::kWO, .offset = 0x00C8, .mask = cause::kAll, .section = "8254x 13.4.19"},
  {.name = "IMS", .mode = Mode::kWS, .offset = 0x00D0, .mask = cause::kAll, .section = "8254x 13.4.20"},
  {.name = "IMC", .mode = Mode::kWO, .offset = 0x00D8, .section = "8254x 13.4.21"},
  {.name = "EIAC", .mode = Mode::kRW, .offset = 0x00DC, .mask = cause::kQueues, .section = "82574"},
  {.name = "IAM", .mode = Mode::kRW, .offset = 0x00E0, .mask = cause::kAll, .section = "82574"},
  {.name = "IVAR", .mode = Mode::kRW, .offset = 0x00E4, .mask = bits(19, 0) | bit(31), .section = "82574"},
  {.name = "EITR", .mode = Mode::kRW, .offset = 0x00E8, .count = 5, .mask = bits(15, 0), .section = "82574"},
  // Receive
  {.name = "RCTL", .mode = Mode::kRW, .offset = 0x0100, .mask = bits(13, 1) | bits(20, 15) | bits(23, 22) | bits(30, 25), .section = "8254x 13.4.22"},
  {.name = "FCRTL", .mode = Mode::kRW, .offset = 0x2160, .mask = bits(15, 3) | bit(31), .section = "8254x 13.4.23"},
  {.name = "FCRTH", .mode = Mode::kRW, .offset = 0x2168, .mask = bits(15, 3), .section = "8254x 13.4.24"},
  {.name = "PSRCTL", .mode = Mode::kRW, .offset = 0x2170, .mask = bits(6, 0) | bits(13, 8) | bits(21, 16) | bits(29, 24), .reset = 0x0004'0402, .section = "82574"},
  {.name = "RDBAL", .mode = Mode::kRW, .offset = 0x2800, .count = 2, .stride = 0x100, .section = "8254x 13.4.25"},
  {.name = "RDBAH", .mode = Mode::kRW, .offset = 0x2804, .count = 2, .stride = 0x100, .section = "8254x 13.4.26"},
  {.name = "RDLEN", .mode = Mode::kRW, .offset = 0x2808, .count = 2, .stride = 0x100, .mask = bits(19, 0), .section = "8254x 13.4.27"},
  {.name = "RDH", .mode = Mode::kRW, .offset = 0x2810, .count = 2, .stride = 0x100, .mask = bits(15, 0), .section = "8254x 13.4.28"},
  {.name = "RDT", .mode = Mode::kRW, .offset = 0x2818, .count = 2, .stride = 0x100, .mask = bits(15, 0), .section = "8254x 13.4.29"},
  {.name = "RDTR", .mode = Mode::kRW, .offset = 0x2820, .mask = bits(15, 0) | bit(31), .section = "8254x 13.4.30"},
  {.name = "RXDCTL", .mode = Mode::kRW, .offset = 0x2828, .count = 2, .stride = 0x100, .mask = bits(5, 0) | bits(13, 8) | bits(21, 16) | bit(24), .reset = 0x0001'0000, .section = "8254x 13.4.46"},
  {.name = "RADV", .mode = Mode::kRW, .offset = 0x282C, .mask = bits(15, 0), .section = "8254x 13.4.31"},
  {.name = "RSRPD", .mode = Mode::kRW, .offset = 0x2C00, .mask = bits(11, 0), .section = "8254x 13.4.32"},
  {.name = "RAID", .mode = Mode::kRW, .offset = 0x2C08, .mask = bits(15, 0), .section = "82574"},
  {.name = "RXCSUM", .mode = Mode::kRW, .offset = 0x5000, .mask = bits(9, 0) | bits(13, 12), .reset = 0x300, .section = "8254x 13.4.47"},
  {.name = "RFCTL", .mode = Mode::kRW, .offset = 0x5008, .mask = bits(17, 0), .section = "82574"},
  {.name = "MTA", .mode = Mode::kRW, .offset = 0x5200, .count = 128, .section = "8254x 13.5.1"},
  {.name = "RAL", .mode = Mode::kRW, .offset = 0x5400, .count = 16, .stride = 8, .section = "8254x 13.5.2"},
  {.name = "RAH", .mode = Mode::kRW, .offset = 0x5404, .count = 16, .stride = 8, .mask = bits(17, 0) | bit(31), .section = "8254x 13.5.3"},
  {.name = "VFTA", .mode = Mode::kRW, .offset = 0x5600, .count = 128, .section = "8254x 13.5.4"},
  {.name = "MRQC", .mode = Mode::kRW, .offset = 0x5818, .mask = bits(1, 0) | bits(21, 16), .section = "82574"},
  {.name = "RETA", .mode = Mode::kRW, .offset = 0x5C00, .count = 32, .section = "82574"},
  {.name = "RSSRK", .mode = Mode::kRW, .offset = 0x5C80, .count = 10, .section = "82574"},
  // Transmit
  {.name = "TCTL", .mode = Mode::kRW, .offset = 0x0400, .mask = bit(1) | bits(25, 3) | bit(28), .section = "8254x 13.4.33"},
  {.name = "TIPG", .mode = Mode::kRW, .offset = 0x0410, .mask = bits(29, 0), .reset = 0x0060'2008, .section = "8254x 13.4.34"},
  {.name = "AIT", .mode = Mode::kRW, .offset = 0x0458, .mask = bits(15, 0), .section = "8254x 13.4.35"},
  {.name = "TDBAL", .mode = Mode::kRW, .offset = 0x3800, .count = 2, .stride = 0x100, .section = "8254x 13.4.36"},
  {.name = "TDBAH", .mode = Mode::kRW, .offset = 0x3804, .count = 2, .stride = 0x100, .section = "8254x 13.4.37"},
  {.name = "TDLEN", .mode = Mode::kRW, .offset = 0x3808, .count = 2, .stride = 0x100, .mask = bits(19, 0), .section = "8254x 13.4.38"},
  {.name = "TDH", .mode = Mode::kRW, .offset = 0x3810, .count = 2, .stride = 0x100, .mask = bits(15, 0), .section = "8254x 13.4.39"},
  {.name = "TDT", .mode = Mode::kRW, .offset = 0x3818, .count = 2, .stride = 0x100, .mask = bits(15, 0), .section = "8254x 13.4.40"},
  {.name = "TIDV", .mode = Mode::kRW, .offset = 0x3820, .mask = bits(15, 0) | bit(31), .section = "8254x 13.4.41"},  // 31: linux e1000e
  {.name = "TXDCTL", .mode = Mode::kRW, .offset = 0x3828, .count = 2, .stride = 0x100, .mask = bits(5, 0) | bits(13, 8) | bits(22, 16) | bits(31, 24), .section = "8254x 13.4.43"},
  {.name = "TADV", .mode = Mode::kRW, .offset = 0x382C, .mask = bits(15, 0), .section = "8254x 13.4.44"},
  {.name = "TARC", .mode = Mode::kRW, .offset = 0x3840, .count = 2, .stride = 0x100, .mask = bits(6, 0) | bit(10) | bits(30, 20), .reset = 0x403, .section = "82574"},
  // Statistics beside sim::gigabit::kStatistics
  {.name = "IAC", .mode = Mode::kRC, .offset = 0x4100, .section = "82574"},
  {.name = "ICRXPTC", .mode = Mode::kRC, .offset = 0x4104, .section = "82574"},
  {.name = "ICRXATC", .mode = Mode::kRC, .offset = 0x4108, .section = "82574"},
  {.name = "ICTXPTC", .mode = Mode::kRC, .offset = 0x410C, .section = "82574"},
  {.name = "ICTXATC", .mode = Mode::kRC, .offset = 0x4110, .section = "82574"},
  {.name = "ICTXQEC", .mode = Mode::kRC, .offset = 0x4118, .section = "82574"},
  {.name = "ICTXQMTC", .mode = Mode::kRC, .offset = 0x411C, .section = "82574"},
  {.name = "ICRXDMTC", .mode = Mode::kRC, .offset = 0x4120, .section = "82574"},
  {.name = "ICRXOC", .mode = Mode::kRC, .offset = 0x4124, .section = "82574"},
  // Time stamping: stored only
  {.name = "SYSTIML", .mode = Mode::kRW, .offset = 0xB600, .section = "82574"},
  {.name = "SYSTIMH", .mode = Mode::kRW, .offset = 0xB604, .section = "82574"},
  {.name = "TIMINCA", .mode = Mode::kRW, .offset = 0xB608, .section = "82574"},
  {.name = "TIMADJL", .mode = Mode::kRW, .offset = 0xB60C, .section = "82574"},
  {.name = "TIMADJH", .mode = Mode::kRW, .offset = 0xB610, .section = "82574"},
  {.name = "TSYNCTXCTL", .mode = Mode::kRW, .offset = 0xB614, .mask = bit(4), .section = "82574"},
  {.name = "TXSTMPL", .mode = Mode::kRO, .offset = 0xB618, .section = "82574"},
  {.name = "TXSTMPH", .mode = Mode::kRO, .offset = 0xB61C, .section = "82574"},
  {.name = "TSYNCRXCTL", .mode = Mode::kRW, .offset = 0xB620, .mask = bits(5, 1), .section = "82574"},
  {.name = "RXSTMPL", .mode = Mode::kRO, .offset = 0xB624, .section = "82574"},
  {.name = "RXSTMPH", .mode = Mode::kRO, .offset = 0xB628, .section = "82574"},
  {.name = "RXSATRL", .mode = Mode::kRO, .offset = 0xB62C, .section = "82574"},
  {.name = "RXSATRH", .mode = Mode::kRO, .offset = 0xB630, .section = "82574"},
  {.name = "RXMTRL", .mode = Mode::kRW, .offset = 0xB634, .section = "82574"},
  {.name = "RXUDP", .mode = Mode::kRW, .offset = 0xB638, .section = "82574"},
  // Aliases at the offsets of the 82542: see kAliases
  {.name = "CTRL alias", .mode = Mode::kRW, .offset = 0x0004, .mask = bit(0) | bits(3, 2) | bits(9, 5) | bits(12, 11) | bits(28, 18) | bits(31, 30), .reset = 0x0014'0241, .section = "8254x 13.4.1"},
  {.name = "RA alias", .mode = Mode::kRW, .offset = 0x0040, .count = 32, .section = "8254x 13.5.2"},
  {.name = "RDTR alias", .mode = Mode::kRW, .offset = 0x0108, .mask = bits(15, 0) | bit(31), .section = "8254x 13.4.30"},
  {.name = "RDBAL alias", .mode = Mode::kRW, .offset = 0x0110, .section = "8254x 13.4.25"},
  {.name = "RDBAH alias", .mode = Mode::kRW, .offset = 0x0114, .section = "8254x 13.4.26"},
  {.name = "RDLEN alias", .mode = Mode::kRW, .offset = 0x0118, .mask = bits(19, 0), .section = "8254x 13.4.27"},
  {.name = "RDH alias", .mode = Mode::kRW, .offset = 0x0120, .mask = bits(15, 0), .section = "8254x 13.4.28"},
  {.name = "RDT alias", .mode = Mode::kRW, .offset = 0x0128, .mask = bits(15, 0), .section = "8254x 13.4.29"},
  {.name = "FCRTH alias", .mode = Mode::kRW, .offset = 0x0160, .mask = bits(15, 3), .section = "8254x 13.4.24"},
  {.name = "FCRTL alias", .mode = Mode::kRW, .offset = 0x0168, .mask = bits(15, 3) | bit(31), .section = "8254x 13.4.23"},
  {.name = "MTA alias", .mode = Mode::kRW, .offset = 0x0200, .count = 128, .section = "8254x 13.5.1"},
  {.name = "TDBAL alias", .mode = Mode::kRW, .offset = 0x0420, .section = "8254x 13.4.36"},
  {.name = "TDBAH alias", .mode = Mode::kRW, .offset = 0x0424, .section = "8254x 13.4.37"},
  {.name = "TDLEN alias", .mode = Mode::kRW, .offset = 0x0428, .mask = bits(19, 0), .section = "8254x 13.4.38"},
  {.name = "TDH alias", .mode = Mode::kRW, .offset = 0x0430, .mask = bits(15, 0), .section = "8254x 13.4.39"},
  {.name = "TDT alias", .mode = Mode::kRW, .offset = 0x0438, .mask = bits(15, 0), .section = "8254x 13.4.40"},
  {.name = "TIDV alias", .mode = Mode::kRW, .offset = 0x0440, .mask = bits(15, 0) | bit(31), .section = "8254x 13.4.41"},
  {.name = "VFTA alias", .mode = Mode::kRW, .offset = 0x0600, .count = 128, .section = "8254x 13.5.4"},
};
// clang-format on

/// A run of words that are other registers' second address.
struct Alias {
  std::uint32_t at, canonical, bytes;
};
inline constexpr Alias kAliases[] = {
    {0x0004, 0x0000, 4}, {0x0040, 0x5400, 128}, {0x0108, 0x2820, 4}, {0x0110, 0x2800, 12},  {0x0120, 0x2810, 4},
    {0x0128, 0x2818, 4}, {0x0160, 0x2168, 4},   {0x0168, 0x2160, 4}, {0x0200, 0x5200, 512}, {0x0420, 0x3800, 12},
    {0x0430, 0x3810, 4}, {0x0438, 0x3818, 4},   {0x0440, 0x3820, 4}, {0x0600, 0x5600, 512},
};
/// Where the register behind an offset really lies.
[[nodiscard]] constexpr std::uint32_t canonical(std::uint32_t offset) noexcept {
  if (offset >= 0x0800) return offset;
  for (const Alias& a : kAliases) {
    if (offset >= a.at && offset - a.at < a.bytes) return a.canonical + (offset - a.at);
  }
  return offset;
}

}  // namespace pollux::e1000::model

// SPDX-License-Identifier: BSD-3-Clause
// What Intel's gigabit MACs inherited from the 8254x, as their models know it: offsets, fields, statistics counters.
// Sections: [8254x n] of the 8254x Software Developer's Manual.
#pragma once
#include <cstdint>

#include <pollux/sim/registers.hpp>

namespace pollux::sim::gigabit {

/// A mask of bits high to low, as the datasheet prints a field.
constexpr std::uint32_t bits(unsigned high, unsigned low) noexcept {
  return (high == 31 ? ~0u : (1u << (high + 1)) - 1) & ~((1u << low) - 1);
}
constexpr std::uint32_t bit(unsigned n) noexcept { return bits(n, n); }
/// Bits high..low of a word, moved to its low end.
constexpr std::uint32_t field(std::uint32_t word, unsigned high, unsigned low) noexcept {
  return (word & bits(high, low)) >> low;
}

// ---- Registers ------------------------------------------------------------------------------------------------------

inline constexpr std::uint32_t kCtrl = 0x0000, kStatus = 0x0008, kEecd = 0x0010, kEerd = 0x0014, kCtrlExt = 0x0018,
                               kMdic = 0x0020, kFcal = 0x0028, kFcah = 0x002C, kFct = 0x0030, kVet = 0x0038,
                               kRctl = 0x0100, kFcttv = 0x0170, kTctl = 0x0400, kEemngctl = 0x1010, kEewr = 0x102C,
                               kFcrtl = 0x2160, kFcrth = 0x2168, kMta = 0x5200, kRal = 0x5400, kVfta = 0x5600;

/// CTRL [8254x 13.4.1]
namespace ctrl {
inline constexpr std::uint32_t kFd = bit(0), kGioMasterDisable = bit(2), kSlu = bit(6), kRst = bit(26), kRfce = bit(27),
                               kTfce = bit(28), kVme = bit(30), kPhyRst = bit(31);
}  // namespace ctrl
/// STATUS [8254x 13.4.2]
namespace status {
inline constexpr std::uint32_t kFd = bit(0), kLu = bit(1), kTxoff = bit(4), kGioMasterEn = bit(19);
}  // namespace status
/// RCTL [8254x 13.4.22]
namespace rctl {
inline constexpr std::uint32_t kEn = bit(1), kSbp = bit(2), kUpe = bit(3), kMpe = bit(4), kLpe = bit(5), kBam = bit(15),
                               kVfe = bit(18), kCfien = bit(19), kCfi = bit(20), kDpf = bit(22), kPmcf = bit(23),
                               kSecrc = bit(26);
}  // namespace rctl
inline constexpr std::uint32_t kEecdReq = bit(6), kEecdGnt = bit(7), kEecdAutoRd = bit(9), kCfgDone = bit(18);
inline constexpr std::uint32_t kRahAv = bit(31), kFcrtlXone = bit(31);
/// EERD, EEWR; address 15:2, data 31:16 [82571 and later]
inline constexpr std::uint32_t kNvmStart = bit(0), kNvmDone = bit(1);
/// MDIC; data 15:0, register 20:16, PHY 25:21 [8254x 13.4.7]
inline constexpr std::uint32_t kMdicWrite = 1, kMdicRead = 2, kMdicReady = bit(28), kMdicIe = bit(29),
                               kMdicError = bit(30);
/// Interrupt causes of the MAC itself [8254x 13.4.17]
inline constexpr std::uint32_t kCauseLsc = bit(2), kCauseMdac = bit(9);

// ---- Statistics [8254x 13.7] ----------------------------------------------------------------------------------------

/// Offsets of the counters; pairs are named by their low half.
namespace stat {
inline constexpr std::uint32_t kMpc = 0x4010, kRlec = 0x4040, kXonRx = 0x4048, kXonTx = 0x404C, kXoffRx = 0x4050,
                               kXoffTx = 0x4054, kFcru = 0x4058, kPrc64 = 0x405C, kGprc = 0x4074, kBprc = 0x4078,
                               kMprc = 0x407C, kGptc = 0x4080, kGorc = 0x4088, kGotc = 0x4090, kRnbc = 0x40A0,
                               kRuc = 0x40A4, kRoc = 0x40AC, kTor = 0x40C0, kTot = 0x40C8, kTpr = 0x40D0, kTpt = 0x40D4,
                               kPtc64 = 0x40D8, kMptc = 0x40F0, kBptc = 0x40F4, kTsctc = 0x40F8, kTsctfc = 0x40FC,
                               kIac = 0x4100, kIcrxdmtc = 0x4120;
/// Low halves of the 64-bit pairs; reading the high half clears both.
inline constexpr std::uint32_t kPairs[] = {kGorc, kGotc, kTor, kTot};
}  // namespace stat

// clang-format off
/// A read clears; of a pair, the high half's read clears both.
inline constexpr RegSpec kStatistics[] = {
  {.name = "CRCERRS", .mode = Mode::kRC, .offset = 0x4000, .section = "8254x 13.7.1"},
  {.name = "ALGNERRC", .mode = Mode::kRC, .offset = 0x4004, .section = "8254x 13.7.2"},
  {.name = "SYMERRS", .mode = Mode::kRC, .offset = 0x4008, .section = "8254x 13.7.3"},
  {.name = "RXERRC", .mode = Mode::kRC, .offset = 0x400C, .section = "8254x 13.7.4"},
  {.name = "MPC", .mode = Mode::kRC, .offset = 0x4010, .section = "8254x 13.7.5"},
  {.name = "SCC", .mode = Mode::kRC, .offset = 0x4014, .section = "8254x 13.7.6"},
  {.name = "ECOL", .mode = Mode::kRC, .offset = 0x4018, .section = "8254x 13.7.7"},
  {.name = "MCC", .mode = Mode::kRC, .offset = 0x401C, .section = "8254x 13.7.8"},
  {.name = "LATECOL", .mode = Mode::kRC, .offset = 0x4020, .section = "8254x 13.7.9"},
  {.name = "COLC", .mode = Mode::kRC, .offset = 0x4028, .section = "8254x 13.7.10"},
  {.name = "DC", .mode = Mode::kRC, .offset = 0x4030, .section = "8254x 13.7.11"},
  {.name = "TNCRS", .mode = Mode::kRC, .offset = 0x4034, .section = "8254x 13.7.12"},
  {.name = "SEC", .mode = Mode::kRC, .offset = 0x4038, .section = "8254x 13.7.13"},
  {.name = "CEXTERR", .mode = Mode::kRC, .offset = 0x403C, .section = "8254x 13.7.14"},
  {.name = "RLEC", .mode = Mode::kRC, .offset = 0x4040, .section = "8254x 13.7.15"},
  {.name = "XONRXC", .mode = Mode::kRC, .offset = 0x4048, .section = "8254x 13.7.16"},
  {.name = "XONTXC", .mode = Mode::kRC, .offset = 0x404C, .section = "8254x 13.7.17"},
  {.name = "XOFFRXC", .mode = Mode::kRC, .offset = 0x4050, .section = "8254x 13.7.18"},
  {.name = "XOFFTXC", .mode = Mode::kRC, .offset = 0x4054, .section = "8254x 13.7.19"},
  {.name = "FCRUC", .mode = Mode::kRC, .offset = 0x4058, .section = "8254x 13.7.20"},
  {.name = "PRC64", .mode = Mode::kRC, .offset = 0x405C, .section = "8254x 13.7.21"},
  {.name = "PRC127", .mode = Mode::kRC, .offset = 0x4060, .section = "8254x 13.7.22"},
  {.name = "PRC255", .mode = Mode::kRC, .offset = 0x4064, .section = "8254x 13.7.23"},
  {.name = "PRC511", .mode = Mode::kRC, .offset = 0x4068, .section = "8254x 13.7.24"},
  {.name = "PRC1023", .mode = Mode::kRC, .offset = 0x406C, .section = "8254x 13.7.25"},
  {.name = "PRC1522", .mode = Mode::kRC, .offset = 0x4070, .section = "8254x 13.7.26"},
  {.name = "GPRC", .mode = Mode::kRC, .offset = 0x4074, .section = "8254x 13.7.27"},
  {.name = "BPRC", .mode = Mode::kRC, .offset = 0x4078, .section = "8254x 13.7.28"},
  {.name = "MPRC", .mode = Mode::kRC, .offset = 0x407C, .section = "8254x 13.7.29"},
  {.name = "GPTC", .mode = Mode::kRC, .offset = 0x4080, .section = "8254x 13.7.30"},
  {.name = "GORCL", .mode = Mode::kRO, .offset = 0x4088, .section = "8254x 13.7.31"},
  {.name = "GORCH", .mode = Mode::kRC, .offset = 0x408C, .section = "8254x 13.7.31"},
  {.name = "GOTCL", .mode = Mode::kRO, .offset = 0x4090, .section = "8254x 13.7.32"},
  {.name = "GOTCH", .mode = Mode::kRC, .offset = 0x4094, .section = "8254x 13.7.32"},
  {.name = "RNBC", .mode = Mode::kRC, .offset = 0x40A0, .section = "8254x 13.7.33"},
  {.name = "RUC", .mode = Mode::kRC, .offset = 0x40A4, .section = "8254x 13.7.34"},
  {.name = "RFC", .mode = Mode::kRC, .offset = 0x40A8, .section = "8254x 13.7.35"},
  {.name = "ROC", .mode = Mode::kRC, .offset = 0x40AC, .section = "8254x 13.7.36"},
  {.name = "RJC", .mode = Mode::kRC, .offset = 0x40B0, .section = "8254x 13.7.37"},
  {.name = "MGTPRC", .mode = Mode::kRC, .offset = 0x40B4, .section = "8254x 13.7.38"},
  {.name = "MGTPDC", .mode = Mode::kRC, .offset = 0x40B8, .section = "8254x 13.7.39"},
  {.name = "MGTPTC", .mode = Mode::kRC, .offset = 0x40BC, .section = "8254x 13.7.40"},
  {.name = "TORL", .mode = Mode::kRO, .offset = 0x40C0, .section = "8254x 13.7.41"},
  {.name = "TORH", .mode = Mode::kRC, .offset = 0x40C4, .section = "8254x 13.7.41"},
  {.name = "TOTL", .mode = Mode::kRO, .offset = 0x40C8, .section = "8254x 13.7.42"},
  {.name = "TOTH", .mode = Mode::kRC, .offset = 0x40CC, .section = "8254x 13.7.42"},
  {.name = "TPR", .mode = Mode::kRC, .offset = 0x40D0, .section = "8254x 13.7.43"},
  {.name = "TPT", .mode = Mode::kRC, .offset = 0x40D4, .section = "8254x 13.7.44"},
  {.name = "PTC64", .mode = Mode::kRC, .offset = 0x40D8, .section = "8254x 13.7.45"},
  {.name = "PTC127", .mode = Mode::kRC, .offset = 0x40DC, .section = "8254x 13.7.46"},
  {.name = "PTC255", .mode = Mode::kRC, .offset = 0x40E0, .section = "8254x 13.7.47"},
  {.name = "PTC511", .mode = Mode::kRC, .offset = 0x40E4, .section = "8254x 13.7.48"},
  {.name = "PTC1023", .mode = Mode::kRC, .offset = 0x40E8, .section = "8254x 13.7.49"},
  {.name = "PTC1522", .mode = Mode::kRC, .offset = 0x40EC, .section = "8254x 13.7.50"},
  {.name = "MPTC", .mode = Mode::kRC, .offset = 0x40F0, .section = "8254x 13.7.51"},
  {.name = "BPTC", .mode = Mode::kRC, .offset = 0x40F4, .section = "8254x 13.7.52"},
  {.name = "TSCTC", .mode = Mode::kRC, .offset = 0x40F8, .section = "8254x 13.7.53"},
  {.name = "TSCTFC", .mode = Mode::kRC, .offset = 0x40FC, .section = "8254x 13.7.54"},
};
// clang-format on

}  // namespace pollux::sim::gigabit

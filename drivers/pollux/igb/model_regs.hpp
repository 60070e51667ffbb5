// SPDX-License-Identifier: BSD-3-Clause
// The 82576's registers as its model knows them: offsets, bits the model acts on, and one table of everything that is
// there, but the statistics that every gigabit MAC has (sim::gigabit::kStatistics).
//
// Sections: [8254x n] of the 8254x manual for what is inherited, [82576] for what that family added, [linux igb] and
// [quirk qemu] for what only these tell. The 82576 datasheet itself was not at hand.
#pragma once
#include <cstdint>

#include <pollux/sim/gigabit_regs.hpp>

namespace pollux::igb::model {

using namespace sim::gigabit;
using sim::Mode, sim::RegSpec;

inline constexpr std::uint32_t kBarBytes = 128 * 1024;
inline constexpr std::uint32_t kQueues = 16, kLowQueues = 4, kVectors = 25;

// ---- Offsets ------------------------------------------------------------------------------------------------------

inline constexpr std::uint32_t kSwsm = 0x5B50, kSwFwSync = 0x5B5C, kGcr = 0x5B00, kFla = 0x001C, kPbacl = 0x5B68;
inline constexpr std::uint32_t kIcr = 0x00C0, kIcs = 0x00C8, kIms = 0x00D0, kImc = 0x00D8, kIam = 0x00E0,
                               kGpie = 0x1514, kEics = 0x1520, kEims = 0x1524, kEimc = 0x1528, kEiac = 0x152C,
                               kEiam = 0x1530, kEicr = 0x1580, kEitr = 0x1680, kIvar = 0x1700, kIvarMisc = 0x1740;
inline constexpr std::uint32_t kRxPbs = 0x2404, kTxPbs = 0x3404, kRxCsum = 0x5000, kRlpml = 0x5004, kRfctl = 0x5008,
                               kMrqc = 0x5818, kReta = 0x5C00, kRssrk = 0x5C80, kEtqf = 0x5CB0, kUta = 0xA000;
inline constexpr std::uint32_t kRx = 0xC000, kTx = 0xE000, kQueueStride = 0x40;
inline constexpr std::uint32_t kRxLow = 0x2800, kTxLow = 0x3800, kLowStride = 0x100;  ///< queues 0 to 3 once more
inline constexpr std::uint32_t kSystimL = 0xB600, kSystimH = 0xB604, kTiminca = 0xB608,
                               kTsicr = 0xB66C;  ///< not there [82580]
inline constexpr std::uint32_t kRpthc = 0x4104, kHgptc = 0x4118, kHgorc = 0x4128, kHgotc = 0x4130;

/// Registers of one queue, as offsets from its base.
namespace queue {
inline constexpr std::uint32_t kBal = 0x00, kBah = 0x04, kLen = 0x08, kSrrctl = 0x0C, kHead = 0x10, kDca = 0x14,
                               kTail = 0x18, kCtl = 0x28, kDropped = 0x30, kWbal = 0x38, kWbah = 0x3C;
}  // namespace queue
constexpr std::uint32_t rx_base(std::uint32_t q) noexcept { return kRx + q * kQueueStride; }
constexpr std::uint32_t tx_base(std::uint32_t q) noexcept { return kTx + q * kQueueStride; }

// ---- Bits ---------------------------------------------------------------------------------------------------------

inline constexpr std::uint32_t kSmbi = bit(0), kSwesmbi = bit(1);                      // SWSM
inline constexpr std::uint32_t kPhy0 = bit(1);                                         // SW_FW_SYNC
inline constexpr std::uint32_t kEnable = bit(25), kSwflsh = bit(26);                   // RXDCTL, TXDCTL
inline constexpr std::uint32_t kDropEn = bit(31), kOneBuffer = 1;                      // SRRCTL, its DESCTYPE
inline constexpr std::uint32_t kNsicr = bit(0), kMsixMode = bit(4), kEiame = bit(30);  // GPIE
inline constexpr std::uint32_t kCtrlExtIame = bit(27), kEeRst = bit(13);               // CTRL_EXT
inline constexpr std::uint32_t kIvarValid = 0x80;
inline constexpr std::uint32_t kTctlEn = bit(1), kTctlPsp = bit(3), kTctlSwxoff = bit(22);
inline constexpr std::uint32_t kIpOfl = bit(8), kTuOfl = bit(9), kCrcOfl = bit(11), kPcsd = bit(13);  // RXCSUM
/// STATUS, the bits that never change here: PHY reset done, speed 1000, and bit 31 as QEMU shows it. [quirk qemu]
inline constexpr std::uint32_t kStatusAlways = 0x8000'0480;

/// Interrupt causes: bits of ICR, ICS, IMS, IMC.
namespace cause {
inline constexpr std::uint32_t kTxdw = bit(0), kLsc = bit(2), kRxdmt0 = bit(4), kRxo = bit(6), kRxdw = bit(7),
                               kAsserted = bit(31);
/// Those that there are, as a driver tests them one by one. [linux igb, igb_intr_test: what ICS takes]
inline constexpr std::uint32_t kAll = 0x77D4'FBFD;
}  // namespace cause
/// EICR and its relatives: vectors with MSI-X; without, queues 15:0, the TCP timer 30, all others 31.
inline constexpr std::uint32_t kEicrAll = bits(24, 0) | bits(31, 30);

// ---- The table ----------------------------------------------------------------------------------------------------

inline constexpr std::uint32_t kCtrlMask =
    bit(0) | bits(3, 2) | bits(9, 5) | bits(12, 11) | bits(28, 18) | bits(31, 30);
inline constexpr std::uint32_t kDctlMask = bits(5, 0) | bits(13, 8) | bits(21, 16) | bits(26, 25);
inline constexpr std::uint32_t kRahMask = bits(25, 0) | bit(31);

// clang-format off
inline constexpr RegSpec kRegisters[] = {
  // General
  {.name = "CTRL", .mode = Mode::kRW, .offset = kCtrl, .mask = kCtrlMask, .reset = 0x0010'0209, .section = "8254x 13.4.1"},
  {.name = "STATUS", .mode = Mode::kRO, .offset = kStatus, .reset = kStatusAlways | bit(19), .section = "8254x 13.4.2"},
  {.name = "EECD", .mode = Mode::kRW, .offset = kEecd, .mask = bits(6, 0) | bits(20, 19) | bit(22), .reset = 0x0000'2500, .section = "8254x 13.4.3"},
  {.name = "EERD", .mode = Mode::kRW, .offset = kEerd, .mask = bit(0) | bits(15, 2), .section = "8254x 13.4.4"},
  {.name = "CTRL_EXT", .mode = Mode::kRW, .offset = kCtrlExt, .mask = bits(15, 0) | bits(20, 17) | bits(28, 22) | bit(31), .section = "8254x 13.4.6"},
  {.name = "FLA", .mode = Mode::kRW, .offset = kFla, .section = "8254x 13.4.5"},
  {.name = "MDIC", .mode = Mode::kRW, .offset = kMdic, .mask = bits(27, 0) | bit(29) | bit(31), .reset = bit(28), .section = "8254x 13.4.7"},
  {.name = "SCTL", .mode = Mode::kRW, .offset = 0x0024, .section = "82576"},
  {.name = "FCAL", .mode = Mode::kRW, .offset = kFcal, .reset = 0x00C2'8001, .section = "8254x 13.4.8"},
  {.name = "FCAH", .mode = Mode::kRW, .offset = kFcah, .mask = bits(15, 0), .reset = 0x0100, .section = "8254x 13.4.9"},
  {.name = "FCT", .mode = Mode::kRW, .offset = kFct, .mask = bits(15, 0), .reset = 0x8808, .section = "8254x 13.4.10"},
  {.name = "CONNSW", .mode = Mode::kRW, .offset = 0x0034, .section = "82576"},
  {.name = "VET", .mode = Mode::kRW, .offset = kVet, .reset = 0x8100'8100, .section = "8254x 13.4.11"},
  {.name = "FCTTV", .mode = Mode::kRW, .offset = kFcttv, .mask = bits(15, 0), .section = "8254x 13.4.14"},
  {.name = "LEDCTL", .mode = Mode::kRW, .offset = 0x0E00, .mask = 0xCFCF'CFEF, .reset = 0x0706'8302, .section = "8254x 13.4.12"},
  {.name = "EEMNGCTL", .mode = Mode::kRO, .offset = kEemngctl, .reset = 0x8000'0000, .section = "82576"},
  {.name = "EEWR", .mode = Mode::kRW, .offset = kEewr, .mask = bit(0) | bits(31, 2), .reset = bit(1), .section = "82576"},
  {.name = "FRTIMER", .mode = Mode::kRO, .offset = 0x1048, .section = "82576"},
  {.name = "TCPTIMER", .mode = Mode::kRW, .offset = 0x104C, .section = "82576"},
  {.name = "PCS_CFG0", .mode = Mode::kRW, .offset = 0x4200, .section = "82576"},
  {.name = "PCS_LCTL", .mode = Mode::kRW, .offset = 0x4208, .section = "82576"},
  {.name = "PCS_LSTAT", .mode = Mode::kRO, .offset = 0x420C, .section = "82576"},
  {.name = "WUC", .mode = Mode::kRW, .offset = 0x5800, .mask = bits(3, 0), .section = "8254x 13.5"},
  {.name = "WUFC", .mode = Mode::kRW, .offset = 0x5808, .mask = bits(7, 0) | bits(19, 15), .section = "8254x 13.6.2"},
  {.name = "WUS", .mode = Mode::kW1C, .offset = 0x5810, .section = "8254x 13.6.3"},
  {.name = "MANC", .mode = Mode::kRW, .offset = 0x5820, .mask = bit(13) | bit(17) | bit(21), .section = "8254x 13.6.6"},
  {.name = "MANC2H", .mode = Mode::kRW, .offset = 0x5860, .section = "82576"},
  {.name = "GCR", .mode = Mode::kRW, .offset = kGcr, .mask = bits(16, 12), .reset = 0x0685'0200, .section = "82576"},
  {.name = "FACTPS", .mode = Mode::kRO, .offset = 0x5B30, .section = "82576"},
  {.name = "SWSM", .mode = Mode::kRW, .offset = kSwsm, .mask = bits(1, 0) | bit(3), .section = "82576"},
  {.name = "FWSM", .mode = Mode::kRO, .offset = 0x5B54, .section = "82576"},
  {.name = "SW_FW_SYNC", .mode = Mode::kRW, .offset = kSwFwSync, .mask = bits(3, 0) | bits(6, 5) | bit(10), .section = "82576"},
  {.name = "PBACL", .mode = Mode::kW1C, .offset = kPbacl, .section = "82576"},
  // Interrupt
  {.name = "ICR", .mode = Mode::kRCW1C, .offset = kIcr, .section = "8254x 13.4.17"},
  {.name = "ICS", .mode = Mode::kWO, .offset = kIcs, .mask = cause::kAll, .section = "8254x 13.4.19"},
  {.name = "IMS", .mode = Mode::kWS, .offset = kIms, .mask = cause::kAll, .section = "8254x 13.4.20"},
  {.name = "IMC", .mode = Mode::kWO, .offset = kImc, .section = "8254x 13.4.21"},
  {.name = "IAM", .mode = Mode::kRW, .offset = kIam, .mask = cause::kAll, .section = "82576"},
  {.name = "GPIE", .mode = Mode::kRW, .offset = kGpie, .mask = bit(0) | bit(4) | bits(11, 7) | bits(31, 30), .section = "82576"},
  {.name = "EICS", .mode = Mode::kWO, .offset = kEics, .mask = kEicrAll, .section = "82576"},
  {.name = "EIMS", .mode = Mode::kWS, .offset = kEims, .mask = kEicrAll, .section = "82576"},
  {.name = "EIMC", .mode = Mode::kWO, .offset = kEimc, .mask = kEicrAll, .section = "82576"},
  {.name = "EIAC", .mode = Mode::kRW, .offset = kEiac, .mask = bits(24, 0), .section = "82576"},
  {.name = "EIAM", .mode = Mode::kRW, .offset = kEiam, .mask = kEicrAll, .section = "82576"},
  {.name = "EICR", .mode = Mode::kRCW1C, .offset = kEicr, .mask = kEicrAll, .section = "82576"},
  {.name = "EITR", .mode = Mode::kRW, .offset = kEitr, .count = kVectors, .mask = bits(14, 2) | bits(31, 21), .section = "82576"},
  {.name = "IVAR", .mode = Mode::kRW, .offset = kIvar, .count = 8, .mask = 0x9F9F'9F9F, .section = "82576"},
  {.name = "IVAR_MISC", .mode = Mode::kRW, .offset = kIvarMisc, .mask = 0x9F9F, .section = "82576"},
  // Receive
  {.name = "RCTL", .mode = Mode::kRW, .offset = kRctl, .mask = bits(7, 1) | bits(13, 12) | bits(20, 15) | bits(23, 22) | bit(26), .section = "8254x 13.4.22"},
  {.name = "FCRTL", .mode = Mode::kRW, .offset = kFcrtl, .mask = bits(15, 4) | bit(31), .section = "8254x 13.4.23"},
  {.name = "FCRTH", .mode = Mode::kRW, .offset = kFcrth, .mask = bits(15, 4), .section = "8254x 13.4.24"},
  {.name = "RXPBS", .mode = Mode::kRW, .offset = kRxPbs, .mask = bits(6, 0), .reset = 0x40, .section = "linux igb"},
  {.name = "QDE", .mode = Mode::kRW, .offset = 0x2408, .mask = bits(15, 0), .section = "linux igb"},
  {.name = "FCRTV", .mode = Mode::kRW, .offset = 0x2460, .mask = bits(15, 0), .section = "82576"},
  {.name = "RXCSUM", .mode = Mode::kRW, .offset = kRxCsum, .mask = bits(9, 0) | bits(13, 11), .reset = 0x300, .section = "8254x 13.4.47"},
  {.name = "RLPML", .mode = Mode::kRW, .offset = kRlpml, .mask = bits(13, 0), .reset = 0x2600, .section = "82576"},
  {.name = "RFCTL", .mode = Mode::kRW, .offset = kRfctl, .mask = bits(18, 0), .section = "82576"},
  {.name = "MTA", .mode = Mode::kRW, .offset = kMta, .count = 128, .section = "8254x 13.5.1"},
  {.name = "RAL", .mode = Mode::kRW, .offset = kRal, .count = 16, .stride = 8, .section = "8254x 13.5.2"},
  {.name = "RAH", .mode = Mode::kRW, .offset = kRal + 4, .count = 16, .stride = 8, .mask = kRahMask, .section = "8254x 13.5.3"},
  {.name = "PSRTYPE", .mode = Mode::kRW, .offset = 0x5480, .count = 8, .section = "82576"},
  {.name = "RAL(16+)", .mode = Mode::kRW, .offset = 0x54E0, .count = 8, .stride = 8, .section = "82576"},
  {.name = "RAH(16+)", .mode = Mode::kRW, .offset = 0x54E4, .count = 8, .stride = 8, .mask = kRahMask, .section = "82576"},
  {.name = "SYNQF", .mode = Mode::kRW, .offset = 0x55FC, .mask = bits(4, 0), .section = "82576"},
  {.name = "VFTA", .mode = Mode::kRW, .offset = kVfta, .count = 128, .section = "8254x 13.5.4"},
  {.name = "MRQC", .mode = Mode::kRW, .offset = kMrqc, .mask = bits(5, 0) | bits(24, 16), .section = "82576"},
  {.name = "VT_CTL", .mode = Mode::kRW, .offset = 0x581C, .mask = bits(9, 7) | bits(30, 28), .section = "82576"},
  {.name = "SAQF", .mode = Mode::kRW, .offset = 0x5980, .count = 8, .section = "82576"},
  {.name = "DAQF", .mode = Mode::kRW, .offset = 0x59A0, .count = 8, .section = "82576"},
  {.name = "SPQF", .mode = Mode::kRW, .offset = 0x59C0, .count = 8, .mask = bits(15, 0), .section = "82576"},
  {.name = "FTQF", .mode = Mode::kRW, .offset = 0x59E0, .count = 8, .section = "82576"},
  {.name = "IMIR", .mode = Mode::kRW, .offset = 0x5A80, .count = 8, .section = "linux igb"},
  {.name = "IMIREXT", .mode = Mode::kRW, .offset = 0x5AA0, .count = 8, .section = "linux igb"},
  {.name = "IMIRVP", .mode = Mode::kRW, .offset = 0x5AC0, .section = "linux igb"},
  {.name = "VMOLR", .mode = Mode::kRW, .offset = 0x5AD0, .count = 8, .mask = bits(13, 0) | bits(17, 16) | bits(31, 23), .reset = 0x2600, .section = "82576"},
  {.name = "RPLOLR", .mode = Mode::kRW, .offset = 0x5AF0, .mask = bits(31, 30), .section = "linux igb"},
  {.name = "RETA", .mode = Mode::kRW, .offset = kReta, .count = 32, .mask = 0x0F0F'0F0F, .section = "82576"},
  {.name = "RSSRK", .mode = Mode::kRW, .offset = kRssrk, .count = 10, .section = "82576"},
  {.name = "ETQF", .mode = Mode::kRW, .offset = kEtqf, .count = 8, .mask = bits(18, 0) | bit(26) | bits(31, 29), .section = "82576"},
  {.name = "VLVF", .mode = Mode::kRW, .offset = 0x5D00, .count = 32, .section = "linux igb"},
  {.name = "UTA", .mode = Mode::kRW, .offset = kUta, .count = 128, .section = "82576"},
  {.name = "RDBAL", .mode = Mode::kRW, .offset = kRx + queue::kBal, .count = kQueues, .stride = kQueueStride, .section = "8254x 13.4.25"},
  {.name = "RDBAH", .mode = Mode::kRW, .offset = kRx + queue::kBah, .count = kQueues, .stride = kQueueStride, .section = "8254x 13.4.26"},
  {.name = "RDLEN", .mode = Mode::kRW, .offset = kRx + queue::kLen, .count = kQueues, .stride = kQueueStride, .mask = bits(19, 0), .section = "8254x 13.4.27"},
  {.name = "SRRCTL", .mode = Mode::kRW, .offset = kRx + queue::kSrrctl, .count = kQueues, .stride = kQueueStride, .mask = bits(6, 0) | bits(11, 8) | bits(27, 20) | bit(31), .section = "82576"},
  {.name = "RDH", .mode = Mode::kRW, .offset = kRx + queue::kHead, .count = kQueues, .stride = kQueueStride, .mask = bits(15, 0), .section = "8254x 13.4.28"},
  {.name = "DCA_RXCTRL", .mode = Mode::kRW, .offset = kRx + queue::kDca, .count = kQueues, .stride = kQueueStride, .section = "82576"},
  {.name = "RDT", .mode = Mode::kRW, .offset = kRx + queue::kTail, .count = kQueues, .stride = kQueueStride, .mask = bits(15, 0), .section = "8254x 13.4.29"},
  {.name = "RXDCTL", .mode = Mode::kRW, .offset = kRx + queue::kCtl, .count = kQueues, .stride = kQueueStride, .mask = kDctlMask, .reset = 0x0001'0000, .section = "8254x 13.4.46"},
  {.name = "RQDPC", .mode = Mode::kRC, .offset = kRx + queue::kDropped, .count = kQueues, .stride = kQueueStride, .section = "82576"},
  // Transmit
  {.name = "TCTL", .mode = Mode::kRW, .offset = kTctl, .mask = bit(1) | bits(31, 3), .reset = 0xA404'00F8, .section = "8254x 13.4.33"},
  {.name = "TCTL_EXT", .mode = Mode::kRW, .offset = 0x0404, .mask = bits(19, 10), .section = "82576"},
  {.name = "TIPG", .mode = Mode::kRW, .offset = 0x0410, .mask = bits(29, 0), .reset = 0x0060'1008, .section = "8254x 13.4.34"},
  {.name = "TXPBS", .mode = Mode::kRW, .offset = kTxPbs, .mask = bits(5, 0), .reset = 0x28, .section = "linux igb"},
  {.name = "DTXSWC", .mode = Mode::kRW, .offset = 0x3500, .mask = bits(23, 0) | bit(31), .section = "82576"},
  {.name = "DTXCTL", .mode = Mode::kRW, .offset = 0x3590, .mask = bits(6, 2), .reset = 0x44, .section = "82576"},
  {.name = "VMVIR", .mode = Mode::kRW, .offset = 0x3700, .count = 8, .mask = bits(15, 0) | bits(31, 30), .section = "82576"},
  {.name = "TDBAL", .mode = Mode::kRW, .offset = kTx + queue::kBal, .count = kQueues, .stride = kQueueStride, .section = "8254x 13.4.36"},
  {.name = "TDBAH", .mode = Mode::kRW, .offset = kTx + queue::kBah, .count = kQueues, .stride = kQueueStride, .section = "8254x 13.4.37"},
  {.name = "TDLEN", .mode = Mode::kRW, .offset = kTx + queue::kLen, .count = kQueues, .stride = kQueueStride, .mask = bits(19, 0), .section = "8254x 13.4.38"},
  {.name = "TDH", .mode = Mode::kRW, .offset = kTx + queue::kHead, .count = kQueues, .stride = kQueueStride, .mask = bits(15, 0), .section = "8254x 13.4.39"},
  {.name = "DCA_TXCTRL", .mode = Mode::kRW, .offset = kTx + queue::kDca, .count = kQueues, .stride = kQueueStride, .section = "82576"},
  {.name = "TDT", .mode = Mode::kRW, .offset = kTx + queue::kTail, .count = kQueues, .stride = kQueueStride, .mask = bits(15, 0), .section = "8254x 13.4.40"},
  {.name = "TXDCTL", .mode = Mode::kRW, .offset = kTx + queue::kCtl, .count = kQueues, .stride = kQueueStride, .mask = kDctlMask, .section = "8254x 13.4.42"},
  {.name = "TDWBAL", .mode = Mode::kRW, .offset = kTx + queue::kWbal, .count = kQueues, .stride = kQueueStride, .mask = bit(0) | bits(31, 2), .section = "82576"},
  {.name = "TDWBAH", .mode = Mode::kRW, .offset = kTx + queue::kWbah, .count = kQueues, .stride = kQueueStride, .section = "82576"},
  // Statistics beside sim::gigabit::kStatistics
  {.name = "CBRDPC", .mode = Mode::kRC, .offset = 0x4044, .section = "dpdk e1000"},
  {.name = "CBTMPC", .mode = Mode::kRC, .offset = 0x402C, .section = "82576"},
  {.name = "IAC", .mode = Mode::kRC, .offset = stat::kIac, .section = "82576"},
  {.name = "RPTHC", .mode = Mode::kRC, .offset = kRpthc, .section = "82576"},
  {.name = "ICRXATC", .mode = Mode::kRC, .offset = 0x4108, .section = "82576"},
  {.name = "ICTXPTC", .mode = Mode::kRC, .offset = 0x410C, .section = "82576"},
  {.name = "ICTXATC", .mode = Mode::kRC, .offset = 0x4110, .section = "82576"},
  {.name = "HGPTC", .mode = Mode::kRC, .offset = kHgptc, .section = "82576"},
  {.name = "ICTXQMTC", .mode = Mode::kRC, .offset = 0x411C, .section = "82576"},
  {.name = "ICRXDMTC", .mode = Mode::kRC, .offset = stat::kIcrxdmtc, .section = "82576"},
  {.name = "HTCBDPC", .mode = Mode::kRC, .offset = 0x4124, .section = "82576"},
  {.name = "HGORCL", .mode = Mode::kRO, .offset = kHgorc, .section = "82576"},
  {.name = "HGORCH", .mode = Mode::kRC, .offset = kHgorc + 4, .section = "82576"},
  {.name = "HGOTCL", .mode = Mode::kRO, .offset = kHgotc, .section = "82576"},
  {.name = "HGOTCH", .mode = Mode::kRC, .offset = kHgotc + 4, .section = "82576"},
  {.name = "LENERRS", .mode = Mode::kRC, .offset = 0x4138, .section = "82576"},
  {.name = "SCVPC", .mode = Mode::kRC, .offset = 0x4228, .section = "82576"},
  // Time stamping: the clock counts; stamps are not taken
  {.name = "TSYNCRXCFG", .mode = Mode::kRW, .offset = 0x5F50, .mask = bits(11, 0), .section = "82576"},
  {.name = "SYSTIML", .mode = Mode::kRW, .offset = kSystimL, .section = "82576"},
  {.name = "SYSTIMH", .mode = Mode::kRW, .offset = kSystimH, .section = "82576"},
  {.name = "TIMINCA", .mode = Mode::kRW, .offset = kTiminca, .section = "82576"},
  {.name = "TIMADJL", .mode = Mode::kRW, .offset = 0xB60C, .section = "82576"},
  {.name = "TIMADJH", .mode = Mode::kRW, .offset = 0xB610, .section = "82576"},
  {.name = "TSYNCTXCTL", .mode = Mode::kRW, .offset = 0xB614, .mask = bit(4), .section = "82576"},
  {.name = "TXSTMPL", .mode = Mode::kRO, .offset = 0xB618, .section = "82576"},
  {.name = "TXSTMPH", .mode = Mode::kRO, .offset = 0xB61C, .section = "82576"},
  {.name = "TSYNCRXCTL", .mode = Mode::kRW, .offset = 0xB620, .mask = bits(5, 1), .section = "82576"},
  {.name = "RXSTMPL", .mode = Mode::kRO, .offset = 0xB624, .section = "82576"},
  {.name = "RXSTMPH", .mode = Mode::kRO, .offset = 0xB628, .section = "82576"},
  {.name = "RXSATRL", .mode = Mode::kRO, .offset = 0xB62C, .section = "82576"},
  {.name = "RXSATRH", .mode = Mode::kRO, .offset = 0xB630, .section = "82576"},
};
// clang-format on

/// Where the register behind an offset really lies: queues 0 to 3 have a second address each.
[[nodiscard]] constexpr std::uint32_t canonical(std::uint32_t offset) noexcept {
  for (const auto& [low, high] : {std::pair{kRxLow, kRx}, std::pair{kTxLow, kTx}}) {
    const std::uint32_t q = (offset - low) / kLowStride, within = (offset - low) % kLowStride;
    if (offset >= low && q < kLowQueues && within < kQueueStride) return high + q * kQueueStride + within;
  }
  return offset;
}

}  // namespace pollux::igb::model

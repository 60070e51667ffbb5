// SPDX-License-Identifier: BSD-3-Clause
// The 82599's registers as its model knows them: offsets, bits the model acts on, and one table of everything that is
// there. Read on its own from the register notes, not from the driver's regs.hpp: the one checks the other.
#pragma once
#include <array>
#include <cstdint>

#include <pollux/sim/advanced.hpp>
#include <pollux/sim/registers.hpp>

namespace pollux::ixgbe::model {

inline constexpr std::uint32_t kBarBytes = 128 * 1024;
inline constexpr std::uint32_t kQueues = 128;

// ---- Offsets ------------------------------------------------------------------------------------------------------

inline constexpr std::uint32_t kCtrl = 0x00000, kStatus = 0x00008, kEsdp = 0x00020, kI2cCtl = 0x00028,
                               kFrTimer = 0x00048, kEec = 0x10010, kEerd = 0x10014, kEewr = 0x10018, kSwsm = 0x10140,
                               kGssr = 0x10160, kHicr = 0x15F00, kMsca = 0x0425C, kMsrwd = 0x04260;
inline constexpr std::uint32_t kEicr = 0x00800, kEics = 0x00808, kEiac = 0x00810, kEitr = 0x00820, kEims = 0x00880,
                               kEimc = 0x00888, kEiam = 0x00890, kGpie = 0x00898, kIvar = 0x00900, kIvarMisc = 0x00A00,
                               kEicsEx = 0x00A90, kEimsEx = 0x00AA0, kEimcEx = 0x00AB0, kEiamEx = 0x00AD0,
                               kEitrHigh = 0x12300;
inline constexpr std::uint32_t kRxLow = 0x01000, kRxHigh = 0x0D000, kTx = 0x06000, kQueueStride = 0x40;
inline constexpr std::uint32_t kRxCtrl = 0x03000, kRdRxCtl = 0x02F00, kRxPbSize = 0x03C00, kFctrl = 0x05080,
                               kHlreg0 = 0x04240, kMaxFrs = 0x04268, kRxCsum = 0x05000, kRfctl = 0x05008,
                               kMrqc = 0x05818, kRssrk = 0x05C80, kReta = 0x05C00, kVlnCtrl = 0x05088, kVfta = 0x0A000,
                               kMcstCtrl = 0x05090, kMta = 0x05200, kPfUta = 0x0F400, kRal = 0x0A200, kRah = 0x0A204,
                               kRalLow = 0x05400, kRahLow = 0x05404, kEtqf = 0x05128, kEtqs = 0x0EC00, kSynqf = 0x0EC30,
                               kSaqf = 0x0E000, kDaqf = 0x0E200, kSdpqf = 0x0E400, kFtqf = 0x0E600, kL34Timir = 0x0E800,
                               kSecRxCtrl = 0x08D00, kRqsmr = 0x02300;
inline constexpr std::uint32_t kFdirCtrl = 0x0EE00, kFdirHash = 0x0EE28, kFdirCmd = 0x0EE2C;
inline constexpr std::uint32_t kDmaTxCtl = 0x04A80, kRttdcs = 0x04900, kMtqc = 0x08120, kTqsm = 0x08600,
                               kSecTxCtrl = 0x08800;
inline constexpr std::uint32_t kAutoc = 0x042A0, kAutoc2 = 0x042A8, kLinks = 0x042A4, kMflcn = 0x04294,
                               kFccfg = 0x03D00, kFcttv = 0x03200, kFcrtl = 0x03220, kFcrth = 0x03260, kFcrtv = 0x032A0,
                               kTfcs = 0x0CE00;
inline constexpr std::uint32_t kTsyncRxCtl = 0x05188, kRxStmpH = 0x051A4, kTsyncTxCtl = 0x08C00, kTxStmpH = 0x08C08;
// Statistics
inline constexpr std::uint32_t kMpc = 0x03FA0, kLxonTxc = 0x03F60, kLxoffTxc = 0x03F68, kLxonRxc = 0x041A4,
                               kLxoffRxc = 0x041A8, kPrc64 = 0x0405C, kGprc = 0x04074, kBprc = 0x04078, kMprc = 0x0407C,
                               kGptc = 0x04080, kGorc = 0x04088, kGotc = 0x04090, kRuc = 0x040A4, kRoc = 0x040AC,
                               kTor = 0x040C0, kTpr = 0x040D0, kTpt = 0x040D4, kPtc64 = 0x040D8, kMptc = 0x040F0,
                               kBptc = 0x040F4, kXec = 0x04120, kRlec = 0x04040, kQprc = 0x01030, kQbrc = 0x01034,
                               kQprdc = 0x01430, kQptc = 0x06030, kQbtc = 0x08700, kRxdgpc = 0x02F50, kRxdgbc = 0x02F54,
                               kTxdgpc = 0x087A0, kTxdgbc = 0x087A4, kMlfc = 0x04034;

/// Registers of one queue, as offsets from its base.
namespace queue {
inline constexpr std::uint32_t kBal = 0x00, kBah = 0x04, kLen = 0x08, kDca = 0x0C, kHead = 0x10, kSrrctl = 0x14,
                               kTail = 0x18, kCtl = 0x28, kRscctl = 0x2C, kWbal = 0x38, kWbah = 0x3C;
}  // namespace queue
/// Base of receive queue q's registers: two runs. Pre: q < 128.
constexpr std::uint32_t rx_base(std::uint32_t q) noexcept {
  return q < 64 ? kRxLow + q * kQueueStride : kRxHigh + (q - 64) * kQueueStride;
}
constexpr std::uint32_t tx_base(std::uint32_t q) noexcept { return kTx + q * kQueueStride; }

// ---- Bits ---------------------------------------------------------------------------------------------------------

using sim::advanced::bit, sim::advanced::bits_of;

inline constexpr std::uint32_t kCtrlGioDis = bit(2), kCtrlLnkRst = bit(3), kCtrlRst = bit(26);
inline constexpr std::uint32_t kStatusLinkUp = bit(7), kStatusMaster = bit(19);
inline constexpr std::uint32_t kEecSk = bit(0), kEecCs = bit(1), kEecDi = bit(2), kEecDo = bit(3), kEecReq = bit(6),
                               kEecGnt = bit(7), kEecArd = bit(9);
inline constexpr std::uint32_t kSwsmSmbi = bit(0), kSwsmSwesmbi = bit(1);
inline constexpr std::uint32_t kEnable = bit(25), kSwflsh = bit(26), kRxVme = bit(30);  // RXDCTL, TXDCTL
inline constexpr std::uint32_t kSrrctlDropEn = bit(28), kDcaMustBeZero = bit(12);
inline constexpr std::uint32_t kSecDis = bit(0), kSecPathDis = bit(1);  // SECRXCTRL, SECTXCTRL
inline constexpr std::uint32_t kFctrlSbp = bit(1), kFctrlMpe = bit(8), kFctrlUpe = bit(9), kFctrlBam = bit(10);
inline constexpr std::uint32_t kHlregCrcStrip = bit(1), kHlregJumbo = bit(2), kHlregTxPad = bit(10),
                               kHlregLpbk = bit(15), kHlregLengthErr = bit(27);
inline constexpr std::uint32_t kRdrxCrcStrip = bit(1), kRdrxDmaIdone = bit(3), kRdrxRscAckC = bit(25),
                               kRdrxFcoeWrFix = bit(26), kRdrxReset = 0x0010'8808;
inline constexpr std::uint32_t kRfctlRscDis = bit(5), kRfctlIpv6XsumDis = bit(11), kRxCsumPcsd = bit(13);
inline constexpr std::uint32_t kGpieMsix = bit(4), kGpieOcd = bit(5), kGpieEimen = bit(6), kGpieEiame = bit(30);
inline constexpr std::uint32_t kCauseRxMiss = bit(17), kCauseLsc = bit(20), kCauseTcpTimer = bit(30);
inline constexpr std::uint32_t kCauseOthers = 0x7FFF'0000, kCauseQueues = 0x0000'FFFF, kIvarValid = 0x80;
inline constexpr std::uint32_t kDmaTxTe = bit(0), kRttdcsArbDis = bit(6);
inline constexpr std::uint32_t kAutocFlu = bit(0), kAutocRestart = bit(12);
inline constexpr std::uint32_t kMflcnPmcf = bit(0), kMflcnDpf = bit(1), kMflcnRfce = bit(3), kFccfgTfce = bit(3);
inline constexpr std::uint32_t kHigh = bit(31);  // RAH.AV, ETQF, FTQF, FCRTH.FCEN, FCRTL.XONE, ...
inline constexpr std::uint32_t kLinksUp = 0x7447'FF80, kLinksLatched = bit(7);

// ---- The table ----------------------------------------------------------------------------------------------------

using sim::Mode, sim::RegSpec;

inline constexpr std::uint32_t kAll = 0xFFFF'FFFF;

inline constexpr RegSpec kGeneralSpecs[] = {
    {"CTRL", Mode::kRW, kCtrl, 1, 4, 0x0400'000C, 0, "2.4.1"},
    {"CTRL(alias)", Mode::kRW, 0x00004, 1, 4, 0x0400'000C, 0, "2.4.1"},
    {"STATUS", Mode::kRO, kStatus, 1, 4, kAll, 0, "2.4.1"},
    {"CTRL_EXT", Mode::kRW, 0x00018, 1, 4, 0x1403'4000, 0, "2.4.1"},
    {"ESDP", Mode::kRW, kEsdp, 1, 4, kAll, 0, "2.4.1"},
    {"I2CCTL", Mode::kRW, kI2cCtl, 1, 4, 0xF, 0xF, "1.6"},
    {"LEDCTL", Mode::kRW, 0x00200, 1, 4, 0xCFCF'CFCF, 0x0504'0100, "2.4.1"},
    {"FRTIMER", Mode::kRO, kFrTimer, 1, 4, kAll, 0, "2.4.1"},
    {"TCPTIMER", Mode::kRW, 0x0004C, 1, 4, 0xFFF, 0, "2.4.1"},
    {"EEC", Mode::kRW, kEec, 1, 4, 0x77, 0x2700, "2.7"},
    {"EERD", Mode::kRW, kEerd, 1, 4, kAll, 0, "2.7"},
    {"EEWR", Mode::kRW, kEewr, 1, 4, kAll, 0, "2.7"},
    {"FLA", Mode::kRW, 0x1001C, 1, 4, kAll, 0, "2.4.1"},
    {"GRC", Mode::kRW, 0x10200, 1, 4, 0x3, 0, "2.4.1"},
    {"SWSM", Mode::kRW, kSwsm, 1, 4, 0x3, 0, "2.6"},
    {"FWSM", Mode::kRO, 0x10148, 1, 4, kAll, 0x8000, "2.8"},
    {"GSSR", Mode::kRW, kGssr, 1, 4, 0x87FF, 0, "2.6"},
    {"FACTPS", Mode::kRO, 0x10150, 1, 4, kAll, 0, "2.8"},
    {"GCR", Mode::kRW, 0x11000, 1, 4, kAll, 0, "2.4.1"},
    {"GCR_EXT", Mode::kRW, 0x11050, 1, 4, 0xC000'0003, 0, "2.4.1"},
    {"PBACL0", Mode::kW1C, 0x11068, 1, 4, kAll, 0, "2.4.1"},
    {"PBACL1", Mode::kW1C, 0x110C4, 1, 4, kAll, 0, "2.4.1"},
    {"DCA_ID", Mode::kRO, 0x11070, 1, 4, kAll, 0, "2.4.1"},
    {"DCA_CTRL", Mode::kRW, 0x11074, 1, 4, 0x1F, 0, "2.4.1"},
    {"CORECTL", Mode::kRW, 0x14F00, 1, 4, kAll, 0, "1.6"},
    {"HICR", Mode::kRW, kHicr, 1, 4, 0xC7, 0, "2.4.1"},
    {"FLEX_MNG", Mode::kRW, 0x15800, 448, 4, kAll, 0, "2.4.1"},
    {"FWSTS", Mode::kRW, 0x15F0C, 1, 4, kAll, 0, "2.4.1"},
    {"MANC", Mode::kRW, 0x05820, 1, 4, kAll, 0, "2.4.1"},
    {"WUC", Mode::kRW, 0x05800, 1, 4, kAll, 0, "2.4.1"},
    {"WUFC", Mode::kRW, 0x05808, 1, 4, kAll, 0, "2.4.1"},
    {"WUS", Mode::kW1C, 0x05810, 1, 4, kAll, 0, "2.4.1"},
};

inline constexpr RegSpec kInterruptSpecs[] = {
    {"EICR", Mode::kRCW1C, kEicr, 1, 4, kAll, 0, "2.4.2"},
    {"EICS", Mode::kRW, kEics, 1, 4, 0x7FFF'FFFF, 0, "2.4.2"},
    {"EIAC", Mode::kRW, kEiac, 1, 4, 0x7FFF'FFFF, 0, "2.4.2"},
    {"EITR", Mode::kRW, kEitr, 24, 4, 0x8000'8FF8, 0, "2.4.2"},
    {"EITR(24+)", Mode::kRW, kEitrHigh, 104, 4, 0x8000'8FF8, 0, "2.4.2"},
    {"EIMS", Mode::kRW, kEims, 1, 4, 0x7FFF'FFFF, 0, "2.4.2"},
    {"EIMC", Mode::kWO, kEimc, 1, 4, 0x7FFF'FFFF, 0, "2.4.2"},
    {"EIAM", Mode::kRW, kEiam, 1, 4, 0x7FFF'FFFF, 0, "2.4.2"},
    {"EITRSEL", Mode::kRW, 0x00894, 1, 4, kAll, 0, "2.4.2"},
    {"GPIE", Mode::kRW, kGpie, 1, 4, 0xC000'F877, 0, "2.4.2"},
    {"IVAR", Mode::kRW, kIvar, 64, 4, 0xBFBF'BFBF, 0, "2.4.2"},
    {"IVAR_MISC", Mode::kRW, kIvarMisc, 1, 4, 0xBFBF, 0, "2.4.2"},
    {"EICS_EX", Mode::kRW, kEicsEx, 2, 4, kAll, 0, "2.4.2"},
    {"EIMS_EX", Mode::kRW, kEimsEx, 2, 4, kAll, 0, "2.4.2"},
    {"EIMC_EX", Mode::kWO, kEimcEx, 2, 4, kAll, 0, "2.4.2"},
    {"EIAM_EX", Mode::kRW, kEiamEx, 2, 4, kAll, 0, "2.4.2"},
};

/// One run of receive queues: the same registers at 1000h (0..63) and D000h (64..127).
template <std::uint32_t Base>
inline constexpr RegSpec kRxQueueSpecs[] = {
    {Base == kRxLow ? "RDBAL" : "RDBAL(64+)", Mode::kRW, Base + queue::kBal, 64, kQueueStride, kAll, 0, "2.4.3"},
    {Base == kRxLow ? "RDBAH" : "RDBAH(64+)", Mode::kRW, Base + queue::kBah, 64, kQueueStride, kAll, 0, "2.4.3"},
    {Base == kRxLow ? "RDLEN" : "RDLEN(64+)", Mode::kRW, Base + queue::kLen, 64, kQueueStride, 0xFFFFF, 0, "2.4.3"},
    {Base == kRxLow ? "DCA_RXCTRL" : "DCA_RXCTRL(64+)", Mode::kRW, Base + queue::kDca, 64, kQueueStride, 0xFF00'B2E0,
     0xB200, "2.4.3"},
    {Base == kRxLow ? "RDH" : "RDH(64+)", Mode::kRW, Base + queue::kHead, 64, kQueueStride, 0xFFFF, 0, "2.4.3"},
    {Base == kRxLow ? "SRRCTL" : "SRRCTL(64+)", Mode::kRW, Base + queue::kSrrctl, 64, kQueueStride, 0x1FC0'3F1F, 0x402,
     "2.4.3"},
    {Base == kRxLow ? "RDT" : "RDT(64+)", Mode::kRW, Base + queue::kTail, 64, kQueueStride, 0xFFFF, 0, "2.4.3"},
    {Base == kRxLow ? "RXDCTL" : "RXDCTL(64+)", Mode::kRW, Base + queue::kCtl, 64, kQueueStride, 0x4600'0000, 0,
     "2.4.3"},
    {Base == kRxLow ? "RSCCTL" : "RSCCTL(64+)", Mode::kRW, Base + queue::kRscctl, 64, kQueueStride, 0xD, 0, "2.4.3"},
};

inline constexpr RegSpec kReceiveSpecs[] = {
    {"DCA_RXCTRL(alias)", Mode::kRW, 0x02200, 16, 4, 0xFF00'B2E0, 0xB200, "2.4.3"},
    {"SRRCTL(alias)", Mode::kRW, 0x02100, 16, 4, 0x1FC0'3F1F, 0x402, "2.4.3"},
    {"RXCTRL", Mode::kRW, kRxCtrl, 1, 4, 0x3, 0, "2.4.3"},
    {"RDRXCTL", Mode::kRW, kRdRxCtl, 1, 4, 0x063E'0002, kRdrxReset, "2.4.3"},
    {"RSCDBU", Mode::kRW, 0x03028, 1, 4, 0x80, 0, "2.4.3"},
    {"RXPBSIZE", Mode::kRW, kRxPbSize, 8, 4, 0x000F'FC00, 0, "2.4.3"},
    {"FCTRL", Mode::kRW, kFctrl, 1, 4, 0x702, 0, "2.4.3"},
    {"HLREG0", Mode::kRW, kHlreg0, 1, 4, 0x1801'840F, 0x0801'2C0B, "2.4.3"},
    {"MAXFRS", Mode::kRW, kMaxFrs, 1, 4, 0xFFFF'0000, 0x05EE'0000, "2.4.3"},
    {"RXCSUM", Mode::kRW, kRxCsum, 1, 4, 0x3000, 0, "2.4.3"},
    {"RFCTL", Mode::kRW, kRfctl, 1, 4, 0x4CE0, 0, "2.4.3"},
    {"PSRTYPE", Mode::kRW, 0x05480, 16, 4, 0xE000'1330, 0, "2.4.3"},
    {"PSRTYPE(EA00)", Mode::kRW, 0x0EA00, 64, 4, 0xE000'1330, 0, "2.4.3"},
    {"MRQC", Mode::kRW, kMrqc, 1, 4, 0x01FF'000F, 0, "2.4.3"},
    {"MRQC(alias)", Mode::kRW, 0x0EC80, 1, 4, 0x01FF'000F, 0, "2.4.3"},
    {"RSSRK", Mode::kRW, kRssrk, 10, 4, kAll, 0, "2.4.3"},
    {"RSSRK(alias)", Mode::kRW, 0x0EB80, 10, 4, kAll, 0, "2.4.3"},
    {"RETA", Mode::kRW, kReta, 32, 4, 0x0F0F'0F0F, 0, "2.4.3"},
    {"RETA(alias)", Mode::kRW, 0x0EB00, 32, 4, 0x0F0F'0F0F, 0, "2.4.3"},
    {"VLNCTRL", Mode::kRW, kVlnCtrl, 1, 4, 0x7000'FFFF, 0x8100, "2.4.3"},
    {"VFTA", Mode::kRW, kVfta, 128, 4, kAll, 0, "2.4.3"},
    {"MCSTCTRL", Mode::kRW, kMcstCtrl, 1, 4, 0x7, 0, "2.4.3"},
    {"MTA", Mode::kRW, kMta, 128, 4, kAll, 0, "2.4.3"},
    {"PFUTA", Mode::kRW, kPfUta, 128, 4, kAll, 0, "2.4.3"},
    {"RAL", Mode::kRW, kRal, 128, 8, kAll, 0, "2.4.3"},
    {"RAH", Mode::kRW, kRah, 128, 8, 0x8000'FFFF, 0, "2.4.3"},
    {"RAL(alias)", Mode::kRW, kRalLow, 16, 8, kAll, 0, "2.4.3"},
    {"RAH(alias)", Mode::kRW, kRahLow, 16, 8, 0x8000'FFFF, 0, "2.4.3"},
    {"MPSAR", Mode::kRW, 0x0A600, 256, 4, kAll, 0, "2.4.3"},
    {"PFVTCTL", Mode::kRW, 0x051B0, 1, 4, kAll, 0, "2.4.3"},
    {"VMOLR", Mode::kRW, 0x0F000, 64, 4, kAll, 0, "2.4.3"},
    {"VLVF", Mode::kRW, 0x0F100, 64, 4, 0x8000'0FFF, 0, "2.4.3"},
    {"VLVFB", Mode::kRW, 0x0F200, 128, 4, kAll, 0, "2.4.3"},
    {"VFRE", Mode::kRW, 0x051E0, 2, 4, kAll, 0, "2.4.3"},
    {"QDE", Mode::kRW, 0x02F04, 1, 4, kAll, 0, "2.4.3"},
    {"ETQF", Mode::kRW, kEtqf, 8, 4, 0xCFF0'FFFF, 0, "2.4.3"},
    {"ETQS", Mode::kRW, kEtqs, 8, 4, 0xA07F'0000, 0, "2.4.3"},
    {"SYNQF", Mode::kRW, kSynqf, 1, 4, 0x8000'00FF, 0, "2.4.3"},
    {"SAQF", Mode::kRW, kSaqf, 128, 4, kAll, 0, "2.4.3"},
    {"DAQF", Mode::kRW, kDaqf, 128, 4, kAll, 0, "2.4.3"},
    {"SDPQF", Mode::kRW, kSdpqf, 128, 4, kAll, 0, "2.4.3"},
    {"FTQF", Mode::kRW, kFtqf, 128, 4, 0xFE00'3F1F, 0, "2.4.3"},
    {"L34TIMIR", Mode::kRW, kL34Timir, 128, 4, 0x0FFF'F000, 0, "2.4.3"},
    {"SECRXCTRL", Mode::kRW, kSecRxCtrl, 1, 4, 0x3, 1, "4.4"},
    {"SECRXSTAT", Mode::kRO, 0x08D04, 1, 4, kAll, 3, "2.8"},
    {"RQSMR", Mode::kRW, kRqsmr, 32, 4, 0x0F0F'0F0F, 0, "2.4.5"},
    {"EXVET", Mode::kRW, 0x05078, 1, 4, kAll, 0, "4.8"},
};

inline constexpr RegSpec kFlowDirectorSpecs[] = {
    {"FDIRCTRL", Mode::kRW, kFdirCtrl, 1, 4, 0xFF1F'7FBB, 0, "2.4.4"},
    {"FDIRSIPv6", Mode::kRW, 0x0EE0C, 3, 4, kAll, 0, "2.4.4"},
    {"FDIRIPSA", Mode::kRW, 0x0EE18, 4, 4, kAll, 0, "2.4.4"},  // and FDIRIPDA, FDIRPORT, FDIRVLAN
    {"FDIRHASH", Mode::kRW, kFdirHash, 1, 4, kAll, 0, "2.4.4"},
    {"FDIRCMD", Mode::kRW, kFdirCmd, 1, 4, kAll, 0, "2.4.4"},
    {"FDIRFREE", Mode::kRW, 0x0EE38, 1, 4, kAll, 0, "2.4.4"},
    {"FDIRDIP4M", Mode::kRW, 0x0EE3C, 4, 4, kAll, 0, "2.4.4"},  // and FDIRSIP4M, FDIRTCPM, FDIRUDPM
    {"FDIRLEN", Mode::kRC, 0x0EE4C, 1, 4, kAll, 0, "2.4.4"},
    {"FDIRUSTAT", Mode::kRC, 0x0EE50, 1, 4, kAll, 0, "2.4.4"},
    {"FDIRFSTAT", Mode::kRC, 0x0EE54, 1, 4, kAll, 0, "2.4.4"},
    {"FDIRMATCH", Mode::kRC, 0x0EE58, 1, 4, kAll, 0, "2.4.4"},
    {"FDIRMISS", Mode::kRC, 0x0EE5C, 1, 4, kAll, 0, "2.4.4"},
    {"FDIRHKEY", Mode::kRW, 0x0EE68, 1, 4, kAll, 0, "2.4.4"},
    {"FDIRSKEY", Mode::kRW, 0x0EE6C, 1, 4, kAll, 0, "2.4.4"},
    {"FDIRM", Mode::kRW, 0x0EE70, 1, 4, 0x7F, 0, "2.4.4"},
    {"FDIRIP6M", Mode::kRW, 0x0EE74, 1, 4, kAll, 0, "2.4.4"},
    {"FDIRSCTPM", Mode::kRW, 0x0EE78, 1, 4, kAll, 0, "2.4.4"},
};

inline constexpr RegSpec kTransmitSpecs[] = {
    {"TDBAL", Mode::kRW, kTx + queue::kBal, 128, kQueueStride, kAll, 0, "2.4.5"},
    {"TDBAH", Mode::kRW, kTx + queue::kBah, 128, kQueueStride, kAll, 0, "2.4.5"},
    {"TDLEN", Mode::kRW, kTx + queue::kLen, 128, kQueueStride, 0xFFFFF, 0, "2.4.5"},
    {"DCA_TXCTRL", Mode::kRW, kTx + queue::kDca, 128, kQueueStride, 0xFF00'2A20, 0x2A00, "2.4.5"},
    {"TDH", Mode::kRW, kTx + queue::kHead, 128, kQueueStride, 0xFFFF, 0, "2.4.5"},
    {"TDT", Mode::kRW, kTx + queue::kTail, 128, kQueueStride, 0xFFFF, 0, "2.4.5"},
    {"TXDCTL", Mode::kRW, kTx + queue::kCtl, 128, kQueueStride, 0x067F'7F7F, 0, "2.4.5"},
    {"TDWBAL", Mode::kRW, kTx + queue::kWbal, 128, kQueueStride, kAll, 0, "2.4.5"},
    {"TDWBAH", Mode::kRW, kTx + queue::kWbah, 128, kQueueStride, kAll, 0, "2.4.5"},
    {"DMATXCTL", Mode::kRW, kDmaTxCtl, 1, 4, 0xFFFF'000F, 0x8100'0004, "2.4.5"},
    {"DTXMXSZRQ", Mode::kRW, 0x08100, 1, 4, 0xFFF, 0x10, "2.4.5"},
    {"DTXTCPFLGL", Mode::kRW, 0x04A88, 1, 4, 0x0FFF'0FFF, 0x0F76'0FF6, "2.4.5"},
    {"DTXTCPFLGH", Mode::kRW, 0x04A8C, 1, 4, 0xFFF, 0xF7F, "2.4.5"},
    {"TXPBSIZE", Mode::kRW, 0x0CC00, 8, 4, 0x000F'FC00, 0, "2.4.5"},
    {"TXPBTHRESH", Mode::kRW, 0x04950, 8, 4, 0x3FF, 0, "2.4.5"},
    {"RTTDCS", Mode::kRW, kRttdcs, 1, 4, kAll, 0x00C0'0000, "2.4.5"},
    {"RTTDQSEL", Mode::kRW, 0x04904, 1, 4, 0x7F, 0, "2.4.5"},
    {"RTTDT1C", Mode::kRW, 0x04908, 1, 4, kAll, 0, "2.4.5"},
    {"RTTBCNRC", Mode::kRW, 0x04984, 1, 4, kAll, 0, "2.4.5"},
    {"RTTDT2C", Mode::kRW, 0x04910, 8, 4, kAll, 0, "2.4.5"},
    {"RTTPCS", Mode::kRW, 0x0CD00, 1, 4, kAll, 0, "2.4.5"},
    {"RTTPT2C", Mode::kRW, 0x0CD20, 8, 4, kAll, 0, "2.4.5"},
    {"MTQC", Mode::kRW, kMtqc, 1, 4, 0xF, 0, "2.4.5"},
    {"PFDTXGSWC", Mode::kRW, 0x08220, 1, 4, 0x1, 0, "2.4.5"},
    {"VMVIR", Mode::kRW, 0x08000, 64, 4, kAll, 0, "2.4.5"},
    {"PFVFSPOOF", Mode::kRW, 0x08200, 8, 4, kAll, 0, "2.4.5"},
    {"VFTE", Mode::kRW, 0x08110, 2, 4, kAll, 0, "2.4.3"},
    {"SECTXCTRL", Mode::kRW, kSecTxCtrl, 1, 4, 0x3, 1, "2.4.5"},
    {"SECTXSTAT", Mode::kRO, 0x08804, 1, 4, kAll, 3, "2.8"},
    {"SECTXBUFFAF", Mode::kRW, 0x08808, 1, 4, kAll, 0x250, "2.4.5"},
    {"SECTXMINIFG", Mode::kRW, 0x08810, 1, 4, kAll, 0, "2.4.5"},
    {"TQSM", Mode::kRW, kTqsm, 32, 4, 0x0F0F'0F0F, 0, "2.4.5"},
    {"RTRPCS", Mode::kRW, 0x02430, 1, 4, kAll, 0, "2.4.5"},
    {"RTRPT4C", Mode::kRW, 0x02140, 8, 4, kAll, 0, "2.4.5"},
    {"RTRUP2TC", Mode::kRW, 0x03020, 1, 4, kAll, 0, "2.4.5"},
    {"RTTUP2TC", Mode::kRW, 0x0C800, 1, 4, kAll, 0, "2.4.5"},
};

}  // namespace pollux::ixgbe::model

// SPDX-License-Identifier: BSD-3-Clause
// The rest of the 82599 model's register table (MAC, timestamps, statistics), aliases, and quirks as data.
#pragma once
#include <array>
#include <cstdint>
#include <vector>

#include <pollux/ixgbe/model_regs.hpp>

namespace pollux::ixgbe {

/// What real drivers do that the datasheet does not allow. All off by default: the model is strict.
enum class Quirk : std::uint8_t {
  kFctrlReserved,       ///< FCTRL bits 12, 13 (82598's PMCF, DPF) [linux, dpdk]
  kEimsBit31,           ///< EIMS, EIMC, EICS, EIAC, EIAM bit 31 [linux, dpdk]
  kHeadWrite,           ///< RDH or TDH written while the queue runs [dpdk]
  kRahVind,             ///< RAH bits 21:16 (82598's VIND) [linux ethtool -t]
  kStatusWrite,         ///< a write of STATUS [linux ethtool -t]
  kNonsenseRing,        ///< bases and lengths with low bits set, tails beyond the ring [linux ethtool -t]
  kUnlistedOffsets,     ///< reads and writes where the register table has nothing [linux ethtool -d]
  kLargePthresh,        ///< PTHRESH + WTHRESH > 40 [TinyNF]
  kDcaBit12,            ///< DCA_RXCTRL bit 12 left as after reset [linux, dpdk; TinyNF clears it]
  kRscDefaults,         ///< RSC not turned off [ixy]; RSCACKC and FCOE_WRFIX left 0 [dpdk]
  kSemaphoreForced,     ///< GSSR written without SWSM.SWESMBI [dpdk's forced release]
  kPaylenShort,         ///< PAYLEN below 17 [dpdk rejects only below 14]
  kFilterWhileRunning,  ///< MRQC, FDIRCTRL, RXPBSIZE written while frames flow [dpdk's RSS update]
  kEecDoWritten,        ///< EEC written with DO, which is read only, as it was before the clock moved [linux, dpdk]
  kRxWriteBackLeft,     ///< receive descriptors given again with what was reported in them, DD too [linux]
  kEitrLowBits,         ///< EITR bits 2:1, in 1950 for the vector of the other causes [linux]
  kFcrthBelowZero,      ///< FCRTH of a buffer without memory: RXPBSIZE - 24 KB, all high bits set [linux, dpdk]
  kReceiveAsReset       ///< RXEN set with RDRXCTL as after reset [linux ethtool -t: ixgbe_setup_desc_rings, 6.12]
};
/// A set of quirks.
class Quirks {
 public:
  constexpr Quirks() = default;
  constexpr Quirks(std::initializer_list<Quirk> list) noexcept {
    for (const Quirk q : list) bits_ |= 1u << static_cast<unsigned>(q);
  }
  [[nodiscard]] constexpr bool has(Quirk q) const noexcept { return (bits_ >> static_cast<unsigned>(q) & 1) != 0; }
  [[nodiscard]] friend constexpr Quirks operator|(Quirks a, Quirks b) noexcept {
    a.bits_ |= b.bits_;
    return a;
  }
  [[nodiscard]] constexpr bool none() const noexcept { return bits_ == 0; }

 private:
  std::uint32_t bits_ = 0;
};

namespace model {

inline constexpr RegSpec kMacSpecs[] = {
    {"AUTOC", Mode::kRW, kAutoc, 1, 4, kAll, 0x2100, "2.8"},
    {"AUTOC2", Mode::kRW, kAutoc2, 1, 4, kAll, 0, "2.8"},
    {"LINKS", Mode::kRO, kLinks, 1, 4, kAll, 0, "2.8"},
    {"LINKS2", Mode::kRO, 0x04324, 1, 4, kAll, 0, "2.4.6"},
    {"ANLP1", Mode::kRO, 0x042B0, 1, 4, kAll, 0x0001'0000, "2.8"},
    {"ANLP2", Mode::kRO, 0x042B4, 1, 4, kAll, 0, "2.4.6"},
    {"PCS1GLCTL", Mode::kRW, 0x04208, 1, 4, kAll, 0x0204'0000, "2.4.6"},
    {"PCS1GLSTA", Mode::kRO, 0x0420C, 1, 4, kAll, 0, "2.4.6"},
    {"PCS1GANA", Mode::kRW, 0x04218, 1, 4, kAll, 0x1A0, "2.4.6"},
    {"PCS1GANLP", Mode::kRO, 0x0421C, 1, 4, kAll, 0, "2.4.6"},
    {"MSCA", Mode::kRW, kMsca, 1, 4, kAll, 0, "2.4.6"},
    {"MSRWD", Mode::kRW, kMsrwd, 1, 4, kAll, 0, "2.4.6"},
    {"MACC", Mode::kRW, 0x04330, 1, 4, kAll, 0, "2.4.6"},
    {"MMNGC", Mode::kRW, 0x042D0, 1, 4, kAll, 0, "2.4.6"},
    {"MACS", Mode::kRW, 0x0429C, 1, 4, kAll, 0, "2.4.6"},
    {"SERDESC", Mode::kRW, 0x04298, 1, 4, kAll, 0, "2.4.6"},
    {"MFLCN", Mode::kRW, kMflcn, 1, 4, 0xFFF, 0, "2.4.6"},
    {"FCCFG", Mode::kRW, kFccfg, 1, 4, 0x18, 0, "2.4.6"},
    {"FCTTV", Mode::kRW, kFcttv, 4, 4, kAll, 0, "2.4.6"},
    {"FCRTL", Mode::kRW, kFcrtl, 8, 4, 0x8007'FFF0, 0, "2.4.6"},
    {"FCRTH", Mode::kRW, kFcrth, 8, 4, 0x8007'FFF0, 0, "2.4.6"},
    {"FCRTV", Mode::kRW, kFcrtv, 1, 4, kAll, 0, "2.4.6"},
    {"TFCS", Mode::kRO, kTfcs, 1, 4, kAll, 0, "2.4.6"},
    {"PFCTOP", Mode::kRW, 0x03008, 1, 4, kAll, 0x8808'0101, "2.4.6"},
    // IEEE 1588: storage.
    {"TSYNCRXCTL", Mode::kRW, kTsyncRxCtl, 1, 4, 0x1E, 0, "2.4.7"},
    {"RXSTMPL", Mode::kRO, 0x051E8, 1, 4, kAll, 0, "2.4.7"},
    {"RXSTMPH", Mode::kRO, kRxStmpH, 1, 4, kAll, 0, "2.4.7"},
    {"RXSATRL", Mode::kRO, 0x051A0, 1, 4, kAll, 0, "2.4.7"},
    {"RXSATRH", Mode::kRO, 0x051A8, 1, 4, kAll, 0, "2.4.7"},
    {"RXMTRL", Mode::kRW, 0x05120, 1, 4, kAll, 0, "2.4.7"},
    {"TSYNCTXCTL", Mode::kRW, kTsyncTxCtl, 1, 4, 0x10, 0, "2.4.7"},
    {"TXSTMPL", Mode::kRO, 0x08C04, 1, 4, kAll, 0, "2.4.7"},
    {"TXSTMPH", Mode::kRO, kTxStmpH, 1, 4, kAll, 0, "2.4.7"},
    {"SYSTIM", Mode::kRW, 0x08C0C, 16, 4, kAll, 0, "2.4.7"},  // SYSTIML to AUXSTMP1H
};

inline constexpr RegSpec kStatisticsSpecs[] = {
    {"CRCERRS", Mode::kRC, 0x04000, 1, 4, kAll, 0, "2.4.8"},
    {"ILLERRC", Mode::kRC, 0x04004, 1, 4, kAll, 0, "2.4.8"},
    {"ERRBC", Mode::kRC, 0x04008, 1, 4, kAll, 0, "2.4.8"},
    {"MSPDC", Mode::kRC, 0x04010, 1, 4, kAll, 0, "2.4.8"},
    {"MPC", Mode::kRC, kMpc, 8, 4, kAll, 0, "2.4.8"},
    {"MLFC", Mode::kRC, kMlfc, 1, 4, kAll, 0, "2.4.8"},
    {"MRFC", Mode::kRC, 0x04038, 1, 4, kAll, 0, "2.4.8"},
    {"RLEC", Mode::kRC, kRlec, 1, 4, kAll, 0, "2.4.8"},
    {"LXONTXC", Mode::kRC, kLxonTxc, 1, 4, kAll, 0, "2.4.8"},
    {"LXONRXCNT", Mode::kRC, kLxonRxc, 1, 4, kAll, 0, "2.4.8"},
    {"LXOFFTXC", Mode::kRC, kLxoffTxc, 1, 4, kAll, 0, "2.4.8"},
    {"LXOFFRXCNT", Mode::kRC, kLxoffRxc, 1, 4, kAll, 0, "2.4.8"},
    {"PXONTXC", Mode::kRC, 0x03F00, 8, 4, kAll, 0, "2.4.8"},
    {"PXOFFTXC", Mode::kRC, 0x03F20, 8, 4, kAll, 0, "2.4.8"},
    {"PXONRXCNT", Mode::kRC, 0x04140, 8, 4, kAll, 0, "2.4.8"},
    {"PXOFFRXCNT", Mode::kRC, 0x04160, 8, 4, kAll, 0, "2.4.8"},
    {"PXON2OFFCNT", Mode::kRC, 0x03240, 8, 4, kAll, 0, "2.4.8"},
    {"PRC64", Mode::kRC, kPrc64, 6, 4, kAll, 0, "2.4.8"},  // to PRC1522
    {"GPRC", Mode::kRC, kGprc, 1, 4, kAll, 0, "2.4.8"},
    {"BPRC", Mode::kRC, kBprc, 1, 4, kAll, 0, "2.4.8"},
    {"MPRC", Mode::kRC, kMprc, 1, 4, kAll, 0, "2.4.8"},
    {"GPTC", Mode::kRC, kGptc, 1, 4, kAll, 0, "2.4.8"},
    {"GORC", Mode::kRO, kGorc, 2, 4, kAll, 0, "2.4.8"},
    {"GOTC", Mode::kRO, kGotc, 2, 4, kAll, 0, "2.4.8"},
    {"RUC", Mode::kRC, kRuc, 4, 4, kAll, 0, "2.4.8"},  // RFC, ROC, RJC
    {"MNGPRC", Mode::kRC, 0x040B4, 2, 4, kAll, 0, "2.4.8"},
    {"MNGPTC", Mode::kRC, 0x0CF90, 1, 4, kAll, 0, "2.4.8"},
    {"TOR", Mode::kRO, kTor, 2, 4, kAll, 0, "2.4.8"},
    {"TPR", Mode::kRC, kTpr, 1, 4, kAll, 0, "2.4.8"},
    {"TPT", Mode::kRC, kTpt, 1, 4, kAll, 0, "2.4.8"},
    {"PTC64", Mode::kRC, kPtc64, 6, 4, kAll, 0, "2.4.8"},  // to PTC1522
    {"MPTC", Mode::kRC, kMptc, 1, 4, kAll, 0, "2.4.8"},
    {"BPTC", Mode::kRC, kBptc, 1, 4, kAll, 0, "2.4.8"},
    {"XEC", Mode::kRC, kXec, 1, 4, kAll, 0, "2.4.8"},
    {"SSVPC", Mode::kRC, 0x08780, 1, 4, kAll, 0, "2.4.8"},
    {"QPRC", Mode::kRC, kQprc, 16, 0x40, kAll, 0, "2.4.8"},
    {"QBRC_L", Mode::kRO, kQbrc, 16, 0x40, kAll, 0, "2.4.8"},
    {"QBRC_H", Mode::kRO, kQbrc + 4, 16, 0x40, kAll, 0, "2.4.8"},
    {"QPRDC", Mode::kRC, kQprdc, 16, 0x40, kAll, 0, "2.4.8"},
    {"QPTC", Mode::kRC, kQptc, 16, 0x40, kAll, 0, "2.4.8"},
    {"QPTC(alias)", Mode::kRC, 0x08680, 16, 4, kAll, 0, "2.4.8"},
    {"LSECTX", Mode::kRC, 0x08A3C, 5, 4, kAll, 0, ""},    // LinkSec's counters, which stay 0 [dpdk]
    {"LSECRX", Mode::kRC, 0x08F40, 17, 4, kAll, 0, ""},   // untagged, octets, and so on to NUSA
    {"QBTC", Mode::kRO, kQbtc, 32, 4, kAll, 0, "2.4.8"},  // L, H
    {"RXDGPC", Mode::kRC, kRxdgpc, 1, 4, kAll, 0, "2.4.8"},
    {"RXDGBC", Mode::kRO, kRxdgbc, 2, 4, kAll, 0, "2.4.8"},
    {"RXDDPC", Mode::kRC, 0x02F5C, 9, 4, kAll, 0, "2.4.8"},  // duplicated and loopback variants
    {"RXDSTATCTRL", Mode::kRW, 0x02F40, 1, 4, kAll, 0, "2.4.8"},
    {"RXNFGPC", Mode::kRC, 0x041B0, 1, 4, kAll, 0, "2.4.8"},
    {"TXDGPC", Mode::kRC, kTxdgpc, 1, 4, kAll, 0, "2.4.8"},
    {"TXDGBC", Mode::kRO, kTxdgbc, 2, 4, kAll, 0, "2.4.8"},
    {"FCCRC", Mode::kRC, 0x05118, 1, 4, kAll, 0, "2.4.8"},
    {"FCOERPDC", Mode::kRC, 0x0241C, 1, 4, kAll, 0, "2.4.8"},
    {"FCLAST", Mode::kRC, 0x02424, 1, 4, kAll, 0, "2.4.8"},
    {"FCOEPRC", Mode::kRC, 0x02428, 2, 4, kAll, 0, "2.4.8"},
    {"FCOEPTC", Mode::kRC, 0x08784, 2, 4, kAll, 0, "2.4.8"},
};

/// A run of offsets that are the same registers as another run.
struct Alias {
  std::uint32_t offset, count, stride, target, target_stride;
};
inline constexpr Alias kAliases[] = {
    {0x00004, 1, 4, kCtrl, 4},
    {0x02100, 16, 4, kRxLow + queue::kSrrctl, kQueueStride},
    {0x02200, 16, 4, kRxLow + queue::kDca, kQueueStride},
    {kRalLow, 16, 8, kRal, 8},
    {kRahLow, 16, 8, kRah, 8},
    {0x0EC80, 1, 4, kMrqc, 4},
    {0x0EB80, 10, 4, kRssrk, 4},
    {0x0EB00, 32, 4, kReta, 4},
    {0x08680, 16, 4, kQptc, 0x40},
};
/// The register behind an offset: itself unless it is an alias.
constexpr std::uint32_t canonical(std::uint32_t offset) noexcept {
  for (const Alias& a : kAliases) {
    const std::uint32_t i = (offset - a.offset) / a.stride;
    if (offset >= a.offset && i < a.count && (offset - a.offset) % a.stride == 0) return a.target + i * a.target_stride;
  }
  return offset;
}

/// Low words of 36-bit counters; the high word follows.
struct PairRun {
  std::uint32_t offset, count, stride;
};
inline constexpr PairRun kPairs[] = {{kGorc, 1, 8},  {kGotc, 1, 8},   {kTor, 1, 8},   {kQbrc, 16, 0x40},
                                     {kQbtc, 16, 8}, {kRxdgbc, 1, 8}, {kTxdgbc, 1, 8}};

/// Bits that a quirk lets a driver write and that then stay as they were.
struct IgnoredBits {
  Quirk quirk;
  std::uint32_t offset, count, stride, bits;
};
inline constexpr IgnoredBits kIgnoredBits[] = {
    {Quirk::kFctrlReserved, kFctrl, 1, 4, bit(12) | bit(13)},
    {Quirk::kEimsBit31, kEims, 1, 4, bit(31)},
    {Quirk::kEimsBit31, kEimc, 1, 4, bit(31)},
    {Quirk::kEimsBit31, kEics, 1, 4, bit(31)},
    {Quirk::kEimsBit31, kEiac, 1, 4, bit(31)},
    {Quirk::kEimsBit31, kEiam, 1, 4, bit(31)},
    {Quirk::kRahVind, kRah, 128, 8, 0x003F'0000},
    {Quirk::kRahVind, kRahLow, 16, 8, 0x003F'0000},
    {Quirk::kStatusWrite, kStatus, 1, 4, kAll},
    {Quirk::kEecDoWritten, kEec, 1, 4, kEecDo},
    {Quirk::kEitrLowBits, kEitr, 24, 4, bit(1) | bit(2)},
    {Quirk::kEitrLowBits, kEitrHigh, 104, 4, bit(1) | bit(2)},
    {Quirk::kFcrthBelowZero, kFcrth, 8, 4, 0x7FF8'0000},
};

/// Room for offsets of no register, under Quirk::kUnlistedOffsets; the other specs lie over it.
inline constexpr RegSpec kUnlisted{"(unlisted)", Mode::kRW, 0, kBarBytes / 4, 4, kAll, 0, "2.8"};

/// The table of one device: everything above, with the quirks' bits allowed.
inline std::vector<RegSpec> specs_for(Quirks quirks) {
  std::vector<RegSpec> out;
  if (quirks.has(Quirk::kUnlistedOffsets)) out.push_back(kUnlisted);
  const auto add = [&out](const auto& table) { out.insert(out.end(), std::begin(table), std::end(table)); };
  add(kGeneralSpecs), add(kInterruptSpecs), add(kRxQueueSpecs<kRxLow>), add(kRxQueueSpecs<kRxHigh>);
  add(kReceiveSpecs), add(kFlowDirectorSpecs), add(kTransmitSpecs), add(kMacSpecs), add(kStatisticsSpecs);
  for (RegSpec& spec : out) {
    for (const IgnoredBits& i : kIgnoredBits) {
      if (!quirks.has(i.quirk) || spec.offset != i.offset || spec.count != i.count) continue;
      spec.mask |= i.bits;
      if (spec.mode == Mode::kRO) spec.mode = Mode::kRW;
    }
  }
  return out;
}

}  // namespace model
}  // namespace pollux::ixgbe

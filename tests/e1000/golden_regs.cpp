// SPDX-License-Identifier: BSD-3-Clause
// Second reading of the register tables: 82574 (e1000e). Written from the register facts alone, without the driver's
// declarations in sight; golden.hpp says how to read a line, the tests stand below the table.
//
// The facts have no access column for this part. The mode here follows their words: "read clears", "mask set/clear",
// "set causes", statistics "read-to-clear on silicon"; a register that is only ever read (STATUS, FWSM...) is kRo, all
// others are kRw. Reset values are what QEMU's e1000e shows after power-on, the only ones the facts give; a register
// without one there has none here. Fields named for 8254x, 82575 and later only are marked `x`: reserved on an 82574.
#include <gtest/gtest.h>

#include <pollux/e1000/regs.hpp>

#include "../golden.hpp"

namespace {

using golden::Fields;
using golden::Mode;
using golden::Register;

constexpr auto RO = Mode::kRo;
constexpr auto WO = Mode::kWo;
constexpr auto RW = Mode::kRw;
constexpr auto RC = Mode::kRc;
constexpr auto W1S = Mode::kW1s;
constexpr auto SPECIAL = Mode::kSpecial;
constexpr unsigned x = golden::kOther;
constexpr unsigned pins = golden::kPins;
constexpr unsigned unnamed = golden::kUnnamed;
constexpr unsigned unsure = golden::kUnsure;
constexpr std::uint32_t bit(unsigned n) { return std::uint32_t{1} << n; }
constexpr std::nullopt_t none = std::nullopt;

// clang-format off
// Second reading of the register tables: interrupt causes, shared by ICR, ICS, IMS, IMC and IAM.
// Bit 7 is RXT0, on igb called RXDW. GPI is given as one span 14:11.
constexpr Fields kCauses{{{0, 0, "TXDW"}, {1, 1, "TXQE"}, {2, 2, "LSC"}, {3, 3, "RXSEQ"}, {4, 4, "RXDMT0"}, {6, 6, "RXO"}, {7, 7, "RXT0"}, {8, 8, "VMMB", x}, {9, 9, "MDAC"}, {10, 10, "RXCFG", x}, {14, 11, "GPI", pins}, {15, 15, "TXD_LOW"}, {16, 16, "SRPD"}, {17, 17, "ACK"}, {18, 18, "MNG"}, {19, 19, "TS"}, {20, 20, "RXQ0"}, {21, 21, "RXQ1"}, {22, 22, "TXQ0"}, {23, 23, "TXQ1"}, {24, 24, "OTHER"}, {28, 28, "DOUTSYNC", x}, {30, 30, "DRSTA", x}, {31, 31, "INT_ASSERTED"}}};
constexpr Fields kEeRead{{{0, 0, "START"}, {1, 1, "DONE"}, {15, 2, "ADDR"}, {31, 16, "DATA"}}};

constexpr Register kGolden[] = {
  // Second reading of the register tables: general registers.
  // CTRL: bit 2 is PRIOR on 8254x. SWDPIN0-3 are 18..21, and ADVD3WUC is given as bit 20 as well: contradiction, both kept.
  //   SWDPIN is given as a span of four named bits, SWDPIO as a span. Bit 29 has a name only from the 82580 on, yet the
  //   reset of the 82574 clears it. RST clears itself; PHY_RST is set and cleared by software.
  {"CTRL", {{0x0000, 1, 0}}, RW, 0x00140241, none, {{{0, 0, "FD"}, {2, 2, "GIO_MASTER_DISABLE"}, {2, 2, "PRIOR", x}, {3, 3, "LRST"}, {5, 5, "ASDE"}, {6, 6, "SLU"}, {7, 7, "ILOS"}, {9, 8, "SPEED"}, {11, 11, "FRCSPD"}, {12, 12, "FRCDPX"}, {18, 18, "SWDPIN0"}, {19, 19, "SWDPIN1"}, {20, 20, "SWDPIN2"}, {20, 20, "ADVD3WUC", unsure}, {21, 21, "SWDPIN3"}, {21, 18, "SWDPIN", pins}, {25, 22, "SWDPIO", pins}, {26, 26, "RST"}, {27, 27, "RFCE"}, {28, 28, "TFCE"}, {29, 29, "DEV_RST", x}, {30, 30, "VME"}, {31, 31, "PHY_RST"}}}, bit(26)},
  // STATUS: ASDV 9:8 and LAN_INIT_DONE 9 (82571 and later) overlap: the facts do not say which the 82574 has.
  //   NUM_VF is 82576, PHYRA 82575 and later. The reset value has bit 31 set, which has no name.
  {"STATUS", {{0x0008, 1, 0}}, RO, 0x80080283, none, {{{0, 0, "FD"}, {1, 1, "LU"}, {3, 2, "FUNC"}, {4, 4, "TXOFF"}, {5, 5, "TBIMODE", x}, {7, 6, "SPEED"}, {9, 8, "ASDV", unsure}, {9, 9, "LAN_INIT_DONE", unsure}, {10, 10, "PHYRA", x}, {11, 11, "PCI66", x}, {12, 12, "BUS64", x}, {13, 13, "PCIX", x}, {17, 14, "NUM_VF", x}, {19, 19, "GIO_MASTER_EN"}, {20, 20, "DEV_RST_SET", x}}}},
  // EECD: TYPE 13 carries no part and lies inside SIZE_EX 14:11 (82571 and later): contradiction, both kept.
  //   i210 has other names at 19, 23, 25 and 26.
  {"EECD", {{0x0010, 1, 0}}, RW, 0x00000300, none, {{{0, 0, "SK"}, {1, 1, "CS"}, {2, 2, "DI"}, {3, 3, "DO"}, {5, 4, "FWE"}, {6, 6, "REQ"}, {7, 7, "GNT"}, {8, 8, "PRES"}, {9, 9, "AUTO_RD"}, {9, 9, "SIZE", x}, {10, 10, "ADDR_BITS"}, {13, 13, "TYPE", unsure}, {14, 11, "SIZE_EX"}, {19, 19, "FLUPD"}, {19, 19, "FLASH_DETECTED", x}, {20, 20, "AUPDEN"}, {22, 22, "SEC1VAL"}, {23, 23, "FLUPD", x}, {25, 25, "SEC1VAL", x}, {26, 26, "FLUDONE", x}}}},
  // CTRL_EXT: LINK_MODE 23:22; the reset of the 82574 wants 22 set and 23 clear. Whether EE_RST and PBA_CLR clear
  //   themselves is not said. RO_DIS 17, SDLPE 18, DMA_DYN_CLK 19, PHYPDEN 20 carry no part.
  {"CTRL_EXT", {{0x0018, 1, 0}}, RW, none, none, {{{0, 0, "IRCA", x}, {3, 0, "GPI_EN", pins}, {7, 4, "SDP_DATA", pins}, {11, 8, "SDP_DIR", pins}, {12, 12, "ASDCHK"}, {13, 13, "EE_RST"}, {14, 14, "PFRSTD", x}, {15, 15, "SPD_BYPS"}, {17, 17, "RO_DIS"}, {18, 18, "SDLPE"}, {19, 19, "DMA_DYN_CLK"}, {20, 20, "PHYPDEN"}, {23, 22, "LINK_MODE"}, {24, 24, "EIAME"}, {26, 26, "EXT_VLAN", x}, {27, 27, "IAME"}, {28, 28, "DRV_LOAD"}, {29, 29, "INT_TIMERS_CLR"}, {31, 31, "PBA_CLR"}}}},
  // MDIC: 26 is OP write, 27 OP read, given in one row; taken as two bits and as one field of two.
  {"MDIC", {{0x0020, 1, 0}}, RW, none, none, {{{15, 0, "DATA"}, {20, 16, "REGISTER"}, {25, 21, "PHY_ADDRESS"}, {26, 26, "OP_WRITE"}, {27, 27, "OP_READ"}, {27, 26, "OP"}, {28, 28, "READY"}, {29, 29, "INTERRUPT"}, {30, 30, "ERROR"}}}},
  // FCAL, FCAH, FCT: 00C28001, 0100 and 8808 are values the driver writes; no reset values, no fields given.
  {"FCAL", {{0x0028, 1, 0}}, RW, none, none, {}},
  {"FCAH", {{0x002C, 1, 0}}, RW, none, none, {}},
  {"FCT", {{0x0030, 1, 0}}, RW, none, none, {}},
  // VET: 8100 after power-on, 0 after CTRL.RST (QEMU). The outer tag in 31:16 is igb.
  {"VET", {{0x0038, 1, 0}}, RW, 0x8100, 0x0, {{{15, 0, "VET"}, {31, 16, "OUTER", x}}}},
  {"EXTCNF_CTRL", {{0x0F00, 1, 0}}, RW, none, none, {{{5, 5, "MDIO_SW_OWNERSHIP"}}}},
  {"PBA", {{0x1000, 1, 0}}, RW, 0x00140014, none, {{{15, 0, "RX"}, {31, 16, "TX"}}}},
  {"WUC", {{0x5800, 1, 0}}, RW, none, none, {{{0, 0, "APME"}, {1, 1, "PME_EN"}, {2, 2, "PME_STATUS"}, {3, 3, "APMPME"}}}},
  // GCR: bit 22 is to be set on the 82574 and has no name. 15:12, 16, 18 are given for igb only.
  {"GCR", {{0x5B00, 1, 0}}, RW, 0x06800200, none, {{{15, 12, "COMPLETION_TIMEOUT", x}, {16, 16, "COMPLETION_RESEND", x}, {18, 18, "CAP_VER2", x}, {22, 22, "bit 22", unnamed}, {27, 27, "L1_ACT_WITHOUT_L0S_RX"}}}},
  // GCR2: bit 0 is to be set on the 82574 and has no name.
  {"GCR2", {{0x5B64, 1, 0}}, RW, none, none, {{{0, 0, "bit 0", unnamed}}}},

  // Second reading of the register tables: interrupts. Whether a write of 1 clears ICR as well is not said for the 82574.
  {"ICR", {{0x00C0, 1, 0}}, RC, none, none, kCauses},
  // IMC: "mask clear"; QEMU's e1000 does not implement its read, for the 82574 nothing is said.
  {"IMC", {{0x00D8, 1, 0}}, WO, none, none, kCauses},

  // Second reading of the register tables: receive.
  // RCTL: DTYP and FLXBUF are the 82574's. No reset value given.
  {"RCTL", {{0x0100, 1, 0}}, RW, none, none, {{{1, 1, "EN"}, {2, 2, "SBP"}, {3, 3, "UPE"}, {4, 4, "MPE"}, {5, 5, "LPE"}, {7, 6, "LBM"}, {9, 8, "RDMTS"}, {11, 10, "DTYP"}, {13, 12, "MO"}, {15, 15, "BAM"}, {17, 16, "BSIZE"}, {18, 18, "VFE"}, {19, 19, "CFIEN"}, {20, 20, "CFI"}, {22, 22, "DPF"}, {23, 23, "PMCF"}, {25, 25, "BSEX"}, {26, 26, "SECRC"}, {30, 27, "FLXBUF"}}}},
  // FCRTL, FCRTH: a number of bytes, a multiple of 8; how wide is not said, so the threshold has no bits here.
  {"FCRTL", {{0x2160, 1, 0}}, RW, none, none, {{{31, 31, "XONE"}}}},
  {"FCRTH", {{0x2168, 1, 0}}, RW, none, none, {}},
  // Rings: two queues, 100h apart. RDBAL, RDLEN, RDH, RDT: no bits given (a base is 128-byte aligned, a length a multiple of 128).
  {"RDBAL", {{0x2800, 2, 0x100}}, RW, none, none, {}},
  {"RDBAH", {{0x2804, 2, 0x100}}, RW, none, none, {}},
  {"RDLEN", {{0x2808, 2, 0x100}}, RW, none, none, {}},
  {"RDH", {{0x2810, 2, 0x100}}, RW, none, none, {}},
  {"RDT", {{0x2818, 2, 0x100}}, RW, none, none, {}},
  // RDTR, RADV: units of 1.024 us; how wide is not said. FPD is RDTR's. One of each: no stride given.
  {"RDTR", {{0x2820, 1, 0}}, RW, none, none, {{{31, 31, "FPD"}}}},
  // RXDCTL: QUEUE_ENABLE is igb. SWFLSH carries no part; taken as given, unsure for the 82574.
  {"RXDCTL", {{0x2828, 2, 0x100}}, RW, 0x00010000, none, {{{5, 0, "PTHRESH"}, {13, 8, "HTHRESH"}, {21, 16, "WTHRESH"}, {24, 24, "GRAN"}, {25, 25, "QUEUE_ENABLE", x}, {26, 26, "SWFLSH", unsure}}}},
  {"RADV", {{0x282C, 1, 0}}, RW, none, none, {}},
  {"RXCSUM", {{0x5000, 1, 0}}, RW, 0x300, none, {{{7, 0, "PCSS"}, {8, 8, "IPOFLD"}, {9, 9, "TUOFLD"}, {10, 10, "IPV6OFL", x}, {11, 11, "CRCOFL", x}, {12, 12, "IPPCSE"}, {13, 13, "PCSD"}}}},
  {"RFCTL", {{0x5008, 1, 0}}, RW, none, none, {{{0, 0, "ISCSI_DIS"}, {5, 1, "ISCSI_DWC"}, {6, 6, "NFSW_DIS"}, {7, 7, "NFSR_DIS"}, {9, 8, "NFS_VER"}, {10, 10, "IPV6_DIS"}, {11, 11, "IPV6_XSUM_DIS"}, {12, 12, "ACK_DIS"}, {13, 13, "ACKD_DIS"}, {14, 14, "IPFRSP_DIS"}, {15, 15, "EXTEN"}, {16, 16, "IPV6_EX_DIS"}, {17, 17, "NEW_IPV6_EXT_DIS"}, {18, 18, "LEF", x | unsure}}}},
  {"MTA", {{0x5200, 128, 4}}, RW, none, none, {}},
  // RAL, RAH: 16 entries (8254x to 82575). RAL0, RAH0 come from the EEPROM. RAH's low half holds the last two bytes of
  //   the address, which the facts for this part do not spell out. POOL "from bit 18" is igb, its end not given.
  {"RAL", {{0x5400, 16, 8}}, RW, none, none, {}},
  {"RAH", {{0x5404, 16, 8}}, RW, none, none, {{{17, 16, "AS"}, {18, 18, "POOL", x}, {31, 31, "AV"}}}},
  {"VFTA", {{0x5600, 128, 4}}, RW, none, none, {}},
  {"FCTTV", {{0x0170, 1, 0}}, RW, none, none, {{{15, 0, "PAUSE_TIME"}}}},

  // Second reading of the register tables: transmit.
  {"TCTL", {{0x0400, 1, 0}}, RW, 0x0, none, {{{1, 1, "EN"}, {3, 3, "PSP"}, {11, 4, "CT"}, {21, 12, "COLD"}, {22, 22, "SWXOFF"}, {23, 23, "PBE"}, {24, 24, "RTLC"}, {25, 25, "NRTU"}, {28, 28, "MULR"}}}},
  {"TIPG", {{0x0410, 1, 0}}, RW, 0x00602008, none, {{{9, 0, "IPGT"}, {19, 10, "IPGR1"}, {29, 20, "IPGR2"}}}},
  {"TDBAL", {{0x3800, 2, 0x100}}, RW, none, none, {}},
  {"TDBAH", {{0x3804, 2, 0x100}}, RW, none, none, {}},
  {"TDLEN", {{0x3808, 2, 0x100}}, RW, none, none, {}},
  {"TDH", {{0x3810, 2, 0x100}}, RW, none, none, {}},
  {"TDT", {{0x3818, 2, 0x100}}, RW, none, none, {}},
  {"TIDV", {{0x3820, 1, 0}}, RW, none, none, {}},
  // TXDCTL: the layout of RXDCTL, and COUNT_DESC 22, which the reset of the 82574 sets. PRIORITY is i210.
  {"TXDCTL", {{0x3828, 2, 0x100}}, RW, none, none, {{{5, 0, "PTHRESH"}, {13, 8, "HTHRESH"}, {21, 16, "WTHRESH"}, {22, 22, "COUNT_DESC"}, {24, 24, "GRAN"}, {25, 25, "QUEUE_ENABLE", x}, {26, 26, "SWFLSH", unsure}, {27, 27, "PRIORITY", x}}}},
  {"TADV", {{0x382C, 1, 0}}, RW, none, none, {}},
  // TARC: "errata bits 30:20"; the reset of the 82574 clears 30:27 and sets 26 of TARC0: each bit alone counts.
  {"TARC", {{0x3840, 2, 0x100}}, RW, 0x403, none, {{{6, 0, "COUNT"}, {10, 10, "ENABLE"}, {30, 20, "errata", unnamed | golden::kPins}, {30, 27, "errata 30:27", unnamed}, {26, 26, "errata 26", unnamed}}}},

  // Second reading of the register tables: statistics. Read clears; of a pair the facts say that the read of the high half
  // clears both, so whether a read of the low half alone clears it is unsure (in QEMU's e1000 it does not).
  {"CRCERRS", {{0x4000, 1, 0}}, RC},
  {"ALGNERRC", {{0x4004, 1, 0}}, RC},
  {"SYMERRS", {{0x4008, 1, 0}}, RC},
  {"RXERRC", {{0x400C, 1, 0}}, RC},
  {"MPC", {{0x4010, 1, 0}}, RC},
  {"SCC", {{0x4014, 1, 0}}, RC},
  {"ECOL", {{0x4018, 1, 0}}, RC},
  {"MCC", {{0x401C, 1, 0}}, RC},
  {"LATECOL", {{0x4020, 1, 0}}, RC},
  {"COLC", {{0x4028, 1, 0}}, RC},
  {"DC", {{0x4030, 1, 0}}, RC},
  {"TNCRS", {{0x4034, 1, 0}}, RC},
  {"SEC", {{0x4038, 1, 0}}, RC},
  {"CEXTERR", {{0x403C, 1, 0}}, RC},
  {"RLEC", {{0x4040, 1, 0}}, RC},
  {"XONRXC", {{0x4048, 1, 0}}, RC},
  {"XONTXC", {{0x404C, 1, 0}}, RC},
  {"XOFFRXC", {{0x4050, 1, 0}}, RC},
  {"XOFFTXC", {{0x4054, 1, 0}}, RC},
  {"FCRUC", {{0x4058, 1, 0}}, RC},
  {"PRC64", {{0x405C, 1, 0}}, RC},
  {"PRC127", {{0x4060, 1, 0}}, RC},
  {"PRC255", {{0x4064, 1, 0}}, RC},
  {"PRC511", {{0x4068, 1, 0}}, RC},
  {"PRC1023", {{0x406C, 1, 0}}, RC},
  {"PRC1522", {{0x4070, 1, 0}}, RC},
  {"GPRC", {{0x4074, 1, 0}}, RC},
  {"BPRC", {{0x4078, 1, 0}}, RC},
  {"MPRC", {{0x407C, 1, 0}}, RC},
  {"GPTC", {{0x4080, 1, 0}}, RC},
  {"GORCL", {{0x4088, 1, 0}}, RC},
  {"GORCH", {{0x408C, 1, 0}}, RC},
  {"GOTCL", {{0x4090, 1, 0}}, RC},
  {"GOTCH", {{0x4094, 1, 0}}, RC},
  {"RNBC", {{0x40A0, 1, 0}}, RC},
  {"RUC", {{0x40A4, 1, 0}}, RC},
  {"RFC", {{0x40A8, 1, 0}}, RC},
  {"ROC", {{0x40AC, 1, 0}}, RC},
  {"RJC", {{0x40B0, 1, 0}}, RC},
  {"MGTPRC", {{0x40B4, 1, 0}}, RC},
  {"MGTPDC", {{0x40B8, 1, 0}}, RC},
  {"MGTPTC", {{0x40BC, 1, 0}}, RC},
  {"TORL", {{0x40C0, 1, 0}}, RC},
  {"TORH", {{0x40C4, 1, 0}}, RC},
  {"TOTL", {{0x40C8, 1, 0}}, RC},
  {"TOTH", {{0x40CC, 1, 0}}, RC},
  {"TPR", {{0x40D0, 1, 0}}, RC},
  {"TPT", {{0x40D4, 1, 0}}, RC},
  {"PTC64", {{0x40D8, 1, 0}}, RC},
  {"PTC127", {{0x40DC, 1, 0}}, RC},
  {"PTC255", {{0x40E0, 1, 0}}, RC},
  {"PTC511", {{0x40E4, 1, 0}}, RC},
  {"PTC1023", {{0x40E8, 1, 0}}, RC},
  {"PTC1522", {{0x40EC, 1, 0}}, RC},
  {"MPTC", {{0x40F0, 1, 0}}, RC},
  {"BPTC", {{0x40F4, 1, 0}}, RC},
  {"TSCTC", {{0x40F8, 1, 0}}, RC},
  {"TSCTFC", {{0x40FC, 1, 0}}, RC},
  {"IAC", {{0x4100, 1, 0}}, RC},
  {"ICRXPTC", {{0x4104, 1, 0}}, RC},
  {"ICRXATC", {{0x4108, 1, 0}}, RC},
  {"ICTXPTC", {{0x410C, 1, 0}}, RC},
  {"ICTXATC", {{0x4110, 1, 0}}, RC},
  {"ICTXQEC", {{0x4118, 1, 0}}, RC},
  {"ICTXQMTC", {{0x411C, 1, 0}}, RC},
  {"ICRXDMTC", {{0x4120, 1, 0}}, RC},
  {"ICRXOC", {{0x4124, 1, 0}}, RC},

  // Second reading of the register tables: registers beyond those the driver was expected to have, so that it may grow.
  {"EERD", {{0x0014, 1, 0}}, RW, 0x2, none, kEeRead},
  // EEWR: DONE always reads 1 in QEMU.
  {"EEWR", {{0x102C, 1, 0}}, RW, none, none, kEeRead},
  {"FLA", {{0x001C, 1, 0}}, RW, none, none, {}},
  {"TXCW", {{0x0178, 1, 0}}, RW, none, none, {{{31, 31, "ANE"}}}},
  {"RXCW", {{0x0180, 1, 0}}, RO, none, none, {{{15, 0, "CW"}, {27, 27, "INVALID"}, {29, 29, "C"}, {30, 30, "SYNCH"}, {31, 31, "ANC"}}}},
  {"TCTL_EXT", {{0x0404, 1, 0}}, RW, none, none, {{{19, 10, "COLLISION_DISTANCE", x}}}},
  {"AIT", {{0x0458, 1, 0}}, RW, none, none, {}},
  // LEDCTL: one byte per LED, 3:0 MODE, 6 IVRT, 7 BLINK.
  {"LEDCTL", {{0x0E00, 1, 0}}, RW, 0x00068302, none, {{{3, 0, "LED0_MODE"}, {6, 6, "LED0_IVRT"}, {7, 7, "LED0_BLINK"}, {11, 8, "LED1_MODE"}, {14, 14, "LED1_IVRT"}, {15, 15, "LED1_BLINK"}, {19, 16, "LED2_MODE"}, {22, 22, "LED2_IVRT"}, {23, 23, "LED2_BLINK"}, {27, 24, "LED3_MODE"}, {30, 30, "LED3_IVRT"}, {31, 31, "LED3_BLINK"}}}},
  {"PBS", {{0x1008, 1, 0}}, RW, none, none, {}},
  {"EEMNGCTL", {{0x1010, 1, 0}}, RW, 0x80000000, none, {{{18, 18, "CFG_DONE_PORT0"}, {19, 19, "CFG_DONE_PORT1"}, {20, 20, "CFG_DONE_PORT2"}, {21, 21, "CFG_DONE_PORT3"}}}},
  {"WUFC", {{0x5808, 1, 0}}, RW, none, none, {}},
  {"WUS", {{0x5810, 1, 0}}, RW, none, none, {}},
  {"MANC", {{0x5820, 1, 0}}, RW, 0x10000000, none, {{{13, 13, "ARP_EN"}, {17, 17, "RCV_TCO"}, {21, 21, "EN_MNG2HOST"}}}},
  {"MANC2H", {{0x5860, 1, 0}}, RW, none, none, {}},
  {"FACTPS", {{0x5B30, 1, 0}}, RO, none, none, {{{29, 29, "MNGCG"}}}},
  {"SWSM", {{0x5B50, 1, 0}}, SPECIAL, 0x1, none, {{{0, 0, "SMBI"}, {1, 1, "SWESMBI"}, {3, 3, "DRV_LOAD"}}}},
  {"FWSM", {{0x5B54, 1, 0}}, RO, none, none, {{{3, 1, "MODE"}, {15, 15, "FW_VALID"}}}},
  {"ITR", {{0x00C4, 1, 0}}, RW, none, none, {{{15, 0, "INTERVAL"}}}},
  {"ICS", {{0x00C8, 1, 0}}, WO, none, none, kCauses},
  {"IMS", {{0x00D0, 1, 0}}, W1S, none, none, kCauses},
  {"EIAC", {{0x00DC, 1, 0}}, RW, none, none, {{{20, 20, "RXQ0"}, {21, 21, "RXQ1"}, {22, 22, "TXQ0"}, {23, 23, "TXQ1"}, {24, 24, "OTHER"}, {24, 20, "EIAC", pins}}}},
  {"IAM", {{0x00E0, 1, 0}}, RW, none, none, kCauses},
  {"IVAR", {{0x00E4, 1, 0}}, RW, none, none, {{{3, 0, "RXQ0"}, {7, 4, "RXQ1"}, {11, 8, "TXQ0"}, {15, 12, "TXQ1"}, {19, 16, "OTHER"}, {31, 31, "TX_WRITE_BACK"}}}},
  {"EITR", {{0x00E8, 5, 4}}, RW, none, none, {{{15, 0, "INTERVAL"}}}},
  {"PSRCTL", {{0x2170, 1, 0}}, RW, 0x00040402, none, {{{6, 0, "BSIZE0"}, {13, 8, "BSIZE1"}, {21, 16, "BSIZE2"}, {29, 24, "BSIZE3"}}}},
  {"RSRPD", {{0x2C00, 1, 0}}, RW, none, none, {}},
  {"RAID", {{0x2C08, 1, 0}}, RW, none, none, {}},
  {"MRQC", {{0x5818, 1, 0}}, RW, none, none, {{{1, 0, "ENABLE"}, {16, 16, "TCPv4"}, {17, 17, "IPv4"}, {18, 18, "TCPv6EX"}, {19, 19, "IPv6EX"}, {20, 20, "IPv6"}, {21, 21, "TCPv6"}, {22, 22, "UDPv4", x}, {23, 23, "UDPv6", x}, {24, 24, "UDPv6EX", x}}}},
  {"RETA", {{0x5C00, 32, 4}}, RW, none, none, {}},
  {"RSSRK", {{0x5C80, 10, 4}}, RW, none, none, {}},
};
// clang-format on

// ---- Tests ----

// What the driver declares and the table above does not have, or has otherwise.
// clang-format off
constexpr golden::Exception kExceptions[] = {
  {"CTRL", "errata29", 29, 29, "the reset of the 82574 clears bit 29; it has a name on later parts only"},
  {"CTRL_EXT", "errata22", 22, 22, "the reset of the 82574 sets bit 22 and clears bit 23, each by itself: LINK_MODE 1"},
  {"CTRL_EXT", "errata23", 23, 23, "the same"},
  {"FCAH", "fcah", 15, 0, "the value, 0100h, is given; the width of its field is not"},
  {"FCT", "fct", 15, 0, "the value, 8808h, is given; the width of its field is not"},
  {"ICR", "access", unsigned(pollux::reg::Access::kReadClearWriteOneToClear), 0, "that a read clears is given; that a write of ones clears them too is how QEMU's e1000e works"},
  {"IMC", "causes", 31, 0, "the reset writes all ones, so that no cause is left over, named or not"},
  {"FCRTL", "rtl", 15, 3, "bytes, a multiple of 8: bit 3 is the lowest; the highest is not given"},
  {"FCRTH", "rth", 15, 3, "the same"},
  {"RDBAL", "base", 31, 4, "the rules for rings: the low 4 bits of a base are masked"},
  {"RDLEN", "len", 19, 7, "the rules for rings: the mask of a length is FFF80h"},
  {"RDH", "head", 15, 0, "an index; its width is not given"},
  {"RDT", "tail", 15, 0, "an index; its width is not given"},
  {"RDTR", "delay", 15, 0, "units of 1.024 us; the width is not given"},
  {"RADV", "delay", 15, 0, "units of 1.024 us; the width is not given"},
  {"RAH", "address", 15, 0, "the last two bytes of an address; spelled out for the 82599 only"},
  {"TDBAL", "base", 31, 4, "the rules for rings: the low 4 bits of a base are masked"},
  {"TDLEN", "len", 19, 7, "the rules for rings: the mask of a length is FFF80h"},
  {"TDH", "head", 15, 0, "an index; its width is not given"},
  {"TDT", "tail", 15, 0, "an index; its width is not given"},
  {"TIDV", "idv", 15, 0, "units of 1.024 us; the width is not given"},
  {"TADV", "idv", 15, 0, "units of 1.024 us; the width is not given"},
};
// Names of the driver that differ from the table's.
constexpr golden::Synonym kSynonyms[] = {
  {"CTRL", "frcdplx", "FRCDPX"},
  {"MDIC", "regadd", "REGISTER"}, {"MDIC", "phyadd", "PHY_ADDRESS"}, {"MDIC", "ie", "INTERRUPT"},
  {"PBA", "rxa", "RX"}, {"PBA", "txa", "TX"},
  {"FCTTV", "ttv", "PAUSE_TIME"},
  {"MRQC", "tcp_ipv4", "TCPv4"}, {"MRQC", "tcp_ipv6_ex", "TCPv6EX"}, {"MRQC", "tcp_ipv6", "TCPv6"},
};
// clang-format on

TEST(GoldenE1000, TheSecondReadingHasNoFaultsOfItsOwn) {
  const auto faults = golden::faults(kGolden);
  EXPECT_TRUE(faults.empty()) << golden::lines(faults);
}

TEST(GoldenE1000, TheDriverDeclaresWhatTheSecondReadingFound) {
  const auto report = golden::compare(golden::declared(pollux::e1000::Registers{}), kGolden, kExceptions, kSynonyms);
  golden::print(report);
  EXPECT_TRUE(report.errors.empty()) << golden::lines(report.errors);
}

// ---- The comparison itself: every kind of disagreement is found ----

using golden::Declared;
using pollux::reg::Access;

// clang-format off
constexpr Register kSample[] = {
  {"A", {{0x10, 2, 0x100}}, RW, 0x5, none, {{{3, 0, "LOW"}, {7, 7, "GO"}, {9, 9, "LATER", x}, {15, 12, "PIN", pins}}}, bit(7)},
  {"TWO", {{0x20, 1, 0}}, RO, none, none, {{{1, 1, "ONE"}, {2, 2, "OTHER"}}}},
  {"B/B_OLD", {{0x40, 2, 8}, {0x80, 2, 8}}, RC, none, none, {}, 0, {{0xC0, 4, 4}}},
};
// clang-format on

Declared sample() { return {"A", {{0x10, 2, 0x100}}, Access::kReadWriteSelfClear, 5, {{"low", 3, 0}, {"go", 7, 7}}}; }

// What the comparison says of one register, its errors only.
std::string errors_of(const Declared& d, std::span<const golden::Exception> exceptions = {},
                      std::span<const golden::Synonym> synonyms = {}) {
  return golden::lines(golden::compare({d}, kSample, exceptions, synonyms).errors);
}

TEST(GoldenComparison, FindsNothingWrongWithWhatIsRight) {
  EXPECT_EQ(errors_of(sample()), "");
  EXPECT_EQ(errors_of({"b_old", {{0x40, 2, 8}, {0x80, 1, 8}}, Access::kReadClear, 7, {{"all", 31, 0}}}), "");
  EXPECT_EQ(errors_of({"B", {{0xC0, 4, 4}}, Access::kReadClear, 0, {}}), "");
}

TEST(GoldenComparison, FindsAWrongPlace) {
  auto d = sample();
  d.name = "AA";
  EXPECT_EQ(errors_of(d), "\n  AA: the tables have no such register");
  d = sample();
  d.runs[0].offset = 0x14;
  EXPECT_EQ(errors_of(d), "\n  A: element 0 at 00014h, the tables have it at 00010h");
  d = sample();
  d.runs[0].stride = 0x40;
  EXPECT_EQ(errors_of(d), "\n  A: element 1 at 00050h, the tables have it at 00110h");
  d = sample();
  d.runs[0].count = 3;
  EXPECT_EQ(errors_of(d), "\n  A: element 2 does not exist: the tables have 2");
  EXPECT_EQ(errors_of({"B", {{0x40, 3, 8}}, Access::kReadClear, 0, {}}),
            "\n  B: element 2 at 00050h, the tables have it at 00080h");
  const auto twice = golden::compare({sample(), sample()}, kSample, {}, {});
  EXPECT_EQ(golden::lines(twice.errors), "\n  A: declared twice");
}

TEST(GoldenComparison, FindsAWrongAccessOrReset) {
  auto d = sample();
  d.access = Access::kReadWrite;
  EXPECT_EQ(errors_of(d), "\n  A: access read-write against RW of the tables with self-clearing bits");
  d.access = Access::kReadClear;
  EXPECT_NE(errors_of(d), "");
  d = sample();
  d.reset = 4;
  EXPECT_EQ(errors_of(d), "\n  A: reset 00000004h, the tables have 00000005h");
  static constexpr golden::Exception kFour[] = {{"A", "reset", 4, 0, "why"}};
  EXPECT_EQ(errors_of(d, kFour), "");
  d.reset = 6;
  EXPECT_NE(errors_of(d, kFour), "");
  EXPECT_EQ(errors_of({"B", {{0x40, 2, 8}}, Access::kReadOnly, 0, {}}),
            "\n  B: access read-only against RC of the tables");
}

TEST(GoldenComparison, FindsAWrongField) {
  auto d = sample();
  d.fields = {{"low", 4, 1}};
  d.access = Access::kReadWrite;
  EXPECT_EQ(errors_of(d), "\n  A: field low 4:1: the tables have LOW at 3:0");
  d.fields = {{"lo_w", 7, 7}};
  d.access = Access::kReadWriteSelfClear;
  EXPECT_EQ(errors_of(d), "\n  A: field lo_w 7: the tables have LOW at 3:0");
  d.access = Access::kReadWrite;
  d.fields = {{"part", 2, 0}};
  EXPECT_EQ(errors_of(d), "\n  A: field part 2:0: no such field; there: LOW 3:0");
  d.fields = {{"reserved", 20, 20}};
  EXPECT_EQ(errors_of(d), "\n  A: field reserved 20: no such field; there: nothing");
  d.fields = {{"pin1", 13, 13}};
  EXPECT_EQ(errors_of(d), "\n  A: field pin1 13: a part of PIN 15:12");
  EXPECT_EQ(errors_of({"TWO", {{0x20, 1, 4}}, Access::kReadOnly, 0, {{"both", 2, 1}}}),
            "\n  TWO: field both 2:1: as one: ONE 1, OTHER 2");
  d.fields = {{"later", 9, 9}};
  EXPECT_EQ(errors_of(d), "\n  A: field later 9: reserved on this part (LATER)");
  d.fields = {{"bottom", 3, 0}};
  EXPECT_EQ(errors_of(d), "\n  A: field bottom 3:0: in the tables these bits are LOW: the same under another name?");
}

TEST(GoldenComparison, HoldsASynonymToItsBits) {
  static constexpr golden::Synonym kLow[] = {{"A", "bottom", "LOW"}};
  auto d = sample();
  d.fields[0] = {"bottom", 3, 0};
  EXPECT_EQ(errors_of(d, {}, kLow), "");
  d.fields[0] = {"bottom", 15, 12};
  EXPECT_EQ(errors_of(d, {}, kLow), "\n  A: field bottom 15:12: the tables have LOW at 3:0");
  EXPECT_EQ(errors_of(sample(), {}, kLow), "\n  A.bottom: a synonym that nothing needs");
  static constexpr golden::Synonym kNone[] = {{"A", "low", "NONE"}};
  EXPECT_EQ(errors_of(sample(), {}, kNone), "\n  A: field low 3:0: the tables have no NONE");
}

TEST(GoldenComparison, TakesAnExceptionForItsOwnBitsOnlyAndNoneInVain) {
  static constexpr golden::Exception kLater[] = {{"A", "later", 9, 9, "why"}};
  auto d = sample();
  d.fields.push_back({"later", 9, 9});
  EXPECT_EQ(errors_of(d, kLater), "");
  d.fields.back() = {"later", 10, 10};
  EXPECT_NE(errors_of(d, kLater), "");
  EXPECT_EQ(errors_of(sample(), kLater), "\n  A.later: an exception that nothing needs (why)");
}

}  // namespace

// SPDX-License-Identifier: BSD-3-Clause
// Second reading of the register tables: 82599. Written from the register facts alone, without the driver's
// declarations in sight; golden.hpp says how to read a line, the tests stand below the table.
//
// Access and reset follow the facts' own columns. A reset of "-" (undefined, or not found) has none here; where the
// facts give two values (the transcribed one, and one chosen for the software model) both stand, the transcribed one
// first; a value that is only the model's has none. For statistics no reset is given. Fields of X540/X550 or 82598 only
// are marked `x`: reserved on an 82599. `fixed`: named as reserved.
#include <gtest/gtest.h>

#include <utility>

#include <pollux/ixgbe/regs.hpp>

#include "../golden.hpp"

namespace {

using golden::Fields;
using golden::Mode;
using golden::Register;

constexpr auto RO = Mode::kRo;
constexpr auto WO = Mode::kWo;
constexpr auto RW = Mode::kRw;
constexpr auto RC = Mode::kRc;
constexpr auto W1C = Mode::kW1c;
constexpr auto RC_W1C = Mode::kRcW1c;
constexpr auto W1S = Mode::kW1s;
constexpr auto SPECIAL = Mode::kSpecial;
constexpr unsigned x = golden::kOther;
constexpr unsigned pins = golden::kPins;
constexpr unsigned fixed = golden::kFixed;
constexpr unsigned unsure = golden::kUnsure;
constexpr std::uint32_t bit(unsigned n) { return std::uint32_t{1} << n; }
constexpr std::nullopt_t none = std::nullopt;

// clang-format off
// Second reading of the register tables: interrupt causes. Given for EICR; taken to hold for EICS, EIMS, EIMC, EIAC and
// EIAM as well. On X540 the pins are 25, 26, 27 and 24 is the time stamp.
constexpr Fields kCauses{{{15, 0, "RTxQ", pins}, {16, 16, "FLOW_DIRECTOR"}, {17, 17, "RX_MISS"}, {18, 18, "PCI_EXCEPTION"}, {19, 19, "MAILBOX"}, {20, 20, "LSC"}, {21, 21, "LINKSEC"}, {22, 22, "MNG"}, {23, 23, "TS"}, {24, 24, "SDP0"}, {25, 25, "SDP1"}, {26, 26, "SDP2"}, {27, 27, "SDP2", x}, {28, 28, "ECC"}, {30, 30, "TCP_TIMER"}, {31, 31, "OTHER"}}};
// The same for EIMS: bit 31 is reserved there, though drivers write it.
constexpr Fields kMaskCauses{{{15, 0, "RTxQ", pins}, {16, 16, "FLOW_DIRECTOR"}, {17, 17, "RX_MISS"}, {18, 18, "PCI_EXCEPTION"}, {19, 19, "MAILBOX"}, {20, 20, "LSC"}, {21, 21, "LINKSEC"}, {22, 22, "MNG"}, {23, 23, "TS"}, {24, 24, "SDP0"}, {25, 25, "SDP1"}, {26, 26, "SDP2"}, {27, 27, "SDP2", x}, {28, 28, "ECC"}, {30, 30, "TCP_TIMER"}, {31, 31, "OTHER", fixed}}};
constexpr Fields kVectors{{{31, 0, "VECTORS", pins}}};
constexpr Fields kEeRead{{{0, 0, "START"}, {1, 1, "DONE"}, {15, 2, "ADDR"}, {31, 16, "DATA"}}};

constexpr Register kGolden[] = {
  // Second reading of the register tables: general, PCIe, NVM, semaphores.
  {"CTRL", {{0x00000, 1, 0}}, RW, 0x0, none, {{{2, 2, "GIO_DIS"}, {3, 3, "LNK_RST"}, {26, 26, "RST"}}}, bit(3) | bit(26), {{0x00004, 1, 0}}},
  // STATUS: its reset is "see bits".
  {"STATUS", {{0x00008, 1, 0}}, RO, none, none, {{{3, 2, "LAN_ID"}, {7, 7, "LINK_UP"}, {17, 10, "NUMVFS"}, {18, 18, "IOV_ACTIVE"}, {19, 19, "MASTER_ENABLE_STATUS"}}}},
  {"CTRL_EXT", {{0x00018, 1, 0}}, RW, 0x0, none, {{{14, 14, "PFRSTD"}, {16, 16, "NS_DIS"}, {17, 17, "RO_DIS"}, {26, 26, "EXTENDED_VLAN"}, {28, 28, "DRV_LOAD"}}}},
  // ESDP: two resets given. Pin n is bit n (SDPn), its direction bit 8+n. "16+ native function": where it ends is not
  //   said, so it is taken to the top and one bit per pin.
  {"ESDP", {{0x00020, 1, 0}}, RW, 0x4, 0x0, {{{0, 0, "SDP0"}, {1, 1, "SDP1"}, {2, 2, "SDP2"}, {3, 3, "SDP3"}, {4, 4, "SDP4"}, {5, 5, "SDP5"}, {6, 6, "SDP6"}, {7, 7, "SDP7"}, {7, 0, "PIN_DATA", pins}, {15, 8, "DIRECTION", pins}, {31, 16, "NATIVE", pins | unsure}}}},
  // EEC: two resets given (model, transcribed). 21:15 are done flags, one per section.
  {"EEC", {{0x10010, 1, 0}}, RW, 0x1730, 0x2700, {{{0, 0, "SK"}, {1, 1, "CS"}, {2, 2, "DI"}, {3, 3, "DO"}, {5, 4, "FWE"}, {6, 6, "REQ"}, {7, 7, "GNT"}, {8, 8, "PRES"}, {9, 9, "ARD"}, {10, 10, "ADDR_SIZE"}, {14, 11, "SIZE"}, {21, 15, "AUTO_LOAD_DONE", pins}}}},
  {"EERD", {{0x10014, 1, 0}}, RW, 0x0, none, kEeRead},
  {"SWSM", {{0x10140, 1, 0}}, SPECIAL, 0x0, none, {{{0, 0, "SMBI"}, {1, 1, "SWESMBI"}}}},
  // FWSM: 8000 is the model's.
  {"FWSM", {{0x10148, 1, 0}}, RO, none, none, {{{0, 0, "TS_ENABLED"}, {3, 1, "MODE"}, {15, 15, "FW_VAL"}, {24, 19, "EXT_ERR_IND"}}}},
  // GSSR, also SW_FW_SYNC: the firmware's bit is the software's << 5; whether SW_MNG has one (15) is not said. REGSMP is X540.
  {"GSSR/SW_FW_SYNC", {{0x10160, 1, 0}}, RW, 0x0, none, {{{0, 0, "EEP"}, {1, 1, "PHY0"}, {2, 2, "PHY1"}, {3, 3, "MAC_CSR"}, {4, 4, "FLASH"}, {5, 5, "FW_EEP"}, {6, 6, "FW_PHY0"}, {7, 7, "FW_PHY1"}, {8, 8, "FW_MAC_CSR"}, {9, 9, "FW_FLASH"}, {10, 10, "SW_MNG"}, {15, 15, "FW_SW_MNG", unsure}, {31, 31, "REGSMP", x}}}},
  {"GCR_EXT", {{0x11050, 1, 0}}, RW, 0x0, none, {{{1, 0, "VT_MODE"}, {30, 30, "BUFFERS_CLEAR"}, {31, 31, "MSIX_EN"}}}},

  // Second reading of the register tables: interrupts.
  {"EICR", {{0x00800, 1, 0}}, RC_W1C, 0x0, none, kCauses},
  {"EICS", {{0x00808, 1, 0}}, W1S, 0x0, none, kCauses},
  {"EIMS", {{0x00880, 1, 0}}, W1S, 0x0, none, kMaskCauses},
  {"EIMC", {{0x00888, 1, 0}}, WO, none, none, kCauses},
  {"EIAC", {{0x00810, 1, 0}}, RW, 0x0, none, kCauses},
  {"EIAM", {{0x00890, 1, 0}}, RW, 0x0, none, kCauses},
  // The four _EX registers share one row: WS, RWS, WO, RW in order, reset 0.
  {"EIMC_EX", {{0x00AB0, 2, 4}}, WO, 0x0, none, kVectors},
  // GPIE: X540 has the pins at 1, 2, 3.
  {"GPIE", {{0x00898, 1, 0}}, RW, 0x0, none, {{{0, 0, "SDP0"}, {1, 1, "SDP1"}, {2, 2, "SDP2"}, {4, 4, "MSIX_MODE"}, {5, 5, "OCD"}, {6, 6, "EIMEN"}, {13, 11, "RSC_DELAY"}, {15, 14, "VT_MODE"}, {30, 30, "EIAME"}, {31, 31, "PBA_SUPPORT"}}}},

  // Second reading of the register tables: receive, per queue. Index 0..63 at 1000h+40h*n, 64..127 at D000h+40h*(n-64).
  // RDBAL, RDLEN: bits are the mask given. RDT: 16 bits. RDH: "RO-ish", written 0 while the queue is off.
  {"RDBAL", {{0x01000, 64, 0x40}, {0x0D000, 64, 0x40}}, RW, none, none, {{{31, 7, "RDBAL"}}}},
  {"RDBAH", {{0x01004, 64, 0x40}, {0x0D004, 64, 0x40}}, RW, none, none, {{{31, 0, "RDBAH"}}}},
  {"RDLEN", {{0x01008, 64, 0x40}, {0x0D008, 64, 0x40}}, RW, 0x0, none, {{{19, 7, "RDLEN"}}}},
  // DCA_RXCTRL: A200h, "bit 12 reported set": whether the reset is A200h or B200h is unsure. RO is relaxed ordering here.
  {"DCA_RXCTRL", {{0x0100C, 64, 0x40}, {0x0D00C, 64, 0x40}}, RW, 0xA200, 0xB200, {{{5, 5, "DESC_DCA_EN"}, {6, 6, "HEAD_DCA_EN"}, {7, 7, "DATA_DCA_EN"}, {9, 9, "DESC_READ_RO"}, {12, 12, "must be 0", fixed}, {13, 13, "DATA_WRITE_RO"}, {15, 15, "HEADER_RO"}, {31, 24, "CPU_ID"}}}, 0, {{0x02200, 16, 4}}},
  {"RDH", {{0x01010, 64, 0x40}, {0x0D010, 64, 0x40}}, RW, 0x0, none, {}},
  {"SRRCTL", {{0x01014, 64, 0x40}, {0x0D014, 64, 0x40}}, RW, 0x402, none, {{{4, 0, "BSIZEPKT"}, {13, 8, "BSIZEHDR"}, {24, 22, "RDMTS"}, {27, 25, "DESCTYPE"}, {28, 28, "DROP_EN"}}}, 0, {{0x02100, 16, 4}}},
  {"RDT", {{0x01018, 64, 0x40}, {0x0D018, 64, 0x40}}, RW, 0x0, none, {{{15, 0, "RDT"}}}},
  // RXDCTL: RLPML and RLPML_EN are X540 and later; the 82599 ignores them.
  {"RXDCTL", {{0x01028, 64, 0x40}, {0x0D028, 64, 0x40}}, RW, 0x0, none, {{{13, 0, "RLPML", x}, {15, 15, "RLPML_EN", x}, {25, 25, "ENABLE"}, {26, 26, "SWFLSH"}, {30, 30, "VME"}}}, bit(26)},
  {"RSCCTL", {{0x0102C, 64, 0x40}, {0x0D02C, 64, 0x40}}, RW, 0x0, none, {{{0, 0, "RSCEN"}, {3, 2, "MAXDESC"}}}},

  // Second reading of the register tables: receive.
  // RXCTRL: DMBYPS (1) is named in the loopback test only.
  {"RXCTRL", {{0x03000, 1, 0}}, RW, 0x0, none, {{{0, 0, "RXEN"}, {1, 1, "DMBYPS", unsure}}}},
  {"RDRXCTL", {{0x02F00, 1, 0}}, RW, 0x00108808, none, {{{1, 1, "CRCSTRIP"}, {3, 3, "DMAIDONE"}, {21, 17, "RSCFRSTSIZE"}, {25, 25, "RSCACKC"}, {26, 26, "FCOE_WRFIX"}}}},
  {"RSCDBU", {{0x03028, 1, 0}}, RW, none, none, {{{7, 7, "RSCACKDIS"}}}},
  {"RXPBSIZE", {{0x03C00, 8, 4}}, RW, 0x00080000, none, {{{19, 10, "SIZE"}}}},
  {"FCTRL", {{0x05080, 1, 0}}, RW, 0x0, none, {{{1, 1, "SBP"}, {8, 8, "MPE"}, {9, 9, "UPE"}, {10, 10, "BAM"}, {12, 12, "reserved", fixed}, {13, 13, "reserved", fixed}}}},
  {"HLREG0", {{0x04240, 1, 0}}, RW, 0x08012C0B, none, {{{0, 0, "TXCRCEN"}, {1, 1, "RXCRCSTRP"}, {2, 2, "JUMBOEN"}, {3, 3, "reserved, 1", fixed}, {10, 10, "TXPADEN"}, {15, 15, "LPBK"}, {16, 16, "MDCSPD"}, {27, 27, "RXLNGTHERREN"}, {28, 28, "RXPADSTRIP"}}}},
  // MAXFRS, also MHADD: the reset is tagged unconfirmed.
  {"MAXFRS/MHADD", {{0x04268, 1, 0}}, RW, 0x05EE0000, none, {{{31, 16, "MFS"}}}},
  {"RXCSUM", {{0x05000, 1, 0}}, RW, 0x0, none, {{{12, 12, "IPPCSE"}, {13, 13, "PCSD"}}}},
  {"RFCTL", {{0x05008, 1, 0}}, RW, 0x0, none, {{{5, 5, "RSC_DIS"}, {6, 6, "NFSW_DIS"}, {7, 7, "NFSR_DIS"}, {10, 10, "IPV6_DIS"}, {11, 11, "IPV6_XSUM_DIS"}, {14, 14, "IPFRSP_DIS"}}}},
  // PSRTYPE: 0..15 at 5480h+4n, from 16 on at EA00h+4n (n, not n-16). How many is not said; 64 pools, so 64: unsure.
  {"PSRTYPE", {{0x05480, 16, 4}, {0x0EA40, 48, 4}}, RW, none, none, {{{4, 4, "TCP"}, {5, 5, "UDP"}, {8, 8, "IPv4"}, {9, 9, "IPv6"}, {12, 12, "L2"}, {31, 29, "RQPL"}}}},
  {"MRQC", {{0x05818, 1, 0}}, RW, 0x0, none, {{{3, 0, "MRQE"}, {16, 16, "TCPv4"}, {17, 17, "IPv4"}, {18, 18, "TCPv6EX"}, {19, 19, "IPv6EX"}, {20, 20, "IPv6"}, {21, 21, "TCPv6"}, {22, 22, "UDPv4"}, {23, 23, "UDPv6"}, {24, 24, "UDPv6EX"}}}, 0, {{0x0EC80, 1, 0}}},
  // RSSRK: byte 0 of the key is 7:0 of element 0. The first reading had no bytes; added after a second look.
  {"RSSRK", {{0x05C80, 10, 4}}, RW, none, none, {{{7, 0, "BYTE0"}, {15, 8, "BYTE1"}, {23, 16, "BYTE2"}, {31, 24, "BYTE3"}}}, 0, {{0x0EB80, 10, 4}}},
  // RETA: four entries a register, one byte each, of which four bits count.
  {"RETA", {{0x05C00, 32, 4}}, RW, none, none, {{{3, 0, "ENTRY0"}, {11, 8, "ENTRY1"}, {19, 16, "ENTRY2"}, {27, 24, "ENTRY3"}}}, 0, {{0x0EB00, 32, 4}}},
  {"VLNCTRL", {{0x05088, 1, 0}}, RW, 0x00008100, none, {{{15, 0, "VET"}, {28, 28, "CFI"}, {29, 29, "CFIEN"}, {30, 30, "VFE"}, {31, 31, "VME", x}}}},
  {"VFTA", {{0x0A000, 128, 4}}, RW, none, none, {}},
  {"MCSTCTRL", {{0x05090, 1, 0}}, RW, 0x0, none, {{{1, 0, "MO"}, {2, 2, "MFE"}}}},
  {"MTA", {{0x05200, 128, 4}}, RW, none, none, {}},
  {"PFUTA", {{0x0F400, 128, 4}}, RW, none, none, {}},
  // RAL, RAH: all 128 at A200h, the first 16 at 5400h as well. Element 0 is loaded from the EEPROM. VIND is 82598.
  //   "Bytes 0..3, little-endian", "15:0 bytes 4, 5". The first reading had no single bytes; added after a second look.
  {"RAL", {{0x0A200, 128, 8}}, RW, none, none, {{{7, 0, "BYTE0"}, {15, 8, "BYTE1"}, {23, 16, "BYTE2"}, {31, 24, "BYTE3"}, {31, 0, "RAL"}}}, 0, {{0x05400, 16, 8}}},
  {"RAH", {{0x0A204, 128, 8}}, RW, none, none, {{{7, 0, "BYTE4"}, {15, 8, "BYTE5"}, {15, 0, "RAH"}, {21, 18, "VIND", x}, {31, 31, "AV"}}}, 0, {{0x05404, 16, 8}}},
  {"MPSAR", {{0x0A600, 256, 4}}, RW, none, none, {}},
  {"VLVF", {{0x0F100, 64, 4}}, RW, none, none, {{{11, 0, "VID"}, {31, 31, "VALID"}}}},
  {"VLVFB", {{0x0F200, 128, 4}}, RW, none, none, {}},
  // FTQF: a mask bit of 1 means "do not compare".
  {"FTQF", {{0x0E600, 128, 4}}, RW, 0x0, none, {{{1, 0, "PROTO"}, {4, 2, "PRIORITY"}, {13, 8, "POOL"}, {25, 25, "MASK_SA"}, {26, 26, "MASK_DA"}, {27, 27, "MASK_SP"}, {28, 28, "MASK_DP"}, {29, 29, "MASK_PROTO"}, {29, 25, "MASK", pins}, {30, 30, "POOL_MASK"}, {31, 31, "ENABLE"}}}},
  {"SECRXCTRL", {{0x08D00, 1, 0}}, RW, 0x1, none, {{{0, 0, "SECRX_DIS"}, {1, 1, "RX_DIS"}}}},
  {"SECRXSTAT", {{0x08D04, 1, 0}}, RO, 0x1, 0x3, {{{0, 0, "RDY"}, {1, 1, "OFF_DIS"}}}},

  // Second reading of the register tables: transmit, per queue. Index 0..127 at 6000h+40h*n.
  {"TDBAL", {{0x06000, 128, 0x40}}, RW, none, none, {{{31, 7, "TDBAL"}}}},
  {"TDBAH", {{0x06004, 128, 0x40}}, RW, none, none, {{{31, 0, "TDBAH"}}}},
  {"TDLEN", {{0x06008, 128, 0x40}}, RW, none, none, {{{19, 7, "TDLEN"}}}},
  {"DCA_TXCTRL", {{0x0600C, 128, 0x40}}, RW, 0x2A00, none, {{{5, 5, "DCA_EN"}, {9, 9, "DESC_READ_RO"}, {11, 11, "DESC_WRITE_BACK_RO"}, {13, 13, "DATA_READ_RO"}, {31, 24, "CPU"}}}},
  {"TDH", {{0x06010, 128, 0x40}}, RW, 0x0, none, {}},
  {"TDT", {{0x06018, 128, 0x40}}, RW, 0x0, none, {}},
  {"TXDCTL", {{0x06028, 128, 0x40}}, RW, 0x0, none, {{{6, 0, "PTHRESH"}, {14, 8, "HTHRESH"}, {22, 16, "WTHRESH"}, {25, 25, "ENABLE"}, {26, 26, "SWFLSH"}}}, bit(26)},
  {"TDWBAL", {{0x06038, 128, 0x40}}, RW, 0x0, none, {{{0, 0, "HEAD_WB_EN"}, {1, 1, "SEQ_NUM"}, {31, 2, "ADDRESS"}}}},
  {"TDWBAH", {{0x0603C, 128, 0x40}}, RW, 0x0, none, {}},

  // Second reading of the register tables: transmit.
  {"DMATXCTL", {{0x04A80, 1, 0}}, RW, 0x81000004, none, {{{0, 0, "TE"}, {1, 1, "NS"}, {2, 2, "reserved, 1", fixed}, {3, 3, "GDV"}, {31, 16, "VLAN_ETHERTYPE"}}}},
  {"DTXMXSZRQ", {{0x08100, 1, 0}}, RW, 0x10, none, {{{11, 0, "MAX_BYTES"}}}},
  {"TXPBSIZE", {{0x0CC00, 8, 4}}, RW, 0x00028000, none, {{{19, 10, "SIZE"}}}},
  // TXPBTHRESH: a number of KB; how wide is not said.
  {"TXPBTHRESH", {{0x04950, 8, 4}}, RW, 0x96, none, {}},
  {"RTTDCS", {{0x04900, 1, 0}}, RW, 0x00C00000, none, {{{6, 6, "ARBDIS"}, {22, 22, "BDPM"}, {23, 23, "BPBFSM"}}}},
  // RTTDQSEL: a queue index; how wide is not said.
  {"RTTDQSEL", {{0x04904, 1, 0}}, RW, 0x0, none, {}},
  {"RTTDT1C", {{0x04908, 1, 0}}, RW, 0x0, none, {}},
  {"MTQC", {{0x08120, 1, 0}}, RW, 0x0, none, {{{0, 0, "RT_ENA"}, {1, 1, "VT_ENA"}, {3, 2, "LAYOUT"}}}},
  {"SECTXCTRL", {{0x08800, 1, 0}}, RW, 0x1, none, {{{0, 0, "SECTX_DIS"}, {1, 1, "TX_DIS"}}}},

  // Second reading of the register tables: MAC, link, MDIO, flow control.
  // AUTOC: the reset depends on the EEPROM: a KX4 part and the CX4 model are given.
  {"AUTOC", {{0x042A0, 1, 0}}, RW, 0xC19D8284, 0x00002100, {{{0, 0, "FLU"}, {8, 7, "10G_PMA"}, {9, 9, "1G_PMA"}, {12, 12, "RESTART_AN"}, {15, 13, "LMS"}, {16, 16, "KR"}, {17, 17, "FECR"}, {18, 18, "FECA"}, {27, 27, "RF"}, {29, 28, "PAUSE"}, {30, 30, "KX"}, {31, 31, "KX4"}}}, bit(12)},
  {"AUTOC2", {{0x042A8, 1, 0}}, RW, 0x0, none, {{{17, 16, "10G_SERIAL_PMA"}, {30, 28, "LINK_DISABLE"}}}},
  // LINKS: no reset but the model's.
  {"LINKS", {{0x042A4, 1, 0}}, RO, none, none, {{{7, 7, "LINK_STATUS"}, {11, 8, "SIGNAL_DETECT"}, {16, 13, "LANE_SYNC"}, {17, 17, "ALIGN"}, {22, 22, "10G_ENABLED"}, {27, 26, "MAC_MODE"}, {29, 28, "SPEED"}, {30, 30, "LINK_UP"}, {31, 31, "AN_COMPLETE"}}}},
  {"ANLP1", {{0x042B0, 1, 0}}, RO, none, none, {{{11, 10, "PARTNER_PAUSE"}, {19, 16, "AN_STATE"}}}},
  {"MSCA", {{0x0425C, 1, 0}}, RW, 0x0, none, {{{15, 0, "REG"}, {20, 16, "DEVICE_TYPE"}, {25, 21, "PHY"}, {27, 26, "OP"}, {29, 28, "ST"}, {30, 30, "MDICMD"}, {31, 31, "IN_PROGRESS_EN"}}}, bit(30)},
  {"MSRWD", {{0x04260, 1, 0}}, RW, 0x0, none, {{{15, 0, "WRITE_DATA"}, {31, 16, "READ_DATA"}}}},
  {"MFLCN", {{0x04294, 1, 0}}, RW, 0x0, none, {{{0, 0, "PMCF"}, {1, 1, "DPF"}, {2, 2, "RPFCE"}, {3, 3, "RFCE"}, {11, 4, "PRIORITY_MAP", pins}}}},
  // FCCFG: 3 and 4 are given as two bits; as one field of two, 1 is 802.3x and 2 is priority.
  {"FCCFG", {{0x03D00, 1, 0}}, RW, 0x0, none, {{{3, 3, "TFCE_802_3X"}, {4, 4, "TFCE_PRIORITY"}, {4, 3, "TFCE", pins}}}},
  // FCTTV: two pause times of 16 bits a register.
  {"FCTTV", {{0x03200, 4, 4}}, RW, 0x0, none, {{{15, 0, "TTV0"}, {31, 16, "TTV1"}}}},
  // FCRTL, FCRTH: the level is given as 18:5, the self-test's mask 8007FFF0h says 18:4: contradiction, 18:5 kept.
  {"FCRTL", {{0x03220, 8, 4}}, RW, 0x0, none, {{{18, 5, "LEVEL"}, {31, 31, "XONE"}}}},
  {"FCRTH", {{0x03260, 8, 4}}, RW, 0x0, none, {{{18, 5, "LEVEL"}, {31, 31, "FCEN"}}}},
  // FCRTV: the refresh value; how wide is not said.
  {"FCRTV", {{0x032A0, 1, 0}}, RW, 0x0, none, {}},

  // Second reading of the register tables: statistics. All clear on read, although the tables label some RO or RW: drivers
  // rely on it. A pair is 36 bits; "let the L read latch H and clear the pair once H is read", the exact rule unconfirmed.
  {"CRCERRS", {{0x04000, 1, 0}}, RC},
  {"ILLERRC", {{0x04004, 1, 0}}, RC},
  {"ERRBC", {{0x04008, 1, 0}}, RC},
  {"MSPDC", {{0x04010, 1, 0}}, RC},
  {"MPC", {{0x03FA0, 8, 4}}, RC},
  {"MLFC", {{0x04034, 1, 0}}, RC},
  {"MRFC", {{0x04038, 1, 0}}, RC},
  {"RLEC", {{0x04040, 1, 0}}, RC},
  {"LXONTXC", {{0x03F60, 1, 0}}, RC},
  {"LXONRXCNT", {{0x041A4, 1, 0}}, RC},
  {"LXOFFTXC", {{0x03F68, 1, 0}}, RC},
  {"LXOFFRXCNT", {{0x041A8, 1, 0}}, RC},
  {"PRC64", {{0x0405C, 1, 0}}, RC},
  {"PRC127", {{0x04060, 1, 0}}, RC},
  {"PRC255", {{0x04064, 1, 0}}, RC},
  {"PRC511", {{0x04068, 1, 0}}, RC},
  {"PRC1023", {{0x0406C, 1, 0}}, RC},
  {"PRC1522", {{0x04070, 1, 0}}, RC},
  {"GPRC", {{0x04074, 1, 0}}, RC},
  {"BPRC", {{0x04078, 1, 0}}, RC},
  {"MPRC", {{0x0407C, 1, 0}}, RC},
  {"GPTC", {{0x04080, 1, 0}}, RC},
  {"GORCL", {{0x04088, 1, 0}}, RC},
  {"GORCH", {{0x0408C, 1, 0}}, RC},
  {"GOTCL", {{0x04090, 1, 0}}, RC},
  {"GOTCH", {{0x04094, 1, 0}}, RC},
  {"RUC", {{0x040A4, 1, 0}}, RC},
  {"RFC", {{0x040A8, 1, 0}}, RC},
  {"ROC", {{0x040AC, 1, 0}}, RC},
  {"RJC", {{0x040B0, 1, 0}}, RC},
  {"MNGPRC", {{0x040B4, 1, 0}}, RC},
  {"MNGPDC", {{0x040B8, 1, 0}}, RC},
  {"MNGPTC", {{0x0CF90, 1, 0}}, RC},
  {"TORL", {{0x040C0, 1, 0}}, RC},
  {"TORH", {{0x040C4, 1, 0}}, RC},
  {"TPR", {{0x040D0, 1, 0}}, RC},
  {"TPT", {{0x040D4, 1, 0}}, RC},
  {"PTC64", {{0x040D8, 1, 0}}, RC},
  {"PTC127", {{0x040DC, 1, 0}}, RC},
  {"PTC255", {{0x040E0, 1, 0}}, RC},
  {"PTC511", {{0x040E4, 1, 0}}, RC},
  {"PTC1023", {{0x040E8, 1, 0}}, RC},
  {"PTC1522", {{0x040EC, 1, 0}}, RC},
  {"MPTC", {{0x040F0, 1, 0}}, RC},
  {"BPTC", {{0x040F4, 1, 0}}, RC},
  {"XEC", {{0x04120, 1, 0}}, RC},
  {"QPRC", {{0x01030, 16, 0x40}}, RC},
  {"QBRC_L", {{0x01034, 16, 0x40}}, RC},
  {"QBRC_H", {{0x01038, 16, 0x40}}, RC},
  {"QPRDC", {{0x01430, 16, 0x40}}, RC},
  // QPTC: two addresses are given, 8680h+4n only by one source.
  {"QPTC", {{0x06030, 16, 0x40}}, RC, none, none, {}, 0, {{0x08680, 16, 4}}},
  // QBTC: how many is not said; taken like QPTC.
  {"QBTC_L", {{0x08700, 16, 8}}, RC},
  {"QBTC_H", {{0x08704, 16, 8}}, RC},
  {"SSVPC", {{0x08780, 1, 0}}, RC},
  {"RXNFGPC", {{0x041B0, 1, 0}}, RC},

  // Second reading of the register tables: registers beyond those the driver was expected to have, so that it may grow.
  {"I2CCTL", {{0x00028, 1, 0}}, RW, 0xF, none, {{{0, 0, "CLK_IN"}, {1, 1, "CLK_OUT"}, {2, 2, "DATA_IN"}, {3, 3, "DATA_OUT"}}}},
  {"LEDCTL", {{0x00200, 1, 0}}, RW, 0x05040100, none, {{{3, 0, "LED0_MODE"}, {6, 6, "LED0_INVERT"}, {7, 7, "LED0_BLINK"}, {11, 8, "LED1_MODE"}, {14, 14, "LED1_INVERT"}, {15, 15, "LED1_BLINK"}, {19, 16, "LED2_MODE"}, {22, 22, "LED2_INVERT"}, {23, 23, "LED2_BLINK"}, {27, 24, "LED3_MODE"}, {30, 30, "LED3_INVERT"}, {31, 31, "LED3_BLINK"}}}},
  {"FRTIMER", {{0x00048, 1, 0}}, RO, none, none, {}},
  {"TCPTIMER", {{0x0004C, 1, 0}}, RW, 0x0, none, {{{7, 0, "DURATION"}, {8, 8, "KICK_START"}, {9, 9, "COUNT_ENABLE"}, {10, 10, "FINISHED"}, {11, 11, "LOOP"}}}},
  {"EEWR", {{0x10018, 1, 0}}, RW, 0x0, none, kEeRead},
  {"FLA", {{0x1001C, 1, 0}}, RW, none, none, {}},
  {"GRC", {{0x10200, 1, 0}}, RW, none, none, {{{0, 0, "MNG_ENABLE"}, {1, 1, "APME"}}}},
  // FACTPS: "0 is accepted".
  {"FACTPS", {{0x10150, 1, 0}}, RO, none, none, {{{29, 29, "MNG_CLOCK_GATED"}, {30, 30, "LAN_FUNCTION_SELECT"}}}},
  {"GCR", {{0x11000, 1, 0}}, RW, none, none, {{{15, 12, "CMPL_TIMEOUT"}, {16, 16, "RESEND"}, {18, 18, "CAP_V2"}}}},
  {"PBACL", {{0x11068, 1, 0}, {0x110C4, 1, 0}}, W1C, 0x0, none, {{{31, 0, "PBACL", pins}}}},
  {"DCA_ID", {{0x11070, 1, 0}}, RO, 0x0, none, {}},
  {"DCA_CTRL", {{0x11074, 1, 0}}, RW, 0x0, none, {{{0, 0, "DCA_DIS"}, {4, 1, "MODE"}}}},
  {"CORECTL", {{0x14F00, 1, 0}}, RW, none, none, {}},
  {"HICR", {{0x15F00, 1, 0}}, RW, 0x0, none, {{{0, 0, "EN"}, {1, 1, "C"}, {2, 2, "SV"}, {6, 6, "FW_RESET", unsure}, {7, 7, "FW_RESET", unsure}}}},
  {"MANC", {{0x05820, 1, 0}}, RW, 0x0, none, {{{17, 17, "RCV_TCO_EN"}}}},
  {"WUC", {{0x05800, 1, 0}}, RW, 0x0, none, {}},
  {"WUFC", {{0x05808, 1, 0}}, RW, 0x0, none, {{{0, 0, "LNKC"}, {1, 1, "MAG"}, {2, 2, "EX"}, {3, 3, "MC"}, {4, 4, "BC"}, {5, 5, "ARP"}, {6, 6, "IPv4"}, {7, 7, "IPv6"}}}},
  {"WUS", {{0x05810, 1, 0}}, W1C, 0x0, none, {}},
  {"EICS_EX", {{0x00A90, 2, 4}}, W1S, 0x0, none, kVectors},
  {"EIMS_EX", {{0x00AA0, 2, 4}}, W1S, 0x0, none, kVectors},
  {"EIAM_EX", {{0x00AD0, 2, 4}}, RW, 0x0, none, kVectors},
  // EITR: 0..23 at 820h, 24..127 at 12300h. CNT_WDIS is write only.
  {"EITR", {{0x00820, 24, 4}, {0x12300, 104, 4}}, RW, 0x0, none, {{{11, 3, "INTERVAL"}, {15, 15, "LLI_MOD"}, {31, 31, "CNT_WDIS"}}}},
  {"EITRSEL", {{0x00894, 1, 0}}, RW, 0x0, none, {}},
  // IVAR: byte lane 2*(q&1)+(0 RX, 1 TX): bit 7 valid, "low bits" the vector; taken as 5:0 (64 vectors), unsure.
  {"IVAR", {{0x00900, 64, 4}}, RW, 0x0, none, {{{5, 0, "VECTOR0", unsure}, {7, 7, "VALID0"}, {13, 8, "VECTOR1", unsure}, {15, 15, "VALID1"}, {21, 16, "VECTOR2", unsure}, {23, 23, "VALID2"}, {29, 24, "VECTOR3", unsure}, {31, 31, "VALID3"}}}},
  {"IVAR_MISC", {{0x00A00, 1, 0}}, RW, 0x0, none, {{{5, 0, "VECTOR0", unsure}, {7, 7, "VALID0"}, {13, 8, "VECTOR1", unsure}, {15, 15, "VALID1"}}}},
  {"PFVTCTL", {{0x051B0, 1, 0}}, RW, 0x0, none, {{{0, 0, "VT_ENA"}, {12, 7, "DEFAULT_POOL"}, {29, 29, "DIS_DEFPL"}, {30, 30, "REPLEN"}}}},
  // VMOLR: per pool, taken as 64.
  {"VMOLR", {{0x0F000, 64, 4}}, RW, none, none, {{{22, 22, "UPE", x}, {23, 23, "VPE"}, {24, 24, "AUPE"}, {25, 25, "ROMPE"}, {26, 26, "ROPE"}, {27, 27, "BAM"}, {28, 28, "MPE"}}}},
  // VFRE, VFTE: how many is not said; one bit per pool of 64 makes two.
  {"VFRE", {{0x051E0, 2, 4}}, RW, 0x0, none, {{{31, 0, "POOLS", pins}}}},
  {"VFTE", {{0x08110, 2, 4}}, RW, 0x0, none, {{{31, 0, "POOLS", pins}}}},
  {"QDE", {{0x02F04, 1, 0}}, RW, 0x0, none, {}},
  {"ETQF", {{0x05128, 8, 4}}, RW, 0x0, none, {{{15, 0, "ETYPE"}, {25, 20, "POOL"}, {26, 26, "POOL_EN"}, {27, 27, "FCOE"}, {30, 30, "1588"}, {31, 31, "EN"}}}},
  {"ETQS", {{0x0EC00, 8, 4}}, RW, 0x0, none, {{{22, 16, "QUEUE"}, {29, 29, "LLI"}, {31, 31, "QUEUE_EN"}}}},
  {"SYNQF", {{0x0EC30, 1, 0}}, RW, 0x0, none, {{{0, 0, "ENABLE"}, {7, 1, "QUEUE"}, {31, 31, "PRIORITY"}}}},
  {"SAQF", {{0x0E000, 128, 4}}, RW, 0x0, none, {}},
  {"DAQF", {{0x0E200, 128, 4}}, RW, 0x0, none, {}},
  {"SDPQF", {{0x0E400, 128, 4}}, RW, 0x0, none, {{{15, 0, "SRC_PORT"}, {31, 16, "DST_PORT"}}}},
  {"L34TIMIR", {{0x0E800, 128, 4}}, RW, 0x0, none, {{{12, 12, "SIZE_BP"}, {19, 13, "must be 40h", fixed}, {19, 19, "CTRL_BP"}, {20, 20, "LLI"}, {27, 21, "QUEUE"}}}},
  // DTXTCPFLGL, DTXTCPFLGH: bits and defaults unconfirmed.
  {"DTXTCPFLGL", {{0x04A88, 1, 0}}, RW, none, none, {{{11, 0, "FIRST", unsure}, {27, 16, "MIDDLE", unsure}}}},
  {"DTXTCPFLGH", {{0x04A8C, 1, 0}}, RW, none, none, {{{11, 0, "LAST", unsure}}}},
  {"RTTBCNRC", {{0x04984, 1, 0}}, RW, 0x0, none, {}},
  {"RTTDT2C", {{0x04910, 8, 4}}, RW, 0x0, none, {}},
  {"RTTPCS", {{0x0CD00, 1, 0}}, RW, 0x0, none, {}},
  {"RTTPT2C", {{0x0CD20, 8, 4}}, RW, 0x0, none, {}},
  {"PFDTXGSWC", {{0x08220, 1, 0}}, RW, 0x0, none, {{{0, 0, "VT_LOOPBACK"}}}},
  {"VMVIR", {{0x08000, 64, 4}}, RW, 0x0, none, {}},
  {"PFVFSPOOF", {{0x08200, 8, 4}}, RW, 0x0, none, {}},
  {"SECTXSTAT", {{0x08804, 1, 0}}, RO, 0x1, 0x3, {{{0, 0, "READY"}, {1, 1, "OFFLOAD_OFF"}}}},
  {"SECTXBUFFAF", {{0x08808, 1, 0}}, RW, 0x250, none, {}},
  {"SECTXMINIFG", {{0x08810, 1, 0}}, RW, none, none, {}},
  {"RQSMR", {{0x02300, 32, 4}}, RW, 0x0, none, {{{3, 0, "INDEX0"}, {11, 8, "INDEX1"}, {19, 16, "INDEX2"}, {27, 24, "INDEX3"}}}},
  {"TQSM", {{0x08600, 32, 4}}, RW, 0x0, none, {{{3, 0, "INDEX0"}, {11, 8, "INDEX1"}, {19, 16, "INDEX2"}, {27, 24, "INDEX3"}}}},
  {"RTRPCS", {{0x02430, 1, 0}}, RW, 0x0, none, {}},
  {"RTRPT4C", {{0x02140, 8, 4}}, RW, 0x0, none, {}},
  {"RTRUP2TC", {{0x03020, 1, 0}}, RW, 0x0, none, {}},
  {"RTTUP2TC", {{0x0C800, 1, 0}}, RW, 0x0, none, {}},
  {"LINKS2", {{0x04324, 1, 0}}, RO, none, none, {{{6, 6, "AN_SUPPORTED"}}}},
  {"ANLP2", {{0x042B4, 1, 0}}, RO, none, none, {}},
  {"PCS1GLCTL", {{0x04208, 1, 0}}, RW, 0x02040000, none, {}},
  {"PCS1GLSTA", {{0x0420C, 1, 0}}, RO, 0x0, none, {}},
  {"PCS1GANA", {{0x04218, 1, 0}}, RW, 0x1A0, none, {{{7, 7, "SYM_PAUSE"}, {8, 8, "ASM_PAUSE"}}}},
  {"PCS1GANLP", {{0x0421C, 1, 0}}, RO, 0x0, none, {}},
  {"MACC", {{0x04330, 1, 0}}, RW, none, none, {}},
  {"MMNGC", {{0x042D0, 1, 0}}, RW, none, none, {{{0, 0, "MNG_VETO"}}}},
  {"MACS", {{0x0429C, 1, 0}}, RW, none, none, {}},
  {"SERDESC", {{0x04298, 1, 0}}, RW, none, none, {}},
  {"TFCS", {{0x0CE00, 1, 0}}, RO, 0x0, none, {{{0, 0, "TXOFF"}, {15, 8, "TXOFF_PRIORITY", pins}}}},
  // PFCTOP: the reset is tagged unconfirmed.
  {"PFCTOP", {{0x03008, 1, 0}}, RW, 0x88080101, none, {}},
};
// clang-format on

// ---- Tests ----

// What the driver declares and the table above does not have, or has otherwise. It drives 82599 and X540.
// clang-format off
constexpr golden::Exception kExceptions[] = {
  {"ESDP", "sdp7_6", 7, 6, "two pins as one"},
  {"ESDP", "direction_2_0", 10, 8, "three pins as one"},
  {"ESDP", "sdp3_out", 11, 11, "the direction of pin 3"},
  {"ESDP", "direction_7_4", 15, 12, "four pins as one"},
  {"WUFC", "causes", 7, 0, "the eight causes as one"},
  {"SWSM", "access", unsigned(pollux::reg::Access::kReadWrite), 0, "no access mode says that a read takes the semaphore; kept out of dumps, never modified"},
  {"SW_FW_SYNC", "sw", 4, 0, "the five resources as one; sw_mng apart"},
  {"SW_FW_SYNC", "fw", 9, 5, "the same five, of the firmware"},
  {"SW_FW_SYNC", "regsmp", 31, 31, "X540 has it"},
  {"EIMC", "causes", 30, 0, "the reset writes 7FFFFFFFh, so that no cause is left over, named or not"},
  {"PSRTYPE", "split", 12, 0, "written 0 as a whole: no split, whatever the bits between the named ones are"},
  {"VLVF", "bits", 31, 0, "written 0 as a whole"},
  {"RQSMR", "bits", 31, 0, "written 0 as a whole: all queues count in counter 0"},
  {"TQSM", "bits", 31, 0, "written 0 as a whole: all queues count in counter 0"},
  {"DCA_RXCTRL", "must_be_0", 12, 12, "named in order to be cleared: it is found set"},
  {"RDH", "head", 15, 0, "an index; its width is not given"},
  {"RXDCTL", "rlpml", 13, 0, "X540 has it"},
  {"RXDCTL", "rlpml_en", 15, 15, "X540 has it"},
  {"DMATXCTL", "reserved_1", 2, 2, "named in order to stay 1"},
  {"TXPBTHRESH", "thresh", 9, 0, "KB; the width is not given, that of TXPBSIZE is 10 bits"},
  {"RTTDQSEL", "queue", 6, 0, "an index of 128 queues; the width is not given"},
  {"TDH", "head", 15, 0, "an index; its width is not given"},
  {"TDT", "tail", 15, 0, "an index; its width is not given"},
  {"HLREG0", "reserved_1", 3, 3, "named in order to stay 1"},
};
// Names of the driver that differ from the table's, which often has words where the datasheet has an acronym.
constexpr golden::Synonym kSynonyms[] = {
  {"STATUS", "master_en", "MASTER_ENABLE_STATUS"},
  {"EEC", "data_out", "DO"}, {"EEC", "loaded", "AUTO_LOAD_DONE"},
  {"MRQC", "tcp_ipv4", "TCPv4"}, {"MRQC", "tcp_ipv6_ex", "TCPv6EX"}, {"MRQC", "tcp_ipv6", "TCPv6"},
  {"MRQC", "udp_ipv4", "UDPv4"}, {"MRQC", "udp_ipv6", "UDPv6"}, {"MRQC", "udp_ipv6_ex", "UDPv6EX"},
  {"ETQF", "ether_type", "ETYPE"}, {"ETQF", "enable", "EN"},
  {"FTQF", "protocol", "PROTO"},
  {"DCA_RXCTRL", "desc_dca", "DESC_DCA_EN"}, {"DCA_RXCTRL", "header_dca", "HEAD_DCA_EN"},
  {"DCA_RXCTRL", "data_dca", "DATA_DCA_EN"}, {"DCA_RXCTRL", "desc_ro", "DESC_READ_RO"},
  {"DCA_RXCTRL", "data_ro", "DATA_WRITE_RO"}, {"DCA_RXCTRL", "cpu", "CPU_ID"},
  {"FCRTL", "rtl", "LEVEL"}, {"FCRTH", "rth", "LEVEL"},
  {"DMATXCTL", "vt", "VLAN_ETHERTYPE"},
  {"MTQC", "num_tc_or_q", "LAYOUT"},
  {"DCA_TXCTRL", "desc_dca", "DCA_EN"}, {"DCA_TXCTRL", "desc_ro", "DESC_READ_RO"},
  {"DCA_TXCTRL", "desc_wb_ro", "DESC_WRITE_BACK_RO"}, {"DCA_TXCTRL", "data_ro", "DATA_READ_RO"},
  {"AUTOC", "pma_10g", "10G_PMA"}, {"AUTOC", "pma_1g", "1G_PMA"},
  {"AUTOC2", "pma_10g_serial", "10G_SERIAL_PMA"},
  {"LINKS", "signal", "SIGNAL_DETECT"}, {"LINKS", "sync", "LANE_SYNC"}, {"LINKS", "up", "LINK_UP"},
};
// clang-format on

TEST(GoldenIxgbe, TheSecondReadingHasNoFaultsOfItsOwn) {
  const auto faults = golden::faults(kGolden);
  EXPECT_TRUE(faults.empty()) << golden::lines(faults);
}

TEST(GoldenIxgbe, TheDriverDeclaresWhatTheSecondReadingFound) {
  auto driver = golden::declared(pollux::ixgbe::Registers{});
  for (auto& semaphore : golden::declared(pollux::ixgbe::SemaphoreRegisters{})) driver.push_back(std::move(semaphore));
  const auto report = golden::compare(driver, kGolden, kExceptions, kSynonyms);
  golden::print(report);
  EXPECT_TRUE(report.errors.empty()) << golden::lines(report.errors);
}

}  // namespace

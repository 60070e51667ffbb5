// SPDX-License-Identifier: BSD-3-Clause
// Registers of the 82574, only those this driver uses, by chapter: general, interrupt, receive, transmit, statistics.
//
// Sources: [8254x n] is the section of the 8254x Software Developer's Manual that describes the register the 82574
// inherited; [82574] marks what that chip added, as the Linux e1000e driver and QEMU's e1000e model use it.
// kReset is the value of the emulated 82574 in QEMU; silicon loads parts of some of these from its NVM.
#pragma once
#include <pollux/e1000/regs_rss.hpp>
#include <pollux/reg/register.hpp>

namespace pollux::e1000 {

using reg::Access, reg::Field, reg::Register, reg::RegisterList, reg::Run;

// ---- General ------------------------------------------------------------------------------------------------------

/// CTRL - Device Control [8254x 13.4.1]
struct Ctrl : Register<Ctrl, Access::kReadWriteSelfClear, Run{.offset = 0x00000}> {
  static constexpr const char* kName = "CTRL";
  static constexpr std::uint32_t kReset = 0x0014'0241;
  static constexpr Field<Ctrl, 0, 0, bool> fd{};                  ///< full duplex
  static constexpr Field<Ctrl, 2, 2, bool> gio_master_disable{};  ///< [82574] no new DMA requests
  static constexpr Field<Ctrl, 3, 3, bool> lrst{};                ///< link reset
  static constexpr Field<Ctrl, 5, 5, bool> asde{};                ///< auto-speed detection
  static constexpr Field<Ctrl, 6, 6, bool> slu{};                 ///< set link up
  static constexpr Field<Ctrl, 7, 7, bool> ilos{};                ///< invert loss-of-signal
  static constexpr Field<Ctrl, 9, 8> speed{};                     ///< 0: 10, 1: 100, 2: 1000 Mbit/s
  static constexpr Field<Ctrl, 11, 11, bool> frcspd{};            ///< force speed
  static constexpr Field<Ctrl, 12, 12, bool> frcdplx{};           ///< force duplex
  static constexpr Field<Ctrl, 20, 20, bool> advd3wuc{};          ///< D3 wake-up capability
  static constexpr Field<Ctrl, 26, 26, bool> rst{};               ///< resets MAC and PHY; clears itself
  static constexpr Field<Ctrl, 27, 27, bool> rfce{};              ///< obey received PAUSE
  static constexpr Field<Ctrl, 28, 28, bool> tfce{};              ///< send PAUSE
  static constexpr Field<Ctrl, 29, 29, bool> errata29{};          ///< [82574] to be cleared after reset [linux e1000e]
  static constexpr Field<Ctrl, 30, 30, bool> vme{};               ///< VLAN tags: strip and insert
  static constexpr Field<Ctrl, 31, 31, bool> phy_rst{};           ///< PHY reset
  POLLUX_FIELDS(fd, gio_master_disable, lrst, asde, slu, ilos, speed, frcspd, frcdplx, advd3wuc, rst, rfce, tfce,
                errata29, vme, phy_rst);
};

/// STATUS - Device Status [8254x 13.4.2]
struct Status : Register<Status, Access::kReadOnly, Run{.offset = 0x00008}> {
  static constexpr const char* kName = "STATUS";
  static constexpr std::uint32_t kReset = 0x8008'0283;
  static constexpr Field<Status, 0, 0, bool> fd{};               ///< full duplex
  static constexpr Field<Status, 1, 1, bool> lu{};               ///< link up
  static constexpr Field<Status, 4, 4, bool> txoff{};            ///< paused by the link partner
  static constexpr Field<Status, 7, 6> speed{};                  ///< 0: 10, 1: 100, 2 and 3: 1000 Mbit/s
  static constexpr Field<Status, 9, 9, bool> lan_init_done{};    ///< [82574]
  static constexpr Field<Status, 19, 19, bool> gio_master_en{};  ///< [82574] DMA requests may be outstanding
  POLLUX_FIELDS(fd, lu, txoff, speed, lan_init_done, gio_master_en);
};

/// EECD - EEPROM/Flash Control [8254x 13.4.3]
struct Eecd : Register<Eecd, Access::kReadWrite, Run{.offset = 0x00010}> {
  static constexpr const char* kName = "EECD";
  static constexpr std::uint32_t kReset = 0x0000'0300;
  static constexpr Field<Eecd, 8, 8, bool> pres{};     ///< an NVM is present
  static constexpr Field<Eecd, 9, 9, bool> auto_rd{};  ///< [82574] the automatic load after reset is done
  POLLUX_FIELDS(pres, auto_rd);
};

/// CTRL_EXT - Extended Device Control [8254x 13.4.6]
struct CtrlExt : Register<CtrlExt, Access::kReadWrite, Run{.offset = 0x00018}> {
  static constexpr const char* kName = "CTRL_EXT";
  static constexpr Field<CtrlExt, 22, 22, bool> errata22{};  ///< [82574] to be set after reset [linux e1000e]
  static constexpr Field<CtrlExt, 23, 23, bool> errata23{};  ///< [82574] to be cleared after reset [linux e1000e]
  static constexpr Field<CtrlExt, 24, 24, bool> eiame{};     ///< [82574] a message masks the causes that IAM names
  static constexpr Field<CtrlExt, 27, 27, bool> iame{};      ///< [82574] ICR's read masks the causes that IAM names
  static constexpr Field<CtrlExt, 28, 28, bool> drv_load{};  ///< tells the management firmware that a driver is here
  static constexpr Field<CtrlExt, 31, 31, bool> pba_clr{};   ///< [82574] a message clears its pending bit
  POLLUX_FIELDS(errata22, errata23, eiame, iame, drv_load, pba_clr);
};

/// MDIC - MDI Control: one PHY register access [8254x 13.4.7]
struct Mdic : Register<Mdic, Access::kReadWrite, Run{.offset = 0x00020}> {
  static constexpr const char* kName = "MDIC";
  static constexpr Field<Mdic, 15, 0> data{};
  static constexpr Field<Mdic, 20, 16> regadd{};       ///< PHY register
  static constexpr Field<Mdic, 25, 21> phyadd{};       ///< 1: the internal PHY
  static constexpr Field<Mdic, 27, 26> op{};           ///< 1: write, 2: read
  static constexpr Field<Mdic, 28, 28, bool> ready{};  ///< done
  static constexpr Field<Mdic, 29, 29, bool> ie{};     ///< interrupt when done
  static constexpr Field<Mdic, 30, 30, bool> error{};  ///< the PHY did not answer
  POLLUX_FIELDS(data, regadd, phyadd, op, ready, ie, error);
};

/// FCAL - Flow Control Address Low: a constant of IEEE 802.3 [8254x 13.4.8]
struct Fcal : Register<Fcal, Access::kReadWrite, Run{.offset = 0x00028}> {
  static constexpr const char* kName = "FCAL";
  static constexpr Field<Fcal, 31, 0> fcal{};
  POLLUX_FIELDS(fcal);
};

/// FCAH - Flow Control Address High [8254x 13.4.9]
struct Fcah : Register<Fcah, Access::kReadWrite, Run{.offset = 0x0002C}> {
  static constexpr const char* kName = "FCAH";
  static constexpr Field<Fcah, 15, 0> fcah{};
  POLLUX_FIELDS(fcah);
};

/// FCT - Flow Control Type [8254x 13.4.10]
struct Fct : Register<Fct, Access::kReadWrite, Run{.offset = 0x00030}> {
  static constexpr const char* kName = "FCT";
  static constexpr Field<Fct, 15, 0> fct{};
  POLLUX_FIELDS(fct);
};

/// VET - VLAN Ether Type [8254x 13.4.11]
struct Vet : Register<Vet, Access::kReadWrite, Run{.offset = 0x00038}> {
  static constexpr const char* kName = "VET";
  static constexpr std::uint32_t kReset = 0x0000'8100;
  static constexpr Field<Vet, 15, 0> vet{};
  POLLUX_FIELDS(vet);
};

/// EXTCNF_CTRL - Extended Configuration Control [82574]
struct ExtcnfCtrl : Register<ExtcnfCtrl, Access::kReadWrite, Run{.offset = 0x00F00}> {
  static constexpr const char* kName = "EXTCNF_CTRL";
  static constexpr Field<ExtcnfCtrl, 5, 5, bool> mdio_sw_ownership{};  ///< reads back 1 when software owns MDIO and NVM
  POLLUX_FIELDS(mdio_sw_ownership);
};

/// PBA - Packet Buffer Allocation [8254x 13.4.12]
struct Pba : Register<Pba, Access::kReadWrite, Run{.offset = 0x01000}> {
  static constexpr const char* kName = "PBA";
  static constexpr std::uint32_t kReset = 0x0014'0014;
  static constexpr Field<Pba, 15, 0> rxa{};   ///< receive part [KiB]; the rest of 40 KiB is for transmit
  static constexpr Field<Pba, 31, 16> txa{};  ///< transmit part [KiB], follows from rxa
  POLLUX_FIELDS(rxa, txa);
};

/// WUC - Wake Up Control [8254x 13.5]
struct Wuc : Register<Wuc, Access::kReadWrite, Run{.offset = 0x05800}> {
  static constexpr const char* kName = "WUC";
  static constexpr Field<Wuc, 0, 0, bool> apme{};        ///< wake on a magic packet
  static constexpr Field<Wuc, 1, 1, bool> pme_en{};      ///< report it as PME
  static constexpr Field<Wuc, 2, 2, bool> pme_status{};  ///< a wake-up has happened
  static constexpr Field<Wuc, 3, 3, bool> apmpme{};      ///< assert PME on APM wake-up
  POLLUX_FIELDS(apme, pme_en, pme_status, apmpme);
};

/// GCR - PCIe Control [82574]
struct Gcr : Register<Gcr, Access::kReadWrite, Run{.offset = 0x05B00}> {
  static constexpr const char* kName = "GCR";
  static constexpr std::uint32_t kReset = 0x0680'0200;
  static constexpr Field<Gcr, 22, 22, bool> errata22{};  ///< to be set after reset [linux e1000e]
  POLLUX_FIELDS(errata22);
};

/// GCR2 - PCIe Control 2 [82574]
struct Gcr2 : Register<Gcr2, Access::kReadWrite, Run{.offset = 0x05B64}> {
  static constexpr const char* kName = "GCR2";
  static constexpr Field<Gcr2, 0, 0, bool> errata0{};  ///< to be set after reset [linux e1000e]
  POLLUX_FIELDS(errata0);
};

// ---- Interrupt ----------------------------------------------------------------------------------------------------

/// ICR - Interrupt Cause Read [8254x 13.4.17]
struct Icr : Register<Icr, Access::kReadClearWriteOneToClear, Run{.offset = 0x000C0}> {
  static constexpr const char* kName = "ICR";
  static constexpr Field<Icr, 0, 0, bool> txdw{};    ///< transmit descriptor written back
  static constexpr Field<Icr, 1, 1, bool> txqe{};    ///< transmit queue empty
  static constexpr Field<Icr, 2, 2, bool> lsc{};     ///< link status changed
  static constexpr Field<Icr, 4, 4, bool> rxdmt0{};  ///< receive descriptors run low
  static constexpr Field<Icr, 6, 6, bool> rxo{};     ///< receiver overrun
  static constexpr Field<Icr, 7, 7, bool> rxt0{};    ///< frames received
  static constexpr Field<Icr, 20, 20, bool> rxq0{};  ///< [82574] by queue
  static constexpr Field<Icr, 21, 21, bool> rxq1{};
  static constexpr Field<Icr, 22, 22, bool> txq0{};
  static constexpr Field<Icr, 23, 23, bool> txq1{};
  static constexpr Field<Icr, 24, 24, bool> other{};
  static constexpr Field<Icr, 31, 31, bool> int_asserted{};  ///< [82574] this function asserts the line
  POLLUX_FIELDS(txdw, txqe, lsc, rxdmt0, rxo, rxt0, rxq0, rxq1, txq0, txq1, other, int_asserted);
};

/// ITR - Interrupt Throttling: of INTx and MSI [8254x 13.4.18]
struct Itr : Register<Itr, Access::kReadWrite, Run{.offset = 0x000C4}> {
  static constexpr const char* kName = "ITR";
  static constexpr Field<Itr, 15, 0> interval{};  ///< at least so long between two [256 ns]; 0: no limit
  POLLUX_FIELDS(interval);
};

/// ICS - Interrupt Cause Set: ones set causes, as if they had happened [8254x 13.4.19]
struct Ics : Register<Ics, Access::kWriteOnly, Run{.offset = 0x000C8}> {
  static constexpr const char* kName = "ICS";
  static constexpr Field<Ics, 20, 20, bool> rxq0{};  ///< [82574]
  POLLUX_FIELDS(rxq0);
};

/// IMS - Interrupt Mask Set: ones enable causes; a cause that is set already interrupts at once [8254x 13.4.20]
struct Ims : Register<Ims, Access::kWriteOnly, Run{.offset = 0x000D0}> {
  static constexpr const char* kName = "IMS";
  static constexpr Field<Ims, 2, 2, bool> lsc{};
  static constexpr Field<Ims, 7, 7, bool> rxt0{};
  static constexpr Field<Ims, 20, 20, bool> rxq0{};   ///< [82574]
  static constexpr Field<Ims, 24, 24, bool> other{};  ///< [82574]
  POLLUX_FIELDS(lsc, rxt0, rxq0, other);
};

/// IMC - Interrupt Mask Clear: ones disable causes [8254x 13.4.21]
struct Imc : Register<Imc, Access::kWriteOnly, Run{.offset = 0x000D8}> {
  static constexpr const char* kName = "IMC";
  static constexpr Field<Imc, 31, 0> causes{};
  POLLUX_FIELDS(causes);

  /// Single causes.
  static constexpr std::uint32_t kLsc = 1 << 2, kRxt0 = 1 << 7, kRxq0 = 1 << 20, kOther = 1 << 24;
};

/// EIAC - Interrupt Auto Clear: causes that their message clears in ICR [82574]
struct Eiac : Register<Eiac, Access::kReadWrite, Run{.offset = 0x000DC}> {
  static constexpr const char* kName = "EIAC";
  static constexpr Field<Eiac, 20, 20, bool> rxq0{};
  static constexpr Field<Eiac, 21, 21, bool> rxq1{};
  static constexpr Field<Eiac, 22, 22, bool> txq0{};
  static constexpr Field<Eiac, 23, 23, bool> txq1{};
  static constexpr Field<Eiac, 24, 24, bool> other{};
  POLLUX_FIELDS(rxq0, rxq1, txq0, txq1, other);
};

/// IAM - Interrupt Acknowledge Auto Mask: see CTRL_EXT.EIAME and IAME [82574]
struct Iam : Register<Iam, Access::kReadWrite, Run{.offset = 0x000E0}> {
  static constexpr const char* kName = "IAM";
  static constexpr Field<Iam, 20, 20, bool> rxq0{};
  POLLUX_FIELDS(rxq0);
};

/// IVAR - Interrupt Vector Allocation: in each field bit 3 says "valid", bits 2:0 the MSI-X vector [82574]
struct Ivar : Register<Ivar, Access::kReadWrite, Run{.offset = 0x000E4}> {
  static constexpr const char* kName = "IVAR";
  static constexpr Field<Ivar, 3, 0> rxq0{};
  static constexpr Field<Ivar, 7, 4> rxq1{};
  static constexpr Field<Ivar, 11, 8> txq0{};
  static constexpr Field<Ivar, 15, 12> txq1{};
  static constexpr Field<Ivar, 19, 16> other{};
  static constexpr Field<Ivar, 31, 31, bool> tx_write_back{};  ///< every transmit write-back interrupts
  POLLUX_FIELDS(rxq0, rxq1, txq0, txq1, other, tx_write_back);

  static constexpr std::uint32_t kValid = 8;
};

/// EITR[n] - Extended Interrupt Throttling of MSI-X vector n [82574]
struct Eitr : Register<Eitr, Access::kReadWrite, Run{.offset = 0x000E8, .count = 5}> {
  static constexpr const char* kName = "EITR";
  static constexpr Field<Eitr, 15, 0> interval{};  ///< at least so long between two [256 ns]; 0: no limit
  POLLUX_FIELDS(interval);
};

// ---- Receive ------------------------------------------------------------------------------------------------------

/// RCTL - Receive Control [8254x 13.4.22]
struct Rctl : Register<Rctl, Access::kReadWrite, Run{.offset = 0x00100}> {
  static constexpr const char* kName = "RCTL";
  static constexpr Field<Rctl, 1, 1, bool> en{};     ///< receiver on
  static constexpr Field<Rctl, 2, 2, bool> sbp{};    ///< store bad packets
  static constexpr Field<Rctl, 3, 3, bool> upe{};    ///< unicast promiscuous
  static constexpr Field<Rctl, 4, 4, bool> mpe{};    ///< multicast promiscuous
  static constexpr Field<Rctl, 5, 5, bool> lpe{};    ///< frames longer than 1522 bytes
  static constexpr Field<Rctl, 7, 6> lbm{};          ///< loopback: 0 off, 3 PHY
  static constexpr Field<Rctl, 9, 8> rdmts{};        ///< RXDMT0 threshold: 1/2, 1/4, 1/8 of the ring
  static constexpr Field<Rctl, 11, 10> dtyp{};       ///< 0: legacy or extended, 1: packet split
  static constexpr Field<Rctl, 13, 12> mo{};         ///< which bits of a multicast address are hashed
  static constexpr Field<Rctl, 15, 15, bool> bam{};  ///< accept broadcast
  static constexpr Field<Rctl, 17, 16> bsize{};      ///< buffer size; 0 with bsex=0: 2048 bytes
  static constexpr Field<Rctl, 18, 18, bool> vfe{};  ///< VLAN filter
  static constexpr Field<Rctl, 19, 19, bool> cfien{};
  static constexpr Field<Rctl, 20, 20, bool> cfi{};
  static constexpr Field<Rctl, 22, 22, bool> dpf{};    ///< discard PAUSE frames
  static constexpr Field<Rctl, 23, 23, bool> pmcf{};   ///< pass MAC control frames
  static constexpr Field<Rctl, 25, 25, bool> bsex{};   ///< buffer sizes times 16
  static constexpr Field<Rctl, 26, 26, bool> secrc{};  ///< strip the FCS
  static constexpr Field<Rctl, 30, 27> flxbuf{};       ///< [82574] buffer size in KiB when not 0
  POLLUX_FIELDS(en, sbp, upe, mpe, lpe, lbm, rdmts, dtyp, mo, bam, bsize, vfe, cfien, cfi, dpf, pmcf, bsex, secrc,
                flxbuf);
};

/// FCRTL - Flow Control Receive Threshold Low [8254x 13.4.23]
struct Fcrtl : Register<Fcrtl, Access::kReadWrite, Run{.offset = 0x02160}> {
  static constexpr const char* kName = "FCRTL";
  static constexpr Field<Fcrtl, 15, 3> rtl{};          ///< XON below this fill [8 bytes]
  static constexpr Field<Fcrtl, 31, 31, bool> xone{};  ///< send XON at all
  POLLUX_FIELDS(rtl, xone);
};

/// FCRTH - Flow Control Receive Threshold High [8254x 13.4.24]
struct Fcrth : Register<Fcrth, Access::kReadWrite, Run{.offset = 0x02168}> {
  static constexpr const char* kName = "FCRTH";
  static constexpr Field<Fcrth, 15, 3> rth{};  ///< XOFF above this fill [8 bytes]; 0 with FCRTL 0: never
  POLLUX_FIELDS(rth);
};

/// RDBAL[n] - Receive Descriptor Base Low, 16-byte aligned [8254x 13.4.25]
struct Rdbal : Register<Rdbal, Access::kReadWrite, Run{.offset = 0x02800, .count = 2, .stride = 0x100}> {
  static constexpr const char* kName = "RDBAL";
  static constexpr Field<Rdbal, 31, 4> base{};  ///< [16 bytes]
  POLLUX_FIELDS(base);
};

/// RDBAH[n] - Receive Descriptor Base High [8254x 13.4.26]
struct Rdbah : Register<Rdbah, Access::kReadWrite, Run{.offset = 0x02804, .count = 2, .stride = 0x100}> {
  static constexpr const char* kName = "RDBAH";
  static constexpr Field<Rdbah, 31, 0> base{};
  POLLUX_FIELDS(base);
};

/// RDLEN[n] - Receive Descriptor Length, a multiple of 128 bytes [8254x 13.4.27]
struct Rdlen : Register<Rdlen, Access::kReadWrite, Run{.offset = 0x02808, .count = 2, .stride = 0x100}> {
  static constexpr const char* kName = "RDLEN";
  static constexpr Field<Rdlen, 19, 7> len{};  ///< [128 bytes]
  POLLUX_FIELDS(len);
};

/// RDH[n] - Receive Descriptor Head: the device's next descriptor [8254x 13.4.28]
struct Rdh : Register<Rdh, Access::kReadWrite, Run{.offset = 0x02810, .count = 2, .stride = 0x100}> {
  static constexpr const char* kName = "RDH";
  static constexpr Field<Rdh, 15, 0> head{};
  POLLUX_FIELDS(head);
};

/// RDT[n] - Receive Descriptor Tail: one past the last descriptor given to the device [8254x 13.4.29]
struct Rdt : Register<Rdt, Access::kReadWrite, Run{.offset = 0x02818, .count = 2, .stride = 0x100}> {
  static constexpr const char* kName = "RDT";
  static constexpr Field<Rdt, 15, 0> tail{};
  POLLUX_FIELDS(tail);
};

/// RDTR - Receive Delay Timer [8254x 13.4.30]
struct Rdtr : Register<Rdtr, Access::kReadWrite, Run{.offset = 0x02820}> {
  static constexpr const char* kName = "RDTR";
  static constexpr Field<Rdtr, 15, 0> delay{};       ///< [1.024 us]; 0: off
  static constexpr Field<Rdtr, 31, 31, bool> fpd{};  ///< flush now
  POLLUX_FIELDS(delay, fpd);
};

/// RXDCTL[n] - Receive Descriptor Control [8254x 13.4.46]
struct Rxdctl : Register<Rxdctl, Access::kReadWrite, Run{.offset = 0x02828, .count = 2, .stride = 0x100}> {
  static constexpr const char* kName = "RXDCTL";
  static constexpr std::uint32_t kReset = 0x0001'0000;
  static constexpr Field<Rxdctl, 5, 0> pthresh{};       ///< prefetch threshold [descriptors]
  static constexpr Field<Rxdctl, 13, 8> hthresh{};      ///< host threshold [descriptors]
  static constexpr Field<Rxdctl, 21, 16> wthresh{};     ///< write-back threshold [descriptors]
  static constexpr Field<Rxdctl, 24, 24, bool> gran{};  ///< thresholds count descriptors, not cache lines
  POLLUX_FIELDS(pthresh, hthresh, wthresh, gran);
};

/// RADV - Receive Interrupt Absolute Delay Timer [8254x 13.4.31]
struct Radv : Register<Radv, Access::kReadWrite, Run{.offset = 0x0282C}> {
  static constexpr const char* kName = "RADV";
  static constexpr Field<Radv, 15, 0> delay{};  ///< [1.024 us]; 0: off
  POLLUX_FIELDS(delay);
};

/// RXCSUM - Receive Checksum Control [8254x 13.4.47]
struct Rxcsum : Register<Rxcsum, Access::kReadWrite, Run{.offset = 0x05000}> {
  static constexpr const char* kName = "RXCSUM";
  static constexpr std::uint32_t kReset = 0x0000'0300;
  static constexpr Field<Rxcsum, 7, 0> pcss{};            ///< where the packet checksum starts [bytes]
  static constexpr Field<Rxcsum, 8, 8, bool> ipofld{};    ///< check IPv4 header checksums
  static constexpr Field<Rxcsum, 9, 9, bool> tuofld{};    ///< check TCP and UDP checksums
  static constexpr Field<Rxcsum, 12, 12, bool> ippcse{};  ///< [82574]
  static constexpr Field<Rxcsum, 13, 13, bool> pcsd{};    ///< [82574] deliver the RSS hash, not the packet checksum
  POLLUX_FIELDS(pcss, ipofld, tuofld, ippcse, pcsd);
};

/// RFCTL - Receive Filter Control [82574]
struct Rfctl : Register<Rfctl, Access::kReadWrite, Run{.offset = 0x05008}> {
  static constexpr const char* kName = "RFCTL";
  static constexpr Field<Rfctl, 0, 0, bool> iscsi_dis{};
  static constexpr Field<Rfctl, 6, 6, bool> nfsw_dis{};
  static constexpr Field<Rfctl, 7, 7, bool> nfsr_dis{};
  static constexpr Field<Rfctl, 12, 12, bool> ack_dis{};  ///< no ACK interrupts [linux e1000e]
  static constexpr Field<Rfctl, 15, 15, bool> exten{};    ///< extended receive descriptors
  POLLUX_FIELDS(iscsi_dis, nfsw_dis, nfsr_dis, ack_dis, exten);
};

/// MTA[n] - Multicast Table Array: 4096 hash bits [8254x 13.5.1]
struct Mta : Register<Mta, Access::kReadWrite, Run{.offset = 0x05200, .count = 128, .stride = 4}> {
  static constexpr const char* kName = "MTA";
  static constexpr Field<Mta, 31, 0> bits{};
  POLLUX_FIELDS(bits);
};

/// RAL[n] - Receive Address Low: MAC bytes 0 to 3, byte 0 lowest [8254x 13.5.2]
struct Ral : Register<Ral, Access::kReadWrite, Run{.offset = 0x05400, .count = 16, .stride = 8}> {
  static constexpr const char* kName = "RAL";
  static constexpr Field<Ral, 31, 0> address{};
  POLLUX_FIELDS(address);
};

/// RAH[n] - Receive Address High: MAC bytes 4 and 5 [8254x 13.5.3]
struct Rah : Register<Rah, Access::kReadWrite, Run{.offset = 0x05404, .count = 16, .stride = 8}> {
  static constexpr const char* kName = "RAH";
  static constexpr Field<Rah, 15, 0> address{};
  static constexpr Field<Rah, 17, 16> as{};        ///< 0: compare with the destination, 1: with the source
  static constexpr Field<Rah, 31, 31, bool> av{};  ///< this entry is valid
  POLLUX_FIELDS(address, as, av);
};

/// VFTA[n] - VLAN Filter Table Array: one bit per VLAN id [8254x 13.5.4]
struct Vfta : Register<Vfta, Access::kReadWrite, Run{.offset = 0x05600, .count = 128, .stride = 4}> {
  static constexpr const char* kName = "VFTA";
  static constexpr Field<Vfta, 31, 0> bits{};
  POLLUX_FIELDS(bits);
};

// ---- Transmit -----------------------------------------------------------------------------------------------------

/// FCTTV - Flow Control Transmit Timer Value [8254x 13.4.14]
struct Fcttv : Register<Fcttv, Access::kReadWrite, Run{.offset = 0x00170}> {
  static constexpr const char* kName = "FCTTV";
  static constexpr Field<Fcttv, 15, 0> ttv{};  ///< pause time sent [64 byte times]
  POLLUX_FIELDS(ttv);
};

/// TCTL - Transmit Control [8254x 13.4.33]
struct Tctl : Register<Tctl, Access::kReadWrite, Run{.offset = 0x00400}> {
  static constexpr const char* kName = "TCTL";
  static constexpr Field<Tctl, 1, 1, bool> en{};   ///< transmitter on
  static constexpr Field<Tctl, 3, 3, bool> psp{};  ///< pad short packets
  static constexpr Field<Tctl, 11, 4> ct{};        ///< collision threshold
  static constexpr Field<Tctl, 21, 12> cold{};     ///< collision distance [byte times]
  static constexpr Field<Tctl, 22, 22, bool> swxoff{};
  static constexpr Field<Tctl, 23, 23, bool> pbe{};
  static constexpr Field<Tctl, 24, 24, bool> rtlc{};  ///< retransmit on late collision
  static constexpr Field<Tctl, 25, 25, bool> nrtu{};
  static constexpr Field<Tctl, 28, 28, bool> mulr{};  ///< [82574] several read requests at a time
  POLLUX_FIELDS(en, psp, ct, cold, swxoff, pbe, rtlc, nrtu, mulr);
};

/// TIPG - Transmit Inter Packet Gap [8254x 13.4.34]
struct Tipg : Register<Tipg, Access::kReadWrite, Run{.offset = 0x00410}> {
  static constexpr const char* kName = "TIPG";
  static constexpr std::uint32_t kReset = 0x0060'2008;
  static constexpr Field<Tipg, 9, 0> ipgt{};  ///< [byte times]
  static constexpr Field<Tipg, 19, 10> ipgr1{};
  static constexpr Field<Tipg, 29, 20> ipgr2{};
  POLLUX_FIELDS(ipgt, ipgr1, ipgr2);
};

/// TDBAL[n] - Transmit Descriptor Base Low, 16-byte aligned [8254x 13.4.36]
struct Tdbal : Register<Tdbal, Access::kReadWrite, Run{.offset = 0x03800, .count = 2, .stride = 0x100}> {
  static constexpr const char* kName = "TDBAL";
  static constexpr Field<Tdbal, 31, 4> base{};  ///< [16 bytes]
  POLLUX_FIELDS(base);
};

/// TDBAH[n] - Transmit Descriptor Base High [8254x 13.4.37]
struct Tdbah : Register<Tdbah, Access::kReadWrite, Run{.offset = 0x03804, .count = 2, .stride = 0x100}> {
  static constexpr const char* kName = "TDBAH";
  static constexpr Field<Tdbah, 31, 0> base{};
  POLLUX_FIELDS(base);
};

/// TDLEN[n] - Transmit Descriptor Length, a multiple of 128 bytes [8254x 13.4.38]
struct Tdlen : Register<Tdlen, Access::kReadWrite, Run{.offset = 0x03808, .count = 2, .stride = 0x100}> {
  static constexpr const char* kName = "TDLEN";
  static constexpr Field<Tdlen, 19, 7> len{};  ///< [128 bytes]
  POLLUX_FIELDS(len);
};

/// TDH[n] - Transmit Descriptor Head: the device's next descriptor [8254x 13.4.39]
struct Tdh : Register<Tdh, Access::kReadWrite, Run{.offset = 0x03810, .count = 2, .stride = 0x100}> {
  static constexpr const char* kName = "TDH";
  static constexpr Field<Tdh, 15, 0> head{};
  POLLUX_FIELDS(head);
};

/// TDT[n] - Transmit Descriptor Tail: one past the last descriptor given to the device [8254x 13.4.40]
struct Tdt : Register<Tdt, Access::kReadWrite, Run{.offset = 0x03818, .count = 2, .stride = 0x100}> {
  static constexpr const char* kName = "TDT";
  static constexpr Field<Tdt, 15, 0> tail{};
  POLLUX_FIELDS(tail);
};

/// TIDV - Transmit Interrupt Delay Value [8254x 13.4.41]
struct Tidv : Register<Tidv, Access::kReadWrite, Run{.offset = 0x03820}> {
  static constexpr const char* kName = "TIDV";
  static constexpr Field<Tidv, 15, 0> idv{};  ///< [1.024 us]; 0: off
  POLLUX_FIELDS(idv);
};

/// TXDCTL[n] - Transmit Descriptor Control [8254x 13.4.43]
struct Txdctl : Register<Txdctl, Access::kReadWrite, Run{.offset = 0x03828, .count = 2, .stride = 0x100}> {
  static constexpr const char* kName = "TXDCTL";
  static constexpr Field<Txdctl, 5, 0> pthresh{};             ///< prefetch threshold [descriptors]
  static constexpr Field<Txdctl, 13, 8> hthresh{};            ///< host threshold [descriptors]
  static constexpr Field<Txdctl, 21, 16> wthresh{};           ///< write-back threshold [descriptors]
  static constexpr Field<Txdctl, 22, 22, bool> count_desc{};  ///< [82574] to be set [linux e1000e]
  static constexpr Field<Txdctl, 24, 24, bool> gran{};        ///< thresholds count descriptors, not cache lines
  POLLUX_FIELDS(pthresh, hthresh, wthresh, count_desc, gran);
};

/// TADV - Transmit Absolute Interrupt Delay Value [8254x 13.4.44]
struct Tadv : Register<Tadv, Access::kReadWrite, Run{.offset = 0x0382C}> {
  static constexpr const char* kName = "TADV";
  static constexpr Field<Tadv, 15, 0> idv{};  ///< [1.024 us]; 0: off
  POLLUX_FIELDS(idv);
};

/// TARC[n] - Transmit Arbitration Count [82574]
struct Tarc : Register<Tarc, Access::kReadWrite, Run{.offset = 0x03840, .count = 2, .stride = 0x100}> {
  static constexpr const char* kName = "TARC";
  static constexpr std::uint32_t kReset = 0x0000'0403;
  static constexpr Field<Tarc, 6, 0> count{};             ///< arbitration count
  static constexpr Field<Tarc, 10, 10, bool> enable{};    ///< this queue takes part
  static constexpr Field<Tarc, 26, 26, bool> errata26{};  ///< to be set for queue 0 [linux e1000e]
  static constexpr Field<Tarc, 30, 27> errata30_27{};     ///< to be cleared for queue 0 [linux e1000e]; bit 26 apart
  POLLUX_FIELDS(count, enable, errata26, errata30_27);
};

// ---- Statistics: 32 bits, a read clears, they stick at all ones [8254x 13.7] ---------------------------------------

#define POLLUX_E1000_COUNTER(Type, name, at)                              \
  struct Type : Register<Type, Access::kReadClear, Run{.offset = (at)}> { \
    static constexpr const char* kName = name;                            \
    static constexpr Field<Type, 31, 0> count{};                          \
    POLLUX_FIELDS(count);                                                 \
  }
POLLUX_E1000_COUNTER(Crcerrs, "CRCERRS", 0x04000);    ///< frames with a bad FCS
POLLUX_E1000_COUNTER(Algnerrc, "ALGNERRC", 0x04004);  ///< alignment errors
POLLUX_E1000_COUNTER(Rxerrc, "RXERRC", 0x0400C);      ///< PHY receive errors
POLLUX_E1000_COUNTER(Mpc, "MPC", 0x04010);            ///< frames missed: no room in the packet buffer
POLLUX_E1000_COUNTER(Ecol, "ECOL", 0x04018);          ///< excessive collisions
POLLUX_E1000_COUNTER(Latecol, "LATECOL", 0x04020);    ///< late collisions
POLLUX_E1000_COUNTER(Cexterr, "CEXTERR", 0x0403C);    ///< carrier extension errors
POLLUX_E1000_COUNTER(Rlec, "RLEC", 0x04040);          ///< length errors
POLLUX_E1000_COUNTER(Gprc, "GPRC", 0x04074);          ///< good frames received
POLLUX_E1000_COUNTER(Gptc, "GPTC", 0x04080);          ///< good frames sent
POLLUX_E1000_COUNTER(Gorcl, "GORCL", 0x04088);        ///< good bytes received, FCS included; pair with GORCH
POLLUX_E1000_COUNTER(Gorch, "GORCH", 0x0408C);
POLLUX_E1000_COUNTER(Gotcl, "GOTCL", 0x04090);  ///< good bytes sent, FCS included; pair with GOTCH
POLLUX_E1000_COUNTER(Gotch, "GOTCH", 0x04094);
POLLUX_E1000_COUNTER(Rnbc, "RNBC", 0x040A0);  ///< times no receive descriptor was free
#undef POLLUX_E1000_COUNTER

using Registers =
    RegisterList<Ctrl, Status, Eecd, CtrlExt, Mdic, Fcal, Fcah, Fct, Vet, ExtcnfCtrl, Pba, Wuc, Gcr, Gcr2, Icr, Itr,
                 Ics, Ims, Imc, Eiac, Iam, Ivar, Eitr, Rctl, Fcrtl, Fcrth, Rdbal, Rdbah, Rdlen, Rdh, Rdt, Rdtr, Rxdctl,
                 Radv, Rxcsum, Rfctl, Mta, Ral, Rah, Vfta, Mrqc, Reta, Rssrk, Fcttv, Tctl, Tipg, Tdbal, Tdbah, Tdlen,
                 Tdh, Tdt, Tidv, Txdctl, Tadv, Tarc, Crcerrs, Algnerrc, Rxerrc, Mpc, Ecol, Latecol, Cexterr, Rlec, Gprc,
                 Gptc, Gorcl, Gorch, Gotcl, Gotch, Rnbc>;

}  // namespace pollux::e1000

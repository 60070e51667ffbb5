// SPDX-License-Identifier: BSD-3-Clause
// Registers of 82599 and X540, first part: general, NVM, semaphores, interrupts. See regs.hpp.
#pragma once
#include <pollux/reg/register.hpp>

namespace pollux::ixgbe {

using reg::Access, reg::Field, reg::Register, reg::RegisterList, reg::Run;

// ---- General ------------------------------------------------------------------------------------------------------

/// CTRL - Device Control [linux ixgbe]
struct Ctrl : Register<Ctrl, Access::kReadWriteSelfClear, Run{.offset = 0x00000}> {
  static constexpr const char* kName = "CTRL";
  static constexpr Field<Ctrl, 2, 2, bool> gio_dis{};  ///< no new DMA requests
  static constexpr Field<Ctrl, 3, 3, bool> lnk_rst{};  ///< resets MAC and link; clears itself
  static constexpr Field<Ctrl, 26, 26, bool> rst{};    ///< software reset; clears itself
  POLLUX_FIELDS(gio_dis, lnk_rst, rst);
};

/// STATUS - Device Status [linux ixgbe]
struct Status : Register<Status, Access::kReadOnly, Run{.offset = 0x00008}> {
  static constexpr const char* kName = "STATUS";
  static constexpr Field<Status, 3, 2> lan_id{};  ///< which port of the chip this is
  static constexpr Field<Status, 7, 7, bool> link_up{};
  static constexpr Field<Status, 17, 10> num_vfs{};
  static constexpr Field<Status, 18, 18, bool> iov_active{};
  static constexpr Field<Status, 19, 19, bool> master_en{};  ///< DMA requests may be outstanding
  POLLUX_FIELDS(lan_id, link_up, num_vfs, iov_active, master_en);
};

/// CTRL_EXT - Extended Device Control [linux ixgbe]
struct CtrlExt : Register<CtrlExt, Access::kReadWrite, Run{.offset = 0x00018}> {
  static constexpr const char* kName = "CTRL_EXT";
  static constexpr Field<CtrlExt, 14, 14, bool> pfrstd{};         ///< PF reset done: VFs may go on
  static constexpr Field<CtrlExt, 16, 16, bool> ns_dis{};         ///< no no-snoop requests
  static constexpr Field<CtrlExt, 17, 17, bool> ro_dis{};         ///< no relaxed ordering
  static constexpr Field<CtrlExt, 26, 26, bool> extended_vlan{};  ///< every frame has an outer tag
  static constexpr Field<CtrlExt, 28, 28, bool> drv_load{};       ///< tells the firmware that a driver is here
  POLLUX_FIELDS(pfrstd, ns_dis, ro_dis, extended_vlan, drv_load);
};

/// ESDP - Extended Software Definable Pins: what they do is the board's choice [linux ixgbe]
struct Esdp : Register<Esdp, Access::kReadWrite, Run{.offset = 0x00020}> {
  static constexpr const char* kName = "ESDP";
  static constexpr Field<Esdp, 0, 0, bool> sdp0{};
  static constexpr Field<Esdp, 1, 1, bool> sdp1{};
  static constexpr Field<Esdp, 2, 2, bool> sdp2{};  ///< SFP+: a module is present
  static constexpr Field<Esdp, 3, 3, bool> sdp3{};  ///< SFP+: 1 turns the laser off
  static constexpr Field<Esdp, 4, 4, bool> sdp4{};
  static constexpr Field<Esdp, 5, 5, bool> sdp5{};  ///< SFP+: rate select
  static constexpr Field<Esdp, 7, 6> sdp7_6{};
  static constexpr Field<Esdp, 10, 8> direction_2_0{};    ///< 1: output
  static constexpr Field<Esdp, 11, 11, bool> sdp3_out{};  ///< direction of sdp3, 1: output
  static constexpr Field<Esdp, 15, 12> direction_7_4{};
  static constexpr Field<Esdp, 31, 16> native{};  ///< pins with a function of their own
  POLLUX_FIELDS(sdp0, sdp1, sdp2, sdp3, sdp4, sdp5, sdp7_6, direction_2_0, sdp3_out, direction_7_4, native);
};

/// GCR_EXT - PCIe Control Extended [tinynf]
struct GcrExt : Register<GcrExt, Access::kReadWrite, Run{.offset = 0x11050}> {
  static constexpr const char* kName = "GCR_EXT";
  static constexpr Field<GcrExt, 1, 0> vt_mode{};
  static constexpr Field<GcrExt, 30, 30, bool> buffers_clear{};  ///< empties the transaction buffers
  static constexpr Field<GcrExt, 31, 31, bool> msix_en{};
  POLLUX_FIELDS(vt_mode, buffers_clear, msix_en);
};

/// WUC - Wake Up Control [linux ixgbe]
struct Wuc : Register<Wuc, Access::kReadWrite, Run{.offset = 0x05800}> {
  static constexpr const char* kName = "WUC";
  static constexpr Field<Wuc, 31, 0> bits{};
  POLLUX_FIELDS(bits);
};

/// WUFC - Wake Up Filter Control [linux ixgbe]
struct Wufc : Register<Wufc, Access::kReadWrite, Run{.offset = 0x05808}> {
  static constexpr const char* kName = "WUFC";
  static constexpr Field<Wufc, 7, 0> causes{};  ///< link, magic, exact, multicast, broadcast, ARP, IPv4, IPv6
  POLLUX_FIELDS(causes);
};

/// WUS - Wake Up Status [linux ixgbe]
struct Wus : Register<Wus, Access::kWriteOneToClear, Run{.offset = 0x05810}> {
  static constexpr const char* kName = "WUS";
  static constexpr Field<Wus, 31, 0> causes{};
  POLLUX_FIELDS(causes);
};

// ---- NVM and semaphores -------------------------------------------------------------------------------------------

/// EEC - EEPROM/Flash Control [linux ixgbe]
struct Eec : Register<Eec, Access::kReadWrite, Run{.offset = 0x10010}> {
  static constexpr const char* kName = "EEC";
  static constexpr std::uint32_t kReset = 0x0000'1730;
  static constexpr Field<Eec, 0, 0, bool> sk{};  ///< bit-banged access: clock, select, data in, data out
  static constexpr Field<Eec, 1, 1, bool> cs{};
  static constexpr Field<Eec, 2, 2, bool> di{};
  static constexpr Field<Eec, 3, 3, bool> data_out{};
  static constexpr Field<Eec, 5, 4> fwe{};
  static constexpr Field<Eec, 6, 6, bool> req{};
  static constexpr Field<Eec, 7, 7, bool> gnt{};
  static constexpr Field<Eec, 8, 8, bool> pres{};  ///< an NVM is present
  static constexpr Field<Eec, 9, 9, bool> ard{};   ///< the automatic load after reset is done
  static constexpr Field<Eec, 10, 10, bool> addr_size{};
  static constexpr Field<Eec, 14, 11> size{};
  static constexpr Field<Eec, 21, 15> loaded{};  ///< section by section
  POLLUX_FIELDS(sk, cs, di, data_out, fwe, req, gnt, pres, ard, addr_size, size, loaded);
};

/// SWSM - Software Semaphore. A read that returns SMBI = 0 has set it: the reader owns it then. [linux ixgbe]
struct Swsm : Register<Swsm, Access::kReadWrite, Run{.offset = 0x10140}> {
  static constexpr const char* kName = "SWSM";
  static constexpr Field<Swsm, 0, 0, bool> smbi{};     ///< between drivers
  static constexpr Field<Swsm, 1, 1, bool> swesmbi{};  ///< between software and firmware; reads 1 when software has it
  POLLUX_FIELDS(smbi, swesmbi);
};

/// SW_FW_SYNC (GSSR) - who uses which shared resource. [linux ixgbe]
struct SwFwSync : Register<SwFwSync, Access::kReadWrite, Run{.offset = 0x10160}> {
  static constexpr const char* kName = "SW_FW_SYNC";
  static constexpr Field<SwFwSync, 4, 0> sw{};              ///< Resource bits, owned by software
  static constexpr Field<SwFwSync, 9, 5> fw{};              ///< the same, owned by firmware
  static constexpr Field<SwFwSync, 10, 10, bool> sw_mng{};  ///< the management host interface, owned by software
  static constexpr Field<SwFwSync, 31, 31, bool> regsmp{};  ///< X540: guards this register, as SWSM.SMBI does
  POLLUX_FIELDS(sw, fw, sw_mng, regsmp);

  /// Bits of the fields sw and fw.
  static constexpr std::uint32_t kEep = 1, kPhy0 = 2, kPhy1 = 4, kMacCsr = 8, kFlash = 16;
};

// ---- Interrupts ---------------------------------------------------------------------------------------------------

/// EICR - Extended Interrupt Cause [linux ixgbe]
struct Eicr : Register<Eicr, Access::kReadClearWriteOneToClear, Run{.offset = 0x00800}> {
  static constexpr const char* kName = "EICR";
  static constexpr Field<Eicr, 15, 0> rtxq{};  ///< by queue, as IVAR maps them
  static constexpr Field<Eicr, 16, 16, bool> flow_director{};
  static constexpr Field<Eicr, 17, 17, bool> rx_miss{};
  static constexpr Field<Eicr, 18, 18, bool> pci_exception{};
  static constexpr Field<Eicr, 19, 19, bool> mailbox{};
  static constexpr Field<Eicr, 20, 20, bool> lsc{};  ///< link status changed
  static constexpr Field<Eicr, 31, 31, bool> other{};
  POLLUX_FIELDS(rtxq, flow_director, rx_miss, pci_exception, mailbox, lsc, other);
};

/// EICS - Extended Interrupt Cause Set: ones set causes; a read gives EICR and clears nothing [linux ixgbe]
struct Eics : Register<Eics, Access::kReadWrite, Run{.offset = 0x00808}> {
  static constexpr const char* kName = "EICS";
  static constexpr Field<Eics, 15, 0> rtxq{};
  static constexpr Field<Eics, 17, 17, bool> rx_miss{};
  static constexpr Field<Eics, 20, 20, bool> lsc{};
  POLLUX_FIELDS(rtxq, rx_miss, lsc);
};

/// EIAC - Extended Interrupt Auto Clear: causes that their message clears in EICR [linux ixgbe]
struct Eiac : Register<Eiac, Access::kReadWrite, Run{.offset = 0x00810}> {
  static constexpr const char* kName = "EIAC";
  static constexpr Field<Eiac, 15, 0> rtxq{};
  POLLUX_FIELDS(rtxq);
};

/// EITR[n] - Extended Interrupt Throttling of vector n [linux ixgbe]
struct Eitr
    : Register<Eitr, Access::kReadWrite, Run{.offset = 0x00820, .count = 24}, Run{.offset = 0x12300, .count = 104}> {
  static constexpr const char* kName = "EITR";
  static constexpr Field<Eitr, 11, 3> interval{};         ///< at least so long between two [2.048 us]; 0: no limit
  static constexpr Field<Eitr, 15, 15, bool> lli_mod{};   ///< low latency interrupts wait as well
  static constexpr Field<Eitr, 31, 31, bool> cnt_wdis{};  ///< the running interval is left alone
  POLLUX_FIELDS(interval, lli_mod, cnt_wdis);
};

/// EIMS - Extended Interrupt Mask Set: ones enable causes; one that is set already interrupts at once [linux ixgbe]
struct Eims : Register<Eims, Access::kWriteOnly, Run{.offset = 0x00880}> {
  static constexpr const char* kName = "EIMS";
  static constexpr Field<Eims, 15, 0> rtxq{};
  static constexpr Field<Eims, 20, 20, bool> lsc{};
  POLLUX_FIELDS(rtxq, lsc);
};

/// EIMC - Extended Interrupt Mask Clear: ones disable causes [linux ixgbe]
struct Eimc : Register<Eimc, Access::kWriteOnly, Run{.offset = 0x00888}> {
  static constexpr const char* kName = "EIMC";
  static constexpr Field<Eimc, 30, 0> causes{};
  POLLUX_FIELDS(causes);

  static constexpr std::uint32_t kLsc = 1 << 20;
};

/// EIAM - Extended Interrupt Auto Mask: causes that EICR's read masks [linux ixgbe]
struct Eiam : Register<Eiam, Access::kReadWrite, Run{.offset = 0x00890}> {
  static constexpr const char* kName = "EIAM";
  static constexpr Field<Eiam, 15, 0> rtxq{};
  static constexpr Field<Eiam, 20, 20, bool> lsc{};
  POLLUX_FIELDS(rtxq, lsc);
};

/// GPIE - General Purpose Interrupt Enable [linux ixgbe]
struct Gpie : Register<Gpie, Access::kReadWrite, Run{.offset = 0x00898}> {
  static constexpr const char* kName = "GPIE";
  static constexpr Field<Gpie, 4, 4, bool> msix_mode{};      ///< several vectors
  static constexpr Field<Gpie, 5, 5, bool> ocd{};            ///< EICR's read leaves the queues' causes
  static constexpr Field<Gpie, 6, 6, bool> eimen{};          ///< EICS interrupts at once
  static constexpr Field<Gpie, 13, 11> rsc_delay{};          ///< coalescing waits for the interrupt
  static constexpr Field<Gpie, 15, 14> vt_mode{};            ///< virtual functions
  static constexpr Field<Gpie, 30, 30, bool> eiame{};        ///< a message masks the vectors that EIAM_EX names
  static constexpr Field<Gpie, 31, 31, bool> pba_support{};  ///< a message clears its pending bit
  POLLUX_FIELDS(msix_mode, ocd, eimen, rsc_delay, vt_mode, eiame, pba_support);
};

/// IVAR[n] - Interrupt Vector Allocation of queues 2n and 2n+1, two bytes each: receive, transmit. The vector, without
/// MSI-X the bit of EICR. [linux ixgbe]
struct Ivar : Register<Ivar, Access::kReadWrite, Run{.offset = 0x00900, .count = 64}> {
  static constexpr const char* kName = "IVAR";
  static constexpr Field<Ivar, 5, 0> vector0{};  ///< receive, queue 2n
  static constexpr Field<Ivar, 7, 7, bool> valid0{};
  static constexpr Field<Ivar, 13, 8> vector1{};  ///< transmit, queue 2n
  static constexpr Field<Ivar, 15, 15, bool> valid1{};
  static constexpr Field<Ivar, 21, 16> vector2{};  ///< receive, queue 2n+1
  static constexpr Field<Ivar, 23, 23, bool> valid2{};
  static constexpr Field<Ivar, 29, 24> vector3{};  ///< transmit, queue 2n+1
  static constexpr Field<Ivar, 31, 31, bool> valid3{};
  POLLUX_FIELDS(vector0, valid0, vector1, valid1, vector2, valid2, vector3, valid3);
};

/// IVAR_MISC - Interrupt Vector Allocation of the other causes [linux ixgbe]
struct IvarMisc : Register<IvarMisc, Access::kReadWrite, Run{.offset = 0x00A00}> {
  static constexpr const char* kName = "IVAR_MISC";
  static constexpr Field<IvarMisc, 5, 0> vector0{};  ///< TCP timer
  static constexpr Field<IvarMisc, 7, 7, bool> valid0{};
  static constexpr Field<IvarMisc, 13, 8> vector1{};  ///< all others
  static constexpr Field<IvarMisc, 15, 15, bool> valid1{};
  POLLUX_FIELDS(vector0, valid0, vector1, valid1);
};

/// EIMS_EX[n] - Extended Interrupt Mask Set, by MSI-X vector [linux ixgbe]
struct EimsEx : Register<EimsEx, Access::kWriteOnly, Run{.offset = 0x00AA0, .count = 2}> {
  static constexpr const char* kName = "EIMS_EX";
  static constexpr Field<EimsEx, 31, 0> vectors{};
  POLLUX_FIELDS(vectors);
};

/// EIMC_EX[n] - Extended Interrupt Mask Clear, by MSI-X vector [linux ixgbe]
struct EimcEx : Register<EimcEx, Access::kWriteOnly, Run{.offset = 0x00AB0, .count = 2, .stride = 4}> {
  static constexpr const char* kName = "EIMC_EX";
  static constexpr Field<EimcEx, 31, 0> vectors{};
  POLLUX_FIELDS(vectors);
};

/// EIAM_EX[n] - Extended Interrupt Auto Mask, by MSI-X vector: see GPIE.EIAME [linux ixgbe]
struct EiamEx : Register<EiamEx, Access::kReadWrite, Run{.offset = 0x00AD0, .count = 2}> {
  static constexpr const char* kName = "EIAM_EX";
  static constexpr Field<EiamEx, 31, 0> vectors{};
  POLLUX_FIELDS(vectors);
};

}  // namespace pollux::ixgbe

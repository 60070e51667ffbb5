// SPDX-License-Identifier: BSD-3-Clause
// Registers of 82599 and X540, third part: transmit, MAC and link, statistics. See regs.hpp.
#pragma once
#include <pollux/ixgbe/regs_general.hpp>

namespace pollux::ixgbe {

// ---- Transmit -----------------------------------------------------------------------------------------------------

/// DMATXCTL - DMA Transmit Control [82599 4.6.8]
struct Dmatxctl : Register<Dmatxctl, Access::kReadWrite, Run{.offset = 0x04A80}> {
  static constexpr const char* kName = "DMATXCTL";
  static constexpr std::uint32_t kReset = 0x8100'0004;
  static constexpr Field<Dmatxctl, 0, 0, bool> te{};          ///< transmitter on
  static constexpr Field<Dmatxctl, 1, 1, bool> ns{};          ///< no-snoop
  static constexpr Field<Dmatxctl, 2, 2, bool> reserved_1{};  ///< reads and is to be written 1
  static constexpr Field<Dmatxctl, 3, 3, bool> gdv{};         ///< double VLAN
  static constexpr Field<Dmatxctl, 31, 16> vt{};              ///< VLAN EtherType
  POLLUX_FIELDS(te, ns, reserved_1, gdv, vt);
};

/// DTXMXSZRQ - DMA Transmit Max Allow Size Requests [linux ixgbe]
struct Dtxmxszrq : Register<Dtxmxszrq, Access::kReadWrite, Run{.offset = 0x08100}> {
  static constexpr const char* kName = "DTXMXSZRQ";
  static constexpr std::uint32_t kReset = 0x0000'0010;
  static constexpr Field<Dtxmxszrq, 11, 0> max_bytes{};  ///< outstanding reads [256 bytes]
  POLLUX_FIELDS(max_bytes);
};

/// TXPBSIZE[n] - Transmit Packet Buffer Size [linux ixgbe]
struct Txpbsize : Register<Txpbsize, Access::kReadWrite, Run{.offset = 0x0CC00, .count = 8, .stride = 4}> {
  static constexpr const char* kName = "TXPBSIZE";
  static constexpr std::uint32_t kReset = 0x0002'8000;
  static constexpr Field<Txpbsize, 19, 10> size{};  ///< [KiB]
  POLLUX_FIELDS(size);
};

/// TXPBTHRESH[n] - Transmit Packet Buffer Threshold [linux ixgbe]
struct Txpbthresh : Register<Txpbthresh, Access::kReadWrite, Run{.offset = 0x04950, .count = 8, .stride = 4}> {
  static constexpr const char* kName = "TXPBTHRESH";
  static constexpr std::uint32_t kReset = 0x0000'0096;
  static constexpr Field<Txpbthresh, 9, 0> thresh{};  ///< fetch while the fill is below [KiB]
  POLLUX_FIELDS(thresh);
};

/// RTTDCS - DCB Transmit Descriptor Plane Control [82599 4.6.8]
struct Rttdcs : Register<Rttdcs, Access::kReadWrite, Run{.offset = 0x04900}> {
  static constexpr const char* kName = "RTTDCS";
  static constexpr std::uint32_t kReset = 0x00C0'0000;
  static constexpr Field<Rttdcs, 6, 6, bool> arbdis{};  ///< stops the arbiter: MTQC may be written
  static constexpr Field<Rttdcs, 22, 22, bool> bdpm{};
  static constexpr Field<Rttdcs, 23, 23, bool> bpbfsm{};
  POLLUX_FIELDS(arbdis, bdpm, bpbfsm);
};

/// RTTDQSEL - Transmit Descriptor Queue Select: the queue whose RTTDT1C is accessed [tinynf]
struct Rttdqsel : Register<Rttdqsel, Access::kReadWrite, Run{.offset = 0x04904}> {
  static constexpr const char* kName = "RTTDQSEL";
  static constexpr Field<Rttdqsel, 6, 0> queue{};
  POLLUX_FIELDS(queue);
};

/// RTTDT1C - DCB Transmit Descriptor Plane T1 Configuration [tinynf]
struct Rttdt1c : Register<Rttdt1c, Access::kReadWrite, Run{.offset = 0x04908}> {
  static constexpr const char* kName = "RTTDT1C";
  static constexpr Field<Rttdt1c, 31, 0> config{};
  POLLUX_FIELDS(config);
};

/// MTQC - Multiple Transmit Queues Command. Pre of a write: RTTDCS.ARBDIS. [82599 4.6.8]
struct Mtqc : Register<Mtqc, Access::kReadWrite, Run{.offset = 0x08120}> {
  static constexpr const char* kName = "MTQC";
  static constexpr Field<Mtqc, 0, 0, bool> rt_ena{};  ///< DCB
  static constexpr Field<Mtqc, 1, 1, bool> vt_ena{};  ///< virtualization
  static constexpr Field<Mtqc, 3, 2> num_tc_or_q{};   ///< 0: 64 queues, one packet buffer
  POLLUX_FIELDS(rt_ena, vt_ena, num_tc_or_q);
};

/// TQSM[n] - Transmit Queue Statistic Mapping: 4 queues a register [dpdk ixgbe]
struct Tqsm : Register<Tqsm, Access::kReadWrite, Run{.offset = 0x08600, .count = 32, .stride = 4}> {
  static constexpr const char* kName = "TQSM";
  static constexpr Field<Tqsm, 31, 0> bits{};
  POLLUX_FIELDS(bits);
};

/// TDBAL[n] - Transmit Descriptor Base Low, 128-byte aligned [linux ixgbe]
struct Tdbal : Register<Tdbal, Access::kReadWrite, Run{.offset = 0x06000, .count = 128, .stride = 0x40}> {
  static constexpr const char* kName = "TDBAL";
  static constexpr Field<Tdbal, 31, 7> base{};  ///< [128 bytes]
  POLLUX_FIELDS(base);
};

/// TDBAH[n] - Transmit Descriptor Base High [linux ixgbe]
struct Tdbah : Register<Tdbah, Access::kReadWrite, Run{.offset = 0x06004, .count = 128, .stride = 0x40}> {
  static constexpr const char* kName = "TDBAH";
  static constexpr Field<Tdbah, 31, 0> base{};
  POLLUX_FIELDS(base);
};

/// TDLEN[n] - Transmit Descriptor Length, a multiple of 128 bytes [linux ixgbe]
struct Tdlen : Register<Tdlen, Access::kReadWrite, Run{.offset = 0x06008, .count = 128, .stride = 0x40}> {
  static constexpr const char* kName = "TDLEN";
  static constexpr Field<Tdlen, 19, 7> len{};  ///< [128 bytes]
  POLLUX_FIELDS(len);
};

/// DCA_TXCTRL[n] - Transmit DCA Control [tinynf]
struct DcaTxctrl : Register<DcaTxctrl, Access::kReadWrite, Run{.offset = 0x0600C, .count = 128, .stride = 0x40}> {
  static constexpr const char* kName = "DCA_TXCTRL";
  static constexpr std::uint32_t kReset = 0x0000'2A00;
  static constexpr Field<DcaTxctrl, 5, 5, bool> desc_dca{};
  static constexpr Field<DcaTxctrl, 9, 9, bool> desc_ro{};       ///< relaxed ordering: descriptor reads
  static constexpr Field<DcaTxctrl, 11, 11, bool> desc_wb_ro{};  ///< relaxed ordering: write-back; to be 0
  static constexpr Field<DcaTxctrl, 13, 13, bool> data_ro{};     ///< relaxed ordering: data reads
  static constexpr Field<DcaTxctrl, 31, 24> cpu{};
  POLLUX_FIELDS(desc_dca, desc_ro, desc_wb_ro, data_ro, cpu);
};

/// TDH[n] - Transmit Descriptor Head: the device's next descriptor [linux ixgbe]
struct Tdh : Register<Tdh, Access::kReadWrite, Run{.offset = 0x06010, .count = 128, .stride = 0x40}> {
  static constexpr const char* kName = "TDH";
  static constexpr Field<Tdh, 15, 0> head{};
  POLLUX_FIELDS(head);
};

/// TDT[n] - Transmit Descriptor Tail: one past the last descriptor given to the device [linux ixgbe]
struct Tdt : Register<Tdt, Access::kReadWrite, Run{.offset = 0x06018, .count = 128, .stride = 0x40}> {
  static constexpr const char* kName = "TDT";
  static constexpr Field<Tdt, 15, 0> tail{};
  POLLUX_FIELDS(tail);
};

/// TXDCTL[n] - Transmit Descriptor Control [82599 8.2.3.9.10]
struct Txdctl : Register<Txdctl, Access::kReadWriteSelfClear, Run{.offset = 0x06028, .count = 128, .stride = 0x40}> {
  static constexpr const char* kName = "TXDCTL";
  static constexpr Field<Txdctl, 6, 0> pthresh{};         ///< prefetch threshold [descriptors]
  static constexpr Field<Txdctl, 14, 8> hthresh{};        ///< host threshold [descriptors]
  static constexpr Field<Txdctl, 22, 16> wthresh{};       ///< write-back threshold [descriptors]; above 0 RS is ignored
  static constexpr Field<Txdctl, 25, 25, bool> enable{};  ///< reads back 1 when the queue works, 0 when it has stopped
  static constexpr Field<Txdctl, 26, 26, bool> swflsh{};  ///< flush; clears itself
  POLLUX_FIELDS(pthresh, hthresh, wthresh, enable, swflsh);
};

/// TDWBAL[n] - Transmit Descriptor Completion Write-Back Address Low [tinynf]
struct Tdwbal : Register<Tdwbal, Access::kReadWrite, Run{.offset = 0x06038, .count = 128, .stride = 0x40}> {
  static constexpr const char* kName = "TDWBAL";
  static constexpr Field<Tdwbal, 0, 0, bool> head_wb_en{};  ///< write TDH to memory instead of DD to descriptors
  static constexpr Field<Tdwbal, 1, 1, bool> seq_num{};
  static constexpr Field<Tdwbal, 31, 2> address{};  ///< [4 bytes]
  POLLUX_FIELDS(head_wb_en, seq_num, address);
};

/// TDWBAH[n] - Transmit Descriptor Completion Write-Back Address High [tinynf]
struct Tdwbah : Register<Tdwbah, Access::kReadWrite, Run{.offset = 0x0603C, .count = 128, .stride = 0x40}> {
  static constexpr const char* kName = "TDWBAH";
  static constexpr Field<Tdwbah, 31, 0> address{};
  POLLUX_FIELDS(address);
};

// ---- MAC and link -------------------------------------------------------------------------------------------------

/// HLREG0 - MAC Core Control [82599 4.6.7, 4.6.8]
struct Hlreg0 : Register<Hlreg0, Access::kReadWrite, Run{.offset = 0x04240}> {
  static constexpr const char* kName = "HLREG0";
  static constexpr std::uint32_t kReset = 0x0801'2C0B;
  static constexpr Field<Hlreg0, 0, 0, bool> txcrcen{};     ///< append the FCS
  static constexpr Field<Hlreg0, 1, 1, bool> rxcrcstrp{};   ///< strip the FCS
  static constexpr Field<Hlreg0, 2, 2, bool> jumboen{};     ///< frames up to MAXFRS, not 1518 bytes
  static constexpr Field<Hlreg0, 3, 3, bool> reserved_1{};  ///< to be 1
  static constexpr Field<Hlreg0, 10, 10, bool> txpaden{};   ///< pad to 64 bytes
  static constexpr Field<Hlreg0, 15, 15, bool> lpbk{};      ///< loopback
  static constexpr Field<Hlreg0, 16, 16, bool> mdcspd{};
  static constexpr Field<Hlreg0, 27, 27, bool> rxlngtherren{};  ///< length field errors make a frame bad
  static constexpr Field<Hlreg0, 28, 28, bool> rxpadstrip{};
  POLLUX_FIELDS(txcrcen, rxcrcstrp, jumboen, reserved_1, txpaden, lpbk, mdcspd, rxlngtherren, rxpadstrip);
};

/// MAXFRS (MHADD) - Max Frame Size [linux ixgbe]
struct Maxfrs : Register<Maxfrs, Access::kReadWrite, Run{.offset = 0x04268}> {
  static constexpr const char* kName = "MAXFRS";
  static constexpr std::uint32_t kReset = 0x05EE'0000;
  static constexpr Field<Maxfrs, 31, 16> mfs{};  ///< [bytes] with FCS; counts when HLREG0.JUMBOEN
  POLLUX_FIELDS(mfs);
};

/// AUTOC - Auto Negotiation Control; the NVM sets it up for the board [linux ixgbe]
struct Autoc : Register<Autoc, Access::kReadWriteSelfClear, Run{.offset = 0x042A0}> {
  static constexpr const char* kName = "AUTOC";
  static constexpr std::uint32_t kReset = 0xC19D'8284;  ///< of a KX4 board
  static constexpr Field<Autoc, 0, 0, bool> flu{};      ///< force link up
  static constexpr Field<Autoc, 8, 7> pma_10g{};        ///< parallel: 0 XAUI, 1 KX4, 2 CX4
  static constexpr Field<Autoc, 9, 9, bool> pma_1g{};
  static constexpr Field<Autoc, 12, 12, bool> restart_an{};  ///< takes over LMS and restarts; clears itself
  static constexpr Field<Autoc, 15, 13> lms{};               ///< 0 1G, 1 10G, 2 1G AN, 3 10G serial, 4 KX4/KX/KR AN
  static constexpr Field<Autoc, 16, 16, bool> kr{};
  static constexpr Field<Autoc, 30, 30, bool> kx{};
  static constexpr Field<Autoc, 31, 31, bool> kx4{};
  POLLUX_FIELDS(flu, pma_10g, pma_1g, restart_an, lms, kr, kx, kx4);
};

/// AUTOC2 - Auto Negotiation Control 2 [linux ixgbe]
struct Autoc2 : Register<Autoc2, Access::kReadWrite, Run{.offset = 0x042A8}> {
  static constexpr const char* kName = "AUTOC2";
  static constexpr Field<Autoc2, 17, 16> pma_10g_serial{};  ///< 0 KR, 1 XFI, 2 SFI
  static constexpr Field<Autoc2, 30, 28> link_disable{};    ///< to be 0
  POLLUX_FIELDS(pma_10g_serial, link_disable);
};

/// LINKS - Link Status; the first read gives what was latched, the second what is [linux ixgbe]
struct Links : Register<Links, Access::kReadOnly, Run{.offset = 0x042A4}> {
  static constexpr const char* kName = "LINKS";
  static constexpr Field<Links, 11, 8> signal{};  ///< signal detected, by lane
  static constexpr Field<Links, 16, 13> sync{};   ///< synchronised, by lane
  static constexpr Field<Links, 17, 17, bool> align{};
  static constexpr Field<Links, 29, 28> speed{};  ///< 1: 100, 2: 1000, 3: 10000 Mbit/s
  static constexpr Field<Links, 30, 30, bool> up{};
  static constexpr Field<Links, 31, 31, bool> an_complete{};
  POLLUX_FIELDS(signal, sync, align, speed, up, an_complete);
};

// ---- Statistics: a read clears [linux ixgbe] -----------------------------------------------------------------------

#define POLLUX_IXGBE_COUNTER(Type, name, ...)                          \
  struct Type : Register<Type, Access::kReadClear, Run{__VA_ARGS__}> { \
    static constexpr const char* kName = name;                         \
    static constexpr Field<Type, 31, 0> count{};                       \
    POLLUX_FIELDS(count);                                              \
  }
POLLUX_IXGBE_COUNTER(Crcerrs, "CRCERRS", .offset = 0x04000);                         ///< frames with a bad FCS
POLLUX_IXGBE_COUNTER(Rlec, "RLEC", .offset = 0x04040);                               ///< length field errors
POLLUX_IXGBE_COUNTER(Ruc, "RUC", .offset = 0x040A4);                                 ///< too short
POLLUX_IXGBE_COUNTER(Rfc, "RFC", .offset = 0x040A8);                                 ///< too short, bad FCS
POLLUX_IXGBE_COUNTER(Roc, "ROC", .offset = 0x040AC);                                 ///< too long
POLLUX_IXGBE_COUNTER(Rjc, "RJC", .offset = 0x040B0);                                 ///< too long, bad FCS
POLLUX_IXGBE_COUNTER(Mpc, "MPC", .offset = 0x03FA0, .count = 8, .stride = 4);        ///< missed: packet buffer n full
POLLUX_IXGBE_COUNTER(Qprc, "QPRC", .offset = 0x01030, .count = 16, .stride = 0x40);  ///< frames received
POLLUX_IXGBE_COUNTER(QbrcL, "QBRC_L", .offset = 0x01034, .count = 16,
                     .stride = 0x40);  ///< bytes; FCS not when stripped
POLLUX_IXGBE_COUNTER(QbrcH, "QBRC_H", .offset = 0x01038, .count = 16, .stride = 0x40);  ///< bits 35:32
POLLUX_IXGBE_COUNTER(Qprdc, "QPRDC", .offset = 0x01430, .count = 16, .stride = 0x40);   ///< dropped: no descriptor
POLLUX_IXGBE_COUNTER(Gptc, "GPTC", .offset = 0x04080);                                  ///< good frames sent
POLLUX_IXGBE_COUNTER(Gotcl, "GOTCL", .offset = 0x04090);  ///< good bytes sent, FCS included
POLLUX_IXGBE_COUNTER(Gotch, "GOTCH", .offset = 0x04094);  ///< bits 35:32
#undef POLLUX_IXGBE_COUNTER

}  // namespace pollux::ixgbe

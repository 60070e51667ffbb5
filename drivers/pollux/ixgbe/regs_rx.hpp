// SPDX-License-Identifier: BSD-3-Clause
// Registers of 82599 and X540, second part: receive filters, receive queues, flow control. See regs.hpp.
#pragma once
#include <pollux/ixgbe/regs_general.hpp>

namespace pollux::ixgbe {

// ---- Receive: filters ---------------------------------------------------------------------------------------------

/// FCTRL - Filter Control [82599 4.6.7]
struct Fctrl : Register<Fctrl, Access::kReadWrite, Run{.offset = 0x05080}> {
  static constexpr const char* kName = "FCTRL";
  static constexpr Field<Fctrl, 1, 1, bool> sbp{};    ///< store bad packets
  static constexpr Field<Fctrl, 8, 8, bool> mpe{};    ///< multicast promiscuous
  static constexpr Field<Fctrl, 9, 9, bool> upe{};    ///< unicast promiscuous
  static constexpr Field<Fctrl, 10, 10, bool> bam{};  ///< accept broadcast
  POLLUX_FIELDS(sbp, mpe, upe, bam);
};

/// VLNCTRL - VLAN Control [linux ixgbe]
struct Vlnctrl : Register<Vlnctrl, Access::kReadWrite, Run{.offset = 0x05088}> {
  static constexpr const char* kName = "VLNCTRL";
  static constexpr std::uint32_t kReset = 0x0000'8100;
  static constexpr Field<Vlnctrl, 15, 0> vet{};  ///< the tag's EtherType
  static constexpr Field<Vlnctrl, 28, 28, bool> cfi{};
  static constexpr Field<Vlnctrl, 29, 29, bool> cfien{};
  static constexpr Field<Vlnctrl, 30, 30, bool> vfe{};  ///< VLAN filter
  POLLUX_FIELDS(vet, cfi, cfien, vfe);
};

/// MCSTCTRL - Multicast Control [linux ixgbe]
struct Mcstctrl : Register<Mcstctrl, Access::kReadWrite, Run{.offset = 0x05090}> {
  static constexpr const char* kName = "MCSTCTRL";
  static constexpr Field<Mcstctrl, 1, 0> mo{};         ///< which bits of an address are hashed; 0: 47 to 36
  static constexpr Field<Mcstctrl, 2, 2, bool> mfe{};  ///< multicast filter on
  POLLUX_FIELDS(mo, mfe);
};

/// RXCSUM - Receive Checksum Control [linux ixgbe]
struct Rxcsum : Register<Rxcsum, Access::kReadWrite, Run{.offset = 0x05000}> {
  static constexpr const char* kName = "RXCSUM";
  static constexpr Field<Rxcsum, 12, 12, bool> ippcse{};  ///< checksums of IP fragments
  static constexpr Field<Rxcsum, 13, 13, bool> pcsd{};    ///< deliver the RSS hash, not the fragment checksum
  POLLUX_FIELDS(ippcse, pcsd);
};

/// RFCTL - Receive Filter Control [linux ixgbe]
struct Rfctl : Register<Rfctl, Access::kReadWrite, Run{.offset = 0x05008}> {
  static constexpr const char* kName = "RFCTL";
  static constexpr Field<Rfctl, 5, 5, bool> rsc_dis{};   ///< no coalescing; it is on after reset
  static constexpr Field<Rfctl, 6, 6, bool> nfsw_dis{};  ///< no look into NFS writes
  static constexpr Field<Rfctl, 7, 7, bool> nfsr_dis{};  ///< no look into NFS reads
  static constexpr Field<Rfctl, 10, 10, bool> ipv6_dis{};
  static constexpr Field<Rfctl, 11, 11, bool> ipv6_xsum_dis{};
  static constexpr Field<Rfctl, 14, 14, bool> ipfrsp_dis{};
  POLLUX_FIELDS(rsc_dis, nfsw_dis, nfsr_dis, ipv6_dis, ipv6_xsum_dis, ipfrsp_dis);
};

/// MTA[n] - Multicast Table Array: 4096 hash bits [linux ixgbe]
struct Mta : Register<Mta, Access::kReadWrite, Run{.offset = 0x05200, .count = 128, .stride = 4}> {
  static constexpr const char* kName = "MTA";
  static constexpr Field<Mta, 31, 0> bits{};
  POLLUX_FIELDS(bits);

  /// Which of the 4096 bits stands for an address with these last two bytes. Pre: MCSTCTRL.MO = 0.
  static constexpr std::uint32_t vector(std::uint8_t byte4, std::uint8_t byte5) noexcept {
    return std::uint32_t{byte4} >> 4 | std::uint32_t{byte5} << 4;
  }
  static constexpr std::uint32_t word_of(std::uint32_t vector) noexcept { return vector >> 5; }
  static constexpr std::uint32_t bit_of(std::uint32_t vector) noexcept { return 1u << (vector & 31); }
};

/// RAL[n] - Receive Address Low: MAC bytes 0 to 3 [linux ixgbe]
struct Ral : Register<Ral, Access::kReadWrite, Run{.offset = 0x05400, .count = 16, .stride = 8},
                      Run{.offset = 0x0A280, .count = 112, .stride = 8}> {
  static constexpr const char* kName = "RAL";
  static constexpr Field<Ral, 31, 0> address{};
  POLLUX_FIELDS(address);
};

/// RAH[n] - Receive Address High: MAC bytes 4 and 5 [linux ixgbe]
struct Rah : Register<Rah, Access::kReadWrite, Run{.offset = 0x05404, .count = 16, .stride = 8},
                      Run{.offset = 0x0A284, .count = 112, .stride = 8}> {
  static constexpr const char* kName = "RAH";
  static constexpr Field<Rah, 15, 0> address{};
  static constexpr Field<Rah, 31, 31, bool> av{};  ///< this entry is valid
  POLLUX_FIELDS(address, av);
};

/// PSRTYPE[n] - Packet Split Receive Type, by pool [linux ixgbe]
struct Psrtype : Register<Psrtype, Access::kReadWrite, Run{.offset = 0x05480, .count = 16, .stride = 4}> {
  static constexpr const char* kName = "PSRTYPE";
  static constexpr Field<Psrtype, 12, 0> split{};  ///< after which headers
  static constexpr Field<Psrtype, 31, 29> rqpl{};  ///< queues per pool
  POLLUX_FIELDS(split, rqpl);
};

/// MRQC - Multiple Receive Queues Command [linux ixgbe]
struct Mrqc : Register<Mrqc, Access::kReadWrite, Run{.offset = 0x05818}> {
  static constexpr const char* kName = "MRQC";
  static constexpr Field<Mrqc, 3, 0> mrqe{};              ///< 0: one queue, 1: RSS; others: DCB, virtualization
  static constexpr Field<Mrqc, 16, 16, bool> tcp_ipv4{};  ///< what is hashed
  static constexpr Field<Mrqc, 17, 17, bool> ipv4{};
  static constexpr Field<Mrqc, 18, 18, bool> tcp_ipv6_ex{};
  static constexpr Field<Mrqc, 19, 19, bool> ipv6_ex{};
  static constexpr Field<Mrqc, 20, 20, bool> ipv6{};
  static constexpr Field<Mrqc, 21, 21, bool> tcp_ipv6{};
  static constexpr Field<Mrqc, 22, 22, bool> udp_ipv4{};
  static constexpr Field<Mrqc, 23, 23, bool> udp_ipv6{};
  static constexpr Field<Mrqc, 24, 24, bool> udp_ipv6_ex{};
  POLLUX_FIELDS(mrqe, tcp_ipv4, ipv4, tcp_ipv6_ex, ipv6_ex, ipv6, tcp_ipv6, udp_ipv4, udp_ipv6, udp_ipv6_ex);
};

/// RETA[n] - Redirection Table: queue numbers of hash values 4n to 4n + 3 [linux ixgbe]
struct Reta : Register<Reta, Access::kReadWrite, Run{.offset = 0x05C00, .count = 32, .stride = 4}> {
  static constexpr const char* kName = "RETA";
  static constexpr Field<Reta, 3, 0> entry0{};
  static constexpr Field<Reta, 11, 8> entry1{};
  static constexpr Field<Reta, 19, 16> entry2{};
  static constexpr Field<Reta, 27, 24> entry3{};
  POLLUX_FIELDS(entry0, entry1, entry2, entry3);
};

/// RSSRK[n] - RSS Random Key: bytes 4n to 4n + 3 of 40 [linux ixgbe]
struct Rssrk : Register<Rssrk, Access::kReadWrite, Run{.offset = 0x05C80, .count = 10, .stride = 4}> {
  static constexpr const char* kName = "RSSRK";
  static constexpr Field<Rssrk, 7, 0, std::uint8_t> byte0{};
  static constexpr Field<Rssrk, 15, 8, std::uint8_t> byte1{};
  static constexpr Field<Rssrk, 23, 16, std::uint8_t> byte2{};
  static constexpr Field<Rssrk, 31, 24, std::uint8_t> byte3{};
  POLLUX_FIELDS(byte0, byte1, byte2, byte3);
};

#define POLLUX_IXGBE_TABLE(Type, name, at, n)                                                        \
  struct Type : Register<Type, Access::kReadWrite, Run{.offset = (at), .count = (n), .stride = 4}> { \
    static constexpr const char* kName = name;                                                       \
    static constexpr Field<Type, 31, 0> bits{};                                                      \
    POLLUX_FIELDS(bits);                                                                             \
  }
POLLUX_IXGBE_TABLE(Vfta, "VFTA", 0x0A000, 128);    ///< VLAN Filter Table Array: bit VID of 4096 [linux ixgbe]
POLLUX_IXGBE_TABLE(Mpsar, "MPSAR", 0x0A600, 256);  ///< MAC Pool Select: pools 31:0 at 2n, 63:32 at 2n + 1 for RAR n
POLLUX_IXGBE_TABLE(Vlvf, "VLVF", 0x0F100, 64);     ///< VLAN VM Filter [linux ixgbe]
POLLUX_IXGBE_TABLE(Vlvfb, "VLVFB", 0x0F200, 128);  ///< VLAN VM Filter Bitmap [linux ixgbe]
POLLUX_IXGBE_TABLE(Pfuta, "PFUTA", 0x0F400, 128);  ///< Unicast Table Array: 4096 hash bits [linux ixgbe]
POLLUX_IXGBE_TABLE(Rqsmr, "RQSMR", 0x02300, 32);  ///< Receive Queue Statistic Mapping: 4 queues a register [dpdk ixgbe]
#undef POLLUX_IXGBE_TABLE

/// ETQF[n] - EtherType Queue Filter [linux ixgbe]
struct Etqf : Register<Etqf, Access::kReadWrite, Run{.offset = 0x05128, .count = 8, .stride = 4}> {
  static constexpr const char* kName = "ETQF";
  static constexpr Field<Etqf, 15, 0> ether_type{};
  static constexpr Field<Etqf, 31, 31, bool> enable{};
  POLLUX_FIELDS(ether_type, enable);
};

/// SYNQF - SYN Packet Queue Filter [dpdk ixgbe]
struct Synqf : Register<Synqf, Access::kReadWrite, Run{.offset = 0x0EC30}> {
  static constexpr const char* kName = "SYNQF";
  static constexpr Field<Synqf, 0, 0, bool> enable{};
  static constexpr Field<Synqf, 7, 1> queue{};
  POLLUX_FIELDS(enable, queue);
};

/// FTQF[n] - Five Tuple Queue Filter [dpdk ixgbe]
struct Ftqf : Register<Ftqf, Access::kReadWrite, Run{.offset = 0x0E600, .count = 128, .stride = 4}> {
  static constexpr const char* kName = "FTQF";
  static constexpr Field<Ftqf, 1, 0> protocol{};
  static constexpr Field<Ftqf, 4, 2> priority{};
  static constexpr Field<Ftqf, 31, 31, bool> enable{};
  POLLUX_FIELDS(protocol, priority, enable);
};

// ---- Receive: DMA -------------------------------------------------------------------------------------------------

/// RXCTRL - Receive Control [82599 4.6.7]
struct Rxctrl : Register<Rxctrl, Access::kReadWrite, Run{.offset = 0x03000}> {
  static constexpr const char* kName = "RXCTRL";
  static constexpr Field<Rxctrl, 0, 0, bool> rxen{};  ///< receiver on
  POLLUX_FIELDS(rxen);
};

/// RDRXCTL - Receive DMA Control [82599 4.6.7]
struct Rdrxctl : Register<Rdrxctl, Access::kReadWrite, Run{.offset = 0x02F00}> {
  static constexpr const char* kName = "RDRXCTL";
  static constexpr std::uint32_t kReset = 0x0010'8808;
  static constexpr Field<Rdrxctl, 1, 1, bool> crcstrip{};      ///< strip the FCS; must agree with HLREG0.RXCRCSTRP
  static constexpr Field<Rdrxctl, 3, 3, bool> dmaidone{};      ///< read only: the DMA unit is initialised
  static constexpr Field<Rdrxctl, 21, 17> rscfrstsize{};       ///< to be 0
  static constexpr Field<Rdrxctl, 25, 25, bool> rscackc{};     ///< to be set
  static constexpr Field<Rdrxctl, 26, 26, bool> fcoe_wrfix{};  ///< to be set
  POLLUX_FIELDS(crcstrip, dmaidone, rscfrstsize, rscackc, fcoe_wrfix);
};

/// RSCDBU - RSC Data Buffer Control [linux ixgbe]
struct Rscdbu : Register<Rscdbu, Access::kReadWrite, Run{.offset = 0x03028}> {
  static constexpr const char* kName = "RSCDBU";
  static constexpr Field<Rscdbu, 7, 7, bool> rscackdis{};  ///< no coalescing of pure acknowledgements
  POLLUX_FIELDS(rscackdis);
};

/// RXPBSIZE[n] - Receive Packet Buffer Size [linux ixgbe]
struct Rxpbsize : Register<Rxpbsize, Access::kReadWrite, Run{.offset = 0x03C00, .count = 8, .stride = 4}> {
  static constexpr const char* kName = "RXPBSIZE";
  static constexpr std::uint32_t kReset = 0x0008'0000;
  static constexpr Field<Rxpbsize, 19, 10> size{};  ///< [KiB]
  POLLUX_FIELDS(size);
};

/// SECRXCTRL - Security Receive Control [linux ixgbe]
struct Secrxctrl : Register<Secrxctrl, Access::kReadWrite, Run{.offset = 0x08D00}> {
  static constexpr const char* kName = "SECRXCTRL";
  static constexpr std::uint32_t kReset = 0x0000'0001;
  static constexpr Field<Secrxctrl, 0, 0, bool> secrx_dis{};  ///< no offload
  static constexpr Field<Secrxctrl, 1, 1, bool> rx_dis{};     ///< stops the path between MAC and receive DMA
  POLLUX_FIELDS(secrx_dis, rx_dis);
};

/// SECRXSTAT - Security Receive Status [linux ixgbe]
struct Secrxstat : Register<Secrxstat, Access::kReadOnly, Run{.offset = 0x08D04}> {
  static constexpr const char* kName = "SECRXSTAT";
  static constexpr std::uint32_t kReset = 0x0000'0001;
  static constexpr Field<Secrxstat, 0, 0, bool> rdy{};      ///< the path is empty
  static constexpr Field<Secrxstat, 1, 1, bool> off_dis{};  ///< fused off
  POLLUX_FIELDS(rdy, off_dis);
};

// ---- Receive: queues 0 to 63, then 64 to 127 ----------------------------------------------------------------------

/// RDBAL[n] - Receive Descriptor Base Low, 128-byte aligned [linux ixgbe]
struct Rdbal : Register<Rdbal, Access::kReadWrite, Run{.offset = 0x01000, .count = 64, .stride = 0x40},
                        Run{.offset = 0x0D000, .count = 64, .stride = 0x40}> {
  static constexpr const char* kName = "RDBAL";
  static constexpr Field<Rdbal, 31, 7> base{};  ///< [128 bytes]
  POLLUX_FIELDS(base);
};

/// RDBAH[n] - Receive Descriptor Base High [linux ixgbe]
struct Rdbah : Register<Rdbah, Access::kReadWrite, Run{.offset = 0x01004, .count = 64, .stride = 0x40},
                        Run{.offset = 0x0D004, .count = 64, .stride = 0x40}> {
  static constexpr const char* kName = "RDBAH";
  static constexpr Field<Rdbah, 31, 0> base{};
  POLLUX_FIELDS(base);
};

/// RDLEN[n] - Receive Descriptor Length, a multiple of 128 bytes [linux ixgbe]
struct Rdlen : Register<Rdlen, Access::kReadWrite, Run{.offset = 0x01008, .count = 64, .stride = 0x40},
                        Run{.offset = 0x0D008, .count = 64, .stride = 0x40}> {
  static constexpr const char* kName = "RDLEN";
  static constexpr Field<Rdlen, 19, 7> len{};  ///< [128 bytes]
  POLLUX_FIELDS(len);
};

/// DCA_RXCTRL[n] - Receive DCA Control [tinynf]
struct DcaRxctrl : Register<DcaRxctrl, Access::kReadWrite, Run{.offset = 0x0100C, .count = 64, .stride = 0x40},
                            Run{.offset = 0x0D00C, .count = 64, .stride = 0x40}> {
  static constexpr const char* kName = "DCA_RXCTRL";
  static constexpr std::uint32_t kReset = 0x0000'A200;
  static constexpr Field<DcaRxctrl, 5, 5, bool> desc_dca{};  ///< write into a CPU's cache: descriptors
  static constexpr Field<DcaRxctrl, 6, 6, bool> header_dca{};
  static constexpr Field<DcaRxctrl, 7, 7, bool> data_dca{};
  static constexpr Field<DcaRxctrl, 9, 9, bool> desc_ro{};  ///< relaxed ordering: descriptor reads
  static constexpr Field<DcaRxctrl, 12, 12, bool> must_be_0{};
  static constexpr Field<DcaRxctrl, 13, 13, bool> data_ro{};  ///< relaxed ordering: data writes
  static constexpr Field<DcaRxctrl, 15, 15, bool> header_ro{};
  static constexpr Field<DcaRxctrl, 31, 24> cpu{};
  POLLUX_FIELDS(desc_dca, header_dca, data_dca, desc_ro, must_be_0, data_ro, header_ro, cpu);
};

/// RDH[n] - Receive Descriptor Head: the device's next descriptor [linux ixgbe]
struct Rdh : Register<Rdh, Access::kReadWrite, Run{.offset = 0x01010, .count = 64, .stride = 0x40},
                      Run{.offset = 0x0D010, .count = 64, .stride = 0x40}> {
  static constexpr const char* kName = "RDH";
  static constexpr Field<Rdh, 15, 0> head{};
  POLLUX_FIELDS(head);
};

/// SRRCTL[n] - Split Receive Control [82599 4.6.7]
struct Srrctl : Register<Srrctl, Access::kReadWrite, Run{.offset = 0x01014, .count = 64, .stride = 0x40},
                         Run{.offset = 0x0D014, .count = 64, .stride = 0x40}> {
  static constexpr const char* kName = "SRRCTL";
  static constexpr std::uint32_t kReset = 0x0000'0402;
  static constexpr Field<Srrctl, 4, 0> bsizepkt{};         ///< buffer size, 1 to 16 [KiB]
  static constexpr Field<Srrctl, 13, 8> bsizehdr{};        ///< header buffer [64 bytes]
  static constexpr Field<Srrctl, 24, 22> rdmts{};          ///< low-descriptor interrupt threshold
  static constexpr Field<Srrctl, 27, 25> desctype{};       ///< 1: advanced, one buffer
  static constexpr Field<Srrctl, 28, 28, bool> drop_en{};  ///< drop when no descriptor is free, else hold all queues
  POLLUX_FIELDS(bsizepkt, bsizehdr, rdmts, desctype, drop_en);
};

/// RDT[n] - Receive Descriptor Tail: one past the last descriptor given to the device [linux ixgbe]
struct Rdt : Register<Rdt, Access::kReadWrite, Run{.offset = 0x01018, .count = 64, .stride = 0x40},
                      Run{.offset = 0x0D018, .count = 64, .stride = 0x40}> {
  static constexpr const char* kName = "RDT";
  static constexpr Field<Rdt, 15, 0> tail{};
  POLLUX_FIELDS(tail);
};

/// RXDCTL[n] - Receive Descriptor Control [82599 4.6.7]
struct Rxdctl : Register<Rxdctl, Access::kReadWriteSelfClear, Run{.offset = 0x01028, .count = 64, .stride = 0x40},
                         Run{.offset = 0x0D028, .count = 64, .stride = 0x40}> {
  static constexpr const char* kName = "RXDCTL";
  static constexpr Field<Rxdctl, 13, 0> rlpml{};            ///< X540: longest frame [bytes]
  static constexpr Field<Rxdctl, 15, 15, bool> rlpml_en{};  ///< X540
  static constexpr Field<Rxdctl, 25, 25, bool> enable{};  ///< reads back 1 when the queue works, 0 when it has stopped
  static constexpr Field<Rxdctl, 26, 26, bool> swflsh{};  ///< flush; clears itself
  static constexpr Field<Rxdctl, 30, 30, bool> vme{};     ///< strip VLAN tags
  POLLUX_FIELDS(rlpml, rlpml_en, enable, swflsh, vme);
};

/// RSCCTL[n] - Receive Side Coalescing Control [linux ixgbe]
struct Rscctl : Register<Rscctl, Access::kReadWrite, Run{.offset = 0x0102C, .count = 64, .stride = 0x40},
                         Run{.offset = 0x0D02C, .count = 64, .stride = 0x40}> {
  static constexpr const char* kName = "RSCCTL";
  static constexpr Field<Rscctl, 0, 0, bool> rscen{};
  static constexpr Field<Rscctl, 3, 2> maxdesc{};
  POLLUX_FIELDS(rscen, maxdesc);
};

// ---- Flow control -------------------------------------------------------------------------------------------------

/// MFLCN - MAC Flow Control [linux ixgbe]
struct Mflcn : Register<Mflcn, Access::kReadWrite, Run{.offset = 0x04294}> {
  static constexpr const char* kName = "MFLCN";
  static constexpr Field<Mflcn, 0, 0, bool> pmcf{};   ///< pass MAC control frames
  static constexpr Field<Mflcn, 1, 1, bool> dpf{};    ///< discard PAUSE frames
  static constexpr Field<Mflcn, 2, 2, bool> rpfce{};  ///< obey priority PAUSE
  static constexpr Field<Mflcn, 3, 3, bool> rfce{};   ///< obey PAUSE
  POLLUX_FIELDS(pmcf, dpf, rpfce, rfce);
};

/// FCCFG - Flow Control Configuration [linux ixgbe]
struct Fccfg : Register<Fccfg, Access::kReadWrite, Run{.offset = 0x03D00}> {
  static constexpr const char* kName = "FCCFG";
  static constexpr Field<Fccfg, 4, 3> tfce{};  ///< 0: send no PAUSE, 1: PAUSE, 2: priority PAUSE
  POLLUX_FIELDS(tfce);
};

/// FCRTL[n] - Flow Control Receive Threshold Low, by packet buffer [linux ixgbe]
struct Fcrtl : Register<Fcrtl, Access::kReadWrite, Run{.offset = 0x03220, .count = 8, .stride = 4}> {
  static constexpr const char* kName = "FCRTL";
  static constexpr Field<Fcrtl, 18, 5> rtl{};          ///< XON below this fill [32 bytes]
  static constexpr Field<Fcrtl, 31, 31, bool> xone{};  ///< send XON at all
  POLLUX_FIELDS(rtl, xone);
};

/// FCRTH[n] - Flow Control Receive Threshold High, by packet buffer [linux ixgbe]
struct Fcrth : Register<Fcrth, Access::kReadWrite, Run{.offset = 0x03260, .count = 8, .stride = 4}> {
  static constexpr const char* kName = "FCRTH";
  static constexpr Field<Fcrth, 18, 5> rth{};          ///< XOFF above this fill [32 bytes]
  static constexpr Field<Fcrth, 31, 31, bool> fcen{};  ///< send XOFF at all
  POLLUX_FIELDS(rth, fcen);
};

}  // namespace pollux::ixgbe

// SPDX-License-Identifier: BSD-3-Clause
// The 82599 model's receive filters: what is let in, which queue gets it, what its descriptor will say.
#pragma once
#include <algorithm>

#include <pollux/ixgbe/model_device.hpp>

namespace pollux::ixgbe {

inline bool Model82599::write_receive(Offset offset, Word old, Word value) noexcept {
  using namespace model;
  const auto within = [offset](Offset first, Offset bytes) { return offset >= first && offset < first + bytes; };
  if (within(kRal, 1024)) return list_addresses(), true;
  if (within(kFtqf, 512)) return list_tuples(), true;
  if (within(kRssrk, 40)) return rss_stale_ = true;
  switch (offset) {
    case kRxCtrl:
      if ((value & ~old & 1) != 0) check_receive_unit();
      return true;
    case kSecRxCtrl:  // the offload is fused off: SECRX_DIS stays 1
      registers().set(kSecRxCtrl, kSecDis);
      if ((value & kSecPathDis) == 0) receive_all();
      return true;
    case kMrqc:
    case kRxPbSize:
      check_halted(offset, old, value);
      return true;
    case kFdirCtrl:
      check_halted(offset, old, value);
      registers().set(kFdirCtrl, bit(3));  // INIT_DONE
      return true;
    case kFdirCmd:
      registers().clear(kFdirCmd, 3);  // done
      return true;
    default:
      return false;
  }
}

/// What must agree when the receive unit is turned on.
inline void Model82599::check_receive_unit() noexcept {
  using namespace model;
  using sim::FaultKind;
  auto& regs = registers();
  if (!is(kSecRxCtrl, kSecPathDis) && !wire().front().empty()) {
    complain(FaultKind::kSequence, kRxCtrl, "RXEN is set under traffic only with SECRXCTRL.RX_DIS", 1);
  }
  if (as_reset()) return;
  if (is(kHlreg0, kHlregCrcStrip) != is(kRdRxCtl, kRdrxCrcStrip)) {
    complain(FaultKind::kSequence, kRdRxCtl, "CRCSTRIP agrees with HLREG0.RXCRCSTRP", regs.peek(kRdRxCtl));
  }
  for (const std::uint32_t q : rx_on_) check_rsc(q);
}
/// Nobody has written RDRXCTL, and that is allowed.
inline bool Model82599::as_reset() noexcept {
  return quirks_.has(Quirk::kReceiveAsReset) && registers().peek(model::kRdRxCtl) == model::kRdrxReset;
}
inline void Model82599::check_rsc(std::uint32_t q) noexcept {
  using namespace model;
  using sim::FaultKind;
  if (quirks_.has(Quirk::kRscDefaults) || as_reset()) return;
  auto& regs = registers();
  const Word rdrx = regs.peek(kRdRxCtl);
  if (bits_of(rdrx, 21, 17) != 0 || (rdrx & kRdrxRscAckC) == 0 || (rdrx & kRdrxFcoeWrFix) == 0) {
    complain(FaultKind::kSequence, kRdRxCtl, "RSCFRSTSIZE is 0, RSCACKC and FCOE_WRFIX are 1, with or without RSC",
             rdrx);
  }
  constexpr Word kMost[] = {1, 4, 8, 16};
  const Word descriptors = kMost[bits_of(regs.peek(rx_base(q) + queue::kRscctl), 3, 2)];
  if (!is(kRfctl, kRfctlRscDis) && rx_[q].buffer_bytes * descriptors < 65'536) {
    complain(FaultKind::kSequence, kRfctl, "RSC_DIS is set when a queue's buffers do not hold 64 KB",
             rx_[q].buffer_bytes);
  }
}
inline void Model82599::check_halted(Offset offset, Word old, Word value) noexcept {
  using namespace model;
  if (value == old || !is(kRxCtrl, 1) || is(kSecRxCtrl, kSecPathDis) || quirks_.has(Quirk::kFilterWhileRunning)) return;
  complain(sim::FaultKind::kSequence, offset, "changes only with RXEN 0 or SECRXCTRL.RX_DIS 1", value);
}

// ---- Tables taken apart when they are written ---------------------------------------------------------------------

inline void Model82599::list_addresses() noexcept {
  using namespace model;
  address_count_ = 0;
  for (Offset i = 0; i < 128; ++i) {
    const Word high = registers().peek(kRah + 8 * i);
    if ((high & kHigh) == 0) continue;
    addresses_[address_count_++] = std::uint64_t{high & 0xFFFF} << 32 | registers().peek(kRal + 8 * i);
  }
}
inline void Model82599::list_tuples() noexcept {
  using namespace model;
  tuple_count_ = 0;
  for (Offset i = 0; i < 128; ++i) {
    if (is(kFtqf + 4 * i, kHigh)) tuples_[tuple_count_++] = static_cast<std::uint8_t>(i);
  }
}
inline void Model82599::build_rss() noexcept {
  std::array<std::uint8_t, sim::RssTable::kKeyBytes> key{};
  for (Offset i = 0; i < key.size(); ++i) {
    key[i] = static_cast<std::uint8_t>(registers().peek(model::kRssrk + i / 4 * 4) >> (8 * (i % 4)));
  }
  rss_.set_key(key);
  rss_stale_ = false;
}

// ---- Let in or not ------------------------------------------------------------------------------------------------

inline Model82599::Admission Model82599::admit(Frame frame) noexcept {
  using namespace model;
  if (frame.size() < 12) return {};  // not even counted
  const std::size_t bytes = frame.size() + 4;
  count(kTpr);
  count_pair(kTor, bytes);
  Admission a;
  a.errors = size_errors(frame);
  if (a.errors != 0 && !is(kFctrl, kFctrlSbp)) return a;
  if (!passes_address(frame, a.inexact) || !passes_vlan(frame)) return a;
  a.taken = true;
  if (a.errors != 0) return a;
  count(kGprc);
  count_size(kPrc64, bytes);
  count_pair(kGorc, is(kHlreg0, kHlregCrcStrip) ? frame.size() : bytes);
  if ((std::to_integer<unsigned>(frame[0]) & 1) != 0) {
    const bool broadcast =
        std::all_of(frame.begin(), frame.begin() + 6, [](std::byte b) { return b == std::byte{0xFF}; });
    count(broadcast ? kBprc : kMprc);
  }
  return a;
}

/// Too short, too long, or an 802.3 length that is not there; counted.
inline Model82599::Word Model82599::size_errors(Frame frame) noexcept {
  using namespace model;
  const std::size_t bytes = frame.size() + 4;
  if (bytes < 64) return count(kRuc), kRxRxe;
  const bool tagged = sim::get16(frame, 12) == (registers().peek(kVlnCtrl) & 0xFFFF);
  const std::size_t limit = is(kHlreg0, kHlregJumbo) ? registers().peek(kMaxFrs) >> 16 : 1518;
  if (bytes > limit + (tagged ? 4 : 0)) return count(kRoc), kRxRxe | kRxOse;
  const std::size_t length = sim::get16(frame, 12);
  if (is(kHlreg0, kHlregLengthErr) && length < 0x600 && length + 14 > frame.size()) return count(kRlec), kRxRxe | kRxLe;
  return 0;
}

inline bool Model82599::passes_address(Frame frame, bool& inexact) noexcept {
  using namespace model;
  const Word fctrl = registers().peek(kFctrl);
  std::uint64_t address = 0;
  for (unsigned i = 0; i < 6; ++i) address |= std::to_integer<std::uint64_t>(frame[i]) << (8 * i);
  if (address == 0xFFFF'FFFF'FFFF) return (fctrl & (kFctrlBam | kFctrlMpe)) != 0;
  for (std::uint32_t i = 0; i < address_count_; ++i) {
    if (addresses_[i] == address) return true;
  }
  inexact = true;
  if ((address & 1) != 0) return (fctrl & kFctrlMpe) != 0 || (is(kMcstCtrl, bit(2)) && hash_bit(kMta, frame));
  return (fctrl & kFctrlUpe) != 0 || hash_bit(kPfUta, frame);
}
/// Twelve bits of the destination address select a bit of a 4096-bit table.
inline bool Model82599::hash_bit(Offset table, Frame frame) noexcept {
  constexpr unsigned kShift[] = {4, 3, 2, 0};
  const Word top = std::to_integer<Word>(frame[4]) | std::to_integer<Word>(frame[5]) << 8;
  const Word at = top >> kShift[registers().peek(model::kMcstCtrl) & 3] & 0xFFF;
  return is(table + 4 * (at / 32), model::bit(at % 32));
}
inline bool Model82599::passes_vlan(Frame frame) noexcept {
  using namespace model;
  const Word ctrl = registers().peek(kVlnCtrl);
  if (frame.size() < 18 || sim::get16(frame, 12) != (ctrl & 0xFFFF)) return true;
  const Word tci = sim::get16(frame, 14), vid = tci & 0xFFF;
  if ((ctrl & bit(29)) != 0 && (tci >> 12 & 1) != (ctrl >> 28 & 1)) return false;  // CFIEN, CFI
  return (ctrl & bit(30)) == 0 || is(kVfta + 4 * (vid / 32), bit(vid % 32));
}

// ---- Which queue, and what is said --------------------------------------------------------------------------------

inline model::Route Model82599::route(Frame frame, const Admission& a) noexcept {
  using namespace model;
  const sim::ParsedFrame p = sim::parse_frame(frame);
  Route r;
  r.report.errors = a.errors;
  r.report.status = a.inexact ? kRxPif : 0;
  r.report.packet_type = packet_type(p);
  if (frame.size() >= 18 && sim::get16(frame, 12) == (registers().peek(kVlnCtrl) & 0xFFFF)) {
    r.report.status |= kRxVp;
    r.report.vlan = sim::get16(frame, 14);
  }
  verify(frame, p, r);
  hash(frame, p, r);
  Route filtered = r;
  if (route_by_type(p, filtered) || route_by_filter(frame, p, filtered)) return filtered;
  return r;
}

/// ETQF: by EtherType, before everything else; the descriptor then tells the filter instead of the layers.
inline bool Model82599::route_by_type(const sim::ParsedFrame& p, model::Route& r) noexcept {
  using namespace model;
  for (Offset i = 0; i < 8; ++i) {
    const Word etqf = registers().peek(kEtqf + 4 * i), etqs = registers().peek(kEtqs + 4 * i);
    if ((etqf & kHigh) == 0 || (etqf & 0xFFFF) != p.ether_type) continue;
    r.report.packet_type = packet_type_of_filter(i);
    if ((etqs & kHigh) == 0) continue;
    r.queue = bits_of(etqs, 22, 16);
    return true;
  }
  return false;
}

/// The SYN filter and the 128 five-tuple filters; SYNQF.31 says which goes first, then the highest priority.
inline bool Model82599::route_by_filter(Frame frame, const sim::ParsedFrame& p, model::Route& r) noexcept {
  using namespace model;
  const Word synqf = registers().peek(kSynqf);
  if (tuple_count_ == 0 && (synqf & 1) == 0) return false;
  constexpr unsigned kSyn = 0x02, kAck = 0x10;
  const bool syn = (synqf & 1) != 0 && p.l4 != 0 && p.protocol == sim::kIpTcp &&
                   (std::to_integer<unsigned>(frame[p.l4 + 13]) & (kSyn | kAck)) == kSyn;
  if (syn && (synqf & kHigh) != 0) return r.queue = bits_of(synqf, 7, 1), true;
  int best = -1;
  for (std::uint32_t k = 0; k < tuple_count_; ++k) {
    const std::uint32_t i = tuples_[k];
    const auto priority = static_cast<int>(bits_of(registers().peek(kFtqf + 4 * i), 4, 2));
    if (priority <= best || !matches_tuple(frame, p, i)) continue;
    best = priority;
    r.queue = bits_of(registers().peek(kL34Timir + 4 * i), 27, 21);
  }
  if (best < 0 && syn) return r.queue = bits_of(synqf, 7, 1), true;
  return best >= 0;
}
inline bool Model82599::matches_tuple(Frame frame, const sim::ParsedFrame& p, std::uint32_t i) noexcept {
  using namespace model;
  if (!p.ipv4 || p.fragment) return false;
  auto& regs = registers();
  const Word ftqf = regs.peek(kFtqf + 4 * i), ports = regs.peek(kSdpqf + 4 * i);
  const auto compare = [ftqf](unsigned mask_bit) { return (ftqf & bit(mask_bit)) == 0; };
  // The registers hold network byte order as it lies in the frame.
  const auto raw32 = [frame](std::size_t at) { return Word{load_header<Le32>(&frame[at])}; };
  const auto raw16 = [frame](std::size_t at) { return Word{load_header<Le16>(&frame[at])}; };
  if (compare(25) && raw32(p.l3 + 12) != regs.peek(kSaqf + 4 * i)) return false;
  if (compare(26) && raw32(p.l3 + 16) != regs.peek(kDaqf + 4 * i)) return false;
  const bool has_ports = p.l4 != 0;
  if (compare(27) && (!has_ports || raw16(p.l4) != (ports & 0xFFFF))) return false;
  if (compare(28) && (!has_ports || raw16(p.l4 + 2) != ports >> 16)) return false;
  constexpr std::uint8_t kProtocols[] = {sim::kIpTcp, sim::kIpUdp, sim::kIpSctp};
  const Word protocol = ftqf & 3;
  return !compare(29) || (protocol < 3 && p.protocol == kProtocols[protocol]);
}

/// RSS: the hash into the descriptor, RETA's entry as the queue.
inline void Model82599::hash(Frame frame, const sim::ParsedFrame& p, model::Route& r) noexcept {
  using namespace model;
  const Word mrqc = registers().peek(kMrqc);
  if ((mrqc & 0xF) != 1) return;
  const RssKind kind = rss_kind(mrqc, p);
  if (kind.type == 0) return;
  if (rss_stale_) build_rss();
  const Frame addresses = p.ipv4 ? frame.subspan(p.l3 + 12, 8) : frame.subspan(p.l3 + 8, 32);
  const Word h = rss_.hash(addresses, kind.ports ? frame.subspan(p.l4, 4) : Frame{});
  r.queue = registers().peek(kReta + (h & 0x7F) / 4 * 4) >> (8 * (h & 3)) & 0xF;
  r.report.rss_type = kind.type;
  if (is(kRxCsum, kRxCsumPcsd)) r.report.hash = h;
}

/// Checksum verdicts, and without PCSD the IP identification.
inline void Model82599::verify(Frame frame, const sim::ParsedFrame& p, model::Route& r) noexcept {
  using namespace model;
  if (p.ipv4 && !is(kRxCsum, kRxCsumPcsd)) r.report.hash = sim::get16(frame, p.l3 + 4);
  if (p.l3 == 0 || r.report.errors != 0) return;
  const sim::ChecksumVerdict v = sim::verify_checksums(frame, p);
  if (v.ip_checked) r.report.status |= kRxIpCs;
  if (v.ip_checked && !v.ip_good) r.report.errors |= kRxIpe;
  if (!v.l4_checked || (p.ipv6 && is(kRfctl, kRfctlIpv6XsumDis))) return;
  r.report.status |= kRxL4Cs | (p.protocol == sim::kIpUdp ? kRxUdpCs : 0);
  if (v.l4_good) return;
  r.report.errors |= kRxTcpe;
  count(kXec);
}

}  // namespace pollux::ixgbe

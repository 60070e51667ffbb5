// SPDX-License-Identifier: BSD-3-Clause
// The 82599 model's transmit engine: descriptors to frames, with checksums, segments and tags.
#pragma once
#include <algorithm>

#include <pollux/ixgbe/model_device.hpp>

namespace pollux::ixgbe {

inline bool Model82599::write_transmit(Offset offset, Word old, Word value) noexcept {
  using namespace model;
  switch (offset) {
    case kMtqc:
      if (!is(kRttdcs, kRttdcsArbDis)) {
        complain(sim::FaultKind::kSequence, kMtqc, "is written only while RTTDCS.ARBDIS is set", value);
      }
      return true;
    case kSecTxCtrl:  // the offload is fused off: SECTX_DIS stays 1
      registers().set(kSecTxCtrl, kSecDis);
      return true;
    case kDmaTxCtl:
      if ((value & ~old & kDmaTxTe) != 0) transmit_all();
      return true;
    default:
      return false;
  }
}

// ---- Rings --------------------------------------------------------------------------------------------------------

/// Works through every enabled queue until its tail, or until the wire takes no more.
inline bool Model82599::transmit_all() noexcept {
  using namespace model;
  for (const std::uint32_t q : tx_on_) see_tail(tx_[q], tx_base(q));
  if (!is(kDmaTxCtl, kDmaTxTe) || !dma_allowed()) return false;
  if (!link_up_ && !is(kHlreg0, kHlregLpbk)) return false;
  if (paused_until_ > Nanos{} && now() < paused_until_) return false;
  bool moved = false;
  if (!flush_outgoing()) return moved;
  for (const std::uint32_t q : tx_on_) moved = transmit(q) || moved;
  return moved;
}

inline bool Model82599::transmit(std::uint32_t q) noexcept {
  using namespace model;
  TxRingState& ring = tx_[q];
  if (!ring.runs() || ring.head == ring.tail) return false;
  bool reported = false, moved = false;
  while (ring.head != ring.tail && outgoing_.front().empty()) {
    const std::uint64_t at = ring.at(ring.head);
    const std::uint32_t ahead = std::min({ring.available(), ring.count - ring.head, kDescriptorsAhead});
    if (awaits(at, kDescriptorBytes, ahead * std::size_t{kDescriptorBytes})) break;
    const std::byte* memory = fetch(at, kDescriptorBytes, "TX descriptor");
    if (memory == nullptr) {
      ring.dead = true;
      break;
    }
    const RawDescriptor d = RawDescriptor::load(memory);
    const std::size_t bytes = buffer_bytes(d);
    if (bytes != 0 && awaits(d.qw0, bytes)) break;
    run_descriptor(q, d);
    release_fetched(at, kDescriptorBytes);
    if (bytes != 0) release_fetched(d.qw0, bytes);
    ring.head = ring.next(ring.head);
    moved = true;
    if ((d.dw2() & kDcmdRs) != 0) reported = report_done(q, at, d) || reported;
  }
  registers().poke(tx_base(q) + queue::kHead, ring.head);
  if (reported) raise_queue(q, true);
  return moved;
}
/// What the descriptor gives to be sent [bytes].
inline std::size_t Model82599::buffer_bytes(const model::RawDescriptor& d) noexcept {
  using namespace model;
  const bool context = (d.dw2() & kDcmdDext) != 0 && bits_of(d.dw2(), 23, 20) == kTypeContext;
  return context ? 0 : d.dw2() & 0xFFFF;
}

/// The completion of a descriptor with RS: DD in it, or the new head where TDWBAL says.
inline bool Model82599::report_done(std::uint32_t q, std::uint64_t at, const model::RawDescriptor& d) noexcept {
  using namespace model;
  const TxRingState& ring = tx_[q];
  if (ring.write_back == 0) {
    const bool advanced = (d.dw2() & kDcmdDext) != 0;
    if (advanced) (void)publish32(at + 8, 0, "TX descriptor");  // as wide as drivers read it
    return publish32(at + 12, advanced ? kStaDd : d.dw3() | kStaDd, "TX descriptor");
  }
  return publish32(ring.write_back, ring.head, "TX head write-back");
}

/// A packet that cannot be sent as its descriptors ask. They complete all the same, as on hardware.
inline void Model82599::lose(std::uint32_t q, std::string rule, std::uint64_t value, const char* section) noexcept {
  tx_[q].packet.lost = true;
  complain_descriptor("TX", q, tx_[q].head, std::move(rule), value, section);
}

// ---- Descriptors --------------------------------------------------------------------------------------------------

inline void Model82599::run_descriptor(std::uint32_t q, const model::RawDescriptor& d) noexcept {
  using namespace model;
  TxRingState& ring = tx_[q];
  const Word command = d.dw2();
  if (ring.wthresh > 0 && !ring.told_wthresh && (command & (kDcmdEop | kDcmdRs)) == kDcmdEop) {
    ring.told_wthresh = true;
    complain_descriptor("TX", q, ring.head, "with WTHRESH > 0 every packet has RS", command, "3.7");
  }
  if ((command & kDcmdDext) == 0) return run_legacy(q, d);
  switch (bits_of(command, 23, 20)) {
    case kTypeContext:
      return run_context(q, d);
    case kTypeData:
      return run_data(q, d);
    default:
      return complain_descriptor("TX", q, ring.head, "DTYP is 2 (context) or 3 (data)", command, "3.4");
  }
}

inline void Model82599::run_context(std::uint32_t q, const model::RawDescriptor& d) noexcept {
  using namespace model;
  const Word index = bits_of(d.dw3(), 6, 4);
  if (index > 1) return complain_descriptor("TX", q, tx_[q].head, "a queue has contexts 0 and 1", index, "3.5");
  if (tx_[q].packet.open) {
    complain_descriptor("TX", q, tx_[q].head, "a context does not lie within a packet", d.qw1, "3.5");
  }
  tx_[q].contexts[index] = TxContext::of(d);
}

/// Adds a buffer; the first of a packet says what is to be done with it, the last sends it.
inline void Model82599::run_data(std::uint32_t q, const model::RawDescriptor& d) noexcept {
  using namespace model;
  TxRingState& ring = tx_[q];
  const Word dw2 = d.dw2(), dw3 = d.dw3(), length = dw2 & 0xFFFF;
  if (!ring.packet.open) {
    ring.bytes.clear();
    ring.packet = {.open = true,
                   .lost = false,
                   .vle = (dw2 & kDcmdVle) != 0,
                   .tse = (dw2 & kDcmdTse) != 0,
                   .ifcs = (dw2 & kDcmdIfcs) != 0,
                   .popts = dw3 & (kPoptsIxsm | kPoptsTxsm | kPoptsIpsec),
                   .payload = bits_of(dw3, 31, 14),
                   .context = bits_of(dw3, 6, 4)};
  }
  if ((dw3 & kStaDd) != 0) complain_descriptor("TX", q, ring.head, "DD is 0 when it is posted", dw3, "3.4");
  if (ring.packet.context > 1) {
    lose(q, "a queue has contexts 0 and 1", ring.packet.context, "3.5");
    ring.packet.context = 0;
  }
  const bool last = (dw2 & kDcmdEop) != 0;
  if (length == 0) {
    lose(q, "DTALEN is 1 to 65535", length, "3.4");
  } else if (last && send_in_place(q, d)) {
    return;
  } else {
    gather(q, d.qw0, length);
  }
  if (last) finish_packet(q);
}

/// The plain case: one buffer, nothing to add; sent from where it lies.
inline bool Model82599::send_in_place(std::uint32_t q, const model::RawDescriptor& d) noexcept {
  using namespace model;
  TxPacket& p = tx_[q].packet;
  const std::size_t length = d.dw2() & 0xFFFF;
  const bool plain = tx_[q].bytes.empty() && !p.lost && !p.tse && !p.vle && p.popts == 0 && p.ifcs;
  if (!plain || length < 60 || length > kMaxTxFrame) return false;
  p.open = false;
  check_payload(q, length);
  if (const std::byte* from = fetch(d.qw0, length, "TX buffer"); from != nullptr) send(q, {from, length});
  return true;
}

inline void Model82599::run_legacy(std::uint32_t q, const model::RawDescriptor& d) noexcept {
  using namespace model;
  TxRingState& ring = tx_[q];
  const Word dw2 = d.dw2(), length = dw2 & 0xFFFF;
  if (!ring.packet.open) {
    ring.bytes.clear();
    ring.packet = {.open = true, .ifcs = (dw2 & kDcmdIfcs) != 0};
  }
  if (length == 0) {
    lose(q, "a buffer has 1 to 65535 bytes", length, "3.6");
  } else {
    gather(q, d.qw0, length);
  }
  if ((dw2 & kDcmdEop) == 0) return;
  ring.packet.open = false;
  if (!ring.packet.ifcs && !check_fcs(q)) return;
  if (ring.bytes.size() > kMaxTxFrame) lose(q, "a frame has at most 15.5 KB", ring.bytes.size(), "3.6");
  const Word start = bits_of(d.dw3(), 15, 8), at = bits_of(dw2, 23, 16);
  if ((dw2 & kDcmdIc) != 0 && !ring.packet.lost &&
      (start >= ring.bytes.size() || !sim::insert_checksum(ring.bytes, start, ring.bytes.size(), at, false))) {
    lose(q, "CSS and CSO lie in the frame", d.qw1, "3.6");
  }
  if (ring.packet.lost) return;
  const auto vlan = static_cast<std::uint16_t>(d.qw1 >> 48);
  send_finished(q, ring.bytes, (dw2 & kDcmdVle) != 0 ? &vlan : nullptr);
}

inline void Model82599::gather(std::uint32_t q, std::uint64_t address, std::size_t length) noexcept {
  using namespace model;
  TxRingState& ring = tx_[q];
  if (ring.packet.lost) return;
  if (ring.bytes.size() + length > kMaxTso) return lose(q, "a packet has at most 256 KB", ring.bytes.size(), "6");
  const std::byte* from = fetch(address, length, "TX buffer");
  if (from == nullptr) {
    ring.packet.lost = true;
    return;
  }
  ring.bytes.insert(ring.bytes.end(), from, from + length);
}

// ---- Packets ------------------------------------------------------------------------------------------------------

/// All buffers are there: checks, offloads, out.
inline void Model82599::finish_packet(std::uint32_t q) noexcept {
  using namespace model;
  TxRingState& ring = tx_[q];
  TxPacket& p = ring.packet;
  const TxContext& context = ring.contexts[p.context];
  p.open = false;
  if (p.lost) return;
  if (p.popts & kPoptsIpsec) return lose(q, "IPsec is fused off (SECTXSTAT)", p.popts, "2.8");
  if ((p.tse || p.vle || p.popts != 0) && !context.valid) {
    return lose(q, "a context is given before it is used", p.context, "3.5");
  }
  if (!p.ifcs && !check_fcs(q)) return;
  if (p.tse) return send_segments(q, context);
  check_payload(q, ring.bytes.size() + (p.ifcs ? 0 : 4));
  if (ring.bytes.size() > kMaxTxFrame) return lose(q, "a frame has at most 15.5 KB", ring.bytes.size(), "3.6");
  if (!insert_checksums(q, context)) return;
  send_finished(q, ring.bytes, p.vle ? &context.vlan : nullptr);
}

/// PAYLEN of a plain packet is its length without FCS, and at least 17. A fault only: the frame goes as it is.
inline void Model82599::check_payload(std::uint32_t q, std::size_t bytes) noexcept {
  const std::uint32_t said = tx_[q].packet.payload;
  if (said != bytes) {
    complain_descriptor("TX", q, tx_[q].head, text::cat("PAYLEN is the frame's length, ", bytes), said, "3.4");
  } else if (bytes < 17 && !quirks_.has(Quirk::kPaylenShort)) {
    complain_descriptor("TX", q, tx_[q].head, "PAYLEN is at least 17", said, "3.4");
  }
}

/// IXSM and TXSM: sums over what the context says, which need not be what the packet is.
inline bool Model82599::insert_checksums(std::uint32_t q, const model::TxContext& c) noexcept {
  using namespace model;
  std::vector<std::byte>& frame = tx_[q].bytes;
  const std::size_t l3 = c.mac_len, l4 = l3 + c.ip_len, end = frame.size();
  if ((tx_[q].packet.popts & kPoptsIxsm) != 0 &&
      (c.ip_len < 12 || !sim::insert_checksum(frame, l3, l4, l3 + 10, false))) {
    return lose(q, "IXSM: MACLEN and IPLEN lie in the frame", c.ip_len, "3.5"), false;
  }
  if ((tx_[q].packet.popts & kPoptsTxsm) == 0) return true;
  bool done = false;
  if (l4 < end && c.l4_type == kL4Tcp && l4 + 18 <= end) done = sim::insert_checksum(frame, l4, end, l4 + 16, false);
  if (l4 < end && c.l4_type == kL4Udp && l4 + 8 <= end) done = sim::insert_checksum(frame, l4, end, l4 + 6, true);
  if (l4 < end && c.l4_type == kL4Sctp) done = sim::insert_sctp_crc(frame, l4, end, l4 + 8);
  if (!done) lose(q, "TXSM: the L4 header of L4T lies in the frame", l4, "3.5");
  return done;
}

/// Without IFCS the last four bytes are the FCS; a wrong one would be dropped at the other end.
inline bool Model82599::check_fcs(std::uint32_t q) noexcept {
  using namespace model;
  std::vector<std::byte>& frame = tx_[q].bytes;
  if (frame.size() < 18) return lose(q, "a frame without IFCS ends with its FCS", frame.size(), "3.4"), false;
  const std::size_t body = frame.size() - 4;
  if (std::uint32_t{load_header<Le32>(&frame[body])} != sim::ethernet_fcs(Frame(frame).first(body))) {
    return lose(q, "without IFCS the last four bytes are the FCS", frame.size(), "3.4"), false;
  }
  frame.resize(body);
  return true;
}

/// TSE: TCP, or UDP with L4T = 0, cut at MSS.
inline void Model82599::send_segments(std::uint32_t q, const model::TxContext& c) noexcept {
  using namespace model;
  TxRingState& ring = tx_[q];
  const TxPacket& p = ring.packet;
  const std::size_t l4 = c.mac_len + c.ip_len, header = l4 + c.l4_len;
  const bool udp = c.l4_type == kL4Udp;
  if (!udp && c.l4_type != kL4Tcp) return lose(q, "TSE: L4T is TCP or UDP", c.l4_type, "3.5");
  if (c.mss == 0 || header + c.mss > kMaxTxFrame) return lose(q, "TSE: MSS fits a frame and is not 0", c.mss, "3.5");
  if ((p.popts & kPoptsTxsm) == 0) return lose(q, "TSE: TXSM is set", p.popts, "3.5");
  if (c.ipv4 != ((p.popts & kPoptsIxsm) != 0)) return lose(q, "TSE: IXSM is set for IPv4 alone", p.popts, "3.5");
  if (header >= ring.bytes.size() || p.payload != ring.bytes.size() - header) {
    return lose(q, "TSE: PAYLEN is what follows the headers", p.payload, "3.4");
  }
  const sim::Segmentation how{.l3 = c.mac_len,
                              .l4 = l4,
                              .header = header,
                              .mss = c.mss,
                              .ipv4 = c.ipv4,
                              .udp = udp,
                              .insert_ip_checksum = c.ipv4};
  const std::uint16_t* vlan = p.vle ? &c.vlan : nullptr;
  if (!sim::segment(ring.bytes, how, [&](std::vector<std::byte>& out) { send_finished(q, out, vlan); })) {
    lose(q, "TSE: MACLEN, IPLEN and L4LEN hold their headers", header, "3.5");
  }
}

// ---- Out ----------------------------------------------------------------------------------------------------------

/// Tag and padding.
inline void Model82599::send_finished(std::uint32_t q, std::vector<std::byte>& frame,
                                      const std::uint16_t* vlan) noexcept {
  using namespace model;
  if (frame.size() < 14) return lose(q, "a frame has an Ethernet header", frame.size(), "3.4");
  if (vlan != nullptr) sim::insert_vlan(frame, static_cast<std::uint16_t>(registers().peek(kDmaTxCtl) >> 16), *vlan);
  if (frame.size() < 60 && is(kHlreg0, kHlregTxPad)) frame.resize(60);
  send(q, frame);
}

inline void Model82599::send(std::uint32_t q, Frame frame) noexcept {
  using namespace model;
  const std::size_t bytes = frame.size() + 4;
  count(kGptc), count(kTpt), count(kTxdgpc);
  count_size(kPtc64, bytes);
  count_pair(kGotc, bytes);
  count_pair(kTxdgbc, bytes);
  const Offset stat = stat_index(kTqsm, q);
  count(kQptc + 0x40 * stat);
  count_pair(kQbtc + 8 * stat, bytes);
  if ((std::to_integer<unsigned>(frame[0]) & 1) != 0) {
    const bool broadcast =
        std::all_of(frame.begin(), frame.begin() + 6, [](std::byte b) { return b == std::byte{0xFF}; });
    count(broadcast ? kBptc : kMptc);
  }
  if (!outgoing_.front().empty() || !put_out(frame)) (void)outgoing_.push(frame);
}
inline bool Model82599::put_out(Frame frame) noexcept {
  return is(model::kHlreg0, model::kHlregLpbk) ? loop_.push(frame) : wire().transmit(frame);
}
/// Frames that the wire did not take before. Returns whether all are gone.
inline bool Model82599::flush_outgoing() noexcept {
  for (Frame frame = outgoing_.front(); !frame.empty(); frame = outgoing_.front()) {
    if (!put_out(frame)) return false;
    outgoing_.pop();
  }
  return true;
}

}  // namespace pollux::ixgbe

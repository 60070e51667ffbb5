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
    const std::size_t bytes = TxAssembly::buffer_bytes(d);
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
      return ring.set_context(d, tells(q));
    case kTypeData:
      return run_data(q, d);
    default:
      return complain_descriptor("TX", q, ring.head, "DTYP is 2 (context) or 3 (data)", command, "3.4");
  }
}

/// Adds a buffer; the first of a packet says what is to be done with it, the last sends it.
inline void Model82599::run_data(std::uint32_t q, const model::RawDescriptor& d) noexcept {
  using namespace model;
  const bool last = (d.dw2() & kDcmdEop) != 0;
  tx_[q].open(d, tells(q));
  if (last && send_in_place(q, d)) return;
  gather(q, d);
  if (last) finish_packet(q);
}

/// The plain case: one buffer, nothing to add; sent from where it lies.
inline bool Model82599::send_in_place(std::uint32_t q, const model::RawDescriptor& d) noexcept {
  using namespace model;
  TxRingState& ring = tx_[q];
  const std::size_t length = d.dw2() & 0xFFFF;
  if (!ring.is_plain(length, limits())) return false;
  ring.packet.open = false;
  ring.check_payload(length, limits(), tells(q));
  if (const std::byte* from = fetch(d.qw0, length, "TX buffer"); from != nullptr) send(q, {from, length});
  return true;
}

inline void Model82599::run_legacy(std::uint32_t q, const model::RawDescriptor& d) noexcept {
  using namespace model;
  TxRingState& ring = tx_[q];
  const Word dw2 = d.dw2();
  if (!ring.packet.open) {
    ring.bytes.clear();
    ring.packet = {.open = true, .ifcs = (dw2 & kDcmdIfcs) != 0};
  }
  gather(q, d);
  if ((dw2 & kDcmdEop) == 0) return;
  ring.packet.open = false;
  if (!ring.packet.ifcs && !ring.take_fcs(tells(q))) return;
  (void)ring.fits(limits(), tells(q));
  const Word start = bits_of(d.dw3(), 15, 8), at = bits_of(dw2, 23, 16);
  if ((dw2 & kDcmdIc) != 0 && !ring.packet.lost &&
      (start >= ring.bytes.size() || !sim::insert_checksum(ring.bytes, start, ring.bytes.size(), at, false))) {
    ring.lose("CSS and CSO lie in the frame", d.qw1, TxAbout::kPacket, tells(q));
  }
  if (ring.packet.lost) return;
  const auto vlan = static_cast<std::uint16_t>(d.qw1 >> 48);
  send_finished(q, ring.bytes, (dw2 & kDcmdVle) != 0 ? &vlan : nullptr);
}

inline void Model82599::gather(std::uint32_t q, const model::RawDescriptor& d) noexcept {
  const auto memory = [this](std::uint64_t address, std::size_t n) { return fetch(address, n, "TX buffer"); };
  tx_[q].gather(d.qw0, d.dw2() & 0xFFFF, limits(), memory, tells(q));
}
inline model::TxLimits Model82599::limits() const noexcept {
  constexpr std::size_t kLeast = 17;
  return {
      .frame = model::kMaxTxFrame, .packet = model::kMaxTso, .payload = quirks_.has(Quirk::kPaylenShort) ? 0 : kLeast};
}

/// All buffers are there.
inline void Model82599::finish_packet(std::uint32_t q) noexcept {
  using namespace model;
  TxRingState& ring = tx_[q];
  if (!ring.packet.lost && (ring.packet.popts & kPoptsIpsec) != 0) {
    ring.packet.lost = true;
    complain_descriptor("TX", q, ring.head, "IPsec is fused off (SECTXSTAT)", ring.packet.popts, "2.8");
  }
  ring.finish(
      limits(), [this, q](std::vector<std::byte>& f, const std::uint16_t* v) { send_finished(q, f, v); }, tells(q));
}

// ---- Out ----------------------------------------------------------------------------------------------------------

/// Tag and padding.
inline void Model82599::send_finished(std::uint32_t q, std::vector<std::byte>& frame,
                                      const std::uint16_t* vlan) noexcept {
  using namespace model;
  if (frame.size() < 14) {
    return tx_[q].lose("a frame has an Ethernet header", frame.size(), TxAbout::kData, tells(q));
  }
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

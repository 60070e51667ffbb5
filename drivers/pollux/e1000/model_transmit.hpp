// SPDX-License-Identifier: BSD-3-Clause
// The 82574 model's transmit side: descriptors, checksums, segmentation, frames to the wire.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <pollux/core/endian.hpp>
#include <pollux/e1000/model_device.hpp>
#include <pollux/net/headers.hpp>
#include <pollux/sim/offload.hpp>

namespace pollux::e1000 {

/// Everything between head and tail, as far as wire, link and PAUSE allow.
inline bool Model82574::transmit(unsigned q) noexcept {
  Ring& ring = tx_[q];
  if (!value<Tctl>()[Tctl::en]) {
    refuse_early_tail(ring);
    return false;
  }
  look_at_tail(ring);
  bool moved = flush();
  const bool enabled = value<Tarc>(q)[Tarc::enable];
  bool emptied = false;
  for (std::uint32_t n = 0; n < kMostDescriptors && enabled && may_send() && has_descriptor(ring); ++n) {
    if (!run_descriptor(q)) break;
    advance_head(ring);
    moved = true;
    emptied = !has_descriptor(ring);
  }
  if (emptied) {
    count(model::stat::kIctxqec);
    raise_cause(model::cause::kTxqe);
  }
  return moved;
}
inline void Model82574::refuse_early_tail(Ring& ring) noexcept {
  const std::uint32_t tail = peek(ring.tail);
  if (tail == ring.seen) return;
  ring.seen = tail;
  if (tail != peek(ring.head)) fault(Kind::kSequence, ring.tail, "written before TCTL.EN", tail);
}
/// The descriptor at the head. Returns whether the ring goes on.
inline bool Model82574::run_descriptor(unsigned q) noexcept {
  using model::TxCmd;
  Ring& ring = tx_[q];
  const std::uint64_t at = head_address(ring);
  if (awaits_descriptor(ring)) return false;
  const std::byte* posted = head_descriptor(ring, "transmit descriptor");
  if (posted == nullptr) return false;
  const auto words = load_header<TxDescriptorWords>(posted);
  const TxCmd::Word command{words.command};
  const bool context = command[TxCmd::dext] && command[TxCmd::dtyp] == 0;
  const std::uint32_t bytes = context                ? 0u
                              : command[TxCmd::dext] ? command[TxCmd::length]
                                                     : command[TxCmd::legacy_length];
  if (bytes != 0 && awaits(words.address, bytes)) return false;
  if (command[TxCmd::dext] && command[TxCmd::dtyp] > 1) {
    complain(q, "DTYP is 0 (context) or 1 (data)", command.bits);
    outgoing_[q].spoiled = true;
  } else if (context) {
    set_context(q, words);
  } else if (!append_buffer(q, words)) {
    return false;
  }
  release_fetched(at, kDescriptorBytes);
  if (bytes != 0) release_fetched(words.address, bytes);
  if (!context && command[TxCmd::eop]) finish_packet(q, words);
  if (command[TxCmd::rs] || value<Ivar>()[Ivar::tx_write_back]) report_status(at, words);
  if (command[TxCmd::rs]) {  // without IDE at once
    const std::uint32_t wait = command[TxCmd::ide] ? value<Tidv>()[Tidv::idv] : 0u;
    delay(tx_delay_, model::cause::kTxdw | model::cause::kTxq0 << q, wait, value<Tadv>()[Tadv::idv]);
  }
  return true;
}
inline void Model82574::complain(unsigned q, std::string rule, std::uint64_t v) noexcept {
  descriptor_fault(tx_[q], peek(tx_[q].head), std::move(rule), v);
}

/// DD, in one 32-bit store: whoever sees it may reuse descriptor and buffer.
inline void Model82574::report_status(std::uint64_t at, const TxDescriptorWords& words) noexcept {
  const Le32 status{words.status | decltype(model::TxSta::dd)::kMask};
  (void)publish32(at + offsetof(TxDescriptorWords, status), __builtin_bit_cast(std::uint32_t, status),
                  "transmit descriptor");
}

inline void Model82574::set_context(unsigned q, const TxDescriptorWords& words) noexcept {
  using model::TxCmd, model::TxSta;
  const std::uint64_t first = words.address;
  context_ = {.ip = {static_cast<std::uint32_t>(first)},
              .tu = {static_cast<std::uint32_t>(first >> 32)},
              .command = {words.command},
              .segments = {words.status}};
  const std::uint32_t reserved = (words.command & TxCmd::kContextReserved) | (words.status & TxSta::kContextReserved);
  if (reserved != 0) complain(q, "reserved bits of a context descriptor are set", reserved);
  if (outgoing_[q].begun) complain(q, "a context descriptor within a packet", words.command);
}

/// A data descriptor's buffer joins the packet. Returns whether the ring goes on.
inline bool Model82574::append_buffer(unsigned q, const TxDescriptorWords& words) noexcept {
  using model::TxCmd, model::TxSta;
  Outgoing& packet = outgoing_[q];
  const TxCmd::Word command{words.command};
  const bool extended = command[TxCmd::dext];
  const std::uint32_t n = extended ? command[TxCmd::length] : command[TxCmd::legacy_length];
  std::uint32_t reserved =
      (command.bits & TxCmd::kReserved) | (words.status & (extended ? TxSta::kDataReserved : TxSta::kLegacyReserved));
  if (quirk(Quirk::kLinuxTxDoneLeft)) reserved &= ~decltype(TxSta::dd)::kMask;
  if (reserved != 0) complain(q, "reserved bits are set", reserved);
  if (packet.begun && packet.extended != extended) complain(q, "formats are mixed in one packet", command.bits);
  if (!packet.begun || quirk(Quirk::kQemuPoptsOfLast)) packet.options = {words.status};
  if (!packet.begun) packet.segmented = extended && command[TxCmd::tse];
  packet.begun = true;
  packet.extended = extended;
  if (n == 0) return complain(q, "a buffer of length 0", command.bits), true;
  const std::size_t most = packet.segmented ? kLongestTso : kLongestFrame - kFcs;
  if (packet.spoiled || packet.bytes.size() + n > most) {
    if (!packet.spoiled) complain(q, text::cat("a packet is longer than ", most, " bytes"), command.bits);
    packet.spoiled = true;
    return true;
  }
  const std::byte* buffer = fetch(words.address, n, "transmit buffer");
  if (buffer == nullptr) {
    tx_[q].broken = true;
    return false;
  }
  packet.bytes.insert(packet.bytes.end(), buffer, buffer + n);
  return true;
}

/// The packet is whole: checksums or segments, tag, padding, out. `words`: its last descriptor.
inline void Model82574::finish_packet(unsigned q, const TxDescriptorWords& words) noexcept {
  using model::TxCmd, model::TxSta;
  Outgoing& packet = outgoing_[q];
  const TxCmd::Word command{words.command};
  if (!packet.spoiled && packet.bytes.size() < sizeof(EthernetHeader)) {
    complain(q, "a packet has no Ethernet header", packet.bytes.size());
    packet.spoiled = true;
  }
  if (packet.spoiled) {
    if (packet.segmented) count(model::stat::kTsctfc);
  } else if (packet.segmented) {
    send_segments(q, words);
  } else {
    if (packet.extended) {
      insert_checksums(q);
    } else if (command[TxCmd::ic]) {
      const std::size_t start = TxSta::Word{words.status}[TxSta::css];
      if (!sim::insert_checksum(packet.bytes, start, packet.bytes.size(), command[TxCmd::cso], false)) {
        complain(q, "CSS or CSO lies outside the packet", command.bits);
      }
    }
    emit(q, packet.bytes, words);
  }
  packet.bytes.clear();
  packet.begun = packet.spoiled = packet.segmented = false;
}

/// Both checksums at the positions the context gives; ends are inclusive, 0 is the end of the packet.
inline void Model82574::insert_checksums(unsigned q) noexcept {
  using model::TxCmd, model::TxIp, model::TxSta, model::TxTu;
  Outgoing& packet = outgoing_[q];
  const std::size_t size = packet.bytes.size();
  const std::size_t ip_end = context_.ip[TxIp::end] == 0 ? size : context_.ip[TxIp::end] + std::size_t{1};
  const std::size_t tu_end = context_.tu[TxTu::end] == 0 ? size : context_.tu[TxTu::end] + std::size_t{1};
  bool fits = true;
  if (packet.options[TxSta::ixsm]) {
    fits &= sim::insert_checksum(packet.bytes, context_.ip[TxIp::start], ip_end, context_.ip[TxIp::offset], false);
  }
  if (packet.options[TxSta::txsm]) {
    const bool udp = !context_.command[TxCmd::tcp];
    fits &= sim::insert_checksum(packet.bytes, context_.tu[TxTu::start], tu_end, context_.tu[TxTu::offset], udp);
  }
  if (!fits) complain(q, "the context's checksum positions lie outside the packet", context_.ip.bits);
}

/// TCP segmentation, as the context says.
inline void Model82574::send_segments(unsigned q, const TxDescriptorWords& words) noexcept {
  using model::TxCmd, model::TxIp, model::TxSegments, model::TxSta, model::TxTu;
  Outgoing& packet = outgoing_[q];
  const bool tcp = context_.command[TxCmd::tcp];
  const sim::Segmentation how{.l3 = context_.ip[TxIp::start],
                              .l4 = context_.tu[TxTu::start],
                              .header = context_.segments[TxSegments::header],
                              .mss = context_.segments[TxSegments::mss],
                              .ipv4 = context_.command[TxCmd::ipv4],
                              .udp = !tcp,
                              .insert_ip_checksum = packet.options[TxSta::ixsm]};
  const std::size_t payload = packet.bytes.size() - std::min(packet.bytes.size(), how.header);
  const char* wrong = !context_.command[TxCmd::tse]                          ? "TSE without it in the context"
                      : context_.command[TxCmd::length] != payload           ? "PAYLEN is not the payload's length"
                      : !packet.options[TxSta::txsm]                         ? "TSE without POPTS.TXSM"
                      : context_.tu[TxTu::offset] != how.l4 + (tcp ? 16 : 6) ? "TUCSO is not the checksum field"
                      : how.mss == 0 || payload / how.mss >= kMostSegments   ? "MSS is too small"
                      : how.header + how.mss > kLongestFrame - kFcs          ? "MSS is too large"
                                                                             : nullptr;
  if (wrong != nullptr) complain(q, wrong, context_.segments.bits);
  const auto out = [&](std::vector<std::byte>& segment) { emit(q, segment, words); };
  const bool fits = wrong == nullptr && sim::segment(packet.bytes, how, out);
  if (wrong == nullptr && !fits) complain(q, "the context's geometry does not fit the packet", context_.ip.bits);
  count(fits ? model::stat::kTsctc : model::stat::kTsctfc);
}

/// Tag, FCS rule, padding; then to the wire, or waiting for it.
inline void Model82574::emit(unsigned q, std::vector<std::byte>& frame, const TxDescriptorWords& words) noexcept {
  using model::TxCmd, model::TxSta;
  const TxCmd::Word command{words.command};
  if (!command[TxCmd::ifcs] && !sim::take_own_fcs(frame)) {
    return complain(q, "IFCS is clear and the last four bytes are no FCS", command.bits);
  }
  if (command[TxCmd::vle] && !value<Ctrl>()[Ctrl::vme]) {
    complain(q, "VLE without CTRL.VME inserts nothing", command.bits);
  } else if (command[TxCmd::vle]) {
    const std::uint32_t tag = TxSta::Word{words.status}[TxSta::vlan];
    sim::insert_vlan(frame, static_cast<std::uint16_t>(value<Vet>()[Vet::vet]), static_cast<std::uint16_t>(tag));
  }
  const bool pad = value<Tctl>()[Tctl::psp] && !quirk(Quirk::kQemuNoTxPadding);
  if (pad && frame.size() < kMinFrame) frame.resize(kMinFrame);
  put_out(frame);
}
}  // namespace pollux::e1000

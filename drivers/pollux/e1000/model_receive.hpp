// SPDX-License-Identifier: BSD-3-Clause
// The 82574 model's receive filters: what is let in, what its descriptor will say, which queue gets it.
#pragma once
#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

#include <pollux/core/endian.hpp>
#include <pollux/e1000/model_device.hpp>
#include <pollux/net/headers.hpp>
#include <pollux/net/mac.hpp>
#include <pollux/sim/offload.hpp>

namespace pollux::e1000 {

/// A frame has arrived, without FCS: counted, filtered, stored, delivered as far as there are descriptors.
inline void Model82574::receive(ConstBytes frame) noexcept {
  namespace stat = model::stat;
  if (frame.size() < sizeof(EthernetHeader)) return;
  count(stat::kTpr);
  count_pair(stat::kTor, frame.size() + kFcs);
  bool pass = false;
  if (is_flow_control(frame) && !obey_pause(frame, pass)) return;
  bool inexact = false;
  if (!pass && !accepted_address(frame, inexact)) return;
  if (!accepted_size(frame, kLongestFrame, quirk(Quirk::kQemuPadsReceived)) || !accepted_vlan(frame)) return;
  Stored stored = describe(frame);
  if (inexact) stored.status |= model::RxWriteBack::kPif;
  Ring& ring = rx_[stored.queue];
  look_at_tail(ring);
  if (!has_descriptor(ring)) count(stat::kRnbc);
  if (fifo_bytes_ + stored.bytes.size() > std::size_t{value<Pba>()[Pba::rxa]} * 1024) {
    count(stat::kMpc);
    count(stat::kIcrxoc);
    raise_cause(model::cause::kRxo);
    return;
  }
  count_received(frame);
  fifo_bytes_ += stored.bytes.size();
  fifo_.push_back(std::move(stored));
  (void)drain();
}

/// The frame as it will lie in memory, and everything its descriptor says of it.
inline Model82574::Stored Model82574::describe(ConstBytes frame) noexcept {
  using model::RxWriteBack;
  Stored out;
  out.bytes.assign(frame.begin(), frame.end());
  const sim::ParsedFrame parsed = sim::parse_frame(frame);
  out.status = verdict(frame, parsed);
  if (quirk(Quirk::kQemuPadsReceived) && out.bytes.size() < kMinFrame) out.bytes.resize(kMinFrame);
  const bool strip = value<Rctl>()[Rctl::secrc];
  const std::uint32_t fcs = strip ? 0 : sim::ethernet_fcs(out.bytes);  // over all of the frame, its tag too
  if (value<Ctrl>()[Ctrl::vme] && is_tagged(frame)) {
    out.vlan = sim::get16(frame, 14);
    out.status |= RxWriteBack::kVp;
    out.bytes.erase(out.bytes.begin() + 12, out.bytes.begin() + 16);
  }
  const auto rxcsum = value<Rxcsum>();
  if (!rxcsum[Rxcsum::pcsd] || !value<Rfctl>()[Rfctl::exten]) {  // else no descriptor tells it
    const std::size_t start = std::min<std::size_t>(rxcsum[Rxcsum::pcss], out.bytes.size());
    const ConstBytes summed = ConstBytes(out.bytes).subspan(start);
    out.checksum = static_cast<std::uint16_t>(~checksum_finish(checksum_add(summed)));
  }
  if (splits()) {
    const std::size_t header = header_bytes(frame, parsed), tag = (out.status & RxWriteBack::kVp) != 0 ? 4 : 0;
    out.header = header - std::min(header, tag);
  }
  distribute(frame, parsed, out);
  if (!rxcsum[Rxcsum::pcsd]) {
    const std::uint32_t id = parsed.ipv4 ? sim::get16(frame, parsed.l3 + 4) : 0;
    out.hash = id | std::uint32_t{out.checksum} << 16;
    if (parsed.ipv4) out.status |= RxWriteBack::kIpidv;
  }
  if (!strip) {
    out.bytes.resize(out.bytes.size() + kFcs);
    store_header(&out.bytes[out.bytes.size() - kFcs], Le32{fcs});
  }
  return out;
}

/// What packet split sees as the header; 0: it leaves the frame whole. NOTE(missing): what IPv6 extension headers do;
/// they keep it whole here.
inline std::size_t Model82574::header_bytes(ConstBytes frame, const sim::ParsedFrame& p) noexcept {
  if ((!p.ipv4 && !p.ipv6) || (p.ipv6 && p.ip_extra)) return 0;
  if (p.fragment && value<Rfctl>()[model::RfctlMore::ipfrsp_dis]) return 0;
  const auto words = [&](std::size_t at, unsigned shift) {
    return 4 * (std::to_integer<std::size_t>(frame[at]) >> shift & 15);
  };
  if (p.l4 != 0 && p.protocol == sim::kIpTcp) {
    const std::size_t end = p.l4 + words(p.l4 + 12, 4);
    return end <= p.end && end >= p.l4 + 20 ? end : 0;
  }
  if (p.l4 != 0 && p.protocol == sim::kIpUdp) return p.l4 + 8;
  return p.ipv4 ? p.l3 + words(p.l3, 0) : p.l3 + 40;
}

/// Checksum bits and packet type. [82574 RX extended]
inline std::uint32_t Model82574::verdict(ConstBytes frame, const sim::ParsedFrame& p) noexcept {
  using model::RxWriteBack, model::PacketType;
  const auto rxcsum = value<Rxcsum>();
  const bool l4 = p.l4 != 0;
  const PacketType type = p.ipv4   ? (l4 ? PacketType::kIpv4L4 : PacketType::kIpv4)
                          : p.ipv6 ? (l4 ? PacketType::kIpv6L4 : PacketType::kIpv6)
                                   : PacketType::kL2;
  std::uint32_t out = RxWriteBack::Type{}.from(static_cast<std::uint32_t>(type)).bits;
  sim::ChecksumVerdict v = sim::verify_checksums(frame, p);
  v.ip_checked = v.ip_checked && rxcsum[Rxcsum::ipofld];
  v.l4_checked = v.l4_checked && rxcsum[Rxcsum::tuofld];
  if (!v.ip_checked && !v.l4_checked) return out | RxWriteBack::kIxsm;
  if (v.ip_checked) out |= RxWriteBack::kIpcs | (v.ip_good ? 0 : RxWriteBack::kIpe);
  if (v.l4_checked) {
    out |= RxWriteBack::kTcpcs | (p.protocol == sim::kIpUdp ? RxWriteBack::kUdpcs : 0) |
           (v.l4_good ? 0 : RxWriteBack::kTcpe);
  }
  return out;
}

/// Receive side scaling: the hash, its type, and the queue RETA gives for it.
inline void Model82574::distribute(ConstBytes frame, const sim::ParsedFrame& p, Stored& out) noexcept {
  using model::RssType;
  const auto mrqc = value<Mrqc>();
  if (mrqc[Mrqc::enable] != 1) return;
  const bool tcp = p.l4 != 0 && p.protocol == sim::kIpTcp;
  RssType type = RssType::kNone;
  if (p.ipv4) type = tcp && mrqc[Mrqc::tcp_ipv4] ? RssType::kTcpIpv4 : mrqc[Mrqc::ipv4] ? RssType::kIpv4 : type;
  if (p.ipv6) {
    type = tcp && (mrqc[Mrqc::tcp_ipv6] || mrqc[Mrqc::tcp_ipv6_ex]) ? RssType::kTcpIpv6
           : mrqc[Mrqc::ipv6]                                       ? RssType::kIpv6
           : mrqc[Mrqc::ipv6_ex]                                    ? RssType::kIpv6Ex
                                                                    : type;
  }
  if (type == RssType::kNone) return;
  std::array<std::uint8_t, 4 * Rssrk::kCount> key{};
  for (std::uint32_t i = 0; i < key.size(); ++i) {
    key[i] = static_cast<std::uint8_t>(peek(Rssrk::offset({i / 4})) >> (8 * (i % 4)));
  }
  const bool ports = type == RssType::kTcpIpv4 || type == RssType::kTcpIpv6;
  const std::uint32_t hash = sim::toeplitz(key, sim::rss_input(frame, p, ports));
  const std::uint32_t entry = hash & 0x7F;
  out.queue = peek(Reta::offset({entry / 4})) >> (8 * (entry % 4) + 7) & 1;  // bit 7 of the byte
  out.hash = hash;
  out.mrq = static_cast<std::uint32_t>(type) | out.queue << 8;
}

}  // namespace pollux::e1000

// SPDX-License-Identifier: BSD-3-Clause
// The 82576 model's receive filters: what is let in, what its descriptor will say, which queue gets it.
#pragma once
#include <array>
#include <cstdint>
#include <utility>

#include <pollux/core/endian.hpp>
#include <pollux/igb/model_device.hpp>
#include <pollux/net/checksum.hpp>
#include <pollux/net/headers.hpp>
#include <pollux/net/mac.hpp>

namespace pollux::igb {

/// A frame has arrived, without FCS: counted, filtered, stored, delivered as far as there are descriptors.
inline void Model82576::receive(ConstBytes frame) noexcept {
  using namespace model;
  if (frame.size() < sizeof(EthernetHeader)) return;
  count(stat::kTpr);
  count_pair(stat::kTor, frame.size() + kFcs);
  bool pass = false, inexact = false;
  if (is_flow_control(frame) && !obey_pause(frame, pass)) return;
  if (!pass && !accepted_address(frame, inexact)) {
    const auto destination = load_header<MacAddress>(frame.data());
    if (destination.is_multicast() || !in_hash_table(kUta, destination)) return;
  }
  if (!accepted_size(frame, peek(kRlpml)) || !accepted_vlan(frame)) return;
  Stored stored = describe(frame);
  if (inexact) stored.report.status |= advanced::kRxPif;
  if (fifo_bytes_ + stored.bytes.size() > packet_buffer()) {
    count(stat::kMpc);
    return raise_cause(cause::kRxo);
  }
  count_received(frame);
  count(kRpthc);
  count_pair(kHgorc, frame.size() + kFcs);
  fifo_bytes_ += stored.bytes.size();
  fifo_.push_back(std::move(stored));
  (void)drain();
}

/// The frame as it will lie in memory, and everything its descriptor says of it.
inline model::Stored Model82576::describe(ConstBytes frame) noexcept {
  using namespace model;
  Stored out;
  out.bytes.assign(frame.begin(), frame.end());
  const sim::ParsedFrame parsed = sim::parse_frame(frame);
  const std::uint32_t fcs = is(kRctl, rctl::kSecrc) ? 0 : sim::ethernet_fcs(frame);  // over its tag too
  if (is(kCtrl, ctrl::kVme) && is_tagged(frame)) {
    out.report.vlan = sim::get16(frame, 14);
    out.report.status |= advanced::kRxVp;
    out.bytes.erase(out.bytes.begin() + 12, out.bytes.begin() + 16);
  }
  verify(frame, parsed, out);
  distribute(frame, parsed, out);
  if (!is(kRctl, rctl::kSecrc)) {
    out.bytes.resize(out.bytes.size() + kFcs);
    store_header(&out.bytes[out.bytes.size() - kFcs], Le32{fcs});
  }
  return out;
}

/// Packet type, checksum verdicts, and without PCSD IP identification and the packet's sum. [82576 RX advanced]
inline void Model82576::verify(ConstBytes frame, const sim::ParsedFrame& p, model::Stored& out) noexcept {
  using namespace model;
  advanced::RxReport& report = out.report;
  report.packet_type = advanced::packet_type(p);
  const std::uint32_t rxcsum = peek(kRxCsum);
  if ((rxcsum & kPcsd) == 0) {
    const std::size_t start = std::min<std::size_t>(field(rxcsum, 7, 0), out.bytes.size());
    const std::uint32_t sum =
        static_cast<std::uint16_t>(~checksum_finish(checksum_add(ConstBytes(out.bytes).subspan(start))));
    report.hash = (p.ipv4 ? sim::get16(frame, p.l3 + 4) : 0u) | sum << 16;
    if (p.ipv4) report.status |= kRxIpidv;
  }
  const sim::ChecksumVerdict v = sim::verify_checksums(frame, p);
  if (v.ip_checked && (rxcsum & kIpOfl) != 0) {
    report.status |= advanced::kRxIpCs;
    report.errors |= v.ip_good ? 0 : kRxIpe;
  }
  if (v.l4_checked && (rxcsum & kTuOfl) != 0) {
    report.status |= advanced::kRxL4Cs | (p.protocol == sim::kIpUdp ? advanced::kRxUdpCs : 0);
    report.errors |= v.l4_good ? 0 : kRxL4e;
  }
  if ((rxcsum & kCrcOfl) != 0 && p.l4 != 0 && p.protocol == sim::kIpSctp) {
    std::vector<std::byte> copy(frame.begin(), frame.end());
    (void)sim::insert_sctp_crc(copy, p.l4, p.end, p.l4 + 8);
    report.status |= advanced::kRxL4Cs;
    report.errors |= sim::get32(copy, p.l4 + 8) == sim::get32(frame, p.l4 + 8) ? 0 : kRxL4e;
  }
}

/// EtherType filters, which come first, then receive side scaling.
inline void Model82576::distribute(ConstBytes frame, const sim::ParsedFrame& p, model::Stored& out) noexcept {
  using namespace model;
  const std::uint32_t mrqc = peek(kMrqc);
  out.queue = field(mrqc, 5, 3);  // the default
  for (std::uint32_t i = 0; i < 8; ++i) {
    const std::uint32_t etqf = peek(kEtqf + 4 * i);
    if ((etqf & bit(26)) == 0 || (etqf & 0xFFFF) != p.ether_type) continue;
    out.report.packet_type = advanced::packet_type_of_filter(i);
    if ((etqf & bit(31)) == 0) continue;
    out.queue = field(etqf, 18, 16);
    return;
  }
  if (field(mrqc, 2, 0) != 2) return;
  const advanced::RssKind kind = advanced::rss_kind(mrqc, p);
  if (kind.type == 0) return;
  if (std::exchange(rss_stale_, false)) {
    std::array<std::uint8_t, sim::RssTable::kKeyBytes> key{};
    for (std::uint32_t i = 0; i < key.size(); ++i) {
      key[i] = static_cast<std::uint8_t>(peek(kRssrk + i / 4 * 4) >> (8 * (i % 4)));
    }
    rss_.set_key(key);
  }
  const ConstBytes addresses = p.ipv4 ? frame.subspan(p.l3 + 12, 8) : frame.subspan(p.l3 + 8, 32);
  const std::uint32_t hash = rss_.hash(addresses, kind.ports ? frame.subspan(p.l4, 4) : ConstBytes{});
  out.queue = peek(kReta + (hash & 0x7F) / 4 * 4) >> (8 * (hash & 3)) & 0xF;
  out.report.rss_type = kind.type;
  if (is(kRxCsum, kPcsd)) out.report.hash = hash;
}

}  // namespace pollux::igb

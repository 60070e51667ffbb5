// SPDX-License-Identifier: BSD-3-Clause
// What a NIC does to the bytes of frames: parse, check and insert checksums, hash, tag, cut into segments. No chip's
// own.
#pragma once
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include <pollux/net/checksum.hpp>
#include <pollux/net/headers.hpp>

namespace pollux::sim {

using Bytes = std::span<std::byte>;
using ConstBytes = std::span<const std::byte>;

[[nodiscard]] inline std::uint16_t get16(ConstBytes b, std::size_t at) noexcept { return load_header<Be16>(&b[at]); }
[[nodiscard]] inline std::uint32_t get32(ConstBytes b, std::size_t at) noexcept { return load_header<Be32>(&b[at]); }
inline void put16(Bytes b, std::size_t at, std::uint16_t v) noexcept { store_header(&b[at], Be16{v}); }
inline void put32(Bytes b, std::size_t at, std::uint32_t v) noexcept { store_header(&b[at], Be32{v}); }

/// What is in a frame, as far as its bytes go. Offsets from the destination MAC on [bytes].
struct ParsedFrame {
  std::uint16_t ether_type = 0;  ///< behind at most two VLAN tags
  unsigned vlan_tags = 0;
  std::size_t l3 = 0;   ///< IP header; 0: not IP, or cut off
  std::size_t l4 = 0;   ///< TCP, UDP or SCTP header; 0: none, fragment, or cut off
  std::size_t end = 0;  ///< of the IP packet, padding excluded
  bool ipv4 = false, ipv6 = false;
  bool ip_extra = false;  ///< IPv4 options or IPv6 extension headers
  bool fragment = false;
  std::uint8_t protocol = 0;  ///< IP protocol of l4
};

inline constexpr std::uint8_t kIpTcp = 6, kIpUdp = 17, kIpSctp = 132;

namespace detail {
inline void parse_ipv4(ConstBytes f, ParsedFrame& p) noexcept {
  if (f.size() < p.l3 + 20 || std::to_integer<unsigned>(f[p.l3]) >> 4 != 4) return;
  const std::size_t header = 4 * (std::to_integer<std::size_t>(f[p.l3]) & 15);
  const std::size_t total = get16(f, p.l3 + 2);
  if (header < 20 || total < header || f.size() < p.l3 + total) return;
  p.ipv4 = true;
  p.ip_extra = header > 20;
  p.fragment = (get16(f, p.l3 + 6) & 0x3FFF) != 0;  // more fragments, or an offset
  p.end = p.l3 + total;
  p.protocol = std::to_integer<std::uint8_t>(f[p.l3 + 9]);
  if (!p.fragment) p.l4 = p.l3 + header;
}
inline void parse_ipv6(ConstBytes f, ParsedFrame& p) noexcept {
  constexpr std::uint8_t kHopByHop = 0, kRouting = 43, kFragment = 44, kDestination = 60;
  if (f.size() < p.l3 + 40 || std::to_integer<unsigned>(f[p.l3]) >> 4 != 6) return;
  p.end = p.l3 + 40 + get16(f, p.l3 + 4);
  if (f.size() < p.end) return;
  p.ipv6 = true;
  p.protocol = std::to_integer<std::uint8_t>(f[p.l3 + 6]);
  std::size_t at = p.l3 + 40;
  while (p.protocol == kHopByHop || p.protocol == kRouting || p.protocol == kDestination || p.protocol == kFragment) {
    if (at + 8 > p.end) return;
    p.ip_extra = true;
    if (p.protocol == kFragment) p.fragment = true;
    const std::size_t length = p.protocol == kFragment ? 8 : 8 * (std::to_integer<std::size_t>(f[at + 1]) + 1);
    p.protocol = std::to_integer<std::uint8_t>(f[at]);
    at += length;
  }
  if (!p.fragment && at <= p.end) p.l4 = at;
}
}  // namespace detail

/// Never reads beyond the frame, whatever its bytes say.
[[nodiscard]] inline ParsedFrame parse_frame(ConstBytes f) noexcept {
  ParsedFrame p;
  std::size_t at = 12;
  if (f.size() < at + 2) return p;
  p.ether_type = get16(f, at);
  while ((p.ether_type == 0x8100 || p.ether_type == 0x88A8) && p.vlan_tags < 2 && f.size() >= at + 6) {
    at += 4;
    ++p.vlan_tags;
    p.ether_type = get16(f, at);
  }
  p.l3 = at + 2;
  if (p.ether_type == 0x0800) detail::parse_ipv4(f, p);
  if (p.ether_type == 0x86DD) detail::parse_ipv6(f, p);
  if (!p.ipv4 && !p.ipv6) p.l3 = 0;
  const std::size_t least = p.protocol == kIpTcp ? 20 : p.protocol == kIpUdp ? 8 : p.protocol == kIpSctp ? 12 : ~0u;
  if (p.l3 == 0 || p.l4 == 0 || p.l4 + least > p.end) p.l4 = 0;
  return p;
}

/// The sum over a pseudo header, length included. Pre: p.l4 != 0.
[[nodiscard]] inline std::uint64_t pseudo_header_sum(ConstBytes f, const ParsedFrame& p) noexcept {
  const std::uint64_t sum = std::uint64_t{p.protocol} + (p.end - p.l4);
  return p.ipv4 ? checksum_add(f.subspan(p.l3 + 12, 8), sum) : checksum_add(f.subspan(p.l3 + 8, 32), sum);
}

struct ChecksumVerdict {
  bool ip_checked = false, ip_good = false;
  bool l4_checked = false, l4_good = false;  ///< TCP and UDP; UDP without a checksum is not checked
};
[[nodiscard]] inline ChecksumVerdict verify_checksums(ConstBytes f, const ParsedFrame& p) noexcept {
  ChecksumVerdict v;
  if (p.ipv4) {
    const std::size_t header = 4 * (std::to_integer<std::size_t>(f[p.l3]) & 15);
    v.ip_checked = true;
    v.ip_good = internet_checksum(f.subspan(p.l3, header)) == 0;
  }
  if (p.l4 == 0 || (p.protocol != kIpTcp && p.protocol != kIpUdp)) return v;
  if (p.protocol == kIpUdp && get16(f, p.l4 + 6) == 0) return v;
  v.l4_checked = true;
  v.l4_good = checksum_finish(checksum_add(f.subspan(p.l4, p.end - p.l4), pseudo_header_sum(f, p))) == 0;
  return v;
}

/// What a transmit checksum engine does, which knows no protocols: sums [start, end), seed in the field included, and
/// stores the complement at `at`. Out-of-range arguments change nothing; returns whether they were in range.
/// `zero_as_ffff`: a result of 0 is sent as 0xFFFF (UDP).
inline bool insert_checksum(Bytes f, std::size_t start, std::size_t end, std::size_t at, bool zero_as_ffff) noexcept {
  if (start > end || end > f.size() || at + 2 > f.size()) return false;
  const std::uint16_t sum = internet_checksum(f.subspan(start, end - start));
  put16(f, at, sum == 0 && zero_as_ffff ? 0xFFFF : sum);
  return true;
}

/// CRC-32C over [start, end), stored at `at` as SCTP does. The field is taken as zero. [RFC 9260 appendix A]
inline bool insert_sctp_crc(Bytes f, std::size_t start, std::size_t end, std::size_t at) noexcept {
  if (start > end || end > f.size() || at < start || at + 4 > end) return false;
  std::memset(&f[at], 0, 4);
  std::uint32_t crc = ~0u;
  for (std::size_t i = start; i < end; ++i) {
    crc ^= std::to_integer<std::uint32_t>(f[i]);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82F6'3B78u : 0);
  }
  store_header(&f[at], Le32{~crc});
  return true;
}

/// CRC-32 of Ethernet, as its four bytes go over the wire, lowest first. [IEEE 802.3 3.2.9]
[[nodiscard]] inline std::uint32_t ethernet_fcs(ConstBytes frame) noexcept {
  static constexpr auto kTable = [] {
    std::array<std::uint32_t, 256> table{};
    for (std::uint32_t i = 0; i < 256; ++i) {
      table[i] = i;
      for (int k = 0; k < 8; ++k) table[i] = table[i] >> 1 ^ ((table[i] & 1) != 0 ? 0xEDB8'8320u : 0);
    }
    return table;
  }();
  std::uint32_t crc = ~0u;
  for (const std::byte b : frame) crc = crc >> 8 ^ kTable[(crc ^ std::to_integer<std::uint32_t>(b)) & 0xFF];
  return ~crc;
}
/// The driver has put the FCS at the frame's end: takes it off. Returns whether it was right.
/// Pre: frame.size() >= 4.
inline bool take_own_fcs(std::vector<std::byte>& frame) noexcept {
  const std::uint32_t fcs = load_header<Le32>(&*(frame.end() - 4));
  frame.erase(frame.end() - 4, frame.end());  // resize could grow it for all g++ 12 knows, and it warns
  return fcs == ethernet_fcs(frame);
}

/// The Toeplitz hash of `input`, most significant bit first. Pre: key.size() >= input.size() + 4.
[[nodiscard]] inline std::uint32_t toeplitz(std::span<const std::uint8_t> key, ConstBytes input) noexcept {
  std::uint32_t hash = 0;
  std::uint64_t window = 0;
  for (unsigned i = 0; i < 8; ++i) window = window << 8 | (i < key.size() ? key[i] : 0u);
  for (std::size_t i = 0; i < input.size(); ++i) {
    for (unsigned bit = 0; bit < 8; ++bit) {
      if ((std::to_integer<unsigned>(input[i]) >> (7 - bit) & 1) != 0) hash ^= static_cast<std::uint32_t>(window >> 32);
      window <<= 1;
    }
    if (i + 8 < key.size()) window |= key[i + 8];
  }
  return hash;
}

/// The bytes that RSS hashes: addresses, and the ports where `with_ports`. Pre: p.ipv4 or p.ipv6.
[[nodiscard]] inline std::vector<std::byte> rss_input(ConstBytes f, const ParsedFrame& p, bool with_ports) {
  const ConstBytes addresses = p.ipv4 ? f.subspan(p.l3 + 12, 8) : f.subspan(p.l3 + 8, 32);
  std::vector<std::byte> out(addresses.begin(), addresses.end());
  if (with_ports && p.l4 != 0)
    out.insert(out.end(), f.begin() + static_cast<std::ptrdiff_t>(p.l4),
               f.begin() + static_cast<std::ptrdiff_t>(p.l4 + 4));
  return out;
}

/// Puts a VLAN tag behind the addresses. Pre: frame.size() >= 12.
inline void insert_vlan(std::vector<std::byte>& frame, std::uint16_t tpid, std::uint16_t tci) {
  frame.insert(frame.begin() + 12, 4, std::byte{0});
  store_header(&frame[12], VlanTag{.tpid = tpid, .tci = tci});
}

/// How a TCP (or UDP) send is cut: offsets and lengths as the driver's context descriptor gives them [bytes].
struct Segmentation {
  std::size_t l3 = 14;
  std::size_t l4 = 34;
  std::size_t header = 54;  ///< all headers together; what follows is cut
  std::size_t mss = 1460;   ///< > 0
  bool ipv4 = true;
  bool udp = false;
  bool insert_ip_checksum = true;
};

/// Cuts `frame` and calls emit(std::vector<std::byte>&) for each segment: IP lengths, IPv4 identification + n and
/// header checksum, TCP sequence number, FIN and PSH only on the last, CWR only on the first, L4 checksum from the seed
/// (a pseudo-header sum without length) that the driver left in the field. Returns false, nothing emitted, when the
/// geometry does not fit the frame.
template <class Emit>
bool segment(ConstBytes frame, const Segmentation& s, Emit&& emit) {
  const std::size_t least = s.udp ? 8 : 20;
  if (s.mss == 0 || s.header > frame.size() || s.l4 + least > s.header || s.l3 + (s.ipv4 ? 20 : 40) > s.l4)
    return false;
  constexpr unsigned kFin = 0x01, kPsh = 0x08, kCwr = 0x80;
  const std::size_t field = s.l4 + (s.udp ? 6 : 16);
  const std::uint16_t seed = get16(frame, field);
  std::vector<std::byte> out;
  std::size_t at = s.header;
  for (unsigned n = 0; at < frame.size() || n == 0; ++n) {
    const std::size_t part = std::min(s.mss, frame.size() - at);
    const bool last = at + part == frame.size();
    out.assign(frame.begin(), frame.begin() + static_cast<std::ptrdiff_t>(s.header));
    out.insert(out.end(), frame.begin() + static_cast<std::ptrdiff_t>(at),
               frame.begin() + static_cast<std::ptrdiff_t>(at + part));
    const auto l4_bytes = static_cast<std::uint16_t>(out.size() - s.l4);
    if (s.ipv4) {
      put16(out, s.l3 + 2, static_cast<std::uint16_t>(out.size() - s.l3));
      put16(out, s.l3 + 4, static_cast<std::uint16_t>(get16(frame, s.l3 + 4) + n));
      if (s.insert_ip_checksum) {
        put16(out, s.l3 + 10, 0);
        insert_checksum(out, s.l3, s.l4, s.l3 + 10, false);
      }
    } else {
      put16(out, s.l3 + 4, static_cast<std::uint16_t>(out.size() - s.l3 - 40));
    }
    if (s.udp) {
      put16(out, s.l4 + 4, l4_bytes);
    } else {
      put32(out, s.l4 + 4, get32(frame, s.l4 + 4) + static_cast<std::uint32_t>(at - s.header));
      auto flags = std::to_integer<unsigned>(out[s.l4 + 13]);
      if (!last) flags &= ~(kFin | kPsh);
      if (n != 0) flags &= ~kCwr;
      out[s.l4 + 13] = static_cast<std::byte>(flags);
    }
    // The seed lacks the length; folded, but not complemented, because the engine sums the field with the rest.
    put16(out, field, static_cast<std::uint16_t>(~checksum_finish(std::uint64_t{seed} + l4_bytes)));
    insert_checksum(out, s.l4, out.size(), field, s.udp);
    emit(out);
    at += part;
    if (part == 0) break;
  }
  return true;
}

}  // namespace pollux::sim

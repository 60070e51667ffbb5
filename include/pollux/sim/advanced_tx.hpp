// SPDX-License-Identifier: BSD-3-Clause
// TxAssembly: a transmit queue's packets from advanced descriptors, with checksums, segments and tags.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <pollux/core/error.hpp>
#include <pollux/sim/advanced.hpp>

namespace pollux::sim::advanced {

inline constexpr std::uint32_t kTypeContext = 2, kTypeData = 3;
inline constexpr std::uint32_t kDcmdEop = bit(24), kDcmdIfcs = bit(25), kDcmdIc = bit(26), kDcmdRs = bit(27),
                               kDcmdDext = bit(29), kDcmdVle = bit(30), kDcmdTse = bit(31);
inline constexpr std::uint32_t kStaDd = bit(0), kPoptsIxsm = bit(8), kPoptsTxsm = bit(9), kPoptsIpsec = bit(10);
inline constexpr std::uint32_t kL4Udp = 0, kL4Tcp = 1, kL4Sctp = 2;

/// A context descriptor.
struct TxContext {
  bool valid = false, ipv4 = false;
  std::uint32_t mac_len = 0, ip_len = 0, l4_len = 0, mss = 0, l4_type = 0;
  std::uint16_t vlan = 0;

  static TxContext of(const RawDescriptor& d) noexcept {
    const auto dw0 = static_cast<std::uint32_t>(d.qw0);
    return {.valid = true,
            .ipv4 = (d.dw2() & bit(10)) != 0,
            .mac_len = bits_of(dw0, 15, 9),
            .ip_len = bits_of(dw0, 8, 0),
            .l4_len = bits_of(d.dw3(), 15, 8),
            .mss = bits_of(d.dw3(), 31, 16),
            .l4_type = bits_of(d.dw2(), 12, 11),
            .vlan = static_cast<std::uint16_t>(dw0 >> 16)};
  }
};

/// The packet that is being put together.
struct TxPacket {
  bool open = false;
  bool lost = false;  ///< something was wrong: it is not sent, but completes
  bool vle = false, tse = false, ifcs = false;
  std::uint32_t popts = 0, payload = 0, context = 0;
};

/// What a chip can send [bytes].
struct TxLimits {
  std::size_t frame;    ///< the longest, without FCS
  std::size_t packet;   ///< the longest that is cut into segments
  std::size_t payload;  ///< the least PAYLEN of a plain packet
};

/// Which descriptor a complaint is about.
enum class TxAbout : std::uint8_t { kData, kContext, kPacket };

/// What the descriptors of one queue come to. Every `complain` is called as complain(rule, value, TxAbout).
struct TxAssembly {
  std::array<TxContext, 2> contexts{};
  TxPacket packet;
  std::vector<std::byte> bytes;  ///< gathered so far; reused

  /// What a descriptor gives to be sent [bytes].
  [[nodiscard]] static std::size_t buffer_bytes(const RawDescriptor& d) noexcept {
    const bool context = (d.dw2() & kDcmdDext) != 0 && bits_of(d.dw2(), 23, 20) == kTypeContext;
    return context ? 0 : d.dw2() & 0xFFFF;
  }

  template <class Complain>
  void set_context(const RawDescriptor& d, Complain&& complain) noexcept {
    const std::uint32_t index = bits_of(d.dw3(), 6, 4);
    if (index > 1) return complain("a queue has contexts 0 and 1", index, TxAbout::kContext);
    if (packet.open) complain("a context does not lie within a packet", d.qw1, TxAbout::kContext);
    contexts[index] = TxContext::of(d);
  }

  /// The first data descriptor of a packet says what is to be done with it.
  template <class Complain>
  void open(const RawDescriptor& d, Complain&& complain) noexcept {
    const std::uint32_t dw2 = d.dw2(), dw3 = d.dw3();
    if (!packet.open) {
      bytes.clear();
      packet = {.open = true,
                .lost = false,
                .vle = (dw2 & kDcmdVle) != 0,
                .tse = (dw2 & kDcmdTse) != 0,
                .ifcs = (dw2 & kDcmdIfcs) != 0,
                .popts = dw3 & (kPoptsIxsm | kPoptsTxsm | kPoptsIpsec),
                .payload = bits_of(dw3, 31, 14),
                .context = bits_of(dw3, 6, 4)};
    }
    if ((dw3 & kStaDd) != 0) complain("DD is 0 when it is posted", dw3, TxAbout::kData);
    if (packet.context > 1) {
      lose("a queue has contexts 0 and 1", packet.context, TxAbout::kContext, complain);
      packet.context = 0;
    }
  }
  /// Whether it is one buffer with nothing to add, to be sent from where it lies.
  [[nodiscard]] bool is_plain(std::size_t length, const TxLimits& limits) const noexcept {
    const bool plain = bytes.empty() && !packet.lost && !packet.tse && !packet.vle && packet.popts == 0 && packet.ifcs;
    return plain && length >= 60 && length <= limits.frame;
  }
  /// Adds a buffer; fetch(address, length) gives its memory, or nullptr and has complained.
  template <class Fetch, class Complain>
  void gather(std::uint64_t address, std::size_t length, const TxLimits& limits, Fetch&& fetch, Complain&& complain) {
    if (length == 0) return lose("DTALEN is 1 to 65535", length, TxAbout::kData, complain);
    if (packet.lost) return;
    if (bytes.size() + length > limits.packet) {
      return lose(text::cat("a packet has at most ", limits.packet, " bytes"), bytes.size(), TxAbout::kPacket,
                  complain);
    }
    const std::byte* from = fetch(address, length);
    if (from == nullptr) {
      packet.lost = true;
      return;
    }
    bytes.insert(bytes.end(), from, from + length);
  }

  /// All buffers are there: checks, offloads; send(frame, vlan) for what goes out, vlan nullptr without a tag.
  template <class Send, class Complain>
  void finish(const TxLimits& limits, Send&& send, Complain&& complain) {
    const TxContext& context = contexts[packet.context];
    packet.open = false;
    if (packet.lost) return;
    if ((packet.tse || packet.vle || packet.popts != 0) && !context.valid) {
      return lose("a context is given before it is used", packet.context, TxAbout::kContext, complain);
    }
    if (!packet.ifcs && !take_fcs(complain)) return;
    const std::uint16_t* vlan = packet.vle ? &context.vlan : nullptr;
    if (packet.tse) return cut(context, limits, [&](std::vector<std::byte>& out) { send(out, vlan); }, complain);
    check_payload(bytes.size() + (packet.ifcs ? 0 : 4), limits, complain);
    if (!fits(limits, complain) || !insert_checksums(context, complain)) return;
    send(bytes, vlan);
  }
  /// PAYLEN of a plain packet is its length without FCS. A fault only: the frame goes as it is.
  template <class Complain>
  void check_payload(std::size_t length, const TxLimits& limits, Complain&& complain) const {
    if (packet.payload != length) {
      complain(text::cat("PAYLEN is the frame's length, ", length), packet.payload, TxAbout::kData);
    } else if (length < limits.payload) {
      complain(text::cat("PAYLEN is at least ", limits.payload), packet.payload, TxAbout::kData);
    }
  }
  /// Without IFCS the last four bytes are the FCS; a wrong one would be dropped at the other end.
  template <class Complain>
  [[nodiscard]] bool take_fcs(Complain&& complain) {
    if (bytes.size() < 18) {
      return lose("a frame without IFCS ends with its FCS", bytes.size(), TxAbout::kData, complain), false;
    }
    if (take_own_fcs(bytes)) return true;
    return lose("without IFCS the last four bytes are the FCS", bytes.size() + 4, TxAbout::kData, complain), false;
  }
  template <class Complain>
  [[nodiscard]] bool fits(const TxLimits& limits, Complain&& complain) {
    if (bytes.size() <= limits.frame) return true;
    return lose(text::cat("a frame has at most ", limits.frame, " bytes"), bytes.size(), TxAbout::kPacket, complain),
           false;
  }
  /// A packet that cannot be sent as its descriptors ask. They complete all the same, as on hardware.
  template <class Complain>
  void lose(std::string rule, std::uint64_t value, TxAbout about, Complain&& complain) {
    packet.lost = true;
    complain(std::move(rule), value, about);
  }

 private:
  /// IXSM and TXSM: sums over what the context says, which need not be what the packet is.
  template <class Complain>
  [[nodiscard]] bool insert_checksums(const TxContext& c, Complain&& complain) {
    const std::size_t l3 = c.mac_len, l4 = l3 + c.ip_len, end = bytes.size();
    if ((packet.popts & kPoptsIxsm) != 0 && (c.ip_len < 12 || !insert_checksum(bytes, l3, l4, l3 + 10, false))) {
      return lose("IXSM: MACLEN and IPLEN lie in the frame", c.ip_len, TxAbout::kContext, complain), false;
    }
    if ((packet.popts & kPoptsTxsm) == 0) return true;
    bool done = false;
    if (l4 < end && c.l4_type == kL4Tcp && l4 + 18 <= end) done = insert_checksum(bytes, l4, end, l4 + 16, false);
    if (l4 < end && c.l4_type == kL4Udp && l4 + 8 <= end) done = insert_checksum(bytes, l4, end, l4 + 6, true);
    if (l4 < end && c.l4_type == kL4Sctp) done = insert_sctp_crc(bytes, l4, end, l4 + 8);
    if (!done) lose("TXSM: the L4 header of L4T lies in the frame", l4, TxAbout::kContext, complain);
    return done;
  }

  /// TSE: TCP, or UDP with L4T = 0, cut at MSS.
  template <class Emit, class Complain>
  void cut(const TxContext& c, const TxLimits& limits, Emit&& emit, Complain&& complain) {
    const std::size_t l4 = c.mac_len + c.ip_len, header = l4 + c.l4_len;
    const bool udp = c.l4_type == kL4Udp;
    const auto wrong = [&](const char* rule, std::uint64_t value, TxAbout about = TxAbout::kContext) {
      lose(rule, value, about, complain);
    };
    if (!udp && c.l4_type != kL4Tcp) return wrong("TSE: L4T is TCP or UDP", c.l4_type);
    if (c.mss == 0 || header + c.mss > limits.frame) return wrong("TSE: MSS fits a frame and is not 0", c.mss);
    if ((packet.popts & kPoptsTxsm) == 0) return wrong("TSE: TXSM is set", packet.popts);
    if (c.ipv4 != ((packet.popts & kPoptsIxsm) != 0)) return wrong("TSE: IXSM is set for IPv4 alone", packet.popts);
    if (header >= bytes.size() || packet.payload != bytes.size() - header) {
      return wrong("TSE: PAYLEN is what follows the headers", packet.payload, TxAbout::kData);
    }
    const Segmentation how{.l3 = c.mac_len,
                           .l4 = l4,
                           .header = header,
                           .mss = c.mss,
                           .ipv4 = c.ipv4,
                           .udp = udp,
                           .insert_ip_checksum = c.ipv4};
    if (!segment(bytes, how, emit)) wrong("TSE: MACLEN, IPLEN and L4LEN hold their headers", header);
  }
};

}  // namespace pollux::sim::advanced

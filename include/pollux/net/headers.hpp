// SPDX-License-Identifier: BSD-3-Clause
// Protocol headers as they lie on the wire, for programs that look into frames.
#pragma once
#include <cstddef>
#include <cstdint>

#include <pollux/core/endian.hpp>
#include <pollux/net/mac.hpp>

namespace pollux {

/// EtherType values [IEEE 802, IANA].
enum class EtherType : std::uint16_t {
  kIpv4 = 0x0800,
  kArp = 0x0806,
  kVlan = 0x8100,
  kIpv6 = 0x86DD,
  kEtherCat = 0x88A4,
  kExperimental = 0x88B5,  ///< IEEE 802 local experimental 1
};

/// Frame sizes without FCS [bytes].
inline constexpr std::uint16_t kMinFrame = 60;
inline constexpr std::uint16_t kMaxFrame = 1514;
inline constexpr std::uint16_t kMaxVlanFrame = 1518;

/// Header structs are read and written through load_header/store_header: frames have no alignment.
struct EthernetHeader {
  MacAddress destination;
  MacAddress source;
  Be16 type;
};
static_assert(sizeof(EthernetHeader) == 14);

struct VlanTag {  // follows the source address
  Be16 tpid;      ///< 0x8100
  Be16 tci;       ///< PCP 15:13, DEI 12, VLAN id 11:0
};
static_assert(sizeof(VlanTag) == 4);

/// EtherCAT frame header: length of the datagrams 10:0, type 15:12 (1: datagrams). [ETG.1000.4]
struct EtherCatHeader {
  Le16 length_type;
};
/// EtherCAT datagram header; `length` bytes of data and a 16-bit working counter follow.
struct EtherCatDatagram {
  std::uint8_t command;
  std::uint8_t index;
  Le16 slave_address;
  Le16 offset;
  Le16 length_more;  ///< data length 10:0; bit 15: another datagram follows
  Le16 interrupt;
};
static_assert(sizeof(EtherCatHeader) == 2 && sizeof(EtherCatDatagram) == 10);

/// Pre: `from` has sizeof(H) readable bytes.
template <class H>
H load_header(const std::byte* from) noexcept {
  H out;
  __builtin_memcpy(&out, from, sizeof out);
  return out;
}
template <class H>
void store_header(std::byte* to, const H& header) noexcept {
  __builtin_memcpy(to, &header, sizeof header);
}

/// Exchanges destination and source address: what a forwarder or reflector does. Pre: 12 bytes.
inline void swap_addresses(std::byte* frame) noexcept {
  std::byte kept[6];
  __builtin_memcpy(kept, frame, 6);
  __builtin_memcpy(frame, frame + 6, 6);
  __builtin_memcpy(frame + 6, kept, 6);
}

}  // namespace pollux

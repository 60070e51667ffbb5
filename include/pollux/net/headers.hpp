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

/// Exchanges destination and source address: what a forwarder or reflector does. Pre: 16 bytes.
inline void swap_addresses(std::byte* frame) noexcept {
#if defined(__SSSE3__)  // one load, one shuffle, one store
  typedef std::uint8_t Bytes __attribute__((vector_size(16)));
  Bytes bytes;
  __builtin_memcpy(&bytes, frame, sizeof bytes);
  bytes = __builtin_shufflevector(bytes, bytes, 6, 7, 8, 9, 10, 11, 0, 1, 2, 3, 4, 5, 12, 13, 14, 15);
  __builtin_memcpy(frame, &bytes, sizeof bytes);
#else  // six bytes at a time are many small accesses, or a detour through memory
  const std::uint64_t low = load_header<Le64>(frame);       // bytes 0 to 7
  const std::uint64_t high = load_header<Le32>(frame + 8);  // bytes 8 to 11
  store_header(frame, Le64{low >> 48 | high << 16 | low << 48});
  store_header(frame + 8, Le32{static_cast<std::uint32_t>(low >> 16)});
#endif
}

}  // namespace pollux

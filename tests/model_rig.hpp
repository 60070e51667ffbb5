// SPDX-License-Identifier: BSD-3-Clause
// What tests of NIC models share that know no driver: frames and what is right about them, computed without the
// library; a wire; memory that the device reaches.
#pragma once
#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <pollux/core/address.hpp>
#include <pollux/sim/clock.hpp>
#include <pollux/sim/fault.hpp>
#include <pollux/sim/iommu.hpp>
#include <pollux/sim/wire.hpp>

namespace model_rig {

using namespace pollux;
using u8 = std::uint8_t;
using u16 = std::uint16_t;
using u32 = std::uint32_t;
using u64 = std::uint64_t;
using Octets = std::vector<std::byte>;

// ---- Arithmetic of the test's own ---------------------------------------------------------------------------------

inline u16 be16(const Octets& f, std::size_t at) {
  return static_cast<u16>(std::to_integer<u32>(f.at(at)) << 8 | std::to_integer<u32>(f.at(at + 1)));
}
inline u32 be32(const Octets& f, std::size_t at) { return u32{be16(f, at)} << 16 | be16(f, at + 2); }
inline void put(Octets& f, std::size_t at, u64 value, int bytes) {
  for (int i = 0; i < bytes; ++i)
    f.at(at + static_cast<std::size_t>(i)) = static_cast<std::byte>(value >> (8 * (bytes - 1 - i)));
}
/// Ones-complement sum of big-endian words, folded.
inline u32 sum(const Octets& f, std::size_t from, std::size_t to, u32 start = 0) {
  u64 s = start;
  for (std::size_t i = from; i < to; i += 2) s += i + 1 < to ? be16(f, i) : std::to_integer<u32>(f.at(i)) << 8;
  while (s > 0xFFFF) s = (s & 0xFFFF) + (s >> 16);
  return static_cast<u32>(s);
}
inline u32 crc_reflected(const Octets& f, std::size_t from, std::size_t to, u32 polynomial) {
  u32 crc = ~0u;
  for (std::size_t i = from; i < to; ++i) {
    for (int b = 0; b < 8; ++b) {
      const bool in = (std::to_integer<u32>(f.at(i)) >> b & 1) != 0;
      crc = (crc >> 1) ^ ((crc & 1) != static_cast<u32>(in) ? polynomial : 0);
    }
  }
  return ~crc;
}

// ---- Frames -------------------------------------------------------------------------------------------------------

constexpr u64 kOwn = 0x020000825999, kPeer = 0x02AABBCCDD01, kBroadcast = 0xFFFFFFFFFFFF;

inline Octets ethernet(u64 to, u16 type, std::size_t size, u8 fill = 0x5A) {
  Octets f(size, std::byte{fill});
  put(f, 0, to, 6);
  put(f, 6, kPeer, 6);
  put(f, 12, type, 2);
  return f;
}
struct Ip {
  u32 source = 0x42099 << 12, destination = 0xA18E6450;
  u16 sport = 2794, dport = 1766;
  u8 protocol = 6;
  std::size_t data = 32;
  u8 tcp_flags = 0x10;
  u16 id = 0x1111, fragment = 0;
};
/// An IPv4 frame with right checksums.
inline Octets ipv4(const Ip& ip, u64 to = kOwn) {
  const std::size_t l4 = ip.protocol == 6 ? 20 : ip.protocol == 17 ? 8 : 12;
  Octets f = ethernet(to, 0x0800, 34 + l4 + ip.data);
  for (std::size_t i = 34; i < f.size(); ++i) f[i] = static_cast<std::byte>(i);
  put(f, 14, 0x4500, 2), put(f, 16, 20 + l4 + ip.data, 2), put(f, 18, ip.id, 2), put(f, 20, ip.fragment, 2);
  put(f, 22, 64, 1), put(f, 23, ip.protocol, 1), put(f, 24, 0, 2);
  put(f, 26, ip.source, 4), put(f, 30, ip.destination, 4);
  put(f, 24, ~sum(f, 14, 34) & 0xFFFF, 2);
  put(f, 34, ip.sport, 2), put(f, 36, ip.dport, 2);
  const u32 pseudo = sum(f, 26, 34, ip.protocol + static_cast<u32>(l4 + ip.data));
  if (ip.protocol == 6) {
    put(f, 46, 0x50, 1), put(f, 47, ip.tcp_flags, 1), put(f, 50, 0, 2), put(f, 52, 0, 2);
    put(f, 50, ~sum(f, 34, f.size(), pseudo) & 0xFFFF, 2);
  } else if (ip.protocol == 17) {
    put(f, 38, 8 + ip.data, 2), put(f, 40, 0, 2);
    put(f, 40, ~sum(f, 34, f.size(), pseudo) & 0xFFFF, 2);
  }
  return f;
}
inline Octets ipv6_tcp() {
  Octets f = ethernet(kOwn, 0x86DD, 14 + 40 + 20 + 6);
  put(f, 14, 0x60000000, 4), put(f, 18, 26, 2), put(f, 20, 6, 1), put(f, 21, 64, 1);
  put(f, 22, 0x3ffe250102001fff, 8), put(f, 30, 7, 8);
  put(f, 38, 0x3ffe250102000003, 8), put(f, 46, 1, 8);
  put(f, 54, 2794, 2), put(f, 56, 1766, 2), put(f, 66, 0x5010, 2), put(f, 70, 0, 4);
  put(f, 70, ~sum(f, 54, f.size(), sum(f, 22, 54, 6 + 26)) & 0xFFFF, 2);
  return f;
}
inline Octets tagged(Octets f, u16 tci) {
  f.insert(f.begin() + 12, 4, std::byte{0});
  put(f, 12, 0x8100, 2), put(f, 14, tci, 2);
  return f;
}

// ---- The rig ------------------------------------------------------------------------------------------------------

class TestWire final : public sim::WireEnd {
 public:
  bool transmit(std::span<const std::byte> f) noexcept override {
    if (out.size() >= capacity) return false;
    out.emplace_back(f.begin(), f.end());
    return true;
  }
  std::span<const std::byte> front() noexcept override {
    return in.empty() ? std::span<const std::byte>{} : std::span<const std::byte>(in.front());
  }
  void consume() noexcept override { in.pop_front(); }
  bool link() const noexcept override { return up; }
  std::deque<Octets> in, out;
  std::size_t capacity = ~std::size_t{0};
  bool up = true;
};

/// Memory that the device reaches.
class Memory {
 public:
  static constexpr std::size_t kBytes = 8 << 20;
  explicit Memory(sim::Iommu& iommu) : iommu_(iommu), at_(static_cast<std::byte*>(std::aligned_alloc(4096, kBytes))) {
    std::memset(at_, 0, kBytes);
    bus_.push_back(iommu.try_map(at_, kBytes).value());
  }
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  ~Memory() {
    iommu_.unmap(bus_[0], kBytes);
    std::free(at_);
  }
  [[nodiscard]] u64 bus(std::size_t offset) const { return bus_[0].value() + offset; }
  [[nodiscard]] std::byte* at(std::size_t offset) const { return at_ + offset; }
  [[nodiscard]] u64 q(std::size_t offset) const {
    return __atomic_load_n(reinterpret_cast<const u64*>(at_ + offset), __ATOMIC_ACQUIRE);
  }
  void set_q(std::size_t offset, u64 v) { __atomic_store_n(reinterpret_cast<u64*>(at_ + offset), v, __ATOMIC_RELEASE); }

 private:
  sim::Iommu& iommu_;
  std::byte* at_;
  std::vector<BusAddr> bus_;
};

// ---- A model and what is around it ----------------------------------------------------------------------------------

/// What every test of a model needs. Whoever derives from it makes the model.
template <class Model>
class ModelRig : public testing::Test {
 protected:
  void TearDown() override {
    for (const sim::Fault& f : faults.faults()) ADD_FAILURE() << "unexpected: " << f.text();
  }
  u32 r(u64 at) { return model->read(at); }
  void w(u64 at, u32 v) { model->write(at, v); }
  void set(u64 at, u32 bits) { w(at, r(at) | bits); }
  void clear(u64 at, u32 bits) { w(at, r(at) & ~bits); }
  /// The one fault there must be; forgets it.
  void expect_fault(sim::FaultKind kind, const std::string& where) {
    EXPECT_EQ(faults.count(), 1u) << where << " was to fail";
    for (const sim::Fault& f : faults.faults()) {
      EXPECT_EQ(f.kind, kind) << f.text();
      EXPECT_EQ(f.where, where) << f.text();
      EXPECT_FALSE(f.rule.empty());
    }
    faults.clear();
  }
  void arrive(Octets f) {
    wire.in.push_back(std::move(f));
    (void)model->step();
  }

  sim::VirtualClock clock;
  sim::Iommu iommu;
  sim::FaultLog faults;
  TestWire wire;
  Memory memory{iommu};
  std::unique_ptr<Model> model;
};

// ---- Advanced transmit descriptors ----------------------------------------------------------------------------------

constexpr u32 kDextData = 0x20300000, kEop = 1u << 24, kIfcs = 1u << 25, kRs = 1u << 27, kVle = 1u << 30,
              kTse = 1u << 31;
constexpr u32 kPlain = kDextData | kEop | kIfcs | kRs;

/// The second half of a data descriptor.
constexpr u64 tx_data(std::size_t length, u32 dcmd, u64 paylen, u32 popts = 0, u32 idx = 0) {
  return length | dcmd | (paylen << 14 | popts << 8 | idx << 4) << 32;
}
struct TxContext {
  u32 mac = 14, ip = 20, l4 = 0, mss = 0, l4t = 1, vlan = 0, idx = 0;
  bool ipv4 = false;
  [[nodiscard]] u64 first() const { return ip | mac << 9 | vlan << 16; }
  [[nodiscard]] u64 second() const {
    return u64{0x20200000u | (ipv4 ? 1u << 10 : 0) | l4t << 11} | u64{idx << 4 | l4 << 8 | mss << 16} << 32;
  }
};

}  // namespace model_rig

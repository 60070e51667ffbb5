// SPDX-License-Identifier: BSD-3-Clause
// Tests of receive metadata: what the models' NICs say of frames, through each driver.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <pollux/net/checksum.hpp>
#include <pollux/sim/offload.hpp>
#include <pollux/sim_port.hpp>

namespace {

using namespace pollux;
using Octets = std::vector<std::byte>;

/// The first flow of the RSS examples that every vendor prints: 66.9.149.187:2794 to 161.142.100.80:1766.
constexpr std::uint32_t kHashWithPorts = 0x51CC'C178, kHashWithoutPorts = 0x323E'8FC2;

struct Flaws {
  bool ipv4_checksum = false, l4_checksum = false;
  bool no_l4_checksum = false;  ///< UDP: 0
};
/// TCP or UDP over IPv4 to `destination`, 100 bytes of data.
Octets frame(const MacAddress& destination, std::uint8_t protocol, const Flaws& flaws = {}) {
  constexpr std::size_t kL3 = 14, kL4 = 34;
  const bool tcp = protocol == sim::kIpTcp;
  const std::size_t end = kL4 + (tcp ? 20 : 8) + 100;
  Octets f(end);
  std::copy_n(reinterpret_cast<const std::byte*>(destination.bytes.data()), 6, f.begin());
  f[6] = std::byte{2};
  sim::put16(f, 12, 0x0800);
  sim::put16(f, kL3, 0x4500);
  sim::put16(f, kL3 + 2, static_cast<std::uint16_t>(end - kL3));
  sim::put16(f, kL3 + 8, static_cast<std::uint16_t>(64 << 8 | protocol));
  sim::put32(f, kL3 + 12, 66u << 24 | 9 << 16 | 149 << 8 | 187);
  sim::put32(f, kL3 + 16, 161u << 24 | 142 << 16 | 100 << 8 | 80);
  sim::put16(f, kL4, 2794);
  sim::put16(f, kL4 + 2, 1766);
  const std::size_t at = tcp ? kL4 + 16 : kL4 + 6;
  if (tcp) {
    sim::put16(f, kL4 + 12, 5 << 12);
  } else {
    sim::put16(f, kL4 + 4, static_cast<std::uint16_t>(end - kL4));
  }
  (void)sim::insert_checksum(f, kL3, kL4, kL3 + 10, false);
  sim::put16(f, at,
             checksum_finish(checksum_add(std::span(f).subspan(kL4), sim::pseudo_header_sum(f, sim::parse_frame(f)))));
  if (flaws.no_l4_checksum) sim::put16(f, at, 0);
  if (flaws.l4_checksum) f[end - 1] ^= std::byte{1};
  if (flaws.ipv4_checksum) f[kL3 + 11] ^= std::byte{1};
  return f;
}

template <class Sim>
class Metadata : public ::testing::Test {
 protected:
  using Port = SimPort<Sim>;
  using Meta = typename Port::RxMetadata;

  static typename Sim::Config config(bool wanted) {
    typename Sim::Config out;
    out.link_deadline = 0_ns;
    out.rss_hash = out.strip_vlan = wanted;
    return out;
  }
  void open(bool wanted = true) {
    port_.reset();
    port_ = std::make_unique<Port>(600, config(wanted), &cable_.b());
  }
  /// Receives `f`; its bytes are then in received().
  Meta tell(const Octets& f) {
    (void)cable_.a().transmit(f);
    for (int i = 0; i < 100; ++i) {
      (void)port_->step();
      Burst<4> burst(port_->pool());
      std::array<Meta, 4> meta;
      if (port_->rx_burst(burst, meta) == 0) continue;
      EXPECT_EQ(burst.size(), 1u);
      received_.assign(burst[0].bytes().begin(), burst[0].bytes().end());
      return meta[0];
    }
    ADD_FAILURE() << "nothing came";
    return {};
  }
  Meta tell_of(std::uint8_t protocol, const Flaws& flaws = {}) { return tell(frame(port_->mac(), protocol, flaws)); }
  static constexpr bool kIs82599 = std::is_same_v<Sim, Sim82599>;

  sim::Cable cable_;
  std::unique_ptr<Port> port_;
  Octets received_;
};
struct NameOf {
  template <class Sim>
  static std::string GetName(int) {
    return std::is_same_v<Sim, Sim82599> ? "E82599" : "E82574";
  }
};
using Sims = ::testing::Types<Sim82574, Sim82599>;
TYPED_TEST_SUITE(Metadata, Sims, NameOf);

TYPED_TEST(Metadata, VerdictsOnChecksums) {
  this->open();
  for (const std::uint8_t protocol : {sim::kIpTcp, sim::kIpUdp}) {
    const auto good = this->tell_of(protocol);
    EXPECT_EQ(good.ipv4_checksum(), ChecksumVerdict::kGood);
    EXPECT_EQ(good.l4_checksum(), ChecksumVerdict::kGood);
    const auto bad_ipv4 = this->tell_of(protocol, {.ipv4_checksum = true});
    EXPECT_EQ(bad_ipv4.ipv4_checksum(), ChecksumVerdict::kWrong);
    const auto bad_l4 = this->tell_of(protocol, {.l4_checksum = true});
    EXPECT_EQ(bad_l4.ipv4_checksum(), ChecksumVerdict::kGood);
    const bool doubtful = TestFixture::kIs82599 && protocol == sim::kIpUdp;  // its word on that cannot be relied on
    EXPECT_EQ(bad_l4.l4_checksum(), doubtful ? ChecksumVerdict::kUnchecked : ChecksumVerdict::kWrong);
  }
  EXPECT_NE(this->tell_of(sim::kIpUdp, {.no_l4_checksum = true}).l4_checksum(), ChecksumVerdict::kWrong);
  const auto arp = this->tell([&] {
    Octets f = frame(this->port_->mac(), sim::kIpTcp);
    sim::put16(f, 12, 0x0806);
    return f;
  }());
  EXPECT_EQ(arp.ipv4_checksum(), ChecksumVerdict::kUnchecked);
  EXPECT_EQ(arp.l4_checksum(), ChecksumVerdict::kUnchecked);
  EXPECT_EQ(arp.headers(), HeaderSet{});
  EXPECT_FALSE(arp.timestamped());
}

TYPED_TEST(Metadata, HashesAndHeaders) {
  this->open();
  const auto tcp = this->tell_of(sim::kIpTcp), udp = this->tell_of(sim::kIpUdp);
  EXPECT_EQ(tcp.rss_hash(), kHashWithPorts);
  EXPECT_EQ(udp.rss_hash(), kHashWithoutPorts);
  if (TestFixture::kIs82599) {
    EXPECT_EQ(tcp.headers().bits, HeaderSet::kIpv4 | HeaderSet::kTcp);
    EXPECT_TRUE(udp.headers().has(HeaderSet::kIpv4 | HeaderSet::kUdp));
  } else {
    EXPECT_EQ(tcp.headers(), HeaderSet{}) << "the 82574 tells of none";
  }
}

TYPED_TEST(Metadata, TakesTagsOutOfFramesWhenAskedTo) {
  for (const bool strip : {false, true}) {
    this->open(strip);
    Octets tagged = frame(this->port_->mac(), sim::kIpTcp);
    const Octets plain = tagged;
    sim::insert_vlan(tagged, 0x8100, 0x6123);
    const auto meta = this->tell(tagged);
    EXPECT_EQ(this->received_, strip ? plain : tagged);
    EXPECT_EQ(meta.vlan().value_or(0), strip ? 0x6123 : 0);
    EXPECT_EQ(this->tell(plain).vlan(), std::nullopt);
    EXPECT_EQ(this->received_, plain);
    EXPECT_EQ(meta.rss_hash(), strip ? std::optional(kHashWithPorts) : std::nullopt) << "hashed only when asked to";
  }
}

}  // namespace

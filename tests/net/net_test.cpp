// SPDX-License-Identifier: BSD-3-Clause
// Tests of net: packets and bursts, addresses, names, checksums, headers, AnyPort over a loopback port, captures.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <pollux/dma/pool.hpp>
#include <pollux/net/any_port.hpp>
#include <pollux/net/burst.hpp>
#include <pollux/net/checksum.hpp>
#include <pollux/net/headers.hpp>
#include <pollux/net/mac.hpp>
#include <pollux/net/packet.hpp>
#include <pollux/net/pcap.hpp>
#include <pollux/net/port.hpp>
#include <pollux/net/spec.hpp>
#include <pollux/net/start_stop.hpp>

namespace {

using namespace pollux;

// ---- Packet and Burst ---------------------------------------------------------------------------------------------

TEST(Packets, AreSmallPlainValues) {
  EXPECT_EQ(sizeof(Packet), 16u);
  EXPECT_TRUE(std::is_trivially_copyable_v<Packet> && std::is_trivially_destructible_v<Packet>);
  std::array<std::byte, 8> memory{};
  const Packet p{.data = memory.data(), .id = 1, .length = 5, .flags = Packet::kMore};
  EXPECT_EQ(p.bytes().data(), memory.data());
  EXPECT_EQ(p.bytes().size(), 5u);
  EXPECT_TRUE(p.more());
  EXPECT_FALSE(Packet{}.more());
}

class Bursts : public ::testing::Test {
 protected:
  static constexpr std::uint32_t kCount = 300;
  HostDomain host;
  BufferPool pool{host, kCount, 256, PagePreference::kOrdinary};
};

TEST_F(Bursts, StartEmpty) {
  Burst<8> b(pool);
  EXPECT_TRUE(b.empty());
  EXPECT_EQ(b.size(), 0u);
  EXPECT_EQ(b.room(), 8u);
  EXPECT_EQ(b.capacity(), 8u);
  EXPECT_EQ(&b.pool(), &pool);
  EXPECT_EQ(b.begin(), b.end());
}

TEST_F(Bursts, AllocatePacketsFromThePool) {
  Burst<8> b(pool);
  EXPECT_EQ(b.allocate(3, 60), 3u);
  EXPECT_EQ(b.size(), 3u);
  EXPECT_EQ(b.room(), 5u);
  EXPECT_EQ(pool.free_count(), kCount - 3);
  for (const Packet& p : b) {
    EXPECT_EQ(p.data, pool.data(p.id));
    EXPECT_EQ(p.length, 60u);
    EXPECT_EQ(p.flags, 0u);
  }
  EXPECT_NE(b[0].id, b[1].id);
}

TEST_F(Bursts, AllocateNoMoreThanTheyHold) {
  Burst<8> b(pool);
  EXPECT_EQ(b.allocate(100, 60), 8u);
  EXPECT_EQ(b.room(), 0u);
  EXPECT_EQ(b.allocate(1, 60), 0u);
  EXPECT_EQ(pool.free_count(), kCount - 8);
}

TEST_F(Bursts, AllocateNoMoreThanAShortPoolHas) {
  Burst<kCount> most(pool);
  ASSERT_EQ(most.allocate(kCount - 3, 60), kCount - 3);
  Burst<8> b(pool);
  EXPECT_EQ(b.allocate(8, 60), 3u);
  EXPECT_EQ(b.size(), 3u);
  EXPECT_EQ(pool.free_count(), 0u);
  EXPECT_EQ(b.allocate(1, 60), 0u);
}

TEST_F(Bursts, MayBeLimitedBelowTheirSize) {
  Burst<32> b(pool, 5);
  EXPECT_EQ(b.capacity(), 5u);
  EXPECT_EQ(b.allocate(32, 60), 5u);
  Burst<32> none(pool, 0);
  EXPECT_EQ(none.allocate(1, 60), 0u);
}

TEST_F(Bursts, GiveEverythingBackWhenTheyEnd) {
  for (const std::uint32_t n : {0u, 1u, 63u, 64u, 65u, 128u, 200u}) {  // around the pieces in which ids are gathered
    {
      Burst<200> b(pool);
      ASSERT_EQ(b.allocate(n, 60), n);
      ASSERT_EQ(pool.free_count(), kCount - n);
    }
    ASSERT_EQ(pool.free_count(), kCount) << n;
  }
  Burst<kCount> all(pool);  // each buffer exactly once
  ASSERT_EQ(all.allocate(kCount, 60), kCount);
  std::vector<std::uint32_t> ids;
  for (const Packet& p : all) ids.push_back(p.id);
  std::sort(ids.begin(), ids.end());
  for (std::uint32_t i = 0; i < kCount; ++i) ASSERT_EQ(ids[i], i);
}

TEST_F(Bursts, TakeAppendedPacketsAtTheBack) {
  Burst<4> from(pool);
  ASSERT_EQ(from.allocate(2, 60), 2u);
  Burst<4> to(pool);
  ASSERT_EQ(to.allocate(1, 100), 1u);
  for (const Packet& p : from) to.append(p);
  from.forget_front(2);
  EXPECT_EQ(from.size(), 0u);
  EXPECT_EQ(to.size(), 3u);
  EXPECT_EQ(to[0].length, 100u);
  EXPECT_EQ(to[2].length, 60u);
  EXPECT_EQ(pool.free_count(), kCount - 3);
  to.clear();
  EXPECT_EQ(pool.free_count(), kCount);
}

TEST_F(Bursts, ForgetPacketsThatHaveANewOwner) {
  std::uint32_t kept = 0;
  {
    Burst<4> b(pool);
    ASSERT_EQ(b.allocate(3, 60), 3u);
    kept = b[0].id;
    b.forget_front(1);
  }
  EXPECT_EQ(pool.free_count(), kCount - 1);
  pool.give({&kept, 1});
}

TEST_F(Bursts, DropFromTheFront) {
  Burst<200> b(pool);
  ASSERT_EQ(b.allocate(200, 60), 200u);
  const std::uint32_t next = b[130].id;
  b.drop_front(130);
  EXPECT_EQ(b.size(), 70u);
  EXPECT_EQ(b[0].id, next);
  EXPECT_EQ(pool.free_count(), kCount - 70);
  b.drop_front(0);
  EXPECT_EQ(b.size(), 70u);
}

TEST_F(Bursts, RunFromBeginToEndAfterAPartWasTaken) {
  Burst<8> b(pool);
  ASSERT_EQ(b.allocate(6, 60), 6u);
  for (std::uint32_t i = 0; i < 6; ++i) b[i].length = static_cast<std::uint16_t>(100 + i);
  b.drop_front(2);
  EXPECT_EQ(b.end() - b.begin(), 4);
  std::uint16_t expected = 102;
  for (const Packet& p : b) EXPECT_EQ(p.length, expected++);
  EXPECT_EQ(b[0].length, 102u);
  EXPECT_EQ(b[3].length, 105u);
}

TEST_F(Bursts, HaveTheirWholeRoomBackOnceEmpty) {
  Burst<8> b(pool);
  ASSERT_EQ(b.allocate(8, 60), 8u);
  b.drop_front(7);
  EXPECT_EQ(b.size(), 1u);
  b.drop_front(1);
  EXPECT_EQ(b.room(), 8u);
  ASSERT_EQ(b.allocate(8, 60), 8u);
  const std::vector<std::uint32_t> ids{b[0].id, b[1].id, b[2].id, b[3].id, b[4].id, b[5].id, b[6].id, b[7].id};
  b.forget_front(8);
  EXPECT_EQ(b.room(), 8u);
  pool.give(ids);
}

TEST_F(Bursts, HaveOneOwnerOnly) {
  EXPECT_FALSE(std::is_copy_constructible_v<Burst<8>> || std::is_copy_assignable_v<Burst<8>>);
  EXPECT_FALSE(std::is_move_constructible_v<Burst<8>> || std::is_move_assignable_v<Burst<8>>);
}

#ifndef NDEBUG
using BurstsDeathTest = Bursts;
TEST_F(BurstsDeathTest, RefuseMisuse) {
  Burst<2> b(pool);
  ASSERT_EQ(b.allocate(2, 60), 2u);
  EXPECT_DEATH(b.append(Packet{}), "full");
  EXPECT_DEATH((void)b[2], "no such packet");
  EXPECT_DEATH(b.forget_front(3), "no such packets");
  EXPECT_DEATH(b.drop_front(3), "no such packets");
  EXPECT_DEATH((void)b.allocate(1, 257), "longer than a buffer");
  EXPECT_DEATH(Burst<2>(pool, 3), "at most N");
}
#endif

// ---- MacAddress ---------------------------------------------------------------------------------------------------

TEST(MacAddresses, AreParsedAndPrinted) {
  const auto mac = MacAddress::try_parse("52:54:00:aB:Cd:0f");
  ASSERT_TRUE(mac);
  EXPECT_EQ(mac->bytes, (std::array<std::uint8_t, 6>{0x52, 0x54, 0x00, 0xAB, 0xCD, 0x0F}));
  EXPECT_EQ(mac->to_string(), "52:54:00:ab:cd:0f");
  EXPECT_EQ(MacAddress{}.to_string(), "00:00:00:00:00:00");
  EXPECT_EQ(MacAddress::try_parse(MacAddress::broadcast().to_string()), MacAddress::broadcast());
}

TEST(MacAddresses, AreRefusedWhenMalformed) {
  for (const char* bad :
       {"", "52:54:00:12:34", "52:54:00:12:34:5", "52:54:00:12:34:567", "52:54:00:12:34:56:", "52-54-00-12-34-56",
        "525400:12:34:56::", "52:54:00:12:34:5g", "52:54:00:12:34: 5", " 52:54:00:12:34:56", "52:54:00:12:34:56\n",
        "52:54:00:12.34:56", "+2:54:00:12:34:56", "0x52:54:00:12:34:", "5:254:00:12:34:56"}) {
    EXPECT_FALSE(MacAddress::try_parse(bad)) << bad;
  }
  EXPECT_FALSE(MacAddress::try_parse(std::string_view("52:54:00:12:34:5\0", 17)));
}

TEST(MacAddresses, KnowTheirKind) {
  EXPECT_TRUE(MacAddress::broadcast().is_multicast());
  EXPECT_TRUE((MacAddress{{0x01, 0x00, 0x5E, 0, 0, 1}}.is_multicast()));
  EXPECT_FALSE((MacAddress{{0x52, 0xFF, 0xFF, 0, 0, 1}}.is_multicast()));
  EXPECT_TRUE(MacAddress{}.is_zero());
  EXPECT_FALSE((MacAddress{{0, 0, 0, 0, 0, 1}}.is_zero()));
}

TEST(MacAddresses, LieInTwoWordsWithTheFirstByteLowest) {
  const MacAddress mac{{0x52, 0x54, 0x00, 0x12, 0x34, 0xD6}};
  EXPECT_EQ(mac.low_word(), 0x1200'5452u);
  EXPECT_EQ(mac.high_word(), 0x0000'D634u);
  EXPECT_EQ(MacAddress::from_words(0x1200'5452, 0x0000'D634), mac);
  EXPECT_EQ(MacAddress::from_words(0x1200'5452, 0x8003'D634), mac);  // what else lies in the upper half is not theirs
  static_assert(MacAddress::from_words(0xFFFF'FFFF, 0xFFFF) == MacAddress::broadcast());
  static_assert(MacAddress::broadcast().high_word() == 0xFFFF && MacAddress{}.low_word() == 0);
}

TEST(MacAddresses, KeepEveryBitOnTheWayThroughTwoWords) {
  for (unsigned bit = 0; bit < 48; ++bit) {
    MacAddress mac;
    mac.bytes[bit / 8] = static_cast<std::uint8_t>(1u << bit % 8);
    const std::uint64_t words = mac.low_word() | std::uint64_t{mac.high_word()} << 32;
    EXPECT_EQ(words, std::uint64_t{1} << bit);
    EXPECT_EQ(MacAddress::from_words(mac.low_word(), mac.high_word()), mac) << bit;
  }
}

// ---- StartStop ----------------------------------------------------------------------------------------------------

struct StoppablePort {
  int stops = 0;
  void stop() noexcept { ++stops; }
};

TEST(AStart, ThatFailsInAnyStepEndsStopped) {
  StoppablePort port;
  try {
    StopUnlessUp guard(port);
    EXPECT_EQ(port.stops, 0);
    raise({.code = ETIMEDOUT, .operation = "start", .object = "a port", .where = {}, .remedy = {}});
  } catch (const Error&) { EXPECT_EQ(port.stops, 1); }
}

TEST(AStart, ThatSucceedsStaysStarted) {
  StoppablePort port;
  {
    StopUnlessUp guard(port);
    guard.up();
  }
  EXPECT_EQ(port.stops, 0);
}

// ---- PortSpec -----------------------------------------------------------------------------------------------------

TEST(PortNames, SayKindAndObject) {
  EXPECT_EQ(PortSpec::parse("pci:0000:03:00.0").kind, PortKind::kPci);
  EXPECT_EQ(PortSpec::parse("pci:0000:03:00.0").object, "0000:03:00.0");
  EXPECT_EQ(PortSpec::parse("packet:eth0").kind, PortKind::kPacketSocket);
  EXPECT_EQ(PortSpec::parse("packet:eth0").object, "eth0");
}

TEST(PortNames, OfEveryKindHaveAnExampleThatParsesAsThatKind) {
  for (const PortSpec::Entry& entry : PortSpec::kKinds) {
    EXPECT_EQ(PortSpec::parse(entry.example).kind, entry.kind) << entry.example;
    EXPECT_EQ(entry.example.substr(0, entry.prefix.size()), entry.prefix);
  }
}

TEST(PortNames, ThatAreWrongAreAnsweredWithTheKindsThereAre) {
  for (const char* bad : {"", ":", "pci", "pci:", "packet:", ":eth0", "PCI:0000:03:00.0", "pc:0000:03:00.0", "pcix:1",
                          " pci:1", "eth0"}) {
    try {
      (void)PortSpec::parse(bad);
      ADD_FAILURE() << "'" << bad << "' was taken";
    } catch (const Error& e) {
      EXPECT_EQ(e.code().value(), EINVAL);
      const std::string text = e.what();
      EXPECT_NE(text.find("'" + std::string(bad) + "'"), std::string::npos) << text;
      for (const PortSpec::Entry& entry : PortSpec::kKinds) {
        EXPECT_NE(text.find(entry.example), std::string::npos) << text;
      }
    }
  }
}

// ---- Checksum -----------------------------------------------------------------------------------------------------

std::vector<std::byte> bytes_of(std::initializer_list<unsigned> values) {
  std::vector<std::byte> out;
  for (const unsigned v : values) out.push_back(static_cast<std::byte>(v));
  return out;
}

TEST(Checksum, MatchesTheExampleOfRfc1071) {
  const auto data = bytes_of({0x00, 0x01, 0xF2, 0x03, 0xF4, 0xF5, 0xF6, 0xF7});
  EXPECT_EQ(checksum_add(data), 0x2DDF0u);
  EXPECT_EQ(internet_checksum(data), static_cast<std::uint16_t>(~0xDDF2u));
}

TEST(Checksum, MatchesAKnownIpv4Header) {
  auto header = bytes_of({0x45, 0x00, 0x00, 0x73, 0x00, 0x00, 0x40, 0x00, 0x40, 0x11,
                          0x00, 0x00, 0xC0, 0xA8, 0x00, 0x01, 0xC0, 0xA8, 0x00, 0xC7});
  EXPECT_EQ(internet_checksum(header), 0xB861u);
  header[10] = std::byte{0xB8};
  header[11] = std::byte{0x61};
  EXPECT_EQ(internet_checksum(header), 0u);  // a header with its checksum in place sums to zero
}

TEST(Checksum, TakesAnOddLastByteAsTheHighHalfOfAWord) {
  EXPECT_EQ(checksum_add(bytes_of({0x12, 0x34, 0x56})), 0x1234u + 0x5600u);
  EXPECT_EQ(internet_checksum(bytes_of({0x01})), 0xFEFFu);
  EXPECT_EQ(internet_checksum({}), 0xFFFFu);
}

TEST(Checksum, OfPartsOfEvenLengthAddUp) {
  std::vector<std::byte> data;
  for (unsigned i = 0; i < 1501; ++i) data.push_back(static_cast<std::byte>(i * 37 + 11));
  const std::span<const std::byte> all(data);
  for (const std::size_t cut : {0u, 2u, 20u, 748u, 1500u}) {
    EXPECT_EQ(checksum_finish(checksum_add(all.subspan(cut), checksum_add(all.first(cut)))), internet_checksum(all));
  }
}

TEST(Checksum, FoldsEveryCarry) {
  EXPECT_EQ(checksum_finish(0xFFFF'FFFF), 0u);
  EXPECT_EQ(checksum_finish(0x1'0000), 0xFFFEu);
  EXPECT_EQ(checksum_finish(0x1'FFFF), 0xFFFEu);  // 0xFFFF + 1 carries once more
  const std::vector<std::byte> ones(200'000, std::byte{0xFF});
  EXPECT_EQ(internet_checksum(ones), 0u);
}

// ---- Headers ------------------------------------------------------------------------------------------------------

template <class H>
auto image(const H& h) {
  return std::bit_cast<std::array<std::uint8_t, sizeof(H)>>(h);
}

TEST(Headers, LieAsOnTheWire) {
  const EthernetHeader eth{
      .destination = {{1, 2, 3, 4, 5, 6}}, .source = {{7, 8, 9, 10, 11, 12}}, .type = std::uint16_t{0x88A4}};
  EXPECT_EQ(image(eth), (std::array<std::uint8_t, 14>{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0x88, 0xA4}));
  const VlanTag tag{.tpid = std::uint16_t{0x8100}, .tci = std::uint16_t{0x2064}};
  EXPECT_EQ(image(tag), (std::array<std::uint8_t, 4>{0x81, 0x00, 0x20, 0x64}));
  const EtherCatHeader ecat{.length_type = std::uint16_t{0x100E}};
  EXPECT_EQ(image(ecat), (std::array<std::uint8_t, 2>{0x0E, 0x10}));
  const EtherCatDatagram datagram{.command = 7,
                                  .index = 0x80,
                                  .slave_address = std::uint16_t{0x1234},
                                  .offset = std::uint16_t{0x0130},
                                  .length_more = std::uint16_t{0x8002},
                                  .interrupt = std::uint16_t{0}};
  EXPECT_EQ(image(datagram), (std::array<std::uint8_t, 10>{7, 0x80, 0x34, 0x12, 0x30, 0x01, 0x02, 0x80, 0, 0}));
}

TEST(Headers, AreLoadedAndStoredAtAnyAddress) {
  std::array<std::byte, 32> frame{};
  const EthernetHeader eth{
      .destination = MacAddress::broadcast(), .source = {{2, 0, 0, 0, 0, 1}}, .type = std::uint16_t{0x0800}};
  store_header(frame.data() + 3, eth);
  EXPECT_EQ(frame[2], std::byte{0});
  EXPECT_EQ(frame[17], std::byte{0});
  const auto back = load_header<EthernetHeader>(frame.data() + 3);
  EXPECT_EQ(back.destination, MacAddress::broadcast());
  EXPECT_EQ(back.source, eth.source);
  EXPECT_EQ(back.type, 0x0800u);
}

TEST(Headers, SwapAddressesExchangesTheTwoAndNothingElse) {
  std::array<std::byte, 16> frame{};
  for (std::size_t i = 0; i < 16; ++i) frame[i] = static_cast<std::byte>(i);
  swap_addresses(frame.data());
  const auto expected = bytes_of({6, 7, 8, 9, 10, 11, 0, 1, 2, 3, 4, 5, 12, 13, 14, 15});
  EXPECT_TRUE(std::equal(frame.begin(), frame.end(), expected.begin()));
}

// ---- AnyPort over the smallest port there is ----------------------------------------------------------------------

/// The archetype of PollModePort: exactly what the concept asks for. Frames sent come back on the next look.
class LoopbackPort {
 public:
  explicit LoopbackPort(BufferStore& pool) : pool_(&pool) {}
  LoopbackPort(const LoopbackPort&) = delete;
  LoopbackPort& operator=(const LoopbackPort&) = delete;
  ~LoopbackPort() {
    for (const Packet& p : wire_) pool_->give({&p.id, 1});
  }

  std::uint32_t rx_burst(PacketBurst& burst) noexcept {
    std::uint32_t n = 0;
    for (; burst.room() > 0 && n < visible_; ++n) {
      burst.append(wire_.front());
      wire_.pop_front();
    }
    visible_ -= n;
    rx_ += n;
    return n;
  }
  std::uint32_t tx_burst(PacketBurst& burst) noexcept {
    const auto n = std::min<std::uint32_t>(burst.size(), kRoom - static_cast<std::uint32_t>(wire_.size()));
    wire_.insert(wire_.end(), burst.begin(), burst.begin() + n);
    burst.forget_front(n);
    tx_ += n;
    return n;
  }
  void commit() noexcept { visible_ = static_cast<std::uint32_t>(wire_.size()); }
  std::uint32_t reclaim() noexcept { return ++reclaims_; }
  LinkState link() { return {.up = true, .full_duplex = true, .speed_mbps = 40'000}; }
  PortStats stats() {
    PortStats out;
    out.rx_packets = rx_;
    out.tx_packets = tx_;
    return out;
  }
  [[nodiscard]] MacAddress mac() const { return {{2, 0, 0, 0, 0, 7}}; }
  [[nodiscard]] const char* name() const { return "loopback"; }
  [[nodiscard]] BufferStore& pool() const { return *pool_; }

  static constexpr std::uint32_t kRoom = 8;

 private:
  BufferStore* pool_;
  std::deque<Packet> wire_;
  std::uint32_t visible_ = 0;
  std::uint32_t reclaims_ = 0;
  std::uint64_t rx_ = 0;
  std::uint64_t tx_ = 0;
};
static_assert(PollModePort<LoopbackPort>);
static_assert(!PollModePort<int> && !PollModePort<BufferPool>);

struct LoopbackHolder {
  LoopbackPort owned;
  int* ends;
  LoopbackHolder(BufferStore& pool, int* count) : owned(pool), ends(count) {}
  LoopbackHolder(const LoopbackHolder&) = delete;
  LoopbackHolder& operator=(const LoopbackHolder&) = delete;
  ~LoopbackHolder() { ++*ends; }
  LoopbackPort& port() noexcept { return owned; }
  [[nodiscard]] std::string notes() const { return "a note"; }
};

class AnyPorts : public Bursts {
 protected:
  int ends = 0;
  AnyPort make() { return AnyPort(std::make_unique<LoopbackHolder>(pool, &ends)); }
};

TEST_F(AnyPorts, ForwardEveryCall) {
  AnyPort port = make();
  Burst<16> out(pool), in(pool);
  ASSERT_EQ(out.allocate(10, 60), 10u);
  const std::uint32_t first = out[0].id;
  EXPECT_EQ(port.tx_burst(out), LoopbackPort::kRoom);
  EXPECT_EQ(out.size(), 2u);  // what was not taken stays ours
  EXPECT_EQ(port.rx_burst(in), 0u);
  port.commit();
  EXPECT_EQ(port.rx_burst(in), 8u);
  EXPECT_EQ(in[0].id, first);
  EXPECT_EQ(port.reclaim(), 1u);
  EXPECT_EQ(port.reclaim(), 2u);
  EXPECT_EQ(port.link(), (LinkState{.up = true, .full_duplex = true, .speed_mbps = 40'000}));
  EXPECT_EQ(port.stats().rx_packets, 8u);
  EXPECT_EQ(port.stats().tx_packets, 8u);
  EXPECT_EQ(port.mac(), (MacAddress{{2, 0, 0, 0, 0, 7}}));
  EXPECT_EQ(port.name(), "loopback");
  EXPECT_EQ(&port.pool(), &pool);
  EXPECT_EQ(port.notes(), "a note");
}

TEST_F(AnyPorts, ThatCannotBeWaitedForSaySo) {
  AnyPort port = make();
  try {
    (void)port.open_waiter();
    FAIL() << "no error";
  } catch (const Error& e) {
    EXPECT_EQ(e.code().value(), ENOTSUP);
    EXPECT_STREQ(
        e.what(),
        "cannot wait for frames of loopback: this kind of port has no interrupts: Operation not supported; poll "
        "it; pci: and sim: ports can be waited for");
  }
}

struct CheckedPort : LoopbackPort {
  using LoopbackPort::LoopbackPort;
  [[nodiscard]] Result<Done> try_check() const {
    return Failure{
        .code = ENETDOWN, .operation = "send on", .object = name(), .where = "no link", .remedy = "plug it in"};
  }
};
struct CheckedHolder {
  explicit CheckedHolder(BufferStore& pool) : owned(pool) {}
  CheckedPort owned;
  CheckedPort& port() noexcept { return owned; }
  [[nodiscard]] std::string notes() const { return {}; }
};
TEST_F(AnyPorts, TellWhyNothingMovesWhereThePortKnows) {
  EXPECT_TRUE(make().try_check());
  AnyPort port(std::make_unique<CheckedHolder>(pool));
  const auto seen = port.try_check();
  ASSERT_FALSE(seen);
  EXPECT_EQ(seen.failure().code, ENETDOWN);
}

TEST_F(AnyPorts, OwnThePortAndEndItOnce) {
  {
    std::vector<AnyPort> ports;
    ports.push_back(make());
    ports.push_back(make());
    Burst<16> out(pool);
    ASSERT_EQ(out.allocate(5, 60), 5u);
    ASSERT_EQ(ports[1].tx_burst(out), 5u);
    AnyPort moved = std::move(ports[1]);
    ports.pop_back();
    EXPECT_EQ(ends, 0);
    EXPECT_EQ(moved.stats().tx_packets, 5u);
    ports.clear();
    EXPECT_EQ(ends, 1);
    EXPECT_EQ(pool.free_count(), kCount - 5);
  }
  EXPECT_EQ(ends, 2);
  EXPECT_EQ(pool.free_count(), kCount);  // what the port still held came back with it
}

// ---- Captures -----------------------------------------------------------------------------------------------------

using Frame = std::vector<std::byte>;

class Captures : public ::testing::Test {
 protected:
  Captures() {
    std::string pattern = (std::filesystem::temp_directory_path() / "pollux-net-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("no temporary directory");
    dir_ = pattern;
  }
  ~Captures() override { std::filesystem::remove_all(dir_); }

  [[nodiscard]] std::string path() const { return dir_ + "/capture"; }

  /// A classic capture written by libpcap; frames are cut to `snap` bytes.
  std::string write(const std::vector<Frame>& frames, int link_type = DLT_EN10MB, std::uint32_t snap = 65'535) const {
    pcap_t* const dead = ::pcap_open_dead(link_type, static_cast<int>(snap));
    pcap_dumper_t* const out = ::pcap_dump_open(dead, path().c_str());
    for (const Frame& frame : frames) {
      const auto length = static_cast<std::uint32_t>(frame.size());
      const pcap_pkthdr header{.ts = {}, .caplen = std::min(length, snap), .len = length};
      ::pcap_dump(reinterpret_cast<u_char*>(out), &header, reinterpret_cast<const u_char*>(frame.data()));
    }
    ::pcap_dump_close(out);
    ::pcap_close(dead);
    return path();
  }
  [[nodiscard]] std::string write_bytes(const std::vector<std::byte>& bytes) const {
    std::ofstream(path(), std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    return path();
  }

  static Frame frame(std::size_t size, unsigned seed) {
    Frame out(size);
    for (std::size_t i = 0; i < size; ++i) out[i] = static_cast<std::byte>(i * 31 + seed);
    return out;
  }
  static std::string why(const std::string& file) {
    try {
      (void)read_capture(file);
    } catch (const Error& e) {
      EXPECT_EQ(e.failure().operation, "read capture");
      EXPECT_EQ(e.failure().object, file);
      return e.what();
    }
    return "no error";
  }

 private:
  std::string dir_;
};
#define EXPECT_HAS(text, part) EXPECT_NE((text).find(part), std::string::npos) << (text)

TEST_F(Captures, AreReadFrameByFrame) {
  const std::vector<Frame> frames{frame(60, 1), frame(1514, 2), frame(61, 3)};
  EXPECT_EQ(read_capture(write(frames)), frames);
}

TEST_F(Captures, ThatEndWithinAFrameAreRefusedWithItsNumber) {
  const std::string file = write({frame(60, 1), frame(60, 2), frame(60, 3)});
  std::filesystem::resize_file(file, std::filesystem::file_size(file) - 1);
  const std::string text = why(file);
  EXPECT_HAS(text, "frame 3");
  EXPECT_HAS(text, "truncated");
}

TEST_F(Captures, ThatEndWithinTheFileHeaderAreRefused) {
  const std::string file = write({frame(60, 1)});
  for (const std::uintmax_t size : {0u, 3u, 23u}) {
    std::filesystem::resize_file(file, size);
    EXPECT_HAS(why(file), "tcpdump -w");
  }
}

TEST_F(Captures, OfAnotherLinkTypeAreRefused) { EXPECT_HAS(why(write({frame(60, 1)}, DLT_RAW)), "Ethernet"); }

TEST_F(Captures, WithoutAFrameAreRefused) { EXPECT_HAS(why(write({})), "no frame in it"); }

TEST_F(Captures, OfCutFramesAreRefusedWithTheCommandThatCutsNone) {
  const std::string text = why(write({frame(60, 1), frame(200, 2)}, DLT_EN10MB, 96));
  EXPECT_HAS(text, "frame 2 was cut to 96 of 200 bytes");
  EXPECT_HAS(text, "tcpdump -s 0");
}

TEST_F(Captures, ThatAreMissingAreRefusedWithTheReason) {
  const std::string text = why(path());
  EXPECT_HAS(text, "No such file or directory");
}

TEST_F(Captures, ThatAreNoCaptureAreRefused) {
  EXPECT_HAS(why(write_bytes(frame(100, 9))), "expected a pcap or pcapng file");
}

/// A pcapng file by hand: section header, one interface, one enhanced packet block per frame.
std::vector<std::byte> pcapng(const std::vector<Frame>& frames, bool big_endian, std::uint16_t link_type = 1) {
  std::vector<std::byte> out;
  const auto put = [&](std::uint64_t value, unsigned size) {
    for (unsigned i = 0; i < size; ++i) {
      const unsigned shift = 8 * (big_endian ? size - 1 - i : i);
      out.push_back(static_cast<std::byte>(value >> shift));
    }
  };
  const auto block = [&](std::uint32_t type, std::uint32_t body_bytes, auto&& body) {
    put(type, 4), put(body_bytes + 12, 4);
    body();
    put(body_bytes + 12, 4);
  };
  block(0x0A0D'0D0A, 16, [&] { put(0x1A2B'3C4D, 4), put(1, 2), put(0, 2), put(~0ull, 8); });
  block(1, 8, [&] { put(link_type, 2), put(0, 2), put(0, 4); });
  for (const Frame& frame : frames) {
    const auto size = static_cast<std::uint32_t>(frame.size());
    const std::uint32_t padded = (size + 3) / 4 * 4;
    block(6, 20 + padded, [&] {
      put(0, 4), put(0, 8), put(size, 4), put(size, 4);
      out.insert(out.end(), frame.begin(), frame.end());
      put(0, padded - size);
    });
  }
  return out;
}

TEST_F(Captures, InPcapngAreReadInEitherByteOrder) {
  const std::vector<Frame> frames{frame(60, 1), frame(61, 2), frame(1514, 3)};
  EXPECT_EQ(read_capture(write_bytes(pcapng(frames, false))), frames);
  EXPECT_EQ(read_capture(write_bytes(pcapng(frames, true))), frames);
}

TEST_F(Captures, InPcapngAreRefusedForTheSameReasons) {
  EXPECT_HAS(why(write_bytes(pcapng({}, false))), "no frame in it");
  EXPECT_HAS(why(write_bytes(pcapng({frame(60, 1)}, false, 101))), "Ethernet");
  auto cut = pcapng({frame(60, 1), frame(60, 2)}, false);
  cut.erase(cut.end() - 10, cut.end());
  EXPECT_HAS(why(write_bytes(cut)), "frame 2");
}

TEST_F(Captures, LeaveNoFileOpen) {
  const auto open_files = [] {
    return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), std::filesystem::directory_iterator{});
  };
  const auto before = open_files();
  const std::string good = write({frame(60, 1)});
  EXPECT_EQ(read_capture(good).size(), 1u);
  std::filesystem::resize_file(good, 60);
  EXPECT_THROW((void)read_capture(good), Error);
  EXPECT_THROW((void)read_capture(write({}, DLT_RAW)), Error);
  EXPECT_EQ(open_files(), before);
}

}  // namespace

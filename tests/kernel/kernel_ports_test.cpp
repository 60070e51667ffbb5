// SPDX-License-Identifier: BSD-3-Clause
// One body of tests over every port to a kernel interface, each with a PacketSocket at the other end of a veth pair.
#include <gtest/gtest.h>

#include <csignal>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace counted {
inline std::uint64_t calls = 0;  ///< system calls that went through the library's seam
}
#define POLLUX_SYSCALL(name) (++::counted::calls, ::name)

#include <pollux/dma/pool.hpp>
#include <pollux/kernel/packet_mmap.hpp>
#include <pollux/kernel/packet_mmsg.hpp>
#include <pollux/kernel/packet_socket.hpp>
#if defined(POLLUX_WITH_LIBXDP)
#include <pollux/kernel/af_xdp.hpp>
#endif

#include "veth.hpp"

namespace {

using namespace pollux::literals;
using pollux::BufferPool;
using pollux::Burst;
using pollux::Error;
using pollux::HostDomain;
using pollux::Packet;
using pollux::PacketBurst;
using pollux::PacketConfig;
using pollux::PacketMmap;
using pollux::PacketMmsg;
using pollux::PacketSocket;
using pollux::PagePreference;
using namespace veth;  // NOLINT: this file is about it

// ---- the ports ------------------------------------------------------------------------------------------------------

struct Wishes {
  bool promiscuous = false;
  bool small = false;  ///< the smallest rings and buffers there are
  pollux::Nanos link_deadline = 5_s;
};

PacketConfig packet_config(const Wishes& wishes) {
  PacketConfig out{.promiscuous = wishes.promiscuous, .link_deadline = wishes.link_deadline};
  if (wishes.small) out.buffer_bytes = 4096;
  return out;
}

/// How each port is opened, and in what they differ by nature.
template <class P>
struct Kind {  // PacketSocket and PacketMmsg
  static constexpr const char* kPrefix = std::is_same_v<P, PacketSocket> ? "packet:" : "packet-mmsg:";
  static std::unique_ptr<P> open(const std::string& interface, BufferPool& pool, const Wishes& wishes) {
    return std::make_unique<P>(interface, pool, packet_config(wishes));
  }
};
template <>
struct Kind<PacketMmap> {
  static constexpr const char* kPrefix = "packet-mmap:";
  static std::unique_ptr<PacketMmap> open(const std::string& interface, BufferPool& pool, const Wishes& wishes) {
    pollux::PacketMmapConfig config{.common = packet_config(wishes)};
    if (wishes.small) {
      config.common.buffer_bytes = 8 << 20;
      config.rx_block_bytes = 4096;
      config.rx_blocks = 2;
      config.tx_slots = 4;
    }
    return std::make_unique<PacketMmap>(interface, pool, config);
  }
};
#if defined(POLLUX_WITH_LIBXDP)
using pollux::XdpConfig;
using pollux::XdpMode;
using pollux::XdpSocket;

template <XdpMode kMode>
struct XdpIn : XdpSocket {
  using XdpSocket::XdpSocket;
};
using XdpNative = XdpIn<XdpMode::kNative>;
using XdpGeneric = XdpIn<XdpMode::kGeneric>;
template <XdpMode kMode>
struct Kind<XdpIn<kMode>> {
  static constexpr const char* kPrefix = "xdp:";
  static std::unique_ptr<XdpIn<kMode>> open(const std::string& interface, BufferPool& pool, const Wishes& wishes) {
    XdpConfig config{.mode = kMode, .promiscuous = wishes.promiscuous, .link_deadline = wishes.link_deadline};
    if (wishes.small) config.rx_descriptors = config.tx_descriptors = 4;
    return std::make_unique<XdpIn<kMode>>(interface, pool, config);
  }
};
template <class P>
constexpr bool kIsXdp = std::is_base_of_v<XdpSocket, P>;
using Ports = testing::Types<PacketSocket, PacketMmsg, PacketMmap, XdpNative, XdpGeneric>;
#else
template <class P>
constexpr bool kIsXdp = false;
using Ports = testing::Types<PacketSocket, PacketMmsg, PacketMmap>;
#endif

struct Names {
  template <class P>
  static std::string GetName(int i) {
    if constexpr (std::is_same_v<P, PacketSocket>) return "PacketSocket";
    if constexpr (std::is_same_v<P, PacketMmsg>) return "PacketMmsg";
    if constexpr (std::is_same_v<P, PacketMmap>) return "PacketMmap";
    return i == 3 ? "XdpNative" : "XdpGeneric";
  }
};

const std::string& unavailable() {
  static const std::string why = enter_namespace();
  return why;
}

/// Adds a packet with these bytes to the burst.
void add(PacketBurst& burst, const Frame& bytes) {
  ASSERT_EQ(burst.allocate(1, static_cast<std::uint16_t>(bytes.size())), 1u);
  std::memcpy(burst[burst.size() - 1].data, bytes.data(), bytes.size());
}

template <class P>
struct KernelPorts : testing::Test {
  HostDomain host;
  BufferPool pool{host, 512, BufferPool::kDefaultBufferBytes, PagePreference::kOrdinary};
  std::unique_ptr<PacketSocket> peer;  ///< at plxa, unless a test says otherwise
  std::unique_ptr<P> port;             ///< at plxb

  /// Why this port cannot be had here.
  static const std::string& no_port() {
    static const std::string why = [] {
      if (!unavailable().empty()) return unavailable();
      try {
        HostDomain host;
        BufferPool pool(host, 4, BufferPool::kDefaultBufferBytes, PagePreference::kOrdinary);
        (void)Kind<P>::open("plxb", pool, {});
      } catch (const Error& error) {
        if (kIsXdp<P>) return std::string(error.what());  // in a user namespace, or a kernel without it
        throw;
      }
      return std::string();
    }();
    return why;
  }
  static void SetUpTestSuite() {
    if (!no_port().empty()) std::printf("skipping: %s\n", no_port().c_str());
  }
  void SetUp() override {
    if (!no_port().empty()) GTEST_SKIP() << no_port();
  }
  void TearDown() override {
    peer.reset();
    port.reset();
    EXPECT_EQ(pool.free_count(), pool.count()) << "buffers lost";
  }

  void open(const Wishes& wishes = {}, const std::string& here = "plxb", const std::string& there = "plxa") {
    peer = std::make_unique<PacketSocket>(there, pool);
    port = Kind<P>::open(here, pool, wishes);
  }
  /// What arrived at `at` before a marker that `from` sends last.
  template <class From, class At>
  std::vector<Frame> arrived(From& from, At& at) {
    EXPECT_EQ(send(from, kMarker), 1u);
    std::vector<Frame> out;
    (void)eventually([&] {
      for (Frame& f : receive(at, 1)) out.push_back(std::move(f));
      return !out.empty() && out.back() == kMarker;
    });
    if (!out.empty()) out.pop_back();
    return out;
  }
  /// Sends them all in bursts of `size`, however long the port takes to have room, and compares what arrives.
  template <class From, class At>
  void expect_carried(From& from, At& at, const std::vector<Frame>& frames, std::uint32_t size) {
    for (std::size_t next = 0; next < frames.size();) {
      Burst<64> burst(pool);
      const std::size_t first = next;
      for (; next < frames.size() && burst.size() < size; ++next) add(burst, frames[next]);
      ASSERT_TRUE(eventually([&] {
        (void)from.tx_burst(burst);
        return burst.empty();
      }));
      const std::vector<Frame> got = receive(at, next - first);
      ASSERT_EQ(got.size(), next - first);
      for (std::size_t i = 0; i < got.size(); ++i) ASSERT_EQ(got[i], frames[first + i]) << "frame " << first + i;
    }
  }
};
TYPED_TEST_SUITE(KernelPorts, Ports, Names);

std::vector<Frame> frames_of(std::size_t n, std::size_t length = 60) {
  std::vector<Frame> out;
  for (std::size_t i = 0; i < n; ++i) out.push_back(frame(length, static_cast<unsigned>(i)));
  return out;
}

// ---- frames over the cable ------------------------------------------------------------------------------------------

TYPED_TEST(KernelPorts, CarryFramesOfEveryLengthByteForByteInBothDirections) {
  this->open();
  std::vector<Frame> frames;
  for (std::size_t n = pollux::kMinFrame; n <= pollux::kMaxFrame; ++n) frames.push_back(frame(n, unsigned(n)));
  ASSERT_EQ(frames.size(), 1455u);
  this->expect_carried(*this->port, *this->peer, frames, 32);
  this->expect_carried(*this->peer, *this->port, frames, 32);
  std::uint64_t bytes = 0;
  for (const Frame& f : frames) bytes += f.size();
  const pollux::PortStats stats = this->port->stats();
  EXPECT_EQ(stats.tx_packets, frames.size());
  EXPECT_EQ(stats.tx_bytes, bytes);
  EXPECT_EQ(stats.rx_packets, frames.size());
  EXPECT_EQ(stats.rx_bytes, bytes);
  EXPECT_EQ(stats.tx_errors + stats.rx_missed + stats.rx_errors + stats.rx_rejected + stats.rx_no_buffer, 0u);
}

TYPED_TEST(KernelPorts, CarryBurstsOfEverySize) {
  this->open();
  for (std::uint32_t n = 1; n <= 64; ++n) {
    this->expect_carried(*this->port, *this->peer, frames_of(n, 60 + n), n);
    this->expect_carried(*this->peer, *this->port, frames_of(n, 60 + n), n);
  }
  EXPECT_TRUE(this->arrived(*this->peer, *this->port).empty());
  EXPECT_TRUE(this->arrived(*this->port, *this->peer).empty());
}

TYPED_TEST(KernelPorts, TakeABurstOfMoreThanOneCallCanCarry) {
  this->open();
  Burst<200> out(this->pool), in(this->pool);
  for (const Frame& f : frames_of(200)) add(out, f);
  EXPECT_EQ(this->port->tx_burst(out), 200u);
  std::vector<Frame> got = receive(*this->peer, 200);
  EXPECT_EQ(got, frames_of(200));
  for (const Frame& f : frames_of(200)) ASSERT_EQ(send(*this->peer, f), 1u);
  ASSERT_TRUE(eventually([&] {
    (void)this->port->rx_burst(in);
    return in.size() == 200;
  }));
  for (std::uint32_t i = 0; i < 200; ++i) {
    ASSERT_EQ(Frame(reinterpret_cast<char*>(in[i].data), in[i].length), frame(60, i));
  }
}

TYPED_TEST(KernelPorts, GoRoundTheirRings) {
  this->open({.small = true});
  std::vector<Frame> frames;
  for (unsigned i = 0; i < 100; ++i) frames.push_back(frame(60 + i * 97 % 1400, i));
  for (const std::uint32_t size : {1u, 2u, 3u}) {
    this->expect_carried(*this->port, *this->peer, frames, size);
    this->expect_carried(*this->peer, *this->port, frames, size);
  }
  EXPECT_EQ(this->port->stats().rx_missed, 0u);
}

TYPED_TEST(KernelPorts, SendABurstLongerThanTheirRing) {
  this->open({.small = true});
  this->expect_carried(*this->port, *this->peer, frames_of(256, 300), 64);
  EXPECT_EQ(this->port->stats().tx_packets, 256u);
}

TYPED_TEST(KernelPorts, CountTheFramesTheyHadNoRoomForAndReceiveTheNext) {
  this->open({.small = true});
  for (int round = 0; round < 3; ++round) {
    const pollux::PortStats before = this->port->stats();
    constexpr std::uint64_t kSent = 200;
    for (unsigned i = 0; i < kSent; ++i) ASSERT_EQ(send(*this->peer, frame(1000, i)), 1u);
    std::uint64_t received = 0;
    Frame last;
    ASSERT_TRUE(eventually([&] {
      Burst<32> burst(this->pool);
      received += this->port->rx_burst(burst);
      for (const Packet& p : burst) {
        const Frame f(reinterpret_cast<char*>(p.data), p.length);
        EXPECT_EQ(f.size(), 1000u);
      }
      return received + this->port->stats().rx_missed - before.rx_missed == kSent;
    }));
    EXPECT_GT(received, 0u);
    EXPECT_GT(this->port->stats().rx_missed, before.rx_missed);
    EXPECT_EQ(this->port->stats().rx_packets - before.rx_packets, received);
    EXPECT_TRUE(this->arrived(*this->peer, *this->port).empty());
  }
}

TYPED_TEST(KernelPorts, GiveTaggedFramesBackWithTheirTags) {
  this->open();
  const Frame priority("\x81\x00\x00\x00", 4), service("\x88\xA8\x00\x64", 4);
  const std::vector<Frame> frames = {tagged(frame(56), kTag),
                                     tagged(frame(1514), kTag),
                                     tagged(frame(100), priority),
                                     frame(100),
                                     tagged(frame(200), service),
                                     tagged(tagged(frame(200), kTag), service),
                                     tagged(tagged(frame(200), kTag), kTag)};
  this->expect_carried(*this->peer, *this->port, frames, 1);
  this->expect_carried(*this->peer, *this->port, frames, 7);
  this->expect_carried(*this->port, *this->peer, frames, 7);
}

TYPED_TEST(KernelPorts, ReceiveNothingThatIsSentHere) {
  this->open();
  PacketSocket other("plxb", this->pool);
  for (unsigned i = 0; i < 3; ++i) ASSERT_EQ(send(other, frame(60, i)), 1u);
  for (unsigned i = 3; i < 6; ++i) ASSERT_EQ(send(*this->port, frame(60, i)), 1u);
  ASSERT_EQ(receive(*this->peer, 6).size(), 6u);
  EXPECT_TRUE(this->arrived(*this->peer, *this->port).empty());
  EXPECT_EQ(this->port->stats().rx_packets, 1u);
}

TYPED_TEST(KernelPorts, ReceiveNothingThatArrivedBeforeTheyWereOpen) {
  this->open();
  for (unsigned i = 0; i < 5; ++i) ASSERT_EQ(send(*this->peer, frame(60, i)), 1u);
  ASSERT_EQ(receive(*this->port, 5).size(), 5u);  // now they have arrived
  this->port.reset();
  this->port = Kind<TypeParam>::open("plxb", this->pool, {});
  EXPECT_TRUE(this->arrived(*this->peer, *this->port).empty());
}

TYPED_TEST(KernelPorts, AnswerAnEmptyBurstAndAFullOneWithNothing) {
  this->open();
  Burst<4> empty(this->pool), full(this->pool);
  EXPECT_EQ(this->port->tx_burst(empty), 0u);
  ASSERT_EQ(full.allocate(4, 60), 4u);
  ASSERT_EQ(send(*this->peer, frame(60)), 1u);
  EXPECT_EQ(this->port->rx_burst(full), 0u);
  EXPECT_EQ(full.size(), 4u);
  EXPECT_EQ(receive(*this->port, 1).front(), frame(60));
  this->port->commit();
  EXPECT_EQ(this->port->reclaim(), 0u);
}

TYPED_TEST(KernelPorts, TakeNoMoreThanABurstHasRoomFor) {
  this->open();
  for (unsigned i = 0; i < 5; ++i) ASSERT_EQ(send(*this->peer, frame(60, i)), 1u);
  Burst<2> two(this->pool);
  ASSERT_TRUE(eventually([&] {
    (void)this->port->rx_burst(two);
    return two.room() == 0;
  }));
  EXPECT_EQ(Frame(reinterpret_cast<char*>(two[1].data), two[1].length), frame(60, 1));
  EXPECT_EQ(this->pool.free_count(), this->pool.count() - 2);
  const auto rest = receive(*this->port, 3);
  ASSERT_EQ(rest.size(), 3u);
  EXPECT_EQ(rest.front(), frame(60, 2));
}

// ---- what a burst costs ---------------------------------------------------------------------------------------------

TYPED_TEST(KernelPorts, MakeAsManySystemCallsAsTheySay) {
  this->open();
  constexpr bool kRing = std::is_same_v<TypeParam, PacketMmap> || kIsXdp<TypeParam>;
  constexpr std::uint64_t kEach = std::is_same_v<TypeParam, PacketSocket> ? 32 : 1;
  Burst<32> out(this->pool), in(this->pool);
  for (const Frame& f : frames_of(32)) add(out, f);
  std::uint64_t before = counted::calls;
  ASSERT_EQ(this->port->tx_burst(out), 32u);
  EXPECT_EQ(counted::calls - before, kEach);
  ASSERT_EQ(receive(*this->peer, 32).size(), 32u);

  for (const Frame& f : frames_of(32)) ASSERT_EQ(send(*this->peer, f), 1u);
  std::uint64_t looks = 0;
  before = counted::calls;
  ASSERT_TRUE(eventually([&] {
    ++looks;
    (void)this->port->rx_burst(in);
    return in.size() == 32;
  }));
  if (kRing) {
    EXPECT_EQ(counted::calls - before, 0u);
  } else {
    EXPECT_EQ(counted::calls - before, kEach) << looks << " looks";  // a veth has delivered when send() returns
  }
  in.clear();
  before = counted::calls;
  EXPECT_EQ(this->port->rx_burst(in), 0u);
  EXPECT_EQ(counted::calls - before, kRing ? 0u : 1u);
}

// ---- shortage and refusal -------------------------------------------------------------------------------------------

TYPED_TEST(KernelPorts, KeepFramesWhileThePoolIsEmptyAndGiveThemLater) {
  this->peer = std::make_unique<PacketSocket>("plxa", this->pool);
  BufferPool small(this->host, 4, BufferPool::kDefaultBufferBytes, PagePreference::kOrdinary);
  const auto poor = Kind<TypeParam>::open("plxb", small, {});
  {
    Burst<4> held(small);
    ASSERT_EQ(held.allocate(4, 60), 4u);
    for (unsigned i = 0; i < 10; ++i) ASSERT_EQ(send(*this->peer, frame(60, i)), 1u);
    Burst<4> burst(small);
    ASSERT_TRUE(eventually([&] {
      EXPECT_EQ(poor->rx_burst(burst), 0u);
      return poor->stats().rx_no_buffer > 0;
    }));
    EXPECT_EQ(poor->stats().rx_packets, 0u);
    held.drop_front(1);  // one buffer is better than none
    ASSERT_TRUE(eventually([&] { return poor->rx_burst(burst) == 1; }));
    EXPECT_EQ(Frame(reinterpret_cast<char*>(burst[0].data), burst[0].length), frame(60, 0));
    EXPECT_EQ(small.free_count(), 0u);
  }
  std::vector<Frame> rest = frames_of(10);
  rest.erase(rest.begin());
  EXPECT_EQ(receive(*poor, 9), rest);
  EXPECT_EQ(poor->stats().rx_missed, 0u);
  EXPECT_EQ(small.free_count(), 4u);
}

TYPED_TEST(KernelPorts, RejectAFrameLongerThanABufferAndReceiveTheNext) {
  this->peer = std::make_unique<PacketSocket>("plxa", this->pool);
  BufferPool small(this->host, 8, 128, PagePreference::kOrdinary);
  const auto narrow = Kind<TypeParam>::open("plxb", small, {});
  ASSERT_EQ(send(*this->peer, frame(124, 1)), 1u);
  ASSERT_EQ(send(*this->peer, tagged(frame(124, 2), kTag)), 1u);  // fills the buffer to its last byte
  ASSERT_EQ(send(*this->peer, frame(129, 3)), 1u);
  ASSERT_EQ(send(*this->peer, tagged(frame(125, 4), kTag)), 1u);
  ASSERT_EQ(send(*this->peer, frame(1514, 5)), 1u);
  ASSERT_EQ(send(*this->peer, kMarker), 1u);
  EXPECT_EQ(receive(*narrow, 3), (std::vector<Frame>{frame(124, 1), tagged(frame(124, 2), kTag), kMarker}));
  EXPECT_EQ(narrow->stats().rx_rejected, 3u);
  EXPECT_EQ(narrow->stats().rx_packets, 3u);
  EXPECT_EQ(small.free_count(), 8u);
}

TYPED_TEST(KernelPorts, CountFramesThatTheInterfaceDoesNotTakeAndSendTheOthers) {
  this->open();
  Burst<8> burst(this->pool);
  const Frame longest_tagged = tagged(frame(1514, 9), kTag);
  for (const Frame& f : {frame(1600), frame(60), frame(1515), frame(5).substr(0, 5), longest_tagged, frame(1519),
                         frame(61), frame(1600)}) {
    add(burst, f);
  }
  EXPECT_EQ(this->port->tx_burst(burst), 8u);
  EXPECT_TRUE(burst.empty());
  EXPECT_EQ(this->port->stats().tx_errors, 5u);
  EXPECT_EQ(this->port->stats().tx_packets, 3u);
  EXPECT_EQ(this->port->stats().tx_bytes, 121u + 1518u);
  EXPECT_EQ(this->arrived(*this->port, *this->peer), (std::vector<Frame>{frame(60), longest_tagged, frame(61)}));
}

TYPED_TEST(KernelPorts, CountABurstOfNothingButBadFrames) {
  this->open({.small = true});
  Burst<64> burst(this->pool);
  for (unsigned i = 0; i < 64; ++i) add(burst, frame(1515 + i, i));
  EXPECT_EQ(this->port->tx_burst(burst), 64u);
  EXPECT_EQ(this->port->stats().tx_errors, 64u);
  EXPECT_EQ(this->port->stats().tx_packets, 0u);
  EXPECT_TRUE(this->arrived(*this->port, *this->peer).empty());
}

// ---- the link -------------------------------------------------------------------------------------------------------

TYPED_TEST(KernelPorts, KnowTheirNameAddressPoolAndLink) {
  this->open();
  EXPECT_EQ(this->port->name(), std::string(Kind<TypeParam>::kPrefix) + "plxb");
  EXPECT_EQ(this->port->mac().to_string(), "02:00:00:00:00:0b");
  EXPECT_EQ(&this->port->pool(), &this->pool);
  EXPECT_EQ(this->port->link(), (pollux::LinkState{.up = true, .full_duplex = true, .speed_mbps = 10'000}));
}

TYPED_TEST(KernelPorts, LoseAndCountFramesWhileTheInterfaceIsDownAndWorkOnAfterwards) {
  ASSERT_TRUE(make_pair("plxc", "plxd"));
  this->open({}, "plxd", "plxc");
  for (int round = 0; round < 3; ++round) {
    const pollux::PortStats before = this->port->stats();
    ASSERT_EQ(send(*this->port, frame(60, 1)), 1u);
    ASSERT_EQ(receive(*this->peer, 1), std::vector<Frame>{frame(60, 1)});
    ASSERT_TRUE(ip("link set plxd down"));
    for (int i = 0; i < 2; ++i) {
      Burst<32> burst(this->pool);
      for (const Frame& f : frames_of(32)) add(burst, f);
      EXPECT_EQ(this->port->tx_burst(burst), 32u) << "taken, and counted as lost";
      EXPECT_EQ(this->port->rx_burst(burst), 0u);
    }
    EXPECT_EQ(this->port->stats().tx_errors - before.tx_errors, 64u);
    EXPECT_EQ(this->port->stats().tx_packets - before.tx_packets, 1u);
    EXPECT_FALSE(this->port->link().up);
    ASSERT_TRUE(ip("link set plxd up"));
    ASSERT_TRUE(eventually([&] { return this->port->link().up && this->peer->link().up; }));
    // Nothing of before comes now, and nothing is lost any more.
    EXPECT_TRUE(this->arrived(*this->port, *this->peer).empty());
    EXPECT_TRUE(this->arrived(*this->peer, *this->port).empty());
    EXPECT_EQ(this->port->stats().tx_errors - before.tx_errors, 64u);
  }
  this->port.reset();
  this->peer.reset();
  ASSERT_TRUE(ip("link del plxc"));
}

TYPED_TEST(KernelPorts, LoseNoFrameToADownThatIsOver) {
  ASSERT_TRUE(make_pair("plxc", "plxd"));
  this->open({}, "plxd", "plxc");
  ASSERT_TRUE(ip("link set plxd down"));
  ASSERT_TRUE(ip("link set plxd up"));
  ASSERT_TRUE(eventually([&] { return this->port->link().up && this->peer->link().up; }));
  this->expect_carried(*this->port, *this->peer, frames_of(8), 8);
  EXPECT_EQ(this->port->stats().tx_errors, 0u);
  this->port.reset();
  this->peer.reset();
  ASSERT_TRUE(ip("link del plxc"));
}

TYPED_TEST(KernelPorts, OutliveTheirInterface) {
  ASSERT_TRUE(make_pair("plxc", "plxd"));
  this->open({.promiscuous = true}, "plxd", "plxc");
  for (unsigned i = 0; i < 8; ++i) ASSERT_EQ(send(*this->peer, frame(60, i)), 1u);  // unread when it goes
  ASSERT_TRUE(ip("link del plxc"));
  std::uint32_t received = 0;
  for (int i = 0; i < 20; ++i) {
    Burst<32> in(this->pool), out(this->pool);
    received += this->port->rx_burst(in);
    for (const Frame& f : frames_of(32)) add(out, f);
    EXPECT_EQ(this->port->tx_burst(out), 32u);
    this->port->commit();
    (void)this->port->reclaim();
  }
  EXPECT_LE(received, 8u);
  EXPECT_EQ(this->port->stats().tx_errors, 640u);
  EXPECT_EQ(this->port->stats().tx_packets, 0u);
  EXPECT_FALSE(this->port->link().up);
  EXPECT_EQ(this->port->mac().to_string(), "02:00:00:00:00:0b");
}

TYPED_TEST(KernelPorts, MakeTheInterfacePromiscuousForAsLongAsTheyLive) {
  this->open({.promiscuous = true});
  EXPECT_TRUE(contains(details_of("plxb"), "promiscuity 1"));
  ASSERT_EQ(send(*this->peer, frame(60, 1, kElsewhere)), 1u);
  EXPECT_EQ(this->arrived(*this->peer, *this->port), (std::vector<Frame>{frame(60, 1, kElsewhere)}));
  this->port.reset();
  EXPECT_TRUE(contains(details_of("plxb"), "promiscuity 0"));
}

// ---- opening that fails ---------------------------------------------------------------------------------------------

TYPED_TEST(KernelPorts, SayOfAnAbsentInterfaceHowToFindTheOthers) {
  for (const char* name : {"plx-absent", "", "a-name-of-sixteen", "plxa\n", "exactly16letters"}) {
    const Error error = error_of([&] { (void)Kind<TypeParam>::open(name, this->pool, {}); });
    EXPECT_EQ(error.code().value(), ENODEV) << name;
    EXPECT_TRUE(contains(error.what(), std::string(Kind<TypeParam>::kPrefix) + name));
    EXPECT_TRUE(contains(error.what(), "no such network interface"));
    EXPECT_TRUE(contains(error.what(), "ip -brief link"));
  }
}

TYPED_TEST(KernelPorts, SayOfAnInterfaceThatIsDownOrWithoutCarrierWhatMendsIt) {
  ASSERT_TRUE(ip("link add plxc type veth peer name plxd"));
  const Error down = error_of([&] { (void)Kind<TypeParam>::open("plxc", this->pool, {}); });
  EXPECT_EQ(down.code().value(), ENETDOWN);
  EXPECT_TRUE(contains(down.what(), "ip link set plxc up"));
  ASSERT_TRUE(ip("link set plxc up"));  // its peer is down: the cable is dead
  const Error dead = error_of([&] { (void)Kind<TypeParam>::open("plxc", this->pool, {.link_deadline = 50_ms}); });
  EXPECT_EQ(dead.code().value(), ETIMEDOUT);
  EXPECT_TRUE(contains(dead.what(), "no carrier"));
  EXPECT_FALSE(Kind<TypeParam>::open("plxc", this->pool, {.link_deadline = 0_ns})->link().up);
  ASSERT_TRUE(ip("link del plxc"));
}

TYPED_TEST(KernelPorts, NameTheCapabilityThatIsMissing) {
  std::vector<std::vector<unsigned>> cases = {{CAP_NET_RAW}};
  if (kIsXdp<TypeParam>) cases.push_back({CAP_BPF, CAP_SYS_ADMIN});
  if (kIsXdp<TypeParam>) cases.push_back({CAP_NET_ADMIN, CAP_SYS_ADMIN});
  for (const std::vector<unsigned>& missing : cases) {
    const std::string text = in_child_without(missing, [&]() -> std::string {
      try {
        (void)Kind<TypeParam>::open("plxa", this->pool, {});
        return "opened";
      } catch (const Error& error) { return std::to_string(error.code().value()) + " " + error.what(); }
    });
    EXPECT_EQ(text.substr(0, text.find(' ')), std::to_string(EPERM)) << text;
    EXPECT_TRUE(contains(text, std::string(Kind<TypeParam>::kPrefix) + "plxa"));
    EXPECT_TRUE(contains(text, missing.front() == CAP_BPF         ? "CAP_BPF"
                               : missing.front() == CAP_NET_ADMIN ? "CAP_NET_ADMIN"
                                                                  : "CAP_NET_RAW"));
    EXPECT_TRUE(contains(text, "setcap cap_net_raw"));
  }
}

TYPED_TEST(KernelPorts, LeaveNothingOpen) {
  ASSERT_TRUE(ip("link add plxc type veth peer name plxd"));
  const std::size_t before = open_descriptors();
  for (int i = 0; i < 3; ++i) {
    EXPECT_THROW((void)Kind<TypeParam>::open("plxc", this->pool, {.promiscuous = true}), Error);
    EXPECT_THROW((void)Kind<TypeParam>::open("plx-absent", this->pool, {}), Error);
  }
  EXPECT_EQ(open_descriptors(), before);
  EXPECT_TRUE(contains(details_of("plxc"), "promiscuity 0"));
  { const auto good = Kind<TypeParam>::open("plxb", this->pool, {}); }
  EXPECT_EQ(open_descriptors(), before);
  EXPECT_EQ(details_of("plxb").find("xdp"), std::string::npos);
  ASSERT_TRUE(ip("link del plxc"));
}

// ---- PacketMmap alone -----------------------------------------------------------------------------------------------

using MmapPorts = KernelPorts<PacketMmap>;

TEST_F(MmapPorts, RefuseRingsThatCannotBe) {
  for (const pollux::PacketMmapConfig& config :
       {pollux::PacketMmapConfig{.rx_block_bytes = 0}, pollux::PacketMmapConfig{.rx_block_bytes = 5000},
        pollux::PacketMmapConfig{.rx_blocks = 1}, pollux::PacketMmapConfig{.block_timeout = 999_us},
        pollux::PacketMmapConfig{.tx_slots = 0}, pollux::PacketMmapConfig{.tx_slots = 100}}) {
    const Error error = error_of([&] { PacketMmap("plxb", pool, config); });
    EXPECT_EQ(error.code().value(), EINVAL);
    EXPECT_FALSE(error.failure().remedy.empty());
  }
}

TEST_F(MmapPorts, TellWhatTheirRingSaidOfFrames) {
  open({.small = true});
  for (unsigned i = 0; i < 50; ++i) ASSERT_EQ(send(*peer, frame(1000, i)), 1u);  // more than two blocks hold
  ASSERT_TRUE(eventually([&] {  // blocks handed over after that loss say so, until the counters are read
    Burst<32> burst(pool);
    (void)send(*peer, kMarker);
    (void)port->rx_burst(burst);
    return port->ring_counters().losing > 0;
  }));
  EXPECT_GT(port->stats().rx_missed, 0u);
  EXPECT_EQ(port->ring_counters().wrong_format, 0u);
  EXPECT_EQ(send(*port, frame(1600)), 1u);
  EXPECT_EQ(port->ring_counters().wrong_format, 1u);
  EXPECT_EQ(port->ring_counters().copied, 0u);
}

TEST_F(MmapPorts, RejectWhatTheKernelCutsToABlock) {
  ASSERT_TRUE(make_pair("plxc", "plxd"));
  ASSERT_TRUE(ip("link set plxc mtu 9000") && ip("link set plxd mtu 9000"));
  {
    BufferPool large(host, 8, 9216, PagePreference::kOrdinary);
    PacketSocket sender("plxc", large);
    PacketMmap receiver("plxd", large, {.rx_block_bytes = 4096, .rx_blocks = 4});
    ASSERT_EQ(send(sender, frame(8000, 1)), 1u);
    ASSERT_EQ(send(sender, kMarker), 1u);
    EXPECT_EQ(receive(receiver, 1), std::vector<Frame>{kMarker});
    EXPECT_EQ(receiver.ring_counters().copied, 1u);
    EXPECT_EQ(receiver.stats().rx_rejected, 1u);
    PacketMmap whole("plxd", large);
    ASSERT_EQ(send(sender, frame(9000, 1)), 1u);
    EXPECT_EQ(receive(whole, 1), std::vector<Frame>{frame(9000, 1)});
    ASSERT_EQ(send(whole, frame(9000, 2)), 1u);
    EXPECT_EQ(receive(sender, 1), std::vector<Frame>{frame(9000, 2)});
  }
  ASSERT_TRUE(ip("link del plxc"));
}

// ---- XdpSocket alone ------------------------------------------------------------------------------------------------

#if defined(POLLUX_WITH_LIBXDP)
using XdpPorts = KernelPorts<XdpNative>;

TEST_F(XdpPorts, TakeTheirProgramWithThemHoweverTheyEnd) {
  open();
  EXPECT_TRUE(contains(details_of("plxb"), "pollux_xsk"));
  EXPECT_TRUE(port->native());
  EXPECT_FALSE(port->zero_copy()) << "a veth cannot";
  port.reset();
  EXPECT_EQ(details_of("plxb").find("xdp"), std::string::npos);
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const auto own = Kind<XdpNative>::open("plxb", pool, {});
    (void)!::write(ready[1], "x", 1);
    for (;;) ::pause();
  }
  char x = 0;
  ASSERT_EQ(::read(ready[0], &x, 1), 1);
  EXPECT_TRUE(contains(details_of("plxb"), "pollux_xsk"));
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  ::close(ready[0]);
  ::close(ready[1]);
  EXPECT_TRUE(eventually([] { return details_of("plxb").find("xdp") == std::string::npos; }));
  port = Kind<XdpNative>::open("plxb", pool, {});
  ASSERT_EQ(send(*peer, frame(60, 1)), 1u);
  EXPECT_EQ(receive(*port, 1), std::vector<Frame>{frame(60, 1)});
}

TEST_F(XdpPorts, OfOneInterfaceShareAProgramThatStaysUntilTheLastIsGone) {
  ASSERT_TRUE(ip("link add plxc numrxqueues 2 numtxqueues 2 type veth peer name plxd numrxqueues 2 numtxqueues 2"));
  ASSERT_TRUE(ip("link set plxc up") && ip("link set plxd up"));
  auto first = std::make_unique<XdpSocket>("plxd", pool, XdpConfig{.queue = 0});
  auto second = std::make_unique<XdpSocket>("plxd", pool, XdpConfig{.queue = 1});
  EXPECT_EQ(first->name(), "xdp:plxd");
  EXPECT_EQ(second->name(), "xdp:plxd/1");
  peer = std::make_unique<PacketSocket>("plxc", pool);
  Burst<64> in(pool);
  const auto arrive_in_all = [&](unsigned n) {  // the kernel chooses the queue
    for (unsigned i = 0; i < n; ++i) ASSERT_EQ(send(*peer, frame(60, i)), 1u);
    std::uint32_t got = 0;
    ASSERT_TRUE(eventually([&] {
      if (first) got += first->rx_burst(in);
      got += second->rx_burst(in);
      return got == n;
    }));
    in.clear();
  };
  arrive_in_all(16);
  const std::string program = details_of("plxd");
  first.reset();
  EXPECT_EQ(details_of("plxd").substr(details_of("plxd").find("prog/xdp")), program.substr(program.find("prog/xdp")));
  first = std::make_unique<XdpSocket>("plxd", pool, XdpConfig{.queue = 0});
  arrive_in_all(16);
  first.reset();
  second.reset();
  EXPECT_EQ(details_of("plxd").find("xdp"), std::string::npos);
  ASSERT_TRUE(ip("link del plxc"));
}

TEST_F(XdpPorts, SayWhoHasTheQueueOrTheInterface) {
  open();
  const Error taken = error_of([&] { XdpSocket("plxb", pool); });
  EXPECT_EQ(taken.code().value(), EBUSY);
  EXPECT_TRUE(contains(taken.what(), "another AF_XDP socket has this queue"));
  const Error other_mode = error_of([&] { XdpSocket("plxb", pool, {.queue = 0, .mode = XdpMode::kGeneric}); });
  EXPECT_EQ(other_mode.code().value(), EBUSY);
  port.reset();

  const Error no_queue = error_of([&] { XdpSocket("plxb", pool, {.queue = 77}); });
  EXPECT_EQ(no_queue.code().value(), EINVAL);
  EXPECT_TRUE(contains(no_queue.what(), "xdp:plxb/77"));
  EXPECT_TRUE(contains(no_queue.what(), "ethtool -l plxb"));
  const Error no_zero_copy = error_of([&] { XdpSocket("plxb", pool, {.transfer = pollux::XdpTransfer::kZeroCopy}); });
  EXPECT_EQ(no_zero_copy.code().value(), EOPNOTSUPP);
  EXPECT_TRUE(contains(no_zero_copy.what(), "kCopy"));
  const Error odd = error_of([&] { XdpSocket("plxb", pool, {.rx_descriptors = 100}); });
  EXPECT_EQ(odd.code().value(), EINVAL);

  const pollux::BpfInstruction pass[] = {{.code = 0xB7, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = XDP_PASS},
                                         {.code = 0x95, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 0}};
  const pollux::UniqueFd foreign(bpf_prog_load(BPF_PROG_TYPE_XDP, "foreign", "BSD", pass, 2, nullptr));
  ASSERT_TRUE(foreign);
  const pollux::UniqueFd link(
      bpf_link_create(foreign.get(), static_cast<int>(::if_nametoindex("plxb")), BPF_XDP, nullptr));
  ASSERT_TRUE(link);
  const Error held = error_of([&] { XdpSocket("plxb", pool); });
  EXPECT_EQ(held.code().value(), EBUSY);
  EXPECT_TRUE(contains(held.what(), "another XDP program"));
  EXPECT_TRUE(contains(held.what(), "bpftool net show dev plxb"));
  EXPECT_TRUE(contains(details_of("plxb"), "foreign"));
}

TEST_F(XdpPorts, RefuseAnMtuThatNoChunkHolds) {
  ASSERT_TRUE(make_pair("plxc", "plxd"));
  ASSERT_TRUE(ip("link set plxc mtu 9000") && ip("link set plxd mtu 9000"));
  const Error error = error_of([&] { XdpSocket("plxd", pool); });
  EXPECT_EQ(error.code().value(), EMSGSIZE);
  EXPECT_TRUE(contains(error.what(), "ip link set plxd mtu 1500"));
  ASSERT_TRUE(ip("link set plxc mtu 3000") && ip("link set plxd mtu 3000"));
  BufferPool large(host, 8, 4096, PagePreference::kOrdinary);
  {
    XdpSocket receiver("plxd", large);
    PacketSocket sender("plxc", large);
    ASSERT_EQ(send(sender, frame(3014, 1)), 1u);
    EXPECT_EQ(receive(receiver, 1), std::vector<Frame>{frame(3014, 1)});
    ASSERT_EQ(send(receiver, frame(3014, 2)), 1u);
    EXPECT_EQ(receive(sender, 1), std::vector<Frame>{frame(3014, 2)});
  }
  ASSERT_TRUE(ip("link del plxc"));
}

TEST_F(XdpPorts, NoticeAChangedMtuWhenAskedForTheLink) {
  ASSERT_TRUE(make_pair("plxc", "plxd"));
  this->open({}, "plxd", "plxc");
  ASSERT_TRUE(ip("link set plxd mtu 1000"));
  EXPECT_TRUE(port->link().up);
  EXPECT_EQ(send(*port, frame(1015)), 1u);
  EXPECT_EQ(port->stats().tx_errors, 1u);
  EXPECT_EQ(send(*port, frame(1014)), 1u);
  EXPECT_EQ(receive(*peer, 1), std::vector<Frame>{frame(1014)});
  port.reset();
  peer.reset();
  ASSERT_TRUE(ip("link del plxc"));
}

TEST(XdpQueueText, IsAnInterfaceOrAnInterfaceAndAQueue) {
  EXPECT_EQ(pollux::XdpQueue::parse("eth0").interface, "eth0");
  EXPECT_EQ(pollux::XdpQueue::parse("eth0").queue, 0u);
  EXPECT_EQ(pollux::XdpQueue::parse("eth0/3").interface, "eth0");
  EXPECT_EQ(pollux::XdpQueue::parse("eth0/3").queue, 3u);
  for (const char* bad : {"eth0/", "eth0/x", "eth0/1x", "eth0/-1", "eth0/1/2", "eth0/99999999999"}) {
    const Error error = error_of([&] { (void)pollux::XdpQueue::parse(bad); });
    EXPECT_EQ(error.code().value(), EINVAL) << bad;
    EXPECT_TRUE(contains(error.what(), "xdp:INTERFACE/QUEUE"));
  }
}
#endif

}  // namespace

// SPDX-License-Identifier: BSD-3-Clause
// PacketSocket on real PF_PACKET sockets: a veth pair in a network namespace that the test makes for itself.
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <pollux/dma/pool.hpp>
#include <pollux/kernel/packet_socket.hpp>

#include "veth.hpp"

namespace {

using namespace pollux::literals;
using pollux::BufferPool;
using pollux::Burst;
using pollux::Error;
using pollux::HostDomain;
using pollux::LinkState;
using pollux::MacAddress;
using pollux::PacketSocket;
using pollux::PacketSocketConfig;
using pollux::PagePreference;
using namespace veth;  // NOLINT: this file is about it

struct PacketSockets : testing::Test {
  static inline std::string unavailable;
  HostDomain host;
  BufferPool pool{host, 256, BufferPool::kDefaultBufferBytes, PagePreference::kOrdinary};

  static void SetUpTestSuite() {
    static const std::string why = enter_namespace();  // once for both suites
    unavailable = why;
    if (!why.empty()) std::printf("skipping the packet socket tests: %s\n", why.c_str());
  }
  void SetUp() override {
    if (!unavailable.empty()) GTEST_SKIP() << unavailable;
  }
  void TearDown() override { EXPECT_EQ(pool.free_count(), pool.count()) << "buffers lost"; }
};

/// Two ports of one pool on the two ends of the cable.
struct TwoPorts : PacketSockets {
  std::optional<PacketSocket> a, b;
  void open(const PacketSocketConfig& config = {}) {
    a.emplace("plxa", pool, PacketSocketConfig{});
    b.emplace("plxb", pool, config);
  }
  /// Everything that arrived at b before a marker that is sent last.
  std::vector<Frame> arrived() {
    EXPECT_EQ(send(*a, kMarker), 1u);
    std::vector<Frame> out;
    (void)eventually([&] {
      for (Frame& f : receive(*b, 1)) out.push_back(std::move(f));
      return !out.empty() && out.back() == kMarker;
    });
    out.pop_back();
    return out;
  }
};

// ---- frames over the cable ------------------------------------------------------------------------------------------

TEST_F(TwoPorts, FramesOfEverySizeArriveByteForByteInOrder) {
  open();
  std::size_t next = pollux::kMinFrame, expected = next;
  while (expected <= pollux::kMaxFrame) {
    Burst<32> out(pool), in(pool);
    for (; next <= pollux::kMaxFrame && out.room() > 0; ++next) {
      const Frame bytes = frame(next, static_cast<unsigned>(next));
      ASSERT_EQ(out.allocate(1, static_cast<std::uint16_t>(next)), 1u);
      std::memcpy(out[out.size() - 1].data, bytes.data(), next);
    }
    const std::uint32_t sent = out.size();
    ASSERT_EQ(a->tx_burst(out), sent);
    ASSERT_TRUE(out.empty());
    for (const Frame& bytes : receive(*b, sent)) {
      ASSERT_EQ(bytes.size(), expected);
      ASSERT_EQ(bytes, frame(expected, static_cast<unsigned>(expected)));
      ++expected;
    }
  }
  EXPECT_EQ(expected, 1515u);
  EXPECT_TRUE(arrived().empty());
}

TEST_F(TwoPorts, TheirCountersTellWhatWasSentAndReceived) {
  open();
  std::uint64_t bytes = 0;
  for (const std::size_t length : {60u, 61u, 1000u, 1514u}) {
    ASSERT_EQ(send(*a, frame(length)), 1u);
    bytes += length;
  }
  ASSERT_EQ(receive(*b, 4).size(), 4u);
  EXPECT_EQ(a->stats().tx_packets, 4u);
  EXPECT_EQ(a->stats().tx_bytes, bytes);
  EXPECT_EQ(a->stats().tx_errors, 0u);
  EXPECT_EQ(a->stats().rx_packets, 0u);
  EXPECT_EQ(b->stats().rx_packets, 4u);
  EXPECT_EQ(b->stats().rx_bytes, bytes);
  EXPECT_EQ(b->stats().rx_missed, 0u);
  EXPECT_EQ(b->stats().rx_no_buffer, 0u);
  EXPECT_EQ(b->stats().rx_rejected, 0u);
}

TEST_F(TwoPorts, TheyKnowTheirNameAddressAndPool) {
  open();
  EXPECT_EQ(a->name(), "packet:plxa");
  EXPECT_EQ(a->mac().to_string(), "02:00:00:00:00:0a");
  EXPECT_EQ(b->mac().to_string(), "02:00:00:00:00:0b");
  EXPECT_EQ(&a->pool(), &pool);
  EXPECT_EQ(a->reclaim(), 0u);
}

TEST_F(TwoPorts, AnEmptyBurstSendsNothingAndAFullOneReceivesNothing) {
  open();
  Burst<4> empty(pool), full(pool);
  EXPECT_EQ(a->tx_burst(empty), 0u);
  ASSERT_EQ(full.allocate(4, 60), 4u);
  ASSERT_EQ(send(*a, frame(60)), 1u);
  EXPECT_EQ(b->rx_burst(full), 0u);
  EXPECT_EQ(full.size(), 4u);
  EXPECT_EQ(receive(*b, 1).front(), frame(60));
}

TEST_F(TwoPorts, ABurstTakesNoMoreThanItHasRoomFor) {
  open();
  for (unsigned i = 0; i < 5; ++i) ASSERT_EQ(send(*a, frame(60, i)), 1u);
  Burst<2> two(pool);
  ASSERT_TRUE(eventually([&] {
    (void)b->rx_burst(two);
    return two.room() == 0;
  }));
  EXPECT_EQ(two.size(), 2u);
  EXPECT_EQ(Frame(reinterpret_cast<char*>(two[1].data), two[1].length), frame(60, 1));
  const auto rest = receive(*b, 3);
  ASSERT_EQ(rest.size(), 3u);
  EXPECT_EQ(rest.front(), frame(60, 2));
}

TEST_F(TwoPorts, NothingThatWasSentHereComesBack) {
  open();
  PacketSocket other("plxa", pool);  // another program on the same interface
  for (unsigned i = 0; i < 3; ++i) ASSERT_EQ(send(*a, frame(60, i)), 1u);
  ASSERT_EQ(send(other, frame(60, 3)), 1u);
  ASSERT_EQ(receive(*b, 4).size(), 4u);
  ASSERT_EQ(send(*b, kMarker), 1u);
  EXPECT_EQ(receive(*a, 1), std::vector<Frame>{kMarker});
  EXPECT_EQ(receive(other, 1), std::vector<Frame>{kMarker});
  EXPECT_EQ(a->stats().rx_packets, 1u);
}

TEST_F(TwoPorts, NothingIsReceivedThatArrivedBeforeThePortWasOpen) {
  open();
  for (unsigned i = 0; i < 5; ++i) ASSERT_EQ(send(*a, frame(60, i)), 1u);
  ASSERT_EQ(receive(*b, 5).size(), 5u);  // now they have arrived
  b.emplace("plxb", pool);
  EXPECT_TRUE(arrived().empty());
}

TEST_F(TwoPorts, SendingPastTheQueueingDisciplineArrivesToo) {
  a.emplace("plxa", pool, PacketSocketConfig{.qdisc_bypass = true});
  b.emplace("plxb", pool);
  ASSERT_EQ(send(*a, frame(777)), 1u);
  EXPECT_EQ(arrived(), std::vector<Frame>{frame(777)});
}

// ---- VLAN tags ------------------------------------------------------------------------------------------------------

TEST_F(TwoPorts, ATaggedFrameComesBackWithItsTag) {
  open({.restore_vlan = true});
  const std::vector<Frame> frames = {tagged(frame(56), kTag), tagged(frame(1514), kTag),
                                     tagged(frame(100), kPriorityTag), frame(100)};
  std::size_t bytes = 0;
  for (const Frame& f : frames) {
    ASSERT_EQ(send(*a, f), 1u);
    bytes += f.size();
  }
  EXPECT_EQ(arrived(), frames);
  EXPECT_EQ(b->stats().rx_bytes, bytes + kMarker.size()) << "the tag counts";
}

TEST_F(TwoPorts, ATaggedFrameComesBackWithoutItsTagWhenThatIsNotRestored) {
  open({.restore_vlan = false});
  ASSERT_EQ(send(*a, tagged(frame(56), kTag)), 1u);
  ASSERT_EQ(send(*a, tagged(frame(1514), kTag)), 1u);
  EXPECT_EQ(arrived(), (std::vector<Frame>{frame(56), frame(1514)}));
}

TEST_F(TwoPorts, TheOuterTagOfTwoKeepsItsType) {
  open({.restore_vlan = true});
  const Frame twice = tagged(tagged(frame(200), kTag), kServiceTag);
  ASSERT_EQ(send(*a, twice), 1u);
  EXPECT_EQ(arrived(), std::vector<Frame>{twice});
}

TEST_F(TwoPorts, OnlyTheOuterOfTwoTagsIsTakenWhenThatIsNotRestored) {
  open({.restore_vlan = false});
  ASSERT_EQ(send(*a, tagged(tagged(frame(200), kTag), kServiceTag)), 1u);
  EXPECT_EQ(arrived(), std::vector<Frame>{tagged(frame(200), kTag)});
}

// ---- other stations' frames -----------------------------------------------------------------------------------------

TEST_F(TwoPorts, TheInterfaceIsPromiscuousForAsLongAsAPortThatAsksForItLives) {
  EXPECT_TRUE(contains(details_of("plxb"), "promiscuity 0"));
  open({.promiscuous = true});
  EXPECT_TRUE(contains(details_of("plxb"), "promiscuity 1"));
  EXPECT_TRUE(contains(details_of("plxa"), "promiscuity 0"));
  ASSERT_EQ(send(*a, frame(60, 1, kElsewhere)), 1u);
  EXPECT_EQ(arrived(), (std::vector<Frame>{frame(60, 1, kElsewhere)}));
  b.reset();
  EXPECT_TRUE(contains(details_of("plxb"), "promiscuity 0"));
}

TEST_F(TwoPorts, WhatTheInterfaceLetsThroughIsReceivedWhomeverItIsFor) {
  open();  // veth has no address filter, and a packet socket is not the host's IP stack
  ASSERT_EQ(send(*a, frame(60, 1, kElsewhere)), 1u);
  ASSERT_EQ(send(*a, frame(60, 2, "\xFF\xFF\xFF\xFF\xFF\xFF")), 1u);
  ASSERT_EQ(send(*a, frame(60, 3, "\x01\x00\x5E\x00\x00\x01")), 1u);
  EXPECT_EQ(arrived(), (std::vector<Frame>{frame(60, 1, kElsewhere), frame(60, 2, "\xFF\xFF\xFF\xFF\xFF\xFF"),
                                           frame(60, 3, "\x01\x00\x5E\x00\x00\x01")}));
}

// ---- shortage and refusal -------------------------------------------------------------------------------------------

TEST_F(TwoPorts, WithoutFreeBuffersReceivingStopsIsCountedAndGoesOnLater) {
  a.emplace("plxa", pool);
  BufferPool small(host, 4, BufferPool::kDefaultBufferBytes, PagePreference::kOrdinary);
  PacketSocket poor("plxb", small);
  {
    Burst<4> held(small);
    ASSERT_EQ(held.allocate(4, 60), 4u);
    for (unsigned i = 0; i < 3; ++i) ASSERT_EQ(send(*a, frame(60, i)), 1u);
    Burst<4> burst(small);
    EXPECT_EQ(poor.rx_burst(burst), 0u);
    EXPECT_EQ(poor.rx_burst(burst), 0u);
    EXPECT_EQ(poor.stats().rx_no_buffer, 2u);
    EXPECT_EQ(poor.stats().rx_packets, 0u);
  }
  EXPECT_EQ(receive(poor, 3), (std::vector<Frame>{frame(60, 0), frame(60, 1), frame(60, 2)}));
  EXPECT_EQ(poor.stats().rx_no_buffer, 2u);
  EXPECT_EQ(small.free_count(), 4u);
}

TEST_F(TwoPorts, FramesTheSocketHadNoRoomForAreCountedExactly) {
  a.emplace("plxa", pool);
  b.emplace("plxb", pool, PacketSocketConfig{.buffer_bytes = 4096});
  constexpr std::uint64_t kSent = 200;
  for (unsigned i = 0; i < kSent; ++i) ASSERT_EQ(send(*a, frame(1000, i)), 1u);
  std::uint64_t received = 0;
  ASSERT_TRUE(eventually([&] {
    Burst<32> burst(pool);
    received += b->rx_burst(burst);
    return received + b->stats().rx_missed == kSent;
  }));
  EXPECT_GT(received, 0u);
  EXPECT_GT(b->stats().rx_missed, 0u);
  EXPECT_EQ(b->stats().rx_packets, received);
  EXPECT_EQ(b->stats().rx_missed + received, kSent) << "reading the counters does not lose them";
}

TEST_F(TwoPorts, AFrameLongerThanABufferIsRejectedAndTheNextOneIsReceived) {
  a.emplace("plxa", pool);
  BufferPool small(host, 4, 128, PagePreference::kOrdinary);
  PacketSocket narrow("plxb", small);
  ASSERT_EQ(send(*a, frame(124, 1)), 1u);
  ASSERT_EQ(send(*a, tagged(frame(124, 2), kTag)), 1u);  // fills the buffer to its last byte
  ASSERT_EQ(send(*a, frame(129, 3)), 1u);
  ASSERT_EQ(send(*a, tagged(frame(125, 4), kTag)), 1u);
  ASSERT_EQ(send(*a, frame(1514, 5)), 1u);
  ASSERT_EQ(send(*a, kMarker), 1u);
  EXPECT_EQ(receive(narrow, 3), (std::vector<Frame>{frame(124, 1), tagged(frame(124, 2), kTag), kMarker}));
  EXPECT_EQ(narrow.stats().rx_rejected, 3u);
  EXPECT_EQ(narrow.stats().rx_packets, 3u);
  EXPECT_EQ(small.free_count(), 4u);
}

TEST_F(TwoPorts, AFrameTooLongForTheInterfaceIsCountedAndDoesNotBlockTheOthers) {
  open();
  Burst<4> burst(pool);
  for (const std::size_t length : {1600u, 60u, 1515u, 61u}) {
    ASSERT_EQ(burst.allocate(1, static_cast<std::uint16_t>(length)), 1u);
    const Frame bytes = frame(length);
    std::memcpy(burst[burst.size() - 1].data, bytes.data(), length);
  }
  EXPECT_EQ(a->tx_burst(burst), 4u);
  EXPECT_TRUE(burst.empty());
  EXPECT_EQ(a->stats().tx_errors, 2u);
  EXPECT_EQ(a->stats().tx_packets, 2u);
  EXPECT_EQ(a->stats().tx_bytes, 121u);
  EXPECT_EQ(arrived(), (std::vector<Frame>{frame(60), frame(61)}));
}

TEST_F(TwoPorts, AFrameShorterThanItsHeaderIsCountedAndDoesNotBlockTheOthers) {
  open();
  Burst<2> burst(pool);
  ASSERT_EQ(burst.allocate(1, 5), 1u);
  ASSERT_EQ(burst.allocate(1, 60), 1u);
  std::memcpy(burst[1].data, frame(60).data(), 60);
  EXPECT_EQ(a->tx_burst(burst), 2u);
  EXPECT_EQ(a->stats().tx_errors, 1u);
  EXPECT_EQ(arrived(), std::vector<Frame>{frame(60)});
}

// ---- opening that fails ---------------------------------------------------------------------------------------------

TEST_F(PacketSockets, AnAbsentInterfaceIsReportedWithHowToFindTheOthers) {
  for (const char* name : {"plx-absent", "", "a-name-of-sixteen", "plxa\n", "exactly16letters"}) {
    const Error error = error_of([&] { PacketSocket(name, pool); });
    EXPECT_EQ(error.code().value(), ENODEV) << name;
    EXPECT_TRUE(contains(error.what(), std::string("packet:") + name));
    EXPECT_TRUE(contains(error.what(), "no such network interface"));
    EXPECT_TRUE(contains(error.what(), "ip -brief link"));
  }
}

TEST_F(PacketSockets, AnInterfaceThatIsDownIsReportedWithTheCommandThatMendsIt) {
  ASSERT_TRUE(ip("link add plxdown type veth peer name plxdown2"));
  const Error error = error_of([&] { PacketSocket("plxdown", pool); });
  EXPECT_EQ(error.code().value(), ENETDOWN);
  EXPECT_TRUE(contains(error.what(), "packet:plxdown"));
  EXPECT_TRUE(contains(error.what(), "the interface is down"));
  EXPECT_TRUE(contains(error.what(), "ip link set plxdown up"));
  ASSERT_TRUE(ip("link del plxdown"));
}

TEST_F(PacketSockets, AnInterfaceWithoutCarrierIsReportedUnlessTheCallerDoesNotWait) {
  ASSERT_TRUE(ip("link add plxc type veth peer name plxd"));
  ASSERT_TRUE(ip("link set plxc up"));  // its peer is down: the cable is dead
  const Error error = error_of([&] { PacketSocket("plxc", pool, {.link_deadline = 50_ms}); });
  EXPECT_EQ(error.code().value(), ETIMEDOUT);
  EXPECT_TRUE(contains(error.what(), "packet:plxc"));
  EXPECT_TRUE(contains(error.what(), "no carrier"));
  EXPECT_TRUE(contains(error.what(), "cable"));
  PacketSocket patient("plxc", pool, {.link_deadline = 0_ns});
  EXPECT_FALSE(patient.link().up);
  ASSERT_TRUE(ip("link del plxc"));
}

TEST_F(PacketSockets, WithoutTheRightToRawSocketsTheMessageNamesIt) {
  const std::string text = in_child_without({CAP_NET_RAW}, [&]() -> std::string {
    try {
      const PacketSocket port("plxa", pool);
      return "opened";
    } catch (const Error& error) { return std::to_string(error.code().value()) + " " + error.what(); }
  });
  EXPECT_EQ(text.substr(0, text.find(' ')), std::to_string(EPERM));
  EXPECT_TRUE(contains(text, "packet:plxa"));
  EXPECT_TRUE(contains(text, "CAP_NET_RAW"));
  EXPECT_TRUE(contains(text, "setcap cap_net_raw+ep"));
}

TEST_F(PacketSockets, RawSocketsAreTheOnlyRightItNeeds) {
  // Without CAP_NET_ADMIN the buffers stay within net.core.rmem_max; everything else works.
  const std::string text = in_child_without({CAP_NET_ADMIN, CAP_SYS_ADMIN}, [&]() -> std::string {
    try {
      PacketSocket a("plxa", pool), b("plxb", pool, {.promiscuous = true, .qdisc_bypass = true});
      return send(a, frame(60)) == 1 && receive(b, 1).front() == frame(60) ? "works" : "does not work";
    } catch (const Error& error) { return error.what(); }
  });
  EXPECT_EQ(text, "works");
}

TEST_F(PacketSockets, AnOpeningThatFailsLeavesNothingOpen) {
  ASSERT_TRUE(ip("link add plxdown type veth peer name plxdown2"));
  const std::size_t before = open_descriptors();
  for (int i = 0; i < 10; ++i) {
    EXPECT_THROW(PacketSocket("plxdown", pool, {.promiscuous = true}), Error);
    EXPECT_THROW(PacketSocket("plx-absent", pool), Error);
  }
  EXPECT_EQ(open_descriptors(), before);
  EXPECT_TRUE(contains(details_of("plxdown"), "promiscuity 0"));
  { const PacketSocket good("plxa", pool); }
  EXPECT_EQ(open_descriptors(), before);
  ASSERT_TRUE(ip("link del plxdown"));
}

// ---- the link -------------------------------------------------------------------------------------------------------

TEST_F(PacketSockets, TheLinkFollowsThePeer) {
  ASSERT_TRUE(make_pair("plxc", "plxd"));
  PacketSocket port("plxc", pool);
  EXPECT_EQ(port.link(), (LinkState{.up = true, .full_duplex = true, .speed_mbps = 10'000}));  // veth says so
  ASSERT_TRUE(ip("link set plxd down"));
  EXPECT_TRUE(eventually([&] { return !port.link().up; }));
  EXPECT_EQ(port.link(), LinkState{});
  ASSERT_TRUE(ip("link set plxd up"));
  EXPECT_TRUE(eventually([&] { return port.link().up; }));
  ASSERT_TRUE(ip("link del plxc"));
}

TEST_F(PacketSockets, TheLinkIsThatOfItsOwnNamespaceWhateverSysShows) {
  // `unshare -n`, containers: /sys may show another namespace, and there another interface of the same name.
  std::string skipped;
  std::thread elsewhere([&] {  // only this thread changes over; the /sys it sees still shows plxa, a 10 Gbit/s veth
    if (::unshare(CLONE_NEWNET) != 0 || !(ip("link add plxa type dummy") || ip("link add plxa type ifb")) ||
        !ip("link set plxa up")) {
      skipped = "no second namespace with a dummy or ifb interface";
      return;
    }
    BufferPool own(host, 4, BufferPool::kDefaultBufferBytes, PagePreference::kOrdinary);
    PacketSocket port("plxa", own);
    EXPECT_TRUE(port.link().up);
    EXPECT_EQ(port.link().speed_mbps, 0u) << "it has no speed; that of a foreign interface was told";
  });
  elsewhere.join();
  if (!skipped.empty()) GTEST_SKIP() << skipped;
}

TEST_F(PacketSockets, AnInterfaceThatGoesDownAndUpAgainWorksOn) {
  ASSERT_TRUE(make_pair("plxc", "plxd"));
  {
    PacketSocket a("plxc", pool), b("plxd", pool);
    ASSERT_TRUE(ip("link set plxc down"));
    EXPECT_EQ(send(a, frame(60)), 1u) << "taken, and counted as lost";
    EXPECT_EQ(a.stats().tx_errors, 1u);
    EXPECT_EQ(a.stats().tx_packets, 0u);
    Burst<4> burst(pool);
    EXPECT_EQ(a.rx_burst(burst), 0u);
    EXPECT_EQ(a.rx_burst(burst), 0u);
    ASSERT_TRUE(ip("link set plxc up"));
    ASSERT_TRUE(eventually([&] { return a.link().up && b.link().up; }));
    ASSERT_EQ(send(a, frame(61)), 1u);
    ASSERT_EQ(send(b, frame(62)), 1u);
    EXPECT_EQ(receive(b, 1), std::vector<Frame>{frame(61)});
    EXPECT_EQ(receive(a, 1), std::vector<Frame>{frame(62)});
  }
  ASSERT_TRUE(ip("link del plxc"));
}

TEST_F(PacketSockets, AnInterfaceDeletedWhileInUseIsALostLinkAndNoCrash) {
  ASSERT_TRUE(make_pair("plxc", "plxd"));
  PacketSocket port("plxc", pool, {.promiscuous = true});
  ASSERT_TRUE(ip("link del plxc"));
  Burst<4> burst(pool);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(port.rx_burst(burst), 0u);
  for (unsigned i = 0; i < 3; ++i) EXPECT_EQ(send(port, frame(60, i)), 1u);
  EXPECT_EQ(port.stats().tx_errors, 3u);
  EXPECT_EQ(port.stats().tx_packets, 0u);
  EXPECT_FALSE(port.link().up);
  EXPECT_EQ(port.mac().to_string(), "02:00:00:00:00:0a");
  EXPECT_EQ(pool.free_count(), pool.count());
}

}  // namespace

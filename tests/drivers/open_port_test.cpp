// SPDX-License-Identifier: BSD-3-Clause
// Tests of open_port: ports by name, what they stand on, and what is said when they cannot be opened.
#include <gtest/gtest.h>

#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include <pollux/open_port.hpp>
#include <pollux/visit_port.hpp>

namespace {

using namespace pollux;

/// The error that `action` raises; a test failure and an empty one when it raises none.
template <class Action>
Failure failure_of(Action action) {
  try {
    action();
  } catch (const Error& error) { return error.failure(); }
  ADD_FAILURE() << "nothing was raised";
  return {};
}

/// Sends one broadcast frame of `size` bytes; returns what the port took.
template <class Port>
std::uint32_t send(Port& port, std::uint16_t size) {
  Burst<1> burst(port.pool());
  EXPECT_EQ(burst.allocate(1, size), 1u);
  std::memset(burst[0].data, 0xFF, size);
  return port.tx_burst(burst);
}
/// The length of the next frame; 0 when none comes in many looks.
template <class Port>
std::uint32_t receive(Port& port) {
  Burst<1> burst(port.pool());
  for (int i = 0; i < 1000; ++i) {
    if (port.rx_burst(burst) == 1) return burst[0].length;
  }
  return 0;
}

// ---- vfio-user: ---------------------------------------------------------------------------------------------------

TEST(OpenPort, SaysThatNobodyServesThere) {
  const Failure why = failure_of([] { (void)open_port("vfio-user:/nonexistent/nic"); });
  EXPECT_EQ(why.code, ENOENT);
  EXPECT_EQ(why.object, "/nonexistent/nic");
  EXPECT_NE(why.remedy.find("pollux-simnic"), std::string::npos);
  EXPECT_EQ(failure_of([] { visit_port("vfio-user:/nonexistent/nic", {}, [](auto&, const std::string&) {}); }).code,
            ENOENT);
}
TEST(OpenPort, OpensServedPortsOnlyTogetherWithTheirKind) {
  const Failure why = failure_of([] { (void)open_ports({"vfio-user:/nonexistent/nic", "packet:lo"}); });
  EXPECT_EQ(why.code, EINVAL);
  EXPECT_EQ(why.object, "lo");
}

// ---- sim: ---------------------------------------------------------------------------------------------------------

TEST(OpenPort, OpensEveryModelByEachOfItsNames) {
  for (const auto& [spec, speed] :
       {std::pair("sim:82574", 1000u), {"sim:e1000e", 1000u}, {"sim:ixgbe", 10000u}, {"sim:82599", 10000u}}) {
    AnyPort port = open_port(spec);
    EXPECT_TRUE(port.link().up) << spec;
    EXPECT_EQ(port.link().speed_mbps, speed) << spec;
    EXPECT_FALSE(port.mac().is_zero());
    EXPECT_EQ(send(port, 60), 1u);
    EXPECT_EQ(receive(port), 60u) << spec << ": without a wire its frames come back";
    port.commit();
    EXPECT_EQ(port.reclaim(), 1u);
    EXPECT_EQ(port.stats().tx_packets, 1u);
    EXPECT_EQ(port.stats().rx_packets, 1u);
  }
}

TEST(OpenPort, GivesASimulatedNicTheWireAndSizesThatWereAskedFor) {
  sim::Cable cable;
  AnyPort left = open_port("sim:82574", {.buffers = 300, .rx_descriptors = 64, .sim_wire = &cable.a()});
  AnyPort right = open_port("sim:ixgbe", {.buffers = 400, .rx_descriptors = 128, .sim_wire = &cable.b()});
  EXPECT_EQ(left.pool().free_count(), 300u - 63);
  EXPECT_EQ(right.pool().free_count(), 400u - 127);
  EXPECT_EQ(send(left, 100), 1u);
  EXPECT_EQ(receive(right), 100u);
  EXPECT_EQ(receive(left), 0u);
  EXPECT_EQ(send(right, 200), 1u);
  EXPECT_EQ(receive(left), 200u);
}

TEST(OpenPort, RefusesAModelThatDoesNotExistAndNamesThoseThatDo) {
  const Failure open = failure_of([] { (void)open_port("sim:82580"); });
  EXPECT_EQ(open.code, EINVAL);
  EXPECT_EQ(open.object, "82580");
  EXPECT_NE(open.remedy.find("sim:ixgbe"), std::string::npos);
  EXPECT_NE(open.remedy.find("sim:82574"), std::string::npos);
  const Failure visit = failure_of([] { visit_port("sim:82580", {}, [](auto&, const std::string&) {}); });
  EXPECT_EQ(visit.text(), open.text());
}

TEST(OpenPort, RefusesASimulatedNicAmongOthers) {
  const Failure why = failure_of([] { (void)open_ports({"sim:ixgbe", "sim:ixgbe"}); });
  EXPECT_EQ(why.code, EINVAL);
  EXPECT_EQ(why.object, "sim:ixgbe");
  EXPECT_EQ(why.remedy, "open it by itself");
}

TEST(OpenPort, PassesOnWhatTheDriverRefuses) {
  EXPECT_EQ(failure_of([] { (void)open_port("sim:82574", {.rx_descriptors = 100}); }).where,
            "a ring of 100 descriptors");
  EXPECT_EQ(failure_of([] { (void)open_port("nic:82574"); }).operation.empty(), false);
}

TEST(VisitPort, GivesTheConcretePortToBeStepped) {
  const bool done = visit_port("sim:82574", {}, [](auto& port, const std::string&) {
    if constexpr (requires { port.step(); }) {
      EXPECT_EQ(send(port, 99), 1u);
      EXPECT_EQ(receive(port), 0u);  // nobody has stepped
      EXPECT_TRUE(port.step());
      EXPECT_EQ(receive(port), 99u);
      EXPECT_EQ(port.faults().count(), 0u);
      return true;
    }
    return false;
  });
  EXPECT_TRUE(done);
}

// ---- Waiting --------------------------------------------------------------------------------------------------------

/// Sleeps at once, and for long: an interrupt that is lost shows.
SpinThenBlock<> asleep() { return SpinThenBlock<>({.spin = 0_ns, .longest = 60_s}); }

TEST(OpenWaiter, WakesForFramesThatComeWhileItSleeps) {
  for (const char* spec : {"sim:82574", "sim:ixgbe"}) {
    sim::Cable cable;
    AnyPort port = open_port(spec, {.promiscuous = true, .sim_wire = &cable.b()});
    const auto waiter = port.open_waiter();
    EXPECT_EQ(waiter->by(), "MSI-X");
    auto policy = asleep();
    for (std::uint16_t size = 60; size < 65; ++size) {
      std::thread sender([&] {
        SteadyClock().pause(20_ms);
        EXPECT_TRUE(cable.a().transmit(std::vector<std::byte>(size, std::byte{0xFF})));
      });
      const Nanos begin = SteadyClock().now();
      EXPECT_TRUE(policy.wait(*waiter, 60_s)) << spec;
      EXPECT_LT(SteadyClock().now() - begin, 30_s);
      EXPECT_EQ(receive(port), size);
      sender.join();
    }
    EXPECT_FALSE(waiter->failure());
  }
}

TEST(OpenWaiter, FindsWhatIsThereAndEndsWhenTheTimeIsOver) {
  for (const char* spec : {"sim:82574", "sim:ixgbe"}) {
    AnyPort port = open_port(spec);
    const auto waiter = port.open_waiter();
    const auto with = [&](auto policy) {
      EXPECT_FALSE(policy.wait(*waiter, 1_ms)) << "nothing comes";
      EXPECT_EQ(send(port, 60), 1u);
      EXPECT_TRUE(policy.wait(*waiter, 60_s));
      EXPECT_TRUE(policy.wait(*waiter, 0_ns)) << "still there";
      EXPECT_EQ(receive(port), 60u);
      EXPECT_FALSE(policy.wait(*waiter, 0_ns));
    };
    with(Spin());
    with(SpinPause());
    with(asleep());
    with(AdaptiveWait());
    EXPECT_GE(waiter->fd(), 0);
    CallerEpoll own;
    EXPECT_TRUE(own.may_sleep(*waiter));
    EXPECT_EQ(send(port, 61), 1u);
    own.woken(*waiter);
    EXPECT_FALSE(own.may_sleep(*waiter));
    EXPECT_EQ(receive(port), 61u);
  }
}

TEST(OpenWaiter, CanBeHadAgainAndLeavesAPollingPort) {
  const auto files = [] { return PciSysfs::names_in("/proc/self/fd").size(); };
  for (const char* spec : {"sim:82574", "sim:ixgbe"}) {
    AnyPort port = open_port(spec);
    const std::size_t before = files();
    for (int i = 0; i < 3; ++i) {
      {
        const auto waiter = port.open_waiter();
        EXPECT_EQ(send(port, 60), 1u);
        EXPECT_TRUE(asleep().wait(*waiter, 60_s));
        EXPECT_EQ(receive(port), 60u);
      }
      EXPECT_EQ(files(), before);
      EXPECT_EQ(send(port, 62), 1u);
      EXPECT_EQ(receive(port), 62u) << "by polling";
    }
  }
}

// ---- pci: ---------------------------------------------------------------------------------------------------------

TEST(OpenPort, SaysOfAnAddressWithoutADeviceThatItIsThat) {
  const Failure open = failure_of([] { (void)open_port("pci:ffff:ff:1f.7"); });
  EXPECT_EQ(open.object, "ffff:ff:1f.7") << open.text();
  EXPECT_EQ(open.text().find("vfio"), std::string::npos) << "a missing VFIO is not the trouble: " << open.text();
  const Failure visit = failure_of([] { visit_port("pci:ffff:ff:1f.7", {}, [](auto&, const std::string&) {}); });
  EXPECT_EQ(visit.text(), open.text());
  const Failure both = failure_of([] { (void)open_ports({"pci:ffff:ff:1f.7", "packet:lo"}); });
  EXPECT_EQ(both.text(), open.text());
}

TEST(OpenPort, SaysOfAnAddressThatIsNoneWhatOneLooksLike) {
  EXPECT_NE(failure_of([] { (void)open_port("pci:eth0"); }).text().find("eth0"), std::string::npos);
}

// ---- packet: ------------------------------------------------------------------------------------------------------

/// A network namespace with nothing but an interface `lo` that is up; false where that cannot be had.
bool enter_namespace() {
  const uid_t uid = ::getuid();
  if (::unshare(CLONE_NEWNET) != 0) {
    if (::unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0) return false;
    std::ofstream("/proc/self/uid_map") << "0 " << uid << " 1";
  }
  const int fd = ::socket(AF_INET, SOCK_DGRAM, 0);
  ifreq lo{};
  std::strcpy(lo.ifr_name, "lo");  // NOLINT: it fits
  lo.ifr_flags = IFF_UP | IFF_RUNNING;
  const bool up = fd >= 0 && ::ioctl(fd, SIOCSIFFLAGS, &lo) == 0;
  if (fd >= 0) ::close(fd);
  return up;
}

TEST(PacketPorts, OfOneCallShareAPool) {
  if (!enter_namespace()) GTEST_SKIP() << "no network namespace of its own";
  {
    std::vector<AnyPort> ports = open_ports({"packet:lo", "packet:lo"}, {.buffers = 100, .link_deadline = 0_ns});
    ASSERT_EQ(ports.size(), 2u);
    EXPECT_EQ(&ports[0].pool(), &ports[1].pool());
    EXPECT_EQ(ports[0].pool().count(), 100u);
    EXPECT_EQ(send(ports[0], 80), 1u);
    EXPECT_EQ(receive(ports[1]), 80u);
    ports.erase(ports.begin());  // the other keeps what both stand on
    EXPECT_EQ(send(ports[0], 81), 1u);
    EXPECT_EQ(ports[0].pool().free_count(), 100u);
  }
  visit_port("packet:lo", {.buffers = 50, .link_deadline = 0_ns}, [](auto& port, const std::string& notes) {
    EXPECT_EQ(port.pool().count(), 50u);
    EXPECT_EQ(notes, "");  // hugepages are kept for those who need them
    EXPECT_EQ(send(port, 70), 1u);
  });
  const Failure none = failure_of([] { (void)open_port("packet:eth77"); });
  EXPECT_EQ(none.object, "packet:eth77") << none.text();
}

/// The length of the next frame that arrives, however long the kernel takes; 0 when something must be wrong.
template <class Port>
std::uint32_t arrives(Port& port) {
  Burst<1> burst(port.pool());
  const SteadyClock clock;
  for (const Nanos end = clock.now() + 20_s; clock.now() < end;) {
    if (port.rx_burst(burst) == 1) return burst[0].length;
  }
  return 0;
}

TEST(KernelPorts, AreOpenedByTheirNames) {
  if (!enter_namespace()) GTEST_SKIP() << "no network namespace of its own";
  for (const auto& [spec, kind] : {std::pair("packet:lo", PortKind::kPacketSocket),
                                   {"packet-mmsg:lo", PortKind::kPacketMmsg},
                                   {"packet-mmap:lo", PortKind::kPacketMmap}}) {
    EXPECT_EQ(PortSpec::parse(spec).kind, kind);
    EXPECT_EQ(PortSpec::parse(spec).object, "lo");
    AnyPort port = open_port(spec, {.buffers = 64, .tx_descriptors = 8, .link_deadline = 0_ns});
    EXPECT_EQ(port.name(), spec);
    EXPECT_EQ(send(port, 80), 1u);
    EXPECT_EQ(arrives(port), 80u) << spec;
    visit_port(spec, {.buffers = 64, .link_deadline = 0_ns}, [&](auto& concrete, const std::string&) {
      EXPECT_EQ(concrete.name(), spec);
      EXPECT_EQ(send(concrete, 81), 1u);
      EXPECT_EQ(arrives(concrete), 81u) << spec;
    });
    const std::string absent = std::string(spec) + "77";
    EXPECT_EQ(failure_of([&] { (void)open_port(absent); }).object, absent);
  }
  std::vector<AnyPort> ports = open_ports({"packet-mmsg:lo", "packet-mmap:lo"}, {.link_deadline = 0_ns});
  EXPECT_EQ(&ports[0].pool(), &ports[1].pool());
  EXPECT_EQ(send(ports[0], 90), 1u);
  EXPECT_EQ(arrives(ports[1]), 90u);
}

TEST(KernelPorts, OfXdpAreOpenedByInterfaceAndQueueOrSayWhyNot) {
  EXPECT_EQ(PortSpec::parse("xdp:eth0/3").kind, PortKind::kXdp);
  EXPECT_EQ(PortSpec::parse("xdp:eth0/3").object, "eth0/3");
#if defined(POLLUX_WITH_LIBXDP)
  if (!enter_namespace()) GTEST_SKIP() << "no network namespace of its own";
  EXPECT_EQ(failure_of([] { (void)open_port("xdp:lo/x"); }).object, "'xdp:lo/x'");
  EXPECT_EQ(failure_of([] { (void)open_port("xdp:eth77/1"); }).object, "xdp:eth77/1");
  EXPECT_EQ(failure_of([] { (void)open_port("xdp:lo"); }).code, EMSGSIZE) << "its MTU is 64 KiB";
  const int fd = ::socket(AF_INET, SOCK_DGRAM, 0);
  ifreq lo{};
  std::strcpy(lo.ifr_name, "lo");  // NOLINT: it fits
  lo.ifr_mtu = 1500;
  EXPECT_EQ(::ioctl(fd, SIOCSIFMTU, &lo), 0);
  ::close(fd);
  const OpenOptions options{.buffers = 64, .rx_descriptors = 8, .tx_descriptors = 8, .link_deadline = 0_ns};
  try {
    AnyPort port = open_port("xdp:lo", options);
    EXPECT_EQ(port.name(), "xdp:lo");
    EXPECT_EQ(send(port, 80), 1u);
    EXPECT_EQ(arrives(port), 80u);
  } catch (const Error& error) {
    EXPECT_EQ(error.code().value(), EPERM) << error.what();
    GTEST_SKIP() << error.what();
  }
  EXPECT_EQ(failure_of([&] { (void)open_port("xdp:lo/7", options); }).code, EINVAL);
  visit_port("xdp:lo/0", options, [](auto& port, const std::string&) { EXPECT_EQ(send(port, 81), 1u); });
#else
  const Failure why = failure_of([] { (void)open_port("xdp:lo"); });
  EXPECT_EQ(why.code, ENOTSUP);
  EXPECT_NE(why.remedy.find("apt-get install libxdp-dev libbpf-dev"), std::string::npos);
  EXPECT_EQ(failure_of([] { visit_port("xdp:lo", {}, [](auto&, const std::string&) {}); }).text(), why.text());
#endif
}

}  // namespace

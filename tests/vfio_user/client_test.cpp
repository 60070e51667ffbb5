// SPDX-License-Identifier: BSD-3-Clause
// The vfio-user client: devices of our server, servers that are wrong in every way, servers and clients that are
// killed.
#include <gtest/gtest.h>

#include <grp.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <pollux/backend/vfio_user.hpp>
#include <pollux/dma/pool.hpp>
#include <pollux/e1000/model.hpp>
#include <pollux/e1000/port.hpp>
#include <pollux/irq/policy.hpp>
#include <pollux/irq/rx_waiter.hpp>
#include <pollux/ixgbe/model.hpp>
#include <pollux/ixgbe/port.hpp>
#include <pollux/net/burst.hpp>
#include <pollux/sim/vfio_user_server.hpp>

#include "../messages.hpp"
#include "raw_client.hpp"

namespace {

using namespace vu;
using messages::error_of;
using messages::expect_text;

// ---- Servers that are wrong ---------------------------------------------------------------------------------------

/// Accepts one client and plays a script with it.
class FakeServer {
 public:
  using Script = std::function<void(FakeServer&)>;
  FakeServer(const std::string& path, Script script)
      : listener_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)), script_(std::move(script)) {
    const sockaddr_un address = try_unix_address(path).value();
    if (::bind(listener_.get(), generic(address), sizeof address) != 0 || ::listen(listener_.get(), 1) != 0) {
      std::abort();
    }
    thread_ = std::thread([this] {
      channel = Channel(UniqueFd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC)), 64 << 20);
      script_(*this);
      channel.close();
    });
  }
  ~FakeServer() { thread_.join(); }

  /// The client's next message; an empty one when it is gone.
  Message next() {
    Message m;
    for (;;) {
      const Channel::Event e = channel.receive(m);
      if (e == Channel::Event::kMessage) return m;
      if (e != Channel::Event::kNothing) return {};
      pollfd one{.fd = channel.fd(), .events = POLLIN, .revents = 0};
      (void)::poll(&one, 1, -1);
    }
  }
  void reply(const Header& to, const Bytes& body, std::uint32_t error = 0, std::span<const int> fds = {}) {
    const std::uint32_t flags = Header::kReply | (error != 0 ? Header::kError : 0);
    (void)channel.send({.id = to.id, .command = to.command, .flags = flags, .error = error}, {body}, fds);
  }
  void raw(const void* bytes, std::size_t n) { (void)::send(channel.fd(), bytes, n, MSG_NOSIGNAL); }
  void say_hello(std::string json = "{}", Version version = {}) {
    const Message m = next();
    Bytes text(json.size() + 1);
    std::memcpy(text.data(), json.c_str(), text.size());
    reply(m.header, body_of(version) + text);
  }
  /// Answers as a device with registers in BAR 0 (`bar`, a page, if it has a file) until the client is gone, except
  /// where `odd` does.
  void be_a_device(const std::function<bool(const Message&)>& odd, int bar = -1, const Bytes& areas = {}) {
    for (Message m = next(); m.header.size != 0; m = next()) {
      if (odd(m)) continue;
      Bytes body;
      if (m.header.is(Command::kDeviceInfo)) body = body_of(DeviceInfo{16, DeviceInfo::kPci, 9, 5});
      if (m.header.is(Command::kIrqInfo)) body = body_of(IrqInfo{.argsz = 16, .index = load<IrqInfo>(m.body).index});
      if (m.header.is(Command::kRegionInfo)) {
        auto info = load<RegionInfo>(m.body);
        const bool mapped = info.index == 0 && bar >= 0;
        const std::uint32_t given = info.argsz;
        info.size = info.index == 0 || info.index == 7 ? 4 * 4096 : 0;
        info.flags = mapped ? 7 : 3;
        info.argsz = static_cast<std::uint32_t>(sizeof info + (mapped ? areas.size() : 0));
        const bool all = given >= info.argsz;
        if (mapped && all && !areas.empty()) info.flags |= RegionInfo::kCapabilities, info.first_capability = 32;
        body = body_of(info);
        if (mapped && all) {
          reply(m.header, body + areas, 0, {&bar, 1});
          continue;
        }
      }
      if (m.header.is(Command::kRegionRead)) {
        const auto access = load<RegionAccess>(m.body);
        body = body_of(access) + Bytes(access.count, std::byte{0x11});
      }
      if (m.header.is(Command::kRegionWrite)) {
        body = body_of(load<RegionAccess>(m.body));
        ++writes;
      }
      if ((m.header.flags & Header::kNoReply) == 0) reply(m.header, body);
    }
  }
  Channel channel;
  std::atomic<int> writes{0};

 private:
  UniqueFd listener_;
  Script script_;
  std::thread thread_;
};

class Client : public ::testing::Test {
 protected:
  /// What opening it says.
  std::string open_error(Nanos deadline = 2_s) {
    VfioUserDomain domain;
    return error_of([&] { VfioUserDevice device(domain, path, {.deadline = deadline}); });
  }
  void expect_says(const FakeServer::Script& script, const std::vector<std::string>& parts, Nanos deadline = 2_s) {
    {
      FakeServer server(path, script);
      std::vector<std::string> all = parts;
      all.insert(all.begin(), path);
      expect_text(open_error(deadline), all);
    }
    ::unlink(path.c_str());
  }
  Directory directory;
  std::string path = directory / "device";
};

TEST_F(Client, SaysWhyThereIsNoServer) {
  expect_text(open_error(), {path, "No such file", "pollux-simnic --nic 82599 --socket"});
  std::ofstream(directory / "file") << "x";
  path = directory / "file";
  expect_text(open_error(), {path, "start the server again"});
  path = directory / "dgram";
  const UniqueFd dgram(::socket(AF_UNIX, SOCK_DGRAM, 0)), stale(::socket(AF_UNIX, SOCK_STREAM, 0));
  sockaddr_un address = try_unix_address(path).value();
  ASSERT_EQ(::bind(dgram.get(), generic(address), sizeof address), 0);
  expect_text(open_error(), {path, "socket of datagrams"});
  path = directory / "stale";
  address = try_unix_address(path).value();
  ASSERT_EQ(::bind(stale.get(), generic(address), sizeof address), 0);
  expect_text(open_error(), {path, "Connection refused", "start the server again"});
  path = std::string(300, 'x');
  expect_text(open_error(), {"1 to 107 bytes"});
  if (::geteuid() != 0) return;
  path = directory / "stale";
  ASSERT_EQ(::seteuid(65534), 0);
  const std::string text = open_error();
  ASSERT_EQ(::seteuid(0), 0);
  expect_text(text, {path, "Permission denied", "ls -l"});
}

TEST_F(Client, SaysWhatIsWrongWithTheServersFirstWords) {
  const auto sized = [](std::uint32_t size) {
    return [size](FakeServer& s) {
      (void)s.next();
      const Header header{.id = 1, .command = 1, .size = size, .flags = 1};
      s.raw(&header, sizeof header);
      (void)s.next();
    };
  };
  expect_says([](FakeServer& s) { (void)s.next(); }, {"closed the connection"});
  expect_says([](FakeServer&) {}, {"closed the connection"});
  expect_says([](FakeServer& s) { s.raw("SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n", 32), (void)s.next(), (void)s.next(); },
              {"no message of vfio-user"});
  expect_says(sized(0), {"no message"});
  expect_says(sized(0xFFFF'FFFF), {"too long"});
  expect_says(sized(3 << 20), {"too long"});
  expect_says([](FakeServer& s) { s.say_hello("{}", {1, 0}), (void)s.next(); }, {"version 1.0", "speaks 0.2"});
  expect_says([](FakeServer& s) { s.say_hello("{}", {0, 3}), (void)s.next(); }, {"version 0.3"});
  expect_says([](FakeServer& s) { s.say_hello("{"), (void)s.next(); }, {"no JSON"});
  expect_says([](FakeServer& s) { s.reply(s.next().header, {}), (void)s.next(); }, {"VERSION is too short"});
  expect_says([](FakeServer& s) { s.reply(s.next().header, {}, EINVAL), (void)s.next(); }, {"refused VERSION"});
  expect_says(
      [](FakeServer& s) {
        Header h = s.next().header;
        ++h.id;
        s.reply(h, {}), (void)s.next();
      },
      {"answered what nobody asked"});
  expect_says([](FakeServer& s) { (void)s.next(), (void)s.next(); }, {"another client may hold the device"}, 50_ms);
}

TEST_F(Client, SaysWhatIsWrongWithTheDevice) {
  const auto device = [](Command where, std::function<void(FakeServer&, const Message&)> odd) {
    return [=](FakeServer& s) {
      s.say_hello();
      s.be_a_device([&](const Message& m) {
        if (!m.header.is(where)) return false;
        odd(s, m);
        return true;
      });
    };
  };
  expect_says(device(Command::kDeviceInfo,
                     [](FakeServer& s, const Message& m) { s.reply(m.header, body_of(DeviceInfo{16, 0, 9, 5})); }),
              {"no PCI device"});
  expect_says(device(Command::kDeviceInfo,
                     [](FakeServer& s, const Message& m) { s.reply(m.header, body_of(DeviceInfo{16, 2, 7, 5})); }),
              {"no configuration space"});
  expect_says(device(Command::kDeviceInfo, [](FakeServer& s, const Message& m) { s.reply(m.header, Bytes(15)); }),
              {"too short"});
  expect_says(device(Command::kRegionInfo, [](FakeServer& s, const Message& m) { s.reply(m.header, Bytes(31)); }),
              {"region 0"});
  expect_says(device(Command::kRegionInfo,
                     [](FakeServer& s, const Message& m) {
                       auto info = load<RegionInfo>(m.body);
                       info.argsz += 8;
                       s.reply(m.header, body_of(info));
                     }),
              {"longer with each question"});
  expect_says(
      device(Command::kRegionInfo,
             [](FakeServer& s, const Message& m) { s.reply(m.header, body_of(RegionInfo{.argsz = ~0u, .index = 0})); }),
      {"region 0"});
  expect_says(device(Command::kRegionInfo, [](FakeServer& s, const Message& m) { s.reply(m.header, {}, EPERM); }),
              {"refused DEVICE_GET_REGION_INFO", "not permitted"});
  expect_says(device(Command::kRegionRead, [](FakeServer& s, const Message& m) { s.reply(m.header, {}, EIO); }),
              {"configuration space cannot be read"});
  expect_says(device(Command::kRegionRead, [](FakeServer& s, const Message& m) { s.reply(m.header, Bytes(17)); }),
              {"configuration space cannot be read"});
  expect_says(device(Command::kRegionRead, [](FakeServer& s, const Message&) { s.channel.close(); }),
              {"closed the connection"});
  expect_says(device(Command::kRegionWrite, [](FakeServer& s, const Message& m) { s.reply(m.header, {}, EIO); }),
              {"Input/output error"});
  expect_says(device(Command::kRegionInfo, [](FakeServer&, const Message&) {}), {"did not answer"}, 50_ms);
}

TEST_F(Client, AnswersTheServersQuestionsWithinItsMemory) {
  std::vector<std::uint32_t> errors;
  Bytes seen;
  const auto ask = [&](FakeServer& s, Command command, const Bytes& body) {
    (void)s.channel.send({.id = 9, .command = static_cast<std::uint16_t>(command)}, {body});
    const Message m = s.next();
    errors.push_back(m.header.error);
    return m.body;
  };
  std::uint64_t at = 0, size = 0;
  FakeServer server(path, [&](FakeServer& s) {
    s.say_hello();
    s.be_a_device([&](const Message& m) {
      if (m.header.is(Command::kDmaMap)) at = load<DmaMap>(m.body).address, size = load<DmaMap>(m.body).size;
      if (!m.header.is(Command::kDeviceReset)) return false;
      seen = ask(s, Command::kDmaRead, body_of(DmaTransfer{at + 8, 8}));
      (void)ask(s, Command::kDmaWrite, body_of(DmaTransfer{at + 16, 8}, std::uint64_t{0x1234}));
      (void)ask(s, Command::kDmaWrite, body_of(DmaTransfer{at + 31, 3}, std::byte{1}, std::byte{2}, std::byte{3}));
      (void)ask(s, Command::kDmaRead, body_of(DmaTransfer{at + size - 7, 8}));
      (void)ask(s, Command::kDmaRead, body_of(DmaTransfer{at - 1, 8}));
      (void)ask(s, Command::kDmaRead, body_of(DmaTransfer{~std::uint64_t{0} - 3, 8}));
      (void)ask(s, Command::kDmaRead, body_of(DmaTransfer{at, ~std::uint64_t{0}}));
      (void)ask(s, Command::kDmaRead, body_of(DmaTransfer{at, 0}));
      (void)ask(s, Command::kDmaRead, Bytes(15));
      (void)ask(s, Command::kDmaWrite, body_of(DmaTransfer{at, 9}, std::uint64_t{0}));
      (void)ask(s, Command::kRegionRead, Bytes(16));
      return false;
    });
  });
  VfioUserDomain domain;
  VfioUserDevice device(domain, path);
  const DmaRegion memory = DmaRegion::allocate(domain, 4096, PagePreference::kOrdinary);
  memory.data()[8] = std::byte{7};
  EXPECT_TRUE(device.try_reset());
  EXPECT_EQ(seen, body_of(DmaTransfer{at + 8, 8}, std::uint64_t{7}));
  EXPECT_EQ(*reinterpret_cast<std::uint64_t*>(memory.data() + 16), 0x1234u);
  EXPECT_EQ(memory.data()[33], std::byte{3});
  const std::vector<std::uint32_t> expected{0, 0, 0, ENODEV, ENODEV, ENODEV, EINVAL, EINVAL, EINVAL, EINVAL, ENOTSUP};
  EXPECT_EQ(errors, expected);
}

TEST_F(Client, MapsTheAreasOfABarThatTheServerOffers) {
  const Memory bar(4 * 4096);
  struct Case {
    const char* what;
    Bytes areas;
    bool first, second;  ///< which of pages 0 and 2 are mapped
  };
  const auto sparse = [](std::initializer_list<SparseArea> all) {
    Bytes out = body_of(SparseAreas{.id = 1, .version = 1, .areas = static_cast<std::uint32_t>(all.size())});
    for (const SparseArea& a : all) out = out + body_of(a);
    return out;
  };
  const std::vector<Case> cases{
      {"all of it", {}, true, true},
      {"two pages", sparse({{0, 4096}, {8192, 4096}}), true, true},
      {"the last page", sparse({{8192, 4096}}), false, true},
      {"beyond its end", sparse({{8192, 16384}, {0, 4096}}), true, false},
      {"no whole page", sparse({{100, 4096}, {8192, 100}}), false, false},
      {"an end past all", sparse({{~std::uint64_t{0} - 4095, 8192}, {0, 0}}), false, false},
      {"fewer than said", body_of(SparseAreas{.id = 1, .areas = 9999}), false, false},
      {"another kind first", body_of(SparseAreas{.id = 7, .next = 48}) + sparse({{0, 4096}}), true, false}};
  for (const Case& c : cases) {
    {
      FakeServer server(path, [&](FakeServer& s) {
        s.say_hello();
        s.be_a_device([](const Message&) { return false; }, bar.fd(), c.areas);
      });
      VfioUserDomain domain;
      VfioUserDevice device(domain, path);
      const VfioUserIo io = device.bar(0).io();
      std::memset(bar.data(), 0x22, 4 * 4096);
      EXPECT_EQ(io.read32(4), c.first ? 0x2222'2222u : 0x1111'1111u) << c.what;
      EXPECT_EQ(io.read32(8192 + 4), c.second ? 0x2222'2222u : 0x1111'1111u) << c.what;
      const int before = server.writes;
      io.write32(8, 0x33);
      io.write32(8192 + 8, 0x44);
      EXPECT_EQ(bar.data()[8], c.first ? std::byte{0x33} : std::byte{0x22});
      EXPECT_EQ(bar.data()[8192 + 8], c.second ? std::byte{0x44} : std::byte{0x22});
      (void)io.read32(12), (void)io.read32(4096);  // by message: the writes came before it
      EXPECT_EQ(server.writes - before, (c.first ? 0 : 1) + (c.second ? 0 : 1));
    }
    ::unlink(path.c_str());
  }
  const Memory shorter(4096);  // than the BAR: what is not there is not mapped
  FakeServer server(path, [&](FakeServer& s) {
    s.say_hello();
    s.be_a_device([](const Message&) { return false; }, shorter.fd());
  });
  VfioUserDomain domain;
  VfioUserDevice device(domain, path);
  EXPECT_EQ(device.bar(0).io().read32(8192), 0x1111'1111u);
  expect_text(error_of([&] { (void)device.bar(1); }), {path, "BAR 1 is absent"});
}

// ---- Our server ---------------------------------------------------------------------------------------------------

template <class ModelType>
struct Served {
  Served(const std::string& path, sim::WireEnd& wire, const MacAddress& mac,
         const sim::VfioUserServerConfig& config = {})
      : model(iommu, wire, faults, card(mac)), device(model), server(device, path, config) {
    model.set_time([] { return SteadyClock{}.now(); });
  }
  static auto card(const MacAddress& mac) {
    if constexpr (std::same_as<ModelType, ixgbe::Model82599>) {
      return ixgbe::Personality{.mac = mac};
    } else {
      return e1000::Model82574Config{.mac = mac}.instant();
    }
  }
  sim::Iommu iommu;
  sim::FaultLog faults;
  ModelType model;
  sim::ServedModel<ModelType> device;
  sim::VfioUserServer server;
};

/// Serves on a thread of its own, until it goes.
template <class ModelType>
class Serving {
 public:
  explicit Serving(const std::string& path, sim::WireEnd& wire, const MacAddress& mac = {{2, 0, 0, 0, 0, 1}})
      : served_(std::make_unique<Served<ModelType>>(path, wire, mac)), thread_([this] {
          while (!ended_) {
            pollfd one{.fd = served_->server.fd(), .events = POLLIN, .revents = 0};
            (void)sys::poll_for(&one, 1, served_->server.step() ? 0 : 200'000);
          }
          served_.reset();
        }) {}
  ~Serving() { end(); }
  void end() {
    ended_ = true;
    if (thread_.joinable()) thread_.join();
  }

 private:
  std::unique_ptr<Served<ModelType>> served_;
  std::atomic<bool> ended_{false};
  std::thread thread_;
};

using Ixgbe = ixgbe::Port<ixgbe::I82599, VfioUserDevice>;
using E1000 = e1000::Port<e1000::I82574, VfioUserDevice>;

TEST_F(Client, OpensADeviceAsAfterPowerOn) {
  sim::Loopback wire;
  Serving<ixgbe::Model82599> serving(path, wire);
  VfioUserDomain domain;
  VfioUserDevice device(domain, path);
  EXPECT_EQ(device.id(), (PciId{0x8086, 0x10F9}));
  EXPECT_EQ(device.name(), path);
  EXPECT_EQ(device.config().read16(pci_config::kCommand), pci_config::kCommandMemory);
  EXPECT_EQ(device.irq_counts().intx, 1u);
  EXPECT_EQ(device.irq_counts().msi, 1u);
  EXPECT_EQ(device.irq_counts().msix, 64u);
  EXPECT_EQ(device.config().read32(4096), ~0u);
  EXPECT_EQ(device.config().read8(3), 0x10u);
  EXPECT_EQ(try_list_capabilities(device.config()).value().size(), 4u);
  device.enable_bus_master();
  EXPECT_TRUE(device.try_reset());
  EXPECT_EQ(device.config().read16(pci_config::kCommand), pci_config::kCommandMemory);
  expect_text(error_of([&] { (void)device.open_interrupts(IrqKind::kMsix, 65); }), {path, "65 x MSI-X", "MSI-X: 64"});
}

TEST_F(Client, IsToldThatItIsTheWrongDriver) {
  sim::Loopback wire;
  Serving<e1000::Model82574> serving(path, wire);
  VfioUserDomain domain;
  VfioUserDevice device(domain, path);
  BufferPool pool(domain, 1024);
  expect_text(error_of([&] { Ixgbe port(device, pool); }), {path, "8086:10d3", "82599"});
}

/// Sends frames to itself through a loopback wire until `until`.
template <class Port>
std::uint64_t echo(Port& port, const std::function<bool(std::uint64_t)>& until) {
  std::uint64_t received = 0;
  for (unsigned i = 0; !until(received) && i < 20'000'000; ++i) {
    Burst<32> out(port.pool()), in(port.pool());
    if (port.pool().free_count() > 300 && out.allocate(16, 100) == 16) {
      for (Packet& p : out) {
        std::memset(p.data, 0, 100);
        std::memcpy(p.data, port.mac().bytes.data(), 6);
      }
      (void)port.tx_burst(out);
    }
    received += port.rx_burst(in);
    (void)port.reclaim();
  }
  return received;
}

TEST_F(Client, NothingHangsWhenTheServerEnds) {
  sim::Loopback wire;
  auto serving = std::make_unique<Serving<ixgbe::Model82599>>(path, wire);
  VfioUserDomain domain;
  VfioUserDevice device(domain, path);
  BufferPool pool(domain, 2048);
  Ixgbe port(device, pool);
  port.start();
  EXPECT_GE(echo(port, [](std::uint64_t n) { return n >= 2000; }), 2000u);
  EXPECT_TRUE(port.try_check());
  serving.reset();
  const Nanos begin = SteadyClock{}.now();
  unsigned rounds = 0;
  (void)echo(port, [&](std::uint64_t) { return ++rounds > 10'000; });
  EXPECT_EQ(port.bar().io().read32(8), ~0u);
  const auto check = port.try_check();
  ASSERT_FALSE(check);
  expect_text(check.failure().text(), {path, "the server closed the connection", "open the device anew"});
  expect_text(error_of([&] { device.enable_bus_master(); }), {path, "closed the connection"});
  expect_text(error_of([&] { (void)device.open_interrupts(IrqKind::kMsix, 1); }), {path, "closed"});
  const auto more = DmaRegion::try_allocate(domain, 4096, PagePreference::kOrdinary);
  ASSERT_FALSE(more);
  expect_text(more.failure().text(), {path, "closed the connection"});
  port.stop();
  EXPECT_EQ(pool.free_count(), pool.count());
  expect_text(error_of([&] { port.start(); }), {path, "closed the connection"});
  EXPECT_LT((SteadyClock{}.now() - begin).count, Nanos{60'000'000'000}.count) << "no deadline is waited for twice";
}

TEST_F(Client, OpensADeviceAThousandTimesAndLeaksNothing) {
  sim::Loopback wire;
  Serving<e1000::Model82574> serving(path, wire);
  VfioUserDomain domain;
  BufferPool kept(domain, 512, 2048, PagePreference::kOrdinary);  // before any device, and told to each
  { const VfioUserDevice once(domain, path); }
  const auto settled = [&] {  // when the server, too, is done with the last one
    const VfioUserDevice device(domain, path);
    return Holdings::now();
  };
  const Holdings before = settled();
  for (int i = 0; i < 1000; ++i) {
    VfioUserDevice device(domain, path);
    const auto memory = DmaRegion::allocate(domain, 8192, PagePreference::kOrdinary);
    const auto interrupts = device.open_interrupts(IrqKind::kMsix, 5);
    device.enable_bus_master();
  }
  EXPECT_EQ(settled(), before);
}

TEST_F(Client, DevicesOfOneDomainShareItsMemory) {
  sim::Loopback wire, other_wire;
  const std::string other_path = directory / "other";
  Serving<e1000::Model82574> serving(path, wire);
  Serving<ixgbe::Model82599> other_serving(other_path, other_wire);
  VfioUserDomain domain;
  VfioUserDevice left(domain, path), right(domain, other_path);
  BufferPool pool(domain, 4096);
  E1000 a(left, pool);
  Ixgbe b(right, pool);
  a.start(), b.start();
  EXPECT_GE(echo(a, [](std::uint64_t n) { return n >= 100; }), 100u);
  EXPECT_GE(echo(b, [](std::uint64_t n) { return n >= 100; }), 100u);
}

template <class Port, class ModelType>
void wait_for_frames(const std::string& path, IrqKind kind) {
  SCOPED_TRACE(to_string(kind));
  sim::Loopback wire;
  Serving<ModelType> serving(path, wire);
  VfioUserDomain domain;
  VfioUserDevice device(domain, path);
  BufferPool pool(domain, 2048);
  Port port(device, pool);
  port.start();
  port.use_interrupts(kind);
  const auto interrupts = device.open_interrupts(kind, port.vectors().count());
  RxWaiter<Port> waiter(port, *interrupts[port.vectors().rx()]);
  SpinThenBlock<> policy(BlockConfig{.spin = Nanos{}});
  std::uint64_t received = 0;
  for (unsigned round = 0; round < 200; ++round) {
    Burst<32> out(pool), in(pool);
    ASSERT_EQ(out.allocate(1, 60), 1u);
    std::memset(out[0].data, 0, 60);
    std::memcpy(out[0].data, port.mac().bytes.data(), 6);
    ASSERT_EQ(port.tx_burst(out), 1u);
    while (received <= round) {
      ASSERT_TRUE(policy.wait(waiter, 10_s)) << "no interrupt in round " << round;
      received += port.rx_burst(in);
    }
    (void)port.reclaim();
  }
  port.use_polling();
}

TEST_F(Client, SleepsUntilAFrameInterrupts) {
  for (const IrqKind kind : {IrqKind::kMsix, IrqKind::kMsi, IrqKind::kIntx}) {
    wait_for_frames<Ixgbe, ixgbe::Model82599>(path, kind);
    wait_for_frames<E1000, e1000::Model82574>(path, kind);
  }
}

TEST_F(Client, TurnsOnAllVectorsThoughAMessageCarriesFewDescriptors) {
  sim::Loopback wire;
  Served<ixgbe::Model82599> served(path, wire, {{2, 0, 0, 0, 0, 1}}, {.max_fds = 16});
  std::atomic<bool> ended{false};
  std::thread thread([&] {
    while (!ended) (void)served.server.step();
  });
  {
    VfioUserDomain domain;
    VfioUserDevice device(domain, path);
    const auto all = device.open_interrupts(IrqKind::kMsix, 64);
    for (unsigned v = 0; v < 64; ++v) {
      served.model.interrupts().message(v);
      EXPECT_TRUE(all[v]->wait(5_s)) << v;
    }
  }
  ended = true;
  thread.join();
}

// ---- Processes that are killed, and an ordinary user --------------------------------------------------------------

/// Runs `work` in a process of its own.
class Child {
 public:
  explicit Child(const std::function<void()>& work) : pid_(::fork()) {
    if (pid_ != 0) return;
    work();
    ::_exit(0);
  }
  ~Child() {
    if (pid_ > 0) (void)end(SIGKILL);
  }
  /// Returns what waitpid says.
  int end(int signal = 0) {
    if (signal != 0) ::kill(pid_, signal);
    int status = -1;
    (void)::waitpid(std::exchange(pid_, -1), &status, 0);
    return status;
  }

 private:
  pid_t pid_;
};

void serve_for_ever(const std::string& path) {
  sim::Loopback wire;
  Served<ixgbe::Model82599> served(path, wire, {{2, 0, 0, 0, 0, 1}});
  for (;;) {
    pollfd one{.fd = served.server.fd(), .events = POLLIN, .revents = 0};
    (void)sys::poll_for(&one, 1, served.server.step() ? 0 : 200'000);
  }
}
void wait_for_socket(const std::string& path) {
  for (int i = 0; i < 10'000 && ::access(path.c_str(), F_OK) != 0; ++i) ::usleep(1000);
}

TEST_F(Client, OutlivesAServerThatIsKilledInMidTraffic) {
  Child server([&] { serve_for_ever(path); });
  wait_for_socket(path);
  VfioUserDomain domain;
  {
    VfioUserDevice device(domain, path);
    BufferPool pool(domain, 2048);
    Ixgbe port(device, pool);
    port.start();
    EXPECT_GE(echo(port, [](std::uint64_t n) { return n >= 1000; }), 1000u);
    (void)server.end(SIGKILL);
    unsigned rounds = 0;
    (void)echo(port, [&](std::uint64_t) { return ++rounds > 1000; });
    EXPECT_FALSE(port.try_check());
    port.stop();
    EXPECT_EQ(pool.free_count(), pool.count());
  }
  Child again([&] { serve_for_ever(path); });  // its socket is still there
  for (int i = 0; i < 5000; ++i) {
    if (open_error() == "no error") break;
    ::usleep(1000);
  }
  VfioUserDevice device(domain, path);
  BufferPool pool(domain, 2048);
  Ixgbe port(device, pool);
  port.start();
  EXPECT_GE(echo(port, [](std::uint64_t n) { return n >= 1000; }), 1000u);
}

TEST_F(Client, MayBeKilledInMidTrafficAndTheServerServesTheNext) {
  Child server([&] { serve_for_ever(path); });
  wait_for_socket(path);
  for (int i = 0; i < 5; ++i) {
    std::array<int, 2> pipe{};
    ASSERT_EQ(::pipe(pipe.data()), 0);
    Child client([&] {
      VfioUserDomain domain;
      VfioUserDevice device(domain, path);
      BufferPool pool(domain, 2048);
      Ixgbe port(device, pool);
      port.start();
      bool told = false;
      (void)echo(port, [&](std::uint64_t n) {
        if (n > 500 && !std::exchange(told, true)) (void)!::write(pipe[1], "x", 1);
        return false;
      });
    });
    ::close(pipe[1]);
    char c = 0;
    ASSERT_EQ(::read(pipe[0], &c, 1), 1) << "the client never got so far";
    ::close(pipe[0]);
    (void)client.end(SIGKILL);
  }
  VfioUserDomain domain;
  VfioUserDevice device(domain, path);
  BufferPool pool(domain, 2048);
  Ixgbe port(device, pool);
  port.start();
  EXPECT_GE(echo(port, [](std::uint64_t n) { return n >= 1000; }), 1000u);
}

TEST_F(Client, NeedsNoPrivileges) {
  if (::geteuid() != 0) GTEST_SKIP() << "all the other tests were run without privileges";
  const auto drop = [] {
    const rlimit none{0, 0};
    if (::setgroups(0, nullptr) != 0 || ::setgid(65534) != 0 || ::setuid(65534) != 0) ::_exit(1);
    if (::setrlimit(RLIMIT_MEMLOCK, &none) != 0) ::_exit(1);
  };
  const std::string place = directory / "";
  ASSERT_EQ(::chmod(place.c_str(), 0777), 0);
  Child server([&] {
    drop();
    serve_for_ever(path);
  });
  wait_for_socket(path);
  Child client([&] {
    drop();
    VfioUserDomain domain;
    VfioUserDevice device(domain, path);
    BufferPool pool(domain, 2048, 2048, PagePreference::kOrdinary);
    Ixgbe port(device, pool);
    port.start();
    port.use_interrupts(IrqKind::kMsix);
    const auto interrupts = device.open_interrupts(IrqKind::kMsix, port.vectors().count());
    ::_exit(echo(port, [](std::uint64_t n) { return n >= 1000; }) >= 1000 ? 42 : 2);
  });
  const int status = client.end();
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 42);
}

}  // namespace

// SPDX-License-Identifier: BSD-3-Clause
// Tests of the 82574 model: the real driver on it, every feature by registers and descriptors, every strict fault.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <deque>
#include <initializer_list>
#include <string>
#include <vector>

#include <pollux/e1000/model.hpp>
#include <pollux/e1000/port.hpp>
#include <pollux/sim/backend.hpp>

namespace {

using namespace pollux;
using namespace pollux::e1000;
using Frame = std::vector<std::byte>;
using sim::FaultKind;

std::string all_faults(const sim::FaultLog& log) {
  std::string out;
  for (const sim::Fault& f : log.faults()) out += f.text() + "\n";
  return out;
}
#define EXPECT_NO_FAULTS(log) EXPECT_EQ((log).count(), 0u) << all_faults(log)

// ---- Frames, and what is right about them, computed here without the library ----------------------------------------

std::byte operator""_b(unsigned long long v) { return static_cast<std::byte>(v); }
constexpr MacAddress kMac{{0x52, 0x54, 0x00, 0x12, 0x34, 0x56}}, kOther{{0x52, 0x54, 0x00, 0xAA, 0xBB, 0xCC}};

void put_be(Frame& f, std::size_t at, unsigned v, unsigned n) {
  for (unsigned i = 0; i < n; ++i) f[at + i] = static_cast<std::byte>(v >> (8 * (n - 1 - i)));
}
unsigned get_be(const Frame& f, std::size_t at, unsigned n) {
  unsigned v = 0;
  for (unsigned i = 0; i < n; ++i) v = v << 8 | std::to_integer<unsigned>(f.at(at + i));
  return v;
}
unsigned ones_sum(const Frame& f, std::size_t from, std::size_t to, unsigned sum = 0) {
  for (std::size_t i = from; i < to; ++i) sum += std::to_integer<unsigned>(f.at(i)) << ((i - from) % 2 == 0 ? 8 : 0);
  while (sum > 0xFFFF) sum = (sum & 0xFFFF) + (sum >> 16);
  return sum;
}
Frame ethernet(const MacAddress& to, std::size_t size, unsigned type = 0x88B5, unsigned seed = 1) {
  Frame f(size);
  for (std::size_t i = 14; i < size; ++i) f[i] = static_cast<std::byte>(i * 7 + seed);
  std::memcpy(f.data(), to.bytes.data(), 6);
  std::memcpy(f.data() + 6, kOther.bytes.data(), 6);
  put_be(f, 12, type, 2);
  return f;
}
Frame tagged(Frame f, unsigned tci) {
  f.insert(f.begin() + 12, 4, 0_b);
  put_be(f, 12, 0x8100, 2);
  put_be(f, 14, tci, 2);
  return f;
}
struct Flow {
  std::array<unsigned, 4> source{10, 0, 0, 1}, destination{10, 0, 0, 2};
  unsigned source_port = 1000, destination_port = 2000;
  unsigned protocol = 6;
};
/// An IPv4 TCP or UDP frame with right checksums.
Frame ipv4(std::size_t payload, const Flow& flow = {}) {
  const std::size_t l4 = flow.protocol == 6 ? 20 : 8;
  Frame f = ethernet(kMac, 34 + l4 + payload, 0x0800);
  std::fill(f.begin() + 14, f.begin() + static_cast<std::ptrdiff_t>(34 + l4), 0_b);
  f[14] = 0x45_b;
  put_be(f, 16, static_cast<unsigned>(20 + l4 + payload), 2);
  put_be(f, 18, 0x1234, 2);
  f[22] = 64_b;
  f[23] = static_cast<std::byte>(flow.protocol);
  for (std::size_t i = 0; i < 4; ++i) f[26 + i] = static_cast<std::byte>(flow.source[i]);
  for (std::size_t i = 0; i < 4; ++i) f[30 + i] = static_cast<std::byte>(flow.destination[i]);
  put_be(f, 24, ones_sum(f, 14, 34) ^ 0xFFFF, 2);
  put_be(f, 34, flow.source_port, 2);
  put_be(f, 36, flow.destination_port, 2);
  if (flow.protocol == 6) {
    put_be(f, 38, 0x1000'0000, 4);
    f[46] = 0x50_b;
    f[47] = 0x19_b;  // FIN, PSH, ACK
  } else {
    put_be(f, 38, static_cast<unsigned>(l4 + payload), 2);
  }
  const unsigned pseudo = ones_sum(f, 26, 34, static_cast<unsigned>(flow.protocol + l4 + payload));
  put_be(f, flow.protocol == 6 ? 50 : 40, ones_sum(f, 34, f.size(), pseudo) ^ 0xFFFF, 2);
  return f;
}
bool checksums_right(const Frame& f) {
  const std::size_t end = 14 + get_be(f, 16, 2);
  const unsigned pseudo = ones_sum(f, 26, 34, get_be(f, 23, 1) + static_cast<unsigned>(end - 34));
  return ones_sum(f, 14, 34) == 0xFFFF && ones_sum(f, 34, end, pseudo) == 0xFFFF;
}

// ---- The real driver ------------------------------------------------------------------------------------------------

template <sim::Doorbells Mode>
class Pair {
 public:
  using Backend = sim::SimBackend<Model82574, Mode>;
  using Driver = Port<I82574, Backend>;

  Pair() {
    for (Model82574* m : {&a, &b}) {
      m->set_time([this] { return clock.now(); });
      clock.on_advance([m] { (void)m->step(); });
    }
  }
  void step() {
    for (int i = 0; i < 4; ++i) (void)a.step(), (void)b.step();
  }

  sim::VirtualClock clock;
  sim::Iommu iommu;
  sim::FaultLog faults;
  sim::Cable cable;
  Model82574 a{iommu, cable.a(), faults, {.mac = kMac}};
  Model82574 b{iommu, cable.b(), faults, {.mac = kOther}};
  Backend backend_a{a, sim::VirtualClock::Handle(clock), "a"}, backend_b{b, sim::VirtualClock::Handle(clock), "b"};
  BufferPool pool{iommu, 1024};
};

/// Sends one frame and returns what arrives.
template <class World, class Driver>
Frame through(World& world, Driver& from, Driver& to, const Frame& frame) {
  Burst<> out(world.pool);
  out.allocate(1, static_cast<std::uint16_t>(frame.size()));
  std::memcpy(out[0].data, frame.data(), frame.size());
  EXPECT_EQ(from.tx_burst(out), 1u);
  world.step();
  Burst<> in(world.pool);
  EXPECT_EQ(to.rx_burst(in), 1u);
  if (in.empty()) return {};
  return {in[0].data, in[0].data + in[0].length};
}

template <class World>
void exchange(World& w) {
  typename World::Driver a(w.backend_a, w.pool, {.rx_descriptors = 32, .tx_descriptors = 32});
  typename World::Driver b(w.backend_b, w.pool, {.rx_descriptors = 32, .tx_descriptors = 32});
  EXPECT_EQ(a.mac(), kMac);
  EXPECT_EQ(b.mac(), kOther);
  a.start();
  b.start();
  EXPECT_EQ(a.link(), (LinkState{.up = true, .full_duplex = true, .speed_mbps = 1000}));
  std::uint64_t frames = 0, bytes = 0;
  for (std::size_t size = 60; size <= 1514; size += size < 1500 ? 7 : 1, ++frames) {  // over 200: the rings wrap
    bytes += size;
    const Frame to_b = ethernet(kOther, size, 0x88B5, static_cast<unsigned>(size));
    ASSERT_EQ(through(w, a, b, to_b), to_b) << size;
    const Frame to_a = ethernet(kMac, size, 0x88B5, static_cast<unsigned>(size + 1));
    ASSERT_EQ(through(w, b, a, to_a), to_a) << size;
  }
  for (auto* port : {&a, &b}) {
    const PortStats s = port->stats();
    EXPECT_EQ(s.rx_packets, frames);
    EXPECT_EQ(s.tx_packets, frames);
    EXPECT_EQ(s.rx_bytes, bytes);
    EXPECT_EQ(s.tx_bytes, bytes);
    EXPECT_EQ(s.rx_missed + s.rx_errors + s.tx_errors + s.rx_rejected, 0u);
  }
}

TEST(DriverOnModel, ExchangesFramesOfAllSizesInline) {
  Pair<sim::Doorbells::kInline> w;
  exchange(w);
  EXPECT_NO_FAULTS(w.faults);
}
TEST(DriverOnModel, ExchangesFramesOfAllSizesOverSharedDoorbells) {
  Pair<sim::Doorbells::kShared> w;
  exchange(w);
  EXPECT_NO_FAULTS(w.faults);
}
TEST(DriverOnModel, ShortFramesArePadded) {
  Pair<sim::Doorbells::kInline> w;
  decltype(w)::Driver a(w.backend_a, w.pool), b(w.backend_b, w.pool);
  a.start();
  b.start();
  Frame expected = ethernet(kOther, 20);
  const Frame sent = expected;
  expected.resize(60);
  EXPECT_EQ(through(w, a, b, sent), expected);
  EXPECT_NO_FAULTS(w.faults);
}
TEST(DriverOnModel, BurstsOfFullRingsBothWays) {
  Pair<sim::Doorbells::kInline> w;
  decltype(w)::Driver a(w.backend_a, w.pool, {.rx_descriptors = 64, .tx_descriptors = 64});
  decltype(w)::Driver b(w.backend_b, w.pool, {.rx_descriptors = 64, .tx_descriptors = 64});
  a.start();
  b.start();
  unsigned sent = 0, got = 0;
  for (int round = 0; round < 300; ++round) {
    Burst<> out(w.pool);
    out.allocate(32, 200);
    for (Packet& p : out) {
      const Frame f = ethernet(kOther, 200, 0x88B5, sent++);
      std::memcpy(p.data, f.data(), f.size());
    }
    ASSERT_EQ(a.tx_burst(out), 32u);
    w.step();
    Burst<> in(w.pool);
    while (b.rx_burst(in) != 0) {
      for (const Packet& p : in) {
        const Frame expected = ethernet(kOther, 200, 0x88B5, got++);
        ASSERT_EQ(std::memcmp(p.data, expected.data(), expected.size()), 0);
      }
      in.clear();
    }
    ASSERT_EQ(got, sent);
  }
  EXPECT_NO_FAULTS(w.faults);
}
TEST(DriverOnModel, StopsAndStartsTwentyTimes) {
  Pair<sim::Doorbells::kInline> w;
  decltype(w)::Driver a(w.backend_a, w.pool), b(w.backend_b, w.pool);
  for (unsigned i = 0; i < 20; ++i) {
    a.start();
    b.start();
    const Frame f = ethernet(kOther, 64 + i);
    EXPECT_EQ(through(w, a, b, f), f);
    a.stop();
    b.stop();
    EXPECT_EQ(w.pool.free_count(), w.pool.count());
  }
  EXPECT_EQ(a.stats().tx_packets, 20u);
  EXPECT_EQ(b.stats().rx_packets, 20u);
  EXPECT_NO_FAULTS(w.faults);
}
TEST(DriverOnModel, RefusesWhatCannotWork) {
  Pair<sim::Doorbells::kInline> w;
  using Driver = decltype(w)::Driver;
  BufferPool few(w.iommu, 100), narrow(w.iommu, 1024, 1024);
  HostDomain host;
  BufferPool foreign(host, 1024, 2048, PagePreference::kOrdinary);
  const auto why = [&](BufferPool& pool, const Config& config) -> std::string {
    try {
      const Driver port(w.backend_a, pool, config);
    } catch (const Error& e) {
      EXPECT_EQ(e.code().value(), EINVAL);
      EXPECT_EQ(e.failure().operation, "configure");
      EXPECT_EQ(e.failure().object, "a");
      EXPECT_NE(e.failure().remedy, "");
      return e.failure().where;
    }
    return "nothing";
  };
  EXPECT_EQ(why(w.pool, {.rx_descriptors = 16}), "a ring of 16 descriptors");
  EXPECT_EQ(why(w.pool, {.rx_descriptors = 100}), "a ring of 100 descriptors");
  EXPECT_EQ(why(w.pool, {.tx_descriptors = 0}), "a ring of 0 descriptors");
  EXPECT_EQ(why(w.pool, {.tx_descriptors = 8192}), "a ring of 8192 descriptors");
  EXPECT_EQ(why(foreign, {}), "the pool is of another DMA domain");
  EXPECT_EQ(why(narrow, {}), "buffers under 2048 bytes");
  EXPECT_EQ(why(few, {.rx_descriptors = 128}), "a pool of 100 buffers for 128 receive descriptors");
  EXPECT_EQ(why(few, {.rx_descriptors = 64}), "nothing");
  EXPECT_NO_FAULTS(w.faults);
}
TEST(DriverOnModel, RefusesADeviceItDoesNotKnow) {
  using Backend = sim::SimBackend<Model82574>;
  struct Stranger : Backend {
    using Backend::Backend;
    [[nodiscard]] PciId id() const noexcept { return {.vendor = 0x8086, .device = 0x10FB}; }
  };
  Pair<sim::Doorbells::kInline> w;
  Stranger backend(w.a, sim::VirtualClock::Handle(w.clock), "x");
  try {
    const Port<I82574, Stranger> port(backend, w.pool);
    FAIL() << "no error";
  } catch (const Error& e) {
    EXPECT_EQ(e.code().value(), ENODEV);
    EXPECT_STREQ(e.what(),
                 "cannot drive x: PCI id 8086:10fb is no 82574L: No such device; "
                 "the e1000 README lists the devices of this driver");
  }
}
TEST(DriverOnModel, ChangesPromiscuousModeAtAnyTime) {
  Pair<sim::Doorbells::kInline> w;
  decltype(w)::Driver a(w.backend_a, w.pool, {.rx_descriptors = 32}), b(w.backend_b, w.pool, {.rx_descriptors = 32});
  b.set_promiscuous(true);  // remembered for the start
  a.start();
  b.start();
  const Frame elsewhere = ethernet({{0x02, 0, 0, 0, 0, 0x77}}, 60);
  EXPECT_EQ(through(w, a, b, elsewhere), elsewhere);
  b.set_promiscuous(false);
  Burst<> out(w.pool), in(w.pool);
  out.allocate(1, 60);
  std::memcpy(out[0].data, elsewhere.data(), 60);
  EXPECT_EQ(a.tx_burst(out), 1u);
  w.step();
  EXPECT_EQ(b.rx_burst(in), 0u);
  b.set_promiscuous(true);
  EXPECT_EQ(through(w, a, b, elsewhere), elsewhere);
  EXPECT_NO_FAULTS(w.faults);
}
TEST(DriverOnModel, PulledCableIsToldWithRegisters) {
  Pair<sim::Doorbells::kInline> w;
  w.cable.set_link(false);
  decltype(w)::Driver a(w.backend_a, w.pool);
  try {
    a.start();
    FAIL() << "no link, no error";
  } catch (const Error& e) {
    const std::string text = e.what();
    for (const char* part : {"82574L a", "STATUS 0x8008", "BMCR 0x1140", "BMSR 0x7949", "ANLPAR 0x0000"}) {
      EXPECT_NE(text.find(part), std::string::npos) << part << " in: " << text;
    }
  }
  w.cable.set_link(true);
  a.start();
  EXPECT_TRUE(a.link().up);
  w.cable.set_link(false);
  EXPECT_FALSE(a.link().up);
  EXPECT_NO_FAULTS(w.faults);
}
TEST(DriverOnModel, FramesPostedWithoutLinkGoOutWhenItComes) {
  Pair<sim::Doorbells::kInline> w;
  decltype(w)::Driver a(w.backend_a, w.pool, {.link_deadline = 0_ns}), b(w.backend_b, w.pool);
  b.start();
  w.cable.set_link(false);
  a.start();
  Burst<> out(w.pool);
  out.allocate(1, 60);
  std::memset(out[0].data, 0xFF, 60);
  EXPECT_EQ(a.tx_burst(out), 1u);
  EXPECT_EQ(a.reclaim(), 0u);
  w.cable.set_link(true);
  w.clock.advance(1_s);
  w.clock.advance(1_s);
  EXPECT_EQ(a.reclaim(), 1u);
  Burst<> in(w.pool);
  w.step();
  EXPECT_EQ(b.rx_burst(in), 1u);
  EXPECT_NO_FAULTS(w.faults);
}

// ---- Registers and descriptors by hand ------------------------------------------------------------------------------

/// A wire whose other end is the test.
class TestWire final : public sim::WireEnd {
 public:
  bool transmit(std::span<const std::byte> frame) noexcept override {
    if (full) return false;
    sent.emplace_back(frame.begin(), frame.end());
    return true;
  }
  std::span<const std::byte> front() noexcept override {
    return arriving.empty() ? std::span<const std::byte>{} : arriving.front();
  }
  void consume() noexcept override { arriving.pop_front(); }
  bool link() const noexcept override { return up; }

  std::vector<Frame> sent;
  std::deque<Frame> arriving;
  bool up = true, full = false;
};

namespace off {
constexpr std::uint32_t CTRL = 0, STATUS = 8, EECD = 0x10, EERD = 0x14, CTRL_EXT = 0x18, MDIC = 0x20, FCAL = 0x28,
                        FCAH = 0x2C, FCT = 0x30, VET = 0x38, ICR = 0xC0, ITR = 0xC4, ICS = 0xC8, IMS = 0xD0, IMC = 0xD8,
                        EIAC = 0xDC, IAM = 0xE0, IVAR = 0xE4, EITR = 0xE8, RCTL = 0x100, FCTTV = 0x170, TCTL = 0x400,
                        EXTCNF = 0xF00, PBA = 0x1000, EEWR = 0x102C, FCRTL = 0x2160, FCRTH = 0x2168, PSRCTL = 0x2170,
                        RDBAL = 0x2800, RDLEN = 0x2808, RDH = 0x2810, RDT = 0x2818, RDTR = 0x2820, TDBAL = 0x3800,
                        TDLEN = 0x3808, TDH = 0x3810, TDT = 0x3818, TIDV = 0x3820, TADV = 0x382C, TARC = 0x3840,
                        MPC = 0x4010, XONTXC = 0x404C, XOFFRXC = 0x4050, XOFFTXC = 0x4054, GPRC = 0x4074, BPRC = 0x4078,
                        GPTC = 0x4080, GORCL = 0x4088, RNBC = 0x40A0, RUC = 0x40A4, ROC = 0x40AC, TPR = 0x40D0,
                        TSCTC = 0x40F8, RXCSUM = 0x5000, RFCTL = 0x5008, MTA = 0x5200, RAL = 0x5400, RAH = 0x5404,
                        VFTA = 0x5600, MRQC = 0x5818, SWSM = 0x5B50, RETA = 0x5C00, RSSRK = 0x5C80;
}  // namespace off
constexpr std::uint32_t kEn = 1 << 1, kUpe = 1 << 3, kMpe = 1 << 4, kLpe = 1 << 5, kBam = 1 << 15, kSecrc = 1u << 26,
                        kVfe = 1 << 18, kExten = 1 << 15, kPsp = 1 << 3, kVme = 1 << 30;
constexpr std::uint32_t kEop = 1u << 24, kIfcs = 1u << 25, kIc = 1u << 26, kTse = 1u << 26, kRs = 1u << 27,
                        kDext = 1u << 29, kVle = 1u << 30, kIde = 1u << 31, kData = 1u << 20;

class Raw : public testing::Test {
 protected:
  static constexpr std::size_t kRxRing = 0, kRxRing1 = 0x1000, kTxRing = 0x2000, kRxBuffers = 0x4000,
                               kTxBuffers = 0xC0000, kDescriptors = 64;

  explicit Raw(const Model82574Config& config = {.mac = kMac})
      : model_(iommu_, wire_, log_, config), memory_(DmaRegion::allocate(iommu_, 1 << 20, PagePreference::kOrdinary)) {
    model_.set_time([this] { return clock_.now(); });
    clock_.on_advance([this] { (void)model_.step(); });
    model_.write_config(4, 2, 6);
    clock_.advance(600_ms);
    (void)rd(off::ICR);
  }
  void TearDown() override { EXPECT_NO_FAULTS(log_); }

  std::uint32_t rd(std::uint32_t at) { return model_.read(at); }
  void wr(std::uint32_t at, std::uint32_t v) { model_.write(at, v); }
  std::uint64_t bus(std::size_t at) { return memory_.bus().value() + at; }
  template <class T>
  T load(std::size_t at) {
    T v;
    std::memcpy(&v, memory_.data() + at, sizeof v);
    return v;
  }
  template <class T>
  void store(std::size_t at, T v) {
    std::memcpy(memory_.data() + at, &v, sizeof v);
  }

  void set_ring(std::uint32_t block, std::size_t at, std::size_t descriptors = kDescriptors) {
    wr(block + 0, static_cast<std::uint32_t>(bus(at)));
    wr(block + 4, static_cast<std::uint32_t>(bus(at) >> 32));
    wr(block + 8, static_cast<std::uint32_t>(descriptors * 16));
    wr(block + 0x10, 0);
  }
  void give(std::size_t ring, std::uint32_t i, std::uint64_t address) {
    store<std::uint64_t>(ring + 16 * i, address);
    store<std::uint64_t>(ring + 16 * i + 8, 0);
  }
  /// Ring of 64 with `given` buffers 2 KiB apart; receiver on.
  void start_rx(std::uint32_t rctl = 0, std::uint32_t rfctl = kExten, std::uint32_t given = kDescriptors - 1) {
    set_ring(off::RDBAL, kRxRing);
    for (std::uint32_t i = 0; i < kDescriptors; ++i) give(kRxRing, i, bus(kRxBuffers + 2048 * i));
    wr(off::RFCTL, rfctl);
    wr(off::RDT, given);
    wr(off::RCTL, kEn | kBam | kSecrc | rctl);
  }
  void start_tx() {
    set_ring(off::TDBAL, kTxRing);
    wr(off::TDT, 0);
    wr(off::TCTL, kEn | kPsp);
  }
  void arrive(const Frame& f) {
    wire_.arriving.push_back(f);
    (void)model_.step();
  }
  struct Completion {
    std::uint32_t mrq, hash, status;
    std::uint16_t length, vlan;
  };
  Completion extended(std::uint32_t i, std::size_t ring = kRxRing) { return load<Completion>(ring + 16 * i); }
  struct Legacy {
    std::uint64_t address;
    std::uint16_t length, checksum;
    std::uint8_t status, errors;
    std::uint16_t special;
  };
  Legacy legacy(std::uint32_t i) { return load<Legacy>(kRxRing + 16 * i); }
  Frame buffer(std::uint32_t i, std::size_t n) {
    const std::byte* at = memory_.data() + kRxBuffers + 2048 * i;
    return {at, at + n};
  }

  void describe_tx(std::uint64_t address, std::uint32_t command, std::uint32_t status = 0) {
    const std::size_t at = kTxRing + 16 * tx_next_;
    store<std::uint64_t>(at, address);
    store<std::uint32_t>(at + 8, command);
    store<std::uint32_t>(at + 12, status);
    tx_next_ = (tx_next_ + 1) % kDescriptors;
  }
  std::uint64_t tx_bytes(const Frame& f, std::size_t at = 0) {
    std::memcpy(memory_.data() + kTxBuffers + at, f.data(), f.size());
    return bus(kTxBuffers + at);
  }
  void go() { wr(off::TDT, static_cast<std::uint32_t>(tx_next_)); }
  bool tx_done(std::size_t i) { return (load<std::uint32_t>(kTxRing + 16 * i + 12) & 1) != 0; }
  static std::uint32_t len(const Frame& f) { return static_cast<std::uint32_t>(f.size()); }

  /// Exactly one fault, of this kind, there, with a rule that contains `rule`. Forgets it.
  void expect_fault(FaultKind kind, const std::string& where, const std::string& rule) {
    const auto faults = log_.faults();
    ASSERT_EQ(log_.count(), 1u) << "expected " << where << ": " << rule << "; got:\n" << all_faults(log_);
    EXPECT_EQ(faults[0].kind, kind) << faults[0].text();
    EXPECT_EQ(faults[0].where, where);
    EXPECT_NE(faults[0].rule.find(rule), std::string::npos) << faults[0].rule;
    log_.clear();
  }

  sim::VirtualClock clock_;
  sim::Iommu iommu_;
  sim::FaultLog log_;
  TestWire wire_;
  Model82574 model_;
  DmaRegion memory_;
  std::size_t tx_next_ = 0;
};

// ---- Identity, reset, NVM, PHY --------------------------------------------------------------------------------------

struct ConfigView {
  Model82574* model;
  std::uint8_t read8(std::uint32_t o) const { return static_cast<std::uint8_t>(model->read_config(o, 1)); }
  std::uint16_t read16(std::uint32_t o) const { return static_cast<std::uint16_t>(model->read_config(o, 2)); }
  std::uint32_t read32(std::uint32_t o) const { return model->read_config(o, 4); }
  void write8(std::uint32_t o, std::uint8_t v) const { model->write_config(o, 1, v); }
  void write16(std::uint32_t o, std::uint16_t v) const { model->write_config(o, 2, v); }
  void write32(std::uint32_t o, std::uint32_t v) const { model->write_config(o, 4, v); }
  std::string name() const { return "82574"; }
};
TEST_F(Raw, ConfigurationSpace) {
  const ConfigView c{&model_};
  EXPECT_EQ(c.read32(0), 0x10D38086u);
  EXPECT_EQ(c.read32(8) >> 8, 0x020000u);
  EXPECT_EQ(c.read8(0x3D), 1);
  const std::uint32_t sizes[] = {128 * 1024, 128 * 1024, 32, 16 * 1024};
  for (std::uint32_t bar = 0; bar < 4; ++bar) {
    c.write32(0x10 + 4 * bar, ~0u);
    const std::uint32_t v = c.read32(0x10 + 4 * bar);
    EXPECT_EQ(~(v & ~(bar == 2 ? 3u : 15u)) + 1, sizes[bar]) << bar;
    EXPECT_EQ(v & 1, bar == 2 ? 1u : 0u);
  }
  auto list = try_list_capabilities(c);
  ASSERT_TRUE(list);
  EXPECT_EQ(list.value(), (std::vector<PciCapability>{{1, 0xC8}, {5, 0xD0}, {0x10, 0xE0}, {0x11, 0xA0}}));
  EXPECT_EQ(c.read16(0xA2) & 0x7FF, 4);
  EXPECT_EQ(c.read32(0xA4), 3u);
  EXPECT_EQ(c.read32(0xA8), 0x2003u);
  EXPECT_EQ(c.read32(0xE4) >> 28 & 1, 0u) << "no FLR";
  auto more = try_list_extended_capabilities(c);
  ASSERT_TRUE(more);
  EXPECT_EQ(more.value(), (std::vector<PciCapability>{{1, 0x100}, {3, 0x140}}));
}
TEST_F(Raw, ResetTakesTimeAndLosesWhatWasWrittenWithIt) {
  wr(off::RAL, 0x1234);
  wr(off::VET, 0x88A8);
  wr(off::PBA, 30);
  wr(off::CTRL, rd(off::CTRL) | 1u << 26 | 1u << 27 | 1u << 2);
  EXPECT_EQ(rd(off::CTRL), 0x00140241u | 1u << 26);
  EXPECT_EQ(rd(off::EECD) & 1u << 9, 0u);
  wr(off::VET, 0x1111);  // lost
  expect_fault(FaultKind::kSequence, "VET", "reset is under way");
  clock_.advance(10_us);
  EXPECT_EQ(rd(off::CTRL), 0x00140241u);
  EXPECT_EQ(rd(off::RAL), 0u);
  EXPECT_EQ(rd(off::VET), 0x8100u);
  clock_.advance(300_us);
  EXPECT_NE(rd(off::EECD) & 1u << 9, 0u);
  EXPECT_EQ(rd(off::RAL), 0x12005452u);
  EXPECT_EQ(rd(off::RAH), 0x80005634u);
  EXPECT_EQ(rd(off::PBA), 0x000A001Eu) << "a software reset leaves it";
  EXPECT_EQ(rd(off::STATUS) & 2, 0u);
  clock_.advance(500_ms);
  EXPECT_NE(rd(off::STATUS) & 2, 0u);
}
TEST_F(Raw, MasterDisableShowsInStatusAndStopsDma) {
  start_rx();
  wr(off::CTRL, rd(off::CTRL) | 4);
  EXPECT_EQ(rd(off::STATUS) >> 19 & 1, 0u);
  arrive(ethernet(kMac, 60));
  EXPECT_EQ(extended(0).status, 0u);
  wr(off::CTRL, rd(off::CTRL) & ~4u);
  EXPECT_EQ(rd(off::STATUS) >> 19 & 1, 1u);
  EXPECT_EQ(extended(0).status & 3, 3u);
}
TEST_F(Raw, NvmReadWriteAndChecksum) {
  const auto word = [&](std::uint32_t at) {
    wr(off::EERD, at << 2 | 1);
    EXPECT_EQ(rd(off::EERD) & 3, 2u);
    return rd(off::EERD) >> 16;
  };
  EXPECT_EQ(word(0), 0x5452u);
  EXPECT_EQ(word(2), 0x5634u);
  EXPECT_EQ(word(0x0D), 0x10D3u);
  std::uint32_t sum = 0;
  for (std::uint32_t i = 0; i < 64; ++i) sum += word(i);
  EXPECT_EQ(sum & 0xFFFF, 0xBABAu);
  wr(off::EEWR, 0xBEEFu << 16 | 0x20 << 2 | 1);
  EXPECT_EQ(rd(off::EEWR) & 3, 2u);
  EXPECT_EQ(word(0x20), 0xBEEFu);
  wr(off::EERD, 64 << 2 | 1);
  expect_fault(FaultKind::kAccessMode, "EERD", "no word 64");
}
TEST_F(Raw, Semaphores) {
  EXPECT_EQ(rd(off::SWSM), 0u);
  EXPECT_EQ(rd(off::SWSM), 1u);
  wr(off::SWSM, 0);
  EXPECT_EQ(rd(off::SWSM), 0u);
  wr(off::EXTCNF, 0x20);
  EXPECT_EQ(rd(off::EXTCNF), 0x20u);
  wr(off::EXTCNF, 0);
  model_.hold_mdio(true);
  wr(off::EXTCNF, 0x20);
  EXPECT_EQ(rd(off::EXTCNF), 0u);
  model_.hold_mdio(false);
  wr(off::EECD, 0x40);
  EXPECT_EQ(rd(off::EECD) & 0xC0, 0xC0u);
}
TEST_F(Raw, Phy) {
  const auto access = [&](std::uint32_t command) {
    wr(off::MDIC, command);
    EXPECT_EQ(rd(off::MDIC) >> 28 & 1, 0u);
    clock_.advance(50_us);
    return rd(off::MDIC);
  };
  const auto read = [&](std::uint32_t reg) { return access(0x08200000 | reg << 16) & 0xFFFF; };
  EXPECT_EQ(read(2), 0x0141u);
  EXPECT_EQ(read(3), 0x0CB1u);
  EXPECT_EQ(read(0), 0x1140u);
  EXPECT_EQ(read(1), 0x7969u) << "link latched low";
  EXPECT_EQ(read(1), 0x796Du);
  EXPECT_EQ(read(5), 0x47E0u);
  EXPECT_EQ(read(10), 0x3C00u);
  EXPECT_EQ(access(0x08400000) >> 28, 5u) << "wrong address: READY and ERROR";
  EXPECT_EQ(access(0x082C0000) >> 28, 5u) << "no such register";
  (void)rd(off::ICR);
  (void)access(0x04200000 | 0x1200);  // restart
  EXPECT_EQ(rd(off::STATUS) & 2, 0u);
  EXPECT_EQ(read(1), 0x7949u);
  clock_.advance(499_ms);
  EXPECT_EQ(rd(off::STATUS) & 2, 0u);
  clock_.advance(2_ms);
  EXPECT_EQ(rd(off::STATUS) & 2, 2u);
  EXPECT_EQ(rd(off::ICR) & 4, 4u) << "LSC";
  wr(off::MDIC, 0x28220000);  // interrupt when ready
  clock_.advance(50_us);
  EXPECT_EQ(rd(off::ICR) & 1 << 9, 1u << 9);
}
TEST_F(Raw, PhyPages) {
  const auto write = [&](std::uint32_t reg, std::uint32_t v) {
    wr(off::MDIC, 0x04200000 | reg << 16 | v);
    clock_.advance(50_us);
    EXPECT_EQ(rd(off::MDIC) >> 28, 1u) << reg;
  };
  const auto read = [&](std::uint32_t reg) {
    wr(off::MDIC, 0x08200000 | reg << 16);
    clock_.advance(50_us);
    EXPECT_EQ(rd(off::MDIC) >> 28, 1u) << reg;
    return rd(off::MDIC) & 0xFFFF;
  };
  for (const std::uint32_t reg : {29u, 30u}) {  // what Linux writes to set the PHY up
    write(reg, 3);
    EXPECT_EQ(read(reg), 3u);
  }
  write(22, 769);
  write(16, 0x4C);
  EXPECT_EQ(read(2), 0x0141u) << "the first sixteen are on every page";
  write(22, 776);
  EXPECT_EQ(read(16), 0u);
  wr(off::MDIC, 0x08200000 | 17 << 16);
  clock_.advance(50_us);
  EXPECT_EQ(rd(off::MDIC) >> 28, 5u) << "no such register on this page";
  write(22, 0);
  EXPECT_EQ(read(16), 0x3360u);
  write(16, 0x3060);
  write(4, 0x0001);
  write(0, 0x8000);
  EXPECT_EQ(read(0), 0x1140u);
  EXPECT_EQ(read(4), 0x0DE1u);
  EXPECT_EQ(read(16), 0x3060u) << "BMCR.RESET makes it take effect";
  write(22, 769);
  EXPECT_EQ(read(16), 0x4Cu);
  wr(off::CTRL, rd(off::CTRL) | 1u << 26);
  clock_.advance(1_ms);
  EXPECT_EQ(read(16), 0x3360u) << "CTRL.RST resets the PHY, its page too";
}
TEST_F(Raw, LinkFollowsCableAndSlu) {
  EXPECT_EQ(rd(off::STATUS) & 0xC3, 0x83u);
  wr(off::CTRL, rd(off::CTRL) & ~0x40u);
  EXPECT_EQ(rd(off::STATUS) & 2, 0u);
  wr(off::CTRL, rd(off::CTRL) | 0x40u);
  EXPECT_EQ(rd(off::STATUS) & 2, 2u);
  (void)rd(off::ICR);
  wire_.up = false;
  (void)model_.step();
  EXPECT_EQ(rd(off::STATUS) & 2, 0u);
  EXPECT_EQ(rd(off::ICR) & 4, 4u);
}

// ---- Receive --------------------------------------------------------------------------------------------------------

TEST_F(Raw, ExtendedReceive) {
  start_rx();
  const Frame f = ipv4(100);
  arrive(f);
  EXPECT_EQ(extended(0).status, 0x00020063u | 1u << 9);  // IPv4+L4; DD EOP TCPCS IPCS IPIDV
  EXPECT_EQ(extended(0).length, f.size());
  EXPECT_EQ(extended(0).hash & 0xFFFF, 0x1234u) << "IP identification";
  EXPECT_EQ(extended(0).hash >> 16, ones_sum(f, 0, f.size())) << "packet checksum";
  EXPECT_EQ(buffer(0, f.size()), f);
  EXPECT_EQ(rd(off::RDH), 1u);
}
TEST_F(Raw, LegacyReceive) {
  start_rx(0, 0);
  wr(off::RXCSUM, 0x300 | 14);
  const Frame f = ipv4(100);
  arrive(f);
  EXPECT_EQ(legacy(0).address, bus(kRxBuffers));
  EXPECT_EQ(legacy(0).length, f.size());
  EXPECT_EQ(legacy(0).status, 0x63);
  EXPECT_EQ(legacy(0).errors, 0);
  EXPECT_EQ(legacy(0).checksum, ones_sum(f, 14, f.size()));
  Frame bad = f;
  bad[60] ^= 1_b;
  arrive(bad);
  EXPECT_EQ(legacy(1).errors, 0x20);
  wr(off::RXCSUM, 0x300 | 1 << 13 | 14);  // PCSD is about the extended format
  arrive(f);
  EXPECT_EQ(legacy(2).checksum, ones_sum(f, 14, f.size()));
}
TEST_F(Raw, ChecksumVerdicts) {
  start_rx();
  wr(off::RXCSUM, 0x300 | 1 << 13);
  Frame bad_ip = ipv4(20), bad_tcp = ipv4(20), no_udp_checksum = ipv4(20, {.protocol = 17});
  bad_ip[24] ^= 1_b;
  bad_tcp[60] ^= 1_b;
  put_be(no_udp_checksum, 40, 0, 2);
  for (const Frame& f : {bad_ip, bad_tcp, ipv4(20, {.protocol = 17}), no_udp_checksum, ethernet(kMac, 60)}) arrive(f);
  EXPECT_EQ(extended(0).status & ~0xF0000u, 0x40000063u);
  EXPECT_EQ(extended(1).status & ~0xF0000u, 0x20000063u);
  EXPECT_EQ(extended(2).status & ~0xF0000u, 0x00000073u);
  EXPECT_EQ(extended(3).status & ~0xF0000u, 0x00000043u);
  EXPECT_EQ(extended(4).status, 0x00000007u) << "IXSM";
  wr(off::RXCSUM, 1 << 13);
  arrive(bad_ip);
  EXPECT_EQ(extended(5).status & ~0xF0000u, 0x00000007u) << "not asked for";
}
TEST_F(Raw, FcsIsDeliveredUnlessStripped) {
  start_rx();
  wr(off::RCTL, kEn | kBam);
  Frame f = ethernet(kMac, 60);
  std::uint32_t crc = ~0u;  // CRC-32, bit by bit
  for (const std::byte b : f) {
    crc ^= std::to_integer<std::uint32_t>(b);
    for (int i = 0; i < 8; ++i) crc = crc >> 1 ^ ((crc & 1) != 0 ? 0xEDB88320u : 0);
  }
  arrive(f);
  EXPECT_EQ(extended(0).length, 64);
  for (unsigned i = 0; i < 4; ++i) f.push_back(static_cast<std::byte>(~crc >> (8 * i)));
  EXPECT_EQ(buffer(0, 64), f);
}
TEST_F(Raw, SizeLimits) {
  start_rx();
  arrive(ethernet(kMac, 1514));
  arrive(ethernet(kMac, 1515));
  arrive(tagged(ethernet(kMac, 1514), 5));
  arrive(tagged(ethernet(kMac, 1515), 5));
  arrive(ethernet(kMac, 59));
  EXPECT_EQ(rd(off::RDH), 2u);
  EXPECT_EQ(rd(off::ROC), 2u);
  EXPECT_EQ(rd(off::ROC), 0u) << "a read clears";
  EXPECT_EQ(rd(off::RUC), 1u);
  EXPECT_EQ(rd(off::GPRC), 2u);
  EXPECT_EQ(rd(off::TPR), 5u);
}
TEST_F(Raw, JumboOverSeveralBuffers) {
  start_rx(kLpe);
  const Frame f = ethernet(kMac, 9000);
  arrive(f);
  Frame got;
  for (std::uint32_t i = 0; i < 5; ++i) {
    EXPECT_EQ(extended(i).status & 3, i == 4 ? 3u : 1u);
    EXPECT_EQ(extended(i).length, i == 4 ? 9000 - 8192 : 2048);
    const Frame part = buffer(i, extended(i).length);
    got.insert(got.end(), part.begin(), part.end());
  }
  EXPECT_EQ(got, f);
  arrive(ethernet(kMac, 9231));
  EXPECT_EQ(rd(off::ROC), 1u);
}
TEST_F(Raw, BufferSizes) {
  struct Case {
    std::uint32_t rctl;
    unsigned buffers;
  };
  constexpr Case kCases[] = {{3u << 16, 6}, {2u << 16, 3}, {1u << 16, 2}, {1u << 27, 2}, {1u << 25 | 3u << 16, 1}};
  for (const Case& c : kCases) {
    wr(off::RCTL, 0);
    start_rx(c.rctl);
    arrive(ethernet(kMac, 1500));
    EXPECT_EQ(rd(off::RDH), c.buffers) << std::hex << c.rctl;
  }
}
// Packet split: descriptors of 32 bytes, which head and tail count twice; buffers of 128 bytes, 1 KiB, 1 KiB, 2 KiB, 8
// KiB apart for each descriptor.
class Split : public Raw {
 protected:
  static constexpr std::uint32_t kDtyp1 = 1 << 10, kRing = 8;
  static std::size_t place(std::uint32_t i, std::size_t which) { return kRxBuffers + 8192 * i + 2048 * which; }
  void start_split(std::uint32_t rctl = 0, std::uint32_t psrctl = 1 | 1 << 8 | 1 << 16 | 2 << 24,
                   std::uint64_t missing = 0) {
    set_ring(off::RDBAL, kRxRing, 2 * kRing);
    for (std::uint32_t i = 0; i < kRing; ++i) {
      for (std::size_t k = 0; k < 4; ++k) {
        store<std::uint64_t>(kRxRing + 32 * i + 8 * k, (missing >> k & 1) != 0 ? ~0ull : bus(place(i, k)));
      }
    }
    wr(off::RFCTL, kExten);
    wr(off::PSRCTL, psrctl);
    wr(off::RDT, 2 * (kRing - 1));
    wr(off::RCTL, kEn | kBam | kSecrc | kDtyp1 | rctl);
  }
  struct Done {
    std::uint32_t mrq, hash, status;
    std::uint16_t length0, vlan, header, length1, length2, length3;
    std::uint64_t reserved;
  };
  static_assert(sizeof(Done) == 32);
  Done done(std::uint32_t i) { return load<Done>(kRxRing + 32 * i); }
  /// What lies in a descriptor's buffers, one after the other.
  Frame gathered(std::uint32_t i) {
    const Done d = done(i);
    Frame out;
    const std::size_t lengths[] = {d.length0, d.length1, d.length2, d.length3};
    for (std::size_t k = 0; k < 4; ++k) {
      const std::byte* at = memory_.data() + place(i, k);
      out.insert(out.end(), at, at + lengths[k]);
    }
    return out;
  }
};
TEST_F(Split, HeaderApartFromPayload) {
  start_split();
  const Frame f = ipv4(1446);
  arrive(f);
  const Done d = done(0);
  EXPECT_EQ(d.status & 0xF'0063, 0x2'0063u) << "DD, EOP, TCPCS, IPCS; IPv4 and what is behind it";
  EXPECT_EQ(d.header, 0x8000u | 54);
  EXPECT_EQ(d.length0, 54);
  EXPECT_EQ(d.length1, 1024);
  EXPECT_EQ(d.length2, 422);
  EXPECT_EQ(d.length3, 0);
  EXPECT_EQ(d.reserved, 0u);
  EXPECT_EQ(gathered(0), f);
  EXPECT_EQ(rd(off::RDH), 2u);
  const Frame udp = ipv4(20, {.protocol = 17});
  arrive(udp);
  EXPECT_EQ(done(1).header, 0x8000u | 42);
  EXPECT_EQ(gathered(1), udp);
  for (std::uint32_t i = 2; i < 7; ++i) arrive(f);
  EXPECT_EQ(rd(off::RDH), 14u);
  give(kRxRing, 0, bus(place(0, 0)));  // the same buffers
  store<std::uint64_t>(kRxRing + 8, bus(place(0, 1)));
  store<std::uint64_t>(kRxRing + 16, bus(place(0, 2)));
  store<std::uint64_t>(kRxRing + 24, bus(place(0, 3)));
  wr(off::RDT, 2);
  arrive(f);
  arrive(udp);
  EXPECT_EQ(gathered(7), f);
  EXPECT_EQ(gathered(0), udp) << "the ring has wrapped";
}
TEST_F(Split, WholeWhenThereIsNoHeaderToSplit) {
  start_split();
  const Frame f = ethernet(kMac, 300);
  arrive(f);
  EXPECT_EQ(done(0).header, 0u);
  EXPECT_EQ(done(0).length0, 128);
  EXPECT_EQ(done(0).length1, 172);
  EXPECT_EQ(gathered(0), f);
  Frame fragment = ipv4(100);
  fragment[20] = 0x20_b;  // more fragments
  put_be(fragment, 24, 0, 2);
  put_be(fragment, 24, ones_sum(fragment, 14, 34) ^ 0xFFFF, 2);
  arrive(fragment);
  EXPECT_EQ(done(1).header, 0x8000u | 34);
  wr(off::RFCTL, kExten | 1 << 14);  // IPFRSP_DIS
  arrive(fragment);
  EXPECT_EQ(done(2).header, 0u);
  EXPECT_EQ(gathered(2), fragment);
  Frame odd = ipv4(100);
  odd[46] = 0xF0_b;  // a TCP header of 60 bytes
  arrive(odd);
  EXPECT_EQ(done(3).header, 0x8000u | 94);
  odd[46] = 0x10_b;  // shorter than it can be
  arrive(odd);
  EXPECT_EQ(done(4).header, 0u);
  EXPECT_EQ(gathered(4), odd);
}
TEST_F(Split, ExtensionHeadersStayWhole) {
  start_split();
  Frame f = ethernet(kMac, 200, 0x86DD);
  std::fill(f.begin() + 14, f.end(), 0_b);
  f[14] = 0x60_b;
  put_be(f, 18, 146, 2);
  f[20] = 0_b;  // hop by hop
  f[54] = 17_b;
  arrive(f);
  EXPECT_EQ(done(0).header, 0u);
  EXPECT_EQ(gathered(0), f);
}
TEST_F(Split, TagIsStrippedFromTheHeader) {
  wr(off::CTRL, rd(off::CTRL) | kVme);
  start_split();
  const Frame f = ipv4(600);
  arrive(tagged(f, 0x2005));
  EXPECT_EQ(done(0).header, 0x8000u | 54);
  EXPECT_EQ(done(0).vlan, 0x2005);
  EXPECT_EQ(gathered(0), f);
}
TEST_F(Split, JumboOverSeveralDescriptors) {
  start_split(kLpe);
  const Frame f = ipv4(6000);
  arrive(f);
  EXPECT_EQ(done(0).status & 3, 1u);
  EXPECT_EQ(done(0).header, 0x8000u | 54);
  EXPECT_EQ(done(1).status & 3, 3u);
  EXPECT_EQ(done(1).length0, 0) << "the first buffer is for the header";
  EXPECT_EQ(done(1).header, 0u);
  EXPECT_EQ(done(1).length1, 1024);
  Frame all = gathered(0);
  const Frame rest = gathered(1);
  all.insert(all.end(), rest.begin(), rest.end());
  EXPECT_EQ(all, f);
}
TEST_F(Split, BuffersThatAreMissing) {
  start_split(kLpe, 1 | 1 << 8 | 1 << 16 | 2 << 24, 0b1100);
  const Frame f = ipv4(1500);
  arrive(f);
  EXPECT_EQ(done(0).length1, 1024);
  EXPECT_EQ(done(0).length2 + done(0).length3, 0);
  EXPECT_EQ(done(1).length1, 476);
  EXPECT_EQ(rd(off::RDH), 4u);
  EXPECT_NO_FAULTS(log_);
  wr(off::PSRCTL, 1);
  arrive(f);
  expect_fault(FaultKind::kDescriptor, "RX queue 0, descriptor 3", "no room");
}
TEST_F(Split, FirstDataBufferHoldsDd) {
  start_split(0, 1 | 1 << 8, 0b1110);
  arrive(ipv4(10));
  const auto faults = log_.faults();
  ASSERT_FALSE(faults.empty());
  EXPECT_NE(faults[0].rule.find("DD is set"), std::string::npos);
  log_.clear();
}
TEST_F(Split, DescriptorThresholdCountsWholeOnes) {
  start_split(1u << 8);  // a quarter of 8
  for (int i = 0; i < 4; ++i) arrive(ethernet(kMac, 60));
  EXPECT_EQ(rd(off::ICR) & 0x10, 0u);
  arrive(ethernet(kMac, 60));
  EXPECT_EQ(rd(off::ICR) & 0x10, 0x10u);
}
TEST_F(Split, HalfADescriptor) {
  start_split();
  wr(off::RDT, 3);
  expect_fault(FaultKind::kRing, "RDT[0]", "halves");
  arrive(ethernet(kMac, 60));
  EXPECT_EQ(done(0).status & 1, 0u);
}
TEST_F(Raw, FrameContinuesWhenMoreBuffersCome) {
  start_rx(kLpe, kExten, 2);
  arrive(ethernet(kMac, 5000));
  EXPECT_EQ(rd(off::RDH), 2u);
  EXPECT_EQ(extended(1).status & 3, 1u);
  wr(off::RDT, 10);
  EXPECT_EQ(rd(off::RDH), 3u);
  EXPECT_EQ(extended(2).status & 3, 3u);
  EXPECT_EQ(extended(2).length, 5000 - 4096);
}
TEST_F(Raw, VlanStripAndFilter) {
  start_rx();
  const Frame plain = ethernet(kMac, 80);
  arrive(tagged(plain, 0x6005));
  EXPECT_EQ(extended(0).length, 84);
  EXPECT_EQ(extended(0).status & 8, 0u);
  wr(off::CTRL, rd(off::CTRL) | kVme);
  arrive(tagged(plain, 0x6005));
  EXPECT_EQ(extended(1).length, 80);
  EXPECT_EQ(extended(1).status & 8, 8u);
  EXPECT_EQ(extended(1).vlan, 0x6005);
  EXPECT_EQ(buffer(1, 80), plain);
  wr(off::RCTL, rd(off::RCTL) | kVfe);
  arrive(tagged(plain, 37));
  EXPECT_EQ(rd(off::RDH), 2u);
  wr(off::VFTA + 4, 1u << 5);
  arrive(tagged(plain, 37));
  arrive(plain);
  EXPECT_EQ(rd(off::RDH), 4u);
}
TEST_F(Raw, AddressFilters) {
  start_rx();
  const MacAddress other{{2, 0, 0, 0, 0, 9}}, group{{0x01, 0x00, 0x5E, 0x01, 0x02, 0x03}};
  const auto taken = [&](const MacAddress& to) {
    const std::uint32_t before = rd(off::RDH);
    arrive(ethernet(to, 60));
    return rd(off::RDH) != before;
  };
  EXPECT_TRUE(taken(kMac));
  EXPECT_TRUE(taken(MacAddress::broadcast()));
  EXPECT_FALSE(taken(other));
  EXPECT_FALSE(taken(group));
  wr(off::RCTL, rd(off::RCTL) | kUpe);
  EXPECT_TRUE(taken(other));
  EXPECT_EQ(extended(2).status & 0x80, 0x80u) << "PIF";
  EXPECT_FALSE(taken(group));
  wr(off::RCTL, (rd(off::RCTL) & ~kUpe) | kMpe);
  EXPECT_FALSE(taken(other));
  EXPECT_TRUE(taken(group));
  wr(off::RCTL, rd(off::RCTL) & ~kMpe);
  constexpr unsigned kShift[] = {4, 3, 2, 0};
  for (std::uint32_t mo = 0; mo < 4; ++mo) {
    wr(off::RCTL, (rd(off::RCTL) & ~(3u << 12)) | mo << 12);
    const std::uint32_t hash = 0x0302u >> kShift[mo] & 0xFFF;
    EXPECT_FALSE(taken(group));
    wr(off::MTA + 4 * (hash >> 5), 1u << (hash & 31));
    EXPECT_TRUE(taken(group)) << mo;
    wr(off::MTA + 4 * (hash >> 5), 0);
  }
  wr(off::RAL + 8 * 15, 0x00000002);
  wr(off::RAH + 8 * 15, 0x80000900);
  EXPECT_TRUE(taken(other));
  wr(off::RCTL, rd(off::RCTL) & ~kBam);
  EXPECT_FALSE(taken(MacAddress::broadcast()));
  EXPECT_EQ(rd(off::BPRC), 1u);
}
TEST_F(Raw, NoDescriptorsThenNoRoom) {
  start_rx(0, kExten, 0);
  for (int i = 0; i < 20; ++i) arrive(ethernet(kMac, 1514, 0x88B5, static_cast<unsigned>(i)));
  EXPECT_EQ(rd(off::RNBC), 20u);
  EXPECT_EQ(rd(off::MPC), 7u) << "20 KiB hold 13 frames";
  EXPECT_EQ(rd(off::ICR) & 0x40, 0x40u) << "RXO";
  EXPECT_EQ(rd(off::GPRC), 13u);
  wr(off::RDT, 63);
  EXPECT_EQ(rd(off::RDH), 13u) << "let in by the doorbell";
  for (std::uint32_t i = 0; i < 13; ++i) EXPECT_EQ(buffer(i, 1514), ethernet(kMac, 1514, 0x88B5, i));
}
TEST_F(Raw, ReceiveRingWraps) {
  start_rx();
  for (std::uint32_t i = 0; i < 200; ++i) {
    arrive(ethernet(kMac, 60, 0x88B5, i));
    ASSERT_EQ(extended(i % 64).status & 3, 3u);
    ASSERT_EQ(buffer(i % 64, 60), ethernet(kMac, 60, 0x88B5, i));
    give(kRxRing, i % 64, bus(kRxBuffers + 2048 * (i % 64)));
    wr(off::RDT, i % 64);
  }
}
TEST_F(Raw, RssHashAndQueue) {
  constexpr unsigned kKey[] = {0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3,
                               0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3,
                               0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa};
  for (std::uint32_t i = 0; i < 10; ++i) {
    wr(off::RSSRK + 4 * i, kKey[4 * i] | kKey[4 * i + 1] << 8 | kKey[4 * i + 2] << 16 | kKey[4 * i + 3] << 24);
  }
  wr(off::RETA + 4 * (0x78 / 4), 0x80);                     // the queue of 0x51ccc178
  wr(off::RETA + 4 * (0x42 / 4), 0x80u << 8 * (0x42 % 4));  // and of 0x323e8fc2
  wr(off::MRQC, 0x00370001);
  wr(off::RXCSUM, 0x300 | 1 << 13);
  set_ring(off::RDBAL + 0x100, kRxRing1);
  for (std::uint32_t i = 0; i < kDescriptors; ++i) give(kRxRing1, i, bus(kRxBuffers + 2048 * (100 + i)));
  wr(off::RDT + 0x100, 63);
  start_rx();
  const Flow first{
      .source = {66, 9, 149, 187}, .destination = {161, 142, 100, 80}, .source_port = 2794, .destination_port = 1766};
  arrive(ipv4(10, first));
  Flow udp = first;
  udp.protocol = 17;
  arrive(ipv4(30, udp));
  arrive(ipv4(
      10,
      {.source = {199, 92, 111, 2}, .destination = {65, 69, 140, 83}, .source_port = 14230, .destination_port = 4739}));
  arrive(ethernet(kMac, 60));
  EXPECT_EQ(extended(0, kRxRing1).hash, 0x51ccc178u);
  EXPECT_EQ(extended(0, kRxRing1).mrq, 1u | 1u << 8) << "TCP over IPv4, queue 1";
  EXPECT_EQ(extended(1, kRxRing1).hash, 0x323e8fc2u);
  EXPECT_EQ(extended(1, kRxRing1).mrq, 2u | 1u << 8) << "IPv4, queue 1";
  EXPECT_EQ(extended(0).hash, 0xc626b0eau);
  EXPECT_EQ(extended(0).mrq, 1u) << "queue 0";
  EXPECT_EQ(extended(1).mrq, 0u) << "not IP";
  EXPECT_EQ(rd(off::RDH + 0x100), 2u);
  EXPECT_EQ(rd(off::ICR) & 3u << 20, 3u << 20) << "RXQ0, RXQ1";
}
TEST_F(Raw, PauseIsObeyedAndSent) {
  wr(off::FCAL, 0x00C28001);
  wr(off::FCAH, 0x0100);
  wr(off::FCT, 0x8808);
  wr(off::FCTTV, 0x1000);
  wr(off::FCRTH, 4000);
  wr(off::FCRTL, 2000 | 1u << 31);
  wr(off::CTRL, rd(off::CTRL) | 3u << 27);
  start_tx();
  start_rx(1u << 22, kExten, 0);  // DPF
  Frame pause = ethernet(MacAddress{{0x01, 0x80, 0xC2, 0, 0, 1}}, 60, 0x8808);
  put_be(pause, 14, 1, 2);
  put_be(pause, 16, 1000, 2);  // 512 us
  arrive(pause);
  EXPECT_EQ(rd(off::XOFFRXC), 1u);
  EXPECT_EQ(rd(off::STATUS) & 0x10, 0x10u);
  const Frame f = ethernet(kOther, 60);
  describe_tx(tx_bytes(f), kEop | kIfcs | kRs | len(f));
  go();
  EXPECT_TRUE(wire_.sent.empty());
  clock_.advance(511_us);
  EXPECT_TRUE(wire_.sent.empty());
  clock_.advance(2_us);
  ASSERT_EQ(wire_.sent.size(), 1u);
  wire_.sent.clear();
  for (int i = 0; i < 3; ++i) arrive(ethernet(kMac, 1514));  // over FCRTH: XOFF
  ASSERT_EQ(wire_.sent.size(), 1u);
  EXPECT_EQ(get_be(wire_.sent[0], 0, 4), 0x0180C200u);
  EXPECT_EQ(get_be(wire_.sent[0], 12, 4), 0x88080001u);
  EXPECT_EQ(get_be(wire_.sent[0], 16, 2), 0x1000u);
  EXPECT_EQ(get_be(wire_.sent[0], 6, 4), 0x52540012u);
  wr(off::RDT, 10);  // drained: XON
  ASSERT_EQ(wire_.sent.size(), 2u);
  EXPECT_EQ(get_be(wire_.sent[1], 16, 2), 0u);
  EXPECT_EQ(rd(off::XOFFTXC), 1u);
  EXPECT_EQ(rd(off::XONTXC), 1u);
}

// ---- Transmit -------------------------------------------------------------------------------------------------------

TEST_F(Raw, LegacyTransmit) {
  start_tx();
  const Frame f = ethernet(kOther, 70);
  describe_tx(tx_bytes(f), kEop | kIfcs | kRs | len(f));
  go();
  ASSERT_EQ(wire_.sent.size(), 1u);
  EXPECT_EQ(wire_.sent[0], f);
  EXPECT_TRUE(tx_done(0));
  EXPECT_EQ(rd(off::TDH), 1u);
  EXPECT_EQ(rd(off::GPTC), 1u);
  EXPECT_EQ(rd(off::ICR) & (3 | 1 << 22), 3u | 1u << 22) << "TXDW, TXQE, TXQ0";
}
TEST_F(Raw, SeveralBuffersNoReportAndPadding) {
  start_tx();
  const Frame f = ethernet(kOther, 40);
  const std::uint64_t at = tx_bytes(f);
  describe_tx(at, kIfcs | 14);
  describe_tx(at + 14, kIfcs | 20);
  go();
  EXPECT_TRUE(wire_.sent.empty());
  describe_tx(at + 34, kEop | kIfcs | 6);
  go();
  Frame padded = f;
  padded.resize(60);
  ASSERT_EQ(wire_.sent.size(), 1u);
  EXPECT_EQ(wire_.sent[0], padded);
  EXPECT_FALSE(tx_done(2)) << "RS was not asked for";
}
TEST_F(Raw, TransmitRingWrapsAndWireMayBeFull) {
  start_tx();
  for (unsigned i = 0; i < 200; ++i) {
    const Frame f = ethernet(kOther, 60, 0x88B5, i);
    describe_tx(tx_bytes(f), kEop | kIfcs | kRs | len(f));
    wire_.full = i % 3 == 0;
    go();
    if (wire_.full) {
      ASSERT_TRUE(wire_.sent.empty());
      wire_.full = false;
      (void)model_.step();
    }
    ASSERT_EQ(wire_.sent.size(), 1u);
    ASSERT_EQ(wire_.sent[0], f);
    wire_.sent.clear();
  }
  EXPECT_EQ(rd(off::GPTC), 200u);
}
TEST_F(Raw, VlanInsertion) {
  start_tx();
  wr(off::CTRL, rd(off::CTRL) | kVme);
  const Frame f = ethernet(kOther, 70);
  describe_tx(tx_bytes(f), kEop | kIfcs | kVle | len(f), 0x7123u << 16);
  go();
  wr(off::VET, 0x88A8);
  describe_tx(bus(kTxBuffers), kEop | kIfcs | kVle | kDext | kData | len(f), 0x0001u << 16);
  go();
  ASSERT_EQ(wire_.sent.size(), 2u);
  EXPECT_EQ(wire_.sent[0], tagged(f, 0x7123));
  EXPECT_EQ(get_be(wire_.sent[1], 12, 4), 0x88A80001u);
}
TEST_F(Raw, LegacyChecksumInsertion) {
  start_tx();
  Frame f = ipv4(33);
  const Frame right = f;
  put_be(f, 24, 0, 2);
  describe_tx(tx_bytes(f), kEop | kIfcs | kIc | 24u << 16 | len(f), 14u << 8);
  go();
  // The engine sums to the packet's end, so this is the checksum of header and payload together.
  Frame expected = f;
  put_be(expected, 24, ones_sum(f, 14, f.size()) ^ 0xFFFF, 2);
  ASSERT_EQ(wire_.sent.size(), 1u);
  EXPECT_EQ(wire_.sent[0], expected);
}
constexpr std::uint64_t context_positions(std::uint64_t tcp_field) {
  return 14u | 24u << 8 | 33u << 16 | (34 | tcp_field << 8) << 32;
}
TEST_F(Raw, ContextAndChecksumOffload) {
  start_tx();
  for (const unsigned protocol : {6u, 17u}) {
    const Frame right = ipv4(51, {.protocol = protocol});
    const unsigned field = protocol == 6 ? 50 : 40;
    Frame f = right;
    put_be(f, 24, 0, 2);
    put_be(f, field, ones_sum(f, 26, 34, protocol + len(f) - 34), 2);  // pseudo-header with length
    describe_tx(context_positions(field), kDext | 1u << 25 | (protocol == 6 ? 1u << 24 : 0u) | kRs);
    describe_tx(tx_bytes(f), kEop | kIfcs | kDext | kData | kRs | len(f), 0x300);
    go();
    ASSERT_FALSE(wire_.sent.empty());
    EXPECT_EQ(wire_.sent.back(), right);
    EXPECT_TRUE(checksums_right(wire_.sent.back()));
  }
  EXPECT_TRUE(tx_done(0)) << "context descriptors report too";
}
TEST_F(Raw, UdpChecksumOfZeroIsSentAsOnes) {
  start_tx();
  Frame f = ipv4(4, {.protocol = 17});
  std::fill(f.begin() + 42, f.end(), 0_b);
  put_be(f, 40, ones_sum(f, 26, 34, 17 + 12), 2);
  put_be(f, 42, 0, 4);
  const unsigned rest = ones_sum(f, 34, f.size());
  put_be(f, 42, 0xFFFF - rest, 2);  // now the sum is all ones, its complement zero
  describe_tx(context_positions(40), kDext | 1u << 25);
  describe_tx(tx_bytes(f), kEop | kIfcs | kDext | kData | len(f), 0x200);
  go();
  EXPECT_EQ(get_be(wire_.sent.at(0), 40, 2), 0xFFFFu);
}
TEST_F(Raw, TcpSegmentation) {
  start_tx();
  Frame f = ipv4(2500);
  const Frame original = f;
  put_be(f, 16, 0, 2);
  put_be(f, 24, 0, 2);
  put_be(f, 50, ones_sum(f, 26, 34, 6), 2);  // pseudo-header without length
  describe_tx(context_positions(50), kDext | 7u << 24 | 2500, 54u << 8 | 1000u << 16);
  const std::uint64_t at = tx_bytes(f);
  describe_tx(at, kIfcs | kDext | kData | kTse | 54, 0x300);
  describe_tx(at + 54, kEop | kIfcs | kDext | kData | kTse | kRs | 2500, 0x300);
  go();
  ASSERT_EQ(wire_.sent.size(), 3u);
  constexpr std::size_t kPayload[] = {1000, 1000, 500};
  for (std::size_t i = 0; i < 3; ++i) {
    const Frame& s = wire_.sent[i];
    ASSERT_EQ(s.size(), 54 + kPayload[i]);
    EXPECT_EQ(get_be(s, 16, 2), 40 + kPayload[i]);
    EXPECT_EQ(get_be(s, 18, 2), 0x1234u + i);
    EXPECT_EQ(get_be(s, 38, 4), 0x10000000u + 1000 * i);
    EXPECT_EQ(get_be(s, 47, 1), i == 2 ? 0x19u : 0x10u) << "FIN and PSH on the last only";
    EXPECT_TRUE(checksums_right(s));
    EXPECT_TRUE(std::equal(s.begin() + 54, s.end(), original.begin() + 54 + 1000 * static_cast<std::ptrdiff_t>(i)));
  }
  EXPECT_EQ(rd(off::TSCTC), 1u);
  EXPECT_EQ(rd(off::GPTC), 3u);
  EXPECT_TRUE(tx_done(2));
}
TEST_F(Raw, OwnFcsInsteadOfTheDevices) {
  start_tx();
  Frame f = ethernet(kOther, 60);
  const Frame without = f;
  const std::uint32_t fcs = sim::ethernet_fcs(f);
  for (unsigned i = 0; i < 4; ++i) f.push_back(static_cast<std::byte>(fcs >> (8 * i)));
  describe_tx(tx_bytes(f), kEop | 64);
  go();
  EXPECT_EQ(wire_.sent.at(0), without);
}
TEST_F(Raw, SecondQueueAndArbitration) {
  wr(off::TARC + 0x100, 0x003);  // off
  set_ring(off::TDBAL + 0x100, kTxRing);
  wr(off::TDT + 0x100, 0);
  wr(off::TCTL, kEn | kPsp);
  const Frame f = ethernet(kOther, 60);
  describe_tx(tx_bytes(f), kEop | kIfcs | kRs | len(f));
  wr(off::TDT + 0x100, 1);
  EXPECT_TRUE(wire_.sent.empty());
  wr(off::TARC + 0x100, 0x403);
  EXPECT_EQ(wire_.sent.size(), 1u);
  EXPECT_EQ(rd(off::ICR) & 1u << 23, 1u << 23) << "TXQ1";
}
TEST_F(Raw, Loopback) {
  start_rx(3u << 6);
  start_tx();
  const Frame f = ethernet(kMac, 80);
  describe_tx(tx_bytes(f), kEop | kIfcs | len(f));
  go();
  EXPECT_TRUE(wire_.sent.empty());
  EXPECT_EQ(buffer(0, 80), f);
}
TEST_F(Raw, SharedMemoryDoorbells) {
  start_rx();
  start_tx();
  const Frame f = ethernet(kOther, 60);
  describe_tx(tx_bytes(f), kEop | kIfcs | kRs | len(f));
  const std::uint32_t one = 1;
  std::memcpy(model_.doorbell_memory() + off::TDT, &one, 4);
  EXPECT_TRUE(wire_.sent.empty());
  EXPECT_TRUE(model_.step());
  EXPECT_EQ(wire_.sent.size(), 1u);
}
TEST_F(Raw, AliasesReachTheSameRegisters) {
  start_tx();
  EXPECT_EQ(rd(0x428), 1024u);
  const Frame f = ethernet(kOther, 60);
  describe_tx(tx_bytes(f), kEop | kIfcs | len(f));
  wr(0x438, 1);
  EXPECT_EQ(wire_.sent.size(), 1u);
  EXPECT_EQ(rd(0x430), 1u);
  wr(0x40 + 8, 0xABCD);
  EXPECT_EQ(rd(off::RAL + 8), 0xABCDu);
}

// ---- Interrupts -----------------------------------------------------------------------------------------------------

TEST_F(Raw, IntxLevel) {
  start_rx();
  arrive(ethernet(kMac, 60));
  EXPECT_FALSE(model_.interrupts().line()) << "masked";
  wr(off::IMS, 0x80);
  EXPECT_TRUE(model_.interrupts().line());
  EXPECT_EQ(rd(off::IMS), 0x80u);
  EXPECT_EQ(rd(off::ICR) & 0x80000080, 0x80000080u);
  EXPECT_EQ(rd(off::ICR), 0u);
  EXPECT_FALSE(model_.interrupts().line());
  wr(off::ICS, 0x80);
  EXPECT_TRUE(model_.interrupts().line());
  wr(off::IMC, 0xFFFFFFFF);
  EXPECT_FALSE(model_.interrupts().line());
  EXPECT_EQ(rd(off::ICR), 0x80u) << "not asserted";
  wr(off::ICS, 4);
  wr(off::ICR, 4);
  EXPECT_EQ(rd(off::ICR), 1u << 24) << "OTHER came with LSC";
}
TEST_F(Raw, AutoMaskOnIcrRead) {
  wr(off::CTRL_EXT, 1u << 27);
  wr(off::IAM, 4);
  wr(off::IMS, 0x84);
  wr(off::ICS, 4);
  (void)rd(off::ICR);
  EXPECT_EQ(rd(off::IMS), 0x80u);
}
TEST_F(Raw, MsiIsSentOnceAndThrottled) {
  model_.write_config(0xD2, 2, 1);
  wr(off::ITR, 400);  // 102.4 us
  wr(off::IMS, 4);
  wr(off::ICS, 4);
  wr(off::ICS, 4);
  EXPECT_EQ(model_.interrupts().sent(0), 1u);
  (void)rd(off::ICR);
  wr(off::ICS, 4);
  EXPECT_EQ(model_.interrupts().sent(0), 1u) << "too early";
  clock_.advance(110_us);
  EXPECT_EQ(model_.interrupts().sent(0), 2u);
}
TEST_F(Raw, MsixVectorsAutoClearAndInterval) {
  model_.write_config(0xA2, 2, 0x8000);
  wr(off::IVAR, 0x8 | 0x9 << 4 | 0xA << 8 | 0xB << 12 | 0xC << 16);
  wr(off::EIAC, 0xF << 20);
  wr(off::EITR, 100);  // vector 0: 25.6 us
  wr(off::IMS, 0x1F << 20 | 4);
  start_rx();
  arrive(ethernet(kMac, 60));
  EXPECT_EQ(model_.interrupts().sent(0), 1u);
  EXPECT_EQ(rd(off::IMS), 0x1E00004u) << "auto-masked";
  wr(off::IMS, 1 << 20);
  arrive(ethernet(kMac, 60));
  EXPECT_EQ(model_.interrupts().sent(0), 1u);
  clock_.advance(30_us);
  EXPECT_EQ(model_.interrupts().sent(0), 2u);
  wire_.up = false;
  (void)model_.step();
  EXPECT_EQ(model_.interrupts().sent(4), 1u) << "OTHER";
  EXPECT_FALSE(model_.interrupts().line());
  EXPECT_EQ(rd(off::ICR) & 4, 4u);
  start_tx();
  wire_.up = true;
  clock_.advance(1_s);
  clock_.advance(1_s);
  const Frame f = ethernet(kOther, 60);
  describe_tx(tx_bytes(f), kEop | kIfcs | kRs | len(f));
  go();
  EXPECT_EQ(model_.interrupts().sent(2), 1u);
}
TEST_F(Raw, ReceiveDelayTimer) {
  wr(off::RDTR, 10);
  start_rx();
  arrive(ethernet(kMac, 60));
  EXPECT_EQ(rd(off::ICR) & 0x80, 0u);
  clock_.advance(11_us);
  EXPECT_EQ(rd(off::ICR) & 0x80, 0x80u);
}
TEST_F(Raw, TransmitDelayTimers) {
  constexpr std::uint32_t kTxdw = 1, kTxq0 = 1 << 22, ICTXPTC = 0x410C, ICTXATC = 0x4110;
  wr(off::TIDV, 10);
  start_tx();
  (void)rd(off::ICR);
  const Frame f = ethernet(kOther, 60);
  const auto send = [&](std::uint32_t more) {
    describe_tx(tx_bytes(f), kEop | kIfcs | kRs | len(f) | more);
    go();
  };
  send(kIde);
  EXPECT_TRUE(tx_done(0)) << "only the interrupt waits";
  EXPECT_EQ(rd(off::ICR) & (kTxdw | kTxq0), 0u);
  clock_.advance(8_us);
  send(kIde);  // the timer starts again
  clock_.advance(8_us);
  EXPECT_EQ(rd(off::ICR) & kTxdw, 0u);
  clock_.advance(3_us);
  EXPECT_EQ(rd(off::ICR) & (kTxdw | kTxq0), kTxdw | kTxq0);
  EXPECT_EQ(rd(ICTXPTC), 1u);
  send(kIde);
  send(0);
  EXPECT_EQ(rd(off::ICR) & kTxdw, kTxdw) << "one without IDE tells at once";
  clock_.advance(20_us);
  EXPECT_EQ(rd(off::ICR) & kTxdw, 0u) << "of both";
  send(kIde);
  wr(off::TIDV, 1u << 31 | 10);
  EXPECT_EQ(rd(off::ICR) & kTxdw, kTxdw) << "FPD";
  EXPECT_EQ(rd(off::TIDV), 10u);
  (void)rd(ICTXPTC);
  wr(off::TADV, 15);
  send(kIde);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(rd(off::ICR) & kTxdw, 0u) << i;
    clock_.advance(i == 2 ? 2_us : 7_us);
    if (i < 2) send(kIde);
  }
  EXPECT_EQ(rd(off::ICR) & kTxdw, kTxdw) << "TADV counts from the first";
  EXPECT_EQ(rd(ICTXATC), 1u);
  EXPECT_EQ(rd(ICTXPTC), 0u);
  send(kIde);
  wr(off::CTRL, rd(off::CTRL) | 1u << 26);
  clock_.advance(1_ms);
  EXPECT_EQ(rd(off::ICR) & kTxdw, 0u) << "a reset forgets it";
}
TEST_F(Raw, DescriptorThreshold) {
  start_rx(2u << 8);  // an eighth of 64
  for (int i = 0; i < 54; ++i) arrive(ethernet(kMac, 60));
  EXPECT_EQ(rd(off::ICR) & 0x10, 0u);
  arrive(ethernet(kMac, 60));
  EXPECT_EQ(rd(off::ICR) & 0x10, 0x10u);
}

// ---- Statistics -----------------------------------------------------------------------------------------------------

TEST_F(Raw, BytePairsClearOnTheHighRead) {
  start_rx();
  arrive(ethernet(kMac, 60));
  EXPECT_EQ(rd(off::GORCL), 64u);
  EXPECT_EQ(rd(off::GORCL), 64u);
  EXPECT_EQ(rd(off::GORCL + 4), 0u);
  EXPECT_EQ(rd(off::GORCL), 0u);
}
TEST_F(Raw, CountersStickAtAllOnes) {
  start_rx();
  const std::uint32_t most = ~0u;
  std::memcpy(model_.doorbell_memory() + off::GPRC, &most, 4);
  arrive(ethernet(kMac, 60));
  EXPECT_EQ(rd(off::GPRC), ~0u);
  EXPECT_EQ(rd(off::GPRC), 0u);
}

// ---- Faults ---------------------------------------------------------------------------------------------------------

TEST_F(Raw, FaultsOfRegisterAccess) {
  (void)rd(0x1234);
  expect_fault(FaultKind::kUnknownOffset, "0x01234", "no register");
  wr(off::STATUS, 0);
  expect_fault(FaultKind::kAccessMode, "STATUS", "read only");
  (void)rd(off::IMC);
  expect_fault(FaultKind::kAccessMode, "IMC", "write only");
  wr(off::GPRC, 0);
  expect_fault(FaultKind::kAccessMode, "GPRC", "read only");
  wr(off::TCTL, 1);
  expect_fault(FaultKind::kReservedBit, "TCTL", "reserved bits 0x00000001");
  (void)model_.read(off::CTRL, 2);
  expect_fault(FaultKind::kWidth, "CTRL", "32-bit");
  wr(off::RCTL, 1u << 25);
  expect_fault(FaultKind::kReservedBit, "RCTL", "BSIZE 0 with BSEX");
  wr(off::RCTL, 1u << 6);
  expect_fault(FaultKind::kReservedBit, "RCTL", "LBM");
  wr(off::RCTL, 2u << 10);
  expect_fault(FaultKind::kReservedBit, "RCTL", "DTYP is 0 or 1");
  wr(off::RCTL, 1u << 10);
  expect_fault(FaultKind::kSequence, "RCTL", "DTYP 1 needs RFCTL.EXTEN");
  wr(off::MDIC, 0x08220000);
  wr(off::MDIC, 0x08220000);
  expect_fault(FaultKind::kSequence, "MDIC", "before READY");
  wr(off::IAM, ~0u);
  expect_fault(FaultKind::kReservedBit, "IAM", "reserved");
}
TEST_F(Raw, AFaultedReadHasNoSideEffect) {
  wr(off::ICS, 4);
  (void)model_.read(off::ICR, 2);
  expect_fault(FaultKind::kWidth, "ICR", "32-bit");
  EXPECT_EQ(rd(off::ICR) & 4, 4u);  // it was not the read that clears
  (void)model_.read(off::SWSM, 1);
  expect_fault(FaultKind::kWidth, "SWSM", "32-bit");
  EXPECT_EQ(rd(off::SWSM) & 1, 0u);  // nor the one that takes the semaphore
  EXPECT_EQ(rd(off::SWSM) & 1, 1u);
}
TEST_F(Raw, FaultsOfRings) {
  wr(off::RDBAL, 0x1008);
  expect_fault(FaultKind::kRing, "RDBAL[0]", "aligned to 16");
  wr(off::TDLEN + 0x100, 100);
  expect_fault(FaultKind::kRing, "TDLEN[1]", "multiple of 128");
  start_tx();
  wr(off::TDT, 64);
  expect_fault(FaultKind::kRing, "TDT[0]", "64 descriptors");
  wr(off::TCTL, 0);
  wr(off::TDLEN, 0);
  wr(off::TCTL, kEn);
  expect_fault(FaultKind::kRing, "TDLEN[0]", "8 to 4096");
  wr(off::TCTL, 0);
  wr(off::TDT, 0);
  wr(off::TDLEN, 128 * 1024);
  wr(off::TCTL, kEn);
  wr(off::TDT, 1);
  expect_fault(FaultKind::kRing, "TDLEN[0]", "8 to 4096");
  start_rx();
  wr(off::RDT, 9999);
  expect_fault(FaultKind::kRing, "RDT[0]", "64 descriptors");
}
TEST_F(Raw, FaultsOfSequence) {
  set_ring(off::TDBAL, kTxRing);
  wr(off::TDT, 1);
  expect_fault(FaultKind::kSequence, "TDT[0]", "before TCTL.EN");
  wr(off::TDT, 0);
  start_rx();  // RDT before RCTL.EN: legal
  EXPECT_NO_FAULTS(log_);
  wr(off::RDBAL, 0x5000);
  expect_fault(FaultKind::kSequence, "RDBAL[0]", "RCTL.EN is set");
  wr(off::TCTL, kEn);
  wr(off::TDH, 3);
  expect_fault(FaultKind::kSequence, "TDH[0]", "TCTL.EN is set");
}
TEST_F(Raw, FaultsOfDma) {
  start_tx();
  describe_tx(0xDEAD0000, kEop | kIfcs | 60);
  go();
  expect_fault(FaultKind::kDma, "transmit buffer", "no mapping");
  wr(off::TDT, 2);
  EXPECT_NO_FAULTS(log_);  // the queue is stopped, not hammered
  start_rx();
  give(kRxRing, 0, bus((1 << 20) - 1024));  // less than a frame can need to the end
  arrive(ethernet(kMac, 60));
  expect_fault(FaultKind::kDma, "receive buffer", "1522 bytes");
}
TEST_F(Raw, FaultWithoutBusMastering) {
  start_rx();
  model_.write_config(4, 2, 2);
  arrive(ethernet(kMac, 60));
  expect_fault(FaultKind::kDma, "receive descriptor", "bus mastering is off");
}
TEST_F(Raw, FaultsOfReceiveDescriptors) {
  start_rx();
  store<std::uint64_t>(kRxRing + 8, 1);
  arrive(ethernet(kMac, 60));
  expect_fault(FaultKind::kDescriptor, "RX queue 0, descriptor 0", "DD is set");
  store<std::uint64_t>(kRxRing + 16 + 8, 0x100);
  arrive(ethernet(kMac, 60));
  expect_fault(FaultKind::kDescriptor, "RX queue 0, descriptor 1", "reserved bits");
}
TEST_F(Raw, FaultsOfTransmitDescriptors) {
  start_tx();
  const Frame f = ethernet(kOther, 60);
  const std::uint64_t at = tx_bytes(f);
  const auto attempt = [&](std::uint32_t command, std::uint32_t status, const char* rule) {
    const std::string where = text::cat("TX queue 0, descriptor ", tx_next_);
    describe_tx(at, command, status);
    go();
    expect_fault(FaultKind::kDescriptor, where, rule);
  };
  attempt(kIfcs, 0, "length 0");
  attempt(kEop | kIfcs | 1u << 28 | 60, 0, "reserved bits");
  attempt(kEop | kIfcs | 60, 1, "reserved bits");
  attempt(kEop | kIfcs | kDext | 2u << 20 | 60, 0, "DTYP");
  attempt(kEop | kIfcs | kVle | 60, 0, "VLE without CTRL.VME");
  attempt(kEop | 60, 0, "IFCS");
  attempt(kEop | kIfcs | kIc | 200u << 16 | 60, 0, "outside the packet");
  attempt(kDext | 1u << 30, 0, "reserved bits of a context");
  attempt(kEop | kIfcs | kDext | kData | kTse | 60, 0x300, "TSE without it");
  attempt(kEop | kIfcs | 10000, 0, "longer than");
}
TEST_F(Raw, HostileRingsDoNotHang) {
  start_tx();
  start_rx();
  std::uint32_t random = 1;
  const auto next = [&] { return random = random * 1664525u + 1013904223u; };
  for (int round = 0; round < 2000; ++round) {
    for (std::size_t i = 0; i < 64 * 16; i += 4) store<std::uint32_t>(kTxRing + i, next());
    for (std::size_t i = 0; i < 64 * 16; i += 4) store<std::uint32_t>(kRxRing + i, next());
    if (round % 2 == 0) {
      for (std::size_t i = 0; i < 64; ++i) store<std::uint64_t>(kTxRing + 16 * i, bus(next() % 0x80000));
    }
    wr(off::TCTL, 0);
    wr(off::TCTL, kEn);
    wr(off::TDT, next() % (round % 5 == 0 ? 65536 : 64));
    wr(off::RDT, next() & 0xFFFF);
    wr(off::TDLEN, next() & 0xFFFFF);
    wr(off::TDH, next() & 0xFFFF);
    wire_.arriving.push_back(ethernet(kMac, 60));
    (void)model_.step();
    set_ring(off::TDBAL, kTxRing);
    wire_.sent.clear();
  }
  EXPECT_GT(log_.count(), 1000u);
  log_.clear();
}

class Quirky : public Raw {
 protected:
  Quirky()
      : Raw({.mac = kMac,
             .quirks = Quirk::kQemuVetLostOnReset | Quirk::kQemuSmbiTakenAtReset | Quirk::kQemuPadsReceived |
                       Quirk::kQemuLinkUpAtReset | Quirk::kLinuxWritesReservedIam}) {}
};
TEST_F(Quirky, DoesAsQemuAndLetsLinuxWrite) {
  EXPECT_EQ(rd(off::SWSM), 1u);
  wr(off::IAM, ~0u);
  start_rx();
  arrive(ethernet(kMac, 42));
  EXPECT_EQ(extended(0).length, 60);
  wr(off::CTRL, rd(off::CTRL) | 1u << 26);
  clock_.advance(1_ms);
  EXPECT_EQ(rd(off::VET), 0u);
  EXPECT_EQ(rd(off::STATUS) & 2, 2u);
}

class Linux : public Raw {
 protected:
  explicit Linux(Quirk quirks = kLinuxQuirks) : Raw({.mac = kMac, .quirks = quirks}) {}
};
TEST_F(Linux, InterruptTest) {  // as e1000_intr_test does it
  std::uint32_t seen = 0;
  const auto handler = [&] {
    while (model_.interrupts().line()) seen |= rd(off::ICR);
  };
  wr(off::IMC, ~0u);
  for (std::uint32_t i = 0; i < 10; ++i) {
    const std::uint32_t mask = 1u << i;
    seen = 0;
    wr(off::IMC, mask);
    wr(off::ICS, mask);
    handler();
    EXPECT_EQ(seen, 0u) << i << " is masked";
    wr(off::IMS, mask);
    handler();
    wr(off::ICS, mask);
    handler();
    EXPECT_EQ(seen & mask, mask) << i;
    seen = 0;
    wr(off::IMC, ~mask & 0x7FFF);
    wr(off::ICS, ~mask & 0x7FFF);
    handler();
    EXPECT_EQ(seen, 0u) << "not " << i;
  }
}
TEST_F(Raw, InterruptCausesThatAreReserved) {
  wr(off::ICS, 1u << 5);
  expect_fault(FaultKind::kReservedBit, "ICS", "reserved bits");
  wr(off::IMS, 1u << 8);
  expect_fault(FaultKind::kReservedBit, "IMS", "reserved bits");
  EXPECT_EQ(rd(off::ICR), 0u);
  EXPECT_EQ(rd(off::IMS), 0u);
}
TEST_F(Linux, RegisterTest) {  // as e1000_reg_test does it: what is written, what is read again
  const std::uint32_t status = rd(off::STATUS);
  wr(off::STATUS, 0x7FFFF033);
  EXPECT_EQ(rd(off::STATUS), status);
  struct Row {
    std::uint32_t at, exists;
  };
  std::vector<Row> rows{{off::FCAL, ~0u},           {off::FCAH, 0xFFFF},      {off::FCT, 0xFFFF},
                        {off::VET, 0xFFFF},         {off::RDTR, 0xFFFF},      {off::RDLEN, 0x000FFF80},
                        {off::RDBAL, 0xFFFFFFF0},   {off::TDLEN, 0x000FFF80}, {off::TDBAL, 0xFFFFFFF0},
                        {off::RAH + 8, 0x8003FFFF}, {off::RAH, 0x8003FFFF}};
  for (const Row& row : rows) {
    const std::uint32_t all = row.exists == 0x000FFF80 ? 0xFFFFF : ~0u;
    for (const std::uint32_t pattern : {0x5A5A5A5Au, 0xA5A5A5A5u, 0u, ~0u}) {
      wr(row.at, pattern & all);
      EXPECT_EQ(rd(row.at), pattern & row.exists) << row.at;
    }
  }
}
TEST_F(Linux, CompletionsStayInDescriptorsGivenAgain) {
  start_rx();
  store<std::uint64_t>(kRxRing + 8, 60ull << 32 | 1 << 16);
  arrive(ethernet(kMac, 61));
  EXPECT_EQ(extended(0).length, 61);
  store<std::uint64_t>(kRxRing + 16 + 8, 1);
  arrive(ethernet(kMac, 60));
  expect_fault(FaultKind::kDescriptor, "RX queue 0, descriptor 1", "DD is set");
}
TEST_F(Linux, TransmitDescriptorsAreGivenAgain) {
  start_tx();
  const Frame f = ethernet(kOther, 60);
  for (std::size_t i = 0; i < 2 * kDescriptors; ++i) {
    const bool again = i >= kDescriptors;
    describe_tx(tx_bytes(f), kEop | kIfcs | kRs | len(f), again ? 1 : 0);
    go();
  }
  EXPECT_EQ(wire_.sent.size(), 2 * kDescriptors);
}
TEST_F(Linux, ReceiveRingIsSetUpWithTheReceiverOn) {
  wr(off::RFCTL, kExten);
  wr(off::RCTL, kEn | kBam | kSecrc);
  for (std::uint32_t i = 0; i < kDescriptors; ++i) give(kRxRing, i, bus(kRxBuffers + 2048 * i));
  set_ring(off::RDBAL, kRxRing);
  wr(off::RDT, 0);
  EXPECT_NO_FAULTS(log_);
  wr(off::RDT, 8);
  arrive(ethernet(kMac, 60));
  EXPECT_EQ(extended(0).status & 3, 3u);
  wr(off::RDBAL, static_cast<std::uint32_t>(bus(kRxRing1)));
  expect_fault(FaultKind::kSequence, "RDBAL[0]", "RCTL.EN is set");
  wr(off::TCTL, kEn);
  wr(off::TDLEN, 128);
  expect_fault(FaultKind::kSequence, "TDLEN[0]", "TCTL.EN is set");
}

class MoreQuirks : public Raw {
 protected:
  MoreQuirks()
      : Raw({.mac = kMac,
             .quirks = Quirk::kQemuEewrDoneInEerd | Quirk::kQemuPoptsOfLast | Quirk::kQemuNoTxPadding |
                       Quirk::kQemuNoPause}) {}
};
TEST_F(MoreQuirks, TransmitAndNvmAsQemu) {
  start_tx();
  const Frame runt = ethernet(kOther, 40);
  describe_tx(tx_bytes(runt), kEop | kIfcs | len(runt));
  go();
  EXPECT_EQ(wire_.sent.at(0), runt);
  Frame f = ipv4(51);
  const Frame right = f;
  put_be(f, 24, 0, 2);
  const std::uint64_t at = tx_bytes(f);
  describe_tx(context_positions(50), kDext | 3u << 24);
  describe_tx(at, kIfcs | kDext | kData | 54, 0);
  describe_tx(at + 54, kEop | kIfcs | kDext | kData | 51, 0x100);
  go();
  EXPECT_EQ(wire_.sent.at(1), right);
  wr(off::EEWR, 0x20 << 2 | 1);
  EXPECT_EQ(rd(off::EERD) & 2, 2u);
  wr(off::TCTL, kEn | 1u << 22);  // SWXOFF
  EXPECT_EQ(rd(off::TCTL), kEn);
  EXPECT_EQ(wire_.sent.size(), 2u);
}

}  // namespace

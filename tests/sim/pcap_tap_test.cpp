// SPDX-License-Identifier: BSD-3-Clause
// Tests of PcapTap: what passes a wire, both ways, and when, read back from the file by libpcap and block by block.
#include <gtest/gtest.h>

#include <pcap/pcap.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include <pollux/dma/pool.hpp>
#include <pollux/e1000/model.hpp>
#include <pollux/e1000/port.hpp>
#include <pollux/net/burst.hpp>
#include <pollux/net/pcap.hpp>
#include <pollux/net/pcapng.hpp>
#include <pollux/sim/backend.hpp>
#include <pollux/sim/pcap_tap.hpp>

namespace {

using namespace pollux;

using Frame = std::vector<std::byte>;
Frame frame(std::size_t size, unsigned seed = 0) {
  Frame out(size);
  for (std::size_t i = 0; i < size; ++i) out[i] = static_cast<std::byte>(i * 31 + seed);
  return out;
}
/// The oldest frame that has arrived, taken off the wire.
Frame take(sim::WireEnd& end) {
  const auto f = end.front();
  Frame out(f.begin(), f.end());
  if (!out.empty()) end.consume();
  return out;
}

struct Seen {
  Nanos time;
  PcapDirection direction = PcapDirection::kUnknown;
  Frame bytes;
  friend bool operator==(const Seen&, const Seen&) = default;
};

class Tap : public ::testing::Test {
 protected:
  Tap() {
    std::string pattern = (std::filesystem::temp_directory_path() / "pollux-tap-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("no temporary directory");
    dir_ = pattern;
  }
  ~Tap() override { std::filesystem::remove_all(dir_); }
  [[nodiscard]] std::string path() const { return dir_ + "/wire.pcapng"; }

  /// Frames and times as libpcap has them; directions, which it does not tell, from the blocks' options.
  [[nodiscard]] std::vector<Seen> read_back() const {
    std::array<char, PCAP_ERRBUF_SIZE> why{};
    pcap_t* const file =
        ::pcap_open_offline_with_tstamp_precision(path().c_str(), PCAP_TSTAMP_PRECISION_NANO, why.data());
    EXPECT_NE(file, nullptr) << why.data();
    if (file == nullptr) return {};
    EXPECT_EQ(::pcap_datalink(file), DLT_EN10MB);
    std::vector<Seen> out;
    pcap_pkthdr* header = nullptr;
    const u_char* data = nullptr;
    while (::pcap_next_ex(file, &header, &data) == 1) {
      EXPECT_EQ(header->caplen, header->len);
      const auto* bytes = reinterpret_cast<const std::byte*>(data);
      out.push_back(
          {.time = {header->ts.tv_sec * 1'000'000'000 + header->ts.tv_usec}, .bytes = {bytes, bytes + header->caplen}});
    }
    ::pcap_close(file);
    const std::vector<PcapDirection> directions = directions_of_blocks();
    EXPECT_EQ(directions.size(), out.size());
    for (std::size_t i = 0; i < out.size() && i < directions.size(); ++i) out[i].direction = directions[i];
    return out;
  }

 private:
  /// epb_flags, bits 1:0, of every Enhanced Packet Block.
  [[nodiscard]] std::vector<PcapDirection> directions_of_blocks() const {
    std::ifstream in(path(), std::ios::binary);
    const std::string all{std::istreambuf_iterator<char>(in), {}};
    const auto word = [&](std::size_t at) {
      std::uint32_t v = 0;
      if (at + 4 <= all.size()) std::memcpy(&v, &all[at], 4);
      return v;
    };
    std::vector<PcapDirection> out;
    for (std::size_t at = 0; at < all.size(); at += word(at + 4)) {
      const std::size_t length = word(at + 4);
      if (length < 12 || at + length > all.size() || word(at + length - 4) != length) {
        ADD_FAILURE() << "a damaged block at " << at;
        break;
      }
      if (word(at) != 6) continue;
      std::size_t option = at + 28 + (word(at + 20) + 3) / 4 * 4;
      while ((word(option) & 0xFFFF) != 2) option += 4 + ((word(option) >> 16) + 3) / 4 * 4;
      out.push_back(static_cast<PcapDirection>(word(option + 4) & 3));
    }
    return out;
  }
  std::string dir_;
};

TEST_F(Tap, WritesBothDirectionsInTheOrderTheyPass) {
  sim::Cable cable;
  PcapngWriter file(path(), "tapped");
  sim::PcapTap tap(cable.a(), file);
  EXPECT_TRUE(tap.transmit(frame(60, 1)));
  EXPECT_TRUE(cable.b().transmit(frame(61, 2)));
  EXPECT_TRUE(cable.b().transmit(frame(1514, 3)));
  EXPECT_EQ(file.frames(), 1u);  // nobody has taken the others yet
  EXPECT_EQ(take(tap), frame(61, 2));
  EXPECT_TRUE(tap.transmit(frame(64, 4)));
  EXPECT_EQ(take(tap), frame(1514, 3));
  EXPECT_TRUE(take(tap).empty());
  EXPECT_EQ(take(cable.b()), frame(60, 1));
  EXPECT_EQ(take(cable.b()), frame(64, 4));
  file.close();
  EXPECT_FALSE(tap.failure());
  const auto kIn = PcapDirection::kIn, kOut = PcapDirection::kOut;
  EXPECT_EQ(
      read_back(),
      (std::vector<Seen>{
          {{}, kOut, frame(60, 1)}, {{}, kIn, frame(61, 2)}, {{}, kOut, frame(64, 4)}, {{}, kIn, frame(1514, 3)}}));
  EXPECT_EQ(read_capture(path()), (std::vector<Frame>{frame(60, 1), frame(61, 2), frame(64, 4), frame(1514, 3)}));
}

TEST_F(Tap, StampsFramesWithTheTimeItWasTold) {
  sim::Cable cable;
  PcapngWriter file(path(), "tapped");
  sim::PcapTap tap(cable.a(), file, {1'700'000'000'000'000'000});
  EXPECT_TRUE(tap.transmit(frame(60, 1)));
  tap.tick(1_ns);
  EXPECT_TRUE(tap.transmit(frame(60, 2)));
  EXPECT_TRUE(cable.b().transmit(frame(60, 3)));
  tap.tick(3_s);
  (void)take(tap);  // the time at which it was taken
  file.close();
  std::vector<std::int64_t> times;
  for (const Seen& s : read_back()) times.push_back(s.time.count - 1'700'000'000'000'000'000);
  EXPECT_EQ(times, (std::vector<std::int64_t>{0, 1, 3'000'000'000}));
}

TEST_F(Tap, TellsTheTimeOnToTheWireBehindIt) {
  sim::Cable cable;
  sim::FaultInjector slow(cable.a(), {.delay = 100_us});
  PcapngWriter file(path(), "tapped");
  sim::PcapTap tap(slow, file);
  EXPECT_TRUE(tap.transmit(frame(60)));
  EXPECT_TRUE(take(cable.b()).empty());
  tap.tick(100_us);
  EXPECT_EQ(take(cable.b()), frame(60));
}

TEST_F(Tap, WritesNothingThatTheWireDidNotTake) {
  sim::Cable cable;
  while (cable.a().transmit(frame(1500))) {}
  PcapngWriter file(path(), "tapped");
  sim::PcapTap tap(cable.a(), file);
  EXPECT_FALSE(tap.transmit(frame(1500)));
  EXPECT_EQ(file.frames(), 0u);
  EXPECT_TRUE(tap.link());
  cable.set_link(false);
  EXPECT_FALSE(tap.link());
}

TEST_F(Tap, PassesFramesOnWhenTheDiskIsFullAndSaysWhy) {
  sim::Cable cable;
  PcapngWriter file("/dev/full", "tapped");
  sim::PcapTap tap(cable.a(), file);
  for (unsigned i = 0; i < 100; ++i) {  // more than is buffered
    EXPECT_TRUE(tap.transmit(frame(1500, i)));
    EXPECT_EQ(take(cable.b()), frame(1500, i));
    EXPECT_TRUE(cable.b().transmit(frame(60, i)));
    EXPECT_EQ(take(tap), frame(60, i));
  }
  ASSERT_TRUE(tap.failure());
  EXPECT_EQ(tap.failure()->text(), "cannot write /dev/full: No space left on device");
  EXPECT_LT(file.frames(), 100u);
}

TEST_F(Tap, OfAClosedFileSaysSo) {
  sim::Cable cable;
  PcapngWriter file(path(), "tapped");
  sim::PcapTap tap(cable.a(), file);
  EXPECT_TRUE(tap.transmit(frame(60, 1)));
  file.close();
  EXPECT_TRUE(tap.transmit(frame(60, 2)));
  ASSERT_TRUE(tap.failure());
  EXPECT_EQ(tap.failure()->code, EBADF);
  EXPECT_EQ(tap.failure()->where, "closed");
  EXPECT_EQ(read_capture(path()).size(), 1u);
}

TEST_F(Tap, CannotBeMadeOfAFileThatCannotBeWritten) {
  try {
    const PcapngWriter file(path() + "/nowhere/x", "tapped");
    FAIL() << "no error";
  } catch (const Error& e) {
    EXPECT_EQ(e.failure().operation, "create");
    EXPECT_EQ(e.failure().object, path() + "/nowhere/x");
    EXPECT_EQ(e.code().value(), ENOENT);
    EXPECT_NE(e.failure().remedy, "");
  }
}

TEST(PcapngFiles, TellAtCloseAndFlushThatTheDiskIsFull) {
  const auto code_of = [](auto&& action) {
    try {
      action();
    } catch (const Error& e) { return e.code().value(); }
    return 0;
  };
  PcapngWriter a("/dev/full", "x"), b("/dev/full", "x");
  a.write(frame(60), {}, PcapDirection::kIn);
  EXPECT_EQ(code_of([&] { a.flush(); }), ENOSPC);
  b.write(frame(60), {}, PcapDirection::kIn);
  EXPECT_EQ(code_of([&] { b.close(); }), ENOSPC);
  EXPECT_EQ(code_of([&] { b.write(frame(60), {}, PcapDirection::kIn); }), EBADF);
  EXPECT_NO_THROW(b.close());
}

/// Two drivers on models joined by a tapped cable, under one virtual clock: the file is the same each time.
std::vector<Seen> traffic_of_two_drivers(const std::string& path) {
  using Backend = sim::SimBackend<e1000::Model82574>;
  using Port = e1000::Port<e1000::I82574, Backend>;
  sim::VirtualClock clock;
  sim::Iommu iommu;
  sim::FaultLog faults;
  sim::Cable cable;
  PcapngWriter file(path, "a");
  sim::PcapTap tap(cable.a(), file);
  e1000::Model82574 a{iommu, tap, faults}, b{iommu, cable.b(), faults};
  for (e1000::Model82574* model : {&a, &b}) {
    model->set_time([&] { return clock.now(); });
    clock.on_advance([model] { (void)model->step(); });
  }
  Backend backend_a{a, sim::VirtualClock::Handle(clock), "a"}, backend_b{b, sim::VirtualClock::Handle(clock), "b"};
  BufferPool pool{iommu, 512, 2048, PagePreference::kOrdinary};
  Port left(backend_a, pool, {.rx_descriptors = 32, .tx_descriptors = 32, .promiscuous = true});
  Port right(backend_b, pool, {.rx_descriptors = 32, .tx_descriptors = 32, .promiscuous = true});
  left.start();
  right.start();
  std::vector<Seen> expected;
  for (unsigned i = 0; i < 50; ++i) {
    for (Port* from : {&left, &right}) {
      Burst<1> out(pool), in(pool);
      const Frame f = frame(60 + i * 29, i + (from == &left ? 0 : 100));
      EXPECT_EQ(out.allocate(1, static_cast<std::uint16_t>(f.size())), 1u);
      std::memcpy(out[0].data, f.data(), f.size());
      EXPECT_EQ(from->tx_burst(out), 1u);  // a's frames are on the wire from here; b's are taken at a's next step
      expected.push_back({.time = clock.now() + (from == &left ? 0_ns : 10_us),
                          .direction = from == &left ? PcapDirection::kOut : PcapDirection::kIn,
                          .bytes = f});
      clock.advance(10_us);
      EXPECT_EQ((from == &left ? right : left).rx_burst(in), 1u);
    }
  }
  EXPECT_EQ(faults.count(), 0u);
  EXPECT_FALSE(tap.failure());
  file.close();
  return expected;
}

TEST_F(Tap, OnAVirtualClockWritesTheSameFileEachTime) {
  const auto bytes = [&] {
    std::ifstream in(path(), std::ios::binary);
    return std::string{std::istreambuf_iterator<char>(in), {}};
  };
  const std::vector<Seen> expected = traffic_of_two_drivers(path());
  EXPECT_EQ(read_back(), expected);
  const std::string first = bytes();
  (void)traffic_of_two_drivers(path());
  EXPECT_EQ(bytes(), first);
}

}  // namespace

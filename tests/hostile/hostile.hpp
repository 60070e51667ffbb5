// SPDX-License-Identifier: BSD-3-Clause
// A lying device: the driver starts on a model; then descriptors and register answers come from the test.
#pragma once
#include <gtest/gtest.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <pollux/dma/pool.hpp>
#include <pollux/e1000/model.hpp>
#include <pollux/e1000/port.hpp>
#include <pollux/ixgbe/model.hpp>
#include <pollux/ixgbe/port.hpp>
#include <pollux/net/burst.hpp>
#include <pollux/sim/backend.hpp>

namespace hostile {

using namespace pollux;
using u16 = std::uint16_t;
using u32 = std::uint32_t;
using u64 = std::uint64_t;

// ---- The devices, by what a liar needs to know of them ------------------------------------------------------------

struct E82574 {
  using Model = e1000::Model82574;
  using Config = e1000::Config;
  template <class Backend>
  using Port = e1000::Port<e1000::I82574, Backend>;
  static constexpr u32 kRxBase = 0x2800, kTxBase = 0x3800, kMinRing = 32;
  static e1000::Model82574Config card() { return {}; }
};
struct E82599 {
  using Model = ixgbe::Model82599;
  using Config = ixgbe::Config;
  template <class Backend>
  using Port = ixgbe::Port<ixgbe::I82599, Backend>;
  static constexpr u32 kRxBase = 0x1000, kTxBase = 0x6000, kMinRing = 64;
  static ixgbe::Personality card() {
    return {.media = ixgbe::Personality::Media::kSfp,
            .reset_time = 100_us,
            .nvm_load_time = 2_ms,
            .queue_time = 50_us,
            .link_time = 20_ms};
  }
};

// ---- Registers ----------------------------------------------------------------------------------------------------

/// Who answers the driver.
struct Control {
  sim::NicModel* model = nullptr;
  std::function<u32(u32 offset)> answer;  ///< set: the liar answers, and writes vanish
  u64 accesses = 0;
  u64 remove_at = ~u64{0};  ///< the access at which the device is pulled out
};

template <class Model>
class HostileIo {
 public:
  HostileIo(Model& model, Control& control) noexcept : model_(&model), control_(&control) {}
  [[nodiscard]] u32 read32(u32 offset) const noexcept {
    look();
    return control_->answer ? control_->answer(offset) : model_->read(offset);
  }
  void write32(u32 offset, u32 value) const noexcept {
    look();
    if (!control_->answer) model_->write(offset, value);
  }

 private:
  void look() const noexcept {
    if (++control_->accesses == control_->remove_at) control_->model->remove();
    if (control_->accesses > 100'000'000) {  // a test that hangs tells nothing
      std::fputs("the driver touches registers without end\n", stderr);
      std::abort();
    }
  }
  Model* model_;
  Control* control_;
};

template <class Model>
class HostileBackend {
 public:
  using Inner = sim::SimBackend<Model>;
  using Io = HostileIo<Model>;
  using DoorbellIo = Io;
  using Clock = typename Inner::Clock;

  HostileBackend(Model& model, sim::VirtualClock& clock, Control& control)
      : inner_(model, sim::VirtualClock::Handle(clock), "liar"), control_(&control) {}
  [[nodiscard]] reg::Bar<Io> bar(unsigned) { return reg::Bar<Io>(Io(inner_.model(), *control_)); }
  [[nodiscard]] reg::Bar<Io> doorbells(unsigned i) { return bar(i); }
  [[nodiscard]] Clock clock() const noexcept { return inner_.clock(); }
  [[nodiscard]] DmaDomain& domain() noexcept { return inner_.domain(); }
  void enable_bus_master() { inner_.enable_bus_master(); }
  void disable_bus_master() noexcept { inner_.disable_bus_master(); }
  [[nodiscard]] auto config() const { return inner_.config(); }
  [[nodiscard]] PciId id() const noexcept { return inner_.id(); }
  [[nodiscard]] const std::string& name() const noexcept { return inner_.name(); }

 private:
  Inner inner_;
  Control* control_;
};

// ---- Memory -------------------------------------------------------------------------------------------------------

/// The rings as the device knows them. Both chips: 16 bytes a descriptor; received: status in bits 31:0 and length in
/// 47:32 of the second word; sent: DD in bit 0 of the last 32 bits.
class Liar {
 public:
  static constexpr u32 kDd = 1, kEop = 2, kDamaged = 1u << 24;

  template <class Kind>
  static Liar of(sim::NicModel& model, Kind) {
    Liar out;
    out.rx_ = ring(model, Kind::kRxBase, out.rx_count);
    out.tx_ = ring(model, Kind::kTxBase, out.tx_count);
    return out;
  }
  void rx(u32 slot, u32 status, u32 length, u64 first = 0) const noexcept {
    put(rx_ + 16 * (slot % rx_count), first);
    put(rx_ + 16 * (slot % rx_count) + 8, status | u64{length} << 32);
  }
  void raw_rx(u32 slot, u64 first, u64 second) const noexcept {
    put(rx_ + 16 * (slot % rx_count), first);
    put(rx_ + 16 * (slot % rx_count) + 8, second);
  }
  void raw_tx(u32 slot, u64 first, u64 second) const noexcept {
    put(tx_ + 16 * (slot % tx_count), first);
    put(tx_ + 16 * (slot % tx_count) + 8, second);
  }
  void tx_done(u32 slot) const noexcept {
    u32 status = 0;
    std::memcpy(&status, tx_ + 16 * (slot % tx_count) + 12, 4);
    status |= kDd;
    std::memcpy(tx_ + 16 * (slot % tx_count) + 12, &status, 4);
  }
  [[nodiscard]] bool rx_given(u32 slot) const noexcept { return (get(rx_ + 16 * (slot % rx_count) + 8) & kDd) == 0; }

  u32 rx_count = 0, tx_count = 0;

 private:
  static std::byte* ring(sim::NicModel& model, u32 base, u32& count) {
    const u64 at = model.read(base) | u64{model.read(base + 4)} << 32;
    const u32 bytes = model.read(base + 8);
    count = bytes / 16;
    const sim::Iommu::Mapped found = model.iommu().find(at, bytes);
    return found.at(at, bytes);
  }
  static void put(std::byte* to, u64 value) noexcept { std::memcpy(to, &value, sizeof value); }
  static u64 get(const std::byte* from) noexcept {
    u64 value = 0;
    std::memcpy(&value, from, sizeof value);
    return value;
  }
  std::byte* rx_ = nullptr;
  std::byte* tx_ = nullptr;
};

/// Memory that the driver has no business in: filled, and looked at again.
class Canary {
 public:
  static constexpr std::byte kFill{0xC5};
  void watch(std::byte* from, std::size_t n) {
    std::memset(from, static_cast<int>(kFill), n);
    parts_.push_back({from, n});
  }
  [[nodiscard]] bool alive() const {
    for (const auto& [from, n] : parts_) {
      for (std::size_t i = 0; i < n; ++i) {
        if (from[i] != kFill) return false;
      }
    }
    return true;
  }

 private:
  std::vector<std::pair<std::byte*, std::size_t>> parts_;
};

/// Who has which buffer, as far as the test can know: what it holds it must not be given again.
class Ledger {
 public:
  explicit Ledger(BufferPool& pool) : pool_(&pool), held_(pool.count()) {}
  void take(const Packet& p) {
    bool good = p.id < held_.size() && p.data == pool_->data(p.id) && !held_[p.id];
    good = good && p.length > 0 && p.length <= pool_->buffer_bytes();
    if (p.id < held_.size()) held_[p.id] = true;
    if (good) return;
    if (++wrong < 4) ADD_FAILURE() << "packet " << p.id << " of " << p.length << " bytes, at " << received;
  }
  void receive(const Packet& p) {
    take(p);
    ++received;
    parts_ = parts_ + 1;
    if (parts_ > 64 && ++wrong < 4) ADD_FAILURE() << "a frame of " << parts_ << " buffers";
    if (!p.more()) parts_ = 0;
  }
  void give(const Packet& p) { held_[p.id] = false; }
  void clear(PacketBurst& burst) {
    for (const Packet& p : burst) give(p);
    burst.clear();
  }
  u64 received = 0, wrong = 0;

 private:
  BufferPool* pool_;
  std::vector<bool> held_;
  u32 parts_ = 0;
};

// ---- One device with its driver -----------------------------------------------------------------------------------

/// A loop-back plug on the model, whichever model it is.
template <class Kind>
class World {
 public:
  using Model = typename Kind::Model;
  using Backend = HostileBackend<Model>;
  using Port = typename Kind::template Port<Backend>;

  explicit World(u32 ring = Kind::kMinRing, u32 buffers = 0)
      : pool(iommu, buffers != 0 ? buffers : 4 * ring, 2048, PagePreference::kOrdinary), ring_(ring) {
    replace_device();
    clock.on_advance([this] {
      if (!control.answer && model) (void)model->step();
    });
  }
  ~World() {
    port.reset();
    expect_conserved();
  }
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  /// A fresh device in the slot. Pre: no port.
  void replace_device() {
    backend.reset();
    model.emplace(iommu, wire, faults, Kind::card());
    model->set_time([this] { return clock.now(); });
    control = {};
    control.model = &*model;
    backend = std::make_unique<Backend>(*model, clock, control);
  }
  Port& open() {
    port = std::make_unique<Port>(*backend, pool, config());
    return *port;
  }
  Port& start() {
    if (!port) open();
    port->start();
    return *port;
  }
  /// From now on the device is the test's. Registers read as they did last, unless told otherwise.
  Liar take_over() {
    const Liar liar = Liar::of(*model, Kind{});
    canary = {};
    const sim::Iommu::Mapped buffers = iommu.find(pool.bus(0).value(), 1);
    canary.watch(buffers.memory, buffers.bytes);
    const u64 rings = model->read(Kind::kRxBase) | u64{model->read(Kind::kRxBase + 4)} << 32;
    const sim::Iommu::Mapped region = iommu.find(rings, 16);
    const std::size_t used = 16 * (std::size_t{liar.rx_count} + liar.tx_count);
    canary.watch(region.memory + used, region.bytes - used);
    control.answer = [this](u32 offset) { return model->read(offset); };
    return liar;
  }
  /// The same device again, healthy, as after a power cycle. Pre: the port is stopped.
  void heal() {
    EXPECT_TRUE(canary.alive()) << "the driver wrote where it has no business";
    control.answer = nullptr;
    model->function_level_reset();
    model->write_config(4, 2, 2);  // memory decoding, as after opening
    faults.clear();
    while (!wire.front().empty()) wire.consume();
  }
  /// A healthy device moves frames.
  void expect_traffic() {
    const MacAddress mac = port->mac();
    for (u32 round = 0; round < 3 * ring_; ++round) {
      Burst<8> out(pool);
      ASSERT_EQ(out.allocate(1 + round % 8, 200), 1 + round % 8);
      for (u32 i = 0; i < out.size(); ++i) {
        std::memset(out[i].data, static_cast<int>(round), 200);
        std::memcpy(out[i].data, mac.bytes.data(), 6);
        std::memcpy(out[i].data + 12, "\x88\xB5", 2);
        std::memcpy(out[i].data + 14, &i, 4);
      }
      ASSERT_EQ(port->tx_burst(out), 1 + round % 8);
      for (int i = 0; i < 8; ++i) (void)model->step();
      Burst<16> in(pool);
      ASSERT_EQ(port->rx_burst(in), 1 + round % 8) << "round " << round;
      for (u32 i = 0; i < in.size(); ++i) {
        EXPECT_EQ(in[i].length, 200);
        EXPECT_EQ(std::memcmp(in[i].data + 14, &i, 4), 0);
        EXPECT_EQ(in[i].data[199], static_cast<std::byte>(round));
      }
      Burst<1> none(pool);
      (void)port->rx_burst(none);
    }
    std::string text;
    for (const sim::Fault& f : faults.faults()) text += f.text() + "\n";
    EXPECT_EQ(text, "");
  }
  /// Stops, checks, and shows that a healthy device works with the same port.
  void stop_and_restart() {
    bounded("stop", 3_s, 200'000, [&] { port->stop(); });
    expect_conserved();
    heal();
    bounded("start", 8_s, 200'000, [&] { port->start(); });
    expect_traffic();
  }
  void expect_conserved() {
    EXPECT_EQ(pool.free_count(), pool.count()) << "buffers were lost";
    std::vector<u32> ids(pool.count());
    const u32 n = pool.take(ids);
    std::vector<bool> seen(ids.size());
    for (u32 i = 0; i < n; ++i) {
      if (ids[i] >= seen.size() || seen[ids[i]]) {
        ADD_FAILURE() << "buffer " << ids[i] << " is in the pool twice";
        break;
      }
      seen[ids[i]] = true;
    }
    pool.give({ids.data(), n});
  }
  /// Runs `what`; it may wait for so long and touch so many registers, whatever the device does.
  template <class What>
  void bounded(const char* name, Nanos time, u64 most, What what) {
    const Nanos begin = clock.now();
    const u64 before = control.accesses;
    what();
    const Nanos waited = clock.now() - begin;
    EXPECT_LE(waited.count, time.count) << name << " waited " << waited.count / 1'000'000 << " ms";
    EXPECT_LE(control.accesses - before, most) << name;
  }

  sim::VirtualClock clock;
  sim::Iommu iommu;
  sim::FaultLog faults;
  sim::Loopback wire;
  std::optional<Model> model;
  Control control;
  std::unique_ptr<Backend> backend;
  BufferPool pool;
  Canary canary;
  std::unique_ptr<Port> port;

 private:
  [[nodiscard]] typename Kind::Config config() const {
    typename Kind::Config c;
    c.rx_descriptors = c.tx_descriptors = ring_;
    return c;
  }
  u32 ring_;
};

}  // namespace hostile

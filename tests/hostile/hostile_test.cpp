// SPDX-License-Identifier: BSD-3-Clause
// Drivers against a device that lies: in descriptors, in registers, and by not being there any more. Whatever it does,
// every packet lies in its buffer and has one owner, no call is without bound, stop() gets every buffer back, and the
// same port works when the device does.
#include "hostile.hpp"

#include <type_traits>

namespace hostile {
namespace {

template <class Kind>
class Lies : public ::testing::Test {
 protected:
  World<Kind> world_;
};
struct Names {
  template <class Kind>
  static std::string GetName(int) {
    return std::is_same_v<Kind, E82574> ? "I82574" : "I82599";
  }
};
using Kinds = ::testing::Types<E82574, E82599>;
TYPED_TEST_SUITE(Lies, Kinds, Names);

constexpr u32 kDone = Liar::kDd | Liar::kEop;

/// One look; every packet is checked and given back.
template <class World>
u32 look(World& world, Ledger& ledger, u32 most = 64) {
  Burst<64> in(world.pool, most);
  const u32 n = world.port->rx_burst(in);
  EXPECT_EQ(n, in.size());
  for (const Packet& p : in) ledger.receive(p);
  ledger.clear(in);
  return n;
}

// ---- Received descriptors -----------------------------------------------------------------------------------------

TYPED_TEST(Lies, LengthsThatCannotBeAreRefusedAndCounted) {
  auto& w = this->world_;
  auto& port = w.start();
  const Liar liar = w.take_over();
  Ledger ledger(w.pool);
  u32 slot = 0, refused = 0;
  for (int lap = 0; lap < 3; ++lap) {
    for (const u32 length : {0u, 2049u, 2050u, 4096u, 32768u, 65535u}) {
      for (int i = 0; i < 20; ++i, ++slot, ++refused) {
        liar.rx(slot, kDone, length);
        ASSERT_EQ(look(w, ledger), 0u) << length;
      }
    }
    for (const u32 length : {1u, 60u, 2048u}) {  // unlikely, but they fit
      liar.rx(slot++, kDone, length);
      ASSERT_EQ(look(w, ledger), 1u) << length;
    }
  }
  EXPECT_EQ(port.stats().rx_rejected, refused);
  w.stop_and_restart();
}
TYPED_TEST(Lies, DamagedFramesAreRefusedAndCounted) {
  auto& w = this->world_;
  auto& port = w.start();
  const Liar liar = w.take_over();
  Ledger ledger(w.pool);
  for (u32 slot = 0; slot < 500; ++slot) {
    liar.rx(slot, kDone | Liar::kDamaged, 100);
    ASSERT_EQ(look(w, ledger), 0u);
  }
  EXPECT_EQ(port.stats().rx_rejected, 500u);
  w.stop_and_restart();
}
TYPED_TEST(Lies, FrameWithoutEnd) {
  auto& w = this->world_;
  auto& port = w.start();
  const Liar liar = w.take_over();
  Ledger ledger(w.pool);
  Burst<1> none(w.pool);
  u32 idle = w.pool.free_count();
  for (int round = 0; round < 10'000; ++round) {
    for (u32 slot = 0; slot < liar.rx_count; ++slot) liar.rx(slot, Liar::kDd, 100);
    ASSERT_EQ(look(w, ledger), 0u);
    ASSERT_EQ(w.pool.free_count(), idle) << "round " << round;
  }
  EXPECT_GE(port.stats().rx_rejected, 1u);
  for (u32 slot = 0; slot < liar.rx_count; ++slot) liar.rx(slot, kDone, 100);  // at last, ends
  (void)look(w, ledger);
  EXPECT_GT(ledger.received, 0u);
  w.stop_and_restart();
}
TYPED_TEST(Lies, ChainsUpToAndBeyondTheWholeRing) {
  auto& w = this->world_;
  w.start();
  const Liar liar = w.take_over();
  u32 slot = 0;
  for (u32 parts = 1; parts <= 3 * liar.rx_count; ++parts) {
    Ledger ledger(w.pool);
    u64 at_once = 0;
    for (u32 i = 0; i < parts; ++i) {
      liar.rx(slot++, i + 1 == parts ? kDone : Liar::kDd, 100);
      at_once = at_once + look(w, ledger, 1 + i % 64);
      for (u32 idle = 0; idle < 2;) idle = look(w, ledger) == 0 ? idle + 1 : 0;
    }
    ASSERT_EQ(ledger.wrong, 0u);
    const u32 bound = liar.rx_count - 1 < 64 ? liar.rx_count - 1 : 64;
    ASSERT_EQ(ledger.received, parts <= bound ? parts : 0u) << "a frame of " << parts << " buffers";
  }
  w.stop_and_restart();
}
TYPED_TEST(Lies, CompletionsForDescriptorsNeverGiven) {
  auto& w = this->world_;
  w.start();
  const Liar liar = w.take_over();
  for (int round = 0; round < 1000; ++round) {
    Ledger ledger(w.pool);
    for (u32 slot = 0; slot < liar.rx_count; ++slot) liar.rx(slot, kDone, 64);
    Burst<256> in(w.pool);
    ASSERT_LE(w.port->rx_burst(in), liar.rx_count - 1) << "one descriptor is not the device's";
    for (const Packet& p : in) ledger.receive(p);
    ASSERT_EQ(ledger.wrong, 0u);
  }
  w.stop_and_restart();
}
TYPED_TEST(Lies, CompletionsWhileThePoolIsEmpty) {
  auto& w = this->world_;
  w.start();
  const Liar liar = w.take_over();
  Ledger ledger(w.pool);
  {
    Burst<512> held(w.pool);
    for (int round = 0; round < 500; ++round) {
      for (u32 slot = 0; slot < liar.rx_count; ++slot) liar.rx(slot, kDone, 64);
      const u32 before = held.size();
      (void)w.port->rx_burst(held);
      for (u32 i = before; i < held.size(); ++i) ledger.receive(held[i]);
    }
    EXPECT_EQ(held.size(), w.pool.count()) << "every buffer, each once";
    EXPECT_EQ(ledger.wrong, 0u);
  }
  EXPECT_GT(w.port->stats().rx_no_buffer, 0u);
  w.stop_and_restart();
}
TYPED_TEST(Lies, RandomStatusBits) {
  auto& w = this->world_;
  w.start();
  const Liar liar = w.take_over();
  Ledger ledger(w.pool);
  std::mt19937_64 random(1);
  for (u32 slot = 0; slot < 200'000; ++slot) {
    liar.rx(slot, static_cast<u32>(random()), static_cast<u32>(random() % 3000), random());
    if (random() % 2 == 0) (void)look(w, ledger, 1 + static_cast<u32>(random() % 64));
    ASSERT_EQ(ledger.wrong, 0u);
  }
  EXPECT_GT(ledger.received, 0u);
  w.stop_and_restart();
}
/// A frame of several buffers is judged, its first part handed out; then the device writes its descriptors anew.
TYPED_TEST(Lies, JudgedFramesAreRewritten) {
  auto& w = this->world_;
  w.start();
  const Liar liar = w.take_over();
  struct Rewrite {
    const char* what;
    u32 status, length;
  };
  constexpr Rewrite kRewrites[] = {{"too long", Liar::kDd, 65535},
                                   {"empty", Liar::kDd, 0},
                                   {"too long, ends early", kDone, 4096},
                                   {"damaged", kDone | Liar::kDamaged, 100}};
  u32 slot = 0;
  for (const Rewrite& rewrite : kRewrites) {
    Ledger ledger(w.pool);
    for (u32 i = 0; i < 4; ++i) liar.rx(slot + i, i == 3 ? kDone : Liar::kDd, 100);
    ASSERT_EQ(look(w, ledger, 1), 1u);
    for (u32 i = 1; i < 4; ++i) liar.rx(slot + i, rewrite.status, rewrite.length);
    for (int i = 0; i < 4; ++i) (void)look(w, ledger);
    EXPECT_EQ(ledger.wrong, 0u) << rewrite.what;
    slot += 4;
    for (u32 i = 0; i < 4; ++i) liar.rx(slot++, kDone, 100);  // whatever that was, it ends here
    (void)look(w, ledger);
  }
  w.stop_and_restart();
}

// ---- Transmitted descriptors --------------------------------------------------------------------------------------

TYPED_TEST(Lies, NothingIsEverSent) {
  auto& w = this->world_;
  auto& port = w.start();
  const Liar liar = w.take_over();
  {
    Burst<64> out(w.pool);
    ASSERT_EQ(out.allocate(64, 100), 64u);
    u32 taken = 0;
    for (int i = 0; i < 1000; ++i) {
      taken += port.tx_burst(out);
      ASSERT_EQ(port.reclaim(), 0u);
    }
    EXPECT_LE(taken, liar.tx_count - 1);
    EXPECT_EQ(out.size(), 64 - taken);
  }
  w.stop_and_restart();
}
TYPED_TEST(Lies, EverythingIsSentAlready) {
  auto& w = this->world_;
  auto& port = w.start();
  const Liar liar = w.take_over();
  Ledger ledger(w.pool);
  const u32 idle = w.pool.free_count();
  for (u32 round = 0; round < 5000; ++round) {
    for (u32 slot = 0; slot < liar.tx_count; ++slot) liar.tx_done(slot);  // of descriptors nobody has posted
    ASSERT_EQ(port.reclaim(), 0u);
    Burst<64> out(w.pool);
    ASSERT_EQ(out.allocate(1 + round % 31, 100), 1 + round % 31);
    for (const Packet& p : out) ledger.take(p);
    ASSERT_EQ(port.tx_burst(out), 1 + round % 31);
    for (u32 slot = 0; slot < liar.tx_count; ++slot) liar.tx_done(slot);  // before they were
    ASSERT_EQ(port.reclaim(), 1 + round % 31);
    ledger = Ledger(w.pool);
    ASSERT_EQ(w.pool.free_count(), idle);
  }
  w.stop_and_restart();
}
TYPED_TEST(Lies, SentOutOfOrder) {
  auto& w = this->world_;
  auto& port = w.start();
  const Liar liar = w.take_over();
  std::mt19937 random(2);
  for (u32 round = 0; round < 50'000; ++round) {
    Burst<32> out(w.pool);
    (void)out.allocate(1 + static_cast<u32>(random() % 32), 100);
    const u32 size = out.size(), took = port.tx_burst(out);
    ASSERT_EQ(out.size(), size - took);
    for (int i = 0; i < 8; ++i) liar.tx_done(static_cast<u32>(random()));
    if (random() % 4 == 0) (void)port.reclaim();
    ASSERT_GE(w.pool.free_count() + out.size() + 2 * (liar.tx_count - 1), w.pool.count());
  }
  w.stop_and_restart();
}

// ---- Everything at once -------------------------------------------------------------------------------------------

TYPED_TEST(Lies, MillionRoundsOfGarbage) {
  auto& w = this->world_;
  auto& port = w.start();
  const Liar liar = w.take_over();
  Ledger ledger(w.pool);
  std::mt19937_64 random(0x5EED);
  {
    Burst<48> kept(w.pool);
    for (u32 round = 0; round < 1'000'000 && ledger.wrong == 0; ++round) {
      const u64 dice = random();
      if (dice % 512 == 0) {  // whole rings
        for (u32 slot = 0; slot < liar.rx_count; ++slot) liar.raw_rx(slot, random(), random());
        for (u32 slot = 0; slot < liar.tx_count; ++slot) liar.raw_tx(slot, random(), random());
      }
      const u32 slot = static_cast<u32>(dice >> 10);
      switch (dice >> 60) {
        case 0:
        case 1:
          liar.raw_rx(slot, random(), random());
          break;
        case 2:
          liar.raw_tx(slot, random(), random());
          break;
        case 3:
        case 4:
          for (u32 i = 0; i < 8; ++i) liar.rx(slot + i, Liar::kDd, 100);
          break;
        case 5:
          for (u32 i = 0; i < liar.rx_count; ++i) liar.rx(i, random() % 4 != 0 ? kDone : Liar::kDd, 100);
          break;
        case 6:
          for (u32 i = 0; i < liar.tx_count; ++i) liar.tx_done(i);
          break;
        default:
          liar.rx(slot, kDone, static_cast<u32>(random() % 2100));
          break;
      }
      Burst<64> in(w.pool, 1 + static_cast<u32>(dice >> 20) % 64);
      (void)port.rx_burst(in);
      for (const Packet& p : in) ledger.receive(p);
      if (dice % 3 == 0) {  // some stay with the application
        while (!in.empty() && kept.room() > 0) {
          kept.append(in[0]);
          in.forget_front(1);
        }
      } else if (dice % 3 == 1) {  // some are sent on, alone
        for (Packet& p : in) p.flags = 0, p.length = 100;
        Burst<64> out(w.pool);
        for (const Packet& p : in) out.append(p), ledger.give(p);
        in.forget_front(in.size());
        (void)port.tx_burst(out);
      }
      ledger.clear(in);
      if (dice % 16 == 0) ledger.clear(kept);
      if (dice % 5 == 0) (void)port.reclaim();
    }
    ledger.clear(kept);
  }
  EXPECT_GT(ledger.received, 100'000u);
  EXPECT_GT(port.stats().rx_rejected, 1000u);
  w.stop_and_restart();
}

// ---- Registers ----------------------------------------------------------------------------------------------------

/// Opens and starts on a device whose registers say anything; nothing hangs, and a healthy one works afterwards.
template <class Kind>
void start_on(World<Kind>& w, const std::function<u32(u32)>& answer, const std::string& what) {
  SCOPED_TRACE(what);
  w.control.answer = answer;
  try {
    w.bounded("open", 12_s, 500'000, [&] { w.open(); });
    w.bounded("start", 20_s, 1'000'000, [&] { w.start(); });
    Burst<32> in(w.pool);
    EXPECT_EQ(w.port->rx_burst(in), 0u) << "nothing has been written to the ring";
    (void)w.port->link();
    (void)w.port->stats();
  } catch (const Error& e) { EXPECT_NE(std::string(e.what()), ""); }
  if (w.port) w.bounded("stop", 3_s, 200'000, [&] { w.port->stop(); });
  w.bounded("close", 3_s, 200'000, [&] { w.port.reset(); });
  w.expect_conserved();
}

TYPED_TEST(Lies, RegistersThatSayAnything) {
  auto& w = this->world_;
  start_on(w, [](u32) { return 0u; }, "all zeros");
  start_on(w, [](u32) { return ~0u; }, "all ones");
  start_on(w, [](u32) { return 0x5555'5555u; }, "5555 5555");
  start_on(w, [](u32) { return 0xAAAA'AAAAu; }, "AAAA AAAA");
  for (u32 seed = 1; seed <= 20; ++seed) {
    std::mt19937 random(seed);
    start_on(w, [&](u32) { return static_cast<u32>(random()); }, text::cat("random, seed ", seed));
    start_on(w, [&](u32 at) { return (at + seed) * 2654435761u; }, text::cat("stuck, seed ", seed));
    start_on(w, [&](u32) { return static_cast<u32>(random() & random() & random()); }, text::cat("few bits, ", seed));
    start_on(w, [&](u32) { return static_cast<u32>(random() | random() | random()); }, text::cat("many bits, ", seed));
    start_on(
        w, [&](u32 at) { return random() % 8 == 0 ? static_cast<u32>(random()) : w.model->read(at); },
        text::cat("now and then, seed ", seed));
  }
  w.heal();
  w.start();
  w.expect_traffic();
}

// ---- Surprise removal ---------------------------------------------------------------------------------------------

TYPED_TEST(Lies, PulledOutAtEveryRegisterAccessOfTheBringUp) {
  u64 last = 0;
  {
    World<TypeParam> healthy;
    healthy.start();
    last = healthy.control.accesses;
  }
  const char* asked = std::getenv("POLLUX_HOSTILE_EVERY");
  const u64 every = asked != nullptr ? std::strtoull(asked, nullptr, 10) : 1 + last / 500;
  auto& w = this->world_;
  u64 raised = 0;
  for (u64 n = 1; n <= last; n += n < 64 || n + 64 > last ? 1 : every) {
    SCOPED_TRACE(text::cat("at access ", n, " of ", last));
    w.replace_device();
    w.control.remove_at = n;
    bool failed = false;
    try {
      w.bounded("open", 12_s, 500'000, [&] { w.open(); });
      w.bounded("start", 12_s, 500'000, [&] { w.start(); });
    } catch (const Error& e) {
      failed = true;
      ++raised;
      EXPECT_NE(std::string(e.what()).find("liar"), std::string::npos) << "whose error? " << e.what();
    }
    EXPECT_TRUE(failed) << "start() succeeds without a device";
    if (w.port) w.bounded("stop", 3_s, 100'000, [&] { w.port->stop(); });
    w.bounded("close", 3_s, 100'000, [&] { w.port.reset(); });
    w.expect_conserved();
    if (this->HasFailure()) break;
  }
  EXPECT_GT(raised, 0u);
  w.replace_device();
  w.faults.clear();
  w.start();
  w.expect_traffic();
}
TYPED_TEST(Lies, PulledOutInTraffic) {
  auto& w = this->world_;
  for (u32 life = 0; life < 20; ++life) {
    w.start();
    w.expect_traffic();
    Burst<16> out(w.pool);
    ASSERT_EQ(out.allocate(1 + life % 16, 100), 1 + life % 16);
    for (const Packet& p : out) std::memset(p.data, 0, 100);
    if (life % 2 == 0) w.model->remove();
    (void)w.port->tx_burst(out);
    if (life % 2 != 0) w.model->remove();
    for (int i = 0; i < 1000; ++i) {
      const u64 before = w.control.accesses;
      Burst<64> in(w.pool), more(w.pool);
      (void)w.port->rx_burst(in);
      (void)more.allocate(4, 100);
      (void)w.port->tx_burst(more);
      (void)w.port->reclaim();
      ASSERT_LE(w.control.accesses - before, 2u);
    }
    EXPECT_FALSE(w.port->link().up);
    w.bounded("stop", 1_s, 100'000, [&] { w.port->stop(); });
    out.clear();
    w.expect_conserved();
    EXPECT_THROW(w.bounded("start", 12_s, 500'000, [&] { w.port->start(); }), Error);
    w.expect_conserved();
    w.bounded("close", 1_s, 100'000, [&] { w.port.reset(); });
    w.replace_device();
    w.faults.clear();
    while (!w.wire.front().empty()) w.wire.consume();
  }
}
TYPED_TEST(Lies, PulledOutDeviceDoesNotSpoilTheCounters) {
  auto& w = this->world_;
  w.start();
  w.expect_traffic();
  const PortStats before = w.port->stats();
  w.model->remove();
  w.port->stop();
  const PortStats after = w.port->stats();
  EXPECT_EQ(after.rx_packets, before.rx_packets);
  EXPECT_EQ(after.rx_bytes, before.rx_bytes);
  EXPECT_EQ(after.tx_packets, before.tx_packets);
  EXPECT_EQ(after.tx_bytes, before.tx_bytes);
  EXPECT_EQ(after.rx_missed + after.rx_errors + after.tx_errors,
            before.rx_missed + before.rx_errors + before.tx_errors);
}

}  // namespace
}  // namespace hostile

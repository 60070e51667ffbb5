// SPDX-License-Identifier: BSD-3-Clause
// What both drivers say of a device that does not answer, or does not reach memory, and how they go on afterwards.
#include "../messages.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <pollux/net/standstill.hpp>
#include <pollux/sim_port.hpp>

namespace {

using namespace pollux;
using messages::error_of;
using messages::expect_text;

std::string text_of(Result<Done>&& result) { return result ? "all is well" : result.failure().text(); }

struct E1000 : Sim82574 {
  static void lose_tx_ring(const auto& bar) {
    bar.template write_pair<e1000::Tdbal, e1000::Tdbah>(reg::Index{0}, 0x7000'0000);
  }
};
struct Ixgbe : Sim82599 {
  static void lose_tx_ring(const auto& bar) {  // the base is taken when the queue is enabled
    constexpr reg::Index kQueue{0};
    bar.modify(kQueue, ixgbe::Txdctl::enable(false));
    bar.template write_pair<ixgbe::Tdbal, ixgbe::Tdbah>(kQueue, 0x7000'0000);
    bar.modify(kQueue, ixgbe::Txdctl::enable(true));
  }
};

/// A started port, by default with a loopback plug.
template <class Sim>
struct Trouble : testing::Test {
  using P = SimPort<Sim>;
  static typename Sim::Config config() {
    typename Sim::Config out;
    out.rx_descriptors = out.tx_descriptors = 64;
    out.promiscuous = true;
    return out;
  }
  void open(sim::WireEnd* wire = nullptr) { sim.emplace(512, config(), wire); }
  std::uint32_t send(std::uint32_t frames) {
    Burst<64> burst(sim->pool(), frames);
    burst.allocate(frames, 60);
    for (Packet& packet : burst) std::memset(packet.data, 0xFF, 60);
    const std::uint32_t sent = sim->tx_burst(burst);
    (void)sim->step();
    return sent;
  }
  std::uint32_t receive() {
    std::uint32_t n = 0;
    for (int i = 0; i < 8; ++i) {
      (void)sim->step();
      Burst<64> burst(sim->pool());
      n += sim->rx_burst(burst);
    }
    return n;
  }
  void expect_traffic() {
    EXPECT_EQ(send(20), 20u);
    EXPECT_EQ(receive(), 20u);
  }
  void command(std::uint16_t bits, bool on) { set_command(sim->backend().config(), bits, on); }
  [[nodiscard]] std::string check() { return text_of(sim->port().try_check()); }

  sim::Cable cable;  ///< outlives the port that is opened on it
  std::optional<P> sim;
};
using Sims = testing::Types<E1000, Ixgbe>;
TYPED_TEST_SUITE(Trouble, Sims);

// ---- Nobody answers -----------------------------------------------------------------------------------------------

TYPED_TEST(Trouble, MemoryDecodingThatIsOffIsSaidBeforeAnyRegisterIsTouched) {
  this->open();
  auto& port = this->sim->port();
  port.stop();
  this->command(pci_config::kCommandMemory, false);
  for (int i = 0; i < 2; ++i) {
    expect_text(error_of([&] { port.start(); }), {"cannot use the registers of", "82", " sim", "memory decoding is off",
                                                  "open it again", "vfio-pci", "setpci -s sim COMMAND=2:2"});
  }
  EXPECT_EQ(this->sim->pool().free_count(), this->sim->pool().count());
  this->command(pci_config::kCommandMemory, true);  // as the message says
  port.start();
  EXPECT_EQ(this->check(), "all is well");
  this->expect_traffic();
}

TYPED_TEST(Trouble, MemoryDecodingThatGoesOffIsSaidAndReopeningMendsIt) {
  this->open();
  this->command(pci_config::kCommandMemory, false);
  expect_text(this->check(), {"memory decoding is off"});
  this->sim->port().stop();
  EXPECT_EQ(this->sim->pool().free_count(), this->sim->pool().count());
  this->open();
  this->expect_traffic();
}

TYPED_TEST(Trouble, ADeviceThatIsGoneIsSaid) {
  this->open();
  this->sim->model().remove();
  expect_text(this->check(), {"cannot reach", "STATUS reads all ones", "the device is gone (lspci -s sim)"});
}

/// Every register reads the same, whatever is written.
struct DeadIo {
  std::uint32_t value;
  [[nodiscard]] std::uint32_t read32(std::uint32_t) const noexcept { return value; }
  void write32(std::uint32_t, std::uint32_t) const noexcept {}
};
template <class Model>
struct DeadBackend : sim::SimBackend<Model, sim::Doorbells::kInline, SteadyClock> {
  using Io = DeadIo;
  using DoorbellIo = DeadIo;
  DeadBackend(Model& model, std::uint32_t reads)
      : sim::SimBackend<Model, sim::Doorbells::kInline, SteadyClock>(model, {}), value(reads) {}
  [[nodiscard]] reg::Bar<Io> bar(unsigned) { return reg::Bar<Io>(DeadIo{value}); }
  [[nodiscard]] reg::Bar<Io> doorbells(unsigned) { return bar(0); }
  std::uint32_t value;
};

TYPED_TEST(Trouble, AWindowThatAnswersNothingIsSaidAtOnce) {
  using Model = typename TypeParam::Model;
  for (const auto& [reads, said] : {std::pair(~0u, "STATUS reads all ones"), std::pair(0u, "STATUS and CTRL read 0")}) {
    sim::Iommu iommu;
    sim::Loopback wire;
    sim::FaultLog faults;
    Model model(iommu, wire, faults, TypeParam::model_config());
    DeadBackend<Model> backend(model, reads);
    BufferPool pool(iommu, 512);
    using Port = typename TypeParam::template Port<DeadBackend<Model>>;
    expect_text(error_of([&] { const Port port(backend, pool, this->config()); }),
                {"cannot bring up", said, "lspci -s sim", "memory decoding is off", "setpci -s sim COMMAND=2:2"});
    EXPECT_EQ(pool.free_count(), pool.count());
  }
}

// ---- Standing still -----------------------------------------------------------------------------------------------

TYPED_TEST(Trouble, AWorkingPortIsSeenToWorkWhateverTheProgramDoes) {
  this->open();
  EXPECT_EQ(this->check(), "all is well") << "idle";
  for (int i = 0; i < 8; ++i) (void)this->send(32);
  EXPECT_EQ(this->check(), "all is well") << "nothing was received by the program: the ring is full of frames";
  EXPECT_GT(this->receive(), 32u);
  EXPECT_EQ(this->check(), "all is well");
  {
    Burst<2048> kept(this->sim->pool());
    for (int i = 0; i < 1000 && this->send(8) > 0; ++i) {
      (void)this->sim->rx_burst(kept);
      (void)this->sim->reclaim();
    }
    EXPECT_GT(kept.size(), 256u);
    kept.allocate(this->sim->pool().free_count(), 60);
    EXPECT_EQ(this->sim->pool().free_count(), 0u);
    EXPECT_EQ(this->check(), "all is well") << "the program keeps every buffer";
  }
  EXPECT_EQ(this->check(), "all is well");
}

TYPED_TEST(Trouble, BusMasteringThatGoesOffIsSaidAndARestartMendsIt) {
  this->open();
  this->expect_traffic();
  this->command(pci_config::kCommandBusMaster, false);
  expect_text(this->check(), {"cannot move frames through", "bus mastering is off", "stop() and start()"});
  this->sim->port().stop();
  this->sim->port().start();
  EXPECT_EQ(this->check(), "all is well");
  this->expect_traffic();
}

TYPED_TEST(Trouble, FramesThatWaitForTheLinkAreSaidAndGoWhenItComes) {
  this->open(&this->cable.b());
  this->cable.set_link(false);
  EXPECT_EQ(this->check(), "all is well") << "nothing waits";
  EXPECT_EQ(this->send(5), 5u);
  expect_text(this->check(), {"cannot send by", "5 descriptors wait for the link", "Network is down"});
  this->cable.set_link(true);
  (void)this->sim->step();
  EXPECT_EQ(this->check(), "all is well");
}

TYPED_TEST(Trouble, ARingOutOfReachIsSaidAndARestartMendsIt) {
  this->open();
  this->expect_traffic();
  (void)this->sim->port().reclaim();  // else what was sent is counted too: reports are read for groups of frames
  TypeParam::lose_tx_ring(this->sim->port().bar());
  EXPECT_EQ(this->send(7), 7u);
  EXPECT_EQ(this->receive(), 0u);
  expect_text(this->check(), {"cannot move frames through", "TDH ", "TDT ", "of 7 descriptors given for sending none",
                              "Input/output error", "dmesg", "stop() and start()"});
  EXPECT_GT(this->sim->faults().count(), 0u) << "the model's IOMMU stopped it";
  this->sim->port().stop();
  EXPECT_EQ(this->sim->pool().free_count(), this->sim->pool().count());
  this->sim->port().start();
  EXPECT_EQ(this->check(), "all is well");
  this->expect_traffic();
}

// ---- The same, queue and registers scripted -------------------------------------------------------------------------

struct Queue {
  struct Rx {
    bool ready = false;
    [[nodiscard]] bool rx_ready() const noexcept { return ready; }
  } rx;
  struct Tx {
    std::uint32_t waiting = 0, done = 0;  ///< `done`: how many the next reap but one finds sent
    int reaps = 0;
    void publish() noexcept {}
    [[nodiscard]] std::uint32_t in_use() const noexcept { return waiting; }
    std::uint32_t reap(std::uint32_t) noexcept {
      if (++reaps < 2) return 0;
      waiting -= done;
      return done;
    }
  } tx;
  struct Clock {
    Nanos at{0};
    [[nodiscard]] Nanos now() const noexcept { return at; }
    void pause(Nanos span) noexcept { at = at + span; }
  } clock;
  HostDomain host;
  BufferPool pool{host, 4, 2048, PagePreference::kOrdinary};
  QueueRegisters first, later;

  std::string check(bool link_up = true) {
    bool looked = false;
    return text_of(try_check_queue("port", rx, tx, pool, clock, link_up,
                                   [&] { return std::exchange(looked, true) ? later : first; }));
  }
};

TEST(Standstill, AnIdleQueueIsLookedAtOnce) {
  Queue q;
  q.first = {.tx_head = 5, .tx_tail = 5, .rx_head = 3, .rx_tail = 2};
  EXPECT_EQ(q.check(), "all is well");
  EXPECT_EQ(q.clock.at, Nanos{0});
}

TEST(Standstill, DescriptorsTakenAndNeverReportedAreSaid) {
  Queue q;
  q.tx.waiting = 8;
  q.first = q.later = {.tx_head = 28, .tx_tail = 28, .rx_head = 3, .rx_tail = 2};
  EXPECT_EQ(q.check(),
            "cannot move frames through port: TDH 28, TDT 28, and of 8 descriptors given for sending none is reported "
            "done: Input/output error; it does not reach its rings in memory, as when an IOMMU stops it (dmesg | grep "
            "-E 'DMAR|AMD-Vi|smmu'); stop() and start() set them up again");
  EXPECT_EQ(q.clock.at, 10_ms);
}

TEST(Standstill, ASlowTransmitterIsNoStandstill) {
  for (const bool reports : {false, true}) {
    Queue q;
    q.tx.waiting = 8;
    q.tx.done = reports ? 1 : 0;
    q.first = {.tx_head = 20, .tx_tail = 28, .rx_head = 3, .rx_tail = 2};
    q.later = q.first;
    q.later.tx_head += reports ? 0 : 1;
    EXPECT_EQ(q.check(), "all is well");
  }
}

TEST(Standstill, AReceiverThatUsedUpItsDescriptorsUnseenIsSaid) {
  Queue q;
  q.first = q.later = {.tx_head = 0, .tx_tail = 0, .rx_head = 19, .rx_tail = 19};
  expect_text(q.check(), {"RDH 19, RDT 19", "used up, and none is reported done"});
  q.later.rx_head = 25;
  EXPECT_EQ(q.check(), "all is well") << "it goes on";
  q.rx.ready = true;
  q.later = q.first;
  EXPECT_EQ(q.check(), "all is well") << "frames wait for the program";
  q.rx.ready = false;
  Burst<4> all(q.pool);
  all.allocate(4, 60);
  EXPECT_EQ(q.check(), "all is well") << "the program has every buffer";
}

TEST(Standstill, WithoutALinkFramesWait) {
  Queue q;
  q.first = {.tx_head = 5, .tx_tail = 7, .rx_head = 3, .rx_tail = 2};
  EXPECT_EQ(q.check(false), "all is well");
  q.tx.waiting = 2;
  expect_text(q.check(false), {"2 descriptors wait for the link", "Network is down", "cable"});
}

}  // namespace

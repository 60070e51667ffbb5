// SPDX-License-Identifier: BSD-3-Clause
// Tests of the ixgbe queues against a small device that reads and writes back descriptors; of filters and statistics.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <utility>
#include <vector>

#include <pollux/dma/pool.hpp>
#include <pollux/ixgbe/chips.hpp>
#include <pollux/ixgbe/desc.hpp>
#include <pollux/ixgbe/filters.hpp>
#include <pollux/ixgbe/regs.hpp>
#include <pollux/ixgbe/rx.hpp>
#include <pollux/ixgbe/stats.hpp>
#include <pollux/ixgbe/tx.hpp>

namespace {

using namespace pollux;
using namespace pollux::ixgbe;

// ---- The other side -----------------------------------------------------------------------------------------------

/// A register file that counts; reads of kReadClear registers clear.
struct Window {
  std::map<std::uint32_t, std::uint32_t> at;
  std::vector<std::pair<std::uint32_t, std::uint32_t>> writes_in_order;
  bool log_writes = false;
  std::uint64_t reads = 0;
  std::uint64_t writes = 0;
};
struct CountingIo {
  Window* window;
  [[nodiscard]] std::uint32_t read32(std::uint32_t offset) const noexcept {
    ++window->reads;
    const bool counter = (offset >= 0x4000 && offset < 0x4100) || (offset >= 0x3FA0 && offset < 0x3FC0) ||
                         offset == 0x1030 || offset == 0x1034 || offset == 0x1038 || offset == 0x1430;
    return counter ? std::exchange(window->at[offset], 0) : window->at[offset];
  }
  void write32(std::uint32_t offset, std::uint32_t value) const noexcept {
    ++window->writes;
    window->at[offset] = value;
    if (window->log_writes) window->writes_in_order.emplace_back(offset, value);
  }
};

/// Bus addresses that are no small numbers, above 4 GiB.
class TestDomain final : public DmaDomain {
 public:
  [[nodiscard]] Result<BusAddr> try_map(std::byte*, std::size_t bytes) override {
    return bus(Iova(std::exchange(next_, next_ + bytes)));
  }
  void unmap(BusAddr, std::size_t) noexcept override {}
  [[nodiscard]] bool translates() const noexcept override { return true; }
  [[nodiscard]] std::size_t granule() const noexcept override { return 4096; }
  [[nodiscard]] std::string_view name() const noexcept override { return "test"; }

 private:
  std::uint64_t next_ = 0x12'3450'0000;
};

/// Device memory access, invisible to the compiler's idea of types.
template <class T>
T dma_read(const void* from) {
  T out;
  std::memcpy(&out, from, sizeof out);
  return out;
}
template <class T>
void dma_write(void* to, T value) {
  std::memcpy(to, &value, sizeof value);
}

constexpr std::uint32_t kRdt = 0x1018, kTdt = 0x6018;
constexpr std::uint32_t kDd = 1 << 0, kEop = 1 << 1;
constexpr std::uint32_t kTxData = 3 << 20, kTxEop = 1 << 24, kTxIfcs = 1 << 25, kTxRs = 1 << 27, kTxDext = 1 << 29;

/// What both queue engines of the device share: which buffers and descriptors are theirs.
class Engine {
 protected:
  Engine(Window& window, BufferStore& pool, std::byte* ring, std::uint32_t capacity, std::uint32_t tail_register)
      : window_(&window), pool_(&pool), ring_(ring), capacity_(capacity), tail_register_(tail_register) {}

  /// Slots published since the last look.
  std::vector<std::uint32_t> fresh_slots() {
    std::vector<std::uint32_t> out;
    const std::uint32_t tail = window_->at[tail_register_];
    EXPECT_LT(tail, capacity_);
    for (; seen_ != tail; seen_ = (seen_ + 1) % capacity_) out.push_back(seen_);
    return out;
  }
  [[nodiscard]] std::byte* descriptor(std::uint32_t slot) const { return ring_ + 16 * std::size_t{slot}; }
  [[nodiscard]] std::uint32_t id_of(std::uint64_t address) const {
    const std::uint64_t offset = address - pool_->bus(0).value();
    EXPECT_EQ(offset % pool_->stride(), 0u);
    EXPECT_LT(offset / pool_->stride(), pool_->count());
    return static_cast<std::uint32_t>(offset / pool_->stride());
  }

  Window* window_;
  BufferStore* pool_;
  std::byte* ring_;
  std::uint32_t capacity_;
  std::uint32_t tail_register_;
  std::uint32_t seen_ = 0;
};

class RxDevice : Engine {
 public:
  RxDevice(Window& w, BufferStore& pool, std::byte* ring, std::uint32_t n) : Engine(w, pool, ring, n, kRdt) {}

  /// Reads the descriptors behind the doorbell; returns how many the device holds.
  std::uint32_t owned() {
    for (const std::uint32_t slot : fresh_slots()) {
      EXPECT_EQ(dma_read<std::uint64_t>(descriptor(slot) + 8), 0u) << "DD or junk in a fresh descriptor";
      held_.emplace_back(slot, id_of(dma_read<std::uint64_t>(descriptor(slot))));
    }
    EXPECT_LT(held_.size(), capacity_) << "head would meet tail: the ring would look empty";
    return static_cast<std::uint32_t>(held_.size());
  }
  /// Receives into the next descriptor: `stamp` at the start of the buffer, `length` and `status` written back.
  bool complete(std::uint16_t length, std::uint32_t status = kDd | kEop, std::uint64_t stamp = 0,
                std::uint32_t info = 0x7FE1'FFFF) {  // every bit but the RSC count
    if (owned() == 0) return false;
    const auto [slot, id] = held_.front();
    held_.pop_front();
    dma_write(pool_->data(id), stamp);
    dma_write(descriptor(slot), std::uint64_t{0xABAD'CAFE} << 32 | info);  // the RSS hash lies where the address was
    dma_write(descriptor(slot) + 8, std::uint64_t{length} << 32 | status);
    return true;
  }
  std::uint32_t complete_many(std::uint32_t n, std::uint16_t length = 60) {
    std::uint32_t done = 0;
    while (done < n && complete(length)) ++done;
    return done;
  }

 private:
  std::deque<std::pair<std::uint32_t, std::uint32_t>> held_;
};

class TxDevice : Engine {
 public:
  struct Sent {
    std::uint64_t stamp;
    std::uint16_t length;
    bool eop;
  };
  TxDevice(Window& w, BufferStore& pool, std::byte* ring, std::uint32_t n) : Engine(w, pool, ring, n, kTdt) {}

  std::uint32_t owned() {
    for (const std::uint32_t slot : fresh_slots()) {
      const auto command = dma_read<std::uint32_t>(descriptor(slot) + 8);
      EXPECT_EQ(command & ~(0xFFFFu | kTxEop | kTxRs), kTxData | kTxIfcs | kTxDext);  // no reserved bit, no offload
      EXPECT_NE(command & 0xFFFF, 0u);
      check_length(dma_read<std::uint32_t>(descriptor(slot) + 12), command);
      held_.push_back({slot, id_of(dma_read<std::uint64_t>(descriptor(slot))), command});
    }
    EXPECT_LT(held_.size(), capacity_);
    return static_cast<std::uint32_t>(held_.size());
  }
  /// Sends up to n descriptors; writes DD where RS was set, as the device does, and nowhere else.
  std::uint32_t send(std::uint32_t n) {
    n = std::min(n, owned());
    for (std::uint32_t i = 0; i < n; ++i) {
      const Held h = held_.front();
      held_.pop_front();
      sent.push_back({dma_read<std::uint64_t>(pool_->data(h.id)), static_cast<std::uint16_t>(h.command & 0xFFFF),
                      (h.command & kTxEop) != 0});
      if ((h.command & kTxRs) != 0) dma_write(descriptor(h.slot) + 12, kDd | 0xFFFF'C000);  // the rest may be anything
    }
    return n;
  }
  /// Which of the descriptors not sent yet ask for a report, from the oldest.
  std::vector<std::uint32_t> reports() {
    std::vector<std::uint32_t> out;
    for (std::uint32_t i = 0; i < owned(); ++i) {
      if ((held_[i].command & kTxRs) != 0) out.push_back(i);
    }
    return out;
  }
  std::deque<Sent> sent;

 private:
  struct Held {
    std::uint32_t slot, id, command;
  };

  /// PAYLEN of a frame's first descriptor is the sum of its lengths; all else of these words is zero.
  void check_length(std::uint32_t word, std::uint32_t command) {
    EXPECT_EQ(word & 0x3FFF, 0u) << "DD, context or offload in a fresh descriptor";
    if (announced_ == 0) {
      EXPECT_NE(word, 0u);
    } else {
      EXPECT_EQ(word, 0u) << "the frame's first descriptor has said it";
    }
    announced_ += word >> 14;
    EXPECT_GE(announced_, command & 0xFFFF);
    announced_ -= command & 0xFFFF;
    EXPECT_EQ(announced_ == 0, (command & kTxEop) != 0);
  }

  std::uint32_t announced_ = 0;
  std::deque<Held> held_;
};

/// A pool, both queues and the device behind them.
struct Rig {
  Rig(std::uint32_t rx_descriptors, std::uint32_t tx_descriptors, std::uint32_t buffers)
      : pool(domain, buffers, 2048, PagePreference::kOrdinary),
        memory(DmaRegion::allocate(domain, 16 * (rx_descriptors + tx_descriptors), PagePreference::kOrdinary)),
        shadow(rx_descriptors + 2 * tx_descriptors),
        rx({memory.data(), memory.bus(), rx_descriptors}, shadow.data(), pool, {bar, reg::Index{0}}),
        tx({memory.data() + 16 * rx_descriptors, memory.bus() + 16 * rx_descriptors, tx_descriptors},
           shadow.data() + rx_descriptors, pool, {bar, reg::Index{0}}),
        rx_device(window, pool, memory.data(), rx_descriptors),
        tx_device(window, pool, memory.data() + 16 * rx_descriptors, tx_descriptors) {}
  Rig(const Rig&) = delete;
  Rig& operator=(const Rig&) = delete;
  ~Rig() {
    rx.release_all();
    tx.release_all();
    EXPECT_EQ(pool.free_count(), pool.count());
  }

  /// MMIO reads and writes since the last call.
  std::pair<std::uint64_t, std::uint64_t> cost() {
    const auto out = std::pair(window.reads - reads_, window.writes - writes_);
    reads_ = window.reads, writes_ = window.writes;
    return out;
  }

  Window window;
  reg::Bar<CountingIo> bar{CountingIo{&window}};
  TestDomain domain;
  BufferPool pool;
  DmaRegion memory;
  std::vector<std::uint32_t> shadow;
  RxQueue<CountingIo> rx;
  TxQueue<CountingIo> tx;
  RxDevice rx_device;
  TxDevice tx_device;

 private:
  std::uint64_t reads_ = 0;
  std::uint64_t writes_ = 0;
};
using Cost = std::pair<std::uint64_t, std::uint64_t>;

std::uint64_t stamp_of(const Packet& p) { return dma_read<std::uint64_t>(p.data); }
void start(Rig& rig) {
  rig.rx.refill();
  rig.rx.publish(true);
  (void)rig.cost();
}

// ---- Receive ------------------------------------------------------------------------------------------------------

TEST(Receive, GivesTheDeviceAllButOneDescriptorAtTheStart) {
  Rig rig(32, 32, 100);
  EXPECT_EQ(rig.rx.refill(), 31u);
  EXPECT_EQ(rig.cost(), Cost(0, 0));
  EXPECT_EQ(rig.rx_device.owned(), 0u);  // not visible before the doorbell
  rig.rx.publish(true);
  EXPECT_EQ(rig.cost(), Cost(0, 1));
  EXPECT_EQ(rig.window.at[kRdt], 31u);
  EXPECT_EQ(rig.rx_device.owned(), 31u);
  EXPECT_EQ(rig.pool.free_count(), 69u);
  EXPECT_EQ(rig.rx.refill(), 0u);
  rig.rx.publish(true);
  EXPECT_EQ(rig.cost(), Cost(0, 0));
}

TEST(Receive, DeliversLengthDataAndOrder) {
  Rig rig(32, 32, 100);
  start(rig);
  const std::uint16_t lengths[] = {1, 60, 1514, 1518, 2048};
  for (std::uint32_t i = 0; i < 5; ++i) ASSERT_TRUE(rig.rx_device.complete(lengths[i], kDd | kEop, 100 + i));
  Burst<32> burst(rig.pool);
  ASSERT_EQ(rig.rx.rx_burst(burst), 5u);
  for (std::uint32_t i = 0; i < 5; ++i) {
    EXPECT_EQ(burst[i].length, lengths[i]);
    EXPECT_EQ(burst[i].flags, 0u);
    EXPECT_EQ(burst[i].data, rig.pool.data(burst[i].id));
    EXPECT_EQ(stamp_of(burst[i]), 100u + i);
  }
  EXPECT_EQ(rig.rx.rx_burst(burst), 0u);
}

TEST(Receive, TakesAnyBurstSizeThroughTheWrapOfTheRing) {
  for (std::uint32_t size = 1; size <= 40; ++size) {
    Rig rig(32, 32, 120);
    start(rig);
    std::uint64_t put = 0, got = 0;
    while (got < 3 * 32 + 5) {
      for (std::uint32_t i = 0; i < size; ++i) {
        if (!rig.rx_device.complete(64, kDd | kEop, put)) break;
        ++put;
      }
      Burst<40> burst(rig.pool, size);
      ASSERT_EQ(rig.rx.rx_burst(burst), put - got) << size;
      for (const Packet& p : burst) ASSERT_EQ(stamp_of(p), got++);
    }
  }
}

TEST(Receive, StopsWhenTheBurstIsFullAndGoesOnWithTheNext) {
  Rig rig(32, 32, 100);
  start(rig);
  ASSERT_EQ(rig.rx_device.complete_many(10), 10u);
  Burst<4> a(rig.pool), b(rig.pool), c(rig.pool);
  EXPECT_EQ(rig.rx.rx_burst(a), 4u);
  EXPECT_EQ(rig.rx.rx_burst(a), 0u);  // no room
  EXPECT_EQ(rig.rx.rx_burst(b), 4u);
  EXPECT_EQ(rig.rx.rx_burst(c), 2u);
  EXPECT_EQ(rig.pool.free_count(), 100u - 31 - 10);
}

TEST(Receive, NeverReadsARegisterAndRingsAtMostOnceForEveryBurstSize) {
  Rig rig(512, 512, 1200);
  start(rig);
  for (std::uint32_t size = 1; size <= 256; ++size) {
    const std::uint32_t arrived = rig.rx_device.complete_many(size);
    ASSERT_EQ(arrived, size);
    Burst<256> burst(rig.pool, size);
    ASSERT_EQ(rig.rx.rx_burst(burst), size);
    const auto [reads, writes] = rig.cost();
    ASSERT_EQ(reads, 0u) << size;
    ASSERT_LE(writes, 1u) << size;
    ASSERT_EQ(rig.rx.rx_burst(burst), 0u);
    ASSERT_LE(rig.cost().second, 1u) << size;
    ASSERT_EQ(rig.rx_device.owned(), 511u) << size;
  }
}

TEST(Receive, GathersRefilledDescriptorsBeforeItRings) {
  Rig rig(512, 512, 1200);
  start(rig);
  Burst<256> burst(rig.pool);
  for (std::uint32_t i = 1; i <= 15; ++i) {
    ASSERT_TRUE(rig.rx_device.complete(60));
    ASSERT_EQ(rig.rx.rx_burst(burst), 1u);
    ASSERT_EQ(rig.cost(), Cost(0, 0)) << i;
  }
  ASSERT_TRUE(rig.rx_device.complete(60));
  ASSERT_EQ(rig.rx.rx_burst(burst), 1u);
  EXPECT_EQ(rig.cost(), Cost(0, 1));
  EXPECT_EQ(rig.window.at[kRdt], (511u + 16) % 512);
  ASSERT_TRUE(rig.rx_device.complete(60));
  ASSERT_EQ(rig.rx.rx_burst(burst), 1u);
  EXPECT_EQ(rig.cost(), Cost(0, 0));
  EXPECT_EQ(rig.rx.rx_burst(burst), 0u);  // an idle look publishes what is left over
  EXPECT_EQ(rig.cost(), Cost(0, 1));
  EXPECT_EQ(rig.window.at[kRdt], (511u + 17) % 512);
  EXPECT_EQ(rig.rx.rx_burst(burst), 0u);
  EXPECT_EQ(rig.cost(), Cost(0, 0));
}

TEST(Receive, OnASmallRingNeverHoldsBackSoMuchThatTheDeviceStarves) {
  Rig rig(32, 32, 100);
  start(rig);
  for (int i = 0; i < 200; ++i) {
    ASSERT_TRUE(rig.rx_device.complete(60));
    Burst<8> burst(rig.pool);
    ASSERT_EQ(rig.rx.rx_burst(burst), 1u);
    ASSERT_GE(rig.rx_device.owned(), 31u - 8);
  }
}

TEST(Receive, StarvesWithAnEmptyPoolAndRecovers) {
  Rig rig(32, 32, 40);
  start(rig);
  Burst<64> held(rig.pool);
  EXPECT_EQ(rig.rx.starved(), 0u);
  for (int i = 0; i < 3; ++i) {
    rig.rx_device.complete_many(31);
    (void)rig.rx.rx_burst(held);
  }
  EXPECT_EQ(held.size(), 40u);
  EXPECT_EQ(rig.pool.free_count(), 0u);
  EXPECT_EQ(rig.rx_device.owned(), 0u);
  EXPECT_FALSE(rig.rx_device.complete(60));
  EXPECT_GT(rig.rx.starved(), 0u);
  EXPECT_EQ(rig.rx.rx_burst(held), 0u);
  held.drop_front(40);
  EXPECT_EQ(rig.rx.rx_burst(held), 0u);
  EXPECT_EQ(rig.rx_device.owned(), 31u);
  ASSERT_EQ(rig.rx_device.complete_many(31), 31u);
  EXPECT_EQ(rig.rx.rx_burst(held), 31u);
}

TEST(Receive, RefusesDamagedFramesAndImpossibleLengths) {
  Rig rig(32, 32, 100);
  start(rig);
  struct Bad {
    std::uint16_t length;
    std::uint32_t status;
  };
  const Bad bad[] = {{0, kDd | kEop},
                     {2049, kDd | kEop},
                     {0xFFFF, kDd | kEop},
                     {60, kDd | kEop | 1u << 24},   // CE
                     {60, kDd | kEop | 1u << 25},   // LE
                     {60, kDd | kEop | 1u << 27},   // PE
                     {60, kDd | kEop | 1u << 28},   // OSE
                     {60, kDd | kEop | 1u << 29}};  // RXE
  std::uint64_t rejected = 0;
  Burst<8> burst(rig.pool);
  for (const Bad& b : bad) {
    ASSERT_TRUE(rig.rx_device.complete(60, kDd | kEop, 1));
    ASSERT_TRUE(rig.rx_device.complete(b.length, b.status, 2));
    ASSERT_TRUE(rig.rx_device.complete(60, kDd | kEop, 3));
    ASSERT_EQ(rig.rx.rx_burst(burst), 2u);  // its neighbours arrive
    EXPECT_EQ(stamp_of(burst[0]), 1u);
    EXPECT_EQ(stamp_of(burst[1]), 3u);
    EXPECT_EQ(rig.rx.rejected(), ++rejected);
    burst.clear();
    EXPECT_EQ(rig.pool.free_count(), 100u - 31);  // the refused buffer came back
  }
}

TEST(Receive, LeavesChecksumVerdictsToTheApplication) {
  Rig rig(32, 32, 100);
  start(rig);
  ASSERT_TRUE(rig.rx_device.complete(60, kDd | kEop | 1u << 30 | 1u << 31 | 1u << 5 | 1u << 3));  // TCPE, IPE, ...
  Burst<8> burst(rig.pool);
  EXPECT_EQ(rig.rx.rx_burst(burst), 1u);
  EXPECT_EQ(rig.rx.rejected(), 0u);
}

TEST(Receive, MarksEveryBufferOfAFrameButTheLast) {
  Rig rig(32, 32, 100);
  start(rig);
  ASSERT_TRUE(rig.rx_device.complete(2048, kDd));
  ASSERT_TRUE(rig.rx_device.complete(2048, kDd));
  ASSERT_TRUE(rig.rx_device.complete(100, kDd | kEop));
  ASSERT_TRUE(rig.rx_device.complete(60, kDd | kEop));
  Burst<8> burst(rig.pool);
  ASSERT_EQ(rig.rx.rx_burst(burst), 4u);
  EXPECT_TRUE(burst[0].more() && burst[1].more());
  EXPECT_FALSE(burst[2].more() || burst[3].more());
}

TEST(Receive, NeverJoinsTheBeginningOfARefusedFrameToTheNextOne) {
  Rig rig(32, 32, 100);
  start(rig);
  ASSERT_TRUE(rig.rx_device.complete(2048, kDd, 1));
  ASSERT_TRUE(rig.rx_device.complete(100, kDd | kEop | 1u << 24, 2));  // errors are told in the last descriptor
  ASSERT_TRUE(rig.rx_device.complete(60, kDd | kEop, 3));
  Burst<8> burst(rig.pool);
  (void)rig.rx.rx_burst(burst);
  for (std::uint32_t i = 0; i + 1 < burst.size(); ++i) {
    EXPECT_FALSE(burst[i].more() && stamp_of(burst[i + 1]) == 3) << "buffers of two frames look like one frame";
  }
  ASSERT_FALSE(burst.empty());
  EXPECT_EQ(stamp_of(burst[burst.size() - 1]), 3u);
}

TEST(Receive, RefusesCoalescedFrames) {
  Rig rig(32, 32, 100);
  start(rig);
  for (std::uint32_t bit = 17; bit <= 20; ++bit) {
    ASSERT_TRUE(rig.rx_device.complete(60, kDd | kEop, 1, 1u << bit));
    ASSERT_TRUE(rig.rx_device.complete(60, kDd | kEop, 2));
    Burst<8> burst(rig.pool);
    ASSERT_EQ(rig.rx.rx_burst(burst), 1u);
    EXPECT_EQ(stamp_of(burst[0]), 2u);
  }
  EXPECT_EQ(rig.rx.rejected(), 4u);
}

TEST(Receive, WaitsForTheEndOfAFrameAndGivesItInPieces) {
  Rig rig(32, 32, 100);
  start(rig);
  for (std::uint64_t i = 0; i < 5; ++i) ASSERT_TRUE(rig.rx_device.complete(2048, kDd, i));
  Burst<2> burst(rig.pool);
  EXPECT_EQ(rig.rx.rx_burst(burst), 0u);
  ASSERT_TRUE(rig.rx_device.complete(1, kDd | kEop, 5));
  for (std::uint64_t i = 0; i < 6; i += 2) {
    ASSERT_EQ(rig.rx.rx_burst(burst), 2u);
    EXPECT_EQ(stamp_of(burst[0]), i);
    EXPECT_TRUE(burst[0].more());
    EXPECT_EQ(stamp_of(burst[1]), i + 1);
    EXPECT_EQ(burst[1].more(), i < 4);
    burst.clear();
  }
  EXPECT_EQ(rig.rx.rejected(), 0u);
}

TEST(Receive, RefusesAFrameOfSeveralBuffersAsOne) {
  Rig rig(32, 32, 100);
  start(rig);
  for (const std::uint16_t middle : {std::uint16_t{0}, std::uint16_t{2049}}) {
    ASSERT_TRUE(rig.rx_device.complete(2048, kDd, 1));
    ASSERT_TRUE(rig.rx_device.complete(middle, kDd, 2));
    ASSERT_TRUE(rig.rx_device.complete(100, kDd | kEop, 3));
    ASSERT_TRUE(rig.rx_device.complete(60, kDd | kEop, 4));
    Burst<8> burst(rig.pool);
    ASSERT_EQ(rig.rx.rx_burst(burst), 1u);
    EXPECT_EQ(stamp_of(burst[0]), 4u);
  }
  EXPECT_EQ(rig.rx.rejected(), 2u);
  EXPECT_EQ(rig.pool.free_count(), 100u - 31);
}

TEST(Receive, GivesUpAFrameThatFillsTheRingWithoutAnEnd) {
  Rig rig(32, 32, 100);
  start(rig);
  Burst<8> burst(rig.pool);
  for (int i = 0; i < 31; ++i) ASSERT_TRUE(rig.rx_device.complete(2048, kDd, 1));
  EXPECT_EQ(rig.rx.rx_burst(burst), 0u);
  EXPECT_EQ(rig.rx.rejected(), 1u);
  ASSERT_EQ(rig.rx_device.owned(), 31u);  // the device can go on
  ASSERT_TRUE(rig.rx_device.complete(2048, kDd, 2));
  ASSERT_TRUE(rig.rx_device.complete(60, kDd | kEop, 3));  // its end
  ASSERT_TRUE(rig.rx_device.complete(60, kDd | kEop, 4));
  ASSERT_EQ(rig.rx.rx_burst(burst), 1u);
  EXPECT_EQ(stamp_of(burst[0]), 4u);
  EXPECT_EQ(rig.rx.rejected(), 1u);
}

TEST(Queues, WithoutARingMoveNothingAtNoCost) {
  Rig rig(32, 32, 100);
  RxQueue<CountingIo> rx({}, rig.shadow.data(), rig.pool, {rig.bar, reg::Index{3}});
  TxQueue<CountingIo> tx({}, rig.shadow.data(), rig.pool, {rig.bar, reg::Index{3}});
  Burst<8> burst(rig.pool);
  EXPECT_EQ(rx.rx_burst(burst), 0u);
  ASSERT_EQ(burst.allocate(8, 60), 8u);
  EXPECT_EQ(tx.tx_burst(burst, true), 0u);
  EXPECT_EQ(burst.size(), 8u);
  EXPECT_EQ(tx.reap(100), 0u);
  EXPECT_EQ(rx.starved(), 0u);
  EXPECT_EQ(rig.cost(), Cost(0, 0));
}

TEST(Receive, ReleasesEveryBufferAndStartsAgainFromZero) {
  Rig rig(32, 32, 100);
  start(rig);
  rig.rx_device.complete_many(20);
  {
    Burst<8> burst(rig.pool);
    ASSERT_EQ(rig.rx.rx_burst(burst), 8u);
    rig.rx.release_all();
    EXPECT_EQ(rig.pool.free_count(), 92u);
  }
  EXPECT_EQ(rig.pool.free_count(), 100u);
  rig.window.at[kRdt] = 0;  // the reset did that
  rig.rx_device = RxDevice(rig.window, rig.pool, rig.memory.data(), 32);
  Burst<32> burst(rig.pool);
  EXPECT_EQ(rig.rx.rx_burst(burst), 0u);  // no stale DD is a phantom packet
  EXPECT_EQ(rig.rx_device.owned(), 31u);
  ASSERT_EQ(rig.rx_device.complete_many(31), 31u);
  EXPECT_EQ(rig.rx.rx_burst(burst), 31u);
}

// ---- Transmit -----------------------------------------------------------------------------------------------------

/// Fills `burst` with n packets stamped first, first + 1, ...
void fill(PacketBurst& burst, std::uint32_t n, std::uint64_t first = 0) {
  const std::uint32_t before = burst.size();
  ASSERT_EQ(burst.allocate(n, 60), n);
  for (std::uint32_t i = 0; i < n; ++i) dma_write(burst[before + i].data, first + i);
}

TEST(Transmit, HandsOverAddressLengthAndOrder) {
  Rig rig(32, 32, 100);
  Burst<8> burst(rig.pool);
  fill(burst, 3, 50);
  burst[1].length = 1514;
  EXPECT_EQ(rig.tx.tx_burst(burst, true), 3u);
  EXPECT_TRUE(burst.empty());
  EXPECT_EQ(rig.cost(), Cost(0, 1));
  EXPECT_EQ(rig.tx_device.send(10), 3u);
  EXPECT_EQ(rig.tx_device.sent[0].stamp, 50u);
  EXPECT_EQ(rig.tx_device.sent[1].length, 1514u);
  EXPECT_EQ(rig.tx_device.sent[2].stamp, 52u);
  EXPECT_TRUE(rig.tx_device.sent[0].eop);
}

TEST(Transmit, NeverReadsARegisterAndRingsAtMostOnceForEveryBurstSize) {
  Rig rig(512, 512, 1200);
  std::uint32_t posted = 0;
  for (std::uint32_t size = 1; size <= 256; ++size) {
    Burst<256> burst(rig.pool);
    fill(burst, size);
    ASSERT_EQ(rig.tx.tx_burst(burst, true), size);
    ASSERT_EQ(rig.cost(), Cost(0, 1)) << size;
    posted += size;
    ASSERT_EQ(rig.window.at[kTdt], posted % 512);
    ASSERT_EQ(rig.tx.tx_burst(burst, true), 0u);  // nothing to send: nothing to tell
    ASSERT_EQ(rig.cost(), Cost(0, 0));
    ASSERT_EQ(rig.tx_device.send(1000), size);
  }
}

TEST(Transmit, AsksForAReportAtTheEndOfABurstAndEvery32nd) {
  Rig rig(512, 512, 1200);
  using Slots = std::vector<std::uint32_t>;
  const std::pair<std::uint32_t, Slots> cases[] = {{1, {0}},       {31, {30}},     {32, {31}},
                                                   {33, {31, 32}}, {64, {31, 63}}, {100, {31, 63, 95, 99}}};
  for (const auto& [size, expected] : cases) {
    Burst<128> burst(rig.pool);
    fill(burst, size);
    ASSERT_EQ(rig.tx.tx_burst(burst, true), size);
    EXPECT_EQ(rig.tx_device.reports(), expected);
    (void)rig.tx_device.send(1000);
  }
}

TEST(Transmit, TakesWhatFitsAndLeavesTheRestToTheCaller) {
  Rig rig(32, 32, 100);
  {
    Burst<64> burst(rig.pool);
    fill(burst, 50);
    EXPECT_EQ(rig.tx.tx_burst(burst, true), 31u);
    EXPECT_EQ(rig.tx.free(), 0u);
    EXPECT_EQ(burst.size(), 19u);
    EXPECT_EQ(stamp_of(burst[0]), 31u);
    EXPECT_EQ(rig.tx.tx_burst(burst, true), 0u);
    EXPECT_EQ(burst.size(), 19u);
    EXPECT_EQ(rig.pool.free_count(), 50u);
  }
  EXPECT_EQ(rig.pool.free_count(), 69u);  // the rest came back with the burst
  EXPECT_EQ(rig.tx_device.send(100), 31u);
  EXPECT_EQ(rig.tx.reap(100), 31u);
  EXPECT_EQ(rig.pool.free_count(), 100u);
}

TEST(Transmit, SendsEveryPacketOfABurstLargerThanTheRingInTheEnd) {
  Rig rig(32, 32, 200);
  Burst<150> burst(rig.pool);
  fill(burst, 150);
  for (int i = 0; i < 20 && !burst.empty(); ++i) {
    (void)rig.tx.tx_burst(burst, true);
    (void)rig.tx_device.send(17);
  }
  (void)rig.tx_device.send(100);
  ASSERT_EQ(rig.tx_device.sent.size(), 150u);
  for (std::uint64_t i = 0; i < 150; ++i) EXPECT_EQ(rig.tx_device.sent[i].stamp, i);
}

TEST(Transmit, TakesFramesOfSeveralBuffersWholeOrNotAtAll) {
  Rig rig(32, 32, 100);
  Burst<64> burst(rig.pool);
  fill(burst, 36);
  for (std::uint32_t i = 0; i < 36; ++i) burst[i].flags = i % 3 == 2 ? 0 : Packet::kMore;
  EXPECT_EQ(rig.tx.tx_burst(burst, true), 30u);  // 31 fit; the eleventh frame would be cut
  EXPECT_EQ(burst.size(), 6u);
  for (const std::uint32_t slot : rig.tx_device.reports()) EXPECT_EQ(slot % 3, 2u);  // never within a frame
  ASSERT_FALSE(rig.tx_device.reports().empty());
  EXPECT_EQ(rig.tx_device.reports().back(), 29u);
  (void)rig.tx_device.send(100);
  for (std::uint32_t i = 0; i < 30; ++i) EXPECT_EQ(rig.tx_device.sent[i].eop, i % 3 == 2) << i;
  EXPECT_EQ(rig.tx.tx_burst(burst, true), 6u);
}

TEST(Transmit, TellsTheLengthOfTheWholeFrameOnce) {
  Rig rig(32, 32, 100);
  Burst<8> burst(rig.pool);
  fill(burst, 5);
  for (std::uint32_t i = 0; i < 3; ++i) burst[i].length = 2048;
  burst[0].flags = burst[1].flags = burst[2].flags = Packet::kMore;
  ASSERT_EQ(rig.tx.tx_burst(burst, true), 5u);
  const std::uint32_t paylen[] = {3 * 2048 + 60, 0, 0, 0, 60};
  for (std::uint32_t i = 0; i < 5; ++i) {
    const std::byte* descriptor = rig.memory.data() + 16 * (32 + i);
    EXPECT_EQ(dma_read<std::uint32_t>(descriptor + 12), paylen[i] << 14) << i;
    const std::uint32_t dtalen = i < 3 ? 2048u : 60u, last = i >= 3 ? kTxEop : 0, report = i == 4 ? kTxRs : 0;
    EXPECT_EQ(dma_read<std::uint32_t>(descriptor + 8), dtalen | kTxData | kTxIfcs | kTxDext | last | report) << i;
  }
  (void)rig.tx_device.send(5);
}

TEST(Transmit, LeavesAFrameWhoseEndIsMissing) {
  Rig rig(32, 32, 100);
  Burst<8> burst(rig.pool);
  fill(burst, 3);
  burst[1].flags = burst[2].flags = Packet::kMore;
  EXPECT_EQ(rig.tx.tx_burst(burst, true), 1u);
  EXPECT_EQ(burst.size(), 2u);
  EXPECT_EQ(rig.tx.tx_burst(burst, true), 0u);
  fill(burst, 1);
  EXPECT_EQ(rig.tx.tx_burst(burst, true), 3u);
}

TEST(Transmit, ReapsOnlyGroupsThatAreSentWhole) {
  Rig rig(512, 512, 1200);
  Burst<128> burst(rig.pool);
  fill(burst, 100);
  ASSERT_EQ(rig.tx.tx_burst(burst, true), 100u);
  EXPECT_EQ(rig.tx.reap(1000), 0u);
  (void)rig.tx_device.send(31);
  EXPECT_EQ(rig.tx.reap(1000), 0u);
  (void)rig.tx_device.send(1);
  EXPECT_EQ(rig.tx.reap(1000), 32u);
  EXPECT_EQ(rig.tx.in_use(), 68u);
  (void)rig.tx_device.send(67);
  EXPECT_EQ(rig.tx.reap(1000), 64u);
  (void)rig.tx_device.send(1);
  EXPECT_EQ(rig.tx.reap(1000), 4u);
  EXPECT_EQ(rig.tx.in_use(), 0u);
  EXPECT_EQ(rig.tx.reap(1000), 0u);
  EXPECT_EQ(rig.pool.free_count(), 1200u);
  EXPECT_EQ(rig.cost(), Cost(0, 1));
}

TEST(Transmit, ReapsNoMoreThanAskedForRoundedUpToAGroup) {
  Rig rig(512, 512, 1200);
  for (int i = 0; i < 100; ++i) {
    Burst<1> one(rig.pool);
    fill(one, 1);
    ASSERT_EQ(rig.tx.tx_burst(one, true), 1u);
  }
  Burst<128> burst(rig.pool);
  fill(burst, 64);
  ASSERT_EQ(rig.tx.tx_burst(burst, true), 64u);
  (void)rig.tx_device.send(1000);
  EXPECT_EQ(rig.tx.reap(0), 0u);
  EXPECT_EQ(rig.tx.reap(10), 10u);
  EXPECT_EQ(rig.tx.reap(91), 90u + 32);
  EXPECT_EQ(rig.tx.reap(1), 32u);
}

TEST(Transmit, BoundsTheReapingOfOneBurst) {
  Rig rig(1024, 1024, 2100);
  for (int i = 0; i < 900; ++i) {
    Burst<1> one(rig.pool);
    fill(one, 1);
    ASSERT_EQ(rig.tx.tx_burst(one, true), 1u);
  }
  (void)rig.tx_device.send(1000);
  Burst<8> burst(rig.pool);
  fill(burst, 8);
  const std::uint32_t before = rig.tx.in_use();
  ASSERT_EQ(rig.tx.tx_burst(burst, true), 8u);
  const std::uint32_t reaped = before + 8 - rig.tx.in_use();
  EXPECT_GE(reaped, 8u);
  EXPECT_LE(reaped, 8u + 64 + 31);
}

TEST(Transmit, ReapsBuffersInOrderThroughTheWrapOfTheRing) {
  for (std::uint32_t size = 1; size <= 31; ++size) {
    Rig rig(32, 32, 64);
    std::uint64_t stamp = 0;
    while (stamp < 3 * 32 + 5) {
      Burst<32> burst(rig.pool);
      fill(burst, size, stamp);
      ASSERT_EQ(rig.tx.tx_burst(burst, true), size) << size;
      ASSERT_EQ(rig.window.at[kTdt], (stamp + size) % 32);
      stamp += size;
      ASSERT_EQ(rig.tx_device.send(100), size);
      ASSERT_EQ(rig.tx.reap(100), size);
      ASSERT_EQ(rig.pool.free_count(), 64u);
    }
    for (std::uint64_t i = 0; i < stamp; ++i) ASSERT_EQ(rig.tx_device.sent[i].stamp, i);
  }
}

TEST(Transmit, TellsTheDeviceOnlyWhenItIsToldToWhenDeferred) {
  Rig rig(32, 32, 100);
  for (std::uint32_t i = 0; i < 3; ++i) {
    Burst<4> burst(rig.pool);
    fill(burst, 4);
    EXPECT_EQ(rig.tx.tx_burst(burst, false), 4u);
    EXPECT_EQ(rig.cost(), Cost(0, 0));
  }
  EXPECT_EQ(rig.tx_device.owned(), 0u);
  rig.tx.publish();
  EXPECT_EQ(rig.cost(), Cost(0, 1));
  EXPECT_EQ(rig.window.at[kTdt], 12u);
  EXPECT_EQ(rig.tx_device.owned(), 12u);
  rig.tx.publish();
  EXPECT_EQ(rig.cost(), Cost(0, 0));
}

TEST(Transmit, ReleasesSentAndUnsentAndStartsAgainFromZero) {
  Rig rig(32, 32, 100);
  Burst<64> burst(rig.pool);
  fill(burst, 25);
  ASSERT_EQ(rig.tx.tx_burst(burst, true), 25u);
  (void)rig.tx_device.send(25);
  ASSERT_EQ(rig.tx.reap(100), 25u);
  fill(burst, 20);  // across the wrap
  ASSERT_EQ(rig.tx.tx_burst(burst, true), 20u);
  (void)rig.tx_device.send(7);
  rig.tx.release_all();
  EXPECT_EQ(rig.pool.free_count(), 100u);
  EXPECT_EQ(rig.tx.in_use(), 0u);
  rig.window.at[kTdt] = 0;  // the reset did that
  rig.tx_device = TxDevice(rig.window, rig.pool, rig.memory.data() + 16 * 32, 32);
  EXPECT_EQ(rig.tx.reap(100), 0u);
  fill(burst, 31, 500);
  EXPECT_EQ(rig.tx.tx_burst(burst, true), 31u);
  EXPECT_EQ(rig.tx_device.send(100), 31u);
  EXPECT_EQ(rig.tx_device.sent.front().stamp, 500u);
  EXPECT_EQ(rig.tx.reap(100), 31u);
}

// ---- Both, over a long random walk --------------------------------------------------------------------------------

class RandomWalk {
 public:
  void run(std::uint32_t steps) {
    start(rig_);
    in_rx_ring_ = 63;
    for (step_ = 0; step_ < steps; ++step_) {
      one_step();
      const std::uint32_t in_bursts = a_.size() + b_.size() + c_.size() + d_.size();
      // The receive ring's share is what this test expects of it, not what is left over.
      ASSERT_EQ(rig_.pool.free_count() + in_rx_ring_ + rig_.tx.in_use() + in_bursts, kBuffers) << "step " << step_;
      if (::testing::Test::HasFailure()) FAIL() << "step " << step_;
    }
    finish();
  }

 private:
  static constexpr std::uint32_t kBuffers = 190;

  std::uint32_t below(std::uint32_t n) { return static_cast<std::uint32_t>(random_() % n); }
  PacketBurst& any_burst() {
    const std::array<PacketBurst*, 4> all{&a_, &b_, &c_, &d_};
    return *all[below(4)];
  }

  void one_step() {
    switch (below(11)) {
      case 0:
      case 1:
        return arrive(below(48));
      case 2:
      case 3:
      case 4:
        return receive(any_burst());
      case 5:
      case 6:
        return transmit(any_burst(), below(3) != 0);
      case 7:
        return publish();
      case 8:
        return (void)rig_.tx_device.send(below(48)), check_sent();
      case 9:
        return drop_or_make(any_burst());
      default:
        return reap();
    }
  }

  /// Frames from the wire: some of two buffers, some damaged (those of one buffer).
  void arrive(std::uint32_t n) {
    for (std::uint32_t i = 0; i < n; ++i) {
      const std::uint32_t dice = below(20);
      const std::uint16_t length = dice == 0 ? 0 : dice == 1 ? 2049 : static_cast<std::uint16_t>(17 + below(2032));
      const bool eop = dice != 2 && below(400) > 0 && !(long_frame_ > 0 && long_frame_-- > 0);
      const std::uint32_t status = kDd | (eop ? kEop : 0) | (dice == 3 && eop ? 1u << 24 : 0);
      if (!rig_.rx_device.complete(length, status, stamp_)) break;
      if (below(2000) == 0) long_frame_ = 80;  // longer than the ring
      completed_.push_back(
          {{.stamp = stamp_, .length = length, .eop = eop}, length - 1u < 2048 && !(dice == 3 && eop)});
      ++stamp_;
      ++arrived_;
    }
  }

  void receive(PacketBurst& burst) {
    const std::uint32_t before = burst.size(), room = burst.room(), free = rig_.pool.free_count();
    const std::uint64_t rejected = rig_.rx.rejected(), starved = rig_.rx.starved();
    (void)rig_.cost();
    const std::uint32_t n = rig_.rx.rx_burst(burst);
    const auto [reads, writes] = rig_.cost();
    ASSERT_EQ(reads, 0u);
    ASSERT_LE(writes, 1u);
    const Harvest expected = expected_harvest(room);
    ASSERT_EQ(n, expected.given.size());
    ASSERT_EQ(burst.size(), before + n);
    ASSERT_EQ(rig_.rx.rejected() - rejected, expected.frames_refused);
    in_rx_ring_ -= n + expected.buffers_refused;
    const std::uint32_t refilled = std::min(63 - in_rx_ring_, free + expected.buffers_refused);
    in_rx_ring_ += refilled;
    ASSERT_EQ(rig_.rx.starved() - starved, in_rx_ring_ < 63 ? 1u : 0u);
    for (std::uint32_t i = 0; i < n; ++i) {
      const Packet& p = burst[before + i];
      ASSERT_EQ(stamp_of(p), expected.given[i].stamp);
      ASSERT_EQ(p.length, expected.given[i].length);
      ASSERT_EQ(p.more(), !expected.given[i].eop);
    }
  }

  /// What a harvest must give: whole frames are judged, in the order of arrival, then given as far as there is room.
  struct Harvest {
    std::vector<TxDevice::Sent> given;
    std::uint32_t frames_refused = 0, buffers_refused = 0;
  };
  Harvest expected_harvest(std::uint32_t room) {
    Harvest out;
    while (!completed_.empty() && out.given.size() < room) {
      if (judged_ == 0) {
        const auto end = std::find_if(completed_.begin(), completed_.end(), [](const auto& c) { return c.first.eop; });
        const bool whole = end != completed_.end();
        const auto length = static_cast<std::uint32_t>(end - completed_.begin()) + (whole ? 1 : 0);
        if (!whole && length < 63) break;  // a frame torn is one that has filled the whole ring
        bool bad = torn_ || !whole;
        for (std::uint32_t i = 0; i < length; ++i) bad = bad || !completed_[i].second;
        if (bad) {
          out.frames_refused += torn_ ? 0 : 1;
          torn_ = !whole;
          torn_frames_ += torn_ ? 1 : 0;
          out.buffers_refused += length;
          completed_.erase(completed_.begin(), completed_.begin() + length);
          continue;
        }
        judged_ = length;
      }
      out.given.push_back(completed_.front().first);
      completed_.pop_front();
      --judged_;
    }
    return out;
  }

  void transmit(PacketBurst& burst, bool now) {
    const std::uint32_t size = burst.size();
    std::vector<TxDevice::Sent> content;
    for (const Packet& p : burst) content.push_back({stamp_of(p), p.length, !p.more()});
    (void)rig_.cost();
    const std::uint32_t n = rig_.tx.tx_burst(burst, now);
    const auto [reads, writes] = rig_.cost();
    ASSERT_EQ(reads, 0u);
    ASSERT_LE(writes, now ? 1u : 0u);
    ASSERT_EQ(burst.size(), size - n);
    ASSERT_TRUE(n == 0 || content[n - 1].eop);
    posted_ += n;
    short_takes_ += n < size;
    expected_tx_.insert(expected_tx_.end(), content.begin(), content.begin() + n);
    ASSERT_TRUE(!now || rig_.window.at[kTdt] == posted_ % 64);
  }
  void publish() {
    rig_.tx.publish();
    ASSERT_EQ(rig_.window.at[kTdt], posted_ % 64);
  }
  void check_sent() {
    for (; !rig_.tx_device.sent.empty(); rig_.tx_device.sent.pop_front(), expected_tx_.pop_front()) {
      ASSERT_FALSE(expected_tx_.empty());
      ASSERT_EQ(rig_.tx_device.sent.front().stamp, expected_tx_.front().stamp);
      ASSERT_EQ(rig_.tx_device.sent.front().length, expected_tx_.front().length);
      ASSERT_EQ(rig_.tx_device.sent.front().eop, expected_tx_.front().eop);
    }
  }
  void drop_or_make(PacketBurst& burst) {
    if (below(3) != 0) return burst.drop_front(below(burst.size() + 1));
    const std::uint32_t from = burst.size();
    const std::uint32_t n = burst.allocate(below(40), static_cast<std::uint16_t>(17 + below(2032)));
    for (std::uint32_t i = 0; i < n; ++i) {
      dma_write(burst[from + i].data, ~stamp_++);
      if (below(10) == 0) burst[from + i].flags = Packet::kMore;
    }
  }
  void reap() {
    const std::uint32_t before = rig_.tx.in_use(), free = rig_.pool.free_count();
    const std::uint32_t n = rig_.tx.reap(below(80));
    ASSERT_EQ(rig_.tx.in_use(), before - n);
    ASSERT_EQ(rig_.pool.free_count(), free + n);
  }

  /// The walk went everywhere, and in the end every buffer is in the pool exactly once.
  void finish() {
    EXPECT_GT(arrived_, 100u * 64);
    EXPECT_GT(posted_, 100u * 64);
    EXPECT_GT(short_takes_, 100u);
    EXPECT_GT(rig_.rx.starved(), 100u);
    EXPECT_GT(rig_.rx.rejected(), 100u);
    EXPECT_GT(torn_frames_, 10u);
    for (PacketBurst* b : {static_cast<PacketBurst*>(&a_), static_cast<PacketBurst*>(&b_),
                           static_cast<PacketBurst*>(&c_), static_cast<PacketBurst*>(&d_)}) {
      b->clear();
    }
    rig_.rx.release_all();
    rig_.tx.release_all();
    std::vector<std::uint32_t> ids(kBuffers);
    ASSERT_EQ(rig_.pool.take(ids), kBuffers);
    std::vector<std::uint32_t> sorted = ids;
    std::sort(sorted.begin(), sorted.end());
    for (std::uint32_t i = 0; i < kBuffers; ++i) ASSERT_EQ(sorted[i], i);
    rig_.pool.give(ids);
  }

  Rig rig_{64, 64, kBuffers};
  Burst<1> a_{rig_.pool};
  Burst<7> b_{rig_.pool};
  Burst<32> c_{rig_.pool};
  Burst<64> d_{rig_.pool};
  std::mt19937 random_{82'599};
  std::uint32_t step_ = 0;
  std::uint32_t in_rx_ring_ = 0;

  std::uint64_t stamp_ = 0, arrived_ = 0, posted_ = 0, short_takes_ = 0;
  std::deque<std::pair<TxDevice::Sent, bool>>
      completed_;  ///< descriptors not harvested yet; the bool: nothing is wrong
  std::uint32_t long_frame_ = 0, judged_ = 0, torn_frames_ = 0;
  bool torn_ = false;
  std::deque<TxDevice::Sent> expected_tx_;
};

TEST(Queues, KeepEveryBufferAndEveryOrderOverARandomWalkOfAMillionSteps) { RandomWalk().run(1'000'000); }

// ---- Filters ------------------------------------------------------------------------------------------------------

const MacAddress kMac{{0x52, 0x54, 0x00, 0x12, 0x34, 0x56}};

class Filters : public ::testing::Test {
 protected:
  Window window;
  reg::Bar<CountingIo> bar{CountingIo{&window}};
};

TEST_F(Filters, ReadTheAddressOfEntryZero) {
  window.at[0x5400] = 0x1200'5452;
  window.at[0x5404] = 0x8000'5634;
  EXPECT_EQ(read_mac(bar), kMac);
  EXPECT_EQ(std::pair(window.reads, window.writes), Cost(2, 0));
}

TEST_F(Filters, SetForOneAddressLeaveNoOtherWayIn) {
  for (std::uint32_t at = 0x5080; at < 0x10000; at += 4) window.at[at] = 0xFFFF'FFFF;  // the firmware left anything
  window.log_writes = true;
  set_exact_filter<I82599>(bar, kMac);
  EXPECT_EQ(window.at[0x5400], 0x1200'5452u);
  EXPECT_EQ(window.at[0x5404], 0x8000'5634u);
  for (std::uint32_t i = 1; i < 128; ++i) {
    EXPECT_EQ(window.at[i < 16 ? 0x5404 + 8 * i : 0xA204 + 8 * i] >> 31, 0u) << i;
  }
  EXPECT_EQ(window.at[0xA600], 1u);
  for (std::uint32_t i = 1; i < 256; ++i) EXPECT_EQ(window.at[0xA600 + 4 * i], 0u);
  for (std::uint32_t i = 0; i < 128; ++i) {
    for (const std::uint32_t table : {0x5200u, 0xA000u, 0xF200u, 0xF400u, 0xE600u}) {
      EXPECT_EQ(window.at[table + 4 * i], 0u) << std::hex << table + 4 * i;
    }
  }
  for (std::uint32_t i = 0; i < 64; ++i) EXPECT_EQ(window.at[0xF100 + 4 * i], 0u);
  EXPECT_EQ(window.at[0x5090] & 4, 0u);        // MCSTCTRL.MFE
  EXPECT_EQ(window.at[0x5088], 0x0000'8100u);  // VLNCTRL: no filter
  EXPECT_EQ(window.reads, 0u);
}

TEST_F(Filters, SwitchALiveEntryOffBeforeTheyChangeIt) {
  window.log_writes = true;
  set_receive_address(bar, 20, kMac);
  using Write = std::pair<std::uint32_t, std::uint32_t>;
  const std::vector<Write> expected = {
      {0xA2A4, 0}, {0xA2A0, 0x1200'5452}, {0xA6A0, 1}, {0xA6A4, 0}, {0xA2A4, 0x8000'5634}};
  EXPECT_EQ(window.writes_in_order, expected);
}

TEST_F(Filters, TakeFurtherAddressesAsLongAsTheyFit) {
  std::vector<MacAddress> addresses(127, kMac);
  EXPECT_TRUE(set_unicast<I82599>(bar, addresses));
  for (std::uint32_t i = 1; i < 128; ++i) EXPECT_EQ(window.at[i < 16 ? 0x5404 + 8 * i : 0xA204 + 8 * i] >> 31, 1u);
  EXPECT_EQ(window.at[0x5404], 0u);  // the own one is left alone
  addresses.push_back(kMac);
  const std::uint64_t before = window.writes;
  EXPECT_FALSE(set_unicast<I82599>(bar, addresses));
  EXPECT_EQ(window.writes, before);
}

TEST_F(Filters, HashMulticastByTheUpperTwelveBits) {
  const MacAddress groups[] = {{{0x01, 0x00, 0x5E, 0x00, 0x00, 0xFB}}, {{0x33, 0x33, 0, 0, 0x10, 0x00}}};
  set_multicast(bar, groups);
  EXPECT_EQ(window.at[0x5200 + 4 * (0xFB0 >> 5)], 1u << (0xFB0 & 31));
  EXPECT_EQ(window.at[0x5200], 2u);
  EXPECT_EQ(window.at[0x5090], 4u);
  set_multicast(bar, std::span<const MacAddress>{});
  for (std::uint32_t i = 0; i < 128; ++i) EXPECT_EQ(window.at[0x5200 + 4 * i], 0u);
  EXPECT_EQ(window.at[0x5090], 0u);
}

TEST_F(Filters, PromiscuousModeKeepsBroadcast) {
  set_promiscuous(bar, true);
  EXPECT_EQ(window.at[0x5080], 0x700u);
  set_promiscuous(bar, false, true);
  EXPECT_EQ(window.at[0x5080], 0x500u);
  set_promiscuous(bar, false);
  EXPECT_EQ(window.at[0x5080], 0x400u);
  EXPECT_EQ(std::pair(window.reads, window.writes), Cost(0, 3));
}

TEST_F(Filters, SpreadTheHashEvenlyOverTheQueues) {
  for (std::uint32_t queues = 1; queues <= 16; ++queues) {
    set_up_rss(bar, {}, queues);
    for (std::uint32_t i = 0; i < 128; ++i) {
      ASSERT_EQ(window.at[0x5C00 + i / 4 * 4] >> (8 * (i % 4)) & 0xFF, i % queues) << queues << ' ' << i;
    }
    EXPECT_EQ(window.at[0x5818], queues > 1 ? 0x0033'0001u : 0x0033'0000u);  // TCP and IP, versions 4 and 6
  }
  EXPECT_EQ(window.at[0x5C80], 0xDA56'5A6Du);  // the key's first byte lowest
  EXPECT_EQ(window.at[0x5C80 + 36], 0xFA01'ACBEu);
  EXPECT_EQ(window.at[0x5000] & 1u << 13, 1u << 13);
}

// ---- Statistics ---------------------------------------------------------------------------------------------------

class Statistics : public ::testing::Test {
 protected:
  Window window;
  reg::Bar<CountingIo> bar{CountingIo{&window}};
  PortStats sum;
};

TEST_F(Statistics, CountBytesWithoutTheFcs) {
  window.at = {{0x1030, 10}, {0x1034, 10 * 60}, {0x4080, 3}, {0x4090, 3 * 1518}, {0x4074, 99}};
  gather_stats(bar, sum);
  EXPECT_EQ(sum.rx_packets, 10u);
  EXPECT_EQ(sum.rx_bytes, 10u * 60);  // the queue's counter has no FCS
  EXPECT_EQ(sum.tx_packets, 3u);
  EXPECT_EQ(sum.tx_bytes, 3u * 1514);
  EXPECT_EQ(window.writes, 0u);
}

TEST_F(Statistics, GrowBeyondTheirCounters) {
  for (int i = 0; i < 3; ++i) {
    window.at = {{0x1030, 0xF000'0000}, {0x1034, 0x1000'0000}, {0x1038, 0xE},        {0x4080, 0x1000'0000},
                 {0x4090, 0xFFFF'FFFF}, {0x4094, 0xF},         {0x3FA0, 0x9000'0000}};
    gather_stats(bar, sum);
    gather_stats(bar, sum);  // nothing new has happened
  }
  EXPECT_EQ(sum.rx_packets, 3 * 0xF000'0000ull);
  EXPECT_EQ(sum.rx_bytes, 3 * 0xE'1000'0000ull);
  EXPECT_EQ(sum.tx_bytes, 3 * (0xF'FFFF'FFFFull - 4 * 0x1000'0000ull));
  EXPECT_EQ(sum.rx_missed, 3 * 0x9000'0000ull);
}

TEST_F(Statistics, AddUpEveryKindOfErrorAndLoss) {
  window.at = {{0x4000, 1},      {0x4040, 10},      {0x40A4, 100}, {0x40A8, 1'000},
               {0x40AC, 10'000}, {0x40B0, 100'000}, {0x3FA0, 3},   {0x1430, 40}};
  gather_stats(bar, sum);
  EXPECT_EQ(sum.rx_errors, 111'111u);
  EXPECT_EQ(sum.rx_missed, 43u);
  EXPECT_EQ(sum.rx_packets + sum.rx_bytes + sum.tx_packets + sum.tx_bytes + sum.tx_errors, 0u);
  EXPECT_EQ(window.reads, 15u);
}

TEST_F(Statistics, AreForgottenWhenCleared) {
  for (std::uint32_t at = 0x1000; at < 0x4100; at += 4) window.at[at] = 77;
  clear_stats(bar);
  gather_stats(bar, sum);
  EXPECT_EQ(sum.rx_packets + sum.rx_bytes + sum.rx_missed + sum.rx_errors, 0u);
  EXPECT_EQ(sum.tx_packets + sum.tx_bytes + sum.tx_errors, 0u);
}

}  // namespace

// SPDX-License-Identifier: BSD-3-Clause
// For tests of the queues: a register file that counts, a small device that reads and writes back descriptors, and for
// each driver what its descriptors look like from the device's side, written down from the datasheets.
#pragma once
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <deque>
#include <map>
#include <utility>
#include <vector>

#include <pollux/dma/pool.hpp>
#include <pollux/e1000/rx.hpp>
#include <pollux/e1000/tx.hpp>
#include <pollux/ixgbe/rx.hpp>
#include <pollux/ixgbe/tx.hpp>

namespace ring_rig {

using namespace pollux;

/// A register file that counts; a read of a register that `clears_on_read` names clears it.
struct Window {
  bool (*clears_on_read)(std::uint32_t offset) = nullptr;
  std::map<std::uint32_t, std::uint32_t> at = {};
  std::vector<std::pair<std::uint32_t, std::uint32_t>> writes_in_order = {};
  bool log_writes = false;
  std::uint64_t reads = 0;
  std::uint64_t writes = 0;
};
struct CountingIo {
  Window* window;
  [[nodiscard]] std::uint32_t read32(std::uint32_t offset) const noexcept {
    ++window->reads;
    const bool clears = window->clears_on_read != nullptr && window->clears_on_read(offset);
    return clears ? std::exchange(window->at[offset], 0) : window->at[offset];
  }
  void write32(std::uint32_t offset, std::uint32_t value) const noexcept {
    ++window->writes;
    window->at[offset] = value;
    if (window->log_writes) window->writes_in_order.emplace_back(offset, value);
  }
};
using Cost = std::pair<std::uint64_t, std::uint64_t>;  ///< MMIO reads, writes

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
inline std::uint64_t stamp_of(const Packet& p) { return dma_read<std::uint64_t>(p.data); }

// ---- The descriptors, from the device's side ----------------------------------------------------------------------

/// In both formats: bits of the receive status word, and of the transmit command word.
constexpr std::uint32_t kDd = 1 << 0, kEop = 1 << 1, kCe = 1u << 24;
constexpr std::uint32_t kTxEop = 1 << 24, kTxIfcs = 1 << 25, kTxRs = 1 << 27;

/// The 82574: extended receive, legacy transmit.
struct E82574 {
  template <class Io>
  using RxQueue = e1000::RxQueue<Io>;
  template <class Io>
  using TxQueue = e1000::TxQueue<Io>;
  static constexpr std::uint32_t kRdt = 0x2818, kTdt = 0x3818;
  /// What a receive completion leaves where the address was: the RSS hash, and this below it.
  static constexpr std::uint32_t kInfo = 0xABAD'CAFE;
  static constexpr std::uint32_t kTxSent = kDd;
  static constexpr std::uint32_t kDamaged[] = {1u << 24, 1u << 25, 1u << 26, 1u << 28, 1u << 31};  // CE SE SEQ CXE RXE
  static constexpr std::uint32_t kChecksums = 1u << 29 | 1u << 30 | 1u << 5 | 1u << 3;             // TCPE, IPE, ...

  /// Sees every fresh transmit descriptor in order.
  class TxCheck {
   public:
    void look(std::uint32_t command, std::uint32_t status) {
      EXPECT_EQ(status, 0u) << "DD or junk in a fresh descriptor";
      EXPECT_EQ(command & ~(0xFFFFu | kTxEop | kTxIfcs | kTxRs), 0u);
      EXPECT_NE(command & kTxIfcs, 0u);
    }
  };
};

/// 82599 and X540: advanced receive, advanced transmit data.
struct E82599 {
  template <class Io>
  using RxQueue = ixgbe::RxQueue<Io>;
  template <class Io>
  using TxQueue = ixgbe::TxQueue<Io>;
  static constexpr std::uint32_t kRdt = 0x1018, kTdt = 0x6018;
  static constexpr std::uint32_t kInfo = 0x7FE1'FFFF;          // every bit but the RSC count
  static constexpr std::uint32_t kTxSent = kDd | 0xFFFF'C000;  // the rest may be anything
  static constexpr std::uint32_t kTxData = 3 << 20, kTxDext = 1 << 29;
  static constexpr std::uint32_t kDamaged[] = {1u << 24, 1u << 25, 1u << 27, 1u << 28, 1u << 29};  // CE LE PE OSE RXE
  static constexpr std::uint32_t kChecksums = 1u << 30 | 1u << 31 | 1u << 5 | 1u << 3;             // TCPE, IPE, ...

  /// Sees every fresh transmit descriptor in order. PAYLEN of a frame's first is the sum of its lengths; all else of
  /// these words is zero.
  class TxCheck {
   public:
    void look(std::uint32_t command, std::uint32_t status) {
      EXPECT_EQ(command & ~(0xFFFFu | kTxEop | kTxRs), kTxData | kTxIfcs | kTxDext);  // no reserved bit, no offload
      EXPECT_EQ(status & 0x3FFF, 0u) << "DD, context or offload in a fresh descriptor";
      if (announced_ == 0) {
        EXPECT_NE(status, 0u);
      } else {
        EXPECT_EQ(status, 0u) << "the frame's first descriptor has said it";
      }
      announced_ += status >> 14;
      EXPECT_GE(announced_, command & 0xFFFF);
      announced_ -= command & 0xFFFF;
      EXPECT_EQ(announced_ == 0, (command & kTxEop) != 0);
    }

   private:
    std::uint32_t announced_ = 0;
  };
};

// ---- The device ---------------------------------------------------------------------------------------------------

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

template <class Kind>
class RxDevice : Engine {
 public:
  RxDevice(Window& w, BufferStore& pool, std::byte* ring, std::uint32_t n) : Engine(w, pool, ring, n, Kind::kRdt) {}

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
                std::uint32_t info = Kind::kInfo) {
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

/// One buffer of a frame, on its way.
struct Part {
  std::uint64_t stamp;
  std::uint16_t length;
  bool eop;
};

template <class Kind>
class TxDevice : Engine {
 public:
  TxDevice(Window& w, BufferStore& pool, std::byte* ring, std::uint32_t n) : Engine(w, pool, ring, n, Kind::kTdt) {}

  std::uint32_t owned() {
    for (const std::uint32_t slot : fresh_slots()) {
      const auto command = dma_read<std::uint32_t>(descriptor(slot) + 8);
      EXPECT_NE(command & 0xFFFF, 0u);
      check_.look(command, dma_read<std::uint32_t>(descriptor(slot) + 12));
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
      if ((h.command & kTxRs) != 0) dma_write(descriptor(h.slot) + 12, std::uint32_t{Kind::kTxSent});
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
  std::deque<Part> sent;

 private:
  struct Held {
    std::uint32_t slot, id, command;
  };
  typename Kind::TxCheck check_;
  std::deque<Held> held_;
};

/// A pool, both queues and the device behind them.
template <class Kind>
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
  Cost cost() {
    const Cost out(window.reads - reads_, window.writes - writes_);
    reads_ = window.reads, writes_ = window.writes;
    return out;
  }

  Window window;
  reg::Bar<CountingIo> bar{CountingIo{&window}};
  TestDomain domain;
  BufferPool pool;
  DmaRegion memory;
  std::vector<std::uint32_t> shadow;
  typename Kind::template RxQueue<CountingIo> rx;
  typename Kind::template TxQueue<CountingIo> tx;
  RxDevice<Kind> rx_device;
  TxDevice<Kind> tx_device;

 private:
  std::uint64_t reads_ = 0;
  std::uint64_t writes_ = 0;
};

/// Hands the receive ring to the device.
template <class Kind>
void start(Rig<Kind>& rig) {
  rig.rx.refill();
  rig.rx.publish();
  (void)rig.cost();
}
/// Fills `burst` with n packets stamped first, first + 1, ...
inline void fill(PacketBurst& burst, std::uint32_t n, std::uint64_t first = 0) {
  const std::uint32_t before = burst.size();
  ASSERT_EQ(burst.allocate(n, 60), n);
  for (std::uint32_t i = 0; i < n; ++i) dma_write(burst[before + i].data, first + i);
}

}  // namespace ring_rig

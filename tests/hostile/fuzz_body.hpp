// SPDX-License-Identifier: BSD-3-Clause
// What the fuzzer and the replay run: a receive and a transmit ring whose descriptors come from the input.
//
// Input: byte 0 chooses the format (bit 0: 82599) and the pool (bit 1: short of buffers); then commands, an operation
// byte and its operands, little endian. What is cut off reads as zero.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

#include <pollux/dma/buffers.hpp>
#include <pollux/e1000/rx.hpp>
#include <pollux/e1000/tx.hpp>
#include <pollux/ixgbe/rx.hpp>
#include <pollux/ixgbe/tx.hpp>
#include <pollux/net/burst.hpp>

namespace fuzz {

using namespace pollux;

inline void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "broken: %s\n", what);
  std::abort();
}

class Input {
 public:
  explicit Input(std::span<const std::uint8_t> bytes) : bytes_(bytes) {}
  [[nodiscard]] bool empty() const { return bytes_.empty(); }
  std::uint64_t take(std::size_t n) {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < n && !bytes_.empty(); ++i) {
      value |= std::uint64_t{bytes_.front()} << (8 * i);
      bytes_ = bytes_.subspan(1);
    }
    return value;
  }
  std::uint32_t byte() { return static_cast<std::uint32_t>(take(1)); }

 private:
  std::span<const std::uint8_t> bytes_;
};

/// A pool without a domain, its free list exactly as large as it must be, so that ASan sees one entry more.
struct FreeList {
  std::unique_ptr<std::uint32_t[]> list;
};
class Buffers : private FreeList, public BufferStore {
 public:
  static constexpr std::uint32_t kBytes = 2048, kMost = 512;
  explicit Buffers(std::uint32_t count)
      : FreeList{std::make_unique<std::uint32_t[]>(count)},
        BufferStore(memory_, BusAddr() + 0x1'0000'0000, kBytes, kBytes, count, list.get()) {}

 private:
  static inline std::byte memory_[std::size_t{kMost} * kBytes];
};

/// Ring memory of exactly the size it must have.
class RingMemory {
 public:
  explicit RingMemory(std::uint32_t count)
      : at_(static_cast<std::byte*>(std::aligned_alloc(128, std::size_t{count} * 16))) {
    require(at_ != nullptr, "memory");
  }
  RingMemory(const RingMemory&) = delete;
  RingMemory& operator=(const RingMemory&) = delete;
  ~RingMemory() { std::free(at_); }
  [[nodiscard]] std::byte* data() const { return at_; }
  void write(std::uint32_t slot, std::uint64_t first, std::uint64_t second) const {
    std::memcpy(at_ + std::size_t{slot} * 16, &first, 8);
    std::memcpy(at_ + std::size_t{slot} * 16 + 8, &second, 8);
  }

 private:
  std::byte* at_;
};

struct Bell {
  std::uint32_t capacity;
  void ring(std::uint32_t tail) const noexcept { require(tail < capacity, "a tail within the ring"); }
};

template <class RxFormat, class TxFormat>
class Run {
 public:
  Run(Input input, std::uint32_t capacity, bool few)
      : input_(input), capacity_(capacity), pool_(few ? capacity : 4 * capacity), held_(pool_.count()) {}

  void go() {
    while (!input_.empty()) command();
    while (!kept_.empty()) drop_kept();
    rx_.release_all();
    tx_.release_all();
    std::vector<std::uint32_t> ids(pool_.count());
    require(pool_.take(ids) == pool_.count(), "every buffer comes back");
    std::vector<bool> seen(ids.size());
    for (const std::uint32_t id : ids) {
      require(id < seen.size() && !seen[id], "every buffer comes back once");
      seen[id] = true;
    }
    pool_.give(ids);
  }

 private:
  static constexpr std::uint64_t kDd = 1, kEop = 2;

  void command() {
    switch (input_.byte() % 12) {
      case 0: {
        const std::uint32_t at = slot();
        const std::uint64_t first = input_.take(8);
        rx_memory_.write(at, first, input_.take(8));
        break;
      }
      case 1: {
        const std::uint32_t at = slot();
        rx_memory_.write(at, 0, kDd | kEop | input_.take(2) << 32);
        break;
      }
      case 2: {
        std::uint32_t at = slot(), n = input_.byte();
        const std::uint64_t status = input_.take(1), length = input_.take(2);
        for (; n != 0; --n, at = (at + 1) % capacity_) rx_memory_.write(at, 0, status | length << 32);
        break;
      }
      case 3:
        receive(1 + input_.byte() % 64, 0);
        break;
      case 4:
        receive(1 + input_.byte() % 64, 1);
        break;
      case 5:
        drop_kept();
        break;
      case 6:
        transmit();
        break;
      case 7: {
        const std::uint32_t at = slot();
        const std::uint64_t first = input_.take(8);
        tx_memory_.write(at, first, input_.take(8));
        break;
      }
      case 8:
        for (std::uint32_t i = 0; i < capacity_; ++i) tx_memory_.write(i, 0, kDd << 32);
        break;
      case 9:
        (void)tx_.reap(input_.byte());
        break;
      case 10:
        receive(1 + input_.byte() % 64, 2);
        break;
      default:
        rx_.release_all();
        tx_.release_all();
        parts_ = 0;
        break;
    }
    require(tx_.in_use() < capacity_, "one transmit descriptor stays free");
  }
  std::uint32_t slot() { return input_.byte() % capacity_; }

  /// what: 0 gives the packets back, 1 keeps what it can, 2 sends them.
  void receive(std::uint32_t most, int what) {
    Burst<64> in(pool_, most);
    const std::uint32_t n = rx_.rx_burst(in);
    require(n == in.size() && n < capacity_, "no more packets than descriptors");
    for (const Packet& p : in) {
      require(p.id < held_.size() && p.data == pool_.data(p.id), "a packet lies in its buffer");
      require(p.length > 0 && p.length <= pool_.buffer_bytes(), "a packet is no longer than its buffer");
      require(!held_[p.id], "a packet has one owner");
      held_[p.id] = true;
      require(++parts_ <= 64, "a frame has an end");
      if (!p.more()) parts_ = 0;
    }
    for (const Packet& p : in) held_[p.id] = false;
    if (what == 1) {
      for (; !in.empty() && kept_.room() > 0; in.forget_front(1)) {
        held_[in[0].id] = true;
        kept_.append(in[0]);
      }
    }
    if (what == 2) {
      for (Packet& p : in) p.flags = 0, p.length = 100;
      (void)tx_.tx_burst(in, true);
    }
  }
  void drop_kept() {
    for (const Packet& p : kept_) held_[p.id] = false;
    kept_.clear();
  }
  void transmit() {
    Burst<64> out(pool_);
    const std::uint32_t wanted = 1 + input_.byte() % 64, parts = 1 + input_.byte() % 8;
    const bool now = input_.byte() % 2 == 0;
    (void)out.allocate(wanted, 100);
    for (std::uint32_t i = 0; i + 1 < out.size(); ++i) {
      require(!held_[out[i].id], "the pool gives what is free");
      if ((i + 1) % parts != 0) out[i].flags = Packet::kMore;
    }
    const std::uint32_t before = out.size(), took = tx_.tx_burst(out, now);
    require(out.size() == before - took, "what was not taken stays");
  }

  Input input_;
  std::uint32_t capacity_;
  Buffers pool_;
  std::vector<bool> held_;  ///< with the test
  RingMemory rx_memory_{capacity_}, tx_memory_{capacity_};
  std::vector<std::uint32_t> rx_shadow_ = std::vector<std::uint32_t>(capacity_);
  std::vector<std::uint32_t> tx_shadow_ = std::vector<std::uint32_t>(2 * std::size_t{capacity_});
  RxRing<RxFormat, Bell> rx_{{rx_memory_.data(), BusAddr(), capacity_}, rx_shadow_.data(), pool_, Bell{capacity_}};
  TxRing<TxFormat, Bell> tx_{{tx_memory_.data(), BusAddr(), capacity_}, tx_shadow_.data(), pool_, Bell{capacity_}};
  Burst<48> kept_{pool_};
  std::uint32_t parts_ = 0;  ///< of the frame that is being received
};

/// Aborts, with what is broken on stderr, when the rings do not hold what they promise.
inline void one(std::span<const std::uint8_t> bytes) {
  Input input(bytes);
  const std::uint32_t how = input.byte();
  const std::uint32_t capacity = 8u << (how >> 2 & 3);  // 8 to 64: soon around
  const bool few = (how & 2) != 0;
  if ((how & 1) == 0) {
    Run<e1000::RxFormat, e1000::TxFormat>(input, capacity, few).go();
  } else {
    Run<ixgbe::RxFormat, ixgbe::TxFormat>(input, capacity, few).go();
  }
}

}  // namespace fuzz

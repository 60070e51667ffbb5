// SPDX-License-Identifier: BSD-3-Clause
// Queues of the 82599 model, both directions: their registers, ENABLE and what must be right by then, doorbells.
#pragma once
#include <pollux/ixgbe/model_device.hpp>

namespace pollux::ixgbe {

/// Writes into the three runs of queue registers.
inline bool Model82599::write_queue(Offset offset, Word old, Word value) noexcept {
  using namespace model;
  const Offset reg = offset % kQueueStride;
  if (reg > queue::kWbah || (reg > queue::kRscctl && reg < queue::kWbal)) return false;
  if (offset >= kRxLow && offset < rx_base(63) + kQueueStride) {
    return write_rx_queue((offset - kRxLow) / kQueueStride, reg, old, value), true;
  }
  if (offset >= kRxHigh && offset < rx_base(127) + kQueueStride) {
    return write_rx_queue(64 + (offset - kRxHigh) / kQueueStride, reg, old, value), true;
  }
  if (offset >= kTx && offset < tx_base(127) + kQueueStride) {
    return write_tx_queue((offset - kTx) / kQueueStride, reg, old, value), true;
  }
  return false;
}

inline void Model82599::write_rx_queue(std::uint32_t q, Offset reg, Word old, Word value) noexcept {
  using namespace model;
  const Offset base = rx_base(q);
  RxRingState& ring = rx_[q];
  if (reg == queue::kTail) {
    see_tail(ring, base);
    if (ring.runs()) receive_all();
  } else if (reg == queue::kCtl) {
    registers().clear(base + reg, kSwflsh);
    ring.strip_vlan = (value & kRxVme) != 0;
    write_enable(q, false, (value & kEnable) != 0);
  } else {
    store_ring_register(base + reg, reg, value);
    guard_running(ring, base + reg, reg, old, value);
    if (ring.state == Ring::State::kOn) load_rx_options(q);
  }
}

inline void Model82599::write_tx_queue(std::uint32_t q, Offset reg, Word old, Word value) noexcept {
  using namespace model;
  const Offset base = tx_base(q);
  TxRingState& ring = tx_[q];
  if (reg == queue::kTail) {
    see_tail(ring, base);
    if (!ring.runs()) return;
    transmit_all();
    if (is(kHlreg0, kHlregLpbk)) receive_all();
  } else if (reg == queue::kCtl) {
    registers().clear(base + reg, kSwflsh);
    ring.wthresh = bits_of(value, 22, 16);
    write_enable(q, true, (value & kEnable) != 0);
  } else {
    store_ring_register(base + reg, reg, value);
    guard_running(ring, base + reg, reg, old, value);
  }
}

/// Bases are 128-byte aligned, lengths multiples of 128: the low bits do not exist.
inline void Model82599::store_ring_register(Offset at, Offset reg, Word value) noexcept {
  using namespace model;
  if ((reg != queue::kBal && reg != queue::kLen) || value % kRingGranule == 0) return;
  registers().poke(at, value & ~(kRingGranule - 1));
  if (quirks_.has(Quirk::kNonsenseRing)) return;
  complain(sim::FaultKind::kRing, at,
           reg == queue::kBal ? "a ring starts at a multiple of 128" : "a ring's length is a multiple of 128 bytes",
           value);
}

/// Where a ring lies, how long it is and what its descriptors are may not change under it.
inline void Model82599::guard_running(const model::Ring& ring, Offset at, Offset reg, Word old, Word value) noexcept {
  using namespace model;
  if (ring.state == Ring::State::kOff || reg == queue::kDca) return;
  const Word loose = reg == queue::kSrrctl ? kSrrctlDropEn : 0;  // DROP_EN may
  if (((registers().peek(at) ^ old) & ~loose) == 0) return;
  const bool head = reg == queue::kHead;
  if (!head || !quirks_.has(Quirk::kHeadWrite)) {
    complain(sim::FaultKind::kSequence, at, "does not change while its queue is enabled", value);
  }
  registers().poke(at, head ? ring.head : (old & ~loose) | (value & loose));
}

// ---- ENABLE -------------------------------------------------------------------------------------------------------

inline void Model82599::start_rx(std::uint32_t q) noexcept {
  using namespace model;
  using sim::FaultKind;
  const Offset base = rx_base(q);
  const Word srrctl = registers().peek(base + queue::kSrrctl);
  const Word size = bits_of(srrctl, 4, 0), type = bits_of(srrctl, 27, 25);
  if (size == 0 || size > 16) complain(FaultKind::kRing, base + queue::kSrrctl, "BSIZEPKT is 1 to 16 KB", size);
  if (type > 1) complain(FaultKind::kRing, base + queue::kSrrctl, "DESCTYPE 0 and 1 only: no header split", type);
  if (is(base + queue::kDca, kDcaMustBeZero) && !quirks_.has(Quirk::kDcaBit12)) {
    complain(FaultKind::kSequence, base + queue::kDca, "bit 12 is cleared before ENABLE",
             registers().peek(base + queue::kDca));
  }
  load_rx_options(q);
  if (is(kRxCtrl, 1)) check_rsc(q);
  start_ring(rx_[q], base);
}
/// What SRRCTL and RXDCTL say, taken apart once.
inline void Model82599::load_rx_options(std::uint32_t q) noexcept {
  using namespace model;
  const Word srrctl = registers().peek(rx_base(q) + queue::kSrrctl);
  rx_[q].buffer_bytes = std::min<Word>(bits_of(srrctl, 4, 0), 16) * 1024;
  rx_[q].legacy = bits_of(srrctl, 27, 25) == 0;
  rx_[q].drop = (srrctl & kSrrctlDropEn) != 0;
}

inline void Model82599::start_tx(std::uint32_t q) noexcept {
  using namespace model;
  using sim::FaultKind;
  const Offset base = tx_base(q), ctl = base + queue::kCtl;
  const Word value = registers().peek(ctl);
  if (!is(kDmaTxCtl, kDmaTxTe)) {
    registers().clear(ctl, kEnable);
    return complain(FaultKind::kSequence, ctl, "DMATXCTL.TE comes before ENABLE", value);
  }
  if (bits_of(value, 6, 0) + bits_of(value, 22, 16) > 40 && !quirks_.has(Quirk::kLargePthresh)) {
    complain(FaultKind::kRing, ctl, "PTHRESH + WTHRESH is at most 40, the descriptors on chip", value);
  }
  if (q >= 64 && registers().peek(kMtqc) == 0) {
    complain(FaultKind::kSequence, ctl, "without DCB or VT there are transmit queues 0 to 63", value);
  }
  TxRingState& ring = tx_[q];
  ring.contexts = {};
  ring.packet = {};
  ring.told_wthresh = false;
  const Word wbal = registers().peek(base + queue::kWbal);
  ring.write_back = 0;
  if ((wbal & 1) != 0) {
    ring.write_back = std::uint64_t{registers().peek(base + queue::kWbah)} << 32 | (wbal & ~Word{3});
    if ((wbal & 0xC) != 0) complain(FaultKind::kRing, base + queue::kWbal, "a head lies 16-byte aligned", wbal);
  }
  start_ring(ring, base);
}

/// ENABLE as written; what it reads is the queue's state.
inline void Model82599::write_enable(std::uint32_t q, bool transmit, bool wanted) noexcept {
  using namespace model;
  Ring& ring = transmit ? static_cast<Ring&>(tx_[q]) : rx_[q];
  const Offset base = transmit ? tx_base(q) : rx_base(q), ctl = base + queue::kCtl;
  switch (ring.state) {
    case Ring::State::kOff:
      if (wanted) transmit ? start_tx(q) : start_rx(q);
      return;
    case Ring::State::kStarting:
      registers().clear(ctl, kEnable);
      if (!wanted) stop_ring(ring, base);
      return;
    case Ring::State::kOn:
      if (!wanted) stop_ring(ring, base);
      return;
    case Ring::State::kStopping:
      registers().set(ctl, kEnable);
      if (wanted) complain(sim::FaultKind::kSequence, ctl, "ENABLE is set again only after it reads 0", 1);
      return;
  }
}
inline void Model82599::start_ring(model::Ring& ring, Offset base) noexcept {
  using namespace model;
  registers().clear(base + queue::kCtl, kEnable);
  ++changing_;
  ring.state = Ring::State::kStarting;
  ring.due = now() + card_.queue_time;
  if (card_.queue_time == Nanos{}) finish_ring(ring, base);
}
/// DMA ends at once, the bit follows.
inline void Model82599::stop_ring(model::Ring& ring, Offset base) noexcept {
  using namespace model;
  if (ring.state == Ring::State::kOn) ++changing_;
  ring.state = Ring::State::kStopping;
  ring.due = now() + card_.queue_time;
  registers().set(base + queue::kCtl, kEnable);
  list_queues();
  if (card_.queue_time == Nanos{}) finish_ring(ring, base);
}
inline void Model82599::finish_ring(model::Ring& ring, Offset base) noexcept {
  using namespace model;
  --changing_;
  if (ring.state == Ring::State::kStopping) {
    ring.state = Ring::State::kOff;
    registers().clear(base + queue::kCtl, kEnable);
  } else {
    ring.state = Ring::State::kOn;
    registers().set(base + queue::kCtl, kEnable);
    load_ring(ring, base);
  }
  list_queues();
}

/// Takes base, length and head from the registers; a ring that cannot be is reported and stays dead.
inline void Model82599::load_ring(model::Ring& ring, Offset base) noexcept {
  using namespace model;
  using sim::FaultKind;
  auto& regs = registers();
  const Word bytes = regs.peek(base + queue::kLen);
  ring.base = std::uint64_t{regs.peek(base + queue::kBah)} << 32 | regs.peek(base + queue::kBal);
  ring.count = bytes / kDescriptorBytes;
  ring.dead = bytes == 0 || ring.count > kMaxDescriptors;
  if (ring.dead && !quirks_.has(Quirk::kNonsenseRing)) {
    complain(FaultKind::kRing, base + queue::kLen, "a ring has 8 to 8192 descriptors when it is enabled", bytes);
  }
  if (const Word early = regs.peek(base + queue::kTail); early != 0) {
    regs.poke(base + queue::kTail, 0);
    complain(FaultKind::kSequence, base + queue::kTail, "a tail written before ENABLE reads 1 is lost", early);
  }
  if (const Word head = regs.peek(base + queue::kHead); head != 0) {
    regs.poke(base + queue::kHead, 0);
    complain(FaultKind::kSequence, base + queue::kHead, "the head is 0 when its queue is enabled", head);
  }
  ring.head = ring.tail = ring.seen = 0;
  forget_fetched();
}

inline void Model82599::list_queues() noexcept {
  rx_on_.count = tx_on_.count = 0;
  for (std::uint32_t q = 0; q < model::kQueues; ++q) {
    if (rx_[q].state == model::Ring::State::kOn) rx_on_.ids[rx_on_.count++] = static_cast<std::uint8_t>(q);
    if (tx_[q].state == model::Ring::State::kOn) tx_on_.ids[tx_on_.count++] = static_cast<std::uint8_t>(q);
  }
}

// ---- Doorbells ----------------------------------------------------------------------------------------------------

/// Looks at the tail register: a call behind it, or a plain store in shared memory.
inline void Model82599::see_tail(model::Ring& ring, Offset base) noexcept {
  using namespace model;
  const Offset at = base + queue::kTail;
  const Word tail = registers().peek(at);
  if (ring.state != Ring::State::kOn) {
    if (tail == 0) return;
    registers().poke(at, 0);
    return complain(sim::FaultKind::kSequence, at, "a tail written before ENABLE reads 1 is lost", tail);
  }
  if (tail == ring.seen) return;
  ring.seen = tail;
  if (ring.dead) return;
  if (tail >= ring.count) {
    if (quirks_.has(Quirk::kNonsenseRing)) return;
    return complain(sim::FaultKind::kRing, at, text::cat("the ring has ", ring.count, " descriptors"), tail);
  }
  if (!config().bus_master()) complain(sim::FaultKind::kSequence, at, "bus mastering is off", tail);
  ring.tail = tail;
}

}  // namespace pollux::ixgbe

// SPDX-License-Identifier: BSD-3-Clause
// Queues of the 82576 model, both directions: their registers, ENABLE and what must be right by then, doorbells,
// descriptors.
#pragma once
#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>

#include <pollux/igb/model_device.hpp>

namespace pollux::igb {

/// A write into the registers of a queue.
inline bool Model82576::on_queue_write(std::uint32_t at, std::uint32_t old, std::uint32_t v) noexcept {
  using namespace model;
  const bool transmits = at >= kTx;
  const std::uint32_t first = transmits ? kTx : kRx, q = (at - first) / kQueueStride, reg = at % kQueueStride;
  if (at < kRx || q >= kQueues) return false;
  Ring& ring = transmits ? static_cast<Ring&>(tx_[q]) : rx_[q];
  switch (reg) {
    case queue::kTail:
      see_tail(ring, at - reg);
      if (ring.runs()) (void)work();
      return true;
    case queue::kCtl:
      on_control(ring, at - reg, transmits, v);
      return true;
    case queue::kDca:
    case queue::kDropped:
      return true;
    default:
      on_set_up(ring, at, reg, old, v);
      return true;
  }
}

inline void Model82576::on_control(model::Ring& ring, std::uint32_t base, bool transmits, std::uint32_t v) noexcept {
  using namespace model;
  registers().clear(base + queue::kCtl, kSwflsh);
  const bool wanted = (v & kEnable) != 0;
  const bool again = wanted && ring.on && ring.dead && quirk(Quirk::kDpdkSetsUpWhileOn);
  if (wanted == ring.on && !again) return;
  ring.on = wanted;
  forget_fetched();
  if (!wanted) return;
  const std::uint32_t q = (base - (transmits ? kTx : kRx)) / kQueueStride;
  transmits ? start_tx(q) : start_rx(q);
  (void)work();
}

/// Where a ring lies, how long it is and what its descriptors are: aligned, and not changed under it.
inline void Model82576::on_set_up(const model::Ring& ring, std::uint32_t at, std::uint32_t reg, std::uint32_t old,
                                  std::uint32_t v) noexcept {
  using namespace model;
  const bool tested = quirk(Quirk::kLinuxTestsRegisters);
  if (reg == queue::kBal && v % kRingGranule != 0) {
    if (!tested) fault(Kind::kRing, at, "a ring starts at a multiple of 128", v);
    poke(at, v & ~(kRingGranule - 1));
  }
  if (reg == queue::kLen && v % kRingGranule != 0) {
    if (!tested) fault(Kind::kRing, at, "a ring's length is a multiple of 128 bytes", v);
    poke(at, peek(at) & ~15u);  // as long as that is what linux igb finds there
  }
  const bool nothing_runs = (tested || quirk(Quirk::kDpdkSetsUpWhileOn)) && ring.dead;
  const std::uint32_t loose = reg == queue::kSrrctl ? kDropEn : 0;  // that may
  if (!ring.on || nothing_runs || ((peek(at) ^ old) & ~loose) == 0) return;
  fault(Kind::kSequence, at, "does not change while its queue is enabled", v);
  poke(at, (old & ~loose) | (v & loose));
}

// ---- ENABLE -------------------------------------------------------------------------------------------------------

/// Takes base, length and head from the registers; a ring that cannot be is reported and stays dead.
inline void Model82576::start(model::Ring& ring, std::uint32_t base) noexcept {
  using namespace model;
  const std::uint32_t bytes = peek(base + queue::kLen);
  ring.base = std::uint64_t{peek(base + queue::kBah)} << 32 | peek(base + queue::kBal);
  ring.count = bytes / advanced::kDescriptorBytes;
  ring.dead = bytes == 0 || bytes % kRingGranule != 0;
  if (ring.dead && !quirk(Quirk::kLinuxTestsRegisters)) {
    fault(Kind::kRing, base + queue::kLen, "a ring has a multiple of 8 descriptors when it is enabled", bytes);
  }
  for (const std::uint32_t at : {base + queue::kTail, base + queue::kHead}) {
    const std::uint32_t early = peek(at);
    if (early == 0) continue;
    poke(at, 0);
    fault(Kind::kSequence, at, "head and tail are 0 when their queue is enabled", early);
  }
  ring.head = ring.tail = ring.seen = 0;
}
inline void Model82576::start_rx(std::uint32_t q) noexcept {
  using namespace model;
  const std::uint32_t base = rx_base(q), srrctl = peek(base + queue::kSrrctl), size = field(srrctl, 6, 0);
  start(rx_[q], base);
  if (rx_[q].dead) return;
  if (field(srrctl, 27, 25) != kOneBuffer) {
    fault(Kind::kRing, base + queue::kSrrctl, "DESCTYPE is 1 here: advanced, one buffer", srrctl);
    rx_[q].dead = true;
  }
  if (size > 16) fault(Kind::kRing, base + queue::kSrrctl, "BSIZEPACKET is at most 16 KB", size);
  const std::uint32_t by_rctl = 2048u >> field(peek(kRctl), 17, 16);
  rx_[q].buffer_bytes = size == 0 ? by_rctl : std::min(size, 16u) * 1024;
  rx_[q].warn_at = field(srrctl, 24, 20) * 16;
}
inline void Model82576::start_tx(std::uint32_t q) noexcept {
  using namespace model;
  const std::uint32_t base = tx_base(q), low = peek(base + queue::kWbal);
  start(tx_[q], base);
  tx_[q].contexts = {};
  tx_[q].packet = {};
  tx_[q].write_back = 0;
  if ((low & 1) != 0) tx_[q].write_back = std::uint64_t{peek(base + queue::kWbah)} << 32 | (low & ~3u);
}

// ---- Doorbells ----------------------------------------------------------------------------------------------------

/// Looks at the tail register: a call behind it, or a plain store in shared memory.
inline void Model82576::see_tail(model::Ring& ring, std::uint32_t base) noexcept {
  using namespace model;
  const std::uint32_t at = base + queue::kTail, tail = peek(at);
  if (!ring.on) {
    if (tail == 0) return;
    poke(at, 0);
    return fault(Kind::kSequence, at, "a tail written before ENABLE is lost", tail);
  }
  if (tail == ring.seen) return;
  ring.seen = tail;
  if (tail < ring.count && !ring.dead) {
    ring.tail = tail;
    if (!config().bus_master()) fault(Kind::kSequence, at, "bus mastering is off", tail);
  } else if (!quirk(Quirk::kLinuxTestsRegisters) || !ring.dead) {
    fault(Kind::kRing, at, text::cat("the ring has ", ring.dead ? 0 : ring.count, " descriptors"), tail);
  }
}
inline void Model82576::see_tails() noexcept {
  for (std::uint32_t q = 0; q < model::kQueues; ++q) {
    if (rx_[q].on) see_tail(rx_[q], model::rx_base(q));
    if (tx_[q].on) see_tail(tx_[q], model::tx_base(q));
  }
}

// ---- Descriptors --------------------------------------------------------------------------------------------------

/// Whether a descriptor of the next `n` is on its way here; asks for those that follow as well. Pre: the ring has them.
inline bool Model82576::awaits_descriptors(const model::Ring& ring, std::uint32_t n) noexcept {
  using namespace model::advanced;
  if (iommu().remote() == nullptr) return false;
  const std::uint32_t to_end = ring.count - ring.head, here = std::min(n, to_end);
  const std::uint32_t ahead = std::min({ring.available(), to_end, std::max(n, kDescriptorsAhead)});
  return awaits(ring.at(ring.head), here * std::size_t{kDescriptorBytes}, ahead * std::size_t{kDescriptorBytes}) ||
         (n > here && awaits(ring.base, (n - here) * std::size_t{kDescriptorBytes}));
}
/// The one at the head, or nullptr: the ring is dead then.
inline const std::byte* Model82576::fetch_descriptor(model::Ring& ring, const char* what) noexcept {
  const std::byte* memory = fetch(ring.at(ring.head), model::advanced::kDescriptorBytes, what);
  ring.dead = memory == nullptr;
  return memory;
}
inline void Model82576::descriptor_fault(const char* ring, std::uint32_t q, std::uint32_t index, std::string rule,
                                         std::uint64_t v) noexcept {
  faults().report({.kind = Kind::kDescriptor,
                   .device = registers().device(),
                   .where = text::cat(ring, " queue ", q, ", descriptor ", index),
                   .rule = std::move(rule),
                   .section = "82576 descriptor formats",
                   .value = v});
}

}  // namespace pollux::igb

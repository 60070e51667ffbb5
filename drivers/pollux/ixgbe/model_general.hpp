// SPDX-License-Identifier: BSD-3-Clause
// The 82599 model's general part: which register goes where, resets, time, EEPROM, semaphores, MDIO, I2C, counters.
#pragma once
#include <pollux/ixgbe/model_device.hpp>

namespace pollux::ixgbe {

// ---- Accesses -----------------------------------------------------------------------------------------------------

inline void Model82599::on_prepare_read(Offset offset) noexcept {
  using namespace model;
  settle();
  auto& regs = registers();
  if (const Offset real = canonical(offset); real != offset) regs.poke(offset, regs.peek(real));
  switch (offset) {
    case kStatus:
      regs.poke(kStatus, (link_up_ ? kStatusLinkUp : 0) | (is(kCtrl, kCtrlGioDis) ? 0 : kStatusMaster));
      break;
    case kLinks:
      regs.poke(kLinks, link_up_ ? kLinksUp & ~(link_dropped_ ? kLinksLatched : 0) : 0);
      break;
    case kEics:
      regs.poke(kEics, regs.peek(kEicr));
      break;
    case kEims:
      regs.poke(kEims, mask_word());
      break;
    case kEimsEx:
      regs.poke(kEimsEx, static_cast<Word>(vector_mask_));
      break;
    case kEimsEx + 4:
      regs.poke(kEimsEx + 4, static_cast<Word>(vector_mask_ >> 32));
      break;
    case kTfcs:
      regs.poke(kTfcs, paused_until_ > Nanos{} && now() < paused_until_ ? 1 : 0);
      break;
    case kFrTimer:
      regs.poke(kFrTimer, static_cast<Word>(now().count / 1000));
      break;
    default:
      break;
  }
}

inline Model82599::Word Model82599::on_after_read(Offset offset, Word value) noexcept {
  using namespace model;
  switch (offset) {
    case kEicr:
      return read_eicr(value);
    case kSwsm:
      registers().set(kSwsm, kSwsmSmbi);  // reading takes the semaphore
      return value;
    case kLinks:
      link_dropped_ = false;
      return value;
    case kRxStmpH:
      registers().clear(kTsyncRxCtl, bit(0));
      return value;
    case kTxStmpH:
      registers().clear(kTsyncTxCtl, bit(0));
      return value;
    default:
      if (offset >= 0x08680 && offset < 0x086C0) registers().poke(canonical(offset), 0);  // QPTC by its other name
      return read_pair(offset, value);
  }
}

inline void Model82599::on_after_write(Offset offset, Word old, Word value) noexcept {
  using namespace model;
  auto& regs = registers();
  settle();
  if (const Offset real = canonical(offset); real != offset) {
    old = regs.peek(real);
    regs.poke(real, regs.peek(offset));
    offset = real;
  }
  if (!quirks_.none()) {
    for (const IgnoredBits& i : kIgnoredBits) {
      const Offset n = (offset - i.offset) / i.stride;
      if (!quirks_.has(i.quirk) || offset < i.offset || n >= i.count || (offset - i.offset) % i.stride != 0) continue;
      regs.poke(offset, (regs.peek(offset) & ~i.bits) | (old & i.bits));
      value = (value & ~i.bits) | (old & i.bits);
    }
  }
  if (write_queue(offset, old, value) || write_general(offset, old, value) || write_interrupt(offset, old, value) ||
      write_receive(offset, old, value) || write_transmit(offset, old, value) || write_link(offset, old, value)) {
    fire();
    return;
  }
  if (quirks_.has(Quirk::kUnlistedOffsets) && regs.name(offset).starts_with(kUnlisted.name)) regs.poke(offset, 0);
}

/// Configuration space starts function-level resets, unmasks messages, lets DMA go on.
inline void Model82599::on_config_write() noexcept {
  if ((config().read(model::kCapPcie + 8, 2) & model::kDevCtlFlr) != 0) on_power_on();
  if (!model::msix_enabled(config()) && !model::msi_enabled(config())) legacy_armed_ = true;  // INTx may be allowed now
  fire();
}

inline bool Model82599::on_work() noexcept {
  settle();
  const bool sent = transmit_all();
  const bool received = receive_all();
  control_flow();
  fire();
  return sent || received;
}

// ---- Resets and time ----------------------------------------------------------------------------------------------

/// Power-on, function-level reset: configuration space, semaphores and MSI-X table too.
inline void Model82599::on_power_on() noexcept {
  config() = sim::ConfigMemory(identity().id, identity().revision);
  model::fill_config(config());
  registers().reset();
  msix_.reset();
  reset_units();
  load_from_nvm();
  wire_link_ = link_up_ = false;
  link_at_ = now() + card_.link_time;
  update_link(now());
}

/// CTRL.RST, or LNK_RST, which also loads AUTOC anew and trains the link. GIO_DIS goes with the rest of CTRL.
inline void Model82599::software_reset(bool link_too) noexcept {
  using namespace model;
  auto& regs = registers();
  constexpr Offset kKept[] = {kSwsm, kGssr, kAutoc, kAutoc2};
  Word kept[std::size(kKept)];
  for (std::size_t i = 0; i < std::size(kKept); ++i) kept[i] = regs.peek(kKept[i]);
  regs.reset();
  reset_units();
  load_from_nvm();
  for (std::size_t i = 0; i < (link_too ? 2 : std::size(kKept)); ++i) regs.poke(kKept[i], kept[i]);
  if (link_too) {
    wire_link_ = link_up_ = false;
    link_at_ = now() + card_.link_time;
  }
  resetting_ = card_.reset_time > Nanos{};
  reset_until_ = now() + card_.reset_time;
}

inline void Model82599::reset_units() noexcept {
  for (model::RxRingState& q : rx_) q = {};
  for (model::TxRingState& q : tx_) {
    std::vector<std::byte> room = std::move(q.bytes);
    room.clear();
    q = {};
    q.bytes = std::move(room);
  }
  rx_on_.count = tx_on_.count = changing_ = 0;
  for (sim::FrameQueue* queue : {&fifo_, &loop_, &outgoing_}) {
    while (!queue->front().empty()) queue->pop();
  }
  fifo_bytes_ = blocked_need_ = 0;
  vector_mask_ = pending_ = 0;
  cause_mask_ = 0;
  others_armed_ = legacy_armed_ = false;
  quiet_until_ = {};
  latches_ = {};
  paused_until_ = pause_again_ = {};
  sent_xoff_ = false;
  tuple_count_ = 0;
  interrupts().set_line(false);
  rss_stale_ = true;
}

/// What the EEPROM and single registers of runs give after a reset.
inline void Model82599::load_from_nvm() noexcept {
  using namespace model;
  auto& regs = registers();
  regs.poke(kRxPbSize, 0x0008'0000);
  regs.poke(0x0CC00, 0x0002'8000);  // TXPBSIZE[0]
  regs.poke(0x04950, 0x96);         // TXPBTHRESH[0]
  const auto& m = card_.mac.bytes;
  regs.poke(kRal, Word{m[0]} | Word{m[1]} << 8 | Word{m[2]} << 16 | Word{m[3]} << 24);
  regs.poke(kRah, kHigh | Word{m[4]} | Word{m[5]} << 8);
  list_addresses();
  if (card_.media == Personality::Media::kSfp) {
    regs.poke(kAutoc, 0x6200);        // LMS 3 (10G serial), 1G over SFI
    regs.poke(kAutoc2, 0x0002'0000);  // SFI
    regs.poke(kEsdp, sfp_.present() ? bit(2) : 0);
  }
  nvm_loading_ = card_.nvm_load_time > Nanos{};
  nvm_until_ = now() + card_.nvm_load_time;
  if (nvm_loading_) regs.clear(kEec, kEecArd);
}

/// Lets model time do what was due: resets end, the EEPROM is loaded, queues start and stop, the link comes.
inline void Model82599::settle() noexcept {
  using namespace model;
  const bool timed = resetting_ || nvm_loading_ || changing_ != 0;
  const bool medium = medium_up();
  if (!timed && medium == link_up_ && medium == wire_link_) return;
  const Nanos t = now();
  if (medium != link_up_ || medium != wire_link_) update_link(t);
  if (resetting_ && t >= reset_until_) {
    resetting_ = false;
    registers().clear(kCtrl, kCtrlRst | kCtrlLnkRst);
  }
  if (nvm_loading_ && t >= nvm_until_) {
    nvm_loading_ = false;
    registers().set(kEec, kEecArd);
  }
  if (changing_ != 0) settle_queues(t);
}

inline void Model82599::settle_queues(Nanos t) noexcept {
  for (std::uint32_t q = 0; q < model::kQueues; ++q) {
    const auto due = [t](const model::Ring& r) {
      return (r.state == model::Ring::State::kStarting || r.state == model::Ring::State::kStopping) && t >= r.due;
    };
    if (due(rx_[q])) finish_ring(rx_[q], model::rx_base(q));
    if (due(tx_[q])) finish_ring(tx_[q], model::tx_base(q));
  }
}

// ---- General registers --------------------------------------------------------------------------------------------

inline bool Model82599::write_general(Offset offset, Word old, Word value) noexcept {
  using namespace model;
  auto& regs = registers();
  switch (offset) {
    case kCtrl:
      return write_ctrl(value), true;
    case kEec:
      return move_spi(old, value), true;
    case kEerd:
      if ((value & 1) != 0) regs.poke(kEerd, (value & 0xFFFC) | 2 | Word{nvm_.read(bits_of(value, 15, 2))} << 16);
      return true;
    case kEewr:
      if ((value & 1) != 0) nvm_.write(bits_of(value, 15, 2), static_cast<std::uint16_t>(value >> 16));
      regs.poke(kEewr, (value & ~Word{1}) | 2);
      return true;
    case kSwsm:
      return true;  // both bits as written: writing 0 gives them back
    case kGssr:
      if (!is(kSwsm, kSwsmSwesmbi) && !quirks_.has(Quirk::kSemaphoreForced)) {
        complain(sim::FaultKind::kSequence, kGssr, "is written only while SWSM.SWESMBI is held", value);
      }
      return true;
    case kI2cCtl: {
      const bool clock = (value & 2) != 0;
      const bool data = sfp_.move(clock, (value & 8) != 0);
      regs.poke(kI2cCtl, (value & 0xA) | (clock ? 1 : 0) | (data ? 4 : 0));
      return true;
    }
    case kMsca:  // no PHY answers: the cycle ends at once, reads give 0
      regs.clear(kMsca, bit(30));
      if (bits_of(value, 27, 26) >= 2) regs.poke(kMsrwd, regs.peek(kMsrwd) & 0xFFFF);
      return true;
    case kHicr:
      regs.clear(kHicr, 1);
      return true;
    default:
      return false;
  }
}

inline void Model82599::write_ctrl(Word value) noexcept {
  using namespace model;
  if ((value & (kCtrlRst | kCtrlLnkRst)) == 0) return;
  software_reset((value & kCtrlLnkRst) != 0);
  registers().poke(kCtrl, resetting_ ? value & (kCtrlRst | kCtrlLnkRst) : 0);
}

inline void Model82599::move_spi(Word old, Word value) noexcept {
  using namespace model;
  const Word fixed = old & ~(kEecSk | kEecCs | kEecDi | kEecDo | kEecReq | kEecGnt | Word{0x30});
  const bool granted = (value & kEecReq) != 0;
  const bool out = spi_.move(granted && (value & kEecCs) == 0, (value & kEecSk) != 0, (value & kEecDi) != 0);
  const Word pins = value & (kEecSk | kEecCs | kEecDi | kEecReq | Word{0x30});
  registers().poke(kEec, fixed | pins | (granted ? kEecGnt : 0) | (out ? kEecDo : 0));
}

// ---- Counters -----------------------------------------------------------------------------------------------------

/// Adds to a 36-bit counter in two words.
inline void Model82599::count_pair(Offset low, std::uint64_t n) noexcept {
  auto& regs = registers();
  const std::uint64_t sum = (std::uint64_t{regs.peek(low + 4)} << 32 | regs.peek(low)) + n;
  regs.poke(low, static_cast<Word>(sum));
  regs.poke(low + 4, static_cast<Word>(sum >> 32) & 0xF);
}
/// One of the six size classes that start at `first`: 64, -127, -255, -511, -1023, above.
inline void Model82599::count_size(Offset first, std::size_t bytes) noexcept {
  const Offset i = bytes <= 64 ? 0 : bytes < 128 ? 1 : bytes < 256 ? 2 : bytes < 512 ? 3 : bytes < 1024 ? 4 : 5;
  count(first + 4 * i);
}
/// Reading the low word holds the high one; reading that takes the pair off the counter.
inline Model82599::Word Model82599::read_pair(Offset at, Word value) noexcept {
  auto& regs = registers();
  std::size_t slot = 0;
  for (const model::PairRun& run : model::kPairs) {
    const Offset i = (at - run.offset) / run.stride, within = (at - run.offset) % run.stride;
    if (at < run.offset || i >= run.count || within > 4) {
      slot += run.count;
      continue;
    }
    const Offset low = at - within;
    model::PairLatch& latch = latches_[slot + i];
    const std::uint64_t total = std::uint64_t{regs.peek(low + 4)} << 32 | regs.peek(low);
    if (within == 0 || !latch.held) latch = {true, total};
    if (within == 0) return value;
    const std::uint64_t left = total - latch.value;
    const auto high = static_cast<Word>(latch.value >> 32);
    latch.held = false;
    regs.poke(low, static_cast<Word>(left));
    regs.poke(low + 4, static_cast<Word>(left >> 32) & 0xF);
    return high;
  }
  return value;
}

inline void Model82599::complain_descriptor(const char* ring, std::uint32_t queue, std::uint32_t index,
                                            std::string rule, std::uint64_t value, const char* section) noexcept {
  faults().report({.kind = sim::FaultKind::kDescriptor,
                   .device = registers().device(),
                   .where = text::cat(ring, " descriptor ", index, " of queue ", queue),
                   .rule = std::move(rule),
                   .section = section,
                   .value = value});
}

}  // namespace pollux::ixgbe

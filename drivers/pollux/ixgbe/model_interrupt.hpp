// SPDX-License-Identifier: BSD-3-Clause
// The 82599 model's interrupts: causes, vectors, masks, throttling, and what goes out: MSI-X, MSI or INTx.
#pragma once
#include <bit>

#include <pollux/ixgbe/model_device.hpp>

namespace pollux::ixgbe {

inline bool Model82599::write_interrupt(Offset offset, Word, Word value) noexcept {
  using namespace model;
  auto& regs = registers();
  const auto wide = [value](Offset at, Offset base) { return std::uint64_t{value} << (at == base ? 0 : 32); };
  switch (offset) {
    case kEicr:  // W1C; a queue's cause goes with its pending vector
      pending_ &= ~std::uint64_t{value & kCauseQueues};
      return true;
    case kEics:
      set_causes(value);
      return true;
    case kEims:
      set_mask(value, value & kCauseQueues);
      return true;
    case kEimc:
      cause_mask_ &= ~value;
      vector_mask_ &= ~std::uint64_t{value & kCauseQueues};
      return true;
    case kEicsEx:
    case kEicsEx + 4:
      regs.poke(offset, 0);
      set_vectors(wide(offset, kEicsEx));
      return true;
    case kEimsEx:
    case kEimsEx + 4:
      set_mask(0, wide(offset, kEimsEx));
      return true;
    case kEimcEx:
    case kEimcEx + 4:
      vector_mask_ &= ~wide(offset, kEimcEx);
      return true;
    case kGpie:
      return true;
    default:
      return write_eitr(offset, value);
  }
}
/// EITR: two runs. CNT_WDIS = 0 writes the counter too: the next event fires at once.
inline bool Model82599::write_eitr(Offset offset, Word value) noexcept {
  using namespace model;
  const bool low = offset >= kEitr && offset < kEitr + 4 * 24;
  if (!low && (offset < kEitrHigh || offset >= kEitrHigh + 4 * 104)) return false;
  const std::uint32_t v = low ? (offset - kEitr) / 4 : 24 + (offset - kEitrHigh) / 4;
  if ((value & kHigh) == 0) quiet_until_[v] = {};
  registers().clear(offset, kHigh);
  return true;
}

/// Enables causes 30:16 and vectors. What is still pending behind them fires again.
inline void Model82599::set_mask(Word causes, std::uint64_t vectors) noexcept {
  using namespace model;
  cause_mask_ |= causes & kCauseOthers;
  vector_mask_ |= vectors;
  const Word eicr = registers().peek(kEicr);
  pending_ |= vectors & (eicr & kCauseQueues);
  if ((eicr & causes & kCauseOthers) != 0) others_armed_ = true;
  legacy_armed_ = true;
}
/// EICS. A bit of EIAM is also unmasked. [linux]
inline void Model82599::set_causes(Word causes) noexcept {
  using namespace model;
  registers().set(kEicr, causes & 0x7FFF'FFFF);
  if (is(kGpie, kGpieMsix)) pending_ |= causes & kCauseQueues;
  const Word unmasked = causes & registers().peek(kEiam);
  set_mask(unmasked, unmasked & kCauseQueues);
  if ((causes & kCauseOthers) != 0) others_armed_ = true;
  if (is(kGpie, kGpieEimen)) quiet_until_ = {};  // fires at once, whatever EITR says
}
inline void Model82599::set_vectors(std::uint64_t vectors) noexcept {
  pending_ |= vectors;
  registers().set(model::kEicr, static_cast<Word>(vectors) & model::kCauseQueues);
  legacy_armed_ = true;
}

/// A descriptor of the queue was written back.
inline void Model82599::raise_queue(std::uint32_t queue, bool transmit) noexcept {
  using namespace model;
  const Word ivar = registers().peek(kIvar + queue / 2 * 4);
  const Word entry = ivar >> (16 * (queue & 1) + (transmit ? 8 : 0)) & 0xFF;
  if ((entry & kIvarValid) == 0) return;
  const std::uint32_t v = entry & 0x3F;
  if (is(kGpie, kGpieMsix)) pending_ |= std::uint64_t{1} << v;
  if (v < 16) registers().set(kEicr, bit(v));
  legacy_armed_ = true;
}
inline void Model82599::raise_other(Word causes) noexcept {
  registers().set(model::kEicr, causes);
  others_armed_ = legacy_armed_ = true;
}

/// Reading EICR clears it; GPIE.OCD keeps the queues' causes; EIAM masks what was read (INTx, MSI).
/// NOTE(unconfirmed): OCD as "only bits 29:16 are cleared on read".
inline Model82599::Word Model82599::read_eicr(Word value) noexcept {
  using namespace model;
  auto& regs = registers();
  if (is(kGpie, kGpieMsix)) {
    if (is(kGpie, kGpieOcd)) regs.poke(kEicr, value & 0xC000'FFFF);
    if (!is(kGpie, kGpieOcd)) pending_ &= ~std::uint64_t{value & kCauseQueues};
  } else {
    const Word masked = value & regs.peek(kEiam);
    cause_mask_ &= ~masked;
    vector_mask_ &= ~std::uint64_t{masked & kCauseQueues};
  }
  fire();
  return value;
}

/// Sends what may be sent now. Cheap when nothing is pending.
inline void Model82599::fire() noexcept {
  using namespace model;
  if (msix_.held() != 0) release_held();
  if (is(kGpie, kGpieMsix)) {
    if ((pending_ & vector_mask_) != 0) fire_msix();
    if (others_armed_) fire_others();
  } else if (legacy_armed_ || interrupts().line()) {
    fire_legacy();
  }
}
inline void Model82599::fire_msix() noexcept {
  using namespace model;
  auto& regs = registers();
  const Nanos t = now();
  for (std::uint64_t left = pending_ & vector_mask_; left != 0; left &= left - 1) {
    const auto v = static_cast<std::uint32_t>(std::countr_zero(left));
    if (throttled(v, t)) continue;
    pending_ &= ~(std::uint64_t{1} << v);
    if (v < 16) regs.clear(kEicr, bit(v) & regs.peek(kEiac));
    send_vector(v);
  }
}
/// Causes 30:16 go to the vector of IVAR_MISC: TCP timer by byte 0, the others by byte 1; EIMS alone gates them.
inline void Model82599::fire_others() noexcept {
  using namespace model;
  auto& regs = registers();
  const Word misc = regs.peek(kIvarMisc);
  const Word causes = regs.peek(kEicr) & cause_mask_ & kCauseOthers;
  bool waits = false;
  for (const auto& [entry, mine] :
       {std::pair{misc & 0xFF, causes & kCauseTcpTimer}, std::pair{misc >> 8 & 0xFF, causes & ~kCauseTcpTimer}}) {
    if (mine == 0 || (entry & kIvarValid) == 0) continue;
    const std::uint32_t v = entry & 0x3F;
    if (throttled(v, now())) {
      waits = true;
      continue;
    }
    regs.clear(kEicr, mine & regs.peek(kEiac));
    if (is(kGpie, kGpieEiame)) cause_mask_ &= ~(mine & regs.peek(kEiam));
    send_vector(v);
  }
  others_armed_ = waits;
}
/// One line or one message for all causes, queue bits included.
inline void Model82599::fire_legacy() noexcept {
  using namespace model;
  const bool active = (registers().peek(kEicr) & mask_word() & 0x7FFF'FFFF) != 0;
  const bool message = msix_enabled(config()) || msi_enabled(config());
  if (!message) {
    const bool off = (config().read(pci_config::kCommand, 2) & pci_config::kCommandIntxDisable) != 0;
    if (active && !interrupts().line() && throttled(0, now())) return;
    interrupts().set_line(active && !off);
    legacy_armed_ = false;
    return;
  }
  if (active && throttled(0, now())) return;
  legacy_armed_ = false;
  if (active) send_vector(0);
}

/// Whether vector v's interval still runs; when not, it is loaded: the caller sends now.
inline bool Model82599::throttled(std::uint32_t v, Nanos t) noexcept {
  using namespace model;
  if (t < quiet_until_[v]) return true;
  const Word interval = bits_of(registers().peek(v < 24 ? kEitr + 4 * v : kEitrHigh + 4 * (v - 24)), 11, 3);
  if (interval != 0) quiet_until_[v] = t + Nanos{std::int64_t{interval} * 2048};
  return false;
}
/// A message for vector v, held back while the table masks it; auto-mask by EIAM_EX. With MSI-X off in configuration
/// space but GPIE.MSIX_MODE on, a backend without a table plays the kernel's part: the message goes out as it is.
inline void Model82599::send_vector(std::uint32_t v) noexcept {
  using namespace model;
  if (is(kGpie, kGpieMsix) && is(kGpie, kGpieEiame)) {
    const std::uint64_t ex = std::uint64_t{registers().peek(kEiamEx + 4)} << 32 | registers().peek(kEiamEx);
    vector_mask_ &= ~(ex & std::uint64_t{1} << v);
  }
  if (!config().bus_master()) return;  // a message is a DMA write
  if (!msix_enabled(config())) return interrupts().message(v);
  if (msix_.masked(v) || msix_all_masked(config())) return msix_.hold(v);
  interrupts().message(v);
}
/// Messages that were held back and are unmasked now.
inline void Model82599::release_held() noexcept {
  using namespace model;
  if (msix_all_masked(config())) return;
  for (std::uint64_t left = msix_.held(); left != 0; left &= left - 1) {
    const auto v = static_cast<std::uint32_t>(std::countr_zero(left));
    if (!msix_.masked(v) && msix_.take(v)) interrupts().message(v);
  }
}

}  // namespace pollux::ixgbe

// SPDX-License-Identifier: BSD-3-Clause
// The 82576 model's interrupts: causes, vectors, masks, intervals, and what goes out: MSI-X, MSI or INTx.
//
// With GPIE.MSIX_MODE each queue, and all other causes together, have an entry of IVAR: a bit of EICR and a message.
// Without it, one interrupt tells of everything that ICR and EICR have and IMS and EIMS let through; with MSI-X on in
// configuration space it is message 0.
#pragma once
#include <bit>
#include <cstdint>

#include <pollux/igb/model_device.hpp>

namespace pollux::igb {

inline bool Model82576::on_interrupt_write(std::uint32_t at, std::uint32_t old, std::uint32_t v) noexcept {
  using namespace model;
  switch (at) {
    case kIcr:
      return true;
    case kIcs:
      raise_cause(v & cause::kAll);
      return true;
    case kIms:
      tell_others(v & cause::kAll);
      return true;
    case kImc:
      registers().clear(kIms, v);
      return true;
    case kEics:
      raise_vectors(v & kEicrAll);
      return true;
    case kEims:
      pending_ |= v & peek(kEicr);
      armed_ = true;
      return true;
    case kEimc:
      registers().clear(kEims, v);
      return true;
    case kEicr:
      pending_ &= ~v;
      return true;
    case kEiac:
      if (v != 0 && !msix_mode()) {
        fault(Kind::kSequence, at, "GPIE.MSIX_MODE comes first", v);
        poke(at, old);
      }
      return true;
    default:
      break;
  }
  if ((at >= kIvar && at < kIvar + 32) || at == kIvarMisc) {
    for (unsigned i = 0; i < 32; i += 8) {
      const std::uint32_t entry = v >> i & 0xFF;
      if ((entry & kIvarValid) != 0 && (entry & 0x1F) >= kVectors) {
        fault(Kind::kReservedBit, at, text::cat("vectors are 0 to ", kVectors - 1), v);
      }
    }
    return true;
  }
  if (at < kEitr || at >= kEitr + 4 * kVectors) return false;
  // Without CNT_IGNR the counter is written too: the next event fires at once.
  if ((v & bit(31)) == 0) quiet_until_[(at - kEitr) / 4] = {};
  registers().clear(at, bits(31, 21));
  return true;
}

// ---- Causes -------------------------------------------------------------------------------------------------------

inline void Model82576::raise_cause(std::uint32_t causes) noexcept {
  registers().set(model::kIcr, causes);
  tell_others(causes);
}
/// Causes were set or unmasked: those that ICR and IMS have reach the vector of IVAR_MISC's second byte.
inline void Model82576::tell_others(std::uint32_t causes) noexcept {
  using namespace model;
  if ((causes & peek(kIcr) & peek(kIms)) == 0) return;
  const std::uint32_t entry = field(peek(kIvarMisc), 15, 8);
  if (!msix_mode()) {
    armed_ = true;
  } else if ((entry & kIvarValid) != 0) {
    raise_vectors(1u << (entry & 0x1F));
  }
}
/// A descriptor of the queue was written back.
inline void Model82576::raise_queue(std::uint32_t q, bool transmits) noexcept {
  using namespace model;
  const std::uint32_t entry = peek(kIvar + 4 * (q % 8)) >> (16 * (q / 8) + (transmits ? 8 : 0)) & 0xFF;
  if ((entry & kIvarValid) != 0) raise_vectors(1u << (entry & 0x1F));
  if (!msix_mode()) raise_cause(transmits ? cause::kTxdw : cause::kRxdw);
}
inline void Model82576::raise_vectors(std::uint32_t vectors) noexcept {
  registers().set(model::kEicr, vectors);
  pending_ |= vectors;
  armed_ = true;
}

/// Reading ICR clears it; without GPIE.NSICR only when something was asserted or nothing is unmasked. IAM masks what
/// was asserted, if CTRL_EXT.IAME. [82576 GPIE]
inline std::uint32_t Model82576::after_icr_read(std::uint32_t v) noexcept {
  using namespace model;
  const bool asserted = (v & cause::kAsserted) != 0;
  if (!is(kGpie, kNsicr) && !asserted && peek(kIms) != 0) poke(kIcr, v);
  if (asserted && is(kCtrlExt, kCtrlExtIame)) registers().clear(kIms, peek(kIam));
  fire();
  return v;
}

// ---- Out ----------------------------------------------------------------------------------------------------------

/// Sends what may be sent now. Cheap when nothing is pending.
inline void Model82576::fire() noexcept {
  if (msix_mode()) {
    if ((pending_ & peek(model::kEims)) != 0) fire_vectors();
  } else if (armed_ || interrupts().line()) {
    fire_one();
  }
}
inline void Model82576::fire_vectors() noexcept {
  using namespace model;
  if (!config().bus_master() || (config().read(kMsix + 2, 2) & 0x4000) != 0) return;  // function mask
  for (std::uint32_t left = pending_ & peek(kEims) & bits(24, 0); left != 0; left &= left - 1) {
    const auto v = static_cast<std::uint32_t>(std::countr_zero(left));
    if (throttled(v)) continue;
    pending_ &= ~bit(v);
    registers().clear(kEicr, bit(v) & peek(kEiac));
    if (is(kGpie, kEiame)) registers().clear(kEims, bit(v) & peek(kEiam));
    send_message(v);
  }
}
inline bool Model82576::active() noexcept {
  using namespace model;
  return (peek(kIcr) & peek(kIms) & cause::kAll) != 0 || (peek(kEicr) & peek(kEims)) != 0;
}
inline void Model82576::fire_one() noexcept {
  const bool on = active();
  const bool messages = (config().read(kMsix + 2, 2) & 0x8000) != 0 || (config().read(kMsi + 2, 2) & 1) != 0;
  if (on && (messages || !interrupts().line()) && throttled(0)) return;  // again in pass_time
  armed_ = false;
  if (messages) {
    interrupts().set_line(false);
    if (on && config().bus_master()) send_message(0);
    return;
  }
  const bool off = (config().read(pci_config::kCommand, 2) & pci_config::kCommandIntxDisable) != 0;
  if (on && !off && !interrupts().line()) count(model::stat::kIac);
  interrupts().set_line(on && !off);
}
inline void Model82576::send_message(std::uint32_t v) noexcept {
  count(model::stat::kIac);
  interrupts().message(v);
}
/// Whether vector v's interval still runs; when not, it is loaded: the caller sends now. [us in bits 14:2]
inline bool Model82576::throttled(std::uint32_t v) noexcept {
  using namespace model;
  if (now() < quiet_until_[v]) return true;
  const std::uint32_t interval = field(peek(kEitr + 4 * v), 14, 2);
  if (interval != 0) quiet_until_[v] = now() + Nanos{std::int64_t{interval} * 1000};
  return false;
}

}  // namespace pollux::igb

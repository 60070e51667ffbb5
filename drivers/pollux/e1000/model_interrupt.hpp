// SPDX-License-Identifier: BSD-3-Clause
// The 82574 model's interrupts: causes, INTx, MSI and MSI-X.
#pragma once
#include <cstdint>
#include <utility>

#include <pollux/e1000/model_device.hpp>

namespace pollux::e1000 {

inline bool Model82574::on_interrupt_write(std::uint32_t at, std::uint32_t v) noexcept {
  switch (at) {
    case Icr::offset():
      update_level();
      return true;
    case Ics::offset():
      raise_cause(v & causes());
      return true;
    case Ims::offset():
      signal(peek(Icr::offset()) & v);
      return true;
    case Imc::offset():
      registers().clear(Ims::offset(), v);
      update_level();
      return true;
    case Rdtr::offset():
      if (value<Rdtr>()[Rdtr::fpd]) {
        put(Rdtr::fpd(false));
        end_delay(rx_delay_);
      }
      return true;
    case Tidv::offset():
      if (value<Tidv>()[model::TidvMore::fpd]) {
        put(model::TidvMore::fpd(false));
        end_delay(tx_delay_);
      }
      return true;
    default:
      return false;
  }
}

inline void Model82574::raise_cause(std::uint32_t causes) noexcept {
  if ((causes & model::cause::kOtherCauses) != 0) causes |= model::cause::kOther;
  registers().set(Icr::offset(), causes);
  signal(causes);
}
inline std::uint32_t Model82574::active() noexcept { return peek(Icr::offset()) & peek(Ims::offset()) & causes(); }
inline bool Model82574::intx_off() noexcept {
  return (config().read(pci_config::kCommand, 2) & pci_config::kCommandIntxDisable) != 0;
}

/// These causes were set or unmasked: tells the host, the way it asked for.
inline void Model82574::signal(std::uint32_t causes) noexcept {
  if (!msix_on()) return update_level();
  for (unsigned i = 0; i < kVectors; ++i) {  // RXQ0, RXQ1, TXQ0, TXQ1, OTHER: bits 20 to 24, nibbles of IVAR
    const std::uint32_t one = model::cause::kRxq0 << i;
    const std::uint32_t entry = peek(Ivar::offset()) >> (4 * i) & 0xF;
    constexpr std::uint32_t kValid = 8;
    if ((causes & one & active()) == 0 || (entry & kValid) == 0) continue;
    if (const std::uint32_t vector = entry & 7; vector < kVectors) throttled_[vector].causes |= one;
  }
  send_throttled();
}

/// INTx line, or one MSI for each time something gets active. [8254x 13.4.17]
inline void Model82574::update_level() noexcept {
  const bool on = active() != 0 && !msix_on();
  if (!on) {
    message_sent_ = false;
    interrupts().set_line(false);
    return;
  }
  if (message_sent_) {
    interrupts().set_line(!msi_on() && !intx_off());
    return;
  }
  const Nanos gap{std::int64_t{value<Itr>()[Itr::interval]} * 256};
  if (gap > Nanos{} && last_interrupt_ > Nanos{} && now() < last_interrupt_ + gap) return;  // again in pass_time
  last_interrupt_ = now();
  message_sent_ = true;
  count(model::stat::kIac);
  if (msi_on()) return interrupts().message(0);
  interrupts().set_line(!intx_off());
}

/// MSI-X messages whose interval has passed. [82574 EITR, EIAC, CTRL_EXT.EIAME]
inline void Model82574::send_throttled() noexcept {
  if (!msix_on()) {
    if (active() != 0 && !message_sent_) update_level();
    return;
  }
  if ((config().read(kMsix + 2, 2) >> 14 & 1) != 0) return;  // function mask
  for (unsigned v = 0; v < kVectors; ++v) {
    Throttle& t = throttled_[v];
    const Nanos gap{std::int64_t{value<Eitr>(v)[Eitr::interval]} * 256};
    if (t.causes == 0 || (t.sent_any && gap > Nanos{} && now() < t.last + gap)) continue;
    const std::uint32_t causes = std::exchange(t.causes, 0);
    t.last = now();
    t.sent_any = true;
    count(model::stat::kIac);
    interrupts().message(v);
    clear_after_message(causes);
  }
}
inline void Model82574::clear_after_message(std::uint32_t causes) noexcept {
  const auto ctrl_ext = value<CtrlExt>();
  const std::uint32_t cleared = causes & peek(Eiac::offset());
  registers().clear(Icr::offset(), cleared);
  if (!ctrl_ext[CtrlExt::iame]) registers().clear(Ims::offset(), cleared);
  if (ctrl_ext[CtrlExt::eiame]) { registers().clear(Ims::offset(), causes & peek(Iam::offset())); }
}
inline void Model82574::after_icr_read(std::uint32_t v) noexcept {
  const bool asserted = reg::Value<Icr>{v}[Icr::int_asserted];
  if (asserted && value<CtrlExt>()[CtrlExt::iame]) { registers().clear(Ims::offset(), peek(Iam::offset())); }
  for (Throttle& t : throttled_) t.causes = 0;
  update_level();
}

// ---- Delays [8254x 13.4.30, 13.4.31, 13.4.41, 13.4.44] -------------------------------------------------------------

/// Holds causes back until no more have come for `packet`, or `absolute` after the first [1.024 us]; absolute 0: no
/// such limit. NOTE(missing): whether MSI-X knows these timers; it does here.
inline void Model82574::delay(Delay& held, std::uint32_t causes, std::int64_t packet, std::int64_t absolute) noexcept {
  if (packet == 0) {  // at once, and what was held back with it
    causes |= std::exchange(held.causes, 0);
    return raise_cause(causes);
  }
  constexpr std::int64_t kUnit = 1024;  // [ns]
  if (held.causes == 0) held.limit = now() + Nanos{absolute * kUnit};
  held.causes |= causes;
  held.due = now() + Nanos{packet * kUnit};
  held.limited = absolute != 0 && held.limit < held.due;
  if (held.limited) held.due = held.limit;
}
inline void Model82574::end_delay(Delay& held) noexcept {
  const std::uint32_t causes = std::exchange(held.causes, 0);
  if (causes == 0) return;
  count(held.limited ? held.absolute_counter : held.packet_counter);
  raise_cause(causes);
}

}  // namespace pollux::e1000

// SPDX-License-Identifier: BSD-3-Clause
// The 82574 model's general part: which access does what, resets, NVM, time, configuration space.
#pragma once
#include <algorithm>
#include <array>
#include <cstdint>
#include <iterator>
#include <string>
#include <utility>

#include <pollux/e1000/model_device.hpp>

namespace pollux::e1000 {

// ---- Accesses ------------------------------------------------------------------------------------------------------

inline void Model82574::prepare_read(std::uint32_t offset) noexcept {
  pass_time();
  if (const std::uint32_t at = model::canonical(offset); at != offset) poke(offset, peek(at));
  if (offset == Icr::offset() && (peek(Icr::offset()) & peek(Ims::offset())) != 0) { put(Icr::int_asserted(true)); }
}
inline std::uint32_t Model82574::after_read(std::uint32_t offset, std::uint32_t v) noexcept {
  if (offset == Icr::offset()) after_icr_read(v);
  if (offset == model::Swsm::offset()) put(model::Swsm::smbi(true));
  clear_pair(offset);
  return v;
}

inline void Model82574::after_write(std::uint32_t offset, std::uint32_t old, std::uint32_t v) noexcept {
  const std::uint32_t at = model::canonical(offset);
  if (at != offset) {
    old = peek(at);
    poke(at, peek(offset));
  }
  restore_ignored(at, old);
  if (resetting_ && now() < reset_done_ && at != Ctrl::offset()) {
    fault(Kind::kSequence, at, "written while the reset is under way", v);
    poke(at, old);  // lost
    return;
  }
  pass_time();
  for (unsigned q = 0; q < kQueues; ++q) {
    if (on_ring_write(rx_[q], Rctl::offset(), value<Rctl>()[Rctl::en], at, old, v) ||
        on_ring_write(tx_[q], Tctl::offset(), value<Tctl>()[Tctl::en], at, old, v)) {
      return;
    }
  }
  if (!on_general_write(at, old, v) && !on_interrupt_write(at, v)) on_queue_write(at, old, v);
}

inline bool Model82574::on_general_write(std::uint32_t at, std::uint32_t old, std::uint32_t v) noexcept {
  switch (at) {
    case Ctrl::offset():
      on_ctrl(old);
      return true;
    case Eecd::offset():
      grant_nvm(v);
      return true;
    case sim::gigabit::kEerd:
      read_nvm();
      return true;
    case sim::gigabit::kEewr:
      if (write_nvm() && quirk(Quirk::kQemuEewrDoneInEerd))
        registers().set(sim::gigabit::kEerd, sim::gigabit::kNvmDone);
      return true;
    case CtrlExt::offset():
      if (value<CtrlExt>()[model::CtrlExtMore::ee_rst]) {
        put(model::CtrlExtMore::ee_rst(false));
        begin_nvm_load();
      }
      return true;
    case Mdic::offset():
      on_mdic(v);
      return true;
    case ExtcnfCtrl::offset():
      if (firmware_has_mdio_) put(ExtcnfCtrl::mdio_sw_ownership(false));
      return true;
    case Pba::offset():
      put(Pba::txa.from(kPacketBufferKib - std::min(kPacketBufferKib, value<Pba>()[Pba::rxa])));
      return true;
    default:
      return false;
  }
}

inline void Model82574::on_queue_write(std::uint32_t at, std::uint32_t old, std::uint32_t v) noexcept {
  if (at == Rctl::offset()) {
    const auto rctl = value<Rctl>();
    if (rctl[Rctl::bsex] && rctl[Rctl::bsize] == 0) fault(Kind::kReservedBit, at, "BSIZE 0 with BSEX is reserved", v);
    if (rctl[Rctl::lbm] == 1 || rctl[Rctl::lbm] == 2) fault(Kind::kReservedBit, at, "LBM is 0 or 3", v);
    if (rctl[Rctl::dtyp] > 1) fault(Kind::kReservedBit, at, "DTYP is 0 or 1", v);
    if (rctl[Rctl::dtyp] == 1 && !value<Rfctl>()[Rfctl::exten]) {
      fault(Kind::kSequence, at, "DTYP 1 needs RFCTL.EXTEN", v);
    }
    if (rctl[Rctl::en] && !reg::Value<Rctl>{old}[Rctl::en]) wake(rx_);
    (void)work();
  }
  if (at == Tctl::offset()) {
    const auto tctl = value<Tctl>();
    if (tctl[Tctl::swxoff]) {
      put(Tctl::swxoff(false));
      send_pause(value<Fcttv>()[Fcttv::ttv]);
    }
    if (tctl[Tctl::en] && !reg::Value<Tctl>{old}[Tctl::en]) wake(tx_);
    (void)work();
  }
  if (at == Tarc::offset({0}) || at == Tarc::offset({1})) (void)work();
}
inline void Model82574::descriptor_fault(const Ring& ring, std::uint32_t index, std::string rule,
                                         std::uint64_t v) noexcept {
  faults().report({.kind = Kind::kDescriptor,
                   .device = registers().device(),
                   .where = text::cat(ring.name, ", descriptor ", index / stride(ring)),
                   .rule = std::move(rule),
                   .section = "82574 descriptor formats",
                   .value = v});
}

// ---- Reset and NVM -------------------------------------------------------------------------------------------------

inline void Model82574::on_ctrl(std::uint32_t old) noexcept {
  const auto ctrl = value<Ctrl>();
  if (ctrl[Ctrl::rst]) return begin_reset();
  reset_phy_by_ctrl(reg::Value<Ctrl>{old}[Ctrl::phy_rst]);
  (void)work();
}

/// CTRL.RST: everything but what only power-on resets; the bits written with it are lost. [8254x 13.4.1]
inline void Model82574::begin_reset() noexcept {
  constexpr std::uint32_t kKept[] = {Pba::offset(), model::Pbs::offset(), model::Fla::offset(), model::Swsm::offset(),
                                     ExtcnfCtrl::offset()};
  std::uint32_t kept[std::size(kKept)];
  for (std::size_t i = 0; i < std::size(kKept); ++i) kept[i] = peek(kKept[i]);
  power_on();
  for (std::size_t i = 0; i < std::size(kKept); ++i) poke(kKept[i], kept[i]);
  if (quirk(Quirk::kQemuVetLostOnReset)) poke(Vet::offset(), 0);
  put(Ctrl::rst(true));
  resetting_ = true;
  reset_done_ = now() + config_.reset;
  pass_time();
}
inline void Model82574::power_on() noexcept {
  registers().reset();
  for (unsigned q = 0; q < kQueues; ++q) {
    rx_[q] = ring_of<Rdbal, Rdbah, Rdlen, Rdh, Rdt>(q == 0 ? "RX queue 0" : "RX queue 1", q);
    tx_[q] = ring_of<Tdbal, Tdbah, Tdlen, Tdh, Tdt>(q == 0 ? "TX queue 0" : "TX queue 1", q);
    outgoing_[q] = {};
  }
  context_ = {};
  fifo_.clear();
  fifo_bytes_ = 0;
  rx_delay_.causes = tx_delay_.causes = 0;
  throttled_ = {};
  message_sent_ = false;
  resetting_ = false;
  power_on_mac();
  if (quirk(Quirk::kQemuLinkUpAtReset)) phy().end_negotiation(now());
  update_link();
  update_level();
}
inline void Model82574::reset_device() noexcept {
  power_on();
  finish_nvm_load();
}

inline void Model82574::set_up_nvm() noexcept {
  nvm()[0x0D] = kIdentity.id.device;
  nvm()[0x0E] = kIdentity.id.vendor;
  set_nvm_checksum();
}

// ---- Time ----------------------------------------------------------------------------------------------------------

/// What has become due since the last look.
inline void Model82574::pass_time() noexcept {
  const Nanos t = now();
  if (resetting_ && t >= reset_done_) {
    resetting_ = false;
    put(Ctrl::rst(false));
  }
  pass_mac_time(resetting_);
  for (Delay* delay : {&rx_delay_, &tx_delay_}) {
    if (delay->causes != 0 && t >= delay->due) end_delay(*delay);
  }
  send_throttled();
}

inline bool Model82574::loopback() noexcept { return value<Rctl>()[Rctl::lbm] == 3 || phy().loops(); }

inline bool Model82574::work() noexcept {
  pass_time();
  if (resetting_) return false;
  bool moved = drain();
  for (unsigned q = 0; q < kQueues; ++q) moved |= transmit(q);
  moved |= take_off_wire(awaiting_);
  return moved;
}

// ---- Configuration space -------------------------------------------------------------------------------------------

inline void Model82574::set_up_configuration_space() noexcept {
  sim::ConfigMemory& c = config();
  c.add_memory_bar(0, kBarBytes, false);
  c.add_memory_bar(1, 128 * 1024, false);  // flash
  c.set32(0x18, 1);                        // I/O
  c.allow32(0x18, ~31u);
  c.add_memory_bar(3, 16 * 1024, false);  // MSI-X
  c.set16(0x2C, 0x8086);                  // subsystem
  c.add_capability(0x11, kMsix, std::array<std::uint8_t, 10>{4, 0, 3, 0, 0, 0, 3, 0x20, 0, 0});
  c.allow16(kMsix + 2, 0xC000);                                      // enable, function mask
  c.add_capability(0x10, 0xE0, std::array<std::uint8_t, 18>{1});     // PCIe endpoint, no FLR
  c.allow16(0xE8, 0x7FFF);                                           // device control
  c.allow16(0xF0, 0x01FB);                                           // link control: ASPM
  c.add_capability(0x05, kMsi, std::array<std::uint8_t, 12>{0x80});  // 64-bit address, one message
  c.allow16(kMsi + 2, 0x0071);
  c.allow32(kMsi + 4, ~3u);
  c.allow32(kMsi + 8, ~0u);
  c.allow16(kMsi + 12, 0xFFFF);
  c.add_capability(0x01, 0xC8, std::array<std::uint8_t, 6>{0x22, 0xC8});  // power management
  c.allow16(0xCC, 0x8103);
  c.set32(0x100, 0x1401'0001);  // advanced error reporting, then
  c.set32(0x140, 0x0001'0003);  // device serial number: the MAC with FF FF in its middle
  const auto mac = [&](std::size_t i) { return std::uint32_t{config_.mac.bytes[i]}; };
  c.set32(0x144, mac(5) | mac(4) << 8 | mac(3) << 16 | 0xFF00'0000u);
  c.set32(0x148, 0xFFu | mac(2) << 8 | mac(1) << 16 | mac(0) << 24);
}

}  // namespace pollux::e1000

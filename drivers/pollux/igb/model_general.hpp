// SPDX-License-Identifier: BSD-3-Clause
// The 82576 model's general part: which access does what, resets, semaphores, clock, configuration space.
#pragma once
#include <array>
#include <cstdint>
#include <iterator>

#include <pollux/igb/model_device.hpp>

namespace pollux::igb {

// ---- Accesses ------------------------------------------------------------------------------------------------------

inline void Model82576::prepare_read(std::uint32_t offset) noexcept {
  using namespace model;
  pass_time();
  if (const std::uint32_t at = canonical(offset); at != offset) poke(offset, peek(at));
  if (offset == kIcr && (peek(kIcr) & peek(kIms)) != 0) registers().set(kIcr, cause::kAsserted);
  if (offset == kSwFwSync) poke(kSwFwSync, (peek(kSwFwSync) & 0xFFFF) | firmware_has_);
  if (offset == kSystimL) {
    const std::uint64_t t = clock();
    poke(kSystimL, static_cast<std::uint32_t>(t));
    poke(kSystimH, static_cast<std::uint32_t>(t >> 32));
  }
}
inline std::uint32_t Model82576::after_read(std::uint32_t offset, std::uint32_t v) noexcept {
  using namespace model;
  if (offset == kIcr) return after_icr_read(v);
  if (offset == kEicr) pending_ &= ~v;
  if (offset == kSwsm) registers().set(kSwsm, kSmbi);  // reading takes the semaphore
  if (offset == kHgorc + 4 || offset == kHgotc + 4) poke(offset - 4, 0);
  clear_pair(offset);
  const std::uint32_t at = canonical(offset);
  if (at != offset) poke(at, peek(offset));  // it may have been cleared by the read
  return v;
}

inline void Model82576::after_write(std::uint32_t offset, std::uint32_t old, std::uint32_t v) noexcept {
  using namespace model;
  const std::uint32_t at = canonical(offset);
  if (at != offset) {
    old = peek(at);
    poke(at, peek(offset));
  }
  restore_ignored(at, old);
  if (resetting_ && now() < reset_done_ && at != kCtrl) {
    fault(Kind::kSequence, at, "written while the reset is under way", v);
    poke(at, old);  // lost
    return;
  }
  pass_time();
  if (on_queue_write(at, old, v) || on_general_write(at, old, v) || on_interrupt_write(at, old, v)) {
    fire();
    return;
  }
  if (at >= kRssrk && at < kRssrk + 40) rss_stale_ = true;
}
/// A quirk let bits be written that are not there.
inline void Model82576::restore_ignored(std::uint32_t at, std::uint32_t old) noexcept {
  for (const model::IgnoredBits& i : model::kIgnoredBits) {
    if (!quirk(i.quirk)) continue;
    const bool inside = at >= i.offset && at < i.offset + i.count * i.stride && (at - i.offset) % i.stride == 0;
    if (inside) poke(at, (peek(at) & ~i.bits) | (old & i.bits));
  }
}

inline bool Model82576::on_general_write(std::uint32_t at, std::uint32_t old, std::uint32_t v) noexcept {
  using namespace model;
  switch (at) {
    case kCtrl:
      on_ctrl(old);
      return true;
    case kEecd:
      grant_nvm(v);
      return true;
    case kEerd:
      read_nvm();
      return true;
    case kEewr:
      (void)write_nvm();
      return true;
    case kCtrlExt:
      if ((v & kEeRst) != 0) {
        registers().clear(kCtrlExt, kEeRst);
        begin_nvm_load();
      }
      return true;
    case kMdic:
      if (!is(kSwFwSync, kPhy0)) fault(Kind::kSequence, kMdic, "is written by who owns SW_FW_SYNC's PHY 0", v);
      on_mdic(v);
      return true;
    case kSwFwSync:
      on_semaphore(old, v);
      return true;
    case kRctl:
      if (field(v, 7, 6) == 2) fault(Kind::kReservedBit, at, "LBM is 0, 1 (MAC) or 3 (PHY)", v);
      (void)work();
      return true;
    case kTctl:
      if ((v & kTctlSwxoff) != 0) {
        registers().clear(kTctl, kTctlSwxoff);
        (void)send_pause(peek(kFcttv));
      }
      (void)work();
      return true;
    case kSystimL:
      set_clock((clock() & ~std::uint64_t{0xFFFF'FFFF}) | v);
      return true;
    case kSystimH:
      set_clock((clock() & 0xFFFF'FFFF) | std::uint64_t{v} << 32);
      return true;
    case kTiminca: {
      const std::uint32_t wanted = peek(kTiminca);
      poke(kTiminca, old);
      const std::uint64_t t = clock();
      poke(kTiminca, wanted);
      set_clock(t);
      return true;
    }
    default:
      return false;
  }
}

/// SW_FW_SYNC: written with the semaphore of SWSM only, and nothing is taken that another has. [82576]
inline void Model82576::on_semaphore(std::uint32_t old, std::uint32_t v) noexcept {
  using namespace model;
  const std::uint32_t taken = v & ~old & 0xFFFF;
  if (!is(kSwsm, kSwesmbi)) fault(Kind::kSequence, kSwFwSync, "is written only while SWSM.SWESMBI is held", v);
  if ((taken & firmware_has_ >> 16) != 0) fault(Kind::kSequence, kSwFwSync, "takes what the firmware has", v);
  poke(kSwFwSync, (peek(kSwFwSync) & 0xFFFF) | firmware_has_);
}

// ---- Reset ---------------------------------------------------------------------------------------------------------

inline void Model82576::on_ctrl(std::uint32_t old) noexcept {
  using namespace model;
  if (is(kCtrl, ctrl::kRst)) return begin_reset();
  reset_phy_by_ctrl((old & ctrl::kPhyRst) != 0);
  (void)work();
}
/// CTRL.RST: everything but what only power-on resets; the bits written with it are lost. [8254x 13.4.1]
inline void Model82576::begin_reset() noexcept {
  using namespace model;
  constexpr std::uint32_t kKept[] = {kFla, kSwsm, kSwFwSync, kRxPbs, kTxPbs};
  std::uint32_t kept[std::size(kKept)];
  for (std::size_t i = 0; i < std::size(kKept); ++i) kept[i] = peek(kKept[i]);
  power_on();
  for (std::size_t i = 0; i < std::size(kKept); ++i) poke(kKept[i], kept[i]);
  registers().set(kCtrl, ctrl::kRst);
  resetting_ = true;
  reset_done_ = now() + config_.reset;
  pass_time();
}
inline void Model82576::power_on() noexcept {
  using namespace model;
  registers().reset();
  rx_ = {};
  tx_ = {};
  for (const std::uint32_t control : {rx_base(0) + queue::kCtl, tx_base(0) + queue::kCtl}) {
    registers().set(control, kEnable);  // as linux igb says, which turns both off
  }
  rx_[0].on = rx_[0].dead = tx_[0].on = tx_[0].dead = true;
  fifo_.clear();
  fifo_bytes_ = 0;
  pending_ = 0;
  armed_ = false;
  quiet_until_ = {};
  rss_stale_ = true;
  resetting_ = false;
  set_clock(0);
  power_on_mac();
  update_link();
  interrupts().set_line(false);
  forget_fetched();
}
/// Power-on and function-level reset.
inline void Model82576::reset_device() noexcept {
  set_up_configuration_space();
  power_on();
  finish_nvm_load();
}
inline void Model82576::set_up_nvm() noexcept {
  const auto words = nvm();
  words[0x08] = words[0x09] = 0xFFFF;  // no part number
  words[0x0D] = kIdentity.id.device;
  words[0x0E] = kIdentity.id.vendor;
  words[0x37] = 0xFFFF;  // no alternate address
  set_nvm_checksum();
}

// ---- Time ----------------------------------------------------------------------------------------------------------

/// What has become due since the last look.
inline void Model82576::pass_time() noexcept {
  if (resetting_ && now() >= reset_done_) {
    resetting_ = false;
    registers().clear(model::kCtrl, model::ctrl::kRst);
  }
  pass_mac_time(resetting_);
  fire();
}
inline bool Model82576::work() noexcept {
  pass_time();
  if (resetting_) return false;
  see_tails();
  bool moved = drain();
  moved |= transmit_all();
  moved |= take_off_wire(awaiting_);
  fire();
  return moved;
}
inline bool Model82576::loopback() noexcept {
  return (model::field(peek(model::kRctl), 7, 6) & 1) != 0 || phy().loops();
}

/// SYSTIM: TIMINCA's value 23:0 is added every period 31:24 of 16 ns. [linux igb]
inline std::uint64_t Model82576::clock() noexcept {
  using namespace model;
  const std::uint32_t increment = peek(kTiminca), period = field(increment, 31, 24);
  if (period == 0) return clock_base_;
  const auto ticks = static_cast<std::uint64_t>((now() - clock_since_).count) / 16 / period;
  return clock_base_ + ticks * field(increment, 23, 0);
}
inline void Model82576::set_clock(std::uint64_t value) noexcept {
  clock_base_ = value;
  clock_since_ = now();
}

// ---- Configuration space -------------------------------------------------------------------------------------------

inline void Model82576::after_config_write(std::uint32_t, unsigned) noexcept {
  constexpr std::uint32_t kFlr = 1 << 15;
  if ((config().read(kPcie + 8, 2) & kFlr) != 0) return reset_device();
  armed_ = true;  // what was off may be on now
  fire();
}
inline void Model82576::set_up_configuration_space() noexcept {
  config() = sim::ConfigMemory(kIdentity.id, kIdentity.revision);
  sim::ConfigMemory& c = config();
  c.set16(0x2C, 0x8086);
  c.set16(0x2E, 0xA03C);
  c.add_memory_bar(0, model::kBarBytes, false);
  c.add_memory_bar(3, 16 * 1024, false);  // MSI-X
  // Added last, linked first: 40 -> 50 -> 70 -> A0.
  std::array<std::uint8_t, 58> pcie{0x02, 0x00, 0xC2, 0x8C, 0x00, 0x10};  // with FLR
  pcie[0x0C - 2] = pcie[0x12 - 2] = 0x41;                                 // 2.5 GT/s x4
  c.add_capability(0x10, kPcie, pcie);
  c.allow16(kPcie + 0x08, 0xFFFF);  // device control
  c.allow16(kPcie + 0x10, 0x0FFF);  // link control
  c.allow16(kPcie + 0x28, 0x001F);  // device control 2
  c.add_capability<10>(0x11, kMsix, {model::kVectors - 1, 0, 3, 0, 0, 0, 3, 0x20, 0, 0});
  c.allow16(kMsix + 2, 0xC000);
  c.add_capability<12>(0x05, kMsi, {0x80});  // 64-bit address, one message
  c.allow16(kMsi + 2, 0x0071);
  c.allow32(kMsi + 4, ~3u);
  c.allow32(kMsi + 8, ~0u);
  c.allow16(kMsi + 12, 0xFFFF);
  c.add_capability<6>(0x01, kPm, {0x23, 0x48});
  c.allow16(kPm + 4, 0x0103);
  c.set32(0x100, 0x0001'0001);  // advanced error reporting, the last one
}

}  // namespace pollux::igb

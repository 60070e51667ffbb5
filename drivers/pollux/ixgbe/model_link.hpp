// SPDX-License-Identifier: BSD-3-Clause
// The 82599 model's link and MAC: AUTOC and LINKS over the wire's state, PAUSE frames both ways.
#pragma once
#include <pollux/ixgbe/model_device.hpp>

namespace pollux::ixgbe {

inline bool Model82599::write_link(Offset offset, Word, Word value) noexcept {
  using namespace model;
  if (offset != kAutoc) return false;
  registers().clear(kAutoc, kAutocRestart);
  if ((value & kAutocRestart) != 0 && card_.link_time > Nanos{}) {
    wire_link_ = false;  // trains anew
    if (link_up_) update_link(now());
  }
  settle();
  return true;
}

/// There is something at the other end and AUTOC selects the way to it; or the link is forced (FLU).
inline bool Model82599::medium_up() noexcept {
  using namespace model;
  const Word autoc = registers().peek(kAutoc);
  if ((autoc & kAutocFlu) != 0) return true;
  const bool sfp = card_.media == Personality::Media::kSfp;
  return bits_of(autoc, 15, 13) == (sfp ? 3 : 1) && (!sfp || sfp_.present()) && wire().link();
}

inline void Model82599::update_link(Nanos t) noexcept {
  const bool medium = medium_up();
  if (medium && !wire_link_) link_at_ = t + card_.link_time;
  if (wire_link_ && !medium) link_dropped_ = true;
  wire_link_ = medium;
  const bool up = medium && t >= link_at_;
  if (up == link_up_) return;
  link_up_ = up;
  raise_other(model::kCauseLsc);
}

// ---- Flow control -------------------------------------------------------------------------------------------------

/// A PAUSE frame: obeyed with MFLCN.RFCE. Returns whether the frame ends here. [IEEE 802.3 annex 31B]
inline bool Model82599::receive_pause(Frame frame) noexcept {
  using namespace model;
  if (frame.size() < 18 || sim::get16(frame, 12) != 0x8808) return false;
  constexpr std::uint8_t kAddress[6] = {0x01, 0x80, 0xC2, 0x00, 0x00, 0x01};
  const bool pause = std::memcmp(frame.data(), kAddress, 6) == 0 && sim::get16(frame, 14) == 1;
  const bool passes = is(kMflcn, kMflcnPmcf) && !(pause && is(kMflcn, kMflcnDpf));
  if (pause && is(kMflcn, kMflcnRfce)) {
    const std::int64_t quanta = sim::get16(frame, 16);
    count(quanta == 0 ? kLxonRxc : kLxoffRxc);
    paused_until_ = now() + Nanos{quanta * 512 / 10};  // a quantum is 512 bit times
  }
  return !passes;
}

/// XOFF when the FIFO passes FCRTH, again every FCRTV quanta, XON when it falls below FCRTL.
inline void Model82599::control_flow() noexcept {
  using namespace model;
  auto& regs = registers();
  if (fifo_bytes_ == 0 && !sent_xoff_) return;
  if (!is(kFccfg, kFccfgTfce)) return;
  const Word high = regs.peek(kFcrth), low = regs.peek(kFcrtl);
  constexpr Word kLevel = 0x0007'FFE0;
  if ((high & kHigh) != 0 && fifo_bytes_ >= (high & kLevel)) {
    const Nanos t = now();
    const std::int64_t refresh = regs.peek(kFcrtv) & 0xFFFF;
    if (sent_xoff_ && (refresh == 0 || t < pause_again_)) return;
    pause_again_ = t + Nanos{refresh * 512 / 10};
    send_pause(true);
  } else if (sent_xoff_ && fifo_bytes_ <= (low & kLevel)) {
    if ((low & kHigh) != 0) send_pause(false);
    sent_xoff_ = false;
  }
}
inline void Model82599::send_pause(bool off) noexcept {
  using namespace model;
  std::array<std::byte, 60> frame{};
  const sim::Bytes bytes(frame);
  sim::put32(bytes, 0, 0x0180'C200);
  sim::put16(bytes, 4, 0x0001);
  for (std::size_t i = 0; i < 6; ++i) frame[6 + i] = std::byte{card_.mac.bytes[i]};
  sim::put16(bytes, 12, 0x8808);
  sim::put16(bytes, 14, 1);
  sim::put16(bytes, 16, off ? static_cast<std::uint16_t>(registers().peek(kFcttv)) : 0);
  if (!wire().transmit(frame)) return;
  if (off) sent_xoff_ = true;
  count(off ? kLxoffTxc : kLxonTxc);
}

}  // namespace pollux::ixgbe

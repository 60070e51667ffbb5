// SPDX-License-Identifier: BSD-3-Clause
// The 82574 model's MDIO, PHY and link, and PAUSE frames both ways.
#pragma once
#include <array>
#include <cstdint>

#include <pollux/core/endian.hpp>
#include <pollux/e1000/model_device.hpp>
#include <pollux/net/headers.hpp>
#include <pollux/sim/offload.hpp>

namespace pollux::e1000 {

// ---- MDIO and PHY --------------------------------------------------------------------------------------------------

/// One PHY access. The answer is there when it has gone over the wire. [8254x 13.4.7]
inline void Model82574::on_mdic(std::uint32_t command) noexcept {
  const reg::Value<Mdic> mdic{command};
  if (mdio_pending_) fault(Kind::kSequence, Mdic::offset(), "written before READY", command);
  const std::uint32_t op = mdic[Mdic::op];
  const model::phy::PhySpec* spec = model::phy::find(mdic[Mdic::regadd], held(*model::phy::find(model::phy::kPage, 0)));
  const bool answers = mdic[Mdic::phyadd] == model::phy::kAddress && spec != nullptr;
  std::uint32_t data = mdic[Mdic::data];
  if (op != model::phy::kOpRead && op != model::phy::kOpWrite) {
    fault(Kind::kReservedBit, Mdic::offset(), "OP is 1 (write) or 2 (read)", command);
  } else if (answers && op == model::phy::kOpWrite) {
    write_phy(*spec, static_cast<std::uint16_t>(data));
  } else if (answers) {
    data = read_phy(*spec);
  }
  const auto answer = Mdic::data.from(data) | Mdic::ready(true) | Mdic::error.from(!answers);
  mdio_answer_ = answer.applied_to(mdic).bits;
  mdio_pending_ = true;
  mdio_done_ = now() + config_.mdio;
  put(Mdic::ready(false) | Mdic::error(false));
  pass_time();
}
inline std::uint16_t Model82574::read_phy(const model::phy::PhySpec& spec) noexcept {
  namespace phy = model::phy;
  update_link();
  const std::uint16_t stored = held(spec);
  if (spec.page != 0) return stored;
  switch (spec.number) {
    case phy::kBmsr: {  // its link bit is latched low: it tells of a loss since the last read
      const bool shown = negotiated_ && !link_was_lost_;
      link_was_lost_ = !negotiated_;
      return static_cast<std::uint16_t>(stored | (shown ? phy::kBmsrLink : 0) | (negotiated_ ? phy::kBmsrComplete : 0));
    }
    case phy::kAnlpar:
      return negotiated_ ? phy::kAnlparDone : std::uint16_t{0};
    case phy::kStat1000:
      return negotiated_ ? phy::kStat1000Done : std::uint16_t{0};
    case phy::kStatus:
      return negotiated_ ? phy::kStatusUp : phy::kStatusDown;
    default:
      return stored;
  }
}
inline void Model82574::write_phy(const model::phy::PhySpec& spec, std::uint16_t data) noexcept {
  namespace phy = model::phy;
  held(spec) = static_cast<std::uint16_t>((data & spec.writable) | (held(spec) & ~spec.writable));
  if (spec.number != phy::kBmcr) return;
  if ((data & phy::kBmcrReset) != 0) reset_phy(phy::kPaged);
  if ((data & (phy::kBmcrReset | phy::kBmcrRestart)) != 0) negotiate();
  update_link();
}
/// `below`: BMCR's reset leaves the PHY's own registers; it makes what was written to them take effect. [linux e1000e]
inline void Model82574::reset_phy(std::uint32_t below) noexcept {
  for (const model::phy::PhySpec& spec : model::phy::kRegisters) {
    if (spec.number < below) held(spec) = spec.reset;
  }
}
inline void Model82574::negotiate() noexcept {
  negotiated_at_ = now() + config_.autonegotiation;
  negotiated_ = false;
  link_was_lost_ = true;
}

// ---- Link ----------------------------------------------------------------------------------------------------------

/// The PHY has a link when the cable has one and negotiation is over; the MAC takes it when CTRL.SLU is set.
inline void Model82574::update_link() noexcept {
  namespace phy = model::phy;
  const std::uint16_t control = bmcr();
  const bool off = (control & (phy::kBmcrPowerDown | phy::kBmcrIsolate)) != 0 || value<Ctrl>()[Ctrl::phy_rst];
  const bool carrier = !off && (wire().link() || (control & phy::kBmcrLoopback) != 0);
  if (carrier && !carrier_) negotiate();
  if (carrier && (control & phy::kBmcrAutoneg) == 0) negotiated_at_ = now();
  carrier_ = carrier;
  negotiated_ = carrier && now() >= negotiated_at_;
  if (!negotiated_) link_was_lost_ = true;
  const bool up = negotiated_ && value<Ctrl>()[Ctrl::slu];
  const bool change = up != value<Status>()[Status::lu];
  poke(Status::offset(), model::kStatusAlways | (Status::fd.from(value<Ctrl>()[Ctrl::fd] || up) | Status::lu.from(up) |
                                                 Status::txoff.from(paused()) |
                                                 Status::gio_master_en.from(!value<Ctrl>()[Ctrl::gio_master_disable]))
                                                    .bits);
  if (change) raise_cause(model::cause::kLsc);
}
inline bool Model82574::loopback() noexcept {
  return value<Rctl>()[Rctl::lbm] == 3 || (bmcr() & model::phy::kBmcrLoopback) != 0;
}

// ---- Flow control --------------------------------------------------------------------------------------------------

inline bool Model82574::is_flow_control(ConstBytes frame) noexcept {
  return sim::get16(frame, 12) == value<Fct>()[Fct::fct] && frame.size() >= 18;
}

/// A MAC control frame. Returns whether it may go on to the filters; `pass`: even past them. [8254x 13.4.22 DPF,
/// PMCF]
inline bool Model82574::obey_pause(ConstBytes frame, bool& pass) noexcept {
  namespace stat = model::stat;
  constexpr std::uint16_t kPause = 0x0001;
  constexpr std::int64_t kQuantum = 512;  // bit times [ns at 1 Gbit/s]
  const auto rctl = value<Rctl>();
  const std::uint32_t low = load_header<Le32>(frame.data());
  const std::uint32_t high = load_header<Le16>(&frame[4]);
  const bool for_me = low == peek(Fcal::offset()) && high == value<Fcah>()[Fcah::fcah];
  if (sim::get16(frame, 14) != kPause || !for_me) {
    if (value<Ctrl>()[Ctrl::rfce]) count(stat::kFcru);
    pass = rctl[Rctl::pmcf];
    return true;
  }
  const std::uint16_t quanta = sim::get16(frame, 16);
  count(quanta == 0 ? stat::kXonRx : stat::kXoffRx);
  if (value<Ctrl>()[Ctrl::rfce] && !quirk(Quirk::kQemuNoPause)) {
    paused_until_ = now() + Nanos{quanta * kQuantum};
    update_link();
  }
  return !rctl[Rctl::dpf];
}

/// XOFF when the packet buffer fills beyond FCRTH, XON when it has emptied below FCRTL. [8254x 13.4.23, 13.4.24]
inline void Model82574::control_flow() noexcept {
  const std::size_t high = peek(Fcrth::offset()) & decltype(Fcrth::rth)::kMask;
  const std::size_t low = peek(Fcrtl::offset()) & decltype(Fcrtl::rtl)::kMask;
  if (!value<Ctrl>()[Ctrl::tfce] || high == 0) return;
  if (fifo_bytes_ > high && (!xoff_sent_ || now() > xoff_until_)) {
    xoff_sent_ = send_pause(value<Fcttv>()[Fcttv::ttv]);
  } else if (xoff_sent_ && fifo_bytes_ < low) {
    xoff_sent_ = value<Fcrtl>()[Fcrtl::xone] && !send_pause(0);
  }
}
inline bool Model82574::send_pause(std::uint32_t quanta) noexcept {
  if (quirk(Quirk::kQemuNoPause) || loopback() || !link_up()) return false;
  std::array<std::byte, kMinFrame> frame{};
  store_header(&frame[0], Le32{peek(Fcal::offset())});
  store_header(&frame[4], Le16{static_cast<std::uint16_t>(value<Fcah>()[Fcah::fcah])});
  store_header(&frame[6], Le32{peek(Ral::offset({0}))});
  store_header(&frame[10], Le16{static_cast<std::uint16_t>(value<Rah>()[Rah::address])});
  sim::put16(frame, 12, static_cast<std::uint16_t>(value<Fct>()[Fct::fct]));
  sim::put16(frame, 14, 0x0001);
  sim::put16(frame, 16, static_cast<std::uint16_t>(quanta));
  if (!wire().transmit(frame)) return false;
  count(quanta == 0 ? model::stat::kXonTx : model::stat::kXoffTx);
  xoff_until_ = now() + Nanos{std::int64_t{quanta} * 512};
  return true;
}

}  // namespace pollux::e1000

// SPDX-License-Identifier: BSD-3-Clause
// GigabitMac: what the models of Intel's gigabit controllers share, because the chips do: NVM by EERD, PHY by MDIC,
// link, PAUSE frames both ways, address and VLAN filters, statistics.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <pollux/core/endian.hpp>
#include <pollux/net/headers.hpp>
#include <pollux/net/mac.hpp>
#include <pollux/sim/gigabit_counters.hpp>
#include <pollux/sim/gigabit_regs.hpp>
#include <pollux/sim/mii_phy.hpp>
#include <pollux/sim/offload.hpp>

namespace pollux::sim {

/// A card, and how long things take in the model's time. Where that stands still (no set_time), all times must be 0:
/// see `instant`; then a PAUSE ends with XON only, and interrupt intervals and delays never run out.
template <class Quirks>
struct GigabitConfig {
  MacAddress mac{{0x52, 0x54, 0x00, 0x12, 0x34, 0x56}};  ///< in the NVM
  Nanos reset = 2_us;
  Nanos nvm_load = 200_us;
  Nanos mdio = 20_us;
  Nanos autonegotiation = 500_ms;
  Quirks quirks{};

  /// A device that needs no time: for models stepped by another thread, without a clock.
  [[nodiscard]] GigabitConfig instant() const noexcept {
    GigabitConfig out = *this;
    out.reset = out.nvm_load = out.mdio = out.autonegotiation = Nanos{};
    return out;
  }
};

/// Threads, faults, ways of running: see NicModel.
class GigabitMac : public GigabitCounters {
 protected:
  using Kind = FaultKind;

  /// What differs between the chips.
  struct Chip {
    MiiPhy::Chip phy;
    std::uint32_t phy_address;
    std::uint32_t receive_addresses;  ///< RAL, RAH: 16, and more at 54E0
    std::uint32_t status_always;      ///< bits of STATUS that never change here
    std::size_t nvm_words;
  };

  template <class Quirks>
  GigabitMac(const Identity& identity, std::size_t bar_bytes, std::span<const RegSpec> specs, Iommu& iommu,
             WireEnd& wire, FaultLog& faults, const Chip& chip, const GigabitConfig<Quirks>& config)
      : GigabitCounters(identity, bar_bytes, specs, iommu, wire, faults),
        chip_(chip),
        nvm_load_time_(config.nvm_load),
        mdio_time_(config.mdio),
        autonegotiation_time_(config.autonegotiation),
        phy_(chip.phy),
        nvm_(chip.nvm_words) {
    const auto& mac = config.mac.bytes;
    for (std::size_t i = 0; i < 3; ++i) nvm_[i] = static_cast<std::uint16_t>(mac[2 * i] | mac[2 * i + 1] << 8);
  }

  /// Causes of interrupts, of the chip's ICR.
  virtual void raise_cause(std::uint32_t causes) noexcept = 0;
  /// What is sent comes back.
  [[nodiscard]] virtual bool loopback() noexcept = 0;
  /// A frame has arrived, without FCS.
  virtual void receive(ConstBytes frame) noexcept = 0;
  /// One has gone out, of those that a driver sent.
  virtual void on_sent(ConstBytes /*frame*/) noexcept {}

  void fault(Kind kind, std::uint32_t at, std::string rule, std::uint64_t v) noexcept {
    registers().fault(kind, at, std::move(rule), v);
  }
  [[nodiscard]] bool may_access_memory() noexcept { return !is(gigabit::kCtrl, gigabit::ctrl::kGioMasterDisable); }

  // ---- NVM ----------------------------------------------------------------------------------------------------------

  [[nodiscard]] std::span<std::uint16_t> nvm() noexcept { return nvm_; }
  /// Makes words 0 to 3F add up to BABA.
  void set_nvm_checksum() noexcept {
    std::uint16_t sum = 0;
    for (std::size_t i = 0; i < 0x3F; ++i) sum = static_cast<std::uint16_t>(sum + nvm_[i]);
    nvm_[0x3F] = static_cast<std::uint16_t>(0xBABA - sum);
  }
  void begin_nvm_load() noexcept {
    nvm_loading_ = true;
    nvm_loaded_at_ = now() + nvm_load_time_;
    registers().clear(gigabit::kEecd, gigabit::kEecdAutoRd);
    registers().clear(gigabit::kEemngctl, gigabit::kCfgDone);
  }
  void finish_nvm_load() noexcept {
    nvm_loading_ = false;
    poke(gigabit::kRal, nvm_[0] | std::uint32_t{nvm_[1]} << 16);
    poke(gigabit::kRal + 4, (peek(gigabit::kRal + 4) & 0x7FFF'0000) | nvm_[2] | gigabit::kRahAv);
    registers().set(gigabit::kEecd, gigabit::kEecdAutoRd);
    registers().set(gigabit::kEemngctl, gigabit::kCfgDone);
  }
  /// EECD: the bit-bang interface is granted when it is asked for; it does nothing.
  void grant_nvm(std::uint32_t v) noexcept {
    registers().clear(gigabit::kEecd, gigabit::kEecdGnt);
    if ((v & gigabit::kEecdReq) != 0) registers().set(gigabit::kEecd, gigabit::kEecdGnt);
  }
  void read_nvm() noexcept {
    const std::uint32_t eerd = peek(gigabit::kEerd), at = gigabit::field(eerd, 15, 2);
    if ((eerd & gigabit::kNvmStart) == 0) return;
    const bool exists = at < nvm_.size();
    if (!exists) fault(Kind::kAccessMode, gigabit::kEerd, text::cat("the NVM has no word ", at), eerd);
    const std::uint32_t data = exists ? nvm_[at] : 0xFFFFu;
    poke(gigabit::kEerd, (eerd & gigabit::bits(15, 2)) | gigabit::kNvmDone | data << 16);
  }
  /// Returns whether a word was written.
  bool write_nvm() noexcept {
    const std::uint32_t eewr = peek(gigabit::kEewr), at = gigabit::field(eewr, 15, 2);
    if ((eewr & gigabit::kNvmStart) == 0) return false;
    if (at >= nvm_.size()) {
      fault(Kind::kAccessMode, gigabit::kEewr, text::cat("the NVM has no word ", at), at);
      return false;
    }
    nvm_[at] = static_cast<std::uint16_t>(eewr >> 16);
    poke(gigabit::kEewr, (eewr & ~gigabit::kNvmStart) | gigabit::kNvmDone);
    return true;
  }

  // ---- PHY ----------------------------------------------------------------------------------------------------------

  [[nodiscard]] MiiPhy& phy() noexcept { return phy_; }
  void negotiate() noexcept { phy_.negotiate(now() + autonegotiation_time_); }
  /// A PHY reset by CTRL began, or is over.
  void reset_phy_by_ctrl(bool was_on) noexcept {
    const bool on = is(gigabit::kCtrl, gigabit::ctrl::kPhyRst);
    if (on) phy_.reset();
    if (was_on && !on) negotiate();
    update_link();
  }
  /// One PHY access. The answer is there when it has gone over the wire. [8254x 13.4.7]
  void on_mdic(std::uint32_t command) noexcept {
    using namespace gigabit;
    if (mdio_pending_) fault(Kind::kSequence, kMdic, "written before READY", command);
    const std::uint32_t op = field(command, 27, 26);
    const MiiPhy::Spec* spec = phy_.find(field(command, 20, 16));
    const bool answers = field(command, 25, 21) == chip_.phy_address && spec != nullptr;
    std::uint32_t data = command & 0xFFFF;
    if (op != kMdicRead && op != kMdicWrite) {
      fault(Kind::kReservedBit, kMdic, "OP is 1 (write) or 2 (read)", command);
    } else if (answers && op == kMdicWrite) {
      phy_.write(*spec, static_cast<std::uint16_t>(data), now() + autonegotiation_time_);
      update_link();
    } else if (answers) {
      update_link();
      data = phy_.read(*spec);
    }
    mdio_answer_ = (command & ~(kMdicError | 0xFFFFu)) | data | kMdicReady | (answers ? 0 : kMdicError);
    mdio_pending_ = true;
    mdio_done_ = now() + mdio_time_;
    registers().clear(kMdic, kMdicReady | kMdicError);
    pass_mac_time();
  }

  // ---- Link ---------------------------------------------------------------------------------------------------------

  /// The PHY has a link when the cable has one and negotiation is over; the MAC takes it when CTRL.SLU is set.
  void update_link() noexcept {
    using namespace gigabit;
    const std::uint32_t control = peek(kCtrl);
    const Nanos t = now();  // once: a negotiation that takes no time is over at once
    phy_.update(wire().link(), (control & ctrl::kPhyRst) == 0, t, t + autonegotiation_time_);
    const bool up = phy_.link() && (control & ctrl::kSlu) != 0;
    const bool change = up != link_up();
    poke(kStatus, chip_.status_always | ((control & ctrl::kFd) != 0 || up ? status::kFd : 0) | (up ? status::kLu : 0) |
                      (paused() ? status::kTxoff : 0) | (may_access_memory() ? status::kGioMasterEn : 0));
    if (change) raise_cause(kCauseLsc);
  }
  [[nodiscard]] bool link_up() noexcept { return is(gigabit::kStatus, gigabit::status::kLu); }

  /// After a reset of the registers: PHY, link, PAUSE as after power-on; the NVM is loaded.
  void power_on_mac() noexcept {
    sending_.clear();
    paused_until_ = xoff_until_ = Nanos{};
    xoff_sent_ = false;
    phy_.reset();
    negotiate();
    update_link();
    begin_nvm_load();
  }
  /// What has become due since the last look. `resetting`: the NVM waits for the end of that.
  void pass_mac_time(bool resetting = false) noexcept {
    const Nanos t = now();
    if (nvm_loading_ && !resetting && t >= nvm_loaded_at_) finish_nvm_load();
    if (mdio_pending_ && t >= mdio_done_) {
      mdio_pending_ = false;
      poke(gigabit::kMdic, mdio_answer_);
      if ((mdio_answer_ & gigabit::kMdicIe) != 0) raise_cause(gigabit::kCauseMdac);
    }
    update_link();
  }

  // ---- Frames in and out
  // ---------------------------------------------------------------------------------------------

  /// What has arrived, as far as it goes in one step, until `waits`.
  bool take_off_wire(const bool& waits) noexcept {
    constexpr unsigned kFramesPerStep = 256;
    const bool listening = link_up() && is(gigabit::kRctl, gigabit::rctl::kEn) && !loopback();
    unsigned n = 0;
    for (; n < kFramesPerStep && !waits; ++n) {
      const ConstBytes frame = wire().front();
      if (frame.empty()) break;
      if (listening) receive(frame);
      wire().consume();
    }
    return n != 0;
  }
  /// Whether a transmit queue may go on.
  [[nodiscard]] bool may_send() noexcept {
    return sending_.empty() && !paused() && may_access_memory() && (link_up() || loopback());
  }
  /// To the wire, or waiting for it.
  void put_out(const std::vector<std::byte>& frame) {
    if (!sending_.empty() || !send(frame)) sending_.push_back(frame);
  }
  /// Frames the wire has not taken yet. Returns whether it took one.
  bool flush() noexcept {
    bool moved = false;
    while (!sending_.empty() && !paused() && (link_up() || loopback()) && send(sending_.front())) {
      sending_.pop_front();
      moved = true;
    }
    return moved;
  }

  // ---- Flow control -------------------------------------------------------------------------------------------------

  /// PAUSE frames are neither sent nor obeyed.
  void ignore_pause() noexcept { no_pause_ = true; }
  [[nodiscard]] bool paused() const noexcept { return paused_until_ > now(); }
  [[nodiscard]] bool is_flow_control(ConstBytes frame) noexcept {
    return frame.size() >= 18 && get16(frame, 12) == (peek(gigabit::kFct) & 0xFFFF);
  }
  /// A MAC control frame. Returns whether it may go on to the filters; `pass`: even past them. [8254x 13.4.22 DPF,
  /// PMCF]
  bool obey_pause(ConstBytes frame, bool& pass) noexcept {
    using namespace gigabit;
    constexpr std::uint16_t kPause = 0x0001;
    constexpr std::int64_t kQuantum = 512;  // bit times [ns at 1 Gbit/s]
    const std::uint32_t low = load_header<Le32>(frame.data()), high = load_header<Le16>(&frame[4]);
    const bool for_me = low == peek(kFcal) && high == (peek(kFcah) & 0xFFFF);
    if (get16(frame, 14) != kPause || !for_me) {
      if (is(kCtrl, ctrl::kRfce)) count(stat::kFcru);
      pass = is(kRctl, rctl::kPmcf);
      return true;
    }
    const std::uint16_t quanta = get16(frame, 16);
    count(quanta == 0 ? stat::kXonRx : stat::kXoffRx);
    if (is(kCtrl, ctrl::kRfce) && !no_pause_) {
      paused_until_ = now() + Nanos{quanta * kQuantum};
      update_link();
    }
    return !is(kRctl, rctl::kDpf);
  }
  /// XOFF when the packet buffer fills beyond FCRTH, XON when it has emptied below FCRTL. [8254x 13.4.23, 13.4.24]
  void control_flow(std::size_t held) noexcept {
    using namespace gigabit;
    const std::size_t high = peek(kFcrth) & bits(15, 3), low = peek(kFcrtl) & bits(15, 3);
    if (!is(kCtrl, ctrl::kTfce) || high == 0) return;
    if (held > high && (!xoff_sent_ || now() > xoff_until_)) {
      xoff_sent_ = send_pause(peek(kFcttv) & 0xFFFF);
    } else if (xoff_sent_ && held < low) {
      xoff_sent_ = is(kFcrtl, kFcrtlXone) && !send_pause(0);
    }
  }
  bool send_pause(std::uint32_t quanta) noexcept {
    using namespace gigabit;
    if (no_pause_ || loopback() || !link_up()) return false;
    std::array<std::byte, kMinFrame> frame{};
    store_header(&frame[0], Le32{peek(kFcal)});
    store_header(&frame[4], Le16{static_cast<std::uint16_t>(peek(kFcah))});
    store_header(&frame[6], Le32{peek(kRal)});
    store_header(&frame[10], Le16{static_cast<std::uint16_t>(peek(kRal + 4))});
    put16(frame, 12, static_cast<std::uint16_t>(peek(kFct)));
    put16(frame, 14, 0x0001);
    put16(frame, 16, static_cast<std::uint16_t>(quanta));
    if (!wire().transmit(frame)) return false;
    count(quanta == 0 ? stat::kXonTx : stat::kXoffTx);
    xoff_until_ = now() + Nanos{std::int64_t{quanta} * 512};
    return true;
  }

  // ---- Filters ------------------------------------------------------------------------------------------------------

  [[nodiscard]] static constexpr std::uint32_t receive_address(std::uint32_t i) noexcept {
    return i < 16 ? gigabit::kRal + 8 * i : 0x54E0 + 8 * (i - 16);
  }
  /// Promiscuous, own addresses, multicast hash, broadcast.
  [[nodiscard]] bool accepted_address(ConstBytes frame, bool& inexact) noexcept {
    using namespace gigabit;
    const auto destination = load_header<MacAddress>(frame.data());
    for (std::uint32_t i = 0; i < chip_.receive_addresses; ++i) {
      const std::uint32_t low = receive_address(i), rah = peek(low + 4), as = field(rah, 17, 16);
      if ((rah & kRahAv) == 0 || as > 1) continue;
      const std::byte* compared = frame.data() + 6 * as;
      if (load_header<Le32>(compared) == peek(low) && load_header<Le16>(compared + 4) == (rah & 0xFFFF)) return true;
    }
    if (destination == MacAddress::broadcast()) return is(kRctl, rctl::kBam);
    inexact = true;
    if (!destination.is_multicast()) return is(kRctl, rctl::kUpe);
    return is(kRctl, rctl::kMpe) || in_hash_table(kMta, destination);
  }
  /// Twelve bits of an address select a bit of 4096.
  [[nodiscard]] bool in_hash_table(std::uint32_t table, const MacAddress& address) noexcept {
    constexpr unsigned kShift[] = {4, 3, 2, 0};
    const unsigned top = address.bytes[5] * 256u + address.bytes[4];
    const unsigned hash = top >> kShift[gigabit::field(peek(gigabit::kRctl), 13, 12)] & 0xFFF;
    return is(table + 4 * (hash >> 5), 1u << (hash & 31));
  }
  [[nodiscard]] bool is_tagged(ConstBytes frame) noexcept {
    return frame.size() >= 18 && get16(frame, 12) == (peek(gigabit::kVet) & 0xFFFF);
  }
  [[nodiscard]] bool accepted_vlan(ConstBytes frame) noexcept {
    using namespace gigabit;
    if (!is(kRctl, rctl::kVfe) || !is_tagged(frame)) return true;
    const unsigned tci = get16(frame, 14), id = tci & 0xFFF;
    if (is(kRctl, rctl::kCfien) && (tci >> 12 & 1) != (is(kRctl, rctl::kCfi) ? 1u : 0u)) return false;
    return is(kVfta + 4 * (id >> 5), 1u << (id & 31));
  }

  /// Not too long, not too short; counted. `longest`: with LPE, FCS included [bytes].
  [[nodiscard]] bool accepted_size(ConstBytes frame, std::size_t longest, bool takes_short = false) noexcept {
    using namespace gigabit;
    const std::size_t standard = is_tagged(frame) ? kMaxVlanFrame : kMaxFrame;
    if (frame.size() > (is(kRctl, rctl::kLpe) ? longest - kFcs : standard)) {
      count(stat::kRoc);
      count(stat::kRlec);
      return false;
    }
    if (frame.size() >= kMinFrame) return true;
    count(stat::kRuc);
    if (is(kRctl, rctl::kSbp) || takes_short) return true;
    count(stat::kRlec);
    return false;
  }

 private:
  bool send(ConstBytes frame) noexcept {
    if (!loopback() && !wire().transmit(frame)) return false;
    count_sent(frame);
    on_sent(frame);
    if (loopback() && is(gigabit::kRctl, gigabit::rctl::kEn)) receive(frame);
    return true;
  }

  Chip chip_;
  Nanos nvm_load_time_, mdio_time_, autonegotiation_time_;
  MiiPhy phy_;
  std::vector<std::uint16_t> nvm_;
  bool nvm_loading_ = false, mdio_pending_ = false, xoff_sent_ = false, no_pause_ = false;
  Nanos nvm_loaded_at_, mdio_done_;
  std::uint32_t mdio_answer_ = 0;
  Nanos paused_until_;  ///< by the link partner
  Nanos xoff_until_;
  std::deque<std::vector<std::byte>> sending_;  ///< frames the wire would not take yet
};

}  // namespace pollux::sim

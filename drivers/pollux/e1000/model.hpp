// SPDX-License-Identifier: BSD-3-Clause
// Model82574: an Intel 82574L in software, as its registers, descriptors and cable show it to a driver.
//
// Read in this order: the register table (model_regs.hpp), on_write and prepare_read (what an access does),
// pass_time (what the device does by itself), receive, transmit, interrupts. The model follows silicon where that is
// known; what QEMU's e1000e does otherwise is a named Quirk.
#pragma once
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <deque>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <pollux/core/endian.hpp>
#include <pollux/e1000/model_regs.hpp>
#include <pollux/net/headers.hpp>
#include <pollux/net/mac.hpp>
#include <pollux/sim/nic.hpp>
#include <pollux/sim/offload.hpp>

namespace pollux::e1000 {

/// What an emulator or a widely used driver does against the datasheet. Each is a bit; all are off by default.
enum class Quirk : std::uint32_t {
  kNone = 0,
  kQemuVetLostOnReset = 1 << 0,     ///< CTRL.RST leaves VET 0 [quirk qemu, T]
  kQemuSmbiTakenAtReset = 1 << 1,   ///< SWSM.SMBI is set after power-on [quirk qemu, T]
  kQemuEewrDoneInEerd = 1 << 2,     ///< EEWR completes in EERD.DONE; EEWR.DONE is always set [quirk qemu, T]
  kQemuLinkUpAtReset = 1 << 3,      ///< no negotiation after CTRL.RST [quirk qemu, T]
  kQemuPoptsOfLast = 1 << 4,        ///< POPTS count in the last data descriptor, not the first [quirk qemu, T]
  kQemuPadsReceived = 1 << 5,       ///< frames under 60 bytes are padded and delivered, not dropped [quirk qemu, T]
  kQemuNoTxPadding = 1 << 6,        ///< TCTL.PSP does nothing [quirk qemu, T]
  kQemuNoPause = 1 << 7,            ///< PAUSE frames are neither sent nor obeyed [quirk qemu, S]
  kLinuxWritesReservedIam = 1 << 8  ///< IAM is written all ones without a fault [linux e1000e]
};
constexpr Quirk operator|(Quirk a, Quirk b) noexcept {
  return static_cast<Quirk>(static_cast<std::uint32_t>(a) | static_cast<std::uint32_t>(b));
}

struct Model82574Config {
  MacAddress mac{{0x52, 0x54, 0x00, 0x12, 0x34, 0x56}};  ///< in the NVM
  // How long things take in the model's time. Where that stands still (no set_time), all must be 0: see `instant`;
  // then a PAUSE ends with XON only, and EITR, ITR and RDTR never run out.
  Nanos reset = 2_us;
  Nanos nvm_load = 200_us;
  Nanos mdio = 20_us;
  Nanos autonegotiation = 500_ms;
  Quirk quirks = Quirk::kNone;

  /// A device that needs no time: for models stepped by another thread, without a clock.
  [[nodiscard]] Model82574Config instant() const noexcept {
    Model82574Config out = *this;
    out.reset = out.nvm_load = out.mdio = out.autonegotiation = Nanos{};
    return out;
  }
};

namespace model {

/// The register table as the quirks leave it. Apart, because it must be there before the base class.
struct QuirkedTable {
  explicit QuirkedTable(Quirk quirks) : specs(std::begin(kModelRegisters), std::end(kModelRegisters)) {
    for (sim::RegSpec& spec : specs) {
      if (spec.offset == Iam::offset() && has(quirks, Quirk::kLinuxWritesReservedIam)) spec.mask = ~0u;
      if (spec.offset == Swsm::offset() && has(quirks, Quirk::kQemuSmbiTakenAtReset)) spec.reset = 1;
    }
  }
  static constexpr bool has(Quirk set, Quirk one) noexcept {
    return (static_cast<std::uint32_t>(set) & static_cast<std::uint32_t>(one)) != 0;
  }
  std::vector<sim::RegSpec> specs;
};

/// CRC-32 of Ethernet, as its four bytes go over the wire, lowest first.
inline std::uint32_t frame_check_sequence(std::span<const std::byte> bytes) noexcept {
  static constexpr auto kTable = [] {
    std::array<std::uint32_t, 256> table{};
    for (std::uint32_t i = 0; i < 256; ++i) {
      table[i] = i;
      for (int k = 0; k < 8; ++k) table[i] = table[i] >> 1 ^ ((table[i] & 1) != 0 ? 0xEDB8'8320u : 0);
    }
    return table;
  }();
  std::uint32_t crc = ~0u;
  for (const std::byte b : bytes) crc = crc >> 8 ^ kTable[(crc ^ std::to_integer<std::uint32_t>(b)) & 0xFF];
  return ~crc;
}

}  // namespace model

/// Threads, faults, ways of running: see sim::NicModel.
/// Not modelled: packet split (RCTL.DTYP 1 is a fault), the MSI-X table and its masks (whoever serves the vectors has
/// them), the I/O and flash BARs, EECD bit-bang, speeds other than 1000 full duplex, TX interrupt delays (IDE is a
/// fault, as it aborts QEMU), ACK interrupts, time stamps, wake-up, write-back thresholds above 1, PHY pages.
class Model82574 : private model::QuirkedTable, public sim::NicModel {
 public:
  static constexpr Identity kIdentity{.name = "82574L", .id = {.vendor = 0x8086, .device = 0x10D3}, .revision = 0};
  static constexpr std::size_t kBarBytes = 128 * 1024;
  static constexpr unsigned kQueues = 2, kVectors = 5;

  Model82574(sim::Iommu& iommu, sim::WireEnd& wire, sim::FaultLog& faults, const Model82574Config& config = {})
      : QuirkedTable(config.quirks), NicModel(kIdentity, kBarBytes, specs, iommu, wire, faults), config_(config) {
    set_up_configuration_space();
    set_up_nvm();
    power_on();
    finish_nvm_load();
  }

  /// The management firmware takes or gives MDIO and NVM; while it has them EXTCNF_CTRL bit 5 does not stick.
  /// Threads: none other in the model.
  void hold_mdio(bool held) noexcept { firmware_has_mdio_ = held; }

 private:
  using Bytes = sim::Bytes;
  using ConstBytes = sim::ConstBytes;
  using Kind = sim::FaultKind;

  static constexpr std::uint32_t kMostDescriptors = 4096;
  static constexpr std::uint32_t kDescriptorBytes = 16;
  static constexpr std::uint32_t kUnseen = ~0u;
  static constexpr std::size_t kFcs = 4;
  static constexpr std::size_t kLongestFrame = 9234;         ///< with LPE, FCS included [bytes]
  static constexpr std::size_t kLongestTso = 1u << 18;       ///< [bytes]
  static constexpr std::size_t kMostSegments = 4096;         ///< of one TSO packet
  static constexpr unsigned kFramesPerStep = 256;            ///< taken off the wire
  static constexpr std::uint32_t kPacketBufferKib = 40;      ///< shared by receive and transmit
  static constexpr std::uint32_t kMsi = 0xD0, kMsix = 0xA0;  ///< capabilities

  /// One descriptor ring: where its registers are and how far its tail has been looked at.
  struct Ring {
    const char* name;
    std::uint32_t low, high, length, head, tail;  ///< register offsets
    std::uint32_t seen = kUnseen;                 ///< what the tail register held when last looked at
    std::uint32_t end = 0;                        ///< the last tail that was legal
    bool broken = false;                          ///< a fault stopped it; until it is set up again
  };
  template <class Low, class High, class Length, class Head, class Tail>
  static constexpr Ring ring_of(const char* name, std::uint32_t q) noexcept {
    return {.name = name,
            .low = Low::offset({q}),
            .high = High::offset({q}),
            .length = Length::offset({q}),
            .head = Head::offset({q}),
            .tail = Tail::offset({q})};
  }

  /// A frame in the receive packet buffer, as it will lie in memory, and what its last descriptor will say.
  struct Stored {
    std::vector<std::byte> bytes;
    std::size_t done = 0;  ///< delivered so far [bytes]
    std::uint32_t queue = 0;
    std::uint32_t status = 0;  ///< RxWriteBack
    std::uint32_t mrq = 0;     ///< RSS type and queue
    std::uint32_t hash = 0;    ///< RSS hash, or IP identification and packet checksum
    std::uint16_t checksum = 0, vlan = 0;
  };

  /// A packet under assembly on one transmit queue.
  struct Outgoing {
    std::vector<std::byte> bytes;
    model::TxSta::Word options{};  ///< POPTS, from the first data descriptor
    bool segmented = false;
    bool extended = false;
    bool begun = false;
    bool spoiled = false;  ///< a fault; dropped at its end
  };
  struct TxDescriptorWords {
    Le64 address;
    Le32 command, status;
  };
  /// The one context of the chip, shared by both queues. [82574]
  struct TxContext {
    model::TxIp::Word ip{};
    model::TxTu::Word tu{};
    model::TxCmd::Word command{};
    model::TxSegments::Word segments{};
  };

  // ---- Access to registers ------------------------------------------------------------------------------------------

  template <class R>
  [[nodiscard]] reg::Value<R> value(std::uint32_t i = 0) noexcept {
    return {registers().peek(R::offset({i}))};
  }
  template <class R>
  void put(reg::Assign<R> fields, std::uint32_t i = 0) noexcept {
    registers().poke(R::offset({i}), fields.applied_to(value<R>(i)).bits);
  }
  [[nodiscard]] std::uint32_t peek(std::uint32_t at) noexcept { return registers().peek(at); }
  void poke(std::uint32_t at, std::uint32_t v) noexcept { registers().poke(at, v); }
  [[nodiscard]] bool quirk(Quirk one) const noexcept { return has(config_.quirks, one); }
  void fault(Kind kind, std::uint32_t at, std::string rule, std::uint64_t v) noexcept {
    registers().fault(kind, at, std::move(rule), v);
  }
  void descriptor_fault(const Ring& ring, std::uint32_t index, std::string rule, std::uint64_t v) noexcept {
    faults().report({.kind = Kind::kDescriptor,
                     .device = registers().device(),
                     .where = text::cat(ring.name, ", descriptor ", index),
                     .rule = std::move(rule),
                     .section = "82574 descriptor formats",
                     .value = v});
  }

  void prepare_read(std::uint32_t offset) noexcept override {
    pass_time();
    if (const std::uint32_t at = model::canonical(offset); at != offset) poke(offset, peek(at));
    if (offset == Icr::offset() && (peek(Icr::offset()) & peek(model::Ims::offset())) != 0) {
      put(Icr::int_asserted(true));
    }
  }
  [[nodiscard]] std::uint32_t after_read(std::uint32_t offset, std::uint32_t v) noexcept override {
    if (offset == Icr::offset()) after_icr_read(v);
    if (offset == model::Swsm::offset()) put(model::Swsm::smbi(true));
    for (const std::uint32_t low : model::stat::kPairs) {
      if (offset == low + 4) poke(low, 0);
    }
    return v;
  }

  void after_write(std::uint32_t offset, std::uint32_t old, std::uint32_t v) noexcept override {
    const std::uint32_t at = model::canonical(offset);
    if (at != offset) {
      old = peek(at);
      poke(at, peek(offset));
    }
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

  /// A write to one of a ring's registers. The tail is a doorbell; the others must not change under a running queue.
  bool on_ring_write(Ring& ring, std::uint32_t control, bool enabled, std::uint32_t at, std::uint32_t old,
                     std::uint32_t v) noexcept {
    if (at == ring.tail) return (void)work(), true;
    if (at != ring.low && at != ring.high && at != ring.length && at != ring.head) return false;
    if (enabled && v != old) {
      fault(Kind::kSequence, at, text::cat("changed while ", registers().name(control), ".EN is set"), v);
    }
    if (at == ring.low && v % kDescriptorBytes != 0) {
      fault(Kind::kRing, at, "a ring is aligned to 16 bytes", v);
      poke(at, v & ~(kDescriptorBytes - 1));
    }
    if (at == ring.length && v % 128 != 0) {
      fault(Kind::kRing, at, "a ring's length is a multiple of 128 bytes", v);
      poke(at, v & ~127u);
    }
    ring.broken = false;
    ring.seen = kUnseen;
    return true;
  }

  bool on_general_write(std::uint32_t at, std::uint32_t old, std::uint32_t v) noexcept {
    switch (at) {
      case Ctrl::offset():
        on_ctrl(old);
        return true;
      case Eecd::offset():
        v &= decltype(model::EecdGrant::req)::kMask;
        put(model::EecdGrant::gnt.from(v != 0));
        return true;
      case model::Eerd::offset():
        read_nvm();
        return true;
      case model::Eewr::offset():
        write_nvm();
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

  bool on_interrupt_write(std::uint32_t at, std::uint32_t v) noexcept {
    switch (at) {
      case Icr::offset():
        update_level();
        return true;
      case model::Ics::offset():
        raise_cause(v & model::cause::kAll);
        return true;
      case model::Ims::offset():
        signal(peek(Icr::offset()) & v);
        return true;
      case Imc::offset():
        registers().clear(model::Ims::offset(), v);
        update_level();
        return true;
      case Rdtr::offset():
        if (value<Rdtr>()[Rdtr::fpd]) {
          put(Rdtr::fpd(false));
          raise_delayed();
        }
        return true;
      default:
        return false;
    }
  }

  void on_queue_write(std::uint32_t at, std::uint32_t old, std::uint32_t v) noexcept {
    if (at == Rctl::offset()) {
      const auto rctl = value<Rctl>();
      if (rctl[Rctl::bsex] && rctl[Rctl::bsize] == 0) fault(Kind::kReservedBit, at, "BSIZE 0 with BSEX is reserved", v);
      if (rctl[Rctl::lbm] == 1 || rctl[Rctl::lbm] == 2) fault(Kind::kReservedBit, at, "LBM is 0 or 3", v);
      if (rctl[Rctl::dtyp] != 0) fault(Kind::kReservedBit, at, "DTYP other than 0 is not modelled", v);
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
  /// A direction was switched on: its tails count from now.
  static void wake(std::array<Ring, kQueues>& rings) noexcept {
    for (Ring& ring : rings) {
      ring.seen = kUnseen;
      ring.broken = false;
    }
  }

  // ---- Reset, NVM, PHY, link ----------------------------------------------------------------------------------------

  void on_ctrl(std::uint32_t old) noexcept {
    const auto ctrl = value<Ctrl>();
    if (ctrl[Ctrl::rst]) return begin_reset();
    const bool was_in_reset = reg::Value<Ctrl>{old}[Ctrl::phy_rst];
    if (ctrl[Ctrl::phy_rst]) reset_phy();
    if (was_in_reset && !ctrl[Ctrl::phy_rst]) negotiate();
    update_link();
    (void)work();
  }

  /// CTRL.RST: everything but what only power-on resets; the bits written with it are lost. [8254x 13.4.1]
  void begin_reset() noexcept {
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
  void power_on() noexcept {
    registers().reset();
    for (unsigned q = 0; q < kQueues; ++q) {
      rx_[q] = ring_of<Rdbal, Rdbah, Rdlen, Rdh, Rdt>(q == 0 ? "RX queue 0" : "RX queue 1", q);
      tx_[q] = ring_of<Tdbal, Tdbah, Tdlen, Tdh, Tdt>(q == 0 ? "TX queue 0" : "TX queue 1", q);
      outgoing_[q] = {};
    }
    context_ = {};
    fifo_.clear();
    fifo_bytes_ = 0;
    sending_.clear();
    paused_until_ = xoff_until_ = delayed_due_ = Nanos{};
    delayed_ = 0;
    xoff_sent_ = false;
    throttled_ = {};
    message_sent_ = false;
    resetting_ = false;
    reset_phy();
    negotiate();
    update_link();
    if (quirk(Quirk::kQemuLinkUpAtReset)) negotiated_at_ = now();
    begin_nvm_load();
    update_link();
    update_level();
  }
  void reset_device() noexcept override {
    power_on();
    finish_nvm_load();
  }

  void begin_nvm_load() noexcept {
    nvm_loading_ = true;
    nvm_loaded_at_ = now() + config_.nvm_load;
    put(Eecd::auto_rd(false));
    put(model::Eemngctl::cfg_done.from(false));
  }
  void finish_nvm_load() noexcept {
    nvm_loading_ = false;
    poke(Ral::offset({0}), nvm_[0] | std::uint32_t{nvm_[1]} << 16);
    put(Rah::address.from(nvm_[2]) | Rah::av(true));
    put(Eecd::auto_rd(true));
    put(model::Eemngctl::cfg_done.from(true));
  }
  void set_up_nvm() noexcept {
    const auto& mac = config_.mac.bytes;
    for (std::size_t i = 0; i < 3; ++i) nvm_[i] = static_cast<std::uint16_t>(mac[2 * i] | mac[2 * i + 1] << 8);
    nvm_[0x0D] = kIdentity.id.device;
    nvm_[0x0E] = kIdentity.id.vendor;
    std::uint16_t sum = 0;
    for (const std::uint16_t word : nvm_) sum = static_cast<std::uint16_t>(sum + word);
    nvm_.back() = static_cast<std::uint16_t>(0xBABA - sum);  // words 0 to 3F add up to BABA
  }
  void read_nvm() noexcept {
    using model::Eerd;
    const auto eerd = value<Eerd>();
    if (!eerd[Eerd::start]) return;
    const std::uint32_t at = eerd[Eerd::address];
    if (at >= nvm_.size()) fault(Kind::kAccessMode, Eerd::offset(), text::cat("the NVM has no word ", at), eerd.bits);
    put(Eerd::data.from(at < nvm_.size() ? nvm_[at] : 0xFFFFu) | Eerd::done(true) | Eerd::start(false));
  }
  void write_nvm() noexcept {
    using model::Eerd, model::Eewr;
    const auto eewr = value<Eewr>();
    if (!eewr[Eewr::start]) return;
    const std::uint32_t at = eewr[Eewr::address];
    if (at >= nvm_.size()) return fault(Kind::kAccessMode, Eewr::offset(), text::cat("the NVM has no word ", at), at);
    nvm_[at] = static_cast<std::uint16_t>(eewr[Eewr::data]);
    put(Eewr::done(true) | Eewr::start(false));
    if (quirk(Quirk::kQemuEewrDoneInEerd)) put(Eerd::done(true));
  }

  /// One PHY access. The answer is there when it has gone over the wire. [8254x 13.4.7]
  void on_mdic(std::uint32_t command) noexcept {
    const reg::Value<Mdic> mdic{command};
    if (mdio_pending_) fault(Kind::kSequence, Mdic::offset(), "written before READY", command);
    const std::uint32_t op = mdic[Mdic::op];
    const model::phy::PhySpec* spec = model::phy::find(mdic[Mdic::regadd]);
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
  [[nodiscard]] std::uint16_t read_phy(const model::phy::PhySpec& spec) noexcept {
    namespace phy = model::phy;
    update_link();
    const std::uint16_t held = phy_[spec.number];
    switch (spec.number) {
      case phy::kBmsr: {  // its link bit is latched low: it tells of a loss since the last read
        const bool shown = negotiated_ && !link_was_lost_;
        link_was_lost_ = !negotiated_;
        return static_cast<std::uint16_t>(held | (shown ? phy::kBmsrLink : 0) | (negotiated_ ? phy::kBmsrComplete : 0));
      }
      case phy::kAnlpar:
        return negotiated_ ? phy::kAnlparDone : std::uint16_t{0};
      case phy::kStat1000:
        return negotiated_ ? phy::kStat1000Done : std::uint16_t{0};
      case phy::kStatus:
        return negotiated_ ? phy::kStatusUp : phy::kStatusDown;
      default:
        return held;
    }
  }
  void write_phy(const model::phy::PhySpec& spec, std::uint16_t data) noexcept {
    namespace phy = model::phy;
    phy_[spec.number] = static_cast<std::uint16_t>((data & spec.writable) | (phy_[spec.number] & ~spec.writable));
    if (spec.number != phy::kBmcr) return;
    if ((data & phy::kBmcrReset) != 0) reset_phy();
    if ((data & (phy::kBmcrReset | phy::kBmcrRestart)) != 0) negotiate();
    update_link();
  }
  void reset_phy() noexcept {
    for (const model::phy::PhySpec& spec : model::phy::kRegisters) phy_[spec.number] = spec.reset;
  }
  void negotiate() noexcept {
    negotiated_at_ = now() + config_.autonegotiation;
    negotiated_ = false;
    link_was_lost_ = true;
  }

  /// The PHY has a link when the cable has one and negotiation is over; the MAC takes it when CTRL.SLU is set.
  void update_link() noexcept {
    namespace phy = model::phy;
    const std::uint16_t bmcr = phy_[phy::kBmcr];
    const bool off = (bmcr & (phy::kBmcrPowerDown | phy::kBmcrIsolate)) != 0 || value<Ctrl>()[Ctrl::phy_rst];
    const bool carrier = !off && (wire().link() || (bmcr & phy::kBmcrLoopback) != 0);
    if (carrier && !carrier_) negotiate();
    if (carrier && (bmcr & phy::kBmcrAutoneg) == 0) negotiated_at_ = now();
    carrier_ = carrier;
    negotiated_ = carrier && now() >= negotiated_at_;
    if (!negotiated_) link_was_lost_ = true;
    const bool up = negotiated_ && value<Ctrl>()[Ctrl::slu];
    const bool change = up != value<Status>()[Status::lu];
    poke(Status::offset(), model::kStatusAlways | (Status::fd.from(value<Ctrl>()[Ctrl::fd] || up) |
                                                   Status::lu.from(up) | Status::txoff.from(paused()) |
                                                   Status::gio_master_en.from(!value<Ctrl>()[Ctrl::gio_master_disable]))
                                                      .bits);
    if (change) raise_cause(model::cause::kLsc);
  }
  [[nodiscard]] bool link_up() noexcept { return value<Status>()[Status::lu]; }
  [[nodiscard]] bool loopback() noexcept {
    return value<Rctl>()[Rctl::lbm] == 3 || (phy_[model::phy::kBmcr] & model::phy::kBmcrLoopback) != 0;
  }

  // ---- Time ---------------------------------------------------------------------------------------------------------

  /// What has become due since the last look.
  void pass_time() noexcept {
    const Nanos t = now();
    if (resetting_ && t >= reset_done_) {
      resetting_ = false;
      put(Ctrl::rst(false));
    }
    if (nvm_loading_ && !resetting_ && t >= nvm_loaded_at_) finish_nvm_load();
    if (mdio_pending_ && t >= mdio_done_) {
      mdio_pending_ = false;
      poke(Mdic::offset(), mdio_answer_);
      if (value<Mdic>()[Mdic::ie]) raise_cause(model::cause::kMdac);
    }
    update_link();
    if (delayed_ != 0 && t >= delayed_due_) raise_delayed();
    send_throttled();
  }
  [[nodiscard]] bool paused() const noexcept { return paused_until_ > now(); }

  bool work() noexcept override {
    pass_time();
    if (resetting_) return false;
    bool moved = drain();
    for (unsigned q = 0; q < kQueues; ++q) moved |= transmit(q);
    moved |= take_off_wire();
    return moved;
  }

  /// Looks at a ring's tail, however it was written. After a fault the last legal tail stays.
  void look_at_tail(Ring& ring) noexcept {
    const std::uint32_t tail = peek(ring.tail);
    if (tail == ring.seen) return;
    ring.seen = tail;
    if (tail == peek(ring.head)) {
      ring.end = tail;
      return;
    }
    const std::uint32_t length = peek(ring.length);
    const std::uint32_t count = length / kDescriptorBytes;
    if (count == 0 || count > kMostDescriptors) {
      fault(Kind::kRing, ring.length, text::cat("a ring in use has 8 to ", kMostDescriptors, " descriptors"), length);
      ring.broken = true;
    } else if (tail >= count || peek(ring.head) >= count) {
      fault(Kind::kRing, tail >= count ? ring.tail : ring.head, text::cat("the ring has ", count, " descriptors"),
            tail);
      ring.broken = peek(ring.head) >= count;
    } else {
      ring.end = tail;
    }
  }
  [[nodiscard]] bool has_descriptor(Ring& ring) noexcept {
    return !ring.broken && peek(ring.head) != ring.end && ring.end < ring_size(ring) &&
           peek(ring.head) < ring_size(ring);
  }
  [[nodiscard]] std::uint32_t ring_size(Ring& ring) noexcept { return peek(ring.length) / kDescriptorBytes; }
  /// The descriptor at the head, or nullptr: the ring is broken then.
  [[nodiscard]] std::byte* head_descriptor(Ring& ring, const char* what) noexcept {
    const std::uint64_t base = peek(ring.low) | std::uint64_t{peek(ring.high)} << 32;
    std::byte* at = reach(base + std::uint64_t{peek(ring.head)} * kDescriptorBytes, kDescriptorBytes, what);
    if (at == nullptr) ring.broken = true;
    return at;
  }
  void advance_head(Ring& ring) noexcept {
    const std::uint32_t next = peek(ring.head) + 1;
    poke(ring.head, next >= ring_size(ring) ? 0 : next);
  }
  [[nodiscard]] bool may_access_memory() noexcept { return !value<Ctrl>()[Ctrl::gio_master_disable]; }

  // ---- Receive ------------------------------------------------------------------------------------------------------

  bool take_off_wire() noexcept {
    const bool listening = link_up() && value<Rctl>()[Rctl::en] && !loopback();
    unsigned n = 0;
    for (; n < kFramesPerStep; ++n) {
      const ConstBytes frame = wire().front();
      if (frame.empty()) break;
      if (listening) receive(frame);
      wire().consume();
    }
    return n != 0;
  }

  /// A frame has arrived, without FCS: counted, filtered, stored, delivered as far as there are descriptors.
  void receive(ConstBytes frame) noexcept {
    namespace stat = model::stat;
    if (frame.size() < sizeof(EthernetHeader)) return;
    count(stat::kTpr);
    count_pair(stat::kTor, frame.size() + kFcs);
    bool pass = false;
    if (is_flow_control(frame) && !obey_pause(frame, pass)) return;
    bool inexact = false;
    if (!pass && !accepted_address(frame, inexact)) return;
    if (!accepted_size(frame) || !accepted_vlan(frame)) return;
    Stored stored = describe(frame);
    if (inexact) stored.status |= model::RxWriteBack::kPif;
    Ring& ring = rx_[stored.queue];
    look_at_tail(ring);
    if (!has_descriptor(ring)) count(stat::kRnbc);
    if (fifo_bytes_ + stored.bytes.size() > std::size_t{value<Pba>()[Pba::rxa]} * 1024) {
      count(stat::kMpc);
      count(stat::kIcrxoc);
      raise_cause(model::cause::kRxo);
      return;
    }
    count_received(frame);
    fifo_bytes_ += stored.bytes.size();
    fifo_.push_back(std::move(stored));
    (void)drain();
  }

  [[nodiscard]] bool is_flow_control(ConstBytes frame) noexcept {
    return sim::get16(frame, 12) == value<Fct>()[Fct::fct] && frame.size() >= 18;
  }
  /// A MAC control frame. Returns whether it may go on to the filters; `pass`: even past them. [8254x 13.4.22 DPF,
  /// PMCF]
  bool obey_pause(ConstBytes frame, bool& pass) noexcept {
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

  /// Promiscuous, own addresses, multicast hash, broadcast.
  [[nodiscard]] bool accepted_address(ConstBytes frame, bool& inexact) noexcept {
    const auto rctl = value<Rctl>();
    const auto destination = load_header<MacAddress>(frame.data());
    for (std::uint32_t i = 0; i < Ral::kCount; ++i) {
      const auto rah = value<Rah>(i);
      if (!rah[Rah::av] || rah[Rah::as] > 1) continue;
      const std::byte* compared = frame.data() + 6 * rah[Rah::as];
      if (load_header<Le32>(compared) == peek(Ral::offset({i})) &&
          load_header<Le16>(compared + 4) == rah[Rah::address]) {
        return true;
      }
    }
    if (destination == MacAddress::broadcast()) return rctl[Rctl::bam];
    inexact = true;
    if (!destination.is_multicast()) return rctl[Rctl::upe];
    if (rctl[Rctl::mpe]) return true;
    constexpr unsigned kShift[] = {4, 3, 2, 0};
    const unsigned top = destination.bytes[5] * 256u + destination.bytes[4];
    const unsigned hash = top >> kShift[rctl[Rctl::mo]] & 0xFFF;
    return (peek(Mta::offset({hash >> 5})) >> (hash & 31) & 1) != 0;
  }
  [[nodiscard]] bool is_tagged(ConstBytes frame) noexcept {
    return frame.size() >= 18 && sim::get16(frame, 12) == value<Vet>()[Vet::vet];
  }
  [[nodiscard]] bool accepted_vlan(ConstBytes frame) noexcept {
    const auto rctl = value<Rctl>();
    if (!rctl[Rctl::vfe] || !is_tagged(frame)) return true;
    const unsigned tci = sim::get16(frame, 14);
    const unsigned id = tci & 0xFFF;
    if (rctl[Rctl::cfien] && (tci >> 12 & 1) != (rctl[Rctl::cfi] ? 1u : 0u)) return false;
    return (peek(Vfta::offset({id >> 5})) >> (id & 31) & 1) != 0;
  }
  [[nodiscard]] bool accepted_size(ConstBytes frame) noexcept {
    namespace stat = model::stat;
    const std::size_t standard = is_tagged(frame) ? kMaxVlanFrame : kMaxFrame;
    const std::size_t most = value<Rctl>()[Rctl::lpe] ? kLongestFrame - kFcs : standard;
    if (frame.size() > most) {
      count(stat::kRoc);
      count(stat::kRlec);
      return false;
    }
    if (frame.size() >= kMinFrame) return true;
    count(stat::kRuc);
    if (value<Rctl>()[Rctl::sbp] || quirk(Quirk::kQemuPadsReceived)) return true;
    count(stat::kRlec);
    return false;
  }

  /// The frame as it will lie in memory, and everything its descriptor says of it.
  [[nodiscard]] Stored describe(ConstBytes frame) noexcept {
    using model::RxWriteBack;
    Stored out;
    out.bytes.assign(frame.begin(), frame.end());
    const sim::ParsedFrame parsed = sim::parse_frame(frame);
    out.status = verdict(frame, parsed);
    if (quirk(Quirk::kQemuPadsReceived) && out.bytes.size() < kMinFrame) out.bytes.resize(kMinFrame);
    const std::uint32_t fcs = model::frame_check_sequence(out.bytes);
    if (value<Ctrl>()[Ctrl::vme] && is_tagged(frame)) {
      out.vlan = sim::get16(frame, 14);
      out.status |= RxWriteBack::kVp;
      out.bytes.erase(out.bytes.begin() + 12, out.bytes.begin() + 16);
    }
    const auto rxcsum = value<Rxcsum>();
    const std::size_t start = std::min<std::size_t>(rxcsum[Rxcsum::pcss], out.bytes.size());
    const ConstBytes summed = ConstBytes(out.bytes).subspan(start);
    out.checksum = static_cast<std::uint16_t>(~checksum_finish(checksum_add(summed)));
    distribute(frame, parsed, out);
    if (!rxcsum[Rxcsum::pcsd]) {
      const std::uint32_t id = parsed.ipv4 ? sim::get16(frame, parsed.l3 + 4) : 0;
      out.hash = id | std::uint32_t{out.checksum} << 16;
      if (parsed.ipv4) out.status |= RxWriteBack::kIpidv;
    }
    if (!value<Rctl>()[Rctl::secrc]) {
      out.bytes.resize(out.bytes.size() + kFcs);
      store_header(&out.bytes[out.bytes.size() - kFcs], Le32{fcs});
    }
    return out;
  }
  /// Checksum bits and packet type. [82574 RX extended]
  [[nodiscard]] std::uint32_t verdict(ConstBytes frame, const sim::ParsedFrame& p) noexcept {
    using model::RxWriteBack, model::PacketType;
    const auto rxcsum = value<Rxcsum>();
    const bool l4 = p.l4 != 0;
    const PacketType type = p.ipv4   ? (l4 ? PacketType::kIpv4L4 : PacketType::kIpv4)
                            : p.ipv6 ? (l4 ? PacketType::kIpv6L4 : PacketType::kIpv6)
                                     : PacketType::kL2;
    std::uint32_t out = RxWriteBack::Type{}.from(static_cast<std::uint32_t>(type)).bits;
    sim::ChecksumVerdict v = sim::verify_checksums(frame, p);
    v.ip_checked = v.ip_checked && rxcsum[Rxcsum::ipofld];
    v.l4_checked = v.l4_checked && rxcsum[Rxcsum::tuofld];
    if (!v.ip_checked && !v.l4_checked) return out | RxWriteBack::kIxsm;
    if (v.ip_checked) out |= RxWriteBack::kIpcs | (v.ip_good ? 0 : RxWriteBack::kIpe);
    if (v.l4_checked) {
      out |= RxWriteBack::kTcpcs | (p.protocol == sim::kIpUdp ? RxWriteBack::kUdpcs : 0) |
             (v.l4_good ? 0 : RxWriteBack::kTcpe);
    }
    return out;
  }
  /// Receive side scaling: the hash, its type, and the queue RETA gives for it.
  void distribute(ConstBytes frame, const sim::ParsedFrame& p, Stored& out) noexcept {
    using model::Mrqc, model::RssType;
    const auto mrqc = value<Mrqc>();
    if (mrqc[Mrqc::enable] != 1) return;
    const bool tcp = p.l4 != 0 && p.protocol == sim::kIpTcp;
    RssType type = RssType::kNone;
    if (p.ipv4) type = tcp && mrqc[Mrqc::tcp_ipv4] ? RssType::kTcpIpv4 : mrqc[Mrqc::ipv4] ? RssType::kIpv4 : type;
    if (p.ipv6) {
      type = tcp && (mrqc[Mrqc::tcp_ipv6] || mrqc[Mrqc::tcp_ipv6_ex]) ? RssType::kTcpIpv6
             : mrqc[Mrqc::ipv6]                                       ? RssType::kIpv6
             : mrqc[Mrqc::ipv6_ex]                                    ? RssType::kIpv6Ex
                                                                      : type;
    }
    if (type == RssType::kNone) return;
    std::array<std::uint8_t, 4 * model::Rssrk::kCount> key{};
    for (std::uint32_t i = 0; i < key.size(); ++i) {
      key[i] = static_cast<std::uint8_t>(peek(model::Rssrk::offset({i / 4})) >> (8 * (i % 4)));
    }
    const bool ports = type == RssType::kTcpIpv4 || type == RssType::kTcpIpv6;
    const std::uint32_t hash = sim::toeplitz(key, sim::rss_input(frame, p, ports));
    const std::uint32_t entry = hash & 0x7F;
    out.queue = peek(model::Reta::offset({entry / 4})) >> (8 * (entry % 4) + 7) & 1;  // bit 7 of the byte
    out.hash = hash;
    out.mrq = static_cast<std::uint32_t>(type) | out.queue << 8;
  }

  /// Delivers stored frames in order. One that finds no descriptor holds up all behind it, on either queue.
  bool drain() noexcept {
    bool moved = false;
    while (!fifo_.empty() && may_access_memory()) {
      Stored& frame = fifo_.front();
      Ring& ring = rx_[frame.queue];
      look_at_tail(ring);
      if (!deliver(ring, frame)) break;
      fifo_bytes_ -= frame.bytes.size();
      fifo_.pop_front();
      moved = true;
    }
    for (Ring& ring : rx_) look_at_rx_tail(ring);
    control_flow();
    return moved;
  }
  /// RDT before RCTL.EN is legal on this chip, so its tail is judged once the receiver is on.
  void look_at_rx_tail(Ring& ring) noexcept {
    if (value<Rctl>()[Rctl::en]) look_at_tail(ring);
  }
  /// Fills descriptors with what is left of the frame. Returns whether all of it went.
  bool deliver(Ring& ring, Stored& frame) noexcept {
    const std::size_t room = buffer_bytes();
    while (has_descriptor(ring)) {
      std::byte* at = head_descriptor(ring, "receive descriptor");
      if (at == nullptr) return false;
      const std::uint64_t address = load_header<Le64>(at);
      check_posted(ring, at);
      const std::size_t n = std::min(room, frame.bytes.size() - frame.done);
      std::byte* buffer = reach(address, room, "receive buffer");
      if (buffer == nullptr) {
        ring.broken = true;
        return false;
      }
      std::memcpy(buffer, &frame.bytes[frame.done], n);
      frame.done += n;
      const bool last = frame.done == frame.bytes.size();
      write_back(at, frame, static_cast<std::uint32_t>(n), last);
      advance_head(ring);
      warn_of_shortage(ring);
      if (!last) continue;
      announce(frame);
      return true;
    }
    return false;
  }
  [[nodiscard]] std::size_t buffer_bytes() noexcept {
    const auto rctl = value<Rctl>();
    if (rctl[Rctl::flxbuf] != 0) return std::size_t{rctl[Rctl::flxbuf]} * 1024;
    const std::size_t small = std::size_t{2048} >> rctl[Rctl::bsize];
    return rctl[Rctl::bsex] && rctl[Rctl::bsize] != 0 ? small * 16 : small;
  }
  /// What lies in a descriptor the driver has given: DD and, in the extended format, all of the second half is zero.
  void check_posted(const Ring& ring, const std::byte* at) noexcept {
    const std::uint64_t second = load_header<Le64>(at + 8);
    const bool extended = value<Rfctl>()[Rfctl::exten];
    const std::uint64_t dd = extended ? second & 1 : second >> 32 & 1;
    const std::uint32_t index = peek(ring.head);
    if (dd != 0) {
      descriptor_fault(ring, index, "DD is set in a descriptor given to the device", second);
    } else if (extended && second != 0) {
      descriptor_fault(ring, index, "reserved bits are set: the second half is given as zero", second);
    }
  }
  /// The completion; its second half last, with DD. [82574 RX legacy, RX extended]
  void write_back(std::byte* at, const Stored& frame, std::uint32_t n, bool last) noexcept {
    using model::RxWriteBack;
    const std::uint32_t status = RxWriteBack::kDd | (last ? RxWriteBack::kEop | frame.status : 0);
    const std::uint32_t vlan = last ? frame.vlan : 0u;
    if (value<Rfctl>()[Rfctl::exten]) {
      store_header(at, Le64{frame.mrq | std::uint64_t{frame.hash} << 32});
      return publish(at + 8, status | std::uint64_t{n | vlan << 16} << 32);
    }
    const std::uint32_t checksum = last ? frame.checksum : 0u;
    const std::uint32_t flags = (status & 0xFF) | (status >> 24) << 8 | vlan << 16;  // status, errors, special
    publish(at + 8, (n | checksum << 16) | std::uint64_t{flags} << 32);
  }
  void warn_of_shortage(Ring& ring) noexcept {
    const std::uint32_t size = ring_size(ring);
    const std::uint32_t left = (ring.end + size - peek(ring.head)) % size;
    if (left != size >> (value<Rctl>()[Rctl::rdmts] + 1)) return;
    count(model::stat::kIcrxdmtc);
    raise_cause(model::cause::kRxdmt0);
  }
  void announce(const Stored& frame) noexcept {
    namespace cause = model::cause;
    const bool small = frame.bytes.size() <= value<model::Rsrpd>()[model::Rsrpd::size];
    const std::uint32_t causes = cause::kRxt0 | cause::kRxq0 << frame.queue;
    const std::int64_t packet = value<Rdtr>()[Rdtr::delay], absolute = value<Radv>()[Radv::delay];
    constexpr std::int64_t kUnit = 1024;  // [ns]
    if (small) raise_cause(cause::kSrpd);
    if (packet == 0) return raise_cause(causes);
    if (delayed_ == 0) delayed_since_ = now();
    delayed_ |= causes;
    delayed_due_ = now() + Nanos{packet * kUnit};
    if (absolute != 0) delayed_due_ = std::min(delayed_due_, delayed_since_ + Nanos{absolute * kUnit});
  }
  void raise_delayed() noexcept {
    const std::uint32_t causes = std::exchange(delayed_, 0);
    if (causes != 0) raise_cause(causes);
  }

  /// XOFF when the packet buffer fills beyond FCRTH, XON when it has emptied below FCRTL. [8254x 13.4.23, 13.4.24]
  void control_flow() noexcept {
    const std::size_t high = peek(Fcrth::offset()) & decltype(Fcrth::rth)::kMask;
    const std::size_t low = peek(Fcrtl::offset()) & decltype(Fcrtl::rtl)::kMask;
    if (!value<Ctrl>()[Ctrl::tfce] || high == 0) return;
    if (fifo_bytes_ > high && (!xoff_sent_ || now() > xoff_until_)) {
      xoff_sent_ = send_pause(value<Fcttv>()[Fcttv::ttv]);
    } else if (xoff_sent_ && fifo_bytes_ < low) {
      xoff_sent_ = value<Fcrtl>()[Fcrtl::xone] && !send_pause(0);
    }
  }
  bool send_pause(std::uint32_t quanta) noexcept {
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

  // ---- Transmit -----------------------------------------------------------------------------------------------------

  /// Everything between head and tail, as far as wire, link and PAUSE allow.
  bool transmit(unsigned q) noexcept {
    Ring& ring = tx_[q];
    if (!value<Tctl>()[Tctl::en]) {
      refuse_early_tail(ring);
      return false;
    }
    look_at_tail(ring);
    bool moved = flush();
    const bool enabled = value<Tarc>(q)[Tarc::enable];
    bool emptied = false;
    for (std::uint32_t n = 0; n < kMostDescriptors && enabled && may_send() && has_descriptor(ring); ++n) {
      if (!run_descriptor(q)) break;
      advance_head(ring);
      moved = true;
      emptied = !has_descriptor(ring);
    }
    if (emptied) {
      count(model::stat::kIctxqec);
      raise_cause(model::cause::kTxqe);
    }
    return moved;
  }
  void refuse_early_tail(Ring& ring) noexcept {
    const std::uint32_t tail = peek(ring.tail);
    if (tail == ring.seen) return;
    ring.seen = tail;
    if (tail != peek(ring.head)) fault(Kind::kSequence, ring.tail, "written before TCTL.EN", tail);
  }
  [[nodiscard]] bool may_send() noexcept {
    return sending_.empty() && !paused() && may_access_memory() && (link_up() || loopback());
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
  bool send(ConstBytes frame) noexcept {
    if (!loopback() && !wire().transmit(frame)) return false;
    count_sent(frame);
    if (loopback() && value<Rctl>()[Rctl::en]) receive(frame);
    return true;
  }

  /// The descriptor at the head. Returns whether the ring goes on.
  bool run_descriptor(unsigned q) noexcept {
    using model::TxCmd;
    Ring& ring = tx_[q];
    std::byte* at = head_descriptor(ring, "transmit descriptor");
    if (at == nullptr) return false;
    const auto words = load_header<TxDescriptorWords>(at);
    const TxCmd::Word command{words.command};
    if (command[TxCmd::ide]) complain(q, "IDE is set: the delay timers are not modelled, and abort QEMU", command.bits);
    const bool context = command[TxCmd::dext] && command[TxCmd::dtyp] == 0;
    if (command[TxCmd::dext] && command[TxCmd::dtyp] > 1) {
      complain(q, "DTYP is 0 (context) or 1 (data)", command.bits);
      outgoing_[q].spoiled = true;
    } else if (context) {
      set_context(q, words);
    } else if (!append_buffer(q, words)) {
      return false;
    }
    if (!context && command[TxCmd::eop]) finish_packet(q, words);
    if (command[TxCmd::rs] || value<model::Ivar>()[model::Ivar::every_write_back]) report_status(at, words);
    if (command[TxCmd::rs]) raise_cause(model::cause::kTxdw | model::cause::kTxq0 << q);
    return true;
  }
  void complain(unsigned q, std::string rule, std::uint64_t v) noexcept {
    descriptor_fault(tx_[q], peek(tx_[q].head), std::move(rule), v);
  }
  /// DD, in one 32-bit store: whoever sees it may reuse descriptor and buffer.
  static void report_status(std::byte* at, const TxDescriptorWords& words) noexcept {
    const Le32 status{words.status | decltype(model::TxSta::dd)::kMask};
    __atomic_store_n(reinterpret_cast<std::uint32_t*>(at + offsetof(TxDescriptorWords, status)),
                     __builtin_bit_cast(std::uint32_t, status), __ATOMIC_RELEASE);
  }

  void set_context(unsigned q, const TxDescriptorWords& words) noexcept {
    using model::TxCmd, model::TxSta;
    const std::uint64_t first = words.address;
    context_ = {.ip = {static_cast<std::uint32_t>(first)},
                .tu = {static_cast<std::uint32_t>(first >> 32)},
                .command = {words.command},
                .segments = {words.status}};
    const std::uint32_t reserved = (words.command & TxCmd::kContextReserved) | (words.status & TxSta::kContextReserved);
    if (reserved != 0) complain(q, "reserved bits of a context descriptor are set", reserved);
    if (outgoing_[q].begun) complain(q, "a context descriptor within a packet", words.command);
  }

  /// A data descriptor's buffer joins the packet. Returns whether the ring goes on.
  bool append_buffer(unsigned q, const TxDescriptorWords& words) noexcept {
    using model::TxCmd, model::TxSta;
    Outgoing& packet = outgoing_[q];
    const TxCmd::Word command{words.command};
    const bool extended = command[TxCmd::dext];
    const std::uint32_t n = extended ? command[TxCmd::length] : command[TxCmd::legacy_length];
    const std::uint32_t reserved =
        (command.bits & TxCmd::kReserved) | (words.status & (extended ? TxSta::kDataReserved : TxSta::kLegacyReserved));
    if (reserved != 0) complain(q, "reserved bits are set", reserved);
    if (packet.begun && packet.extended != extended) complain(q, "formats are mixed in one packet", command.bits);
    if (!packet.begun || quirk(Quirk::kQemuPoptsOfLast)) packet.options = {words.status};
    if (!packet.begun) packet.segmented = extended && command[TxCmd::tse];
    packet.begun = true;
    packet.extended = extended;
    if (n == 0) return complain(q, "a buffer of length 0", command.bits), true;
    const std::size_t most = packet.segmented ? kLongestTso : kLongestFrame - kFcs;
    if (packet.spoiled || packet.bytes.size() + n > most) {
      if (!packet.spoiled) complain(q, text::cat("a packet is longer than ", most, " bytes"), command.bits);
      packet.spoiled = true;
      return true;
    }
    const std::byte* buffer = reach(words.address, n, "transmit buffer");
    if (buffer == nullptr) {
      tx_[q].broken = true;
      return false;
    }
    packet.bytes.insert(packet.bytes.end(), buffer, buffer + n);
    return true;
  }

  /// The packet is whole: checksums or segments, tag, padding, out. `words`: its last descriptor.
  void finish_packet(unsigned q, const TxDescriptorWords& words) noexcept {
    using model::TxCmd, model::TxSta;
    Outgoing& packet = outgoing_[q];
    const TxCmd::Word command{words.command};
    if (!packet.spoiled && packet.bytes.size() < sizeof(EthernetHeader)) {
      complain(q, "a packet has no Ethernet header", packet.bytes.size());
      packet.spoiled = true;
    }
    if (packet.spoiled) {
      if (packet.segmented) count(model::stat::kTsctfc);
    } else if (packet.segmented) {
      send_segments(q, words);
    } else {
      if (packet.extended) {
        insert_checksums(q);
      } else if (command[TxCmd::ic]) {
        const std::size_t start = TxSta::Word{words.status}[TxSta::css];
        if (!sim::insert_checksum(packet.bytes, start, packet.bytes.size(), command[TxCmd::cso], false)) {
          complain(q, "CSS or CSO lies outside the packet", command.bits);
        }
      }
      emit(q, packet.bytes, words);
    }
    packet.bytes.clear();
    packet.begun = packet.spoiled = packet.segmented = false;
  }
  /// Both checksums at the positions the context gives; ends are inclusive, 0 is the end of the packet.
  void insert_checksums(unsigned q) noexcept {
    using model::TxCmd, model::TxIp, model::TxSta, model::TxTu;
    Outgoing& packet = outgoing_[q];
    const std::size_t size = packet.bytes.size();
    const std::size_t ip_end = context_.ip[TxIp::end] == 0 ? size : context_.ip[TxIp::end] + std::size_t{1};
    const std::size_t tu_end = context_.tu[TxTu::end] == 0 ? size : context_.tu[TxTu::end] + std::size_t{1};
    bool fits = true;
    if (packet.options[TxSta::ixsm]) {
      fits &= sim::insert_checksum(packet.bytes, context_.ip[TxIp::start], ip_end, context_.ip[TxIp::offset], false);
    }
    if (packet.options[TxSta::txsm]) {
      const bool udp = !context_.command[TxCmd::tcp];
      fits &= sim::insert_checksum(packet.bytes, context_.tu[TxTu::start], tu_end, context_.tu[TxTu::offset], udp);
    }
    if (!fits) complain(q, "the context's checksum positions lie outside the packet", context_.ip.bits);
  }
  /// TCP segmentation, as the context says.
  void send_segments(unsigned q, const TxDescriptorWords& words) noexcept {
    using model::TxCmd, model::TxIp, model::TxSegments, model::TxSta, model::TxTu;
    Outgoing& packet = outgoing_[q];
    const bool tcp = context_.command[TxCmd::tcp];
    const sim::Segmentation how{.l3 = context_.ip[TxIp::start],
                                .l4 = context_.tu[TxTu::start],
                                .header = context_.segments[TxSegments::header],
                                .mss = context_.segments[TxSegments::mss],
                                .ipv4 = context_.command[TxCmd::ipv4],
                                .udp = !tcp,
                                .insert_ip_checksum = packet.options[TxSta::ixsm]};
    const std::size_t payload = packet.bytes.size() - std::min(packet.bytes.size(), how.header);
    const char* wrong = !context_.command[TxCmd::tse]                          ? "TSE without it in the context"
                        : context_.command[TxCmd::length] != payload           ? "PAYLEN is not the payload's length"
                        : !packet.options[TxSta::txsm]                         ? "TSE without POPTS.TXSM"
                        : context_.tu[TxTu::offset] != how.l4 + (tcp ? 16 : 6) ? "TUCSO is not the checksum field"
                        : how.mss == 0 || payload / how.mss >= kMostSegments   ? "MSS is too small"
                        : how.header + how.mss > kLongestFrame - kFcs          ? "MSS is too large"
                                                                               : nullptr;
    if (wrong != nullptr) complain(q, wrong, context_.segments.bits);
    const auto out = [&](std::vector<std::byte>& segment) { emit(q, segment, words); };
    const bool fits = wrong == nullptr && sim::segment(packet.bytes, how, out);
    if (wrong == nullptr && !fits) complain(q, "the context's geometry does not fit the packet", context_.ip.bits);
    count(fits ? model::stat::kTsctc : model::stat::kTsctfc);
  }
  /// Tag, FCS rule, padding; then to the wire, or waiting for it.
  void emit(unsigned q, std::vector<std::byte>& frame, const TxDescriptorWords& words) noexcept {
    using model::TxCmd, model::TxSta;
    const TxCmd::Word command{words.command};
    if (!command[TxCmd::ifcs] && !take_own_fcs(frame)) {
      return complain(q, "IFCS is clear and the last four bytes are no FCS", command.bits);
    }
    if (command[TxCmd::vle] && !value<Ctrl>()[Ctrl::vme]) {
      complain(q, "VLE without CTRL.VME inserts nothing", command.bits);
    } else if (command[TxCmd::vle]) {
      const std::uint32_t tag = TxSta::Word{words.status}[TxSta::vlan];
      sim::insert_vlan(frame, static_cast<std::uint16_t>(value<Vet>()[Vet::vet]), static_cast<std::uint16_t>(tag));
    }
    const bool pad = value<Tctl>()[Tctl::psp] && !quirk(Quirk::kQemuNoTxPadding);
    if (pad && frame.size() < kMinFrame) frame.resize(kMinFrame);
    if (!sending_.empty() || !send(frame)) sending_.push_back(frame);
  }
  static bool take_own_fcs(std::vector<std::byte>& frame) noexcept {
    const std::size_t size = frame.size() - kFcs;  // there is an Ethernet header at least
    const std::uint32_t fcs = load_header<Le32>(&frame[size]);
    frame.resize(size);
    return fcs == model::frame_check_sequence(frame);
  }

  // ---- Interrupts ---------------------------------------------------------------------------------------------------

  void raise_cause(std::uint32_t causes) noexcept {
    if ((causes & model::cause::kOtherCauses) != 0) causes |= model::cause::kOther;
    registers().set(Icr::offset(), causes);
    signal(causes);
  }
  [[nodiscard]] std::uint32_t active() noexcept {
    return peek(Icr::offset()) & peek(model::Ims::offset()) & model::cause::kAll;
  }
  [[nodiscard]] bool msix_on() noexcept { return (config().read(kMsix + 2, 2) >> 15 & 1) != 0; }
  [[nodiscard]] bool msi_on() noexcept { return (config().read(kMsi + 2, 2) & 1) != 0; }
  [[nodiscard]] bool intx_off() noexcept {
    return (config().read(pci_config::kCommand, 2) & pci_config::kCommandIntxDisable) != 0;
  }

  /// These causes were set or unmasked: tells the host, the way it asked for.
  void signal(std::uint32_t causes) noexcept {
    if (!msix_on()) return update_level();
    for (unsigned i = 0; i < kVectors; ++i) {  // RXQ0, RXQ1, TXQ0, TXQ1, OTHER: bits 20 to 24, nibbles of IVAR
      const std::uint32_t one = model::cause::kRxq0 << i;
      const std::uint32_t entry = peek(model::Ivar::offset()) >> (4 * i) & 0xF;
      constexpr std::uint32_t kValid = 8;
      if ((causes & one & active()) == 0 || (entry & kValid) == 0) continue;
      if (const std::uint32_t vector = entry & 7; vector < kVectors) throttled_[vector].causes |= one;
    }
    send_throttled();
  }
  /// INTx line, or one MSI for each time something gets active. [8254x 13.4.17]
  void update_level() noexcept {
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
    const Nanos gap{std::int64_t{value<model::Itr>()[model::Itr::interval]} * 256};
    if (gap > Nanos{} && last_interrupt_ > Nanos{} && now() < last_interrupt_ + gap) return;  // again in pass_time
    last_interrupt_ = now();
    message_sent_ = true;
    count(model::stat::kIac);
    if (msi_on()) return interrupts().message(0);
    interrupts().set_line(!intx_off());
  }
  /// MSI-X messages whose interval has passed. [82574 EITR, EIAC, CTRL_EXT.EIAME]
  void send_throttled() noexcept {
    if (!msix_on()) {
      if (active() != 0 && !message_sent_) update_level();
      return;
    }
    if ((config().read(kMsix + 2, 2) >> 14 & 1) != 0) return;  // function mask
    for (unsigned v = 0; v < kVectors; ++v) {
      Throttle& t = throttled_[v];
      const Nanos gap{std::int64_t{value<model::Eitr>(v)[model::Eitr::interval]} * 256};
      if (t.causes == 0 || (t.sent_any && gap > Nanos{} && now() < t.last + gap)) continue;
      const std::uint32_t causes = std::exchange(t.causes, 0);
      t.last = now();
      t.sent_any = true;
      count(model::stat::kIac);
      interrupts().message(v);
      clear_after_message(causes);
    }
  }
  void clear_after_message(std::uint32_t causes) noexcept {
    const auto ctrl_ext = value<CtrlExt>();
    const std::uint32_t cleared = causes & peek(model::Eiac::offset());
    registers().clear(Icr::offset(), cleared);
    if (!ctrl_ext[model::CtrlExtMore::iame]) registers().clear(model::Ims::offset(), cleared);
    if (ctrl_ext[model::CtrlExtMore::eiame]) {
      registers().clear(model::Ims::offset(), causes & peek(model::Iam::offset()));
    }
  }
  void after_icr_read(std::uint32_t v) noexcept {
    const bool asserted = reg::Value<Icr>{v}[Icr::int_asserted];
    if (asserted && value<CtrlExt>()[model::CtrlExtMore::iame]) {
      registers().clear(model::Ims::offset(), peek(model::Iam::offset()));
    }
    for (Throttle& t : throttled_) t.causes = 0;
    update_level();
  }

  // ---- Statistics [8254x 13.7] --------------------------------------------------------------------------------------

  void count(std::uint32_t at) noexcept {
    if (const std::uint32_t v = peek(at); v != ~0u) poke(at, v + 1);  // sticks at all ones
  }
  void count_pair(std::uint32_t low, std::uint64_t n) noexcept {
    const std::uint64_t old = peek(low) | std::uint64_t{peek(low + 4)} << 32;
    const std::uint64_t sum = old + n < old ? ~std::uint64_t{0} : old + n;
    poke(low, static_cast<std::uint32_t>(sum));
    poke(low + 4, static_cast<std::uint32_t>(sum >> 32));
  }
  void count_received(ConstBytes frame) noexcept {
    namespace stat = model::stat;
    const auto destination = load_header<MacAddress>(frame.data());
    count(stat::kGprc);
    count_pair(stat::kGorc, frame.size() + kFcs);
    count_size(stat::kPrc64, frame.size() + kFcs);
    if (destination.is_multicast()) count(destination == MacAddress::broadcast() ? stat::kBprc : stat::kMprc);
  }
  void count_sent(ConstBytes frame) noexcept {
    namespace stat = model::stat;
    const auto destination = load_header<MacAddress>(frame.data());
    for (const std::uint32_t at : {stat::kGptc, stat::kTpt}) count(at);
    for (const std::uint32_t at : {stat::kGotc, stat::kTot}) count_pair(at, frame.size() + kFcs);
    count_size(stat::kPtc64, frame.size() + kFcs);
    if (destination.is_multicast()) count(destination == MacAddress::broadcast() ? stat::kBptc : stat::kMptc);
  }
  /// Buckets for sizes up to 64, 127, 255, 511, 1023 and beyond, FCS included.
  void count_size(std::uint32_t first, std::size_t bytes) noexcept {
    constexpr std::size_t kUpTo[] = {64, 127, 255, 511, 1023};
    std::uint32_t bucket = 0;
    while (bucket < std::size(kUpTo) && bytes > kUpTo[bucket]) ++bucket;
    count(first + 4 * bucket);
  }

  // ---- Configuration space ------------------------------------------------------------------------------

  void set_up_configuration_space() noexcept {
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

  struct Throttle {
    std::uint32_t causes = 0;  ///< waiting to be sent
    Nanos last{};
    bool sent_any = false;
  };

  Model82574Config config_;
  std::array<Ring, kQueues> rx_{}, tx_{};
  std::array<std::uint16_t, 64> nvm_{};
  std::array<std::uint16_t, 32> phy_{};

  bool resetting_ = false, nvm_loading_ = false, mdio_pending_ = false, firmware_has_mdio_ = false;
  Nanos reset_done_, nvm_loaded_at_, mdio_done_, negotiated_at_;
  std::uint32_t mdio_answer_ = 0;
  bool carrier_ = false, negotiated_ = false, link_was_lost_ = true;

  std::deque<Stored> fifo_;  ///< the receive packet buffer
  std::size_t fifo_bytes_ = 0;
  Nanos xoff_until_, delayed_due_, delayed_since_;
  bool xoff_sent_ = false;
  std::uint32_t delayed_ = 0;  ///< receive causes held back by RDTR

  std::array<Outgoing, kQueues> outgoing_;
  TxContext context_;
  std::deque<std::vector<std::byte>> sending_;  ///< frames the wire would not take yet
  Nanos paused_until_;                          ///< by the link partner

  std::array<Throttle, kVectors> throttled_{};
  Nanos last_interrupt_;
  bool message_sent_ = false;  ///< the present activity has been told
};

}  // namespace pollux::e1000

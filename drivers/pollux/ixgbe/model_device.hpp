// SPDX-License-Identifier: BSD-3-Clause
// Model82599: the device's state and what its parts do, one line each; the parts are in model_general, model_interrupt,
// model_link, model_receive, model_deliver and model_transmit. Include model.hpp to use it.
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <pollux/ixgbe/model_desc.hpp>
#include <pollux/ixgbe/model_nvm.hpp>
#include <pollux/ixgbe/model_pci.hpp>
#include <pollux/ixgbe/model_table.hpp>
#include <pollux/sim/nic.hpp>
#include <pollux/sim/rss_table.hpp>

namespace pollux::ixgbe {

namespace model {

/// A register table that lives before the register file which refers to it.
struct OwnTable {
  std::vector<RegSpec> specs;
};

/// A descriptor ring as the device sees it.
struct Ring : sim::advanced::Ring {
  enum class State : std::uint8_t { kOff, kStarting, kOn, kStopping };
  State state = State::kOff;
  bool dead = false;  ///< on, but its ring is not usable: nothing moves until it is enabled anew
  Nanos due{};        ///< when Starting becomes On, Stopping Off

  [[nodiscard]] bool runs() const noexcept { return state == State::kOn && !dead; }
};
struct RxRingState : Ring {
  std::uint32_t buffer_bytes = 0;
  bool legacy = false, drop = false, strip_vlan = false;
};
struct TxRingState : Ring, TxAssembly {
  std::uint32_t wthresh = 0;
  std::uint64_t write_back = 0;  ///< where the head goes; 0: DD in the descriptors
  bool told_wthresh = false;
};
/// The queues of one direction that are on, so that nobody looks at 128.
struct QueueList {
  std::array<std::uint8_t, kQueues> ids{};
  std::uint32_t count = 0;
  [[nodiscard]] auto begin() const noexcept { return ids.begin(); }
  [[nodiscard]] auto end() const noexcept { return ids.begin() + count; }
};
/// A 36-bit counter between the reads of its two halves.
struct PairLatch {
  bool held = false;
  std::uint64_t value = 0;
};
/// Where a frame goes and what is said about it.
struct Route {
  std::uint32_t queue = 0;
  RxReport report;
};

}  // namespace model

/// The Intel 82599 as a driver meets it: registers, EEPROM, SFP, queues, interrupts, statistics.
/// Doorbells work inline (a tail write moves frames within the call) and by plain stores (seen at the next `step`).
/// Not modelled: DCB, virtualization, header split, RSC, FCoE, IPsec, flow director matches, timestamps, low latency
/// interrupts, the TCP timer, wake-up, FCS errors (a WireEnd carries frames without FCS). Not seen: a ring's memory
/// given away less than 100 us after ENABLE was cleared. Threads: as NicModel.
class Model82599 final : private model::OwnTable, public sim::NicModel {
 public:
  static constexpr Identity kCx4{"82599 CX4 model", PciId{0x8086, 0x10F9}, 1};
  static constexpr Identity kSfp{"82599 SFP+ model", PciId{0x8086, 0x10FB}, 1};

  Model82599(sim::Iommu& iommu, sim::WireEnd& wire, sim::FaultLog& faults, Personality card = {}, Quirks quirks = {})
      : OwnTable{model::specs_for(quirks)},
        NicModel(card.media == Personality::Media::kSfp ? kSfp : kCx4, model::kBarBytes, specs, iommu, wire, faults),
        card_(std::move(card)),
        quirks_(quirks),
        nvm_(card_),
        spi_(nvm_),
        sfp_(card_) {
    reset_device();
  }

  /// BAR 4: the MSI-X table at 0, pending bits at 2000h.
  [[nodiscard]] std::uint32_t read_bar4(std::uint32_t offset) noexcept {
    return read_config(0, 4) == ~0u ? ~0u : msix_.read(offset);
  }
  void write_bar4(std::uint32_t offset, std::uint32_t value) noexcept {
    msix_.write(offset, value);
    write_config(model::kCapMsix, 1, 0);  // changes nothing; with the lock held, sends what is unmasked now
  }
  /// What a kernel does when a VFIO user asks for `vectors` messages: MSI-X on, those vectors unmasked.
  void enable_msix(std::uint32_t vectors) noexcept {
    for (std::uint32_t v = 0; v < vectors && v < model::kVectors; ++v) msix_.set_masked(v, false);
    write_config(model::kCapMsix + 2, 2, 0x8000);
  }
  /// An aligned 64-bit store. Only FDIRHASH with FDIRCMD takes one (Linux's flow director).
  void write64(std::uint64_t offset, std::uint64_t value) noexcept {
    if (offset != model::kFdirHash) return write(offset, static_cast<std::uint32_t>(value), 8);
    write(offset, static_cast<std::uint32_t>(value));
    write(offset + 4, static_cast<std::uint32_t>(value >> 32));
  }
  [[nodiscard]] const Personality& card() const noexcept { return card_; }
  /// Frames in the receive FIFO [bytes].
  [[nodiscard]] std::uint32_t fifo_bytes() const noexcept { return fifo_bytes_; }

 private:
  using Offset = std::uint32_t;
  using Word = std::uint32_t;
  using Frame = sim::ConstBytes;

  // NicModel's hooks (model_general).
  void prepare_read(Offset offset) noexcept override { on_prepare_read(offset); }
  Word after_read(Offset offset, Word value) noexcept override { return on_after_read(offset, value); }
  void after_write(Offset offset, Word old, Word value) noexcept override { on_after_write(offset, old, value); }
  void after_config_write(Offset, unsigned) noexcept override { on_config_write(); }
  bool work() noexcept override { return on_work(); }
  void reset_device() noexcept override { on_power_on(); }

  // General: dispatch, reset, NVM, semaphores, MDIO, I2C (model_general).
  void on_prepare_read(Offset) noexcept;
  Word on_after_read(Offset, Word) noexcept;
  void on_after_write(Offset, Word old, Word value) noexcept;
  void on_config_write() noexcept;
  bool on_work() noexcept;
  void on_power_on() noexcept;
  void software_reset(bool link_too) noexcept;
  void reset_units() noexcept;
  void load_from_nvm() noexcept;
  void settle() noexcept;
  void settle_queues(Nanos now) noexcept;
  bool write_general(Offset, Word old, Word value) noexcept;
  void write_ctrl(Word value) noexcept;
  void move_spi(Word old, Word value) noexcept;
  [[nodiscard]] bool dma_allowed() noexcept {
    return config().bus_master() && (registers().peek(model::kCtrl) & model::kCtrlGioDis) == 0;
  }
  void complain(sim::FaultKind kind, Offset at, std::string rule, std::uint64_t value) noexcept {
    registers().fault(kind, at, std::move(rule), value);
  }
  void complain_descriptor(const char* ring, std::uint32_t queue, std::uint32_t index, std::string rule,
                           std::uint64_t value, const char* section) noexcept;
  [[nodiscard]] bool is(Offset at, Word bits) noexcept { return (registers().peek(at) & bits) != 0; }

  // Statistics (model_general).
  void count(Offset at, Word n = 1) noexcept { registers().add(at, n); }
  void count_pair(Offset low, std::uint64_t n) noexcept;
  void count_size(Offset first, std::size_t bytes_with_fcs) noexcept;
  [[nodiscard]] Word read_pair(Offset at, Word value) noexcept;
  [[nodiscard]] Word stat_index(Offset map, std::uint32_t queue) noexcept {
    return registers().peek(map + queue / 4 * 4) >> (8 * (queue % 4)) & 15;
  }

  // Interrupts (model_interrupt).
  bool write_interrupt(Offset, Word old, Word value) noexcept;
  bool write_eitr(Offset, Word value) noexcept;
  void set_mask(Word causes, std::uint64_t vectors) noexcept;
  void set_causes(Word causes) noexcept;
  void set_vectors(std::uint64_t vectors) noexcept;
  void raise_queue(std::uint32_t queue, bool transmit) noexcept;
  void raise_other(Word causes) noexcept;
  void fire() noexcept;
  void fire_msix() noexcept;
  void fire_others() noexcept;
  void fire_legacy() noexcept;
  void send_vector(std::uint32_t v) noexcept;
  void release_held() noexcept;
  [[nodiscard]] bool throttled(std::uint32_t v, Nanos now) noexcept;
  [[nodiscard]] Word read_eicr(Word value) noexcept;
  [[nodiscard]] Word mask_word() const noexcept {
    return cause_mask_ | static_cast<Word>(vector_mask_ & model::kCauseQueues);
  }

  // Link, MAC, flow control (model_link).
  bool write_link(Offset, Word old, Word value) noexcept;
  void update_link(Nanos now) noexcept;
  [[nodiscard]] bool medium_up() noexcept;
  [[nodiscard]] bool receive_pause(Frame) noexcept;
  void control_flow() noexcept;
  void send_pause(bool off) noexcept;

  // Queues on and off, for both directions (model_queue).
  bool write_queue(Offset, Word old, Word value) noexcept;
  void write_rx_queue(std::uint32_t q, Offset reg, Word old, Word value) noexcept;
  void write_tx_queue(std::uint32_t q, Offset reg, Word old, Word value) noexcept;
  void guard_running(const model::Ring&, Offset at, Offset reg, Word old, Word value) noexcept;
  void store_ring_register(Offset at, Offset reg, Word value) noexcept;
  void write_enable(std::uint32_t q, bool transmit, bool wanted) noexcept;
  void start_ring(model::Ring&, Offset base) noexcept;
  void stop_ring(model::Ring&, Offset base) noexcept;
  void finish_ring(model::Ring&, Offset base) noexcept;
  void load_ring(model::Ring&, Offset base) noexcept;
  void start_rx(std::uint32_t q) noexcept;
  void load_rx_options(std::uint32_t q) noexcept;
  void start_tx(std::uint32_t q) noexcept;
  void list_queues() noexcept;
  void see_tail(model::Ring&, Offset base) noexcept;

  // Receive: filters and queue choice (model_receive).
  bool write_receive(Offset, Word old, Word value) noexcept;
  void check_receive_unit() noexcept;
  [[nodiscard]] bool as_reset() noexcept;
  void check_rsc(std::uint32_t q) noexcept;
  void check_halted(Offset, Word old, Word value) noexcept;
  void list_addresses() noexcept;
  void list_tuples() noexcept;
  void build_rss() noexcept;
  struct Admission {
    bool taken = false, inexact = false;
    Word errors = 0;
  };
  [[nodiscard]] Admission admit(Frame) noexcept;
  [[nodiscard]] Word size_errors(Frame) noexcept;
  [[nodiscard]] bool passes_address(Frame, bool& inexact) noexcept;
  [[nodiscard]] bool passes_vlan(Frame) noexcept;
  [[nodiscard]] bool hash_bit(Offset table, Frame) noexcept;
  [[nodiscard]] model::Route route(Frame, const Admission&) noexcept;
  [[nodiscard]] bool route_by_type(const sim::ParsedFrame&, model::Route&) noexcept;
  [[nodiscard]] bool route_by_filter(Frame, const sim::ParsedFrame&, model::Route&) noexcept;
  [[nodiscard]] bool matches_tuple(Frame, const sim::ParsedFrame&, std::uint32_t filter) noexcept;
  void hash(Frame, const sim::ParsedFrame&, model::Route&) noexcept;
  void verify(Frame, const sim::ParsedFrame&, model::Route&) noexcept;

  // Receive: FIFO, descriptors, buffers (model_deliver).
  bool receive_all() noexcept;
  void take(Frame) noexcept;
  void store_in_fifo(Frame, const Admission&) noexcept;
  bool drain_fifo() noexcept;
  [[nodiscard]] bool deliver(Frame, const Admission&) noexcept;
  void write_frame(std::uint32_t q, Frame, const model::Route&) noexcept;
  [[nodiscard]] bool awaits_descriptors(const model::Ring&, std::uint32_t n) noexcept;
  void write_back(model::RxRingState&, std::uint32_t index, std::uint64_t at, const model::Route&, std::size_t length,
                  bool last) noexcept;
  [[nodiscard]] Frame altered(Frame, bool strip, bool keep_fcs) noexcept;

  // Transmit (model_transmit).
  bool write_transmit(Offset, Word old, Word value) noexcept;
  bool transmit_all() noexcept;
  bool transmit(std::uint32_t q) noexcept;
  [[nodiscard]] bool flush_outgoing() noexcept;
  [[nodiscard]] bool put_out(Frame) noexcept;
  void run_descriptor(std::uint32_t q, const model::RawDescriptor&) noexcept;
  void run_legacy(std::uint32_t q, const model::RawDescriptor&) noexcept;
  void run_data(std::uint32_t q, const model::RawDescriptor&) noexcept;
  void gather(std::uint32_t q, const model::RawDescriptor&) noexcept;
  void finish_packet(std::uint32_t q) noexcept;
  [[nodiscard]] bool send_in_place(std::uint32_t q, const model::RawDescriptor&) noexcept;
  void send_finished(std::uint32_t q, std::vector<std::byte>& frame, const std::uint16_t* vlan) noexcept;
  [[nodiscard]] model::TxLimits limits() const noexcept;
  /// Tells what is wrong with a queue's descriptors.
  [[nodiscard]] auto tells(std::uint32_t q) noexcept {
    return [this, q](std::string rule, std::uint64_t value, model::TxAbout about) {
      constexpr const char* kSections[] = {"3.4", "3.5", "3.6"};
      complain_descriptor("TX", q, tx_[q].head, std::move(rule), value, kSections[static_cast<unsigned>(about)]);
    };
  }
  void send(std::uint32_t q, Frame) noexcept;
  [[nodiscard]] bool report_done(std::uint32_t q, std::uint64_t at, const model::RawDescriptor&) noexcept;
  void lose(std::uint32_t q, std::string rule, std::uint64_t value, const char* section) noexcept;

  Personality card_;
  Quirks quirks_;
  model::Eeprom nvm_;
  model::SpiPort spi_;
  model::I2cModule sfp_;
  model::MsixTable msix_;

  Nanos reset_until_{}, nvm_until_{};
  bool resetting_ = false, nvm_loading_ = false;
  std::uint32_t changing_ = 0;  ///< queues on their way on or off

  bool wire_link_ = false, link_up_ = false, link_dropped_ = false;
  Nanos link_at_{};
  Nanos paused_until_{}, pause_again_{};
  bool sent_xoff_ = false;

  std::uint64_t vector_mask_ = 0, pending_ = 0;
  Word cause_mask_ = 0;
  bool others_armed_ = false, legacy_armed_ = false;
  std::array<Nanos, 128> quiet_until_{};  ///< per vector: throttled until then

  std::array<model::RxRingState, model::kQueues> rx_{};
  std::array<model::TxRingState, model::kQueues> tx_{};
  model::QueueList rx_on_, tx_on_;
  sim::FrameQueue fifo_, loop_, outgoing_;
  std::uint32_t fifo_bytes_ = 0;
  bool awaiting_ = false;  ///< the FIFO's first frame waits for descriptors that are on their way here
  std::uint32_t blocked_queue_ = 0, blocked_need_ = 0;  ///< the FIFO's first frame waits for so many descriptors
  std::array<std::uint64_t, model::kQueues> addresses_{};
  std::uint32_t address_count_ = 0;
  std::array<std::uint8_t, 128> tuples_{};
  std::uint32_t tuple_count_ = 0;
  sim::RssTable rss_;
  bool rss_stale_ = true;
  std::vector<std::byte> scratch_;  ///< for frames that are changed on their way; reused
  std::array<model::PairLatch, 64> latches_{};
};

}  // namespace pollux::ixgbe

// SPDX-License-Identifier: BSD-3-Clause
// Model82574: the device's state and what its parts do, one line each; the parts are in model_general,
// model_queue, model_interrupt, model_receive, model_deliver and model_transmit. Include model.hpp to use it.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <iterator>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <pollux/core/endian.hpp>
#include <pollux/e1000/model_desc.hpp>
#include <pollux/e1000/model_quirks.hpp>
#include <pollux/e1000/model_regs.hpp>
#include <pollux/net/mac.hpp>
#include <pollux/sim/gigabit_mac.hpp>
#include <pollux/sim/offload.hpp>

namespace pollux::e1000 {

using Model82574Config = sim::GigabitConfig<Quirk>;

/// Threads, faults, ways of running: see sim::NicModel.
/// Not modelled: the MSI-X table and its masks (whoever serves the vectors has
/// them), the I/O and flash BARs, EECD bit-bang, speeds other than 1000 full duplex, ACK interrupts, time stamps,
/// wake-up, write-back thresholds above 1, what the PHY's pages other than 0 do (those that Linux writes are there).
class Model82574 : private model::QuirkedTable, public sim::GigabitMac {
 public:
  static constexpr Identity kIdentity{.name = "82574L", .id = {.vendor = 0x8086, .device = 0x10D3}, .revision = 0};
  static constexpr std::size_t kBarBytes = 128 * 1024;
  static constexpr unsigned kQueues = 2, kVectors = 5;

  Model82574(sim::Iommu& iommu, sim::WireEnd& wire, sim::FaultLog& faults, const Model82574Config& config = {})
      : QuirkedTable(config.quirks),
        GigabitMac(kIdentity, kBarBytes, specs, iommu, wire, faults, kChip, config),
        config_(config) {
    if (quirk(Quirk::kQemuNoPause)) ignore_pause();
    set_up_configuration_space();
    set_up_nvm();
    power_on();
    finish_nvm_load();
  }

  /// The management firmware takes or gives MDIO and NVM; while it has them EXTCNF_CTRL bit 5 does not stick.
  /// Threads: none other in the model.
  void hold_mdio(bool held) noexcept { firmware_has_mdio_ = held; }

 private:
  static constexpr Chip kChip{.phy = model::phy::kChip,
                              .phy_address = model::phy::kAddress,
                              .receive_addresses = Ral::kCount,
                              .status_always = model::kStatusAlways,
                              .nvm_words = 64};
  static constexpr std::uint32_t kMostDescriptors = 4096;
  static constexpr std::uint32_t kDescriptorBytes = 16;
  static constexpr std::uint32_t kUnseen = ~0u;
  static constexpr std::size_t kLongestNormalFrame = 1522;   ///< without LPE, FCS and a tag included [bytes]
  static constexpr std::size_t kLongestFrame = 9234;         ///< with LPE, FCS included [bytes]
  static constexpr std::size_t kLongestTso = 1u << 18;       ///< [bytes]
  static constexpr std::size_t kMostSegments = 4096;         ///< of one TSO packet
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
    std::size_t done = 0;    ///< delivered so far [bytes]
    std::size_t header = 0;  ///< of it that packet split puts into a buffer of its own [bytes]; 0: nothing
    std::uint32_t queue = 0;
    std::uint32_t status = 0;  ///< RxWriteBack
    std::uint32_t mrq = 0;     ///< RSS type and queue
    std::uint32_t hash = 0;    ///< RSS hash, or IP identification and packet checksum
    std::uint16_t checksum = 0, vlan = 0;
  };

  /// A receive descriptor's buffers, one unless packet split is on; and what of a frame goes into each.
  struct Buffers {
    std::array<std::uint64_t, 4> address{};
    std::array<std::size_t, 4> room{}, filled{};  ///< [bytes]
  };

  /// Causes that an interrupt delay timer holds back.
  struct Delay {
    std::uint32_t packet_counter, absolute_counter;  ///< which counts its expirations
    std::uint32_t causes = 0;                        ///< none: it does not run
    Nanos due{}, limit{};
    bool limited = false;  ///< it is due because of its absolute limit
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

  // Access to registers.
  template <class R>
  [[nodiscard]] reg::Value<R> value(std::uint32_t i = 0) noexcept {
    return {registers().peek(R::offset({i}))};
  }
  template <class R>
  void put(reg::Assign<R> fields, std::uint32_t i = 0) noexcept {
    registers().poke(R::offset({i}), fields.applied_to(value<R>(i)).bits);
  }
  [[nodiscard]] bool quirk(Quirk one) const noexcept { return has(config_.quirks, one); }
  /// The causes that there are.
  [[nodiscard]] std::uint32_t causes() const noexcept {
    return model::cause::kAll | (quirk(Quirk::kLinuxTestsReservedCauses) ? model::cause::kReserved : 0);
  }
  /// A quirk let bits be written that are not there.
  void restore_ignored(std::uint32_t at, std::uint32_t old) noexcept {
    if (!quirk(Quirk::kLinuxTestsRegisters)) return;
    for (const model::IgnoredBits& i : model::kTestedByLinux) {
      const bool inside = at >= i.offset && at < i.offset + i.count * i.stride && (at - i.offset) % i.stride == 0;
      if (inside) poke(at, (peek(at) & ~i.bits) | (old & i.bits));
    }
  }

  // Accesses, reset, NVM, time, configuration space (model_general).
  void prepare_read(std::uint32_t offset) noexcept override;
  [[nodiscard]] std::uint32_t after_read(std::uint32_t offset, std::uint32_t v) noexcept override;
  void after_write(std::uint32_t offset, std::uint32_t old, std::uint32_t v) noexcept override;
  bool on_general_write(std::uint32_t at, std::uint32_t old, std::uint32_t v) noexcept;
  void on_queue_write(std::uint32_t at, std::uint32_t old, std::uint32_t v) noexcept;
  void descriptor_fault(const Ring& ring, std::uint32_t index, std::string rule, std::uint64_t v) noexcept;
  void on_ctrl(std::uint32_t old) noexcept;
  void begin_reset() noexcept;
  void power_on() noexcept;
  void reset_device() noexcept override;
  void set_up_nvm() noexcept;
  void pass_time() noexcept;
  bool work() noexcept override;
  void set_up_configuration_space() noexcept;

  // Rings of both directions (model_queue).
  [[nodiscard]] bool has_posted(const Ring& ring) noexcept;
  bool on_ring_write(Ring& ring, std::uint32_t control, bool enabled, std::uint32_t at, std::uint32_t old,
                     std::uint32_t v) noexcept;
  void wake(std::array<Ring, kQueues>& rings) noexcept;
  void look_at_tail(Ring& ring) noexcept;
  [[nodiscard]] bool has_descriptor(Ring& ring) noexcept;
  [[nodiscard]] std::uint32_t ring_size(Ring& ring) noexcept { return peek(ring.length) / kDescriptorBytes; }
  [[nodiscard]] bool splits() noexcept { return value<Rctl>()[Rctl::dtyp] == 1 && value<Rfctl>()[Rfctl::exten]; }
  /// How far a descriptor takes head and tail: they count 16 bytes even where it has 32. [linux e1000e,
  /// e1000_alloc_rx_buffers_ps]
  [[nodiscard]] std::uint32_t stride(const Ring& ring) noexcept {
    const bool receives = &ring == &rx_[0] || &ring == &rx_[1];
    return receives && splits() ? 2 : 1;
  }
  [[nodiscard]] std::uint32_t descriptor_bytes(const Ring& ring) noexcept { return stride(ring) * kDescriptorBytes; }
  [[nodiscard]] std::uint64_t head_address(Ring& ring) noexcept;
  [[nodiscard]] bool awaits_descriptor(Ring& ring) noexcept;
  [[nodiscard]] const std::byte* head_descriptor(Ring& ring, const char* what) noexcept;
  void advance_head(Ring& ring) noexcept;

  [[nodiscard]] bool loopback() noexcept override;

  // Interrupts (model_interrupt).
  bool on_interrupt_write(std::uint32_t at, std::uint32_t v) noexcept;
  void raise_cause(std::uint32_t causes) noexcept override;
  [[nodiscard]] std::uint32_t active() noexcept;
  [[nodiscard]] bool msix_on() noexcept { return (config().read(kMsix + 2, 2) >> 15 & 1) != 0; }
  [[nodiscard]] bool msi_on() noexcept { return (config().read(kMsi + 2, 2) & 1) != 0; }
  [[nodiscard]] bool intx_off() noexcept;
  void signal(std::uint32_t causes) noexcept;
  void update_level() noexcept;
  void send_throttled() noexcept;
  void delay(Delay& held, std::uint32_t causes, std::int64_t packet, std::int64_t absolute) noexcept;
  void end_delay(Delay& held) noexcept;
  void clear_after_message(std::uint32_t causes) noexcept;
  void after_icr_read(std::uint32_t v) noexcept;

  // Receive: filters, checksums, queue choice (model_receive).
  void receive(ConstBytes frame) noexcept override;
  [[nodiscard]] Stored describe(ConstBytes frame) noexcept;
  [[nodiscard]] std::uint32_t verdict(ConstBytes frame, const sim::ParsedFrame& p) noexcept;
  [[nodiscard]] std::size_t header_bytes(ConstBytes frame, const sim::ParsedFrame& p) noexcept;
  void distribute(ConstBytes frame, const sim::ParsedFrame& p, Stored& out) noexcept;

  // Receive: packet buffer, descriptors, completions (model_deliver).
  bool drain() noexcept;
  void look_at_rx_tail(Ring& ring) noexcept;
  bool deliver(Ring& ring, Stored& frame) noexcept;
  [[nodiscard]] std::size_t buffer_bytes() noexcept;
  [[nodiscard]] Buffers posted_buffers(const std::byte* posted) noexcept;
  bool fill(Ring& ring, Stored& frame, Buffers& buffers) noexcept;
  void check_posted(const Ring& ring, const std::byte* at) noexcept;
  void write_back(std::uint64_t at, const Stored& frame, std::uint32_t n, bool last) noexcept;
  void write_back_split(std::uint64_t at, const Stored& frame, const Buffers& buffers, bool last) noexcept;
  void warn_of_shortage(Ring& ring) noexcept;
  void announce(const Stored& frame) noexcept;

  // Transmit (model_transmit).
  bool transmit(unsigned q) noexcept;
  void refuse_early_tail(Ring& ring) noexcept;
  bool run_descriptor(unsigned q) noexcept;
  void complain(unsigned q, std::string rule, std::uint64_t v) noexcept;
  void report_status(std::uint64_t at, const TxDescriptorWords& words) noexcept;
  void set_context(unsigned q, const TxDescriptorWords& words) noexcept;
  bool append_buffer(unsigned q, const TxDescriptorWords& words) noexcept;
  void finish_packet(unsigned q, const TxDescriptorWords& words) noexcept;
  void insert_checksums(unsigned q) noexcept;
  void send_segments(unsigned q, const TxDescriptorWords& words) noexcept;
  void emit(unsigned q, std::vector<std::byte>& frame, const TxDescriptorWords& words) noexcept;

  struct Throttle {
    std::uint32_t causes = 0;  ///< waiting to be sent
    Nanos last{};
    bool sent_any = false;
  };

  Model82574Config config_;
  std::array<Ring, kQueues> rx_{}, tx_{};
  bool resetting_ = false, firmware_has_mdio_ = false;
  Nanos reset_done_;

  std::deque<Stored> fifo_;  ///< the receive packet buffer
  std::size_t fifo_bytes_ = 0;
  bool awaiting_ = false;  ///< its first frame waits for descriptors that are on their way here
  Delay rx_delay_{model::stat::kIcrxptc, model::stat::kIcrxatc},
      tx_delay_{model::stat::kIctxptc, model::stat::kIctxatc};

  std::array<Outgoing, kQueues> outgoing_;
  TxContext context_;

  std::array<Throttle, kVectors> throttled_{};
  Nanos last_interrupt_;
  bool message_sent_ = false;  ///< the present activity has been told
};

}  // namespace pollux::e1000

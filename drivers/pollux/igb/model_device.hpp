// SPDX-License-Identifier: BSD-3-Clause
// Model82576: the device's state and what its parts do, one line each; the parts are in model_general, model_queue,
// model_interrupt, model_receive, model_deliver and model_transmit. Include model.hpp to use it.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include <pollux/igb/model_desc.hpp>
#include <pollux/igb/model_quirks.hpp>
#include <pollux/sim/gigabit_mac.hpp>
#include <pollux/sim/rss_table.hpp>

namespace pollux::igb {

using Model82576Config = sim::GigabitConfig<Quirk>;

namespace model {

/// A descriptor ring as the device sees it.
struct Ring : advanced::Ring {
  bool on = false;
  bool dead = false;  ///< on, but its ring is not usable: nothing moves until it is enabled anew
  [[nodiscard]] bool runs() const noexcept { return on && !dead; }
};
struct RxRing : Ring {
  std::uint32_t buffer_bytes = 0, warn_at = 0;
};
struct TxRing : Ring, advanced::TxAssembly {
  std::uint64_t write_back = 0;  ///< where the head goes; 0: DD in the descriptors
};

/// A frame in the receive packet buffer, as it will lie in memory, and what its last descriptor will say.
struct Stored {
  std::vector<std::byte> bytes;
  std::uint32_t queue = 0;
  advanced::RxReport report;
};

}  // namespace model

/// Threads, faults, ways of running: see sim::NicModel. Doorbells that are plain stores go to the addresses that all
/// queues have, C018 and E018 on.
/// Not modelled: legacy descriptors, header split, virtual functions and pools, 5-tuple and SYN filters, immediate
/// interrupts, time stamps (the clock counts), the MSI-X table and its masks (whoever serves the vectors has them), the
/// I/O and flash BARs, EECD bit-bang, SerDes, speeds other than 1000 full duplex, wake-up, write-back thresholds.
class Model82576 final : private model::QuirkedTable, public sim::GigabitMac {
 public:
  static constexpr Identity kIdentity{.name = "82576", .id = {.vendor = 0x8086, .device = 0x10C9}, .revision = 1};

  Model82576(sim::Iommu& iommu, sim::WireEnd& wire, sim::FaultLog& faults, const Model82576Config& config = {})
      : QuirkedTable(config.quirks),
        GigabitMac(kIdentity, model::kBarBytes, specs, iommu, wire, faults, kChip, config),
        config_(config) {
    set_up_nvm();
    reset_device();
  }

  /// The management firmware takes or gives the PHY and the NVM: its half of SW_FW_SYNC.
  /// Threads: none other in the model.
  void hold_by_firmware(std::uint32_t resources) noexcept { firmware_has_ = resources << 16; }

 private:
  static constexpr Chip kChip{.phy = model::phy::kChip,
                              .phy_address = model::phy::kAddress,
                              .receive_addresses = 24,
                              .status_always = model::kStatusAlways,
                              .nvm_words = 1024};
  static constexpr std::uint32_t kPm = 0x40, kMsi = 0x50, kMsix = 0x70, kPcie = 0xA0;  ///< capabilities

  [[nodiscard]] bool quirk(Quirk one) const noexcept { return has(config_.quirks, one); }

  // Accesses, reset, time, configuration space (model_general).
  void prepare_read(std::uint32_t offset) noexcept override;
  [[nodiscard]] std::uint32_t after_read(std::uint32_t offset, std::uint32_t v) noexcept override;
  void after_write(std::uint32_t offset, std::uint32_t old, std::uint32_t v) noexcept override;
  void after_config_write(std::uint32_t offset, unsigned width) noexcept override;
  void restore_ignored(std::uint32_t at, std::uint32_t old) noexcept;
  bool on_general_write(std::uint32_t at, std::uint32_t old, std::uint32_t v) noexcept;
  void on_semaphore(std::uint32_t old, std::uint32_t v) noexcept;
  void on_ctrl(std::uint32_t old) noexcept;
  void begin_reset() noexcept;
  void power_on() noexcept;
  void reset_device() noexcept override;
  void set_up_nvm() noexcept;
  void set_up_configuration_space() noexcept;
  void pass_time() noexcept;
  bool work() noexcept override;
  [[nodiscard]] bool loopback() noexcept override;
  [[nodiscard]] std::uint64_t clock() noexcept;
  void set_clock(std::uint64_t value) noexcept;

  // Rings of both directions (model_queue).
  bool on_queue_write(std::uint32_t at, std::uint32_t old, std::uint32_t v) noexcept;
  void on_control(model::Ring& ring, std::uint32_t base, bool transmits, std::uint32_t v) noexcept;
  void on_set_up(const model::Ring& ring, std::uint32_t at, std::uint32_t reg, std::uint32_t old,
                 std::uint32_t v) noexcept;
  void start(model::Ring& ring, std::uint32_t base) noexcept;
  void start_rx(std::uint32_t q) noexcept;
  void start_tx(std::uint32_t q) noexcept;
  void see_tail(model::Ring& ring, std::uint32_t base) noexcept;
  void see_tails() noexcept;
  [[nodiscard]] bool awaits_descriptors(const model::Ring& ring, std::uint32_t n) noexcept;
  [[nodiscard]] const std::byte* fetch_descriptor(model::Ring& ring, const char* what) noexcept;
  void descriptor_fault(const char* ring, std::uint32_t q, std::uint32_t index, std::string rule,
                        std::uint64_t v) noexcept;

  // Interrupts (model_interrupt).
  bool on_interrupt_write(std::uint32_t at, std::uint32_t old, std::uint32_t v) noexcept;
  void raise_cause(std::uint32_t causes) noexcept override;
  void raise_queue(std::uint32_t q, bool transmits) noexcept;
  void raise_vectors(std::uint32_t vectors) noexcept;
  void tell_others(std::uint32_t causes) noexcept;
  [[nodiscard]] bool msix_mode() noexcept { return is(model::kGpie, model::kMsixMode); }
  [[nodiscard]] bool active() noexcept;
  void fire() noexcept;
  void fire_vectors() noexcept;
  void fire_one() noexcept;
  void send_message(std::uint32_t v) noexcept;
  [[nodiscard]] bool throttled(std::uint32_t v) noexcept;
  [[nodiscard]] std::uint32_t after_icr_read(std::uint32_t v) noexcept;

  // Receive: filters, verdicts, queue choice (model_receive).
  void receive(ConstBytes frame) noexcept override;
  [[nodiscard]] model::Stored describe(ConstBytes frame) noexcept;
  void verify(ConstBytes frame, const sim::ParsedFrame& p, model::Stored& out) noexcept;
  void distribute(ConstBytes frame, const sim::ParsedFrame& p, model::Stored& out) noexcept;

  // Receive: packet buffer, descriptors, completions (model_deliver).
  bool drain() noexcept;
  [[nodiscard]] bool deliver(const model::Stored& frame) noexcept;
  void write_frame(std::uint32_t q, const model::Stored& frame) noexcept;
  [[nodiscard]] std::size_t packet_buffer() noexcept { return (peek(model::kRxPbs) & 0x7F) * std::size_t{1024}; }

  // Transmit (model_transmit).
  bool transmit_all() noexcept;
  bool transmit(std::uint32_t q) noexcept;
  void on_sent(ConstBytes frame) noexcept override;
  void run_descriptor(std::uint32_t q, const sim::advanced::RawDescriptor& d) noexcept;
  void run_data(std::uint32_t q, const sim::advanced::RawDescriptor& d) noexcept;
  void emit(std::vector<std::byte>& frame, const std::uint16_t* vlan) noexcept;
  void report_done(std::uint32_t q, std::uint64_t at) noexcept;
  [[nodiscard]] sim::advanced::TxLimits limits() noexcept;
  /// Tells what is wrong with a queue's descriptors.
  [[nodiscard]] auto tells(std::uint32_t q) noexcept {
    return [this, q](std::string rule, std::uint64_t v, sim::advanced::TxAbout) {
      descriptor_fault("TX", q, tx_[q].head, std::move(rule), v);
    };
  }

  Model82576Config config_;
  std::uint32_t firmware_has_ = 0;
  std::array<model::RxRing, model::kQueues> rx_{};
  std::array<model::TxRing, model::kQueues> tx_{};
  bool resetting_ = false;
  Nanos reset_done_;

  std::deque<model::Stored> fifo_;  ///< the receive packet buffer
  std::size_t fifo_bytes_ = 0;
  bool awaiting_ = false;  ///< its first frame waits for descriptors that are on their way here
  sim::RssTable rss_;
  bool rss_stale_ = true;

  std::uint32_t pending_ = 0;  ///< vectors with a message to be sent
  bool armed_ = false;         ///< without MSI-X mode: something has happened that was not told
  std::array<Nanos, model::kVectors> quiet_until_{};

  std::uint64_t clock_base_ = 0;  ///< SYSTIM, when
  Nanos clock_since_;
};

}  // namespace pollux::igb

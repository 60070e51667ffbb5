// SPDX-License-Identifier: BSD-3-Clause
// Port: one 82574 as a PollModePort, on any backend.
#pragma once
#include <bit>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <pollux/backend/concept.hpp>
#include <pollux/dma/pool.hpp>
#include <pollux/e1000/bring_up.hpp>
#include <pollux/e1000/interrupts.hpp>
#include <pollux/e1000/link.hpp>
#include <pollux/e1000/rx.hpp>
#include <pollux/e1000/tx.hpp>
#include <pollux/net/port.hpp>
#include <pollux/net/standstill.hpp>
#include <pollux/net/start_stop.hpp>

namespace pollux::e1000 {

struct Config {
  std::uint32_t rx_descriptors = 512;  ///< power of two, 32..4096
  std::uint32_t tx_descriptors = 512;  ///< power of two, 32..4096
  bool promiscuous = false;            ///< receive every frame, not only own-address and broadcast
  Nanos link_deadline = 5_s;           ///< how long start() waits for the link; 0: it does not wait
  DoorbellPolicy doorbell = DoorbellPolicy::kEachBurst;
  bool rss_hash = false;    ///< RxMetadata::rss_hash, of IP addresses and TCP ports
  bool strip_vlan = false;  ///< the tag goes to RxMetadata::vlan; else it stays in the frame
};

/// One queue each way, polling unless use_interrupts asks for more, frames up to 1522 bytes (one VLAN tag; FCS neither
/// given nor delivered). The constructor resets the device and leaves it quiet; start() lets it send and receive;
/// stop() ends DMA and gives every buffer back. Any number of start/stop pairs. The destructor stops, resets and turns
/// bus mastering off before any memory goes. Pre: the pool is of the backend's domain, with buffers of at least 2048
/// bytes and at least rx_descriptors of them; backend and pool outlive the port. Threads: one, that of the pool.
template <class Chip, DeviceBackend Backend>
class Port {
 public:
  using Io = typename Backend::Io;
  using DoorbellIo = typename Backend::DoorbellIo;
  using RxMetadata = e1000::RxMetadata;

  /// Errors: raises EINVAL (configuration, pool, unknown device) or ETIMEDOUT (a register that does not come round).
  Port(Backend& backend, BufferPool& pool, const Config& config = {})
      : backend_(&backend),
        pool_(&pool),
        config_(checked(config, backend, pool)),
        device_{backend.bar(Chip::kRegisterBar), backend.clock(), text::cat(chip_name(backend), " ", backend.name()),
                backend.name()},
        interrupts_(device_.bar),
        ring_memory_(DmaRegion::allocate(backend.domain(), ring_bytes(config), PagePreference::kOrdinary)),
        shadow_(config.rx_descriptors + 2 * config.tx_descriptors),
        rx_({ring_memory_.data(), ring_memory_.bus(), config.rx_descriptors}, shadow_.data(), pool,
            {backend.doorbells(Chip::kRegisterBar), kQueue}),
        tx_({ring_memory_.data() + rx_bytes(config), ring_memory_.bus() + rx_bytes(config), config.tx_descriptors},
            shadow_.data() + config.rx_descriptors, pool, {backend.doorbells(Chip::kRegisterBar), kQueue}) {
    backend_->disable_bus_master();
    (void)try_check_memory_decoding(*backend_, device_.name).value();
    mac_ = Steps(device_).run();
    state_ = PortState::kConfigured;
  }
  Port(const Port&) = delete;
  Port& operator=(const Port&) = delete;
  ~Port() {
    stop();
    if (state_ != PortState::kReset) Steps(device_).shut_down();
  }

  /// Lets the device work. Errors: raises ETIMEDOUT when a register or the link does not come round. A failed start
  /// leaves a stopped port.
  void start() {
    if (state_ == PortState::kStarted) return;
    (void)try_check_memory_decoding(*backend_, device_.name).value();
    const PortState before = std::exchange(state_, PortState::kStarted);
    StopUnlessUp guard(*this);
    if (before == PortState::kReset) (void)Steps(device_).run();
    set_up_rx_ring(device_.bar, kQueue, rx_.ring());
    set_up_tx_ring(device_.bar, kQueue, tx_.ring());
    backend_->enable_bus_master();
    enable_tx(device_.bar);
    rx_.refill();
    rx_.publish();
    if (interrupts_.layout()) interrupts_.set_up();
    if (config_.rss_hash) set_up_hash(device_.bar);
    device_.bar.modify(Ctrl::vme.from(config_.strip_vlan));
    enable_rx(device_.bar, config_.promiscuous);
    if (config_.link_deadline > 0_ns) (void)wait_for_link(device_, config_.link_deadline);
    guard.up();
  }

  /// Ends sending and receiving; every buffer, sent or not, goes back to the pool. The device is reset and ready for
  /// another start(). Takes some 50 ms.
  void stop() noexcept {
    if (state_ != PortState::kStarted) return;
    state_ = PortState::kReset;
    gather_stats(device_.bar, stats_);
    Steps(device_).shut_down();
    backend_->disable_bus_master();  // from here on it cannot reach memory
    rx_.release_all();
    tx_.release_all();
  }

  [[gnu::always_inline]] std::uint32_t rx_burst(PacketBurst& burst) noexcept { return rx_.rx_burst(burst); }
  [[gnu::always_inline]] std::uint32_t rx_burst(PacketBurst& burst, std::span<RxMetadata> meta) noexcept {
    return rx_.rx_burst(burst, meta);
  }
  [[gnu::always_inline]] std::uint32_t tx_burst(PacketBurst& burst) noexcept {
    return tx_.tx_burst(burst, config_.doorbell == DoorbellPolicy::kEachBurst);
  }
  void commit() noexcept { tx_.publish(); }
  std::uint32_t reclaim() noexcept { return tx_.reap(config_.tx_descriptors); }

  /// The device may interrupt: frames and link changes, each once it is armed; `kind` is what the backend's
  /// open_interrupts was asked for, with vectors().count() of them. `gap`: the least time between two interrupts for
  /// frames; 0: none. [quirk qemu] makes 128 us of anything shorter. Before start() or after; kept over stop and start,
  /// but start() begins with nothing armed. Errors: raises EINVAL for a gap that the registers cannot hold (16.7 ms).
  void use_interrupts(IrqKind kind, Nanos gap = {}) {
    check_interrupt_gap(gap, kLongestInterruptGap, name());
    interrupts_.choose(VectorLayout{.kind = kind, .rx_queues = 1}, gap);
    if (state_ == PortState::kStarted) interrupts_.set_up();
  }
  /// As without use_interrupts: nothing interrupts.
  void use_polling() noexcept {
    interrupts_.choose({}, {});
    if (state_ == PortState::kStarted) interrupts_.set_up();
  }
  /// Which interrupt belongs to what. Pre: use_interrupts was called.
  [[nodiscard]] VectorLayout vectors() const noexcept {
    POLLUX_ASSERT(interrupts_.layout(), "use_interrupts comes first");
    return *interrupts_.layout();
  }

  /// Whether rx_burst has something to do. Pre: started. Cost: no MMIO, no system call.
  [[nodiscard]] bool rx_ready() const noexcept { return rx_.rx_ready(); }
  /// From here on a frame interrupts; one that came before may: look (rx_ready) after arming, and only then sleep. An
  /// interrupt disarms under MSI-X; arm again after each. Any vector may come without cause.
  /// Pre: started, and use_interrupts was called. Cost: MSI-X 1 MMIO write; INTx, MSI 1 read and 1 write.
  void arm_rx() noexcept { interrupts_.arm_rx(); }
  /// One that is under way may still come. Cost: 1 MMIO write.
  void disarm_rx() noexcept { interrupts_.disarm_rx(); }
  /// Link changes interrupt until disarm_link() or stop(); after each, take_causes() lets the next one come.
  /// Cost: 1 MMIO write.
  void arm_link() noexcept { interrupts_.arm_link(); }
  void disarm_link() noexcept { interrupts_.disarm_link(); }
  /// What has happened since the last call. Look at link() afterwards, so that no change is missed.
  /// Cost: 1 MMIO read, under MSI-X at most 1 write as well.
  [[nodiscard]] InterruptCauses take_causes() noexcept { return interrupts_.take_causes(); }

  /// Cost: 1 MMIO read.
  [[nodiscard]] LinkState link() noexcept { return read_link(device_); }
  /// Cost: 15 MMIO reads.
  [[nodiscard]] PortStats stats() noexcept {
    if (state_ == PortState::kStarted) gather_stats(device_.bar, stats_);
    PortStats out = stats_;
    out.rx_rejected = rx_.rejected();
    out.rx_no_buffer = rx_.starved();
    return out;
  }
  /// Why a started port that moves no frames does so, as far as it can be seen: memory decoding or bus mastering is
  /// off, nobody answers, frames wait for the link, completions do not reach the ring (try_check_queue says what stays
  /// unseen). stop() and start() mend bus mastering and rings. Pre: started.
  /// Errors: EIO, ENODEV, ENETDOWN. Cost: 6 MMIO reads, 2 accesses to configuration space; on suspicion 4 reads
  /// more and 10 ms.
  [[nodiscard]] Result<Done> try_check() {
    POLLUX_ASSERT(state_ == PortState::kStarted, "only a started port moves frames");
    if (auto seen = try_check_memory_decoding(*backend_, name()); !seen) return seen;
    if (auto seen = reg::try_check_presence<Status, Ctrl>(device_, "reach"); !seen) return seen;
    if (auto seen = try_check_bus_master(*backend_, name()); !seen) return seen;
    return try_check_queue(name(), rx_, tx_, *pool_, device_.clock, link().up, [this] {
      const reg::Bar<Io> bar = device_.bar;
      return QueueRegisters{.tx_head = bar.template read<Tdh>(kQueue)[Tdh::head],
                            .tx_tail = bar.template read<Tdt>(kQueue)[Tdt::tail],
                            .rx_head = bar.template read<Rdh>(kQueue)[Rdh::head],
                            .rx_tail = bar.template read<Rdt>(kQueue)[Rdt::tail]};
    });
  }
  /// Cost: 1 MMIO read, 1 write.
  void set_promiscuous(bool on) noexcept {
    config_.promiscuous = on;
    if (state_ == PortState::kStarted) e1000::set_promiscuous(device_.bar, on);
  }
  [[nodiscard]] MacAddress mac() const noexcept { return mac_; }
  [[nodiscard]] const std::string& name() const noexcept { return device_.name; }
  [[nodiscard]] BufferStore& pool() const noexcept { return *pool_; }
  /// Where its interrupts are opened.
  [[nodiscard]] Backend& backend() const noexcept { return *backend_; }
  /// The register window, for dumps.
  [[nodiscard]] reg::Bar<Io> bar() const noexcept { return device_.bar; }

 private:
  using Steps = BringUp<Chip, Io, typename Backend::Clock>;
  static constexpr reg::Index kQueue{0};

  static constexpr std::size_t rx_bytes(const Config& c) { return c.rx_descriptors * sizeof(RxDescriptor); }
  static constexpr std::size_t ring_bytes(const Config& c) {
    return rx_bytes(c) + c.tx_descriptors * sizeof(TxDescriptor);
  }
  static const char* chip_name(const Backend& backend) {
    const PciId id = backend.id();
    for (const DeviceEntry& entry : kI82574Devices) {
      if (entry.vendor == id.vendor && entry.device == id.device) return entry.name;
    }
    raise({.code = ENODEV,
           .operation = "drive",
           .object = backend.name(),
           .where = text::cat("PCI id ", id.to_string(), " is no ", Chip::kName),
           .remedy = "the e1000 README lists the devices of this driver"});
  }
  static const Config& checked(const Config& config, Backend& backend, const BufferPool& pool) {
    const auto refuse = [&](std::string why, const char* remedy) {
      raise({.code = EINVAL,
             .operation = "configure",
             .object = backend.name(),
             .where = std::move(why),
             .remedy = remedy});
    };
    for (const std::uint32_t n : {config.rx_descriptors, config.tx_descriptors}) {
      if (!std::has_single_bit(n) || n < Chip::kMinRing || n > Chip::kMaxRing) {
        refuse(text::cat("a ring of ", n, " descriptors"), "rings are powers of two from 32 to 4096");
      }
    }
    if (&pool.domain() != &backend.domain()) {
      refuse("the pool is of another DMA domain", "make the pool with the device's domain()");
    }
    if (pool.buffer_bytes() < 2048) refuse("buffers under 2048 bytes", "RCTL.BSIZE lets the device write 2048 bytes");
    if (pool.count() < config.rx_descriptors) {
      refuse(text::cat("a pool of ", pool.count(), " buffers for ", config.rx_descriptors, " receive descriptors"),
             "give the pool at least rx_descriptors + tx_descriptors buffers");
    }
    return config;
  }

  Backend* backend_;
  BufferPool* pool_;
  Config config_;
  reg::Device<Io, typename Backend::Clock> device_;
  Interrupts<Io> interrupts_;
  DmaRegion ring_memory_;
  std::vector<std::uint32_t> shadow_;
  RxQueue<DoorbellIo> rx_;
  TxQueue<DoorbellIo> tx_;
  MacAddress mac_;
  PortStats stats_;
  PortState state_ = PortState::kReset;
};

}  // namespace pollux::e1000

// SPDX-License-Identifier: BSD-3-Clause
// Port: one 82599 or X540 as a PollModePort, on any backend, with one or more queues.
#pragma once
#include <array>
#include <bit>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <pollux/backend/concept.hpp>
#include <pollux/dma/pool.hpp>
#include <pollux/ixgbe/bring_up.hpp>
#include <pollux/ixgbe/filters.hpp>
#include <pollux/ixgbe/interrupts.hpp>
#include <pollux/ixgbe/link.hpp>
#include <pollux/ixgbe/rx.hpp>
#include <pollux/ixgbe/tx.hpp>
#include <pollux/net/port.hpp>
#include <pollux/net/standstill.hpp>
#include <pollux/net/start_stop.hpp>

namespace pollux::ixgbe {

struct Config {
  std::uint32_t rx_queues = 1;         ///< 1..16; more than one: RSS spreads received frames over them
  std::uint32_t tx_queues = 1;         ///< 1..64
  std::uint32_t rx_descriptors = 512;  ///< of each queue; power of two, 64..8192
  std::uint32_t tx_descriptors = 512;  ///< of each queue; power of two, 64..8192
  bool promiscuous = false;            ///< receive every frame, not only own-address and broadcast
  Nanos link_deadline = 5_s;           ///< how long start() waits for the link; 0: it does not wait
  DoorbellPolicy doorbell = DoorbellPolicy::kEachBurst;
  RssConfig rss = {};
  bool rss_hash = false;    ///< RxMetadata::rss_hash with one queue, too
  bool strip_vlan = false;  ///< the tag goes to RxMetadata::vlan; else it stays in the frame
  /// A queue without descriptors drops its frames; else they wait in the packet buffer, and all other queues with them.
  bool drop_when_full = true;
};

/// A receive and a transmit queue and their pool: the data path of a port for one thread. Where the port has fewer
/// queues of one kind, that side moves nothing. Costs and meaning of every verb: PollModePort.
/// Io: the doorbells'; SetUpIo: that of all other registers.
/// Threads: one, that of the pool. Queues of a port share nothing that is written, unless they share an interrupt.
template <reg::RegisterIo Io, reg::RegisterIo SetUpIo = Io>
class alignas(128) Queue {
 public:
  Queue(const RxQueue<Io>& rx, const TxQueue<Io>& tx, BufferPool& pool, DoorbellPolicy doorbell,
        const RxGate<SetUpIo>& gate) noexcept
      : rx_(rx), tx_(tx), pool_(&pool), each_burst_(doorbell == DoorbellPolicy::kEachBurst), gate_(gate) {}

  using RxMetadata = ixgbe::RxMetadata;

  [[gnu::always_inline]] std::uint32_t rx_burst(PacketBurst& burst) noexcept { return rx_.rx_burst(burst); }
  [[gnu::always_inline]] std::uint32_t rx_burst(PacketBurst& burst, std::span<RxMetadata> meta) noexcept {
    return rx_.rx_burst(burst, meta);
  }
  [[gnu::always_inline]] std::uint32_t tx_burst(PacketBurst& burst) noexcept {
    return tx_.tx_burst(burst, each_burst_);
  }
  void commit() noexcept { tx_.publish(); }
  std::uint32_t reclaim() noexcept { return tx_.reap(tx_.in_use()); }
  [[nodiscard]] BufferStore& pool() const noexcept { return *pool_; }

  /// Whether rx_burst has something to do. Pre: the port is started. Cost: no MMIO, no system call.
  [[nodiscard]] bool rx_ready() const noexcept { return rx_.rx_ready(); }
  /// From here on a frame interrupts; one that came before may: look (rx_ready) after arming, and only then sleep. An
  /// interrupt disarms under MSI-X; arm again after each. Any vector may come without cause.
  /// Pre: the port is started, and its use_interrupts was called; it has this receive queue.
  /// Cost: MSI-X 1 MMIO write; INTx, MSI 1 read and 1 write.
  void arm_rx() noexcept { gate_.arm(); }
  /// One that is under way may still come. Cost: 1 MMIO write.
  void disarm_rx() noexcept { gate_.disarm(); }

  /// For the port, while it is not started.
  [[nodiscard]] RxQueue<Io>& rx() noexcept { return rx_; }
  [[nodiscard]] TxQueue<Io>& tx() noexcept { return tx_; }
  /// For the port, while the queue is not used.
  [[nodiscard]] RxGate<SetUpIo>& gate() noexcept { return gate_; }

 private:
  RxQueue<Io> rx_;
  TxQueue<Io> tx_;
  BufferPool* pool_;
  bool each_burst_;
  RxGate<SetUpIo> gate_;
};

/// The part of PollModePort that a single queue has.
template <class Q>
concept PollModeQueue = requires(Q& queue, const Q& fixed, PacketBurst& burst) {
  { queue.rx_burst(burst) } noexcept -> std::same_as<std::uint32_t>;
  { queue.tx_burst(burst) } noexcept -> std::same_as<std::uint32_t>;
  { queue.commit() } noexcept;
  { queue.reclaim() } noexcept -> std::same_as<std::uint32_t>;
  { fixed.pool() } -> std::same_as<BufferStore&>;
};
static_assert(PollModeQueue<Queue<reg::Mmio>> && MetadataPort<Queue<reg::Mmio>>);

/// Polling unless use_interrupts asks for more, frames up to 1522 bytes with FCS (one VLAN tag; FCS neither given nor
/// delivered). The port's own rx_burst, tx_burst, commit and reclaim are those of queue 0. The constructor resets the
/// device and leaves it quiet; start() lets it send and receive; stop() ends DMA and gives every buffer back. Any
/// number of start/stop pairs. The destructor stops, resets and turns bus mastering off before any memory goes. Pre: as
/// many pools as there are queues of the more numerous kind, all different, of the backend's domain, with buffers of at
/// least 2048 bytes and at least rx_descriptors of them; backend and pools outlive the port. Threads: queue(i) one
/// each, that of pool i; everything else one, and start() and stop() only while no queue is used.
template <class Chip, DeviceBackend Backend>
class Port {
 public:
  using Io = typename Backend::Io;
  using DoorbellIo = typename Backend::DoorbellIo;
  using Queue = ixgbe::Queue<DoorbellIo, Io>;
  using RxMetadata = ixgbe::RxMetadata;

  /// Errors: raises EINVAL (configuration, pools), ENODEV (unknown device), EBUSY (firmware) or ETIMEDOUT (a register
  /// that does not come round).
  Port(Backend& backend, std::span<BufferPool* const> pools, const Config& config = {})
      : backend_(&backend),
        config_(checked(config, backend, pools)),
        entry_(&entry_of(backend)),
        device_{backend.bar(Chip::kRegisterBar), backend.clock(), text::cat(entry_->name, " ", backend.name()),
                backend.name()},
        interrupts_(device_.bar),
        ring_memory_(DmaRegion::allocate(backend.domain(), ring_bytes(config), PagePreference::kOrdinary)),
        shadow_(config.rx_queues * config.rx_descriptors + config.tx_queues * 2 * config.tx_descriptors) {
    queues_.reserve(pools.size());
    for (std::uint32_t i = 0; i < pools.size(); ++i) add_queue(i, *pools[i]);
    backend_->disable_bus_master();
    (void)try_check_memory_decoding(*backend_, device_.name).value();
    mac_ = Steps(device_).run(entry_->media);
    state_ = PortState::kConfigured;
  }
  /// With one queue each way.
  Port(Backend& backend, BufferPool& pool, const Config& config = {})
      : Port(backend, std::array<BufferPool*, 1>{&pool}, config) {}
  Port(const Port&) = delete;
  Port& operator=(const Port&) = delete;
  ~Port() {
    stop();
    if (state_ != PortState::kReset) Steps(device_).shut_down();
  }

  /// Lets the device work. Errors: raises ETIMEDOUT when a queue does not start or the link does not come up (the port
  /// is then stopped).
  void start() {
    if (state_ == PortState::kStarted) return;
    (void)try_check_memory_decoding(*backend_, device_.name).value();
    const PortState before = std::exchange(state_, PortState::kStarted);
    StopUnlessUp guard(*this);
    if (before == PortState::kReset) (void)Steps(device_).run(entry_->media);
    apply_filters();
    set_up_rss(device_.bar, config_.rss, config_.rx_queues, config_.rss_hash);
    backend_->enable_bus_master();
    enable_tx(device_.bar);
    for (std::uint32_t i = 0; i < config_.tx_queues; ++i) set_up_tx_queue(device_, reg::Index{i}, tx_ring(i));
    for (std::uint32_t i = 0; i < config_.rx_queues; ++i) start_rx_queue(i);
    if (interrupts_.layout()) interrupts_.set_up();
    enable_rx(device_);
    if (config_.link_deadline > 0_ns) (void)wait_for_link(device_, config_.link_deadline, entry_->media);
    guard.up();
  }

  /// Ends sending and receiving; every buffer, sent or not, goes back to its pool. The device is reset and ready for
  /// another start(). Takes some 20 ms, an X540 110 ms.
  void stop() noexcept {
    if (state_ != PortState::kStarted) return;
    state_ = PortState::kReset;
    gather_stats(device_.bar, stats_);
    Steps(device_).shut_down();
    backend_->disable_bus_master();  // from here on it cannot reach memory
    for (std::uint32_t i = 0; i < config_.rx_queues; ++i) queues_[i].rx().release_all();
    for (std::uint32_t i = 0; i < config_.tx_queues; ++i) queues_[i].tx().release_all();
  }

  /// Pre: i < queue_count().
  [[nodiscard]] Queue& queue(std::uint32_t i) noexcept {
    POLLUX_ASSERT(i < queues_.size(), "no such queue");
    return queues_[i];
  }
  [[nodiscard]] std::uint32_t queue_count() const noexcept { return static_cast<std::uint32_t>(queues_.size()); }

  [[gnu::always_inline]] std::uint32_t rx_burst(PacketBurst& burst) noexcept { return queues_.front().rx_burst(burst); }
  [[gnu::always_inline]] std::uint32_t rx_burst(PacketBurst& burst, std::span<RxMetadata> meta) noexcept {
    return queues_.front().rx_burst(burst, meta);
  }
  [[gnu::always_inline]] std::uint32_t tx_burst(PacketBurst& burst) noexcept { return queues_.front().tx_burst(burst); }
  void commit() noexcept { queues_.front().commit(); }
  std::uint32_t reclaim() noexcept { return queues_.front().reclaim(); }

  /// The device may interrupt: frames by queue and link changes, each once it is armed; `kind` is what the backend's
  /// open_interrupts was asked for, with vectors().count() of them. `gap`: the least time between two interrupts of a
  /// vector for frames; 0: none. Before start() or after, while no queue is used; kept over stop and start, but start()
  /// begins with nothing armed. Errors: raises EINVAL for a gap that the registers cannot hold (1046 us).
  void use_interrupts(IrqKind kind, Nanos gap = {}) {
    check_interrupt_gap(gap, kLongestInterruptGap, name());
    choose_interrupts(VectorLayout{.kind = kind, .rx_queues = config_.rx_queues}, gap);
  }
  /// As without use_interrupts: nothing interrupts.
  void use_polling() noexcept { choose_interrupts({}, {}); }
  /// Which interrupt belongs to what. Pre: use_interrupts was called.
  [[nodiscard]] VectorLayout vectors() const noexcept {
    POLLUX_ASSERT(interrupts_.layout(), "use_interrupts comes first");
    return *interrupts_.layout();
  }

  /// Those of queue 0.
  [[nodiscard]] bool rx_ready() const noexcept { return queues_.front().rx_ready(); }
  void arm_rx() noexcept { queues_.front().arm_rx(); }
  void disarm_rx() noexcept { queues_.front().disarm_rx(); }
  /// Link changes interrupt until disarm_link() or stop(); after each, take_causes() lets the next one come.
  /// Cost: 1 MMIO write.
  void arm_link() noexcept { interrupts_.arm_link(); }
  void disarm_link() noexcept { interrupts_.disarm_link(); }
  /// What has happened since the last call. Look at link() afterwards, so that no change is missed.
  /// Cost: 1 MMIO read, under MSI-X at most 1 write as well.
  [[nodiscard]] InterruptCauses take_causes() noexcept { return interrupts_.take_causes(); }

  /// Cost: 2 MMIO reads.
  [[nodiscard]] LinkState link() noexcept { return read_link(device_); }
  /// Of all queues. Cost: 15 MMIO reads. Threads: rx_rejected and rx_no_buffer are exact while no queue is used.
  [[nodiscard]] PortStats stats() noexcept {
    if (state_ == PortState::kStarted) gather_stats(device_.bar, stats_);
    PortStats out = stats_;
    for (Queue& q : queues_) {
      out.rx_rejected += q.rx().rejected();
      out.rx_no_buffer += q.rx().starved();
    }
    return out;
  }

  /// Why a started port that moves no frames does so, as far as it can be seen: memory decoding or bus mastering is
  /// off, nobody answers, frames wait for the link, completions do not reach the ring (try_check_queue says what stays
  /// unseen). stop() and start() mend bus mastering and rings. Pre: started.
  /// Errors: EIO, ENODEV, ENETDOWN. Cost: 3 MMIO reads, 4 a queue, 2 accesses to configuration space; on
  /// suspicion 10 ms a queue. Threads: no queue is used meanwhile.
  [[nodiscard]] Result<Done> try_check() {
    POLLUX_ASSERT(state_ == PortState::kStarted, "only a started port moves frames");
    if (auto seen = try_check_memory_decoding(*backend_, name()); !seen) return seen;
    if (auto seen = reg::try_check_presence<Status, Ctrl>(device_, "reach"); !seen) return seen;
    if (auto seen = try_check_bus_master(*backend_, name()); !seen) return seen;
    const bool link_up = link().up;
    for (std::uint32_t i = 0; i < queues_.size(); ++i) {
      Queue& q = queues_[i];
      auto seen = try_check_queue(text::cat(name(), " queue ", i), q.rx(), q.tx(), q.pool(), device_.clock, link_up,
                                  [this, i] { return queue_registers(i); });
      if (!seen) return seen;
    }
    return Done{};
  }
  /// Cost: 1 MMIO write.
  void set_promiscuous(bool on) noexcept {
    config_.promiscuous = on;
    if (state_ == PortState::kStarted) ixgbe::set_promiscuous(device_.bar, on, all_multicast_);
  }
  /// Receives every multicast frame. Cost: 1 MMIO write.
  void set_all_multicast(bool on) noexcept {
    all_multicast_ = on;
    if (state_ == PortState::kStarted) ixgbe::set_promiscuous(device_.bar, config_.promiscuous, on);
  }
  /// Receives frames for these addresses besides the own one and those for these groups; kept over stop and start.
  /// Errors: raises EINVAL for more addresses than the chip has room for. Cost: some 700 MMIO writes.
  void set_addresses(std::span<const MacAddress> unicast, std::span<const MacAddress> multicast) {
    if (unicast.size() >= Chip::kReceiveAddresses) {
      refuse(*backend_, text::cat(unicast.size(), " further unicast addresses"), "127 fit; or use promiscuous mode");
    }
    unicast_.assign(unicast.begin(), unicast.end());
    multicast_.assign(multicast.begin(), multicast.end());
    if (state_ == PortState::kStarted) apply_filters();
  }

  [[nodiscard]] MacAddress mac() const noexcept { return mac_; }
  [[nodiscard]] const std::string& name() const noexcept { return device_.name; }
  [[nodiscard]] BufferStore& pool() const noexcept { return queues_.front().pool(); }
  /// Where its interrupts are opened.
  [[nodiscard]] Backend& backend() const noexcept { return *backend_; }
  /// The register window, for dumps.
  [[nodiscard]] reg::Bar<Io> bar() const noexcept { return device_.bar; }

 private:
  using Steps = BringUp<Chip, Io, typename Backend::Clock>;

  static constexpr std::size_t rx_bytes(const Config& c) { return c.rx_descriptors * sizeof(RxDescriptor); }
  static constexpr std::size_t tx_bytes(const Config& c) { return c.tx_descriptors * sizeof(TxDescriptor); }
  static constexpr std::size_t ring_bytes(const Config& c) {
    return c.rx_queues * rx_bytes(c) + c.tx_queues * tx_bytes(c);
  }
  /// Empties the ring as it makes it. Pre: the device does not work on it.
  [[nodiscard]] DescRing<RxDescriptor> rx_ring(std::uint32_t i) const noexcept {
    const std::size_t at = i * rx_bytes(config_);
    return {ring_memory_.data() + at, ring_memory_.bus() + at, config_.rx_descriptors};
  }
  [[nodiscard]] DescRing<TxDescriptor> tx_ring(std::uint32_t i) const noexcept {
    const std::size_t at = config_.rx_queues * rx_bytes(config_) + i * tx_bytes(config_);
    return {ring_memory_.data() + at, ring_memory_.bus() + at, config_.tx_descriptors};
  }
  void add_queue(std::uint32_t i, BufferPool& pool) {
    const reg::Bar<DoorbellIo> doorbells = backend_->doorbells(Chip::kRegisterBar);
    const std::uint32_t rx_share = config_.rx_queues * config_.rx_descriptors;
    std::uint32_t* const memory = shadow_.data();
    const auto rx = i < config_.rx_queues ? std::pair(rx_ring(i), memory + i * config_.rx_descriptors)
                                          : std::pair(DescRing<RxDescriptor>(), memory);
    const auto tx = i < config_.tx_queues ? std::pair(tx_ring(i), memory + rx_share + i * 2 * config_.tx_descriptors)
                                          : std::pair(DescRing<TxDescriptor>(), memory);
    queues_.emplace_back(RxQueue<DoorbellIo>(rx.first, rx.second, pool, {doorbells, reg::Index{i}}),
                         TxQueue<DoorbellIo>(tx.first, tx.second, pool, {doorbells, reg::Index{i}}), pool,
                         config_.doorbell, RxGate<Io>(device_.bar, i, interrupts_.latched()));
  }

  [[noreturn]] static void refuse(const Backend& backend, std::string why, const char* remedy) {
    raise({.code = EINVAL,
           .operation = "configure",
           .object = backend.name(),
           .where = std::move(why),
           .remedy = remedy});
  }
  static const DeviceEntry& entry_of(const Backend& backend) {
    const PciId id = backend.id();
    for (const DeviceEntry& entry : Chip::kDevices) {
      if (entry.vendor == id.vendor && entry.device == id.device) return entry;
    }
    raise({.code = ENODEV,
           .operation = "drive",
           .object = backend.name(),
           .where = text::cat("PCI id ", id.to_string(), " is no ", Chip::kName),
           .remedy = "the ixgbe README lists the devices of this driver"});
  }
  static const Config& checked(const Config& config, Backend& backend, std::span<BufferPool* const> pools) {
    const auto within = [&](std::uint32_t n, std::uint32_t most, const char* what) {
      if (n < 1 || n > most) refuse(backend, text::cat(n, " ", what), "1 to 16 receive and 1 to 64 transmit queues");
    };
    within(config.rx_queues, Chip::kMaxRxQueues, "receive queues");
    within(config.tx_queues, Chip::kMaxTxQueues, "transmit queues");
    for (const std::uint32_t n : {config.rx_descriptors, config.tx_descriptors}) {
      if (!std::has_single_bit(n) || n < Chip::kMinRing || n > Chip::kMaxRing) {
        refuse(backend, text::cat("a ring of ", n, " descriptors"), "rings are powers of two from 64 to 8192");
      }
    }
    const std::size_t wanted = config.rx_queues > config.tx_queues ? config.rx_queues : config.tx_queues;
    if (pools.size() != wanted) {
      refuse(backend, text::cat(pools.size(), " pools for ", wanted, " queues"), "give each queue a pool of its own");
    }
    for (std::size_t i = 0; i < wanted; ++i) {
      for (std::size_t other = 0; other < i; ++other) {
        if (pools[other] != pools[i]) continue;
        refuse(backend, "two queues with one pool", "a pool belongs to one thread: give each queue its own");
      }
      check_pool(backend, *pools[i], i < config.rx_queues ? config.rx_descriptors : 0);
    }
    return config;
  }
  static void check_pool(Backend& backend, const BufferPool& pool, std::uint32_t rx_descriptors) {
    if (&pool.domain() != &backend.domain()) {
      refuse(backend, "the pool is of another DMA domain", "make the pool with the device's domain()");
    }
    if (pool.buffer_bytes() < 2048) refuse(backend, "buffers under 2048 bytes", "a whole frame goes into one buffer");
    if (pool.count() < rx_descriptors) {
      refuse(backend, text::cat("a pool of ", pool.count(), " buffers for ", rx_descriptors, " receive descriptors"),
             "give the pool at least rx_descriptors + tx_descriptors buffers");
    }
  }

  void choose_interrupts(const std::optional<VectorLayout>& layout, Nanos gap) noexcept {
    interrupts_.choose(layout, gap);
    for (Queue& q : queues_) q.gate().set_kind(interrupts_.kind());
    if (state_ == PortState::kStarted) interrupts_.set_up();
  }
  void apply_filters() noexcept {
    (void)set_unicast<Chip>(device_.bar, unicast_);  // set_addresses has seen that they fit
    set_multicast(device_.bar, multicast_);
    ixgbe::set_promiscuous(device_.bar, config_.promiscuous, all_multicast_);
  }
  /// Of a side that the port has not, those of one that moves nothing.
  [[nodiscard]] QueueRegisters queue_registers(std::uint32_t i) const noexcept {
    QueueRegisters out{.tx_head = 0, .tx_tail = 0, .rx_head = 0, .rx_tail = 1};
    const reg::Index queue{i};
    if (i < config_.tx_queues) {
      out.tx_head = device_.bar.template read<Tdh>(queue)[Tdh::head];
      out.tx_tail = device_.bar.template read<Tdt>(queue)[Tdt::tail];
    }
    if (i < config_.rx_queues) {
      out.rx_head = device_.bar.template read<Rdh>(queue)[Rdh::head];
      out.rx_tail = device_.bar.template read<Rdt>(queue)[Rdt::tail];
    }
    return out;
  }
  /// The tail is written when the queue answers that it is enabled: earlier it would be lost.
  void start_rx_queue(std::uint32_t i) {
    const std::uint32_t buffer_bytes = queues_[i].pool().buffer_bytes();
    set_up_rx_queue<Chip>(device_, reg::Index{i}, rx_ring(i), buffer_bytes, config_.drop_when_full, config_.strip_vlan);
    queues_[i].rx().refill();
    queues_[i].rx().publish();
  }

  Backend* backend_;
  Config config_;
  const DeviceEntry* entry_;
  reg::Device<Io, typename Backend::Clock> device_;
  Interrupts<Io> interrupts_;
  DmaRegion ring_memory_;
  std::vector<std::uint32_t> shadow_;
  std::vector<Queue> queues_;
  MacAddress mac_;
  std::vector<MacAddress> unicast_;
  std::vector<MacAddress> multicast_;
  PortStats stats_;
  bool all_multicast_ = false;
  PortState state_ = PortState::kReset;
};

}  // namespace pollux::ixgbe

// SPDX-License-Identifier: BSD-3-Clause
// SimPort: a NIC in software with its driver, ready to use: no root, no hugepages, no virtual machine, no NIC.
#pragma once
#include <span>
#include <string>

#include <pollux/dma/pool.hpp>
#include <pollux/e1000/model.hpp>
#include <pollux/e1000/port.hpp>
#include <pollux/ixgbe/model.hpp>
#include <pollux/ixgbe/port.hpp>
#include <pollux/sim/backend.hpp>

namespace pollux {

/// The 82574 and its driver.
struct Sim82574 {
  using Model = e1000::Model82574;
  template <class Backend>
  using Port = e1000::Port<e1000::I82574, Backend>;
  using Config = e1000::Config;
  static e1000::Model82574Config model_config() noexcept { return e1000::Model82574Config{}.instant(); }
};
/// The 82599 and its driver.
struct Sim82599 {
  using Model = ixgbe::Model82599;
  template <class Backend>
  using Port = ixgbe::Port<ixgbe::I82599, Backend>;
  using Config = ixgbe::Config;
  static ixgbe::Personality model_config() { return {}; }
};

/// The driver's setup reaches the model by function calls; its doorbells and descriptors are the plain stores and loads
/// of memory that hardware would see, so the data path is the machine code that runs on hardware. The model moves only
/// in `step`, which the caller calls, on this thread or another: a measurement times the driver and steps outside.
/// Satisfies PollModePort. Threads: as the port it holds; `step` may be on another.
template <class Sim>
class SimPort {
 public:
  using Model = typename Sim::Model;
  using Backend = sim::SimBackend<Model, sim::Doorbells::kShared, SteadyClock>;
  using Port = typename Sim::template Port<Backend>;
  using RxMetadata = typename Port::RxMetadata;

  /// `wire`: where the NIC's frames go and come from, outliving this; without one they come back (a loopback plug).
  SimPort(std::uint32_t buffers, const typename Sim::Config& config, sim::WireEnd* wire = nullptr)
      : model_(iommu_, wire == nullptr ? loopback_ : *wire, faults_, Sim::model_config()),
        backend_(model_, SteadyClock{}),
        pool_(iommu_, buffers),
        port_(backend_, pool_, config) {
    port_.start();
  }

  /// Lets the device work. Returns whether anything moved. No system call, unless threads contend for the model.
  bool step() noexcept { return model_.step(); }

  std::uint32_t rx_burst(PacketBurst& burst) noexcept { return port_.rx_burst(burst); }
  std::uint32_t rx_burst(PacketBurst& burst, std::span<RxMetadata> meta) noexcept {
    return port_.rx_burst(burst, meta);
  }
  std::uint32_t tx_burst(PacketBurst& burst) noexcept { return port_.tx_burst(burst); }
  void commit() noexcept { port_.commit(); }
  std::uint32_t reclaim() noexcept { return port_.reclaim(); }
  [[nodiscard]] LinkState link() { return port_.link(); }
  [[nodiscard]] PortStats stats() { return port_.stats(); }
  [[nodiscard]] MacAddress mac() const { return port_.mac(); }
  [[nodiscard]] std::string name() const { return port_.name(); }
  [[nodiscard]] BufferStore& pool() const noexcept { return port_.pool(); }

  [[nodiscard]] Port& port() noexcept { return port_; }
  [[nodiscard]] Model& model() noexcept { return model_; }
  [[nodiscard]] Backend& backend() noexcept { return backend_; }
  /// What the driver did wrong in the model's eyes: nothing.
  [[nodiscard]] sim::FaultLog& faults() noexcept { return faults_; }
  [[nodiscard]] const std::string& note() const noexcept { return pool_.note(); }

 private:
  sim::Iommu iommu_;
  sim::FaultLog faults_;
  sim::Loopback loopback_;
  Model model_;
  Backend backend_;
  BufferPool pool_;
  Port port_;
};
static_assert(PollModePort<SimPort<Sim82574>>);
static_assert(PollModePort<SimPort<Sim82599>>);

}  // namespace pollux

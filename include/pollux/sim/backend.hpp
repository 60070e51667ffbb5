// SPDX-License-Identifier: BSD-3-Clause
// SimBackend<Model>: a device model behind the same concept as VFIO, so that a driver cannot tell the difference.
#pragma once
#include <string>
#include <utility>

#include <pollux/backend/concept.hpp>
#include <pollux/sim/clock.hpp>
#include <pollux/sim/nic.hpp>

namespace pollux::sim {

/// Registers by function call: every access reaches the model and is checked.
template <class Model>
class ModelIo {
 public:
  explicit ModelIo(Model& model) noexcept : model_(&model) {}
  [[nodiscard]] std::uint32_t read32(std::uint32_t offset) const noexcept { return model_->read(offset); }
  void write32(std::uint32_t offset, std::uint32_t value) const noexcept { model_->write(offset, value); }

 private:
  Model* model_;
};

/// Configuration space by function call.
template <class Model>
class ModelConfig {
 public:
  ModelConfig(Model& model, std::string name) : model_(&model), name_(std::move(name)) {}
  [[nodiscard]] std::uint8_t read8(std::uint32_t o) const {
    return static_cast<std::uint8_t>(model_->read_config(o, 1));
  }
  [[nodiscard]] std::uint16_t read16(std::uint32_t o) const {
    return static_cast<std::uint16_t>(model_->read_config(o, 2));
  }
  [[nodiscard]] std::uint32_t read32(std::uint32_t o) const { return model_->read_config(o, 4); }
  void write16(std::uint32_t o, std::uint16_t v) const { model_->write_config(o, 2, v); }
  void write32(std::uint32_t o, std::uint32_t v) const { model_->write_config(o, 4, v); }
  [[nodiscard]] const std::string& name() const noexcept { return name_; }

 private:
  Model* model_;
  std::string name_;
};

/// Inline: doorbells call the model. Shared: doorbells are the stores that hardware would see, and somebody steps.
enum class Doorbells : std::uint8_t { kInline, kShared };

/// Opens a model as VfioDevice opens a device: memory decoding on, bus mastering off. The model, its IOMMU and its
/// clock outlive the backend. ClockHandle: VirtualClock::Handle for tests, SteadyClock for programs.
template <class Model, Doorbells Mode = Doorbells::kInline, Clock ClockHandle = VirtualClock::Handle>
class SimBackend {
 public:
  using Io = ModelIo<Model>;
  using DoorbellIo = std::conditional_t<Mode == Doorbells::kInline, Io, reg::Mmio>;
  using Clock = ClockHandle;

  SimBackend(Model& model, ClockHandle clock, std::string name = "sim")
      : model_(&model), clock_(clock), name_(std::move(name)) {
    disable_bus_master();
    set_command(config(), pci_config::kCommandMemory, true);
  }
  SimBackend(const SimBackend&) = delete;
  SimBackend& operator=(const SimBackend&) = delete;
  ~SimBackend() { disable_bus_master(); }

  [[nodiscard]] reg::Bar<Io> bar(unsigned) { return reg::Bar<Io>(Io(*model_)); }
  [[nodiscard]] reg::Bar<DoorbellIo> doorbells(unsigned number) {
    if constexpr (Mode == Doorbells::kInline) {
      return bar(number);
    } else {
      return reg::Bar<reg::Mmio>(reg::Mmio(model_->doorbell_memory(), model_->bar_bytes()));
    }
  }
  [[nodiscard]] Clock clock() const noexcept { return clock_; }
  [[nodiscard]] DmaDomain& domain() noexcept { return model_->iommu(); }
  void enable_bus_master() { set_command(config(), pci_config::kCommandBusMaster, true); }
  void disable_bus_master() noexcept {
    const std::uint32_t command = model_->read_config(pci_config::kCommand, 2);
    model_->write_config(pci_config::kCommand, 2, command & ~std::uint32_t{pci_config::kCommandBusMaster});
  }
  [[nodiscard]] ModelConfig<Model> config() const { return {*model_, name_}; }
  [[nodiscard]] PciId id() const noexcept { return model_->identity().id; }
  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  [[nodiscard]] Model& model() noexcept { return *model_; }

 private:
  Model* model_;
  ClockHandle clock_;
  std::string name_;
};

}  // namespace pollux::sim

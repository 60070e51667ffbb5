// SPDX-License-Identifier: BSD-3-Clause
// SimBackend<Model>: a device model behind the same concept as VFIO, so that a driver cannot tell the difference.
#pragma once
#include <memory>
#include <string>
#include <utility>
#include <vector>

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
  void write8(std::uint32_t o, std::uint8_t v) const { model_->write_config(o, 1, v); }
  void write16(std::uint32_t o, std::uint16_t v) const { model_->write_config(o, 2, v); }
  void write32(std::uint32_t o, std::uint32_t v) const { model_->write_config(o, 4, v); }
  [[nodiscard]] const std::string& name() const noexcept { return name_; }

 private:
  Model* model_;
  std::string name_;
};

/// Interrupts of one kind that are on together, as the kernel turns them on for a VFIO user. Off when the last of them
/// is destroyed.
template <class Model>
class ModelIrqSet {
 public:
  /// `at`: the kind's capability in configuration space.
  ModelIrqSet(Model& model, ModelConfig<Model> config, IrqKind kind, std::uint32_t at, unsigned n)
      : model_(&model), config_(std::move(config)), kind_(kind), at_(at) {
    set_command(config_, pci_config::kCommandIntxDisable, kind != IrqKind::kIntx);
    if (kind == IrqKind::kIntx) {
      lines().set_masks_itself(true);
    } else if (kind == IrqKind::kMsi) {
      config_.write16(at + 2, static_cast<std::uint16_t>(config_.read16(at + 2) | kMsiEnable));
    } else if constexpr (requires { model.enable_msix(n); }) {
      model.enable_msix(n);  // it has a table whose entries are to be unmasked
    } else {
      config_.write16(at + 2, kMsixEnable);
    }
  }
  ModelIrqSet(const ModelIrqSet&) = delete;
  ModelIrqSet& operator=(const ModelIrqSet&) = delete;
  ~ModelIrqSet() {
    if (kind_ == IrqKind::kIntx) {
      lines().set_masks_itself(false);
      model_->write_config(pci_config::kCommand, 2,
                           model_->read_config(pci_config::kCommand, 2) | pci_config::kCommandIntxDisable);
    } else {
      model_->write_config(at_ + 2, 2, 0);
    }
  }
  [[nodiscard]] IrqKind kind() const noexcept { return kind_; }
  [[nodiscard]] InterruptLines& lines() const noexcept { return model_->interrupts(); }

 private:
  static constexpr std::uint16_t kMsiEnable = 1, kMsixEnable = 1 << 15;
  Model* model_;
  ModelConfig<Model> config_;
  IrqKind kind_;
  std::uint32_t at_;
};

template <class Model>
class ModelInterrupt final : public EventInterrupt {
 public:
  ModelInterrupt(Model& model, unsigned vector) : model_(&model), vector_(vector) {
    model.interrupts().set_eventfd(vector, fd());
  }
  ~ModelInterrupt() override {
    model_->interrupts().set_eventfd(vector_, -1);
    (void)model_->read_config(0, 4);  // takes the model's lock: now no message is under way to this descriptor
  }
  void attach(std::shared_ptr<const ModelIrqSet<Model>> set) noexcept { set_ = std::move(set); }
  [[nodiscard]] Result<Done> try_rearm() override {
    if (set_->kind() == IrqKind::kIntx) set_->lines().unmask();
    return Done{};
  }

 private:
  Model* model_;
  unsigned vector_;
  std::shared_ptr<const ModelIrqSet<Model>> set_;
};

/// Inline: doorbells call the model. Shared: doorbells are the stores that hardware would see, and somebody steps.
enum class Doorbells : std::uint8_t { kInline, kShared };

/// Opens a model as VfioDevice opens a device: memory decoding on, bus mastering off; InterruptCapable. The model, its
/// IOMMU and its clock outlive the backend. ClockHandle: VirtualClock::Handle for tests, SteadyClock for programs.
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
  /// What the capabilities in the model's configuration space say.
  [[nodiscard]] IrqCounts irq_counts() const {
    const auto space = config();
    const std::uint32_t msi = capability(IrqKind::kMsi), msix = capability(IrqKind::kMsix);
    const unsigned vectors = msix == 0 ? 0 : (space.read16(msix + 2) & 0x7FFu) + 1;
    return {.intx = space.read8(pci_config::kInterruptPin) == 0 ? 0u : 1u,
            .msi = msi == 0 ? 0 : 1u << (space.read16(msi + 2) >> 1 & 7),
            .msix = vectors < InterruptLines::kVectors ? vectors : InterruptLines::kVectors};
  }
  /// Pre: none are on. Errors: raises ENOTSUP.
  [[nodiscard]] std::vector<std::unique_ptr<Interrupt>> open_interrupts(IrqKind kind, unsigned n) {
    const IrqCounts counts = irq_counts();
    if (n == 0 || n > counts.of(kind)) {
      raise({.code = ENOTSUP,
             .operation = "turn on interrupts of",
             .object = name_,
             .where = text::cat(n, " x ", to_string(kind)),
             .remedy = text::cat("there are INTx: ", counts.intx, ", MSI: ", counts.msi, ", MSI-X: ", counts.msix)});
    }
    std::vector<std::unique_ptr<Interrupt>> out;
    std::vector<ModelInterrupt<Model>*> vectors;
    for (unsigned v = 0; v < n; ++v) {
      auto one = std::make_unique<ModelInterrupt<Model>>(*model_, v);
      vectors.push_back(one.get());
      out.push_back(std::move(one));
    }
    const auto set = std::make_shared<const ModelIrqSet<Model>>(*model_, config(), kind, capability(kind), n);
    for (auto* one : vectors) one->attach(set);
    return out;
  }
  [[nodiscard]] PciId id() const noexcept { return model_->identity().id; }
  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  [[nodiscard]] Model& model() noexcept { return *model_; }

 private:
  /// Where the capability of MSI or MSI-X is; 0: nowhere.
  [[nodiscard]] std::uint32_t capability(IrqKind kind) const {
    constexpr std::uint16_t kMsiId = 0x05, kMsixId = 0x11;
    const std::uint16_t wanted = kind == IrqKind::kMsi ? kMsiId : kind == IrqKind::kMsix ? kMsixId : 0;
    auto all = try_list_capabilities(config());
    if (!all || wanted == 0) return 0;
    for (const PciCapability& c : all.value()) {
      if (c.id == wanted) return c.offset;
    }
    return 0;
  }
  Model* model_;
  ClockHandle clock_;
  std::string name_;
};

}  // namespace pollux::sim

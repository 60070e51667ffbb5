// SPDX-License-Identifier: BSD-3-Clause
// ServedDevice: a device as a server of vfio-user sees it: regions, interrupts, reset; ServedModel: any NIC model as
// one.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include <pollux/irq/interrupt.hpp>
#include <pollux/pci/config.hpp>
#include <pollux/sim/fault.hpp>
#include <pollux/sim/interrupts.hpp>
#include <pollux/sim/iommu.hpp>

namespace pollux::sim {

/// Threads: one at a time, in all of it.
class ServedDevice {
 public:
  static constexpr unsigned kBars = 6;
  static constexpr std::uint32_t kConfigBytes = 4096;

  ServedDevice() = default;
  ServedDevice(const ServedDevice&) = delete;
  ServedDevice& operator=(const ServedDevice&) = delete;
  virtual ~ServedDevice() = default;

  [[nodiscard]] virtual std::string name() const = 0;
  /// 0: there is none. The upper half of a 64-bit BAR has none of its own.
  [[nodiscard]] virtual std::uint64_t bar_bytes(unsigned bar) const noexcept = 0;
  /// One access as the bus would carry it. Pre: it lies in the BAR, or in configuration space.
  virtual void read_bar(unsigned bar, std::uint64_t offset, std::span<std::byte> to) noexcept = 0;
  virtual void write_bar(unsigned bar, std::uint64_t offset, std::span<const std::byte> from) noexcept = 0;
  virtual void read_config(std::uint32_t offset, std::span<std::byte> to) noexcept = 0;
  virtual void write_config(std::uint32_t offset, std::span<const std::byte> from) noexcept = 0;

  [[nodiscard]] virtual unsigned vectors(IrqKind kind) const noexcept = 0;
  /// As a kernel does for its users: interrupts of that kind on in configuration space, the first `n` unmasked in the
  /// table of MSI-X; or off.
  virtual void turn_on(IrqKind kind, unsigned n) noexcept = 0;
  virtual void turn_off(IrqKind kind) noexcept = 0;
  /// Vectors that the table of MSI-X masks, as far as the device does not heed it itself.
  [[nodiscard]] virtual std::uint64_t masked_in_table() const noexcept = 0;
  [[nodiscard]] virtual InterruptLines& interrupts() noexcept = 0;

  [[nodiscard]] virtual Iommu& iommu() noexcept = 0;
  [[nodiscard]] virtual FaultLog& faults() noexcept = 0;
  /// Everything as after power-on.
  virtual void reset() noexcept = 0;
  virtual bool step() noexcept = 0;
};

/// A model with registers in BAR 0 and, where configuration space says so, an MSI-X table in another one. What its
/// other BARs hold (I/O ports, flash) it has not got: they read all ones. The model outlives this.
template <class Model>
class ServedModel final : public ServedDevice {
 public:
  explicit ServedModel(Model& model) : model_(&model) {
    for (unsigned bar = 0; bar < kBars; ++bar) bar_bytes_[bar] = measure(bar);
    for (unsigned bar = 0; bar + 1 < kBars; ++bar) {
      if (bar_bytes_[bar] != 0 && is_64_bit(bar)) bar_bytes_[bar + 1] = 0;
    }
    const ModelView config{*model_};
    auto all = try_list_capabilities(config);
    if (all) {
      for (const PciCapability& c : all.value()) {
        if (c.id == kMsiId) msi_ = c.offset;
        if (c.id == kMsixId) msix_ = c.offset;
      }
    }
    if (msix_ != 0) {
      msix_vectors_ = (config.read16(msix_ + 2) & 0x7FFu) + 1;
      if (msix_vectors_ > InterruptLines::kVectors) msix_vectors_ = InterruptLines::kVectors;
      msix_bar_ = config.read32(msix_ + 4) & 7;
      pending_bits_ = config.read32(msix_ + 8) & ~7u;
    }
    reset_table();
  }

  [[nodiscard]] std::string name() const override { return model_->identity().name; }
  [[nodiscard]] std::uint64_t bar_bytes(unsigned bar) const noexcept override {
    return bar < kBars ? bar_bytes_[bar] : 0;
  }
  void read_bar(unsigned bar, std::uint64_t offset, std::span<std::byte> to) noexcept override {
    std::memset(to.data(), 0xFF, to.size());
    for_each_access(offset, to.size(), [&](std::uint64_t at, std::size_t i, unsigned width) {
      std::uint64_t v = ~std::uint64_t{0};
      if (bar == 0) {
        v = model_->read(at, width);
      } else if (msix_ != 0 && bar == msix_bar_) {
        v = read_table(at, width);
      }
      std::memcpy(&to[i], &v, width);
    });
  }
  void write_bar(unsigned bar, std::uint64_t offset, std::span<const std::byte> from) noexcept override {
    for_each_access(offset, from.size(), [&](std::uint64_t at, std::size_t i, unsigned width) {
      std::uint64_t v = 0;
      std::memcpy(&v, &from[i], width);
      if (bar == 0) {
        write_register(at, v, width);
      } else if (msix_ != 0 && bar == msix_bar_) {
        write_table(at, v, width);
      }
    });
  }
  void read_config(std::uint32_t offset, std::span<std::byte> to) noexcept override {
    for (std::size_t i = 0; i < to.size(); ++i) {
      to[i] = static_cast<std::byte>(model_->read_config(offset + static_cast<std::uint32_t>(i), 1));
    }
  }
  void write_config(std::uint32_t offset, std::span<const std::byte> from) noexcept override {
    // A word or dword as one, so that nothing sees half of it.
    for_each_access(offset, from.size(), [&](std::uint64_t at, std::size_t i, unsigned width) {
      const unsigned part = width == 8 ? 4 : width;
      for (unsigned done = 0; done < width; done += part) {
        std::uint32_t v = 0;
        std::memcpy(&v, &from[i + done], part);
        model_->write_config(static_cast<std::uint32_t>(at) + done, part, v);
      }
    });
  }

  [[nodiscard]] unsigned vectors(IrqKind kind) const noexcept override {
    if (kind == IrqKind::kIntx) return model_->read_config(pci_config::kInterruptPin, 1) == 0 ? 0 : 1;
    if (kind == IrqKind::kMsix) return msix_vectors_;
    return msi_ == 0 ? 0 : 1u << (model_->read_config(msi_ + 2u, 2) >> 1 & 7);
  }
  void turn_on(IrqKind kind, unsigned n) noexcept override {
    if (kind == IrqKind::kMsi) set_control(msi_, kMsiEnable, true);
    if (kind != IrqKind::kMsix) return;
    for (unsigned v = 0; v < n && v < msix_vectors_; ++v) table_[16 * v + 12] = std::byte{0};
    if constexpr (requires { model_->enable_msix(n); }) {
      model_->enable_msix(n);
    } else {
      set_control(msix_, kMsixEnable, true);
    }
  }
  void turn_off(IrqKind kind) noexcept override {
    if (kind == IrqKind::kMsi) set_control(msi_, kMsiEnable, false);
    if (kind == IrqKind::kMsix) set_control(msix_, kMsixEnable, false);
  }
  [[nodiscard]] std::uint64_t masked_in_table() const noexcept override {
    std::uint64_t out = 0;
    if constexpr (!kOwnTable) {
      for (unsigned v = 0; v < msix_vectors_; ++v) {
        out |= std::to_integer<std::uint64_t>(table_[16 * v + 12] & std::byte{1}) << v;
      }
    }
    return out;
  }
  [[nodiscard]] InterruptLines& interrupts() noexcept override { return model_->interrupts(); }
  [[nodiscard]] Iommu& iommu() noexcept override { return model_->iommu(); }
  [[nodiscard]] FaultLog& faults() noexcept override { return model_->faults(); }
  void reset() noexcept override {
    model_->function_level_reset();
    reset_table();
  }
  bool step() noexcept override { return model_->step(); }

 private:
  static constexpr std::uint8_t kMsiId = 0x05, kMsixId = 0x11;
  static constexpr std::uint32_t kMsiEnable = 1, kMsixEnable = 1 << 15;
  static constexpr bool kOwnTable = requires(Model& m) { m.read_bar4(0); };

  /// ConfigSpace of the model.
  struct ModelView {
    Model& model;
    [[nodiscard]] std::uint8_t read8(std::uint32_t o) const {
      return static_cast<std::uint8_t>(model.read_config(o, 1));
    }
    [[nodiscard]] std::uint16_t read16(std::uint32_t o) const {
      return static_cast<std::uint16_t>(model.read_config(o, 2));
    }
    [[nodiscard]] std::uint32_t read32(std::uint32_t o) const { return model.read_config(o, 4); }
    void write8(std::uint32_t o, std::uint8_t v) const { model.write_config(o, 1, v); }
    void write16(std::uint32_t o, std::uint16_t v) const { model.write_config(o, 2, v); }
    void write32(std::uint32_t o, std::uint32_t v) const { model.write_config(o, 4, v); }
    [[nodiscard]] std::string name() const { return model.identity().name; }
  };

  /// Calls visit(offset, index, width): the one access that is asked for, or aligned ones of 4, 2 and 1 bytes where a
  /// bus could not carry it at once.
  template <class Visit>
  static void for_each_access(std::uint64_t offset, std::size_t bytes, Visit visit) {
    if (bytes == 1 || bytes == 2 || bytes == 4 || bytes == 8) return visit(offset, 0, static_cast<unsigned>(bytes));
    for (std::size_t i = 0; i < bytes;) {
      unsigned width = 4;
      while ((offset + i) % width != 0 || bytes - i < width) width /= 2;
      visit(offset + i, i, width);
      i += width;
    }
  }
  [[nodiscard]] bool is_64_bit(unsigned bar) const noexcept {
    return (model_->read_config(pci_config::kBar0 + 4 * bar, 4) & 7) == 4;
  }
  /// Writes all ones, as a system does that looks for its size [PCI 3.0 6.2.5.1]. BARs here are under 4 GiB.
  [[nodiscard]] std::uint64_t measure(unsigned bar) noexcept {
    const std::uint32_t at = pci_config::kBar0 + 4 * bar, old = model_->read_config(at, 4);
    model_->write_config(at, 4, ~0u);
    const std::uint32_t mask = model_->read_config(at, 4);
    model_->write_config(at, 4, old);
    const std::uint32_t address = mask & ~((mask & pci_config::kBarPorts) != 0 ? 3u : 15u);
    return address == 0 ? 0 : std::uint64_t{~address} + 1;
  }
  void set_control(std::uint32_t capability, std::uint32_t bit, bool on) noexcept {
    if (capability == 0) return;
    const std::uint32_t old = model_->read_config(capability + 2, 2);
    model_->write_config(capability + 2, 2, on ? old | bit : old & ~bit);
  }
  void write_register(std::uint64_t at, std::uint64_t v, unsigned width) noexcept {
    if constexpr (requires { model_->write64(at, v); }) {
      if (width == 8) return model_->write64(at, v);
    }
    model_->write(at, static_cast<std::uint32_t>(v), width);
  }

  // The MSI-X table and its pending bits: the model's, which has dwords, or kept here.
  void reset_table() noexcept {
    table_.assign(msix_ == 0 ? 0 : bar_bytes_[msix_bar_], std::byte{0});
    if (table_.size() < 16 * std::size_t{msix_vectors_}) table_.resize(16 * std::size_t{msix_vectors_});
    for (unsigned v = 0; v < msix_vectors_; ++v) table_[16 * v + 12] = std::byte{1};
  }
  [[nodiscard]] std::uint64_t read_table(std::uint64_t at, unsigned width) noexcept {
    std::uint64_t v = 0;
    if constexpr (kOwnTable) {
      for (std::uint64_t word = at & ~std::uint64_t{3}; word < at + width; word += 4) {
        const std::uint64_t part = model_->read_bar4(static_cast<std::uint32_t>(word));
        v |= word < at ? part >> (8 * (at - word)) : part << (8 * (word - at));
      }
    } else {
      const std::uint64_t bits = interrupts().waiting();
      std::memcpy(&table_[pending_bits_ + sizeof bits <= table_.size() ? pending_bits_ : 0], &bits,
                  pending_bits_ + sizeof bits <= table_.size() ? sizeof bits : 0);
      std::memcpy(&v, &table_[at], width);
    }
    return v;
  }
  void write_table(std::uint64_t at, std::uint64_t v, unsigned width) noexcept {
    if constexpr (kOwnTable) {
      if (at % 4 != 0 || width % 4 != 0) return;  // [PCI 3.0 6.8.2]: whole dwords
      for (unsigned i = 0; i < width; i += 4) {
        model_->write_bar4(static_cast<std::uint32_t>(at + i), static_cast<std::uint32_t>(v >> (8 * i)));
      }
    } else if (at + width <= 16 * std::uint64_t{msix_vectors_}) {
      std::memcpy(&table_[at], &v, width);
    }
  }

  Model* model_;
  std::array<std::uint64_t, kBars> bar_bytes_{};
  std::uint32_t msi_ = 0, msix_ = 0;  ///< capabilities; 0: none
  unsigned msix_vectors_ = 0, msix_bar_ = 0;
  std::uint32_t pending_bits_ = 0;
  std::vector<std::byte> table_;
};

}  // namespace pollux::sim

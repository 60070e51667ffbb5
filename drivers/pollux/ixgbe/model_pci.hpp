// SPDX-License-Identifier: BSD-3-Clause
// The 82599 model's PCI side: configuration space with capabilities where Linux expects them, and the MSI-X table.
#pragma once
#include <array>
#include <atomic>
#include <cstdint>

#include <pollux/ixgbe/model_nvm.hpp>
#include <pollux/sim/config_space.hpp>
#include <pollux/sim/interrupts.hpp>

namespace pollux::ixgbe::model {

inline constexpr std::uint32_t kCapPm = 0x40, kCapMsi = 0x50, kCapMsix = 0x70, kCapPcie = 0xA0;
inline constexpr std::uint32_t kVectors = 64, kBar4Bytes = 16 * 1024, kPbaOffset = 0x2000;
inline constexpr std::uint16_t kDevCtlFlr = 1 << 15;

/// Capabilities at 40, 50, 70, A0, and 100, 140, 150.
inline void fill_config(sim::ConfigMemory& c) {
  c.set16(0x2C, 0x8086);
  c.set16(0x2E, 0x000C);
  c.add_memory_bar(0, kBarBytes, true);
  c.add_memory_bar(4, kBar4Bytes, true);
  // Added last, linked first: the chain reads 40 -> 50 -> 70 -> A0.
  std::array<std::uint8_t, 58> pcie{0x02, 0x00, 0xC2, 0x8C, 0x00, 0x10};
  pcie[0x0C - 2] = pcie[0x12 - 2] = 0x82;  // LnkCap, LnkSta: 5 GT/s x8
  c.add_capability(0x10, kCapPcie, pcie);
  c.allow16(kCapPcie + 0x08, 0xFFFF);  // DevCtl
  c.allow16(kCapPcie + 0x10, 0x0FFF);  // LnkCtl
  c.allow16(kCapPcie + 0x28, 0x001F);  // DevCtl2
  c.add_capability<10>(0x11, kCapMsix, {0x3F, 0x00, 0x04, 0x00, 0x00, 0x00, 0x04, 0x20, 0x00, 0x00});
  c.allow16(kCapMsix + 2, 0xC000);
  c.add_capability<22>(0x05, kCapMsi, {0x80, 0x01});
  c.allow16(kCapMsi + 2, 0x0071);
  c.allow32(kCapMsi + 4, 0xFFFF'FFFC);
  c.allow32(kCapMsi + 8, ~0u);
  c.allow16(kCapMsi + 12, 0xFFFF);
  c.allow32(kCapMsi + 16, 1);
  c.add_capability<6>(0x01, kCapPm, {0x23, 0x48});
  c.allow16(kCapPm + 4, 0x0103);
  c.set32(0x100, 0x1401'0001);  // AER v1
  c.set32(0x140, 0x1501'0003);  // device serial number
  c.set32(0x144, 0xFF59'8200);
  c.set32(0x148, 0x0200'00FF);
  c.set32(0x150, 0x0001'000E);  // ARI, the last one
}
inline bool msix_enabled(const sim::ConfigMemory& c) noexcept { return (c.read(kCapMsix + 2, 2) & 0x8000) != 0; }
inline bool msix_all_masked(const sim::ConfigMemory& c) noexcept { return (c.read(kCapMsix + 2, 2) & 0x4000) != 0; }
inline bool msi_enabled(const sim::ConfigMemory& c) noexcept { return (c.read(kCapMsi + 2, 2) & 1) != 0; }

/// The table and pending bits of BAR 4. [PCI 3.0 6.8.2]  Threads: any.
class MsixTable {
 public:
  MsixTable() noexcept { reset(); }
  void reset() noexcept {
    for (std::uint32_t i = 0; i < words_.size(); ++i) words_[i].store(i % 4 == 3 ? 1 : 0);
    pending_.store(0);
  }
  [[nodiscard]] std::uint32_t read(std::uint32_t offset) const noexcept {
    if (offset / 4 < words_.size()) return words_[offset / 4].load();
    if (offset == kPbaOffset || offset == kPbaOffset + 4) {
      return static_cast<std::uint32_t>(pending_.load() >> (offset == kPbaOffset ? 0 : 32));
    }
    return 0;
  }
  void write(std::uint32_t offset, std::uint32_t value) noexcept {
    if (offset / 4 < words_.size()) words_[offset / 4].store(offset % 16 == 12 ? value & 1 : value);
  }
  void set_masked(std::uint32_t v, bool masked) noexcept { words_[4 * v + 3].store(masked ? 1 : 0); }
  [[nodiscard]] bool masked(std::uint32_t v) const noexcept { return (words_[4 * v + 3].load() & 1) != 0; }
  void hold(std::uint32_t v) noexcept { pending_.fetch_or(std::uint64_t{1} << v); }
  [[nodiscard]] std::uint64_t held() const noexcept { return pending_.load(std::memory_order_relaxed); }
  /// Takes vector v's pending bit; returns whether it was set.
  bool take(std::uint32_t v) noexcept {
    const std::uint64_t mask = std::uint64_t{1} << v;
    return (pending_.fetch_and(~mask) & mask) != 0;
  }

 private:
  std::array<std::atomic<std::uint32_t>, 4 * kVectors> words_;
  std::atomic<std::uint64_t> pending_{0};
};

}  // namespace pollux::ixgbe::model

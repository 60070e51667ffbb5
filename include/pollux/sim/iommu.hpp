// SPDX-License-Identifier: BSD-3-Clause
// Iommu: a DmaDomain in software. Bus addresses of the program's memory, checked at every access a model makes.
#pragma once
#include <atomic>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include <pollux/dma/domain.hpp>
#include <pollux/dma/iova.hpp>
#include <pollux/sim/fault.hpp>

namespace pollux::sim {

/// Translates bus addresses to the program's memory, mapping by mapping. Bus addresses are never the program's own
/// addresses, so that a driver which mixes them up is found out. Threads: any.
class Iommu final : public DmaDomain {
 public:
  [[nodiscard]] Result<BusAddr> try_map(std::byte* memory, std::size_t bytes) override {
    const std::scoped_lock lock(mutex_);
    const auto iova = free_.allocate(bytes, granule());
    if (!iova) {
      return Failure{.code = ENOSPC,
                     .operation = "map DMA memory in",
                     .object = std::string(name()),
                     .where = "no free address range",
                     .remedy = {}};
    }
    mappings_.push_back({iova->value(), bytes, memory});
    changed();
    return bus(*iova);
  }
  void unmap(BusAddr at, std::size_t bytes) noexcept override {
    const std::scoped_lock lock(mutex_);
    std::erase_if(mappings_, [&](const Mapped& m) { return m.bus == at.value(); });
    free_.free(Iova(at.value()), bytes);
    changed();
  }
  [[nodiscard]] bool translates() const noexcept override { return true; }
  [[nodiscard]] std::size_t granule() const noexcept override { return 4096; }
  [[nodiscard]] std::string_view name() const noexcept override { return "simulated IOMMU"; }
  [[nodiscard]] std::size_t mappings() const noexcept {
    const std::scoped_lock lock(mutex_);
    return mappings_.size();
  }

  struct Mapped {
    std::uint64_t bus = 0;
    std::size_t bytes = 0;
    std::byte* memory = nullptr;
    [[nodiscard]] std::byte* at(std::uint64_t address, std::size_t n) const noexcept {
      return address >= bus && address - bus <= bytes && n <= bytes - (address - bus) ? memory + (address - bus)
                                                                                      : nullptr;
    }
  };
  /// The mapping that holds [address, address + n) whole; one with memory == nullptr when there is none.
  [[nodiscard]] Mapped find(std::uint64_t address, std::size_t n) const noexcept {
    const std::scoped_lock lock(mutex_);
    for (const Mapped& m : mappings_) {
      if (m.at(address, n) != nullptr) return m;
    }
    return {};
  }
  /// Changes with every map and unmap.
  [[nodiscard]] std::uint64_t generation() const noexcept { return generation_.load(std::memory_order_acquire); }

 private:
  void changed() noexcept { generation_.fetch_add(1, std::memory_order_release); }
  mutable std::mutex mutex_;
  std::vector<Mapped> mappings_;
  IovaAllocator free_{{{0x1'0000'0000, 0xFFFF'FFFF'FFFF}}};
  std::atomic<std::uint64_t> generation_{1};
};

/// One device's way to memory. Remembers the mapping it used last. Threads: one, the model's.
class DmaEngine {
 public:
  explicit DmaEngine(const Iommu& iommu) noexcept : iommu_(&iommu) {}

  /// Memory behind [address, address + n), or nullptr when it is not mapped whole.
  [[nodiscard]] std::byte* at(std::uint64_t address, std::size_t n) noexcept {
    if (const std::uint64_t now = iommu_->generation(); now != generation_) {
      generation_ = now;
      recent_[0] = recent_[1] = {};
    }
    for (const Iommu::Mapped& m : recent_) {
      if (std::byte* memory = m.at(address, n); memory != nullptr && m.memory != nullptr) return memory;
    }
    const Iommu::Mapped found = iommu_->find(address, n);
    if (found.memory == nullptr) return nullptr;
    recent_[turn_++ % 2] = found;
    return found.at(address, n);
  }

 private:
  const Iommu* iommu_;
  std::uint64_t generation_ = 0;
  Iommu::Mapped recent_[2];  ///< rings and buffers
  unsigned turn_ = 0;
};

}  // namespace pollux::sim

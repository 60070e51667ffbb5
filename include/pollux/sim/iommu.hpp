// SPDX-License-Identifier: BSD-3-Clause
// Iommu: a DmaDomain in software. Bus addresses of the program's memory, or of another process's, checked at every
// access a model makes.
#pragma once
#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <pollux/dma/domain.hpp>
#include <pollux/dma/iova.hpp>
#include <pollux/sim/fault.hpp>

namespace pollux::sim {

/// What a device may do with memory.
enum class DmaAccess : std::uint8_t { kNone = 0, kRead = 1, kWrite = 2, kBoth = 3 };
constexpr bool includes(DmaAccess all, DmaAccess wanted) noexcept {
  return (static_cast<unsigned>(all) & static_cast<unsigned>(wanted)) == static_cast<unsigned>(wanted);
}

/// Memory of another process that is not mapped here: read by asking, written by telling. What is asked for comes
/// later; whoever asked goes on with other things and asks again. Threads: one, the model's.
class RemoteMemory {
 public:
  enum class State : std::uint8_t { kHere, kComing, kFailed };
  struct Fetched {
    State state{};
    const std::byte* data = nullptr;  ///< kHere: until released
  };
  RemoteMemory() = default;
  RemoteMemory(const RemoteMemory&) = delete;
  RemoteMemory& operator=(const RemoteMemory&) = delete;
  virtual ~RemoteMemory() = default;

  /// [address, +n); asks for [address, +ahead) when it is not here. Pre: ahead >= n, all mapped for reading.
  virtual Fetched fetch(std::uint64_t address, std::size_t n, std::size_t ahead) noexcept = 0;
  /// What was fetched there has been used.
  virtual void release(std::uint64_t address, std::size_t n) noexcept = 0;
  /// All that was fetched is old.
  virtual void forget() noexcept = 0;
  /// Writes in the order of the calls. False: it cannot be told any more.
  virtual bool store(std::uint64_t address, std::span<const std::byte> bytes) noexcept = 0;
};

/// Translates bus addresses to the program's memory, mapping by mapping. Bus addresses are never the program's own
/// addresses, so that a driver which mixes them up is found out. Threads: any; remote memory: the model's.
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
    mappings_[iova->value()] = {.bus = iova->value(), .bytes = bytes, .memory = memory};
    changed();
    return bus(*iova);
  }
  void unmap(BusAddr at, std::size_t bytes) noexcept override {
    const std::scoped_lock lock(mutex_);
    mappings_.erase(at.value());
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
    std::size_t bytes = 0;        ///< 0: no mapping
    std::byte* memory = nullptr;  ///< nullptr: remote
    DmaAccess access = DmaAccess::kBoth;
    [[nodiscard]] bool holds(std::uint64_t address, std::size_t n) const noexcept {
      return bytes != 0 && address >= bus && address - bus <= bytes && n <= bytes - (address - bus);
    }
    [[nodiscard]] std::byte* at(std::uint64_t address, std::size_t n) const noexcept {
      return memory != nullptr && holds(address, n) ? memory + (address - bus) : nullptr;
    }
  };
  /// The mapping that holds [address, address + n) whole; one with bytes == 0 when there is none.
  [[nodiscard]] Mapped find(std::uint64_t address, std::size_t n) const noexcept {
    const std::scoped_lock lock(mutex_);
    auto next = mappings_.upper_bound(address);
    if (next == mappings_.begin()) return {};
    const Mapped& m = std::prev(next)->second;
    return m.holds(address, n) ? m : Mapped{};
  }

  // For whoever maps the memory of others, at addresses of their choice; not together with try_map.
  /// False: it overlaps a mapping. Pre: m.bytes > 0, and m does not reach past the end of the address space.
  [[nodiscard]] bool insert(const Mapped& m) {
    const std::scoped_lock lock(mutex_);
    const auto next = mappings_.lower_bound(m.bus);
    if (next != mappings_.end() && next->first - m.bus < m.bytes) return false;
    if (next != mappings_.begin()) {
      const Mapped& before = std::prev(next)->second;
      if (m.bus - before.bus < before.bytes) return false;
    }
    mappings_.emplace_hint(next, m.bus, m);
    changed();
    return true;
  }
  /// Takes out every mapping within [first, last] and gives them to the caller; nothing when one lies across a border.
  [[nodiscard]] std::optional<std::vector<Mapped>> erase_within(std::uint64_t first, std::uint64_t last) {
    const std::scoped_lock lock(mutex_);
    auto begin = mappings_.lower_bound(first);
    if (begin != mappings_.begin()) {
      const Mapped& before = std::prev(begin)->second;
      if (first - before.bus < before.bytes) return std::nullopt;
    }
    const auto end = mappings_.upper_bound(last);
    if (end != begin && last - std::prev(end)->first < std::prev(end)->second.bytes - 1) return std::nullopt;
    std::vector<Mapped> out;
    for (auto m = begin; m != end; ++m) out.push_back(m->second);
    mappings_.erase(begin, end);
    changed();
    return out;
  }
  /// Who reaches the mappings without memory; nullptr: nobody, and there are none. Pre: no model works meanwhile.
  void set_remote(RemoteMemory* remote) noexcept { remote_ = remote; }
  [[nodiscard]] RemoteMemory* remote() const noexcept { return remote_; }

  /// Changes with every map and unmap.
  [[nodiscard]] std::uint64_t generation() const noexcept { return generation_.load(std::memory_order_acquire); }

 private:
  void changed() noexcept { generation_.fetch_add(1, std::memory_order_release); }
  mutable std::mutex mutex_;
  std::map<std::uint64_t, Mapped> mappings_;
  IovaAllocator free_{{{0x1'0000'0000, 0xFFFF'FFFF'FFFF}}};
  std::atomic<std::uint64_t> generation_{1};
  RemoteMemory* remote_ = nullptr;
};

/// One device's way to memory. Remembers the mappings it used last. Threads: one, the model's.
class DmaEngine {
 public:
  explicit DmaEngine(const Iommu& iommu) noexcept : iommu_(&iommu) {}

  /// Memory behind [address, address + n), or nullptr when it does not lie whole in one mapping of this program.
  [[nodiscard]] std::byte* at(std::uint64_t address, std::size_t n, DmaAccess access = DmaAccess::kBoth) noexcept {
    const Iommu::Mapped* m = find(address, n);
    return m != nullptr && includes(m->access, access) ? m->at(address, n) : nullptr;
  }
  /// For reading; nullptr: not mapped so, or not here. What lies in several mappings is put together. Until the next
  /// call.
  [[nodiscard]] const std::byte* read(std::uint64_t address, std::size_t n) noexcept {
    if (const std::byte* memory = at(address, n, DmaAccess::kRead); memory != nullptr) return memory;
    if (n == 0) return nullptr;
    gathered_.clear();
    const bool all = for_each_piece(address, n, DmaAccess::kRead,
                                    [&](const Iommu::Mapped& m, std::uint64_t from, std::size_t bytes) {
                                      const std::byte* memory = m.at(from, bytes);
                                      if (memory == nullptr) {
                                        const auto fetched = iommu_->remote()->fetch(from, bytes, bytes);
                                        if (fetched.state != RemoteMemory::State::kHere) return false;
                                        memory = fetched.data;
                                      }
                                      gathered_.insert(gathered_.end(), memory, memory + bytes);
                                      return true;
                                    });
    return all ? gathered_.data() : nullptr;
  }
  /// Whether some of [address, +n) is on its way here; asks for [address, +ahead), as far as it is mapped. False where
  /// `read` gives an answer now.
  [[nodiscard]] bool coming(std::uint64_t address, std::size_t n, std::size_t ahead) noexcept {
    if (iommu_->remote() == nullptr) return false;
    bool any = false;
    (void)for_each_piece(
        address, n, DmaAccess::kRead, [&](const Iommu::Mapped& m, std::uint64_t from, std::size_t bytes) {
          if (m.memory != nullptr) return true;
          const std::size_t most = m.bytes - (from - m.bus), all = bytes + (ahead - n);
          any = iommu_->remote()->fetch(from, bytes, all < most ? all : most).state == RemoteMemory::State::kComing ||
                any;
          return true;
        });
    return any;
  }
  /// Writes; false: not mapped for that as a whole, and nothing was written. `bytes` may be what `read` gave: a driver
  /// may let a device copy memory onto itself.
  [[nodiscard]] bool write(std::uint64_t address, std::span<const std::byte> bytes) noexcept {
    if (std::byte* memory = at(address, bytes.size(), DmaAccess::kWrite); memory != nullptr) {
      __builtin_memmove(memory, bytes.data(), bytes.size());
      return true;
    }
    if (!reaches(address, bytes.size(), DmaAccess::kWrite)) return false;
    return for_each_piece(address, bytes.size(), DmaAccess::kWrite,
                          [&](const Iommu::Mapped& m, std::uint64_t to, std::size_t n) {
                            const auto part = bytes.subspan(to - address, n);
                            if (m.memory == nullptr) return iommu_->remote()->store(to, part);
                            __builtin_memmove(m.at(to, n), part.data(), n);
                            return true;
                          });
  }
  /// Whether all of [address, +n) is mapped for that.
  [[nodiscard]] bool reaches(std::uint64_t address, std::size_t n, DmaAccess access) noexcept {
    return for_each_piece(address, n, access, [](const Iommu::Mapped&, std::uint64_t, std::size_t) { return true; });
  }
  void release(std::uint64_t address, std::size_t n) noexcept {
    if (iommu_->remote() != nullptr) iommu_->remote()->release(address, n);
  }
  void forget() noexcept {
    if (iommu_->remote() != nullptr) iommu_->remote()->forget();
  }

 private:
  [[nodiscard]] const Iommu::Mapped* find(std::uint64_t address, std::size_t n) noexcept {
    if (const std::uint64_t now = iommu_->generation(); now != generation_) {
      generation_ = now;
      recent_[0] = recent_[1] = {};
    }
    for (const Iommu::Mapped& m : recent_) {
      if (m.holds(address, n)) return &m;
    }
    const Iommu::Mapped found = iommu_->find(address, n);
    if (found.bytes == 0) return nullptr;
    return &(recent_[turn_++ % 2] = found);
  }
  /// Calls visit(mapping, address, bytes) for the pieces of [address, +n), in order, until it returns false. False: it
  /// did, or a piece is not mapped so.
  template <class Visit>
  bool for_each_piece(std::uint64_t address, std::size_t n, DmaAccess access, Visit visit) noexcept {
    while (n > 0) {
      const Iommu::Mapped* found = find(address, 1);
      if (found == nullptr || !includes(found->access, access)) return false;
      const Iommu::Mapped m = *found;  // finding the next one may overwrite it
      const std::size_t left = m.bytes - (address - m.bus), part = n < left ? n : left;
      if (!visit(m, address, part)) return false;
      n -= part;
      address += part;
      if (address == 0 && n > 0) return false;  // past the end of all addresses
    }
    return true;
  }

  const Iommu* iommu_;
  std::uint64_t generation_ = 0;
  Iommu::Mapped recent_[2];  ///< rings and buffers
  unsigned turn_ = 0;
  std::vector<std::byte> gathered_;
};

}  // namespace pollux::sim

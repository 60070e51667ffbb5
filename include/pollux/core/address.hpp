// SPDX-License-Identifier: BSD-3-Clause
// The three kinds of address a driver meets, as three types that do not convert into each other.
#pragma once
#include <compare>
#include <cstdint>

namespace pollux {

class DmaDomain;

/// An address inside one IOMMU address space (VFIO container, IOAS).
class Iova {
 public:
  constexpr explicit Iova(std::uint64_t bits) noexcept : bits_(bits) {}
  [[nodiscard]] constexpr std::uint64_t value() const noexcept { return bits_; }
  friend constexpr auto operator<=>(Iova, Iova) = default;

 private:
  std::uint64_t bits_;
};

/// An address on the machine's memory bus, as /proc/self/pagemap tells it.
class PhysAddr {
 public:
  constexpr explicit PhysAddr(std::uint64_t bits) noexcept : bits_(bits) {}
  [[nodiscard]] constexpr std::uint64_t value() const noexcept { return bits_; }
  friend constexpr auto operator<=>(PhysAddr, PhysAddr) = default;

 private:
  std::uint64_t bits_;
};

/// The address a device puts on its bus to reach memory; the only kind a descriptor or ring base register takes.
/// Only a DmaDomain makes one (from an Iova or a PhysAddr, whichever holds for it), so a virtual address cannot
/// end up in a descriptor.
class BusAddr {
 public:
  constexpr BusAddr() noexcept = default;
  [[nodiscard]] constexpr std::uint64_t value() const noexcept { return bits_; }
  [[nodiscard]] constexpr BusAddr operator+(std::uint64_t bytes) const noexcept { return BusAddr(bits_ + bytes); }
  friend constexpr auto operator<=>(BusAddr, BusAddr) = default;

 private:
  friend class DmaDomain;
  constexpr explicit BusAddr(std::uint64_t bits) noexcept : bits_(bits) {}
  std::uint64_t bits_ = 0;
};

}  // namespace pollux

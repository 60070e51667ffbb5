// SPDX-License-Identifier: BSD-3-Clause
// DmaDomain: one address space as devices see it. The program makes it and passes it to pools and ports.
#pragma once
#include <cstddef>
#include <string_view>

#include <pollux/core/address.hpp>
#include <pollux/core/error.hpp>
#include <pollux/core/mapping.hpp>

namespace pollux {

class Pagemap;
namespace dma {
struct MemoryRequest;
}

/// A VFIO container, an IOAS, or "physical memory" when no IOMMU stands between. Memory mapped into a domain can be
/// used by every device of that domain, so ports of one domain may forward each other's buffers.
/// Must outlive the regions, pools and devices that use it. Threads: one at a time.
class DmaDomain {
 public:
  DmaDomain() = default;
  DmaDomain(const DmaDomain&) = delete;
  DmaDomain& operator=(const DmaDomain&) = delete;
  virtual ~DmaDomain() = default;

  /// Lets devices read and write [memory, memory + bytes). Pre: both multiples of `granule()`; resident, and staying
  /// where it is until `unmap`. Guarantees: consecutive on the bus over its whole length.
  [[nodiscard]] virtual Result<BusAddr> try_map(std::byte* memory, std::size_t bytes) = 0;
  /// Ends what `try_map` began; `bytes` as given there. Pre: no device still works on that memory.
  virtual void unmap(BusAddr at, std::size_t bytes) noexcept = 0;
  /// An IOMMU translates: any pages can be made consecutive on the bus, and devices reach nothing else.
  [[nodiscard]] virtual bool translates() const noexcept = 0;
  /// Smallest unit of mapping [bytes], a power of two.
  [[nodiscard]] virtual std::size_t granule() const noexcept = 0;
  [[nodiscard]] virtual std::string_view name() const noexcept = 0;
  /// Where bus addresses are physical ones: how they are known. Memory for such a domain must be consecutive there.
  [[nodiscard]] virtual const Pagemap* pagemap() const noexcept { return nullptr; }
  /// Where ordinary memory will not do, because somebody else must map it too: makes it. Pre: provides_pages().
  [[nodiscard]] virtual bool provides_pages() const noexcept { return false; }
  [[nodiscard]] virtual Result<Mapping> try_provide_pages(const dma::MemoryRequest&) { return Mapping(); }

 protected:
  static constexpr BusAddr bus(Iova at) noexcept { return BusAddr(at.value()); }
  static constexpr BusAddr bus(PhysAddr at) noexcept { return BusAddr(at.value()); }
};

/// Memory that no device reaches: for pools whose packets only the kernel's own sockets carry. Its bus addresses
/// mean nothing and are all zero.
class HostDomain final : public DmaDomain {
 public:
  [[nodiscard]] Result<BusAddr> try_map(std::byte*, std::size_t) override { return bus(Iova(0)); }
  void unmap(BusAddr, std::size_t) noexcept override {}
  [[nodiscard]] bool translates() const noexcept override { return true; }
  [[nodiscard]] std::size_t granule() const noexcept override { return 4096; }
  [[nodiscard]] std::string_view name() const noexcept override { return "host memory"; }
};

}  // namespace pollux

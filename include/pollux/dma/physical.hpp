// SPDX-License-Identifier: BSD-3-Clause
// Pagemap: where the kernel keeps this process's pages. PhysicalDomain: the DmaDomain of devices with no IOMMU before
// them (sysfs, UIO, UDD, VFIO no-IOMMU): bus addresses are physical addresses.
#pragma once
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <pollux/core/memory_calls.hpp>
#include <pollux/core/unique_fd.hpp>
#include <pollux/dma/domain.hpp>

namespace pollux {

/// /proc/self/pagemap. Threads: any.
class Pagemap {
 public:
  static constexpr std::size_t kPage = 4096;  ///< its unit, also within hugepages [bytes]

  /// Errors: raises with the reason that holds here.
  explicit Pagemap(const std::string& path = "/proc/self/pagemap") {
    auto fd = try_open(path, O_RDONLY);
    if (!fd) {
      Failure failure = fd.failure();
      if (failure.code == EACCES) {
        failure.remedy =
            "the process changed its user and is not dumpable: open the device before that, or call "
            "prctl(PR_SET_DUMPABLE, 1)";
      } else if (failure.code == ENOENT) {
        failure.remedy = "mount /proc; the kernel needs CONFIG_PROC_PAGE_MONITOR";
      }
      raise(std::move(failure));
    }
    fd_ = std::move(fd).value();
  }

  /// The physical addresses of the pages of [memory, memory + bytes). Pre: memory is aligned to kPage.
  /// Cost: 1 system call per 512 pages. Errors: EPERM (addresses are hidden), EFAULT (a page is not resident).
  [[nodiscard]] Result<std::vector<PhysAddr>> try_locate(const std::byte* memory, std::size_t bytes) const {
    const std::size_t pages = (bytes + kPage - 1) / kPage;
    std::vector<PhysAddr> out;
    out.reserve(pages);
    std::uint64_t entries[512];
    while (out.size() < pages) {
      const std::size_t n = pages - out.size() < std::size(entries) ? pages - out.size() : std::size(entries);
      const auto at = (reinterpret_cast<std::uintptr_t>(memory) / kPage + out.size()) * sizeof(std::uint64_t);
      const auto got = sys::pread(fd_.get(), entries, n * sizeof(std::uint64_t), static_cast<off_t>(at));
      if (got != static_cast<ssize_t>(n * sizeof(std::uint64_t))) {
        return failed(got < 0 ? errno : EIO, "a short read", "");
      }
      for (std::size_t i = 0; i < n; ++i) {
        const std::uint64_t frame = entries[i] & kFrame;
        if ((entries[i] & kPresent) == 0) return failed(EFAULT, "a page is not resident", "");
        if (frame == 0) {
          return failed(EPERM, "the kernel hides physical addresses",
                        "run with CAP_SYS_ADMIN (as root, outside of a user namespace), or use VFIO with an IOMMU, "
                        "which needs neither");
        }
        out.emplace_back(frame * kPage);
      }
    }
    return out;
  }

 private:
  static constexpr std::uint64_t kFrame = (std::uint64_t{1} << 55) - 1, kPresent = std::uint64_t{1} << 63;
  static Failure failed(int code, const char* where, const char* remedy) {
    return {.code = code, .operation = "read", .object = "/proc/self/pagemap", .where = where, .remedy = remedy};
  }
  UniqueFd fd_;
};

/// Devices put physical addresses on the bus and reach all memory: nothing protects the machine from a wrong one.
/// Memory must be physically consecutive over the length of a mapping, in practice on hugepages. The kernel moves no
/// hugepage by itself, but may on memory failure, hot removal, or when told to (move_pages, mbind): see `try_check`.
class PhysicalDomain final : public DmaDomain {
 public:
  /// Errors: raises what Pagemap raises.
  explicit PhysicalDomain(const std::string& pagemap = "/proc/self/pagemap") : pagemap_(pagemap) {}

  /// Cost: 1 system call per 2 MiB, and mlock. Errors: EINVAL (not consecutive), and what Pagemap says.
  [[nodiscard]] Result<BusAddr> try_map(std::byte* memory, std::size_t bytes) override {
    if (sys::mlock(memory, bytes) != 0) {
      return Failure{.code = errno,
                     .operation = "lock DMA memory of",
                     .object = text::cat(bytes >> 10, " KiB"),
                     .where = "mlock",
                     .remedy = "raise the locked-memory limit (ulimit -l), or run with CAP_IPC_LOCK"};
    }
    auto pages = pagemap_.try_locate(memory, bytes);
    if (pages && !consecutive(pages.value())) {
      pages = Failure{.code = EINVAL,
                      .operation = "map DMA memory in",
                      .object = std::string(name()),
                      .where = text::cat(bytes >> 10, " KiB are not consecutive in physical memory"),
                      .remedy = "use hugepages, or an IOMMU"};
    }
    if (!pages) {
      sys::munlock(memory, bytes);
      return pages.failure();
    }
    const PhysAddr first = pages.value().front();
    mapped_.push_back({memory, bytes, first});
    return bus(first);
  }
  void unmap(BusAddr at, std::size_t bytes) noexcept override {
    auto which = mapped_.begin();
    while (which != mapped_.end() && !(which->at.value() == at.value() && which->bytes == bytes)) ++which;
    if (which == mapped_.end()) return;
    sys::munlock(which->memory, which->bytes);
    mapped_.erase(which);
  }
  /// Whether all mapped pages are still where devices were told they are. When not, stop every port at once: the
  /// device writes to memory that belongs to others. Cost: as try_map, for all that is mapped.
  [[nodiscard]] Result<Done> try_check() const {
    for (const Range& r : mapped_) {
      auto pages = pagemap_.try_locate(r.memory, r.bytes);
      if (!pages) return pages.failure();
      if (pages.value().front() != r.at || !consecutive(pages.value())) {
        return Failure{.code = ESTALE,
                       .operation = "use DMA memory at",
                       .object = text::hex(r.at.value()),
                       .where = "the kernel moved its pages",
                       .remedy = "stop the device; do not migrate this process's memory (numactl, memory hot removal)"};
      }
    }
    return Done{};
  }
  [[nodiscard]] bool translates() const noexcept override { return false; }
  [[nodiscard]] std::size_t granule() const noexcept override { return Pagemap::kPage; }
  [[nodiscard]] std::string_view name() const noexcept override { return "physical memory"; }
  [[nodiscard]] const Pagemap* pagemap() const noexcept override { return &pagemap_; }

 private:
  struct Range {
    std::byte* memory;
    std::size_t bytes;
    PhysAddr at;
  };
  static bool consecutive(const std::vector<PhysAddr>& pages) {
    for (std::size_t i = 1; i < pages.size(); ++i) {
      if (pages[i].value() != pages[i - 1].value() + Pagemap::kPage) return false;
    }
    return true;
  }
  Pagemap pagemap_;
  std::vector<Range> mapped_;
};

}  // namespace pollux

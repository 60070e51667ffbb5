// SPDX-License-Identifier: BSD-3-Clause
// Tests of dma: the IOVA allocator against a model, ring indices at their wrap, regions and pools on real memory.
#include <cerrno>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "../real_calls.hpp"

// The library's seam to the kernel: real calls, but hugepages can be made scarce and unmapping is written down.
namespace seam {
using namespace real_calls;
inline bool no_hugepages = false;
inline bool no_memory = false;
inline std::vector<std::string> events;
inline void* mmap(void* hint, std::size_t n, int prot, int flags, int fd, off_t at) noexcept {
  if (no_memory || (no_hugepages && (flags & MAP_HUGETLB) != 0)) return errno = ENOMEM, MAP_FAILED;
  return ::mmap(hint, n, prot, flags, fd, at);
}
inline int munmap(void* at, std::size_t n) noexcept {
  events.emplace_back("munmap");
  return ::munmap(at, n);
}
/// Frames of a make-believe physical memory: given to pages in the order in which they are asked for, and written into
/// the page, so that the page keeps its frame wherever it is mapped. Empty: the kernel's.
inline std::vector<std::uint64_t> frames;
inline std::size_t next_frame = 0;
inline std::uint64_t pagemap_bits = std::uint64_t{1} << 63;
inline int pread_errno = 0;
inline std::size_t free_in_pool = 0, punched = 0;
inline ssize_t pread(int fd, void* to, std::size_t n, off_t at) noexcept {
  if (pread_errno != 0) return errno = pread_errno, -1;
  if (frames.empty()) return ::pread(fd, to, n, at);
  for (std::size_t i = 0; i < n / 8; ++i) {
    auto* page = reinterpret_cast<std::uint64_t*>((static_cast<std::uintptr_t>(at) / 8 + i) * 4096);
    if (*page == 0) *page = frames[next_frame++ % frames.size()];
    static_cast<std::uint64_t*>(to)[i] = *page | pagemap_bits;
  }
  return static_cast<ssize_t>(n);
}
inline int memfd_create(const char* name, unsigned flags) noexcept {
  return ::memfd_create(name, frames.empty() ? flags : flags & 3);
}
inline int fallocate(int fd, int mode, off_t at, off_t bytes) noexcept {
  ++punched;
  return ::fallocate(fd, mode, at, bytes);
}
/// The kernel's pool of 4 KiB "hugepages", which only the make-believe memory has.
inline int open(const char* path, int flags) noexcept {
  if (std::string_view(path).find("hugepages-4kB/") == std::string_view::npos) return ::open(path, flags);
  const int fd = ::memfd_create("pool", 0);
  const std::string text = std::string_view(path).ends_with("free_hugepages") ? std::to_string(free_in_pool) : "0";
  (void)!::write(fd, text.data(), text.size());
  ::lseek(fd, 0, SEEK_SET);
  return fd;
}
inline bool cannot_populate = false;
inline int madvise(void* at, std::size_t n, int advice) noexcept {
  if (cannot_populate) return errno = EFAULT, -1;
  return ::madvise(at, n, advice);
}
}  // namespace seam
#define POLLUX_SYSCALL(name) ::seam::name

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <optional>
#include <random>

#include <pollux/dma/contiguous.hpp>
#include <pollux/dma/iova.hpp>
#include <pollux/dma/physical.hpp>
#include <pollux/dma/pool.hpp>
#include <pollux/dma/region.hpp>
#include <pollux/dma/ring.hpp>

namespace {

using namespace pollux;

// ---- IovaAllocator ------------------------------------------------------------------------------------------------

using Ranges = std::vector<std::pair<std::uint64_t, std::uint64_t>>;

Ranges free_in(const IovaAllocator& a) {
  Ranges out;
  for (const IovaRange r : a.free_ranges()) out.emplace_back(r.first, r.last);
  return out;
}

TEST(IovaAllocator, GivesTheLowestAddressThatFits) {
  IovaAllocator a({{0x10'0000, 0x10'0FFF}, {0x20'0000, 0x2F'FFFF}});
  EXPECT_EQ(a.allocate(0x2000, 0x1000), Iova(0x20'0000));
  EXPECT_EQ(a.allocate(0x1000, 0x1000), Iova(0x10'0000));
  EXPECT_EQ(a.allocate(0x1000, 0x1000), Iova(0x20'2000));
}

TEST(IovaAllocator, SortsTheRangesItIsGiven) {
  IovaAllocator a({{0x9000'0000, 0x9FFF'FFFF}, {0x10'0000, 0x1F'FFFF}, {0x5000'0000, 0x5FFF'FFFF}});
  EXPECT_EQ(a.allocate(0x1000, 0x1000), Iova(0x10'0000));
  EXPECT_EQ(free_in(a), (Ranges{{0x10'1000, 0x1F'FFFF}, {0x5000'0000, 0x5FFF'FFFF}, {0x9000'0000, 0x9FFF'FFFF}}));
}

TEST(IovaAllocator, AlignsAndKeepsWhatLiesBeforeFree) {
  IovaAllocator a({{0x10'1000, 0x4F'FFFF}});
  EXPECT_EQ(a.allocate(0x1000, 0x20'0000), Iova(0x20'0000));
  EXPECT_EQ(free_in(a), (Ranges{{0x10'1000, 0x1F'FFFF}, {0x20'1000, 0x4F'FFFF}}));
  EXPECT_EQ(a.allocate(0x1000, 0x1000), Iova(0x10'1000));
}

TEST(IovaAllocator, NeverCrossesAHole) {
  IovaAllocator a({{0x10'0000, 0xFEDF'FFFF}, {0xFEF0'0000, 0xFFFF'FFFF}});  // x86: the MSI window lies between
  EXPECT_EQ(a.allocate(0xFED0'0001, 1), std::nullopt);
  EXPECT_EQ(a.allocate(0xFED0'0000, 0x1000), Iova(0x10'0000));
  EXPECT_EQ(a.allocate(0x1000, 0x1000), Iova(0xFEF0'0000));
}

TEST(IovaAllocator, FillsARangeToItsLastByteAndThenHasNone) {
  IovaAllocator a({{0x10'0000, 0x10'1FFF}});
  EXPECT_EQ(a.allocate(0x1000, 0x1000), Iova(0x10'0000));
  EXPECT_EQ(a.allocate(0x1000, 0x1000), Iova(0x10'1000));
  EXPECT_TRUE(a.free_ranges().empty());
  EXPECT_EQ(a.allocate(1, 1), std::nullopt);
}

TEST(IovaAllocator, ReachesTheLastByteOfTheAddressSpace) {
  IovaAllocator a({{0xFFFF'FFFF'FFFF'0000, 0xFFFF'FFFF'FFFF'FFFF}});
  EXPECT_EQ(a.allocate(0x1'0001, 1), std::nullopt);
  EXPECT_EQ(a.allocate(0x1'0000, 0x1000), Iova(0xFFFF'FFFF'FFFF'0000));
  a.free(Iova(0xFFFF'FFFF'FFFF'0000), 0x1'0000);
  EXPECT_EQ(free_in(a), (Ranges{{0xFFFF'FFFF'FFFF'0000, 0xFFFF'FFFF'FFFF'FFFF}}));
  EXPECT_EQ(a.allocate(1, 1ull << 63), std::nullopt);
  EXPECT_EQ(a.allocate(0x8000, 0x8000), Iova(0xFFFF'FFFF'FFFF'0000));
  EXPECT_EQ(a.allocate(0x8000, 0x8000), Iova(0xFFFF'FFFF'FFFF'8000));
}

TEST(IovaAllocator, WithoutRangesHasNothing) {
  IovaAllocator a({});
  EXPECT_EQ(a.allocate(1, 1), std::nullopt);
}

TEST(IovaAllocator, NeverGivesAddressZero) {
  for (const std::uint64_t last : {0ull, 1ull, 0xFFFull, 0xFFFFull, 0x1'0000ull, 0xFFFF'FFFFull, ~0ull}) {
    IovaAllocator a({{0, last}});
    for (int i = 0; i < 3; ++i) {
      const auto got = a.allocate(1, 1);
      EXPECT_NE(got, Iova(0)) << "range 0.." << last;
    }
  }
}

TEST(IovaAllocator, FreeMergesLeftRightAndBoth) {
  IovaAllocator a({{0x10'0000, 0x10'4FFF}});
  for (std::uint64_t i = 0; i < 5; ++i) ASSERT_EQ(a.allocate(0x1000, 0x1000), Iova(0x10'0000 + i * 0x1000));
  a.free(Iova(0x10'1000), 0x1000);
  EXPECT_EQ(free_in(a), (Ranges{{0x10'1000, 0x10'1FFF}}));
  a.free(Iova(0x10'2000), 0x1000);  // left
  EXPECT_EQ(free_in(a), (Ranges{{0x10'1000, 0x10'2FFF}}));
  a.free(Iova(0x10'0000), 0x1000);  // right
  EXPECT_EQ(free_in(a), (Ranges{{0x10'0000, 0x10'2FFF}}));
  a.free(Iova(0x10'4000), 0x1000);  // neither
  EXPECT_EQ(free_in(a), (Ranges{{0x10'0000, 0x10'2FFF}, {0x10'4000, 0x10'4FFF}}));
  a.free(Iova(0x10'3000), 0x1000);  // both
  EXPECT_EQ(free_in(a), (Ranges{{0x10'0000, 0x10'4FFF}}));
}

/// One bit per address, first fit by looking at every one.
class BitmapModel {
 public:
  explicit BitmapModel(const std::vector<IovaRange>& allowed) {
    for (const IovaRange r : allowed) std::fill(free_.begin() + at(r.first), free_.begin() + at(r.last) + 1, true);
  }
  std::optional<Iova> allocate(std::uint64_t bytes, std::uint64_t alignment) {
    for (std::uint64_t i = (kBase + alignment - 1) & ~(alignment - 1); i + bytes <= kBase + free_.size();
         i += alignment) {
      const auto first = free_.begin() + at(i), last = first + static_cast<std::ptrdiff_t>(bytes);
      if (std::find(first, last, false) != last) continue;
      std::fill(first, last, false);
      return Iova(i);
    }
    return std::nullopt;
  }
  void free(Iova where, std::uint64_t bytes) { std::fill_n(free_.begin() + at(where.value()), bytes, true); }
  [[nodiscard]] Ranges ranges() const {
    Ranges out;
    for (std::size_t i = 0; i < free_.size(); ++i) {
      if (!free_[i]) continue;
      if (i > 0 && free_[i - 1]) {
        out.back().second = kBase + i;
      } else {
        out.emplace_back(kBase + i, kBase + i);
      }
    }
    return out;
  }
  static constexpr std::uint64_t kBase = 0x10'0000;

 private:
  static std::ptrdiff_t at(std::uint64_t address) { return static_cast<std::ptrdiff_t>(address - kBase); }
  std::vector<bool> free_ = std::vector<bool>(1024);
};

TEST(IovaAllocator, AgreesWithABitmapModelOverARandomWalk) {
  const std::vector<IovaRange> allowed{{BitmapModel::kBase + 700, BitmapModel::kBase + 1023},
                                       {BitmapModel::kBase + 3, BitmapModel::kBase + 210},
                                       {BitmapModel::kBase + 212, BitmapModel::kBase + 640}};
  IovaAllocator tested(allowed);
  BitmapModel model(allowed);
  std::mt19937 random(20240607);
  std::vector<std::pair<Iova, std::uint64_t>> held;
  int refused = 0;
  for (int step = 0; step < 20'000; ++step) {
    const bool grow = random() % 5 < (step / 1000 % 2 == 0 ? 4u : 1u);
    if (grow || held.empty()) {
      const std::uint64_t bytes = random() % 8 == 0 ? 1 + random() % 200 : 1 + random() % 24;
      const std::uint64_t alignment = 1ull << random() % 8;
      const auto expected = model.allocate(bytes, alignment);
      ASSERT_EQ(tested.allocate(bytes, alignment), expected) << "step " << step;
      if (expected) held.emplace_back(*expected, bytes);
      refused += !expected;
    } else {
      std::swap(held[random() % held.size()], held.back());
      tested.free(held.back().first, held.back().second);
      model.free(held.back().first, held.back().second);
      held.pop_back();
    }
    ASSERT_EQ(free_in(tested), model.ranges()) << "step " << step;
  }
  EXPECT_GT(refused, 100);
  for (const auto& [at, bytes] : held) tested.free(at, bytes);
  EXPECT_EQ(free_in(tested), BitmapModel(allowed).ranges());
}

// ---- DescRing -----------------------------------------------------------------------------------------------------

struct Descriptor {
  std::uint64_t a, b;
};

TEST(DescRing, GivesTheSameSlotBeforeAndAfterItsIndexWraps) {
  alignas(128) std::array<std::byte, 8 * sizeof(Descriptor)> memory{};
  const DescRing<Descriptor> ring(memory.data(), BusAddr{}, 8);
  const auto* const first = reinterpret_cast<const Descriptor*>(memory.data());
  std::uint32_t index = 0xFFFF'FFF0u;
  for (std::uint32_t i = 0; i < 32; ++i, ++index) {
    EXPECT_EQ(&ring[index], first + i % 8);
    EXPECT_EQ(ring.slot(index), i % 8);
  }
  EXPECT_EQ(index, 0x10u);
}

TEST(DescRing, KeepsOrderThroughTheWrapWhenUsedAsAQueue) {
  alignas(128) std::array<std::byte, 4 * sizeof(Descriptor)> memory{};
  const DescRing<Descriptor> ring(memory.data(), BusAddr{}, 4);
  std::uint32_t head = 0xFFFF'FFFEu, tail = head;
  std::uint64_t put = 0, got = 0;
  for (int round = 0; round < 10; ++round) {
    while (tail - head < ring.capacity()) ring[tail++].a = put++;  // full: capacity, no spare slot
    for (int i = 0; i < 3; ++i) EXPECT_EQ(ring[head++].a, got++);
  }
  EXPECT_LT(tail, 100u);
  EXPECT_EQ(tail - head, 1u);
}

TEST(DescRing, StartsZeroedAndIsClearedWhole) {
  alignas(128) std::array<std::byte, 9 * sizeof(Descriptor)> memory;
  memory.fill(std::byte{0xFF});
  DescRing<Descriptor> ring(memory.data(), BusAddr{}, 8);
  EXPECT_EQ(ring.capacity(), 8u);
  EXPECT_EQ(ring.bytes(), 128u);
  for (std::uint32_t i = 0; i < 8; ++i) EXPECT_EQ(ring[i].a | ring[i].b, 0u);
  EXPECT_EQ(memory[128], std::byte{0xFF});  // not a byte beyond
  for (std::uint32_t i = 0; i < 8; ++i) ring[i] = {1, 2};
  ring.clear();
  for (std::uint32_t i = 0; i < 8; ++i) EXPECT_EQ(ring[i].a | ring[i].b, 0u);
  EXPECT_EQ(memory[128], std::byte{0xFF});
}

// ---- A domain that keeps books ------------------------------------------------------------------------------------

class BookkeepingDomain final : public DmaDomain {
 public:
  explicit BookkeepingDomain(bool iommu, std::size_t granule = 4096) : iommu_(iommu), granule_(granule) {}

  [[nodiscard]] Result<BusAddr> try_map(std::byte* memory, std::size_t bytes) override {
    if (refuse) return Failure{.code = ENOSPC, .operation = "map", .object = "test", .where = {}, .remedy = {}};
    const std::uint64_t at = next_;
    next_ += bytes + 0x10'0000;
    mapped[at] = {memory, bytes};
    return bus(Iova(at));
  }
  void unmap(BusAddr at, std::size_t bytes) noexcept override {
    seam::events.emplace_back("unmap");
    const auto found = mapped.find(at.value());
    ++unmaps;
    if (found == mapped.end() || found->second.second != bytes) {
      ++wrong_unmaps;
    } else {
      mapped.erase(found);
    }
  }
  [[nodiscard]] bool translates() const noexcept override { return iommu_; }
  [[nodiscard]] std::size_t granule() const noexcept override { return granule_; }
  [[nodiscard]] std::string_view name() const noexcept override { return "bookkeeping"; }

  std::map<std::uint64_t, std::pair<std::byte*, std::size_t>> mapped;
  int unmaps = 0;
  int wrong_unmaps = 0;
  bool refuse = false;

 private:
  bool iommu_;
  std::size_t granule_;
  std::uint64_t next_ = 0x7'0000'0000;
};

/// Lines of /proc/self/maps for memory as DMA regions use it (shared, anonymous); others may come and go.
std::size_t shared_mappings() {
  std::ifstream maps("/proc/self/maps");
  std::size_t n = 0;
  for (std::string line; std::getline(maps, line);) {
    n += line.find("/dev/zero") != line.npos || line.find("/anon_hugepage") != line.npos;
  }
  return n;
}

class DmaMemory : public ::testing::Test {
 protected:
  ~DmaMemory() override {
    seam::no_hugepages = seam::no_memory = seam::cannot_populate = false;
    EXPECT_EQ(shared_mappings(), before_) << "memory leaked";
  }

 private:
  std::size_t before_ = shared_mappings();
};

/// Sees to it that `pages` 2 MiB hugepages are free while it lives, as far as this process may and the machine can.
class FreeHugepages {
 public:
  explicit FreeHugepages(std::size_t pages) {
    if (dma::free_2m_pages() >= pages) return;
    if (auto old = file::try_read(kPath)) {
      const std::size_t now = std::stoul(old.value());
      const std::string more = std::to_string(now + pages);
      if (file::try_write(kPath, more)) restore_ = std::to_string(now);
    }
  }
  FreeHugepages(const FreeHugepages&) = delete;
  FreeHugepages& operator=(const FreeHugepages&) = delete;
  ~FreeHugepages() {
    if (!restore_.empty()) (void)file::try_write(kPath, restore_);
  }

 private:
  static constexpr const char* kPath = "/proc/sys/vm/nr_hugepages";
  std::string restore_;
};
#define NEEDS_HUGEPAGES(pages)            \
  const FreeHugepages hugepages((pages)); \
  if (dma::free_2m_pages() < (pages)) GTEST_SKIP() << "no 2 MiB hugepages free, and none can be reserved"

// ---- DmaRegion ----------------------------------------------------------------------------------------------------

TEST_F(DmaMemory, IsWholeZeroedPagesMappedForTheDomain) {
  BookkeepingDomain domain(true);
  {
    const DmaRegion region = DmaRegion::allocate(domain, 5000, PagePreference::kOrdinary);
    EXPECT_EQ(region.size(), 8192u);
    EXPECT_EQ(region.page_bytes(), 4096u);
    EXPECT_EQ(region.note(), "");
    EXPECT_EQ(&region.domain(), &domain);
    ASSERT_EQ(domain.mapped.size(), 1u);
    const auto& [at, memory] = *domain.mapped.begin();
    EXPECT_EQ(at, region.bus().value());
    EXPECT_EQ(memory, std::pair(region.data(), region.size()));
    EXPECT_TRUE(
        std::all_of(region.data(), region.data() + region.size(), [](std::byte b) { return b == std::byte{}; }));
    std::array<unsigned char, 2> resident{};
    EXPECT_EQ(::mincore(region.data(), region.size(), resident.data()), 0);
    EXPECT_EQ(resident[0] & resident[1] & 1, 1);
  }
  EXPECT_TRUE(domain.mapped.empty());
}

TEST_F(DmaMemory, IsWholeGranulesOfADomainWhoseGranuleIsLargerThanAPage) {
  for (const std::size_t granule : {std::size_t{8192}, std::size_t{65536}, std::size_t{4} << 20}) {
    BookkeepingDomain domain(true, granule);
    for (const std::size_t bytes : {std::size_t{1}, granule - 1, granule, granule + 1}) {
      const std::size_t before = shared_mappings();
      const DmaRegion region = DmaRegion::allocate(domain, bytes, PagePreference::kOrdinary);
      EXPECT_EQ(region.size(), dma::round_up(bytes, granule));
      EXPECT_EQ(reinterpret_cast<std::uintptr_t>(region.data()) % granule, 0u);
      EXPECT_EQ(region.page_bytes(), 4096u);
      EXPECT_EQ(domain.mapped.begin()->second, std::pair(region.data(), region.size()));
      EXPECT_EQ(shared_mappings(), before + 1);
      region.data()[region.size() - 1] = std::byte{1};
    }
    EXPECT_TRUE(domain.mapped.empty());
    EXPECT_EQ(domain.wrong_unmaps, 0);
  }
}

TEST_F(DmaMemory, ThatFellBackToOrdinaryPagesIsWholeGranulesToo) {
  seam::no_hugepages = true;
  BookkeepingDomain domain(true, 65536);
  const DmaRegion region = DmaRegion::allocate(domain, 70000);
  EXPECT_EQ(region.size(), 131072u);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(region.data()) % 65536, 0u);
}

TEST_F(DmaMemory, IsUnmappedFromTheDomainExactlyOnceBeforeItGoes) {
  BookkeepingDomain domain(true);
  {
    DmaRegion first = DmaRegion::allocate(domain, 4096, PagePreference::kOrdinary);
    const DmaRegion second = std::move(first);
    seam::events.clear();
    EXPECT_EQ(domain.mapped.size(), 1u);
  }
  EXPECT_EQ(seam::events, (std::vector<std::string>{"unmap", "munmap"}));
  EXPECT_EQ(domain.unmaps, 1);
  EXPECT_EQ(domain.wrong_unmaps, 0);
}

TEST_F(DmaMemory, ThatTheDomainRefusesIsGivenBack) {
  BookkeepingDomain domain(true);
  domain.refuse = true;
  const std::size_t before = shared_mappings();
  const auto got = DmaRegion::try_allocate(domain, 1 << 20, PagePreference::kOrdinary);
  ASSERT_FALSE(got);
  EXPECT_EQ(got.failure().code, ENOSPC);
  EXPECT_EQ(shared_mappings(), before);
  EXPECT_EQ(domain.unmaps, 0);
  EXPECT_THROW(BufferPool(domain, 16, 2048, PagePreference::kOrdinary), Error);
  EXPECT_EQ(shared_mappings(), before);
}

TEST_F(DmaMemory, ThatIsShortFailsWithEnomem) {
  BookkeepingDomain domain(true);
  seam::no_memory = true;
  EXPECT_EQ(DmaRegion::try_allocate(domain, 4096, PagePreference::kOrdinary).failure().code, ENOMEM);
  EXPECT_EQ(DmaRegion::try_allocate(domain, 4096, PagePreference::kHuge).failure().code, ENOMEM);
  EXPECT_TRUE(domain.mapped.empty());
}

TEST_F(DmaMemory, ThatCannotBePopulatedIsGivenBack) {
  BookkeepingDomain domain(true);
  const std::size_t before = shared_mappings();
  seam::cannot_populate = true;
  const auto got = DmaRegion::try_allocate(domain, 4096, PagePreference::kOrdinary);
  ASSERT_FALSE(got);
  EXPECT_EQ(got.failure().code, EFAULT);
  EXPECT_EQ(got.failure().operation, "populate");
  EXPECT_EQ(shared_mappings(), before);
}

TEST_F(DmaMemory, WithoutIommuIsOnHugepagesWhateverIsPreferred) {
  NEEDS_HUGEPAGES(1);
  BookkeepingDomain physical(false);
  EXPECT_EQ(DmaRegion::allocate(physical, 4096, PagePreference::kOrdinary).page_bytes(), dma::kPage2M);
  EXPECT_EQ(DmaRegion::allocate(physical, 4096, PagePreference::kHuge).page_bytes(), dma::kPage2M);
}

TEST_F(DmaMemory, OfTheCallerStaysTheCallers) {
  BookkeepingDomain domain(true);
  alignas(4096) static std::byte own[8192];
  {
    const auto region = std::move(DmaRegion::try_adopt(domain, own)).value();
    EXPECT_EQ(region.data(), own);
    EXPECT_EQ(region.size(), sizeof own);
    EXPECT_EQ(domain.mapped.size(), 1u);
  }
  EXPECT_TRUE(domain.mapped.empty());
  own[0] = std::byte{1};  // still there
  domain.refuse = true;
  EXPECT_EQ(DmaRegion::try_adopt(domain, own).failure().code, ENOSPC);
}

TEST_F(DmaMemory, OfANodeThatIsNotThereIsRefused) {
  BookkeepingDomain domain(true);
  for (const int node : {1023, 5000}) {
    const auto got = DmaRegion::try_allocate(domain, 4096, {PagePreference::kOrdinary, node});
    ASSERT_FALSE(got);
    EXPECT_EQ(got.failure().code, EINVAL);
    EXPECT_NE(got.failure().text().find("node " + std::to_string(node)), std::string::npos);
  }
  EXPECT_EQ(DmaRegion::allocate(domain, 4096, {PagePreference::kOrdinary, 0}).size(), 4096u) << "node 0 is everywhere";
}

TEST_F(DmaMemory, AGibibytePageIsNotToBeHadAndTheNextSizeTaken) {
  BookkeepingDomain domain(true);
  if (dma::free_pages(dma::kPage1G) != 0) GTEST_SKIP() << "this machine has 1 GiB hugepages";
  const auto region = DmaRegion::allocate(domain, 4096, PagePreference::kHuge1G);
  EXPECT_NE(region.page_bytes(), dma::kPage1G);
  EXPECT_NE(region.note().find(region.page_bytes() == dma::kPage2M ? "1 GiB" : "2 MiB"), std::string::npos);
}

TEST_F(DmaMemory, WithoutHugepagesAndIommuSaysWhichCommandMendsIt) {
  BookkeepingDomain physical(false);
  seam::no_hugepages = true;
  const auto got = DmaRegion::try_allocate(physical, 5 << 20, PagePreference::kHuge);
  ASSERT_FALSE(got);
  EXPECT_EQ(got.failure().code, ENOMEM);
  EXPECT_NE(got.failure().where.find("without an IOMMU"), std::string::npos);
  const std::string& remedy = got.failure().remedy;
  const auto echo = remedy.find("echo ");
  ASSERT_NE(echo, std::string::npos) << remedy;
  EXPECT_GE(std::stoul(remedy.substr(echo + 5)), 3u);  // 5 MiB are three of 2 MiB
  EXPECT_NE(remedy.find(" > /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages"), std::string::npos);
  EXPECT_TRUE(physical.mapped.empty());
}

TEST_F(DmaMemory, WithoutHugepagesNamesACommandThatNeverLeavesTheMachineWithFewer) {
  NEEDS_HUGEPAGES(80);
  const auto reserved = file::try_read("/proc/sys/vm/nr_hugepages");
  BookkeepingDomain physical(false);
  seam::no_hugepages = true;
  const auto got = DmaRegion::try_allocate(physical, 2 << 20, PagePreference::kHuge);
  ASSERT_FALSE(got);
  const std::string& remedy = got.failure().remedy;
  EXPECT_GT(std::stoul(remedy.substr(remedy.find("echo ") + 5)), std::stoul(Result(reserved).value())) << remedy;
}

TEST_F(DmaMemory, WithoutHugepagesUnderAnIommuFallsBackAndSaysSo) {
  BookkeepingDomain domain(true);
  seam::no_hugepages = true;
  const DmaRegion region = DmaRegion::allocate(domain, 5000);
  EXPECT_EQ(region.page_bytes(), 4096u);
  EXPECT_NE(region.note().find("no hugepages"), std::string::npos);
  EXPECT_NE(region.note().find("nr_hugepages"), std::string::npos);
}

TEST_F(DmaMemory, ComesOnHugepagesWhereThereAreAny) {
  NEEDS_HUGEPAGES(2);
  BookkeepingDomain physical(false);
  const std::size_t free = dma::free_2m_pages();
  {
    const DmaRegion region = DmaRegion::allocate(physical, dma::kPage2M + 1);
    EXPECT_EQ(region.page_bytes(), dma::kPage2M);
    EXPECT_EQ(region.size(), 2 * dma::kPage2M);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(region.data()) % dma::kPage2M, 0u);
    EXPECT_EQ(region.note(), "");
    EXPECT_LT(dma::free_2m_pages(), free);
  }
  EXPECT_TRUE(physical.mapped.empty());
}

// ---- Physical memory ----------------------------------------------------------------------------------------------

struct Physical : testing::Test {
  ~Physical() override {
    seam::frames.clear();
    seam::next_frame = seam::free_in_pool = seam::punched = 0;
    seam::pagemap_bits = std::uint64_t{1} << 63;
    seam::pread_errno = 0;
  }
  static std::vector<std::uint64_t> frames_in(const Mapping& memory) {
    std::vector<std::uint64_t> out;
    for (std::size_t at = 0; at < memory.size(); at += 4096) {
      out.push_back(*reinterpret_cast<const std::uint64_t*>(memory.data() + at));
    }
    return out;
  }
  static dma::MemoryRequest pages(std::size_t n) { return {.bytes = n * 4096, .page_bytes = 4096}; }
  Pagemap pagemap{"/dev/null"};
};

TEST_F(Physical, PagesThatFollowEachOtherAreUsedAsTheyAre) {
  seam::frames = {100, 101, 102};
  const auto memory = std::move(dma::try_map_consecutive(pages(3), pagemap)).value();
  EXPECT_EQ(frames_in(memory), (std::vector<std::uint64_t>{100, 101, 102}));
  EXPECT_EQ(seam::punched, 0u);
}

TEST_F(Physical, PagesInTheWrongOrderAreMappedInTheRightOne) {
  seam::frames = {102, 100, 101};
  const auto memory = std::move(dma::try_map_consecutive(pages(3), pagemap)).value();
  EXPECT_EQ(frames_in(memory), (std::vector<std::uint64_t>{100, 101, 102}));
}

TEST_F(Physical, ScatteredPagesAreReplacedUntilSomeFollowEachOther) {
  seam::frames = {10, 7, 30, 40, 8, 9, 50};
  seam::free_in_pool = 4;
  const auto memory = std::move(dma::try_map_consecutive(pages(3), pagemap)).value();
  EXPECT_EQ(frames_in(memory), (std::vector<std::uint64_t>{7, 8, 9}));
  EXPECT_EQ(seam::punched, 3u) << "the pages that do not fit go back";
}

TEST_F(Physical, ScatteredPagesAndNoMoreOfThemIsAnError) {
  seam::frames = {10, 20, 30};
  const auto got = dma::try_map_consecutive(pages(2), pagemap);
  ASSERT_FALSE(got);
  EXPECT_EQ(got.failure().code, ENOMEM);
  EXPECT_NE(got.failure().text().find("no 2 of 2 follow each other"), std::string::npos);
}

TEST_F(Physical, PagesThatOnlyAnotherNodeHasAreAShortage) {
  seam::frames = {100, 101};
  seam::cannot_populate = true;
  const auto got = dma::try_map_consecutive(pages(2), pagemap);
  seam::cannot_populate = false;
  ASSERT_FALSE(got);
  EXPECT_EQ(got.failure().code, ENOMEM);
}

TEST_F(Physical, OfANodeThatIsNotThereIsAnErrorOfItsOwn) {
  seam::frames = {100};
  dma::MemoryRequest request = pages(1);
  request.numa_node = 1 << 20;
  const auto got = dma::try_map_consecutive(request, pagemap);
  ASSERT_FALSE(got);
  EXPECT_EQ(got.failure().code, EINVAL);
  EXPECT_NE(got.failure().remedy.find("no node 1048576"), std::string::npos) << got.failure().remedy;
}

TEST_F(Physical, HiddenAddressesAreExplained) {
  seam::frames = {100};
  seam::pagemap_bits = 0;
  alignas(4096) std::byte page[4096]{};
  EXPECT_EQ(pagemap.try_locate(page, sizeof page).failure().code, EFAULT) << "not present";
  std::fill(std::begin(page), std::end(page), std::byte{0});
  seam::frames = {std::uint64_t{1} << 55};  // present, and a frame number of zero
  seam::pagemap_bits = std::uint64_t{1} << 63;
  const Failure hidden = pagemap.try_locate(page, sizeof page).failure();
  EXPECT_EQ(hidden.code, EPERM);
  EXPECT_NE(hidden.text().find("CAP_SYS_ADMIN"), std::string::npos);
  seam::pread_errno = EIO;
  EXPECT_EQ(pagemap.try_locate(page, sizeof page).failure().code, EIO);
}

TEST_F(Physical, AMissingPagemapIsNamed) {
  try {
    Pagemap none("/nonexistent/pagemap");
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.code().value(), ENOENT);
    EXPECT_NE(std::string(error.what()).find("/nonexistent/pagemap"), std::string::npos);
  }
}

TEST_F(Physical, TheDomainMapsConsecutiveMemoryOnly) {
  PhysicalDomain domain("/dev/null");
  EXPECT_FALSE(domain.translates());
  seam::frames = {100, 101, 55, 57};
  alignas(4096) static std::byte memory[4 * 4096];
  const auto at = domain.try_map(memory, 2 * 4096);
  ASSERT_TRUE(at);
  EXPECT_EQ(Result<BusAddr>(at).value().value(), 100u * 4096);
  const auto scattered = domain.try_map(memory + 2 * 4096, 2 * 4096);
  ASSERT_FALSE(scattered);
  EXPECT_EQ(scattered.failure().code, EINVAL);
  EXPECT_NE(scattered.failure().text().find("hugepages"), std::string::npos);

  EXPECT_TRUE(domain.try_check());
  *reinterpret_cast<std::uint64_t*>(memory) = 99;  // the kernel has moved the page
  const auto moved = domain.try_check();
  ASSERT_FALSE(moved);
  EXPECT_EQ(moved.failure().code, ESTALE);
  domain.unmap(Result<BusAddr>(at).value(), 2 * 4096);
  EXPECT_TRUE(domain.try_check()) << "nothing is mapped any more";
}

TEST_F(Physical, ARegionOfTheMachinesOwnHugepages) {
  NEEDS_HUGEPAGES(4);
  std::unique_ptr<PhysicalDomain> domain;
  try {
    domain = std::make_unique<PhysicalDomain>();
    const DmaRegion region = DmaRegion::allocate(*domain, 3 * dma::kPage2M);
    EXPECT_EQ(region.size(), 3 * dma::kPage2M);
    EXPECT_EQ(region.bus().value() % dma::kPage2M, 0u);
    const Pagemap kernel;
    auto all = kernel.try_locate(region.data(), region.size());
    ASSERT_TRUE(all);
    for (std::size_t i = 0; i < all.value().size(); ++i) {
      ASSERT_EQ(all.value()[i].value(), region.bus().value() + i * 4096) << "page " << i;
    }
    EXPECT_TRUE(domain->try_check());
  } catch (const Error& error) {
    // Scattered hugepages, or no right to see addresses: the messages must say so.
    const std::string what = error.what();
    ASSERT_TRUE(what.find("follow each other") != what.npos || what.find("CAP_SYS_ADMIN") != what.npos) << what;
    GTEST_SKIP() << what;
  }
}

TEST(FreeHugepages, AreZeroWhereTheKernelHasNone) { EXPECT_EQ(dma::free_2m_pages("/nonexistent"), 0u); }

TEST(FreeHugepages, OfANodeAreItsOwnAndNotPromised) {
  namespace fs = std::filesystem;
  const fs::path sys = fs::temp_directory_path() / text::cat("pollux-sys-", ::getpid());
  const auto write = [&](const std::string& pool, const char* which, int n) {
    fs::create_directories(pool);
    std::ofstream(pool + which) << n << '\n';
  };
  for (const auto& [node, free] : {std::pair(-1, 6), std::pair(0, 5), std::pair(1, 1)}) {
    write(dma::hugepage_pool(dma::kPage2M, node, sys), "free_hugepages", free);
  }
  write(dma::hugepage_pool(dma::kPage2M, -1, sys), "resv_hugepages", 2);
  EXPECT_EQ(dma::free_pages(dma::kPage2M, -1, sys), 4u);
  EXPECT_EQ(dma::free_pages(dma::kPage2M, 0, sys), 4u) << "two are promised, of whichever node";
  EXPECT_EQ(dma::free_pages(dma::kPage2M, 1, sys), 1u);
  EXPECT_EQ(dma::free_pages(dma::kPage2M, 2, sys), 0u);
  fs::remove_all(sys);
}

// ---- BufferPool ---------------------------------------------------------------------------------------------------

constexpr auto kOrdinary = PagePreference::kOrdinary;

TEST_F(DmaMemory, OfAPoolIsHandedOutLastInFirstOut) {
  HostDomain host;
  BufferPool pool(host, 8, 2048, kOrdinary);
  EXPECT_EQ(pool.count(), 8u);
  EXPECT_EQ(pool.free_count(), 8u);
  std::array<std::uint32_t, 3> ids{};
  ASSERT_EQ(pool.take(ids), 3u);
  std::array<std::uint32_t, 3> sorted = ids;
  std::sort(sorted.begin(), sorted.end());
  EXPECT_EQ(sorted, (std::array<std::uint32_t, 3>{0, 1, 2}));  // the lowest first: they share pages
  EXPECT_EQ(pool.free_count(), 5u);
  const std::array<std::uint32_t, 1> one{ids[1]};
  pool.give(one);
  std::array<std::uint32_t, 1> again{};
  ASSERT_EQ(pool.take(again), 1u);
  EXPECT_EQ(again, one);
  pool.give(ids);
  EXPECT_EQ(pool.free_count(), 8u);
}

TEST_F(DmaMemory, OfAnExhaustedPoolIsGivenAsFarAsItGoes) {
  HostDomain host;
  BufferPool pool(host, 5, 64, kOrdinary);
  std::array<std::uint32_t, 8> ids{};
  EXPECT_EQ(pool.take({ids.data(), 0}), 0u);
  EXPECT_EQ(pool.take(ids), 5u);
  EXPECT_EQ(pool.take(ids), 0u);
  std::sort(ids.begin(), ids.begin() + 5);
  for (std::uint32_t i = 0; i < 5; ++i) EXPECT_EQ(ids[i], i);  // each once
  pool.give({ids.data(), 5});
  EXPECT_EQ(pool.take({ids.data(), 1}), 1u);
  pool.give({ids.data(), 1});
}

TEST_F(DmaMemory, OfAPoolMayBeAskedForNothing) {  // an empty span may have no address: UBSan watches
  HostDomain host;
  BufferPool pool(host, 2, 64, kOrdinary);
  EXPECT_EQ(pool.take({}), 0u);
  pool.give({});
  EXPECT_EQ(pool.free_count(), 2u);
  std::array<std::uint32_t, 2> ids{};
  ASSERT_EQ(pool.take(ids), 2u);
  EXPECT_EQ(pool.take({}), 0u);
  pool.give(ids);
  pool.give({});
  EXPECT_EQ(pool.free_count(), 2u);
}

#ifndef NDEBUG
using DmaMemoryDeathTest = DmaMemory;
TEST_F(DmaMemoryDeathTest, OfAPoolCannotBeGivenBackTwice) {
  HostDomain host;
  BufferPool pool(host, 2, 64, kOrdinary);
  const std::array<std::uint32_t, 1> id{0};
  EXPECT_DEATH(pool.give(id), "given back twice");
}
#endif

TEST_F(DmaMemory, OfABufferFollowsFromItsNumber) {
  BookkeepingDomain domain(true);
  BufferPool pool(domain, 100, 1536, kOrdinary);
  ASSERT_EQ(domain.mapped.size(), 1u);
  const auto [base, memory] = *domain.mapped.begin();
  EXPECT_EQ(&pool.domain(), &domain);
  EXPECT_EQ(pool.buffer_bytes(), 1536u);
  EXPECT_GE(pool.stride(), pool.buffer_bytes());
  for (std::uint32_t id = 0; id < 100; ++id) {
    EXPECT_EQ(pool.data(id), memory.first + id * pool.stride());
    EXPECT_EQ(pool.bus(id).value(), base + id * pool.stride());
  }
  EXPECT_LE(pool.data(99) + pool.buffer_bytes(), memory.first + memory.second);
}

TEST_F(DmaMemory, OfLargePoolsHasBusAddressesBeyond4GiB) {
  BookkeepingDomain domain(true);
  BufferPool pool(domain, 4, 2048, kOrdinary);
  EXPECT_GT(pool.bus(3).value(), 0x7'0000'0000ull);
  EXPECT_EQ((BusAddr{} + 0xFFFF'FFFFull + 2).value(), 0x1'0000'0001ull);
}

TEST_F(DmaMemory, OfABufferOnOrdinaryPagesNeverCrossesAPage) {
  HostDomain host;
  for (std::uint32_t bytes = 64; bytes <= 4096; bytes += 64) {
    BufferPool pool(host, 70, bytes, kOrdinary);
    ASSERT_EQ(pool.page_bytes(), 4096u);
    ASSERT_GE(pool.stride(), bytes);
    for (std::uint32_t id = 0; id < pool.count(); ++id) {
      const auto first = reinterpret_cast<std::uintptr_t>(pool.data(id));
      ASSERT_EQ(first / 4096, (first + bytes - 1) / 4096) << bytes << " bytes, buffer " << id;
    }
    pool.data(69)[bytes - 1] = std::byte{1};  // the last byte is there
  }
}

TEST_F(DmaMemory, OfAPoolThatFellBackIsLaidOutForOrdinaryPages) {
  seam::no_hugepages = true;
  BookkeepingDomain domain(true);
  for (const std::uint32_t count : {1u, 3u, 64u, 1000u}) {
    for (std::uint32_t bytes = 64; bytes <= 4096; bytes += 192) {
      BufferPool pool(domain, count, bytes);
      ASSERT_NE(pool.note().find("no hugepages"), std::string::npos);
      ASSERT_EQ(domain.mapped.size(), 1u);
      const auto& memory = domain.mapped.begin()->second;
      ASSERT_LE(pool.data(count - 1) + bytes, memory.first + memory.second) << count << " of " << bytes;
      for (std::uint32_t id = 0; id < count; ++id) {
        const auto first = reinterpret_cast<std::uintptr_t>(pool.data(id));
        ASSERT_EQ(first / 4096, (first + bytes - 1) / 4096) << bytes << " bytes, buffer " << id;
      }
    }
    ASSERT_TRUE(domain.mapped.empty());
  }
  EXPECT_EQ(domain.wrong_unmaps, 0);
}

TEST_F(DmaMemory, OfBuffersOnHugepagesIsSpreadOverCacheSets) {
  NEEDS_HUGEPAGES(2);
  BookkeepingDomain physical(false);
  for (const std::uint32_t bytes : {64u, 128u, 1536u, 2048u, 4096u}) {
    BufferPool pool(physical, 500, bytes);
    EXPECT_EQ(pool.page_bytes(), dma::kPage2M);
    EXPECT_EQ(pool.stride() % 128, 64u) << bytes;  // an odd number of cache lines
    EXPECT_GE(pool.stride(), bytes);
    EXPECT_LE(pool.stride(), bytes + 64);
    EXPECT_EQ(pool.note(), "");
    pool.data(499)[bytes - 1] = std::byte{1};
  }
}

TEST_F(DmaMemory, OfAPoolIsUnmappedOnceBeforeItGoes) {
  BookkeepingDomain domain(true);
  {
    const BufferPool pool(domain, 16, 2048, kOrdinary);
    seam::events.clear();
  }
  EXPECT_EQ(seam::events, (std::vector<std::string>{"unmap", "munmap"}));
  EXPECT_TRUE(domain.mapped.empty());
}

TEST_F(DmaMemory, OfAPoolWithoutHugepagesAndIommuFailsAndLeaksNothing) {
  BookkeepingDomain physical(false);
  seam::no_hugepages = true;
  const std::size_t before = shared_mappings();
  try {
    const BufferPool pool(physical, 1024);
    FAIL() << "no error";
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages"), std::string::npos);
  }
  EXPECT_EQ(shared_mappings(), before);
}

}  // namespace

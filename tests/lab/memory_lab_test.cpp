// SPDX-License-Identifier: BSD-3-Clause
// DMA memory on real 1 GiB hugepages and on a chosen NUMA node, in the lab's guest. The guest has two nodes; its kernel
// was asked for one page of 1 GiB on node 1, none on node 0, and for 2 MiB pages, which it shares out (tests/run).
#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <optional>

#include <pollux/dma/physical.hpp>
#include <pollux/dma/region.hpp>
#include <pollux/pci/sysfs.hpp>

#include "../messages.hpp"

using namespace pollux;
using messages::expect_text;

namespace {

constexpr int kWithout = 0, kWith = 1;  // NUMA nodes, by whether they have a page of 1 GiB
constexpr std::size_t kSmall = 3 * dma::kPage2M;

/// Everything that memory could leave behind.
struct Held {
  std::size_t free_1g[2] = {free(dma::kPage1G, 0), free(dma::kPage1G, 1)};
  std::size_t free_2m[2] = {free(dma::kPage2M, 0), free(dma::kPage2M, 1)};
  std::size_t reserved =
      dma::hugepage_count("resv_hugepages", dma::kPage1G) + dma::hugepage_count("resv_hugepages", dma::kPage2M);
  std::size_t descriptors = PciSysfs::names_in("/proc/self/fd").size();
  std::size_t files = PciSysfs::names_in("/dev/hugepages").size() + PciSysfs::names_in("/dev/shm").size();
  friend bool operator==(const Held&, const Held&) = default;
  friend void PrintTo(const Held& h, std::ostream* out) {
    *out << "free 1 GiB pages " << h.free_1g[0] << " + " << h.free_1g[1] << ", 2 MiB " << h.free_2m[0] << " + "
         << h.free_2m[1] << ", " << h.reserved << " reserved, " << h.descriptors << " descriptors, " << h.files
         << " files";
  }
  static std::size_t free(std::size_t page_bytes, int node) {
    return dma::hugepage_count("free_hugepages", page_bytes, node);
  }
};

/// The node on which the kernel keeps the page at `at`.
int node_of(const std::byte* at) {
  constexpr unsigned long kNodeOfAddress = 1 | 2;  // MPOL_F_NODE, MPOL_F_ADDR
  int node = -1;
  EXPECT_EQ(::syscall(SYS_get_mempolicy, &node, nullptr, 0ul, at, kNodeOfAddress), 0);
  return node;
}
/// What /proc/self/numa_maps says of the mapping at `at`.
std::string numa_line(const std::byte* at) {
  std::ifstream in("/proc/self/numa_maps");
  for (std::string line; std::getline(in, line);) {
    if (std::stoull(line, nullptr, 16) == reinterpret_cast<std::uintptr_t>(at)) return line;
  }
  return "none";
}
/// Does what a message says: the command behind `label`.
void follow(const std::string& message, const std::string& label) {
  const auto at = message.find(label);
  ASSERT_NE(at, message.npos) << message;
  EXPECT_EQ(::system(message.substr(at + label.size()).c_str()), 0) << message;
}
/// A node's share of the 2 MiB pages, for a while.
class Share {
 public:
  Share(int node, std::size_t pages) : node_(node), former_(dma::hugepage_count("nr_hugepages", dma::kPage2M, node)) {
    set(pages);
  }
  Share(const Share&) = delete;
  Share& operator=(const Share&) = delete;
  ~Share() { set(former_); }

 private:
  void set(std::size_t pages) {
    std::ofstream(dma::hugepage_pool(dma::kPage2M, node_) + "nr_hugepages") << pages << std::flush;
    EXPECT_EQ(dma::hugepage_count("nr_hugepages", dma::kPage2M, node_), pages);
  }
  int node_;
  std::size_t former_;
};

/// Both ways to memory: anonymous pages where the domain translates (here one without a device), a memfd where bus
/// addresses are physical.
struct Memory : testing::TestWithParam<bool> {
  void SetUp() override {
    ASSERT_EQ(Held::free(dma::kPage1G, kWith), 1u) << "the guest's kernel: hugepagesz=1G hugepages=1:1";
    ASSERT_EQ(Held::free(dma::kPage1G, kWithout), 0u);
    for (const int node : {kWithout, kWith}) ASSERT_GE(Held::free(dma::kPage2M, node), 8u);
    before.emplace();
  }
  void TearDown() override {
    if (before) { EXPECT_EQ(Held(), *before) << "what was had is given back"; }
  }
  [[nodiscard]] DmaDomain& domain() { return GetParam() ? static_cast<DmaDomain&>(host) : physical; }
  [[nodiscard]] DmaRegion allocate(std::size_t bytes, const DmaMemory& memory) {
    return DmaRegion::allocate(domain(), bytes, memory);
  }
  [[nodiscard]] std::string error_of(std::size_t bytes, const DmaMemory& memory) {
    auto got = DmaRegion::try_allocate(domain(), bytes, memory);
    return got ? "no error" : got.failure().text();
  }
  /// Zeroed, on pages of that size and that node, and where physical addresses matter consecutive ones.
  void expect_placed(const DmaRegion& region, std::size_t page_bytes, int node) {
    EXPECT_EQ(region.page_bytes(), page_bytes);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(region.data()) % page_bytes, 0u);
    EXPECT_EQ(region.size() % page_bytes, 0u);
    for (std::size_t at = 0; at < region.size(); at += dma::kPage2M / 2) {
      ASSERT_EQ(region.data()[at], std::byte{0});
      ASSERT_EQ(node_of(region.data() + at), node) << at;
    }
    const std::string line = numa_line(region.data());
    EXPECT_NE(line.find(text::cat(" N", node, "=")), line.npos) << line;
    EXPECT_EQ(line.find(text::cat(" N", 1 - node, "=")), line.npos) << line;
    EXPECT_NE(line.find(text::cat("kernelpagesize_kB=", page_bytes >> 10)), line.npos) << line;
    if (GetParam()) return;
    auto pages = physical.pagemap()->try_locate(region.data(), region.size());
    ASSERT_TRUE(pages) << pages.failure().text();
    EXPECT_EQ(pages.value().front().value() % page_bytes, 0u);
    for (std::size_t i = 0; i < pages.value().size(); ++i) {
      ASSERT_EQ(pages.value()[i].value(), region.bus().value() + i * Pagemap::kPage) << "page " << i;
    }
    EXPECT_TRUE(physical.try_check());
  }

  HostDomain host;
  PhysicalDomain physical;
  std::optional<Held> before;
};
INSTANTIATE_TEST_SUITE_P(Memory, Memory, testing::Values(true, false),
                         [](const auto& way) { return way.param ? "anonymous" : "memfd"; });

constexpr DmaMemory on(int node, PagePreference pages = PagePreference::kHuge1G) { return {pages, node}; }

// ---- Pages of 1 GiB -----------------------------------------------------------------------------------------------

TEST_P(Memory, of_a_gibibyte_is_one_page_of_the_node_that_was_asked_for) {
  for (const int node : {kWith, -1}) {
    for (const std::size_t bytes : {dma::kPage1G, std::size_t{5000}}) {
      const DmaRegion region = allocate(bytes, on(node));
      EXPECT_EQ(region.note(), "");
      EXPECT_EQ(region.size(), dma::kPage1G);
      EXPECT_EQ(Held::free(dma::kPage1G, kWith), 0u);
      expect_placed(region, dma::kPage1G, kWith);
      for (std::size_t at = 0; at < region.size(); at += dma::kPage2M) region.data()[at] = std::byte{0xA5};
    }
  }
}

TEST_P(Memory, comes_on_smaller_pages_of_the_node_when_the_gibibytes_are_used_up) {
  const DmaRegion all = allocate(dma::kPage1G, on(kWith));
  const DmaRegion next = allocate(kSmall, on(kWith));
  expect_text(next.note(), {"0 of 1 GiB free on NUMA node 1", "using 2 MiB hugepages", "hugepagesz=1G hugepages=1:N"});
  expect_placed(next, dma::kPage2M, kWith);
}

TEST_P(Memory, comes_on_smaller_pages_of_a_node_that_has_no_gibibytes_though_another_has) {
  const DmaRegion region = allocate(kSmall, on(kWithout));
  expect_text(region.note(),
              {"0 of 1 GiB free on NUMA node 0", "using 2 MiB hugepages", "hugepagesz=1G hugepages=0:N"});
  expect_placed(region, dma::kPage2M, kWithout);
  EXPECT_EQ(Held::free(dma::kPage1G, kWith), 1u);
}

TEST_P(Memory, of_a_killed_process_is_given_back) {
  const pid_t child = ::fork();
  if (child == 0) {
    PhysicalDomain own;  // the pages of this process, not of its parent
    DmaDomain& here = GetParam() ? static_cast<DmaDomain&>(host) : own;
    const DmaRegion all = DmaRegion::allocate(here, dma::kPage1G, on(kWith)),
                    more = DmaRegion::allocate(here, kSmall, on(kWith));
    ::_exit(all.page_bytes() == dma::kPage1G && more.page_bytes() == dma::kPage2M ? ::raise(SIGKILL) : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

// ---- Nodes --------------------------------------------------------------------------------------------------------

TEST_P(Memory, of_two_mebibyte_pages_is_of_the_node_that_was_asked_for) {
  for (const int node : {kWithout, kWith}) {
    const DmaRegion region = allocate(kSmall, on(node, PagePreference::kHuge));
    EXPECT_EQ(region.note(), "");
    expect_placed(region, dma::kPage2M, node);
  }
}

TEST_P(Memory, of_ordinary_pages_is_of_the_node_that_was_asked_for) {
  if (!GetParam()) GTEST_SKIP() << "ordinary pages are not consecutive";
  for (const int node : {kWithout, kWith}) {
    expect_placed(allocate(kSmall, on(node, PagePreference::kOrdinary)), dma::kPage4K, node);
  }
}

TEST_P(Memory, that_a_node_has_not_is_not_taken_from_another_and_the_command_given_mends_it) {
  for (const int node : {kWithout, kWith}) {
    const Share none(node, 0);
    ASSERT_GE(Held::free(dma::kPage2M, 1 - node), 8u);
    const Held during;
    std::string said;
    if (GetParam()) {
      const DmaRegion region = allocate(kSmall, on(node, PagePreference::kHuge));
      said = region.note();
      expect_placed(region, dma::kPage4K, node);
    } else {
      said = error_of(kSmall, on(node, PagePreference::kHuge));
      expect_text(said, {"Cannot allocate memory"});
    }
    const std::string free = text::cat("0 of 2 MiB free on NUMA node ", node);
    expect_text(said, {free, text::cat("/sys/devices/system/node/node", node, "/hugepages/hugepages-2048kB/nr")});
    EXPECT_EQ(Held(), during) << "what was refused leaves nothing behind";
    // Without an IOMMU until three of them follow each other.
    for (int i = 0; i < 10 && said.find("reserve more: ") != said.npos; ++i) {
      follow(said, "reserve more: ");
      auto region = DmaRegion::try_allocate(domain(), kSmall, on(node, PagePreference::kHuge));
      said = region ? region.value().note() : region.failure().text();
      if (region) expect_placed(region.value(), dma::kPage2M, node);
    }
    EXPECT_EQ(said, "");
  }
}

TEST_P(Memory, of_a_node_that_the_machine_has_not_is_refused) {
  for (const PagePreference pages : {PagePreference::kHuge1G, PagePreference::kHuge}) {
    expect_text(error_of(kSmall, on(5, pages)),
                {"NUMA node", "Invalid argument", "the machine has no node 5", "lscpu"});
  }
}

}  // namespace

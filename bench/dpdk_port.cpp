// SPDX-License-Identifier: BSD-3-Clause
#include "dpdk_port.hpp"

#include <fmt/format.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_memory.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>

#include <pollux/dma/hugepage.hpp>
#include <pollux/pci/config.hpp>

namespace {

/// The BAR that rte_pci_map_device gives out, and how long it is.
std::byte* bar_to_map = nullptr;
std::size_t bar_to_map_bytes = 0;

}  // namespace

// These take the place of the functions of the same names in DPDK's libraries, for every caller. The real ones ask the
// kernel for UIO or VFIO; there is no device that it knows.
extern "C" {

struct rte_pci_device;
struct rte_intr_handle;

/// Gives the device its BAR 0. The structure belongs to DPDK's driver headers, which Debian does not install: the place
/// is found by the address and length that stand there from the sysfs directory's `resource`.
[[gnu::visibility("default")]] int rte_pci_map_device(rte_pci_device* device) {
  constexpr std::size_t kSearched = 1024;
  auto* at = reinterpret_cast<std::byte*>(device);
  for (std::size_t i = 0; i + sizeof(rte_mem_resource) <= kSearched;
       i += alignof(rte_mem_resource), at += alignof(rte_mem_resource)) {
    rte_mem_resource resource;
    std::memcpy(&resource, at, sizeof resource);
    if (resource.phys_addr != bench::FakeSysfs::kBarAddress || resource.len != bar_to_map_bytes) continue;
    resource.addr = bar_to_map;
    std::memcpy(at, &resource, sizeof resource);
    return 0;
  }
  return -ENODEV;
}
[[gnu::visibility("default")]] void rte_pci_unmap_device(rte_pci_device*) {}

// The driver asks for interrupts of link changes and other causes; none come. (DPDK's own thread for them would take
// the device's missing descriptor for descriptor 0.)
using InterruptCallback = void (*)(void*);
[[gnu::visibility("default")]] int rte_intr_callback_register(const rte_intr_handle*, InterruptCallback, void*) {
  return 0;
}
[[gnu::visibility("default")]] int rte_intr_callback_unregister(const rte_intr_handle*, InterruptCallback, void*) {
  return 1;  // removed
}
[[gnu::visibility("default")]] int rte_intr_enable(const rte_intr_handle*) { return 0; }
[[gnu::visibility("default")]] int rte_intr_disable(const rte_intr_handle*) { return 0; }
}

namespace bench {

namespace {
using pollux::ixgbe::Quirk;
/// What net_ixgbe does against the datasheet; all else that it does wrong ends the program.
constexpr pollux::ixgbe::Quirks kQuirks{Quirk::kFctrlReserved, Quirk::kEimsBit31,    Quirk::kDcaBit12,
                                        Quirk::kRscDefaults,   Quirk::kEecDoWritten, Quirk::kFcrthBelowZero};
}  // namespace

const char* to_string(DpdkPath path) noexcept {
  return path == DpdkPath::kVector ? "vec" : path == DpdkPath::kBulk ? "bulk" : "full";
}

FakeSysfs::FakeSysfs(pollux::PciId id, std::size_t bar_bytes) {
  std::string name = (std::filesystem::temp_directory_path() / "pollux-dpdk-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) {
    pollux::raise({.code = errno, .operation = "make a directory", .object = name, .where = {}, .remedy = {}});
  }
  path_ = name;
  const std::filesystem::path device = std::filesystem::path(path_) / kAddress;
  std::filesystem::create_directory(device);
  const auto file = [&](const char* which, const std::string& text) { std::ofstream(device / which) << text << '\n'; };
  file("vendor", fmt::format("{:#06x}", id.vendor));
  file("device", fmt::format("{:#06x}", id.device));
  file("subsystem_vendor", "0x8086");
  file("subsystem_device", "0x000c");
  file("class", "0x020000");
  file("max_vfs", "0");
  file("numa_node", "-1");
  constexpr unsigned kMemory64 = 0x00140204;
  std::string resources =
      fmt::format("{:#018x} {:#018x} {:#018x}\n", kBarAddress, kBarAddress + bar_bytes - 1, kMemory64);
  for (int i = 1; i < 6; ++i) resources += fmt::format("{:#018x} {:#018x} {:#018x}\n", 0, 0, 0);
  file("resource", resources);
  // Bound to a driver that DPDK does not know: such a device it neither refuses nor maps by itself.
  std::filesystem::create_symlink("../../drivers/pollux-model", device / "driver");
}
FakeSysfs::~FakeSysfs() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

DpdkPort::DpdkPort(const Options& options) : model_(iommu_, wire_, faults_, {}, kQuirks) {
  using pollux::pci_config::kCommand;
  model_.write_config(kCommand, 2, pollux::pci_config::kCommandMemory | pollux::pci_config::kCommandBusMaster);
  bar_ = std::make_unique<TrappedBar<pollux::ixgbe::Model82599>>(model_);
  bar_to_map = bar_->data();
  bar_to_map_bytes = bar_->bytes();
  init_environment(options);
  configure(options.path);
  faults_.raise_if_any();
  check_path(options.path);
}
DpdkPort::~DpdkPort() {
  try {
    close();
  } catch (const std::exception& error) { std::fprintf(stderr, "%s\n", error.what()); }
  ::rte_eal_cleanup();
}

void DpdkPort::fail(const char* operation, const char* object, int code) const {
  const std::string all = log_.text();
  std::fprintf(stderr, "%s", all.substr(all.size() > 2000 ? all.size() - 2000 : 0).c_str());
  pollux::raise(
      {.code = code, .operation = operation, .object = object, .where = "DPDK's last words are above", .remedy = {}});
}

void DpdkPort::init_environment(const Options& options) {
  const FakeSysfs sysfs(model_.identity().id, model_.bar_bytes());
  ::setenv("SYSFS_PCI_DEVICES", sysfs.path().c_str(), 1);
  std::vector<std::string> arguments{"pollux-dpdk-bench",
                                     "--no-telemetry",
                                     "--iova-mode=va",
                                     "--log-level=pmd.net.ixgbe.*:debug",
                                     "-l",
                                     std::to_string(options.cpu),
                                     "-m",
                                     "64",
                                     "-a",
                                     FakeSysfs::kAddress};
  constexpr std::size_t kPages = 40;  // for 64 MiB and some room
  const bool huge = pollux::dma::free_2m_pages() >= kPages;
  memory_ = huge ? "hugepages of 2 MiB" : "ordinary pages: fewer than 40 hugepages are free";
  if (huge) {
    arguments.emplace_back("--in-memory");
  } else {
    arguments.insert(arguments.end(), {"--no-huge", "--no-shconf"});
  }
  if (options.path != DpdkPath::kVector) arguments.emplace_back("--force-max-simd-bitwidth=64");
  if (!start_dpdk(std::move(arguments))) fail("start", "DPDK with its net_ixgbe on the 82599 model", errno);
}

void DpdkPort::configure(DpdkPath path) {
  constexpr std::uint16_t kDescriptors = 512;
  constexpr auto kAnySocket = static_cast<unsigned>(SOCKET_ID_ANY);
  const auto check = [this](int result, const char* what) {
    if (result != 0) fail("call", what, -result);
  };
  id_ = static_cast<std::uint16_t>(::rte_eth_find_next_owned_by(0, RTE_ETH_DEV_NO_OWNER));
  rte_eth_dev_info info{};
  check(::rte_eth_dev_info_get(id_, &info), "rte_eth_dev_info_get");
  pool_ = ::rte_pktmbuf_pool_create("frames", 2047, 256, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
  if (pool_ == nullptr) fail("make", "a pool of mbufs", rte_errno);
  rte_eth_conf conf{};
  if (path == DpdkPath::kFull) conf.txmode.offloads = RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
  check(::rte_eth_dev_configure(id_, 1, 1, &conf), "rte_eth_dev_configure");
  open_ = true;
  rte_eth_rxconf rx = info.default_rxconf;
  if (path == DpdkPath::kFull) rx.rx_free_thresh = 16;  // below 32 there is no receiving in bulk
  rte_eth_txconf tx = info.default_txconf;
  tx.offloads = conf.txmode.offloads;
  check(::rte_eth_rx_queue_setup(id_, 0, kDescriptors, kAnySocket, &rx, pool_), "rte_eth_rx_queue_setup");
  check(::rte_eth_tx_queue_setup(id_, 0, kDescriptors, kAnySocket, &tx), "rte_eth_tx_queue_setup");
  map_memory();
  check(::rte_eth_dev_start(id_), "rte_eth_dev_start");
  check(::rte_eth_promiscuous_enable(id_), "rte_eth_promiscuous_enable");
  rte_eth_link link{};
  check(::rte_eth_link_get(id_, &link), "rte_eth_link_get");
  if (link.link_status != RTE_ETH_LINK_UP) fail("bring up", "the link", ENETDOWN);
  bar_->open();
}

/// Bus addresses are the program's own, as an IOMMU makes them with --iova-mode=va.
void DpdkPort::map_memory() {
  const auto map = [](const rte_memseg_list*, const rte_memseg* segment, std::size_t bytes, void* to) {
    auto* const memory = static_cast<std::byte*>(segment->addr);
    const bool mapped =
        static_cast<pollux::sim::Iommu*>(to)->insert({.bus = segment->iova, .bytes = bytes, .memory = memory});
    return mapped ? 0 : -1;
  };
  if (::rte_memseg_contig_walk(map, &iommu_) != 0) fail("map", "DPDK's memory for the model", 0);
}

void DpdkPort::check_path(DpdkPath path) const {
  const bool right = path == DpdkPath::kVector ? log_.says("Vector rx enabled") && log_.says("Vector tx enabled")
                     : path == DpdkPath::kBulk
                         ? log_.says("Rx Burst Bulk Alloc function will be used") &&
                               log_.says("Using simple tx code path") && !log_.says("Vector tx enabled")
                         : log_.says("Rx Burst Bulk Alloc Preconditions are not satisfied") &&
                               log_.says("Using full-featured tx code path");
  if (right) return;
  pollux::raise({.code = 0,
                 .operation = "make net_ixgbe take the path",
                 .object = to_string(path),
                 .where = "its log says: " + log_.paths(),
                 .remedy = {}});
}

void DpdkPort::close() {
  if (!open_) return;
  open_ = false;
  bar_->trap();
  ::rte_eth_dev_stop(id_);
  ::rte_eth_dev_close(id_);
  bar_->open();
  faults_.raise_if_any();
}

}  // namespace bench

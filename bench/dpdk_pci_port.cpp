// SPDX-License-Identifier: BSD-3-Clause
#include "dpdk_pci_port.hpp"

#include <fmt/format.h>
#include <pthread.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_log.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>
#include <rte_memzone.h>
#include <rte_version.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <pollux/core/error.hpp>
#include <utility>
#include <vector>

#include "dpdk_environment.hpp"

namespace bench {
namespace {

constexpr std::uint16_t kDescriptors = 256;
constexpr std::uint32_t kMost = 256;                    ///< packets per call of the driver
constexpr std::size_t kMemory = (2 << 20) - (8 << 10);  ///< of mbufs, in one hugepage: contiguous on the bus
constexpr unsigned kHugepage = 2 << 20;
constexpr std::uint16_t kFrameRoom = 2048;

[[noreturn]] void fail(const char* operation, const std::string& object, int code) {
  pollux::raise({.code = code,
                 .operation = operation,
                 .object = object,
                 .where = "DPDK's own messages are above",
                 .remedy = "the device must be bound to vfio-pci, uio_pci_generic or igb_uio; hugepages must be free"});
}
void check(int result, const char* what) {
  if (result != 0) fail("call", what, -result);
}

/// What the driver says while this lives; on stderr when that ends by an exception.
class DriverLog {
 public:
  DriverLog() { ::rte_log_set_level_pattern("pmd.net.ixgbe*", RTE_LOG_DEBUG); }
  DriverLog(const DriverLog&) = delete;
  DriverLog& operator=(const DriverLog&) = delete;
  ~DriverLog() {
    ::rte_log_set_level_pattern("pmd.net.ixgbe*", RTE_LOG_NOTICE);
    if (std::uncaught_exceptions() > 0) std::fprintf(stderr, "%s", log_.text().c_str());
  }
  [[nodiscard]] std::string paths() const { return log_.paths(); }

 private:
  DpdkLog log_;
};

}  // namespace

/// mbufs side by side, numbered by their places; their mempool takes and gives the numbers of the store.
struct DpdkPciPort::Memory {
  class Store final : public pollux::BufferStore {
   public:
    Store(std::byte* base, std::uint32_t stride, std::uint32_t count, std::vector<std::uint32_t> free)
        : BufferStore(base, pollux::BusAddr{}, stride, kFrameRoom, count, free.data()), free_(std::move(free)) {}

   private:
    std::vector<std::uint32_t> free_;  ///< moved, not copied: the numbers stand where BufferStore knows them
  };

  explicit Memory(const char* name);
  [[nodiscard]] rte_mbuf* mbuf(std::uint32_t id) const noexcept {
    return reinterpret_cast<rte_mbuf*>(first + std::size_t{id} * stride);
  }
  [[nodiscard]] std::uint32_t id(const void* mbuf) const noexcept {
    return static_cast<std::uint32_t>(static_cast<std::size_t>(static_cast<const std::byte*>(mbuf) - first) / stride);
  }
  void give(void* const* mbufs, unsigned n) noexcept {
    if (!store) return;  // they are being made
    std::uint32_t ids[kMost];
    for (unsigned done = 0; done < n;) {
      const unsigned part = std::min(n - done, kMost);
      for (unsigned i = 0; i < part; ++i) ids[i] = id(mbufs[done + i]);
      store->give({ids, part});
      done += part;
    }
  }
  int take(void** mbufs, unsigned n) noexcept {
    if (!store || store->free_count() < n) return -ENOBUFS;
    const std::uint32_t* ids = store->take_in_place(n);
    for (unsigned i = 0; i < n; ++i) mbufs[i] = mbuf(ids[i]);
    return 0;
  }
  static Memory& of(const rte_mempool* pool) noexcept { return *static_cast<Memory*>(pool->pool_config); }

  rte_mempool* mempool = nullptr;
  std::byte* first = nullptr;
  std::uint32_t stride = 0;  ///< from mbuf to mbuf [bytes]
  std::unique_ptr<Store> store;
  std::string paths;  ///< what the driver said about those that it took
};

DpdkPciPort::Memory::Memory(const char* name) {
  static const bool registered = [] {
    rte_mempool_ops ops{};
    std::strcpy(ops.name, "pollux");
    ops.alloc = [](rte_mempool*) { return 0; };
    ops.free = [](rte_mempool*) {};
    ops.enqueue = [](rte_mempool* pool, void* const* mbufs, unsigned n) { return of(pool).give(mbufs, n), 0; };
    ops.dequeue = [](rte_mempool* pool, void** mbufs, unsigned n) { return of(pool).take(mbufs, n); };
    ops.get_count = [](const rte_mempool* pool) { return of(pool).store ? of(pool).store->free_count() : 0u; };
    return ::rte_mempool_register_ops(&ops) >= 0;
  }();
  if (!registered) fail("register", "the bench's mempool", ENOSPC);
  constexpr unsigned kElement = sizeof(rte_mbuf) + RTE_PKTMBUF_HEADROOM + kFrameRoom;
  rte_mempool_objsz sizes{};
  stride = ::rte_mempool_calc_obj_size(kElement, 0, &sizes);
  const auto count = static_cast<std::uint32_t>((kMemory - RTE_CACHE_LINE_SIZE) / stride);
  const rte_memzone* zone = ::rte_memzone_reserve_bounded(name, kMemory, SOCKET_ID_ANY, RTE_MEMZONE_IOVA_CONTIG,
                                                          RTE_CACHE_LINE_SIZE, kHugepage);
  if (zone == nullptr) fail("get", "2 MiB of memory from DPDK", rte_errno);
  mempool = ::rte_mempool_create_empty(name, count, kElement, 0, sizeof(rte_pktmbuf_pool_private), SOCKET_ID_ANY, 0);
  if (mempool == nullptr) fail("make", "a mempool", rte_errno);
  check(::rte_mempool_set_ops_byname(mempool, "pollux", this), "rte_mempool_set_ops_byname");
  ::rte_pktmbuf_pool_init(mempool, nullptr);
  const int made =
      ::rte_mempool_populate_iova(mempool, static_cast<char*>(zone->addr), zone->iova, kMemory, nullptr, nullptr);
  if (made != static_cast<int>(count)) fail("make", fmt::format("{} mbufs in 2 MiB", count), ENOMEM);
  ::rte_mempool_obj_iter(mempool, ::rte_pktmbuf_init, nullptr);
  bool side_by_side = true;
  const auto place = [](rte_mempool* pool, void* right, void* object, unsigned n) {
    Memory& memory = of(pool);
    if (n == 0) memory.first = static_cast<std::byte*>(object);
    if (object != memory.mbuf(n)) *static_cast<bool*>(right) = false;
  };
  ::rte_mempool_obj_iter(mempool, place, &side_by_side);
  if (!side_by_side) fail("place", "mbufs side by side", EINVAL);
  store = std::make_unique<Store>(first + sizeof(rte_mbuf) + RTE_PKTMBUF_HEADROOM, stride, count,
                                  std::vector<std::uint32_t>(count));
}

DpdkPciPort& DpdkPciPort::get(const std::string& spec) {
  static std::unique_ptr<DpdkPciPort> port;
  const std::string address = spec.substr(kPrefix.size());
  if (!port) port = std::make_unique<DpdkPciPort>(address);
  if (port->address_ != address) {
    pollux::raise({.code = EBUSY,
                   .operation = "open",
                   .object = spec,
                   .where = "DPDK was started for " + port->address_,
                   .remedy = "measure one such port in a run"});
  }
  return *port;
}

DpdkPciPort::DpdkPciPort(const std::string& address) : address_(address) {
  std::vector<std::string> arguments{"pollux-bench", "--in-memory", "--no-telemetry", "-l", "0", "-m", "16",
                                     "-a",           address,       "--iova-mode=pa"};
  cpu_set_t allowed;
  ::pthread_getaffinity_np(::pthread_self(), sizeof allowed, &allowed);
  const bool started = start_dpdk(std::move(arguments));
  ::pthread_setaffinity_np(::pthread_self(), sizeof allowed, &allowed);  // DPDK has pinned it, and all threads to come
  if (!started) fail("start DPDK on", address, errno);
  id_ = static_cast<std::uint16_t>(::rte_eth_find_next_owned_by(0, RTE_ETH_DEV_NO_OWNER));
  memory_ = std::make_unique<Memory>("frames");
  start();
}

void DpdkPciPort::start() {
  constexpr auto kAnySocket = static_cast<unsigned>(SOCKET_ID_ANY);
  const DriverLog log;
  const rte_eth_conf conf{};
  check(::rte_eth_dev_configure(id_, 1, 1, &conf), "rte_eth_dev_configure");
  open_ = true;
  check(::rte_eth_rx_queue_setup(id_, 0, kDescriptors, kAnySocket, nullptr, memory_->mempool),
        "rte_eth_rx_queue_setup");
  check(::rte_eth_tx_queue_setup(id_, 0, kDescriptors, kAnySocket, nullptr), "rte_eth_tx_queue_setup");
  check(::rte_eth_dev_start(id_), "rte_eth_dev_start");
  check(::rte_eth_promiscuous_enable(id_), "rte_eth_promiscuous_enable");
  memory_->paths = log.paths();
  if (memory_->paths.find("Vector rx") != std::string::npos) smallest_receive_ = 4;
}

DpdkPciPort::~DpdkPciPort() {
  if (open_) {
    ::rte_eth_dev_stop(id_);
    ::rte_eth_dev_close(id_);
  }
  ::rte_eal_cleanup();
}

std::uint32_t DpdkPciPort::rx_burst(pollux::PacketBurst& burst) noexcept {
  rte_mbuf* mbufs[kMost];
  const std::uint32_t room = std::min(burst.room(), kMost);
  const std::uint32_t n = ::rte_eth_rx_burst(id_, 0, mbufs, static_cast<std::uint16_t>(room));
  for (std::uint32_t i = 0; i < n; ++i) {
    burst.append({.data = rte_pktmbuf_mtod(mbufs[i], std::byte*),
                  .id = memory_->id(mbufs[i]),
                  .length = mbufs[i]->data_len,
                  .flags = 0});
  }
  return n;
}

std::uint32_t DpdkPciPort::tx_burst(pollux::PacketBurst& burst) noexcept {
  rte_mbuf* mbufs[kMost];
  const std::uint32_t n = std::min(burst.size(), kMost);
  for (std::uint32_t i = 0; i < n; ++i) {
    rte_mbuf* mbuf = mbufs[i] = memory_->mbuf(burst[i].id);
    ::rte_pktmbuf_reset(mbuf);
    mbuf->data_len = burst[i].length;
    mbuf->pkt_len = burst[i].length;
  }
  const std::uint32_t sent = ::rte_eth_tx_burst(id_, 0, mbufs, static_cast<std::uint16_t>(n));
  burst.forget_front(sent);
  return sent;
}

pollux::LinkState DpdkPciPort::link() const {
  rte_eth_link now{};
  check(::rte_eth_link_get_nowait(id_, &now), "rte_eth_link_get_nowait");
  return {.up = now.link_status == RTE_ETH_LINK_UP,
          .full_duplex = now.link_duplex == RTE_ETH_LINK_FULL_DUPLEX,
          .speed_mbps = now.link_speed};
}

pollux::MacAddress DpdkPciPort::mac() const {
  rte_ether_addr address{};
  check(::rte_eth_macaddr_get(id_, &address), "rte_eth_macaddr_get");
  pollux::MacAddress out;
  std::memcpy(out.bytes.data(), address.addr_bytes, sizeof address.addr_bytes);
  return out;
}

std::string DpdkPciPort::name() const {
  rte_eth_dev_info info{};
  check(::rte_eth_dev_info_get(id_, &info), "rte_eth_dev_info_get");
  return fmt::format("{} {}", info.driver_name, address_);
}

std::string DpdkPciPort::notes() const {
  return fmt::format("{}; its log says: {}; {} descriptors, {} mbufs, its mempool a stack of the bench's",
                     ::rte_version(), memory_->paths, kDescriptors, memory_->store->count());
}

pollux::BufferStore& DpdkPciPort::pool() const noexcept { return *memory_->store; }

}  // namespace bench

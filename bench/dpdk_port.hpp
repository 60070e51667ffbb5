// SPDX-License-Identifier: BSD-3-Clause
// DpdkPort: DPDK's net_ixgbe, unmodified as the distribution has it, on our model of the 82599. No hardware, no UIO, no
// VFIO: what DPDK asks the kernel for is answered here.
#pragma once
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>

#include <pollux/ixgbe/model.hpp>
#include <pollux/sim/wire.hpp>

#include "dpdk_environment.hpp"
#include "trapped_bar.hpp"

struct rte_mempool;

namespace bench {

/// Which of the driver's code paths. It chooses them at start, by what it is asked for.
enum class DpdkPath : std::uint8_t {
  kVector,  ///< SSE; its default
  kBulk,    ///< scalar: receive in bulk, "simple" transmit (--force-max-simd-bitwidth=64)
  kFull     ///< scalar: one mbuf at a time, "full-featured" transmit (multi-segment offload)
};
/// "vec", "bulk", "full"
const char* to_string(DpdkPath path) noexcept;

/// A directory as /sys/bus/pci/devices, with one 82599; gone with this.
class FakeSysfs {
 public:
  /// Where the device's first BAR would be on the bus: the driver's map of it is known by this.
  static constexpr std::uint64_t kBarAddress = 0x0000'9E11'0C00'0000;
  static constexpr const char* kAddress = "0000:82:59.0";

  /// Errors: raises.
  FakeSysfs(pollux::PciId id, std::size_t bar_bytes);
  FakeSysfs(const FakeSysfs&) = delete;
  FakeSysfs& operator=(const FakeSysfs&) = delete;
  ~FakeSysfs();
  [[nodiscard]] const std::string& path() const noexcept { return path_; }

 private:
  std::string path_;
};

/// The port, started, with one queue each way. One in a process, and DPDK can be started once only. All frames that are
/// sent come back.
class DpdkPort {
 public:
  struct Options {
    DpdkPath path = DpdkPath::kVector;
    int cpu = 0;
  };
  /// Errors: raises, with the last words of DPDK's log; also when the driver took another path than asked for.
  explicit DpdkPort(const Options& options);
  DpdkPort(const DpdkPort&) = delete;
  DpdkPort& operator=(const DpdkPort&) = delete;
  ~DpdkPort();

  /// Lets the device work until nothing moves. Threads: any one, while the driver is not called.
  void settle() noexcept {
    bar_->forward(kRdt);
    bar_->forward(kTdt);
    while (model_.step()) {}
  }
  /// Errors: raises what the driver did wrong in the model's eyes.
  void check_faults() { faults_.raise_if_any(); }
  /// Stops and closes. Errors: raises what the driver did wrong in the model's eyes.
  void close();

  [[nodiscard]] std::uint16_t id() const noexcept { return id_; }
  [[nodiscard]] rte_mempool* pool() const noexcept { return pool_; }
  [[nodiscard]] const std::string& memory() const noexcept { return memory_; }
  /// What it said about the code paths it took.
  [[nodiscard]] std::string paths() const { return log_.paths(); }
  [[nodiscard]] std::uint64_t register_accesses() const noexcept { return bar_->accesses(); }

 private:
  static constexpr std::uint32_t kRdt = pollux::ixgbe::model::rx_base(0) + pollux::ixgbe::model::queue::kTail,
                                 kTdt = pollux::ixgbe::model::tx_base(0) + pollux::ixgbe::model::queue::kTail;
  void init_environment(const Options& options);
  void configure(DpdkPath path);
  void check_path(DpdkPath path) const;
  void map_memory();
  [[noreturn]] void fail(const char* operation, const char* object, int code) const;

  DpdkLog log_;
  pollux::sim::Iommu iommu_;
  pollux::sim::FaultLog faults_;
  pollux::sim::Loopback wire_;
  pollux::ixgbe::Model82599 model_;
  std::unique_ptr<TrappedBar<pollux::ixgbe::Model82599>> bar_;
  std::string memory_;
  std::uint16_t id_ = 0;
  rte_mempool* pool_ = nullptr;
  bool open_ = false;
};

}  // namespace bench

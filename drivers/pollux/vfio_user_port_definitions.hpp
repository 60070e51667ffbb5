// SPDX-License-Identifier: BSD-3-Clause
// The definitions of vfio_user_port.hpp.
#pragma once
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <pollux/backend/vfio_user.hpp>
#include <pollux/dma/pool.hpp>
#include <pollux/driver_config.hpp>
#include <pollux/e1000/port.hpp>
#include <pollux/ixgbe/port.hpp>
#include <pollux/net/any_port.hpp>
#include <pollux/open_options.hpp>
#include <pollux/open_waiter.hpp>

namespace pollux::detail {

/// Members in order of acquisition.
struct VfioUserGroup {
  VfioUserDomain domain;
  std::vector<std::unique_ptr<VfioUserDevice>> devices;
  std::unique_ptr<BufferPool> pool;
};

/// A port and its share in the group it stands on. Now and then it looks whether the server asks something: ours does
/// not, of memory that it can map; others may.
template <class P>
class VfioUserPort {
 public:
  VfioUserPort(std::shared_ptr<VfioUserGroup> group, VfioUserDevice& device, std::unique_ptr<P> port)
      : group_(std::move(group)), device_(&device), port_(std::move(port)) {}
  std::uint32_t rx_burst(PacketBurst& burst) noexcept {
    constexpr unsigned kLooksBetween = 64;
    if (++looks_ % kLooksBetween == 0) (void)device_->serve();
    return port_->rx_burst(burst);
  }
  std::uint32_t tx_burst(PacketBurst& burst) noexcept { return port_->tx_burst(burst); }
  void commit() noexcept { port_->commit(); }
  std::uint32_t reclaim() noexcept { return port_->reclaim(); }
  /// Down when the server is gone.
  [[nodiscard]] LinkState link() { return device_->try_check_presence() ? port_->link() : LinkState{}; }
  [[nodiscard]] PortStats stats() { return port_->stats(); }
  [[nodiscard]] MacAddress mac() const { return port_->mac(); }
  [[nodiscard]] std::string name() const { return port_->name(); }
  [[nodiscard]] BufferStore& pool() const { return port_->pool(); }

  VfioUserPort& port() noexcept { return *this; }
  [[nodiscard]] const std::string& notes() const noexcept { return group_->pool->note(); }
  [[nodiscard]] std::unique_ptr<PortWaiter> open_waiter() { return std::make_unique<InterruptWaiter<P>>(*port_); }

 private:
  std::shared_ptr<VfioUserGroup> group_;
  VfioUserDevice* device_;
  std::unique_ptr<P> port_;
  unsigned looks_ = 0;
};

template <class P, class Config>
AnyPort start_vfio_user_port(const std::shared_ptr<VfioUserGroup>& group, VfioUserDevice& device,
                             const OpenOptions& options) {
  return AnyPort(
      std::make_unique<VfioUserPort<P>>(group, device, make_started<P, Config>(device, *group->pool, options)));
}

POLLUX_OPEN_PORT_INLINE std::vector<AnyPort> open_vfio_user_ports(const std::vector<std::string>& paths,
                                                                  const OpenOptions& options) {
  const auto group = std::make_shared<VfioUserGroup>();
  for (const std::string& path : paths) group->devices.push_back(std::make_unique<VfioUserDevice>(group->domain, path));
  group->pool = std::make_unique<BufferPool>(group->domain, options.buffers);
  std::vector<AnyPort> ports;
  for (const auto& device : group->devices) {
    if (knows(e1000::kI82574Devices, device->id())) {
      ports.push_back(
          start_vfio_user_port<e1000::Port<e1000::I82574, VfioUserDevice>, e1000::Config>(group, *device, options));
    } else if (knows(ixgbe::I82599::kDevices, device->id())) {
      ports.push_back(
          start_vfio_user_port<ixgbe::Port<ixgbe::I82599, VfioUserDevice>, ixgbe::Config>(group, *device, options));
    } else {
      refuse_unknown(*device, "over vfio-user the drivers know 82574 and 82599: see drivers/pollux/*/README.md");
    }
  }
  return ports;
}

}  // namespace pollux::detail

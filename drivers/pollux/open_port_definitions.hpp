// SPDX-License-Identifier: BSD-3-Clause
// The definitions of open_port.hpp, which says when to include this.
#pragma once
#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <pollux/net/any_port.hpp>
#include <pollux/open_options.hpp>
#include <pollux/open_waiter.hpp>
#include <pollux/vfio_user_port_definitions.hpp>
#include <pollux/visit_port.hpp>

namespace pollux {

namespace detail {

/// A simulated port whose device works whenever the driver looks: for programs that know nothing of models.
template <class Sim>
class SelfMovingPort {
 public:
  explicit SelfMovingPort(const OpenOptions& options) : sim_(make_sim<Sim>(options)) {}
  std::uint32_t rx_burst(PacketBurst& burst) noexcept {
    sim_->step();
    return sim_->rx_burst(burst);
  }
  std::uint32_t tx_burst(PacketBurst& burst) noexcept {
    const std::uint32_t n = sim_->tx_burst(burst);
    sim_->step();
    return n;
  }
  void commit() noexcept {
    sim_->commit();
    sim_->step();
  }
  std::uint32_t reclaim() noexcept { return sim_->reclaim(); }
  [[nodiscard]] LinkState link() { return sim_->link(); }
  [[nodiscard]] PortStats stats() { return sim_->stats(); }
  [[nodiscard]] MacAddress mac() const { return sim_->mac(); }
  [[nodiscard]] std::string name() const { return sim_->name(); }
  [[nodiscard]] BufferStore& pool() const { return sim_->pool(); }

  SelfMovingPort& port() noexcept { return *this; }
  [[nodiscard]] const std::string& notes() const noexcept { return sim_->note(); }
  [[nodiscard]] std::unique_ptr<PortWaiter> open_waiter() {
    return std::make_unique<SteppingWaiter<SimPort<Sim>>>(*sim_);
  }

 private:
  std::unique_ptr<SimPort<Sim>> sim_;
};

/// A port and its share in the group it stands on.
template <class P>
struct GroupedPort {
  std::shared_ptr<PortGroup> group;
  std::unique_ptr<P> owned;

  P& port() noexcept { return *owned; }
  [[nodiscard]] const std::string& notes() const noexcept { return group->pool->note(); }
  [[nodiscard]] std::unique_ptr<PortWaiter> open_waiter()
    requires RxInterruptible<P>
  {
    return std::make_unique<InterruptWaiter<P>>(*owned);
  }
};
template <class P>
AnyPort any_port(std::shared_ptr<PortGroup> group, std::unique_ptr<P> port) {
  return AnyPort(std::make_unique<GroupedPort<P>>(GroupedPort<P>{std::move(group), std::move(port)}));
}

/// Ports over vfio-user. Errors: raises EINVAL when there are others among them.
inline std::vector<AnyPort> open_served_ports(const std::vector<PortSpec>& specs, const OpenOptions& options) {
  std::vector<std::string> paths;
  for (const PortSpec& spec : specs) {
    if (spec.kind != PortKind::kVfioUser) {
      raise({.code = EINVAL,
             .operation = "open",
             .object = spec.object,
             .where = "ports over vfio-user share no pool with others",
             .remedy = "open them by themselves"});
    }
    paths.push_back(spec.object);
  }
  return open_vfio_user_ports(paths, options);
}

}  // namespace detail

POLLUX_OPEN_PORT_INLINE std::vector<AnyPort> open_ports(const std::vector<std::string>& specs,
                                                        const OpenOptions& options) {
  std::vector<PortSpec> parsed;
  for (const std::string& text : specs) parsed.push_back(PortSpec::parse(text));
  const auto served = [](const PortSpec& spec) { return spec.kind == PortKind::kVfioUser; };
  if (std::any_of(parsed.begin(), parsed.end(), served)) return detail::open_served_ports(parsed, options);
  const auto group = std::make_shared<detail::PortGroup>(parsed, options);
  std::vector<AnyPort> ports;
  auto device = group->opened.devices.begin();
  for (const PortSpec& spec : parsed) {
    switch (spec.kind) {
      case PortKind::kPci:
        detail::visit_pci(**device++, *group->pool, options,
                          [&](auto port) { ports.push_back(detail::any_port(group, std::move(port))); });
        break;
      case PortKind::kSim:
        if (specs.size() > 1) {
          raise({.code = EINVAL,
                 .operation = "open",
                 .object = "sim:" + spec.object,
                 .where = "a simulated NIC has an IOMMU of its own and shares no pool",
                 .remedy = "open it by itself"});
        }
        detail::visit_sim(spec.object, [&]<class Sim>(std::type_identity<Sim>) {
          ports.emplace_back(std::make_unique<detail::SelfMovingPort<Sim>>(options));
        });
        break;
      case PortKind::kPacketSocket:
      case PortKind::kPacketMmsg:
      case PortKind::kPacketMmap:
      case PortKind::kXdp:
        detail::visit_kernel(spec, *group->pool, options,
                             [&](auto port) { ports.push_back(detail::any_port(group, std::move(port))); });
        break;
      case PortKind::kVfioUser:  // opened above
        break;
    }
  }
  return ports;
}

POLLUX_OPEN_PORT_INLINE AnyPort open_port(std::string_view spec, const OpenOptions& options) {
  return std::move(open_ports({std::string(spec)}, options).front());
}

}  // namespace pollux

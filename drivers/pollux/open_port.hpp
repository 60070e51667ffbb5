// SPDX-License-Identifier: BSD-3-Clause
// open_port(spec): a port by its name, with everything it stands on. For programs that choose at run time; those that
// know their NIC write the four lines themselves (examples/).
//
// It lies with the drivers, not in net/, because it names every driver and backend there is.
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <pollux/backend/open.hpp>
#include <pollux/e1000/port.hpp>
#include <pollux/ixgbe/port.hpp>
#include <pollux/kernel/packet_mmap.hpp>
#include <pollux/kernel/packet_mmsg.hpp>
#include <pollux/kernel/packet_socket.hpp>
#if defined(POLLUX_WITH_LIBXDP)  // not __has_include: the program must be linked with the library, too
#include <pollux/kernel/af_xdp.hpp>
#endif
#include <pollux/net/any_port.hpp>
#include <pollux/net/spec.hpp>
#include <pollux/open_waiter.hpp>
#include <pollux/sim_port.hpp>

namespace pollux {

struct OpenOptions {
  std::uint32_t buffers = 2048;        ///< in the pool that all ports of one call share
  std::uint32_t rx_descriptors = 512;  ///< where the port has a ring
  std::uint32_t tx_descriptors = 512;
  bool promiscuous = false;
  bool restore_vlan = true;  ///< packet: ports: give VLAN tags back to received frames
  Nanos link_deadline = 5_s;
  sim::WireEnd* sim_wire = nullptr;  ///< of a sim: port; without one its frames come back to itself
};

namespace detail {

/// What the ports of one call share. Members in order of acquisition.
struct PortGroup {
  OpenedDevices opened;
  HostDomain host;
  std::unique_ptr<BufferPool> pool;

  /// Opens the devices, then the pool, because memory is mapped for all devices at once.
  PortGroup(const std::vector<PortSpec>& specs, const OpenOptions& options) {
    std::vector<std::string> devices;
    for (const PortSpec& spec : specs) {
      if (spec.kind == PortKind::kPci) devices.push_back(spec.object);
    }
    if (!devices.empty()) {
      opened = open_devices(devices);
      pool = std::make_unique<BufferPool>(*opened.domain, options.buffers);
    } else {  // hugepages are kept for those who need them
      pool = std::make_unique<BufferPool>(host, options.buffers, BufferPool::kDefaultBufferBytes,
                                          PagePreference::kOrdinary);
    }
  }
};

/// Configuration of a driver that has the common fields.
template <class Config>
Config driver_config(const OpenOptions& options) {
  Config config;
  config.rx_descriptors = options.rx_descriptors;
  config.tx_descriptors = options.tx_descriptors;
  config.promiscuous = options.promiscuous;
  config.link_deadline = options.link_deadline;
  return config;
}

template <class P, class Config>
std::unique_ptr<P> make_started(PciDevice& device, BufferPool& pool, const OpenOptions& options) {
  auto port = std::make_unique<P>(device, pool, driver_config<Config>(options));
  port->start();
  return port;
}

/// Calls visit(std::unique_ptr<P>) with a started port of the driver that knows the device.
/// Errors: raises ENODEV when none does.
template <class Visit>
auto visit_pci(PciDevice& device, BufferPool& pool, const OpenOptions& options, Visit&& visit) {
  const auto known_to = [&](const auto& table) {
    for (const auto& entry : table) {
      if (PciId{entry.vendor, entry.device} == device.id()) return true;
    }
    return false;
  };
  if (known_to(e1000::kI82574Devices)) {
    return visit(make_started<e1000::Port<e1000::I82574, PciDevice>, e1000::Config>(device, pool, options));
  }
  if (known_to(ixgbe::I82599::kDevices)) {
    return visit(make_started<ixgbe::Port<ixgbe::I82599, PciDevice>, ixgbe::Config>(device, pool, options));
  }
  if (known_to(ixgbe::IX540::kDevices)) {
    return visit(make_started<ixgbe::Port<ixgbe::IX540, PciDevice>, ixgbe::Config>(device, pool, options));
  }
  raise({.code = ENODEV,
         .operation = "drive",
         .object = device.name(),
         .where = text::cat("no driver here knows PCI id ", device.id().to_string()),
         .remedy = "the drivers know 82574, 82599 and X540: see drivers/pollux/*/README.md"});
}

inline PacketConfig packet_config(const OpenOptions& options) {
  return {
      .promiscuous = options.promiscuous, .restore_vlan = options.restore_vlan, .link_deadline = options.link_deadline};
}

/// Calls visit(std::unique_ptr<XdpSocket>) with the port that "INTERFACE" or "INTERFACE/QUEUE" means.
/// Errors: raises ENOTSUP when the program was built without libxdp.
template <class Visit>
auto visit_xdp(const std::string& object, BufferPool& pool, const OpenOptions& options, Visit&& visit) {
#if defined(POLLUX_WITH_LIBXDP)
  const XdpQueue parsed = XdpQueue::parse(object);
  return visit(std::make_unique<XdpSocket>(parsed.interface, pool,
                                           XdpConfig{.queue = parsed.queue,
                                                     .promiscuous = options.promiscuous,
                                                     .rx_descriptors = options.rx_descriptors,
                                                     .tx_descriptors = options.tx_descriptors,
                                                     .link_deadline = options.link_deadline}));
#else
  (void)pool, (void)options;
  raise({.code = ENOTSUP,
         .operation = "open",
         .object = "xdp:" + object,
         .where = "this program was built without libxdp",
         .remedy = "apt-get install libxdp-dev libbpf-dev, then build it anew; without meson or pkg-config: "
                   "-DPOLLUX_WITH_LIBXDP -lxdp -lbpf"});
  return visit(std::unique_ptr<PacketSocket>());  // never: it only gives this function its type
#endif
}

/// Calls visit(std::unique_ptr<P>) with the port over a kernel interface that the spec means.
template <class Visit>
auto visit_kernel(const PortSpec& spec, BufferPool& pool, const OpenOptions& options, Visit&& visit) {
  switch (spec.kind) {
    case PortKind::kPacketMmsg:
      return visit(std::make_unique<PacketMmsg>(spec.object, pool, packet_config(options)));
    case PortKind::kPacketMmap: {
      const PacketMmapConfig config{.common = packet_config(options), .tx_slots = options.tx_descriptors};
      return visit(std::make_unique<PacketMmap>(spec.object, pool, config));
    }
    case PortKind::kXdp:
      return visit_xdp(spec.object, pool, options, std::forward<Visit>(visit));
    default:
      return visit(std::make_unique<PacketSocket>(spec.object, pool, packet_config(options)));
  }
}

/// Calls visit(std::type_identity<Sim...>) for the model that `name` means.
template <class Visit>
auto visit_sim(const std::string& name, Visit&& visit) {
  if (name == "82574" || name == "e1000e") return visit(std::type_identity<Sim82574>{});
  if (name == "ixgbe" || name == "82599") return visit(std::type_identity<Sim82599>{});
  raise({.code = EINVAL,
         .operation = "simulate",
         .object = name,
         .where = {},
         .remedy = "the models are sim:ixgbe (82599) and sim:82574"});
}
template <class Sim>
std::unique_ptr<SimPort<Sim>> make_sim(const OpenOptions& options) {
  return std::make_unique<SimPort<Sim>>(options.buffers, driver_config<typename Sim::Config>(options),
                                        options.sim_wire);
}

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

}  // namespace detail

/// Opens and starts several ports for one thread: they share one pool, so packets may go from any to any.
/// Errors: raises what the backend, driver or kernel port raises; nothing stays open then.
inline std::vector<AnyPort> open_ports(const std::vector<std::string>& specs, const OpenOptions& options = {}) {
  std::vector<PortSpec> parsed;
  for (const std::string& text : specs) parsed.push_back(PortSpec::parse(text));
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
    }
  }
  return ports;
}

/// One port with a pool of its own.
inline AnyPort open_port(std::string_view spec, const OpenOptions& options = {}) {
  return std::move(open_ports({std::string(spec)}, options).front());
}

/// Opens a port and calls visit(P&, notes) with its concrete type, so that the caller's loop is compiled for that port
/// and inlined; `notes` is what the user should know of how it was set up. The port is closed when `visit` returns.
/// Returns what `visit` returns. Errors: as open_ports.
template <class Visit>
auto visit_port(std::string_view spec, const OpenOptions& options, Visit&& visit) {
  const PortSpec parsed = PortSpec::parse(spec);
  if (parsed.kind == PortKind::kSim) {  // the concrete port must be stepped by the visitor: see SimPort
    return detail::visit_sim(parsed.object, [&]<class Sim>(std::type_identity<Sim>) {
      const auto port = detail::make_sim<Sim>(options);
      return visit(*port, port->note());
    });
  }
  detail::PortGroup group({parsed}, options);
  const std::string& notes = group.pool->note();
  if (parsed.kind == PortKind::kPci) {
    return detail::visit_pci(*group.opened.devices.front(), *group.pool, options,
                             [&](auto port) { return visit(*port, notes); });
  }
  return detail::visit_kernel(parsed, *group.pool, options, [&](auto port) { return visit(*port, notes); });
}

}  // namespace pollux

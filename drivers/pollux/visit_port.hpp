// SPDX-License-Identifier: BSD-3-Clause
// visit_port(spec): a port by its name, as its concrete type: the caller's loop is compiled for every kind of port
// there is, and inlined. open_port.hpp has ports of one type for all, and takes the compiler less.
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <pollux/backend/open.hpp>
#include <pollux/driver_config.hpp>
#include <pollux/e1000/port.hpp>
#include <pollux/ixgbe/port.hpp>
#include <pollux/kernel/packet_mmap.hpp>
#include <pollux/kernel/packet_mmsg.hpp>
#include <pollux/kernel/packet_socket.hpp>
#if defined(POLLUX_WITH_LIBXDP)  // not __has_include: the program must be linked with the library, too
#include <pollux/kernel/af_xdp.hpp>
#endif
#include <pollux/net/spec.hpp>
#include <pollux/open_options.hpp>
#include <pollux/sim_port.hpp>
#include <pollux/vfio_user_port.hpp>

namespace pollux {

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

/// Calls visit(std::unique_ptr<P>) with a started port of the driver that knows the device.
/// Errors: raises ENODEV when none does.
template <class Visit>
auto visit_pci(PciDevice& device, BufferPool& pool, const OpenOptions& options, Visit&& visit) {
  if (knows(e1000::kI82574Devices, device.id())) {
    return visit(make_started<e1000::Port<e1000::I82574, PciDevice>, e1000::Config>(device, pool, options));
  }
  if (knows(ixgbe::I82599::kDevices, device.id())) {
    return visit(make_started<ixgbe::Port<ixgbe::I82599, PciDevice>, ixgbe::Config>(device, pool, options));
  }
  if (knows(ixgbe::IX540::kDevices, device.id())) {
    return visit(make_started<ixgbe::Port<ixgbe::IX540, PciDevice>, ixgbe::Config>(device, pool, options));
  }
  refuse_unknown(device, "the drivers know 82574, 82599 and X540: see drivers/pollux/*/README.md");
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

}  // namespace detail

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
  if (parsed.kind == PortKind::kVfioUser) {  // its doorbells are messages: a virtual call more is nothing
    AnyPort port = std::move(detail::open_vfio_user_ports({parsed.object}, options).front());
    return visit(port, port.notes());
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

# SPDX-License-Identifier: BSD-3-Clause
"""Who uses a device now: the machine's network, or processes that hold its nodes."""
import dataclasses
import os
import re
import socket

from pollux_tools.pci import PciSysfs

UP = 1 << 0  # IFF_UP
# Lines of /proc/net: route, ipv6_route, if_inet6 [linux net/ipv4/fib_trie.c, net/ipv6/route.c, net/ipv6/addrconf.c].
ROUTE = re.compile(r"(\S+)\s+([0-9A-F]{8})\s+(?:\S+\s+){5}([0-9A-F]{8})\s.*")
ROUTE6 = re.compile(r"([0-9a-f]{32}) ([0-9a-f]{2}) (?:\S+ +){6}([0-9a-f]{8}) +(\S+)")
ADDRESS6 = re.compile(r"([0-9a-f]{32}) (?:\S+ +){4}(\S+)")
ROUTE6_LOCAL, ROUTE6_REJECT = 0x80000000, 0x200


@dataclasses.dataclass(frozen=True)
class Holder:
    pid: int
    command: str
    node: str

    def __str__(self):
        return f"process {self.pid} ({self.command})"


def is_up(machine, interface):
    return bool((machine.number(f"/sys/class/net/{interface}/flags") or 0) & UP)


def interface_uses(machine, interface):
    """What the machine would lose with this interface, in words; empty when nothing."""
    return [*_routes(machine, interface), *_addresses(machine, interface), *_stacked(machine, interface),
            *_packet_sockets(machine, interface)]


def _routes(machine, interface):
    """Link-local, multicast and the kernel's local routes are not what a machine hangs on."""
    for name, destination, mask in _matches(machine, "/proc/net/route", ROUTE):
        if name == interface:
            yield "the default route" if mask == "00000000" else f"the route to {_ipv4(destination)}/{_bits(mask)}"
    for destination, bits, flags, name in _matches(machine, "/proc/net/ipv6_route", ROUTE6):
        own = int(flags, 16) & (ROUTE6_LOCAL | ROUTE6_REJECT) or destination.startswith(("fe80", "ff"))
        if name == interface and not own:
            yield "the default IPv6 route" if bits == "00" else f"the route to {_ipv6(destination)}/{int(bits, 16)}"


def _addresses(machine, interface):
    if address := machine.ipv4_address(interface):
        yield f"the address {address}"
    for address, name in _matches(machine, "/proc/net/if_inet6", ADDRESS6):
        if name == interface and not address.startswith("fe80"):
            yield f"the address {_ipv6(address)}"


def _stacked(machine, interface):
    """Bond, bridge or team above it; VLANs, macvlans."""
    for name in machine.names_in(f"/sys/class/net/{interface}"):
        if name.startswith("upper_"):
            yield f"{name.removeprefix('upper_')} on top of it"


def _packet_sockets(machine, interface):
    index = machine.read(f"/sys/class/net/{interface}/ifindex")
    sockets = [line.split() for line in machine.lines("/proc/net/packet")[1:]]
    if index and any(len(fields) > 4 and fields[4] == index for fields in sockets):
        yield "a packet socket"


def _matches(machine, file, pattern):
    return [match.groups() for line in machine.lines(file) if (match := pattern.fullmatch(line.strip()))]


def _ipv4(text):
    return socket.inet_ntoa(int(text, 16).to_bytes(4, "little"))


def _bits(mask):
    return int(mask, 16).bit_count()


def _ipv6(text):
    return socket.inet_ntop(socket.AF_INET6, bytes.fromhex(text))


def device_nodes(machine, function):
    """The nodes through which a process drives a function that is bound to a userspace driver."""
    path = PciSysfs.device_path(function.bdf)
    nodes = []
    if function.on_vfio and function.iommu_group is not None:
        nodes.append(f"/dev/vfio/{'noiommu-' if function.noiommu else ''}{function.iommu_group}")
    nodes += [f"/dev/vfio/devices/{name}" for name in machine.names_in(f"{path}/vfio-dev")]
    nodes += [f"/dev/{name}" for name in machine.names_in(f"{path}/uio")]
    if function.on_udd:
        ours = f"pollux-{function.bdf}"  # and one node for each memory BAR
        nodes += [f"/dev/rtdm/{name}" for name in machine.names_in("/dev/rtdm")
                  if name == ours or name.startswith(f"{ours},mapper")]
    return [node for node in nodes if machine.exists(node)]


def device_holders(machine, function):
    """The processes that have a node of the device, or a BAR below /sys, open or mapped."""
    nodes = set(device_nodes(machine, function))
    bars = machine.real_path(PciSysfs.device_path(function.bdf)) + "/resource"
    found = {}
    for pid in filter(str.isdigit, machine.names_in("/proc")):
        for name in _files_of(machine, pid):
            if name in nodes or name.startswith(bars):
                found.setdefault(int(pid), Holder(int(pid), _command(machine, pid), name))
    return [holder for _, holder in sorted(found.items())]


def _command(machine, pid):
    """A process names itself as it likes, also with line ends and what terminals obey."""
    name = machine.read(f"/proc/{pid}/comm") or ""
    return "".join(c if c.isprintable() else "?" for c in name) or "?"


def _files_of(machine, pid):
    for fd in machine.names_in(f"/proc/{pid}/fd"):
        try:
            yield os.readlink(machine.path(f"/proc/{pid}/fd/{fd}"))
        except OSError:
            pass
    for line in machine.lines(f"/proc/{pid}/maps"):
        yield line[line.find("/"):] if "/" in line else ""

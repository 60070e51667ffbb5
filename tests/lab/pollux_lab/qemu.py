"""Composes QEMU's command line. QEMU runs straight from the lab's root, with that root's libraries."""

import json
import os

from .settings import rw_mounts

# Fixed places on the root bus; the NICs' slots (spec.py) lie above. One function per 9p export.
SERIAL_SLOT, SHARE_SLOT, MAX_SHARES = 2, 3, 8


def program(root):
    """QEMU by way of its own loader, so that neither chroot nor the host's libraries matter."""
    return [f"{root}/lib64/ld-linux-x86-64.so.2", "--library-path", f"{root}/usr/lib/x86_64-linux-gnu",
            f"{root}/usr/bin/qemu-system-x86_64"]


def environment(root):
    return {**os.environ, "QEMU_MODULE_DIR": f"{root}/usr/lib/x86_64-linux-gnu/qemu"}


def base(root, accel, cpus, mem):
    """A machine without any device, firmware from the lab's root. Reboot, thus panic, ends it."""
    cpu = {"tcg": ["-accel", "tcg,thread=multi", "-cpu", "max"], "kvm": ["-accel", "kvm", "-cpu", "host"]}[accel]
    return [*program(root), "-L", f"{root}/usr/share/qemu", "-L", f"{root}/usr/share/seabios",
            "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
            *cpu, "-smp", str(cpus), "-m", str(mem)]


def memory(nodes, cpus, mem, shared):
    """Each node has an even share, the CPUs in order. One node is what a machine has anyway. A card that another process
    serves reaches memory only if it is `shared`."""
    kind = "memory-backend-memfd,share=on" if shared else "memory-backend-ram"
    if nodes == 1:
        return ["-object", f"{kind},id=ram,size={mem}M", "-machine", "memory-backend=ram"] if shared else []
    arguments = []
    for node in range(nodes):
        first, count = cpus // nodes * node, cpus // nodes
        arguments += ["-object", f"{kind},id=node{node},size={mem // nodes}M",
                      "-numa", f"node,nodeid={node},memdev=node{node},cpus={first}-{first + count - 1}"]
    return arguments


def iommu(enabled):
    """The vIOMMU comes before every device it is to translate for."""
    if not enabled:
        return ["-machine", "q35"]
    return ["-machine", "q35,kernel-irqchip=split", "-device", "intel-iommu,intremap=on,caching-mode=on"]


def append_line(options):
    words = ["console=ttyS0", "panic=-1", "oops=panic", f"hugepagesz=2M hugepages={options.hugepages}"]
    words += ["intel_iommu=on"] if options.iommu else []
    return " ".join(words + options.append)


def channels(descriptors, console):
    """The kernel's console into a file; the lab's channels over sockets that are already open."""
    arguments = ["-chardev", f"file,id=console,path={console}", "-serial", "chardev:console",
                 "-device", f"virtio-serial-pci,addr={SERIAL_SLOT:#x}"]
    for name, descriptor in descriptors.items():
        arguments += ["-chardev", f"socket,id={name},fd={descriptor}"]
        if name == "qmp":
            arguments += ["-object", "monitor-qmp,id=lab,chardev=qmp"]
        elif name == "tty":
            arguments += ["-device", "virtconsole,chardev=tty"]
        else:
            arguments += ["-device", f"virtserialport,chardev={name},name=lab.{name}"]
    return arguments


def shares(directories):
    """The host's root, read-only, and each --rw directory, over 9p."""
    exports = [("host", "/", True)] + [(tag, path, False) for tag, path in rw_mounts(directories)]
    arguments = []
    for function, (tag, path, readonly) in enumerate(exports):
        mode = "on" if readonly else "off"
        arguments += ["-fsdev", f"local,id={tag},path={comma(path)},security_model=none,multidevs=remap,readonly={mode}",
                      "-device", f"virtio-9p-pci,fsdev={tag},mount_tag={tag},addr={SHARE_SLOT:#x}.{function},multifunction=on"]
    return arguments


def network(nics, wires, directory):
    """Netdevs first, then the NICs on them. A NIC without a wire is alone on a hub."""
    arguments, wired = [], set()
    for wire in wires:
        wired.update(wire.ends)
        arguments += wire_netdevs(wire, directory)
        if wire.pcap:
            path = comma(os.path.abspath(wire.pcap))
            arguments += ["-object", f"filter-dump,id=pcap{wire.index},netdev=net{wire.ends[0]},file={path},maxlen=65536"]
    for nic in nics:
        if nic.index not in wired and not nic.served:
            arguments += ["-netdev", f"hubport,id=net{nic.index},hubid={len(wires) + nic.index}"]
        arguments += nic_devices(nic)
    return arguments


def wire_netdevs(wire, directory):
    near, far = wire.ends
    if wire.backend == "hub":
        return [word for end in wire.ends for word in ("-netdev", f"hubport,id=net{end},hubid={wire.index}")]
    return dgram(near, far, directory) + dgram(far, near, directory)


def dgram(here, there, directory):
    return ["-netdev", f"dgram,id=net{here},local.type=unix,local.path={directory}/net{here},"
                       f"remote.type=unix,remote.path={directory}/net{there}"]


def nic_devices(nic):
    """No option ROM (iPXE costs seconds at boot). Only a NIC behind a root port can be unplugged."""
    arguments, place = [], f"addr={nic.slot:#x}"
    if nic.hotplug:
        arguments = ["-device", f"pcie-root-port,id=port{nic.index},chassis={nic.slot},slot={nic.slot},{place}"]
        place = f"bus=port{nic.index}"
    if nic.served:
        return [*arguments, "-device", served_device(nic, place)]
    properties = "".join(f",{name}={value}" for name, value in nic.properties.items())
    return [*arguments, "-device", f"{nic.model},id={nic.id},netdev=net{nic.index},mac={nic.mac},romfile=,{place}{properties}"]


def served_device(nic, place):
    """As JSON, because its socket is a structure."""
    name, _, value = place.partition("=")
    return json.dumps({"driver": "vfio-user-pci", "id": nic.id, name: value, **nic.properties,
                       "socket": {"type": "unix", "path": os.path.abspath(nic.socket)}})


def comma(path):
    """QEMU's option syntax doubles commas inside a value."""
    return path.replace(",", ",,")

# SPDX-License-Identifier: BSD-3-Clause
"""What pollux-doctor asks of one NIC: driver, group, rights, link, PCIe, power, errata. A check yields Findings."""
import os
import re

from pollux_tools.finding import fail, info, ok, warn
from pollux_tools.machine_checks import may_do_without_iommu, numa_nodes
from pollux_tools.nics import ERRATA
from pollux_tools.pci import PciSysfs
from pollux_tools.usage import device_holders, device_nodes, interface_uses, is_up

COMMAND, BUS_MASTER = 0x04, 1 << 2  # [PCI 3.0 6.1]


def check_answer(machine, nic):
    """Configuration space of a device that is gone or broken reads as all ones."""
    config = machine.read_bytes(f"{PciSysfs.device_path(nic.bdf)}/config", 64)
    if config[:2] == b"\xff\xff":
        yield fail(str(nic.bdf), "does not answer: its configuration space reads all ones",
                   f"echo 1 > {PciSysfs.device_path(nic.bdf)}/remove; echo 1 > /sys/bus/pci/rescan")
    elif len(config) > COMMAND + 1:
        state = "on" if int.from_bytes(config[COMMAND:COMMAND + 2], "little") & BUS_MASTER else "off"
        power = machine.read(f"{PciSysfs.device_path(nic.bdf)}/power_state") or "unknown"
        yield info(str(nic.bdf), f"bus master {state}, power state {power}")


def check_driver(machine, nic):
    if nic.in_userspace:
        yield ok(str(nic.bdf), f"bound to {nic.driver}")
        return
    uses = [use for name in nic.interfaces for use in interface_uses(machine, name)]
    if uses:
        yield info(str(nic.bdf), f"the machine's own: {', '.join(uses)}", "take another NIC, or move that first")
        return
    driver = "uio_pci_generic" if nic.iommu_group is None else "vfio-pci"
    yield warn(str(nic.bdf), f"bound to driver {nic.driver}" if nic.driver else "bound to no driver",
               f"pollux-devbind bind {nic.bdf} --driver {driver}")


def check_group(machine, nic):
    blockers = PciSysfs(machine).blockers(nic)
    if nic.iommu_group is None:
        verdict = warn if may_do_without_iommu(machine) else fail
        yield verdict(str(nic.bdf), "no IOMMU stands before it", "see the finding on iommu")
    elif nic.in_userspace and not nic.on_vfio:
        yield from check_uio_group(machine, nic)
    elif nic.noiommu:
        yield warn(str(nic.bdf), "VFIO without IOMMU: it can write to all memory, programs need CAP_SYS_RAWIO",
                   "turn the IOMMU on (intel_iommu=on)")
    elif blockers:
        names = ", ".join(f"{m.bdf} ({m.driver})" for m in blockers)
        verdict = fail if nic.on_vfio else warn
        yield verdict(str(nic.bdf), f"IOMMU group {nic.iommu_group} is not viable: {names}",
                      f"pollux-devbind bind {nic.bdf} --driver vfio-pci --with-group")
    else:
        yield ok(str(nic.bdf), f"IOMMU group {nic.iommu_group} is viable")


def check_uio_group(machine, nic):
    kind = machine.read(f"/sys/kernel/iommu_groups/{nic.iommu_group}/type") or ""
    if kind.startswith("DMA") and nic.on_udd:
        yield fail(str(nic.bdf), "behind an IOMMU that translates, UDD cannot do DMA", "boot with iommu=pt")
    elif kind.startswith("DMA"):
        yield fail(str(nic.bdf), "behind an IOMMU that translates, UIO cannot do DMA",
                   f"pollux-devbind bind {nic.bdf} --driver vfio-pci")
    else:
        yield ok(str(nic.bdf), "the IOMMU lets its DMA through")


def check_nodes(machine, nic):
    for holder in device_holders(machine, nic):
        yield info(str(nic.bdf), f"open in {holder}")
    if not nic.in_userspace:
        return
    nodes = device_nodes(machine, nic)
    if not nodes:
        yield fail(str(nic.bdf), "its node is not in /dev",
                   "is /dev a devtmpfs? a container must be given " + ("/dev/rtdm" if nic.on_udd else "/dev/vfio"))
    for node in nodes:
        if machine.may(node, os.R_OK | os.W_OK):
            yield ok(str(nic.bdf), f"{node} is open to this user")
        else:
            yield fail(str(nic.bdf), f"{node} is closed to this user", f"sudo pollux-devbind bind {nic.bdf} --driver "
                       f"{nic.driver} --uid {machine.user_name()}")


def check_link(machine, nic):
    for name in nic.interfaces:
        base = f"/sys/class/net/{name}"
        speed = machine.number(f"{base}/speed")
        if not is_up(machine, name):
            yield info(str(nic.bdf), f"{name} is down: its link is not known", f"ip link set {name} up")
        elif machine.number(f"{base}/carrier") == 1:
            yield ok(str(nic.bdf), f"{name} has a link" + (f", {speed} Mbit/s" if speed and speed > 0 else ""))
        else:
            yield warn(str(nic.bdf), f"{name} has no link", f"check cable and peer; ethtool {name}")


def check_pcie(machine, nic):
    path = PciSysfs.device_path(nic.bdf)
    width, most = (machine.number(f"{path}/{which}_link_width") for which in ("current", "max"))
    speed, fastest = (gigatransfers(machine.read(f"{path}/{which}_link_speed")) for which in ("current", "max"))
    if not width or not most or not speed or not fastest or most == 255:
        return  # conventional PCI, or emulated
    seen = f"PCIe {speed:g} GT/s x{width}"
    if width < most or speed < fastest:
        yield warn(str(nic.bdf), f"{seen} of {fastest:g} GT/s x{most}",
                   "reseat it, or take a slot with that many lanes")
    else:
        yield ok(str(nic.bdf), seen)
    for state in ("l0s", "l1"):
        if machine.number(f"{path}/link/{state}_aspm"):
            yield warn(str(nic.bdf), f"ASPM {state.upper()} is on: the idle link takes microseconds to wake",
                       f"echo 0 > {path}/link/{state}_aspm")


def gigatransfers(text):
    match = re.match(r"([\d.]+) GT/s", text or "")
    return float(match[1]) if match else None


def check_numa(machine, nic):
    if len(numa_nodes(machine)) < 2 or nic.numa_node < 0:
        return
    pool = f"/sys/devices/system/node/node{nic.numa_node}/hugepages"
    pages = sum(machine.number(f"{pool}/{size}/nr_hugepages") or 0 for size in machine.names_in(pool))
    local = machine.read(f"{PciSysfs.device_path(nic.bdf)}/local_cpulist") or "unknown"
    if pages:
        yield ok(str(nic.bdf), f"NUMA node {nic.numa_node} has hugepages; its CPUs: {local}")
    else:
        yield warn(str(nic.bdf), f"NUMA node {nic.numa_node} has no hugepages (its CPUs: {local})",
                   f"echo 64 > {pool}/hugepages-2048kB/nr_hugepages")


def check_errata(machine, nic):
    del machine
    if nic.id in ERRATA:
        driver, what, remedy = ERRATA[nic.id]
        yield warn(str(nic.bdf), what, remedy) if nic.driver == driver else info(str(nic.bdf), what)


CHECKS = (check_answer, check_driver, check_group, check_nodes, check_link, check_pcie, check_numa, check_errata)

# SPDX-License-Identifier: BSD-3-Clause
"""pollux-devbind status: network devices by driver, laid out as users of DPDK's tool know it."""
import json

from pollux_tools import steps
from pollux_tools.pci import KernelModules, PciNames, PciSysfs, USERSPACE_DRIVERS
from pollux_tools.usage import device_holders, device_nodes, interface_uses, is_up

SECTIONS = {"userspace": "Network devices using Pollux/DPDK-compatible driver",
            "kernel": "Network devices using kernel driver",
            "other": "Other network devices"}


class Status:
    def __init__(self, machine):
        self.machine, self.sysfs = machine, PciSysfs(machine)
        self.names, self.modules = PciNames(machine), KernelModules(machine)

    def functions(self, wanted):
        if wanted:
            return [self.sysfs.find(text) for text in wanted]
        return [f for f in self.sysfs.all_info() if f.is_network or f.in_userspace]

    def unused(self, function):
        """Other drivers that could have it: the kernel's modules for it, and userspace drivers that are loaded."""
        drivers = self.modules.for_device(function.bdf) + [d for d in USERSPACE_DRIVERS if self.sysfs.has_driver(d)]
        taken = (function.driver or "").replace("-", "_")
        return [driver for driver in drivers if driver.replace("-", "_") != taken]

    def describe(self, function):
        """Everything of one device, as --json prints it."""
        interfaces = [{"name": name, "up": is_up(self.machine, name), "uses": interface_uses(self.machine, name)}
                      for name in function.interfaces]
        holders = device_holders(self.machine, function)
        return {
            "bdf": str(function.bdf), "id": str(function.id), "name": self.names.device(function.id),
            "class": f"{function.class_code:06x}", "driver": function.driver, "unused": self.unused(function),
            "section": section_of(function), "interfaces": interfaces,
            "active": bool(holders) or any(i["uses"] for i in interfaces),
            "processes": [{"pid": h.pid, "command": h.command, "file": h.node} for h in holders],
            "nodes": device_nodes(self.machine, function),
            "iommu_group": function.iommu_group, "noiommu": function.noiommu,
            "group_members": [{"bdf": str(m.bdf), "driver": m.driver, "blocks_vfio": m.blocks_vfio}
                              for m in self.sysfs.companions(function)],
            "numa_node": None if function.numa_node < 0 else function.numa_node,
            "remembered": steps.remembered(self.machine, function),
        }


def section_of(function):
    return "userspace" if function.in_userspace else "kernel" if function.driver else "other"


def status_line(device):
    line = f"{device['bdf']} '{device['name']} {device['id'].split(':')[1]}'"
    if device["numa_node"] is not None:
        line += f" numa_node={device['numa_node']}"
    if device["interfaces"]:
        line += " if=" + ",".join(i["name"] + ("" if i["up"] else "(down)") for i in device["interfaces"])
    if device["driver"]:
        line += f" drv={device['driver']}"
    line += f" unused={','.join(device['unused'])}"
    if device["iommu_group"] is not None:
        line += f" group={'noiommu-' if device['noiommu'] else ''}{device['iommu_group']}"
    return line + (" *Active*" if device["active"] else "")


def status_details(device):
    """What follows a device's line: why it is active, and who shares its IOMMU group."""
    for interface in device["interfaces"]:
        if interface["uses"]:
            yield f"{interface['name']} has {', '.join(interface['uses'])}"
    for process in device["processes"]:
        yield f"open in process {process['pid']} ({process['command']})"
    if device["group_members"]:
        members = (f"{m['bdf']} ({m['driver'] or 'no driver'}{', keeps VFIO out' if m['blocks_vfio'] else ''})"
                   for m in device["group_members"])
        yield f"shares its IOMMU group with {', '.join(members)}"


def print_status(devices):
    for number, (section, heading) in enumerate(SECTIONS.items()):
        members = [device for device in devices if device["section"] == section]
        if not members and section == "other":
            continue
        print(("\n" if number else "") + heading + "\n" + "=" * len(heading))
        for device in members:
            print(status_line(device), *status_details(device), sep="\n    ")
        if not members:
            print("<none>")


def run_status(machine, options):
    status = Status(machine)
    devices = [status.describe(function) for function in status.functions(options.device)]
    if options.json:
        print(json.dumps({"devices": devices}, indent=2))
    else:
        print_status(devices)
    return 0

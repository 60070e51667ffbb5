# SPDX-License-Identifier: BSD-3-Clause
"""What pollux-devbind says after a change: where each device is now, and what its user lacks still."""
import contextlib
import grp
import json
import pwd

from pollux_tools.error import note
from pollux_tools.pci import UIO_DRIVERS, PciSysfs
from pollux_tools.usage import device_nodes


def report(machine, options, functions):
    sysfs, devices, notes = PciSysfs(machine), [], []
    for before in functions:
        now = sysfs.info(before.bdf)
        devices.append({"bdf": str(now.bdf), "former": before.driver, "driver": now.driver,
                        "interfaces": now.interfaces, "nodes": device_nodes(machine, now)})
        if now.on_vfio:
            notes += viability_notes(sysfs, now)
        if now.driver in UIO_DRIVERS or now.on_udd:
            notes += physical_notes(machine, now)
    if options.command == "bind" and (options.uid >= 0 or options.gid >= 0):
        notes += user_notes(machine, options, [sysfs.info(f.bdf) for f in functions])
    notes = list(dict.fromkeys(notes))
    if options.json:
        print(json.dumps({"ok": True, "devices": devices, "notes": notes}, indent=2))
        return
    for device in devices:
        print(outcome(device))
    if not devices:
        print("nothing to do")
    for text in notes:
        note(text)


def outcome(device):
    has, had = device["driver"] or "no driver", device["former"] or "no driver"
    line = f"{device['bdf']}: {has}" + (f" (was: {had})" if has != had else ", as before")
    line += f", interface {', '.join(device['interfaces'])}" if device["interfaces"] else ""
    return line + (f", {' '.join(device['nodes'])}" if device["nodes"] else "")


def viability_notes(sysfs, function):
    blockers = sysfs.blockers(function)
    if function.noiommu:
        yield f"{function.bdf} has no IOMMU: the device can write to all memory; programs need CAP_SYS_RAWIO"
    if blockers:
        names = ", ".join(f"{m.bdf} ({m.driver})" for m in blockers)
        yield (f"IOMMU group {function.iommu_group} is not usable yet: {names} must leave the kernel too; run: "
               f"pollux-devbind bind {function.bdf} --driver vfio-pci --with-group")


def physical_notes(machine, function):
    kind = machine.read(f"/sys/kernel/iommu_groups/{function.iommu_group}/type")
    if kind and kind.startswith("DMA"):
        way = "UDD" if function.on_udd else "UIO"
        yield (f"{function.bdf} is behind an IOMMU that translates, where {way} cannot do DMA: bind it to vfio-pci, or "
               "boot with iommu=pt")


def user_notes(machine, options, functions):
    """What an ordinary user lacks still, beside the nodes."""
    user = user_name(options.uid) if options.uid >= 0 else "@" + group_name(options.gid)
    if any(f.on_vfio and not f.noiommu for f in functions):
        yield (f"{user} also needs locked memory: echo '{user} - memlock 262144' > /etc/security/limits.d/pollux.conf, "
               "then log in anew; ulimit -l shows it [KiB]")
    if any(f.noiommu for f in functions):
        yield "without IOMMU owning the node is not enough: setcap cap_sys_rawio,cap_sys_admin,cap_ipc_lock=ep PROGRAM"
    if any(f.on_udd for f in functions):
        yield ("the nodes are not enough: Cobalt admits only root and the group of xenomai.allowed_group (kernel "
               "command line), and physical addresses need root")
    if any(f.driver in UIO_DRIVERS for f in functions):
        yield ("through UIO an ordinary user can wait for interrupts only: BARs and physical addresses need root; bind "
               "to vfio-pci for use without root")


def user_name(uid):
    with contextlib.suppress(KeyError):
        return pwd.getpwuid(uid).pw_name
    return str(uid)


def group_name(gid):
    with contextlib.suppress(KeyError):
        return grp.getgrgid(gid).gr_name
    return str(gid)

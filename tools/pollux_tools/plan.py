# SPDX-License-Identifier: BSD-3-Clause
"""plan(): which steps a command of pollux-devbind takes, after what speaks against them has been checked."""
import os
import re

from pollux_tools import steps
from pollux_tools.error import Error, UsageError, note
from pollux_tools.pci import Bdf, KernelModules, PciSysfs, USERSPACE_DRIVERS
from pollux_tools.usage import device_holders, interface_uses

KERNEL = "kernel"  # as --driver: whichever driver the kernel chooses


# ---- what speaks against a change -----------------------------------------------------------------------------------

def require_rights(machine, function):
    override = PciSysfs.device_path(function.bdf) + "/driver_override"
    if machine.may(override, os.W_OK):
        return
    if machine.user_id() != 0:
        raise Error("change the driver of", function.bdf, "not root",
                    remedy="run it with sudo; --dry-run shows what it would do")
    if not machine.exists(override):
        raise Error("change the driver of", function.bdf, "the kernel has no driver_override for it",
                    remedy="it was unplugged, or the kernel is older than 3.16: pollux-devbind status")
    raise Error("change the driver of", function.bdf, "/sys is read-only here, as in containers",
                remedy="run it on the host")


def require_possible(machine, function, driver, noiommu):
    """What not even --force can do."""
    if function.is_bridge:
        raise Error("change the driver of", function.bdf, "it is a bridge; what lies behind would go with it",
                    remedy="name the devices behind it: pollux-devbind status")
    real_group = function.iommu_group is not None and not function.noiommu
    if driver == "vfio-pci" and not real_group and not noiommu and not noiommu_allowed(machine):
        raise Error("bind to driver vfio-pci the device", function.bdf, "no IOMMU stands before it",
                    remedy=steps.WITHOUT_IOMMU)


def noiommu_allowed(machine):
    return machine.read(steps.NOIOMMU) in ("Y", "1")


def objections(machine, function):
    """Why its present driver should keep it; --force overrules."""
    uses = [f"{name} has {use}" for name in function.interfaces for use in interface_uses(machine, name)]
    uses += [f"{holder} has it open" for holder in device_holders(machine, function)]
    if function.driver is None or function.in_userspace:
        return uses
    if count := machine.number(f"{PciSysfs.device_path(function.bdf)}/sriov_numvfs"):
        uses.append(f"its {count} virtual functions would vanish")
    if not function.is_network:
        uses.append(f"it is no network device (class {function.class_code:06x})")
    elif not function.interfaces:
        uses.append("it has no interface here; one may be in another network namespace")
    return uses


def require_unused(machine, function, force):
    found = objections(machine, function)
    if not found:
        return
    if not force:
        raise Error(f"take from driver {function.driver} the device", function.bdf, "; ".join(found),
                    remedy="end that use first, or add --force")
    note(f"{function.bdf}: {'; '.join(found)}; going on, as --force says"
         + (". The kernel waits until it is closed" if function.on_vfio else ""))


# ---- from a command to steps ----------------------------------------------------------------------------------------

def named_driver(text):
    """--driver as written; vfio_pci is taken for vfio-pci, as module names have it."""
    if Bdf.try_parse(text):
        raise UsageError(f"--driver {text!r}: that is a device; a driver is missing, such as --driver vfio-pci")
    if not re.fullmatch(r"\w[\w-]*", text, re.ASCII):
        raise UsageError(f"--driver {text!r}: no driver's name; one of {', '.join(USERSPACE_DRIVERS)}, {KERNEL}, ...")
    same = [driver for driver in USERSPACE_DRIVERS if driver.replace("-", "_") == text.replace("-", "_")]
    return same[0] if same else text


def needs_override(driver):
    """Drivers that know no device by themselves."""
    return driver in USERSPACE_DRIVERS or "vfio" in driver or driver == "pci-stub"


def load_steps(machine, driver):
    there = driver in (None, KERNEL) or PciSysfs(machine).has_driver(driver)
    return [] if there else [steps.LoadDriver(driver)]


def rebind_steps(machine, function, driver):
    """From whatever has the device now to `driver`; None: to no driver, KERNEL: to the kernel's choice."""
    override = driver if driver and needs_override(driver) else None
    out = load_steps(machine, driver)
    if function.driver is not None and function.driver != driver:
        out.append(steps.Unbind(function))
    if function.override != override:
        out.append(steps.Override(function, override))
    if driver == KERNEL:
        modules = KernelModules(machine).for_device(function.bdf)
        out.append(steps.Probe(function, [name for name in modules if not machine.exists(f"/sys/module/{name}")]))
    elif driver is not None and function.driver != driver:
        out.append(steps.Bind(function, driver))
    return out


def bind_steps(machine, function, options):
    driver = options.driver
    if driver == KERNEL and function.driver and not function.in_userspace:
        return []  # the kernel has chosen
    out = []
    if options.noiommu and function.iommu_group is None:
        out += [*load_steps(machine, driver), steps.AllowNoIommu()]  # loading brings the parameter
    if function.driver != driver:
        out.append(steps.Remember(function))
        out += rebind_steps(machine, function, driver)
    if driver == KERNEL or not needs_override(driver):
        out.append(steps.Forget(function))
    if options.uid >= 0 or options.gid >= 0:
        out.append(steps.GiveNodes(function, driver, options.uid, options.gid))
    return out


def unbind_steps(machine, function, _options):
    if function.driver is None and function.override is None:
        return []
    return [steps.Remember(function), *rebind_steps(machine, function, None)]


def restore_steps(machine, function, _options):
    state = steps.remembered(machine, function)
    with_kernel = function.driver and not function.in_userspace  # given back by other means: it stays there
    if with_kernel and state is None:
        return []
    former = function.driver if with_kernel else state["driver"] if state else KERNEL
    return [*rebind_steps(machine, function, former), steps.Forget(function)]


PLANS = {"bind": bind_steps, "unbind": unbind_steps, "restore": restore_steps}


def chosen_functions(machine, options):
    """The devices of the command line, each once; with --with-group also those that keep VFIO from their groups."""
    sysfs = PciSysfs(machine)
    wanted = options.device
    if options.command == "restore" and not wanted:
        wanted = remembered_devices(machine)
    functions = {function.bdf: function for function in map(sysfs.find, wanted)}
    if options.command == "bind" and options.with_group:
        for function in list(functions.values()):
            functions.update({member.bdf: member for member in sysfs.blockers(function)})
    return list(functions.values())


def remembered_devices(machine):
    """Those that are still there."""
    names = (name.removesuffix(".json") for name in machine.names_in(steps.STATE))
    return [name for name in names if Bdf.try_parse(name) and machine.exists(PciSysfs.device_path(name))]


def plan(machine, options):
    """(functions, steps) of a command, after all that can be checked beforehand."""
    functions = chosen_functions(machine, options)
    driver = options.driver if options.command == "bind" else None
    out = []
    for function in functions:
        todo = PLANS[options.command](machine, function, options)
        if not options.dry_run:
            require_rights(machine, function)
        require_possible(machine, function, driver, options.command == "bind" and options.noiommu)
        if any(isinstance(step, steps.Unbind) for step in todo):
            require_unused(machine, function, options.force)
        out += todo
    return functions, out

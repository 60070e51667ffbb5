# SPDX-License-Identifier: BSD-3-Clause
"""Steps: the single changes that binding a device is made of. Each can be done, undone, and written as shell commands.

carry_out() does a list of them, or none: when one fails, it undoes what was done, in reverse order.
"""
import errno
import json
import time

from pollux_tools.error import Error
from pollux_tools.pci import PCI, UDD_DRIVER, PciSysfs
from pollux_tools.usage import device_holders, device_nodes

STATE = "/run/pollux/devbind"
NOIOMMU = "/sys/module/vfio/parameters/enable_unsafe_noiommu_mode"
WITHOUT_IOMMU = ("turn the IOMMU on (VT-d or AMD-Vi in the firmware's setup, intel_iommu=on on the kernel's command "
                 "line), or bind to uio_pci_generic, or add --noiommu (no protection of memory)")
PACKAGES = {"vfio-pci": "boot a kernel that has it, such as Debian's linux-image-amd64",
            "uio_pci_generic": "boot a kernel that has it, such as Debian's linux-image-amd64",
            "igb_uio": "it is built outside the kernel; uio_pci_generic and vfio-pci are part of it",
            UDD_DRIVER: "build it for a kernel with Xenomai 3 (samples/xenomai/pollux_udd_pci), then insmod it"}
DMESG = "the kernel's log says more: dmesg | tail"
WRITE_REMEDIES = {
    errno.ENOENT: "the device is gone (unplugged?): pollux-devbind status",
    errno.ENODEV: "the device is gone, or its driver changed meanwhile: pollux-devbind status",
    errno.EACCES: "run as root: sudo pollux-devbind ...",
    errno.EROFS: "/sys is read-only here, as in containers; run on the host",
    errno.EPERM: "the kernel forbids it even to root: lockdown (Secure Boot)? cat /sys/kernel/security/lockdown",
}


class Step:
    def run(self, machine):
        """Raises Error or OSError; what a half-done run left is undo's to find."""
        raise NotImplementedError

    def undo(self, machine):
        """Brings back what was before run. Called after run, whether that failed or not."""

    def shell(self):
        """The same, as shell commands."""
        raise NotImplementedError


class LoadDriver(Step):
    """Stays loaded when undone: a driver without devices does nothing."""

    def __init__(self, driver):
        self.driver = driver

    def run(self, machine):
        sysfs = PciSysfs(machine)
        if sysfs.has_driver(self.driver):
            return
        why = machine.modprobe(self.driver)
        if why or not sysfs.has_driver(self.driver):
            known = "the drivers there are: " + " ".join(machine.names_in(f"{PCI}/drivers"))
            raise Error("load driver", self.driver, why or "the module is loaded, yet brings no such PCI driver",
                        remedy=PACKAGES.get(self.driver, known))

    def shell(self):
        return [f"modprobe {self.driver}"]


class AllowNoIommu(Step):
    def __init__(self):
        self.former = None

    def run(self, machine):
        value = machine.read(NOIOMMU)
        if value is None:
            raise Error("allow VFIO without IOMMU", "", "this kernel is built without CONFIG_VFIO_NOIOMMU, as Debian's",
                        remedy="bind to uio_pci_generic, or turn the IOMMU on, or boot a kernel with that option")
        if value not in ("Y", "1"):
            self.former = value
            write(machine, NOIOMMU, "Y", "allow VFIO without IOMMU through")

    def undo(self, machine):
        if self.former is not None:
            machine.write(NOIOMMU, self.former)

    def shell(self):
        return [f"echo Y > {NOIOMMU}"]


class Remember(Step):
    """Which driver a device had, for `restore`; what is already remembered is older and stays."""

    def __init__(self, function):
        self.function = function
        self.file = state_file(function.bdf)
        self.former = None

    def run(self, machine):
        self.former = machine.read(self.file)
        if remembered(machine, self.function) and (self.function.in_userspace or self.function.driver is None):
            return
        state = {"driver": self.function.driver, "id": str(self.function.id), "interfaces": self.function.interfaces}
        try:
            machine.save(self.file, json.dumps(state) + "\n")
        except OSError as error:
            raise Error("remember the driver in", self.file, code=error.errno, remedy="is /run writable?") from None

    def undo(self, machine):
        """Unless the device did not come back: then `restore` will need what is remembered."""
        if PciSysfs(machine).driver(self.function.bdf) == self.function.driver:
            put_back(machine, self.file, self.former)

    def shell(self):
        return []


class Forget(Step):
    def __init__(self, function):
        self.file = state_file(function.bdf)
        self.former = None

    def run(self, machine):
        self.former = machine.read(self.file)
        machine.remove(self.file)

    def undo(self, machine):
        put_back(machine, self.file, self.former)

    def shell(self):
        return []


class Unbind(Step):
    """Comes before Override, so that undoing clears the override first: the former driver would be refused by it."""

    def __init__(self, function):
        self.bdf, self.driver = function.bdf, function.driver

    def run(self, machine):
        write(machine, f"{PciSysfs.driver_path(self.driver)}/unbind", str(self.bdf), f"unbind {self.bdf} through")
        if driver := PciSysfs(machine).driver(self.bdf):
            raise Error("unbind", self.bdf, f"it is with driver {driver} still", remedy=DMESG)

    def undo(self, machine):
        if PciSysfs(machine).driver(self.bdf) is not None:
            return
        try:
            bind(machine, self.bdf, self.driver)
        except Error:  # an override that was there before us, for another driver
            override = PciSysfs(machine).info(self.bdf).override
            machine.write(f"{PciSysfs.device_path(self.bdf)}/driver_override", Override.text(None))
            bind(machine, self.bdf, self.driver)
            machine.write(f"{PciSysfs.device_path(self.bdf)}/driver_override", Override.text(override))

    def shell(self):
        return [f"echo {self.bdf} > {PciSysfs.driver_path(self.driver)}/unbind"]


class Override(Step):
    """Which driver alone may have the device; None: any that knows it."""

    def __init__(self, function, driver):
        self.file = PciSysfs.device_path(function.bdf) + "/driver_override"
        self.former, self.driver = function.override, driver

    def run(self, machine):
        write(machine, self.file, self.text(self.driver), "write")

    def undo(self, machine):
        machine.write(self.file, self.text(self.former))

    def shell(self):
        return [f"echo {self.driver or ''}".rstrip() + f" > {self.file}"]

    @staticmethod
    def text(driver):
        return f"{driver or ''}\n"


class Bind(Step):
    def __init__(self, function, driver):
        self.bdf, self.driver = function.bdf, driver

    def run(self, machine):
        bind(machine, self.bdf, self.driver)

    def undo(self, machine):
        unbind_if_with(machine, self.bdf, self.driver)

    def shell(self):
        return [f"echo {self.bdf} > {PciSysfs.driver_path(self.driver)}/bind"]


class Probe(Step):
    """Lets the kernel choose among the drivers that know the device."""

    def __init__(self, function, modules):
        self.bdf, self.modules = function.bdf, modules

    def run(self, machine):
        for module in self.modules:
            machine.modprobe(module)  # one of several may be missing; what counts is whether the device gets a driver
        write(machine, f"{PCI}/drivers_probe", str(self.bdf), f"probe {self.bdf} through")
        if PciSysfs(machine).driver(self.bdf) is None:
            raise Error("give back to the kernel", self.bdf, "no driver of this kernel took it",
                        remedy=f"load its module (lspci -k -s {self.bdf}), then: echo {self.bdf} > {PCI}/drivers_probe")

    def undo(self, machine):
        unbind_if_with(machine, self.bdf, PciSysfs(machine).driver(self.bdf))

    def shell(self):
        return [f"modprobe {module}" for module in self.modules] + [f"echo {self.bdf} > {PCI}/drivers_probe"]


class GiveNodes(Step):
    """Hands the nodes of a bound device to a user. They end with the binding, so nothing stays behind."""

    def __init__(self, function, driver, uid, gid):
        self.bdf, self.driver, self.uid, self.gid = function.bdf, driver, uid, gid
        self.former = {}

    def run(self, machine):
        machine.settle()
        nodes = self.wait_for_nodes(machine)
        if not nodes:
            raise Error("find the node in /dev of", self.bdf, remedy="is /dev a devtmpfs, and not a container's?")
        for node in nodes:
            self.former[node] = machine.owner(node)
            try:
                machine.chown(node, self.uid, self.gid)
            except OSError as error:
                raise Error("change the owner of", node, code=error.errno, remedy="run as root, no container") from None

    def wait_for_nodes(self, machine, seconds=2):
        end = time.monotonic() + seconds
        while not (nodes := device_nodes(machine, PciSysfs(machine).info(self.bdf))) and time.monotonic() < end:
            time.sleep(0.05)
        return nodes

    def undo(self, machine):
        for node, owner in self.former.items():
            if machine.exists(node):
                machine.chown(node, *owner)

    def shell(self):
        owner = ("" if self.uid < 0 else str(self.uid)) + ("" if self.gid < 0 else f":{self.gid}")
        path = PciSysfs.device_path(self.bdf)
        if self.driver == UDD_DRIVER:
            return [f"chown {owner} /dev/rtdm/pollux-{self.bdf} /dev/rtdm/pollux-{self.bdf},mapper*"]
        if "vfio" not in self.driver:
            return [f'chown {owner} "/dev/$(ls {path}/uio)"']
        group = f"$(basename \"$(readlink {path}/iommu_group)\")"
        return [f'for node in /dev/vfio/{group} /dev/vfio/noiommu-{group} /dev/vfio/devices/$(ls {path}/vfio-dev); do '
                f'[ ! -c "$node" ] || chown {owner} "$node"; done']


# ---- the pieces of the steps ----------------------------------------------------------------------------------------

def state_file(bdf):
    return f"{STATE}/{bdf}.json"


def remembered(machine, function):
    """What Remember saved; None when nothing, or of another device that was in that slot, or not to be understood."""
    try:
        state = json.loads(machine.read(state_file(function.bdf)) or "")
    except ValueError:
        return None
    if not isinstance(state, dict) or state.get("id") != str(function.id):
        return None
    return state if isinstance(state.get("driver", 0), (str, type(None))) else None


def put_back(machine, file, text):
    if text is None:
        machine.remove(file)
    else:
        machine.save(file, text + "\n")


def write(machine, file, text, operation):
    try:
        machine.write(file, text)
    except OSError as error:
        raise Error(operation, file, code=error.errno, remedy=WRITE_REMEDIES.get(error.errno, DMESG)) from None


def bind(machine, bdf, driver):
    """Through the driver's own bind file, which, unlike drivers_probe, tells why the driver refused."""
    try:
        machine.write(f"{PciSysfs.driver_path(driver)}/bind", str(bdf))
    except OSError as error:
        if PciSysfs(machine).driver(bdf) != driver:
            raise explain(machine, bdf, driver, error.errno) from None
    if PciSysfs(machine).driver(bdf) != driver:
        raise Error(f"bind to driver {driver} the device", bdf, "the driver did not take it", remedy=DMESG)


def explain(machine, bdf, driver, code):
    """The Error for a refused bind."""
    where, remedy = "", WRITE_REMEDIES.get(code, DMESG)
    if not machine.exists(PciSysfs.device_path(bdf)):
        where, remedy = "it is gone", "was it unplugged? pollux-devbind status lists what there is"
    elif code == errno.EINVAL and driver == "vfio-pci":
        group = machine.link_name(PciSysfs.device_path(bdf) + "/iommu_group")
        where = "vfio-pci refuses this kind of device" if group else "no IOMMU stands before it"
        remedy = "modprobe vfio-pci disable_denylist=1, or see dmesg | tail" if group else WITHOUT_IOMMU
    elif code == errno.EBUSY and driver == UDD_DRIVER:
        where = "its interrupt line is shared with another device, or another driver has its BARs"
        remedy = f"load the module with irq=msi or irq=none; {DMESG}"
    elif code == errno.EBUSY:
        where = group_holders(machine, bdf) or "VFIO has its IOMMU group in use, or another driver has the device"
        remedy = "end what uses the group's other members: pollux-devbind status shows it"
    elif code == errno.ENODEV and driver == "uio_pci_generic":
        where, remedy = "its INTx interrupt cannot be masked, or the driver does not match it", "bind to vfio-pci"
    elif code == errno.ENODEV:
        where, remedy = "that driver does not know this device", "pollux-devbind shows those that do (unused=)"
    return Error(f"bind to driver {driver} the device", bdf, where, code, remedy)


def group_holders(machine, bdf):
    sysfs = PciSysfs(machine)
    members = [member for member in sysfs.companions(sysfs.info(bdf)) if member.on_vfio]
    holders = sorted({str(holder) for member in members for holder in device_holders(machine, member)})
    return f"its IOMMU group is in use by {', '.join(holders)}" if holders else ""


def unbind_if_with(machine, bdf, driver):
    if driver is not None and PciSysfs(machine).driver(bdf) == driver:
        machine.write(f"{PciSysfs.driver_path(driver)}/unbind", str(bdf))


# ---- all or nothing -------------------------------------------------------------------------------------------------

def carry_out(machine, steps, at_end=lambda: None):
    """Does all steps; when one fails, undoes all and raises what failed; its .not_undone: what could not be undone.

    at_end: called when all is done and nothing shall be undone any more.
    """
    begun = []
    try:
        for step in steps:
            begun.append(step)
            step.run(machine)
        at_end()
    except BaseException as failure:
        failure.not_undone = undo(machine, begun)
        raise


def undo(machine, steps):
    """In reverse, each whatever became of the others. Returns what failed."""
    failures = []
    for step in reversed(steps):
        try:
            step.undo(machine)
        except (Error, OSError) as failure:
            commands = " ; ".join(step.shell())
            failures.append(f"could not undo '{commands}': {failure}" if commands else str(failure))
    return failures


def as_shell(steps):
    commands = [command for step in steps for command in step.shell()]
    return list(dict.fromkeys(commands)) if commands else ["true  # nothing to do"]

# SPDX-License-Identifier: BSD-3-Clause
"""PCI functions as the kernel shows them under /sys: the names are those of include/pollux/pci."""
import dataclasses
import functools
import re

from pollux_tools.error import Error

UIO_DRIVERS = ("uio_pci_generic", "igb_uio")
UDD_DRIVER = "pollux_udd_pci"  # samples/xenomai: makes any PCI function a UDD device of Xenomai 3
USERSPACE_DRIVERS = ("vfio-pci", *UIO_DRIVERS, UDD_DRIVER)
PCI = "/sys/bus/pci"


@dataclasses.dataclass(frozen=True, order=True)
class Bdf:
    """Where a PCI function sits."""
    domain: int
    bus: int
    device: int
    function: int

    @staticmethod
    def try_parse(text):
        """"0000:03:00.0" or, with domain 0 implied, "03:00.0"; None for anything else."""
        match = re.fullmatch(r"(?:([0-9a-f]{4}):)?([0-9a-f]{2}):([01][0-9a-f])\.([0-7])", text, re.IGNORECASE)
        return Bdf(*(int(part or "0", 16) for part in match.groups())) if match else None

    def __str__(self):
        return f"{self.domain:04x}:{self.bus:02x}:{self.device:02x}.{self.function:x}"


@dataclasses.dataclass(frozen=True, order=True)
class PciId:
    vendor: int
    device: int

    def __str__(self):
        return f"{self.vendor:04x}:{self.device:04x}"


@dataclasses.dataclass
class PciFunctionInfo:
    bdf: Bdf
    id: PciId
    class_code: int    # base class, subclass, programming interface
    driver: str        # the bound driver, or None
    iommu_group: int   # None: no IOMMU stands before this function
    noiommu: bool      # the group is vfio's own fake one
    numa_node: int     # -1: unknown
    interfaces: list   # network interfaces of the bound driver
    override: str      # the driver that alone may have it; None: any

    @property
    def is_network(self):
        return self.class_code >> 16 == 0x02

    @property
    def is_bridge(self):
        return self.class_code >> 16 == 0x06

    @property
    def in_userspace(self):
        return self.driver is not None and (self.driver in USERSPACE_DRIVERS or self.on_vfio)

    @property
    def on_vfio(self):
        return self.driver is not None and "vfio" in self.driver

    @property
    def on_udd(self):
        return self.driver == UDD_DRIVER

    @property
    def blocks_vfio(self):
        """While this member of a group is bound so, VFIO refuses the group."""
        return self.driver is not None and not self.on_vfio and self.driver not in ("pcieport", "pci-stub")


class PciSysfs:
    def __init__(self, machine):
        self.machine = machine

    @staticmethod
    def device_path(bdf):
        return f"{PCI}/devices/{bdf}"

    @staticmethod
    def driver_path(driver):
        return f"{PCI}/drivers/{driver}"

    def list(self):
        """All functions, by address."""
        return sorted(filter(None, map(Bdf.try_parse, self.machine.names_in(f"{PCI}/devices"))))

    def driver(self, bdf):
        return self.machine.link_name(self.device_path(bdf) + "/driver")

    def has_driver(self, driver):
        """Whether that driver is loaded or built in."""
        return bool(driver) and "/" not in driver and self.machine.exists(self.driver_path(driver))

    def info(self, bdf):
        read, path = self.machine, self.device_path(bdf)
        vendor, device = read.number(path + "/vendor"), read.number(path + "/device")
        if vendor is None or device is None:
            raise Error("find PCI device", bdf, remedy="list the devices there are: pollux-devbind, or lspci -D -nn")
        group = read.link_name(path + "/iommu_group")
        override = read.read(path + "/driver_override")
        return PciFunctionInfo(
            bdf=bdf, id=PciId(vendor, device), class_code=read.number(path + "/class") or 0, driver=self.driver(bdf),
            iommu_group=int(group) if group and group.isdigit() else None,
            noiommu=read.read(path + "/iommu_group/name") == "vfio-noiommu",
            numa_node=-1 if (node := read.number(path + "/numa_node")) is None else node,
            interfaces=self.interfaces(path),
            override=override if override and override != "(null)" else None)

    def all_info(self):
        """Every function; one that is unplugged meanwhile is left out."""
        for bdf in self.list():
            try:
                yield self.info(bdf)
            except Error:
                pass

    def interfaces(self, path):
        """Those directly below, or below the virtio device that a virtio-pci function is."""
        below = [path] + [f"{path}/{name}" for name in self.machine.names_in(path) if re.fullmatch(r"virtio\d+", name)]
        return [name for place in below for name in self.machine.names_in(place + "/net")]

    def group_members(self, group):
        """Every function of an IOMMU group: they can be given to userspace only together."""
        names = self.machine.names_in(f"/sys/kernel/iommu_groups/{group}/devices")
        members = []
        for bdf in sorted(filter(None, map(Bdf.try_parse, names))):
            try:
                members.append(self.info(bdf))
            except Error:
                pass
        return members

    def companions(self, function):
        """The other members of its group."""
        if function.iommu_group is None:
            return []
        return [m for m in self.group_members(function.iommu_group) if m.bdf != function.bdf]

    def blockers(self, function):
        """The group's other members that keep VFIO from it."""
        return [m for m in self.companions(function) if m.blocks_vfio]

    def find(self, text):
        """The function that an address or the name of a network interface stands for."""
        if bdf := Bdf.try_parse(text):
            return self.info(bdf)
        link = f"/sys/class/net/{text}"
        if not re.fullmatch(r"[^/\s:]{1,15}", text) or text in (".", "..") or not self.machine.exists(link):
            raise Error("find device", repr(text), "neither a PCI address nor a network interface",
                        remedy="expected DDDD:BB:DD.F, BB:DD.F or a name that ip -brief link prints")
        above, _, last = self.machine.real_path(link + "/device").rpartition("/")
        if re.fullmatch(r"virtio\d+", last):
            last = above.rpartition("/")[2]
        if bdf := Bdf.try_parse(last):
            return self.info(bdf)
        raise Error("find device", repr(text), "this interface is no PCI device",
                    remedy="list the devices there are: pollux-devbind status")


class PciNames:
    """The pci.ids data base of the machine, read when first asked."""
    PLACES = ("/usr/share/misc/pci.ids", "/usr/share/hwdata/pci.ids", "/usr/share/pci.ids", "/var/lib/pciutils/pci.ids")

    def __init__(self, machine):
        self.machine = machine

    @functools.cached_property
    def devices(self):
        names, vendor = {}, None
        for line in next((lines for place in self.PLACES if (lines := self.machine.lines(place))), []):
            if line.startswith("C "):
                break  # device classes follow
            if match := re.match(r"(\t?)([0-9a-f]{4})  (.*)", line):
                number = int(match[2], 16)
                if match[1]:
                    names[PciId(vendor, number)] = match[3]
                else:
                    vendor = number
        return names

    def device(self, pci_id):
        """"82574L Gigabit Network Connection"; the numbers where the data base lacks the name."""
        return self.devices.get(pci_id, f"device {pci_id}")


class KernelModules:
    """Which modules say that they drive a function."""

    def __init__(self, machine):
        self.machine = machine

    def for_device(self, bdf):
        modalias = self.machine.read(f"{PciSysfs.device_path(bdf)}/modalias")
        if not modalias:
            return []
        aliases = self.aliases(modalias[:len("pci:v00008086")])
        return sorted({module for pattern, module in aliases if pattern.fullmatch(modalias)})

    @functools.lru_cache(maxsize=None)
    def aliases(self, vendor):
        """(pattern, module) of those aliases that can match this vendor's devices."""
        out = []
        for line in self.machine.lines(f"/lib/modules/{self.machine.release()}/modules.alias"):
            if line.startswith((f"alias {vendor}", "alias pci:v*")):
                _, alias, module = line.split()
                out.append((re.compile(re.escape(alias).replace(r"\*", ".*")), module))
        return out

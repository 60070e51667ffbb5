# SPDX-License-Identifier: BSD-3-Clause
"""FakeKernel: a Machine on a tree of files in which writes to /sys do what the kernel does."""
import errno
import os
import pathlib
import shutil
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "tools"))

from pollux_tools.machine import Machine  # noqa: E402  (found through the path just set)

PCI = "/sys/bus/pci"
OVERRIDE_ONLY = ("vfio-pci", "uio_pci_generic", "igb_uio", "pollux_udd_pci", "pci-stub")
RELEASE = "6.12.0-test"


class FakeKernel(Machine):
    """`fail_at`: the n-th write (from 1) raises `failure`. `refuse`: {(driver, BDF): errno} for probes that fail."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="pollux-tools-")
        super().__init__(self.folder)
        self.root_user = True
        self.fail_at, self.failure, self.writes = None, OSError(errno.EIO, "injected"), []
        self.refuse, self.loadable, self.knows, self.loaded = {}, {}, {}, []
        self.addresses, self.owners, self.chown_fails = {}, {}, False
        self.vfio_numbers = 0
        self.memlock, self.wakeup = 8 << 20, None
        for place in ("bus/pci/devices", "bus/pci/drivers", "class/net", "kernel/iommu_groups"):
            (self.file("/sys") / place).mkdir(parents=True)
        for place in ("/proc/net", "/dev/vfio", "/run"):
            self.file(place).mkdir(parents=True)
        self.put("/proc/sys/kernel/osrelease", RELEASE)
        self.put(f"{PCI}/drivers_probe", "")

    def close(self):
        shutil.rmtree(self.folder)

    # ---- building the tree ------------------------------------------------------------------------------------------

    def file(self, name):
        return pathlib.Path(self.folder + name)

    def put(self, name, text):
        self.file(name).parent.mkdir(parents=True, exist_ok=True)
        self.file(name).write_text(text + "\n", encoding="utf-8")

    def link(self, name, target):
        """A relative link, as /sys has them; target is absolute below the root."""
        self.file(name).parent.mkdir(parents=True, exist_ok=True)
        self.file(name).symlink_to(os.path.relpath(self.file(target), self.file(name).parent))

    def add_driver(self, name, *ids):
        self.knows[name] = ids
        self.put(f"{PCI}/drivers/{name}/bind", "")
        self.put(f"{PCI}/drivers/{name}/unbind", "")

    def add_device(self, bdf, device_id="8086:10d3", class_code="0x020000", group=None, driver=None, interface=None):
        real = f"/sys/devices/pci0000:00/{bdf}"
        vendor, device = device_id.upper().split(":")
        modalias = f"pci:v0000{vendor}d0000{device}sv00008086sd0000A01Fbc02sc00i00"
        for name, text in (("vendor", f"0x{vendor}"), ("device", f"0x{device}"), ("class", class_code),
                           ("numa_node", "-1"), ("driver_override", "(null)"),
                           ("modalias", modalias)):
            self.put(f"{real}/{name}", text)
        self.link(f"{PCI}/devices/{bdf}", real)
        if group is not None:
            self.put_in_group(bdf, group)
        if driver is not None:
            if driver not in self.knows:
                self.add_driver(driver, device_id)
            self.attach(bdf, driver, interface)
        return bdf

    def put_in_group(self, bdf, group, name=None):
        place = f"/sys/kernel/iommu_groups/{group}"
        self.link(f"{place}/devices/{bdf}", f"/sys/devices/pci0000:00/{bdf}")
        self.link(f"/sys/devices/pci0000:00/{bdf}/iommu_group", place)
        self.put(f"{place}/type", "DMA-FQ")
        if name:
            self.put(f"{place}/name", name)

    def add_process(self, pid, command, *open_files):
        self.put(f"/proc/{pid}/comm", command)
        self.file(f"/proc/{pid}/fd").mkdir()
        for number, name in enumerate(open_files):
            self.file(f"/proc/{pid}/fd/{number}").symlink_to(name)

    def add_route(self, interface, destination="00000000", mask="00000000"):
        if not self.exists("/proc/net/route"):
            self.put("/proc/net/route", "Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT")
        self.put("/proc/net/route", self.read("/proc/net/route") +
                 f"\n{interface}\t{destination}\t0102000A\t0003\t0\t0\t0\t{mask}\t0\t0\t0")

    def unplug(self, bdf):
        self.file(f"{PCI}/devices/{bdf}").unlink()
        shutil.rmtree(self.file(f"/sys/devices/pci0000:00/{bdf}"))

    def driver(self, bdf):
        return self.link_name(f"{PCI}/devices/{bdf}/driver")

    def override(self, bdf):
        return self.read(f"{PCI}/devices/{bdf}/driver_override")

    # ---- what the kernel does ---------------------------------------------------------------------------------------

    def attach(self, bdf, driver, interface=None):
        device = f"{PCI}/devices/{bdf}"
        self.link(f"{device}/driver", f"{PCI}/drivers/{driver}")
        if driver == "vfio-pci":
            self.attach_vfio(bdf, device)
        elif driver in ("uio_pci_generic", "igb_uio"):
            self.file(f"{device}/uio/uio0").mkdir(parents=True)
            self.put("/dev/uio0", "")
        elif driver == "pollux_udd_pci":
            for end in ("", ",mapper0", ",mapper3"):
                self.put(f"/dev/rtdm/pollux-{bdf}{end}", "")
        else:
            name = interface or "eth" + str(int(bdf.split(":")[2].split(".")[0], 16))
            self.put(f"{device}/net/{name}/flags", "0x1002")
            self.put(f"{device}/net/{name}/ifindex", "7")
            self.link(f"{device}/net/{name}/device", f"/sys/devices/pci0000:00/{bdf}")
            self.link(f"/sys/class/net/{name}", f"/sys/devices/pci0000:00/{bdf}/net/{name}")

    def attach_vfio(self, bdf, device):
        if not self.exists(f"{device}/iommu_group"):
            self.put_in_group(bdf, 0, "vfio-noiommu")
        fake = self.read(f"{device}/iommu_group/name") == "vfio-noiommu"
        self.put(f"/dev/vfio/{'noiommu-' if fake else ''}{self.link_name(device + '/iommu_group')}", "")
        self.file(f"{device}/vfio-dev/vfio{self.vfio_numbers}").mkdir(parents=True)
        self.vfio_numbers += 1

    def detach(self, bdf):
        device = f"{PCI}/devices/{bdf}"
        for name in self.names_in(f"{device}/net"):
            self.file(f"/sys/class/net/{name}").unlink()
        for name in self.names_in("/dev/rtdm"):
            if name.startswith(f"pollux-{bdf}"):
                self.file(f"/dev/rtdm/{name}").unlink()
        for child in ("net", "uio", "vfio-dev"):
            shutil.rmtree(self.file(f"{device}/{child}"), ignore_errors=True)
        self.file(f"{device}/driver").unlink()

    def matches(self, bdf, driver):
        device = f"{PCI}/devices/{bdf}"
        if (override := self.override(bdf)) != "(null)":
            return override == driver
        ids = f"{self.number(device + '/vendor'):04x}:{self.number(device + '/device'):04x}"
        return ids in self.knows.get(driver, ())

    def probe(self, bdf, driver):
        if (driver, bdf) in self.refuse:
            raise OSError(self.refuse[driver, bdf], "refused")
        device = f"{PCI}/devices/{bdf}"
        if driver == "vfio-pci" and not self.exists(f"{device}/iommu_group") and self.read(NOIOMMU) != "Y":
            raise OSError(errno.EINVAL, "no IOMMU")
        self.attach(bdf, driver)

    def write(self, name, text):
        self.writes.append((name, text))
        if self.fail_at == len(self.writes):
            raise self.failure
        if not self.exists(name):
            raise FileNotFoundError(errno.ENOENT, "gone")
        *_, folder, verb = name.split("/")
        if verb == "driver_override":
            self.put(name, text.strip("\n") or "(null)")
        elif verb in ("bind", "unbind"):
            self.bind_or_unbind(folder, verb, text)
        elif verb == "drivers_probe":
            self.drivers_probe(text)
        else:
            self.put(name, text)

    def bind_or_unbind(self, driver, verb, bdf):
        if not self.exists(f"{PCI}/devices/{bdf}"):
            raise OSError(errno.ENODEV, "no such device")
        has = self.driver(bdf)
        if verb == "unbind":
            if has != driver:
                raise OSError(errno.ENODEV, "not bound to it")
            self.detach(bdf)
        elif has is not None:
            raise OSError(errno.EBUSY, "bound already")
        elif not self.matches(bdf, driver):
            raise OSError(errno.ENODEV, "no match")
        else:
            self.probe(bdf, driver)

    def drivers_probe(self, bdf):
        if self.driver(bdf) is None:
            for driver in self.knows:
                if self.matches(bdf, driver):
                    try:
                        self.probe(bdf, driver)
                    except OSError:
                        continue  # the kernel tells nobody
                    return

    def modprobe(self, module):
        name = module.replace("_", "-") if module == "vfio_pci" else module
        if name not in self.loadable:
            return f"modprobe: FATAL: Module {module} not found in directory /lib/modules/{RELEASE}"
        self.loaded.append(name)
        if self.loadable[name] is None:
            return ""  # a module of another kind
        if not self.exists(f"{PCI}/drivers/{name}"):
            self.add_driver(name, *self.loadable[name])
        return ""

    # ---- the calling user -------------------------------------------------------------------------------------------

    def user_id(self):
        return 0 if self.root_user else 1000

    def may(self, name, mode):
        return self.root_user and self.exists(name)

    def owner(self, name):
        return self.owners.get(name, (0, 0))

    def chown(self, name, uid, gid):
        if self.chown_fails in (True, name):
            raise PermissionError(errno.EPERM, "no")
        self.owners[name] = (uid, gid)

    def user_name(self):
        return "root" if self.root_user else "alice"

    def memlock_limit(self):
        return self.memlock

    def wakeup_limit(self):
        return self.wakeup

    def ipv4_address(self, interface):
        return self.addresses.get(interface)

    def settle(self):
        pass


NOIOMMU = "/sys/module/vfio/parameters/enable_unsafe_noiommu_mode"

"""Builds a kernel module that Debian has as source only, for one of the lab's kernels, in a copy of the lab's root."""

import glob
import os

from . import recipe
from .commands import CopyOfRoot, check_rights

NEEDED_BYTES = 3 << 30


def check_host(directory):
    check_rights(directory, "modules", "module NAME", NEEDED_BYTES)


class ModuleBuilder(CopyOfRoot):
    """Makes `directory`: what lies over the kernel's directory of modules so that modprobe finds the module too, that is
    updates/NAME.ko and depmod's files; and version. Works in `directory`/root meanwhile."""

    def __init__(self, lab_root, name, release, directory, log):
        super().__init__(lab_root, directory, log)
        self.name = name
        self.release = release

    def build(self):
        self.step("copy of the lab's root", self.copy_root)
        self.step("package lists", self.update_lists)
        self.step("compiler", self.install, recipe.MODULE_TOOLS)
        self.hint = ("if the archive has these headers no more, it has a newer kernel: `lab build --force` takes that; "
                     "else check the network and the mirror")
        self.step(f"headers of Linux {self.release}", self.install, [f"linux-headers-{self.release}"])
        self.step("source", self.unpack_source)
        self.hint = f"{self.name} is not made for Linux {self.release}, it seems: use another --kernel"
        self.step(self.name, self.compile)
        self.collect()

    def unpack_source(self):
        package = recipe.MODULES[self.name]
        self.chroot(["sh", "-euc", 'mkdir /download && cd /download && apt-get -q download "$1" && dpkg-deb -x ./*.deb . && '
                     "mv usr/src/* /module && dpkg-deb -W --showformat='${Package} ${Version}\\n' ./*.deb > version", "sh", package])
        os.rename(f"{self.root}/download/version", f"{self.directory}/version")

    def compile(self):
        self.chroot(["make", "-C", f"/lib/modules/{self.release}/build", "M=/module", "modules"])

    def collect(self):
        modules = f"{self.root}/usr/lib/modules/{self.release}"
        os.makedirs(f"{modules}/updates", exist_ok=True)
        os.rename(f"{self.root}/module/{self.name}.ko", f"{modules}/updates/{self.name}.ko")
        self.chroot(["depmod", self.release])
        for path in (f"{modules}/updates", *glob.glob(f"{glob.escape(modules)}/modules.*")):
            os.rename(path, f"{self.directory}/{os.path.basename(path)}")
        self.command(["rm", "-r", self.root])

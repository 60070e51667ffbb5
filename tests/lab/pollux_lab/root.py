"""Builds the lab's own Debian root: debootstrap, packages, kernels."""

import os
import re
import shutil

from . import mirror, recipe
from .commands import Commands, check_rights
from .say import LabError

HOST_TOOLS = {"debootstrap": "debootstrap", "unshare": "util-linux"}
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
NEEDED_BYTES = 4 << 30

# Nobody reads manuals in the root, and an interrupted build is thrown away: no fsync.
DPKG_OPTIONS = """force-unsafe-io
path-exclude=/usr/share/doc/*
path-exclude=/usr/share/man/*
path-exclude=/usr/share/info/*
path-exclude=/usr/share/locale/*
"""


def check_host(directory):
    """Raises, naming the apt-get line, when this machine cannot build a root."""
    missing = sorted({package for tool, package in HOST_TOOLS.items() if not shutil.which(tool)})
    if not os.path.exists(KEYRING):
        missing.append("debian-archive-keyring")
    if missing:
        raise LabError(f"building the lab's root needs {', '.join(missing)}",
                       f"apt-get install --no-install-recommends {' '.join(missing)}")
    check_rights(directory, "root", "build", NEEDED_BYTES)


class Builder(Commands):
    """Makes one root in `root`."""

    def build(self):
        self.step(f"debootstrap {recipe.SUITE}", self.bootstrap)
        self.step("package lists", self.configure_apt)
        self.step("tools and DPDK", self.install, recipe.PACKAGES)
        self.step(f"QEMU from {recipe.BACKPORTS}", self.install, recipe.PACKAGES_FROM_BACKPORTS, recipe.BACKPORTS)
        for metapackage, suite in recipe.KERNELS:
            self.step(f"kernel of {suite}", self.unpack_kernel, metapackage, suite)
        self.step("checking QEMU", self.check_qemu)
        self.clean_up()

    def bootstrap(self):
        chosen = mirror.mirror()
        self.command(["debootstrap", "--variant=minbase", recipe.SUITE, self.root] + ([chosen] if chosen else []))

    def configure_apt(self):
        """Adds backports of the same archive, the host's proxies, and forbids starting services."""
        uri = next(mirror.entries(self.root))[0]  # what debootstrap has used
        self.write("etc/apt/sources.list",
                   "".join(f"deb {uri} {suite} main\n" for suite in (recipe.SUITE, recipe.BACKPORTS)))
        self.write("etc/apt/apt.conf.d/99lab", "".join(line + "\n" for line in self.proxies))
        self.write("etc/dpkg/dpkg.cfg.d/lab", DPKG_OPTIONS)
        self.write("usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n", mode=0o755)
        self.update_lists()

    def unpack_kernel(self, metapackage, suite):
        for package in self.kernel_parts(metapackage, suite):
            self.chroot(["sh", "-c", 'cd /tmp && apt-get -q download "$1" && dpkg-deb -x ./*.deb / && rm ./*.deb', "sh", package])
        for version in os.listdir(f"{self.root}/usr/lib/modules"):
            self.chroot(["depmod", version])

    def kernel_parts(self, metapackage, suite):
        """The packages behind `metapackage` of `suite` that hold the kernel's image and modules."""
        rows = [line.split(" | ") for line in self.chroot(["apt-cache", "madison", metapackage])]
        versions = [row[1].strip() for row in rows if f" {suite}/main " in row[2]]
        if not versions:
            raise LabError(f"the archive has no {metapackage} in {suite}", "set POLLUX_LAB_MIRROR to a full Debian mirror")
        pending, parts = [f"{metapackage}={versions[0]}"], []
        while pending:
            for line in self.chroot(["apt-cache", "show", pending.pop()]):
                if line.startswith("Depends:"):
                    found = re.findall(recipe.KERNEL_PARTS + r"[^\s,]*", line)
                    pending += [part for part in found if part not in parts]
                    parts += [part for part in found if part not in parts]
        return parts

    def check_qemu(self):
        known = "".join(self.chroot(["qemu-system-x86_64", "-device", "help"]))
        missing = [model for model in recipe.QEMU_DEVICES if f'name "{model}"' not in known]
        if missing:
            raise LabError(f"the QEMU of {recipe.BACKPORTS} does not know {', '.join(missing)}",
                           "set POLLUX_LAB_MIRROR to an up-to-date Debian mirror")

    def clean_up(self):
        self.chroot(["apt-get", "clean"])
        shutil.rmtree(f"{self.root}/var/lib/apt/lists")

"""Builds the lab's own kernel from Debian's source and kernel.config, in a copy of the lab's root with a compiler."""

import os
import re

from . import kernel, recipe
from .commands import CopyOfRoot, check_rights
from .say import LabError, say

NEEDED_BYTES = 5 << 30

# Headers of a driver nobody builds here: a third of the source.
LEFT_OUT = "*/drivers/gpu/drm/amd/include"


def check_host(directory):
    check_rights(directory, "kernel", "kernel", NEEDED_BYTES)


class KernelBuilder(CopyOfRoot):
    """Makes `directory` with the image, config, version and lib/modules/RELEASE; works in `directory`/root meanwhile."""

    def build(self):
        self.step("copy of the lab's root", self.copy_root)
        self.step("package lists", self.update_lists)
        self.step("compiler", self.install, recipe.KERNEL_TOOLS)
        self.step("source", self.unpack_source)
        self.hint = "the end of the log has more; `lab kernel` tries again"
        self.step("configuration", self.configure)
        self.step("kernel and modules", self.compile)
        self.step("installing", self.collect)

    def unpack_source(self):
        package, version = newest_source(self.chroot(["apt-cache", "madison", recipe.KERNEL_SOURCE]))
        say(f"  {package} {version}")
        with open(f"{self.directory}/version", "w", encoding="utf-8") as file:
            file.write(f"{package} {version}\n")
        self.chroot(["sh", "-euc", 'mkdir /build /output && cd /output && apt-get -q download "$1" && '
                     "dpkg-deb --fsys-tarfile ./*.deb | tar -xO --wildcards './usr/src/linux-source-*.tar.xz' > source.tar.xz && "
                     'rm ./*.deb && tar -xf source.tar.xz -C /build --strip-components=1 --exclude="$2" && rm source.tar.xz',
                     "sh", f"{package}={version}", LEFT_OUT])

    def configure(self):
        with open(recipe.KERNEL_CONFIG, encoding="utf-8") as file:
            wanted = file.read()
        self.write("output/wanted", wanted)
        self.make("-s", "KCONFIG_ALLCONFIG=/output/wanted", "allnoconfig")
        with open(f"{self.root}/build/.config", encoding="utf-8") as file:
            refused = refused_lines(wanted, file.read())
        if refused:
            raise LabError(f"this kernel's source refuses {', '.join(refused)}",
                           "a dependency is missing or a name has changed: mend pollux_lab/kernel.config")

    def compile(self):
        self.make(f"-j{len(os.sched_getaffinity(0))}", "bzImage", "modules")

    def collect(self):
        self.make("-s", "INSTALL_MOD_PATH=/output", "INSTALL_MOD_STRIP=1", "modules_install")
        for source, target in (("build/arch/x86/boot/bzImage", kernel.OWN_IMAGE), ("build/.config", "config"), ("output/lib", "lib")):
            os.rename(f"{self.root}/{source}", f"{self.directory}/{target}")
        release = kernel.release_of(f"{self.directory}/{kernel.OWN_IMAGE}")
        os.unlink(f"{self.directory}/lib/modules/{release}/build")
        self.command(["rm", "-r", self.root])

    def make(self, *arguments):
        self.chroot(["make", "-C", "/build", "KBUILD_BUILD_USER=lab", "KBUILD_BUILD_HOST=pollux", *arguments])


def newest_source(rows):
    """(package, version) of the newest kernel source in `apt-cache madison linux-source`: 7.3.4-1 is in linux-source-7.3."""
    versions = [row.split("|")[1].strip() for row in rows if "|" in row]
    if not versions:
        raise LabError(f"the archive has no {recipe.KERNEL_SOURCE}", "set POLLUX_LAB_MIRROR to a full Debian mirror")
    newest = max(versions, key=kernel.version_key)
    return f"{recipe.KERNEL_SOURCE}-{re.match(r'[0-9]+[.][0-9]+', newest)[0]}", newest


def refused_lines(wanted, config):
    """The lines of `wanted` that are not so in `config`. What is not mentioned there is not set."""
    settings = re.findall(r"^(?:CONFIG_\w+=.*|# CONFIG_\w+ is not set)$", wanted, re.MULTILINE)
    got = set(config.splitlines())
    names = {re.search(r"CONFIG_\w+", line)[0] for line in got if line.startswith("CONFIG_")}
    return [line for line in settings
            if line not in got and (line.startswith("CONFIG_") or re.search(r"CONFIG_\w+", line)[0] in names)]

"""Builds the lab's own Debian root: debootstrap, packages, kernels."""

import os
import re
import shlex
import shutil
import signal
import subprocess
import time

from . import mirror, recipe
from .say import LabError, Progress, say

HOST_TOOLS = {"debootstrap": "debootstrap", "unshare": "util-linux"}
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
NEEDED_BYTES = 4 << 30

APT_OPTIONS = ["-y", "-q", "--no-install-recommends", "-o", "Acquire::Retries=3", "-o", "APT::Sandbox::User=root"]

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
    if os.geteuid() != 0:
        raise LabError("building the lab's root needs root (debootstrap, chroot)",
                       "run `lab build` once as root; `lab run` then works for everyone who can read the cache")
    free = shutil.disk_usage(directory).free
    if free < NEEDED_BYTES:
        raise LabError(f"{directory} has {free >> 20} MiB free, the build needs {NEEDED_BYTES >> 20}",
                       "free some space, or set POLLUX_LAB_CACHE to a directory with more")


class Builder:
    """Makes one root in `root`; every command's output goes to `log`."""

    def __init__(self, root, log):
        self.root = root
        self.log = log
        self.progress = Progress()
        self.proxies = mirror.host_proxy_settings()
        self.environment = {
            **os.environ, **mirror.proxy_environment(self.proxies),
            "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C", "HOME": "/root",
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        }

    def build(self):
        self.step(f"debootstrap {recipe.SUITE}", self.bootstrap)
        self.step("package lists", self.configure_apt)
        self.step("tools and DPDK", self.install, recipe.PACKAGES)
        self.step(f"QEMU from {recipe.BACKPORTS}", self.install, recipe.PACKAGES_FROM_BACKPORTS, recipe.BACKPORTS)
        for metapackage, suite in recipe.KERNELS:
            self.step(f"kernel of {suite}", self.unpack_kernel, metapackage, suite)
        self.step("checking QEMU", self.check_qemu)
        self.clean_up()

    def step(self, title, action, *arguments):
        begun = time.monotonic()
        action(*arguments)
        self.progress.clear()
        say(f"  {title}: {time.monotonic() - begun:.0f} s")

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
        self.chroot(["apt-get", "-q", "-o", "APT::Sandbox::User=root", "update"])

    def install(self, packages, suite=recipe.SUITE):
        self.chroot(["apt-get", "install", "-t", suite, *APT_OPTIONS, *packages])

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

    def write(self, path, content, mode=0o644):
        with open(f"{self.root}/{path}", "w", encoding="utf-8") as file:
            file.write(content)
            os.fchmod(file.fileno(), mode)

    def chroot(self, arguments):
        return self.command(["chroot", self.root, *arguments])

    def command(self, arguments):
        """Runs one step and returns its output's lines. A mount namespace of its own: whatever
        maintainer scripts or debootstrap mount is gone when the command ends, however it ends."""
        self.log.write(f"+ {shlex.join(arguments)}\n")
        lines = []
        process = subprocess.Popen(["unshare", "--mount", *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, text=True, errors="replace", env=self.environment,
                                   start_new_session=True)
        try:
            for line in process.stdout:
                lines.append(line)
                self.log.write(line)
                self.progress.show(line)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
        finally:
            process.wait()
            process.stdout.close()
        if process.returncode != 0:
            self.progress.clear()
            raise CommandFailed(arguments, process.returncode, lines[-15:])
        return lines


class CommandFailed(LabError):
    """One command of the build failed; carries the end of what it printed."""

    def __init__(self, arguments, status, tail):
        text = "".join(f"\n       | {line.rstrip()}" for line in tail)
        super().__init__(f"`{shlex.join(arguments)}` failed with status {status}:{text}",
                         "check the network and the mirror (POLLUX_LAB_MIRROR overrides it), then run `lab build` again")

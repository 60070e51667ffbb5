"""Runs the commands of a build in a chroot: logged, shown as progress, and ended when the lab ends."""

import os
import shlex
import shutil
import signal
import subprocess
import time

from . import mirror, recipe
from .say import LabError, Progress, die_with_parent, say

APT_OPTIONS = ["-y", "-q", "--no-install-recommends", "-o", "Acquire::Retries=3", "-o", "APT::Sandbox::User=root"]

# A command runs in namespaces of its own: what it mounts or leaves running is gone when it ends, however
# that comes about, also when the lab is killed.
NAMESPACES = ["unshare", "--mount", "--pid", "--fork", "--kill-child"]


def check_rights(directory, what, command, needed_bytes):
    """Raises when the lab's `what` cannot be built in `directory` by `lab command`."""
    if os.geteuid() != 0:
        raise LabError(f"building the lab's {what} needs root (it works in a chroot)",
                       f"run `lab {command}` once as root; `lab run` then works for everyone who can read the cache")
    free = shutil.disk_usage(directory).free
    if free < needed_bytes:
        raise LabError(f"{directory} has {free >> 20} MiB free, the build needs {needed_bytes >> 20}",
                       "free some space, or set POLLUX_LAB_CACHE to a directory with more")


class Commands:
    """The commands of one build, most of them inside `root`; all they print goes to `log`."""

    def __init__(self, root, log):
        self.root = root
        self.log = log
        self.hint = "check the network and the mirror (POLLUX_LAB_MIRROR overrides it), then run the same command again"
        self.progress = Progress()
        self.proxies = mirror.host_proxy_settings()
        self.environment = {
            **os.environ, **mirror.proxy_environment(self.proxies),
            "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C", "HOME": "/root",
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        }

    def step(self, title, action, *arguments):
        begun = time.monotonic()
        action(*arguments)
        self.progress.clear()
        say(f"  {title}: {time.monotonic() - begun:.0f} s")

    def update_lists(self):
        self.chroot(["apt-get", "-q", "-o", "APT::Sandbox::User=root", "update"])

    def install(self, packages, suite=recipe.SUITE):
        self.chroot(["apt-get", "install", "-t", suite, *APT_OPTIONS, *packages])

    def write(self, path, content, mode=0o644):
        with open(f"{self.root}/{path}", "w", encoding="utf-8") as file:
            file.write(content)
            os.fchmod(file.fileno(), mode)

    def chroot(self, arguments):
        return self.command(["chroot", self.root, *arguments], [f"--mount-proc={self.root}/proc"])

    def command(self, arguments, namespace_options=()):
        """Runs one step and returns its output's lines."""
        self.log.write(f"+ {shlex.join(arguments)}\n")
        lines = []
        process = subprocess.Popen([*NAMESPACES, *namespace_options, *arguments], stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                                   env=self.environment, start_new_session=True, preexec_fn=die_with_parent)
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
            raise CommandFailed(arguments, process.returncode, lines[-15:], self.hint)
        return lines


class CopyOfRoot(Commands):
    """The commands of a build that works in `directory`/root, a copy of the lab's root."""

    def __init__(self, lab_root, directory, log):
        super().__init__(f"{directory}/root", log)
        self.lab_root = lab_root
        self.directory = directory

    def copy_root(self):
        os.mkdir(self.directory, 0o755)
        self.command(["cp", "-a", "--reflink=auto", self.lab_root, self.root])


class CommandFailed(LabError):
    """One command of the build failed; carries the end of what it printed."""

    def __init__(self, arguments, status, tail, hint):
        text = "".join(f"\n       | {line.rstrip()}" for line in tail)
        super().__init__(f"`{shlex.join(arguments)}` failed with status {status}:{text}", hint)

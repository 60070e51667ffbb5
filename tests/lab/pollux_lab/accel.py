"""Decides between KVM and emulation by trying: /dev/kvm may exist and still never run a guest."""

import contextlib
import os
import subprocess
import tempfile

from . import cache, cpio, kernel, qemu
from .say import say

MARKER = b"POLLUX-LAB-KVM-WORKS"
LIMIT = 10  # seconds; a guest that boots under KVM needs about one

PROBE_INIT = b"""#!/bin/busybox sh
/bin/busybox echo %s
/bin/busybox poweroff -f
""" % MARKER


def choose(root, wanted):
    """'tcg' or 'kvm'."""
    if wanted != "auto":
        return wanted
    return "kvm" if kvm_works(root) else "tcg"


def kvm_works(root):
    """Asked once per boot of this machine; the answer is kept in the cache."""
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return False
    answer = remembered()
    if answer is None:
        say(f"trying KVM (once per boot of this machine, at most {LIMIT} s)")
        answer = probe(root)
        say("KVM works" if answer else "KVM does not run a guest here; using emulation (tcg)")
        remember(answer)
    return answer


def probe(root):
    """Boots a kernel under KVM to a one-line init and looks for the line."""
    with tempfile.TemporaryDirectory(prefix="pollux-lab-kvm-") as directory:
        archive = cpio.Archive()
        for name in ("bin", "dev"):
            archive.directory(name)
        with open(f"{root}/usr/bin/busybox", "rb") as file:
            archive.file("bin/busybox", file.read(), 0o755)
        archive.file("init", PROBE_INIT, 0o755)
        initrd = f"{directory}/initrd"
        with open(initrd, "wb") as file:
            file.write(archive.bytes())
        command = [*qemu.base(root, "kvm", 1, 512), *qemu.iommu(False), "-serial", "stdio",
                   "-kernel", kernel.installed(root)[0].image, "-initrd", initrd, "-append", "console=ttyS0 panic=-1"]
        output = f"{directory}/output"
        with open(output, "wb") as file:
            ended = run_briefly(command, qemu.environment(root), file)
        with open(output, "rb") as file:
            return ended and MARKER in file.read()


def run_briefly(command, environment, output):
    """Did the command end within LIMIT? Never waits longer, not even for one that cannot be killed."""
    process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.DEVNULL,
                               start_new_session=True)
    try:
        process.wait(LIMIT)
        return True
    except subprocess.TimeoutExpired:
        return False
    finally:
        process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(LIMIT / 5)


def boot_id():
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        return file.read().strip()


def answer_path():
    return os.path.join(cache.directory(), "kvm")


def remembered():
    """True or False from an earlier probe of this boot, None if there was none."""
    try:
        with open(answer_path(), encoding="ascii") as file:
            boot, answer = file.read().split()
    except (OSError, ValueError):
        return None
    return answer == "works" if boot == boot_id() else None


def remember(answer):
    try:
        with open(answer_path(), "w", encoding="ascii") as file:
            file.write(f"{boot_id()} {'works' if answer else 'fails'}\n")
    except PermissionError:
        pass  # a user who may only read the cache probes each time

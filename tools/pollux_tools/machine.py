# SPDX-License-Identifier: BSD-3-Clause
"""Machine: the files of the kernel, below an injectable root, and the few calls that change something.

Reads never raise: what is absent or forbidden is None or empty. Writes raise OSError.
"""
import fcntl
import os
import pwd
import resource
import socket
import struct
import subprocess


class Machine:
    """With another root than "/", only files are read and written: no module is loaded, no interface asked."""

    def __init__(self, root="/"):
        self.root = root.rstrip("/")

    def path(self, name):
        return self.root + name

    # ---- reading --------------------------------------------------------------------------------------------------

    def exists(self, name):
        return os.path.exists(self.path(name))

    def is_link(self, name):
        return os.path.islink(self.path(name))

    def read(self, name):
        """The text of a file without its last line end; None when it cannot be read."""
        try:
            with open(self.path(name), encoding="utf-8", errors="replace") as file:
                return file.read().rstrip("\n\0")
        except OSError:
            return None

    def lines(self, name):
        return (self.read(name) or "").splitlines()

    def read_bytes(self, name, count):
        """The first bytes of a file, possibly fewer than `count`; none when it cannot be read."""
        try:
            with open(self.path(name), "rb") as file:
                return file.read(count)
        except OSError:
            return b""

    def number(self, name):
        """A file's number, as C reads it (0x.. is hexadecimal); None when there is none."""
        text = self.read(name)
        try:
            return int(text, 0) if text is not None else None
        except ValueError:
            return None

    def names_in(self, name):
        """Sorted names in a directory; empty when it cannot be read."""
        try:
            return sorted(os.listdir(self.path(name)))
        except OSError:
            return []

    def link_name(self, name):
        """The last part of what a symbolic link points to; None when it is none."""
        try:
            return os.path.basename(os.readlink(self.path(name)))
        except OSError:
            return None

    def real_path(self, name):
        """Where a path leads when all links are followed, without the root."""
        return os.path.realpath(self.path(name))[len(os.path.realpath(self.root or "/").rstrip("/")):]

    def owner(self, name):
        """(uid, gid) of a file; None when it is not there."""
        try:
            status = os.stat(self.path(name))
        except OSError:
            return None
        return status.st_uid, status.st_gid

    def may(self, name, mode):
        """Whether the calling user may access a file; mode as for os.access."""
        return os.access(self.path(name), mode)

    def user_id(self):
        return os.geteuid()

    def user_name(self):
        try:
            return pwd.getpwuid(os.getuid()).pw_name
        except KeyError:
            return str(os.getuid())

    def memlock_limit(self):
        """How much memory the calling user may lock [bytes]; None: any."""
        limit, _ = resource.getrlimit(resource.RLIMIT_MEMLOCK)
        return None if limit == resource.RLIM_INFINITY else limit

    def wakeup_limit(self):
        """What /dev/cpu_dma_latency is held at by whoever holds it [us]; None when not known."""
        value = self.read_bytes("/dev/cpu_dma_latency", 4)
        return int.from_bytes(value, "little", signed=True) if len(value) == 4 else None

    def release(self):
        """The running kernel's version."""
        return self.read("/proc/sys/kernel/osrelease") or ""

    def ipv4_address(self, interface):
        """The interface's first IPv4 address; None without one."""
        if self.root:
            return None
        request = struct.pack("256s", os.fsencode(interface)[:15])
        get_address = 0x8915  # SIOCGIFADDR
        try:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
                return socket.inet_ntoa(fcntl.ioctl(any_socket, get_address, request)[20:24])
        except OSError:
            return None

    # ---- changing -------------------------------------------------------------------------------------------------

    def write(self, name, text):
        """One write(), as sysfs wants it; the file must be there."""
        fd = os.open(self.path(name), os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(fd, text.encode())
        finally:
            os.close(fd)

    def save(self, name, text):
        """Creates or replaces an ordinary file: all of the new text or all of the old, whatever happens."""
        path = self.path(name)
        os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
        with open(path + ".new", "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(path + ".new", path)

    def remove(self, name):
        try:
            os.unlink(self.path(name))
        except FileNotFoundError:
            pass

    def chown(self, name, uid, gid):
        """-1: as it is."""
        os.chown(self.path(name), uid, gid)

    def modprobe(self, module):
        """Loads a module with what it needs. Returns why that failed; empty when it did not."""
        if self.root:
            return f"no module is loaded below {self.root}"
        try:
            result = subprocess.run(["modprobe", module], capture_output=True, text=True, check=False,
                                    env=dict(os.environ, PATH=os.environ.get("PATH", "") + ":/usr/sbin:/sbin"))
        except OSError as error:
            return f"modprobe: {error.strerror}"
        last = (result.stderr.strip().splitlines() or [f"modprobe ended with status {result.returncode}"])[-1]
        return last if result.returncode else ""

    def settle(self):
        """Waits until udev, where there is one, has seen new nodes: it would change their owner after us."""
        try:
            subprocess.run(["udevadm", "settle", "--timeout=5"], capture_output=True, check=False)
        except OSError:
            pass

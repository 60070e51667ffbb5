"""Runs one virtual machine from start to end: its channels, its deadline, how it ended."""

import collections
import contextlib
import os
import select
import selectors
import socket
import subprocess
import sys
import time

from .qmp import Qmp
from .say import EXIT_LAB, EXIT_TIMEOUT, LabError, die_with_parent, say

BOOT_LIMIT = 240       # seconds until the guest must be up; 8 are normal, a busy machine needs more
QUIT_LIMIT = 10        # seconds QEMU gets to end after it was told to
CHUNK = 1 << 18
ESCAPE = b"\x1d"       # Ctrl-]
LOG_LINES = 40

class Session:
    """One machine. `run()` returns PROGRAM's exit status, or raises LabError saying what happened."""

    def __init__(self, directory, options, nics):
        self.console = os.path.join(directory, "console")
        self.options = options
        self.nics = nics
        self.selector = selectors.DefaultSelector()
        self.mine, self.theirs = {}, {}
        for name in ("output", "status", "control", "qmp") + (("tty",) if options.terminal else ()):
            self.mine[name], self.theirs[name] = socket.socketpair()
        self.process = None
        self.qmp = None
        self.status = None       # PROGRAM's, once known
        self.up = False
        self.told_to_quit = None  # when, once PROGRAM has ended
        self.left = False        # the user left the shell with Ctrl-]
        self.begun = time.monotonic()
        self.complaints = collections.deque(maxlen=LOG_LINES)  # what QEMU itself says
        self.lines = {"status": b"", "control": b"", "stderr": b""}
        self.console_position = 0  # read so far, for -v
        self.boot_lines = 0        # of the kernel's log when the guest came up

    def descriptors(self):
        """Channel name -> the descriptor QEMU inherits."""
        return {name: end.fileno() for name, end in self.theirs.items()}

    def run(self, command, environment):
        try:
            self.start(command, environment)
            self.loop()
            return self.verdict()
        finally:
            self.stop()

    def start(self, command, environment):
        # A session of its own: Ctrl-C at the terminal is for the lab, which then ends QEMU.
        self.process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.PIPE, pass_fds=self.descriptors().values(),
                                        start_new_session=True, preexec_fn=die_with_parent)
        for end in self.theirs.values():
            end.close()
        self.qmp = Qmp(self.mine["qmp"])
        for name, end in self.mine.items():
            self.selector.register(end, selectors.EVENT_READ, name)
        self.selector.register(self.process.stderr, selectors.EVENT_READ, "stderr")
        if self.options.terminal:
            self.selector.register(sys.stdin, selectors.EVENT_READ, "keys")

    def loop(self):
        """Until QEMU has closed every channel, so that no output is left behind."""
        while any(key.data != "keys" for key in self.selector.get_map().values()):
            ready = self.selector.select(self.patience())
            for key, _ in ready:
                self.readable(key)
            self.show_console()
            if self.left or (self.told_to_quit and not ready and time.monotonic() - self.told_to_quit > QUIT_LIMIT):
                return

    def patience(self):
        """Seconds to wait for events now; raises when time is up."""
        elapsed = time.monotonic() - self.begun
        if elapsed > self.options.timeout:
            raise self.failure(f"timeout: still running after {self.options.timeout:g} s; the machine was killed", EXIT_TIMEOUT)
        if not self.up and elapsed > BOOT_LIMIT:
            raise self.failure(f"the guest did not come up within {BOOT_LIMIT} s")
        remaining = self.options.timeout - elapsed
        return min(remaining, 0.2 if self.options.verbose else 5) + 0.001

    def readable(self, key):
        data = read_some(key.fd)
        if not data:
            self.selector.unregister(key.fileobj)
        elif key.data in ("output", "tty"):
            write_all(sys.stdout.fileno(), data)
        elif key.data == "keys":
            self.typed(data)
        elif key.data == "qmp":
            self.qmp.receive(data)
        else:
            *lines, self.lines[key.data] = (self.lines[key.data] + data).split(b"\n")
            for line in lines:
                getattr(self, f"{key.data}_line")(line.decode(errors="replace"))

    def typed(self, data):
        before, escape, _ = data.partition(ESCAPE)
        self.mine["tty"].sendall(before)
        self.left = bool(escape)

    def status_line(self, line):
        """The guest's report: `up`, then `exit N`."""
        if line == "up":
            self.up = True
            self.boot_lines = len(self.console_lines())
            say(f"up in {time.monotonic() - self.begun:.1f} s")
        elif line.startswith("exit "):
            self.status = int(line.split()[1])
            self.told_to_quit = time.monotonic()
            self.qmp.execute("quit")

    def control_line(self, line):
        """labctl's request, answered with `ok` or what went wrong."""
        match line.split():
            case [_, number, *_] if number not in map(str, range(len(self.nics))):
                self.answer(f"there is no NIC {number}; this machine has {len(self.nics)}, counted from 0")
            case ["link", number, ("up" | "down") as state]:
                self.qmp.execute("set_link", {"name": self.nics[int(number)].id, "up": state == "up"}, self.answer)
            case ["unplug", number] if not self.nics[int(number)].hotplug:
                self.answer(f"NIC {number} is on the root bus and cannot be unplugged; start the lab with --nic MODEL,hotplug=on")
            case ["unplug", number]:
                self.qmp.remove_device(self.nics[int(number)].id, self.answer)
            case _:
                self.answer(f"'{line}' is no request: link N up|down, unplug N")

    def answer(self, error):
        self.mine["control"].sendall(f"{error or 'ok'}\n".encode())

    def stderr_line(self, line):
        self.complaints.append(line)
        if self.options.verbose:
            say(f"qemu: {line}")

    def show_console(self):
        """With -v, what the guest's kernel has printed since the last time."""
        if self.options.verbose and os.path.exists(self.console):
            with open(self.console, "rb") as file:
                file.seek(self.console_position)
                for line in file:
                    if line.endswith(b"\n"):
                        self.console_position += len(line)
                        print("guest:", line.decode(errors="replace").rstrip(), file=sys.stderr, flush=True)

    def verdict(self):
        """How it ended, now that every channel is closed."""
        if self.left:
            say("left the shell; the machine was ended")
            return 0
        if self.status is not None:
            say(f"exit {self.status} after {time.monotonic() - self.begun:.1f} s")
            return self.status
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(QUIT_LIMIT)
        if self.process.returncode != 0 or not os.path.exists(self.console):
            raise self.failure(f"QEMU ended with status {self.process.returncode}", complaints=True)
        panic = next((line for line in self.console_lines() if "Kernel panic" in line), None)
        if panic:
            raise self.failure(f"the guest's kernel panicked: {panic}")
        raise self.failure("the guest shut down before PROGRAM ended")

    def failure(self, message, status=EXIT_LAB, complaints=False):
        """A LabError with what is known: QEMU's own words, or the kernel's since the guest was up."""
        if complaints:
            title, lines = "QEMU said", self.complaints
        else:
            title, lines = "the guest's kernel said last", self.console_lines()[self.boot_lines:][-LOG_LINES:]
        text = "".join(f"\n     | {line}" for line in lines)
        return LabError(f"{message}\nlab: {title}:{text or ' nothing'}", status=status)

    def console_lines(self):
        try:
            with open(self.console, "rb") as file:
                return [line.decode(errors="replace").rstrip() for line in file]
        except FileNotFoundError:
            return []

    def stop(self):
        """No QEMU survives this, whatever happened."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process.stderr.close()
        for end in (*self.mine.values(), *self.theirs.values()):
            end.close()
        self.selector.close()


def read_some(descriptor):
    """What has arrived; nothing at the end. A QEMU that quits with input unread resets the socket
    instead of closing it, after everything it had written was read."""
    try:
        return os.read(descriptor, CHUNK)
    except ConnectionResetError:
        return b""


def write_all(descriptor, data):
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(descriptor, view):]
        except BlockingIOError:  # somebody who shares it has made it non-blocking
            select.select([], [descriptor], [])

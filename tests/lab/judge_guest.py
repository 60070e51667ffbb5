# SPDX-License-Identifier: BSD-3-Clause
"""What the judges share in the guest: two cards that pollux-simnic serves, joined by a cable, each in a network namespace of
its own while the kernel has it, so that what one sends crosses both; and what is sent.
"""
import contextlib
import ctypes
import hashlib
import os
import pathlib
import re
import socket
import struct
import subprocess
import threading
import time

FULL = os.environ.get("POLLUX_JUDGE_FULL") == "1"
NIC = os.environ.get("POLLUX_JUDGE_NIC", "82599")
PATIENCE = 120  # seconds for what must happen; generous, the machine may be slow
ETHERTYPE = 0x88B5  # for experiments
NAMESPACES = ("near", "far")
LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET = 0x40000000

# What the kernel says when something is wrong.
BAD_WORDS = re.compile(r"WARNING:|BUG:|Oops|Call Trace|Hardware Error|Unit Hang|NETDEV WATCHDOG|[Rr]eset adapter|"
                       r"initiating reset|DMAR:.*[Ff]ault|failed|timed out|not responding|Fatal|unable to|corrupt")


def run(*command, ok=True):
    """What a program prints; it must succeed unless told otherwise."""
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=600, check=False)
    if ok and done.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, command))}: exit {done.returncode}\n{done.stdout}")
    return done.stdout


def wait_for(what, condition, limit=PATIENCE):
    """Until condition() is true; returns what it gave."""
    end = time.monotonic() + limit
    while not (value := condition()):
        if time.monotonic() > end:
            raise AssertionError(f"not within {limit} s: {what() if callable(what) else what}")
        time.sleep(0.05)
    return value


@contextlib.contextmanager
def inside(namespace):
    """This thread is in that network namespace meanwhile; a socket that it makes stays there."""
    def enter(path):
        with open(path, "rb") as file:
            if LIBC.setns(file.fileno(), CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), f"setns {path}")
    enter(f"/run/netns/{namespace}")
    try:
        yield
    finally:
        enter("/proc/1/ns/net")


class End:
    """One of the cards: its namespace, its interface, what its tools say."""

    def __init__(self, n):
        self.n = n
        self.bdf = os.environ[f"POLLUX_NIC{n}"]
        self.device = pathlib.Path("/sys/bus/pci/devices") / self.bdf
        self.namespace = NAMESPACES[n]
        self.address = f"10.1.0.{n + 1}"
        self.name = None

    def adopt(self):
        """Takes the interface that the driver has made into the namespace; up, with an address, with carrier."""
        self.name, = wait_for(f"no interface of {self.bdf}", lambda: [p.name for p in self.device.glob("net/*")])
        self.mac = (self.device / "net" / self.name / "address").read_text().strip()
        run("ip", "link", "set", self.name, "netns", self.namespace)
        self.ip("addr", "add", f"{self.address}/24", "dev", self.name)
        self.up()

    def ip(self, *words):
        return run("ip", "-n", self.namespace, *words)

    def inside(self, *command, ok=True):
        return run("ip", "netns", "exec", self.namespace, *command, ok=ok)

    def ethtool(self, *words, ok=True):
        return self.inside("ethtool", *words, ok=ok)

    def up(self):
        self.ip("link", "set", self.name, "up")

    def down(self):
        self.ip("link", "set", self.name, "down")

    def carrier(self):
        return "LOWER_UP" in self.ip("link", "show", self.name)

    def stats(self):
        """ethtool -S."""
        return {name: int(value) for name, value in re.findall(r"^ *(\S.*): (\d+)$", self.ethtool("-S", self.name), re.MULTILINE)}

    def features(self):
        """ethtool -k: {name: on?}."""
        return {name: value == "on" for name, value in re.findall(r"^\s*([\w-]+): (on|off)", self.ethtool("-k", self.name), re.MULTILINE)}

    def vectors(self):
        """{name of the vector: interrupts so far} of this card."""
        out = {}
        for line in pathlib.Path("/proc/interrupts").read_text().splitlines()[1:]:
            words = line.split()
            if words[-1] == self.name or words[-1].startswith(self.name + "-"):
                out[words[-1]] = sum(int(word) for word in words[1:] if word.isdigit())
        return out

    def packet_socket(self, kind=ETHERTYPE, name=None):
        """Sends, and hears `kind` alone."""
        with inside(self.namespace):
            made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(kind))
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
            made.bind((name or self.name, kind))
            made.settimeout(PATIENCE)
        return made


NEAR, FAR = End(0), End(1)
ENDS = (NEAR, FAR)


def link_up():
    for end in ENDS:
        wait_for(lambda end=end: f"no carrier: {end.ip('link', 'show', end.name)}{end.ethtool(end.name)}", end.carrier)


def adopt_both():
    for end in ENDS:
        end.adopt()
    link_up()


def make_namespaces():
    for namespace in NAMESPACES:
        run("ip", "netns", "add", namespace)
        for which in ("all", "default"):  # nothing but what the tests send
            run("ip", "netns", "exec", namespace, "sysctl", "-qw", f"net.ipv6.conf.{which}.disable_ipv6=1")


def ping(count=3, size=56, to=FAR, address=None):
    """All answered, or an AssertionError. Not fragmented."""
    other = ENDS[1 - to.n]
    said = other.inside("ping", "-q", "-c", count, "-i", "0.2", "-W", PATIENCE, "-M", "do", "-s", size, address or to.address,
                        ok=False)
    if f"{count} received, 0% packet loss" not in said:
        raise AssertionError(f"ping of {size} bytes: {said}")


def stream(block, total):
    """`total` bytes in pieces, each of them different from the others."""
    for sequence in range(0, total, len(block)):
        struct.pack_into("<Q", block, 0, sequence)
        yield memoryview(block)[:min(len(block), total - sequence)]


def transfer(sender, receiver, total, address=None):
    """A TCP connection: `total` bytes arrive as they were sent, by their hash."""
    sent, received, problems = hashlib.blake2b(), hashlib.blake2b(), []
    with inside(receiver.namespace):
        listener = socket.create_server((address or receiver.address, 0))
    with inside(sender.namespace):
        near = socket.socket()
    near.settimeout(PATIENCE)
    listener.settimeout(PATIENCE)

    def receive():
        try:
            far, _ = listener.accept()
            with far:
                far.settimeout(PATIENCE)
                buffer = bytearray(1 << 18)
                count = 0
                while got := far.recv_into(buffer):
                    received.update(memoryview(buffer)[:got])
                    count += got
                if count != total:
                    problems.append(f"{count} bytes arrived of {total}")
        except OSError as error:
            problems.append(error)

    with listener, near:
        thread = threading.Thread(target=receive)
        thread.start()
        try:
            near.connect(listener.getsockname())
            for piece in stream(bytearray(os.urandom(1 << 18)), total):
                near.sendall(piece)
                sent.update(piece)
            near.shutdown(socket.SHUT_WR)
        except OSError as error:
            problems.append(error)
        thread.join(PATIENCE)
    if problems or thread.is_alive() or sent.digest() != received.digest():
        raise AssertionError(f"TCP of {total} bytes: {problems or 'other bytes arrived than were sent'}")


def frame(source, destination, sequence, size, vid=None):
    tag = b"" if vid is None else struct.pack(">HH", 0x8100, vid)
    head = bytes.fromhex((destination.mac + source.mac).replace(":", "")) + tag + struct.pack(">HB", ETHERTYPE, sequence)
    return head + bytes(n * 7 + sequence & 0xFF for n in range(size - len(head)))


def kernel_complaints(since):
    """Lines of the kernel's log, from the first with `since` on, that say that something is wrong."""
    log = run("dmesg").splitlines()
    first = next(n for n, line in enumerate(log) if since in line)
    # A clock that a busy host made late is no complaint about a card.
    return [line for line in log[first:] if BAD_WORDS.search(line) and "clocksource: " not in line]


def bind(end, driver):
    """Gives a card to another driver."""
    run("modprobe", driver)
    (end.device / "driver_override").write_text(driver + "\n")
    if (end.device / "driver").exists():
        (end.device / "driver" / "unbind").write_text(end.bdf)
    pathlib.Path("/sys/bus/pci/drivers_probe").write_text(end.bdf)
    if (end.device / "driver").resolve().name != driver:
        raise AssertionError(f"{end.bdf} is not bound to {driver}")


def release(end):
    """Takes a card from its driver, and from all others."""
    (end.device / "driver_override").write_text("none\n")
    if (end.device / "driver").exists():
        (end.device / "driver" / "unbind").write_text(end.bdf)

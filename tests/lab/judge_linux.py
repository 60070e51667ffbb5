#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""In the lab's guest: Linux's own driver on two cards that pollux-simnic serves, joined by a cable, each in a network
namespace of its own, so that what one sends crosses both. `judges` starts it; POLLUX_JUDGE_NIC names the cards' kind,
POLLUX_JUDGE_FULL=1 asks for the long form.
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
import sys
import threading
import time
import unittest

FULL = os.environ.get("POLLUX_JUDGE_FULL") == "1"
TCP_BYTES = (1 << 30) if FULL else (32 << 20)
LOOPS = 100 if FULL else 3
PATIENCE = 120  # seconds for what must happen; generous, the machine may be slow
ETHERTYPE = 0x88B5  # for experiments
NAMESPACES = ("near", "far")
LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET = 0x40000000


class Kind:
    """What is particular to a kind of card and to Linux's driver for it."""

    def __init__(self, driver, device, mbits, queues, tx_counters, rx_counters, errors):
        self.driver = driver
        self.device = device
        self.mbits = mbits
        self.queues = queues            # does the driver have several, spread over by RSS?
        self.tx_counters = tx_counters  # of the card itself: (frames, bytes, bytes that each frame counts beyond its own)
        self.rx_counters = rx_counters
        self.errors = errors            # counters that stay 0


# ixgbe: GOTC has the FCS, GORC has not while the card strips it. e1000e gives the card's counters, with FCS, as rx_bytes.
IXGBE = dict(driver="ixgbe", mbits=10000, queues=True, tx_counters=("tx_pkts_nic", "tx_bytes_nic", 4),
             rx_counters=("rx_pkts_nic", "rx_bytes_nic", 0),
             errors=("rx_errors", "tx_errors", "rx_crc_errors", "rx_length_errors", "rx_over_errors", "rx_frame_errors",
                     "tx_timeout_count", "tx_restart_queue", "hw_rsc_aggregated", "rx_csum_offload_errors",
                     "alloc_rx_page_failed", "alloc_rx_buff_failed", "rx_long_length_errors", "rx_short_length_errors"))
KINDS = {
    "82599": Kind(device=0x10F9, **IXGBE),
    "82599-sfp": Kind(device=0x10FB, **IXGBE),
    "82574": Kind(driver="e1000e", device=0x10D3, mbits=1000, queues=False, tx_counters=("tx_packets", "tx_bytes", 4),
                  rx_counters=("rx_packets", "rx_bytes", 4),
                  errors=("rx_errors", "tx_errors", "rx_crc_errors", "rx_length_errors", "rx_over_errors",
                          "rx_frame_errors", "tx_timeout_count", "rx_csum_offload_errors", "alloc_rx_buff_failed",
                          "rx_long_length_errors", "rx_short_length_errors", "uncorr_ecc_errors")),
}
KIND = KINDS[os.environ.get("POLLUX_JUDGE_NIC", "82599")]

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


def setUpModule():
    for namespace in NAMESPACES:
        run("ip", "netns", "add", namespace)
        for which in ("all", "default"):  # nothing but what the tests send
            run("ip", "netns", "exec", namespace, "sysctl", "-qw", f"net.ipv6.conf.{which}.disable_ipv6=1")
    adopt_both()


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


class Card(unittest.TestCase):
    """In the order of their names; each leaves the cards as it found them."""

    maxDiff = None

    def test_01_probe_and_link(self):
        for end in ENDS:
            said = end.ethtool("-i", end.name)
            self.assertIn(f"driver: {KIND.driver}\n", said)
            self.assertIn(f"bus-info: {end.bdf}", said)
            self.assertEqual(int((end.device / "device").read_text(), 16), KIND.device)
            said = end.ethtool(end.name)
            self.assertIn(f"Speed: {KIND.mbits}Mb/s", said)
            self.assertIn("Duplex: Full", said)
            self.assertIn("Link detected: yes", said)

    def test_02_ping(self):
        for size in (18, 56, 1000, 1472):
            ping(size=size)
        ping(to=NEAR)

    def test_03_msix_vector_for_each_queue(self):
        """Flows of several ports; each queue interrupts by its vector."""
        queues = 1
        if KIND.queues:
            current = FAR.ethtool("-l", FAR.name).split("Current hardware settings")[1]
            queues = int(re.search(r"Combined:\s+(\d+)", current)[1])
            self.assertGreater(queues, 1)
        for end in ENDS:
            chip = [line for line in pathlib.Path("/proc/interrupts").read_text().splitlines() if line.split()[-1].startswith(end.name)]
            self.assertTrue(chip and all("MSIX" in line for line in chip), chip)
        wanted = queues + 1 if KIND.queues else 3  # e1000e: one to receive, one to send, one for the rest
        before, stats = FAR.vectors(), FAR.stats()
        self.assertEqual(len(before), wanted, before)
        for _ in range(32):
            transfer(NEAR, FAR, 20000)
        after = FAR.vectors()
        for name, count in before.items():
            if name != FAR.name:
                self.assertGreater(after[name], count, f"{name}: {before} {after}")
        if KIND.queues:
            for queue in range(queues):
                name = f"rx_queue_{queue}_packets"
                self.assertGreater(FAR.stats()[name], stats[name], "RSS leaves a queue without flows")

    def test_04_tcp_with_offloads(self):
        wanted = ["rx-checksumming", "tx-checksumming", "scatter-gather", "tcp-segmentation-offload",
                  "generic-receive-offload", "rx-vlan-offload", "tx-vlan-offload", "receive-hashing"]
        for end in ENDS:
            self.assertEqual([name for name in wanted if not end.features()[name]], [])
        self.assertGreater(self.long_frames(lambda: transfer(NEAR, FAR, TCP_BYTES)), 0, "TSO has nothing to do")
        transfer(FAR, NEAR, TCP_BYTES)

    def test_05_tcp_without_offloads(self):
        words = ("rx", "tx", "sg", "tso", "gso", "gro", "rxvlan", "txvlan", "rxhash")
        for end in ENDS:
            end.ethtool("-K", end.name, *(word for name in words for word in (name, "off")))
        link_up()
        try:
            for end in ENDS:
                features = end.features()
                self.assertEqual([features[name] for name in ("rx-checksumming", "tx-checksum-ip-generic", "tx-tcp-segmentation",
                                                              "tx-scatter-gather", "receive-hashing")], [False] * 5)
            self.assertEqual(self.long_frames(lambda: transfer(NEAR, FAR, TCP_BYTES)), 0)
            transfer(FAR, NEAR, TCP_BYTES)
            ping()
        finally:
            for end in ENDS:
                end.ethtool("-K", end.name, *(word for name in words for word in (name, "on")))
            link_up()
        ping()

    def long_frames(self, action, longest=1514):
        """Does it; how many packets longer than a frame the near end gave to its driver meanwhile."""
        over, count = threading.Event(), 0
        buffer = bytearray(1)
        with NEAR.packet_socket(0x0003) as tap:  # all that passes
            tap.settimeout(0.2)
            problem = []

            def act():
                try:
                    action()
                except AssertionError as error:
                    problem.append(error)
                finally:
                    over.set()

            thread = threading.Thread(target=act)
            thread.start()
            while not over.is_set():
                try:
                    length, _, _, address = tap.recvmsg_into([buffer], 0, socket.MSG_TRUNC)
                except TimeoutError:
                    continue
                count += address[2] == socket.PACKET_OUTGOING and length > longest
            thread.join()
        if problem:
            raise problem[0]
        return count

    def test_06_jumbo(self):
        for end in ENDS:
            end.ip("link", "set", end.name, "mtu", 9000)
        link_up()
        try:
            ping(size=8972)
            ping(size=3000, to=NEAR)
            transfer(NEAR, FAR, TCP_BYTES // 4)
            transfer(FAR, NEAR, TCP_BYTES // 4)
        finally:
            for end in ENDS:
                end.ip("link", "set", end.name, "mtu", 1500)
            link_up()
        ping()

    def test_07_vlan(self):
        """With the card's tags and without; a network that nobody joined is filtered."""
        for end in ENDS:
            end.ip("link", "add", "link", end.name, "name", "v100", "type", "vlan", "id", 100)
            end.ip("addr", "add", f"10.2.0.{end.n + 1}/24", "dev", "v100")
            end.ip("link", "set", "v100", "up")
        try:
            for state in ("on", "off"):
                for end in ENDS:
                    end.ethtool("-K", end.name, "rxvlan", state, "txvlan", state)
                link_up()
                ping(address="10.2.0.2", size=1472)
                transfer(NEAR, FAR, TCP_BYTES // 8, address="10.2.0.2")
            for end in ENDS:
                end.ethtool("-K", end.name, "rxvlan", "on", "txvlan", "on")
            link_up()
            self.filtered()
        finally:
            for end in ENDS:
                end.ip("link", "del", "v100")
        ping()

    def filtered(self):
        """Of the frames of networks 200, 100, 101 and 100 only those of 100 arrive."""
        with NEAR.packet_socket() as sender, FAR.packet_socket(0x0003) as receiver:
            for sequence, vid in enumerate((200, 100, 101, 100)):
                sender.send(frame(NEAR, FAR, sequence, 60, vid))
            heard = []
            while heard[-1:] != [3]:
                data, address = receiver.recvfrom(2048)
                if address[2] == socket.PACKET_HOST and data[12:14] == struct.pack(">H", ETHERTYPE):
                    heard.append(data[14])
            self.assertEqual(sorted(set(heard)), [1, 3])

    def test_08_counters_agree_with_what_was_sent(self):
        sizes = [60, 61, 64, 128, 129, 256, 511, 512, 1023, 1024, 1514] * 20
        before = NEAR.stats(), FAR.stats()
        with NEAR.packet_socket() as sender, FAR.packet_socket() as receiver:
            for sequence, size in enumerate(sizes):
                sent = frame(NEAR, FAR, sequence & 0xFF, size)
                sender.send(sent)
                self.assertEqual(receiver.recv(2048), sent)
        tx_frames, tx_bytes, tx_more = KIND.tx_counters
        rx_frames, rx_bytes, rx_more = KIND.rx_counters
        expected = {tx_frames: len(sizes), tx_bytes: sum(sizes) + tx_more * len(sizes)}, \
                   {rx_frames: len(sizes), rx_bytes: sum(sizes) + rx_more * len(sizes)}

        def differences():
            after = NEAR.stats(), FAR.stats()
            return [{name: after[n][name] - before[n][name] for name in expected[n]} for n in (0, 1)]

        # The drivers read the card's counters every other second.
        wait_for(lambda: f"{differences()} instead of {expected}", lambda: differences() == list(expected))

    def test_09_self_test(self):
        for end in ENDS:
            said = end.ethtool("-t", end.name, "offline", ok=False)
            self.assertIn("The test result is PASS", said)
            self.assertNotRegex(said, r"\)\s+[1-9]", said)
            link_up()
        ping()

    def test_10_down_and_up(self):
        for n in range(LOOPS):
            end = ENDS[n % 2]
            end.down()
            end.up()
            link_up()
            ping(count=1)

    def test_11_module_out_and_in(self):
        for _ in range(LOOPS):
            run("modprobe", "-r", KIND.driver)
            self.assertFalse((NEAR.device / "driver").exists())
            run("modprobe", KIND.driver)
            adopt_both()
            ping(count=1)
        transfer(NEAR, FAR, TCP_BYTES // 8)

    def test_12_no_error_was_counted(self):
        for end in ENDS:
            stats = end.stats()
            self.assertEqual({name: stats[name] for name in KIND.errors if stats.get(name)}, {})

    def test_13_kernel_has_no_complaint(self):
        log = run("dmesg").splitlines()
        probed = next(n for n, line in enumerate(log) if f"{KIND.driver} {NEAR.bdf}" in line)
        self.assertEqual([line for line in log[probed:] if BAD_WORDS.search(line)], [])


def frame(source, destination, sequence, size, vid=None):
    tag = b"" if vid is None else struct.pack(">HH", 0x8100, vid)
    head = bytes.fromhex((destination.mac + source.mac).replace(":", "")) + tag + struct.pack(">HB", ETHERTYPE, sequence)
    return head + bytes(n * 7 + sequence & 0xFF for n in range(size - len(head)))


if __name__ == "__main__":
    print(f"Linux {os.uname().release}, {KIND.driver} on two served {os.environ.get('POLLUX_JUDGE_NIC', '82599')}", file=sys.stderr)
    unittest.main(verbosity=2)

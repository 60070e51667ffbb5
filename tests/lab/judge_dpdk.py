#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""In the lab's guest: DPDK's net_ixgbe or net_e1000_igb, by testpmd of the lab's own Debian through VFIO, on one of two cards that
pollux-simnic serves. The other has Linux's driver: this program sends frames there and looks at those that come back. At the
end testpmd has both. `judges` starts it.
"""
import collections
import os
import pathlib
import pty
import re
import select
import socket
import struct
import subprocess
import sys
import time
import unittest

from judge_guest import ETHERTYPE, FAR, FULL, NEAR, NIC, PATIENCE, bind, frame, kernel_complaints, make_namespaces, run, wait_for

PLUGINS = next(pathlib.Path("/lab/usr/lib/x86_64-linux-gnu/dpdk").glob("pmds-*")).relative_to("/lab")
# Bits of --rx-offloads and --tx-offloads [rte_ethdev.h].
RX_OFFLOADS = 0x2 | 0x4 | 0x8 | 0x80000              # IPv4, UDP, TCP checksum; RSS hash
RX_VLAN = 0x1 | 0x200                                # strip, filter
TX_OFFLOADS = 0x2 | 0x4 | 0x8 | 0x20 | 0x8000        # IPv4, UDP, TCP checksum; TSO; several segments
QUEUES = 4
# Its driver: library, name, the kernel's for the card, what it says of the link; does it tell of wrong UDP checksums (of zeros
# an erratum of the 82599 has it that they are wrong), does the card count by queue?
IXGBE = ("net_ixgbe", "net_ixgbe", "ixgbe", "10 Gbps", False, True)
LIBRARY, DRIVER, KERNEL_DRIVER, SPEED, TELLS_OF_UDP, COUNTS_BY_QUEUE = {
    "82599": IXGBE, "82599-sfp": IXGBE, "82576": ("net_e1000", "net_e1000_igb", "igb", "1 Gbps", True, False)}[NIC]
ROUNDS = 100 if FULL else 3
SOL_PACKET, PACKET_AUXDATA, TP_STATUS_VLAN_VALID = 263, 8, 1 << 4  # [linux/if_packet.h]


class Testpmd:
    """A running testpmd with the cards at `ends`, at a terminal of its own."""

    PROMPT = "testpmd> "

    def __init__(self, *ends, options=()):
        self.text, self.prompts = "", 0
        self.terminal, theirs = pty.openpty()
        plugins = [word for name in ("bus_pci", "mempool_ring", LIBRARY) for word in ("-d", f"/{PLUGINS}/librte_{name}.so")]
        cards = [word for end in ends for word in ("-a", end.bdf)]
        self.process = subprocess.Popen(["chroot", "/lab", "/usr/bin/dpdk-testpmd", "-l", "0,1", *cards, *plugins, "--in-memory",
                                         "--no-telemetry", "--", "-i", "--total-num-mbufs=8192", "--nb-cores=1", *options],
                                        stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)
        os.close(theirs)
        self.read_prompt()

    def read_prompt(self):
        """What came up to the next prompt."""
        self.prompts += 1
        start, end = len(self.text), time.monotonic() + PATIENCE
        while self.text.count(self.PROMPT) < self.prompts:
            self.read()
            if time.monotonic() > end or self.process.poll() is not None:
                raise AssertionError(f"testpmd gives no prompt:\n{self.text}")
        return self.text[start:]

    def read(self, patience=1.0):
        if select.select([self.terminal], [], [], patience)[0]:
            try:
                data = os.read(self.terminal, 65536).decode(errors="replace").replace("\r", "")
            except OSError as error:  # nobody is at the other end
                raise AssertionError(f"testpmd has ended:\n{self.text[-4000:]}") from error
            self.text += re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", data)

    def __call__(self, *lines):
        """What testpmd says to these commands."""
        said = ""
        for line in lines:
            os.write(self.terminal, f"{line}\n".encode())
            answer = self.read_prompt()
            if "Bad arguments" in answer or "Command not found" in answer or "Ambiguous command" in answer:
                raise AssertionError(f"testpmd: {answer}")
            said += answer
        return said

    def stopped(self, *lines):
        """Commands that want port 0 stopped. It goes on when there is a link: a card may negotiate for long."""
        self("port stop 0", *lines, "port start 0")
        self.wait_for_link(0)

    def wait_for_link(self, port):
        wait_for("no link", lambda: "Link status: up" in self(f"show port info {port}"))

    def stats(self, port):
        """Of `show port stats`, RX-packets to TX-bytes."""
        return {name: int(value) for name, value in re.findall(r"([RT]X-\w+): +(\d+)", self(f"show port stats {port}"))}

    def xstats(self, port):
        return {name: int(value) for name, value in re.findall(r"^(\w+): (\d+)$", self(f"show port xstats {port}"), re.MULTILINE)}

    def end(self):
        if self.process.poll() is None:
            os.write(self.terminal, b"quit\n")
            limit = time.monotonic() + PATIENCE
            while self.process.poll() is None and time.monotonic() < limit:
                try:
                    self.read(0.1)
                except AssertionError:  # it is
                    break
            try:
                self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        os.close(self.terminal)
        return self.process.returncode


def setUpModule():
    make_namespaces()
    bind(NEAR, "vfio-pci")
    run("modprobe", KERNEL_DRIVER)
    FAR.adopt()
    FAR.ethtool("-K", FAR.name, "rxvlan", "off", "txvlan", "off", "gro", "off", "rx", "off")
    FAR.ip("link", "set", FAR.name, "promisc", "on")


class NearCard(unittest.TestCase):
    """testpmd on the near card; one process for all of a class."""

    maxDiff = None
    rx_offloads = RX_OFFLOADS

    @classmethod
    def setUpClass(cls):
        cls.testpmd = Testpmd(NEAR, options=(f"--rxq={QUEUES}", f"--txq={QUEUES}", "--rxd=256", "--txd=256", "--rss-udp",
                                             "--port-topology=loop", f"--rx-offloads={cls.rx_offloads:#x}",
                                             f"--tx-offloads={TX_OFFLOADS:#x}", f"--eth-peer=0,{FAR.mac}"))
        cls.testpmd.wait_for_link(0)
        cls.information = cls.testpmd("show port info 0")
        NEAR.mac = re.search(r"MAC address: (\S+)", cls.information)[1].lower()
        wait_for("no carrier", FAR.carrier)

    @classmethod
    def tearDownClass(cls):
        status = cls.testpmd.end()
        if status != 0:
            raise AssertionError(f"testpmd ended with {status}:\n{cls.testpmd.text[-2000:]}")

    def setUp(self):
        self.socket = FAR.packet_socket(0x0003)
        self.socket.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
        self.addCleanup(self.socket.close)
        self.testpmd("clear port stats all", "clear port xstats all", "clear fwd stats all")

    def exchange(self, frames, expected):
        """Sends them one by one; of what comes back, `expected` frames each."""
        back = []
        for sent in frames:
            self.socket.send(sent)
            back.append([self.receive() for _ in range(expected)])
        return back

    def receive(self):
        """What has come to the far card next, with its VLAN tag, which the kernel keeps beside it."""
        while True:
            data, beside, _, address = self.socket.recvmsg(16384, socket.CMSG_SPACE(20))
            if address[2] != socket.PACKET_OUTGOING:
                status, tci, tpid = struct.unpack("=I12xHH", beside[0][2])
                return data[:12] + struct.pack(">HH", tpid, tci) + data[12:] if status & TP_STATUS_VLAN_VALID else data


class Forwarding(NearCard):
    """Which sends back what it received."""

    def test_1_probe(self):
        self.assertIn(f"Driver name: {DRIVER}\n", self.information)
        self.assertIn(f"Link speed: {SPEED}", self.information)

    def test_2_frames_come_back_and_are_counted(self):
        self.testpmd("set fwd macswap", "start")
        sizes = [60, 61, 64, 127, 128, 255, 256, 511, 512, 1019, 1020, 1514] * (20 * ROUNDS)
        for n, size in enumerate(sizes):
            sent = frame(FAR, NEAR, n & 0xFF, size)
            (back,), = self.exchange([sent], 1)
            self.assertEqual(back, sent[6:12] + sent[:6] + sent[12:], f"frame {n}")
        self.testpmd("stop")
        stats = self.testpmd.stats(0)
        wanted = {"RX-packets": len(sizes), "TX-packets": len(sizes), "RX-bytes": sum(sizes), "TX-bytes": sum(sizes),
                  "RX-errors": 0, "RX-missed": 0, "TX-errors": 0}
        self.assertEqual({name: stats[name] for name in wanted}, wanted)
        classes = {"rx_size_64_packets": range(60, 61), "rx_size_65_to_127_packets": range(61, 124),
                   "rx_size_128_to_255_packets": range(124, 252), "rx_size_256_to_511_packets": range(252, 508),
                   "rx_size_512_to_1023_packets": range(508, 1020), "rx_size_1024_to_max_packets": range(1020, 1520)}
        xstats = self.testpmd.xstats(0)
        for name, of in classes.items():
            self.assertEqual(xstats[name], sum(size in of for size in sizes), name)

    def test_3_checksums_are_verified_and_made(self):
        self.testpmd.stopped("csum set ip hw 0", "csum set udp hw 0", "csum set tcp hw 0")
        self.testpmd("set fwd csum", "start")
        bad_ip = bad_l4 = 0
        for n in range(20 * ROUNDS):
            protocol = (17, 6)[n % 2]
            right = ip_frame(FAR, NEAR, protocol, bytes(range(n % 200)) + bytes(30), port=1000 + n)
            wrong = bytearray(right)
            if n % 3 == 1:
                wrong[24] ^= 0x55  # IPv4's
                bad_ip += 1
            if n % 4 >= 2:
                wrong[34 + (6 if protocol == 17 else 16)] ^= 0x55
                bad_l4 += protocol == 6 or TELLS_OF_UDP
            (back,), = self.exchange([wrong], 1)
            self.assertEqual(back[14:].hex(), right[14:].hex(), f"frame {n}")
        said = self.testpmd("stop")
        seen = {name: int(value) for name, value in re.findall(r"(Bad-\w+): +(\d+)", said)}
        self.assertEqual((seen["Bad-ipcsum"], seen["Bad-l4csum"]), (bad_ip, bad_l4), said)

    def test_4_tso_cuts(self):
        """1400 bytes of TCP into 500, 500 and 400, each with its own numbers and right checksums."""
        self.testpmd.stopped("csum set ip hw 0", "csum set tcp hw 0", "tso set 500 0")
        self.testpmd("set fwd csum", "start")
        try:
            data = os.urandom(1400)
            (parts,) = self.exchange([ip_frame(FAR, NEAR, 6, data, port=7, sequence=1000)], 3)
            at = 0
            for n, part in enumerate(parts):
                piece = data[at:at + 500]
                wanted = ip_frame(FAR, NEAR, 6, piece, port=7, sequence=1000 + at, identification=n, last=n == 2)
                self.assertEqual(part[14:].hex(), wanted[14:].hex(), f"segment {n}")
                at += 500
        finally:
            self.testpmd("stop")
            self.testpmd.stopped("tso set 0 0")

    def test_5_rss_hashes_and_spreads(self):
        said = self.testpmd("show port 0 rss-hash key")
        key = bytes.fromhex(re.search(r"RSS key:\s*([0-9A-F]+)", said)[1])
        self.assertEqual(len(key), 40)
        for queue in range(QUEUES if COUNTS_BY_QUEUE else 0):
            self.testpmd(f"set stat_qmap rx 0 {queue} {queue}")
        self.testpmd("set fwd rxonly", "set verbose 1", "start")
        wanted = collections.Counter()
        for port in range(64):
            sent = ip_frame(FAR, NEAR, 17, bytes(20), port=2000 + port)
            self.socket.send(sent)
            hashed = toeplitz(key, sent[26:34] + sent[34:38])
            wanted[hashed, hashed % 128 % QUEUES] += 1

        def seen():
            self.testpmd.read(0.05)
            return collections.Counter((int(h, 16), int(q, 16)) for h, q in re.findall(
                r"RSS hash=0x([0-9a-f]+) - RSS queue=0x([0-9a-f]+)", self.testpmd.text))

        try:
            wait_for(lambda: f"{wanted - seen()} missing of {wanted}", lambda: seen() == wanted)
        finally:
            self.testpmd("stop", "set verbose 0")
        self.assertGreater(len({queue for _, queue in wanted}), 1)
        xstats = self.testpmd.xstats(0)
        for queue in range(QUEUES if COUNTS_BY_QUEUE else 0):
            self.assertEqual(xstats[f"rx_q{queue}_packets"], sum(n for (_, q), n in wanted.items() if q == queue))

    def test_6_stop_and_start(self):
        sent = frame(FAR, NEAR, 1, 100)
        for _ in range(ROUNDS):
            self.testpmd.stopped()
            wait_for("no carrier", FAR.carrier)
            self.testpmd("set fwd macswap", "start")
            (back,), = self.exchange([sent], 1)
            self.assertEqual(back[12:], sent[12:])
            self.testpmd("stop")


class Vlan(NearCard):
    rx_offloads = RX_OFFLOADS | RX_VLAN

    def test_1_tags_come_off_and_others_stay_out(self):
        self.testpmd("rx_vlan add 100 0", "set fwd macswap", "start")
        try:
            for vid in (200, 100, 101, 99):
                self.socket.send(frame(FAR, NEAR, vid, 64, vid))
            self.socket.send(frame(FAR, NEAR, 7, 64))
            back = []
            while back[-1:] != [7]:
                data = self.receive()
                self.assertEqual(data[12:14], struct.pack(">H", ETHERTYPE), data.hex())
                back.append(data[14])
        finally:
            self.testpmd("stop")
        self.assertEqual(back, [100, 7])

    def test_2_tag_is_told(self):
        self.testpmd("set fwd rxonly", "set verbose 1")
        before = len(self.testpmd.text)
        self.testpmd("start")
        self.socket.send(frame(FAR, NEAR, 1, 100, vid=100))
        self.socket.send(frame(FAR, NEAR, 1, 104))

        def lengths():
            self.testpmd.read(0.05)
            return re.findall(r"type=0x88b5 - length=(\d+)", self.testpmd.text[before:])

        try:
            wait_for(lambda: f"not two frames in {self.testpmd.text[before:]}", lambda: len(lengths()) == 2)
        finally:
            self.testpmd("stop", "set verbose 0")
        said = self.testpmd.text[before:]
        self.assertEqual(lengths(), ["96", "104"], said)
        self.assertEqual([int(tci, 16) for tci in re.findall(r"VLAN tci=(0x\w+)", said)], [100], said)

    def test_3_tags_are_put_in(self):
        self.testpmd.stopped("tx_vlan set 0 300")
        self.testpmd("set fwd macswap", "start")
        try:
            sent = frame(FAR, NEAR, 9, 200)
            (back,), = self.exchange([sent], 1)
            self.assertEqual(back, sent[6:12] + sent[:6] + struct.pack(">HH", 0x8100, 300) + sent[12:])
        finally:
            self.testpmd("stop")
            self.testpmd.stopped("tx_vlan reset 0")


class BothCards(unittest.TestCase):
    def test_frames_go_round(self):
        """What one card receives the other sends, over and over; nothing is lost uncounted."""
        bind(FAR, "vfio-pci")
        testpmd = Testpmd(NEAR, FAR, options=("--rxd=256", "--txd=256", f"--tx-offloads={TX_OFFLOADS:#x}" if FULL else "--rxq=1"))
        try:
            for port in (0, 1):
                testpmd.wait_for_link(port)
            testpmd("set fwd io", "start tx_first")
            goal = 1_000_000 if FULL else 20_000
            wait_for(lambda: f"{testpmd.stats(0)}", lambda: min(testpmd.stats(port)["RX-packets"] for port in (0, 1)) > goal)
            testpmd("stop")
            time.sleep(0.2)  # what the cards still have to send
            stats = [testpmd.stats(port) for port in (0, 1)]
            for here, there in ((0, 1), (1, 0)):
                self.assertEqual(stats[here]["TX-packets"], stats[there]["RX-packets"] + stats[there]["RX-missed"], stats)
                self.assertEqual((stats[here]["RX-errors"], stats[here]["TX-errors"], stats[here]["RX-nombuf"]), (0, 0, 0), stats)
        finally:
            self.assertEqual(testpmd.end(), 0, testpmd.text[-2000:])


class Kernel(unittest.TestCase):
    def test_no_complaint(self):
        self.assertEqual(kernel_complaints(since="VFIO - User Level"), [])


def checksum(data):
    words = sum(struct.unpack(f">{(len(data) + 1) // 2}H", data + b"\0" * (len(data) % 2)))
    while words >> 16:
        words = (words & 0xFFFF) + (words >> 16)
    return ~words & 0xFFFF


def ip_frame(source, destination, protocol, data, port, sequence=1, identification=0, last=True):
    """IPv4 with UDP or TCP (ACK, and PSH in the last of a series), right checksums."""
    addresses = bytes([10, 1, 0, source.n + 1, 10, 1, 0, destination.n + 1])
    if protocol == 17:
        head = struct.pack(">HHHH", port, 9, 8 + len(data), 0)
        at = 6
    else:
        head = struct.pack(">HHIIBBHHH", port, 9, sequence, 5, 0x50, 0x18 if last else 0x10, 512, 0, 0)
        at = 16
    pseudo = addresses + struct.pack(">BBH", 0, protocol, len(head) + len(data))
    summed = checksum(pseudo + head + data) or (0xFFFF if protocol == 17 else 0)
    head = head[:at] + struct.pack(">H", summed) + head[at + 2:]
    ip = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(head) + len(data), identification, 0, 64, protocol, 0) + addresses
    ip = ip[:10] + struct.pack(">H", checksum(ip)) + ip[12:]
    ethernet = bytes.fromhex((destination.mac + source.mac).replace(":", "")) + b"\x08\x00"
    return ethernet + ip + head + data


def toeplitz(key, data):
    """RSS's hash of addresses and ports as they lie in the frame."""
    bits, window, out = int.from_bytes(key, "big"), len(key) * 8 - 32, 0
    for n, byte in enumerate(data):
        for k in range(8):
            if byte & (0x80 >> k):
                out ^= bits >> (window - 8 * n - k) & 0xFFFFFFFF
    return out


def load_tests(loader, _tests, _pattern):
    return unittest.TestSuite(loader.loadTestsFromTestCase(case) for case in (Forwarding, Vlan, BothCards, Kernel))


if __name__ == "__main__":
    print(f"DPDK's {DRIVER} on served {NIC}, Linux {os.uname().release}", file=sys.stderr)
    unittest.main(verbosity=2)

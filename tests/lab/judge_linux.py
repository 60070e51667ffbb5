#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""In the lab's guest: Linux's own driver on two cards that pollux-simnic serves. `judges` starts it; POLLUX_JUDGE_NIC names
the cards' kind, POLLUX_JUDGE_FULL=1 asks for the long form.
"""
import os
import pathlib
import re
import socket
import struct
import sys
import threading
import unittest

from judge_guest import (ENDS, ETHERTYPE, FAR, FULL, NEAR, NIC, adopt_both, frame, kernel_complaints, link_up, make_namespaces,
                         ping, run, transfer, wait_for)

TCP_BYTES = (1 << 30) if FULL else (16 << 20)
LOOPS = 100 if FULL else 3


class Kind:
    """What is particular to a kind of card and to Linux's driver for it."""

    def __init__(self, driver, device, mbits, queues, tx_counters, rx_counters, errors, vlan_filter=True, paired=True):
        self.driver = driver
        self.device = device
        self.mbits = mbits
        self.queues = queues            # does the driver have several, spread over by RSS?
        self.tx_counters = tx_counters  # of the card itself: (frames, bytes, bytes that each frame counts beyond its own)
        self.rx_counters = rx_counters
        self.errors = errors            # counters that stay 0
        self.vlan_filter = vlan_filter  # does the driver leave it on?
        self.paired = paired            # have a receive and a transmit queue one vector?


# ixgbe: GOTC has the FCS, GORC has not while the card strips it. e1000e gives the card's counters, with FCS, as rx_bytes.
IXGBE = dict(driver="ixgbe", mbits=10000, queues=True, tx_counters=("tx_pkts_nic", "tx_bytes_nic", 4),
             rx_counters=("rx_pkts_nic", "rx_bytes_nic", 0),
             errors=("rx_errors", "tx_errors", "rx_crc_errors", "rx_length_errors", "rx_over_errors", "rx_frame_errors",
                     "tx_timeout_count", "tx_restart_queue", "hw_rsc_aggregated", "rx_csum_offload_errors",
                     "alloc_rx_page_failed", "alloc_rx_buff_failed", "rx_long_length_errors", "rx_short_length_errors"))
KINDS = {
    "82599": Kind(device=0x10F9, **IXGBE),
    "82599-sfp": Kind(device=0x10FB, **IXGBE),
    "82576": Kind(driver="igb", device=0x10C9, mbits=1000, queues=True, tx_counters=("tx_packets", "tx_bytes", 4),
                  rx_counters=("rx_packets", "rx_bytes", 4),
                  errors=("rx_errors", "tx_errors", "rx_crc_errors", "rx_length_errors", "rx_over_errors",
                          "rx_frame_errors", "tx_timeout_count", "rx_align_errors", "rx_missed_errors",
                          "rx_long_length_errors", "rx_short_length_errors", "tx_tcp_seg_failed"),
                  paired=False),  # with so few queues [igb_set_flag_queue_pairs]
    "82574": Kind(driver="e1000e", device=0x10D3, mbits=1000, queues=False, tx_counters=("tx_packets", "tx_bytes", 4),
                  rx_counters=("rx_packets", "rx_bytes", 4),
                  errors=("rx_errors", "tx_errors", "rx_crc_errors", "rx_length_errors", "rx_over_errors",
                          "rx_frame_errors", "tx_timeout_count", "rx_csum_offload_errors", "alloc_rx_buff_failed",
                          "rx_long_length_errors", "rx_short_length_errors", "uncorr_ecc_errors"),
                  vlan_filter=False),  # e1000e_set_rx_mode turns it on and then writes RCTL as it was before
}
KIND = KINDS[NIC]


def setUpModule():
    make_namespaces()
    adopt_both()


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
        wanted = queues * (1 if KIND.paired else 2) + 1 if KIND.queues else 3  # e1000e: to receive, to send, for the rest
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
            self.assertEqual(self.long_frames(lambda: transfer(NEAR, FAR, TCP_BYTES // 4)), 0)
            transfer(FAR, NEAR, TCP_BYTES // 4)
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
        """Of the frames of networks 200, 100, 101 and 100 only those of 100 arrive, where the driver filters."""
        with NEAR.packet_socket() as sender, FAR.packet_socket(0x0003) as receiver:
            for sequence, vid in enumerate((200, 100, 101, 100)):
                sender.send(frame(NEAR, FAR, sequence, 60, vid))
            heard = []
            while heard[-1:] != [3]:
                data, address = receiver.recvfrom(2048)
                if address[2] == socket.PACKET_HOST and data[12:14] == struct.pack(">H", ETHERTYPE):
                    heard.append(data[14])
            self.assertEqual(sorted(set(heard)), [1, 3] if KIND.vlan_filter else [0, 1, 2, 3])

    def test_08_counters_agree_with_what_was_sent(self):
        sizes = [60, 61, 64, 128, 129, 256, 511, 512, 1023, 1024, 1514] * 20
        for end in ENDS:
            end.ip("neigh", "flush", "dev", end.name)  # seconds after a ping the kernel asks those it knows by ARP
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
        self.assertEqual(kernel_complaints(since=f"{KIND.driver} {NEAR.bdf}"), [])


if __name__ == "__main__":
    print(f"Linux {os.uname().release}, {KIND.driver} on two served {NIC}", file=sys.stderr)
    unittest.main(verbosity=2)

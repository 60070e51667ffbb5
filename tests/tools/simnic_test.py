#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""pollux-simnic from the command line: what it says, its wires, and Pollux's examples as its clients.

Argument: the build directory.
"""
import contextlib
import os
import pathlib
import re
import signal
import socket
import stat
import struct
import subprocess
import sys
import tempfile
import time
import unittest

BUILD = pathlib.Path(sys.argv.pop(1))
TOOL = BUILD / "tools" / "pollux-simnic"
ROOT = os.geteuid() == 0


def refused(*options):
    done = subprocess.run([TOOL, *options], capture_output=True, text=True, timeout=30)
    return done.returncode, done.stderr


@contextlib.contextmanager
def simnic(*options, user=None):
    """The running tool; its output is in `.text` afterwards."""
    with tempfile.TemporaryFile("w+") as out:
        process = subprocess.Popen([TOOL, *options], stdout=out, stderr=subprocess.STDOUT, user=user, group=user)
        process.text = ""
        try:
            for _ in range(1000):
                out.seek(0)
                if "ready;" in out.read() or process.poll() is not None:
                    break
                time.sleep(0.01)
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            process.wait(timeout=30)
            out.seek(0)
            process.text = out.read()


def example(name, *options, **more):
    return subprocess.Popen([BUILD / "examples" / name, *options], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **more)


def output(process):
    text, _ = process.communicate(timeout=60)
    return text


def packets(path):
    """How many packet blocks a pcapng file has."""
    data, at, n = pathlib.Path(path).read_bytes(), 0, 0
    while at < len(data):
        kind, length = struct.unpack_from("<II", data, at)
        n += kind == 6
        at += length
    return n


class Case(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def path(self, name):
        return os.path.join(self.folder.name, name)


class Words(Case):
    def test_says_what_is_wrong_with_its_options(self):
        nic = ["--nic", "82599", "--socket", self.path("s")]
        for options, phrases in [
            ([], ["--nic is required"]),
            (["--nic", "82599"], ["--socket is required"]),
            (["--nic", "8139", "--socket", "x"], ["82599", "82576", "82574"]),
            ([*nic, "--nic", "82574"], ["one for each --nic"]),
            ([*nic, "--wire", "string"], ["tap:INTERFACE", "dgram:PATH[,PEER]"]),
            ([*nic, "--wire", "cable"], ["two ends"]),
            ([*nic, "--wire", "loopback", "--wire", "loopback"], ["once for each --nic: 1"]),
            ([*nic, "--mac", "hello"], ["six bytes"]),
            ([*nic, "--mac", "01:00:00:00:00:01"], ["no group's"]),
            ([*nic, "--fault", "drop=2"], ["probability from 0 to 1"]),
            ([*nic, "--fault", "drop"], ["probability"]),
            ([*nic, "--fault", "delay=5"], ["a time (5us, 2ms, 1s)"]),
            ([*nic, "--fault", "rate=-1"], ["bytes a second"]),
            ([*nic, "--fault", "melt=1"], ["drop=, duplicate="]),
            ([*nic, "--fault", "flap-every=1ms,flap-for=2ms"], ["no longer than"]),
            ([*nic, "--wire", "tap:" + 20 * "x"], ["1 to 15 characters"]),
            ([*nic, "--quirks", "windows"], ["none", "linux", "dpdk"]),
            ([*nic, "--sfp-cable", "rope"], ["dac", "optics"]),
            ([*nic, "--pcap", "/nonexistent/x.pcapng"], ["/nonexistent/x.pcapng", "folder"]),
            (["--nic", "82599", "--socket", "/nonexistent/s"], ["mkdir -p"]),
            (["--nic", "82599", "--socket", 120 * "x"], ["1 to 107 bytes"]),
        ]:
            with self.subTest(options):
                code, text = refused(*options)
                self.assertNotEqual(code, 0)
                for phrase in phrases:
                    self.assertIn(phrase, text)
                self.assertFalse(os.path.exists(self.path("s")), "the socket is left over")

    def test_help_tells_how_a_virtual_machine_gets_the_card(self):
        text = subprocess.run([TOOL, "--help"], capture_output=True, text=True).stdout
        for phrase in ("vfio-user-pci", "share=on", "--wire", "tap:", "--dev vfio-user:"):
            self.assertIn(phrase, text)


class Sockets(Case):
    def test_removes_its_socket_when_it_is_told_to_end(self):
        for ending in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            with simnic("--nic", "82574", "--socket", self.path("s")) as nic:
                self.assertTrue(stat.S_ISSOCK(os.stat(self.path("s")).st_mode))
                nic.send_signal(ending)
                self.assertEqual(nic.wait(timeout=30), 0)
                self.assertFalse(os.path.exists(self.path("s")))
            self.assertIn("0 faults of the driver", nic.text)

    def test_takes_the_place_of_one_that_was_killed_and_not_of_one_that_lives(self):
        with simnic("--nic", "82574", "--socket", self.path("s")) as first:
            code, text = refused("--nic", "82574", "--socket", self.path("s"))
            self.assertEqual(code, 1)
            self.assertIn("somebody else has it", text)
            first.kill()
        self.assertTrue(os.path.exists(self.path("s")))
        with simnic("--nic", "82574", "--socket", self.path("s")) as second:
            self.assertIsNone(second.poll())

    def test_shows_its_status_when_it_is_asked(self):
        with simnic("--nic", "82574", "--socket", self.path("s")) as nic:
            nic.send_signal(signal.SIGUSR1)
            time.sleep(0.1)
            self.assertIsNone(nic.poll())
        self.assertIn("82574 at", nic.text)


class Wires(Case):
    def test_a_cable_joins_two_cards(self):
        a, b = self.path("a"), self.path("b")
        with simnic("--nic", "82599-sfp", "--socket", a, "--nic", "82574", "--socket", b, "--mac", "02:00:00:00:00:aa",
                    "--mac", "02:00:00:00:00:bb", "--pcap", self.path("a.pcapng"), "--pcap", self.path("b.pcapng")) as nic:
            counter = example("05_receive_counter", "--dev", f"vfio-user:{b}", "--count", "300")
            generator = example("07_packet_generator", "--dev", f"vfio-user:{a}", "--count", "1000000")
            text = output(counter)
            generator.send_signal(signal.SIGINT)
            self.assertIn("sent", output(generator))
            self.assertIn("300 packets", text)
            self.assertIn("02:00:00:00:00:bb", text)
        sent = int(re.search(r"82599-sfp at .* (\d+) frames sent", nic.text)[1])
        self.assertGreaterEqual(sent, 300)
        self.assertGreaterEqual(packets(self.path("a.pcapng")), sent)
        self.assertEqual(nic.text.count("0 faults of the driver"), 2, nic.text)

    def test_faults_are_counted(self):
        a, b = self.path("a"), self.path("b")
        with simnic("--nic", "82599", "--socket", a, "--nic", "82599", "--socket", b, "--fault", "drop=0.5,corrupt=0.1") as nic:
            counter = example("05_receive_counter", "--dev", f"vfio-user:{b}", "--count", "200")
            generator = example("07_packet_generator", "--dev", f"vfio-user:{a}", "--count", "1000000")
            self.assertIn("200 packets", output(counter))
            generator.send_signal(signal.SIGINT)
            output(generator)
        self.assertRegex(nic.text, r"spoiled: [1-9]\d* dropped, 0 duplicated, [1-9]\d* corrupted")

    def test_a_loopback_plug_gives_frames_back(self):
        with simnic("--nic", "82574", "--socket", self.path("s"), "--wire", "loopback", "--spin"):
            text = output(example("07_packet_generator", "--dev", f"vfio-user:{self.path('s')}", "--count", "100"))
            self.assertRegex(text, r"100 packets .* sent")

    def test_every_card_serves_one_client_after_the_other_whatever_its_quirks(self):
        quirks = ["--quirks", "linux", "--quirks", "dpdk"]
        for kind in (["82599"], ["82599-sfp", "--sfp-cable", "dac"], ["82599-sfp", "--sfp-cable", "optics"], ["82574"]):
            with self.subTest(kind), simnic("--nic", *kind, "--socket", self.path("s"), "--wire", "loopback", *quirks) as nic:
                for _ in range(2):
                    text = output(example("07_packet_generator", "--dev", f"vfio-user:{self.path('s')}", "--count", "100"))
                    self.assertRegex(text, r"100 packets .* sent")
            self.assertRegex(nic.text, r"2 clients, \d+ messages \(0 refused\), 200 frames sent, 200 received")
            self.assertIn("0 faults of the driver", nic.text)

    def test_a_card_without_a_driver_here_is_named(self):
        with simnic("--nic", "82576", "--socket", self.path("s")):
            text = output(example("05_receive_counter", "--dev", f"vfio-user:{self.path('s')}"))
            self.assertIn("8086:10c9", text)
            self.assertIn("82574 and 82599", text)

    def test_an_empty_cage_has_no_link(self):
        with simnic("--nic", "82599-sfp", "--no-module", "--socket", self.path("s")):
            text = output(example("05_receive_counter", "--dev", f"vfio-user:{self.path('s')}", "--count", "1"))
            self.assertRegex(text, "link|module|SFP")

    def test_datagrams_are_frames(self):
        wire, peer = self.path("wire"), self.path("peer")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
            other.bind(peer)
            other.settimeout(30)
            with simnic("--nic", "82599", "--socket", self.path("s"), "--wire", f"dgram:{wire},{peer}") as nic:
                counter = example("05_receive_counter", "--dev", f"vfio-user:{self.path('s')}", "--count", "50")
                frame = b"\xff" * 6 + b"\x02\0\0\0\0\x07" + b"\x88\xb5" + bytes(100)
                while counter.poll() is None:
                    with contextlib.suppress(BlockingIOError):
                        other.sendto(frame, socket.MSG_DONTWAIT, wire)
                    time.sleep(0.002)
                self.assertIn("50 packets, 5700 bytes", output(counter))
                output(example("07_packet_generator", "--dev", f"vfio-user:{self.path('s')}", "--count", "10", "--size", "80"))
                self.assertEqual(len(other.recv(2000)), 80)
            self.assertFalse(os.path.exists(wire))
        self.assertIn("10 frames sent", nic.text)

    @unittest.skipUnless(ROOT and os.path.exists("/dev/net/tun"), "makes an interface")
    def test_a_tap_interface_is_the_kernels_end(self):
        name = f"plx{os.getpid() % 100000}"
        with simnic("--nic", "82574", "--socket", self.path("s"), "--wire", f"tap:{name}"):
            subprocess.run(["ip", "link", "set", name, "up"], check=True)
            with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x88B5)) as kernel:
                kernel.bind((name, 0x88B5))
                kernel.settimeout(30)
                counter = example("05_receive_counter", "--dev", f"vfio-user:{self.path('s')}", "--count", "20")
                frame = b"\xff" * 6 + b"\x02\0\0\0\0\x07" + b"\x88\xb5" + bytes(100)
                while counter.poll() is None:
                    kernel.send(frame)
                    time.sleep(0.002)
                self.assertRegex(output(counter), "20 packets")
        self.assertFalse(os.path.exists(f"/sys/class/net/{name}"))

    @unittest.skipUnless(ROOT, "gives up privileges")
    def test_an_ordinary_user_is_told_how_to_get_a_tap_interface(self):
        os.chmod(self.folder.name, 0o777)
        with simnic("--nic", "82574", "--socket", self.path("s"), "--wire", "tap:plxnone", user=65534) as nic:
            self.assertEqual(nic.wait(timeout=30), 1)
        self.assertRegex(nic.text, "ip tuntap add plxnone mode tap user USER|chmod 666 /dev/net/tun")


class Clients(Case):
    def test_several_come_one_after_the_other_and_some_are_killed(self):
        with simnic("--nic", "82599", "--socket", self.path("s")) as nic:
            for turn in range(6):
                client = example("07_packet_generator", "--dev", f"vfio-user:{self.path('s')}", "--count", "1000000000")
                time.sleep(0.3)
                client.send_signal(signal.SIGKILL if turn % 2 else signal.SIGINT)
                output(client)
            self.assertIsNone(nic.poll())
        self.assertIn("6 clients", nic.text)
        self.assertIn("0 faults of the driver", nic.text)

    def test_a_client_says_so_when_there_is_no_server(self):
        text = output(example("05_receive_counter", "--dev", f"vfio-user:{self.path('s')}"))
        self.assertIn("pollux-simnic --nic 82599 --socket", text)

    def test_a_client_ends_when_its_server_is_killed(self):
        with simnic("--nic", "82599", "--socket", self.path("s")) as nic:
            client = example("05_receive_counter", "--dev", f"vfio-user:{self.path('s')}")
            time.sleep(0.5)
            nic.kill()
            nic.wait()
            time.sleep(0.2)
            client.send_signal(signal.SIGINT)
            output(client)

    @unittest.skipUnless(ROOT, "gives up privileges")
    def test_neither_needs_privileges(self):
        os.chmod(self.folder.name, 0o777)
        with simnic("--nic", "82599", "--socket", self.path("s"), user=65534):
            client = example("07_packet_generator", "--dev", f"vfio-user:{self.path('s')}", "--count", "100", user=65534, group=65534)
            self.assertRegex(output(client), "100 packets .* sent")


class VirtualMachine(Case):
    """examples/10_virtual_machine.sh with a QEMU that only tells how it was called."""
    SCRIPT = pathlib.Path(__file__).parents[2] / "examples" / "10_virtual_machine.sh"

    def start(self, *options, devices='name "vfio-user-pci", bus PCI'):
        qemu = pathlib.Path(self.path("qemu"))
        qemu.write_text(f"""#!/bin/sh
case "$*" in "-device help") echo '{devices}'; exit ;; esac
for word; do printf '%s\\n' "$word"; done
test -S "$(printf '%s' "$*" | sed 's/.*"path":"\\([^"]*\\)".*/\\1/')" && echo "the socket is there"
exit 7
""")
        qemu.chmod(0o755)
        return subprocess.run([self.SCRIPT, *options], capture_output=True, text=True, timeout=60,
                              env={**os.environ, "SIMNIC": str(TOOL), "QEMU": str(qemu), "TMPDIR": self.folder.name})

    def test_starts_the_card_and_qemu_with_shared_memory(self):
        done = self.start("--mac", "02:00:00:00:00:07", "--", "-accel", "tcg", "-hda", "a b.qcow2")
        self.assertEqual(done.returncode, 7, done.stderr)
        self.assertIn("82599 at", done.stdout)
        self.assertIn("memory-backend-memfd,id=pollux-memory,size=2G,share=on", done.stdout)
        self.assertIn("\n-accel\ntcg\n-hda\na b.qcow2\nthe socket is there\n", done.stdout)
        self.assertEqual(os.listdir(self.folder.name), ["qemu"], "something is left over")

    def test_says_what_is_missing(self):
        self.assertIn("QEMU 10.1", self.start("--", devices="e1000").stderr)
        self.assertIn("usage:", self.start("-accel", "kvm").stderr)
        done = self.start("--nic", "8139", "--", "x")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("82599", done.stdout + done.stderr)
        self.assertEqual(os.listdir(self.folder.name), ["qemu"])


if __name__ == "__main__":
    unittest.main()

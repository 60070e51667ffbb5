#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""What a user meets at the command line, in the lab's guest: bad input, missing rights, kill -9 in mid-traffic.

Arguments: the directory with the built programs. NIC 0 - kernel's NIC 1, NIC 2 - NIC 3; with --no-iommu only the case
of a machine without IOMMU.
"""
import os
import pathlib
import resource
import signal
import socket
import subprocess
import sys
import time
import unittest

BUILD = pathlib.Path(sys.argv.pop(1) if len(sys.argv) > 1 else "build")
BENCH = BUILD / "bench" / "pollux-bench"
RECEIVE = BUILD / "examples" / "01_receive"
DEVBIND = pathlib.Path(__file__).resolve().parents[2] / "tools" / "pollux-devbind"
PCI = pathlib.Path("/sys/bus/pci")
NOBODY = 65534


def nic(n):
    return os.environ[f"POLLUX_NIC{n}"]


def bind(bdf, driver):
    device = PCI / "devices" / bdf
    (device / "driver_override").write_text(driver + "\n")
    if (device / "driver").exists():
        (device / "driver" / "unbind").write_text(bdf)
    (PCI / "drivers_probe").write_text(bdf)
    return device


def group_node(bdf):
    return pathlib.Path("/dev/vfio") / (PCI / "devices" / bdf / "iommu_group").resolve().name


def free_hugepages():
    return int(pathlib.Path("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages").read_text())


def run(*command, **options):
    return subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=120, **options)


def as_nobody(memlock=None):
    """For preexec_fn: an ordinary user, optionally with a small locked-memory limit."""
    def drop():
        if memlock is not None:
            resource.setrlimit(resource.RLIMIT_MEMLOCK, (memlock, memlock))
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    return drop


class Messages(unittest.TestCase):
    """One clear error line, non-zero exit status, nothing left open."""

    def expect(self, result, *parts):
        text = result.stderr
        self.assertNotEqual(result.returncode, 0, text)
        self.assertGreater(result.returncode, 0, f"died of a signal: {text}")
        for part in parts:
            self.assertIn(part, text)
        errors = [line for line in text.splitlines() if line.startswith(("pollux-bench:", "01_receive:"))]
        self.assertEqual(len(errors), 1, text)

    def port(self, spec, **options):
        return run(BENCH, "--port", spec, "--count", "10", **options)


class BadInput(Messages):
    def setUp(self):
        self.free = free_hugepages()
        bind(nic(0), "vfio-pci")

    def tearDown(self):
        self.assertEqual(free_hugepages(), self.free)

    def test_malformed_address(self):
        for bad in ("3:0.0", "0000:00:04", "0000:00:20.0", "zz:00.0", "0000:00:04.8", ""):
            with self.subTest(bad=bad):
                self.expect(run(RECEIVE, bad), "DDDD:BB:DD.F")

    def test_unknown_kind_of_port(self):
        self.expect(self.port("dpdk:foo"), "dpdk:foo", "pci:0000:03:00.0", "packet:eth0")

    def test_absent_device(self):
        self.expect(self.port("pci:0000:7f:00.0"), "0000:7f:00.0", "lspci")

    def test_absent_interface(self):
        self.expect(self.port("packet:nope0"), "nope0", "ip -brief link")

    def test_interface_down(self):
        name = os.listdir(PCI / "devices" / nic(1) / "net")[0]
        run("ip", "link", "set", name, "down")
        self.expect(self.port(f"packet:{name}"), "down", f"ip link set {name} up")

    def test_device_of_another_driver(self):
        self.expect(self.port(f"pci:{nic(1)}"), "bound to driver e1000e", "driver_override", "drivers_probe")

    def test_device_without_driver(self):
        device = bind(nic(0), "none")
        self.assertFalse((device / "driver").exists())
        self.expect(self.port(f"pci:{nic(0)}"), "bound to no driver", "driver_override")

    def test_those_commands_do_mend_it(self):
        bind(nic(0), "none")
        text = self.port(f"pci:{nic(0)}").stderr
        commands = text.split("as root: ")[1].strip()
        self.assertEqual(run("sh", "-ec", commands).returncode, 0, commands)
        self.assertEqual((PCI / "devices" / nic(0) / "driver").resolve().name, "vfio-pci")

    def test_no_right_to_the_group(self):
        self.expect(self.port(f"pci:{nic(0)}", preexec_fn=as_nobody()), "/dev/vfio/", "ermission", "chown")

    def test_memory_limit_too_small(self):
        node = group_node(nic(0))
        os.chown(node, NOBODY, NOBODY)
        self.expect(self.port(f"pci:{nic(0)}", preexec_fn=as_nobody(memlock=64 << 10)), "ulimit -l", "limits.conf")
        os.chown(node, 0, 0)

    def test_ordinary_user_with_the_group_and_memory_works(self):
        node = group_node(nic(0))
        os.chown(node, NOBODY, NOBODY)
        user = as_nobody(memlock=64 << 20)
        result = run(RECEIVE, nic(0), 0, preexec_fn=user)
        os.chown(node, 0, 0)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("is up", result.stdout)

    def test_ordinary_user_receives_by_a_device_that_devbind_handed_to_him(self):
        """Nothing of his needs root; his session (here: this test) gives him the locked-memory limit."""
        bind(nic(0), "e1000e")
        (PCI / "devices" / nic(0) / "driver_override").write_text("\n")
        handed = run(DEVBIND, "bind", nic(0), "--driver", "vfio-pci", "--uid", NOBODY)
        self.assertEqual(handed.returncode, 0, handed.stdout + handed.stderr)
        try:
            self.assertEqual(group_node(nic(0)).stat().st_uid, NOBODY)
            name = os.listdir(PCI / "devices" / nic(1) / "net")[0]
            run("ip", "link", "set", name, "up")
            with subprocess.Popen([RECEIVE, nic(0), "3"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                  preexec_fn=as_nobody(memlock=64 << 20)) as user, \
                    socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as kernel:
                self.assertIn("is up", user.stdout.readline())
                status = pathlib.Path(f"/proc/{user.pid}/status").read_text()
                self.assertRegex(status, rf"(?m)^Uid:\s+{NOBODY}\s+{NOBODY}\s+{NOBODY}")
                self.assertRegex(status, r"(?m)^CapEff:\s+0+$")
                kernel.bind((name, 0))
                end = time.monotonic() + 20
                while user.poll() is None and time.monotonic() < end:
                    kernel.send(bytes(6 * [0xFF]) + bytes(6) + b"\x88\xB5" + bytes(46))
                    time.sleep(0.01)
                self.assertEqual(user.poll(), 0, "three frames do not arrive")
                self.assertRegex(user.stdout.read(), "[0-9]+ packets")
        finally:
            restored = run(DEVBIND, "restore")
        self.assertEqual(restored.returncode, 0, restored.stdout + restored.stderr)
        self.assertEqual((PCI / "devices" / nic(0) / "driver").resolve().name, "e1000e")

    def test_device_in_use(self):
        with subprocess.Popen([RECEIVE, nic(0)], stdout=subprocess.PIPE) as owner:
            try:
                owner.stdout.readline()
                self.expect(self.port(f"pci:{nic(0)}"), "busy", "fuser")
            finally:
                owner.kill()

    def test_link_down(self):
        run("labctl", "link", 0, "down")
        try:
            self.expect(self.port(f"pci:{nic(0)}"), "link", "STATUS 0x", "BMSR 0x", "cable")
        finally:
            run("labctl", "link", 0, "up")

    def test_group_not_viable(self):
        """Two 82574s behind a conventional bridge share a group (tests/run puts them there)."""
        groups = {}
        for device in (PCI / "devices").iterdir():
            if (device / "device").read_text().strip() == "0x10d3":
                groups.setdefault((device / "iommu_group").resolve(), []).append(device.name)
        pairs = [members for members in groups.values() if len(members) == 2]
        self.assertTrue(pairs, "the guest has no two NICs in one group")
        ours, other = sorted(pairs[0])
        bind(ours, "vfio-pci")
        self.expect(self.port(f"pci:{ours}"), "not viable", other, "e1000e", "vfio-pci")
        bind(other, "vfio-pci")
        self.assertEqual(run(RECEIVE, ours, 0).returncode, 0, "with both bound the group works")

    def test_capture_that_is_none(self):
        for name, content in (("empty.pcap", b""), ("noise.pcap", b"no capture at all, just some text" * 9)):
            path = pathlib.Path("/tmp") / name
            path.write_bytes(content)
            result = run(BENCH, "--port", f"pci:{nic(0)}", "--pcap", path)
            self.expect(result, name, "pcap")

    def test_truncated_capture(self):
        whole = (pathlib.Path(__file__).parents[2] / "bench" / "captures" / "mix.pcap").read_bytes()
        path = pathlib.Path("/tmp/cut.pcap")
        path.write_bytes(whole[:-100])
        self.expect(run(BENCH, "--port", f"pci:{nic(0)}", "--pcap", path), "frame 69", "truncated")

    def test_frames_that_do_not_return_fail_the_run(self):
        result = run(BENCH, "--port", f"pci:{nic(0)}", "--case", "ping-pong", "--frames", 3, "--repeat", 1)
        self.assertEqual(result.returncode, 1)
        self.assertRegex(result.stdout, r"0 good, [1-9][0-9]* lost")


class Kill(unittest.TestCase):
    def test_kill_9_in_mid_traffic_leaves_nothing_behind(self):
        """Ten times: the next start works at once, hugepages, group and binding are as before."""
        for n in (2, 3):
            bind(nic(n), "vfio-pci")
        free = free_hugepages()
        command = [str(BENCH), "--port", f"pci:{nic(2)}", "--peer", f"pci:{nic(3)}", "--case", "forward", "--burst", "32",
                   "--size", "512", "--repeat", "1", "--no-syscall-count", "--frames"]
        for attempt in range(10):
            with subprocess.Popen(command + ["100000000"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as victim:
                victim.stderr.readline()  # the case has begun
                time.sleep(0.3 + 0.05 * attempt)
                self.assertIsNone(victim.poll(), "still running")
                victim.send_signal(signal.SIGKILL)
            self.assertEqual(victim.returncode, -signal.SIGKILL)
            again = run(*command, 2000)
            self.assertEqual(again.returncode, 0, again.stdout + again.stderr)
            self.assertEqual(free_hugepages(), free)
            for n in (2, 3):
                self.assertEqual((PCI / "devices" / nic(n) / "driver").resolve().name, "vfio-pci")
                self.assertEqual(run("fuser", group_node(nic(n))).stdout.strip(), "")


class NoIommu(Messages):
    def test_device_behind_no_iommu(self):
        self.expect(self.port(f"pci:{nic(0)}"), "no IOMMU", "intel_iommu=on", "modprobe uio_pci_generic")
        self.expect(self.port(f"vfio:{nic(0)}"), "no IOMMU", "intel_iommu=on")

    def test_no_vfio_module(self):
        run("modprobe", "-r", "vfio-pci", "vfio_iommu_type1", "vfio")
        os.path.exists("/dev/vfio/vfio") and os.rename("/dev/vfio/vfio", "/dev/vfio/away")
        self.expect(self.port(f"vfio:{nic(0)}"), "/dev/vfio/vfio", "modprobe vfio-pci")


def load_tests(loader, _tests, _pattern):
    without = os.environ.get("POLLUX_LAB_NO_IOMMU")
    cases = (NoIommu,) if without else (BadInput, Kill)
    return unittest.TestSuite(loader.loadTestsFromTestCase(c) for c in cases)


if __name__ == "__main__":
    unittest.main(verbosity=2)

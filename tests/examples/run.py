#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Runs every built example on the simulated NICs: it ends by itself, succeeds and says what it promises.

Argument: the build directory.
"""
import pathlib
import signal
import struct
import subprocess
import sys
import tempfile
import time
import unittest

EXAMPLES = pathlib.Path(sys.argv.pop(1)) / "examples"
DEVICES = ["sim:ixgbe", "sim:82574"]
# Example -> options besides --dev, and phrases of its output.
SIMULATED = {
    "03_dump_registers": ([], ["CTRL", "RAH", "RDLEN"]),
    "04_link_watch": (["--count", "6"], ["link up, 1", "full duplex", "link down"]),
    "05_receive_counter": (["--count", "40"], ["40 packets, 2400 bytes", "0 bad", "0 rejected"]),
    "06_forwarder": (["--count", "100"], ["packets forwarded, 0 dropped"]),
    "07_packet_generator": (["--count", "100", "--size", "1514"], ["100 packets of 1514 bytes", "100 came back"]),
    "08_capture": (["--count", "7", "--write", "FILE"], ["7 frames from"]),
    "09_wait_policies": (["--count", "20"], ["MSI-X", "p99", "SpinThenBlock", "AdaptiveWait", "CallerEpoll"]),
}


def run(name, *options):
    done = subprocess.run([EXAMPLES / name, *options], capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


def blocks(data):
    """(type, body) of every block of a pcapng file."""
    while data:
        kind, length = struct.unpack_from("<II", data)
        assert length % 4 == 0 and struct.unpack_from("<I", data, length - 4) == (length,), "a damaged block"
        yield kind, data[8:length - 4]
        data = data[length:]


class Examples(unittest.TestCase):
    def test_simulated(self):
        with tempfile.TemporaryDirectory() as folder:
            for name, (options, phrases) in SIMULATED.items():
                for device in DEVICES:
                    with self.subTest(name, device=device):
                        file = f"{folder}/out.pcapng"
                        code, out, err = run(name, "--dev", device, *(file if o == "FILE" else o for o in options))
                        self.assertEqual((code, err), (0, ""), out)
                        for phrase in phrases:
                            self.assertIn(phrase, out)

    def test_capture_is_what_was_received(self):
        with tempfile.TemporaryDirectory() as folder:
            before = time.time_ns()
            self.assertEqual(run("08_capture", "--count", "7", "--write", f"{folder}/a")[0], 0)
            (section, _), (interface, about), *packets = blocks(pathlib.Path(folder, "a").read_bytes())
        self.assertEqual((section, interface), (0x0A0D0D0A, 1))
        self.assertIn(struct.pack("<HHB", 9, 1, 9), about)  # nanoseconds
        self.assertEqual(len(packets), 7)
        for kind, body in packets:
            _, high, low, captured, length = struct.unpack_from("<5I", body)
            self.assertEqual((kind, captured, length), (6, 60, 60))
            self.assertTrue(before <= high << 32 | low <= time.time_ns())
            self.assertEqual(body[20 + 12:20 + 14], b"\x88\xb5")
            self.assertEqual(body[80:], struct.pack("<HHIHH", 2, 4, 1, 0, 0))  # inbound

    def test_list(self):
        code, out, err = run("02_list_devices", "--all")
        self.assertEqual((code, err), (0, ""))
        self.assertIn("PCI functions", out)

    def test_bad_device(self):
        for name in SIMULATED:
            for device in ["sim:nothing", "nonsense"]:
                with self.subTest(name, device=device):
                    code, _, err = run(name, "--dev", device)
                    self.assertEqual((code, err.count("\n")), (1, 1), err)
                    self.assertTrue(err.startswith(f"{name}: cannot ") and "; " in err, err)

    def test_bad_count(self):
        for name, (options, _) in SIMULATED.items():
            if "--count" in options:
                self.assertNotEqual(run(name, "--count", "-1")[0], 0, name)

    def test_interrupted(self):
        for name in SIMULATED:
            if name in ("03_dump_registers", "08_capture"):
                continue
            with self.subTest(name), subprocess.Popen([EXAMPLES / name], stdout=subprocess.PIPE, text=True) as process:
                time.sleep(0.5)
                process.send_signal(signal.SIGINT)
                self.assertEqual((process.communicate(timeout=20)[1], process.returncode), (None, 0))


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The inline benchmarks as programs: Pollux's and, where it is built, DPDK's. Not how fast they are: that every frame comes
back in every case (the programs check it), that counts of instructions are the same each time, and what bad options say.

Arguments: the build directory.
"""
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

BENCH = pathlib.Path(sys.argv.pop(1)) / "bench"
INLINE, DPDK = BENCH / "pollux-inline-bench", BENCH / "pollux-dpdk-bench"
QUICK = ["--regions", "20", "--most", "1"]


def run(program, *options, timeout=300):
    done = subprocess.run([program, *options], capture_output=True, text=True, timeout=timeout)
    return done.returncode, done.stdout, done.stderr


def measure(program, pattern, *options):
    """{name: counters} and the context of the cases that match."""
    with tempfile.TemporaryDirectory() as directory:
        out = pathlib.Path(directory) / "out.json"
        status, text, errors = run(program, *QUICK, *options, f"--benchmark_filter={pattern}", f"--benchmark_out={out}")
        assert status == 0, text + errors
        report = json.loads(out.read_text())
    for entry in report["benchmarks"]:
        assert not entry.get("error_occurred"), entry
    return {entry["run_name"].removesuffix("/iterations:1/manual_time"): entry for entry in report["benchmarks"]}, \
        report["context"]


class Pollux(unittest.TestCase):
    program, port, options, smallest = INLINE, "sim:ixgbe:", [], 1

    def names(self):
        status, out, _ = run(self.program, *self.options, "--benchmark_list_tests=true")
        self.assertEqual(status, 0)
        return [name.removesuffix("/iterations:1/manual_time") for name in out.split() if name.startswith(self.port)]

    def test_every_case_is_there(self):
        names = {name.split("/", 1)[1] for name in self.names() if ":metadata/" not in name}
        for case in "forward", "receive", "send":
            for burst in 1, 2, 4, 8, 16, 32, 64, 128, 256:
                self.assertEqual(f"inline/{case}/burst:{burst}" in names, burst >= self.smallest)
            self.assertIn(f"l3-cold/{case}/burst:32", names)
        self.assertLessEqual({"inline/one_arrives", "inline/empty_poll"}, names)

    def test_frames_come_back_in_every_case(self):
        pattern = "burst:(32|256)|one_arrives|empty_poll"
        results, context = measure(self.program, pattern, *self.options, "--no-instructions")
        self.assertGreater(len(results), 10)
        for name, counters in results.items():
            self.assertGreater(counters["tsc_ticks_per_packet"], 0, name)
            self.assertGreater(counters["mpps"], 0, name)
            self.assertLessEqual(counters["p50"], counters["p99"], name)
            self.assertLessEqual(counters["p99"], counters["max"], name)
            self.assertEqual(counters["repetitions"], 1, name)
            self.assertNotIn("instructions_per_packet", counters)
        for what in "frames", "inline", "l3-cold", "threaded", "times", "instructions", "memory":
            self.assertIn(what, context)

    def test_instructions_are_the_same_each_time(self):
        pattern = "inline/forward/burst:32|inline/one_arrives"
        first, _ = measure(self.program, pattern, *self.options)
        second, context = measure(self.program, pattern, *self.options)
        if "left out" in context["instructions"]:
            self.skipTest(context["instructions"])
        for name, counters in first.items():
            count = counters["instructions_per_packet"]
            self.assertGreater(count, 5, name)
            self.assertLess(count, 2000, name)
            self.assertAlmostEqual(count, second[name]["instructions_per_packet"], delta=count * 0.01, msg=name)

    def test_bad_options(self):
        for options, said in ((["--regions", "3"], "--regions"), (["--nonsense"], "--nonsense"),
                              (["--cpu", "9999"], "CPU 9999"), (["--cpu", "x"], "--cpu")):
            status, out, errors = run(self.program, *self.options, *options)
            self.assertNotEqual(status, 0, options)
            self.assertIn(said, out + errors)


@unittest.skipUnless(DPDK.exists(), "pollux-dpdk-bench is not built: it needs dpdk-dev (-Dpeers=enabled) and x86-64")
class DpdkVector(Pollux):
    program, port, options, smallest = DPDK, "dpdk:net_ixgbe:vec", ["--path", "vec"], 4
    says = "Vector rx enabled", "Vector tx enabled"

    def test_the_driver_took_the_path(self):
        _, context = measure(self.program, "inline/empty_poll", *self.options, "--no-instructions")
        self.assertIn("net_ixgbe", context["driver"])
        for said in self.says:
            self.assertIn(said, context["driver"])


class DpdkBulk(DpdkVector):
    test_bad_options = None
    port, options, smallest = "dpdk:net_ixgbe:bulk", ["--path", "bulk"], 1
    says = "Bulk Alloc function will be used", "simple tx"


class DpdkFull(DpdkVector):
    test_bad_options = None
    port, options, smallest = "dpdk:net_ixgbe:full", ["--path", "full"], 1
    says = "Preconditions are not satisfied", "full-featured tx"

    def test_there_is_no_such_path(self):
        status, out, errors = run(DPDK, "--path", "fast")
        self.assertNotEqual(status, 0)
        self.assertIn("vec", out + errors)


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""bench/compare-inline: what it makes of the programs' figures, without measuring anything.

Argument: the project's root.
"""
import importlib.machinery
import importlib.util
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(sys.argv.pop(1))
SCRIPT = ROOT / "bench/compare-inline"
sys.dont_write_bytecode = True
loader = importlib.machinery.SourceFileLoader("compare_inline", str(SCRIPT))
compare = importlib.util.module_from_spec(importlib.util.spec_from_loader("compare_inline", loader))
loader.exec_module(compare)

# Stands for a program: counts its runs, so that each round differs; takes and writes what the real ones do.
PROGRAM = """#!/usr/bin/env python3
import json, pathlib, sys
here = pathlib.Path(__file__)
runs = here.with_suffix(".runs")
n = int(runs.read_text()) + 1 if runs.exists() else 1
runs.write_text(str(n))
path = sys.argv[sys.argv.index("--path") + 1] if "--path" in sys.argv else None
port = f"dpdk:net_ixgbe:{path}" if path else "sim:ixgbe:" + here.name.rsplit("-", 1)[1]
out = next(a.split("=", 1)[1] for a in sys.argv if a.startswith("--benchmark_out="))
def entry(case, ticks, **more):
    counters = {"tsc_ticks_per_packet": ticks, "core_cycles_per_packet": ticks * 2, "mpps": 1000 / ticks, "p50": 1,
                "p99": 2, "p99.9": 3, "max": 4, "spread": 0, "repetitions": 5, "disturbed": 0, "stolen_ms": 1}
    name = f"{port}/{case}/iterations:1/manual_time"
    return {"name": name, "run_name": name, **counters, **more}
cases = [entry("inline/forward/burst:32", 10 * n), entry("inline/one_arrives", 7)]
if "--instructions" in sys.argv:
    cases[0]["instructions_per_packet"] = 51
pathlib.Path(out).write_text(json.dumps({"benchmarks": cases, "context": {"frames": "60 bytes", "memory": port}}))
"""


def reps(ticks, repetitions=5, disturbed=0, **more):
    return {"tsc_ticks_per_packet": ticks, "repetitions": repetitions, "disturbed": disturbed, "stolen_ms": 1, **more}


class Merging(unittest.TestCase):
    def test_names(self):
        self.assertEqual(compare.key_of("dpdk:net_ixgbe:vec/l3-cold/forward/burst:8/iterations:1/manual_time"),
                         ("dpdk:net_ixgbe:vec", "l3-cold", "forward", 8))
        self.assertEqual(compare.key_of("sim:ixgbe:avx2:metadata/inline/one_arrives"),
                         ("sim:ixgbe:avx2:metadata", "inline", "one_arrives", 32))

    def test_median_over_the_rounds(self):
        got = compare.merged([reps(10), reps(30), reps(11)])
        self.assertEqual(got["tsc_ticks_per_packet"], 11)
        self.assertEqual((got["repetitions"], got["stolen_ms"]), (15, 3))
        self.assertAlmostEqual(got["spread"], 1 / 11)

    def test_rounds_that_were_never_quiet_do_not_count(self):
        self.assertEqual(compare.merged([reps(10), reps(90, disturbed=5), reps(91, disturbed=5)])["tsc_ticks_per_packet"],
                         10)
        self.assertEqual(compare.merged([reps(90, disturbed=5), reps(92, disturbed=5)])["tsc_ticks_per_packet"], 91)

    def test_instructions_come_from_the_round_that_counted(self):
        got = compare.merged([reps(10, disturbed=5, instructions_per_packet=51), reps(11)])
        self.assertEqual(got["instructions_per_packet"], 51)

    def test_noise_is_said(self):
        cases = {1: [reps(1)], 2: [reps(1)]}
        self.assertIn("quiet", compare.noise_in_words(cases))
        cases[2] = [reps(1, disturbed=1)] * 4
        self.assertTrue(compare.noise_in_words(cases).startswith("disturbed"))
        cases[2] = [reps(1, disturbed=5)]
        self.assertIn("badly disturbed", compare.noise_in_words(cases))
        self.assertIn("1 of 2 cases never", compare.noise_in_words(cases))


class Programs(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory()
        self.addCleanup(self.directory.cleanup)
        self.bench = pathlib.Path(self.directory.name)
        self.json = self.bench / "out.json"
        self.program("pollux-inline-bench-scalar")
        self.program("pollux-dpdk-bench")
        compare.platform.machine, self.machine = lambda: "x86_64", compare.platform.machine
        compare.cpu_flags, self.flags = lambda: set(compare.LEVELS["scalar"].split()), compare.cpu_flags
        self.addCleanup(lambda: (setattr(compare.platform, "machine", self.machine),
                                 setattr(compare, "cpu_flags", self.flags)))
        compare.say, said = self.said.append, compare.say
        self.addCleanup(lambda: setattr(compare, "say", said))

    said = []

    def program(self, name, text=PROGRAM):
        (self.bench / name).write_text(text)
        (self.bench / name).chmod(0o755)

    def measure(self, rounds=3):
        compare.measure(compare.argparse.Namespace(bench=self.bench, json=self.json, rounds=rounds, regions=20, most=1,
                                                   filter="."))
        return json.loads(self.json.read_text())

    def test_json(self):
        document = self.measure()
        self.assertEqual(set(document), {"machine", "method", "results"})
        for value in document["machine"].values():
            self.assertIsInstance(value, str)
        for entry in document["results"]:
            self.assertEqual(set(entry), {"case", "port", "direction", "frame_bytes", "burst", "setup", "metric", "unit",
                                          "value"})
        found = {(e["port"], e["case"], e["burst"], e["metric"]): e for e in document["results"]}
        ticks = found["sim:ixgbe:scalar", "forward", 32, "tsc_ticks_per_packet"]
        self.assertEqual((ticks["value"], ticks["unit"], ticks["setup"], ticks["frame_bytes"], ticks["direction"]),
                         (20, "ticks", "inline", 64, "forward"))
        self.assertEqual(found["sim:ixgbe:scalar", "forward", 32, "instructions_per_packet"]["value"], 51)
        self.assertEqual({e["port"] for e in document["results"]},
                         {"sim:ixgbe:scalar", "dpdk:net_ixgbe:vec", "dpdk:net_ixgbe:bulk", "dpdk:net_ixgbe:full"})
        self.assertIn("frames: 60 bytes", document["method"])  # all say it: once, for nobody in particular
        self.assertIn("dpdk:net_ixgbe:vec: memory: dpdk:net_ixgbe:vec", document["method"])

    def test_what_is_left_out_is_said(self):
        (self.bench / "pollux-dpdk-bench").unlink()
        method = "\n".join(self.measure(1)["method"])
        self.assertIn("left out: sim:ixgbe:avx512: this CPU has no ", method)
        self.assertIn("avx512f", method)
        self.assertIn("dpdk-dev", method)

    def test_a_program_that_fails_ends_it(self):
        self.program("pollux-dpdk-bench", "#!/bin/sh\necho no frames came back >&2\nexit 1\n")
        with self.assertRaisesRegex(RuntimeError, "pollux-dpdk-bench ended with status 1(.|\n)*no frames came back"):
            self.measure(1)
        self.assertFalse(self.json.exists())

    def test_nothing_to_measure(self):
        done = subprocess.run([SCRIPT, "measure", "--bench", self.bench / "nowhere", "--json", self.json],
                              capture_output=True, text=True)
        self.assertEqual(done.returncode, 1)
        self.assertIn("nothing to measure", done.stderr)
        self.assertNotIn("Traceback", done.stderr)

    def test_bad_options(self):
        for options in (["measure"], ["measure", "--json", "x", "--rounds", "0"], ["show"], ["sho"]):
            self.assertEqual(subprocess.run([SCRIPT, *options], capture_output=True).returncode, 2, options)
        done = subprocess.run([SCRIPT, "show", self.bench / "none.json"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 1)
        self.assertNotIn("Traceback", done.stderr)


class Goals(unittest.TestCase):
    @staticmethod
    def document(own, peer, metadata=None):
        at = {"setup": "inline", "case": "forward", "burst": 32, "metric": "core_cycles_per_packet"}
        ports = {"sim:ixgbe:avx512": own, "dpdk:net_ixgbe:vec": peer, "sim:ixgbe:avx512:metadata": metadata}
        return {"results": [{**at, "port": p, "value": v} for p, v in ports.items() if v is not None]}

    def goal(self, part, *document, kernel=None):
        goals = compare.goals(compare.Figures(self.document(*document)), kernel or {})
        return next((got, reached) for what, got, _, reached in goals if part in what)

    def test_cycles(self):
        self.assertEqual(self.goal("burst 32 (avx512)", 8, 30), ("8.0 cycles", True))
        self.assertEqual(self.goal("burst 32 (avx512)", 8.1, 30), ("8.1 cycles", False))
        self.assertEqual(self.goal("burst 32 (scalar)", 8, 30), (None, False))

    def test_ratios(self):
        self.assertEqual(self.goal("DPDK's vector path", 10, 30), ("3.00 times", True))
        self.assertEqual(self.goal("DPDK's vector path", 10, 29), ("2.90 times", False))
        self.assertEqual(self.goal("DPDK's vector path", 10, None), (None, False))
        self.assertEqual(self.goal("metadata", 10, 30, 11.9), ("+1.9 cycles", True))
        self.assertEqual(self.goal("metadata", 10, 30, 12.1), ("+2.1 cycles", False))

    def test_cyclic(self):
        def kernel(packet, sim):
            at = {"case": "cyclic", "direction": "send", "metric": "p50"}
            return {"results": [{**at, "port": "packet:a", "value": packet}, {**at, "port": "sim:ixgbe", "value": sim},
                                {**at, "port": "packet-mmsg:a", "value": 1}]}
        self.assertEqual(self.goal("p50", 8, 30, kernel=kernel(2000, 20)), ("100.00 times", True))
        self.assertEqual(self.goal("p50", 8, 30, kernel=kernel(2000, 50)), ("40.00 times", False))
        self.assertEqual(self.goal("p50", 8, 30), (None, False))

    def test_show(self):
        with tempfile.TemporaryDirectory() as directory:
            file = pathlib.Path(directory) / "in.json"
            file.write_text(json.dumps({**self.document(7, 28), "machine": {"noise": "quiet: all"},
                                        "method": ["left out: AVX-1024"]}))
            done = subprocess.run([SCRIPT, "show", file], capture_output=True, text=True, check=True)
        lines = done.stdout.splitlines()
        self.assertTrue(any("forward, burst 32" in line and "28.0" in line and "7.0 (4.00x)" in line for line in lines))
        self.assertTrue(any("DPDK's vector path" in line and line.endswith("  reached") for line in lines))
        self.assertTrue(any(line.endswith("not measured") for line in lines))
        self.assertIn("noise: quiet: all", lines)
        self.assertIn("left out: AVX-1024", lines)


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The page that pollux-bench --report writes, and what --from, --with-inline and --report say to bad input.

Argument: the build directory.
"""
import base64
import copy
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree

BENCH = pathlib.Path(sys.argv.pop(1)).resolve() / "bench" / "pollux-bench"
EVIL = "packet:<script>alert(1)</script>&\"'"
SECTIONS = ["ratios", "distributions", "throughput", "jitter", "frames", "machine", "raw"]


def key(case, direction, frame_bytes, burst):
    return {"case": case, "direction": direction, "frame_bytes": frame_bytes, "burst": burst}


def figure(at, port, metric, value, unit="ns", **more):
    return {**at, "port": port, "metric": metric, "unit": unit, "value": value, **more}


CYCLIC, SEND, SEND32 = key("cyclic", "send", 1200, 1), key("send", "send", 64, 1), key("send", "send", 64, 32)
ALL = key("all", "all", 0, 0)


def made_up(base="packet:a", other="sim:ixgbe"):
    """A run whose ratios are known."""
    figures, distributions, over_time = [], [], []
    for port, scale in ((base, 1), (other, 10)):
        for at, p50, p99, rate in ((CYCLIC, 4202 / (scale * 11), 9000 / scale, None),
                                   (SEND, 2000, 5000 * scale, 1e5 * scale), (SEND32, 500, 800, 2e5)):
            figures += [figure(at, port, m, v) for m, v in (("min", 1), ("average", p50), ("p50", p50), ("p99", p99),
                                                            ("p99.9", p99), ("max", p99))]
            figures.append(figure(at, port, "samples", 1234567, "1"))
            if rate:
                figures.append(figure(at, port, "rate", rate, "packets/s"))
            distributions.append({**at, "port": port, "unit": "ns", "samples": 10, "bins": [[32, 33, 9], [64, 66, 1]],
                                  "percentiles": [[0, 32], [50, 32.5], [90, 65]]})
        over_time.append({**CYCLIC, "port": port, "unit": "ns",
                          "repetitions": [[[0, 5, 32, 33, 64], [0.5, 5, 32, 34, 60]], [[0, 5, 31, 32, 33]]]})
        figures += [figure(ALL, port, m, 0, "frames") for m in ("lost", "repeated", "damaged", "late", "foreign")]
        figures += [figure(ALL, port, "good", 1000, "frames"), figure(ALL, port, "overruns", 3, "frames"),
                    figure(ALL, port, "system_calls", 4.5 if port == base else 0, "1/packet"),
                    figure(ALL, port, "proven_without_system_calls", int(port == other), "bool")]
    ports = [{"port": p, "device": "a device", "peer": "a peer", "notes": "<i>note</i>"} for p in (base, other)]
    return {"machine": {"cpu": "A & B", "cpus": "2", "ports": ports}, "build": {"compiler": "g++ <12>"},
            "method": ["how it was <done>"], "command": "pollux-bench --dev 'a<b'", "started": "2025-01-01T00:00:00Z",
            "results": figures, "distributions": distributions, "over_time": over_time}


def inline_figures():
    at = {**key("forward", "forward", 64, 0), "setup": "inline"}
    return [figure({**at, "burst": burst}, port, "core_cycles_per_packet", value + 64 // burst, "cycles")
            for port, value in (("sim:ixgbe:avx2", 11), ("dpdk:net_ixgbe:vec", 22), ("sim:ixgbe:scalar", 44))
            for burst in (1, 4, 32, 256)]


def local(tag):
    return tag.rpartition("}")[2]


class Page:
    """A page, parsed as XML, which HTML needs not be: whoever reads it can use any tool."""

    def __init__(self, text):
        self.text = text
        self.root = xml.etree.ElementTree.fromstring(text.replace("<!DOCTYPE html>\n", "", 1))

    def all(self, name, **attributes):
        return [e for e in self.root.iter() if local(e.tag) == name
                and all(e.get(k) == v for k, v in attributes.items())]

    def section(self, name):
        return self.all("section", id=name)[0]

    def cells(self, name):
        """The rows of a section's first table as texts."""
        table = next(e for e in self.section(name).iter() if local(e.tag) == "table")
        return [[" ".join(" ".join(c.itertext()).split()) for c in row if local(c.tag) in ("td", "th")]
                for row in table.iter() if local(row.tag) == "tr"]


class Report(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.path = pathlib.Path(self.folder.name)
        self.addCleanup(self.folder.cleanup)

    def file(self, name, content):
        path = self.path / name
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    def bench(self, *arguments):
        return subprocess.run([BENCH, *arguments], capture_output=True, text=True, timeout=120, cwd=self.path)

    def page(self, run, *arguments):
        done = self.bench("--from", self.file("run.json", run), "--report", "out.html", *arguments)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(done.stdout, "wrote out.html\n")
        return Page((self.path / "out.html").read_text())

    def refused(self, *arguments, parts):
        done = self.bench(*arguments)
        self.assertNotEqual(done.returncode, 0, done.stdout)
        self.assertGreater(done.returncode, 0, f"died of a signal: {done.stderr}")
        for part in parts:
            self.assertIn(part, done.stderr)


class Contents(Report):
    def tiles(self, page):
        return [" ".join(" ".join(t.itertext()).split()) for t in page.all("div", **{"class": "tile"})]

    def test_every_section_is_there_and_the_ratios_come_first(self):
        page = self.page(made_up())
        self.assertEqual([s.get("id") for s in page.all("section")], SECTIONS)
        links = {a.get("href") for a in page.all("a")}
        self.assertEqual(links, {"#" + s for s in SECTIONS})
        self.assertEqual(page.root.get("lang"), "en")
        self.assertEqual("".join(page.all("title")[0].itertext()), "pollux-bench: sim:ixgbe against packet:a")

    def test_ratios_are_right(self):
        rows = self.page(made_up()).cells("ratios")
        self.assertEqual(rows[0], ["Case", "p50", "p99", "Rate"])
        self.assertEqual(rows[1], ["cyclic, send, 1200 bytes", "▼ 10.0x less 382 ns → 38.2 ns",
                                   "▼ 10.0x less 9.00 µs → 900 ns", "-"])
        self.assertEqual(rows[2], ["send, 64 bytes", "the same 2.00 µs → 2.00 µs", "▲ 10.0x more 5.00 µs → 50.0 µs",
                                   "▲ 10.0x more 100 kpackets/s → 1.00 Mpackets/s"])
        self.assertEqual(rows[3][0], "send, 64 bytes, burst 32")

    def test_better_and_worse_are_marked(self):
        page = self.page(made_up())
        classes = [e.get("class") for e in page.section("ratios").iter() if "ratio" in e.get("class", "").split()]
        # The legend's two; then cyclic p50, p99; send p50, p99, rate; burst 32 the same.
        self.assertEqual(classes, ["ratio " + c for c in ("better", "worse", "better", "better", "even", "worse",
                                                          "better", "even", "even", "even")])

    def test_headline_figures_are_of_the_cyclic_case(self):
        tiles = self.tiles(self.page(made_up()))
        self.assertEqual(len(tiles), 3)
        self.assertIn("Send call, p50 ▼ 10.0x less packet:a 382 ns sim:ixgbe 38.2 ns", tiles[0])
        self.assertIn("System calls per packet none packet:a 4.50 sim:ixgbe 0", tiles[2])

    def test_several_ports_are_each_compared_with_the_first(self):
        run = made_up()
        third = [dict(f, port="xdp:c", value=f["value"] * 2) for f in run["results"] if f["port"] == "packet:a"]
        run["results"] += third
        run["machine"]["ports"].append({"port": "xdp:c", "device": "", "peer": "", "notes": ""})
        page = self.page(run)
        rows = page.cells("ratios")
        self.assertEqual(rows[0][1], "Port")
        self.assertEqual(rows[2][:2], ["xdp:c", "▲ 2.00x more 382 ns → 764 ns"])
        self.assertIn("sim:ixgbe 38.2 ns ▼ 10.0x less xdp:c 764 ns ▲ 2.00x more", self.tiles(page)[0])

    def test_one_port_alone(self):
        run = made_up()
        for part in ("results", "distributions", "over_time"):
            run[part] = [f for f in run[part] if f["port"] == "packet:a"]
        run["machine"]["ports"].pop()
        self.assertIn("nothing to compare", self.page(run).text)

    def test_charts_can_be_read_without_being_seen(self):
        page = self.page(made_up())
        charts = page.all("svg", role="img")
        # Histogram and percentiles for each of three keys, throughput by burst, a chart over time for each port.
        self.assertEqual(len(charts), 3 * 2 + 1 + 2)
        for chart in charts:
            self.assertTrue(chart.get("aria-label"))
            self.assertEqual(local(chart[0].tag), "title")
            self.assertTrue(chart[0].text)
        self.assertIn("packet:a: p50 382 ns, p99 9.00 µs.", page.text)

    def test_no_coordinate_is_outside_or_no_number(self):
        page = self.page(made_up(), "--with-inline", self.file("inline.json", inline_figures()))
        for chart in page.all("svg", role="img"):
            for path in chart.iter():
                for number in re.findall(r"nan|inf|-?[0-9.]+", path.get("d", "")):
                    self.assertLessEqual(abs(float(number)), 440, path.get("d"))

    def test_frames_and_system_calls(self):
        rows = self.page(made_up()).cells("frames")
        self.assertEqual(rows[1], ["packet:a", "4.50", "no", "1,000", "0", "0", "0", "0", "0", "3"])
        self.assertTrue(rows[2][2].startswith("yes"))

    def test_machine_method_command_and_versions(self):
        text = "".join(self.page(made_up()).section("machine").itertext())
        for part in ("A & B", "how it was <done>", "pollux-bench --dev 'a<b'", "g++ <12>"):
            self.assertIn(part, text)

    def test_models_and_emulators_are_called_that(self):
        run = made_up()
        header = "".join(self.page(run).all("header")[0].itertext())
        self.assertIn("a NIC in software", header)
        self.assertNotIn("emulated", header)
        run = made_up(other="pci:0000:03:00.0")
        run["machine"]["cpu"] = "QEMU TCG CPU version 2.5+"
        header = "".join(self.page(run).all("header")[0].itertext())
        self.assertIn("ratios count, not times", header)
        self.assertNotIn("a NIC in software", header)

    def test_a_file_of_figures_alone_is_enough(self):
        run = made_up()
        old = {"machine": run["machine"], "method": [], "results": run["results"]}
        ids = [s.get("id") for s in self.page(old).all("section")]
        self.assertEqual(ids, ["ratios", "throughput", "frames", "machine", "raw"])

    def test_an_empty_run(self):
        page = self.page({"machine": {}, "method": [], "results": []})
        self.assertEqual([s.get("id") for s in page.all("section")], ["ratios", "frames", "machine", "raw"])


class Safety(Report):
    def test_names_are_text_wherever_they_stand(self):
        page = self.page(made_up(base=EVIL), "--with-inline", self.file("<b>.json", [
            figure({**CYCLIC, "setup": "<u>"}, EVIL, "core_cycles_per_packet", 5, "<cycles>")]))
        self.assertEqual(len(page.all("script")), 2)
        self.assertEqual({local(e.tag) for e in page.root.iter()} & {"i", "u", "b", "done"}, set())
        self.assertIn(EVIL, "".join(page.section("ratios").itertext()))
        self.assertNotIn("alert(1)</script>", page.text)

    def test_the_json_is_whole_in_both_of_its_places(self):
        run = made_up(base=EVIL)
        page = self.page(run)
        self.assertEqual(json.loads(page.all("script", id="data")[0].text), run)
        self.assertEqual(json.loads(page.all("pre", id="json-text")[0].text), run)
        # To HTML a script ends at the first "</script", whatever stands around it.
        data = re.search(r'<script type="application/json" id="data">(.*?)</script', page.text, re.S).group(1)
        self.assertEqual(json.loads(data), run)

    def test_nothing_is_loaded_and_only_the_one_script_may_run(self):
        page = self.page(made_up())
        self.assertEqual(set(re.findall(r"https?://[^\s\"'<]+", page.text)),
                         {"http://www.w3.org/1999/xhtml", "http://www.w3.org/2000/svg"})
        for name in ("link", "img", "iframe", "object"):
            self.assertEqual(page.all(name), [])
        script = next(s for s in page.all("script") if s.get("type") is None)
        hashed = base64.b64encode(hashlib.sha256(script.text.encode()).digest()).decode()
        policy = page.all("meta", **{"http-equiv": "Content-Security-Policy"})[0].get("content")
        self.assertEqual(policy, f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{hashed}'")


class Inline(Report):
    def test_drivers_alone_have_a_section_with_ratios_against_the_vector_path_of_dpdk(self):
        page = self.page(made_up(), "--with-inline", self.file("inline.json", {
            "machine": {"cpu": "another"}, "method": ["by <hand>"], "results": inline_figures()}))
        rows = page.cells("inline")
        self.assertEqual(rows[0], ["core cycles/packet", "dpdk:net_ixgbe:vec", "sim:ixgbe:avx2", "sim:ixgbe:scalar"])
        self.assertEqual(rows[-1], ["forward, 64 bytes, burst 256", "22.0 cycles", "11.0 cycles ▼ 2.00x less",
                                    "44.0 cycles ▲ 2.00x more"])
        section = page.section("inline")
        self.assertIn("inline.json: by <hand>", "".join(section.itertext()))
        chart = next(e for e in section.iter() if e.get("role") == "img")
        self.assertEqual([len(re.findall("[ML]", p.get("d"))) for g in chart.iter() if "line" in g.get("class", "").split()
                          for p in g if local(p.tag) == "path"], [4, 4, 4])
        bursts = [t.text for t in chart.iter() if t.get("class") == "x"]
        self.assertEqual(bursts, [str(2 ** n) for n in range(9)])

    def test_they_do_not_mix_with_the_others(self):
        with_it = self.page(made_up(), "--with-inline", self.file("inline.json", inline_figures())).cells("ratios")
        self.assertEqual(with_it, self.page(made_up()).cells("ratios"))

    def test_they_are_merged_into_the_json(self):
        run, files = made_up(), [self.file(f"{n}.json", inline_figures()[n:n + 1]) for n in range(2)]
        done = self.bench("--from", self.file("run.json", run), "--json", "out.json", "--with-inline", files[0],
                          "--with-inline", files[1])
        self.assertEqual(done.returncode, 0, done.stderr)
        merged = json.loads((self.path / "out.json").read_text())
        self.assertEqual(merged["results"], run["results"] + inline_figures()[:2])
        self.assertEqual(merged["inline_runs"], [{"file": "0.json"}, {"file": "1.json"}])


class BadInput(Report):
    def test_a_run_that_is_none(self):
        for content, parts in (("no JSON", ("no JSON at byte",)), ("", ("no JSON at byte",)),
                               ('{"machine"', ("no JSON at byte",)), ("[]", ("must be an object",)),
                               ("{}", ('has no "machine"',)), ('{"machine":{},"method":[]}', ('has no "results"',))):
            with self.subTest(content=content):
                self.refused("--from", self.file("bad.json", content), "--report", "out.html",
                             parts=("pollux-bench: cannot", "bad.json", "pollux-bench --json", *parts))
                self.assertFalse((self.path / "out.html").exists())

    def test_a_damaged_run(self):
        for part, at, what in (("results", "results[2].value", "value"), ("distributions", "distributions[2].bins", "bins"),
                               ("over_time", "over_time[1].repetitions", "repetitions")):
            run = made_up()
            run[part][min(2, len(run[part]) - 1)][what] = "text"
            with self.subTest(part):
                self.refused("--from", self.file("bad.json", run), "--report", "out.html", parts=(at, 'is "text"'))

    def test_figures_of_drivers_alone_without_setup(self):
        entry = copy.deepcopy(inline_figures()[0])
        del entry["setup"]
        self.refused("--from", self.file("run.json", made_up()), "--report", "out.html", "--with-inline",
                     self.file("inline.json", [entry]), parts=("inline.json", 'results[0] has no "setup"'))

    def test_bad_figures_are_refused_before_anything_is_measured(self):
        self.refused("--port", "sim:ixgbe", "--report", "out.html", "--with-inline", self.file("inline.json", "{}"),
                     parts=("inline.json", 'has no "results"'))

    def test_files_that_are_not_there(self):
        for option in ("--from", "--with-inline"):
            self.refused(option, "nowhere.json", "--report", "out.html", parts=("nowhere.json", "does not exist"))

    def test_nowhere_to_write(self):
        run = self.file("run.json", made_up())
        for option in ("--report", "--json"):
            self.refused("--from", run, option, "no/such/out.html", parts=("no/such/out.html", "mkdir -p no/such"))
            self.refused("--from", run, option, self.path, parts=(str(self.path), "name a file"))
            self.refused("--from", run, option, run / "x", parts=("cannot write", "run.json/x"))
            # Before a measurement, which may take long:
            self.refused("--port", "sim:none", option, "no/such/out.html", parts=("mkdir -p no/such",))

    def test_a_full_disk(self):
        self.refused("--from", self.file("run.json", made_up()), "--report", "/dev/full", parts=("/dev/full", "No space"))

    @unittest.skipIf(os.getuid() == 0, "root may write anywhere")
    def test_no_right_to_write(self):
        run = self.file("run.json", made_up())
        self.path.chmod(0o500)
        self.addCleanup(self.path.chmod, 0o700)
        self.refused("--from", run, "--report", "out.html", parts=("out.html", "ermission"))

    def test_nothing_to_do(self):
        self.refused("--from", self.file("run.json", made_up()), parts=("--report FILE.html",))
        self.refused("--from", self.file("run.json", made_up()), "--dev", "sim:ixgbe", parts=("--from", "--dev"))


class Measured(Report):
    def test_a_run_is_reported_and_its_json_gives_the_same_page(self):
        done = self.bench("--port", "sim:ixgbe", "--peer", "sim:ixgbe", "--port", "sim:82574", "--peer", "sim:82574",
                          "--count", "60", "--frames", "60", "--repeat", "2", "--size", "64,512", "--burst", "1,8",
                          "--no-syscall-count", "--json", "a.json", "--report", "a.html")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        page = Page((self.path / "a.html").read_text())
        self.assertEqual([s.get("id") for s in page.all("section")], SECTIONS)
        self.assertEqual(self.bench("--from", "a.json", "--report", "b.html").returncode, 0)
        self.assertEqual((self.path / "b.html").read_text(), page.text)
        run = json.loads((self.path / "a.json").read_text())
        self.assertIn("--size 64,512", run["command"])
        for one in run["distributions"]:
            self.assertEqual(sum(count for _, _, count in one["bins"]), one["samples"])
            self.assertEqual(one["percentiles"], sorted(one["percentiles"]))
        cycles = {(o["port"], o["direction"]): sum(b[1] for r in o["repetitions"] for b in r) for o in run["over_time"]}
        self.assertEqual(cycles[("sim:ixgbe", "send")], 60)
        self.assertEqual(len(run["over_time"][0]["repetitions"]), 2)


if __name__ == "__main__":
    unittest.main(verbosity=2)

#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# What including Pollux costs the compiler, beside DPDK's headers in the same run: CPU time of -fsyntax-only, by turns,
# medians. Nothing fails on a time: this is a measurement.
#
#   budget.py PROJECT_ROOT [--rounds N] [--json FILE] -- COMPILER...
import json
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile

STANDARD = ["memory", "optional", "span", "string", "system_error", "vector"]
UNITS = {  # name: (language, headers)
    "Pollux: ixgbe/port.hpp and backend/vfio.hpp": ("c++", ["pollux/backend/vfio.hpp", "pollux/ixgbe/port.hpp"]),
    "Pollux: ixgbe/rx.hpp and tx.hpp (the data path)": ("c++", ["pollux/ixgbe/rx.hpp", "pollux/ixgbe/tx.hpp"]),
    f"of the standard library in it: {', '.join(STANDARD)}": ("c++", STANDARD),
    "DPDK: rte_ethdev.h and rte_mbuf.h, as C++": ("c++", ["rte_ethdev.h", "rte_mbuf.h"]),
    "DPDK: the same, as C": ("c", ["rte_ethdev.h", "rte_mbuf.h"]),
}


def dpdk_flags():
    """Of the distribution's package; None without it."""
    try:
        done = subprocess.run(["pkg-config", "--cflags", "libdpdk"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.split()


def cpu_seconds(command):
    """User and system time of a command and its children. Errors: exits with the compiler's message."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        sys.exit(f"budget.py: {' '.join(command)}\n{done.stderr}")
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def main():
    own, separator, compiler = " ".join(sys.argv[1:]).partition(" -- ")
    assert separator, __doc__
    own, compiler = own.split(), compiler.split()
    option = lambda name, otherwise: own[own.index(name) + 1] if name in own else otherwise
    rounds, json_file = int(option("--rounds", 7)), option("--json", None)
    root = pathlib.Path(own[0])
    dpdk = dpdk_flags()
    if dpdk is None:
        print("DPDK's headers are not there (apt-get install libdpdk-dev): left out")
    with tempfile.TemporaryDirectory(prefix="pollux-budget-") as tmp:
        commands = {}
        for i, (name, (language, headers)) in enumerate(UNITS.items()):
            if name.startswith("DPDK") and dpdk is None:
                continue
            source = pathlib.Path(tmp) / f"{i}.{'cpp' if language == 'c++' else 'c'}"
            source.write_text("".join(f"#include <{header}>\n" for header in headers))
            flags = ["-std=c++20"] if language == "c++" else ["-x", "c", "-std=gnu17"]
            places = dpdk if name.startswith("DPDK") else [f"-I{root}/include", f"-I{root}/drivers"]
            commands[name] = [*compiler, *flags, *places, "-fsyntax-only", str(source)]
        times = {name: [] for name in commands}
        for name, command in commands.items():
            cpu_seconds(command)  # its files are in memory from here on
        for _ in range(rounds):
            for name, command in commands.items():
                times[name].append(cpu_seconds(command))
    medians = {name: statistics.median(taken) for name, taken in times.items()}
    base = next((seconds for name, seconds in medians.items() if name.startswith("DPDK")), None)
    print(f"CPU seconds of {' '.join(compiler)} -fsyntax-only, medians of {rounds} rounds by turns")
    for name, seconds in medians.items():
        ratio = f"{seconds / base:6.2f} x DPDK as C++" if base else ""
        print(f"  {seconds:6.3f}  {ratio}  {name}")
    if json_file:
        entries = [{"case": "include", "port": name, "metric": "cpu_seconds", "unit": "s", "value": seconds}
                   for name, seconds in medians.items()]
        pathlib.Path(json_file).write_text(json.dumps({"results": entries}, indent=2) + "\n")


main()

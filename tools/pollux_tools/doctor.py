# SPDX-License-Identifier: BSD-3-Clause
"""pollux-doctor: what decides whether, and how well, a packet path runs on this machine."""
import argparse
import collections
import dataclasses
import json
import os
import sys

from pollux_tools import machine_checks, nic_checks
from pollux_tools.error import Error
from pollux_tools.finding import fail, info, ok
from pollux_tools.machine import Machine
from pollux_tools.nics import ERRATA, supported_nics
from pollux_tools.pci import PciNames, PciSysfs

HELP = """\
Checks what decides whether, and how well, a packet path runs on this machine, for the user who calls it: IOMMU,
modules, the NICs that Pollux drives, rights, locked memory, hugepages, CPUs, clock, real time. Changes nothing, needs
no root.

One line per finding: [ok], [info], [warn] (works, yet worse than it could) or [fail] (prevents running), what was seen,
and -> what mends it.
"""
EPILOG = """\
exit status: 0 no warning, 1 warnings, 2 something prevents running, 64 the command line is wrong.
In a script: pollux-doctor >/dev/null; [ $? -le 1 ]
"""


def check_nics(machine, wanted):
    """The device that was asked for, or all NICs: those that Pollux drives are looked at closely."""
    sysfs, names, supported = PciSysfs(machine), PciNames(machine), supported_nics()
    nics = [sysfs.find(wanted)] if wanted else [f for f in sysfs.all_info() if f.is_network]
    if not supported:
        yield info("drivers", "Pollux's headers are not where this tool looks: which NICs it drives is not known")
    for nic in nics:
        known = supported.get(nic.id)
        if known:
            yield ok(str(nic.bdf), f"{known.name}, driven by pollux/{known.driver}")
        elif wanted:
            yield fail(str(nic.bdf), f"{names.device(nic.id)} ({nic.id}): no driver of Pollux's",
                       f"use the kernel's driver through packet:{(nic.interfaces or ['INTERFACE'])[0]}")
        else:
            yield info(str(nic.bdf), f"{names.device(nic.id)} ({nic.id}): no driver of Pollux's; packet: ports work")
        if known or wanted or nic.id in ERRATA:
            for check in nic_checks.CHECKS:
                yield from check(machine, nic)
    if supported and not wanted and not any(nic.id in supported for nic in nics):
        yield fail("nic", "none that Pollux drives", "use packet:INTERFACE, or sim:ixgbe, which needs no NIC")


def examine(machine, device=None):
    """All findings, in the order of the checks."""
    nics = list(check_nics(machine, device))
    return [finding for check in machine_checks.CHECKS for finding in check(machine)] + nics


def verdict(findings):
    levels = {finding.level for finding in findings}
    return 2 if "fail" in levels else 1 if "warn" in levels else 0


def summary(findings):
    count = collections.Counter(finding.level for finding in findings)
    end = ("nothing to mend", "it will run, and could run better", "a pci: port will not run")[verdict(findings)]
    return f"{count['ok']} ok, {count['warn']} to mend, {count['fail']} that prevent running: {end}"


class Parser(argparse.ArgumentParser):
    def error(self, message):
        print(f"pollux-doctor: error: {message}; see pollux-doctor --help", file=sys.stderr)
        sys.exit(64)


def make_parser():
    parser = Parser(prog="pollux-doctor", description=HELP, epilog=EPILOG, allow_abbrev=False,
                    formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", metavar="DEVICE", help="look at one device: PCI address or network interface")
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")
    parser.add_argument("--root", default=os.environ.get("POLLUX_SYSFS_ROOT", "/"), help=argparse.SUPPRESS)
    return parser


def main(arguments, machine=None):
    """Returns the exit status. `machine`: for tests."""
    options = make_parser().parse_args(arguments)
    try:
        findings = examine(machine or Machine(options.root), options.device)
    except Error as failure:  # --device that is none
        print(f"pollux-doctor: error: {failure}", file=sys.stderr)
        return 64
    if options.json:
        listed = [dataclasses.asdict(finding) for finding in findings]
        print(json.dumps({"status": verdict(findings), "findings": listed}, indent=2))
    else:
        print(*findings, summary(findings), sep="\n")
    return verdict(findings)

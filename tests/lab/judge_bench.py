#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""In the lab's guest: what it costs to send and to receive on one of two cards that pollux-simnic serves, in one boot: by the
interfaces of the kernel's driver, by Pollux's driver and by DPDK's, in turn. The other card has the kernel's driver all the
time, and the peer of pollux-bench on it. Nothing judges here but the bench: every frame arrives, in order and undamaged, and
the models see no fault. `judges` starts it, or `bench/run --served`, which makes a report of what it writes.

POLLUX_JUDGE_BUILD is the directory with the built programs, POLLUX_BENCH_SHARE one to leave results.json in,
POLLUX_BENCH_KERNEL_PORTS what to measure of the kernel's. Arguments go to pollux-bench.
"""
import json
import os
import pathlib
import subprocess
import sys
import time

from judge_guest import FAR, NEAR, NIC, bind, kernel_complaints, release, run, wait_for

BUILD = pathlib.Path(os.environ["POLLUX_JUDGE_BUILD"])
SHARE = pathlib.Path(os.environ.get("POLLUX_BENCH_SHARE", "/tmp"))
KERNEL_PORTS = os.environ.get("POLLUX_BENCH_KERNEL_PORTS", "packet packet-mmap xdp").split()
# An emulated machine beside the process that is its cards: few frames, long cycles, much patience.
DEFAULTS = {"--cpu": "0", "--peer-cpu": "1", "--count": "2000", "--frames": "2000", "--period": "1000", "--size": "64,1518",
            "--case": "cyclic,ping-pong,send,receive", "--patience": "60"}


def say(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


def interface(end):
    """The interface of a card, as a cable for nothing but the bench's frames; up, with carrier."""
    name, = wait_for(f"no interface of {end.bdf}", lambda: [path.name for path in end.device.glob("net/*")])
    # One queue: what a socket of one queue does not get is lost to it. No GRO: frames arrive as they were sent. pfifo:
    # fq_codel drops what waits longer than its 5 ms.
    run("ethtool", "-K", name, "gro", "off", "rxvlan", "off")
    run("ethtool", "-L", name, "combined", "1", ok=False)
    run("tc", "qdisc", "replace", "dev", name, "root", "pfifo")
    run("ip", "link", "set", name, "up")
    wait_for(f"no carrier: {name}", lambda: "LOWER_UP" in run("ip", "link", "show", name))
    return name


def measure(program, ports, peer, arguments):
    """Runs pollux-bench, which shows its progress. Returns what it wrote as JSON, and its exit status."""
    wrote = SHARE / f"{ports[0].partition(':')[0]}.json"
    words = [str(BUILD / "bench" / program)]
    for port in ports:
        words += ["--port", port, "--peer", peer]
    given = {word.partition("=")[0] for word in arguments}
    words += [word for name, value in DEFAULTS.items() if name not in given for word in (name, value)]
    since = time.monotonic()
    done = subprocess.run([*words, *arguments, "--json", str(wrote)], stdout=subprocess.PIPE, text=True, check=False)
    if not wrote.exists():
        sys.exit(f"{done.stdout}bench: {' '.join(ports)} gave no results")
    say(f"{' '.join(ports)}: {time.monotonic() - since:.0f} s")
    return json.loads(wrote.read_text()), done.returncode


def merged(runs):
    """One run of several: the machine and build are those of the first, which has the baseline."""
    out = runs[0]
    for other in runs[1:]:
        for part in ("results", "distributions", "over_time"):
            out[part] += other[part]
        out["machine"]["ports"] += other["machine"]["ports"]
        out["command"] += "\n" + other["command"]
        known = {line.partition(":")[0] for line in out["method"]}
        out["method"] += [line for line in other["method"] if line.partition(":")[0] not in known]
    return out


def how():
    """Of the machine: what no reader may take for silicon."""
    emulated = "TCG" in pathlib.Path("/proc/cpuinfo").read_text()
    qemu = run("chroot", "/lab", "dpkg-query", "-W", "-f", "${Version}", "qemu-system-x86").strip()
    return {"emulator": f"QEMU {qemu}, {'TCG: every instruction is emulated' if emulated else 'KVM'}",
            "cards": f"two {NIC} models of Pollux in one process beside the virtual machine (pollux-simnic, vfio-user), joined by "
                     "a cable: each access to a register is a message to that process, DMA goes to the guest's memory; no IOMMU"}


def main():
    arguments = sys.argv[1:]
    run("sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1", "net.ipv6.conf.default.disable_ipv6=1")
    near, far = interface(NEAR), interface(FAR)
    driver = (NEAR.device / "driver").resolve().name
    peer = f"packet:{far}"
    facts = how()
    for what, value in facts.items():
        say(f"{what}: {value}")
    stages = [("the kernel's driver", lambda: None, "pollux-bench", [f"{kind}:{near}" for kind in KERNEL_PORTS]),
              ("Pollux's driver", lambda: release(NEAR), "pollux-bench", [f"sysfs:{NEAR.bdf}"])]
    if (BUILD / "bench" / "pollux-dpdk-port-bench").exists():
        stages.append(("DPDK's driver", lambda: bind(NEAR, "uio_pci_generic"), "pollux-dpdk-port-bench", [f"dpdk:{NEAR.bdf}"]))
    else:
        say("without DPDK's driver: pollux-dpdk-port-bench was not built")
    runs, status = [], 0
    for n, (what, take, program, ports) in enumerate(stages):
        say(f"{n + 1} of {len(stages)}: {what}")
        take()
        document, code = measure(program, ports, peer, arguments)
        runs.append(document)
        status = status or code
    out = merged(runs)
    out["machine"].update(facts)
    out["method"][:0] = [f"{what}: {value}" for what, value in facts.items()]
    out["method"].append("one boot; the kernel's ports by turns, then the card changes its driver, each time with all repetitions")
    out["method"].append("no silicon took part: the ratios are those of this machine, where a register costs a message and a "
                         "system call some thousand emulated instructions")
    (SHARE / "results.json").write_text(json.dumps(out))
    complaints = kernel_complaints(since=f"{driver} {NEAR.bdf}")
    for line in complaints:
        say(f"the kernel says: {line}")
    return status or (1 if complaints else 0)


if __name__ == "__main__":
    sys.exit(main())

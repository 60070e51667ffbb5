#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""pollux-doctor against a fake machine: a good one, each fault alone, and files that are absent or nonsense."""
import contextlib
import io
import json
import os
import pathlib
import re
import subprocess
import sys
import unittest

from fake_kernel import NOIOMMU, PCI, RELEASE, FakeKernel

from pollux_tools import doctor, nics
from pollux_tools.pci import PciId

ROOT = pathlib.Path(__file__).parents[2]
TOOL = ROOT / "tools" / "pollux-doctor"
NIC = "0000:00:04.0"
CPU = "/sys/devices/system/cpu"
ALL_CAPABILITIES, NONE = "000001ffffffffff", "0000000000000000"


def good_machine():
    """Four CPUs, one of them isolated, PREEMPT_RT, an IOMMU, hugepages, an 82574 on vfio-pci: nothing to mend."""
    kernel = FakeKernel()
    kernel.loadable = {"vfio-pci": ()}
    kernel.add_driver("e1000e", "8086:10d3")
    kernel.add_driver("vfio-pci")
    kernel.put("/sys/module/vfio_pci/srcversion", "x")
    kernel.add_device(NIC, group=4)
    kernel.attach(NIC, "vfio-pci")
    for name, text in (("current_link_width", "1"), ("max_link_width", "1"), ("current_link_speed", "2.5 GT/s PCIe"),
                       ("max_link_speed", "2.5 GT/s PCIe"), ("power_state", "D0"), ("link/l1_aspm", "0")):
        kernel.put(f"{PCI}/devices/{NIC}/{name}", text)
    kernel.file(f"{PCI}/devices/{NIC}/config").write_bytes(bytes.fromhex("8680d31003010000") + bytes(56))
    for name, text in {
            "/sys/class/iommu/dmar0/uevent": "", "/sys/firmware/acpi/tables/DMAR": "",
            "/proc/cmdline": "intel_iommu=on isolcpus=3 nohz_full=3 rcu_nocbs=3", "/sys/kernel/realtime": "1",
            "/proc/self/status": f"Name:\tx\nCapEff:\t{ALL_CAPABILITIES}", "/proc/self/uid_map": "0 0 4294967295",
            "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages": "64",
            "/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages": "60",
            "/sys/kernel/mm/transparent_hugepage/enabled": "always [madvise] never", f"{CPU}/isolated": "3",
            f"{CPU}/nohz_full": "3", f"{CPU}/smt/active": "0", f"{CPU}/cpu0/cpuidle/state0/name": "POLL",
            f"{CPU}/cpu0/cpuidle/state0/latency": "0", f"{CPU}/cpu0/cpuidle/state1/name": "C1",
            f"{CPU}/cpu0/cpuidle/state1/latency": "2",
            "/proc/cpuinfo": "processor: 0\nflags : fpu constant_tsc nonstop_tsc",
            "/sys/devices/system/clocksource/clocksource0/current_clocksource": "tsc",
            "/proc/sys/kernel/sched_rt_runtime_us": "-1", "/proc/sys/kernel/sched_rt_period_us": "1000000",
            "/sys/kernel/security/lockdown": "[none] integrity confidentiality"}.items():
        kernel.put(name, text)
    for number in range(4):
        kernel.put(f"{CPU}/cpu{number}/cpufreq/scaling_governor", "performance")
    return kernel


class Case(unittest.TestCase):
    def setUp(self):
        self.kernel = good_machine()
        self.addCleanup(self.kernel.close)

    def examine(self, *arguments):
        self.out, self.err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(self.out), contextlib.redirect_stderr(self.err):
            try:
                status = doctor.main(list(arguments), self.kernel)
            except SystemExit as stopped:
                status = stopped.code
        self.out, self.err = self.out.getvalue(), self.err.getvalue()
        return status

    def expect(self, level, subject, *parts, status=None):
        """A finding of that level with all parts; one to mend says how."""
        wanted = {"ok": 0, "info": 0, "warn": 1, "fail": 2}[level] if status is None else status
        self.assertEqual(self.examine(), wanted, self.out)
        lines = [line for line in self.out.splitlines() if line.startswith(f"{'[' + level + ']':6} {subject}: ")]
        found = [line for line in lines if all(part in line for part in parts)]
        self.assertTrue(found, f"no [{level}] {subject} with {parts} in:\n{self.out}")
        if level in ("warn", "fail"):
            self.assertIn(" -> ", found[0])

    def device(self, name, text):
        self.kernel.put(f"{PCI}/devices/{NIC}/{name}", text)


class Good(Case):
    def test_nothing_to_mend(self):
        self.assertEqual(self.examine(), 0, self.out)
        self.assertNotIn("[warn]", self.out)
        self.assertNotIn("[fail]", self.out)
        self.assertIn(f"[ok]   {NIC}: 82574L, driven by pollux/e1000", self.out)
        self.assertIn("nothing to mend", self.out)

    def test_json_says_the_same(self):
        self.examine()
        lines = len(self.out.splitlines()) - 1
        self.assertEqual(self.examine("--json"), 0)
        result = json.loads(self.out)
        self.assertEqual((result["status"], len(result["findings"])), (0, lines))
        self.assertEqual(set(result["findings"][0]), {"level", "subject", "seen", "remedy"})

    def test_one_device(self):
        self.kernel.add_device("0000:00:05.0", driver="e1000e", group=5)
        self.assertEqual(self.examine(), 1)
        self.assertEqual(self.examine("--device", NIC), 0, self.out)
        self.assertEqual(self.examine("--device", "eth5"), 1)
        self.assertNotIn(NIC, self.out)

    def test_command_line(self):
        for arguments in (["--device", "7f:00.0"], ["--device", "nope"], ["--frobnicate"], ["--device"], ["more"]):
            self.assertEqual(self.examine(*arguments), 64)
            self.assertEqual(len(self.err.splitlines()), 1, self.err)


class Machine(Case):
    def test_iommu_that_the_kernel_does_not_use(self):
        os.unlink(self.kernel.path("/sys/class/iommu/dmar0/uevent"))
        os.rmdir(self.kernel.path("/sys/class/iommu/dmar0"))
        self.kernel.put("/proc/cmdline", "quiet")
        self.expect("warn", "iommu", "DMAR", "intel_iommu=on", "can write to all memory")
        self.kernel.put("/proc/self/status", f"CapEff:\t{NONE}")
        self.expect("fail", "iommu", "DMAR", "intel_iommu=on", "only root")
        tables = self.kernel.file("/sys/firmware/acpi/tables")
        (tables / "DMAR").rename(tables / "IVRS")
        self.expect("fail", "iommu", "IVRS", "amd_iommu=on")
        (tables / "IVRS").unlink()
        self.expect("fail", "iommu", "firmware's setup")

    def test_modules(self):
        os.unlink(self.kernel.path("/sys/module/vfio_pci/srcversion"))
        os.rmdir(self.kernel.path("/sys/module/vfio_pci"))
        self.expect("warn", "vfio-pci", "neither loaded nor")
        self.kernel.put("/proc/self/status", f"CapEff:\t{NONE}")
        self.kernel.memlock = None
        self.expect("fail", "vfio-pci", "neither loaded nor")
        self.kernel.put(f"/lib/modules/{RELEASE}/modules.dep", "kernel/drivers/vfio/pci/vfio-pci.ko.xz: kernel/x.ko")
        self.expect("info", "vfio-pci", "can be loaded", "modprobe vfio-pci")
        self.kernel.put(f"/lib/modules/{RELEASE}/modules.builtin", "kernel/drivers/vfio/pci/vfio-pci.ko")
        self.expect("ok", "vfio-pci", "built in")
        self.kernel.put("/dev/iommu", "")
        self.expect("info", "iommufd", "is there")

    def test_noiommu_allowed_though_there_is_an_iommu(self):
        self.kernel.put(NOIOMMU, "N")
        self.expect("info", "noiommu", "off")
        self.kernel.put(NOIOMMU, "Y")
        self.expect("warn", "noiommu", "echo N")

    def test_locked_memory(self):
        self.kernel.root_user = False
        self.kernel.may = lambda name, mode: True
        self.kernel.put("/proc/self/status", f"CapEff:\t{NONE}")
        for limit, level in ((64 << 10, "fail"), (8 << 20, "warn"), (64 << 20, "ok"), (None, "ok")):
            self.kernel.memlock = limit
            self.expect(level, "locked memory", *(("alice - memlock",) if level in ("warn", "fail") else ()))

    def test_capabilities_of_a_container_do_not_count(self):
        self.kernel.put("/proc/self/uid_map", "0 100000 65536")
        self.expect("info", "pagemap", "no physical addresses", status=1)
        self.expect("warn", "locked memory", "8192 KiB")

    def test_hugepages(self):
        pool = "/sys/kernel/mm/hugepages/hugepages-2048kB"
        self.kernel.put(f"{pool}/free_hugepages", "0")
        self.expect("warn", "hugepages", "64 of 2 MiB, 0 free", f"echo 128 > {pool}/nr_hugepages")
        self.kernel.put(f"{pool}/nr_hugepages", "0")
        self.expect("warn", "hugepages", "none reserved", "nr_hugepages")
        self.kernel.put("/sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages", "2")
        self.kernel.put("/sys/kernel/mm/hugepages/hugepages-1048576kB/free_hugepages", "1")
        self.expect("ok", "hugepages", "2 of 1 GiB, 1 free")

    def test_numa_nodes(self):
        base = "/sys/devices/system/node"
        self.kernel.put(f"{base}/node0/hugepages/hugepages-2048kB/nr_hugepages", "64")
        self.kernel.put(f"{base}/node1/hugepages/hugepages-2048kB/nr_hugepages", "0")
        self.device("numa_node", "1")
        self.device("local_cpulist", "2-3")
        self.expect("ok", "hugepages", "(node0: 64, node1: 0)", status=1)
        self.expect("warn", NIC, "NUMA node 1 has no hugepages", "2-3", "node1/hugepages")
        self.device("numa_node", "0")
        self.expect("ok", NIC, "NUMA node 0 has hugepages")
        self.kernel.put("/proc/sys/kernel/numa_balancing", "1")
        self.expect("warn", "numa balancing", "sysctl")

    def test_transparent_hugepages(self):
        self.kernel.put("/sys/kernel/mm/transparent_hugepage/enabled", "[always] madvise never")
        self.expect("warn", "transparent hugepages", "echo madvise")

    def test_isolation(self):
        self.kernel.put("/proc/cmdline", "intel_iommu=on isolcpus=3")
        self.kernel.put(f"{CPU}/nohz_full", "(null)")
        self.expect("warn", "tick", "isolated CPUs 3", "nohz_full=3")
        self.expect("warn", "rcu", "rcu_nocbs=3")
        self.kernel.put(f"{CPU}/isolated", "")
        self.expect("warn", "isolation", "isolcpus=3 nohz_full=3 rcu_nocbs=3", "update-grub")

    def test_smt(self):
        self.kernel.put(f"{CPU}/smt/active", "1")
        self.kernel.put(f"{CPU}/cpu3/topology/thread_siblings_list", "1,3")
        self.expect("warn", "smt", "share their core", "smt/control")
        self.kernel.put(f"{CPU}/cpu3/topology/thread_siblings_list", "3")
        self.expect("info", "smt", "on")

    def test_governor_and_idle_states(self):
        self.kernel.put(f"{CPU}/cpu2/cpufreq/scaling_governor", "powersave")
        self.expect("warn", "governor", "performance, powersave", "scaling_governor")
        self.kernel.put(f"{CPU}/cpu2/cpufreq/scaling_governor", "performance")
        self.kernel.put(f"{CPU}/cpu0/cpuidle/state2/name", "C6")
        self.kernel.put(f"{CPU}/cpu0/cpuidle/state2/latency", "133")
        self.expect("warn", "idle states", "C6", "133 us", "cpu_dma_latency")
        self.kernel.wakeup = 0
        self.expect("ok", "idle states")
        self.kernel.wakeup = 2000000000
        self.kernel.put(f"{CPU}/cpu0/cpuidle/state2/disable", "1")
        self.expect("ok", "idle states", "2 us")

    def test_clock(self):
        self.kernel.put("/sys/devices/system/clocksource/clocksource0/current_clocksource", "hpet")
        self.kernel.put("/proc/cpuinfo", "flags : fpu")
        self.expect("warn", "clock", "hpet", "tsc")
        self.expect("warn", "tsc", "not invariant")

    def test_real_time(self):
        self.kernel.put("/sys/kernel/realtime", "0")
        self.expect("info", "kernel", "not PREEMPT_RT", "linux-image-rt")
        self.kernel.put("/proc/sys/kernel/sched_rt_runtime_us", "950000")
        self.expect("warn", "rt throttling", "50 ms of each 1000 ms", "sysctl")

    def test_irqbalance(self):
        self.kernel.add_process(77, "irqbalance")
        self.expect("warn", "irqbalance", "systemctl disable")

    def test_surroundings(self):
        self.kernel.put("/proc/cpuinfo", "flags : hypervisor constant_tsc nonstop_tsc")
        self.kernel.put("/sys/class/dmi/id/sys_vendor", "QEMU")
        self.expect("info", "machine", "virtual (QEMU)")
        for file, subject in (("/dev/kvm", "kvm"), ("/.dockerenv", "container"), ("/proc/xenomai/version", "xenomai"),
                              ("/dev/evl/control", "evl")):
            self.kernel.put(file, "3.2")
            self.expect("info", subject)
        self.kernel.put("/sys/kernel/security/lockdown", "none [integrity] confidentiality")
        self.expect("warn", "lockdown", "integrity", "Secure Boot")


    def test_udd_module_under_xenomai(self):
        self.examine()
        self.assertNotIn("pollux_udd_pci", self.out)
        self.kernel.put("/proc/xenomai/version", "3.2.4")
        self.expect("info", "pollux_udd_pci", "not in this kernel", "samples/xenomai/pollux_udd_pci")
        self.kernel.put(f"/lib/modules/{self.kernel.release()}/modules.dep", "extra/pollux_udd_pci.ko:")
        self.expect("info", "pollux_udd_pci", "can be loaded", "modprobe pollux_udd_pci irq=msi")
        self.kernel.put("/sys/module/pollux_udd_pci/parameters/irq", "msi")
        self.expect("ok", "pollux_udd_pci", "loaded, irq=msi")


class Nic(Case):
    def test_with_the_kernel_or_without_driver(self):
        self.kernel.detach(NIC)
        self.expect("warn", NIC, "bound to no driver", f"pollux-devbind bind {NIC} --driver vfio-pci")
        self.kernel.attach(NIC, "e1000e")
        self.expect("warn", NIC, "bound to driver e1000e", "pollux-devbind")

    def test_link(self):
        self.kernel.detach(NIC)
        self.kernel.attach(NIC, "e1000e")
        self.expect("info", NIC, "eth4 is down", "ip link set eth4 up", status=1)
        self.kernel.put("/sys/class/net/eth4/flags", "0x1003")
        self.expect("warn", NIC, "eth4 has no link", "cable")
        self.kernel.put("/sys/class/net/eth4/carrier", "1")
        self.kernel.put("/sys/class/net/eth4/speed", "1000")
        self.expect("ok", NIC, "1000 Mbit/s", status=1)

    def test_the_machines_own(self):
        self.kernel.detach(NIC)
        self.kernel.attach(NIC, "e1000e")
        self.kernel.add_route("eth4")
        self.expect("info", NIC, "the machine's own: the default route")

    def test_group(self):
        self.kernel.add_device("0000:00:06.0", group=4, driver="e1000e")
        self.expect("fail", NIC, "not viable: 0000:00:06.0 (e1000e)", "--with-group")
        self.kernel.detach(NIC)
        self.expect("warn", NIC, "not viable")

    def test_no_iommu_before_it(self):
        os.unlink(self.kernel.path(f"{PCI}/devices/{NIC}/iommu_group"))
        self.kernel.put("/proc/self/status", f"CapEff:\t{NONE}")
        self.expect("fail", NIC, "no IOMMU")
        self.kernel.put("/proc/self/status", f"CapEff:\t{ALL_CAPABILITIES}")
        self.kernel.detach(NIC)
        self.expect("warn", NIC, "no IOMMU")
        self.expect("warn", NIC, "bound to no driver", "--driver uio_pci_generic")
        self.kernel.attach(NIC, "vfio-pci")
        self.kernel.put(NOIOMMU, "Y")
        self.expect("warn", NIC, "VFIO without IOMMU", "CAP_SYS_RAWIO")

    def test_uio_behind_an_iommu(self):
        self.kernel.detach(NIC)
        self.kernel.attach(NIC, "uio_pci_generic")
        self.expect("fail", NIC, "UIO cannot do DMA", "--driver vfio-pci")
        self.kernel.put("/sys/kernel/iommu_groups/4/type", "identity")
        self.expect("ok", NIC, "lets its DMA through")

    def test_udd(self):
        self.kernel.detach(NIC)
        self.kernel.attach(NIC, "pollux_udd_pci")
        self.expect("ok", NIC, "bound to pollux_udd_pci", status=2)
        self.expect("fail", NIC, "UDD cannot do DMA", "iommu=pt")
        self.kernel.put("/sys/kernel/iommu_groups/4/type", "identity")
        self.expect("ok", NIC, "lets its DMA through")
        self.expect("ok", NIC, f"/dev/rtdm/pollux-{NIC} is open")
        for end in ("", ",mapper0", ",mapper3"):
            os.unlink(self.kernel.path(f"/dev/rtdm/pollux-{NIC}{end}"))
        self.expect("fail", NIC, "not in /dev", "/dev/rtdm")

    def test_rights(self):
        self.kernel.root_user = False
        self.expect("fail", NIC, "/dev/vfio/4 is closed", "--driver vfio-pci --uid alice")
        self.kernel.root_user = True
        os.unlink(self.kernel.path("/dev/vfio/4"))
        self.expect("fail", NIC, "not in /dev")

    def test_in_use(self):
        self.kernel.add_process(12, "testpmd", "/dev/vfio/4")
        self.expect("info", NIC, "process 12 (testpmd)")

    def test_pcie(self):
        self.device("max_link_width", "4")
        self.expect("warn", NIC, "2.5 GT/s x1 of 2.5 GT/s x4", "slot")
        self.device("max_link_width", "1")
        self.device("max_link_speed", "8.0 GT/s PCIe")
        self.expect("warn", NIC, "2.5 GT/s x1 of 8 GT/s x1")
        self.device("max_link_speed", "2.5 GT/s PCIe")
        self.device("link/l1_aspm", "1")
        self.expect("warn", NIC, "ASPM L1", "l1_aspm")

    def test_config_space(self):
        self.expect("info", NIC, "bus master off, power state D0")
        self.kernel.file(f"{PCI}/devices/{NIC}/config").write_bytes(bytes.fromhex("8680d31007010000"))
        self.expect("info", NIC, "bus master on")
        self.kernel.file(f"{PCI}/devices/{NIC}/config").write_bytes(b"\xff" * 64)
        self.expect("fail", NIC, "does not answer", "rescan")

    def test_errata(self):
        bdf = self.kernel.add_device("0000:00:07.0", device_id="8086:1563", group=7)
        self.kernel.put("/sys/kernel/iommu_groups/7/type", "identity")
        self.kernel.attach(bdf, "uio_pci_generic")
        self.expect("warn", bdf, "INTx is broken", "vfio-pci")

    def test_none_that_pollux_drives(self):
        self.kernel.unplug(NIC)
        self.expect("fail", "nic", "none", "sim:ixgbe")
        self.kernel.add_device("0000:00:03.0", device_id="1af4:1041", group=3)
        self.expect("info", "0000:00:03.0", "no driver of Pollux's", status=2)
        self.assertEqual(self.examine("--device", "00:03.0"), 2)


class Robust(Case):
    def test_an_empty_root(self):
        empty = FakeKernel()
        self.addCleanup(empty.close)
        self.kernel = empty
        self.assertEqual(self.examine(), 2)

    def test_each_file_absent_or_nonsense(self):
        """Whatever one file says, the doctor gives its findings."""
        everything = pathlib.Path(self.kernel.folder).rglob("*")
        names = [path for path in everything if path.is_file() and not path.is_symlink()]
        self.assertGreater(len(names), 40)
        for path in names:
            content = path.read_bytes()
            for nonsense in (b"", b"\n", b"-1\n", b"[\n", b"\xff\xfe\x00", b"99999999999999999999\n",
                             b"a b c d e f g h\n" * 2, b"0-99999\n"):
                path.write_bytes(nonsense)
                with self.subTest(file=path, nonsense=nonsense):
                    self.assertIn(self.examine(), (0, 1, 2, 64))
            path.unlink()
            with self.subTest(file=path, absent=True):
                self.assertIn(self.examine(), (0, 1, 2, 64))
            path.write_bytes(content)

    def test_the_tables_of_the_network_full_of_nonsense(self):
        for name in ("route", "ipv6_route", "if_inet6", "packet"):
            for line in ("x", "eth4", "eth4 zz zz zz zz zz zz zz zz zz eth4", "zz 0 0 0 0 eth4"):
                self.kernel.detach(NIC)
                self.kernel.attach(NIC, "e1000e")
                self.kernel.put(f"/proc/net/{name}", f"head\n{line}\n\n{line}")
                with self.subTest(name=name, line=line):
                    self.assertIn(self.examine(), (0, 1, 2))


class Table(unittest.TestCase):
    """The one table of NICs is in the drivers' headers."""

    def test_every_entry_of_the_headers_is_seen(self):
        found = nics.supported_nics([ROOT / "drivers" / "pollux"])
        lines = [line for header in (ROOT / "drivers" / "pollux").glob("*/chips.hpp")
                 for line in header.read_text().splitlines() if re.match(r"\s*\{0x8086,", line)]
        self.assertEqual(len(found), len(lines))
        for device, name, driver in ((0x10D3, "82574L", "e1000"), (0x10FB, "82599 SFP+", "ixgbe"),
                                     (0x10F9, "82599 CX4", "ixgbe"), (0x1528, "X540-T2", "ixgbe")):
            nic = found[PciId(0x8086, device)]
            self.assertEqual((nic.name, nic.driver), (name, driver))

    def test_without_headers(self):
        self.assertEqual(nics.supported_nics(["/nonexistent"]), {})


class Program(unittest.TestCase):
    def test_here_and_on_nothing(self):
        for options in ([], ["--json"], ["--root", "/nonexistent"]):
            result = subprocess.run([sys.executable, TOOL, *options], capture_output=True, text=True, check=False)
            self.assertIn(result.returncode, (0, 1, 2))
            self.assertEqual(result.stderr, "")

    def test_help(self):
        result = subprocess.run([sys.executable, TOOL, "--help"], capture_output=True, text=True, check=True)
        for part in ("--device", "--json", "exit status"):
            self.assertIn(part, result.stdout)


if __name__ == "__main__":
    unittest.main()

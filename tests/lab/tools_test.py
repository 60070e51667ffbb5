#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""pollux-devbind and pollux-doctor in the lab's guest: a real kernel's drivers, VFIO groups, unplugging, kill -9.

NIC 0 and NIC 1 (hotplug=on) are 82574s; two more share an IOMMU group behind a conventional bridge (tests/run puts them
there). With POLLUX_LAB_NO_IOMMU only the cases of a machine without IOMMU, and of igb_uio where that is loaded.
"""
import contextlib
import fcntl
import io
import json
import os
import pathlib
import select
import signal
import socket
import struct
import subprocess
import sys
import time
import unittest
import unittest.mock

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

from pollux_tools import devbind as devbind_tool, doctor as doctor_tool  # noqa: E402  (found through the path just set)

DEVBIND, DOCTOR = ROOT / "tools" / "pollux-devbind", ROOT / "tools" / "pollux-doctor"
PCI = pathlib.Path("/sys/bus/pci")
NOBODY = 65534


def nic(n):
    return os.environ[f"POLLUX_NIC{n}"]


def run(*command, **options):
    words = [str(c) for c in command]
    return subprocess.run(words, capture_output=True, text=True, timeout=120, check=False, **options)


def devbind(*arguments, **options):
    return run(DEVBIND, *arguments, **options) if options else run_here(devbind_tool, *arguments)


def doctor(*arguments, **options):
    return run(DOCTOR, *arguments, **options) if options else run_here(doctor_tool, *arguments)


def run_here(tool, *arguments):
    """A tool in this process, because the start of one takes seconds under emulation."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = tool.main([str(a) for a in arguments])
    return subprocess.CompletedProcess(arguments, status, out.getvalue(), err.getvalue())


def driver(bdf):
    link = PCI / "devices" / bdf / "driver"
    return link.resolve().name if link.exists() else None


def override(bdf):
    return (PCI / "devices" / bdf / "driver_override").read_text().strip()


def interface(bdf):
    return os.listdir(PCI / "devices" / bdf / "net")[0]


def group(bdf):
    return (PCI / "devices" / bdf / "iommu_group").resolve().name


def drop_rights():
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)


# A process that takes a device through VFIO, says so, and holds it until its stdin ends.
HOLD = """
import fcntl, os, struct, sys
bdf, group = sys.argv[1:]
container, node = os.open("/dev/vfio/vfio", os.O_RDWR), os.open("/dev/vfio/" + group, os.O_RDWR)
fcntl.ioctl(node, 0x3B68, struct.pack("i", container))   # VFIO_GROUP_SET_CONTAINER
fcntl.ioctl(container, 0x3B66, 1)                        # VFIO_SET_IOMMU, type 1
device = fcntl.ioctl(node, 0x3B6A, bdf.encode() + b"\\0")  # VFIO_GROUP_GET_DEVICE_FD
print("held", flush=True)
sys.stdin.read()
"""


@contextlib.contextmanager
def held(bdf, **options):
    with subprocess.Popen(["python3", "-c", HOLD, bdf, group(bdf)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, **options) as holder:
        try:
            if holder.stdout.readline() != "held\n":
                raise AssertionError(holder.stderr.read())
            yield holder
        finally:
            with contextlib.suppress(OSError):
                holder.stdin.close()
            holder.wait()


def viable(bdf):
    with open(f"/dev/vfio/{group(bdf)}", "rb") as node:
        status = fcntl.ioctl(node, 0x3B67, struct.pack("II", 8, 0))  # VFIO_GROUP_GET_STATUS
        return bool(struct.unpack("II", status)[1] & 1)


class Devbind(unittest.TestCase):
    def tearDown(self):
        self.done("restore")
        self.assertEqual(driver(nic(0)), "e1000e")

    def done(self, *arguments, **options):
        result = devbind(*arguments, **options)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        return result

    def refused(self, *arguments, parts=(), status=1, **options):
        """One error line with all parts; the device stays where it is."""
        before = driver(nic(0)), override(nic(0))
        result = devbind(*arguments, **options)
        self.assertEqual(result.returncode, status, result.stdout + result.stderr)
        errors = [line for line in result.stderr.splitlines() if line.startswith("pollux-devbind: error: ")]
        self.assertEqual(len(errors), 1, result.stderr)
        for part in parts:
            self.assertIn(part, errors[0])
        self.assertEqual((driver(nic(0)), override(nic(0))), before)
        return result


class Bind(Devbind):
    def test_round_trip_through_every_driver(self):
        name = interface(nic(0))
        for target, node in (("vfio-pci", f"/dev/vfio/{group(nic(0))}"), ("uio_pci_generic", "/dev/uio0")):
            self.assertIn(node, self.done("bind", nic(0), "--driver", target).stdout)
            self.assertEqual((driver(nic(0)), override(nic(0))), (target, target))
            self.assertTrue(os.path.exists(node))
        self.done("unbind", nic(0))
        self.assertEqual((driver(nic(0)), override(nic(0))), (None, "(null)"))
        self.assertIn(name, self.done("restore", nic(0)).stdout)
        self.assertEqual((driver(nic(0)), override(nic(0)), interface(nic(0))), ("e1000e", "(null)", name))

    def test_back_to_the_kernel_by_choice_and_by_name(self):
        for target in ("kernel", "e1000e"):
            self.done("bind", interface(nic(0)), "--driver", "vfio-pci")
            self.done("bind", nic(0), "--driver", target)
            self.assertEqual((driver(nic(0)), override(nic(0))), ("e1000e", "(null)"))

    def test_what_dry_run_prints_does_the_same(self):
        for command, wanted in ((("bind", nic(0), "--driver", "vfio-pci", "--uid", NOBODY), "vfio-pci"),
                                (("restore", nic(0)), "e1000e"),
                                (("bind", nic(0), "--driver", "uio_pci_generic", "--gid", NOBODY), "uio_pci_generic"),
                                (("bind", nic(0), "--driver", "kernel"), "e1000e")):
            script = self.done(*command, "--dry-run").stdout
            result = run("sh", "-ec", script)
            self.assertEqual((result.returncode, result.stderr), (0, ""), script)
            self.assertEqual(driver(nic(0)), wanted, script)
            node = {"vfio-pci": f"/dev/vfio/{group(nic(0))}", "uio_pci_generic": "/dev/uio0"}.get(wanted)
            if node:
                self.assertIn(NOBODY, (os.stat(node).st_uid, os.stat(node).st_gid))

    def test_modules_are_loaded(self):
        run("modprobe", "-r", "uio_pci_generic")
        self.assertFalse((PCI / "drivers" / "uio_pci_generic").exists())
        self.done("bind", nic(0), "--driver", "uio_pci_generic")

    def test_an_ordinary_user_drives_a_device_that_was_given_to_it(self):
        self.done("bind", nic(0), "--driver", "vfio-pci")
        with self.assertRaisesRegex(AssertionError, "Permission denied"), held(nic(0), preexec_fn=drop_rights):
            pass
        self.assertIn("memlock", self.done("bind", nic(0), "--driver", "vfio-pci", "--uid", NOBODY).stderr)
        nodes = [f"/dev/vfio/{group(nic(0))}", *pathlib.Path("/dev/vfio/devices").glob("*")]
        self.assertEqual({os.stat(node).st_uid for node in nodes}, {NOBODY})
        with held(nic(0), preexec_fn=drop_rights):
            pass

    def test_two_at_the_same_time(self):
        commands = [[DEVBIND, "bind", nic(n), "--driver", "vfio-pci"] for n in (0, 1)]
        both = [subprocess.Popen(c, stdout=subprocess.DEVNULL) for c in commands]
        self.assertEqual([process.wait(60) for process in both], [0, 0])
        self.assertEqual([driver(nic(n)) for n in (0, 1)], ["vfio-pci", "vfio-pci"])

    def test_status(self):
        name = interface(nic(1))
        self.done("bind", nic(0), "--driver", "vfio-pci")
        self.assertEqual(devbind("status", preexec_fn=drop_rights).returncode, 0)
        lines = self.done("status").stdout.splitlines()
        ours = next(line for line in lines if line.startswith(nic(0)))
        theirs = next(line for line in lines if line.startswith(nic(1)))
        self.assertIn("drv=vfio-pci unused=e1000e", ours)
        self.assertRegex(theirs, rf"82574L.* if={name}.* drv=e1000e unused=.*vfio-pci")
        self.assertLess(lines.index(ours), lines.index("Network devices using kernel driver"))
        self.assertGreater(lines.index(theirs), lines.index("Network devices using kernel driver"))


class Refusals(Devbind):
    def test_route_and_address(self):
        name = interface(nic(0))
        run("ip", "addr", "add", "10.9.0.1/24", "dev", name)
        self.refused("bind", nic(0), "--driver", "vfio-pci", parts=(f"{name} has", "10.9.0.1", "--force"))
        run("ip", "link", "set", name, "up")
        run("ip", "route", "add", "default", "via", "10.9.0.2", "dev", name)
        self.refused("bind", name, "--driver", "vfio-pci", parts=("the default route", "10.9.0.0/24"))
        self.assertIn("*Active*", self.done("status", nic(0)).stdout)
        self.done("bind", nic(0), "--driver", "vfio-pci", "--force")

    def test_bridge_vlan_and_packet_socket(self):
        name = interface(nic(0))
        for kind in (("bridge",), ("bond",)):
            if run("ip", "link", "add", "upper0", "type", *kind).returncode == 0:
                run("ip", "link", "set", name, "master", "upper0")
                self.refused("unbind", nic(0), parts=("upper0 on top of it",))
                run("ip", "link", "del", "upper0")
        if run("ip", "link", "add", "link", name, "name", "vlan7", "type", "vlan", "id", "7").returncode == 0:
            self.refused("unbind", nic(0), parts=("vlan7 on top of it",))
            run("ip", "link", "del", "vlan7")
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0x88A4) as sniffer:
            sniffer.bind((name, 3))
            self.refused("unbind", nic(0), parts=("packet socket",))

    def test_interface_in_another_network_namespace(self):
        name = interface(nic(0))
        with subprocess.Popen(["unshare", "-n", "cat"], stdin=subprocess.PIPE) as other:
            end = time.monotonic() + 10
            while os.readlink(f"/proc/{other.pid}/ns/net") == os.readlink("/proc/self/ns/net"):
                self.assertLess(time.monotonic(), end)
                time.sleep(0.05)
            self.assertEqual(run("ip", "link", "set", name, "netns", other.pid).returncode, 0)
            self.refused("bind", nic(0), "--driver", "vfio-pci", parts=("another network namespace",))
            other.stdin.close()
        end = time.monotonic() + 10
        while not os.path.exists(f"/sys/class/net/{name}") and time.monotonic() < end:
            time.sleep(0.1)

    def test_what_is_absent_or_malformed(self):
        self.refused("bind", "7f:00.0", "--driver", "vfio-pci", parts=("0000:7f:00.0", "lspci"))
        self.refused("bind", "nope0", "--driver", "vfio-pci", parts=("nope0", "DDDD:BB:DD.F"))
        self.refused("bind", "lo", "--driver", "vfio-pci", parts=("no PCI device",))
        self.refused("bind", nic(0), "--driver", "nonesuch", parts=("nonesuch", "not found"))
        self.refused("bind", nic(0), "--driver", "igb_uio", parts=("igb_uio", "uio_pci_generic"))
        self.refused("bind", nic(0), "--driver", "virtio-pci", parts=("does not know this device",))
        self.refused("bind", nic(0), status=2, parts=("--driver",))

    def test_not_root(self):
        for command in (("bind", nic(0), "--driver", "vfio-pci"), ("unbind", nic(0))):
            self.refused(*command, parts=("not root", "sudo"), preexec_fn=drop_rights)

    def test_sys_read_only(self):
        script = f"mount -o remount,bind,ro /sys && exec {DEVBIND} bind {nic(0)} --driver vfio-pci"
        result = run("unshare", "-m", "sh", "-c", script)
        self.assertEqual(result.returncode, 1)
        self.assertIn("read-only", result.stderr)
        self.assertEqual(driver(nic(0)), "e1000e")

    def test_bridges_stay(self):
        bridge = next(d.name for d in (PCI / "devices").iterdir() if (d / "class").read_text().startswith("0x0604"))
        self.refused("unbind", bridge, "--force", parts=("bridge",))


class InUse(Devbind):
    def setUp(self):
        self.done("bind", nic(0), "--driver", "vfio-pci")

    def test_the_process_is_named(self):
        with held(nic(0)) as holder:
            for command in (("unbind",), ("restore",), ("bind", "--driver", "uio_pci_generic")):
                self.refused(*command, nic(0), parts=(f"process {holder.pid} (python", "--force"))
            self.assertIn(f"open in process {holder.pid}", self.done("status", nic(0)).stdout)

    def test_force_waits_until_it_is_closed(self):
        with held(nic(0)) as holder:
            with subprocess.Popen([DEVBIND, "restore", nic(0), "--force"], stdout=subprocess.DEVNULL,
                                  stderr=subprocess.PIPE, text=True) as process:
                self.assertIn("waits until it is closed", process.stderr.readline())
                time.sleep(1)
                self.assertIsNone(process.poll())
                holder.stdin.close()
                self.assertEqual(process.wait(30), 0)
        self.assertEqual(driver(nic(0)), "e1000e")

    def test_a_signal_while_it_waits_undoes_it(self):
        with held(nic(0)) as holder:
            with subprocess.Popen([DEVBIND, "restore", nic(0), "--force"], stdout=subprocess.DEVNULL,
                                  stderr=subprocess.PIPE, text=True) as process:
                process.stderr.readline()
                time.sleep(1)
                process.send_signal(signal.SIGTERM)
                time.sleep(0.5)
                holder.stdin.close()
                self.assertEqual(process.wait(30), 128 + signal.SIGTERM, process.stderr.read())
        self.assertEqual((driver(nic(0)), override(nic(0))), ("vfio-pci", "vfio-pci"))


class Groups(Devbind):
    def setUp(self):
        groups = {}
        for device in (PCI / "devices").iterdir():
            if (device / "device").read_text().strip() == "0x10d3":
                groups.setdefault(group(device.name), []).append(device.name)
        pairs = [sorted(members) for members in groups.values() if len(members) == 2]
        self.assertTrue(pairs, "the guest has no two NICs in one group")
        self.ours, self.other = pairs[0]

    def test_a_member_with_the_kernel_is_told_of(self):
        self.assertIn(self.other, self.done("bind", self.ours, "--driver", "vfio-pci").stderr)
        self.assertFalse(viable(self.ours))

    def test_with_group(self):
        self.done("bind", self.ours, "--driver", "vfio-pci", "--with-group")
        self.assertEqual(driver(self.other), "vfio-pci")
        self.assertTrue(viable(self.ours))

    def test_a_member_does_not_return_to_the_kernel_while_vfio_has_the_group(self):
        self.done("bind", self.ours, "--driver", "vfio-pci", "--with-group")
        with held(self.ours) as holder:
            self.refused("restore", self.other, parts=(f"process {holder.pid}",))
            result = devbind("restore", self.other, "--force")
            self.assertEqual(result.returncode, 1, result.stderr)
            self.assertIn(f"process {holder.pid}", result.stderr)
            self.assertEqual((driver(self.other), override(self.other)), ("vfio-pci", "vfio-pci"))
        self.done("restore", self.other)

    def test_all_or_none(self):
        """The kernel refuses UIO to the second, whose group VFIO has; the first goes back to e1000e as well."""
        self.done("bind", self.ours, "--driver", "vfio-pci", "--with-group")
        with held(self.other):
            result = devbind("bind", nic(0), self.ours, "--driver", "uio_pci_generic", "--force")
            self.assertEqual(result.returncode, 1, result.stdout)
            self.assertIn("in use by process", result.stderr)
            self.assertEqual((driver(nic(0)), driver(self.ours)), ("e1000e", "vfio-pci"), result.stderr)


class Broken(Devbind):
    def test_kill_9_anywhere_and_restore(self):
        for attempt in range(6):
            with subprocess.Popen([DEVBIND, "bind", nic(0), "--driver", "vfio-pci", "--uid", str(NOBODY)],
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
                wait_for_state(process, attempt / 100)
                process.kill()
            self.done("restore")
            self.assertEqual((driver(nic(0)), override(nic(0))), ("e1000e", "(null)"), f"attempt {attempt}")
            self.assertTrue(interface(nic(0)))

    def test_terminated_anywhere_nothing_has_changed(self):
        endings = set()
        for attempt in range(6):
            with subprocess.Popen([DEVBIND, "bind", nic(0), "--driver", "vfio-pci"], stdout=subprocess.DEVNULL,
                                  stderr=subprocess.PIPE, text=True) as process:
                wait_for_state(process, attempt / 100)
                process.terminate()
                status, text = process.wait(30), process.stderr.read()
            endings.add(status)
            if status == 0:
                self.done("restore")
            self.assertIn(status, (0, 128 + signal.SIGTERM), text)
            self.assertEqual((driver(nic(0)), override(nic(0))), ("e1000e", "(null)"), f"attempt {attempt}: {text}")
        self.assertIn(128 + signal.SIGTERM, endings)

    def test_zz_unplugged(self):
        """Last: NIC 1 does not come back."""
        self.done("bind", nic(1), "--driver", "vfio-pci")
        self.assertEqual(run("labctl", "unplug", 1).returncode, 0)
        self.refused("bind", nic(1), "--driver", "uio_pci_generic", parts=(f"cannot find PCI device {nic(1)}",))
        self.refused("restore", nic(1), parts=(nic(1),))
        self.done("restore")
        self.assertNotIn(nic(1), self.done("status").stdout)


def wait_for_state(process, more):
    """Until the tool has saved its state, just before it changes the device, and `more` seconds."""
    state = pathlib.Path("/run/pollux/devbind") / f"{nic(0)}.json"
    end = time.monotonic() + 20
    while not state.exists() and process.poll() is None and time.monotonic() < end:
        select.select([], [], [], 0.001)
    time.sleep(more)


class Doctor(Devbind):
    def findings(self, *arguments, statuses, **options):
        result = doctor("--json", *arguments, **options)
        self.assertIn(result.returncode, statuses, result.stdout)
        self.assertEqual(result.stderr, "")
        report = json.loads(result.stdout)
        self.assertEqual(report["status"], result.returncode)
        return [(f["level"], f["subject"], f["seen"], f["remedy"]) for f in report["findings"]]

    def expect(self, findings, level, subject, part):
        self.assertTrue([f for f in findings if f[:2] == (level, subject) and part in f[2]],
                        f"no [{level}] {subject}: {part} in {findings}")

    def test_a_guest_with_iommu(self):
        found = self.findings(statuses=(1, 2))
        self.expect(found, "ok", "iommu", "dmar0 (intel_iommu=on)")
        self.expect(found, "info", "machine", "virtual")
        self.expect(found, "ok", "hugepages", "128 of 2 MiB")
        self.expect(found, "warn", nic(0), "bound to driver e1000e")
        self.assertEqual(run(DOCTOR).stderr, "")

    def test_the_command_it_prints_mends_it(self):
        found = self.findings("--device", nic(0), statuses=(1,))
        remedy = next(f[3] for f in found if f[:2] == ("warn", nic(0)))
        self.assertTrue(remedy.startswith("pollux-devbind bind "), remedy)
        self.done(*remedy.split()[1:])
        found = self.findings("--device", nic(0), statuses=(1,))
        self.expect(found, "ok", nic(0), "bound to vfio-pci")
        self.expect(found, "ok", nic(0), "is open to this user")
        self.assertFalse([f for f in found if f[0] == "fail"])

    def test_an_ordinary_user(self):
        self.done("bind", nic(0), "--driver", "vfio-pci")
        found = self.findings("--device", nic(0), statuses=(2,), preexec_fn=drop_rights)
        self.expect(found, "fail", nic(0), "is closed to this user")
        self.expect(found, "info", "pagemap", "no physical addresses")
        self.done("bind", nic(0), "--driver", "vfio-pci", "--uid", NOBODY)
        found = self.findings("--device", nic(0), statuses=(1, 2), preexec_fn=drop_rights)
        self.expect(found, "ok", nic(0), "is open to this user")

    def test_group_that_is_not_viable(self):
        """Two NICs behind a conventional bridge."""
        Groups.setUp(self)
        self.done("bind", self.ours, "--driver", "vfio-pci")
        self.expect(self.findings("--device", self.ours, statuses=(2,)), "fail", self.ours, "not viable")


class NoIommu(Devbind):
    def test_vfio_is_refused_with_what_to_do(self):
        self.refused("bind", nic(0), "--driver", "vfio-pci", parts=("no IOMMU", "intel_iommu=on", "--noiommu"))

    def test_this_kernel_has_no_noiommu_mode(self):
        self.refused("bind", nic(0), "--driver", "vfio-pci", "--noiommu",
                     parts=("CONFIG_VFIO_NOIOMMU", "uio_pci_generic"))

    def test_the_doctor_says_so(self):
        for options, status, line in (({}, 1, "[warn] iommu: "), ({"preexec_fn": drop_rights}, 2, "[fail] iommu: ")):
            result = doctor(**options)
            self.assertEqual((result.returncode, result.stderr), (status, ""), result.stdout)
            self.assertIn(line, result.stdout)

    def test_uio_works(self):
        self.assertIn("/dev/uio0", self.done("bind", nic(0), "--driver", "uio_pci_generic").stdout)

    def test_the_kernels_own_refusal_is_explained_and_undone(self):
        script = ("import sys; sys.path.insert(0, sys.argv[1]); from pollux_tools import plan, devbind; "
                  "plan.noiommu_allowed = lambda machine: True; sys.exit(devbind.main(sys.argv[2:]))")
        result = run(sys.executable, "-c", script, ROOT / "tools", "bind", nic(0), "--driver", "vfio-pci")
        self.assertEqual(result.returncode, 1)
        self.assertIn("no IOMMU stands before it: Invalid argument", result.stderr)
        self.assertEqual((driver(nic(0)), override(nic(0))), ("e1000e", "(null)"))


class NoIommuMode(Devbind):
    """On a kernel with CONFIG_VFIO_NOIOMMU: the lab's own."""
    ALLOWED = pathlib.Path("/sys/module/vfio/parameters/enable_unsafe_noiommu_mode")

    def tearDown(self):
        super().tearDown()
        self.ALLOWED.write_text("N")

    def test_only_when_asked_for(self):
        self.refused("bind", nic(0), "--driver", "vfio-pci", parts=("no IOMMU", "--noiommu"))
        self.assertEqual(self.ALLOWED.read_text().strip(), "N")

    def test_bound_said_and_still_no_way_for_an_ordinary_user(self):
        result = self.done("bind", nic(0), "--driver", "vfio-pci", "--noiommu", "--uid", NOBODY)
        self.assertEqual((driver(nic(0)), self.ALLOWED.read_text().strip()), ("vfio-pci", "Y"))
        self.assertIn("CAP_SYS_RAWIO", result.stderr)
        self.assertIn("setcap", result.stderr)
        node = next(pathlib.Path("/dev/vfio").glob("noiommu-*"))
        self.assertIn(str(node), result.stdout)
        self.assertEqual(node.stat().st_uid, NOBODY)
        opened = run("python3", "-c", f"open('{node}', 'r+b', 0)", preexec_fn=drop_rights)
        self.assertIn("Operation not permitted", opened.stderr)
        with open(node, "r+b", 0):
            self.refused("unbind", nic(0), parts=(f"process {os.getpid()}",))
        self.assertIn("VFIO without IOMMU", doctor().stdout)

    def test_what_dry_run_prints_does_the_same(self):
        script = self.done("bind", nic(0), "--driver", "vfio-pci", "--noiommu", "--gid", NOBODY, "--dry-run").stdout
        self.assertEqual(run("sh", "-ec", script).stderr, "")
        self.assertEqual(next(pathlib.Path("/dev/vfio").glob("noiommu-*")).stat().st_gid, NOBODY)
        script = self.done("restore", nic(0), "--dry-run").stdout  # by name: a script leaves nothing to remember
        self.assertEqual(run("sh", "-ec", script).stderr, "")

    def test_taken_back_when_a_later_step_fails(self):
        with unittest.mock.patch.object(devbind_tool.Machine, "chown", side_effect=PermissionError(1, "no")):
            self.refused("bind", nic(0), "--driver", "vfio-pci", "--noiommu", "--uid", NOBODY, parts=("owner",))
        self.assertEqual(self.ALLOWED.read_text().strip(), "N")


class IgbUio(Devbind):
    """On a machine without IOMMU that has the module: lab run --with-module igb_uio."""

    def test_round_trip(self):
        name = interface(nic(0))
        self.assertIn("/dev/uio0", self.done("bind", name, "--driver", "igb_uio").stdout)
        self.assertEqual((driver(nic(0)), override(nic(0))), ("igb_uio", "igb_uio"))
        self.assertRegex(self.done("status").stdout, rf"(?m)^{nic(0)}.* drv=igb_uio unused=e1000e")
        self.assertIn("bound to igb_uio", doctor("--device", nic(0)).stdout)
        self.done("bind", nic(0), "--driver", "uio_pci_generic")
        self.done("bind", nic(0), "--driver", "igb_uio")
        self.done("unbind", nic(0))
        self.assertEqual((driver(nic(0)), override(nic(0))), (None, "(null)"))
        self.assertIn(name, self.done("restore", nic(0)).stdout)
        self.assertEqual((driver(nic(0)), override(nic(0)), interface(nic(0))), ("e1000e", "(null)", name))

    def test_what_dry_run_prints_does_the_same(self):
        for command, wanted in ((("bind", nic(0), "--driver", "igb_uio", "--gid", NOBODY), "igb_uio"),
                                (("restore", nic(0)), "e1000e")):
            script = self.done(*command, "--dry-run").stdout
            result = run("sh", "-ec", script)
            self.assertEqual((result.returncode, result.stderr), (0, ""), script)
            self.assertEqual(driver(nic(0)), wanted, script)
            if wanted == "igb_uio":
                self.assertEqual(os.stat("/dev/uio0").st_gid, NOBODY)

    def test_the_module_is_loaded(self):
        run("modprobe", "-r", "igb_uio")
        self.assertFalse((PCI / "drivers" / "igb_uio").exists())
        self.done("bind", nic(0), "--driver", "igb_uio")

    def test_the_process_that_uses_it_is_named(self):
        self.done("bind", nic(0), "--driver", "igb_uio")
        with open("/dev/uio0", "r+b", 0):
            self.refused("restore", nic(0), parts=(f"process {os.getpid()}", "--force"))


def load_tests(loader, _tests, _pattern):
    cases = (Bind, Refusals, InUse, Groups, Doctor, Broken)
    if os.environ.get("POLLUX_LAB_NO_IOMMU"):
        run("modprobe", "vfio-pci")
        cases = (NoIommuMode,) if NoIommuMode.ALLOWED.exists() else (NoIommu,)
        if (PCI / "drivers" / "igb_uio").exists():
            cases = (IgbUio,)
    return unittest.TestSuite(loader.loadTestsFromTestCase(c) for c in cases)


if __name__ == "__main__":
    unittest.main(verbosity=2)

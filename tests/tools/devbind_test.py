#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""pollux-devbind against a fake kernel: every command, every refusal, and every step failing in turn."""
import contextlib
import errno
import io
import json
import os
import pathlib
import signal
import subprocess
import sys
import unittest

from fake_kernel import NOIOMMU, PCI, RELEASE, FakeKernel

from pollux_tools import devbind, steps
from pollux_tools.error import Interrupted
from pollux_tools.pci import Bdf

TOOL = pathlib.Path(__file__).parents[2] / "tools" / "pollux-devbind"
NIC, OTHER = "0000:00:04.0", "0000:00:05.0"


class Case(unittest.TestCase):
    """A machine with two 82574s on e1000e, each in its own IOMMU group, and the drivers of userspace loadable."""

    def setUp(self):
        self.kernel = self.new_kernel()

    def new_kernel(self):
        kernel = FakeKernel()
        self.addCleanup(kernel.close)
        kernel.loadable = {"vfio-pci": (), "uio_pci_generic": (), "e1000e": ("8086:10d3",)}
        kernel.add_device(NIC, group=4, driver="e1000e")
        kernel.add_device(OTHER, group=5, driver="e1000e")
        return kernel

    def run_tool(self, *arguments, kernel=None):
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                status = devbind.main([str(a) for a in arguments], kernel or self.kernel)
            except SystemExit as stopped:  # argparse's --help
                status = stopped.code
        self.out, self.err = out.getvalue(), err.getvalue()
        return status

    def done(self, *arguments):
        self.assertEqual(self.run_tool(*arguments), 0, self.err)
        return self.out

    def refused(self, *arguments, parts=(), status=1):
        """One line of error that has all parts, and nothing changed on the way."""
        before = (self.kernel.driver(NIC), self.kernel.override(NIC))
        self.assertEqual(self.run_tool(*arguments), status, self.out + self.err)
        errors = [line for line in self.err.splitlines() if line.startswith("pollux-devbind: error: ")]
        self.assertEqual(len(errors), 1, self.err)
        for part in parts:
            self.assertIn(part, errors[0])
        self.assertEqual((self.kernel.driver(NIC), self.kernel.override(NIC)), before)

    def drivers(self):
        return self.kernel.driver(NIC), self.kernel.driver(OTHER)


class Addresses(unittest.TestCase):
    def test_with_and_without_domain_in_either_case(self):
        self.assertEqual(str(Bdf.try_parse("ABCD:EF:1F.7")), "abcd:ef:1f.7")
        self.assertEqual(str(Bdf.try_parse("03:00.1")), "0000:03:00.1")

    def test_malformed(self):
        for text in ("", "0", "3:00.0", "03:0.0", "03:00.", "03:00", "000:03:00.0", "03:20.0", "03:00.8", "0g:00.0",
                     " 03:00.0", "03:00.0\n", "0000-03-00-0", "eth0", "0000:00:04.0 extra", "0٣:00.0"):
            self.assertIsNone(Bdf.try_parse(text), repr(text))


class BindAndBack(Case):
    def test_to_vfio_and_restored(self):
        self.assertIn(f"{NIC}: vfio-pci (was: e1000e), /dev/vfio/4", self.done("bind", NIC, "--driver", "vfio-pci"))
        self.assertEqual(self.drivers(), ("vfio-pci", "e1000e"))
        self.assertEqual(self.kernel.override(NIC), "vfio-pci")
        self.assertIn(f"{NIC}: e1000e (was: vfio-pci), interface eth4", self.done("restore", NIC))
        self.assertEqual(self.drivers(), ("e1000e", "e1000e"))
        self.assertEqual(self.kernel.override(NIC), "(null)")
        self.assertFalse(self.kernel.exists(steps.state_file(NIC)))

    def test_the_first_former_driver_is_the_one_restored(self):
        self.done("bind", NIC, "--driver", "vfio-pci")
        self.done("bind", NIC, "--driver", "uio_pci_generic")
        self.assertEqual(self.kernel.driver(NIC), "uio_pci_generic")
        self.done("unbind", NIC)
        self.assertIsNone(self.kernel.driver(NIC))
        self.assertEqual(self.kernel.override(NIC), "(null)")
        self.done("restore")
        self.assertEqual(self.kernel.driver(NIC), "e1000e")

    def test_restore_without_names_takes_all_remembered_that_are_there(self):
        self.done("bind", NIC, OTHER, "--driver", "vfio-pci")
        self.kernel.put(steps.state_file("0000:09:00.0"), '{"driver": "e1000e", "id": "8086:10d3"}')
        self.done("restore")
        self.assertEqual(self.drivers(), ("e1000e", "e1000e"))

    def test_restore_of_a_device_that_had_no_driver(self):
        self.done("unbind", NIC)
        os.unlink(self.kernel.path(steps.state_file(NIC)))
        self.done("bind", NIC, "--driver", "vfio-pci")
        self.done("restore", NIC)
        self.assertIsNone(self.kernel.driver(NIC))
        self.assertEqual(self.kernel.override(NIC), "(null)")

    def test_restore_without_memory_lets_the_kernel_choose(self):
        self.done("bind", NIC, "--driver", "vfio-pci")
        for damage in (None, "", "no json", "[]", '{"driver": 7, "id": "8086:10d3"}', '{"driver": "x", "id": "1:2"}'):
            with self.subTest(damage=damage):
                if damage is None:
                    self.kernel.remove(steps.state_file(NIC))
                else:
                    self.kernel.put(steps.state_file(NIC), damage)
                self.done("restore", NIC)
                self.assertEqual(self.kernel.driver(NIC), "e1000e")
                self.done("bind", NIC, "--driver", "vfio-pci")

    def test_restore_of_what_was_given_back_by_hand_only_forgets(self):
        for former in ('"igb"', "null"):
            self.kernel.put(steps.state_file(NIC), f'{{"driver": {former}, "id": "8086:10d3"}}')
            self.kernel.put(f"{PCI}/devices/{NIC}/driver_override", "vfio-pci")
            self.done("restore")
            self.assertEqual((self.kernel.driver(NIC), self.kernel.override(NIC)), ("e1000e", "(null)"))
            self.assertFalse(self.kernel.exists(steps.state_file(NIC)))

    def test_restore_of_what_the_kernel_has_changes_nothing(self):
        self.done("restore", NIC)
        self.assertEqual(self.kernel.writes, [])

    def test_restore_with_nothing_remembered(self):
        self.assertIn("nothing to do", self.done("restore"))

    def test_to_the_kernel_and_to_its_driver_by_name(self):
        for driver in ("kernel", "e1000e"):
            self.done("bind", NIC, "--driver", "vfio-pci")
            self.done("bind", NIC, "--driver", driver)
            self.assertEqual(self.kernel.driver(NIC), "e1000e")
            self.assertEqual(self.kernel.override(NIC), "(null)")
            self.assertFalse(self.kernel.exists(steps.state_file(NIC)))

    def test_already_there(self):
        self.done("bind", NIC, "--driver", "vfio-pci")
        count = len(self.kernel.writes)
        self.assertIn("as before", self.done("bind", NIC, "--driver", "vfio-pci"))
        self.assertEqual(len(self.kernel.writes), count)

    def test_by_interface_name_short_address_and_twice(self):
        self.done("bind", "eth4", "00:04.0", NIC, "--driver", "vfio-pci")
        self.assertEqual(self.drivers(), ("vfio-pci", "e1000e"))

    def test_module_name_for_driver_name(self):
        self.done("bind", NIC, "--driver", "vfio_pci")
        self.assertEqual(self.kernel.driver(NIC), "vfio-pci")
        self.assertEqual(self.kernel.loaded, ["vfio-pci"])

    def test_no_new_id_is_ever_written(self):
        self.done("bind", NIC, "--driver", "vfio-pci")
        self.done("restore")
        self.assertFalse([name for name, _ in self.kernel.writes if name.endswith("_id")])

    def test_json(self):
        result = json.loads(self.done("bind", NIC, "--driver", "vfio-pci", "--json"))
        self.assertTrue(result["ok"])
        self.assertEqual(result["devices"], [{"bdf": NIC, "former": "e1000e", "driver": "vfio-pci", "interfaces": [],
                                              "nodes": ["/dev/vfio/4"]}])
        self.assertEqual(self.run_tool("bind", "09:00.0", "--driver", "vfio-pci", "--json"), 1)
        self.assertIn("0000:09:00.0", json.loads(self.out)["error"])


class Groups(Case):
    def setUp(self):
        super().setUp()
        self.kernel.add_device("0000:01:00.0", group=9, driver="e1000e", interface="eth10")
        self.kernel.add_device("0000:01:01.0", group=9, driver="e1000e", interface="eth11")
        self.kernel.add_device("0000:00:1e.0", class_code="0x060400", group=9, driver="pcieport", device_id="8086:244e")

    def test_a_group_that_is_not_viable_is_said_to_be(self):
        self.done("bind", "01:00.0", "--driver", "vfio-pci")
        self.assertIn("group 9 is not usable yet: 0000:01:01.0 (e1000e)", self.err)
        self.assertIn("--with-group", self.err)

    def test_with_group_takes_the_others_but_not_the_bridge(self):
        self.done("bind", "01:00.0", "--driver", "vfio-pci", "--with-group")
        self.assertEqual([self.kernel.driver(b) for b in ("0000:01:00.0", "0000:01:01.0", "0000:00:1e.0")],
                         ["vfio-pci", "vfio-pci", "pcieport"])
        self.assertEqual(self.err, "")

    def test_with_group_spares_a_member_in_use(self):
        self.kernel.add_route("eth11")
        self.refused("bind", "01:00.0", "--driver", "vfio-pci", "--with-group", parts=("0000:01:01.0", "default route"))
        self.assertEqual(self.kernel.driver("0000:01:00.0"), "e1000e")

    def test_a_bridge_is_refused_even_with_force(self):
        self.refused("bind", "00:1e.0", "--driver", "vfio-pci", "--force", parts=("bridge",))

    def test_uio_behind_a_translating_iommu_is_warned_of(self):
        self.done("bind", NIC, "--driver", "uio_pci_generic")
        self.assertIn("iommu=pt", self.err)


class InUse(Case):
    def refused_unless_forced(self, *parts):
        for command in (("bind", NIC, "--driver", "vfio-pci"), ("unbind", NIC)):
            self.refused(*command, parts=(*parts, "--force"))
        self.done("bind", NIC, "--driver", "vfio-pci", "--force")
        self.assertIn(parts[0], self.err)
        self.assertEqual(self.kernel.driver(NIC), "vfio-pci")

    def test_default_route(self):
        self.kernel.add_route("eth4")
        self.refused_unless_forced("eth4 has the default route")

    def test_route_to_a_network(self):
        self.kernel.add_route("eth4", "0002000A", "00FFFFFF")
        self.refused_unless_forced("the route to 10.0.2.0/24")

    def test_route_of_ipv6(self):
        zero = "0" * 32
        self.kernel.put("/proc/net/ipv6_route", f"{zero} 00 {zero} 00 {zero} 0 0 0 00000001 eth4")
        self.refused_unless_forced("the default IPv6 route")

    def test_addresses(self):
        self.kernel.addresses["eth4"] = "10.0.2.15"
        self.kernel.put("/proc/net/if_inet6", "fd000000000000000000000000000001 02 40 00 80 eth4")
        self.refused_unless_forced("the address 10.0.2.15", "fd00::1")

    def test_bond_or_bridge_above(self):
        self.kernel.link("/sys/class/net/eth4/upper_bond0", "/sys/class/net/bond0")
        self.refused_unless_forced("bond0 on top of it")

    def test_packet_socket(self):
        self.kernel.put("/proc/net/packet", "sk RefCnt Type Proto Iface R Rmem User Inode\nf 3 3 0003 7 1 0 0 1")
        self.refused_unless_forced("a packet socket")

    def test_virtual_functions(self):
        self.kernel.put(f"{PCI}/devices/{NIC}/sriov_numvfs", "4")
        self.refused_unless_forced("4 virtual functions")

    def test_interface_in_another_namespace(self):
        os.unlink(self.kernel.path("/sys/class/net/eth4"))
        for name in ("device", "flags", "ifindex"):
            os.unlink(self.kernel.path(f"{PCI}/devices/{NIC}/net/eth4/{name}"))
        os.rmdir(self.kernel.path(f"{PCI}/devices/{NIC}/net/eth4"))
        self.refused_unless_forced("another network namespace")

    def test_what_is_no_network_device(self):
        self.kernel.add_device("0000:00:1f.2", device_id="8086:2922", class_code="0x010601", group=8, driver="ahci")
        self.refused("bind", "00:1f.2", "--driver", "vfio-pci", parts=("no network device", "--force"))

    def test_link_local_traffic_is_no_use(self):
        link_local, zero = "fe80" + "0" * 28, "0" * 32
        self.kernel.put("/proc/net/ipv6_route", f"{link_local} 40 {zero} 00 {zero} 100 1 0 00000001 eth4\n"
                        f"ff{'0' * 30} 08 {zero} 00 {zero} 100 1 0 00000001 eth4")
        self.kernel.put("/proc/net/if_inet6", f"{link_local[:-1]}1 02 40 20 80 eth4")
        self.done("bind", NIC, "--driver", "vfio-pci")

    def test_a_process_that_drives_it(self):
        self.done("bind", NIC, "--driver", "vfio-pci")
        self.kernel.add_process(4711, "testpmd", "/dev/null", "/dev/vfio/4")
        for command in (("unbind",), ("restore",), ("bind", "--driver", "uio_pci_generic")):
            self.refused(*command, NIC, parts=("process 4711 (testpmd)", "--force"))
        self.done("restore", NIC, "--force")
        self.assertIn("The kernel waits until it is closed", self.err)

    def test_a_process_with_its_bar_mapped(self):
        bar = self.kernel.real_path(f"{PCI}/devices/{NIC}") + "/resource0"
        self.kernel.add_process(99, "ixy")
        self.kernel.put("/proc/99/maps", f"7f0000000000-7f0000020000 rw-s 00000000 00:17 42   {bar}")
        self.refused("unbind", NIC, parts=("process 99 (ixy)",))


class Refusals(Case):
    def test_malformed_or_absent_device(self):
        for text in ("3:00.0", "nope0", "../x", "zz:00.0", "0000:00:04.8"):
            self.refused("bind", text, "--driver", "vfio-pci", parts=(f"'{text}'", "DDDD:BB:DD.F"))
        self.refused("bind", "7f:00.0", "--driver", "vfio-pci", parts=("cannot find PCI device 0000:7f:00.0", "lspci"))

    def test_interface_that_is_no_pci_device(self):
        self.kernel.put("/sys/devices/virtual/net/lo/flags", "0x9")
        self.kernel.link("/sys/class/net/lo", "/sys/devices/virtual/net/lo")
        self.refused("bind", "lo", "--driver", "vfio-pci", parts=("no PCI device",))

    def test_interface_on_usb_does_not_stand_for_its_host_controller(self):
        usb = f"/sys/devices/pci0000:00/{NIC}/usb1/1-1/1-1:1.0"
        self.kernel.put(f"{usb}/net/usb0/flags", "0x1002")
        self.kernel.link(f"{usb}/net/usb0/device", usb)
        self.kernel.link("/sys/class/net/usb0", f"{usb}/net/usb0")
        self.refused("bind", "usb0", "--driver", "vfio-pci", parts=("no PCI device",))

    def test_no_such_driver(self):
        self.refused("bind", NIC, "--driver", "vfio-pcx", parts=("cannot load driver vfio-pcx", "not found", "e1000e"))
        self.refused("bind", NIC, "--driver", "igb_uio", parts=("igb_uio", "uio_pci_generic"))

    def test_a_module_that_is_no_pci_driver(self):
        self.kernel.loadable["loop"] = None
        self.refused("bind", NIC, "--driver", "loop", parts=("loop", "no such PCI driver"))

    def test_a_driver_that_does_not_know_the_device(self):
        self.kernel.add_driver("ixgbe", "8086:10fb")
        self.refused("bind", NIC, "--driver", "ixgbe", parts=("does not know this device", "unused="))

    def test_command_line(self):
        for arguments, part in (((NIC,), "invalid choice"), (("bind", NIC), "--driver"), (("bind",), "required"),
                                (("bind", "--driver", NIC, "eth4"), "a driver is missing"),
                                (("bind", NIC, "--driver", "../e1000e"), "no driver's name"),
                                (("bind", NIC, "--driver", ""), "no driver's name"),
                                (("bind", NIC, "--driver", "vfio-pci\n"), "no driver's name"),
                                (("bind", NIC, "--driver", "vfio-pci", "--uid", ""), "no such name"),
                                (("bind", NIC, "--driver", "e1000e", "--uid", "0"), "userspace driver"),
                                (("bind", NIC, "--driver", "uio_pci_generic", "--noiommu"), "vfio-pci"),
                                (("bind", NIC, "--driver", "vfio-pci", "--uid", "no-such-user"), "no such name"),
                                (("bind", NIC, "--driver", "vfio-pci", "--gid", "-1"), "--gid"),
                                (("bind", NIC, "--driver", "vfio-pci", "--uid", str(2**32 - 1)), "no such name")):
            with self.subTest(arguments=arguments):
                self.refused(*arguments, parts=(part, "--help"), status=2)

    def test_not_root(self):
        self.kernel.root_user = False
        for command in (("bind", NIC, "--driver", "vfio-pci"), ("unbind", NIC), ("unbind", OTHER, NIC)):
            self.refused(*command, parts=("not root", "sudo"))
        self.assertIn(NIC, self.done("status"))

    def test_sys_read_only(self):
        self.kernel.may = lambda name, mode: False
        self.refused("bind", NIC, "--driver", "vfio-pci", parts=("read-only", "host"))

    def test_no_driver_override(self):
        os.unlink(self.kernel.path(f"{PCI}/devices/{NIC}/driver_override"))
        self.refused("bind", NIC, "--driver", "vfio-pci", parts=("driver_override", "3.16"))

    def test_reasons_of_the_kernel(self):
        for code, driver, part in ((errno.EINVAL, "vfio-pci", "refuses this kind"), (errno.EBUSY, "vfio-pci", "in use"),
                                   (errno.ENODEV, "uio_pci_generic", "INTx"), (errno.EPERM, "vfio-pci", "lockdown"),
                                   (errno.ENOMEM, "vfio-pci", "dmesg")):
            self.kernel.refuse = {(driver, NIC): code}
            self.refused("bind", NIC, "--driver", driver, parts=(part, os.strerror(code)))
            self.assertEqual(self.err.count("\n"), 1, self.err)

    def test_group_in_use_names_the_process(self):
        member = self.kernel.add_device("0000:00:06.0", group=4, driver="vfio-pci")
        self.kernel.add_process(12, "testpmd", "/dev/vfio/4")
        self.kernel.refuse = {("uio_pci_generic", NIC): errno.EBUSY}
        self.refused("bind", NIC, "--driver", "uio_pci_generic", parts=("process 12 (testpmd)",))
        self.assertEqual(self.kernel.driver(member), "vfio-pci")

    def test_another_devbind_at_work(self):
        with devbind.only_one(self.kernel), self.assertRaisesRegex(devbind.Error, "at work.*fuser"):
            with devbind.only_one(self.kernel, seconds=0):
                self.fail("two at a time")

    def test_kernel_takes_it_not_back(self):
        self.done("bind", NIC, "--driver", "vfio-pci")
        self.kernel.knows["e1000e"] = ()
        self.kernel.remove(steps.state_file(NIC))
        self.refused("restore", NIC, parts=("no driver of this kernel took it", "lspci -k"))


class NoIommu(Case):
    def new_kernel(self):
        kernel = FakeKernel()
        self.addCleanup(kernel.close)
        kernel.loadable = {"vfio-pci": (), "uio_pci_generic": ()}
        kernel.add_device(NIC, driver="e1000e")
        kernel.add_device(OTHER, driver="e1000e")
        return kernel

    def test_said_before_anything_is_touched(self):
        self.refused("bind", NIC, "--driver", "vfio-pci",
                     parts=("no IOMMU", "intel_iommu=on", "--noiommu", "uio_pci_generic"))
        self.assertEqual(self.kernel.writes, [])

    def test_a_kernel_without_the_option(self):
        self.refused("bind", NIC, "--driver", "vfio-pci", "--noiommu", parts=("CONFIG_VFIO_NOIOMMU", "uio_pci_generic"))

    def test_allowed_bound_and_said(self):
        self.kernel.put(NOIOMMU, "N")
        out = self.done("bind", NIC, "--driver", "vfio-pci", "--noiommu", "--uid", "1234")
        self.assertIn("/dev/vfio/noiommu-0", out)
        self.assertEqual(self.kernel.read(NOIOMMU), "Y")
        self.assertEqual(self.kernel.owners, {"/dev/vfio/noiommu-0": (1234, -1)})
        self.assertIn("CAP_SYS_RAWIO", self.err)
        self.assertIn("setcap", self.err)

    def test_allowed_already(self):
        self.kernel.put(NOIOMMU, "Y")
        self.done("bind", NIC, "--driver", "vfio-pci")

    def test_taken_back_when_binding_fails(self):
        self.kernel.put(NOIOMMU, "N")
        self.kernel.refuse = {("vfio-pci", NIC): errno.EIO}
        self.refused("bind", NIC, "--driver", "vfio-pci", "--noiommu", parts=("Input/output error",))
        self.assertEqual(self.kernel.read(NOIOMMU), "N")

    def test_uio_needs_none(self):
        self.assertIn("/dev/uio0", self.done("bind", NIC, "--driver", "uio_pci_generic"))


class Udd(Case):
    """The module of samples/xenomai/pollux_udd_pci is one more userspace driver."""

    def setUp(self):
        super().setUp()
        self.kernel.loadable["pollux_udd_pci"] = ()

    def test_round_trip(self):
        out = self.done("bind", NIC, "--driver", "pollux-udd-pci")
        self.assertIn(f"pollux_udd_pci (was: e1000e), /dev/rtdm/pollux-{NIC} /dev/rtdm/pollux-{NIC},mapper0", out)
        self.assertEqual((self.kernel.driver(NIC), self.kernel.override(NIC)), ("pollux_udd_pci", "pollux_udd_pci"))
        self.done("restore")
        self.assertEqual((self.kernel.driver(NIC), self.kernel.override(NIC)), ("e1000e", "(null)"))

    def test_status(self):
        self.done("bind", NIC, "--driver", "pollux_udd_pci")
        lines = self.done("status").splitlines()
        ours, theirs = (next(line for line in lines if line.startswith(bdf)) for bdf in (NIC, OTHER))
        self.assertIn("drv=pollux_udd_pci", ours)
        self.assertLess(lines.index(ours), lines.index("Network devices using kernel driver"))
        self.assertIn("unused=pollux_udd_pci", theirs)
        device = json.loads(self.done("status", "--json"))["devices"][0]
        self.assertEqual((device["section"], len(device["nodes"])), ("userspace", 3))

    def test_dry_run(self):
        script = self.done("bind", NIC, "--driver", "pollux_udd_pci", "--uid", "5", "--dry-run")
        self.assertIn(f"chown 5 /dev/rtdm/pollux-{NIC} /dev/rtdm/pollux-{NIC},mapper*", script)
        self.assertIn("modprobe pollux_udd_pci", script)

    def test_module_is_missing(self):
        del self.kernel.loadable["pollux_udd_pci"]
        self.refused("bind", NIC, "--driver", "pollux_udd_pci", parts=("samples/xenomai/pollux_udd_pci", "Xenomai 3"))

    def test_shared_line(self):
        self.kernel.refuse = {("pollux_udd_pci", NIC): errno.EBUSY}
        self.refused("bind", NIC, "--driver", "pollux_udd_pci", parts=("interrupt line is shared", "irq=msi"))
        self.assertEqual(self.kernel.driver(NIC), "e1000e")

    def test_in_use(self):
        self.done("bind", NIC, "--driver", "pollux_udd_pci")
        self.kernel.add_process(12, "cyclic", f"/dev/rtdm/pollux-{NIC},mapper0")
        self.refused("unbind", NIC, parts=("process 12 (cyclic)",))

    def test_behind_an_iommu(self):
        self.done("bind", NIC, "--driver", "pollux_udd_pci")
        self.assertIn("UDD cannot do DMA", self.err)
        self.kernel.put("/sys/kernel/iommu_groups/4/type", "identity")
        self.done("bind", NIC, "--driver", "pollux_udd_pci")
        self.assertNotIn("DMA", self.err)


class Owner(Case):
    def test_user_and_group(self):
        self.done("bind", NIC, "--driver", "vfio-pci", "--uid", "root", "--gid", "77")
        self.assertEqual(self.kernel.owners, {"/dev/vfio/4": (0, 77)})
        self.assertIn("memlock", self.err)
        self.assertIn("limits.d", self.err)

    def test_of_a_device_bound_before(self):
        self.done("bind", NIC, "--driver", "vfio-pci")
        self.done("bind", NIC, "--driver", "vfio-pci", "--gid", "77")
        self.assertEqual(self.kernel.owners, {"/dev/vfio/4": (-1, 77)})

    def test_cdev_node(self):
        self.kernel.put("/dev/vfio/devices/vfio0", "")
        self.done("bind", NIC, "--driver", "vfio-pci", "--uid", "5")
        self.assertEqual(set(self.kernel.owners), {"/dev/vfio/4", "/dev/vfio/devices/vfio0"})

    def test_uio(self):
        self.done("bind", NIC, "--driver", "uio_pci_generic", "--uid", "5")
        self.assertEqual(set(self.kernel.owners), {"/dev/uio0"})
        self.assertIn("interrupts only", self.err)

    def test_udd(self):
        self.kernel.loadable["pollux_udd_pci"] = ()
        self.done("bind", NIC, "--driver", "pollux_udd_pci", "--gid", "5")
        node = f"/dev/rtdm/pollux-{NIC}"
        self.assertEqual(set(self.kernel.owners), {node, f"{node},mapper0", f"{node},mapper3"})
        self.assertIn("xenomai.allowed_group", self.err)

    def test_chown_fails(self):
        self.kernel.chown_fails = True
        self.refused("bind", NIC, "--driver", "vfio-pci", "--uid", "5", parts=("/dev/vfio/4", "not permitted"))
        self.assertFalse(self.kernel.exists(steps.state_file(NIC)))

    def test_chown_of_the_second_node_fails(self):
        self.done("bind", NIC, "--driver", "vfio-pci", "--gid", "77")
        self.kernel.put("/dev/vfio/devices/vfio0", "")
        self.kernel.chown_fails = "/dev/vfio/devices/vfio0"
        self.refused("bind", NIC, "--driver", "vfio-pci", "--uid", "5", parts=("/dev/vfio/devices/vfio0",))
        self.assertEqual(self.kernel.owners["/dev/vfio/4"], (-1, 77))


class AllOrNothing(Case):
    COMMAND = ("bind", NIC, OTHER, "--driver", "vfio-pci", "--uid", "5")

    def each_write_fails(self, failure, status):
        """The first, the second, ... until the command gets through. Returns how many failed."""
        for number in range(1, 50):
            kernel = self.kernel = self.new_kernel()
            kernel.fail_at, kernel.failure = number, failure
            ended = self.run_tool(*self.COMMAND)
            if ended == 0:
                return number - 1
            with self.subTest(write=number, of=kernel.writes):
                self.assertEqual(ended, status)
                self.assertEqual(self.drivers(), ("e1000e", "e1000e"))
                self.assertEqual([kernel.override(b) for b in (NIC, OTHER)], ["(null)", "(null)"])
                self.assertEqual([n for n in kernel.names_in(steps.STATE) if n != "lock"], [])
                self.assertEqual(len(self.err.splitlines()), 1, self.err)
        self.fail("never got through")

    def test_each_write_fails(self):
        for code in (errno.EIO, errno.EBUSY, errno.EPERM, errno.ENODEV):
            self.assertEqual(self.each_write_fails(OSError(code, "injected"), 1), 6)

    def test_interrupted_at_each_write(self):
        self.assertEqual(self.each_write_fails(Interrupted(signal.SIGTERM, "SIGTERM"), 143), 6)
        self.kernel.fail_at = len(self.kernel.writes) + 1
        self.assertEqual(self.run_tool("restore"), 143)
        self.assertEqual(self.drivers(), ("vfio-pci", "vfio-pci"))

    def test_interrupted_by_a_real_signal(self):
        self.catch_interrupts()
        self.kernel.modprobe = lambda module: os.kill(os.getpid(), signal.SIGTERM)
        self.assertEqual(self.run_tool("bind", NIC, "--driver", "vfio-pci"), 143)
        self.assertIs(signal.getsignal(signal.SIGINT), signal.SIG_IGN, "a second one does not disturb the undoing")
        self.assertEqual(self.drivers(), ("e1000e", "e1000e"))

    def test_a_signal_after_the_last_step_is_too_late(self):
        self.catch_interrupts()
        self.kernel.settle = lambda: None
        report, devbind.report = devbind.report, lambda *_: os.kill(os.getpid(), signal.SIGTERM)
        self.addCleanup(setattr, devbind, "report", report)
        self.assertEqual(self.run_tool("bind", NIC, "--driver", "vfio-pci"), 0)
        self.assertEqual(self.kernel.driver(NIC), "vfio-pci")

    def test_a_signal_that_was_ignored_stays_so(self):
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        self.catch_interrupts()
        self.assertIs(signal.getsignal(signal.SIGHUP), signal.SIG_IGN)

    def catch_interrupts(self):
        for number in devbind.INTERRUPTS:
            self.addCleanup(signal.signal, number, signal.SIG_DFL if number != signal.SIGINT else
                            signal.default_int_handler)
        devbind.catch_interrupts()

    def test_former_driver_back_though_an_override_stood_there(self):
        self.kernel.put(f"{PCI}/devices/{NIC}/driver_override", "uio_pci_generic")
        self.kernel.refuse = {("vfio-pci", NIC): errno.EIO}
        self.assertEqual(self.run_tool("bind", NIC, "--driver", "vfio-pci"), 1)
        self.assertEqual(self.kernel.driver(NIC), "e1000e")
        self.assertEqual(self.kernel.override(NIC), "uio_pci_generic")

    def test_what_cannot_be_undone_is_said_and_remembered(self):
        self.kernel.refuse = {("vfio-pci", NIC): errno.EIO, ("e1000e", NIC): errno.ENOMEM}
        self.assertEqual(self.run_tool("bind", NIC, OTHER, "--driver", "vfio-pci"), 1)
        self.assertIn("not undone", self.err)
        self.assertIn(os.strerror(errno.ENOMEM), self.err)
        self.assertEqual(self.drivers(), (None, "e1000e"))
        self.kernel.refuse = {}
        self.done("restore")
        self.assertEqual(self.drivers(), ("e1000e", "e1000e"))

    def test_killed_after_each_write_and_restored(self):
        """What no handler sees: nothing is undone, and restore mends it."""
        for number in range(1, 4):
            kernel = self.kernel = self.new_kernel()
            kernel.fail_at, kernel.failure = number, OSError(errno.EIO, "killed")
            undo, steps.undo = steps.undo, lambda machine, begun: []
            try:
                self.run_tool("bind", NIC, "--driver", "vfio-pci")
            finally:
                steps.undo = undo
            with self.subTest(write=number):
                self.done("restore")
                self.assertEqual(self.kernel.driver(NIC), "e1000e")
                self.assertEqual(self.kernel.override(NIC), "(null)")

    def test_unplugged_between_unbind_and_bind(self):
        write = self.kernel.write

        def unplug_then_write(name, text):
            if name.endswith("driver_override"):
                self.kernel.unplug(NIC)
            write(name, text)
        self.kernel.write = unplug_then_write
        self.assertEqual(self.run_tool("bind", NIC, "--driver", "vfio-pci"), 1)
        self.assertIn("gone", self.err)

    def test_state_cannot_be_saved(self):
        self.kernel.file("/run/pollux").mkdir(parents=True)
        self.kernel.file("/run/pollux/devbind").write_text("a file")
        self.refused("bind", NIC, "--driver", "vfio-pci", parts=("/run",))


class DryRun(Case):
    def test_prints_the_commands_and_changes_nothing(self):
        self.kernel.root_user = False
        out = self.done("bind", NIC, "--driver", "vfio-pci", "--uid", "1000", "--dry-run")
        self.assertEqual(out.splitlines()[:4], [
            "modprobe vfio-pci", f"echo {NIC} > {PCI}/drivers/e1000e/unbind",
            f"echo vfio-pci > {PCI}/devices/{NIC}/driver_override", f"echo {NIC} > {PCI}/drivers/vfio-pci/bind"])
        self.assertIn("chown 1000", out)
        self.assertEqual(self.kernel.writes, [])
        self.assertEqual(self.kernel.loaded, [])
        self.assertFalse(self.kernel.exists(steps.STATE))

    def test_is_shell(self):
        for command in (("bind", NIC, "--driver", "vfio-pci", "--uid", "0"), ("unbind", NIC), ("restore", NIC),
                        ("bind", NIC, "--driver", "uio_pci_generic", "--gid", "0")):
            script = self.done(*command, "--dry-run")
            self.assertEqual(subprocess.run(["sh", "-n"], input=script, text=True, check=False).returncode, 0, script)

    def test_refuses_what_the_command_would_refuse(self):
        self.kernel.add_route("eth4")
        self.refused("bind", NIC, "--driver", "vfio-pci", "--dry-run", parts=("default route",))

    def test_nothing_to_do(self):
        self.assertIn("nothing to do", self.done("restore", NIC, "--dry-run"))

    def test_json(self):
        result = json.loads(self.done("unbind", NIC, "--dry-run", "--json"))
        self.assertEqual(result["commands"], [f"echo {NIC} > {PCI}/drivers/e1000e/unbind"])


class Status(Case):
    def setUp(self):
        super().setUp()
        self.kernel.put("/usr/share/misc/pci.ids", "# names\n8086  Intel Corporation\n\t10d3  82574L Gigabit\n"
                        "\t\t8086 a01f  Adapter\nC 02  Network controller\n\t00  Ethernet controller")
        self.kernel.put(f"/lib/modules/{RELEASE}/modules.alias", "# comment\n"
                        "alias pci:v00008086d000010D3sv*sd*bc*sc*i* e1000e\nalias pci:v000010ECd*sv*sd*bc*sc*i* r8169")
        self.kernel.add_route("eth5")
        self.done("bind", NIC, "--driver", "vfio-pci")

    def test_by_driver_as_users_of_dpdk_know_it(self):
        self.kernel.add_device("0000:00:07.0", device_id="10ec:8168")
        out = self.done().splitlines()
        self.assertEqual(out[0], "Network devices using Pollux/DPDK-compatible driver")
        self.assertEqual(out[1], "=" * len(out[0]))
        self.assertEqual(out[2], f"{NIC} '82574L Gigabit 10d3' drv=vfio-pci unused=e1000e group=4")
        self.assertIn("Network devices using kernel driver", out)
        self.assertIn(f"{OTHER} '82574L Gigabit 10d3' if=eth5(down) drv=e1000e unused=vfio-pci group=5 *Active*", out)
        self.assertIn("    eth5 has the default route", out)
        self.assertIn("Other network devices", out)
        self.assertIn("0000:00:07.0 'device 10ec:8168 8168' unused=r8169,vfio-pci", out)

    def test_group_members_numa_and_processes(self):
        self.kernel.put(f"{PCI}/devices/{NIC}/numa_node", "1")
        self.kernel.add_device("0000:00:06.0", group=4, driver="e1000e")
        self.kernel.add_process(12, "testpmd", "/dev/vfio/4")
        out = self.done("status", NIC)
        self.assertIn("numa_node=1", out)
        self.assertIn("shares its IOMMU group with 0000:00:06.0 (e1000e, keeps VFIO out)", out)
        self.assertIn("open in process 12 (testpmd)", out)
        self.assertIn("*Active*", out)

    def test_json(self):
        devices = {d["bdf"]: d for d in json.loads(self.done("--json"))["devices"]}
        self.assertEqual(devices[NIC]["section"], "userspace")
        self.assertEqual(devices[NIC]["nodes"], ["/dev/vfio/4"])
        self.assertEqual(devices[NIC]["remembered"]["driver"], "e1000e")
        self.assertEqual(devices[OTHER]["interfaces"], [{"name": "eth5", "up": False, "uses": ["the default route"]}])
        self.assertTrue(devices[OTHER]["active"])

    def test_empty_machine(self):
        empty = FakeKernel()
        self.addCleanup(empty.close)
        self.assertEqual(self.run_tool("status", kernel=empty), 0)
        self.assertIn("<none>", self.out)

    def test_compressed_or_missing_names_do_no_harm(self):
        self.kernel.file("/usr/share/misc/pci.ids").write_bytes(b"\x1f\x8b\xff\x00 not text")
        self.assertIn("device 8086:10d3", self.done())


class Nonsense(Case):
    def test_each_file_absent_or_nonsense(self):
        """Whatever one file says: a status, and a dry run or its one line of error."""
        self.kernel.add_route("eth4")
        self.kernel.put("/proc/net/if_inet6", "fd000000000000000000000000000001 02 40 00 80 eth5")
        self.kernel.add_process(12, "testpmd", "/dev/vfio/4")
        self.done("bind", NIC, "--driver", "vfio-pci", "--force")
        everything = list(pathlib.Path(self.kernel.folder).rglob("*"))
        for path in [path for path in everything if path.is_file() and not path.is_symlink()]:
            content = path.read_bytes()
            for nonsense in (b"", b"-1\n", b"\xff\xfe\x00", b"99999999999999999999\n", b"a b c d e f\n" * 2, None):
                path.unlink() if nonsense is None else path.write_bytes(nonsense)
                with self.subTest(file=path, nonsense=nonsense):
                    self.assertEqual(self.run_tool("status"), 0)
                    self.assertIn(self.run_tool("restore", "--dry-run"), (0, 1))
                    self.assertLessEqual(len(self.err.splitlines()), 1)
                path.write_bytes(content)


class Program(unittest.TestCase):
    """The installed file itself, as a process."""

    def test_status_of_a_root_without_pci(self):
        for options, environment in ((["status", "--root", "/nonexistent"], {}),
                                     ([], {"POLLUX_SYSFS_ROOT": "/nonexistent"})):
            result = subprocess.run([sys.executable, TOOL, *options], env=dict(os.environ, **environment),
                                    capture_output=True, text=True, check=False)
            self.assertEqual((result.returncode, result.stderr), (0, ""))

    def test_below_another_root_no_module_is_loaded(self):
        kernel = FakeKernel()
        self.addCleanup(kernel.close)
        kernel.add_device(NIC, group=4)
        result = subprocess.run([sys.executable, TOOL, "bind", NIC, "--driver", "vfio-pci", "--root", kernel.folder],
                                capture_output=True, text=True, check=False)
        self.assertEqual(result.returncode, 1)
        self.assertIn("no module is loaded below", result.stderr)

    def test_help_has_every_command_and_exit_status(self):
        result = subprocess.run([sys.executable, TOOL, "--help"], capture_output=True, text=True, check=True)
        for part in ("status", "bind", "unbind", "restore", "exit status", "driver_override"):
            self.assertIn(part, result.stdout)


if __name__ == "__main__":
    unittest.main()

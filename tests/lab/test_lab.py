#!/usr/bin/env python3
"""Tests of the lab itself. POLLUX_LAB_FAST=1 leaves out those that start virtual machines, POLLUX_LAB_FULL=1 adds those on
the lab's own kernel."""

import contextlib
import glob
import hashlib
import io
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from unittest import mock

HERE = os.path.dirname(os.path.abspath(__file__))
LAB = os.path.join(HERE, "lab")
FAST = os.environ.get("POLLUX_LAB_FAST") == "1"
FULL = os.environ.get("POLLUX_LAB_FULL") == "1"
sys.path.insert(0, HERE)

from pollux_lab import cache, cpio, kernel, kernel_build, mirror, module_build, qemu, recipe, settings, spec  # noqa: E402
from pollux_lab.say import LabError, UsageError  # noqa: E402


class CommandLine(unittest.TestCase):
    """A wrong command line is one clear line and status 2, before anything is started."""

    def refused(self, *arguments):
        result = subprocess.run([LAB, *arguments], capture_output=True, text=True, timeout=20, check=False)
        self.assertEqual(result.returncode, 2, result.stderr)
        self.assertEqual(result.stdout, "")
        lines = result.stderr.splitlines()
        self.assertTrue(lines[0].startswith("lab: error: "), result.stderr)
        self.assertLessEqual(len(lines), 2, "the error and at most a hint")
        return lines[0]

    def test_unknown_nic_model(self):
        self.assertIn("no model 'rtl8139'", self.refused("run", "--nic", "rtl8139", "--", "true"))

    def test_malformed_nic(self):
        self.assertIn("'mac' is not key=value", self.refused("run", "--nic", "e1000,mac", "--", "true"))
        self.assertIn("not a MAC address", self.refused("run", "--nic", "e1000,mac=12:34", "--", "true"))

    def test_wire_to_a_nic_that_is_not_there(self):
        self.assertIn("there is no NIC 1", self.refused("run", "--nic", "e1000", "--wire", "0-1", "--", "true"))

    def test_wire_from_a_nic_to_itself(self):
        self.assertIn("two ends", self.refused("run", "--nic", "e1000", "--wire", "0-0", "--", "true"))

    def test_nic_on_two_wires(self):
        nics = ["--nic", "e1000"] * 3
        self.assertIn("hangs on wire 0-1", self.refused("run", *nics, "--wire", "0-1", "--wire", "1-2", "--", "true"))

    def test_malformed_wire(self):
        self.assertIn("is not A-B", self.refused("run", "--nic", "e1000", "--wire", "0", "--", "true"))
        self.assertIn("no backend 'string'", self.refused("run", "--wire", "0-1,backend=string", "--", "true"))

    def test_malformed_served_nic(self):
        self.assertIn("no socket", self.refused("run", "--nic", "vfio-user", "--", "true"))
        self.assertIn("its server gives it its mac",
                      self.refused("run", "--nic", "vfio-user,socket=/s,mac=52:54:00:aa:bb:cc", "--", "true"))
        self.assertIn("NIC 1 is served by another process",
                      self.refused("run", "--nic", "e1000", "--nic", "vfio-user,socket=/s", "--wire", "0-1", "--", "true"))

    def test_pcap_without_a_wire(self):
        self.assertIn("no --wire before it", self.refused("run", "--pcap", "x.pcap", "--", "true"))

    def test_program_is_missing(self):
        self.assertIn("PROGRAM is missing", self.refused("run", "--nic", "e1000"))
        self.assertIn("PROGRAM is missing", self.refused("run", "--"))

    def test_other_mistakes(self):
        self.assertIn("is not NAME=VALUE", self.refused("run", "--env", "X", "--", "true"))
        self.assertIn("is not a directory", self.refused("run", "--rw", "/nonexistent", "--", "true"))
        self.assertIn("positive number", self.refused("run", "--cpus", "0", "--", "true"))
        self.assertIn("cannot be shared evenly", self.refused("run", "--cpus", "3", "--numa", "2", "--", "true"))
        self.assertIn("takes no PROGRAM", self.refused("shell", "--", "true"))
        self.assertIn("takes no PROGRAM", self.refused("kernel", "--", "true"))
        self.assertIn("invalid choice: 'e1000e'", self.refused("module", "e1000e"))
        self.assertIn("is not one of Debian's", self.refused("run", "--with-module", "igb_uio", "--kernel", "lab", "--", "true"))
        self.assertIn("COMMAND", self.refused())

    def test_help_has_examples(self):
        for command in ([], ["run"], ["shell"]):
            shown = subprocess.run([LAB, *command, "--help"], capture_output=True, text=True, timeout=20, check=True)
            self.assertIn("examples:", shown.stdout)


class Mirror(unittest.TestCase):
    def chosen(self, text, reader=mirror.read_one_line_format):
        return mirror.choose_mirror(reader(text), "bookworm")

    def test_one_line_format(self):
        self.assertEqual(self.chosen(
            "# deb http://commented.example.org/debian bookworm main\n"
            "deb-src http://source.example.org/debian bookworm main\n"
            "deb [arch=amd64 signed-by=/k.gpg] https://mirror.example.org/debian/ bookworm main contrib # near\n"
            "deb http://security.example.org/debian-security bookworm-security main\n"), "https://mirror.example.org/debian")

    def test_deb822_format(self):
        self.assertEqual(self.chosen(
            "Types: deb\nURIs: http://security.example.org/debian-security\nSuites: bookworm-security\nComponents: main\n\n"
            "# a comment\nTypes: deb deb-src\nURIs:\n http://mirror.example.org/debian\nSuites: bookworm\n bookworm-updates\n"
            "Components: main\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n",
            mirror.read_deb822_format), "http://mirror.example.org/debian")

    def test_third_party_archive_with_the_same_suite(self):
        self.assertEqual(self.chosen(
            "deb http://tools.example.org/apt bookworm main\n"
            "deb http://mirror.example.org/debian bookworm main\n"
            "deb http://mirror.example.org/debian bookworm-updates main\n"), "http://mirror.example.org/debian")

    def test_disabled_and_unusable_entries(self):
        self.assertIsNone(self.chosen(
            "Types: deb\nEnabled: no\nURIs: http://mirror.example.org/debian\nSuites: bookworm\nComponents: main\n",
            mirror.read_deb822_format))
        self.assertIsNone(self.chosen("deb cdrom:[disc]/ bookworm main\ndeb http://tools.example.org/apt nodistro main\n"))

    def test_override(self):
        self.addCleanup(os.environ.pop, "POLLUX_LAB_MIRROR", None)
        os.environ["POLLUX_LAB_MIRROR"] = "http://mine.example.org/debian/"
        self.assertEqual(mirror.mirror(), "http://mine.example.org/debian")

    def test_proxies(self):
        lines = mirror.proxy_settings('Acquire::http::Proxy "http://proxy.example.org:3128";\nAcquire::https::Proxy "DIRECT";\n'
                                      'Acquire::http::Proxy::local.example.org "DIRECT";\nAcquire::ftp::Proxy "";\nAPT::Sandbox "x";\n')
        self.assertEqual(len(lines), 3)
        wanted = {"http_proxy": "http://proxy.example.org:3128"}
        self.assertEqual(mirror.proxy_environment(lines), {k: v for k, v in wanted.items() if k not in os.environ})


class NoHostIsNamed(unittest.TestCase):
    def test_sources_name_no_package_host(self):
        package = os.path.join(HERE, "pollux_lab")
        for path in (LAB, __file__, *glob.glob(f"{package}/*.py"), *glob.glob(f"{package}/guest/*")):
            with open(path, encoding="utf-8") as file:
                hosts = re.findall(r"https?://([\w.-]+)", file.read())
            self.assertEqual([host for host in hosts if not host.endswith("example.org")], [], path)


class Kernels(unittest.TestCase):
    DEP = ("kernel/fs/9p/9p.ko.xz: kernel/net/9p/9pnet.ko.xz kernel/fs/netfs/netfs.ko.xz\n"
           "kernel/net/9p/9pnet.ko.xz:\n"
           "kernel/net/9p/9pnet_virtio.ko.xz: kernel/net/9p/9pnet.ko.xz\n"
           "kernel/fs/netfs/netfs.ko.xz:\n"
           "kernel/drivers/vfio-pci.ko.xz: kernel/drivers/vfio-pci-core.ko.xz kernel/drivers/vfio.ko.xz\n"
           "kernel/drivers/vfio-pci-core.ko.xz: kernel/drivers/vfio.ko.xz\n"
           "kernel/drivers/vfio.ko.xz:\n")

    def order(self, *wanted):
        return [kernel.module_name(path) for path in kernel.load_order(self.DEP, "kernel/drivers/virtio/virtio_pci.ko\n", wanted)]

    def test_dependencies_come_first_and_once(self):
        self.assertEqual(self.order("9pnet_virtio", "9p"), ["9pnet", "9pnet_virtio", "netfs", "9p"])

    def test_dependencies_that_depend_on_each_other(self):
        self.assertEqual(self.order("vfio_pci"), ["vfio", "vfio_pci_core", "vfio_pci"])

    def test_built_in_needs_no_file(self):
        self.assertEqual(self.order("virtio_pci"), [])

    def test_missing_module(self):
        with self.assertRaisesRegex(LabError, "no module overlay"):
            self.order("overlay")

    def test_versions_are_compared_as_numbers(self):
        self.assertLess(kernel.version_key("6.9.1-amd64"), kernel.version_key("6.12.0-amd64"))

    def test_release_in_the_image(self):
        image = bytearray(0x400)
        image[0x202:0x206] = b"HdrS"
        image[0x20E:0x210] = struct.pack("<H", 0x100)
        image[0x300:0x320] = b"6.1.2-mine (me@here) #1".ljust(32, b"\0")
        with tempfile.NamedTemporaryFile() as file:
            file.write(image)
            file.flush()
            self.assertEqual(kernel.release_of(file.name), "6.1.2-mine")
            found = kernel.from_path(file.name, None)
            self.assertEqual((found.release, kernel.early_modules(found)), ("6.1.2-mine", []))

    def test_not_an_image(self):
        with self.assertRaisesRegex(UsageError, "not a bzImage"):
            kernel.release_of(LAB)
        with self.assertRaisesRegex(UsageError, "No such file"):
            kernel.release_of("/nonexistent/bzImage")


class OwnKernel(unittest.TestCase):
    """The recipe of the lab's own kernel; nothing is compiled."""

    def test_lines_the_source_refuses(self):
        wanted = "# A comment.\nCONFIG_A=y\nCONFIG_B=m\n# CONFIG_C is not set\n# CONFIG_D is not set\n# CONFIG_E is not set\n"
        config = "CONFIG_A=y\nCONFIG_B=y\n# CONFIG_C is not set\nCONFIG_D=y\n"
        self.assertEqual(kernel_build.refused_lines(wanted, config), ["CONFIG_B=m", "# CONFIG_D is not set"])

    def test_newest_source(self):
        rows = [f"linux-source | {version} | http://mirror.example.org/debian trixie/main amd64 Packages\n"
                for version in ("6.12.107-1", "7.10.4-1~bpo13+1", "7.9.12-1~bpo13+1")]
        self.assertEqual(kernel_build.newest_source(rows), ("linux-source-7.10", "7.10.4-1~bpo13+1"))
        self.assertEqual(kernel_build.newest_source(rows[:1]), ("linux-source-6.12", "6.12.107-1"))
        with self.assertRaisesRegex(LabError, "no linux-source"):
            kernel_build.newest_source([])

    def test_settings_and_source_name_the_kernel_and_comments_do_not(self):
        with open(recipe.KERNEL_CONFIG, encoding="utf-8") as file:
            text = file.read()
        before = recipe.kernel_digest("7.3.4")
        self.assertNotEqual(recipe.kernel_digest("7.3.5"), before)
        for added, same in (("# A remark.\n", True), ("CONFIG_KCOV=y\n", False)):
            with tempfile.NamedTemporaryFile("w", encoding="utf-8") as file, mock.patch.object(recipe, "KERNEL_CONFIG", file.name):
                file.write(text + added)
                file.flush()
                self.assertEqual(recipe.kernel_digest("7.3.4") == before, same, added)

    def test_each_setting_is_named_once(self):
        with open(recipe.KERNEL_CONFIG, encoding="utf-8") as file:
            names = re.findall(r"^(?:# )?(CONFIG_\w+)[= ]", file.read(), re.MULTILINE)
        self.assertEqual(len(names), len(set(names)))

    def test_image_and_modules_are_found(self):
        with tempfile.TemporaryDirectory() as directory:
            image = bytearray(0x400)
            image[0x202:0x206] = b"HdrS"
            image[0x20E:0x210] = struct.pack("<H", 0x100)
            image[0x300:0x308] = b"7.3-lab "
            modules = f"{directory}/lib/modules/7.3-lab"
            os.makedirs(modules)
            for path, content in ((f"{directory}/{kernel.OWN_IMAGE}", image), (f"{modules}/modules.dep", b"")):
                with open(path, "wb") as file:
                    file.write(content)
            found = kernel.choose("/nonexistent", kernel.OWN, None, directory)
            self.assertEqual((found.release, found.modules), ("7.3-lab", modules))


class Builds(unittest.TestCase):
    """How the cache builds: one at a time, all or nothing."""

    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="labtest-")
        self.addCleanup(directory.cleanup)
        self.cache = directory.name
        for patch in (mock.patch.dict(os.environ, POLLUX_LAB_CACHE=self.cache), contextlib.redirect_stderr(io.StringIO())):
            patch.__enter__()
            self.addCleanup(patch.__exit__, None, None, None)

    def build(self, name, make):
        """A build that calls `make(directory)`."""
        class Builder:
            def __init__(self, directory, _log):
                self.directory = directory

            def build(self):
                os.mkdir(self.directory)
                make(self.directory)

        cache.build(os.path.join(self.cache, name), "building-kernel", "quick", Builder)

    def names(self):
        return sorted(name for name in os.listdir(self.cache) if not name.endswith((".lock", ".log")))

    def test_build_replaces_its_predecessors(self):
        os.mkdir(f"{self.cache}/root-1")
        self.build("kernel-1", lambda directory: None)
        self.build("kernel-2", lambda directory: None)
        self.assertEqual(self.names(), ["kernel-2", "root-1"])

    def test_predecessor_in_use_stays(self):
        self.build("kernel-1", lambda directory: None)
        with cache.in_use(f"{self.cache}/kernel-1"):
            self.build("kernel-2", lambda directory: None)
        self.assertEqual(self.names(), ["kernel-1", "kernel-2"])

    def test_failed_build_leaves_nothing(self):
        def fail(_directory):
            raise LabError("no compiler")

        with self.assertRaises(LabError):
            self.build("kernel-1", fail)
        self.assertEqual(self.names(), [])

    def test_killed_build_is_no_kernel_and_in_nobodys_way(self):
        os.makedirs(f"{self.cache}/building-kernel/half")
        self.assertEqual(cache.built("kernel"), [])
        self.build("kernel-1", lambda directory: self.assertEqual(os.listdir(directory), []))
        self.assertEqual(self.names(), ["kernel-1"])

    def test_second_builder_waits_and_takes_what_the_first_has_built(self):
        begun, go, built = threading.Event(), threading.Event(), []

        def slow(_root, directory, _log):
            def build():
                os.mkdir(directory)
                built.append(directory)
                begun.set()
                go.wait(20)
            return mock.Mock(build=build)

        with mock.patch.object(cache, "kernel_path", lambda root: f"{self.cache}/kernel-1"), \
                mock.patch.multiple(kernel_build, KernelBuilder=slow, check_host=lambda directory: None):
            first = threading.Thread(target=cache.ensure_kernel, args=("root",))
            second = threading.Thread(target=cache.ensure_kernel, args=("root",))
            first.start()
            self.assertTrue(begun.wait(20))
            second.start()
            second.join(0.2)
            self.assertTrue(second.is_alive(), "waits")
            go.set()
            for thread in (first, second):
                thread.join(20)
        self.assertEqual((len(built), self.names()), (1, ["kernel-1"]))

    def test_modules_of_the_kernels_there_are_stay(self):
        """The root's kernels are now 6.12.2 and 7.1; before it was 6.12.1."""
        built = []

        def builder(_root, _name, release, directory, _log):
            return mock.Mock(build=lambda: (os.mkdir(directory), built.append(release)))

        name = next(iter(recipe.MODULES))
        old = os.path.basename(cache.module_path(name, "6.12.1"))
        os.mkdir(f"{self.cache}/{old}")
        kernels = [kernel.Kernel("image", release, None) for release in ("6.12.2", "7.1")]
        with mock.patch.object(kernel, "installed", lambda root: kernels), \
                mock.patch.multiple(module_build, ModuleBuilder=builder, check_host=lambda directory: None):
            for release in ("7.1", "6.12.2", "7.1"):
                cache.ensure_module("root", name, release)
        self.assertEqual(built, ["7.1", "6.12.2"])
        self.assertEqual(self.names(), sorted(os.path.basename(cache.module_path(name, of.release)) for of in kernels))

    def test_clean_removes_kernels_and_modules_too(self):
        self.build("kernel-1", lambda directory: None)
        self.build("module-1", lambda directory: None)
        os.mkdir(f"{self.cache}/building-kernel")
        cache.clean()
        self.assertEqual(self.names(), [])

    @unittest.skipIf(os.geteuid() != 0, "needs root, as builds do")
    def test_killed_lab_takes_the_running_command_with_it(self):
        marker = f"{self.cache}/alive"
        script = (f"import sys; sys.path.insert(0, {HERE!r}); from pollux_lab import commands; "
                  f"commands.Commands('/', sys.stderr).command(['sh', '-c', 'while echo >> {marker}; do sleep 0.1; done'])")
        with subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.DEVNULL) as builder:
            end = time.monotonic() + 20
            while not os.path.exists(marker) and time.monotonic() < end:
                time.sleep(0.05)
            builder.kill()
        time.sleep(0.5)
        size = os.path.getsize(marker)
        time.sleep(0.5)
        self.assertEqual(os.path.getsize(marker), size)


class Composition(unittest.TestCase):
    def network(self, nics, wires):
        nics = [spec.Nic(text, index) for index, text in enumerate(nics)]
        wires = [spec.Wire(text, index) for index, text in enumerate(wires)]
        spec.check(nics, wires)
        return " ".join(qemu.network(nics, wires, "/d"))

    def test_slots_macs_and_no_option_rom(self):
        line = self.network(["igb", "e1000,mac=52:54:00:aa:bb:cc,init-vet=on"], [])
        self.assertIn("igb,id=nic0,netdev=net0,mac=52:54:00:00:00:00,romfile=,addr=0x4", line)
        self.assertIn("e1000,id=nic1,netdev=net1,mac=52:54:00:aa:bb:cc,romfile=,addr=0x6,init-vet=on", line)

    def test_unwired_nics_are_alone(self):
        line = self.network(["e1000"] * 4, ["1-3,backend=hub"])
        self.assertEqual(sorted(re.findall(r"id=(net\d),hubid=(\d)", line)), [("net0", "1"), ("net1", "0"), ("net2", "3"), ("net3", "0")])

    def test_dgram_wire_is_two_mirrored_sockets(self):
        line = self.network(["e1000"] * 2, ["0-1"])
        for here, there in ((0, 1), (1, 0)):
            self.assertIn(f"id=net{here},local.type=unix,local.path=/d/net{here},remote.type=unix,remote.path=/d/net{there}", line)

    def test_archive_is_what_cpio_reads(self):
        archive = cpio.Archive()
        archive.directory("a")
        archive.file("a/b", b"hello", 0o755)
        with tempfile.TemporaryDirectory() as directory:
            subprocess.run(["cpio", "-i", "--quiet"], input=archive.bytes(), cwd=directory, check=True)
            with open(f"{directory}/a/b", "rb") as file:
                self.assertEqual(file.read(), b"hello")
            self.assertTrue(os.access(f"{directory}/a/b", os.X_OK))

    def test_recipe_changes_name_the_root_anew(self):
        before = recipe.digest()
        recipe.PACKAGES.append("hello")
        self.addCleanup(recipe.PACKAGES.remove, "hello")
        self.assertNotEqual(before, recipe.digest())

    def test_numa_nodes_share_evenly(self):
        self.assertEqual(qemu.memory(1, 2, 2048, False), [])
        self.assertEqual(qemu.memory(2, 4, 2048, False)[4:], ["-object", "memory-backend-ram,id=node1,size=1024M",
                                                              "-numa", "node,nodeid=1,memdev=node1,cpus=2-3"])

    def test_memory_is_shared_with_those_who_serve_cards(self):
        self.assertEqual(qemu.memory(1, 2, 2048, True), ["-object", "memory-backend-memfd,share=on,id=ram,size=2048M",
                                                         "-machine", "memory-backend=ram"])
        self.assertIn("memory-backend-memfd,share=on,id=node1,size=1024M", qemu.memory(2, 4, 2048, True))

    def test_served_card(self):
        nic = spec.Nic("vfio-user,socket=a,driver=ixgbe,x-msg-timeout=1", 1)
        self.assertEqual((nic.driver, nic.place), ("ixgbe", "0000:00:06.0"))
        option, device = qemu.network([nic], [], "/d")
        self.assertEqual((option, json.loads(device)), ("-device", {
            "driver": "vfio-user-pci", "id": "nic1", "addr": "0x6", "x-msg-timeout": "1",
            "socket": {"type": "unix", "path": os.path.abspath("a")}}))
        plugged = json.loads(qemu.network([spec.Nic("vfio-user,socket=/a,hotplug=on", 0)], [], "/d")[-1])
        self.assertEqual(plugged["bus"], "port0")

    def test_rw_directories_become_absolute(self):
        self.assertEqual(settings.rw_mounts(["/a", "b"]), [("rw0", "/a"), ("rw1", os.path.abspath("b"))])


@unittest.skipIf(FAST, "POLLUX_LAB_FAST=1: no virtual machines")
class MachineTest(unittest.TestCase):
    """Each test boots a guest; afterwards nothing of it is left."""

    @classmethod
    def setUpClass(cls):
        cache.ensure_root()

    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="labtest-")
        self.addCleanup(directory.cleanup)
        self.directory = directory.name
        self.scratch = os.path.join(directory.name, "t")
        os.mkdir(self.scratch)
        self.addCleanup(self.nothing_is_left)

    def nothing_is_left(self):
        """No QEMU that names our temporary directory, and nothing in it."""
        self.assertEqual(os.listdir(self.scratch), [])
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/cmdline", "rb") as file:
                    self.assertNotIn(self.scratch.encode(), file.read())
            except (FileNotFoundError, ProcessLookupError):
                pass

    def command(self, options, program):
        return [LAB, "run", *options, "--", *program], {**os.environ, "TMPDIR": self.scratch}

    def lab(self, *program, options=(), text=True):
        command, environment = self.command(options, program)
        result = subprocess.run(command, env=environment, capture_output=True, timeout=300, check=False)
        if text:
            result.stdout = result.stdout.decode()
        result.stderr = result.stderr.decode()
        return result

    def script(self, script, options=()):
        """Runs a shell script that must succeed, returns what it printed."""
        result = self.lab("sh", "-euc", script, options=options)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        return result.stdout


class Machine(MachineTest):
    def test_exit_status_passes_through(self):
        for script, status in (("exit 0", 0), ("exit 7", 7), ("kill -SEGV $$", 128 + signal.SIGSEGV)):
            with self.subTest(script):
                self.assertEqual(self.lab("sh", "-c", script).returncode, status)

    def test_program_that_is_not_there(self):
        result = self.lab("no-such-program")
        self.assertEqual(result.returncode, 127)
        self.assertIn("no-such-program", result.stdout)

    def test_program_sees_the_host_and_its_arguments(self):
        result = self.lab("sh", "-c", 'pwd; printf "%s|" "$@"; echo "$X"; cat; cat "$0"', __file__, "a b", "'", "",
                          options=["--env", "X=it's $HOME"])
        self.assertEqual(result.returncode, 0, result.stderr)
        with open(__file__, encoding="utf-8") as file:
            self.assertEqual(result.stdout, f"{os.getcwd()}\na b|'||it's $HOME\n{file.read()}")

    def test_ten_megabytes_arrive_intact(self):
        result = self.lab("sh", "-c", "dd if=/dev/urandom bs=1M count=10 of=/tmp/data status=none; cat /tmp/data; sha256sum < /tmp/data",
                          text=False)
        size = 10 << 20
        self.assertEqual(len(result.stdout), size + 64 + len("  -\n"))
        self.assertEqual(result.stdout[size:size + 64].decode(), hashlib.sha256(result.stdout[:size]).hexdigest())

    def test_what_the_program_left_running_does_not_hold_the_lab(self):
        self.assertEqual(self.script("sleep 1000 & echo done"), "done\n")

    def test_timeout(self):
        result = self.lab("sleep", "1000", options=["--timeout", "25"])
        self.assertEqual(result.returncode, 124)
        self.assertIn("timeout: still running after 25 s", result.stderr)

    def test_panic_is_reported(self):
        result = self.lab("sh", "-c", "echo c > /proc/sysrq-trigger; sleep 100")
        self.assertEqual(result.returncode, 125)
        self.assertIn("the guest's kernel panicked", result.stderr)
        self.assertIn("sysrq triggered crash", result.stderr)

    def test_early_end_of_qemu_is_reported(self):
        result = self.lab("true", options=["--qemu", "-no-such-option"])
        self.assertEqual(result.returncode, 125)
        self.assertIn("-no-such-option: invalid option", result.stderr)

    def test_signal_ends_everything(self):
        command, environment = self.command([], ["sh", "-c", "echo started; sleep 1000"])
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as lab:
            self.assertEqual(lab.stdout.readline(), "started\n")
            lab.send_signal(signal.SIGINT)
            _, errors = lab.communicate(timeout=30)
        self.assertEqual(lab.returncode, 130)
        self.assertIn("interrupted (SIGINT)", errors)

    def test_killed_lab_takes_qemu_with_it(self):
        command, environment = self.command([], ["sh", "-c", "echo started; sleep 1000"])
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as lab:
            lab.stdout.readline()
            lab.kill()
        time.sleep(2)
        for name in os.listdir(self.scratch):  # nobody was left to remove it
            subprocess.run(["rm", "-r", os.path.join(self.scratch, name)], check=True)

    def test_both_kernels_boot(self):
        for wanted in ("6.12", "7"):
            with self.subTest(wanted):
                release = self.lab("sh", "-c", "uname -r; echo $POLLUX_LAB_KERNEL", options=["--kernel", wanted]).stdout.split()
                self.assertTrue(release[0].startswith(wanted + "."), release)
                self.assertEqual(release[0], release[1])

    def test_two_cards_on_one_wire(self):
        """Kernel drivers at both ends, each in a network namespace; the wire is recorded."""
        script = """
            ip netns add a; ip netns add b
            ip link set eth0 netns a; ip link set eth1 netns b
            ip -n a addr add 10.0.0.1/24 dev eth0; ip -n b addr add 10.0.0.2/24 dev eth1
            ip -n a link set eth0 up; ip -n b link set eth1 up
            ip netns exec a ping -c 3 -i 0.3 -W 20 10.0.0.2"""
        for backend in spec.BACKENDS:
            with self.subTest(backend):
                pcap = os.path.join(self.directory, f"{backend}.pcap")
                printed = self.script(script, ["--nic", "e1000e", "--nic", "e1000e", "--wire", f"0-1,backend={backend}", "--pcap", pcap])
                self.assertIn("3 received", printed)
                self.assertGreaterEqual(len([f for f in pcap_frames(pcap) if f[12:14] == b"\x08\x00" and f[23] == 1]), 6)

    def test_card_under_vfio(self):
        printed = self.script("""
            device=/sys/bus/pci/devices/$POLLUX_NIC0
            cat $device/vendor $device/device
            echo vfio-pci > $device/driver_override
            [ -e $device/driver ] && echo $POLLUX_NIC0 > $device/driver/unbind
            echo $POLLUX_NIC0 > /sys/bus/pci/drivers_probe
            group=$(basename $(readlink $device/iommu_group))
            test -c /dev/vfio/$group && echo bound
            grep -c . /proc/sys/vm/nr_hugepages; cat /proc/sys/vm/nr_hugepages""", ["--nic", "e1000e", "--hugepages", "64"])
        self.assertEqual(printed.split(), ["0x8086", "0x10d3", "bound", "1", "64"])

    def test_without_driver_and_iommu(self):
        printed = self.script("ls /sys/class/net; ls /sys/kernel/iommu_groups | wc -l",
                              ["--nic", "e1000", "--no-driver", "--no-iommu"])
        self.assertEqual(printed.split(), ["lo", "0"])

    def test_every_model_under_its_driver(self):
        models = {"e1000": "e1000", "e1000e": "e1000e", "igb": "igb", "virtio-net-pci": "virtio-pci"}
        printed = self.script("""
            for i in 0 1 2 3; do
                eval device=\\$POLLUX_NIC$i
                basename $(readlink /sys/bus/pci/devices/$device/driver)
            done
            echo $POLLUX_NICS""", [word for model in models for word in ("--nic", model)])
        self.assertEqual(printed.split(), [*models.values(), "4"])

    def test_numa_nodes(self):
        printed = self.script("cat /sys/devices/system/node/node?/cpulist; grep -h MemTotal /sys/devices/system/node/node?/meminfo",
                              ["--numa", "2", "--mem", "1024", "--hugepages", "0"])
        self.assertEqual(printed.split("\n")[:2], ["0", "1"])
        self.assertEqual([round(int(line.split()[3]) / (1 << 18)) for line in printed.splitlines()[2:]], [2, 2])

    def test_link_state(self):
        printed = self.script("""
            carrier() { for i in $(seq 100); do [ $(cat /sys/class/net/eth0/carrier) = $1 ] && echo $1 && return; sleep 0.1; done; }
            ip link set eth0 up; carrier 1
            labctl link 0 down; carrier 0
            labctl link 0 up; carrier 1
            labctl link 1 up 2>&1 || true""", ["--nic", "e1000e"])
        self.assertEqual(printed.splitlines(), ["1", "0", "1", "labctl: there is no NIC 1; this machine has 1, counted from 0"])

    def test_unplug(self):
        printed = self.script("""
            test -e /sys/bus/pci/devices/$POLLUX_NIC1
            labctl unplug 1
            test ! -e /sys/bus/pci/devices/$POLLUX_NIC1 && echo gone
            labctl unplug 0 2>&1 || true""", ["--nic", "e1000e", "--nic", "igb,hotplug=on"])
        self.assertTrue(printed.startswith("gone\nlabctl: NIC 0 is on the root bus"), printed)

    def test_writable_directory(self):
        shared = os.path.join(self.directory, "shared")
        os.mkdir(shared)
        self.script(f"echo hello > {shared}/file; echo lost > {self.directory}/file; test -s {self.directory}/file", ["--rw", shared])
        with open(f"{shared}/file", encoding="ascii") as file:
            self.assertEqual(file.read(), "hello\n")
        self.assertFalse(os.path.exists(f"{self.directory}/file"))

    def test_tools_of_the_labs_root(self):
        printed = self.script("chroot /lab lspci -ns $POLLUX_NIC0; ethtool -i eth0; test -x /lab/usr/bin/dpdk-testpmd", ["--nic", "e1000e"])
        self.assertIn("8086:10d3", printed)
        self.assertIn("driver: e1000e", printed)

    def test_shell(self):
        """Typed at a terminal: a command, then `exit 3`."""
        with self.shell("--nic", "e1000") as (shell, terminal):
            os.write(terminal, b"echo $POLLUX_NIC0-$((6*7)); tty\n")
            read_until(terminal, rb"0000:00:04.0-42\s+/dev/hvc0")
            os.write(terminal, b"exit 3\n")
            read_until(terminal, rb"lab: exit 3")
            self.assertEqual(shell.wait(30), 3)

    def test_shell_is_left_with_a_key(self):
        with self.shell() as (shell, terminal):
            os.write(terminal, b"sleep 1000\n\x1d")
            self.assertEqual(shell.wait(30), 0)

    @contextlib.contextmanager
    def shell(self, *options):
        """(process, terminal) of a `lab shell` that shows its prompt."""
        ours, theirs = pty.openpty()
        with subprocess.Popen([LAB, "shell", *options], env={**os.environ, "TMPDIR": self.scratch}, start_new_session=True,
                              stdin=theirs, stdout=theirs, stderr=theirs) as process:
            os.close(theirs)
            try:
                read_until(ours, rb"lab:/.*# ")
                yield process, ours
            finally:
                process.terminate()
                process.wait()
                os.close(ours)


@unittest.skipUnless(FULL, "POLLUX_LAB_FULL=1 (tests/run --full): modules are built first")
class ModuleMachine(MachineTest):
    def test_module_is_loaded_on_both_kernels_and_modprobe_knows_it(self):
        for wanted in ("6.12", "7"):
            with self.subTest(wanted):
                printed = self.script("""
                    cat /sys/module/igb_uio/parameters/intr_mode
                    modprobe -r igb_uio
                    test ! -e /sys/module/igb_uio
                    modprobe igb_uio intr_mode=msix
                    cat /sys/module/igb_uio/parameters/intr_mode
                    test -e /sys/bus/pci/drivers/igb_uio""",
                                      ["--with-module", "igb_uio", "--append", "igb_uio.intr_mode=legacy", "--kernel", wanted])
                self.assertEqual(printed.split(), ["legacy", "msix"])


@unittest.skipUnless(FULL, "POLLUX_LAB_FULL=1 (tests/run --full): the lab's own kernel takes minutes to build")
class OwnKernelMachine(MachineTest):
    """What Debian's kernels lack, on the lab's own."""

    BIND = """
        bind() {
            echo $2 > /sys/bus/pci/devices/$1/driver_override
            [ ! -e /sys/bus/pci/devices/$1/driver ] || echo $1 > /sys/bus/pci/devices/$1/driver/unbind
            echo $1 > /sys/bus/pci/drivers_probe
            basename $(readlink /sys/bus/pci/devices/$1/driver)
        }
        """

    @classmethod
    def setUpClass(cls):
        with cache.root_in_use() as root:
            cache.ensure_kernel(root)

    def script(self, script, options=()):
        return super().script(self.BIND + script, ["--kernel", kernel.OWN, *options])

    def test_character_devices_and_iommufd(self):
        printed = self.script("""
            test -c /dev/iommu && uname -r
            for nic in $POLLUX_NIC0 $POLLUX_NIC1; do
                bind $nic vfio-pci
                name=$(ls /sys/bus/pci/devices/$nic/vfio-dev)
                test -c /dev/vfio/devices/$name && echo $name
                group=$(basename $(readlink /sys/bus/pci/devices/$nic/iommu_group))
                test -c /dev/vfio/$group && echo group
            done""", ["--nic", "e1000e", "--nic", "e1000e", "--wire", "0-1"]).split()
        self.assertTrue(printed[0].endswith("-lab"), printed)
        self.assertEqual(printed[1:], ["vfio-pci", "vfio0", "group", "vfio-pci", "vfio1", "group"])

    def test_vfio_without_iommu(self):
        printed = self.script("""
            cat /sys/module/vfio/parameters/enable_unsafe_noiommu_mode
            bind $POLLUX_NIC0 vfio-pci 2>&1 || true
            echo Y > /sys/module/vfio/parameters/enable_unsafe_noiommu_mode
            bind $POLLUX_NIC0 vfio-pci
            test -c /dev/vfio/noiommu-0 && echo node""", ["--no-iommu", "--nic", "e1000e"])
        self.assertEqual(printed.split()[0], "N")
        self.assertTrue(printed.endswith("vfio-pci\nnode\n"), printed)

    def test_uio(self):
        """The 82540EM has INTx and no MSI."""
        printed = self.script("bind $POLLUX_NIC0 uio_pci_generic; ls /sys/bus/pci/devices/$POLLUX_NIC0/uio; test -c /dev/uio0",
                              ["--nic", "e1000"])
        self.assertEqual(printed.split(), ["uio_pci_generic", "uio0"])

    def test_hugepages_of_both_sizes(self):
        printed = self.script("""
            cd /sys/kernel/mm/hugepages
            cat hugepages-2048kB/free_hugepages hugepages-1048576kB/free_hugepages
            echo 0 > hugepages-1048576kB/nr_hugepages; echo 1 > hugepages-1048576kB/nr_hugepages
            cat hugepages-1048576kB/free_hugepages""",
                              ["--mem", "4096", "--hugepages", "64", "--append", "hugepagesz=1G hugepages=1"])
        self.assertEqual(printed.split(), ["64", "1", "1"])

    def test_modules_come_and_go(self):
        self.script("modprobe -r vfio-pci vfio_iommu_type1 vfio; test ! -e /dev/vfio/vfio; modprobe vfio-pci; test -c /dev/vfio/vfio",
                    ["--nic", "e1000e"])

    def test_kernel_is_there_without_network(self):
        """Built once, it is found again by its name alone."""
        with cache.root_in_use() as root, mock.patch.object(cache, "build", side_effect=AssertionError("builds")):
            self.assertTrue(os.path.exists(os.path.join(cache.ensure_kernel(root), kernel.OWN_IMAGE)))


def read_until(descriptor, pattern, limit=120):
    """What came from the terminal up to `pattern`; an AssertionError with it if it never comes."""
    data, end = b"", time.monotonic() + limit
    os.set_blocking(descriptor, False)
    while not re.search(pattern, data):
        if time.monotonic() > end:
            raise AssertionError(f"no {pattern} in {data}")
        try:
            data += os.read(descriptor, 4096)
        except BlockingIOError:
            time.sleep(0.1)
    return data.decode(errors="replace")


def pcap_frames(path):
    with open(path, "rb") as file:
        data = file.read()
    assert data[:4] == struct.pack("<I", 0xA1B2C3D4)
    position, frames = 24, []
    while position < len(data):
        length, = struct.unpack_from("<I", data, position + 8)
        frames.append(data[position + 16:position + 16 + length])
        position += 16 + length
    return frames


if __name__ == "__main__":
    if FAST:
        print("test_lab: POLLUX_LAB_FAST=1, the tests that start virtual machines are skipped", file=sys.stderr)
    unittest.main()

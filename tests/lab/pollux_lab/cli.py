"""The command line of the lab."""

import argparse
import contextlib
import os
import shlex
import shutil
import signal
import sys
import tempfile
import termios
import tty

from . import accel, cache, kernel, qemu, recipe, root as root_builder, spec
from .say import EXIT_SIGNAL, Interrupted, LabError, UsageError, complain, interrupt_on, say
from .session import Session
from .settings import settings

DESCRIPTION = """\
Runs a program in a virtual machine that has what this machine may lack: an IOMMU,
VFIO, UIO, hugepages, and emulated Intel and virtio network cards."""

EXAMPLES = """\
examples:
  lab build                                     fetch and build everything once (needs root)
  lab kernel                                    build the lab's own kernel once (needs root)
  lab module igb_uio --kernel 7                 build a module that Debian has as source only, once (needs root)
  lab run -- uname -a                           a program of this machine, in the guest
  lab run --nic e1000e -- ./build/my-driver     POLLUX_NIC0 names the card's address
  lab run --nic igb --nic igb --wire 0-1 --pcap out.pcap -- ./build/echo-test
  lab shell --nic e1000e,mac=52:54:00:aa:bb:cc --kernel 7
  lab run --nic e1000 -- chroot /lab lspci -nn  the tools of the lab's own Debian
  lab run --kernel lab --no-iommu --nic e1000e -- ./build/my-driver    VFIO without IOMMU
  lab run --with-module igb_uio --append igb_uio.intr_mode=msi --no-iommu --nic e1000e -- ./build/my-driver
  lab run --nic vfio-user,socket=/tmp/nic,driver=ixgbe -- ip link      after pollux-simnic --nic 82599 --socket /tmp/nic &
  lab run --mem 4096 --append "hugepagesz=1G hugepages=1" --numa 2 -- grep -r . /sys/kernel/mm/hugepages
"""

RUN_NOTES = """\
nic: MODEL[,mac=..][,hotplug=on][,property=value]...   models: e1000 e1000e igb virtio-net-pci
  Other properties go to QEMU's device. hotplug=on puts the card behind a root port of its own,
  where `labctl unplug N` in the guest can remove it.
  vfio-user,socket=PATH[,driver=MODULE]: a card that another process serves there, e.g. pollux-simnic, with the wire it
  has there; the guest's memory is then shared with that process.
kernel: 6.12 and 7 are Debian's. `lab` is built from Debian's newest source (`lab kernel --help`): it
  has what those lack, iommufd with /dev/vfio/devices and VFIO without IOMMU.
with-module: one of `lab module --help`, for Debian's kernels; built when it is not there yet, loaded when the guest
  starts. Its parameters go on the kernel's command line: --append igb_uio.intr_mode=legacy.
wire: A-B[,backend=dgram|hub]   joins two cards. dgram (default) holds frames back while the
  other card has no room; hub drops them, as a real receiver does.
in the guest: this machine's files (copy on write; not /run, /dev/shm), /lab (the lab's own
  Debian), labctl, and POLLUX_NIC0.. POLLUX_NICS POLLUX_LAB POLLUX_LAB_KERNEL in the environment.
  PROGRAM reads /dev/null; what it writes to stdout and stderr comes out on stdout.
exit status: PROGRAM's own, 128+n for signal n; 124 timeout, 125 the lab or the guest failed,
  2 the command line is wrong.
"""

KERNEL_NOTES = """\
The kernel of `--kernel lab`: Debian's newest linux-source with the settings of
pollux_lab/kernel.config and nothing else, built in a copy of the lab's root; some minutes on
two CPUs, once. It has what Debian's kernels lack: IOMMUFD with VFIO's character devices
(/dev/iommu, /dev/vfio/devices/vfioN) and VFIO without IOMMU (/dev/vfio/noiommu-N). Built anew
when kernel.config or the lab's newest Debian kernel changes. Prints the path of its image.
"""

MODULE_NOTES = f"""\
A kernel module that Debian has as source only, for `--with-module`: {", ".join(recipe.MODULES)}. Built for one of Debian's
kernels with that kernel's headers, in a copy of the lab's root; a minute, once. Prints the directory that has it.
"""


class Parser(argparse.ArgumentParser):
    """argparse with the lab's own tone: one line, no usage dump."""

    def error(self, message):
        raise UsageError(message, f"{self.prog} --help")


class AddWire(argparse.Action):
    def __call__(self, parser, namespace, values, option_string=None):
        namespace.wires.append(spec.Wire(values, len(namespace.wires)))


class AddPcap(argparse.Action):
    """Belongs to the --wire named last."""

    def __call__(self, parser, namespace, values, option_string=None):
        if not namespace.wires:
            raise UsageError(f"--pcap {values}: no --wire before it", "write --wire 0-1 --pcap FILE")
        if namespace.wires[-1].pcap:
            raise UsageError(f"--pcap {values}: --wire {namespace.wires[-1].text} has one already")
        namespace.wires[-1].pcap = values


class AddNic(argparse.Action):
    def __call__(self, parser, namespace, values, option_string=None):
        namespace.nics.append(spec.Nic(values, len(namespace.nics)))


def variable(text):
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier():
        raise argparse.ArgumentTypeError(f"'{text}' is not NAME=VALUE")
    return name, value


def existing_directory(text):
    if not os.path.isdir(text):
        raise argparse.ArgumentTypeError(f"'{text}' is not a directory")
    return text


def positive(kind):
    def parse(text):
        number = kind(text)
        if number <= 0:
            raise ValueError
        return number
    parse.__name__ = "positive number"
    return parse


def build_parser():
    parser = Parser(prog="lab", description=DESCRIPTION, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, what, usage in (("run", "run PROGRAM in a guest and return its exit status", "lab run [options] -- PROGRAM [ARGS]"),
                              ("shell", "a root shell in a guest; Ctrl-] or `exit` leaves", "lab shell [options]")):
        add_machine_options(commands.add_parser(name, help=what, description=what, usage=usage, epilog=RUN_NOTES + "\n" + EXAMPLES,
                                                formatter_class=argparse.RawDescriptionHelpFormatter))
    build = commands.add_parser("build", help="build the cached root now", description="Builds the lab's root if its recipe changed.")
    build.add_argument("--force", action="store_true", help="build even if it is there")
    build.add_argument("--check", action="store_true", help="only check that this machine can build it")
    own = commands.add_parser("kernel", help="build the lab's own kernel now, print its path", description=KERNEL_NOTES,
                              formatter_class=argparse.RawDescriptionHelpFormatter)
    own.add_argument("--force", action="store_true", help="build even if it is there")
    module = commands.add_parser("module", help="build a module that Debian's kernels lack now", description=MODULE_NOTES,
                                 formatter_class=argparse.RawDescriptionHelpFormatter)
    module.add_argument("name", choices=recipe.MODULES, metavar="NAME", help=" or ".join(recipe.MODULES))
    module.add_argument("--kernel", default="6.12", metavar="VERSION", help="6.12 (default) or 7")
    module.add_argument("--force", action="store_true", help="build even if it is there")
    commands.add_parser("status", help="what is cached, which versions, does KVM work")
    commands.add_parser("clean", help="remove everything the lab has cached")
    return parser


def add_machine_options(parser):
    add = parser.add_argument
    parser.set_defaults(nics=[], wires=[])
    add("--nic", action=AddNic, metavar="MODEL[,..]", help="add a network card (repeatable)")
    add("--wire", action=AddWire, metavar="A-B[,..]", help="join card A and card B (repeatable)")
    add("--pcap", action=AddPcap, metavar="FILE", help="record the frames of the --wire just before")
    add("--kernel", default="6.12", metavar="VERSION|PATH", help="6.12 (default), 7, lab (the lab's own), or a bzImage")
    add("--modules", metavar="DIR", help="the modules of --kernel PATH: DIR has modules.dep")
    add("--with-module", choices=recipe.MODULES, metavar="NAME", help=f"load {' or '.join(recipe.MODULES)}, which `lab module` builds")
    add("--cpus", type=positive(int), default=2, metavar="N", help="default 2")
    add("--mem", type=positive(int), default=2048, metavar="MIB", help="default 2048")
    add("--numa", type=positive(int), default=1, metavar="N", help="NUMA nodes that share cpus and memory evenly, default 1")
    add("--hugepages", type=int, default=128, metavar="N", help="2 MiB pages set aside in the guest, default 128")
    add("--timeout", type=positive(float), default=900, metavar="SECONDS", help="kill the machine after this long, default 900")
    add("--iommu", action=argparse.BooleanOptionalAction, default=True, help="an Intel IOMMU in front of the cards (default: yes)")
    add("--no-driver", action="store_true", help="do not load the kernel's drivers for the cards")
    add("--rw", action="append", type=existing_directory, default=[], metavar="DIR", help="a directory the guest may write (repeatable)")
    add("--env", action="append", type=variable, default=[], metavar="NAME=VALUE", help="set a variable for PROGRAM (repeatable)")
    add("--append", action="append", default=[], metavar="CMDLINE", help="more words for the kernel's command line")
    add("--accel", choices=("auto", "tcg", "kvm"), default="auto", help="default auto: KVM if it really runs a guest")
    add("--qemu", action="append", default=[], metavar="ARG", help="an argument for QEMU as it is (repeatable)")
    add("--monitor", metavar="PATH", help="open a QMP monitor on this unix socket")
    add("-v", dest="verbose", action="store_true", help="show the guest's kernel log and QEMU's command line")


def parse(arguments):
    """Options before `--`, PROGRAM after it; checked as far as it goes without starting anything."""
    before, program = arguments, []
    if "--" in arguments:
        split = arguments.index("--")
        before, program = arguments[:split], arguments[split + 1:]
    options = build_parser().parse_args(list(joined(before)))
    options.program = program
    if options.command == "run" and not program:
        raise UsageError("PROGRAM is missing", "lab run [options] -- PROGRAM [ARGS]")
    if options.command != "run" and program:
        raise UsageError(f"lab {options.command} takes no PROGRAM")
    if options.command in ("run", "shell"):
        spec.check(options.nics, options.wires)
        if options.with_module and (options.kernel == kernel.OWN or os.path.sep in options.kernel):
            raise UsageError(f"--with-module {options.with_module}: --kernel {options.kernel} is not one of Debian's",
                             "there are no headers to build it with; use --kernel 6.12 or --kernel 7")
        if options.cpus % options.numa or options.mem % options.numa:
            raise UsageError(f"--numa {options.numa}: {options.cpus} cpus and {options.mem} MiB cannot be shared evenly",
                             "choose --cpus and --mem that are multiples of --numa")
        if len(options.rw) >= qemu.MAX_SHARES:
            raise UsageError(f"{len(options.rw)} --rw directories: at most {qemu.MAX_SHARES - 1}")
    return options


def joined(arguments):
    """`--qemu -device` as `--qemu=-device`: argparse takes a value with a dash for an option."""
    words = iter(arguments)
    for word in words:
        yield f"{word}={next(words, '')}" if word in ("--qemu", "--append") else word


def run(options):
    options.terminal = None
    return run_machine(options)


def shell(options):
    if not sys.stdin.isatty():
        raise UsageError("lab shell needs a terminal", "use lab run -- PROGRAM")
    options.terminal = shutil.get_terminal_size()
    bash = shutil.which("bash")
    options.program = [bash, "--norc", "-i"] if bash else ["/bin/sh", "-i"]
    options.env.append(("PS1", r"lab:\w# " if bash else "lab# "))
    with raw_terminal():
        return run_machine(options)


@contextlib.contextmanager
def raw_terminal():
    """Keys go to the guest one by one, Ctrl-C too. Output keeps its newline handling for the lab's own lines."""
    saved = termios.tcgetattr(sys.stdin)
    tty.setraw(sys.stdin)
    mode = termios.tcgetattr(sys.stdin)
    mode[1] |= termios.OPOST
    termios.tcsetattr(sys.stdin, termios.TCSANOW, mode)
    try:
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, saved)


def run_machine(options):
    with contextlib.ExitStack() as held:
        root = held.enter_context(cache.root_in_use())
        own = held.enter_context(cache.kernel_in_use(root)) if options.kernel == kernel.OWN else None
        directory = held.enter_context(tempfile.TemporaryDirectory(prefix="pollux-lab-"))
        chosen = kernel.choose(root, options.kernel, options.modules, own)
        if options.with_module:
            chosen.added = held.enter_context(cache.module_in_use(root, options.with_module, chosen.release))
        accelerator = accel.choose(root, options.accel)
        say(f"{summary(options, chosen, accelerator)}; booting")
        session = Session(directory, options, options.nics)
        command = compose(root, directory, chosen, accelerator, options, session)
        if options.verbose:
            say(shlex.join(command))
        return session.run(command, qemu.environment(root))


def compose(root, directory, chosen, accelerator, options, session):
    """The whole QEMU command; writes the initramfs it names."""
    initrd = os.path.join(directory, "initrd")
    with open(initrd, "wb") as file:
        file.write(kernel.initramfs(root, chosen, settings(root, chosen, options, options.nics, options.program, options.terminal)))
    monitor = ["-qmp", f"unix:{qemu.comma(os.path.abspath(options.monitor))},server=on,wait=off"] if options.monitor else []
    return [*qemu.base(root, accelerator, options.cpus, options.mem), *qemu.iommu(options.iommu),
            *qemu.memory(options.numa, options.cpus, options.mem, any(nic.served for nic in options.nics)),
            "-kernel", chosen.image, "-initrd", initrd, "-append", qemu.append_line(options),
            *qemu.channels(session.descriptors(), session.console), *qemu.shares(options.rw),
            *qemu.network(options.nics, options.wires, directory), *monitor, *options.qemu]


def summary(options, chosen, accelerator):
    models = [nic.model for nic in options.nics]
    cards = [f"{models.count(model)} x {model}" for model in dict.fromkeys(models)]
    return ", ".join([f"Linux {chosen.release}", accelerator, f"{options.cpus} cpus", f"{options.mem} MiB", *cards])


def build(options):
    if options.check:
        os.makedirs(cache.directory(), exist_ok=True)
        root_builder.check_host(cache.directory())
        say("this machine can build the lab's root")
        return 0
    root = cache.ensure_root(options.force)
    say(f"ready: {root}")
    return 0


def own_kernel(options):
    with cache.root_in_use() as root:
        print(os.path.join(cache.ensure_kernel(root, options.force), kernel.OWN_IMAGE))
    return 0


def module(options):
    with cache.root_in_use() as root:
        release = kernel.choose_installed(root, options.kernel).release
        print(cache.ensure_module(root, options.name, release, options.force))
    return 0


def status(_options):
    root = cache.root_path()
    print(f"cache   {cache.directory()}: {', '.join(name for kind in cache.KINDS for name in cache.built(kind)) or 'empty'}")
    if not os.path.isdir(root):
        print(f"root    {os.path.basename(root)} is not built: lab build")
        return 0
    print(f"kernels {', '.join(found.release for found in kernel.installed(root))}")
    print(f"own     {built_version(cache.kernel_path(root), 'lab kernel')}")
    for name in recipe.MODULES:
        for found in kernel.installed(root):
            version = built_version(cache.module_path(name, found.release), f"lab module {name} --kernel {found.release}")
            print(f"module  {name} for {found.release}: {version}")
    versions = package_versions(root, ("qemu-system-x86", "dpdk"))
    print(f"qemu    {versions.get('qemu-system-x86')}")
    print(f"dpdk    {versions.get('dpdk')}")
    print(f"accel   {accel.choose(root, 'auto')}")
    return 0


def built_version(path, command):
    try:
        with open(f"{path}/version", encoding="utf-8") as file:
            return f"{os.path.basename(path)}, of {file.read().strip()}"
    except FileNotFoundError:
        return f"{os.path.basename(path)} is not built: {command}"


def package_versions(root, names):
    """From the root's dpkg database, without running anything in it."""
    versions = {}
    with open(f"{root}/var/lib/dpkg/status", encoding="utf-8") as file:
        for line in file:
            key, _, value = line.strip().partition(": ")
            if key == "Package":
                package = value
            elif key == "Version" and package in names:
                versions[package] = value
    return versions


def clean(_options):
    cache.clean()
    return 0


COMMANDS = {"run": run, "shell": shell, "build": build, "kernel": own_kernel, "module": module, "status": status, "clean": clean}


def main(arguments):
    interrupt_on(signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    try:
        options = parse(arguments)
        return COMMANDS[options.command](options)
    except LabError as error:
        complain(error)
        return error.status
    except BrokenPipeError:
        return EXIT_SIGNAL + signal.SIGPIPE  # whoever read our output has gone
    except Interrupted as interrupted:
        say(f"interrupted ({interrupted}); what was running has been ended")
        return EXIT_SIGNAL + interrupted.number

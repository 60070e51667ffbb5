# SPDX-License-Identifier: BSD-3-Clause
"""pollux-devbind: shows which driver has which network device, and gives devices to userspace and back."""
import argparse
import contextlib
import fcntl
import grp
import json
import os
import pwd
import signal
import sys
import time

from pollux_tools import steps
from pollux_tools.error import Error, Interrupted, UsageError
from pollux_tools.machine import Machine
from pollux_tools.pci import USERSPACE_DRIVERS
from pollux_tools.plan import chosen_functions, named_driver, plan, require_rights
from pollux_tools.report import report
from pollux_tools.status import run_status

HELP = """\
Shows which driver has which network device; gives devices to userspace, and back to the kernel.

A DEVICE is a PCI address (0000:03:00.0, or 03:00.0) or the name of a network interface (eth0).

commands:
  status [DEVICE...]                 what there is, by driver (the default command)
  bind DEVICE... --driver DRIVER     give devices to DRIVER: vfio-pci, uio_pci_generic, igb_uio, pollux_udd_pci
                                     (Xenomai 3), "kernel" (whichever of its drivers the kernel chooses), or a
                                     driver's name
  unbind DEVICE...                   take devices from their driver
  restore [DEVICE...]                give devices back to the driver they had before the first bind or unbind;
                                     without DEVICE: all that are remembered (in /run/pollux/devbind, until reboot)
"""
EPILOG = """\
All devices of one command are changed, or none: when a step fails, what was done is undone and every device returns to
its former driver. Devices are bound through driver_override, never through new_id, so no other device is affected. An
interface that the machine uses (route, address, bond, bridge, packet socket) and a device that a process has open are
refused without --force.

exit status: 0 done, 1 failed (nothing is changed, or the message says what is), 2 the command line is wrong,
128+n ended by signal n.

examples:
  pollux-devbind
  pollux-devbind bind 03:00.0 --driver vfio-pci --uid alice      alice then needs no root
  pollux-devbind bind 03:00.0 --driver vfio-pci --with-group     what shares its IOMMU group comes along
  pollux-devbind bind eth1 --driver uio_pci_generic --dry-run    the same as shell commands
  pollux-devbind restore
"""

# ---- doing it -------------------------------------------------------------------------------------------------------

@contextlib.contextmanager
def only_one(machine, seconds=30):
    """Two at the same time would undo each other's work."""
    path = machine.path(f"{steps.STATE}/lock")
    try:
        os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
        lock = open(path, "w", encoding="utf-8")  # pylint: disable=consider-using-with
    except OSError as error:
        raise Error("open", path, code=error.errno, remedy="run as root, with a writable /run") from None
    with lock:
        end = time.monotonic() + seconds
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > end:
                    raise Error("lock", path, "another pollux-devbind is at work",
                                remedy=f"see who: fuser -v {path}") from None
                time.sleep(0.1)
        yield


def run_change(machine, options):
    if options.dry_run:
        commands = steps.as_shell(plan(machine, options)[1])
        print(json.dumps({"ok": True, "commands": commands}, indent=2) if options.json else "\n".join(commands))
        return 0
    for function in chosen_functions(machine, options)[:1]:
        require_rights(machine, function)  # before the lock, which an ordinary user cannot take either
    with only_one(machine):
        functions, todo = plan(machine, options)
        steps.carry_out(machine, todo, at_end=ignore_interrupts)
    report(machine, options, functions)
    return 0


# ---- the command line -----------------------------------------------------------------------------------------------

class Parser(argparse.ArgumentParser):
    def error(self, message):
        raise UsageError(message)


def user_id(text):
    return numeric_id(text, "--uid", lambda name: pwd.getpwnam(name).pw_uid)


def group_id(text):
    return numeric_id(text, "--gid", lambda name: grp.getgrnam(name).gr_gid)


def numeric_id(text, option, look_up):
    if text.isdecimal() and int(text) < 2**32 - 1:
        return int(text)
    try:
        return look_up(text)
    except KeyError:
        raise UsageError(f"{option} {text!r}: no such name on this machine (getent passwd, getent group)") from None


def make_parser():
    raw = argparse.RawDescriptionHelpFormatter
    parser = Parser(prog="pollux-devbind", description=HELP, epilog=EPILOG, formatter_class=raw,
                    usage="%(prog)s [COMMAND] [DEVICE...] [OPTIONS]    (COMMAND --help tells its options)")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", help=argparse.SUPPRESS)

    def add(name, summary, devices, changes=True):
        command = commands.add_parser(name, prog=f"pollux-devbind {name}", description=summary, allow_abbrev=False)
        command.add_argument("device", nargs=devices, metavar="DEVICE", help="PCI address or network interface")
        command.add_argument("--json", action="store_true", help="print the result as JSON")
        command.add_argument("--root", default=os.environ.get("POLLUX_SYSFS_ROOT", "/"), help=argparse.SUPPRESS)
        if changes:
            command.add_argument("--force", action="store_true", help="also take a device that is in use")
            command.add_argument("--dry-run", action="store_true",
                                 help="change nothing; print the shell commands that do the same")
        return command

    add("status", "Show devices by driver, with interfaces, IOMMU groups and who uses them.", "*", changes=False)
    bind = add("bind", "Give devices to a driver.", "+")
    bind.add_argument("-d", "--driver", required=True,
                      help="vfio-pci, uio_pci_generic, igb_uio, pollux_udd_pci, kernel (the kernel's choice), or a "
                           "driver's name; its module is loaded when it is absent")
    bind.add_argument("--with-group", action="store_true",
                      help="also bind the other members of the IOMMU group that keep VFIO from it")
    bind.add_argument("--noiommu", action="store_true",
                      help="allow VFIO on a machine without IOMMU: the device can then write to all memory")
    bind.add_argument("-U", "--uid", metavar="USER", help="make USER (name or number) owner of the device's nodes")
    bind.add_argument("-G", "--gid", metavar="GROUP", help="the same for a group of users")
    add("unbind", "Take devices from their driver; they have none then.", "+")
    add("restore", "Give devices back to the driver they had before pollux-devbind first changed it.", "*")
    return parser


def parse(arguments):
    if not arguments or arguments[0].startswith("-") and arguments[0] not in ("-h", "--help"):
        arguments = ["status", *arguments]
    options = make_parser().parse_args(arguments)
    if options.command == "bind":
        options.driver = named_driver(options.driver)
        if (options.uid, options.gid) != (None, None) and options.driver not in USERSPACE_DRIVERS:
            raise UsageError("--uid and --gid go with a userspace driver: " + ", ".join(USERSPACE_DRIVERS))
        if (options.noiommu or options.with_group) and options.driver != "vfio-pci":
            raise UsageError("--noiommu and --with-group go with --driver vfio-pci")
        options.uid = -1 if options.uid is None else user_id(options.uid)
        options.gid = -1 if options.gid is None else group_id(options.gid)
    return options


def complain(failure, as_json):
    not_undone = getattr(failure, "not_undone", [])
    for line in not_undone:
        print(f"pollux-devbind: not undone: {line}", file=sys.stderr)
    print(f"pollux-devbind: error: {failure}", file=sys.stderr)
    if as_json:
        print(json.dumps({"ok": False, "error": str(failure), "not_undone": not_undone}, indent=2))


INTERRUPTS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def interrupt(number, _frame):
    """The first of these signals raises Interrupted, so that all is undone; later ones do not disturb that."""
    ignore_interrupts()
    raise Interrupted(number, signal.Signals(number).name)


def catch_interrupts():
    for number in INTERRUPTS:
        if signal.getsignal(number) != signal.SIG_IGN:  # as nohup leaves it
            signal.signal(number, interrupt)


def ignore_interrupts():
    for number in INTERRUPTS:
        if signal.getsignal(number) == interrupt:
            signal.signal(number, signal.SIG_IGN)


def main(arguments, machine=None):
    """Returns the exit status. `machine`: for tests."""
    as_json = "--json" in arguments
    try:
        options = parse(arguments)
        machine = machine or Machine(options.root)
        run = run_status if options.command == "status" else run_change
        return run(machine, options)
    except UsageError as failure:
        print(f"pollux-devbind: error: {failure}; see pollux-devbind --help", file=sys.stderr)
        return 2
    except (Error, OSError) as failure:
        complain(failure, as_json)
        return 1
    except Interrupted as failure:
        complain(failure, as_json)  # nothing is changed, but for what it lists as not undone
        return 128 + failure.number

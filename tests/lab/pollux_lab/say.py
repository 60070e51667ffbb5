"""What the lab tells its user (progress lines, errors, exit statuses of its own), and how it is ended."""

import ctypes
import signal
import sys

EXIT_USAGE = 2      # the command line makes no sense
EXIT_TIMEOUT = 124  # PROGRAM ran longer than --timeout (the number coreutils' timeout uses)
EXIT_LAB = 125      # the lab failed, not PROGRAM: no cache, QEMU died, the guest panicked
EXIT_SIGNAL = 128   # + n: PROGRAM or the lab itself was ended by signal n


class LabError(Exception):
    """The lab cannot do what was asked. `hint` is the command or change that mends it."""

    def __init__(self, message, hint=None, status=EXIT_LAB):
        super().__init__(message)
        self.hint = hint
        self.status = status


class Interrupted(BaseException):
    """The lab itself was told to end, by signal `number`."""

    def __init__(self, number):
        super().__init__(signal.Signals(number).name)
        self.number = number


class UsageError(LabError):
    """The command line is wrong; nothing was started."""

    def __init__(self, message, hint=None):
        super().__init__(message, hint, EXIT_USAGE)


def interrupt_on(*numbers):
    """From now on these signals raise Interrupted, so that whatever runs is undone in order."""
    def handler(number, _frame):
        raise Interrupted(number)

    for number in numbers:
        signal.signal(number, handler)


PR_SET_PDEATHSIG = 1


def die_with_parent():
    """In a child's process before its program starts: when the lab is killed, the child goes too."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def say(text):
    print(f"lab: {text}", file=sys.stderr, flush=True)


def complain(error):
    say(f"error: {error}")
    if error.hint:
        say(f"       {error.hint}")


class Progress:
    """One line on a terminal that shows what a long step is doing now; silent elsewhere."""

    WIDTH = 100

    def __init__(self):
        self.enabled = sys.stderr.isatty()

    def show(self, text):
        if self.enabled:
            line = " ".join(text.split())[: self.WIDTH]
            print(f"\r\x1b[Klab:   {line}", end="", file=sys.stderr, flush=True)

    def clear(self):
        if self.enabled:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)

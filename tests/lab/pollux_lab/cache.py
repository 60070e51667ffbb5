"""The cache: one root, named by its recipe, built once under a lock."""

import contextlib
import fcntl
import os
import shutil
import time

from . import recipe
from .root import Builder, check_host
from .say import LabError, say


def directory():
    return os.environ.get("POLLUX_LAB_CACHE") or "/var/cache/pollux/lab"


def root_path():
    return os.path.join(directory(), f"root-{recipe.digest()}")


@contextlib.contextmanager
def locked(name, mode, waiting=None):
    """Holds the lock file `name` in the cache; says `waiting` when somebody else has it."""
    os.makedirs(directory(), exist_ok=True)
    # Read-only is enough for flock, so that users who may only read the cache can run from it.
    lock = os.open(os.path.join(directory(), f"{name}.lock"), os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(lock, mode | fcntl.LOCK_NB)
        except BlockingIOError:
            if waiting is None:
                raise
            say(waiting)
            fcntl.flock(lock, mode)
        yield
    finally:
        os.close(lock)


def ensure_root(force=False):
    """The root of this recipe, built now if it is not there yet. Never touches the network when it is."""
    if force or not os.path.isdir(root_path()):
        os.makedirs(directory(), exist_ok=True)
        check_host(directory())
        with locked("build", fcntl.LOCK_EX, waiting="another lab is building the root; waiting for it"):
            if force or not os.path.isdir(root_path()):
                build()
    return root_path()


@contextlib.contextmanager
def root_in_use():
    """The root, kept from removal by other labs while the block runs."""
    root = ensure_root()
    with locked(os.path.basename(root), fcntl.LOCK_SH, waiting="the root is being removed; waiting"):
        if not os.path.isdir(root):
            raise LabError(f"{root} was removed while this lab started", "run it again")
        yield root


def build():
    final, temporary = root_path(), os.path.join(directory(), "building")
    log_path = os.path.join(directory(), "build.log")
    begun = time.monotonic()
    remove(temporary)
    say(f"building {final}: about 800 MB, a minute or two; log: {log_path}")
    try:
        with open(log_path, "w", encoding="utf-8", buffering=1) as log:
            Builder(temporary, log).build()
    except BaseException:
        remove(temporary)
        raise
    with locked(os.path.basename(final), fcntl.LOCK_EX, waiting="the old root is in use; waiting for its machines to end"):
        remove(final)
        os.rename(temporary, final)
    remove_other_roots()
    say(f"root built in {time.monotonic() - begun:.0f} s")


def roots():
    names = os.listdir(directory()) if os.path.isdir(directory()) else []
    return sorted(name for name in names if name.startswith("root-") and "." not in name)


def remove_other_roots():
    for name in roots():
        if name != os.path.basename(root_path()):
            remove_root(name)


def remove_root(name):
    """Removes one root with everything derived from it, unless a lab is running from it."""
    path = os.path.join(directory(), name)
    try:
        with locked(name, fcntl.LOCK_EX):
            remove(path)
            remove(path + ".lock")
            say(f"removed {path}")
    except BlockingIOError:
        say(f"kept {path}: a machine is running from it")


def remove(path):
    """Like rm -rf, but never reaches into something mounted there."""
    if os.path.isdir(path) and not os.path.islink(path):
        with open("/proc/self/mountinfo", encoding="utf-8") as file:
            mounted = [line.split()[4] for line in file if line.split()[4].startswith(path + "/")]
        if mounted:
            raise LabError(f"{path} cannot be removed: something is mounted below it", f"umount {' '.join(mounted)}")
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.unlink(path)


def clean():
    """Removes everything the lab has cached."""
    for name in roots():
        remove_root(name)
    with locked("build", fcntl.LOCK_EX, waiting="a build is running; waiting for it"):
        for name in os.listdir(directory()):
            if not name.startswith("root-") and name != "build.lock":
                remove(os.path.join(directory(), name))

"""The cache: one root, one kernel of the lab's own, modules: each named by its recipe and built once under a lock."""

import contextlib
import fcntl
import os
import shutil
import time

from . import kernel, kernel_build, module_build, recipe, root as root_build
from .say import LabError, say

KINDS = ("root", "kernel", "module")


def directory():
    return os.environ.get("POLLUX_LAB_CACHE") or "/var/cache/pollux/lab"


def root_path():
    return os.path.join(directory(), f"root-{recipe.digest()}")


def kernel_path(root):
    """Of the lab's own kernel: a newer root, thus a newer source, makes a new one."""
    return os.path.join(directory(), f"kernel-{recipe.kernel_digest(kernel.installed(root)[-1].release)}")


def module_path(name, release):
    return os.path.join(directory(), f"module-{recipe.module_digest(name, release)}")


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
        root_build.check_host(directory())
        with locked("build", fcntl.LOCK_EX, waiting="another lab is building the root; waiting for it"):
            if force or not os.path.isdir(root_path()):
                build(root_path(), "building", "about 800 MB, a minute or two", root_build.Builder)
    return root_path()


def ensure_kernel(root, force=False):
    """The lab's own kernel, built now if it is not there yet. Never touches the network when it is."""
    final = kernel_path(root)
    if force or not os.path.isdir(final):
        kernel_build.check_host(directory())
        with locked("build-kernel", fcntl.LOCK_EX, waiting="another lab is building the kernel; waiting for it"):
            if force or not os.path.isdir(final):
                build(final, "building-kernel", "needs 4 GB for a few minutes, then 20 MB",
                      lambda temporary, log: kernel_build.KernelBuilder(root, temporary, log))
    return final


def ensure_module(root, name, release, force=False):
    """The files that add module `name` to those of the root's kernel `release`, built now if they are not there yet."""
    final = module_path(name, release)
    others = [module_path(other, of.release) for other in recipe.MODULES for of in kernel.installed(root)]
    if force or not os.path.isdir(final):
        module_build.check_host(directory())
        with locked("build-module", fcntl.LOCK_EX, waiting="another lab is building a module; waiting for it"):
            if force or not os.path.isdir(final):
                build(final, "building-module", "needs 3 GB for a minute or two, then 10 MB",
                      lambda temporary, log: module_build.ModuleBuilder(root, name, release, temporary, log), others)
    return final


def root_in_use():
    return in_use(ensure_root())


def kernel_in_use(root):
    return in_use(ensure_kernel(root))


def module_in_use(root, name, release):
    return in_use(ensure_module(root, name, release))


@contextlib.contextmanager
def in_use(path):
    """`path`, kept from removal by other labs while the block runs."""
    with locked(os.path.basename(path), fcntl.LOCK_SH, waiting=f"{path} is being removed; waiting"):
        if not os.path.isdir(path):
            raise LabError(f"{path} was removed while this lab started", "run it again")
        yield path


def build(final, temporary, effort, builder, others=()):
    """Makes `final` in one step from what `builder(temporary, log)` has built; removes its predecessors, that is all of
    its kind that are not among `others`."""
    temporary = os.path.join(directory(), temporary)
    log_path = f"{temporary.replace('building', 'build')}.log"
    begun = time.monotonic()
    remove(temporary)
    say(f"building {final}: {effort}; log: {log_path}")
    try:
        with open(log_path, "w", encoding="utf-8", buffering=1) as log:
            builder(temporary, log).build()
    except BaseException:
        remove(temporary)
        raise
    with locked(os.path.basename(final), fcntl.LOCK_EX, waiting=f"the old {final} is in use; waiting for its machines to end"):
        remove(final)
        os.rename(temporary, final)
    kind = os.path.basename(final).partition("-")[0]
    kept = [os.path.basename(path) for path in (final, *others)]
    for name in built(kind):
        if name not in kept:
            remove_built(name)
    say(f"{kind} built in {time.monotonic() - begun:.0f} s")


def built(kind):
    """The names of what is finished in the cache, of one of KINDS."""
    names = os.listdir(directory()) if os.path.isdir(directory()) else []
    return sorted(name for name in names if name.startswith(f"{kind}-") and "." not in name)


def remove_built(name):
    """Removes one root, kernel or module, unless a lab is running from it."""
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
    for name in [name for kind in KINDS for name in built(kind)]:
        remove_built(name)
    locks = ("build", "build-kernel", "build-module")
    with contextlib.ExitStack() as held:
        for name in locks:
            held.enter_context(locked(name, fcntl.LOCK_EX, waiting="a build is running; waiting for it"))
        for name in os.listdir(directory()):
            if not name.startswith(tuple(f"{kind}-" for kind in KINDS)) and name not in [f"{lock}.lock" for lock in locks]:
                remove(os.path.join(directory(), name))

"""Finds a kernel and its modules, and packs the initramfs that mounts the guest's root."""

import lzma
import os
import re
import struct

from . import cpio
from .say import LabError, UsageError

GUEST_FILES = os.path.join(os.path.dirname(__file__), "guest")

# What the guest needs before it can reach the modules in its root: the PCI transport of virtio,
# the serial ports to the host, the 9p client and overlayfs.
EARLY_MODULES = ["virtio_pci", "virtio_console", "9pnet_virtio", "9p", "overlay"]

OWN = "lab"  # `--kernel lab` is the lab's own, cached as a directory with this image in it
OWN_IMAGE = "bzImage"


class Kernel:
    """A bootable image, its release name (`uname -r`), its modules (None: all built in), and what is `added` to them: a
    directory that lies over theirs in the guest."""

    def __init__(self, image, release, modules):
        self.image = image
        self.release = release
        self.modules = modules
        self.added = None


def installed(root):
    """The kernels of the lab's root, oldest first."""
    base = f"{root}/usr/lib/modules"
    return [Kernel(image_of(root, release), release, f"{base}/{release}")
            for release in sorted(os.listdir(base), key=version_key)]


def image_of(root, release):
    """Debian moved the image from /boot to beside its modules after 6.12."""
    places = (f"{root}/usr/lib/modules/{release}/vmlinuz", f"{root}/boot/vmlinuz-{release}")
    return next(place for place in places if os.path.exists(place))


def version_key(release):
    return [int(number) for number in re.findall(r"\d+", release)]


def choose(root, wanted, modules=None, own=None):
    """The kernel that `wanted` names: a version prefix ("6.12", "7"), the path of a bzImage, or OWN, which is in `own`."""
    if wanted == OWN:
        return from_path(os.path.join(own, OWN_IMAGE), None)
    if os.path.sep in wanted:
        return from_path(os.path.abspath(wanted), modules)
    return choose_installed(root, wanted)


def choose_installed(root, wanted):
    kernels = installed(root)
    for kernel in reversed(kernels):
        if (kernel.release + ".").startswith((wanted + ".", wanted + "+", wanted + "-")):
            return kernel
    raise UsageError(f"--kernel {wanted}: the lab has {', '.join(kernel.release for kernel in kernels)}, and its own: {OWN}",
                     "name one of them by its first numbers, or give the path of a bzImage (with a '/' in it)")


def from_path(image, modules):
    release = release_of(image)
    if modules is None:
        here = os.path.dirname(image)
        candidates = [here, f"{here}/modules", f"{here}/lib/modules/{release}", f"{here}/modules/lib/modules/{release}",
                      f"{here}/../lib/modules/{release}"]
        modules = next((path for path in candidates if os.path.exists(f"{path}/modules.dep")), None)
    elif not os.path.exists(f"{modules}/modules.dep"):
        raise UsageError(f"--modules {modules}: no modules.dep there", f"depmod -b DIR {release}, then give DIR/lib/modules/{release}")
    return Kernel(image, release, modules and os.path.abspath(modules))


def release_of(image):
    """The release name in a bzImage's header (Documentation/arch/x86/boot.rst: kernel_version at 0x20e)."""
    try:
        with open(image, "rb") as file:
            header = file.read(0x10000)
    except OSError as error:
        raise UsageError(f"--kernel {image}: {error.strerror}") from error
    if header[0x202:0x206] != b"HdrS":
        raise UsageError(f"--kernel {image}: not a bzImage", "build one with `make bzImage`; it is arch/x86/boot/bzImage")
    start = struct.unpack_from("<H", header, 0x20E)[0] + 0x200
    return header[start:].split(b"\0", 1)[0].split()[0].decode()


def module_name(path):
    """The kernel's name for a module file: kernel/a/virtio-rng.ko.xz is virtio_rng."""
    return os.path.basename(path).split(".ko")[0].replace("-", "_")


def load_order(modules_dep, modules_builtin, wanted):
    """Module files that make `wanted` available, each after those it depends on.

    Both texts are depmod's: modules.dep says `file: files it depends on`, modules.builtin lists
    what needs no file.
    """
    dependencies, path_of = {}, {}
    for line in modules_dep.splitlines():
        path, _, needs = line.partition(":")
        dependencies[path] = needs.split()
        path_of[module_name(path)] = path
    built_in = {module_name(path) for path in modules_builtin.split()}
    order = []

    def visit(path):
        for need in dependencies[path]:
            visit(need)
        if path not in order:
            order.append(path)

    for name in wanted:
        if name in path_of:
            visit(path_of[name])
        elif name not in built_in:
            raise LabError(f"the kernel has no module {name}", "give --modules DIR, or build it into the kernel")
    return order


def read_module(path):
    with open(path, "rb") as file:
        content = file.read()
    return lzma.decompress(content) if path.endswith(".xz") else content


def early_modules(kernel):
    """[(file name, content)] of EARLY_MODULES in load order; none for a kernel without modules."""
    if kernel.modules is None:
        return []
    texts = []
    for name in ("modules.dep", "modules.builtin"):
        with open(f"{kernel.modules}/{name}", encoding="utf-8") as file:
            texts.append(file.read())
    return [(module_name(path) + ".ko", read_module(os.path.join(kernel.modules, path)))
            for path in load_order(*texts, EARLY_MODULES)]


def initramfs(root, kernel, settings):
    """The initramfs: busybox, the early modules, the guest's scripts, and `settings` for them.

    Not compressed: the guest would need longer to unpack it than to read it. Not cached: packing
    takes a tenth of a second, and nothing can be stale.
    """
    archive = cpio.Archive()
    for name in ("bin", "dev", "proc", "sys", "modules", "root", "lab"):
        archive.directory(name)
    with open(f"{root}/usr/bin/busybox", "rb") as file:
        archive.file("bin/busybox", file.read(), 0o755)
    modules = early_modules(kernel)
    for name, content in modules:
        archive.file(f"modules/{name}", content)
    archive.file("modules/order", "".join(name + "\n" for name, _ in modules).encode())
    archive.file("lab/settings", settings.encode())
    for name, target in (("init", "init"), ("main", "lab/main"), ("labctl", "lab/labctl")):
        with open(f"{GUEST_FILES}/{name}", "rb") as file:
            archive.file(target, file.read(), 0o755)
    return archive.bytes()

"""What the cached root, the lab's own kernel and its modules are made of. Change it, and the next use builds it anew."""

import hashlib
import json
import os

SUITE = "trixie"
BACKPORTS = "trixie-backports"

# Installed from SUITE, without recommended packages. '^...$' are apt's regular expressions:
# the names of DPDK's libraries carry an ABI number that changes with each release.
PACKAGES = [
    "busybox-static", "ethtool", "iperf3", "iproute2", "iputils-ping", "kmod", "pciutils",
    "procps", "tcpdump",
    "dpdk", "dpdk-dev",  # testpmd is in dpdk-dev
    "^librte-bus-(pci|vdev)-?[0-9]+$",
    "^librte-mempool-ring-?[0-9]+$",
    "^librte-net-(af-packet|af-xdp|e1000|ixgbe|null|pcap|ring|tap|virtio)-?[0-9]+$",
]

# Installed from BACKPORTS: vfio-user-pci needs QEMU >= 10.1, igb needs >= 8.0.
PACKAGES_FROM_BACKPORTS = ["qemu-system-x86"]

# (metapackage, suite) of each kernel. They are unpacked, not installed: no initramfs generator,
# no boot loader hooks, and two kernels of one metapackage side by side.
KERNELS = [("linux-image-amd64", SUITE), ("linux-image-amd64", BACKPORTS)]

# The packages behind a kernel metapackage that hold its image, modules and lists of modules.
KERNEL_PARTS = r"linux-(?:image|base|binary|modules)-[0-9]"

# Device models a QEMU of this recipe must know; checked once, when the root is built.
QEMU_DEVICES = ["e1000", "e1000e", "igb", "virtio-net-pci", "virtio-9p-pci", "virtio-serial-pci",
                "intel-iommu", "pcie-root-port", "vfio-user-pci"]

# Raise when the steps in root.py change what they produce.
REVISION = 1

# The lab's own kernel: the newest of this metapackage in SUITE and BACKPORTS, the tools that build it, what is set.
KERNEL_SOURCE = "linux-source"
KERNEL_TOOLS = ["bc", "bison", "flex", "gcc", "libc6-dev", "libelf-dev", "make", "xz-utils"]
KERNEL_CONFIG = os.path.join(os.path.dirname(__file__), "kernel.config")

# Raise when the steps in kernel_build.py change what they produce.
KERNEL_REVISION = 1

# Modules that Debian has as source only: name and package in SUITE; the tools that build them beside the kernel's headers.
MODULES = {"igb_uio": "dpdk-kmods-dkms"}
MODULE_TOOLS = ["gcc", "libc6-dev", "make"]

# Raise when the steps in module_build.py change what they produce.
MODULE_REVISION = 1


def digest():
    """The name of the root this recipe makes."""
    return name_of([SUITE, BACKPORTS, PACKAGES, PACKAGES_FROM_BACKPORTS, KERNELS, KERNEL_PARTS, REVISION])


def kernel_digest(newest):
    """The name of the lab's own kernel; `newest` is the release of the root's newest, thus of the source to be had."""
    with open(KERNEL_CONFIG, encoding="utf-8") as file:
        settings = [line for line in file.read().splitlines() if "CONFIG_" in line]
    return name_of([newest, KERNEL_SOURCE, KERNEL_TOOLS, settings, KERNEL_REVISION])


def module_digest(name, release):
    """The name of a module for the kernel `release` of the root."""
    return name_of([name, release, MODULES[name], SUITE, MODULE_TOOLS, MODULE_REVISION])


def name_of(content):
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:12]

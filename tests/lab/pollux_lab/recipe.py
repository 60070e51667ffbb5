"""What the cached root is made of. Change anything here and the next use builds a new root."""

import hashlib
import json

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


def digest():
    """The name of the root this recipe makes."""
    content = [SUITE, BACKPORTS, PACKAGES, PACKAGES_FROM_BACKPORTS, KERNELS, KERNEL_PARTS, REVISION]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:12]

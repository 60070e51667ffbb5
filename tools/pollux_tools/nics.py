# SPDX-License-Identifier: BSD-3-Clause
"""Which NICs Pollux drives: read from the drivers' own chips.hpp, in the source tree or where it is installed."""
import dataclasses
import os
import re

from pollux_tools.pci import PciId

HERE = os.path.dirname(os.path.realpath(__file__))
PLACES = (os.path.join(HERE, "../../drivers/pollux"), os.path.join(HERE, "../../../include/pollux"))
ENTRY = re.compile(r'^\s*\{0x([0-9A-Fa-f]{4}), 0x([0-9A-Fa-f]{4}), (?:[\w:]+, )?"([^"]+)"\},', re.MULTILINE)


@dataclasses.dataclass(frozen=True)
class SupportedNic:
    id: PciId
    name: str    # "82599 SFP+"
    driver: str  # the folder of its driver: "ixgbe"


def supported_nics(places=PLACES):
    """{PciId: SupportedNic}; empty when the headers are not there."""
    for place in places:
        if found := {nic.id: nic for nic in _read_all(place)}:
            return found
    return {}


def _read_all(place):
    for driver in sorted(os.listdir(place)) if os.path.isdir(place) else []:
        try:
            with open(os.path.join(place, driver, "chips.hpp"), encoding="utf-8") as file:
                text = file.read()
        except OSError:
            continue
        for vendor, device, name in ENTRY.findall(text):
            pci_id = PciId(int(vendor, 16), int(device, 16))
            yield SupportedNic(pci_id, name, driver)


# Where a NIC itself is at fault: (driver it matters with, what, what to do).
_X550_INTX = ("uio_pci_generic", "its INTx is broken: no interrupt arrives through UIO [dpdk guides/nics/ixgbe.rst]",
              "bind it to vfio-pci, or poll only")
ERRATA = {PciId(0x8086, 0x1563): _X550_INTX, PciId(0x8086, 0x15D1): _X550_INTX}

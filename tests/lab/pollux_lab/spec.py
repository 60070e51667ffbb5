"""What the command line says about NICs and wires, checked and given ids, slots and MACs."""

import re

from .say import UsageError

MODELS = {  # the module of the guest's own driver
    "e1000": "e1000", "e1000e": "e1000e", "igb": "igb", "virtio-net-pci": "virtio_net",
}

# A card that another process serves (e.g. pollux-simnic): --nic vfio-user,socket=PATH[,driver=MODULE]. Its wire is the
# server's affair.
SERVED = "vfio-user"

# dgram: when the receiver has no descriptor, frames wait in the socket and then in QEMU's queue
# of 10000. hub: a frame arrives within the sender's doorbell write, and is dropped when the
# receiver has no descriptor. QEMU's stream is not offered: with both ends in one QEMU it
# deadlocks once the socket is full (seen with 11.1, iperf3 between two e1000e).
BACKENDS = ("dgram", "hub")

# Every second slot from 4 on: igb's virtual functions need the room between.
FIRST_SLOT, SLOT_STEP, MAX_NICS = 4, 2, 8


class Nic:
    """One --nic: MODEL[,mac=..][,hotplug=on][,property=value of QEMU's device]..., or vfio-user,socket=PATH[,driver=..]..."""

    def __init__(self, text, index):
        model, *pairs = text.split(",")
        if model not in (*MODELS, SERVED):
            raise UsageError(f"--nic {text}: no model '{model}'", f"models: {', '.join((*MODELS, SERVED))}")
        self.model = model
        self.index = index
        self.id = f"nic{index}"
        self.slot = FIRST_SLOT + SLOT_STEP * index
        properties = dict(split_pair(f"--nic {text}", pair) for pair in pairs)
        self.hotplug = properties.pop("hotplug", "off") == "on"
        self.socket = properties.pop("socket", None)
        self.driver = properties.pop("driver", None) if self.served else MODELS[model]
        if self.served and not self.socket:
            raise UsageError(f"--nic {text}: no socket", "write --nic vfio-user,socket=PATH: where its server listens")
        if self.served and "mac" in properties:
            raise UsageError(f"--nic {text}: its server gives it its mac", "pollux-simnic --mac")
        self.mac = properties.pop("mac", f"52:54:00:00:00:{index:02x}")
        self.properties = properties
        if not re.fullmatch(r"([0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}", self.mac):
            raise UsageError(f"--nic {text}: '{self.mac}' is not a MAC address", "write mac=52:54:00:00:00:2a")

    @property
    def served(self):
        """Is it another process's?"""
        return self.model == SERVED

    @property
    def place(self):
        """Where the guest finds it: its address, or that of the root port it is plugged into."""
        address = f"0000:00:{self.slot:02x}.0"
        return f"port:{address}" if self.hotplug else address


class Wire:
    """One --wire: A-B[,backend=..], a cable between NIC A and NIC B; `pcap` records its frames."""

    def __init__(self, text, index):
        ends, *pairs = text.split(",")
        match = re.fullmatch(r"(\d+)-(\d+)", ends)
        if not match:
            raise UsageError(f"--wire {text}: '{ends}' is not A-B", "write --wire 0-1 to join the first two NICs")
        self.text = text
        self.index = index
        self.ends = [int(end) for end in match.groups()]
        self.pcap = None
        options = dict(split_pair(f"--wire {text}", pair) for pair in pairs)
        self.backend = options.pop("backend", "dgram")
        if options:
            raise UsageError(f"--wire {text}: unknown option '{next(iter(options))}'", "the only one is backend=")
        if self.backend not in BACKENDS:
            raise UsageError(f"--wire {text}: no backend '{self.backend}'", f"backends: {', '.join(BACKENDS)}")


def split_pair(where, pair):
    name, equals, value = pair.partition("=")
    if not equals or not name:
        raise UsageError(f"{where}: '{pair}' is not key=value")
    return name, value


def check(nics, wires):
    """Every wire joins two different NICs that exist and hang on no other wire."""
    if len(nics) > MAX_NICS:
        raise UsageError(f"{len(nics)} NICs: the lab has slots for {MAX_NICS}")
    taken = {}
    for wire in wires:
        for end in wire.ends:
            if end >= len(nics):
                raise UsageError(f"--wire {wire.text}: there is no NIC {end}",
                                 f"this lab has {len(nics)} --nic; they are counted from 0")
            if nics[end].served:
                raise UsageError(f"--wire {wire.text}: NIC {end} is served by another process, and so is its wire",
                                 "pollux-simnic --wire")
            if end in taken:
                why = "a wire needs two ends" if taken[end] is wire else f"it hangs on wire {taken[end].text} already"
                raise UsageError(f"--wire {wire.text}: NIC {end} cannot be joined: {why}")
            taken[end] = wire

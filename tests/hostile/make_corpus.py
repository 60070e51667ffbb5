#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Writes the seeds in corpus/: one file per idea and format. Commands: see fuzz_body.hpp."""
import pathlib
import random
import struct

DD, EOP = 1, 2


def rx(slot, status, length, first=0):
    return bytes([0, slot]) + struct.pack("<QQ", first, status | length << 32)


def run(slot, n, status, length):
    return bytes([2, slot, n, status]) + struct.pack("<H", length)


def look(n):
    return bytes([3, n - 1])


def keep(n):
    return bytes([4, n - 1])


def send_on(n):
    return bytes([10, n - 1])


def transmit(n, parts=1, later=0):
    return bytes([6, n - 1, parts - 1, later])


DROP, ALL_SENT, RESTART = bytes([5]), bytes([8]), bytes([11])


def reap(n):
    return bytes([9, n])


START = look(1)
IDEAS = {
    "plain": START + b"".join(run(0, 8, DD | EOP, 60) + look(8) for _ in range(6)),
    "lengths": START + b"".join(rx(i % 8, DD | EOP, n) + look(4) for i, n in enumerate((0, 1, 2048, 2049, 65535) * 4)),
    "no_end": START + (run(0, 255, DD, 100) + look(64)) * 8 + run(0, 64, DD | EOP, 100) + look(64),
    "chains": START + b"".join(run(0, n, DD, 100) + rx(n, DD | EOP, 1) + look(1) + look(64) + RESTART + START
                               for n in range(1, 8)),
    "rewritten": START + run(0, 3, DD, 100) + rx(3, DD | EOP, 100) + look(1) + run(1, 3, DD, 0xFFFF) + look(64) + look(64),
    "starved": START + (run(0, 64, DD | EOP, 64) + keep(64)) * 8 + DROP + look(64) + run(0, 64, DD | EOP, 64) + look(64),
    "sent": (transmit(5) + transmit(7, 3) + ALL_SENT + reap(255)) * 6,
    "never_sent": transmit(64) * 8 + reap(255) + RESTART + transmit(3, 2, 1) + transmit(1),
    "early": ALL_SENT + reap(9) + (transmit(6, 2) + ALL_SENT) * 8 + reap(1) + reap(255),
    "forward": START + (run(0, 64, DD | EOP, 64) + send_on(32) + ALL_SENT) * 8,
    "damaged": START + b"".join(rx(i, DD | EOP | 1 << b, 100, 1 << 17) + look(2) for i, b in enumerate(range(24, 32))),
}


def main():
    out = pathlib.Path(__file__).parent / "corpus"
    out.mkdir(exist_ok=True)
    for name, commands in IDEAS.items():
        for chip, bit in (("82574", 0), ("82599", 1)):
            how = bit | (2 if name in ("starved", "chains") else 0) | (8 if name in ("no_end", "rewritten") else 0)
            (out / f"{name}_{chip}").write_bytes(bytes([how]) + commands)
    noise = random.Random(1)
    for i in range(4):
        (out / f"noise_{i}").write_bytes(noise.randbytes(1024))


if __name__ == "__main__":
    main()

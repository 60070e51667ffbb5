#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Writes mix.pcap, a small office-and-machine-hall mix, with scapy (Debian: python3-scapy). Own traffic, no one's data.

The same every time: fixed addresses, fixed times, fixed payload noise. mix.pcap is kept in the repository, so this runs
only when the mix is to change.
"""
import random
import struct
import sys

from scapy.all import ARP, DNS, DNSQR, DNSRR, Dot1Q, Ether, ICMP, IP, IPv6, Raw, TCP, UDP, wrpcap
from scapy.layers.inet6 import ICMPv6EchoRequest, ICMPv6ND_NA, ICMPv6ND_NS, ICMPv6NDOptDstLLAddr, ICMPv6NDOptSrcLLAddr

A, B, PLC = "02:00:00:00:0a:01", "02:00:00:00:0a:02", "02:00:00:00:0e:01"
IP_A, IP_B = "192.0.2.10", "192.0.2.20"            # RFC 5737
IP6_A, IP6_B = "2001:db8::10", "2001:db8::20"      # RFC 3849
noise = random.Random(82574)


def bulk(n):
    return Raw(bytes(noise.randrange(256) for _ in range(n)))


def arp():
    yield Ether(src=A, dst="ff:ff:ff:ff:ff:ff") / ARP(op=1, hwsrc=A, psrc=IP_A, pdst=IP_B)
    yield Ether(src=B, dst=A) / ARP(op=2, hwsrc=B, psrc=IP_B, hwdst=A, pdst=IP_A)


def ping(count):
    for seq in range(count):
        for kind, src, dst, s, d in ((8, A, B, IP_A, IP_B), (0, B, A, IP_B, IP_A)):
            yield Ether(src=src, dst=dst) / IP(src=s, dst=d, id=100 + seq) / ICMP(type=kind, id=7, seq=seq) / bulk(56)


def tcp(eth_ab, eth_ba, ip_ab, ip_ba, sizes):
    """Handshake, data one way with acknowledgements, orderly close."""
    a, b, options = 1000, 9000, [("MSS", 1460), ("SAckOK", b""), ("WScale", 7)]
    fwd = lambda **k: eth_ab / ip_ab.copy() / TCP(sport=40000, dport=502, window=64240, **k)
    back = lambda **k: eth_ba / ip_ba.copy() / TCP(sport=502, dport=40000, window=65160, **k)
    yield fwd(flags="S", seq=a, options=options)
    yield back(flags="SA", seq=b, ack=a + 1, options=options)
    a, b = a + 1, b + 1
    yield fwd(flags="A", seq=a, ack=b)
    for n in sizes:
        yield fwd(flags="PA", seq=a, ack=b) / bulk(n)
        a += n
        yield back(flags="A", seq=b, ack=a)
    yield fwd(flags="FA", seq=a, ack=b)
    yield back(flags="FA", seq=b, ack=a + 1)
    yield fwd(flags="A", seq=a + 1, ack=b + 1)


def dns():
    name = "drive.example.com"
    yield Ether(src=A, dst=B) / IP(src=IP_A, dst=IP_B) / UDP(sport=5353, dport=53) / DNS(id=1, qd=DNSQR(qname=name))
    yield (Ether(src=B, dst=A) / IP(src=IP_B, dst=IP_A) / UDP(sport=53, dport=5353) /
           DNS(id=1, qr=1, qd=DNSQR(qname=name), an=DNSRR(rrname=name, rdata="192.0.2.99")))


def vlan():
    for size in (18, 400, 1472):
        yield Ether(src=A, dst=B) / Dot1Q(vlan=100, prio=5) / IP(src=IP_A, dst=IP_B) / UDP(sport=1, dport=2) / bulk(size)
    yield Ether(src=PLC, dst="01:00:5e:00:00:fb") / Dot1Q(vlan=7, prio=6) / IP(src=IP_B, dst="224.0.0.251", ttl=1) / \
        UDP(sport=5353, dport=5353) / bulk(90)


def ipv6():
    yield Ether(src=A, dst="33:33:ff:00:00:20") / IPv6(src=IP6_A, dst="ff02::1:ff00:20", hlim=255) / \
        ICMPv6ND_NS(tgt=IP6_B) / ICMPv6NDOptSrcLLAddr(lladdr=A)
    yield Ether(src=B, dst=A) / IPv6(src=IP6_B, dst=IP6_A, hlim=255) / ICMPv6ND_NA(tgt=IP6_B, S=1, O=1) / \
        ICMPv6NDOptDstLLAddr(lladdr=B)
    for seq in range(2):
        yield Ether(src=A, dst=B) / IPv6(src=IP6_A, dst=IP6_B) / ICMPv6EchoRequest(id=9, seq=seq, data=bytes(64))


def ethercat():
    """Cyclic process data: logical read-write, then a distributed-clock read, as a master sends them."""
    for cycle in range(12):
        process = bytes(noise.randrange(256) for _ in range(128 if cycle % 4 else 1024))
        lrw = struct.pack("<BBIHH", 12, cycle, 0x10000, len(process) | 0x8000, 0) + process + struct.pack("<H", 3)
        frmw = struct.pack("<BBHHHH", 14, cycle, 0, 0x910, 8, 0) + bytes(8) + struct.pack("<H", 1)
        body = struct.pack("<H", (len(lrw) + len(frmw)) | 1 << 12) + lrw + frmw
        yield Ether(src=PLC, dst="01:01:05:01:00:00", type=0x88A4) / Raw(body)


def main():
    v4 = IP(src=IP_A, dst=IP_B), IP(src=IP_B, dst=IP_A)
    v6 = IPv6(src=IP6_A, dst=IP6_B), IPv6(src=IP6_B, dst=IP6_A)
    ends = Ether(src=A, dst=B), Ether(src=B, dst=A)
    sizes = [1, 12, 64, 200, 536, 1024, 1400, 1460, 1460, 1460]
    parts = [arp(), ping(4), ethercat(), tcp(*ends, *v4, sizes), dns(), vlan(), ipv6(), tcp(*ends, *v6, [12, 500, 1440])]
    parts = [list(p) for p in parts]
    frames = []
    while any(parts):  # interleaved, as on a busy wire
        for part in parts:
            frames += part[:2]
            del part[:2]
    for i, frame in enumerate(frames):
        frame.time = 1_700_000_000 + i * 0.000_25
    wrpcap(sys.argv[1] if len(sys.argv) > 1 else "mix.pcap", frames)
    print(f"{len(frames)} frames")


main()

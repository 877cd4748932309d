"""Ethernet frames as bytes, made and sent and watched without any kernel's network stack: hosts that say nothing of
themselves, so that whatever moves in a test's network is what the test sent.

RFC 791 and 8200 (IP), 768 (UDP), 9293 (TCP), 9260 (SCTP), 792 and 4443 (ICMP), 826 (ARP), 4861 (neighbors).
"""

from __future__ import annotations

import contextlib
import ipaddress
import select
import socket
import struct
import time
from collections.abc import Iterable, Mapping

from segue.lab import namespace
from segue.lab.spec import LabHost, LabPort
from segue.packet.addresses import parse_mac

from .fabric import Fabric, mac_of

ICMP, TCP, UDP, ICMP6, SCTP = 1, 6, 17, 58, 132
_OUTGOING = 4
QUIET = 0.2
"""Seconds without a frame after which no more are expected."""


def silent(name: str, node: str) -> LabHost:
    """A host with one port of which its kernel knows nothing but the MAC address."""
    return LabHost(name, node, (LabPort(name, mac_of(name)),))


def mac(text: str) -> bytes:
    return parse_mac(text).to_bytes(6, "big")


def of(port: str) -> bytes:
    return mac(mac_of(port))


def ip(text: str) -> bytes:
    return ipaddress.ip_address(text).packed


def checksum(data: bytes) -> int:
    """RFC 1071."""
    words: tuple[int, ...] = struct.unpack(f"!{(len(data) + 1) // 2}H", data + b"\0" * (len(data) % 2))
    total = sum(words)
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ether(source: bytes, target: bytes, ethertype: int, payload: bytes) -> bytes:
    return target + source + ethertype.to_bytes(2, "big") + payload.ljust(46, b"\0")


def packet(source: bytes, target: bytes, protocol: int, payload: bytes, ttl: int = 64) -> tuple[int, bytes]:
    """(EtherType, IP packet); the family follows from the addresses' length."""
    if len(source) == 4:
        head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 1, 0, ttl, protocol, 0) + source + target
        return 0x0800, head[:10] + checksum(head).to_bytes(2, "big") + head[12:] + payload
    return 0x86DD, struct.pack("!IHBB", 6 << 28, len(payload), protocol, ttl) + source + target + payload


def segment(source: bytes, target: bytes, protocol: int, ports: tuple[int, int], data: bytes) -> bytes:
    """What IP carries, with its checksum. For ICMP ``ports`` are type and code, and ``data`` all that follows."""
    if protocol == UDP:
        head, at = struct.pack("!HHHH", *ports, 8 + len(data), 0), 6
    elif protocol == TCP:  # of an established connection
        head, at = struct.pack("!HHIIHHHH", *ports, 7, 9, 0x5018, 1000, 0, 0), 16
    elif protocol in (ICMP, ICMP6):
        head, at = struct.pack("!BBH", *ports, 0), 2
    elif protocol == SCTP:  # one chunk of data; its checksum is nobody's business here
        chunk = struct.pack("!BBHIHHI", 0, 3, 16 + len(data), 1, 0, 0, 0) + data
        return struct.pack("!HHII", *ports, 5, 0) + chunk
    else:
        return data
    whole = head + data
    pseudo = b"" if protocol == ICMP else source + target + struct.pack("!IHBB", len(whole), 0, 0, protocol)
    value = checksum(pseudo + whole) or (0xFFFF if protocol == UDP else 0)
    return whole[:at] + value.to_bytes(2, "big") + whole[at + 2 :]


def datagram(
    from_mac: bytes,
    to_mac: bytes,
    source: str,
    target: str,
    data: bytes,
    protocol: int = UDP,
    ports: tuple[int, int] | None = None,
    ttl: int = 64,
) -> bytes:
    """A whole frame; ICMP asks for an echo where ``ports`` say nothing else."""
    ports = ports or {ICMP: (8, 0), ICMP6: (128, 0)}.get(protocol, (4000, 7000))
    start, end = ip(source), ip(target)
    return ether(from_mac, to_mac, *packet(start, end, protocol, segment(start, end, protocol, ports, data), ttl))


def fragments(from_mac: bytes, to_mac: bytes, source: str, target: str, carried: bytes, first: int) -> list[bytes]:
    """A UDP segment in two frames, the second from offset ``first`` (a multiple of 8) on."""
    start, end = ip(source), ip(target)
    found = []
    for offset, part, more in ((0, carried[:first], 1), (first, carried[first:], 0)):
        if len(start) == 4:
            kind, whole = packet(start, end, UDP, part)
            head = whole[:6] + (more << 13 | offset >> 3).to_bytes(2, "big") + whole[8:10] + bytes(2) + whole[12:20]
            whole = head[:10] + checksum(head).to_bytes(2, "big") + head[12:] + part
        else:
            kind, whole = packet(start, end, 44, struct.pack("!BBHI", UDP, 0, offset | more, 7) + part)
        found.append(ether(from_mac, to_mac, kind, whole))
    return found


def arp(operation: int, sender: tuple[bytes, str], target: tuple[bytes, str], to_mac: bytes = b"\xff" * 6) -> bytes:
    """1: request; 2: reply. Sender and target as (MAC, IPv4 address)."""
    body = struct.pack("!HHBBH", 1, 0x0800, 6, 4, operation) + sender[0] + ip(sender[1]) + target[0] + ip(target[1])
    return ether(sender[0], to_mac, 0x0806, body)


def solicitation(sender: tuple[bytes, str], target: str) -> bytes:
    """A neighbor solicitation (RFC 4861 section 4.3) to the target's solicited-node address."""
    low = ip(target)[13:]
    group = ip("ff02::1:ff00:0")[:13] + low
    body = bytes(4) + ip(target) + b"\x01\x01" + sender[0]
    carried = segment(ip(sender[1]), group, ICMP6, (135, 0), body)
    return ether(sender[0], b"\x33\x33\xff" + low, *packet(ip(sender[1]), group, ICMP6, carried, 255))


def advertisement(
    from_mac: bytes, to_mac: bytes, source: str, target: str, address: str, owner: bytes, flags: int = 0x60
) -> bytes:
    """A neighbor advertisement (RFC 4861 section 4.4): ``address`` is ``owner``'s, says ``source`` to ``target``."""
    body = bytes([flags, 0, 0, 0]) + ip(address) + b"\x02\x01" + owner
    carried = segment(ip(source), ip(target), ICMP6, (136, 0), body)
    return ether(from_mac, to_mac, *packet(ip(source), ip(target), ICMP6, carried, 255))


class Wire:
    """An interface of a host: sends frames, and keeps those that come in by it."""

    def __init__(self, fabric: Fabric, member: str, interface: str = "eth0") -> None:
        def make() -> socket.socket:
            sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
            sock.setsockopt(socket.SOL_SOCKET, 33, 8 << 20)  # SO_RCVBUFFORCE
            request = struct.pack("iHH8s", socket.if_nametoindex(interface), 1, 0, b"")
            sock.setsockopt(263, 1, request)  # SOL_PACKET, PACKET_ADD_MEMBERSHIP: promiscuous
            sock.setblocking(False)
            sock.bind((interface, 3))
            return sock

        self.sock = namespace.inside(fabric.lab.namespace(member), make)

    def send(self, *frames: bytes) -> None:
        for frame in frames:
            self.sock.send(frame)

    def receive(self) -> list[bytes]:
        """What has come in since."""
        found = []
        with contextlib.suppress(BlockingIOError):
            while True:
                frame, address = self.sock.recvfrom(65535)
                if address[2] != _OUTGOING:
                    found.append(frame)
        return found

    def close(self) -> None:
        self.sock.close()


def watch(wires: Mapping[str, Wire], expected: int, within: float = 2.0) -> dict[str, list[bytes]]:
    """By wire, what arrives until ``expected`` frames are there and none has come for QUIET seconds."""
    poll = select.poll()
    names = {wire.sock.fileno(): name for name, wire in wires.items()}
    for fd in names:
        poll.register(fd, select.POLLIN)
    found: dict[str, list[bytes]] = {name: [] for name in wires}
    end, last = time.monotonic() + within, time.monotonic()
    while time.monotonic() < end:
        if sum(map(len, found.values())) >= expected and time.monotonic() - last > QUIET:
            break
        for fd, _ in poll.poll(20):
            found[names[fd]] += wires[names[fd]].receive()
            last = time.monotonic()
    return found


def containing(frames: Iterable[bytes], text: bytes) -> list[bytes]:
    return [frame for frame in frames if text in frame]

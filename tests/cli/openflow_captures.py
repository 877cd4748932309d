"""Captures made by hand: TCP segments as one wants them, in the formats and on the links that there are."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address
from struct import pack
from typing import NamedTuple

FIN, SYN, RST, PUSH, ACK = 1, 2, 4, 8, 16
SWITCH, CONTROLLER = ("10.0.0.2", 40_000), ("10.0.0.1", 6653)
SWITCH6, CONTROLLER6 = ("2001:db8::2", 40_000), ("2001:db8::1", 6653)


class Segment(NamedTuple):
    source: tuple[str, int]
    destination: tuple[str, int]
    sequence: int
    data: bytes = b""
    flags: int = PUSH | ACK
    acknowledged: int = 0


def ip_packet(segment: Segment) -> bytes:
    ports, numbers = (
        (segment.source[1], segment.destination[1]),
        (segment.sequence % 2**32, segment.acknowledged % 2**32),
    )
    head = pack(">HHIIBBHHH", *ports, *numbers, 5 << 4, segment.flags, 0xFFFF, 0, 0)
    tcp = head + segment.data
    source, destination = (ip_address(end[0]).packed for end in (segment.source, segment.destination))
    if len(source) == 16:
        return pack(">IHBB16s16s", 6 << 28, len(tcp), 6, 64, source, destination) + tcp
    return pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(tcp), 0, 0, 64, 6, 0, source, destination) + tcp


def frame(segment: Segment, link: int = 1, tags: Sequence[int] = ()) -> bytes:
    packet = ip_packet(segment)
    kind = pack(">H", 0x86DD if packet[0] >> 4 == 6 else 0x0800)
    tagged = b"".join(pack(">HH", 0x8100, tag) for tag in tags) + kind
    if link == 1:
        return (bytes(12) + tagged + packet).ljust(60, b"\x55")
    heads = {113: bytes(14) + tagged, 276: kind + bytes(18), 0: pack("<I", 2), 108: pack(">I", 2), 101: b""}
    return heads[link] + packet


def pcap(frames: Sequence[bytes], *, link: int = 1, order: str = "<", nano: bool = False, snaplen: int = 0) -> bytes:
    magic = 0xA1B23C4D if nano else 0xA1B2C3D4
    parts = [pack(order + "IHHiIII", magic, 2, 4, 0, 0, snaplen or 0x40000, link)]
    for number, data in enumerate(frames):
        caught = data[: snaplen or None]
        fraction = 250_000 * (1000 if nano else 1)
        parts.append(pack(order + "IIII", 1_700_000_000 + number, fraction, len(caught), len(data)) + caught)
    return b"".join(parts)


def pcapng(frames: Sequence[bytes], *, link: int = 1, order: str = "<", simple: bool = False) -> bytes:
    """Times count in 2**-20 seconds, and from an hour after 1970, to see that both options are read."""

    def block(kind: int, body: bytes) -> bytes:
        size = 12 + len(body) + -len(body) % 4
        return pack(order + "II", kind, size) + body + bytes(-len(body) % 4) + pack(order + "I", size)

    options = pack(order + "HHB3xHHq", 9, 1, 0x80 | 20, 14, 8, 3600) + bytes(4)
    parts = [
        block(0x0A0D0D0A, pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1)),
        block(1, pack(order + "HHI", link, 0, 0) + options),
        block(5, bytes(12)),
    ]
    for number, data in enumerate(frames):
        if simple:
            parts.append(block(3, pack(order + "I", len(data)) + data))
        else:
            at = (1_700_000_000 + number - 3600) << 20 | 1 << 18
            parts.append(block(6, pack(order + "IIIII", 0, at >> 32, at & 0xFFFFFFFF, len(data), len(data)) + data))
    return b"".join(parts)


def conversation(
    said: Sequence[tuple[str, bytes]], *, syn: bool = True, size: int = 1400, six: bool = False
) -> list[Segment]:
    """Segments of a connection on which `said` is said by "switch" and "controller", one after another."""
    ends = {"switch": SWITCH6 if six else SWITCH, "controller": CONTROLLER6 if six else CONTROLLER}
    at = {"switch": 2**32 - 30, "controller": 1000}
    other = {"switch": "controller", "controller": "switch"}
    found: list[Segment] = []
    if syn:
        found.append(Segment(ends["switch"], ends["controller"], at["switch"] - 1, flags=SYN))
        answer = Segment(ends["controller"], ends["switch"], at["controller"] - 1, b"", SYN | ACK, at["switch"])
        found.append(answer)
    for side, data in said:
        for start in range(0, len(data), size):
            part = data[start : start + size]
            found.append(Segment(ends[side], ends[other[side]], at[side], part, acknowledged=at[other[side]]))
            at[side] += len(part)
    return found

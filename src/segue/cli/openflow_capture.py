"""Packets out of capture files: classic pcap (draft-ietf-opsawg-pcap) and pcapng (draft-ietf-opsawg-pcapng).

Files are read record by record, never whole, and no length in them is believed beyond what libpcap itself allows for
a packet. `packets` goes on to the end of the file; where a file is cut off in the middle of a record, as after a full
disk, or is damaged, it raises `CaptureError`, and everything before has been given.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from typing import BinaryIO, NamedTuple

LARGEST = 1 << 18
"""Octets of one packet: libpcap's MAXIMUM_SNAPLEN."""
_LARGEST_BLOCK = 16 << 20

_CLASSIC = {0xA1B2C3D4: 1_000_000, 0xA1B23C4D: 1_000_000_000}
_SECTION, _INTERFACE, _OLD_PACKET, _SIMPLE, _ENHANCED = 0x0A0D0D0A, 1, 2, 3, 6
_BYTE_ORDER = 0x1A2B3C4D
_OPTION_RESOLUTION, _OPTION_OFFSET = 9, 14


class CaptureError(Exception):
    """The file is no capture, or is damaged. What was before has been given."""


class Packet(NamedTuple):
    """`time` in microseconds since 1970, UTC; 0 where the file says none. `length` is what the packet had on the
    wire, of which `data` may be the beginning. `link` is a LINKTYPE number. `number` counts from 1, as other tools
    do."""

    number: int
    time: int
    link: int
    length: int
    data: bytes


def is_capture(head: bytes) -> bool:
    """Whether a file that begins with these four octets is one."""
    numbers = {int.from_bytes(head[:4], "big"), int.from_bytes(head[:4], "little")}
    return len(head) >= 4 and not numbers.isdisjoint({*_CLASSIC, _SECTION})


def packets(file: BinaryIO) -> Iterator[Packet]:
    head = file.read(4)
    if not is_capture(head):
        raise CaptureError("this is neither a pcap nor a pcapng file")
    if int.from_bytes(head, "big") == _SECTION:
        return _blocks(file)
    order = "<" if int.from_bytes(head, "little") in _CLASSIC else ">"
    return _records(file, order, _CLASSIC[int.from_bytes(head, "little" if order == "<" else "big")])


def _records(file: BinaryIO, order: str, ticks: int) -> Iterator[Packet]:
    rest = _exactly(file, 20, "the file's header")
    link = Struct(order + "I").unpack_from(rest, 16)[0] & 0xFFFF
    record = Struct(order + "IIII")
    number = 0
    while head := file.read(record.size):
        number += 1
        if len(head) < record.size:
            raise CaptureError(f"the file ends within the header of packet {number}")
        seconds, fraction, caught, length = record.unpack(head)
        if caught > LARGEST:
            raise CaptureError(f"packet {number} claims {caught} octets; the file is damaged there")
        data = _exactly(file, caught, f"packet {number}")
        yield Packet(number, seconds * 1_000_000 + fraction * 1_000_000 // ticks, link, length, data)


class _Interface(NamedTuple):
    link: int
    snaplen: int
    ticks: int
    offset: int


def _blocks(file: BinaryIO) -> Iterator[Packet]:
    """pcapng. Sections may each have their own byte order, and interfaces of their own."""
    order = "<"
    interfaces: list[_Interface] = []
    number = 0
    head: bytes = _SECTION.to_bytes(4, "big") + file.read(4)
    while head:
        if len(head) < 8:
            raise CaptureError("the file ends within the header of a block")
        if int.from_bytes(head[:4], "big") == _SECTION:
            order = _order(file.read(4))
            interfaces = []
            kind, already = _SECTION, 12
        else:
            kind, already = Struct(order + "I").unpack_from(head)[0], 8
        size = Struct(order + "I").unpack_from(head, 4)[0]
        if size % 4 or not already + 4 <= size <= _LARGEST_BLOCK:
            raise CaptureError(f"a block behind packet {number} claims {size} octets; the file is damaged there")
        body = _exactly(file, size - already, f"a block behind packet {number}")[:-4]
        if kind == _INTERFACE:
            interfaces.append(_interface(body, order))
        elif kind in (_ENHANCED, _OLD_PACKET, _SIMPLE):
            number += 1
            yield _packet(kind, body, order, interfaces, number)
        head = file.read(8)


def _order(magic: bytes) -> str:
    for order, name in (("<", "little"), (">", "big")):
        if int.from_bytes(magic, name) == _BYTE_ORDER:  # type: ignore[arg-type]
            return order
    raise CaptureError("a section without a byte order; the file is damaged there")


def _interface(body: bytes, order: str) -> _Interface:
    if len(body) < 8:
        raise CaptureError("an interface that is not described; the file is damaged there")
    link, _, snaplen = Struct(order + "HHI").unpack_from(body)
    ticks, offset = 1_000_000, 0
    at = 8
    while len(body) - at >= 4:
        code, size = Struct(order + "HH").unpack_from(body, at)
        value = body[at + 4 : at + 4 + size]
        if code == _OPTION_RESOLUTION and value:
            ticks = 1 << (value[0] & 0x7F) if value[0] & 0x80 else 10 ** min(value[0], 30)
        elif code == _OPTION_OFFSET and len(value) == 8:
            offset = Struct(order + "q").unpack(value)[0]
        elif code == 0:
            break
        at += 4 + size + -size % 4
    return _Interface(link, snaplen, ticks, offset)


def _packet(kind: int, body: bytes, order: str, interfaces: list[_Interface], number: int) -> Packet:
    form = {_ENHANCED: "IIIII", _OLD_PACKET: "HxxIIII", _SIMPLE: "I"}[kind]
    layout = Struct(order + form)
    if len(body) < layout.size:
        raise CaptureError(f"packet {number} has no whole header; the file is damaged there")
    values = layout.unpack_from(body)
    index = 0 if kind == _SIMPLE else values[0]
    if index >= len(interfaces):
        raise CaptureError(
            f"packet {number} is of interface {index}, which is not described; the file is damaged there"
        )
    interface = interfaces[index]
    if kind == _SIMPLE:
        length = values[0]
        caught = min(length, len(body) - 4, interface.snaplen or length)
        return Packet(number, 0, interface.link, length, body[4 : 4 + caught])
    _, high, low, caught, length = values
    if caught > len(body) - layout.size:
        raise CaptureError(f"packet {number} claims {caught} octets; the file is damaged there")
    time = (high << 32 | low) * 1_000_000 // interface.ticks + interface.offset * 1_000_000
    return Packet(number, time, interface.link, length, body[layout.size : layout.size + caught])


def _exactly(file: BinaryIO, size: int, what: str) -> bytes:
    data = file.read(size)
    if len(data) < size:
        raise CaptureError(f"the file ends within {what}")
    return data

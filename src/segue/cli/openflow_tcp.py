"""TCP streams out of captured packets: each direction of a connection in order, without repetitions.

Ethernet (with VLAN tags), Linux cooked (both versions), loopback and bare IP are read; IPv4 and IPv6 with the extension
headers that may stand before TCP. Fragments of IP and everything else are passed over.

A direction holds what came too early, up to `WINDOW` octets. If the missing part does not come (it was not captured,
or a packet was cut by the capture's own limit), or a capture begins in the middle of a connection, the stream goes on
behind the gap, and says that there is one: an OpenFlow message may then begin anywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from struct import Struct
from typing import NamedTuple

from segue.cli.openflow_capture import Packet

WINDOW = 1 << 20
_MANY = 4096

_ETHERNET, _COOKED, _COOKED2, _NULL, _LOOP = 1, 113, 276, 0, 108
_IP_LINKS = (12, 14, 101, 228, 229)
_TAGS = (0x8100, 0x88A8, 0x9100)
_IPV4, _IPV6 = 0x0800, 0x86DD
_TCP = 6
_EXTENSIONS = (0, 43, 60, 135)
_FIN, _SYN, _RST = 1, 2, 4
_HALF, _WHOLE = 1 << 31, 1 << 32

_TCP_HEAD = Struct(">HHIIBB")


class Segment(NamedTuple):
    """`size` counts the payload on the wire, of which `data` may be the beginning."""

    source: tuple[str, int]
    destination: tuple[str, int]
    sequence: int
    flags: int
    data: bytes
    size: int


class Chunk(NamedTuple):
    """The next octets of a direction. `gap`: octets before it are missing (-1: nobody knows how many). `begin`: the
    connection begins here; `end`: it is over."""

    source: str
    destination: str
    connection: int
    time: int
    data: bytes
    gap: int = 0
    begin: bool = False
    end: bool = False


def segment(packet: Packet) -> Segment | None:
    """The TCP segment in a packet, None where it has none (or is cut off before one could tell)."""
    found = _network(packet)
    if found is None:
        return None
    kind, at = found
    data = packet.data
    source: tuple[str, int] | None
    if kind == _IPV4:
        located = _ipv4(data, at)
    elif kind == _IPV6:
        located = _ipv6(data, at)
    else:
        return None
    if located is None:
        return None
    source_host, destination_host, at, size = located
    if len(data) - at < 20:
        return None
    source_port, destination_port, sequence, _, offset, flags = _TCP_HEAD.unpack_from(data, at)
    head = (offset >> 4) * 4
    if head < 20 or (size and size < head):
        return None
    length = size - head if size else packet.length - at - head
    source = (source_host, source_port)
    return Segment(
        source,
        (destination_host, destination_port),
        sequence,
        flags,
        data[at + head : at + head + length],
        max(length, 0),
    )


def _network(packet: Packet) -> tuple[int, int] | None:
    """EtherType and where the network's header begins."""
    data, link = packet.data, packet.link
    if link == _ETHERNET:
        return _tagged(data, 12)
    if link == _COOKED:
        return _tagged(data, 14)
    if link == _COOKED2:
        return None if len(data) < 20 else _untagged(data, int.from_bytes(data[:2], "big"), 20)
    at = 4 if link in (_NULL, _LOOP) else 0
    if link not in (_NULL, _LOOP, *_IP_LINKS) or len(data) <= at:
        return None
    return {4: (_IPV4, at), 6: (_IPV6, at)}.get(data[at] >> 4)


def _tagged(data: bytes, at: int) -> tuple[int, int] | None:
    return None if len(data) < at + 2 else _untagged(data, int.from_bytes(data[at : at + 2], "big"), at + 2)


def _untagged(data: bytes, kind: int, at: int) -> tuple[int, int] | None:
    while kind in _TAGS:
        if len(data) < at + 4:
            return None
        kind = int.from_bytes(data[at + 2 : at + 4], "big")
        at += 4
    return kind, at


def _ipv4(data: bytes, at: int) -> tuple[str, str, int, int] | None:
    """Source, destination, where TCP begins, and how many octets it has (0: not said, as in packets that were
    merged)."""
    if len(data) - at < 20:
        return None
    head = (data[at] & 15) * 4
    total = int.from_bytes(data[at + 2 : at + 4], "big")
    fragment = int.from_bytes(data[at + 6 : at + 8], "big")
    if head < 20 or data[at + 9] != _TCP or fragment & 0x3FFF or (total and total < head):
        return None
    source, destination = (".".join(map(str, data[at + n : at + n + 4])) for n in (12, 16))
    return source, destination, at + head, total - head if total else 0


def _ipv6(data: bytes, at: int) -> tuple[str, str, int, int] | None:
    if len(data) - at < 40:
        return None
    from ipaddress import IPv6Address

    source, destination = (f"[{IPv6Address(data[at + n : at + n + 16])}]" for n in (8, 24))
    size, kind = int.from_bytes(data[at + 4 : at + 6], "big"), data[at + 6]
    at += 40
    end = at + size
    while kind in _EXTENSIONS:
        if len(data) - at < 8:
            return None
        kind, at = data[at], at + 8 + data[at + 1] * 8
    return (source, destination, at, max(end - at, 0) if size else 0) if kind == _TCP else None


class _Direction:
    """One side's octets. `expected` is the sequence number that comes next, None before the first."""

    def __init__(self) -> None:
        self.expected: int | None = None
        self.early: dict[int, tuple[bytes, int]] = {}
        self.held = 0
        self.missing = 0

    def start(self, sequence: int) -> None:
        self.expected = sequence
        self.early.clear()
        self.held = self.missing = 0

    def take(self, sequence: int, data: bytes, size: int) -> Iterator[tuple[bytes, int]]:
        """What can be given on now: octets, and how many are missing before them."""
        if self.expected is None:
            self.expected = sequence
            self.missing = -1
        ahead = (sequence - self.expected + _HALF) % _WHOLE - _HALF
        if ahead > 0:
            known = self.early.get(sequence)
            if known is None or len(known[0]) < len(data):
                self.held += len(data) - (len(known[0]) if known else 0)
                self.early[sequence] = (data, size)
            if self.held > WINDOW or len(self.early) > _MANY:
                yield from self.skip()
            return
        if ahead + size > 0:
            yield from self._give(data[-ahead:], ahead + size)
        yield from self._follow()

    def skip(self) -> Iterator[tuple[bytes, int]]:
        """Gives up waiting for what is missing before the nearest that came early."""
        while self.early and self.held > WINDOW // 2:
            yield from self._jump()
        yield from self._follow()

    def finish(self) -> Iterator[tuple[bytes, int]]:
        while self.early:
            yield from self._jump()

    def _jump(self) -> Iterator[tuple[bytes, int]]:
        assert self.expected is not None
        base = self.expected
        nearest = min(self.early, key=lambda sequence: (sequence - base) % _WHOLE)
        gap = (nearest - base) % _WHOLE
        self.missing = self.missing if self.missing < 0 else self.missing + gap
        self.expected = nearest
        yield from self._follow()

    def _follow(self) -> Iterator[tuple[bytes, int]]:
        while self.early:
            assert self.expected is not None
            base = self.expected
            ready = [s for s in self.early if (s - base + _HALF) % _WHOLE - _HALF <= 0]
            if not ready:
                return
            sequence = min(ready, key=lambda s: (s - base + _HALF) % _WHOLE)
            data, size = self.early.pop(sequence)
            self.held -= len(data)
            ahead = (sequence - base + _HALF) % _WHOLE - _HALF
            if ahead + size > 0:
                yield from self._give(data[-ahead:] if ahead else data, ahead + size)

    def _give(self, data: bytes, size: int) -> Iterator[tuple[bytes, int]]:
        """`size` octets were sent, and the first of them are here."""
        assert self.expected is not None
        self.expected = (self.expected + size) % _WHOLE
        if data:
            missing, self.missing = self.missing, 0
            yield data, missing
        if len(data) < size and self.missing >= 0:
            self.missing += size - len(data)


class Streams:
    """All connections of a capture that have `wanted` ports, put together packet by packet. `note` is told, once per
    kind, what is not as it should be in the capture."""

    def __init__(self, wanted: frozenset[int], note: Callable[[str], None]) -> None:
        self._wanted = wanted
        self._note = note
        self._directions: dict[tuple[tuple[str, int], tuple[str, int]], _Direction] = {}
        self._connections: dict[frozenset[tuple[str, int]], int] = {}
        self._count = 0
        self._cut = 0
        self._last = 0

    def packet(self, packet: Packet) -> Iterator[Chunk]:
        found = segment(packet)
        if found is None or self._wanted.isdisjoint((found.source[1], found.destination[1])):
            return
        self._last = packet.time
        if len(found.data) < found.size:
            self._cut += 1
            if self._cut == 1:
                self._note(
                    f"packet {packet.number} was captured with {len(packet.data)} of its {packet.length} octets: "
                    "messages in such packets are lost; capture with `tcpdump -s 0`"
                )
        both = frozenset((found.source, found.destination))
        key = (found.source, found.destination)
        if found.flags & _SYN and not (found.flags & 16 and both in self._connections):
            yield from self._end(found.source, found.destination, packet.time)
            self._connections.pop(both, None)
        if both not in self._connections:
            self._count += 1
            self._connections[both] = self._count
        direction = self._directions.setdefault(key, _Direction())
        sequence = found.sequence
        if found.flags & _SYN:
            sequence = (sequence + 1) % _WHOLE
            if direction.expected is None:
                direction.start(sequence)
                yield self._chunk(key, packet.time, b"", begin=True)
        if found.size:
            for data, missing in direction.take(sequence, found.data, found.size):
                yield self._chunk(key, packet.time, data, missing)
        if found.flags & _RST:
            yield from self._end(found.source, found.destination, packet.time)

    def finish(self) -> Iterator[Chunk]:
        """Everything that still waits for something, at the capture's end."""
        for key, direction in list(self._directions.items()):
            for data, missing in direction.finish():
                yield self._chunk(key, self._last, data, missing)
            yield self._chunk(key, self._last, b"", end=True)

    def _end(self, one: tuple[str, int], other: tuple[str, int], time: int) -> Iterator[Chunk]:
        for key in ((one, other), (other, one)):
            direction = self._directions.pop(key, None)
            if direction is not None:
                for data, missing in direction.finish():
                    yield self._chunk(key, time, data, missing)
                yield self._chunk(key, time, b"", end=True)

    def _chunk(
        self,
        key: tuple[tuple[str, int], tuple[str, int]],
        time: int,
        data: bytes,
        gap: int = 0,
        *,
        begin: bool = False,
        end: bool = False,
    ) -> Chunk:
        source, destination = (f"{host}:{port}" for host, port in key)
        return Chunk(source, destination, self._connections.get(frozenset(key), 0), time, data, gap, begin, end)

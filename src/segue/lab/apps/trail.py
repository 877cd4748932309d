"""Sequenced packets: their payload, the logs of those who send and receive them, and what the logs say.

Payload, big-endian:   "SEGUEseq" | u64 sequence | u8 count | 32 function ids, count of them valid | padding
Sender's log:          "SEGUEtx1", then per packet   u64 sequence, u64 time, u16 source port
Receiver's log:        "SEGUErx1", then per packet   u64 sequence, u64 time, u16 source port, u8 count, the ids

Times are nanoseconds of the monotonic clock, which all of a machine's namespaces share. Sequences begin at 0
for each sender: give each sender a receiver of its own. A log whose writer was killed may end within a record;
that record is left out.
"""

from __future__ import annotations

import struct
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

MAGIC = b"SEGUEseq"
LARGEST_TRAIL = 32
_HEAD = struct.Struct("!8sQB")
SMALLEST = _HEAD.size + LARGEST_TRAIL
_COUNT = 16
_SENT_MAGIC, _RECEIVED_MAGIC = b"SEGUEtx1", b"SEGUErx1"
_SENT = struct.Struct("!QQH")
_RECEIVED = struct.Struct("!QQHB")


def payload(sequence: int, size: int = SMALLEST) -> bytes:
    """``size`` in bytes, at least SMALLEST."""
    return _HEAD.pack(MAGIC, sequence, 0).ljust(max(size, SMALLEST), b"\0")


def parse(data: bytes) -> tuple[int, bytes] | None:
    """Sequence and trail; None when it is something else."""
    if len(data) < SMALLEST or data[:8] != MAGIC:
        return None
    _, sequence, count = _HEAD.unpack_from(data)
    return sequence, data[_HEAD.size : _HEAD.size + min(count, LARGEST_TRAIL)]


def stamped(data: bytes, identity: int) -> bytes | None:
    """The payload with one more id, as long as before; None when it is something else, or full."""
    if len(data) < SMALLEST or data[:8] != MAGIC or data[_COUNT] >= LARGEST_TRAIL:
        return None
    count = data[_COUNT]
    at = _HEAD.size + count
    return b"%b%c%b%c%b" % (data[:_COUNT], count + 1, data[_HEAD.size : at], identity, data[at + 1 :])


class _Log:
    """Appends to memory; ``flush`` writes. Made anew: an older file of the name is overwritten."""

    def __init__(self, path: Path, magic: bytes) -> None:
        self._file = path.open("wb", buffering=0)
        self._file.write(magic)
        self._pending = bytearray()

    def flush(self) -> None:
        if self._pending:
            self._file.write(self._pending)
            self._pending.clear()

    def close(self) -> None:
        self.flush()
        self._file.close()


class SentLog(_Log):
    def __init__(self, path: Path) -> None:
        super().__init__(path, _SENT_MAGIC)

    def add(self, sequence: int, time: int, port: int) -> None:
        self._pending += _SENT.pack(sequence, time, port)


class ReceivedLog(_Log):
    def __init__(self, path: Path) -> None:
        super().__init__(path, _RECEIVED_MAGIC)

    def add(self, sequence: int, time: int, port: int, trail: bytes) -> None:
        self._pending += _RECEIVED.pack(sequence, time, port, len(trail)) + trail


@dataclass(frozen=True)
class Sent:
    sequence: int
    time: int
    port: int


@dataclass(frozen=True)
class Arrival:
    """``trail``: the ids of the functions met, in order. ``port``: the source port as received."""

    sequence: int
    time: int
    port: int
    trail: tuple[int, ...]


def read_sent(path: Path) -> list[Sent]:
    data = _body(path, _SENT_MAGIC)
    whole = len(data) - len(data) % _SENT.size
    return [Sent(*record) for record in _SENT.iter_unpack(data[:whole])]


def read_received(path: Path) -> list[Arrival]:
    data, at, found = _body(path, _RECEIVED_MAGIC), 0, []
    while at + _RECEIVED.size <= len(data):
        sequence, time, port, count = _RECEIVED.unpack_from(data, at)
        at += _RECEIVED.size + count
        if at > len(data):
            break
        found.append(Arrival(sequence, time, port, tuple(data[at - count : at])))
    return found


def _body(path: Path, magic: bytes) -> bytes:
    data = path.read_bytes()
    if data[:8] != magic:
        raise ValueError(f"{path} is not a log of this kind")
    return data[8:]


@dataclass(frozen=True)
class Summary:
    """``received`` counts distinct sequences, ``duplicates`` the arrivals beyond. ``lost`` lists sequences.
    ``late``: arrivals after one with a higher sequence of the same source port. ``outage``: the longest
    time in seconds over which every packet sent was lost. ``trails`` counts arrivals per trail."""

    sent: int
    received: int
    duplicates: int
    late: int
    outage: float
    lost: list[int] = field(repr=False)
    trails: Counter[tuple[int, ...]]
    arrivals: list[Arrival] = field(repr=False)


def summary(sent_log: Path, received_log: Path) -> Summary:
    sent, arrivals = read_sent(sent_log), read_received(received_log)
    there = {a.sequence for a in arrivals}
    highest: dict[int, int] = {}
    late = 0
    for arrival in arrivals:
        if arrival.sequence < highest.get(arrival.port, -1):
            late += 1
        highest[arrival.port] = max(arrival.sequence, highest.get(arrival.port, -1))
    return Summary(
        sent=len(sent),
        received=len(there),
        duplicates=len(arrivals) - len(there),
        late=late,
        outage=_outage(sent, there),
        lost=[s.sequence for s in sent if s.sequence not in there],
        trails=Counter(a.trail for a in arrivals),
        arrivals=arrivals,
    )


def _outage(sent: list[Sent], there: set[int]) -> float:
    """From the first lost packet of a run to the next one that came through, or to the last one sent."""
    longest, since = 0, None
    for packet in sent:
        if packet.sequence not in there:
            since = packet.time if since is None else since
            longest = max(longest, packet.time - since)
        elif since is not None:
            longest, since = max(longest, packet.time - since), None
    return longest / 1e9

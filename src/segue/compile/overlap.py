"""Whether two classifiers can match one packet, and finding those that do among many.

The index is a tuple space search as in a switch's own classifier: entries are grouped by *shape*, which says
which exact fields and which prefix lengths they give. Two entries of two shapes can only overlap if they agree on
what both shapes give, so for a pair of shapes the candidates are found by hashing; shapes are few however many
entries there are. What hashing cannot decide, port ranges, is compared one by one.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator

from segue.model.path import Entry, Headers
from segue.packet.addresses import Prefix

Shape = tuple[bool, bool, int, int, bool, bool, bool]
Key = tuple[Hashable, ...]


def headers_overlap(a: Headers, b: Headers) -> bool:
    """Whether some packet has both sets of headers."""
    return (
        a.ethertype == b.ethertype
        and (a.protocol == b.protocol or a.protocol < 0 or b.protocol < 0)
        and (a.source is None or b.source is None or a.source.overlaps(b.source))
        and (a.destination is None or b.destination is None or a.destination.overlaps(b.destination))
        and _ranges_meet(a.source_ports, b.source_ports)
        and _ranges_meet(a.destination_ports, b.destination_ports)
        and (a.destination_mac == b.destination_mac or a.destination_mac is None or b.destination_mac is None)
    )


def entries_overlap(a: Entry, b: Entry) -> bool:
    """Whether some packet matches both, coming in by the same port or from behind the same chain."""
    return (
        a.network == b.network
        and a.behind == b.behind
        and (a.source_port == b.source_port or not a.source_port or not b.source_port)
        and headers_overlap(a.headers, b.headers)
    )


def _ranges_meet(a: tuple[int, int] | None, b: tuple[int, int] | None) -> bool:
    return a is None or b is None or (a[0] <= b[1] and b[0] <= a[1])


def _shape(entry: Entry) -> Shape:
    h = entry.headers
    return (
        bool(entry.source_port),
        h.protocol >= 0,
        h.source.length if h.source else -1,
        h.destination.length if h.destination else -1,
        _exact(h.source_ports),
        _exact(h.destination_ports),
        h.destination_mac is not None,
    )


def _exact(ports: tuple[int, int] | None) -> bool:
    return ports is not None and ports[0] == ports[1]


def _common(a: Shape, b: Shape) -> Shape:
    return (a[0] and b[0], a[1] and b[1], min(a[2], b[2]), min(a[3], b[3]), a[4] and b[4], a[5] and b[5], a[6] and b[6])


def _cut(prefix: Prefix | None, length: int) -> Hashable:
    return None if prefix is None or length < 0 else prefix.value >> (prefix.bits - length)


def _key(entry: Entry, shape: Shape) -> Key:
    h = entry.headers
    return (
        entry.network,
        entry.behind,
        entry.precedence,
        h.ethertype,
        entry.source_port if shape[0] else None,
        h.protocol if shape[1] else None,
        _cut(h.source, shape[2]),
        _cut(h.destination, shape[3]),
        h.source_ports if shape[4] else None,
        h.destination_ports if shape[5] else None,
        h.destination_mac if shape[6] else None,
    )


class OverlapIndex:
    """Entries of many chains; ``conflicts`` finds those of other chains at the same precedence that overlap one.

    A set: a chain may name an entry twice, as one whose two directions mean the same packets does.
    """

    def __init__(self) -> None:
        self._shapes: dict[Shape, dict[tuple[str, Entry], None]] = {}
        self._tables: dict[tuple[Shape, Shape], dict[Key, dict[tuple[str, Entry], None]]] = {}
        """(shape of the entries, shape of the key) -> key -> entries; made when first asked for."""

    def add(self, chain: str, entry: Entry) -> None:
        shape = _shape(entry)
        self._shapes.setdefault(shape, {})[chain, entry] = None
        for (of, by), table in self._tables.items():
            if of == shape:
                table.setdefault(_key(entry, by), {})[chain, entry] = None

    def remove(self, chain: str, entry: Entry) -> None:
        shape = _shape(entry)
        if (chain, entry) not in self._shapes.get(shape, {}):
            return
        del self._shapes[shape][chain, entry]
        for (of, by), table in self._tables.items():
            if of == shape:
                table[_key(entry, by)].pop((chain, entry))
        if not self._shapes[shape]:
            del self._shapes[shape]
            for pair in [pair for pair in self._tables if pair[0] == shape]:
                del self._tables[pair]

    def conflicts(self, chain: str, entry: Entry) -> Iterator[tuple[str, Entry]]:
        mine = _shape(entry)
        for shape, entries in self._shapes.items():
            common = _common(mine, shape)
            table = self._tables.get((shape, common))
            if table is None:
                table = self._tables[shape, common] = {}
                for owned in entries:
                    table.setdefault(_key(owned[1], common), {})[owned] = None
            for other, candidate in table.get(_key(entry, common), ()):
                if other != chain and entries_overlap(entry, candidate):
                    yield other, candidate

"""Which flow classifiers can match the same packet, found without a walk over all of them.

Two classifiers overlap when each of their attributes allows a common value; an attribute that is not given allows all.
``Overlaps`` holds classifiers in parts of equal EtherType and protocol, and within a part by each further attribute:
by logical port, and by the range that a prefix or a span of ports covers. A search takes, in each part that concerns
it, the attribute that leaves the fewest candidates, and compares those one by one. Ranges are kept by class of width
(the next power of two), so that a class can be searched by its lower ends alone.
"""

from __future__ import annotations

import ipaddress
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

Range = tuple[int, int]
"""The lowest and the highest value, inclusive."""

_ALL_ADDRESSES = {"IPv4": (0, (1 << 32) - 1)}
_MOST_ADDRESSES = (0, (1 << 128) - 1)
_LAST_PORT = 65535


class Pattern(msgspec.Struct, frozen=True):
    """What a classifier matches. ``ranges``: source and destination addresses, source and destination ports."""

    ethertype: str | None
    protocol: str | None
    ports: tuple[str | None, str | None]
    ranges: tuple[Range, Range, Range, Range]


def pattern(classifier: dict[str, Any]) -> Pattern:
    ethertype = classifier["ethertype"]
    return Pattern(
        ethertype,
        classifier["protocol"],
        (classifier["logical_source_port"], classifier["logical_destination_port"]),
        (
            _addresses(classifier["source_ip_prefix"], ethertype),
            _addresses(classifier["destination_ip_prefix"], ethertype),
            _span(classifier["source_port_range_min"], classifier["source_port_range_max"]),
            _span(classifier["destination_port_range_min"], classifier["destination_port_range_max"]),
        ),
    )


def _addresses(prefix: str | None, ethertype: str | None) -> Range:
    if prefix is None:
        return _ALL_ADDRESSES.get(ethertype or "", _MOST_ADDRESSES)
    network = ipaddress.ip_network(prefix, strict=False)
    return int(network.network_address), int(network.broadcast_address)


def _span(low: int | None, high: int | None) -> Range:
    return 0 if low is None else low, _LAST_PORT if high is None else high


def overlap(one: Pattern, other: Pattern, logical: bool = True) -> bool:
    """Whether a packet can match both. ``logical``: whether the logical ports count."""
    if not (_agree(one.ethertype, other.ethertype) and _agree(one.protocol, other.protocol)):
        return False
    if logical and not all(map(_agree, one.ports, other.ports)):
        return False
    return all(a[0] <= b[1] and b[0] <= a[1] for a, b in zip(one.ranges, other.ranges, strict=True))


def _agree(one: str | None, other: str | None) -> bool:
    return one is None or other is None or one == other


class _Ranges:
    """Ranges of one attribute, by class of width: class k holds those of at most 2^k values, by their lower ends."""

    def __init__(self) -> None:
        self._classes: dict[int, list[tuple[int, str]]] = {}

    def add(self, range_: Range, id: str) -> None:
        insort(self._classes.setdefault(_width(range_), []), (range_[0], id))

    def remove(self, range_: Range, id: str) -> None:
        width = _width(range_)
        entries = self._classes[width]
        del entries[bisect_left(entries, (range_[0], id))]
        if not entries:
            del self._classes[width]

    def _slices(self, range_: Range) -> Iterator[tuple[list[tuple[int, str]], int, int]]:
        low, high = range_
        for width, entries in self._classes.items():
            start = bisect_left(entries, (low - (1 << width) + 1, ""))
            yield entries, start, bisect_right(entries, (high + 1, ""), start)

    def count(self, range_: Range) -> int:
        """How many candidates there are: no fewer than those that overlap ``range_``."""
        return sum(end - start for _, start, end in self._slices(range_))

    def candidates(self, range_: Range) -> Iterator[str]:
        for entries, start, end in self._slices(range_):
            for index in range(start, end):
                yield entries[index][1]


def _width(range_: Range) -> int:
    return (range_[1] - range_[0]).bit_length()


class _Part:
    """The classifiers of one EtherType and one protocol."""

    def __init__(self) -> None:
        self.ids: dict[str, None] = {}
        self.ports: tuple[dict[str | None, dict[str, None]], ...] = ({}, {})
        self.ranges = (_Ranges(), _Ranges(), _Ranges(), _Ranges())

    def add(self, id: str, pattern: Pattern) -> None:
        self.ids[id] = None
        for by_port, port in zip(self.ports, pattern.ports, strict=True):
            by_port.setdefault(port, {})[id] = None
        for ranges, range_ in zip(self.ranges, pattern.ranges, strict=True):
            ranges.add(range_, id)

    def remove(self, id: str, pattern: Pattern) -> None:
        del self.ids[id]
        for by_port, port in zip(self.ports, pattern.ports, strict=True):
            del by_port[port][id]
            if not by_port[port]:
                del by_port[port]
        for ranges, range_ in zip(self.ranges, pattern.ranges, strict=True):
            ranges.remove(range_, id)

    def candidates(self, pattern: Pattern, logical: bool) -> Iterator[str]:
        """A superset of the classifiers here that overlap ``pattern``."""
        fewest = len(self.ids)
        best: Callable[[], Iterator[str]] = self.ids.__iter__
        for ranges, range_ in zip(self.ranges, pattern.ranges, strict=True):
            if (count := ranges.count(range_)) < fewest:
                fewest, best = count, lambda ranges=ranges, range_=range_: ranges.candidates(range_)  # type: ignore[misc]
        for by_port, port in zip(self.ports, pattern.ports, strict=True) if logical else ():
            if port is None:
                continue
            exact, open_ = by_port.get(port, {}), by_port.get(None, {})
            if (count := len(exact) + len(open_)) < fewest:
                fewest, best = count, lambda exact=exact, open_=open_: iter([*exact, *open_])  # type: ignore[misc]
        return best()


class Overlaps:
    """A set of classifiers that can be asked which of them overlap another one. Adding twice is adding once."""

    def __init__(self, logical: bool = True) -> None:
        self.logical = logical
        self._patterns: dict[str, Pattern] = {}
        self._parts: dict[tuple[str | None, str | None], _Part] = {}

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Overlaps)
            and self._patterns == other._patterns
            and self._parts.keys() == other._parts.keys()
        )

    def __len__(self) -> int:
        return len(self._patterns)

    def add(self, id: str, pattern: Pattern) -> None:
        if id in self._patterns:
            self.remove(id)
        self._patterns[id] = pattern
        self._parts.setdefault((pattern.ethertype, pattern.protocol), _Part()).add(id, pattern)

    def remove(self, id: str) -> None:
        pattern = self._patterns.pop(id, None)
        if pattern is None:
            return
        key = (pattern.ethertype, pattern.protocol)
        part = self._parts[key]
        part.remove(id, pattern)
        if not part.ids:
            del self._parts[key]

    def find(self, pattern: Pattern) -> Iterator[str]:
        """The ids of those that overlap ``pattern``."""
        for (ethertype, protocol), part in self._parts.items():
            if _agree(ethertype, pattern.ethertype) and _agree(protocol, pattern.protocol):
                for id in part.candidates(pattern, self.logical):
                    if overlap(self._patterns[id], pattern, self.logical):
                        yield id

"""Which trails a packet may show, when the chains that apply to it change while it is on its way.

What applies to a class of packets (one stream, one source port) is a sequence of versions. A version holds from the
moment when it was asked for, and may still be met until some time after the next one was reported to be in force: the
switch's caches are brought up to date within that time. A packet was classified between its sending and its arrival, by
one version that held then, so it must show a trail of that version. And the packets of one class pass one classifier in
the order in which they were sent: once one of them has met a version, none behind it meets an earlier one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

Trail = tuple[int, ...]
NEVER = 1 << 63


@dataclass
class Version:
    """``trails``: what packets may show, one of them. ``key``: all that decides which. Times in nanoseconds."""

    trails: frozenset[Trail]
    key: object
    since: int
    until: int = NEVER


@dataclass(frozen=True)
class Seen:
    sequence: int
    sent: int
    arrived: int
    trail: Trail


@dataclass(frozen=True)
class Mixture:
    """A packet that shows what no version allowed it to, and what they would have allowed."""

    seen: Seen
    allowed: tuple[frozenset[Trail], ...]

    def __str__(self) -> str:
        allowed = "; ".join(str(sorted(trails)) for trails in self.allowed)
        sent = f"packet {self.seen.sequence} sent at {self.seen.sent / 1e9:.3f}"
        return f"{sent} met {self.seen.trail}; allowed: {allowed}"


class History:
    """The versions of one class. ``slack``: seconds for which a version may be met after the next one is in force."""

    def __init__(self, trails: frozenset[Trail], key: object, now: int, slack: float) -> None:
        self._slack = int(slack * 1e9)
        self.versions = [Version(trails, key, now)]

    def change(self, trails: frozenset[Trail], key: object, asked: int, in_force: int) -> None:
        if key == self.versions[-1].key:
            return
        self.versions[-1].until = in_force + self._slack
        self.versions.append(Version(trails, key, asked))

    def judge(self, packets: Iterable[Seen]) -> list[Mixture]:
        """Packets in the order in which they were sent; returns those that no version explains."""
        found = []
        oldest = 0
        for seen in packets:
            held = self._held(seen, oldest)
            explaining = next((number for number in held if seen.trail in self.versions[number].trails), None)
            if explaining is None:
                found.append(Mixture(seen, tuple(self.versions[number].trails for number in held)))
            else:
                oldest = explaining
        return found

    def only(self, seen: Seen) -> bool:
        """Whether one version alone held while the packet was on its way."""
        return len(self._held(seen, 0)) == 1

    def _held(self, seen: Seen, oldest: int) -> list[int]:
        held = []
        for number in range(oldest, len(self.versions)):
            version = self.versions[number]
            if version.since > seen.arrived:
                break
            if seen.sent <= version.until:
                held.append(number)
        return held

"""Messages out of a stream of octets: cut where the headers say, whatever is in them.

`length` stands in octets 2 and 3 of a header in every version of OpenFlow, so this needs no more of the protocol.
What cannot be a message is given as a `Frame` with a reason. Where the header's length cannot be (less than the
header), nobody knows where the next message begins: the rest of the stream is one such frame, except in captures,
where TCP segments often begin with a message (`resume`).
"""

from __future__ import annotations

from typing import NamedTuple

HEADER = 8
_VERSIONS = range(1, 7)
_TYPES = 36
_LOOK = 4


class Frame(NamedTuple):
    """`offset` in its stream; `reason` says why these octets are no message, and is empty for a whole one."""

    offset: int
    data: bytes
    reason: str = ""


class Frames:
    """One stream. Never holds more than one message and what was fed last."""

    def __init__(self) -> None:
        self.offset = 0
        self._held = b""
        self._lost = False

    def feed(self, data: bytes) -> list[Frame]:
        """The messages that are whole now."""
        if self._lost:
            return [self._rest(data, "no message's beginning is known any more")] if data else []
        held = self._held + data if self._held else data
        found = []
        at = 0
        while len(held) - at >= HEADER:
            length = held[at + 2] << 8 | held[at + 3]
            if length < HEADER:
                self._held = b""
                self._lost = True
                found.append(self._rest(held[at:], f"a header says {length} octets, and it has {HEADER} itself"))
                return found
            if len(held) - at < length:
                break
            found.append(Frame(self.offset, held[at : at + length]))
            self.offset += length
            at += length
        self._held = held[at:]
        return found

    def gap(self, size: int) -> list[Frame]:
        """`size` octets never came (negative: an unknown number)."""
        found = self.finish("what follows was not captured")
        self.offset += max(size, 0)
        self._lost = True
        return found

    def resume(self, data: bytes) -> list[Frame]:
        """`feed`, which finds its way again if `data`, a TCP segment's payload, begins with what looks like a
        message."""
        if self._lost and plausible(data):
            self._lost = False
        return self.feed(data)

    def finish(self, reason: str = "the octets end there") -> list[Frame]:
        """What is held and will not become whole."""
        held, self._held = self._held, b""
        if not held:
            return []
        if len(held) < HEADER:
            return [self._rest(held, f"{len(held)} octets of a header of {HEADER}: {reason}")]
        length = int.from_bytes(held[2:4], "big")
        return [self._rest(held, f"a header says {length} octets, and {len(held)} are there: {reason}")]

    def _rest(self, data: bytes, reason: str) -> Frame:
        frame = Frame(self.offset, data, reason)
        self.offset += len(data)
        return frame


def plausible(data: bytes) -> bool:
    """Whether a message probably begins here: headers that follow one another, as far as there are octets."""
    at = 0
    for _ in range(_LOOK):
        if len(data) - at < HEADER:
            return at > 0
        length = data[at + 2] << 8 | data[at + 3]
        if data[at] not in _VERSIONS or data[at] != data[0] or data[at + 1] >= _TYPES or length < HEADER:
            return False
        at += length
        if at >= len(data):
            return True
    return True

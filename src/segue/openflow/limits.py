"""How much a peer can make a connection keep, and how many mistakes it may make.

What is kept of a message in parts is read already, and objects take more room than octets: flows six times as much. So
sixteen MiB on the wire, some hundred and seventy thousand flows, are a hundred in memory; whoever asks for more than
that takes it in parts (`Channel.stream`). A description of ports is what every controller asks every switch for, before
it knows it, so it may have no more than there are ports: 65,535 of 72 octets, and a little for the parts.
"""

from typing import Any, Final

import msgspec

from segue.openflow.protocol.ports import PortDescReply

_PORTS: Final = 0xFFFF
_PORT_OCTETS: Final = 72
_PART_OCTETS: Final = 16


class Limits(msgspec.Struct, frozen=True):
    """How much a peer can make a connection keep. Octets are those on the wire."""

    assembled: int = 1 << 24
    """Octets of one message in parts."""
    assembled_ports: int = _PORTS * (_PORT_OCTETS + _PART_OCTETS)
    """The same for a description of ports."""
    assembled_together: int = 3 << 23
    """Octets of all messages in parts that are not whole yet."""
    parts: int = 8192
    assemblies: int = 8
    """Requests in parts that a switch takes at the same time."""
    assembly_time: float = 5.0
    """Seconds that may lie between two parts of a request (section 7.3.5: not less than one)."""
    remembered: int = 1024
    """Messages without a reply that errors can still find."""
    remembered_octets: int = 1 << 18
    errors: int = 64
    """Messages that could not be read, within `errors_time`, before the connection ends."""
    errors_time: float = 10.0
    """Seconds in which so many are forgiven."""

    def of(self, reply: type[Any]) -> int:
        """Octets that a message of this class may have in all its parts."""
        return min(self.assembled, self.assembled_ports) if reply is PortDescReply else self.assembled


LIMITS: Final = Limits()


class Recent:
    """Messages without a reply that an error can still find: the latest, until a barrier says that they were carried
    out."""

    __slots__ = ("_kept", "_octets", "count")

    def __init__(self) -> None:
        self.count = 0
        """Of all that were added."""
        self._kept: list[tuple[int, int, Any]] = []  # most have but a few, and a deque is never small
        self._octets = 0

    def add(self, xid: int, size: int, msg: Any, limits: Limits) -> None:
        kept = self._kept
        kept.append((xid, size, msg))
        self.count += 1
        self._octets += size
        while kept and (len(kept) > limits.remembered or self._octets > limits.remembered_octets):
            self._octets -= kept.pop(0)[1]

    def find(self, xid: int) -> Any:
        """The message, or None."""
        return next((msg for found, _, msg in self._kept if found == xid), None)

    def carried_out(self, count: int) -> None:
        """The first `count` of all that were added were."""
        done = count - (self.count - len(self._kept))
        if done > 0:
            self._octets -= sum(size for _, size, _ in self._kept[:done])
            del self._kept[:done]


class Bucket:
    """Mistakes that leak away: `errors` at once are too many, and so are more than so many in `errors_time` seconds
    that go on."""

    __slots__ = ("_at", "_level")

    def __init__(self) -> None:
        self._level = 0.0
        self._at = 0.0

    def add(self, now: float, limits: Limits) -> bool:
        """One more at `now`. Whether that is too many."""
        leaked = (now - self._at) * limits.errors / limits.errors_time
        self._level = max(0.0, self._level - max(0.0, leaked)) + 1
        self._at = now
        return self._level >= limits.errors

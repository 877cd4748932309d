"""One end of a connection that hostile bytes are fed to; of the library as it is, and in Python alone."""

from __future__ import annotations

import itertools
from functools import cache
from types import SimpleNamespace
from typing import Any

from openflow.fuzz import samples
from openflow.fuzz.both import compiled, pure
from openflow.judged import messages

SIDES = ("controller", "switch")
LIBRARIES = {"core": compiled, "python": pure}


@cache
def inputs() -> tuple[bytes, ...]:
    """Messages of others where these are at hand, and our own samples of every class; those of unknown versions not."""
    ours = [data for version in range(1, 7) for data in samples.messages(version)]
    return tuple(dict.fromkeys([*(one.data for one in messages()), *ours]))


def begin(lib: SimpleNamespace, side: str, version: int, **settings: Any) -> Any:
    """A connection that has agreed on `version`, its own hello sent."""
    made = lib.connection.Connection(0.0, side=side, versions=(version,), **settings)
    made.receive_data(version.to_bytes(1, "big") + bytes.fromhex("00000800000001"), 0.0)
    made.data_to_send()
    return made


def feed(lib: SimpleNamespace, connection: Any, stream: bytes, step: int = 0) -> tuple[list[Any], bytes, str]:
    """The events, what was sent, and why the connection ended, if it did. Anything but a ProtocolError is raised."""
    events: list[Any] = []
    step = step or max(len(stream), 1)
    why = ""
    try:
        for offset in range(0, len(stream), step):
            connection.receive_data(stream[offset : offset + step], 1.0, events)
    except lib.wire.ProtocolError as e:
        why = str(e)
    return events, connection.data_to_send(), why


def errors_in(sent: bytes) -> list[tuple[int, int, int, bytes]]:
    """(type, code, xid, quoted octets) of every error message in `sent`; nothing else may be there but hellos and echo
    requests."""
    found = []
    while sent:
        length = int.from_bytes(sent[2:4], "big")
        one, sent = sent[:length], sent[length:]
        if one[1] not in (0, 2):
            assert one[1] == 1, one.hex()
            kind, code, xid = (int.from_bytes(one[a:b], "big") for a, b in ((8, 10), (10, 12), (4, 8)))
            found.append((kind, code, xid, one[12:]))
    return found


def spread(count: int, most: int) -> range | list[int]:
    """All of range(count), or `most` of them, the first and the last included."""
    if count <= most:
        return range(count)
    return sorted({*range(min(48, most // 2)), *(n * (count - 1) // (most - 1) for n in range(most)), count - 1})


def length_fields(data: bytes) -> list[int]:
    """Where there may be a length: sixteen bits that are no more than what follows, and the header's."""
    found = [2]
    for at in itertools.chain(range(8, len(data) - 1, 2)):
        value = int.from_bytes(data[at : at + 2], "big")
        if 0 < value <= len(data) - at + 8:
            found.append(at)
    return found

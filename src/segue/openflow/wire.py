"""What every OpenFlow message shares: version, header, padding, and the two ways of being wrong.

OpenFlow 1.5.1 section 7.1.1: each message begins with `version type length xid`, big-endian, and `length` counts
the header. Lengths come from the peer, so each reader checks them against what it holds before it believes them,
and says `ProtocolError`; a value that no wire format can carry is the caller's mistake and is an `EncodeError`.
"""

from struct import Struct
from typing import Final

VERSION: Final = 0x06
HEADER: Final = Struct(">BBHI")
HEADER_LEN: Final = 8
MAX_LEN: Final = 0xFFFF

ANY_PORT: Final = 0xFFFFFFFF
ANY_GROUP: Final = 0xFFFFFFFF
ALL_TABLES: Final = 0xFF
NO_BUFFER: Final = 0xFFFFFFFF

# Reserved port numbers, OpenFlow 1.5.1 section 7.2.1.2.
MAX_PORT: Final = 0xFFFFFF00
IN_PORT: Final = 0xFFFFFFF8
TABLE: Final = 0xFFFFFFF9
NORMAL: Final = 0xFFFFFFFA
FLOOD: Final = 0xFFFFFFFB
ALL: Final = 0xFFFFFFFC
CONTROLLER: Final = 0xFFFFFFFD
LOCAL: Final = 0xFFFFFFFE

PADDING: Final = tuple(bytes(n) for n in range(8))


class ProtocolError(ValueError):
    """The peer sent bytes that are not OpenFlow; the connection cannot go on."""


class EncodeError(ValueError):
    """A value does not fit the field, action or message that is to carry it.

    `index` is the place of that message among several that were to be sent together.
    """

    index: int | None = None


def padded(data: bytes) -> bytes:
    """`data` with zero bytes up to a multiple of eight."""
    return data + PADDING[-len(data) % 8]


def message(kind: int, body: bytes, xid: int) -> bytes:
    """One whole message of type `kind`; EncodeError if it is longer than the header can say."""
    length = HEADER_LEN + len(body)
    if length > MAX_LEN:
        raise EncodeError(f"message of type {kind} would have {length} bytes, and a header can say {MAX_LEN} at most")
    return HEADER.pack(VERSION, kind, length, xid) + body


def need(data: bytes, offset: int, length: int, what: str) -> None:
    """ProtocolError unless `length` bytes of `what` are there at `offset`."""
    if length < 0 or len(data) - offset < length:
        raise ProtocolError(f"{what}: {length} bytes wanted at {offset}, {max(0, len(data) - offset)} there")

"""What every OpenFlow message shares: version, header, reserved numbers, and the two ways of being wrong.

OpenFlow 1.5.1 section 7.1.1 (the same in every version since 1.0): each message begins with `version type length xid`,
big-endian, and `length` counts the header. Lengths come from the peer, so each reader checks them against what
it holds before it believes them, and says `ProtocolError`, with the name of the OpenFlow error that the specification
wants as the answer; a value that no wire format can carry is the caller's mistake and is an `EncodeError`.

Port, group and buffer numbers are those of OpenFlow 1.1 and later (32 bits) everywhere in this library; the
16-bit port numbers of OpenFlow 1.0 are widened when they are read and narrowed when they are written.
"""

from struct import Struct
from typing import Final

V10: Final = 1
V11: Final = 2
V12: Final = 3
V13: Final = 4
V14: Final = 5
V15: Final = 6
VERSIONS: Final = (V10, V11, V12, V13, V14, V15)
VERSION_NAMES: Final = {V10: "1.0", V11: "1.1", V12: "1.2", V13: "1.3", V14: "1.4", V15: "1.5"}

HEADER: Final = Struct(">BBHI")
HEADER_LEN: Final = 8
MAX_LEN: Final = 0xFFFF

ANY_PORT: Final = 0xFFFFFFFF
ANY_GROUP: Final = 0xFFFFFFFF
ALL_GROUPS: Final = 0xFFFFFFFC
ALL_TABLES: Final = 0xFF
ALL_QUEUES: Final = 0xFFFFFFFF
NO_BUFFER: Final = 0xFFFFFFFF

# Reserved port numbers, OpenFlow 1.5.1 section 7.2.1.2 (in 1.0: section 5.2.1, the low 16 bits of these).
MAX_PORT: Final = 0xFFFFFF00
UNSET_PORT: Final = 0xFFFFFFF7
IN_PORT: Final = 0xFFFFFFF8
TABLE: Final = 0xFFFFFFF9
NORMAL: Final = 0xFFFFFFFA
FLOOD: Final = 0xFFFFFFFB
ALL: Final = 0xFFFFFFFC
CONTROLLER: Final = 0xFFFFFFFD
LOCAL: Final = 0xFFFFFFFE

# Experimenters (the specifications' registry, and Open vSwitch's include/openflow/openflow-common.h).
NICIRA: Final = 0x00002320
ONF: Final = 0x4F4E4600
NSH: Final = 0x005AD650

PADDING: Final = tuple(bytes(n) for n in range(8))

_SHORT_RESERVED: Final = 0xFF00


class ProtocolError(ValueError):
    """The peer sent bytes that are not OpenFlow. `error` names the OpenFlow error code that is to be the answer
    (`OFPBRC_BAD_LEN`); its type follows from it and from the version."""

    def __init__(self, text: str, error: str = "OFPBRC_BAD_LEN") -> None:
        super().__init__(text)
        self.error = error


class EncodeError(ValueError):
    """A value does not fit the field, action or message that is to carry it, or the version has no such thing.

    `index` is the place of that message among several that were to be sent together.
    """

    index: int | None = None


def padded(data: bytes) -> bytes:
    """`data` with zero bytes up to a multiple of eight."""
    return data + PADDING[-len(data) % 8]


def need(data: bytes, offset: int, length: int, what: str, error: str = "OFPBRC_BAD_LEN") -> None:
    """ProtocolError unless `length` bytes of `what` are there at `offset`."""
    if length < 0 or len(data) - offset < length:
        raise ProtocolError(f"{what}: {length} bytes wanted at {offset}, {max(0, len(data) - offset)} there", error)


def short_port(port: int) -> int:
    """A port in the 16 bits that OpenFlow 1.0, and Open vSwitch's own actions, have for it."""
    if port < _SHORT_RESERVED or MAX_PORT <= port <= 0xFFFFFFFF:
        return port & 0xFFFF
    raise EncodeError(f"port {port:#x} cannot be said in 16 bits")


def long_port(port: int) -> int:
    """The 32-bit number of a port that was said in 16 bits."""
    return port if port < _SHORT_RESERVED else port | 0xFFFF0000

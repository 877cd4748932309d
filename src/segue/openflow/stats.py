"""Flow entry statistics, OXS (OpenFlow 1.5.1 section 7.2.4): a mapping of names to numbers, and its TLV form.

`duration` and `idle_time` are (seconds, nanoseconds); `flow_count`, `packet_count` and `byte_count` are numbers. What
is not known keeps its identity, `oxs:CLASS:NUMBER:SIZE` (hexadecimal, SIZE in octets), and is written again. The order
of the mapping is the order on the wire.
"""

from collections.abc import Mapping
from struct import Struct
from typing import Final

from segue.openflow.wire import EncodeError, ProtocolError, padded

Stat = int | tuple[int, int]
Stats = Mapping[str, Stat]

_HEAD: Final = Struct(">HH")
_FIELD: Final = Struct(">HBB")
_TIME: Final = Struct(">II")
_BASIC: Final = 0x8002
_NUMBERS: Final = {
    "duration": (0, 8),
    "idle_time": (1, 8),
    "flow_count": (3, 4),
    "packet_count": (4, 8),
    "byte_count": (5, 8),
}
_NAMES: Final = {identity: name for name, identity in _NUMBERS.items()}
_TIMES: Final = frozenset({"duration", "idle_time"})
# What Open vSwitch sends for a flow, read in one go: duration, idle time, packets, bytes, in this order.
_USUAL: Final = Struct(">HH4sII4sII4sQ4sQ")
_USUAL_HEADERS: Final = (b"\x80\x02\x00\x08", b"\x80\x02\x02\x08", b"\x80\x02\x08\x08", b"\x80\x02\x0a\x08")


def encode_stats(stats: Stats) -> bytes:
    """`ofp_stats`, padding included."""
    parts = []
    for name, value in stats.items():
        if name in _NUMBERS:
            number, size = _NUMBERS[name]
            header = _FIELD.pack(_BASIC, number << 1, size)
        else:
            header, size = _foreign(name)
        if isinstance(value, tuple):
            if name not in _TIMES:
                raise EncodeError(f"{name}: one number is wanted, not {value!r}")
            parts.append(header + _TIME.pack(*value))
        elif name in _TIMES or not 0 <= value < 1 << 8 * size:
            raise EncodeError(
                f"{name}: {value!r} is not {'(seconds, nanoseconds)' if name in _TIMES else f'{size} octets'}"
            )
        else:
            parts.append(header + value.to_bytes(size, "big"))
    body = b"".join(parts)
    return padded(_HEAD.pack(0, 4 + len(body)) + body)


def decode_stats(data: bytes, offset: int, end: int) -> tuple[dict[str, Stat], int]:
    """The `ofp_stats` at `offset` and where it ends, padding included."""
    if end - offset < 4:
        raise ProtocolError(f"{end - offset} bytes of statistics at {offset}")
    _, length = _HEAD.unpack_from(data, offset)
    after = offset + length + -length % 8
    if length < 4 or after > end:
        raise ProtocolError(f"statistics at {offset} claim {length} bytes of {end - offset}")
    if length == _USUAL.size:
        _, _, h1, s1, n1, h2, s2, n2, h3, packets, h4, octets = _USUAL.unpack_from(data, offset)
        if (h1, h2, h3, h4) == _USUAL_HEADERS:
            return {"duration": (s1, n1), "idle_time": (s2, n2), "packet_count": packets, "byte_count": octets}, after
    stop = offset + length
    offset += 4
    found: dict[str, Stat] = {}
    while offset < stop:
        if stop - offset < 4:
            raise ProtocolError(f"{stop - offset} bytes of a counter at {offset}")
        oxs_class, number, size = _FIELD.unpack_from(data, offset)
        offset += 4
        if offset + size > stop or number & 1:
            raise ProtocolError(f"counter at {offset} passes the end at {stop}")
        name = _NAMES.get((number >> 1, size)) if oxs_class == _BASIC else None
        if name in _TIMES and name is not None:
            found[name] = _TIME.unpack_from(data, offset)
        else:
            value = int.from_bytes(data[offset : offset + size], "big")
            found[name or f"oxs:{oxs_class:x}:{number >> 1:x}:{size:x}"] = value
        offset += size
    return found, after


def _foreign(name: str) -> tuple[bytes, int]:
    words = name.split(":")
    try:
        if words[0] != "oxs" or len(words) != 4:
            raise ValueError
        oxs_class, number, size = (int(word, 16) for word in words[1:])
    except ValueError:
        raise EncodeError(f"no counter is called {name!r}; there are {', '.join(_NUMBERS)}") from None
    if not (0 <= oxs_class <= 0xFFFF and 0 <= number < 128 and 0 <= size < 256):
        raise EncodeError(f"no counter can be {name!r}")
    return _FIELD.pack(oxs_class, number << 1, size), size

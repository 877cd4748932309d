"""Matches: a mapping of field name to value, or to `(value, mask)`, and its OXM form.

OpenFlow 1.5.1 section 7.2.3: `ofp_match` is `type length`, then one TLV per field, then zeros up to a multiple of
eight that `length` does not count. Values, MAC and IPv6 addresses too, are plain integers. A field that the table
does not know keeps its identity under the name `oxm:CLASS:NUMBER:SIZE[:EXPERIMENTER]` (hexadecimal, SIZE in octets),
and can be sent again under it, so reading somebody else's flows loses nothing.
"""

from collections.abc import Mapping
from functools import lru_cache
from struct import Struct
from typing import Final

from segue.openflow.fields import EXPERIMENTER, FIELDS, Field
from segue.openflow.wire import PADDING, EncodeError, ProtocolError, need

Value = int | tuple[int, int]
Match = Mapping[str, Value]

_OFPMT_OXM: Final = 1
_MATCH: Final = Struct(">HH")

# name -> (header, header when masked, octets, largest value); header -> (name, octets, masked), by both identities.
_WRITE: Final = {f.name: (f.header(), f.header(masked=True), f.size, f.limit, f.maskable) for f in FIELDS.values()}
_RANK: Final = {name: n for n, name in enumerate(FIELDS)}
_READ: Final[dict[bytes, tuple[str, int, bool]]] = {}
for _field in FIELDS.values():
    for _masked in (False, True):
        _READ[_field.header(masked=_masked)] = (_field.name, _field.size, _masked)
        if _field.nxm is not None:
            _alias = Field("", *_field.nxm, _field.bits, _field.size, True).header(masked=_masked)
            _READ[_alias] = (_field.name, _field.size, _masked)

EMPTY_MATCH: Final = b"\0\1\0\4\0\0\0\0"


@lru_cache(maxsize=4096)
def _in_order(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted(names, key=lambda name: _RANK.get(name, len(_RANK))))


def encode_field(name: str, value: int, mask: int | None = None) -> bytes:
    """One OXM TLV. EncodeError: no such field, a value too large, or a mask that the field cannot have."""
    known = _WRITE.get(name)
    if known is None:
        known = _foreign(name)
    header, masked_header, size, limit, maskable = known
    if not 0 <= value <= limit:
        raise EncodeError(f"{name}: {value:#x} is not within 0..{limit:#x}")
    if mask is None or mask == limit:
        return header + value.to_bytes(size, "big")
    if not maskable:
        raise EncodeError(f"{name}: this field is matched whole or not at all, and the mask is {mask:#x}")
    if not 0 <= mask <= limit:
        raise EncodeError(f"{name}: mask {mask:#x} is not within 0..{limit:#x}")
    if value & ~mask:
        raise EncodeError(f"{name}: value {value:#x} has bits outside of its mask {mask:#x}")
    return masked_header + value.to_bytes(size, "big") + mask.to_bytes(size, "big")


def encode_match(match: Match) -> bytes:
    """`ofp_match` with its padding, fields in an order that satisfies prerequisites."""
    if not match:
        return EMPTY_MATCH
    parts = [b""]
    length = 4
    for name in _in_order(tuple(match)):
        value = match[name]
        if isinstance(value, tuple):
            part = encode_field(name, value[0], value[1])
        else:
            known = _WRITE.get(name)
            if known is not None and 0 <= value <= known[3]:
                part = known[0] + value.to_bytes(known[2], "big")
            else:
                part = encode_field(name, value)
        length += len(part)
        parts.append(part)
    parts[0] = _MATCH.pack(_OFPMT_OXM, length)
    parts.append(PADDING[-length % 8])
    return b"".join(parts)


def decode_field(data: bytes, offset: int, end: int) -> tuple[str, int, int | None, int]:
    """The OXM TLV at `offset`, which may not pass `end`: name, value, mask or None, where the next one begins."""
    start = offset + 4
    known = _READ.get(data[offset:start])
    if known is None and data[offset : offset + 2] == b"\xff\xff":
        start = offset + 8
        known = _READ.get(data[offset:start])
    if known is not None:
        name, size, masked = known
    else:
        start, name, size, masked = _unknown(data, offset, end)
    middle = start + size
    stop = middle + size if masked else middle
    if stop > end:
        raise ProtocolError(f"match field {name} at {offset} passes the end at {end}")
    value = int.from_bytes(data[start:middle], "big")
    return name, value, int.from_bytes(data[middle:stop], "big") if masked else None, stop


def decode_match(data: bytes, offset: int = 0) -> tuple[dict[str, Value], int]:
    """The `ofp_match` at `offset` and where it ends, padding included. ProtocolError on a length that lies."""
    need(data, offset, 8, "match")
    kind, length = _MATCH.unpack_from(data, offset)
    if kind != _OFPMT_OXM:
        raise ProtocolError(f"match of type {kind} is not OXM")
    after = offset + length + -length % 8
    if length < 4 or after > len(data):
        raise ProtocolError(f"match at {offset} claims {length} bytes of {len(data) - offset}")
    end = offset + length
    offset += 4
    match: dict[str, Value] = {}
    while offset < end:
        name, value, mask, offset = decode_field(data, offset, end)
        match[name] = value if mask is None else (value, mask)
    return match, after


def canonical(match: Match) -> dict[str, Value]:
    """The same match as every switch would say it, to compare what was sent with what is read back.

    Open vSwitch reads and prints by meaning, not by bytes: it pairs registers into `xreg`s, prints the default
    `packet_type` (Ethernet) where no other field implies it, and turns a whole mask into an exact value. So here
    wide registers are split into `reg`s, full masks and the default packet type go, and empty masks go.
    """
    result: dict[str, Value] = {}
    registers: dict[int, tuple[int, int]] = {}
    for name, given in match.items():
        field = FIELDS.get(name)
        full = field.limit if field is not None else -1
        value, mask = given if isinstance(given, tuple) else (given, full)
        mask &= full
        words = _WIDE.get(name)
        if words is not None:
            for number, shift in words:
                half = mask >> shift & 0xFFFFFFFF
                if half:
                    old_value, old_mask = registers.get(number, (0, 0))
                    registers[number] = (old_value | value >> shift & half, old_mask | half)
        elif mask == full:
            if not (name == "packet_type" and value == 0):
                result[name] = value
        elif mask:
            result[name] = (value & mask, mask)
    for number, (value, mask) in registers.items():
        result[f"reg{number}"] = value if mask == 0xFFFFFFFF else (value, mask)
    return result


# Which registers a register field is made of: (number, how far its 32 bits are shifted in the field's value).
_WIDE: Final[dict[str, tuple[tuple[int, int], ...]]] = {
    **{f"reg{n}": ((n, 0),) for n in range(16)},
    **{f"xreg{n}": ((2 * n, 32), (2 * n + 1, 0)) for n in range(8)},
    **{f"xxreg{n}": tuple((4 * n + i, 96 - 32 * i) for i in range(4)) for n in range(4)},
}


def _foreign(name: str) -> tuple[bytes, bytes, int, int, bool]:
    words = name.split(":")
    try:
        if words[0] != "oxm" or len(words) not in (4, 5):
            raise ValueError
        numbers = [int(word, 16) for word in words[1:]]
    except ValueError:
        raise EncodeError(f"no match field is called {name!r}") from None
    oxm_class, number, size = numbers[:3]
    if not (oxm_class <= 0xFFFF and number <= 0x7F and 0 < size <= 124):
        raise EncodeError(f"no match field can be {name!r}")
    field = Field(name, oxm_class, number, 8 * size, size, 2 * size <= 124, numbers[3] if numbers[3:] else None)
    return field.header(), field.header(masked=field.maskable), size, field.limit, field.maskable


def _unknown(data: bytes, offset: int, end: int) -> tuple[int, str, int, bool]:
    if end - offset < 4:
        raise ProtocolError(f"{end - offset} bytes of a match field at {offset}")
    header = int.from_bytes(data[offset : offset + 4], "big")
    oxm_class, number, masked, length = header >> 16, header >> 9 & 0x7F, bool(header & 0x100), header & 0xFF
    offset += 4
    suffix = ""
    if oxm_class == EXPERIMENTER:
        if length < 4 or end - offset < 4:
            raise ProtocolError(f"experimenter match field of length {length}")
        suffix = f":{int.from_bytes(data[offset : offset + 4], 'big'):x}"
        offset += 4
        length -= 4
    if length == 0 or (masked and length % 2):
        raise ProtocolError(f"match field {oxm_class:x}:{number:x} of length {length}")
    size = length // 2 if masked else length
    return offset, f"oxm:{oxm_class:x}:{number:x}:{size:x}{suffix}", size, masked

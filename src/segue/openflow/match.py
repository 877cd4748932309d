"""Matches: a mapping of field name to value, or to `(value, mask)`, and its form on the wire in every version.

OpenFlow 1.2 and later (OpenFlow 1.5.1 section 7.2.3): `ofp_match` is `type length`, then one TLV per field, then
zeros up to a multiple of eight that `length` does not count. OpenFlow 1.0 and 1.1 have a struct instead
(`match_fixed`), and Nicira's messages and actions carry bare TLVs with headers of their own (the NXM context, see
`fields`). Values, MAC and IP addresses too, are plain integers; when written they may also be text for people, which
costs more.

What was read is written back octet for octet. Hence a mask of all ones stays a mask, the order of fields stays as it
is as long as it satisfies the prerequisites, and a TLV that the table does not know in this form (a strange
size, a mask on a field that cannot have one) keeps its identity under the name `oxm:CLASS:NUMBER:SIZE[:EXPERIMENTER]`.

Matches of the same few fields are written again and again. So for each tuple of names there is one function, made at
its first use, that puts plain integers into one `Struct`; whatever it cannot take (masks, text, values too large) goes
the long way, which also knows what to say about it.
"""

from collections.abc import Iterator, Mapping
from struct import Struct
from struct import error as struct_error
from typing import Final

from segue.openflow import match_fixed
from segue.openflow.fields import EXPERIMENTER, FIELDS, NXM, NXM_1, Field, Identity, foreign_name, in_order, lookup
from segue.openflow.match_plan import SIZES, Hole, Plan, compile_plan
from segue.openflow.wire import PADDING, V11, V12, V15, EncodeError, ProtocolError

Value = int | str | tuple[int, int]
Read = int | tuple[int, int]
MatchLike = Mapping[str, Value]

EMPTY_MATCH: Final = b"\0\1\0\4\0\0\0\0"

_OFPMT_OXM: Final = 1
OXM_IN_11: Final = "match_type"
"""A key of matches on OpenFlow 1.1 that are of OXM fields nevertheless (its value is the type, 1), as Open vSwitch
writes them in its flow statistics."""
_HEAD: Final = Struct(">HH")
_TUN_METADATA: Final = range(40, 104)

# The match of nearly every packet-in: nothing but the port, `OFPMT_OXM 12 OXM_OF_IN_PORT`.
PEEK: Final = Struct(">QI").unpack_from
PORT_ALONE: Final = 0x0001000C80000004

_CACHED: Final = 4096
_PLANNED: Final = 64
PLANS: Final[tuple[dict[tuple[str, ...], Plan | None], ...]] = tuple({} for _ in range(V15 + 1))

# name -> (header, header when masked, octets, largest value, largest mask, whether a mask is allowed), per context.
Writer = tuple[bytes, bytes, int, int, int, bool]
_WRITERS: Final[tuple[dict[str, Writer], ...]] = tuple({} for _ in range(V15 + 1))
# header -> (name, octets, whether masked, largest value), per context; headers of identifiers, which lack the value.
Reader = tuple[str, int, bool, int]
_READERS: Final[dict[int, dict[bytes, Reader]]] = {}
_ID_READERS: Final[dict[int, dict[bytes, Reader]]] = {}


def encode_match(match: MatchLike, version: int) -> bytes:
    """`ofp_match` with its padding. EncodeError: no such field (in this version), or a value that does not fit."""
    names = tuple(match)
    plan = PLANS[version].get(names)
    if plan is not None:
        try:
            result = plan(*match.values())
        except (struct_error, TypeError):
            result = None
        if result is not None:
            return result
    elif names not in PLANS[version]:
        _remember(names, version)
    if version < V12:
        if version == V11 and match.get(OXM_IN_11) == _OFPMT_OXM:
            return encode_match({name: value for name, value in match.items() if name != OXM_IN_11}, V12)
        return match_fixed.encode(match, version)
    body = _tlvs(match, version)
    length = 4 + len(body)
    if length > 0xFFFF - 7:
        raise EncodeError(f"a match of {length} octets is too long")
    return b"".join((_HEAD.pack(_OFPMT_OXM, length), body, PADDING[-length % 8]))


def encode_nxm(match: MatchLike) -> bytes:
    """The bare TLVs of Nicira's messages and actions, without header and padding."""
    names = tuple(match)
    plan = PLANS[NXM].get(names)
    if plan is not None:
        try:
            result = plan(*match.values())
        except (struct_error, TypeError):
            result = None
        if result is not None:
            return result
    elif names not in PLANS[NXM]:
        _remember(names, NXM)
    return _tlvs(match, NXM)


def encode_oxm(name: str, value: int | str, mask: int | None, version: int) -> bytes:
    """One TLV. EncodeError: no such field, a value too large, or a mask that the field cannot have."""
    header, masked_header, size, limit, mask_limit, maskable = _WRITERS[version].get(name) or _writer(name, version)
    if isinstance(value, str):
        parsed = _parse(name, value)
        if isinstance(parsed, tuple):
            if mask is not None:
                raise EncodeError(f"{name}: {value} has a mask already")
            value, mask = parsed
        else:
            value = parsed
    if not 0 <= value <= limit:
        raise EncodeError(f"{name}: {value:#x} is not within 0..{limit:#x}")
    if mask is None:
        return header + value.to_bytes(size, "big")
    if not maskable:
        if mask & limit == limit and mask > 0:
            return header + value.to_bytes(size, "big")
        raise EncodeError(f"{name}: this field is matched whole or not at all, and the mask is {mask:#x}")
    if not 0 <= mask <= mask_limit:
        raise EncodeError(f"{name}: mask {mask:#x} is not within 0..{mask_limit:#x}")
    if value & ~mask:
        raise EncodeError(f"{name}: value {value:#x} has bits outside of its mask {mask:#x}")
    return masked_header + value.to_bytes(size, "big") + mask.to_bytes(size, "big")


def encode_oxm_id(name: str, version: int, masked: bool = False) -> bytes:
    """The header alone, 4 or 8 octets: how actions and table features name a field."""
    header, masked_header, _, _, _, maskable = _WRITERS[version].get(name) or _writer(name, version)
    if masked and not maskable:
        raise EncodeError(f"{name}: this field cannot have a mask")
    return (masked_header if masked else header)[:8]


def encode_nxm_id(name: str, masked: bool = False) -> bytes:
    """The header alone as Nicira's actions have it: 4 octets, 8 where the field has no shorter one."""
    return encode_oxm_id(name, NXM, masked)


def decode_match(data: bytes, offset: int, end: int, version: int) -> tuple[dict[str, Read], int]:
    """The `ofp_match` at `offset`, and where it ends, padding included. ProtocolError on a length that lies."""
    if version < V12:
        if version == V11 and data[offset : offset + 2] == b"\0\1":
            found, after = decode_match(data, offset, end, V12)
            return {OXM_IN_11: _OFPMT_OXM, **found}, after
        return match_fixed.decode(data, offset, end, version)
    after = offset + 16
    if after <= end:
        try:
            head, port = PEEK(data, offset)
        except struct_error:
            raise ProtocolError(f"match at {offset} passes the end of the message", "OFPBMC_BAD_LEN") from None
        if head == PORT_ALONE:
            return {"in_port": port}, after
    if end - offset < 8 or end > len(data):
        raise ProtocolError(f"match: 8 octets wanted at {offset}, {max(0, end - offset)} there", "OFPBMC_BAD_LEN")
    kind, length = _HEAD.unpack_from(data, offset)
    if kind != _OFPMT_OXM:
        raise ProtocolError(f"match of type {kind} is not OXM", "OFPBMC_BAD_TYPE")
    after = offset + length + -length % 8
    if length < 4 or after > end:
        raise ProtocolError(f"match at {offset} claims {length} of {end - offset} octets", "OFPBMC_BAD_LEN")
    return _fields(data, offset + 4, offset + length, version), after


def decode_nxm(data: bytes, offset: int, end: int) -> dict[str, Read]:
    """The bare TLVs from `offset` to `end`."""
    return _fields(data, offset, end, NXM)


def decode_oxm(data: bytes, offset: int, end: int, version: int) -> tuple[str, int, int | None, int]:
    """The TLV at `offset`, which may not pass `end`: name, value, mask or None, where the next one begins."""
    readers = _READERS.get(version) or _readers(version)
    start = offset + 4
    known = readers.get(data[offset:start])
    if known is None and data[offset : offset + 2] == b"\xff\xff":
        start = offset + 8
        known = readers.get(data[offset:start])
        if known is None:
            start = offset + 10
            known = readers.get(data[offset:start])
    if known is None:
        start, known = _unknown(data, offset, end)
    name, size, masked, limit = known
    middle = start + size
    after = middle + size if masked else middle
    if after > end or after > len(data):
        raise ProtocolError(f"match field {name} at {offset} passes the end at {end}", "OFPBMC_BAD_LEN")
    value = int.from_bytes(data[start:middle], "big")
    if value > limit:
        raise ProtocolError(f"match field {name}: {value:#x} is not within 0..{limit:#x}", "OFPBMC_BAD_VALUE")
    if not masked:
        return name, value, None, after
    mask = int.from_bytes(data[middle:after], "big")
    if value & ~mask:
        text = f"match field {name}: value {value:#x} has bits outside of its mask {mask:#x}"
        raise ProtocolError(text, "OFPBMC_BAD_WILDCARDS")
    return name, value, mask, after


def decode_oxm_id(data: bytes, offset: int, end: int, version: int) -> tuple[str, bool, int]:
    """The header at `offset`, which may not pass `end`: name, whether it says "masked", where the next one begins."""
    if version not in _READERS:
        _readers(version)
    readers = _ID_READERS[version]
    after = offset + (8 if data[offset : offset + 2] == b"\xff\xff" else 4)
    known = readers.get(data[offset:after]) if after <= end else None
    if known is None:
        after, known = _unknown(data, offset, end)
    return known[0], known[2], after


def decode_nxm_id(data: bytes, offset: int, end: int) -> tuple[str, bool, int]:
    """`decode_oxm_id` for Nicira's actions."""
    return decode_oxm_id(data, offset, end, NXM)


def canonical(match: MatchLike) -> dict[str, Read]:
    """The same match as every switch would say it, to compare what was sent with what is read back.

    Open vSwitch reads and prints by meaning, not by octets: it pairs registers into `xreg`s, prints the default
    `packet_type` (Ethernet) where no other field implies it, turns a whole mask into an exact value, and answers with
    the identity that it likes best. So here wide registers are split into `reg`s, names become plain ones, full
    masks and the default packet type go, empty masks go, and so does the length of tunnel metadata, and what OpenFlow
    1.0 and 1.1 say beneath wildcards.
    """
    result: dict[str, Read] = {}
    registers: dict[int, tuple[int, int]] = {}
    for given_name, given in match.items():
        if given_name in match_fixed.KEPT:
            continue
        known = lookup(given_name)
        field = None if known is None else known[0]
        name = given_name if field is None else field.name
        if field is not None and field.variable:
            name = name.partition(":")[0]
        full = field.limit if field is not None else -1
        if isinstance(given, str):
            given = _parse(name, given)
        value, mask = given if isinstance(given, tuple) else (given, full)
        mask &= full
        words = _wide(name)
        if words:
            for number, shift in words:
                part = mask >> shift & 0xFFFFFFFF
                if part:
                    old_value, old_mask = registers.get(number, (0, 0))
                    registers[number] = (old_value | value >> shift & part, old_mask | part)
        elif mask == full:
            if not (name == "packet_type" and value == 0):
                result[name] = value
        elif mask:
            result[name] = (value & mask, mask)
    for number, (value, mask) in registers.items():
        result[f"reg{number}"] = value if mask == 0xFFFFFFFF else (value, mask)
    return result


def _wide(name: str) -> tuple[tuple[int, int], ...]:
    """Which registers a register field is made of: (number, how far its 32 bits are shifted in the field's value)."""
    stem, number = name.rstrip("0123456789"), name.lstrip("regx")
    words = {"reg": 1, "xreg": 2, "xxreg": 4}.get(stem)
    if words is None or name not in FIELDS:
        return ()
    return tuple((words * int(number) + at, 32 * (words - 1 - at)) for at in range(words))


def _parse(name: str, text: str) -> Read:
    from segue.openflow.field_text import value_from_json  # text is the slow path; the codec does not need it

    return value_from_json(name, text)


def _tlvs(match: MatchLike, version: int) -> bytes:
    parts = []
    for name in in_order(tuple(match)):
        value = match[name]
        if isinstance(value, tuple):
            parts.append(encode_oxm(name, value[0], value[1], version))
        else:
            parts.append(encode_oxm(name, value, None, version))
    return b"".join(parts)


def _fields(data: bytes, offset: int, end: int, version: int) -> dict[str, Read]:
    match: dict[str, Read] = {}
    end = min(end, len(data))
    readers = _READERS.get(version) or _readers(version)
    while offset < end:
        start = offset + 4
        known = readers.get(data[offset:start])
        if known is not None:  # the usual case, without the call: a short header, no mask, nothing wrong
            name, size, masked, limit = known
            after = start + size
            if not masked and after <= end and name not in match:
                exact = int.from_bytes(data[start:after], "big")
                if exact <= limit:
                    match[name] = exact
                    offset = after
                    continue
        name, value, mask, offset = decode_oxm(data, offset, end, version)
        if name in match:
            raise ProtocolError(f"match field {name} is there twice", "OFPBMC_DUP_FIELD")
        match[name] = value if mask is None else (value, mask)
    return match


def writer_of(name: str, version: int) -> Writer:
    """How a field is written. EncodeError: no such field (in this version)."""
    return _WRITERS[version].get(name) or _writer(name, version)


def readers_of(version: int) -> dict[bytes, Reader]:
    """How each TLV is read, by its header."""
    return _READERS.get(version) or _readers(version)


def _writer(name: str, version: int) -> Writer:
    known = lookup(name)
    if known is None:
        hint = match_fixed.modern_name(name)
        raise EncodeError(f"no match field is called {name!r}{f'; {hint}' if hint else ''}")
    field, identity = known
    if identity is None:
        identity = field.canonical(version)
    size, maskable = field.size, field.maskable
    writer = (
        identity.header(size),
        identity.header(size, masked=True) if maskable else b"",
        size,
        field.limit,
        (1 << 8 * size) - 1,
        maskable,
    )
    if len(_WRITERS[version]) >= _CACHED:
        _WRITERS[version].clear()
    _WRITERS[version][name] = writer
    return writer


def _names(field: Field, version: int) -> Iterator[tuple[Identity, str]]:
    plain = field.canonical(version)
    for identity in field.identities:
        yield identity, field.name if identity is plain else identity.spec.lower()


def _readers(version: int) -> dict[bytes, Reader]:
    readers: dict[bytes, Reader] = {}
    identifiers: dict[bytes, Reader] = {}
    for field in FIELDS.values():
        for identity, name in _names(field, version):
            for masked in (False, True) if field.maskable else (False,):
                header = identity.header(field.size, masked=masked)
                readers[header] = identifiers[header[:8]] = (name, field.size, masked, field.limit)
    _ID_READERS[version] = identifiers
    _READERS[version] = readers
    return readers


def _unknown(data: bytes, offset: int, end: int) -> tuple[int, Reader]:
    end = min(end, len(data))
    if end - offset < 4:
        raise ProtocolError(f"{max(0, end - offset)} octets of a match field at {offset}", "OFPBMC_BAD_LEN")
    header = int.from_bytes(data[offset : offset + 4], "big")
    oxm_class, number, masked, length = header >> 16, header >> 9 & 0x7F, bool(header & 0x100), header & 0xFF
    offset += 4
    experimenter = None
    if oxm_class == EXPERIMENTER:
        if length < 4 or end - offset < 4:
            raise ProtocolError(f"experimenter match field of length {length}", "OFPBMC_BAD_LEN")
        experimenter = int.from_bytes(data[offset : offset + 4], "big")
        offset += 4
        length -= 4
    if masked and length % 2:
        raise ProtocolError(f"match field {oxm_class:x}:{number:x} of length {length}", "OFPBMC_BAD_LEN")
    size = length >> masked
    if oxm_class == NXM_1 and number in _TUN_METADATA and 0 < size <= 124:
        name = f"tun_metadata{number - _TUN_METADATA.start}:{size}"
    else:
        name = foreign_name(oxm_class, number, size, experimenter)
    return offset, (name, size, masked, (1 << 8 * size) - 1)


def plan_of(names: tuple[str, ...], version: int) -> Plan | None:
    """What writes exact values of these fields, None where nothing does."""
    if names not in PLANS[version]:
        _remember(names, version)
    return PLANS[version][names]


def _remember(names: tuple[str, ...], version: int) -> None:
    plans = PLANS[version]
    if len(plans) >= _CACHED:
        plans.clear()
    plans[names] = match_fixed.plan(names, version) if NXM < version < V12 else _plan(names, version)


def _plan(names: tuple[str, ...], version: int) -> Plan | None:
    """The plan for exact values of `names`; None where there can be none."""
    place = {name: f"v{index}" for index, name in enumerate(names)}
    holes: list[Hole] = []
    conditions: list[str] = []
    template = b"" if version == NXM else b"\0\0\0\0"
    for name in in_order(names):
        known = lookup(name)
        if known is None or known[0].size not in SIZES:
            return None
        header, _, size, limit, widest, _ = _WRITERS[version].get(name) or _writer(name, version)
        template += header
        holes.append((len(template), size, place[name]))
        template += bytes(size)
        if limit < widest:
            conditions.append(f"0 <= {place[name]} <= {limit}")
    if version != NXM:
        template = _HEAD.pack(_OFPMT_OXM, len(template)) + template[4:] + PADDING[-len(template) % 8]
    return compile_plan(len(names), template, holes, conditions) if len(names) <= _PLANNED else None

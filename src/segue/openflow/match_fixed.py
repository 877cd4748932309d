"""The matches that are structs: OpenFlow 1.0's of 40 octets and OpenFlow 1.1's of 88, by the names of the OXM table.

OpenFlow 1.0.0 section 5.2.3 and OpenFlow 1.1.0 section A.2.3. Both have one slot for what later became several
fields: `nw_src` is the IPv4 source or ARP's sender address, `tp_src` a port or an ICMP type, by `dl_type` and
`nw_proto`. A reader gives the OXM table's name where those two, matched exactly, say what the packet is (the table's
prerequisites), and the specification's own (`nw_src`, `tp_dst`, ...) where they do not, or where the value has no
OXM form (a VLAN of 0x1fff, an ICMP type above 255). A writer takes both kinds of name, and refuses an OXM name whose
prerequisites the match does not state, as the switch would ignore the slot or take it for another.

VLANs: `vlan_vid` has OXM's meaning. 0 is "no tag" (0xffff in the slot), 0x1000 | VID that tag, and
0x1000/0x1000 any tag (0xfffe, OpenFlow 1.1 only).

Masks: 1.0 has a prefix length for the two `nw_` addresses (32 and more of its wildcard bits are "any"; written: 32).
1.1 has inverted masks for those, both MACs and metadata.

What means nothing is kept all the same, so that the octets come out again as they came in: `wildcards`, the whole
word, where it has bits that the specifications do not define or says "any" of an address with more than 32; and
`ignored`, the struct as one number, of whose bits only those are set that stand beneath a wildcard. Few switches send
such things, and `match.canonical` drops them.

A switch tells of thousands of flows that match on the same few fields. So for each word of wildcards and kind of packet
there is one function, made at its first use (as the plans for writing are), that takes the values out with one
`Struct`; what it cannot say (a VLAN that is none, a value too large for its field, something ignored) goes the long
way.
"""

from collections.abc import Mapping
from functools import lru_cache
from struct import Struct
from typing import Any, Final

from segue.openflow.fields import FIELDS, Field, lookup
from segue.openflow.match_fixed_read import NO_TAG, PRESENT, SHORT_RESERVED, Reader, compile_reader
from segue.openflow.match_plan import SIZES, Hole, Plan, compile_plan
from segue.openflow.wire import V10, V11, VERSION_NAMES, EncodeError, ProtocolError, long_port, short_port

Value = int | str | tuple[int, int]
Read = int | tuple[int, int]
Slots = dict[str, tuple[int, int]]  # slot -> (value, mask), the mask never empty

_OFPMT_STANDARD: Final = 0
_HEAD: Final = Struct(">HH")
_ANY_TAG: Final = 0xFFFE

# Members and their formats, with the padding behind them.
_LAYOUT10: Final = (
    *(("wildcards", "I"), ("in_port", "H"), ("dl_src", "6s"), ("dl_dst", "6s"), ("dl_vlan", "H")),
    *(("dl_vlan_pcp", "Bx"), ("dl_type", "H"), ("nw_tos", "B"), ("nw_proto", "Bxx"), ("nw_src", "I")),
    *(("nw_dst", "I"), ("tp_src", "H"), ("tp_dst", "H")),
)
_LAYOUT11: Final = (
    *(("type", "H"), ("length", "H"), ("in_port", "I"), ("wildcards", "I"), ("dl_src", "6s"), ("dl_src_mask", "6s")),
    *(("dl_dst", "6s"), ("dl_dst_mask", "6s"), ("dl_vlan", "H"), ("dl_vlan_pcp", "Bx"), ("dl_type", "H")),
    *(("nw_tos", "B"), ("nw_proto", "B"), ("nw_src", "I"), ("nw_src_mask", "I"), ("nw_dst", "I")),
    *(("nw_dst_mask", "I"), ("tp_src", "H"), ("tp_dst", "H"), ("mpls_label", "I"), ("mpls_tc", "Bxxx")),
    *(("metadata", "Q"), ("metadata_mask", "Q")),
)
LAYOUTS: Final = {V10: _LAYOUT10, V11: _LAYOUT11}
_STRUCTS: Final = {version: Struct(">" + "".join(c for _, c in layout)) for version, layout in LAYOUTS.items()}
_MEMBERS: Final = {version: tuple(member for member, _ in layout) for version, layout in LAYOUTS.items()}

_WILDCARDS_AT: Final = {version: members.index("wildcards") for version, members in _MEMBERS.items()}

# Slot -> its wildcard bit. Those without one are wildcarded by their masks, or by 1.0's prefix lengths.
_BITS: Final[dict[int, dict[str, int]]] = {
    V10: {"in_port": 0, "dl_vlan": 1, "dl_src": 2, "dl_dst": 3, "dl_type": 4, "nw_proto": 5, "tp_src": 6}
    | {"tp_dst": 7, "dl_vlan_pcp": 20, "nw_tos": 21},
    V11: {"in_port": 0, "dl_vlan": 1, "dl_vlan_pcp": 2, "dl_type": 3, "nw_tos": 4, "nw_proto": 5, "tp_src": 6}
    | {"tp_dst": 7, "mpls_label": 8, "mpls_tc": 9},
}
_PREFIXES10: Final[dict[str, int]] = {"nw_src": 8, "nw_dst": 14}  # where the six bits of each one begin


def _raw(name: str, bits: int, kind: str = "int", mask: bool = False) -> Field:
    return Field(name, bits, (bits + 7) // 8, mask, (), (), kind)


# The slots under their specifications' names; 1.0 has the first twelve.
RAW: Final[dict[str, Field]] = {
    field.name: field
    for field in (
        _raw("in_port", 32),
        _raw("dl_src", 48, "mac", True),
        _raw("dl_dst", 48, "mac", True),
        _raw("dl_vlan", 16),
        _raw("dl_vlan_pcp", 8),
        _raw("dl_type", 16),
        _raw("nw_tos", 8),
        _raw("nw_proto", 8),
        _raw("nw_src", 32, "ipv4", True),
        _raw("nw_dst", 32, "ipv4", True),
        _raw("tp_src", 16),
        _raw("tp_dst", 16),
        _raw("mpls_label", 20),
        _raw("mpls_tc", 3),
        _raw("metadata", 64, "int", True),
    )
}
_RAW_LIMITS: Final = {slot: field.limit for slot, field in RAW.items()}
SLOTS: Final[dict[int, tuple[str, ...]]] = {V10: tuple(RAW)[:12], V11: tuple(RAW)}

# What means nothing but is kept.
WILDCARDS: Final = "wildcards"
IGNORED: Final = "ignored"
KEPT: Final = (WILDCARDS, IGNORED)
RAW[WILDCARDS] = _raw(WILDCARDS, 32)
RAW[IGNORED] = _raw(IGNORED, 8 * _STRUCTS[V11].size)
_DEFINED: Final = {V10: 0x3FFFFF, V11: 0x3FF}  # OFPFW_ALL

# Slot -> the fields it may stand for; the first one whose prerequisites the match states is meant.
_MEANINGS: Final[dict[str, tuple[str, ...]]] = {
    "in_port": ("in_port",),
    "dl_src": ("eth_src",),
    "dl_dst": ("eth_dst",),
    "dl_vlan": ("vlan_vid",),
    "dl_vlan_pcp": ("vlan_pcp",),
    "dl_type": ("eth_type",),
    "nw_tos": ("ip_dscp",),
    "nw_proto": ("ip_proto", "arp_op"),
    "nw_src": ("ipv4_src", "arp_spa"),
    "nw_dst": ("ipv4_dst", "arp_tpa"),
    "tp_src": ("tcp_src", "udp_src", "sctp_src", "icmpv4_type", "icmpv6_type"),
    "tp_dst": ("tcp_dst", "udp_dst", "sctp_dst", "icmpv4_code", "icmpv6_code"),
    "mpls_label": ("mpls_label",),
    "mpls_tc": ("mpls_tc",),
    "metadata": ("metadata",),
}
SLOT_OF: Final = {name: slot for slot, names in _MEANINGS.items() for name in (slot, *names)}
# Only these depend on the packet's kind here; a VLAN's priority and MPLS stand alone.
BY_KIND: Final = frozenset(
    name for slot, names in _MEANINGS.items() if slot.startswith(("nw_", "tp_")) for name in names
)
_ALWAYS: Final = {slot: names[0] for slot, names in _MEANINGS.items() if names[0] not in BY_KIND}
_LIMITS: Final = {name: FIELDS[name].limit for names in _MEANINGS.values() for name in names}


def modern_name(name: str) -> str:
    """For people who used a struct's name where there is OXM: what to say instead; "" for any other name."""
    return f"use {' or '.join(_MEANINGS[name])}" if name in _MEANINGS else ""


def encode(match: Mapping[str, Value], version: int) -> bytes:
    """`ofp_match` of OpenFlow 1.0 or 1.1. EncodeError: the version cannot say this."""
    slots: Slots = {}
    raw = to_raw(match, version)
    kept: dict[str, Read] = {name: raw.pop(name) for name in KEPT if name in raw}
    for slot, given in raw.items():
        limit = RAW[slot].limit
        value, mask = given if isinstance(given, tuple) else (given, limit)
        if not 0 <= value <= limit:
            raise EncodeError(f"{slot}: {value:#x} is not within 0..{limit:#x}")
        if not 0 <= mask <= limit:
            raise EncodeError(f"{slot}: mask {mask:#x} is not within 0..{limit:#x}")
        if value & ~mask:
            raise EncodeError(f"{slot}: value {value:#x} has bits outside of its mask {mask:#x}")
        if mask:
            slots[slot] = value, mask
    packed = pack_slots(slots, version)
    return _with_kept(packed, kept, version) if kept else packed


def decode(data: bytes, offset: int, end: int, version: int) -> tuple[dict[str, Read], int]:
    """The struct at `offset`, which may not pass `end`, and where it ends."""
    after = offset + _SIZES[version]
    if after > end or after > len(data):
        raise _cut(data, offset, min(end, len(data)), version)
    key = _KEYS[version](data, offset)
    readers = _READERS[version]
    reader = readers.get(key)
    if reader is None and key not in readers:
        reader = _remember(key, version)
    if reader is not None:
        match = reader(data, offset)
        if match is not None:
            return match, after
    if version != V10:
        _check_head(key[0], key[1])
    return _decode_slowly(data, offset, version), after


def _decode_slowly(data: bytes, offset: int, version: int) -> dict[str, Read]:
    members = _STRUCTS[version].unpack_from(data, offset)
    raw = _unpack(members, version)
    match = from_raw(raw, version)
    word = members[_WILDCARDS_AT[version]]
    if word != _canonical(word, version):
        match[WILDCARDS] = word
    ignored = int.from_bytes(data[offset : offset + _SIZES[version]], "big") & _hidden(raw, version)
    if ignored:
        match[IGNORED] = ignored
    return match


def _check_head(kind: int, length: int) -> None:
    if kind != _OFPMT_STANDARD:
        raise ProtocolError(f"match of type {kind} is not OpenFlow 1.1's", "OFPBMC_BAD_TYPE")
    if length != _SIZES[V11]:
        raise ProtocolError(f"match of length {length} is not {_SIZES[V11]} octets long", "OFPBMC_BAD_LEN")


def _cut(data: bytes, offset: int, end: int, version: int) -> ProtocolError:
    if version != V10 and end - offset >= 4:
        _check_head(
            int.from_bytes(data[offset : offset + 2], "big"), int.from_bytes(data[offset + 2 : offset + 4], "big")
        )
    text = f"match: {_SIZES[version]} octets wanted at {offset}, {max(0, end - offset)} there"
    return ProtocolError(text, "OFPBMC_BAD_LEN")


def to_raw(match: Mapping[str, Value], version: int) -> dict[str, Read]:
    """The match by the specification's own names, each value as its slot has it (ranges are not looked at).
    EncodeError: a field that the version has no slot for, or whose prerequisites the match does not state."""
    raw: dict[str, Read] = {}
    for name, given in match.items():
        if name in KEPT:
            raw[name] = _parse(name, given) if isinstance(given, str) else given
            continue
        slot = SLOT_OF.get(name)
        if slot is None or slot not in SLOTS[version]:
            raise EncodeError(_cannot(name, version))
        if slot in raw:
            raise EncodeError(f"{name}: {slot} is said twice")
        if isinstance(given, str):
            given = _parse(name, given)
        if name in BY_KIND and not _satisfied(name, match):
            needs = " and ".join(f"{need} {' or '.join(map(hex, some))}" for need, some in FIELDS[name].prerequisites)
            raise EncodeError(f"{name} needs {needs} in OpenFlow {VERSION_NAMES[version]}; without it use {slot}")
        raw[slot] = _to_slot(name, given, version)
    return raw


def from_raw(raw: Mapping[str, Read], version: int) -> dict[str, Read]:
    """The match by the OXM table's names wherever they can say it."""
    match: dict[str, Read] = {}
    for slot, value in raw.items():
        name = _ALWAYS.get(slot)
        if name is None:
            name = next((name for name in _MEANINGS.get(slot, ()) if _satisfied(name, raw)), slot)
        meant = value if name == slot else _from_slot(name, value, version)
        if meant is None:
            match[slot] = value
        else:
            match[name] = meant
    return match


def plan(names: tuple[str, ...], version: int) -> Plan | None:
    """The plan for exact values of `names`; None where there can be none."""
    given: dict[str, str] = {}
    conditions: list[str] = []
    place = {SLOT_OF[name]: f"v{index}" for index, name in enumerate(names) if name in SLOT_OF}
    for index, name in enumerate(names):
        slot = SLOT_OF.get(name)
        if slot is None or slot not in SLOTS[version] or slot in given:
            return None
        value = given[slot] = f"v{index}"
        field = FIELDS.get(name) or RAW[slot]
        if slot == "in_port":
            if version == V10:
                conditions.append(f"0 <= {value} < {SHORT_RESERVED}")
        elif name == "vlan_vid":
            conditions.append(f"({value} == 0 or {PRESENT} <= {value} < {2 * PRESENT})")
            given[slot] = f"{value} & {PRESENT - 1} if {value} else {NO_TAG}"
        elif name == "ip_dscp":
            conditions.append(f"0 <= {value} <= {field.limit}")
            given[slot] = f"{value} << 2"
        else:
            limit = min(field.limit, RAW[slot].limit)
            if limit < (1 << 8 * RAW[slot].size) - 1:
                conditions.append(f"0 <= {value} <= {limit}")
        if name in BY_KIND:
            for need, some in FIELDS[name].prerequisites:
                if SLOT_OF[need] not in place:
                    return None
                conditions.append(f"{place[SLOT_OF[need]]} in {some}")
    template = pack_slots({slot: (0, RAW[slot].limit) for slot in given}, version)
    holes: list[Hole] = []
    offset = 0
    for member, code in LAYOUTS[version]:
        if member in given:
            size = Struct(">" + code.rstrip("x")).size
            assert size in SIZES
            holes.append((offset, size, given[member]))
        offset += Struct(">" + code).size
    return compile_plan(len(names), template, holes, conditions)


def pack_slots(slots: Slots, version: int) -> bytes:
    """The struct with these slots, the others wildcarded. EncodeError: a mask that the version cannot say."""
    bits = _BITS[version]
    wildcards = sum(1 << bit for slot, bit in bits.items() if slot not in slots)
    members: dict[str, int] = {slot: value for slot, (value, _) in slots.items()}
    for slot, (_, mask) in slots.items():
        if mask != RAW[slot].limit and slot in bits:
            raise EncodeError(f"{slot}: OpenFlow {VERSION_NAMES[version]} has no mask for it; use NXM, or OpenFlow 1.2")
    if version == V10:
        for slot, shift in _PREFIXES10.items():
            hidden = 0xFFFFFFFF ^ slots.get(slot, (0, 0))[1]
            if hidden & (hidden + 1):
                raise EncodeError(f"{slot}: OpenFlow 1.0 has prefixes alone; use NXM, or OpenFlow 1.1")
            wildcards |= hidden.bit_length() << shift
        members["in_port"] = short_port(members.get("in_port", 0))
    else:
        members |= {"type": _OFPMT_STANDARD, "length": _STRUCTS[version].size}
        for slot in SLOTS[version]:
            if slot not in bits:
                members[f"{slot}_mask"] = RAW[slot].limit ^ slots.get(slot, (0, 0))[1]
    members["wildcards"] = wildcards
    return _STRUCTS[version].pack(
        *(
            members.get(member, 0).to_bytes(6, "big") if code == "6s" else members.get(member, 0)
            for member, code in LAYOUTS[version]
        )
    )


def _unpack(members: tuple[Any, ...], version: int) -> dict[str, Read]:
    raw: dict[str, Read] = {}
    for slot, at, mask, mask_at in _said(version, members[_WILDCARDS_AT[version]]):
        value, limit = members[at], _RAW_LIMITS[slot]
        if isinstance(value, bytes):
            value = int.from_bytes(value, "big")
        if mask_at:
            hidden = members[mask_at]
            mask = limit ^ (int.from_bytes(hidden, "big") if isinstance(hidden, bytes) else hidden)
            if not mask:
                continue
        elif slot == "in_port" and version == V10:
            value = long_port(value)
        if value > limit:
            raise ProtocolError(f"match field {slot}: {value:#x} is not within 0..{limit:#x}", "OFPBMC_BAD_VALUE")
        raw[slot] = value if mask == limit else (value & mask, mask)
    return raw


def _canonical(word: int, version: int) -> int:
    """The word of wildcards that is written for what this one means."""
    word &= _DEFINED[version]
    if version == V10:
        for shift in _PREFIXES10.values():
            if word >> shift & 0x3F > 32:
                word = word & ~(0x3F << shift) | 32 << shift
    return word


def _hidden(raw: Mapping[str, Read], version: int) -> int:
    """The bits of the struct that are beneath a wildcard when `raw` is what is matched."""
    hidden = 0
    for slot in SLOTS[version]:
        shift, bits = _PLACES[version][slot]
        said = raw.get(slot, (0, 0))
        free = (1 << bits) - 1
        hidden |= (0 if isinstance(said, int) else free & ~said[1]) << shift
    return hidden


def _with_kept(packed: bytes, kept: Mapping[str, Read], version: int) -> bytes:
    """The struct with what means nothing. EncodeError where that would mean something."""
    word, ignored = kept.get(WILDCARDS), kept.get(IGNORED, 0)
    size, at = _SIZES[version], 0 if version == V10 else 8
    canonical = int.from_bytes(packed[at : at + 4], "big")
    if word is not None:
        if not isinstance(word, int) or not 0 <= word <= 0xFFFFFFFF:
            raise EncodeError(f"wildcards: {word} is not a number of 32 bits")
        if _canonical(word, version) != canonical:
            raise EncodeError(f"wildcards: {word:#x} says other fields than the match, which has {canonical:#x}")
        packed = packed[:at] + word.to_bytes(4, "big") + packed[at + 4 :]
    if ignored:
        raw = _unpack(_STRUCTS[version].unpack(packed), version)
        if not isinstance(ignored, int) or ignored < 0 or ignored & ~_hidden(raw, version):
            raise EncodeError("ignored: it has bits that are not beneath a wildcard of the match")
        packed = (int.from_bytes(packed, "big") | ignored).to_bytes(size, "big")
    return packed


# -- readers for one kind of match ---------------------------------------------------------------------------------

_SIZES: Final = {version: layout.size for version, layout in _STRUCTS.items()}
# What decides which fields a struct has: in 1.0 wildcards, dl_type and nw_proto; in 1.1 also its head and its masks.
_KEYS: Final = {V10: Struct(">I18xHxB").unpack_from, V11: Struct(">HH4xI6x6s6x6s4xHxB4xI4xI20xQ").unpack_from}
_READERS: Final[dict[int, dict[tuple[Any, ...], Reader | None]]] = {V10: {}, V11: {}}
_MADE: Final[dict[int, dict[tuple[Any, ...], Reader | None]]] = {V10: {}, V11: {}}
_KNOWN_TYPES: Final = frozenset({0x0800, 0x0806, 0x8035, 0x86DD})
_KNOWN_PROTOCOLS: Final = frozenset({1, 6, 17, 58, 132})
_KEYS_MOST: Final = 4096
_MADE_MOST: Final = 256


def _places(version: int) -> dict[str, tuple[int, int]]:
    """Where each slot is in the struct as one number: how far from its low end, and of how many bits."""
    places: dict[str, tuple[int, int]] = {}
    offset = 0
    for member, code in LAYOUTS[version]:
        size = Struct(">" + code.rstrip("x")).size
        if member in SLOTS[version]:
            places[member] = 8 * (_SIZES[version] - offset - size), 8 * size
        offset += Struct(">" + code).size
    return places


_PLACES: Final = {version: _places(version) for version in LAYOUTS}


def _remember(key: tuple[Any, ...], version: int) -> Reader | None:
    """The reader for structs of this key; None where there is none. As peers choose the keys, what is made and what is
    remembered is bounded, and the rest goes the long way."""
    readers, made = _READERS[version], _MADE[version]
    if len(readers) >= _KEYS_MOST:
        return None
    *head, dl_type, nw_proto = key if version == V10 else (*key[:5], *key[7:], *key[5:7])
    kind = (*head, dl_type if dl_type in _KNOWN_TYPES else 0, nw_proto if nw_proto in _KNOWN_PROTOCOLS else 0)
    if kind not in made:
        if len(made) >= _MADE_MOST:
            return None
        made[kind] = _make_reader(head, kind[-2], kind[-1], version)
    readers[key] = made[kind]
    return made[kind]


def _make_reader(head: list[Any], dl_type: int, nw_proto: int, version: int) -> Reader | None:
    word = head[0] if version == V10 else head[2]
    if word != _canonical(word, version) or (version != V10 and (head[0], head[1]) != (_OFPMT_STANDARD, _SIZES[V11])):
        return None
    hidden = dict.fromkeys(_PREFIXES10, 0)
    if version != V10:
        names = ("dl_src", "dl_dst", "nw_src", "nw_dst", "metadata")
        hidden = {
            n: int.from_bytes(m, "big") if isinstance(m, bytes) else m for n, m in zip(names, head[3:], strict=True)
        }
    masks = {}
    for slot, _, mask, mask_at in _said(version, word):
        mask = RAW[slot].limit ^ hidden[slot] if mask_at else mask
        if mask:
            masks[slot] = mask
    # A match of this kind, to ask the long way for the names that it would give.
    example: dict[str, Read] = {slot: 0 if mask == RAW[slot].limit else (0, mask) for slot, mask in masks.items()}
    example |= {slot: value for slot, value in (("dl_type", dl_type), ("nw_proto", nw_proto)) if slot in masks}
    named = dict(zip(masks, from_raw(example, version), strict=True))
    slots = {slot: RAW[slot] for slot in SLOTS[version]}
    return compile_reader(LAYOUTS[version], slots, masks, named, short_ports=version == V10)


@lru_cache(maxsize=1024)
def _said(version: int, wildcards: int) -> tuple[tuple[str, int, int, int], ...]:
    """What such wildcards leave: slot, which member it is, its mask, which member has the mask instead (or 0)."""
    members, said = _MEMBERS[version], []
    for slot in SLOTS[version]:
        mask, mask_at, bit = RAW[slot].limit, 0, _BITS[version].get(slot)
        if bit is not None:
            mask = 0 if wildcards >> bit & 1 else mask
        elif version == V10:
            mask &= mask << min(wildcards >> _PREFIXES10[slot] & 0x3F, 32)
        else:
            mask_at = members.index(f"{slot}_mask")
        if mask:
            said.append((slot, members.index(slot), mask, mask_at))
    return tuple(said)


def _exact(match: Mapping[str, Value], slot: str) -> int | None:
    """What the match says of a slot, under any of its names, if it says it exactly."""
    for name in (slot, *_MEANINGS[slot]):
        value = match.get(name)
        if isinstance(value, str):
            value = _parse(name, value)
        if isinstance(value, tuple) and value[1] == RAW[slot].limit:
            return value[0]
        if isinstance(value, int):
            return value
    return None


def _satisfied(name: str, match: Mapping[str, Value]) -> bool:
    return all(_exact(match, SLOT_OF[need]) in some for need, some in FIELDS[name].prerequisites)


def _to_slot(name: str, given: Read, version: int) -> Read:
    """A field's value as its slot has it."""
    if name in RAW:
        return given
    limit = FIELDS[name].limit
    value, mask = given if isinstance(given, tuple) else (given, limit)
    if not 0 <= value <= limit:
        raise EncodeError(f"{name}: {value:#x} is not within 0..{limit:#x}")
    full = RAW[SLOT_OF[name]].limit
    if name == "vlan_vid":
        if mask & limit == 0:
            return 0, 0
        if mask & limit == limit:
            if value == 0:
                return NO_TAG
            if value & PRESENT:
                return value & ~PRESENT
            raise EncodeError(f"vlan_vid: {value:#x} is neither 0 (no tag) nor 0x1000 and a VLAN")
        if version != V10 and value == mask == PRESENT:
            return _ANY_TAG
        known = VERSION_NAMES[version]
        raise EncodeError(
            f"vlan_vid: OpenFlow {known} has no mask {mask:#x} for it; use NXM's vlan_tci, or OpenFlow 1.2"
        )
    if name == "ip_dscp":
        return value << 2 if mask & limit == limit else (value << 2, mask << 2)
    if isinstance(given, tuple) and limit < full and mask == limit:
        return value  # a whole mask of a field that is narrower than its slot
    return given


def _from_slot(name: str, value: Read, version: int) -> Read | None:
    """A slot's value as the field `name` has it, or None where it has no such value."""
    if isinstance(value, tuple):
        return value if FIELDS[name].maskable else None
    if name == "vlan_vid":
        if value == NO_TAG:
            return 0
        if value == _ANY_TAG and version != V10:
            return PRESENT, PRESENT
        return value | PRESENT if value < PRESENT else None
    if name == "ip_dscp":
        return None if value & 3 else value >> 2
    return value if value <= _LIMITS[name] else None


def _parse(name: str, text: str) -> Read:
    from segue.openflow.field_text import value_from_json  # text is the slow path; the codec does not need it

    return value_from_json(name, text)


def _cannot(name: str, version: int) -> str:
    if lookup(name) is None and name not in RAW:
        return f"no match field is called {name!r}"
    later = "NXM (Nicira's flow modification) or OpenFlow 1.2 and later"
    if SLOT_OF.get(name) in SLOTS[V11]:
        later = f"OpenFlow 1.1, {later}"
    return f"{name}: the match of OpenFlow {VERSION_NAMES[version]} has no such field; use {later}"

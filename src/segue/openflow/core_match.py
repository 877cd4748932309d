"""What the compiled core has to know of matches: a plan for each shape, and the headers of TLVs.

A shape is the names of a match's fields in their order, and which of them have masks (bit n for the n-th). Its plan is
what does not depend on values, and where these go; it says the same as the encoders in `match` and `match_fixed`,
from the same tables. A shape without a plan is theirs alone, as is every match whose values are not plainly right.
"""

from collections.abc import Sequence
from struct import Struct
from typing import Any, Final

from segue.openflow import match, match_fixed
from segue.openflow.fields import FIELDS, NXM, in_order
from segue.openflow.wire import PADDING, V10, V12, EncodeError

# How a value becomes octets; the numbers are those of _core/match.c.
_PLAIN: Final = 0
_MASKED: Final = 1  # (value, mask), one behind the other
_NARROW_PORT: Final = 2
_VLAN: Final = 3
_SHIFTED: Final = 4

# (offset, octets, form, which value, largest value)
Hole = tuple[int, int, int, int, int]
# (which value, what it may be)
Need = tuple[int, tuple[int, ...]]
Plan = tuple[bytes, tuple[Hole, ...], tuple[Need, ...]]

_WIDEST: Final = 8
_HEAD: Final = Struct(">HH")
_OFPMT_OXM: Final = 1


def plan(names: Sequence[str], masked: int, version: int) -> Plan | None:
    """The plan of a shape, None where Python has to write it."""
    try:
        if NXM < version < V12:
            return None if masked else _fixed(tuple(names), version)
        return _tlvs(tuple(names), masked, version)
    except EncodeError:
        return None


def _tlvs(names: tuple[str, ...], masked: int, version: int) -> Plan | None:
    template = b"\0\0\0\0"
    holes: list[Hole] = []
    place = {name: n for n, name in enumerate(names)}
    for name in in_order(names):
        header, masked_header, size, limit, _, maskable = match.writer_of(name, version)
        with_mask = bool(masked >> place[name] & 1)
        if size > _WIDEST or (with_mask and not maskable):
            return None
        template += masked_header if with_mask else header
        holes.append((len(template), size, _MASKED if with_mask else _PLAIN, place[name], limit))
        template += bytes(size << with_mask)
    length = len(template)
    return _HEAD.pack(_OFPMT_OXM, length) + template[4:] + PADDING[-length % 8], tuple(holes), ()


def _fixed(names: tuple[str, ...], version: int) -> Plan | None:
    slots, raw = match_fixed.SLOT_OF, match_fixed.RAW
    place: dict[str, int] = {}
    for n, name in enumerate(names):
        slot = slots.get(name)
        if slot is None or slot not in match_fixed.SLOTS[version] or slot in place:
            return None
        place[slot] = n
    needs: list[Need] = []
    for name in names:
        if name in match_fixed.BY_KIND:
            for need, some in FIELDS[name].prerequisites:
                if slots[need] not in place:
                    return None
                needs.append((place[slots[need]], some))
    holes: list[Hole] = []
    offset = 0
    for member, code in match_fixed.LAYOUTS[version]:
        if member in place:
            name, size = names[place[member]], Struct(">" + code.rstrip("x")).size
            limit, form = min((FIELDS.get(name) or raw[member]).limit, raw[member].limit), _PLAIN
            if member == "in_port" and version == V10:
                form = _NARROW_PORT
            elif name == "vlan_vid":
                form = _VLAN
            elif name == "ip_dscp":
                form = _SHIFTED
            holes.append((offset, size, form, place[member], limit))
        offset += Struct(">" + code).size
    template = match_fixed.pack_slots({slot: (0, raw[slot].limit) for slot in place}, version)
    return template, tuple(holes), tuple(needs)


def headers(version: int) -> list[tuple[int, str, int, bool, int]] | None:
    """Of each TLV whose header is four octets: header, name, octets, whether there is a mask, the largest value."""
    if version < V12:
        return None
    found: list[tuple[int, str, int, bool, int]] = []
    for header, (name, size, masked, limit) in match.readers_of(version).items():
        if len(header) == 4 and (size <= _WIDEST or (size <= 16 and limit == (1 << 8 * size) - 1)):
            found.append((int.from_bytes(header, "big"), name, size, masked, limit & (1 << 64) - 1))
    return found


def matches(version: int) -> dict[str, Any]:
    """The ingredients of the core's `Matches`."""

    def encode(m: match.MatchLike) -> bytes:
        return match.encode_match(m, version)

    def decode(data: bytes, offset: int, end: int) -> tuple[dict[str, match.Read], int]:
        return match.decode_match(data, offset, end, version)

    def make(names: Sequence[str], masked: int) -> Plan | None:
        return plan(names, masked, version)

    return {"plan": make, "encode": encode, "decode": decode, "headers": headers(version)}

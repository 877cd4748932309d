"""Matches: a service's own words into fields of the stages of services, checked as a switch checks them.

Whatever passes here is taken by Open vSwitch: names, values, masks and prerequisites are those of OpenFlow 1.5.1
section 7.2.3 and of ``openflow.fields``, which follows Open vSwitch where it knows more. A service may match its own
virtual ports (``in_port``), its own ``metadata``, and headers of the packet; nothing else of the pipeline.

The structs of OpenFlow 1.0 and 1.1 have slots that mean nothing where the packet is of another kind. As in Open
vSwitch, and in the specifications (1.0.0 section 3.4, 1.1.0 section 4.4), such a slot is then not looked at.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from segue.inject.errors import Refusal
from segue.inject.scope import Scope
from segue.model import program
from segue.model.program import Match, Value
from segue.model.stages import BY_NAME, ELEMENT, SERVICE, SERVICE_METADATA
from segue.openflow.field_text import value_from_json
from segue.openflow.fields import FIELDS, Field, lookup
from segue.openflow.match import OXM_IN_11, MatchLike, Read
from segue.openflow.match_fixed import KEPT
from segue.openflow.wire import V10, V12, EncodeError

PRESENT: Final = 0x1000
ETH_IPV4, ETH_IPV6 = 0x0800, 0x86DD
IP: Final = (ETH_IPV4, ETH_IPV6)
LATER: Final = 2
"""The bit of `ip_frag` that later fragments have."""

HEADERS: Final = BY_NAME["service_0"].matches - {SERVICE, ELEMENT, SERVICE_METADATA}
"""Header fields that services may match."""

_SAME: Final = {"dl_src": "eth_src", "dl_dst": "eth_dst", "dl_type": "eth_type", "dl_vlan_pcp": "vlan_pcp"}
_NO_TAG: Final = 0xFFFF

_PLAIN: Final[dict[tuple[object, ...], tuple[int, ...]]] = {}
"""Kinds of matches that are in normal form as they stand, so long as all values are whole and within these limits:
version, names, and the values that decide what else may be matched."""
_MASKED: Final[dict[tuple[object, ...], tuple[int, ...]]] = {}
"""The same with masks, each by itself."""
_WHOLE: Final = frozenset({int})
_DECIDING: Final = frozenset({"ip_frag", "icmpv6_type", "icmpv6_code", "arp_op"})
"""Fields whose values decide besides, or have limits of their own; matches with them are looked at anew each time."""
_REMEMBERED: Final = 4096


def normal(match: MatchLike, version: int) -> dict[str, Value]:
    """The match by plain names, masks where they are partial alone; what is not restricted is not there. Two that mean
    the same are equal. Refusal: Open vSwitch would not take it, or services may not match it."""
    tag = _kind_of_tag(match)
    key = (version, tuple(match), match.get("eth_type"), match.get("ip_proto"), tag)
    limits = _PLAIN.get(key)
    if limits is not None:
        for value, limit in zip(match.values(), limits, strict=True):
            if type(value) is not int or not 0 <= value <= limit:
                break
        else:
            return dict(match)  # type: ignore[arg-type]  # whole numbers all
    masked: tuple[object, ...] = ()
    if tag is not None:
        masked = (*key, *[value[1] if isinstance(value, tuple) else None for value in match.values()])
        limits = _MASKED.get(masked)
        if limits is not None and all(map(_within, match.values(), limits)):
            return dict(match)  # type: ignore[arg-type]
    found = _normal(match, version)
    if tag is not None and found == match and not found.keys() & _DECIDING:
        known, kind = (_PLAIN, key) if _WHOLE.issuperset(map(type, match.values())) else (_MASKED, masked)
        if len(known) >= _REMEMBERED:
            known.clear()
        known[kind] = tuple(FIELDS[name].limit for name in match)
    return found


def _within(value: object, limit: int) -> bool:
    """Of a value whose mask is a good one."""
    if isinstance(value, tuple):
        return 0 <= value[0] <= limit and not value[0] & ~value[1]
    return type(value) is int and 0 <= value <= limit


def _kind_of_tag(match: MatchLike) -> int | None:
    """What a match's value for the VLAN says to other fields: nothing (0), no tag (1), some tag (2). None for any other
    value, of which nothing is remembered."""
    if "vlan_vid" not in match:
        return 0
    value = match["vlan_vid"]
    if type(value) is not int:
        return None
    return 1 if value == 0 else 2 if PRESENT <= value < 2 * PRESENT else None


def _normal(match: MatchLike, version: int) -> dict[str, Value]:
    found: dict[str, Value] = {}
    seen: set[str] = set()
    fixed = version < V12 and OXM_IN_11 not in match
    for said, given in match.items():
        if said in KEPT or said == OXM_IN_11:
            continue
        value = _read(said, given)
        name = said
        if fixed and (said not in FIELDS or said == "nw_tos"):
            slot = _of_slot(said, value, match, version)
            if slot is None:
                continue
            name, value = slot
        name, value = _field(name, value)
        if name in seen:
            raise Refusal("OFPBMC_DUP_FIELD", f"{said}: {name} is matched already; say it once")
        seen.add(name)
        checked = _checked(name, value)
        if checked is not None:
            found[name] = checked
    if fixed and "vlan_pcp" in found:
        _fixed_priority(found)
    for name in found:
        _prerequisites(name, found)
    return found


def of_scope(scope: Scope, found: Mapping[str, Value]) -> Match | None:
    """A match in normal form as the stages of services have it; None where it names an element that is not there now.
    Refusal: a port that the service never had."""
    fields: dict[str, Value] = {SERVICE: scope.key}
    for name, value in found.items():
        if name == "in_port":
            assert isinstance(value, int)
            element = scope.elements.get(value)
            if element is None:
                if value in scope.gone:
                    return None
                raise Refusal("OFPBMC_BAD_VALUE", f"in_port: {no_port(scope, value)}")
            fields[ELEMENT] = element.register
        elif name == "metadata":
            fields[SERVICE_METADATA] = value
        else:
            fields[name] = value
    return program.match(fields)


def no_port(scope: Scope, number: int) -> str:
    """What to say of a port that is not the service's."""
    own = ", ".join(str(one) for one in sorted(scope.elements)[:16]) or "none yet"
    return f"service {scope.name!r} has no port {number:#x}; its own are {own}{', ...' * (len(scope.elements) > 16)}"


def exact(found: Mapping[str, Value], name: str) -> int | None:
    """The value of a field that is matched whole."""
    value = found.get(name)
    return value if isinstance(value, int) else None


def tagged(found: Mapping[str, Value]) -> bool:
    """Whether the match says that the packet has a VLAN tag."""
    given = found.get("vlan_vid", 0)
    value, mask = given if isinstance(given, tuple) else (given, FIELDS["vlan_vid"].limit)
    return bool(value & mask & PRESENT)


def later(found: Mapping[str, Value]) -> bool:
    """Whether the match is of later fragments, which have no header of the transport."""
    given = found.get("ip_frag", 0)
    return bool((given if isinstance(given, int) else given[0]) & LATER)


def _read(name: str, given: int | str | tuple[int, int]) -> Read:
    if not isinstance(given, str):
        return given
    try:
        return value_from_json(name, given)
    except EncodeError as error:
        raise Refusal("OFPBMC_BAD_VALUE", str(error)) from None


def _field(name: str, value: Read) -> tuple[str, Read]:
    """The plain name, and the value as that has it."""
    known = lookup(name)
    plain = known[0].name if known else name
    if plain == "nw_tos":
        whole, mask = value if isinstance(value, tuple) else (value, 0xFC)
        if whole & 3 or mask & 0xFC != 0xFC:
            raise Refusal("OFPBMC_BAD_VALUE", f"{name}: match the six bits of ip_dscp, and ip_ecn besides")
        plain, value = "ip_dscp", whole >> 2
    if plain in HEADERS or plain in ("in_port", "metadata"):
        return plain, value
    if plain == "packet_type":
        if value in (0, (0, FIELDS["packet_type"].limit)):
            return plain, value
        raise Refusal("OFPBMC_BAD_FIELD", "packet_type: services meet Ethernet frames alone; leave it out, or say 0")
    if name.startswith("oxm:"):
        raise _foreign(name)
    raise Refusal("OFPBMC_BAD_FIELD", f"{name}: services match in_port, metadata and {', '.join(sorted(HEADERS))}")


def _foreign(name: str) -> Refusal:
    known = lookup(name)
    identity = known[1] if known else None
    for field in FIELDS.values():
        for own in field.identities:
            if identity is not None and (own.oxm_class, own.number, own.experimenter) == (
                identity.oxm_class,
                identity.number,
                identity.experimenter,
            ):
                if known is not None and known[0].size == field.size:
                    return Refusal(
                        "OFPBMC_BAD_MASK", f"{field.name} is matched whole or not at all; leave its mask out"
                    )
                return Refusal("OFPBMC_BAD_LEN", f"{field.name} has {field.size} octets")
    return Refusal("OFPBMC_BAD_FIELD", f"{name}: there is no such field here; use OpenFlow's basic ones")


def _checked(name: str, given: Read) -> Value | None:
    field: Field = FIELDS[name]
    value, mask = given if isinstance(given, tuple) else (given, field.limit)
    if not 0 <= value <= field.limit:
        raise Refusal("OFPBMC_BAD_VALUE", f"{name}: {value:#x} is not within 0..{field.limit:#x}")
    if not 0 <= mask < 1 << 8 * field.size:
        raise Refusal("OFPBMC_BAD_MASK", f"{name}: mask {mask:#x} is not within 0..{field.limit:#x}")
    if value & ~mask:
        raise Refusal("OFPBMC_BAD_WILDCARDS", f"{name}: {value:#x} has bits outside of its mask {mask:#x}; clear them")
    mask &= field.limit
    if mask != field.limit:
        if not field.maskable:
            raise Refusal("OFPBMC_BAD_MASK", f"{name} is matched whole or not at all; leave its mask out")
        return (value, mask) if mask else None
    if name == "packet_type":
        return None
    if name == "vlan_vid" and 0 < value < PRESENT:
        raise Refusal("OFPBMC_BAD_VALUE", f"vlan_vid: write {value | PRESENT:#x} for VLAN {value} (OFPVID_PRESENT)")
    if name == "arp_op" and value > 0xFF:
        raise Refusal("OFPBMC_BAD_VALUE", f"arp_op: {value:#x} is not within 0..0xff")
    return value


def _prerequisites(name: str, found: dict[str, Value]) -> None:
    """OpenFlow 1.5.1 section 7.2.3.6. What needs the code of an ICMPv6 message takes its being left out for 0."""
    if name == "vlan_pcp":
        if not tagged(found):
            raise Refusal("OFPBMC_BAD_PREREQ", "vlan_pcp: match vlan_vid too, 0x1000/0x1000 for any tag")
        return
    for need, some in FIELDS[name].prerequisites:
        value = exact(found, need)
        if need == "ip_proto" and later(found):
            raise Refusal("OFPBMC_BAD_PREREQ", f"{name}: later fragments, which ip_frag asks for, do not have it")
        if need == "icmpv6_code" and need not in found:
            continue
        if value is None or value not in some:
            wanted = " or ".join(f"{one:#x}" for one in some)
            raise Refusal("OFPBMC_BAD_PREREQ", f"{name}: match {need} too, as {wanted}")


def _of_slot(said: str, given: Read, match: MatchLike, version: int) -> tuple[str, Read] | None:
    """A slot of the old structs as a field, None where it means nothing."""
    if said in _SAME:
        return _SAME[said], given
    value = given[0] if isinstance(given, tuple) else given
    if said == "dl_vlan":
        if value == _NO_TAG:
            return "vlan_vid", 0
        if value >= PRESENT:
            raise Refusal("OFPBMC_BAD_VALUE", f"dl_vlan: {value:#x} is neither a VLAN nor 0xffff (no tag)")
        return "vlan_vid", value | PRESENT
    kind, protocol = match.get("eth_type", match.get("dl_type")), match.get("ip_proto", match.get("nw_proto"))
    if said == "nw_tos":
        return ("nw_tos", value & 0xFC if version == V10 else value) if kind in IP else None
    if said in ("tp_src", "tp_dst") and (kind, protocol) in ((ETH_IPV4, 1), (ETH_IPV6, 58)):
        raise Refusal("OFPBMC_BAD_VALUE", f"{said}: an ICMP {'type' if said == 'tp_src' else 'code'} has 8 bits")
    if said in ("nw_proto", "nw_src", "nw_dst", "tp_src", "tp_dst"):
        return None
    return said, given


def _fixed_priority(found: dict[str, Value]) -> None:
    """Until OpenFlow 1.1 a priority can be matched without a VLAN: of any tag. Without a tag it means nothing."""
    if found.get("vlan_vid") == 0:
        del found["vlan_pcp"]
    else:
        found.setdefault("vlan_vid", (PRESENT, PRESENT))

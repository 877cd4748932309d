"""Match fields as people and JSON say them.

MAC addresses are "aa:bb:cc:dd:ee:ff", IP addresses their usual text, everything else a number; numbers beyond 2**53 are
"0x..." strings, as readers of JSON may keep numbers as doubles. A masked address is "value/mask", with a prefix
length where an IP mask is one; a masked number is `{"value": ..., "mask": ...}`. Read are, besides, decimal and
hexadecimal strings for any field, "value/mask" for numbers, and for a port the names of reserved ones.

A match of OpenFlow 1.0 or 1.1 is written in its specification's own names (`dl_src`, `nw_dst`, `tp_src`); either kind
of name is read.
"""

import re
from collections.abc import Mapping
from ipaddress import IPv6Address
from typing import Any, Final

from segue.openflow import match_fixed
from segue.openflow.fields import FIELDS, Field, lookup
from segue.openflow.json_values import ReservedPort
from segue.openflow.wire import V11, V12, EncodeError

Read = int | tuple[int, int]

_SAFE: Final = 1 << 53
_TYPE: Final = "match_type"  # `match.OXM_IN_11`
_MAC: Final = re.compile(r"[0-9a-fA-F]{1,2}([:-])[0-9a-fA-F]{1,2}(?:\1[0-9a-fA-F]{1,2}){4}")
_IPV4: Final = re.compile(r"(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})", re.ASCII)
_NUMBER: Final = re.compile(r"0[xX][0-9a-fA-F]+|[0-9]+", re.ASCII)
_PORTS: Final = ("in_port", "in_phy_port", "actset_output")
_WIDTH: Final = {"mac": 48, "ipv4": 32, "ipv6": 128}


def value_to_json(name: str, value: Read) -> Any:
    """What JSON says for a value of the field `name`. EncodeError: an address that its kind cannot have."""
    kind = _kind(name)
    if isinstance(value, tuple):
        if kind == "int":
            return {"value": _number(value[0]), "mask": _number(value[1])}
        return f"{_address(name, kind, value[0])}/{_mask(name, kind, value[1])}"
    return _number(value) if kind == "int" else _address(name, kind, value)


def value_from_json(name: str, given: Any) -> Read:
    """The value that `value_to_json`, or a person, wrote. EncodeError: it is none."""
    if isinstance(given, int) and not isinstance(given, bool):
        return given
    kind = _kind(name)
    if isinstance(given, str):
        text, slash, mask = given.partition("/")
        value = _read(name, kind, text)
        return (value, _read_mask(name, kind, mask)) if slash else value
    if isinstance(given, Mapping) and given.keys() == {"value", "mask"}:
        whole, part = value_from_json(name, given["value"]), value_from_json(name, given["mask"])
        if isinstance(whole, int) and isinstance(part, int):
            return whole, part
    raise EncodeError(f"{name}: {given!r} is no value of a match field")


def match_to_json(match: Mapping[str, int | str | tuple[int, int]], version: int) -> dict[str, Any]:
    """A match as an object of JSON. EncodeError: OpenFlow 1.0 or 1.1 cannot say it."""
    if version == V11 and _TYPE in match:
        return {_TYPE: match[_TYPE], **match_to_json({n: v for n, v in match.items() if n != _TYPE}, V12)}
    said = match_fixed.to_raw(match, version) if 0 < version < V12 else match
    return {
        name: value_to_json(name, value_from_json(name, value) if isinstance(value, str) else value)
        for name, value in said.items()
    }


def match_from_json(obj: Mapping[str, Any], version: int) -> dict[str, Read]:
    """The match that an object of JSON says. EncodeError: unknown names, values that are none."""
    if not isinstance(obj, Mapping):
        raise EncodeError(f"a match is an object, not {obj!r}")
    if version == V11 and obj.get(_TYPE) == 1:
        return {_TYPE: 1, **match_from_json({n: v for n, v in obj.items() if n != _TYPE}, V12)}
    match: dict[str, Read] = {}
    for name, given in obj.items():
        fixed = 0 < version < V12 and name in match_fixed.RAW
        if not fixed and lookup(name) is None:
            hint = match_fixed.modern_name(name)
            raise EncodeError(f"no match field is called {name!r}{f'; {hint}' if hint else ''}")
        match[name] = value_from_json(name, given)
    if 0 < version < V12:
        return match_fixed.from_raw(match_fixed.to_raw(match, version), version)
    return match


def json_schema_of_match() -> dict[str, Any]:
    """JSON Schema (2020-12) of a match in any version, to stand alone or under `$defs`."""
    schemas = {name: _schema(field) for name, field in (match_fixed.RAW | FIELDS).items()}
    qualified = {
        identity.spec.lower(): schemas[field.name] for field in FIELDS.values() for identity in field.identities
    }
    number = _schema(Field("", 1016, 127, True, (), ()))
    return {
        "type": "object",
        "description": "Match fields by name, each with a value, or with a value and a mask.",
        "properties": schemas | qualified | {_TYPE: _integer(Field(_TYPE, 1, 1, False, (), ()))},
        "patternProperties": {
            "^oxm:[0-9a-f]{1,4}:[0-9a-f]{1,2}:[0-9a-f]{1,2}(:[0-9a-f]{1,8})?$": number,
            "^tun_metadata[0-9]{1,2}:[1-9][0-9]{0,2}$": number,
        },
        "additionalProperties": False,
    }


def _schema(field: Field) -> dict[str, Any]:
    if field.kind != "int":
        text = {"mac": "MAC address", "ipv4": "IPv4 address", "ipv6": "IPv6 address"}[field.kind]
        return {"anyOf": [{"type": "string", "description": f"{text}, or address/mask"}, _integer(field)]}
    text_number = {"type": "string", "pattern": "^(0[xX][0-9a-fA-F]+|[0-9]+)(/(0[xX][0-9a-fA-F]+|[0-9]+))?$"}
    part = {"anyOf": [{"type": "integer", "minimum": 0}, text_number]}
    masked = {
        "type": "object",
        "properties": {"value": part, "mask": part},
        "required": ["value", "mask"],
        "additionalProperties": False,
    }
    number = [_integer(field), text_number, masked]
    if field.name not in _PORTS:
        return {"anyOf": number}
    names = {"type": "string", "description": "Port that stands for something", "enum": list(ReservedPort.all_names())}
    return {"anyOf": [names, *number]}


def _integer(field: Field) -> dict[str, Any]:
    return {"type": "integer", "minimum": 0, "maximum": min(field.limit, _SAFE)}


def _kind(name: str) -> str:
    field = match_fixed.RAW.get(name)
    if field is None:
        known = lookup(name)
        if known is None:
            raise EncodeError(f"no match field is called {name!r}")
        field = known[0]
    return field.kind


def _number(value: int) -> int | str:
    return value if -_SAFE <= value <= _SAFE else hex(value)


def _address(name: str, kind: str, value: int) -> str:
    if not 0 <= value < 1 << _WIDTH[kind]:
        raise EncodeError(f"{name}: {value:#x} is no address")
    if kind == "ipv6":
        return str(IPv6Address(value))
    octets = value.to_bytes(_WIDTH[kind] // 8, "big")
    return octets.hex(":") if kind == "mac" else ".".join(map(str, octets))


def _mask(name: str, kind: str, mask: int) -> str:
    text = _address(name, kind, mask)
    width = _WIDTH[kind]
    hidden = (1 << width) - 1 ^ mask
    return text if kind == "mac" or hidden & (hidden + 1) else str(width - hidden.bit_length())


def _read(name: str, kind: str, text: str) -> int:
    try:
        if kind == "mac" and _MAC.fullmatch(text):
            return int("".join(part.zfill(2) for part in re.split("[:-]", text)), 16)
        if kind == "ipv4" and (quads := _IPV4.fullmatch(text)):
            return int.from_bytes(bytes(map(int, quads.groups())), "big")
        if kind == "ipv6" and ":" in text and "%" not in text:
            return int(IPv6Address(text))
        if _NUMBER.fullmatch(text):
            return int(text, 16) if text[:2] in ("0x", "0X") else int(text)
    except ValueError:
        pass
    port = ReservedPort.value_of(text)
    known = lookup(name)
    if port is not None and known is not None and known[0].name in _PORTS:
        return port
    raise EncodeError(f"{name}: {text!r} is no {'number' if kind == 'int' else kind + ' address'}")


def _read_mask(name: str, kind: str, text: str) -> int:
    width = _WIDTH.get(kind, 0)
    if kind in ("ipv4", "ipv6") and text.isascii() and text.isdigit():
        if len(text) > 3 or int(text) > width:
            raise EncodeError(f"{name}: a prefix of {text} bits is longer than the address")
        return (1 << width) - (1 << width - int(text))
    return _read(name, kind, text)

"""Whether another party's reading of a message says what ours says.

os-ken's (`to_jsondict()`: `{class: {field: value}}`) is compared field by field where the names are the same, which are
the specification's in both; `OTHERWISE` has the fields that os-ken calls something else. tshark's dissection is
a list of values for each name; what it has as often as our message is compared in order.

Both give what was compared, so that a test can ask for enough of it: that nothing disagrees proves little where nothing
was compared.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from ipaddress import IPv4Address, IPv6Address
from typing import Any, NamedTuple

import msgspec

from segue.openflow.declare import HOMES, Record
from segue.openflow.fields import FIELDS
from segue.openflow.match_fixed import to_raw
from segue.openflow.wire import V10

from .oracles.wireshark import Dissection


class Agreement(NamedTuple):
    """`compared` and `missing` are paths; `wrong` has both values as well. `records` are the classes of what the other
    party has, too, each with the names of its fields that were compared."""

    compared: list[str]
    wrong: list[str]
    missing: list[str]
    records: dict[type[Any], set[str]]


# What os-ken shows and we have not in a record: headers, lengths that follow from what they count.
_HEADERS = frozenset(
    [
        "type",
        "len",
        "length",
        "subtype",
        "experimenter",
        "exp_type",
        "vendor",
        "property",
        "event",
        "match_len",
        "actions_len",
    ]
) | {"action_array_len", "bucket_array_len"}
OTHERWISE = {
    ("FlowMonitor", "monitor_flags"): "flags",
    ("GroupStats", "bucket_counters"): "bucket_stats",
    ("ResubmitTable", "table_id"): "table",
    ("StackPush", "start"): "offset",
    ("StackPush", "end"): "n_bits",
    ("StackPop", "start"): "offset",
    ("StackPop", "end"): "n_bits",
    ("TableFeatures", "config"): "capabilities",
    ("RegMove", "src_field"): "src",
    ("RegMove", "dst_field"): "dst",
    ("Error", "exp_type"): "code",
}
"""What os-ken calls otherwise."""


def fields_of(record: Record) -> dict[str, Any]:
    return {name: getattr(record, name) for name in record.__struct_fields__}


def with_os_ken(message: Record, reading: Mapping[str, Any]) -> Agreement:
    found = Agreement([], [], [], {})
    _record(message, reading, type(message).__name__, found)
    return found


def _record(ours: Record, theirs: Mapping[str, Any], path: str, found: Agreement) -> None:
    if not theirs:
        found.wrong.append(f"{path}: nothing")
        return
    ((name, values),) = theirs.items()
    own = fields_of(ours)
    if isinstance(values, Mapping) and set(values) == {"field", "len", "type"} and "OXMTlv" in values["field"]:
        _set_field(own, values["field"]["OXMTlv"], path, found)
        return
    kind = type(ours).__name__
    # What it keeps as octets, because it does not know it, it has not read.
    if "Unknown" not in name and (_own_experimenter(type(ours)) is None or name.startswith(("NX", "ONF"))):
        found.records.setdefault(type(ours), set()).update(key for key in own if key in values)
    if kind == "FlowMonitorRequest" and name == "OFPFlowMonitorRequest":  # os-ken knows one monitor
        _record(own["monitors"][0], {name: {**values, "flags": None}}, f"{path}.monitors", found)
        return
    for key, value in values.items():
        at = f"{path}.{key}"
        said = OTHERWISE.get((kind, key), key)
        if key == "body" and "body" not in own:
            _body(ours, value, path, found)
        elif value is None and key in ("code", "flags", "exp_type"):
            continue  # an experimenter's error has an exp_type, and others have a code
        elif said in own:
            _value(own[said], value, at, found)
        elif key not in _HEADERS:
            found.missing.append(f"{kind}.{key}")


def _own_experimenter(record: type[Record]) -> tuple[int, int] | None:
    home = HOMES.get(record)
    return None if home is None or record not in home.entries else home.entries[record].key


def _body(ours: Record, theirs: Any, path: str, found: Agreement) -> None:
    lists = [value for value in fields_of(ours).values() if isinstance(value, tuple)]
    if isinstance(theirs, list) and lists:
        _value(lists[0], theirs, path, found)
    elif isinstance(theirs, Mapping) or (isinstance(theirs, list) and len(theirs) == 1):
        _record(ours, theirs if isinstance(theirs, Mapping) else theirs[0], path, found)
    elif theirs not in ([], None, ""):
        found.wrong.append(f"{path}: {ours!r:.80} against {theirs!r:.80}")


def _set_field(own: Mapping[str, Any], theirs: Mapping[str, Any], path: str, found: Agreement) -> None:
    names = list(own)[:3]
    ours = {own[names[0]]: own[names[1]] if own[names[2]] is None else (own[names[1]], own[names[2]])}
    _match(ours, [{"OXMTlv": theirs}], path, found)


def _value(ours: Any, theirs: Any, path: str, found: Agreement) -> None:
    if isinstance(theirs, Mapping) and "Packet" in theirs:
        return  # os-ken's packet library
    if isinstance(ours, tuple) and isinstance(theirs, Mapping) and all(key.isdigit() for key in theirs):
        theirs = [theirs.get(str(getattr(one, "port_no", None)), {}) for one in ours]  # ports, by their numbers
    if isinstance(ours, tuple) and isinstance(theirs, list):
        if len(ours) != len(theirs):
            found.wrong.append(f"{path}: {len(ours)} against {len(theirs)}")
            return
        for one, other in zip(ours, theirs, strict=True):
            _value(one, other, path, found)
    elif isinstance(ours, msgspec.Struct) and isinstance(theirs, Mapping):
        if not type(ours).__name__.startswith("Unknown"):
            _record(ours, theirs, f"{path}.{type(ours).__name__}", found)  # type: ignore[arg-type]
    elif isinstance(ours, str) and isinstance(theirs, Mapping) and "OFPOxmId" in theirs:
        _oxm_id(ours, theirs["OFPOxmId"], path, found)
    elif isinstance(ours, Mapping) and isinstance(theirs, Mapping):
        _mapping(ours, theirs, path, found)
    elif same(ours, theirs):
        found.compared.append(path)
    else:
        found.wrong.append(f"{path}: {ours!r:.80} against {theirs!r:.80}")


def _oxm_id(ours: str, theirs: Mapping[str, Any], path: str, found: Agreement) -> None:
    """Their length may be 0, which makes it the name of no field for us."""
    number = FIELDS[theirs["type"]].identities[-1].number if theirs["type"] in FIELDS else -1
    expected = (theirs["type"] + ("/m" if theirs["hasmask"] else ""), f"oxm:8000:{number:x}:0")
    (found.compared if ours in expected else found.wrong).append(
        path + ("" if ours in expected else f": {ours} {theirs}")
    )


def _mapping(ours: Mapping[str, Any], theirs: Mapping[str, Any], path: str, found: Agreement) -> None:
    ((_, values),) = theirs.items()
    if "oxm_fields" in values:
        _match(ours, values["oxm_fields"], path, found)
    elif "oxs_fields" in values:
        for tlv in values["oxs_fields"]:
            field, value = tlv["OXSTlv"]["field"], tlv["OXSTlv"]["value"]
            _value(ours.get(field), value, f"{path}.{field}", found)
    else:
        said = to_raw(ours, V10)
        for name, value in values.items():
            if name != "wildcards" and isinstance(said.get(name), int):
                _value(said[name], value, f"{path}[{name}]", found)


def _match(ours: Mapping[str, Any], theirs: list[Mapping[str, Any]], path: str, found: Agreement) -> None:
    for tlv in theirs:
        field, value, mask = (tlv["OXMTlv"][key] for key in ("field", "value", "mask"))
        field = _FIELD_NAMES.get(field, field)
        said = ours.get(field)
        if said is None:
            found.missing.append(f"{path}[{field}]")
        elif mask is not None:
            both = isinstance(said, tuple) and same(said[0], value) and same(said[1], mask)
            (found.compared if both else found.wrong).append(f"{path}[{field}]" + ("" if both else f": {said} {tlv}"))
        else:
            _value(said, value, f"{path}[{field}]", found)


_FIELD_NAMES = {"tun_ipv4_src": "tun_src", "tun_ipv4_dst": "tun_dst", "tunnel_id_nxm": "nxm_nx_tun_id"}
_OCTETS = re.compile(r"[0-9a-f]{2}(?::[0-9a-f]{2})+")
_NUMBER = re.compile(r"0x[0-9a-fA-F]+|-?[0-9]+")
_MAC = re.compile(r"[0-9a-f]{2}([:-])[0-9a-f]{2}(?:\1[0-9a-f]{2}){4}")


def same(ours: Any, theirs: Any) -> bool:
    """Whether a value of ours is what theirs says: numbers, addresses as text, octets as base64."""
    if isinstance(ours, bytes):
        if theirs is None or isinstance(theirs, list):
            return list(ours) == (theirs or [])
        try:
            return isinstance(theirs, str) and base64.b64decode(theirs, validate=True) == ours
        except binascii.Error:
            return False
    if isinstance(ours, str):
        names = (ours, f"{ours}_nxm")
        return theirs in names or (isinstance(theirs, list) and len(theirs) == 2 and theirs[0] in names)
    number = number_of(theirs)
    if isinstance(ours, int) and number is not None:
        return ours == number or (ours >= 0xFFFFFF00 and ours & 0xFFFF == number)  # ports of OpenFlow 1.0
    return bool(ours == theirs or (isinstance(ours, tuple) and list(ours) == theirs))


def number_of(theirs: Any) -> int | None:
    if isinstance(theirs, int):
        return int(theirs)
    if not isinstance(theirs, str):
        return None
    if _NUMBER.fullmatch(theirs):
        return int(theirs, 0) if theirs.startswith("0x") else int(theirs)
    if _MAC.fullmatch(theirs):
        return int(re.sub("[:-]", "", theirs), 16)
    try:
        return int(IPv6Address(theirs) if ":" in theirs else IPv4Address(theirs))
    except ValueError:
        return None


# -- tshark --------------------------------------------------------------------------------------------------------


def with_wireshark(message: Record, dissection: Dissection) -> Agreement:
    """Compares each name that the dissector has (behind the last dot) as often as the message has it, in any order:
    ours is that of the fields, and theirs that of the wire."""
    found = Agreement([], [], [], {})
    ours: dict[str, list[Any]] = {}
    for name, value in _leaves(message):
        ours.setdefault(name, []).append(value)
    theirs: dict[str, list[str]] = {}
    for name, shown in dissection.fields.items():
        theirs.setdefault(name.rpartition(".")[2], []).extend(shown)
    for name, values in ours.items():
        if name in _OTHER_MEANINGS:
            continue
        shown = theirs.get(name, [])
        if len(shown) != len(values):
            found.missing.append(name)
        elif _shown_as(values, shown):
            found.compared.extend([name] * len(values))
        else:
            found.wrong.append(f"{name}: {values!r:.80} against {shown!r:.80}")
    _compared_in(message, set(found.compared), found)
    return found


def _compared_in(value: Any, names: set[str], found: Agreement) -> None:
    if isinstance(value, msgspec.Struct):
        if _own_experimenter(type(value)) is not None:  # type: ignore[arg-type]
            return  # it knows no more of these than their numbers
        found.records.setdefault(type(value), set()).update(names.intersection(value.__struct_fields__))
        for name in value.__struct_fields__:
            _compared_in(getattr(value, name), names, found)
    elif isinstance(value, (tuple, list)):
        for one in value:
            _compared_in(one, names, found)


_OTHER_MEANINGS = ("type", "value", "field")  # the dissector has these of headers and of OXM fields


def _leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, msgspec.Struct):
        for key in value.__struct_fields__:
            yield from _leaves(getattr(value, key), key)
    elif isinstance(value, (tuple, list)):
        for one in value:
            yield from _leaves(one, name)
    elif isinstance(value, (int, str)):
        yield name, value


def _shown_as(ours: list[Any], theirs: list[str]) -> bool:
    if any(isinstance(value, str) for value in ours):
        # tshark's terminal has no letters beyond ASCII
        return sorted(value for value in ours if str(value).isascii()) == sorted(
            shown for value, shown in zip(ours, theirs, strict=True) if str(value).isascii()
        )
    numbers = [_shown_number(shown) for shown in theirs]
    if None in numbers:
        return False
    shown = sorted(number for number in numbers if number is not None)
    return shown == sorted(ours) or shown == sorted(value & 0xFFFF if value >= 0xFFFFFF00 else value for value in ours)


def _shown_number(shown: str) -> int | None:
    if _OCTETS.fullmatch(shown):
        return int(shown.replace(":", ""), 16)
    return {"True": 1, "False": 0}.get(shown, number_of(shown))

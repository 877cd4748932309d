"""A message of every class, action, instruction, property and version, with something in each field.

Values are made from the declarations: numbers from the names of their fields, so that two fields that were mixed up would
be seen; a list of a family has each of its members that the version has, in messages of their own where all
together would be too long.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from functools import cache
from typing import Any
from zlib import crc32

import msgspec

import segue.openflow.protocol
from segue.openflow import generate
from segue.openflow.codec import CODEC, UnknownMessage, encode
from segue.openflow.declare import FAMILIES, HOMES, MESSAGES, REPLIES, REQUESTS, Family, Item, Message, Record, layout
from segue.openflow.protocol.actions import Group, Output, SetField
from segue.openflow.protocol.basic import VersionBitmap
from segue.openflow.protocol.flow_mod import FlowMod
from segue.openflow.protocol.nicira_ct import NatRange
from segue.openflow.protocol.nicira_encap import EdPropNshMdType, EdPropNshTlv
from segue.openflow.protocol.nicira_forms import Subfield
from segue.openflow.protocol.nicira_learn import LearnLoad, LearnMatch, LearnOutput
from segue.openflow.wire import V10, V12, VERSIONS, EncodeError

for _module in pkgutil.iter_modules(segue.openflow.protocol.__path__):
    importlib.import_module(f"segue.openflow.protocol.{_module.name}")

XID = 0x01020304
_BITS = {"u8": 8, "u16": 16, "u32": 32, "u64": 64, "mac": 48, "ipv4": 32}
_TEN_BITS = {"ofs": 0, "n_bits": 16, "offset": 0}
_TCP = {"in_port": 3, "eth_type": 0x800, "ipv4_dst": (0x0A000000, 0xFF000000), "ip_proto": 6, "tcp_dst": 80}
_IPV6 = {"eth_type": 0x86DD, "ipv6_src": 1 << 127 | 1, "ip_proto": 58, "icmpv6_type": 135, "ipv6_nd_target": 5}
_STATS = {"duration": (5, 7), "idle_time": (1, 2), "flow_count": 3, "packet_count": 1 << 40, "byte_count": 9}
# Values of items with a form of their own, by the record and its field.
_CUSTOM: dict[tuple[str, str], Any] = {
    ("Hello", "elements"): (VersionBitmap.of(frozenset({1, 4})),),
    ("VersionBitmap", "bitmaps"): (0x7E, 1),
    ("ControllerUri", "uri"): "tcp:192.0.2.1",
    ("Ct", "zone"): Subfield("reg0", 0, 16),
    ("Nat", "range"): NatRange(1, 2, None, None, 3, 4),
    ("Encap", "props"): (EdPropNshMdType(1), EdPropNshTlv(1, 2, b"tlv")),
    ("Sample4", "obs_domain_id"): Subfield("reg1", 0, 32),
    ("Sample4", "obs_point_id"): 77,
}
_SPECS = (LearnMatch("eth_dst", "eth_src", 48), LearnLoad("reg1", 0x1234, 16), LearnOutput("reg2", 16))
_BY_FIELD: dict[str, Any] = {
    "max_groups": (1, 2, 3, 4),
    "actions": (1, 2, 3, 4),
    "features": 5,
    "experimenter": None,
    "src": "reg1",
    "dst": "reg2",
    "field": "reg3",
    "cnt_ids": (1, 2, 3),
    "members": (4, 5),
    "specs": _SPECS,
    "result_dst": None,
    "match": {"reg1": 5, "eth_type": 0x800},
    "labels": 1 << 100,
    "labels_mask": (1 << 128) - 1,
    "address": 0xFFFF0A000001,
    "port_nos": (1, 2),
    "table_ids": (1, 2, 254),
}


def _value(record: type[Record], item: Item, version: int, deep: int) -> Any:
    name, kind = item.names[0], item.kind
    number = crc32(name.encode())
    match kind:
        case "u8" | "u16" | "u32" | "u64" | "mac" | "ipv4":
            return number * 0x100000001 & ((1 << _BITS[kind]) - 1) or 1
        case "port" | "port16":
            return 7
        case "ofs_nbits":
            return 0
        case "text":
            return "sämple"
        case "blob":
            return bytes(range(1, item.size + 1))
        case "data":
            return b"\xffoctets\x00!" + bytes(number % 40)
        case "match" | "in_port_match":
            return _TCP if version < V12 or number % 2 else _IPV6
        case "nxm":
            return {"reg1": (5, 7), "eth_type": 0x800, "ip_proto": 6, "tcp_dst": 80}
        case "oxm":
            return "eth_dst"
        case "oxm_id" | "nxm_id":
            return "eth_dst"
        case "oxm_ids":
            return ("in_port", "eth_dst", "ipv4_src/m")
        case "stats" | "counters":
            return _STATS
        case "nested":
            return FlowMod({"in_port": 1}, (Output(2),), priority=7)
        case "one":
            return some(item.of, version, deep + 1)
        case "many" | "trailer":
            if isinstance(item.of, Family):
                return few(item.of, version, deep)
            return (some(item.of, version, deep + 1), some(item.of, version, deep + 1))
        case "instructions":
            return few(_family("instruction"), version, deep)
        case "custom":
            return _CUSTOM.get((record.__name__, name), _BY_FIELD.get(name))
    raise AssertionError(kind)


def _family(name: str) -> Family:
    return next(home for home in FAMILIES if home.name == name)


def few(home: Family, version: int, deep: int) -> tuple[Record, ...]:
    """Of a family one that is plain, where it is in a list in a list; else none, as `messages` puts each in its place."""
    if home.name == "action":
        return (Output(1),) if deep else (Output(1), Group(5)) if version > V10 else (Output(1),)
    return () if deep else members(home, version)[:1]


def some(record: type[Record], version: int, deep: int = 0) -> Record:
    """One with all fields filled. What the version cannot say is left at its default."""
    given: dict[str, Any] = {}
    for item in layout(record, version):
        if not item.names:
            continue
        given[item.names[0]] = _value(record, item, version, deep)
        if item.kind == "ofs_nbits":
            given.update(dict(zip(item.names, (0, 16), strict=True)))
        elif item.kind == "oxm":
            given.update(dict(zip(item.names, ("eth_dst", 5, None), strict=True)))
        elif item.kind == "nested":
            given[item.names[1]] = XID
        elif item.kind == "in_port_match":
            given[item.names[1]] = 3
        elif item.kind == "counters":
            given.update(dict.fromkeys(item.names[1:], 0))
    if "flags" in record.__struct_fields__ and HOMES.get(record) in (REQUESTS, REPLIES):
        given["flags"] = 0
    if record is SetField:
        given.update({"field": "eth_dst", "value": 5})
    usual = dict(zip(record.__struct_fields__, generate.defaults(record), strict=True))
    given = {name: value for name, value in given.items() if value is not None or usual[name] is not None}
    for name in ["", *(name for name in given if usual[name] is not msgspec.NODEFAULT)]:
        if name:
            given[name] = usual[name]
        try:
            made = record(**given)
            _write(made, version)
        except (EncodeError, ValueError, TypeError):
            continue
        return made
    return record(**given)


def _write(record: Record, version: int) -> bytes:
    home = HOMES.get(type(record))
    if home in (MESSAGES, REQUESTS, REPLIES):
        return encode(record, XID, version)  # type: ignore[arg-type]
    data: bytes = CODEC.encoders_of(home or type(record), version)[type(record)](record)
    return data


@cache
def members(home: Family, version: int) -> tuple[Record, ...]:
    """Those of a family that can be written."""
    found: list[Record] = []
    for entry in home.entries.values():
        if entry.number(version) is None:
            continue
        try:
            made = some(entry.record, version, 1)
            _write(made, version)
        except (EncodeError, ValueError, TypeError):
            continue
        found.append(made)
    if home.unknown is not None and home not in (MESSAGES, REQUESTS, REPLIES):
        found.append(home.unknown(0xABC, b"abcd"))
    return tuple(found)


def _with_members(message: Record, version: int) -> Iterator[Record]:
    """The message once for each member that its lists can have."""
    for item in layout(type(message), version):
        home = _family("instruction") if item.kind == "instructions" else item.of
        if item.kind in ("many", "trailer", "instructions"):
            if isinstance(home, Family):
                for one in members(home, version):
                    yield msgspec.structs.replace(message, **{item.names[0]: (one,)})
            else:
                for one in _with_members(some(home, version, 1), version):
                    yield msgspec.structs.replace(message, **{item.names[0]: (one,)})


@cache
def messages(version: int) -> tuple[bytes, ...]:
    """Whole messages on the wire: each class as it is by default and with all filled; then those with lists once for each
    member, as long as that member was not yet in another."""
    found: dict[bytes, None] = {}
    said: set[str] = set()
    for home in (MESSAGES, REQUESTS, REPLIES):
        for entry in home.entries.values():
            if entry.number(version) is None:
                continue
            made = some(entry.record, version)
            candidates = [made, *_with_members(made, version)]
            for n, candidate in enumerate(candidates):
                new = {word for word in repr(candidate).replace("(", " ").split() if word.istitle() or word[0].isupper()}
                if n and not new - said:
                    continue
                try:
                    data = encode(candidate, XID, version)  # type: ignore[arg-type]
                except (EncodeError, ValueError, TypeError):
                    continue
                said |= new
                found[data] = None
    found[encode(UnknownMessage(77, b"?"), XID, version)] = None
    return tuple(found)


def everything() -> dict[str, bytes]:
    """name -> message, of all versions."""
    return {f"{version}-{n}-{data[1]}": data for version in VERSIONS for n, data in enumerate(messages(version))}


def of_message(data: bytes) -> Message:
    from segue.openflow.codec import decode

    message: Message = decode(data)[0]
    return message

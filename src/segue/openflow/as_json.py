"""Messages as JSON, both ways and without loss, named as the specification names things.

    {"version": "1.3", "type": "OFPT_FLOW_MOD", "xid": 7, "command": "OFPFC_ADD", "match": {"in_port": 1}, ...}

Fields have the names of the specification's structures. Numbers that have a name are written as the name, bit maps as
lists of names (what has no name stays a number, and numbers are always accepted); addresses are text; octets are
hexadecimal; numbers beyond 2**53 are "0x..." text, because many readers of JSON have doubles only. Actions,
instructions and properties carry their `type`; a multipart message has `type` and `multipart_type`; where a structure
has a member `type` of its own, that is `error_type`, `group_type` and so on. What nobody declared has a number as its
type, and `data`; what an experimenter did has its number too (`json_unknown`).

Only what the version has on the wire is written, so JSON says exactly what the bytes say. Two things are read that are
never written: fields may be left out, and have their defaults; and where a message has `instructions`, `actions` may
stand beside them or in their place, and are an apply-actions instruction before the others, as in Python.

OpenFlow 1.1 has a match of fixed form (its type is 0), and Open vSwitch takes OXM matches there too, which have the
type 1. Such a match has `"match_type": 1` beside its fields, and OXM's names for these; without it, a match of
OpenFlow 1.1 is of the fixed form.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from segue.openflow import field_text, generate, generate_write, json_unknown
from segue.openflow.codec import CODEC, UnknownMessage
from segue.openflow.declare import HOMES, MESSAGES, REPLIES, REQUESTS, Family, Item, Message, Record, layout
from segue.openflow.json_values import (
    NUMERAL,
    JsonError,
    MultipartFlags,
    ReservedPort,
    alternatives,
    nearest,
    number_from_json,
    number_to_json,
    octets_from_json,
    reserved_ports,
    text_to_json,
)
from segue.openflow.stats import encode_stats
from segue.openflow.wire import V10, V12, V13, V15, VERSION_NAMES

__all__ = [
    "VERSION_NUMBERS",
    "JsonError",
    "MultipartFlags",
    "ReservedPort",
    "from_json",
    "number_from_json",
    "number_to_json",
    "octets_from_json",
    "record_from_json",
    "record_to_json",
    "reserved_ports",
    "text_to_json",
    "to_json",
]

VERSION_NUMBERS: Final = {name: number for number, name in VERSION_NAMES.items()}
_OWNERS: Final = ("Nx", "Onf")


# -- to JSON -------------------------------------------------------------------------------------------------------


def to_json(msg: Message, xid: int = 0, version: int = V15) -> dict[str, Any]:
    """A message with its version and transaction id, as what `json.dumps` takes.

    A hello of a version that is not known has that version as a number.
    """
    if version not in VERSION_NAMES:
        return {"version": version, **_message_to_json(msg, xid, V15)}
    return {"version": VERSION_NAMES[version], **_message_to_json(msg, xid, version)}


def _message_to_json(msg: Message, xid: int | None, version: int) -> dict[str, Any]:
    head: dict[str, Any]
    if isinstance(msg, UnknownMessage):
        head = json_unknown.message_to_json(msg.type, msg.data, version, multipart_types(version))
    else:
        home = HOMES[type(msg)]
        name = home.entries[type(msg)].name(version)
        if home is MESSAGES:
            head = {"type": name}
        else:
            head = {"type": multipart_name(home, version), "multipart_type": name}
            head["flags"] = number_to_json(msg.flags, MultipartFlags)  # type: ignore[attr-defined]
        head |= _fields_to_json(msg, version)
    if xid is not None:
        head = {"type": head.pop("type"), "xid": xid, **head}
    return head


def multipart_name(home: Family, version: int) -> str:
    """What the version calls the message that a multipart body is in."""
    word = "MULTIPART" if version >= V13 else "STATS"
    return f"OFPT_{word}_{'REQUEST' if home is REQUESTS else 'REPLY'}"


def action_family() -> Family:
    """What an apply-actions instruction holds."""
    home: Family = next(item.of for item in CODEC.apply_actions.WIRE if item.names == ("actions",))
    return home


def multipart_types(version: int) -> dict[int, tuple[str, Family]]:
    """The types of messages that multipart bodies are in, with their names."""
    first = 16 if version == V10 else 18
    return {first + n: (multipart_name(home, version), home) for n, home in enumerate((REQUESTS, REPLIES))}


def record_to_json(record: Record, version: int) -> dict[str, Any]:
    """An action, an instruction, a port: any record, without a message around it."""
    home = HOMES.get(type(record))
    if home is None:
        return _fields_to_json(record, version)
    if type(record) is home.unknown:
        return json_unknown.to_json(home, record.type, record.data, version)
    return {"type": home.entries[type(record)].name(version), **_fields_to_json(record, version)}


def _fields_to_json(record: Record, version: int) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for item in layout(type(record), version):
        if item.names:
            _TO[item.kind](item, record, version, result)
    if "type" in result and type(record) in HOMES:
        if is_error(type(record)):
            _name_code(result, record, version)
        result = {own_type(type(record)) if name == "type" else name: value for name, value in result.items()}
    return result


def own_type(record: type[Record]) -> str:
    """What the field `type` of a record is called that is told apart by another type: "group_type" of GroupMod."""
    words = re.findall("[A-Z][a-z0-9]*", record.__name__)
    return f"{next(word for word in words if word not in _OWNERS).lower()}_type"


def is_error(record: type[Record]) -> bool:
    """Whether this is OFPT_ERROR, whose codes have names that depend on its type."""
    entry = MESSAGES.entries.get(record)
    return entry is not None and entry.spelling == "OFPT_ERROR"


def _name_code(result: dict[str, Any], record: Any, version: int) -> None:
    from segue.openflow import json_errors  # which imports messages, and they are made after this

    result["code"] = json_errors.code_to_json(version, record.type, record.code, record.experimenter)


def _custom(value: Any) -> Any:
    return text_to_json(value) if isinstance(value, str) else value


_To = Callable[[Item, Any, int, dict[str, Any]], None]


def _simple(form: Callable[[Item, Any, int], Any]) -> _To:
    def put(item: Item, record: Any, version: int, result: dict[str, Any]) -> None:
        result[item.names[0]] = form(item, getattr(record, item.names[0]), version)

    return put


def _number(item: Item, value: int, _version: int) -> Any:
    return number_to_json(value, item.of)


def _ofs_nbits(item: Item, record: Any, _version: int, result: dict[str, Any]) -> None:
    for name in item.names:
        result[name] = getattr(record, name)


def _oxm(item: Item, record: Any, _version: int, result: dict[str, Any]) -> None:
    field, value, mask = (getattr(record, name) for name in item.names)
    result[item.names[0]] = field_text.match_to_json({field: value if mask is None else (value, mask)}, V12)


def _in_port_match(item: Item, record: Any, version: int, result: dict[str, Any]) -> None:
    match, in_port = (getattr(record, name) for name in item.names)
    result[item.names[0]] = field_text.match_to_json(generate_write.with_in_port(match, in_port), version)


def _instructions(item: Item, record: Any, version: int, result: dict[str, Any]) -> None:
    listed, actions = (getattr(record, name) for name in item.names)
    both = [CODEC.apply_actions(actions), *listed] if actions else listed
    result[item.names[0]] = [record_to_json(one, version) for one in both]


def _nested(item: Item, record: Any, version: int, result: dict[str, Any]) -> None:
    msg, xid = (getattr(record, name) for name in item.names)
    result[item.names[0]] = _message_to_json(msg, xid, version)


def _stats(_item: Item, value: Any, _version: int) -> Any:
    return {
        name: {"sec": stat[0], "nsec": stat[1]} if isinstance(stat, tuple) else number_to_json(stat)
        for name, stat in value.items()
    }


def _counters(item: Item, record: Any, version: int, result: dict[str, Any]) -> None:
    stats, *others = (getattr(record, name) for name in item.names)
    whole = generate_write.with_counters(stats, **dict(zip(item.names[1:], others, strict=True)))
    result[item.names[0]] = _stats(item, whole, version)


_TO: Final[dict[str, _To]] = {
    **dict.fromkeys(("u8", "u16", "u32", "u64"), _simple(_number)),
    **dict.fromkeys(
        ("port", "port16"), _simple(lambda _i, value, version: number_to_json(value, reserved_ports(version)))
    ),
    "mac": _simple(lambda _i, value, _v: field_text.value_to_json("eth_dst", value)),
    "ipv4": _simple(lambda _i, value, _v: field_text.value_to_json("ipv4_dst", value)),
    "ofs_nbits": _ofs_nbits,
    "text": _simple(lambda _i, value, _v: text_to_json(value)),
    "blob": _simple(lambda _i, value, _v: value.hex()),
    "data": _simple(lambda _i, value, _v: value.hex()),
    "match": _simple(lambda _i, value, version: field_text.match_to_json(value, version)),
    "nxm": _simple(lambda _i, value, _v: field_text.match_to_json(value, V12)),
    "in_port_match": _in_port_match,
    "oxm": _oxm,
    "oxm_id": _simple(lambda _i, value, _v: value),
    "nxm_id": _simple(lambda _i, value, _v: value),
    "oxm_ids": _simple(lambda _i, value, _v: list(value)),
    "stats": _simple(_stats),
    "counters": _counters,
    "one": _simple(lambda _i, value, version: record_to_json(value, version)),
    "many": _simple(lambda _i, value, version: [record_to_json(one, version) for one in value]),
    "trailer": _simple(lambda _i, value, version: [record_to_json(one, version) for one in value]),
    "instructions": _instructions,
    "nested": _nested,
    "custom": _simple(lambda item, value, version: _custom(item.of.to_json(value, version))),
}


# -- from JSON -----------------------------------------------------------------------------------------------------


def from_json(obj: Any) -> tuple[Any, int, int]:
    """(message, xid, version) of what `to_json` makes. JsonError says where it is wrong and what it may be."""
    _mapping(obj, "message")
    rest = dict(obj)
    spelled = rest.pop("version", None)
    version = VERSION_NUMBERS.get(spelled) if isinstance(spelled, str) else None
    if version is None and _other_hello(spelled, rest):
        return *_checked(rest, V15), spelled
    if version is None:
        hint = f'; it is text: "{spelled}"' if not isinstance(spelled, str) and str(spelled) in VERSION_NUMBERS else ""
        raise JsonError("version", f"{spelled!r} is not one of {', '.join(VERSION_NUMBERS)}{hint}")
    return *_checked(rest, version), version


def _checked(rest: dict[str, Any], version: int) -> tuple[Message, int]:
    try:
        msg, xid = _message_from_json(rest, version, "")
    except RecursionError:
        raise JsonError("", "nested too deep") from None
    return msg, xid or 0


def _other_hello(spelled: Any, rest: Mapping[str, Any]) -> bool:
    whole = isinstance(spelled, int) and not isinstance(spelled, bool) and 0 <= spelled <= 0xFF
    return whole and spelled not in VERSION_NAMES and rest.get("type") == "OFPT_HELLO"


def _message_from_json(obj: Any, version: int, path: str) -> tuple[Message, int | None]:
    _mapping(obj, path or "message")
    rest = dict(obj)
    name = rest.pop("type", None)
    xid = rest.pop("xid", None)
    if xid is not None:
        xid = number_from_json(xid, 32, None, _at(path, "xid"))
    at = path or (name if isinstance(name, str) else "")
    unknown = json_unknown.from_json(MESSAGES, name, rest, version, at)
    if unknown is not None:
        _nothing_left(rest, at, json_unknown.known(MESSAGES, name, version))
        return UnknownMessage(*unknown), xid
    for number, (multipart, home) in multipart_types(version).items():
        if name == multipart:
            kind = rest.pop("multipart_type", None)
            flags = number_from_json(rest.pop("flags", []), 16, MultipartFlags, _at(path, "flags"))
            at = path or (kind if isinstance(kind, str) else "")
            data = json_unknown.multipart_from_json(home, kind, flags, rest, version, at)
            if data is not None:
                _nothing_left(rest, at, ("flags", *json_unknown.known(home, kind, version)))
                return UnknownMessage(number, data), xid
            record = _member(home, kind, version, _at(path, "multipart_type"))
            return _fields_from_json(record, rest, version, path or kind, {"flags": flags}), xid  # type: ignore[return-value]
    record = _member(MESSAGES, name, version, _at(path, "type"))
    return _fields_from_json(record, rest, version, path or name, {}), xid  # type: ignore[return-value]


def _all_names(home: Family, version: int) -> list[str]:
    listed = [*home.by_name(version), *json_unknown.names(home, version)]
    return [*listed, *(name for name, _ in multipart_types(version).values())] if home is MESSAGES else listed


def _member(home: Family, name: Any, version: int, path: str) -> type[Record]:
    entry = home.by_name(version).get(name) if isinstance(name, str) else None
    if entry is None:
        having = [VERSION_NAMES[v] for v in VERSION_NAMES if name in _all_names(home, v)]
        others = f" ({', '.join(having)} {'has' if len(having) == 1 else 'have'} it)" if having else ""
        wrong = f"{name!r} is no {home.name} of OpenFlow {VERSION_NAMES[version]}{others}"
        raise JsonError(path, wrong + alternatives(name, _all_names(home, version)))
    return entry.record


def record_from_json(of: Any, obj: Any, version: int, path: str = "") -> Record:
    """A record of the class or family `of`."""
    _mapping(obj, path)
    if not isinstance(of, Family):
        return _fields_from_json(of, dict(obj), version, path, {})
    rest = dict(obj)
    name = rest.pop("type", None)
    if of.unknown is not None:
        unknown = json_unknown.from_json(of, name, rest, version, path)
        if unknown is not None:
            _nothing_left(rest, path, json_unknown.known(of, name, version))
            return of.unknown(*unknown)
    return _fields_from_json(_member(of, name, version, _at(path, "type")), rest, version, path, {})


def _fields_from_json(
    record: type[Record], rest: dict[str, Any], version: int, path: str, given: dict[str, Any]
) -> Record:
    known = []
    for item in layout(record, version):
        if not item.names:
            continue
        key = own_type(record) if item.names[0] == "type" and record in HOMES else item.names[0]
        known.append(key)
        if item.kind == "ofs_nbits":
            for name in item.names:
                if name in rest:
                    given[name] = number_from_json(rest.pop(name), 16, None, _at(path, name))
        elif key in rest:
            value = rest.pop(key)
            if key == "code" and is_error(record):
                value = _code_from_json(value, given.get("type"), rest.get("experimenter"), version, _at(path, key))
            _FROM[item.kind](item, value, version, _at(path, key), given)
        if item.kind == "instructions":
            short = item.names[1]
            known.append(short)
            if short in rest:
                given[short] = _records_from(action_family(), rest.pop(short), version, _at(path, short))
    _nothing_left(rest, path, known)
    missing = [
        own_type(record) if name == "type" and record in HOMES else name
        for name, default in zip(record.__struct_fields__, generate.defaults(record), strict=True)
        if default is msgspec.NODEFAULT and name not in given
    ]
    if missing:
        raise JsonError(path, f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing")
    try:
        return record(**given)
    except (ValueError, TypeError) as e:  # what a record checks of itself
        raise JsonError(path, str(e)) from None


def _code_from_json(value: Any, kind: Any, experimenter: Any, version: int, path: str) -> Any:
    """The number for the name of an error's code."""
    from segue.openflow import json_errors

    if not isinstance(value, str) or NUMERAL.fullmatch(value) or not isinstance(kind, int):
        return value
    try:
        return json_errors.code_from_json(version, kind, value, experimenter if isinstance(experimenter, int) else None)
    except ValueError as e:
        raise JsonError(path, str(e)) from None


def _mapping(obj: Any, path: str) -> None:
    if not isinstance(obj, Mapping):
        raise JsonError(path, f"an object is wanted, not {obj!r:.60}")


def _at(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _nothing_left(rest: Mapping[str, Any], path: str, known: Any) -> None:
    if rest:
        near = list(dict.fromkeys(found for name in rest for found in nearest(name, known)))
        meant = f"; did you mean {' or '.join(near)}?" if near else ""
        there = f"{' T' if near else '; t'}here are {', '.join(known)}" if known else ""
        raise JsonError(path, f"there is no {', '.join(f'{name!s:.60}' for name in rest)}{meant}{there}")


_From = Callable[[Item, Any, int, str, dict[str, Any]], None]


def _value(form: Callable[[Item, Any, int, str], Any]) -> _From:
    def put(item: Item, value: Any, version: int, path: str, given: dict[str, Any]) -> None:
        given[item.names[0]] = form(item, value, version, path)

    return put


def _text(_item: Item, value: Any, _version: int, path: str) -> str:
    if isinstance(value, Mapping) and set(value) == {"hex"}:
        return octets_from_json(value["hex"], path).decode("utf-8", "surrogateescape")
    if not isinstance(value, str):
        raise JsonError(path, f"{value!r:.60} is not text")
    return value


def _address(field: str) -> _From:
    def read(_item: Item, value: Any, _version: int, path: str) -> Any:
        found = _from_field(lambda: field_text.value_from_json(field, value), path)
        if not isinstance(found, int):
            raise JsonError(path, f"{value!r} is not an address")
        return found

    return _value(read)


def _from_field(read: Callable[[], Any], path: str) -> Any:
    try:
        return read()
    except JsonError as e:
        raise JsonError(path + e.path if e.path.startswith("[") else path, str(e).removeprefix(f"{e.path}: ")) from None
    except (ValueError, TypeError, OverflowError) as e:  # EncodeError is one
        raise JsonError(path, str(e)) from None
    except (LookupError, AttributeError) as e:
        raise JsonError(path, f"something is missing there, or of another form: {e}") from None


def _match_from(version: int, value: Any, path: str) -> dict[str, Any]:
    _mapping(value, path)
    found: dict[str, Any] = _from_field(lambda: field_text.match_from_json(value, version), path)
    return found


def _in_port_from(item: Item, value: Any, version: int, path: str, given: dict[str, Any]) -> None:
    match = _match_from(version, value, path)
    given[item.names[0]] = match
    in_port = match.get("in_port", 0)
    if not isinstance(in_port, int):
        raise JsonError(_at(path, "in_port"), "the input port has no mask")
    given[item.names[1]] = in_port


def _oxm_from(item: Item, value: Any, _version: int, path: str, given: dict[str, Any]) -> None:
    match = _match_from(V12, value, path)
    if len(match) != 1:
        raise JsonError(path, "exactly one field is wanted")
    ((name, found),) = match.items()
    number, mask = found if isinstance(found, tuple) else (found, None)
    given.update(zip(item.names, (name, number, mask), strict=True))


def _names_from(_item: Item, value: Any, _version: int, path: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise JsonError(path, "a list of names of fields is wanted")
    return tuple(value)


def _list_from(item: Item, value: Any, version: int, path: str) -> tuple[Record, ...]:
    of = CODEC.instruction_family if item.kind == "instructions" else item.of
    return _records_from(of, value, version, path)


def _records_from(of: Any, value: Any, version: int, path: str) -> tuple[Record, ...]:
    if not isinstance(value, list):
        raise JsonError(path, f"a list is wanted, not {value!r:.60}")
    return tuple(record_from_json(of, one, version, f"{path}[{n}]") for n, one in enumerate(value))


def _nested_from(item: Item, value: Any, version: int, path: str, given: dict[str, Any]) -> None:
    given[item.names[0]], given[item.names[1]] = _message_from_json(value, version, path)


def _stats_from(_item: Item, value: Any, _version: int, path: str) -> dict[str, Any]:
    _mapping(value, path)
    found: dict[str, Any] = {}
    for name, stat in value.items():
        at = _at(path, str(name))
        if isinstance(stat, Mapping) or name in ("duration", "idle_time"):
            if not isinstance(stat, Mapping) or set(stat) != {"sec", "nsec"}:
                raise JsonError(at, "sec and nsec are wanted")
            found[name] = tuple(number_from_json(stat[part], 32, None, at) for part in ("sec", "nsec"))
        else:
            found[name] = number_from_json(stat, 2048, None, at)
    _from_field(lambda: encode_stats(found), path)  # which knows the names
    return found


def _counters_from(item: Item, value: Any, version: int, path: str, given: dict[str, Any]) -> None:
    stats = _stats_from(item, value, version, path)
    given[item.names[0]] = stats
    time = stats.get("duration", (0, 0))
    told = {**stats, "duration_sec": time[0], "duration_nsec": time[1]}
    given.update({name: told.get(name, 0) for name in item.names[1:]})


def _field_name(_item: Item, value: Any, _version: int, path: str) -> str:
    if not isinstance(value, str):
        raise JsonError(path, f"{value!r:.60} is not the name of a field")
    return value


_KINDS: Final = {"string": str, "array": list, "object": Mapping}


def _custom_from(item: Item, value: Any, version: int, path: str) -> Any:
    """What has a form of its own is at least of the kind that its schema says."""
    kind = item.of.schema().get("type")
    if kind == "string" and isinstance(value, Mapping) and set(value) == {"hex"}:
        value = octets_from_json(value["hex"], path).decode("utf-8", "surrogateescape")
    if isinstance(kind, str) and kind in _KINDS and not isinstance(value, _KINDS[kind]):
        raise JsonError(path, f"{value!r:.60} is not of the type {kind}")
    return _from_field(lambda: item.of.from_json(value, version), path)


_BITS: Final = {"u8": 8, "u16": 16, "u32": 32, "u64": 64}
_FROM: Final[dict[str, _From]] = {
    **dict.fromkeys(_BITS, _value(lambda i, value, _v, path: number_from_json(value, _BITS[i.kind], i.of, path))),
    **dict.fromkeys(
        ("port", "port16"),
        _value(lambda _i, value, version, path: number_from_json(value, 32, reserved_ports(version), path)),
    ),
    "mac": _address("eth_dst"),
    "ipv4": _address("ipv4_dst"),
    "text": _value(_text),
    "blob": _value(lambda _i, value, _v, path: octets_from_json(value, path)),
    "data": _value(lambda _i, value, _v, path: octets_from_json(value, path)),
    "match": _value(lambda _i, value, version, path: _match_from(version, value, path)),
    "nxm": _value(lambda _i, value, _v, path: _match_from(V12, value, path)),
    "in_port_match": _in_port_from,
    "oxm": _oxm_from,
    "oxm_id": _value(_field_name),
    "nxm_id": _value(_field_name),
    "oxm_ids": _value(_names_from),
    "stats": _value(_stats_from),
    "counters": _counters_from,
    "one": _value(lambda i, value, version, path: record_from_json(i.of, value, version, path)),
    "many": _value(_list_from),
    "trailer": _value(_list_from),
    "instructions": _value(_list_from),
    "nested": _nested_from,
    "custom": _value(_custom_from),
}

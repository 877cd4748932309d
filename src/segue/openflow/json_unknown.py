"""JSON of what nobody declared: experimenters' messages, multiparts, actions, instructions and properties, by their
names; of other types, by their numbers.

    {"type": "OFPT_EXPERIMENTER", "experimenter": 8992, "exp_type": 9999, "data": "..."}
    {"type": "OFPT_MULTIPART_REQUEST", "multipart_type": 77, "flags": [], "data": "..."}
    {"type": 200, "data": "..."}

`exp_type` is there where the specification has one: in messages and multiparts since OpenFlow 1.2, and in properties,
not in actions and instructions (OpenFlow 1.5.1 sections 7.2.5 to 7.2.8 and 7.5.4; 1.0.0 section 5.5.4). There, and
where the octets are too few for it, `data` begins behind `experimenter`. What cannot be told in this form without loss
(padding that is not zero, less than an experimenter's number) keeps its type as a number.
"""

from typing import Any, Final

from segue.openflow.declare import EXPERIMENTER, MESSAGES, REPLIES, REQUESTS, Family
from segue.openflow.json_values import (
    JsonError,
    MultipartFlags,
    number_from_json,
    number_to_json,
    octets_from_json,
)
from segue.openflow.wire import V10, V11, V12, V13, V14

_Names = tuple[tuple[int, str, int], ...]
_MESSAGE: Final = 4
_LAST: Final = 0xFFFE
_MULTIPART: Final[_Names] = (
    (V10, "OFPST_VENDOR", EXPERIMENTER),
    (V11, "OFPST_EXPERIMENTER", EXPERIMENTER),
    (V13, "OFPMP_EXPERIMENTER", EXPERIMENTER),
)
_BY_FAMILY: Final[dict[str, _Names]] = {
    MESSAGES.name: ((V10, "OFPT_VENDOR", _MESSAGE), (V11, "OFPT_EXPERIMENTER", _MESSAGE)),
    REQUESTS.name: _MULTIPART,
    REPLIES.name: _MULTIPART,
    "action": ((V10, "OFPAT_VENDOR", EXPERIMENTER), (V11, "OFPAT_EXPERIMENTER", EXPERIMENTER)),
    "instruction": ((V11, "OFPIT_EXPERIMENTER", EXPERIMENTER),),
    "role property": ((V14, "OFPRPT_EXPERIMENTER", EXPERIMENTER),),
    "bundle property": ((V14, "OFPBPT_EXPERIMENTER", EXPERIMENTER),),
    "bundle features property": ((V14, "OFPTMPBF_EXPERIMENTER", EXPERIMENTER),),
    "controller status property": ((V14, "OFPCSPT_EXPERIMENTER", EXPERIMENTER),),
    "group bucket property": ((V10, "OFPGBPT_EXPERIMENTER", EXPERIMENTER),),
    "group property": ((V10, "OFPGPT_EXPERIMENTER", EXPERIMENTER),),
    "port property": ((V14, "OFPPDPT_EXPERIMENTER", EXPERIMENTER),),
    "port mod property": ((V14, "OFPPMPT_EXPERIMENTER", EXPERIMENTER),),
    "port stats property": ((V14, "OFPPSPT_EXPERIMENTER", EXPERIMENTER),),
    "queue property": ((V14, "OFPQDPT_EXPERIMENTER", EXPERIMENTER),),
    "queue stats property": ((V14, "OFPQSPT_EXPERIMENTER", EXPERIMENTER),),
    "table property": ((V14, "OFPTMPT_EXPERIMENTER", EXPERIMENTER),),
}
# Two kinds each, so the numbers are the last two (OpenFlow 1.5.1 sections 7.3.10 and 7.3.5.18.2).
_PAIRS: Final[dict[str, _Names]] = {
    "async config property": (
        (V10, "OFPACPT_EXPERIMENTER_SLAVE", _LAST),
        (V10, "OFPACPT_EXPERIMENTER_MASTER", EXPERIMENTER),
    ),
    "table feature property": (
        (V13, "OFPTFPT_EXPERIMENTER", _LAST),
        (V13, "OFPTFPT_EXPERIMENTER_MISS", EXPERIMENTER),
    ),
}


def names(home: Family, version: int) -> dict[str, int]:
    """What experimenters' own are called in a family, with the number of the type."""
    if home.name in _PAIRS:
        return {name: number for since, name, number in _PAIRS[home.name] if since <= version}
    found = [(name, number) for since, name, number in _BY_FAMILY.get(home.name, ()) if since <= version]
    taken = home.by_number(version)
    return {name: number for name, number in found[-1:] if number not in taken}


def has_exp_type(home: Family, version: int) -> bool:
    if home.name in ("action", "instruction"):
        return False
    return version >= V12 or home not in (MESSAGES, REQUESTS, REPLIES)


# -- to JSON -------------------------------------------------------------------------------------------------------


def to_json(home: Family, number: int, data: bytes, version: int) -> dict[str, Any]:
    """Of an unknown record of type `number`."""
    for name, other in names(home, version).items():
        if number == other and len(data) >= 4:
            return {"type": name, **_split(home, data, version)}
    return {"type": number, "data": data.hex()}


def message_to_json(number: int, data: bytes, version: int, multipart: dict[int, tuple[str, Family]]) -> dict[str, Any]:
    """Of an unknown message; `multipart` are the types of multipart messages, with their names and families."""
    size = _multipart_header(version)
    if number not in multipart or len(data) < size or any(data[4:size]):
        return to_json(MESSAGES, number, data, version)
    name, home = multipart[number]
    kind, flags = int.from_bytes(data[:2], "big"), int.from_bytes(data[2:4], "big")
    body = to_json(home, kind, data[size:], version)
    head = {"type": name, "multipart_type": body.pop("type"), "flags": number_to_json(flags, MultipartFlags)}
    return head | body


def _split(home: Family, data: bytes, version: int) -> dict[str, Any]:
    found: dict[str, Any] = {"experimenter": int.from_bytes(data[:4], "big")}
    begin = 4
    if has_exp_type(home, version) and len(data) >= 8:
        found["exp_type"] = int.from_bytes(data[4:8], "big")
        begin = 8
    found["data"] = data[begin:].hex()
    return found


def _multipart_header(version: int) -> int:
    return 4 if version == V10 else 8


# -- from JSON -----------------------------------------------------------------------------------------------------


def from_json(home: Family, kind: Any, rest: dict[str, Any], version: int, path: str) -> tuple[int, bytes] | None:
    """The type and the octets behind the header; what is used is taken out of `rest`. None: `kind` is the name of
    something else."""
    if isinstance(kind, int) and not isinstance(kind, bool):
        bits = 8 if home is MESSAGES else 16
        return number_from_json(kind, bits, None, _at(path, "type")), _data(rest, path)
    number = names(home, version).get(kind) if isinstance(kind, str) else None
    return None if number is None else (number, _join(home, rest, version, path))


def multipart_from_json(
    home: Family, kind: Any, flags: int, rest: dict[str, Any], version: int, path: str
) -> bytes | None:
    """The octets behind the header of a message."""
    found = from_json(home, kind, rest, version, path)
    if found is None:
        return None
    head = found[0].to_bytes(2, "big") + flags.to_bytes(2, "big")
    return head.ljust(_multipart_header(version), b"\0") + found[1]


def known(home: Family, kind: Any, version: int) -> tuple[str, ...]:
    """The names of the fields."""
    if isinstance(kind, int):
        return ("data",)
    return ("experimenter", "exp_type", "data") if has_exp_type(home, version) else ("experimenter", "data")


def _join(home: Family, rest: dict[str, Any], version: int, path: str) -> bytes:
    if "experimenter" not in rest:
        raise JsonError(path, "experimenter is missing")
    whole = number_from_json(rest.pop("experimenter"), 32, None, _at(path, "experimenter")).to_bytes(4, "big")
    data = _data(rest, path)
    if has_exp_type(home, version):
        if "exp_type" in rest:
            whole += number_from_json(rest.pop("exp_type"), 32, None, _at(path, "exp_type")).to_bytes(4, "big")
        elif len(data) >= 4:
            raise JsonError(path, "exp_type is missing")
    return whole + data


def _data(rest: dict[str, Any], path: str) -> bytes:
    return octets_from_json(rest.pop("data", ""), _at(path, "data"))


def _at(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name

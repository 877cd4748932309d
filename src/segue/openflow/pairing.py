"""Which message answers which, and how answers that come in parts become one: derived from the declarations.

A multipart request is answered by the reply of the same number or key; any other request by the message of the same
name that ends in REPLY; bundle controls by bundle controls. Parts have one field that is continued from part to part,
the list (or the octets) in it; the rest is the same in all (OpenFlow 1.5.1 section 7.3.5).
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from segue.openflow.codec import UnknownMessage, encode
from segue.openflow.declare import HOMES, MESSAGES, REPLIES, REQUESTS, Message, layout
from segue.openflow.wire import HEADER, HEADER_LEN, MAX_LEN, V10, V15, EncodeError

MORE: Final = 1
"""OFPMPF_REQ_MORE and OFPMPF_REPLY_MORE: other parts follow."""

_BUNDLE_CONTROLS: Final = ("BUNDLE_CONTROL", "BUNDLE_CTRL")
_EXPERIMENTER_TYPE: Final = 4


class Pairs(msgspec.Struct, frozen=True, eq=False):
    """Of one version: `reply_to` has the class of the reply to each class of request; `answers` are the classes that
    come only as replies. Flow monitors' and triggered statistics come unasked too. `silent` are requests that Open
    vSwitch may refuse without saying so (`protocol.monitors`)."""

    reply_to: dict[type[Any], type[Any]]
    answers: frozenset[type[Any]]
    silent: frozenset[type[Any]]


class Pending:
    """A request that waits for its reply."""

    __slots__ = ("mark", "parts", "reply", "request", "size", "stream")

    def __init__(self, request: Message, reply: type[Any], stream: bool, mark: int) -> None:
        self.request = request
        self.reply = reply
        self.stream = stream
        self.mark = mark
        self.parts: list[Any] = []
        self.size = 0


class Assembly:
    """A request whose parts are still coming. With `parts` None it was refused, and its rest is dropped."""

    __slots__ = ("heard", "parts", "size")

    def __init__(self) -> None:
        self.parts: list[Any] | None = []
        self.size = 0
        self.heard = 0.0


_PAIRS: Final[dict[tuple[int, int], Pairs]] = {}


def pairs(version: int) -> Pairs:
    """The pairs of `version`, of all messages that are declared by now."""
    key = (version, len(HOMES))
    if key not in _PAIRS:
        _PAIRS[key] = _pairs(version)
    return _PAIRS[key]


def _pairs(version: int) -> Pairs:
    reply_to: dict[type[Any], type[Any]] = {}
    unasked: set[type[Any]] = {UnknownMessage}
    names = MESSAGES.by_name(version)
    for name, entry in names.items():
        if name.endswith("_REQUEST") and (reply := names.get(name[: -len("REQUEST")] + "REPLY")) is not None:
            reply_to[entry.record] = reply.record
        elif name.endswith(_BUNDLE_CONTROLS):
            reply_to[entry.record] = entry.record
    for request in REQUESTS.by_number(version).values():
        found = REPLIES.by_number(version).get(request.number(version) or 0)
        reply_to[request.record] = UnknownMessage if found is None else found.record
    for key, request in REQUESTS.by_key(version).items():
        found = REPLIES.by_key(version).get(key)
        reply_to[request.record] = UnknownMessage if found is None else found.record
    for name, entry in REPLIES.by_name(version).items():
        if "FLOW_MONITOR" in name or (version == V15 and name == "OFPMP_FLOW_STATS"):
            unasked.add(entry.record)
    silent = {entry.record for name, entry in REQUESTS.by_name(version).items() if "FLOW_MONITOR" in name}
    return Pairs(reply_to, frozenset(reply_to.values()) - unasked, frozenset(silent))


def multipart_type(version: int) -> int:
    """The message type of multipart requests; replies have the next."""
    return 16 if version == V10 else 18


def kind_of(record: type[Any], version: int) -> int:
    """The message type of a class, -1 where it has none."""
    home = HOMES.get(record)
    if home is REQUESTS:
        return multipart_type(version)
    if home is REPLIES:
        return multipart_type(version) + 1
    entry = MESSAGES.entries.get(record)
    if entry is None:
        return -1
    number = entry.number(version)
    return _EXPERIMENTER_TYPE if entry.key else -1 if number is None else number


def continued(record: type[Any], version: int) -> str | None:
    """The field that goes on from part to part, None where a record comes whole."""
    if HOMES.get(record) not in (REQUESTS, REPLIES):
        return None
    fields = [item.names[0] for item in layout(record, version) if item.kind in ("many", "data")]
    return fields[0] if len(fields) == 1 else None


def join(parts: Sequence[Any], field: str) -> Any:
    """One message of all its parts."""
    if len(parts) == 1:
        return parts[0]
    first = getattr(parts[0], field)
    whole: Any
    if isinstance(first, bytes):
        whole = b"".join(getattr(part, field) for part in parts)
    else:
        whole = tuple(element for part in parts for element in getattr(part, field))
    return msgspec.structs.replace(parts[-1], **{field: whole})


def encode_parts(msg: Message, xid: int, version: int) -> list[bytes]:
    """The message, in as many parts as its length makes needful. EncodeError if it cannot be said, or not divided."""
    try:
        return [encode(msg, xid, version)]
    except EncodeError:
        field = continued(type(msg), version)
        value = getattr(msg, field) if field else ()
        if field is None or len(value) < 2:
            raise
        flags = getattr(msg, "flags", 0)
        half = len(value) // 2
        head = msgspec.structs.replace(msg, **{field: value[:half], "flags": flags | MORE})
        tail = msgspec.structs.replace(msg, **{field: value[half:]})
        return encode_parts(head, xid, version) + encode_parts(tail, xid, version)


def whole(data: bytes, xid: int, version: int) -> bool:
    """Whether the octets that an error quotes are all of the message that it is about."""
    if not HEADER_LEN <= len(data) <= MAX_LEN:
        return False
    own_version, _, length, own_xid = HEADER.unpack_from(data)
    return (own_version, length, own_xid) == (version, len(data), xid)

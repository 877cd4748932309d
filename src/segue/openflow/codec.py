"""Messages to bytes and back, in every version: `encode(msg, xid, version)` and `decode(data)`.

What a record is on the wire is declared (`declare`, `protocol`); the functions that write and read it are generated at
first use (`generate`) and kept here, by version. A message, action, property or experimenter that nobody declared
becomes the family's unknown record and is written again byte for byte.

Nesting (actions in `clone`, a message in a bundle's) is bounded, because the bytes come from a peer.
"""

from collections.abc import Callable, Iterable, Mapping
from struct import Struct
from struct import error as StructError  # noqa: N812
from threading import local
from typing import Any, Final

from segue.openflow import core, generate, generate_read, generate_write, match, stats
from segue.openflow.declare import (
    EXPERIMENTER,
    HOMES,
    MESSAGES,
    REPLIES,
    REQUESTS,
    Entry,
    Family,
    Item,
    Message,
    Record,
    unknown,
)
from segue.openflow.wire import (
    HEADER,
    HEADER_LEN,
    MAX_LEN,
    PADDING,
    V10,
    V15,
    VERSION_NAMES,
    VERSIONS,
    EncodeError,
    ProtocolError,
)

DEEPEST: Final = 16
_TLV: Final = Struct(">HH")
_KEYS: Final = {2: Struct(">IH"), 4: Struct(">II")}


class _Nested(local):
    """How deep readers are nested, in each thread."""

    depth = 0


NESTED: Final = _Nested()


class _Codec:
    """What generated functions call. One instance, `CODEC`."""

    instruction_family: Family
    apply_actions: type[Record]

    def __init__(self) -> None:
        self._encoders: dict[tuple[Any, int], _Encoders] = {}
        self._many: dict[tuple[Any, int], Callable[[bytes, int, int], tuple[Any, ...]]] = {}
        self._one: dict[tuple[type[Record], int], Callable[[bytes, int, int], tuple[Any, int]]] = {}

    encode_match = staticmethod(match.encode_match)

    @staticmethod
    def match_plans(version: int) -> Mapping[tuple[str, ...], Any]:
        return match.PLANS[version]

    match_plan = staticmethod(match.plan_of)
    decode_match = staticmethod(match.decode_match)
    encode_nxm = staticmethod(match.encode_nxm)
    decode_nxm = staticmethod(match.decode_nxm)
    encode_oxm = staticmethod(match.encode_oxm)
    decode_oxm = staticmethod(match.decode_oxm)
    encode_oxm_id = staticmethod(match.encode_oxm_id)
    encode_nxm_id = staticmethod(match.encode_nxm_id)
    encode_stats = staticmethod(stats.encode_stats)
    decode_stats = staticmethod(stats.decode_stats)

    @staticmethod
    def decode_oxm_id(data: bytes, offset: int, end: int, version: int) -> tuple[str, bool, int]:
        name, masked, after = match.decode_oxm_id(data, offset, end, version)
        if masked:  # it would be lost, and only lists of what a table can do have a use for it
            raise ProtocolError(f"{name} at {offset} is named with a mask", "OFPBMC_BAD_MASK")
        return name, masked, after

    @staticmethod
    def decode_nxm_id(data: bytes, offset: int, end: int) -> tuple[str, bool, int]:
        return _Codec.decode_oxm_id(data, offset, end, 0)

    @staticmethod
    def encode_oxm_ids(names: Iterable[str], version: int) -> bytes:
        return b"".join(
            [match.encode_oxm_id(name.removesuffix("/m"), version, masked=name.endswith("/m")) for name in names]
        )

    @staticmethod
    def decode_oxm_ids(data: bytes, offset: int, end: int, version: int) -> tuple[str, ...]:
        names = []
        while offset < end:
            name, masked, offset = match.decode_oxm_id(data, offset, end, version)
            names.append(name + "/m" if masked else name)
        return tuple(names)

    def encoders_of(self, of: Any, version: int) -> "_Encoders":
        """The writers, by class, of a family's members or of one record."""
        key = (of, version)
        if key not in self._encoders:
            self._encoders[key] = _Encoders(of, version)
        return self._encoders[key]

    def reader_of_one(self, of: type[Record], version: int) -> Callable[[bytes, int, int], tuple[Any, int]]:
        key = (of, version)
        if key not in self._one:
            self._one[key] = _make_reader(of, version)
        return self._one[key]

    def reader_of_member(self, of: type[Record], version: int) -> Callable[[bytes, int, int], Any]:
        return _reader(of, version)

    def reader_of_many(self, of: Any, version: int) -> Callable[[bytes, int, int], tuple[Any, ...]]:
        key = (of, version)
        if key not in self._many:
            # A family may contain itself (actions in actions): the reader is known before its members' are made.
            made = _tlv_reader(of, version) if isinstance(of, Family) else _record_reader(of, version)
            self._many[key] = made
        return self._many[key]

    def encode_nested(self, msg: Message, xid: int, version: int) -> bytes:
        return encode(msg, xid, version)

    def decode_nested(
        self, data: bytes, offset: int, end: int, version: int, start: int
    ) -> tuple[Message, int | None, int]:
        if end - offset < HEADER_LEN:
            raise ProtocolError(f"{end - offset} bytes of a message within a message")
        inner_version, _, length, xid = HEADER.unpack_from(data, offset)
        if inner_version != version:
            raise ProtocolError(f"a message of version {inner_version} within one of {version}", "OFPBRC_BAD_VERSION")
        if length < HEADER_LEN or offset + length > end:
            raise ProtocolError(f"a message within a message claims {length} bytes of {end - offset}")
        outer = HEADER.unpack_from(data, start)[3]
        NESTED.depth += 1
        try:
            if NESTED.depth > DEEPEST:
                raise ProtocolError(f"messages nested more than {DEEPEST} deep")
            msg, _, _ = decode(data[offset : offset + length])
        finally:
            NESTED.depth -= 1
        return msg, None if xid == outer else xid, offset + length


CODEC: Final = _Codec()
core.setup(NESTED)


def _make_writer(record: type[Record], version: int) -> Callable[..., bytes]:
    def make() -> Callable[..., bytes]:
        source, scope = generate_write.encoder_source(record, version, CODEC)
        return generate.make(source, scope, f"encode {record.__name__} {VERSION_NAMES[version]}")

    return core.writer(record, version, make, CODEC)


def _make_reader(record: type[Record], version: int) -> Callable[[bytes, int, int], Any]:
    def make() -> Callable[[bytes, int, int], Any]:
        source, scope = generate_read.decoder_source(record, version, CODEC)
        return generate.make(source, scope, f"decode {record.__name__} {VERSION_NAMES[version]}")

    return core.reader(record, version, make, CODEC)


class _Encoders(dict[type[Record], Callable[..., bytes]]):
    """class -> its writer, made when it is first asked for."""

    def __init__(self, of: Any, version: int) -> None:
        super().__init__()
        self.of = of
        self.version = version

    def __missing__(self, record: type[Record]) -> Callable[..., bytes]:
        home = HOMES.get(record)
        if home is not self.of if isinstance(self.of, Family) else record is not self.of:
            wanted = self.of.name if isinstance(self.of, Family) else self.of.__name__
            article = "an" if wanted[:1] in "aeiou" else "a"
            raise EncodeError(f"{getattr(record, '__name__', record)} stands where {article} {wanted} belongs")
        writer: Callable[..., bytes]
        if isinstance(self.of, Family) and record is self.of.unknown:
            writer = _unknown_writer(self.of)
        else:
            writer = _make_writer(record, self.version)
        self[record] = writer
        return writer


# -- families of TLVs ----------------------------------------------------------------------------------------------


def _unknown_writer(home: Family) -> Callable[..., bytes]:
    def write(m: Any, xid: int = 0) -> bytes:  # noqa: ARG001
        size = 4 + len(m.data)
        if home.inside and size % 8:
            raise EncodeError(
                f"{type(m).__name__}.data has {len(m.data)} octets: with its 4 of header not a multiple of 8"
            )
        head = (size, m.type) if home.length_first else (m.type, size)
        whole: bytes = _TLV.pack(*head) + m.data + PADDING[-size % 8]
        return whole

    return write


def _tlv_reader(home: Family, version: int) -> Callable[[bytes, int, int], tuple[Any, ...]]:
    readers: dict[Any, Callable[[bytes, int, int], Any]] = {}
    by_number, by_key = home.by_number(version), home.by_key(version)
    key_at = _KEYS[home.subtype].unpack_from
    key_size = 4 + _KEYS[home.subtype].size
    inside, bad_length, keep = home.inside, home.bad_length, home.unknown
    length_first = home.length_first
    head = _TLV.unpack_from
    least = 8 if inside else 4

    def read(data: bytes, offset: int, end: int) -> tuple[Any, ...]:
        if offset >= end:
            return ()
        found = []
        NESTED.depth += 1
        try:
            if NESTED.depth > DEEPEST:
                raise ProtocolError(f"{home.name}s nested more than {DEEPEST} deep", bad_length)
            while offset < end:
                if end - offset < 4:
                    raise ProtocolError(f"{end - offset} bytes of a {home.name} at {offset}", bad_length)
                kind, length = head(data, offset)
                if length_first:
                    kind, length = length, kind
                after = offset + length
                if length < least or after > end or (inside and length % 8):
                    raise ProtocolError(
                        f"{home.name} of type {kind} at {offset} claims {length} bytes of {end - offset}", bad_length
                    )
                key: Any = kind
                if kind == EXPERIMENTER and kind not in by_number:
                    key = key_at(data, offset + 4) if length >= key_size else None
                reader = readers.get(key)
                if reader is None:
                    # What nobody declared is not remembered: a peer can think of any number of such.
                    reader = find(key) if key is not None else None
                    if reader is None:
                        reader = unknown
                    else:
                        readers[key] = reader
                found.append(reader(data, offset, after))
                offset = after if inside else after + -length % 8
            if offset - end > 7:
                raise ProtocolError(f"{home.name}s end at {offset} and their list at {end}", bad_length)
        finally:
            NESTED.depth -= 1
        return tuple(found)

    def unknown(data: bytes, offset: int, end: int) -> Any:
        assert keep is not None, home.name
        return keep(head(data, offset)[length_first], bytes(data[offset + 4 : end]))

    def find(key: Any) -> Callable[[bytes, int, int], Any] | None:
        entry: Entry | None = by_key.get(key) if isinstance(key, tuple) else by_number.get(key)
        return None if entry is None else _reader(entry.record, version)

    return read


def _record_reader(of: type[Record], version: int) -> Callable[[bytes, int, int], tuple[Any, ...]]:
    read_one = CODEC.reader_of_one(of, version)

    def read(data: bytes, offset: int, end: int) -> tuple[Any, ...]:
        found = []
        while offset < end:
            record, after = read_one(data, offset, end)
            if after <= offset:
                raise ProtocolError(f"{of.__name__} of no length at {offset}")
            found.append(record)
            offset = after
        return tuple(found)

    return read


_READERS: Final[dict[tuple[type[Record], int], Callable[[bytes, int, int], Any]]] = {}


def _reader(record: type[Record], version: int) -> Callable[[bytes, int, int], Any]:
    key = (record, version)
    if key not in _READERS:
        _READERS[key] = _make_reader(record, version)
    return _READERS[key]


# -- messages ------------------------------------------------------------------------------------------------------


@unknown(MESSAGES)
class UnknownMessage(Message, frozen=True, gc=False):
    """A message of a type, an experimenter or a multipart kind that nobody declared: all octets behind its header."""

    type: int
    data: bytes = b""


class _Writers(dict[type[Record], Callable[..., bytes]]):
    """The writers of messages in one version."""

    def __init__(self, version: int) -> None:
        super().__init__()
        self.version = version

    def __missing__(self, record: type[Record]) -> Callable[..., bytes]:
        if record is UnknownMessage:
            writer: Callable[..., bytes] = self._unknown
        elif HOMES.get(record) in (MESSAGES, REQUESTS, REPLIES):
            writer = _make_writer(record, self.version)
        else:
            raise EncodeError(f"{getattr(record, '__name__', record)} is not a message")
        self[record] = writer
        return writer

    def _unknown(self, m: UnknownMessage, xid: int) -> bytes:
        return HEADER.pack(self.version, m.type, HEADER_LEN + len(m.data), xid) + m.data


WRITERS: Final[dict[int, _Writers]] = {version: _Writers(version) for version in VERSIONS}
"""version -> class of message -> its writer, `(message, xid) -> bytes`. The fast way in, without explanations."""


def encode(msg: Message, xid: int = 0, version: int = V15) -> bytes:
    """One whole message. EncodeError says which value does not fit, or that the version has no such thing."""
    try:
        data = WRITERS[version][msg.__class__](msg, xid)
    except (StructError, OverflowError, TypeError, AttributeError, UnicodeError) as e:
        raise EncodeError(_why(msg, xid, version, e)) from None
    except RecursionError:
        raise EncodeError(f"{type(msg).__name__}: nested too deep") from None
    except KeyError:
        raise EncodeError(f"there is no OpenFlow version {version}") from None
    if len(data) > MAX_LEN:
        raise EncodeError(f"{type(msg).__name__} would have {len(data)} bytes, and a header can say {MAX_LEN} at most")
    return data


def _why(msg: Message, xid: object, version: int, e: Exception) -> str:
    """What to say of a message that cannot be written, because of `e`."""
    name = type(msg).__name__
    if not isinstance(xid, int) or not 0 <= xid <= 0xFFFFFFFF:
        return f"{name}: the xid {xid!r} is no number of 32 bits"
    found = None if isinstance(msg, UnknownMessage) else explain(msg, version)
    if found:
        return found
    if isinstance(e, StructError) and "'H' format" in str(e):  # all values fit, so it is a length
        return f"{name} is too long: it, or a part of it, has more than the {MAX_LEN} bytes that a header can say"
    return f"{name}: {e}"


_RANGES: Final = {"u8": 8, "u16": 16, "u32": 32, "u64": 64, "mac": 48, "ipv4": 32, "port": 32, "port16": 32}


def explain(record: Record, version: int) -> str | None:
    """Why `record` cannot be written: the first value that is out of its range, or of a wrong type."""
    items, _ = generate.whole_layout(type(record), version)
    for item in items:
        for name in item.names:
            value = getattr(record, name)
            found = _explain_value(item, value, version)
            if found:
                return f"{type(record).__name__}.{name}{found}"
    return None


def _explain_value(item: Item, value: Any, version: int) -> str | None:
    if item.kind in _RANGES:
        if not isinstance(value, int):
            return f": {value!r} is not a number"
        limit = (1 << _RANGES[item.kind]) - 1
        return None if 0 <= value <= limit else f": {value} is not within 0..{limit}"
    if item.kind in ("many", "trailer", "instructions"):
        if not isinstance(value, (tuple, list)):
            return f": {value!r} is not a sequence"
        for n, inner in enumerate(value):
            if not isinstance(inner, Record):
                return f"[{n}]: {inner!r} is not a record of the protocol"
            if type(inner).WIRE and (found := explain(inner, version)):
                return f"[{n}]: {found}"
    if item.kind in ("one", "nested") and isinstance(value, Record) and (found := explain(value, version)):
        return f": {found}"
    if item.kind in ("data", "blob") and not isinstance(value, (bytes, bytearray, memoryview)):
        return f": {value!r} is not bytes"
    if item.kind == "text" and not isinstance(value, str):
        return f": {value!r} is not text"
    return None


_MULTIPART: Final = Struct(">HH")
_EXP: Final = Struct(">II")
_EXPERIMENTER_TYPE: Final = 4


class _MessageReaders(dict[int, Callable[[bytes, int, int], Any]]):
    """type -> reader of messages, in one version."""

    def __init__(self, version: int) -> None:
        super().__init__()
        self.version = version
        self.request_type = 16 if version == V10 else 18

    def __missing__(self, kind: int) -> Callable[[bytes, int, int], Any]:
        reader: Callable[[bytes, int, int], Any]
        entry = MESSAGES.by_number(self.version).get(kind)
        if kind == _EXPERIMENTER_TYPE:
            reader = self._experimenter
        elif kind == self.request_type:
            reader = self._multipart(REQUESTS)
        elif kind == self.request_type + 1:
            reader = self._multipart(REPLIES)
        elif entry is not None:
            reader = _reader(entry.record, self.version)
        else:
            reader = _keep
        self[kind] = reader
        return reader

    def _experimenter(self, data: bytes, offset: int, end: int) -> Any:
        if end - offset < 12:
            raise ProtocolError(f"{end - offset} bytes of an experimenter's message", "OFPBRC_BAD_LEN")
        entry = None
        if end - offset >= 16:
            entry = MESSAGES.by_key(self.version).get(_EXP.unpack_from(data, offset + 8))
        return _keep(data, offset, end) if entry is None else _reader(entry.record, self.version)(data, offset, end)

    def _multipart(self, home: Family) -> Callable[[bytes, int, int], Any]:
        version = self.version
        least, key_at = (12, 12) if version == V10 else (16, 16)
        by_number, by_key = home.by_number(version), home.by_key(version)

        def read(data: bytes, offset: int, end: int) -> Any:
            if end - offset < least:
                raise ProtocolError(f"{end - offset} bytes of a {home.name}", "OFPBRC_BAD_LEN")
            kind = int.from_bytes(data[offset + 8 : offset + 10], "big")
            entry = by_number.get(kind)
            if kind == EXPERIMENTER:
                if end - offset < key_at + 4:
                    raise ProtocolError(f"{end - offset} bytes of an experimenter's {home.name}", "OFPBRC_BAD_LEN")
                if end - offset >= key_at + 8:
                    entry = by_key.get(_EXP.unpack_from(data, offset + key_at))
            if entry is None:
                return _keep(data, offset, end)
            return _reader(entry.record, version)(data, offset, end)

        return read


def _keep(data: bytes, offset: int, end: int) -> UnknownMessage:
    return UnknownMessage(data[offset + 1], bytes(data[offset + HEADER_LEN : end]))


READERS: Final[dict[int, _MessageReaders]] = {version: _MessageReaders(version) for version in VERSIONS}
"""version -> type -> reader of a message, `(bytes, offset, end) -> message`."""


def decode(data: bytes | bytearray | memoryview) -> tuple[Any, int, int]:
    """One whole message: it, its xid and its version. ProtocolError where the bytes are not OpenFlow."""
    if data.__class__ is not bytes:
        data = bytes(memoryview(data))  # what is kept of it must not change afterwards
    if len(data) < HEADER_LEN:
        raise ProtocolError(f"{len(data)} bytes: a header has {HEADER_LEN}")
    version, kind, length, xid = HEADER.unpack_from(data)
    if length != len(data):
        raise ProtocolError(f"a header says {length} bytes, and there are {len(data)}")
    readers = READERS.get(version)
    if readers is None:
        # A hello tells what other versions a peer speaks, so it is read in any (section 7.5.1).
        if kind != 0:
            raise ProtocolError(f"OpenFlow version {version:#x} is not known", "OFPBRC_BAD_VERSION")
        readers = READERS[V15]
    return readers[kind](data, 0, length), xid, version


def decode_many(data: bytes | bytearray | memoryview) -> list[tuple[Any, int, int]]:
    """All messages of a stream that begins and ends with whole ones."""
    if data.__class__ is not bytes:
        data = bytes(memoryview(data))
    found = []
    offset = 0
    while offset < len(data):
        if len(data) - offset < HEADER_LEN:
            raise ProtocolError(f"{len(data) - offset} bytes at {offset} are less than a header")
        length = max(HEADER.unpack_from(data, offset)[2], HEADER_LEN)
        found.append(decode(data[offset : offset + length]))
        offset += length
    return found

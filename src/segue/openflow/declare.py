"""How the protocol is declared: records, their items on the wire with version windows, and families of records.

A record is a frozen struct with typed fields, and `WIRE`, its layout: items in the order of the wire, each with the
versions that have it (`since`, `until`). An item that another version has in another place, or in another width, stands
there once more with another window. This one declaration is read by everything else: the generated Python codec
(`generate`), the compiled core, JSON (`text`), the schema, and the tables of the documentation.

A family is a set of records that share a header and are told apart by it: messages by their type, actions by type or
by experimenter and subtype. Decorators enter a record into its family, with the number that it has from a version on:
`@message("OFPT_PORT_MOD", {V10: 15, V11: 16})`; `None` as a number ends it.

Nothing here does anything at import but remember; what is derived is derived at first use.
"""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final, Protocol, TypeVar

import msgspec

from segue.openflow.wire import V10, V15, VERSIONS

Windows = Mapping[int, int | None]
Spelling = str | Mapping[int, str]


class Custom(Protocol):
    """An item with a form of its own: reads and writes one field's value."""

    def encode(self, value: Any, version: int) -> bytes: ...

    def decode(self, data: bytes, offset: int, end: int, version: int) -> tuple[Any, int]:
        """The value, and where it ends (not behind `end`)."""

    def to_json(self, value: Any, version: int) -> Any: ...

    def from_json(self, obj: Any, version: int) -> Any: ...

    def schema(self) -> dict[str, Any]: ...


class Item(msgspec.Struct, frozen=True, gc=False):
    """One thing on the wire. `names` are the record's fields that it carries (none for padding and lengths)."""

    kind: str
    names: tuple[str, ...] = ()
    size: int = 0
    since: int = V10
    until: int = V15
    of: Any = None

    def within(self, version: int) -> bool:
        return self.since <= version <= self.until


class Record(msgspec.Struct, frozen=True, gc=False):
    """What has a layout. Positional arguments are in the order of the fields."""

    WIRE: ClassVar[tuple[Item, ...]] = ()


class Message(Record, frozen=True, gc=False):
    """A whole OpenFlow message, without its header (version, type, length, xid)."""


R = TypeVar("R", bound=type[Record])


class Entry(msgspec.Struct, frozen=True, gc=False):
    """A record's place in its family. `key` is (experimenter, subtype) where an experimenter defined it."""

    record: type[Record]
    spelling: Spelling
    numbers: Windows
    key: tuple[int, int] | None = None

    def number(self, version: int) -> int | None:
        """The type number in `version`, None where the version has no such thing."""
        found = None
        for since, number in sorted(self.numbers.items()):
            if since <= version:
                found = number
        return found

    def name(self, version: int) -> str:
        """The specification's name of it in `version`."""
        if isinstance(self.spelling, str):
            return self.spelling
        found = ""
        for since, name in sorted(self.spelling.items()):
            if since <= version or not found:
                found = name
        return found


class Family:
    """Records with a common header, `type:u16 length:u16`, unless the family is of messages or multiparts.

    `inside`: lengths are multiples of eight and count the padding (actions); else a member is followed by padding up to
    a multiple of eight which its length does not count (properties). `subtype`: octets of an experimenter's subtype,
    behind the experimenter's number. `bad_length`: the OpenFlow error code for a bad length. `length_first`: the header
    is `length:u16 type:u16`, as flow updates have it.
    """

    def __init__(
        self,
        name: str,
        *,
        inside: bool,
        subtype: int = 4,
        bad_length: str = "OFPBPC_BAD_LEN",
        length_first: bool = False,
    ) -> None:
        self.name = name
        self.inside = inside
        self.subtype = subtype
        self.bad_length = bad_length
        self.length_first = length_first
        self.entries: dict[type[Record], Entry] = {}
        self.unknown: Callable[[int, bytes], Record] | None = None
        self._by_number: dict[int, dict[int, Entry]] = {}
        self._by_key: dict[int, dict[tuple[int, int], Entry]] = {}
        self._by_name: dict[int, dict[str, Entry]] = {}

    def add(self, entry: Entry) -> None:
        self.entries[entry.record] = entry
        self._by_number.clear()
        self._by_key.clear()
        self._by_name.clear()

    def by_number(self, version: int) -> dict[int, Entry]:
        """The members that OpenFlow itself defines, by type number."""
        if version not in self._by_number:
            self._index(version)
        return self._by_number[version]

    def by_key(self, version: int) -> dict[tuple[int, int], Entry]:
        """The members that experimenters define, by (experimenter, subtype)."""
        if version not in self._by_key:
            self._index(version)
        return self._by_key[version]

    def by_name(self, version: int) -> dict[str, Entry]:
        if version not in self._by_name:
            self._index(version)
        return self._by_name[version]

    def _index(self, version: int) -> None:
        numbers: dict[int, Entry] = {}
        keys: dict[tuple[int, int], Entry] = {}
        names: dict[str, Entry] = {}
        for entry in self.entries.values():
            number = entry.number(version)
            if number is None:
                continue
            names[entry.name(version)] = entry
            if entry.key is None:
                assert number not in numbers, (self.name, version, number)
                numbers[number] = entry
            else:
                assert entry.key not in keys, (self.name, version, entry.key)
                keys[entry.key] = entry
        self._by_number[version], self._by_key[version], self._by_name[version] = numbers, keys, names


EXPERIMENTER: Final = 0xFFFF
EXACT: Final = "exact"
ALL_VERSIONS: Final[Windows] = {V10: EXPERIMENTER}

MESSAGES: Final = Family("message", inside=False, bad_length="OFPBRC_BAD_LEN")
REQUESTS: Final = Family("multipart request", inside=False, bad_length="OFPBRC_BAD_LEN")
REPLIES: Final = Family("multipart reply", inside=False, bad_length="OFPBRC_BAD_LEN")
FAMILIES: Final[list[Family]] = [MESSAGES, REQUESTS, REPLIES]
HOMES: Final[dict[type[Record], Family]] = {}
"""The family of each record that is in one."""


def family(
    name: str, *, inside: bool, subtype: int = 4, bad_length: str = "OFPBPC_BAD_LEN", length_first: bool = False
) -> Family:
    """A new family of records under a `type:u16 length:u16` header."""
    made = Family(name, inside=inside, subtype=subtype, bad_length=bad_length, length_first=length_first)
    FAMILIES.append(made)
    return made


def _enter(home: Family, spelling: Spelling, numbers: Windows, key: tuple[int, int] | None) -> Callable[[R], R]:
    def enter(record: R) -> R:
        home.add(Entry(record, spelling, numbers, key))
        HOMES[record] = home
        return record

    return enter


def message(spelling: Spelling, numbers: Windows) -> Callable[[R], R]:
    """Enters a message; `numbers` are its types by version."""
    return _enter(MESSAGES, spelling, numbers, None)


def experimenter_message(
    spelling: Spelling, experimenter: int, subtype: int, *, since: int = V10, until: int = V15
) -> Callable[[R], R]:
    """Enters an experimenter's message (in OpenFlow 1.0, a vendor's)."""
    return _enter(MESSAGES, spelling, _window(since, until), (experimenter, subtype))


def request(spelling: Spelling, numbers: Windows) -> Callable[[R], R]:
    """Enters the request of a multipart type (in OpenFlow 1.0 to 1.2, of statistics)."""
    return _enter(REQUESTS, spelling, numbers, None)


def reply(spelling: Spelling, numbers: Windows) -> Callable[[R], R]:
    """Enters the reply of a multipart type."""
    return _enter(REPLIES, spelling, numbers, None)


def experimenter_request(
    spelling: Spelling, experimenter: int, subtype: int, *, since: int = V10, until: int = V15
) -> Callable[[R], R]:
    return _enter(REQUESTS, spelling, _window(since, until), (experimenter, subtype))


def experimenter_reply(
    spelling: Spelling, experimenter: int, subtype: int, *, since: int = V10, until: int = V15
) -> Callable[[R], R]:
    return _enter(REPLIES, spelling, _window(since, until), (experimenter, subtype))


def member(home: Family, spelling: Spelling, numbers: Windows) -> Callable[[R], R]:
    """Enters a record into a family of TLVs."""
    return _enter(home, spelling, numbers, None)


def experimenter_member(
    home: Family, spelling: Spelling, experimenter: int, subtype: int, *, since: int = V10, until: int = V15
) -> Callable[[R], R]:
    return _enter(home, spelling, _window(since, until), (experimenter, subtype))


def unknown(home: Family) -> Callable[[R], R]:
    """The record, of fields `type` and `data`, that keeps what the family does not know."""

    def enter(record: R) -> R:
        home.unknown = record
        HOMES[record] = home
        return record

    return enter


def _window(since: int, until: int) -> Windows:
    if until == VERSIONS[-1]:
        return {since: EXPERIMENTER}
    return {since: EXPERIMENTER, until + 1: None}


# -- items: numbers ------------------------------------------------------------------------------------------------
# `names` is a Numbers or Flags class that spells the value in JSON.


def u8(name: str, names: Any = None, *, since: int = V10, until: int = V15) -> Item:
    return Item("u8", (name,), 1, since, until, names)


def u16(name: str, names: Any = None, *, since: int = V10, until: int = V15) -> Item:
    return Item("u16", (name,), 2, since, until, names)


def u32(name: str, names: Any = None, *, since: int = V10, until: int = V15) -> Item:
    return Item("u32", (name,), 4, since, until, names)


def u64(name: str, names: Any = None, *, since: int = V10, until: int = V15) -> Item:
    return Item("u64", (name,), 8, since, until, names)


def port(name: str, *, since: int = V10, until: int = V15) -> Item:
    """A port number: 16 bits in OpenFlow 1.0, 32 later."""
    return Item("port", (name,), 4, since, until)


def port16(name: str, *, since: int = V10, until: int = V15) -> Item:
    """A port number in 16 bits in every version, as Open vSwitch's own actions have it."""
    return Item("port16", (name,), 2, since, until)


def mac(name: str, *, since: int = V10, until: int = V15) -> Item:
    """A MAC address; the value is an integer of 48 bits."""
    return Item("mac", (name,), 6, since, until)


def ipv4(name: str, *, since: int = V10, until: int = V15) -> Item:
    """An IPv4 address; the value is an integer of 32 bits."""
    return Item("ipv4", (name,), 4, since, until)


def ofs_nbits(ofs: str, n_bits: str, *, since: int = V10, until: int = V15) -> Item:
    """Offset (10 bits) and number of bits less one (6 bits) of a part of a field, in 16 bits (nicira-ext.h)."""
    return Item("ofs_nbits", (ofs, n_bits), 2, since, until)


# -- items: octets and text ----------------------------------------------------------------------------------------


def pad(size: int, *, since: int = V10, until: int = V15) -> Item:
    """Zeros, which readers pass over."""
    return Item("pad", (), size, since, until)


def text(name: str, size: int, *, since: int = V10, until: int = V15) -> Item:
    """Text in `size` octets, filled up with zeros. What is not UTF-8 is kept as surrogate escapes."""
    return Item("text", (name,), size, since, until)


def blob(name: str, size: int, *, since: int = V10, until: int = V15) -> Item:
    """`size` octets as they are."""
    return Item("blob", (name,), size, since, until)


def data(name: str, *, since: int = V10, until: int = V15) -> Item:
    """The octets up to the end of what encloses them, or of the size that an earlier `size` says."""
    return Item("data", (name,), 0, since, until)


# -- items: lengths ------------------------------------------------------------------------------------------------


def length(*, since: int = V10, until: int = V15) -> Item:
    """The record's own length in 16 bits, header and padding included: elements of lists that say how long they are."""
    return Item("length", (), 2, since, until)


def size(of: str, *, since: int = V10, until: int = V15) -> Item:
    """The octets (16 bits) of the later field `of`, without padding behind it."""
    return Item("size", (), 2, since, until, of)


def count(of: str, octets: int, *, since: int = V10, until: int = V15) -> Item:
    """The elements (16 bits), each of so many octets, of the later field `of`."""
    return Item("count", (), 2, since, until, (of, octets))


def align(*, since: int = V10, until: int = V15) -> Item:
    """Zeros up to a multiple of eight, counted from the beginning of the record."""
    return Item("align", (), 0, since, until)


# -- items: things with a form of their own ------------------------------------------------------------------------


def match(name: str = "match", *, since: int = V10, until: int = V15) -> Item:
    """`ofp_match` as the version has it, padding included."""
    return Item("match", (name,), 0, since, until)


def in_port_match(match: str = "match", in_port: str = "in_port", *, since: int = V10, until: int = V15) -> Item:
    """`ofp_match` that says the input port as well: in two fields. A port other than 0 is added to a match without."""
    return Item("in_port_match", (match, in_port), 0, since, until)


def nxm(name: str = "match", *, since: int = V10, until: int = V15) -> Item:
    """Bare NXM entries whose octets an earlier `size` says, then zeros up to a multiple of eight."""
    return Item("nxm", (name,), 0, since, until)


def oxm(name: str, value: str, mask: str, *, since: int = V10, until: int = V15) -> Item:
    """One OXM entry, in three fields: name, value, mask (None for an exact one)."""
    return Item("oxm", (name, value, mask), 0, since, until)


def exact_oxm(name: str, value: str, mask: str, *, since: int = V10, until: int = V15) -> Item:
    """`oxm` that must not have a mask."""
    return Item("oxm", (name, value, mask), 0, since, until, EXACT)


def nxm_entry(name: str, value: str, mask: str, *, since: int = V10, until: int = V15) -> Item:
    """One NXM entry, in three fields as `oxm`; its header is NXM's in every version."""
    return Item("oxm", (name, value, mask), 0, since, until, 0)


def oxm_id(name: str, *, since: int = V10, until: int = V15) -> Item:
    """The header alone of an OXM entry (4 octets, 8 for an experimenter's): a field's name."""
    return Item("oxm_id", (name,), 0, since, until)


def nxm_id(name: str, *, since: int = V10, until: int = V15) -> Item:
    """The header alone of an NXM entry: a field's name."""
    return Item("nxm_id", (name,), 0, since, until)


def oxm_ids(name: str, *, since: int = V10, until: int = V15) -> Item:
    """Headers of OXM entries up to the end: names of fields, with `/m` behind those that have the mask bit."""
    return Item("oxm_ids", (name,), 0, since, until)


def stats(name: str = "stats", *, since: int = V10, until: int = V15) -> Item:
    """`ofp_stats` (OXS, OpenFlow 1.5.1 section 7.2.4), padding included."""
    return Item("stats", (name,), 0, since, until)


def counters(name: str = "stats", *others: str, since: int = V10, until: int = V15) -> Item:
    """`ofp_stats`, whose `duration`, `packet_count`, `byte_count` and `flow_count` stand in `others` too
    (`duration_sec`, `duration_nsec`, `packet_count` ...), as earlier versions have them. What is not 0 there is added
    to `name`."""
    return Item("counters", (name, *others), 0, since, until)


def one(name: str, of: type[Record], *, since: int = V10, until: int = V15) -> Item:
    """One record in another. It must have a length that is fixed, or that it says itself."""
    return Item("one", (name,), 0, since, until, of)


def many(name: str, of: "type[Record] | Family", *, since: int = V10, until: int = V15) -> Item:
    """Records, up to the end of what encloses them, or of the size that an earlier `size` says."""
    return Item("many", (name,), 0, since, until, of)


def trailer(name: str, of: Family, *, since: int = V10, until: int = V15) -> Item:
    """Properties at the end, if there are any, and then with padding up to a multiple of eight before them."""
    return Item("trailer", (name,), 0, since, until, of)


def instructions(name: str, shorthand: str, *, since: int = V10, until: int = V15) -> Item:
    """Instructions up to the end; actions in the field `shorthand` are written as an apply-actions before them."""
    return Item("instructions", (name, shorthand), 0, since, until)


def nested(name: str, xid: str, *, since: int = V10, until: int = V15) -> Item:
    """A whole message inside of this one, which says its own length; `xid` is None where it is the same as outside."""
    return Item("nested", (name, xid), 0, since, until)


def custom(name: str, codec: Custom, *, since: int = V10, until: int = V15) -> Item:
    """A field with a form of its own."""
    return Item("custom", (name,), 0, since, until, codec)


def layout(record: type[Record], version: int) -> tuple[Item, ...]:
    """The items that `version` has, in the order of the wire, without the header of the record's family."""
    return tuple(item for item in record.WIRE if item.within(version))

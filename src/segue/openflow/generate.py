"""How a record lies on the wire in one version, and how functions are made that know it.

The functions that write and read a record are made as source text (`generate_write`, `generate_read`) and compiled when
they are first needed. Consecutive items of fixed size become one `Struct`.

    encode(m, xid) -> bytes             the whole record, its family's header included
    decode(b, o, e) -> record           from its header at `o` to exactly `e`
    decode(b, o, e) -> (record, after)  for records that say their own length, or have a fixed one (no family)
"""

from collections.abc import Callable
from typing import Any, Final

import msgspec

from segue.openflow.declare import HOMES, MESSAGES, REPLIES, REQUESTS, Family, Item, Record, layout
from segue.openflow.wire import V10, VERSION_NAMES, EncodeError, short_port

FORMATS: Final = {"u8": "B", "u16": "H", "u32": "I", "u64": "Q", "ipv4": "I", "port16": "H", "ofs_nbits": "H"}
MATCH_SIZES: Final = {V10: 40}
"""Of matches that are always as long. (In 1.1 one can have the form of later versions.)"""
FIXED: Final = frozenset(
    {*FORMATS, "port", "mac", "pad", "text", "blob", "const", "total", "length", "size", "count", "xid"}
)


def header(record: type[Record], version: int) -> list[Item]:
    """The items of the header that the record's family puts before its own."""
    home = HOMES.get(record)
    if home is None:
        return []
    entry = home.entries[record]
    number = entry.number(version)
    if number is None:
        raise EncodeError(f"OpenFlow {VERSION_NAMES[version]} has no {record.__name__}")
    if home is MESSAGES:
        items = [_const(1, version), _const(1, 4 if entry.key else number), Item("total", size=2), Item("xid", size=4)]
        return [*items, _const(4, entry.key[0]), _const(4, entry.key[1])] if entry.key else items
    if home is REQUESTS or home is REPLIES:
        return _multipart_header(home, entry.key, number, version)
    items = [_const(2, number), Item("total", size=2)]
    if home.length_first:
        items.reverse()
    if entry.key:
        items += [_const(4, entry.key[0]), _const(home.subtype, entry.key[1])]
    return items


def _multipart_header(home: Family, key: tuple[int, int] | None, number: int, version: int) -> list[Item]:
    kind = (16 if version == V10 else 18) + (home is REPLIES)
    items = [_const(1, version), _const(1, kind), Item("total", size=2), Item("xid", size=4), _const(2, number)]
    items.append(Item("u16", ("flags",), 2))
    if version != V10:
        items.append(Item("pad", size=4))
    if key:
        items += [_const(4, key[0]), _const(4, key[1])]
        if version == V10:
            items.append(Item("pad", size=4))
    return items


def _const(octets: int, value: int) -> Item:
    return Item("const", (), octets, of=value)


def whole_layout(record: type[Record], version: int) -> tuple[list[Item], int]:
    """Header and body, and how many items of it are the header. Members of families whose lengths are multiples
    of eight end with an `align`."""
    head = header(record, version)
    body = list(layout(record, version))
    home = HOMES.get(record)
    if home is not None and home.inside:
        body.append(Item("align"))
    return head + body, len(head)


def width(item: Item, version: int) -> int:
    """Octets of an item of fixed size."""
    return 2 if item.kind == "port" and version == V10 else item.size


def is_struct(item: Item, version: int) -> bool:
    """Whether this is a match that always has the same size."""
    return item.kind == "match" and version in MATCH_SIZES


def format_of(item: Item, version: int) -> str:
    if item.kind in FORMATS:
        return FORMATS[item.kind]
    if item.kind == "port":
        return "H" if version == V10 else "I"
    if item.kind in ("const", "total", "length", "size", "count", "xid"):
        return {1: "B", 2: "H", 4: "I"}[item.size]
    return f"{item.size}x" if item.kind == "pad" else f"{item.size}s"


def defaults(record: type[Record]) -> list[Any]:
    """The default of each field; `{}` for a factory of an empty dict, NODEFAULT where there is none."""
    given = record.__struct_defaults__
    missing = len(record.__struct_fields__) - len(given)
    made = [d.factory() if type(d).__name__ == "Factory" else d for d in given]
    return [msgspec.NODEFAULT] * missing + made


class Source:
    """Lines of a function, and the objects that they name."""

    def __init__(self, version: int) -> None:
        self.version = version
        self.lines: list[str] = []
        self.locals = 0
        self.scope: dict[str, Any] = {}

    def name(self, value: Any, stem: str) -> str:
        for name, known in self.scope.items():
            if known is value:
                return name
        name = f"{stem}{len(self.scope)}"
        self.scope[name] = value
        return name

    def add(self, line: str) -> None:
        self.lines.append("    " + line)

    def local(self, expression: str) -> str:
        """A local variable that has this value."""
        self.locals += 1
        self.add(f"l{self.locals} = {expression}")
        return f"l{self.locals}"

    def function(self, signature: str) -> str:
        return "\n".join([f"def {signature}:", *self.lines, ""])


def argument(item: Item, total: str, of_field: dict[str, str], src: Source, record: str = "m") -> str:
    """What `Struct.pack` is given for an item of fixed size of the record that the variable `record` is."""
    field = f"{record}.{item.names[0]}" if item.names else ""
    match item.kind:
        case "const":
            return str(item.of)
        case "total" | "length":
            return total
        case "xid":
            return "xid"
        case "size":
            return of_field[item.of]
        case "count":
            return f"{of_field[item.of[0]]} // {item.of[1]}"
        case "port" | "port16":
            if item.kind == "port" and src.version != V10:
                return field
            port = src.local(field)
            short = src.name(short_port, "short")
            return f"{port} if 0 <= {port} < 0xff00 else 0xffff if {port} == 0xffffffff else {short}({port})"
        case "mac":
            return f"{field}.to_bytes(6, 'big')"
        case "text":
            return f"{src.name(write_text, 'text')}({field}, {item.size})"
        case "blob":
            return f"{src.name(write_blob, 'blob')}({field}, {item.size})"
        case "ofs_nbits":
            return f"{src.name(write_ofs_nbits, 'ofs_nbits')}({field}, {record}.{item.names[1]})"
    return field


def absent_tests(record: type[Record], items: list[Item], variable: str) -> list[tuple[str, str]]:
    """The fields that no item carries, each with an expression that is true if it has not its default."""
    present = {name for item in items for name in item.names}
    tests = []
    for name, default in zip(record.__struct_fields__, defaults(record), strict=True):
        if name in present or default is msgspec.NODEFAULT:
            continue
        field = f"{variable}.{name}"
        if default is None:
            tests.append((name, f"{field} is not None"))
        else:
            tests.append((name, field if default in (0, (), b"", {}, "") else f"{field} != {default!r}"))
    return tests


def write_text(value: str, size: int) -> bytes:
    octets = value.encode("utf-8", "surrogateescape")
    if len(octets) > size:
        raise EncodeError(f"{value!r} has {len(octets)} octets, and {size} is the most")
    return octets


def write_blob(value: bytes, size: int) -> bytes:
    if len(value) != size:
        raise EncodeError(f"{len(value)} octets where {size} are wanted")
    return value


def write_ofs_nbits(ofs: int, n_bits: int) -> int:
    if not (0 <= ofs < 1024 and 1 <= n_bits <= 64):
        raise EncodeError(f"{n_bits} bits from {ofs} on: 1 to 64 bits within the first 1,024 can be said")
    return ofs << 6 | n_bits - 1


def make(source: str, scope: dict[str, Any], name: str) -> Callable[..., Any]:
    """Compiles what `encoder_source` or `decoder_source` made, or such."""
    space = dict(scope)
    exec(compile(source, f"<{name}>", "exec"), space)
    made: Callable[..., Any] = space["encode" if source.startswith("def encode") else "decode"]
    made.__qualname__ = name
    return made

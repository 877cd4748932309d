"""Records as programs of the compiled core: the layout of `generate`, in steps that C can run.

What the core cannot do by itself (values with forms of their own) becomes a step that calls the same Python
function as the generated code does. A record with an item that is not even that, a message within a message, has no
program, and is written and read by generated code.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import msgspec

from segue.openflow import core_match, generate, generate_read, generate_write
from segue.openflow.declare import EXPERIMENTER, HOMES, MESSAGES, REPLIES, REQUESTS, Family, Item, Record
from segue.openflow.wire import V10

with suppress(ImportError):  # core.py does not come here then
    from segue.openflow import _core

Make = Callable[[], Callable[..., Any]]
# (operation, size, offset in the run, which size is its own, field, default, what it is about)
Step = tuple[int, int, int, int, str | None, Any, Any]

_NONE: Final = ...  # no default that could stand in a template
_SIZES: Final = 4

# The operations of _core/writer.c, and then those of _core/reader.c.
_W_RUN, _W_UINT, _W_PORT16, _W_TEXT, _W_BLOB, _W_BITS, _W_TOTAL, _W_XID, _W_SIZE = range(9)
_W_DATA, _W_ALIGN, _W_MATCH, _W_IN_PORT, _W_MANY, _W_TRAILER, _W_ONE, _W_APPLY, _W_PYTHON = range(9, 18)
_R_RUN, _R_UINT, _R_PORT16, _R_TEXT, _R_BLOB, _R_BITS, _R_LENGTH, _R_SIZE = range(8)
_R_DATA, _R_ALIGN, _R_END, _R_MATCH, _R_IN_PORT, _R_MANY, _R_TRAILER, _R_ONE, _R_LIST, _R_PYTHON = range(8, 18)
_ENDS_THERE, _ENDS_SOON, _GOES_ON = range(3)

_NUMBERS: Final = frozenset({"u8", "u16", "u32", "u64", "mac", "ipv4"})
_MATCHES: Final[dict[int, Any]] = {}
_FAMILIES: Final[dict[tuple[Family, int], Any]] = {}


class _Unable(Exception):
    """There is no program for this record."""


def matches(version: int) -> Any:
    if version not in _MATCHES:
        _MATCHES[version] = _core.Matches(**core_match.matches(version))
    return _MATCHES[version]


def _defaults(record: type[Record]) -> dict[str, Any]:
    """The objects that fields have when nothing was given. A factory's are other ones each time."""
    given = record.__struct_defaults__
    names = record.__struct_fields__[len(record.__struct_fields__) - len(given) :]
    return {name: value for name, value in zip(names, given, strict=True) if type(value).__name__ != "Factory"}


def _adopt(record: type[Record]) -> None:
    """The core makes and releases instances of classes that are nothing but their fields."""
    config = record.__struct_config__
    plain = not (config.gc or config.weakref or config.dict or config.cache_hash)
    factories = [value for value in record.__struct_defaults__ if type(value).__name__ == "Factory"]
    if plain and not hasattr(record, "__post_init__") and all(value.factory is dict for value in factories):
        _core.adopt(record, [... if d is msgspec.NODEFAULT else d for d in generate.defaults(record)])


def _is_narrow(item: Item, version: int) -> bool:
    return item.kind == "port16" or (item.kind == "port" and version == V10)


# -- writing -------------------------------------------------------------------------------------------------------


def writer(record: type[Record], version: int, make: Make, codec: Any) -> Any:
    """A `_core.Writer`, or what `make` makes where there is no program."""
    items, _ = generate.whole_layout(record, version)
    _adopt(record)
    try:
        steps = _writing(items, _defaults(record), version, codec)
    except _Unable:
        return make()
    present = {name for item in items for name in item.names}
    absent = [
        (name, default)
        for name, default in zip(record.__struct_fields__, generate.defaults(record), strict=True)
        if name not in present and default is not msgspec.NODEFAULT
    ]
    home = HOMES.get(record)
    padded = home is not None and not home.inside and home not in (MESSAGES, REQUESTS, REPLIES)
    return _core.Writer(record, make, steps, absent, padded)


def _writing(items: list[Item], defaults: dict[str, Any], version: int, codec: Any) -> list[Step]:
    steps: list[Step] = []
    sizes: dict[str, int] = {}
    template = bytearray()
    run: list[Step] = []

    def close() -> None:
        if template:
            steps.append((_W_RUN, 0, 0, 0, None, _NONE, bytes(template)))
            steps.extend(run)
            template.clear()
            run.clear()

    for item in items:
        if item.kind in generate.FIXED:
            step, octets = _write_fixed(item, len(template), defaults, sizes, version)
            template += octets
            if step is not None:
                run.append(step)
        else:
            close()
            sized = sizes.get(item.names[0], 0) if item.names else 0
            steps.extend(_write_variable(item, sized, defaults, version, codec))
    close()
    return steps


def _write_fixed(
    item: Item, at: int, defaults: dict[str, Any], sizes: dict[str, int], version: int
) -> tuple[Step | None, bytes]:
    """The step, and what stands in the template."""
    size = generate.width(item, version)
    name = item.names[0] if item.names else None
    default = defaults.get(name, _NONE) if name else _NONE
    match item.kind:
        case "pad":
            return None, bytes(size)
        case "const":
            return None, item.of.to_bytes(size, "big")
        case "total" | "length":
            return (_W_TOTAL, 0, at, 0, None, _NONE, None), bytes(size)
        case "xid":
            return (_W_XID, 0, at, 0, None, _NONE, None), bytes(size)
        case "size" | "count":
            of, octets = (item.of, 1) if item.kind == "size" else item.of
            if len(sizes) == _SIZES:
                raise _Unable
            sizes[of] = len(sizes) + 1
            return (_W_SIZE, sizes[of] - 1, at, 0, None, _NONE, octets), bytes(size)
        case "ofs_nbits":
            return (_W_BITS, 0, at, 0, name, _NONE, item.names[1]), bytes(size)
        case "text":
            return (_W_TEXT, size, at, 0, name, "" if default == "" else _NONE, None), bytes(size)
        case "blob":
            if type(default) is bytes and len(default) == size:
                return (_W_BLOB, size, at, 0, name, default, None), default
            return (_W_BLOB, size, at, 0, name, _NONE, None), bytes(size)
    narrow = _is_narrow(item, version)
    operation = _W_PORT16 if narrow else _W_UINT
    value = default if type(default) is int else -1
    if narrow and value >= 0:
        value = value & 0xFFFF if value < 0xFF00 or 0xFFFFFF00 <= value < 1 << 32 else -1
    if not 0 <= value < 1 << 8 * size:
        return (operation, size, at, 0, name, _NONE, None), bytes(size)
    return (operation, size, at, 0, name, default, None), value.to_bytes(size, "big")


def _write_variable(item: Item, sized: int, defaults: dict[str, Any], version: int, codec: Any) -> list[Step]:
    name = item.names[0] if item.names else ""
    default = defaults.get(name, _NONE)
    empty = default if default in ((), b"") else _NONE  # of which nothing is written
    match item.kind:
        case "align":
            return [(_W_ALIGN, 0, 0, 0, None, _NONE, None)]
        case "data":
            return [(_W_DATA, 0, 0, sized, name, empty, None)]
        case "match":
            return [(_W_MATCH, 0, 0, sized, name, _NONE, matches(version))]
        case "in_port_match":
            return [(_W_IN_PORT, 0, 0, sized, name, _NONE, (matches(version), item.names[1], "in_port"))]
        case "many":
            return [(_W_MANY, 0, 0, sized, name, empty, codec.encoders_of(item.of, version))]
        case "trailer":
            return [(_W_TRAILER, 0, 0, 0, name, empty, codec.encoders_of(item.of, version))]
        case "one":
            return [(_W_ONE, 0, 0, sized, name, _NONE, codec.encoders_of(item.of, version))]
        case "instructions":
            encoders = codec.encoders_of(codec.instruction_family, version)
            actions = item.names[1]
            none = () if defaults.get(actions) == () else _NONE
            apply = (encoders, codec.apply_actions, codec.apply_actions.__struct_fields__[0])
            return [
                (_W_APPLY, 0, 0, 0, actions, none, apply),
                (_W_MANY, 0, 0, sized, name, empty, encoders),
            ]
    return [(_W_PYTHON, 8 if item.kind == "nxm" else 0, 0, sized, None, _NONE, _python_writer(item, version, codec))]


def _python_writer(item: Item, version: int, codec: Any) -> Callable[..., Any]:
    """What generated code does for this item, as a function of the record."""
    if item.kind == "nested":
        raise _Unable
    src = generate.Source(version)
    result = generate_write.write_variable(item, src, codec)
    src.add(f"return {result}")
    return generate.make(src.function("encode(m)"), src.scope, f"encode {item.names[0]}")


# -- reading -------------------------------------------------------------------------------------------------------


def reader(record: type[Record], version: int, make: Make, codec: Any) -> Any:
    """A `_core.Reader`, or what `make` makes where there is no program."""
    items, _ = generate.whole_layout(record, version)
    names = [name for item in items for name in item.names]
    # The core fills slots: each field once, and nothing that a class does besides.
    if len(set(names)) < len(names) or hasattr(record, "__post_init__") or record.__struct_config__.gc:
        return make()
    _adopt(record)
    home = HOMES.get(record)
    try:
        steps = _reading(items, home, _defaults(record), version, codec)
    except _Unable:
        return make()
    has_length = any(item.kind == "length" for item in items)
    absent = [
        (name, default)
        for name, default in zip(record.__struct_fields__, generate.defaults(record), strict=True)
        if name not in names or any(item.kind == "instructions" and item.names[1] == name for item in items)
    ]
    ends = _ENDS_THERE if home is not None else _ENDS_SOON if has_length else _GOES_ON
    return _core.Reader(record, make, steps, absent, ends)


def _reading(items: list[Item], home: Family | None, defaults: dict[str, Any], version: int, codec: Any) -> list[Step]:
    steps: list[Step] = []
    sizes: dict[str, int] = {}
    run: list[Step] = []
    octets = 0

    def close() -> None:
        nonlocal octets
        if octets:
            steps.append((_R_RUN, octets, 0, 0, None, _NONE, None))
            # The record's own length is looked at when everything beside it was.
            steps.extend(sorted(run, key=lambda step: step[0] == _R_LENGTH))
            run.clear()
            octets = 0

    for n, item in enumerate(items):
        if item.kind in generate.FIXED:
            step = _read_fixed(item, octets, defaults, sizes, version)
            octets += generate.width(item, version)
            if step is not None:
                run.append(step)
            continue
        close()
        if item.kind == "align":
            last = n == len(items) - 1 and home is not None and home.inside
            steps.append((_R_END if last else _R_ALIGN, 0, 0, 0, None, _NONE, None))
        else:
            steps.append(_read_variable(item, sizes.get(item.names[0], 0), version, codec))
    close()
    return steps


def _read_fixed(item: Item, at: int, defaults: dict[str, Any], sizes: dict[str, int], version: int) -> Step | None:
    size = generate.width(item, version)
    name = item.names[0] if item.names else None
    match item.kind:
        case "pad" | "const" | "total" | "xid":
            return None
        case "length":
            return _R_LENGTH, 0, at, 0, None, _NONE, None
        case "size" | "count":
            of, octets = (item.of, 1) if item.kind == "size" else item.of
            if len(sizes) == _SIZES:
                raise _Unable
            sizes[of] = len(sizes) + 1
            return _R_SIZE, sizes[of] - 1, at, 0, None, _NONE, octets
        case "ofs_nbits":
            return _R_BITS, 0, at, 0, name, _NONE, (item.names[1],)
        case "text":
            return _R_TEXT, size, at, 0, name, _NONE, None
        case "blob":
            return _R_BLOB, size, at, 0, name, _NONE, None
    if _is_narrow(item, version):
        return _R_PORT16, size, at, 0, name, _NONE, None
    assert item.kind in _NUMBERS or item.kind == "port", item.kind
    return _R_UINT, size, at, 0, name, defaults.get(name or "", _NONE), None


def _read_variable(item: Item, sized: int, version: int, codec: Any) -> Step:
    name = item.names[0]
    match item.kind:
        case "data":
            return _R_DATA, 0, 0, sized, name, _NONE, None
        case "match":
            return _R_MATCH, 0, 0, sized, name, _NONE, matches(version)
        case "in_port_match":
            return _R_IN_PORT, 0, 0, sized, name, _NONE, (matches(version), "in_port", (item.names[1],))
        case "instructions":
            return _R_MANY, 0, 0, sized, name, _NONE, _family(codec.instruction_family, version, codec)
        case "trailer":
            return _R_TRAILER, 0, 0, 0, name, _NONE, _family(item.of, version, codec)
        case "many" if isinstance(item.of, Family):
            return _R_MANY, 0, 0, sized, name, _NONE, _family(item.of, version, codec)
        case "many" | "one":
            one = codec.reader_of_one(item.of, version)
            if isinstance(one, _core.Reader):
                return (_R_LIST if item.kind == "many" else _R_ONE), 0, 0, sized, name, _NONE, [one]
    return _R_PYTHON, 0, 0, sized, None, _NONE, (_python_reader(item, version, codec), item.names)


def _python_reader(item: Item, version: int, codec: Any) -> Callable[..., Any]:
    """What generated code does for this item: the values of its fields, and where it ends."""
    if item.kind == "nested":
        raise _Unable
    if item.kind == "nxm":  # whose padding is behind the end that it gets here
        return lambda b, o, e: (codec.decode_nxm(b, o, e), e + -(e - o) % 8)
    src = generate.Source(version)
    values: dict[str, str] = {}
    short = src.name(generate_read.too_short, "short") + "(b, o, e, %s, '', '')"
    generate_read.read_variable(item, 0, values, set(), src, codec, short)
    src.add(f"return {', '.join(values[name] for name in item.names)}, o")
    return generate.make(src.function("decode(b, o, e)"), src.scope, f"decode {item.names[0]}")


def _family(home: Family, version: int, codec: Any) -> Any:
    key = (home, version)
    if key not in _FAMILIES:
        by_number, by_key = home.by_number(version), home.by_key(version)

        def find(kind: int, *key: int) -> Any:
            entry = by_key.get((key[0], key[1])) if key else by_number.get(kind)
            return None if entry is None else codec.reader_of_member(entry.record, version)

        plain = EXPERIMENTER in by_number
        _FAMILIES[key] = _core.Family(find, home.unknown, home.inside, home.subtype, plain, home.length_first)
    return _FAMILIES[key]

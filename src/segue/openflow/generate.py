"""Turns a record's layout into two Python functions, one that writes and one that reads it in one version.

The functions are made as source text and compiled when they are first needed. Consecutive items of fixed size become
one `Struct`; everything of variable size is written first, so that all lengths are known when the fixed part is packed.
`source_of` shows what was made of a record.

    encode(m, xid) -> bytes             the whole record, its family's header included
    decode(b, o, e) -> record           from its header at `o` to exactly `e`
    decode(b, o, e) -> (record, after)  for records that say their own length, or have a fixed one (no family)

Reading checks every length against `e` before it believes it. Writing leaves ranges to `struct`; what it
refuses is explained afterwards, by `explain`, as it costs nothing then.
"""

from collections.abc import Callable
from struct import Struct
from typing import Any, Final

import msgspec

from segue.openflow.declare import (
    EXACT,
    HOMES,
    MESSAGES,
    REPLIES,
    REQUESTS,
    Family,
    Item,
    Record,
    layout,
)
from segue.openflow.wire import (
    PADDING,
    V10,
    V11,
    VERSION_NAMES,
    EncodeError,
    ProtocolError,
    long_port,
    padded,
    short_port,
)

_FORMATS: Final = {"u8": "B", "u16": "H", "u32": "I", "u64": "Q", "ipv4": "I", "port16": "H", "ofs_nbits": "H"}
_MATCH_SIZES: Final = {V10: 40, V11: 88}
_FIXED: Final = frozenset(
    {*_FORMATS, "port", "mac", "pad", "text", "blob", "const", "total", "length", "size", "count", "xid"}
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


def fixed_size(record: type[Record], version: int) -> int:
    """Octets of the items of fixed size: the least that the record can have."""
    items, _ = whole_layout(record, version)
    return sum(width(item, version) for item in items if item.kind in _FIXED)


def _is_struct(item: Item, version: int) -> bool:
    """Whether this is a match that always has the same size."""
    return item.kind == "match" and version in _MATCH_SIZES


def _format(item: Item, version: int) -> str:
    if item.kind in _FORMATS:
        return _FORMATS[item.kind]
    if item.kind == "port":
        return "H" if version == V10 else "I"
    if item.kind in ("const", "total", "length", "size", "count", "xid"):
        return {1: "B", 2: "H", 4: "I"}[item.size]
    return f"{item.size}x" if item.kind == "pad" else f"{item.size}s"


class _Source:
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


# -- writing -------------------------------------------------------------------------------------------------------


def encoder_source(record: type[Record], version: int, codec: Any) -> tuple[str, dict[str, Any]]:
    """The text of the function that writes `record`, and what it refers to."""
    src = _Source(version)
    items, _ = whole_layout(record, version)
    _check_absent(record, items, src)
    local: dict[int, str] = {}
    of_field: dict[str, str] = {}
    for n, item in enumerate(items):
        if item.kind not in _FIXED and item.kind != "align":
            local[n] = f"v{n}"
            src.add(f"v{n} = {_write_variable(item, src, codec)}")
            for name in item.names[:1]:
                of_field[name] = f"len(v{n})"
            if item.kind == "trailer":
                src.add(
                    f"w{n} = {src.name(PADDING, 'PAD')}[-({_length_of(items[:n], local, version)}) % 8] + v{n} if v{n} else b''"
                )
                local[n] = f"w{n}"
            if item.kind == "nxm":
                local[n] = f"w{n}"
                src.add(f"w{n} = v{n} + {src.name(PADDING, 'PAD')}[-len(v{n}) % 8]")
    total = _alignments(items, local, src)
    parts: list[str] = []
    run: list[Item] = []
    arguments: list[str] = []

    def close() -> None:
        if run:
            packer = src.name(Struct(">" + "".join(_format(item, version) for item in run)).pack, "pack")
            parts.append(f"{packer}({', '.join(arguments)})")
            run.clear()
            arguments.clear()

    for n, item in enumerate(items):
        if item.kind in _FIXED:
            run.append(item)
            if item.kind != "pad":
                arguments.append(_argument(item, total, of_field, src))
        elif _is_struct(item, version):
            run.append(Item("blob", size=_MATCH_SIZES[version]))
            arguments.append(local[n])
        elif n in local:
            close()
            parts.append(local[n])
    close()
    whole = " + ".join(parts) if parts else repr(b"")
    home = HOMES.get(record)
    if home is None or home.inside or home in (MESSAGES, REQUESTS, REPLIES):
        src.add(f"return {whole}")
    else:
        src.add(f"return {src.name(padded, 'padded')}({whole})")
    return src.function("encode(m, xid=0)"), src.scope


def _length_of(items: list[Item], local: dict[int, str], version: int) -> str:
    known = sum(width(item, version) for item in items if item.kind in _FIXED)
    return " + ".join([str(known), *(f"len({local[n]})" for n in range(len(items)) if n in local)])


def _alignments(items: list[Item], local: dict[int, str], src: _Source) -> str:
    """Makes the locals that pad; returns the expression of the whole length."""
    known = 0
    variable: list[str] = []
    for n, item in enumerate(items):
        if item.kind in _FIXED:
            known += width(item, src.version)
        elif _is_struct(item, src.version):
            known += _MATCH_SIZES[src.version]
        elif item.kind == "align":
            before = " + ".join([str(known), *(f"len({v})" for v in variable)])
            if not variable:
                if known % 8:
                    src.add(f"p{n} = {bytes(-known % 8)!r}")
                    local[n] = f"p{n}"
                    known += -known % 8
                continue
            src.add(f"p{n} = {src.name(PADDING, 'PAD')}[-({before}) % 8]")
            local[n] = f"p{n}"
            variable.append(local[n])
        else:
            variable.append(local[n])
    return " + ".join([str(known), *(f"len({v})" for v in variable)])


def _argument(item: Item, total: str, of_field: dict[str, str], src: _Source) -> str:
    field = f"m.{item.names[0]}" if item.names else ""
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
            return f"{src.name(write_ofs_nbits, 'ofs_nbits')}({field}, m.{item.names[1]})"
    return field


def _check_absent(record: type[Record], items: list[Item], src: _Source) -> None:
    """A value for a field that the version has not must not be dropped without a word."""
    present = {name for item in items for name in item.names}
    for name, default in zip(record.__struct_fields__, defaults(record), strict=True):
        if name in present or default is msgspec.NODEFAULT:
            continue
        test = f"m.{name}" if default in (0, (), b"", None, {}, "") else f"m.{name} != {default!r}"
        if default is None:
            test = f"m.{name} is not None"
        src.add(f"if {test}: {src.name(absent, 'absent')}({record.__name__!r}, {name!r}, {src.version})")


def absent(record: str, name: str, version: int) -> None:
    raise EncodeError(f"{record}.{name}: OpenFlow {VERSION_NAMES[version]} has no such field")


def exact_only(name: str, version: int) -> None:
    raise EncodeError(f"{name}: OpenFlow {VERSION_NAMES[version]} sets fields as a whole, without a mask")


def masked(name: str) -> None:
    raise ProtocolError(f"{name} is to be set with a mask", "OFPBAC_BAD_SET_MASK")


def defaults(record: type[Record]) -> list[Any]:
    """The default of each field; `{}` for a factory of an empty dict, NODEFAULT where there is none."""
    given = record.__struct_defaults__
    missing = len(record.__struct_fields__) - len(given)
    made = [d.factory() if type(d).__name__ == "Factory" else d for d in given]
    return [msgspec.NODEFAULT] * missing + made


def _write_variable(item: Item, src: _Source, codec: Any) -> str:
    field = f"m.{item.names[0]}"
    version = src.version
    match item.kind:
        case "data":
            return field
        case "match":
            return _write_match(field, src, codec)
        case "in_port_match":
            both = f"{src.name(with_in_port, 'with_in_port')}({field}, m.{item.names[1]})"
            return f"{src.name(codec.encode_match, 'match')}({both}, {version})"
        case "nxm":
            return f"{src.name(codec.encode_nxm, 'nxm')}({field})"
        case "oxm":
            args = ", ".join(f"m.{name}" for name in item.names)
            if item.of == EXACT:
                src.add(f"if m.{item.names[2]} is not None: {src.name(exact_only, 'exact')}({field}, {version})")
            context = item.of if isinstance(item.of, int) else version
            return f"{src.name(codec.encode_oxm, 'oxm')}({args}, {context})"
        case "oxm_id":
            return f"{src.name(codec.encode_oxm_id, 'oxm_id')}({field}, {version})"
        case "nxm_id":
            return f"{src.name(codec.encode_nxm_id, 'nxm_id')}({field})"
        case "oxm_ids":
            return f"{src.name(codec.encode_oxm_ids, 'oxm_ids')}({field}, {version})"
        case "stats":
            return f"{src.name(codec.encode_stats, 'stats')}({field})"
        case "counters":
            others = "".join(f", {name}=m.{name}" for name in item.names[1:])
            both = f"{src.name(with_counters, 'with_counters')}({field}{others})"
            return f"{src.name(codec.encode_stats, 'stats')}({both})"
        case "one":
            return f"{src.name(codec.encoders_of(item.of, version)[item.of], 'one')}({field})"
        case "many" | "trailer":
            return _write_many(field, item.of, src, codec)
        case "instructions":
            listed = _write_many(field, codec.instruction_family, src, codec)
            encoders = src.name(codec.encoders_of(codec.instruction_family, version), "encoders")
            apply = src.name(codec.apply_actions, "apply")
            # What writes that record looks at its actions alone, and those are here under the same name.
            same = codec.apply_actions.__struct_fields__ == item.names[1:]
            given = "m" if same else f"{apply}(m.{item.names[1]})"
            return f"{encoders}[{apply}]({given}) + {listed} if m.{item.names[1]} else {listed}"
        case "nested":
            encode = src.name(codec.encode_nested, "nested")
            return f"{encode}({field}, xid if m.{item.names[1]} is None else m.{item.names[1]}, {version})"
        case "custom":
            return f"{src.name(item.of.encode, 'custom')}({field}, {version})"
    raise AssertionError(item.kind)


def _write_match(field: str, src: _Source, codec: Any) -> str:
    """Most matches are of a shape that has a plan, and take it."""
    encode, plans = src.name(codec.encode_match, "match"), src.name(codec.match_plans(src.version), "plans")
    match = src.local(field)
    result = src.local("None")
    src.add(f"try: {result} = {plans}[tuple({match})](*{match}.values())")
    src.add("except Exception: pass")  # there is none, or it cannot take these values
    src.add(f"if {result} is None: {result} = {encode}({match}, {src.version})")
    return result


def _write_many(field: str, of: Any, src: _Source, codec: Any) -> str:
    """There is often one."""
    encoders = src.name(codec.encoders_of(of, src.version), "encoders")
    members = src.local(field)
    result = src.local("b''")
    src.add(f"if len({members}) == 1:")
    src.add(f"    i, = {members}")
    src.add(f"    {result} = {encoders}[i.__class__](i)")
    src.add(f"elif {members}: {result} = b''.join([{encoders}[i.__class__](i) for i in {members}])")
    return result


def write_text(value: str, size: int) -> bytes:
    octets = value.encode("utf-8", "surrogateescape")
    if len(octets) > size:
        raise EncodeError(f"{value!r} has {len(octets)} octets, and {size} is the most")
    return octets


def write_blob(value: bytes, size: int) -> bytes:
    if len(value) != size:
        raise EncodeError(f"{len(value)} octets where {size} are wanted")
    return value


def with_in_port(match: Any, in_port: int) -> Any:
    return {"in_port": in_port, **match} if in_port and "in_port" not in match else match


def with_counters(stats: Any, *, duration_sec: int = 0, duration_nsec: int = 0, **numbers: int) -> Any:
    more: dict[str, Any] = {name: value for name, value in numbers.items() if value and name not in stats}
    if (duration_sec or duration_nsec) and "duration" not in stats:
        more = {"duration": (duration_sec, duration_nsec), **more}
    return {**stats, **more} if more else stats


def write_ofs_nbits(ofs: int, n_bits: int) -> int:
    if not (0 <= ofs < 1024 and 1 <= n_bits <= 64):
        raise EncodeError(f"{n_bits} bits from {ofs} on: 1 to 64 bits within the first 1,024 can be said")
    return ofs << 6 | n_bits - 1


# -- reading -------------------------------------------------------------------------------------------------------


def decoder_source(record: type[Record], version: int, codec: Any) -> tuple[str, dict[str, Any]]:
    """The text of the function that reads `record`, and what it refers to."""
    src = _Source(version)
    items, head = whole_layout(record, version)
    home = HOMES.get(record)
    what = src.name(f"{record.__name__} of OpenFlow {VERSION_NAMES[version]}", "what")
    wrong = src.name(home.bad_length if home else "OFPBRC_BAD_LEN", "wrong")
    short = src.name(too_short, "short")
    if any(item.kind in ("align", "length", "nested", "trailer") for item in items):
        src.add("start = o")
    values: dict[str, str] = {}
    sizes: set[str] = set()
    run: list[Item] = []

    def close() -> None:
        if not run:
            return
        octets = sum(width(item, version) for item in run)
        src.add(f"if e - o < {octets}: {short}(b, o, e, {octets}, {what}, {wrong})")
        targets: list[str] = []
        after: list[str] = []
        form = ""
        for item in run:
            if item.kind in ("const", "total", "xid"):
                form += f"{item.size}x"
                continue
            form += _format(item, version)
            if item.kind == "pad":
                continue
            targets.append(_target(item, values, sizes, after, src))
        if targets:
            unpack = src.name(Struct(">" + form).unpack_from, "unpack")
            src.add(f"{', '.join(targets)}, = {unpack}(b, o)")
        for line in after:
            src.add(line)
        if any(item.kind == "length" for item in run):
            src.add("if n < o - start + %d or start + n > e: %s(b, o, e, n, %s, %s)" % (octets, short, what, wrong))
            src.add("e = start + n")
        src.add(f"o += {octets}")
        run.clear()

    for n, item in enumerate(items):
        if item.kind in _FIXED:
            run.append(item)
            continue
        close()
        if item.kind == "align":
            if n == len(items) - 1 and home is not None and home.inside:
                src.add("if 0 < e - o < 8: o = e")
            else:
                src.add("o += -(o - start) % 8")
            continue
        _read_variable(item, n, values, sizes, src, codec, f"{short}(b, o, e, %s, {what}, {wrong})")
    close()
    fields = []
    for name, default in zip(record.__struct_fields__, defaults(record), strict=True):
        assert name in values or default is not msgspec.NODEFAULT, (record, name, version)
        fields.append(values.get(name) or repr(default))
    build = f"{src.name(record, 'record')}({', '.join(fields)})"
    if home is None:
        if any(item.kind == "length" for item in items):
            src.add(f"if o > e or e - o > 7: {short}(b, o, e, 0, {what}, {wrong})")
            src.add(f"return {build}, e")
        else:
            src.add(f"return {build}, o")
    else:
        src.add(f"if o != e: {short}(b, o, e, 0, {what}, {wrong})")
        src.add(f"return {build}")
    return src.function("decode(b, o, e)"), src.scope


def _target(item: Item, values: dict[str, str], sizes: set[str], after: list[str], src: _Source) -> str:
    if item.kind == "length":
        return "n"
    if item.kind == "size":
        sizes.add(item.of)
        return f"z_{item.of}"
    if item.kind == "count":
        sizes.add(item.of[0])
        after.append(f"z_{item.of[0]} *= {item.of[1]}")
        return f"z_{item.of[0]}"
    local = f"f_{item.names[0]}"
    values[item.names[0]] = local
    if item.kind == "mac":
        values[item.names[0]] = f"int.from_bytes({local}, 'big')"
    elif item.kind == "text":
        values[item.names[0]] = f"{local}.rstrip(b'\\0').decode('utf-8', 'surrogateescape')"
    elif item.kind == "port16" or (item.kind == "port" and src.version == V10):
        after.append(f"if {local} >= 0xff00: {local} = {src.name(long_port, 'long')}({local})")
    elif item.kind == "ofs_nbits":
        values[item.names[0]] = f"{local} >> 6"
        values[item.names[1]] = f"({local} & 63) + 1"
    return local


def _read_variable(
    item: Item, n: int, values: dict[str, str], sizes: set[str], src: _Source, codec: Any, short: str
) -> None:
    name = item.names[0]
    local = f"f_{name}"
    values[name] = local
    version = src.version
    end = "e"
    if name in sizes:
        end = f"x{n}"
        src.add(f"x{n} = o + z_{name}")
        src.add(f"if x{n} > e: {short % f'z_{name}'}")
    match item.kind:
        case "data":
            src.add(f"{local} = b[o:{end}]")
        case "match":
            src.add(f"{local}, o = {src.name(codec.decode_match, 'match')}(b, o, e, {version})")
            return
        case "in_port_match":
            src.add(f"{local}, o = {src.name(codec.decode_match, 'match')}(b, o, e, {version})")
            values[item.names[1]] = f"{local}.get('in_port', 0)"
            return
        case "nxm":
            src.add(f"{local} = {src.name(codec.decode_nxm, 'nxm')}(b, o, {end})")
            src.add(f"o = {end} + -(({end} - o)) % 8")
            src.add(f"if o > e: {short % '8'}")
            return
        case "oxm":
            for other in item.names[1:]:
                values[other] = f"f_{other}"
            targets = ", ".join(f"f_{other}" for other in item.names)
            context = item.of if isinstance(item.of, int) else version
            src.add(f"{targets}, o = {src.name(codec.decode_oxm, 'oxm')}(b, o, e, {context})")
            if item.of == EXACT:
                src.add(f"if f_{item.names[2]} is not None: {src.name(masked, 'masked')}({local})")
            return
        case "oxm_id":
            src.add(f"{local}, _, o = {src.name(codec.decode_oxm_id, 'oxm_id')}(b, o, e, {version})")
            return
        case "nxm_id":
            src.add(f"{local}, _, o = {src.name(codec.decode_nxm_id, 'nxm_id')}(b, o, e)")
            return
        case "oxm_ids":
            src.add(f"{local} = {src.name(codec.decode_oxm_ids, 'oxm_ids')}(b, o, {end}, {version})")
        case "stats":
            src.add(f"{local}, o = {src.name(codec.decode_stats, 'stats')}(b, o, e)")
            return
        case "counters":
            src.add(f"{local}, o = {src.name(codec.decode_stats, 'stats')}(b, o, e)")
            for other in item.names[1:]:
                values[other] = f"{local}.get({other!r}, 0)"
            if "duration_sec" in item.names:
                src.add(f"f_duration_sec, f_duration_nsec = {local}.get('duration', (0, 0))")
                values |= {"duration_sec": "f_duration_sec", "duration_nsec": "f_duration_nsec"}
            return
        case "one":
            src.add(f"{local}, o = {src.name(codec.reader_of_one(item.of, version), 'one')}(b, o, e)")
            return
        case "many":
            src.add(f"{local} = {src.name(codec.reader_of_many(item.of, version), 'many')}(b, o, {end})")
        case "instructions":
            reader = codec.reader_of_many(codec.instruction_family, version)
            src.add(f"{local} = {src.name(reader, 'many')}(b, o, {end})")
        case "trailer":
            reader = src.name(codec.reader_of_many(item.of, version), "many")
            src.add(f"{local} = {reader}(b, o + -(o - start) % 8, e) if o < e else ()")
        case "nested":
            values[item.names[1]] = f"f_{item.names[1]}"
            decode = src.name(codec.decode_nested, "nested")
            src.add(f"{local}, f_{item.names[1]}, o = {decode}(b, o, e, {version}, start)")
            return
        case "custom":
            src.add(f"{local}, o = {src.name(item.of.decode, 'custom')}(b, o, {end}, {version})")
            return
        case _:
            raise AssertionError(item.kind)
    src.add(f"o = {end}")


def too_short(data: bytes, offset: int, end: int, wanted: int, what: str, error: str) -> None:
    """Always raises."""
    if wanted:
        raise ProtocolError(f"{what}: {wanted} bytes wanted at {offset}, {max(0, end - offset)} there", error)
    raise ProtocolError(f"{what}: its parts end at {offset} and it at {end}", error)


# -- making --------------------------------------------------------------------------------------------------------


def make(source: str, scope: dict[str, Any], name: str) -> Callable[..., Any]:
    """Compiles what `encoder_source` or `decoder_source` made."""
    space = dict(scope)
    exec(compile(source, f"<{name}>", "exec"), space)
    made: Callable[..., Any] = space["encode" if source.startswith("def encode") else "decode"]
    made.__qualname__ = name
    return made

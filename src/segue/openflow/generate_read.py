"""The function that reads a record, as source text: `decode(b, o, e)`.

Every length is checked against `e` before it is believed.
"""

from struct import Struct
from typing import Any

import msgspec

from segue.openflow import match
from segue.openflow.declare import EXACT, HOMES, Item, Record
from segue.openflow.generate import FIXED, Source, defaults, format_of, whole_layout, width
from segue.openflow.wire import V10, VERSION_NAMES, ProtocolError, long_port


def decoder_source(record: type[Record], version: int, codec: Any) -> tuple[str, dict[str, Any]]:
    """The text of the function that reads `record`, and what it refers to."""
    src = Source(version)
    items, _ = whole_layout(record, version)
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
            form += format_of(item, version)
            if item.kind == "pad":
                continue
            targets.append(_target(item, values, sizes, after, src))
        if targets:
            unpack = src.name(Struct(">" + form).unpack_from, "unpack")
            src.add(f"{', '.join(targets)}, = {unpack}(b, o)")
        for line in after:
            src.add(line)
        if any(item.kind == "length" for item in run):
            src.add(f"if n < o - start + {octets} or start + n > e: {short}(b, o, e, n, {what}, {wrong})")
            src.add("e = start + n")
        src.add(f"o += {octets}")
        run.clear()

    for n, item in enumerate(items):
        if item.kind in FIXED:
            run.append(item)
            continue
        close()
        if item.kind == "align":
            if n == len(items) - 1 and home is not None and home.inside:
                src.add("if 0 < e - o < 8: o = e")
            else:
                src.add("o += -(o - start) % 8")
            continue
        read_variable(item, n, values, sizes, src, codec, f"{short}(b, o, e, %s, {what}, {wrong})")
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


def _target(item: Item, values: dict[str, str], sizes: set[str], after: list[str], src: Source) -> str:
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


def read_variable(
    item: Item, n: int, values: dict[str, str], sizes: set[str], src: Source, codec: Any, short: str
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
            port = values[item.names[1]] = f"f_{item.names[1]}"
            src.add(f"h, {port} = {src.name(match.PEEK, 'peek')}(b, o) if e - o >= 16 else (0, 0)")
            src.add(f"if h == {match.PORT_ALONE:#x}:")
            src.add(f"    {local} = {{'in_port': {port}}}")
            src.add("    o += 16")
            src.add("else:")
            src.add(f"    {local}, o = {src.name(codec.decode_match, 'match')}(b, o, e, {version})")
            src.add(f"    {port} = {local}.get('in_port', 0)")
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


def too_short(_data: bytes, offset: int, end: int, wanted: int, what: str, error: str) -> None:
    """Always raises."""
    if wanted:
        raise ProtocolError(f"{what}: {wanted} bytes wanted at {offset}, {max(0, end - offset)} there", error)
    raise ProtocolError(f"{what}: its parts end at {offset} and it at {end}", error)


def masked(name: str) -> None:
    raise ProtocolError(f"{name} is to be set with a mask", "OFPBAC_BAD_SET_MASK")

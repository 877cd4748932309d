"""The function that writes a record, as source text: `encode(m, xid=0) -> bytes`.

Everything of variable size is written first, so that all lengths are known when the fixed part is packed. Ranges are
left to `struct`; what it refuses is explained afterwards, by `codec.explain`, as that costs nothing until then.
"""

from struct import Struct
from typing import Any

from segue.openflow import generate_shape
from segue.openflow.declare import EXACT, HOMES, MESSAGES, REPLIES, REQUESTS, Item, Record
from segue.openflow.generate import (
    FIXED,
    MATCH_SIZES,
    Source,
    absent_tests,
    argument,
    format_of,
    is_struct,
    whole_layout,
    width,
)
from segue.openflow.wire import PADDING, VERSION_NAMES, EncodeError, padded


def encoder_source(record: type[Record], version: int, codec: Any) -> tuple[str, dict[str, Any]]:
    """The text of the function that writes `record`, and what it refers to."""
    src = Source(version)
    items, _ = whole_layout(record, version)
    generate_shape.add(record, items, src, codec)
    _check_absent(record, items, src)
    local: dict[int, str] = {}
    of_field: dict[str, str] = {}
    for n, item in enumerate(items):
        if item.kind not in FIXED and item.kind != "align":
            local[n] = f"v{n}"
            src.add(f"v{n} = {write_variable(item, src, codec)}")
            for name in item.names[:1]:
                of_field[name] = f"len(v{n})"
            if item.kind == "trailer":
                pad = f"{src.name(PADDING, 'PAD')}[-({_length_of(items[:n], local, version)}) % 8]"
                src.add(f"w{n} = {pad} + v{n} if v{n} else b''")
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
            packer = src.name(Struct(">" + "".join(format_of(item, version) for item in run)).pack, "pack")
            parts.append(f"{packer}({', '.join(arguments)})")
            run.clear()
            arguments.clear()

    for n, item in enumerate(items):
        if item.kind in FIXED:
            run.append(item)
            if item.kind != "pad":
                arguments.append(argument(item, total, of_field, src))
        elif is_struct(item, version):
            run.append(Item("blob", size=MATCH_SIZES[version]))
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
    known = sum(width(item, version) for item in items if item.kind in FIXED)
    return " + ".join([str(known), *(f"len({local[n]})" for n in range(len(items)) if n in local)])


def _alignments(items: list[Item], local: dict[int, str], src: Source) -> str:
    """Makes the locals that pad; returns the expression of the whole length."""
    known = 0
    variable: list[str] = []
    for n, item in enumerate(items):
        if item.kind in FIXED:
            known += width(item, src.version)
        elif is_struct(item, src.version):
            known += MATCH_SIZES[src.version]
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


def _check_absent(record: type[Record], items: list[Item], src: Source) -> None:
    """A value for a field that the version has not must not be dropped without a word."""
    for name, test in absent_tests(record, items, "m"):
        src.add(f"if {test}: {src.name(absent, 'absent')}({record.__name__!r}, {name!r}, {src.version})")


def absent(record: str, name: str, version: int) -> None:
    raise EncodeError(f"{record}.{name}: OpenFlow {VERSION_NAMES[version]} has no such field")


def exact_only(name: str, version: int) -> None:
    raise EncodeError(f"{name}: OpenFlow {VERSION_NAMES[version]} sets fields as a whole, without a mask")


def write_variable(item: Item, src: Source, codec: Any) -> str:
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


def _write_match(field: str, src: Source, codec: Any) -> str:
    """Most matches are of a shape that has a plan, and take it."""
    encode, plans = src.name(codec.encode_match, "match"), src.name(codec.match_plans(src.version), "plans")
    match = src.local(field)
    result = src.local("None")
    src.add(f"try: {result} = {plans}[tuple({match})](*{match}.values())")
    src.add("except Exception: pass")  # there is none, or it cannot take these values
    src.add(f"if {result} is None: {result} = {encode}({match}, {src.version})")
    return result


def _write_many(field: str, of: Any, src: Source, codec: Any) -> str:
    """There is often one."""
    encoders = src.name(codec.encoders_of(of, src.version), "encoders")
    members = src.local(field)
    result = src.local("b''")
    src.add(f"if len({members}) == 1:")
    src.add(f"    i, = {members}")
    src.add(f"    {result} = {encoders}[i.__class__](i)")
    src.add(f"elif {members}: {result} = b''.join([{encoders}[i.__class__](i) for i in {members}])")
    return result


def with_in_port(match: Any, in_port: int) -> Any:
    return {"in_port": in_port, **match} if in_port and "in_port" not in match else match


def with_counters(stats: Any, *, duration_sec: int = 0, duration_nsec: int = 0, **numbers: int) -> Any:
    more: dict[str, Any] = {name: value for name, value in numbers.items() if value and name not in stats}
    if (duration_sec or duration_nsec) and "duration" not in stats:
        more = {"duration": (duration_sec, duration_nsec), **more}
    return {**stats, **more} if more else stats

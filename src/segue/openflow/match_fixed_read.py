"""Readers of struct matches of one kind: the fields that have a meaning are known, and one `Struct` takes them out.

As for writing (`match_plan`), the reader is compiled from expressions of this package's own making: members of the
layouts, names of the table of fields, and numbers; never from text that somebody sent. It gives None for a struct that
it cannot say, which then goes the long way.
"""

from collections.abc import Callable, Mapping, Sequence
from struct import Struct
from typing import Any, Final

from segue.openflow.fields import FIELDS, Field

Reader = Callable[[bytes, int], "dict[str, int | tuple[int, int]] | None"]

NO_TAG: Final = 0xFFFF
PRESENT: Final = 0x1000
SHORT_RESERVED: Final = 0xFF00


def compile_reader(
    layout: Sequence[tuple[str, str]],
    slots: Mapping[str, Field],
    masks: Mapping[str, int],
    named: Mapping[str, str],
    *,
    short_ports: bool,
) -> Reader:
    """The reader of structs of `layout` (members and their formats, padding behind them) that match on `masks`, each
    under its name in `named`. What else is in a slot must be 0."""
    form = ""
    targets: list[str] = []
    conditions: list[str] = []
    entries: list[str] = []
    blank = 0

    def close() -> None:
        nonlocal form, blank
        if blank:
            form += f"{blank}s"
            targets.append(f"b_{len(targets)}")
            conditions.append(f"{targets[-1]} == {bytes(blank)!r}")
            blank = 0

    for member, code in layout:
        size = Struct(">" + code).size
        if member not in slots:
            close()
            form += f"{size}x"
            continue
        if member not in masks:
            blank += size
            continue
        close()
        name, slot, mask = named[member], slots[member], masks[member]
        value = f"v_{member}"
        form += code.replace("6s", "HI")
        targets.append(f"{value}_h, {value}" if code == "6s" else value)
        if code == "6s":
            value = f"({value}_h << 32 | {value})"
        if mask != slot.limit:
            conditions.append(f"not {value} & {slot.limit ^ mask}")
            entries.append(f"{name!r}: ({value}, {mask})")
            continue
        if member == "in_port" and short_ports:
            value = f"{value} if {value} < {SHORT_RESERVED} else {value} | 0xffff0000"
        elif name == "vlan_vid":
            conditions.append(f"({value} < {PRESENT} or {value} == {NO_TAG})")
            value = f"{value} | {PRESENT} if {value} < {PRESENT} else 0"
        elif name == "ip_dscp":
            conditions.append(f"not {value} & 3")
            value = f"{value} >> 2"
        else:
            limit = min(slot.limit, FIELDS[name].limit if name in FIELDS else slot.limit)
            if limit < (1 << 8 * slot.size) - 1:
                conditions.append(f"{value} <= {limit}")
        entries.append(f"{name!r}: {value}")
    close()
    lines = ["def read(data, offset):"]
    lines.append(f"    {', '.join(targets)}, = unpack(data, offset)")
    if conditions:
        lines.append(f"    if not ({' and '.join(conditions)}): return None")
    lines.append(f"    return {{{', '.join(entries)}}}")
    scope: dict[str, Any] = {"unpack": Struct(">" + form).unpack_from}
    exec("\n".join(lines), scope)
    made: Reader = scope["read"]
    return made

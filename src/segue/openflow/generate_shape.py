"""Messages that are written whole: one `Struct` for all of a message of some shape.

A controller says thousands of times a second the same with other numbers: a flow modification with a match on these
fields and one action of that class. Where all that varies in size of a record is a match and a list of records, one
function is made for each shape that comes up, which are the names of the match in their order and the class of the
list's only member. It packs header, match, list and all in one call, with constants run together.

Whatever it is not made for (another number of members, values that do not fit, a field that the version does not have
and that has a value) it leaves to the rest of `encode`, which writes it part by part, or says what is wrong.
"""

from collections.abc import Callable, Iterable
from struct import Struct
from typing import Any, Final

from segue.openflow.declare import HOMES, Family, Item, Record
from segue.openflow.generate import FIXED, Source, absent_tests, argument, format_of, make, whole_layout, width
from segue.openflow.wire import EncodeError

MOST: Final = 64
"""Shapes of one record that are kept; somebody who goes on inventing some begins anew."""

_LENGTHS: Final = frozenset({"size", "count", "length"})  # which the few records of this kind do not have
Whole = Callable[[Any, Any, int, Any], bytes | None]


def add(record: type[Record], items: list[Item], src: Source, codec: Any) -> None:
    """Begins the function that writes `record` with the way for messages of known shapes, if it is one for it."""
    variable = [item for item in items if item.kind not in FIXED]
    lists = [item for item in variable if item.kind in ("many", "instructions")]
    if len(variable) != 2 or len(lists) != 1 or not any(item.kind == "match" for item in variable):
        return
    if lists[0].kind == "many" and not isinstance(lists[0].of, Family):
        return
    shapes = src.name(Shapes(record, items, src.version, codec), "shapes")
    match = next(item.names[0] for item in variable if item.kind == "match")
    src.add("try:")
    src.add(f"    s = m.{lists[0].names[-1]}")
    src.add(f"    if len(s) == 1{f' and not m.{lists[0].names[0]}' if lists[0].kind == 'instructions' else ''}:")
    src.add("        i, = s")
    src.add(f"        k = m.{match}")
    src.add(f"        w = {shapes}[(type(i), *k)]")
    src.add("        if w is not None:")
    src.add("            w = w(m, i, xid, k)")
    src.add("            if w is not None: return w")
    src.add("except Exception: pass")  # what is wrong is said below


class Shapes(dict[tuple[Any, ...], Whole | None]):
    """(class of the member, *names of the match) -> the function, None where there is none."""

    def __init__(self, record: type[Record], items: list[Item], version: int, codec: Any) -> None:
        super().__init__()
        self._record = record
        self._items = items
        self._version = version
        self._codec = codec

    def __missing__(self, key: tuple[Any, ...]) -> Whole | None:
        member, *names = key
        if len(self) >= MOST:
            self.clear()
        try:
            made = self._make(member, tuple(names))
        except EncodeError:
            made = None
        self[key] = made
        return made

    def _make(self, member: type[Record], names: tuple[str, ...]) -> Whole | None:
        version = self._version
        plan = self._codec.match_plan(names, version)
        listed = next(item for item in self._items if item.kind in ("many", "instructions"))
        head = _items(self._codec.apply_actions, version) if listed.kind == "instructions" else []
        family = next(item.of for item in head if item.kind == "many") if head else listed.of
        if plan is None or HOMES.get(member) is not family:
            return None
        inner = _items(member, version)
        inside = _octets(inner, version)
        if any(item.kind not in FIXED for item in inner) or any(item.kind in _LENGTHS for item in self._items):
            return None
        if inside % 8:  # it would be padded
            return None
        match = Struct(">" + plan.parts.format).size
        total = _octets(self._items, version) + match + _octets(head, version) + inside
        src = Source(version)
        for index, name in enumerate(names):
            src.add(f"v{index} = k[{src.name(name, 'key')}]")
        tests = [*absent_tests(self._record, self._items, "m"), *absent_tests(member, inner, "i")]
        conditions = [f"not ({test})" for _, test in tests] + list(plan.parts.conditions)
        if conditions:
            src.add(f"if not ({' and '.join(conditions)}): return None")
        packer = _Packer(src)
        for item in self._items:
            if item.kind == "match":
                packer.parts(plan.parts.format, plan.parts.arguments)
            elif item is listed:
                packer.items(head, "", _octets(head, version) + inside)
                packer.items(inner, "i", inside)
            else:
                packer.items([item], "m", total)
        src.add(f"return {packer.call()}")
        return make(src.function("encode(m, i, xid, k)"), src.scope, f"encode {self._record.__name__} whole")


def _items(record: type[Record], version: int) -> list[Item]:
    items, _ = whole_layout(record, version)
    return [item for item in items if item.kind != "align"]


def _octets(items: list[Item], version: int) -> int:
    return sum(width(item, version) for item in items if item.kind in FIXED)


class _Packer:
    """One call of a `Struct`; neighbouring constants become one."""

    def __init__(self, src: Source) -> None:
        self._src = src
        self._format = ">"
        self._arguments: list[str] = []
        self._constant = b""

    def items(self, items: list[Item], variable: str, total: int) -> None:
        for item in items:
            size = width(item, self._src.version)
            if item.kind == "pad":
                self._constant += bytes(size)
            elif item.kind == "const":
                self._constant += item.of.to_bytes(size, "big")
            elif item.kind == "total":
                self._constant += total.to_bytes(size, "big")
            elif item.kind != "many":
                value = argument(item, str(total), {}, self._src, variable)
                self.parts(format_of(item, self._src.version), [value])

    def parts(self, form: str, arguments: Iterable[str]) -> None:
        if self._constant:
            self._format += f"{len(self._constant)}s"
            self._arguments.append(repr(self._constant))
            self._constant = b""
        self._format += form
        self._arguments += arguments

    def call(self) -> str:
        self.parts("", ())
        return f"{self._src.name(Struct(self._format).pack, 'pack')}({', '.join(self._arguments)})"

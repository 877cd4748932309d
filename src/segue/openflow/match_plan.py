"""Encoders for one tuple of names: octets with holes, and one `Struct` that fills them.

A controller writes matches of the same few fields thousands of times a second. What does not change from one to the
next, headers, wildcards and padding, is laid out once as a template; a plan puts the values into its holes in
one call. It is compiled from expressions of this package's own making (never from names or values that
somebody sent), as the standard library does for its named tuples.
"""

from collections.abc import Sequence
from struct import Struct
from typing import Any, NamedTuple, Protocol


class Parts(NamedTuple):
    """What a plan is made of, for who writes more than the match in one call: a format without its byte order, the
    expressions that it takes, and the conditions."""

    format: str
    arguments: tuple[str, ...]
    conditions: tuple[str, ...]


class Plan(Protocol):
    """Values in the order of the names -> octets, or None where a condition does not hold. Raises struct.error or
    TypeError for values that are no plain integers, or too large."""

    parts: Parts

    def __call__(self, *values: Any) -> bytes | None: ...


# Where a value goes: offset, octets, the expression that gives it.
Hole = tuple[int, int, str]

# How a Struct takes a value of so many octets.
_PARTS = {
    1: ("B", "{0}"),
    2: ("H", "{0}"),
    3: ("BH", "({0}) >> 16, ({0}) & 0xffff"),
    4: ("I", "{0}"),
    6: ("HI", "({0}) >> 32, ({0}) & 0xffffffff"),
    8: ("Q", "{0}"),
    16: ("QQ", "({0}) >> 64, ({0}) & 0xffffffffffffffff"),
}
SIZES = frozenset(_PARTS)


def compile_plan(count: int, template: bytes, holes: Sequence[Hole], conditions: Sequence[str]) -> Plan:
    """The plan for `count` values, called v0, v1, ... in expressions and conditions."""
    formats, arguments, at = "", [], 0
    for offset, size, expression in sorted(holes):
        if offset > at:
            formats += f"{offset - at}s"
            arguments.append(repr(template[at:offset]))
        code, parts = _PARTS[size]
        formats += code
        arguments.append(parts.format(expression))
        at = offset + size
    if at < len(template):
        formats += f"{len(template) - at}s"
        arguments.append(repr(template[at:]))
    names = ", ".join(f"v{index}" for index in range(count))
    source = f"lambda {names}: pack({', '.join(arguments)})"
    if conditions:
        source += f" if {' and '.join(conditions)} else None"
    made: Any = eval(source, {"pack": Struct(">" + formats).pack})
    made.parts = Parts(formats, tuple(arguments), tuple(conditions))
    return made  # type: ignore[no-any-return]

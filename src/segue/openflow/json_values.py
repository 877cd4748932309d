"""Single values in JSON, both ways: numbers and the names that they have, bit maps, text, octets.

A number is a number, or its name in the specification; bit maps are lists of names. Numbers beyond 2**53 are written as
"0x..." text, because many readers of JSON have doubles only. Read are names with and without their prefix, and decimal
and hexadecimal text.
"""

import re
from collections.abc import Iterable
from typing import Any, Final

from segue.openflow.names import Flags, Numbers
from segue.openflow.wire import V10

_SAFE: Final = 1 << 53
_FEW: Final = 12
NUMERAL: Final = re.compile(r"0[xX][0-9a-fA-F]{1,510}|[0-9]{1,620}", re.ASCII)


class JsonError(ValueError):
    """JSON that says no message; `path` is where."""

    def __init__(self, path: str, text: str) -> None:
        super().__init__(f"{path}: {text}" if path else text)
        self.path = path


class ReservedPort(Numbers, prefix="OFPP_"):
    """Ports that stand for something (OpenFlow 1.5.1 section 7.2.1.2)."""

    UNSET = 0xFFFFFFF7
    IN_PORT = 0xFFFFFFF8
    TABLE = 0xFFFFFFF9
    NORMAL = 0xFFFFFFFA
    FLOOD = 0xFFFFFFFB
    ALL = 0xFFFFFFFC
    CONTROLLER = 0xFFFFFFFD
    LOCAL = 0xFFFFFFFE
    ANY = 0xFFFFFFFF
    NONE = 0xFFFFFFFF  # its name in OpenFlow 1.0


class ReservedPort10(Numbers, prefix="OFPP_"):
    """The same in OpenFlow 1.0.0 (section 5.2.1)."""

    IN_PORT = 0xFFFFFFF8
    TABLE = 0xFFFFFFF9
    NORMAL = 0xFFFFFFFA
    FLOOD = 0xFFFFFFFB
    ALL = 0xFFFFFFFC
    CONTROLLER = 0xFFFFFFFD
    LOCAL = 0xFFFFFFFE
    NONE = 0xFFFFFFFF
    ANY = 0xFFFFFFFF  # its name in later versions


def reserved_ports(version: int) -> type[Numbers]:
    """The version's names of ports that stand for something."""
    return ReservedPort10 if version == V10 else ReservedPort


class MultipartFlags(Flags, prefix="OFPMPF_"):
    """`flags` of multipart messages: others of the same transaction follow."""

    MORE = 1


def number_to_json(value: int, names: Any = None) -> Any:
    """A number, its name, or the names of its bits."""
    if names is not None and issubclass(names, Flags):
        return _flags_to_json(value, names)
    name = names.name_of(value) if names is not None else None
    if name is not None:
        return name
    return value if value <= _SAFE else hex(value)


def _flags_to_json(value: int, names: type[Flags]) -> list[Any]:
    found: list[Any] = []
    rest = value
    for name, mask in names.all_names().items():
        if mask and value & mask == mask and rest & mask == mask:
            found.append(name)
            rest &= ~mask
    return [*found, number_to_json(rest)] if rest else found


def text_to_json(value: str) -> Any:
    """Text, or its octets where they are not UTF-8."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return {"hex": value.encode("utf-8", "surrogateescape").hex()}
    return value


def number_from_json(value: Any, bits: int, names: Any, path: str) -> int:
    """A number, "0x..." text, a name, or a list of names and numbers for bit maps."""
    if isinstance(value, list) and names is not None and issubclass(names, Flags):
        total = 0
        for part in value:
            total |= number_from_json(part, bits, names, path)
        return total
    found: int | None = None
    if isinstance(value, int) and not isinstance(value, bool):
        found = value
    elif isinstance(value, str):
        found = names.value_of(value) if names is not None else None
        if found is None:
            if not NUMERAL.fullmatch(value):
                known = alternatives(value, names.all_names()) if names is not None else ""
                raise JsonError(path, f"{value!r:.80} is not a number{' or a name of one' if names else ''}{known}")
            found = int(value, 16 if value[:2] in ("0x", "0X") else 10)
    if found is None:
        listed = ", or a list of names" if names is not None and issubclass(names, Flags) else ""
        raise JsonError(path, f"{value!r:.80} is not a number{listed}")
    if not 0 <= found < 1 << bits:
        raise JsonError(path, f"{value!r:.80} is not within 0..{(1 << bits) - 1}")
    return found


def octets_from_json(value: Any, path: str) -> bytes:
    if isinstance(value, str):
        try:
            return bytes.fromhex(value)
        except ValueError:
            pass
    raise JsonError(path, f"{value!r:.60} is not hexadecimal octets")


def alternatives(wrong: Any, known: Iterable[str]) -> str:
    """What may have been meant; everything that there is, where nothing is near and it is not too much."""
    names = sorted(known)
    if len(names) > _FEW:
        near = nearest(wrong, names)
        if near:
            return f"; did you mean {' or '.join(near)}?"
    return f"; there are {', '.join(names)}" if names else ""


def nearest(wrong: Any, known: Iterable[str]) -> list[str]:
    """What is spelled much as `wrong` is, the nearest first."""
    from difflib import get_close_matches  # it costs time to import, and errors are rare

    return get_close_matches(wrong[:80], list(known), n=3, cutoff=0.6) if isinstance(wrong, str) else []

"""Checks of single values, and their conversion to what is kept. Texts are Neutron's where clients may know them.

A converter takes whatever JSON can give: text of any length, integers of any size, numbers that are none, lists and
objects in one another. It returns what is kept, which can always be stored and sent (proper Unicode, integers of 64
bits, finite numbers), or raises ``Rejected`` with the reason; a ``Fault`` of type ``InvalidInput`` where Neutron's own
conversion raises that. The factories (``text``, ``integer``, ...) make converters.
"""

from __future__ import annotations

import ipaddress
import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from segue.neutron.errors import Fault, plain
from segue.neutron.schema import NULL, Schema, either, kept, keyed, listed, says, taken
from segue.neutron.shape import Rejected
from segue.packet.addresses import format_mac, parse_mac

Converter = Callable[[Any], Any]

NAME_LENGTH = 255
MAX_INTEGER = 2**31 - 1
MAX_ITEMS = 10_000
MAX_NOTED = 100
"""Of a list that is only written down, or part of one object. A project has hundreds of objects, and all are held."""
MAX_TAGS = 500
_METADATA_SIZE = 4096
_METADATA_DEPTH = 8

_TRUE = {"1", "t", "true", "on", "y", "yes"}
_FALSE = {"0", "f", "false", "off", "n", "no"}
_INTEGER = re.compile(r"\s*[+-]?[0-9]{1,40}\s*\Z", re.ASCII)
_HEX32 = re.compile(r"[0-9a-f]{32}\Z")

_UUID: Schema = {"type": "string", "format": "uuid"}
_DIGITS: Schema = {"type": "string", "pattern": r"^\s*[+-]?[0-9]{1,40}\s*$"}
_WORDS = [form for word in sorted(_TRUE | _FALSE) for form in dict.fromkeys((word, word.capitalize(), word.upper()))]


def told(value: object) -> str:
    """A value between single quotes, as Neutron's texts have it, bounded, and always proper Unicode."""
    return f"'{plain(value)}'"


def invalid(reason: str) -> Fault:
    """What Neutron raises when a conversion fails."""
    return Fault(400, "InvalidInput", f"Invalid input for operation: {reason}.")


def proper(value: str) -> bool:
    """Whether it can be written as UTF-8: half of a surrogate pair cannot."""
    return not any("\ud800" <= character <= "\udfff" for character in value) if not value.isascii() else True


# Text.


def text(limit: int = NAME_LENGTH) -> Converter:
    """A text of at most ``limit`` characters. Null is refused."""

    @says({"type": "string", "maxLength": limit})
    def convert(value: Any) -> str:
        if not isinstance(value, str):
            raise Rejected(f"{told(value)} is not a valid string")
        if len(value) > limit:
            raise Rejected(f"{told(value)} exceeds maximum length of {limit}")
        if not proper(value):
            raise Rejected(f"{told(value)} is not proper Unicode")
        return value

    return convert


def nullable(convert: Converter, default: Any = None) -> Converter:
    """The same, and null stands for ``default`` (called, if it can be, for a new one)."""

    @says(either(taken(convert), NULL), kept(convert) if default is not None else either(kept(convert), NULL))
    def checked(value: Any) -> Any:
        if value is None:
            return default() if callable(default) else default
        return convert(value)

    return checked


def one_of(*values: str | int | None) -> Converter:
    """One of these, of the same type."""
    display = ", ".join(repr(value) for value in values)

    @says({"enum": list(values)})
    def convert(value: Any) -> Any:
        if not isinstance(value, str | int | None) or isinstance(value, bool) or value not in values:
            raise Rejected(f"{told(value)} is not one of [{display}]")
        return value

    return convert


def refused(reason: str, *harmless: Any) -> Converter:
    """What Segue cannot do. The values that ask for nothing (``harmless``, and null) are let pass."""

    @says({"enum": [None, *harmless]})
    def convert(value: Any) -> Any:
        if value is None or any(type(value) is type(item) and value == item for item in harmless):
            return value
        raise Rejected(f"{told(value)} is not possible: {reason}")

    return convert


def choice(only: str, reason: str) -> Converter:
    """The one value there is; null stands for it."""

    @says({"enum": [only, None]}, {"const": only})
    def convert(value: Any) -> str:
        if value is not None and value != only:
            raise Rejected(f"{told(value)} is not possible: {reason}")
        return only

    return convert


# Numbers.


@says(either({"type": "boolean"}, {"enum": [0, 1, *_WORDS]}), {"type": "boolean"})
def boolean(value: Any) -> bool:
    """True and false, and the words and numbers that stand for them: "true", "No", "1", 0."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int) and value in (0, 1):
        return value == 1
    if isinstance(value, str) and len(value) <= 40:
        word = value.strip().lower()
        if word in _TRUE:
            return True
        if word in _FALSE:
            return False
    raise invalid(f"{told(value)} cannot be converted to boolean")


def _always(fixed: bool, reason: str) -> Converter:
    @says(either(taken(boolean), NULL), {"const": fixed})
    def convert(value: Any) -> bool:
        if value is not None and boolean(value) is not fixed:
            raise Rejected(f"{told(value)} is not possible: {reason}")
        return fixed

    return convert


def off(reason: str) -> Converter:
    """A flag that cannot be set."""
    return _always(False, reason)


def on(reason: str) -> Converter:
    """A flag that cannot be cleared."""
    return _always(True, reason)


def whole(value: Any) -> int | None:
    """An integer from a number without a fraction, or from text of digits; None if it is neither."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return int(value) if math.isfinite(value) and value.is_integer() else None
    if isinstance(value, str) and _INTEGER.match(value):
        return int(value)
    return None


def integer(low: int = 0, high: int = MAX_INTEGER) -> Converter:
    """An integer from ``low`` to ``high``, inclusive."""

    number: Schema = {"type": "integer", "minimum": low, "maximum": high}

    @says(either(number, _DIGITS), number)
    def convert(value: Any) -> int:
        number = whole(value)
        if number is None:
            raise invalid(f"{told(value)} is not an integer")
        if number < low:
            raise Rejected(f"{told(value)} is too small - must be at least '{low}'")
        if number > high:
            raise Rejected(f"{told(value)} is too large - must be no larger than '{high}'")
        return number

    return convert


@says(_DIGITS, {"type": "integer"})
def any_integer(value: str) -> int:
    """The integer of a filter's text, of any size."""
    number = whole(value)
    if number is None:
        raise invalid(f"{told(value)} is not an integer")
    return number


@says(either({"enum": [4, 6]}, _DIGITS), {"enum": [4, 6]})
def ip_version(value: Any) -> int:
    number = whole(value)
    if number not in (4, 6):
        raise Rejected(f"{told(value)} is not one of [4, 6]")
    return number


mtu = integer(68, 65535)
"""RFC 791: every network carries 68 bytes."""


# Identities and addresses.


def uuid_text(value: Any) -> str | None:
    """The canonical form of a UUID's text (RFC 9562 section 4), which may lack hyphens or have capitals; or None."""
    if not isinstance(value, str) or len(value) > 50:
        return None
    digits = value.lower().removeprefix("urn:").removeprefix("uuid:").strip("{}").replace("-", "")
    if not _HEX32.match(digits):
        return None
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


@says(_UUID)
def uuid(value: Any) -> str:
    identity = uuid_text(value)
    if identity is None:
        raise Rejected(f"{told(value)} is not a valid UUID")
    return identity


@says(
    {"type": "string", "pattern": "^[0-9A-Fa-f]{2}([:-][0-9A-Fa-f]{2}){5}$"},
    {"type": "string", "pattern": "^[0-9a-f]{2}(:[0-9a-f]{2}){5}$"},
)
def mac(value: Any) -> str:
    """A unicast Ethernet address, in lower case with colons."""
    try:
        number = parse_mac(value.replace("-", ":")) if isinstance(value, str) and len(value) == 17 else 0
    except ValueError:
        number = 0
    if number == 0 or number >> 40 & 1:
        raise Rejected(f"{told(value)} is not a valid MAC address")
    return format_mac(number)


@says({"type": "string"})
def mac_query(value: str) -> str:
    """A filter's text as addresses are kept; what is none finds nothing."""
    return value.lower().replace("-", ":")


@says({"type": "string", "minLength": 2, "maxLength": 45, "pattern": "^[0-9A-Fa-f:.]+$"})
def address(value: Any) -> str:
    """An IP address in its shortest form."""
    try:
        if not isinstance(value, str) or len(value) > 45 or "%" in value:
            raise ValueError
        return str(ipaddress.ip_address(value))
    except ValueError:
        raise Rejected(f"{told(value)} is not a valid IP address") from None


@says({"type": "string", "minLength": 4, "maxLength": 49, "pattern": "^[0-9A-Fa-f:.]+/[0-9]{1,3}$"})
def prefix(value: Any) -> str:
    """ADDRESS/LENGTH as it was given: bits behind the length may be set, and are kept."""
    try:
        if not isinstance(value, str) or len(value) > 49 or "%" in value:
            raise ValueError
        interface = ipaddress.ip_interface(value)
    except ValueError:
        raise Rejected(f"{told(value)} is not a valid IP subnet") from None
    if "/" not in value or (interface.version == 4 and str(interface) != value):
        raise Rejected(f"{told(value)} isn't a recognized IP subnet cidr, '{interface}' is recommended")
    return value


@says(taken(prefix))
def network_prefix(value: Any) -> str:
    """ADDRESS/LENGTH of a network: bits behind the length become zero, as Neutron makes them."""
    return str(ipaddress.ip_interface(prefix(value)).network)


@says(either(taken(address), taken(prefix)))
def address_or_prefix(value: Any) -> str:
    """An address, or a prefix as it was given; for allowed address pairs."""
    return prefix(value) if isinstance(value, str) and "/" in value else address(value)


# Lists and objects.


def items(value: Any, most: int = MAX_ITEMS) -> list[Any]:
    """A list of a bounded length."""
    if not isinstance(value, list):
        raise Rejected(f"{told(value)} is not a list")
    if len(value) > most:
        raise Rejected(f"a list of {len(value)} items exceeds the maximum of {most}")
    return value


def list_of(convert: Converter, *, unique: bool = True, most: int = MAX_ITEMS) -> Converter:
    """A list whose items pass ``convert``. ``unique``: none may be there twice; items must be hashable then."""

    @says(listed(taken(convert), unique, most), listed(kept(convert), unique))
    def checked(value: Any) -> list[Any]:
        found = [convert(item) for item in items(value, most)]
        if unique and len(set(found)) < len(found):
            twice = [item for item, times in Counter(found).items() if times > 1]
            more = ", ..." if len(twice) > 3 else ""
            raise Rejected(f"Duplicate items in the list: '{', '.join(str(item)[:100] for item in twice[:3])}{more}'")
        return found

    return checked


def distinct(convert: Converter, most: int = MAX_ITEMS) -> Converter:
    """A list of objects, none twice."""

    @says(listed(taken(convert), True, most), listed(kept(convert), True))
    def checked(value: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = [convert(item) for item in items(value, most)]
        seen: set[frozenset[tuple[str, Any]]] = set()
        for item in found:
            key = frozenset(item.items())
            if key in seen:
                raise Rejected(f"Duplicate items in the list: {told(item)}")
            seen.add(key)
        return found

    return checked


def allowed_values(values: Sequence[str]) -> Converter:
    """A list drawn from ``values``."""
    known = frozenset(values)

    @says(listed({"enum": list(values)}))
    def convert(value: Any) -> list[str]:
        wrong = [item for item in items(value) if not isinstance(item, str) or item not in known]
        if wrong:
            more = ", ..." if len(wrong) > 3 else ""
            shown = ", ".join(plain(item) for item in wrong[:3])
            raise Rejected(f"Illegal values in a list: {shown}{more}; supported are {', '.join(values)}")
        return list(value)

    return convert


def dictionary(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Rejected(f"{told(value)} is not a dictionary")
    return value


def record(fields: dict[str, Converter], required: Sequence[str] = ()) -> Converter:
    """An object with these keys alone, each with its converter; what is not named is left out."""

    @says(
        keyed({name: taken(each) for name, each in fields.items()}, tuple(required)),
        keyed({name: kept(each) for name, each in fields.items()}, tuple(required)),
    )
    def convert(value: Any) -> dict[str, Any]:
        given = dictionary(value)
        unexpected(given, fields)
        missing = [name for name in required if name not in given]
        if missing:
            raise Rejected(f"Missing keys: {', '.join(missing)}")
        return {name: part(name, fields[name], item) for name, item in given.items()}

    return convert


def unexpected(given: dict[str, Any], known: dict[str, Any]) -> None:
    """Refuses keys that are not ``known``."""
    unknown = sorted(key for key in given if key not in known)
    if unknown:
        more = ", ..." if len(unknown) > 5 else ""
        shown = ", ".join(plain(key) for key in unknown[:5])
        raise Rejected(f"Unexpected keys supplied: {shown}{more}; supported are {', '.join(known)}")


def part(name: str, convert: Converter, value: Any) -> Any:
    """The value of a key inside an object; a refusal says which key it was."""
    try:
        return convert(value)
    except Rejected as why:
        raise Rejected(f"{name}: {why}") from None


@says({"type": "object"})
def metadata(value: Any) -> dict[str, Any]:
    """An object that is kept and shown and means nothing to Segue: of a bounded size, and fit to be stored."""
    _measure(dictionary(value), _METADATA_DEPTH, _METADATA_SIZE)
    return value  # type: ignore[no-any-return]


def _measure(value: Any, depth: int, room: int) -> int:
    """How much of ``room`` (characters, roughly) is left behind ``value``. Raises Rejected."""
    if isinstance(value, str):
        room -= len(value)
        if room >= 0 and not proper(value):
            raise Rejected(f"{told(value)} is not proper Unicode")
    elif isinstance(value, dict | list):
        if depth == 0:
            raise Rejected(f"more than {_METADATA_DEPTH} levels of lists and dictionaries")
        for item in value:
            room = _measure(item, depth - 1, room - 1)
            if isinstance(value, dict):
                room = _measure(value[item], depth - 1, room - 1)
    elif isinstance(value, float) and not math.isfinite(value):
        raise Rejected(f"{told(value)} is not a number")
    elif isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise Rejected(f"{told(value)} does not fit into 64 bits")
    if room < 0:
        raise Rejected(f"more than {_METADATA_SIZE} characters")
    return room

"""How a Heat template's values are taken: as Heat does, text that looks like a number is one where one is needed.

And the bound on the work that a template may cause: its functions can make much out of little.
"""

from __future__ import annotations

import json
import re
from typing import Any

from segue.intent.problems import Bad, Path, show
from segue.intent.text import Raw
from segue.intent.values import describe, read_text

BUDGET = 3_000_000
"""Values, characters and steps of patterns that one template may ask for."""

TRUE = frozenset({"true", "t", "yes", "y", "on", "1"})
FALSE = frozenset({"false", "f", "no", "n", "off", "0"})

_INTEGER = re.compile(r"[+-]?[0-9]{1,15}\Z")
_NUMBER = re.compile(r"[+-]?[0-9]{1,15}(\.[0-9]{1,15})?\Z")


class Told(Exception):
    """A value cannot be had, and its problem is among the findings already."""


class Reference(str):
    """What get_resource gives: the native name of a resource. ``kind`` is what it is, ``resource`` its logical name."""

    kind: str
    resource: str


class Budget:
    def __init__(self) -> None:
        self._left = BUDGET

    def spend(self, amount: int) -> None:
        self._left -= amount
        if self._left < 0:
            raise Bad("makes too much of this template", "write less of it with functions, or split it")


def integer(value: Raw) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return int(value)
    return int(value) if isinstance(value, str) and _INTEGER.match(value) else None


def number(value: Raw) -> int | float | None:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and _NUMBER.match(value):
        return int(value) if _INTEGER.match(value) else float(value)
    return None


def boolean(value: Raw) -> bool | None:
    if isinstance(value, bool):
        return value
    word = str(value).lower() if isinstance(value, (str, int)) else ""
    return True if word in TRUE else False if word in FALSE else None


def need_text(value: Raw) -> str:
    """A scalar as text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    return value if isinstance(value, Reference) else read_text(value)


def in_text(value: Raw) -> str:
    """As Heat writes a value into a text: lists and mappings as JSON, keys in order."""
    if value is None:
        return ""
    if isinstance(value, (list, dict)):
        return json.dumps(value, ensure_ascii=False, sort_keys=True)
    return need_text(value)


def need_list(value: Raw) -> list[Raw]:
    if isinstance(value, list):
        return value
    raise Bad(f"must be a list, not {describe(value)}", "write one, such as [a, b]")


def need_mapping(value: Raw, hint: str) -> dict[str, Raw]:
    if isinstance(value, dict):
        return value
    raise Bad(f"must be a mapping, not {describe(value)}", hint)


def deeper(bad: Bad, *steps: str | int) -> Bad:
    return Bad(bad.message, bad.hint, (*steps, *bad.at))


def walk(value: Raw, path: list[Raw], called: str) -> Raw:
    """What keys and positions lead to inside a value. Raises Bad."""
    for step in path:
        found: Any = None
        if isinstance(value, dict):
            key = need_text(step)
            if key not in value:
                has = ", ".join(show(name, 20) for name in list(value)[:8])
                raise Bad(f"{called} has no {show(key)}", f"it has {has}" if has else "it is empty")
            found = value[key]
        elif isinstance(value, list):
            at = integer(step)
            if at is None or not -len(value) <= at < len(value):
                raise Bad(f"{called} is a list of {len(value)}, without a {show(in_text(step))}", "count from 0")
            found = value[at]
        else:
            raise Bad(f"{called} ends before {show(in_text(step))}: there it is {describe(value)}", "shorten the path")
        value = found
    return value


def at_of(path: Path) -> Path:
    """Where a resource's property is in the file."""
    return (0, "resources", *path)

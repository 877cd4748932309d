"""What a request is answered with when it cannot be done, in Neutron's own form.

Clients tell errors apart by HTTP status and by ``type``, the name of Neutron's exception class; people read
``message``. A text that repeats what a client sent must be bounded: ``quoted`` does that.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

QUOTED_LENGTH = 100
_QUOTED_ITEMS = 5


class Fault(Exception):
    """A request that is refused. ``status`` is the HTTP status, ``type`` the name of Neutron's class for it."""

    def __init__(self, status: int, type: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.type = type
        self.message = message

    def body(self) -> dict[str, Any]:
        """The body of the answer."""
        return {"NeutronError": {"type": self.type, "message": self.message, "detail": ""}}


def quoted(value: object, length: int = QUOTED_LENGTH) -> str:
    """``value`` as Python shows it, in at most ``length`` characters, whatever its size; for error texts.

    The work is bounded as well: of text and of lists only the beginning is looked at.
    """
    text = _show(value, 3)
    return text if len(text) <= length else f"{text[: length - 3]}..."


def plain(value: object, length: int = QUOTED_LENGTH) -> str:
    """The same without quotes around a text, as most of Neutron's messages have it. What cannot be printed, or not be
    written as UTF-8, is escaped."""
    if not isinstance(value, str):
        return quoted(value, length)
    text = repr(value[: length + 1])[1:-1]
    return text if len(text) <= length else f"{text[: length - 3]}..."


def _show(value: object, depth: int) -> str:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, int) and value.bit_length() > 1024:
        return f"an integer of {value.bit_length()} bits"
    if isinstance(value, Mapping):
        pairs = (f"{_show(key, 0)}: {_show(item, depth - 1)}" for key, item in _first(value.items()))
        return f"{{{_listed(pairs, len(value))}}}" if depth else "{...}"
    if isinstance(value, list | tuple):
        items = (_show(item, depth - 1) for item in _first(value))
        return f"[{_listed(items, len(value))}]" if depth else "[...]"
    return repr(value)


def _text(value: str) -> str:
    """A text in quotes; what cannot be written as UTF-8 (half of a surrogate pair) is escaped by ``repr``."""
    return repr(value if len(value) <= 1000 else value[:1000])


def _first(items: Iterable[Any]) -> Iterable[Any]:
    return (item for _, item in zip(range(_QUOTED_ITEMS), items, strict=False))


def _listed(items: Iterable[str], count: int) -> str:
    return ", ".join([*items, "..."] if count > _QUOTED_ITEMS else items)

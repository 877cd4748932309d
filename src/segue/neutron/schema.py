"""What JSON a converter takes and what it keeps, as JSON Schema, for the description of the API.

A converter is a function, and what it does cannot be read from it; so each says it where it is defined. ``taken`` lets
pass all that the converter does, and perhaps more: that a prefix belongs to an address no schema can say. ``kept`` lets
pass whatever the converter returns. Tests hold both to the converters.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

Schema = dict[str, Any]
Made = TypeVar("Made", bound=Callable[..., Any])

NULL: Schema = {"type": "null"}
_SAID = "said"
"""The function's own attribute: with a converter goes what it says."""


class Said(NamedTuple):
    taken: Schema
    kept: Schema


def says(taken: Schema, kept: Schema | None = None) -> Callable[[Made], Made]:
    """A decorator. Without ``kept`` the converter keeps the like of what it takes."""

    def note(convert: Made) -> Made:
        vars(convert)[_SAID] = Said(taken, taken if kept is None else kept)
        return convert

    return note


def said(convert: Callable[..., Any]) -> Said:
    """Raises KeyError for a converter that says nothing."""
    found: Said = vars(convert)[_SAID]
    return found


def taken(convert: Callable[..., Any]) -> Schema:
    return said(convert).taken


def kept(convert: Callable[..., Any]) -> Schema:
    return said(convert).kept


def either(*schemas: Schema) -> Schema:
    """One of these; what is said twice is said once."""
    flat: list[Schema] = []
    for schema in schemas:
        for each in schema["anyOf"] if schema.keys() == {"anyOf"} else [schema]:
            if each not in flat:
                flat.append(each)
    return flat[0] if len(flat) == 1 else {"anyOf": flat}


def listed(schema: Schema, unique: bool = False, most: int | None = None) -> Schema:
    found: Schema = {"type": "array", "items": schema}
    if most is not None:
        found["maxItems"] = most
    return found | {"uniqueItems": True} if unique else found


def keyed(fields: dict[str, Schema], required: tuple[str, ...] = ()) -> Schema:
    """An object with these keys alone."""
    found: Schema = {"type": "object", "properties": fields, "additionalProperties": False}
    if required:
        found["required"] = list(required)
    return found

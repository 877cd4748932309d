"""A Heat template's parameters: what it asks for, what it is given, and whether that is good enough."""

from __future__ import annotations

import json
from typing import Any

from segue.intent.heat_given import MAX_SIZE, Given, Value
from segue.intent.heat_pattern import matches
from segue.intent.heat_values import (
    Budget,
    Told,
    boolean,
    deeper,
    in_text,
    integer,
    need_list,
    need_mapping,
    need_text,
    number,
)
from segue.intent.problems import Bad, Findings, IntentError, Path, label, show, suggest
from segue.intent.text import Raw, Text
from segue.intent.values import describe

TYPES = ("string", "number", "boolean", "comma_delimited_list", "json")
_SCHEMA = ("type", "label", "description", "default", "hidden", "constraints", "immutable", "tags")
_PSEUDO = ("OS::stack_name", "OS::stack_id", "OS::project_id")
_DEFAULT = "its default"


class Unfit(Bad):
    """A value does not meet a constraint."""


class Parameters:
    """The values of a template's parameters, converted and checked. Problems are in ``findings`` after that."""

    def __init__(self, section: Raw, given: Given, findings: Findings, budget: Budget) -> None:
        self._budget = budget
        self._values: dict[str, Any] = {}
        self._wrong: set[str] = set()
        self._pseudo = {name: value for name in _PSEUDO if (value := given.find(name)) is not None}
        if section is None:
            return
        if not isinstance(section, dict):
            findings.add((0, "parameters"), "", f"parameters is {describe(section)}", "write NAME: {type: string}")
            return
        for name, schema in section.items():
            try:
                self._values[name] = self._read(name, schema, given)
            except Bad as bad:
                self._wrong.add(name)
                findings.add_bad((0, "parameters", name), label("parameter", name), "", bad)

    def get(self, name: str) -> Any:
        """Raises Bad, or Told."""
        if name in self._wrong:
            raise Told
        if name in self._values:
            return self._values[name]
        if name in _PSEUDO:
            if name in self._pseudo:
                return need_text(self._pseudo[name].raw)
            raise Bad(f"asks for {name}, and there is no stack here", f"write it out, or give --param {name}=VALUE")
        raise Bad(
            f"asks for parameter {show(name)}, which the template does not have",
            suggest(name, self._values, "declare it in parameters"),
        )

    def _read(self, name: str, schema: Raw, given: Given) -> Any:
        body = need_mapping(schema, "write {type: string}")
        for key in body:
            if key not in _SCHEMA:
                raise Bad(f"has no field {show(key)}", suggest(key, _SCHEMA, f"it has {', '.join(_SCHEMA)}"), (key,))
        kind = body.get("type")
        if kind not in TYPES:
            word = kind if isinstance(kind, str) else ""
            said = "has no type" if kind is None else f"has type {describe(kind)}"
            raise Bad(said, suggest(word, TYPES, f"write one of {', '.join(TYPES)}"), ("type",))
        hidden = boolean(body.get("hidden")) or False
        value = given.find(name)
        if value is None:
            if "default" not in body:
                raise Bad("has no value and no default", f"give it: --param {name}=VALUE")
            value = Value(body["default"], _DEFAULT)
        at: Path = ("default",) if value.origin == _DEFAULT else ()
        shown = "its value" if hidden else in_words(value.raw)
        who = f"{shown} ({value.origin})"
        read = _convert(kind, value, who, at)
        constraints = body.get("constraints")
        for position, constraint in enumerate([] if constraints is None else _listed(constraints)):
            try:
                self._check(need_mapping(constraint, "write {length: {min: 1}}"), read, who, at)
            except Unfit:
                raise
            except Bad as bad:
                raise deeper(bad, "constraints", position) from None
        return read

    def _check(self, constraint: dict[str, Raw], value: Any, who: str, at: Path) -> None:
        """One constraint. Raises Unfit where the value is wrong, and Bad where the constraint itself is."""
        for key, body in constraint.items():
            if key in ("description", "custom_constraint"):
                continue  # the latter asks a cloud whether something is there; here that is asked where it is used
            why = constraint.get("description")
            told = f"write {why}" if isinstance(why, str) and not why.startswith("custom") else ""
            if key == "length":
                low, high = _ends(key, body)
                if value is not None and hasattr(value, "__len__") and not _within(len(value), low, high):
                    raise Unfit(f"{who} has length {len(value)}", told or f"write one of {_range(low, high)}", at)
            elif key == "range":
                low, high = _ends(key, body)
                if isinstance(value, (int, float)) and not _within(value, low, high):
                    raise Unfit(f"{who} is out of range", told or f"write one of {_range(low, high)}", at)
            elif key == "modulo":
                step, offset = (integer(body.get(k)) if isinstance(body, dict) else None for k in ("step", "offset"))
                if not step:
                    raise Bad("modulo has no step", "write {step: 2, offset: 0}", (key,))
                if isinstance(value, int) and value % step != (offset or 0) % step:
                    raise Unfit(
                        f"{who} is not allowed", told or f"write {offset or 0} and multiples of {step} more", at
                    )
            elif key == "allowed_values":
                allowed = {in_text(one): in_words(one) for one in _listed(body, key)}
                self._budget.spend(len(allowed))
                for one in value if isinstance(value, list) else [value]:
                    if in_text(one) not in allowed:
                        hint = told or f"write one of {', '.join(allowed.values())[:120]}"
                        raise Unfit(f"{who} is not allowed", hint, at)
            elif key == "allowed_pattern":
                self._pattern(body, value, who, told, at)
            else:
                known = ("length", "range", "modulo", "allowed_values", "allowed_pattern", "custom_constraint")
                raise Bad(f"there is no constraint {show(key)}", suggest(key, known, "remove it"), (key,))

    def _pattern(self, body: Raw, value: Any, who: str, told: str, at: Path) -> None:
        try:
            pattern = need_text(body)
            good = not isinstance(value, str) or matches(pattern, value, self._budget.spend)
        except Bad as bad:
            raise Bad(f"allowed_pattern {bad.message}", bad.hint, ("allowed_pattern",)) from None
        if not good:
            raise Unfit(f"{who} is not allowed", told or f"write what {show(pattern)} matches", at)


def in_words(value: Raw) -> str:
    """Short, for messages."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return show(value).strip('"') if isinstance(value, str) else describe(value).removeprefix("the number ")


def _listed(value: Raw, key: str = "constraints") -> list[Raw]:
    try:
        return need_list(value)
    except Bad as bad:
        raise Bad(f"{key} {bad.message}", bad.hint, (key,)) from None


def _ends(key: str, body: Raw) -> tuple[int | float | None, int | float | None]:
    if not isinstance(body, dict) or not body or body.keys() - {"min", "max"}:
        raise Bad(f"{key} is {describe(body)}", "write {min: 1, max: 10}, or one of the two", (key,))
    ends = []
    for end in ("min", "max"):
        if body.get(end) is not None and number(body[end]) is None:
            raise Bad(f"{end} is {describe(body[end])}", "write a number", (key, end))
        ends.append(number(body.get(end)))
    return ends[0], ends[1]


def _within(value: int | float, low: int | float | None, high: int | float | None) -> bool:
    return (low is None or value >= low) and (high is None or value <= high)


def _range(low: int | float | None, high: int | float | None) -> str:
    return (
        f"{low} to {high}"
        if low is not None and high is not None
        else f"{low} or more"
        if high is None
        else (f"{high} or less")
    )


def _convert(kind: str, value: Value, who: str, at: Path) -> Any:
    raw = value.raw
    if kind == "string" and not isinstance(raw, (list, dict)):
        return "" if raw is None else need_text(raw)
    if kind == "number" and (read := number(raw)) is not None:
        return read
    if kind == "boolean" and (flag := boolean(raw)) is not None:
        return flag
    if kind == "comma_delimited_list":
        if isinstance(raw, list):
            return raw
        if raw is None or isinstance(raw, str):
            return [part.strip() for part in raw.split(",")] if raw else []
    if kind == "json":
        if isinstance(raw, (dict, list)):
            return raw
        return _json(raw, who, at)
    words = {
        "string": ("text", "write text"),
        "number": ("a number", "write a number"),
        "boolean": ("true or false", "write true or false"),
        "comma_delimited_list": ("a list", "write a,b,c"),
    }
    must, hint = words[kind]
    raise Bad(f"{who} must be {must}", hint, at)


def _json(raw: Raw, who: str, at: Path) -> Any:
    try:
        if isinstance(raw, str) and len(raw) < MAX_SIZE:
            (tree,) = Text(raw, "json").documents
            json.loads(raw)
            if isinstance(tree, (dict, list)):
                return tree
    except (ValueError, RecursionError, IntentError):
        pass
    raise Bad(f"{who} is not JSON", "write a mapping or a list", at)

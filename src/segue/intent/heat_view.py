"""One resource as those see it who make an object of it: properties as text, flags, numbers, references.

What is wrong is told at once, and reading goes on with nothing in its place, so that all mistakes of a resource come
out together. ``good`` says whether an object may be made.
"""

from __future__ import annotations

from collections.abc import Iterable

from segue.intent.heat_stack import Entry, Stack
from segue.intent.heat_types import Type
from segue.intent.heat_values import Reference, Told, at_of, boolean, integer, need_list, need_text
from segue.intent.problems import Bad, Path, label, show, suggest
from segue.intent.shorts import Draft
from segue.intent.text import Raw
from segue.intent.values import check_name, describe


class HeatDraft(Draft):
    """``places``: where in the file fields stand."""

    places: dict[str, Path] = {}

    def at(self, field: str) -> Path:
        return self.places.get(field, self.path)

    def called(self, field: str) -> str:
        place = self.places.get(field)
        return next((str(step) for step in reversed(place or ()) if isinstance(step, str)), field) if place else field


class View:
    def __init__(self, stack: Stack, entry: Entry) -> None:
        assert entry.type is not None
        self.stack = stack
        self.entry = entry
        self.type: Type = entry.type
        self.good = True
        self.connected: list[tuple[str, Path]] = []
        self._places: dict[str, Path] = {}

    def bad(self, name: str, message: str, hint: str, at: Path = ()) -> None:
        path = at_of((self.entry.name, "properties", name) if name else (self.entry.name,))
        words = f"{name} {message}" if name else message
        self.stack.findings.add((*path, *at), label("resource", self.entry.name), words, hint)
        self.good = False

    def check(self) -> None:
        """Names of properties: those that are not known, not supported, or missing."""
        known = self.type.known
        for name in self.entry.properties:
            if name not in known:
                hint = suggest(name, known, f"it has {', '.join(sorted(self.type.read))}")
                self.bad("", f"there is no property {show(name)}", hint, ("properties", name))
            elif name in self.type.refused:
                refusal = self.type.refused[name]
                value = self.get(name)
                if refusal.met_by(value):
                    self.bad(name, f"is {describe(value)}, which Segue cannot do", refusal.why)
        for names in self.type.required:
            if all(self.entry.properties.get(name) is None for name in names):
                self.bad("", f"has no {names[0]}", f"write {names[0]}: ...")
            elif len([name for name in names if name in self.entry.properties]) > 1:
                self.bad(names[1], f"says the same as {names[0]}", f"keep {names[0]}")

    def get(self, *names: str) -> Raw:
        """None where it is not written, or cannot be had."""
        try:
            return self.stack.property(self.entry.name, *names)
        except Told:
            self.good = False
        except Bad as bad:
            self.bad(names[0], bad.message, bad.hint)
        return None

    def written(self, *names: str) -> str:
        """Under which of its names a property stands."""
        return next((name for name in names if name in self.entry.properties), names[0])

    def text(self, *names: str) -> str | None:
        value = self.get(*names)
        try:
            return None if value is None else need_text(value)
        except Bad as bad:
            self.bad(self.written(*names), bad.message, bad.hint)
            return None

    def flag(self, name: str) -> bool | None:
        value = self.get(name)
        read = boolean(value)
        if value is not None and read is None:
            self.bad(name, f"is {describe(value)}", "write true or false")
        return read

    def number(self, name: str, low: int, high: int) -> int | None:
        return self.whole(name, self.get(name), low, high)

    def whole(self, name: str, value: Raw, low: int, high: int, at: Path = (), called: str = "") -> int | None:
        """A whole number that stands in property ``name``, or in a part of it."""
        if value is None:
            return None
        read = integer(value)
        if read is None or not low <= read <= high:
            self.bad(name, f"{called}is {describe(value)}", f"write a whole number from {low} to {high}", at)
            return None
        return read

    def items(self, name: str) -> list[Raw]:
        value = self.get(name)
        try:
            items = [] if value is None else need_list(value)
            self.stack.budget.spend(len(items))
        except Bad as bad:
            self.bad(name, bad.message, bad.hint)
            return []
        return items

    def mapping(self, name: str, known: Iterable[str], value: Raw, at: Path = ()) -> dict[str, Raw]:
        """The property ``name``, or a part of it, as a mapping with known keys."""
        keys = list(known)
        words = f"item {int(at[0]) + 1} " if at else ""
        if value is None and not at:
            return {}
        if not isinstance(value, dict):
            self.bad(name, f"{words}must be a mapping, not {describe(value)}", f"write {{{keys[0]}: ...}}", at)
            return {}
        for key in value:
            if key not in keys:
                self.bad(
                    name, f"{words}has no {show(key)}", suggest(key, keys, f"it has {', '.join(keys)}"), (*at, key)
                )
        return {key: value[key] for key in keys if key in value}

    def object(self, kind: str, name: str, value: Raw, at: Path = ()) -> str | None:
        """The name of another object: a reference to a resource of that kind, or text."""
        if isinstance(value, Reference) and value.kind != kind:
            said = self.stack.entries[value.resource].type
            message = f"refers to resource {show(value.resource)}, a {said.kind if said else 'thing'}"
            self.bad(name, message, f"write get_resource: a {kind}", at)
            return None
        try:
            return None if value is None else need_text(value)
        except Bad as bad:
            self.bad(name, bad.message, bad.hint, at)
            return None

    def one(self, kind: str, *names: str) -> str | None:
        return self.object(kind, self.written(*names), self.get(*names))

    def several(self, kind: str, name: str) -> list[str]:
        found = [self.object(kind, name, item, (position,)) for position, item in enumerate(self.items(name))]
        return [one for one in found if one is not None]

    def draft(self, fields: dict[str, tuple[Raw, str]], places: dict[str, Path] | None = None) -> Draft | None:
        """The object: of each field its value, None where not said, and the PROPERTY or PROPERTY/KEY that it is of."""
        name = self.text("name") if "name" in self.type.read else None
        if name is not None:
            try:
                check_name(name)
            except Bad as bad:
                self.bad("name", bad.message, bad.hint)
        if "description" in self.type.read:
            fields = fields | {"description": (self.text("description"), "description")}
        if "tenant_id" in self.type.read:
            fields = fields | {"project": (self.text("tenant_id"), "tenant_id")}
        base = at_of((self.entry.name,))
        body = {field: value for field, (value, _) in fields.items() if value is not None}
        made: dict[str, Path] = {
            field: (*base, "properties", *source.split("/")) for field, (_, source) in fields.items() if source
        }
        made["name"] = (*base, "properties", "name")
        title = label("resource", self.entry.name)
        return HeatDraft(
            self.type.kind,
            name if name is not None else self.entry.name,
            body,
            base,
            owner_label=title,
            places=made | (places or {}),
        )

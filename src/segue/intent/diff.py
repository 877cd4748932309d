"""What changes from one set of objects to another, for people to read before they say yes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

import msgspec

from segue.intent.dump import plain
from segue.intent.problems import PLURALS, label
from segue.intent.references import KIND_OF
from segue.model.intent import KINDS, Object, Ref

PLURAL_OF = {kind: plural for plural, kind in PLURALS.items()}


class Change(msgspec.Struct, frozen=True):
    """One object. ``fields``: (name, old, new) as in JSON, None where not set; for an added or removed object those
    that are not at their defaults."""

    what: Literal["add", "change", "remove"]
    kind: str
    name: str
    fields: tuple[tuple[str, Any, Any], ...]

    def __str__(self) -> str:
        mark = {"add": "+", "change": "~", "remove": "-"}[self.what]
        lines = [f"{mark} {label(self.kind, self.name)}"]
        for field, old, new in self.fields:
            if self.what == "add":
                lines.append(f"    {field}: {_show(new)}")
            elif self.what == "change":
                lines.append(f"    {field}: {_show(old)} -> {_show(new)}")
        return "\n".join(lines)


class Difference(msgspec.Struct, frozen=True):
    """All changes, in the order of kinds and names. False when there is none."""

    changes: tuple[Change, ...]

    def __bool__(self) -> bool:
        return bool(self.changes)

    def __iter__(self) -> Iterator[Change]:
        return iter(self.changes)

    def __str__(self) -> str:
        if not self.changes:
            return "nothing changes"
        count = {what: sum(c.what == what for c in self.changes) for what in ("add", "change", "remove")}
        summary = ", ".join(f"{number} to {what}" for what, number in count.items() if number)
        return "\n".join([*(str(change) for change in self.changes), summary])


def diff(old: Mapping[Ref, Object], new: Mapping[Ref, Object]) -> Difference:
    """What makes ``new`` out of ``old``."""
    order = {kind: position for position, kind in enumerate(KINDS)}
    changes = []
    for ref in sorted(old.keys() | new.keys(), key=lambda ref: (order[ref[0]], ref[1])):
        before, after = old.get(ref), new.get(ref)
        if before == after:
            continue
        whole = before is not None and after is not None
        was, will = _body(before, whole), _body(after, whole)
        fields = tuple(
            (field, was.get(field), will.get(field))
            for field in KINDS[ref[0]].__struct_fields__
            if was.get(field) != will.get(field)
        )
        what: Literal["add", "change", "remove"] = "add" if before is None else "remove" if after is None else "change"
        changes.append(Change(what, *ref, fields))
    return Difference(tuple(changes))


def _body(thing: Object | None, whole: bool) -> dict[str, Any]:
    """The fields as in JSON, those at their defaults only when ``whole``."""
    if thing is None:
        return {}
    if whole:
        return {field: msgspec.to_builtins(getattr(thing, field)) for field in thing.__struct_fields__}
    return plain([thing])[PLURAL_OF[KIND_OF[type(thing)]]][thing.name]


def _show(value: Any) -> str:
    if value is None:
        return "(none)"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(_show(item) for item in value)}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {_show(item)}' for key, item in value.items())}}}"
    return str(value)

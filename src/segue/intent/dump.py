"""Objects -> text, in the one canonical long form: kinds in their order, names in theirs, defaults left out.

What is written reads back as equal objects, in YAML of any version: whatever some reader might take for something
other than text stands in quotes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Literal

import msgspec

from segue.intent.problems import PLURALS
from segue.intent.references import KIND_OF
from segue.model.intent import Object, Ref

_SAFE = re.compile(r"[A-Za-z][A-Za-z0-9._/-]*\Z|[0-9]{1,3}(\.[0-9]{1,3}){3}(/[0-9]{1,2})?\Z")
_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})

_DEFAULTS: dict[type[Object], dict[str, Any]] = {
    cls: {f.name: f.default for f in msgspec.structs.fields(cls) if f.name != "name"} for cls in KIND_OF
}


def dump(objects: Mapping[Ref, Object] | Iterable[Object], form: Literal["yaml", "json"] = "yaml") -> str:
    """Text that parse() reads as the same objects."""
    tree = plain(objects.values() if isinstance(objects, Mapping) else objects)
    if form == "json":
        return json.dumps(tree, indent=2) + "\n"
    lines: list[str] = []
    for plural, bodies in tree.items():
        lines.append(f"{plural}:")
        for name, body in bodies.items():
            lines.append(f"  {_word(name)}:" if body else f"  {_word(name)}: {{}}")
            lines += [f"    {field}: {_flow(value)}" for field, value in body.items()]
    return "\n".join(lines) + "\n" if lines else "{}\n"


def plain(objects: Iterable[Object]) -> dict[str, dict[str, dict[str, Any]]]:
    """Plural kind -> name -> body, of what JSON has: the long form as a tree."""
    by_kind: dict[str, dict[str, dict[str, Any]]] = {}
    for thing in sorted(objects, key=lambda thing: thing.name):
        body = {
            field: msgspec.to_builtins(value)
            for field, default in _DEFAULTS[type(thing)].items()
            if (value := getattr(thing, field)) != default
        }
        by_kind.setdefault(KIND_OF[type(thing)], {})[thing.name] = body
    return {plural: by_kind[kind] for plural, kind in PLURALS.items() if kind in by_kind}


def _word(text: str) -> str:
    # YAML does not join JSON's pairs of escapes for characters beyond U+FFFF, so that labels stand as they are.
    return text if _SAFE.match(text) and text.lower() not in _WORDS else json.dumps(text, ensure_ascii=False)


def _flow(value: Any) -> str:
    if isinstance(value, str):
        return _word(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(_flow(item) for item in value)}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {_flow(item)}' for key, item in value.items())}}}"
    return str(value)

"""A text -> the objects that it declares.

Text becomes a tree (text.py), entries of the tree become drafts in long form (shorts.py), drafts become objects by
the types of their fields (fields.py, values.py), and objects are checked (checks.py). Problems of all of these are
collected, so that an author sees them at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from segue.intent.checks import check, check_together
from segue.intent.fields import ALIASES, COMMON, FIELDS, MISSING, REQUIRED, SHORT
from segue.intent.heat import is_template, read_template
from segue.intent.heat_given import Given
from segue.intent.heat_view import HeatDraft
from segue.intent.lab import LabSection
from segue.intent.labread import read_lab
from segue.intent.problems import PLURALS, Bad, Findings, Full, Path, label, show, suggest
from segue.intent.shorts import Draft, automatic_nodes, expand
from segue.intent.text import MAX_SIZE, Raw, Text
from segue.intent.values import as_integer, check_name, describe
from segue.model.intent import KINDS, Object, Objects, Ref

VERSION = 1

LineKey = tuple[str, str] | tuple[str, str, str]


class Lines(Mapping[LineKey, int]):
    """Line numbers, from 1, by (kind, name) and by (kind, name, field).

    They are looked for when first asked for. A field that was not written has its object's line. Iterating gives
    the objects only.
    """

    def __init__(self, text: Text, origins: dict[Ref, Path], places: Mapping[Ref, Mapping[str, Path]]) -> None:
        """``places``: where fields stand that do not stand under their own names in their objects."""
        self._text = text
        self._origins = origins
        self._places = places
        self._objects: dict[Ref, int] | None = None
        self._fields: dict[LineKey, int] = {}

    def __getitem__(self, key: LineKey) -> int:
        ref = (key[0], key[1])
        origin = self._origins[ref]
        if len(key) == 2:
            if self._objects is None:
                found = self._text.locate(set(self._origins.values()))
                self._objects = {ref: found[path] for ref, path in self._origins.items()}
            return self._objects[ref]
        if key not in self._fields:
            names = (key[2], *ALIASES.get((key[0], key[2]), ()))
            place = self._places.get(ref, {}).get(key[2], origin)
            paths = [origin, place, *((*origin, name) for name in names)]
            self._fields[key] = max(self._text.locate(set(paths)).values())
        return self._fields[key]

    def __iter__(self) -> Iterator[LineKey]:
        return iter(self._origins)

    def __len__(self) -> int:
        return len(self._origins)


class Document(msgspec.Struct, frozen=True):
    """What one text declares. ``objects`` stand in the order of their kinds, then as written."""

    objects: Objects
    lab: LabSection | None
    lines: Lines
    source: str


def parse(text: bytes | str, source: str, max_size: int = MAX_SIZE, given: Given | None = None) -> Document:
    """Read JSON or YAML, short forms or long, or a Heat template. ``source`` is what messages call the text: a file's
    name. ``max_size`` in bytes; who reads for strangers sets it low, as reading may take 40 times as much memory.
    ``given``: the parameters of a template.

    Raises IntentError, and nothing else, whatever the text holds.
    """
    read = Text(text, source, max_size)
    reading = _Reading()
    try:
        if is_template(read.documents):
            for draft in read_template(read.documents, given or Given(), reading.findings):
                reading.draft(draft)
        else:
            for number, tree in enumerate(read.documents):
                reading.document(tree, (number,))
        reading.together()
    except Full:
        pass
    reading.findings.raise_any(source, read.locate)
    order = {kind: position for position, kind in enumerate(KINDS)}
    objects = dict(sorted(reading.objects.items(), key=lambda item: order[item[0][0]]))
    origins = {ref: reading.drafts[ref].path for ref in objects}
    places = {ref: draft.places for ref in objects if isinstance(draft := reading.drafts[ref], HeatDraft)}
    return Document(objects, reading.lab, Lines(read, origins, places), source)


class _Reading:
    def __init__(self) -> None:
        self.findings = Findings()
        self.objects: Objects = {}
        self.drafts: dict[Ref, Draft] = {}
        self.lab: LabSection | None = None
        self.lab_path: Path | None = None

    def document(self, tree: Raw, path: Path) -> None:
        if tree is None:
            return
        if not isinstance(tree, dict):
            hint = f"write a mapping with some of {', '.join(PLURALS)}, lab"
            self.findings.add(path, "", f"an intent is a mapping, not {describe(tree)}", hint)
            return
        for key, raw in tree.items():
            at = (*path, key)
            if key in PLURALS:
                self.kind(PLURALS[key], raw, at)
            elif key == "lab":
                self.laboratory(raw, at)
            elif key == "segue":
                if as_integer(raw) != VERSION:
                    hint = f"write segue: {VERSION}"
                    self.findings.add(at, "", f"segue is {describe(raw)}, a format that is not known here", hint)
            else:
                known = (*PLURALS, "lab", "segue")
                hint = suggest(key, known, f"the keys are {', '.join(known)}")
                self.findings.add(at, "", f"there is no key {show(key)}", hint)

    def kind(self, kind: str, raw: Raw, path: Path) -> None:
        if raw is None:
            return
        if kind == "node" and isinstance(raw, list):
            for draft in automatic_nodes(raw, path, self.findings):
                self.draft(draft)
            return
        if not isinstance(raw, dict):
            hint = f"write a mapping of names to {path[1]}"
            self.findings.add(path, "", f"{path[1]} is {describe(raw)}", hint)
            return
        for name, body in raw.items():
            for draft in expand(kind, name, body, (*path, name), self.findings):
                self.draft(draft)

    def draft(self, draft: Draft) -> None:
        try:
            check_name(draft.name)
        except Bad as bad:
            self.findings.add(draft.path, draft.label, f"the {draft.kind}'s name {bad.message}", bad.hint)
            return
        ref = (draft.kind, draft.name)
        earlier = self.drafts.get(ref)
        if earlier is not None:
            message = f"{label(*ref)} is declared twice"
            self.findings.add(draft.path, draft.label, message, "rename or remove one", earlier.path)
            return
        self.drafts[ref] = draft
        thing = self.object(draft)
        if thing is not None:
            self.objects[ref] = thing
            for field, message, hint in check(draft.kind, thing):
                called = draft.called(field)
                self.findings.add(draft.at(field), draft.label, f"{called} {message}", hint)

    def object(self, draft: Draft) -> Object | None:
        kind = draft.kind
        fields = FIELDS[kind]
        values: dict[str, Any] = {"owner": draft.owner}
        good = True
        for key, raw in draft.body.items():
            field = fields.get(key)
            try:
                if field is None:
                    self.unknown(draft, key)
                    good = False
                else:
                    values[key] = field.type.read(raw)
            except Bad as bad:
                self.findings.add_bad(draft.at(key), draft.label, draft.called(key), bad)
                good = False
        for key in REQUIRED[kind]:
            if key not in draft.body:
                message, hint = MISSING[kind, key]
                self.findings.add(draft.path, draft.label, message, hint)
                good = False
                break  # an instance without ingress has no egress either: once is enough
        return KINDS[kind](name=draft.name, **values) if good else None

    def unknown(self, draft: Draft, key: str) -> None:
        known = [name for name in (*SHORT[draft.kind], *FIELDS[draft.kind]) if name != "owner"]
        own = [name for name in known if name not in COMMON]
        hint = suggest(key, known, f"the fields are {', '.join(own)}" if own else "remove it")
        self.findings.add((*draft.path, key), draft.label, f"there is no field {show(key)}", hint)

    def laboratory(self, raw: Raw, path: Path) -> None:
        if raw is None:
            return
        if self.lab_path is not None:
            self.findings.add(path, "lab", "there are two lab sections", "keep one", self.lab_path)
            return
        self.lab_path = path
        self.lab = read_lab(raw, path, self.findings)

    def together(self) -> None:
        for ref, field, message, hint, other in check_together(self.objects):
            draft = self.drafts[ref]
            there = None if other is None else self.drafts[other].path
            self.findings.add(draft.at(field), draft.label, message, hint, there)

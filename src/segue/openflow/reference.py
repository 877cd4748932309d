"""The protocol as a page of Markdown, made from its declaration: what there is, its numbers, its classes, its fields.

For each family a table: the name in the specification, the type's number in each version, the class, the fields. What
experimenters define has their number and its own in place of a type. A field that only some of the versions have names
them.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from segue.openflow.declare import FAMILIES, HOMES, MESSAGES, REPLIES, REQUESTS, Entry, Family, Record, layout
from segue.openflow.wire import NICIRA, NSH, ONF, VERSION_NAMES, VERSIONS

HEAD: Final = """\
# OpenFlow messages

Everything that `segue.openflow` reads and writes, of OpenFlow 1.0 to 1.5 and of Open vSwitch's and the ONF's
extensions. The page is made from the declarations in `src/segue/openflow/protocol/`; `make docs` writes it anew. What
is not here is kept, as octets, and written again as it came: in JSON, what an experimenter defined has the type
OFPT_EXPERIMENTER, OFPMP_EXPERIMENTER, OFPAT_EXPERIMENTER and so on (OFPT_VENDOR, OFPST_VENDOR, OFPAT_VENDOR in OpenFlow
1.0) with `experimenter`, `exp_type` where the specification has one, and `data`; all else its type as a number and
`data`.

The JSON form is described by a schema for each version: {schemas}.

Numbers are types on the wire. Behind fields stand the versions that have them, where those are not all that the
message has. In JSON, what has a field `type` besides its own type calls it `error_type`, `group_type` and so on.

Where a message has `instructions`, JSON may have `actions` beside them or in their place: an apply-actions instruction
before the others. It is read, and never written.

In OpenFlow 1.1 a match has a fixed form, and Open vSwitch takes OXM matches there too. Such a match has in JSON, and in
Python, `"match_type": 1` beside its fields; without that it is of the fixed form."""

_EXPERIMENTERS: Final = {NICIRA: "Nicira", ONF: "ONF", NSH: "NSH"}
_FIRST: Final = (MESSAGES, REQUESTS, REPLIES)
_TITLES: Final = {
    "message": "Messages",
    "multipart request": "Multipart requests",
    "multipart reply": "Multipart replies",
}


def page(schemas: Iterable[str] = ()) -> str:
    """The whole page; `schemas` are the names of files that it points at, in the order of the versions."""
    links = ", ".join(f"[{VERSION_NAMES[v]}]({name})" for v, name in zip(VERSIONS, schemas, strict=False))
    parts = [HEAD.format(schemas=links or "see `segue openflow schema`")]
    rest = sorted(
        (home for home in FAMILIES if home not in _FIRST and home.entries), key=lambda home: home.name.lower()
    )
    for home in (*_FIRST, *rest):
        parts += _family(home)
    parts += ["## Structures", "What is in several of the above.", _structures()]
    return "\n\n".join(parts) + "\n"


def _family(home: Family) -> Iterator[str]:
    yield f"## {_TITLES.get(home.name, _plural(home.name[:1].upper() + home.name[1:]))}"
    own = [entry for entry in home.entries.values() if entry.key is None]
    if own:
        names = " | ".join(VERSION_NAMES[version] for version in VERSIONS)
        lines = [f"| name | {names} | class | fields |", f"| --- |{' ---: |' * len(VERSIONS)} --- | --- |"]
        lines += [_row(entry) for entry in sorted(own, key=_order)]
        yield "\n".join(lines)
    theirs = [entry for entry in home.entries.values() if entry.key is not None]
    if theirs:
        lines = ["| name | experimenter | number | versions | class | fields |"]
        lines.append("| --- | --- | ---: | --- | --- | --- |")
        lines += [_experimenters_row(entry) for entry in sorted(theirs, key=lambda entry: entry.key or (0, 0))]
        yield "\n".join(lines)


def _plural(name: str) -> str:
    return name[:-1] + "ies" if name.endswith("y") else name if name.endswith("s") else name + "s"


def _order(entry: Entry) -> tuple[int, int]:
    first = _versions(entry)[0]
    return entry.number(first) or 0, first


def _versions(entry: Entry) -> list[int]:
    return [version for version in VERSIONS if entry.number(version) is not None] or [VERSIONS[-1]]


def _row(entry: Entry) -> str:
    numbers = (entry.number(version) for version in VERSIONS)
    cells = " | ".join("" if number is None else str(number) for number in numbers)
    return f"| {_spelling(entry)} | {cells} | `{entry.record.__name__}` | {_fields(entry.record, _versions(entry))} |"


def _experimenters_row(entry: Entry) -> str:
    assert entry.key is not None
    owner, number = entry.key
    versions = _versions(entry)
    cells = [_spelling(entry), _EXPERIMENTERS.get(owner, f"{owner:#x}"), str(number), _span(versions)]
    return f"| {' | '.join(cells)} | `{entry.record.__name__}` | {_fields(entry.record, versions)} |"


def _spelling(entry: Entry) -> str:
    """The name, and the names that other versions have for it."""
    names: dict[str, list[int]] = {}
    for version in _versions(entry):
        names.setdefault(entry.name(version), []).append(version)
    if len(names) == 1:
        return f"`{next(iter(names))}`"
    return ", ".join(f"`{name}` {_span(versions)}" for name, versions in names.items())


def _span(versions: list[int]) -> str:
    runs: list[list[int]] = []
    for version in versions:
        if runs and version == runs[-1][-1] + 1:
            runs[-1].append(version)
        else:
            runs.append([version])
    ends = ((VERSION_NAMES[run[0]], VERSION_NAMES[run[-1]]) for run in runs)
    return ", ".join(first if first == last else f"{first}-{last}" for first, last in ends)


def _fields(record: type[Record], versions: list[int]) -> str:
    having: dict[str, list[int]] = {}
    for version in versions:
        for item in layout(record, version):
            for name in item.names[: 2 if item.kind == "ofs_nbits" else 1]:
                if version not in having.setdefault(name, []):
                    having[name].append(version)
    return ", ".join(
        f"`{name}`" if there == versions else f"`{name}` ({_span(there)})" for name, there in having.items()
    )


def _structures() -> str:
    """Records that are in no family, and in others, with what they are."""
    found: list[type[Record]] = []
    waiting = [entry.record for home in FAMILIES for entry in home.entries.values()]
    seen = set(waiting)
    while waiting:
        for item in waiting.pop(0).WIRE:
            if item.kind in ("one", "many") and isinstance(item.of, type) and item.of not in seen:
                seen.add(item.of)
                waiting.append(item.of)
                if item.of not in HOMES:
                    found.append(item.of)
    lines = ["| class | fields |", "| --- | --- |"]
    for record in sorted(found, key=lambda one: one.__name__):
        versions = [version for version in VERSIONS if any(item.names for item in layout(record, version))]
        lines.append(f"| `{record.__name__}` | {_fields(record, versions)} |")
    return "\n".join(lines)

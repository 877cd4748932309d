"""The lab section of a text -> lab.py's structs."""

from __future__ import annotations

import re
from typing import Any

from segue.intent import values as v
from segue.intent.fields import Field
from segue.intent.lab import HostSection, LabSection
from segue.intent.problems import Bad, Findings, Path, label, show, suggest
from segue.intent.text import Raw
from segue.intent.values import Type, describe


def _read_run(value: Raw) -> tuple[str, ...]:
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, list):
        raise Bad(f"is {describe(value)}", "write a shell command, or a list of them")
    lines = []
    for position, raw in enumerate(value):
        try:
            line = v.read_text(raw)
            if not line.strip():
                raise Bad("is empty", "write a shell command, or remove it")
        except Bad as bad:
            raise Bad(f"item {position + 1} {bad.message}", bad.hint, (position,)) from None
        lines.append(line)
    return tuple(lines)


def _read_env(value: Raw) -> dict[str, str]:
    if not isinstance(value, dict):
        raise Bad(f"is {describe(value)}", "write a mapping of names to values")
    made = {}
    for key, raw in value.items():
        if not key or "=" in key:
            raise Bad(f"has the name {show(key)}", "write a name without =", (key,))
        try:
            made[v.read_text(key)] = "" if raw is None else v.read_text(raw)
        except Bad as bad:
            raise Bad(f"{show(key)} {bad.message}", bad.hint, (key,)) from None
    return made


LAB_NAME_PATTERN = "^[a-z0-9][a-z0-9_]{0,23}$"
_LAB_NAME = re.compile(r"[a-z0-9][a-z0-9_]{0,23}\Z")


def _read_lab_name(value: Raw) -> str:
    text = v.read_text(value)
    if not _LAB_NAME.match(text):
        raise Bad(f"is {show(text)}", "write 1 to 24 lower-case letters, digits and _")
    return text


LAB_NAME = v.optional(Type(_read_lab_name, {"type": "string", "pattern": LAB_NAME_PATTERN}))

_LINE = {"type": "string", "pattern": r"\S"}

HOST: dict[str, Field] = {
    "ports": Field(v.listing(v.NAME), "The ports that it holds; the port of its own name when not said.", ["client"]),
    "run": Field(
        Type(_read_run, {"anyOf": [_LINE, {"type": "array", "items": _LINE}]}),
        "A shell command that is kept running in it, or a list of them.",
        "python3 -m http.server 80",
    ),
    "forward": Field(v.FLAG, "Whether it forwards IP packets.", False),
    "env": Field(
        Type(
            _read_env,
            {
                "type": "object",
                "propertyNames": {"pattern": "^[^=]+$"},
                "additionalProperties": {"type": ["string", "null"]},
            },
        ),
        "Environment variables of its commands.",
        {"LANG": "C"},
    ),
}


def read_lab(raw: Raw, path: Path, findings: Findings) -> LabSection | None:
    """The section, or None where ``findings`` got something."""
    if not isinstance(raw, dict):
        findings.add(path, "lab", f"lab is {describe(raw)}", "write a mapping with name and hosts")
        return None
    name = None
    hosts: dict[str, HostSection] = {}
    for key, value in raw.items():
        if key == "name":
            try:
                name = LAB_NAME.read(value)
            except Bad as bad:
                findings.add_bad((*path, key), "lab", key, bad)
        elif key == "hosts":
            _read_hosts(value, (*path, key), hosts, findings)
        else:
            hint = suggest(key, ("name", "hosts"), "its fields are name and hosts")
            findings.add((*path, key), "lab", f"there is no field {show(key)}", hint)
    return LabSection(name=name, hosts=hosts)


def _read_hosts(raw: Raw, path: Path, hosts: dict[str, HostSection], findings: Findings) -> None:
    if raw is None:
        return
    if not isinstance(raw, dict):
        findings.add(path, "lab", f"hosts is {describe(raw)}", "write a mapping of names to hosts")
        return
    for name, body in raw.items():
        where = label("lab host", name)
        at = (*path, name)
        try:
            v.check_name(name)
        except Bad as bad:
            findings.add(at, where, f"the host's name {bad.message}", bad.hint)
            continue
        if body is not None and not isinstance(body, dict):
            findings.add(at, where, f"a host is not {describe(body)}", "write {run: COMMAND}")
            continue
        values: dict[str, Any] = {}
        for key, value in (body or {}).items():
            field = HOST.get(key)
            if field is None:
                hint = suggest(key, HOST, f"its fields are {', '.join(HOST)}")
                findings.add((*at, key), where, f"there is no field {show(key)}", hint)
                continue
            try:
                values[key] = field.type.read(value)
            except Bad as bad:
                findings.add_bad((*at, key), where, key, bad)
        hosts[name] = HostSection(name=name, **values)

"""What is wrong with a declaration, told so that its author can mend it.

Every problem names the file, the line, the object, what is wrong and what to write instead. Problems are collected,
not raised one by one, and kept as paths into the document while reading goes on: lines cost time to find, and most
documents have no problem.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable

import msgspec

SHOWN = 20
COLLECTED = 100
"""Reading stops there: nobody mends more at a time, and a hostile file could hold millions."""

Path = tuple[str | int, ...]
"""Keys and list positions from the top of the text: (number of the YAML document, "ports", "client", ...)."""

PLURALS = {
    "nodes": "node",
    "networks": "network",
    "subnets": "subnet",
    "routers": "router",
    "ports": "port",
    "instances": "instance",
    "groups": "group",
    "classifiers": "classifier",
    "chains": "chain",
    "graphs": "graph",
    "services": "service",
}


class Problem(msgspec.Struct, frozen=True):
    """``line`` counts from 1, or is None where the whole file is meant. ``hint`` says what to write instead."""

    source: str
    line: int | None
    where: str
    message: str
    hint: str = ""

    def __str__(self) -> str:
        line = "" if self.line is None else f":{self.line}"
        where = f"{self.where}: " if self.where else ""
        hint = f"; {self.hint}" if self.hint else ""
        return f"{self.source}{line}: {where}{self.message}{hint}"


class IntentError(ValueError):
    """A text is no valid intent. ``problems`` are in the order of their lines; str() shows the first 20."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = list(problems)
        super().__init__(self.problems)

    def __str__(self) -> str:
        lines = [str(problem) for problem in self.problems[:SHOWN]]
        if len(self.problems) > SHOWN:
            more = len(self.problems) - SHOWN
            at_least = "at least " if len(self.problems) >= COLLECTED else ""
            lines.append(f"... and {at_least}{more} more")
        return "\n".join(lines)


class Bad(Exception):
    """A value cannot be used. ``at`` leads from the field to the part of it that is wrong."""

    def __init__(self, message: str, hint: str = "", at: Path = ()) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.at = at


class Full(Exception):
    """There are so many problems that reading on is pointless."""


class Finding(msgspec.Struct, frozen=True):
    """A problem before its lines are known. ``other`` is a second place that the message is about."""

    path: Path
    where: str
    message: str
    hint: str
    other: Path | None


class Findings:
    """Collects problems; raises Full when there are too many."""

    def __init__(self) -> None:
        self._found: list[Finding] = []

    def add(self, path: Path, where: str, message: str, hint: str = "", other: Path | None = None) -> None:
        self._found.append(Finding(path, where, message, hint, other))
        if len(self._found) >= COLLECTED:
            raise Full

    def add_bad(self, path: Path, where: str, field: str, bad: Bad) -> None:
        self.add(path + bad.at, where, f"{field} {bad.message}" if field else bad.message, bad.hint)

    def raise_any(self, source: str, locate: Callable[[set[Path]], dict[Path, int]]) -> None:
        """Raise IntentError if anything was found; ``locate`` finds the lines of paths."""
        if not self._found:
            return
        paths = {finding.path for finding in self._found}
        paths |= {finding.other for finding in self._found if finding.other is not None}
        lines = locate(paths)
        problems = []
        for finding in self._found:
            message = finding.message
            if finding.other is not None:
                message += f" (see line {lines[finding.other]})"
            problems.append(Problem(source, lines[finding.path], finding.where, message, finding.hint))
        problems.sort(key=lambda problem: problem.line or 0)
        raise IntentError(problems)


def show(value: str, limit: int = 40) -> str:
    """``value`` in double quotes, with nothing in it that a terminal would obey, and never long."""
    cut = value if len(value) <= limit else value[: limit - 1]
    text = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in cut)
    return f'"{text}"' if cut is value else f'"{text}…"'


def label(kind: str, name: str) -> str:
    """How messages call an object: ``chain "loud"``."""
    return f"{kind} {show(name)}"


def place(path: Path) -> str:
    """The object that a path leads into, or nothing."""
    if len(path) >= 3 and path[1] in PLURALS and isinstance(path[2], str):
        return label(PLURALS[str(path[1])], path[2])
    if len(path) >= 4 and path[1:3] == ("lab", "hosts"):
        return label("lab host", str(path[3]))
    return "lab" if len(path) >= 2 and path[1] == "lab" else ""


def suggest(word: str, known: Iterable[str], otherwise: str = "") -> str:
    """A hint that names the known word which ``word`` was probably meant to be, or ``otherwise``."""
    near = difflib.get_close_matches(word[:64].lower(), list(known), n=1, cutoff=0.6)
    return f"did you mean {near[0]}?" if near else otherwise

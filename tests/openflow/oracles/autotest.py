"""Open vSwitch's test scripts (GNU Autotest, `tests/*.at`), read as text.

The scripts come from Debian's package openvswitch-source, whose archive is read in place, or from the directory that
SEGUE_OVS_SOURCE names (a checkout). Only as much of M4 is understood as the tables of cases need: `[` and `]` quote
and nest, the outermost pair goes away, quadrigraphs (`@<:@`) stand for brackets, `dnl` drops the rest of a line with
its end; in an AT_CHECK, whose arguments are expanded once more, `[[` is `[` too; in an AT_DATA brackets stay.
"""

import os
import re
import tarfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

ARCHIVES = (Path("/usr/src/openvswitch/openvswitch.tar.gz"), Path("/usr/src/openvswitch.tar.gz"))
VARIABLE = "SEGUE_OVS_SOURCE"

_MACRO = re.compile(r"^(AT_SETUP|AT_CHECK|AT_DATA)\(", re.MULTILINE)
_QUADRIGRAPHS = {"@<:@": "[", "@:>@": "]", "@S|@": "$", "@%:@": "#", "@{:@": "(", "@:}@": ")"}
_QUADRIGRAPH = re.compile("|".join(re.escape(mark) for mark in _QUADRIGRAPHS))
_DNL = re.compile(r"\bdnl\b[^\n]*\n?")


class Call(NamedTuple):
    macro: str
    title: str
    arguments: list[str]


def available() -> str | None:
    directory = os.environ.get(VARIABLE)
    if directory:
        return None if (Path(directory) / "tests").is_dir() else f"{VARIABLE}={directory} has no directory tests"
    if any(path.exists() for path in ARCHIVES):
        return None
    return f"no Open vSwitch source: install openvswitch-source or set {VARIABLE}"


@cache
def files() -> dict[str, bytes]:
    """Each file directly under tests/ named *.at, and all of tests/fuzz-regression, by its path below tests/."""
    wanted = re.compile(r"(?:^|/)tests/([a-z0-9-]+\.at|fuzz-regression/[A-Za-z0-9_-]+)$")
    found: dict[str, bytes] = {}
    directory = os.environ.get(VARIABLE)
    if directory:
        for path in sorted((Path(directory) / "tests").rglob("*")):
            name = wanted.search(path.as_posix())
            if name and path.is_file():
                found[name[1]] = path.read_bytes()
        return found
    archive = next((path for path in ARCHIVES if path.exists()), None)
    if archive is not None:
        with tarfile.open(archive) as tar:
            for member in tar:
                name = wanted.search(member.name)
                stream = tar.extractfile(member) if name and member.isfile() else None
                if name and stream:
                    found[name[1]] = stream.read()
    return found


def calls(name: str) -> Iterator[Call]:
    """The AT_SETUP, AT_CHECK and AT_DATA of one script in order, each with the title of the group it stands in."""
    text = files().get(name, b"").decode("utf-8", "replace")
    title = ""
    for found in _MACRO.finditer(text):
        macro = found[1]
        arguments = [_unquote(argument, again=macro != "AT_DATA") for argument in _arguments(text, found.end())]
        if macro == "AT_SETUP" and arguments:
            title = arguments[0]
        yield Call(macro, title, arguments)


def _arguments(text: str, start: int) -> list[str]:
    depth = 0
    begin = start
    arguments: list[str] = []
    for found in re.compile(r"[\[\](),]").finditer(text, start):
        mark = found[0]
        if mark == "[":
            depth += 1
        elif mark == "]":
            depth -= 1
        elif depth == 0 and mark in ",)":
            arguments.append(text[begin : found.start()].strip())
            begin = found.end()
            if mark == ")":
                break
    return arguments


def _unquote(argument: str, again: bool) -> str:
    if not (argument.startswith("[") and argument.endswith("]")):
        return argument
    inner = argument[1:-1]
    if inner.startswith("[") and inner.endswith("]"):  # quoted twice: literal
        return inner[1:-1]
    inner = _DNL.sub("", inner)
    if again:
        inner = re.sub(r"\[(\[*)|\](\]*)", lambda found: found[1] or found[2] or "", inner)
    return _QUADRIGRAPH.sub(lambda found: _QUADRIGRAPHS[found[0]], inner)

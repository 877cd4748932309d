"""JSON and YAML text -> plain trees, and the line of any place in them.

What the two have in common is a stream of events; a tree is built from it, and a second pass over it finds lines,
only when somebody wants to know one. JSON without fault takes a shorter way through the standard library's decoder.

YAML is read as words: no scalar is a number, a time, or a truth value until the field that it stands in says what
it is, so ``no``, ``1e3`` and ``22:30`` never turn into something else. Only an empty value, ``null`` and ``~``, when
not quoted, mean nothing. What makes YAML dangerous (anchors, aliases, tags) is refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NoReturn

import yaml

from segue.intent.problems import IntentError, Path, Problem, place, show

MAX_SIZE = 64 << 20
MAX_DEPTH = 32
SECOND_TRY = 1 << 20
"""Text that is almost JSON may still be YAML; beyond this many characters it is told its JSON mistake only."""

DOCUMENT, MAPPING, LIST, END, KEY, SCALAR = range(6)
Event = tuple[int, Any, int]
"""(what, its value, its line from 1)."""

NULLS = frozenset({"", "~", "null", "Null", "NULL"})

Raw = Any
"""None, bool, int, float, str (Plain where YAML had no quotes), list or dict of these."""


class Plain(str):
    """A YAML scalar without quotes: the one kind of text that may turn out to be a number or a truth value."""

    __slots__ = ()


def fail(source: str, line: int | None, message: str, hint: str = "", where: str = "") -> NoReturn:
    raise IntentError([Problem(source, line, where, message, hint)])


def decode(data: bytes | str, source: str, max_size: int) -> str:
    """Text of a bearable size, without NUL. Raises IntentError."""
    size = len(data) if isinstance(data, bytes) else _encoded_size(data, source)
    if size > max_size:
        fail(source, None, f"file is {size / 1e6:.3g} MB; the limit is {max_size / (1 << 20):g} MiB", "split it")
    if isinstance(data, bytes):
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            fail(source, line, f"byte 0x{data[error.start]:02x} is not UTF-8", "save the file as UTF-8")
    else:
        text = data
    text = text.removeprefix("\ufeff")
    if (at := text.find("\0")) >= 0:
        fail(source, text.count("\n", 0, at) + 1, "there is a NUL byte in the text", "remove it")
    return text


def _encoded_size(text: str, source: str) -> int:
    try:
        return len(text.encode("utf-8"))
    except UnicodeEncodeError as error:
        line = text.count("\n", 0, error.start) + 1
        fail(source, line, "there is half of a surrogate pair in the text", "remove it")


class Text:
    """One file's text, its trees (one for each YAML document), and lines."""

    def __init__(self, data: bytes | str, source: str, max_size: int = MAX_SIZE) -> None:
        self.source = source
        self._text = decode(data, source, max_size)
        self._json = False
        self.documents = self._read()

    def locate(self, paths: set[Path]) -> dict[Path, int]:
        """The line of each path, or of the nearest thing around it that exists."""
        wanted = {path[:length] for path in paths for length in range(1, len(path) + 1)}
        lines = find_lines(self._events(), wanted)
        found = {}
        for path in paths:
            length = len(path)
            while length and path[:length] not in lines:
                length -= 1
            found[path] = lines[path[:length]] if length else 1
        return found

    def _events(self) -> Iterator[Event]:
        if self._json:
            return json_events(self._text, self.source)
        return yaml_events(self._text, self.source)

    def _read(self) -> list[Raw]:
        start = self._text[:200].lstrip()
        if start[:1] not in ("{", "["):
            return build(self._events(), self.source)
        self._json = True
        repeated = False

        def mapping(pairs: list[tuple[str, Raw]]) -> dict[str, Raw]:
            nonlocal repeated
            made = dict(pairs)
            repeated = repeated or len(made) != len(pairs)
            return made

        try:
            tree = json.loads(self._text, object_pairs_hook=mapping, parse_int=_integer, parse_constant=_constant)
            return build(self._events(), self.source) if repeated else [tree]
        except RecursionError:
            return build(self._events(), self.source)
        except json.JSONDecodeError as error:
            line, message = error.lineno, error.msg
        self._json = False
        strict = re.match(r'[{\[]\s*["{\[]', start) is not None
        if len(self._text) <= SECOND_TRY or not strict:
            try:
                return build(self._events(), self.source)
            except IntentError:
                if not strict:
                    raise
        fail(self.source, line, f"this is not JSON: {message[:1].lower()}{message[1:]}")


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= 20 else float(digits)


def _constant(word: str) -> NoReturn:
    raise json.JSONDecodeError(f"{word} is not a value", "", 0)


def _too_deep(source: str, line: int) -> NoReturn:
    fail(source, line, f"nested deeper than {MAX_DEPTH} levels", "nothing in an intent needs more than 8")


_TOKEN = re.compile(r'[ \t\r\n]*(?:([{}\[\]:,])|("[^"\\]*(?:\\.[^"\\]*)*")|([^\s"{}\[\]:,]+))')


def json_events(text: str, source: str) -> Iterator[Event]:
    """Events of JSON that is known to be well-formed, at least as deep as MAX_DEPTH."""
    yield DOCUMENT, None, 1
    line, counted, depth = 1, 0, 0
    in_mapping: list[bool] = []
    key_next = False
    for token in _TOKEN.finditer(text):
        start = token.start(token.lastindex or 0)
        line += text.count("\n", counted, start)
        counted = start
        mark, string, word = token.groups()
        if string is not None:
            yield (KEY if key_next else SCALAR), json.loads(string), line
        elif word is not None:
            yield SCALAR, json.loads(word, parse_int=_integer), line
        elif mark in "{[":
            depth += 1
            if depth > MAX_DEPTH:
                _too_deep(source, line)
            in_mapping.append(mark == "{")
            yield (MAPPING if mark == "{" else LIST), None, line
        elif mark in "}]":
            depth -= 1
            in_mapping.pop()
            yield END, None, line
        key_next = (mark == "{" or mark == ",") and in_mapping[-1]


_CONTROL = re.compile("[\x01-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ufffe\uffff]")


def yaml_events(text: str, source: str) -> Iterator[Event]:
    """Events of YAML; refuses what an intent has no use for."""
    if (control := _CONTROL.search(text)) is not None:
        line = text.count("\n", 0, control.start()) + 1
        fail(source, line, f"control character U+{ord(control[0]):04X} in the text", "remove it")
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(text)
    try:
        yield from _yaml_events(loader, source)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark is not None else 1
        fail(source, line, *_explain(text, error, mark))
    except (yaml.YAMLError, ValueError) as error:
        if isinstance(error, IntentError):
            raise
        fail(source, 1, f"this is not YAML: {str(error)[:100]}")
    finally:
        loader.dispose()


def _yaml_events(loader: Any, source: str) -> Iterator[Event]:
    states: list[int] = []  # for each open collection: LIST, or for mappings KEY or SCALAR, what comes next
    while True:
        event = loader.get_event()
        if event is None:
            return
        line = event.start_mark.line + 1
        kind = type(event)
        if kind is yaml.ScalarEvent:
            if event.anchor is not None or event.tag is not None:
                _refuse(event, source, line)
            value = event.value
            if states and states[-1] == KEY:
                states[-1] = SCALAR
                yield KEY, value, line
                continue
            if event.implicit[0]:
                value = None if value in NULLS else Plain(value)
            yield SCALAR, value, line
        elif kind is yaml.MappingStartEvent or kind is yaml.SequenceStartEvent:
            if event.anchor is not None or event.tag is not None:
                _refuse(event, source, line)
            if states and states[-1] == KEY:
                fail(source, line, "a key must be a word, not a list or a mapping", "check for a stray ? or {")
            if len(states) >= MAX_DEPTH:
                _too_deep(source, line)
            mapping = kind is yaml.MappingStartEvent
            states.append(KEY if mapping else LIST)
            yield (MAPPING if mapping else LIST), None, line
            continue
        elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
            states.pop()
            yield END, None, line
        elif kind is yaml.AliasEvent:
            _refuse(event, source, line)
        elif kind is yaml.DocumentStartEvent:
            yield DOCUMENT, None, line
            continue
        elif kind is yaml.StreamEndEvent:
            return
        else:
            continue
        if states and states[-1] == SCALAR:
            states[-1] = KEY


def _refuse(event: Any, source: str, line: int) -> NoReturn:
    if isinstance(event, yaml.AliasEvent):
        fail(source, line, f"alias {show(str(event.anchor))} is not allowed here", "write the value out")
    if event.anchor is not None:
        fail(source, line, f"anchor {show(str(event.anchor))} is not allowed here", "write the value where it is used")
    fail(source, line, f"tag {show(str(event.tag))} is not allowed here", "remove it, values need no tags")


_LONG_KEY = re.compile(r"\s*([^\s:]{1024,})\s*:")
"""What YAML does not take for a key any more, though it stands before a colon."""


def _explain(text: str, error: yaml.MarkedYAMLError, mark: Any) -> tuple[str, str]:
    problem = error.problem or "it cannot be read"
    here = ""
    if mark is not None:
        lines = text.splitlines()
        if mark.line < len(lines):
            here = lines[mark.line][mark.column : mark.column + 1]
    if here == "\t":
        return "a tab cannot indent YAML", "use spaces"
    if "cannot start any token" in problem and here:
        return f"a value cannot start with {here}", f"put it in quotes: '{here}...'"
    if mark is not None and (long := _LONG_KEY.match(lines[mark.line] if mark.line < len(lines) else "")):
        return f"a name of {len(long[1])} characters", "names have at most 63"
    if "mapping values are not allowed" in problem:
        return "a second colon on the line", "put the value in quotes, or start a new line"
    return f"this is not YAML: {problem}", "check the indentation, brackets and quotes around here"


def build(events: Iterator[Event], source: str) -> list[Raw]:
    """The trees of all documents. Raises IntentError when a key stands twice in a mapping."""
    documents: list[Raw] = []
    problems: list[Problem] = []
    stack: list[tuple[Raw, dict[str, int]]] = []  # open collections, and the lines of a mapping's keys
    keys: list[str] = []  # the key that each open mapping waits on
    container: Raw = documents
    for kind, value, line in events:
        if kind == KEY:
            lines = stack[-1][1]
            if value in lines and len(problems) < 100:
                where = place((0, *keys[:-1], value))
                message = f"key {show(value)} stands here a second time (see line {lines[value]})"
                problems.append(Problem(source, line, where, message, "keep one"))
            lines[value] = line
            keys[-1] = value
            continue
        if kind == DOCUMENT:
            continue
        if kind == END:
            if isinstance(container, dict):
                keys.pop()
            stack.pop()
            container = stack[-1][0] if stack else documents
            continue
        item: Raw = {} if kind == MAPPING else [] if kind == LIST else value
        if isinstance(container, dict):
            container[keys[-1]] = item
        else:
            container.append(item)
        if kind != SCALAR:
            container = item
            stack.append((item, {}))
            if kind == MAPPING:
                keys.append("")
    if problems:
        raise IntentError(problems)
    return documents


def find_lines(events: Iterator[Event], wanted: set[Path]) -> dict[Path, int]:
    """The lines of those wanted paths that exist: a key's own line, a list item's first."""
    lines: dict[Path, int] = {}
    document = -1
    path: Path | None = None  # of what comes next; None inside what nobody wants
    stack: list[tuple[Path | None, int]] = []  # open collections: path, and position for lists or -1
    for kind, value, line in events:
        if kind == DOCUMENT:
            document += 1
            path = (document,)
            lines[path] = line
            continue
        if kind == KEY:
            around = stack[-1][0]
            path = None if around is None else (*around, value)
            if path is not None and path in wanted:
                lines.setdefault(path, line)
            else:
                path = None
            continue
        if kind == END:
            stack.pop()
            continue
        if stack and stack[-1][1] >= 0:
            around, position = stack[-1]
            stack[-1] = (around, position + 1)
            path = None if around is None else (*around, position)
            if path is not None and path in wanted:
                lines[path] = line
            else:
                path = None
        if kind != SCALAR:
            stack.append((path, 0 if kind == LIST else -1))
    return lines

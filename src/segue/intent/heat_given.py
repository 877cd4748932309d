"""What Heat templates are given from outside: parameters of the command line, and files of them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from segue.intent.problems import Findings, Full, Path, Problem, show, suggest
from segue.intent.text import Raw, Text
from segue.intent.values import describe

MAX_SIZE = 1 << 20
_ENVIRONMENT = ("parameters", "parameter_defaults")
_NOT_READ = ("resource_registry", "parameter_merge_strategies", "encrypted_param_names", "event_sinks")


class Value(msgspec.Struct, frozen=True):
    """``origin``: who gave it, in words."""

    raw: Raw
    origin: str


class Given:
    """What is given to all templates of one change; remembers what they asked for.

    ``values`` must be asked for by some template, ``defaults`` need not.
    """

    def __init__(self, values: Mapping[str, Value] | None = None, defaults: Mapping[str, Value] | None = None) -> None:
        self._values = dict(values or {})
        self._defaults = dict(defaults or {})
        self._asked: set[str] = set()

    def find(self, name: str) -> Value | None:
        self._asked.add(name)
        return self._values.get(name, self._defaults.get(name))

    def unasked(self) -> Iterator[Problem]:
        """What was given, and nobody asked for."""
        names = [name for name in sorted(self._asked) if not name.startswith("OS::")]
        for name, value in self._values.items():
            if name not in self._asked:
                known = ", ".join(names[:8])
                otherwise = (
                    f"the templates have {known}" if known else "none of the files is a template with parameters"
                )
                hint = suggest(name, names, otherwise)
                yield Problem(value.origin, None, "", f"there is no parameter {show(name)}", hint)


def read_given(parameters: Mapping[str, str], files: Iterable[tuple[str, str]]) -> Given:
    """``parameters`` come before ``files``, (source, text), and later files before earlier ones.

    A file is a mapping of names to values, or a Heat environment. Raises IntentError.
    """
    values: dict[str, Value] = {}
    defaults: dict[str, Value] = {}
    for source, data in files:
        text = Text(data, source, MAX_SIZE)
        findings = Findings()
        sections: list[tuple[Path, dict[str, Raw]]] = []
        with contextlib.suppress(Full):
            sections = _sections(text.documents, findings)
        findings.raise_any(source, text.locate)
        lines = text.locate({(*path, name) for path, section in sections for name in section})
        for path, section in sections:
            into = defaults if path[-1] == "parameter_defaults" else values
            into |= {name: Value(raw, f"{source}:{lines[*path, name]}") for name, raw in section.items()}
    values |= {name: Value(raw, "--param") for name, raw in parameters.items()}
    return Given(values, defaults)


def _sections(trees: list[Raw], findings: Findings) -> list[tuple[Path, dict[str, Raw]]]:
    """Where parameters stand in a file, and what stands there."""
    tree = trees[0] if trees else None
    if len(trees) > 1:
        findings.add((1,), "", "parameters are one YAML document", "remove what follows ---")
        return []
    if tree is None:
        return []
    if not isinstance(tree, dict):
        findings.add((0,), "", f"parameters are a mapping, not {describe(tree)}", "write NAME: VALUE")
        return []
    if not any(key in tree for key in (*_ENVIRONMENT, "resource_registry")):
        return [((0,), tree)]
    sections: list[tuple[Path, dict[str, Raw]]] = []
    for key, raw in tree.items():
        if key in _ENVIRONMENT:
            if isinstance(raw, dict):
                sections.append(((0, key), raw))
            elif raw is not None:
                findings.add((0, key), "", f"{key} must be a mapping, not {describe(raw)}", "write NAME: VALUE")
        elif key in _NOT_READ:
            if raw:
                findings.add((0, key), "", f"{key} of an environment is not read", "remove it")
        else:
            hint = suggest(key, (*_ENVIRONMENT, *_NOT_READ), "an environment has parameters and parameter_defaults")
            findings.add((0, key), "", f"there is no key {show(key)} in an environment", hint)
    return sections

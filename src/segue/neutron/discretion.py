"""What a project is told when something of another project is in its way: that it is there, and not what it is.

An administrator is told all. An object that is in no project is an operator's, and no project's to know of either.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from segue.neutron.caller import Caller
from segue.neutron.names import NATIVE, id_of
from segue.neutron.state import Resource, State, visible

FOREIGN = "something of another project"
IN_THE_WAY = f"{FOREIGN} is in the way"

_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_HEAD = re.compile(r"[a-z]+ \S+( \(\w+\))?(?=: )")
"""Of a problem: the object that has it, and the field."""


def named(caller: Caller, resource: Resource | None, words: str) -> str:
    """``words``, which name the resource, where the caller may see it."""
    return words if resource is not None and visible(caller, resource) else FOREIGN


def one_of(state: State, caller: Caller, found: Iterable[tuple[str, str]]) -> str:
    """In words, one of these objects, by kind and id: one that the caller may see, if there is any. Empty for none."""
    told = ""
    for kind, id in found:
        told = named(caller, state.get(kind, id), f"{kind.replace('_', ' ')} {id}")
        if told != FOREIGN:
            break
    return told


def discreet(state: State, caller: Caller, text: str) -> str:
    """A text of one problem to a line, which names objects as they are declared; those that name another project's
    say no more than that. What the text says of the caller's own object in front stays."""
    if caller.admin:
        return text
    foreign = {word for word in _words(text) if _is_foreign(state, caller, word)}
    return "\n".join(dict.fromkeys(_line(line, foreign) for line in text.splitlines()))


def _line(line: str, foreign: set[str]) -> str:
    if foreign.isdisjoint(_words(line)):
        return line
    head = _HEAD.match(line)
    own = head is not None and foreign.isdisjoint(_words(head[0]))
    return f"{head[0]}: {IN_THE_WAY}" if head is not None and own else IN_THE_WAY


def _words(text: str) -> set[str]:
    """All that may be names, with the full stop at the end of a sentence and without."""
    return {form for word in _WORD.findall(text) for form in (word, word.rstrip("."))}


def _is_foreign(state: State, caller: Caller, word: str) -> bool:
    """Whether an object of any kind has this id or declared name, and none of the caller's has."""
    found = [state.get(kind, id) for kind, native in NATIVE.items() for id in {word, id_of(native, word)}]
    there = [resource for resource in found if resource is not None]
    return bool(there) and not any(visible(caller, resource) for resource in there)

"""What a project is told when something of another project is in its way: that it is there, and not what it is.

An administrator is told all. An object that is in no project is an operator's, and no project's to know of either.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from segue.neutron.caller import Caller
from segue.neutron.names import NATIVE, id_of
from segue.neutron.state import Resource, State, visible

FOREIGN = "something of another project"
IN_THE_WAY = f"{FOREIGN} is in the way"

_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]*"
_ID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_LOOKED_UP: dict[str, tuple[str, ...]] = {kind: (native,) for native, kind in NATIVE.items()}
_LOOKED_UP["instance"] = _LOOKED_UP["group"] = ("port_pair", "port_pair_group")
"""Neutron's kinds by the word in texts. A chain's group may be an instance, and is called a group all the same."""
_KINDS = "|".join(_LOOKED_UP)
_NO_OBJECTS = ("encapsulation", "field", "node")
"""What stands in front of a quoted word that is the name of no object of the networking API."""

_HEAD = re.compile(r"[a-z]+ \S+( \(\w+\))?(?=: )")
"""Of a problem: the object that has it, and the field."""
_IDS = re.compile(_ID)
_LONGER = re.compile(rf"\b(?:flow classifier|port pair group|port pair|port chain|service graph) (?={_ID})")
"""Neutron's kinds, which are of several words, in front of the id. In front of a name they are not written."""
_QUOTED = re.compile(rf"(?:(?<![\w.-])(?P<kind>[a-z]+) )?(?<!\w)(?P<quote>['\"])(?P<name>{_NAME})(?P=quote)")
_AFTER_KIND = re.compile(rf"(?<![\w.-])(?<!\ba )(?<!\b(?:an|no) )(?<!\b(?:the|one) )({_KINDS})(?=[ /]({_NAME}))")
"""A name is behind its kind; behind `a port`, `no port` and the like there is prose."""
_LIST = re.compile(rf"{_NAME}(?: > {_NAME})+")


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
    say no more than that. What the text says of the caller's own object in front stays.

    Names are told from prose by their form: an id; a word in quotes; the word behind a kind; what is in a list
    ``a > b``. The kind in front says what is looked up; without one, and in ``group or instance 'x'``, all kinds are.
    A text that writes names otherwise has to be taught here.
    """
    if caller.admin:
        return text
    return "\n".join(dict.fromkeys(_line(state, caller, line) for line in text.splitlines()))


def _line(state: State, caller: Caller, line: str) -> str:
    if not _is_telling(state, caller, line):
        return line
    head = _HEAD.match(line)
    if head is None or _is_telling(state, caller, head[0]):
        return IN_THE_WAY
    return f"{head[0]}: {IN_THE_WAY}"


def _is_telling(state: State, caller: Caller, text: str) -> bool:
    return any(_is_foreign(state, caller, kinds, name) for kinds, name in _named_in(text))


def _named_in(text: str) -> Iterator[tuple[Iterable[str], str]]:
    """All that may be names of objects, each with Neutron's kinds that it may be of."""
    for found in _IDS.finditer(text):
        yield NATIVE, found[0]
    for found in _QUOTED.finditer(text):
        if found["kind"] not in _NO_OBJECTS:
            sure = found["kind"] in _LOOKED_UP and not text[: found.start()].endswith(" or ")
            yield _LOOKED_UP[found["kind"]] if sure else NATIVE, found["name"]
    for found in _AFTER_KIND.finditer(_LONGER.sub("", text)):
        for name in {found[2], found[2].rstrip(".")}:  # a name may end with a full stop, and so may a sentence
            yield _LOOKED_UP[found[1]], name
    for found in _LIST.finditer(text):
        for word in found[0].split(" > "):
            for name in {word, word.rstrip(".")}:
                yield NATIVE, name


def _is_foreign(state: State, caller: Caller, kinds: Iterable[str], name: str) -> bool:
    """Whether an object of one of these kinds has this id or declared name, and none of the caller's has."""
    found = [state.get(kind, id) for kind in kinds for id in {name, id_of(NATIVE[kind], name)}]
    there = [resource for resource in found if resource is not None]
    return bool(there) and not any(visible(caller, resource) for resource in there)

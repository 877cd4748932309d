"""Which messages are shown: by type, by who said it, and by what is in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from segue.cli.errors import Mistake
from segue.openflow import json_unknown
from segue.openflow.as_json import multipart_name
from segue.openflow.declare import MESSAGES, REPLIES, REQUESTS
from segue.openflow.wire import VERSIONS

Test = Callable[[Mapping[str, Any]], bool]


def types(words: str, option: str) -> frozenset[str]:
    """Names of types, and of multipart types. Raises Mistake."""
    wanted = frozenset(word.strip() for word in words.split(",") if word.strip())
    known: set[str] = set()
    for version in VERSIONS:
        for home in (MESSAGES, REQUESTS, REPLIES):
            known.update(home.by_name(version), json_unknown.names(home, version))
    known |= {multipart_name(home, version) for home in (REQUESTS, REPLIES) for version in VERSIONS}
    for name in sorted(wanted - known):
        if not name.isdecimal():
            from difflib import get_close_matches

            near = get_close_matches(name.upper()[:60], known, n=3, cutoff=0.5)
            hint = f"; did you mean {' or '.join(near)}?" if near else "; names are such as OFPT_FLOW_MOD"
            raise Mistake(f"{option}: there is no type {name}{hint}")
    return wanted


def by_type(wanted: frozenset[str]) -> Test:
    return lambda obj: str(obj.get("type")) in wanted or str(obj.get("multipart_type")) in wanted


def where(test: str) -> Test:
    """`PATH=VALUE`, `PATH!=VALUE`, `PATH`. Raises Mistake."""
    path, equals, wanted = test.partition("=")
    differs = path.endswith("!")
    keys = [key.strip() for key in path.removesuffix("!").split(".")]
    if not all(keys):
        raise Mistake(f"--where {test!r}: write PATH=VALUE, such as match.eth_dst=00:00:00:00:00:01")
    wanted = wanted.strip()

    def holds(obj: Mapping[str, Any]) -> bool:
        found = list(_at(obj, keys))
        if not equals:
            return bool(found)
        same = any(_same(value, wanted) for value in found)
        return not same if differs else same

    return holds


def _at(value: Any, keys: list[str]) -> Iterator[Any]:
    """All that the path leads to. Names of fields may have dots in them in no version."""
    if isinstance(value, list):
        for one in value:
            yield from _at(one, keys)
    elif not keys:
        yield value
    elif isinstance(value, Mapping) and keys[0] in value:
        yield from _at(value[keys[0]], keys[1:])


def _same(value: Any, wanted: str) -> bool:
    if isinstance(value, str) and value.lower() == wanted.lower():
        return True
    if isinstance(value, Mapping):
        return False
    try:
        return int(str(value), 0) == int(wanted, 0)
    except ValueError:
        return str(value) == wanted

"""The kinds of objects as people may write them.

The server has the last word on kinds; this copy of their names (a test holds it equal) saves the client from loading
the model, and lets a command line be refused before anybody is asked.
"""

from __future__ import annotations

from segue.cli.errors import Mistake

PLURALS = {
    "node": "nodes",
    "network": "networks",
    "subnet": "subnets",
    "router": "routers",
    "port": "ports",
    "instance": "instances",
    "group": "groups",
    "classifier": "classifiers",
    "chain": "chains",
    "graph": "graphs",
    "service": "services",
}
NETWORKING_SFC = {
    "port-pair": "instance",
    "port-pair-group": "group",
    "flow-classifier": "classifier",
    "port-chain": "chain",
    "service-graph": "graph",
}
"""What networking-sfc calls them."""

_WORDS = {
    **{kind: kind for kind in PLURALS},
    **{plural: kind for kind, plural in PLURALS.items()},
    **NETWORKING_SFC,
    **{f"{word}s": kind for word, kind in NETWORKING_SFC.items()},
}

LISTED = f"""\
kinds: {", ".join(PLURALS)};
or their plurals; or as networking-sfc calls them:
{", ".join(f"{theirs} ({ours})" for theirs, ours in NETWORKING_SFC.items())}"""
"""For the end of a command's help."""


def kind_of(word: str, *others: str) -> str:
    """The kind that a word means; ``others`` are words that the command knows besides. Raises Mistake."""
    lower = word.lower()
    if lower in others:
        return lower
    # The Neutron client's own spellings have underscores in places.
    found = _WORDS.get(lower.replace("_", "-"))
    if found is not None:
        return found
    from difflib import get_close_matches

    near = get_close_matches(lower, [*_WORDS, *others], n=1, cutoff=0.6)
    hint = f"did you mean {near[0]}?" if near else f"kinds are: {', '.join([*PLURALS, *others])}"
    raise Mistake(f"there is no kind {word[:60]!r}; {hint}")


def refs_of(words: list[str]) -> list[tuple[str, str]]:
    """``KIND NAME...`` or ``KIND/NAME...`` as (kind, name). Raises Mistake."""
    if "/" in words[0]:
        refs = []
        for word in words:
            kind, slash, name = word.partition("/")
            if not slash or not name:
                raise Mistake(f"{word[:80]!r} is not KIND/NAME, as the first one is")
            refs.append((kind_of(kind), name))
        return refs
    kind = kind_of(words[0])
    if len(words) == 1:
        raise Mistake(f"which {kind}? write: {kind} NAME...")
    return [(kind, name) for name in words[1:]]

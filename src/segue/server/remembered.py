"""How chains are, as last computed, until something happens that may have made it another.

Of each chain two things: its state (``status.chain_state``), which all who ask are told, and what the networking API
makes of that. Whoever computes one keeps it here with the nodes whose acknowledgement may change it; whoever changes
anything else that it is made of says ``forget``, which forgets both. What is found here is never stale: all of it
happens in one thread, and things are forgotten in the call that changes them. Chains are named as declared; one that
cannot be declared yet, by the id that will be its name.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

What = Literal["state", "status"]
"""``status``: the networking API's."""


class Remembered:
    def __init__(self) -> None:
        self._known: dict[str, dict[What, Any]] = {}
        self._awaited: dict[str, set[str]] = {}
        """By node: the chains of which it may change something by what it acknowledges."""
        self._nodes: dict[str, frozenset[str]] = {}

    def get(self, chain: str, what: What) -> Any:
        """None: it is to be computed."""
        known = self._known.get(chain)
        return None if known is None else known.get(what)

    def keep(self, chain: str, what: What, value: Any, nodes: Iterable[str] = ()) -> None:
        self._known.setdefault(chain, {})[what] = value
        awaited = frozenset(nodes)
        if awaited:
            self._nodes[chain] = self._nodes.get(chain, awaited) | awaited
        for node in awaited:
            self._awaited.setdefault(node, set()).add(chain)

    def forget(self, chain: str) -> None:
        if self._known.pop(chain, None) is None:
            return
        for node in self._nodes.pop(chain, ()):
            self._awaited[node].discard(chain)
            if not self._awaited[node]:
                del self._awaited[node]

    def heard(self, node: str) -> None:
        """``node`` has acknowledged something."""
        for chain in list(self._awaited.get(node, ())):
            self.forget(chain)

    def clear(self) -> None:
        self._known.clear()
        self._awaited.clear()
        self._nodes.clear()

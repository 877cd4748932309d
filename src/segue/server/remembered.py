"""How chains are, as last computed, until something happens that may have made it another.

Whoever computes keeps the result here with the nodes whose acknowledgement may change it; whoever changes anything else
that a chain's state is made of says ``forget``. What is found here is never stale: all of it happens in one thread, and
things are forgotten in the call that changes them. Chains are named as declared; one that cannot be declared yet, by
the id that will be its name.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


class Remembered:
    def __init__(self) -> None:
        self._known: dict[str, Any] = {}
        self._awaited: dict[str, set[str]] = {}
        """By node: the chains whose state it may change by what it acknowledges."""
        self._nodes: dict[str, frozenset[str]] = {}

    def __contains__(self, chain: str) -> bool:
        return chain in self._known

    def get(self, chain: str) -> Any:
        """None: it is to be computed."""
        return self._known.get(chain)

    def keep(self, chain: str, state: Any, nodes: Iterable[str] = ()) -> None:
        self.forget(chain)
        self._known[chain] = state
        awaited = frozenset(nodes)
        if awaited:
            self._nodes[chain] = awaited
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

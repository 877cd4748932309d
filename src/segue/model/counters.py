"""Names of what is counted: packets and bytes where a chain begins, at each instance, and where it ends, and those
handed to an injected service.

A name is ``entered/CHAIN/DIRECTION``, ``left/CHAIN/DIRECTION``, ``visited/CHAIN/DIRECTION/GROUP/INSTANCE``, or
``service/NAME``. Names of objects have no slash, so names can be taken apart again.
"""

from __future__ import annotations

Count = tuple[int, int]
"""(packets, bytes)."""


def entered(chain: str, direction: str) -> str:
    return f"entered/{chain}/{direction}"


def left(chain: str, direction: str) -> str:
    return f"left/{chain}/{direction}"


def visited(chain: str, direction: str, group: str, instance: str) -> str:
    return f"visited/{chain}/{direction}/{group}/{instance}"


def served(service: str) -> str:
    return f"service/{service}"


def counts_for(name: str, chain: str) -> bool:
    """Whether ``name`` is a counter of ``chain``."""
    kind, *of = name.split("/", 2)
    return kind != "service" and of[:1] == [chain]


def add(one: Count, other: Count) -> Count:
    return (one[0] + other[0], one[1] + other[1])


def less(one: Count, other: Count) -> Count:
    """``one`` without ``other``; not below nothing."""
    return (max(0, one[0] - other[0]), max(0, one[1] - other[1]))

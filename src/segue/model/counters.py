"""Names of what is counted: packets and bytes where a chain begins, at each instance, and where it ends.

A name is ``entered/CHAIN/DIRECTION``, ``left/CHAIN/DIRECTION``, or ``visited/CHAIN/DIRECTION/GROUP/INSTANCE``. Names of
objects have no slash, so names can be taken apart again.
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


def counts_for(name: str, chain: str) -> bool:
    """Whether ``name`` is a counter of ``chain``."""
    return name.split("/", 2)[1:2] == [chain]


def add(one: Count, other: Count) -> Count:
    return (one[0] + other[0], one[1] + other[1])


def less(one: Count, other: Count) -> Count:
    """``one`` without ``other``; not below nothing."""
    return (max(0, one[0] - other[0]), max(0, one[1] - other[1]))

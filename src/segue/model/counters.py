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


def add(one: Count, other: Count) -> Count:
    return (one[0] + other[0], one[1] + other[1])


def since(before: Count, now: Count) -> Count:
    """How much was added; a counter that fell has begun anew."""
    if now[0] < before[0]:
        return now
    return (now[0] - before[0], now[1] - before[1])

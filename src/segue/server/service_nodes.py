"""Which nodes hold what they were told of an injected service, and who waits for that.

Two things are waited for. A barrier waits until every connected node has *answered*: it holds the change, or its agent
has said of this very change why it does not, as its switch is away, or refuses a change of the network's. So a switch
that is down keeps no controller waiting. What has to be gone, a revoked token's flows, waits until every connected node
*holds* it; who may not is named, and so is a node without an agent, whose switch goes on with what it had.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Mapping

from segue.server.conductor import Conductor

Told = Mapping[str, int]
"""By node: the revision by which it was told."""


def lacking(conductor: Conductor, service: str, told: Told) -> list[str]:
    """The nodes that do not hold it, for all that is known, in the order of their names."""
    return sorted(
        node
        for node, revision in told.items()
        if conductor.knows(node) and conductor.holds(node, service) < _due(conductor, node, revision)
    )


def silent(conductor: Conductor, service: str, told: Told) -> list[str]:
    """The connected nodes that have not answered yet."""
    return [
        node
        for node in lacking(conductor, service, told)
        if node in conductor.connected and conductor.failed.get(node, -1) < _due(conductor, node, told[node])
    ]


def _due(conductor: Conductor, node: str, revision: int) -> int:
    return min(revision, conductor.sent.get(node, 0))


async def answered(conductor: Conductor, service: str, told: Callable[[], Told]) -> None:
    """``told``: asked each time, as nodes come and go."""
    await _until(conductor, lambda: not silent(conductor, service, told()))


async def confirmed(conductor: Conductor, service: str, told: Told, within: float) -> list[str]:
    """Who does not hold it when all that are connected do, or ``within`` seconds are over."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(max(0.0, within)):
            await _until(conductor, lambda: conductor.connected.isdisjoint(lacking(conductor, service, told)))
    return lacking(conductor, service, told)


async def _until(conductor: Conductor, true: Callable[[], bool]) -> None:
    moved = asyncio.Event()
    conductor.moved.followers.add(moved)
    try:
        while not true():
            moved.clear()
            await moved.wait()
    finally:
        conductor.moved.followers.discard(moved)


def words(conductor: Conductor, nodes: list[str], *, named: bool) -> list[str]:
    """Why they do not hold it. ``named``: for who may know of nodes; others hear how many there are."""
    if named:
        return [f"node {node} {conductor.why(node)}" for node in nodes]
    why = Counter(_plain(conductor, node) for node in nodes)
    return [f"{count} node{'' if count == 1 else 's'}: {what}" for what, count in sorted(why.items())]


def _plain(conductor: Conductor, node: str) -> str:
    if node not in conductor.connected:
        return "no agent connected"
    return "the switch is away, or refuses a change" if node in conductor.errors else "at work"

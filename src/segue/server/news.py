"""What happens to objects, for whoever reads on: from a revision of the store, or with a listing first.

A reader holds the number of the last revision it was given, and no queue: the store remembers for it. One that reads so
slowly that the store no longer reaches back is told to forget, and given a listing. A stream that is broken off in the
middle of a revision is resumed before that one: the last event of a revision alone carries its number.

States (``states``) belong to no revision, and none of them is lost: whoever comes is told each that there is.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator
from functools import lru_cache
from typing import Any, Literal

import msgspec

from segue.model.intent import KINDS, Ref
from segue.server.conductor import Conductor
from segue.server.history import ROOM, ref_of
from segue.server.states import States
from segue.store.base import Change, Compacted, Snapshot, Store

What = Literal["added", "changed", "removed", "status", "listed", "reset", "packet-in", "lost"]
CHUNK = 500
"""Events that are given at once."""
WATCHED = ("chain", "node")
"""Kinds that have a state."""

_ORDER = {kind: position for position, kind in enumerate(KINDS)}
_encode = msgspec.json.Encoder().encode


class Event(msgspec.Struct, frozen=True):
    """``data`` is JSON. ``revision``: with this event the reader has all of it; None: in the middle."""

    what: What
    data: bytes
    revision: int | None = None


class Scope(msgspec.Struct, frozen=True):
    """Which objects. None: all."""

    kind: str | None = None
    name: str | None = None

    @property
    def prefix(self) -> str:
        return ROOM if self.kind is None else f"{ROOM}{self.kind}/{self.name or ''}"

    def __contains__(self, ref: Ref) -> bool:
        return self.kind in (None, ref[0]) and self.name in (None, ref[1])


class News:
    def __init__(self, store: Store, conductor: Conductor) -> None:
        self._store = store
        self._conductor = conductor
        self.states = States(conductor)
        self._closed = False

    def close(self) -> None:
        """All readers come to their end."""
        self._closed = True
        self.states.wake()

    async def follow(self, scope: Scope, since: int | None, beat: float) -> AsyncGenerator[list[Event], None]:
        """What happens after ``since``, or a listing and what happens then; an empty list where ``beat`` seconds bring
        nothing. Ends when this is closed."""
        async with self.states.followed():
            reader = _Reader(scope)
            while True:
                if since is None:
                    snapshot = await asyncio.to_thread(self._store.snapshot, scope.prefix)
                    for events in _listing(snapshot, scope):
                        yield events
                    since = snapshot.revision
                reader.revision = since
                try:
                    async with contextlib.aclosing(self._after(reader, beat)) as batches:
                        async for events in batches:
                            yield events
                except Compacted as behind:
                    yield [Event("reset", _encode({"reason": str(behind)}))]
                    since = None
                else:
                    return

    async def _after(self, reader: _Reader, beat: float) -> AsyncGenerator[list[Event], None]:
        """Raises Compacted."""
        loop = asyncio.get_running_loop()
        watch = self._store.watch(reader.scope.prefix, reader.revision)
        pending = asyncio.create_task(_next(watch))
        said = loop.time()
        try:
            while not self._closed:
                await asyncio.sleep(0)  # a watch that reaches too far says so before anything is told
                later = self.states.later()
                events: list[Event] = []
                if pending.done():
                    found = pending.result()
                    if found is None:
                        return
                    events += self._events(reader.scope, *found)
                    reader.revision = found[0]
                    pending = asyncio.create_task(_next(watch))
                events += reader.states(self.states)
                if events or loop.time() - said >= beat:
                    yield events
                    said = loop.time()
                left = max(0.0, said + beat - loop.time())
                either: list[asyncio.Future[Any]] = [pending, later]
                await asyncio.wait(either, timeout=left, return_when=asyncio.FIRST_COMPLETED)
        finally:
            pending.cancel()
            await asyncio.gather(pending, return_exceptions=True)
            await watch.aclose()

    def _events(self, scope: Scope, revision: int, changes: list[Change]) -> list[Event]:
        events = []
        for change in changes:
            ref = ref_of(change.key)
            if ref in scope:
                came = self._conductor.history.came(ref, revision)
                what: What = "removed" if change.value is None else "added" if came else "changed"
                events.append(Event(what, _data(ref, change.value)))
        if events:
            events[-1] = msgspec.structs.replace(events[-1], revision=revision)
        return events


class _Reader:
    """``revision``: of all until then it was told."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.revision = 0
        self._number = 0
        self._early: set[Ref] = set()
        """Whose state is another, but not to be told before the object is."""

    def states(self, states: States) -> list[Event]:
        if self.scope.kind not in (None, *WATCHED):
            return []
        self._number, found = states.after(self._number)
        refs = dict.fromkeys([*sorted(self._early), *(ref for ref in found if ref in self.scope)])
        known = {ref: states.current[ref] for ref in refs if ref in states.current}
        self._early = {ref for ref, state in known.items() if state.revision > self.revision}
        return [
            Event("status", _encode({"kind": ref[0], "name": ref[1], "status": _told(state.state, state.reasons)}))
            for ref, state in known.items()
            if ref not in self._early
        ]


def _told(state: str, reasons: Iterable[str]) -> dict[str, object]:
    return {"state": state, "reasons": list(reasons)}


async def _next(watch: AsyncIterator[tuple[int, list[Change]]]) -> tuple[int, list[Change]] | None:
    return await anext(watch, None)


def _listing(snapshot: Snapshot, scope: Scope) -> Iterator[list[Event]]:
    refs = {ref: key for key in snapshot.items if (ref := ref_of(key)) in scope}
    events = [
        Event("added", _data(ref, snapshot.items[refs[ref]].value))
        for ref in sorted(refs, key=lambda ref: (_ORDER[ref[0]], ref[1]))
    ]
    events.append(Event("listed", _encode({"revision": snapshot.revision, "count": len(refs)}), snapshot.revision))
    for start in range(0, len(events), CHUNK):
        yield events[start : start + CHUNK]


@lru_cache(1024)
def _data(ref: Ref, value: bytes | None) -> bytes:
    """The same for all readers. What lies in the store is the object as JSON."""
    about: dict[str, object] = {"kind": ref[0], "name": ref[1]}
    return _encode(about if value is None else about | {"object": msgspec.Raw(value)})

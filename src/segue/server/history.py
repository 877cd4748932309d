"""At which revisions of the store objects came, and became what they are.

The revision of an object is durable: it is the store's. Which revision an object came with is known for the changes
that this run of the server made, and for so many of them.
"""

from __future__ import annotations

import asyncio

from segue.model.intent import Objects, Ref
from segue.server.declared import After
from segue.store.base import Snapshot

REMEMBERED = 50_000
"""Objects whose coming is remembered."""
ROOM = "object/"


class History:
    def __init__(self) -> None:
        self.revisions: dict[Ref, int] = {}
        """Of each object: the revision that last changed it."""
        self._came: dict[int, frozenset[Ref]] = {}
        self._size = 0

    def load(self, snapshot: Snapshot) -> None:
        """What is there now."""
        found = ((ref_of(key), item.revision) for key, item in snapshot.items.items() if key.startswith(ROOM))
        self.revisions = dict(found)

    def note(self, revision: int, before: Objects, after: After) -> None:
        """This revision made of ``before`` what is in ``after``."""
        for ref, value in after.items():
            if value is None:
                self.revisions.pop(ref, None)
            else:
                self.revisions[ref] = revision
        came = frozenset(ref for ref, value in after.items() if value is not None and ref not in before)
        if came:
            self._came[revision] = came
            self._size += len(came)
        while self._size > REMEMBERED:
            self._size -= len(self._came.pop(next(iter(self._came))))

    def came(self, ref: Ref, revision: int) -> bool:
        """Whether ``ref`` is known to have come with ``revision``."""
        return ref in self._came.get(revision, ())


class Movement(asyncio.Event):
    """Set whenever something moves, and the events of all ``followers`` with it, which each of them clears alone."""

    def __init__(self) -> None:
        super().__init__()
        self.followers: set[asyncio.Event] = set()

    def set(self) -> None:
        super().set()
        for follower in self.followers:
            follower.set()


def ref_of(key: str) -> Ref:
    """Of ``object/KIND/NAME``."""
    _, kind, name = key.split("/", 2)
    return kind, name

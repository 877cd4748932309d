"""The one interface to Segue's state, whichever engine keeps it.

Rules that hold for every engine, so that the server and whoever watches need not
know which one runs:

* A key is a path of text ("chain/loud", "node/n1/observed"); a value is bytes, never interpreted here.
* There is one revision for the whole store, an int that starts at 0 and grows by one with every
  transaction that changes anything. A transaction that changes nothing (compares alone, or deletes of keys
  that are not there) leaves it alone. Putting the value a key already has counts as a change, as in etcd.
* A transaction is all or nothing. Its compares are judged first, against the state before it.
* An item carries the revision that last put it, and 0 stands for "there is no such key": so a compare with
  revision 0 means "must not exist", and one with an item's revision means "nobody has touched it since".
* A reader takes a snapshot and then watches from the snapshot's revision: it misses nothing and sees
  nothing twice. Whoever comes back later resumes from the last revision it was given. The engine remembers
  only so many revisions; a reader that asks for older ones is told (`Compacted`) to take a snapshot anew.

Every error is a `StoreError` whose text is a sentence for the person who runs Segue: what happened, whether
anything changed, what to do.
"""

import re
from collections.abc import AsyncGenerator, Mapping
from typing import Protocol

import msgspec


class Item(msgspec.Struct, frozen=True, gc=False):
    """A value and the revision of the transaction that put it."""

    value: bytes
    revision: int


class Snapshot(msgspec.Struct, frozen=True):
    """All items under a prefix, by key in ascending order, as they were at one revision of the store."""

    revision: int
    items: dict[str, Item]


class Compare(msgspec.Struct, frozen=True):
    """A condition: `key` was last put at `revision`; revision 0: there is no such key."""

    key: str
    revision: int


class Transaction(msgspec.Struct, frozen=True):
    """What is to change, and under which conditions. A key is put or deleted, not both."""

    compares: tuple[Compare, ...] = ()
    puts: Mapping[str, bytes] = {}
    deletes: tuple[str, ...] = ()


class Change(msgspec.Struct, frozen=True):
    """One key's new value; None: the key was deleted."""

    key: str
    value: bytes | None


class Store(Protocol):
    """What an engine offers. All methods may be called from any thread; `watch` belongs to an event loop."""

    @property
    def revision(self) -> int:
        """The revision of the last transaction that changed anything; 0 in a new store."""

    def snapshot(self, prefix: str) -> Snapshot:
        """The items whose keys start with `prefix` ("" for all); a plain prefix of the text, so end it with
        a slash to mean a room."""

    def commit(self, transaction: Transaction) -> int:
        """Apply the transaction and return the revision it made, once it is durable.

        Blocks for the disk (or the cluster): an asyncio caller runs it with `asyncio.to_thread`, and knows
        that cancelling the wait does not take the commit back. Raises Conflict, StoreFull, InvalidTransaction
        (each: nothing changed), and StoreFailed.
        """

    def watch(self, prefix: str, from_revision: int) -> AsyncGenerator[tuple[int, list[Change]], None]:
        """Every later revision that changes something under `prefix`, in order and without end.

        `from_revision` is the last one the caller knows: revisions strictly after it are given, each once,
        with the changes under the prefix in ascending order of key. Raises Compacted when the caller is too far
        behind, at the start or on the way. Ends when the store is closed.
        """

    def close(self) -> None:
        """Give the store back. Closing twice is no error."""


class StoreError(Exception):
    """The root of everything a store raises; the text is fit to be shown to a user."""


class InvalidTransaction(StoreError):
    """A transaction or a prefix that no state could make right: a bad key, a key put and deleted at once."""


class Conflict(StoreError):
    """A compare did not hold, and so nothing changed. `expected` and `found` are revisions, 0 for no key."""

    def __init__(self, key: str, expected: int, found: int) -> None:
        super().__init__(
            f"{key!r} {_stand(found)}, while this change was prepared for when it {_stand(expected)}: somebody "
            f"else changed it in between. Nothing was changed; look at it again and repeat."
        )
        self.key, self.expected, self.found = key, expected, found


class Compacted(StoreError):
    """The log does not reach from `revision` to now; `oldest` is the oldest revision one can watch from."""

    def __init__(self, revision: int, oldest: int, newest: int) -> None:
        known = f"changes after revision {oldest} are kept, and the newest is {newest}"
        super().__init__(f"cannot watch from revision {revision}: {known}. Take a new snapshot and watch from it.")
        self.revision, self.oldest, self.newest = revision, oldest, newest


class StoreBusy(StoreError):
    """Another process has the store open. `pid` is None where it could not be found out."""

    def __init__(self, path: str, pid: int | None) -> None:
        holder = "another process" if pid is None else f"process {pid}"
        super().__init__(
            f"the store in {path} is in use by {holder}. Stop that one first, or give this one a directory of its own."
        )
        self.path, self.pid = path, pid


class StoreFull(StoreError):
    """No room on the disk. Nothing changed; reading goes on, and so does writing once there is room."""

    def __init__(self, path: str) -> None:
        super().__init__(f"the disk that holds {path} is full. Nothing was changed; free some space and repeat.")
        self.path = path


class StoreCorrupt(StoreError):
    """The file is not a database of Segue's, or is a damaged one."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(
            f"{path} cannot be used: {reason}. Move the file away, together with the one of the same name ending in "
            f"-wal, and bring back a backup or declare everything anew."
        )
        self.path, self.reason = path, reason


class StoreTooNew(StoreError):
    """The database was written by a later Segue."""

    def __init__(self, path: str, found: int, known: int) -> None:
        super().__init__(
            f"{path} has schema version {found}, made by a newer Segue; this one knows versions up to {known}. "
            f"Nothing was changed; run the newer Segue, or bring back a backup from before the upgrade."
        )
        self.path, self.found, self.known = path, found, known


class StoreUnavailable(StoreError):
    """The place for the store is missing or may not be written to."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"cannot keep a store in {path}: {reason}.")
        self.path, self.reason = path, reason


class StoreFailed(StoreError):
    """The disk or the database broke while in use. Reading may still work; writing is refused from then on,
    for whether the last transaction is on the disk shows only when the store is opened again."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(
            f"the store in {path} failed: {reason}. Look after the disk, then restart; "
            f"whether the last change was kept shows then."
        )
        self.path, self.reason = path, reason


class StoreClosed(StoreError):
    """The store was closed before this call."""

    def __init__(self) -> None:
        super().__init__("the store is closed.")


# Keys are compared and ranged over as UTF-8. Control characters would spoil every listing, NUL would end a
# key in C, lone surrogates have no UTF-8, and U+10FFFF is kept free to be the end of a prefix's range.
_UNFIT = re.compile("[\x00-\x1f\x7f\ud800-\udfff\U0010ffff]")
END_OF_RANGE = "\U0010ffff"


def check_prefix(prefix: str) -> None:
    """Raise InvalidTransaction if no key could start with `prefix`."""
    if _UNFIT.search(prefix):
        raise InvalidTransaction(f"{prefix!r} cannot be part of a key: it holds a control or reserved character.")


def check(transaction: Transaction) -> None:
    """Raise InvalidTransaction for what is wrong whatever the store holds; every engine's commit begins so."""
    for key in (*transaction.puts, *transaction.deletes, *(compare.key for compare in transaction.compares)):
        if not key:
            raise InvalidTransaction("a key cannot be empty.")
        check_prefix(key)
    changed = set(transaction.puts)
    for key in transaction.deletes:
        if key in changed:
            raise InvalidTransaction(f"{key!r} is changed twice in one transaction.")
        changed.add(key)
    for key, value in transaction.puts.items():
        if not isinstance(value, bytes):
            raise InvalidTransaction(f"the value of {key!r} is of type {type(value).__name__}, not bytes.")
    for compare in transaction.compares:
        if compare.revision < 0:
            raise InvalidTransaction(f"{compare.key!r} is compared with revision {compare.revision}, below zero.")


def _stand(revision: int) -> str:
    return f"stood at revision {revision}" if revision else "did not exist"

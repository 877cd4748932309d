"""The store of a single server: SQLite in a directory of its own.

What makes it safe:

* Write-ahead log with synchronous=FULL: a commit is one append to the log and one fsync, and what was
  acknowledged survives a power cut. Items and the revision log change in the same transaction.
* One process at a time, by a lock on the file `lock` (flock: the kernel drops it with the process, however that
  ends, so there is never a stale one to clear away). SQLite is in exclusive locking mode besides, so that no
  other program can change the database behind the watchers' backs, and so that SQLite needs no shared memory file:
  a store on a full disk can still be opened and read.
* A commit for which the disk has no room changes nothing. If fsync itself fails nobody can say what the
  disk holds (the kernel may have dropped the pages), so no further commit is taken: `StoreFailed`.

The revision log also is the record of the current revision: each revision leaves at least one row there,
and the newest is never compacted away. A commit forgets as many revisions as it adds: usually one, by the
primary key, in the same transaction.
"""

import fcntl
import os
import sqlite3
import threading
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager, suppress
from pathlib import Path

from .base import (
    END_OF_RANGE,
    Change,
    Compacted,
    Conflict,
    InvalidTransaction,
    Item,
    Snapshot,
    Store,
    StoreBusy,
    StoreClosed,
    StoreCorrupt,
    StoreError,
    StoreFailed,
    StoreFull,
    StoreTooNew,
    StoreUnavailable,
    Transaction,
    check,
    check_prefix,
)
from .feed import Batch, Feed

SCHEMA_VERSION = 1
APPLICATION_ID = 0x53454755  # "SEGU", in the header of the file
KEPT_REVISIONS = 10_000
# Revisions read from the log at one go, for a watcher that is far behind.
_CATCH_UP = 256

_SCHEMA = (
    f"PRAGMA application_id = {APPLICATION_ID}",
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE TABLE item (key TEXT PRIMARY KEY, value BLOB NOT NULL, revision INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE TABLE log (revision INTEGER, key TEXT, value BLOB, PRIMARY KEY (revision, key)) WITHOUT ROWID",
    f"INSERT INTO meta VALUES ('schema', {SCHEMA_VERSION})",
)


class SqliteStore(Store):
    """A `Store` in `directory`, which must exist; the files are readable by their owner alone.

    `kept` is how many of the last revisions can be watched from, at least one. Raises StoreUnavailable, StoreBusy,
    StoreCorrupt, StoreTooNew, StoreFull or StoreFailed. One lock guards the connection, so any thread may call.
    """

    def __init__(self, directory: str | os.PathLike[str], *, kept: int = KEPT_REVISIONS) -> None:
        if kept < 1:
            raise ValueError("a store keeps at least one revision")
        self._kept = kept
        self._path = Path(directory, "segue.db")
        self._lock = threading.Lock()
        self._failure: StoreFailed | None = None
        self._lock_file = _lock_directory(Path(directory))
        self._db: sqlite3.Connection | None = None
        try:
            with self._translated():
                self._db = _open(self._path)
                first, last = self._db.execute("SELECT min(revision), max(revision) FROM log").fetchone()
        except BaseException:
            if self._db is not None:
                self._db.close()
            os.close(self._lock_file)
            raise
        self._revision: int = last or 0
        self._oldest: int = first - 1 if first else 0
        self._feed = Feed(self._revision)

    @property
    def revision(self) -> int:
        return self._revision

    def snapshot(self, prefix: str) -> Snapshot:
        check_prefix(prefix)
        with self._lock, self._translated():
            rows = self._opened().execute(
                "SELECT key, value, revision FROM item WHERE key >= ? AND key < ? ORDER BY key",
                (prefix, prefix + END_OF_RANGE),
            )
            return Snapshot(self._revision, {key: Item(value, revision) for key, value, revision in rows})

    def commit(self, transaction: Transaction) -> int:
        check(transaction)
        with self._lock:
            db = self._opened()
            if self._failure is not None:
                raise self._failure
            try:
                changes = self._apply(db, transaction)
            except StoreFailed as failure:
                self._failure = failure
                raise
            if changes:
                self._revision += 1
                self._oldest = max(self._oldest, self._revision - self._kept)
                self._feed.publish(self._revision, changes)
            return self._revision

    async def watch(self, prefix: str, from_revision: int) -> AsyncGenerator[tuple[int, list[Change]], None]:
        check_prefix(prefix)
        self._opened()
        self._check_reach(from_revision)
        async with aclosing(self._feed.follow(prefix, from_revision, self._older)) as revisions:
            async for revision, changes in revisions:
                yield revision, changes

    def close(self) -> None:
        with self._lock:
            if self._db is None:
                return
            self._feed.close()
            try:
                self._db.close()
            finally:
                self._db = None
                os.close(self._lock_file)

    def _apply(self, db: sqlite3.Connection, transaction: Transaction) -> list[Change]:
        revision = self._revision + 1
        with self._translated():
            db.execute("BEGIN IMMEDIATE")
            try:
                for compare in transaction.compares:
                    row = db.execute("SELECT revision FROM item WHERE key = ?", (compare.key,)).fetchone()
                    found = row[0] if row else 0
                    if found != compare.revision:
                        raise Conflict(compare.key, compare.revision, found)
                changes = [Change(key, value) for key, value in transaction.puts.items()]
                db.executemany(
                    "INSERT OR REPLACE INTO item VALUES (?, ?, ?)",
                    ((change.key, change.value, revision) for change in changes),
                )
                changes += [
                    Change(key, None)
                    for key in transaction.deletes
                    if db.execute("DELETE FROM item WHERE key = ?", (key,)).rowcount
                ]
                changes.sort(key=lambda change: change.key)
                if changes:
                    db.executemany(
                        "INSERT INTO log VALUES (?, ?, ?)",
                        ((revision, change.key, change.value) for change in changes),
                    )
                    db.execute("DELETE FROM log WHERE revision <= ?", (revision - self._kept,))
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:
                    with suppress(sqlite3.Error):
                        db.execute("ROLLBACK")
                raise
        return changes

    def _older(self, prefix: str, seen: int) -> tuple[int, Batch]:
        with self._lock, self._translated():
            if self._db is None:
                return self._revision, []
            self._check_reach(seen)
            last = min(seen + _CATCH_UP, self._revision)
            batch: Batch = []
            for revision, key, value in self._db.execute(
                "SELECT revision, key, value FROM log WHERE revision > ? AND revision <= ? AND key >= ? AND key < ?"
                " ORDER BY revision, key",
                (seen, last, prefix, prefix + END_OF_RANGE),
            ):
                if not batch or batch[-1][0] != revision:
                    batch.append((revision, []))
                batch[-1][1].append(Change(key, value))
            return last, batch

    def _check_reach(self, revision: int) -> None:
        if not self._oldest <= revision <= self._revision:
            raise Compacted(revision, self._oldest, self._revision)

    def _opened(self) -> sqlite3.Connection:
        if self._db is None:
            raise StoreClosed
        return self._db

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise _translate(self._path, error) from error


def _translate(path: Path, error: sqlite3.Error) -> StoreError:
    # The low byte is the primary code, the rest refines it: https://www.sqlite.org/rescode.html
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return StoreFull(str(path))
    if code == sqlite3.SQLITE_NOTADB:
        return StoreCorrupt(str(path), "it is not a database of Segue's")
    if code == sqlite3.SQLITE_CORRUPT:
        return StoreCorrupt(str(path), f"the database is damaged ({error})")
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_AUTH):
        return StoreUnavailable(str(path.parent), f"{path.name} cannot be opened for writing ({error})")
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return StoreBusy(str(path.parent), None)
    if code == sqlite3.SQLITE_TOOBIG:
        return InvalidTransaction(f"a value is larger than the store can hold ({error}).")
    return StoreFailed(str(path.parent), str(error))


def _lock_directory(directory: Path) -> int:
    """Take the lock and write our process id into it; the returned descriptor holds it until closed."""
    try:
        descriptor = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except FileNotFoundError:
        raise StoreUnavailable(str(directory), "there is no such directory; create it first") from None
    except OSError as error:
        raise StoreUnavailable(str(directory), f"its file lock cannot be written ({error.strerror})") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        text = os.read(descriptor, 32).strip()
        os.close(descriptor)
        raise StoreBusy(str(directory), int(text) if text.isdigit() else None) from None
    with suppress(OSError):  # no room for the number: the lock holds all the same
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, b"%d\n" % os.getpid(), 0)
    return descriptor


def _open(path: Path) -> sqlite3.Connection:
    _prepare(path)
    db = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
    try:
        # Before anything touches the file: exclusive mode taken later would still make the shared memory file.
        db.execute("PRAGMA locking_mode = EXCLUSIVE")
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("PRAGMA journal_size_limit = 67108864")
        damage = db.execute("PRAGMA quick_check(1)").fetchone()[0]
        if damage != "ok":
            raise StoreCorrupt(str(path), f"the database is damaged ({damage})")
        db.execute("BEGIN IMMEDIATE")  # says at once if the file may not be written
        tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master")}
        if not tables:
            for statement in _SCHEMA:
                db.execute(statement)
        elif db.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID or "meta" not in tables:
            raise StoreCorrupt(str(path), "it is a database of another program's")
        else:
            version = db.execute("SELECT max(value) FROM meta WHERE name = 'schema'").fetchone()[0]
            if version is None:
                raise StoreCorrupt(str(path), "its schema version is missing")
            if version > SCHEMA_VERSION:
                raise StoreTooNew(str(path), version, SCHEMA_VERSION)
        db.execute("COMMIT")
    except BaseException:
        db.close()
        raise
    return db


def _prepare(path: Path) -> None:
    """See that the file can be written. A new one is for its owner alone, its name durable in the directory."""
    directory = path.parent
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise StoreUnavailable(str(directory), f"{path.name} cannot be written ({error.strerror})") from error
    if not os.access(directory, os.W_OK | os.X_OK):
        raise StoreUnavailable(str(directory), "files cannot be made in it (Permission denied)")
    descriptor = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

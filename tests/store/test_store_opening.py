"""Opening: who is refused, and whether the sentence says why. Also what no transaction may hold."""

import contextlib
import os
import sqlite3
import subprocess
import sys
import time
import timeit
from functools import partial

import pytest

from segue.store.base import (
    Compare,
    Conflict,
    InvalidTransaction,
    StoreBusy,
    StoreCorrupt,
    StoreTooNew,
    StoreUnavailable,
    Transaction,
)
from segue.store.sqlite import SqliteStore


def _fill(directory, count: int = 300) -> None:
    with contextlib.closing(SqliteStore(directory)) as store:
        store.commit(Transaction(puts={f"k/{number}": bytes(200) for number in range(count)}))


def test_a_second_opener_is_told_who_holds_the_store(tmp_path):
    script = "import sys, time; from segue.store.sqlite import SqliteStore; s = SqliteStore(sys.argv[1]);"
    script += "print('open', flush=True); time.sleep(60)"
    process = subprocess.Popen([sys.executable, "-c", script, tmp_path], stdout=subprocess.PIPE)
    try:
        assert process.stdout.readline() == b"open\n"
        with pytest.raises(StoreBusy, match=f"in use by process {process.pid}") as caught:
            SqliteStore(tmp_path)
        assert caught.value.pid == process.pid
    finally:
        process.kill()
        process.communicate()
    SqliteStore(tmp_path).close()  # the lock went with its holder


def test_a_second_opener_in_the_same_process_is_refused_too(tmp_path):
    first = SqliteStore(tmp_path)
    with pytest.raises(StoreBusy):
        SqliteStore(tmp_path)
    first.commit(Transaction(puts={"a": b""}))
    first.close()
    SqliteStore(tmp_path).close()


def test_other_programs_cannot_write_behind_our_back(tmp_path):
    with contextlib.closing(SqliteStore(tmp_path)) as store:
        store.commit(Transaction(puts={"a": b"1"}))
        with contextlib.closing(sqlite3.connect(tmp_path / "segue.db", timeout=0)) as other:
            with pytest.raises(sqlite3.OperationalError, match="locked"):
                other.execute("UPDATE item SET value = x'00'")
    with contextlib.closing(sqlite3.connect(tmp_path / "segue.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreBusy, match="another process"):
            SqliteStore(tmp_path)


def test_the_files_are_for_their_owner_alone(tmp_path):
    with contextlib.closing(SqliteStore(tmp_path)) as store:
        store.commit(Transaction(puts={"a": b""}))
        assert {path.name: oct(path.stat().st_mode & 0o777) for path in tmp_path.iterdir()} == {
            "lock": "0o600",
            "segue.db": "0o600",
            "segue.db-wal": "0o600",
        }


def test_a_missing_directory_is_named(tmp_path):
    with pytest.raises(StoreUnavailable, match=r"nowhere.*create it first"):
        SqliteStore(tmp_path / "nowhere")
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreUnavailable, match="Not a directory"):
        SqliteStore(tmp_path / "file")


AS_NOBODY = """
import os, sys
from segue.store.sqlite import SqliteStore
from segue.store.base import StoreError
os.setgid(65534); os.setuid(65534)
try:
    SqliteStore(sys.argv[1])
except StoreError as error:
    print(type(error).__name__, error)
"""


def _open_as_nobody(directory) -> str:
    for parent in directory.parents:
        if parent.stat().st_uid == os.getuid() and "pytest" in str(parent):
            parent.chmod(0o755)
    done = subprocess.run([sys.executable, "-c", AS_NOBODY, directory], capture_output=True, text=True)
    return done.stdout + done.stderr


@pytest.mark.root
def test_what_may_not_be_written_is_refused_at_the_start(tmp_path):
    _fill(tmp_path)
    tmp_path.chmod(0o755)
    assert "StoreUnavailable" in (told := _open_as_nobody(tmp_path)) and "Permission denied" in told
    (tmp_path / "lock").chmod(0o666)
    (tmp_path / "segue.db").chmod(0o644)
    assert "StoreUnavailable" in (told := _open_as_nobody(tmp_path)) and "segue.db cannot be written" in told
    (tmp_path / "segue.db").chmod(0o666)
    assert "StoreUnavailable" in (told := _open_as_nobody(tmp_path)) and "files cannot be made" in told
    tmp_path.chmod(0o777)
    assert _open_as_nobody(tmp_path) == ""


@pytest.mark.parametrize(
    "content", [b"garbage", b"\0" * 4096, os.urandom(100_000), b"SQLite format 3\0" + b"\xff" * 5000]
)
def test_garbage_is_refused_and_left_alone(tmp_path, content):
    (tmp_path / "segue.db").write_bytes(content)
    with pytest.raises(StoreCorrupt, match=r"segue\.db cannot be used: .* bring back a backup"):
        SqliteStore(tmp_path)
    assert (tmp_path / "segue.db").read_bytes() == content


def test_a_damaged_page_is_found_when_opening(tmp_path):
    _fill(tmp_path)
    path = tmp_path / "segue.db"
    content = bytearray(path.read_bytes())
    content[4096 * 5 : 4096 * 7] = os.urandom(8192)
    path.write_bytes(content)
    with pytest.raises(StoreCorrupt, match="damaged"):
        SqliteStore(tmp_path)
    path.write_bytes(path.read_bytes()[: 4096 * 6])
    with pytest.raises(StoreCorrupt, match="damaged"):
        SqliteStore(tmp_path)


def test_databases_of_others_are_refused(tmp_path):
    with contextlib.closing(sqlite3.connect(tmp_path / "segue.db")) as other:
        other.execute("CREATE TABLE meta (name, value)")
    with pytest.raises(StoreCorrupt, match="another program"):
        SqliteStore(tmp_path)


def test_a_newer_schema_is_refused(tmp_path):
    _fill(tmp_path)
    with contextlib.closing(sqlite3.connect(tmp_path / "segue.db", isolation_level=None)) as other:
        other.execute("UPDATE meta SET value = 7 WHERE name = 'schema'")
    with pytest.raises(StoreTooNew, match="version 7, made by a newer Segue") as caught:
        SqliteStore(tmp_path)
    assert (caught.value.found, caught.value.known) == (7, 1)
    with contextlib.closing(sqlite3.connect(tmp_path / "segue.db", isolation_level=None)) as other:
        other.execute("DELETE FROM meta")
    with pytest.raises(StoreCorrupt, match="schema version is missing"):
        SqliteStore(tmp_path)


@pytest.mark.parametrize(
    "transaction",
    [
        Transaction(puts={"": b""}),
        Transaction(puts={"a\0b": b""}),
        Transaction(puts={"a\nb": b""}),
        Transaction(puts={"\ud800": b""}),
        Transaction(puts={"a\U0010ffff": b""}),
        Transaction(deletes=("",)),
        Transaction(compares=(Compare("", 0),)),
        Transaction(compares=(Compare("a", -1),)),
        Transaction(puts={"a": b""}, deletes=("a",)),
        Transaction(deletes=("a", "a")),
        Transaction(puts={"a": "text"}),
        Transaction(puts={"a": None}),
    ],
)
def test_what_cannot_be_right_is_refused(tmp_path, transaction):
    with contextlib.closing(SqliteStore(tmp_path)) as store:
        with pytest.raises(InvalidTransaction):
            store.commit(transaction)
        assert store.revision == 0


def test_a_conflict_says_what_stands_there(tmp_path):
    with contextlib.closing(SqliteStore(tmp_path)) as store:
        store.commit(Transaction(puts={"a": b"1"}))
        with pytest.raises(Conflict, match=r"'a' stood at revision 1, while .* when it did not exist"):
            store.commit(Transaction(compares=(Compare("a", 0),), puts={"a": b"2"}))
        with pytest.raises(Conflict, match=r"'b' did not exist, while .* when it stood at revision 1"):
            store.commit(Transaction(compares=(Compare("b", 1),), puts={"a": b"2"}))
        assert store.snapshot("").items["a"].value == b"1"


def test_a_snapshot_costs_what_is_in_it(tmp_path):
    with contextlib.closing(SqliteStore(tmp_path)) as store:
        puts = {f"node/n{number % 100}/port/{number}": b"x" * 200 for number in range(110_000)}
        assert store.commit(Transaction(puts=puts)) == 1
        assert {key: item.value for key, item in store.snapshot("").items.items()} == puts
        assert len(store.snapshot("node/n7/").items) == 1100
        took, took_one = (
            min(timeit.repeat(partial(store.snapshot, prefix), number=1, timer=time.process_time))
            for prefix in ("", "node/n7/")
        )
    assert took_one < took / 5, "a hundredth of the keys"
    assert took < took_one * 1000

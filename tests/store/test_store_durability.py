"""What survives: kill -9, a full disk, a failing fsync. The writers are processes of their own."""

import contextlib
import os
import random
import re
import shutil
import subprocess
import sys
import time

import pytest

from segue.store.base import Item, StoreFull, Transaction
from segue.store.sqlite import SqliteStore

WRITER = """
import os
import sys
from segue.store.base import Transaction
from segue.store.sqlite import SqliteStore
store = SqliteStore(sys.argv[1], kept=100)
for _ in range(int(sys.argv[2])):
    number = store.revision + 1
    value = b"%d" % number
    revision = store.commit(Transaction(
        puts={f"left/{number}": value, f"right/{number}": value * 500, "last": value},
        deletes=(f"right/{number - 3}",),
    ))
    os.write(1, b"%d\\n" % revision)
"""


def _check_whole(store: SqliteStore) -> int:
    """Every revision is there with all it did, and nothing else; returns the last one."""
    last = store.revision
    expected = {f"left/{number}": Item(b"%d" % number, number) for number in range(1, last + 1)}
    expected |= {f"right/{n}": Item(b"%d" % n * 500, n) for n in range(max(1, last - 2), last + 1)}
    if last:
        expected["last"] = Item(b"%d" % last, last)
    assert store.snapshot("").items == expected
    return last


def test_every_acknowledged_commit_survives_kill(tmp_path):
    acknowledged = 0
    for _ in range(8):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, tmp_path, "1000000"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        process.stdout.readline()
        time.sleep(random.uniform(0, 0.2))
        process.kill()
        output, errors = process.communicate()
        assert errors == b""
        lines = output.split(b"\n")[:-1]
        acknowledged = int(lines[-1]) if lines else acknowledged
        with contextlib.closing(SqliteStore(tmp_path)) as store:
            # One commit may have become durable without our hearing of it.
            assert acknowledged <= _check_whole(store) <= acknowledged + 1
            acknowledged = store.revision
    assert acknowledged > 20


def _trace(tmp_path, *options: str, commits: int, writer: str = WRITER) -> tuple[str, str]:
    """Run the writer under strace; its standard output and its calls of the traced kind."""
    trace = tmp_path / "trace"
    store = tmp_path / "store"
    store.mkdir(exist_ok=True)
    done = subprocess.run(
        ["strace", "-f", "-o", trace, *options, sys.executable, "-c", writer, store, str(commits)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, trace.read_text()


needs_strace = pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")


@needs_strace
def test_a_commit_is_synced_once_before_it_is_acknowledged(tmp_path):
    _, calls = _trace(tmp_path, "-e", "trace=fsync,fdatasync,write", commits=60)
    kinds = re.findall(r"\b(fsync|fdatasync|write)\((\d+)", calls)
    acknowledged, syncs = 0, 0
    syncs_per_commit = []
    for kind, descriptor in kinds:
        if kind == "write" and descriptor == "1":
            acknowledged += 1
            syncs_per_commit.append(syncs)
            syncs = 0
        elif kind != "write":
            syncs += 1
    assert acknowledged == 60
    assert min(syncs_per_commit) == 1
    assert sum(syncs_per_commit[1:]) <= 65  # the first includes making the file; later a checkpoint may add some


@needs_strace
def test_no_commit_is_taken_once_fsync_has_failed(tmp_path):
    writer = """
import sys
from segue.store.base import StoreFailed, Transaction
from segue.store.sqlite import SqliteStore
store = SqliteStore(sys.argv[1])
taken = 0
for number in range(int(sys.argv[2])):
    try:
        taken = store.commit(Transaction(puts={"a": b"%d" % number}))
    except StoreFailed as failure:
        print("failed", failure, flush=True)
print(taken, store.revision, store.snapshot("").items["a"].value.decode())
"""
    inject = ("-e", "trace=fdatasync", "-e", "inject=fdatasync:error=EIO:when=20")
    printed, calls = _trace(tmp_path, *inject, commits=40, writer=writer)
    assert "INJECTED" in calls
    *failed, last = printed.splitlines()
    taken = int(last.split()[0])
    assert 0 < taken < 40
    assert last.split() == [str(taken), str(taken), str(taken - 1)]
    assert len(failed) == 40 - taken
    assert "restart" in failed[0]


@pytest.fixture
def small_disk(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", f"segue-{os.getpid()}", disk], check=True)
    try:
        yield disk
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


@pytest.mark.root
def test_a_full_disk_changes_nothing_and_passes(small_disk):
    model: dict[str, Item] = {}
    with contextlib.closing(SqliteStore(small_disk, kept=3)) as store:
        ballast = small_disk / "ballast"
        ballast.write_bytes(bytes(1 << 20))
        for number in range(1000):
            value = b"%d" % number * 4000
            try:
                revision = store.commit(Transaction(puts={f"k/{number}": value, f"l/{number}": b""}))
            except StoreFull as full:
                assert str(small_disk) in str(full)
                break
            model |= {f"k/{number}": Item(value, revision), f"l/{number}": Item(b"", revision)}
        else:
            pytest.fail("a disk of 3 MB took all that")
        assert len(model) > 10
        assert store.revision == len(model) // 2
        assert store.snapshot("").items == model
        with pytest.raises(StoreFull):
            store.commit(Transaction(puts={f"m/{n}": bytes(4000) for n in range(400)}))
        assert store.snapshot("").items == model
        ballast.unlink()
        model["after"] = Item(b"room", store.commit(Transaction(puts={"after": b"room"})))
        assert store.snapshot("").items == model
    with contextlib.closing(SqliteStore(small_disk)) as store:
        assert store.snapshot("").items == model


@pytest.mark.root
def test_after_a_kill_on_a_full_disk_the_store_opens_and_reads(small_disk):
    process = subprocess.run([sys.executable, "-c", WRITER, small_disk, "1000000"], capture_output=True, text=True)
    assert "StoreFull" in process.stderr
    acknowledged = int(process.stdout.split()[-1])
    ballast = os.open(small_disk / "ballast", os.O_WRONLY | os.O_CREAT)
    with contextlib.suppress(OSError):
        while True:
            os.write(ballast, bytes(4096))
    os.close(ballast)
    with contextlib.closing(SqliteStore(small_disk)) as store:
        assert _check_whole(store) == acknowledged

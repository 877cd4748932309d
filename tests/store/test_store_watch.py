"""Watching: live, across threads, from the log, too late, and until the store closes."""

import asyncio
import contextlib
from concurrent.futures import ThreadPoolExecutor

import pytest

from segue.store import feed
from segue.store.base import Change, Compacted, Compare, Conflict, Item, StoreClosed, Transaction
from segue.store.sqlite import SqliteStore


def put(**values: bytes) -> Transaction:
    return Transaction(puts=values)


@pytest.fixture
def store(tmp_path):
    with contextlib.closing(SqliteStore(tmp_path, kept=50)) as store:
        yield store


def test_watchers_see_what_threads_commit_in_order_and_once(store):
    async def watch(prefix: str) -> list[tuple[int, list[Change]]]:
        seen = []
        async for revision, changes in store.watch(prefix, 0):
            seen.append((revision, changes))
            if any(change.key.endswith("/last") for change in changes):
                break
        return seen

    async def main():
        watchers = [asyncio.create_task(watch(f"node/n{number % 3}/")) for number in range(9)]
        await asyncio.sleep(0)
        for step in range(10):
            for node in range(3):
                await asyncio.to_thread(store.commit, Transaction(puts={f"node/n{node}/x": b"%d" % step}))
        await asyncio.to_thread(store.commit, Transaction(puts={f"node/n{node}/last": b"" for node in range(3)}))
        return await asyncio.wait_for(asyncio.gather(*watchers), 20)

    for number, seen in enumerate(asyncio.run(main())):
        node = number % 3
        assert seen == [
            *((3 * step + node + 1, [Change(f"node/n{node}/x", b"%d" % step)]) for step in range(10)),
            (31, [Change(f"node/n{node}/last", b"")]),
        ]


def test_threads_that_compare_and_set_lose_no_step(store):
    def count(steps: int) -> list[int]:
        made = []
        while len(made) < steps:
            held = store.snapshot("n").items.get("n", Item(b"0", 0))
            step = Transaction(compares=(Compare("n", held.revision),), puts={"n": b"%d" % (int(held.value) + 1)})
            with contextlib.suppress(Conflict):
                made.append(store.commit(step))
        return made

    with ThreadPoolExecutor(4) as threads:
        revisions = [revision for made in threads.map(count, [40] * 4) for revision in made]
    assert sorted(revisions) == list(range(1, 161))
    assert store.snapshot("").items == {"n": Item(b"160", 160)}


def test_a_watcher_resumes_from_the_log_after_a_restart(tmp_path):
    store = SqliteStore(tmp_path)
    for number in range(600):
        store.commit(put(a=b"%d" % number))
    store.close()

    async def main():
        with contextlib.closing(SqliteStore(tmp_path)) as store:
            seen = []
            async for revision, changes in store.watch("", 10):
                seen.append((revision, changes))
                if revision == 600:
                    break
            return seen

    assert asyncio.run(main()) == [(number, [Change("a", b"%d" % (number - 1))]) for number in range(11, 601)]


def test_the_log_tells_prefixes_apart_as_text(tmp_path):
    keys = ["a", "a/", "a/b", "a/\uffff", "a/\U0010fffe", "a0", "ä/"]
    with contextlib.closing(SqliteStore(tmp_path)) as store:
        store.commit(Transaction(puts=dict.fromkeys(reversed(keys), b"")))
    with contextlib.closing(SqliteStore(tmp_path)) as store:
        for prefix in ("", "a", "a/", "ä"):
            _, changes = asyncio.run(anext(store.watch(prefix, 0)))
            assert [change.key for change in changes] == [key for key in keys if key.startswith(prefix)]
            assert list(store.snapshot(prefix).items) == [change.key for change in changes]


def test_one_who_asks_for_what_is_forgotten_is_told_the_oldest(store):
    for _ in range(60):
        store.commit(put(a=b""))

    async def first(revision: int):
        return await asyncio.wait_for(anext(store.watch("", revision)), 5)

    assert asyncio.run(first(10))[0] == 11
    with pytest.raises(Compacted) as caught:
        asyncio.run(first(9))
    assert (caught.value.revision, caught.value.oldest, caught.value.newest) == (9, 10, 60)
    with pytest.raises(Compacted, match="new snapshot"):
        asyncio.run(first(61))


def test_a_watcher_that_falls_behind_is_told_so_on_the_way(store, monkeypatch):
    monkeypatch.setattr(feed, "REMEMBERED", 3)

    async def main():
        watcher = store.watch("", 0)
        store.commit(put(a=b""))
        assert (await anext(watcher))[0] == 1
        for _ in range(50):
            store.commit(put(a=b""))
        assert (await anext(watcher))[0] == 2  # still in the log, no longer in memory
        for _ in range(60):
            store.commit(put(a=b""))
        with pytest.raises(Compacted):
            while True:
                await anext(watcher)

    asyncio.run(asyncio.wait_for(main(), 20))


def test_the_log_is_bounded(store):
    for _ in range(200):
        store.commit(put(a=b"", b=b""))
    (rows,) = store._db.execute("SELECT count(*) FROM log").fetchone()
    assert rows == 2 * 50


def test_closing_ends_the_watch_and_refuses_the_rest(store):
    async def main():
        watching = asyncio.create_task(anext(store.watch("", 0), None))
        await asyncio.sleep(0.01)
        store.close()
        assert await asyncio.wait_for(watching, 5) is None
        with pytest.raises(StoreClosed):
            await anext(store.watch("", 0))

    asyncio.run(main())
    store.close()
    with pytest.raises(StoreClosed):
        store.commit(put(a=b""))
    with pytest.raises(StoreClosed):
        store.snapshot("")

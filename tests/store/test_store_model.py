"""The SQLite store against a dict with a history, under sequences of operations that Hypothesis makes up."""

import asyncio
import contextlib
import shutil
import tempfile

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from segue.store.base import Change, Compacted, Compare, Conflict, Item, Transaction
from segue.store.sqlite import SqliteStore

KEPT = 4
KEYS = st.sampled_from(["a", "a/", "a/b", "a/b/c", "a0", "b", "ä/\U0010fffe", "b/\U00010000"])
PREFIXES = st.sampled_from(["", "a", "a/", "a/b", "b", "ä", "zz"])


async def _take(store: SqliteStore, prefix: str, revision: int, count: int) -> list[tuple[int, list[Change]]]:
    """`count` revisions of the watch, and whatever comes unasked right after."""
    taken = []
    async with contextlib.aclosing(store.watch(prefix, revision)) as changes:
        with contextlib.suppress(TimeoutError):
            while True:
                taken.append(await asyncio.wait_for(anext(changes), 5 if len(taken) < count else 0.005))
    return taken


class StoreMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.mkdtemp()
        self.store = SqliteStore(self.directory, kept=KEPT)
        self.model: dict[str, Item] = {}
        self.history: list[list[Change]] = []  # of revision 1, 2, ...

    def teardown(self) -> None:
        self.store.close()
        shutil.rmtree(self.directory)

    @rule(
        puts=st.dictionaries(KEYS, st.binary(max_size=3), max_size=3),
        deletes=st.sets(KEYS, max_size=3),
        compared=st.sets(KEYS, max_size=2),
        wrong=st.none() | st.tuples(KEYS, st.integers(0, 6)),
    )
    def commit(self, puts, deletes, compared, wrong) -> None:
        deletes -= puts.keys()
        held = {key: self.model[key].revision if key in self.model else 0 for key in compared}
        compares = tuple(Compare(key, revision) for key, revision in held.items())
        if wrong:
            compares += (Compare(*wrong),)
        transaction = Transaction(compares=compares, puts=puts, deletes=tuple(deletes))
        found = self.model[wrong[0]].revision if wrong and wrong[0] in self.model else 0
        if wrong and found != wrong[1]:
            try:
                self.store.commit(transaction)
            except Conflict as conflict:
                assert (conflict.key, conflict.expected, conflict.found) == (*wrong, found)
                return
            raise AssertionError("a compare that does not hold was let through")
        changes = [Change(key, value) for key, value in puts.items()]
        changes += [Change(key, None) for key in deletes if key in self.model]
        if changes:
            self.history.append(sorted(changes, key=lambda change: change.key.encode()))
        assert self.store.commit(transaction) == len(self.history)
        for change in changes:
            if change.value is None:
                del self.model[change.key]
            else:
                self.model[change.key] = Item(change.value, len(self.history))

    @rule(prefix=PREFIXES)
    def snapshot(self, prefix) -> None:
        snapshot = self.store.snapshot(prefix)
        expected = {key: item for key, item in self.model.items() if key.startswith(prefix)}
        assert snapshot.revision == len(self.history)
        assert snapshot.items == expected
        assert list(snapshot.items) == sorted(expected, key=str.encode)

    @rule()
    def reopen(self) -> None:
        self.store.close()
        self.store = SqliteStore(self.directory, kept=KEPT)

    @rule(prefix=PREFIXES, back=st.integers(-1, KEPT + 2))
    def watch(self, prefix, back) -> None:
        revision = len(self.history) - back
        expected = [
            (number, mine)
            for number, changes in enumerate(self.history, 1)
            if number > revision and (mine := [c for c in changes if c.key.startswith(prefix)])
        ]
        try:
            assert asyncio.run(_take(self.store, prefix, revision, len(expected))) == expected
            known = True
        except Compacted:
            known = False
        assert known == (max(0, len(self.history) - KEPT) <= revision <= len(self.history))

    @precondition(lambda self: self.history)
    @invariant()
    def revision_is_counted(self) -> None:
        assert self.store.revision == len(self.history)


TestStore = StoreMachine.TestCase
TestStore.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)

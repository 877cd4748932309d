"""The graph's promise: whatever the order and the batching of changes, the result is that of a new graph."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segue.engine import Context, Graph


class Shop:
    """Items have a shelf; shelves sum their items' prices; the till reports shelves that are worth something."""

    def __init__(self) -> None:
        g = self.graph = Graph()
        self.item = g.input("item")
        self.factor = g.input("factor")
        self.price = g.relation("price")
        self.total = g.relation("total")
        self.report = g.relation("report", watched=True)
        g.family("price", self.item, self._price, [self.price])
        g.family("total", self.price, self._total, [self.total])
        g.family("report", self.total, self._report, [self.report])

    def _price(self, ctx: Context, name: str) -> None:
        shelf, cost = ctx.get(self.item, name)
        ctx.emit(self.price, shelf, (name, cost * (ctx.get(self.factor, shelf) or 1)))

    def _total(self, ctx: Context, shelf: str) -> None:
        ctx.emit(self.total, shelf, sum(cost for _, cost in ctx.values(self.price, shelf)))

    def _report(self, ctx: Context, shelf: str) -> None:
        total = ctx.get(self.total, shelf)
        if total:
            ctx.emit(self.report, "all", (shelf, total))

    def state(self) -> set[Any]:
        return set(self.report.items())


changes = st.lists(
    st.one_of(
        st.tuples(
            st.just("item"), st.sampled_from("abcd"), st.none() | st.tuples(st.sampled_from("xy"), st.integers(0, 3))
        ),
        st.tuples(st.just("factor"), st.sampled_from("xy"), st.none() | st.integers(0, 2)),
        st.just(("settle", "", None)),
    ),
    max_size=30,
)


@given(changes)
def test_incremental_equals_full(steps: list[tuple[str, str, Any]]) -> None:
    shop = Shop()
    seen: set[Any] = set()

    def settle() -> None:
        delta = shop.graph.settle()["report"]
        assert not seen & set(delta.added)
        assert set(delta.removed) <= seen
        seen.difference_update(delta.removed)
        seen.update(delta.added)

    for relation, key, value in steps:
        if relation == "settle":
            settle()
        else:
            shop.graph.set(getattr(shop, relation), key, value)
    settle()
    fresh = Shop()
    for relation in ("item", "factor"):
        for key, value in getattr(shop, relation).items():
            fresh.graph.set(getattr(fresh, relation), key, value)
    fresh.graph.settle()
    assert shop.state() == fresh.state() == seen


def test_a_cell_that_does_not_change_stops_the_change() -> None:
    shop = Shop()
    shop.graph.set(shop.item, "a", ("x", 2))
    shop.graph.set(shop.item, "b", ("x", 3))
    shop.graph.settle()
    before = shop.graph.runs
    shop.graph.set(shop.item, "a", ("x", 3))
    shop.graph.set(shop.item, "b", ("x", 2))
    assert not shop.graph.settle()["report"]
    # Two items and the shelf's sum ran; the sum is what it was, so the report did not.
    assert shop.graph.runs - before == 3


def test_work_is_that_of_the_change_not_of_the_whole() -> None:
    def cost(size: int) -> int:
        shop = Shop()
        for i in range(size):
            shop.graph.set(shop.item, str(i), (f"shelf{i}", 1))
        shop.graph.settle()
        before = shop.graph.runs
        shop.graph.set(shop.item, "5", ("shelf5", 2))
        shop.graph.settle()
        return shop.graph.runs - before

    assert cost(10) == cost(1000)


def test_reading_ahead_is_refused() -> None:
    g = Graph()
    a = g.input("a")
    b = g.relation("b")
    c = g.relation("c")
    g.family("first", a, lambda ctx, key: [ctx.values(c, key)], [b])  # type: ignore[arg-type,func-returns-value]
    g.family("second", b, lambda ctx, key: ctx.emit(c, key, 1), [c])
    g.set(a, 1, 1)
    with pytest.raises(RuntimeError, match="settled only later"):
        g.settle()
    with pytest.raises(RuntimeError, match="only inputs"):
        g.set(b, 1, 1)

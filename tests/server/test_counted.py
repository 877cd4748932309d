"""Totals go up only, whatever happens to the switches that count."""

from __future__ import annotations

from segue.server.counted import Counted

X, Y = "entered/x/forward", "entered/y/forward"


def packets(counted: Counted, name: str) -> int:
    return counted.totals().get(name, (0, 0))[0]


def test_readings_are_added_over_nodes() -> None:
    counted = Counted({})
    counted.report("n1", {X: (3, 300)}, {})
    counted.report("n2", {X: (4, 400)}, {})
    counted.report("n1", {X: (5, 500)}, {})
    assert counted.totals() == {X: (9, 900)}


def test_a_switch_that_began_anew_loses_nothing() -> None:
    counted = Counted({})
    counted.report("n1", {X: (10, 1)}, {})
    counted.report("n1", {X: (2, 1)}, {})
    assert packets(counted, X) == 12


def test_a_rule_that_went_is_counted_once() -> None:
    counted = Counted({})
    counted.report("n1", {X: (10, 1)}, {})
    counted.report("n1", {X: (3, 1)}, {X: (12, 1)})
    assert packets(counted, X) == 15
    counted.report("n1", {X: (4, 1)}, {})
    assert packets(counted, X) == 16


def test_reading_one_chain_leaves_the_others() -> None:
    counted = Counted({})
    counted.report("n1", {X: (10, 1), Y: (20, 1)}, {})
    counted.report("n1", {X: (11, 1)}, {Y: (21, 1)}, chain="x")
    assert (packets(counted, X), packets(counted, Y)) == (11, 21)
    counted.report("n1", {X: (11, 1)}, {})
    assert (packets(counted, X), packets(counted, Y)) == (11, 21)


def test_what_is_kept_outlives_the_server() -> None:
    counted = Counted({})
    counted.report("n1", {}, {X: (7, 70)})
    assert set(counted.changed().puts) == {f"counted/n1/{X}"}
    counted.written()
    assert not counted.changed()
    assert packets(Counted({("n1", X): (7, 70)}), X) == 7

"""Chains and groups have numbers of their own, whoever made them: unique, from 1, and the same after a restart."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from test_neutron import ADMIN, Bench, refusal, run
from test_neutron import APPLIED as UDP

from segue.intent import parse
from segue.neutron.names import LONE, id_of
from segue.server.conductor import Refused
from segue.store.base import StoreFull, Transaction

__all__ = ["run"]

Run = Callable[[Callable[[Bench], Any]], None]
APPLIED = UDP.replace("udp", "sctp")
MORE = """
networks: {more: 10.8.0.0/24}
ports: {from: {network: more, node: n1}, other: {network: more, node: n2}}
instances: {lower: n2, deep: n3}
groups: {both: [lower, deep]}
chains:
  quiet: {match: {from: from, protocol: tcp}, through: [both]}
  still: {match: {from: other, protocol: tcp}, through: [lower]}
"""


def numbers(b: Bench) -> dict[str, int]:
    """By id; each is one of a kind."""
    found = {}
    for kind, attribute in (("port_chain", "chain_id"), ("port_pair_group", "group_id")):
        given = {one["id"]: one[attribute] for one in b.neutron.state.all(kind)}
        assert len(set(given.values())) == len(given) and min(given.values(), default=1) >= 1, given
        found.update(given)
    return found


def test_what_is_applied_has_the_lowest_free_numbers(run: Run) -> None:
    async def scenario(b: Bench) -> None:
        b.apply(APPLIED)
        assert numbers(b) == {id_of("chain", "loud"): 1, id_of(LONE, "upper"): 1}
        assert len(b.store.snapshot("number/").items) == 2
        made = b.chain(b.network(), "n2", "n3", chain_id=3)
        b.apply(MORE)
        after = numbers(b)
        assert [after[id_of("chain", name)] for name in ("loud", "quiet", "still")] == [1, 2, 4]
        assert after[made["id"]] == 3 and after[made["port_pair_groups"][0]] == 2
        assert {after[id_of("group", "both")], after[id_of(LONE, "lower")]} == {3, 4}
        fault = refusal(lambda: b.update("port_chain", made["id"], chain_id=2))
        assert fault.status == 400

    run(scenario)


def test_numbers_are_the_same_after_a_restart_and_after_others_have_gone(run: Run) -> None:
    async def scenario(b: Bench) -> None:
        b.apply(APPLIED)
        b.apply(MORE)
        b.chain(b.network(), "n2")
        b.delete(("chain", "loud"))
        before = numbers(b)
        assert before[id_of("chain", "quiet")] == 2
        b.reopen()
        assert numbers(b) == before
        b.apply(APPLIED)
        assert numbers(b)[id_of("chain", "loud")] == 1
        b.neutron.delete(ADMIN, "port_chain", id_of("chain", "loud"))
        b.reopen()
        assert numbers(b) == before
        stored = {key for key in b.store.snapshot("number/").items if "port_chain" in key}
        assert stored == {f"number/port_chain/{id_of('chain', name)}" for name in ("quiet", "still")}

    run(scenario)


def test_a_store_from_before_there_were_numbers_gets_some(run: Run) -> None:
    async def scenario(b: Bench) -> None:
        b.apply(APPLIED)
        b.apply(MORE)
        before = numbers(b)
        b.store.commit(Transaction(deletes=tuple(b.store.snapshot("number/").items)))
        b.reopen()
        assert numbers(b).keys() == before.keys()
        before = numbers(b)
        b.apply("ports: {new: {network: more, node: n1}}")
        assert len(b.store.snapshot("number/").items) == len(before)
        b.store.commit(Transaction(deletes=(f"number/port_chain/{id_of('chain', 'quiet')}",)))
        b.reopen()
        assert numbers(b) == before

    run(scenario)


def test_what_is_refused_or_not_written_takes_no_number(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(b: Bench) -> None:
        b.apply(APPLIED)

        def full(*args: Any) -> None:
            raise StoreFull("full")

        with monkeypatch.context() as patched:
            patched.setattr(b.store, "commit", full)
            with pytest.raises(StoreFull):
                b.apply(MORE)
        clash = MORE.replace("through: [both]", "through: [both], encapsulation: none")
        with pytest.raises(Refused):
            b.conductor.apply(dict(parse(clash, "test").objects))
        assert numbers(b) == {id_of("chain", "loud"): 1, id_of(LONE, "upper"): 1}
        b.apply("ports: {new: {network: web, node: n1}}")
        stored = {f"number/port_chain/{id_of('chain', 'loud')}", f"number/port_pair_group/{id_of(LONE, 'upper')}"}
        assert set(b.store.snapshot("number/").items) == stored
        b.apply(MORE)
        after = numbers(b)
        assert sorted(after[id_of("chain", name)] for name in ("loud", "quiet", "still")) == [1, 2, 3]

    run(scenario)

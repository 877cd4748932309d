"""Who gets copies of broadcasts: all ports without services at egress, and so many others as the switch can serve."""

from __future__ import annotations

import logging

import pytest

from segue.compile.rules import NodeCompiler
from segue.compile.rules.lookups import Lookups
from segue.compile.rules.networks import MOST_LOOKUPS
from segue.drivers.ovs.render import addition
from segue.encap import available
from segue.model.program import (
    FIRST_GROUP,
    AnyAction,
    Bucket,
    Clone,
    Group,
    Next,
    Output,
    Rule,
    SetField,
    ToGroup,
    cookie,
    match,
)
from segue.model.stages import NETWORK, SERVICE, TARGET_PORT, VERDICT
from segue.model.view import (
    TUNNEL_PLAIN,
    FlowRecord,
    GroupRecord,
    HookRecord,
    NetworkRecord,
    PeerRecord,
    PortRecord,
    SelfRecord,
    ServiceRecord,
    Turn,
)
from segue.openflow.codec import encode

REDIRECT: tuple[AnyAction, ...] = (SetField(TARGET_PORT, 1), Next("redirect"))
COPY = Clone(REDIRECT, apart=True)
GO = Next("service_4")


def rule(*actions: AnyAction, table: int = 0, service: int = 7, priority: int = 1) -> Rule:
    return Rule(f"service_{table}", priority, match({SERVICE: service}), actions, "service/s")


@pytest.mark.parametrize(
    ("rules", "bound"),
    [
        ([rule()], 2),
        ([rule(), rule(priority=2), rule(priority=3)], 2),
        ([rule(GO)], 3),
        ([rule(GO), rule(GO, priority=2), rule(table=4)], 3),
        ([rule(COPY, COPY), rule(COPY, priority=2)], 6),
        ([rule(COPY, COPY, GO), rule(COPY, table=4)], 9),
        ([rule(SetField(VERDICT, 0), *REDIRECT)], 4),
        ([rule(ToGroup(FIRST_GROUP)), rule(Clone((ToGroup(FIRST_GROUP),), apart=True), priority=2)], 197),
        ([Rule("group_copy", 1, match({SERVICE: 7}), (Next("redirect"),), "service/s"), rule()], 2),
    ],
)
def test_the_lookups_of_a_service_are_bounded_by_the_rule_of_each_table_that_makes_the_most(
    rules: list[Rule], bound: int
) -> None:
    lookups = Lookups()
    for one in rules:
        lookups.change(one, 1)
    assert lookups.settle() == {7: bound}
    assert lookups.settle() == {}
    for one in rules:
        lookups.change(one, -1)
    assert lookups.settle() == {7: None}


def test_rules_of_one_shape_come_and_go_and_nothing_is_another() -> None:
    lookups = Lookups()
    lookups.change(rule(COPY), 1)
    lookups.settle()
    lookups.change(rule(COPY, priority=2), 1)
    lookups.change(rule(COPY), -1)
    assert lookups.settle() == {}


def network(ports: int, nodes: int = 0) -> NodeCompiler:
    """A network with so many ports here, at OpenFlow ports of the same numbers as their keys, and so many peers."""
    compiler = NodeCompiler(available())
    compiler.record("self", SelfRecord("n1", 1, "192.0.2.1"))
    peers = [f"m{number}" for number in range(nodes)]
    for number, name in enumerate(peers):
        compiler.record(f"peer/{name}", PeerRecord(name, 2 + number, f"192.0.3.{number}"))
    compiler.bind(TUNNEL_PLAIN, 9999)
    compiler.record("network/9", NetworkRecord("net", 9, ("n1", *peers), (), 0))
    for key in range(1, ports + 1):
        compiler.record(f"port/{key}", PortRecord(f"p{key}", key, 9, "n1", 0x020000000000 + key, (), True, ()))
        compiler.bind(f"p{key}", key)
    return compiler


def attach(compiler: NodeCompiler, key: int, *services: int) -> None:
    turns = tuple(Turn(1, f"s{number}", number) for number in services)
    compiler.record(f"hook/egress:port:{key}", HookRecord("egress", "port", key, turns))
    for number in services:
        compiler.record(f"service/{number}", ServiceRecord(f"s{number}", number, "egress", ()))


def put(compiler: NodeCompiler, service: int, *rules: Rule) -> None:
    for number, one in enumerate(rules):
        compiler.record(f"flow/{service}/{number}", FlowRecord(one))


def large(service: int) -> list[Rule]:
    """16 tables and 64 copies: 145 lookups."""
    onward = [(Next(f"service_{table + 1}"),) if table < 15 else () for table in range(16)]
    return [rule(*(COPY,) * 4, *onward[table], table=table, service=service) for table in range(16)]


def flood(compiler: NodeCompiler) -> Rule:
    (found,) = (one for one in compiler.rules if one.stage == "forward" and one.priority == 50)
    return found


def heard(compiler: NodeCompiler) -> tuple[list[int], list[int]]:
    """The ports that get broadcasts, in order: without services, and with some."""
    plain, served = [], []
    for action in flood(compiler).actions:
        match action:
            case Output(port):
                assert not served
                plain.append(port)
            case Clone((SetField(value=key), Next("egress"))):
                served.append(key)
    return plain, served


@pytest.mark.parametrize(("actions", "most"), [((SetField(VERDICT, 0),), 600), ((SetField("ip_dscp", 1),), 500)])
def test_a_service_of_one_table_is_at_hundreds_of_ports_and_all_are_heard(
    actions: tuple[AnyAction, ...], most: int
) -> None:
    """Where it writes a header, which is looked at, packets come to its gate twice."""
    compiler = network(1000, 3)
    for key in range(1, most + 1):
        attach(compiler, key, 7)
    put(compiler, 7, rule(*actions))
    compiler.settle()
    assert heard(compiler) == (list(range(most + 1, 1001)), list(range(1, most + 1)))
    assert not compiler.unheard()
    attach(compiler, most + 1, 7)
    compiler.settle()
    assert compiler.unheard() == {9: 1}
    compiler.record(f"hook/egress:port:{most + 1}", None)
    compiler.settle()
    rendered = flood(compiler)
    assert len(encode(addition(cookie(rendered), rendered))) < 1 << 16


def test_ports_whose_services_take_too_much_are_left_out_and_no_others(caplog: pytest.LogCaptureFixture) -> None:
    compiler = network(5)
    attach(compiler, 2, *range(100, 121))
    attach(compiler, 3, 50)
    attach(compiler, 5, 51)
    for service in range(100, 121):
        put(compiler, service, *large(service))
    with caplog.at_level(logging.WARNING):
        compiler.settle()
    assert heard(compiler) == ([1, 4], [3, 5])
    assert compiler.unheard() == {9: 1}
    assert ["1 of the 3 ports" in record.getMessage() for record in caplog.records] == [True]
    attach(compiler, 2, *range(100, 120))
    compiler.settle()
    assert MOST_LOOKUPS >= 3 + 20 * 145 + 2 * (3 + 2)
    assert heard(compiler) == ([1, 4], [2, 3, 5])
    assert not compiler.unheard()


def test_ports_share_what_there_is_and_those_with_less_come_first() -> None:
    compiler = network(40)
    for key in range(1, 41):
        attach(compiler, key, 100 + key)
        put(compiler, 100 + key, *large(100 + key))
    put(compiler, 101, *(rule(*(COPY,) * 5, service=101),), *large(101)[1:])
    compiler.settle()
    assert heard(compiler) == ([], list(range(2, 22)))
    assert compiler.unheard() == {9: 20}


def test_other_flows_of_the_same_shape_do_not_compile_the_flood_anew() -> None:
    compiler = network(2)
    attach(compiler, 1, 7)
    put(compiler, 7, rule(COPY))
    compiler.settle()
    runs = compiler._graph.runs
    put(compiler, 7, rule(COPY, priority=5), rule(priority=6))
    compiler.settle()
    compiler.record("flow/7/0", None)
    compiler.settle()
    put(compiler, 7, rule(COPY))
    compiler.settle()
    put(compiler, 7, rule(COPY, priority=8))
    compiler.settle()
    # One flow of another shape came, one of the first went and came.
    assert compiler._graph.runs <= runs + 2


def test_what_the_switch_does_not_hold_takes_no_lookups() -> None:
    """A rule whose group is not there counts once it is."""
    compiler = network(1)
    attach(compiler, 1, *range(100, 120))
    for service in range(100, 120):
        put(compiler, service, rule(Clone((ToGroup(FIRST_GROUP),), apart=True), service=service))
    compiler.settle()
    assert heard(compiler) == ([], [1]) and len(compiler.refused) == 20
    compiler.record(f"group/{FIRST_GROUP}", GroupRecord(Group(FIRST_GROUP, "all", (Bucket(REDIRECT),), "service/s")))
    compiler.settle()
    assert compiler.unheard() == {9: 1}
    assert not any(
        dict(one.match).get(NETWORK) and one.stage == "forward" and one.priority == 50 for one in compiler.rules
    )


def test_what_goes_to_other_nodes_goes_before_services_and_leaves_nothing_of_the_tunnel() -> None:
    compiler = network(2, 2)
    attach(compiler, 1, 7)
    compiler.settle()
    plain, *away, last = flood(compiler).actions
    assert plain == Output(2) and len(away) == 2
    assert all(isinstance(one, Clone) and one.actions[-1] == Output(9999) and not one.apart for one in away)
    assert last == Clone((SetField(TARGET_PORT, 1), Next("egress")), apart=True)

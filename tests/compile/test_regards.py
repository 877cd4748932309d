"""The gate of a service looks at all of each header that the service's rules match or write, and at no others."""

from __future__ import annotations

from random import Random

import pytest

from segue.compile.rules import NodeCompiler, services
from segue.compile.rules.regards import BITS, KINDS, regarded
from segue.encap import available
from segue.inject.matches import HEADERS
from segue.model import stages
from segue.model.hooks import HOOKS
from segue.model.program import (
    FIRST_GROUP,
    AnyAction,
    Bucket,
    Clone,
    DecTtl,
    Group,
    Match,
    Move,
    Next,
    Rule,
    SetField,
    ToGroup,
    Value,
    match,
)
from segue.model.stages import BY_NAME, INJECTED, REGARDED, SERVICE, TARGET_PORT, VERDICT
from segue.model.view import AnyRecord, FlowRecord, GroupRecord, SelfRecord, ServiceRecord
from segue.openflow.fields import FIELDS
from segue.verify.consistency import refusal

IPV4, TCP = {"eth_type": 0x0800}, {"eth_type": 0x0800, "ip_proto": 6}
ME, SERVED = SelfRecord("n1", 1, "192.0.2.1"), ServiceRecord("s", 7, "egress", ())
G, OUT = FIRST_GROUP, (SetField(TARGET_PORT, 3), Next("redirect"))
DST, TTL = Move("ipv4_dst", REGARDED, 32), Move("nw_ttl", REGARDED, 8)
SRC, PORT, FLAGS = Move("ipv4_src", REGARDED, 32), Move("tcp_dst", REGARDED, 16), Move("tcp_flags", REGARDED, 12)
AGAIN = (SetField(REGARDED, 1), Next("service_gate"), SetField(REGARDED, 0))
MAC = (Move("eth_src", REGARDED, 32), Move("eth_src", REGARDED, 16, 32))


def flow(matched: dict[str, Value], *actions: AnyAction, table: int = 0) -> FlowRecord:
    return FlowRecord(Rule(f"service_{table}", 1, match({SERVICE: 7} | matched), actions, "service/s"))


def gate(compiler: NodeCompiler) -> dict[Match, tuple[AnyAction, ...]]:
    """What packets of each kind go through before the service's first table."""
    handed = {SERVICE: 7, VERDICT: HOOKS["egress"].number}
    found: dict[Match, tuple[AnyAction, ...]] = {}
    for rule in compiler.rules:
        if rule.stage == "service_gate" and INJECTED not in dict(rule.match):
            said = dict(rule.match)
            assert {name: said.pop(name) for name in handed} == handed
            if rule.counter:
                assert (rule.priority, said, rule.actions, rule.counter) == (100, {}, (Next("service_0"),), "service/s")
                continue
            assert said.pop(REGARDED) == 0
            assert (rule.priority, rule.actions[-3:]) == (101 + len(said), AGAIN)
            found[match(said)] = rule.actions[:-3]
    return found


@pytest.fixture
def compiler() -> NodeCompiler:
    made = NodeCompiler(available())
    made.record("self", ME)
    made.record("service/7", SERVED)
    made.settle()
    assert gate(made) == {}
    return made


def test_what_is_matched_by_a_part_is_looked_at_whole_in_packets_that_have_it(compiler: NodeCompiler) -> None:
    compiler.record("flow/7/1", flow(IPV4 | {"ipv4_src": (0x0A000000, 0xFF000000)}))
    compiler.record("flow/7/2", flow(TCP | {"tcp_dst": (0, 1)}, table=9))
    compiler.settle()
    assert gate(compiler) == {
        match(IPV4): (SRC,),
        match(TCP): (SRC, PORT),
        match({"eth_type": 0x86DD, "ip_proto": 6}): (PORT,),
    }
    compiler.record("flow/7/3", flow(TCP | {"tcp_flags": 2, "eth_src": 1}))
    compiler.record("flow/7/1", None)
    compiler.settle()
    assert gate(compiler) == {
        (): MAC,
        match(TCP): (*MAC, PORT, FLAGS),
        match({"eth_type": 0x86DD, "ip_proto": 6}): (*MAC, PORT, FLAGS),
    }
    for number in (2, 3):
        compiler.record(f"flow/7/{number}", None)
    compiler.settle()
    assert gate(compiler) == {}


@pytest.mark.parametrize("name", ["tcp_dst", "udp_dst", "sctp_dst"])
def test_destination_ports_are_left_to_the_switch_unless_some_bits_behind_are_matched(
    compiler: NodeCompiler, name: str
) -> None:
    protocol = {"tcp": 6, "udp": 17, "sctp": 132}[name.partition("_")[0]]
    kind: dict[str, Value] = IPV4 | {"ip_proto": protocol}
    values: list[Value] = [80, (80, 0xFFFF), (0x8000, 0x8000), (0x1F90, 0xFFF0)]
    for number, value in enumerate(values):
        compiler.record(f"flow/7/{number}", flow(kind | {name: value}))
    compiler.settle()
    assert gate(compiler) == {}
    compiler.record("flow/7/9", flow(kind | {name: (1, 1)}))
    compiler.settle()
    assert gate(compiler)[match(kind)] == (Move(name, REGARDED, 16),)
    compiler.record("flow/7/9", flow(kind | {name.replace("dst", "src"): 80}))
    compiler.settle()
    assert gate(compiler)[match(kind)] == (Move(name.replace("dst", "src"), REGARDED, 16),)


def test_a_header_is_looked_at_as_long_as_some_rule_is_about_it(compiler: NodeCompiler) -> None:
    for number, value in ((1, 5), (2, 6)):
        compiler.record(f"flow/7/{number}", flow({"eth_src": value}))
    compiler.settle()
    compiler.record("flow/7/1", None)
    compiler.settle()
    assert gate(compiler) == {(): MAC}


def test_what_is_written_counts_as_well(compiler: NodeCompiler) -> None:
    copy = Clone((SetField("tcp_dst", 80), Next("redirect")), apart=True)
    compiler.record("flow/7/1", flow(IPV4, SetField("ipv4_src", 1), copy, DecTtl()))
    compiler.settle()
    assert gate(compiler)[match(TCP)] == (SRC, TTL, PORT)


def group(*actions: AnyAction, number: int = G) -> GroupRecord:
    return GroupRecord(Group(number, "indirect", (Bucket(actions),), "service/s"))


def test_what_buckets_write_counts_for_services_whose_rules_name_the_group(compiler: NodeCompiler) -> None:
    compiler.record(f"group/{G}", group(SetField("ipv4_dst", 1, 1), *OUT))
    compiler.record(f"group/{G + 1}", group(SetField("eth_src", 1, 1), *OUT, number=G + 1))
    compiler.settle()
    assert gate(compiler) == {}
    copy = Clone((ToGroup(G),), apart=True)
    compiler.record("flow/7/1", flow({}, copy, ToGroup(G)))
    compiler.record("flow/7/2", flow({}, copy, table=3))
    compiler.settle()
    assert gate(compiler) == {match(IPV4): (DST,)}
    compiler.record("flow/7/1", None)
    compiler.settle()
    assert gate(compiler) == {match(IPV4): (DST,)}
    compiler.record(f"group/{G}", group(DecTtl(), SetField("ipv4_dst", 2, 2), *OUT))
    compiler.settle()
    assert gate(compiler)[match(IPV4)] == (DST, TTL)
    compiler.record("flow/7/2", None)
    compiler.settle()
    assert gate(compiler) == {}


def test_rules_and_their_groups_come_and_go_in_any_order(compiler: NodeCompiler) -> None:
    """What is counted at last does not depend on it."""
    rng = Random(3)
    writes = [(), (SetField("ipv4_dst", 1, 1),), (SetField("eth_src", 1),), (DecTtl(), SetField("ipv4_dst", 4, 4))]
    records: dict[str, AnyRecord | None] = {}
    for _ in range(300):
        number = G + rng.randrange(3)
        key, record = rng.choice(
            [
                (f"group/{number}", rng.choice([None, group(*rng.choice(writes), *OUT, number=number)])),
                (f"flow/7/{rng.randrange(6)}", rng.choice([None, flow({}, ToGroup(number), table=rng.randrange(3))])),
            ]
        )
        if record != records.get(key):
            records[key] = record
            compiler.record(key, record)
        compiler.settle()
        fresh = NodeCompiler(available())
        for name, one in {"self": ME, "service/7": SERVED, **records}.items():
            if one is not None:
                fresh.record(name, one)
        fresh.settle()
        assert gate(compiler) == gate(fresh)


def test_services_come_in_the_order_in_which_they_said_something(compiler: NodeCompiler) -> None:
    compiler.record("service/9", ServiceRecord("t", 9, "egress", ()))
    compiler.settle()
    fields = match({SERVICE: 9, "eth_src": 1})
    compiler.record("flow/9/1", FlowRecord(Rule("service_0", 1, fields, (), "service/t")))
    compiler.record("flow/7/1", flow({"eth_src": 1}))
    added = compiler.settle().added.values()
    assert {rule.stage for rule in added} == {"service_gate", "service_0"}
    assert list(dict.fromkeys(rule.owner for rule in added)) == ["service/t", "service/s"]


def test_what_is_looked_at_leaves_the_ways_to_the_services_ports_alone(
    compiler: NodeCompiler, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiler.record("service/7", ServiceRecord("s", 7, "egress", ((6, "q", "n1"), (8, "r", "n2"))))
    compiler.settle()
    made: list[int] = []
    way = services._way
    monkeypatch.setattr(services, "_way", lambda *told: made.append(told[2]) or way(*told))
    compiler.record("flow/7/1", flow({"eth_src": 5}))
    compiler.settle()
    assert (gate(compiler), made) == ({(): MAC}, [])


def test_all_that_a_service_may_match_by_a_part_can_be_looked_at_and_switches_take_it() -> None:
    assert {name for name in HEADERS if FIELDS[name].maskable} - BITS.keys() == {"ip_frag"}
    headers = {match(dict(kind)): has for kind, has in KINDS.items()}
    found = list(regarded(BITS))
    assert len(found) == len(KINDS)
    for above, kind, looks in found:
        rule = Rule("service_gate", 100 + above, match({SERVICE: 7} | dict(kind)), (*looks, *AGAIN), "s")
        stages.check(rule)
        looked = {(one.source, one.source_offset) for one in looks if isinstance(one, Move)}
        assert all((name, 0) in looked for name in headers[kind])
        assert refusal(rule) is None
    assert [stage.name for stage in BY_NAME.values() if REGARDED in stage.matches] == ["service_gate"]

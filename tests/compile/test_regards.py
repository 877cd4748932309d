"""The gate of a service looks at all of each header that the service's rules match or write, and at no others."""

from __future__ import annotations

import pytest

from segue.compile.rules import NodeCompiler
from segue.compile.rules.regards import BITS, KINDS, regarded
from segue.encap import available
from segue.inject.matches import HEADERS
from segue.model import stages
from segue.model.hooks import HOOKS
from segue.model.program import AnyAction, Clone, DecTtl, Match, Move, Next, Rule, SetField, Value, match
from segue.model.stages import BY_NAME, INJECTED, REGARDED, SERVICE, VERDICT
from segue.model.view import FlowRecord, SelfRecord, ServiceRecord
from segue.openflow.fields import FIELDS
from segue.verify.consistency import refusal

IPV4, TCP = {"eth_type": 0x0800}, {"eth_type": 0x0800, "ip_proto": 6}
SRC, PORT, FLAGS = Move("ipv4_src", REGARDED, 32), Move("tcp_dst", REGARDED, 16), Move("tcp_flags", REGARDED, 12)
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
            assert rule.actions[-1] == Next("service_0")
            assert rule.counter == "service/s"
            assert rule.priority == (101 + len(said) if rule.actions[:-1] else 100)
            if rule.actions[:-1]:
                found[match(said)] = rule.actions[:-1]
    return found


@pytest.fixture
def compiler() -> NodeCompiler:
    made = NodeCompiler(available())
    made.record("self", SelfRecord("n1", 1, "192.0.2.1"))
    made.record("service/7", ServiceRecord("s", 7, "egress", ()))
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
    ttl = Move("nw_ttl", REGARDED, 8)
    assert gate(compiler)[match(TCP)] == (SRC, ttl, PORT)


def test_all_that_a_service_may_match_by_a_part_can_be_looked_at_and_switches_take_it() -> None:
    assert {name for name in HEADERS if FIELDS[name].maskable} - BITS.keys() == {"ip_frag"}
    headers = {match(dict(kind)): has for kind, has in KINDS.items()}
    found = list(regarded(BITS))
    assert len(found) == len(KINDS)
    for above, kind, looks in found:
        rule = Rule("service_gate", 100 + above, match({SERVICE: 7} | dict(kind)), (*looks, Next("service_0")), "s")
        stages.check(rule)
        looked = {(one.source, one.source_offset) for one in looks if isinstance(one, Move)}
        assert all((name, 0) in looked for name in headers[kind])
        assert refusal(rule) is None
    assert REGARDED not in {name for stage in BY_NAME.values() for name in stage.matches}

"""Services on a node: which rules hooks get, and what becomes of records that the switch will not take."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from segue.compile.rules import NodeCompiler
from segue.encap import available
from segue.model import stages
from segue.model.hooks import HOOKS
from segue.model.program import (
    FIRST_GROUP,
    FIRST_METER,
    AnyAction,
    Band,
    Bucket,
    Clone,
    Decap,
    DecTtl,
    Group,
    Match,
    Meter,
    Next,
    Output,
    Rule,
    SetField,
    ToGroup,
    ToService,
    UseMeter,
    cookie,
    match,
)
from segue.model.stages import (
    ELEMENT,
    INJECTED,
    NETWORK,
    ROUTER_ELEMENT,
    SERVICE,
    SERVICE_METADATA,
    SOURCE_PORT,
    TARGET_PORT,
    VERDICT,
)
from segue.model.view import (
    AnyRecord,
    FlowRecord,
    GroupRecord,
    HookRecord,
    Interface,
    MeterRecord,
    NetworkRecord,
    PortRecord,
    RouterRecord,
    SelfRecord,
    ServiceRecord,
    Turn,
)
from segue.packet.addresses import ETH_IPV4
from segue.verify.interpreter import Program, run
from segue.verify.packet import Packet

MAC, LEG = 0x020000000001, 0x0200000000FE
PORT = PortRecord("p", 5, 9, "n1", MAC, ((4, 0x0A000001),), True, ())
ROUTER = RouterRecord("r", 3, (Interface(9, LEG, (), ()),), ())
TAKE = (SetField(VERDICT, 0),)


def flow(*actions: AnyAction, stage: str = "service_0", priority: int = 1, service: int = 7) -> FlowRecord:
    return FlowRecord(Rule(stage, priority, match({SERVICE: service}), actions, "service/s"))


def group(*actions: AnyAction, number: int = FIRST_GROUP) -> GroupRecord:
    return GroupRecord(Group(number, "all", (Bucket(actions),), "service/s"))


METER = MeterRecord(Meter(FIRST_METER, True, (Band(10),), "service/s"))


def compiled(records: Mapping[str, AnyRecord]) -> NodeCompiler:
    compiler = NodeCompiler(available())
    compiler.record("self", SelfRecord("n1", 1, "192.0.2.1"))
    for key, record in records.items():
        compiler.record(key, record)
    compiler.settle()
    return compiler


def at(compiler: NodeCompiler, stage: str) -> dict[tuple[int, Match], tuple[AnyAction, ...]]:
    return {(rule.priority, rule.match): rule.actions for rule in compiler.rules if rule.stage == stage and rule.match}


def handed(hook: str, *turns: tuple[int, int]) -> tuple[AnyAction, ...]:
    """(service, element) in turn."""
    actions: list[AnyAction] = [SetField(VERDICT, HOOKS[hook].number)]
    for service, element in turns:
        actions += [SetField(SERVICE, service), SetField(ELEMENT, element), SetField(SERVICE_METADATA, 0)]
        actions.append(Next("service_gate"))
    return (*actions, SetField(SERVICE, 0), Next("go_on"))


STRAIGHT, BEHIND_A_PATH = match({NETWORK: 9, SOURCE_PORT: 5}), match({NETWORK: 9, SOURCE_PORT: 0}, eth_src=MAC)
KNOWN: dict[str, tuple[tuple[Match, ...], Match | None]] = {
    "ingress": ((match({SOURCE_PORT: 5}),), None),
    "pre-routing": ((STRAIGHT, BEHIND_A_PATH), match({NETWORK: 9}, eth_dst=LEG)),
    "forward": ((match({NETWORK: 9}, eth_type=ETH_IPV4, ipv4_dst=0x0A000001),), match({NETWORK: 9})),
    "post-routing": ((match({NETWORK: 9}, eth_dst=MAC),), match({NETWORK: 9}, eth_src=LEG)),
    "egress": ((match({TARGET_PORT: 5}),), None),
}


@pytest.mark.parametrize("name", HOOKS)
def test_a_packet_of_a_port_and_a_router_meets_the_services_of_both_in_order(name: str) -> None:
    compiler = compiled({"port/5": PORT, "router/3": ROUTER})
    compiler.record(f"hook/{name}:port:5", HookRecord(name, "port", 5, (Turn(1, "b", 21), Turn(3, "a", 22))))
    router = HookRecord(name, "router", 3, (Turn(1, "a", 23), Turn(2, "z", 24), Turn(3, "a", 22)))
    compiler.record(f"hook/{name}:router:3", router)
    compiler.settle()
    by_port, by_router = KNOWN[name]
    far = 3 | ROUTER_ELEMENT
    alone = {(110, known): handed(name, (21, 5), (22, 5)) for known in by_port}
    expected = dict(alone)
    if by_router is not None:
        expected[100, by_router] = handed(name, (23, far), (24, far), (22, far))
        for known in by_port:
            both = match({**dict(known), **dict(by_router)})
            expected[120, both] = handed(name, (23, far), (21, 5), (24, far), (22, 5))
    assert at(compiler, HOOKS[name].stage) == expected
    compiler.record(f"hook/{name}:router:3", None)
    compiler.settle()
    assert at(compiler, HOOKS[name].stage) == alone
    compiler.record(f"hook/{name}:port:5", None)
    compiler.settle()
    assert at(compiler, HOOKS[name].stage) == {}


def test_what_a_service_is_handed_is_counted() -> None:
    compiler = compiled({"service/7": ServiceRecord("s", 7, "egress", ())})
    counted = [rule for rule in compiler.rules if rule.counter]
    assert [(rule.stage, rule.counter, rule.actions) for rule in counted] == [
        ("service_gate", "service/s", (Next("service_0"),))
    ]


def test_rules_groups_and_meters_come_and_go_with_their_records() -> None:
    compiler = compiled({})
    record = flow(ToGroup(FIRST_GROUP), UseMeter(FIRST_METER))
    for name, one in (("flow/7/1", record), (f"group/{FIRST_GROUP}", group()), (f"meter/{FIRST_METER}", METER)):
        compiler.record(name, one)
    changes = compiler.settle()
    key = cookie(record.rule)
    assert changes.added == {key: record.rule}
    assert (changes.groups, changes.meters) == ({FIRST_GROUP: group().group}, {FIRST_METER: METER.meter})
    assert (compiler.origin(key), compiler.program()[key]) == ("flow/7/1", record.rule)
    compiler.record(f"group/{FIRST_GROUP}", group(SetField("eth_dst", MAC)))
    changed = compiler.settle()
    assert (changed.added, changed.removed) == ({}, {})
    assert changed.groups == {FIRST_GROUP: group(SetField("eth_dst", MAC)).group}
    compiler.record(f"meter/{FIRST_METER}", None)
    gone = compiler.settle()
    assert (gone.removed, gone.meters) == ({key: record.rule}, {FIRST_METER: None})
    assert "meter" in compiler.refused["flow/7/1"]
    assert compiler.origin(key) is None


def test_what_the_switch_refuses_is_left_out_with_what_names_it_until_it_is_another() -> None:
    named, other = flow(ToGroup(FIRST_GROUP)), flow(priority=2)
    compiler = compiled({"flow/7/1": named, "flow/7/2": other, f"group/{FIRST_GROUP}": group()})
    compiler.refuse(f"group/{FIRST_GROUP}", "no room")
    changes = compiler.settle()
    assert (set(changes.removed), changes.groups) == ({cookie(named.rule)}, {FIRST_GROUP: None})
    assert compiler.refused[f"group/{FIRST_GROUP}"] == "no room"
    assert set(compiler.refused) == {f"group/{FIRST_GROUP}", "flow/7/1"}
    compiler.record(f"group/{FIRST_GROUP}", group())
    assert compiler.settle().groups == {}
    compiler.record(f"group/{FIRST_GROUP}", group(SetField("eth_dst", MAC)))
    assert set(compiler.settle().added) == {cookie(named.rule)}
    assert compiler.refused == {}
    compiler.refuse("flow/7/2", "no")
    assert set(compiler.settle().removed) == {cookie(other.rule)}
    compiler.retry()
    assert set(compiler.settle().added) == {cookie(other.rule)}


def test_two_records_of_one_rule_are_one_rule_until_both_are_gone() -> None:
    compiler = compiled({"flow/7/1": flow(), "flow/7/2": flow()})
    key = cookie(flow().rule)
    compiler.record("flow/7/1", None)
    assert compiler.settle().removed == {}
    assert compiler.origin(key) == "flow/7/2"
    compiler.record("flow/7/2", None)
    assert set(compiler.settle().removed) == {key}


@pytest.mark.parametrize(
    ("record", "why"),
    [
        (flow(stage="forward"), "not of injected services"),
        (FlowRecord(Rule("service_0", 1, (), (), "t")), "must match reg7"),
        (FlowRecord(Rule("service_0", 1, match({SERVICE: (7, 7)}), (), "t")), "must match reg7"),
        (FlowRecord(Rule("service_0", 1, match({SERVICE: 7, NETWORK: 1}), (), "t")), "may not match"),
        (flow(SetField(SERVICE, 8)), "may not write"),
        (flow(SetField(VERDICT, 5)), "no other verdict"),
        (flow(SetField(VERDICT, 0, 1)), "no other verdict"),
        (flow(SetField(TARGET_PORT, 5)), "on a copy"),
        (flow(SetField("in_port", 0)), "on a copy"),
        (flow(DecTtl(), *TAKE, SetField(TARGET_PORT, 5)), "on a copy"),
        (flow(Next("deliver")), "may not go on"),
        (flow(Next("service_0"), stage="service_1"), "may not go on"),
        (flow(Output(1)), "may not send packets out"),
        (flow(Decap()), "no use for Decap"),
        (flow(ToGroup(1)), "not of injected services"),
        (flow(UseMeter(1)), "not of injected services"),
        (flow(Clone((ToService(7, 0, 1, meter=1),))), "not of injected services"),
        (group(number=FIRST_GROUP + 1), "is of number"),
        (group(UseMeter(FIRST_METER)), "no switch does it there"),
        (group(Next("service_15")), "may not go on"),
        (MeterRecord(Meter(1, True, (), "t")), "not the number of a meter"),
    ],
)
def test_a_record_outside_of_the_contract_is_left_out_and_holds_up_nothing(record: AnyRecord, why: str) -> None:
    kind = {FlowRecord: "flow/7/1", GroupRecord: f"group/{FIRST_GROUP}"}.get(type(record), f"meter/{FIRST_METER}")
    fine = flow(*TAKE, SetField(TARGET_PORT, 5), SetField("in_port", 0), Next("redirect"), priority=9)
    compiler = compiled({kind: record, "flow/7/9": fine})
    assert why in compiler.refused[kind]
    assert set(compiler.refused) == {kind}
    injected = [rule for rule in compiler.rules if stages.BY_NAME[rule.stage].injected]
    assert injected == [fine.rule]


def network(*hooks: HookRecord, rules: Mapping[int, tuple[AnyAction, ...]]) -> Program:
    """Two ports of one network on a node, and services that are attached to the first, each with one rule."""
    there = PortRecord("q", 6, 9, "n1", MAC + 1, (), True, ())
    records: dict[str, AnyRecord] = {"port/5": PORT, "port/6": there, "network/9": NetworkRecord("net", 9, (), (), 0)}
    for hook in hooks:
        records[f"hook/{hook.hook}:port:{hook.key}"] = hook
        for turn in hook.turns:
            records[f"service/{turn.service}"] = ServiceRecord(turn.name, turn.service, hook.hook, ((6, "q", "n1"),))
            actions = rules[turn.service]
            records[f"flow/{turn.service}/1"] = flow(*actions, service=turn.service)
    compiler = compiled(records)
    compiler.bind("p", 1)
    compiler.bind("q", 2)
    compiler.settle()
    return Program(compiler.rules)


def met(program: Program, **registers: int) -> tuple[list[int], list[int]]:
    """The services whose tables a packet from the first port to the second meets, and where it leaves."""
    fields = {"eth_type": 0x88B5, "eth_src": MAC, "eth_dst": MAC + 1}
    trace = run(program, Packet.of(fields | registers), 1)
    return (
        [visit.before.fields[SERVICE] for visit in trace.visits if visit.stage == "service_0"],
        [sent.port for sent in trace.outputs],
    )


FIRST_OF_TWO = HookRecord("ingress", "port", 5, (Turn(1, "b", 21), Turn(1, "c", 20)))
SECOND_HOOK = HookRecord("pre-routing", "port", 5, (Turn(1, "a", 22),))


def test_services_have_their_turn_until_one_takes_the_packet() -> None:
    go: tuple[AnyAction, ...] = (SetField("eth_dst", MAC + 1),)
    on = network(FIRST_OF_TWO, SECOND_HOOK, rules={21: go, 20: go, 22: go})
    assert met(on) == ([21, 20, 22], [2])
    taken = network(FIRST_OF_TWO, SECOND_HOOK, rules={21: TAKE, 20: go, 22: go})
    assert met(taken) == ([21], [])
    late = network(FIRST_OF_TWO, SECOND_HOOK, rules={21: go, 20: TAKE, 22: go})
    assert met(late) == ([21, 20], [])


def test_a_packet_is_counted_once_for_each_service_whatever_of_it_is_looked_at() -> None:
    """What the gate looks at comes to it again, and to the next service as if nothing had been looked at."""
    on = network(
        FIRST_OF_TWO, SECOND_HOOK, rules={21: (SetField("eth_dst", 3),), 20: (), 22: (SetField("eth_src", MAC),)}
    )
    visits = run(on, Packet.of({"eth_type": 0x88B5, "eth_src": MAC, "eth_dst": MAC + 1}), 1).visits
    gates = [visit.rule for visit in visits if visit.stage == "service_gate" and visit.rule]
    assert [rule.counter for rule in gates] == ["", "service/b", "service/c", "", "service/a"]


def test_a_service_does_not_get_back_what_it_has_sent_itself() -> None:
    on = network(FIRST_OF_TWO, SECOND_HOOK, rules={21: TAKE, 20: (), 22: ()})
    assert met(on, **{INJECTED: 21}) == ([20, 22], [2])


def test_each_service_finds_the_element_and_metadata_of_its_own() -> None:
    writes: tuple[AnyAction, ...] = (SetField(SERVICE_METADATA, 5 << 32 | 6),)
    program = network(FIRST_OF_TWO, SECOND_HOOK, rules={21: writes, 20: writes, 22: writes})
    trace = run(program, Packet.of({"eth_type": 0x88B5, "eth_src": MAC, "eth_dst": MAC + 1}), 1)
    found = [visit.before.fields for visit in trace.visits if visit.stage == "service_0"]
    assert [(one[ELEMENT], one[SERVICE_METADATA]) for one in found] == [(5, 0)] * 3


def test_what_is_for_many_comes_to_a_port_by_way_of_its_services_and_is_not_changed_for_others() -> None:
    egress = HookRecord("egress", "port", 6, (Turn(1, "b", 21),))
    many = Packet.of({"eth_type": 0x88B5, "eth_src": MAC, "eth_dst": 0xFFFFFFFFFFFF})
    taken = run(network(egress, rules={21: TAKE}), many, 1)
    assert [sent.port for sent in taken.outputs] == []
    changed = run(network(egress, rules={21: (SetField("eth_dst", MAC),)}), many, 1)
    assert [(sent.port, sent.packet.fields["eth_dst"]) for sent in changed.outputs] == [(2, MAC)]
    own = HookRecord("egress", "port", 5, (Turn(1, "b", 21),))
    others = run(network(own, rules={21: (SetField("eth_dst", MAC),)}), many, 1)
    assert [(sent.port, sent.packet.fields["eth_dst"]) for sent in others.outputs] == [(2, 0xFFFFFFFFFFFF)]
    assert "service_0" not in others.stages

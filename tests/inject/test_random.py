"""Whatever a service sends: what passes is permitted, within its stage's contract, and about the service's own alone;
and packets of elements that nothing is attached to meet the program that they would meet without services."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inject import random_flows
from inject.pipeline import KEYS, STRANGERS, compiled, ip, mac, network
from inject.scenes import COPY_METER, ELEMENTS, GROUPS, METERS, PACKET_IN_METER, SERVICE, scope
from segue.inject import matches, translate
from segue.inject.errors import Refusal
from segue.inject.scope import Scope
from segue.model import stages
from segue.model.hooks import HOOKS
from segue.model.program import (
    FIRST_GROUP,
    AnyAction,
    Clone,
    DecTtl,
    Group,
    Next,
    PopVlan,
    PushVlan,
    Rule,
    SetField,
    SetQueue,
    ToGroup,
    ToService,
    UseMeter,
    Value,
)
from segue.model.stages import ELEMENT, SERVICE_METADATA, TARGET_PORT, VERDICT
from segue.model.stages import SERVICE as REGISTER
from segue.model.view import (
    AnyRecord,
    FlowRecord,
    GroupRecord,
    HookRecord,
    ServiceRecord,
    Turn,
)
from segue.openflow import VERSIONS
from segue.openflow.match import MatchLike
from segue.openflow.protocol.errors import code_names
from segue.openflow.protocol.extension_errors import TABLE as EXTENSIONS
from segue.verify.consistency import refusal
from segue.verify.interpreter import Program, Sent, run
from segue.verify.packet import Packet

EXAMPLES = int(os.environ.get("SEGUE_EXAMPLES", "1"))
seeds = st.integers(0, (1 << 64) - 1)
ERRORS = {name for version in VERSIONS for name in code_names(version)} | {
    line.split()[0] for line in EXTENSIONS.split("\n") if line
}
OWN_KEYS = {element.key for element in ELEMENTS.values() if element.kind == "port"}
OWN_ELEMENTS = {element.register for element in ELEMENTS.values()}
ALWAYS = {TARGET_PORT, "in_port", VERDICT, SERVICE_METADATA}


def asked(rng: random.Random, **changes: object) -> Scope:
    return scope(random_flows.hook(rng), random_flows.permissions(rng), **changes)


def every(actions: Iterable[AnyAction]) -> Iterator[AnyAction]:
    for action in actions:
        yield action
        if isinstance(action, Clone):
            yield from every(action.actions)


def hold_to(where: Scope, actions: tuple[AnyAction, ...]) -> None:
    """Nothing but what the permissions say, to nothing but the service's own."""
    permissions = where.permissions
    for action in every(actions):
        match action:
            case SetField(field="ip_dscp"):
                assert permissions.mark
            case SetField(field="vlan_vid" | "vlan_pcp") | PushVlan() | PopVlan():
                assert "vlan" in permissions.rewrite
            case SetField(field=field, value=value):
                assert field in ALWAYS or field in permissions.rewrite
                if field in ("eth_src", "ipv4_src", "ipv6_src"):
                    assert where.hook.name in ("ingress", "egress")
                if field == TARGET_PORT:
                    assert value in OWN_KEYS
                    assert permissions.redirect or permissions.copy
                if field in ("in_port", VERDICT):
                    assert value == 0
            case DecTtl():
                assert "nw_ttl" in permissions.rewrite
            case SetQueue():
                assert permissions.queue
            case UseMeter(meter=meter) if meter == COPY_METER:
                assert permissions.redirect or permissions.copy
            case UseMeter(meter=meter):
                assert permissions.meter
                assert meter in METERS.values()
            case ToGroup(group=group):
                assert group in GROUPS.values()
            case ToService(service=service, meter=meter):
                assert permissions.packet_in
                assert (service, meter) == (SERVICE, PACKET_IN_METER)
            case Clone(actions=inner, apart=apart):
                assert any(isinstance(one, UseMeter) for one in inner) != apart
                assert not apart or isinstance(inner[-1], ToGroup)
            case Next():
                pass
            case _:
                pytest.fail(f"a service's rule does {action}")


def hold_to_ways(where: Scope, rule: Rule) -> None:
    """The packet is taken only by whom it may be, and goes on otherwise."""
    permissions = where.permissions
    taken = SetField(VERDICT, 0) in rule.actions
    sends = [one for one in every(rule.actions) if isinstance(one, ToGroup) or one == Next("redirect")]
    if sends:
        assert permissions.redirect if taken else permissions.copy
    if taken:
        assert permissions.drop or permissions.redirect or permissions.packet_in
        if not (permissions.redirect or permissions.drop):
            assert any(isinstance(one, ToService) for one in rule.actions)
    table = stages.TABLE[rule.stage]
    onward = [stages.TABLE[one.stage] for one in rule.actions if isinstance(one, Next) and one.stage != "redirect"]
    assert len(onward) <= (not taken)
    assert all(table < later < stages.TABLE["redirect"] for later in onward)


@settings(max_examples=400 * EXAMPLES, deadline=None)
@given(seeds)
def test_what_passes_is_permitted_and_about_the_services_own(seed: int) -> None:
    rng = random.Random(seed)
    where = asked(rng)
    for number in range(5):
        try:
            rule = translate.rule(where, random_flows.flow(rng, number), GROUPS, METERS)
        except Refusal as refused:
            assert refused.error in ERRORS
            assert refused.text
            continue
        if rule is None:
            continue
        stages.check_injected(rule)
        assert refusal(rule) is None
        matched = dict(rule.match)
        assert matched.pop(REGISTER) == SERVICE
        assert matched.pop(ELEMENT, 11) in OWN_ELEMENTS
        assert not any(name.startswith(("reg", "xreg", "tun", "ct_")) for name in matched if name != SERVICE_METADATA)
        assert (rule.owner, rule.counter) == ("service/ips", "")
        hold_to(where, rule.actions)
        hold_to_ways(where, rule)


@settings(max_examples=200 * EXAMPLES, deadline=None)
@given(seeds)
def test_groups_and_meters_that_pass_are_permitted(seed: int) -> None:
    rng = random.Random(seed)
    where = asked(rng)
    version = rng.choice(VERSIONS[1:])
    try:
        made = translate.group(where, random_flows.group_mod(rng, version), FIRST_GROUP + 9, GROUPS, METERS, version)
    except Refusal as refused:
        assert refused.error in ERRORS
    else:
        stages.check_group(made)
        for bucket in made.buckets:
            hold_to(where, bucket.actions)
            assert not any(isinstance(one, (ToGroup, ToService, UseMeter, Clone)) for one in bucket.actions)
    try:
        meter = translate.meter(where, random_flows.meter_mod(rng), PACKET_IN_METER)
    except Refusal as refused:
        assert refused.error in ERRORS
    else:
        assert where.permissions.meter
        stages.check_meter(meter)


@settings(max_examples=100 * EXAMPLES, deadline=None)
@given(seeds)
def test_the_same_question_has_the_same_answer(seed: int) -> None:
    def ask() -> object:
        rng = random.Random(seed)
        try:
            return translate.rule(asked(rng), random_flows.flow(rng), GROUPS, METERS)
        except Refusal as refused:
            return refused.error, refused.text

    assert ask() == ask()


def likeness(rng: random.Random, match: dict[str, Value | str]) -> dict[str, Value | str]:
    """The same fields with other values, some of them such as cannot be."""
    some = dict(match)
    for name, value in match.items():
        if rng.random() < 0.3:
            some[name] = rng.choice((0, 1, 5, 0x1005, 0x1_0000, value, (0x1000, 0x1000), (1, 1), -1))
    return some


@settings(max_examples=400 * EXAMPLES, deadline=None)
@given(seeds)
def test_what_is_remembered_of_matches_changes_no_answer(seed: int) -> None:
    def ask(how: Callable[[MatchLike, int], dict[str, Value]], match: MatchLike) -> object:
        try:
            return how(match, flow.version)
        except Refusal as refused:
            return refused.error, refused.text

    rng = random.Random(seed)
    flow = random_flows.flow(rng)
    tagged: dict[str, Value | str] = {"vlan_vid": (0x1000, 0x1000), "vlan_pcp": 1}
    for _ in range(8):
        match = likeness(rng, dict(flow.match) if rng.random() < 0.8 else tagged)
        assert ask(matches.normal, match) == ask(matches._normal, match)


# -- isolation -----------------------------------------------------------------------------------------------------

OTHER = 78


def services(rng: random.Random) -> tuple[dict[str, AnyRecord], dict[int, Group]]:
    """Two services with random flows; elements 1 and 2 (keys 11 and 12) are attached to both, the strangers to none."""
    records: dict[str, AnyRecord] = {}
    turns: dict[str, list[Turn]] = {}
    groups: dict[int, Group] = {}
    for number, virtual in enumerate(GROUPS):
        mod = random_flows.group_mod(rng, 4)
        try:
            groups[GROUPS[virtual]] = translate.group(scope(), mod, GROUPS[virtual], GROUPS, METERS, 4)
        except Refusal:
            groups[GROUPS[virtual]] = Group(GROUPS[virtual], "all", (), f"service/ips{number}")
        records[f"group/{GROUPS[virtual]}"] = GroupRecord(groups[GROUPS[virtual]])
    for key, name in ((SERVICE, "ips"), (OTHER, "other")):
        where = Scope(name, key, HOOKS[random_flows.hook(rng)], random_flows.permissions(rng), ELEMENTS)
        own = tuple((element.key, f"p{element.key}", "n1") for element in where.ports)
        records[f"service/{key}"] = ServiceRecord(name, key, where.hook.name, own)
        turns.setdefault(where.hook.name, []).append(Turn(rng.randrange(2), name, key))
        seen = set()
        for number in range(12):
            try:
                rule = translate.rule(where, random_flows.flow(rng, number), GROUPS, {})
            except Refusal:
                continue
            if rule is not None and rule.identity not in seen:
                seen.add(rule.identity)
                records[f"flow/{key}/{number}"] = FlowRecord(rule)
    for hook, each in turns.items():
        for key in (11, 12):
            records[f"hook/{hook}:port:{key}"] = HookRecord(hook, "port", key, tuple(sorted(each)))
    return records, groups


def sent(program: Program, packet: Packet, key: int) -> list[tuple[int, dict[str, int]]]:
    def seen(one: Sent) -> tuple[int, dict[str, int]]:
        headers = {name: value for name, value in one.packet.fields.items() if "reg" not in name}
        return one.port, headers

    trace = run(program, packet, 1 + KEYS.index(key))
    assert not trace.error
    assert not trace.punts
    assert not any(stage.startswith("service_") for stage in trace.stages)
    return [seen(one) for one in trace.outputs]


def between(one: int, other: int) -> Iterator[Packet]:
    """What one port may send to another: right, and with every address forged."""
    ethernet = {"eth_src": mac(one), "eth_dst": mac(other)}
    address = {"eth_type": 0x0800, "ipv4_src": ip(one), "ipv4_dst": ip(other), "nw_ttl": 64}
    yield Packet.of({**ethernet, **address, "ip_proto": 6, "tcp_src": 1, "tcp_dst": 80})
    yield Packet.of({**ethernet, **address, "ip_proto": 17, "udp_src": 1, "udp_dst": 80}, tags=(0x1005,))
    yield Packet.of({**ethernet, **address, "ipv4_src": ip(11), "ip_proto": 17, "udp_src": 1, "udp_dst": 80})
    yield Packet.of({**ethernet, "eth_src": mac(11), **address, "ip_proto": 17, "udp_src": 1, "udp_dst": 80})
    yield Packet.of({**ethernet, "eth_type": 0x88B5})
    asks = {
        "eth_type": 0x0806,
        "arp_op": 1,
        "arp_spa": ip(one),
        "arp_tpa": ip(other),
        "arp_sha": mac(one),
        "arp_tha": 0,
    }
    yield Packet.of({**ethernet, "eth_dst": (1 << 48) - 1, **asks})


@settings(max_examples=30 * EXAMPLES, deadline=None)
@given(seeds)
def test_packets_of_elements_without_services_meet_the_program_that_they_would_meet_without_any(seed: int) -> None:
    rng = random.Random(seed)
    plain = compiled(network(), {})
    records, groups = services(rng)
    served = compiled({**network(), **records}, groups)
    for one, other in (STRANGERS, STRANGERS[::-1]):
        for packet in between(one, other):
            assert sent(served, packet, one) == sent(plain, packet, one)


def test_the_packets_of_that_test_arrive() -> None:
    program = compiled(network(), {})
    arrived = [len(sent(program, packet, 21)) for packet in between(*STRANGERS)]
    assert arrived == [1, 1, 0, 0, 1, 1]

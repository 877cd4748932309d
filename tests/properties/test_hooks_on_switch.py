"""A real switch does with packets of attached elements what the interpreter says, services' own rules and groups
included; and the parts that a trace does not show, packets themselves show."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from itertools import starmap

import pytest
from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st
from injected_services import Injected, injected
from strategies import intents, packets
from test_hooks import inject
from test_meaning import build
from test_switch_agrees import PORTS, Alike, NodeSwitch, ask, over_ipv4, places
from verify_wire import read_pcap
from worlds import World

from segue.compile.rules import NodeCompiler
from segue.drivers.ovs.groups import group_mod, group_removal, meter_mod, meter_removal
from segue.drivers.ovs.render import OWN, addition
from segue.encap import available
from segue.model.hooks import HOOKS
from segue.model.program import (
    FIRST_GROUP,
    FIRST_METER,
    AnyAction,
    Band,
    Bucket,
    Clone,
    Group,
    Meter,
    Next,
    PopVlan,
    PushVlan,
    Rule,
    SetField,
    SetQueue,
    ToGroup,
    ToService,
    UseMeter,
    match,
)
from segue.model.stages import SERVICE, TARGET_PORT, VERDICT
from segue.model.view import (
    FlowRecord,
    GroupRecord,
    HookRecord,
    MeterRecord,
    NetworkRecord,
    PortRecord,
    SelfRecord,
    ServiceRecord,
    Turn,
)
from segue.openflow.client import OpenFlowClient
from segue.openflow.protocol import FlowDescRequest, FlowMod, FlowModCommand, MeterCommand
from segue.verify.explain import explain, explain_trace
from segue.verify.interpreter import Program, Undefined, run
from segue.verify.live import compare, questions
from segue.verify.network import Hop
from segue.verify.packet import Packet
from segue.verify.wire import encode

pytestmark = pytest.mark.root

CHECKED = settings(
    max_examples=40,
    deadline=None,
    database=None,
    phases=(Phase.generate,),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)


class HookSwitch(NodeSwitch):
    groups: frozenset[int] = frozenset()
    meters: frozenset[int] = frozenset()

    def hold(self, compiler: NodeCompiler) -> set[tuple[int, int]]:
        """This program and no other; returns the rules that the switch says that it holds."""
        held = asyncio.run(self._hold(compiler))
        self.appctl("revalidator/purge")  # what is cached of the program before follows the tables only after a while
        return held

    async def _hold(self, compiler: NodeCompiler) -> set[tuple[int, int]]:
        clear = FlowMod(command=FlowModCommand.DELETE, table_id=0xFF, cookie=OWN[0], cookie_mask=OWN[1])
        async with OpenFlowClient(f"unix:{self._mgmt}") as client:
            await client.bundle([clear, *map(group_removal, self.groups)])
            for number in self.meters:
                await client.send(meter_removal(number))
            for meter in compiler.meters.values():
                await client.send(meter_mod(meter, MeterCommand.ADD))
            await client.bundle(
                [*map(group_mod, compiler.groups.values()), *starmap(addition, compiler.program().items())]
            )
            self.groups, self.meters = frozenset(compiler.groups), frozenset(compiler.meters)
            request = FlowDescRequest(cookie=OWN[0], cookie_mask=OWN[1])
            return {(flow.table_id, flow.cookie) async for flows in client.flow_stats(request) for flow in flows}


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HookSwitch]:
    with HookSwitch(tmp_path_factory.mktemp("ovs"), ports=PORTS) as running:
        yield running


@st.composite
def served(draw: st.DrawFn) -> tuple[World, list[Injected], list[tuple[str, Packet]]]:
    objects = {ref: value for ref, value in draw(intents()).items() if ref[0] != "service"}
    world = build(over_ipv4(objects))
    sent = draw(st.lists(packets(world.objects), min_size=4, max_size=8))
    return world, draw(injected(world, [packet for _, packet in sent])), sent


@CHECKED
@given(served())
def test_the_switch_does_what_the_interpreter_says_of_services(
    node: HookSwitch, given_: tuple[World, list[Injected], list[tuple[str, Packet]]]
) -> None:
    world, services, sent = given_
    inject(world, services)
    journeys = []
    for port, packet in sent:
        try:
            journeys.append(world.send(port, packet))
        except Undefined:
            continue
    for name, at in world.nodes.items():
        assert node.hold(at.compiler) == places(world, name)
        alike = Alike(at.rules.values())
        for journey in journeys:
            for hop in journey.hops:
                if not isinstance(hop, Hop) or hop.node != name:
                    continue
                met = {visit.stage for visit in hop.trace.visits}
                event(f"{'services' if 'service_0' in met else 'none'}{', redirect' if 'redirect' in met else ''}")
                for question in map(alike.put, questions(hop)):
                    agrees, words = compare(question, alike.say(ask(node, question.args)))
                    story = [*map(str, services), *explain(journey)]
                    assert agrees, "\n".join([words, str(question), *story])


ONE, TWO, THREE = 0x020000000001, 0x020000000002, 0x020000000003
HOME, AWAY, ASIDE = 1, 2, 3
"""Keys of three ports, which are at the OpenFlow ports of the same numbers."""
KEY = 7
OWN_GROUP, ONE_BUCKET = FIRST_GROUP, FIRST_GROUP + 1
ASIDES: tuple[AnyAction, ...] = (SetField(TARGET_PORT, ASIDE), SetField("in_port", 0), Next("redirect"))
MEASURE = UseMeter(FIRST_METER)
AMPLE, SELDOM = Band(100_000), Band(1, 1)
TAG: tuple[AnyAction, ...] = (PushVlan(0x88A8), SetField("vlan_vid", 0x1005), SetField("vlan_pcp", 3))


def rule(table: int, priority: int, actions: tuple[AnyAction, ...], **fields: int) -> Rule:
    return Rule(f"service_{table}", priority, match({SERVICE: KEY}, **fields), actions, "service/s")


PROGRAMS: dict[str, tuple[Rule, ...]] = {
    "a tag on what goes on": (rule(0, 1, TAG),),
    "a tag on a copy": (rule(0, 1, (Clone((MEASURE, *TAG, *ASIDES)),)),),
    "a tag on and off": (rule(0, 1, (*TAG, PopVlan())),),
    "tables, and what they write": (
        rule(0, 1, (SetField("eth_dst", THREE), Next("service_4"))),
        rule(4, 1, (SetField("eth_src", ONE + 8), Clone((MEASURE, *ASIDES)), SetField("eth_dst", TWO)), eth_dst=THREE),
    ),
    "taken, and sent": (rule(0, 1, (SetField(VERDICT, 0), *ASIDES)),),
    "taken": (rule(0, 1, (SetField(VERDICT, 0),)),),
    "a group": (rule(0, 1, (ToGroup(OWN_GROUP), SetField("ip_dscp", 10)), eth_type=0x0800),),
    "copies by a group": (
        rule(0, 1, (Clone((MEASURE, ToGroup(OWN_GROUP))), SetField("ip_dscp", 10)), eth_type=0x0800),
    ),
    "a group, apart": (rule(0, 1, (Clone((ToGroup(OWN_GROUP),), apart=True), SetField("eth_dst", TWO))),),
    "a group of one bucket, taken": (rule(0, 1, (SetField(VERDICT, 0), ToGroup(ONE_BUCKET))),),
    "no entry for it": (rule(0, 1, (Next("service_1"),)), rule(1, 1, (SetField(VERDICT, 0),), eth_dst=THREE)),
    "a meter, a queue, and the controller": (
        rule(0, 1, (UseMeter(FIRST_METER), SetQueue(2), ToService(KEY, 0, 99, meter=FIRST_METER + 1))),
    ),
}


def program(hook: str, rules: tuple[Rule, ...], band: Band = AMPLE) -> NodeCompiler:
    """One network with three ports on one node, all attached to a service at ``hook``."""
    compiler = NodeCompiler(available())
    compiler.record("self", SelfRecord("n1", 1, "192.0.2.1"))
    compiler.record("network/9", NetworkRecord("net", 9, ("n1",), (), 0))
    for key, name, mac in ((HOME, "home", ONE), (AWAY, "away", TWO), (ASIDE, "aside", THREE)):
        compiler.record(f"port/{key}", PortRecord(name, key, 9, "n1", mac, ((4, 0x0A000000 + key),), True, ()))
        compiler.bind(name, key)
        turn = Turn(1, "s", KEY)
        compiler.record(f"hook/{hook}:port:{key}", HookRecord(hook, "port", key, (turn,)))
    compiler.record(f"service/{KEY}", ServiceRecord("s", KEY, hook, ((ASIDE, "aside", "n1"),)))
    aside = Bucket((SetField("eth_src", ONE + 9), *ASIDES))
    buckets = (aside, Bucket((*TAG, *ASIDES[:-1], Next("group_copy"))))
    compiler.record(f"group/{OWN_GROUP}", GroupRecord(Group(OWN_GROUP, "all", buckets, "service/s")))
    compiler.record(f"group/{ONE_BUCKET}", GroupRecord(Group(ONE_BUCKET, "select", (aside,), "service/s")))
    for number in (FIRST_METER, FIRST_METER + 1):
        compiler.record(f"meter/{number}", MeterRecord(Meter(number, True, (band,), "service/s")))
    limit = Rule("group_copy", 100, match({SERVICE: KEY}), (MEASURE, Next("redirect")), "service/s")
    for number, one in enumerate((*rules, limit)):
        compiler.record(f"flow/{KEY}/{number}", FlowRecord(one))
    compiler.settle()
    assert not compiler.refused
    return compiler


@pytest.mark.parametrize("hook", [name for name in HOOKS if name != "forward"])
@pytest.mark.parametrize("name", PROGRAMS)
def test_packets_leave_the_switch_as_the_interpreter_has_them(node: HookSwitch, name: str, hook: str) -> None:
    """Every octet that leaves by every port, in order; from a port with a tag, without one, and for many."""
    compiler = program(hook, PROGRAMS[name])
    node.hold(compiler)
    meaning = Program(compiler.rules, groups=compiler.groups)
    ip = {"eth_src": ONE, "eth_type": 0x0800, "ip_proto": 17, "nw_ttl": 64, "ipv4_src": 0x0A000001}
    for mac, tags in ((TWO, ()), (TWO, (0x2003,)), (0xFFFFFFFFFFFF, ())):
        packet = Packet.of({**ip, "eth_dst": mac, "ipv4_dst": 0x0A000002, "udp_src": 5, "udp_dst": 6}, tags=tags)
        trace = run(meaning, packet, HOME)
        before = {port: node.capture(port).stat().st_size for port in (HOME, AWAY, ASIDE)}
        node.receive(HOME, encode(packet.frame))
        for port, size in before.items():
            sent = [frame.hex() for frame in read_pcap(node.capture(port).read_bytes(), size)]
            expected = [encode(out.packet.frame).hex() for out in trace.outputs if out.port == port]
            assert sent == expected, "\n".join([f"port {port}", *explain_trace(trace)])


COPIED: dict[str, tuple[AnyAction, ...]] = {
    "by the rule": (Clone((MEASURE, *ASIDES)), Clone((MEASURE, *ASIDES))),
    "by a group": (Clone((MEASURE, ToGroup(OWN_GROUP))),),
    "by a group, measured there alone": (Clone((ToGroup(OWN_GROUP),), apart=True),),
}


@pytest.mark.parametrize("name", COPIED)
def test_what_the_meter_drops_are_copies_alone(node: HookSwitch, name: str) -> None:
    """One copy a second may go, and many packets come at once."""
    node.hold(program("ingress", (rule(0, 1, COPIED[name], eth_dst=TWO),), SELDOM))
    met = counted(node, TWO)
    free = SENT if COPIED[name][0].apart else 0  # type: ignore[union-attr]
    assert met[AWAY] == SENT and free < met[ASIDE] < free + SENT


def test_what_a_meter_drops_of_a_broadcast_at_one_port_is_not_missing_at_others(node: HookSwitch) -> None:
    """A service at egress measures what comes to its ports; each of them gets a copy of its own."""
    node.hold(program("egress", (rule(0, 1, (MEASURE,), reg8=AWAY),), SELDOM))
    met = counted(node, 0xFFFFFFFFFFFF)
    assert 0 < met[AWAY] < SENT and met[ASIDE] == SENT


@pytest.mark.parametrize(("services", "heard"), [(20, True), (40, False)])
def test_a_broadcast_comes_to_others_whatever_services_there_are_at_one_port(
    node: HookSwitch, services: int, heard: bool
) -> None:
    """Each of 16 tables, and 64 copies. Up to what the switch can do for one packet, it comes to all."""
    compiler = program("ingress", ())
    for key in (HOME, AWAY, ASIDE):
        compiler.record(f"hook/ingress:port:{key}", None)
    turns = tuple(Turn(number, f"s{number}", 100 + number) for number in range(services))
    compiler.record(f"hook/egress:port:{AWAY}", HookRecord("egress", "port", AWAY, turns))
    copies = (Clone((MEASURE, *ASIDES)),) * 4
    for turn in turns:
        compiler.record(f"service/{turn.service}", ServiceRecord(turn.name, turn.service, "egress", ()))
        for table in range(16):
            onward = (Next(f"service_{table + 1}"),) if table < 15 else ()
            one = Rule(f"service_{table}", 1, match({SERVICE: turn.service}), (*copies, *onward), "service/s")
            compiler.record(f"flow/{turn.service}/{table}", FlowRecord(one))
    compiler.settle()
    assert not compiler.refused
    node.hold(compiler)
    assert counted(node, 0xFFFFFFFFFFFF, 1) == {AWAY: heard, ASIDE: 1 + heard * services * 64}
    assert compiler.unheard() == ({} if heard else {9: 1})
    assert counted(node, TWO, 1)[AWAY] == heard, "what is for that port alone is not bounded but by the switch"


SENT = 20


def counted(node: HookSwitch, mac: int, times: int = SENT) -> dict[int, int]:
    """How many frames leave by the other ports if so many come from the first."""
    fields = {"eth_src": ONE, "eth_dst": mac, "eth_type": 0x0800, "ip_proto": 17, "nw_ttl": 64, "udp_src": 5}
    packet = Packet.of({**fields, "ipv4_src": 0x0A000001, "ipv4_dst": 0x0A000002, "udp_dst": 6})
    before = {port: node.capture(port).stat().st_size for port in (AWAY, ASIDE)}
    for _ in range(times):
        node.receive(HOME, encode(packet.frame))
    return {port: len(list(read_pcap(node.capture(port).read_bytes(), size))) for port, size in before.items()}

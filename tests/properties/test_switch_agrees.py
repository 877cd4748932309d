"""A real switch takes the compiled programs, and does with packets what the interpreter says.

Every rule goes the way that an agent's goes: rendered as OpenFlow 1.5, sent in one bundle by the client library. Then
each hop of each packet's journey is asked of the switch, lap by lap, with its own ``ofproto/trace``; tables, cookies
and outputs must be those of the interpreter.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st
from strategies import intents, packets
from test_meaning import build
from verify_switch import BRIDGE, Switch
from worlds import GPE, PLAIN, World

from segue.drivers.ovs.render import OWN, addition
from segue.model.intent import Node, Objects
from segue.model.program import Rule, cookie
from segue.model.stages import TABLE
from segue.openflow.client import OpenFlowClient
from segue.openflow.protocol import FlowDescRequest, FlowMod, FlowModCommand
from segue.verify.explain import explain
from segue.verify.live import Question, compare, questions
from segue.verify.network import Hop

pytestmark = pytest.mark.root

CHECKED = settings(
    max_examples=80,
    deadline=None,
    database=None,
    phases=(Phase.generate,),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
PORTS = 24
"""More than any node's ports in these intents."""
UNDERLAY = "192.0.2"


class NodeSwitch(Switch):
    """With the two tunnels of a node, and an underlay in which the other nodes have MAC addresses."""

    def __enter__(self) -> NodeSwitch:
        super().__enter__()
        try:
            args = ["add-br", "ul", "--", "set", "bridge", "ul", "datapath_type=dummy", "fail_mode=standalone"]
            tunnel = ["options:remote_ip=flow", "options:key=flow"]
            for name, number, more in (
                ("plain", PLAIN, []),
                ("gpe", GPE, ["options:exts=gpe", "options:packet_type=ptap"]),
            ):
                port = [f"options:dst_port={4789 + number - PLAIN}", f"ofport_request={number}"]
                args += ["--", "add-port", BRIDGE, name, "--", "set", "interface", name, "type=vxlan"]
                args += [*tunnel, *port, *more]
            self._vsctl(*args)
            self.appctl("netdev-dummy/ip4addr", "ul", f"{UNDERLAY}.100/24")
            self.appctl("ovs/route/add", f"{UNDERLAY}.0/24", "ul")
            for number in range(1, 4):
                self.appctl("tnl/arp/set", "ul", f"{UNDERLAY}.{number}", f"02:00:00:00:ff:0{number}")
        except BaseException:
            self.__exit__()
            raise
        return self

    def program(self, rules: Iterable[Rule]) -> set[tuple[int, int]]:
        """Hold these rules and no others; returns what the switch says that it holds."""
        return asyncio.run(self._program(list(rules)))

    async def _program(self, rules: list[Rule]) -> set[tuple[int, int]]:
        clear = FlowMod(command=FlowModCommand.DELETE, table_id=0xFF, cookie=OWN[0], cookie_mask=OWN[1])
        async with OpenFlowClient(f"unix:{self._mgmt}") as client:
            await client.bundle([clear, *(addition(cookie(rule), rule) for rule in rules)])
            request = FlowDescRequest(cookie=OWN[0], cookie_mask=OWN[1])
            return {(flow.table_id, flow.cookie) async for flows in client.flow_stats(request) for flow in flows}


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeSwitch]:
    with NodeSwitch(tmp_path_factory.mktemp("ovs"), ports=PORTS) as running:
        yield running


def over_ipv4(objects: Objects) -> Objects:
    for number, ref in enumerate([ref for ref in objects if ref[0] == "node"], 1):
        declared = objects[ref]
        assert isinstance(declared, Node)
        objects[ref] = msgspec.structs.replace(declared, address=f"{UNDERLAY}.{number}")
    return objects


@CHECKED
@given(st.data())
def test_the_switch_does_what_the_interpreter_says(node: NodeSwitch, data: st.DataObject) -> None:
    world = build(over_ipv4(data.draw(intents())))
    sent = data.draw(st.lists(packets(world.objects), min_size=4, max_size=10))
    journeys = [world.send(port, packet) for port, packet in sent]
    for name, at in world.nodes.items():
        held = node.program(at.rules.values())
        assert held == places(world, name)
        alike = Alike(at.rules.values())
        for journey in journeys:
            for hop in journey.hops:
                if not isinstance(hop, Hop) or hop.node != name:
                    continue
                asked = [alike.put(question) for question in questions(hop)]
                event(f"asked of a hop with {len(asked)} laps")
                for question in asked:
                    agrees, words = compare(question, alike.say(ask(node, question.args)))
                    assert agrees, "\n".join([words, str(question), *explain(journey)])


def places(world: World, node: str) -> set[tuple[int, int]]:
    return {(TABLE[rule.stage], cookie(rule)) for rule in world.nodes[node].rules.values()}


class Alike:
    """Which of two rules of one stage, priority and effect a packet meets is not defined, nor does it matter: a chain's
    classifiers may overlap. All of them go by one cookie."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        first: dict[object, int] = {}
        self._one = {cookie(r): first.setdefault((r.stage, r.priority, r.actions), cookie(r)) for r in rules}

    def put(self, question: Question) -> Question:
        visits = tuple((table, None if key is None else self._one[key]) for table, key in question.visits)
        return replace(question, visits=visits)

    def say(self, text: str) -> str:
        return re.sub(r"cookie (0x[0-9a-f]+)", lambda m: f"cookie {self._one.get(int(m[1], 16), 0):#x}", text)


def ask(node: NodeSwitch, args: dict[str, str]) -> str:
    if "actions" in args:
        return node.appctl("ofproto/trace-packet-out", BRIDGE, args["flow"], args["actions"])
    return node.appctl("ofproto/trace", BRIDGE, args["flow"], *([args["packet"]] if "packet" in args else []))

"""What dies, and what comes back: servers, agents, switches and their databases, amid traffic and changes."""

from __future__ import annotations

import http.client
import random
import subprocess
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from segue.lab import names
from segue.model.stages import TABLE

from . import buffers
from .fabric import Fabric, function, host
from .flows import Untouched, held, ofctl, program
from .streams import Result, Stream, Traffic

pytestmark = pytest.mark.root

FUNCTIONS = {"a": ("n2", 1), "b": ("n3", 2), "c": ("n1", 3), "d": ("n2", 4)}
LOUD = Stream("loud", "c1", "s3", "10.0.0.22", 7001, 600, echo=True)
LOCAL = Stream("local", "c1", "s1", "10.0.0.20", 7002, 300, ports="21000-21003")
BESIDE = Stream("beside", "c2", "s3", "fd00::22", 7003, 300)
STREAMS = (LOUD, LOCAL, BESIDE)
HOSTS = {"c1": ("n1", 10), "c2": ("n2", 11), "s1": ("n1", 20), "s3": ("n3", 22)}


def loud(*through: str) -> dict[str, Any]:
    match = {"from": "c1", "to": "s3", "protocol": "udp", "destination_ports": 7001}
    return {"chains": {"loud": {"match": match, "through": list(through), "symmetric": True}}}


def local(*through: str) -> dict[str, Any]:
    match = {"from": "c1", "to": "s1", "protocol": "udp", "destination_ports": 7002}
    return {"chains": {"local": {"match": match, "through": list(through)}}}


@pytest.fixture(scope="module")
def running() -> Iterator[Fabric]:
    ends = [host(name, node, f"10.0.0.{last}/24", f"fd00::{last}/64") for name, (node, last) in HOSTS.items()]
    functions = [function(name, node, "stamp", "--id", str(number)) for name, (node, number) in FUNCTIONS.items()]
    with Fabric([*ends, *functions]) as fabric:
        yield fabric


@pytest.fixture
def fabric(running: Fabric) -> Fabric:
    """Everything runs, and chain ``loud`` goes through a and b, ``local`` through c."""
    for name in ("server", *running.nodes):
        if name not in running.processes:
            running.start_server() if name == "server" else running.start_agent(name)
    ports = {
        name: {"network": "web", "node": node, "addresses": [f"10.0.0.{last}", f"fd00::{last}"]}
        for name, (node, last) in HOSTS.items()
    }
    base = {
        "nodes": ["n1", "n2", "n3"],
        "networks": {"web": ["10.0.0.0/24", "fd00::/64"]},
        "ports": ports,
        "instances": {name: {"node": node} for name, (node, _) in FUNCTIONS.items()},
        "chains": loud("a", "b")["chains"] | local("c")["chains"],
    }
    running.until(lambda: running.apply(base, ready=False)["ready"], "the base to be in force")
    running.until(lambda: steady(running), "old paths to drain")
    buffers.widen(running.lab)
    return running


def steady(fabric: Fabric) -> bool:
    """Every node is ready, and every chain, with no path but its own."""
    status = fabric.status()
    paths = [path["phase"] for chain in status["chains"] for path in chain["paths"]]
    states = [thing["state"] for thing in (*status["nodes"], *status["chains"])]
    return set(states) == {"ready"} and set(paths) == {"active"}


def in_order(results: dict[str, Result]) -> None:
    """Nothing was lost, and chains ``loud`` and ``local`` were as the fixture makes them throughout."""
    for result in results.values():
        result.whole()
    assert results["loud"].trails() == {(1, 2)}
    assert {packet.back for packet in results["loud"].packets} == {(1, 2, 2, 1)}
    assert results["local"].trails() == {(3,)}
    assert results["beside"].trails() == {()}


# -- server and agents -------------------------------------------------------------------------------------------------


def test_a_killed_server_and_its_successor_touch_nothing(fabric: Fabric) -> None:
    before = Untouched(fabric)
    begun = time.monotonic()
    with Traffic(fabric, STREAMS) as traffic:
        time.sleep(0.3)
        fabric.kill("server")
        time.sleep(1.0)
        fabric.start_server()
        fabric.until(lambda: steady(fabric), "agents to come back")
        time.sleep(0.3)
        results = traffic.stop()
    before.check(time.monotonic() - begun)
    in_order(results)


@pytest.mark.parametrize("node", ["n1", "n2", "n3"])
def test_a_killed_agent_and_its_successor_touch_nothing(fabric: Fabric, node: str) -> None:
    before = Untouched(fabric)
    begun = time.monotonic()
    with Traffic(fabric, STREAMS) as traffic:
        time.sleep(0.2)
        fabric.kill(node)
        fabric.until(lambda: not fabric.agents_ready(), f"the server to miss {node}")
        (absent,) = [found for found in fabric.status()["nodes"] if found["name"] == node]
        assert absent["state"] == "absent", absent
        fabric.start_agent(node)
        fabric.until(lambda: steady(fabric), f"{node} to come back")
        time.sleep(0.2)
        results = traffic.stop()
    before.check(time.monotonic() - begun)
    in_order(results)


def test_everything_killed_at_once_goes_on_forwarding(fabric: Fabric) -> None:
    before = Untouched(fabric)
    begun = time.monotonic()
    with Traffic(fabric, STREAMS) as traffic:
        for name in ("server", *fabric.nodes):
            fabric.kill(name)
        time.sleep(1.0)
        for node in fabric.nodes:
            fabric.start_agent(node)
        fabric.start_server()
        fabric.until(lambda: steady(fabric), "all to come back", 30)
        results = traffic.stop()
    before.check(time.monotonic() - begun)
    in_order(results)


VERSIONS = (["a", "b"], ["d", "b"], ["c", "d", "b"], ["b"], ["c"], ["a"])


class Changer(threading.Thread):
    """Changes chain ``loud`` over and over. ``asked`` is set while the answer is not there."""

    def __init__(self, fabric: Fabric, rng: random.Random) -> None:
        super().__init__(daemon=True)
        self._fabric, self._rng = fabric, rng
        self.acknowledged: list[str] = []
        self.asked: list[str] | None = None
        self.seen: set[tuple[int, ...]] = set()
        self.problem: Exception | None = None

    def run(self) -> None:
        try:
            while True:
                self.asked = self._rng.choice([version for version in VERSIONS if version != self.acknowledged])
                self.seen.add(tuple(FUNCTIONS[name][1] for name in self.asked))
                self._fabric.apply(loud(*self.asked), wait=self._rng.choice([0, 0, 0.05, 10]), ready=False)
                self.acknowledged, self.asked = self.asked, None
                time.sleep(self._rng.random() * 0.05)
        except (OSError, ValueError, http.client.HTTPException):  # the server was killed
            pass
        except Exception as error:
            self.problem = error


def through(fabric: Fabric) -> list[str]:
    found: list[str] = fabric.get("/v1/objects/chain/loud")["groups"]
    return found


@pytest.mark.slow
def test_a_server_killed_in_the_midst_of_rollouts_keeps_its_word(fabric: Fabric) -> None:
    rng = random.Random(7)
    seen = {(1, 2)}
    with Traffic(fabric, STREAMS) as traffic:
        for _ in range(12):
            changer = Changer(fabric, rng)
            changer.acknowledged = through(fabric)
            changer.start()
            time.sleep(0.2 + rng.random() * 0.8)
            fabric.kill("server")
            changer.join(10)
            assert not changer.is_alive() and changer.problem is None, changer.problem
            seen |= changer.seen
            fabric.start_server()
            assert through(fabric) in [changer.acknowledged, changer.asked]
        last = through(fabric)
        fabric.until(lambda: steady(fabric), "the last rollout to end")
        settled = time.monotonic_ns()
        time.sleep(0.3)
        results = traffic.stop()
    for result in results.values():
        result.whole()
    assert results["loud"].trails() <= seen
    ended = {packet.trail for packet in results["loud"].packets if packet.sent > settled}
    assert ended == {tuple(FUNCTIONS[name][1] for name in last)}
    assert results["local"].trails() == {(3,)} and results["beside"].trails() == {()}


def test_what_was_acknowledged_outlives_a_kill_right_after(fabric: Fabric) -> None:
    for version in VERSIONS[1:4]:
        fabric.apply(loud(*version), wait=0, ready=False)
        fabric.kill("server")
        fabric.start_server()
        assert through(fabric) == version
    fabric.until(lambda: steady(fabric), "the change to be in force")


# -- switches ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kill9", [True, False], ids=["killed", "stopped"])
@pytest.mark.parametrize("node", ["n1", "n2"])
def test_a_restarted_switch_gets_everything_back(fabric: Fabric, node: str, kill9: bool) -> None:
    before = program(fabric, node)
    with Traffic(fabric, STREAMS) as traffic:
        time.sleep(0.2)
        fabric.lab.restart_switch(node, kill9=kill9)
        fabric.until(lambda: program(fabric, node) == before, f"{node} to get its flows back", 10)
        fabric.until(lambda: steady(fabric), f"{node} to be ready")
        back = time.monotonic_ns()
        time.sleep(0.5)
        results = traffic.stop()
    assert any(result.lost for result in results.values()), "the switch was not away at all"
    for result in results.values():
        assert result.outage < 8, f"{result.stream.name}: {result.outage:.1f} s without a packet"
        late = [packet for packet in result.lost if packet.sent > back]
        assert not late, f"{result.stream.name}: {len(late)} lost after {node} was ready again"
    assert results["loud"].trails() == {(1, 2)}


def test_the_first_packet_through_a_restarted_switch_is_not_lost(fabric: Fabric) -> None:
    """Tunnels lose packets until the datapath knows the peer's MAC address; nothing has used them since the restart."""
    for node in fabric.nodes:
        fabric.lab.restart_switch(node, kill9=True)
    fabric.until(lambda: steady(fabric), "all to be ready")
    with Traffic(fabric, STREAMS) as traffic:
        time.sleep(0.5)
        results = traffic.stop()
    in_order(results)


def test_a_switch_that_is_away_is_told_of(fabric: Fabric) -> None:
    fabric.lab.kill_switch("n2")
    try:

        def state() -> Any:
            (found,) = [node for node in fabric.status()["nodes"] if node["name"] == "n2"]
            return found["state"] == "failed" and found["reason"]

        assert "switch" in fabric.until(state, "the status to tell")
        waiting = fabric.apply(loud("d", "b"), wait=0.3, ready=False)["waiting"]
        assert any("n2" in reason and "switch" in reason for reason in waiting), waiting
    finally:
        fabric.lab.start_switch("n2")
    fabric.until(lambda: steady(fabric), "n2 to be ready, and the chain")


def test_a_restarted_database_costs_nothing(fabric: Fabric) -> None:
    before = Untouched(fabric)
    begun = time.monotonic()
    with Traffic(fabric, STREAMS) as traffic:
        fabric.restart_database("n2")
        fabric.until(lambda: steady(fabric), "n2 to be ready")
        time.sleep(2.0)
        before.check(time.monotonic() - begun)
        fabric.apply(local("d"))
        time.sleep(0.3)
        results = traffic.stop()
    for result in results.values():
        result.whole()
    assert results["loud"].trails() == {(1, 2)} and results["local"].trails() == {(3,), (4,)}


# -- those who meddle --------------------------------------------------------------------------------------------------


def comes_back(fabric: Fabric, node: str, before: object, what: str) -> float:
    begun = time.monotonic()
    fabric.until(lambda: program(fabric, node) == before, what, 5)
    return time.monotonic() - begun


def test_deleted_and_changed_flows_come_back_and_others_stay(fabric: Fabric) -> None:
    foreign = ["cookie=0x77,table=7,priority=5,udp,tp_dst=9999,actions=drop", "cookie=0x78,table=99,actions=drop"]
    for flow in foreign:
        ofctl(fabric, "n2", "add-flow", "br-int", flow)
    others = Untouched(fabric, "n1", "n3")
    underlay = [flow.what for flow in held(fabric, "n2", "br-ul")]
    begun = time.monotonic()
    before = program(fabric, "n2")
    assert len(before) > 20

    ofctl(fabric, "n2", "del-flows", "br-int", "cookie=0x5e00000000000000/0xff00000000000000")
    assert comes_back(fabric, "n2", before, "all flows") < 2
    one = next(flow for flow in held(fabric, "n2") if flow.ours and flow.identity[0] == TABLE["steer"])
    table, match = one.identity
    matched = match.replace("priority=", f"table={table},priority=")
    ofctl(fabric, "n2", "--strict", "del-flows", "br-int", matched)
    assert comes_back(fabric, "n2", before, "one flow") < 2
    ofctl(fabric, "n2", "--strict", "mod-flows", "br-int", f"{matched},actions=drop")
    assert comes_back(fabric, "n2", before, "a changed flow") < 2
    ofctl(fabric, "n2", "add-flow", "br-int", f"cookie=0x79,{matched},actions=drop")
    assert comes_back(fabric, "n2", before, "a flow in whose place another was put") < 2

    kept = [flow for flow in held(fabric, "n2") if not flow.ours]
    assert sorted(flow.cookie for flow in kept) == [0x77, 0x78]
    assert all(flow.duration >= time.monotonic() - begun for flow in kept), "a foreign flow was put there anew"
    assert [flow.what for flow in held(fabric, "n2", "br-ul")] == underlay
    others.check(time.monotonic() - begun)

    ofctl(fabric, "n2", "del-flows", "br-int")
    assert comes_back(fabric, "n2", before, "all flows, foreign ones deleted too") < 2
    assert all(flow.ours for flow in held(fabric, "n2"))
    with Traffic(fabric, STREAMS) as traffic:
        time.sleep(0.3)
        results = traffic.stop()
    in_order(results)


def test_a_removed_tunnel_comes_back(fabric: Fabric) -> None:
    for port in ("segue-gpe", "segue-vxlan"):
        fabric.vsctl("n2", "del-port", "br-int", port)
    fabric.until(lambda: "segue-gpe" in fabric.vsctl("n2", "list-ports", "br-int"), "the tunnel")
    fabric.vsctl("n2", "set", "interface", "segue-gpe", "options:dst_port=4799")
    fabric.until(lambda: "4790" in fabric.vsctl("n2", "get", "interface", "segue-gpe", "options"), "the tunnel's port")
    fabric.until(lambda: steady(fabric), "n2 to be ready")
    time.sleep(0.5)
    with Traffic(fabric, STREAMS) as traffic:
        time.sleep(0.3)
        results = traffic.stop()
    in_order(results)


# -- those who are missing, and those who are too many -----------------------------------------------------------------


def test_changes_wait_for_an_absent_agent_and_others_do_not(fabric: Fabric) -> None:
    with Traffic(fabric, STREAMS) as traffic:
        fabric.kill("n2")
        fabric.until(lambda: not fabric.agents_ready(), "the server to miss n2")
        answer = fabric.apply(loud("d", "b"), wait=0.3, ready=False)
        assert not answer["ready"]
        assert "chain loud: node n2 has no agent connected" in answer["waiting"], answer["waiting"]
        (chain,) = fabric.status("loud")["chains"]
        assert chain["state"] == "preparing" and chain["reasons"] == ["node n2 has no agent connected"], chain
        assert fabric.apply(local("b"))["ready"]
        assert fabric.apply(local("c"))["ready"]
        time.sleep(0.3)
        returned = time.monotonic_ns()
        fabric.start_agent("n2")
        fabric.until(lambda: steady(fabric), "the chain to be in force")
        settled = time.monotonic_ns()
        time.sleep(0.3)
        results = traffic.stop()
    for result in results.values():
        result.whole()
    packets = results["loud"].packets
    assert {packet.trail for packet in packets if packet.arrived < returned} == {(1, 2)}
    assert {packet.trail for packet in packets if packet.sent > settled} == {(4, 2)}
    assert results["loud"].trails() == {(1, 2), (4, 2)}


def test_two_agents_for_a_node_do_not_fight(fabric: Fabric) -> None:
    before = Untouched(fabric)
    begun = time.monotonic()
    first = fabric.processes.pop("n2")
    fabric.start_agent("n2")
    assert first.wait(10) == 1
    fabric.until(lambda: "another agent has registered for node n2" in fabric.log("n2"), "the first to say why")
    time.sleep(1.0)
    assert fabric.processes["n2"].poll() is None
    before.check(time.monotonic() - begun)
    fabric.apply(loud("d", "b"))


def test_a_second_server_on_the_same_data_says_so(fabric: Fabric) -> None:
    command = fabric.server_command(str(fabric.directory / "other"))
    done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    assert done.returncode == 1
    assert f"is in use by process {fabric.processes['server'].pid}" in done.stderr, done.stderr
    assert len(done.stderr.splitlines()) == 1
    fabric.apply(loud("d", "b"))


def test_a_chain_waits_for_an_interface_that_is_not_there_yet(fabric: Fabric) -> None:
    """The interface is there all the time, and gets its name later: where the kernel makes one, Open vSwitch looks up
    its routes anew, and may lose packets of tunnels meanwhile, which is not what is tested here."""
    interface = names.switch_interface("d-in")
    fabric.vsctl("n2", "remove", "interface", interface, "external_ids", "iface-id")
    with Traffic(fabric, STREAMS) as traffic:
        answer = fabric.apply(loud("d", "b"), wait=0.3, ready=False)
        assert not answer["ready"]
        reason = "port d-in has no interface on node n2 (external_ids:iface-id=d-in)"
        assert answer["waiting"] == [f"chain loud: {reason}"]
        (chain,) = fabric.status("loud")["chains"]
        assert chain["state"] == "preparing" and chain["reasons"] == [reason], chain
        assert fabric.apply(local("a"))["ready"]
        plugged = time.monotonic_ns()
        fabric.vsctl("n2", "set", "interface", interface, "external_ids:iface-id=d-in")
        fabric.until(lambda: steady(fabric), "the chain to be in force")
        settled = time.monotonic_ns()
        time.sleep(0.3)
        results = traffic.stop()
    for result in results.values():
        result.whole()
    packets = results["loud"].packets
    assert {packet.trail for packet in packets if packet.arrived < plugged} == {(1, 2)}
    assert {packet.trail for packet in packets if packet.sent > settled} == {(4, 2)}
    assert results["loud"].trails() == {(1, 2), (4, 2)}

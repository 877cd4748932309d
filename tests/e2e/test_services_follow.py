"""Injected services and ports that come, go and move: what a service forbids never gets through, however short the
port has been there. Frames are sent without a pause while the network changes; hosts are silent.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from segue.lab import names
from segue.lab.spec import LabHost, LabPort
from segue.openflow import Output, SetField

from .fabric import Fabric, mac_of
from .frames import Wire, datagram, of, silent
from .injected import EVERYTHING, ON, flow, numbers, packet_out, put, say, shown, udp_to
from .talk import apply, settle

pytestmark = pytest.mark.root

INTENT: dict[str, Any] = {
    "nodes": ["n1", "n2", "n3"],
    "networks": {"web": "10.0.0.0/24"},
    "ports": {
        "client": {"network": "web", "node": "n1", "address": "10.0.0.10"},
        "wanderer": {"network": "web", "address": "10.0.0.30"},
    },
}
ADDRESS = {"client": "10.0.0.10", "wanderer": "10.0.0.30", "late": "10.0.0.40"}
ALLOWED, FORBIDDEN, ANSWER, NO_ANSWER = 7001, 7002, 7003, 7004
"""UDP ports: from the port that moves, and to it."""


@pytest.fixture
def fabric() -> Iterator[Fabric]:
    with Fabric([silent("client", "n1")]) as running:
        apply(running, INTENT)
        yield running


def frame(source: str, target: str, port: int) -> bytes:
    return datagram(of(source), of(target), ADDRESS[source], ADDRESS[target], b"frame", ports=(4000, port))


class Stream(threading.Thread):
    """Sends allowed and forbidden frames in turn, both ways, until it is stopped, and keeps which arrive."""

    def __init__(self, client: Wire, other: Wire, name: str) -> None:
        super().__init__(daemon=True)
        self._wires = client, other
        self._frames = (
            [frame(name, "client", FORBIDDEN), frame(name, "client", ALLOWED)],
            [frame("client", name, NO_ANSWER), frame("client", name, ANSWER)],
        )
        self.seen: dict[int, int] = dict.fromkeys((ALLOWED, FORBIDDEN, ANSWER, NO_ANSWER), 0)
        self._end = threading.Event()

    def run(self) -> None:
        client, other = self._wires
        while not self._end.is_set():
            with contextlib.suppress(OSError):  # an interface that is plugged in is down for a moment
                other.send(*self._frames[0])
                client.send(*self._frames[1])
            for wire in self._wires:
                for arrived in wire.receive():
                    port = int.from_bytes(arrived[36:38], "big")
                    if port in self.seen:
                        self.seen[port] += 1
            time.sleep(0.0005)

    def works(self) -> bool:
        return bool(self.seen[ALLOWED] and self.seen[ANSWER])

    def stop(self) -> None:
        self._end.set()
        self.join(5)
        assert not self.seen[FORBIDDEN] and not self.seen[NO_ANSWER], self.seen


def forbid(fabric: Fabric, attach: str) -> None:
    """By two services, one that meets what the port sends and one that meets what is sent to it."""
    declared = {
        "from": {"hook": "ingress", "attach": [attach], "permissions": EVERYTHING},
        "to": {"hook": "egress", "attach": [attach], "permissions": EVERYTHING},
    }
    apply(fabric, {"services": declared})
    put(fabric, "from", flow(udp_to(FORBIDDEN)), flow(udp_to(ALLOWED), SetField("ip_dscp", 5), ON))
    put(fabric, "to", flow(udp_to(NO_ANSWER)))


def wanderers(*nodes: str) -> list[LabHost]:
    """The same port on several nodes, of which its name is at one at a time."""
    return [LabHost(f"w{node}", node, (LabPort(f"w{node}", mac_of("wanderer")),)) for node in nodes]


def plug(fabric: Fabric, node: str, name: str) -> None:
    interface = names.switch_interface(f"w{node}")
    fabric.vsctl(node, "set", "interface", interface, f"external_ids:iface-id={name}")


@pytest.mark.parametrize("attach", ["port/wanderer", "network/web"])
def test_a_service_follows_a_port_from_node_to_node(attach: str) -> None:
    """The port's name goes from an interface on one node to one on another, back and forth."""
    with Fabric([silent("client", "n1"), *wanderers("n1", "n2", "n3")]) as fabric:
        for node in fabric.nodes:
            plug(fabric, node, "nobody")
        apply(fabric, INTENT)
        forbid(fabric, attach)
        own = {name: numbers(fabric, name)["wanderer"] for name in ("from", "to")}
        client = Wire(fabric, "client")
        for node in ("n2", "n3", "n1", "n3", "n2"):
            other = Wire(fabric, f"w{node}")
            stream = Stream(client, other, "wanderer")
            stream.start()
            plug(fabric, node, "wanderer")
            fabric.until(stream.works, f"the port to work on {node}", within=5)
            time.sleep(0.1)
            stream.stop()
            assert {name: numbers(fabric, name)["wanderer"] for name in own} == own
            (port,) = [one for one in shown(fabric, "from")["ports"] if one["name"] == "wanderer"]
            assert port["node"] == node
            # What is sent to it by number finds it, too.
            client.receive(), other.receive()
            say(fabric, "to", packet_out(frame("client", "wanderer", ANSWER), Output(own["to"])))
            fabric.until(lambda wire=other: wire.receive() == [frame("client", "wanderer", ANSWER)], "packet-out", 3)
            stream = Stream(client, other, "wanderer")
            stream.start()
            plug(fabric, node, "nobody")
            time.sleep(0.3)
            stream.stop()
            other.close()
        client.close()


def test_a_service_meets_a_host_that_is_unplugged_and_plugged_in_elsewhere(fabric: Fabric) -> None:
    forbid(fabric, "port/wanderer")
    client = Wire(fabric, "client")
    for node in ("n2", "n1", "n3", "n2"):
        fabric.lab.add_host(silent("wanderer", node))
        other = Wire(fabric, "wanderer")
        stream = Stream(client, other, "wanderer")
        stream.start()
        fabric.until(stream.works, f"the port to work on {node}", within=5)
        stream.stop()
        other.close()
        fabric.lab.remove_host("wanderer")
    client.close()


def test_a_port_that_joins_a_network_is_met_at_once(fabric: Fabric) -> None:
    """From its first packet on, on a node that the service has not been on: its interface is there already. It goes and
    comes again, several times."""
    forbid(fabric, "network/web")
    fabric.lab.add_host(silent("late", "n3"))
    client, late = Wire(fabric, "client"), Wire(fabric, "late")
    for _ in range(5):
        stream = Stream(client, late, "late")
        stream.start()
        fabric.apply({"ports": {"late": {"network": "web", "node": "n3", "address": ADDRESS["late"]}}})
        fabric.until(stream.works, "the port to work", within=5)
        assert "late" in numbers(fabric, "from")
        fabric.delete(("port", "late"))
        stream.stop()
        settle(fabric)
    client.close()
    late.close()


def test_a_port_that_is_attached_again_finds_its_own_flows(fabric: Fabric) -> None:
    """A flow of a port that is not attached for a while is kept, and meets nobody else's packets meanwhile."""
    ports = {"late": {"network": "web", "node": "n3", "address": ADDRESS["late"]}}
    fabric.lab.add_host(silent("late", "n3"))
    apply(fabric, {"ports": ports})
    service = {"hook": "ingress", "attach": ["port/client", "port/late"], "permissions": EVERYTHING}
    apply(fabric, {"services": {"s": service}})
    own = numbers(fabric, "s")
    put(fabric, "s", flow(udp_to(FORBIDDEN, in_port=own["late"])))
    client, late = Wire(fabric, "client"), Wire(fabric, "late")

    def passes(forbidden: bool) -> bool:
        late.send(frame("late", "client", FORBIDDEN), frame("late", "client", ALLOWED))
        client.send(frame("client", "late", FORBIDDEN))
        time.sleep(0.3)
        assert late.receive() == [frame("client", "late", FORBIDDEN)]
        found = client.receive()
        assert frame("late", "client", ALLOWED) in found
        return (frame("late", "client", FORBIDDEN) in found) == forbidden

    assert passes(False)
    for _ in range(2):
        apply(fabric, {"services": {"s": service | {"attach": ["port/client"]}}})
        assert "late" not in numbers(fabric, "s") and passes(True)
        apply(fabric, {"services": {"s": service}})
        assert numbers(fabric, "s") == own
        assert passes(False)
    client.close()
    late.close()

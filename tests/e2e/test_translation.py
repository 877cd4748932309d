"""Functions that rewrite addresses and ports, in symmetric chains: what a group says of it (``ppg_n_tuple_mapping``) is
by what answers are known, and real translators are met by both directions of real connections.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from segue.lab import namespace

from .cloud import Cloud, Refused
from .fabric import PYTHON
from .talk import added, gather, udp
from .translator import __file__ as translator

pytestmark = pytest.mark.root

WEB, INSIDE = 80, 8080
PORTS = (30000, 30999)
DATA = b"what is sent"


@pytest.fixture(scope="module")
def running() -> Iterator[Cloud]:
    with Cloud() as cloud:
        network = cloud.create("network", name="web")["id"]
        cloud.create("subnet", network_id=network, ip_version=4, cidr="10.0.0.0/24")
        cloud.create("subnet", network_id=network, ip_version=6, cidr="fd00::/64")
        cloud.host("client", "n1", network)
        cloud.host("server", "n3", network)
        # Addresses that no machine has: those of the translators.
        for name in ("outside", "vip"):
            cloud.ports(name, "n2", network, name)
        for name, node, encapsulation in (
            ("snat", "n2", "none"),
            ("snat-nsh", "n1", "nsh"),
            ("snat-mpls", "n3", "mpls"),
        ):
            cloud.ports(name, node, network, f"{name}-in", f"{name}-out")
            sources = " ".join(f"--source {cloud.address('outside', family)}" for family in (4, 6))
            cloud.plug(name, f"{PYTHON} {translator} --encap {encapsulation} {sources} --ports {PORTS[0]}-{PORTS[1]}")
        cloud.ports("dnat", "n1", network, "dnat-in", "dnat-out")
        to = " ".join(f"--to {cloud.address('vip', f)}={cloud.address('server', f)}" for f in (4, 6))
        cloud.plug("dnat", f"{PYTHON} {translator} {to} --port {WEB}={INSIDE}")
        cloud.function("x3", "n3", network, 3)
        cloud.function("x1", "n1", network, 1)
        cloud.calm()
        yield cloud


@pytest.fixture
def cloud(running: Cloud) -> Iterator[Cloud]:
    yield running
    running.remove_chains()


def port(cloud: Cloud, device: str) -> str:
    return str(cloud.devices[device][1][0]["id"])


def host(cloud: Cloud, device: str, family: int) -> str:
    return f"{cloud.address(device, family)}/{32 if family == 4 else 128}"


def ports(which: str, low: int, high: int) -> dict[str, int]:
    return {f"{which}_port_range_min": low, f"{which}_port_range_max": high}


def mapping(ingress: dict[str, Any], egress: dict[str, Any]) -> dict[str, Any]:
    return {"ppg_n_tuple_mapping": {"ingress_n_tuple": ingress, "egress_n_tuple": egress}}


def snat(cloud: Cloud, family: int, device: str = "snat", correlation: str | None = None) -> str:
    """The client's address becomes another, its port one of many."""
    egress = {"source_ip_prefix": host(cloud, "outside", family), **ports("source", *PORTS)}
    parameters = mapping({"source_ip_prefix": host(cloud, "client", family)}, egress)
    return cloud.group(cloud.pair(device, correlation), port_pair_group_parameters=parameters)


def dnat(cloud: Cloud, family: int) -> str:
    """What is sent to an address that no machine has reaches the server, at another port."""
    ingress = {"destination_ip_prefix": host(cloud, "vip", family), **ports("destination", WEB, WEB)}
    egress = {"destination_ip_prefix": host(cloud, "server", family), **ports("destination", INSIDE, INSIDE)}
    return cloud.group(cloud.pair("dnat"), port_pair_group_parameters=mapping(ingress, egress))


def web(cloud: Cloud, family: int, protocol: str = "tcp", **values: Any) -> str:
    asked = {"ethertype": f"IPv{family}", "protocol": protocol, **ports("destination", WEB, WEB)}
    return cloud.classifier(logical_source_port=port(cloud, "client"), **asked, **values)


class Said:
    """What a server heard of one connection: who spoke, and what."""

    def __init__(self) -> None:
        self.peer: tuple[str, int] = ("", 0)
        self.data = b""


@contextlib.contextmanager
def serving(cloud: Cloud, family: int, at: int) -> Iterator[Said]:
    """The server answers one connection to port ``at`` with what it hears."""
    kind = socket.AF_INET if family == 4 else socket.AF_INET6

    def make() -> socket.socket:
        return socket.create_server(("", at), family=kind)

    listening = namespace.inside(cloud.lab.namespace("server"), make)
    listening.settimeout(10)
    said = Said()

    def serve() -> None:
        with contextlib.suppress(OSError):
            connection, peer = listening.accept()
            with connection:
                said.peer = peer[:2]
                said.data = connection.recv(4096)
                connection.sendall(said.data)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield said
    finally:
        listening.close()
        thread.join(15)


def ask(cloud: Cloud, family: int, to: str, at: int = WEB) -> bytes:
    """What a real connection from the client brings back. Raises OSError where there is none."""
    kind = socket.AF_INET if family == 4 else socket.AF_INET6
    sock = namespace.inside(cloud.lab.namespace("client"), lambda: socket.socket(kind, socket.SOCK_STREAM))
    with sock:
        sock.settimeout(5)
        sock.connect((to, at))
        sock.sendall(DATA)
        return sock.recv(4096)


def counted(cloud: Cloud, chain: str) -> dict[tuple[str, str], int]:
    """Packets by direction and device, or ``entered`` and ``left``."""
    names = {one["id"]: one["name"] for one in cloud.every("port_pair")}
    counts = cloud.counters(chain)
    return {(way, names.get(who, step)): many for (way, step, who), many in counts.items()}


def both_ways(cloud: Cloud, chain: str, *devices: str) -> None:
    """All that came in met each function and left, on either way."""
    counts = counted(cloud, chain)
    for way in ("forward", "reverse"):
        entered = counts[way, "entered"]
        assert entered >= 3, counts  # a connection, and its end
        assert all(counts[way, step] == entered for step in (*devices, "left")), counts


@pytest.mark.parametrize("family", [4, 6], ids=["IPv4", "IPv6"])
@pytest.mark.parametrize("correlation", ["nsh", "mpls"])
@pytest.mark.parametrize("order", ["before", "behind"])
def test_answers_are_known_by_what_they_answer(cloud: Cloud, order: str, correlation: str, family: int) -> None:
    """A function behind the translator sees its packets as they come out of it, and before it, as they came."""
    groups = [snat(cloud, family), cloud.group(cloud.pair("x3"))]
    chain = cloud.chain(
        [web(cloud, family, logical_destination_port=port(cloud, "server"))],
        groups if order == "before" else groups[::-1],
        correlation=correlation,
        symmetric=True,
    )
    with serving(cloud, family, WEB) as said:
        assert ask(cloud, family, cloud.address("server", family)) == added(DATA, 2)
    assert said.data == added(DATA, 1)
    assert said.peer[0] == cloud.address("outside", family)
    assert PORTS[0] <= said.peer[1] <= PORTS[1]
    both_ways(cloud, chain, "snat", "x3")


@pytest.mark.parametrize("family", [4, 6], ids=["IPv4", "IPv6"])
@pytest.mark.parametrize("correlation", ["nsh", "mpls"])
def test_translators_that_are_aware(cloud: Cloud, correlation: str, family: int) -> None:
    device = f"snat-{correlation}"
    groups = [snat(cloud, family, device, correlation), cloud.group(cloud.pair("x1"))]
    classifier = web(cloud, family, logical_destination_port=port(cloud, "server"))
    chain = cloud.chain([classifier], groups, correlation=correlation, symmetric=True)
    with serving(cloud, family, WEB) as said:
        assert ask(cloud, family, cloud.address("server", family)) == added(DATA, 2)
    assert said.peer[0] == cloud.address("outside", family)
    both_ways(cloud, chain, device, "x1")


@pytest.mark.parametrize("family", [4, 6], ids=["IPv4", "IPv6"])
@pytest.mark.parametrize("named", ["nothing", "vip", "server"])
def test_the_destination_becomes_another(cloud: Cloud, named: str, family: int) -> None:
    """The classifier may name the port that packets are sent to, or that where they come out, as networking-sfc wants
    it; the address may say it alone."""
    values: dict[str, Any] = {"destination_ip_prefix": host(cloud, "vip", family)}
    if named != "nothing":
        values["logical_destination_port"] = port(cloud, named)
    groups = [cloud.group(cloud.pair("x1")), dnat(cloud, family), cloud.group(cloud.pair("x3"))]
    chain = cloud.chain([web(cloud, family, **values)], groups, symmetric=True)
    with serving(cloud, family, INSIDE) as said:
        assert ask(cloud, family, cloud.address("vip", family)) == added(DATA, 4)
    assert said.peer[0] == cloud.address("client", family)
    both_ways(cloud, chain, "x1", "dnat", "x3")


@pytest.mark.parametrize("family", [4, 6], ids=["IPv4", "IPv6"])
def test_several_translators_compose(cloud: Cloud, family: int) -> None:
    classifier = web(cloud, family, destination_ip_prefix=host(cloud, "vip", family))
    groups = [dnat(cloud, family), cloud.group(cloud.pair("x3")), snat(cloud, family), cloud.group(cloud.pair("x1"))]
    chain = cloud.chain([classifier], groups, symmetric=True)
    with serving(cloud, family, INSIDE) as said:
        assert ask(cloud, family, cloud.address("vip", family)) == added(DATA, 4)
    assert said.peer[0] == cloud.address("outside", family)
    both_ways(cloud, chain, "dnat", "x3", "snat", "x1")


@pytest.mark.parametrize("family", [4, 6], ids=["IPv4", "IPv6"])
def test_one_way(cloud: Cloud, family: int) -> None:
    """Without symmetry packets pass the translator as ever, and nothing takes the answers."""
    groups = [snat(cloud, family), cloud.group(cloud.pair("x3"))]
    chain = cloud.chain([web(cloud, family, "udp")], groups)
    server, client = udp(cloud, "server", WEB, family), udp(cloud, "client", 20001, family)
    try:
        client.sendto(DATA, (cloud.address("server", family), WEB))
        ((_, data, sender),) = gather([server], 1)
        assert data == added(DATA, 1)
        assert sender[0] == cloud.address("outside", family)
        server.sendto(data, sender)
        assert gather([client], 0) == []
    finally:
        server.close()
        client.close()
    counts = counted(cloud, chain)
    assert {key: many for key, many in counts.items() if many} == {
        ("forward", step): 1 for step in ("entered", "snat", "x3", "left")
    }


def test_a_trace_sees_what_is_mapped(cloud: Cloud) -> None:
    """As far as the mapping says it: one value for one other."""
    classifier = web(cloud, 4, destination_ip_prefix=host(cloud, "vip", 4))
    cloud.chain([classifier], [cloud.group(cloud.pair("x1")), dnat(cloud, 4)], symmetric=True)
    devices = {one["id"]: one["name"] for one in cloud.every("port_pair")}
    for flow, met, to, shown in (
        (f"client > vip tcp {WEB} from port 4000", ["x1", "dnat"], "server", f"tcp 4000 > {INSIDE}"),
        (f"server > client tcp 4000 from port {INSIDE}", ["dnat", "x1"], "client", f"tcp {WEB} > 4000"),
    ):
        traced = cloud.get("/v1/trace?live=true&flow=" + quote(flow))
        assert traced["agree"], traced
        assert [devices[name] for name in traced["functions"]] == met, traced
        assert traced["delivered"] == [port(cloud, to)], traced
        assert shown in traced["lines"][-1], traced


def test_what_is_declared_is_shown_on_both_sides(cloud: Cloud) -> None:
    group = snat(cloud, 4)
    maps = cloud.get(f"/v1/objects/group/{group}")["maps"]
    assert maps == {
        "ingress": {"source_prefix": host(cloud, "client", 4)},
        "egress": {"source_prefix": host(cloud, "outside", 4), "source_ports": list(PORTS)},
    }
    given = cloud.show("port_pair_group", group)["port_pair_group_parameters"]["ppg_n_tuple_mapping"]
    assert given["egress_n_tuple"] == {"source_ip_prefix": host(cloud, "outside", 4), **ports("source", *PORTS)}


def test_answers_that_another_chain_takes(cloud: Cloud) -> None:
    """A chain for packets that could be these answers is refused, as for others that overlap."""
    groups = [snat(cloud, 4), cloud.group(cloud.pair("x3"))]
    classifier = web(cloud, 4, logical_destination_port=port(cloud, "server"))
    chain = cloud.chain([classifier], groups, symmetric=True)
    rival = {"match": {"from": port(cloud, "server"), "to": host(cloud, "outside", 4)}, "through": [groups[1]]}
    with pytest.raises(Exception, match="match the same packets, both at precedence 100") as refused:
        cloud.apply({"chains": {"rival": rival}})
    assert chain in str(refused.value)


def test_ports_of_no_protocol_are_refused(cloud: Cloud) -> None:
    group = snat(cloud, 4)
    classifier = cloud.classifier(logical_source_port=port(cloud, "client"))
    with pytest.raises(
        Refused, match=r"its groups map ports, but classifier '.*' does not say of which protocol"
    ) as refused:
        cloud.create("port_chain", port_pair_groups=[group], flow_classifiers=[classifier])
    assert (refused.value.status, refused.value.type) == (409, "SegueRefused")

"""Routers of the networking API, and functions that route: what becomes of packets between networks."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from segue.lab.apps import trail

from .cloud import Cloud
from .frames import Wire, containing
from .talk import Talk

pytestmark = pytest.mark.root

SUBNETS = {"web": "10.0.0.0/24", "shop": "10.1.0.0/24", "between": "10.2.0.0/24"}
FLOWS = range(20000, 20008)
_ports = itertools.count(7000)
"""Each exchange has a port of its own: a kernel keeps what it could not send, and sends it when a router has come."""


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    """A client and a server in two networks, and a machine that forwards, on another node, in a third."""
    with Cloud() as running:
        networks = {name: running.create("network", name=name)["id"] for name in SUBNETS}
        for name, cidr in SUBNETS.items():
            running.create("subnet", name=name, network_id=networks[name], ip_version=4, cidr=cidr)
        for name, node, network in (("client", "n1", "web"), ("server", "n3", "shop"), ("forwarder", "n2", "between")):
            route = {"binding:profile": {"mode": "route"}} if name == "forwarder" else {}
            (port,) = running.ports(name, node, networks[network], name, **route)
            running.plug_host(name, node, port, gateways=True, run="sleep infinity" if route else "")
        yield running


def attach(cloud: Cloud, what: str, router: str, *networks: str) -> None:
    for name in networks:
        (subnet,) = cloud.every("subnet", name=name)
        cloud.call("PUT", f"routers/{router}/{what}_router_interface", {"subnet_id": subnet["id"]})
    cloud.calm()


def arrived(cloud: Cloud, expected: int) -> tuple[int, int]:
    """How many of the packets to the server arrive there, and how many come to the machine that forwards."""
    wire = Wire(cloud, "forwarder")
    try:
        with Talk(cloud, {4: cloud.address("server")}, FLOWS, next(_ports)) as talk:
            there = talk.there(4, trail.payload, expected)
        return len(there), len(containing(wire.receive(), trail.MAGIC))
    finally:
        wire.close()


def test_a_router_connects_networks_and_a_function_that_routes_is_on_the_way(cloud: Cloud) -> None:
    every = len(FLOWS)
    cloud.calm()
    assert arrived(cloud, 0) == (0, 0)
    router = cloud.create("router", name="r")["id"]
    attach(cloud, "add", router, *SUBNETS)
    assert arrived(cloud, every) == (every, 0)

    client, forwarder = (cloud.devices[name][1][0]["id"] for name in ("client", "forwarder"))
    classifier = cloud.classifier(protocol="udp", logical_source_port=client, destination_ip_prefix=SUBNETS["shop"])
    chain = cloud.chain([classifier], [cloud.group(cloud.pair("forwarder"))])
    assert arrived(cloud, every) == (every, every)
    cloud.change("port", forwarder, **{"binding:profile": {}})
    cloud.active(chain)
    # A bump in the wire gets frames that are for others, which this machine does not take.
    assert arrived(cloud, 0) == (0, every)
    cloud.remove_chains()
    assert arrived(cloud, every) == (every, 0)

    attach(cloud, "remove", router, "shop")
    assert arrived(cloud, 0) == (0, 0)

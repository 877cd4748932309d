"""Groups that say which header fields choose the instance, with real packets: who agrees in them meets the same
instance, in both directions, and the others spread by weight.

Hosts are silent, functions leave every byte raised by one, and every frame that enters a function is seen there.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from .fabric import ApiError, Fabric
from .frames import TCP, UDP, Wire, datagram, of, silent, watch
from .probes import chain
from .talk import added, adder, apply

pytestmark = pytest.mark.root

PLACES = {"x1": "n1", "x2": "n2", "x3": "n3"}
INTENT: dict[str, Any] = {
    "nodes": ["n1", "n2", "n3"],
    "networks": {"web": ["10.0.0.0/16", "fd00::/64"]},
    "ports": {
        "client": {"network": "web", "node": "n1", "security": False},
        "server": {"network": "web", "node": "n3", "security": False},
    },
    "instances": {name: {"node": node, "weight": 2 if name == "x2" else 1} for name, node in PLACES.items()},
}
CLIENTS, SERVERS = {4: "10.0.{}.{}", 6: "fd00::{}:{}"}, {4: "10.0.{}.{}", 6: "fd00::1:{}:{}"}
Flow = tuple[int, int, str, str, int, int]
"""(family, protocol, source, destination, source port, destination port)."""


@pytest.fixture(scope="module")
def fabric() -> Iterator[Fabric]:
    functions = [adder(name, node, number) for number, (name, node) in enumerate(PLACES.items(), 1)]
    with Fabric([silent("client", "n1"), silent("server", "n3"), *functions]) as running:
        apply(running, INTENT)
        yield running


@pytest.fixture
def wires(fabric: Fabric) -> Iterator[dict[str, Wire]]:
    made = {name: Wire(fabric, name) for name in ("client", "server")}
    made |= {f"{name}-{way}": Wire(fabric, name, f"{name}-{way}") for name in PLACES for way in ("in", "out")}
    yield made
    for wire in made.values():
        wire.close()


def declare(
    fabric: Fabric, hashed: list[str], symmetric: bool = True, members: tuple[str, ...] = tuple(PLACES)
) -> None:
    match = [{"network": "web", "from": "10.0.0.0/17"}, {"network": "web", "from": "fd00::/96"}]
    through = [{"instances": list(members), "hash": hashed}]
    apply(fabric, {"chains": {"c": chain(match, through, symmetric=symmetric)}})


def send(wires: dict[str, Wire], flows: list[Flow], back: bool = False) -> dict[Flow, str]:
    """The instance that each flow meets; every packet arrives once."""
    met: dict[Flow, str] = {}
    source, target = ("server", "client") if back else ("client", "server")
    for start in range(0, len(flows), 30):
        some = flows[start : start + 30]
        payload = {flow: b"no. %05d" % number for number, flow in enumerate(some)}
        expected = []
        for flow in some:
            _, protocol, here, there, *ports = flow
            if back:
                here, there, ports = there, here, ports[::-1]
            ends = (of(source), of(target), here, there)
            wires[source].send(datagram(*ends, payload[flow], protocol, (ports[0], ports[1])))
            expected.append(datagram(*ends, added(payload[flow], 1), protocol, (ports[0], ports[1])))
        found = watch(wires, 2 * len(some), within=4)
        # The mark of a path stays on packets whose source address no port has, as nobody's.
        assert Counter(frame[12:] for frame in found[target]) == Counter(frame[12:] for frame in expected)
        for flow in some:
            at = [port for port in wires if "-" in port for frame in found[port] if payload[flow] in frame]
            assert len(at) == 1, at
            assert at[0].endswith("-out" if back else "-in")
            met[flow] = at[0].partition("-")[0]
    return met


def flows(family: int, protocol: int, sources: int, targets: int, ports: int) -> list[Flow]:
    """Each source with each target, by so many ports of each."""
    rng = random.Random(family * 1000 + protocol)
    here = [CLIENTS[family].format(rng.randrange(1, 100), rng.randrange(1, 250)) for _ in range(sources)]
    there = [SERVERS[family].format(rng.randrange(130, 250), rng.randrange(1, 250)) for _ in range(targets)]
    return [
        (family, protocol, a, b, rng.randrange(1, 65536), rng.randrange(1, 65536))
        for a in sorted(set(here))
        for b in sorted(set(there))
        for _ in range(ports)
    ]


def spread(met: dict[Any, str]) -> None:
    """By weight, 1 to 2 to 1, as well as so few can show."""
    counts, total = Counter(met.values()), len(met)
    for name, share in (("x1", 1 / 4), ("x2", 1 / 2), ("x3", 1 / 4)):
        assert abs(counts[name] / total - share) < 0.16, counts


@pytest.mark.parametrize("family", [4, 6], ids=["IPv4", "IPv6"])
@pytest.mark.parametrize(
    ("hashed", "key"),
    [
        (["ip_src"], lambda flow: flow[2]),
        (["ip_dst"], lambda flow: flow[3]),
        (["ip_src", "ip_dst"], lambda flow: flow[2:4]),
    ],
    ids=["source", "destination", "both"],
)
def test_addresses_choose(fabric: Fabric, wires: dict[str, Wire], hashed: list[str], key: Any, family: int) -> None:
    declare(fabric, hashed)
    many = {"ip_src": (80, 2), "ip_dst": (2, 80)}.get(hashed[0] if len(hashed) == 1 else "", (13, 7))
    sent = [*flows(family, UDP, *many, 1), *flows(family, TCP, *many, 1)]
    met = send(wires, sent)
    chosen: dict[Any, set[str]] = {}
    for flow, name in met.items():
        chosen.setdefault(key(flow), set()).add(name)
    assert all(len(names) == 1 for names in chosen.values()), chosen
    spread({one: next(iter(names)) for one, names in chosen.items()})
    assert send(wires, sent[::3], back=True) == {flow: met[flow] for flow in sent[::3]}


def test_ports_of_tcp_alone(fabric: Fabric, wires: dict[str, Wire]) -> None:
    declare(fabric, ["ip_src", "ip_dst", "tcp_src", "tcp_dst"])
    spread(send(wires, flows(4, TCP, 1, 1, 150)))
    assert len(set(send(wires, flows(4, UDP, 1, 1, 60)).values())) == 1


def test_without_a_word_ports_of_udp_too(fabric: Fabric, wires: dict[str, Wire]) -> None:
    declare(fabric, [])
    spread(send(wires, flows(4, UDP, 1, 1, 150)))


def test_an_instance_that_leaves_moves_its_own_alone(fabric: Fabric, wires: dict[str, Wire]) -> None:
    declare(fabric, ["ip_src"])
    sent = flows(4, UDP, 90, 1, 1)
    before = send(wires, sent)
    declare(fabric, ["ip_src"], members=("x1", "x2"))
    after = send(wires, sent)
    assert all(after[flow] == name for flow, name in before.items() if name != "x3")
    assert {after[flow] for flow, name in before.items() if name == "x3"} == {"x1", "x2"}


def test_what_cannot_be_had_is_refused(fabric: Fabric) -> None:
    with pytest.raises(ApiError, match=r"no switch can hash udp_dst") as refused:
        declare(fabric, ["udp_dst"])
    assert refused.value.status == 400
    with pytest.raises(ApiError, match="symmetric: false") as refused:
        declare(fabric, ["eth_src"])
    assert refused.value.status == 409

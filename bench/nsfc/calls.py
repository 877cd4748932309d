"""The calls that are measured, as data for ``client.py``."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from itertools import permutations
from typing import Any

from bench.nsfc.client import Call

PAGE = 100
_SFC = {"port_pair", "port_pair_group", "flow_classifier", "port_chain"}
UNLIMITED = dict.fromkeys(("network", "subnet", "port", *sorted(_SFC)), -1)


def path(kind: str) -> str:
    return f"/v2.0/{'sfc/' if kind in _SFC else ''}{kind}s"


def create(kind: str, name: str, **values: Any) -> Call:
    body = json.dumps({kind: {"name": name, **values}})
    return f"create {kind}", "POST", path(kind), body, 201, -1


def show(kind: str, name: str) -> Call:
    return f"show {kind}", "GET", f"{path(kind)}/<{name}>", "", 200, -1


def update(kind: str, name: str, **values: Any) -> Call:
    return f"update {kind}", "PUT", f"{path(kind)}/<{name}>", json.dumps({kind: values}), 200, -1


def delete(kind: str, name: str) -> Call:
    return f"delete {kind}", "DELETE", f"{path(kind)}/<{name}>", "", 204, -1


def listed(kind: str, query: str, count: int) -> Call:
    return f"list {kind}", "GET", path(kind) + (f"?{query}" if query else ""), "", 200, count


def bulk(kind: str, several: Sequence[dict[str, Any]]) -> Call:
    return f"create {kind}", "POST", path(kind), json.dumps({f"{kind}s": several}), 201, -1


# The script that both servers get.

SCALE = 4


def script(host: str, scale: int = SCALE) -> list[Call]:
    """Calls that leave nothing behind: 200 at scale 4. ``host``: the node of every port; empty: none is named.

    ``scale``: how many chains, each through two groups of two pairs that it shares with its neighbours.
    """
    chains, groups, pairs, classifiers, ports = scale, scale + 1, 2 * scale + 2, 3 * scale, 4 * scale + 8
    placed = {"binding:host_id": host} if host else {}
    made: list[Call] = [
        create("network", "net"),
        create("subnet", "sub", network_id="<net>", ip_version=4, cidr="10.20.0.0/16"),
    ]
    # Two of each function, then the sources.
    made += [
        create("port", f"port{number}", network_id="<net>", device_id=f"vm{number // 2}", **placed)
        for number in range(ports)
    ]
    made += [
        create("port_pair", f"pair{number}", ingress=f"<port{2 * number}>", egress=f"<port{2 * number + 1}>")
        for number in range(pairs)
    ]
    for number in range(groups):
        members = [f"<pair{2 * number}>", f"<pair{2 * number + 1}>"]
        made.append(create("port_pair_group", f"group{number}", port_pairs=members))
    made += [_classifier(number, f"<port{2 * pairs + number % 4}>") for number in range(classifiers)]
    for number in range(chains):
        entries = [f"<fc{number + chains * part}>" for part in range(2)]
        steps = [f"<group{number}>", f"<group{number + 1}>"]
        made.append(create("port_chain", f"chain{number}", port_pair_groups=steps, flow_classifiers=entries))
    sizes = {"port_pair": pairs, "port_pair_group": groups, "flow_classifier": classifiers, "port_chain": chains}
    stems = {"port_pair": "pair", "port_pair_group": "group", "flow_classifier": "fc", "port_chain": "chain"}
    every = [(kind, f"{stems[kind]}{number}") for kind, size in sizes.items() for number in range(size)]
    read = [show(kind, name) for kind, name in every]
    for kind, size in {"port": ports, **sizes}.items():
        read += [listed(kind, "", size), listed(kind, "limit=3", min(3, size))]
        read += [listed(kind, f"name={stems.get(kind, 'port')}0", 1), listed(kind, "name=nothing", 0)]
    changed = [update(kind, name, description="as changed") for kind, name in every]
    for number in range(chains):
        entries = [f"<fc{number}>", f"<fc{number + 2 * chains}>"]
        changed.append(update("port_chain", f"chain{number}", flow_classifiers=entries))
    gone = [delete(kind, name) for kind, name in reversed(every)]
    gone += [delete("port", f"port{number}") for number in range(ports)]
    return [*made, *read, *changed, *gone, delete("subnet", "sub"), delete("network", "net")]


def _classifier(number: int, source: str) -> Call:
    """Each is for packets of its own."""
    return create(
        "flow_classifier",
        f"fc{number}",
        protocol="tcp",
        ethertype="IPv4",
        source_ip_prefix=f"10.{20 + (number >> 8)}.{number & 255}.0/24",
        destination_port_range_min=80,
        destination_port_range_max=80,
        logical_source_port=source,
    )


# Many objects.

BATCH = 500
_SOURCES = 16


def ground(size: int) -> list[Call]:
    """What many objects stand on: a port for each pair, and then the sources."""
    calls = [
        create("network", "net"),
        create("subnet", "sub", network_id="<net>", ip_version=4, cidr="10.0.0.0/8"),
    ]
    for start in range(0, size + _SOURCES, BATCH):
        ports = [
            {"name": f"port{number}", "network_id": "<net>", "device_id": f"vm{number}"}
            for number in range(start, min(start + BATCH, size + _SOURCES))
        ]
        calls.append(bulk("port", ports))
    return calls


def groups(size: int) -> list[Call]:
    """As many as chains need, when each is to have two of them in an order of its own."""
    count = next(count for count in range(2, size + 2) if count * (count - 1) >= size)
    return [create("port_pair_group", f"group{number}", port_pairs=[f"<pair{number}>"]) for number in range(count)]


def pair(number: int) -> Call:
    return create("port_pair", f"pair{number}", ingress=f"<port{number}>", egress=f"<port{number}>")


def classifier(size: int) -> Callable[[int], Call]:
    """The maker of the calls for ``size`` classifiers."""
    return lambda number: _classifier(number, f"<port{size + number % _SOURCES}>")


def chain(size: int) -> Callable[[int], Call]:
    """The maker of the calls for ``size`` chains."""
    orders = list(permutations(range(len(groups(size))), 2))

    def make(number: int) -> Call:
        several = [f"<group{one}>" for one in orders[number]]
        return create("port_chain", f"chain{number}", port_pair_groups=several, flow_classifiers=[f"<fc{number}>"])

    return make


def dealt(calls: Iterable[Call], clients: int) -> list[list[Call]]:
    """To so many clients in turns."""
    every = list(calls)
    return [every[client::clients] for client in range(clients)]

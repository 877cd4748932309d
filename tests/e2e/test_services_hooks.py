"""Injected services at every hook: which packets each of them meets, for whose sake, in which order, and where what
they do to them ends up. Hosts are silent, so every frame that moves is the test's own.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from segue.openflow import Output, SetField
from segue.openflow.as_json import to_json
from segue.openflow.wire import FLOOD, IN_PORT, NORMAL, V15
from segue.openflow.wire import TABLE as THROUGH_TABLE
from segue.packet.addresses import derived_mac

from .fabric import ApiError, Fabric
from .frames import arp, checksum, datagram, ether, mac, of, silent
from .injected import (
    ON,
    everything,
    flow,
    flow_packets,
    key_of,
    numbers,
    packet_out,
    packets_met,
    put,
    say,
    steered,
    udp_to,
)
from .probes import Bench, chain
from .talk import added, adder, apply, delete

pytestmark = pytest.mark.root

PORTS: dict[str, dict[str, Any]] = {
    "a1": {"network": "web", "node": "n1", "addresses": ["10.0.0.11", "fd00::11"]},
    "a2": {"network": "web", "node": "n2", "addresses": ["10.0.0.12", "fd00::12"]},
    "a3": {"network": "web", "node": "n3", "addresses": ["10.0.0.13", "fd00::13"]},
    "b1": {"network": "db", "node": "n1", "addresses": ["10.1.0.11", "fd01::11"]},
    "b3": {"network": "db", "node": "n3", "addresses": ["10.1.0.13", "fd01::13"]},
    "x-in": {"network": "web", "node": "n2", "addresses": ["10.0.0.21"]},
    "x-out": {"node": "n2"},
}
INTENT: dict[str, Any] = {
    "nodes": ["n1", "n2", "n3"],
    "networks": {
        "web": {
            "subnets": [{"cidr": "10.0.0.0/24", "gateway": "10.0.0.1"}, {"cidr": "fd00::/64", "gateway": "fd00::1"}]
        },
        "db": {
            "subnets": [{"cidr": "10.1.0.0/24", "gateway": "10.1.0.1"}, {"cidr": "fd01::/64", "gateway": "fd01::1"}]
        },
    },
    "routers": {"r": ["web", "web-2", "db", "db-2"]},
    "ports": PORTS,
    "instances": {"x": {"ingress": "x-in", "egress": "x-out"}},
}
WEB, DB = (derived_mac("router", "r", network).to_bytes(6, "big") for network in ("web", "db"))
BROADCAST = b"\xff" * 6
HOOKS = ("ingress", "pre-routing", "forward", "post-routing", "egress")


@pytest.fixture(scope="module")
def fabric() -> Iterator[Fabric]:
    hosts = [silent(name, port["node"]) for name, port in PORTS.items() if not name.startswith("x-")]
    with Fabric([*hosts, adder("x", "n2", 1)]) as running:
        apply(running, INTENT)
        yield running


@pytest.fixture(autouse=True)
def alone(fabric: Fabric) -> Iterator[None]:
    """No service outlives its test."""
    yield
    left = [("service", one["name"]) for one in fabric.get("/v1/services")]
    if left:
        delete(fabric, *left)


def services(fabric: Fabric, **those: dict[str, Any]) -> None:
    """With every permission, unless told otherwise."""
    declared = {name: {"permissions": everything(fields["hook"]), **fields} for name, fields in those.items()}
    apply(fabric, {"services": declared})


def address(port: str, family: int = 4) -> str:
    return str(PORTS[port]["addresses"][family == 6])


def to(source: str, target: str, port: int = 7000, data: bytes = b"frame", family: int = 4, **more: Any) -> bytes:
    """Within a network."""
    ends = address(source, family), address(target, family)
    return datagram(of(source), of(target), *ends, data, ports=(4000, port), **more)


def routed(source: str, target: str, family: int = 4, port: int = 7000, ttl: int = 64) -> tuple[bytes, bytes]:
    """A datagram to the router, and as it arrives."""
    mine, other = (WEB, DB) if source.startswith("a") else (DB, WEB)
    ends = address(source, family), address(target, family)
    sent = datagram(of(source), mine, *ends, b"routed", ports=(4000, port), ttl=ttl)
    return sent, datagram(other, of(target), *ends, b"routed", ports=(4000, port), ttl=ttl - 1)


# -- who meets what ------------------------------------------------------------------------------------------------

ATTACHED = {"a1": ["port/a1"], "web": ["network/web"], "r": ["router/r"], "both": ["port/a1", "router/r"]}
EVERY = {
    f"{hook}.{name}": {"hook": hook, "attach": attach}
    for hook in HOOKS
    for name, attach in ATTACHED.items()
    if hook not in ("ingress", "egress") or name in ("a1", "web")
}
"""One service at each hook for each of these."""

FROM_A1 = {"ingress.a1": {"a1"}, "ingress.web": {"a1"}}
PROVEN = {
    **FROM_A1,
    **{f"pre-routing.{name}": {"a1"} for name in ("a1", "web", "both")},
}
TO_A1 = {
    **{f"post-routing.{name}": {"a1"} for name in ("a1", "web", "both")},
    "egress.a1": {"a1"},
    "egress.web": {"a1"},
}
FROM_A2 = {"ingress.web": {"a2"}, "pre-routing.web": {"a2"}}

Case = tuple[str, bytes, dict[str, list[bytes]], dict[str, set[str]]]
"""Sender, frame, what arrives where, and which service meets it for the sake of which elements."""


def cases() -> dict[str, Case]:
    found: dict[str, Case] = {}
    for what, frame in (
        ("IPv4", to("a1", "a2")),
        ("IPv6", to("a1", "a2", family=6)),
        ("neither", ether(of("a1"), of("a2"), 0x88B5, b"other")),
    ):
        met = {**PROVEN, "post-routing.web": {"a2"}, "egress.web": {"a2"}}
        found[f"bridged from a1, {what}"] = ("a1", frame, {"a2": [frame]}, met)
    for what, frame in (
        ("IPv4", to("a2", "a1")),
        ("IPv6", to("a2", "a1", family=6)),
        ("neither", ether(of("a2"), of("a1"), 0x88B5, b"other")),
    ):
        found[f"bridged to a1, {what}"] = ("a2", frame, {"a1": [frame]}, {**FROM_A2, **TO_A1})
    for family in (4, 6):
        for target in ("b1", "b3"):
            sent, arrives = routed("a1", target, family)
            met = {**PROVEN, "pre-routing.r": {"r"}}
            met |= {f"{hook}.{name}": {"r"} for hook in ("forward", "post-routing") for name in ("r", "both")}
            found[f"routed from a1 to {target}, IPv{family}"] = ("a1", sent, {target: [arrives]}, met)
            sent, arrives = routed(target, "a1", family)
            met = {**TO_A1, **{f"forward.{name}": {"a1"} for name in ("a1", "web", "both")}}
            met |= {"pre-routing.r": {"r"}, "pre-routing.both": {"r"}, "forward.r": {"r"}, "post-routing.r": {"r"}}
            found[f"routed from {target} to a1, IPv{family}"] = (target, sent, {"a1": [arrives]}, met)
        sent, _ = routed("a1", "b3", family, ttl=1)
        found[f"at its last hop, IPv{family}"] = ("a1", sent, {}, {**PROVEN, "pre-routing.r": {"r"}})
    for kind, many in (("broadcast", BROADCAST), ("multicast", mac("01:00:5e:00:00:fb"))):
        frame = datagram(of("a1"), many, "10.0.0.11", "224.0.0.251", b"to all")
        everybody = {name: [frame] for name in ("a2", "a3", "x-in")}
        found[f"{kind} from a1"] = ("a1", frame, everybody, {**PROVEN, "egress.web": {"a2", "a3", "x-in"}})
        frame = datagram(of("a2"), many, "10.0.0.12", "224.0.0.251", b"to all")
        everybody = {name: [frame] for name in ("a1", "a3", "x-in")}
        met = {**FROM_A2, "egress.a1": {"a1"}, "egress.web": {"a1", "a3", "x-in"}}
        found[f"{kind} from a2"] = ("a2", frame, everybody, met)
    for what, frame in (
        ("MAC address", ether(of("a2"), of("a3"), 0x88B5, b"spoofed")),
        ("IPv4 address", datagram(of("a1"), of("a3"), "10.0.0.12", "10.0.0.13", b"spoofed")),
        ("IPv6 address", datagram(of("a1"), of("a3"), "fd00::12", "fd00::13", b"spoofed")),
    ):
        found[f"with another's {what}"] = ("a1", frame, {}, FROM_A1)
    asker = (of("a1"), "10.0.0.11")
    answer = arp(2, (of("a3"), "10.0.0.13"), asker, of("a1"))
    found["answered by the network"] = ("a1", arp(1, asker, (bytes(6), "10.0.0.13")), {"a1": [answer]}, FROM_A1)
    found["to nobody"] = ("a1", ether(of("a1"), mac("02:00:00:00:00:77"), 0x88B5, b"nobody"), {}, PROVEN)
    frame = to("a2", "a3")
    met = {**FROM_A2, "post-routing.web": {"a3"}, "egress.web": {"a3"}}
    found["between others of the network"] = ("a2", frame, {"a3": [frame]}, met)
    sent = datagram(of("b1"), of("b3"), "10.1.0.11", "10.1.0.13", b"elsewhere")
    found["in a network without services"] = ("b1", sent, {"b3": [sent]}, {})
    return found


PLACES = {name: port["node"] for name, port in PORTS.items()}
CASES = cases()


def test_every_hook_meets_exactly_its_packets(fabric: Fabric, bench: Bench) -> None:
    """At the gate, and by element; on the sender's node at the first four hooks, on the receiver's at the last."""
    services(fabric, **EVERY)
    port_names = {}
    for name in EVERY:
        own = numbers(fabric, name)
        port_names[name] = {number: port for port, number in own.items()}
        put(fabric, name, *(flow({"in_port": number}, ON) for number in own.values()), settled=False)
    keys = {key_of(fabric, name): name for name in EVERY}
    before, flows_before = packets_met(fabric), {name: flow_packets(fabric, name) for name in EVERY}
    wrong = []
    for case, (source, frame, arrives, expected) in CASES.items():
        bench.exchange([(source, frame)], arrives)
        now, flows_now = packets_met(fabric), {name: flow_packets(fabric, name) for name in EVERY}
        gate = {(keys[key], node): n - before[key, node] for (key, node), n in now.items() if n != before[key, node]}
        met = {
            (name, port_names[name][json.loads(which[2])["in_port"]]): count - flows_before[name][which]
            for name, counts in flows_now.items()
            for which, count in counts.items()
            if count != flows_before[name][which]
        }
        wanted = {(name, port): 1 for name, ports in expected.items() for port in ports}
        at_gate: dict[tuple[str, str], int] = {}
        for name, port in wanted:
            where = (name, PLACES[port] if name.startswith("egress") else PLACES[source])
            at_gate[where] = at_gate.get(where, 0) + 1
        if met != wanted:
            wrong.append(
                f"{case}: too many {sorted(met.keys() - wanted.keys())}, lacking "
                f"{sorted(wanted.keys() - met.keys())}, counts {met}"
            )
        elif gate != at_gate:
            wrong.append(f"{case}: at the gate {gate}, not {at_gate}")
        before, flows_before = now, flows_now
    assert not wrong, "\n".join(wrong)


# -- several at one hook -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("hook", HOOKS)
def test_services_take_turns_and_what_one_takes_the_next_does_not_see(fabric: Fabric, bench: Bench, hook: str) -> None:
    """``third`` is declared first: it is the order that counts. Each sees what those before it have written."""
    port, source = ("a1", "a1") if hook in ("ingress", "pre-routing") else ("b3", "a1")
    orders = {"third": 30, "first": 10, "second": 20}
    services(fabric, **{n: {"hook": hook, "attach": [f"port/{port}"], "order": o} for n, o in orders.items()})
    put(
        fabric,
        "first",
        flow(udp_to(7001)),
        flow(udp_to(7002), SetField("ip_dscp", 11), ON),
    )
    put(
        fabric,
        "second",
        flow(udp_to(7002, ip_dscp=11), SetField("ip_dscp", 22), ON),
        flow(udp_to(7003)),
        flow(udp_to(7001), ON),
    )
    put(fabric, "third", flow(udp_to(7002, ip_dscp=22), SetField("ip_dscp", 33), ON), flow(udp_to(7003), ON))
    before = packets_met(fabric)
    sent = {number: routed(source, "b3", port=number) for number in (7001, 7002, 7003, 7004)}
    bench.exchange(
        [(source, frame) for frame, _ in sent.values()],
        {"b3": [with_dscp(sent[7002][1], 33), sent[7004][1]]},
    )
    after = packets_met(fabric)
    met = {name: sum(after[one] - before[one] for one in after if one[0] == key_of(fabric, name)) for name in orders}
    assert met == {"first": 4, "second": 3, "third": 2}


def with_dscp(frame: bytes, dscp: int) -> bytes:
    head = bytearray(frame[14:34])
    head[1] = dscp << 2
    head[10:12] = bytes(2)
    head[10:12] = checksum(bytes(head)).to_bytes(2, "big")
    return frame[:14] + bytes(head) + frame[34:]


def test_services_of_a_port_and_of_a_router_take_turns(fabric: Fabric, bench: Bench) -> None:
    orders = {"early": ("port/a1", 1), "middle": ("router/r", 2), "late": ("port/a1", 3)}
    services(fabric, **{n: {"hook": "pre-routing", "attach": [to], "order": o} for n, (to, o) in orders.items()})
    for name, (number, dscp) in {"early": (0, 1), "middle": (1, 2), "late": (2, 3)}.items():
        put(fabric, name, flow(udp_to(7000, ip_dscp=number), SetField("ip_dscp", dscp), ON))
    frame, arrives = routed("a1", "b3")
    bench.exchange([("a1", frame)], {"b3": [with_dscp(arrives, 3)]})
    bridged = to("a1", "a3")
    bench.exchange([("a1", bridged)], {"a3": [with_dscp(bridged, 1)]})
    frame, arrives = routed("a2", "b3")
    bench.exchange([("a2", frame)], {"b3": [arrives]})


# -- what they do --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("hook", HOOKS)
def test_redirects_and_copies_reach_their_port_on_every_node(
    fabric: Fabric, bench: Bench, hook: str, family: int
) -> None:
    """As they were at the hook, and no service meets them on that way, nor a second time."""
    port, source = ("a1", "a1") if hook in ("ingress", "pre-routing") else ("b3", "a1")
    own = dict.fromkeys([port, "a1", "a2", "a3", "b1", "b3"])
    services(
        fabric,
        s={"hook": hook, "attach": [f"port/{name}" for name in own]},
        watch={"hook": "egress", "attach": ["port/a2", "port/a3"]},
    )
    number = numbers(fabric, "s")
    base = {"eth_type": 0x0800 if family == 4 else 0x86DD, "ip_proto": 17, "in_port": number[port]}
    targets = ("a2", "b1")  # of the hooks' nodes one is here and one elsewhere, wherever the hook is
    flows = []
    for i, target in enumerate(targets):
        flows.append(flow({**base, "udp_dst": 7001 + i}, Output(number[target])))
        flows.append(flow({**base, "udp_dst": 7101 + i}, Output(number[target]), ON))
    flows.append(flow({**base, "udp_dst": 7201}, Output(number["a2"]), Output(number["b1"])))
    flows.append(flow({**base, "udp_dst": 7202}, Output(number["a2"]), SetField("ip_dscp", 7), ON))
    put(fabric, "s", *flows)
    before = packets_met(fabric)
    sent: list[tuple[str, bytes]] = []
    expected: dict[str, list[bytes]] = {"a2": [], "b1": [], "b3": []}
    for p in (7001, 7002, 7101, 7102, 7201):
        frame, arrives = routed(source, "b3", family, p)
        sent.append((source, frame))
        seen = {"forward": arrives[:12] + frame[12:14] + arrives[14:], "post-routing": arrives, "egress": arrives}
        at_hook = seen.get(hook, frame)
        if hook == "forward":  # routed, and not yet addressed to its next hop
            at_hook = WEB + DB + arrives[12:]
        for target in {7001: ("a2",), 7002: ("b1",), 7101: ("a2",), 7102: ("b1",), 7201: ("a2", "b1")}[p]:
            expected[target].append(at_hook)
        if p in (7101, 7102):
            expected["b3"].append(arrives)
    bench.exchange(sent, expected)
    after = packets_met(fabric)
    counted = {one: after[one] - before[one] for one in after if after[one] != before[one]}
    place = "n3" if hook == "egress" else "n1"
    assert counted == {(key_of(fabric, "s"), place): 5}


@pytest.mark.parametrize("target", ["ff:ff:ff:ff:ff:ff", "01:00:5e:00:00:fb"])
def test_what_is_for_many_is_kept_from_one(fabric: Fabric, bench: Bench, target: str) -> None:
    services(fabric, s={"hook": "egress", "attach": ["network/web"]})
    number = numbers(fabric, "s")
    put(
        fabric,
        "s",
        flow({"in_port": number["a2"]}),
        flow({"in_port": number["x-in"]}, Output(number["a1"]), priority=11),
    )
    frame = datagram(of("a1"), mac(target), "10.0.0.11", "224.0.0.251", b"to all")
    bench.exchange([("a1", frame)], {"a3": [frame], "a1": [frame]})
    frame = datagram(of("a3"), mac(target), "10.0.0.13", "224.0.0.251", b"to all")
    bench.exchange([("a3", frame)], {"a1": [frame, frame]})


def test_a_flood_reaches_every_own_port_but_the_one_it_came_by(fabric: Fabric, bench: Bench) -> None:
    services(fabric, s={"hook": "ingress", "attach": ["port/a1", "port/a2", "port/b3"]})
    put(fabric, "s", flow(udp_to(7001), Output(FLOOD)))
    frame = to("a1", "a3", 7001)
    bench.exchange([("a1", frame)], {"a2": [frame], "b3": [frame]})


@pytest.mark.parametrize("hook", ["ingress", "pre-routing"])
def test_a_packet_can_be_sent_back_where_it_came_from(fabric: Fabric, bench: Bench, hook: str) -> None:
    services(fabric, s={"hook": hook, "attach": ["port/a1", "port/a2"]})
    put(fabric, "s", *(flow(udp_to(n, in_port=1), Output(IN_PORT), *more) for n, more in ((7001, ()), (7002, (ON,)))))
    frames = {number: to("a1", "a3", number) for number in (7001, 7002)}
    bench.exchange([("a1", frame) for frame in frames.values()], {"a1": list(frames.values()), "a3": [frames[7002]]})


# -- packets that a service sends ----------------------------------------------------------------------------------


def test_a_packet_out_reaches_a_port_on_any_node(fabric: Fabric, bench: Bench) -> None:
    """Whatever is in it: who may send to a port decides what. It passes no service."""
    services(
        fabric,
        s={"hook": "egress", "attach": ["port/a1", "port/a2", "port/a3", "port/b3"]},
        other={"hook": "egress", "attach": ["port/a3"]},
    )
    put(fabric, "other", flow({}))
    number = numbers(fabric, "s")
    frame = ether(mac("02:00:00:00:00:99"), of("a1"), 0x88B5, b"from the controller")
    for name in ("a1", "a2", "a3", "b3"):
        say(fabric, "s", packet_out(frame, Output(number[name])))
        bench.exchange([], {name: [frame]})
    say(fabric, "s", packet_out(frame, *(Output(n) for n in number.values())))
    bench.exchange([], {name: [frame] for name in number})
    say(fabric, "s", packet_out(frame, Output(FLOOD), in_port=number["a2"]))
    bench.exchange([], {name: [frame] for name in number if name != "a2"})


def test_many_packets_sent_at_once_all_arrive(fabric: Fabric, bench: Bench) -> None:
    """As a controller sends them that has many to answer: none is refused because others wait."""
    services(fabric, s={"hook": "egress", "attach": ["port/a1", "port/a2"]})
    number = numbers(fabric, "s")
    frames = [ether(of("a3"), of("a2"), 0x88B5, b"one of %d" % n) for n in range(300)]
    steersman = steered(fabric, "s")
    try:
        told = [to_json(packet_out(frame, Output(number["a2"])), 0, V15) for frame in frames]
        assert steersman.ask("burst", "refused", messages=told) == {"refused": 0}
        bench.exchange([], {"a2": frames})
    finally:
        steersman.kill()


@pytest.mark.parametrize("way", [NORMAL, THROUGH_TABLE], ids=["NORMAL", "TABLE"])
@pytest.mark.parametrize("hook", ["ingress", "pre-routing"])
def test_what_a_service_sends_for_a_port_must_be_what_the_port_may_send(
    fabric: Fabric, bench: Bench, hook: str, way: int
) -> None:
    """Bridged, routed, to many; with another's addresses it goes nowhere. TABLE meets the service's own flows, NORMAL
    does not; both meet those of others."""
    services(
        fabric,
        s={"hook": hook, "attach": ["port/a1", "port/a2"]},
        other={"hook": hook, "attach": ["port/a1"], "order": 200},
        last={"hook": "egress", "attach": ["port/b3"]},
    )
    number = numbers(fabric, "s")
    put(fabric, "s", flow(udp_to(7001)))
    put(fabric, "other", flow(udp_to(7002)))
    put(fabric, "last", flow(udp_to(7003)))

    def sends(frame: bytes, arrives: dict[str, list[bytes]], port: str = "a1") -> None:
        say(fabric, "s", packet_out(frame, Output(way), in_port=number[port]))
        bench.exchange([], arrives)

    frame = to("a1", "a3")
    sends(frame, {"a3": [frame]})
    frame, arrives = routed("a1", "b3")
    sends(frame, {"b3": [arrives]})
    frame = datagram(of("a1"), BROADCAST, "10.0.0.11", "255.255.255.255", b"to all")
    sends(frame, {name: [frame] for name in ("a2", "a3", "x-in")})
    frame = to("a1", "a3", 7001)
    sends(frame, {} if way == THROUGH_TABLE else {"a3": [frame]})
    sends(to("a1", "a3", 7002), {})
    sends(routed("a1", "b3", port=7003)[0], {})
    frame = to("a2", "a3", 7002)
    sends(frame, {"a3": [frame]}, "a2")
    for spoofed in (
        to("a2", "a3"),
        ether(of("a3"), of("a2"), 0x88B5, b"spoofed"),
        datagram(of("a1"), of("a3"), "10.0.0.12", "10.0.0.13", b"spoofed"),
        datagram(of("a1"), WEB, "10.0.0.13", "10.1.0.13", b"spoofed"),
        arp(2, (of("a1"), "10.0.0.1"), (of("a2"), "10.0.0.12"), of("a2")),
        datagram(of("b1"), of("b3"), "10.1.0.11", "10.1.0.13", b"another network's"),
    ):
        sends(spoofed, {})


def test_what_a_service_may_not_send(fabric: Fabric, bench: Bench) -> None:
    """To and from ports that are not its own, and where its hook has no place for it."""
    services(
        fabric,
        s={"hook": "ingress", "attach": ["port/a1"]},
        routing={"hook": "pre-routing", "attach": ["router/r"]},
        late={"hook": "egress", "attach": ["port/a1"]},
    )
    frame = to("a1", "a3")
    own = {name: next(iter(numbers(fabric, name).values())) for name in ("s", "routing", "late")}
    for name, message in (
        ("s", packet_out(frame, Output(7))),
        ("s", packet_out(frame, Output(NORMAL), in_port=7)),
        ("s", packet_out(frame, Output(NORMAL))),
        ("routing", packet_out(frame, Output(NORMAL), in_port=own["routing"])),
        ("routing", packet_out(frame, Output(own["routing"]))),
        ("late", packet_out(frame, Output(NORMAL), in_port=own["late"])),
    ):
        with pytest.raises(ApiError) as refused:
            say(fabric, name, message)
        assert refused.value.status in (400, 403, 409, 422), refused.value
    bench.exchange([], {})


# -- chains --------------------------------------------------------------------------------------------------------


def test_visits_of_functions_are_not_the_functions_own_traffic(fabric: Fabric, bench: Bench) -> None:
    """What a chain hands to a function does not pass the egress hook of its port, nor what comes back the ingress hook;
    what is sent to it, and by it, as to any other port, does."""
    apply(fabric, {"chains": {"c": chain({"from": "a1", "to": "b3", "protocol": "udp"}, ["x"])}})
    try:
        services(
            fabric,
            out={"hook": "egress", "attach": ["port/x-in", "port/x-out"]},
            **{"in": {"hook": "ingress", "attach": ["port/x-in", "port/x-out"]}},
            behind={"hook": "pre-routing", "attach": ["port/a1"]},
        )
        for name in ("out", "in"):
            put(fabric, name, flow(udp_to(7000)))
        put(fabric, "behind", flow({"in_port": 1}, ON))
        before = packets_met(fabric)
        frame, arrives = routed("a1", "b3")
        inside = frame[:6] + b"\x0a\x5e\0\0\0\0" + frame[12:]
        grown = datagram(DB, of("b3"), "10.0.0.11", "10.1.0.13", added(b"routed", 1), ports=(4000, 7000), ttl=63)
        assert len(grown) == len(arrives)
        bench.exchange([("a1", frame)], {"x-in": [inside], "b3": [grown]})
        after = packets_met(fabric)
        met = {one: after[one] - before[one] for one in after if after[one] != before[one]}
        # Once: behind its chain, where it is decided upon.
        assert {key: sum(n for (k, _), n in met.items() if k == key) for key, _ in met} == {key_of(fabric, "behind"): 1}
        put(fabric, "out", flow(udp_to(7001)))
        put(fabric, "in", flow(udp_to(7002)))
        bench.exchange([("a2", to("a2", "x-in", 7001))], {})
        frame = to("a2", "x-in", 7003)
        bench.exchange([("a2", frame)], {"x-in": [frame]})
        bench.exchange([("x-in", to("x-in", "a2", 7002))], {})
        frame = to("x-in", "a2", 7003)
        bench.exchange([("x-in", frame)], {"a2": [frame]})
    finally:
        delete(fabric, ("chain", "c"))

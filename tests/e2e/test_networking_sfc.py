"""The networking-sfc API moves packets: networks, ports, and all of a chain made by requests as OpenStack's clients
send them, and what becomes of real packets then. Nothing waits a while here: the chain's own ``status`` says when.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from segue.lab.apps import trail

from . import buffers
from .cloud import Cloud, Refused
from .fabric import PYTHON
from .flows import Untouched
from .frames import Wire, containing, datagram, mac, watch
from .shifter import __file__ as shifter
from .streams import Stream, Traffic
from .talk import Talk, gather, settle, udp

pytestmark = pytest.mark.root

FUNCTIONS = {"x1": ("n1", 1), "x2": ("n2", 2), "x3": ("n3", 3), "y2": ("n2", 4)}
AWARE = {"nsh-2": ("n2", 12), "nsh-3": ("n3", 13), "mpls-2": ("n2", 22), "mpls-3": ("n3", 23)}
FLOWS = range(20000, 20012)
WEB = 7000


@pytest.fixture(scope="module")
def running() -> Iterator[Cloud]:
    with Cloud() as cloud:
        network = cloud.create("network", name="web")["id"]
        cloud.create("subnet", network_id=network, ip_version=4, cidr="10.0.0.0/24")
        cloud.create("subnet", network_id=network, ip_version=6, cidr="fd00::/64")
        cloud.host("client", "n1", network)
        cloud.host("server", "n3", network)
        for name, (node, identity) in FUNCTIONS.items():
            cloud.function(name, node, network, identity)
        for name, (node, identity) in AWARE.items():
            cloud.function(name, node, network, identity, name.partition("-")[0])
        cloud.ports("tap", "n2", network, "tap-in", "tap-out")
        cloud.plug("tap")
        cloud.ports("late", "n2", network, "late-in", "late-out")
        cloud.ports("shifter", "n1", network, "shifter-in", "shifter-out")
        cloud.plug("shifter", f"{PYTHON} {shifter} --first {WEB} --last {WEB} --by 1 --odd 0")
        cloud.calm()
        buffers.widen(cloud.lab)
        yield cloud


@pytest.fixture
def cloud(running: Cloud) -> Iterator[Cloud]:
    yield running
    running.remove_chains()


def port(cloud: Cloud, device: str, number: int = 0) -> str:
    return str(cloud.devices[device][1][number]["id"])


def web(cloud: Cloud, **values: Any) -> str:
    """A classifier: UDP for port 7000, from the client's port, unless ``values`` say something else."""
    asked = {"protocol": "udp", "destination_port_range_min": WEB, "destination_port_range_max": WEB}
    return cloud.classifier(logical_source_port=port(cloud, "client"), **{**asked, **values})


def talking(cloud: Cloud, to_port: int = WEB, families: tuple[int, ...] = (4,), flows: Any = FLOWS) -> Talk:
    return Talk(cloud, {family: cloud.address("server", family) for family in families}, flows, to_port)


def ways(cloud: Cloud, **options: Any) -> set[tuple[tuple[int, ...], tuple[int, ...]]]:
    """The functions that flows meet, on their way and on the way back."""
    with talking(cloud, **options) as talk:
        (family,) = talk.addresses
        there, back = talk.trails(family)
        assert there.keys() == back.keys() == set(talk.flows)
        return {(there[flow], back[flow]) for flow in there}


BESIDE = {((), ())}


# -- the thinnest path -------------------------------------------------------------------------------------------------


def test_from_nothing_to_packets_and_back(cloud: Cloud) -> None:
    """Each lack is told by the chain itself; while there is one, packets go where they went before."""
    group = cloud.group()
    made = cloud.create(
        "port_chain", name="loud", port_pair_groups=[group], flow_classifiers=[], chain_parameters={"symmetric": False}
    )
    chain = made["id"]
    assert made["chain_parameters"] == {"correlation": "mpls", "symmetric": False}
    assert (made["status"], made["status_reason"]) == (
        "DOWN",
        ["it has no flow classifier", f"port pair group {group} has no port pair"],
    )
    cloud.change("port_chain", chain, flow_classifiers=[web(cloud)])
    cloud.down(chain, f"port pair group {group} has no port pair")
    assert ways(cloud) == BESIDE
    cloud.change("port_pair_group", group, port_pairs=[cloud.pair("late")])
    lost = [f"chain {chain}: port {port(cloud, 'late', end)} has no interface on node n2" for end in _sorted(cloud)]
    cloud.down(chain, *lost)
    assert ways(cloud) == BESIDE
    try:
        cloud.plug("late", f"{PYTHON} {adder()} --id 9")
        cloud.active(chain)
        assert ways(cloud) == {((9,), ())}
        assert ways(cloud, to_port=WEB + 1) == BESIDE
        assert cloud.counters(chain)["forward", group, cloud.every("port_pair", name="late")[0]["id"]] == len(FLOWS)
        # What is in force, and loses its function's interface, says so too.
        cloud.lab.remove_host("late")
        cloud.down(chain, *(f"port {port(cloud, 'late', end)} has no interface" for end in _sorted(cloud)))
    finally:
        if any(host.name == "late" for host in cloud.lab.spec.hosts):
            cloud.lab.remove_host("late")
    cloud.remove("port_chain", chain)
    with pytest.raises(Refused) as gone:
        cloud.show("port_chain", chain)
    assert (gone.value.status, gone.value.type) == (404, "PortChainNotFound")
    cloud.calm()
    assert ways(cloud) == BESIDE


def adder() -> str:
    from .talk import ADDER

    return str(ADDER)


def _sorted(cloud: Cloud) -> list[int]:
    return sorted((0, 1), key=lambda end: port(cloud, "late", end))


@pytest.mark.parametrize("symmetric", [False, True], ids=["one way", "symmetric"])
@pytest.mark.parametrize("family", [4, 6], ids=["IPv4", "IPv6"])
@pytest.mark.parametrize("aware", [False, True], ids=["unaware", "aware"])
@pytest.mark.parametrize("correlation", ["nsh", "mpls"])
def test_two_functions_on_two_nodes(cloud: Cloud, correlation: str, aware: bool, family: int, symmetric: bool) -> None:
    if aware:
        devices, met = (f"{correlation}-3", f"{correlation}-2"), {"nsh": (13, 12), "mpls": (23, 22)}[correlation]
    else:
        devices, met = ("x3", "x2"), (3, 2)
    groups = [cloud.group(cloud.pair(device, correlation if aware else None)) for device in devices]
    classifier = web(cloud, ethertype=f"IPv{family}", logical_destination_port=port(cloud, "server"))
    cloud.chain([classifier], groups, correlation=correlation, symmetric=symmetric)
    assert ways(cloud, families=(family,)) == {(met, met[::-1] if symmetric else ())}
    assert ways(cloud, families=(10 - family,)) == BESIDE
    assert ways(cloud, families=(family,), to_port=WEB + 1) == BESIDE


# -- classifiers -------------------------------------------------------------------------------------------------------


def test_ranges_of_both_ports(cloud: Cloud) -> None:
    ranges = {"destination_port_range_max": WEB + 1, "source_port_range_min": 20003, "source_port_range_max": 20006}
    cloud.chain([web(cloud, **ranges)], [cloud.group(cloud.pair("x2"))])
    for to_port, inside in ((WEB - 1, False), (WEB, True), (WEB + 1, True), (WEB + 2, False)):
        with talking(cloud, to_port) as talk:
            there, _ = talk.trails(4)
        assert there == {flow: (2,) if inside and 20003 <= flow <= 20006 else () for flow in FLOWS}


def test_prefixes_and_ports_of_either_end(cloud: Cloud) -> None:
    group = cloud.group(cloud.pair("x2"))
    client, server = cloud.address("client"), cloud.address("server")
    to_server = {"logical_destination_port": port(cloud, "server"), "source_ip_prefix": f"{client}/32"}
    for values, taken in (
        ({"destination_ip_prefix": f"{server}/24"}, True),  # with host bits, as clients may write it
        ({"destination_ip_prefix": "10.0.1.0/24"}, False),
        ({"destination_ip_prefix": f"{server}/32", "source_ip_prefix": f"{client}/32"}, True),
        (to_server, True),
    ):
        ends = values if "logical_destination_port" in values else {"logical_source_port": port(cloud, "client")}
        classifier = cloud.classifier(protocol="udp", **(values | ends))
        chain = cloud.chain([classifier], [group])
        assert ways(cloud) == ({((2,), ())} if taken else BESIDE), values
        cloud.remove("port_chain", chain)
        cloud.remove("flow_classifier", classifier)
        cloud.calm()


# -- groups ------------------------------------------------------------------------------------------------------------


def test_flows_spread_by_weight_and_stay(cloud: Cloud) -> None:
    pairs = [cloud.pair("x1", weight=3), cloud.pair("x3", weight=1), cloud.pair("y2", weight=0)]
    classifier = web(cloud, logical_destination_port=port(cloud, "server"))
    cloud.chain([classifier], [cloud.group(*pairs)], symmetric=True)
    with talking(cloud, flows=range(30000, 30200)) as talk:
        there, back = talk.trails(4)
        assert len(there) == 200
        met = Counter(there.values())
        assert met.keys() == {(1,), (3,)}
        assert 120 <= met[1,] <= 180, met
        assert back == there
        assert talk.trails(4) == (there, back)


def test_lb_fields_choose(cloud: Cloud) -> None:
    """By addresses alone all flows of two hosts are one; with ports they are not."""
    pairs = [cloud.pair("x1"), cloud.pair("x3")]
    group = cloud.group(*pairs, port_pair_group_parameters={"lb_fields": ["ip_src", "ip_dst"]})
    chain = cloud.chain([web(cloud)], [group])
    assert len(ways(cloud, flows=range(30000, 30040))) == 1
    cloud.remove("port_chain", chain)
    cloud.remove("port_pair_group", group)
    cloud.chain(cloud_classifiers(cloud), [cloud.group(*pairs)])
    assert ways(cloud, flows=range(30000, 30040)) == {((1,), ()), ((3,), ())}


def cloud_classifiers(cloud: Cloud) -> list[str]:
    return [one["id"] for one in cloud.every("flow_classifier")]


def test_lb_fields_that_no_switch_can_hash_are_refused(cloud: Cloud) -> None:
    with pytest.raises(Refused, match="no switch can hash udp_dst and nothing else") as refused:
        cloud.group(port_pair_group_parameters={"lb_fields": ["udp_dst"]})
    assert refused.value.status == 400
    assert cloud.every("port_pair_group") == []


@pytest.mark.parametrize("place", [0, 1], ids=["before the function", "behind the function"])
def test_a_tap_gets_copies(cloud: Cloud, place: int) -> None:
    groups = [cloud.group(cloud.pair("x1"))]
    groups.insert(place, cloud.group(cloud.pair("tap"), tap_enabled=True))
    cloud.chain([web(cloud)], groups)
    wire = Wire(cloud, "tap", "tap-in")
    try:
        assert ways(cloud) == {((1,), ())}
        copies = [trail.parse(frame[42:]) for frame in containing(wire.receive(), trail.MAGIC)]
        assert Counter(copies) == Counter((flow, b"\x01" if place else b"") for flow in FLOWS)
    finally:
        wire.close()


@pytest.mark.parametrize("said", [False, True], ids=["nobody says it", "the group says it"])
def test_a_function_that_changes_the_tuple_keeps_its_packets_on_the_path(cloud: Cloud, said: bool) -> None:
    """What the mapping is for upstream, classifying anew behind the function, happens here without it. By it answers
    are known (see test_translation.py)."""
    mapping = {"ingress_n_tuple": {"destination_port_range_min": WEB, "destination_port_range_max": WEB}}
    mapping["egress_n_tuple"] = {"destination_port_range_min": WEB + 1, "destination_port_range_max": WEB + 1}
    parameters = {"ppg_n_tuple_mapping": mapping} if said else {}
    first = cloud.group(cloud.pair("shifter"), port_pair_group_parameters=parameters)
    second = cloud.group(cloud.pair("x2"))
    classifier = web(cloud, logical_destination_port=port(cloud, "server"))
    chain = cloud.chain([classifier], [first, second], correlation="nsh", symmetric=True)
    assert cloud.show("port_chain", chain)["status_reason"] == []
    server, client = udp(cloud, "server", WEB + 1), udp(cloud, "client", 20001)
    try:
        client.sendto(trail.payload(5), (cloud.address("server"), WEB))
        ((_, data, sender),) = gather([server], 1)
        assert trail.parse(data) == (5, b"\x02")
        assert sender == (cloud.address("client"), 20001)
        server.sendto(trail.payload(6), sender)
        ((_, data, _),) = gather([client], 1)
        assert trail.parse(data) == (6, b"\x02" if said else b"")
    finally:
        server.close()
        client.close()


# -- ports -------------------------------------------------------------------------------------------------------------


def test_port_security(cloud: Cloud) -> None:
    """Off, the port may send from any address; on again, from its own and allowed ones."""
    client, server = cloud.devices["client"][1][0], cloud.devices["server"][1][0]
    wires = {name: Wire(cloud, name) for name in ("client", "server")}

    def arrives(source: str) -> bool:
        ends = (mac(client["mac_address"]), mac(server["mac_address"]), source, cloud.address("server"))
        frame = datagram(*ends, b"who am I", ports=(4000, WEB))
        wires["client"].send(frame)
        return frame in watch(wires, 1, within=0.5)["server"]

    def change(**values: Any) -> None:
        cloud.change("port", client["id"], **values)
        cloud.calm()

    try:
        assert arrives(cloud.address("client"))
        assert not arrives("10.0.0.99")
        change(port_security_enabled=False)
        assert arrives("10.0.0.99")
        change(port_security_enabled=True)
        assert not arrives("10.0.0.99")
        change(allowed_address_pairs=[{"ip_address": "10.0.0.96/28"}])
        assert arrives("10.0.0.99")
        change(allowed_address_pairs=[])
        assert not arrives("10.0.0.99")
    finally:
        cloud.change("port", client["id"], port_security_enabled=True, allowed_address_pairs=[])
        for wire in wires.values():
            wire.close()


# -- change ------------------------------------------------------------------------------------------------------------


def stream(cloud: Cloud, name: str, to_port: int, rate: float = 400, ports: str = "20000-20003") -> Stream:
    return Stream(name, "client", "server", cloud.address("server"), to_port, rate, ports, echo=True)


def test_changes_amid_packets_lose_none(cloud: Cloud) -> None:
    pairs = {name: cloud.pair(name) for name in ("x1", "x2", "x3", "y2")}
    groups = {name: cloud.group(pairs[name]) for name in ("x1", "x2")}
    ends = {"logical_destination_port": port(cloud, "server")}
    classifier = web(cloud, **ends)
    chain = cloud.chain([classifier], [groups["x2"]], symmetric=True)
    other = web(cloud, destination_port_range_min=7003, destination_port_range_max=7003, **ends)
    streams = [stream(cloud, "web", WEB), stream(cloud, "other", 7003, ports="21000-21003")]
    with Traffic(cloud, streams) as traffic:
        for change in (
            {"port_pair_groups": [groups["x1"], groups["x2"]]},
            {"flow_classifiers": [classifier, other]},
            {"port_pair_groups": [groups["x1"]]},
            {"name": "renamed", "flow_classifiers": [other]},
        ):
            cloud.change("port_chain", chain, **change)
            cloud.active(chain)
        cloud.change("port_pair_group", groups["x1"], port_pairs=[pairs["x3"], pairs["y2"]])
        cloud.active(chain)
        time.sleep(0.3)
        results = traffic.stop()
    seen = {(), (2,), (1, 2), (1,), (3,), (4,)}
    for result in results.values():
        result.whole()
        for packet in result.packets:  # an answer may be of the version after
            there = len(packet.trail)
            assert packet.back[:there] == packet.trail
            assert packet.back[there:][::-1] in seen
    assert results["web"].trails() == {(2,), (1, 2), (1,), ()}
    assert {(), (1,)} <= results["other"].trails() <= seen - {(2,)}
    assert {packet.trail for packet in results["other"].packets[-40:]} <= {(3,), (4,)}


def test_a_change_that_cannot_be_yet_leaves_the_chain_as_it_was(cloud: Cloud) -> None:
    groups = {name: cloud.group(cloud.pair(name)) for name in ("x2", "late")}
    chain = cloud.chain([web(cloud)], [groups["x2"]])
    cloud.change("port_chain", chain, port_pair_groups=[groups["late"]])
    lost = [f"chain {chain}: port {port(cloud, 'late', end)} has no interface on node n2" for end in _sorted(cloud)]
    cloud.says(chain, "BUILD", *lost)
    assert ways(cloud) == {((2,), ())}
    cloud.change("port_chain", chain, port_pair_groups=[groups["x2"]])
    cloud.active(chain)
    assert ways(cloud) == {((2,), ())}


def test_a_killed_server_leaves_packets_alone_and_comes_back_with_all_objects(cloud: Cloud) -> None:
    empty = cloud.group(name="empty")
    chain = cloud.chain([web(cloud)], [cloud.group(cloud.pair("x2")), cloud.group(cloud.pair("x3"))], name="kept")
    kinds = ("network", "subnet", "port", "flow_classifier", "port_pair", "port_pair_group", "port_chain")

    def objects() -> dict[tuple[str, str], Any]:
        found = {(kind, one["id"]): one for kind in kinds for one in cloud.every(kind)}
        return {key: one | {"subnets": sorted(one.get("subnets", []))} for key, one in found.items()}

    before = objects()
    assert {("port_pair_group", empty), ("port_chain", chain)} <= before.keys()
    held, begun = Untouched(cloud), time.monotonic()
    with Traffic(cloud, [stream(cloud, "web", WEB)]) as traffic:
        time.sleep(0.2)
        cloud.kill("server")
        time.sleep(0.5)
        cloud.start_server()
        cloud.until(cloud.agents_ready, "agents to come back")
        cloud.until(lambda: cloud.show("port_chain", chain)["status"] == "ACTIVE", "the chain to be in force")
        time.sleep(0.2)
        results = traffic.stop()
    held.check(time.monotonic() - begun)
    results["web"].whole()
    assert results["web"].trails() == {(2, 3)}
    assert objects() == before
    cloud.remove("port_chain", chain)
    cloud.calm()
    assert ways(cloud) == BESIDE


# -- service graphs ----------------------------------------------------------------------------------------------------


def test_a_service_graph_branches_and_joins(cloud: Cloud) -> None:
    """Each chain's function sends packets on to other ports, and by those the next chain is chosen; no two chains'
    classifiers overlap, as networking-sfc wants it."""
    network = cloud.every("network", name="web")[0]["id"]
    shifts = {"a": ("n1", WEB, 1, 1), "b": ("n2", WEB + 1, 10, 0), "c": ("n3", WEB + 2, 10, 0)}
    chains: dict[str, str] = {}
    try:
        for name, (node, first, by, odd) in shifts.items():
            cloud.ports(name, node, network, f"{name}-in", f"{name}-out")
            options = f"--encap nsh --first {first} --last {first} --by {by} --odd {odd}"
            cloud.plug(name, f"{PYTHON} {shifter} {options}")
        for name, first, last in (("a", WEB, WEB), ("b", 7001, 7001), ("c", 7002, 7002), ("d", 7011, 7012)):
            classifier = web(cloud, destination_port_range_min=first, destination_port_range_max=last)
            group = cloud.group(cloud.pair({"d": "nsh-3"}.get(name, name), "nsh"))
            chains[name] = cloud.chain([classifier], [group], name=name, correlation="nsh")
        assert arrivals(cloud) == {(WEB + 1 + flow % 2, flow, ()) for flow in FLOWS}
        branches = {chains["a"]: [chains["b"], chains["c"]], chains["b"]: [chains["d"]], chains["c"]: [chains["d"]]}
        graph = cloud.create("service_graph", name="fork", port_chains=branches)["id"]
        settled(cloud, chains)
        assert arrivals(cloud) == {(WEB + 11 + flow % 2, flow, (13,)) for flow in FLOWS}
        assert "label: fork" in segue(cloud, "get", "graph", graph, "-o", "yaml")
        with pytest.raises(Refused, match="in use") as used:
            cloud.remove("port_chain", chains["b"])
        assert (used.value.status, used.value.type) == (409, "ServiceGraphPortChainInUse")
        # A chain that cannot be built takes its branch with it; what is behind it has other ways.
        group = cloud.show("port_chain", chains["c"])["port_pair_groups"][0]
        pairs = cloud.show("port_pair_group", group)["port_pairs"]
        cloud.change("port_pair_group", group, port_pairs=[])
        cloud.down(chains["c"], f"port pair group {group} has no port pair")
        settled(cloud, {name: chain for name, chain in chains.items() if name != "c"})
        assert arrivals(cloud) == {(WEB + 2, f, ()) if f % 2 else (WEB + 11, f, (13,)) for f in FLOWS}
        cloud.change("port_pair_group", group, port_pairs=pairs)
        settled(cloud, chains)
        assert arrivals(cloud) == {(WEB + 11 + flow % 2, flow, (13,)) for flow in FLOWS}
        cloud.remove("service_graph", graph)
        settled(cloud, chains)
        assert arrivals(cloud) == {(WEB + 1 + flow % 2, flow, ()) for flow in FLOWS}
    finally:
        cloud.remove_chains()
        for name in shifts:
            cloud.lab.remove_host(name)


def settled(cloud: Cloud, chains: dict[str, str]) -> None:
    for chain in chains.values():
        cloud.active(chain)
    cloud.calm()


def arrivals(cloud: Cloud) -> set[tuple[int, int, tuple[int, ...]]]:
    """(destination port, source port, functions met) of packets that all went to port 7000."""
    servers = {udp(cloud, "server", number): number for number in (WEB, 7001, 7002, 7011, 7012)}
    clients = {flow: udp(cloud, "client", flow) for flow in FLOWS}
    try:
        for flow, client in clients.items():
            client.sendto(trail.payload(flow), (cloud.address("server"), WEB))
        found = set()
        for sock, data, sender in gather(servers, len(FLOWS)):
            parsed = trail.parse(data)
            assert parsed is not None and parsed[0] == sender[1]
            found.add((servers[sock], sender[1], tuple(parsed[1])))
        return found
    finally:
        for sock in (*servers, *clients.values()):
            sock.close()


# -- two front doors ---------------------------------------------------------------------------------------------------


def segue(cloud: Cloud, *arguments: str, fails: bool = False) -> str:
    import os
    import subprocess

    env = {**os.environ, "SEGUE_SERVER": cloud.url}
    command = [PYTHON, "-m", "segue", *arguments]
    done = subprocess.run(command, env=env, text=True, capture_output=True, timeout=60)
    assert bool(done.returncode) == fails, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_what_the_api_made_is_seen_and_deleted_by_segue(cloud: Cloud) -> None:
    classifier = web(cloud, name="web requests")
    chain = cloud.chain([classifier], [cloud.group(cloud.pair("x2"), name="shouting")], name="loud")
    (line,) = [line for line in segue(cloud, "get", "chains").splitlines() if chain in line]
    assert "loud" in line.split()
    assert "label: loud" in segue(cloud, "get", "chain", chain, "-o", "yaml")
    (line,) = [line for line in segue(cloud, "status").splitlines() if chain in line]
    assert {"loud", "ready"} <= set(line.split())
    assert segue(cloud, "status", chain) == segue(cloud, "status", "loud")
    assert "there is no chain 'quiet'" in segue(cloud, "status", "quiet", fails=True)
    traced = segue(cloud, "trace", f"client > server udp {WEB}", "--live")
    assert traced == segue(cloud, "trace", f"{cloud.address('client')} > {port(cloud, 'server')} udp {WEB}", "--live")
    assert "the switches agree" in traced
    assert f"chain/{chain}" in traced
    assert f"function at {port(cloud, 'x2')}" in traced
    assert f"delivered to {port(cloud, 'server')}" in traced
    assert ways(cloud) == {((2,), ())}
    segue(cloud, "delete", "chain", chain)
    with pytest.raises(Refused) as gone:
        cloud.show("port_chain", chain)
    assert gone.value.status == 404
    assert cloud.every("port_chain") == []
    settle(cloud)
    assert ways(cloud) == BESIDE
    # What the chain was made of is there still, and makes another.
    cloud.chain([classifier], [cloud.every("port_pair_group", name="shouting")[0]["id"]])
    assert ways(cloud) == {((2,), ())}


def test_what_segue_applied_is_seen_and_deleted_by_the_api(cloud: Cloud) -> None:
    pair = cloud.pair("x3")
    match = {"from": port(cloud, "client"), "protocol": "udp", "destination_ports": WEB}
    cloud.apply({"chains": {"native": {"match": match, "through": [[pair]], "encapsulation": "mpls"}}})
    settle(cloud)
    assert ways(cloud) == {((3,), ())}
    (chain,) = cloud.every("port_chain", name="native")
    assert chain["status"] == cloud.show("port_chain", chain["id"])["status"] == "ACTIVE"
    (group,) = chain["port_pair_groups"]
    assert cloud.show("port_pair_group", group)["port_pairs"] == [pair]
    (classifier,) = chain["flow_classifiers"]
    assert cloud.show("flow_classifier", classifier)["logical_source_port"] == port(cloud, "client")
    with pytest.raises(Refused) as used:
        cloud.remove("port_pair", pair)
    assert (used.value.status, used.value.type) == (409, "PortPairInUse")
    cloud.remove("port_chain", chain["id"])
    assert cloud.get("/v1/objects/chain") == []
    cloud.calm()
    assert ways(cloud) == BESIDE

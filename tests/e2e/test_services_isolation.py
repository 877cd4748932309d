"""What one injected service can do to the traffic, the rules and the time of others: nothing, whatever it says and
however fast. Every packet of the others is accounted for, and compared as it arrives.
"""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from inject import random_flows, random_mods
from segue.model.hooks import HOOKS
from segue.model.intent import NOT_REWRITTEN, REWRITES
from segue.model.limits import MAX_PACKET_INS
from segue.model.stages import TABLE
from segue.openflow import EncodeError, FlowMod, Output
from segue.openflow import protocol as of
from segue.openflow.channel import Channel, ConnectionLost, OpenFlowError, dial
from segue.openflow.connection import Received
from segue.openflow.wire import FLOOD, NORMAL, V10, V13, V14, V15
from segue.openflow.wire import TABLE as THROUGH_TABLE

from . import buffers
from .fabric import PYTHON, ApiError, Fabric, host
from .flows import held
from .forgery import labels, path_ids
from .frames import Wire, datagram, ether, watch
from .frames import of as address_of
from .injected import (
    EVERYTHING,
    ON,
    UP,
    flow,
    key_of,
    numbers,
    packet_out,
    packets_met,
    put,
    rules,
    say,
    shown,
    steered,
    udp_to,
)
from .probes import chain
from .streams import Result, Stream, Traffic
from .talk import adder, apply

pytestmark = pytest.mark.root

HOSTS = {"c1": ("n1", 10), "s2": ("n2", 20), "s3": ("n3", 30), "h1": ("n1", 40), "h2": ("n2", 50)}
"""The last two are the hostile tenant's."""
ECHOED = Stream("echoed", "c1", "s2", "10.0.0.20", 7001, 300, "20000-20003", echo=True)
ROUTED = Stream("routed", "c1", "r3", "10.1.0.30", 7002, 200, "21000-21003")
TO_THEM = Stream("to them", "s3", "c1", "10.0.0.10", 7003, 200, "22000-22003")
STREAMS = (ECHOED, ROUTED, TO_THEM)
ROUTED_HOOKS = ("pre-routing", "forward", "post-routing")


def evil(hook: str) -> dict[str, Any]:
    """A service of the hostile tenant, which may do all that can be permitted at its hook."""
    routed = hook in ROUTED_HOOKS
    never = NOT_REWRITTEN.get(hook, ())
    rewrite = [one for one in REWRITES if one not in never and (not routed or one.endswith("dst") or one == "vlan")]
    return {
        "hook": hook,
        "attach": ["port/h1", "port/h2", *(["router/theirs"] if routed else [])],
        "order": 1,
        "permissions": EVERYTHING | {"rewrite": rewrite},
    }


LABELLED = {"from": "c1", "protocol": "udp", "destination_ports": 7998}
INTENT: dict[str, Any] = {
    "nodes": ["n1", "n2", "n3"],
    "networks": {
        "web": {"subnets": [{"cidr": "10.0.0.0/24", "gateway": "10.0.0.1"}]},
        "db": {"subnets": [{"cidr": "10.1.0.0/24", "gateway": "10.1.0.1"}]},
        "lair": {"subnets": [{"cidr": "10.2.0.0/24", "gateway": "10.2.0.1"}]},
        "den": {"subnets": [{"cidr": "10.3.0.0/24", "gateway": "10.3.0.1"}]},
    },
    "routers": {"r": ["web", "db"], "theirs": ["lair", "den"]},
    "ports": {
        **{n: {"network": "web", "node": node, "address": f"10.0.0.{last}"} for n, (node, last) in HOSTS.items()},
        "r3": {"network": "db", "node": "n3", "address": "10.1.0.30"},
    },
    "instances": {"x": "n2"},
    "chains": {
        "label": chain({"from": "c1", "protocol": "udp", "destination_ports": 7998}, ["x"], encapsulation="mpls")
    },
    "services": {
        "good": {"hook": "ingress", "attach": ["port/c1", "port/s2", "port/s3"], "permissions": EVERYTHING},
        **{f"evil.{hook}": evil(hook) for hook in HOOKS},
    },
}


@pytest.fixture(scope="module")
def fabric() -> Iterator[Fabric]:
    hosts = [host(name, node, f"10.0.0.{last}/24", gateways=["10.0.0.1"]) for name, (node, last) in HOSTS.items()]
    with Fabric([*hosts, adder("x", "n2", 1), host("r3", "n3", "10.1.0.30/24", gateways=["10.1.0.1"])]) as running:
        apply(running, INTENT)
        put(running, "good", *good_flows())
        buffers.widen(running.lab)
        yield running


@pytest.fixture(autouse=True)
def unharmed(fabric: Fabric) -> Iterator[None]:
    """Whatever went on, the switches hold of all others what they held before."""
    before = others(fabric)
    yield
    for name in fabric.get("/v1/services"):
        if name["name"].startswith("evil"):
            fabric.request("DELETE", f"/v1/services/{name['name']}/token")
    fabric.until(lambda: others(fabric) == before, "all of others to be as it was", 20)


def others(fabric: Fabric) -> dict[str, set[Any]]:
    """All that switches hold but the hostile services' own flows."""
    hostile = [key_of(fabric, f"evil.{hook}") for hook in HOOKS]
    return {
        node: {one.what for one in held(fabric, node)} - {one.what for one in rules(fabric, node, hostile)}
        for node in fabric.nodes
    }


OWN = {(address_of(name), bytes([10, 0, 0, HOSTS[name][1]])) for name in ("h1", "h2")}
"""The hostile tenant's source addresses, with which it may send what it likes to whom it likes."""


class Sniffer:
    """Headers of the streams' packets as they arrive: they are alike but for what numbers the packets."""

    def __init__(self, fabric: Fabric) -> None:
        self._wires = {stream: Wire(fabric, stream.receiver) for stream in STREAMS}

    def check(self) -> None:
        for stream, wire in self._wires.items():
            heads = set()
            for frame in wire.receive():
                udp = frame[12:14] == b"\x08\x00" and frame[23] == 17
                theirs = (frame[6:12], frame[26:30]) in OWN
                if udp and not theirs and int.from_bytes(frame[36:38], "big") == stream.port:
                    heads.add(frame[:18] + frame[20:24] + frame[26:38])
            wire.close()
            low, high = (int(port) for port in stream.ports.split("-"))
            assert len(heads) == high - low + 1, f"{stream.name}: {sorted(head.hex() for head in heads)}"


def whole(results: dict[str, Result]) -> None:
    for result in results.values():
        result.whole()
        assert result.trails() == {()}


def address(fabric: Fabric, service: str) -> str:
    """Where the service's virtual switch waits for controllers."""
    fabric.request("POST", f"/v1/services/{service}/token", b"{}")
    fabric.request("PUT", f"/v1/services/{service}/controller", json.dumps({"target": "ptcp:0"}).encode())

    def known() -> str:
        found = str(shown(fabric, service)["controller"]["address"])
        return found if not found.startswith("ptcp") else ""

    return str(fabric.until(known, "the virtual switch to wait"))


def run(work: Callable[[], Awaitable[Any]]) -> Any:
    return asyncio.run(work())  # type: ignore[arg-type]


# -- hostile messages ------------------------------------------------------------------------------------------------

SECONDS = 6.0


async def assail(where: str, version: int, rng: Random, until: float) -> dict[str, int]:
    """Random flow, group and meter mods and packets, as fast as they are taken."""
    said = {"sent": 0, "refused": 0, "lost": 0}
    while time.monotonic() < until:
        try:
            channel = await dial(where, versions=(version,))
        except (OSError, ConnectionLost):
            said["lost"] += 1
            await asyncio.sleep(0.1)
            continue

        def heard(event: Any) -> None:
            said["refused"] += not isinstance(event, Received)

        channel.on_event = heard
        try:
            while time.monotonic() < until:
                for _ in range(40):
                    said["sent"] += _assault(channel, version, rng)
                await channel.drain()
                await channel.barrier()
        except (ConnectionLost, TimeoutError):
            said["lost"] += 1
        except OpenFlowError:
            said["refused"] += 1
        finally:
            channel.close()
    return said


def _assault(channel: Channel, version: int, rng: Random) -> bool:
    draw = rng.random()
    try:
        if draw < 0.3:
            channel.send(random_mods.mod(rng, version))
        elif draw < 0.8:
            one = random_flows.flow(rng)
            channel.send(
                FlowMod(one.match, instructions=one.instructions, table_id=one.table, priority=one.priority)
                if version > V10
                else FlowMod(one.match, random_actions(rng), priority=one.priority)
            )
        elif draw < 0.85 and version > V10:
            channel.send(random_flows.group_mod(rng, version))
        elif draw < 0.88 and version >= V13:
            channel.send(random_flows.meter_mod(rng))
        else:
            channel.send(spoof(rng))
    except (EncodeError, ValueError, TypeError):
        return False
    return True


def random_actions(rng: Random) -> list[of.Action]:
    return [Output(rng.choice(random_flows.PORT_NUMBERS)) for _ in range(rng.choice((0, 1, 2)))]


def spoof(rng: Random) -> of.PacketOut:
    """A frame of somebody else's, in their streams' own ports, said to be from anywhere."""
    source, target = rng.sample(sorted(HOSTS), 2)
    ends = f"10.0.0.{HOSTS[source][1]}", f"10.0.0.{HOSTS[target][1]}"
    frame = datagram(address_of(source), address_of(target), *ends, b"spoofed", ports=(20000, 7001))
    if rng.random() < 0.2:
        frame = ether(address_of(source), b"\xff" * 6, rng.choice((0x0806, 0x88B5)), rng.randbytes(60))
    outputs = [Output(rng.choice((1, 2, 3, 4, NORMAL, THROUGH_TABLE, FLOOD))) for _ in range(rng.choice((1, 1, 2)))]
    return of.PacketOut(in_port=rng.choice((1, 2, 3, 0xFFFFFFFD)), actions=outputs, data=frame)


def test_hostile_services_do_nothing_to_the_packets_of_others(fabric: Fabric) -> None:
    """Five of them, at every hook, in every version, while their own ports send and receive too."""
    places = {hook: address(fabric, f"evil.{hook}") for hook in HOOKS}
    sniffer = Sniffer(fabric)
    theirs = Stream("theirs", "h1", "h2", "10.0.0.50", 7009, 200, "23000-23003")
    back = Stream("back", "h2", "h1", "10.0.0.40", 7009, 200, "23000-23003")

    async def all_of_them() -> list[dict[str, int]]:
        end = time.monotonic() + SECONDS
        return await asyncio.gather(
            *(
                assail(where, version, Random(f"{hook} {version}"), end)
                for hook, where in places.items()
                for version in (V10, V13, V14, V15)
            )
        )

    before = packets_met(fabric)
    with Traffic(fabric, (*STREAMS, theirs, back)) as traffic:
        said = run(all_of_them)
        time.sleep(0.3)
        results = traffic.stop()
    met = packets_met(fabric)
    total = {key: sum(one[key] for one in said) for key in said[0]}
    assert total["refused"] > 200 and total["sent"] > 2_000, total
    hostile = {key_of(fabric, f"evil.{hook}") for hook in HOOKS}
    assert sum(met.get(one, 0) - before.get(one, 0) for one in met if one[0] in hostile) > 100
    whole({name: result for name, result in results.items() if name not in ("theirs", "back")})
    sniffer.check()
    assert fabric.agents_ready()


# -- floods ----------------------------------------------------------------------------------------------------------


FLOOD_CODE = """
import socket
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
while True:
    try:
        sock.sendto(b"x" * 100, ("10.0.0.50", 7))
    except OSError:
        pass
"""


def resident(fabric: Fabric, name: str) -> float:
    """MiB."""
    status = Path(f"/proc/{fabric.processes[name].pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) / 1024


@pytest.mark.parametrize("limit", [100, MAX_PACKET_INS])
def test_a_flood_of_packet_ins_holds_up_nobody(fabric: Fabric, limit: int) -> None:
    """Neither with a limit that is kept, nor with one that leaves all to queues; what is kept in memory is bounded."""
    apply(fabric, {"services": {"evil.ingress": evil("ingress") | {"packet_ins": limit}}})
    where = address(fabric, "evil.ingress")
    put(fabric, "evil.ingress", flow(udp_to(7, in_port=numbers(fabric, "evil.ingress")["h1"]), UP))
    address_good = address(fabric, "good")
    key = key_of(fabric, "evil.ingress")
    got: list[Any] = []
    sizes = {name: resident(fabric, name) for name in ("server", "n1")}

    async def latencies(good: Channel, seconds: float) -> list[float]:
        found: list[float] = []
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            begun = time.monotonic()
            await good.request(flow(udp_to(9000 + len(found) % 100), ON))
            found.append(time.monotonic() - begun)
            await asyncio.sleep(0.02)
        return sorted(found)

    async def measured() -> tuple[list[float], list[float]]:
        noisy = await dial(where, versions=(V13,))
        noisy.on_event = got.append
        good = await dial(address_good, versions=(V13,))
        quiet = await latencies(good, 1.0)
        flood = fabric.lab.popen("h1", [PYTHON, "-c", FLOOD_CODE])
        try:
            await asyncio.sleep(0.5)
            loud = await latencies(good, SECONDS)
        finally:
            flood.kill()
            flood.wait(10)
            noisy.close()
            good.close()
        return quiet, loud

    try:
        quiet, loud = run(measured)
        met = sum(count for (one, _), count in packets_met(fabric).items() if one == key)
        lost = shown(fabric, "evil.ingress")["lost"]
        print(
            f"limit {limit}: {met} met, {len(got)} packet-ins, {lost} known to be lost; flow mods {middle(quiet):.3f} s"
        )
        print(f"with the flood {middle(loud):.3f} s, worst {loud[-1]:.3f} s")
        assert met > 20_000 and len(got) < limit * (SECONDS + 2)
        assert len(got) > min(limit, 1_000) * SECONDS / 4
        assert len(loud) > 20 and loud[-1] < 3.0
        for name, size in sizes.items():
            assert resident(fabric, name) < size + 60, name
    finally:
        fabric.apply({"services": {"evil.ingress": evil("ingress")}})
        put(fabric, "evil.ingress")
        put(fabric, "good", *good_flows())


COPIED_CODE = """
import socket, time
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
begun = time.monotonic()
for number in range(4000):
    sock.sendto(b"x" * 64, ("10.0.0.50", 7))
    time.sleep(max(0.0, begun + number / 1000 - time.monotonic()))
print(time.monotonic() - begun)
"""


def received(fabric: Fabric, host: str) -> int:
    """Frames, by the host's own count."""
    with fabric.lab.popen(host, ["cat", "/proc/thread-self/net/dev"], stdout=subprocess.PIPE, text=True) as reading:
        (line,) = (line for line in reading.communicate()[0].splitlines() if line.strip().startswith("eth0:"))
    return int(line.split()[2])


@pytest.mark.parametrize("by", ["rules", "a group"])
def test_whoever_copies_as_much_as_it_may_costs_others_nothing(fabric: Fabric, by: str) -> None:
    """Each of a thousand packets a second is to be copied 64 times, to another node. What the limit lets pass goes."""
    own, service = numbers(fabric, "evil.ingress"), "evil.ingress"
    match, out = udp_to(7, in_port=own["h1"]), Output(own["h2"])
    limit = int(shown(fabric, service)["copies"])
    if by == "rules":
        for table in range(16):
            onward = (of.ApplyActions([*4 * [out], *([ON] if table == 15 else [])]), of.GotoTable(table + 1))
            flows = FlowMod(match, instructions=onward[: 1 + (table < 15)], table_id=table)
            put(fabric, service, flows, table=table, settled=table == 15)
        with pytest.raises(ApiError, match="one packet would be copied 65 times"):
            put(fabric, service, flow(match, *5 * [out], ON, priority=9))
    else:
        buckets = [of.Bucket([out], bucket_id=number) for number in range(64)]
        say(fabric, service, of.GroupMod(0, 1, 0, buckets))
        put(fabric, service, flow(match, of.Group(1), ON))
    before = received(fabric, "h2")
    with Traffic(fabric, STREAMS) as traffic:
        begun = time.monotonic()
        code = [PYTHON, "-c", COPIED_CODE]
        with fabric.lab.popen("h1", code, stdout=subprocess.PIPE, text=True) as sending:
            lasted = float(sending.communicate(timeout=30)[0])
        time.sleep(0.3)
        lasted = max(lasted, time.monotonic() - begun)
        results = traffic.stop()
    copies = received(fabric, "h2") - before - 4000
    print(f"{copies} copies in {lasted:.1f} s, at most {limit} a second")
    whole(results)
    assert limit < copies < limit * (lasted + 0.2)


def middle(ordered: list[float]) -> float:
    return ordered[len(ordered) // 2]


# -- what a switch refuses -------------------------------------------------------------------------------------------


def test_what_a_switch_refuses_holds_up_nobody(fabric: Fabric) -> None:
    """The switch of n1 has room for two flows in one table, in which the hostile service puts ten, with others that it
    takes. The service is told; all else is in force, and changes of others are."""
    table = TABLE["service_2"]
    fabric.vsctl(
        "n1",
        *("--", "--id=@t", "create", "Flow_Table", "flow_limit=2", "overflow_policy=refuse"),
        *("--", "set", "bridge", "br-int", f"flow_tables:{table}=@t"),
    )
    where = address(fabric, "evil.ingress")
    errors: list[Any] = []
    try:

        async def assault() -> None:
            channel = await dial(where, versions=(V15,))
            eight = asyncio.Event()

            def heard(event: Any) -> None:
                errors.append(event)
                if len(errors) == 8:
                    eight.set()

            channel.on_event = heard
            for number in range(10):
                channel.send(flow(udp_to(6000 + number), ON, table_id=2))
                channel.send(flow(udp_to(6100 + number), ON))
            await channel.barrier()
            await asyncio.wait_for(eight.wait(), 10)
            told = await channel.request(of.FlowDescRequest())
            tables = [one.table_id for one in told.flows]
            assert tables.count(0) == 10 and tables.count(2) == 2, tables
            channel.close()

        with Traffic(fabric, STREAMS) as traffic:
            run(assault)
            begun = time.monotonic()
            put(fabric, "good", *good_flows(), flow(udp_to(6500)), settled=False)
            assert time.monotonic() - begun < 3
            results = traffic.stop()
        whole(results)
        assert len(errors) == 8, errors
        assert fabric.agents_ready()
        key = key_of(fabric, "good")
        assert all(len(rules(fabric, node, [key])) == 4 for node in fabric.nodes)
    finally:
        fabric.vsctl("n1", "clear", "bridge", "br-int", "flow_tables")
        put(fabric, "good", *good_flows())


def good_flows() -> list[FlowMod]:
    return [flow(udp_to(7001), ON), flow(udp_to(9999)), flow({"eth_type": 0x0800}, ON, priority=1)]


# -- forged path headers ---------------------------------------------------------------------------------------------


TAG = b"\x81\x00\x00\x07"


def test_a_service_brings_no_path_header_to_another_node(fabric: Fabric) -> None:
    """A frame with labels of the others' path, as the network would write them: redirected to a port on the function's
    node, sent by the controller, or uncovered by taking off a tag that hid them. No function meets it, and no host."""
    n = numbers(fabric, "evil.ingress")
    put(
        fabric,
        "evil.ingress",
        flow({"in_port": n["h1"], "vlan_vid": (0x1000, 0x1000)}, of.PopVlan(), ON, priority=20),
        flow({"in_port": n["h1"]}, Output(n["h2"])),
    )
    (path,) = path_ids(fabric).values()
    inner = datagram(address_of("c1"), address_of("s2"), "10.0.0.10", "10.0.0.20", b"forged", ports=(1, 7998))
    ends = address_of("h2") + address_of("h1")
    forged = [ends + b"\x88\x47" + labels(path, index, inner[14:]) for index in (255, 254)]
    plain = ends + b"\x88\xb5" + b"forged, openly".ljust(46, b"\0")
    names = {"h1": "eth0", "h2": "eth0", "s2": "eth0", "c1": "eth0", "x-in": "x-in", "x-out": "x-out"}
    wires = {port: Wire(fabric, port.partition("-")[0], interface) for port, interface in names.items()}
    try:

        def arrives(send: Callable[..., None], *what: Any) -> set[str]:
            send(*what)
            found = watch(wires, 1, within=0.6)
            return {port for port, frames in found.items() if any(b"forged" in one for one in frames)}

        assert arrives(wires["h1"].send, plain) == {"h2"}
        assert "x-in" in arrives(wires["c1"].send, inner)
        assert arrives(wires["h1"].send, plain[:12] + TAG + plain[12:]) == {"h2"}
        for one in forged:
            for tags in range(3):
                assert arrives(wires["h1"].send, one[:12] + tags * TAG + one[12:]) == set(), tags
            for out in (n["h2"], NORMAL, THROUGH_TABLE):
                message = packet_out(one, Output(out), in_port=n["h1"])
                assert arrives(say, fabric, "evil.ingress", message) == set(), out
    finally:
        for wire in wires.values():
            wire.close()
        put(fabric, "evil.ingress")


# -- many changes ----------------------------------------------------------------------------------------------------


def test_five_hundred_flow_mods_a_second_cost_no_packet(fabric: Fabric) -> None:
    """Of other ports or of its own: also of one for which there is a flow now and none then, which says the same."""
    own = Stream("own", "c1", "s2", "10.0.0.20", 30_001, 200, "24000-24003")
    theirs = Stream("theirs", "h1", "h2", "10.0.0.50", 7009, 200, "23000-23003")
    steersman = steered(fabric, "good")
    try:
        with Traffic(fabric, (*STREAMS, own, theirs)) as traffic:
            took = steersman.ask("paced", "took", 60, rate=500, count=3_000, flows=300)["took"]
            results = traffic.stop()
        assert took < 9, f"{took:.1f} s for what should take 6"
        print(f"3000 flow mods in {took:.2f} s")
        whole(results)
    finally:
        steersman.kill()
        put(fabric, "good", *good_flows())

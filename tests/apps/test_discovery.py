"""Links between switches: what the frames say, and which links there are as time goes by. The clock is the test's."""

import asyncio
import subprocess
from pathlib import Path
from typing import Any

import pytest

from openflow.channels import run, until
from openflow.controllers import Peer, running, up
from segue.apps import discovery
from segue.apps.discovery import INTERVAL, MISSED, LinkDown, LinkUp, Topology
from segue.openflow import V10, V13, V15, App, FlowMod, PacketIn, PacketOut, Port, PortState, PortStatus

A, B, C = (1, 10), (2, 20), (3, 30)
LOST = INTERVAL * MISSED


def test_a_frame_is_understood_by_wireshark(tmp_path: Path) -> None:
    frame = Topology().frame(0xABCDEF, 7, 0x020000000001)
    text = tmp_path / "frame.txt"
    text.write_text("0000 " + frame.hex(" ") + "\n")
    subprocess.run(["text2pcap", "-q", text, tmp_path / "frame.pcap"], check=True, capture_output=True)
    fields = ("eth.dst", "eth.src", "lldp.chassis.id", "lldp.port.id", "lldp.time_to_live")
    shown = subprocess.run(
        ["tshark", "-r", tmp_path / "frame.pcap", "-Tfields", *(word for name in fields for word in ("-e", name))],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
    assert shown.split("\t") == [
        "01:80:c2:00:00:0e",
        "02:00:00:00:00:01",
        b"dpid:0000000000abcdef".hex(),
        "7",
        str(int(LOST + 1)),
    ]
    decoded = subprocess.run(
        ["tshark", "-V", "-r", tmp_path / "frame.pcap"], check=True, capture_output=True, text=True
    )
    assert "Malformed" not in decoded.stdout


def test_frames_are_known_again_and_forged_ones_are_not() -> None:
    one, other = Topology(), Topology()
    frame = one.frame((1 << 64) - 1, 0xFFFFFEFF, 2)
    assert one.sender(frame) == ((1 << 64) - 1, 0xFFFFFEFF)
    assert other.sender(frame) is None
    ours = frame.index(b"\x00\x26\xe1\x00")
    for n in range(ours, ours + 4 + 12 + 16):
        assert one.sender(frame[:n]) is None
        changed = bytearray(frame)
        changed[n] ^= 1
        assert one.sender(bytes(changed)) is None
    foreign = bytes.fromhex("0180c200000e020000000001 88cc 0207 04020000000001 0404 05 313233 0602 0078 0000")
    assert one.sender(foreign) is None
    assert one.sender(b"") is None


def test_a_link_comes_once_stays_while_heard_and_goes_when_silent() -> None:
    topology = Topology()
    assert topology.arrived(A, B, 0.0) == [LinkUp(A, B)]
    assert topology.arrived(A, B, 5.0) == []
    assert topology.silent(5.0 + LOST - 0.01) == []
    assert topology.silent(5.0 + LOST) == [LinkDown(A, B, "no frame came over it")]
    assert topology.links == {}
    assert topology.silent(100.0) == []
    assert topology.arrived(A, B, 101.0) == [LinkUp(A, B)]


def test_the_other_end_moves_when_the_old_one_is_silent_and_not_before() -> None:
    topology = Topology()
    topology.arrived(A, B, 0.0)
    assert topology.arrived(A, C, LOST - 0.01) == []
    assert topology.links == {A: B}
    assert topology.arrived(A, C, LOST) == [LinkDown(A, B, "its other end moved"), LinkUp(A, C)]
    assert topology.links == {A: C}


def test_links_go_with_their_ports_and_switches() -> None:
    topology = Topology()
    for source, target in ((A, B), (B, A), (C, A)):
        topology.arrived(source, target, 0.0)
    assert topology.ends_of(1) == {A}
    assert topology.without(set(), "x") == []
    assert {(gone.source, gone.target) for gone in topology.without({B}, "x")} == {(A, B), (B, A)}
    assert topology.links == {C: A}
    assert topology.without(topology.ends_of(1), "y") == [LinkDown(C, A, "y")]
    assert topology.silent(1000.0) == []


class Wire:
    """Two switches whose ports 2 are linked: what is sent out there comes in at the other."""

    def __init__(self) -> None:
        self.cut = False
        self.ends = [Peer(1, handle=self._handle), Peer(2, handle=self._handle)]

    def _handle(self, peer: Peer, msg: Any, _xid: int) -> None:
        if isinstance(msg, PacketOut) and msg.actions[0].port == 2 and not self.cut:
            self.ends[peer is self.ends[0]].channel.send(PacketIn(in_port=2, data=msg.data))


@pytest.mark.parametrize("version", [V10, V13, V15])
def test_discovery_of_a_link(version: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discovery, "INTERVAL", 0.1)
    app, told, packets = App("told", after=["discovery"]), [], []
    app.on(LinkUp, LinkDown)(lambda controller, event: told.append(event))
    app.on(PacketIn)(lambda switch, msg: packets.append(msg.data))

    async def main() -> None:
        wire = Wire()
        one, two = wire.ends
        async with running([app, discovery.app]) as (controller, target):
            await up(controller, one, target, version)
            await up(controller, two, target, version)
            links = discovery.topology_of(controller).links
            await until(lambda: links == {(1, 2): (2, 2), (2, 2): (1, 2)})
            assert one.got(FlowMod)[0].match == {"eth_type": 0x88CC}
            probed = {msg.actions[0].port for msg in one.got(PacketOut)}
            assert probed == {1, 2}

            two.channel.send(PortStatus(2, Port(2, state=PortState.LINK_DOWN)))
            await until(lambda: not links)
            two.channel.send(PortStatus(2, Port(2)))
            await until(lambda: len(links) == 2)

            wire.cut = True  # nothing says so but the silence
            await until(lambda: not links)
            wire.cut = False
            await until(lambda: len(links) == 2)

            one.channel.send(PortStatus(1, Port(2)))
            await until(lambda: not links)
            one.channel.send(PortStatus(0, Port(2)))
            await until(lambda: len(links) == 2)

            controller.load([app, discovery.app])  # the same: it goes on, with one task
            assert len(controller._work._spawned) == 1
            assert len(links) == 2

            foreign = bytes.fromhex("0180c200000e020000000001 88cc 0000") + bytes(46)
            one.channel.send(PacketIn(in_port=2, data=foreign))
            await until(lambda: packets == [foreign])

            two.channel.close()
            await until(lambda: not links)
            assert len(told) % 2 == 0
            assert controller.failures == 0
        await asyncio.sleep(0)

    run(main)


def test_two_controllers_of_one_process_know_their_own_links() -> None:
    async def main() -> None:
        wire = Wire()
        async with running([discovery.app]) as (first, target), running([discovery.app]) as (second, _):
            for peer in wire.ends:
                await up(first, peer, target, V13)
            await until(lambda: len(discovery.topology_of(first).links) == 2)
            assert discovery.topology_of(second).links == {}

    run(main)

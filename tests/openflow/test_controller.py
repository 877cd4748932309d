"""The controller with switches of every version: who is one, what applications hear, and what they can do wrong."""

import asyncio
import logging
import time
from typing import Any

import pytest

from segue.openflow import (
    FLOOD,
    V10,
    V12,
    V13,
    V14,
    V15,
    VERSIONS,
    App,
    Error,
    FlowMod,
    FlowModCommand,
    FlowRemoved,
    Handled,
    Output,
    PacketIn,
    PacketOut,
    Port,
    PortStatus,
    Refused,
    RoleReply,
    RoleRequest,
    SetConfig,
    Started,
    SwitchDown,
    SwitchUp,
    decode,
)
from segue.openflow.channel import OpenFlowError
from segue.openflow.controller import Controller, Switch

from .channels import run, until
from .controllers import Peer, hearing, hub, running, up

# -- who is a switch -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
def test_a_switch_is_told_of_with_its_ports_and_answered(version: int) -> None:
    app, heard = hearing(SwitchUp, PortStatus, SwitchDown)

    @app.on(SwitchUp)
    def first(switch: Switch, _event: SwitchUp) -> FlowMod:
        assert sorted(switch.ports) == [1, 2]
        assert {port.name for port in switch.ports.values()} == {"one", "two"}
        return FlowMod(priority=7)

    async def main() -> None:
        async with running([app, hub()], keep_flows=False) as (controller, target):
            peer = await up(controller, Peer(0xAB), target, version)
            switch = controller.switches[0xAB]
            assert (switch.id, switch.version, switch.features.n_tables) == (0xAB, version, 2)
            peer.packet_in(buffer_id=9)
            await until(lambda: bool(peer.got(PacketOut)))
            (out,) = peer.got(PacketOut)
            assert (out.buffer_id, out.in_port, out.actions, out.data) == (9, 1, (Output(FLOOD),), b"")
            mods = peer.got(FlowMod)
            assert [mod.command for mod in mods[:-1]] == [FlowModCommand.DELETE] * (2 if version == 2 else 1)
            assert mods[-1].priority == 7
            assert peer.got(SetConfig)[0].miss_send_len == 0xFFFF
            for reason, port in ((0, Port(3)), (2, Port(1, name="new")), (1, Port(2))):
                peer.channel.send(PortStatus(reason, port))
            await until(lambda: len(heard) == 4)
            assert {number: port.name for number, port in switch.ports.items()} == {1: "new", 3: ""}
            peer.channel.close()
            await until(lambda: len(heard) == 5)
            assert [type(event) for _, event in heard] == [SwitchUp, PortStatus, PortStatus, PortStatus, SwitchDown]
            assert all(one is switch for one, _ in heard)
            assert not controller.switches
            assert controller.failures == controller.refusals == 0

    run(main)


def test_changes_of_ports_that_come_before_the_switch_is_known_are_not_lost() -> None:
    """In one write with the reply, so that they are in one read."""

    def handle(peer: Peer, msg: Any, xid: int) -> bool:
        if type(msg).__name__ != "PortDescRequest":
            return False
        peer.channel.send(PortDescReply(tuple(peer.ports)), xid)
        peer.channel.send(PortStatus(1, Port(1)))
        peer.channel.send(PortStatus(0, Port(5)))
        return True

    from segue.openflow import PortDescReply

    async def main() -> None:
        async with running([]) as (controller, target):
            await up(controller, Peer(handle=handle), target, V13)
            assert sorted(controller.switches[1].ports) == [2, 5]

    run(main)


@pytest.mark.parametrize(
    ("handle", "words"),
    [
        (lambda peer, msg, xid: peer.channel.send(Error(1, 5), xid), "refused to say who it is"),
        (lambda peer, msg, xid: peer.channel.close() or True, "the peer closed"),
        (lambda peer, msg, xid: True, "did not say who it is"),
    ],
)
def test_who_does_not_say_who_it_is_is_no_switch(
    handle: Any, words: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("segue.openflow.controller._HANDSHAKE", 0.1)
    app, heard = hearing(SwitchUp, SwitchDown)

    async def main() -> None:
        with caplog.at_level(logging.INFO, "segue.openflow"):
            async with running([app]) as (controller, target):
                good = await up(controller, Peer(2), target, V13)
                peer = await Peer(handle=handle).connect(target, V13)
                await until(lambda: peer.reason is not None)
                await until(lambda: words in caplog.text)
                assert set(controller.switches) == {2}
                assert good.reason is None
        assert len(heard) == 2

    run(main)


def test_a_datapath_that_connects_again_takes_the_place_of_the_first() -> None:
    app, heard = hearing(SwitchUp, SwitchDown)

    async def main() -> None:
        async with running([app, hub()]) as (controller, target):
            first = await up(controller, Peer(), target, V10)
            before = controller.switches[1]
            second = await Peer().connect(target, V15)
            await until(lambda: first.reason is not None)
            assert controller.switches[1] is not before
            assert controller.switches[1].version == V15
            assert [(switch is before, type(event)) for switch, event in heard] == [
                (True, SwitchUp),
                (True, SwitchDown),
                (False, SwitchUp),
            ]
            second.packet_in()
            await until(lambda: bool(second.got(PacketOut)))
            before.send(FlowMod())  # goes nowhere, quietly
            second.channel.close()
            await until(lambda: not controller.switches)
            third = await up(controller, Peer(), target, V13)
            third.packet_in()
            await until(lambda: bool(third.got(PacketOut)))

    run(main)


@pytest.mark.parametrize("version", [V13, V15])
def test_auxiliary_connections_speak_for_their_switch(version: int) -> None:
    app, heard = hearing(PacketIn, PortStatus, SwitchUp)

    async def main() -> None:
        async with running([app, hub()]) as (controller, target):
            early = await Peer(auxiliary_id=1).connect(target, version)
            await until(lambda: early.reason is not None)
            main_one = await up(controller, Peer(), target, version)
            auxiliary = await Peer(auxiliary_id=1).connect(target, version)
            await until(lambda: len(controller._datapaths.auxiliaries(1)) == 1)
            auxiliary.packet_in(5)
            await until(lambda: bool(auxiliary.got(PacketOut)))
            assert not main_one.got(PacketOut)
            auxiliary.channel.send(PortStatus(0, Port(9)))
            await until(lambda: 9 in controller.switches[1].ports)
            assert {switch for switch, _ in heard} == {controller.switches[1]}
            assert [type(event) for _, event in heard] == [SwitchUp, PacketIn, PortStatus]
            controller.load([hub()])  # its pump has the new table too
            auxiliary.packet_in(6)
            await until(lambda: len(auxiliary.got(PacketOut)) == 2)
            assert len(heard) == 3
            auxiliary.channel.close()
            await until(lambda: not controller._datapaths.auxiliaries(1))
            assert main_one.reason is None
            again = await Peer(auxiliary_id=1).connect(target, version)
            await until(lambda: len(controller._datapaths.auxiliaries(1)) == 1)
            main_one.channel.close()
            await until(lambda: again.reason is not None)
            assert not controller.switches

    run(main)


# -- applications --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("observed", [False, True])
@pytest.mark.parametrize("version", VERSIONS)
def test_answers_of_all_kinds_of_handlers_arrive(version: int, observed: bool) -> None:
    app, last = App("app"), App("last")

    def mod(n: int) -> FlowMod:
        return FlowMod(priority=n)

    @app.on(PacketIn)
    async def slow(_switch: Switch, _msg: PacketIn) -> FlowMod:
        await asyncio.sleep(0.01)
        return mod(4)

    app.on(PacketIn, blocking=True)(lambda switch, msg: time.sleep(0.01) or [mod(5), mod(6)])  # type: ignore[func-returns-value]
    app.on(PacketIn)(lambda switch, msg: mod(1))
    app.on(PacketIn)(lambda switch, msg: slow(switch, msg))
    app.on(PacketIn)(lambda switch, msg: Handled(mod(2), mod(3)))
    last.on(PacketIn)(lambda switch, msg: mod(99))
    shown: list[tuple[str, str]] = []

    def watch(_switch: Switch | None, _channel: Any, way: str, octets: bytes) -> None:
        shown.append((way, type(decode(octets)[0]).__name__))

    async def main() -> None:
        async with running([app, last], observe=watch if observed else None) as (controller, target):
            peer = await up(controller, Peer(), target, version)
            peer.packet_in()
            await until(lambda: len(peer.got(FlowMod)) == 7)
            assert [one.priority for one in peer.got(FlowMod)][:3] == [1, 2, 3]
            assert sorted(one.priority for one in peer.got(FlowMod)) == [1, 2, 3, 4, 4, 5, 6]
            assert controller.failures == 0
            assert not observed or (("in", "PacketIn") in shown and shown.count(("out", "FlowMod")) == 7)
            assert not observed or (("out", "FeaturesRequest") in shown and ("in", "FeaturesReply") in shown)

    run(main)


@pytest.mark.parametrize("several", [False, True], ids=["alone", "several"])
@pytest.mark.parametrize("observed", [False, True], ids=["pump", "observed"])
def test_what_handlers_do_wrong_is_named_and_harms_nobody(
    several: bool, observed: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """By the first octet of the packet: throw, an answer that cannot be encoded, nonsense; else a good answer."""
    app = App("faulty")
    bad = FlowMod(priority=1 << 20)

    @app.on(PacketIn)
    def handler(_switch: Switch, msg: PacketIn) -> Any:
        match msg.data[0]:
            case 1:
                raise KeyError("thrown")
            case 2:
                return bad
            case 3:
                return [FlowMod(), bad]
            case 4:
                return "nonsense"
            case 5:
                return Handled(bad)
        return PacketOut.answering(msg)

    apps = [app, hub()] if several else [app]
    watch = (lambda *_: 1 / 0) if observed else None

    async def main() -> None:
        async with running(apps, observe=watch) as (controller, target):
            peer, other = await up(controller, Peer(), target, V13), await up(controller, Peer(2), target, V10)
            for octet in range(1, 6):
                caplog.clear()
                controller._work.tell._told.clear()
                peer.packet_in(octet)
                await until(lambda: controller.failures == octet)  # noqa: B023
                errors = [record.getMessage() for record in caplog.records if "could not be shown" not in record.msg]
                assert len(errors) == 1
                assert errors[0].startswith("faulty: test_what_handlers_do_wrong")
                assert "handler failed for <switch 0000000000000001" in errors[0]
            other.packet_in()
            peer.packet_in()
            await until(lambda: bool(other.got(PacketOut) and peer.got(PacketOut)))
            await peer.channel.drain()
            await until(lambda: len(peer.got(PacketOut)) == (4 + 2 if several else 1))
            assert not peer.got(FlowMod), "an answer is sent as a whole or not at all"
            assert controller.failures == 5

    run(main)


def test_failures_off_the_hot_path_are_named_too(caplog: pytest.LogCaptureFixture) -> None:
    app = App("faulty")

    @app.on(SwitchUp)
    def at_first(_switch: Switch, _event: SwitchUp) -> Any:
        return [FlowMod(), FlowMod(priority=-1)]

    @app.on(SwitchUp)
    async def later(_switch: Switch, _event: SwitchUp) -> Any:
        return "nonsense"

    @app.on(SwitchUp, blocking=True)
    def threaded(_switch: Switch, _event: SwitchUp) -> Any:
        raise ValueError("thrown")

    @app.on(Started)
    def nowhere(controller: Controller, _event: Started) -> Any:
        controller.spawn(app, failing())
        return FlowMod()

    async def failing() -> None:
        raise RuntimeError("spawned")

    async def main() -> None:
        async with running([app]) as (controller, target):
            peer = await up(controller, Peer(), target, V14)
            await until(lambda: controller.failures == 5)
            for name in ("at_first", "later", "threaded", "nowhere"):
                assert f".<locals>.{name} failed" in caplog.text
            assert "faulty: a task failed: spawned" in caplog.text
            assert "about no switch" in caplog.text
            assert not peer.got(FlowMod)

    run(main)


@pytest.mark.parametrize("several", [False, True])
def test_a_handler_that_holds_everybody_up_is_named(
    several: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("segue.openflow.dispatch.LONG", 0.02)
    monkeypatch.setattr("segue.openflow.link.LONG", 0.02)
    app = App("slow")

    @app.on(PacketIn)
    def handler(_switch: Switch, msg: PacketIn) -> PacketOut:
        time.sleep(0.03 if msg.data[0] else 0)
        return PacketOut.answering(msg)

    apps = [app, hub()] if several else [app]

    async def main() -> None:
        async with running(apps) as (controller, target):
            peer = await up(controller, Peer(), target, V13)
            peer.packet_in()
            await until(lambda: len(peer.got(PacketOut)) == len(apps))
            assert "held everything up" not in caplog.text
            peer.packet_in(1)
            await until(lambda: len(peer.got(PacketOut)) == 2 * len(apps))
            (line,) = [record.getMessage() for record in caplog.records if "held everything up" in record.msg]
            assert line.startswith("slow: ")
            assert ".handler held" in line

    run(main)


@pytest.mark.parametrize("version", [V10, V14])
def test_errors_flow_removed_and_roles(version: int, caplog: pytest.LogCaptureFixture) -> None:
    app, heard = hearing(Error, FlowRemoved)

    def handle(peer: Peer, msg: Any, xid: int) -> bool:
        if isinstance(msg, FlowMod):
            peer.channel.send(Error(3, 1), xid)
        elif isinstance(msg, RoleRequest) and msg.generation_id == 1:
            peer.channel.send(RoleReply(msg.role, generation_id=msg.generation_id), xid)
        elif isinstance(msg, RoleRequest):
            peer.channel.send(Error(11, 0), xid)
        else:
            return False
        return True

    async def main() -> None:
        async with running([app]) as (controller, target):
            peer = await up(controller, Peer(handle=handle), target, version)
            switch = controller.switches[1]
            if version >= V12:
                assert (await switch.request(RoleRequest(2, generation_id=1))).role == 2
                with pytest.raises(OpenFlowError, match="OFPRRFC_STALE"):
                    await switch.request(RoleRequest(2, generation_id=0))
            peer.channel.send(FlowRemoved(priority=5))
            switch.send(FlowMod())
            await until(lambda: len(heard) == 2)
            assert {type(event) for _, event in heard} == {FlowRemoved, Error}
            assert controller.refusals == 1
            assert "refused" not in caplog.text
            controller.load([])
            switch.send(FlowMod())
            await until(lambda: controller.refusals == 2)
            assert "refused FlowMod" in caplog.text
            await switch.barrier()

    run(main)


def test_errors_come_with_what_was_refused_and_send_returns_transaction_ids() -> None:
    app, heard = hearing(Refused)

    def handle(peer: Peer, msg: Any, xid: int) -> bool:
        if isinstance(msg, FlowMod):
            peer.channel.send(Error(5, 1), xid)
        return isinstance(msg, FlowMod)

    async def main() -> None:
        async with running([app]) as (controller, target):
            await up(controller, Peer(handle=handle), target, V13)
            switch = controller.switches[1]
            sent = switch.send(FlowMod(priority=3), FlowMod(priority=4))
            await until(lambda: len(heard) == 2)
            assert [(event.request.priority, event.xid) for _, event in heard] == [(3, sent[0]), (4, sent[1])]
            assert heard[0][1].error.type == 5

    run(main)


@pytest.mark.parametrize("version", VERSIONS)
def test_what_no_flow_matches_comes_to_those_that_hear_of_packets(version: int) -> None:
    other, wanted = App("other"), version >= V13
    other.on(PacketIn)(lambda switch, msg: None)
    without = App("without", table_miss=False)
    without.on(PacketIn)(lambda switch, msg: None)
    first, _ = hearing(PortStatus, name="first")
    first.on(SwitchUp)(lambda switch, event: FlowMod(priority=9))

    async def priorities(apps: list[App], **options: Any) -> list[int]:
        async with running(apps, **options) as (controller, target):
            peer = await up(controller, Peer(), target, version)
            await controller.switches[1].barrier()
            if options == {"table_miss": True} and apps == [first]:
                controller.load([first, other])
                await controller.switches[1].barrier()
            return [mod.priority for mod in peer.got(FlowMod)]

    async def main() -> None:
        assert await priorities([first, other], table_miss=True) == ([0, 9] if wanted else [9])
        assert await priorities([first, without], table_miss=True) == [9]
        assert await priorities([first, other], table_miss=False) == [9]
        assert await priorities([first], table_miss=True) == ([9, 0] if wanted else [9])

    run(main)

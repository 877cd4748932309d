"""A controller's beginning and end, and applications that are exchanged while it runs."""

import asyncio
import contextlib
import threading
import time
from typing import Any

import pytest

from segue.openflow import (
    HANDLED,
    V10,
    V13,
    V15,
    App,
    FlowMod,
    PacketIn,
    PacketOut,
    Started,
    Stopping,
    SwitchDown,
    SwitchUp,
)
from segue.openflow.channel import listen
from segue.openflow.controller import Controller, Switch

from .channels import run, until
from .controllers import Peer, hearing, hub, running, up


def test_stop_lets_handlers_finish_and_writes_their_answers() -> None:
    app, heard = hearing(Started, Stopping, SwitchDown)
    ended: list[str] = []

    @app.on(PacketIn)
    async def handler(_switch: Switch, msg: PacketIn) -> PacketOut:
        await asyncio.sleep(0.1)
        return PacketOut.answering(msg)

    @app.on(Started)
    def started(controller: Controller, _event: Started) -> None:
        controller.spawn(app, forever())

    async def forever() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append("spawned")

    async def main() -> None:
        async with running([app]) as (controller, target):
            peer = await up(controller, Peer(), target, V13)
            peer.packet_in()
            await until(lambda: controller.switches[1].lanes.running == 1)
            begun = time.perf_counter()
        assert time.perf_counter() - begun < 2, "what is spawned is not waited for"
        await until(lambda: peer.reason is not None)
        assert len(peer.got(PacketOut)) == 1
        assert ended == ["spawned"]
        assert [type(event) for _, event in heard] == [Started, Stopping, SwitchDown]
        assert {task for task in asyncio.all_tasks() if task is not asyncio.current_task()} == set()
        with pytest.raises(OSError):
            await Peer().connect(target, V13)

    run(main)


def test_stop_takes_five_seconds_at_the_most_whatever_goes_on() -> None:
    app, gate = App("stubborn"), threading.Event()

    @app.on(PacketIn)
    async def handler(_switch: Switch, _msg: PacketIn) -> None:
        while not gate.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(60)

    app.on(PacketIn, blocking=True)(lambda switch, msg: print(gate.wait(30)))
    app.on(SwitchDown)(handler)  # type: ignore[arg-type]

    async def main() -> None:
        controller = Controller([app])
        (target,) = await controller.start(["ptcp:0:127.0.0.1"])
        peer = await up(controller, Peer(), target, V13)
        for _ in range(100):
            peer.packet_in()
        await until(lambda: controller.switches[1].lanes.running == 68)
        peer.channel._transport.pause_reading()
        controller.switches[1].channel._transport.write(bytes(20 << 20))
        begun = time.perf_counter()
        try:
            async with asyncio.timeout(20):  # what is under way has no end
                await controller.stop()
            took = time.perf_counter() - begun
        finally:
            gate.set()
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                task.cancel()
            peer.channel.abort()
        assert took > 2.5, "those that are under way have half of it"

    run(main)


def test_a_switch_is_told_gone_because_the_controller_stops() -> None:
    app, heard = hearing(SwitchDown)

    async def main() -> None:
        async with running([app]) as (controller, target):
            await up(controller, Peer(), target, V13)
        assert [event.reason for _, event in heard] == ["the controller stops"]

    run(main)


def test_a_start_that_fails_leaves_nothing_behind() -> None:
    async def main() -> None:
        async with running([]) as (_, taken):
            port = taken.rpartition(":")[2]
            controller = Controller([])
            with pytest.raises(OSError, match="address already in use"):
                await controller.start(["ptcp:0:127.0.0.1", f"ptcp:{port}:127.0.0.1"])
            assert [listener._server.is_serving() for listener in controller._listeners] == [False]
            with pytest.raises(ValueError, match="needs certificates"):
                await Controller([]).start(["pssl:0:127.0.0.1"])
        for versions in ([], [9]):
            with pytest.raises(ValueError, match="versions"):
                Controller([], versions=versions)

    run(main)


def test_it_calls_switches_too_and_again() -> None:
    async def main() -> None:
        peers: list[Peer] = []

        def called(channel: Any) -> None:
            peers.append(Peer())
            peers[-1]._opened(channel)

        listener = await listen("ptcp:0:127.0.0.1", called, side="switch")
        controller = Controller([hub()])
        assert await controller.start([], listener.addresses) == []
        await until(lambda: 1 in controller.switches)
        peers[0].channel.abort()
        await until(lambda: len(peers) == 2 and 1 in controller.switches)
        peers[1].packet_in()
        await until(lambda: bool(peers[1].got(PacketOut)))
        await controller.stop()
        await until(lambda: peers[1].reason is not None)
        await asyncio.sleep(0.3)
        assert len(peers) == 2
        listener.close()

    run(main)


@pytest.mark.parametrize("version", [V10, V15])
def test_load_while_messages_come(version: int) -> None:
    """Each packet is answered once, by the old application or by the new one, also the one that is cut in two."""

    def marking(priority: int) -> App:
        app = App("marking")
        app.on(PacketIn)(lambda switch, msg: FlowMod(priority=priority, cookie=msg.data[0] << 8 | msg.data[1]))
        return app

    async def main() -> None:
        async with running([marking(1)]) as (controller, target):
            peer = await up(controller, Peer(), target, version)
            total = 2000
            for n in range(total):
                peer.channel.send(PacketIn(data=n.to_bytes(2, "big") * 20))
                if n % 100 == 50:
                    data = peer.channel.connection.data_to_send()
                    peer.channel._transport.write(data[:-17])
                    await asyncio.sleep(0.003)
                    controller.load([marking(2 + n)])
                    peer.channel._transport.write(data[-17:])
            await until(lambda: len(peer.got(FlowMod)) >= total)
            mods = peer.got(FlowMod)
            assert [mod.cookie for mod in mods] == list(range(total))
            assert [mod.priority for mod in mods] == sorted(mod.priority for mod in mods)
            assert len({mod.priority for mod in mods}) == 21
            assert peer.reason is None

    run(main)


def test_load_tells_those_that_go_and_those_that_come() -> None:
    stays, kept = hearing(Started, SwitchUp, SwitchDown, Stopping, name="stays")
    goes, gone = hearing(Started, SwitchUp, SwitchDown, Stopping, name="goes")
    comes, come = hearing(Started, SwitchUp, SwitchDown, Stopping, name="comes")
    state_of = goes.state(list)
    goes.on(SwitchDown)(lambda switch, event: FlowMod(priority=1))
    comes.on(SwitchUp)(lambda switch, event: FlowMod(priority=2))

    @goes.on(Started)
    def probing(controller: Controller, _event: Started) -> None:
        controller.spawn(goes, asyncio.sleep(60))

    def kinds(heard: list[tuple[Any, Any]]) -> list[type[Any]]:
        return [type(event) for _, event in heard]

    async def main() -> None:
        async with running([stays, goes]) as (controller, target):
            peer = await up(controller, Peer(), target, V13)
            state_of(controller).append(1)
            assert len(controller._work._spawned) == 1
            controller.load([comes, stays])
            assert kinds(kept) == [Started, SwitchUp]
            assert kinds(gone) == [Started, SwitchUp, SwitchDown, Stopping]
            assert kinds(come) == [Started, SwitchUp]
            assert state_of(controller) == []
            assert [app.name for app in controller.apps] == ["comes", "stays"]
            await until(lambda: len(peer.got(FlowMod)) == 2)
            assert [mod.priority for mod in peer.got(FlowMod)] == [1, 2]
            await until(lambda: not controller._work._spawned)
            with pytest.raises(ValueError, match="needs"):
                controller.load([App("x", needs=["y"])])
            assert [app.name for app in controller.apps] == ["comes", "stays"]
            assert kinds(kept) == [Started, SwitchUp]

    run(main)


def test_an_event_of_an_application_s_own_is_heard_by_others() -> None:
    class News: ...

    app, heard = hearing(News)
    first = App("first")
    first.on(News)(lambda target, event: HANDLED if target.id == 2 else FlowMod(priority=9))

    async def main() -> None:
        async with running([first, app]) as (controller, target):
            peer, other = await up(controller, Peer(), target, V13), await up(controller, Peer(2), target, V13)
            for switch in controller.switches.values():
                controller.emit(switch, News())
            await until(lambda: bool(peer.got(FlowMod)))
            assert [switch.id for switch, _ in heard] == [1]
            assert not other.got(FlowMod)

    run(main)


def test_an_answer_of_very_many_messages_is_handed_over_while_the_switch_takes_it() -> None:
    """More octets than a peer may be behind by, from a plain function."""
    app, many = App("many"), 600_000
    flow = FlowMod(priority=7)

    @app.on(PacketIn)
    def handler(_switch: Switch, _msg: PacketIn) -> list[FlowMod]:
        return [flow] * many

    async def main() -> None:
        async with running([app]) as (controller, target):
            peer = await up(controller, Peer(), target, V13)
            peer.packet_in()
            most = 0
            while len(peer.seen) < many and peer.reason is None:
                most = max(most, controller.switches[1].channel.unsent)
                await asyncio.sleep(0.01)
            assert peer.reason is None
            assert most < 1 << 23

    run(main)

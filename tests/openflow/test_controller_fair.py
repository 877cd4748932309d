"""A handler that is slow, fails or answers very much harms no other, and neither does a switch."""

import asyncio
import logging
import threading
import time
from typing import Any

import pytest

from segue.openflow import (
    V13,
    V14,
    App,
    FlowMod,
    PacketIn,
    PacketOut,
    Port,
    PortDescRequest,
    PortStatus,
    SwitchUp,
    UnknownPortProperty,
    encode,
)
from segue.openflow.controller import Switch
from segue.openflow.lanes import size
from segue.openflow.limits import Limits

from .channels import run, until
from .controllers import Peer, hub, running, up


def test_so_many_at_a_time_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("segue.openflow.lanes.AT_ONCE", 3)
    app = App("slow")
    now, most, done, gate = [0], [0], [], asyncio.Event()

    @app.on(PacketIn)
    async def handler(_switch: Switch, msg: PacketIn) -> PacketOut:
        now[0] += 1
        most[0] = max(most[0], now[0])
        await gate.wait()
        now[0] -= 1
        done.append(msg.data[0])
        return PacketOut.answering(msg)

    async def main() -> None:
        async with running([app]) as (controller, target):
            peer, other = await up(controller, Peer(), target, V13), await up(controller, Peer(2), target, V13)
            for octet in range(200):
                peer.packet_in(octet)
            lanes = controller.switches[1].lanes
            await until(lambda: (now[0], lanes.waiting) == (3, 197))
            assert not controller.switches[1].channel._paused
            other.packet_in()
            await until(lambda: now[0] == 4)
            gate.set()
            await until(lambda: len(peer.got(PacketOut)) == 200)
            assert most[0] <= 3 + 1
            assert sorted(done) == sorted([0, *range(200)])
            peer.packet_in()
            await until(lambda: len(peer.got(PacketOut)) == 201)
            await until(lambda: lanes.running == lanes.waiting == lanes.dropped == 0)

    run(main)


@pytest.mark.parametrize("blocking", [False, True])
def test_a_handler_that_hangs_misses_events_and_no_other_does(
    blocking: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("segue.openflow.lanes.MOST_WAITING", 50)
    hangs, quick, gate = App("hangs"), App("quick"), threading.Event()
    heard: list[int] = []
    if blocking:
        hangs.on(PacketIn, blocking=True)(lambda switch, msg: print(gate.wait(20)))
        quick.on(PacketIn, blocking=True)(lambda switch, msg: heard.append(switch.id))
    else:

        @hangs.on(PacketIn)
        async def hanging(_switch: Switch, _msg: PacketIn) -> None:
            await asyncio.sleep(60)

        @quick.on(PacketIn)
        async def quickly(switch: Switch, _msg: PacketIn) -> None:
            await switch.barrier()
            heard.append(switch.id)

    async def main() -> None:
        async with running([hangs, quick, hub()]) as (controller, target):
            peer, other = await up(controller, Peer(), target, V13), await up(controller, Peer(2), target, V13)
            caplog.clear()
            for octet in range(200):
                peer.packet_in(octet)
                await asyncio.sleep(0.002)
            other.packet_in()
            await until(lambda: heard.count(1) == 200 and heard.count(2) == 1)
            await until(lambda: len(peer.got(PacketOut)) == 200)
            assert controller.switches[1].lanes.dropped == 200 - 50 - (4 if blocking else 64)
            assert controller.switches[2].lanes.dropped == 0
            lines = [line for line in caplog.messages if "does not keep up" in line]
            assert 1 <= len(lines) <= 6
            assert all(line.startswith("hangs: ") for line in lines)
            gate.set()

    run(main)


def test_what_waits_is_bounded_in_octets() -> None:
    app = App("hangs")

    @app.on(PacketIn)
    async def hanging(_switch: Switch, _msg: PacketIn) -> None:
        await asyncio.sleep(60)

    async def main() -> None:
        async with running([app]) as (controller, target):
            peer = await up(controller, Peer(), target, V13)
            for _ in range(200):
                peer.channel.send(PacketIn(data=bytes(60_000)))
                await peer.channel.drain()
            lanes = controller.switches[1].lanes
            await until(lambda: lanes.waiting + lanes.dropped == 200 - 64)
            assert lanes.waiting == (4 << 20) // 60_128

    run(main)


@pytest.mark.parametrize("too_many", [False, True])
def test_changes_of_ports_before_the_switch_is_known_are_bounded(
    too_many: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    most = (1 << 20) // size(PortStatus(2, Port(1)), V13)

    def handle(peer: Peer, msg: Any, xid: int) -> bool:
        if isinstance(msg, PortDescRequest):
            for n in range(most + too_many):
                peer.channel.send(PortStatus(2, Port(n % 9)))
        return False  # the reply follows

    async def main() -> None:
        async with running([]) as (controller, target), asyncio.timeout(5):
            peer = await up(controller, Peer(handle=handle), target, V13)
            assert (1 in controller.switches) is not too_many
            assert (peer.reason is not None) is too_many
            assert ("too many changes of ports before" in caplog.text) is too_many
            assert too_many or set(controller.switches[1].ports) == set(range(9))

    run(main)


@pytest.mark.parametrize("rich", [False, True])
def test_ports_that_come_later_are_bounded(rich: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """In number and in octets; to say the same again, and to take ports away, costs nothing."""
    monkeypatch.setattr("segue.openflow.switch.LIMITS", limits := Limits(assembled_ports=400_000))
    properties = [UnknownPortProperty(type=7, data=bytes(60_000))] if rich else ()
    most = limits.assembled_ports // len(encode(PortStatus(0, Port(1, properties=properties)), 0, V14))

    async def main() -> None:
        async with running([]) as (controller, target), asyncio.timeout(20):
            peer = await up(controller, Peer(ports=[Port(0)]), target, V14)
            other = await up(controller, Peer(2), target, V13)

            async def say(reason: int, ports: range) -> None:
                for number in ports:
                    peer.channel.send(PortStatus(reason, Port(number, properties=properties)))
                    if number % 64 == 0:
                        await peer.channel.drain()

            for reason in (0, 2, 1, 0):
                await say(reason, range(1, most + 1))
            await say(0, range(most, most + 1))
            await until(lambda: len(controller.switches[1].ports) == most + 1)
            assert peer.reason is None
            await say(0, range(most + 1, most + 2))
            await until(lambda: peer.reason is not None)
            assert list(controller.switches) == [2]
            assert other.reason is None

    run(main)


@pytest.mark.parametrize("beside", [False, True])
def test_very_many_answers_are_handed_over_as_the_switch_takes_them(beside: bool) -> None:
    app, count = App("many"), 400_000
    mods = [FlowMod(cookie=n, match={"in_port": 1, "eth_type": 0x800, "ipv4_dst": n}) for n in range(count)]
    if beside:

        @app.on(SwitchUp)
        async def later(_switch: Switch, _event: SwitchUp) -> list[FlowMod]:
            return mods
    else:
        app.on(SwitchUp)(lambda switch, event: mods)

    cookies: list[int] = []
    late: list[float] = []

    def handle(_peer: Peer, msg: Any, _xid: int) -> bool:
        if isinstance(msg, FlowMod):
            cookies.append(msg.cookie)
        return isinstance(msg, FlowMod)

    async def ticks() -> None:
        before = time.perf_counter()
        while True:
            await asyncio.sleep(0.01)
            late.append(time.perf_counter() - before)
            before = time.perf_counter()

    async def main() -> None:
        async with running([app]) as (controller, target):
            ticking = asyncio.get_running_loop().create_task(ticks())
            peer = await up(controller, Peer(handle=handle), target, V13)
            await until(lambda: len(cookies) == count or peer.reason is not None)
            assert cookies == list(range(count))
            assert controller.failures == 0
            assert max(late) < sum(late) / 4, "others are not held up"
            ticking.cancel()

    run(main, 60)


@pytest.mark.parametrize("kind", ["alone", "several", "observed", "coroutine", "blocking"])
def test_a_cancellation_of_a_handler_s_own_is_a_failure_like_any_other(kind: str) -> None:
    app = App("cancels")

    def cancels(_switch: Switch, msg: PacketIn) -> None:
        if msg.data[0]:
            raise asyncio.CancelledError

    async def later(switch: Switch, msg: PacketIn) -> None:
        cancels(switch, msg)

    app.on(PacketIn, blocking=kind == "blocking")(later if kind == "coroutine" else cancels)
    apps = [app, hub()] if kind != "alone" else [app]
    watch = (lambda *_: None) if kind == "observed" else None

    async def main() -> None:
        async with running(apps, observe=watch) as (controller, target):
            peer = await up(controller, Peer(), target, V13)
            peer.packet_in(1)
            peer.packet_in(0)
            await until(lambda: controller.failures == 1)
            if kind != "alone":
                await until(lambda: len(peer.got(PacketOut)) == 2)
            assert peer.reason is None

    run(main)


def test_a_flood_of_failures_is_not_one_of_lines(caplog: pytest.LogCaptureFixture) -> None:
    app = App("fails")
    app.on(PacketIn)(lambda switch, msg: print(1 / 0))

    async def main() -> None:
        async with running([app, hub()]) as (controller, target):
            peer = await up(controller, Peer(), target, V13)
            caplog.clear()
            for _ in range(500):
                peer.packet_in()
            await until(lambda: controller.failures == 500)
            await until(lambda: any("497 more such lines" in line for line in caplog.messages))
            assert sum("division by zero" in line for line in caplog.messages) == 3

    run(main)


def test_a_switch_that_does_not_read_is_not_read_from() -> None:
    async def main() -> None:
        async with running([hub()], echo_interval=60) as (controller, target):
            peer = await up(controller, Peer(), target, V13, echo_interval=60)
            peer.channel._transport.pause_reading()
            data = bytes(1400)
            channel = controller.switches[1].channel
            sent = 0
            while not channel._paused and sent < 40_000:
                for _ in range(100):
                    peer.channel.send(PacketIn(in_port=1, data=data))
                sent += 100
                await asyncio.sleep(0.001)
            assert channel._paused
            assert channel.unsent < 4 << 20
            peer.channel._transport.resume_reading()
            await until(lambda: len(peer.got(PacketOut)) == sent)

    run(main, 60)


def test_what_waits_is_not_begun_when_all_ends() -> None:
    app, begun = App("hangs"), [0]

    @app.on(PacketIn)
    async def hanging(_switch: Switch, _msg: PacketIn) -> None:
        begun[0] += 1
        await asyncio.sleep(60)

    async def main() -> None:
        async with running([app]) as (controller, target):
            peer = await up(controller, Peer(), target, V13)
            for octet in range(200):
                peer.packet_in(octet)
            await until(lambda: controller.switches[1].lanes.waiting == 200 - 64)
        assert begun[0] == 64

    run(main)

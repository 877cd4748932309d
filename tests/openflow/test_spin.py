"""The spinning selector: how long it looks before it sleeps, and when it does not spin at all. The clock is ours."""

import asyncio
import selectors
import socket
import time
from pathlib import Path
from typing import Any

import pytest

from segue.openflow import V13, App, Output, PacketIn, PacketOut, SwitchDown
from segue.openflow.controller import Switch
from segue.openflow.spin import SpinSelector, spinning_loop

from .channels import until
from .controllers import Peer, running, up

SPIN = 50e-6
LOOK = 5e-6


class World:
    """A clock, and a kernel in which something comes at `ready`. A look takes 5 microseconds."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        self.ready = float("inf")
        self.asked: list[float | None] = []
        monkeypatch.setattr(SpinSelector, "_found", lambda selector, events: events)
        monkeypatch.setattr(time, "perf_counter", lambda: self.now)

    def spinner(self) -> SpinSelector:
        selector = SpinSelector(SPIN)
        selector._own.close()
        selector._own = self  # type: ignore[assignment]
        return selector

    def poll(self, timeout: float | None) -> list[Any]:
        return self.look(timeout)

    def look(self, timeout: float | None) -> list[Any]:
        self.asked.append(timeout)
        self.now += LOOK
        if timeout is None:
            self.now = max(self.now, self.ready)
        elif timeout > 0:
            self.now = max(self.now, min(self.now + timeout, self.ready))
        return ["found"] if self.ready <= self.now else []

    def coming(self, after: float) -> None:
        self.ready = self.now + after
        self.asked.clear()


def test_what_comes_soon_is_found_without_sleeping_and_idleness_ends_the_spinning(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World(monkeypatch)
    selector = world.spinner()
    for _ in range(3):
        world.coming(20e-6)
        assert selector.select(None) == ["found"]
        assert set(world.asked) == {0}
    world.coming(1.0)
    assert selector.select(None) == ["found"]
    assert world.asked[-1] is None
    assert 5 < len(world.asked) <= SPIN / LOOK + 2
    world.coming(1.0)
    selector.select(None)
    assert world.asked == [None], "it does not spin again for nothing"
    world.coming(100e-6)
    selector.select(None)
    assert world.asked == [None]
    world.coming(20e-6)
    selector.select(None)
    assert set(world.asked) == {0}, "messages come close together again"


def test_a_timeout_is_kept_and_none_means_no_look_but_one(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch)
    selector = world.spinner()
    for timeout in (-1.0, 0.0):
        world.asked.clear()
        assert selector.select(timeout) == []
        assert world.asked == [0]
    for timeout in (20e-6, 1.0, 1.0):
        begun = world.now
        assert selector.select(timeout) == []
        assert timeout <= world.now - begun <= timeout + 3 * LOOK


def test_it_finds_what_the_selector_finds_that_it_is_made_of() -> None:
    selector = SpinSelector(SPIN)
    pairs = [socket.socketpair() for _ in range(6)]
    both = selectors.EVENT_READ | selectors.EVENT_WRITE
    for (near, _), events in zip(pairs, (selectors.EVENT_READ, selectors.EVENT_WRITE, both) * 2, strict=True):
        selector.register(near, events, events)
    selector.modify(pairs[5][0], selectors.EVENT_READ, "changed")
    selector.unregister(pairs[4][0])

    def compare() -> None:
        found = sorted(selector.select(0), key=lambda pair: pair[0].fd)
        assert found == sorted(selectors.EpollSelector.select(selector, 0), key=lambda pair: pair[0].fd)

    compare()
    for _, far in pairs:
        far.send(b"x")
    compare()
    for _, far in pairs:
        far.close()
    compare()
    assert {key.data for key, _ in selector.select(0)} == {1, 2, 3, "changed"}
    for near, _ in pairs:
        near.close()
    selector.close()


def test_a_loop_on_it_works() -> None:
    async def main() -> bytes:
        near, far = socket.socketpair()
        near.setblocking(False)
        far.setblocking(False)
        loop = asyncio.get_running_loop()
        loop.call_later(0.01, far.send, b"x")
        try:
            return await loop.sock_recv(near, 1)
        finally:
            near.close()
            far.close()

    with asyncio.Runner(loop_factory=spinning_loop) as runner:
        assert runner.run(main()) == b"x"


async def answered(target_of: str, messages: int) -> None:
    """Packets that are answered, a switch that ends, and one that reads nothing, on whatever loop runs this."""
    ended: list[str] = []
    app = App("answers")

    @app.on(PacketIn)
    def handler(_switch: Switch, msg: PacketIn) -> PacketOut:
        return PacketOut.answering(msg, [Output(2)])

    @app.on(SwitchDown)
    def down(switch: Switch, _event: SwitchDown) -> None:
        ended.append(f"{switch.id}")

    async with running([app]) as (controller, target):
        peers = [await up(controller, Peer(number), target, V13) for number in (1, 2)]
        for _ in range(messages):
            for peer in peers:
                peer.packet_in()
            await asyncio.sleep(0)
        await until(lambda: all(len(peer.got(PacketOut)) == messages for peer in peers))
        assert (controller.switches[1].channel._direct is not None) == (target_of == "spinning")
        peers[0].channel.abort()
        await until(lambda: ended == ["1"])
        # The other one stops reading; its packets are read until the answers wait, and then no more.
        channel = controller.switches[2].channel
        peers[1].channel._transport.pause_reading()
        sent = 0
        while not channel._paused:
            for _ in range(200):
                peers[1].packet_in()
                sent += 1
            peers[1].channel.flush()
            await asyncio.sleep(0)
            assert sent < 2_000_000
        assert channel.unsent < 1 << 20
        peers[1].channel._transport.resume_reading()
        await until(lambda: len(peers[1].got(PacketOut)) == messages + sent)
        peers[1].channel.close()
        await until(lambda: ended == ["1", "2"])


@pytest.mark.parametrize("loop", ["spinning", "plain"])
def test_connections_that_are_read_where_the_loop_spins_are_as_others(loop: str) -> None:
    descriptors = len(list(Path("/proc/self/fd").iterdir()))
    with asyncio.Runner(loop_factory=spinning_loop if loop == "spinning" else None) as runner:
        runner.run(asyncio.wait_for(answered(loop, 300), 60))
    assert len(list(Path("/proc/self/fd").iterdir())) <= descriptors

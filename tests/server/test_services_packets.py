"""What services send: with what else is said at once, in which order, and how much of it may wait."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Any

import pytest
from service_bench import Bench, Disk, controller, flow, scenario, until

from segue.api.services import MOST_WAITING, MOST_WAITING_OCTETS, _packets
from segue.inject.errors import Busy
from segue.openflow import PacketIn
from segue.openflow import protocol as of
from segue.openflow.channel import Channel, OpenFlowError
from segue.openflow.connection import Refused
from segue.openflow.protocol.errors import error_name
from segue.openflow.wire import CONTROLLER, V13, V15
from segue.server.service_packets import ABOUT_ONE, MOST_OUT, MOST_OUT_OCTETS

DATA = bytes.fromhex("ffffffffffff0200000000010806") + bytes(46)


def out(port: int = 1, data: bytes = DATA) -> of.PacketOut:
    return of.PacketOut(data=data, in_port=CONTROLLER, actions=[of.Output(port)])


async def commit(channel: Channel, number: int, *messages: Any) -> None:
    flags = int(of.BundleFlags.ATOMIC | of.BundleFlags.ORDERED)
    channel.send(of.BundleControl(number, of.BundleControlType.OPEN_REQUEST, flags))
    for message in messages:
        channel.send(of.BundleAddMessage(number, message, flags))
    await channel.request(of.BundleControl(number, of.BundleControlType.COMMIT_REQUEST, flags))


LARGE = out(data=DATA + bytes(60_000))
MOST_LARGE = MOST_OUT_OCTETS // (60_060 + ABOUT_ONE)


def handed_over(b: Bench) -> list[bytes]:
    """Fills with what goes to nodes, of which these may lose some."""
    handed: list[bytes] = []
    b.services.send = lambda *args: handed.append(args[3])  # type: ignore[method-assign,assignment]
    return handed


def sent(b: Bench) -> int:
    return sum(len(node.sent) for node in b.nodes.values())


# -- all or nothing ----------------------------------------------------------------------------------------------------


@scenario
async def test_a_bundle_of_which_a_packet_is_refused_changes_nothing(
    b: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    async with controller() as peer:
        channel = await b.connected(peer)
        for messages in ([flow(1), out(99)], [out(), flow(1), out(99)], [flow(1), *[out()] * (MOST_OUT + 1)]):
            with pytest.raises(OpenFlowError, match="OFPBFC_MSG_FAILED"):
                await commit(channel, 1, *messages)
            await channel.barrier()
            assert not b.room.datapath.flows and not sent(b)
        refused = [error_name(V15, event.error) for event in peer.heard if isinstance(event, Refused)]
        assert refused == ["OFPBAC_BAD_OUT_PORT"] * 2  # of the packets, by their own xids
        assert "send these in parts" in caplog.text and "messages[1]: " in caplog.text
        await commit(channel, 1, flow(1), out())
        await b.settled()
        await b.until(lambda: sent(b) == 1)
        assert len(b.room.datapath.flows) == 1


@scenario
async def test_messages_that_bring_more_packets_than_may_wait_change_nothing(b: Bench) -> None:
    for packets in ([out()] * (MOST_OUT + 1), [LARGE] * (MOST_LARGE + 1)):
        with pytest.raises(Busy, match="in parts"):
            b.room.carry_out([(flow(1), V15), *((one, V15) for one in packets)])
        assert not b.room.datapath.flows and b.room.pending.settled
    await asyncio.sleep(0.05)
    assert not sent(b)


@scenario
async def test_packets_that_wait_are_bounded_by_number_and_by_octets(b: Bench) -> None:
    disk, handed = Disk(b.store), handed_over(b)
    for packet, most in ((out(), MOST_OUT), (LARGE, MOST_LARGE)):
        disk.busy.clear()
        disk.go.clear()
        handed.clear()
        b.room.carry_out([(flow(1, cookie=most), V15)])
        await b.until(disk.busy.is_set)
        b.room.carry_out([(packet, V15)] * (most - 1))
        b.room.carry_out([(flow(2, cookie=most), V15), (packet, V15)])
        with pytest.raises(Busy, match="say it again later"):
            b.room.carry_out([(flow(3), V15), (packet, V15)])
        assert len(b.room.datapath.flows) == 2
        with pytest.raises(Busy):
            b.room.send(packet, V13)
        disk.go.set()
        await b.settled()
        assert len(handed) == most
        b.room.carry_out([(packet, V13)] * most)  # there is room again
        await b.until(lambda: len(handed) == 2 * MOST_OUT or len(handed) == 2 * MOST_LARGE)


@scenario
async def test_what_is_forgotten_takes_no_room(b: Bench) -> None:
    disk, handed = Disk(b.store), handed_over(b)
    disk.go.clear()
    b.room.carry_out([(flow(1), V15), *[(LARGE, V15)] * MOST_LARGE])
    await b.until(disk.busy.is_set)
    b.room.packets.forget()
    b.room.carry_out([(flow(2), V15), *[(LARGE, V15)] * MOST_LARGE])
    disk.go.set()
    await b.settled()
    assert len(handed) == MOST_LARGE


@scenario
async def test_packets_go_behind_all_that_is_said_with_them(b: Bench) -> None:
    node = b.nodes["n1"]
    there: list[int] = []

    class Told(list[Any]):
        def append(self, one: Any) -> None:
            there.append(len(node.injected()))
            super().append(one)

    node.sent = Told()
    b.room.carry_out([(out(), V15), (flow(1), V15), (flow(2), V15)])
    await b.until(lambda: there)
    assert there == [2]


# -- the log -----------------------------------------------------------------------------------------------------------


@scenario
async def test_who_is_refused_again_and_again_does_not_fill_the_log(b: Bench, caplog: pytest.LogCaptureFixture) -> None:
    async with controller() as peer:
        channel = await b.connected(peer)
        caplog.clear()
        for number in range(1, 101):
            with contextlib.suppress(OpenFlowError):
                await commit(channel, number, out(99))
        assert 1 <= len(caplog.records) < 60
        assert not any(record.exc_info for record in caplog.records)


@scenario
async def test_what_fails_unexpectedly_does_not_fill_the_log(b: Bench, caplog: pytest.LogCaptureFixture) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("broken")

    async with controller() as peer:
        channel = await b.connected(peer)
        caplog.clear()
        b.room.carry_out = b.room.send = broken  # type: ignore[assignment,method-assign]
        for spent in (0.0, 1.0):
            b.services.turns._all = spent  # at once, and in turn
            for number in range(1, 51):
                channel.send(out())
                with pytest.raises(OpenFlowError, match="OFPBFC_MSG_FAILED"):
                    await commit(channel, number, out())
        traces = [record for record in caplog.records if record.exc_info and record.levelno == logging.ERROR]
        assert 1 <= len(traces) < 30
        assert channel.connected


# -- up ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("size", "most"), [(100, MOST_WAITING), (60_000, MOST_WAITING_OCTETS // 60_000)])
def test_packets_that_wait_for_a_reader_are_bounded_by_number_and_by_octets(size: int, most: int) -> None:
    class Watched:
        def __init__(self) -> None:
            self.watchers: set[Any] = set()
            self.closed = False

    async def main() -> None:
        room = Watched()
        stream = _packets(room)  # type: ignore[arg-type]
        for _ in range(2):  # what was read makes room
            first = asyncio.ensure_future(anext(stream))
            await until(lambda: room.watchers)
            (take,) = room.watchers
            for _ in range(most + 7):
                take(PacketIn(data=bytes(size)))
            events = await first
            while not any(event.what == "lost" for event in events):
                events += await anext(stream)
            while sum(event.what == "packet-in" for event in events) < most:
                events += await anext(stream)
            assert sum(event.what == "packet-in" for event in events) == most
            assert [event.data for event in events if event.what == "lost"] == [b'{"count":7}']

    asyncio.run(asyncio.wait_for(main(), 20))

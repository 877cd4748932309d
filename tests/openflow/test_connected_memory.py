"""What a connected switch costs while nothing happens on it, and what connections share that nobody may write to."""

import asyncio
import gc
import tracemalloc
from typing import Any

import pytest

from segue.openflow import App, FlowMod, PacketIn, PortDescRequest
from segue.openflow.codec import decode_many, encode
from segue.openflow.connection import Connection
from segue.openflow.loop_share import Share, share_of
from segue.openflow.protocol.basic import BarrierRequest, EchoRequest, Hello, VersionBitmap
from segue.openflow.protocol.flows import FlowStatsRequest
from segue.openflow.protocol.ports import Port, PortDescReply
from segue.openflow.protocol.switch import FeaturesReply, FeaturesRequest
from segue.openflow.wire import V10, V13, V15, EncodeError

from .channels import run, until
from .controllers import Peer, running, up

SWITCHES = 100
MOST = 4_000
"""Octets of one switch with four ports, without what asyncio has for its socket."""


async def simulated(port: int, version: int, number: int) -> asyncio.StreamWriter:
    """A switch that says who it is, and then nothing."""
    ports = tuple(Port(n, hw_addr=number << 16 | n, name=f"port{n}") for n in range(1, 5))
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(encode(Hello(), 1, version))
    wanted = {FeaturesRequest, PortDescRequest} if version >= V13 else {FeaturesRequest}
    while wanted:
        head = await reader.readexactly(8)
        body = await reader.readexactly(int.from_bytes(head[2:4], "big") - 8)
        ((msg, xid, _),) = decode_many(head + body)
        wanted.discard(type(msg))
        if isinstance(msg, FeaturesRequest):
            writer.write(encode(FeaturesReply(number, ports=() if version >= V13 else ports), xid, version))
        elif isinstance(msg, PortDescRequest):
            writer.write(encode(PortDescReply(ports), xid, version))
    return writer


@pytest.mark.parametrize("version", [V10, V13])
def test_a_connected_switch_is_small(version: int) -> None:
    app = App("hub")
    app.on(PacketIn)(lambda switch, msg: None)

    async def main() -> None:
        async with running([app], table_miss=True) as (controller, target):
            port = int(target.rpartition(":")[2])
            writers = [await simulated(port, version, 1)]  # which has all made that is made once
            await until(lambda: len(controller.switches) == 1)
            tracemalloc.start()
            try:
                writers += [await simulated(port, version, n) for n in range(2, SWITCHES + 2)]
                await until(lambda: len(controller.switches) == SWITCHES + 1)
                gc.collect()
                # Of the simulated switches, whose sockets asyncio has too, nothing counts.
                ours = tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(True, "*/segue/openflow/*")])
                held = sum(trace.size for trace in ours.traces) / SWITCHES
            finally:
                tracemalloc.stop()
            assert 1_000 < held < MOST, held
            for writer in writers:
                writer.close()

    run(main)


def test_what_is_empty_in_all_connections_stays_so() -> None:
    made = [Connection(0.0, versions={V13}) for _ in range(3)]
    for connection in made:
        connection.data_to_send()
        connection.receive_data(encode(Hello(), 1, V13), 0.0)
    asking, sending, idle = made
    xid = asking.send(FeaturesRequest())
    sending.send(FlowMod())
    assert xid in asking._pending and not sending._pending and not idle._pending
    assert idle.data_to_send() == b"" and asking.data_to_send() and sending.data_to_send()
    asking.forget(xid)
    assert not asking._pending and asking.send(BarrierRequest()) in asking._pending
    assert not idle._pending and idle.data_to_send() == b""


def test_versions_that_no_header_has_are_not_kept() -> None:
    connection = Connection(0.0)
    every = VersionBitmap(tuple(0xFFFFFFFF for _ in range(2000)))
    connection.receive_data(encode(Hello((every,)), 1, V15), 0.0)
    assert connection.version == V15
    assert connection.peer_versions == frozenset(range(256))


def test_of_several_messages_all_are_sent_or_none() -> None:
    async def main() -> None:
        async with running([]) as (controller, target):
            peer = await up(controller, Peer(), target, V13)
            switch = controller.switches[1]
            before = len(peer.seen)
            for bad in (FlowMod(priority=1 << 16), FlowStatsRequest(table_id=256)):
                with pytest.raises(EncodeError):
                    switch.send(FlowMod(cookie=1), EchoRequest(b"x"), bad)
            xids = switch.send(FlowMod(cookie=2), FlowMod(cookie=3))
            await switch.barrier()
            assert [msg.cookie for msg in peer.seen[before:] if isinstance(msg, FlowMod)] == [2, 3]
            assert xids[1] == xids[0] + 1
            switch.channel.abort()
            assert switch.send(FlowMod(), FlowMod()) == (0, 0)

    run(main)


def test_a_loop_with_a_time_of_its_own_is_asked_for_it() -> None:
    class Loop(asyncio.SelectorEventLoop):
        def time(self) -> float:
            return super().time() + 1000

    for loop in (Loop(), asyncio.SelectorEventLoop()):
        share: Any = share_of(loop)
        assert isinstance(share, Share)
        assert abs(share.clock() - loop.time()) < 10
        loop.close()

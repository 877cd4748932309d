"""Channels under pressure: peers that do not read, say nothing, talk nonsense, go away, or come by the hundred."""

import asyncio
import contextlib
import itertools
import socket
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from segue.openflow.channel import Channel, ConnectionLost, Dialer, dial, listen
from segue.openflow.codec import encode
from segue.openflow.connection import Garbled, Limits
from segue.openflow.link import READ_STOPS
from segue.openflow.protocol.basic import (
    EchoRequest,
    Hello,
)
from segue.openflow.protocol.packets import PacketIn
from segue.openflow.wire import V13, ProtocolError

from .channels import Switch, run, serving, until

# -- pressure ------------------------------------------------------------------------------------------------------


def test_a_peer_that_never_reads() -> None:
    """It asks and asks, and does not read the answers: we stop reading, and at last give it up."""

    async def main() -> None:
        switch = Switch()
        async with serving(switch, versions={V13}, echo_interval=0.3, echo_timeout=0.3) as target:
            sock = socket.create_connection(("127.0.0.1", int(target.rpartition(":")[2])))
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_sendall(sock, encode(Hello(), 1, V13))
            flood = encode(EchoRequest(bytes(10_000)), 2, V13) * 20
            sent = 0

            async def ask() -> None:
                nonlocal sent
                with contextlib.suppress(ConnectionError):
                    while True:
                        await loop.sock_sendall(sock, flood)
                        sent += len(flood)

            asking = asyncio.create_task(ask())
            most = 0
            while not switch.reasons:
                most = max([most, *(channel.unsent for channel in switch.channels)])
                await asyncio.sleep(0)
            asking.cancel()
            assert sent > 500_000
            assert READ_STOPS / 2 < most < READ_STOPS + 600_000
            assert "has not read for" in switch.reasons[0]
            sock.close()

    run(main)


def test_who_sends_without_drain_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("segue.openflow.link.MOST_UNSENT", 1 << 20)

    async def main() -> None:
        async with serving(Switch(), versions={V13}) as target:
            channel = await dial(target)
            channel._transport.pause_reading()
            while channel.send(EchoRequest(bytes(60_000))):
                assert channel.unsent < (1 << 20) + 200_000
            assert "does not read" in (channel.lost or "")

    run(main)


def test_drain_waits() -> None:
    async def main() -> None:
        switch = Switch()
        async with serving(switch, versions={V13}) as target:
            channel = await dial(target)
            await until(lambda: bool(switch.channels))
            switch.channels[0]._transport.pause_reading()
            most = 0

            async def write() -> None:
                nonlocal most
                for _ in range(3000):
                    channel.send(EchoRequest(bytes(10_000)), 5)
                    most = max(most, channel.unsent)
                    await channel.drain()

            task = asyncio.create_task(write())
            await asyncio.sleep(0.2)
            assert not task.done()
            assert 0 < channel.unsent < 200_000
            switch.channels[0]._transport.resume_reading()
            await task
            assert most < 200_000
            await channel.aclose()

    run(main)


def test_silence_is_noticed() -> None:
    async def main() -> None:
        switch = Switch()
        async with serving(switch, versions={V13}, echo_interval=10) as target:
            channel = await dial(target, echo_interval=0.1, echo_timeout=0.1)
            await asyncio.sleep(0.4)
            assert channel.connected  # the peer answers our echoes
            await channel.barrier()
            switch.channels[0]._transport.pause_reading()
            with pytest.raises(ConnectionLost, match="silent"):
                await channel.barrier()

    run(main)


def test_a_peer_that_says_nothing() -> None:
    async def main() -> None:
        opened: list[Channel] = []
        listener = await listen("ptcp:0:127.0.0.1", opened.append, handshake_timeout=0.2)
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.ports[0])
        assert (await reader.read(100))[1] == 0
        assert await reader.read(100) == b""
        writer.close()
        assert opened == []
        listener.close()

        async def mute(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await asyncio.sleep(1)
            writer.close()

        server = await asyncio.start_server(mute, "127.0.0.1", 0)
        with pytest.raises(ConnectionLost, match="not said hello"):
            await dial(f"tcp:127.0.0.1:{server.sockets[0].getsockname()[1]}", handshake_timeout=0.1)
        with pytest.raises(TimeoutError):
            await dial(f"tcp:127.0.0.1:{server.sockets[0].getsockname()[1]}", timeout=0.1)
        server.close()
        with pytest.raises(ConnectionRefusedError):
            await dial("tcp:127.0.0.1:1")
        with pytest.raises(ValueError, match="is no target"):
            await dial("br0")

    run(main)


def test_what_is_said_with_the_hello_is_not_lost() -> None:
    async def main() -> None:
        async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(encode(Hello(), 1, V13) + encode(PacketIn(data=b"early"), 0, V13))
            await asyncio.sleep(0.2)
            writer.close()

        events: list[Any] = []

        def opened(channel: Channel) -> None:
            channel.on_event = events.append

        server = await asyncio.start_server(greet, "127.0.0.1", 0)
        channel = await dial(f"tcp:127.0.0.1:{server.sockets[0].getsockname()[1]}", on_channel=opened)
        await channel.wait_closed()
        assert [event.message.data for event in events] == [b"early"]
        server.close()

    run(main)


def test_nonsense_is_told_and_then_the_end() -> None:
    async def main() -> None:
        events: list[Any] = []
        opened: list[Channel] = []

        def begin(channel: Channel) -> None:
            opened.append(channel)
            channel.on_event = events.append

        listener = await listen("ptcp:0:127.0.0.1", begin, limits=Limits(errors=3))
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.ports[0])
        writer.write(encode(Hello(), 1, V13) + bytes((V13, 12, 0, 9, 0, 0, 0, 0, 0)) * 3)
        while await reader.read(1000):
            pass
        assert "too many messages" in await opened[0].wait_closed()
        assert isinstance(opened[0].cause, ProtocolError)
        assert [event.__class__ for event in events] == [Garbled] * 3
        writer.close()
        listener.close()

    run(main)


# -- calling again -------------------------------------------------------------------------------------------------


def test_a_dialer_comes_again(tmp_path: Path) -> None:
    async def main() -> None:
        target = f"unix:{tmp_path}/sock"
        opened: list[Channel] = []
        pauses: list[float] = []

        def chance() -> float:
            pauses.append(asyncio.get_running_loop().time())
            return 1.0

        dialer = Dialer(target, opened.append, shortest=0.02, longest=0.1, random=chance)
        dialer.start()
        await until(lambda: len(pauses) >= 6)
        gaps = [after - before for before, after in itertools.pairwise(pauses)]
        assert gaps[0] < gaps[2]
        assert 0.009 < gaps[0] < 0.05
        assert 0.045 < gaps[-1] < 0.12  # half of the longest, because chance says so
        assert dialer.channel is None
        assert dialer.failure is not None
        for n in range(2):
            switch = Switch()
            async with serving(switch, f"p{target}"):
                await until(lambda: dialer.channel is not None and dialer.channel.connected)
                assert len(opened) == n + 1
                await opened[-1].barrier()
            await until(lambda: dialer.channel is None)
        await dialer.aclose()
        count = len(pauses)
        await asyncio.sleep(0.15)
        assert len(pauses) == count

    run(main)


# -- many ----------------------------------------------------------------------------------------------------------


def test_a_thousand_at_once() -> None:
    async def main() -> None:
        count = 300
        opened: list[Channel] = []
        listener = await listen("ptcp:0:127.0.0.1", opened.append, versions={V13})
        address = ("127.0.0.1", listener.ports[0])
        socks = []
        for _ in range(count):
            sock = socket.socket()
            sock.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                sock.connect(address)
            socks.append(sock)
        loop = asyncio.get_running_loop()
        begun = loop.time()
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        for sock in socks:
            await loop.sock_sendall(sock, encode(Hello(), 1, V13))
        await until(lambda: len(opened) == count)
        each = (tracemalloc.get_traced_memory()[0] - before) / count
        tracemalloc.stop()
        assert loop.time() - begun < 2
        print(f"{each:.0f} octets each")
        assert each < 5000
        for sock in socks:
            sock.close()
        await asyncio.gather(*(channel.wait_closed() for channel in opened))
        listener.close()

    run(main)

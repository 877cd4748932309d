"""Channels over real sockets, both ends ours: requests, pressure, silence, calling again; TLS with own certificates."""

import asyncio
import contextlib
import itertools
import socket
import subprocess
import tracemalloc
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from segue.openflow import channel as channels
from segue.openflow.channel import Channel, ConnectionLost, Dialer, OpenFlowError, dial, listen
from segue.openflow.codec import decode, encode
from segue.openflow.connection import Event, Garbled, Limits, Received, Refused, VersionError
from segue.openflow.endpoint import Certificates
from segue.openflow.link import READ_STOPS
from segue.openflow.protocol.basic import (
    BarrierReply,
    BarrierRequest,
    EchoReply,
    EchoRequest,
    Error,
    Hello,
    VersionBitmap,
)
from segue.openflow.protocol.flow_mod import FlowMod
from segue.openflow.protocol.flows import FlowStats, FlowStatsReply, FlowStatsRequest
from segue.openflow.protocol.monitors import FlowMonitorRequest
from segue.openflow.protocol.packets import PacketIn
from segue.openflow.protocol.ports import PortDescReply, PortDescRequest
from segue.openflow.protocol.switch import DescRequest, FeaturesReply, FeaturesRequest
from segue.openflow.pump import Pump
from segue.openflow.wire import V10, V13, V14, V15, ProtocolError


def run(main: Callable[[], Coroutine[Any, Any, None]], seconds: float = 20) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(seconds):
            await main()

    asyncio.run(bounded())


async def until(happened: Callable[[], bool]) -> None:
    while not happened():  # noqa: ASYNC110
        await asyncio.sleep(0.005)


class Switch:
    """A switch that answers as `handle` says; barriers and features by itself."""

    def __init__(self, handle: Callable[["Switch", Any, int], Any] | None = None) -> None:
        self.handle = handle
        self.channels: list[Channel] = []
        self.seen: list[Any] = []
        self.reasons: list[str] = []

    def opened(self, channel: Channel) -> None:
        self.channels.append(channel)
        channel.on_event = lambda event: self.event(channel, event)
        channel.on_close = self.reasons.append

    def event(self, channel: Channel, event: Event) -> None:
        if not isinstance(event, Received):
            return
        msg, xid = event.message, event.xid
        self.seen.append(msg)
        self.channel = channel
        if self.handle is not None and self.handle(self, msg, xid):
            return
        if isinstance(msg, BarrierRequest):
            channel.send(BarrierReply(), xid)
        elif isinstance(msg, FeaturesRequest):
            channel.send(FeaturesReply(5), xid)


@contextlib.asynccontextmanager
async def serving(switch: Switch, target: str = "ptcp:0:127.0.0.1", **settings: Any) -> AsyncIterator[str]:
    listener = await listen(target, switch.opened, side="switch", **settings)
    try:
        yield listener.addresses[0]
    finally:
        listener.close()
        for channel in switch.channels:
            channel.abort()


# -- requests ------------------------------------------------------------------------------------------------------


def test_over_tcp_and_unix(tmp_path: Path) -> None:
    async def main() -> None:
        for place in ("ptcp:0:127.0.0.1", "ptcp:0:[::1]", f"punix:{tmp_path}/sock"):
            switch = Switch()
            async with serving(switch, place) as target:
                channel = await dial(target)
                assert channel.version == V15
                assert channel.peer == target
                assert await channel.request(FeaturesRequest()) == FeaturesReply(5)
                await channel.barrier()
                assert await channel.request(FlowMod(priority=3)) is None
                assert FlowMod(priority=3) in switch.seen
                assert switch.channels[0].peer.startswith(target.partition(":")[0])
                await channel.aclose()
                assert not channel.connected
                assert await channel.wait_closed() == "closed here"
                await until(lambda: len(switch.reasons) == 1)  # noqa: B023
                assert switch.reasons == ["the peer closed the connection"]
        assert not (tmp_path / "sock").exists()

    run(main)


@pytest.mark.parametrize("version", [V10, V13, V14])
def test_versions(version: int) -> None:
    async def main() -> None:
        switch = Switch()
        async with serving(switch, versions={version}) as target:
            channel = await dial(target)
            assert channel.version == version
            assert (await channel.request(FeaturesRequest())).datapath_id == 5
            await channel.aclose()
        async with serving(Switch(), versions={version}) as target:
            with pytest.raises(VersionError) as e:
                await dial(target, versions={V15})
            assert e.value.versions[-1] == version

    run(main)


def test_refusals_and_events_reach_whom_they_concern() -> None:
    def handle(switch: Switch, msg: Any, xid: int) -> bool:
        if isinstance(msg, DescRequest) or (isinstance(msg, FlowMod) and msg.priority == 13):
            switch.channel.send(PacketIn(data=b"hello"))
            switch.channel.send(Error(1, 6), xid)
            return True
        if isinstance(msg, FlowMod) and msg.priority == 14:
            switch.channel.refuse(Received(msg, xid), "OFPFMFC_TABLE_FULL")
        return False

    async def main() -> None:
        async with serving(Switch(handle), versions={V13}) as target:
            events: list[Any] = []
            channel = await dial(target)
            channel.on_event = events.append
            for message in (DescRequest(), FlowMod(priority=13)):
                with pytest.raises(OpenFlowError, match=r"refused .*: OFPET_BAD_REQUEST OFPBRC_BAD_LEN") as e:
                    await channel.request(message)
                assert (e.value.error, e.value.request, e.value.name) == (Error(1, 6), message, "OFPBRC_BAD_LEN")
            xid = channel.send(FlowMod(priority=14))
            with pytest.raises(OpenFlowError):
                async for _ in channel.stream(DescRequest()):
                    pass
            await channel.barrier()
            assert [event.__class__ for event in events] == [Received, Received, Refused, Received]
            assert (events[2].xid, events[2].request) == (xid, FlowMod(priority=14))
            assert (events[2].error.type, events[2].error.code) == (5, 1)
            await channel.aclose()

    run(main)


def test_a_monitor_that_is_refused_without_a_word() -> None:
    def handle(switch: Switch, msg: Any, xid: int) -> bool:
        return isinstance(msg, FlowMonitorRequest)

    async def main() -> None:
        async with serving(Switch(handle)) as target:
            channel = await dial(target)
            with pytest.raises(OpenFlowError, match="OFPET_FLOW_MONITOR_FAILED"):
                await channel.request(FlowMonitorRequest())
            await channel.aclose()

    run(main)


def test_who_does_not_answer_and_who_goes_away() -> None:
    def handle(switch: Switch, msg: Any, xid: int) -> bool:
        if isinstance(msg, PortDescRequest):
            switch.channel.abort()
        return isinstance(msg, DescRequest)

    async def main() -> None:
        async with serving(Switch(handle)) as target:
            channel = await dial(target)
            with pytest.raises(TimeoutError):
                await channel.request(DescRequest(), timeout=0.05)
            assert channel._waiting == {}
            assert channel.connection._pending == {}
            assert await channel.request(FeaturesRequest()) == FeaturesReply(5)
            with pytest.raises(ConnectionLost, match="closed the connection"):
                await channel.request(PortDescRequest())
            for late in (channel.barrier(), channel.drain(), anext(channel.stream(DescRequest()))):
                with pytest.raises(ConnectionLost):
                    await late
            assert channel.send(FlowMod()) == 0
            assert channel.lost is not None

    run(main)


def test_a_stream_waits_for_its_consumer() -> None:
    def handle(switch: Switch, msg: Any, xid: int) -> bool:
        if isinstance(msg, FlowStatsRequest):
            for n in range(300):
                flows = tuple(FlowStats(cookie=n) for _ in range(500))
                switch.channel.send(FlowStatsReply(flows, flags=int(n < 299)), xid)
            return True
        if isinstance(msg, PortDescRequest):
            switch.channel.send(PortDescReply(), xid)
            return True
        return False

    async def main() -> None:
        async with serving(Switch(handle), versions={V13}) as target:
            channel = await dial(target, echo_interval=0.1, echo_timeout=0.1)
            seen = 0
            async for part in channel.stream(FlowStatsRequest()):
                if seen == 0:
                    await asyncio.sleep(0.4)
                    assert channel._streams is not None
                    (queue,) = channel._streams.values()
                    assert queue.qsize() < 30
                if seen == 50_000:
                    assert await channel.request(PortDescRequest()) == PortDescReply()
                seen += len(part.flows)
            assert seen == 150_000
            assert channel._streams == {}
            async with contextlib.aclosing(channel.stream(FlowStatsRequest())) as parts:
                async for _ in parts:
                    break
            await channel.barrier()
            await channel.aclose()

    run(main)


def test_a_failing_handler_does_no_harm() -> None:
    def handle(switch: Switch, msg: Any, xid: int) -> bool:
        if isinstance(msg, FlowMod):
            raise RuntimeError("no")
        return False

    async def main() -> None:
        complaints: list[Any] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
        async with serving(Switch(handle)) as target:
            channel = await dial(target)
            await channel.request(FlowMod())
            await channel.aclose()
        assert len(complaints) == 1

    run(main)


def test_observed() -> None:
    async def main() -> None:
        async with serving(Switch(), versions={V13}) as target:
            channel = await dial(target)
            told: list[Any] = []
            channel.observe = lambda way, msg, xid: told.append((way, msg))
            await channel.request(FeaturesRequest())
            await channel.aclose()
        assert told == [("out", FeaturesRequest()), ("in", FeaturesReply(5))]

    run(main)


# -- the pump ------------------------------------------------------------------------------------------------------


def test_a_pump_gets_what_is_read() -> None:
    async def main() -> None:
        hot: list[Any] = []
        cold: list[Any] = []
        listened: list[Channel] = []

        def opened(channel: Channel) -> None:
            listened.append(channel)
            channel.on_event = cold.append

            def handle(_: Any, msg: PacketIn) -> FlowMod:
                hot.append(msg)
                return FlowMod(cookie=len(hot))

            def fail(msg: Any, error: Any) -> None:
                raise AssertionError(error)

            pump = Pump(channel.version, None, {10: handle}, channel.receive_frame, fail, fail)
            channel.pump = pump

        listener = await listen("ptcp:0:127.0.0.1", opened, versions={V13})
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.ports[0])
        packet = encode(PacketIn(data=b"x"), 0, V13)
        stream = packet * 3 + encode(Error(1, 1), 0, V13) + encode(EchoRequest(b"!"), 7, V13) + packet
        # The hello and the first part of a packet-in come in one piece: the pump has to get that part too.
        writer.write(encode(Hello((VersionBitmap.of({V13}),)), 1, V13) + stream[:30])
        await until(lambda: bool(listened))
        for n in range(30, len(stream), 11):
            writer.write(stream[n : n + 11])
            await asyncio.sleep(0)
        await until(lambda: len(hot) == 4)
        assert [event.__class__ for event in cold] == [Refused]
        data = await reader.readexactly(16)  # our hello
        said = []
        while len(said) < 5:
            header = await reader.readexactly(8)
            data = header + await reader.readexactly(int.from_bytes(header[2:4], "big") - 8)
            said.append(decode(data)[0])
        # Answers keep the order of what they answer, whoever made them.
        assert said[3] == EchoReply(b"!")
        assert [mod.cookie for mod in said if isinstance(mod, FlowMod)] == [1, 2, 3, 4]
        asked = asyncio.ensure_future(listened[0].request(BarrierRequest()))
        xid = int.from_bytes((await reader.readexactly(8))[4:], "big")
        writer.write(encode(BarrierReply(), xid, V13))
        assert await asked == BarrierReply()
        writer.write(bytes(8))
        assert await listened[0].wait_closed() == "a header says 0 bytes, less than its own"
        writer.close()
        listener.close()

    run(main)


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
            switch.channels[0].hold()
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
            switch.channels[0].release()
            await task
            assert most < 200_000
            await channel.aclose()

    run(main)


def test_silence_is_noticed_and_hold_is_none() -> None:
    async def main() -> None:
        switch = Switch()
        async with serving(switch, versions={V13}, echo_interval=10) as target:
            channel = await dial(target, echo_interval=0.1, echo_timeout=0.1)
            await asyncio.sleep(0.4)
            assert channel.connected  # the peer answers our echoes
            channel.hold()
            await asyncio.sleep(0.4)
            assert channel.connected  # we do not listen ourselves
            channel.release()
            await channel.barrier()
            switch.channels[0].hold()
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
        assert "in a row" in await opened[0].wait_closed()
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


# -- TLS -----------------------------------------------------------------------------------------------------------


def openssl(*words: str) -> None:
    subprocess.run(["openssl", *words], check=True, capture_output=True)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An authority, a certificate that it signed for either end, and a stranger's."""
    place = tmp_path_factory.mktemp("tls")
    new = ("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")
    for name in ("ca", "stranger"):
        openssl(*new, "-subj", f"/CN={name}", "-keyout", f"{place}/{name}.key", "-out", f"{place}/{name}.pem")
    for name in ("controller", "switch"):
        openssl(
            *(*new, "-subj", f"/CN={name}", "-keyout", f"{place}/{name}.key", "-out", f"{place}/{name}.pem"),
            *("-CA", f"{place}/ca.pem", "-CAkey", f"{place}/ca.key"),
        )
    return place


def test_over_tls(certificates: Path) -> None:
    def own(name: str, authority: str = "ca") -> Certificates:
        return Certificates(
            certificates / f"{name}.pem", certificates / f"{name}.key", certificates / f"{authority}.pem"
        )

    async def main() -> None:
        switch = Switch()
        complaints: list[Any] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
        async with serving(switch, "pssl:0:127.0.0.1", tls=own("switch")) as target:
            assert target.startswith("ssl:127.0.0.1:")
            channel = await dial(target, tls=own("controller"))
            other = await dial(target, tls=own("controller"))
            big = EchoRequest(bytes(60_000))
            await asyncio.gather(*(one.request(big) for one in (channel, other) for _ in range(40)))
            assert await other.request(FeaturesRequest()) == FeaturesReply(5)
            await channel.aclose()
            await other.aclose()
            with pytest.raises(OSError):
                await dial(target, tls=own("controller", "stranger"))
            stranger = Certificates(
                certificates / "stranger.pem", certificates / "stranger.key", certificates / "ca.pem"
            )
            with pytest.raises(OSError):
                await dial(target, tls=stranger)
            assert len(switch.channels) == 2
            with pytest.raises(ValueError, match="needs certificates"):
                await dial(target)
            with pytest.raises((OSError, ProtocolError)):
                await dial(target.replace("ssl:", "tcp:"), timeout=1)

    run(main)


def test_the_names_are_here() -> None:
    for name in channels.__all__:
        assert hasattr(channels, name)

"""Channels over real sockets, both ends ours: requests, pressure, silence, calling again; TLS with own certificates."""

import asyncio
import contextlib
import subprocess
from pathlib import Path
from typing import Any

import pytest

from segue.openflow import channel as channels
from segue.openflow.channel import Channel, ConnectionLost, OpenFlowError, dial, listen
from segue.openflow.codec import decode, decode_many, encode
from segue.openflow.connection import Received, Refused, VersionError
from segue.openflow.core import Pump
from segue.openflow.endpoint import Certificates
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
from segue.openflow.pump import Pump as PythonPump
from segue.openflow.wire import V10, V13, V14, V15, ProtocolError

from .channels import Switch, run, serving, until

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
            assert not channel._waiting
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
            assert not channel._streams
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
            channel.connection.observe = lambda way, octets: told.append((way, decode(octets)[0]))
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

            pump = Pump(channel.version, None, channel.receive_frame, fail, fail)
            pump.set_hot(10, handle)
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


@pytest.mark.parametrize("pump", [Pump, PythonPump])
def test_a_handler_that_closes(pump: Any) -> None:
    """What was read behind its message is nobody's any more; what was answered before it is sent."""

    async def main() -> None:
        hot: list[Any] = []
        listened: list[Channel] = []

        def opened(channel: Channel) -> None:
            def handle(_: Any, msg: PacketIn) -> FlowMod:
                hot.append(msg.buffer_id)
                if len(hot) == 3:
                    channel.close("enough")
                return FlowMod(cookie=msg.buffer_id)

            def fail(_msg: Any, error: Any) -> None:
                raise AssertionError(error)

            made = pump(channel.version, None, channel.receive_frame, fail, fail)
            made.set_hot(10, handle)
            channel.pump = made
            listened.append(channel)

        listener = await listen("ptcp:0:127.0.0.1", opened, versions={V13})
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.ports[0])
        writer.write(encode(Hello((VersionBitmap.of({V13}),)), 1, V13))
        await reader.readexactly(16)  # its hello
        await until(lambda: bool(listened))
        writer.write(b"".join(encode(PacketIn(buffer_id=n), 0, V13) for n in range(9)))
        said = decode_many(await reader.read())
        assert [msg.cookie for msg, _, _ in said] == [0, 1, 2]
        assert hot == [0, 1, 2]
        writer.close()
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

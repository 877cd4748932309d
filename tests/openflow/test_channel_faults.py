"""What goes wrong around a channel: nobody listens, somebody listens already, a peer that dawdles, TLS that fails."""

import asyncio
import gc
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest

from segue.openflow import channel as channels
from segue.openflow import core
from segue.openflow.channel import Channel, Dialer, dial, listen
from segue.openflow.codec import encode
from segue.openflow.connection import Connection, Dead
from segue.openflow.endpoint import Certificates
from segue.openflow.protocol.basic import EchoRequest, Hello
from segue.openflow.protocol.packets import PacketIn
from segue.openflow.wire import V13

from .channels import Switch, run, serving, until

# -- calling -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["tcp:127.0.0.1:1", "unix:/nonexistent/socket"])
def test_nobody_there_leaves_nothing_behind(target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Channel] = []
    call = channels._Factory.__call__

    def noting(self: Any, on_open: Any, name: str = "") -> Channel:
        made.append(call(self, on_open, name))
        return made[-1]

    monkeypatch.setattr(channels._Factory, "__call__", noting)

    async def main() -> None:
        complaints: list[Any] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
        with pytest.raises(OSError, match=r"refused|Connect call failed|No such file") as e:
            await dial(target)
        await asyncio.sleep(0.02)
        assert made[0].lost == str(e.value)
        made.clear()
        dialer = Dialer(target, lambda _: None, shortest=0.01, longest=0.01)
        dialer.start()
        await until(lambda: len(made) >= 3)
        await dialer.aclose()
        made.clear()
        await asyncio.sleep(0.02)
        gc.collect()
        await asyncio.sleep(0)
        assert complaints == []

    run(main)


def test_a_dialer_outlives_every_exception(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        dialer = Dialer(f"tcp:{'x' * 64}.invalid:1", lambda _: None, shortest=0.01, longest=0.01)  # no label is so long
        dialer.start()
        await until(lambda: dialer.failure is not None)
        assert "label" in (dialer.failure or "")

        async def wrong(*_: Any) -> Any:
            raise RuntimeError("never thought of")

        monkeypatch.setattr(channels, "_dial", wrong)
        await until(lambda: dialer.failure == "never thought of")
        monkeypatch.undo()
        await until(lambda: "label" in (dialer.failure or ""))
        await dialer.aclose()

    run(main)


@pytest.mark.parametrize(("steady", "grows"), [(60.0, True), (0.0, False)])
def test_pauses_grow_while_connections_are_short(steady: float, grows: bool) -> None:
    async def main() -> None:
        times: list[float] = []

        def opened(channel: Channel) -> None:
            times.append(asyncio.get_running_loop().time())
            channel.close()

        async with serving(Switch()) as target:
            dialer = Dialer(target, opened, shortest=0.02, longest=1.0, steady=steady, random=lambda: 0.0)
            dialer.start()
            await until(lambda: len(times) >= 5)
            await dialer.aclose()
        assert (times[4] - times[3] > 0.15) is grows  # 0.02, 0.04, 0.08, 0.16

    run(main)


# -- a message that never ends -------------------------------------------------------------------------------------


def test_one_octet_now_and_then_is_no_life() -> None:
    connection = Connection(0.0, versions={V13}, echo_interval=5, echo_timeout=10)
    connection.receive_data(encode(Hello(), 1, V13), 0.0)
    frame = encode(PacketIn(data=bytes(1000)), 1, V13)
    now, events = 1.0, []
    for octet in frame[:100]:
        connection.receive_data(bytes((octet,)), now)
        assert connection.next_timer() is not None
        now += 4.9
        events = connection.handle_timer(now)
        if events:
            break
    (dead,) = events
    assert isinstance(dead, Dead)
    assert dead.unfinished
    assert 15 <= dead.silence < 20


def test_long_messages_one_after_the_other_are_life() -> None:
    connection = Connection(0.0, versions={V13}, echo_interval=5, echo_timeout=10)
    connection.receive_data(encode(Hello(), 1, V13), 0.0)
    stream = encode(PacketIn(data=bytes(1000)), 1, V13) * 30
    for n in range(0, len(stream), 400):
        now = n / 400
        connection.receive_data(stream[n : n + 400], now * 4)
        assert connection.handle_timer(now * 4) == []


@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_very_many_may_call_while_the_loop_is_busy(kind: str, tmp_path: Path) -> None:
    async def main() -> None:
        opened: list[Channel] = []
        path = str(tmp_path / "socket")
        listener = await listen("ptcp:0:127.0.0.1" if kind == "tcp" else f"punix:{path}", opened.append)
        callers = []
        for _ in range(300):  # nothing is accepted meanwhile
            caller = socket.socket(socket.AF_INET if kind == "tcp" else socket.AF_UNIX)
            caller.settimeout(2)
            caller.connect(("127.0.0.1", listener.ports[0]) if kind == "tcp" else path)
            caller.send(encode(Hello(), 1, V13))
            callers.append(caller)
        await until(lambda: len(opened) == 300)
        for caller in callers:
            caller.close()
        listener.close()

    run(main)


@pytest.mark.parametrize("pumped", [False, True])
def test_any_message_is_a_sign_of_life(pumped: bool) -> None:
    """Also of a peer that does not answer when it is asked for one, and whose messages all go by the pump."""

    async def main() -> None:
        opened: list[Channel] = []

        def begin(channel: Channel) -> None:
            opened.append(channel)
            if pumped:
                pump = core.Pump(channel.version, channel, channel.receive_frame, lambda *_: None, lambda *_: None)
                pump.set_hot(10, lambda switch, msg: None)
                channel.pump = pump

        listener = await listen("ptcp:0:127.0.0.1", begin, echo_interval=0.1, echo_timeout=0.2)
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.ports[0])
        writer.write(encode(Hello(), 1, V13))
        await asyncio.sleep(0.15)  # it is asked once
        for _ in range(40):
            writer.write(encode(PacketIn(data=b"x"), 0, V13))
            await asyncio.sleep(0.02)
        assert opened[0].connected, opened[0].lost
        await until(lambda: not opened[0].connected)
        assert "been silent for" in (opened[0].lost or "")
        asked = (await reader.read()).count(encode(EchoRequest(), 0, V13)[:4])
        assert 2 <= asked <= 4  # who is heard is not asked
        writer.close()
        listener.close()

    run(main)


@pytest.mark.parametrize("pumped", [False, True])
def test_dawdling_ends_a_channel(pumped: bool) -> None:
    async def main() -> None:
        opened: list[Channel] = []

        def begin(channel: Channel) -> None:
            opened.append(channel)
            if pumped:
                channel.pump = core.Pump(
                    channel.version, channel, channel.receive_frame, lambda *_: None, lambda *_: None
                )

        listener = await listen("ptcp:0:127.0.0.1", begin, echo_interval=0.1, echo_timeout=0.2)
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.ports[0])
        writer.write(encode(Hello(), 1, V13))
        frame = encode(EchoRequest(bytes(1000)), 1, V13)
        whole = asyncio.get_running_loop().time() + 0.8
        while asyncio.get_running_loop().time() < whole:  # slowly, but they end
            for start in range(0, len(frame), 300):
                writer.write(frame[start : start + 300])
                await asyncio.sleep(0.02)
        assert opened[0].connected
        for n in range(200):
            writer.write(frame[n : n + 1])
            await asyncio.sleep(0.02)
            if opened[0].lost:
                break
        assert "has not finished a message for" in (opened[0].lost or "")
        assert n < 60
        writer.close()
        listener.close()
        await listener.wait_closed()
        del reader

    run(main)


# -- being called --------------------------------------------------------------------------------------------------


def test_a_socket_that_is_listened_at_is_taken(tmp_path: Path) -> None:
    async def main() -> None:
        path = tmp_path / "sock"
        opened: list[Channel] = []
        first = await listen(f"punix:{path}", opened.append)
        with pytest.raises(OSError, match="somebody listens there already") as e:
            await listen(f"punix:{path}", opened.append)
        assert e.value.errno == 98
        channel = await dial(f"unix:{path}", side="switch")
        await until(lambda: bool(opened))
        assert opened[0].peer == f"unix:{path}"
        channel.abort()
        await opened[0].wait_closed()
        first.close()
        assert not path.exists()
        await first.wait_closed()

        with socket.socket(socket.AF_UNIX) as stale:  # a process that was killed leaves it so
            stale.bind(str(path))
        second = await listen(f"punix:{path}", opened.append)
        path.unlink()
        third = await listen(f"punix:{path}", opened.append)
        second.close()
        assert path.exists()  # it is the third one's
        third.close()
        third.close()
        assert not path.exists()

        path.write_text("no socket")
        with pytest.raises(OSError, match="in use"):
            await listen(f"punix:{path}", opened.append)
        assert path.read_text() == "no socket"

    run(main)


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def certificates(place: Path) -> Certificates:
    new = (
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-subj",
        "/CN=t",
    )
    files = (str(place / "own.key"), str(place / "own.pem"))
    subprocess.run([*new, "-keyout", files[0], "-out", files[1]], check=True, capture_output=True)
    return Certificates(files[1], files[0], files[1])


def test_tls_that_fails_is_told_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    tls = certificates(tmp_path)

    async def main() -> None:
        opened: list[Channel] = []
        before = descriptors()
        listener = await listen("pssl:0:127.0.0.1", opened.append, tls=tls, handshake_timeout=0.5)
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.ports[0])
        port = writer.get_extra_info("sockname")[1]
        writer.write(encode(Hello(), 1, V13))
        await reader.read(1000)
        await until(lambda: bool(caplog.records))
        assert f"ssl:127.0.0.1:{port}: no TLS connection: " in caplog.text
        writer.close()
        caplog.clear()
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.ports[0])  # and says nothing
        await until(lambda: bool(caplog.records))
        assert "SSL handshake is taking longer than 0.5" in caplog.text
        assert await reader.read(10) == b""
        writer.close()

        channel = await dial(listener.addresses[0], tls=tls, side="switch", versions={V13})
        await until(lambda: bool(opened))
        assert opened[0].peer == f"ssl:127.0.0.1:{channel._transport.get_extra_info('sockname')[1]}"
        channel.close()
        assert await opened[0].wait_closed()
        _, waiting = await asyncio.open_connection("127.0.0.1", listener.ports[0])
        await asyncio.sleep(0.05)
        listener.close()
        await listener.wait_closed()
        waiting.close()
        await asyncio.sleep(0.1)
        assert descriptors() == before

    run(main)

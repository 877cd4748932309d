"""Peers that mean harm, over sockets, to a controller in a process of its own: it goes on serving the others, keeps
little, and lets go of who does not behave."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import ssl
import subprocess
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from openflow.hostile.processes import MIB, Controller, Switch, controller, frame, switch
from segue.openflow.codec import encode
from segue.openflow.protocol import FeaturesRequest, Hello, PacketIn
from segue.openflow.wire import V13

SERVED = 1.0
"""Seconds within which a switch that behaves gets its answer, whatever others do."""
HANDSHAKE = 10
"""Seconds that a peer has to say hello, and as long again to say who it is."""
SILENCE = 15
"""Seconds without an octet before a peer is given up: an echo request after five, no answer in ten."""


def run(main: Coroutine[Any, Any, None], seconds: float = 60) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(seconds):
            await main

    asyncio.run(bounded())


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Controller]:
    with controller(tmp_path_factory.mktemp("controller")) as made:
        yield made


def deaf(port: int) -> socket.socket:
    """A connection that takes little, even in the kernel."""
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    made.connect(("127.0.0.1", port))
    made.setblocking(False)
    return made


async def closed_by_peer(sock: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    with contextlib.suppress(ConnectionError):
        while await loop.sock_recv(sock, 1 << 16):
            pass


def test_a_switch_that_never_reads(served: Controller) -> None:
    """It floods the controller with packets and takes no answer."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with switch(served.port, 1) as good:
            await good.packet(0)
            before = served.memory
            async with switch(served.port, 2) as flooding:
                sock = deaf(served.port)
                await loop.sock_sendall(sock, encode(Hello(), 1, V13))
                sent = 0

                async def flood(write: Callable[[bytes], Coroutine[Any, Any, None]]) -> None:
                    nonlocal sent
                    data = frame(1) + bytes(1400)
                    many = encode(PacketIn(total_len=len(data), match={"in_port": 1}, data=data), 0, V13) * 40
                    while True:
                        await write(many)
                        sent += len(many)

                async def to_the_known(many: bytes) -> None:
                    flooding.writer.write(many)
                    await flooding.writer.drain()

                tasks = [
                    asyncio.create_task(flood(to_the_known)),
                    asyncio.create_task(flood(lambda many: loop.sock_sendall(sock, many))),
                ]
                for n in range(30):
                    assert await good.packet(n) < SERVED
                    await asyncio.sleep(0.1)
                for task in tasks:
                    task.cancel()
                    with contextlib.suppress(asyncio.CancelledError, ConnectionError):
                        await task
                assert sent > 2 * MIB
                assert served.memory - before < 30 * MIB
                sock.close()

    run(main())


def test_two_thousand_that_say_nothing_and_one_that_dribbles(served: Controller) -> None:
    async def dribble() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        with contextlib.suppress(ConnectionError):
            for octet in encode(Hello(), 1, V13)[:-1] + bytes(1000):
                writer.write(bytes([octet]))
                await writer.drain()
                await asyncio.sleep(0.4 if reader.at_eof() else 0.1)
                if reader.at_eof():
                    break
        writer.close()

    async def say_hello_and_no_more() -> None:
        async with switch(served.port, 5, ready=False) as mute:
            while await mute.reader.read(1 << 16):
                pass

    async def main() -> None:
        loop = asyncio.get_running_loop()
        before, files = served.memory, served.files
        async with switch(served.port, 3) as good:
            begun = loop.time()
            silent = []
            for n in range(2000):
                sock = socket.socket()
                sock.setblocking(False)
                await loop.sock_connect(sock, ("127.0.0.1", served.port))
                silent.append(sock)
                if n % 200 == 0:
                    assert await good.packet(n) < SERVED
            dribbling = [asyncio.create_task(dribble()), asyncio.create_task(say_hello_and_no_more())]
            async with switch(served.port, 4) as late:
                assert await late.packet(1) < SERVED
            assert served.files > 2000
            assert served.memory - before < 30 * MIB
            await asyncio.gather(*map(closed_by_peer, silent), *dribbling)
            assert HANDSHAKE - 2 < loop.time() - begun < HANDSHAKE + 8
            for sock in silent:
                sock.close()
            assert await good.packet(1) < SERVED
        while served.files > files + 5:  # noqa: ASYNC110
            await asyncio.sleep(0.05)

    run(main())


GARBAGE = {
    "a length of 0": bytes.fromhex("040a000000000000"),
    "noise": random.Random(1).randbytes(100_000),
    "packets that cannot be read": bytes.fromhex("040a000c00000000ffffffff") * 300,
    "another version for ever": bytes.fromhex("010a000800000000") * 300,
    "HTTP": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 100,
    "that it refuses our hello": bytes.fromhex("0401000c0000000000000000"),
}


def test_garbage_after_the_handshake(served: Controller) -> None:
    """It ends the connection that it came by. A message whose end never comes is waited for as long as silence may
    last, which is the longest."""

    async def one(number: int, data: bytes) -> None:
        async with switch(served.port, number) as bad:
            bad.writer.write(data)
            with contextlib.suppress(ConnectionError):
                while await bad.reader.read(1 << 16):
                    pass

    async def main() -> None:
        async with switch(served.port, 6) as good:
            ends = [asyncio.create_task(one(100 + n, data)) for n, data in enumerate(GARBAGE.values())]
            while not all(end.done() for end in ends):
                assert await good.packet(1) < SERVED
                await asyncio.sleep(0.2)
            await asyncio.gather(*ends)

    run(main(), SILENCE + 5)


def test_a_message_octet_by_octet(served: Controller) -> None:
    async def main() -> None:
        async with switch(served.port, 8) as good, switch(served.port, 9) as slow:
            data = frame(5)
            message = encode(PacketIn(total_len=len(data), match={"in_port": 1}, data=data), 0, V13)
            for octet in message[:30]:
                slow.writer.write(bytes([octet]))
                await slow.writer.drain()
                await asyncio.sleep(0.1)
            assert await good.packet(1) < SERVED
            slow.writer.write(message[30:])
            assert await slow.packet(6) < SERVED

    run(main())


def test_the_same_datapath_twice(served: Controller) -> None:
    """The later one is the switch; the earlier is let go."""

    async def main() -> None:
        async with switch(served.port, 10) as first:
            async with switch(served.port, 10) as second:
                async with asyncio.timeout(5):
                    await first.end()
                assert await second.packet(1) < SERVED
            async with switch(served.port, 10) as third:
                assert await third.packet(2) < SERVED

    run(main())


def test_an_auxiliary_connection_alone(served: Controller) -> None:
    async def main() -> None:
        async with switch(served.port, 11, auxiliary=1, ready=False) as alone:
            async with asyncio.timeout(5):
                await alone.end()
        async with switch(served.port, 11) as main_one:
            async with switch(served.port, 11, auxiliary=1, ready=False) as with_it:
                while not isinstance(await with_it.receive(), FeaturesRequest):
                    pass
                await asyncio.sleep(0.2)
                assert await with_it.packet(1) < SERVED
            assert await main_one.packet(2) < SERVED

    run(main())


def test_it_is_as_it_was(served: Controller) -> None:
    async def main() -> None:
        async with switch(served.port, 12) as good:
            assert await good.packet(1) < SERVED

    run(main())
    assert served.process.poll() is None
    assert "Traceback" not in served.log and "exception" not in served.log.lower()


# -- TLS -----------------------------------------------------------------------------------------------------------


def _certificates(place: Path) -> dict[str, str]:
    new = ("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")
    for name in ("ca", "controller", "switch"):
        signed = () if name == "ca" else ("-CA", f"{place}/ca.pem", "-CAkey", f"{place}/ca.key")
        files = ("-subj", f"/CN={name}", "-keyout", f"{place}/{name}.key", "-out", f"{place}/{name}.pem")
        subprocess.run(["openssl", *new, *files, *signed], check=True, capture_output=True)
    return {name: f"{place}/{name}" for name in ("ca", "controller", "switch")}


def test_garbage_where_tls_is_spoken(tmp_path: Path) -> None:
    files = _certificates(tmp_path)
    own = (
        "--certificate",
        f"{files['controller']}.pem",
        "--key",
        f"{files['controller']}.key",
        "--ca",
        f"{files['ca']}.pem",
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.load_verify_locations(f"{files['ca']}.pem")

    async def good(port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
        made = Switch(reader, writer, 1, 0)
        made.send(Hello(), 1)
        await made.ready()
        assert await made.packet(1) < SERVED
        writer.close()

    async def bad(port: int, data: bytes) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(data)
        with contextlib.suppress(ConnectionError):
            while await reader.read(1 << 16):
                pass
        writer.close()

    async def main(port: int) -> None:
        noise = random.Random(2).randbytes(20_000)
        await asyncio.gather(
            *(bad(port, data) for data in [noise, encode(Hello(), 1, V13) * 9, b"\x16\x03\x01\x00\xff" + noise] * 20)
        )
        with pytest.raises((ssl.SSLError, ConnectionError, asyncio.IncompleteReadError)):
            await good(port)  # without a certificate of its own
        context.load_cert_chain(f"{files['switch']}.pem", f"{files['switch']}.key")
        await good(port)

    with controller(tmp_path, *own, listen="pssl:127.0.0.1:0") as made:
        before = made.files
        run(main(made.port))
        assert made.files <= before + 2
        assert made.memory < 150 * MIB

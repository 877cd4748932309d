"""Who is taken for a service's controller: by its certificate's name where it calls, and where it is called."""

from __future__ import annotations

import asyncio
import socket
import ssl
import subprocess
from pathlib import Path

import pytest
from service_bench import until

from segue.openflow.channel import Channel, ConnectionLost, Dialer, dial, listen
from segue.openflow.endpoint import Certificates
from segue.openflow.wire import V15
from segue.server.service_doors import MOST_CALLERS, UNREACHED, BadTarget, Controller, Door, checked, made_out_to

NAMES = {"server": "", "ips": "DNS:IPS.example.org,DNS:second.example.org", "other": "DNS:other.example.org", "old": ""}
"""The alternative names of each certificate; its common name is its key."""


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Certificates]:
    place = tmp_path_factory.mktemp("pki")

    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], cwd=place, check=True, capture_output=True)

    new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    openssl("req", "-x509", *new, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=ca")
    made = {}
    for name, others in NAMES.items():
        openssl("req", *new, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        signed = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2"]
        if others:
            Path(place / f"{name}.ext").write_text(f"subjectAltName={others}\n", "ascii")
            signed += ["-extfile", f"{name}.ext"]
        openssl("x509", "-req", "-in", f"{name}.csr", *signed, "-out", f"{name}.pem")
        made[name] = Certificates(f"{place}/{name}.pem", f"{place}/{name}.key", f"{place}/ca.pem")
    return made


@pytest.mark.parametrize(
    ("who", "name", "let_in"),
    [
        ("ips", "ips.example.org", True),
        ("ips", "SECOND.example.org", True),
        ("other", "ips.example.org", False),
        ("other", "other", False),  # its common name, which does not count beside others
        ("old", "old", True),
        ("old", "ips.example.org", False),
        ("other", "", True),
    ],
)
def test_who_calls_is_the_controller_by_the_name_in_its_certificate(
    pki: dict[str, Certificates], caplog: pytest.LogCaptureFixture, who: str, name: str, let_in: bool
) -> None:
    async def main() -> None:
        attached: list[Channel] = []
        door = Door(Controller("pssl:0:127.0.0.1", (), name), attached.append, pki["server"])
        door.open()
        await until(lambda: "pssl" not in door.address)
        try:
            channel = await dial(door.address, tls=pki[who], versions=(V15,))
            if let_in:
                await until(lambda: attached)
                assert channel.connected and not door.trouble
                channel.close()
            else:
                await asyncio.wait_for(channel.wait_closed(), 5)
                assert not attached
        except (ConnectionLost, ssl.SSLError):
            assert not let_in
        assert let_in or ("not made out to ips" in door.trouble or "not made out to other" in door.trouble)
        assert let_in or any("is refused" in record.message for record in caplog.records)
        for one in attached:
            one.close()
        door.close()

    asyncio.run(main())


@pytest.mark.parametrize(("who", "let_in"), [("ips", True), ("other", False)])
def test_who_is_called_is_the_controller_by_the_name_in_its_certificate(
    pki: dict[str, Certificates], who: str, let_in: bool
) -> None:
    async def main() -> None:
        called: list[Channel] = []
        attached: list[Channel] = []
        listener = await listen("pssl:0:127.0.0.1", called.append, tls=pki[who], versions=(V15,))
        door = Door(Controller(listener.addresses[0], (), "ips.example.org"), attached.append, pki["server"])
        door.open()
        try:
            await until(lambda: attached if let_in else "not made out to ips.example.org" in door.trouble)
            await asyncio.sleep(0.1)
            assert bool(attached) == let_in
            assert door.told == UNREACHED
        finally:
            door.close()
            listener.close()
            for one in called:
                one.close()

    asyncio.run(main())


PORTS = range(6700, 6800)


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("http://192.0.2.1", "write tcp:HOST:PORT, ssl:HOST:PORT, ptcp:PORT or pssl:PORT"),
        ("192.0.2.1:6653", "write tcp:HOST:PORT, ssl:HOST:PORT, ptcp:PORT or pssl:PORT"),
        ("unix:/run/x", "write tcp:HOST:PORT or ptcp:PORT"),
        ("tcp:192.0.2.1:0", "port 0; write the port where the controller waits"),
        ("ssl:[2001:db8::1]:0", "port 0"),
    ],
)
def test_what_is_no_target_of_a_service_is_refused_with_what_is(target: str, said: str) -> None:
    with pytest.raises(BadTarget, match=said):
        checked(target, secure=True, ports=None)


@pytest.mark.parametrize(
    ("target", "name", "said"),
    [
        ("ptcp:6700:0.0.0.0", "", "whoever reaches"),
        ("ptcp:6700:192.0.2.1", "", "whoever reaches"),
        ("ptcp:6700:[::]", "", "whoever reaches"),
        ("ptcp:6700:example.org", "", "whoever reaches"),
        ("pssl:6700", "", "give the name"),
        ("pssl:6700:0.0.0.0", "", "give the name"),
        ("ptcp:6700", "ips", "has none; write ssl:"),
        ("tcp:192.0.2.1:6653", "ips", "has none; write ssl:"),
        ("ssl:192.0.2.1:6653", "*.example.org", "is no name"),
        ("ssl:192.0.2.1:6653", "a" * 254, "is no name"),
    ],
)
def test_what_would_take_anybody_for_the_controller_of_a_project_is_refused(target: str, name: str, said: str) -> None:
    with pytest.raises(BadTarget, match=said):
        checked(target, secure=True, ports=PORTS, name=name)


@pytest.mark.parametrize(
    ("target", "name", "ports"),
    [
        ("ptcp:6700:127.0.0.1", "", PORTS),
        ("ptcp:6700:[::1]", "", PORTS),
        ("pssl:6700:0.0.0.0", "ips.example.org", PORTS),
        ("ssl:192.0.2.1:6653", "", PORTS),
        ("ssl:192.0.2.1:6653", "ips.example.org", PORTS),
        ("ptcp:6700:0.0.0.0", "", None),
        ("pssl:6700:0.0.0.0", "", None),
    ],
)
def test_what_may_be_registered(target: str, name: str, ports: range | None) -> None:
    assert checked(target, secure=True, ports=ports, name=name) == target


def test_without_a_certificate_nobody_has_a_name() -> None:
    assert not made_out_to(None, "ips") and not made_out_to({}, "ips")


@pytest.mark.parametrize(
    "host",
    [
        "[h\n2026-11-20 00:00:00,000 segue.api.auth: let in everybody]",
        "\x1b[2J",
        "h\x9b2J",
        "a b",
        "a\u202eb",
        "[::1%l\no]",
        "[1:2]",
        "h" * 254,
        "h/x",
        "näme",
    ],
)
def test_a_host_has_the_letters_of_one(host: str) -> None:
    for target in (f"tcp:{host}:6653", f"pssl:6700:{host}"):
        with pytest.raises(BadTarget) as caught:
            checked(target, secure=True, ports=None)
        assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "target", ["tcp:controller-1.example.org:1", "tcp:a_b:1", "tcp:[2001:db8::1]:1", "tcp:[fe80::1%eth0.5]:1"]
)
def test_a_host_that_can_be_is_taken(target: str) -> None:
    assert checked(target, secure=True, ports=None) == target


def test_whatever_is_called_and_fails_a_token_s_holder_hears_the_same(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent, socket.create_server(("127.0.0.1", 0)) as rude:
            ports = [silent.getsockname()[1], rude.getsockname()[1], 1]
            doors = [Door(Controller(f"tcp:127.0.0.1:{port}"), lambda _: None, None, service="eye") for port in ports]
            rude.setblocking(False)
            for door in doors:
                door.open()
                assert door.told == UNREACHED
            met, _ = await asyncio.get_running_loop().sock_accept(rude)
            met.close()
            await until(lambda: doors[1].trouble and "refused" in doors[2].trouble)
            assert [door.told for door in doors] == [UNREACHED] * 3
            for door in doors:
                door.close()

    asyncio.run(main())
    said = "service eye: its controller at tcp:127.0.0.1:1: "
    assert any(record.getMessage().startswith(said) for record in caplog.records)


def test_a_call_that_nobody_answers_is_said_to_be_one(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            target = f"tcp:127.0.0.1:{silent.getsockname()[1]}"
            dialer = Dialer(target, lambda _: None, timeout=0.1, called="service eye", side="switch")
            dialer.start()
            await until(lambda: dialer.failure)
            await dialer.aclose()

    asyncio.run(main())
    assert "service eye: TimeoutError" in caplog.messages


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.parametrize("kind", ["ptcp", "pssl"])
def test_who_calls_and_says_nothing_takes_no_more_than_a_few_of_the_servers_files(
    pki: dict[str, Certificates], kind: str
) -> None:
    """A controller that is there stays, and another still gets in."""

    async def main() -> None:
        attached: list[Channel] = []
        secure = kind == "pssl"
        name = "ips.example.org" if secure else ""
        door = Door(Controller(f"{kind}:0:127.0.0.1", (), name), attached.append, pki["server"])
        door.open()
        await until(lambda: kind not in door.address)
        tls = pki["ips"] if secure else None
        first = await dial(door.address, tls=tls, versions=(V15,))
        await until(lambda: len(attached) == 1)
        port = int(door.address.rpartition(":")[2])
        before = open_files()
        silent = []
        for _ in range(5 * MOST_CALLERS):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            silent.append(writer)
        await asyncio.sleep(0.2)
        own = len(silent)
        assert open_files() - before - own <= 2 * MOST_CALLERS
        second = await dial(door.address, tls=tls, versions=(V15,))
        await until(lambda: len(attached) == 2)
        assert first.connected and second.connected
        for writer in silent:
            writer.close()
        for channel in (first, second):
            channel.close()
        door.close()
        await asyncio.sleep(0.1)

    asyncio.run(main())


def test_where_enough_controllers_are_connected_nobody_else_is_let_in(pki: dict[str, Certificates]) -> None:
    async def main() -> None:
        attached: list[Channel] = []
        door = Door(Controller("ptcp:0:127.0.0.1"), attached.append, pki["server"])
        door.open()
        await until(lambda: "ptcp" not in door.address)
        there = [await dial(door.address, versions=(V15,)) for _ in range(MOST_CALLERS)]
        with pytest.raises((ConnectionLost, OSError)):
            await dial(door.address, versions=(V15,), timeout=2.0)
        assert all(one.connected for one in there)
        there.pop().close()
        await until(lambda: any(one.lost is not None for one in attached))
        there.append(await dial(door.address, versions=(V15,)))
        for one in there:
            one.close()
        door.close()
        await asyncio.sleep(0.1)

    asyncio.run(main())


@pytest.mark.parametrize("kind", ["ptcp", "pssl"])
def test_who_calls_again_and_again_does_not_fill_the_log(
    pki: dict[str, Certificates], caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    caplog.set_level("INFO")

    async def main() -> None:
        name = "ips.example.org" if kind == "pssl" else ""
        door = Door(Controller(f"{kind}:0:127.0.0.1", (), name), lambda _: None, pki["server"])
        door.open()
        await until(lambda: kind not in door.address)
        port = int(door.address.rpartition(":")[2])
        for _ in range(100):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"no hello")
            writer.close()
        await asyncio.sleep(1.3)
        door.close()

    asyncio.run(main())
    lines = [record.getMessage() for record in caplog.records if record.name == "segue.openflow"]
    assert 0 < len(lines) < 20
    assert any("more such lines are left out" in line for line in lines)

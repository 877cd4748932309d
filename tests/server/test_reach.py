"""Where the server calls controllers of services, and that it calls them nowhere else."""

from __future__ import annotations

import asyncio
import socket
from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from service_bench import until

from segue.openflow.channel import Channel, listen
from segue.openflow.reached import reached
from segue.openflow.wire import V15
from segue.server.reach import ANYWHERE, OutOfReach, Reach, is_own
from segue.server.service_doors import BadTarget, Controller, Door, checked

SOME = Reach((ip_network("10.1.0.0/16"), ip_network("2001:db8::/32")))


@pytest.mark.parametrize(
    ("host", "called"),
    [
        ("10.1.255.255", True),
        ("10.2.0.0", False),
        ("127.0.0.1", False),
        ("2001:db8::1", True),
        ("::1", False),
        ("::ffff:10.1.0.1", True),
        ("::ffff:10.2.0.1", False),
        ("fe80::1%lo", False),
        ("64:ff9b::10.1.0.1", True),
        ("64:ff9b::10.2.0.1", False),
        ("2002:a01:1::1", True),
        ("2002:a02:1::1", False),
        ("controller.example.org", True),  # to be looked up when it is called
    ],
)
def test_what_is_in_no_such_network_is_refused_with_those_that_there_are(host: str, called: bool) -> None:
    assert not ANYWHERE.wrong(host)
    target = f"tcp:[{host}]:6653" if ":" in host else f"tcp:{host}:6653"
    assert checked(target, secure=True, ports=None) == target
    if called:
        assert checked(target, secure=True, ports=None, reach=SOME) == target
    else:
        with pytest.raises(
            BadTarget, match=r"calls controllers: 10\.1\.0\.0/16, 2001:db8::/32 \(--services-networks\)"
        ):
            checked(target, secure=True, ports=None, reach=SOME)
        with pytest.raises(BadTarget, match="this server calls no controllers"):
            checked(target, secure=True, ports=None, reach=Reach(()))


@pytest.mark.parametrize(
    ("host", "networks", "called"),
    [
        ("192.0.2.9", None, True),
        ("127.0.0.1", None, False),
        ("127.9.9.9", None, False),
        ("::1", None, False),
        ("::ffff:127.0.0.1", None, False),
        ("0.0.0.0", None, False),
        ("::", None, False),
        ("169.254.169.254", None, False),
        ("fe80::1%lo", None, False),
        ("64:ff9b::7f00:1", None, False),
        ("64:ff9b::7f00:1", "64:ff9b::/96", False),
        ("64:ff9b::7f00:1", "127.0.0.0/8", True),
        ("64:ff9b::c000:209", None, True),
        ("2002:a9fe:a9fe::1", None, False),
        ("2002:c000:209::1", None, True),
        ("127.0.0.1", "0.0.0.0/0", False),
        ("169.254.169.254", "169.0.0.0/8", False),
        ("192.0.2.9", "0.0.0.0/0", True),
        ("127.0.0.1", "127.0.0.0/8", True),
        ("127.0.0.1", "127.0.0.1/32", True),
        ("127.0.0.2", "127.0.0.1/32", False),
        ("169.254.169.254", "169.254.0.0/16", True),
    ],
)
def test_projects_have_the_server_call_itself_only_where_that_is_named(
    host: str, networks: str | None, called: bool
) -> None:
    reach = Reach(None if networks is None else (ip_network(networks),))
    assert reach.guarded().holds(host) == called
    if not called and networks != "127.0.0.1/32":
        assert reach.holds(host), "administrators are free"
        assert "have controllers there only where" in reach.guarded().wrong(host)


def test_every_address_of_the_machine_is_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_own(ip_address("127.0.0.1"))
    assert not is_own(ip_address("192.0.2.9")) and not is_own(ip_address("2001:db8::9"))
    monkeypatch.setattr("segue.server.reach.is_own", lambda address: str(address) == "198.51.100.7")
    assert Reach().holds("198.51.100.7") and not Reach().guarded().holds("198.51.100.7")
    for network, called in (("198.51.100.0/24", False), ("198.51.100.7/32", True)):
        assert Reach((ip_network(network),)).guarded().holds("198.51.100.7") == called


def test_an_address_that_holds_another_is_judged_as_itself_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("segue.server.reach.is_own", lambda address: str(address) == "2002:c000:209::1")
    assert not Reach().guarded().holds("2002:c000:209::1") and Reach().guarded().holds("2002:c000:209::2")


def test_a_name_that_stands_for_the_server_itself_is_not_called_for_projects() -> None:
    with pytest.raises(OutOfReach, match="localhost is the server's own machine, or link-local"):
        asyncio.run(Reach().guarded().addresses("localhost", 1))
    assert asyncio.run(Reach().addresses("localhost", 1))


def test_where_it_waits_to_be_called_is_another_matter() -> None:
    assert checked("ptcp:6700:192.0.2.1", secure=True, ports=None, reach=Reach(())) == "ptcp:6700:192.0.2.1"


def test_a_name_stands_for_what_may_be_called_of_its_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main(found: list[str]) -> list[str]:
        async def getaddrinfo(host: str, port: int, **_: Any) -> list[Any]:
            assert (host, port) == ("controller.example.org", 6653)
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in found]

        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)
        return await SOME.addresses("controller.example.org", 6653)

    assert asyncio.run(main(["10.2.0.1", "10.1.0.2", "::1", "10.1.0.2", "2001:db8::1"])) == ["10.1.0.2", "2001:db8::1"]
    with pytest.raises(OutOfReach, match=r"controller\.example\.org is not in the networks") as caught:
        asyncio.run(main(["10.2.0.1", "127.0.0.1"]))
    assert "10.2.0.1" not in str(caught.value), "what the server's names stand for is its own affair"


def test_a_link_local_address_keeps_its_scope(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> list[str]:
        async def getaddrinfo(host: str, port: int, **_: Any) -> list[Any]:
            every = [("fe80::1", port, 0, 2), ("2001:db8::1", port, 0, 0), ("192.0.2.1", port)]
            return [(socket.AF_UNSPEC, socket.SOCK_STREAM, 6, "", one) for one in every]

        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)
        return await ANYWHERE.addresses("controller.example.org", 6653)

    assert asyncio.run(main()) == ["fe80::1%2", "2001:db8::1", "192.0.2.1"]


@pytest.mark.parametrize(("network", "called"), [("127.0.0.0/8", True), ("192.0.2.0/24", False)])
def test_a_door_calls_nobody_elsewhere(network: str, called: bool) -> None:
    async def main() -> None:
        met: list[Channel] = []
        attached: list[Channel] = []
        listener = await listen("ptcp:0:127.0.0.1", met.append, versions=(V15,))
        port = listener.addresses[0].rpartition(":")[2]
        # As inet_aton(3) reads it: no address for who registers it, and one for who looks it up.
        door = Door(Controller(f"tcp:0x7f000001:{port}"), attached.append, None, Reach((ip_network(network),)))
        door.open()
        try:
            await until(lambda: attached if called else network in door.trouble)
            await asyncio.sleep(0.1)
            assert bool(met) == bool(attached) == called
        finally:
            door.close()
            listener.close()
            for one in (*met, *attached):
                one.close()

    asyncio.run(main())


def test_the_first_address_that_answers_is_taken() -> None:
    async def main() -> None:
        waiting = socket.create_server(("127.0.0.1", 0))
        port = waiting.getsockname()[1]
        with waiting, await reached(["127.0.0.2", "127.0.0.1", "127.0.0.3"], port) as sock:
            assert sock.getpeername() == ("127.0.0.1", port)
        for none in ([], ["127.0.0.2", "127.0.0.3"]):
            with pytest.raises(OSError, match=r"no address|refused|Connect call failed"):
                await reached(none, port)

    asyncio.run(main())

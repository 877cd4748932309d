"""The client against Open vSwitch's own ovsdb-server and ovs-vswitchd, a private pair in a namespace of its own, and
against peers that misbehave."""

import asyncio
import json
import signal

import pytest

from openflow.open_vswitch import OpenVSwitch
from segue.drivers.ovs.ovsdb import (
    BridgeMissing,
    OvsdbLost,
    OvsdbRefused,
    OvsdbTimeout,
    OvsdbUnreachable,
    PortFailed,
    PortRefused,
)
from segue.drivers.ovs.ovsdb_client import OvsdbClient
from segue.drivers.ovs.ovsdb_replica import Bound, Unbound


@pytest.fixture
def switch(tmp_path):
    with OpenVSwitch(tmp_path) as switch:
        switch.run("ip", "link", "set", "lo", "up")
        switch.run("ip", "address", "add", "10.0.0.1/24", "dev", "lo")
        for bridge in ("br-int", "br-ex"):
            switch.vsctl("add-br", bridge, "--", "set", "bridge", bridge, "datapath_type=netdev")
        yield switch


def run(main):
    return asyncio.run(asyncio.wait_for(main, 60))


async def collect(events, until) -> list[Bound | Unbound]:
    """Events up to the first for which `until` holds."""
    collected = []
    while True:
        collected.append(await asyncio.wait_for(anext(events), 10))
        if until(collected[-1]):
            return collected


@pytest.mark.root
def test_interfaces_are_bound_and_unbound(switch):
    def bind(interface, iface_id, bridge="br-int", *more):
        switch.vsctl(
            "add-port",
            bridge,
            interface,
            "--",
            "set",
            "interface",
            interface,
            *more,
            f"external_ids:iface-id={iface_id}",
        )

    def ofport(interface) -> int:
        return int(switch.vsctl("get", "interface", interface, "ofport"))

    switch.run("ip", "link", "add", "v1", "type", "veth", "peer", "name", "v1p")
    bind("before", "P0", "br-int", "type=internal")

    async def main():
        async with await OvsdbClient.connect(switch.database) as client:
            events = client.bindings("br-int")
            assert await anext(events) == Bound("P0", "before", "br-int", ofport("before"))
            assert client.replica.bridge("br-int").datapath_id == switch.vsctl(
                "get", "bridge", "br-int", "datapath_id"
            ).strip('"')

            bind("other", "P9", "br-ex", "type=internal")  # of no concern
            bind("v1", "P1")
            assert await anext(events) == Bound("P1", "v1", "br-int", number := ofport("v1"))
            assert "P9" in client.replica.bindings("br-ex")

            switch.vsctl("set", "interface", "v1", "ofport_request=77")
            assert await anext(events) == Bound("P1", "v1", "br-int", 77)
            assert number != 77

            # Another interface for the same logical port: which one has it does not depend on who came first.
            bind("a1", "P1", "br-int", "type=internal")
            assert await anext(events) == Bound("P1", "a1", "br-int", ofport("a1"), ("v1",))
            switch.vsctl("del-port", "br-int", "a1")
            assert await anext(events) == Bound("P1", "v1", "br-int", 77)

            # An interface that is not there is not ready: nothing is said until it is.
            bind("v2", "P2")
            v2 = await client.until(
                lambda: found if (found := client.replica.interface("v2")) and found.ofport else None
            )
            assert (v2.ofport, v2.ready) == (-1, False)
            assert "v2" in v2.error
            switch.run("ip", "link", "add", "v2", "type", "veth", "peer", "name", "v2p")
            assert await anext(events) == Bound("P2", "v2", "br-int", ofport("v2"))

            switch.vsctl("remove", "interface", "v2", "external_ids", "iface-id")
            assert await anext(events) == Unbound("P2", "v2", "br-int", ofport("v2"))
            switch.vsctl("set", "interface", "v2", "external_ids:iface-id=P3")
            assert await anext(events) == Bound("P3", "v2", "br-int", ofport("v2"))

            # Moved to another bridge.
            switch.vsctl(
                "del-port",
                "br-int",
                "before",
                "--",
                "add-port",
                "br-ex",
                "late",
                "--",
                "set",
                "interface",
                "late",
                "type=internal",
                "external_ids:iface-id=P0",
            )
            assert isinstance(await anext(events), Unbound)
            switch.vsctl("del-br", "br-int")
            assert {event.iface_id for event in await collect(events, lambda event: event.iface_id == "P3")} == {
                "P1",
                "P3",
            }
            switch.vsctl("add-br", "br-int", "--", "set", "bridge", "br-int", "datapath_type=netdev")
            bind("v1", "P1")
            assert await anext(events) == Bound("P1", "v1", "br-int", ofport("v1"))

    run(main())


@pytest.mark.root
def test_tunnel_ports_are_made_changed_and_deleted(switch):
    def external_ids(node):
        return {"segue": "tunnel", "segue-node": node}

    switch.vsctl(
        "add-port", "br-ex", "vx-ex", "--", "set", "interface", "vx-ex", "type=vxlan", "options:remote_ip=10.0.0.9"
    )
    switch.vsctl("set", "port", "vx-ex", "external_ids:segue=tunnel")
    switch.vsctl("add-port", "br-int", "theirs", "--", "set", "interface", "theirs", "type=internal")
    others = ("list", "bridge", "br-ex"), ("list", "interface", "vx-ex"), ("list", "port", "vx-ex", "theirs")

    async def main():
        async with (
            await OvsdbClient.connect(switch.database) as client,
            await OvsdbClient.connect(switch.database) as second,
        ):
            before = [switch.vsctl(*what) for what in others]
            await asyncio.sleep(0)

            async def ensure(node, by=client, **options):
                options = {"remote_ip": f"10.0.0.{node}", "key": "flow"} | options
                return await by.ensure_tunnel_port(
                    "br-int", f"vx-{node}", options=options, external_ids=external_ids(node)
                )

            number = await ensure("2")
            assert str(number) == switch.vsctl("get", "interface", "vx-2", "ofport")
            assert "vx-2" in switch.vsctl("list-ports", "br-int").split()
            assert switch.vsctl("get", "interface", "vx-2", "type") == "vxlan"
            assert json.loads(
                switch.vsctl("--format=json", "--columns=options,external_ids", "list", "interface", "vx-2")
            )["data"] == [
                [
                    ["map", [["key", "flow"], ["remote_ip", "10.0.0.2"]]],
                    ["map", [["segue", "tunnel"], ["segue-node", "2"]]],
                ]
            ]
            flows = switch.run("ovs-ofctl", "-O", "OpenFlow15", "show", switch.management("br-int"))
            assert f" {number}(vx-2)" in flows

            # Again is nothing: the database does not change.
            configured = switch.vsctl("get", "open_vswitch", ".", "next_cfg")
            assert await ensure("2") == number
            assert switch.vsctl("get", "open_vswitch", ".", "next_cfg") == configured
            # What others add to external_ids stays, what they change in the options does not.
            switch.vsctl("set", "interface", "vx-2", "external_ids:note=x", "options:key=5")
            await client.until(lambda: client.replica.interface("vx-2").options["key"] == "5" or None)
            assert await ensure("2", csum="true") == number
            assert client.replica.interface("vx-2").options == {"remote_ip": "10.0.0.2", "key": "flow", "csum": "true"}
            assert switch.vsctl("get", "interface", "vx-2", "external_ids:note") == "x"
            # Two clients at once, many ports at once.
            made = await asyncio.gather(*(ensure(str(node), by) for node in range(3, 13) for by in (client, second)))
            assert made[::2] == made[1::2]
            assert len(set(made)) == 10

            with pytest.raises(PortFailed, match="vx-bad") as failed:
                await client.ensure_tunnel_port(
                    "br-int",
                    "vx-bad",
                    options={"remote_ip": "10.0.0.3", "key": "flow"},
                    external_ids=external_ids("bad"),
                )
            assert failed.value.reason
            with pytest.raises(PortRefused, match="on bridge 'br-ex'"):
                await client.ensure_tunnel_port("br-int", "vx-ex", options={}, external_ids=external_ids("ex"))
            with pytest.raises(PortRefused, match="somebody else"):
                await client.ensure_tunnel_port("br-int", "theirs", options={}, external_ids=external_ids("x"))
            with pytest.raises(BridgeMissing):
                await client.ensure_tunnel_port("br-none", "vx-1", options={}, external_ids=external_ids("x"))
            with pytest.raises(OvsdbRefused, match="constraint violation"):
                await client.transact(
                    {"op": "mutate", "table": "Bridge", "where": [], "mutations": [["fail_mode", "insert", "x"]]}
                )

            assert await client.delete_ports("br-int", {"segue-node": "3"}) == ["vx-3"]
            gone = await client.delete_ports("br-int", {"segue": "tunnel"}, keep={"vx-2"})
            assert gone == sorted(["vx-bad", *(f"vx-{node}" for node in range(4, 13))])
            assert switch.vsctl("list-ports", "br-int").split() == ["theirs", "vx-2"]
            assert await client.delete_ports("br-int", {"segue": "tunnel"}, keep={"vx-2"}) == []

            await client.set_bridge_external_ids("br-int", {"segue-a": "1", "segue-b": "2"})
            await client.set_bridge_external_ids("br-int", {"segue-a": "3", "segue-b": None, "segue-c": None})
            assert client.replica.bridge("br-int").external_ids == {"segue-a": "3"}
            assert switch.vsctl("get", "bridge", "br-int", "external_ids") == '{segue-a="3"}'
            with pytest.raises(BridgeMissing):
                await client.set_bridge_external_ids("br-none", {"a": "b"})
            assert [switch.vsctl(*what) for what in others] == before

    run(main())


@pytest.mark.root
def test_a_client_that_is_behind_plans_again(switch):
    """The replica still shows the port that somebody has meanwhile deleted, or does not show it yet."""

    async def main():
        async with await OvsdbClient.connect(switch.database) as client:

            async def ensure(**options):
                options = {"remote_ip": "10.0.0.2"} | options
                return await client.ensure_tunnel_port(
                    "br-int", "vx-2", options=options, external_ids={"segue-node": "2"}
                )

            await ensure()
            switch.vsctl("del-port", "br-int", "vx-2")  # blocks the loop: the client has not heard of it
            assert client.replica.port("vx-2") is not None
            number = await ensure(csum="true")
            assert str(number) == switch.vsctl("get", "interface", "vx-2", "ofport")
            await client.delete_ports("br-int", {"segue-node": "2"})
            switch.vsctl("add-port", "br-int", "vx-2", "--", "set", "port", "vx-2", "external_ids:segue-node=2")
            assert client.replica.port("vx-2") is None
            assert str(await ensure()) == switch.vsctl("get", "interface", "vx-2", "ofport")
            switch.vsctl("del-br", "br-int")
            assert client.replica.bridge("br-int") is not None
            with pytest.raises(BridgeMissing):
                await client.set_bridge_external_ids("br-int", {"a": "b"})

    run(main())


@pytest.mark.root
def test_a_dead_switch_is_a_timeout_and_a_dead_database_a_disconnect(switch):
    async def main():
        client = await OvsdbClient.connect(switch.database)
        switch.signal("ovs-vswitchd")
        with pytest.raises(OvsdbTimeout, match=r"port 'vx-2' .* 0\.5 s\. Is it running"):
            await client.ensure_tunnel_port(
                "br-int", "vx-2", options={"remote_ip": "10.0.0.2"}, external_ids={"segue-node": "2"}, within=0.5
            )
        watching = asyncio.create_task(anext(client.bindings("br-int")))
        ensuring = asyncio.create_task(
            client.ensure_tunnel_port(
                "br-int", "vx-2", options={"remote_ip": "10.0.0.2"}, external_ids={"segue-node": "2"}
            )
        )
        await asyncio.sleep(0.1)
        switch.signal("ovsdb-server")
        for task in (watching, ensuring):
            with pytest.raises(OvsdbLost, match=r"the server closed it|reset by peer"):
                await asyncio.wait_for(task, 5)
        with pytest.raises(OvsdbLost):
            await client.transact()
        with pytest.raises(OvsdbLost):
            await anext(client.bindings("br-int"))
        await client.close()
        with pytest.raises(OvsdbUnreachable, match="refused"):
            await OvsdbClient.connect(switch.database)
        switch.socket.unlink()
        with pytest.raises(OvsdbUnreachable, match="No such file"):
            await OvsdbClient.connect(switch.database)
        switch.start_database()
        switch.start_switch()
        async with await OvsdbClient.connect(switch.database) as client:
            assert await client.ensure_tunnel_port(
                "br-int", "vx-2", options={"remote_ip": "10.0.0.2"}, external_ids={"segue-node": "2"}
            )

    run(main())


@pytest.mark.root
def test_a_database_that_is_silent_is_given_up(switch):
    async def main():
        async with await OvsdbClient.connect(switch.database, probe=0.2) as client:
            watching = asyncio.create_task(anext(client.bindings("br-none")))
            await asyncio.sleep(1)  # idle, but it answers
            assert not watching.done()
            switch.signal("ovsdb-server", signal.SIGSTOP)
            with pytest.raises(OvsdbLost, match=r"silent for 0\.4 s"):
                await asyncio.wait_for(watching, 3)
            switch.signal("ovsdb-server", signal.SIGCONT)

    run(main())


@pytest.mark.root
def test_the_server_is_answered_when_it_probes(switch):
    """ovsdb-server drops a client that lets two of its echo requests pass."""
    server = switch.directory / "db.ctl"

    async def main():
        async with await OvsdbClient.connect(switch.database) as client:
            await client.transact(
                {
                    "op": "insert",
                    "table": "Manager",
                    "uuid-name": "m",
                    "row": {"target": f"punix:{switch.socket}2", "inactivity_probe": 1000},
                },
                {
                    "op": "mutate",
                    "table": "Open_vSwitch",
                    "where": [],
                    "mutations": [["manager_options", "insert", ["named-uuid", "m"]]],
                },
            )
            switch.run(
                "ovs-appctl", "-t", server, "ovsdb-server/add-remote", "db:Open_vSwitch,Open_vSwitch,manager_options"
            )
            async with await OvsdbClient.connect(f"unix:{switch.socket}2", probe=100) as probed:
                watching = asyncio.create_task(anext(probed.bindings("br-none")))
                await asyncio.sleep(3)
                assert not watching.done()
                watching.cancel()

    run(main())


async def _connect_to(answer: bytes) -> None:
    """Connect to a peer on loopback that says `answer` whatever it is asked."""

    async def serve(reader, writer):
        await reader.read(1)
        writer.write(answer)
        await writer.drain()
        await asyncio.sleep(1)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        client = await OvsdbClient.connect(f"tcp:127.0.0.1:{port}", within=0.3)
        await client.close()


@pytest.mark.parametrize(
    ("answer", "error", "reason"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n", OvsdbUnreachable, "not an OVSDB message"),
        (b"", OvsdbUnreachable, "no answer within 0.3 s"),
        (b'{"id": 1, "result": {"Bridge": 3}, "error": null}', OvsdbUnreachable, "does not know"),
        (
            b'{"id": 1, "result": null, "error": {"error": "unknown database", "details": "x"}}',
            OvsdbRefused,
            "database .x.",
        ),
    ],
)
def test_peers_that_are_no_open_vswitch_database_are_named(answer, error, reason):
    with pytest.raises(error, match=reason):
        asyncio.run(_connect_to(answer))


@pytest.mark.parametrize("target", ["ssl:127.0.0.1:6640", "unix:", "/run/db.sock", "tcp:127.0.0.1", ""])
def test_addresses_that_mean_nothing_are_refused(target):
    with pytest.raises(OvsdbUnreachable, match="must be unix:PATH or tcp:HOST:PORT"):
        asyncio.run(OvsdbClient.connect(target))

"""Connections that are cut off in every state, and processes that are killed: both ends find together again by
themselves, and hosts reach each other through the learning switch.

Open vSwitch calls a controller again; `Dialer` calls a switch again. Between them a proxy of the test's own cuts.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from apps.topology import Topology
from openflow.cutter import TO_CONTROLLER, TO_SWITCH, Cut, Cutter, cutter
from openflow.hostile.processes import Controller, controller
from segue.openflow.channel import Channel, ConnectionLost, Dialer, OpenFlowError
from segue.openflow.client import OpenFlowClient
from segue.openflow.protocol import (
    DescRequest,
    FeaturesRequest,
    FlowMod,
    FlowModCommand,
    FlowStatsRequest,
    Output,
    PortDescRequest,
)
from segue.openflow.wire import V13, V14

pytestmark = pytest.mark.root

ROUNDS = 10
BACK = 20.0
"""Seconds within which they have found together again; Open vSwitch waits for one before it calls (`max_backoff`)."""
FLOWS = 3000


def until(true: Callable[[], object], seconds: float = BACK) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.fixture(scope="module")
def net() -> Iterator[Topology]:
    with Topology(1, [], V13, [1, 1]) as made:
        yield made


# -- Open vSwitch calls again --------------------------------------------------------------------------------------

# What goes to the controller: hello, features, ports, and then packets; to the switch: hello, features request, ports
# request, configuration, the removal of flows, the flow for unknown packets, and then answers to packets.
STATES = {
    "connected": Cut(TO_CONTROLLER, 0),
    "half of the switch's hello": Cut(TO_CONTROLLER, 0, 5),
    "the switch said hello": Cut(TO_CONTROLLER, 1),
    "half of its features": Cut(TO_CONTROLLER, 1, 17),
    "it told its features": Cut(TO_CONTROLLER, 2),
    "half of its ports": Cut(TO_CONTROLLER, 2, 100),
    "it told its ports": Cut(TO_CONTROLLER, 3),
    "nothing of the controller's": Cut(TO_SWITCH, 0),
    "half of the controller's hello": Cut(TO_SWITCH, 0, 9),
    "the controller said hello": Cut(TO_SWITCH, 1),
    "it asked for features": Cut(TO_SWITCH, 2),
    "it asked for ports": Cut(TO_SWITCH, 3),
    "it configured": Cut(TO_SWITCH, 4),
    "half of a flow mod": Cut(TO_SWITCH, 4, 30),
    "it removed flows": Cut(TO_SWITCH, 5),
    "it is ready": Cut(TO_SWITCH, 6),
}


def test_open_vswitch_calls_again(net: Topology, tmp_path: Path) -> None:
    with (
        controller(tmp_path, listen=net.listening) as made,
        cutter(net.directory / "cutter.sock", net.directory / "controller.sock") as between,
    ):
        net.connect(f"unix:{net.directory}/cutter.sock")
        assert net.ping(1, 2, BACK)
        for number, (name, cut) in enumerate(STATES.items(), 1):
            between.cut = cut
            calls = between.calls
            between.drop()
            until(lambda number=number: between.cuts == number)
            until(lambda calls=calls: between.calls >= calls + 2)
            until(lambda: "priority=0 actions=CONTROLLER" in net.ofctl("s1", "dump-flows"))
            assert net.ping(1, 2, BACK), name
        assert made.log.count("connected from") >= len(STATES)
        assert "connected again" not in made.log  # each end was noticed
    net.vsctl("del-controller", "s1")


# -- a Dialer calls again ------------------------------------------------------------------------------------------


@asynccontextmanager
async def dialing(net: Topology) -> AsyncIterator[Dialer]:
    seen: list[Channel] = []
    dialer = Dialer(f"unix:{net.directory}/cutter.sock", seen.append, versions={V14}, shortest=0.05, longest=0.3)
    dialer.start()
    try:
        yield dialer
    finally:
        await dialer.aclose()


async def connected(dialer: Dialer) -> Channel:
    async with asyncio.timeout(BACK):
        while dialer.channel is None or not dialer.channel.connected:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        return dialer.channel


def flows() -> list[FlowMod]:
    return [FlowMod({"in_port": n + 1}, (Output(1),), table_id=9, priority=n) for n in range(FLOWS)]


def test_a_dialer_calls_again(net: Topology) -> None:
    """Cut in the hellos, and in the middle of answers."""
    net.vsctl("set", "bridge", "s1", "protocols=OpenFlow13,OpenFlow14")
    hellos = [
        *(Cut(TO_CONTROLLER, 0), Cut(TO_CONTROLLER, 0, 3), Cut(TO_CONTROLLER, 1)),
        *(Cut(TO_SWITCH, 0), Cut(TO_SWITCH, 0, 7)),
    ]
    answers = [
        *(Cut(TO_SWITCH, 1), Cut(TO_SWITCH, 1, 20), Cut(TO_SWITCH, 2), Cut(TO_SWITCH, 3, 40)),
        Cut(TO_CONTROLLER, 2, 4),
    ]

    async def main(between: Cutter) -> None:
        async with dialing(net) as dialer:
            channel = await connected(dialer)
            for number, cut in enumerate(hellos + answers, 1):
                between.cut = cut
                between.drop()
                async with asyncio.timeout(BACK):
                    assert await channel.wait_closed()
                    while between.cuts < number:
                        channel = await connected(dialer)
                        try:
                            for request in (FeaturesRequest(), DescRequest(), PortDescRequest()):
                                await channel.request(request)
                        except ConnectionLost:
                            continue
                channel = await connected(dialer)
                while True:
                    try:
                        await channel.request(PortDescRequest())
                        break
                    except ConnectionLost:
                        channel = await connected(dialer)
            assert channel is dialer.channel and dialer.failure is None

    with cutter(net.directory / "cutter.sock", net.directory / "s1.mgmt") as between:
        asyncio.run(main(between))


def test_cut_off_during_a_long_answer_and_a_bundle(net: Topology) -> None:
    """A bundle is committed whole or not at all; an answer that was cut off is none; and afterwards all goes on."""
    net.vsctl("set", "bridge", "s1", "protocols=OpenFlow13,OpenFlow14")
    empty = FlowMod(command=FlowModCommand.DELETE, table_id=9)
    target = f"unix:{net.directory}/cutter.sock"

    async def count() -> int:
        async with OpenFlowClient(target, version=V14) as client:
            assert client.channel is not None
            return len((await client.channel.request(FlowStatsRequest(table_id=9))).flows)

    async def main(between: Cutter) -> None:
        for part in range(0, FLOWS, 700):  # while additions are sent
            between.cut = Cut(TO_CONTROLLER, 3 + part, 11)
            with pytest.raises((ConnectionLost, OpenFlowError)):
                async with OpenFlowClient(target, version=V14) as client:
                    await client.bundle(flows())
            assert await count() == 0
        async with OpenFlowClient(target, version=V14) as client:
            await client.bundle(flows())
        assert await count() == FLOWS
        for part in (2, 3, 4):  # while the answer comes
            between.cut = Cut(TO_SWITCH, part, 999)
            with pytest.raises(ConnectionLost):
                await count()
        assert await count() == FLOWS
        async with OpenFlowClient(target, version=V14) as client:
            await client.bundle([empty])
        assert await count() == 0

    with cutter(net.directory / "cutter.sock", net.directory / "s1.mgmt") as between:
        asyncio.run(main(between))
        assert between.cuts >= 5


# -- processes are killed ------------------------------------------------------------------------------------------


def test_killed_at_any_moment(net: Topology, tmp_path: Path) -> None:
    """`kill -9` of the controller and of Open vSwitch by turns, some time after they began."""
    net.vsctl("set", "bridge", "s1", "protocols=OpenFlow13")
    choice = random.Random(7)
    made = Controller(tmp_path, listen=net.listening)
    try:
        net.connect()
        assert net.ping(1, 2, BACK)
        begun = time.monotonic()
        for number in range(ROUNDS):
            if number % 3 == 2:
                net.kill_switch()
                time.sleep(choice.random() / 2)
                net.start_switch()
            else:
                made.kill()
                time.sleep(choice.random() / 2)
                made = Controller(tmp_path, listen=net.listening)
            if number % 2:
                time.sleep(choice.random() * 1.5)  # else the next one comes while they are still finding together
                assert net.ping(1, 2, BACK)
            if time.monotonic() - begun > 60:
                break
        assert net.ping(1, 2, BACK) and net.ping(2, 1, BACK)
        assert "Traceback" not in made.log
    finally:
        made.close()
        net.vsctl("del-controller", "s1")

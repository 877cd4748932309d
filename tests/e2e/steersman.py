"""An OpenFlow controller of a service's virtual switch, as a process of its own that a test can kill: run as a script.

It waits at the port of its first argument. What it is told on standard input, a JSON object a line, it does as soon as
a switch is there, and answers with one line each:

    {"do": "look"}                        all that the switch says of itself: ports, flows, groups, meters
    {"do": "send", "messages": [...]}     messages as the OpenFlow library's JSON has them, and a barrier: the errors
    {"do": "burst", "messages": [...]}    messages that have no answer, all at once, with a barrier behind every EVERY:
                                          how many of both are refused
    {"do": "stream", "from": N}           adds flows numbered N and up (cookie, UDP port, priority follow) without end,
                                          with a barrier behind every EVERY; a line at each that is answered: the number
                                          of the last flow before it
    {"do": "paced", "rate": R, "count": C, "flows": F}
                                          C flow mods, R a second, that change F flows in turn; how many seconds it took

A line ``connected`` says that a switch has come.
"""

from __future__ import annotations

import asyncio
import functools
import json
import sys
from typing import Any

from segue.openflow import FlowMod, Output
from segue.openflow import protocol as of
from segue.openflow.as_json import from_json, to_json
from segue.openflow.channel import Channel, OpenFlowError, listen
from segue.openflow.wire import NORMAL, V15

EVERY = 10
AHEAD = 5
"""Barriers that may wait to be answered."""


def numbered(number: int) -> FlowMod:
    return FlowMod(
        {"eth_type": 0x0800, "ip_proto": 17, "udp_dst": 30_000 + number},
        (Output(NORMAL),) if number % 2 else (),
        priority=1_000 + number,
        cookie=number,
    )


class Steersman:
    def __init__(self) -> None:
        self._channel: Channel | None = None
        self._there = asyncio.Event()

    def connected(self, channel: Channel) -> None:
        self._channel = channel
        channel.on_close = lambda _: self._gone(channel)
        self._there.set()
        self._say("connected")

    def _gone(self, channel: Channel) -> None:
        if self._channel is channel:
            self._channel = None
            self._there.clear()

    async def do(self, told: dict[str, Any]) -> None:
        while True:
            await self._there.wait()
            channel = self._channel
            assert channel is not None
            try:
                await getattr(self, f"_{told['do']}")(channel, told)
            except (ConnectionError, TimeoutError) as error:
                self._say({"lost": str(error)})
                if told["do"] != "look":
                    return
                await asyncio.sleep(0.05)
            else:
                return

    async def _look(self, channel: Channel, _: dict[str, Any]) -> None:
        asked = {
            "features": of.FeaturesRequest(),
            "ports": of.PortDescRequest(),
            "flows": of.FlowDescRequest(),
            "groups": of.GroupDescRequest(),
            "meters": of.MeterDescRequest(),
        }
        found = {}
        for what, request in asked.items():
            found[what] = to_json(await channel.request(request), 0, channel.version)
        self._say(found)

    async def _send(self, channel: Channel, told: dict[str, Any]) -> None:
        errors = []
        for body in told["messages"]:
            message, _, _ = from_json({"version": "1.5", **body})
            try:
                await channel.request(message)
            except OpenFlowError as error:
                errors.append(str(error))
        self._say({"errors": errors})

    async def _burst(self, channel: Channel, told: dict[str, Any]) -> None:
        refused: list[Any] = []
        channel.on_event = refused.append
        barriers = []
        for number, body in enumerate(told["messages"], 1):
            channel.send(from_json({"version": "1.5", **body})[0])
            if number % EVERY == 0:
                barriers.append(channel.ask(of.BarrierRequest()))
        answers = await asyncio.wait_for(asyncio.gather(*barriers, return_exceptions=True), 10)
        channel.on_event = None
        self._say({"refused": len(refused) + sum(isinstance(one, Exception) for one in answers)})

    async def _stream(self, channel: Channel, told: dict[str, Any]) -> None:
        number = told["from"]
        waiting: list[asyncio.Future[Any]] = []
        while True:
            for _ in range(EVERY):
                channel.send(numbered(number))
                number += 1
            barrier = channel.ask(of.BarrierRequest())
            barrier.add_done_callback(functools.partial(self._answered, number - 1))
            waiting = [one for one in [*waiting, barrier] if not one.done()]
            if len(waiting) > AHEAD:
                await waiting[0]

    def _answered(self, last: int, done: asyncio.Future[Any]) -> None:
        if not done.cancelled() and done.exception() is None:
            self._say({"acknowledged": last})

    async def _paced(self, channel: Channel, told: dict[str, Any]) -> None:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        for n in range(told["count"]):
            one = numbered(n % told["flows"])
            command = of.FlowModCommand.DELETE_STRICT if (n // told["flows"]) % 2 else of.FlowModCommand.ADD
            actions = () if command else one.actions
            channel.send(FlowMod(one.match, actions, command=command, priority=one.priority, cookie=one.cookie))
            await channel.drain()
            if (ahead := begun + (n + 1) / told["rate"] - loop.time()) > 0:
                await asyncio.sleep(ahead)
        await channel.barrier(60)
        self._say({"took": loop.time() - begun})

    def _say(self, what: object) -> None:
        print(json.dumps(what), flush=True)


async def main() -> None:
    steersman = Steersman()
    await listen(f"ptcp:{sys.argv[1]}:127.0.0.1", steersman.connected, versions=(V15,))
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=1 << 24)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        await steersman.do(json.loads(line))


if __name__ == "__main__":
    asyncio.run(main())

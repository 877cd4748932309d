"""The same as ``ken_program``, of Segue's own OpenFlow library, which counts packet-ins besides:
``python -m bench.injected.own_program CONTROL PORT``."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any

from segue.openflow import FlowMod, FlowModCommand, Output, PacketIn
from segue.openflow.channel import Channel, listen
from segue.openflow.connection import Event, Received, Refused
from segue.openflow.protocol import FeaturesRequest
from segue.openflow.wire import V13

WAIT = 300.0
AHEAD = 500
"""Messages between two looks whether the switch takes them."""


class Program:
    def __init__(self) -> None:
        self.switches: dict[int, Channel] = {}
        self.errors = 0
        self.packets = 0
        self._tasks: set[asyncio.Task[None]] = set()

    def attach(self, channel: Channel) -> None:
        channel.on_event = self._event
        task = asyncio.get_running_loop().create_task(self._welcome(channel))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _welcome(self, channel: Channel) -> None:
        self.switches[(await channel.request(FeaturesRequest())).datapath_id] = channel

    def _event(self, event: Event) -> None:
        self.errors += isinstance(event, Refused)
        self.packets += isinstance(event, Received) and isinstance(event.message, PacketIn)

    async def told(self, what: str, *given: str) -> Any:
        if what == "switches":
            return list(self.switches)
        if what == "packets":
            return self.packets
        numbers = [int(one) for one in given]
        channel = self.switches[numbers[0]]
        if what == "clear":
            channel.send(FlowMod(command=FlowModCommand.DELETE, table_id=255))
            await channel.barrier(WAIT)
            return 0.0
        begun = time.monotonic()
        _, count, first = numbers
        for number in range(first, first + count):
            match = {"in_port": 1, "eth_type": 0x800, "ip_proto": 6, "ipv4_dst": 0x0A080000 + number, "tcp_dst": 80}
            channel.send(FlowMod(match, (Output(2),), priority=5))
            if not number % AHEAD:
                await channel.drain()
        await channel.barrier(WAIT)
        taken = time.monotonic() - begun
        if self.errors:
            raise RuntimeError("a flow was refused")
        return taken

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(json.dumps(await self.told(*line.decode().split())).encode() + b"\n")
            await writer.drain()
        writer.close()


async def main(control: str, port: int) -> None:
    program = Program()
    async with await asyncio.start_unix_server(program.serve, control) as door:
        await listen(f"ptcp:{port}:127.0.0.1", program.attach, versions=(V13,))
        await door.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))

"""``segue openflow replay``: one side of what was recorded, said again, and what came back compared."""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import ssl

from segue.cli.errors import Failure, Mistake
from segue.cli.openflow_conversation import Conversation, conversations
from segue.cli.openflow_player import Player
from segue.cli.openflow_report import Report
from segue.cli.openflow_sockets import end, listening, place, unlist
from segue.cli.openflow_sources import of_file, ports
from segue.cli.openflow_streams import Streams, connect, serve
from segue.cli.openflow_tls import certificates, context, why
from segue.cli.terminal import complain
from segue.openflow.endpoint import Endpoint


def run(args: argparse.Namespace) -> int:
    for value, option in ((args.speed, "--speed"), (args.patience, "--patience")):
        if not (math.isfinite(value) and value > 0):
            raise Mistake(f"{option} {value}: a number above 0 is wanted")
    where = end(args.target)
    tls = context(where, certificates(args, where))
    found = conversations(of_file(args.file, ports(args.port), complain))
    if args.connection is not None:
        found = [one for one in found if one.number == args.connection]
    found = [one for one in found if one.said_by(args.side)]
    if not found:
        which = f" in connection {args.connection}" if args.connection is not None else ""
        raise Mistake(f"{args.file}: no {args.side} says anything there{which}")
    report = Report()
    speed = math.inf if args.fast else args.speed
    asyncio.run(_all(found, args.side, where, args.target, tls, speed, args.wait, args.patience, report))
    if args.output == "json":
        print(json.dumps(report.as_json(), indent=2, ensure_ascii=False))
    else:
        print("\n".join(report.lines()))
    return 1 if report.failed else 0


async def _all(
    found: list[Conversation],
    side: str,
    where: Endpoint,
    target: str,
    tls: ssl.SSLContext | None,
    speed: float,
    wait: bool,
    patience: float,
    report: Report,
) -> None:
    first = min(one.begin for one in found)
    bound = listening(target) if where.passive else None
    calls: asyncio.Queue[Streams] = asyncio.Queue()
    server: asyncio.Task[None] | None = None

    async def called(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        calls.put_nowait((reader, writer))

    if bound is not None:
        complain(f"listening at {place(bound, secure=where.secure)}")
        server = asyncio.create_task(serve(bound, tls, called))

    async def one(conversation: Conversation) -> None:
        if not wait and speed != math.inf:
            await asyncio.sleep((conversation.begin - first) / 1e6 / speed)
        reader, writer = await (calls.get() if bound is not None else _call(where, target, tls))
        try:
            await Player(conversation, side, reader, writer, report, patience).play(speed, wait)
        finally:
            writer.close()

    try:
        await asyncio.gather(*(one(conversation) for conversation in found))
    finally:
        if server is not None:
            server.cancel()
        if bound is not None:
            unlist(bound)
            bound.close()


async def _call(where: Endpoint, target: str, tls: ssl.SSLContext | None) -> Streams:
    try:
        return await connect(where, tls)
    except (OSError, TimeoutError) as error:
        raise Failure(f"cannot connect to {target}: {why(error)}") from None

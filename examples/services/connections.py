"""Many connections over TCP: who answers each, how long its first packet takes, and how long a later one.

connections.py serve PORT                        answers each line with its own address
connections.py ask ADDRESS PORT COUNT AT_ONCE    prints what it found, as JSON
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter
from pathlib import Path

LINES = 2
"""What is asked on each connection, one after another."""
PATIENCE = 20.0


async def serve(port: int) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        name = f"{writer.get_extra_info('sockname')[0]}\n".encode()
        try:
            while await reader.readline():
                writer.write(name)
        except ConnectionError:
            pass
        writer.close()

    await (await asyncio.start_server(answer, "", port, backlog=1024)).serve_forever()


async def ask(address: str, port: int, count: int, at_once: int) -> dict[str, object]:
    """``first`` and ``later``: round trips in seconds, in order of their length."""
    servers: Counter[str] = Counter()
    errors: Counter[str] = Counter()
    first: list[float] = []
    later: list[float] = []
    left = iter(range(count))

    async def one() -> None:
        start = time.perf_counter()
        reader, writer = await asyncio.open_connection(address, port)
        first.append(time.perf_counter() - start)
        for _ in range(LINES):
            start = time.perf_counter()
            writer.write(b"who\n")
            name = await reader.readline()
            later.append(time.perf_counter() - start)
        servers[name.decode().strip()] += 1
        writer.close()

    async def some() -> None:
        for _ in left:
            try:
                await asyncio.wait_for(one(), PATIENCE)
            except OSError as error:  # a timeout too
                errors[type(error).__name__] += 1

    again, start = retransmitted(), time.perf_counter()
    await asyncio.gather(*(some() for _ in range(at_once)))
    return {
        "seconds": time.perf_counter() - start,
        "servers": servers,
        "errors": errors,
        "retransmitted": retransmitted() - again,
        "first": sorted(first),
        "later": sorted(later),
    }


def retransmitted() -> int:
    """How many SYNs this network namespace has sent again."""
    names, values = (line.split() for line in Path("/proc/net/netstat").read_text().splitlines()[:2])
    return int(values[names.index("TCPSynRetrans")])


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["serve", port]:
            asyncio.run(serve(int(port)))
        case ["ask", address, port, count, at_once]:
            print(json.dumps(asyncio.run(ask(address, int(port), int(count), int(at_once)))))
        case _:
            sys.exit(__doc__)

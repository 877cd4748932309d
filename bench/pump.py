"""What a packet-in costs: messages from memory through a `Pump`, and no socket.

The handler is a learning switch: two addresses are read, two dict operations done, one flow modification built. It is
measured alone as well (on messages that are read already), and so is a handler that does nothing, so that
the rest is what reading, calling and writing take. Compiled and generated code run in processes of their own.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from bench.report import Table, figure, progress

VERSIONS = {1: "1.0", 4: "1.3"}
BATCH = 800  # packet-ins: as much as one read of a busy socket brings


def stream(version: int, hosts: int) -> bytes:
    """Packet-ins between hosts that are chosen at random."""
    from segue.openflow import PacketIn, encode

    rng = random.Random(version)
    local = 2 << 40
    frames = []
    for number in range(BATCH):
        macs = [(local + rng.randrange(hosts)).to_bytes(6, "big") for _ in range(2)]
        data = b"".join(macs) + b"\x08\x00" + bytes(46)
        frames.append(encode(PacketIn(1000 + number, len(data), rng.randrange(1, 49), data=data), number, version))
    return b"".join(frames)


def learning() -> Callable[[Any, Any], Any]:
    from segue.openflow import FlowMod, Output

    ports: dict[int, int] = {}

    def learn(switch: Any, msg: Any) -> Any:  # noqa: ARG001
        source, destination = msg.eth_src, msg.eth_dst
        ports[source] = msg.in_port
        port = ports.get(destination, 1)
        return FlowMod(
            match={"in_port": msg.in_port, "eth_src": source, "eth_dst": destination},
            actions=[Output(port)],
            idle_timeout=60,
            buffer_id=msg.buffer_id,
        )

    return learn


def least(rounds: int, do: Callable[[], Any]) -> float:
    """Nanoseconds of processor time per packet-in, the best round, as other processes only ever add to it."""
    best = float("inf")
    for _ in range(rounds):
        begun = time.process_time_ns()
        do()
        best = min(best, (time.process_time_ns() - begun) / BATCH)
    return best


def measure(rounds: int) -> dict[str, list[float]]:
    """version -> whole, the handler alone, the pump with a handler that does nothing."""
    from segue.openflow import core, decode_many

    found = {}
    for version in VERSIONS:
        data = stream(version, 500)
        messages = [msg for msg, _, _ in decode_many(data)]
        handler = learning()
        pump = core.Pump(version, None, lambda _: b"", lambda *_: None, lambda *_: None)
        pump.set_hot(10, handler)
        whole = least(rounds, lambda pump=pump, data=data: pump.feed(data))

        def alone(handler: Any = handler, messages: Any = messages) -> None:
            for msg in messages:
                handler(None, msg)

        pump.set_hot(10, lambda _switch, _msg: None)
        found[VERSIONS[version]] = [whole, least(rounds, alone), least(rounds, lambda p=pump, d=data: p.feed(d))]
    return found


def run(quick: bool) -> list[Table]:
    rounds = 200 if quick else 3000
    rows = []
    for name, pure in (("compiled", "0"), ("generated Python", "1")):
        progress(f"pump: {name}")
        done = subprocess.run(
            [sys.executable, "-m", "bench.pump", str(rounds)],
            env={**os.environ, "SEGUE_PURE_PYTHON": pure},
            capture_output=True,
            text=True,
            check=True,
        )
        for version, (whole, alone, nothing) in json.loads(done.stdout).items():
            rows.append(
                [f"{name}, {version}", figure(whole), figure(1000 / whole, "M/s"), figure(alone), figure(nothing)]
            )
    note = (
        "Nanoseconds of processor time per packet-in, without sockets: through the pump with a learning switch as "
        "handler, that handler alone, and the pump with a handler that does nothing. The best of "
        f"{rounds} rounds of {BATCH}."
    )
    return [Table("packet-ins in memory", ["", "ns", "rate", "handler alone", "empty handler"], rows, note)]


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]))))

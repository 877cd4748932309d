"""How long until all is well again: a server, an agent, or a switch that begins anew, with few and many chains there.

A switch's own count of flows says when it holds everything; the server answers a change that changes nothing when all
agents have said that their switches are right.
"""

from __future__ import annotations

import contextlib
import time

from bench.chains import ChainFabric
from bench.report import Table, progress, spread

NODE = "n2"


class Clock:
    def __init__(self) -> None:
        self._begun = time.monotonic()

    def seconds(self) -> float:
        return time.monotonic() - self._begun


def server(fabric: ChainFabric) -> dict[str, float]:
    fabric.kill("server")
    clock = Clock()
    fabric.start_server()
    answered = clock.seconds()
    fabric.in_force()
    return {"server: first answer": answered, "server: every agent back, and checked": clock.seconds()}


def agent(fabric: ChainFabric) -> dict[str, float]:
    fabric.kill(NODE)
    fabric.until(lambda: fabric.node_states()[NODE] == "absent", "the server to miss the agent")
    clock = Clock()
    fabric.start_agent(NODE)
    fabric.in_force()
    return {"agent: compared with its switch, nothing to change": clock.seconds()}


def switch(fabric: ChainFabric, flows: int) -> dict[str, float]:
    """The switch forgets its flows with its process; its agent notices, and gives it all anew."""
    clock = Clock()
    fabric.lab.restart_switch(NODE, kill9=True)
    runs = clock.seconds()
    fabric.until(lambda: fabric.flow_count(NODE) == flows, "the flows to be back", within=300)
    return {"switch: its process runs": runs, "switch: all flows in force": clock.seconds()}


def run(quick: bool) -> list[Table]:
    sizes = (10, 100) if quick else (10, 1000, 10000)
    rounds = 2 if quick else 7
    taken: dict[tuple[str, int], list[float]] = {}
    with contextlib.ExitStack() as stack:
        fabrics = []
        for size in sizes:
            progress(f"coldstart: {size} chains")
            fabrics.append(stack.enter_context(ChainFabric(size)))
        flows = {fabric.count: fabric.flow_count(NODE) for fabric in fabrics}
        for number in range(rounds):
            for fabric in fabrics:
                progress(f"coldstart: round {number + 1} of {rounds}, {fabric.count} chains")
                for name, seconds in {**server(fabric), **agent(fabric), **switch(fabric, flows[fabric.count])}.items():
                    taken.setdefault((name, fabric.count), []).append(seconds)
    rows = [[name, *(spread(taken[name, size], "s") for size in sizes)] for name in dict.fromkeys(n for n, _ in taken)]
    rows.append([f"flows on {NODE}", *(f"{flows[size]:,}" for size in sizes)])
    note = (
        f"Killed with SIGKILL and started again, from the start of the new process, on a network that is otherwise in "
        f"order. {rounds} rounds; median (first to ninth decile)."
    )
    return [Table("cold start", ["", *(f"{size:,} chains" for size in sizes)], rows, note)]

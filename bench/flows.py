"""Flows installed per second: the driver's bundles against ``ovs-ofctl bundle``, the same flows into the same switch.

The flows are what the function's node holds with so many chains. ``ovs-ofctl`` gets them as text, as the switch itself
told them, and has to read it; the driver gets rules, and has to encode them. The switch is empty each time.
"""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

from bench.compile import Compilers
from bench.report import Table, progress, ratio, spread
from segue.drivers.ovs.render import flow_mods
from segue.lab.lab import Lab
from segue.lab.spec import LabNode, LabSpec
from segue.model.plan import Plan
from segue.model.program import Rule, cookie
from segue.openflow.client import OpenFlowClient

NODE = "n2"


class Bare:
    """One switch without an agent."""

    def __init__(self) -> None:
        self.lab = Lab(LabSpec(f"f{os.getpid()}", (LabNode(NODE, "192.0.2.2", 2),)))

    def ofctl(self, *arguments: str) -> str:
        command = ["ovs-ofctl", "-O", "OpenFlow15", *arguments]
        return str(self.lab.exec(NODE, command, timeout=300, check=True).stdout)

    def clear(self) -> None:
        self.ofctl("del-flows", "br-int")

    def count(self) -> int:
        return int(self.ofctl("dump-aggregate", "br-int").rpartition("flow_count=")[2].split()[0])

    def text(self, path: Path) -> None:
        """What the switch holds, as ``ovs-ofctl`` reads it."""
        dumped = self.ofctl("--no-stats", "--no-names", "dump-flows", "br-int")
        lines = (line.strip() for line in dumped.splitlines() if "actions=" in line)
        path.write_text("".join(f"flow add {line}\n" for line in lines))

    def by_driver(self, rules: list[Rule]) -> float:
        """Seconds, a connection that stands already not counted."""

        async def install() -> float:
            target = f"unix:{self.lab.node_rundir(NODE) / 'br-int'}.mgmt"
            async with OpenFlowClient(target) as client:
                begun = time.monotonic()
                await client.bundle(flow_mods(Plan({cookie(rule): rule for rule in rules})))
                return time.monotonic() - begun

        return asyncio.run(install())

    def by_ofctl(self, path: Path) -> float:
        begun = time.monotonic()
        self.ofctl("bundle", "br-int", str(path))
        return time.monotonic() - begun


def run(quick: bool) -> list[Table]:
    sizes = (100, 1000) if quick else (250, 2500, 10000)
    rounds = 3 if quick else 15
    switch = Bare()
    switch.lab.up()
    try:
        programs = {size: list(Compilers(size).nodes[NODE].rules) for size in sizes}
        rates: dict[tuple[int, str], list[float]] = {}
        for number in range(rounds):
            for size, rules in programs.items():
                progress(f"flows: round {number + 1} of {rounds}, {len(rules)} flows")
                path = switch.lab.state.path / f"flows-{size}"
                switch.clear()
                rates.setdefault((size, "driver"), []).append(len(rules) / switch.by_driver(rules))
                assert switch.count() == len(rules)
                if not path.exists():
                    switch.text(path)
                switch.clear()
                rates.setdefault((size, "ofctl"), []).append(len(rules) / switch.by_ofctl(path))
                assert switch.count() == len(rules)
    finally:
        switch.lab.down()
    rows = [
        ["driver", *(spread(rates[size, "driver"], "/s") for size in sizes)],
        ["`ovs-ofctl bundle`", *(spread(rates[size, "ofctl"], "/s") for size in sizes)],
        ["ratio", *(ratio(rates[size, "driver"], rates[size, "ofctl"]) for size in sizes)],
    ]
    note = (
        f"Flows per second, one bundle into an empty switch; the program of a function's node. {rounds} rounds; median "
        f"(first to ninth decile). `ovs-ofctl` from the start of its process to its end."
    )
    return [Table("flows installed", ["", *(f"{len(programs[size]):,} flows" for size in sizes)], rows, note)]

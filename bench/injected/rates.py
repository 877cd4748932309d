"""Flow-mods through a service's virtual switch, against the same controller on a bare bridge of the same Open vSwitch.

A time is from the first flow-mod of a batch until the barrier behind it is answered: on the bare bridge when the switch
has them, through the virtual one when they are on disk and in force on the node.
"""

from __future__ import annotations

from contextlib import ExitStack
from statistics import median

from bench.injected.network import CLIENT, EVERYTHING, SERVER, Network
from bench.injected.programs import Program
from bench.report import Table, figure, progress, spread

NAMES = {"os-ken": "os-ken 4.2.2", "own": "Segue's library, compiled core"}
BATCHES = (1, 100, 5_000)
OFTEN = {1: 20, 100: 5, 5_000: 1}
"""How often each is measured in a round."""
MOST = 10_000

Taken = dict[tuple[str, int, str], list[float]]


def run(quick: bool) -> list[Table]:
    rounds = 3 if quick else 9
    service = {"hook": "ingress", "attach": [f"port/{CLIENT}", f"port/{SERVER}"], "flows": MOST}
    taken: Taken = {}
    with ExitStack() as stack:
        network = stack.enter_context(Network())
        network.declare({name: {**service, "permissions": EVERYTHING} for name in NAMES})
        programs = {name: stack.enter_context(Program(network, name)) for name in NAMES}
        switches: dict[str, dict[str, int]] = {}
        for number, (name, program) in enumerate(programs.items(), 1):
            virtual = network.controlled(name, program.port)
            switches[name] = {"bare": network.bare_bridge(f"bare{number}", number, program.port), "virtual": virtual}
            program.wait_for(*switches[name].values())
        for number in range(-1, rounds):
            progress(f"services: flow-mods, round {number + 1} of {rounds}")
            for name, program in programs.items():
                for kind, switch in switches[name].items():
                    for batch in BATCHES:
                        found = _batches(program, switch, batch, 1 if number < 0 else OFTEN[batch])
                        if number >= 0:
                            taken.setdefault((name, batch, kind), []).extend(found)
    return [_table(taken, rounds)]


def _batches(program: Program, switch: int, batch: int, often: int) -> list[float]:
    """Each batch is of new flows, on a switch that is empty but for those of this call."""
    program.clear(switch)
    found = [program.add(switch, batch, turn * batch) for turn in range(often)]
    program.clear(switch)
    return found


def _table(taken: Taken, rounds: int) -> Table:
    rows = []
    for name, said in NAMES.items():
        for batch in BATCHES:
            bare, virtual = (taken[name, batch, kind] for kind in ("bare", "virtual"))
            rates = [figure(batch / median(each)) + " /s" for each in (bare, virtual)]
            share = f"{median(bare) / median(virtual):.2f}"
            times = [spread([1000 * one for one in each], "ms") for each in (bare, virtual)]
            rows.append([f"{said}: {batch:,} and a barrier", *times, *rates, share])
    note = (
        "OpenFlow 1.3, one node. From the first flow-mod until the barrier is answered: by the bare bridge when it has "
        "them, by the service's switch when they are on disk and in force on the node. The controller is one process "
        "with both switches, which take turns. "
        f"{rounds} interleaved rounds, the smaller batches several times in each; median (first to ninth decile). The "
        "rates are of the medians."
    )
    columns = ["", "bare: time", "service: time", "bare: flow-mods", "service: flow-mods", "service / bare"]
    return Table("services: flow-mods", columns, rows, note)

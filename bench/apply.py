"""From `apply` of one more chain to its first steered packet, with few and many chains already there; beside OVN.

All fabrics and all of OVN are up at once, and measured in turns. What is added is removed again, unmeasured.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.chains import ChainFabric, added, one_more, write
from bench.ovn import Ovn
from bench.ovn import installed as ovn_installed
from bench.probe import Probe
from bench.report import Table, progress, ratio, spread
from bench.watcher import Watcher

Figures = dict[str, list[float]]
"""By what was measured: milliseconds, one for each round."""
ENDS = ("n3", "n2")
"""The nodes of the path: where packets come in, and where the function is."""


class Subject:
    """A fabric with its probe."""

    def __init__(self, stack: contextlib.ExitStack, count: int) -> None:
        self.fabric = stack.enter_context(ChainFabric(count))
        self.probe = stack.enter_context(Probe(self.fabric))
        self.watcher = stack.enter_context(Watcher(self.fabric, list(ENDS)))
        self.file = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "chain.json"
        self.figures: Figures = {}

    def note(self, name: str, begun: int, at: int) -> None:
        self.figures.setdefault(name, []).append((at - begun) / 1e6)

    def by_request(self, number: int) -> None:
        """By a request to the API, watched from outside."""
        body = json.dumps(one_more(number)).encode()
        accepted = 0

        def change() -> int:
            nonlocal accepted
            begun = time.monotonic_ns()
            self.fabric.request("POST", "/v1/apply", body)
            accepted = time.monotonic_ns()
            return begun

        begun, steered = self.probe.first_steered(number, change)
        seen = self.watcher.flipped(begun)
        ready = max(min(s.time for s in seen if s.node == node) for node in ENDS)
        flipped = min(s.time for s in seen if "classify" in s.stages)
        self.note("accepted", begun, accepted)
        self.note("path installed", begun, ready)
        self.note("classifier installed", begun, flipped)
        self.note("steered", begun, steered)
        self.remove(number)

    def by_command(self, number: int) -> None:
        """By the whole command, from the start of its process."""
        write(self.file, one_more(number))
        command = [sys.executable, "-m", "segue", "apply", "--server", f"unix:{self.fabric.socket}", str(self.file)]
        ended = 0

        def change() -> int:
            nonlocal ended
            begun = time.monotonic_ns()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            ended = time.monotonic_ns()
            return begun

        begun, steered = self.probe.first_steered(number, change)
        self.note("command: steered", begun, steered)
        self.note("command: ended", begun, ended)
        self.remove(number)

    def remove(self, number: int) -> None:
        self.fabric.delete(("chain", added(number)))


def run(quick: bool) -> list[Table]:
    sizes = (10, 100, 300) if quick else (10, 1000, 10000)
    rounds = 3 if quick else 30
    with contextlib.ExitStack() as stack:
        subjects = []
        for size in sizes:
            progress(f"apply: {size} chains")
            subjects.append(Subject(stack, size))
        others = []
        for size in sizes if ovn_installed() else ():
            progress(f"apply: OVN with {size} ports")
            others.append(stack.enter_context(Ovn(size)))
        theirs: dict[int, Figures] = {size: {"nbctl": [], "nbctl, by its daemon": []} for size in sizes}
        for number in range(rounds):
            progress(f"apply: round {number + 1} of {rounds}")
            for subject in subjects:
                subject.by_request(2 * number)
                subject.by_command(2 * number + 1)
            for ovn in others:
                for name, daemon in (("nbctl", False), ("nbctl, by its daemon", True)):
                    theirs[ovn.count][name].append(1000 * ovn.add(number, daemon=daemon))
                    ovn.remove(number)
    return [_parts(subjects, rounds), *([_beside(subjects, theirs)] if others else [])]


def _parts(subjects: list[Subject], rounds: int) -> Table:
    base = subjects[0].figures["steered"]
    rows = [[words, *(spread(s.figures[name], "ms") for s in subjects)] for name, words in _NAMES.items()]
    rows.append(["ratio, request to first steered packet", *(ratio(s.figures["steered"], base) for s in subjects)])
    note = (
        f"One more chain, over three nodes, to a network with this many. A datagram of the new chain's flow leaves "
        f"every 0.2 ms, and the function stamps what passes it: measured is the arrival of the first with a stamp. "
        f"{rounds} rounds; median (first to ninth decile). Each line counts from the beginning: of the request, or, "
        f"measured separately, of the command's process."
    )
    return Table("apply to first steered packet", ["", *(f"{s.fabric.count:,} chains" for s in subjects)], rows, note)


_NAMES = {
    "accepted": "request answered: checked, compiled, on disk",
    "path installed": "new path on all its nodes' switches",
    "classifier installed": "classifier flipped",
    "steered": "**first steered packet**",
    "command: steered": "`segue apply FILE`: first steered packet",
    "command: ended": "`segue apply FILE`: in force on every node, process ended",
}


def _beside(subjects: list[Subject], theirs: dict[int, Figures]) -> Table:
    ours = {"steered": "Segue, request", "command: steered": "Segue, `segue apply FILE`"}
    rows = [[words, *(spread(s.figures[name], "ms") for s in subjects)] for name, words in ours.items()]
    for other in next(iter(theirs.values())):
        rows.append([f"OVN, {other}", *(spread(theirs[s.fabric.count][other], "ms") for s in subjects)])
        for name, words in ours.items():
            ratios = [ratio(theirs[s.fabric.count][other], s.figures[name]) for s in subjects]
            rows.append([f"OVN, {other} / {words}", *ratios])
    note = (
        "Segue: three nodes, to the first steered packet. OVN: one more port with one more ACL, one node, "
        "`ovn-nbctl --wait=hv` from start to end; with as many ports with an ACL each as Segue has chains. Its daemon "
        "holds the northbound database in memory; without, the command reads it first."
    )
    return Table("beside OVN", ["", *(f"{s.fabric.count:,}" for s in subjects)], rows, note)

"""OpenFlow controllers: what a packet-in costs, how long its answer takes, and a thousand switches.

Every controller runs a learning switch, and the generator in ``bench/cbench`` checks every answer; a run with one wrong
answer has no figure. The figure is packet-ins answered per second of the controller's processor time, since the rate by
the wall clock moves with the machine. The rounds are interleaved: each round measures every peer under every condition,
with a fresh process each time, before the next begins.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median

from bench.cbench.build import BuildError
from bench.cbench.peers import PEERS, SPINNING, TESTCONTROLLER, Peer
from bench.cbench.runner import Result, RunError, measure
from bench.report import Table, figure, progress

MANY = 1000
LOADS = (("1.0", 1), ("1.0", 16), ("1.3", 1), ("1.3", 16))
LATENCIES = (("1.0", 1), ("1.0", 16), ("1.3", 1), ("1.3", 16))


class Runs:
    """The results by peer and condition, and what failed."""

    def __init__(self, rounds: int, seconds: int) -> None:
        self.rounds = rounds
        self.seconds = seconds
        self.results: dict[tuple[str, str], list[Result]] = {}
        self.failures: dict[tuple[str, str], str] = {}

    def take(self, peer: Peer, condition: str, version: str, switches: int, *options: str) -> None:
        if switches > peer.switches or (peer.name, condition) in self.failures:
            return
        progress(f"controllers: {condition}: {peer.name}")
        given = ("--seconds", str(self.seconds), "--switches", str(switches), *options)
        try:
            self.results.setdefault((peer.name, condition), []).append(measure(peer, version, *given))
        except (RunError, BuildError) as failure:
            progress(f"controllers: {failure}")
            self.failures[peer.name, condition] = str(failure)

    def values(self, peer: Peer, condition: str, of: Callable[[Result], float]) -> list[float]:
        """None at all, if one of the runs failed."""
        if (peer.name, condition) in self.failures:
            return []
        return [of(result) for result in self.results.get((peer.name, condition), [])]

    def cell(self, peer: Peer, condition: str, of: Callable[[Result], float], unit: str = "") -> str:
        if (peer.name, condition) in self.failures:
            return "failed"
        values = self.values(peer, condition, of)
        return middle(values, unit) if values else "—"

    def failed(self, conditions: Sequence[str]) -> str:
        """A sentence for a table's note."""
        told = dict.fromkeys(text for (_, condition), text in self.failures.items() if condition in conditions)
        return "".join(f" Failed: {text}." for text in told)


def middle(values: Sequence[float], unit: str = "") -> str:
    """The median, with the least and the greatest of the rounds."""
    if len(values) < 2:
        return figure(values[0], unit)
    return f"{figure(median(values), unit)} ({figure(min(values))} to {figure(max(values))})"


def handled(result: Result) -> float:
    return result.handled


def run(quick: bool) -> list[Table]:
    runs = Runs(1, 2) if quick else Runs(3, 5)
    for number in range(runs.rounds):
        progress(f"controllers: round {number + 1} of {runs.rounds}")
        for version, switches in LOADS:
            for peer in PEERS:
                runs.take(peer, load(version, switches), version, switches)
        for version, switches in LATENCIES:
            for peer in (*PEERS, SPINNING):
                runs.take(peer, latency(version, switches), version, switches, "--mode", "latency")
        for peer in PEERS:
            few = ("--macs", "100", "--outstanding", "10")
            runs.take(peer, "many", "1.3", MANY, *few)
            runs.take(peer, "flood", "1.3", MANY, "--macs", "100", "--mode", "flood")
    return [_throughput(runs), _ratios(runs), _latencies(runs), _many(runs)]


def load(version: str, switches: int) -> str:
    return f"{version}, {switches} switch{'es' if switches > 1 else ''}"


def latency(version: str, switches: int) -> str:
    return f"{load(version, switches)}, one at a time"


def _throughput(runs: Runs) -> Table:
    conditions = [load(*one) for one in LOADS]
    rows = [[peer.name, *(runs.cell(peer, condition, handled) for condition in conditions)] for peer in PEERS]
    note = (
        f"Packet-ins answered, each answer checked, per second of the controller's processor time. 100,000 hosts per "
        f"switch, at most 1,000 packet-ins under way per switch. {_method(runs)}{runs.failed(conditions)}"
    )
    return Table("controllers: packet-ins per second of processor time", ["", *conditions], rows, note)


def _ratios(runs: Runs) -> Table:
    conditions = [load(*one) for one in LOADS]
    kens = [peer for peer in PEERS if peer.name.startswith("os-ken")]
    testcontroller = [peer for peer in PEERS if peer.name == TESTCONTROLLER]
    rows = []
    for peer in PEERS:
        pairs = ((_against(runs, peer, kens, one), _against(runs, peer, testcontroller, one)) for one in conditions)
        rows.append([peer.name, *(" / ".join(pair) for pair in pairs)])
    note = f"To the better application of os-ken / to {TESTCONTROLLER}; of the medians."
    return Table("controllers: the same as ratios", ["", *conditions], rows, note)


def _against(runs: Runs, peer: Peer, others: Sequence[Peer], condition: str) -> str:
    mine = runs.values(peer, condition, handled)
    bases = [median(values) for other in others if (values := runs.values(other, condition, handled))]
    return figure(median(mine) / max(bases)) if mine and bases else "—"


def _latencies(runs: Runs) -> Table:
    conditions = [latency(*one) for one in LATENCIES]
    rows = []
    for peer in (*PEERS, SPINNING):
        row = [peer.name]
        for condition in conditions:
            row += [runs.cell(peer, condition, lambda result: result.p50_us, "µs")]
            row += [runs.cell(peer, condition, lambda result: result.p99_us, "µs")]
        rows.append(row)
    columns = [f"{load(*one)}, {part}" for one in LATENCIES for part in ("median", "99th percentile")]
    note = (
        f"From packet-in to answer, every switch with one packet-in under way; the generator spins. {_method(runs)}"
        f"{runs.failed(conditions)}"
    )
    return Table("controllers: latency", ["", *columns], rows, note)


def _many(runs: Runs) -> Table:
    measures: list[tuple[str, str, Callable[[Result], float], str]] = [
        ("until all are served", "many", lambda result: result.ready_seconds, "s"),
        ("memory per switch, connected", "many", lambda one: (one.rss_connected - one.rss_before) / MANY, "KiB"),
        ("after load", "many", lambda one: (one.rss_end - one.rss_before) / MANY, "KiB"),
        ("packet-ins per processor second", "many", handled, ""),
        ("least of a switch to most", "many", lambda one: one.least / one.most, ""),
        ("peak memory in a flood", "flood", lambda one: one.rss_peak / 1024, "MiB"),
    ]
    served = [peer for peer in PEERS if peer.switches >= MANY]
    rows = [
        [peer.name, *(runs.cell(peer, condition, of, unit) for _, condition, of, unit in measures)] for peer in served
    ]
    note = (
        f"OpenFlow 1.3; all connect at once. Memory is resident, less that of the controller without switches, over "
        f"{MANY}; the load is 100 hosts and at most 10 packet-ins under way per switch. In the flood every switch "
        f"sends packet-ins as fast as it can and reads nothing, for {runs.seconds} s. {TESTCONTROLLER} serves 16 "
        f"switches and is left out. {_method(runs)}{runs.failed(['many', 'flood'])}"
    )
    return Table(f"controllers: {MANY:,} switches", ["", *(name for name, *_ in measures)], rows, note)


def _method(runs: Runs) -> str:
    if runs.rounds == 1:
        return f"One round of {runs.seconds} s."
    return f"{runs.rounds} interleaved rounds of {runs.seconds} s; median (least to greatest)."

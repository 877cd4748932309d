"""The networking API: how many calls per second, how long each takes, and the same of networking-sfc's own server.

Every server is a fresh process with a fresh database, on one processor; the client is a process on the other one. Every
answer's status is checked, and every list's length; one that is wrong ends the benchmark.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from itertools import pairwise
from statistics import median, quantiles

import msgspec

from bench.nsfc import calls
from bench.nsfc.calls import dealt
from bench.nsfc.client import Call
from bench.nsfc.servers import Result, Server, reference, segue, synced
from bench.report import Table, figure, progress, spread

NODE = "n1"
CLIENTS = (1, 8)


class Subject(msgspec.Struct):
    """Who is asked, how it is started, and what came of each round."""

    name: str
    start: Callable[[], AbstractContextManager[Server]]
    host: str = ""
    results: list[Result] = []

    def take(self, passes: int) -> None:
        with self.start() as server:
            server.run(calls.script(self.host, 1))
            self.results.append(server.run(calls.script(self.host) * passes))

    def each(self, of: Callable[[Result], float]) -> list[float]:
        return [of(result) for result in self.results]


def run(quick: bool) -> list[Table]:
    disk = synced()
    return [*_beside(quick, disk), _many(quick, disk)]


# The same calls to both.


def _beside(quick: bool, disk: float) -> list[Table]:
    rounds, passes = (1, 1) if quick else (5, 1)
    subjects = [
        Subject("Segue", lambda: segue(calls.UNLIMITED)),
        Subject("Segue, ports on a declared node", lambda: segue(calls.UNLIMITED, NODE), NODE),
        Subject("Neutron with networking-sfc", lambda: reference(True)),
        Subject("Neutron with networking-sfc, acknowledging before the disk has it", lambda: reference(False)),
    ]
    for number in range(rounds):
        for subject in subjects:
            progress(f"networking-sfc: round {number + 1} of {rounds}: {subject.name}")
            subject.take(passes)
    ours, _, theirs, fast = subjects
    note = (
        f"{len(calls.script(''))} calls a pass (networks, subnets, ports, port pairs, groups, classifiers, chains: "
        f"create, show, list, update, delete), one client, connection kept open. A smaller pass comes first and "
        f"is not measured. {rounds} interleaved rounds, each with fresh processes and databases; median (first to "
        f"ninth decile). Processor: calls per second of the server's processor time. The disk makes an append durable "
        f"in {disk * 1e6:,.0f} µs."
    )
    columns = ["", "calls per second", "processor", "median", "99th percentile", "Segue's rate to it", "by processor"]
    rows = [
        [
            subject.name,
            spread(subject.each(_rate)),
            spread(subject.each(_economy)),
            *_milliseconds([one for result in subject.results for one in result.every]),
            *(figure(median(ours.each(of)) / median(subject.each(of))) for of in (_rate, _economy)),
        ]
        for subject in subjects
    ]
    table = Table("networking-sfc: the same calls to both", columns, rows, note)
    return [table, _by_call(ours, theirs, fast)]


def _by_call(ours: Subject, theirs: Subject, fast: Subject) -> Table:
    rows = []
    for label in ours.results[0].latencies:
        medians = [
            median(one for result in who.results for one in result.latencies[label]) for who in (ours, theirs, fast)
        ]
        mine, durable, volatile = medians
        rows.append([label.replace("_", " "), *(figure(each / 1000, "ms") for each in medians)])
        rows[-1] += [figure(durable / mine), figure(volatile / mine)]
    columns = ["", "Segue", "Neutron", "acknowledging early", "Neutron / Segue", "early / Segue"]
    return Table("networking-sfc: the same, by call", columns, rows, "Median latency of the same rounds.")


def _rate(result: Result) -> float:
    return result.calls / result.seconds


def _economy(result: Result) -> float:
    return result.calls / result.processor


def _milliseconds(microseconds: Sequence[float]) -> list[str]:
    last = quantiles(microseconds, n=100, method="inclusive")[-1] if len(microseconds) > 1 else microseconds[0]
    return [figure(median(microseconds) / 1000, "ms"), figure(last / 1000, "ms")]


# Many objects.


class Many:
    """One server that fills, is read, changed, and emptied; ``rows`` by what is done, with results by clients."""

    def __init__(self, server: Server, size: int) -> None:
        self.server = server
        self.size = size
        self.rows: dict[str, dict[int, Result]] = {}

    def take(self, name: str, batches: Sequence[Sequence[Call]]) -> None:
        """A batch for each number of clients."""
        for clients, batch in zip(CLIENTS, batches, strict=True):
            progress(f"networking-sfc: {name}, {clients} at a time")
            self.rows.setdefault(name, {})[clients] = self.server.run(*dealt(batch, clients))

    def fill(self, kind: str, make: Callable[[int], Call]) -> None:
        """All of them are made: one half one at a time, the other eight at a time, by turns in ten parts."""
        parts = 10
        edges = [self.size * edge // (2 * parts) for edge in range(2 * parts + 1)]
        found: dict[int, list[Result]] = {clients: [] for clients in CLIENTS}
        for part, (start, end) in enumerate(pairwise(edges)):
            clients = CLIENTS[part % 2]
            progress(f"networking-sfc: create {kind}s up to {end}, {clients} at a time")
            found[clients].append(self.server.run(*dealt(map(make, range(start, end)), clients)))
        self.rows[f"create {kind}"] = {clients: _together(results) for clients, results in found.items()}

    def touch(self, kind: str, stem: str, often: int) -> None:
        """Show and update, spread over all of them, and lists."""
        step = max(1, self.size // often)
        names = [f"{stem}{number}" for number in range(0, self.size, step)]
        self.take(f"show {kind}", [[calls.show(kind, name) for name in names]] * 2)
        self.take(
            f"update {kind}", [[calls.update(kind, name, description=f"by {n}") for name in names] for n in CLIENTS]
        )
        self.take(f"list {kind}, all", [[calls.listed(kind, "", self.size)] * 8] * 2)
        page = [calls.listed(kind, f"limit={calls.PAGE}&marker=<{name}>", -1) for name in names[: often // 5]]
        self.take(f"list {kind}, a page of {calls.PAGE}", [page] * 2)
        self.take(f"list {kind}, by name", [[calls.listed(kind, f"name={name}", 1) for name in names]] * 2)

    def empty(self, kind: str, stem: str, often: int) -> None:
        names = [f"{stem}{self.size - 1 - number}" for number in range(2 * often)]
        self.take(f"delete {kind}", [[calls.delete(kind, name) for name in part] for part in dealt_by_two(names)])


def dealt_by_two(names: Sequence[str]) -> list[Sequence[str]]:
    return [names[0::2], names[1::2]]


def _together(results: Sequence[Result]) -> Result:
    latencies: dict[str, list[float]] = {}
    for result in results:
        for label, each in result.latencies.items():
            latencies.setdefault(label, []).extend(each)
    return Result(sum(one.seconds for one in results), sum(one.processor for one in results), latencies, {})


def _many(quick: bool, disk: float) -> Table:
    size, often = (200, 20) if quick else (10_000, 1000)
    with segue(calls.UNLIMITED) as server:
        many = Many(server, size)
        server.run(calls.ground(size))
        many.fill("port_pair", calls.pair)
        server.run(calls.groups(size))
        many.fill("flow_classifier", calls.classifier(size))
        many.fill("port_chain", calls.chain(size))
        stems = {"port_pair": "pair", "flow_classifier": "fc", "port_chain": "chain"}
        for kind, stem in stems.items():
            many.touch(kind, stem, often)
        for kind, stem in reversed(stems.items()):
            many.empty(kind, stem, often)
    rows = []
    for name, by_clients in many.rows.items():
        row = [name.replace("_", " ")]
        for clients in CLIENTS:
            result = by_clients[clients]
            row += [figure(_rate(result)), figure(_economy(result))]
            row += _milliseconds(result.every)
        rows.append(row)
    columns = [
        f"{clients} at a time: {what}"
        for clients in CLIENTS
        for what in ("calls per second", "processor", "median", "99th percentile")
    ]
    note = (
        f"{size:,} port pairs, {size:,} flow classifiers, {size:,} chains of two groups each, all there while they "
        f"are read and changed; one after the other or by {CLIENTS[1]} clients at once, connections kept open. Made "
        f"from none to all, in parts by turns. Processor: calls per second of the server's processor time. The disk "
        f"makes an append durable in {disk * 1e6:,.0f} µs."
    )
    return Table(f"networking-sfc: {size:,} of each", ["", *columns], rows, note)

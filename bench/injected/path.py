"""What a service adds to the latency of a packet that its table lets pass: round trips between two hosts.

The same hosts and sockets throughout; what changes from one measurement to the next is which service is attached to the
client's port, whose datagrams it meets on their way out and whose sender's on their way back it does not.
"""

from __future__ import annotations

from statistics import median, quantiles

from bench.injected.network import CLIENT, EVERYTHING, SERVER, Network, passing
from bench.injected.packets import Trips
from bench.injected.pong import SIZE
from bench.report import Table, progress, spread

SIZES = {"nothing at the hook": 0, "a service of 1 flow": 1, "a service of 100 flows": 100}
KINDS = {"same": "one flow of packets", "fresh": "first packets, each of a flow of its own"}
WARM = 200


def run(quick: bool) -> list[Table]:
    rounds, count = (10, 300) if quick else (60, 500)
    services = {f"s{size}": {"hook": "ingress", "permissions": EVERYTHING} for size in SIZES.values() if size}
    taken: dict[tuple[str, int], list[list[float]]] = {}
    with Network() as network:
        network.declare(services)
        with Trips(network) as trips:
            for number in range(rounds):
                progress(f"services: latency, round {number + 1} of {rounds}")
                order = list(SIZES.values())
                for size in order if number % 2 else reversed(order):
                    if size:
                        network.attach(f"s{size}", CLIENT, SERVER)
                        network.fill(f"s{size}", passing(size))
                    for kind in KINDS:
                        trips.take(WARM, kind)
                        taken.setdefault((kind, size), []).append(trips.take(count, kind))
                    if size:
                        if number == 0:
                            _met(network, f"s{size}", 2 * count)
                        network.attach(f"s{size}")
    return [_table(taken, rounds, count)]


def _met(network: Network, service: str, least: int) -> None:
    """Whether the service met the datagrams. The switch adds up what its cache has counted now and then."""

    def enough() -> bool:
        found = network.get(f"/v1/services/{service}/flows")["flows"]
        return sum(int(flow["packet_count"]) for flow in found) >= least

    network.until(enough, f"service {service} to have met {least} packets")


def _table(taken: dict[tuple[str, int], list[list[float]]], rounds: int, count: int) -> Table:
    rows = []
    for kind, said in KINDS.items():
        base = [median(each) for each in taken[kind, 0]]
        last = [_last(each) for each in taken[kind, 0]]
        for name, size in SIZES.items():
            middles, lasts = ([of(each) for each in taken[kind, size]] for of in (median, _last))
            shares = [f"{100 * (median(a) / median(b) - 1):+.1f} %" for a, b in ((middles, base), (lasts, last))]
            rows.append([f"{said}: {name}", spread(middles, "µs"), spread(lasts, "µs"), *shares])
    note = (
        f"Round trips of {SIZE} octets between two hosts on one node, over ports that both have the service at hook "
        f"ingress, so that a round trip meets it twice; nothing but its last flow, output NORMAL, matches them. "
        f"{rounds} interleaved rounds of {count:,} each; the median over the rounds of each round's median and 99th "
        f"percentile (first to ninth decile)."
    )
    columns = ["", "median", "99th percentile", "added to the median", "to the 99th percentile"]
    return Table("services: latency of packets that pass", columns, rows, note)


def _last(values: list[float]) -> float:
    return quantiles(values, n=100, method="inclusive")[-1]

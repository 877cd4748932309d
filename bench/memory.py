"""What server and agents hold in memory, by how much is declared.

Chains: all of them on the same three nodes, two of which take part in each. Ports: a cloud of many nodes, a hundred
ports to a network and each network on three nodes, so that a node has to do with few; three of these nodes run here.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from tests.e2e.fabric import Fabric

from bench.chains import ChainFabric
from bench.report import Table, progress

PER_NETWORK = 100
PORTS_PER_NODE = 1000


def held(fabric: Fabric, name: str) -> str:
    """The process's proportional set size: what is shared counts by its share."""
    pid = fabric.processes[name].pid
    found = re.search(r"^Pss:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
    assert found
    return f"{int(found[1]) / 1024:,.0f} MiB"


def cloud(ports: int) -> dict[str, Any]:
    networks = max(1, ports // PER_NETWORK)
    nodes = max(3, ports // PORTS_PER_NODE)
    return {
        "nodes": {f"n{node + 1}": f"192.0.{2 + node // 200}.{node % 200 + 1}" for node in range(nodes)},
        "networks": {f"net{network}": f"10.{network >> 8}.{network & 255}.0/24" for network in range(networks)},
        "ports": {
            f"port{number}": {
                "network": f"net{(network := number // PER_NETWORK)}",
                "node": f"n{(3 * network + number % 3) % nodes + 1}",
                "address": f"10.{network >> 8}.{network & 255}.{number % PER_NETWORK + 1}",
            }
            for number in range(ports)
        },
    }


def run(quick: bool) -> list[Table]:
    chain_counts = (10, 100) if quick else (10, 1000, 10000)
    port_counts = (300, 3000) if quick else (1000, 10000, 100000)
    rows = []
    for count in chain_counts:
        progress(f"memory: {count} chains")
        with ChainFabric(count) as fabric:
            rows.append(_row(f"{count:,} chains", fabric))
    for count in port_counts:
        progress(f"memory: {count} ports")
        with Cloud(count) as fabric:
            rows.append(_row(f"{count:,} ports on {fabric.declared_nodes} nodes", fabric))
    note = (
        "Proportional set size, once everything is in force. Chains go from n3 by n2, where the function is, to n1, "
        "which has no part in their paths. Of the ports each of the three nodes shown has its share, and knows those "
        "of its networks. Last column: flows on n2."
    )
    return [Table("memory", ["", "server", "agent n1", "agent n2", "agent n3", "flows"], rows, note)]


def _row(title: str, fabric: ChainFabric) -> list[str]:
    sizes = [held(fabric, name) for name in ("server", "n1", "n2", "n3")]
    return [title, *sizes, f"{fabric.flow_count('n2'):,}"]


class Cloud(ChainFabric):
    """Without chains, and with nodes that are declared and not there."""

    def __init__(self, ports: int) -> None:
        super().__init__(ports)
        self.declared = cloud(ports)
        self.declared_nodes = len(self.declared["nodes"])

    def fill(self) -> None:
        self.apply(self.declared, wait=0, ready=False)
        self.until(self.three_ready, "the nodes that are here to be ready", within=300)

    def three_ready(self) -> bool:
        states = self.node_states()
        return all(states[node] == "ready" for node in self.nodes)

"""Injected services: what their virtual switches take, what they cost packets, many of them, and a flood of one.

flow-mods   through a service's switch, against the same controller on a bare bridge          bench/injected/rates.py
latency     of packets that a service's table lets pass                                       bench/injected/path.py
many        a thousand services of a hundred flows each                                       bench/injected/many.py
flood       of packet-ins of one service, while another's flow-mods are timed                 bench/injected/flood.py
"""

from __future__ import annotations

from bench.injected import flood, many, path, rates
from bench.report import Table


def run(quick: bool) -> list[Table]:
    return [table for part in (rates, path, many, flood) for table in part.run(quick)]

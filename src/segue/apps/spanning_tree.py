"""Floods that are safe in networks with loops: they follow a spanning tree of the links that `discovery` found.

Ports to hosts are flooded to; of the ports between switches, those alone on which the tree runs. A port that has just
come up waits for `SETTLE` seconds, because until it has been probed nobody knows whether a switch is behind it. When
the tree changes, applications hear `TopologyChanged` of every switch that it changed at, as addresses may be behind
other ports now.

The tree is of the least hops from the switch with the lowest datapath id; between two switches with several links it
runs over the one with the lowest ports. The same links always make the same tree.
"""

import asyncio
from collections import deque
from collections.abc import Iterable, Mapping

from segue.apps.discovery import End, LinkDown, LinkUp, topology_of
from segue.openflow import MAX_PORT, App, Port, PortStatus, Started, SwitchDown, SwitchUp, TopologyChanged
from segue.openflow.controller import Controller, Switch

SETTLE = 1.0
PAUSE = 0.05
"""Seconds between two looks at the network: many links that come at the same time make one tree."""

app = App("spanning-tree", needs=["discovery"])


def tree(switches: Iterable[int], links: Mapping[End, End]) -> set[End]:
    """The ends of links that the spanning trees run over; a link counts when both directions were seen."""
    known = set(switches)
    neighbours: dict[int, list[tuple[End, End]]] = {}
    for source, target in sorted(links.items()):
        if links.get(target) == source and source[0] in known and target[0] in known:
            neighbours.setdefault(source[0], []).append((source, target))
    ends: set[End] = set()
    reached: set[int] = set()
    for root in sorted(known):
        if root in reached:
            continue
        reached.add(root)
        waiting = deque([root])
        while waiting:
            for source, target in neighbours.get(waiting.popleft(), ()):
                if target[0] not in reached:
                    reached.add(target[0])
                    ends |= {source, target}
                    waiting.append(target[0])
    return ends


class Floods:
    """Where the switches of one controller flood to."""

    def __init__(self) -> None:
        self.news = asyncio.Event()
        """Something changed since the last look."""
        self._fresh: dict[End, float] = {}
        self._trunks: dict[int, frozenset[int]] = {}

    def fresh(self, ends: Iterable[End], now: float) -> None:
        """These ports have come up."""
        self._fresh.update(dict.fromkeys(ends, now))

    def forget(self, datapath_id: int) -> None:
        self._trunks.pop(datapath_id, None)
        self._fresh = {end: when for end, when in self._fresh.items() if end[0] != datapath_id}

    def trunk(self, datapath_id: int) -> frozenset[int]:
        """The ports on which the tree runs, as planned last."""
        return self._trunks.get(datapath_id, frozenset())

    def due(self) -> float | None:
        """When the next port will have waited long enough; None if none waits."""
        first = min(self._fresh.values(), default=None)
        return None if first is None else first + SETTLE

    def plan(
        self, switches: Mapping[int, Mapping[int, Port]], links: Mapping[End, End], now: float
    ) -> dict[int, tuple[frozenset[int], bool]]:
        """datapath id -> (the ports to flood to, whether the tree is another one there than it was), for switches with
        these ports."""
        self._fresh = {end: when for end, when in self._fresh.items() if now < when + SETTLE}
        ends = tree(switches, links)
        between = set(links) | set(links.values())
        plans = {}
        for number, ports in switches.items():
            flood = set()
            for port_no, port in ports.items():
                end = (number, port_no)
                host = end not in between and end not in self._fresh
                if port_no < MAX_PORT and port.up and (end in ends or host):
                    flood.add(port_no)
            trunk = frozenset(port_no for port_no in flood if (number, port_no) in ends)
            plans[number] = (frozenset(flood), self._trunks.get(number, trunk) != trunk)
            self._trunks[number] = trunk
        return plans


floods_of = app.state(Floods)


def _look(controller: Controller) -> None:
    """Sets where each switch floods to, and tells of what changed."""
    ports = {number: switch.ports for number, switch in controller.switches.items()}
    plans = floods_of(controller).plan(ports, topology_of(controller).links, asyncio.get_running_loop().time())
    changed = []
    for number, (flood, other) in plans.items():
        switch = controller.switches[number]
        switch.flood_ports = flood
        if other:
            changed.append(switch)
    for switch in changed:
        controller.emit(switch, TopologyChanged())


async def _keep(controller: Controller) -> None:
    """Looks at the network when there are news of it, and when a port has waited long enough."""
    floods = floods_of(controller)
    while True:
        try:
            async with asyncio.timeout_at(floods.due()):
                await floods.news.wait()
        except TimeoutError:
            pass
        floods.news.clear()
        _look(controller)
        await asyncio.sleep(PAUSE)


@app.on(Started)
def started(controller: Controller, _event: Started) -> None:
    controller.spawn(app, _keep(controller))


@app.on(SwitchUp)
def up(switch: Switch, _event: SwitchUp) -> None:
    floods = floods_of(switch.controller)
    floods.fresh([(switch.id, port_no) for port_no in switch.ports], asyncio.get_running_loop().time())
    switch.flood_ports = frozenset()
    floods.news.set()


@app.on(SwitchDown)
def down(switch: Switch, _event: SwitchDown) -> None:
    floods = floods_of(switch.controller)
    floods.forget(switch.id)
    switch.flood_ports = None
    floods.news.set()


@app.on(PortStatus)
def port_status(switch: Switch, msg: PortStatus) -> None:
    floods, end = floods_of(switch.controller), (switch.id, msg.desc.port_no)
    port, flooded = switch.ports.get(end[1]), switch.flood_ports or frozenset()
    if port is None or not port.up:
        switch.flood_ports = flooded - {end[1]}
    elif end[1] not in flooded:
        floods.fresh([end], asyncio.get_running_loop().time())
    floods.news.set()


@app.on(LinkUp)
def link_up(controller: Controller, event: LinkUp) -> None:
    """Whatever the next tree is like: until then there is no flood over a link that the last one did not know."""
    floods = floods_of(controller)
    for datapath_id, port_no in (event.source, event.target):
        switch = controller.switches.get(datapath_id)
        if switch is not None and switch.flood_ports is not None and port_no not in floods.trunk(datapath_id):
            switch.flood_ports -= {port_no}
    floods.news.set()


@app.on(LinkDown)
def link_down(controller: Controller, _event: LinkDown) -> None:
    floods_of(controller).news.set()

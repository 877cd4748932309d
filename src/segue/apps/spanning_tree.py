"""Floods that are safe in networks with loops: they follow a spanning tree of the links that `discovery` found.

Ports to hosts are flooded to; of the ports between switches, those alone on which the tree runs. A port that has just
come up waits for `SETTLE` seconds, because until it has been probed nobody knows whether a switch is behind it. When
the tree changes, applications hear `TopologyChanged` of every switch, as addresses may be behind other ports now.

The tree is of the least hops from the switch with the lowest datapath id; between two switches with several links it
runs over the one with the lowest ports. The same links always make the same tree.
"""

import asyncio
from collections import deque

from segue.apps.discovery import End, LinkDown, LinkUp, links
from segue.openflow import MAX_PORT, App, PortStatus, SwitchDown, SwitchUp, TopologyChanged

SETTLE = 1.0

app = App("spanning-tree", needs=["discovery"])
_fresh: dict[End, float] = {}
_before: dict[int, frozenset[int]] = {}


def tree(switches: set[int], found: dict[End, End]) -> set[End]:
    """The ends of links that the spanning trees run over; a link counts when both directions were seen."""
    neighbours: dict[int, list[tuple[End, End]]] = {}
    for source, target in sorted(found.items()):
        if found.get(target) == source and source[0] in switches and target[0] in switches and source[0] != target[0]:
            neighbours.setdefault(source[0], []).append((source, target))
    ends: set[End] = set()
    reached: set[int] = set()
    for root in sorted(switches):
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


def _update(controller) -> None:
    """Sets where each switch floods to, and tells of what changed."""
    ends = tree(set(controller.switches), links)
    between = set(links) | set(links.values())
    now = asyncio.get_running_loop().time()
    for switch in list(controller.switches.values()):
        ports = set()
        for number, port in switch.ports.items():
            end = (switch.id, number)
            settled = _fresh.get(end, 0.0) + SETTLE <= now
            if number < MAX_PORT and port.up and (end in ends or (end not in between and settled)):
                ports.add(number)
        switch.flood_ports = frozenset(ports)
        trunk = frozenset(number for number in ports if (switch.id, number) in ends)
        if _before.get(switch.id, trunk) != trunk:
            controller.emit(switch, TopologyChanged())
        _before[switch.id] = trunk


@app.on(SwitchUp)
async def up(switch, event):
    now = asyncio.get_running_loop().time()
    for number in switch.ports:
        _fresh[switch.id, number] = now
    switch.flood_ports = frozenset()
    await asyncio.sleep(SETTLE)
    _update(switch.controller)


@app.on(PortStatus)
async def port_status(switch, msg):
    end = (switch.id, msg.desc.port_no)
    if msg.desc.up and end not in links and end not in links.values():
        _fresh[end] = asyncio.get_running_loop().time()
    _update(switch.controller)
    await asyncio.sleep(SETTLE)
    _update(switch.controller)


@app.on(SwitchDown)
def down(switch, event):
    _before.pop(switch.id, None)
    for end in [end for end in _fresh if end[0] == switch.id]:
        del _fresh[end]
    _update(switch.controller)


@app.on(LinkUp, LinkDown)
def link(controller, event):
    _update(controller)

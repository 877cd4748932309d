"""A service to ask for: three ports and a router on two nodes, one port that has gone; and what it may do."""

from __future__ import annotations

from typing import Any

from segue.inject.flow import Flow
from segue.inject.scope import Element, Scope
from segue.model.hooks import HOOKS
from segue.model.intent import REWRITES, Permissions
from segue.model.program import FIRST_GROUP, FIRST_METER
from segue.openflow import Action, ApplyActions

ALL = Permissions(True, True, True, True, True, True, True, REWRITES)
NONE = Permissions()

SERVICE = 77
PORTS = {1: 11, 2: 12, 3: 13}
"""Virtual numbers of ports, and their keys."""
ROUTER, ROUTER_KEY = 4, 12
GONE = 5
ELEMENTS = {
    1: Element(1, "port", "web", 11, 0x020000000001, "n1", network=100),
    2: Element(2, "port", "db", 12, 0x020000000002, "n2", network=100),
    3: Element(3, "port", "ids", 13, 0x020000000003, "n1", network=101),
    4: Element(4, "router", "edge", 12),
}
GROUPS = {1: FIRST_GROUP + 4, 9: FIRST_GROUP + 5}
METERS = {1: FIRST_METER + 2, 9: FIRST_METER + 3}
PACKET_IN_METER = FIRST_METER + 1
COPY_METER = FIRST_METER


def scope(hook: str = "ingress", permissions: Permissions = ALL, **changes: Any) -> Scope:
    meters = {"packet_in_meter": PACKET_IN_METER, "copy_meter": COPY_METER}
    given: dict[str, Any] = {"elements": ELEMENTS, "gone": frozenset({GONE})} | meters
    return Scope("ips", SERVICE, HOOKS[hook], permissions, **(given | changes))


def flow(match: dict[str, Any], *actions: Action, **more: Any) -> Flow:
    """A flow that applies actions; without any, one that drops."""
    instructions = (ApplyActions(actions),) if actions else ()
    return Flow(**({"table": 0, "priority": 10, "match": match, "instructions": instructions} | more))

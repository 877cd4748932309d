"""A network's own rules: flooding of what is for many, and finding MACs anew behind functions that route."""

from __future__ import annotations

from segue.compile.headers import prefix_match
from segue.compile.rules.lookups import WITHOUT_RULES
from segue.compile.rules.tunnels import to_node
from segue.compile.rules.wiring import Wiring, emit_rule
from segue.engine import Context
from segue.model.program import AnyAction, Clone, Next, Output, SetField, match
from segue.model.stages import NETWORK, TARGET_PORT
from segue.model.view import TUNNEL_PLAIN, NetworkRecord
from segue.packet.addresses import ETH_IPV4, ETH_IPV6, Prefix

MULTICAST_BIT = 1 << 40
LINK_LOCAL = Prefix(6, 0xFE80 << 112, 10)
"""RFC 4291 section 2.5.6: in every network, and never beyond it."""
MOST_OUTLETS = 1000
"""Beyond this many ports of one network on one node, it does not flood there: one rule's actions have a bound, which is
64 KiB. A port with services at egress takes as much of it as four others; of these there are 600 at
the most (``MOST_LOOKUPS``)."""
MOST_LOOKUPS = 3000
"""What services at egress may take of one packet that is for many: Open vSwitch drops it whole after 4,096, of which
others are left for its way here."""
BESIDES = 3
"""Lookups of a port with services at egress that are not theirs: ``egress``, ``go_on``, ``deliver``."""


def network(ctx: Context, wiring: Wiring, key: int) -> None:
    record = ctx.get(wiring.network, key)
    if record is None:
        return
    _flood(ctx, wiring, record)
    if ctx.get(wiring.readdressed, key):
        _readdress(ctx, wiring, record)


def _flood(ctx: Context, wiring: Wiring, record: NetworkRecord) -> None:
    """Broadcast and multicast: to the network's ports here, and once to each node that has some.

    The switch does not send a packet out of the port that it came in by. So what came through the tunnel is not sent
    into the tunnel again, and no port hears itself. A port with services of its own at egress gets a copy by way of
    them, so that what they write on it is on no other, and what their meters drop is it alone. These come last: the
    switch stops looking up where there is too much to do, and goes no further.
    """
    outlets = sorted(ctx.values(wiring.outlet, record.key))
    if len(outlets) > MOST_OUTLETS:
        return
    actions: list[AnyAction] = [Output(ofport) for _, ofport, served in outlets if not served]
    served = _served(ctx, wiring, record, [key for key, _, served in outlets if served])
    me = ctx.get(wiring.me, "self")
    for node in record.nodes:
        if me is not None and node != me.name:
            away = to_node(ctx, wiring, node, TUNNEL_PLAIN, record.key)
            if away:
                # What follows is not to have the tunnel's fields.
                actions.extend((Clone(away),) if served else away)
    actions.extend(Clone((SetField(TARGET_PORT, key), Next("egress")), apart=True) for key in served)
    if actions:
        many = match({NETWORK: record.key}, eth_dst=(MULTICAST_BIT, MULTICAST_BIT))
        emit_rule(ctx, wiring, "forward", 50, many, tuple(actions), f"network/{record.name}")


def _served(ctx: Context, wiring: Wiring, record: NetworkRecord, keys: list[int]) -> list[int]:
    """Of these ports, which have services at egress, those that get a copy: as many as the switch can serve with one
    packet, and so those with the fewest services, or smallest, before others."""
    costs = []
    for key in keys:
        services = ctx.get(wiring.served, key) or ()
        theirs = sum(
            (ctx.get(wiring.lookups, service) or WITHOUT_RULES) + (1 if ctx.get(wiring.looked, service) else 0)
            for service in services
        )
        costs.append((BESIDES + theirs, key))
    left = MOST_LOOKUPS
    heard = []
    for cost, key in sorted(costs):
        if cost > left:
            break
        left -= cost
        heard.append(key)
    if len(heard) < len(keys):
        ctx.emit(wiring.unheard, record.key, (record.name, len(keys) - len(heard), len(keys)))
    # In an order that does not change with what they cost.
    return sorted(heard)


def _readdress(ctx: Context, wiring: Wiring, record: NetworkRecord) -> None:
    """A packet behind a function that routes carries that function's idea of a next hop, which means nothing here, and
    behind one that maps its destination the MAC of another. It gets the one that its source would write: its
    destination's within the network, which ports and the router tell themselves; beyond, the router's, or nobody's."""
    owner = f"network/{record.name}"
    for prefix in (*record.prefixes, LINK_LOCAL):
        ethertype = ETH_IPV4 if prefix.family == 4 else ETH_IPV6
        near = match({NETWORK: record.key} | prefix_match("dst", prefix), eth_type=ethertype)
        emit_rule(ctx, wiring, "readdress", 50, near, (SetField("eth_dst", 0),), owner)
    beyond = (SetField("eth_dst", record.gateway_mac),)
    emit_rule(ctx, wiring, "readdress", 10, match({NETWORK: record.key}), beyond, owner)

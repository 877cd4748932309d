"""Instances and groups, checked; and whether what comes back from a function can be told apart."""

from __future__ import annotations

from itertools import combinations

from segue.compile.overlap import headers_overlap
from segue.compile.views.mapping import family
from segue.compile.views.wiring import Use, Wiring, complain
from segue.engine import Context
from segue.model.spread import refusal, sets


def instance(ctx: Context, w: Wiring, name: str) -> None:
    declared = ctx.get(w.instance, name)
    assert declared is not None
    ref = ("instance", name)
    ports = []
    for field, port_name in (("ingress", declared.ingress), ("egress", declared.egress)):
        info = ctx.get(w.port_info, port_name)
        if info is None:
            complain(ctx, w, ref, field, f"there is no port {port_name!r}")
        else:
            ports.append(info)
    if len(ports) == 2 and ports[0].node != ports[1].node:
        where = f"{ports[0].node or 'nowhere yet'} and {ports[1].node or 'nowhere yet'}"
        complain(ctx, w, ref, "egress", f"both ports must be on one node; they are on {where}")
    if declared.aware is not None and declared.aware not in w.encapsulations:
        known = ", ".join(w.encapsulations)
        complain(ctx, w, ref, "aware", f"there is no encapsulation {declared.aware!r}; installed are: {known}")
    if declared.mode == "route" and not declared.aware:
        for info in ports:
            if not info.network or not info.addresses:
                message = f"mode: route needs ports with a network and an address; {info.name!r} has none"
                complain(ctx, w, ref, "mode", message)
    if ctx.get(w.group, name) is not None:
        complain(ctx, w, ref, "", "a group has the same name; a chain could mean either")


def group(ctx: Context, w: Wiring, name: str) -> None:
    declared = ctx.get(w.group, name)
    assert declared is not None
    for member in declared.instances:
        if ctx.get(w.instance, member) is None:
            complain(ctx, w, ("group", name), "instances", f"there is no instance {member!r}")
    if declared.tap and len(declared.instances) != 1:
        message = f"a tap has one instance, not {len(declared.instances)}; make a group of each, or write tap: false"
        complain(ctx, w, ("group", name), "instances", message)
    reason = refusal(declared.hash)
    if reason:
        complain(ctx, w, ("group", name), "hash", f"{reason}; write {sets()}")
    if declared.maps is not None and declared.tap:
        message = "a tap gives nothing back that could be mapped; remove maps, or write tap: false"
        complain(ctx, w, ("group", name), "maps", message)
    if declared.maps is not None and family(declared.maps) is None:
        message = "prefixes of IPv4 and IPv6 do not map to one another; write a group for each"
        complain(ctx, w, ("group", name), "maps", message)


def use(ctx: Context, w: Wiring, name: str) -> None:
    """Runs over ``use``: instances that route, and are not aware of paths.

    Such a function replaces both MAC addresses, so a packet that leaves it carries no mark. One path may leave by
    an interface; several only if their classifiers tell the packets apart, and the function leaves headers alone.
    """
    declared = ctx.get(w.instance, name)
    if declared is None:
        return
    uses = sorted(ctx.values(w.use, name))
    for one, two in combinations(uses, 2):
        if one.egress != two.egress:
            continue
        reason = _confused(one, two, declared.rewrites and not (one.known and two.known))
        if reason and (one.chain, one.direction) == (two.chain, two.direction) and one.network != two.network:
            reason += "; or let the chain's classifiers say in which network: their packets start"
        if reason:
            both = f"{_path(one)} and {_path(two)}"
            message = f"packets of {both} could not be told apart when they leave instance {name!r}: {reason}"
            complain(ctx, w, ("chain", two.chain), "groups", message)


def _path(use: Use) -> str:
    """A path in words; one chain has several where its packets start in several networks."""
    return f"chain {use.chain!r} ({use.direction}, network {use.network_name})"


def _confused(one: Use, two: Use, rewrites: bool) -> str | None:
    if (one.chain, one.direction, one.network, one.ethertype) == (two.chain, two.direction, two.network, two.ethertype):
        return "it is at two steps of one path, and routes; use another instance for one of them"
    if one.ethertype and two.ethertype and one.ethertype != two.ethertype:
        return None  # whatever the function does to a packet, it stays IPv4 or IPv6
    if one.chain == two.chain and one.direction != two.direction:
        same = "it has one port for both directions, and routes; give it separate ingress and egress ports"
        if rewrites or any(headers_overlap(a, b) for a in one.headers for b in two.headers):
            return same
        return None
    if rewrites:
        return "it routes, and may rewrite the headers that tell them apart; use an instance for each chain"
    if any(headers_overlap(a, b) for a in one.headers for b in two.headers):
        return "it routes, and their classifiers overlap; use mode: bridge, an aware function, or another instance"
    return None

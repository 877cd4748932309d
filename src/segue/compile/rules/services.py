"""What an injected service needs on a node besides its own rules: the gate to them, and ways to its ports.

The gate lets a packet in that the hook has handed to the service, and that no service before has taken; one that the
service sent itself passes by. What a service sends to a port goes straight there, through no hook, so that services
cannot hand a packet to one another without end: on another node it comes out of the tunnel under a VNI that stands for
the port, in place of a network.
"""

from __future__ import annotations

from segue.compile.rules.regards import regarded
from segue.compile.rules.tunnels import to_node
from segue.compile.rules.wiring import Wiring, emit_rule
from segue.engine import Context
from segue.model.counters import served
from segue.model.hooks import HOOKS
from segue.model.program import Next, SetField, match
from segue.model.stages import INJECTED, REDIRECTED, REGARDED, SERVICE, TARGET_PORT, VERDICT
from segue.model.view import TUNNEL_PLAIN


def gate(ctx: Context, wiring: Wiring, key: int) -> None:
    """Runs over service records. What is to be looked at comes to the gate again, so that one rule counts all that the
    service is handed; where the switch refuses to look at something, this rule is there all the same."""
    record = ctx.get(wiring.service, key)
    if record is None:
        return
    owner = f"service/{record.name}"
    handed = {SERVICE: key, VERDICT: HOOKS[record.hook].number}
    emit_rule(ctx, wiring, "service_gate", 100, match(handed), (Next("service_0"),), owner, served(record.name))
    emit_rule(ctx, wiring, "service_gate", 200, match({SERVICE: key, INJECTED: key}), (), owner)
    headers = ctx.get(wiring.regards, key)
    if not headers:
        return
    ctx.emit(wiring.looked, key, True)
    again = (SetField(REGARDED, 1), Next("service_gate"), SetField(REGARDED, 0))
    for above, kind, looks in regarded(headers):
        one = match({**handed, REGARDED: 0, **dict(kind)})
        emit_rule(ctx, wiring, "service_gate", 100 + above, one, (*looks, *again), owner)


def service(ctx: Context, wiring: Wiring, key: int) -> None:
    """Runs over service records: the ways to the service's ports."""
    record = ctx.get(wiring.service, key)
    me = ctx.get(wiring.me, "self")
    if record is None or me is None:
        return
    for port, name, node in record.ports:
        _way(ctx, wiring, port, name, node, node == me.name)


def _way(ctx: Context, wiring: Wiring, port: int, name: str, node: str, here: bool) -> None:
    """To a port that services send packets to. Several may have it; the rules are the same."""
    owner = f"port/{name}"
    target = match({TARGET_PORT: port})
    if not here:
        away = to_node(ctx, wiring, node, TUNNEL_PLAIN, REDIRECTED | port) if node else None
        if away:
            emit_rule(ctx, wiring, "redirect", 100, target, away, owner)
        return
    ctx.emit(wiring.receives, port, True)
    emit_rule(ctx, wiring, "redirect", 100, target, (Next("deliver"),), owner)
    tunnel = ctx.get(wiring.binding, TUNNEL_PLAIN)
    if tunnel:
        arriving = match(in_port=tunnel.ofport, tunnel_id=REDIRECTED | port)
        arrive = (SetField(TARGET_PORT, port), Next("deliver"))
        emit_rule(ctx, wiring, "admission", 60, arriving, arrive, owner)

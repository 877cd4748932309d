"""The hooks: whose packets meet which injected services, and in which order.

For each element with services at a hook there is a rule that knows the element's packets (``model.hooks``) and hands
them to each service in turn. A packet may be of a port and of a router at once: a rule above both knows it, with the
services of both in their common order; one that is attached to both meets it once, for the port. What is of no element
meets the rule of priority 0 alone, as if there were no hook.
"""

from __future__ import annotations

from collections.abc import Iterable

from segue.compile.rules.wiring import Met, Wiring, emit_rule
from segue.engine import Context
from segue.model.hooks import HOOKS, Hook
from segue.model.program import AnyAction, Match, Next, SetField, match
from segue.model.stages import (
    ELEMENT,
    NETWORK,
    ROUTER_ELEMENT,
    SERVICE,
    SERVICE_METADATA,
    SOURCE_PORT,
    TARGET_PORT,
    VERDICT,
)
from segue.model.view import HookRecord, Interface, PortRecord, Turn
from segue.packet.addresses import ETH_IPV4, ETH_IPV6

ROUTER, PORT, BOTH = 100, 110, 120
"""Priorities."""


def hook_at_router(ctx: Context, wiring: Wiring, key: str) -> None:
    """Runs over hook records; those of routers tell which networks they concern."""
    record = ctx.get(wiring.hook, key)
    if record is None or record.element != "router":
        return
    router = ctx.get(wiring.router, record.key)
    for leg in router.interfaces if router else ():
        known = _of_router(record.hook, leg)
        if known is not None and record.turns:
            met = Met(ROUTER_ELEMENT | record.key, known, record.turns)
            ctx.emit(wiring.hooked, (record.hook, leg.network), met)


def hook_of_routers(ctx: Context, wiring: Wiring, key: tuple[str, int]) -> None:
    """Packets of routers of a network, and of no port with services there."""
    for known, elements in _alike(ctx.values(wiring.hooked, key)).items():
        _call(ctx, wiring, HOOKS[key[0]], ROUTER, known, elements)


def hook_of_port(ctx: Context, wiring: Wiring, key: str) -> None:
    """Runs over hook records; packets of a port, also those that are of a router besides."""
    record: HookRecord | None = ctx.get(wiring.hook, key)
    if record is None or record.element != "port" or not record.turns:
        return
    hook = HOOKS[record.hook]
    if hook.name == "egress":
        ctx.emit(wiring.served, record.key, tuple(turn.service for turn in record.turns))
    port = ctx.get(wiring.port, record.key)
    routers = _alike(ctx.values(wiring.hooked, (hook.name, port.network))) if port and port.network else {}
    for known in _of_port(hook.name, record.key, port):
        own = Met(record.key, known, record.turns)
        _call(ctx, wiring, hook, PORT, known, [own])
        for at_router, elements in routers.items():
            both = match({**dict(at_router), **dict(known)})
            _call(ctx, wiring, hook, BOTH, both, [own, *elements])


def _of_router(hook: str, leg: Interface) -> Match | None:
    """How the hook knows packets of the router in the leg's network; None where it has to do with ports alone."""
    match hook:
        case "pre-routing":
            return match({NETWORK: leg.network}, eth_dst=leg.mac)
        case "forward":
            return match({NETWORK: leg.network})
        case "post-routing":
            return match({NETWORK: leg.network}, eth_src=leg.mac)
    return None


def _of_port(hook: str, key: int, port: PortRecord | None) -> list[Match]:
    if hook == "ingress":
        return [match({SOURCE_PORT: key})]
    if hook == "egress":
        return [match({TARGET_PORT: key})]
    if port is None or not port.network:
        return []
    network = {NETWORK: port.network}
    match hook:
        case "pre-routing":
            # Straight from the port, all that it may send; behind a path there is only the address that it has.
            own = match({**network, SOURCE_PORT: key})
            return [own, match({**network, SOURCE_PORT: 0}, eth_src=port.mac)]
        case "forward":
            return [
                match({**network, f"ipv{family}_dst": value}, eth_type=ETH_IPV4 if family == 4 else ETH_IPV6)
                for family, value in port.addresses
            ]
    return [match(network, eth_dst=port.mac)]


def _alike(elements: Iterable[Met]) -> dict[Match, list[Met]]:
    """Elements by how they are known."""
    found: dict[Match, list[Met]] = {}
    for element in sorted(elements):
        found.setdefault(element.match, []).append(element)
    return found


def _call(ctx: Context, wiring: Wiring, hook: Hook, priority: int, known: Match, elements: list[Met]) -> None:
    """Each service once, for the first of the elements that it is attached to."""
    turns: dict[int, tuple[Turn, int]] = {}
    for met in elements:
        for turn in met.turns:
            turns.setdefault(turn.service, (turn, met.element))
    actions: list[AnyAction] = [SetField(VERDICT, hook.number)]
    for turn, element in sorted(turns.values()):
        actions += [
            SetField(SERVICE, turn.service),
            SetField(ELEMENT, element),
            SetField(SERVICE_METADATA, 0),
            Next("service_gate"),
        ]
    actions += [SetField(SERVICE, 0), Next("go_on")]
    emit_rule(ctx, wiring, hook.stage, priority, known, tuple(actions), f"hook/{hook.name}")

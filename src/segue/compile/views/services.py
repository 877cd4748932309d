"""Injected services: their attachments checked, and what nodes are told of them.

A service is attached to elements as declared. Each port looks for the services of itself and of its network, so that
a port that comes, moves or goes costs its own computation, however large its network is.

A service of a project meets what is that project's and nothing else: what it is attached to is its own, and of its own
network it meets no port that is another project's. One that is in no project is an administrator's, who may attach
anything. Whoever declares it, by whichever way, this is where that holds.
"""

from __future__ import annotations

from collections.abc import Iterable

from segue.compile.views.records import router_mac
from segue.compile.views.wiring import Attached, ServiceInfo, Wiring, complain
from segue.engine import Context
from segue.model.hooks import HOOKS, Hook
from segue.model.intent import Object, Port
from segue.model.view import HookRecord, ServiceRecord, Turn


def at_node(hook: Hook) -> bool:
    """Whether packets of a port are at this hook on the port's own node alone."""
    return "router" not in hook.elements


def service(ctx: Context, w: Wiring, name: str) -> None:
    declared = ctx.get(w.service, name)
    assert declared is not None
    ref = ("service", name)
    hook = HOOKS.get(declared.hook)
    if hook is None:
        complain(ctx, w, ref, "hook", f"there is no hook {declared.hook!r}; the hooks are {', '.join(HOOKS)}")
        return
    key = ctx.get(w.id, ref)
    for text in declared.attach:
        kind, _, element = text.partition("/")
        reason = _refusal(ctx, w, hook, declared.project, kind, element)
        if reason:
            complain(ctx, w, ref, "attach", reason)
        elif key is not None:
            ctx.emit(w.attached, (kind, element), (hook.name, Turn(declared.order, name, key), declared.project))


def _refusal(ctx: Context, w: Wiring, hook: Hook, project: str, kind: str, name: str) -> str:
    """Why a service at ``hook`` cannot be attached to this; empty if it can. What is another project's is not there,
    for all that this one may know."""
    if kind not in hook.elements:
        others = [other.name for other in HOOKS.values() if kind in other.elements]
        hint = f"write hook: {' or '.join(others)}" if others else f"attach {' or '.join(hook.elements)}"
        return f"a {kind} has no hook {hook.name}; {hint}"
    found: Object | None
    if kind == "network":
        found = ctx.get(w.network, name)
    else:
        found = ctx.get(w.router, name) if kind == "router" else ctx.get(w.port, name)
    if found is None or (project and found.project != project):
        return f"there is no {kind} {name!r}" + (f" in project {project!r}" if project else "")
    if isinstance(found, Port) and found.network is None and not at_node(hook):
        return (
            f"port {name!r} has no network, so none of its packets come to hook {hook.name}; give it one, or take "
            "hook ingress or egress"
        )
    return ""


def port(ctx: Context, w: Wiring, name: str) -> None:
    """Runs over ``port_info``."""
    turns = {(hook, turn) for hook, turn, _ in ctx.values(w.attached, ("port", name))}
    info = ctx.get(w.port_info, name)
    assert info is not None
    if info.network and (of_network := ctx.values(w.attached, ("network", info.network_name))):
        declared = ctx.get(w.port, name)
        assert declared is not None
        own = declared.project
        turns |= {(hook, turn) for hook, turn, project in of_network if not (project and own) or project == own}
    if not turns:
        return
    networks = (info.network_name,) if info.network else ()
    _member(ctx, w, turns, Attached("port", name, info.key, info.mac, info.node, info.network), networks)


def router(ctx: Context, w: Wiring, name: str) -> None:
    """Runs over ``router``."""
    turns = [(hook, turn) for hook, turn, _ in ctx.values(w.attached, ("router", name))]
    declared = ctx.get(w.router, name)
    key = ctx.get(w.id, ("router", name))
    if not turns or declared is None or key is None:
        return
    subnets = [ctx.get(w.subnet, subnet) for subnet in declared.subnets]
    networks = tuple(sorted({subnet.network for subnet in subnets if subnet is not None}))
    mac = router_mac(name, networks[0]) if networks else 0
    _member(ctx, w, turns, Attached("router", name, key, mac, ""), networks)


def _member(
    ctx: Context, w: Wiring, turns: Iterable[tuple[str, Turn]], element: Attached, networks: tuple[str, ...]
) -> None:
    by_hook: dict[str, list[Turn]] = {}
    for hook, turn in turns:
        by_hook.setdefault(hook, []).append(turn)
        ctx.emit(w.member, turn.name, (element, networks))
    for hook, found in by_hook.items():
        ordered = tuple(sorted(found))
        record = HookRecord(hook, element.kind, element.key, ordered)
        for node in _met(ctx, w, HOOKS[hook], [(element, networks)]):
            ctx.emit(w.view, (node, f"hook/{hook}:{element.kind}:{element.key}"), record)


def _met(ctx: Context, w: Wiring, hook: Hook, members: Iterable[tuple[Attached, tuple[str, ...]]]) -> set[str]:
    """The nodes where packets of these elements may be at ``hook``."""
    if at_node(hook):
        return {element.node for element, _ in members if element.node}
    reached = sorted({network for _, networks in members for network in networks})
    return {node for network in reached for node in ctx.values(w.relevant, network)}


def record(ctx: Context, w: Wiring, name: str) -> None:
    """Runs over ``service``: to the nodes that its elements' packets come by. Those of its ports, which it may send
    packets to, are among them at every hook."""
    declared = ctx.get(w.service, name)
    key = ctx.get(w.id, ("service", name))
    assert declared is not None
    if key is None or declared.hook not in HOOKS:
        return
    members = ctx.values(w.member, name)
    elements = tuple(sorted(element for element, _ in members))
    ctx.emit(w.service_info, name, ServiceInfo(declared, key, elements))
    ports = tuple((element.key, element.name, element.node) for element in elements if element.kind == "port")
    told = ServiceRecord(name, key, declared.hook, ports, declared.project)
    for node in _met(ctx, w, HOOKS[declared.hook], members):
        ctx.emit(w.view, (node, f"service/{key}"), told)

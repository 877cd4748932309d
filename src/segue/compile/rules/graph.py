"""The wiring of a node's graph, drawn where it is wired.

    path, port ---> named (read by path and interface)
    self, peer ---> apart (read by whatever sends to other nodes)

    self ----+-> static ------------------------------------------------+
    path ----+-> path ----+-> attached, function, comeback, missing     |
    binding -+            +-> marked, readdressed                       |
    peer ----+                 |            |                           |
    port ----+-> port <--------+            +-> comeback --------------+-> rule
    network -+-> network <- outlet <- interface <- attached, function --+
    router ----> router ------------------------------------------------+
    classify --> classify ----------------------------------------------+

    hook ----+-> hook at router -> hooked -> hook of routers -----------+
    router --+                       |                                  |
    hook, port ------------------> hook of port -> served --------------+
    service ----> service -> receives ----------------------------------+
    service, regards ------------> gate -> looked ----------------------+
    served, lookups, looked -----> network -> unheard

    flow, group, meter ---> injected (no graph: compile.rules.injected) ---> lookups, regards

``rule`` is watched: its changes are what the switch must be told. Each rule is checked against its stage's contract
before it is reported.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from segue.compile.rules.hooks import hook_at_router, hook_of_port, hook_of_routers
from segue.compile.rules.injected import KINDS, Injected, InjectedRecord
from segue.compile.rules.networks import network
from segue.compile.rules.paths import classify, comeback, path, path_names
from segue.compile.rules.ports import interface, port, port_name
from segue.compile.rules.routers import router
from segue.compile.rules.services import gate, service
from segue.compile.rules.static import static
from segue.compile.rules.tunnels import peer
from segue.compile.rules.wiring import Wiring
from segue.engine import Graph, Relation
from segue.model import stages
from segue.model.encapsulation import Encapsulations
from segue.model.program import Group, Meter, Rule
from segue.model.view import AnyRecord, Binding

log = logging.getLogger(__name__)

UNHEARD = (
    "network %s: broadcasts and multicasts do not come to %d of the %d ports here that have services at egress: "
    "these would take more lookups than the switch does for one packet; attach fewer, or with fewer tables and copies"
)


class Changes(msgspec.Struct, frozen=True):
    """What came and went: rules by cookie, services' own among them; services' groups and meters by number, as they are
    now, or None. A group or meter that the switch holds is changed in place: it removes the rules that name one that
    goes."""

    added: dict[int, Rule]
    removed: dict[int, Rule]
    groups: dict[int, Group | None] = {}
    meters: dict[int, Meter | None] = {}


class NodeCompiler:
    """Feed it records and bindings; ``settle`` tells which rules came and went."""

    def __init__(self, encapsulations: Encapsulations) -> None:
        self._injected = Injected()
        graph = self._graph = Graph()
        w = self._wiring = Wiring(graph, encapsulations)
        graph.family("peer", w.peer, lambda ctx, key: peer(ctx, w, key), [w.apart])
        graph.family("hook at router", w.hook, lambda ctx, key: hook_at_router(ctx, w, key), [w.hooked])
        graph.family("hook of routers", w.hooked, lambda ctx, key: hook_of_routers(ctx, w, key), [w.rule])
        graph.family("hook of port", w.hook, lambda ctx, key: hook_of_port(ctx, w, key), [w.rule, w.served])
        graph.family("gate", w.service, lambda ctx, key: gate(ctx, w, key), [w.rule, w.looked])
        graph.family("service", w.service, lambda ctx, key: service(ctx, w, key), [w.rule, w.receives])
        graph.family("static", w.me, lambda ctx, key: static(ctx, w, key), [w.rule])
        graph.family("port name", w.port, lambda ctx, key: port_name(ctx, w, key), [w.named])
        graph.family("path names", w.path, lambda ctx, key: path_names(ctx, w, key), [w.named])
        graph.family(
            "path",
            w.path,
            lambda ctx, key: path(ctx, w, key),
            [w.rule, w.attached, w.function, w.comeback, w.missing, w.marked, w.readdressed],
        )
        graph.family("comeback", w.comeback, lambda ctx, key: comeback(ctx, w, key), [w.rule])
        graph.family("port", w.port, lambda ctx, key: port(ctx, w, key), [w.rule, w.attached])
        graph.family("interface", w.attached, lambda ctx, key: interface(ctx, w, key), [w.rule, w.outlet])
        graph.family("network", w.network, lambda ctx, key: network(ctx, w, key), [w.rule, w.unheard])
        graph.family("router", w.router, lambda ctx, key: router(ctx, w, key), [w.rule])
        graph.family("classify", w.classify, lambda ctx, key: classify(ctx, w, key), [w.rule])
        self._by_prefix: dict[str, Relation[Any, Any]] = {
            "self": w.me,
            "peer": w.peer,
            "network": w.network,
            "port": w.port,
            "router": w.router,
            "path": w.path,
            "classify": w.classify,
            "hook": w.hook,
            "service": w.service,
        }

    def record(self, key: str, record: AnyRecord | None) -> None:
        """Set the record at ``key`` (``port/12``), or remove it."""
        kind, _, rest = key.partition("/")
        if kind in KINDS:
            assert record is None or isinstance(record, InjectedRecord)
            self._injected.record(key, record)
            return
        relation = self._by_prefix[kind]
        name: str | int = "self" if kind == "self" else rest if kind in ("peer", "hook") else int(rest)
        self._graph.set(relation, name, record)

    def bind(self, name: str, ofport: int | None) -> None:
        """A logical port's interface, or a tunnel, is at ``ofport`` on this switch, or is gone."""
        binding = None if ofport is None else Binding(name, ofport)
        self._graph.set(self._wiring.binding, name, binding)

    def refuse(self, key: str, why: str) -> None:
        """The switch will not take the rule, group or meter of the record ``key`` (``flow/3/17``): it is left out, with
        what names it, until that record is another or gone."""
        self._injected.refuse(key, why)

    def retry(self) -> None:
        """Nothing is known to be refused: the switch is another, or has begun anew."""
        self._injected.retry()

    @property
    def refused(self) -> dict[str, str]:
        """Record keys of rules, groups and meters of services that are left out, and why."""
        return self._injected.refused

    def origin(self, cookie: int) -> str | None:
        """The key of the record that a rule is; None for a rule that is not one of a service's own. Groups and meters
        are of ``group/NUMBER`` and ``meter/NUMBER``."""
        return self._injected.origin(cookie)

    def settle(self) -> Changes:
        injected = self._injected.settle()
        for key, lookups in self._injected.lookups.settle().items():
            self._graph.set(self._wiring.lookups, key, lookups)
        for key, headers in self._injected.regards.settle().items():
            self._graph.set(self._wiring.regards, key, headers)
        deltas = self._graph.settle()
        delta = deltas["rule"]
        for name, why in deltas["apart"].added:
            log.warning("nothing goes to node %s, %s", name, why)
        for _, (name, unheard, served) in deltas["unheard"].added:
            log.warning(UNHEARD, name, unheard, served)
        added = dict(delta.added)
        # Two owners may ask for the same rule; it goes when both have gone.
        removed = {key: rule for key, rule in delta.removed if key not in self._wiring.rule}
        for rule in added.values():
            stages.check(rule)
        # A service's place among those that wait to be told is that of its first change (``agent.portions``): of one of
        # its own rules, which are in the order in which they were said. Gates are in the order of keys.
        return Changes(injected.added | added, injected.removed | removed, injected.groups, injected.meters)

    @property
    def rules(self) -> Iterable[Rule]:
        return self.program().values()

    def program(self) -> dict[int, Rule]:
        """The whole program: rules by cookie."""
        return dict(self._wiring.rule.items()) | self._injected.rules

    @property
    def groups(self) -> Mapping[int, Group]:
        """The program's groups by number."""
        return self._injected.groups

    @property
    def meters(self) -> Mapping[int, Meter]:
        return self._injected.meters

    def unheard(self) -> Mapping[int, int]:
        """By network key: how many of its ports here get no copies of broadcasts and multicasts, as services at their
        hook ``egress`` would take more lookups than the switch does for one packet."""
        return {key: unheard for key, (_, unheard, _) in self._wiring.unheard.items()}

    def missing(self) -> Mapping[int, list[str]]:
        """By path id: what is not there yet for the path to carry packets."""
        relation = self._wiring.missing
        return {key: sorted(relation.values(key)) for key in relation}

"""The wiring of the server's graph, drawn where it is wired.

    node, network, subnet, router, port --> checks --> problem
            |                                 ^
            +-> prefix, subnet_of, router_of, presence, address, mac, port_info
                                              |
    instance, group, classifier, chain -------+-> target, use --> (use) --> problem
    graph --> graph_of, behind, onward, origin +
                                                    |
                        the conductor gives targets identities and phases
                                                    |
    path, live --> led, ends --> relevant --> view (records by node) <-- everything above
                                    |           ^
    service --> attached -----------+-> member -+--> service_info

``problem``, ``target``, ``view`` and ``service_info`` are watched. A problem refuses the change that caused it; a
target is what the conductor rolls out; a view is what agents are told; a virtual switch shows a service_info.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from segue.compile.views import branches, chains, elements, functions, records, services
from segue.compile.views.wiring import Problem, ServiceInfo, Use, Wiring
from segue.engine import Context, Graph, Relation
from segue.model.encapsulation import Encapsulations
from segue.model.intent import KINDS, Object, Ref
from segue.model.path import Entry, Path, Target
from segue.model.view import AnyRecord


class ViewChanges(msgspec.Struct):
    """``problems`` are all that there are now; the rest is what changed. Views: (node, record key) -> record."""

    problems: list[Problem]
    targets: dict[str, Target | None]
    views: dict[tuple[str, str], AnyRecord | None]
    services: dict[str, ServiceInfo | None]


class ViewCompiler:
    """Set objects, identities, paths; ``settle`` tells problems, and changes of targets and views."""

    def __init__(self, encapsulations: Encapsulations) -> None:
        graph = self._graph = Graph()
        w = self._wiring = Wiring(graph, encapsulations)

        def family(
            name: str,
            over: Relation[Any, Any],
            function: Callable[[Context, Wiring, Any], None],
            *emits: Relation[Any, Any],
        ) -> None:
            graph.family(name, over, lambda ctx, key: function(ctx, w, key), emits)

        family("node", w.node, elements.node, w.every_node, w.node_address)
        family("node address", w.node_address, elements.node_address, w.problem)
        family("network", w.network, elements.network, w.every_network)
        family("subnet", w.subnet, elements.subnet, w.subnet_of, w.prefix, w.problem)
        family("subnets of network", w.subnet_of, elements.subnets_of_network, w.problem)
        family("router", w.router, elements.router, w.router_of, w.address, w.problem)
        family("routers of network", w.router_of, elements.routers_of_network, w.problem)
        family("port", w.port, elements.port, w.address, w.mac, w.presence, w.port_info, w.problem)
        family("address", w.address, elements.address, w.problem)
        family("mac", w.mac, elements.mac, w.problem)
        family("instance", w.instance, functions.instance, w.problem)
        family("group", w.group, functions.group, w.problem)
        family("graph", w.graph, branches.graph, w.graph_of, w.behind, w.inner, w.onward, w.problem)
        family("graphs of chain", w.graph_of, branches.graphs_of_chain, w.problem)
        family("origins", w.graph, branches.origins, w.origin, w.problem)
        family("chain", w.chain, chains.chain, w.target, w.use, w.problem)
        family("classifier", w.classifier, chains.classifier, w.problem)
        family("use", w.use, functions.use, w.problem)
        family("led", w.path, records.led, w.led)
        family("ends", w.path, records.ends, w.ends)
        family("relevant", w.network, records.relevant, w.relevant)
        family("node records", w.node, records.node_records, w.view)
        family("network record", w.network, records.network_record, w.view)
        family("port record", w.port_info, records.port_record, w.view)
        family("router record", w.router, records.router_record, w.view)
        family("path record", w.path, records.path_record, w.view)
        family("classify record", w.live, records.classify_record, w.view)
        family("service", w.service, services.service, w.attached, w.problem)
        family("services of port", w.port_info, services.port, w.member, w.view)
        family("services of router", w.router, services.router, w.member, w.view)
        family("service record", w.service, services.record, w.service_info, w.view)

        self._by_kind: dict[str, Relation[str, Any]] = {kind: getattr(w, kind) for kind in KINDS}

    def object(self, ref: Ref, value: Object | None) -> None:
        self._graph.set(self._by_kind[ref[0]], ref[1], value)

    def identity(self, ref: Ref, key: int | None) -> None:
        self._graph.set(self._wiring.id, ref, key)

    def location(self, port: str, node: str | None) -> None:
        self._graph.set(self._wiring.location, port, node)

    def path(self, key: int, path: Path | None) -> None:
        self._graph.set(self._wiring.path, key, path)

    def live(self, key: int, entries: tuple[Entry, ...] | None) -> None:
        """Which packets enter path ``key`` now."""
        self._graph.set(self._wiring.live, key, entries or None)

    def settle(self) -> ViewChanges:
        deltas = self._graph.settle()
        targets: dict[str, Target | None] = {name: None for name, _ in deltas["target"].removed}
        targets |= dict(deltas["target"].added)
        views: dict[tuple[str, str], AnyRecord | None] = {key: None for key, _ in deltas["view"].removed}
        views |= dict(deltas["view"].added)
        services: dict[str, ServiceInfo | None] = {name: None for name, _ in deltas["service info"].removed}
        services |= dict(deltas["service info"].added)
        return ViewChanges(sorted(self._wiring.problem), targets, views, services)

    def view(self, node: str) -> dict[str, AnyRecord]:
        """All that ``node`` is told, by record key."""
        return {key: record for (name, key), record in self._wiring.view.items() if name == node}  # type: ignore[misc]

    def uses(self, instance: str) -> frozenset[Use]:
        """The steps of paths that visit an instance which routes."""
        return frozenset(self._wiring.use.values(instance))

    def targets(self) -> dict[str, Target]:
        return dict(self._wiring.target.items())

    def services(self) -> dict[str, ServiceInfo]:
        return dict(self._wiring.service_info.items())

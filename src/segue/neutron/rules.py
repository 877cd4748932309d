"""What a request does to the objects, by kind: the checks that need other objects, and the changes that follow.

All functions are pure: they read the ``State`` and either raise a ``Fault`` or return ``Changes``, which the caller
applies once the store and the data plane have taken them. ``values`` are checked and converted already (``body``).
"""

from __future__ import annotations

from segue.neutron import rules_core, rules_graph, rules_sfc
from segue.neutron.caller import Caller
from segue.neutron.rules_core import add_router_interface, remove_router_interface
from segue.neutron.state import Changes, Resource, State

__all__ = ["add_router_interface", "create", "delete", "remove_router_interface", "update"]

_CORE = {"network", "subnet", "port", "router"}


def create(state: State, caller: Caller, kind: str, values: Resource, new_id: str) -> Changes:
    """A new object with the id ``new_id``, for the project that ``values`` names or the caller's own."""
    project = values.get("project_id") or values.get("tenant_id") or caller.project
    complete = {**values, "project_id": project, "tenant_id": project}
    if kind == "service_graph":
        return rules_graph.create(state, caller, complete, new_id)
    if kind in _CORE:
        return rules_core.create(state, caller, kind, complete, new_id)
    return rules_sfc.create(state, caller, kind, complete, new_id)


def update(state: State, caller: Caller, kind: str, id: str, values: Resource) -> Changes:
    if kind == "service_graph":
        return rules_graph.update(state, caller, id, values)
    if kind in _CORE:
        return rules_core.update(state, caller, kind, id, values)
    return rules_sfc.update(state, caller, kind, id, values)


def delete(state: State, caller: Caller, kind: str, id: str) -> Changes:
    if kind == "service_graph":
        return rules_graph.delete(state, caller, id)
    if kind in _CORE:
        return rules_core.delete(state, caller, kind, id)
    return rules_sfc.delete(state, caller, kind, id)

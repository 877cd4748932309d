"""How many objects of each kind a project may have.

A project's own limits are a resource of the kind ``quota`` whose id is the project; what it does not say is the
default. Neutron's defaults hold, with one upstream defect kept for its effect: service graphs are unlimited.
"""

from __future__ import annotations

from typing import Any

from segue.neutron.errors import Fault, plain, quoted
from segue.neutron.state import Changes, State

KIND = "quota"
UNLIMITED = -1
DEFAULTS: dict[str, int] = {
    "network": 100,
    "subnet": 100,
    "port": 500,
    "router": 10,
    "flow_classifier": 100,
    "port_pair": 100,
    "port_pair_group": 10,
    "port_chain": 10,
    "service_graph": UNLIMITED,
}
_LARGEST = (1 << 31) - 1


def limits(state: State, project: str) -> dict[str, int]:
    """The limit of each kind that holds for a project."""
    return {**DEFAULTS, **(state.get(KIND, project) or {})}


def usage(state: State, project: str) -> dict[str, dict[str, int]]:
    """Each kind's limit, how much of it is used, and what is reserved: nothing, as requests do not overlap."""
    return {
        kind: {"limit": limit, "used": state.count(kind, project), "reserved": 0}
        for kind, limit in limits(state, project).items()
    }


def check(state: State, project: str, kind: str) -> None:
    """Raises the fault 409 OverQuota where one more object would be too many."""
    limit = limits(state, project)[kind]
    if 0 <= limit <= state.count(kind, project):
        raise Fault(409, "OverQuota", f"Quota exceeded for resources: ['{kind}'].")


def update(state: State, project: str, values: dict[str, Any]) -> Changes:
    """Sets some of a project's limits; numbers may be written as text. -1 is no limit."""
    unknown = sorted(key for key in values if key not in DEFAULTS)
    if unknown:
        raise Fault(400, "HTTPBadRequest", f"Unrecognized attribute(s) '{plain(', '.join(unknown[:5]))}'")
    new = {kind: _limit(kind, value) for kind, value in values.items()}
    return {(KIND, project): {**(state.get(KIND, project) or {}), **new}}


def reset(state: State, project: str) -> Changes:
    """Back to the defaults. 404 where the project has no limits of its own."""
    if state.get(KIND, project) is None:
        raise Fault(404, "ProjectQuotaNotFound", f"Quota for project {plain(project)} could not be found.")
    return {(KIND, project): None}


def _limit(kind: str, value: Any) -> int:
    number: int | None = None
    if isinstance(value, int) and not isinstance(value, bool):
        number = value
    elif isinstance(value, str) and len(value) <= 11:
        try:
            number = int(value)
        except ValueError:
            number = None
    if number is None:
        raise Fault(400, "HTTPBadRequest", f"Invalid input for {kind}. Reason: {quoted(value)} is not an integer.")
    if not UNLIMITED <= number <= _LARGEST:
        reason = f"{quoted(value)} is not in valid range '{UNLIMITED}' to '{_LARGEST}'"
        raise Fault(400, "HTTPBadRequest", f"Invalid input for {kind}. Reason: {reason}.")
    return number

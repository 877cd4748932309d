"""Which rules are an injected service's, and whose."""

from __future__ import annotations

from segue.model.program import Move, Rule
from segue.model.stages import BY_NAME, REGARDED, SERVICE, SERVICE_TABLES

TABLES = frozenset(f"service_{number}" for number in range(SERVICE_TABLES))
"""The stages that are services' tables."""


def service_of(rule: Rule) -> int | None:
    """The key of the service in one of whose tables the rule is; None for any other rule."""
    if rule.stage not in TABLES:
        return None
    return next((value for field, value in rule.match if field == SERVICE and isinstance(value, int)), None)


def of_service(rule: Rule) -> bool:
    """Whether it comes and goes with what a service says: its own rules, and what has its gate look at headers. What
    the switch refuses of these is left out by itself."""
    return BY_NAME[rule.stage].injected or any(
        isinstance(action, Move) and action.target == REGARDED for action in rule.actions
    )

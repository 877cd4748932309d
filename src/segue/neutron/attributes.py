"""All kinds of objects that the API knows, by singular and by plural name."""

from __future__ import annotations

from segue.neutron.core_kinds import CORE_KINDS
from segue.neutron.sfc_kinds import SFC_KINDS
from segue.neutron.shape import OMITTED, REQUIRED, Attribute, Kind, Rejected

__all__ = ["BY_PLURAL", "KINDS", "OMITTED", "REQUIRED", "Attribute", "Kind", "Rejected", "kind_of"]

KINDS: dict[str, Kind] = {kind.name: kind for kind in (*CORE_KINDS, *SFC_KINDS)}
BY_PLURAL: dict[str, Kind] = {kind.plural: kind for kind in KINDS.values()}


def kind_of(kind: Kind | str) -> Kind:
    """The declaration of a kind that is given as itself or by its singular name. Raises KeyError."""
    return KINDS[kind] if isinstance(kind, str) else kind

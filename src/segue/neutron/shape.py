"""The shape of the API: what a kind of object is, and what one of its attributes is.

A kind's declaration is all that the checks of a body, the filters of a list and the description of the API read; the
declarations are in ``core_kinds`` and ``sfc_kinds``, the table of them in ``attributes``.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Any

import msgspec

from segue.neutron.errors import Fault


class Absence(enum.Enum):
    """What it means that a body for creating does not name an attribute."""

    REQUIRED = "required"
    OMITTED = "omitted"


REQUIRED = Absence.REQUIRED
"""It must be named: 400 otherwise."""
OMITTED = Absence.OMITTED
"""The key is missing from what ``create_values`` returns, too: the rules choose (an address, a gateway) and can tell
this from a null that the client sent."""


class Rejected(Exception):
    """Why a value is refused, in words that end without a full stop. Converters raise it; ``Attribute.check`` turns it
    into Neutron's "Invalid input for NAME. Reason: ..."."""


class Attribute(msgspec.Struct, frozen=True, kw_only=True):
    """One attribute of a kind.

    ``convert`` takes any value that JSON can give and returns the value to keep; it raises ``Rejected``, or a
    ``Fault`` where Neutron has an error class for it. ``default`` is used as it is, or called without arguments for a
    new one. ``post`` and ``put``: it may be in a body for creating, for changing. ``filtered``: a list can be narrowed
    by it (plain values only). ``query`` reads a filter's text; without one the text is compared as it is, because a
    malformed id in a filter finds nothing and is no error.
    """

    name: str
    convert: Callable[[Any], Any]
    default: Any = OMITTED
    post: bool = False
    put: bool = False
    shown: bool = True
    filtered: bool = True
    query: Callable[[str], Any] | None = None

    def check(self, value: Any) -> Any:
        """The value to keep. Raises Fault 400."""
        try:
            return self.convert(value)
        except Rejected as why:
            raise Fault(400, "HTTPBadRequest", f"Invalid input for {self.name}. Reason: {why}.") from None

    def initial(self) -> Any:
        """The value of an attribute that a body does not name; for others than REQUIRED and OMITTED."""
        return self.default() if callable(self.default) else self.default


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of object. Its collection is at ``/v2.0/PREFIX/PLURAL`` (without the prefix if that is empty).

    ``bulk``: several may be created with one request. ``sortable``: a list can be sorted by its filtered attributes.
    """

    name: str
    plural: str
    prefix: str = ""
    attributes: tuple[Attribute, ...] = ()
    bulk: bool = False
    sortable: bool = False
    by_name: dict[str, Attribute] = msgspec.field(default_factory=dict)

    def __post_init__(self) -> None:
        self.by_name.update((attribute.name, attribute) for attribute in self.attributes)

    @property
    def path(self) -> str:
        """Of its collection."""
        return f"/v2.0/{self.prefix}/{self.plural}" if self.prefix else f"/v2.0/{self.plural}"

"""A request's body to checked values: for creating and for changing an object.

Checks in Neutron's order, all of them 400: the shape of the body, the project, unknown attributes, attributes that the
client may not give and those that it must, and each value. Bodies are anything that JSON can say.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from segue.neutron.attributes import kind_of
from segue.neutron.caller import Caller
from segue.neutron.errors import Fault, plain
from segue.neutron.shape import OMITTED, REQUIRED, Kind

OWNERS = ("project_id", "tenant_id")
MAX_BULK = 1000
_NAMED = 5  # unknown attributes that one message names


def create_values(kind: Kind | str, body: Any, caller: Caller) -> dict[str, Any]:
    """The values of the one object that ``body`` asks for, with defaults; ``project_id`` equals ``tenant_id``.

    Attributes whose default is OMITTED and that Segue alone sets (id, status) are missing. Raises Fault 400.
    """
    kind = kind_of(kind)
    _refuse_bulk(kind, body)
    return _created(kind, _inner(kind, body), caller)


def is_bulk(kind: Kind | str, body: Any) -> bool:
    """Whether a body asks for several objects at once, and this kind lets it."""
    kind = kind_of(kind)
    return kind.bulk and isinstance(body, dict) and kind.plural in body


def create_bulk_values(kind: Kind | str, body: Any, caller: Caller) -> list[dict[str, Any]]:
    """The values of each of several objects (``{"networks": [{...}, ...]}``). Raises Fault 400."""
    kind = kind_of(kind)
    if not is_bulk(kind, body):
        return [create_values(kind, body, caller)]
    several = body[kind.plural]
    if not isinstance(several, list) or not several:
        raise _bad("Resources required")
    if len(several) > MAX_BULK:
        raise _bad(f"{len(several)} objects in one request: at most {MAX_BULK} are possible")
    values = []
    for one in several:
        # Neutron lets each be wrapped in an object of its own.
        inner = one[kind.name] if isinstance(one, dict) and len(one) == 1 and kind.name in one else one
        values.append(_created(kind, _object(kind, inner), caller))
    return values


def update_values(kind: Kind | str, body: Any) -> dict[str, Any]:
    """The attributes that ``body`` changes, with their new values. Raises Fault 400."""
    kind = kind_of(kind)
    given = _inner(kind, body)
    _owner(given)
    _recognised(kind, given)
    for attribute in kind.attributes:
        if attribute.name in given and not attribute.put:
            raise _bad(f"Cannot update read-only attribute {attribute.name}")
    return {
        attribute.name: attribute.check(given[attribute.name])
        for attribute in kind.attributes
        if attribute.name in given
    }


def _created(kind: Kind, given: dict[str, Any], caller: Caller) -> dict[str, Any]:
    owner = _owner(given)
    if owner is None:
        owner = caller.project
    elif owner != caller.project and not caller.admin:
        raise _bad(
            "Specifying 'project_id' or 'tenant_id' other than the authenticated project in request is not allowed for "
            "current user."
        )
    _recognised(kind, given)
    for attribute in kind.attributes:
        if attribute.name not in given:
            if attribute.default is REQUIRED:
                raise _bad(f"Failed to parse request. Required attribute '{attribute.name}' not specified")
        elif not attribute.post:
            raise _bad(f"Attribute '{attribute.name}' not allowed in POST")
    values: dict[str, Any] = {}
    for attribute in kind.attributes:
        name = attribute.name
        if name in OWNERS:
            values[name] = attribute.check(owner)
        elif name in given:
            values[name] = attribute.check(given[name])
        elif attribute.default is not OMITTED:
            values[name] = attribute.initial()
    return values


def _inner(kind: Kind, body: Any) -> dict[str, Any]:
    """What a body says of its one object."""
    if not body:
        raise _bad("Resource body required")
    if not isinstance(body, dict) or body.get(kind.name) is None:
        raise _bad(f"Unable to find '{kind.name}' in request body")
    return _object(kind, body[kind.name])


def _object(kind: Kind, given: Any) -> dict[str, Any]:
    if not isinstance(given, dict):
        raise _bad(f"Object '{kind.name}' contains invalid data")
    return given


def _refuse_bulk(kind: Kind, body: Any) -> None:
    if isinstance(body, dict) and kind.plural in body:
        raise _bad("Bulk operation not supported")


def _owner(given: dict[str, Any]) -> Any:
    """The project that a body names under one name or both, or None."""
    named = [given[name] for name in OWNERS if name in given]
    if len(named) == 2 and named[0] != named[1]:
        raise _bad("'project_id' and 'tenant_id' do not match")
    return named[0] if named else None


def _recognised(kind: Kind, given: Iterable[str]) -> None:
    unknown = sorted(name for name in given if name not in kind.by_name)
    if unknown:
        more = ", ..." if len(unknown) > _NAMED else ""
        raise _bad(f"Unrecognized attribute(s) '{', '.join(plain(name) for name in unknown[:_NAMED])}{more}'")


def _bad(message: str) -> Fault:
    return Fault(400, "HTTPBadRequest", message)

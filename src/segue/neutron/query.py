"""Lists as clients ask for them: whose objects, which, how many at once, in which order, and how much of each.

What clients of Neutron rely on: a filter that is repeated means any of its values; unknown filters, and those on
attributes that are lists or objects, are ignored; a full page has a link to a next one, so the last page can be empty.
Neutron takes the last of several limits, markers or directions, and never looks at the others; here it is a mistake.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from operator import itemgetter
from typing import Any
from urllib.parse import urlencode

from segue.neutron.attributes import kind_of
from segue.neutron.caller import Caller
from segue.neutron.converters import boolean, told, whole
from segue.neutron.errors import Fault, quoted
from segue.neutron.shape import Kind
from segue.neutron.state import Resource, State, require, visible

Query = Sequence[tuple[str, str]]
Keep = Callable[[Resource], bool]
Order = Sequence[tuple[str, bool]]
"""Attributes to sort by, each with whether it descends; ``id`` is the last, so that no two objects are equal."""


def list_resources(
    state: State,
    caller: Caller,
    kind: Kind | str,
    query: Query,
    base_url: str,
    complete: Callable[[Resource], Resource] | None = None,
) -> dict[str, Any]:
    """The body of the answer to a list's request.

    ``query``: the pairs of the URL, in their order. ``base_url``: the collection's URL as the client knows it
    (``http://HOST/v2.0/sfc/port_pairs``), for the links between pages. Raises Fault: 400 for a value that a filter,
    a limit or an order cannot have, or for several limits, 404 for a marker that is not there. ``complete`` adds what
    the state does not know (how a chain is): to those that are shown alone, unless ``status`` is asked for.
    """
    kind = kind_of(kind)
    limit = _limit(_once(query, "limit"))
    backward = boolean(_once(query, "page_reverse") or "false")
    marked = _once(query, "marker")
    sort_keys = _values(query, "sort_key")
    order = _order(kind, sort_keys, _values(query, "sort_dir"))
    found = _found(state, caller, kind, query)
    if complete is not None:
        found = _being(found, complete, {value for name, value in query if name == "status"})
    marker = require(state, caller, kind.name, marked) if limit and marked else None
    if limit:
        found = _page(found, order, marker, limit, backward)
    elif sort_keys:
        found = _sorted(found, order)
    shown = _trimmed(found if complete is None else [complete(one) for one in found], _values(query, "fields"))
    body: dict[str, Any] = {kind.plural: shown}
    if limit:
        body[f"{kind.plural}_links"] = _links(found, query, base_url, limit, backward)
    return body


def show(resource: Resource, fields: Iterable[str] = ()) -> Resource:
    """A resource, or those of its attributes that ``fields`` names, if it names any; unknown names are ignored."""
    return _trimmed([resource], list(fields))[0]


def _values(query: Query, name: str) -> list[str]:
    return [value for key, value in query if key == name and value]


def _once(query: Query, name: str) -> str:
    """The value of what can be there once; empty without it. Raises Fault 400."""
    given = [value for key, value in query if key == name]
    if len(given) > 1:
        raise _bad(f"{name} is given {len(given)} times; give it once")
    return given[0] if given else ""


def _trimmed(found: Sequence[Resource], fields: Sequence[str]) -> list[Resource]:
    wanted = {field for field in fields if field}
    if not wanted:
        return list(found)
    return [{field: value for field, value in one.items() if field in wanted} for one in found]


# Filters.


def _found(state: State, caller: Caller, kind: Kind, query: Query) -> list[Resource]:
    """What the caller may see and the filters let pass, in the order in which it was made. Raises Fault 400."""
    allowed: dict[str, set[Any]] = {}
    keeps: list[Keep] = []
    tags: dict[tuple[str, str], None] = {}
    for name, value in query:
        attribute = kind.by_name.get(name)
        if attribute is not None and attribute.filtered:
            converted = attribute.query(value) if attribute.query else value
            allowed.setdefault(name, set()).add(converted)
        elif name in _TAGS and "tags" in kind.by_name:
            tags[name, value] = None
    keeps += [_tagged(tags)] if tags else []
    keeps += [_among(name, values) for name, values in allowed.items()]
    if kind.name == "port":
        keeps += _addressed([value for name, value in query if name == "fixed_ips"])
    found = _candidates(state, caller, kind, allowed)
    for keep in keeps:
        found = [one for one in found if keep(one)]
    return list(found)


def _candidates(state: State, caller: Caller, kind: Kind, allowed: dict[str, set[Any]]) -> Iterable[Resource]:
    """What the caller may see; where one id or name is asked for, as clients do all the time, nothing else is read."""
    for name in ("id", "name"):
        wanted = allowed.get(name, set())
        if len(wanted) == 1:
            (only,) = wanted
            ids = [only] if name == "id" else state.named(kind.name, only)
            named = [one for one in (state.get(kind.name, id) for id in ids) if one is not None]
            return [one for one in named if visible(caller, one)]
    return state.all(kind.name, None if caller.admin else caller.project)


def _being(found: list[Resource], complete: Callable[[Resource], Resource], statuses: set[str]) -> list[Resource]:
    """Those in one of these statuses; all, if none is asked for."""
    return [one for one in found if complete(one).get("status") in statuses] if statuses else found


def _among(name: str, values: set[Any]) -> Keep:
    if len(values) == 1:
        (only,) = values
        return lambda one: bool(one.get(name) == only)
    return lambda one: one.get(name) in values


_TAGS: dict[str, Callable[[set[str], set[str]], bool]] = {
    "tags": lambda asked, there: asked <= there,
    "tags-any": lambda asked, there: not asked.isdisjoint(there),
    "not-tags": lambda asked, there: not asked <= there,
    "not-tags-any": lambda asked, there: asked.isdisjoint(there),
}


def _tagged(asked: Iterable[tuple[str, str]]) -> Keep:
    """``tags=a,b``: all of them; ``tags-any``: one of them; ``not-`` the opposite. Each that is asked for holds: all
    of several lists are all of one."""
    whole: dict[str, set[str]] = {}
    checks = []
    for name, value in asked:
        tags = set(value.split(","))
        if name in ("tags", "not-tags-any"):
            whole.setdefault(name, set()).update(tags)
        else:
            checks.append((_TAGS[name], tags))
    checks += [(_TAGS[name], tags) for name, tags in whole.items()]

    def keep(one: Resource) -> bool:
        there = set(one.get("tags") or ())
        return all(holds(these, there) for holds, these in checks)

    return keep


def _addressed(values: Sequence[str]) -> list[Keep]:
    """``fixed_ips=ip_address=10.0.0.5``, ``subnet_id=``, ``ip_address_substr=``: any value of each of these keys."""
    asked: dict[str, list[str]] = {}
    for value in values:
        key, equals, wanted = value.partition("=")
        if equals and key in ("ip_address", "subnet_id", "ip_address_substr"):
            asked.setdefault(key, []).append(wanted)
    return [_fixed(key, wanted) for key, wanted in asked.items()]


def _fixed(key: str, wanted: list[str]) -> Keep:
    if key == "ip_address_substr":
        return lambda port: any(part in fixed["ip_address"] for fixed in port.get("fixed_ips") or () for part in wanted)
    return lambda port: any(fixed.get(key) in wanted for fixed in port.get("fixed_ips") or ())


# Order and pages.


def _order(kind: Kind, keys: Sequence[str], directions: Sequence[str]) -> Order:
    sortable = {one.name for one in kind.attributes if one.filtered} if kind.sortable else set()
    wrong = [key for key in keys if key not in sortable]
    if wrong:
        raise _bad(f"{quoted(wrong)} is invalid attribute for sort_keys")
    strange = [direction for direction in directions if direction not in ("asc", "desc")]
    if strange:
        raise _bad(f"{quoted(strange)} is invalid value for sort_dirs, valid value is 'asc' and 'desc'")
    if directions and len(directions) != len(keys):
        raise _bad("The number of sort_keys and sort_dirs must be same")
    given = dict(zip(keys, (direction == "desc" for direction in directions or ["asc"] * len(keys)), strict=True))
    return [(key, down) for key, down in given.items() if key != "id"] + [("id", given.get("id", False))]


def _key(name: str) -> Callable[[Resource], Any]:
    """Null comes first."""
    if name == "id":
        return itemgetter("id")

    def key(one: Resource) -> Any:
        value = one.get(name)
        return (False, "") if value is None else (True, value)

    return key


def _sorted(found: list[Resource], order: Order) -> list[Resource]:
    for name, down in reversed(order):
        found = sorted(found, key=_key(name), reverse=down)
    return found


def _page(found: list[Resource], order: Order, marker: Resource | None, limit: int, backward: bool) -> list[Resource]:
    """At most ``limit`` objects behind the marker, or before it, in order."""
    if len(order) == 1:
        return _page_by_id(found, order[0][1], marker, limit, backward)
    if marker is not None and all(one is not marker for one in found):
        found = [*found, marker]
    ordered = _sorted(found, order)
    place = next(index for index, one in enumerate(ordered) if one is marker) if marker is not None else None
    if backward:
        end = len(ordered) if place is None else place
        return ordered[max(0, end - limit) : end]
    start = 0 if place is None else place + 1
    return ordered[start : start + limit]


def _page_by_id(
    found: list[Resource], down: bool, marker: Resource | None, limit: int, backward: bool
) -> list[Resource]:
    """The same in the order of ids alone, without sorting what is not on the page."""
    largest_first = down is not backward
    if marker is not None:
        last = marker["id"]
        found = [one for one in found if (one["id"] < last if largest_first else one["id"] > last)]
    choose = heapq.nlargest if largest_first else heapq.nsmallest
    page = choose(limit, found, key=itemgetter("id"))
    return page[::-1] if backward else page


def _limit(value: str) -> int:
    """How many objects a page has; 0 for all."""
    if not value:
        return 0
    number = whole(value)
    if number is None or number < 0:
        text = f"Limit must be an integer 0 or greater and not {told(value)}"
        raise Fault(400, "BadRequest", f"Bad limit request: {text}.")
    return number


def _links(page: Sequence[Resource], query: Query, base_url: str, limit: int, backward: bool) -> list[dict[str, str]]:
    """To the pages around this one, as far as there may be one."""
    url = partial(urlencode, errors="replace")  # a query can hold what is no Unicode
    rest = [(name, value) for name, value in query if name not in ("marker", "page_reverse")]
    links = []
    if page and (backward or len(page) >= limit):
        links.append({"rel": "next", "href": f"{base_url}?{url([*rest, ('marker', page[-1]['id'])])}"})
    if page and (not backward or len(page) >= limit):
        more = [*rest, ("marker", page[0]["id"]), ("page_reverse", "True")]
        links.append({"rel": "previous", "href": f"{base_url}?{url(more)}"})
    return links


def _bad(message: str) -> Fault:
    return Fault(400, "HTTPBadRequest", message)

"""Tags of networks, subnets, ports and routers, as clients set them: all at once, or one at a time.

/v2.0/COLLECTION/ID/tags        GET PUT POST DELETE
/v2.0/COLLECTION/ID/tags/TAG    GET PUT DELETE
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from segue.neutron.attributes import BY_PLURAL
from segue.neutron.caller import Caller
from segue.neutron.errors import Fault, plain
from segue.neutron.shape import Kind
from segue.server.neutron import Neutron

TAGGED = frozenset(plural for plural, kind in BY_PLURAL.items() if "tags" in kind.by_name)
METHODS = (("GET", "PUT", "POST", "DELETE"), ("GET", "PUT", "DELETE"))
"""Of all tags; of one."""


class Tags:
    """Those of one object. Everything gives a status and a body, and raises Fault."""

    def __init__(self, neutron: Neutron, caller: Caller, kind: Kind, id: str) -> None:
        self._neutron, self._caller, self._kind, self._id = neutron, caller, kind.name, id
        self._check = kind.by_name["tags"].check
        self._now: list[str] = neutron.show(caller, kind.name, id)["tags"]

    def all(self, method: str, read: Callable[[], Any]) -> tuple[int, Any]:
        """``read`` gives the body of the request."""
        match method:
            case "GET":
                return 200, {"tags": self._now}
            case "PUT":
                return 200, {"tags": self._set(self._asked(read()))}
            case "POST":
                return 200, {"tags": self._set([*self._now, *self._asked(read())])}
        self._set([])
        return 204, None

    def one(self, method: str, tag: str) -> tuple[int, Any]:
        if method == "PUT":
            self._set([*self._now, *self._check([tag])])
            return 201, None
        if tag not in self._now:
            raise Fault(404, "TagNotFound", f"Tag {plain(tag)} could not be found.")
        if method == "DELETE":
            self._set(other for other in self._now if other != tag)
        return 204, None

    def _asked(self, body: Any) -> list[str]:
        if not isinstance(body, dict) or not isinstance(body.get("tags"), list):
            raise Fault(400, "HTTPBadRequest", "Invalid tags body")
        asked: list[str] = self._check(body["tags"])
        return asked

    def _set(self, tags: Iterable[str]) -> list[str]:
        values = {"tags": self._check(list(dict.fromkeys(tags)))}
        made: list[str] = self._neutron.update(self._caller, self._kind, self._id, values)["tags"]
        return made

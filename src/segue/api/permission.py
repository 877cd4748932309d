"""Who may ask what, by the path and the method alone. Pure.

What is in nobody's room is an administrator's, so that a route that is added later is closed until it is named here.
What a project may do with one object is not decided here but by the rules of that object.
"""

from __future__ import annotations

import re
from typing import Literal, cast

import msgspec

from segue.neutron.caller import Caller

Room = Literal["versions", "neutron", "native", "services", "agent", "other"]
SERVICE = "service"
"""The role of the token of an injected service."""

ADMIN = Caller(project="admin", admin=True)
"""Everybody, where there is no authentication; whoever may open the server's unix socket."""
ANYBODY = Caller(project="")
"""Without a token; may see which versions there are."""
OPERATORS = "admin"
"""The project whose readers see the whole network."""
STATUS = ["v1", "status"]
"""Where a project asks for its own chains; that it is told of those alone, they see to who answer there."""
_READING = ("GET", "HEAD", "OPTIONS")
_LOCAL = re.compile(r"(localhost|\d+\.\d+\.\d+\.\d+|\[[0-9a-f:.]+\])(:\d+)?\Z")


class Denied(msgspec.Struct, frozen=True):
    status: Literal[403, 404]
    message: str


def room(path: str) -> Room:
    """The router takes repeated slashes for one; so does this."""
    parts = _parts(path)
    if not parts:
        return "versions"
    if parts[0] == "v2.0":
        return "neutron"
    if parts[0] == "v1":
        return cast("Room", parts[1]) if parts[1:2] in (["agent"], ["services"]) else "native"
    return "other"


def _parts(path: str) -> list[str]:
    return [part for part in path.split("/") if part]


def denied(caller: Caller, method: str, path: str) -> Denied | None:
    """Why not, or None. ``method`` of a WebSocket: WEBSOCKET."""
    where, reading = room(path), method in _READING
    if caller is ADMIN or (where == "versions" and method != "WEBSOCKET"):
        return None  # what cannot be done with versions, those who answer there say
    if name := injected(caller):
        if where != "services" or _parts(path)[2:3] != [name]:
            return Denied(403, f"the token of service {name} is good for /v1/services/{name} alone")
        return None
    match where:
        case "agent":
            if "agent" not in caller.roles:
                return Denied(403, "an agent needs a token with the role agent")
        case "native":
            own = reading and _parts(path) == STATUS and not {"member", "reader"}.isdisjoint(caller.roles)
            if not (own or caller.admin or (reading and sees_all(caller))):
                asked = "to read" if reading else "to change"
                return Denied(403, f"{asked} the whole network needs a token with the role {_enough(reading)}")
        case "services":
            reads = reading and "reader" in caller.roles
            if not (caller.admin or reads or "member" in caller.roles):
                return Denied(403, "this needs a token with the role member, or that of the service itself")
        case "neutron":
            if not (caller.admin or "member" in caller.roles or (reading and "reader" in caller.roles)):
                return Denied(403, f"this needs a token with the role {'reader or member' if reading else 'member'}")
        case _:
            if not caller.admin:
                return Denied(404, "there is nothing here")
    return None


def sees_all(caller: Caller) -> bool:
    """Whether the whole network is theirs to read, and not their project's part of it alone."""
    return caller.admin or ("reader" in caller.roles and caller.project == OPERATORS)


def injected(caller: Caller) -> str:
    """The service whose own token it is; empty where it is somebody else's. A role alone does not say it: others who
    say who somebody is have a role of that name too."""
    kind, _, name = caller.user.partition("/")
    return name if caller.roles == (SERVICE,) and kind == SERVICE else ""


def _enough(reading: bool) -> str:
    return f"admin, or reader of the project {OPERATORS}" if reading else "admin"


def foreign_page(host: str, origin: str, authenticated: bool) -> bool:
    """Whether a browser asks on behalf of a page that this server did not give it.

    Any page may make a browser send requests to 127.0.0.1, which would count as an administrator's. A name in place of
    an address could be one that the page's owner points here, and proves nothing where there is no authentication.
    """
    if not origin:
        return False
    if origin.partition("://")[2].lower() != host.lower():
        return True
    return not authenticated and not _LOCAL.match(host.lower())

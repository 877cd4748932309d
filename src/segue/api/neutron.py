"""The networking API as OpenStack's clients speak it, under ``/v2.0``: HTTP in, resources out.

Checks and meaning are elsewhere (``segue.neutron``, ``server.neutron``). Here is what only HTTP has: which path is
what, the order in which a request's faults are told, that every answer, also to nonsense, is Neutron's, and what of the
conductor's words, which are about the whole network, a project is told.

    /                                       versions                    GET
    /v2.0/                                  collections                 GET
    /v2.0/extensions[/ALIAS]                extensions                  GET
    /v2.0/openapi.json                      what OpenAPI says of this   GET
    /v2.0/quotas[/PROJECT[/default|/details]]                           GET PUT DELETE
    /v2.0/COLLECTION[/ID], /v2.0/sfc/COLLECTION[/ID]                    GET POST PUT DELETE
    /v2.0/COLLECTION/ID/tags[/TAG]                                      GET POST PUT DELETE
    /v2.0/routers/ID/add_router_interface, .../remove_router_interface  PUT

A path may end in ``.json``. HEAD is as GET, without the body (RFC 9110 section 9.3.2).
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from functools import partial
from typing import Any, cast
from urllib.parse import parse_qsl, unquote

import msgspec
from litestar.types import Receive, Send

from segue.api.admitted import caller_of
from segue.api.neutron_extensions import EXTENSIONS
from segue.api.neutron_openapi import encoded
from segue.api.neutron_tags import METHODS, TAGGED, Tags
from segue.api.own_status import REFUSED
from segue.neutron import quota
from segue.neutron.attributes import BY_PLURAL
from segue.neutron.body import create_bulk_values, create_values, is_bulk, update_values
from segue.neutron.caller import Caller
from segue.neutron.converters import NAME_LENGTH
from segue.neutron.discretion import discreet
from segue.neutron.errors import Fault, plain
from segue.neutron.query import list_resources, show
from segue.neutron.shape import Kind
from segue.neutron.state import Resource
from segue.rollout.network import NoPathIds
from segue.server.neutron import Neutron
from segue.store.base import StoreError

log = logging.getLogger(__name__)

Answer = tuple[int, Any]
"""HTTP status and body; a body of None is empty."""
Headers = list[tuple[bytes, bytes]]
_INTERFACES = ("add_router_interface", "remove_router_interface")
_SWITCH = re.compile(r"(chain \S+: )?node \S+( cannot go on)?: ")
"""Before what a switch has said, which may be about anything."""
_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


class NotAllowed(Fault):
    """``allowed``: the methods that there are (RFC 9110 section 15.5.6)."""

    def __init__(self, method: str, *allowed: str) -> None:
        text = f"The method {plain(method)} is not allowed for this resource."
        super().__init__(405, "HTTPMethodNotAllowed", text)
        self.allowed = ("GET", "HEAD", *(each for each in allowed if each != "GET")) if "GET" in allowed else allowed


class Request(msgspec.Struct, frozen=True):
    """``method``: GET for HEAD too. ``root``: the address of this server as the client knows it. ``read`` gives the
    body, or faults."""

    method: str
    parts: tuple[str, ...]
    query: tuple[tuple[str, str], ...]
    root: str
    caller: Caller
    body: bytes

    def read(self) -> Any:
        if not self.body.strip():
            raise Fault(400, "HTTPBadRequest", "Resource body required")
        try:
            return _decode(self.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Fault(400, "MalformedRequestBody", f"Malformed request body: {plain(str(error))}.") from None


class NeutronAPI:
    """An ASGI application for ``/`` and everything below ``/v2.0``."""

    def __init__(self, neutron: Callable[[], Neutron]) -> None:
        self._of = neutron

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        status, body, headers = await self._safely(scope, receive)
        octets = b"" if body is None else _encode(body)
        if body is not None:  # RFC 9110 section 8.6: no length where the status says that there is no body
            headers += [(b"content-length", str(len(octets)).encode()), (b"content-type", b"application/json")]
        await send(cast("Any", {"type": "http.response.start", "status": status, "headers": headers}))
        sent = b"" if scope["method"] == "HEAD" else octets
        await send(cast("Any", {"type": "http.response.body", "body": sent, "more_body": False}))

    async def _safely(self, scope: Any, receive: Receive) -> tuple[int, Any, Headers]:
        try:
            request = await _request(scope, receive)
            await self._catch_up(request)
            return *self._discreetly(request), []
        except NotAllowed as fault:
            return fault.status, fault.body(), [(b"allow", ", ".join(fault.allowed).encode())]
        except Fault as fault:
            return fault.status, fault.body(), []
        except (StoreError, NoPathIds) as error:
            return 503, Fault(503, "ServiceUnavailable", str(error)).body(), []
        except Exception as error:
            log.exception("an answer failed")
            text = f"the server failed: {type(error).__name__}; its log says more"
            return 500, Fault(500, "HTTPInternalServerError", text).body(), []

    def _discreetly(self, request: Request) -> Answer:
        """What the conductor refuses it says in words for whoever sees the whole network."""
        try:
            return self.answer(request)
        except Fault as fault:
            if fault.type != "SegueRefused" or request.caller.admin:
                raise
            text = discreet(self._of().state, request.caller, fault.message)
            raise Fault(fault.status, fault.type, text) from None

    def answer(self, request: Request) -> Answer:
        """Raises Fault."""
        match request.parts:
            case ():
                return _only(request, "GET"), {"versions": [_version(request)]}
            case ("v2.0",):
                return _only(request, "GET"), {"resources": _collections(request)}
            case ("v2.0", "extensions"):
                return _only(request, "GET"), {"extensions": list(EXTENSIONS.values())}
            case ("v2.0", "extensions", alias) if alias in EXTENSIONS:
                return _only(request, "GET"), {"extension": EXTENSIONS[alias]}
            case ("v2.0", "openapi"):
                return _only(request, "GET"), encoded()
            case ("v2.0", "quotas", *rest):
                return self._quota(request, rest)
            case ("v2.0", "routers", id, action) if action in _INTERFACES:
                _only(request, "PUT")
                return 200, self._interface(request, id, action)
            case ("v2.0", plural, id, "tags", *rest) if plural in TAGGED and len(rest) < 2:
                return self._tags(request, BY_PLURAL[plural], id, rest)
            case ("v2.0", "sfc", plural, *rest) | ("v2.0", plural, *rest) if len(rest) < 2:
                kind = BY_PLURAL.get(plural)
                if kind is not None and (kind.prefix == "sfc") == (request.parts[1] == "sfc"):
                    return self._collection(request, kind) if not rest else self._member(request, kind, rest[0])
        raise _absent()

    async def _catch_up(self, request: Request) -> None:
        """The status of many chains takes time: most of it passes here, where others may run meanwhile."""
        kind = BY_PLURAL["port_chains"]
        if request.method == "GET" and request.parts == ("v2.0", "sfc", kind.plural):
            chains: list[str] = []

            def note(chain: Resource) -> Resource:
                chains.append(chain["id"])
                return chain

            self._listed(request, kind, note)
            await self._of().catch_up(chains)

    # -- objects ---------------------------------------------------------------------------------------------------

    def _collection(self, request: Request, kind: Kind) -> Answer:
        neutron, caller = self._of(), request.caller
        match request.method:
            case "GET":
                complete = partial(self._with_status, caller) if kind.name == "port_chain" else None
                return 200, self._listed(request, kind, complete)
            case "POST":
                body = request.read()
                if is_bulk(kind, body):
                    several = neutron.create(caller, kind.name, create_bulk_values(kind, body, caller))
                    return 201, {kind.plural: [self._told(caller, made) for made in several]}
                (made,) = neutron.create(caller, kind.name, [create_values(kind, body, caller)])
                return 201, {kind.name: self._told(caller, made)}
        raise NotAllowed(request.method, "GET", "POST")

    def _listed(self, request: Request, kind: Kind, complete: Callable[[Resource], Resource] | None) -> Resource:
        base = f"{request.root}{kind.path}"
        return list_resources(self._of().state, request.caller, kind, request.query, base, complete)

    def _member(self, request: Request, kind: Kind, id: str) -> Answer:
        neutron, caller = self._of(), request.caller
        match request.method:
            case "GET":
                fields = [value for name, value in request.query if name == "fields"]
                return 200, {kind.name: show(self._told(caller, neutron.show(caller, kind.name, id)), fields)}
            case "PUT":
                # A foreign object is not there, whatever the body says.
                neutron.show(caller, kind.name, id)
                made = neutron.update(caller, kind.name, id, update_values(kind, request.read()))
                return 200, {kind.name: self._told(caller, made)}
            case "DELETE":
                neutron.delete(caller, kind.name, id)
                return 204, None
        raise NotAllowed(request.method, "GET", "PUT", "DELETE")

    def _with_status(self, caller: Caller, chain: Resource) -> Resource:
        return self._told(caller, self._of().with_status("port_chain", chain))

    def _told(self, caller: Caller, resource: Resource) -> Resource:
        """A project is not told what of other projects is in its chain's way, nor what a switch says."""
        reasons: list[str] = resource.get("status_reason") or []
        if caller.admin or not reasons:
            return resource
        short = (f"{found[0]}{REFUSED}" if (found := _SWITCH.match(reason)) else reason for reason in reasons)
        told = dict.fromkeys(discreet(self._of().state, caller, reason) for reason in short)
        return {**resource, "status_reason": list(told)}

    def _tags(self, request: Request, kind: Kind, id: str, rest: list[str]) -> Answer:
        if request.method not in METHODS[len(rest)]:
            raise NotAllowed(request.method, *METHODS[len(rest)])
        tags = Tags(self._of(), request.caller, kind, id)
        return tags.one(request.method, rest[0]) if rest else tags.all(request.method, request.read)

    def _interface(self, request: Request, id: str, action: str) -> Resource:
        body = request.read()
        if not isinstance(body, dict):
            raise Fault(400, "HTTPBadRequest", "Resource body required")
        neutron = self._of()
        change = neutron.add_router_interface if action == _INTERFACES[0] else neutron.remove_router_interface
        return change(request.caller, id, body)

    # -- quotas ----------------------------------------------------------------------------------------------------

    def _quota(self, request: Request, rest: list[str]) -> Answer:
        neutron, caller = self._of(), request.caller
        if not rest:
            _only(request, "GET")
            listed = neutron.quotas() if caller.admin else []
            return 200, {"quotas": [{**limits, "project_id": name, "tenant_id": name} for name, limits in listed]}
        project = rest[0]
        if len(project) > NAME_LENGTH:  # no object can be of such a project
            raise _absent()
        if project in ("tenant", "project") and len(rest) == 1:
            return _only(request, "GET"), {project: {"tenant_id": caller.project, "project_id": caller.project}}
        if not caller.admin and (project != caller.project or request.method != "GET"):
            raise Fault(403, "PolicyNotAuthorized", f"{request.method} of quotas needs the role admin")
        match rest[1:]:
            case ["default" | "defaults"]:
                return _only(request, "GET"), {"quota": quota.DEFAULTS}
            case ["details" | "details.json"]:
                return _only(request, "GET"), {"quota": quota.usage(neutron.state, project)}
            case []:
                pass
            case _:
                raise _absent()
        match request.method:
            case "GET":
                return 200, {"quota": quota.limits(neutron.state, project)}
            case "PUT":
                body = request.read()
                values = body.get("quota") if isinstance(body, dict) else None
                if not isinstance(values, dict):
                    raise Fault(400, "HTTPBadRequest", "Unable to find 'quota' in request body")
                neutron.set_quota(project, values)
                return 200, {"quota": quota.limits(neutron.state, project)}
            case "DELETE":
                neutron.reset_quota(project)
                return 204, None
        raise NotAllowed(request.method, "GET", "PUT", "DELETE")


async def _request(scope: Any, receive: Receive) -> Request:
    path = scope["raw_path"].decode("latin-1") if scope.get("raw_path") else scope["path"]
    segments = [unquote(part) for part in path.partition("?")[0].removesuffix(".json").split("/") if part]
    body = b""
    if segments and scope["method"] in ("POST", "PUT"):  # the versions are everybody's, and take none
        parts: list[bytes] = []
        more = True
        while more:
            message: Any = await receive()
            if message["type"] != "http.request":
                break
            parts.append(message.get("body", b""))
            more = message.get("more_body", False)
        body = b"".join(parts)
    try:
        query = tuple(parse_qsl(scope["query_string"].decode(), keep_blank_values=True, max_num_fields=1000))
    except ValueError as error:
        raise Fault(400, "HTTPBadRequest", f"the query cannot be read: {plain(str(error))}") from None
    host = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"host"), "")
    if not host:  # HTTP/1.0 has none; of a unix socket there is no better one
        address, port = scope.get("server") or ("", None)
        host = f"{f'[{address}]' if ':' in address else address}:{port}" if port else "127.0.0.1"
    root = f"{scope['scheme']}://{host}"
    method = "GET" if scope["method"] == "HEAD" else scope["method"]
    return Request(method, tuple(segments), query, root, caller_of(scope), body)


def _absent() -> Fault:
    return Fault(404, "HTTPNotFound", "The resource could not be found.")


def _only(request: Request, method: str) -> int:
    if request.method != method:
        raise NotAllowed(request.method, method)
    return 200


def _version(request: Request) -> Resource:
    return {"id": "v2.0", "status": "CURRENT", "links": [{"rel": "self", "href": f"{request.root}/v2.0/"}]}


def _collections(request: Request) -> list[Resource]:
    return [
        {
            "name": kind.name,
            "collection": kind.plural,
            "links": [{"rel": "self", "href": f"{request.root}{kind.path}"}],
        }
        for kind in BY_PLURAL.values()
    ]

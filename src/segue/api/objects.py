"""Each object as a resource of its own: listed, read, put, deleted.

The entity tag of an object is the revision of the store that last changed it, so it outlives the server. A precondition
(RFC 9110 section 13.1) is judged and the change made without anything in between.
"""

from __future__ import annotations

import re
from typing import Annotated, Any
from urllib.parse import quote, urlencode

import msgspec
from litestar import Controller, Request, Response, delete, get, put
from litestar.datastructures import State
from litestar.exceptions import ClientException, HTTPException
from litestar.params import Parameter

from segue.api.bodies import AppliedBody
from segue.api.declaring import Wait, builtins, change, find, known, no_null, service_of
from segue.intent import IntentError, parse
from segue.intent.problems import PLURALS
from segue.model.intent import KINDS, Object, Objects, Ref
from segue.server.conductor import Conductor

Limit = Annotated[int | None, Parameter(ge=1, le=10_000)]

SOURCE = "body"
"""What messages call it."""

_PLURAL = {kind: plural for plural, kind in PLURALS.items()}
_TAGS = re.compile(r'(?:W/)?"[^"]*"|\*')


class Resources(Controller):
    path = "/v1/objects"

    @get("/")
    async def everything(self, state: State) -> dict[str, Any]:
        """Each kind in the order of names."""
        objects = service_of(state).conductor.declared.objects
        found: dict[str, Any] = {kind: [] for kind in KINDS}
        for kind, name in sorted(objects):
            found[kind].append(builtins(objects[kind, name]))
        return found

    @get("/{kind:str}")
    async def listing(
        self,
        kind: str,
        request: Request[Any, Any, State],
        state: State,
        limit: Limit = None,
        after: str | None = None,
    ) -> Response[list[dict[str, Any]]]:
        """In the order of names; ``after``: those behind this name."""
        known(kind)
        no_null(request, "limit", limit)
        objects = service_of(state).conductor.declared.objects
        names = sorted(name for k, name in objects if k == kind and (after is None or name > after))
        shown = names[:limit]
        headers = {}
        if len(shown) < len(names):
            query = urlencode({"limit": limit, "after": shown[-1]})
            headers["link"] = f'</v1/objects/{kind}?{query}>; rel="next"'
        return Response([builtins(objects[kind, name]) for name in shown], headers=headers)

    @get("/{kind:str}/{name:str}")
    async def one(
        self, kind: str, name: str, request: Request[Any, Any, State], state: State
    ) -> Response[dict[str, Any] | None]:
        conductor = service_of(state).conductor
        value = find(conductor, kind, name)
        tag = _tag(conductor, (kind, name))
        if _among(tag.get("etag"), request.headers.get("if-none-match", ""), weak=True):
            return Response(None, status_code=304, headers=tag)
        return Response(builtins(value), headers=tag)

    @put("/{kind:str}/{name:str}", status_code=200)
    async def declare(
        self,
        kind: str,
        name: str,
        request: Request[Any, Any, State],
        state: State,
        dry_run: bool = False,
        wait: Wait = 0.0,
    ) -> Response[AppliedBody]:
        """Make the object what the body says, which is its fields as JSON, in long or short form.

        What it declared inside itself stays, unless the body declares such things anew: so what was read can be put.
        """
        known(kind)
        declared = _read(kind, name, await request.body())
        conductor = service_of(state).conductor
        ref = (kind, name)
        wanted: dict[Ref, Object | None] = dict(declared)
        if len(declared) == 1:
            wanted |= {inner: conductor.declared.objects[inner] for inner in conductor.declared.owned(ref)}
        new = ref not in conductor.declared.objects
        _precondition(conductor, ref, request)
        applied = await change(conductor, wanted, [], dry_run, wait)
        if dry_run:
            return Response(applied)
        where = {"location": f"/v1/objects/{kind}/{quote(name, safe='')}"} if new else {}
        return Response(applied, status_code=201 if new else 200, headers=_tag(conductor, ref) | where)

    @delete("/{kind:str}/{name:str}", status_code=200)
    async def remove(
        self,
        kind: str,
        name: str,
        request: Request[Any, Any, State],
        state: State,
        dry_run: bool = False,
        wait: Wait = 0.0,
    ) -> AppliedBody:
        """With what it declared inside itself."""
        conductor = service_of(state).conductor
        find(conductor, kind, name)
        _precondition(conductor, (kind, name), request)
        gone: dict[Ref, Object | None] = {(kind, name): None}
        return await change(conductor, gone, [], dry_run, wait)


def _read(kind: str, name: str, body: bytes) -> Objects:
    """What the fields in ``body`` declare: the object, and what is declared inside it."""
    try:
        fields = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ClientException(f"{SOURCE}: this is no JSON: {error}") from None
    if not isinstance(fields, dict):
        raise ClientException(f"{SOURCE}: the fields of an object are a JSON object")
    if fields.pop("name", name) != name:
        raise ClientException(f"{SOURCE}: its name is not that of the path; leave it out, or write another path")
    try:
        return parse(msgspec.json.encode({_PLURAL[kind]: {name: fields}}), SOURCE).objects
    except IntentError as error:
        # Its lines are not those of the body.
        raise IntentError(msgspec.structs.replace(problem, line=None) for problem in error.problems) from None


def _tag(conductor: Conductor, ref: Ref) -> dict[str, str]:
    revision = conductor.history.revisions.get(ref)
    return {} if revision is None else {"etag": f'"{revision}"'}


def _precondition(conductor: Conductor, ref: Ref, request: Request[Any, Any, State]) -> None:
    """Raises 412."""
    tag = _tag(conductor, ref).get("etag")
    if "if-match" in request.headers and not _among(tag, request.headers["if-match"]):
        now = f"its entity tag is {tag}" if tag else "it is not there"
        raise HTTPException(status_code=412, detail=f"If-Match does not hold: {now}; read it again, and repeat")
    if _among(tag, request.headers.get("if-none-match", ""), weak=True):
        raise HTTPException(status_code=412, detail=f"If-None-Match does not hold: it is there, its entity tag {tag}")


def _among(tag: str | None, given: str, weak: bool = False) -> bool:
    """RFC 9110 section 8.8.3.2: a weak tag is only ever weakly equal."""
    tags = _TAGS.findall(given)
    if tag is None:
        return False
    return "*" in tags or tag in ([one.removeprefix("W/") for one in tags] if weak else tags)

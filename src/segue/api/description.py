"""The OpenAPI 3.1 description of the native API: of each route under /v1, whatever it takes and whatever it answers.

It is made of the tables that the intent's parser reads by, and of the structs that the handlers answer with. What
neither says stands here: which routes there are (a test holds them equal to the application's), and what they are for.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec
from litestar import Response, get

from segue.api import bodies, description_services
from segue.api.description_parts import answer, header, operation, waiting
from segue.api.files import FILES, FilesBody
from segue.api.openapi import Json, document, in_path, json_body, query, ref
from segue.intent import schema as intent_schema
from segue.intent.fields import FIELDS, REQUIRED
from segue.intent.problems import PLURALS
from segue.intent.values import NAME_PATTERN
from segue.model.intent import KINDS
from segue.server.tracing import Traced

ABOUT = """\
Declares which traffic goes through which functions, and tells how that is. What `segue apply`, `segue get` and the
other commands do, they do through this API. Guide: docs/api.md."""
TAGS = {
    "intents": "Whole declarations: many objects at once, taken whole or not at all.",
    "objects": "Each object as a resource of its own.",
    "services": "Injected services: what a project registers, and what a service does with its token.",
    "events": "What happens, as it happens.",
    "state": "How things are on the nodes.",
    "description": "This description.",
}
_SHORT: dict[str, Json] = {
    "node": {"address": "192.0.2.1"},
    "network": {"cidr": "10.0.0.0/24", "gateway": "10.0.0.1"},
    "subnet": {"network": "web", "cidr": "10.0.1.0/24"},
    "router": {"subnets": ["web"]},
    "port": {"network": "web", "node": "n1", "address": "10.0.0.10"},
    "instance": {"node": "n1"},
    "group": {"instances": ["ids"]},
    "classifier": {"source_port": "client", "protocol": "tcp", "destination_ports": [80, 80]},
    "chain": {"match": {"from": "client", "protocol": "tcp", "destination_ports": [80, 80]}, "through": ["ids"]},
    "graph": {"branch": {"loud": ["quiet"]}},
}
EXAMPLES = {kind: _SHORT.get(kind) or {name: FIELDS[kind][name].example for name in REQUIRED[kind]} for kind in KINDS}
"""What can be put: in short form, or with the fields that are required."""
INTENT = """\
nodes: {n1: 192.0.2.1}
networks: {web: 10.0.0.0/24}
ports:
  client: {network: web, node: n1, address: 10.0.0.10}
"""
STREAM = """\
id: 7
event: listed
data: {"revision":7,"count":0}

id: 8
event: added
data: {"kind":"node","name":"n1","object":{"name":"n1","address":"192.0.2.1"}}

event: status
data: {"kind":"node","name":"n1","status":{"state":"ready","reasons":[]}}
"""

_STRUCTS = (
    bodies.AppliedBody,
    bodies.DeleteBody,
    bodies.ErrorBody,
    bodies.EventBody,
    bodies.FlowBody,
    bodies.ListedBody,
    bodies.ResetBody,
    bodies.StatusBody,
    FilesBody,
    Traced,
    *description_services.STRUCTS,
    *KINDS.values(),
)
_ERRORS = {
    400: "What was asked for is wrong; the problems say where, and what to write instead.",
    401: "A token that is known, and has not ended, is needed.",
    403: "The token does not allow this.",
    404: "There is no such object, or no such kind.",
    409: "What was declared is well written and cannot be; nothing was changed.",
    412: "The object is not what the precondition says; nothing was changed.",
    413: "The body is larger than 64 MiB.",
    429: "Too many requests; Retry-After says when to ask again.",
    503: "Not possible now: the disk is full, an agent does not answer, too many connections. Ask again.",
}
_HEADERS: Json = {
    "ETag": {
        "description": "The revision of the store that last changed the object; see If-Match.",
        "schema": {"type": "string", "pattern": '^"[0-9]+"$'},
    },
    "Location": {"description": "The path of the object that is new.", "schema": {"type": "string"}},
    "Link": {"description": 'The next page (rel="next"), if there is one.', "schema": {"type": "string"}},
    "Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}},
    "WWW-Authenticate": {"description": "How to show a token.", "schema": {"type": "string"}},
}


def description() -> Json:
    return document(
        "Segue",
        ABOUT,
        [{"name": name, "description": about} for name, about in TAGS.items()],
        {**_intents(), **_objects(), **description_services.paths(), **_state(), **_others()},
        _schemas(),
        {status: _error(status) for status in _ERRORS},
        ("bearer", "basic", "token"),
        _HEADERS,
    )


@cache
def encoded() -> bytes:
    """As it is answered: made once."""
    return msgspec.json.encode(description())


@get("/v1/openapi.json", include_in_schema=False)
async def openapi() -> Response[bytes]:
    return Response(encoded(), media_type="application/json")


# -- routes --------------------------------------------------------------------------------------------------------


def _intents() -> Json:
    source = query("source", {"type": "string", "default": "-"}, "What messages call the text.")
    text = {
        "required": True,
        "content": {
            "application/yaml": {"schema": {"type": "string"}, "example": INTENT},
            "application/json": {"schema": ref("Intent"), "example": {"nodes": {"n1": "192.0.2.1"}}},
            FILES: {"schema": ref("FilesBody"), "example": {"files": [{"source": "web.yaml", "text": INTENT}]}},
        },
    }
    refs = json_body(ref("DeleteBody"), example={"refs": [["chain", "loud"]]})
    return {
        "/v1/apply": {
            "post": operation(
                "apply",
                "intents",
                "Declare what a text says, in YAML or JSON, or what several texts say together",
                {200: _applied()},
                (409, 413),
                [source, *_changing()],
                text,
            )
        },
        "/v1/delete": {
            "post": operation(
                "deleteMany",
                "intents",
                "Delete objects by kind and name, with what they declared inside themselves",
                {200: _applied()},
                (404, 409, 413),
                _changing(),
                refs,
            )
        },
        "/v1/delete-file": {
            "post": operation(
                "deleteDeclared",
                "intents",
                "Delete what a text declares and is there",
                {200: _applied()},
                (409, 413),
                [source, *_changing()],
                text,
            )
        },
        "/v1/text": {
            "get": operation(
                "getText",
                "intents",
                "Objects as a text that can be applied again",
                {200: answer("The text.", {"type": "string"}, media="text/plain")},
                (404,),
                [
                    _kind(),
                    query("name", {"type": "string"}, "This one only."),
                    query("form", {"enum": ["yaml", "json"], "default": "yaml"}, "How it is written."),
                ],
            )
        },
    }


def _objects() -> Json:
    every = {
        "type": "object",
        "properties": {kind: {"type": "array", "items": ref(_struct(kind))} for kind in KINDS},
        "required": list(KINDS),
    }
    paths: Json = {
        "/v1/objects": {
            "get": operation("listAll", "objects", "All objects by kind", {200: answer("By kind.", every)}, ())
        }
    }
    for kind in KINDS:
        paths[f"/v1/objects/{kind}"] = {"get": _listing(kind)}
        paths[f"/v1/objects/{kind}/{{name}}"] = _resource(kind)
    return paths


def _listing(kind: str) -> Json:
    items = {"type": "array", "items": ref(_struct(kind))}
    return operation(
        f"list{_plural(kind)}",
        "objects",
        f"The {_spoken(kind)} in the order of their names",
        {200: answer("Those of this page.", items, ("Link",))},
        (),
        [
            query("limit", {"type": "integer", "minimum": 1, "maximum": 10_000}, "At most so many; default: all."),
            query("after", {"type": "string"}, "Those whose names come after this one."),
        ],
    )


def _resource(kind: str) -> Json:
    named, one = _struct(kind), ref(_struct(kind))
    name = in_path("name", pattern=NAME_PATTERN) | {"example": "web"}
    match = header("If-Match", "Only if the object is still what it was with this entity tag; `*`: if it is there.")
    missing = header("If-None-Match", "`*`: only if it is not there.")
    return {
        "parameters": [name],
        "get": operation(
            f"get{named}",
            "objects",
            f"A {kind}",
            {
                200: answer(f"The {kind}.", one, ("ETag",)),
                304: {"description": "It is still what it was with the entity tag that was given."},
            },
            (404,),
            [header("If-None-Match", "Only if it is not what it was with this entity tag.")],
        ),
        "put": operation(
            f"put{named}",
            "objects",
            f"Make the {kind} what the body says. What it declared inside itself stays, unless the body declares "
            "such things anew",
            {
                200: answer("It was there.", ref("AppliedBody"), ("ETag",)),
                201: answer("It is new.", ref("AppliedBody"), ("ETag", "Location")),
            },
            (409, 412, 413),
            [*_changing(), match, missing],
            json_body(ref(f"{named}Fields"), example=EXAMPLES[kind]),
        ),
        "delete": operation(
            f"delete{named}",
            "objects",
            f"Delete the {kind}, with what it declared inside itself",
            {200: _applied()},
            (404, 409, 412),
            [*_changing(), match],
        ),
    }


def _state() -> Json:
    node = in_path("node", pattern=NAME_PATTERN) | {"example": "n1"}
    return {
        "/v1/status": {
            "get": operation(
                "getStatus",
                "state",
                "How nodes and chains are, the paths of chains, and what they counted. Members and readers of a "
                "project ask for a chain of theirs, and are told of no nodes, and of nobody else's networks and chains",
                {200: answer("How it is.", ref("StatusBody"))},
                (404,),
                [
                    query(
                        "chain",
                        {"type": "string"},
                        "This chain only: its name, or its id in the networking API; or else those with this label.",
                    ),
                    query("count", {"type": "boolean", "default": True}, "Whether to read the counters first."),
                ],
            )
        },
        "/v1/flows/{node}": {
            "parameters": [node],
            "get": operation(
                "getFlows",
                "state",
                "The flows on a node's switch",
                {200: answer("In the order of stages.", {"type": "array", "items": ref("FlowBody")})},
                (404,),
            ),
        },
        "/v1/trace": {
            "get": operation(
                "trace",
                "state",
                "What would happen to a packet",
                {200: answer("Its way.", ref("Traced"))},
                (),
                [
                    query(
                        "flow",
                        {"type": "string"},
                        "As `segue trace` takes it.",
                        required=True,
                        example="server > client udp 2345 > 2345",
                    ),
                    query("live", {"type": "boolean", "default": False}, "Ask the switches too."),
                ],
            )
        },
    }


def _others() -> Json:
    number = {"type": "integer", "minimum": 0}
    stream = {
        "description": "Server-sent events without end: `added`, `changed`, `removed` and `status`, with an EventBody "
        "as data; `listed` with a ListedBody, where a listing ends; `reset` with a ResetBody, where another begins. "
        "Comments come where nothing else does for 15 seconds.",
        "content": {"text/event-stream": {"schema": {"type": "string"}, "example": STREAM}},
    }
    return {
        "/v1/events": {
            "get": operation(
                "followEvents",
                "events",
                "What happens: from a revision on, or with a listing first",
                {200: stream},
                (404,),
                [
                    query("since", number, "What happened after this revision, which an event or ETag gave."),
                    _kind(),
                    query("name", {"type": "string"}, "This object only; needs a kind."),
                    header("Last-Event-ID", "The id of the last event that came; goes before `since`."),
                ],
            )
        },
        "/v1/openapi.json": {
            "get": operation(
                "getDescription",
                "description",
                "This description",
                {200: answer("OpenAPI 3.1.", {"type": "object"})},
                (),
            )
        },
    }


# -- their parts ---------------------------------------------------------------------------------------------------


def _applied() -> Json:
    return answer("What changed, and whether it is in force.", ref("AppliedBody"))


def _error(status: int) -> Json:
    headers = {401: ("WWW-Authenticate",), 429: ("Retry-After",)}.get(status, ())
    return answer(_ERRORS[status], ref("ErrorBody"), headers)


def _changing() -> list[Json]:
    return [
        query("dry_run", {"type": "boolean", "default": False}, "Say what would change, and change nothing."),
        waiting(0),
    ]


def _kind() -> Json:
    return query("kind", {"enum": list(KINDS)}, "This kind only.")


def _struct(kind: str) -> str:
    return KINDS[kind].__name__


def _spoken(kind: str) -> str:
    return next(plural for plural, one in PLURALS.items() if one == kind)


def _plural(kind: str) -> str:
    return _spoken(kind).capitalize()


# -- schemas -------------------------------------------------------------------------------------------------------


def _schemas() -> Json:
    """By name: what is answered, as the structs say; what is declared, as the parser's tables do."""
    _, found = msgspec.json.schema_components(_STRUCTS, ref_template="#/components/schemas/{name}")
    for kind, struct in KINDS.items():
        for name, field in FIELDS[kind].items():
            found[struct.__name__]["properties"][name] |= {"description": field.about}
    whole = intent_schema()
    for kind in KINDS:
        fields = whole["$defs"][kind]
        same = {"type": "string", "pattern": NAME_PATTERN, "description": "That of the path, if it is given."}
        found[f"{_struct(kind)}Fields"] = fields | {"properties": fields["properties"] | {"name": same}}
    found["ServiceRegistered"] = found["ServiceFields"] | {
        "properties": found["ServiceFields"]["properties"] | {"name": {"type": "string", "pattern": NAME_PATTERN}},
        "required": ["name", *found["ServiceFields"].get("required", ())],
    }
    found["SubnetInNetwork"] = whole["$defs"]["subnet-in-network"]
    found["Intent"] = {key: value for key, value in whole.items() if key not in ("$defs", "$schema")}
    refs = {f"#/$defs/{kind}": f"#/components/schemas/{_struct(kind)}Fields" for kind in KINDS}
    refs["#/$defs/subnet-in-network"] = "#/components/schemas/SubnetInNetwork"
    return {name: _spoken_here(found[name], refs) for name in sorted(found)}


def _spoken_here(value: Any, refs: dict[str, str]) -> Any:
    """With references into this description, Markdown as it is here, and pairs as lists, which every tool knows."""
    if isinstance(value, dict):
        made = {key: _spoken_here(inner, refs) for key, inner in value.items()}
        alike = made.get("prefixItems")
        if alike and all(one == alike[0] for one in alike):
            del made["prefixItems"]
            made["items"] = alike[0]
        if isinstance(made.get("$ref"), str):
            made["$ref"] = refs.get(made["$ref"], made["$ref"])
        if isinstance(made.get("description"), str):
            made["description"] = " ".join(made["description"].replace("``", "`").split())
        return made
    if isinstance(value, list):
        return [_spoken_here(inner, refs) for inner in value]
    return value

"""The OpenAPI 3.1 description of the native API: of each route under /v1, whatever it takes and whatever it answers.

It is made of the tables that the intent's parser reads by, and of the structs that the handlers answer with. What
neither says stands here: which routes there are (a test holds them equal to the application's), and what they are for.
"""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Response, get

from segue import __version__
from segue.api import bodies
from segue.api.files import FILES, FilesBody
from segue.intent import schema as intent_schema
from segue.intent.fields import FIELDS, REQUIRED
from segue.intent.problems import PLURALS
from segue.intent.values import NAME_PATTERN
from segue.model.intent import KINDS
from segue.server.tracing import Traced

Json = dict[str, Any]

ABOUT = """\
Declares which traffic goes through which functions, and tells how that is. What `segue apply`, `segue get` and the
other commands do, they do through this API. Guide: docs/api.md."""
TAGS = {
    "intents": "Whole declarations: many objects at once, taken whole or not at all.",
    "objects": "Each object as a resource of its own.",
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
_ALWAYS = (400, 401, 403, 429, 503)
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
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Segue",
            "version": __version__,
            "description": ABOUT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/", "description": "The server that gave this description."}],
        "security": [{}, {"bearer": []}, {"basic": []}, {"token": []}],
        "tags": [{"name": name, "description": about} for name, about in TAGS.items()],
        "paths": {**_intents(), **_objects(), **_state(), **_others()},
        "components": {
            "schemas": _schemas(),
            "responses": {f"Error{status}": _error(status) for status in _ERRORS},
            "headers": _HEADERS,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "basic": {"type": "http", "scheme": "basic", "description": "The token is the password."},
                "token": {"type": "apiKey", "in": "header", "name": "X-Auth-Token"},
            },
        },
    }


@get("/v1/openapi.json", include_in_schema=False)
async def openapi() -> Response[Json]:
    return Response(description())


# -- routes --------------------------------------------------------------------------------------------------------


def _intents() -> Json:
    source = _query("source", {"type": "string", "default": "-"}, "What messages call the text.")
    text = {
        "required": True,
        "content": {
            "application/yaml": {"schema": {"type": "string"}, "example": INTENT},
            "application/json": {"schema": _ref("Intent"), "example": {"nodes": {"n1": "192.0.2.1"}}},
            FILES: {"schema": _ref("FilesBody"), "example": {"files": [{"source": "web.yaml", "text": INTENT}]}},
        },
    }
    refs = {
        "required": True,
        "content": {"application/json": {"schema": _ref("DeleteBody"), "example": {"refs": [["chain", "loud"]]}}},
    }
    return {
        "/v1/apply": {
            "post": _operation(
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
            "post": _operation(
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
            "post": _operation(
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
            "get": _operation(
                "getText",
                "intents",
                "Objects as a text that can be applied again",
                {200: _answer("The text.", {"type": "string"}, media="text/plain")},
                (404,),
                [
                    _kind(),
                    _query("name", {"type": "string"}, "This one only."),
                    _query("form", {"enum": ["yaml", "json"], "default": "yaml"}, "How it is written."),
                ],
            )
        },
    }


def _objects() -> Json:
    every = {
        "type": "object",
        "properties": {kind: {"type": "array", "items": _ref(_struct(kind))} for kind in KINDS},
        "required": list(KINDS),
    }
    paths: Json = {
        "/v1/objects": {
            "get": _operation("listAll", "objects", "All objects by kind", {200: _answer("By kind.", every)}, ())
        }
    }
    for kind in KINDS:
        paths[f"/v1/objects/{kind}"] = {"get": _listing(kind)}
        paths[f"/v1/objects/{kind}/{{name}}"] = _resource(kind)
    return paths


def _listing(kind: str) -> Json:
    items = {"type": "array", "items": _ref(_struct(kind))}
    return _operation(
        f"list{_plural(kind)}",
        "objects",
        f"The {_spoken(kind)} in the order of their names",
        {200: _answer("Those of this page.", items, ("Link",))},
        (),
        [
            _query("limit", {"type": "integer", "minimum": 1, "maximum": 10_000}, "At most so many; default: all."),
            _query("after", {"type": "string"}, "Those whose names come after this one."),
        ],
    )


def _resource(kind: str) -> Json:
    named, one = _struct(kind), _ref(_struct(kind))
    name = {
        "name": "name",
        "in": "path",
        "required": True,
        "schema": {"type": "string", "pattern": NAME_PATTERN},
        "example": "web",
    }
    match = _header("If-Match", "Only if the object is still what it was with this entity tag; `*`: if it is there.")
    missing = _header("If-None-Match", "`*`: only if it is not there.")
    return {
        "parameters": [name],
        "get": _operation(
            f"get{named}",
            "objects",
            f"A {kind}",
            {
                200: _answer(f"The {kind}.", one, ("ETag",)),
                304: {"description": "It is still what it was with the entity tag that was given."},
            },
            (404,),
            [_header("If-None-Match", "Only if it is not what it was with this entity tag.")],
        ),
        "put": _operation(
            f"put{named}",
            "objects",
            f"Make the {kind} what the body says. What it declared inside itself stays, unless the body declares "
            "such things anew",
            {
                200: _answer("It was there.", _ref("AppliedBody"), ("ETag",)),
                201: _answer("It is new.", _ref("AppliedBody"), ("ETag", "Location")),
            },
            (409, 412, 413),
            [*_changing(), match, missing],
            {
                "required": True,
                "content": {"application/json": {"schema": _ref(f"{named}Fields"), "example": EXAMPLES[kind]}},
            },
        ),
        "delete": _operation(
            f"delete{named}",
            "objects",
            f"Delete the {kind}, with what it declared inside itself",
            {200: _applied()},
            (404, 409, 412),
            [*_changing(), match],
        ),
    }


def _state() -> Json:
    node = {
        "name": "node",
        "in": "path",
        "required": True,
        "schema": {"type": "string", "pattern": NAME_PATTERN},
        "example": "n1",
    }
    return {
        "/v1/status": {
            "get": _operation(
                "getStatus",
                "state",
                "How nodes and chains are, the paths of chains, and what they counted",
                {200: _answer("How it is.", _ref("StatusBody"))},
                (404,),
                [
                    _query("chain", {"type": "string"}, "This chain only."),
                    _query("count", {"type": "boolean", "default": True}, "Whether to read the counters first."),
                ],
            )
        },
        "/v1/flows/{node}": {
            "parameters": [node],
            "get": _operation(
                "getFlows",
                "state",
                "The flows on a node's switch",
                {200: _answer("In the order of stages.", {"type": "array", "items": _ref("FlowBody")})},
                (404,),
            ),
        },
        "/v1/trace": {
            "get": _operation(
                "trace",
                "state",
                "What would happen to a packet",
                {200: _answer("Its way.", _ref("Traced"))},
                (),
                [
                    _query(
                        "flow",
                        {"type": "string"},
                        "As `segue trace` takes it.",
                        required=True,
                        example="server > client udp 2345 > 2345",
                    ),
                    _query("live", {"type": "boolean", "default": False}, "Ask the switches too."),
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
            "get": _operation(
                "followEvents",
                "events",
                "What happens: from a revision on, or with a listing first",
                {200: stream},
                (404,),
                [
                    _query("since", number, "What happened after this revision, which an event or ETag gave."),
                    _kind(),
                    _query("name", {"type": "string"}, "This object only; needs a kind."),
                    _header("Last-Event-ID", "The id of the last event that came; goes before `since`."),
                ],
            )
        },
        "/v1/openapi.json": {
            "get": _operation(
                "getDescription",
                "description",
                "This description",
                {200: _answer("OpenAPI 3.1.", {"type": "object"})},
                (),
            )
        },
    }


# -- their parts ---------------------------------------------------------------------------------------------------


def _operation(
    name: str,
    tag: str,
    summary: str,
    answers: dict[int, Json],
    errors: tuple[int, ...],
    parameters: list[Json] | None = None,
    body: Json | None = None,
) -> Json:
    made: Json = {"operationId": name, "tags": [tag], "summary": summary}
    if parameters:
        made["parameters"] = parameters
    if body is not None:
        made["requestBody"] = body
    refused = {status: {"$ref": f"#/components/responses/Error{status}"} for status in (*_ALWAYS, *errors)}
    made["responses"] = {str(status): said for status, said in sorted((answers | refused).items())}
    return made


def _answer(about: str, schema: Json, headers: tuple[str, ...] = (), media: str = "application/json") -> Json:
    made: Json = {"description": about, "content": {media: {"schema": schema}}}
    if headers:
        made["headers"] = {name: {"$ref": f"#/components/headers/{name}"} for name in headers}
    return made


def _applied() -> Json:
    return _answer("What changed, and whether it is in force.", _ref("AppliedBody"))


def _error(status: int) -> Json:
    headers = {401: ("WWW-Authenticate",), 429: ("Retry-After",)}.get(status, ())
    return _answer(_ERRORS[status], _ref("ErrorBody"), headers)


def _changing() -> list[Json]:
    wait = {"type": "number", "minimum": 0, "maximum": 600, "default": 0}
    return [
        _query("dry_run", {"type": "boolean", "default": False}, "Say what would change, and change nothing."),
        _query("wait", wait, "Answer when the change is in force, or after so many seconds."),
    ]


def _query(name: str, schema: Json, about: str, required: bool = False, example: str = "") -> Json:
    made: Json = {"name": name, "in": "query", "description": about, "schema": schema}
    if required:
        made["required"] = True
    if example:
        made["example"] = example
    return made


def _header(name: str, about: str) -> Json:
    return {"name": name, "in": "header", "description": about, "schema": {"type": "string"}}


def _kind() -> Json:
    return _query("kind", {"enum": list(KINDS)}, "This kind only.")


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


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

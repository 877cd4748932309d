"""What every OpenAPI 3.1 description of this server has: its frame, and the parts that it is made of. Pure.

What is described is said where it is known: ``description.py`` for the native API, ``neutron_openapi.py`` for
networking's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from segue import __version__

Json = dict[str, Any]

_SCHEMES: dict[str, Json] = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "basic": {"type": "http", "scheme": "basic", "description": "The token is the password."},
    "token": {"type": "apiKey", "in": "header", "name": "X-Auth-Token"},
}
"""How a token may be shown. Without a file of tokens and without Keystone nobody needs one."""


def document(
    title: str,
    about: str,
    tags: list[Json],
    paths: Json,
    schemas: Json,
    refusals: Mapping[int, Json],
    tokens: Iterable[str],
    headers: Json | None = None,
) -> Json:
    """``refusals``: by status, what ``operation`` refers to. ``tokens``: how they are shown, the usual way first."""
    tokens = tuple(tokens)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": title,
            "version": __version__,
            "description": about,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/", "description": "The server that gave this description."}],
        "security": [{}, *({name: []} for name in tokens)],
        "tags": tags,
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": {_refusal(status): said for status, said in refusals.items()},
            **({"headers": headers} if headers else {}),
            "securitySchemes": {name: _SCHEMES[name] for name in tokens},
        },
    }


def operation(
    name: str,
    tag: str,
    summary: str,
    answers: Mapping[int, Json],
    errors: Iterable[int],
    parameters: list[Json] | None = None,
    body: Json | None = None,
) -> Json:
    """``errors``: the statuses that it refuses with. An empty summary is left out."""
    made: Json = {"operationId": name, "tags": [tag]}
    if summary:
        made["summary"] = summary
    if parameters:
        made["parameters"] = parameters
    if body is not None:
        made["requestBody"] = body
    refused = {status: ref(_refusal(status), "responses") for status in errors}
    made["responses"] = {str(status): said for status, said in sorted({**answers, **refused}.items())}
    return made


def answering(about: str, schema: Json, media: str = "application/json") -> Json:
    return {"description": about, "content": {media: {"schema": schema}}}


def json_body(schema: Json, **more: Any) -> Json:
    """JSON that must be there; ``more``: an example."""
    return {"required": True, "content": {"application/json": {"schema": schema, **more}}}


def query(name: str, schema: Json, about: str, required: bool = False, example: str = "") -> Json:
    made: Json = {"name": name, "in": "query", "description": about, "schema": schema}
    if required:
        made["required"] = True
    if example:
        made["example"] = example
    return made


def in_path(name: str, **text: Any) -> Json:
    """``text``: what its schema says besides."""
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string", **text}}


def ref(name: str, part: str = "schemas") -> Json:
    return {"$ref": f"#/components/{part}/{name}"}


def _refusal(status: int) -> str:
    return f"Error{status}"

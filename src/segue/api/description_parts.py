"""What the parts of the native API's description share."""

from __future__ import annotations

from segue.api import openapi
from segue.api.openapi import Json, answering, query, ref

_ALWAYS = (400, 401, 403, 429, 503)


def operation(
    name: str,
    tag: str,
    summary: str,
    answers: dict[int, Json],
    errors: tuple[int, ...],
    parameters: list[Json] | None = None,
    body: Json | None = None,
) -> Json:
    return openapi.operation(name, tag, summary, answers, (*_ALWAYS, *errors), parameters, body)


def answer(about: str, schema: Json, headers: tuple[str, ...] = (), media: str = "application/json") -> Json:
    made = answering(about, schema, media)
    if headers:
        made["headers"] = {name: ref(name, "headers") for name in headers}
    return made


def header(name: str, about: str) -> Json:
    return {"name": name, "in": "header", "description": about, "schema": {"type": "string"}}


def waiting(default: float) -> Json:
    wait = {"type": "number", "minimum": 0, "maximum": 600, "default": default}
    return query("wait", wait, "Answer when the change is in force, or after so many seconds.")

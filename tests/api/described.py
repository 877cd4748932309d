"""What the tests of both descriptions share: requests that schemathesis makes up, and how the answers are judged.

Schemathesis calls a request wrong by what it had in mind. On the wire much of that is text, which can be right again
(the integer 5 as a name, an empty list as ``page_reverse=``), or wrong only there. So the request is read once more, as
it was sent: what conforms to the description may be accepted, and nothing else.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from itertools import groupby
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from jsonschema import Draft202012Validator
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import AcceptedNegativeData
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

Json = dict[str, Any]
MODES = list(schemathesis.GenerationMode)
NEGATIVE = schemathesis.GenerationMode.NEGATIVE
_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?", re.ASCII)


def operations(description: Json) -> dict[str, Any]:
    """By name."""
    found = schemathesis.openapi.from_dict(description).get_all_operations()
    return {one.ok().definition.raw["operationId"]: one.ok() for one in found}


def ask_many(operation: Any, mode: Any, count: int, ask: Callable[[Any], None]) -> int:
    """Asks so many requests, or as many as SEGUE_EXAMPLES says; how many it were. The same ones each time, as far as
    the hash seed is the same (see the Makefile), but for the profile ``explore``."""
    asked = 0

    @settings(
        max_examples=int(os.environ.get("SEGUE_EXAMPLES", count)),
        derandomize=settings.default.derandomize,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.explicit, Phase.generate),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def one(case: Any) -> None:
        nonlocal asked
        asked += 1
        ask(case)

    one()
    return asked


# -- what was sent ---------------------------------------------------------------------------------------------------


def wrong_as_sent(operation: Any, request: Any) -> list[str]:
    """What of the request, as it went over the wire, is not as described. ``request``: of the library requests."""
    whole = operation.schema.raw_schema
    item = whole["paths"][operation.path]
    parameters = [*item.get("parameters", ()), *operation.definition.raw.get("parameters", ())]
    parts = urlsplit(request.url)
    pairs = parse_qsl(parts.query, keep_blank_values=True, errors="surrogateescape")
    sent = {
        "query": {name: [value for _, value in some] for name, some in groupby(sorted(pairs, key=_first), key=_first)},
        "path": _path(operation.path, parts.path),
    }
    wrong = []
    for one in parameters:
        if one["in"] not in sent:
            continue  # headers: any text will do
        values, schema = sent[one["in"]].get(one["name"]), one["schema"]
        if values is None:
            wrong += [f"{one['name']} is missing"] if one.get("required") else []
        elif schema.get("type") == "array":
            wrong += _against(whole, schema, [_read(schema["items"], value) for value in values])
        elif len(values) > 1:
            wrong.append(f"{one['name']} is there {len(values)} times")
        else:
            wrong += _against(whole, schema, _read(schema, values[0]))
    return wrong + _wrong_body(whole, operation.definition.raw.get("requestBody"), request)


def _first(pair: tuple[str, str]) -> str:
    return pair[0]


def _path(template: str, path: str) -> dict[str, list[str]]:
    """What stands for the template's names; none, where it is another path."""
    pattern = re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]*)", re.escape(template))
    found = re.fullmatch(pattern, path)
    return (
        {name: [unquote(value, errors="surrogateescape")] for name, value in found.groupdict().items()} if found else {}
    )


def _read(schema: Json, text: str) -> Any:
    """A text as the number or truth value that is asked for, if it is one."""
    match schema.get("type"):
        case "boolean" if text in ("true", "false"):
            return text == "true"
        case "integer" | "number" if _NUMBER.fullmatch(text):
            return json.loads(text)
    return text


def _wrong_body(whole: Json, described: Json | None, request: Any) -> list[str]:
    if described is None:
        return []
    if not request.body:
        return ["the body is missing"] if described.get("required") else []
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media not in described["content"]:
        return [f"no body is of type {media!r}"]
    body = request.body.encode() if isinstance(request.body, str) else request.body
    try:
        value = json.loads(body, parse_constant=_no_json) if "json" in media else body.decode()
    except (ValueError, RecursionError) as error:
        return [str(error)]
    return _against(whole, described["content"][media]["schema"], value)


def _no_json(word: str) -> Any:
    raise ValueError(f"{word} is no JSON")


def _against(whole: Json, schema: Json, value: Any) -> list[str]:
    judge = Draft202012Validator(
        {**schema, "components": whole["components"]}, format_checker=Draft202012Validator.FORMAT_CHECKER
    )
    return [error.message for error in judge.iter_errors(value)]


# -- the checks ------------------------------------------------------------------------------------------------------


def wrong_requests_are_refused(context: Any, response: Any, case: Any) -> bool | None:
    """Schemathesis' own check, where the request is wrong as it was sent as well; and no success for any other that
    is."""
    wrong = wrong_as_sent(case.operation, response.request)
    try:
        done: bool | None = negative_data_rejection(context, response, case)
    except AcceptedNegativeData:
        if wrong:
            raise
        return None
    if wrong and response.status_code < 400:
        raise AcceptedNegativeData(
            operation=case.operation.label,
            message=f"{response.status_code} for what is wrong as it was sent: {'; '.join(wrong)[:500]}",
            status_code=response.status_code,
            expected_statuses=["4xx"],
        )
    return done


CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    wrong_requests_are_refused,
    unsupported_method,
]
"""Not ``positive_data_acceptance``: 400 is also the word for objects that are well written and in conflict with others,
which no schema can say."""

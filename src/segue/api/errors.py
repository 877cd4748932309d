"""What went wrong, as an answer: one status, one body, whatever the cause."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException

from segue.api.admitted import Ended
from segue.api.bodies import ErrorBody, ProblemBody
from segue.compile.views import Problem as Conflict
from segue.inject.errors import Busy, Malformed, Refusal
from segue.intent import Document, IntentError
from segue.intent.problems import label
from segue.rollout.network import NoPathIds
from segue.server.agents import NoAnswer
from segue.server.conductor import Refused
from segue.server.service_pending import Gone
from segue.server.services import Unwritable
from segue.store.base import StoreError
from segue.verify.flow_text import FlowError

log = logging.getLogger(__name__)


class NotFound(Exception):
    """What was asked for is not there; says what to ask for instead."""


class Unsound(Exception):
    """A declaration that is well written and cannot be, with the documents that it stands in, if there are any."""

    def __init__(self, refused: Refused, documents: Sequence[Document]) -> None:
        super().__init__(str(refused))
        self.problems = [_placed(problem, documents) for problem in refused.problems]


def _placed(problem: Conflict, documents: Sequence[Document]) -> ProblemBody:
    where = label(problem.kind, problem.name)
    field = f"{problem.field}: " if problem.field else ""
    if not documents:
        return ProblemBody(f"{where}: {field}{problem.message}", "", None, where)
    document = next((d for d in documents if (problem.kind, problem.name) in d.objects), None)
    if document is None:
        source = ", ".join(d.source for d in documents)
        text = f"{source}: {where}, which is already applied: {field}{problem.message}"
        return ProblemBody(text, source, None, where)
    key = (problem.kind, problem.name, problem.field) if problem.field else (problem.kind, problem.name)
    line = document.lines[key]
    return ProblemBody(f"{document.source}:{line}: {where}: {field}{problem.message}", document.source, line, where)


def answer(request: Request[Any, Any, Any], error: Exception) -> Response[ErrorBody]:
    """Litestar's handler for every exception. ``refusals`` of the application's state hears of it."""
    made = _answer(error)
    request.app.state.refusals.say(request.scope, made.status_code, made.content.error)
    return made


def _parameter(found: Any) -> str:
    """What is wrong with one of a request's parameters, as litestar found it."""
    return f"{found.get('key', 'the request')}: {found['message'][:1].lower()}{found['message'][1:]}"


def _answer(error: Exception) -> Response[ErrorBody]:
    match error:
        case IntentError():
            problems = [ProblemBody(str(p), p.source, p.line, p.where) for p in error.problems]
            return Response(ErrorBody(str(error), problems), status_code=400)
        case Unsound():
            text = "\n".join(problem.text for problem in error.problems)
            return Response(ErrorBody(text, error.problems), status_code=409)
        case FlowError():
            return Response(ErrorBody(str(error)), status_code=400)
        case Unwritable():
            return Response(ErrorBody(error.text), status_code=503)
        case Malformed():
            return Response(ErrorBody(str(error)), status_code=400)
        case Busy():
            return Response(ErrorBody(str(error)), status_code=429, headers={"Retry-After": "1"})
        case Refusal():
            return Response(ErrorBody(str(error)), status_code=403 if "EPERM" in error.error else 409)
        case Ended():
            return Response(ErrorBody(str(error)), status_code=401)
        case NotFound() | Gone():
            return Response(ErrorBody(str(error)), status_code=404)
        case NoAnswer() | StoreError() | NoPathIds():
            return Response(ErrorBody(str(error)), status_code=503)
        case RecursionError():
            return Response(ErrorBody("the body is nested too deeply"), status_code=400)
        case HTTPException(status_code=413):
            text = "the body is larger than 64 MiB; split it"
            return Response(ErrorBody(text), status_code=413)
        case ValidationException(extra=[*found]):
            return Response(ErrorBody("; ".join(_parameter(one) for one in found) or error.detail), status_code=400)
        case HTTPException():  # of 405 the headers say what is allowed (RFC 9110 section 15.5.6)
            return Response(ErrorBody(error.detail), status_code=error.status_code, headers=error.headers)
    log.error("an answer failed", exc_info=error)
    text = f"the server failed: {type(error).__name__}; its log says more"  # which may be about anything
    return Response(ErrorBody(text), status_code=500)

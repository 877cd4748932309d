"""What the routes of the native API share: to find an object, and to change some."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import msgspec
from litestar import Request
from litestar.datastructures import State
from litestar.exceptions import ClientException
from litestar.params import Parameter

from segue.api.bodies import AppliedBody, ChangeBody
from segue.api.errors import NotFound, Unsound
from segue.intent import Document, diff
from segue.intent.values import MAX_NAME
from segue.model.intent import KINDS, Object, Ref
from segue.server.conductor import Conductor, Outcome, Refused
from segue.server.service import Service
from segue.server.service_refusals import hinted

Wait = Annotated[float, Parameter(ge=0, le=600)]
"""Seconds until what was changed is to be in force."""


def service_of(state: State) -> Service:
    service: Service = state.service
    return service


def no_null(request: Request[Any, Any, State], name: str, value: int | None) -> None:
    """That a number which may be left out was, where there is none: the framework takes the text null for none."""
    if value is None and name in request.query_params:
        raise ClientException(f"{name}: expected a number, got {request.query_params[name]!r}; or leave it out")


def known(kind: str) -> None:
    """Raises NotFound."""
    if kind not in KINDS:
        raise NotFound(f"there is no kind {_short(kind)!r}; kinds are: {', '.join(KINDS)}")


def find(conductor: Conductor, kind: str, name: str) -> Object:
    """Raises NotFound."""
    known(kind)
    value = conductor.declared.objects.get((kind, name))
    if value is None:
        raise no_such(kind, name)
    return value


def no_such(kind: str, name: str) -> NotFound:
    return NotFound(f"there is no {kind} {_short(name)!r}; `segue get {kind}s` lists those there are")


def builtins(value: Object) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.to_builtins(value)
    return found


async def change(
    conductor: Conductor, wanted: Mapping[Ref, Any], documents: Sequence[Document], dry_run: bool, wait: float
) -> AppliedBody:
    """Raises Unsound. The change is made, or refused, before anything is waited for."""
    try:
        outcome = conductor.apply(wanted, dry_run=dry_run)
    except Refused as refused:
        raise Unsound(Refused(hinted(refused.problems, wanted)), documents) from None
    revision = conductor.stored
    waiting: list[str] = []
    if not dry_run:
        waiting = await conductor.settled(outcome, wait) if wait else conductor.waiting(outcome)
    return AppliedBody(_changes(outcome), revision, not waiting, waiting)


def _changes(outcome: Outcome) -> list[ChangeBody]:
    after = {ref: value for ref, value in outcome.after.items() if value is not None}
    return [ChangeBody(c.what, c.kind, c.name, str(c)) for c in diff(outcome.before, after)]


def _short(name: str) -> str:
    """No longer than a name can be."""
    return name if len(name) <= MAX_NAME else name[: MAX_NAME - 3] + "..."

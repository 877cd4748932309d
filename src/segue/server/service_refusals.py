"""What a project is told when its change cannot be because an injected service is attached to what would go."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping

import msgspec

from segue.compile.views import Problem
from segue.model.intent import Object, Ref, Service

log = logging.getLogger(__name__)


def hinted(problems: Iterable[Problem], wanted: Mapping[Ref, Object | None]) -> list[Problem]:
    """With what to do first where services are attached to what would go. ``wanted``: as it is to be; None: gone."""
    return [
        msgspec.structs.replace(problem, message=f"{problem.message}; {_DETACH.format(problem.name)}")
        if problem.kind == "service" and problem.field == "attach" and _goes(problem, wanted)
        else problem
        for problem in problems
    ]


_DETACH = "detach the service from it first: `segue service attach {}`, with all that it is to stay attached to"


def _goes(problem: Problem, wanted: Mapping[Ref, Object | None]) -> bool:
    going = [f"{kind} {name!r}" for (kind, name), value in wanted.items() if value is None]
    return any(what in problem.message for what in going)


def told(problems: list[Problem], objects: Mapping[Ref, Object], wanted: Mapping[Ref, Object | None]) -> str:
    """A line for each. Services of other projects than those of the objects that are to change are not named, but in
    the log. ``objects``: as they are."""
    projects = {objects[ref].project for ref in wanted if ref in objects} - {""}
    lines: dict[str, None] = {}
    for problem in hinted(problems, wanted):
        service = objects.get((problem.kind, problem.name))
        if isinstance(service, Service) and service.project not in projects:
            what = ", ".join(f"{kind} {name!r}" for kind, name in wanted)
            text = f"an injected service that is not the project's is attached to {what}; it has to be detached first"
            lines[text] = None
            log.info("refused: %s", problem)
        else:
            lines[str(problem)] = None
    return "\n".join(lines)

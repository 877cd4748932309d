"""What a project is told when its change cannot be because an injected service is attached to what would go."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from segue.compile.views import Problem
from segue.model.intent import Object, Ref, Service

log = logging.getLogger(__name__)


def told(problems: list[Problem], objects: Mapping[Ref, Object], wanted: Mapping[Ref, Object | None]) -> str:
    """A line for each. Services of other projects than those of the objects that are to change are not named, but in
    the log. ``objects``: as they are."""
    projects = {objects[ref].project for ref in wanted if ref in objects} - {""}
    lines: dict[str, None] = {}
    for problem in problems:
        service = objects.get((problem.kind, problem.name))
        if isinstance(service, Service) and service.project not in projects:
            what = ", ".join(f"{kind} {name!r}" for kind, name in wanted)
            text = f"an injected service that is not the project's is attached to {what}; it has to be detached first"
            lines[text] = None
            log.info("refused: %s", problem)
        else:
            lines[str(problem)] = None
    return "\n".join(lines)

"""Several files as one declaration.

Each is read by itself, so that its problems name its own lines; then they are one: what two files declare both is
refused, and so is what is wrong among them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import msgspec
from litestar.exceptions import ClientException

from segue.intent import Document, IntentError, Problem, parse, read_given
from segue.intent.checks import check_together
from segue.intent.problems import label
from segue.model.intent import Object, Objects, Ref

FILES = "application/vnd.segue.files+json"


class FileBody(msgspec.Struct):
    source: str
    text: str


class FilesBody(msgspec.Struct):
    """``parameters`` and ``environments`` are for Heat templates among the files; see ``intent.read_given``."""

    files: list[FileBody]
    parameters: dict[str, str] = {}
    environments: list[FileBody] = []


def read_files(body: bytes) -> list[Document]:
    """``{"files": [{"source", "text"}], ...}``. Raises IntentError with the problems of all files."""
    try:
        sent = msgspec.json.decode(body, type=FilesBody)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ClientException(f"this is no list of files: {error}") from None
    given = read_given(sent.parameters, [(file.source, file.text) for file in sent.environments])
    documents: list[Document] = []
    problems: list[Problem] = []
    for file in sent.files:
        try:
            documents.append(parse(file.text, file.source, given=given))
        except IntentError as error:
            problems += error.problems
    if not problems:
        problems = [*given.unasked(), *_twice(documents), *_among(documents)]
    if problems:
        raise IntentError(problems)
    return documents


def merged(documents: Sequence[Document]) -> Objects:
    return {ref: value for document in documents for ref, value in document.objects.items()}


def _twice(documents: Sequence[Document]) -> Iterator[Problem]:
    first: dict[Ref, Document] = {}
    for document in documents:
        for ref in document.objects:
            other = first.setdefault(ref, document)
            if other is not document:
                message = f"{label(*ref)} is declared twice (see {other.source}:{other.lines[ref]})"
                yield Problem(document.source, document.lines[ref], label(*ref), message, "rename or remove one")
    labs = [document.source for document in documents if document.lab is not None]
    if len(labs) > 1:
        yield Problem(labs[1], None, "lab", f"there are two lab sections (see {labs[0]})", "keep one")


def _among(documents: Sequence[Document]) -> Iterator[Problem]:
    """What the parser checks among the objects of one text, over the borders of files."""
    objects: Mapping[Ref, Object] = merged(documents)
    of = {ref: document for document in documents for ref in document.objects}
    for ref, field, message, hint, other in check_together(objects):
        document = of[ref]
        if other is not None:
            message += f" (see {of[other].source}:{of[other].lines[other]})"
        yield Problem(document.source, document.lines[*ref, field], label(*ref), message, hint)

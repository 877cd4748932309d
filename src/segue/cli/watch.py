"""``segue get --watch``: what is there, then a line for each change as it comes, over lost connections."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple, Protocol

from segue.cli.client import Client
from segue.cli.errors import Failure, Mistake
from segue.cli.terminal import complain

SILENCE = 45.0
"""Seconds without a word after which a connection is taken for lost; the server says something every 15."""
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 10.0
"""Seconds before the connection is tried again."""

Row = dict[str, Any]
Ref = tuple[str, str]


class Event(NamedTuple):
    what: str
    data: Row
    id: str
    """Of the last event that had one."""


class Shown(Protocol):
    def event(self, event: Event) -> None: ...


def watch(client: Client, kind: str | None, name: str | None, shown: Shown) -> None:
    """Until interrupted. Raises Failure if there is no server at first, and Mistake whenever it refuses."""
    last, heard, lost, pause = "", False, False, FIRST_PAUSE
    while True:
        headers = {"Last-Event-ID": last} if last else {}
        try:
            for event in events(client.lines("/v1/events", SILENCE, headers, kind=kind, name=name), last):
                if lost:
                    complain(f"connected to {client.url} again")
                heard, lost, pause = True, False, FIRST_PAUSE
                if event is not None:
                    last = event.id
                    shown.event(event)
        except Mistake:
            raise
        except Failure as failure:
            if not heard:
                raise
            if not lost:
                complain(f"{failure}; trying again")
            lost = True
        time.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)


def events(lines: Iterable[bytes], last: str = "") -> Iterator[Event | None]:
    """https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream; None: a comment."""
    what, data = "message", ""
    for line in lines:
        field, _, value = line.decode().partition(":")
        value = value.removeprefix(" ")
        if line.startswith(b":"):
            yield None
        elif field == "id":
            last = value
        elif field == "event":
            what = value
        elif field == "data":
            data += value
        elif not line:
            if data:
                yield Event(what, json.loads(data), last)
            what, data = "message", ""


class AsJson:
    """One object a line, whatever comes."""

    def event(self, event: Event) -> None:
        print(json.dumps({"event": event.what, **event.data}, ensure_ascii=False), flush=True)


class AsTable:
    """A table of what is there at first; then lines. ``table`` prints it; ``words`` says an object in a few."""

    def __init__(self, kinds: Iterable[str], table: Callable[[dict[str, list[Row]]], None], words: Callable[..., str]):
        self._kinds = tuple(kinds)
        self._table = table
        self._words = words
        self._objects: dict[Ref, Row] = {}
        self._states: dict[Ref, Row] = {}
        self._listing: dict[Ref, Row] | None = {}
        self._first = True

    def event(self, event: Event) -> None:
        data = event.data
        if event.what == "reset":
            self._listing = {}
        elif event.what == "listed":
            self._listed()
        elif event.what == "status":
            self._status((data["kind"], data["name"]), data["status"])
        elif self._listing is not None:
            self._listing[data["kind"], data["name"]] = data["object"]
        else:
            self._object((data["kind"], data["name"]), data.get("object"))
        sys.stdout.flush()

    def _listed(self) -> None:
        listing, self._listing = self._listing or {}, None
        if self._first:
            self._first = False
            self._objects = listing
            self._table({kind: [row for ref, row in listing.items() if ref[0] == kind] for kind in self._kinds})
            return
        for ref in [ref for ref in self._objects if ref not in listing]:
            self._object(ref, None)
        for ref, row in listing.items():
            self._object(ref, row)

    def _object(self, ref: Ref, row: Row | None) -> None:
        old = self._objects.get(ref)
        if row is None:
            if old is not None:
                del self._objects[ref]
                self._states.pop(ref, None)
                _line("removed", ref)
        elif old is None:
            _line("added", ref, self._words(ref[0], row))
        elif old != row:
            names = [*row, *(name for name in old if name not in row)]
            changes = (f"{n}: {_value(old, n)} -> {_value(row, n)}" for n in names if old.get(n) != row.get(n))
            _line("changed", ref, "; ".join(changes))
        if row is not None:
            self._objects[ref] = row

    def _status(self, ref: Ref, status: Row) -> None:
        """The first that is told of an object is no change; it is worth a line where something is amiss."""
        old = self._states.get(ref)
        self._states[ref] = status
        if old != status and (old is not None or status["state"] != "ready"):
            reasons = "; ".join(status["reasons"])
            _line("status", ref, status["state"] + (f": {reasons}" if reasons else ""))


def _value(row: Row, name: str) -> str:
    return json.dumps(row[name], ensure_ascii=False) if name in row else "default"


def _line(what: str, ref: Ref, words: str = "") -> None:
    print(f"{what:<8} {ref[0]}/{ref[1]}  {words}".rstrip())

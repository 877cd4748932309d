"""What nodes are told beyond what the compiler says: records that injected services' own rules, groups and meters make.

The conductor publishes both and knows nothing of such records but this: they are there until they are taken back, and
those that go with a change of the compiler's are in its revision.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from segue.compile.views import ServiceInfo
from segue.model.view import AnyRecord

Told = Mapping[tuple[str, str], AnyRecord | None]
"""By (node, record key): what changes for nodes; None removes."""
Services = Mapping[str, ServiceInfo | None]


class Injector(Protocol):
    """Who keeps what injected services have set up, and makes records of it."""

    def services(self, changed: Services) -> None:
        """These services are durably what they are here; None: gone. The nodes are told next."""

    def beyond(self, changes: Told) -> Told:
        """What nodes are told with ``changes``, in the same revision."""

    def refused(self, node: str, reasons: Mapping[str, str]) -> None:
        """By record key: all that the switch of ``node`` will not take now, and why."""


class Beyond:
    """``records``: what nodes hold of this now, by (node, record key)."""

    def __init__(self) -> None:
        self.injector: Injector | None = None
        self.records: dict[tuple[str, str], AnyRecord] = {}
        self._known: set[str] = set()
        """The services that the injector knows."""
        self._refusing: set[str] = set()
        """Nodes whose switches will not take something."""

    def begin(self, injector: Injector, services: Services, views: Mapping[str, Mapping[str, AnyRecord]]) -> Told:
        """``injector`` hears of all that there is; returns what it adds."""
        self.injector = injector
        self.services(services)
        return injector.beyond({(node, key): record for node, view in views.items() for key, record in view.items()})

    def services(self, changed: Services) -> None:
        if self.injector is None or not changed:
            return
        self._known.update(changed)
        self._known.difference_update(name for name, info in changed.items() if info is None)
        self.injector.services(changed)

    def anew(self, services: Services) -> None:
        """These are all that there are, whatever was said before."""
        self.services({**dict.fromkeys(self._known), **services})

    def keep(self, changes: Told) -> None:
        for where, record in changes.items():
            if record is None:
                self.records.pop(where, None)
            else:
                self.records[where] = record

    def added(self, changes: Told) -> Told:
        """``changes``, with what goes with them."""
        if self.injector is None or not changes:
            return changes
        more = self.injector.beyond(changes)
        self.keep(more)
        return {**changes, **more} if more else changes

    def refused(self, node: str, reasons: Mapping[str, str]) -> None:
        if self.injector is not None and (reasons or node in self._refusing):
            (self._refusing.add if reasons else self._refusing.discard)(node)
            self.injector.refused(node, reasons)

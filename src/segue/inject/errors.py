"""Why a service does not get what it asked for."""

from __future__ import annotations

from typing import Self


class Refusal(Exception):
    """``error``: OpenFlow's name of it (``OFPBMC_BAD_FIELD``), which ``openflow.protocol.errors`` says in any version.
    ``text``: for people, what is wrong and what to write instead. ``index``: of several things that were asked for at
    once, which one it is about."""

    def __init__(self, error: str, text: str, index: int | None = None) -> None:
        super().__init__(f"{text} ({error})")
        self.error = error
        self.text = text
        self.index = index

    def of(self, what: str, index: int) -> Self:
        """The same, said of one of several things."""
        return type(self)(self.error, f"{what}[{index}]: {self.text}", index)


class Malformed(Refusal):
    """It could be nowhere, whatever there is."""


class Busy(Refusal):
    """Too much of the service's waits; later it may be carried out."""

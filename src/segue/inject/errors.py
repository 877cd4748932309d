"""Why a service does not get what it asked for."""

from __future__ import annotations


class Refusal(Exception):
    """``error``: OpenFlow's name of it (``OFPBMC_BAD_FIELD``), which ``openflow.protocol.errors`` says in any version.
    ``text``: for people, what is wrong and what to write instead."""

    def __init__(self, error: str, text: str) -> None:
        super().__init__(f"{text} ({error})")
        self.error = error
        self.text = text

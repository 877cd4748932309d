"""What differs when a person looks on: colours, and a line that changes while one waits."""

from __future__ import annotations

import os
import shutil
import sys
from typing import TextIO

_COLOURS = {"green": "32", "yellow": "33", "red": "31"}
STATE_COLOURS = {
    "ready": "green",
    "active": "green",
    "up": "green",
    "behind": "yellow",
    "preparing": "yellow",
    "prepare": "yellow",
    "making": "yellow",
    "removing": "yellow",
    "failed": "red",
    "absent": "red",
    "impaired": "red",
    "unknown": "red",
}


def coloured(stream: TextIO) -> bool:
    """https://no-color.org"""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def paint(text: str, colour: str) -> str:
    return f"\x1b[{_COLOURS[colour]}m{text}\x1b[0m"


def plain(text: str) -> str:
    """What others have written, for one line of a terminal or of a log: what does not show there is spelled out, so
    that it neither moves the cursor nor passes for a line of its own."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def state(word: str) -> tuple[str, str]:
    """A table's cell for the state of something."""
    return word, STATE_COLOURS.get(word, "")


def complain(message: str) -> None:
    """``message`` may have several lines."""
    print("\n".join(plain(line) for line in f"segue: {message}".split("\n")), file=sys.stderr)


class Progress:
    """One line on standard error, rewritten by each ``say``; nothing where that is no terminal."""

    def __init__(self) -> None:
        self._shown = False
        self.watched = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"

    def say(self, text: str) -> None:
        if self.watched:
            width = shutil.get_terminal_size().columns - 1
            print(f"\r\x1b[K{text[:width]}", end="", file=sys.stderr, flush=True)
            self._shown = True

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        if self._shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)

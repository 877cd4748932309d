"""Answers for programs, and what the parsers of several commands share."""

from __future__ import annotations

import argparse
import json
from typing import Any


def option(parser: argparse.ArgumentParser, *forms: str) -> None:
    """``-o``; the first form is the default."""
    parser.add_argument(
        "-o", "--output", choices=forms, default=forms[0], help=f"form of the output (default {forms[0]})"
    )


def show(value: Any, form: str) -> None:
    """``form``: json or yaml."""
    if form == "json":
        print(shown(json.dumps(value, indent=2, ensure_ascii=False)))
        return
    import yaml

    print(yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=120), end="")


def shown(text: str) -> str:
    """JSON with what does not show on a terminal spelled out; the same JSON."""
    return text if text.isprintable() else "".join(_spelled(c) for c in text)


def _spelled(character: str) -> str:
    return character if character.isprintable() or character == "\n" else json.dumps(character)[1:-1]

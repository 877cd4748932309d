"""What ``segue apply`` and ``segue delete`` have in common: a change is sent, shown, and waited for.

The first request waits a second at most, so that a change which takes longer is shown at once. From then on the
status is read again and again, and the person is told what is being waited for.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from typing import Any

from segue.cli import output
from segue.cli.client import Client
from segue.cli.terminal import Progress, coloured, complain, paint

WAIT = 30.0
FIRST = 1.0
PAUSE, LONGEST_PAUSE = 0.25, 2.0
"""Seconds between two readings of the status; counters are not asked for."""
SHOWN = 10

Send = Callable[..., Any]
"""Called with the query; gives the API's answer to a change."""

_COLOURS = {"+": "green", "~": "yellow", "-": "red"}
_DONE = {"add": "added", "change": "changed", "remove": "removed"}


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dry-run", action="store_true", help="check, and show what would change; change nothing")
    waiting = parser.add_mutually_exclusive_group()
    waiting.add_argument(
        "--wait",
        type=_seconds,
        default=WAIT,
        metavar="S",
        help=f"seconds to wait until it is in force on every node (default {WAIT:g})",
    )
    waiting.add_argument("--no-wait", dest="wait", action="store_const", const=0.0, help="do not wait")
    output.option(parser, "text", "json", "yaml")


def run(args: argparse.Namespace, client: Client, send: Send) -> int:
    """The command's exit status: 0 in force (or not waited for), 1 not in force in time."""
    begun = time.monotonic()
    text = args.output == "text"
    answer = send(dry_run=True) if args.dry_run else send(wait=min(args.wait, FIRST))
    if text:
        _print_changes(answer["changes"], args.dry_run)
    if not args.dry_run and not answer["ready"] and args.wait > FIRST:
        answer["waiting"] = _follow(client, answer, begun, args.wait)
        answer["ready"] = not answer["waiting"]
    if not text:
        output.show(answer, args.output)
    if args.dry_run:
        return 0
    if answer["ready"]:
        if text:
            print("ready")
        return 0
    waiting = _lines(answer["waiting"])
    if args.wait:
        complain(f"not in force after {args.wait:g} s. What was declared is kept; it waits for:\n{waiting}")
        return 1
    if text:
        print(f"accepted; it waits for:\n{waiting}")
    return 0


def _print_changes(changes: list[dict[str, Any]], dry_run: bool) -> None:
    colours = coloured(sys.stdout)
    for change in changes:
        first, newline, rest = change["text"].partition("\n")
        print((paint(first, _COLOURS[first[0]]) if colours else first) + newline + rest)
    if not changes:
        print("nothing changes")
        return
    counts = {what: sum(change["what"] == what for change in changes) for what in _DONE}
    if dry_run:
        print("would be", ", ".join(f"{_DONE[what]}: {n}" for what, n in counts.items() if n))
    else:
        print(", ".join(f"{n} {_DONE[what]}" for what, n in counts.items() if n))
    sys.stdout.flush()


def _follow(client: Client, answer: dict[str, Any], begun: float, wait: float) -> list[str]:
    """What is still waited for when all is ready, or the time is over."""
    waiting: list[str] = answer["waiting"]
    pause = PAUSE
    with Progress() as progress:
        while waiting and (left := begun + wait - time.monotonic()) > 0:
            more = f" (and {len(waiting) - 1} more)" if len(waiting) > 1 else ""
            progress.say(f"{time.monotonic() - begun:.0f} s: {waiting[0]}{more}")
            time.sleep(min(pause, left))
            pause = min(pause * 1.25, LONGEST_PAUSE)
            waiting = still_waiting(client.get("/v1/status?count=false"), answer)
    return waiting


def still_waiting(status: dict[str, Any], answer: dict[str, Any]) -> list[str]:
    """Of what a change waits for, what is not so yet: chains that it changed or waits for, nodes that are at work, and
    those that it waits for."""
    first: list[str] = answer["waiting"]
    changed = {change["name"] for change in answer["changes"] if change["kind"] == "chain"}
    reasons = []
    for chain in status["chains"]:
        name = chain["name"]
        concerned = name in changed or any(reason.startswith(f"chain {name}: ") for reason in first)
        if concerned and chain["state"] == "preparing":
            reasons += [f"chain {name}: {why}" for why in chain["reasons"] or ["waits for chains that change with it"]]
    for node in status["nodes"]:
        name = node["name"]
        concerned = node["state"] == "behind" or any(reason.startswith(f"node {name} ") for reason in first)
        if concerned and node["state"] != "ready":
            why = "has no agent connected" if node["state"] == "absent" else node["reason"]
            reasons.append(f"node {name} {why}")
    return reasons


def _lines(reasons: list[str]) -> str:
    lines = [f"  {reason}" for reason in reasons[:SHOWN]]
    if len(reasons) > SHOWN:
        lines.append(f"  ... and {len(reasons) - SHOWN} more (segue status)")
    return "\n".join(lines)


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 <= value < float("inf"):
        raise ValueError
    return value


_seconds.__name__ = "number of seconds"  # argparse names it: invalid number of seconds value: 'x'

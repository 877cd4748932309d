"""``segue openflow decode``: whatever holds OpenFlow, as JSON or text."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from typing import Any

from segue.cli import files
from segue.cli.errors import Failure, Mistake
from segue.cli.openflow_sources import Said, hexadecimal, of_file, of_peer, ports
from segue.cli.openflow_text import render
from segue.cli.openflow_time import text
from segue.cli.terminal import complain
from segue.openflow.as_json import to_json
from segue.openflow.codec import decode
from segue.openflow.wire import ProtocolError


def run(args: argparse.Namespace) -> int:
    form = args.output or ("text" if sys.stdout.isatty() else "json")
    wrong = 0
    noted: list[str] = []

    def note(message: str) -> None:
        noted.append(message)
        complain(message)

    try:
        for said in _sources(args, note):
            obj = to_object(said)
            show(obj, form)
            if "undecoded" in obj:
                wrong += 1
                complain(f"{_where(said)}offset {obj['offset']}: {obj['reason']}")
            if args.listen or args.connect:
                sys.stdout.flush()
    except Failure as failure:
        sys.stdout.flush()
        complain(str(failure))
        return failure.status
    lost = [message for message in noted if not message.startswith("listening")]
    return 1 if wrong or lost else 0


def _sources(args: argparse.Namespace, note: Any) -> Iterator[Said]:
    elsewhere = args.file or args.pcap or args.listen or args.connect
    words = [word for word in args.words if word != files.STDIN]
    if args.words and elsewhere:
        raise Mistake("messages come from one place: words, --file, --pcap, --listen or --connect")
    wanted = ports(args.port)
    if (args.certificate or args.key or args.ca) and not (args.listen or args.connect):
        raise Mistake("--certificate, --key and --ca go with --listen pssl:... and --connect ssl:...")
    if args.listen or args.connect:
        return of_peer(args, note)
    if words:
        if len(words) != len(args.words):
            raise Mistake("either words or - for standard input")
        return hexadecimal(words)
    if not elsewhere and not args.words and sys.stdin.isatty():
        raise Mistake("no messages: write them as hexadecimal words, or --file FILE; see --help")
    return of_file(args.pcap or args.file or files.STDIN, wanted, note, capture=bool(args.pcap))


def to_object(said: Said, datapath: str = "") -> dict[str, Any]:
    """The JSON of one message with where and when it was said, and by which switch if that is known; of octets that
    are none, these and the reason."""
    head: dict[str, Any] = {}
    if said.time:
        head["time"] = text(said.time)
    if said.connection:
        head["connection"] = said.connection
    if datapath:
        head["datapath"] = datapath
    if said.source:
        head["from"] = said.source
    if said.destination:
        head["to"] = said.destination
    frame = said.frame
    if frame.reason:
        return {**head, "undecoded": frame.data.hex(), "offset": frame.offset, "reason": frame.reason}
    try:
        return {**head, **to_json(*decode(frame.data))}
    except (ProtocolError, ValueError, RecursionError) as error:
        code = getattr(error, "error", "OFPBRC_BAD_LEN")
        return {
            **head,
            "undecoded": frame.data.hex(),
            "offset": frame.offset,
            "reason": str(error),
            "error": code,
        }


def show(obj: dict[str, Any], form: str) -> None:
    if form == "text":
        print(render(obj))
    elif form == "yaml":
        import yaml

        print("---")
        print(yaml.safe_dump(obj, sort_keys=False, allow_unicode=True, width=120), end="")
    else:
        print(json.dumps(obj, ensure_ascii=False))


def _where(said: Said) -> str:
    if said.source and said.destination:
        return f"{said.source} > {said.destination}, "
    return f"{said.source}, " if said.source else ""

"""A bump in the wire that replaces words in UDP and TCP payloads by others of the same length.

A word that two TCP segments share is not found: the function looks at one packet at a time.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from segue.lab.apps.bump import arguments, serve
from segue.lab.apps.wire import Transform


def pair(text: str) -> tuple[bytes, bytes]:
    old, _, new = text.encode().partition(b"=")
    if not old or len(old) != len(new):
        raise argparse.ArgumentTypeError(f"{text!r}: say OLD=NEW, both equally long")
    return old, new


def replacing(pairs: Sequence[tuple[bytes, bytes]]) -> Transform:
    def transform(payload: bytes) -> bytes:
        for old, new in pairs:
            payload = payload.replace(old, new)
        return payload

    return transform


def main() -> None:
    parser = arguments("Replaces words in UDP and TCP payloads by others of the same length.")
    parser.add_argument("--replace", type=pair, action="append", required=True, metavar="OLD=NEW")
    options = parser.parse_args()
    serve(options, replacing(options.replace), tcp=True)


if __name__ == "__main__":
    main()

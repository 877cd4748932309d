"""A service function for tests, run as a script: both of what ``segue.lab.apps.add1`` and ``stamp`` do.

It adds 1 to every byte of a UDP or TCP payload; a sequenced packet gets the function's id on its trail instead.
"""

from __future__ import annotations

from segue.lab.apps.add1 import add1
from segue.lab.apps.bump import arguments, byte_number, serve
from segue.lab.apps.trail import MAGIC, stamped


def main() -> None:
    parser = arguments("Adds 1 to every byte of a payload, or its id to a trail.")
    parser.add_argument("--id", type=byte_number, required=True)
    options = parser.parse_args()

    def work(payload: bytes) -> bytes | None:
        return stamped(payload, options.id) if payload.startswith(MAGIC) else add1(payload)

    serve(options, work, tcp=True)


if __name__ == "__main__":
    main()

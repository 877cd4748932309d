"""A bump in the wire that writes its id into sequenced packets, so that each tells which functions it met."""

from __future__ import annotations

from segue.lab.apps.bump import arguments, byte_number, serve
from segue.lab.apps.trail import stamped


def main() -> None:
    parser = arguments("Appends its id to the trail in sequenced packets.")
    parser.add_argument("--id", type=byte_number, required=True, help="0 to 255")
    options = parser.parse_args()
    serve(options, lambda payload: stamped(payload, options.id))


if __name__ == "__main__":
    main()

"""A bump in the wire that adds 1 (modulo 256) to every byte of a UDP payload: n visits can be counted."""

from __future__ import annotations

from segue.lab.apps.bump import arguments, serve

_NEXT = bytes((value + 1) % 256 for value in range(256))


def add1(payload: bytes) -> bytes:
    return payload.translate(_NEXT)


def main() -> None:
    serve(arguments("Adds 1 to every byte of a UDP payload.").parse_args(), add1)


if __name__ == "__main__":
    main()

"""A UDP echo server, IPv4 and IPv6 (RFC 862 on a port of choice)."""

from __future__ import annotations

import argparse
import signal
import sys

from segue.lab.apps.udp import answer, receive, server


def main() -> None:
    parser = argparse.ArgumentParser(description="Sends every UDP datagram back.")
    parser.add_argument("--port", type=int, default=7)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        sock = server(options.port)
    except OSError as error:
        sys.exit(f"port {options.port}: {error}")
    while True:
        answer(sock, *receive(sock))


if __name__ == "__main__":
    main()

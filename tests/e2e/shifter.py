"""A service function for tests, run as a script: what leaves it is another flow. UDP for some ports goes on to others.

--by is added to the destination port, and --odd as well where the source port is odd.
"""

from __future__ import annotations

from segue.lab.apps.bump import Bump, arguments
from segue.lab.apps.wire import Worker


class Shifter(Worker):
    """UDP in IPv4; the checksum is left out, as RFC 768 allows."""

    def __init__(self, encapsulation: str, ports: range, by: int, odd: int) -> None:
        super().__init__(lambda payload: None, encapsulation)
        self._ports, self._by, self._odd = ports, by, odd

    def _segment(self, buf: bytearray, ip: int, end: int, partial: bool) -> None:
        if buf[ip] >> 4 != 4 or buf[ip + 9] != 17:
            return
        udp = ip + (buf[ip] & 15) * 4
        source, destination = (int.from_bytes(buf[at : at + 2], "big") for at in (udp, udp + 2))
        if destination in self._ports:
            destination += self._by + source % 2 * self._odd
            buf[udp + 2 : udp + 4] = destination.to_bytes(2, "big")
            buf[udp + 6 : udp + 8] = b"\0\0"


def main() -> None:
    parser = arguments("Sends UDP on to other ports.")
    for name, meaning in (("first", "lowest port"), ("last", "highest port"), ("by", "distance"), ("odd", "and more")):
        parser.add_argument(f"--{name}", type=int, required=True, help=meaning)
    options = parser.parse_args()
    ports = range(options.first, options.last + 1)
    Bump(options.inner, options.outer, Shifter(options.encap, ports, options.by, options.odd)).run()


if __name__ == "__main__":
    main()

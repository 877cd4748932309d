"""A service function for tests, run as a script: it translates addresses and ports, and remembers what it did.

A bump in the wire for UDP and TCP in IPv4 and IPv6. --source: the address that packets get for their own, with a port
of --ports; --to OLD=NEW: what is sent to OLD reaches NEW; --port OLD=NEW: the same of destination ports. Answers get
back what they are answers to.
"""

from __future__ import annotations

import itertools
from ipaddress import ip_address

from segue.lab.apps.bump import Bump, arguments
from segue.lab.apps.wire import Worker, _fill, _transport

Flow = tuple[int, bytes, int, bytes, int]
"""(protocol, source, its port, destination, its port)."""


class Translator(Worker):
    def __init__(
        self, encapsulation: str, sources: list[bytes], ports: range, servers: dict[bytes, bytes], moved: dict[int, int]
    ) -> None:
        super().__init__(lambda payload: None, encapsulation)
        self._sources = {len(source): source for source in sources}
        self._ports = itertools.cycle(ports)
        self._servers, self._moved = servers, moved
        self._known: dict[Flow, Flow] = {}

    def _segment(self, buf: bytearray, ip: int, end: int, partial: bool) -> None:
        found = _transport(buf, ip, end)
        if found is None or found[0] not in (6, 17):
            return
        protocol, l4, l4_end = found
        at, size = (ip + 12, 4) if buf[ip] >> 4 == 4 else (ip + 8, 16)
        flow = (
            protocol,
            bytes(buf[at : at + size]),
            int.from_bytes(buf[l4 : l4 + 2], "big"),
            bytes(buf[at + size : at + 2 * size]),
            int.from_bytes(buf[l4 + 2 : l4 + 4], "big"),
        )
        _, source, source_port, target, target_port = self._known.get(flow) or self._learn(flow)
        buf[at : at + 2 * size] = source + target
        buf[l4 : l4 + 4] = source_port.to_bytes(2, "big") + target_port.to_bytes(2, "big")
        if size == 4:
            buf[ip + 10 : ip + 12] = b"\0\0"
            header = int.from_bytes(buf[ip : ip + (buf[ip] & 15) * 4], "big") % 65535
            buf[ip + 10 : ip + 12] = (~(header or 65535) & 0xFFFF).to_bytes(2, "big")
        _fill(buf, ip, l4, l4_end, l4 + (6 if protocol == 17 else 16), protocol)

    def _learn(self, flow: Flow) -> Flow:
        protocol, source, source_port, target, target_port = flow
        there = (self._servers.get(target, target), self._moved.get(target_port, target_port))
        here = (source, source_port)
        if len(source) in self._sources:
            here = (self._sources[len(source)], next(self._ports))
        made = (protocol, *here, *there)
        self._known[flow] = made
        self._known[protocol, *there, *here] = (protocol, target, target_port, source, source_port)
        return made


def main() -> None:
    parser = arguments("Translates addresses and ports of UDP and TCP.")
    parser.add_argument("--source", action="append", default=[])
    parser.add_argument("--ports", default="30000-30999")
    parser.add_argument("--to", action="append", default=[], metavar="OLD=NEW")
    parser.add_argument("--port", action="append", default=[], metavar="OLD=NEW")
    options = parser.parse_args()
    low, high = map(int, options.ports.split("-"))
    pairs = [tuple(ip_address(end).packed for end in text.split("=")) for text in options.to]
    moved = dict(tuple(map(int, text.split("="))) for text in options.port)
    sources = [ip_address(text).packed for text in options.source]
    worker = Translator(options.encap, sources, range(low, high + 1), dict(pairs), moved)
    Bump(options.inner, options.outer, worker).run()


if __name__ == "__main__":
    main()

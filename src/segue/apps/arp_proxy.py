"""An ARP proxy: requests for addresses that it knows are answered by the controller, and not flooded.

It learns from what hosts say of themselves in ARP (RFC 826): sender's address and MAC, for as long as `LIFE` seconds
since it was last heard. What it does not answer goes its way: probes (RFC 5227: a request without a sender's address)
and announcements, since they are how a host finds out that somebody else has its address; and requests to one host,
which ask whether that one is still there. A sender that says it has a multicast or the null address is not believed.
"""

import logging
import time
from struct import Struct

from segue.openflow import CONTROLLER, App, Handled, Output, PacketIn, PacketOut, format_mac, is_multicast
from segue.openflow.controller import Switch

LIFE = 300.0
MOST = 131_072

log = logging.getLogger(__name__)
app = App("arp-proxy", after=["discovery", "spanning-tree"])

_ARP = Struct(">HHBBH6sI6sI")
_ETHERNET_IPV4 = (1, 0x0800, 6, 4)
_ETH_TYPE, _REQUEST, _REPLY = 0x0806, 1, 2


class Hosts:
    """Who has which address, as far as it was heard."""

    def __init__(self) -> None:
        self.known: dict[int, tuple[int, float]] = {}
        """IPv4 address -> (MAC, when it was last heard)."""

    def heard(self, data: bytes, now: float) -> bytes | None:
        """The frame that answers the one in `data`, if it is a request that can be answered."""
        if len(data) < 14 + _ARP.size or data[12:14] != b"\x08\x06":
            return None
        *kind, operation, sha, spa, _, tpa = _ARP.unpack_from(data, 14)
        if tuple(kind) != _ETHERNET_IPV4:
            return None
        sender = int.from_bytes(sha, "big")
        if spa and sender and not is_multicast(sender):
            self._learn(spa, sender, now)
        mac, when = self.known.get(tpa, (0, 0.0))
        if operation != _REQUEST or not spa or spa == tpa or not data[0] & 1 or mac in (0, sender):
            return None
        if when + LIFE < now:
            del self.known[tpa]
            return None
        return reply(data, mac)

    def _learn(self, address: int, mac: int, now: float) -> None:
        before = self.known.get(address)
        if before is not None and before[0] != mac:
            log.info("%s is at %s now, and was at %s", _text(address), format_mac(mac), format_mac(before[0]))
        elif before is None and len(self.known) >= MOST:
            self.known.clear()
        self.known[address] = (mac, now)


hosts_of = app.state(Hosts)


def reply(data: bytes, mac: int) -> bytes:
    """The frame that answers the request in `data`: `mac` has the address that was asked for."""
    *_, sha, spa, _, tpa = _ARP.unpack_from(data, 14)
    owner = mac.to_bytes(6, "big")
    body = _ARP.pack(*_ETHERNET_IPV4, _REPLY, owner, tpa, sha, spa)
    return (data[6:12] + owner + _ETH_TYPE.to_bytes(2, "big") + body).ljust(60, b"\0")


@app.on(PacketIn)
def packet_in(switch: Switch, msg: PacketIn) -> Handled | None:
    if msg.eth_type != _ETH_TYPE:
        return None
    answer = hosts_of(switch.controller).heard(msg.data, time.monotonic())
    if answer is None:
        return None
    return Handled(PacketOut(in_port=CONTROLLER, actions=[Output(msg.in_port)], data=answer))


def _text(address: int) -> str:
    return ".".join(map(str, address.to_bytes(4, "big")))

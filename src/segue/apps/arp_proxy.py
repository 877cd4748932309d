"""An ARP proxy: requests for addresses that it knows are answered by the controller, and not flooded.

It learns from what hosts say of themselves in ARP (RFC 826): sender's address and MAC, for as long as `LIFE` seconds
since it was last heard. Probes (RFC 5227: a request without a sender's address) and announcements are let through,
since they are how a host finds out that somebody else has its address. A sender that says it has the multicast or the
null address is not believed.
"""

import logging
import time
from struct import Struct

from segue.openflow import CONTROLLER, App, Handled, Output, PacketIn, PacketOut, format_mac, is_multicast

LIFE = 300.0
MOST = 131_072

log = logging.getLogger(__name__)
app = App("arp-proxy", after=["discovery", "spanning-tree"])
known: dict[int, tuple[int, float]] = {}
"""IPv4 address -> (MAC, when it was last heard)."""

_ARP = Struct(">HHBBH6sI6sI")
_ETHERNET_IPV4 = (1, 0x0800, 6, 4)
_ETH_TYPE, _REQUEST, _REPLY = 0x0806, 1, 2


def reply(data: bytes, mac: int) -> bytes:
    """The frame that answers the request in `data`: `mac` has the address that was asked for."""
    *_, sha, spa, _, tpa = _ARP.unpack_from(data, 14)
    owner = mac.to_bytes(6, "big")
    body = _ARP.pack(*_ETHERNET_IPV4, _REPLY, owner, tpa, sha, spa)
    return (data[6:12] + owner + _ETH_TYPE.to_bytes(2, "big") + body).ljust(60, b"\0")


@app.on(PacketIn)
def packet_in(switch, msg):
    if msg.eth_type != _ETH_TYPE or len(msg.data) < 14 + _ARP.size:
        return None
    *kind, operation, sha, spa, _, tpa = _ARP.unpack_from(msg.data, 14)
    if tuple(kind) != _ETHERNET_IPV4:
        return None
    now = time.monotonic()
    sender = int.from_bytes(sha, "big")
    if spa and sender and not is_multicast(sender):
        before = known.get(spa)
        if before is not None and before[0] != sender:
            log.info("%s is at %s now, and was at %s", _text(spa), format_mac(sender), format_mac(before[0]))
        elif before is None and len(known) >= MOST:
            known.clear()
        known[spa] = (sender, now)
    found = known.get(tpa)
    if operation != _REQUEST or not spa or spa == tpa or found is None:
        return None
    if found[1] + LIFE < now:
        del known[tpa]
        return None
    return Handled(PacketOut(in_port=CONTROLLER, actions=[Output(msg.in_port)], data=reply(msg.data, found[0])))


def _text(address: int) -> str:
    return ".".join(map(str, address.to_bytes(4, "big")))

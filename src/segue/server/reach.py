"""To which networks the server opens connections where a service's holder has told it to.

A name is looked up each time, and what it stands for then is what is judged and called: it is not looked up again on
the way.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

import msgspec

from segue.openflow.reached import Resolve

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address

_NAT64 = IPv6Network("64:ff9b::/96")
GUARDED = tuple(map(ip_network, ("127.0.0.0/8", "0.0.0.0/8", "169.254.0.0/16", "::1/128", "::/128", "fe80::/10")))


class OutOfReach(OSError):
    """The server calls nobody there; says where it does."""


class Reach(msgspec.Struct, frozen=True):
    """``networks``: None for any. ``guards``: it is a project's, see above."""

    networks: tuple[Network, ...] | None = None
    guards: bool = False

    def guarded(self) -> Reach:
        return msgspec.structs.replace(self, guards=True)

    def holds(self, address: str) -> bool:
        """Whether the server may call this IP address."""
        return not self._why(address)

    def _why(self, address: str) -> str:
        """The beginning of why not."""
        reached = _reached(ip_address(address.partition("%")[0]))
        named = [network for network in self.networks or () if any(one in network for one in reached)]
        if self.networks is not None and not named:
            return self._elsewhere()
        for one in reached if self.guards else ():
            if (near := _near(one)) is not None and not any(_within(network, near) for network in named):
                return _NEAR
        return ""

    def wrong(self, host: str) -> str:
        """Why this is not called, and what is; empty where it may be. What a name stands for is not known yet."""
        try:
            why = self._why(host)
        except ValueError:
            return ""
        return f"{host}{why}" if why else ""

    @property
    def resolve(self) -> Resolve | None:
        """None where there is nothing to judge."""
        return None if self.networks is None and not self.guards else self.addresses

    async def addresses(self, host: str, port: int) -> list[str]:
        """What ``host`` stands for, as far as it may be called. Raises OSError."""
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        every = dict.fromkeys(_scoped(entry[4]) for entry in found)
        whys = {address: self._why(address) for address in every}
        called = [address for address, why in whys.items() if not why]
        if not called:
            raise OutOfReach(f"{host}{next(iter(whys.values()), self._elsewhere())}")
        return called

    def _elsewhere(self) -> str:
        if not self.networks:
            return ": this server calls no controllers (--services-networks none)"
        some = ", ".join(map(str, self.networks))
        return f" is not in the networks where this server calls controllers: {some} (--services-networks)"


ANYWHERE = Reach()
_NEAR = (
    " is the server's own machine, or link-local; services of projects have controllers there only where the server's "
    "operator has named it (--services-networks)"
)


def _reached(address: Address) -> tuple[Address, ...]:
    """What is reached by this address: itself, or the IPv4 address in it (RFC 4291, 2.5.5.2); or both, where a gateway
    translates (RFC 6052, 2.1) or ends a tunnel (RFC 3056, 2)."""
    if isinstance(address, IPv4Address):
        return (address,)
    if address.ipv4_mapped is not None:
        return (address.ipv4_mapped,)
    if address in _NAT64:
        return address, IPv4Address(address.packed[12:])
    return (address,) if address.sixtofour is None else (address, address.sixtofour)


def _scoped(found: Sequence[Any]) -> str:
    """An address as ``getaddrinfo`` has it. Without its scope a link-local one is not to be found."""
    scope = found[3] if len(found) > 3 else 0
    return f"{found[0]}%{scope}" if scope and "%" not in found[0] else str(found[0])


def _near(address: Address) -> Network | None:
    """The guarded network that the address is in."""
    for network in GUARDED:
        if address in network:
            return network
    return ip_network(address) if is_own(address) else None


def _within(inner: Network, outer: Network) -> bool:
    return inner.version == outer.version and inner.network_address in outer and inner.prefixlen >= outer.prefixlen


def is_own(address: Address) -> bool:
    """Whether it is this machine's: what is sent to such an address comes from it. Nothing is sent."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as asking:
            asking.connect((str(address), 9))
            return ip_address(asking.getsockname()[0].partition("%")[0]) == address
    except OSError:  # there is no way to it
        return False

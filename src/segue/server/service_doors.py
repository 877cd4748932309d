"""How a service's virtual switch and its controller come together: Segue calls the controller, or is called by it."""

from __future__ import annotations

import asyncio
import logging
import os
import re
from collections.abc import Callable, Mapping
from ipaddress import ip_address
from typing import Any

import msgspec

from segue.openflow.channel import Channel, Dialer, Listener, Tls, listen
from segue.openflow.endpoint import parse
from segue.openflow.limits import Limits
from segue.openflow.wire import V10, V13, V14, V15
from segue.server.reach import ANYWHERE, OutOfReach, Reach

log = logging.getLogger(__name__)

_KINDS = frozenset({"tcp", "ssl", "tls", "ptcp", "pssl", "ptls", "unix", "punix"})
_HOST = re.compile(r"[0-9A-Za-z_.-]{1,253}")
_ADDRESS = re.compile(r"[0-9A-Fa-f.:]{2,45}(%[0-9A-Za-z_.-]{1,15})?")
"""The second as it is in brackets."""
_ERRNO = re.compile(r"\[Errno (\d+)\]")
VERSIONS = (V10, V13, V14, V15)
LIMITS = Limits()
LONGEST = 300
"""Letters of a target."""
LONGEST_NAME = 253
"""Letters of the name in a certificate."""
UNREACHED = "no OpenFlow connection could be made; the server's log says more"
"""All that who has a token is told of calls that fail: else it would learn what listens where the server can call."""
MOST_CALLERS = 32
"""Connections at one service's door. They are the server's files, which who calls its API needs too."""
RETRY = 2.0
"""Seconds before an address that was taken is tried again."""


class Controller(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the holder of a token has registered. ``target``: ``tcp:HOST[:PORT]`` or ``ssl:...`` is called;
    ``ptcp:PORT[:HOST]`` or ``pssl:...`` is where Segue waits to be called. ``versions``: as on the wire; empty: all.
    ``name``: what the certificate of the other end is to be made out to; empty: anything."""

    target: str
    versions: tuple[int, ...] = ()
    name: str = ""


class BadTarget(ValueError):
    """What cannot be a service's controller; says why, and what to write instead."""


def checked(target: str, *, secure: bool, ports: range | None, name: str = "", reach: Reach = ANYWHERE) -> str:
    """The target as it will be shown. Raises BadTarget. ``secure``: the server has certificates for TLS. ``ports``:
    those at which it may wait to be called; None: any, for administrators. ``name``: see Controller. ``reach``: where
    the server calls.

    Unix sockets are the server's own business: whoever has a token need not have an account on its machine. To wait
    takes a port of the server's machine, of which there is one each: whoever is no administrator gets those alone that
    one has set aside. It waits on the loopback address unless it names another. Who calls there is the controller; so
    whoever is no administrator says whose certificate it has, or waits where the machine's own processes call.
    """
    if len(target) > LONGEST:
        raise BadTarget(f"a target has at most {LONGEST} letters; write tcp:HOST:PORT")
    if target.partition(":")[0] not in _KINDS:
        raise BadTarget(f"{target!r} is no target: write tcp:HOST:PORT, ssl:HOST:PORT, ptcp:PORT or pssl:PORT")
    try:
        endpoint = parse(target)
    except ValueError as error:
        raise BadTarget(str(error)) from None
    if endpoint.kind == "unix":
        raise BadTarget(f"{target!r} is a socket on the server's machine; write tcp:HOST:PORT or ptcp:PORT")
    if endpoint.host and not (_HOST.fullmatch(endpoint.host) or _is_address(endpoint.host)):
        raise BadTarget(
            f"{endpoint.host!r} is no address and no host's name; write tcp:HOST:PORT, such as tcp:192.0.2.1:6653"
        )
    if not endpoint.passive and not endpoint.port:
        raise BadTarget(f"{target!r}: nobody can be called at port 0; write the port where the controller waits")
    if endpoint.secure and not secure:
        raise BadTarget(
            f"{target!r} needs certificates, and this server has none for controllers of services; start it with "
            "--services-certificate, --services-key and --services-authority, or write tcp: in place of ssl:"
        )
    if not endpoint.passive and (why := reach.wrong(endpoint.host)):
        raise BadTarget(f"{target!r}: {why}")
    if endpoint.passive and ports is not None and endpoint.port not in ports:
        some = f"{ports[0]} to {ports[-1]} are set aside for that" if ports else "none is set aside for that"
        raise BadTarget(
            f"{target!r} takes a port of the server's machine, of which {some} (--services-listen); write "
            "tcp:HOST:PORT, and have the controller wait there"
        )
    if endpoint.passive and not endpoint.host:
        endpoint = msgspec.structs.replace(endpoint, host="127.0.0.1")
    if name and not endpoint.secure:
        raise BadTarget(
            f"the name {name[:LONGEST]!r} is that of a certificate, and {target!r} has none; write ssl: in it"
        )
    if len(name) > LONGEST_NAME or not name.isprintable() or any(c.isspace() or c == "*" for c in name):
        raise BadTarget(f"{name[:LONGEST]!r} is no name that a certificate can be made out to; write HOST.DOMAIN")
    if endpoint.passive and ports is not None:
        if endpoint.secure and not name:
            raise BadTarget(
                f"whoever has a certificate of the same authority could call at {target!r}; give the name that the "
                "controller's own is made out to (name, or --name)"
            )
        if not endpoint.secure and not _loopback(endpoint.host):
            raise BadTarget(
                f"whoever reaches {target!r} would be the controller; write pssl: with the name of its certificate, "
                "or ptcp:PORT, which the server's own machine reaches alone"
            )
    return str(endpoint)


def _is_address(text: str) -> bool:
    try:
        ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return _ADDRESS.fullmatch(text) is not None


def _loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def made_out_to(certificate: Mapping[str, Any] | None, name: str) -> bool:
    """Whether a certificate, as ``ssl`` tells of it, is ``name``'s: by the DNS names in it, or, where there are none,
    by its common name."""
    if certificate is None:
        return False
    names = [value for kind, value in certificate.get("subjectAltName", ()) if kind == "DNS"]
    if not names:
        names = [value for part in certificate.get("subject", ()) for kind, value in part if kind == "commonName"]
    return name.lower() in [one.lower() for one in names]


class Door:
    """Keeps one service reachable by its controller until it is closed. ``on_channel`` gets each connection.
    ``service``: whose it is, for the log."""

    def __init__(
        self,
        controller: Controller,
        on_channel: Callable[[Channel], None],
        tls: Tls,
        reach: Reach = ANYWHERE,
        service: str = "",
    ) -> None:
        self.controller = controller
        self._on_channel = on_channel
        self._tls = tls
        self._reach = reach
        self._settings: dict[str, Any] = {
            "side": "switch",
            "versions": controller.versions or VERSIONS,
            "limits": LIMITS,
        }
        self._dialer: Dialer | None = None
        self._listener: Listener | None = None
        self._task: asyncio.Task[None] | None = None
        self._why = ""
        self._outside = ""
        self._called = f"service {service}: its controller at {controller.target}"

    def open(self) -> None:
        if parse(self.controller.target).passive:
            self._task = asyncio.get_running_loop().create_task(self._listen())
        else:
            self._dialer = Dialer(
                self.controller.target,
                self._let_in,
                tls=self._tls,
                called=self._called,
                resolve=self._reach.resolve and self._resolve,
                **self._settings,
            )
            self._dialer.start()

    def close(self) -> None:
        if self._dialer is not None:
            self._dialer.close()
        if self._task is not None:
            self._task.cancel()
        if self._listener is not None:
            self._listener.close()

    @property
    def trouble(self) -> str:
        """Why there is no connection, if it is known; for administrators."""
        why = (self._dialer.failure or "") if self._dialer is not None else self._why
        number = _ERRNO.match(why)  # asyncio has words of its own for some
        return os.strerror(int(number[1])).lower() if number else why

    @property
    def told(self) -> str:
        """The same for everybody else; of a call, whether or not it has failed yet."""
        return self.trouble if self._dialer is None else self._outside or UNREACHED

    @property
    def address(self) -> str:
        """Where it waits to be called, with the port that it was given; else the target."""
        return self._listener.addresses[0] if self._listener is not None else self.controller.target

    def _let_in(self, channel: Channel) -> None:
        """Who shows another's certificate is not the controller."""
        name = self.controller.name
        if name and not made_out_to(channel.certificate, name):
            self._why = f"{channel.peer} has a certificate that is not made out to {name}"
            log.warning("%s: %s; it is refused", self._called, self._why)
            channel.abort(self._why)
            return
        self._why = ""
        self._on_channel(channel)

    async def _resolve(self, host: str, port: int) -> list[str]:
        try:
            found = await self._reach.addresses(host, port)
        except OutOfReach as error:
            self._outside = str(error)
            raise
        self._outside = ""
        return found

    async def _listen(self) -> None:
        while True:
            try:
                self._listener = await listen(
                    self.controller.target, self._let_in, tls=self._tls, most=MOST_CALLERS, **self._settings
                )
            except (OSError, ValueError) as error:
                if not self._why:
                    log.warning("%s: %s", self._called, error)
                self._why = str(error)
                await asyncio.sleep(RETRY)
            else:
                self._why = ""
                return

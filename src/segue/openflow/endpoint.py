"""Where the other end is, as people write it: `tcp:HOST[:PORT]`, `ssl:HOST[:PORT]`, `unix:PATH`, and to be called at:
`ptcp:[PORT][:HOST]`, `pssl:[PORT][:HOST]`, `punix:PATH`.

These are Open vSwitch's spellings (ovs-vsctl(8), "Controller"), so what is in `ovs-vsctl get-controller` can be
pasted here. Because people get the order of passive ones wrong, `ptcp:HOST:PORT` means the same as `ptcp:PORT:HOST`;
`tls` is `ssl`, and an IPv6 address stands in brackets. Port 6653 is OpenFlow's own (OpenFlow 1.5.1 section 6.3.1).

With TLS both ends show a certificate of an authority that both trust, and names are not checked: a switch is reached
at an address, and what makes it ours is who signed its key (the same section).
"""

import ssl
from pathlib import Path
from typing import Final

import msgspec

PORT: Final = 6653
MOST_PORT: Final = 65535

_ACTIVE: Final = {"tcp": ("tcp", False), "ssl": ("tcp", True), "tls": ("tcp", True), "unix": ("unix", False)}
_PASSIVE: Final = {"ptcp": ("tcp", False), "pssl": ("tcp", True), "ptls": ("tcp", True), "punix": ("unix", False)}


class Endpoint(msgspec.Struct, frozen=True):
    """One end. `kind` is "tcp" (`host`, `port`) or "unix" (`path`); `passive` ends wait to be called, on all
    addresses if `host` is empty."""

    kind: str
    host: str = ""
    port: int = 0
    path: str = ""
    secure: bool = False
    passive: bool = False

    def __str__(self) -> str:
        if self.kind == "unix":
            return f"{'p' if self.passive else ''}unix:{self.path}"
        kind = "ssl" if self.secure else "tcp"
        host = f"[{self.host}]" if ":" in self.host else self.host
        if self.passive:
            return f"p{kind}:{self.port}{':' if host else ''}{host}"
        return f"{kind}:{host}:{self.port}"


class Certificates(msgspec.Struct, frozen=True):
    """The files (PEM) of one end's certificate and key, and of the authority that signed the other end's."""

    certificate: str | Path
    key: str | Path
    authority: str | Path

    def context(self, *, server: bool) -> ssl.SSLContext:
        """For TLS 1.2 and later, with both ends authenticated. ValueError says which file is of no use."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_REQUIRED
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        for path in (self.certificate, self.key, self.authority):
            if not Path(path).is_file():
                raise ValueError(f"TLS: there is no file {path}")
        try:
            context.load_cert_chain(self.certificate, self.key)
        except (ssl.SSLError, OSError) as e:
            raise ValueError(f"TLS: {self.certificate} and {self.key} are no certificate and its key: {e}") from None
        try:
            context.load_verify_locations(self.authority)
        except (ssl.SSLError, OSError) as e:
            raise ValueError(f"TLS: {self.authority} is no certificate of an authority: {e}") from None
        return context


def active(target: str) -> Endpoint:
    """The end that is to be called. ValueError says what to write instead."""
    kind, colon, rest = target.partition(":")
    if kind in _PASSIVE:
        raise ValueError(
            f"{target!r} waits to be called; to call, write {kind[1:]}:{'PATH' if 'x' in kind else 'HOST:PORT'}"
        )
    if kind not in _ACTIVE or not colon:
        raise ValueError(f"{target!r} is no target: write tcp:HOST:PORT, ssl:HOST:PORT or unix:PATH")
    name, secure = _ACTIVE[kind]
    if name == "unix":
        if not rest:
            raise ValueError(f"{target!r} names no socket: write unix:PATH")
        return Endpoint("unix", path=rest)
    host, port = _host_port(target, rest)
    if not host:
        raise ValueError(f"{target!r} names no host: write {kind}:HOST:PORT, such as {kind}:192.0.2.1:{PORT}")
    return Endpoint("tcp", host, PORT if port is None else _port(target, port), secure=secure)


def passive(target: str) -> Endpoint:
    """The end at which others call. Port 0 is any that is free. ValueError says what to write instead."""
    kind, colon, rest = target.partition(":")
    if kind in _ACTIVE:
        raise ValueError(
            f"{target!r} is to be called; to wait for calls, write p{kind}:{'PATH' if 'x' in kind else 'PORT'}"
        )
    if kind not in _PASSIVE:
        raise ValueError(f"{target!r} is no place to listen at: write ptcp:PORT, pssl:PORT or punix:PATH")
    name, secure = _PASSIVE[kind]
    if name == "unix":
        if not rest:
            raise ValueError(f"{target!r} names no socket: write punix:PATH")
        return Endpoint("unix", path=rest, passive=True)
    if not colon or not rest:
        return Endpoint("tcp", "", PORT, secure=secure, passive=True)
    first, last = _host_port(target, rest)
    if first.isdecimal() and not rest.startswith("["):
        first, last = last or "", first
        if first.startswith("["):
            first = first[1:-1]
    return Endpoint("tcp", first, PORT if last is None else _port(target, last), secure=secure, passive=True)


def parse(target: str) -> Endpoint:
    """An active or a passive end, as `target` says itself."""
    return passive(target) if target.partition(":")[0] in _PASSIVE else active(target)


def _host_port(target: str, rest: str) -> tuple[str, str | None]:
    """What stands before and behind the colon; brackets may hold colons."""
    if rest.startswith("["):
        host, bracket, after = rest[1:].partition("]")
        if not bracket or (after and not after.startswith(":")):
            raise ValueError(f"{target!r}: an IPv6 address stands in brackets, such as [2001:db8::1]:{PORT}")
        return host, after[1:] or None
    first, _, last = rest.partition(":")
    if ":" in last and not (last.startswith("[") and last.endswith("]")):
        raise ValueError(f"{target!r}: an IPv6 address stands in brackets, such as [2001:db8::1]:{PORT}")
    return first, last or None


def _port(target: str, text: str) -> int:
    if not (text.isascii() and text.isdecimal()) or int(text) > MOST_PORT:
        raise ValueError(f"{target!r}: {text!r} is no port: a number up to {MOST_PORT} is wanted")
    return int(text)

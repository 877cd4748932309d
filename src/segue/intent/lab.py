"""What a laboratory runs on the ports of an intent: data only, read here and obeyed elsewhere."""

from __future__ import annotations

import msgspec


class HostSection(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """``ports``: which ports it holds; none given means the port of its own name.

    ``run``: shell commands, each kept running in the host.
    ``forward``: whether it forwards IP packets. ``env``: environment variables of its commands.
    """

    name: str
    ports: tuple[str, ...] = ()
    run: tuple[str, ...] = ()
    forward: bool = False
    env: dict[str, str] = msgspec.field(default_factory=dict)


class LabSection(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """``name`` is None where the file gives none."""

    name: str | None = None
    hosts: dict[str, HostSection] = msgspec.field(default_factory=dict)

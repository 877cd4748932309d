"""What the API of injected services takes and gives, as structs."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from litestar.exceptions import ClientException

from segue.api.bodies import read
from segue.inject.features import datapath_id
from segue.model.hooks import HOOKS
from segue.model.intent import Permissions
from segue.server.service_room import Room
from segue.server.services import Services

LONGEST_TOKEN = 100 * 365 * 86_400
"""Seconds; whoever wants it longer wants it without end."""

LONGEST_ONE = 256 << 10
"""Octets of a flow or message as JSON, which is read in one go: more than one has that a service may send."""

Version = Literal["1.0", "1.3", "1.4", "1.5"]
Seconds = Annotated[float, msgspec.Meta(gt=0, le=LONGEST_TOKEN)]


class PortBody(msgspec.Struct):
    """One of the virtual switch's ports. ``node`` is empty while nobody knows where it is, of routers, and to whoever
    is no administrator."""

    number: int
    kind: str
    name: str
    node: str
    mac: str


class TokenBody(msgspec.Struct, forbid_unknown_fields=True):
    """``expires_in``: seconds; null: it does not expire."""

    expires_in: Seconds | None = None


class TokenState(msgspec.Struct):
    """``created`` and ``expires``: seconds since 1970."""

    number: int
    created: float
    expires: float | None
    state: Literal["valid", "expired", "revoked"]


class NewToken(msgspec.Struct):
    """``token`` is shown here and nowhere else."""

    token: str
    number: int
    expires: float | None


class AttachBody(msgspec.Struct, forbid_unknown_fields=True):
    """Elements as ``port/NAME``, ``network/NAME``, ``router/NAME``."""

    attach: list[str]


class ControllerBody(msgspec.Struct, forbid_unknown_fields=True):
    """``target``: ``tcp:HOST:PORT`` or ``ssl:HOST:PORT`` is called; at ``ptcp:PORT[:HOST]`` or ``pssl:PORT[:HOST]`` the
    server waits. ``versions`` of OpenFlow; without any, all that there are. ``name``: what the controller's certificate
    is made out to; at ``pssl:`` a project has to say it."""

    target: str
    versions: list[Version] = []
    name: str = ""


class ControllerState(msgspec.Struct):
    """``address``: where it is called, or where it is to call. ``connected``: from where it is. ``trouble``: why there
    is no connection, if that is known; why a call failed only administrators are told. ``name``: what its certificate
    is to be made out to."""

    target: str
    address: str
    connected: list[str]
    trouble: str
    name: str


class FlowsBody(msgspec.Struct, forbid_unknown_fields=True):
    """Flow mods as the OpenFlow library's JSON has them. ``version``, ``type``, ``command`` and ``table_id`` need not
    be said; ``packet_count``, ``byte_count`` and ``duration`` are told, and not heard."""

    flows: list[dict[str, Any]]


class MessagesBody(msgspec.Struct, forbid_unknown_fields=True):
    """OpenFlow messages as the OpenFlow library's JSON has them. ``version`` is 1.0, 1.3, 1.4 or 1.5, which it is where
    it is not said."""

    messages: list[dict[str, Any]]


class UnreadFlows(msgspec.Struct, forbid_unknown_fields=True):
    """A ``FlowsBody`` whose flows are not read yet."""

    flows: list[msgspec.Raw]


class UnreadMessages(msgspec.Struct, forbid_unknown_fields=True):
    """A ``MessagesBody`` whose messages are not read yet."""

    messages: list[msgspec.Raw]


class UnconfirmedBody(msgspec.Struct):
    """``waiting``: the nodes that have not confirmed that it is gone there, and why: without an agent, they go on with
    what they had. Nodes are named to administrators; others are told how many there are."""

    waiting: list[str]


class ServiceBody(msgspec.Struct):
    """``been`` and ``to_come``: what packets at its hook have been and will be through. ``flows``: how many there are,
    of at most ``quota``. ``refused``: what switches would not take, or have no room for, and why. ``lost``: packet-ins
    that came too fast or were not read; those that switches dropped, as they were last counted, too. ``unsent``:
    packet-outs that came too fast for the nodes. ``failing``: nodes that have answered that they cannot take changes
    now, and why; what was changed since may not be in force there. ``nodes``: where its flows are; for
    administrators."""

    name: str
    project: str
    label: str
    hook: str
    order: int
    attach: list[str]
    permissions: Permissions
    quota: int
    packet_ins: int
    copies: int
    been: str
    to_come: str
    datapath_id: str
    ports: list[PortBody]
    nodes: list[str]
    flows: int
    groups: int
    meters: int
    lost: int
    unsent: int
    refused: list[str]
    failing: list[str]
    token: TokenState | None
    controller: ControllerState | None


def read_one(text: msgspec.Raw, where: str) -> dict[str, Any]:
    """A flow or message. ``where`` it stands in the body. Raises ClientException."""
    if len(bytes(text)) > LONGEST_ONE:
        raise ClientException(f"{where}: it is larger than {LONGEST_ONE >> 10} KiB; none that a service may send is")
    return read(text, dict[str, Any], f"that is {where}")


def values(body: bytes | bytearray) -> int:
    """How many values there are in a JSON text, at the most: that, and not its length, is what reading it takes."""
    return 1 + sum(map(body.count, (b",", b"[", b"{")))


def said(room: Room, services: Services, *, whole: bool) -> ServiceBody:
    """``whole``: with what administrators alone are told: of nodes, and of what the server meets where it calls."""
    declared, datapath = room.info.declared, room.datapath
    hook, refused = HOOKS[declared.hook], sorted(room.refused.items())
    return ServiceBody(
        declared.name,
        declared.project,
        declared.label,
        declared.hook,
        declared.order,
        list(declared.attach),
        declared.permissions,
        declared.flows,
        declared.packet_ins,
        declared.copies,
        hook.been,
        hook.to_come,
        f"{datapath_id(datapath.scope):016x}",
        [
            PortBody(number, one.kind, one.name, one.node if whole else "", one.mac.to_bytes(6, "big").hex(":"))
            for number, one in sorted(datapath.scope.elements.items())
        ],
        services.nodes(room.key) if whole else [],
        len(datapath.flows),
        len(datapath.groups),
        len(datapath.meters),
        room.lost + room.counts.dropped,
        services.unsent(room.key),
        [*_lacking(room), *(f"{f'node {node}: ' if whole else ''}{what}: {why}" for (node, what), why in refused)],
        services.said(services.failing(room.key), named=whole),
        _token(room),
        _controller(room, whole),
    )


def _lacking(room: Room) -> list[str]:
    about, declared = room.about, room.info.declared
    permissions = declared.permissions
    off = {
        "packet-ins": declared.packet_ins and permissions.packet_in and not about.meter,
        "copies": declared.copies and (permissions.copy or permissions.redirect) and not about.copy_meter,
    }
    text = "the network has no meter left to limit them by; they are off until one is free"
    return [f"{what}: {text}" for what, lacks in off.items() if lacks]


def _token(room: Room) -> TokenState | None:
    kept = room.about.token
    if kept is None:
        return None
    if kept.revoked:
        return TokenState(kept.number, kept.created, kept.expires, "revoked")
    return TokenState(kept.number, kept.created, kept.expires, "valid" if room.access.holds() else "expired")


def _controller(room: Room, whole: bool) -> ControllerState | None:
    registered, door = room.about.controller, room.access.door
    if registered is None:
        return None
    address, trouble = "", "the service has no token that holds; make one"
    if door is not None:
        address, trouble = door.address, door.trouble if whole else door.told
    peers = [channel.peer for channel in room.side.channels]
    if peers and not whole:
        trouble = ""
    return ControllerState(registered.target, address, peers, trouble, registered.name)

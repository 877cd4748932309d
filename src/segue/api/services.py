"""Injected services: registered, attached, given tokens; and what the holder of a token does over HTTP.

A service is an object as any other (``/v1/objects/service``), which administrators can declare so. Here a project
registers its own and sees those alone: attached to its own elements, which the rules of the object hold (``compile``).
What a service's own token is good for is what stands below ``/v1/services/NAME``: flows, messages, packets, controller.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from typing import Annotated, Any

import msgspec
from litestar import Controller as Routes
from litestar import Request, Response, delete, get, post, put
from litestar.datastructures import State
from litestar.exceptions import ClientException, PermissionDeniedException
from litestar.params import Parameter
from litestar.types import ASGIApp

from segue.api.admitted import caller_of, check, who
from segue.api.bodies import read
from segue.api.declaring import Wait, change, no_null, service_of
from segue.api.errors import NotFound
from segue.api.events import BEAT, Stream
from segue.api.permission import OPERATORS, injected
from segue.api.service_bodies import (
    AttachBody,
    ControllerBody,
    FlowsBody,
    MessagesBody,
    NewToken,
    ServiceBody,
    TokenBody,
    UnconfirmedBody,
    UnreadFlows,
    UnreadMessages,
    read_one,
    said,
    values,
)
from segue.intent import IntentError, parse
from segue.model.intent import Service
from segue.model.stages import SERVICE_TABLES
from segue.neutron.caller import Caller
from segue.openflow import FlowMod, PacketIn
from segue.openflow.as_json import VERSION_NUMBERS, from_json, to_json
from segue.openflow.declare import Message
from segue.openflow.wire import V15
from segue.server.news import Event
from segue.server.service_doors import VERSIONS, BadTarget, Controller, checked
from segue.server.service_flows import listed
from segue.server.service_limits import ProjectLimits
from segue.server.service_pending import DISK
from segue.server.service_room import Room

log = logging.getLogger(__name__)

LARGEST_BODY = 16 << 20
"""Octets of a body with flows or messages, from who is no administrator."""
LARGEST_SMALL = 1 << 20
"""The same of any other body."""
MOST_VALUES = 1_000_000
"""JSON's, in such a body: it is looked through in one go, and parts of it are read so."""
MOST_MESSAGES = 5_000
"""Messages of one request, which are carried out in one go."""
AT_ONCE = 100
"""Flows, or messages, that are read or written before others have their turn."""
OCTETS_AT_ONCE = 64 << 10
"""The same of what they are as JSON, where that is less."""
MOST_STREAMS = 8
"""Of packets, of one service."""
MOST_WAITING = 1_000
"""Packets that wait for a reader of the stream; more are left out."""
MOST_WAITING_OCTETS = 4 << 20
"""Of all of them."""
COUNTED = ("packet_count", "byte_count", "duration")
"""What is told of a flow beside its flow mod."""

Table = Annotated[int, Parameter(ge=0, le=SERVICE_TABLES - 1)]
OfTable = Annotated[int | None, Parameter(ge=0, le=SERVICE_TABLES - 1)]
Asked = Request[Any, Any, State]

_encode = msgspec.json.Encoder().encode


class Services(Routes):
    path = "/v1/services"

    @get("/")
    async def listing(self, request: Asked, state: State) -> list[ServiceBody]:
        """In the order of their names."""
        caller = caller_of(request.scope)
        rooms = service_of(state).injected.by_name
        return [_said(request, state, room) for _, room in sorted(rooms.items()) if _may_see(caller, room)]

    @post("/", status_code=201)
    async def create(self, request: Asked, state: State, wait: Wait = 0.0) -> ServiceBody:
        """The body is the service with its ``name``, and its fields as the intent has them."""
        caller, service, flows = caller_of(request.scope), service_of(state), 0
        fields = read(
            await _body(request, LARGEST_SMALL), dict[str, Any], "write {name: NAME, hook: HOOK, attach: [port/NAME]}"
        )
        name = fields.pop("name", None)
        if not isinstance(name, str):
            raise ClientException("body: a service needs a name; write name: NAME")
        objects = service.conductor.declared.objects
        if ("service", name) in objects:
            raise ClientException(f"the name {name!r} is taken; take another name", status_code=409)
        if not caller.admin:
            if fields.get("project", caller.project) != caller.project:
                raise PermissionDeniedException("a project registers services of its own; leave project out")
            fields["project"] = caller.project
            own = [one for one in objects.values() if isinstance(one, Service) and one.project == caller.project]
            most = service.injected.limits.services
            if len(own) >= most:
                text = f"the project has {len(own)} services, and may have {most}; delete one that is not needed"
                raise ClientException(text, status_code=409)
            flows = sum(one.flows for one in own)
        await _declare(state, name, fields, wait, None if caller.admin else service.injected.limits, flows)
        noted(request, name, "registers it")
        return _said(request, state, _own(request, state, name))  # which may have gone while it waited

    @get("/{name:str}")
    async def show(self, name: str, request: Asked, state: State) -> ServiceBody:
        room = _own(request, state, name)
        await room.counts.read_dropped(room.about.meter)
        return _said(request, state, room)

    @delete("/{name:str}", status_code=202)
    async def remove(
        self, name: str, request: Asked, state: State, wait: Wait = 0.0
    ) -> Response[UnconfirmedBody | None]:
        """With all that it has set up. Who does not ``wait`` is told of no node."""
        room, service = _managed(request, state, name), service_of(state)
        told = service.injected.told(room.key, 0)
        await change(service.conductor, {("service", room.name): None}, [], False, 0)
        noted(request, room.name, "deletes it")
        if not wait:
            return Response(None, status_code=204)
        now = dict.fromkeys(told, service.conductor.revision)
        return _unconfirmed(request, state, await service.injected.confirmed(name, now, wait))

    @put("/{name:str}/attach", status_code=200)
    async def attach(self, name: str, request: Asked, state: State, wait: Wait = 0.0) -> ServiceBody:
        """From now on the service is attached to these elements, and to no others."""
        room = _managed(request, state, name)
        data = read(await _body(request, LARGEST_SMALL), AttachBody, 'write {"attach": ["port/NAME", ...]}')
        _still(request, state, room)
        fields = msgspec.to_builtins(service_of(state).conductor.declared.objects["service", name])
        fields.pop("name")
        await _declare(state, name, {**fields, "attach": data.attach}, wait)
        noted(request, name, f"attaches it to {', '.join(data.attach) or 'nothing'}"[:300])
        return _said(request, state, _own(request, state, name))

    # -- tokens ------------------------------------------------------------------------------------------------------

    @post("/{name:str}/token", status_code=201)
    async def token(self, name: str, request: Asked, state: State) -> NewToken:
        """A new token, which is shown this once; the one before holds no more."""
        room = _managed(request, state, name)
        data = read(await _body(request, LARGEST_SMALL) or b"{}", TokenBody, 'write {} or {"expires_in": SECONDS}')
        _still(request, state, room)
        service_of(state).injected.check_writable()
        text = room.access.renew(data.expires_in)
        kept = room.about.token
        assert kept is not None
        noted(request, name, f"makes its token {kept.number}")
        await room.durable(room.sequence)
        return NewToken(text, kept.number, kept.expires)

    @delete("/{name:str}/token", status_code=202)
    async def revoke(
        self, name: str, request: Asked, state: State, wait: Wait = 10.0
    ) -> Response[UnconfirmedBody | None]:
        """The token holds no more, and what came by it is removed: flows, groups, meters, the controller."""
        room, services = _managed(request, state, name), service_of(state).injected
        room.access.revoke()
        noted(request, name, "revokes its token")
        end = await _durable(room, wait)
        told = services.told(room.key, room.pending.revision)
        nodes = await services.confirmed(name, told, end - time.monotonic())
        return _unconfirmed(request, state, nodes)

    # -- what a token is good for --------------------------------------------------------------------------------------

    @put("/{name:str}/controller", status_code=200)
    async def connect(self, name: str, request: Asked, state: State) -> ServiceBody:
        """The controller that the virtual switch calls, or waits for, from now on."""
        room, services = _own(request, state, name), service_of(state).injected
        data = read(await _body(request, LARGEST_SMALL), ControllerBody, 'write {"target": "tcp:HOST:PORT"}')
        _still(request, state, room)
        ports = None if caller_of(request.scope).admin else services.ports
        try:
            secure = services.tls is not None
            reach = services.reach_of(room)
            target = checked(data.target, secure=secure, ports=ports, name=data.name, reach=reach)
        except BadTarget as bad:
            raise ClientException(str(bad)) from None
        services.check_writable()
        check(request.scope)
        versions = tuple(sorted({VERSION_NUMBERS[text] for text in data.versions}))
        room.access.connect(Controller(target, versions, data.name))
        noted(request, name, f"registers the controller {target}{f' named {data.name}' if data.name else ''}")
        await room.durable(room.sequence)
        return _said(request, state, room)

    @delete("/{name:str}/controller", status_code=204)
    async def disconnect(self, name: str, request: Asked, state: State) -> None:
        room = _own(request, state, name)
        service_of(state).injected.check_writable()
        room.access.connect(None)
        noted(request, name, "has no controller any more")
        await room.durable(room.sequence)

    @get("/{name:str}/flows")
    async def flows(self, name: str, request: Asked, state: State, table: OfTable = None) -> FlowsBody:
        """As flow mods that would add them, with what they have counted."""
        no_null(request, "table", table)
        return FlowsBody(await _listed(_own(request, state, name), table))

    @put("/{name:str}/flows/{table:int}", status_code=200)
    async def replace(self, name: str, table: Table, request: Asked, state: State, wait: Wait = 10.0) -> FlowsBody:
        """The table holds these flows from now on, and no others; the same again changes nothing. Answered when every
        connected node has them in force, or ``wait`` seconds are over."""
        room = _own(request, state, name)
        body = await _body(request)
        async with room.turn():
            data = read(body, UnreadFlows, 'write {"flows": [{"priority": 1, "match": {...}, ...}, ...]}')
        quota = room.info.declared.flows
        if len(data.flows) > quota:
            text = f"the service may have {quota} flows, and these are {len(data.flows)}; send fewer"
            raise ClientException(text, status_code=409)
        mods: list[FlowMod] = []
        for piece in _pieces(data.flows):
            async with room.turn():
                mods += [_flow_mod(read_one(one, f"flows[{number}]"), table, number) for number, one in piece]
        async with room.turn():
            check(request.scope)
            _still(request, state, room)
            new = room.replace(table, mods, V15)
        await _in_force(room, wait)
        return FlowsBody(await _listed(room, table, new))

    @post("/{name:str}/messages", status_code=200)
    async def messages(self, name: str, request: Asked, state: State, wait: Wait = 10.0) -> MessagesBody:
        """OpenFlow messages that change the virtual switch, in their order, and packets to send behind all of these, in
        theirs: all or none."""
        room = _own(request, state, name)
        body = await _body(request)
        async with room.turn():
            data = read(body, UnreadMessages, 'write {"messages": [{"type": "OFPT_FLOW_MOD", ...}, ...]}')
        if len(data.messages) > MOST_MESSAGES:
            raise ClientException(f"{len(data.messages)} messages are more than {MOST_MESSAGES}; send them in parts")
        heard: list[dict[str, Any]] = []
        messages: list[tuple[Message, int]] = []
        for piece in _pieces(data.messages):
            async with room.turn():
                for number, one in piece:
                    heard.append(read_one(one, f"messages[{number}]"))
                    messages.append(_message(heard[-1], f"messages[{number}]"))
        async with room.turn():
            check(request.scope)
            _still(request, state, room)
            room.carry_out(messages)
        await _in_force(room, wait)
        return MessagesBody(heard)

    @get("/{name:str}/packet-ins", media_type="text/event-stream")
    async def packet_ins(self, name: str, request: Asked, state: State) -> ASGIApp:
        """What controllers get as packet-ins, from now on, as server-sent events."""
        room, caller = _own(request, state, name), caller_of(request.scope)
        if not (caller.admin or injected(caller) or "member" in caller.roles):
            raise PermissionDeniedException("what is in packets takes the role member, or the service's own token")
        if len(room.watchers) >= MOST_STREAMS:
            text = f"{MOST_STREAMS} streams of this service's packets are open already; close one that is not read"
            raise ClientException(text, status_code=429)
        return Stream(_packets(room))


async def _packets(room: Room) -> AsyncGenerator[list[Event], None]:
    waiting: asyncio.Queue[PacketIn | None] = asyncio.Queue()
    lost = octets = 0

    def take(packet: PacketIn | None) -> None:
        nonlocal lost, octets
        more = len(packet.data) if packet is not None else 0
        if packet is not None and (waiting.qsize() >= MOST_WAITING or octets + more > MOST_WAITING_OCTETS):
            lost += 1
            return
        octets += more
        waiting.put_nowait(packet)

    if len(room.watchers) >= MOST_STREAMS:
        return  # many came at the same moment
    room.watchers.add(take)
    try:
        while not room.closed:
            try:
                async with asyncio.timeout(BEAT):
                    packets = [await waiting.get()]
            except TimeoutError:
                yield []
                continue
            while not waiting.empty() and len(packets) < 100:
                packets.append(waiting.get_nowait())
            octets -= sum(len(packet.data) for packet in packets if packet is not None)
            told = [Event("packet-in", _encode(to_json(packet, 0, V15))) for packet in packets if packet is not None]
            if lost:
                told.append(Event("lost", _encode({"count": lost})))
                lost = 0
            yield told
            if None in packets:
                return
    finally:
        room.watchers.discard(take)


def _pieces(found: Sequence[msgspec.Raw]) -> Iterator[list[tuple[int, msgspec.Raw]]]:
    """With their numbers; each piece is read in one go."""
    piece: list[tuple[int, msgspec.Raw]] = []
    octets = 0
    for number, one in enumerate(found):
        piece.append((number, one))
        octets += len(bytes(one))
        if len(piece) >= AT_ONCE or octets >= OCTETS_AT_ONCE:
            yield piece
            piece, octets = [], 0
    if piece:
        yield piece


async def _body(request: Asked, most: int = LARGEST_BODY) -> bytes:
    """Of at most so many octets, and values, from who is no administrator."""
    if caller_of(request.scope).admin:
        return await request.body()
    said_to_be = request.headers.get("content-length", "")
    large = ClientException(f"body: it is larger than {most >> 20} MiB; send it in parts")
    if said_to_be.isdecimal() and int(said_to_be) > most:
        raise large
    body = bytearray()
    async for chunk in request.stream():  # which may come without a length
        body += chunk
        if len(body) > most:
            raise large
    if values(body) > MOST_VALUES:
        raise ClientException(f"body: it has more than {MOST_VALUES} values; send it in parts")
    return bytes(body)


async def _listed(room: Room, table: int | None, new: float = math.inf) -> list[dict[str, Any]]:
    """Of one table, or all; ``new`` as ``listed`` has it."""
    found: list[dict[str, Any]] = []
    flows = await listed(room, table, new)
    for first in range(0, len(flows), AT_ONCE):
        async with room.turn():
            found += [
                {
                    **to_json(one.mod, 0, V15),
                    "packet_count": one.packets,
                    "byte_count": one.octets,
                    "duration": round(one.age, 3),
                }
                for one in flows[first : first + AT_ONCE]
            ]
    return found


async def _declare(
    state: State,
    name: str,
    fields: Mapping[str, Any],
    wait: float,
    limits: ProjectLimits | None = None,
    flows: int = 0,
) -> None:
    """Raises IntentError, Unsound, PermissionDeniedException. ``limits``: those of who asks, if there are any;
    ``flows``: as these have it."""
    try:
        objects = parse(_encode({"services": {name: fields}}).decode(), "body").objects
    except IntentError as error:  # its lines are not those of the body
        raise IntentError(msgspec.structs.replace(problem, line=None) for problem in error.problems) from None
    declared = objects["service", name]
    assert isinstance(declared, Service)
    if limits is not None and (wrong := limits.wrong(declared, flows)):
        raise PermissionDeniedException(wrong)
    await change(service_of(state).conductor, objects, [], False, wait)


async def _durable(room: Room, wait: float) -> float:
    """When ``wait`` seconds are over. Raises Unwritable where it is not even on the disk, for which it is given a
    while, Gone."""
    end = time.monotonic() + wait
    await room.durable(room.sequence, max(wait, DISK))
    return end


async def _in_force(room: Room, wait: float) -> None:
    """That, and then as long as nodes take to answer, or until ``wait`` seconds are over."""
    sequence, end = room.sequence, await _durable(room, wait)
    try:
        async with asyncio.timeout(max(0.0, end - time.monotonic())):
            await room.in_force(sequence)
    except TimeoutError:
        pass  # it will be; who asks to wait less knows


def _unconfirmed(request: Asked, state: State, nodes: list[str]) -> Response[UnconfirmedBody | None]:
    if not nodes:
        return Response(None, status_code=204)
    why = service_of(state).injected.said(nodes, named=caller_of(request.scope).admin)
    return Response(UnconfirmedBody(why), status_code=202)


def noted(request: Asked, name: str, what: str) -> None:
    """A line in the log: who did it."""
    log.info("service %s: %s %s", name, who(request.scope), what)


def _flow_mod(body: dict[str, Any], table: int, number: int) -> FlowMod:
    given = {name: value for name, value in body.items() if name not in COUNTED}
    whole = {"version": "1.5", "type": "OFPT_FLOW_MOD", "command": "OFPFC_ADD", "table_id": table, **given}
    message, version = _message(whole, f"flows[{number}]")
    if not isinstance(message, FlowMod) or version != V15:
        raise ClientException(f"flows[{number}] is no flow mod of OpenFlow 1.5; send others to /messages")
    return message


def _message(body: dict[str, Any], where: str) -> tuple[Message, int]:
    try:
        message, _, version = from_json({"version": "1.5", **body})
    except (ValueError, TypeError) as error:
        raise ClientException(f"{where}: {error}") from None
    if version not in VERSIONS:
        *others, last = (name for name, number in VERSION_NUMBERS.items() if number in VERSIONS)
        text = f"services speak OpenFlow {', '.join(others)} and {last}, not {body['version']}"
        raise ClientException(f"{where}: version: {text}")
    return message, version


def _said(request: Asked, state: State, room: Room) -> ServiceBody:
    return said(room, service_of(state).injected, whole=caller_of(request.scope).admin)


def _may_see(caller: Caller, room: Room) -> bool:
    """What one may see one may change, as far as one's role goes, which the gate has seen to."""
    name = injected(caller)
    if name or caller.admin:
        return not name or name == room.name
    operator = caller.project == OPERATORS and "reader" in caller.roles and "member" not in caller.roles
    return operator or bool(caller.project and caller.project == room.info.declared.project)


def _own(request: Asked, state: State, name: str) -> Room:
    """Another project's is not there, for all that one may know. Raises NotFound."""
    room = service_of(state).injected.by_name.get(name)
    if room is None or not _may_see(caller_of(request.scope), room):
        raise NotFound(f"there is no service {name[:63]!r}; `segue service list` lists those there are")
    return room


def _still(request: Asked, state: State, room: Room) -> None:
    """Looks again, behind what took its time. Raises NotFound; ClientException if another has the name now."""
    if _own(request, state, room.name) is not room:
        text = f"the service {room.name!r} was deleted meanwhile, and another has its name; look at it, and ask again"
        raise ClientException(text, status_code=409)


def _managed(request: Asked, state: State, name: str) -> Room:
    """What the service's own token is not good for. Raises NotFound, PermissionDeniedException."""
    room = _own(request, state, name)
    if injected(caller_of(request.scope)):
        raise PermissionDeniedException("a service's token is good for its flows; this is its project's to do")
    return room

"""The agents' end of the watch protocol (``model.protocol``): one WebSocket to an agent."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Any

import msgspec
from litestar import WebSocket, websocket
from litestar.datastructures import State
from litestar.exceptions import WebSocketDisconnect

from segue.model.protocol import FromAgent, Refuse, Register
from segue.server.agents import Agents, Session

log = logging.getLogger(__name__)

PATIENCE = 10.0
"""Seconds in which a peer must say who it is."""

_encode = msgspec.json.Encoder().encode
_decode: msgspec.json.Decoder[FromAgent] = msgspec.json.Decoder(FromAgent)


@websocket("/v1/agent")
async def agent(socket: WebSocket[Any, Any, State], state: State) -> None:
    """An agent's connection, from its registration to its end."""
    agents: Agents = state.service.agents
    await socket.accept()
    with contextlib.suppress(WebSocketDisconnect):
        try:
            async with asyncio.timeout(PATIENCE):
                first = _decode.decode(await socket.receive_bytes())
        except (msgspec.DecodeError, RecursionError) as error:
            await _refuse(socket, f"this is not an agent's message: {error}")
            return
        except TimeoutError:
            await _refuse(socket, f"an agent registers within {PATIENCE:g} s")
            return
        if not isinstance(first, Register):
            await _refuse(socket, "an agent registers first")
            return
        session = agents.register(first)
        if isinstance(session, str):
            await _refuse(socket, session)
            return
        log.info("agent of node %s connected", session.node)
        try:
            await _serve(socket, session)
        finally:
            agents.gone(session)
            log.info("agent of node %s gone", session.node)


async def _serve(socket: WebSocket[Any, Any, State], session: Session) -> None:
    """Both directions, until either ends."""
    ways = [asyncio.create_task(_receive(socket, session)), asyncio.create_task(_send(socket, session))]
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        # Not raised again: an exception that held this frame, which holds the tasks, would outlive the connection.
        for ended in await asyncio.gather(*ways, return_exceptions=True):
            if isinstance(ended, Exception) and not isinstance(ended, WebSocketDisconnect):
                log.error("the connection of node %s's agent failed", session.node, exc_info=ended)


async def _receive(socket: WebSocket[Any, Any, State], session: Session) -> None:
    while True:
        data = await socket.receive_bytes()
        try:
            message = _decode.decode(data)
        except (msgspec.DecodeError, RecursionError) as error:
            await _refuse(socket, f"this is not an agent's message: {error}")
            return
        session.incoming(message)


async def _send(socket: WebSocket[Any, Any, State], session: Session) -> None:
    while True:
        messages = await session.outgoing()
        if session.replaced:
            await _refuse(socket, f"another agent has registered for node {session.node}; run one for each node")
            return
        for message in messages:
            await socket.send_bytes(_encode(message))


async def _refuse(socket: WebSocket[Any, Any, State], reason: str) -> None:
    await socket.send_bytes(_encode(Refuse(reason)))
    await socket.close()

"""The controller: switches connect, applications hear of their messages and answer.

       sockets --> Channel --> Pump --(hot: packet-in ...)--> handler --> answer, written at once
                                 |
                                 +--(everything else)--> Connection --> events --> Dispatch --> handlers

A connection becomes a `Switch` when it has said hello, who it is (features), and which ports it has; only then do
applications hear of it, by `SwitchUp`. What comes before that is not theirs. A second main connection of the same
datapath id takes the place of the first, because switches come back before their controllers notice that they had
gone; auxiliary connections (1.3 and later) speak for the switch that their main one made.

Nothing that one handler or one switch does may harm another: exceptions are logged and counted; coroutines and threads
run beside, so many per switch at a time and no more (then that switch's reading waits); a switch that reads slowly is
not read from until it does, so what is kept for it is bounded.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Final

from segue.openflow.app import (
    App,
    Dispatch,
    Handler,
    Started,
    Stopping,
    SwitchDown,
    SwitchUp,
    messages_of,
)
from segue.openflow.as_json import ReservedPort
from segue.openflow.channel import Channel, Dialer, Listener, OpenFlowError, listen
from segue.openflow.connection import Event, Received, Refused
from segue.openflow.core import Pump
from segue.openflow.declare import Message
from segue.openflow.protocol import (
    Action,
    FeaturesRequest,
    FlowMod,
    FlowModCommand,
    Output,
    Port,
    PortDescRequest,
    PortStatus,
    SetConfig,
)
from segue.openflow.wire import ALL_TABLES, FLOOD, V10, V11, V13, VERSION_NAMES, VERSIONS

log = logging.getLogger("segue.openflow")

ASIDE: Final = 64
"""Coroutines and threads that one switch may have under way before it is no longer read from."""
LONG: Final = 0.25
"""Seconds after which a handler that holds everybody up is named in the log."""
_HANDSHAKE: Final = 10.0
_FAREWELL: Final = 5.0
_PORT_DELETE: Final = 1


class Switch:
    """One switch as applications see it. `id` is its datapath id, `ports` its ports by number.

    `flood_ports`: where a flood is to go instead of everywhere, for networks with loops (an application that knows
    the topology sets it); None leaves it to the switch.
    """

    __slots__ = ("__weakref__", "_aside", "channel", "controller", "features", "flood_ports", "id", "ports", "version")

    def __init__(self, controller: "Controller", channel: Channel, features: Any, ports: Iterable[Port]) -> None:
        self.controller = controller
        self.channel = channel
        self.features = features
        self.id: int = features.datapath_id
        self.version: int = channel.version
        self.ports: dict[int, Port] = {port.port_no: port for port in ports}
        self.flood_ports: frozenset[int] | None = None
        self._aside = 0

    def send(self, *messages: Message) -> None:
        """Sends them, in this order. EncodeError when one cannot be said; a connection that has gone takes nothing."""
        for msg in messages:
            self.channel.send(msg)

    async def request(self, msg: Message, timeout: float = 10.0) -> Any:
        """The reply. Raises OpenFlowError with the switch's error, ConnectionLost, or TimeoutError."""
        return await self.channel.request(msg, timeout)

    async def barrier(self, timeout: float = 10.0) -> None:
        """Until the switch has done all that it was sent before."""
        await self.channel.barrier(timeout)

    def flood(self, in_port: int) -> Sequence[Action]:
        """The actions that flood a packet which came in by `in_port`."""
        if self.flood_ports is None:
            return (Output(FLOOD),)
        return tuple(Output(number) for number in sorted(self.flood_ports) if number != in_port)

    def __repr__(self) -> str:
        return f"<switch {self.id:016x}, OpenFlow {VERSION_NAMES[self.version]}>"


class Controller:
    """Runs applications for the switches that connect, or that it connects to."""

    def __init__(
        self,
        apps: Sequence[App],
        *,
        versions: Iterable[int] = VERSIONS,
        echo_interval: float = 5.0,
        echo_timeout: float = 10.0,
        keep_flows: bool = True,
        observe: Callable[["Switch | None", Channel, str, Message, int], None] | None = None,
    ) -> None:
        """`keep_flows=False` empties a switch of flows before applications hear of it. `observe(switch, channel,
        "in" or "out", message, xid)` is shown every message, at the price of speed."""
        self.versions = frozenset(versions)
        self.switches: dict[int, Switch] = {}
        self.failures = 0
        """Exceptions that handlers have raised."""
        self.refusals = 0
        """Errors that switches have answered with."""
        self._keep_flows = keep_flows
        self._observe = observe
        self._echo = (echo_interval, echo_timeout)
        self._listeners: list[Listener] = []
        self._dialers: list[Dialer] = []
        self._channels: set[Channel] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._hot: dict[int, dict[int, Callable[[Any, Any], Any]]] = {}
        self._stopping = False
        self.dispatch = self._dispatch_of(apps)

    # -- running ---------------------------------------------------------------------------------------------------

    async def start(self, listening: Sequence[str] = (), connecting: Sequence[str] = (), tls: Any = None) -> list[str]:
        """Begins to listen and to connect; returns the addresses listened at. OSError when one is taken."""
        addresses = []
        self.emit(self, Started())
        for target in listening:
            listener = await listen(
                target,
                self._connected,
                versions=self.versions,
                tls=tls,
                echo_interval=self._echo[0],
                echo_timeout=self._echo[1],
            )
            self._listeners.append(listener)
            addresses += listener.addresses
        for target in connecting:
            dialer = Dialer(
                target,
                self._connected,
                versions=self.versions,
                tls=tls,
                echo_interval=self._echo[0],
                echo_timeout=self._echo[1],
            )
            dialer.start()
            self._dialers.append(dialer)
        return addresses

    async def stop(self) -> None:
        """Ends gracefully: no new switches, handlers under way finish, what was answered is written."""
        if self._stopping:
            return
        self._stopping = True
        for listener in self._listeners:
            listener.close()
        await asyncio.gather(*(dialer.aclose() for dialer in self._dialers))
        self.emit(self, Stopping())
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=_FAREWELL)
            for task in late:
                task.cancel()
        channels = list(self._channels)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_FAREWELL):
                await asyncio.gather(*(channel.aclose() for channel in channels), return_exceptions=True)
        for channel in list(self._channels):
            channel.abort()
        if self._listeners:
            await asyncio.gather(*(listener.wait_closed() for listener in self._listeners), return_exceptions=True)

    def load(self, apps: Sequence[App]) -> None:
        """Takes other applications in the place of those that run. Switches stay connected; for each the new ones hear
        `SwitchUp`, as the old ones hear `SwitchDown`."""
        made = self._dispatch_of(apps)
        for switch in self.switches.values():
            self.dispatch(switch, SwitchDown("the application is loaded anew"))
        self.dispatch = made
        self._hot.clear()
        self.emit(self, Started())
        for switch in list(self.switches.values()):
            self._begin(switch)

    def emit(self, target: "Switch | Controller", event: Any) -> None:
        """Tells applications of an event of another application's making. It is about a switch, or, where the
        controller is given, about none in particular."""
        answers = self.dispatch(target, event)
        if isinstance(target, Switch):
            self._send(target, answers)

    def spawn(self, work: Awaitable[Any]) -> asyncio.Task[None]:
        """Runs a coroutine until it ends or the controller stops; what it raises is logged."""
        return self._task(work, None, None)

    # -- one connection --------------------------------------------------------------------------------------------

    def _connected(self, channel: Channel) -> None:
        """A channel has agreed on a version."""
        if self._stopping:
            channel.abort()
            return
        self._channels.add(channel)
        channel.on_event = lambda event: self._before(channel, event)
        channel.on_close = lambda reason: self._gone(channel, None, reason)
        self._task(self._introduce(channel), None, channel)

    async def _introduce(self, channel: Channel) -> None:
        """Asks who it is. Whatever goes wrong ends this connection and nothing else."""
        try:
            async with asyncio.timeout(_HANDSHAKE):
                features = await channel.request(FeaturesRequest())
                auxiliary = getattr(features, "auxiliary_id", 0)
                ports = features.ports
                if channel.version >= V13 and not auxiliary:
                    ports = (await channel.request(PortDescRequest())).ports
        except (TimeoutError, ConnectionError, ValueError) as e:
            channel.close(f"it did not say who it is: {e or type(e).__name__}")
            return
        except Exception as e:  # an OpenFlow error in answer to what every switch must answer
            channel.close(f"it refused to say who it is: {e}")
            return
        if auxiliary:
            self._auxiliary(channel, features.datapath_id)
        else:
            self._introduced(channel, features, ports)

    def _introduced(self, channel: Channel, features: Any, ports: Iterable[Port]) -> None:
        switch = Switch(self, channel, features, ports)
        old = self.switches.get(switch.id)
        if old is not None:
            log.warning("%r connected again from %s; the connection before is closed", switch, channel.peer)
            old.channel.close("the same datapath connected again")
            self._forget(old, "it connected again")
        self.switches[switch.id] = switch
        channel.on_close = lambda reason: self._gone(channel, switch, reason)
        log.info("%r connected from %s, %d ports", switch, channel.peer, len(switch.ports))
        channel.send(SetConfig(miss_send_len=0xFFFF))
        if not self._keep_flows:
            # One word for all tables came with 1.2; 1.0 has but one table.
            tables = {V10: (0,), V11: range(features.n_tables)}.get(switch.version, (ALL_TABLES,))
            switch.send(*(FlowMod(command=FlowModCommand.DELETE, table_id=table) for table in tables))
        self._begin(switch)

    def _auxiliary(self, channel: Channel, datapath_id: int) -> None:
        switch = self.switches.get(datapath_id)
        if switch is None:
            channel.close("an auxiliary connection without its main one")
            return
        self._attend(channel, switch)

    def _begin(self, switch: Switch) -> None:
        answers = self.dispatch(switch, SwitchUp())
        self._attend(switch.channel, switch)
        self._send(switch, answers)

    def _attend(self, channel: Channel, switch: Switch) -> None:
        """From now on messages go to the applications."""
        channel.on_event = lambda event: self._event(switch, event)
        if self._observe is not None:
            channel.pump = None
            channel.observe = lambda way, msg, xid: self._observe(switch, channel, way, msg, xid)  # type: ignore[misc]
            return
        hot = self._hot.get(channel.version)
        if hot is None:
            hot = self._hot[channel.version] = self.dispatch.hot(channel.version)
        pump = Pump(
            channel.version,
            switch,
            channel.receive_frame,
            lambda msg, result: self._odd(switch, msg, result),
            lambda msg, error: self._failed_hot(switch, msg, error),
        )
        for number, handler in hot.items():
            if number != _PORT_STATUS_TYPE:  # the switch's own list of ports is kept first
                pump.set_hot(number, handler)
        channel.pump = pump

    def _gone(self, channel: Channel, switch: Switch | None, reason: str) -> None:
        self._channels.discard(channel)
        if switch is not None and self.switches.get(switch.id) is switch and switch.channel is channel:
            self._forget(switch, reason)
        elif switch is None and not self._stopping:
            log.info("%s: %s", channel.peer, reason)

    def _forget(self, switch: Switch, reason: str) -> None:
        del self.switches[switch.id]
        log.info("%r has gone: %s", switch, reason)
        self.dispatch(switch, SwitchDown(reason))

    # -- events ----------------------------------------------------------------------------------------------------

    def _before(self, channel: Channel, event: Event) -> None:
        """What comes before a switch is known is nobody's, but for errors, which whoever asked is told of."""
        if isinstance(event, Refused):
            error = OpenFlowError(event.error, event.request, version=channel.version)
            log.warning("%s: %s", channel.peer, error)

    def _event(self, switch: Switch, event: Event) -> None:
        if isinstance(event, Refused):
            self.refusals += 1
            heard = self.dispatch.handlers(type(event.error))
            if not heard:
                log.warning("%r: %s", switch, OpenFlowError(event.error, event.request, version=switch.version))
            self._send(switch, self.dispatch(switch, event.error))
        elif isinstance(event, Received):
            if isinstance(event.message, PortStatus):
                self._port_status(switch, event.message)
            begun = time.perf_counter()
            answers = self.dispatch(switch, event.message)
            self._lag(switch, time.perf_counter() - begun)
            self._send(switch, answers)

    def _port_status(self, switch: Switch, msg: PortStatus) -> None:
        if msg.reason == _PORT_DELETE:
            switch.ports.pop(msg.desc.port_no, None)
        else:
            switch.ports[msg.desc.port_no] = msg.desc

    def _send(self, switch: Switch, messages: Iterable[Message]) -> None:
        for msg in messages:
            try:
                switch.channel.send(msg)
            except ValueError as e:
                self.failures += 1
                log.error("%r: %s", switch, e)

    def _lag(self, switch: Switch, seconds: float) -> None:
        if seconds > LONG:
            log.warning(
                "handlers of %r held everything up for %.2f s; let them be coroutines, or blocking=True",
                switch,
                seconds,
            )

    # -- handlers --------------------------------------------------------------------------------------------------

    def _dispatch_of(self, apps: Sequence[App]) -> Dispatch:
        return Dispatch(apps, self._failed, self._aside)

    def _failed(self, handler: Handler, switch: Any, error: BaseException) -> None:
        self.failures += 1
        log.error(
            "%s: %s failed for %r", handler.app.name, handler.function.__qualname__, switch, exc_info=_trace(error)
        )

    def _failed_hot(self, switch: Switch, msg: Message, error: BaseException) -> None:
        handlers = self.dispatch.handlers(type(msg))
        if handlers:
            self._failed(handlers[0], switch, error)

    def _odd(self, switch: Switch, msg: Message, result: Any) -> None:
        """A hot handler's answer that is neither None nor a message nor a list of messages."""
        try:
            self._send(switch, messages_of(result))
        except TypeError as e:
            self._failed_hot(switch, msg, e)

    def _aside(self, handler: Handler, switch: Any, event: Any) -> None:
        """Runs a coroutine function, or a plain function in a thread; its answers are sent when it has them."""
        work: Awaitable[Any]
        if handler.blocking:
            work = asyncio.get_running_loop().run_in_executor(None, handler.function, switch, event)
        else:
            work = handler.function(switch, event)
        self._task(work, handler, switch)

    def _task(self, work: Awaitable[Any], handler: Handler | None, owner: Any) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(self._run(work, handler, owner))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _run(self, work: Awaitable[Any], handler: Handler | None, owner: Any) -> None:
        switch = owner if isinstance(owner, Switch) else None
        if switch is not None:
            switch._aside += 1
            if switch._aside == ASIDE:
                switch.channel.hold()
        try:
            result = await work
            if switch is not None and handler is not None:
                self._send(switch, messages_of(result))
        except asyncio.CancelledError:
            raise
        except Exception as e:
            if handler is not None:
                self._failed(handler, owner, e)
            else:
                self.failures += 1
                log.error("a task failed", exc_info=_trace(e))
        finally:
            if switch is not None:
                switch._aside -= 1
                if switch._aside == ASIDE - 1:
                    switch.channel.release()


_PORT_STATUS_TYPE: Final = 12
"""OFPT_PORT_STATUS, the same in every version."""


def _trace(error: BaseException) -> Any:
    return (type(error), error, error.__traceback__)


def port_name(number: int) -> str:
    """A port's number, or what the specification calls it."""
    return ReservedPort.name_of(number) or str(number)

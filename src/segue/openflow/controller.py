"""The controller: switches connect, applications hear of their messages and answer.

       sockets --> Channel --> Pump --(hot: packet-in ...)--> handler --> answer, written at once
                                 |
                                 +--(everything else)--> Connection --> events --> Dispatch --> handlers

A connection becomes a `Switch` when it has said hello, who it is (features), and which ports it has; only then do
applications hear of it, by `SwitchUp`. What comes before that is not theirs, but for changes of ports, which `ports`
then shows. A second main connection of the same datapath id takes the place of the first, because switches come back
before their controllers notice that they had gone; auxiliary connections (1.3 and later) speak for the switch that
their main one made, and live no longer than that.

Nothing that one handler or one switch does may harm another: exceptions are logged and counted, with the names of the
application and the handler (`work`); coroutines and threads run beside, so many of each handler per switch (`lanes`); a
switch that reads slowly is not read from until it does, so what is kept for it is bounded. A plain function that takes
long does hold everybody up, and is named in the log.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Final, TypeAlias

from segue.openflow.app import App, Started, Stopping, SwitchDown, SwitchUp
from segue.openflow.auxiliary import Datapaths
from segue.openflow.channel import Channel, Dialer, Listener, OpenFlowError, Tls, listen
from segue.openflow.connection import Event, Garbled, Received, Refused
from segue.openflow.core import Pump
from segue.openflow.declare import Message
from segue.openflow.dispatch import HOT, Dispatch, in_order
from segue.openflow.lanes import size
from segue.openflow.protocol.actions import Output
from segue.openflow.protocol.basic import Error
from segue.openflow.protocol.flow_mod import FlowMod, FlowModCommand
from segue.openflow.protocol.ports import Port, PortDescRequest, PortStatus
from segue.openflow.protocol.switch import FeaturesReply, FeaturesRequest, SetConfig
from segue.openflow.switch import Switch
from segue.openflow.wire import ALL_TABLES, CONTROLLER, V10, V11, V13, VERSIONS
from segue.openflow.work import Work

__all__ = ["Controller", "Observe", "Switch"]

log = logging.getLogger("segue.openflow")

Observe: TypeAlias = Callable[[Switch | None, Channel, str, bytes], None]

_HANDSHAKE: Final = 10.0
_STOPS: Final = "the controller stops"
_FAREWELL: Final = 5.0
"""Seconds that `stop` takes at the most."""
_WHOLE: Final = SetConfig(miss_send_len=0xFFFF)
_MISSES: Final = FlowMod(priority=0, actions=(Output(CONTROLLER),))
_EARLY: Final = 1 << 20
"""Octets of changes of ports that are kept until the switch is known."""


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
        table_miss: bool = True,
        observe: Observe | None = None,
    ) -> None:
        """`keep_flows=False` empties a switch of flows before applications hear of it. Since 1.3 a switch drops what no
        flow matches; where an application hears of packet-ins it gets a flow that sends that here whole, unless
        `table_miss` is False, or that of all such applications. `observe(switch, channel, "in" or "out", octets)` is
        shown every message from the hello on, at the price of speed (`decode` reads it); the switch is None until it
        is known. ValueError when the applications do not go together, or no version is one."""
        self.switches: dict[int, Switch] = {}
        """Those that are connected, by datapath id."""
        self.refusals = 0
        """Errors that switches have sent and that nobody waited for."""
        self._settings: dict[str, Any] = {
            "versions": frozenset(versions),
            "echo_interval": echo_interval,
            "echo_timeout": echo_timeout,
            "on_made": None if observe is None else lambda channel: self._watch(channel, observe),
        }
        if not self._settings["versions"] or not self._settings["versions"].issubset(VERSIONS):
            raise ValueError(f"versions {sorted(self._settings['versions'])}: one at least, and none but {VERSIONS}")
        self._keep_flows = keep_flows
        self._table_miss = table_miss
        self._observe = observe
        self._work = Work()
        self._dispatch = Dispatch(in_order(apps), self._work)
        self._on_slow = self._slow_hot  # one for all connections
        self._datapaths: Datapaths[Channel] = Datapaths()
        self._channels: set[Channel] = set()
        self._listeners: list[Listener] = []
        self._dialers: list[Dialer] = []
        self._running = False
        self._stopping = False

    @property
    def apps(self) -> tuple[App, ...]:
        """The applications, in the order in which they hear of events."""
        return self._dispatch.apps

    @property
    def failures(self) -> int:
        """Exceptions that handlers have raised, and answers that could not be sent."""
        return self._work.failures

    # -- running ---------------------------------------------------------------------------------------------------

    async def start(self, listening: Sequence[str] = (), connecting: Sequence[str] = (), tls: Tls = None) -> list[str]:
        """Begins to listen and to connect; returns the addresses listened at. When that fails it stops again: OSError
        for an address that is taken, ValueError for a target or a certificate that is none."""
        self._running = True
        self.emit(self, Started())
        try:
            self._dialers = [Dialer(target, self._connected, tls=tls, **self._settings) for target in connecting]
            for target in listening:
                self._listeners.append(await listen(target, self._connected, tls=tls, **self._settings))
        except BaseException:
            await self.stop()
            raise
        for dialer in self._dialers:
            dialer.start()
        return [address for listener in self._listeners for address in listener.addresses]

    async def stop(self) -> None:
        """Ends gracefully: no new switches, handlers under way finish, what was answered is written."""
        if self._stopping:
            return
        self._stopping = True
        loop = asyncio.get_running_loop()
        end = loop.time() + _FAREWELL
        for listener in self._listeners:
            listener.close()
        self.emit(self, Stopping())
        await self._work.settle(_FAREWELL * 0.5)
        self._work.end(self.apps)
        closing = [loop.create_task(channel.aclose(_STOPS)) for channel in list(self._channels)]
        if closing:
            await asyncio.wait(closing, timeout=_FAREWELL * 0.2)
        for channel in list(self._channels):
            channel.abort(_STOPS)
        closing += [loop.create_task(dialer.aclose()) for dialer in self._dialers]
        if closing:
            await asyncio.wait(closing, timeout=_FAREWELL * 0.1)
        for task in closing:
            task.cancel()
        for switch in list(self.switches.values()):
            self._forget(switch, _STOPS)
        await self._work.settle(_FAREWELL * 0.1)
        await self._work.cancel(max(end - loop.time(), 0.1))

    def load(self, apps: Sequence[App]) -> None:
        """Takes these applications in the place of those that run, while switches stay connected. Those that ran before
        and are among them go on undisturbed. Of every switch, the others hear `SwitchDown` when they go and `SwitchUp`
        when they come. ValueError, and all stays as it is, when they do not go together."""
        made = Dispatch(in_order(apps), self._work)
        before = self._dispatch.apps
        gone = Dispatch([app for app in before if app not in made.apps], self._work)
        come = Dispatch([app for app in made.apps if app not in before], self._work)
        switches = list(self.switches.values())
        missed = self._dispatch.hears_misses()
        self._dispatch = Dispatch([app for app in before if app in made.apps], self._work)
        for switch in switches:
            self._work.deliver(switch, gone.answers(switch, SwitchDown("the application is taken out")))
        if self._running:
            self._work.deliver(self, gone.answers(self, Stopping()))
        self._work.end(gone.apps)
        for app in gone.apps:
            app.forget(self)
        self._dispatch = made
        for channel in self._channels:
            if channel.pump is not None:
                self._heat(channel, channel.pump)
        if self._running:
            self._work.deliver(self, come.answers(self, Started()))
        for switch in switches:
            if self.switches.get(switch.id) is switch:
                if not missed and come.hears_misses():
                    self._want_misses(switch)
                self._work.deliver(switch, come.answers(switch, SwitchUp()))

    def emit(self, target: "Switch | Controller", event: Any) -> None:
        """Tells applications of an event of another application's making. It is about a switch, or, where the
        controller is given, about none in particular."""
        self._work.deliver(target, self._dispatch.answers(target, event))

    def spawn(self, app: App, work: Awaitable[Any]) -> asyncio.Task[None]:
        """Runs a coroutine of the application's as a task, until the application is taken out or the controller
        stops; what it raises is logged."""
        return self._work.spawn(app, work)

    # -- one connection --------------------------------------------------------------------------------------------

    def _connected(self, channel: Channel) -> None:
        """A channel has agreed on a version."""
        if self._stopping:
            channel.abort()
            return
        self._channels.add(channel)
        early = _Early()
        channel.on_event = lambda event: self._before(channel, early, event)
        channel.on_close = lambda reason: self._gone(channel, None, reason)
        self._work.run(self._introduce(channel, early))

    async def _introduce(self, channel: Channel, early: "_Early") -> None:
        """Asks who it is. Whatever goes wrong ends this connection and nothing else."""
        try:
            async with asyncio.timeout(_HANDSHAKE):
                features = await channel.ask(FeaturesRequest())
                ports = features.ports
                if channel.version >= V13 and not features.auxiliary_id:
                    ports = (await channel.ask(PortDescRequest())).ports
        except (OSError, ValueError) as e:  # the timeout and a lost connection are OSErrors
            channel.close(f"it did not say who it is: {e or type(e).__name__}")
        except OpenFlowError as e:
            channel.close(f"it refused to say who it is: {e}")
        else:
            if channel.lost is None:
                self._introduced(channel, features, ports, early.changes)

    def _introduced(
        self, channel: Channel, features: FeaturesReply, ports: Iterable[Port], early: Iterable[PortStatus]
    ) -> None:
        datapath_id, auxiliary = features.datapath_id, features.auxiliary_id
        if self._stopping:
            channel.close(_STOPS)
            return
        place = self._datapaths.add(datapath_id, auxiliary, channel, channel.version)
        for other in place.replaced:
            other.close("the same datapath connected again")
        if place.main is None:
            channel.close("an auxiliary connection without its main one")
            return
        if auxiliary:
            switch = self.switches[datapath_id]
            text = "%r has an auxiliary connection, %d, from %s"
            self._work.tell(repr(switch), logging.INFO, text, switch, auxiliary, channel.peer)
            self._attend(channel, switch)
            return
        old = self.switches.get(datapath_id)
        if old is not None:
            self._work.tell(repr(old), logging.WARNING, "%r connected again, from %s", old, channel.peer)
            self._forget(old, "it connected again")
        switch = Switch(self, channel, features, ports, self._work)
        for msg in early:
            switch.take(msg)
        self.switches[datapath_id] = switch
        flows = "its flows are kept" if self._keep_flows else "all its flows are deleted"
        text = "%r connected from %s, %d ports; %s"
        self._work.tell(repr(switch), logging.INFO, text, switch, channel.peer, len(switch.ports), flows)
        switch.send(_WHOLE)
        if not self._keep_flows:
            # One word for all tables came with 1.2; 1.0 has but one table.
            tables = {V10: (0,), V11: range(features.n_tables)}.get(switch.version, (ALL_TABLES,))
            switch.send(*(FlowMod(command=FlowModCommand.DELETE, table_id=table) for table in tables))
        if self._dispatch.hears_misses():
            self._want_misses(switch)
        self._attend(channel, switch)
        self.emit(switch, SwitchUp())

    def _want_misses(self, switch: Switch) -> None:
        """Versions before 1.3 send what no flow matches by themselves."""
        if self._table_miss and switch.version >= V13:
            switch.send(_MISSES)

    def _attend(self, channel: Channel, switch: Switch) -> None:
        """From now on messages go to the applications."""
        attended = _Attended(self, channel, switch)
        channel.on_event = attended.event
        channel.on_close = attended.gone
        if self._observe is not None:
            self._watch(channel, self._observe, switch)
            return
        pump = Pump(channel.version, switch, channel.receive_frame, attended.odd, attended.failed)
        self._heat(channel, pump)
        channel.pump = pump
        channel.read_directly()
        channel.on_slow = self._on_slow

    def _heat(self, channel: Channel, pump: Any) -> None:
        for number, handler in self._dispatch.hot(channel.version).items():
            pump.set_hot(number, handler)

    def _watch(self, channel: Channel, observe: Observe, switch: Switch | None = None) -> None:
        def watch(way: str, octets: bytes) -> None:
            try:
                observe(switch, channel, way, octets)
            except Exception:
                text = "%.200s of %s could not be shown"
                self._work.tell("messages", logging.ERROR, text, octets.hex(), channel.peer, exc_info=True)

        channel.connection.observe = watch

    def _gone(self, channel: Channel, switch: Switch | None, reason: str) -> None:
        self._channels.discard(channel)
        if switch is None:
            self._work.tell(_host(channel), logging.INFO, "%s: %s", channel.peer, reason)
            return
        for other in self._datapaths.remove(switch.id, channel):
            other.close("its main connection has gone")
        if self.switches.get(switch.id) is switch and switch.channel is channel:
            self._forget(switch, reason)

    def _forget(self, switch: Switch, reason: str) -> None:
        del self.switches[switch.id]
        self._work.tell(repr(switch), logging.INFO, "%r has gone: %s", switch, reason)
        self.emit(switch, SwitchDown(reason))

    # -- events ----------------------------------------------------------------------------------------------------

    def _before(self, channel: Channel, early: "_Early", event: Event) -> None:
        """What comes before a switch is known."""
        if isinstance(event, Refused):
            error = OpenFlowError(event.error, event.request, version=channel.version)
            self._work.tell(_host(channel), logging.WARNING, "%s: %s", channel.peer, error)
        elif isinstance(event, Received) and isinstance(event.message, PortStatus):
            early.add(event.message, channel.version)
            if early.octets > _EARLY:
                channel.close("too many changes of ports before it said who it is")

    def _event(self, channel: Channel, switch: Switch, event: Event) -> None:
        if isinstance(event, Received):
            if isinstance(event.message, PortStatus) and not switch.take(event.message):
                switch.channel.close("it tells of more ports than there can be")
                return
            self.emit(switch, event.message)
        elif isinstance(event, Refused):
            self.refusals += 1
            if not self._dispatch.handlers(Error) and not self._dispatch.handlers(Refused):
                error = OpenFlowError(event.error, event.request, version=switch.version)
                self._work.tell(f"errors of {switch!r}", logging.WARNING, "%r: %s", switch, error)
            self.emit(switch, event.error)
            self.emit(switch, event)
        elif isinstance(event, Garbled):
            text = "%r sent by %s what cannot be read: %s"
            self._work.tell(f"errors of {switch!r}", logging.WARNING, text, switch, channel.peer, event.reason)

    # -- what pumps do not do themselves ---------------------------------------------------------------------------

    def _failed_hot(self, switch: Switch, msg: Message, error: BaseException) -> None:
        handler = self._dispatch.alone(type(msg))
        if handler is not None:
            self._work.failed(handler, switch, error)
        else:  # what several answered could not be written as one: each for itself
            self._work.deliver(switch, self._dispatch.last)

    def _odd(self, switch: Switch, msg: Message, result: Any) -> None:
        """A handler answered something else than None or messages: `Handled`, or what cannot be sent."""
        handler = self._dispatch.alone(type(msg))
        if handler is not None:
            self._work.send(handler, switch, self._dispatch.taken(handler, switch, result))

    def _slow_hot(self, pump: Any, seconds: float) -> None:
        """One read took long."""
        if self._work.slow_at < time.monotonic() - seconds:  # or else the dispatch knew whose doing it was
            alone = {str(handler) for handler in map(self._dispatch.alone, HOT) if handler is not None}
            self._work.slow(" or ".join(sorted(alone)) or "handlers", pump.switch, seconds)


class _Early:
    """Changes of ports that come before the switch is known."""

    def __init__(self) -> None:
        self.changes: list[PortStatus] = []
        self.octets = 0

    def add(self, msg: PortStatus, version: int) -> None:
        self.changes.append(msg)
        self.octets += size(msg, version)


class _Attended:
    """A connection of a switch, for what calls back: there are thousands of these, and closures are larger."""

    __slots__ = ("_channel", "_controller", "_switch")

    def __init__(self, controller: Controller, channel: Channel, switch: Switch) -> None:
        self._controller = controller
        self._channel = channel
        self._switch = switch

    def event(self, event: Event) -> None:
        self._controller._event(self._channel, self._switch, event)

    def gone(self, reason: str) -> None:
        self._controller._gone(self._channel, self._switch, reason)

    def odd(self, msg: Message, result: Any) -> None:
        self._controller._odd(self._switch, msg, result)

    def failed(self, msg: Message, error: BaseException) -> None:
        self._controller._failed_hot(self._switch, msg, error)


def _host(channel: Channel) -> str:
    """Where a peer is, by whatever port it calls from."""
    return channel.peer.rpartition(":")[0] or channel.peer

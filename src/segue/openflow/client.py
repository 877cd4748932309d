"""A client of one switch: requests, bundles, flows as they are, over `unix:PATH` (a bridge's `.mgmt` socket), `tcp:`
or `ssl:`.

Writing waits for the socket to drain, so a bundle of any length takes bounded memory. While a consumer of
`flow_stats` lags behind, reading stops.

A bundle (OpenFlow 1.5.1 section 7.3.9; in 1.3 the Open Networking Foundation's extension 230) is opened, filled, and
sealed with a barrier before it is committed: a switch that refuses an addition keeps the bundle without it, so
committing before every answer is in would install the rest. The barrier's reply comes after all refusals; only if
there was none is the bundle committed.
"""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any, Final

import msgspec

from segue.openflow.channel import Channel, ConnectionLost, OpenFlowError, Tls, dial
from segue.openflow.connection import Connection, Event, Garbled, Received, Refused
from segue.openflow.declare import Message
from segue.openflow.protocol.bundles import BundleControl, BundleControlType, BundleFlags, OnfBundleControl
from segue.openflow.protocol.flows import FlowDescRequest, FlowStatsRequest
from segue.openflow.protocol.switch import FeaturesReply, FeaturesRequest, GetConfigRequest, SetConfig
from segue.openflow.replies import typed
from segue.openflow.wire import V13, V14, V15, VERSION_NAMES, EncodeError

__all__ = ["ClientEvent", "ConnectionLost", "Disconnected", "OpenFlowClient", "OpenFlowError"]

_ADDS_AT_ONCE: Final = 256
_MISS_SEND_LEN: Final = 128


class Disconnected(msgspec.Struct, frozen=True):
    """The last event of a connection; `reason` is for people."""

    reason: str


ClientEvent = Received | Refused | Garbled | Disconnected


class _Bundle:
    """The additions in flight of one bundle, and the first refusal of one."""

    def __init__(self, mods: Sequence[Message], version: int) -> None:
        self.mods = mods
        self.version = version
        self.ranges: list[tuple[range, int]] = []
        self.refusal: OpenFlowError | None = None

    def take(self, event: Refused) -> bool:
        """Whether the error is about one of the additions."""
        for xids, start in self.ranges:
            if event.xid in xids:
                index = start + event.xid - xids.start
                if self.refusal is None:
                    self.refusal = OpenFlowError(event.error, self.mods[index], index, version=self.version)
                return True
        return False


class OpenFlowClient:
    """One connection to one switch. `on_event` is called, in the event loop, with whatever answers nothing.

    `version` is the one wire version that is spoken, or several of which the switch picks the highest it knows."""

    def __init__(
        self,
        target: str,
        *,
        version: int | Sequence[int] = V15,
        on_event: Callable[[ClientEvent], None] | None = None,
        tls: Tls = None,
        echo_interval: float = 5.0,
        echo_timeout: float = 10.0,
        connect_timeout: float = 10.0,
    ) -> None:
        self.target = target
        self.features: Any = None
        """The switch's FeaturesReply."""
        self.channel: Channel | None = None
        self._versions = frozenset((version,) if isinstance(version, int) else version)
        self._on_event = on_event
        self._tls = tls
        self._settings: dict[str, Any] = {"echo_interval": echo_interval, "echo_timeout": echo_timeout}
        self._connect_timeout = connect_timeout
        self._bundles: list[_Bundle] = []
        self._bundle_ids = itertools.count(1)
        self._begun = False
        self._lost: str | None = None
        self._closed = asyncio.Event()

    async def __aenter__(self) -> "OpenFlowClient":
        await self.connect()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def connected(self) -> bool:
        return self.channel is not None and self.channel.connected

    @property
    def version(self) -> int:
        """The wire version agreed on, 0 before that."""
        return 0 if self.channel is None else self.channel.version

    # -- life ------------------------------------------------------------------------------------------------------

    async def connect(self, *, asynchronous: bool = False) -> FeaturesReply:
        """Connects and shakes hands; the switch's features. `asynchronous` asks a management socket for port status and
        the like too.

        OSError if there is no switch, ConnectionLost if it goes away meanwhile, ProtocolError (VersionError) if it does
        not speak the version, TimeoutError if it does not answer in `connect_timeout` seconds.
        """
        if self._begun:
            raise RuntimeError("a client connects once; make another")
        self._begun = True
        try:
            async with asyncio.timeout(self._connect_timeout):
                channel = await dial(
                    self.target,
                    tls=self._tls,
                    timeout=self._connect_timeout,
                    on_channel=self._opened,
                    versions=self._versions,
                    **self._settings,
                )
                features = await channel.request(FeaturesRequest(), None)
                if asynchronous:
                    config = await channel.request(GetConfigRequest(), None)
                    await channel.request(SetConfig(config.flags, config.miss_send_len or _MISS_SEND_LEN), None)
        except BaseException as e:
            reason = f"could not connect: {e}"
            if self.channel is not None:
                self.channel.close(reason)
            self._end(reason, tell=False)
            raise
        self.features = features
        return features

    def _opened(self, channel: Channel) -> None:
        self.channel = channel
        channel.on_event = self._event
        channel.on_close = self._end

    async def close(self) -> None:
        """Ends the connection; whoever still waits gets ConnectionLost."""
        self._begun = True
        if self.channel is None:
            self._end("closed here", tell=False)
            return
        await self.channel.aclose()
        self._end(self.channel.lost or "")

    async def wait_closed(self) -> str:
        """Waits for the end of the connection, and says why it ended."""
        await self._closed.wait()
        return self._lost or ""

    def _end(self, reason: str, tell: bool = True) -> None:
        if self._lost is not None:
            return
        self._lost = reason
        self._closed.set()
        if tell:
            self._tell(Disconnected(reason))

    # -- requests --------------------------------------------------------------------------------------------------

    @typed
    async def request(self, msg: Message, timeout: float | None = None) -> Any:  # noqa: ASYNC109
        """The reply; None for a message that has none, once a barrier says that it was carried out.

        A flow monitor is asked for with a barrier too, for the reason that `protocol.monitors` gives. There is no limit
        to how long it may take, unless `timeout` says so, but for the connection's own liveness. OpenFlowError if the
        switch refuses, ConnectionLost, TimeoutError, EncodeError.
        """
        return await self._live().request(msg, timeout)

    async def send(self, msg: Message) -> int:
        """Sends without waiting for an answer and returns the xid; an error about it comes as `Refused`."""
        channel = self._live()
        xid = channel.send(msg)
        await channel.drain()
        return xid

    async def barrier(self) -> None:
        """Returns when the switch has carried out everything sent before."""
        await self._live().barrier(None)

    async def bundle(self, mods: Sequence[Message], *, flags: int = BundleFlags.ATOMIC | BundleFlags.ORDERED) -> None:
        """Carries out all of `mods`, or none. OpenFlow 1.3 and later.

        OpenFlowError says which one the switch refused (`index`) and why; EncodeError which one cannot be said (its
        `index`). In both cases none took effect. ConnectionLost after all were sent leaves it open.
        """
        if not mods:
            return
        channel = self._live()
        if channel.version < V13:
            raise EncodeError(f"OpenFlow {VERSION_NAMES[channel.version]} has no bundles")
        control = BundleControl if channel.version >= V14 else OnfBundleControl
        bundle_id = next(self._bundle_ids)
        state = _Bundle(mods, channel.version)
        self._bundles.append(state)
        opening = asyncio.ensure_future(
            channel.request(control(bundle_id, BundleControlType.OPEN_REQUEST, flags), None)
        )
        committing = False
        try:
            await asyncio.sleep(0)  # the request is on its way before what it opens
            for start in range(0, len(mods), _ADDS_AT_ONCE):
                await self._add(channel, state, start, bundle_id, flags)
                if state.refusal is not None or (opening.done() and opening.exception() is not None):
                    break
            await channel.barrier(None)
            await opening
            if state.refusal is not None:
                raise state.refusal
            committing = True
            await channel.request(control(bundle_id, BundleControlType.COMMIT_REQUEST, flags), None)
        except OpenFlowError as e:
            if not committing:
                with contextlib.suppress(OpenFlowError):
                    await channel.request(control(bundle_id, BundleControlType.DISCARD_REQUEST, flags), None)
            raise state.refusal or e from None
        except (EncodeError, asyncio.CancelledError):
            if not committing:
                channel.send(control(bundle_id, BundleControlType.DISCARD_REQUEST, flags))
            raise
        finally:
            if not opening.done():
                opening.cancel()
            elif not opening.cancelled():
                opening.exception()  # marks it as seen
            self._bundles.remove(state)

    async def _add(self, channel: Channel, state: _Bundle, start: int, bundle_id: int, flags: int) -> None:
        chunk = state.mods[start : start + _ADDS_AT_ONCE]
        connection: Connection = channel.connection
        try:
            xids = connection.send_bundle_adds(chunk, bundle_id, flags)
        except EncodeError as e:
            if e.index is not None:
                e.index += start
            raise
        state.ranges.append((xids, start))
        await channel.drain()
        await asyncio.sleep(0)

    async def flow_stats(self, request: Message | None = None) -> AsyncGenerator[Sequence[Any], None]:
        """The flows that `request` means (all, if None), some hundreds at a time, as they arrive: FlowDesc records in
        OpenFlow 1.5, FlowStats before."""
        channel = self._live()
        if request is None:
            request = FlowDescRequest() if channel.version >= V15 else FlowStatsRequest()
        async with contextlib.aclosing(channel.stream(request)) as parts:
            async for part in parts:
                if part.flows:
                    yield part.flows

    # -- underneath ------------------------------------------------------------------------------------------------

    def _live(self) -> Channel:
        if self.channel is None or self._lost is not None:
            raise ConnectionLost(f"{self.target}: {self._lost or 'not connected'}")
        return self.channel

    def _event(self, event: Event) -> None:
        if isinstance(event, Refused) and any(state.take(event) for state in self._bundles):
            return
        if isinstance(event, (Received, Refused, Garbled)):
            self._tell(event)

    def _tell(self, event: ClientEvent) -> None:
        if self._on_event is not None:
            self._on_event(event)

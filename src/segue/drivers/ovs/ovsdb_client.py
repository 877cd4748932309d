"""OVSDB on asyncio: one connection, a replica of the tables the driver needs, and the few changes it makes.

Level-triggered throughout: whoever waits looks at the replica, and looks again when it has changed. So a slow
reader of bindings is given the difference from what it knows to what is now, and no queue can fill up.

One object is one connection. When that is lost everything that waits raises OvsdbLost; connecting again,
and how soon, is the caller's decision.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Collection, Mapping
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any, TypeVar

from . import ovsdb_changes as changes
from .ovsdb import (
    BridgeMissing,
    Connection,
    Event,
    Notification,
    OvsdbError,
    OvsdbLost,
    OvsdbRefused,
    OvsdbTimeout,
    OvsdbUnreachable,
    PortFailed,
    ProtocolError,
    Response,
)
from .ovsdb_replica import MONITORED, Bound, Interface, Replica, Unbound, difference

DATABASE = "Open_vSwitch"
MONITOR = 1  # the id of a connection's first request
# How often a plan is made anew because another client changed the same rows first.
_ATTEMPTS = 8

T = TypeVar("T")


class OvsdbClient:
    """A connection to ovsdb-server. Use `connect`; then `replica` holds the tables' state and is kept current
    until the connection is lost."""

    def __init__(self, target: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, probe: float) -> None:
        self.target = target
        self.replica = Replica()
        self._reader, self._writer = reader, writer
        self._connection = Connection()
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._waiting: set[asyncio.Future[None]] = set()
        self._lost: str | None = None  # why
        self._heard = False
        self._tasks = [asyncio.create_task(self._read()), asyncio.create_task(self._watch_peer(probe))]

    @classmethod
    async def connect(cls, target: str, *, within: float = 5.0, probe: float = 10.0) -> "OvsdbClient":
        """Connect to "unix:PATH", "tcp:HOST:PORT" or "tcp:[ADDRESS]:PORT" and read the tables.

        `within`: seconds until OvsdbUnreachable. `probe`: seconds of silence after which the server is asked for a
        sign of life, and as many again until the connection is given up. Raises also OvsdbRefused (no such database).
        """
        try:
            async with asyncio.timeout(within):
                reader, writer = await _open(target)
                client = cls(target, reader, writer, probe)
                try:
                    tables = {table: [{"columns": columns}] for table, columns in MONITORED.items()}
                    await client._request("monitor", [DATABASE, None, tables])
                except BaseException:
                    await client.close()
                    raise
        except TimeoutError:
            raise OvsdbUnreachable(target, f"no answer within {within:g} s") from None
        except OvsdbLost as lost:
            raise OvsdbUnreachable(target, lost.reason) from lost
        except OSError as error:
            raise OvsdbUnreachable(target, error.strerror or str(error)) from error
        return client

    async def close(self) -> None:
        """Give up the connection; what waits on it raises OvsdbLost."""
        self._lose("it was closed by this side")
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        with suppress(OSError):
            await self._writer.wait_closed()

    async def __aenter__(self) -> "OvsdbClient":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def bindings(self, bridge: str) -> AsyncGenerator[Bound | Unbound, None]:
        """What is bound to `bridge` now, then every change, without end. Raises OvsdbLost when the connection is lost.

        The bridge need not exist yet. A Bound replaces an earlier one of the same iface_id.
        """
        known: dict[str, Bound] = {}
        while True:
            now = await self.until(partial(self._unlike, known, bridge))
            events, known = difference(known, now), now
            for event in events:
                yield event

    async def ensure_tunnel_port(
        self,
        bridge: str,
        name: str,
        type: str = "vxlan",
        *,
        options: Mapping[str, str],
        external_ids: Mapping[str, str],
        within: float = 10.0,
    ) -> int:
        """The port number of tunnel port `name` on `bridge`, which is made or changed where it is missing or
        different: its type and options become exactly these, its external_ids have at least these.

        Raises BridgeMissing, PortRefused (somebody else's port), PortFailed (Open vSwitch cannot make it; it stays
        configured), OvsdbTimeout, OvsdbRefused, OvsdbLost.
        """

        def plan() -> list[changes.Operation]:
            return changes.tunnel(self.replica, bridge, name, type, options, external_ids)

        def ready() -> Interface | None:
            interface = self.replica.interface(name)
            return interface if interface is not None and interface.ofport is not None else None

        async with _limit(within, f"port {name!r} on bridge {bridge!r}"):
            interface = ready()
            if plan() or interface is None or not interface.ready:
                await self._carry_out(plan, always=True)
                interface = await self.until(ready)
        if not interface.ready:
            raise PortFailed(name, interface.error or "ovs-vswitchd's log may say why")
        return interface.ofport or 0

    async def tunnel_port(
        self,
        bridge: str,
        name: str,
        type: str = "vxlan",
        *,
        options: Mapping[str, str],
        external_ids: Mapping[str, str],
    ) -> AsyncGenerator[int, None]:
        """Keep tunnel port `name` as `ensure_tunnel_port` makes it, whoever removes or changes it: its port number, now
        and whenever it may be another. Raises as `ensure_tunnel_port` does."""

        def disturbed() -> bool | None:
            interface = self.replica.interface(name)
            as_was = interface is not None and interface.ofport == number
            return not as_was or bool(changes.tunnel(self.replica, bridge, name, type, options, external_ids)) or None

        while True:
            number = await self.ensure_tunnel_port(bridge, name, type, options=options, external_ids=external_ids)
            yield number
            await self.until(disturbed)

    async def delete_ports(
        self,
        bridge: str,
        external_ids: Mapping[str, str],
        *,
        keep: Collection[str] = (),
        within: float = 10.0,
    ) -> list[str]:
        """Take off `bridge` every port whose external_ids include all of these, apart from those named in
        `keep`; their names. Returns when the switch has done so. Raises as `ensure_tunnel_port` does."""
        names: list[str] = []

        def plan() -> list[changes.Operation]:
            names[:], operations = changes.removal(self.replica, bridge, external_ids, keep)
            return operations

        async with _limit(within, f"the removal of ports from bridge {bridge!r}"):
            await self._carry_out(plan)
        return names

    async def set_bridge_external_ids(self, bridge: str, values: Mapping[str, str | None]) -> None:
        """Set these keys of the bridge's external_ids and leave the others; None removes a key."""
        if self.replica.bridge(bridge) is None:
            raise BridgeMissing(bridge)
        (result,) = await self.transact(*changes.bridge_external_ids(bridge, values))
        if not result["count"]:
            raise BridgeMissing(bridge)

    async def transact(self, *operations: changes.Operation) -> list[Any]:
        """Carry out the operations, all or none; their results (RFC 7047 section 5.2). Raises OvsdbRefused."""
        results: list[Any] = await self._request("transact", [DATABASE, *operations])
        for result in results:  # one more than operations if it was the commit that failed
            if result is not None and "error" in result:
                raise OvsdbRefused(result["error"], result.get("details", ""))
        return results

    async def until(self, look: Callable[[], T | None]) -> T:
        """What `look` gives once it gives something other than None. It is called now and after every change of the
        replica. Raises OvsdbLost."""
        while True:
            if self._lost is not None:
                raise OvsdbLost(self.target, self._lost)
            found = look()
            if found is not None:
                return found
            change: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.add(change)
            try:
                await change
            finally:
                self._waiting.discard(change)

    async def _carry_out(self, plan: Callable[[], list[changes.Operation]], *, always: bool = False) -> None:
        """Do what `plan` says and wait until ovs-vswitchd has; with `always`, wait even if nothing is to be done."""
        for attempt in range(_ATTEMPTS):
            operations = plan()
            if not operations and not always:
                return
            try:
                results = await self.transact(*operations, *changes.ACKNOWLEDGED)
            except OvsdbRefused as refused:
                outrun = refused.error in (
                    "timed out",
                    "constraint violation",
                    "referential integrity violation",
                )
                if not outrun or attempt == _ATTEMPTS - 1:
                    raise
                # The rows changed under us: their update is here already or about to come.
                await asyncio.sleep(0.01 * 2**attempt)
                continue
            await self.until(partial(self._carried_out, results[-1]["rows"][0]["next_cfg"]))
            return

    def _carried_out(self, next_cfg: int) -> bool | None:
        return self.replica.cur_cfg >= next_cfg or None

    def _unlike(self, known: dict[str, Bound], bridge: str) -> dict[str, Bound] | None:
        bindings = self.replica.bindings(bridge)
        return bindings if bindings != known else None

    async def _request(self, method: str, params: Any) -> Any:
        if self._lost is not None:
            raise OvsdbLost(self.target, self._lost)
        number = self._connection.request(method, params)
        answer = asyncio.get_running_loop().create_future()
        self._answers[number] = answer
        try:
            self._flush()
            return await answer
        finally:
            del self._answers[number]

    async def _read(self) -> None:
        try:
            while data := await self._reader.read(1 << 18):
                self._heard = True
                for event in self._connection.receive(data):
                    self._take(event)
                self._flush()
            self._lose("the server closed it")
        except (OSError, ProtocolError) as error:
            self._lose(str(error).rstrip("."))
        except (LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
            self._lose(f"the server sent what RFC 7047 does not know ({error!r})")
        finally:
            self._lose("its reader stopped")

    async def _watch_peer(self, probe: float) -> None:
        while self._lost is None:
            self._heard = False
            await asyncio.sleep(probe)
            if not self._heard:
                self._connection.request("echo", [])
                self._flush()
                await asyncio.sleep(probe)
                if not self._heard:
                    self._lose(f"the server has been silent for {2 * probe:g} s")

    def _take(self, event: Event) -> None:
        if isinstance(event, Response):
            if event.id == MONITOR and event.error is None:
                # Here and not where it was asked for, as updates may follow in the same piece of the stream.
                self._change_replica(event.result)
            answer = self._answers.get(event.id)
            if answer is None or answer.done():
                return
            if event.error is None:
                answer.set_result(event.result)
            else:
                answer.set_exception(_refusal(event.error))
        elif isinstance(event, Notification) and event.method == "update":
            self._change_replica(event.params[1])

    def _change_replica(self, updates: Any) -> None:
        self.replica.apply(updates)
        for change in self._waiting:
            if not change.done():
                change.set_result(None)

    def _flush(self) -> None:
        if data := self._connection.outgoing():
            self._writer.write(data)

    def _lose(self, reason: str) -> None:
        if self._lost is None:
            self._lost = reason
            self._writer.close()
            for future in (*self._answers.values(), *self._waiting):
                if not future.done():
                    future.set_exception(OvsdbLost(self.target, reason))


async def _open(target: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    kind, _, rest = target.partition(":")
    host, _, port = rest.rpartition(":")
    if kind == "unix" and rest:
        return await asyncio.open_unix_connection(rest)
    if kind == "tcp" and host and port.isdigit():
        return await asyncio.open_connection(host.strip("[]"), int(port))
    raise OvsdbUnreachable(target, "the address must be unix:PATH or tcp:HOST:PORT")


def _refusal(error: Any) -> OvsdbError:
    if isinstance(error, dict):
        return OvsdbRefused(str(error.get("error")), str(error.get("details", "")))
    return OvsdbRefused(str(error), "")


@asynccontextmanager
async def _limit(seconds: float, what: str) -> AsyncGenerator[None, None]:
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        text = f"ovs-vswitchd did not carry out {what} within {seconds:g} s. Is it running?"
        raise OvsdbTimeout(text) from None

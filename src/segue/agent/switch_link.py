"""Finds the node's bridge and stays connected to it: OVSDB for interfaces and tunnels, OpenFlow for flows.

Either connection may end at any time, when ovs-vswitchd or ovsdb-server restarts. Then both begin anew, with growing
pauses, and the keeper compares all again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from segue.agent.keeper import Keeper
from segue.drivers.ovs.cache import Cache
from segue.drivers.ovs.ovsdb import OvsdbError
from segue.drivers.ovs.ovsdb_client import OvsdbClient
from segue.drivers.ovs.ovsdb_replica import Bound
from segue.drivers.ovs.switch import Switch
from segue.model.view import TUNNEL_GPE, TUNNEL_PLAIN
from segue.openflow.client import OpenFlowError
from segue.openflow.wire import ProtocolError

log = logging.getLogger(__name__)

OWNED = {"segue": "tunnel"}
"""The mark of ports that Segue made itself."""
TUNNELS = {
    TUNNEL_PLAIN: ("segue-vxlan", {"dst_port": "4789"}),
    TUNNEL_GPE: ("segue-gpe", {"dst_port": "4790", "exts": "gpe", "packet_type": "ptap"}),
}
"""By binding: port name and options. One port serves all peers: each packet says where to (remote_ip=flow)."""
ANY_PEER = {"remote_ip": "flow", "key": "flow"}
SHORTEST, LONGEST = 0.1, 1.0
"""Seconds between attempts."""


class SwitchLink:
    """``bridge`` in the Open vSwitch whose sockets are in ``rundir``. ``connected`` is called each time
    that it is connected to the switch."""

    def __init__(self, rundir: Path, bridge: str, keeper: Keeper, connected: Callable[[], None]) -> None:
        self._rundir = rundir
        self._bridge = bridge
        self._keeper = keeper
        self._connected = connected
        self.ports: dict[str, int] = {}
        """Logical ports with an interface on the bridge -> OpenFlow port."""
        self.tunnels: dict[str, int] = {}
        self.changed = asyncio.Event()

    async def run(self) -> None:
        """Connect, and connect again, until cancelled."""
        pause = SHORTEST
        while True:
            try:
                await self._session()
            except (OvsdbError, OpenFlowError, ProtocolError, ConnectionError, OSError) as error:
                log.warning("bridge %s: %s", self._bridge, error)
            finally:
                self._keeper.attach(None)
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST)
            if self._was_connected:
                pause = SHORTEST

    _was_connected = False

    async def _session(self) -> None:
        self._was_connected = False
        gone: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        def lost(reason: str) -> None:
            if not gone.done():
                gone.set_result(reason)

        async with await OvsdbClient.connect(f"unix:{self._rundir / 'db.sock'}") as ovsdb:
            tunnels = {
                binding: ovsdb.tunnel_port(self._bridge, name, options={**ANY_PEER, **options}, external_ids=OWNED)
                for binding, (name, options) in TUNNELS.items()
            }
            for binding, numbers in tunnels.items():
                self._tunnel(binding, await anext(numbers))
            bridge = ovsdb.replica.bridge(self._bridge)
            cache = Cache(self._rundir, bridge.datapath_type if bridge else "")
            switch = Switch(f"unix:{self._rundir / self._bridge}.mgmt", cache, self._keeper.disturbed, lost)
            await switch.connect()
            log.info("connected to bridge %s", self._bridge)
            self._was_connected = True
            self._connected()
            watches = {asyncio.create_task(self._bindings(ovsdb, switch))}
            watches |= {asyncio.create_task(self._follow(binding, numbers)) for binding, numbers in tunnels.items()}
            try:
                both: set[asyncio.Future[Any]] = {*watches, gone}
                await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
                for watch in watches:
                    if watch.done():
                        watch.result()
                raise ConnectionError(gone.result() if gone.done() else "the switch closed the connection")
            finally:
                for watch in watches:
                    watch.cancel()
                await asyncio.gather(*watches, return_exceptions=True)
                self._keeper.attach(None)
                await switch.close()

    async def _follow(self, binding: str, numbers: AsyncIterator[int]) -> None:
        async for number in numbers:
            self._tunnel(binding, number)

    def _tunnel(self, binding: str, ofport: int) -> None:
        self.tunnels[binding] = ofport
        self._keeper.bind(binding, ofport)

    async def _bindings(self, ovsdb: OvsdbClient, switch: Switch) -> None:
        """Keep the keeper's bindings like the bridge's interfaces. The switch is handed over once they are known, so
        that the first comparison does not miss ports that are there."""
        known = set(self.ports)
        now = ovsdb.replica.bindings(self._bridge)
        for name in known - now.keys():
            self._bind(name, None)
        for name, bound in now.items():
            self._bind(name, bound.ofport)
        self._keeper.attach(switch)
        async for event in ovsdb.bindings(self._bridge):
            self._bind(event.iface_id, event.ofport if isinstance(event, Bound) else None)

    def _bind(self, name: str, ofport: int | None) -> None:
        if self.ports.get(name) == ofport:
            return
        if ofport is None:
            del self.ports[name]
        else:
            self.ports[name] = ofport
        self._keeper.bind(name, ofport)
        self.changed.set()

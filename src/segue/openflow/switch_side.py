"""The switch's end of all its controllers' channels: roles, who gets which asynchronous message, and bundles.

    side = SwitchSide(serve)                       # serve(channel, event) answers what is not answered here
    await listen("ptcp:6653", side.attach, side="switch")    # or dial, or Dialer
    side.tell(PacketIn(...))                       # to whom it is due

Answered here are requests for a role and for the asynchronous configuration, by the standard and by Nicira's
extension, and whatever a slave may not send (`roles_state`). With `carry_out` so are bundles (`bundle_state`): it is
called by a commit and does all or nothing; what it raises as BundleError is the commit's answer.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from segue.openflow.bundle_state import BundleError, Bundles, Committed
from segue.openflow.bundle_state import Limits as BundleLimits
from segue.openflow.channel import Channel
from segue.openflow.connection import Event, Received
from segue.openflow.declare import HOMES, Message
from segue.openflow.protocol.bundles import BundleAddMessage, BundleControl
from segue.openflow.protocol.nicira_messages import NxRoleReply, NxRoleRequest, NxSetAsyncConfig, NxSetAsyncConfig2
from segue.openflow.protocol.roles import (
    ASYNC_PROPERTY,
    AsyncReasons,
    GetAsyncReply,
    GetAsyncRequest,
    RoleReply,
    RoleRequest,
    RoleStatus,
    SetAsync,
)
from segue.openflow.roles_state import EQUAL, MASTER, SLAVE, AsyncConfig, RoleError, Roles
from segue.openflow.wire import V13, V14

Serve = Callable[[Channel, Event], None]
CarryOut = Callable[[Channel, Committed], None]

_OWN_ROLES = {0: EQUAL, 1: MASTER, 2: SLAVE}  # Nicira's numbers


class _Controller:
    __slots__ = ("bundles", "channel", "config", "number", "timer")

    def __init__(self, number: int, channel: Channel, bundles: Bundles | None) -> None:
        self.number = number
        self.channel = channel
        self.config = AsyncConfig(channel.version)
        self.bundles = bundles
        self.timer: asyncio.TimerHandle | None = None


class SwitchSide:
    """All controllers of one switch. `serve` is called, in the event loop, with every event that is not answered here:
    Received, Refused, Garbled."""

    def __init__(
        self, serve: Serve, *, carry_out: CarryOut | None = None, bundle_limits: BundleLimits | None = None
    ) -> None:
        self.roles = Roles()
        self._serve = serve
        self._carry_out = carry_out
        self._bundle_limits = bundle_limits or BundleLimits()
        self._controllers: dict[Channel, _Controller] = {}
        self._next = 1

    @property
    def channels(self) -> tuple[Channel, ...]:
        """Those that are connected."""
        return tuple(self._controllers)

    def attach(self, channel: Channel) -> None:
        """Takes over a channel whose version is agreed, until it ends; for `on_channel`."""
        bundles = None
        if self._carry_out is not None and channel.version >= V13:
            bundles = Bundles(channel.version, limits=self._bundle_limits)
        self._controllers[channel] = controller = _Controller(self._next, channel, bundles)
        self.roles.add(self._next)
        self._next += 1
        before = channel.on_close

        def closed(reason: str) -> None:
            self._detach(controller)
            if before is not None:
                before(reason)

        channel.on_event = lambda event: self._event(controller, event)
        channel.on_close = closed

    def role(self, channel: Channel) -> int:
        """Which role it has. KeyError for one that has gone."""
        return self.roles.role(self._controllers[channel].number)

    def due(self, message: Message) -> list[Channel]:
        """Which controllers are to get an asynchronous message: those whose version has it, and whose configuration
        wants it in the role that they have."""
        entry = HOMES[type(message)].entries[type(message)]
        return [
            channel
            for channel, controller in self._controllers.items()
            if channel.connected
            and entry.number(channel.version) is not None
            and controller.config.wants(message, self.roles.role(controller.number))
        ]

    def tell(self, message: Message) -> int:
        """Sends an asynchronous message to whom it is due, and returns to how many that was. EncodeError if it cannot
        be said in one of the versions."""
        due = self.due(message)
        for channel in due:
            channel.send(message, 0)
        return len(due)

    # -- underneath ------------------------------------------------------------------------------------------------

    def _detach(self, controller: _Controller) -> None:
        del self._controllers[controller.channel]
        self.roles.remove(controller.number)
        if controller.timer is not None:
            controller.timer.cancel()

    def _event(self, controller: _Controller, event: Event) -> None:
        if controller.channel not in self._controllers:
            return
        if not isinstance(event, Received) or not self._answered(controller, event):
            self._serve(controller.channel, event)

    def _answered(self, controller: _Controller, event: Received) -> bool:
        channel, message = controller.channel, event.message
        if self.roles.refuses(controller.number, message, channel.version):
            channel.refuse(event, "OFPBRC_IS_SLAVE")
        elif isinstance(message, (RoleRequest, NxRoleRequest)):
            self._role(controller, event)
        elif isinstance(message, GetAsyncRequest):
            channel.send(_configured(controller.config), event.xid)
        elif isinstance(message, (SetAsync, NxSetAsyncConfig, NxSetAsyncConfig2)):
            _configure(controller.config, message)
        elif controller.bundles is not None and isinstance(message, (BundleControl, BundleAddMessage)):
            self._bundle(controller, controller.bundles, event)
        else:
            return False
        return True

    def _role(self, controller: _Controller, event: Received) -> None:
        channel, message = controller.channel, event.message
        own = isinstance(message, NxRoleRequest)
        role = _OWN_ROLES.get(message.role, -1) if own else message.role
        try:
            granted = self.roles.request(controller.number, role, None if own else message.generation_id)
        except RoleError as e:
            channel.refuse(event, e.error)
            return
        if own:
            channel.send(NxRoleReply(message.role), event.xid)
        else:
            channel.send(RoleReply(granted.role, granted.generation_id, message.short_id), event.xid)
        for other in self._controllers.values():
            if other.number == granted.demoted and other.channel.version >= V14 and other.channel.connected:
                status = RoleStatus(SLAVE, 0, granted.generation_id)
                if other.config.wants(status, SLAVE):
                    other.channel.send(status, 0)

    def _bundle(self, controller: _Controller, bundles: Bundles, event: Received) -> None:
        channel, carry_out = controller.channel, self._carry_out
        assert carry_out is not None
        now = asyncio.get_running_loop().time()
        try:
            reply = bundles.handle(event.message, event.xid, now, lambda committed: carry_out(channel, committed))
        except BundleError as e:
            channel.refuse(event, e.error)
        except Exception:
            channel.refuse(event, "OFPBFC_MSG_FAILED")
            raise
        else:
            if reply is not None:
                channel.send(reply, event.xid)
        self._wind(controller, bundles)

    def _wind(self, controller: _Controller, bundles: Bundles) -> None:
        """Has the next bundle that may expire looked at."""
        when = bundles.next_timer()
        if when is not None and controller.timer is None:
            controller.timer = asyncio.get_running_loop().call_at(when, self._expire, controller, bundles)

    def _expire(self, controller: _Controller, bundles: Bundles) -> None:
        controller.timer = None
        for _, message, xid in bundles.expire(asyncio.get_running_loop().time()):
            controller.channel.refuse(Received(message, xid), "OFPBFC_TIMEOUT")
        self._wind(controller, bundles)


def _configure(config: AsyncConfig, message: Any) -> None:
    if isinstance(message, NxSetAsyncConfig):
        kinds = ("packet_in", "port_status", "flow_removed")
        config.set({kind: (getattr(message, f"{kind}_master"), getattr(message, f"{kind}_slave")) for kind in kinds})
    elif isinstance(message, NxSetAsyncConfig2):
        six = AsyncConfig(V14)
        six.masks = config.masks
        six.apply(SetAsync(properties=message.properties))
    else:
        config.apply(message)


def _configured(config: AsyncConfig) -> GetAsyncReply:
    """What a controller is told that it gets."""
    if config.version < V14:
        found: dict[str, Any] = {}
        for kind in ("packet_in", "port_status", "flow_removed"):
            found[f"{kind}_master"], found[f"{kind}_slave"] = config.masks[kind]
        return GetAsyncReply(**found)
    properties = []
    for record, entry in ASYNC_PROPERTY.entries.items():
        if issubclass(record, AsyncReasons) and entry.key is None and entry.number(config.version) is not None:
            kind, _, whose = entry.name(config.version).removeprefix("OFPACPT_").lower().rpartition("_")
            if kind in config.masks:
                properties.append(record(mask=config.masks[kind][whose == "slave"]))
    return GetAsyncReply(properties=tuple(properties))

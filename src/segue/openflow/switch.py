"""A switch as applications see it."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

from segue.openflow.channel import Channel
from segue.openflow.codec import encode
from segue.openflow.declare import Message
from segue.openflow.lanes import Lanes
from segue.openflow.limits import LIMITS
from segue.openflow.protocol.actions import Output
from segue.openflow.protocol.ports import Port, PortStatus
from segue.openflow.protocol.switch import FeaturesReply
from segue.openflow.replies import typed
from segue.openflow.wire import FLOOD, VERSION_NAMES
from segue.openflow.work import Work

if TYPE_CHECKING:
    from segue.openflow.controller import Controller

_DELETE: Final = 1


class Switch:
    """One switch, for as long as its main connection lives. `id` is its datapath id, `ports` its ports by number,
    `features` what it said of itself; `channel` is the main connection.

    `flood_ports`: where a flood is to go instead of everywhere, for networks with loops (an application that knows
    the topology sets it); None leaves it to the switch.

    Switches compare by identity: what an application keeps for one can be in a dictionary of its own, `kept[switch]`.
    """

    __slots__ = (
        "__weakref__",
        "_grown",
        "_lanes",
        "_work",
        "channel",
        "controller",
        "features",
        "flood_ports",
        "id",
        "ports",
        "version",
    )

    def __init__(
        self, controller: "Controller", channel: Channel, features: FeaturesReply, ports: Iterable[Port], work: Work
    ) -> None:
        self.controller = controller
        self.channel = channel
        self.features = features
        self.id: int = features.datapath_id
        self.version: int = channel.version
        self.ports: dict[int, Port] = {port.port_no: port for port in ports}
        self.flood_ports: frozenset[int] | None = None
        self._grown = 0
        """Octets that `ports` have more than at first."""
        self._work = work
        self._lanes: Lanes | None = None

    @property
    def lanes(self) -> Lanes:
        """Handlers that take their time; made when the first one does."""
        if self._lanes is None:
            self._lanes = self._work.lanes(self)
        return self._lanes

    def send(self, *messages: Message) -> tuple[int, ...]:
        """Sends them, in this order, and returns their transaction ids; an error about one has the same. EncodeError
        when one cannot be said, and then none is sent; a connection that has gone takes nothing, and the ids are 0.
        Who sends thousands waits for `drain` now and then. Not from another thread."""
        channel = self.channel
        if len(messages) == 1:
            return (channel.send(messages[0]),)
        prepared = channel.prepare(messages)
        channel.queue(prepared)
        return tuple([xid for xid, _, _ in prepared]) or (0,) * len(messages)

    async def drain(self) -> None:
        """Waits until the switch takes what was sent. ConnectionLost."""
        await self.channel.drain()

    @typed
    async def request(self, msg: Message, timeout: float | None = 10.0) -> Any:  # noqa: ASYNC109
        """The reply; None for a message that has none, once it was carried out. Raises OpenFlowError with the switch's
        error, ConnectionLost, TimeoutError, or EncodeError."""
        return await self.channel.request(msg, timeout)

    async def barrier(self, timeout: float = 10.0) -> None:  # noqa: ASYNC109
        """Until the switch has done all that it was sent before."""
        await self.channel.barrier(timeout)

    def flood(self, in_port: int) -> Sequence[Output]:
        """The actions that flood a packet which came in by `in_port`."""
        if self.flood_ports is None:
            return (Output(FLOOD),)
        return tuple(Output(number) for number in sorted(self.flood_ports) if number != in_port)

    def take(self, msg: PortStatus) -> bool:
        """Keeps `ports` as the switch says. False if they came to be more than a switch can have."""
        number = msg.desc.port_no
        if number in self.ports:
            self._grown -= self._octets(self.ports[number])
        if msg.reason == _DELETE:
            self.ports.pop(number, None)
        else:
            self.ports[number] = msg.desc
            self._grown += self._octets(msg.desc)
        return self._grown <= LIMITS.assembled_ports

    def _octets(self, port: Port) -> int:
        return len(encode(PortStatus(reason=0, desc=port), 0, self.version))

    def __repr__(self) -> str:
        return f"<switch {self.id:016x}, OpenFlow {VERSION_NAMES[self.version]}>"

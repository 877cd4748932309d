"""OpenFlow 1.0 to 1.5: messages, connections and controllers, usable with nothing else of Segue.

    from segue.openflow import App, FLOOD, Output, PacketIn, PacketOut     an application
    from segue.openflow import decode, encode                              bytes and messages
    from segue.openflow.as_json import from_json, to_json                  messages and JSON
    from segue.openflow.connection import Connection                       a connection without its socket
    from segue.openflow.channel import dial, listen                        with it, on asyncio
    from segue.openflow.client import OpenFlowClient                       a client of one switch
    from segue.openflow.controller import Controller                       many switches, for applications

Every message, action, instruction and property is here by its name; `protocol` has them by topic.
"""

from segue.openflow.app import (
    HANDLED,
    App,
    Handled,
    Started,
    Stopping,
    SwitchDown,
    SwitchUp,
    TopologyChanged,
)
from segue.openflow.codec import UnknownMessage, decode, decode_many, encode
from segue.openflow.declare import Message, Record
from segue.openflow.events import Refused
from segue.openflow.mac import format_mac, is_multicast, parse_mac
from segue.openflow.match_given import Match
from segue.openflow.protocol import index_actions, index_messages, index_switch
from segue.openflow.protocol.index_actions import *  # noqa: F403  (the indexes say which names)
from segue.openflow.protocol.index_messages import *  # noqa: F403
from segue.openflow.protocol.index_switch import *  # noqa: F403
from segue.openflow.wire import (
    ALL,
    ALL_GROUPS,
    ALL_QUEUES,
    ALL_TABLES,
    ANY_GROUP,
    ANY_PORT,
    CONTROLLER,
    FLOOD,
    IN_PORT,
    LOCAL,
    MAX_PORT,
    NICIRA,
    NO_BUFFER,
    NORMAL,
    ONF,
    TABLE,
    V10,
    V11,
    V12,
    V13,
    V14,
    V15,
    VERSION_NAMES,
    VERSIONS,
    EncodeError,
    ProtocolError,
)

__all__ = [
    "ALL",
    "ALL_GROUPS",
    "ALL_QUEUES",
    "ALL_TABLES",
    "ANY_GROUP",
    "ANY_PORT",
    "CONTROLLER",
    "FLOOD",
    "HANDLED",
    "IN_PORT",
    "LOCAL",
    "MAX_PORT",
    "NICIRA",
    "NORMAL",
    "NO_BUFFER",
    "ONF",
    "TABLE",
    "V10",
    "V11",
    "V12",
    "V13",
    "V14",
    "V15",
    "VERSIONS",
    "VERSION_NAMES",
    "App",
    "EncodeError",
    "Handled",
    "Match",
    "Message",
    "ProtocolError",
    "Record",
    "Refused",
    "Started",
    "Stopping",
    "SwitchDown",
    "SwitchUp",
    "TopologyChanged",
    "UnknownMessage",
    "decode",
    "decode_many",
    "encode",
    "format_mac",
    "is_multicast",
    "parse_mac",
]
__all__ += index_actions.__all__
__all__ += index_messages.__all__
__all__ += index_switch.__all__

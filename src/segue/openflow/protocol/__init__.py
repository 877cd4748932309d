"""The protocol, declared: every message, action, instruction and property of OpenFlow 1.0 to 1.5 and its extensions."""

from segue.openflow.protocol import index_actions, index_messages, index_switch
from segue.openflow.protocol.index_actions import *  # noqa: F403  (the indexes say which names)
from segue.openflow.protocol.index_messages import *  # noqa: F403
from segue.openflow.protocol.index_switch import *  # noqa: F403

__all__ = []
__all__ += index_actions.__all__
__all__ += index_messages.__all__
__all__ += index_switch.__all__

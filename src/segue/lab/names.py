"""Names derived from the lab's: the same input gives the same name, so nothing need be remembered.

Namespaces are machine-wide and carry the lab's name; interfaces live inside a namespace each and need
only differ there. The kernel allows an interface 15 characters: a longer port name keeps its beginning and
ends in a digest of the whole.
"""

from __future__ import annotations

import hashlib
import re

UNDERLAY = "ul"
UPLINK = "ul0"
"""The node's end of its underlay link, a port of ``br-ul``."""
UNDERLAY_BRIDGE = "br"
INTEGRATION_BRIDGE = "br-int"
TUNNEL_BRIDGE = "br-ul"

_PLAIN = re.compile(r"[A-Za-z0-9_.-]{1,15}\Z")
_TAKEN = frozenset({UPLINK, UNDERLAY_BRIDGE, INTEGRATION_BRIDGE, TUNNEL_BRIDGE, "lo", "all", "default"})


def namespace_prefix(lab: str) -> str:
    return f"segue-{lab}-"


def namespace(lab: str, member: str) -> str:
    """``member``: a node's name, a host's, or UNDERLAY."""
    return namespace_prefix(lab) + member


def switch_interface(port: str) -> str:
    """The node's end of the veth of a logical port."""
    if _PLAIN.match(port) and port not in _TAKEN and not port.startswith("ovs-"):
        return port
    return _digested(port)


def underlay_port(node: str) -> str:
    """The end, in the underlay's namespace, of a node's link."""
    name = f"n-{node}"
    return name if _PLAIN.match(name) else _digested(name)


def node_mac(lab: str, node: str) -> str:
    """A locally administered address for the node's end of the underlay."""
    digest = hashlib.sha256(f"{lab}/{node}".encode()).digest()
    return "02:5e:" + ":".join(f"{b:02x}" for b in digest[:4])


def _digested(name: str) -> str:
    head = re.sub(r"[^A-Za-z0-9_]", "", name)[:6]
    return f"{head}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"

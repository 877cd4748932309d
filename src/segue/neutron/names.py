"""Which declared object a Neutron object is, and the other way round.

What the API makes has its UUID as its declared name; what ``segue apply`` declared has a UUID that follows from its
kind and name (RFC 4122, version 5), the same after every restart. A declared name that is a UUID is its own id, so
that what the API made can be written to a file with ``segue get`` and applied again.

A chain may name an instance where a group of that one is meant; the API shows such a group, made from the instance.
"""

from __future__ import annotations

import hashlib
import re

from segue.model.intent import Ref

NATIVE = {
    "network": "network",
    "subnet": "subnet",
    "port": "port",
    "router": "router",
    "flow_classifier": "classifier",
    "port_pair": "instance",
    "port_pair_group": "group",
    "port_chain": "chain",
    "service_graph": "graph",
}
"""Neutron's kinds and the declared ones."""
KIND_OF = {native: kind for kind, native in NATIVE.items()}
LONE = "lone"
"""In place of a declared kind: the group that a lone instance stands for in a chain."""

_NAMESPACE = bytes.fromhex("5e60e3a1c7d84f0b9b3b8d2f4a6c1e75")
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\Z")


def is_uuid(name: str) -> bool:
    return _UUID.match(name) is not None


def derived(text: str) -> str:
    """The UUID of version 5 that ``text`` has here."""
    digest = bytearray(hashlib.sha1(_NAMESPACE + text.encode(), usedforsecurity=False).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x50
    digest[8] = digest[8] & 0x3F | 0x80
    text = digest.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def id_of(kind: str, name: str) -> str:
    """The id of a declared object of one of the declared kinds."""
    return name if is_uuid(name) and kind != LONE else derived(f"{kind}/{name}")


class Names:
    """Declared names by id, where those are not the same. An id once told means the same for good."""

    def __init__(self) -> None:
        self._names: dict[tuple[str, str], str] = {}

    def know(self, ref: Ref) -> str:
        """The id of a declared object, which can be found by it from now on."""
        id = id_of(*ref)
        if id != ref[1]:
            self._names[ref[0], id] = ref[1]
        return id

    def name(self, kind: str, id: str) -> str:
        """The declared name; ``kind`` is the declared kind."""
        return self._names.get((kind, id), id)

    def ref(self, kind: str, id: str) -> Ref:
        """The declared object that an object of Neutron's kind is, or would be."""
        native = NATIVE[kind]
        return native, self.name(native, id)

    def lone(self, group: str) -> str | None:
        """The instance that a group of the API is made from."""
        return self._names.get((LONE, group))

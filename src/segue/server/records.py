"""How the conductor's state lies in the store: keys and values, and nothing else about it.

    object/KIND/NAME   what was declared
    id/KIND/NAME       its numeric identity (nodes, networks, routers, ports, services)
    next/KIND          the next identity of that kind; next/path: the next path id
    path/ID            a path with its phase
    live/ID            the packets that enter it
    pending/CHAIN      the number of the rollout that the chain waits for
    location/PORT      the node where a port without a declared node was last seen
    counted/NODE/NAME  counters of rules that are gone

Everything else is derived. So a restart finds all that was acknowledged, and computes the same views again.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from segue.model.intent import KINDS, Object, Objects, Ref
from segue.model.path import Entry, Path
from segue.store.base import Snapshot

ROOMS = frozenset({"object", "id", "next", "path", "live", "pending", "location", "counted"})
IDENTIFIED = ("node", "network", "router", "port", "service")

_encode = msgspec.json.Encoder().encode
_objects = {kind: msgspec.json.Decoder(cls) for kind, cls in KINDS.items()}
_path = msgspec.json.Decoder(Path)
_entries = msgspec.json.Decoder(tuple[Entry, ...])


class State(msgspec.Struct):
    """Everything in the store, decoded."""

    objects: Objects = {}
    ids: dict[Ref, int] = {}
    next_id: dict[str, int] = {}
    paths: dict[int, Path] = {}
    live: dict[int, tuple[Entry, ...]] = {}
    pending: dict[str, int] = {}
    locations: dict[str, str] = {}
    counted: dict[tuple[str, str], tuple[int, int]] = {}


def load(snapshot: Snapshot) -> State:
    state = State()
    for key, item in snapshot.items.items():
        room, _, rest = key.partition("/")
        value = item.value
        match room:
            case "object":
                kind, _, name = rest.partition("/")
                state.objects[kind, name] = _objects[kind].decode(value)
            case "id":
                kind, _, name = rest.partition("/")
                state.ids[kind, name] = int(value)
            case "next":
                state.next_id[rest] = int(value)
            case "path":
                state.paths[int(rest)] = _path.decode(value)
            case "live":
                state.live[int(rest)] = _entries.decode(value)
            case "pending":
                state.pending[rest] = int(value)
            case "location":
                state.locations[rest] = value.decode()
            case "counted":
                node, _, name = rest.partition("/")
                state.counted[node, name] = msgspec.json.decode(value, type=tuple[int, int])
    return state


class Writes:
    """Collects the puts and deletes of one transaction. None deletes."""

    def __init__(self) -> None:
        self.puts: dict[str, bytes] = {}
        self.deletes: dict[str, None] = {}

    def __bool__(self) -> bool:
        return bool(self.puts or self.deletes)

    def _set(self, key: str, value: bytes | None) -> None:
        if value is None:
            self.puts.pop(key, None)
            self.deletes[key] = None
        else:
            self.deletes.pop(key, None)
            self.puts[key] = value

    def beside(self, more: Mapping[str, bytes | None]) -> None:
        """What others keep in rooms of their own."""
        for key, value in more.items():
            if key.partition("/")[0] in ROOMS:
                raise ValueError(f"{key} is in a room of the conductor")
            self._set(key, value)

    def object(self, ref: Ref, value: Object | None) -> None:
        self._set(f"object/{ref[0]}/{ref[1]}", None if value is None else _encode(value))

    def identity(self, ref: Ref, value: int | None) -> None:
        self._set(f"id/{ref[0]}/{ref[1]}", None if value is None else str(value).encode())

    def next_id(self, kind: str, value: int) -> None:
        self._set(f"next/{kind}", str(value).encode())

    def path(self, key: int, value: Path | None) -> None:
        self._set(f"path/{key}", None if value is None else _encode(value))

    def live(self, key: int, value: tuple[Entry, ...] | None) -> None:
        self._set(f"live/{key}", None if value is None else _encode(value))

    def pending(self, chain: str, value: int | None) -> None:
        self._set(f"pending/{chain}", None if value is None else str(value).encode())

    def location(self, port: str, node: str) -> None:
        self._set(f"location/{port}", node.encode())

    def counted(self, node: str, name: str, value: tuple[int, int]) -> None:
        self._set(f"counted/{node}/{name}", _encode(value))

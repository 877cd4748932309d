"""Which connections belong together: a switch may have auxiliary connections beside its main one.

OpenFlow 1.3 and later, 1.5.1 section 6.3.8: each connection of a switch tells the same datapath id and its own
auxiliary id in its features reply; the main one has 0. An auxiliary connection speaks the same version as the main one
and lives only as long: it is not accepted before, and it is closed when the main one goes. A second connection with
ids that are taken replaces the first, because a switch that calls again has lost the old one, whatever our side of it
still believes.

`C` is whatever the caller has for a connection; it is only kept here, compared by identity.
"""

from typing import Final, Generic, TypeVar

import msgspec

C = TypeVar("C")

MOST_AUXILIARIES: Final = 255


class Place(msgspec.Struct, Generic[C], frozen=True):
    """Where a connection was put. `main` is the switch's main connection (itself, if it is that); None says that the
    connection is to be closed, as its switch has none, or speaks another version there. `replaced` are those to be
    closed now."""

    main: C | None
    replaced: tuple[C, ...] = ()


class Datapaths(Generic[C]):
    """The connections of all switches, by datapath id and auxiliary id."""

    def __init__(self) -> None:
        self._mains: dict[int, C] = {}
        self._versions: dict[int, int] = {}
        self._auxiliaries: dict[int, dict[int, C]] = {}
        """Of those that have any."""

    def __len__(self) -> int:
        return len(self._mains)

    def add(self, datapath_id: int, auxiliary_id: int, connection: C, version: int = 0) -> Place[C]:
        """Enters a connection whose features are known, and on which `version` is spoken."""
        if auxiliary_id == 0:
            before = (self._mains.get(datapath_id), *self._auxiliaries.pop(datapath_id, {}).values())
            self._mains[datapath_id] = connection
            self._versions[datapath_id] = version
            return Place(connection, tuple(one for one in before if one is not None and one is not connection))
        main = self._mains.get(datapath_id)
        if main is None or not 0 < auxiliary_id <= MOST_AUXILIARIES or version != self._versions[datapath_id]:
            return Place(None)
        own = self._auxiliaries.setdefault(datapath_id, {})
        taken = own.get(auxiliary_id)
        own[auxiliary_id] = connection
        return Place(main, () if taken is None or taken is connection else (taken,))

    def remove(self, datapath_id: int, connection: C) -> tuple[C, ...]:
        """Takes out a connection that has gone; what it returns is to be closed too. One that is not here any more (it
        was replaced) takes nothing with it."""
        if self._mains.get(datapath_id) is connection:
            del self._mains[datapath_id], self._versions[datapath_id]
            return tuple(self._auxiliaries.pop(datapath_id, {}).values())
        own = self._auxiliaries.get(datapath_id, {})
        number = next((number for number, other in own.items() if other is connection), None)
        if number is not None:
            del own[number]
            if not own:
                del self._auxiliaries[datapath_id]
        return ()

    def main(self, datapath_id: int) -> C | None:
        """The main connection of a switch."""
        return self._mains.get(datapath_id)

    def auxiliaries(self, datapath_id: int) -> dict[int, C]:
        """auxiliary id -> connection, without the main one."""
        return dict(self._auxiliaries.get(datapath_id, {}))

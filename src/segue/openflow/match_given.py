"""`Match`: the fields of a match by name, `Match(in_port=1, eth_src=("02:00:00:00:00:00", ...))`.

Wherever a match is wanted, any mapping will do; this one has names that editors and type checkers know, does not
change, and is the quickest to make and to write where there is a compiled core.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NoReturn

from segue.openflow import core

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Unpack

    from segue.openflow.match import Value
    from segue.openflow.match_names import MatchFields

    class Match(Mapping[str, Value]):
        """Fields by name, each with a value, or with a value and its mask."""

        def __init__(self, fields: Mapping[str, Value] = ..., /, **named: Unpack[MatchFields]) -> None: ...
        def __getitem__(self, name: str) -> Value: ...
        def __iter__(self) -> Iterator[str]: ...
        def __len__(self) -> int: ...
        def __or__(self, other: Mapping[str, Value]) -> dict[str, Value]: ...
        def copy(self) -> "Match": ...

elif core.COMPILED:
    Match = core.Match
    Mapping.register(Match)
else:

    class Match(dict):
        """Fields by name, each with a value, or with a value and its mask."""

        __slots__ = ()
        __hash__ = None

        def __repr__(self) -> str:
            return f"Match({', '.join(f'{name}={value!r}' for name, value in self.items())})"

        def __reduce__(self) -> Any:
            return Match, (dict(self),)

        def copy(self) -> "Match":
            return self

        __copy__ = copy

        def _changes(self, *_: Any, **__: Any) -> NoReturn:
            raise TypeError("a Match does not change; match | {...} is a new one")

        __setitem__ = __delitem__ = __ior__ = update = pop = popitem = clear = setdefault = _changes
